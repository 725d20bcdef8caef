/* SPDX-License-Identifier: MIT
 *
 * The checks at the door of the graph. All sums and products are checked, so
 * that a file cannot make them wrap.
 */
#include "hub/graph/validate.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"

/* Product of the sizes and whether one of them is zero. */
static bool
tensor_count(struct ckpt_tensor *tensor)
{
    uint64_t count = 1;
    uint32_t i;

    for (i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] == 0)
            count = 0;
    for (i = 0; count != 0 && i < tensor->rank; i++)
        if (!sdk_mul_u64(count, tensor->shape[i], &count))
            return false;
    tensor->element_count = count;
    return true;
}

/* Number of elements of the storage up to the last one of the view. */
static bool
tensor_extent(const struct ckpt_tensor *tensor, uint64_t *extent)
{
    uint64_t step, end = tensor->offset;
    uint32_t i;

    for (i = 0; i < tensor->rank; i++)
        if (!sdk_mul_u64(tensor->shape[i] - 1, tensor->strides[i], &step) ||
            !sdk_add_u64(end, step, &end))
            return false;
    return sdk_add_u64(end, 1, extent);
}

bool
hub_tensor_contiguous(const struct ckpt_tensor *tensor)
{
    uint64_t expected = 1;
    uint32_t i;

    if (tensor->element_count == 0)
        return true;
    for (i = tensor->rank; i-- > 0;) {
        if (tensor->shape[i] != 1 && tensor->strides[i] != expected)
            return false;
        expected *= tensor->shape[i];
    }
    return true;
}

static int
tensor_fits(struct hub_report *report, const struct ckpt_tensor *tensor,
            const char *name)
{
    uint32_t width = ckpt_dtype_width_bits(tensor->dtype);
    uint64_t extent, bits, size;

    if (tensor->element_count == 0 ||
        tensor->storage->place == CKPT_PLACE_ABSENT)
        return CKPT_OK;
    if (!tensor_extent(tensor, &extent) || !sdk_mul_u64(extent, width, &bits))
        return hub_fail(report, CKPT_FORMAT, name, CKPT_NOWHERE,
                        "strides and offset of a tensor overflow");
    size = bits / 8 + (bits % 8 != 0);
    if (size > tensor->storage->size_bytes)
        return hub_fail(report, CKPT_FORMAT, name, CKPT_NOWHERE,
                        "a view of %llu bytes is beyond its storage of %llu",
                        (unsigned long long)size,
                        (unsigned long long)tensor->storage->size_bytes);
    return CKPT_OK;
}

/* Whether the type has the signs that are to be turned, one a word. */
static bool
tensor_flips(const struct ckpt_tensor *tensor)
{
    switch (tensor->dtype) {
    case CKPT_COMPLEX32:
    case CKPT_COMPLEX64:
    case CKPT_COMPLEX128:
        return (tensor->flips &
                ~(uint32_t)(CKPT_FLIP_CONJUGATE | CKPT_FLIP_NEGATIVE)) == 0;
    case CKPT_FLOAT16:
    case CKPT_BFLOAT16:
    case CKPT_FLOAT32:
    case CKPT_FLOAT64:
        return tensor->flips == CKPT_FLIP_NEGATIVE;
    default:
        return false;
    }
}

int
hub_tensor_check(struct hub_report *report, struct ckpt_tensor *tensor,
                 const char *name)
{
    uint32_t width = ckpt_dtype_width_bits(tensor->dtype);
    uint64_t bits;
    int status;

    if (width == 0)
        return hub_fail(report, CKPT_FORMAT, name, CKPT_NOWHERE,
                        "there is no dtype number %u", tensor->dtype);
    if (!tensor_count(tensor) ||
        !sdk_mul_u64(tensor->element_count, width, &bits) ||
        bits > UINT64_MAX - 7)
        return hub_fail(report, CKPT_FORMAT, name, CKPT_NOWHERE,
                        "the shape of a tensor overflows");
    tensor->size_bytes = (bits + 7) / 8;
    if (tensor->storage->place == CKPT_PLACE_ABSENT)
        tensor->size_bytes = 0;
    if (tensor->flips != 0 && !tensor_flips(tensor))
        return hub_fail(report, CKPT_FORMAT, name, CKPT_NOWHERE,
                        "a tensor of %s whose signs are turned",
                        ckpt_dtype_name(tensor->dtype));
    status = tensor_fits(report, tensor, name);
    if (status == CKPT_OK)
        tensor->contiguous = hub_tensor_contiguous(tensor);
    return status;
}

static bool
storage_word_known(uint32_t word_bytes)
{
    return word_bytes == 1 || word_bytes == 2 || word_bytes == 4 ||
           word_bytes == 8;
}

int
hub_storage_check(struct hub_report *report, const struct ckpt_storage *storage,
                  uint64_t source_size)
{
    if (storage->byte_order > CKPT_BIG_ENDIAN ||
        (storage->byte_order == CKPT_BIG_ENDIAN &&
         !storage_word_known(storage->word_bytes)))
        return hub_fail(report, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                        "no such byte order of a storage");
    if (storage->byte_order == CKPT_BIG_ENDIAN &&
        storage->size_bytes % storage->word_bytes != 0)
        return hub_fail(report, CKPT_FORMAT, NULL, storage->source_offset,
                        "a big-endian storage ends within an element");
    if (storage->place == CKPT_PLACE_SPAN &&
        !sdk_within(storage->source_offset, storage->size_bytes, source_size))
        return hub_fail(report, CKPT_FORMAT, NULL, storage->source_offset,
                        "a storage of %llu bytes is beyond the end of the file",
                        (unsigned long long)storage->size_bytes);
    return CKPT_OK;
}
