/* SPDX-License-Identifier: MIT
 *
 * Texts and pairs, to attributes.
 */
#include "onnx_attributes.h"

#include <string.h>

#include "onnx_annotations.h"
#include "onnx_proto.h"
#include "utf8.h"

#define TEXT_BYTES_MAX (64 << 20)

/* ---- Attributes ---- */

/* The content of a field, in memory of the host. */
static int
load_text(const struct onnx_wire *wire, const struct onnx_field *field,
          char **text)
{
    const struct ckpt_host *host = wire->host;
    char *made;
    int status;

    if (field->size_bytes > TEXT_BYTES_MAX)
        return onnx_wire_fail(wire, CKPT_LIMIT, field->tag_offset,
                              "a text of %llu bytes; at most %d are read",
                              (unsigned long long)field->size_bytes,
                              TEXT_BYTES_MAX);
    made = host->allocate(host, (size_t)field->size_bytes + 1);
    if (made == NULL)
        return CKPT_MEMORY;
    status =
        onnx_wire_copy(wire, field->offset, made, (size_t)field->size_bytes);
    if (status == CKPT_OK && !sdk_utf8_valid(made, (size_t)field->size_bytes))
        status = onnx_wire_fail(wire, CKPT_FORMAT, field->offset,
                                "a text that is not UTF-8");
    if (status == CKPT_OK)
        *text = made;
    else
        host->release(host, made);
    return status;
}

int
onnx_text_value(const struct onnx_wire *wire, const struct onnx_field *field,
                struct ckpt_graph *graph, struct ckpt_value **value)
{
    const struct ckpt_host *host = wire->host;
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};
    char *text = NULL;
    int status = load_text(wire, field, &text);

    like.as.text.data = text;
    like.as.text.size_bytes = (size_t)field->size_bytes;
    if (status == CKPT_OK)
        status = host->value_new(host, graph, &like, sizeof like, value);
    host->release(host, text);
    return status;
}

int
onnx_text_attribute(const struct onnx_wire *wire,
                    const struct onnx_field *field, struct ckpt_graph *graph,
                    struct ckpt_value *owner, const char *name)
{
    struct ckpt_value *value;
    int status = onnx_text_value(wire, field, graph, &value);

    return status == CKPT_OK
               ? wire->host->attr_set(wire->host, graph, owner, name, value)
               : status;
}

int
onnx_pair_read(const struct onnx_wire *wire, const struct onnx_field *field,
               const struct onnx_message *message, struct onnx_field *first,
               struct onnx_field *second)
{
    struct onnx_field part;
    struct onnx_wire inner;
    int status = onnx_wire_enter(wire, field, message, &inner);

