/* SPDX-License-Identifier: MIT
 *
 * Quantised, sparse and nested tensors as torch says them, and arrays of
 * NumPy. What the graph has for each is told in torch_layout.h.
 */
#include <string.h>

#include "checked.h"
#include "torch_layout.h"
#include "torch_write_walk.h"

/* ---- Quantisers ---- */

static const char *const tensor_keys[] = {"scale", "zero_point"};
static const char *const channel_keys[] = {"scales", "zero_points", "axis"};

/* Whether a map has exactly these keys, in this order. */
static bool
has_keys(const struct ckpt_value *map, const char *const *keys, size_t count)
{
    const struct ckpt_value *key;
    size_t i;

    if (map->as.map.count != count)
        return false;
    for (i = 0; i < count; i++) {
        key = map->as.map.pairs[i].key;
        if (key->kind != CKPT_KIND_STRING ||
            strcmp(key->as.text.data, keys[i]) != 0)
            return false;
    }
    return true;
}

bool
sdk_torch_walk_is_quantiser(const struct ckpt_attr *attr)
{
    const struct ckpt_value *map = attr->value;

    if (strcmp(attr->name, SDK_TORCH_QUANTISER) != 0 ||
        map->kind != CKPT_KIND_MAP || map->type_name == NULL)
        return false;
    if (strcmp(map->type_name, SDK_TORCH_PER_TENSOR) == 0)
        return has_keys(map, tensor_keys, 2);
    return strcmp(map->type_name, SDK_TORCH_PER_CHANNEL) == 0 &&
           has_keys(map, channel_keys, 3);
}

const struct ckpt_value *
sdk_torch_quantiser(const struct ckpt_value *value)
{
    const struct ckpt_attr *attr;

    for (attr = value->attrs; attr != NULL; attr = attr->next)
        if (sdk_torch_walk_is_quantiser(attr))
            return attr->value;
    return NULL;
}

bool
sdk_torch_has_attrs(const struct ckpt_value *value)
{
    const struct ckpt_attr *attr;

    for (attr = value->attrs; attr != NULL; attr = attr->next)
        if (!sdk_torch_walk_is_quantiser(attr))
            return true;
    return false;
}

void
sdk_torch_walk_quantiser(struct torch_walk *walk,
                         const struct ckpt_value *value)
{
    const struct ckpt_value *map = sdk_torch_quantiser(value);
    uint32_t dtype = value->as.tensor->dtype;
    struct sdk_pickler *pickle = walk->pickle;
    size_t i, count = map->as.map.count;

    if (dtype < CKPT_QINT8 || dtype > CKPT_QUINT2X4)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a quantiser of a type that is not quantised");
    if (count == 3)
        sdk_pickler_op(pickle, SDK_OP_MARK);
    sdk_pickler_global(pickle, "torch", map->type_name + strlen("torch."));
    for (i = 0; i < count; i++)
        sdk_torch_walk_value(walk, map->as.map.pairs[i].value);
    sdk_pickler_tuple(pickle, count + 1);
    sdk_pickler_put(pickle);
}

/* ---- Sparse and nested tensors ---- */

static void
walk_layout(struct torch_walk *walk, const char *name)
{
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_global(pickle, "torch.serialization", "_get_layout");
    sdk_pickler_string(pickle, name);
    sdk_pickler_tuple(pickle, 1);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_pickler_put(pickle);
}

/* The parts are a tuple; with more than three of them after a mark. */
static void
walk_parts(struct torch_walk *walk, const struct ckpt_value *value)
{
    size_t i, count = value->as.map.count;

    if (count > 3)
        sdk_pickler_op(walk->pickle, SDK_OP_MARK);
    for (i = 0; i < count; i++)
        sdk_torch_walk_value(walk, value->as.map.pairs[i].value);
    sdk_pickler_tuple(walk->pickle, count);
    sdk_pickler_put(walk->pickle);
}

