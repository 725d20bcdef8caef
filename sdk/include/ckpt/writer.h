/* SPDX-License-Identifier: MIT
 *
 * The writer role: from a fitted graph to a list of segments. Writers plan;
 * the hub moves the bytes, and renames the output into place when all of it
 * is there.
 *
 * A writer declares what it can hold. The hub fits the graph to that before
 * `plan` sees it: nested maps become one map of names, views become
 * contiguous tensors, what has no place goes into the side record (the
 * string attribute `ckpt.graph` of the graph) or is listed as a loss. So
 * `plan` never meets what its limits do not name.
 */
#ifndef CKPT_WRITER_H
#define CKPT_WRITER_H

#include "ckpt/host.h"
#include "ckpt/option.h"

/* What a format can hold; zero is a flat list of plain contiguous tensors.
 *
 * TREE: every kind of value, nested, with the attributes of maps. TIES:
 * tensors that share a storage. STRIDES: views that are not contiguous.
 * DEVICES: device labels. GRAD: requires-grad. ROLES: parameters told from
 * others. STRINGS: attributes of the graph that are strings, and so a home
 * for the side record. TIE_NAMES: a tensor that is left out because it is
 * another's twin may be told by a string attribute, dropped name = kept name.
 * Dtypes are not compared for tensors of a class of their own (type_name):
 * whoever holds trees says itself which of those it writes.
 * FLIPS: conjugate and negative views, told from their bytes. ABSENT: tensors
 * on storages without bytes. TWINS: one tensor under two names; such tensors
 * are the same view of the same storage, and the writer tells them by that.
 */
#define CKPT_HOLDS_TREE UINT64_C(0x01)
#define CKPT_HOLDS_TIES UINT64_C(0x02)
#define CKPT_HOLDS_STRIDES UINT64_C(0x04)
#define CKPT_HOLDS_DEVICES UINT64_C(0x08)
#define CKPT_HOLDS_GRAD UINT64_C(0x10)
#define CKPT_HOLDS_ROLES UINT64_C(0x20)
#define CKPT_HOLDS_STRINGS UINT64_C(0x40)
#define CKPT_HOLDS_TIE_NAMES UINT64_C(0x80)
#define CKPT_HOLDS_FLIPS UINT64_C(0x100)
#define CKPT_HOLDS_ABSENT UINT64_C(0x200)
#define CKPT_HOLDS_TWINS UINT64_C(0x400)

/* Capabilities of a writer. IF_ASKED: a suffix alone never chooses it; an
 * option may, where the usual writer of the suffix has no such option or
 * value: `-o torch=0.1`. */
#define CKPT_WRITES_IF_ASKED UINT64_C(1)

struct ckpt_limits {
    uint64_t holds;          /* CKPT_HOLDS_* */
    uint64_t dtypes;         /* CKPT_DTYPE_BIT of each */
    uint32_t rank_max;       /* 0: CKPT_MAX_RANK */
    uint32_t name_bytes_max; /* 0: any length */
};

struct ckpt_writer {
    size_t size; /* sizeof(struct ckpt_writer) where the plugin was built */
    const char *id;
    const char *summary;
    /* NULL-ended; the first is the usual one. Empty: by its id alone. */
    const char *const *suffixes;
    const struct ckpt_option *options;
    struct ckpt_limits limits;

    /* Begins to write. [serial] `options` as in ckpt_reader.open. On failure
     * nothing is left behind, and close is not called. */
    int (*open)(const struct ckpt_host *host,
                const struct ckpt_option_value *options, void **self);

    /* Gives the order in which a reader of the output will meet the tensors:
     * order[i] is the index of the i-th among graph->entries. [serial, after
     * open, before plan] NULL: the order of the graph is kept. The hub records
     * the graph's own order where it differs. */
    int (*arrange)(const struct ckpt_host *host, void *self,
                   const struct ckpt_graph *graph, uint32_t *order);

    /* Lists the output's segments in order. [serial, once, after open] The
     * graph is constant and lives until close. Nothing has been written yet:
     * after a failure there is no output. CKPT_END: `write` is to be called
     * instead. */
    int (*plan)(const struct ckpt_host *host, void *self,
                const struct ckpt_graph *graph, struct ckpt_plan *plan);

    /* Fills a LATE segment. [serial, in order, after plan; NULL if the plan
     * has none] `tag` is the segment's, `buffer` is zeroed. A failure rolls
     * the whole output back. */
    int (*late)(const struct ckpt_host *host, void *self,
                const struct ckpt_plan *plan, uint64_t tag, void *buffer,
                size_t size_bytes);

    /* Ends. [serial, exactly once per successful open] Cannot fail. */
    void (*close)(const struct ckpt_host *host, void *self);

    uint64_t capabilities; /* CKPT_WRITES_* */

    /* Gives the name under which a reader of the output will meet a tensor of
     * the graph as it was read: that of graph->entries[index]. [serial, in
     * order, after open, before arrange] NULL: its own. The text lives until
     * the next call. `plan` and `arrange` see these names; the hub records
     * those that differ. */
    int (*name)(const struct ckpt_host *host, void *self,
                const struct ckpt_graph *graph, size_t index,
                struct ckpt_text *name);

    /* Whether the output holds an attribute with its type: of the tensor
     * graph->entries[index] of the graph as it was read, or of the graph
     * itself if `index` is SIZE_MAX. [serial, after open, before plan] NULL:
     * strings of the graph alone, if STRINGS is held. What is not kept goes
     * into the record. */
    bool (*keeps)(const struct ckpt_host *host, void *self,
                  const struct ckpt_graph *graph, size_t index,
                  const struct ckpt_attr *attr);

    /* Writes the whole output, where its size cannot be known first. [serial,
     * once, after a plan that ended with CKPT_END] A failure rolls all of it
     * back. */
    int (*write)(const struct ckpt_host *host, void *self,
                 const struct ckpt_graph *graph, struct ckpt_sink *sink);

    /* Which of limits.holds this output holds, where that depends on the
     * options. [serial, once, after open] NULL: all. */
    uint64_t (*holds)(const struct ckpt_host *host, void *self);

    /* Gives the name under which a reader of the output will meet a text, a
     * string or a list of strings that is called `own` in the graph as it was
     * read. [serial, after all of name, before arrange] CKPT_END: it has no
     * place in the output, and goes into the record. NULL: none has. `plan`
     * sees it in graph->root under that name, which lives until the next call;
     * the record has the name alone. */
    int (*text)(const struct ckpt_host *host, void *self,
                const struct ckpt_graph *graph, const struct ckpt_text *own,
                const struct ckpt_value *text, struct ckpt_text *name);
};

#endif
