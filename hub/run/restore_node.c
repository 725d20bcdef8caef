/* SPDX-License-Identifier: MIT
 *
 * The nodes of a side record: values by their kinds. Tensors are left to
 * restore_tensors.c.
 */
#include <string.h>

#include "hub/run/restore_private.h"

#define ID_MAX ((uint64_t)1 << 26)

/* A node on its way: which of its keys have come. */
struct node {
    uint64_t id;
    const char *type_name;
    struct ckpt_value *value;
    struct restore_tensor *tensor;
    struct ckpt_object object; /* until the value is made */
    bool is_object;
};

static int
node_register(struct restore *restore, const struct node *node)
{
    struct hub_budget *budget = restore->graph->arena.budget;
    struct ckpt_value **grown;
    size_t count;

    if (node->id == 0)
        return CKPT_OK;
    if (node->id > ID_MAX)
        return restore_refuse(restore, "an id is too large");
    if (node->id >= restore->id_count) {
        count = (size_t)node->id * 2;
        grown = hub_reallocate(budget, restore->ids, count * sizeof *grown);
        if (grown == NULL)
            return restore->report->status;
        restore->ids = grown;
        restore->id_count = count;
    }
    restore->ids[node->id] = node->value;
    return CKPT_OK;
}

static int
node_make(struct restore *restore, struct node *node, uint32_t kind)
{
    struct ckpt_value like = {.kind = kind, .type_name = node->type_name};
    int status;

    if (node->value != NULL)
        return restore_refuse(restore, "a node is of two kinds");
    if (kind == CKPT_KIND_OBJECT)
        like.as.object = &node->object;
    status = hub_value_new(restore->graph, &like, &node->value);
    return status == CKPT_OK ? node_register(restore, node) : status;
}

/* The items of a list, or keys and values of a map by turns. */
static int
node_items(struct restore *restore, struct node *node, uint32_t kind)
{
    struct ckpt_value *item, *key = NULL;
    int status = node_make(restore, node, kind);

    if (status == CKPT_OK)
        status = restore_expect(restore, SDK_JSON_ARRAY_BEGIN);
    while (status == CKPT_OK &&
           sdk_json_next(&restore->json) != SDK_JSON_ARRAY_END) {
        status = restore_node(restore, &item);
        if (status != CKPT_OK)
            return status;
        if (kind != CKPT_KIND_MAP) {
            status = hub_list_add(restore->graph, node->value, item);
        } else if (key == NULL) {
            key = item;
        } else {
            status = hub_map_set(restore->graph, node->value, key, item);
            key = NULL;
        }
    }
    if (status == CKPT_OK && key != NULL)
        return restore_refuse(restore, "a key without a value");
    return status;
}

static int
node_double(struct restore *restore, double *number)
{
    const struct sdk_json *json = &restore->json;
    uint64_t bits = 0;
    size_t i;

    if (json->event == SDK_JSON_NUMBER)
        return sdk_json_double(json, number)
                   ? CKPT_OK
                   : restore_refuse(restore, "a float is out of range");
    *number = __builtin_inf();
    if (sdk_json_is(json, "inf"))
        return CKPT_OK;
    *number = -*number;
    if (sdk_json_is(json, "-inf"))
        return CKPT_OK;
    if (json->event != SDK_JSON_STRING || json->text_bytes != 20 ||
        memcmp(json->text, "nan:", 4) != 0)
        return restore_refuse(restore, "a float is malformed");
    for (i = 4; i < 20; i++) {
        if (strchr("0123456789abcdef", json->text[i]) == NULL)
            return restore_refuse(restore, "a float is malformed");
        bits = bits << 4 |
               (uint64_t)(json->text[i] <= '9' ? json->text[i] - '0'
                                               : json->text[i] - 'a' + 10);
    }
    memcpy(number, &bits, sizeof bits);
    return CKPT_OK;
}

static int
node_hex(struct restore *restore, struct ckpt_text *bytes)
{
    static const char digits[] = "0123456789abcdef";
    const struct sdk_json *json = &restore->json;
    const char *high, *low;
    char *data;
    size_t i;

    if (json->event != SDK_JSON_STRING || json->text_bytes % 2 != 0)
        return restore_refuse(restore, "bytes are malformed");
    data = hub_arena_allocate(&restore->graph->arena, json->text_bytes / 2 + 1);
    if (data == NULL)
        return restore->report->status;
    for (i = 0; i < json->text_bytes; i += 2) {
        high = memchr(digits, json->text[i], 16);
        low = memchr(digits, json->text[i + 1], 16);
        if (high == NULL || low == NULL)
            return restore_refuse(restore, "bytes are malformed");
        data[i / 2] = (char)((high - digits) << 4 | (low - digits));
    }
    bytes->data = data;
    bytes->size_bytes = json->text_bytes / 2;
    return CKPT_OK;
}

