/* SPDX-License-Identifier: MIT
 *
 * Edits for one tensor of a template. Bytes that stay where they are and as
 * many as they are become others in place. All else, and all that is or shall
 * be outside of the model, gets new fields for its values in the place of the
 * first that goes.
 */
#include <string.h>

#include "onnx_external.h"
#include "onnx_proto.h"
#include "onnx_template_private.h"
#include "onnx_types.h"

/* What is smaller stays in the model: shapes and the like are looked at before
 * there is a folder to find other files in. */
#define OUTSIDE_BYTES_MIN 1024

/* ---- Comparing ---- */

static int
append_type(const struct ckpt_host *host, struct sdk_buffer *text,
            uint32_t dtype, uint32_t rank, const uint64_t *shape)
{
    uint32_t d;
    int status = sdk_buffer_printf(host, text, "%s [", ckpt_dtype_name(dtype));

    for (d = 0; d < rank && status == CKPT_OK; d++)
        status = sdk_buffer_printf(host, text, d > 0 ? ", %llu" : "%llu",
                                   (unsigned long long)shape[d]);
    return status == CKPT_OK ? sdk_buffer_append(host, text, "]", 2) : status;
}

static int
refuse_type(const struct onnx_templating *t, const struct ckpt_entry *entry,
            uint32_t dtype, uint32_t rank, const uint64_t *shape)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    struct sdk_buffer ours = {0}, theirs = {0};
    int status =
        append_type(t->host, &ours, tensor->dtype, tensor->rank, tensor->shape);

    if (status == CKPT_OK)
        status = append_type(t->host, &theirs, dtype, rank, shape);
    if (status == CKPT_OK)
        status =
            t->host->fail(t->host, CKPT_UNSUPPORTED, entry->name.data,
                          CKPT_NOWHERE, "it is %s, in the template %s",
                          (const char *)ours.data, (const char *)theirs.data);
    sdk_buffer_fini(t->host, &ours);
    sdk_buffer_fini(t->host, &theirs);
    return status;
}

int
onnx_template_compare(const struct onnx_templating *t,
                      const struct ckpt_entry *entry, uint32_t dtype,
                      uint32_t rank, const uint64_t *shape)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    bool same = onnx_type_of_dtype(tensor->dtype) == onnx_type_of_dtype(dtype);
    uint32_t d;

    same = same && tensor->rank == rank;
    for (d = 0; d < rank && same; d++)
        same = onnx_dim(tensor, d) == shape[d];
    return same ? CKPT_OK : refuse_type(t, entry, dtype, rank, shape);
}

/* ---- Replacing ---- */

int
onnx_template_replace(struct onnx_templating *t, struct onnx_wire *message,
                      uint64_t fields, size_t text,
                      const struct ckpt_tensor *tensor, const char *name)
{
    struct onnx_edit edit = {.text = text,
                             .text_bytes =
                                 t->splice.put.buffer.size_bytes - text,
                             .tensor = tensor,
                             .name = name,
                             .offset = message->at};
    const struct onnx_edit none = {0};
    struct onnx_field field;
    uint64_t end;
    int status;

    while ((status = onnx_wire_next(message, &field)) == CKPT_OK) {
        if (field.number >= 64 || (fields & ONNX_BIT(field.number)) == 0)
            continue;
        end = field.offset + field.size_bytes;
        if (edit.size_bytes > 0 &&
            edit.offset + edit.size_bytes != field.tag_offset) {
            status = onnx_splice_add(t->host, &t->splice, &edit);
            if (status != CKPT_OK)
                return status;
            edit = none;
        }
        if (edit.size_bytes == 0)
            edit.offset = field.tag_offset;
        edit.size_bytes = end - edit.offset;
    }
    if (status != CKPT_END)
        return onnx_template_blame(t, status, name);
    return onnx_splice_add(t->host, &t->splice, &edit);
}

/* The name of the data file, which there is from now on. */
static int
template_outside(struct onnx_templating *t)
{
    int status = CKPT_OK;

    if (t->outside == NULL && t->external == NULL)
        status = onnx_data_name(t->host, t->plan, &t->outside_text);
    if (status == CKPT_OK)
        t->outside = t->external != NULL ? t->external
                                         : (const char *)t->outside_text.data;
    return status;
}

/* Where the template's data file has the name of ours it is opened in any
 * case: so the hub knows it, and does not let ours take its place. */
