/* SPDX-License-Identifier: MIT
 *
 * What the files that read torch pickles share. Nobody else includes this.
 */
#ifndef SDK_TORCH_READ_STATE_H
#define SDK_TORCH_READ_STATE_H

#include "buffer.h"
#include "hash_table.h"
#include "torch_read.h"

/* The globals that mean something here. */
enum torch_known {
    TORCH_UNKNOWN = 0,
    TORCH_ORDERED_DICT,
    TORCH_REBUILD_TENSOR, /* the rebuild functions stand together, in order */
    TORCH_REBUILD_TENSOR_V2,
    TORCH_REBUILD_TENSOR_V3,
    TORCH_REBUILD_QUANTISED,
    TORCH_REBUILD_META, /* the last that gives a tensor by itself */
    TORCH_REBUILD_PARAMETER,
    TORCH_REBUILD_PARAMETER_STATE,
    TORCH_REBUILD_TYPED,
    TORCH_REBUILD_DEVICE_TENSOR,
    TORCH_OLD_PARAMETER, /* classes that torch up to 0.3 made anew */
    TORCH_OLD_VARIABLE,
    TORCH_OLD_TENSOR, /* `dtype` says of what */
    TORCH_REBUILD_DEVICE_ARRAY,
    TORCH_REBUILD_SPARSE, /* these give a map of tensors */
    TORCH_REBUILD_NESTED,
    TORCH_LAYOUT,
    TORCH_PER_TENSOR,
    TORCH_PER_CHANNEL,
    TORCH_LOAD_BYTES,
    TORCH_TUPLE,
    TORCH_BYTEARRAY,
    TORCH_ARRAY, /* numpy.ndarray, the class */
    TORCH_ARRAY_RECONSTRUCT,
    TORCH_ARRAY_FROM_BUFFER,
    TORCH_ARRAY_DTYPE,
    TORCH_TENSOR, /* the class */
    TORCH_SIZE,
    TORCH_DEVICE,
    TORCH_COMPLEX,
    TORCH_ENCODE,
    TORCH_BYTES,
    TORCH_DTYPE,  /* `dtype` says which */
    TORCH_STORAGE /* `dtype` says of what; NONE is untyped */
};

struct torch_name {
    const char *module, *name; /* as Python 3 has them */
    uint32_t known;            /* enum torch_known */
    uint32_t dtype;
};

struct torch_entry; /* one storage */

/* Something that has no place in the graph. */
struct torch_left_out {
    uint64_t count;
    char first[256]; /* its path, perhaps cut */
};

/* What whole models leave beside their state; see torch_module_about.c. */
struct torch_models {
    struct ckpt_value *classes, *training, *frozen, *settings; /* or NULL */
    struct ckpt_value *version, *spectral; /* keys that programs share */
    struct sdk_table sources; /* by class: see sdk_torch_module_source */
    bool sources_read;
    unsigned char *marks; /* a bit for each node: modules that were met, and
                             classes that were reported */
    uint64_t unfolded;
    unsigned odd_count, twice_count;
    struct torch_left_out left_out[2]; /* of plain things; of tensors */
};

#define TORCH_CACHED 64
#define TORCH_STEP_BYTES 16 /* of text that make one step */
#define TORCH_PENDING UINT32_C(0x80000000)

struct torch_reader {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    const struct sdk_pickled *pickled;
    const struct sdk_torch_source *source;

    /* By node: the number of its value and one, with TORCH_PENDING while that
     * is a container that has yet to be filled; 0 is none. Few nodes have a
     * value of their own, so these numbers are kept small. */
    uint32_t *numbers;
    struct ckpt_value **values;
    size_t value_count, value_capacity;

    struct torch_frame *frames;
    size_t frame_count, frame_capacity;
    struct sdk_buffer path; /* keys joined by '.', without NUL */
    unsigned told;          /* how many storages on unknown objects were told */
    uint32_t role;          /* of tensors that have none: enum ckpt_role */

    struct torch_entry *entries;
    size_t entry_count, entry_capacity;
    size_t root_count;          /* of entries that are no views */
    struct ckpt_value *sources; /* of classes, by name, or NULL */
    uint64_t *direct; /* by key, where keys count up from 0: entry and one */
    size_t direct_count;
    struct sdk_table keys; /* all other keys: the same */

