/* SPDX-License-Identifier: MIT
 *
 * What the nodes of a parsed pickle hold.
 */
#include "pickle_read_machine.h"

#include <string.h>

uint64_t
sdk_unpickle_place(uint64_t origin, const struct sdk_pickle_gap *gaps,
                   size_t gap_count, uint64_t at)
{
    size_t low = 0, high = gap_count, middle;

    if (origin == CKPT_NOWHERE)
        return CKPT_NOWHERE;
    while (low < high) {
        middle = low + (high - low) / 2;
        if (gaps[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return origin + at + (low > 0 ? gaps[low - 1].left_bytes : 0);
}

uint64_t
sdk_pickled_place(const struct sdk_pickled *pickled, uint64_t at)
{
    return sdk_unpickle_place(pickled->map.origin, pickled->map.gaps,
                              pickled->map.gap_count, at);
}

uint64_t
sdk_pickled_text_place(const struct sdk_pickled *pickled, uint32_t ref)
{
    const struct sdk_pickled_node *node = &pickled->nodes[ref];

    return node->flags & (FLAG_POOL | FLAG_LEFT)
               ? CKPT_NOWHERE
               : sdk_pickled_place(pickled, node->as.pair.first);
}

bool
sdk_pickled_left(const struct sdk_pickled *pickled, uint32_t ref,
                 uint64_t *offset, uint64_t *size_bytes)
{
    const struct sdk_pickled_node *node = &pickled->nodes[ref];
    const char *place = pickled->input + node->as.pair.first;

    if (!(node->flags & FLAG_LEFT))
        return false;
    *offset = sdk_load_le64(place);
    *size_bytes = sdk_load_le64(place + 8);
    return true;
}

struct ckpt_text
sdk_pickled_text(const struct sdk_pickled *pickled, uint32_t ref)
{
    const struct sdk_pickled_node *node = &pickled->nodes[ref];
    struct ckpt_text text = {
        (node->flags & FLAG_POOL ? pickled->pool : pickled->input) +
            node->as.pair.first,
        node->as.pair.second};

    return text;
}

const char *
sdk_pickled_module(const struct sdk_pickled *pickled, uint32_t ref)
{
    return pickled->pool + pickled->nodes[ref].as.pair.first;
}

const char *
sdk_pickled_name(const struct sdk_pickled *pickled, uint32_t ref)
{
    return sdk_pickled_module(pickled, ref) +
           pickled->nodes[ref].as.pair.second + 1;
}

static struct sdk_pickled_list
list_of(const struct sdk_pickled *pickled, uint32_t first, uint32_t count)
{
    struct sdk_pickled_list list = {NULL, count};

    if (count > 0)
        list.refs = pickled->refs + first;
    return list;
}

struct sdk_pickled_list
sdk_pickled_list(const struct sdk_pickled *pickled, uint32_t ref)
{
    const struct sdk_pickled_node *node = &pickled->nodes[ref];

    return list_of(pickled, node->as.pair.first, node->as.pair.second);
}

struct sdk_pickled_call
sdk_pickled_call(const struct sdk_pickled *pickled, uint32_t ref)
{
    const struct sdk_pickled_node *node = &pickled->nodes[ref];
    struct sdk_pickled_call call = {
        .callee = node->as.pair.first,
        .args = node->as.pair.second,
        .kwargs = SDK_PICKLED_NOTHING,
        .state = SDK_PICKLED_NOTHING,
    };

    if (node->flags & FLAG_EXTRA) {
        const struct sdk_pickled_extra *extra =
            &pickled->extras[node->as.pair.first];

        call.callee = extra->callee;
        call.args = extra->args;
        call.kwargs = extra->kwargs;
        call.state = extra->state;
        call.items = list_of(pickled, extra->items.first, extra->items.count);
        call.pairs = list_of(pickled, extra->pairs.first, extra->pairs.count);
    }
    return call;
}

uint32_t
sdk_pickled_pid(const struct sdk_pickled *pickled, uint32_t ref)
{
    return pickled->nodes[ref].as.pair.first;
}

bool
sdk_pickled_is_words(const struct sdk_pickled *pickled, uint32_t ref)
{
    const struct sdk_pickled_node *node = &pickled->nodes[ref];

    return (node->kind == SDK_PICKLED_TEXT || node->kind == SDK_PICKLED_STR) &&
           !(node->flags & FLAG_LEFT);
}

bool
sdk_pickled_is_text(const struct sdk_pickled *pickled, uint32_t ref,
                    const char *text)
{
    struct ckpt_text found;

    if (!sdk_pickled_is_words(pickled, ref))
        return false;
    found = sdk_pickled_text(pickled, ref);
    return found.size_bytes == strlen(text) &&
           memcmp(found.data, text, found.size_bytes) == 0;
}
