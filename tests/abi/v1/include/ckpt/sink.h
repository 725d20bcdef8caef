/* SPDX-License-Identifier: MIT
 *
 * Bytes out. A writer plans: it lists the segments of its output in order,
 * and the hub moves the bytes, takes the checks, and commits by rename.
 */
#ifndef CKPT_SINK_H
#define CKPT_SINK_H

#include <stdint.h>

#include "ckpt/graph.h"

struct ckpt_plan; /* opaque; of the hub, borrowed by writers */
struct ckpt_sink; /* opaque: an output that its writer drives itself */

/* What the hub is to compute over a segment while it passes; the results are
 * read by `late` through plan_crc32 and plan_sha256. */
#define CKPT_CHECK_CRC32 UINT32_C(1)
#define CKPT_CHECK_SHA256 UINT32_C(2)

enum ckpt_segment_kind {
    CKPT_SEGMENT_BYTES = 1, /* literal bytes, copied by the hub */
    CKPT_SEGMENT_PADDING,   /* size_bytes zero bytes */
    CKPT_SEGMENT_STORAGE,   /* a whole storage, little-endian */
    CKPT_SEGMENT_TENSOR,    /* a tensor: contiguous, row-major, little-endian */
    CKPT_SEGMENT_LATE,      /* size_bytes that `late` fills when the pump gets
                               there; all earlier segments are then done */
    CKPT_SEGMENT_SOURCE     /* size_bytes of `source` from `offset`, as they
                               are */
};

/* One segment. Members that the kind does not name are ignored. */
struct ckpt_segment {
    uint32_t kind;       /* enum ckpt_segment_kind */
    uint32_t checks;     /* CKPT_CHECK_* */
    uint64_t size_bytes; /* BYTES, PADDING, LATE, SOURCE */
    const void *data;    /* BYTES */
    const struct ckpt_storage *storage;
    const struct ckpt_tensor *tensor;
    const char *name; /* for messages; NULL if it has none; copied */
    uint64_t tag;     /* LATE: the writer's own number, handed back */
    /* SOURCE: a file that is open until the job ends. */
    const struct ckpt_source *source;
    uint64_t offset; /* SOURCE: of the first byte */
};

#endif
