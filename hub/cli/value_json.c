/* SPDX-License-Identifier: MIT
 *
 * Values as JSON: the flat list of `ls --json`, and nested for attributes.
 * Recursion ends at CLI_DEPTH_MAX, and no container is entered twice.
 */
#include "value_json.h"

#include <string.h>

static void
json_wide(struct cli_json *json, const struct ckpt_text *wide)
{
    struct cli_out *out = json->out;

    cli_json_item(json);
    if (cli_out_wide(out, wide))
        return;
    cli_out_string(out, "\"an integer of ");
    cli_out_u64(out, wide->size_bytes);
    cli_out_string(out, " bytes\"");
}

static void
json_size(struct cli_json *json, const struct ckpt_value *value)
{
    size_t i;

    cli_json_open(json, '[');
    for (i = 0; i < value->as.list.count; i++)
        if (value->as.list.items[i]->kind == CKPT_KIND_INT)
            cli_json_scalar(json, value->as.list.items[i]);
    cli_json_close(json, ']');
}

void
cli_json_scalar(struct cli_json *json, const struct ckpt_value *value)
{
    const struct ckpt_text *text = &value->as.text;

    switch (value->kind) {
    case CKPT_KIND_BOOL:
        cli_json_bool(json, value->as.truth);
        break;
    case CKPT_KIND_INT:
        if (value->wide)
            json_wide(json, text);
        else
            cli_json_i64(json, value->as.integer);
        break;
    case CKPT_KIND_FLOAT:
        cli_json_double(json, value->as.real);
        break;
    case CKPT_KIND_COMPLEX:
        cli_json_open(json, '[');
        cli_json_double(json, value->as.parts.re);
        cli_json_double(json, value->as.parts.im);
        cli_json_close(json, ']');
        break;
    case CKPT_KIND_STRING:
    case CKPT_KIND_DEVICE:
        cli_json_text(json, text->data, text->size_bytes);
        break;
    case CKPT_KIND_BYTES:
        cli_json_base64(json, text->data, text->size_bytes);
        break;
    case CKPT_KIND_DTYPE:
        cli_json_string(json, ckpt_dtype_name(value->as.dtype));
        break;
    case CKPT_KIND_SIZE:
        json_size(json, value);
        break;
    default:
        cli_json_string(json, NULL);
    }
}

void
cli_json_object_name(struct cli_json *json, const struct ckpt_object *object)
{
    struct cli_out name;

    cli_out_init(&name, -1);
    cli_object_name(&name, object);
    cli_json_string(json, cli_out_text(&name));
    cli_out_fini(&name);
}

static void
json_path(struct cli_json *json, const struct cli_walk *walk,
          const struct cli_step *step)
{
    struct cli_out path;

    cli_out_init(&path, -1);
    cli_walk_path(walk, &path, step);
    cli_json_text(json, path.data, path.size_bytes);
    cli_out_fini(&path);
}

static void
json_bare_tensor(struct cli_json *json, const struct ckpt_tensor *tensor)
{
    cli_json_open(json, '{');
    cli_json_key(json, "dtype");
    cli_json_string(json, ckpt_dtype_name(tensor->dtype));
    cli_json_key(json, "shape");
    cli_json_item(json);
    cli_out_shape(json->out, tensor->shape, tensor->rank);
    cli_json_key(json, "storage");
    cli_json_u64(json, tensor->storage->id);
    cli_json_close(json, '}');
}

/* ---- Flat ---- */

static void
values_class(struct cli_json *json, const struct ckpt_value *value)
{
    static const char *const made[] = {"named", "called", "new", "persistent"};

    if (value->kind == CKPT_KIND_OBJECT) {
        cli_json_key(json, "made");
        cli_json_string(json, value->as.object->made < 4
                                  ? made[value->as.object->made]
                                  : NULL);
        return;
    }
    cli_json_key(json, "count");
    cli_json_u64(json, cli_container_count(value));
    if (value->type_name != NULL) {
        cli_json_key(json, "class");
        cli_json_string(json, value->type_name);
    }
}

static void
values_line(struct cli_json *json, const struct cli_walk *walk,
            const struct ckpt_value *value, const struct cli_step *step,
            const char *type)
{
    cli_json_break(json);
    cli_json_open(json, '{');
    cli_json_key(json, "name");
    json_path(json, walk, step);
    cli_json_key(json, "type");
    cli_json_string(json, type);
    cli_json_key(json, "value");
    if (strcmp(type, "same") == 0)
        json_path(json, walk, &walk->places[value->id].step);
    else if (strcmp(type, "too deep") == 0)
        cli_json_string(json, NULL);
    else if (value->kind == CKPT_KIND_OBJECT)
        cli_json_object_name(json, value->as.object);
    else if (value->kind == CKPT_KIND_TENSOR)
        json_bare_tensor(json, value->as.tensor);
    else
        cli_json_scalar(json, value);
    if (strcmp(type, "same") != 0 && cli_is_container(value))
        values_class(json, value);
    cli_json_close(json, '}');
}

