/* SPDX-License-Identifier: MIT
 *
 * What the parts of restoring share: the record, its nodes, its tensors.
 */
#ifndef HUB_RUN_RESTORE_PRIVATE_H
#define HUB_RUN_RESTORE_PRIVATE_H

#include "hub/core/table.h"
#include "hub/graph/graph.h"
#include "json.h"

/* A tensor of the record. Its value exists from when it is met; the view is
 * filled in when all of them are known. */
struct restore_tensor {
    struct restore_tensor *next; /* in order of the record */
    struct ckpt_tensor *slot;    /* inside the value */
    size_t flat;                 /* index among the described entries, or
                                    SIZE_MAX: it has no bytes */
    size_t set;                  /* index of its storage, or SIZE_MAX */
    const char *device;
    struct ckpt_tensor view; /* as the record tells it */
    bool has_dtype, has_shape, has_strides;
};

struct restore {
    struct hub_report *report;
    const struct ckpt_graph *flat;
    struct hub_graph *graph;
    const char *reason; /* why the record is not taken, or NULL */
    struct sdk_json json;
    const struct ckpt_host *host; /* for the memory of text with escapes */
    struct sdk_buffer scratch;
    struct hub_table names; /* of the flat entries: their indices */
    struct hub_table texts; /* of the flat map: their places in it */
    struct hub_table ties;  /* names that are told as attributes */
    bool versioned;         /* its version has been read, and is known */
    bool copied;            /* the other attributes have been taken over */
    const char **set_devices;
    size_t set_count;
    uint64_t set_bytes;      /* of the shared storages so far */
    uint64_t stored_bytes;   /* of the storages of the flat graph */
    struct ckpt_value **ids; /* by the record's ids */
    size_t id_count;
    struct restore_tensor *tensors, **tensors_end;
    size_t tensor_count;
    bool *used; /* of each flat entry */
};

/* The record is wrong: remembers why, once. */
int restore_refuse(struct restore *restore, const char *reason);

/* Reads the next event, which must be this one. */
int restore_expect(struct restore *restore, enum sdk_json_event event);

/* A list of names and nodes: attributes of a value, or of the graph if
 * `owner` is NULL. */
int restore_attrs(struct restore *restore, struct ckpt_value *owner);

/* One node, whose first event has been read. */
int restore_node(struct restore *restore, struct ckpt_value **value);

/* The last event's text, without escapes, NUL-terminated, in the arena. */
int restore_text(struct restore *restore, struct ckpt_text *text);

/* The same for a name, in which a NUL is refused. */
int restore_name(struct restore *restore, const char **name);

/* The keys of a tensor node; `*taken` is false for a key of another kind. */
int restore_tensor_begin(struct restore *restore, const char *type_name,
                         struct restore_tensor **made,
                         struct ckpt_value **value);

/* The same for one without bytes; the text is its dtype. */
int restore_absent_begin(struct restore *restore, const char *type_name,
                         struct restore_tensor **made,
                         struct ckpt_value **value);
int restore_tensor_key(struct restore *restore, struct restore_tensor *tensor,
                       bool *taken);

/* Gives every tensor its storage and its view. */
int restore_tensors(struct restore *restore);

#endif
