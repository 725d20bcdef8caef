/* SPDX-License-Identifier: MIT
 *
 * The check looks at what the pickle came to hold, so that it cannot differ
 * from what a reader will meet: the globals among its words, its floats, and
 * the dtypes of the tensors.
 */
#include "torch_release.h"

#include <string.h>

#include "torch_safe.h"

const char *const sdk_torch_releases[] = {"0.1", "1.5",  "1.13",
                                          "2.0", "2.13", NULL};

#define BIT(dtype) CKPT_DTYPE_BIT(CKPT_##dtype)
#define DTYPES_0_1                                                          \
    (BIT(FLOAT64) | BIT(FLOAT32) | BIT(FLOAT16) | BIT(INT64) | BIT(INT32) | \
     BIT(INT16) | BIT(INT8) | BIT(UINT8))
#define DTYPES_1_5                                                       \
    (DTYPES_0_1 | BIT(BOOL) | BIT(BFLOAT16) | BIT(QINT8) | BIT(QUINT8) | \
     BIT(QINT32))
#define DTYPES_1_13                                                  \
    (DTYPES_1_5 | BIT(COMPLEX64) | BIT(COMPLEX128) | BIT(QUINT4X2) | \
     BIT(QUINT2X4))

/* Names of torch itself; storages are told by the dtypes. */
static const char *const names_0_1[] = {
    "torch.Size", "torch.nn.parameter.Parameter",
    "torch.autograd.variable.Variable", NULL};

static const char *const names_1_5[] = {"torch.Size",
                                        "torch.Tensor",
                                        "torch.device",
                                        "torch.bfloat16",
                                        "torch.bool",
                                        "torch.complex128",
                                        "torch.complex32",
                                        "torch.complex64",
                                        "torch.float16",
                                        "torch.float32",
                                        "torch.float64",
                                        "torch.int16",
                                        "torch.int32",
                                        "torch.int64",
                                        "torch.int8",
                                        "torch.uint8",
                                        "torch.qint32",
                                        "torch.qint8",
                                        "torch.quint8",
                                        "torch.per_channel_affine",
                                        "torch.per_channel_symmetric",
                                        "torch.per_tensor_affine",
                                        "torch.per_tensor_symmetric",
                                        "torch.nn.parameter.Parameter",
                                        "torch.serialization._get_layout",
                                        "torch._utils._rebuild_parameter",
                                        "torch._utils._rebuild_qtensor",
                                        "torch._utils._rebuild_sparse_tensor",
                                        "torch._utils._rebuild_tensor",
                                        "torch._utils._rebuild_tensor_v2",
                                        "torch._utils._rebuild_xla_tensor",
                                        NULL};

