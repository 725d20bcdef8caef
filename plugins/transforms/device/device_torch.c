/* SPDX-License-Identifier: MIT
 *
 * Telling the calls that name a device, made straight or through
 * _rebuild_from_type_v2(function, class, arguments, state).
 */
#include "device_torch.h"

#include <string.h>

static const struct {
    const char *name;
    size_t index; /* of the device among its arguments */
} calls[] = {
    {"_rebuild_device_tensor_from_numpy", 2},
    {"_rebuild_device_tensor_from_cpu_tensor", 2},
    {"_rebuild_xla_tensor", 2},
    {"_rebuild_wrapper_subclass", 6},
};

static bool
object_is(const struct ckpt_object *object, const char *module,
          const char *name)
{
    return object->module != NULL && strcmp(object->module, module) == 0 &&
           strcmp(object->name, name) == 0;
}

static bool
call_find(const struct ckpt_object *function, const struct ckpt_value *args,
          size_t *index)
{
    size_t i;

    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (!object_is(function, "torch._utils", calls[i].name))
            continue;
        *index = calls[i].index;
        return args != NULL && args->kind == CKPT_KIND_TUPLE &&
               *index < args->as.list.count;
    }
    return false;
}

bool
device_torch_place(const struct ckpt_object *object,
                   const struct ckpt_value **tuple, size_t *index)
{
    const struct ckpt_value *const *items;

    if (object->made != CKPT_MADE_CALLED || object->args == NULL ||
        object->args->kind != CKPT_KIND_TUPLE)
        return false;
    *tuple = object->args;
    if (!object_is(object, "torch._tensor", "_rebuild_from_type_v2"))
        return call_find(object, *tuple, index);
    items = object->args->as.list.items;
    if (object->args->as.list.count < 3 || items[0]->kind != CKPT_KIND_OBJECT ||
        items[0]->as.object->made != CKPT_MADE_NAMED)
        return false;
    *tuple = items[2];
    return call_find(items[0]->as.object, *tuple, index);
}
