/* SPDX-License-Identifier: MIT
 *
 * Fit: what a writer cannot hold, told before a byte is written.
 */
#ifndef HUB_RUN_FIT_H
#define HUB_RUN_FIT_H

#include "ckpt/writer.h"
#include "hub/core/table.h"
#include "hub/graph/graph.h"
#include "hub/load/host_table.h"

/* What becomes of one entry of the graph in a flat target. */
struct hub_fit_entry {
    const struct ckpt_entry *entry;
    struct ckpt_text name; /* in the target */
    size_t kept;           /* the entry whose bytes these are; itself if no
                              twin came before */
    bool dropped;          /* told by name alone */
    bool absent;           /* told in the record alone: it has no bytes */
    uint32_t dtype;        /* in the target */
    const struct ckpt_value *value; /* the tensor that the writer gets */
};

struct hub_fit {
    struct hub_report *report;
    const struct ckpt_graph *graph; /* as it was read */
    const struct ckpt_writer *writer;
    struct hub_host *host;
    void *self;     /* the writer's */
    uint64_t holds; /* of CKPT_HOLDS_*; of this instance */
    struct hub_graph fitted;
    struct hub_fit_entry *entries; /* one per entry of the graph */
    size_t *first;                 /* of each tensor id, its first entry */
    uint64_t stored_bytes;         /* of all storages that are used */
    uint64_t written_bytes;        /* of the tensors so far */
    size_t *storage_set; /* of each storage id: 1 + index among `sets`; 0 is
                            a storage that needs no word in the record */
    struct hub_fit_set *sets;
    size_t set_count;
    bool *alone; /* of each tensor id: it is cut off from its storage */
    struct hub_table attr_names; /* of the graph's attributes */
    /* Of each value id, the name of a text that the target holds, or NULL;
     * NULL if it holds none. */
    const struct ckpt_text **texts;
    bool record; /* a side record is needed */
};

/* The tensors of one storage that stays shared, strided or partial. */
struct hub_fit_set {
    const struct ckpt_storage *storage;
    const struct ckpt_tensor **views; /* distinct tensors */
    size_t count;
    uint64_t begin; /* first byte of the storage that a tensor shows */
    bool twins;     /* each is all of the storage, and the writer holds that */
};

/* Makes the graph that the writer will see, and tells all steps and losses.
 * `self` is the writer's open instance. */
int hub_fit(struct hub_fit *fit, struct hub_host *host,
            const struct ckpt_graph *graph, const struct ckpt_writer *writer,
            void *self);
void hub_fit_fini(struct hub_fit *fit);

/* Whether the writer holds an attribute of the graph as it is. */
bool hub_fit_keeps(const struct hub_fit *fit, const struct ckpt_attr *attr);

/* The side record of a fit, as text in `buffer`. */
struct sdk_buffer;
int hub_record_write(struct hub_fit *fit, struct sdk_buffer *buffer);

/* The names of frozen parameters, beside the record, for other readers. */
int hub_fit_frozen(struct hub_fit *fit);

#define HUB_RECORD_NAME "ckpt.graph"
#define HUB_FROZEN_NAME "ckpt.frozen"
#define HUB_RECORD_VERSION 1

#endif
