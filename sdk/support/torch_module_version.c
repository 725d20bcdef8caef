/* SPDX-License-Identifier: MIT
 *
 * The version of a module's class, which goes into `_metadata`. It is an
 * attribute of the class, and so not in the file: 1, unless its source is in
 * the file, or it is known here that the class as it was saved had another.
 */
#include <string.h>

#include "torch_module.h"

#define LOOK_MAX 64 /* of a few names, these are among the first */

/* Classes of version 2; `child` is in none that are older. */
static const struct {
    const char *module, *name;
    const char *child;
} second[] = {
    {"torchvision.models.densenet", "_DenseBlock", NULL},
    {"torchvision.models.mnasnet", "MNASNet", NULL},
    {"torchvision.models._utils", "IntermediateLayerGetter", NULL},
    {"torchvision.models.quantization.mobilenetv3",
     "QuantizableSqueezeExcitation", NULL},
    {"torchvision.models.vision_transformer", "MLPBlock", "0"},
    {"torchvision.models.detection.rpn", "RPNHead", "conv.0"},
    {"torchvision.ops.feature_pyramid_network", "FeaturePyramidNetwork",
     "inner_blocks.0.0"},
};

/* The value of a name, or NOTHING. */
static uint32_t
look_up(const struct torch_reader *r, const struct torch_pairs *pairs,
        const char *wanted, size_t wanted_bytes)
{
    uint32_t i, key, value, count = sdk_torch_pairs_count(pairs);
    struct ckpt_text text;

    for (i = 0; i < count && i < LOOK_MAX; i++) {
        if (!sdk_torch_pairs_get(r, pairs, i, &key, &value))
            continue;
        if (!sdk_pickled_is_words(r->pickled, key))
            continue;
        text = sdk_pickled_text(r->pickled, key);
        if (text.size_bytes == wanted_bytes &&
            memcmp(text.data, wanted, wanted_bytes) == 0)
            return value;
    }
    return SDK_PICKLED_NOTHING;
}

/* Whether there is a module by that path of names. */
static bool
has_child(struct torch_reader *r, const struct torch_module *module,
          const char *path)
{
    struct torch_module inner = *module;
    size_t size_bytes;
    uint32_t ref;

    for (; path != NULL;
         path = path[size_bytes] ? path + size_bytes + 1 : NULL) {
        size_bytes = strcspn(path, ".");
        ref = look_up(r, &inner.children, path, size_bytes);
        if (ref == SDK_PICKLED_NOTHING ||
            !sdk_torch_module_find(r, ref, &inner))
            return false;
    }
    return true;
}

static bool
is_second(struct torch_reader *r, const struct torch_module *module)
{
    const struct torch_name *class = sdk_torch_class_of(r, module->node);
    size_t i;

    if (class == NULL)
        return false;
    if (strncmp(class->name, "ConvBn", 6) == 0 &&
        strstr(class->module, ".intrinsic.qat.") != NULL)
        return true;
    for (i = 0; i < sizeof second / sizeof *second; i++)
        if (strcmp(class->name, second[i].name) == 0 &&
            strcmp(class->module, second[i].module) == 0)
            return has_child(r, module, second[i].child);
    return false;
}

int64_t
sdk_torch_module_version(struct torch_reader *r,
                         const struct torch_level *level)
{
    const struct torch_module *module = &level->module;
    struct torch_pairs state = {.list = module->state};
    uint32_t own = look_up(r, &state, "_version", 8);

    if (own != SDK_PICKLED_NOTHING &&
        sdk_pickled_kind(r->pickled, own) == SDK_PICKLED_INT)
        return sdk_pickled_at(r->pickled, own)->as.integer;
    if ((level->source & SDK_TORCH_SOURCE_VERSION) != 0)
        return (int64_t)(level->source & SDK_TORCH_SOURCE_VERSION);
    /* Batch and instance norms, whatever their class, since they count. */
    if (look_up(r, &module->buffers, "num_batches_tracked", 19) !=
        SDK_PICKLED_NOTHING)
        return 2;
    return is_second(r, module) ? 2 : 1;
}
