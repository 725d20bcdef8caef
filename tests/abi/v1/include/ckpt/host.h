/* SPDX-License-Identifier: MIT
 *
 * The functions that the hub lends to a plugin. The table comes with every
 * call, belongs to that call's job, and is not kept beyond the plugin's
 * instance. A test may pass a false one.
 *
 * Unless a comment says otherwise: arguments are borrowed until the call
 * returns; names, shapes and text are copied; out parameters are written on
 * success only; a failing function has already said why, so the plugin just
 * returns the status it got; [any callback] means that the function may be
 * called in every callback but probe, on the thread of that callback.
 */
#ifndef CKPT_HOST_H
#define CKPT_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ckpt/finding.h"
#include "ckpt/graph.h"
#include "ckpt/sink.h"
#include "ckpt/source.h"
#include "ckpt/status.h"

#if defined(__GNUC__)
#define CKPT_PRINTF(nth, first) __attribute__((format(printf, nth, first)))
#else
#define CKPT_PRINTF(nth, first)
#endif

struct ckpt_edits;  /* opaque; of the hub, borrowed by transforms */
struct ckpt_stream; /* opaque; of the hub, from tensor_open to tensor_close */

struct ckpt_host {
    size_t size; /* of this table in the hub that made it */
    void *hub;   /* the hub's own; not for plugins */

    /* Says why this call fails, and returns `status`, for `return
     * host->fail(...)`. [also in probe] `tensor` is a name or NULL, `byte` a
     * position in the input or CKPT_NOWHERE. The text is lower case, without
     * full stop and without file or plugin: the hub adds those. The first
     * reason of a job stands; later ones are dropped. */
    int (*fail)(const struct ckpt_host *host, int status, const char *tensor,
                uint64_t byte, const char *format, ...) CKPT_PRINTF(5, 6);

    /* Adds a finding that does not stop the job: a rule that was bent, a
     * thing that a reader should know. [also in probe] */
    void (*warn)(const struct ckpt_host *host, const char *tensor,
                 uint64_t byte, const char *format, ...) CKPT_PRINTF(4, 5);

    /* A line for whoever debugs the plugin; shown under `-v -v` alone. */
    void (*debug)(const struct ckpt_host *host, const char *format, ...)
        CKPT_PRINTF(2, 3);

    /* True once the caller has asked to stop; long loops look now and then
     * and return CKPT_CANCELLED. */
    bool (*cancelled)(const struct ckpt_host *host);

    /* Memory, counted against the job's budget. [any callback] allocate and
     * reallocate return NULL after saying why (CKPT_LIMIT or CKPT_MEMORY),
     * and the plugin returns CKPT_MEMORY; release takes NULL. Zeroed. What a
     * plugin allocates it releases, at the latest in close. */
    void *(*allocate)(const struct ckpt_host *host, size_t size_bytes);
    void *(*reallocate)(const struct ckpt_host *host, void *memory,
                        size_t size_bytes);
    void (*release)(const struct ckpt_host *host, void *memory);

    /* ---- Sources [also in probe, but for source_open] ---- */

    /* The last component of the path it was opened by. Lives as long as the
     * source. */
    const char *(*source_name)(const struct ckpt_host *host,
                               const struct ckpt_source *source);

    /* Size in bytes when it was opened; 0 for a folder. */
    uint64_t (*source_size)(const struct ckpt_host *host,
                            const struct ckpt_source *source);

    bool (*source_is_folder)(const struct ckpt_host *host,
                             const struct ckpt_source *source);

    /* Copies exactly `size_bytes` from `offset`. Past the end is CKPT_FORMAT
     * with the place; a source that shrank since it was opened is CKPT_IO. */
    int (*source_read)(const struct ckpt_host *host,
                       const struct ckpt_source *source, uint64_t offset,
                       void *buffer, size_t size_bytes);

    /* Borrows at least `size_bytes` (at most 1 MiB) from `offset`, without a
     * copy where that can be had; more if more is at hand. The span lives
     * until the next read or peek on the same source. Errors as source_read. */
    int (*source_peek)(const struct ckpt_host *host,
                       const struct ckpt_source *source, uint64_t offset,
                       size_t size_bytes, struct ckpt_span *span);

    /* Opens a file beside `source`, or inside it if it is a folder, by a
     * plain name: a name with a separator, `..` or an absolute path is
     * CKPT_FORMAT, a missing file CKPT_IO. [open, describe, apply] The hub
     * closes it with the job; opening one name twice gives the same source. */
    int (*source_open)(const struct ckpt_host *host,
                       const struct ckpt_source *source, const char *name,
                       const struct ckpt_source **opened);

