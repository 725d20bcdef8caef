/* SPDX-License-Identifier: MIT
 *
 * Payload as a sequence of runs, wherever it comes from. A run is either a
 * part of a file, which nobody need look at, or bytes in memory.
 */
#ifndef HUB_IO_STREAM_H
#define HUB_IO_STREAM_H

#include "hub/graph/graph.h"
#include "hub/io/gather.h"

struct hub_run {
    const struct ckpt_source *source; /* NULL: the bytes are at `data` */
    uint64_t offset;                  /* in the source */
    const unsigned char *data;        /* lives until the next run */
    uint64_t size_bytes;
    uint32_t swap_bytes; /* words to be turned round; 1: none */
};

/* Where bytes are put that must be read out of order but only come in order.
 * The files have no name; they end with the spool. */
struct hub_spool {
    struct hub_budget *budget;
    const char *folder; /* borrowed */
    struct ckpt_source *sources;
};

void hub_spool_fini(struct hub_spool *spool);

struct hub_stream {
    struct hub_spool *spool;
    const struct hub_storage *storage;
    uint64_t at, end;         /* what is left of the storage's bytes */
    struct hub_gather *gather;
    void *cursor;             /* of a coded storage */
    size_t piece;             /* of a made storage: the next one */
    struct hub_stream *inner; /* over that piece's view */
};

/* The bytes of a whole storage, in its own byte order. */
void hub_stream_storage(struct hub_stream *stream, struct hub_spool *spool,
                        const struct ckpt_storage *storage);

/* The contiguous bytes of a tensor, in its storage's byte order. */
int hub_stream_tensor(struct hub_stream *stream, struct hub_spool *spool,
                      const struct ckpt_tensor *tensor);

/* CKPT_END after the last run. */
int hub_stream_next(struct hub_stream *stream, struct hub_run *run);

void hub_stream_fini(struct hub_stream *stream);

/* Turns every word of `word_bytes` round, in place. */
void hub_swap_words(unsigned char *bytes, size_t size_bytes,
                    uint32_t word_bytes);

#endif
