/* SPDX-License-Identifier: MIT
 *
 * Which parameters are trained, as far as a graph tells.
 */
#include "training.h"

#include <string.h>

#include "graph_each.h"
#include "torch_read.h"

static int
owner_visit(void *context, const struct ckpt_value *value)
{
    struct training_flags *flags = context;

    if (value->kind >= CKPT_KIND_LIST && value->kind <= CKPT_KIND_MAP)
        sdk_trained_look(&flags->owners[value->id].trained, value);
    return CKPT_OK;
}

static int
names_fill(struct training_flags *flags, const struct ckpt_value *list)
{
    const struct ckpt_value *name;
    bool added;
    size_t i;

    for (i = 0; list->kind == CKPT_KIND_LIST && i < list->as.list.count; i++) {
        name = list->as.list.items[i];
        if (name->kind == CKPT_KIND_STRING &&
            sdk_table_add(flags->host, &flags->frozen, name->as.text.data,
                          name->as.text.size_bytes, &added) == NULL)
            return CKPT_MEMORY;
    }
    return CKPT_OK;
}

int
training_flags_init(struct training_flags *flags, const struct ckpt_host *host,
                    const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr;
    int status = CKPT_OK;

    memset(flags, 0, sizeof *flags);
    flags->host = host;
    flags->owners = host->allocate(host, ((size_t)graph->value_count + 1) *
                                             sizeof *flags->owners);
    if (flags->owners == NULL)
        return CKPT_MEMORY;
    for (attr = graph->attrs; attr != NULL && status == CKPT_OK;
         attr = attr->next)
        if (strcmp(attr->name, SDK_TORCH_MODEL_FROZEN) == 0)
            status = names_fill(flags, attr->value);
    if (status == CKPT_OK)
        status = sdk_graph_each(host, graph, owner_visit, flags);
    return status;
}

void
training_flags_fini(struct training_flags *flags)
{
    if (flags->host == NULL)
        return;
    sdk_table_fini(flags->host, &flags->frozen);
    flags->host->release(flags->host, flags->owners);
    memset(flags, 0, sizeof *flags);
}

bool
training_is_parameter(const struct training_flags *flags,
                      const struct ckpt_value *owner,
                      const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    const struct ckpt_text unnamed = {"", 0};
    const struct ckpt_tensor plain = {.dtype = tensor->dtype};

    /* One that can have no gradient is none. */
    if (!sdk_may_be_parameter(&unnamed, &plain))
        return false;
    if (tensor->role != CKPT_ROLE_UNKNOWN)
        return tensor->role == CKPT_ROLE_PARAMETER;
    return !flags->owners[owner->id].trained.roles &&
           sdk_may_be_parameter(&entry->name, tensor);
}

bool
training_is_trained(const struct training_flags *flags,
                    const struct ckpt_value *owner,
                    const struct ckpt_entry *entry)
{
    const struct sdk_trained *trained = &flags->owners[owner->id].trained;

    if (sdk_trained_speak(trained))
        return entry->value->as.tensor->requires_grad;
    return !trained->model || sdk_table_find(&flags->frozen, entry->name.data,
                                             entry->name.size_bytes) == NULL;
}
