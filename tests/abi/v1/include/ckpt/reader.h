/* SPDX-License-Identifier: MIT
 *
 * The reader role: from the bytes of a source to a graph. Readers describe;
 * payload is moved by the hub. No reader executes what a file says.
 */
#ifndef CKPT_READER_H
#define CKPT_READER_H

#include "ckpt/host.h"
#include "ckpt/option.h"

/* Evidence that a source is of a format. Never a score: of two equal claims
 * neither wins, and the user is asked to choose. */
enum ckpt_evidence_level {
    CKPT_EVIDENCE_NONE = 0,
    CKPT_EVIDENCE_MAGIC,    /* the leading bytes say so */
    CKPT_EVIDENCE_STRUCTURE /* parts that only this format has are there */
};

struct ckpt_evidence {
    uint32_t level; /* enum ckpt_evidence_level */
    char how[100];  /* what was seen: "zip with data.pkl"; NUL-terminated */
};

/* Bytes that every file of the format has at a fixed place. The hub loads a
 * plugin for a file only if one of its magics is there. */
struct ckpt_magic {
    uint64_t offset;
    const char *bytes; /* NULL closes a list */
    size_t size_bytes; /* at most 32 */
};

/* Capabilities of a reader. */
#define CKPT_READS_FOLDERS UINT64_C(1) /* is asked about folders too */
#define CKPT_READS_INERT                           \
    UINT64_C(2) /* the format holds data alone: no \
                   loader of it runs anything */
#define CKPT_READS_FRAGILE                           \
    UINT64_C(4) /* wraps code not hardened against   \
                   hostile bytes: its cursors run in \
                   a process of their own */

enum ckpt_threads {
    CKPT_THREADS_SERIAL = 0, /* one call at a time in the whole process */
    CKPT_THREADS_INSTANCE,   /* one call at a time for each instance */
    CKPT_THREADS_CURSORS     /* and cursors of one instance in parallel */
};

struct ckpt_reader {
    size_t size;    /* sizeof(struct ckpt_reader) where the plugin was built */
    const char *id; /* "torch-zip" */
    const char *summary;               /* one line */
    const char *const *suffixes;       /* ".pt", ...; NULL-ended; a hint */
    const struct ckpt_magic *magics;   /* NULL: the plugin is always asked */
    const struct ckpt_option *options; /* NULL: none */
    uint64_t capabilities;             /* CKPT_READS_* */
    uint32_t threads;                  /* enum ckpt_threads */

    /* Looks whether the source is of this format, from its head and tail.
     * [serial, stateless, before open] The source is borrowed for the call.
     * A source that is something else is CKPT_OK with level NONE, and `how`
     * says what, if that shows ("zip of TorchScript"); an empty `how` may be
     * a broken file of this format, and a reader whose magic is there is then
     * asked to open it, to say what is wrong. Failure means that the source
     * could not be looked at. */
    int (*probe)(const struct ckpt_host *host, const struct ckpt_source *source,
                 struct ckpt_evidence *evidence);

    /* Begins to read. [serial] The source lives until close; `options` has
     * one value per declared option. On failure nothing is left behind, and
     * close is not called. */
    int (*open)(const struct ckpt_host *host, const struct ckpt_source *source,
                const struct ckpt_option_value *options, void **self);

    /* Builds the graph; never touches payload. [serial, once, after open]
     * The graph is the hub's. After a failure only close is called. */
    int (*describe)(const struct ckpt_host *host, void *self,
                    struct ckpt_graph *graph);

    /* Ends. [serial, exactly once per successful open] Cannot fail. */
    void (*close)(const struct ckpt_host *host, void *self);

    /* Starts decoding a storage of place CODED from its first byte. [after
     * describe, as `threads` says; NULL if there are no such storages] Several
     * cursors may be open at once. */
    int (*cursor_open)(const struct ckpt_host *host, void *self,
                       const struct ckpt_storage *storage, void **cursor);

    /* Gives the next bytes, at most 1 MiB, at least one, in whole words of
     * the storage (word_bytes). [after cursor_open] They live until the next
     * call on this cursor. CKPT_END after the last; the hub checks that the sum
     * is the storage's size. */
    int (*cursor_next)(const struct ckpt_host *host, void *cursor,
                       struct ckpt_span *span);

    /* Ends decoding, at any point. [once per cursor_open] Cannot fail. */
    void (*cursor_close)(const struct ckpt_host *host, void *cursor);

    /* Compares the file with the checks that it carries itself, beyond what
     * describe needs: checksums of all parts, sizes that are told twice. Tells
     * by host->finding_add what does not hold (CKPT_SEVERITY_WRONG), and what
     * was compared or cannot be. [serial, at most once, after describe; NULL:
     * the format carries none] Failure means that it could not be looked at. */
    int (*verify)(const struct ckpt_host *host, void *self);
};

#endif