static const char *const names_1_13[] = {
    "collections.OrderedDict",
    "torch.Size",
    "torch.Tensor",
    "torch.complex128",
    "torch.complex32",
    "torch.complex64",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.int16",
    "torch.int32",
    "torch.int64",
    "torch.int8",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch.storage.UntypedStorage",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_sparse_csr_tensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    NULL};

static const char *const names_2_0[] = {
    "collections.OrderedDict",
    "torch.Size",
    "torch.Tensor",
    "torch.complex128",
    "torch.complex32",
    "torch.complex64",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.int16",
    "torch.int32",
    "torch.int64",
    "torch.int8",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch.storage.UntypedStorage",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    NULL};

/* A guarded release loads the names of its list and no others; one that is
 * not guarded has, of torch itself, those of its list. */
static const struct release {
    uint64_t dtypes;
    const char *const *names; /* NULL: those that torch_safe allows */
    bool guarded;
    bool floats;
    bool rank_0; /* before 0.4, no dimensions meant no elements */
    bool views;  /* conjugate and negative ones, and compressed layouts */
    bool coalesced;
} releases[] = {
    [SDK_TORCH_0_1] = {DTYPES_0_1, names_0_1, false, true, false, false, false},
    [SDK_TORCH_1_5] = {DTYPES_1_5, names_1_5, false, true, true, false, false},
    [SDK_TORCH_1_13] = {DTYPES_1_13, names_1_13, true, false, true, false,
                        false},
    [SDK_TORCH_2_0] = {DTYPES_1_13, names_2_0, true, true, true, true, false},
    [SDK_TORCH_2_13] = {SDK_TORCH_DTYPES, NULL, true, true, true, true, true},
};

/* Whether `joined` is "module.name". */
static bool
release_is(const char *joined, const char *module, const char *name)
{
    size_t size = strlen(module);

    return strncmp(joined, module, size) == 0 && joined[size] == '.' &&
           strcmp(joined + size + 1, name) == 0;
}

static bool
release_lists(const struct release *release, const char *module,
              const char *name)
{
    const char *const *listed = release->names;

    while (*listed != NULL && !release_is(*listed, module, name))
        listed++;
    return *listed != NULL;
}

/* Classes of storages and legacy tensors; their dtypes are looked at alone. */
static bool
release_is_class(const char *module, const char *name)
{
    size_t size = strlen(name);

    return strcmp(module, "torch") == 0 &&
           ((size > 7 && strcmp(name + size - 7, "Storage") == 0) ||
            (size > 6 && strcmp(name + size - 6, "Tensor") == 0));
}

static bool
release_reads(const struct release *release, const char *module,
              const char *name)
{
    bool torch = strcmp(module, "torch") == 0 ||
                 strncmp(module, "torch.", strlen("torch.")) == 0;

    if (release->names == NULL)
        return sdk_torch_safe(module, name) == SDK_TORCH_ALLOWED;
    return (!release->guarded && !torch) || release_is_class(module, name) ||
           release_lists(release, module, name);
}

static int
check_tensors(const struct ckpt_host *host, const struct ckpt_graph *graph,
              const struct release *release, const char *label)
{
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        const struct ckpt_tensor *tensor = graph->entries[i].value->as.tensor;
        uint32_t dtype = tensor->dtype;

        if (!(release->dtypes & CKPT_DTYPE_BIT(dtype)))
            return host->fail(host, CKPT_UNSUPPORTED,
                              graph->entries[i].name.data, CKPT_NOWHERE,
                              "torch %s has no tensors of %s", label,
                              ckpt_dtype_name(dtype));
        if (tensor->flips != 0 && !release->views)
            return host->fail(host, CKPT_UNSUPPORTED,
                              graph->entries[i].name.data, CKPT_NOWHERE,
                              "torch %s does not know conjugate and "
                              "negative views",
                              label);
        if (tensor->rank == 0 && !release->rank_0)
            return host->fail(host, CKPT_UNSUPPORTED,
                              graph->entries[i].name.data, CKPT_NOWHERE,
                              "torch %s has no tensors without dimensions",
                              label);
    }
    return CKPT_OK;
}

/* A word of the pickle is a global's module and name, a line each. Python 2
 * calls some modules otherwise. */
static int
check_global(const struct ckpt_host *host, const struct sdk_pickler_word *word,
             const struct release *release, const char *label)
{
    char module[128], name[128];
    const char *line = memchr(word->text, '\n', word->size_bytes);
    size_t module_bytes = (size_t)(line - word->text);
    size_t name_bytes = word->size_bytes - module_bytes - 2;

    if (module_bytes >= sizeof module || name_bytes >= sizeof name)
        return release->guarded
                   ? host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                                "torch %s does not load '%.60s'", label,
                                word->text)
                   : CKPT_OK;
    memcpy(module, word->text, module_bytes);
    module[module_bytes] = '\0';
    memcpy(name, line + 1, name_bytes);
    name[name_bytes] = '\0';
    if (release_reads(release,
                      strcmp(module, "__builtin__") == 0 ? "builtins" : module,
                      name))
        return CKPT_OK;
    return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                      release->guarded
                          ? "torch %s does not load '%s.%s' in its safe mode"
                          : "torch %s has no '%s.%s'",
                      label, module, name);
}

/* What the opcodes of guarded loads cannot say. */
static const char *
release_misses(const struct release *release,
               const struct sdk_torch_pickle *written)
{
    const struct sdk_pickler *pickle = &written->pickle;

    if (written->has_compressed && !release->views)
        return "a compressed sparse tensor";
    if (written->has_coalesced && !release->coalesced)
        return "a sparse tensor that tells whether it is coalesced";
    if (pickle->has_real && !release->floats)
        return "a float";
    if (pickle->has_pop && release->guarded)
        return "a tuple that holds itself";
    if (pickle->has_long_wide && release->guarded)
        return "an int of 256 bytes or more";
    return NULL;
}

int
sdk_torch_release_check(const struct ckpt_host *host,
                        const struct ckpt_graph *graph,
                        const struct sdk_torch_pickle *written,
                        uint32_t release)
{
    const struct sdk_pickler *pickle = &written->pickle;
    const char *label = sdk_torch_releases[release], *missing;
    int status = check_tensors(host, graph, &releases[release], label);
    uint32_t i;

    for (i = 0; i < pickle->word_count && status == CKPT_OK; i++)
        if (pickle->words[i].lines != NULL && pickle->words[i].memo != 0)
            status = check_global(host, &pickle->words[i], &releases[release],
                                  label);
    missing = release_misses(&releases[release], written);
    if (status == CKPT_OK && missing != NULL)
        status = host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                            "torch %s does not load %s in its safe mode", label,
                            missing);
    return status;
}
