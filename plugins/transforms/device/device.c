/* SPDX-License-Identifier: MIT
 *
 * The transform `device`: other labels for storages, with the meaning of
 * torch's map_location. No device is needed or touched, and no byte of the
 * data changes.
 */
#include "ckpt/plugin.h"

#include <string.h>

#include "device_label.h"
#include "device_torch.h"
#include "graph_each.h"
#include "torch_layout.h"

struct device {
    const struct ckpt_host *host;
    struct device_pair *pairs;
    size_t pair_count;
    struct ckpt_edits *edits;
    unsigned char *met; /* a flag for each storage id */
};

static int
device_open(const struct ckpt_host *host, const char *argument,
            const struct ckpt_option_value *options, void **self)
{
    struct device *device = host->allocate(host, sizeof *device);
    int status;

    (void)options;
    if (device == NULL)
        return CKPT_MEMORY;
    status = device_parse(host, argument, &device->pairs, &device->pair_count);
    if (status == CKPT_OK)
        *self = device;
    else
        host->release(host, device);
    return status;
}

/* The pair for a label, or NULL. A torch.device equals no string, so only the
 * one label for all is for it. */
static struct device_pair *
pair_find(struct device *device, const char *label, size_t length,
          bool is_string)
{
    struct device_pair *pair = device->pairs;
    size_t i;

    for (i = 0; i < device->pair_count; i++, pair++)
        if (pair->from == NULL || (is_string && pair->from_bytes == length &&
                                   memcmp(pair->from, label, length) == 0))
            return pair;
    return NULL;
}

static int
device_tensor(struct device *device, const struct ckpt_storage *storage)
{
    struct device_pair *pair;

    /* map_location moves bytes, and these tensors have none. */
    if (device->met[storage->id] || storage->place == CKPT_PLACE_ABSENT)
        return CKPT_OK;
    device->met[storage->id] = 1;
    pair = pair_find(device, storage->device, strlen(storage->device), true);
    if (pair == NULL)
        return CKPT_OK;
    pair->matched++;
    return device->host->edit_relabel(device->host, device->edits, storage,
                                      pair->to);
}

static int
device_object(struct device *device, const struct ckpt_object *object)
{
    const struct ckpt_host *host = device->host;
    const struct ckpt_value *tuple, *old;
    struct ckpt_value like = {0}, *value;
    struct device_pair *pair;
    size_t index;
    int status;

    if (!device_torch_place(object, &tuple, &index))
        return CKPT_OK;
    old = tuple->as.list.items[index];
    if (old->kind != CKPT_KIND_STRING && old->kind != CKPT_KIND_DEVICE)
        return CKPT_OK;
    pair = pair_find(device, old->as.text.data, old->as.text.size_bytes,
                     old->kind == CKPT_KIND_STRING);
    if (pair == NULL)
        return CKPT_OK;
    pair->matched++;
    like.kind = old->kind;
    like.as.text.data = pair->to;
    like.as.text.size_bytes = strlen(pair->to);
    status = host->value_new(host, host->edit_graph(host, device->edits), &like,
                             sizeof like, &value);
    if (status != CKPT_OK)
        return status;
    return host->edit_replace(host, device->edits, tuple, index, value);
}

static int
device_visit(void *context, const struct ckpt_value *value)
{
    struct device *device = context;

    /* Arrays of NumPy are tensors here, but live on no device. */
    if (value->kind == CKPT_KIND_TENSOR)
        return sdk_torch_is_ndarray(value->as.tensor)
                   ? CKPT_OK
                   : device_tensor(device, value->as.tensor->storage);
    if (value->kind == CKPT_KIND_OBJECT)
        return device_object(device, value->as.object);
    return CKPT_OK;
}

static int
device_apply(const struct ckpt_host *host, void *self,
             const struct ckpt_graph *const *graphs, size_t graph_count,
             struct ckpt_edits *edits)
{
    struct device *device = self;
    size_t i;
    int status;

    (void)graph_count;
    device->host = host;
    device->edits = edits;
    device->met = host->allocate(host, (size_t)graphs[0]->storage_count);
    if (device->met == NULL)
        return CKPT_MEMORY;
    status = sdk_graph_each(host, graphs[0], device_visit, device);
    for (i = 0; i < device->pair_count && status == CKPT_OK; i++)
        if (device->pairs[i].from != NULL && device->pairs[i].matched == 0)
            host->edit_unmatched(host, edits, "nothing is on '%.*s'",
                                 (int)device->pairs[i].from_bytes,
                                 device->pairs[i].from);
    host->release(host, device->met);
    return status;
}

static void
device_close(const struct ckpt_host *host, void *self)
{
    struct device *device = self;

    host->release(host, device->pairs);
    host->release(host, device);
}

static const struct ckpt_transform device_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "device",
    .summary = "other devices for tensors, as map_location of torch has it",
    .argument = "DEVICE|FROM=TO[,FROM=TO]...",
    .open = device_open,
    .apply = device_apply,
    .close = device_close,
};

static const struct ckpt_transform *const device_transforms[] = {
    &device_transform, NULL};

CKPT_PLUGIN(device) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "device",
    .version = "0.1.0",
    .summary = "device labels",
    .transforms = device_transforms,
};