    while (status == CKPT_OK &&
           (status = onnx_wire_next(&inner, &part)) == CKPT_OK) {
        if (part.number == 1)
            *first = part;
        else if (part.number == 2)
            *second = part;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

/* Takes the name over. `*again`: it is there already. */
static int
add_key(const struct ckpt_host *host, struct onnx_keys *keys, char *name,
        bool *again)
{
    size_t wanted = keys->capacity * 2 + 8;
    char **names = keys->names;
    bool added;

    if (keys->count == keys->capacity) {
        names = host->reallocate(host, names, wanted * sizeof *names);
        if (names == NULL) {
            host->release(host, name);
            return CKPT_MEMORY;
        }
        keys->names = names;
        keys->capacity = wanted;
    }
    names[keys->count++] = name;
    if (sdk_table_add(host, &keys->table, name, strlen(name), &added) == NULL)
        return CKPT_MEMORY;
    *again = !added;
    return CKPT_OK;
}

int
onnx_pair_attribute(const struct onnx_wire *wire,
                    const struct onnx_field *field, struct ckpt_graph *graph,
                    struct ckpt_value *owner, const char *label,
                    struct onnx_keys *keys)
{
    const struct ckpt_host *host = wire->host;
    struct onnx_field key = {.offset = field->offset}, value = key;
    bool again = false;
    char *name = NULL;
    int status = onnx_pair_read(wire, field, &onnx_pair_message, &key, &value);

    if (status == CKPT_OK)
        status = load_text(wire, &key, &name);
    if (status != CKPT_OK)
        return status;
    if (strlen(name) != key.size_bytes) {
        host->release(host, name);
        return host->fail(host, CKPT_FORMAT, label, key.offset,
                          "metadata_props: a key with a NUL in it");
    }
    status = add_key(host, keys, name, &again);
    if (again)
        host->warn(host, label, key.offset,
                   "metadata_props: a key that comes twice, of which the last "
                   "stands: %s",
                   name);
    return status == CKPT_OK
               ? onnx_text_attribute(wire, &value, graph, owner, name)
               : status;
}

void
onnx_keys_fini(const struct ckpt_host *host, struct onnx_keys *keys)
{
    size_t i;

    for (i = 0; i < keys->count; i++)
        host->release(host, keys->names[i]);
    host->release(host, keys->names);
    sdk_table_fini(host, &keys->table);
}

/* ---- The model's own ---- */

struct setting {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    struct onnx_wire wire;
    struct onnx_field own[64]; /* by number; the last of each */
    struct ckpt_value *opsets; /* domain to version; NULL: none yet */
    struct onnx_keys keys;
};

static const struct {
    uint32_t number;
    const char *name;
} own_names[] = {
    {ONNX_MODEL_IR_VERSION, "onnx.ir_version"},
    {ONNX_MODEL_PRODUCER_NAME, "onnx.producer_name"},
    {ONNX_MODEL_PRODUCER_VERSION, "onnx.producer_version"},
    {ONNX_MODEL_DOMAIN, "onnx.domain"},
    {ONNX_MODEL_VERSION, "onnx.model_version"},
    {ONNX_MODEL_DOC, "onnx.doc_string"},
};

static int
set_integer(const struct setting *s, uint64_t integer, const char *name)
{
    struct ckpt_value like = {.kind = CKPT_KIND_INT}, *value;
    int status;

    like.as.integer = (int64_t)integer;
    status = s->host->value_new(s->host, s->graph, &like, sizeof like, &value);
    return status == CKPT_OK
               ? s->host->attr_set(s->host, s->graph, NULL, name, value)
               : status;
}

/* A domain that comes twice keeps its last version. */
static int
add_opset(struct setting *s, const struct onnx_field *field)
{
    const struct ckpt_host *host = s->host;
    struct ckpt_value map = {.kind = CKPT_KIND_MAP}, *domain, *version;
    struct ckpt_value number = {.kind = CKPT_KIND_INT};
    struct onnx_field name = {.offset = field->offset}, value = name;
    int status =
        onnx_pair_read(&s->wire, field, &onnx_opset_message, &name, &value);

    if (status == CKPT_OK && s->opsets == NULL)
        status = host->value_new(host, s->graph, &map, sizeof map, &s->opsets);
    number.as.integer = (int64_t)value.value;
    if (status == CKPT_OK)
        status = onnx_text_value(&s->wire, &name, s->graph, &domain);
    if (status == CKPT_OK)
        status =
            host->value_new(host, s->graph, &number, sizeof number, &version);
    if (status == CKPT_OK)
        status = host->map_set(host, s->graph, s->opsets, domain, version);
    return status;
}

static int
read_model(struct setting *s)
{
    struct onnx_field part;
    int status;

    while ((status = onnx_wire_next(&s->wire, &part)) == CKPT_OK) {
        if (part.number == ONNX_MODEL_METADATA)
            status = onnx_pair_attribute(&s->wire, &part, s->graph, NULL, NULL,
                                         &s->keys);
        else if (part.number == ONNX_MODEL_OPSET)
            status = add_opset(s, &part);
        else if (part.number < 64)
            s->own[part.number] = part;
        if (status != CKPT_OK)
            return status;
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static int
set_text(const struct setting *s, const struct onnx_field *field,
         const char *name)
{
    return field->size_bytes == 0
               ? CKPT_OK
               : onnx_text_attribute(&s->wire, field, s->graph, NULL, name);
}

/* Whether it is a model of weights that was written here: then what it says of
 * itself was in no graph. */
static bool
made_here(const struct setting *s)
{
    static const char here[] = ONNX_PRODUCER;
    const struct onnx_field *field = &s->own[ONNX_MODEL_PRODUCER_NAME];
    char name[sizeof here] = "";

    return field->number != 0 && field->size_bytes == sizeof here - 1 &&
           onnx_wire_copy(&s->wire, field->offset, name, sizeof here - 1) ==
               CKPT_OK &&
           strcmp(name, here) == 0;
}

static int
set_own(const struct setting *s, const struct onnx_found *found)
{
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < sizeof own_names / sizeof *own_names; i++) {
        const struct onnx_field *field = &s->own[own_names[i].number];

        if (field->number == 0 || status != CKPT_OK)
            continue;
        status = field->type == ONNX_VARINT
                     ? set_integer(s, field->value, own_names[i].name)
                     : set_text(s, field, own_names[i].name);
    }
    if (status == CKPT_OK && s->opsets != NULL)
        status = s->host->attr_set(s->host, s->graph, NULL, "onnx.opset_import",
                                   s->opsets);
    if (status == CKPT_OK)
        status = set_text(s, &found->graph_name, "onnx.graph_name");
    if (status == CKPT_OK)
        status = set_text(s, &found->graph_doc, "onnx.graph_doc_string");
    return status;
}

int
onnx_attributes_set(const struct ckpt_host *host,
                    const struct ckpt_source *source,
                    const struct onnx_found *found, struct ckpt_graph *graph)
{
    struct setting s = {.host = host, .graph = graph};
    int status;

    onnx_wire_open(host, source, &onnx_model_message, &s.wire);
    status = read_model(&s);
    if (status == CKPT_OK && !made_here(&s))
        status = set_own(&s, found);
    if (status == CKPT_OK)
        status = onnx_annotations_set(host, source, found, graph);
    onnx_keys_fini(host, &s.keys);
    return status;
}