static int
node_complex(struct restore *restore, struct ckpt_value *like)
{
    int status;

    if (restore->json.event != SDK_JSON_ARRAY_BEGIN)
        return restore_refuse(restore, "a complex number is malformed");
    sdk_json_next(&restore->json);
    status = node_double(restore, &like->as.parts.re);
    sdk_json_next(&restore->json);
    if (status == CKPT_OK)
        status = node_double(restore, &like->as.parts.im);
    if (status == CKPT_OK)
        status = restore_expect(restore, SDK_JSON_ARRAY_END);
    return status;
}

static int
node_dtype(struct restore *restore, uint32_t *dtype)
{
    struct ckpt_text text;
    int status;

    if (restore->json.event != SDK_JSON_STRING)
        return restore_refuse(restore, "a dtype is malformed");
    status = restore_text(restore, &text);
    if (status != CKPT_OK)
        return status;
    *dtype = ckpt_dtype_from_name(text.data);
    return *dtype != CKPT_DTYPE_NONE
               ? CKPT_OK
               : restore_refuse(restore, "a dtype is not known");
}

static int
node_device(struct restore *restore, struct ckpt_text *device)
{
    if (restore->json.event != SDK_JSON_STRING)
        return restore_refuse(restore, "a device is malformed");
    return restore_text(restore, device);
}

/* A scalar in braces; the event is that of its content. */
static int
node_scalar(struct restore *restore, struct node *node, uint32_t kind)
{
    struct ckpt_value like = {.kind = kind};
    int status;

    if (node->value != NULL)
        return restore_refuse(restore, "a node is of two kinds");
    sdk_json_next(&restore->json);
    if (kind == CKPT_KIND_FLOAT)
        status = node_double(restore, &like.as.real);
    else if (kind == CKPT_KIND_COMPLEX)
        status = node_complex(restore, &like);
    else if (kind == CKPT_KIND_DTYPE)
        status = node_dtype(restore, &like.as.dtype);
    else if (kind == CKPT_KIND_DEVICE)
        status = node_device(restore, &like.as.text);
    else
        status = node_hex(restore, &like.as.text);
    like.wide = kind == CKPT_KIND_INT;
    if (status != CKPT_OK)
        return status;
    return hub_value_new(restore->graph, &like, &node->value);
}

static int
node_ref(struct restore *restore, struct node *node)
{
    uint64_t id;

    if (sdk_json_next(&restore->json) != SDK_JSON_NUMBER ||
        !sdk_json_u64(&restore->json, &id) || id >= restore->id_count ||
        restore->ids[id] == NULL || node->value != NULL)
        return restore_refuse(restore, "a reference leads nowhere");
    node->value = restore->ids[id];
    return CKPT_OK;
}

/* A text of the flat map, as the file has it. */
static int
node_text(struct restore *restore, struct node *node)
{
    const struct ckpt_value *root = restore->flat->root;
    const uint64_t *found;
    struct ckpt_text name;
    int status = restore_expect(restore, SDK_JSON_STRING);

    if (status == CKPT_OK && node->value != NULL)
        return restore_refuse(restore, "a node is of two kinds");
    if (status == CKPT_OK)
        status = restore_text(restore, &name);
    if (status != CKPT_OK)
        return status;
    found = hub_table_find(&restore->texts, name.data, name.size_bytes);
    if (found == NULL)
        return restore_refuse(restore, "it names a text that is not there");
    node->value =
        (struct ckpt_value *)(uintptr_t)root->as.map.pairs[*found].value;
    return CKPT_OK;
}

static int
node_object_name(struct restore *restore, struct node *node)
{
    int status = restore_expect(restore, SDK_JSON_ARRAY_BEGIN);

    if (status == CKPT_OK)
        status = restore_expect(restore, SDK_JSON_STRING);
    if (status == CKPT_OK)
        status = restore_name(restore, &node->object.module);
    if (status == CKPT_OK)
        status = restore_expect(restore, SDK_JSON_STRING);
    if (status == CKPT_OK)
        status = restore_name(restore, &node->object.name);
    if (status == CKPT_OK)
        status = restore_expect(restore, SDK_JSON_ARRAY_END);
    node->is_object = true;
    return status;
}

