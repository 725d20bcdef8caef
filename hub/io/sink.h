/* SPDX-License-Identifier: MIT
 *
 * Sinks: one output file each. It is written under a temporary name beside
 * its place, with all its room allocated first, and appears under its own
 * name only by commit.
 */
#ifndef HUB_IO_SINK_H
#define HUB_IO_SINK_H

#include "hub/io/source.h"

#define HUB_SINK_BUFFER_BYTES ((size_t)1 << 20)

struct hub_sink {
    struct hub_budget *budget;
    struct hub_report *report;
    char *target;    /* path of the file that is meant */
    char *temporary; /* path while it is written, or NULL */
    int file;
    uint64_t size_bytes; /* as planned */
    uint64_t position;   /* of the next byte, buffered ones included */
    unsigned char *buffer;
    size_t buffered_bytes;
    bool replaces; /* something is at the target */
    struct hub_sink *next;
};

/* Makes the temporary file with room for `size_bytes`. A target that exists
 * is CKPT_CONFLICT unless `force`; a link is followed to its end. */
int hub_sink_begin(struct hub_budget *budget, const char *target,
                   uint64_t size_bytes, bool force, struct hub_sink **sink);

/* Appends. Small writes are gathered. */
int hub_sink_write(struct hub_sink *sink, const void *bytes, size_t size_bytes);

/* Lends the buffer's free part, at least `size_bytes` (at most the buffer's
 * size), to be filled in place; then hub_sink_advance. */
int hub_sink_borrow(struct hub_sink *sink, size_t size_bytes,
                    unsigned char **room);
void hub_sink_advance(struct hub_sink *sink, size_t size_bytes);

/* Appends a run of a file without its bytes passing through here, at most
 * `size_bytes`; `*done_bytes` is what was moved. Zero moved: this pair of
 * files cannot do that. */
int hub_sink_copy(struct hub_sink *sink, const struct ckpt_source *source,
                  uint64_t offset, size_t size_bytes, size_t *done_bytes);

int hub_sink_flush(struct hub_sink *sink);

/* At any place, beside the buffer and without a position. */
int hub_sink_put(struct hub_sink *sink, uint64_t offset, const void *bytes,
                 size_t size_bytes);
int hub_sink_get(struct hub_sink *sink, uint64_t offset, void *buffer,
                 size_t size_bytes);
int hub_sink_resize(struct hub_sink *sink, uint64_t size_bytes);

/* Checks that all planned bytes are there and syncs them if asked. */
int hub_sink_finish(struct hub_sink *sink, bool sync);

/* Renames into place; `force` as in begin. Syncs the folder if asked. */
int hub_sink_commit(struct hub_sink *sink, bool force, bool sync);

/* Removes what is not committed and frees; `sink` may be NULL. */
void hub_sink_free(struct hub_sink *sink);

#endif
