/* SPDX-License-Identifier: MIT
 *
 * Types and spaces, as libhdf5 tells them. What the fields of a type mean is
 * in hdf5_type.c.
 */
#include "hdf5_lib_private.h"

#include <string.h>

#define MEMBERS_MAX 65535

static const char *
other_name(H5T_class_t class)
{
    switch (class) {
    case H5T_TIME:
        return "a time";
    case H5T_BITFIELD:
        return "a bit field";
    case H5T_COMPOUND:
        return "a compound";
    case H5T_REFERENCE:
        return "a reference";
    case H5T_VLEN:
        return "a variable-length sequence";
    case H5T_ARRAY:
        return "an array";
    default:
        return "a type of an unknown class";
    }
}

/* The fields of a float; false if it has none of the usual kind. */
static bool
float_fields(hid_t id, struct hdf5_bits *bits)
{
    size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
    H5T_norm_t norm = H5Tget_norm(id);

    if (H5Tget_fields(id, &sign, &exponent, &exponent_bits, &mantissa,
                      &mantissa_bits) < 0)
        return false;
    bits->is_float = true;
    bits->sign_at = (uint32_t)sign;
    bits->exponent_at = (uint32_t)exponent;
    bits->exponent_bits = (uint32_t)exponent_bits;
    bits->mantissa_at = (uint32_t)mantissa;
    bits->mantissa_bits = (uint32_t)mantissa_bits;
    bits->bias = (uint32_t)H5Tget_ebias(id);
    bits->implied = norm == H5T_NORM_IMPLIED  ? 2
                    : norm == H5T_NORM_MSBSET ? 1
                                              : 0;
    return true;
}

/* Integers and floats alone; all else is OTHER. */
static void
number_type(hid_t id, struct hdf5_type *type)
{
    H5T_class_t class = H5Tget_class(id);
    H5T_order_t order = H5Tget_order(id);
    uint32_t size = (uint32_t)H5Tget_size(id);
    struct hdf5_bits bits = {.size_bytes = size};

    if (class != H5T_INTEGER && class != H5T_FLOAT) {
        hdf5_type_other(other_name(class), size, type);
        return;
    }
    if ((order != H5T_ORDER_LE && order != H5T_ORDER_BE) ||
        (class == H5T_FLOAT && !float_fields(id, &bits))) {
        hdf5_type_other("a number of an unknown byte order", size, type);
        return;
    }
    bits.is_signed = class == H5T_INTEGER && H5Tget_sign(id) == H5T_SGN_2;
    bits.big_endian = order == H5T_ORDER_BE;
    bits.offset_bits = (uint32_t)H5Tget_offset(id);
    bits.precision_bits = (uint32_t)H5Tget_precision(id);
    hdf5_type_number(&bits, type);
}

/* An integer of up to 8 bytes, in its type's own order. */
static int64_t
enum_number(const struct hdf5_type *integer, const unsigned char *bytes)
{
    uint64_t number = 0;
    uint32_t i, size = integer->size_bytes;

    for (i = 0; i < size; i++)
        number =
            number << 8 |
            bytes[integer->byte_order == CKPT_BIG_ENDIAN ? i : size - 1 - i];
    if (size < 8 &&
        (integer->dtype == CKPT_INT8 || integer->dtype == CKPT_INT16 ||
         integer->dtype == CKPT_INT32) &&
        number >> (8 * size - 1))
        number |= UINT64_MAX << (8 * size);
    return (int64_t)number;
}

static int
enum_members(const struct hdf5_lib_place *place, hid_t id,
             const struct hdf5_type *integer, uint32_t count,
             struct hdf5_member *members)
{
    unsigned char bytes[8];
    uint32_t i;

    for (i = 0; i < count; i++) {
        char *name = H5Tget_member_name(id, i);

        if (name == NULL || H5Tget_member_value(id, i, bytes) < 0) {
            H5free_memory(name);
            return hdf5_lib_fail(place, "an enum cannot be read");
        }
        members[i].name = hdf5_tree_copy(place->tree, name, strlen(name));
        members[i].number = enum_number(integer, bytes);
        H5free_memory(name);
        if (members[i].name == NULL)
            return CKPT_MEMORY;
    }
    return CKPT_OK;
}

static int
enum_type(const struct hdf5_lib_place *place, hid_t id, struct hdf5_type *type)
{
    hid_t super = H5Tget_super(id);
    int count = H5Tget_nmembers(id), status;
    struct hdf5_member *members;
    struct hdf5_type integer;

    if (super < 0 || count < 0 || count > MEMBERS_MAX)
        return hdf5_lib_fail(place, "an enum cannot be read");
    number_type(super, &integer);
    H5Tclose(super);
    if (integer.class != HDF5_NUMBER) {
        *type = integer;
        return CKPT_OK;
    }
    members =
        hdf5_tree_hold(place->tree, ((size_t)count + 1) * sizeof *members);
    if (members == NULL)
        return CKPT_MEMORY;
    status = enum_members(place, id, &integer, (uint32_t)count, members);
    if (status == CKPT_OK)
        hdf5_type_enum(&integer, members, (uint32_t)count, type);
    return status;
}

