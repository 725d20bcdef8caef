/* SPDX-License-Identifier: MIT
 *
 * model.json of torch 1.0 to 1.3, a message of protobuf written as JSON, so
 * that 64-bit numbers are strings and members come in any order:
 *
 *     {"mainModule": MODULE, "tensors": [TENSOR, ...], ...}
 *     MODULE: {"name", "parameters": [{"name", "isBuffer", "tensorId"}],
 *              "attributes": [{"name", "type", "id"}],
 *              "submodules": [MODULE], "getStateAttributeId", ...}
 *     TENSOR: see torchscript_tensor.c
 *
 * The id of an attribute is its index in the tuple, or list, of
 * attributes.pkl, which came with torch 1.1. Attributes of type Tensor are
 * buffers.
 */
#include "torchscript_model.h"

#include <stdio.h>
#include <string.h>

/* A module of the text: where its parts are; 0 is nowhere. Modules are in
 * the order in which they begin. */
struct module {
    size_t name, parameters, attributes, submodules;
    size_t end; /* index of the first that is not within it */
    bool has_getstate;
};

/* One parameter or attribute. */
struct member {
    struct ckpt_text name, type;
    int64_t id;
    bool is_buffer;
};

/* ---- JSON ---- */

int
torchscript_json_fail(struct torchscript_model *m, struct sdk_json *json,
                      const char *reason)
{
    size_t start = (size_t)(json->data - m->text.data);

    sdk_json_refuse(json, reason);
    return m->host->fail(
        m->host, CKPT_FORMAT, NULL,
        m->origin == CKPT_NOWHERE ? CKPT_NOWHERE : m->origin + start + json->at,
        "record 'model.json': %s", json->error);
}

void
torchscript_json_at(const struct torchscript_model *m, size_t at,
                    struct sdk_json *json)
{
    sdk_json_init(json, m->text.data + at, m->text.size_bytes - at);
    sdk_json_next(json);
}

/* The text of the last event, which is to be a string; it lives as long as
 * the model. */
int
torchscript_json_text(struct torchscript_model *m, struct sdk_json *json,
                      struct ckpt_text *text)
{
    unsigned char *at;

    if (json->event != SDK_JSON_STRING)
        return torchscript_json_fail(m, json, "a value that is no string");
    text->data = json->text;
    text->size_bytes = json->text_bytes;
    if (!json->escaped)
        return CKPT_OK;
    at = m->host->allocate(m->host, json->text_bytes + 1);
    if (at == NULL)
        return CKPT_MEMORY;
    text->data = (const char *)at;
    text->size_bytes = sdk_json_unescape(json, at);
    if (sdk_buffer_append(m->host, &m->texts, &at, sizeof at) == CKPT_OK)
        return CKPT_OK;
    m->host->release(m->host, at);
    return CKPT_MEMORY;
}

/* A number, as protobuf writes it: in quotes if it has 64 bits. */
int
torchscript_json_number(struct torchscript_model *m, struct sdk_json *json,
                        int64_t *number)
{
    struct sdk_json inner;

    if (json->event == SDK_JSON_NUMBER && sdk_json_i64(json, number))
        return CKPT_OK;
    if (json->event == SDK_JSON_STRING && !json->escaped) {
        sdk_json_init(&inner, json->text, json->text_bytes);
        if (sdk_json_next(&inner) == SDK_JSON_NUMBER &&
            sdk_json_i64(&inner, number) &&
            sdk_json_next(&inner) == SDK_JSON_END)
            return CKPT_OK;
    }
    return torchscript_json_fail(m, json, "a value that is no whole number");
}

/* ---- Modules ---- */

static size_t *
place_of(struct module *module, const struct sdk_json *json)
{
    if (sdk_json_is(json, "name"))
        return &module->name;
    if (sdk_json_is(json, "parameters"))
        return &module->parameters;
    if (sdk_json_is(json, "attributes"))
        return &module->attributes;
    if (sdk_json_is(json, "submodules"))
        return &module->submodules;
    return NULL;
}

static struct module *
module_at(const struct torchscript_model *m, size_t index)
{
    return (struct module *)(void *)m->modules.data + index;
}

static int scan_module(struct torchscript_model *m, struct sdk_json *json);

