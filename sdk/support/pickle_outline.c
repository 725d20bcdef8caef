/* SPDX-License-Identifier: MIT
 *
 * Passing over the opcodes of a pickle in a file, window by window. It knows
 * how long an opcode is and nothing of what it does.
 */
#include "pickle_outline.h"

#include <string.h>

#include "endian.h"

#define WINDOW_BYTES ((uint64_t)64 << 10) /* at most a peek's */

/* What follows an opcode. */
enum form {
    FORM_UNKNOWN = 0,
    FORM_FIXED, /* so many bytes */
    FORM_COUNT, /* a length of so many bytes, then as much */
    FORM_LINES, /* so many lines */
    FORM_FRAME,
    FORM_STOP
};

struct shape {
    uint8_t form;
    uint8_t size;
    uint8_t kind; /* COUNT: of the node, if it may be left */
};

struct walk {
    const struct ckpt_host *host;
    const struct ckpt_source *source;
    struct sdk_pickle_outline *out;
    uint64_t begin, at, limit;
    const unsigned char *window;
    uint64_t window_offset, window_bytes;
};

/* long: flat switch */
static struct shape
shape_of(unsigned opcode)
{
    switch (opcode) {
    case '.':
        return (struct shape){FORM_STOP, 0, 0};
    case 0x95:
        return (struct shape){FORM_FRAME, 8, 0};
    case 'q':
    case 'h':
    case 'K':
    case 0x80:
    case 0x82:
        return (struct shape){FORM_FIXED, 1, 0};
    case 'M':
    case 0x83:
        return (struct shape){FORM_FIXED, 2, 0};
    case 'r':
    case 'j':
    case 'J':
    case 0x84:
        return (struct shape){FORM_FIXED, 4, 0};
    case 'G':
        return (struct shape){FORM_FIXED, 8, 0};
    case 0x8a:
        return (struct shape){FORM_COUNT, 1, 0};
    case 0x8b:
        return (struct shape){FORM_COUNT, 4, 0};
    case 0x8c:
        return (struct shape){FORM_COUNT, 1, SDK_PICKLED_TEXT};
    case 'X':
        return (struct shape){FORM_COUNT, 4, SDK_PICKLED_TEXT};
    case 0x8d:
        return (struct shape){FORM_COUNT, 8, SDK_PICKLED_TEXT};
    case 'U':
        return (struct shape){FORM_COUNT, 1, SDK_PICKLED_STR};
    case 'T':
        return (struct shape){FORM_COUNT, 4, SDK_PICKLED_STR};
    case 'C':
        return (struct shape){FORM_COUNT, 1, SDK_PICKLED_BYTES};
    case 'B':
        return (struct shape){FORM_COUNT, 4, SDK_PICKLED_BYTES};
    case 0x8e:
        return (struct shape){FORM_COUNT, 8, SDK_PICKLED_BYTES};
    case 0x96:
        return (struct shape){FORM_COUNT, 8, SDK_PICKLED_BYTEARRAY};
    case 'I':
    case 'L':
    case 'F':
    case 'S':
    case 'V':
    case 'p':
    case 'g':
    case 'P':
        return (struct shape){FORM_LINES, 1, 0};
    case 'c':
    case 'i':
        return (struct shape){FORM_LINES, 2, 0};
    default:
        break;
    }
    if (opcode != 0 && opcode < 0x99 &&
        (memchr("N)t]l}dasuebo0122(RQ", (int)opcode, 20) != NULL ||
         (opcode >= 0x81 && opcode != 0x82 && opcode <= 0x98)))
        return (struct shape){FORM_FIXED, 0, 0};
    return (struct shape){FORM_UNKNOWN, 0, 0};
}

/* Makes the window begin here, and hold `wanted` bytes or all there are. */
static int
look(struct walk *walk, uint64_t wanted)
{
    uint64_t left = walk->limit - walk->at;
    struct ckpt_span span;
    int status;

    if (walk->at >= walk->window_offset &&
        walk->at - walk->window_offset <= walk->window_bytes &&
        walk->window_bytes - (walk->at - walk->window_offset) >=
            (wanted < left ? wanted : left))
        return CKPT_OK;
    wanted = left < WINDOW_BYTES ? left : WINDOW_BYTES;
    if (wanted == 0)
        return CKPT_OK;
    status = walk->host->source_peek(walk->host, walk->source, walk->at,
                                     (size_t)wanted, &span);
    if (status != CKPT_OK)
        return status;
    walk->window = span.data;
    walk->window_offset = walk->at;
    walk->window_bytes = span.size_bytes < left ? span.size_bytes : left;
    return CKPT_OK;
}

static const unsigned char *
here(const struct walk *walk, uint64_t *size_bytes)
{
    uint64_t from = walk->at - walk->window_offset;

    *size_bytes = walk->window_bytes - from;
    return walk->window + from;
}

static int
put(struct walk *walk, const void *bytes, uint64_t size_bytes)
{
    return sdk_buffer_append(walk->host, &walk->out->data, bytes,
                             (size_t)size_bytes);
}

/* Copies so many bytes, or all that are there. */
static int
copy(struct walk *walk, uint64_t size_bytes)
{
    const unsigned char *bytes;
    uint64_t step;
    int status = CKPT_OK;

    while (size_bytes > 0 && walk->at < walk->limit && status == CKPT_OK) {
        status = look(walk, 1);
        if (status != CKPT_OK)
            return status;
        bytes = here(walk, &step);
        if (step > size_bytes)
            step = size_bytes;
        status = put(walk, bytes, step);
        walk->at += step;
        size_bytes -= step;
    }
    return status;
}