static void
values_walk(struct cli_json *json, struct cli_walk *walk,
            const struct ckpt_value *value, const struct cli_step *step,
            unsigned depth)
{
    struct cli_children children;
    struct cli_child child;
    bool named =
        value->kind == CKPT_KIND_TENSOR && walk->places[value->id].entry != 0;

    if (depth >= CLI_DEPTH_MAX) {
        values_line(json, walk, value, step, "too deep");
        return;
    }
    if (cli_walk_enter(walk, value, step)) {
        if (!named)
            values_line(json, walk, value, step, cli_kind_name(value->kind));
    } else if (named) {
        return;
    } else if (cli_is_container(value) || value->kind == CKPT_KIND_TENSOR ||
               value->attrs != NULL) {
        values_line(json, walk, value, step, "same");
        return;
    } else {
        values_line(json, walk, value, step, cli_kind_name(value->kind));
    }
    cli_children_init(&children, value);
    while (cli_children_next(&children, &child))
        values_walk(json, walk, child.value, &child.step, depth + 1);
}

void
cli_json_values(struct cli_json *json, struct cli_walk *walk)
{
    struct cli_step root = {.parent = NULL};

    cli_json_open(json, '[');
    if (walk->graph->root != NULL)
        values_walk(json, walk, walk->graph->root, &root, 0);
    cli_json_break(json);
    cli_json_close(json, ']');
}

/* ---- Nested ---- */

static void json_nested(struct cli_json *json, struct cli_walk *walk,
                        const struct ckpt_value *value,
                        const struct cli_step *step, unsigned depth);

static bool
nested_keys_are_strings(const struct ckpt_value *map)
{
    size_t i;

    for (i = 0; i < map->as.map.count; i++)
        if (map->as.map.pairs[i].key->kind != CKPT_KIND_STRING)
            return false;
    return true;
}

/* An array, or an object if the children have names. */
static void
nested_container(struct cli_json *json, struct cli_walk *walk,
                 const struct ckpt_value *value, unsigned depth)
{
    bool map = value->kind == CKPT_KIND_MAP;
    bool keyed = map && nested_keys_are_strings(value);
    bool object = value->kind == CKPT_KIND_OBJECT;
    struct cli_children children;
    struct cli_child child;

    cli_json_open(json, keyed || object ? '{' : '[');
    if (object) {
        cli_json_key(json, "object");
        cli_json_object_name(json, value->as.object);
    }
    cli_children_init(&children, value);
    children.attr = NULL;
    while (cli_children_next(&children, &child)) {
        if (object) {
            cli_json_key(json, child.step.part);
        } else if (keyed) {
            cli_json_name(json, child.step.key->as.text.data,
                          child.step.key->as.text.size_bytes);
        } else if (map) {
            cli_json_open(json, '[');
            json_nested(json, walk, child.step.key, &child.step, depth + 1);
        }
        json_nested(json, walk, child.value, &child.step, depth + 1);
        if (map && !keyed)
            cli_json_close(json, ']');
    }
    cli_json_close(json, keyed || object ? '}' : ']');
}

static void
json_nested(struct cli_json *json, struct cli_walk *walk,
            const struct ckpt_value *value, const struct cli_step *step,
            unsigned depth)
{
    if (value->kind == CKPT_KIND_TENSOR) {
        json_bare_tensor(json, value->as.tensor);
    } else if (!cli_is_container(value)) {
        cli_json_scalar(json, value);
    } else if (depth >= CLI_DEPTH_MAX) {
        cli_json_string(json, "too deep");
    } else if (cli_walk_enter(walk, value, step)) {
        nested_container(json, walk, value, depth);
    } else {
        cli_json_open(json, '{');
        cli_json_key(json, "same");
        json_path(json, walk, &walk->places[value->id].step);
        cli_json_close(json, '}');
    }
}

void
cli_json_attributes(struct cli_json *json, struct cli_walk *walk)
{
    struct cli_step step = {.attribute = true};
    const struct ckpt_attr *attr;

    cli_json_open(json, '{');
    for (attr = walk->graph->attrs; attr != NULL; attr = attr->next) {
        step.part = attr->name;
        cli_json_key(json, attr->name);
        json_nested(json, walk, attr->value, &step, 0);
    }
    cli_json_close(json, '}');
}
