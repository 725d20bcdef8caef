/* SPDX-License-Identifier: MIT
 *
 * The types of data sets.
 */
#include "hdf5_write.h"

/* h5py's bool. */
static hid_t
type_bool(void)
{
    static const signed char numbers[2] = {0, 1};
    hid_t type = H5Tenum_create(H5T_STD_I8LE);

    if (type >= 0)
        H5Tenum_insert(type, "FALSE", &numbers[0]);
    if (type >= 0)
        H5Tenum_insert(type, "TRUE", &numbers[1]);
    return type;
}

/* binary16, which has no name in all versions. */
static hid_t
type_half(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);

    if (type < 0)
        return type;
    if (H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 &&
        H5Tset_precision(type, 16) >= 0 && H5Tset_ebias(type, 15) >= 0 &&
        H5Tset_size(type, 2) >= 0)
        return type;
    H5Tclose(type);
    return -1;
}

/* h5py's complex: a compound of both parts. numpy has none of two halves, and
 * some versions of h5py would not read one of these names. */
static hid_t
type_complex(hid_t part, size_t part_bytes)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 2 * part_bytes);
    bool half = part_bytes == 2;

    if (type >= 0 && H5Tinsert(type, half ? "real" : "r", 0, part) >= 0 &&
        H5Tinsert(type, half ? "imag" : "i", part_bytes, part) >= 0)
        return type;
    if (type >= 0)
        H5Tclose(type);
    return -1;
}

static hid_t
type_opaque(uint32_t dtype)
{
    hid_t type =
        H5Tcreate(H5T_OPAQUE, (size_t)ckpt_dtype_width_bits(dtype) / 8);

    if (type >= 0)
        H5Tset_tag(type, "");
    return type;
}

static hid_t
type_new(struct hdf5_out *out, uint32_t dtype)
{
    switch (dtype) {
    case CKPT_BOOL:
        return type_bool();
    case CKPT_UINT8:
        return H5Tcopy(H5T_STD_U8LE);
    case CKPT_INT8:
        return H5Tcopy(H5T_STD_I8LE);
    case CKPT_UINT16:
        return H5Tcopy(H5T_STD_U16LE);
    case CKPT_INT16:
        return H5Tcopy(H5T_STD_I16LE);
    case CKPT_UINT32:
        return H5Tcopy(H5T_STD_U32LE);
    case CKPT_INT32:
        return H5Tcopy(H5T_STD_I32LE);
    case CKPT_UINT64:
        return H5Tcopy(H5T_STD_U64LE);
    case CKPT_INT64:
        return H5Tcopy(H5T_STD_I64LE);
    case CKPT_FLOAT16:
        return type_half();
    case CKPT_FLOAT32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case CKPT_FLOAT64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case CKPT_COMPLEX32:
        return type_complex(hdf5_out_type(out, CKPT_FLOAT16), 2);
    case CKPT_COMPLEX64:
        return type_complex(hdf5_out_type(out, CKPT_FLOAT32), 4);
    case CKPT_COMPLEX128:
        return type_complex(hdf5_out_type(out, CKPT_FLOAT64), 8);
    }
    return type_opaque(dtype);
}

hid_t
hdf5_out_type(struct hdf5_out *out, uint32_t dtype)
{
    if (out->types[dtype] <= 0)
        out->types[dtype] = type_new(out, dtype);
    return out->types[dtype];
}

void
hdf5_chunk_shape(const struct ckpt_tensor *tensor, hsize_t *chunk)
{
    uint64_t room =
        (uint64_t)HDF5_CHUNK_BYTES * 8 / ckpt_dtype_width_bits(tensor->dtype);
    uint32_t d;

    for (d = tensor->rank; d-- > 0;) {
        chunk[d] = tensor->shape[d] < room ? tensor->shape[d] : room;
        room = chunk[d] == tensor->shape[d] ? room / chunk[d] : 1;
    }
}
