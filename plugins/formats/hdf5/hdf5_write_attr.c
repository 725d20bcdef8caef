/* SPDX-License-Identifier: MIT
 *
 * Attributes of an output: strings of any length, numbers, and lists of one
 * kind of these, also lists of lists if they are all of one length.
 */
#include <stdio.h>
#include <string.h>

#include "endian.h"
#include "hdf5_write.h"

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
        *to += ckpt_dtype_width_bits(hdf5_attr_dtype(value->kind)) / 8;
    }
}

static int
attr_write(struct hdf5_out *out, hid_t object, const char *own, hid_t type,
           const struct hdf5_attr_form *form, const void *bytes)
{
    hsize_t shape[HDF5_ATTR_RANK_MAX];
    hid_t attr = -1, space;
    uint32_t d;
    int status = CKPT_OK;

    for (d = 0; d < form->rank; d++)
        shape[d] = form->shape[d];
    space = form->rank == 0 ? H5Screate(H5S_SCALAR)
                            : H5Screate_simple((int)form->rank, shape, NULL);
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
    struct hdf5_attr_form form;
    unsigned char *bytes, *to;
    int status;

    if (!hdf5_attr_form(&form, value))
        return out->host->fail(out->host, CKPT_CONTRACT, own, CKPT_NOWHERE,
                               "an attribute that HDF5 does not hold");
    if (hdf5_attr_is_keras(own, &form))
        return attr_list(out, object, own, value);
    bytes = out->host->allocate(out->host, (size_t)form.count * 16 + 16);
    if (bytes == NULL)
        return CKPT_MEMORY;
    to = bytes;
    attr_leaves(value, &to);
    status = attr_write(out, object, own,
                        form.kind == CKPT_KIND_STRING
                            ? out->text
                            : hdf5_out_type(out, hdf5_attr_dtype(form.kind)),
                        &form, bytes);
    out->host->release(out->host, bytes);
    return status;
}

int
hdf5_out_string(struct hdf5_out *out, hid_t object, const char *own,
                const char *text)
{
    struct hdf5_attr_form form = {.count = 1};

    return attr_write(out, object, own, out->text, &form, &text);
}

/* One piece of a list: an array of strings of one length. */
static int
list_piece(struct hdf5_out *out, hid_t object, const char *own,
           const struct ckpt_text *texts, size_t count)
{
    struct hdf5_attr_form form = {.rank = 1, .shape = {count}, .count = count};
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
    const struct hdf5_attr_form none = {.rank = 1};
    size_t pieces = 1, i, step, room = strlen(own) + 24;
    char *name;
    int status = CKPT_OK;

    if (count == 0)
        return attr_write(out, object, own, hdf5_out_type(out, CKPT_FLOAT64),
                          &none, NULL);
    while (list_largest(texts, count, pieces) > HDF5_ATTR_BYTES_MAX) {
        if (pieces == count)
            return out->host->fail(out->host, CKPT_UNSUPPORTED, own,
                                   CKPT_NOWHERE,
                                   "Keras keeps no names of more than %d bytes",
                                   HDF5_ATTR_BYTES_MAX);
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
