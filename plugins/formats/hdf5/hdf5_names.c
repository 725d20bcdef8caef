/* SPDX-License-Identifier: MIT
 *
 * Names in an output.
 */
#include "hdf5_names.h"

#include <string.h>

#include "utf8.h"

#define MODEL_WEIGHTS "model_weights"

static bool
text_begins(const struct ckpt_text *text, const char *with, size_t size_bytes)
{
    return text->size_bytes >= size_bytes &&
           memcmp(text->data, with, size_bytes) == 0;
}

bool
hdf5_path_valid(const char *path, size_t size_bytes, const char **reason)
{
    size_t i, begin = 0, parts = 0;

    *reason = memchr(path, 0, size_bytes) != NULL ? "a name with a NUL in it"
              : !sdk_utf8_valid(path, size_bytes) ? "a name that is not utf-8"
                                                  : NULL;
    for (i = 0; i <= size_bytes && *reason == NULL; i++) {
        if (i < size_bytes && path[i] != '/')
            continue;
        if (i == begin)
            *reason = "a name with an empty part";
        else if (i - begin == 1 && path[begin] == '.')
            *reason = "a name with a part that is a dot";
        else if (++parts > HDF5_PARTS_MAX)
            *reason = "a name of more than 4096 parts";
        begin = i + 1;
    }
    return *reason == NULL;
}

size_t
hdf5_attr_path(const char *name, const char **own)
{
    const char *at = strrchr(name, '@'), *reason;

    *own = name;
    if (at == NULL || at[1] == '\0' ||
        !hdf5_path_valid(name, (size_t)(at - name), &reason))
        return 0;
    *own = at + 1;
    return (size_t)(at - name);
}

size_t
hdf5_attr_marks(const struct ckpt_attr *attr)
{
    size_t size = strlen(attr->name);
    const char *reason;

    return attr->value->kind == CKPT_KIND_NONE && size > 1 &&
                   attr->name[size - 1] == '@' &&
                   hdf5_path_valid(attr->name, size - 1, &reason)
               ? size - 1
               : 0;
}

bool
hdf5_attr_lists(const char *own, const char *which)
{
    size_t length = strlen(which);

    return strncmp(own, which, length) == 0 &&
           own[length + strspn(own + length, "0123456789")] == '\0';
}

/* Whether the attribute lists the layers of the root or of model_weights. */
static bool
names_lists_layers(const struct ckpt_attr *attr, bool *in_model)
{
    const char *own;
    size_t path = hdf5_attr_path(attr->name, &own);

    *in_model = path == strlen(MODEL_WEIGHTS) &&
                memcmp(attr->name, MODEL_WEIGHTS, path) == 0;
    return (path == 0 || *in_model) && hdf5_attr_lists(own, "layer_names") &&
           attr->value->kind == CKPT_KIND_LIST;
}

/* A whole model has its layers one group further in. */
static void
names_base(struct hdf5_names *names, const struct ckpt_graph *graph)
{
    static const char base[] = MODEL_WEIGHTS "/";
    const struct ckpt_attr *attr;
    bool in_model, listed = false;

    for (attr = graph->attrs; attr != NULL && !listed; attr = attr->next)
        if (names_lists_layers(attr, &in_model)) {
            listed = true;
            names->base.size_bytes = in_model ? sizeof base - 1 : 0;
        }
    if (!listed && graph->entry_count > 0 &&
        text_begins(&graph->entries[0].name, base, sizeof base - 1))
        names->base.size_bytes = sizeof base - 1;
    names->base.data = base;
}

static int
names_layers(struct hdf5_names *names, const struct ckpt_value *list)
{
    const struct ckpt_value *item;
    bool added;
    size_t i;

    for (i = 0; i < list->as.list.count; i++) {
        item = list->as.list.items[i];
        if (item->kind == CKPT_KIND_STRING && item->as.text.size_bytes > 0 &&
            sdk_table_add(names->host, &names->layers, item->as.text.data,
                          item->as.text.size_bytes, &added) == NULL)
            return CKPT_MEMORY;
    }
    return CKPT_OK;
}

int
hdf5_names_init(struct hdf5_names *names, const struct ckpt_host *host,
                enum hdf5_layout layout, const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr = graph->attrs;
    bool in_model;
    int status = CKPT_OK;

    memset(names, 0, sizeof *names);
    names->host = host;
    names->layout = layout;
    if (layout != HDF5_KERAS2)
        return CKPT_OK;
    names_base(names, graph);
    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        if (names_lists_layers(attr, &in_model) &&
            in_model == (names->base.size_bytes > 0))
            status = names_layers(names, attr->value);
    return status;
}

