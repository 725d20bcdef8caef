/* SPDX-License-Identifier: MIT
 *
 * Writing the side record: the tree as JSON, with tensors by their names in
 * the target. It is read again by restore.c; both keep to this grammar:
 *
 *     record = {"version": 1, "root": node, "storages": [{"device": text}],
 *               "ties": [name], "copies": [name],
 *               "attributes": [name, node, ...]}
 *     node   = null | true | false | integer | text      (as they are)
 *            | {"float": number or "nan:BITS" "inf" "-inf"}
 *            | {"complex": [float, float]} | {"int": hex} | {"bytes": hex}
 *            | {"dtype": name} | {"device": label} | {"ref": id}
 *            | {"text": name}: the string, or list of strings, that the target
 *              holds under that name
 *            | {("list"|"tuple"|"size"): [node, ...], shared}
 *            | {"map": [key node, node, ...], shared}
 *            | {"object": [module, name], "made": n, "callee" "args" "kwargs"
 *               "state" "items" "pairs": node, shared}
 *            | {"tensor": name, "storage": index, "strides": [n, ...],
 *               "offset": n, "dtype": name, "shape": [n, ...],
 *               "device": label, "grad": true, "role": n, shared}
 *            | {"absent": dtype, "shape": [n, ...], "strides": [n, ...],
 *               "offset": n, "device": label, "grad": true, "role": n, shared}
 *     shared = "id": n, "class": name (both first),
 *              "attrs": [name, node, ...] (last)
 *
 * Keys that would say the usual are left out. "root" is missing where the
 * target holds the tree itself. A value that is met again is a "ref" to the
 * "id" of where it stood first. Strides and offsets count elements.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "hub/graph/walk.h"
#include "hub/run/fit.h"
#include "json.h"

struct record {
    struct hub_fit *fit;
    const struct ckpt_host *host;
    struct sdk_buffer *out;
    unsigned char *met; /* of each value id: 0, 1, or 2 for more than once */
    uint64_t *ids;      /* of each value id: its "id" once written */
    uint64_t id_count;
    bool comma; /* one is due before the next key or item */
};

static int record_node(struct record *record, const struct ckpt_value *value);

static void
record_raw(struct record *record, const char *text)
{
    sdk_json_write_raw(record->host, record->out, text);
}

static void
record_comma(struct record *record)
{
    if (record->comma)
        record_raw(record, ",");
    record->comma = true;
}

static void
record_open(struct record *record, const char *bracket)
{
    record_raw(record, bracket);
    record->comma = false;
}

static void
record_close(struct record *record, const char *bracket)
{
    record_raw(record, bracket);
    record->comma = true;
}

static int
record_text(struct record *record, const char *text, size_t size_bytes)
{
    return sdk_json_write_string(record->host, record->out, text, size_bytes);
}

/* A key of a fixed spelling and the colon. */
static void
record_key(struct record *record, const char *key)
{
    record_comma(record);
    record_text(record, key, strlen(key));
    record_raw(record, ":");
}

static void
record_number(struct record *record, const char *key, uint64_t number)
{
    record_key(record, key);
    sdk_json_write_u64(record->host, record->out, number);
}

static int
record_named(struct record *record, const char *key, const char *text)
{
    record_key(record, key);
    return record_text(record, text, strlen(text));
}

static void
record_numbers(struct record *record, const char *key, const uint64_t *list,
               uint32_t count)
{
    uint32_t i;

    record_key(record, key);
    record_open(record, "[");
    for (i = 0; i < count; i++) {
        record_comma(record);
        sdk_json_write_u64(record->host, record->out, list[i]);
    }
    record_close(record, "]");
}

