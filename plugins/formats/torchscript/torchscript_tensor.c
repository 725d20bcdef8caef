/* SPDX-License-Identifier: MIT
 *
 * The tensors of model.json:
 *
 *     {"dims": ["2", "3"], "strides": ["3", "1"], "offset": "0",
 *      "dataType": "FLOAT", "requiresGrad": true, "device": "cpu",
 *      "isQuantized": false, "data": {"key": "tensors/0"}}
 *
 * The offset counts elements; what it has not is 0, false or cpu. The record
 * is the whole storage, which several tensors may share.
 */
#include <stdio.h>
#include <string.h>

#include "torchscript_model.h"

struct tensor {
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK], offset;
    uint32_t rank, stride_count, dtype;
    bool requires_grad, quantised;
    struct ckpt_text key, device;
};

static const struct {
    const char *name;
    uint32_t dtype;
} types[] = {
    {"FLOAT", CKPT_FLOAT32},  {"INT32", CKPT_INT32}, {"BYTE", CKPT_UINT8},
    {"BOOL", CKPT_BOOL},      {"UINT8", CKPT_UINT8}, {"INT8", CKPT_INT8},
    {"INT16", CKPT_INT16},    {"INT64", CKPT_INT64}, {"FLOAT16", CKPT_FLOAT16},
    {"DOUBLE", CKPT_FLOAT64},
};

/* ---- Parsing ---- */

static int
parse_count(struct torchscript_model *m, struct sdk_json *json, uint64_t *count)
{
    int64_t number;
    int status = torchscript_json_number(m, json, &number);

    if (status == CKPT_OK && number < 0)
        status = torchscript_json_fail(m, json, "a negative size");
    if (status == CKPT_OK)
        *count = (uint64_t)number;
    return status;
}

static int
parse_counts(struct torchscript_model *m, struct sdk_json *json,
             uint64_t counts[CKPT_MAX_RANK], uint32_t *count)
{
    int status = CKPT_OK;

    if (json->event != SDK_JSON_ARRAY_BEGIN)
        return torchscript_json_fail(m, json, "a shape that is no array");
    while (status == CKPT_OK && sdk_json_next(json) != SDK_JSON_ARRAY_END) {
        if (*count == CKPT_MAX_RANK)
            return torchscript_json_fail(m, json, "more than 64 dimensions");
        status = parse_count(m, json, &counts[(*count)++]);
    }
    return status;
}

static int
parse_type(struct torchscript_model *m, struct sdk_json *json, uint32_t *dtype)
{
    size_t i;

    for (i = 0;
         json->event == SDK_JSON_STRING && i < sizeof types / sizeof *types;
         i++)
        if (sdk_json_is(json, types[i].name))
            *dtype = types[i].dtype;
    return *dtype != CKPT_DTYPE_NONE
               ? CKPT_OK
               : torchscript_json_fail(m, json, "a dataType not known here");
}

/* {"key": "tensors/0"} */
static int
parse_key(struct torchscript_model *m, struct sdk_json *json,
          struct ckpt_text *key)
{
    int status = CKPT_OK;

    if (json->event != SDK_JSON_OBJECT_BEGIN)
        return torchscript_json_fail(m, json, "data that are no object");
    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY) {
        bool wanted = sdk_json_is(json, "key");

        sdk_json_next(json);
        if (wanted)
            status = torchscript_json_text(m, json, key);
        else
            sdk_json_skip(json);
    }
    if (status == CKPT_OK && json->event != SDK_JSON_OBJECT_END)
        status = torchscript_json_fail(m, json, "data that do not end");
    return status;
}

/* One member, whose key has been met. */
static int
parse_part(struct torchscript_model *m, struct sdk_json *json,
           struct tensor *tensor)
{
    static const char *const names[] = {"dims",        "strides",      "offset",
                                        "dataType",    "requiresGrad", "device",
                                        "isQuantized", "data"};
    size_t i = 0;

    while (i < sizeof names / sizeof *names && !sdk_json_is(json, names[i]))
        i++;
    sdk_json_next(json);
    switch (i) {
    case 0:
        return parse_counts(m, json, tensor->shape, &tensor->rank);
    case 1:
        return parse_counts(m, json, tensor->strides, &tensor->stride_count);
    case 2:
        return parse_count(m, json, &tensor->offset);
    case 3:
        return parse_type(m, json, &tensor->dtype);
    case 4:
        tensor->requires_grad = json->event == SDK_JSON_TRUE;
        return CKPT_OK;
    case 5:
        return torchscript_json_text(m, json, &tensor->device);
    case 6:
        tensor->quantised = json->event == SDK_JSON_TRUE;
        return CKPT_OK;
    case 7:
        return parse_key(m, json, &tensor->key);
    default:
        sdk_json_skip(json);
        return CKPT_OK;
    }
}