static int
template_beside(struct onnx_templating *t, const struct onnx_tensor *tensor,
                const char *name)
{
    const struct ckpt_source *source;

    if (strcmp(tensor->external.location, t->outside) != 0)
        return CKPT_OK;
    return onnx_template_blame(
        t, onnx_external_find(&t->quiet.table, t->source, tensor, &source),
        name);
}

/* Puts a tensor, or what the template has of it, into the data file. */
static int
replace_outside(struct onnx_templating *t, const struct onnx_tensor *tensor,
                const struct onnx_piece *piece)
{
    size_t text = t->splice.put.buffer.size_bytes;
    struct onnx_wire message;
    uint64_t offset = 0;
    int status = template_outside(t);

    if (status == CKPT_OK && tensor->outside)
        status = template_beside(t, tensor, piece->name);
    if (status == CKPT_OK)
        status = onnx_data_place(t->host, &t->data, piece, &offset);
    if (status != CKPT_OK)
        return status;
    onnx_put_place(&t->splice.put, t->outside, offset, piece->size_bytes);
    onnx_wire_again(&t->wire, tensor->offset, tensor->size_bytes, tensor->depth,
                    &onnx_tensor_message, &message);
    return onnx_template_replace(t, &message, onnx_value_fields, text, NULL,
                                 piece->name);
}

static int
replace_inside(struct onnx_templating *t, const struct onnx_tensor *tensor,
               const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *new = entry->value->as.tensor;
    struct onnx_edit edit = {.offset = tensor->raw_offset,
                             .size_bytes = tensor->raw_bytes,
                             .tensor = new,
                             .name = entry->name.data};
    size_t text = t->splice.put.buffer.size_bytes;
    struct onnx_wire message;

    if (tensor->raw_bytes == new->size_bytes)
        return onnx_splice_add(t->host, &t->splice, &edit);
    onnx_put_head(&t->splice.put, ONNX_TENSOR_RAW, new->size_bytes);
    onnx_wire_again(&t->wire, tensor->offset, tensor->size_bytes, tensor->depth,
                    &onnx_tensor_message, &message);
    return onnx_template_replace(t, &message, onnx_value_fields, text, new,
                                 entry->name.data);
}

static int
replace_tensor(struct onnx_templating *t, const struct onnx_item *item,
               const struct onnx_tensor *tensor, const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *new = entry->value->as.tensor;
    const struct onnx_piece piece = {
        .tensor = new, .size_bytes = new->size_bytes, .name = entry->name.data};
    bool moves = t->external != NULL && item->initializer &&
                 new->size_bytes >= OUTSIDE_BYTES_MIN;
    int status = onnx_template_compare(t, entry, tensor->dtype, tensor->rank,
                                       tensor->shape);

    if (status != CKPT_OK || new->size_bytes == 0)
        return status;
    return tensor->outside || moves ? replace_outside(t, tensor, &piece)
                                    : replace_inside(t, tensor, entry);
}

/* ---- What stays ---- */

/* The template's own data file is not the output's: what it has is copied. */
static int
keep_outside(struct onnx_templating *t, const struct onnx_item *item,
             const struct onnx_tensor *tensor)
{
    struct onnx_piece piece = {.source_offset = tensor->external.offset,
                               .size_bytes = tensor->data_bytes,
                               .name = item->name};
    int status =
        onnx_external_find(&t->quiet.table, t->source, tensor, &piece.source);

    if (status != CKPT_OK)
        return onnx_template_blame(t, status, item->name);
    return replace_outside(t, tensor, &piece);
}

int
onnx_template_tensor(struct onnx_templating *t, const struct onnx_item *item,
                     uint64_t offset, uint64_t size_bytes, uint32_t depth,
                     const struct ckpt_entry *entry)
{
    struct onnx_tensor tensor;
    int status = onnx_tensor_read(&t->wire, item->name, offset, size_bytes,
                                  depth, &tensor);

    /* What is not understood need not be, as long as it stays. */
    if (status == CKPT_UNSUPPORTED && entry == NULL) {
        t->quiet.reason[0] = '\0';
        return CKPT_OK;
    }
    if (status != CKPT_OK)
        return onnx_template_blame(t, status, item->name);
    if (entry != NULL)
        return replace_tensor(t, item, &tensor, entry);
    if (!item->initializer && tensor.element_count > 1 &&
        tensor.dtype >= CKPT_FLOAT16 && tensor.dtype <= CKPT_FLOAT6_E3M2 &&
        t->kept_count++ == 0)
        t->kept = item->name;
    return tensor.outside && tensor.data_bytes > 0
               ? keep_outside(t, item, &tensor)
               : CKPT_OK;
}
