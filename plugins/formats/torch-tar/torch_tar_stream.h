/* SPDX-License-Identifier: MIT
 *
 * A member of a torch tar, read from front to back: pickles, and bytes between
 * them. Data is passed over by moving `at`.
 */
#ifndef TORCH_TAR_STREAM_H
#define TORCH_TAR_STREAM_H

#include "pickle_read.h"
#include "torch_tar_walk.h"

/* The most bytes of a pickle that says one thing. */
#define TORCH_TAR_SMALL ((size_t)1 << 20)

struct torch_tar_tables;

struct torch_tar_stream {
    const struct ckpt_host *host;
    const struct ckpt_source *source;
    uint64_t at, end;   /* in the file */
    unsigned char *big; /* a window that is too big to be borrowed */
    struct torch_tar_tables *tables;
};

void torch_tar_stream_init(struct torch_tar_stream *stream,
                           const struct ckpt_host *host,
                           const struct torch_tar_members *members, int which,
                           struct torch_tar_tables *tables);

/* Says why the member is of no use, and returns the status. */
int torch_tar_stream_fail(const struct torch_tar_stream *stream, int status,
                          uint64_t byte, const char *what);

/* Parses the pickle that is next, if it has at most `most` bytes. What it
 * borrows lives until the next call for bytes. */
int torch_tar_stream_pickle(struct torch_tar_stream *stream, uint64_t most,
                            struct sdk_pickled *pickled);

int torch_tar_stream_bytes(struct torch_tar_stream *stream, void *buffer,
                           size_t size_bytes);

/* A pickled int that says how many things follow. */
int torch_tar_stream_count(struct torch_tar_stream *stream, uint64_t *count);

/* Says what is left of the member if all was well; releases the window. */
void torch_tar_stream_end(const struct torch_tar_stream *stream,
                          const char *member, int status);

#endif