/* The modules within the one that was added last. */
static int
scan_submodules(struct torchscript_model *m, struct sdk_json *json)
{
    int status = CKPT_OK;

    if (json->event != SDK_JSON_ARRAY_BEGIN)
        return torchscript_json_fail(m, json, "a list that is no array");
    while (status == CKPT_OK && sdk_json_next(json) != SDK_JSON_ARRAY_END)
        status = scan_module(m, json);
    return status;
}

/* One key of a module, and its value; the last of two counts. */
static int
scan_part(struct torchscript_model *m, struct sdk_json *json, size_t index)
{
    struct module *module = module_at(m, index);
    size_t *place = place_of(module, json);
    bool submodules = place == &module->submodules;

    if (sdk_json_is(json, "getStateAttributeId"))
        module->has_getstate = true;
    if (place == NULL) {
        sdk_json_skip(json);
        return CKPT_OK;
    }
    sdk_json_next(json);
    *place = (size_t)(json->data - m->text.data) + json->at;
    if (submodules) {
        m->modules.size_bytes = (index + 1) * sizeof *module;
        return scan_submodules(m, json);
    }
    sdk_json_skip(json);
    return CKPT_OK;
}

/* Notes the module that begins, and all within it: each part of the text is
 * passed over once, however deep it is. */
static int
scan_module(struct torchscript_model *m, struct sdk_json *json)
{
    struct module module = {0};
    size_t index = m->modules.size_bytes / sizeof module;
    int status;

    if (json->event != SDK_JSON_OBJECT_BEGIN)
        return torchscript_json_fail(m, json, "a module that is no object");
    status = torchscript_map_count(&m->map);
    if (status == CKPT_OK)
        status =
            sdk_buffer_append(m->host, &m->modules, &module, sizeof module);
    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY)
        status = scan_part(m, json, index);
    if (status != CKPT_OK)
        return status;
    module_at(m, index)->end = m->modules.size_bytes / sizeof module;
    return json->event == SDK_JSON_OBJECT_END
               ? CKPT_OK
               : torchscript_json_fail(m, json, "a module that does not end");
}

static int
parse_member(struct torchscript_model *m, struct sdk_json *json,
             struct member *member)
{
    int status = CKPT_OK;

    memset(member, 0, sizeof *member);
    if (json->event != SDK_JSON_OBJECT_BEGIN)
        return torchscript_json_fail(m, json, "an entry that is no object");
    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY) {
        bool id = sdk_json_is(json, "tensorId") || sdk_json_is(json, "id");
        bool name = sdk_json_is(json, "name");
        bool type = sdk_json_is(json, "type");
        bool buffer = sdk_json_is(json, "isBuffer");

        sdk_json_next(json);
        if (id)
            status = torchscript_json_number(m, json, &member->id);
        else if (name || type)
            status = torchscript_json_text(
                m, json, name ? &member->name : &member->type);
        else if (buffer)
            member->is_buffer = json->event == SDK_JSON_TRUE;
        else
            sdk_json_skip(json);
    }
    if (status != CKPT_OK)
        return status;
    return json->event == SDK_JSON_OBJECT_END
               ? CKPT_OK
               : torchscript_json_fail(m, json, "an entry that does not end");
}

static int
put_tensor(struct torchscript_model *m, const char *full, int64_t id,
           uint32_t role)
{
    struct ckpt_value *value;
    int status = torchscript_tensor_of(m, full, id, role, &value);

    return status == CKPT_OK ? torchscript_map_put(&m->map, full, value)
                             : status;
}

static bool
is_text(const struct ckpt_text *text, const char *other)
{
    return text->size_bytes == strlen(other) &&
           memcmp(text->data, other, text->size_bytes) == 0;
}

/* What an attribute refers to; NOTHING if it has no value. */
static uint32_t
value_of(const struct torchscript_model *m, const struct member *member)
{
    if (member->id < 0 || (uint64_t)member->id >= m->attributes.count)
        return SDK_PICKLED_NOTHING;
    return m->attributes.refs[member->id];
}

