/* SPDX-License-Identifier: MIT
 *
 * Looking at the flags of the tensors in a container.
 */
#include "trained.h"

#include <string.h>

#include "graph_each.h"
#include "torch_read.h"

static void
trained_item(struct sdk_trained *trained, const struct ckpt_value *item)
{
    if (item->kind != CKPT_KIND_TENSOR)
        return;
    trained->grads |= item->as.tensor->requires_grad;
    trained->roles |= item->as.tensor->role == CKPT_ROLE_PARAMETER;
}

void
sdk_trained_look(struct sdk_trained *trained, const struct ckpt_value *value)
{
    size_t i;

    memset(trained, 0, sizeof *trained);
    if (value->kind == CKPT_KIND_MAP)
        for (i = 0; i < value->as.map.count; i++)
            trained_item(trained, value->as.map.pairs[i].value);
    if (value->kind == CKPT_KIND_LIST || value->kind == CKPT_KIND_TUPLE)
        for (i = 0; i < value->as.list.count; i++)
            trained_item(trained, value->as.list.items[i]);
    trained->model = sdk_attr_find(value, SDK_TORCH_MODEL_CLASS) != NULL;
}
