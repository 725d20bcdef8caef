/* SPDX-License-Identifier: MIT
 *
 * Names. Within one graph each value is there once. What is in the model's own
 * graph keeps its name, and so does all else whose name no other item of the
 * model has. What is left gets the place of its graph before it:
 *
 *   NODE/ATTRIBUTE/.../NAME
 *
 * and, should that be taken too, by a node of the same name, `#2`, `#3` behind
 * it, in the order of the file. What is no value, but a part of an attribute,
 * is called by its place from the first, and comes after the values.
 */
#include <stdio.h>
#include <string.h>

#include "hash_table.h"
#include "onnx_walk.h"

#define NUMBER_ROOM 24 /* of `#` and a number */

struct naming {
    const struct ckpt_host *host;
    struct onnx_found *found;
    struct sdk_table within; /* scope and own name */
    struct sdk_table counts; /* own name: how many have it */
    struct sdk_table taken;  /* name given: index of the item, from 1 */
};

static const char *
own_name(const struct naming *n, const struct onnx_item *item)
{
    return (const char *)n->found->text.data + item->text_at;
}

/* Two items of one graph under one name. */
static int
refuse(const struct naming *n, const struct onnx_item *item)
{
    return n->host->fail(n->host, CKPT_FORMAT, own_name(n, item), item->offset,
                         "two tensors of one name in one graph");
}

static int
count_names(struct naming *n)
{
    size_t i;

    for (i = 0; i < n->found->item_count; i++) {
        const struct onnx_item *item = &n->found->items[i];
        const char *name = own_name(n, item);
        bool added;
        uint64_t *count =
            sdk_table_add(n->host, &n->counts, name, item->text_bytes, &added);

        if (count == NULL)
            return CKPT_MEMORY;
        ++*count;
        /* Nodes of one graph may have one name, or none at all. */
        if (item->placed)
            continue;
        count = sdk_table_add(n->host, &n->within, name - ONNX_SCOPE_BYTES,
                              item->text_bytes + ONNX_SCOPE_BYTES, &added);
        if (count == NULL)
            return CKPT_MEMORY;
        if (!added)
            return refuse(n, item);
    }
    return CKPT_OK;
}

/* Takes the name that the item has got. `*other` is the item that has it
 * already, or NULL. */
static int
take(struct naming *n, struct onnx_item *item, struct onnx_item **other)
{
    bool added;
    uint64_t *index =
        sdk_table_add(n->host, &n->taken, item->name, item->name_bytes, &added);

    if (index == NULL)
        return CKPT_MEMORY;
    *other = added ? NULL : &n->found->items[*index - 1];
    if (added)
        *index = (uint64_t)(item - n->found->items) + 1;
    return CKPT_OK;
}

/* Puts the place before the own name, into memory of the item. */
static int
qualify(struct naming *n, struct onnx_item *item)
{
    int status = onnx_found_qualify(n->host, n->found, item->scope,
                                    own_name(n, item), item->text_bytes,
                                    NUMBER_ROOM, &item->own, &item->name_bytes);

    item->name = item->own;
    return status;
}

/* Takes a qualified name, with a number behind it if need be. */
static int
take_place(struct naming *n, struct onnx_item *item)
{
    struct onnx_item *first, *other;
    size_t bytes = item->name_bytes;
    int status = take(n, item, &first);

    other = first;
    while (status == CKPT_OK && other != NULL) {
        if (n->host->cancelled(n->host))
            return CKPT_CANCELLED;
        item->name_bytes =
            bytes + (size_t)snprintf(item->own + bytes, NUMBER_ROOM, "#%llu",
                                     (unsigned long long)++first->again + 1);
        status = take(n, item, &other);
    }
    return status;
}

/* Takes the own name, unless another has it. */
static int
keep_name(struct naming *n, struct onnx_item *item)
{
    struct onnx_item *other;
    int status;

    item->name = own_name(n, item);
    item->name_bytes = item->text_bytes;
    status = take(n, item, &other);
    if (status == CKPT_OK && other != NULL)
        item->name = NULL;
    return status;
}

/* What is kept: whatever the model's own graph has, values before places, and
 * then what is alone. */
static int
keep_names(struct naming *n, bool inner, bool placed)
{
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < n->found->item_count && status == CKPT_OK; i++) {
        struct onnx_item *item = &n->found->items[i];

        if ((item->scope != 0) != inner || (!inner && item->placed != placed) ||
            (inner && *sdk_table_find(&n->counts, own_name(n, item),
                                      item->text_bytes) > 1))
            continue;
        status = keep_name(n, item);
    }
    return status;
}

static int
place_names(struct naming *n)
{
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < n->found->item_count && status == CKPT_OK; i++) {
        struct onnx_item *item = &n->found->items[i];

        if (item->name != NULL)
            continue;
        status = qualify(n, item);
        if (status == CKPT_OK)
            status = take_place(n, item);
    }
    return status;
}

int
onnx_names(const struct ckpt_host *host, struct onnx_found *found)
{
    struct naming n = {.host = host, .found = found};
    int status = count_names(&n);

    if (status == CKPT_OK)
        status = keep_names(&n, false, false);
    if (status == CKPT_OK)
        status = keep_names(&n, false, true);
    if (status == CKPT_OK)
        status = keep_names(&n, true, false);
    if (status == CKPT_OK)
        status = place_names(&n);
    sdk_table_fini(host, &n.within);
    sdk_table_fini(host, &n.counts);
    sdk_table_fini(host, &n.taken);
    return status;
}
