/* SPDX-License-Identifier: MIT
 *
 * Tensors as calls of torch's rebuild functions, and the tuples that name
 * their storages.
 */
#include "torch_layout.h"
#include "torch_write_walk.h"

#include <string.h>

const char *
sdk_torch_storage_class(uint32_t dtype)
{
    static const char *const classes[CKPT_DTYPE_COUNT] = {
        [CKPT_BOOL] = "BoolStorage",
        [CKPT_UINT8] = "ByteStorage",
        [CKPT_INT8] = "CharStorage",
        [CKPT_INT16] = "ShortStorage",
        [CKPT_INT32] = "IntStorage",
        [CKPT_INT64] = "LongStorage",
        [CKPT_FLOAT16] = "HalfStorage",
        [CKPT_BFLOAT16] = "BFloat16Storage",
        [CKPT_FLOAT32] = "FloatStorage",
        [CKPT_FLOAT64] = "DoubleStorage",
        [CKPT_COMPLEX64] = "ComplexFloatStorage",
        [CKPT_COMPLEX128] = "ComplexDoubleStorage",
        [CKPT_QINT8] = "QInt8Storage",
        [CKPT_QUINT8] = "QUInt8Storage",
        [CKPT_QINT32] = "QInt32Storage",
        [CKPT_QUINT4X2] = "QUInt4x2Storage",
        [CKPT_QUINT2X4] = "QUInt2x4Storage"};

    return dtype < CKPT_DTYPE_COUNT ? classes[dtype] : NULL;
}

/* The dtype by which torch compares the classes of a storage: one without a
 * class counts as bytes. */
static uint32_t
torch_class_dtype(uint32_t dtype)
{
    return sdk_torch_storage_class(dtype) != NULL ? dtype : CKPT_UINT8;
}

/* What a storage's class counts in; packed values count by their bytes. */
static uint32_t
torch_item_bytes(uint32_t dtype)
{
    uint32_t width_bits = ckpt_dtype_width_bits(dtype);

    return width_bits < 8 ? 1 : width_bits / 8;
}

void
sdk_torch_walk_words(struct torch_walk *walk)
{
    struct sdk_pickler *pickle = walk->pickle;
    uint32_t *words = walk->words;

    words[TORCH_ORDERED_DICT] =
        sdk_pickler_global_word(pickle, "collections", "OrderedDict");
    words[TORCH_TENSOR_V2] =
        sdk_pickler_global_word(pickle, "torch._utils", "_rebuild_tensor_v2");
    words[TORCH_TENSOR_V3] =
        sdk_pickler_global_word(pickle, "torch._utils", "_rebuild_tensor_v3");
    words[TORCH_PARAMETER] =
        sdk_pickler_global_word(pickle, "torch._utils", "_rebuild_parameter");
    words[TORCH_PARAMETER_STATE] = sdk_pickler_global_word(
        pickle, "torch._utils", "_rebuild_parameter_with_state");
    if (walk->form == SDK_TORCH_TAR)
        words[TORCH_PARAMETER_CLASS] =
            sdk_pickler_global_word(pickle, "torch.nn.parameter", "Parameter");
    words[TORCH_STORAGE] = sdk_pickler_string_word(pickle, "storage", 7);
    words[TORCH_CPU] = sdk_pickler_string_word(pickle, "cpu", 3);
    sdk_pickler_string_word(pickle, "meta", 4);
    sdk_pickler_string_word(pickle, "mps", 3);
    sdk_pickler_string_word(pickle, "latin1", 6);
    sdk_pickler_string_word(pickle, "_metadata", 9);
}

/* One storage has one class. Where dtypes differ or do not divide it, it is
 * untyped. Python interns the names of attributes, as it does the keys that
 * stand in a program: equal ones are one object, whichever comes first. */
void
sdk_torch_walk_scan(struct torch_walk *walk)
{
    const struct ckpt_graph *graph = walk->graph;
    const struct ckpt_tensor *tensor;
    const struct ckpt_attr *attr;
    struct torch_storage *storage;
    uint32_t dtype;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        for (attr = graph->entries[i].value->attrs; attr; attr = attr->next)
            sdk_pickler_string_word(walk->pickle, attr->name,
                                    strlen(attr->name));
        tensor = graph->entries[i].value->as.tensor;
        if (tensor->storage->place == CKPT_PLACE_ABSENT ||
            sdk_torch_is_ndarray(tensor))
            continue;
        storage = &walk->storages[tensor->storage->id];
        dtype = torch_class_dtype(tensor->dtype);
        if (storage->dtype == 0)
            storage->dtype = dtype;
        if (storage->dtype != dtype ||
            tensor->storage->size_bytes % torch_item_bytes(dtype) != 0)
            storage->untyped = true;
    }
}

