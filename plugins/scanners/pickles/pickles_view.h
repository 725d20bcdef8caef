/* SPDX-License-Identifier: MIT
 *
 * Bytes at hand, wherever they are: a range of the file, memory, or what
 * is packed in another view. An inflated view grows as far as it is looked
 * at, and no further than INFLATED_MAX.
 */
#ifndef PICKLES_VIEW_H
#define PICKLES_VIEW_H

#include "ckpt/scanner.h"
#include "pickles_codec.h"

#define PICKLES_PEEK_MAX ((size_t)1 << 20)
#define PICKLES_INFLATED_MAX ((size_t)64 << 20)

struct pickles_inflater;

struct pickles_view {
    const struct ckpt_host *host;
    const char *place; /* of the part in the file; NULL: the file itself */
    /* One of these three: */
    const struct ckpt_source *source;
    const unsigned char *memory;
    struct pickles_inflater *inflater;
    uint64_t offset;     /* in the source */
    uint64_t size_bytes; /* of a range and of memory */
    uint64_t *work_left; /* of the whole scan; NULL: no limit */
};

/* Counts work, so that no file can ask for more than goes with its size.
 * CKPT_LIMIT: it does. */
int pickles_charge(const struct pickles_view *view, uint64_t cost);

/* Lends at least `wanted` bytes, at most PICKLES_PEEK_MAX, from `at`, or as
 * many as there are. They live until the next peek at any view. */
int pickles_peek(const struct pickles_view *view, uint64_t at, size_t wanted,
                 struct ckpt_span *span);

/* The same, copied: how many bytes came is the result's `*got`. */
int pickles_copy(const struct pickles_view *view, uint64_t at, void *to,
                 size_t wanted, size_t *got);

/* How many bytes there are; an inflated view is inflated for it. */
int pickles_size(const struct pickles_view *view, uint64_t *size_bytes);

/* The position in the file, or CKPT_NOWHERE. */
uint64_t pickles_byte(const struct pickles_view *view, uint64_t at);

/* A part of a view; the place is borrowed. */
struct pickles_view pickles_part(const struct pickles_view *view, uint64_t at,
                                 uint64_t size_bytes, const char *place);

/* A view of what is packed in `packed`, which must outlive it. */
int pickles_inflate(const struct pickles_view *packed, enum pickles_wrap wrap,
                    const char *place, struct pickles_view *view);
void pickles_inflate_end(struct pickles_view *view);

/* Why an inflated view ended where it did: NULL if that is its end, or if
 * nobody has looked so far. */
const char *pickles_inflate_problem(const struct pickles_view *view);

#endif
