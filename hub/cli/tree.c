/* SPDX-License-Identifier: MIT
 *
 * The tree of `ls --tree`. Recursion ends at CLI_DEPTH_MAX, and what was
 * shown before is only referred to.
 */
#include "tree.h"

#include "escape.h"

#define TREE_TEXT_MAX 72
#define TREE_BYTES_MAX 24
#define TREE_INDENT_MAX 64
#define TREE_ROW_FROM 9 /* shorter lists have a line for each item */
#define TREE_ROW_MAX 16

struct tree {
    struct cli_out *out;
    struct cli_walk *walk;
    const struct cli_optimizers *optimizers; /* or NULL */
    bool whole;
};

static void
tree_text(struct cli_out *out, const struct ckpt_text *text, bool whole)
{
    size_t size = text->size_bytes;

    if (!whole && size > TREE_TEXT_MAX) {
        size = TREE_TEXT_MAX;
        while (size > 0 && (text->data[size] & 0xc0) == 0x80)
            size--;
    }
    cli_out_char(out, '"');
    cli_escape(out, text->data, size);
    cli_out_char(out, '"');
    if (size == text->size_bytes)
        return;
    cli_out_string(out, "... (");
    cli_out_size(out, text->size_bytes);
    cli_out_char(out, ')');
}

static void
tree_bytes(struct cli_out *out, const struct ckpt_text *bytes, bool whole)
{
    size_t size = bytes->size_bytes;

    if (!whole && size > TREE_BYTES_MAX)
        size = TREE_BYTES_MAX;
    cli_out_hex(out, bytes->data, size);
    cli_out_string(out, size < bytes->size_bytes ? "... (" : " (");
    cli_out_size(out, bytes->size_bytes);
    cli_out_char(out, ')');
}

static void
tree_int(struct cli_out *out, const struct ckpt_value *value)
{
    if (!value->wide) {
        cli_out_i64(out, value->as.integer);
    } else if (!cli_out_wide(out, &value->as.text)) {
        cli_out_string(out, "of ");
        cli_out_size(out, value->as.text.size_bytes);
    }
}

static void
tree_size(struct cli_out *out, const struct ckpt_value *value)
{
    size_t i;

    cli_out_char(out, '[');
    for (i = 0; i < value->as.list.count; i++) {
        if (i > 0)
            cli_out_char(out, ',');
        tree_int(out, value->as.list.items[i]);
    }
    cli_out_char(out, ']');
}

static void
tree_scalar(struct cli_out *out, const struct ckpt_value *value, bool whole)
{
    const char *dtype;

    switch (value->kind) {
    case CKPT_KIND_BOOL:
        cli_out_string(out, value->as.truth ? "true" : "false");
        break;
    case CKPT_KIND_INT:
        tree_int(out, value);
        break;
    case CKPT_KIND_FLOAT:
        cli_out_double(out, value->as.real);
        break;
    case CKPT_KIND_COMPLEX:
        cli_out_double(out, value->as.parts.re);
        cli_out_string(out, value->as.parts.im < 0 ? "" : "+");
        cli_out_double(out, value->as.parts.im);
        cli_out_char(out, 'j');
        break;
    case CKPT_KIND_STRING:
    case CKPT_KIND_DEVICE:
        tree_text(out, &value->as.text, whole);
        break;
    case CKPT_KIND_BYTES:
        tree_bytes(out, &value->as.text, whole);
        break;
    case CKPT_KIND_DTYPE:
        dtype = ckpt_dtype_name(value->as.dtype);
        cli_out_string(out, dtype ? dtype : "unknown");
        break;
    case CKPT_KIND_SIZE:
        tree_size(out, value);
        break;
    default:
        break;
    }
}

static void
tree_tensor(struct cli_out *out, const struct ckpt_tensor *tensor)
{
    const char *dtype = ckpt_dtype_name(tensor->dtype);

    cli_out_string(out, dtype ? dtype : "unknown");
    cli_out_char(out, ' ');
    cli_out_shape(out, tensor->shape, tensor->rank);
    if (!tensor->contiguous) {
        cli_out_string(out, " strides ");
        cli_out_shape(out, tensor->strides, tensor->rank);
    }
    cli_out_char(out, ' ');
    cli_escape_string(out, tensor->storage->device);
    if (tensor->type_name != NULL) {
        cli_out_char(out, ' ');
        cli_escape_string(out, tensor->type_name);
    }
    if (tensor->flips & CKPT_FLIP_CONJUGATE)
        cli_out_string(out, " conjugate");
    if (tensor->flips & CKPT_FLIP_NEGATIVE)
        cli_out_string(out, " negative");
    if (tensor->role != CKPT_ROLE_UNKNOWN)
        cli_out_string(out, tensor->role == CKPT_ROLE_PARAMETER ? " parameter"
                                                                : " buffer");
    if (tensor->requires_grad)
        cli_out_string(out, " requires-grad");
}