    /* The file names in a folder, sorted bytewise, NULL-ended. The list lives
     * as long as the source. */
    int (*source_list)(const struct ckpt_host *host,
                       const struct ckpt_source *folder,
                       const char *const **names);

    /* ---- Building a graph [describe] ---- */

    /* Adds one value: `like` says its kind and, for scalars, its content,
     * `like_bytes` is sizeof *like. Containers start empty, objects without
     * the parts of enum ckpt_part. Kinds of tensor come from tensor_new.
     * The handle lives as long as the graph. CKPT_FORMAT: a string that is
     * not UTF-8, a kind or dtype that does not exist; CKPT_LIMIT: the budget.
     */
    int (*value_new)(const struct ckpt_host *host, struct ckpt_graph *graph,
                     const struct ckpt_value *like, size_t like_bytes,
                     struct ckpt_value **value);

    /* Appends to a list, tuple or size. A size takes ints only. */
    int (*list_add)(const struct ckpt_host *host, struct ckpt_graph *graph,
                    struct ckpt_value *list, const struct ckpt_value *item);

    /* Stores under a key. An equal scalar key is replaced in its place; bool,
     * int and float keys of equal number are equal, as in Python. */
    int (*map_set)(const struct ckpt_host *host, struct ckpt_graph *graph,
                   struct ckpt_value *map, const struct ckpt_value *key,
                   const struct ckpt_value *value);

    /* Sets a part (enum ckpt_part) of an object, once. */
    int (*object_set)(const struct ckpt_host *host, struct ckpt_graph *graph,
                      struct ckpt_value *object, uint32_t part,
                      const struct ckpt_value *value);

    /* Sets an attribute of a value, or of the graph if `owner` is NULL; the
     * same name again replaces. */
    int (*attr_set)(const struct ckpt_host *host, struct ckpt_graph *graph,
                    struct ckpt_value *owner, const char *name,
                    const struct ckpt_value *value);

    /* Adds a storage like `like`. CKPT_FORMAT: a span beyond its source, a
     * size that does not fit its place, an unknown word size. */
    int (*storage_new)(const struct ckpt_host *host, struct ckpt_graph *graph,
                       const struct ckpt_storage *like, size_t like_bytes,
                       const struct ckpt_storage **storage);

    /* Adds a tensor like `like` and gives the value that holds it.
     * CKPT_FORMAT: a view beyond its storage, a product that overflows, an
     * unknown dtype, a rank over CKPT_MAX_RANK. `name` is for that message
     * and may be NULL. */
    int (*tensor_new)(const struct ckpt_host *host, struct ckpt_graph *graph,
                      const struct ckpt_tensor *like, size_t like_bytes,
                      const char *name, struct ckpt_value **value);

    /* Makes `value` the root. Exactly once per describe. */
    int (*root_set)(const struct ckpt_host *host, struct ckpt_graph *graph,
                    const struct ckpt_value *value);

    /* ---- Planning an output [plan] ---- */

    /* The name of the output's file, as the user gave it, without folders. */
    const char *(*plan_name)(const struct ckpt_host *host,
                             const struct ckpt_plan *plan);

    /* Starts one more file, beside the one the user named, by a plain name.
     * Segments go to the file started last. A writer that never calls this
     * writes the user's own file; one that does writes only the files it
     * starts. They are committed together, in this order. */
    int (*plan_file)(const struct ckpt_host *host, struct ckpt_plan *plan,
                     const char *name);

    /* Appends one segment; `segment_bytes` is sizeof *segment. `index` may be
     * NULL; it counts from 0 over all files. */
    int (*plan_add)(const struct ckpt_host *host, struct ckpt_plan *plan,
                    const struct ckpt_segment *segment, size_t segment_bytes,
                    uint64_t *index);

    /* Position in its file at which the next segment will start. */
    uint64_t (*plan_position)(const struct ckpt_host *host,
                              const struct ckpt_plan *plan);

    /* Results of the checks of a segment that is done. [late] */
    uint32_t (*plan_crc32)(const struct ckpt_host *host,
                           const struct ckpt_plan *plan, uint64_t index);
    int (*plan_sha256)(const struct ckpt_host *host,
                       const struct ckpt_plan *plan, uint64_t index,
                       unsigned char digest[32]);

