/* SPDX-License-Identifier: MIT
 *
 * The names that torch pickles may mean something by, looked up by module and
 * name together, and the names of Python 2 that stand for those of Python 3.
 */
#include "torch_read_state.h"

#include <string.h>

struct named {
    const char *module, *name;
    uint32_t known;
};

static const struct named functions[] = {
    {"torch._utils", "_rebuild_tensor_v2", TORCH_REBUILD_TENSOR_V2},
    {"collections", "OrderedDict", TORCH_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor", TORCH_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_tensor_v3", TORCH_REBUILD_TENSOR_V3},
    {"torch._utils", "_rebuild_parameter", TORCH_REBUILD_PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state",
     TORCH_REBUILD_PARAMETER_STATE},
    {"torch._tensor", "_rebuild_from_type_v2", TORCH_REBUILD_TYPED},
    {"torch._tensor", "_rebuild_from_type", TORCH_REBUILD_TYPED},
    {"torch.tensor", "_rebuild_from_type", TORCH_REBUILD_TYPED},
    {"torch._utils", "_rebuild_qtensor", TORCH_REBUILD_QUANTISED},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", TORCH_REBUILD_META},
    {"torch._utils", "_rebuild_device_tensor_from_numpy",
     TORCH_REBUILD_DEVICE_ARRAY},
    {"torch._utils", "_rebuild_xla_tensor", TORCH_REBUILD_DEVICE_ARRAY},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor",
     TORCH_REBUILD_DEVICE_TENSOR},
    {"torch._utils", "_rebuild_sparse_tensor", TORCH_REBUILD_SPARSE},
    {"torch._utils", "_rebuild_sparse_csr_tensor", TORCH_REBUILD_SPARSE},
    {"torch._utils", "_rebuild_nested_tensor", TORCH_REBUILD_NESTED},
    {"torch.serialization", "_get_layout", TORCH_LAYOUT},
    {"torch", "per_tensor_affine", TORCH_PER_TENSOR},
    {"torch", "per_channel_affine", TORCH_PER_CHANNEL},
    {"torch", "per_channel_affine_float_qparams", TORCH_PER_CHANNEL},
    {"torch.storage", "_load_from_bytes", TORCH_LOAD_BYTES},
    {"builtins", "tuple", TORCH_TUPLE},
    {"builtins", "bytearray", TORCH_BYTEARRAY},
    {"numpy", "ndarray", TORCH_ARRAY},
    {"numpy", "dtype", TORCH_ARRAY_DTYPE},
    {"numpy.core.multiarray", "_reconstruct", TORCH_ARRAY_RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", TORCH_ARRAY_RECONSTRUCT},
    {"numpy.core.numeric", "_frombuffer", TORCH_ARRAY_FROM_BUFFER},
    {"numpy._core.numeric", "_frombuffer", TORCH_ARRAY_FROM_BUFFER},
    {"torch.nn.parameter", "Parameter", TORCH_OLD_PARAMETER},
    {"torch.autograd.variable", "Variable", TORCH_OLD_VARIABLE},
    {"torch", "Tensor", TORCH_TENSOR},
    {"torch", "Size", TORCH_SIZE},
    {"torch", "device", TORCH_DEVICE},
    {"builtins", "complex", TORCH_COMPLEX},
    {"_codecs", "encode", TORCH_ENCODE},
    {"builtins", "bytes", TORCH_BYTES},
};

static const struct {
    const char *name;
    uint32_t dtype;
} storages[] = {
    {"FloatStorage", CKPT_FLOAT32},
    {"HalfStorage", CKPT_FLOAT16},
    {"BFloat16Storage", CKPT_BFLOAT16},
    {"LongStorage", CKPT_INT64},
    {"DoubleStorage", CKPT_FLOAT64},
    {"IntStorage", CKPT_INT32},
    {"ShortStorage", CKPT_INT16},
    {"CharStorage", CKPT_INT8},
    {"ByteStorage", CKPT_UINT8},
    {"BoolStorage", CKPT_BOOL},
    {"ComplexFloatStorage", CKPT_COMPLEX64},
    {"ComplexDoubleStorage", CKPT_COMPLEX128},
    {"QInt8Storage", CKPT_QINT8},
    {"QUInt8Storage", CKPT_QUINT8},
    {"QInt32Storage", CKPT_QINT32},
    {"QUInt4x2Storage", CKPT_QUINT4X2},
    {"QUInt2x4Storage", CKPT_QUINT2X4},
    {"UntypedStorage", CKPT_DTYPE_NONE},
};

static const char *const renamed_modules[][2] = {
    {"__builtin__", "builtins"}, {"copy_reg", "copyreg"},
    {"exceptions", "builtins"},  {"cPickle", "pickle"},
    {"UserDict", "collections"}, {"StringIO", "io"},
};

