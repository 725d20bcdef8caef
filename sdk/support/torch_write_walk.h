/* SPDX-License-Identifier: MIT
 *
 * What the files of torch_write share. All of them keep the pickle's rule:
 * after a failure the rest does nothing.
 */
#ifndef SDK_TORCH_WRITE_WALK_H
#define SDK_TORCH_WRITE_WALK_H

#include "torch_write.h"

/* The words that every tensor needs. */
enum torch_word {
    TORCH_ORDERED_DICT,
    TORCH_TENSOR_V2,
    TORCH_TENSOR_V3,
    TORCH_PARAMETER,
    TORCH_PARAMETER_STATE,
    TORCH_PARAMETER_CLASS,
    TORCH_STORAGE,
    TORCH_CPU,
    TORCH_WORD_COUNT
};

/* What is known of one storage, by its id. */
struct torch_storage {
    uint32_t key;      /* and one; 0: not used yet */
    uint32_t key_memo; /* where its key is in the memo */
    uint32_t dtype;    /* of its class; 0: not seen yet */
    bool untyped;      /* no one class serves all its tensors */
};

/* How a global of the graph is used, and what was said of it. */
enum torch_said { TORCH_SAID_NAME = 1, TORCH_SAID_CALL = 2 };

/* Text that lives as long as the walk. */
struct torch_text {
    struct torch_text *next;
    char data[];
};

struct torch_walk {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    uint32_t form;                     /* enum sdk_torch_form */
    const struct sdk_torch_part *part; /* of the root; NULL: all of it */
    struct sdk_torch_pickle *result;
    struct sdk_pickler *pickle; /* of the result */
    size_t use_capacity;
    uint64_t last_key; /* TAR */
    uint32_t *memo;    /* by value id: place and one; 0: not written yet */
    struct torch_storage *storages;
    struct torch_text *texts;
    struct sdk_table said; /* globals warned of: enum torch_said */
    uint32_t words[TORCH_WORD_COUNT];
    uint32_t class_words[CKPT_DTYPE_COUNT]; /* and one; 0: not asked for yet;
                                               at 0: the untyped class */
    uint32_t depth;
    uint32_t state_depth; /* of the tensors of a module's state; or 0 */
    uint64_t visits;
};

/* Fails with the name of the value, if it has one. */
void sdk_torch_walk_fail(struct torch_walk *walk, int status,
                         const struct ckpt_value *value, const char *what);

/* Memoises the top of the stack as `value`. */
void sdk_torch_walk_put(struct torch_walk *walk,
                        const struct ckpt_value *value);

/* The number of a global that the graph brings, not this code. One that torch
 * does not hold for safe is warned of, once as a name and once as a call. */
uint32_t sdk_torch_walk_global(struct torch_walk *walk, const char *module,
                               const char *name, uint32_t said);

/* Writes any value. */
void sdk_torch_walk_value(struct torch_walk *walk,
                          const struct ckpt_value *value);

/* Items and pairs in the batches of something that iterates. */
void sdk_torch_walk_items(struct torch_walk *walk,
                          const struct ckpt_value *const *items, size_t count,
                          bool list);
void sdk_torch_walk_pairs(struct torch_walk *walk,
                          const struct ckpt_pair *pairs, size_t count,
                          bool dict);

/* A class by its dotted name: "pkg.mod.Class"; for messages, that of
 * `value`. */
void sdk_torch_walk_class(struct torch_walk *walk,
                          const struct ckpt_value *value, const char *name);

/* ---- Tensors that are more than a view ---- */

/* Whether an attribute of a tensor is its quantiser. */
bool sdk_torch_walk_is_quantiser(const struct ckpt_attr *attr);

/* How a tensor is quantised: a map; or NULL. */
const struct ckpt_value *sdk_torch_quantiser(const struct ckpt_value *value);

/* The tuple that torch says it by. */
void sdk_torch_walk_quantiser(struct torch_walk *walk,
                              const struct ckpt_value *value);

/* Whether a tensor has attributes beside its quantiser. */
bool sdk_torch_has_attrs(const struct ckpt_value *value);

/* A sparse or nested tensor; false, with nothing written: the map is none. */
bool sdk_torch_walk_parts(struct torch_walk *walk,
                          const struct ckpt_value *value);

/* An array of NumPy, with its bytes. */
void sdk_torch_walk_array(struct torch_walk *walk,
                          const struct ckpt_value *value);

/* Attributes but for the quantiser, as the dict of an object. */
void sdk_torch_walk_attrs(struct torch_walk *walk,
                          const struct ckpt_attr *attr);

bool sdk_torch_walk_atom(struct torch_walk *walk,
                         const struct ckpt_value *value);
void sdk_torch_walk_scalar(struct torch_walk *walk,
                           const struct ckpt_value *value);
void sdk_torch_walk_object(struct torch_walk *walk,
                           const struct ckpt_value *value);
void sdk_torch_walk_tensor(struct torch_walk *walk,
                           const struct ckpt_value *value);

/* A shape or strides: a tuple of its own. */
void sdk_torch_walk_dims(struct torch_walk *walk,
                         const struct ckpt_value *value, const uint64_t *dims);
/* TAR: names a storage, a tensor, a bare storage given as a tensor over a part
 * of another one. `dtype` is that of the storage's class. */
void sdk_torch_walk_name_storage(struct torch_walk *walk,
                                 const struct ckpt_storage *storage,
                                 uint32_t dtype);
void sdk_torch_walk_name_tensor(struct torch_walk *walk,
                                const struct ckpt_tensor *tensor,
                                uint32_t dtype);
void sdk_torch_walk_name_view(struct torch_walk *walk,
                              const struct ckpt_tensor *tensor, uint32_t dtype);

/* Appends to the list of uses, which becomes the list of records. */
void sdk_torch_walk_use(struct torch_walk *walk,
                        const struct ckpt_storage *storage, uint32_t dtype);

/* A bare storage, given as a tensor over it. */
void sdk_torch_walk_storage(struct torch_walk *walk,
                            const struct ckpt_value *value, bool untyped);

/* Enters the words, and looks through all tensors for the classes of their
 * storages. */
void sdk_torch_walk_words(struct torch_walk *walk);
void sdk_torch_walk_scan(struct torch_walk *walk);

#endif