static int
parse_tensor(struct torchscript_model *m, size_t at, struct tensor *tensor)
{
    struct sdk_json json;
    int status = CKPT_OK;

    memset(tensor, 0, sizeof *tensor);
    torchscript_json_at(m, at, &json);
    while (status == CKPT_OK && sdk_json_next(&json) == SDK_JSON_KEY)
        status = parse_part(m, &json, tensor);
    if (status != CKPT_OK)
        return status;
    if (json.event != SDK_JSON_OBJECT_END)
        return torchscript_json_fail(m, &json, "a tensor that does not end");
    if (tensor->dtype == CKPT_DTYPE_NONE)
        return torchscript_json_fail(m, &json, "a tensor without dataType");
    if (tensor->rank != tensor->stride_count)
        return torchscript_json_fail(m, &json,
                                     "dims and strides of unequal length");
    return CKPT_OK;
}

/* ---- Storages ---- */

static int
make_storage(struct torchscript_model *m, const char *full,
             const struct tensor *tensor, const struct ckpt_storage **storage)
{
    const struct ckpt_host *host = m->host;
    const struct sdk_zip_member *member = sdk_torch_records_find(
        m->records, tensor->key.data, tensor->key.size_bytes);
    struct sdk_torch_storage wanted = {.tensor = full};
    struct ckpt_storage like = {.word_bytes =
                                    ckpt_dtype_word_bytes(tensor->dtype)};
    char device[64] = "cpu";
    int status;

    if (member == NULL)
        return host->fail(
            host, CKPT_FORMAT, full, CKPT_NOWHERE, "there is no record '%.*s'",
            (int)(tensor->key.size_bytes < 200 ? tensor->key.size_bytes : 200),
            tensor->key.data);
    if (tensor->device.size_bytes >= sizeof device ||
        memchr(tensor->device.data, '\0', tensor->device.size_bytes) != NULL)
        return host->fail(host, CKPT_FORMAT, full, CKPT_NOWHERE,
                          "a location that is no device");
    if (tensor->device.size_bytes > 0)
        snprintf(device, sizeof device, "%.*s", (int)tensor->device.size_bytes,
                 tensor->device.data);
    like.device = device;
    like.size_bytes = wanted.size_bytes = member->size_bytes;
    status = sdk_torch_records_place(host, m->records, member, &wanted, &like);
    return status == CKPT_OK ? host->storage_new(host, m->map.graph, &like,
                                                 sizeof like, storage)
                             : status;
}

static int
find_storage(struct torchscript_model *m, const char *full,
             const struct tensor *tensor, const struct ckpt_storage **storage)
{
    bool added;
    uint64_t *number = sdk_table_add(m->host, &m->storages, tensor->key.data,
                                     tensor->key.size_bytes, &added);
    int status;

    if (number == NULL)
        return CKPT_MEMORY;
    if (!added) {
        *storage =
            ((const struct ckpt_storage **)(void *)m->made.data)[*number - 1];
        return CKPT_OK;
    }
    status = make_storage(m, full, tensor, storage);
    if (status == CKPT_OK)
        status = sdk_buffer_append(m->host, &m->made, storage, sizeof *storage);
    *number = m->made.size_bytes / sizeof *storage;
    return status;
}

/* ---- Tensors ---- */

int
torchscript_tensors_init(struct torchscript_model *m)
{
    m->values = m->host->allocate(m->host,
                                  (m->tensors.size_bytes / sizeof(size_t) + 1) *
                                      sizeof(*m->values));
    return m->values != NULL ? CKPT_OK : CKPT_MEMORY;
}

void
torchscript_tensors_fini(struct torchscript_model *m)
{
    m->host->release(m->host, m->values);
    sdk_table_fini(m->host, &m->storages);
    sdk_buffer_fini(m->host, &m->made);
}

static int
make_tensor(struct torchscript_model *m, const char *full, size_t at,
            uint32_t role, struct ckpt_value **value)
{
    struct tensor tensor;
    struct ckpt_tensor like = {.role = role};
    int status = parse_tensor(m, at, &tensor);

    if (status != CKPT_OK)
        return status;
    if (tensor.quantised)
        return m->host->fail(m->host, CKPT_UNSUPPORTED, full, CKPT_NOWHERE,
                             "a quantised tensor of model.json");
    status = find_storage(m, full, &tensor, &like.storage);
    if (status != CKPT_OK)
        return status;
    like.dtype = tensor.dtype;
    like.rank = tensor.rank;
    like.shape = tensor.shape;
    like.strides = tensor.strides;
    like.offset = tensor.offset;
    if (role == CKPT_ROLE_PARAMETER && !tensor.requires_grad)
        status = torchscript_map_frozen(&m->map, full);
    if (status != CKPT_OK)
        return status;
    return m->host->tensor_new(m->host, m->map.graph, &like, sizeof like, full,
                               value);
}

int
torchscript_tensor_of(struct torchscript_model *m, const char *full, int64_t id,
                      uint32_t role, struct ckpt_value **value)
{
    size_t count = m->tensors.size_bytes / sizeof(size_t);
    int status;

    if (id < 0 || (uint64_t)id >= count)
        return m->host->fail(m->host, CKPT_FORMAT, full, CKPT_NOWHERE,
                             "there is no tensor %lld in 'model.json'",
                             (long long)id);
    if (m->values[id] == NULL) {
        status = make_tensor(m, full, ((size_t *)(void *)m->tensors.data)[id],
                             role, &m->values[id]);
        if (status != CKPT_OK)
            return status;
    }
    *value = m->values[id];
    return CKPT_OK;
}