static const char *const renamed_names[][2] = {
    {"xrange", "range"},
    {"long", "int"},
    {"unicode", "str"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Protocols up to 2 are written with the names of Python 2. */
static void
rename_old(struct torch_name *name)
{
    bool builtin = strcmp(name->module, "__builtin__") == 0;
    size_t i;

    for (i = 0; builtin && i < COUNT_OF(renamed_names); i++)
        if (strcmp(name->name, renamed_names[i][0]) == 0)
            name->name = renamed_names[i][1];
    for (i = 0; i < COUNT_OF(renamed_modules); i++)
        if (strcmp(name->module, renamed_modules[i][0]) == 0)
            name->module = renamed_modules[i][1];
}

static bool
find_storage(struct torch_name *name)
{
    size_t i;

    if (strcmp(name->module, "torch") != 0 &&
        strcmp(name->module, "torch.cuda") != 0 &&
        strcmp(name->module, "torch.storage") != 0)
        return false;
    for (i = 0; i < COUNT_OF(storages); i++) {
        if (strcmp(name->name, storages[i].name) != 0)
            continue;
        name->known = TORCH_STORAGE;
        name->dtype = storages[i].dtype;
        return true;
    }
    return false;
}

uint32_t
sdk_torch_class_dtype(const char *module, const char *name, const char *ending)
{
    size_t i, stem;

    if (strcmp(module, "torch") != 0 && strcmp(module, "torch.cuda") != 0 &&
        strcmp(module, "torch.storage") != 0)
        return CKPT_DTYPE_NONE;
    for (i = 0; i < COUNT_OF(storages); i++) {
        stem = strlen(storages[i].name) - strlen("Storage");
        if (strncmp(name, storages[i].name, stem) == 0 &&
            strcmp(name + stem, ending) == 0)
            return storages[i].dtype;
    }
    return CKPT_DTYPE_NONE;
}

static bool
find_old_tensor(struct torch_name *name)
{
    uint32_t dtype = sdk_torch_class_dtype(name->module, name->name, "Tensor");

    if (dtype == CKPT_DTYPE_NONE)
        return false;
    name->known = TORCH_OLD_TENSOR;
    name->dtype = dtype;
    return true;
}

const char *
sdk_torch_class_name(uint32_t dtype)
{
    size_t i;

    for (i = 0; i < COUNT_OF(storages); i++)
        if (storages[i].dtype == dtype)
            return storages[i].name;
    return NULL;
}

static void
find_known(struct torch_name *name)
{
    size_t i;

    for (i = 0; i < COUNT_OF(functions); i++) {
        if (strcmp(name->name, functions[i].name) == 0 &&
            strcmp(name->module, functions[i].module) == 0) {
            name->known = functions[i].known;
            return;
        }
    }
    if (find_storage(name) || find_old_tensor(name) ||
        strcmp(name->module, "torch") != 0)
        return;
    name->dtype = ckpt_dtype_from_name(name->name);
    if (name->dtype != CKPT_DTYPE_NONE)
        name->known = TORCH_DTYPE;
}

const struct torch_name *
sdk_torch_name_of(struct torch_reader *r, uint32_t ref)
{
    size_t at = ref % TORCH_CACHED;
    struct torch_name *name = &r->cache[at].name;

    if (r->cache[at].ref == ref + 1)
        return name;
    memset(name, 0, sizeof *name);
    r->cache[at].ref = ref + 1;
    name->module = sdk_pickled_module(r->pickled, ref);
    name->name = sdk_pickled_name(r->pickled, ref);
    if (r->pickled->protocol <= 2)
        rename_old(name);
    find_known(name);
    return name;
}

static uint32_t
known_callee(struct torch_reader *r, uint32_t ref)
{
    uint32_t callee =
        sdk_torch_class(r, sdk_pickled_call(r->pickled, ref).callee);

    if (sdk_pickled_kind(r->pickled, callee) != SDK_PICKLED_GLOBAL)
        return TORCH_UNKNOWN;
    return sdk_torch_name_of(r, callee)->known;
}

uint32_t
sdk_torch_known_call(struct torch_reader *r, uint32_t ref)
{
    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_CALL)
        return TORCH_UNKNOWN;
    return known_callee(r, ref);
}

uint32_t
sdk_torch_known_tensor(struct torch_reader *r, uint32_t ref)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref);
    uint32_t least = TORCH_REBUILD_TENSOR, known;

    if (kind == SDK_PICKLED_NEW)
        least = TORCH_OLD_PARAMETER;
    else if (kind != SDK_PICKLED_CALL)
        return TORCH_UNKNOWN;
    known = known_callee(r, ref);
    return known >= least && known <= TORCH_OLD_TENSOR ? known : TORCH_UNKNOWN;
}