/* Devices that no tag of a storage may name: their tensors are saved as those
 * of the CPU with a word of where they were. */
static bool
torch_without_tag(const char *device)
{
    static const char *const types[] = {"xla", "ort", "maia"};
    size_t i, length = strcspn(device, ":");

    for (i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == length &&
            strncmp(types[i], device, length) == 0)
            return true;
    return false;
}

void
sdk_torch_walk_use(struct torch_walk *walk, const struct ckpt_storage *storage,
                   uint32_t dtype)
{
    struct sdk_torch_pickle *result = walk->result;
    struct sdk_torch_use *uses = result->uses;
    size_t capacity = walk->use_capacity ? walk->use_capacity * 2 : 64;

    if (result->use_count == walk->use_capacity) {
        uses =
            walk->host->reallocate(walk->host, uses, capacity * sizeof *uses);
        if (uses == NULL) {
            walk->pickle->status = CKPT_MEMORY;
            return;
        }
        result->uses = uses;
        walk->use_capacity = capacity;
    }
    memset(&uses[result->use_count], 0, sizeof *uses);
    uses[result->use_count].storage = storage;
    uses[result->use_count].item_bytes =
        dtype == 0 ? 1 : torch_item_bytes(dtype);
    uses[result->use_count].dtype = dtype;
    uses[result->use_count].location =
        torch_without_tag(storage->device) ? "cpu" : storage->device;
    result->use_count++;
}

size_t
sdk_torch_key(size_t index, char key[SDK_TORCH_KEY_BYTES])
{
    char digits[SDK_TORCH_KEY_BYTES], *end = digits + sizeof digits;
    char *p = end;

    *--p = 0;
    do
        *--p = (char)('0' + index % 10);
    while ((index /= 10) > 0);
    memcpy(key, p, (size_t)(end - p));
    return (size_t)(end - p) - 1;
}

static void
torch_walk_key(struct torch_walk *walk, const struct ckpt_storage *storage,
               uint32_t dtype)
{
    struct torch_storage *state = &walk->storages[storage->id];
    char key[SDK_TORCH_KEY_BYTES];
    size_t size_bytes;

    if (state->key != 0 && walk->form == SDK_TORCH_ZIP) {
        sdk_pickler_get(walk->pickle, state->key_memo);
        return;
    }
    if (state->key == 0) {
        sdk_torch_walk_use(walk, storage, dtype);
        state->key = (uint32_t)walk->result->use_count;
    }
    size_bytes = sdk_torch_key(state->key - 1, key);
    sdk_pickler_text(walk->pickle, key, size_bytes);
    state->key_memo = sdk_pickler_put(walk->pickle);
}

/* torch's constants are one string; "cuda:0" is made anew each time. */
static void
torch_walk_label(struct torch_walk *walk, const char *label)
{
    if (strcmp(label, "cpu") == 0) {
        sdk_pickler_word(walk->pickle, walk->words[TORCH_CPU]);
    } else if (strchr(label, ':') == NULL) {
        sdk_pickler_string(walk->pickle, label);
    } else {
        sdk_pickler_text(walk->pickle, label, strlen(label));
        sdk_pickler_put(walk->pickle);
    }
}

static void
torch_walk_class(struct torch_walk *walk, uint32_t dtype)
{
    uint32_t *word = &walk->class_words[dtype];

    if (*word == 0)
        *word =
            1 + (dtype == 0
                     ? sdk_pickler_global_word(walk->pickle, "torch.storage",
                                               "UntypedStorage")
                     : sdk_pickler_global_word(walk->pickle, "torch",
                                               sdk_torch_storage_class(dtype)));
    sdk_pickler_word(walk->pickle, *word - 1);
}