static void
record_hex(struct record *record, const char *key,
           const struct ckpt_text *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char pair[3] = "";
    size_t i;

    record_key(record, key);
    record_raw(record, "\"");
    for (i = 0; i < bytes->size_bytes; i++) {
        pair[0] = digits[(unsigned char)bytes->data[i] >> 4];
        pair[1] = digits[(unsigned char)bytes->data[i] & 15];
        record_raw(record, pair);
    }
    record_raw(record, "\"");
}

static void
record_double(struct record *record, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    if (isnan(number))
        sdk_buffer_printf(record->host, record->out, "\"nan:%016" PRIx64 "\"",
                          bits);
    else if (isinf(number))
        record_raw(record, number > 0 ? "\"inf\"" : "\"-inf\"");
    else
        sdk_json_write_double(record->host, record->out, number);
}

static int
record_attrs(struct record *record, const char *key,
             const struct ckpt_attr *attr, bool all)
{
    int status = CKPT_OK;

    if (attr == NULL)
        return CKPT_OK;
    record_key(record, key);
    record_open(record, "[");
    for (; attr != NULL && status == CKPT_OK; attr = attr->next) {
        if (!all && hub_fit_keeps(record->fit, attr))
            continue;
        record_comma(record);
        status = record_text(record, attr->name, strlen(attr->name));
        record_comma(record);
        if (status == CKPT_OK)
            status = record_node(record, attr->value);
    }
    record_close(record, "]");
    return status;
}

/* The keys that come first in every node with an identity. */
static int
record_shared(struct record *record, const struct ckpt_value *value)
{
    if (record->met[value->id] > 1) {
        record->ids[value->id] = ++record->id_count;
        record_number(record, "id", record->id_count);
    }
    if (value->type_name != NULL)
        return record_named(record, "class", value->type_name);
    return CKPT_OK;
}

static int
record_list(struct record *record, const struct ckpt_value *value,
            const char *key)
{
    size_t i;
    int status = record_shared(record, value);

    record_key(record, key);
    record_open(record, "[");
    for (i = 0; i < value->as.list.count && status == CKPT_OK; i++) {
        record_comma(record);
        status = record_node(record, value->as.list.items[i]);
    }
    record_close(record, "]");
    return status;
}

static int
record_map(struct record *record, const struct ckpt_value *value)
{
    size_t i;
    int status = record_shared(record, value);

    record_key(record, "map");
    record_open(record, "[");
    for (i = 0; i < value->as.map.count && status == CKPT_OK; i++) {
        record_comma(record);
        status = record_node(record, value->as.map.pairs[i].key);
        record_comma(record);
        if (status == CKPT_OK)
            status = record_node(record, value->as.map.pairs[i].value);
    }
    record_close(record, "]");
    return status;
}

static int
record_object(struct record *record, const struct ckpt_value *value)
{
    const struct ckpt_object *object = value->as.object;
    struct hub_children children;
    struct hub_child child;
    int status = record_shared(record, value);

    if (status == CKPT_OK && object->name != NULL) {
        record_key(record, "object");
        record_open(record, "[");
        status = record_text(record, object->module, strlen(object->module));
        record_raw(record, ",");
        record_text(record, object->name, strlen(object->name));
        record_close(record, "]");
    }
    record_number(record, "made", object->made);
    hub_children_init(&children, value);
    while (status == CKPT_OK && hub_children_next(&children, &child) &&
           !children.in_attrs) {
        record_key(record, child.label);
        status = record_node(record, child.value);
    }
    return status;
}

/* Where a tensor lies in a storage that is laid out again. */
static void
record_view(struct record *record, const struct ckpt_tensor *tensor, size_t set)
{
    uint32_t width = ckpt_dtype_width_bits(tensor->dtype);
    uint64_t begin = record->fit->sets[set].begin;

    record_number(record, "storage", set);
    record_numbers(record, "strides", tensor->strides, tensor->rank);
    if (tensor->element_count > 0 && tensor->offset * width / 8 > begin)
        record_number(record, "offset", tensor->offset - begin * 8 / width);
}

