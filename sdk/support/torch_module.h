/* SPDX-License-Identifier: MIT
 *
 * Whole models: a pickled torch.nn.Module becomes the map that its
 * state_dict() would have given. Only the files that read torch pickles
 * include this; torch_read.h says what comes out.
 *
 * A module is a new object or a call whose state is a dict (or a pair of a
 * dict and slots) with dicts `_parameters`, `_buffers` and `_modules`. Its
 * class need not be known. What torch.compile makes of a module is a call with
 * that module, which is its child `_orig_mod`. One walk unfolds one module with
 * all its children, one part at a time, so that what it meets can be filled in
 * between.
 */
#ifndef SDK_TORCH_MODULE_H
#define SDK_TORCH_MODULE_H

#include "torch_read_state.h"

/* A dict or an OrderedDict: key, value, ... or, as Python 2 wrote the latter,
 * a list of lists [key, value]. */
struct torch_pairs {
    struct sdk_pickled_list list;
    bool listed;
};

#define SDK_TORCH_COMPILED "_orig_mod."

struct torch_module {
    uint32_t node;
    struct sdk_pickled_list state; /* key, value, ... */
    struct torch_pairs parameters, buffers, children;
    uint32_t transient; /* names of buffers that are no state; or NOTHING */
    uint32_t training;  /* a bool; or NOTHING */
    bool compiled;      /* it stands within what torch.compile made of it */
};

struct torch_level {
    struct torch_module module;
    uint32_t part, index;        /* of what comes next */
    size_t prefix_bytes;         /* of the walk's prefix that belongs to it */
    uint64_t source;             /* of its class; see below */
    bool again;                  /* this module was met before */
    struct ckpt_value *settings; /* its own in SDK_TORCH_MODEL_SETTINGS */
};

/* One model that is being unfolded. */
struct torch_modules {
    struct ckpt_value *map, *metadata;
    size_t base_bytes; /* of the reader's path: where the model is */
    struct torch_level *levels;
    size_t level_count, level_capacity;
    struct sdk_buffer prefix;   /* "layer1.0." */
    struct sdk_buffer scratch;  /* a name, while it is made */
    struct sdk_table transient; /* of the buffers that are being listed */
};

/* ---- torch_module_find.c: what the nodes are ---- */

/* Whether the node is a module. */
bool sdk_torch_module_find(struct torch_reader *r, uint32_t ref,
                           struct torch_module *module);

static inline uint32_t
sdk_torch_pairs_count(const struct torch_pairs *pairs)
{
    return pairs->listed ? pairs->list.count : pairs->list.count / 2;
}

/* False: what stands there is no pair. */
bool sdk_torch_pairs_get(const struct torch_reader *r,
                         const struct torch_pairs *pairs, uint32_t index,
                         uint32_t *key, uint32_t *value);

/* Whether the node is a dict or an OrderedDict; gives its pairs. */
bool sdk_torch_pairs_of(struct torch_reader *r, uint32_t ref,
                        struct torch_pairs *pairs);

/* The names in a set. */
struct sdk_pickled_list sdk_torch_set_of(struct torch_reader *r, uint32_t ref);

/* The class that a node is of, as a global; NULL if it is none. */
const struct torch_name *sdk_torch_class_of(struct torch_reader *r,
                                            uint32_t ref);

/* Whether all that the node holds are small plain values. */
bool sdk_torch_is_plain(struct torch_reader *r, uint32_t ref);

/* ---- torch_module.c: the walk ---- */

/* Begins to unfold the module `ref` into `map`, at the reader's path. */
int sdk_torch_modules_open(struct torch_reader *r, uint32_t ref,
                           struct ckpt_value *map, struct torch_modules **walk);

/* One part. `*enter` is a node to be entered next, or NOTHING. CKPT_END:
 * there are no more. */
int sdk_torch_modules_step(struct torch_reader *r, struct torch_modules *walk,
                           uint32_t *enter);

/* NULL is fine. */
void sdk_torch_modules_close(const struct ckpt_host *host,
                             struct torch_modules *walk);

/* ---- torch_module_about.c: what is kept beside the state ---- */

/* Class, version and training flag of the module at the top of the walk. */
int sdk_torch_module_about(struct torch_reader *r, struct torch_modules *walk);

/* One pair of the module's state. `*enter` as above. */
int sdk_torch_module_setting(struct torch_reader *r, struct torch_modules *walk,
                             uint32_t key, uint32_t value, uint32_t *enter);

/* Takes note of a parameter without gradient. */
int sdk_torch_module_frozen(struct torch_reader *r);

/* Takes note of a tensor, or of something else, that is left out. */
void sdk_torch_module_left_out(struct torch_reader *r, bool tensor);

/* Reports, once for each class, what makes the map differ from what the
 * module itself would give. */
void sdk_torch_module_odd(struct torch_reader *r, uint32_t ref,
                          const char *what);

/* Counts `count` steps of unfolding, which sharing can multiply. */
int sdk_torch_module_count(struct torch_reader *r, uint32_t ref,
                           uint64_t count);

/* What the source of a class says, if the file has it: the version, or 0 if
 * it says none; and whether the class makes its state itself. */
#define SDK_TORCH_SOURCE_OWN (UINT64_C(1) << 32)
#define SDK_TORCH_SOURCE_VERSION UINT32_MAX
int sdk_torch_module_source(struct torch_reader *r,
                            const struct ckpt_text *class, uint64_t *found);

/* The version of its class, as `_metadata` has it. */
int64_t sdk_torch_module_version(struct torch_reader *r,
                                 const struct torch_level *level);

/* Hands the attributes to the graph, and reports what was left out. */
int sdk_torch_models_finish(struct torch_reader *r);
void sdk_torch_models_fini(struct torch_reader *r);

/* A string value. */
int sdk_torch_string(struct torch_reader *r, const void *data,
                     size_t size_bytes, struct ckpt_value **value);

/* Whether the node is text that can be part of a name. */
bool sdk_torch_is_name(struct torch_reader *r, uint32_t ref);

#endif