bool
sdk_torch_walk_parts(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct sdk_torch_layout *layout = NULL;
    struct sdk_pickler *pickle = walk->pickle;
    size_t count = value->as.map.count;

    if (value->type_name != NULL)
        layout = sdk_torch_layout_find(value->type_name);
    if (layout == NULL)
        return false;
    if (count < layout->least || count > 4 || value->attrs != NULL ||
        !has_keys(value, layout->parts, count)) {
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a sparse or nested tensor of other parts than "
                            "torch has");
        return true;
    }
    if (strcmp(layout->type_name, "torch.nested") == 0) {
        if (walk->form == SDK_TORCH_LEGACY)
            sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                                "a nested tensor, which torch makes before it "
                                "reads the legacy stream's bytes");
        sdk_pickler_global(pickle, "torch._utils", "_rebuild_nested_tensor");
        walk_parts(walk, value);
    } else {
        bool old = walk->result->old_csr &&
                   strcmp(layout->type_name, "torch.sparse_csr") == 0;

        if (layout->least == 4)
            walk->result->has_compressed |= !old;
        else if (count == 4)
            walk->result->has_coalesced = true;
        sdk_pickler_global(pickle, "torch._utils",
                           old ? "_rebuild_sparse_csr_tensor"
                               : "_rebuild_sparse_tensor");
        walk_layout(walk, layout->type_name);
        walk_parts(walk, value);
        sdk_pickler_tuple(pickle, 2);
        sdk_pickler_put(pickle);
    }
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_torch_walk_put(walk, value);
    return true;
}

/* ---- Arrays ---- */

static bool
is_big_endian(const struct ckpt_value *value)
{
    const struct ckpt_attr *attr;

    for (attr = value->attrs; attr != NULL; attr = attr->next)
        if (strcmp(attr->name, SDK_TORCH_BYTE_ORDER) == 0 &&
            attr->value->kind == CKPT_KIND_STRING &&
            strcmp(attr->value->as.text.data, ">") == 0)
            return true;
    return false;
}

/* Whether the first index runs fastest, and that is not the usual order. */
static bool
is_fortran(const struct ckpt_tensor *tensor)
{
    uint64_t step = 1;
    uint32_t i;

    for (i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] != 1 && tensor->strides[i] != step)
            return false;
        step *= tensor->shape[i];
    }
    return !tensor->contiguous;
}

static void
turn_words(unsigned char *bytes, size_t size_bytes, uint32_t word)
{
    unsigned char byte;
    size_t i, k;

    for (i = 0; i + word <= size_bytes; i += word) {
        for (k = 0; k < word / 2; k++) {
            byte = bytes[i + k];
            bytes[i + k] = bytes[i + word - 1 - k];
            bytes[i + word - 1 - k] = byte;
        }
    }
}

/* The bytes in the order of the file: as if the dimensions were turned round
 * where the first index runs fastest. */
static int
read_array(struct torch_walk *walk, const struct ckpt_value *value,
           unsigned char *bytes)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    uint64_t shape[CKPT_MAX_RANK], strides[CKPT_MAX_RANK];
    struct ckpt_tensor view = *tensor;
    uint32_t i;
    int status;

    if (is_fortran(tensor)) {
        for (i = 0; i < tensor->rank; i++) {
            shape[i] = tensor->shape[tensor->rank - 1 - i];
            strides[i] = tensor->strides[tensor->rank - 1 - i];
        }
        view.shape = shape;
        view.strides = strides;
        view.contiguous = true;
    }
    status = walk->host->tensor_read(walk->host, &view, bytes);
    if (status == CKPT_OK && is_big_endian(value))
        turn_words(bytes, (size_t)tensor->size_bytes,
                   ckpt_dtype_word_bytes(tensor->dtype));
    return status;
}

static void
walk_bytes(struct torch_walk *walk, const void *bytes, size_t size_bytes)
{
    struct sdk_pickler *pickle = walk->pickle;

    if (size_bytes == 0) {
        sdk_pickler_global(pickle, "builtins", "bytes");
        sdk_pickler_op(pickle, SDK_OP_EMPTY_TUPLE);
        sdk_pickler_op(pickle, SDK_OP_REDUCE);
        sdk_pickler_put(pickle);
        return;
    }
    sdk_pickler_global(pickle, "_codecs", "encode");
    sdk_pickler_latin1(pickle, bytes, size_bytes);
    sdk_pickler_put(pickle);
    sdk_pickler_string(pickle, "latin1");
    sdk_pickler_tuple(pickle, 2);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_pickler_put(pickle);
}

