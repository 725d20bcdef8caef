/* SPDX-License-Identifier: MIT
 *
 * Elements to values.
 */
#include "hdf5_value.h"

#include <math.h>
#include <string.h>

#include "utf8.h"

struct maker {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    const struct hdf5_value *value;
    uint64_t at; /* the element that comes next */
};

/* The bits of a word of 1 to 8 bytes. */
static uint64_t
value_bits(const struct hdf5_type *type, const unsigned char *bytes,
           uint32_t size)
{
    bool big = type->byte_order == CKPT_BIG_ENDIAN;
    uint64_t bits = 0;
    uint32_t i;

    for (i = 0; i < size && i < 8; i++)
        bits = bits << 8 | bytes[big ? i : size - 1 - i];
    return bits;
}

static bool
value_signed(uint32_t dtype)
{
    return dtype == CKPT_INT8 || dtype == CKPT_INT16 || dtype == CKPT_INT32 ||
           dtype == CKPT_INT64;
}

int64_t
hdf5_value_integer(const struct hdf5_type *type, const unsigned char *bytes)
{
    uint64_t bits = value_bits(type, bytes, type->size_bytes);
    uint32_t width = 8 * type->size_bytes;

    if (value_signed(type->dtype) && width < 64 && bits >> (width - 1) != 0)
        bits |= UINT64_MAX << width;
    return (int64_t)bits;
}

static double
value_half(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double mantissa = (double)(bits & 1023), real;

    if (exponent == 31)
        real = mantissa > 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        real = ldexp(mantissa, -24);
    else
        real = ldexp(mantissa + 1024, exponent - 25);
    return bits >> 15 != 0 ? -real : real;
}

/* The float of 2, 4 or 8 bytes, which is a part of a complex one, too. */
static double
value_real(const struct hdf5_type *type, const unsigned char *bytes,
           uint32_t size)
{
    uint64_t bits = value_bits(type, bytes, size);
    uint32_t single;
    double real;
    float narrow;

    if (size == 2 && type->dtype != CKPT_BFLOAT16)
        return value_half(bits);
    if (size == 8) {
        memcpy(&real, &bits, sizeof real);
        return real;
    }
    single = size == 2 ? (uint32_t)bits << 16 : (uint32_t)bits;
    memcpy(&narrow, &single, sizeof narrow);
    return narrow;
}

static void
value_wide(uint64_t bits, unsigned char text[9], struct ckpt_value *like)
{
    int i;

    for (i = 0; i < 8; i++)
        text[i] = (unsigned char)(bits >> (8 * i));
    text[8] = 0;
    like->wide = true;
    like->as.text.data = (const char *)text;
    like->as.text.size_bytes = 9;
}

/* A number; false if its type has no kind of value. `text` is for wide ones. */
static bool
value_number(const struct hdf5_type *type, const unsigned char *bytes,
             unsigned char text[9], struct ckpt_value *like)
{
    switch (type->dtype) {
    case CKPT_BOOL:
        like->kind = CKPT_KIND_BOOL;
        like->as.truth = bytes[0] != 0;
        return true;
    case CKPT_FLOAT16:
    case CKPT_BFLOAT16:
    case CKPT_FLOAT32:
    case CKPT_FLOAT64:
        like->kind = CKPT_KIND_FLOAT;
        like->as.real = value_real(type, bytes, type->size_bytes);
        return true;
    case CKPT_COMPLEX32:
    case CKPT_COMPLEX64:
    case CKPT_COMPLEX128:
        like->kind = CKPT_KIND_COMPLEX;
        like->as.parts.re = value_real(type, bytes, type->size_bytes / 2);
        like->as.parts.im = value_real(type, bytes + type->size_bytes / 2,
                                       type->size_bytes / 2);
        return true;
    case CKPT_UINT64:
    case CKPT_UINT8:
    case CKPT_UINT16:
    case CKPT_UINT32:
    case CKPT_INT8:
    case CKPT_INT16:
    case CKPT_INT32:
    case CKPT_INT64:
        like->kind = CKPT_KIND_INT;
        like->as.integer = hdf5_value_integer(type, bytes);
        if (like->as.integer < 0 && type->dtype == CKPT_UINT64)
            value_wide((uint64_t)like->as.integer, text, like);
        return true;
    }
    return false;
}

/* Whether elements of the type can be values. */
static bool
value_holds(const struct hdf5_type *type)
{
    static const unsigned char zeros[16];
    struct ckpt_value like;
    unsigned char text[9];

    if (type->class == HDF5_NUMBER || type->class == HDF5_ENUM)
        return value_number(type, zeros, text, &like);
    return type->class != HDF5_OTHER;
}

static int
value_element(struct maker *maker, struct ckpt_value **made)
{
    const struct hdf5_value *value = maker->value;
    const struct hdf5_type *type = &value->type;
    struct ckpt_value like = {.kind = CKPT_KIND_BYTES};
    const unsigned char *bytes = NULL;
    unsigned char text[9];
    uint64_t at = maker->at++;

    if (value->bytes != NULL)
        bytes = value->bytes + at * type->size_bytes;
    if (value->texts != NULL) {
        like.as.text = value->texts[at];
        if (sdk_utf8_valid(like.as.text.data, like.as.text.size_bytes))
            like.kind = CKPT_KIND_STRING;
    } else if (type->class == HDF5_OPAQUE) {
        like.as.text.data = (const char *)bytes;
        like.as.text.size_bytes = type->size_bytes;
    } else {
        value_number(type, bytes, text, &like);
    }
    return maker->host->value_new(maker->host, maker->graph, &like, sizeof like,
                                  made);
}

/* The elements from dimension `axis` on; as deep as the rank, at most 32. */
static int
value_axis(struct maker *maker, uint32_t axis, struct ckpt_value **made)
{
    const struct hdf5_space *space = &maker->value->space;
    const struct ckpt_host *host = maker->host;
    const struct ckpt_value list = {.kind = CKPT_KIND_LIST};
    struct ckpt_value *owner, *item;
    uint64_t i;
    int status;

    if (axis == space->rank)
        return value_element(maker, made);
    status = host->value_new(host, maker->graph, &list, sizeof list, &owner);
    for (i = 0; i < space->shape[axis] && status == CKPT_OK; i++) {
        if (i % 4096 == 4095 && host->cancelled(host))
            return CKPT_CANCELLED;
        status = value_axis(maker, axis + 1, &item);
        if (status == CKPT_OK)
            status = host->list_add(host, maker->graph, owner, item);
    }
    if (status == CKPT_OK)
        *made = owner;
    return status;
}

int
hdf5_value_make(struct hdf5_tree *tree, struct ckpt_graph *graph,
                const struct hdf5_value *value, struct ckpt_value **made)
{
    const struct ckpt_value none = {.kind = CKPT_KIND_NONE};
    struct maker maker = {tree->host, graph, value, 0};

    *made = NULL;
    if (value->space.kind == HDF5_NULL)
        return tree->host->value_new(tree->host, graph, &none, sizeof none,
                                     made);
    if (value->space.count > 0 && !value_holds(&value->type))
        return CKPT_OK;
    return value_axis(&maker, 0, made);
}