static void
record_absent(struct record *record, const struct ckpt_tensor *tensor)
{
    record_named(record, "absent", ckpt_dtype_name(tensor->dtype));
    record_numbers(record, "shape", tensor->shape, tensor->rank);
    record_numbers(record, "strides", tensor->strides, tensor->rank);
    if (tensor->offset > 0)
        record_number(record, "offset", tensor->offset);
}

static int
record_tensor(struct record *record, const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    const struct hub_fit *fit = record->fit;
    const struct hub_fit_entry *entry = &fit->entries[fit->first[tensor->id]];
    const struct hub_fit_entry *kept = &fit->entries[entry->kept];
    size_t set = fit->storage_set[tensor->storage->id];
    int status = record_shared(record, value);

    if (tensor->type_name != NULL)
        record_named(record, "class", tensor->type_name);
    if (entry->absent) {
        record_absent(record, tensor);
    } else {
        record_key(record, "tensor");
        if (status == CKPT_OK)
            status =
                record_text(record, kept->name.data, kept->name.size_bytes);
    }
    if (set > 0 && !fit->alone[tensor->id])
        record_view(record, tensor, set - 1);
    else if (strcmp(tensor->storage->device, "cpu") != 0)
        record_named(record, "device", tensor->storage->device);
    if (!entry->absent && kept->dtype != tensor->dtype) {
        record_named(record, "dtype", ckpt_dtype_name(tensor->dtype));
        record_numbers(record, "shape", tensor->shape, tensor->rank);
    }
    if (tensor->requires_grad) {
        record_key(record, "grad");
        record_raw(record, "true");
    }
    if (tensor->role != CKPT_ROLE_UNKNOWN)
        record_number(record, "role", tensor->role);
    return status;
}

/* Nodes in braces; those that stand for themselves are not among them. */
static int
record_braced(struct record *record, const struct ckpt_value *value)
{
    switch (value->kind) {
    case CKPT_KIND_INT:
        record_hex(record, "int", &value->as.text);
        return CKPT_OK;
    case CKPT_KIND_FLOAT:
        record_key(record, "float");
        record_double(record, value->as.real);
        return CKPT_OK;
    case CKPT_KIND_COMPLEX:
        record_key(record, "complex");
        record_raw(record, "[");
        record_double(record, value->as.parts.re);
        record_raw(record, ",");
        record_double(record, value->as.parts.im);
        record_raw(record, "]");
        return CKPT_OK;
    case CKPT_KIND_BYTES:
        record_hex(record, "bytes", &value->as.text);
        return CKPT_OK;
    case CKPT_KIND_DTYPE:
        return record_named(record, "dtype", ckpt_dtype_name(value->as.dtype));
    case CKPT_KIND_DEVICE:
        record_key(record, "device");
        return record_text(record, value->as.text.data,
                           value->as.text.size_bytes);
    case CKPT_KIND_SIZE:
        return record_list(record, value, "size");
    case CKPT_KIND_LIST:
        return record_list(record, value, "list");
    case CKPT_KIND_TUPLE:
        return record_list(record, value, "tuple");
    case CKPT_KIND_MAP:
        return record_map(record, value);
    case CKPT_KIND_OBJECT:
        return record_object(record, value);
    default:
        return record_tensor(record, value);
    }
}

/* The name of a text that the target holds, or NULL. */
static const struct ckpt_text *
record_held(const struct record *record, const struct ckpt_value *value)
{
    const struct hub_fit *fit = record->fit;

    return fit->texts != NULL ? fit->texts[value->id] : NULL;
}