static void
part_type(hid_t id, unsigned index, struct hdf5_type *type)
{
    hid_t member = H5Tget_member_type(id, index);

    number_type(member, type);
    if (member >= 0)
        H5Tclose(member);
}

/* Two equal floats side by side are a complex number. */
static void
compound_type(hid_t id, struct hdf5_type *type)
{
    uint32_t size = (uint32_t)H5Tget_size(id);
    struct hdf5_type first, second;
    char *names[2] = {NULL, NULL};

    hdf5_type_other("a compound", size, type);
    if (H5Tget_nmembers(id) != 2)
        return;
    part_type(id, 0, &first);
    part_type(id, 1, &second);
    names[0] = H5Tget_member_name(id, 0);
    names[1] = H5Tget_member_name(id, 1);
    if (names[0] != NULL && names[1] != NULL && first.class == HDF5_NUMBER &&
        second.class == HDF5_NUMBER && first.dtype == second.dtype &&
        first.byte_order == second.byte_order && size == 2 * first.size_bytes &&
        H5Tget_member_offset(id, 0) == 0 &&
        H5Tget_member_offset(id, 1) == first.size_bytes)
        hdf5_type_complex(names[0], names[1], &first, type);
    H5free_memory(names[0]);
    H5free_memory(names[1]);
}

static int
string_type(const struct hdf5_lib_place *place, hid_t id,
            struct hdf5_type *type)
{
    htri_t variable = H5Tis_variable_str(id);
    H5T_str_t padding = H5Tget_strpad(id);

    if (variable < 0)
        return hdf5_lib_fail(place, "a type cannot be read");
    memset(type, 0, sizeof *type);
    type->class = variable ? HDF5_VARIABLE : HDF5_FIXED;
    type->size_bytes = variable ? 16 : (uint32_t)H5Tget_size(id);
    type->padding = padding == H5T_STR_SPACEPAD  ? HDF5_SPACE_PADDED
                    : padding == H5T_STR_NULLPAD ? HDF5_NUL_PADDED
                                                 : HDF5_NUL_TERMINATED;
    return CKPT_OK;
}

static int
opaque_type(const struct hdf5_lib_place *place, hid_t id,
            struct hdf5_type *type)
{
    char *tag = H5Tget_tag(id);

    memset(type, 0, sizeof *type);
    type->class = HDF5_OPAQUE;
    type->size_bytes = (uint32_t)H5Tget_size(id);
    type->tag = hdf5_tree_copy(place->tree, tag != NULL ? tag : "",
                               tag != NULL ? strlen(tag) : 0);
    H5free_memory(tag);
    return type->tag != NULL ? CKPT_OK : CKPT_MEMORY;
}

#if H5_VERSION_GE(2, 0, 0)
static void
complex_type(hid_t id, struct hdf5_type *type)
{
    hid_t super = H5Tget_super(id);
    struct hdf5_type part;

    number_type(super, &part);
    if (super >= 0)
        H5Tclose(super);
    hdf5_type_complex("r", "i", &part, type);
}
#endif

int
hdf5_lib_type(const struct hdf5_lib_place *place, hid_t id,
              struct hdf5_type *type)
{
    H5T_class_t class = H5Tget_class(id);
    size_t size = H5Tget_size(id);

    if (class == H5T_NO_CLASS || size == 0 || size > UINT32_MAX)
        return hdf5_lib_fail(place, "a type cannot be read");
    switch (class) {
    case H5T_ENUM:
        return enum_type(place, id, type);
    case H5T_COMPOUND:
        compound_type(id, type);
        return CKPT_OK;
    case H5T_STRING:
        return string_type(place, id, type);
    case H5T_OPAQUE:
        return opaque_type(place, id, type);
#if H5_VERSION_GE(2, 0, 0)
    case H5T_COMPLEX:
        complex_type(id, type);
        return CKPT_OK;
#endif
    default:
        number_type(id, type);
        return CKPT_OK;
    }
}

int
hdf5_lib_space(const struct hdf5_lib_place *place, hid_t id,
               struct hdf5_space *space)
{
    H5S_class_t class = H5Sget_simple_extent_type(id);
    int rank = H5Sget_simple_extent_ndims(id);
    hsize_t dims[H5S_MAX_RANK];
    uint64_t shape[H5S_MAX_RANK];
    int i;

    if (class == H5S_NO_CLASS || rank < 0 || rank > H5S_MAX_RANK ||
        H5Sget_simple_extent_dims(id, dims, NULL) < 0)
        return hdf5_lib_fail(place, "a shape cannot be read");
    for (i = 0; i < rank; i++)
        shape[i] = dims[i];
    return hdf5_space_make(place->tree,
                           class == H5S_NULL     ? HDF5_NULL
                           : class == H5S_SCALAR ? HDF5_SCALAR
                                                 : HDF5_SIMPLE,
                           (uint32_t)rank, shape, place->object->offset, space);
}
