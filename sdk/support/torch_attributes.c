/* SPDX-License-Identifier: MIT
 *
 * The JSON object of a graph's attributes, read and written.
 */
#include "torch_attributes.h"

#include <string.h>

#include "json.h"

static int
set_attribute(const struct ckpt_host *host, struct ckpt_graph *graph,
              const struct sdk_json *json, struct sdk_buffer *name)
{
    struct sdk_buffer scratch = {0};
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *value;
    int status = sdk_json_text(host, json, &scratch, &like.as.text);

    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, &value);
    if (status == CKPT_OK)
        status = host->attr_set(host, graph, NULL, (char *)name->data, value);
    sdk_buffer_fini(host, &scratch);
    return status;
}

/* Each pair of the object; the name is copied to get its NUL. */
static int
read_pairs(const struct ckpt_host *host, struct ckpt_graph *graph,
           struct sdk_json *json, struct sdk_buffer *name)
{
    int status = CKPT_OK;

    if (sdk_json_next(json) != SDK_JSON_OBJECT_BEGIN)
        sdk_json_refuse(json, "no object");
    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY) {
        name->size_bytes = 0;
        status = sdk_json_copy(host, json, name);
        if (status == CKPT_OK)
            status = sdk_buffer_append(host, name, "", 1);
        if (status != CKPT_OK)
            return status;
        if (strlen((char *)name->data) + 1 != name->size_bytes)
            sdk_json_refuse(json, "a zero byte in a name");
        else if (sdk_json_next(json) != SDK_JSON_STRING)
            sdk_json_refuse(json, "a value that is no string");
        else
            status = set_attribute(host, graph, json, name);
    }
    return status;
}

int
sdk_torch_attributes_read(const struct ckpt_host *host,
                          struct ckpt_graph *graph, const char *what,
                          const void *data, size_t size_bytes, uint64_t origin)
{
    struct sdk_buffer name = {0};
    struct sdk_json json;
    int status;

    sdk_json_init(&json, data, size_bytes);
    status = read_pairs(host, graph, &json, &name);
    if (status == CKPT_OK && json.event == SDK_JSON_OBJECT_END)
        sdk_json_next(&json);
    if (status == CKPT_OK && json.event != SDK_JSON_END)
        status = host->fail(host, CKPT_FORMAT, NULL,
                            origin == CKPT_NOWHERE ? origin : origin + json.at,
                            "%s: %s", what,
                            json.error != NULL ? json.error : "no JSON object");
    sdk_buffer_fini(host, &name);
    return status;
}

/* The hub leaves no others in a graph that is to be written. */
int
sdk_torch_attributes_write(const struct ckpt_host *host,
                           const struct ckpt_graph *graph,
                           struct sdk_buffer *json)
{
    const struct ckpt_attr *attr;
    const char *before = "{";
    int status = CKPT_OK;

    for (attr = graph->attrs; attr != NULL; attr = attr->next) {
        if (attr->value->kind != CKPT_KIND_STRING)
            continue;
        status = sdk_buffer_append(host, json, before, 1);
        if (status == CKPT_OK)
            status = sdk_json_write_string(host, json, attr->name,
                                           strlen(attr->name));
        if (status == CKPT_OK)
            status = sdk_buffer_append(host, json, ":", 1);
        if (status == CKPT_OK)
            status =
                sdk_json_write_string(host, json, attr->value->as.text.data,
                                      attr->value->as.text.size_bytes);
        if (status != CKPT_OK)
            return status;
        before = ",";
    }
    return *before == ',' ? sdk_buffer_append(host, json, "}", 1) : CKPT_OK;
}
