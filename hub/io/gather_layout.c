/* SPDX-License-Identifier: MIT
 *
 * What lies side by side where it comes from is cut into strips as wide as a
 * line of the cache, and all else goes on within a strip in the order of the
 * box: a line is read once and whole, and a few lines are written at a time,
 * each from end to end.
 */
#include "hub/io/gather_layout.h"

#include <string.h>

#include "ckpt/graph.h"

/* Elements side by side in one strip. */
#define STRIP 16

struct gather_pair {
    uint64_t a, b;
};

struct layout {
    struct gather_dim strip; /* across a strip */
    struct gather_dim along; /* along it; of one index if there is no other */
    size_t item_bytes;
};

#define LAYOUT_STRIP(type)                                          \
    do {                                                            \
        const type *source = (const void *)from;                    \
        type *target = (void *)to;                                  \
        for (i = 0; i < along->extent; i++) {                       \
            if (strip->extent == STRIP && strip->mid == 1)          \
                for (k = 0; k < STRIP; k++)                         \
                    target[k * strip->to] = source[k];              \
            else                                                    \
                for (k = 0; k < strip->extent; k++)                 \
                    target[k * strip->to] = source[k * strip->mid]; \
            source += along->mid;                                   \
            target += along->to;                                    \
        }                                                           \
    } while (0)

/* The buffers are aligned and offsets within them are multiples of the item;
 * bytes in memory may lie at any address. */
static void
layout_strip(const struct layout *layout, const unsigned char *from,
             unsigned char *to)
{
    const struct gather_dim *strip = &layout->strip, *along = &layout->along;
    size_t item = layout->item_bytes;
    uint64_t i, k;

    switch (((uintptr_t)from | (uintptr_t)to) % item == 0 ? item : 0) {
    case 1:
        LAYOUT_STRIP(uint8_t);
        return;
    case 2:
        LAYOUT_STRIP(uint16_t);
        return;
    case 4:
        LAYOUT_STRIP(uint32_t);
        return;
    case 8:
        LAYOUT_STRIP(uint64_t);
        return;
    case 16:
        LAYOUT_STRIP(struct gather_pair);
        return;
    }
    for (i = 0; i < along->extent; i++)
        for (k = 0; k < strip->extent; k++)
            memcpy(to + (i * along->to + k * strip->to) * item,
                   from + (i * along->mid + k * strip->mid) * item, item);
}

static void
layout_leaf(const struct layout *layout, const unsigned char *from,
            unsigned char *to)
{
    const struct gather_dim *strip = &layout->strip;

    if (layout->along.extent == 1 && strip->mid == 1 && strip->to == 1)
        memcpy(to, from, (size_t)strip->extent * layout->item_bytes);
    else
        layout_strip(layout, from, to);
}

/* The other dimensions, outermost of the box first. */
static void
layout_rest(const struct layout *layout, const struct gather_dim *rest,
            size_t count, const unsigned char *from, unsigned char *to)
{
    uint64_t i;

    if (count == 0) {
        layout_leaf(layout, from, to);
        return;
    }
    for (i = 0; i < rest->extent; i++) {
        layout_rest(layout, rest + 1, count - 1, from, to);
        from += rest->mid * layout->item_bytes;
        to += rest->to * layout->item_bytes;
    }
}

/* Sorts by the distance in the box, the largest first, and takes the one out
 * that lies closest where it comes from. */
static size_t
layout_sort(const struct gather_dim *dims, size_t count,
            struct gather_dim *rest, struct gather_dim *closest)
{
    size_t i, at, kept = 0, best = count - 1;

    for (i = count; i-- > 0;)
        if (dims[i].mid != 0 &&
            (dims[best].mid == 0 || dims[i].mid < dims[best].mid))
            best = i;
    *closest = dims[best];
    for (i = 0; i < count; i++) {
        if (i == best)
            continue;
        for (at = kept; at > 0 && rest[at - 1].to < dims[i].to; at--)
            rest[at] = rest[at - 1];
        rest[at] = dims[i];
        kept++;
    }
    return kept;
}

void
hub_gather_layout(const struct gather_dim *dims, size_t count,
                  size_t item_bytes, const unsigned char *from,
                  unsigned char *to)
{
    struct layout layout = {.item_bytes = item_bytes};
    struct gather_dim rest[CKPT_MAX_RANK], whole;
    uint64_t at, step = STRIP;

    if (count == 0) {
        memcpy(to, from, item_bytes);
        return;
    }
    layout.along.extent = 1;
    count = layout_sort(dims, count, rest, &whole);
    /* Rows that stay rows are not cut. */
    if (count == 0 || rest[count - 1].to > whole.to)
        step = whole.extent;
    else
        layout.along = rest[--count];
    layout.strip = whole;
    for (at = 0; at < whole.extent; at += step) {
        layout.strip.extent =
            whole.extent - at < step ? whole.extent - at : step;
        layout_rest(&layout, rest, count, from + at * whole.mid * item_bytes,
                    to + at * whole.to * item_bytes);
    }
}
