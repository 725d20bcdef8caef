/* SPDX-License-Identifier: MIT
 *
 * The map of a state dict in the making.
 */
#include "torchscript_state.h"

#include <string.h>

#define MODULES_MAX 1000000 /* a module may be met again and again */
#define DEPTH_MAX 200

static int
make_text(struct torchscript_map *map, const char *text, size_t size_bytes,
          struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = text;
    like.as.text.size_bytes = size_bytes;
    return map->host->value_new(map->host, map->graph, &like, sizeof like,
                                value);
}

int
torchscript_map_new(struct torchscript_map *map, const char *class)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP,
                              .type_name = "collections.OrderedDict"};
    const struct ckpt_host *host = map->host;
    struct ckpt_value *name;
    int status =
        host->value_new(host, map->graph, &like, sizeof like, &map->root);

    if (status == CKPT_OK)
        status = make_text(map, class, strlen(class), &name);
    return status == CKPT_OK ? host->attr_set(host, map->graph, map->root,
                                              SDK_TORCH_MODEL_CLASS, name)
                             : status;
}

/* Sets what a map, made if need be, has under the path without its dot. */
static int
note(struct torchscript_map *map, struct ckpt_value **notes,
     const struct ckpt_value *value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *key;
    size_t path_bytes = map->path.size_bytes;
    int status = CKPT_OK;

    if (*notes == NULL)
        status = map->host->value_new(map->host, map->graph, &like, sizeof like,
                                      notes);
    if (status == CKPT_OK)
        status = make_text(map, path_bytes > 0 ? (char *)map->path.data : "",
                           path_bytes > 0 ? path_bytes - 1 : 0, &key);
    return status == CKPT_OK
               ? map->host->map_set(map->host, map->graph, *notes, key, value)
               : status;
}

int
torchscript_map_class(struct torchscript_map *map, const char *class)
{
    struct ckpt_value *name;
    int status = make_text(map, class, strlen(class), &name);

    return status == CKPT_OK ? note(map, &map->classes, name) : status;
}

int
torchscript_map_training(struct torchscript_map *map, bool training)
{
    struct ckpt_value like = {.kind = CKPT_KIND_BOOL}, *value;
    int status;

    like.as.truth = training;
    status =
        map->host->value_new(map->host, map->graph, &like, sizeof like, &value);
    return status == CKPT_OK ? note(map, &map->training, value) : status;
}

int
torchscript_map_name(struct torchscript_map *map, const struct ckpt_text *name,
                     const char **full)
{
    size_t path_bytes = map->path.size_bytes;
    int status =
        sdk_buffer_append(map->host, &map->path, name->data, name->size_bytes);

    if (status == CKPT_OK)
        status = sdk_buffer_append(map->host, &map->path, "", 1);
    map->path.size_bytes = path_bytes;
    if (status != CKPT_OK)
        return status;
    if (memchr(name->data, '\0', name->size_bytes) != NULL)
        return map->host->fail(map->host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                               "a zero byte in the name of an attribute");
    *full = (const char *)map->path.data;
    return CKPT_OK;
}

bool
torchscript_map_has(const struct torchscript_map *map, const char *full)
{
    return sdk_table_find(&map->names, full, strlen(full)) != NULL;
}

int
torchscript_map_put(struct torchscript_map *map, const char *full,
                    const struct ckpt_value *value)
{
    const struct ckpt_host *host = map->host;
    struct ckpt_value *key;
    bool added;
    int status = make_text(map, full, strlen(full), &key);

    if (status != CKPT_OK)
        return status;
    if (sdk_table_add(host, &map->names, key->as.text.data,
                      key->as.text.size_bytes, &added) == NULL)
        return CKPT_MEMORY;
    if (!added)
        return host->fail(host, CKPT_FORMAT, full, CKPT_NOWHERE,
                          "two tensors of this name");
    return host->map_set(host, map->graph, map->root, key, value);
}

int
torchscript_map_count(struct torchscript_map *map)
{
    const struct ckpt_host *host = map->host;

    if (++map->module_count > MODULES_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "more than %d modules, counted by their names",
                          MODULES_MAX);
    if ((map->module_count & 0xfff) == 0 && host->cancelled(host))
        return CKPT_CANCELLED;
    return CKPT_OK;
}

int
torchscript_map_enter(struct torchscript_map *map, unsigned depth,
                      const struct ckpt_text *name, size_t *path_bytes)
{
    const struct ckpt_host *host = map->host;
    const char *full;
    int status = torchscript_map_name(map, name, &full);

    if (status != CKPT_OK)
        return status;
    if (depth >= DEPTH_MAX)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "modules nest deeper than %d", DEPTH_MAX);
    *path_bytes = map->path.size_bytes;
    status = sdk_buffer_append(host, &map->path, name->data, name->size_bytes);
    return status == CKPT_OK ? sdk_buffer_append(host, &map->path, ".", 1)
                             : status;
}

void
torchscript_map_leave(struct torchscript_map *map, size_t path_bytes)
{
    map->path.size_bytes = path_bytes;
}

int
torchscript_list_add(const struct ckpt_host *host, struct ckpt_graph *graph,
                     struct ckpt_value *list, const char *text,
                     size_t text_bytes)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *item;
    int status;

    like.as.text.data = text;
    like.as.text.size_bytes = text_bytes;
    status = host->value_new(host, graph, &like, sizeof like, &item);
    return status == CKPT_OK ? host->list_add(host, graph, list, item) : status;
}

static int
add_name(struct torchscript_map *map, struct ckpt_value **list,
         const char *full)
{
    struct ckpt_value like = {.kind = CKPT_KIND_LIST};
    int status = CKPT_OK;

    if (*list == NULL)
        status = map->host->value_new(map->host, map->graph, &like, sizeof like,
                                      list);
    return status == CKPT_OK ? torchscript_list_add(map->host, map->graph,
                                                    *list, full, strlen(full))
                             : status;
}

int
torchscript_map_other(struct torchscript_map *map, const char *full)
{
    return add_name(map, &map->others, full);
}

int
torchscript_map_frozen(struct torchscript_map *map, const char *full)
{
    return add_name(map, &map->frozen, full);
}

static int
set_attr(const struct torchscript_map *map, const char *name,
         const struct ckpt_value *value)
{
    return value != NULL
               ? map->host->attr_set(map->host, map->graph, NULL, name, value)
               : CKPT_OK;
}

int
torchscript_map_finish(struct torchscript_map *map)
{
    int status = set_attr(map, SDK_TORCH_MODEL_CLASSES, map->classes);

    if (map->others != NULL)
        map->host->warn(map->host, map->others->as.list.items[0]->as.text.data,
                        CKPT_NOWHERE,
                        "attributes that hold tensors and are neither "
                        "parameters nor buffers are listed, not converted: "
                        "%zu",
                        map->others->as.list.count);
    if (status == CKPT_OK)
        status = set_attr(map, SDK_TORCH_MODEL_TRAINING, map->training);
    if (status == CKPT_OK)
        status = set_attr(map, SDK_TORCH_MODEL_FROZEN, map->frozen);
    if (status == CKPT_OK)
        status = set_attr(map, "torchscript.attributes", map->others);
    return status == CKPT_OK
               ? map->host->root_set(map->host, map->graph, map->root)
               : status;
}

void
torchscript_map_fini(struct torchscript_map *map)
{
    sdk_buffer_fini(map->host, &map->path);
    sdk_table_fini(map->host, &map->names);
}
