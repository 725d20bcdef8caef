/* SPDX-License-Identifier: MIT
 *
 * What Keras 2 looks for: `layer_names` where the layers are, `weight_names`
 * in each layer's group, and which Keras wrote it. Layers without weights
 * have a group and an empty list.
 */
#include <string.h>

#include "hdf5_layers.h"
#include "hdf5_write.h"

/* The layout is that of any Keras 2: kernels are not to be turned round. */
#define BACKEND "tensorflow"
#define VERSION "2.15.0"

static int
layer_weights(struct hdf5_out *out, struct hdf5_layers *layers, size_t layer)
{
    const struct ckpt_text *path = &layers->paths[layer];
    size_t count = hdf5_layers_weights(layers, layer);
    hid_t group = -1;
    int status = hdf5_out_group(out, path->data, path->size_bytes, &group);

    if (status == CKPT_END)
        return out->host->fail(out->host, CKPT_UNSUPPORTED, path->data,
                               CKPT_NOWHERE,
                               "a layer has the name of a tensor");
    if (status == CKPT_OK)
        status = hdf5_out_list(out, group, "weight_names", layers->list, count);
    if (group >= 0)
        H5Gclose(group);
    return status;
}

/* Whether the attribute is there, as the graph's own. */
static bool
layers_told(struct hdf5_out *out, const char *own)
{
    const struct ckpt_text *base = &out->names.base;
    const struct ckpt_attr *attr = out->graph->attrs;
    const char *name;
    size_t path;

    for (; attr != NULL; attr = attr->next) {
        path = hdf5_attr_path(attr->name, &name);
        if (strcmp(name, own) == 0 &&
            path == base->size_bytes - (base->size_bytes > 0) &&
            memcmp(attr->name, base->data, path) == 0)
            return true;
    }
    return false;
}

static int
layers_names(struct hdf5_out *out, struct hdf5_layers *layers)
{
    size_t base = out->names.base.size_bytes;
    size_t count = hdf5_layers_names(layers);
    hid_t group = -1;
    int status =
        hdf5_out_group(out, out->names.base.data, base - (base > 0), &group);

    if (status == CKPT_OK)
        status = hdf5_out_list(out, group, "layer_names", layers->list, count);
    if (status == CKPT_OK && !layers_told(out, "backend"))
        status = hdf5_out_string(out, group, "backend", BACKEND);
    if (status == CKPT_OK && !layers_told(out, "keras_version"))
        status = hdf5_out_string(out, group, "keras_version", VERSION);
    if (group >= 0)
        H5Gclose(group);
    return status;
}

int
hdf5_out_layers(struct hdf5_out *out)
{
    struct hdf5_layers *layers = &out->layers;
    int status = hdf5_layers_init(layers, &out->names, out->graph);
    size_t i;

    if (status == CKPT_OK)
        status = layers_names(out, layers);
    for (i = 0; i < layers->count && status == CKPT_OK; i++)
        status = layer_weights(out, layers, i);
    return status;
}
