/* SPDX-License-Identifier: MIT
 *
 * A tree of nodes that is filled path by path, and then turned into values.
 * A node is found by the bytes of its whole path, so that wide maps cost no
 * search: 's', the size and the text of each key, 'i' and each index.
 */
#include "torch_dcp_tree.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 100
#define INDEX_MAX 1000000
/* A key may be shared by many steps, so that paths are longer than the file
 * that they come from. */
#define SOUGHT_MAX ((uint64_t)256 << 20)

enum node_kind { NODE_NEW = 0, NODE_MAP, NODE_LIST, NODE_VALUE };

struct torch_dcp_node {
    uint32_t kind;        /* enum node_kind */
    uint32_t index;       /* in a list */
    struct ckpt_text key; /* in a map; borrowed */
    const struct ckpt_value *value;
    struct torch_dcp_node *next; /* in the same container */
    struct torch_dcp_node *first, *last;
    size_t count;
    size_t path_bytes;
    char path[];
};

static int
tree_fail(const struct torch_dcp_tree *tree, const char *what)
{
    tree->host->fail(tree->host, CKPT_FORMAT, tree->label, CKPT_NOWHERE,
                     ".metadata: %s", what);
    return CKPT_FORMAT;
}

static int
make_node(struct torch_dcp_tree *tree, const struct sdk_buffer *path,
          struct torch_dcp_node **node)
{
    struct torch_dcp_node *made =
        tree->host->allocate(tree->host, sizeof *made + path->size_bytes + 1);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->path_bytes = path->size_bytes;
    if (path->size_bytes > 0)
        memcpy(made->path, path->data, path->size_bytes);
    status = sdk_buffer_append(tree->host, &tree->owned, &made, sizeof made);
    if (status == CKPT_OK)
        *node = made;
    else
        tree->host->release(tree->host, made);
    return status;
}

int
torch_dcp_tree_init(struct torch_dcp_tree *tree)
{
    struct sdk_buffer none = {0};
    int status = make_node(tree, &none, &tree->root);

    if (status == CKPT_OK)
        tree->root->kind = NODE_MAP;
    return status;
}

static struct torch_dcp_node *
node_at(const struct torch_dcp_tree *tree, uint64_t number)
{
    return ((struct torch_dcp_node **)(void *)tree->owned.data)[number];
}

/* The child of the node whose whole path this is, made if need be. */
static int
find_child(struct torch_dcp_tree *tree, struct torch_dcp_node *parent,
           const struct sdk_buffer *path, struct torch_dcp_node **child)
{
    const uint64_t *found =
        sdk_table_find(&tree->nodes, path->data, path->size_bytes);
    uint64_t *number;
    bool added;
    int status;

    if (found != NULL) {
        *child = node_at(tree, *found);
        return CKPT_OK;
    }
    status = make_node(tree, path, child);
    if (status != CKPT_OK)
        return status;
    number = sdk_table_add(tree->host, &tree->nodes, (*child)->path,
                           (*child)->path_bytes, &added);
    if (number == NULL)
        return CKPT_MEMORY;
    *number = tree->owned.size_bytes / sizeof *child - 1;
    if (parent->last != NULL)
        parent->last->next = *child;
    else
        parent->first = *child;
    parent->last = *child;
    parent->count++;
    return CKPT_OK;
}

/* One step of a path: the key or the index that `node` has in its parent. */
static int
step(struct torch_dcp_tree *tree, const struct ckpt_text *key, int64_t index,
     struct sdk_buffer *path, struct torch_dcp_node **node)
{
    struct torch_dcp_node *parent = *node;
    uint32_t kind = key != NULL ? NODE_MAP : NODE_LIST;
    uint64_t number = key != NULL ? key->size_bytes : (uint64_t)index;
    int status;

    if (key == NULL && (index < 0 || index > INDEX_MAX))
        return tree_fail(tree, "a path with an index out of range");
    if (parent->kind == NODE_NEW)
        parent->kind = kind;
    if (parent->kind != kind)
        return tree_fail(tree, "a path through what is no container");
    status = sdk_buffer_append(tree->host, path, key != NULL ? "s" : "i", 1);
    if (status == CKPT_OK)
        status = sdk_buffer_append(tree->host, path, &number, sizeof number);
    if (status == CKPT_OK && key != NULL)
        status =
            sdk_buffer_append(tree->host, path, key->data, key->size_bytes);
    tree->sought_bytes += path->size_bytes;
    if (status == CKPT_OK && tree->sought_bytes > SOUGHT_MAX)
        return tree->host->fail(tree->host, CKPT_LIMIT, tree->label,
                                CKPT_NOWHERE,
                                ".metadata: paths whose keys are too long: "
                                "together more than %llu bytes",
                                (unsigned long long)SOUGHT_MAX);
    if (status == CKPT_OK)
        status = find_child(tree, parent, path, node);
    if (status != CKPT_OK)
        return status;
    if (key != NULL)
        (*node)->key = *key;
    (*node)->index = (uint32_t)number;
    return CKPT_OK;
}