/* The number of the tensor that a value of attributes.pkl stands for. */
static bool
tensor_id(const struct torchscript_model *m, uint32_t ref, int64_t *id)
{
    const struct sdk_pickled *p = &m->pickled;
    struct sdk_pickled_call call;
    struct sdk_pickled_list args;
    uint32_t kind = sdk_pickled_kind(p, ref), number = SDK_PICKLED_NOTHING;

    if (kind != SDK_PICKLED_CALL && kind != SDK_PICKLED_NEW)
        return false;
    call = sdk_pickled_call(p, ref);
    if (sdk_pickled_kind(p, call.callee) != SDK_PICKLED_GLOBAL)
        return false;
    args = sdk_pickled_list(p, call.args);
    if (strcmp(sdk_pickled_name(p, call.callee), "build_tensor_from_id") == 0 &&
        args.count == 1)
        number = args.refs[0];
    else if (strcmp(sdk_pickled_name(p, call.callee), "TensorID") == 0)
        number = call.state;
    if (number == SDK_PICKLED_NOTHING ||
        sdk_pickled_kind(p, number) != SDK_PICKLED_INT)
        return false;
    *id = sdk_pickled_at(p, number)->as.integer;
    return true;
}

static int
put_attribute(struct torchscript_model *m, const struct member *member)
{
    uint32_t ref = value_of(m, member);
    const char *full;
    int64_t id;
    int status = torchscript_map_name(&m->map, &member->name, &full);

    if (status != CKPT_OK || torchscript_map_has(&m->map, full) ||
        memmem(member->type.data, member->type.size_bytes, "Tensor", 6) == NULL)
        return status;
    if (ref == SDK_PICKLED_NOTHING)
        return m->host->fail(m->host, CKPT_FORMAT, full, CKPT_NOWHERE,
                             "'attributes.pkl' has no item %lld",
                             (long long)member->id);
    if (is_text(&member->type, "Tensor") && tensor_id(m, ref, &id))
        return put_tensor(m, full, id, CKPT_ROLE_BUFFER);
    if (sdk_pickled_kind(&m->pickled, ref) == SDK_PICKLED_NONE)
        return CKPT_OK;
    return torchscript_map_other(&m->map, full);
}

/* Calls for each entry of the list at `at` that is of the role. */
static int
put_members(struct torchscript_model *m, size_t at, uint32_t role,
            bool attributes)
{
    struct member member;
    struct sdk_json json;
    const char *full;
    int status = CKPT_OK;

    if (at == 0)
        return CKPT_OK;
    torchscript_json_at(m, at, &json);
    if (json.event != SDK_JSON_ARRAY_BEGIN)
        return torchscript_json_fail(m, &json, "a list that is no array");
    while (status == CKPT_OK && sdk_json_next(&json) != SDK_JSON_ARRAY_END) {
        status = parse_member(m, &json, &member);
        if (status == CKPT_OK && attributes)
            status = put_attribute(m, &member);
        if (status != CKPT_OK || attributes ||
            member.is_buffer != (role == CKPT_ROLE_BUFFER))
            continue;
        status = torchscript_map_name(&m->map, &member.name, &full);
        if (status == CKPT_OK)
            status = put_tensor(m, full, member.id, role);
    }
    return status;
}

static int put_module(struct torchscript_model *m, size_t index,
                      unsigned depth);

static int
put_submodule(struct torchscript_model *m, size_t index, unsigned depth)
{
    const struct module *module = module_at(m, index);
    struct ckpt_text name = {"", 0};
    struct sdk_json json;
    size_t path_bytes;
    int status = CKPT_OK;

    if (module->name != 0) {
        torchscript_json_at(m, module->name, &json);
        status = torchscript_json_text(m, &json, &name);
    }
    if (status == CKPT_OK)
        status = torchscript_map_enter(&m->map, depth, &name, &path_bytes);
    if (status == CKPT_OK)
        status = put_module(m, index, depth + 1);
    if (status == CKPT_OK)
        torchscript_map_leave(&m->map, path_bytes);
    return status;
}

/* A module whose name is in the path. */
static int
put_module(struct torchscript_model *m, size_t index, unsigned depth)
{
    const struct module *module = module_at(m, index);
    size_t child = index + 1;
    int status;

    if (module->has_getstate)
        return m->host->fail(m->host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                             "a module was saved by its own __getstate__, and "
                             "only its code can make parameters and buffers "
                             "of that again");
    status = put_members(m, module->parameters, CKPT_ROLE_PARAMETER, false);
    if (status == CKPT_OK)
        status = put_members(m, module->parameters, CKPT_ROLE_BUFFER, false);
    if (status == CKPT_OK)
        status = put_members(m, module->attributes, CKPT_ROLE_BUFFER, true);
    for (; child < module->end && status == CKPT_OK;
         child = module_at(m, child)->end)
        status = put_submodule(m, child, depth);
    return status;
}

/* ---- The whole ---- */