/* Makes the object as soon as it may be named by what is in it. */
static int
node_object_make(struct restore *restore, struct node *node)
{
    if (!node->is_object || node->value != NULL)
        return CKPT_OK;
    return node_make(restore, node, CKPT_KIND_OBJECT);
}

static int
node_object_part(struct restore *restore, struct node *node, uint32_t part)
{
    struct ckpt_value *value;
    int status = node_object_make(restore, node);

    if (status != CKPT_OK)
        return status;
    if (node->value == NULL)
        return restore_refuse(restore, "a part of no object");
    sdk_json_next(&restore->json);
    status = restore_node(restore, &value);
    if (status != CKPT_OK)
        return status;
    return hub_object_set(restore->graph, node->value, part, value);
}

static int
node_object_callee(struct restore *restore, struct node *node)
{
    struct ckpt_value *value;
    int status;

    if (node->value != NULL)
        return restore_refuse(restore, "a callee comes too late");
    sdk_json_next(&restore->json);
    status = restore_node(restore, &value);
    node->object.callee = status == CKPT_OK ? value : NULL;
    return status;
}

/* Arguments may hold the object itself: getattr(x, 'f'), where x keeps what
 * that gave. */
static int
node_object_arguments(struct restore *restore, struct node *node, bool named)
{
    struct ckpt_value *value;
    int status = node_object_make(restore, node);

    if (status == CKPT_OK && node->value == NULL)
        return restore_refuse(restore, "arguments of no object");
    sdk_json_next(&restore->json);
    if (status == CKPT_OK)
        status = restore_node(restore, &value);
    if (status == CKPT_OK)
        status =
            hub_object_arguments(restore->graph, node->value, value, named);
    return status;
}

static int
node_object_key(struct restore *restore, struct node *node, bool *taken)
{
    struct sdk_json *json = &restore->json;
    uint64_t made;

    if (sdk_json_is(json, "object"))
        return node_object_name(restore, node);
    if (sdk_json_is(json, "made")) {
        if (sdk_json_next(json) != SDK_JSON_NUMBER ||
            !sdk_json_u64(json, &made) || made > CKPT_MADE_PERSISTENT ||
            node->value != NULL)
            return restore_refuse(restore, "an object is malformed");
        node->object.made = (uint32_t)made;
        node->is_object = true;
        return CKPT_OK;
    }
    if (sdk_json_is(json, "callee"))
        return node_object_callee(restore, node);
    if (sdk_json_is(json, "args"))
        return node_object_arguments(restore, node, false);
    if (sdk_json_is(json, "kwargs"))
        return node_object_arguments(restore, node, true);
    if (sdk_json_is(json, "state"))
        return node_object_part(restore, node, CKPT_PART_STATE);
    if (sdk_json_is(json, "items"))
        return node_object_part(restore, node, CKPT_PART_ITEMS);
    if (sdk_json_is(json, "pairs"))
        return node_object_part(restore, node, CKPT_PART_PAIRS);
    *taken = false;
    return CKPT_OK;
}

int
restore_attrs(struct restore *restore, struct ckpt_value *owner)
{
    struct ckpt_value *value;
    const char *name;
    int status = restore_expect(restore, SDK_JSON_ARRAY_BEGIN);

    while (status == CKPT_OK &&
           sdk_json_next(&restore->json) == SDK_JSON_STRING) {
        status = restore_name(restore, &name);
        sdk_json_next(&restore->json);
        if (status == CKPT_OK)
            status = restore_node(restore, &value);
        if (status == CKPT_OK)
            status = hub_attr_set(restore->graph, owner, name, value);
    }
    if (status == CKPT_OK && restore->json.event != SDK_JSON_ARRAY_END)
        return restore_refuse(restore, "attributes are malformed");
    return status;
}

static int
node_attrs(struct restore *restore, struct node *node)
{
    int status = node_object_make(restore, node);

    if (status != CKPT_OK)
        return status;
    if (node->value == NULL)
        return restore_refuse(restore, "attributes of nothing");
    return restore_attrs(restore, node->value);
}

static int
node_head(struct restore *restore, struct node *node)
{
    struct sdk_json *json = &restore->json;
    int status;

    if (node->value != NULL)
        return restore_refuse(restore, "an id or a class comes too late");
    if (sdk_json_is(json, "id")) {
        if (sdk_json_next(json) != SDK_JSON_NUMBER ||
            !sdk_json_u64(json, &node->id))
            return restore_refuse(restore, "an id is malformed");
        return CKPT_OK;
    }
    status = restore_expect(restore, SDK_JSON_STRING);
    return status == CKPT_OK ? restore_name(restore, &node->type_name) : status;
}