static int
walk_path(struct torch_dcp_tree *tree, const struct sdk_pickled *p,
          uint32_t path, struct sdk_buffer *bytes, struct torch_dcp_node **node)
{
    struct sdk_pickled_list list = {NULL, 0};
    struct ckpt_text key;
    uint32_t i, kind;
    int status = CKPT_OK;

    if (sdk_pickled_kind(p, path) == SDK_PICKLED_TUPLE)
        list = sdk_pickled_list(p, path);
    if (list.count == 0 || list.count > DEPTH_MAX)
        return tree_fail(tree, "a path of no step or more than 100");
    for (i = 0; i < list.count && status == CKPT_OK; i++) {
        kind = sdk_pickled_kind(p, list.refs[i]);
        if (kind == SDK_PICKLED_INT) {
            status =
                step(tree, NULL, sdk_pickled_at(p, list.refs[i])->as.integer,
                     bytes, node);
        } else if (kind == SDK_PICKLED_TEXT || kind == SDK_PICKLED_STR) {
            key = sdk_pickled_text(p, list.refs[i]);
            status = step(tree, &key, 0, bytes, node);
        } else {
            return tree_fail(tree, "a path of other than texts and ints");
        }
    }
    return status;
}

int
torch_dcp_tree_put(struct torch_dcp_tree *tree, const struct sdk_pickled *p,
                   uint32_t path, const struct ckpt_text *name,
                   const struct ckpt_value *value)
{
    struct torch_dcp_node *node = tree->root;
    struct sdk_buffer bytes = {0};
    int status = path == SDK_PICKLED_NOTHING
                     ? step(tree, name, 0, &bytes, &node)
                     : walk_path(tree, p, path, &bytes, &node);

    sdk_buffer_fini(tree->host, &bytes);
    if (status != CKPT_OK)
        return status;
    if (node->kind != NODE_NEW)
        return tree_fail(tree, "two values at one path");
    node->kind = NODE_VALUE;
    node->value = value;
    return CKPT_OK;
}

/* ---- Values ---- */

static int build(struct torch_dcp_tree *tree, struct torch_dcp_node *node,
                 const struct ckpt_value **value);

static int
build_map(struct torch_dcp_tree *tree, struct torch_dcp_node *node,
          struct ckpt_value *map)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *key;
    const struct ckpt_host *host = tree->host;
    const struct ckpt_value *value;
    struct torch_dcp_node *child;
    int status = CKPT_OK;

    for (child = node->first; child != NULL && status == CKPT_OK;
         child = child->next) {
        like.as.text = child->key;
        status = build(tree, child, &value);
        if (status == CKPT_OK)
            status =
                host->value_new(host, tree->graph, &like, sizeof like, &key);
        if (status == CKPT_OK)
            status = host->map_set(host, tree->graph, map, key, value);
    }
    return status;
}

static int
compare_index(const void *left, const void *right)
{
    uint32_t a = (*(struct torch_dcp_node *const *)left)->index;
    uint32_t b = (*(struct torch_dcp_node *const *)right)->index;

    return (a > b) - (a < b);
}

/* An index that no path has is None, as when torch unflattens. */
static int
add_items(struct torch_dcp_tree *tree, struct torch_dcp_node **sorted,
          size_t count, struct ckpt_value *list)
{
    struct ckpt_value like = {.kind = CKPT_KIND_NONE}, *none;
    const struct ckpt_host *host = tree->host;
    const struct ckpt_value *value;
    uint32_t next = 0;
    size_t i;
    int status = host->value_new(host, tree->graph, &like, sizeof like, &none);

    for (i = 0; i < count && status == CKPT_OK; i++) {
        for (; next < sorted[i]->index && status == CKPT_OK; next++)
            status = host->list_add(host, tree->graph, list, none);
        if (status == CKPT_OK)
            status = build(tree, sorted[i], &value);
        if (status == CKPT_OK)
            status = host->list_add(host, tree->graph, list, value);
        next++;
    }
    return status;
}

static int
build_list(struct torch_dcp_tree *tree, struct torch_dcp_node *node,
           struct ckpt_value *list)
{
    struct torch_dcp_node **sorted, *child;
    size_t i = 0;
    int status;

    sorted =
        tree->host->allocate(tree->host, (node->count + 1) * sizeof(*sorted));
    if (sorted == NULL)
        return CKPT_MEMORY;
    for (child = node->first; child != NULL; child = child->next)
        sorted[i++] = child;
    qsort(sorted, i, sizeof(*sorted), compare_index);
    status = add_items(tree, sorted, i, list);
    tree->host->release(tree->host, sorted);
    return status;
}

static int
build(struct torch_dcp_tree *tree, struct torch_dcp_node *node,
      const struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *made;
    int status;

    if (node->kind == NODE_VALUE) {
        *value = node->value;
        return CKPT_OK;
    }
    if (node->kind == NODE_LIST)
        like.kind = CKPT_KIND_LIST;
    status = tree->host->value_new(tree->host, tree->graph, &like, sizeof like,
                                   &made);
    if (status == CKPT_OK)
        status = node->kind == NODE_LIST ? build_list(tree, node, made)
                                         : build_map(tree, node, made);
    if (status == CKPT_OK)
        *value = made;
    return status;
}

int
torch_dcp_tree_build(struct torch_dcp_tree *tree,
                     const struct ckpt_value **root)
{
    return build(tree, tree->root, root);
}

void
torch_dcp_tree_fini(struct torch_dcp_tree *tree)
{
    size_t i, count = tree->owned.size_bytes / sizeof(struct torch_dcp_node *);

    for (i = 0; i < count; i++)
        tree->host->release(tree->host, node_at(tree, i));
    sdk_buffer_fini(tree->host, &tree->owned);
    sdk_table_fini(tree->host, &tree->nodes);
}