    struct torch_models models;

    uint64_t steps; /* of looking at what is shared; the walk bounds them */

    uint32_t device_node; /* whose text `device` is */
    char device[256];

    struct {
        uint32_t ref; /* plus one; 0 is none */
        struct torch_name name;
    } cache[TORCH_CACHED];
};

/* ---- Names ---- */

/* What a global is. */
const struct torch_name *sdk_torch_name_of(struct torch_reader *r,
                                           uint32_t ref);

/* What the callee of a call is; TORCH_UNKNOWN if it is no global. */
uint32_t sdk_torch_known_call(struct torch_reader *r, uint32_t ref);

/* The same of a call or a new object that makes a tensor; else
 * TORCH_UNKNOWN. */
uint32_t sdk_torch_known_tensor(struct torch_reader *r, uint32_t ref);

/* The storage class of a dtype; that of NONE is untyped. */
const char *sdk_torch_class_name(uint32_t dtype);

/* ---- Messages ---- */

/* The path, NUL-terminated, or NULL at the root. */
const char *sdk_torch_path(struct torch_reader *r);

/* Position in the file of a node's opcode. */
uint64_t sdk_torch_byte(const struct torch_reader *r, uint32_t ref);

int sdk_torch_fail(struct torch_reader *r, int status, uint32_t ref,
                   const char *what);

/* ---- Tensors and storages ---- */

/* Makes the tensor of what sdk_torch_known_tensor knows. CKPT_END, with
 * nothing said: it is for others to keep as an object. `*state` is the dict of
 * its attributes, or NOTHING. */
int sdk_torch_tensor_new(struct torch_reader *r, uint32_t ref, uint32_t *state,
                         struct ckpt_value **value);

/* Makes the object of a bare storage, or gives it again. */
int sdk_torch_storage_object(struct torch_reader *r, uint32_t ref,
                             struct ckpt_value **value);

/* Tells of a bare storage that is met within an object of an unknown class. */
void sdk_torch_tell_storage(struct torch_reader *r, uint32_t ref);

/* Looks at every persistent id in the order of a load, where the container
 * wants that. */
int sdk_torch_meet(struct torch_reader *r);

void sdk_torch_entries_fini(struct torch_reader *r);

/* ---- Classes that come with their source ---- */

/* Whether a persistent node stands for a class. */
bool sdk_torch_is_module(const struct torch_reader *r, uint32_t ref);

/* The node of the class that `ref` stands for, or `ref` itself. */
uint32_t sdk_torch_class(const struct torch_reader *r, uint32_t ref);

/* Checks what a persistent node says of a class, and keeps its source. */
int sdk_torch_meet_module(struct torch_reader *r, uint32_t ref);

/* ---- Values ---- */

/* The value of a node, made if need be; containers are left to be filled.
 * `depth` counts how deep calls call what was called. */
int sdk_torch_value_of(struct torch_reader *r, uint32_t ref, unsigned depth,
                       struct ckpt_value **value);

/* Whether the node is a call without arguments, items, pairs or state of what
 * is known as `known`. */
bool sdk_torch_is_plain_call(struct torch_reader *r, uint32_t ref,
                             uint32_t known);

/* The text of a node, also if it was left in the file; then `*loaded` is the
 * memory of it, which the caller releases. */
int sdk_torch_text(struct torch_reader *r, uint32_t ref, struct ckpt_text *text,
                   void **loaded);

/* UTF-8 of code points below 256 to bytes; false if there are others. The
 * bytes are no more than the text's. */
bool sdk_torch_decode_latin1(const struct ckpt_text *text, unsigned char *bytes,
                             size_t *size_bytes);

/* Makes the size, device, complex or bytes of a call to what is known as
 * `known`. CKPT_END: the arguments are not its own. */
int sdk_torch_scalar_call(struct torch_reader *r, uint32_t ref, uint32_t known,
                          struct ckpt_value **value);

/* host->value_new on the reader's graph. */
int sdk_torch_value(struct torch_reader *r, const struct ckpt_value *like,
                    struct ckpt_value **value);

#endif
