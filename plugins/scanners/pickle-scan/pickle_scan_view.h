/* SPDX-License-Identifier: MIT
 *
 * Bytes at hand, wherever they are: a range of the file, memory, or what
 * is packed in another view. An inflated view grows as far as it is looked
 * at, and no further than INFLATED_MAX.
 */
#ifndef PICKLE_SCAN_VIEW_H
#define PICKLE_SCAN_VIEW_H

#include "ckpt/scanner.h"
#include "pickle_scan_codec.h"

#define PICKLE_SCAN_PEEK_MAX ((size_t)1 << 20)
#define PICKLE_SCAN_INFLATED_MAX ((size_t)64 << 20)

struct pickle_scan_inflater;

struct pickle_scan_view {
    const struct ckpt_host *host;
    bool script;       /* it is of an archive of TorchScript */
    bool item;         /* it is one archive of several in a file */
    const char *place; /* of the part in the file; NULL: the file itself */
    /* One of these three: */
    const struct ckpt_source *source;
    const unsigned char *memory;
    struct pickle_scan_inflater *inflater;
    uint64_t offset;     /* in the source */
    uint64_t size_bytes; /* of a range and of memory */
    uint64_t *work_left; /* of the whole scan; NULL: no limit */
};

/* Counts work, so that no file can ask for more than goes with its size.
 * CKPT_LIMIT: it does. */
int pickle_scan_charge(const struct pickle_scan_view *view, uint64_t cost);

/* Lends at least `wanted` bytes, at most PICKLE_SCAN_PEEK_MAX, from `at`, or as
 * many as there are. They live until the next peek at any view. */
int pickle_scan_peek(const struct pickle_scan_view *view, uint64_t at,
                     size_t wanted, struct ckpt_span *span);

/* The same, copied: how many bytes came is the result's `*got`. */
int pickle_scan_copy(const struct pickle_scan_view *view, uint64_t at, void *to,
                     size_t wanted, size_t *got);

/* How many bytes there are; an inflated view is inflated for it. */
int pickle_scan_size(const struct pickle_scan_view *view, uint64_t *size_bytes);

/* The position in the file, or CKPT_NOWHERE. */
uint64_t pickle_scan_byte(const struct pickle_scan_view *view, uint64_t at);

/* A part of a view; the place is borrowed. */
struct pickle_scan_view pickle_scan_part(const struct pickle_scan_view *view,
                                         uint64_t at, uint64_t size_bytes,
                                         const char *place);

/* A view of what is packed in `packed`, which must outlive it. */
int pickle_scan_inflate(const struct pickle_scan_view *packed,
                        enum pickle_scan_wrap wrap, const char *place,
                        struct pickle_scan_view *view);
void pickle_scan_inflate_end(struct pickle_scan_view *view);

/* Why an inflated view ended where it did: NULL if that is its end, or if
 * nobody has looked so far. */
const char *pickle_scan_inflate_problem(const struct pickle_scan_view *view);

#endif
