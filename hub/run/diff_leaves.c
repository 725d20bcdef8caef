/* SPDX-License-Identifier: MIT
 *
 * Values that are no tensors: scalars, and the names of objects. A list and a
 * tuple of the same are the same, and so are maps of any class.
 */
#include <string.h>

#include "hub/run/diff.h"
#include "hub/run/leaves.h"

static bool
leaf_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
leaf_same_sizes(const struct ckpt_value *a, const struct ckpt_value *b)
{
    size_t i;

    if (a->as.list.count != b->as.list.count)
        return false;
    for (i = 0; i < a->as.list.count; i++)
        if (a->as.list.items[i]->as.integer != b->as.list.items[i]->as.integer)
            return false;
    return true;
}

static bool
leaf_same_number(const struct ckpt_comparison *how, double a, double b)
{
    struct hub_values values = {.absolute_most = how->absolute,
                                .relative_most = how->relative};

    return !hub_values_differ(&values, a, b);
}

static bool
leaf_same(const struct ckpt_comparison *how, const struct ckpt_value *a,
          const struct ckpt_value *b)
{
    if (a->kind != b->kind || a->wide != b->wide)
        return false;
    switch (a->kind) {
    case CKPT_KIND_NONE:
        return true;
    case CKPT_KIND_BOOL:
        return a->as.truth == b->as.truth;
    case CKPT_KIND_FLOAT:
        return leaf_same_number(how, a->as.real, b->as.real);
    case CKPT_KIND_COMPLEX:
        return leaf_same_number(how, a->as.parts.re, b->as.parts.re) &&
               leaf_same_number(how, a->as.parts.im, b->as.parts.im);
    case CKPT_KIND_DTYPE:
        return a->as.dtype == b->as.dtype;
    case CKPT_KIND_SIZE:
        return leaf_same_sizes(a, b);
    case CKPT_KIND_OBJECT:
        return a->as.object->made == b->as.object->made &&
               leaf_same_text(a->as.object->module, b->as.object->module) &&
               leaf_same_text(a->as.object->name, b->as.object->name);
    case CKPT_KIND_INT:
        if (!a->wide)
            return a->as.integer == b->as.integer;
        break;
    default:
        break;
    }
    return a->as.text.size_bytes == b->as.text.size_bytes &&
           (a->as.text.size_bytes == 0 ||
            memcmp(a->as.text.data, b->as.text.data, a->as.text.size_bytes) ==
                0);
}

static int
leaves_differ(struct ckpt_diff *diff, const struct ckpt_entry *first,
              const struct ckpt_entry *second)
{
    struct ckpt_difference found = {.kind = CKPT_DIFFERENCE_SCALAR};

    found.name = first != NULL ? first->name : second->name;
    found.first = first != NULL ? first->value : NULL;
    found.second = second != NULL ? second->value : NULL;
    return hub_diff_add(diff, &found);
}

static int
leaves_compare(struct ckpt_diff *diff, const struct hub_entries *first,
               const struct hub_entries *second, const struct hub_pairs *pairs)
{
    const struct ckpt_entry *other;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < first->count && status == CKPT_OK; i++) {
        other = NULL;
        if (pairs->second_of[i] != HUB_UNPAIRED) {
            other = &second->first[pairs->second_of[i]];
            diff->info.scalar_count++;
        }
        if (other == NULL ||
            !leaf_same(&diff->how, first->first[i].value, other->value))
            status = leaves_differ(diff, &first->first[i], other);
    }
    for (i = 0; i < second->count && status == CKPT_OK; i++)
        if (!pairs->paired[i])
            status = leaves_differ(diff, NULL, &second->first[i]);
    return status;
}

int
hub_diff_leaves(struct ckpt_diff *diff)
{
    struct hub_entries first, second;
    struct hub_pairs pairs;
    int status =
        hub_leaves_take(&diff->arena, diff->files[0]->reading.graph, &first);

    if (status == CKPT_OK)
        status = hub_leaves_take(&diff->arena, diff->files[1]->reading.graph,
                                 &second);
    if (status == CKPT_OK)
        status = hub_pairs_init(&pairs, &diff->arena, &first, &second);
    if (status == CKPT_OK)
        status = leaves_compare(diff, &first, &second, &pairs);
    return status;
}