void
hdf5_names_fini(struct hdf5_names *names)
{
    if (names->host == NULL)
        return;
    sdk_table_fini(names->host, &names->layers);
    sdk_buffer_fini(names->host, &names->text);
}

size_t
hdf5_names_layer(const struct hdf5_names *names, const struct ckpt_text *path)
{
    size_t i, base = names->base.size_bytes;

    if (!text_begins(path, names->base.data, base))
        return 0;
    for (i = path->size_bytes; i > base; i--)
        if (path->data[i - 1] == '/' &&
            sdk_table_find(&names->layers, path->data + base, i - 1 - base))
            return i - 1;
    for (i = base; i < path->size_bytes; i++)
        if (path->data[i] == '/')
            return i;
    return 0;
}

bool
hdf5_names_makes(const struct hdf5_names *names, const char *attr)
{
    const char *own;
    size_t path = hdf5_attr_path(attr, &own), base = names->base.size_bytes;

    if (names->layout != HDF5_KERAS2)
        return false;
    if (hdf5_attr_lists(own, "layer_names"))
        return base == 0 ? path == 0
                         : path + 1 == base &&
                               memcmp(attr, names->base.data, path) == 0;
    return hdf5_attr_lists(own, "weight_names") && path > base &&
           memcmp(attr, names->base.data, base) == 0;
}

/* LAYER.WEIGHT becomes LAYER/WEIGHT; a bare name is a layer of one weight. */
static int
names_keras2(struct hdf5_names *names, const struct ckpt_text *name)
{
    size_t at = name->size_bytes;
    int status;

    if (memchr(name->data, '/', name->size_bytes) != NULL)
        return sdk_buffer_append(names->host, &names->text, name->data, at);
    while (at > 0 && name->data[at - 1] != '.')
        at--;
    status = sdk_buffer_append(names->host, &names->text, name->data,
                               at > 0 ? at - 1 : name->size_bytes);
    if (status == CKPT_OK)
        status = sdk_buffer_append(names->host, &names->text, "/", 1);
    if (status == CKPT_OK)
        status = sdk_buffer_append(names->host, &names->text, name->data + at,
                                   name->size_bytes - at);
    return status;
}

int
hdf5_names_give(struct hdf5_names *names, const struct ckpt_text *name,
                struct ckpt_text *path)
{
    size_t i;
    int status;

    *path = *name;
    if (names->layout != HDF5_IN_GROUPS && names->layout != HDF5_KERAS2)
        return CKPT_OK;
    names->text.size_bytes = 0;
    if (names->layout == HDF5_KERAS2)
        status = names_keras2(names, name);
    else
        status = sdk_buffer_append(names->host, &names->text, name->data,
                                   name->size_bytes);
    if (status != CKPT_OK)
        return status;
    for (i = 0; names->layout == HDF5_IN_GROUPS && i < name->size_bytes; i++)
        if (names->text.data[i] == '.')
            names->text.data[i] = '/';
    path->data = (const char *)names->text.data;
    path->size_bytes = names->text.size_bytes;
    return CKPT_OK;
}

/* Whether the last part but one is `vars`. */
static bool
names_is_keras3(const struct ckpt_text *path)
{
    size_t at = path->size_bytes;

    while (at > 0 && path->data[at - 1] != '/')
        at--;
    return at >= 5 && memcmp(path->data + at - 5, "vars/", 5) == 0 &&
           (at == 5 || path->data[at - 6] == '/');
}

int
hdf5_names_check(const struct hdf5_names *names, const struct ckpt_text *path)
{
    const struct ckpt_host *host = names->host;
    const char *reason;

    if (!hdf5_path_valid(path->data, path->size_bytes, &reason)) {
        if (path->size_bytes > 1 && path->data[0] == '/')
            host->remedy(host, "take the slash that names begin with away: "
                               "-t strip-prefix:/");
        return host->fail(host, CKPT_UNSUPPORTED, path->data, CKPT_NOWHERE,
                          "HDF5 cannot hold %s", reason);
    }
    if (names->layout == HDF5_KERAS3 && !names_is_keras3(path)) {
        host->remedy(host, "write these names with --to hdf5, or get those of "
                           "Keras from torch's with -t layout:torch-to-keras,"
                           "like=FILE.weights.h5");
        return host->fail(host, CKPT_UNSUPPORTED, path->data, CKPT_NOWHERE,
                          "Keras 3 has tensors at PATH/vars/KEY alone");
    }
    if (names->layout == HDF5_KERAS2 && names->base.size_bytes == 0 &&
        hdf5_names_layer(names, path) == 0)
        return host->fail(host, CKPT_UNSUPPORTED, path->data, CKPT_NOWHERE,
                          "Keras 2 has tensors in layers alone");
    return CKPT_OK;
}