static int
record_node(struct record *record, const struct ckpt_value *value)
{
    const struct ckpt_text *held = record_held(record, value);
    int status;

    if (value->kind == CKPT_KIND_NONE) {
        record_raw(record, "null");
        return CKPT_OK;
    }
    if (value->kind == CKPT_KIND_BOOL) {
        record_raw(record, value->as.truth ? "true" : "false");
        return CKPT_OK;
    }
    if (value->kind == CKPT_KIND_INT && !value->wide)
        return sdk_json_write_i64(record->host, record->out, value->as.integer);
    if (value->kind == CKPT_KIND_STRING && held == NULL)
        return record_text(record, value->as.text.data,
                           value->as.text.size_bytes);
    record_open(record, "{");
    if (held != NULL) {
        record_key(record, "text");
        status = record_text(record, held->data, held->size_bytes);
    } else if (record->ids[value->id] != 0) {
        record_number(record, "ref", record->ids[value->id]);
        status = CKPT_OK;
    } else {
        status = record_braced(record, value);
        if (status == CKPT_OK)
            status = record_attrs(record, "attrs", value->attrs, true);
    }
    record_close(record, "}");
    return status != CKPT_OK ? status : record->fit->report->status;
}

/* Finds what is met more than once. The graph's depth is bounded. */
static void
record_meet(struct record *record, const struct ckpt_value *value)
{
    struct hub_children children;
    struct hub_child child;

    if (record->met[value->id] > 0) {
        record->met[value->id] = 2;
        return;
    }
    record->met[value->id] = 1;
    hub_children_init(&children, value);
    while (hub_children_next(&children, &child))
        record_meet(record, child.value);
}

static void
record_storages(struct record *record)
{
    const struct hub_fit *fit = record->fit;
    size_t i;

    record_key(record, "storages");
    record_open(record, "[");
    for (i = 0; i < fit->set_count; i++) {
        record_comma(record);
        record_open(record, "{");
        if (strcmp(fit->sets[i].storage->device, "cpu") != 0)
            record_named(record, "device", fit->sets[i].storage->device);
        record_close(record, "}");
    }
    record_close(record, "]");
}

/* Twins by their names: those told by name alone, or those written twice. */
static void
record_twins(struct record *record, const char *key, bool dropped)
{
    const struct hub_fit *fit = record->fit;
    bool any = false;
    size_t i;

    for (i = 0; i < fit->graph->entry_count; i++) {
        if (fit->entries[i].kept == i || fit->entries[i].dropped != dropped)
            continue;
        if (!any) {
            record_key(record, key);
            record_open(record, "[");
            any = true;
        }
        record_comma(record);
        record_text(record, fit->entries[i].name.data,
                    fit->entries[i].name.size_bytes);
    }
    if (any)
        record_close(record, "]");
}

static int
record_tree(struct record *record)
{
    const struct hub_fit *fit = record->fit;
    int status;

    record_meet(record, fit->graph->root);
    if (fit->set_count > 0)
        record_storages(record);
    record_twins(record, "ties", true);
    record_twins(record, "copies", false);
    record_key(record, "root");
    status = record_node(record, fit->graph->root);
    return status;
}

int
hub_record_write(struct hub_fit *fit, struct sdk_buffer *buffer)
{
    size_t values = (size_t)fit->graph->value_count;
    const struct ckpt_attr *attr;
    struct record record = {
        .fit = fit, .host = &fit->host->table, .out = buffer};
    int status = CKPT_OK;

    record.met = hub_arena_allocate(&fit->fitted.arena, values + 1);
    record.ids = hub_arena_allocate(&fit->fitted.arena,
                                    (values + 1) * sizeof *record.ids);
    if (record.met == NULL || record.ids == NULL)
        return fit->report->status;
    for (attr = fit->graph->attrs; attr != NULL; attr = attr->next)
        record_meet(&record, attr->value);
    record_open(&record, "{");
    record_number(&record, "version", HUB_RECORD_VERSION);
    if (fit->entries != NULL)
        status = record_tree(&record);
    if (status == CKPT_OK)
        status = record_attrs(&record, "attributes", fit->graph->attrs, false);
    record_close(&record, "}");
    return status != CKPT_OK ? status : fit->report->status;
}
