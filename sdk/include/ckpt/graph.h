/* SPDX-License-Identifier: MIT
 *
 * The tensor graph: a tree of values, tensors that are views of storages,
 * and storages that say where their bytes are. It holds no payload.
 *
 * All structs here belong to the hub. Plugins read them freely and change
 * them only through the functions of host.h. They live until the graph is
 * freed, they may grow at their end, and so they are always reached through
 * pointers and never copied by plugins; only ckpt_pair, ckpt_text,
 * ckpt_entry and ckpt_spot are fixed for good.
 *
 * Text is UTF-8 or raw bytes as its kind says, followed by a NUL that is not
 * counted.
 */
#ifndef CKPT_GRAPH_H
#define CKPT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ckpt/dtype.h"
#include "ckpt/source.h"

struct ckpt_tensor;
struct ckpt_value;

struct ckpt_text {
    const char *data;
    size_t size_bytes;
};

enum ckpt_kind {
    CKPT_KIND_NONE = 0,
    CKPT_KIND_BOOL,
    CKPT_KIND_INT,     /* any width: see ckpt_value.wide */
    CKPT_KIND_FLOAT,   /* binary64 */
    CKPT_KIND_COMPLEX, /* two binary64 */
    CKPT_KIND_STRING,  /* UTF-8 */
    CKPT_KIND_BYTES,
    CKPT_KIND_DTYPE,
    CKPT_KIND_DEVICE, /* a label: "cpu", "cuda:0" */
    CKPT_KIND_SIZE,   /* a shape as a value: items are ints */
    CKPT_KIND_LIST,
    CKPT_KIND_TUPLE,
    CKPT_KIND_MAP,    /* ordered; a key is any scalar, or any value at all */
    CKPT_KIND_OBJECT, /* what a pickle names and no neutral kind covers */
    CKPT_KIND_TENSOR,
    CKPT_KIND_COUNT
};

struct ckpt_pair {
    const struct ckpt_value *key;
    const struct ckpt_value *value;
};

/* Metadata of a graph or of one value: a list in order of addition. */
struct ckpt_attr {
    const char *name;
    const struct ckpt_value *value;
    const struct ckpt_attr *next;
};

/* How an object came to be. An object is data: nothing is imported, called
 * or run, neither when it is read nor when it is written. */
enum ckpt_made {
    CKPT_MADE_NAMED = 0, /* a bare name: the class or function itself */
    CKPT_MADE_CALLED,    /* callee(*args), pickle's REDUCE */
    CKPT_MADE_NEW,       /* callee.__new__(callee, *args, **kwargs) */
    CKPT_MADE_PERSISTENT /* named by a container, as torch does storages */
};

/* The parts of an object that are set after it exists; see object_set. */
enum ckpt_part {
    CKPT_PART_STATE = 1, /* what it was built with, pickle's BUILD */
    CKPT_PART_ITEMS,     /* a list: what was appended to it */
    CKPT_PART_PAIRS      /* a map: what was stored in it by key */
};

struct ckpt_object {
    uint32_t made;                   /* enum ckpt_made */
    const char *module;              /* "collections"; NULL if callee is set */
    const char *name;                /* "Counter"; may contain dots */
    const struct ckpt_value *callee; /* a callee that is itself made, or NULL */
    const struct ckpt_value *args;   /* a tuple, or NULL */
    const struct ckpt_value *kwargs; /* a map, or NULL */
    const struct ckpt_value *state;
    const struct ckpt_value *items;
    const struct ckpt_value *pairs;
};

/* One value. Which member of `as` holds follows from `kind`. The same value
 * may be met twice, and a container may contain itself: identity is meaning,
 * and every walk must mind it. */
struct ckpt_value {
    uint32_t kind; /* enum ckpt_kind */
    bool wide;     /* int: it is in as.text, two's complement, low byte first */
    /* A map or list of a class of its own: "collections.OrderedDict".
     * NULL is the plain kind. */
    const char *type_name;
    union {
        bool truth;
        int64_t integer;
        double real;
        struct {
            double re, im;
        } parts;               /* complex */
        struct ckpt_text text; /* string, bytes, device, wide int */
        uint32_t dtype;
        struct {
            const struct ckpt_value *const *items;
            size_t count;
        } list; /* list, tuple, size */
        struct {
            const struct ckpt_pair *pairs;
            size_t count;
        } map;
        const struct ckpt_object *object;
        const struct ckpt_tensor *tensor;
    } as;
    const struct ckpt_attr *attrs;
    uint64_t id; /* below its graph's count: an index for side tables */
};