/* dtype('f4', False, True), then (3, '<', None, None, None, -1, -1, 0) */
static void
walk_type(struct torch_walk *walk, const struct ckpt_value *value,
          const char *type)
{
    const char *order = is_big_endian(value) ? ">" : "<";
    struct sdk_pickler *pickle = walk->pickle;
    int i;

    if (ckpt_dtype_word_bytes(value->as.tensor->dtype) == 1)
        order = "|";
    sdk_pickler_global(pickle, "numpy", "dtype");
    sdk_pickler_string(pickle, type);
    sdk_pickler_bool(pickle, false);
    sdk_pickler_bool(pickle, true);
    sdk_pickler_tuple(pickle, 3);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_MARK);
    sdk_pickler_int(pickle, 3);
    sdk_pickler_string(pickle, order);
    for (i = 0; i < 3; i++)
        sdk_pickler_op(pickle, SDK_OP_NONE);
    sdk_pickler_int(pickle, -1);
    sdk_pickler_int(pickle, -1);
    sdk_pickler_int(pickle, 0);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_BUILD);
}

/* _reconstruct(ndarray, (0,), b'b') */
static void
walk_empty_array(struct torch_walk *walk, const struct ckpt_value *value)
{
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_global(pickle, "numpy.core.multiarray", "_reconstruct");
    sdk_pickler_global(pickle, "numpy", "ndarray");
    sdk_pickler_int(pickle, 0);
    sdk_pickler_tuple(pickle, 1);
    sdk_pickler_put(pickle);
    walk_bytes(walk, "b", 1);
    sdk_pickler_tuple(pickle, 3);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_torch_walk_put(walk, value);
}

/* (1, shape, dtype, is Fortran, bytes) */
static void
walk_array_state(struct torch_walk *walk, const struct ckpt_value *value,
                 const char *type, const unsigned char *bytes)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_op(pickle, SDK_OP_MARK);
    sdk_pickler_int(pickle, 1);
    sdk_torch_walk_dims(walk, value, tensor->shape);
    walk_type(walk, value, type);
    sdk_pickler_bool(pickle, is_fortran(tensor));
    walk_bytes(walk, bytes, (size_t)tensor->size_bytes);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_BUILD);
}

/* _frombuffer(bytearray(bytes), dtype, shape, 'C' or 'F'), which alone keeps
 * the order of bytes. */
static void
walk_from_buffer(struct torch_walk *walk, const struct ckpt_value *value,
                 const char *type, const unsigned char *bytes)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_global(pickle, "numpy.core.numeric", "_frombuffer");
    sdk_pickler_op(pickle, SDK_OP_MARK);
    sdk_pickler_global(pickle, "builtins", "bytearray");
    walk_bytes(walk, bytes, (size_t)tensor->size_bytes);
    sdk_pickler_tuple(pickle, 1);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_pickler_put(pickle);
    walk_type(walk, value, type);
    sdk_torch_walk_dims(walk, value, tensor->shape);
    sdk_pickler_string(pickle, is_fortran(tensor) ? "F" : "C");
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
    sdk_torch_walk_put(walk, value);
}

void
sdk_torch_walk_array(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    const char *type = sdk_torch_array_type(tensor->dtype);
    unsigned char *bytes;
    int status;

    if (type == NULL || tensor->storage->place == CKPT_PLACE_ABSENT) {
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "an array of a type that NumPy does not have");
        return;
    }
    if (walk->pickle->status != CKPT_OK)
        return;
    bytes = walk->host->allocate(walk->host, (size_t)tensor->size_bytes + 1);
    status = bytes == NULL ? CKPT_MEMORY : read_array(walk, value, bytes);
    if (status == CKPT_OK && is_big_endian(value)) {
        walk_from_buffer(walk, value, type, bytes);
    } else if (status == CKPT_OK) {
        walk_empty_array(walk, value);
        walk_array_state(walk, value, type, bytes);
    } else {
        walk->pickle->status = status;
    }
    walk->host->release(walk->host, bytes);
}