static int
node_tensor(struct restore *restore, struct node *node, bool absent)
{
    int status = restore_expect(restore, SDK_JSON_STRING);

    if (status == CKPT_OK && node->value != NULL)
        return restore_refuse(restore, "a node is of two kinds");
    if (status == CKPT_OK)
        status = (absent ? restore_absent_begin : restore_tensor_begin)(
            restore, node->type_name, &node->tensor, &node->value);
    return status == CKPT_OK ? node_register(restore, node) : status;
}

static int
node_key(struct restore *restore, struct node *node)
{
    static const struct {
        const char *key;
        uint32_t kind;
        int (*read)(struct restore *, struct node *, uint32_t);
    } kinds[] = {
        {"float", CKPT_KIND_FLOAT, node_scalar},
        {"complex", CKPT_KIND_COMPLEX, node_scalar},
        {"int", CKPT_KIND_INT, node_scalar},
        {"bytes", CKPT_KIND_BYTES, node_scalar},
        {"dtype", CKPT_KIND_DTYPE, node_scalar},
        {"device", CKPT_KIND_DEVICE, node_scalar},
        {"size", CKPT_KIND_SIZE, node_items},
        {"list", CKPT_KIND_LIST, node_items},
        {"tuple", CKPT_KIND_TUPLE, node_items},
        {"map", CKPT_KIND_MAP, node_items},
    };
    struct sdk_json *json = &restore->json;
    bool taken = true;
    size_t i;
    int status;

    if (node->tensor != NULL) {
        status = restore_tensor_key(restore, node->tensor, &taken);
        if (status != CKPT_OK || taken)
            return status;
    }
    if (sdk_json_is(json, "tensor"))
        return node_tensor(restore, node, false);
    if (sdk_json_is(json, "absent"))
        return node_tensor(restore, node, true);
    if (sdk_json_is(json, "id") || sdk_json_is(json, "class"))
        return node_head(restore, node);
    if (sdk_json_is(json, "ref"))
        return node_ref(restore, node);
    if (sdk_json_is(json, "text"))
        return node_text(restore, node);
    if (sdk_json_is(json, "attrs"))
        return node_attrs(restore, node);
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (sdk_json_is(json, kinds[i].key))
            return kinds[i].read(restore, node, kinds[i].kind);
    taken = true;
    status = node_object_key(restore, node, &taken);
    if (status == CKPT_OK && !taken)
        return restore_refuse(restore, "a node has a key that is not known");
    return status;
}

static int
node_braced(struct restore *restore, struct ckpt_value **value)
{
    struct node node = {0};
    int status = CKPT_OK;

    while (status == CKPT_OK && sdk_json_next(&restore->json) == SDK_JSON_KEY)
        status = node_key(restore, &node);
    if (status == CKPT_OK && restore->json.event != SDK_JSON_OBJECT_END)
        return restore_refuse(restore, "a node is malformed");
    if (status == CKPT_OK)
        status = node_object_make(restore, &node);
    if (status == CKPT_OK && node.value == NULL)
        return restore_refuse(restore, "a node is of no kind");
    if (status == CKPT_OK)
        *value = node.value;
    return status;
}

int
restore_node(struct restore *restore, struct ckpt_value **value)
{
    struct sdk_json *json = &restore->json;
    struct ckpt_value like = {0};
    int status = CKPT_OK;

    switch (json->event) {
    case SDK_JSON_OBJECT_BEGIN:
        return node_braced(restore, value);
    case SDK_JSON_NULL:
        break;
    case SDK_JSON_TRUE:
    case SDK_JSON_FALSE:
        like.kind = CKPT_KIND_BOOL;
        like.as.truth = json->event == SDK_JSON_TRUE;
        break;
    case SDK_JSON_NUMBER:
        like.kind = CKPT_KIND_INT;
        if (!sdk_json_i64(json, &like.as.integer))
            return restore_refuse(restore, "an integer is out of range");
        break;
    case SDK_JSON_STRING:
        like.kind = CKPT_KIND_STRING;
        status = restore_text(restore, &like.as.text);
        break;
    default:
        return restore_refuse(restore, "it is not of the known form");
    }
    return status == CKPT_OK ? hub_value_new(restore->graph, &like, value)
                             : status;
}
