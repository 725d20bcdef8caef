/* SPDX-License-Identifier: MIT
 *
 * What the fields of a type mean, for both walks.
 */
#include <stdio.h>
#include <string.h>

#include "hdf5_tree.h"

/* The floats that have a dtype: the sign on top, then exponent and mantissa
 * without gaps. Other biases are other types: float8_e4m3fnuz has 8. */
struct float_kind {
    uint32_t dtype, exponent_bits, mantissa_bits, bias;
};

static const struct float_kind float_kinds[] = {
    {CKPT_FLOAT16, 5, 10, 15},       {CKPT_BFLOAT16, 8, 7, 127},
    {CKPT_FLOAT32, 8, 23, 127},      {CKPT_FLOAT64, 11, 52, 1023},
    {CKPT_FLOAT8_E4M3FN, 4, 3, 7},   {CKPT_FLOAT8_E5M2, 5, 2, 15},
    {CKPT_FLOAT8_E4M3FNUZ, 4, 3, 8}, {CKPT_FLOAT8_E5M2FNUZ, 5, 2, 16},
};

void
hdf5_type_other(const char *what, uint32_t size_bytes, struct hdf5_type *type)
{
    memset(type, 0, sizeof *type);
    type->class = HDF5_OTHER;
    type->size_bytes = size_bytes;
    type->other = what;
}

static uint32_t
type_float(const struct hdf5_bits *bits)
{
    const struct float_kind *kind;
    size_t i;

    for (i = 0; i < sizeof float_kinds / sizeof *float_kinds; i++) {
        kind = &float_kinds[i];
        if (bits->exponent_bits == kind->exponent_bits &&
            bits->mantissa_bits == kind->mantissa_bits &&
            bits->bias == kind->bias && bits->implied == 2 &&
            bits->mantissa_at == 0 &&
            bits->exponent_at == kind->mantissa_bits &&
            bits->sign_at == bits->precision_bits - 1 &&
            bits->precision_bits ==
                1 + kind->exponent_bits + kind->mantissa_bits)
            return kind->dtype;
    }
    return CKPT_DTYPE_NONE;
}

static uint32_t
type_integer(const struct hdf5_bits *bits)
{
    switch (bits->size_bytes) {
    case 1:
        return bits->is_signed ? CKPT_INT8 : CKPT_UINT8;
    case 2:
        return bits->is_signed ? CKPT_INT16 : CKPT_UINT16;
    case 4:
        return bits->is_signed ? CKPT_INT32 : CKPT_UINT32;
    case 8:
        return bits->is_signed ? CKPT_INT64 : CKPT_UINT64;
    }
    return CKPT_DTYPE_NONE;
}

void
hdf5_type_number(const struct hdf5_bits *bits, struct hdf5_type *type)
{
    uint32_t dtype = CKPT_DTYPE_NONE;

    if (bits->offset_bits == 0 &&
        bits->precision_bits == (uint64_t)bits->size_bytes * 8)
        dtype = bits->is_float ? type_float(bits) : type_integer(bits);
    if (dtype == CKPT_DTYPE_NONE) {
        hdf5_type_other(bits->is_float ? "a float of an unknown form"
                                       : "an integer of an unknown form",
                        bits->size_bytes, type);
        return;
    }
    memset(type, 0, sizeof *type);
    type->class = HDF5_NUMBER;
    type->dtype = dtype;
    type->byte_order = bits->big_endian ? CKPT_BIG_ENDIAN : CKPT_LITTLE_ENDIAN;
    type->size_bytes = bits->size_bytes;
}

void
hdf5_type_complex(const char *first, const char *second,
                  const struct hdf5_type *part, struct hdf5_type *type)
{
    bool named = (strcmp(first, "r") == 0 && strcmp(second, "i") == 0) ||
                 (strcmp(first, "real") == 0 && strcmp(second, "imag") == 0);
    uint32_t dtype = CKPT_DTYPE_NONE;

    if (named && part->class == HDF5_NUMBER)
        dtype = part->dtype == CKPT_FLOAT16   ? CKPT_COMPLEX32
                : part->dtype == CKPT_FLOAT32 ? CKPT_COMPLEX64
                : part->dtype == CKPT_FLOAT64 ? CKPT_COMPLEX128
                                              : CKPT_DTYPE_NONE;
    if (dtype == CKPT_DTYPE_NONE) {
        hdf5_type_other("a compound", 2 * part->size_bytes, type);
        return;
    }
    memset(type, 0, sizeof *type);
    type->class = HDF5_NUMBER;
    type->dtype = dtype;
    type->byte_order = part->byte_order;
    type->size_bytes = 2 * part->size_bytes;
}

/* h5py's bool: an int8 with exactly these names. */
static bool
type_is_bool(const struct hdf5_type *integer, const struct hdf5_member *members,
             uint32_t member_count)
{
    return integer->size_bytes == 1 && member_count == 2 &&
           strcmp(members[0].name, "FALSE") == 0 && members[0].number == 0 &&
           strcmp(members[1].name, "TRUE") == 0 && members[1].number == 1;
}

void
hdf5_type_enum(const struct hdf5_type *integer,
               const struct hdf5_member *members, uint32_t member_count,
               struct hdf5_type *type)
{
    struct hdf5_type made = *integer;

    if (type_is_bool(integer, members, member_count)) {
        made.dtype = CKPT_BOOL;
    } else if (integer->class == HDF5_NUMBER) {
        made.class = HDF5_ENUM;
        made.members = members;
        made.member_count = member_count;
    }
    *type = made;
}

/* The bytes of a fixed string that are its text. */
static size_t
type_text_bytes(const struct hdf5_type *type, const unsigned char *bytes)
{
    const unsigned char *nul;
    unsigned char padding = type->padding == HDF5_SPACE_PADDED ? ' ' : 0;
    size_t size = type->size_bytes;

    if (type->padding != HDF5_NUL_TERMINATED) {
        while (size > 0 && bytes[size - 1] == padding)
            size--;
        return size;
    }
    nul = size > 0 ? memchr(bytes, 0, size) : NULL;
    return nul != NULL ? (size_t)(nul - bytes) : size;
}

int
hdf5_texts_fixed(struct hdf5_tree *tree, const struct hdf5_type *type,
                 uint64_t count, const unsigned char *bytes,
                 const struct ckpt_text **texts)
{
    struct ckpt_text *made;
    uint64_t i;

    if (count > SIZE_MAX / sizeof *made)
        return tree->host->fail(tree->host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                                "%llu strings", (unsigned long long)count);
    made = hdf5_tree_hold(tree, (size_t)count * sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < count; i++, bytes += type->size_bytes) {
        made[i].size_bytes = type_text_bytes(type, bytes);
        made[i].data = hdf5_tree_copy(tree, bytes, made[i].size_bytes);
        if (made[i].data == NULL)
            return CKPT_MEMORY;
    }
    *texts = made;
    return CKPT_OK;
}
