/* SPDX-License-Identifier: MIT
 *
 * The check looks at what the pickle came to hold, so that it cannot differ
 * from what a reader will meet: the globals among its words, its floats, and
 * the dtypes of the tensors.
 */
#include "torch_release.h"

#include <string.h>

#include "torch_layout.h"
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

#define IN_0_1 (1u << SDK_TORCH_0_1)
#define IN_1_5 (1u << SDK_TORCH_1_5)
#define IN_1_13 (1u << SDK_TORCH_1_13)
#define IN_2_0 (1u << SDK_TORCH_2_0)

/* The releases before 2.13 that have a name of torch itself, or that load it
 * where they are guarded. Storages are told by their dtypes. */
static const struct {
    const char *name;
    unsigned releases;
} known[] = {
    {"collections.OrderedDict", IN_1_13 | IN_2_0},
    {"torch.Size", IN_0_1 | IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.Tensor", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch._tensor._rebuild_from_type_v2", IN_2_0},
    {"torch._utils._rebuild_meta_tensor_no_storage", IN_1_13 | IN_2_0},
    {"torch._utils._rebuild_parameter", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch._utils._rebuild_qtensor", IN_1_5},
    {"torch._utils._rebuild_sparse_csr_tensor", IN_1_13},
    {"torch._utils._rebuild_sparse_tensor", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch._utils._rebuild_tensor", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch._utils._rebuild_tensor_v2", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch._utils._rebuild_xla_tensor", IN_1_5},
    {"torch.autograd.variable.Variable", IN_0_1},
    {"torch.bfloat16", IN_1_5},
    {"torch.bool", IN_1_5},
    {"torch.complex128", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.complex32", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.complex64", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.device", IN_1_5},
    {"torch.float16", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.float32", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.float64", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.int16", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.int32", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.int64", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.int8", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.nn.parameter.Parameter", IN_0_1 | IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.per_channel_affine", IN_1_5},
    {"torch.per_channel_symmetric", IN_1_5},
    {"torch.per_tensor_affine", IN_1_5},
    {"torch.per_tensor_symmetric", IN_1_5},
    {"torch.qint32", IN_1_5},
    {"torch.qint8", IN_1_5},
    {"torch.quint8", IN_1_5},
    {"torch.serialization._get_layout", IN_1_5 | IN_1_13 | IN_2_0},
    {"torch.storage.UntypedStorage", IN_1_13 | IN_2_0},
    {"torch.uint8", IN_1_5},
};

/* A guarded release loads the names that it knows and no others; one that is
 * not guarded has no others of torch itself. */
static const struct release {
    uint64_t dtypes;
    bool guarded;
    bool floats;
    bool rank_0; /* before 0.4, no dimensions meant no elements */
    bool views;  /* conjugate and negative ones, and compressed layouts */
    bool coalesced;
} releases[] = {
    [SDK_TORCH_0_1] = {DTYPES_0_1, false, true, false, false, false},
    [SDK_TORCH_1_5] = {DTYPES_1_5, false, true, true, false, false},
    [SDK_TORCH_1_13] = {DTYPES_1_13, true, false, true, false, false},
    [SDK_TORCH_2_0] = {DTYPES_1_13, true, true, true, true, false},
    [SDK_TORCH_2_13] = {SDK_TORCH_DTYPES, true, true, true, true, true},
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
release_knows(uint32_t release, const char *module, const char *name)
{
    size_t i;

    if (release == SDK_TORCH_2_13)
        return sdk_torch_safe(module, name) == SDK_TORCH_ALLOWED;
    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (release_is(known[i].name, module, name))
            return known[i].releases & 1u << release;
    return false;
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
release_reads(uint32_t release, const char *module, const char *name)
{
    bool torch = strcmp(module, "torch") == 0 ||
                 strncmp(module, "torch.", strlen("torch.")) == 0;

    if (release != SDK_TORCH_2_13 && release_is_class(module, name))
        return true;
    return (!releases[release].guarded && !torch) ||
           release_knows(release, module, name);
}

static int
fail_rank(const struct ckpt_host *host, const char *name, uint32_t release)
{
    const char *number = sdk_torch_releases[release];

    if (host->remedy != NULL)
        host->remedy(host,
                     "leave such tensors out with -t drop:PATTERN, or write "
                     "without -o torch=%s: from 0.4 on torch has them",
                     number);
    return host->fail(host, CKPT_UNSUPPORTED, name, CKPT_NOWHERE,
                      "torch %s has no tensors without dimensions", number);
}

static int
check_tensors(const struct ckpt_host *host, const struct ckpt_graph *graph,
              uint32_t release)
{
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        const struct ckpt_tensor *tensor = graph->entries[i].value->as.tensor;
        const char *name = graph->entries[i].name.data;

        if (sdk_torch_is_ndarray(tensor))
            continue; /* NumPy has what torch may lack */
        if (!(releases[release].dtypes & CKPT_DTYPE_BIT(tensor->dtype)))
            return host->fail(host, CKPT_UNSUPPORTED, name, CKPT_NOWHERE,
                              "torch %s has no tensors of %s",
                              sdk_torch_releases[release],
                              ckpt_dtype_name(tensor->dtype));
        if (tensor->flips != 0 && !releases[release].views)
            return host->fail(host, CKPT_UNSUPPORTED, name, CKPT_NOWHERE,
                              "torch %s does not know conjugate and "
                              "negative views",
                              sdk_torch_releases[release]);
        if (tensor->rank == 0 && !releases[release].rank_0)
            return fail_rank(host, name, release);
    }
    return CKPT_OK;
}

/* A word of the pickle is a global's module and name, a line each. Python 2
 * calls some modules otherwise. */
static int
check_global(const struct ckpt_host *host, const struct sdk_pickler_word *word,
             uint32_t release)
{
    const char *label = sdk_torch_releases[release];
    bool guarded = releases[release].guarded;
    char module[128], name[128];
    const char *line = memchr(word->text, '\n', word->size_bytes);
    size_t module_bytes = (size_t)(line - word->text);
    size_t name_bytes = word->size_bytes - module_bytes - 2;

    if (module_bytes >= sizeof module || name_bytes >= sizeof name)
        return guarded ? host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
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
                      guarded
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
    int status = check_tensors(host, graph, release);
    uint32_t i;

    for (i = 0; i < pickle->word_count && status == CKPT_OK; i++)
        if (pickle->words[i].lines != NULL && pickle->words[i].memo != 0)
            status = check_global(host, &pickle->words[i], release);
    missing = release_misses(&releases[release], written);
    if (status == CKPT_OK && missing != NULL)
        status = host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                            "torch %s does not load %s in its safe mode", label,
                            missing);
    return status;
}