static void
tree_object(struct cli_out *out, const struct ckpt_object *object)
{
    struct cli_out name;

    cli_out_init(&name, -1);
    cli_object_name(&name, object);
    cli_out_string(out, "object ");
    cli_escape_string(out, cli_out_text(&name));
    cli_out_fini(&name);
    if (object->made == CKPT_MADE_NAMED)
        cli_out_string(out, " (by name)");
    else if (object->made == CKPT_MADE_PERSISTENT)
        cli_out_string(out, " (persistent)");
}

/* Many numbers and the like go in a row behind their list or tuple. */
static bool
tree_is_row(const struct ckpt_value *value, size_t from)
{
    const struct ckpt_value *item;
    size_t i;

    if ((value->kind != CKPT_KIND_LIST && value->kind != CKPT_KIND_TUPLE) ||
        value->as.list.count < from || value->attrs != NULL)
        return false;
    for (i = 0; i < value->as.list.count; i++) {
        item = value->as.list.items[i];
        if (item->kind > CKPT_KIND_FLOAT || item->attrs != NULL ||
            (item->kind == CKPT_KIND_INT && item->wide))
            return false;
    }
    return true;
}

/* Whether the items count up by one. */
static bool
tree_is_range(const struct ckpt_value *value)
{
    size_t i, count = value->as.list.count;
    const struct ckpt_value *const *items = value->as.list.items;

    for (i = 0; i < count; i++)
        if (items[i]->kind != CKPT_KIND_INT ||
            (i > 0 && (items[i - 1]->as.integer == INT64_MAX ||
                       items[i]->as.integer != items[i - 1]->as.integer + 1)))
            return false;
    return count > 3;
}

static void
tree_row(struct cli_out *out, const struct ckpt_value *value, bool whole)
{
    size_t i, count = value->as.list.count;
    const struct ckpt_value *const *items = value->as.list.items;

    cli_out_string(out, ": ");
    if (tree_is_range(value)) {
        tree_int(out, items[0]);
        cli_out_string(out, " to ");
        tree_int(out, items[count - 1]);
        return;
    }
    for (i = 0; i < count; i++) {
        if (i > 0)
            cli_out_string(out, ", ");
        if (i == TREE_ROW_MAX && !whole && count > TREE_ROW_MAX + 1) {
            cli_out_string(out, "...");
            return;
        }
        if (items[i]->kind == CKPT_KIND_NONE)
            cli_out_string(out, "none");
        else
            tree_scalar(out, items[i], whole);
    }
}

void
cli_out_value(struct cli_out *out, const struct ckpt_value *value, bool whole)
{
    if (value->kind == CKPT_KIND_TENSOR) {
        tree_tensor(out, value->as.tensor);
        return;
    }
    if (value->kind == CKPT_KIND_OBJECT) {
        tree_object(out, value->as.object);
        return;
    }
    cli_out_string(out, cli_kind_name(value->kind));
    if (value->type_name != NULL) {
        cli_out_char(out, ' ');
        cli_escape_string(out, value->type_name);
    }
    if (cli_is_container(value)) {
        cli_out_string(out, " (");
        cli_out_u64(out, cli_container_count(value));
        cli_out_char(out, ')');
    } else if (value->kind != CKPT_KIND_NONE) {
        cli_out_char(out, ' ');
        tree_scalar(out, value, whole);
    }
}

static void
tree_key(struct cli_out *out, const struct cli_step *step)
{
    if (step->attribute)
        cli_out_char(out, '@');
    if (step->part != NULL) {
        cli_escape_string(out, step->part);
    } else if (step->key == NULL) {
        cli_out_char(out, '[');
        cli_out_u64(out, step->index);
        cli_out_char(out, ']');
    } else if (step->key->kind == CKPT_KIND_STRING &&
               step->key->as.text.size_bytes == 0) {
        cli_out_string(out, "\"\"");
    } else if (step->key->kind == CKPT_KIND_STRING) {
        cli_escape(out, step->key->as.text.data, step->key->as.text.size_bytes);
    } else {
        cli_out_char(out, '[');
        cli_out_value(out, step->key, false);
        cli_out_char(out, ']');
    }
}

static void
tree_same(struct cli_out *out, const struct cli_walk *walk,
          const struct ckpt_value *value)
{
    struct cli_out path;

    cli_out_init(&path, -1);
    cli_walk_first_path(walk, &path, value);
    cli_out_string(out, "same as ");
    if (path.size_bytes == 0)
        cli_out_string(out, "the root");
    cli_escape(out, path.data, path.size_bytes);
    cli_out_fini(&path);
}