/* Where the bytes of a storage are. */
enum ckpt_place {
    CKPT_PLACE_SPAN = 1, /* a run of a source */
    CKPT_PLACE_CODED,    /* made by a cursor of the reader, or of the
                           transform that added it, from start to end */
    CKPT_PLACE_OWNED,    /* a few bytes that the graph copied */
    CKPT_PLACE_MADE,     /* made by the hub from other storages */
    CKPT_PLACE_ABSENT    /* nowhere: its tensors are shapes without bytes */
};

enum ckpt_byte_order { CKPT_LITTLE_ENDIAN = 0, CKPT_BIG_ENDIAN };

/* Bytes with a device label. Two tensors on one storage are tied. */
struct ckpt_storage {
    uint64_t size_bytes;
    uint32_t place;      /* enum ckpt_place */
    uint32_t byte_order; /* enum ckpt_byte_order */
    uint32_t word_bytes; /* what a swap turns round: 1, 2, 4, 8 */
    const char *device;  /* "cpu", "cuda:0"; NULL given to the hub is "cpu" */
    const struct ckpt_source *source; /* SPAN: where */
    uint64_t source_offset;           /* SPAN: first byte */
    uint64_t cursor_key;              /* CODED: that plugin's own number */
    const void *data;                 /* OWNED */
    uint64_t id; /* below its graph's count: an index for side tables */
};

enum ckpt_role { CKPT_ROLE_UNKNOWN = 0, CKPT_ROLE_PARAMETER, CKPT_ROLE_BUFFER };

#define CKPT_MAX_RANK 64

/* Signs that are turned between the stored bytes and the values: those of all
 * imaginary parts in a conjugate view, all signs in a negative one. Whoever
 * gets the bytes of such a tensor from the hub gets the values. */
enum ckpt_flip { CKPT_FLIP_CONJUGATE = 1, CKPT_FLIP_NEGATIVE = 2 };

/* A view of a storage. Element (i, j, ...) is at element offset +
 * i * strides[0] + j * strides[1] + ... of the storage. Rank 0 has one
 * element; a dimension of 0 is legal and then the offset is free. */
struct ckpt_tensor {
    uint32_t dtype; /* enum ckpt_dtype */
    uint32_t rank;
    const uint64_t *shape;
    const uint64_t *strides; /* in elements; NULL given to the hub: row-major */
    uint64_t offset;         /* in elements */
    const struct ckpt_storage *storage;
    uint32_t role; /* enum ckpt_role */
    bool requires_grad;
    /* Filled by the hub. */
    uint64_t element_count;
    uint64_t size_bytes; /* of the contiguous tensor; ABSENT: 0 */
    bool contiguous;     /* row-major without gaps */
    uint64_t id; /* below its graph's count: an index for side tables */
    /* Given to the hub. */
    uint32_t flips;        /* of enum ckpt_flip, or 0 */
    const char *type_name; /* of a class of its own: "numpy.ndarray"; or NULL */
};

/* A tensor under its full name: the keys from the root, joined by '.'. */
struct ckpt_entry {
    struct ckpt_text name;
    const struct ckpt_value *value; /* of kind CKPT_KIND_TENSOR */
};

/* The place of an entry's value, as edits want it: a map and the index of the
 * pair, a list or tuple and the index of the item. The owner is NULL if it
 * hangs on anything else: the root itself, a part of an object, an attribute.
 */
struct ckpt_spot {
    const struct ckpt_value *owner;
    size_t index;
};

/* A finished graph, as writers and transforms see it. */
struct ckpt_graph {
    const struct ckpt_value *root;
    const struct ckpt_attr *attrs;
    const struct ckpt_entry *entries; /* every tensor, in order of the tree */
    size_t entry_count;
    uint64_t value_count, tensor_count, storage_count; /* bounds of the ids */
    const struct ckpt_spot *spots;                     /* of each entry */
};

#endif