/* The tuple that names a storage; `dtype` is that of its class, or 0. */
static void
torch_walk_id(struct torch_walk *walk, const struct ckpt_storage *storage,
              uint32_t dtype)
{
    struct sdk_pickler *pickle = walk->pickle;
    uint32_t item_bytes = dtype == 0 ? 1 : torch_item_bytes(dtype);

    if (walk->form == SDK_TORCH_TAR) {
        sdk_torch_walk_name_storage(walk, storage, dtype);
        return;
    }
    sdk_pickler_op(pickle, SDK_OP_MARK);
    sdk_pickler_word(pickle, walk->words[TORCH_STORAGE]);
    torch_walk_class(walk, dtype);
    torch_walk_key(walk, storage, dtype);
    torch_walk_label(
        walk, torch_without_tag(storage->device) ? "cpu" : storage->device);
    sdk_pickler_int(pickle, (int64_t)(storage->size_bytes / item_bytes));
    if (walk->form == SDK_TORCH_LEGACY)
        sdk_pickler_op(pickle, SDK_OP_NONE);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_BINPERSID);
}

/* The dtype of the class of a tensor's storage; 0: untyped. */
static uint32_t
torch_walk_dtype(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    bool untyped = walk->storages[tensor->storage->id].untyped ||
                   sdk_torch_storage_class(tensor->dtype) == NULL;

    if (untyped && walk->form != SDK_TORCH_ZIP)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            walk->form == SDK_TORCH_TAR
                                ? "a storage that no one class of the tar form "
                                  "can hold"
                                : "a storage that no one class of the legacy "
                                  "stream can hold");
    return untyped ? 0 : tensor->dtype;
}

/* Whether the tensor is all of its storage. */
static bool
torch_is_whole(const struct ckpt_tensor *tensor)
{
    uint64_t width_bits = ckpt_dtype_width_bits(tensor->dtype);

    return tensor->offset == 0 && tensor->contiguous &&
           tensor->element_count ==
               tensor->storage->size_bytes * 8 / width_bits;
}

void
sdk_torch_walk_storage(struct torch_walk *walk, const struct ckpt_value *value,
                       bool untyped)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    uint32_t dtype = torch_walk_dtype(walk, value);

    if (untyped && walk->form != SDK_TORCH_ZIP)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a bare storage without a class");
    if (!untyped && dtype == 0)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a bare storage that has no one class");
    if (torch_is_whole(tensor))
        torch_walk_id(walk, tensor->storage, untyped ? 0 : dtype);
    else if (walk->form == SDK_TORCH_TAR && tensor->contiguous)
        sdk_torch_walk_name_view(walk, tensor, dtype);
    else
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a bare storage that is a part of another");
}

void
sdk_torch_walk_dims(struct torch_walk *walk, const struct ckpt_value *value,
                    const uint64_t *dims)
{
    uint32_t i, rank = value->as.tensor->rank;

    if (rank > 3)
        sdk_pickler_op(walk->pickle, SDK_OP_MARK);
    for (i = 0; i < rank; i++) {
        if (dims[i] > INT64_MAX)
            sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                                "a size or stride of 2^63 or more");
        sdk_pickler_int(walk->pickle, (int64_t)dims[i]);
    }
    sdk_pickler_tuple(walk->pickle, rank);
    if (rank > 0)
        sdk_pickler_put(walk->pickle);
}

/* Hooks are never saved: an empty OrderedDict stands for them. */
static void
torch_walk_hooks(struct torch_walk *walk)
{
    sdk_pickler_word(walk->pickle, walk->words[TORCH_ORDERED_DICT]);
    sdk_pickler_op(walk->pickle, SDK_OP_EMPTY_TUPLE);
    sdk_pickler_op(walk->pickle, SDK_OP_REDUCE);
    sdk_pickler_put(walk->pickle);
}

/* ---- Calls ---- */

/* How a tensor is rebuilt. */
enum torch_form { TORCH_FORM_PLAIN, TORCH_FORM_QUANTISED, TORCH_FORM_META };

static uint32_t
torch_form_of(const struct ckpt_value *value)
{
    if (value->as.tensor->storage->place == CKPT_PLACE_ABSENT)
        return TORCH_FORM_META;
    return sdk_torch_quantiser(value) != NULL ? TORCH_FORM_QUANTISED
                                              : TORCH_FORM_PLAIN;
}

/* The function that rebuilds a tensor of that class dtype. */
static void
torch_walk_rebuild(struct torch_walk *walk, const struct ckpt_value *value,
                   uint32_t dtype)
{
    switch (torch_form_of(value)) {
    case TORCH_FORM_META:
        sdk_pickler_global(walk->pickle, "torch._utils",
                           "_rebuild_meta_tensor_no_storage");
        return;
    case TORCH_FORM_QUANTISED:
        sdk_pickler_global(walk->pickle, "torch._utils", "_rebuild_qtensor");
        return;
    default:
        sdk_pickler_word(
            walk->pickle,
            walk->words[dtype == 0 ? TORCH_TENSOR_V3 : TORCH_TENSOR_V2]);
    }
}

