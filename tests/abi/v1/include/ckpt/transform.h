/* SPDX-License-Identifier: MIT
 *
 * The transform role: from graphs to edits. A transform sees constant graphs
 * and records what is to become different; the hub makes the edited graph, and
 * the next transform sees that one.
 *
 * Edits are told by identity: a value of the graph, or a place in it, which is
 * a container and an index. A container that is met under two names is one
 * container, and what is edited in it is edited under both.
 *
 * A transform is asked for as `NAME` or `NAME:ARGUMENT`. Options come behind
 * the argument: `resize:fc.weight,dim=0,size=21`. One begins at a comma, or at
 * the colon, that the name of a declared option and `=` follow, and goes on
 * until the next begins; all before the first is the argument. An option of
 * kind CKPT_OPTION_BOOL may stand alone: `channels:conv1.weight,size=1,rescale`
 * is rescale=yes.
 */
#ifndef CKPT_TRANSFORM_H
#define CKPT_TRANSFORM_H

#include "ckpt/host.h"
#include "ckpt/option.h"

struct ckpt_transform {
    size_t size;         /* sizeof(struct ckpt_transform) where it was built */
    const char *id;      /* what stands before the colon: "strip-prefix" */
    const char *summary; /* one line */
    /* The argument as help shows it: "PREFIX", "DEVICE|FROM=TO,..."; in
     * brackets if it may be left out. NULL: it takes none. */
    const char *argument;
    const struct ckpt_option *options; /* NULL: none */
    /* How many graphs apply is given, the one that is edited and those that
     * the argument and options of kind CKPT_OPTION_GRAPH name; 0 is 1. */
    uint32_t inputs_min, inputs_max;

    /* Begins, before any input is read. [serial] `argument` and `options`,
     * one value per declared option, live until close; the argument is NULL
     * if none was given. Files that they name are open; graphs are read later,
     * before apply. CKPT_OPTION: the argument is wrong, and the hub adds how it
     * is written. On failure nothing is left behind, and close is not called.
     */
    int (*open)(const struct ckpt_host *host, const char *argument,
                const struct ckpt_option_value *options, void **self);

    /* Records edits; see "Editing a graph" in host.h. [serial, once, after
     * open] The graphs are finished and constant; they live until close. The
     * first of `graph_count` is the one that is edited; then come those that
     * were named and read, the argument's before the options', each also in
     * its option's value; an option that is given several times names several,
     * in that order, and its value has the last. Their values may be put into
     * edits like those of the first, with all that lies below them. A transform
     * that records no edit has matched nothing, and the hub says so. After a
     * failure nothing is edited. */
    int (*apply)(const struct ckpt_host *host, void *self,
                 const struct ckpt_graph *const *graphs, size_t graph_count,
                 struct ckpt_edits *edits);

    /* Ends. [serial, exactly once per successful open] Cannot fail. */
    void (*close)(const struct ckpt_host *host, void *self);

    /* CKPT_OPTION_FILE or CKPT_OPTION_GRAPH: the argument is the path of one,
     * and has a value of its own behind those of the options, as if it were
     * the last of them. Zero: it is text. */
    uint32_t argument_kind;

    /* The payload that the transform makes itself: storages of place CODED,
     * added to edit_graph with a cursor_key of its own choice. The three are
     * as in ckpt_reader: cursor_open starts from the first byte, cursor_next
     * gives spans of at least a byte and at most 1 MiB that live until the
     * next call, CKPT_END after the last, and cursor_close ends at any point.
     * [serial, after apply, never after close; NULL if there are no such
     * storages] The bytes that they are made from come through
     * host->tensor_open. Several cursors may be open at once, also several of
     * one storage, one within the other where transforms follow each other. */
    int (*cursor_open)(const struct ckpt_host *host, void *self,
                       const struct ckpt_storage *storage, void **cursor);
    int (*cursor_next)(const struct ckpt_host *host, void *cursor,
                       struct ckpt_span *span);
    void (*cursor_close)(const struct ckpt_host *host, void *cursor);

    /* Records what follows from all transforms together. [serial, once, after
     * the last apply of all of them; NULL if nothing does] `graph` is what they
     * made, with what was settled before. Edits are made as after apply; none
     * is no failure and says nothing. */
    int (*settle)(const struct ckpt_host *host, void *self,
                  const struct ckpt_graph *graph, struct ckpt_edits *edits);
};

#endif
