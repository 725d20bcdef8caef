/* SPDX-License-Identifier: MIT
 *
 * BASE's tree anew: every container is made again, in the same order, and all
 * else is what it was. What was shared stays shared, and cycles close again.
 */
#include "merge.h"

struct tree {
    struct merge *merge;
    const struct ckpt_value **made; /* by the ids of BASE's values */
};

static int tree_value(struct tree *tree, const struct ckpt_value *old,
                      const struct ckpt_value *other,
                      const struct ckpt_value **made);

static struct ckpt_graph *
tree_graph(const struct tree *tree)
{
    const struct ckpt_host *host = tree->merge->host;

    return host->edit_graph(host, tree->merge->edits);
}

/* What becomes of a place; `*made` is NULL if it is left out. */
static int
tree_place(struct tree *tree, const struct ckpt_value *owner, size_t index,
           const struct ckpt_value *old, const struct ckpt_value *other,
           const struct ckpt_value **made)
{
    struct merge_place place = {owner->id, index};
    const uint64_t *found =
        sdk_table_find(&tree->merge->places, &place, sizeof place);
    const struct merge_item *item;

    if (found == NULL)
        return tree_value(tree, old, other, made);
    item = &tree->merge->items[*found];
    *made = item->value != NULL ? item->value : old;
    if (item->fate == MERGE_GOES)
        *made = NULL;
    return CKPT_OK;
}

static int
tree_list(struct tree *tree, const struct ckpt_value *old,
          struct ckpt_value *made)
{
    const struct ckpt_host *host = tree->merge->host;
    const struct ckpt_value *item;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < old->as.list.count && status == CKPT_OK; i++) {
        status = tree_place(tree, old, i, old->as.list.items[i], NULL, &item);
        if (status == CKPT_OK && item != NULL)
            status = host->list_add(host, tree_graph(tree), made, item);
    }
    return status;
}

static int
tree_map(struct tree *tree, const struct ckpt_value *old,
         const struct ckpt_value *other, struct ckpt_value *made)
{
    const struct ckpt_host *host = tree->merge->host;
    const struct ckpt_pair *pair;
    const struct ckpt_value *item;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < old->as.map.count && status == CKPT_OK; i++) {
        pair = &old->as.map.pairs[i];
        status = tree_place(tree, old, i, pair->value,
                            merge_take_beside(tree->merge, other, pair), &item);
        if (status == CKPT_OK && item != NULL)
            status =
                host->map_set(host, tree_graph(tree), made, pair->key, item);
    }
    return status == CKPT_OK ? merge_take_fill(tree->merge, made, old, other)
                             : status;
}

static int
tree_part(struct tree *tree, const struct ckpt_value *old, uint32_t part,
          struct ckpt_value *made)
{
    const struct ckpt_host *host = tree->merge->host;
    const struct ckpt_value *value;
    int status;

    if (old == NULL)
        return CKPT_OK;
    status = tree_value(tree, old, NULL, &value);
    return status == CKPT_OK
               ? host->object_set(host, tree_graph(tree), made, part, value)
               : status;
}

static int
tree_attributes(struct tree *tree, const struct ckpt_value *old,
                struct ckpt_value *made)
{
    const struct ckpt_host *host = tree->merge->host;
    const struct ckpt_attr *attr = old->attrs;
    const struct ckpt_value *value;
    int status = CKPT_OK;

    for (; attr != NULL && status == CKPT_OK; attr = attr->next) {
        status = tree_value(tree, attr->value, NULL, &value);
        if (status == CKPT_OK)
            status =
                host->attr_set(host, tree_graph(tree), made, attr->name, value);
    }
    return status;
}

static int
tree_content(struct tree *tree, const struct ckpt_value *old,
             const struct ckpt_value *other, struct ckpt_value *made)
{
    const struct ckpt_object *object = old->as.object;
    int status;

    if (old->kind == CKPT_KIND_MAP)
        return tree_map(tree, old, other, made);
    if (old->kind != CKPT_KIND_OBJECT)
        return tree_list(tree, old, made);
    status = tree_part(tree, object->state, CKPT_PART_STATE, made);
    if (status == CKPT_OK)
        status = tree_part(tree, object->items, CKPT_PART_ITEMS, made);
    if (status == CKPT_OK)
        status = tree_part(tree, object->pairs, CKPT_PART_PAIRS, made);
    return status;
}

/* The arguments of an object are there before it is. */
static int
tree_begin(struct tree *tree, const struct ckpt_value *old,
           struct ckpt_value **made)
{
    const struct ckpt_host *host = tree->merge->host;
    struct ckpt_value like = *old;
    struct ckpt_object object;
    int status = CKPT_OK;

    if (old->kind == CKPT_KIND_OBJECT) {
        object = *old->as.object;
        like.as.object = &object;
        tree->made[old->id] = old;
        if (object.callee != NULL)
            status = tree_value(tree, object.callee, NULL, &object.callee);
        if (status == CKPT_OK && object.args != NULL)
            status = tree_value(tree, object.args, NULL, &object.args);
        if (status == CKPT_OK && object.kwargs != NULL)
            status = tree_value(tree, object.kwargs, NULL, &object.kwargs);
    }
    if (status == CKPT_OK)
        status =
            host->value_new(host, tree_graph(tree), &like, sizeof like, made);
    return status;
}

/* What is there already, or needs not be made; or NULL. A tensor that is copied
 * into is so wherever it is met. */
static const struct ckpt_value *
tree_known(const struct tree *tree, const struct ckpt_value *old)
{
    const struct ckpt_value *value;

    if (old->kind >= CKPT_KIND_LIST && old->kind <= CKPT_KIND_OBJECT)
        return tree->made[old->id];
    if (old->kind != CKPT_KIND_TENSOR)
        return old;
    value = tree->merge->values[old->as.tensor->id];
    return value != NULL ? value : old;
}

/* The graph nests no deeper than the hub lets it. */
static int
tree_value(struct tree *tree, const struct ckpt_value *old,
           const struct ckpt_value *other, const struct ckpt_value **made)
{
    struct ckpt_value *value;
    int status;

    *made = tree_known(tree, old);
    if (*made != NULL)
        return CKPT_OK;
    status = tree_begin(tree, old, &value);
    if (status != CKPT_OK)
        return status;
    tree->made[old->id] = value;
    status = tree_content(tree, old, other, value);
    if (status == CKPT_OK)
        status = tree_attributes(tree, old, value);
    *made = value;
    return status;
}

int
merge_tree(struct merge *merge, const struct ckpt_value **root)
{
    const struct ckpt_host *host = merge->host;
    struct tree tree = {.merge = merge};
    int status;

    tree.made = host->allocate(host, ((size_t)merge->base->value_count + 1) *
                                         sizeof *tree.made);
    if (tree.made == NULL)
        return CKPT_MEMORY;
    status = tree_value(&tree, merge->base->root, merge->other->root, root);
    host->release(host, tree.made);
    return status;
}