/* {'conj': True, 'neg': True} */
static void
torch_walk_flips(struct torch_walk *walk, uint32_t flips)
{
    struct sdk_pickler *pickle = walk->pickle;
    bool both = flips == (CKPT_FLIP_CONJUGATE | CKPT_FLIP_NEGATIVE);

    sdk_pickler_op(pickle, SDK_OP_EMPTY_DICT);
    sdk_pickler_put(pickle);
    if (both)
        sdk_pickler_op(pickle, SDK_OP_MARK);
    if (flips & CKPT_FLIP_CONJUGATE) {
        sdk_pickler_string(pickle, "conj");
        sdk_pickler_bool(pickle, true);
    }
    if (flips & CKPT_FLIP_NEGATIVE) {
        sdk_pickler_string(pickle, "neg");
        sdk_pickler_bool(pickle, true);
    }
    sdk_pickler_op(pickle, both ? SDK_OP_SETITEMS : SDK_OP_SETITEM);
}

/* dtype, size, stride, requires_grad */
static void
torch_walk_meta_args(struct torch_walk *walk, const struct ckpt_value *value,
                     bool requires_grad)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_op(pickle, SDK_OP_MARK);
    sdk_pickler_global(pickle, "torch", ckpt_dtype_name(tensor->dtype));
    sdk_torch_walk_dims(walk, value, tensor->shape);
    sdk_torch_walk_dims(walk, value, tensor->strides);
    sdk_pickler_bool(pickle, requires_grad);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
}

/* The arguments of the function. */
static void
torch_walk_rebuild_args(struct torch_walk *walk, const struct ckpt_value *value,
                        uint32_t dtype, bool requires_grad)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    struct sdk_pickler *pickle = walk->pickle;
    uint32_t form = torch_form_of(value);

    if (form == TORCH_FORM_META) {
        torch_walk_meta_args(walk, value, requires_grad);
        return;
    }
    if (tensor->offset > INT64_MAX)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "an offset of 2^63 or more");
    sdk_pickler_op(pickle, SDK_OP_MARK);
    torch_walk_id(walk, tensor->storage, dtype);
    sdk_pickler_int(pickle, (int64_t)tensor->offset);
    sdk_torch_walk_dims(walk, value, tensor->shape);
    sdk_torch_walk_dims(walk, value, tensor->strides);
    if (form == TORCH_FORM_QUANTISED)
        sdk_torch_walk_quantiser(walk, value);
    sdk_pickler_bool(pickle, requires_grad);
    torch_walk_hooks(walk);
    if (form == TORCH_FORM_PLAIN && dtype == 0)
        sdk_pickler_global(pickle, "torch", ckpt_dtype_name(tensor->dtype));
    if (form == TORCH_FORM_PLAIN && tensor->flips != 0)
        torch_walk_flips(walk, tensor->flips);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
}

/* The dtype of the storage's class, 0 for one that is untyped or absent. */
static uint32_t
torch_walk_class_dtype(struct torch_walk *walk, const struct ckpt_value *value)
{
    uint32_t dtype = 0;

    if (torch_form_of(value) != TORCH_FORM_META)
        dtype = torch_walk_dtype(walk, value);
    if (dtype == 0 && torch_form_of(value) == TORCH_FORM_QUANTISED)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a quantised tensor on a storage that has no one "
                            "class");
    return dtype;
}

/* The function called, without class and attributes. */
static void
torch_walk_called(struct torch_walk *walk, const struct ckpt_value *value,
                  bool requires_grad)
{
    uint32_t dtype = torch_walk_class_dtype(walk, value);

    torch_walk_rebuild(walk, value, dtype);
    torch_walk_rebuild_args(walk, value, dtype, requires_grad);
    sdk_pickler_op(walk->pickle, SDK_OP_REDUCE);
}

/* The same, but of a device that has no tags: (tensor, dtype, device,
 * requires_grad). */