static int
copy_line(struct walk *walk)
{
    const unsigned char *bytes, *end = NULL;
    uint64_t step;
    int status = CKPT_OK;

    while (end == NULL && walk->at < walk->limit && status == CKPT_OK) {
        status = look(walk, 1);
        if (status != CKPT_OK)
            return status;
        bytes = here(walk, &step);
        end = memchr(bytes, '\n', (size_t)step);
        if (end != NULL)
            step = (uint64_t)(end - bytes) + 1;
        status = put(walk, bytes, step);
        walk->at += step;
    }
    return status;
}

/* From here on, the data lags behind the file by so much. */
static int
add_gap(struct walk *walk)
{
    struct sdk_pickle_outline *out = walk->out;
    size_t capacity = out->gap_capacity * 2 + 16;
    struct sdk_pickle_gap *gaps;

    if (out->gap_count == out->gap_capacity) {
        gaps = walk->host->reallocate(walk->host, out->gaps,
                                      capacity * sizeof *gaps);
        if (gaps == NULL)
            return CKPT_MEMORY;
        out->gaps = gaps;
        out->gap_capacity = capacity;
    }
    gaps = &out->gaps[out->gap_count++];
    gaps->at = (uint32_t)out->data.size_bytes;
    gaps->left_bytes = walk->at - walk->begin - out->data.size_bytes;
    return CKPT_OK;
}

/* Leaves the text of an opcode in the file. */
static int
leave(struct walk *walk, uint8_t kind, uint64_t size_bytes)
{
    unsigned char said[18] = {SDK_PICKLE_LEFT, kind};
    int status;

    sdk_store_le64(said + 2, walk->at);
    sdk_store_le64(said + 10, size_bytes);
    status = put(walk, said, sizeof said);
    walk->at += size_bytes;
    return status == CKPT_OK ? add_gap(walk) : status;
}

static uint64_t
number(const unsigned char *bytes, unsigned width)
{
    uint64_t value = 0;

    while (width-- > 0)
        value = value << 8 | bytes[width];
    return value;
}

/* `walk->at` is at the opcode, and its length is in the window. */
static int
step_count(struct walk *walk, struct shape shape)
{
    uint64_t have, size_bytes;
    const unsigned char *bytes = here(walk, &have);

    if (have < 1u + shape.size)
        return copy(walk, have);
    size_bytes = number(bytes + 1, shape.size);
    if (shape.kind != 0 && size_bytes > SDK_PICKLE_LEFT_BYTES &&
        size_bytes <= walk->limit - walk->at - 1 - shape.size) {
        walk->at += 1u + shape.size;
        return leave(walk, shape.kind, size_bytes);
    }
    if (size_bytes > walk->limit - walk->at)
        return copy(walk, 1u + shape.size);
    return copy(walk, 1u + shape.size + size_bytes);
}

/* A frame is a hint: its end must be within the file, and that is all. */
static int
step_frame(struct walk *walk)
{
    uint64_t have;
    const unsigned char *bytes = here(walk, &have);

    if (have < 9 || number(bytes + 1, 8) > walk->limit - walk->at - 9)
        return copy(walk, 9);
    walk->at += 9;
    return add_gap(walk);
}

/* One opcode; `*done` after the last. */
static int
step(struct walk *walk, bool *done)
{
    static const unsigned char none = 0xff; /* for our own opcode */
    uint64_t have;
    struct shape shape;
    unsigned i;
    int status = look(walk, 9);

    if (status != CKPT_OK)
        return status;
    shape = shape_of(*here(walk, &have));
    *done = shape.form == FORM_STOP || shape.form == FORM_UNKNOWN;
    switch (shape.form) {
    case FORM_COUNT:
        return step_count(walk, shape);
    case FORM_FRAME:
        return step_frame(walk);
    case FORM_LINES:
        status = copy(walk, 1);
        for (i = 0; i < shape.size && status == CKPT_OK; i++)
            status = copy_line(walk);
        return status;
    case FORM_UNKNOWN:
        if (*here(walk, &have) != SDK_PICKLE_LEFT)
            return copy(walk, 1);
        walk->at++;
        return put(walk, &none, 1);
    default:
        return copy(walk, 1u + shape.size);
    }
}

int
sdk_pickle_outline_read(const struct ckpt_host *host,
                        const struct ckpt_source *source, uint64_t offset,
                        uint64_t limit, struct sdk_pickle_outline *outline)
{
    struct walk walk = {.host = host,
                        .source = source,
                        .out = outline,
                        .begin = offset,
                        .at = offset,
                        .limit = limit};
    unsigned steps = 0;
    bool done = false;
    int status = CKPT_OK;

    while (!done && walk.at < limit && status == CKPT_OK) {
        status = step(&walk, &done);
        if (outline->data.size_bytes >= UINT32_MAX / 4)
            status = host->fail(host, CKPT_LIMIT, NULL, offset,
                                "a pickle of 1 GiB or more");
        if ((++steps & 0xfffff) == 0 && host->cancelled(host))
            return CKPT_CANCELLED;
    }
    outline->end = walk.at;
    return status;
}

void
sdk_pickle_outline_fini(const struct ckpt_host *host,
                        struct sdk_pickle_outline *outline)
{
    sdk_buffer_fini(host, &outline->data);
    host->release(host, outline->gaps);
    memset(outline, 0, sizeof *outline);
}
