/* SPDX-License-Identifier: MIT
 *
 * Attributes of an output: strings of any length, numbers, and lists of one
 * kind of these, also lists of lists if they are all of one length.
 */
#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "endian.h"
#include "hdf5_write.h"
#include "utf8.h"

/* An attribute is one message in the header of its object, and that is less
 * than 64 KiB; Keras splits its lists here. */
#define ATTR_BYTES_MAX 64512
#define ATTR_NAME_MAX 256
#define ATTR_RANK_MAX 8

/* A value as an array. */
struct attr_form {
    uint32_t kind; /* of all leaves; 0 until there is one */
    uint32_t rank;
    hsize_t shape[ATTR_RANK_MAX];
    uint64_t count;
    size_t longest; /* of the strings */
};

static uint32_t
attr_dtype(uint32_t kind)
{
    switch (kind) {
    case CKPT_KIND_BOOL:
        return CKPT_BOOL;
    case CKPT_KIND_INT:
        return CKPT_INT64;
    case CKPT_KIND_COMPLEX:
        return CKPT_COMPLEX128;
    }
    return CKPT_FLOAT64;
}

static size_t
attr_width(uint32_t kind)
{
    if (kind == CKPT_KIND_STRING)
        return 16;
    return ckpt_dtype_width_bits(attr_dtype(kind)) / 8;
}

static bool
form_leaf(struct attr_form *form, const struct ckpt_value *value)
{
    const struct ckpt_text *text = &value->as.text;

    if (form->kind != 0 && form->kind != value->kind)
        return false;
    form->kind = value->kind;
    form->count++;
    switch (value->kind) {
    case CKPT_KIND_STRING:
        if (text->size_bytes > form->longest)
            form->longest = text->size_bytes;
        return memchr(text->data, 0, text->size_bytes) == NULL;
    case CKPT_KIND_INT:
        return !value->wide;
    case CKPT_KIND_BOOL:
    case CKPT_KIND_FLOAT:
    case CKPT_KIND_COMPLEX:
        return true;
    }
    return false;
}

/* Lists within lists, which the rank bounds. */
static bool
form_value(struct attr_form *form, const struct ckpt_value *value,
           uint32_t depth)
{
    size_t i;

    if (value->kind != CKPT_KIND_LIST)
        return depth == form->rank && form_leaf(form, value);
    if (value->type_name != NULL || depth == form->rank ||
        value->as.list.count != form->shape[depth] ||
        value->as.list.count * 8 > ATTR_BYTES_MAX)
        return false;
    for (i = 0; i < value->as.list.count; i++)
        if (!form_value(form, value->as.list.items[i], depth + 1))
            return false;
    return true;
}

/* The shape is that of the first items; all must have it. */
static bool
attr_form(struct attr_form *form, const struct ckpt_value *value)
{
    const struct ckpt_value *inner = value;
    uint64_t bound = 1;

    memset(form, 0, sizeof *form);
    while (inner->kind == CKPT_KIND_LIST) {
        if (form->rank == ATTR_RANK_MAX)
            return false;
        form->shape[form->rank++] = inner->as.list.count;
        if (inner->as.list.count == 0)
            break;
        if (!sdk_mul_u64(bound, inner->as.list.count, &bound) ||
            bound > ATTR_BYTES_MAX)
            return false;
        inner = inner->as.list.items[0];
    }
    return form_value(form, value, 0);
}

static bool
attr_is_keras(const char *own, const struct attr_form *form)
{
    return form->kind == CKPT_KIND_STRING && form->rank == 1 &&
           (hdf5_attr_lists(own, "layer_names") ||
            hdf5_attr_lists(own, "weight_names"));
}

bool
hdf5_attr_holds(const char *own, const struct ckpt_value *value)
{
    struct attr_form form;
    size_t width, length = strlen(own);

    if (length == 0 || length > ATTR_NAME_MAX || !sdk_utf8_valid(own, length) ||
        !attr_form(&form, value))
        return false;
    width = attr_is_keras(own, &form) ? form.longest : attr_width(form.kind);
    return form.count * width <= ATTR_BYTES_MAX - ATTR_NAME_MAX;
}

/* Lays a number out, low byte first. */
static void
attr_number(const struct ckpt_value *value, unsigned char *to)
{
    uint64_t bits[2] = {0, 0};

    switch (value->kind) {
    case CKPT_KIND_BOOL:
        to[0] = value->as.truth;
        return;
    case CKPT_KIND_COMPLEX:
        memcpy(&bits[0], &value->as.parts.re, 8);
        memcpy(&bits[1], &value->as.parts.im, 8);
        sdk_store_le64(to + 8, bits[1]);
        break;
    case CKPT_KIND_INT:
        bits[0] = (uint64_t)value->as.integer;
        break;
    default:
        memcpy(&bits[0], &value->as.real, 8);
    }
    sdk_store_le64(to, bits[0]);
}

/* Lays all leaves out: numbers, or pointers to strings. */
static void
attr_leaves(const struct ckpt_value *value, unsigned char **to)
{
    size_t i;

    if (value->kind == CKPT_KIND_LIST) {
        for (i = 0; i < value->as.list.count; i++)
            attr_leaves(value->as.list.items[i], to);
    } else if (value->kind == CKPT_KIND_STRING) {
        memcpy(*to, &value->as.text.data, sizeof(char *));
        *to += sizeof(char *);
    } else {
        attr_number(value, *to);
        *to += attr_width(value->kind);
    }
}

