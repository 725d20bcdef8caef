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
    unsigned gather_count; /* views that are put in order just now */
};

void hub_spool_fini(struct hub_spool *spool);

/* Makes a file without a name in the spool's folder. */
int hub_spool_file(struct hub_spool *spool, int *file);

struct hub_stream {
    struct hub_spool *spool;
    const struct hub_storage *storage; /* NULL: the run is all there is */
    uint64_t at, end; /* what is left of the storage's bytes */
    struct hub_gather *gather;
    void *cursor;             /* of a coded storage */
    size_t piece;             /* of a made storage: the next one */
    struct hub_stream *inner; /* over that piece's view */
    struct hub_run run;       /* what is left of the last run */
    uint32_t flips;           /* of the tensor: see enum ckpt_flip */
    uint32_t flip_word;       /* bytes of one of its words */
    uint32_t flip_at;         /* where in an element the next byte is */
};

/* The bytes of a whole storage. */
void hub_stream_storage(struct hub_stream *stream, struct hub_spool *spool,
                        const struct ckpt_storage *storage);

/* A run of a file, which must be within it. */
void hub_stream_source(struct hub_stream *stream, struct hub_spool *spool,
                       const struct ckpt_source *source, uint64_t offset,
                       uint64_t size_bytes);

/* The contiguous bytes of a tensor. */
int hub_stream_tensor(struct hub_stream *stream, struct hub_spool *spool,
                      const struct ckpt_tensor *tensor);

/* What is left of the run at hand, or the next one. It lives until it is
 * taken whole. If the stream flips, its bytes are not the values yet: only
 * fill and read turn them. CKPT_END after the last. */
int hub_stream_run(struct hub_stream *stream, const struct hub_run **run);

/* Marks the first bytes of the run as used. */
void hub_stream_take(struct hub_stream *stream, uint64_t size_bytes);

/* Reads on into a buffer of at least 16 bytes, little-endian; fewer bytes
 * than it holds may come. CKPT_END after the last. */
int hub_stream_fill(struct hub_stream *stream, unsigned char *buffer,
                    size_t capacity_bytes, size_t *filled_bytes);

/* Reads exactly so many bytes, which must be all there are. */
int hub_stream_read(struct hub_stream *stream, unsigned char *buffer,
                    uint64_t size_bytes);

void hub_stream_fini(struct hub_stream *stream);

#endif