static void
torch_walk_plain(struct torch_walk *walk, const struct ckpt_value *value,
                 bool requires_grad)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    const char *device = tensor->storage->device;
    struct sdk_pickler *pickle = walk->pickle;

    if (!torch_without_tag(device) ||
        tensor->storage->place == CKPT_PLACE_ABSENT) {
        torch_walk_called(walk, value, requires_grad);
        return;
    }
    if (walk->form == SDK_TORCH_LEGACY)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a tensor of such a device, of which torch makes "
                            "a copy before it reads the legacy stream's bytes");
    sdk_pickler_global(pickle, "torch._utils",
                       "_rebuild_device_tensor_from_cpu_tensor");
    sdk_pickler_op(pickle, SDK_OP_MARK);
    torch_walk_called(walk, value, false);
    sdk_pickler_put(pickle);
    sdk_pickler_global(pickle, "torch", ckpt_dtype_name(tensor->dtype));
    sdk_pickler_text(pickle, device, strlen(device));
    sdk_pickler_put(pickle);
    sdk_pickler_bool(pickle, requires_grad);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
}

/* A tensor with a class or attributes: (function, class, its arguments,
 * attributes). */
static void
torch_walk_attributed(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor = value->as.tensor;
    struct sdk_pickler *pickle = walk->pickle;
    uint32_t dtype = torch_walk_class_dtype(walk, value);

    if ((SDK_TORCH_DTYPES & CKPT_DTYPE_BIT(tensor->dtype)) == 0)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a tensor of a type that torch does not know");
    if (torch_without_tag(tensor->storage->device))
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a tensor with attributes on such a device");
    sdk_pickler_global(pickle, "torch._tensor", "_rebuild_from_type_v2");
    sdk_pickler_op(pickle, SDK_OP_MARK);
    torch_walk_rebuild(walk, value, dtype);
    if (tensor->type_name != NULL)
        sdk_torch_walk_class(walk, value, tensor->type_name);
    else
        sdk_pickler_global(pickle, "torch", "Tensor");
    torch_walk_rebuild_args(walk, value, dtype, tensor->requires_grad);
    sdk_torch_walk_attrs(walk, value->attrs);
    sdk_pickler_op(pickle, SDK_OP_TUPLE);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
}

/* The tensor itself, without what makes it more. */
static void
torch_walk_data(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor = value->as.tensor;

    if (walk->form == SDK_TORCH_TAR && tensor->flips == 0 &&
        torch_form_of(value) == TORCH_FORM_PLAIN &&
        !torch_without_tag(tensor->storage->device))
        sdk_torch_walk_name_tensor(walk, value->as.tensor,
                                   torch_walk_dtype(walk, value));
    else
        torch_walk_plain(walk, value, false);
}

/* As torch 0.1 knows it, and all since. */
static void
torch_walk_parameter_old(struct torch_walk *walk,
                         const struct ckpt_value *value)
{
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_word(pickle, walk->words[TORCH_PARAMETER_CLASS]);
    torch_walk_data(walk, value);
    sdk_pickler_put(pickle);
    sdk_pickler_bool(pickle, value->as.tensor->requires_grad);
    sdk_pickler_tuple(pickle, 2);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
}

/* The tensor under it is an object of its own, which nothing else names. */
static void
torch_walk_parameter(struct torch_walk *walk, const struct ckpt_value *value)
{
    struct sdk_pickler *pickle = walk->pickle;
    bool state = sdk_torch_has_attrs(value);

    if (value->as.tensor->type_name != NULL)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a parameter of a class of its own");
    if (walk->form == SDK_TORCH_TAR && !state) {
        torch_walk_parameter_old(walk, value);
        return;
    }
    sdk_pickler_word(
        pickle, walk->words[state ? TORCH_PARAMETER_STATE : TORCH_PARAMETER]);
    if (state)
        sdk_pickler_op(pickle, SDK_OP_MARK);
    torch_walk_data(walk, value);
    sdk_pickler_put(pickle);
    sdk_pickler_bool(pickle, value->as.tensor->requires_grad);
    torch_walk_hooks(walk);
    if (state)
        sdk_torch_walk_attrs(walk, value->attrs);
    sdk_pickler_tuple(pickle, state ? 4 : 3);
    sdk_pickler_put(pickle);
    sdk_pickler_op(pickle, SDK_OP_REDUCE);
}

void
sdk_torch_walk_tensor(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_tensor *tensor = value->as.tensor;

    if (sdk_torch_is_ndarray(tensor)) {
        sdk_torch_walk_array(walk, value);
        return;
    }
    if (tensor->role == CKPT_ROLE_PARAMETER && walk->depth != walk->state_depth)
        torch_walk_parameter(walk, value);
    else if (tensor->type_name != NULL || sdk_torch_has_attrs(value))
        torch_walk_attributed(walk, value);
    else if (tensor->requires_grad)
        torch_walk_plain(walk, value, true);
    else
        torch_walk_data(walk, value);
    sdk_torch_walk_put(walk, value);
}