/* Says so if an earlier tensor is on the same storage. */
static void
tree_tie(struct cli_out *out, const struct cli_walk *walk,
         const struct ckpt_value *value)
{
    size_t first = walk->storages[value->as.tensor->storage->id];
    const struct ckpt_entry *entry;

    if (first == 0)
        return;
    entry = &walk->graph->entries[first - 1];
    if (entry->value == value)
        return;
    cli_out_string(out, ", same storage as ");
    cli_escape(out, entry->name.data, entry->name.size_bytes);
}

/* The line of one value; whether its children are to follow. */
static bool
tree_line(const struct tree *tree, const struct cli_child *child)
{
    const struct ckpt_value *value = child->value;
    bool first = cli_walk_enter(tree->walk, value, &child->step);

    if (!first &&
        (cli_is_container(value) || value->kind == CKPT_KIND_TENSOR)) {
        tree_same(tree->out, tree->walk, value);
        return false;
    }
    cli_out_value(tree->out, value, tree->whole);
    if (value->kind == CKPT_KIND_TENSOR)
        tree_tie(tree->out, tree->walk, value);
    if (!first ||
        !tree_is_row(value, tree->optimizers != NULL ? 1 : TREE_ROW_FROM))
        return first;
    tree_row(tree->out, value, tree->whole);
    return false;
}

/* The parameter whose slots these are. */
static void
tree_slot(const struct tree *tree, const struct cli_step *step)
{
    const struct ckpt_text *name;

    if (tree->optimizers == NULL)
        return;
    name = cli_optimizer_name(tree->optimizers, step);
    if (name == NULL)
        return;
    cli_out_string(tree->out, " = ");
    cli_escape(tree->out, name->data, name->size_bytes);
}

static void
tree_walk(const struct tree *tree, const struct cli_child *child,
          unsigned depth)
{
    struct cli_out *out = tree->out;
    struct cli_children children;
    struct cli_child next;
    unsigned indent = depth < TREE_INDENT_MAX ? depth : TREE_INDENT_MAX;
    bool more;

    cli_out_fill(out, ' ', (size_t)indent * 2);
    if (child->step.parent != NULL || child->step.attribute) {
        tree_key(out, &child->step);
        tree_slot(tree, &child->step);
        cli_out_string(out, ": ");
    }
    more = tree_line(tree, child);
    cli_children_init(&children, child->value);
    if (more && depth + 1 >= CLI_DEPTH_MAX &&
        cli_children_next(&children, &next)) {
        cli_out_string(out, " ... too deep to show\n");
        return;
    }
    cli_out_char(out, '\n');
    while (more && cli_children_next(&children, &next))
        tree_walk(tree, &next, depth + 1);
}

void
cli_tree(struct cli_out *out, struct cli_walk *walk, bool whole)
{
    const struct tree tree = {.out = out, .walk = walk, .whole = whole};
    const struct ckpt_attr *attr;
    struct cli_child child = {.value = walk->graph->root};

    if (child.value != NULL)
        tree_walk(&tree, &child, 0);
    for (attr = walk->graph->attrs; attr != NULL; attr = attr->next) {
        child.step.attribute = true;
        child.step.part = attr->name;
        child.value = attr->value;
        tree_walk(&tree, &child, 0);
    }
}

/* Where it is, and whose slots it has. */
static void
tree_optimizer(const struct tree *tree, const struct ckpt_optimizer *optimizer)
{
    struct cli_out *out = tree->out, path;

    cli_out_init(&path, -1);
    cli_walk_first_path(tree->walk, &path, optimizer->map);
    cli_escape(out, path.data, path.size_bytes);
    cli_out_string(out, path.size_bytes > 0 ? ": " : "");
    cli_out_value(out, optimizer->map, tree->whole);
    cli_out_clear(&path);
    if (optimizer->weights != NULL) {
        cli_out_string(out, " for ");
        cli_walk_first_path(tree->walk, &path, optimizer->weights);
        cli_escape(out, path.data, path.size_bytes);
    } else if (optimizer->why != NULL) {
        cli_out_string(out, ", without names: ");
        cli_out_string(out, optimizer->why);
    }
    cli_out_char(out, '\n');
    cli_out_fini(&path);
}

void
cli_tree_optimizers(struct cli_out *out, struct cli_walk *walk,
                    const struct cli_optimizers *optimizers, bool whole)
{
    const struct tree tree = {
        .out = out, .walk = walk, .optimizers = optimizers, .whole = whole};
    struct cli_children children;
    struct cli_child child;
    size_t i;

    for (i = 0; i < optimizers->count; i++) {
        tree_optimizer(&tree, &optimizers->items[i]);
        cli_children_init(&children, optimizers->items[i].map);
        while (cli_children_next(&children, &child))
            tree_walk(&tree, &child, 1);
    }
}