static int
add_tensors(struct torchscript_model *m, struct sdk_json *json)
{
    size_t at;
    int status = CKPT_OK;

    if (sdk_json_next(json) != SDK_JSON_ARRAY_BEGIN)
        return torchscript_json_fail(m, json, "a list that is no array");
    while (status == CKPT_OK && sdk_json_next(json) != SDK_JSON_ARRAY_END) {
        at = json->at;
        if (json->event != SDK_JSON_OBJECT_BEGIN)
            return torchscript_json_fail(m, json, "a tensor that is no object");
        status = sdk_buffer_append(m->host, &m->tensors, &at, sizeof at);
        sdk_json_skip(json);
    }
    return status;
}

/* Finds the tensors and the main module. */
static int
find_main(struct torchscript_model *m, size_t *main)
{
    struct sdk_json json;
    int status = CKPT_OK;

    torchscript_json_at(m, 0, &json);
    if (json.event != SDK_JSON_OBJECT_BEGIN)
        return torchscript_json_fail(m, &json, "it is no object");
    while (status == CKPT_OK && sdk_json_next(&json) == SDK_JSON_KEY) {
        if (sdk_json_is(&json, "tensors")) {
            status = add_tensors(m, &json);
        } else if (sdk_json_is(&json, "mainModule")) {
            if (sdk_json_next(&json) == SDK_JSON_OBJECT_BEGIN)
                *main = json.at;
            sdk_json_skip(&json);
        } else {
            sdk_json_skip(&json);
        }
    }
    if (status != CKPT_OK)
        return status;
    if (json.event != SDK_JSON_OBJECT_END ||
        sdk_json_next(&json) != SDK_JSON_END)
        return torchscript_json_fail(m, &json, "more than one value");
    if (*main == 0)
        return torchscript_json_fail(m, &json, "it has no mainModule");
    return CKPT_OK;
}

static int
read_attributes(struct torchscript_model *m)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(m->records, "attributes.pkl");
    uint32_t kind;
    int status;

    if (member == NULL)
        return CKPT_OK;
    status = sdk_torch_records_pickle(m->host, m->records, member,
                                      &m->attribute_bytes, &m->pickled);
    if (status != CKPT_OK)
        return status;
    kind = sdk_pickled_kind(&m->pickled, m->pickled.root);
    if (kind != SDK_PICKLED_TUPLE && kind != SDK_PICKLED_LIST)
        return m->host->fail(m->host, CKPT_FORMAT, NULL, member->header_offset,
                             "the object of 'attributes.pkl' is no tuple");
    m->attributes = sdk_pickled_list(&m->pickled, m->pickled.root);
    return CKPT_OK;
}

static int
read_model(struct torchscript_model *m)
{
    struct sdk_json json;
    size_t main = 0;
    int status = find_main(m, &main);

    if (status == CKPT_OK) {
        torchscript_json_at(m, main, &json);
        status = scan_module(m, &json);
    }

    if (status == CKPT_OK)
        status = read_attributes(m);
    if (status == CKPT_OK)
        status = torchscript_tensors_init(m);
    if (status == CKPT_OK)
        status = torchscript_map_new(&m->map, "torch.jit.ScriptModule");
    if (status == CKPT_OK)
        status = put_module(m, 0, 0);
    return status == CKPT_OK ? torchscript_map_finish(&m->map) : status;
}

int
torchscript_model_read(const struct ckpt_host *host,
                       struct sdk_torch_records *records,
                       struct ckpt_graph *graph)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(records, "model.json");
    struct torchscript_model m = {.host = host, .records = records};
    unsigned char **texts;
    size_t i;
    int status;

    m.map.host = host;
    m.map.graph = graph;
    if (member == NULL)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "there is no record 'model.json'");
    m.origin = sdk_torch_member_origin(member);
    status = sdk_torch_records_load(host, records, member, &m.text);
    if (status == CKPT_OK)
        status = read_model(&m);
    texts = (unsigned char **)(void *)m.texts.data;
    for (i = 0; i < m.texts.size_bytes / sizeof *texts; i++)
        host->release(host, texts[i]);
    torchscript_tensors_fini(&m);
    torchscript_map_fini(&m.map);
    sdk_buffer_fini(host, &m.texts);
    sdk_buffer_fini(host, &m.tensors);
    sdk_buffer_fini(host, &m.modules);
    sdk_pickled_fini(host, &m.pickled);
    host->release(host, m.attribute_bytes.data);
    host->release(host, m.text.data);
    return status;
}