    /* ---- Editing a graph [apply] ----
     *
     * Places and storages are those of the first graph that apply was given.
     * An edit changes nothing there; all are made together when apply
     * is done. A place is a map with the index of a pair, or a list or tuple
     * with the index of an item; CKPT_CONTRACT if it is not there. The same
     * edit of the same place again replaces the first, and what is dropped is
     * dropped, whatever else was to become of it. An edit that leaves
     * everything as it is counts as a match all the same. */

    /* The graph to make new values in, by value_new and its kin: for the
     * functions below, and to be filled with values of the old graphs. What no
     * edit puts in a place ends with the transform; its root and its own
     * attributes are not looked at. */
    struct ckpt_graph *(*edit_graph)(const struct ckpt_host *host,
                                     struct ckpt_edits *edits);

    /* Gives a pair of a map another key, a string. Two pairs that would then
     * have one key are CKPT_CONFLICT, when apply is done. */
    int (*edit_rename)(const struct ckpt_host *host, struct ckpt_edits *edits,
                       const struct ckpt_value *map, size_t index,
                       const char *name, size_t name_bytes);

    /* Takes a pair or an item out. */
    int (*edit_drop)(const struct ckpt_host *host, struct ckpt_edits *edits,
                     const struct ckpt_value *owner, size_t index);

    /* Puts another value in the place of an item, or of the value of a pair:
     * one of a graph that apply was given, or of edit_graph. */
    int (*edit_replace)(const struct ckpt_host *host, struct ckpt_edits *edits,
                        const struct ckpt_value *owner, size_t index,
                        const struct ckpt_value *value);

    /* Gives a storage another device label, and so all tensors on it. */
    int (*edit_relabel)(const struct ckpt_host *host, struct ckpt_edits *edits,
                        const struct ckpt_storage *storage, const char *device);

    /* Makes a value the root, one as edit_replace takes. The attributes of
     * the graph stay. */
    int (*edit_root)(const struct ckpt_host *host, struct ckpt_edits *edits,
                     const struct ckpt_value *value);

    /* Says that a part of the argument matched nothing: a warning, and a
     * failure for a user who asked to be strict. */
    void (*edit_unmatched)(const struct ckpt_host *host,
                           struct ckpt_edits *edits, const char *format, ...)
        CKPT_PRINTF(3, 4);

    /* ---- Judging a file [scan, verify] ---- */

    /* Adds a finding; `finding_bytes` is sizeof *finding. Of very many only
     * the first are kept, and the rest counted. CKPT_LIMIT, CKPT_MEMORY. */
    int (*finding_add)(const struct ckpt_host *host,
                       const struct ckpt_finding *finding,
                       size_t finding_bytes);

    /* ---- Payload ---- */

    /* Copies the contiguous little-endian bytes of a tensor, all size_bytes of
     * them, into `buffer`. [plan, late] It is for the few tensors that must
     * stand within other bytes; all others go by plan_add. */
    int (*tensor_read)(const struct ckpt_host *host,
                       const struct ckpt_tensor *tensor, void *buffer);

    /* ---- Code that is not hardened [open, describe] ---- */

    /* Runs `work` in a process of its own, with limits on memory and time, to
     * see whether it comes to an end, and returns what it returned; what it
     * changes in memory is not seen here. A plugin that must use such code on
     * bytes from a file calls this first, and does the same itself if it is
     * CKPT_OK. CKPT_CONTRACT: it crashed or hung; CKPT_IO: no process could be
     * started; CKPT_CANCELLED. */
    int (*rehearse)(const struct ckpt_host *host, int (*work)(void *context),
                    void *context);

    /* ---- Payload as a stream ---- */

    /* The bytes that tensor_read copies, in order and in bounded memory, of a
     * tensor of any size. [plan, write, late; apply, cursor_open and
     * cursor_next of a transform] Several streams may be open, up to 128. */
    int (*tensor_open)(const struct ckpt_host *host,
                       const struct ckpt_tensor *tensor,
                       struct ckpt_stream **stream);

    /* The next bytes, in whole elements, at least one and at most 1 MiB; they
     * live until the next call on this stream. CKPT_END after the last. A
     * caller who asked to stop is CKPT_CANCELLED. */
    int (*tensor_next)(const struct ckpt_host *host, struct ckpt_stream *stream,
                       struct ckpt_span *span);

    /* Ends it, at any point; NULL is nothing. [once per tensor_open] */
    void (*tensor_close)(const struct ckpt_host *host,
                         struct ckpt_stream *stream);