static int
attr_write(struct hdf5_out *out, hid_t object, const char *own, hid_t type,
           const struct attr_form *form, const void *bytes)
{
    hid_t space = form->rank == 0
                      ? H5Screate(H5S_SCALAR)
                      : H5Screate_simple((int)form->rank, form->shape, NULL);
    hid_t attr = -1;
    int status = CKPT_OK;

    if (space >= 0 && type >= 0)
        attr = H5Acreate2(object, own, type, space, out->attrs, H5P_DEFAULT);
    if (attr < 0 || (form->count > 0 && H5Awrite(attr, type, bytes) < 0))
        status = hdf5_out_fail(out, own);
    if (attr >= 0)
        H5Aclose(attr);
    if (space >= 0)
        H5Sclose(space);
    return status;
}

static int
attr_list(struct hdf5_out *out, hid_t object, const char *own,
          const struct ckpt_value *list)
{
    size_t i, count = list->as.list.count;
    struct ckpt_text *texts =
        out->host->allocate(out->host, (count + 1) * sizeof *texts);
    int status;

    if (texts == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++)
        texts[i] = list->as.list.items[i]->as.text;
    status = hdf5_out_list(out, object, own, texts, count);
    out->host->release(out->host, texts);
    return status;
}

int
hdf5_out_attr(struct hdf5_out *out, hid_t object, const char *own,
              const struct ckpt_value *value)
{
    struct attr_form form;
    unsigned char *bytes, *to;
    int status;

    if (!attr_form(&form, value))
        return out->host->fail(out->host, CKPT_CONTRACT, own, CKPT_NOWHERE,
                               "an attribute that HDF5 does not hold");
    if (attr_is_keras(own, &form))
        return attr_list(out, object, own, value);
    bytes = out->host->allocate(out->host, (size_t)form.count * 16 + 16);
    if (bytes == NULL)
        return CKPT_MEMORY;
    to = bytes;
    attr_leaves(value, &to);
    status = attr_write(out, object, own,
                        form.kind == CKPT_KIND_STRING
                            ? out->text
                            : hdf5_out_type(out, attr_dtype(form.kind)),
                        &form, bytes);
    out->host->release(out->host, bytes);
    return status;
}

int
hdf5_out_string(struct hdf5_out *out, hid_t object, const char *own,
                const char *text)
{
    struct attr_form form = {.count = 1};

    return attr_write(out, object, own, out->text, &form, &text);
}

/* One piece of a list: an array of strings of one length. */
static int
list_piece(struct hdf5_out *out, hid_t object, const char *own,
           const struct ckpt_text *texts, size_t count)
{
    struct attr_form form = {.rank = 1, .shape = {count}, .count = count};
    size_t i, longest = 1;
    hid_t type = H5Tcopy(H5T_C_S1);
    unsigned char *bytes;
    int status;

    for (i = 0; i < count; i++)
        if (texts[i].size_bytes > longest)
            longest = texts[i].size_bytes;
    bytes = out->host->allocate(out->host, count * longest + 1);
    for (i = 0; bytes != NULL && i < count; i++)
        memcpy(bytes + i * longest, texts[i].data, texts[i].size_bytes);
    H5Tset_size(type, longest);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    status = bytes == NULL ? CKPT_MEMORY
                           : attr_write(out, object, own, type, &form, bytes);
    H5Tclose(type);
    out->host->release(out->host, bytes);
    return status;
}

/* The bytes of the largest of so many even pieces, the first of which have
 * one more. */
static size_t
list_largest(const struct ckpt_text *texts, size_t count, size_t pieces)
{
    size_t i, longest = 1;

    for (i = 0; i < count; i++)
        if (texts[i].size_bytes > longest)
            longest = texts[i].size_bytes;
    return longest * (count / pieces + (count % pieces != 0));
}

int
hdf5_out_list(struct hdf5_out *out, hid_t object, const char *own,
              const struct ckpt_text *texts, size_t count)
{
    const struct attr_form none = {.rank = 1};
    size_t pieces = 1, i, step, room = strlen(own) + 24;
    char *name;
    int status = CKPT_OK;

    if (count == 0)
        return attr_write(out, object, own, hdf5_out_type(out, CKPT_FLOAT64),
                          &none, NULL);
    while (list_largest(texts, count, pieces) > ATTR_BYTES_MAX) {
        if (pieces == count)
            return out->host->fail(
                out->host, CKPT_UNSUPPORTED, own, CKPT_NOWHERE,
                "Keras keeps no names of more than %d bytes", ATTR_BYTES_MAX);
        pieces++;
    }
    if (pieces == 1)
        return list_piece(out, object, own, texts, count);
    name = out->host->allocate(out->host, room);
    if (name == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < pieces && status == CKPT_OK; i++, texts += step) {
        step = count / pieces + (i < count % pieces);
        snprintf(name, room, "%s%zu", own, i);
        status = list_piece(out, object, name, texts, step);
    }
    out->host->release(out->host, name);
    return status;
}