    /* Adds a storage of place MADE: the contiguous little-endian bytes of
     * views, one behind the other, which the hub makes when they are wanted,
     * in bounded memory. [describe, apply] A permuted tensor is a view of the
     * old storage, joined from that view alone; tensors of equal dtype joined
     * are stacked along their first dimension. The views are of this graph or
     * of one that apply was given. CKPT_CONTRACT: a view without bytes
     * (CKPT_PLACE_ABSENT); CKPT_UNSUPPORTED: one that flips signs, or ends
     * within a byte, but for the last. */
    int (*storage_join)(const struct ckpt_host *host, struct ckpt_graph *graph,
                        const struct ckpt_tensor *const *views,
                        size_t view_count, const char *device,
                        const struct ckpt_storage **storage);

    /* ---- Reading for a check [open, describe] ---- */

    /* Whether the reader's own verify comes next. What it tells then, such
     * as a checksum that does not hold, is no failure before, as long as the
     * rest can be read. */
    bool (*verifying)(const struct ckpt_host *host);

    /* ---- Driving an output [write] ----
     *
     * What lies between bytes that were written is zeros. */

    /* Writes `size_bytes` at `offset`, which may be anywhere. */
    int (*sink_write)(const struct ckpt_host *host, struct ckpt_sink *sink,
                      uint64_t offset, const void *bytes, size_t size_bytes);

    /* Copies what was written. CKPT_CONTRACT: beyond the end. */
    int (*sink_read)(const struct ckpt_host *host, struct ckpt_sink *sink,
                     uint64_t offset, void *buffer, size_t size_bytes);

    /* Sets the size of the output: cuts it, or adds zeros. */
    int (*sink_resize)(const struct ckpt_host *host, struct ckpt_sink *sink,
                       uint64_t size_bytes);

    /* ---- Losses that only a writer sees [plan] ---- */

    /* Says what of the graph will not be in the output: one more line of the
     * list of losses, and a failure, once the plan is made, for a user who
     * asked to be strict. `tensor` is a name or NULL. */
    void (*plan_lose)(const struct ckpt_host *host, struct ckpt_plan *plan,
                      const char *tensor, const char *format, ...)
        CKPT_PRINTF(4, 5);

    /* ---- Advice ---- */

    /* Says what the user can do about the failure that fail tells next, in
     * one line like its text: "drop it with -t drop:NAME". */
    void (*remedy)(const struct ckpt_host *host, const char *format, ...)
        CKPT_PRINTF(2, 3);

    /* ---- What becomes of tensors [apply] ---- */

    /* Says what is done with one tensor of the files at hand, for the report
     * of the transform. `what` is a word or two that many have in common:
     * "missing, kept". The hub counts them and lists the first names in one
     * line, a warning if `notable`, else shown under -v alone, where every
     * tensor has a line too, with the text: what is to be said of this one,
     * or "". CKPT_MEMORY, CKPT_LIMIT. */
    int (*edit_tell)(const struct ckpt_host *host, struct ckpt_edits *edits,
                     const char *tensor, const char *what, bool notable,
                     const char *format, ...) CKPT_PRINTF(6, 7);

    /* Says of which tensors a new one of edit_graph has its bytes, those that
     * weigh most first, and what it is put instead of, or NULL; for whoever
     * asks what came from where. All are values of the graphs that apply was
     * given. A new value without a word comes from that in whose place it is
     * put. */
    int (*edit_origin)(const struct ckpt_host *host, struct ckpt_edits *edits,
                       const struct ckpt_value *tensor,
                       const struct ckpt_value *instead,
                       const struct ckpt_value *const *from, size_t from_count);

    /* ---- The name of the output [apply] ---- */

    /* Asks for an output whose name tells its own hash, if one is written: the
     * first eight digits of the file's SHA-256, behind a `-`, before the
     * suffix. It is no edit, and counts as none. */
    void (*edit_hash_name)(const struct ckpt_host *host,
                           struct ckpt_edits *edits);

    /* ---- Attributes [apply] ---- */

    /* Takes an attribute of the graph out, by its name: one that tells of a
     * layout that the edited graph has no more. One that is not there is
     * nothing. */
    int (*edit_attr_drop)(const struct ckpt_host *host,
                          struct ckpt_edits *edits, const char *name);

    /* Like warn, of something in the input that has no place in the graph and
     * is left out: counted as a loss, which a strict user does not accept.
     * [describe, apply] */
    void (*lose)(const struct ckpt_host *host, const char *tensor,
                 uint64_t byte, const char *format, ...) CKPT_PRINTF(4, 5);
};

#endif
