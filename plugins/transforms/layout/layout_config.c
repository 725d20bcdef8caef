/* SPDX-License-Identifier: MIT
 *
 * What the config of a model says of its layers: classes, order, and what is
 * left out. It is the attribute `config.json` of a .keras archive, or
 * `model_config` of the older files; without one there is nothing to say.
 *
 * A layer is {"class_name": ..., "config": {"name": ..., "layers": [...]}};
 * old sequential models have their list of layers for "config" itself.
 */
#include "layout.h"

#include <string.h>

#include "json.h"

struct entry {
    struct entry *next;
    struct entry *parent;
    char *class_name, *name;
    const char *path;    /* "layers/conv2d_1"; NULL: it is in no list */
    const char *full;    /* "inner.first" */
    struct entry *inner; /* what a wrapper wraps */
    bool no_scale, no_center, no_reset_after, other_gates, flattened;
    size_t order;
};

struct layout_config {
    struct entry *first, **end;
    size_t count;
    struct sdk_table by_path, by_name;
};

struct scan {
    struct layout_run *run;
    struct layout_config *config;
    struct sdk_json json;
    struct sdk_buffer text;
};

static int scan_layer(struct scan *scan, struct entry *parent,
                      struct entry **made);

static int
scan_text(struct scan *scan, char **text)
{
    struct ckpt_text found;
    int status;

    if (sdk_json_next(&scan->json) != SDK_JSON_STRING) {
        sdk_json_skip(&scan->json);
        return CKPT_OK;
    }
    scan->text.size_bytes = 0;
    status = sdk_json_text(scan->run->host, &scan->json, &scan->text, &found);
    if (status != CKPT_OK)
        return status;
    *text = layout_printf(scan->run, "%.*s", (int)found.size_bytes, found.data);
    return *text != NULL ? CKPT_OK : CKPT_MEMORY;
}

/* [ layer, layer, ... ] after its bracket. */
static int
scan_list(struct scan *scan, struct entry *parent)
{
    enum sdk_json_event event;
    struct entry *made;
    int status = CKPT_OK;

    while (status == CKPT_OK) {
        event = sdk_json_next(&scan->json);
        if (event == SDK_JSON_OBJECT_BEGIN)
            status = scan_layer(scan, parent, &made);
        else if (event == SDK_JSON_ARRAY_END || event == SDK_JSON_ERROR)
            break;
        else
            sdk_json_skip(&scan->json);
    }
    return status;
}

static bool *
flag_of(const struct sdk_json *json, struct entry *entry)
{
    if (sdk_json_is(json, "scale"))
        return &entry->no_scale;
    if (sdk_json_is(json, "center"))
        return &entry->no_center;
    return sdk_json_is(json, "reset_after") ? &entry->no_reset_after : NULL;
}

/* What a cell of torch has for its activations. */
static const char *
activation_of(const struct sdk_json *json)
{
    if (sdk_json_is(json, "recurrent_activation"))
        return "sigmoid";
    return sdk_json_is(json, "activation") ? "tanh" : NULL;
}

static void
scan_flag(struct scan *scan, struct entry *entry)
{
    bool *flag = flag_of(&scan->json, entry);
    const char *activation = activation_of(&scan->json);
    enum sdk_json_event event = sdk_json_next(&scan->json);

    if (event == SDK_JSON_FALSE && flag != NULL)
        *flag = true;
    else if (activation != NULL && (event != SDK_JSON_STRING ||
                                    !sdk_json_is(&scan->json, activation)))
        entry->other_gates = true;
    sdk_json_skip(&scan->json);
}

/* The object of "config", after its brace. */
static int
scan_config(struct scan *scan, struct entry *entry)
{
    struct sdk_json *json = &scan->json;
    int status = CKPT_OK;

    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY) {
        if (sdk_json_is(json, "name")) {
            status = scan_text(scan, &entry->name);
        } else if (sdk_json_is(json, "layers")) {
            if (sdk_json_next(json) == SDK_JSON_ARRAY_BEGIN)
                status = scan_list(scan, entry);
            else
                sdk_json_skip(json);
        } else if (sdk_json_is(json, "layer")) {
            if (sdk_json_next(json) == SDK_JSON_OBJECT_BEGIN)
                status = scan_layer(scan, entry, &entry->inner);
            else
                sdk_json_skip(json);
        } else {
            scan_flag(scan, entry);
        }
    }
    return status;
}

static int
entry_add(struct scan *scan, struct entry *parent, struct entry **made)
{
    struct entry *entry = layout_allocate(scan->run, sizeof *entry);

    if (entry == NULL)
        return CKPT_MEMORY;
    entry->parent = parent;
    entry->order = scan->config->count++;
    *scan->config->end = entry;
    scan->config->end = &entry->next;
    *made = entry;
    return CKPT_OK;
}

/* A layer, after its brace. How deep they nest is bounded by the scanner. */
static int
scan_layer(struct scan *scan, struct entry *parent, struct entry **made)
{
    struct sdk_json *json = &scan->json;
    enum sdk_json_event event;
    struct entry *entry;
    int status = entry_add(scan, parent, &entry);

    while (status == CKPT_OK && sdk_json_next(json) == SDK_JSON_KEY) {
        if (sdk_json_is(json, "class_name")) {
            status = scan_text(scan, &entry->class_name);
            continue;
        }
        if (!sdk_json_is(json, "config")) {
            sdk_json_next(json);
            sdk_json_skip(json);
            continue;
        }
        event = sdk_json_next(json);
        if (event == SDK_JSON_OBJECT_BEGIN)
            status = scan_config(scan, entry);
        else if (event == SDK_JSON_ARRAY_BEGIN)
            status = scan_list(scan, entry);
        else
            sdk_json_skip(json);
    }
    *made = entry;
    return status;
}

/* ---- Paths ---- */

static char
lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool
is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* "Conv2DTranspose" to "conv2d_transpose", as Keras does it: a line goes
 * before a capital that a small letter follows, unless it is the first, and
 * between a small letter and a capital. */
static char *
snake_of(struct layout_run *run, const char *name)
{
    size_t i, length = strlen(name), made = 0;
    char *text = layout_allocate(run, 2 * length + 1), next;

    for (i = 0; text != NULL && i < length; i++) {
        next = name[i + 1];
        if (i > 0 && is_upper(name[i]) &&
            ((next >= 'a' && next <= 'z') ||
             (name[i - 1] >= 'a' && name[i - 1] <= 'z')))
            text[made++] = '_';
        text[made++] = lower(name[i]);
    }
    return text;
}

static int
entry_put(struct layout_run *run, struct sdk_table *table, const char *key,
          struct entry *entry)
{
    uint64_t *found;
    bool added;

    if (key == NULL)
        return CKPT_MEMORY;
    found = sdk_table_add(run->host, table, key, strlen(key), &added);
    if (found == NULL)
        return CKPT_MEMORY;
    if (added)
        *found = (uintptr_t)entry;
    return CKPT_OK;
}

/* The path of a layer in a file of Keras 3: the class, with how many of it
 * came before in its list. The root has none. */
static int
entry_place(struct layout_run *run, struct layout_config *config,
            struct entry *entry, struct sdk_table *counts)
{
    struct entry *parent = entry->parent;
    const char *above = parent != NULL ? parent->path : NULL;
    char *snake, *key;
    uint64_t *count;
    bool added;

    if (parent == NULL) {
        entry->path = "";
        entry->full = "";
        return CKPT_OK;
    }
    if (entry->class_name == NULL || entry->name == NULL || above == NULL ||
        parent->inner == entry)
        return CKPT_OK;
    snake = snake_of(run, entry->class_name);
    key = snake == NULL ? NULL
                        : layout_printf(run, "%s%slayers/%s", above,
                                        above[0] != '\0' ? "/" : "", snake);
    if (key == NULL)
        return CKPT_MEMORY;
    count = sdk_table_add(run->host, counts, key, strlen(key), &added);
    if (count == NULL)
        return CKPT_MEMORY;
    entry->path = *count == 0 ? key
                              : layout_printf(run, "%s_%llu", key,
                                              (unsigned long long)*count);
    ++*count;
    entry->full = parent->full[0] == '\0'
                      ? entry->name
                      : layout_printf(run, "%s.%s", parent->full, entry->name);
    if (entry->path == NULL || entry->full == NULL)
        return CKPT_MEMORY;
    if (entry_put(run, &config->by_path, entry->path, entry) != CKPT_OK)
        return CKPT_MEMORY;
    return entry_put(run, &config->by_name, entry->full, entry);
}

static int
entries_place(struct layout_run *run, struct layout_config *config)
{
    struct sdk_table counts = {0};
    struct entry *entry;
    int status = CKPT_OK;

    for (entry = config->first; entry != NULL && status == CKPT_OK;
         entry = entry->next)
        status = entry_place(run, config, entry, &counts);
    sdk_table_fini(run->host, &counts);
    return status;
}

/* The Dense that comes next in the list of a Flatten. */
static void
entries_flatten(struct layout_config *config)
{
    const struct entry *flatten = NULL;
    struct entry *entry;

    for (entry = config->first; entry != NULL; entry = entry->next) {
        if (entry->class_name == NULL)
            continue;
        if (strcmp(entry->class_name, "Flatten") == 0) {
            flatten = entry;
        } else if (flatten != NULL && entry->parent == flatten->parent &&
                   strcmp(entry->class_name, "Dense") == 0) {
            entry->flattened = true;
            flatten = NULL;
        }
    }
}

static const struct ckpt_text *
config_text(const struct ckpt_graph *graph)
{
    const struct ckpt_attr *attr;

    for (attr = graph->attrs; attr != NULL; attr = attr->next)
        if ((strcmp(attr->name, "config.json") == 0 ||
             strcmp(attr->name, "model_config") == 0) &&
            attr->value->kind == CKPT_KIND_STRING)
            return &attr->value->as.text;
    return NULL;
}

int
layout_config_read(struct layout_run *run, const struct ckpt_graph *graph)
{
    const struct ckpt_text *text = config_text(graph);
    struct scan scan = {.run = run};
    struct entry *made;
    int status = CKPT_OK;

    if (text == NULL)
        return CKPT_OK;
    run->config = layout_allocate(run, sizeof *run->config);
    if (run->config == NULL)
        return CKPT_MEMORY;
    scan.config = run->config;
    run->config->end = &run->config->first;
    sdk_json_init(&scan.json, text->data, text->size_bytes);
    if (sdk_json_next(&scan.json) == SDK_JSON_OBJECT_BEGIN)
        status = scan_layer(&scan, NULL, &made);
    sdk_buffer_fini(run->host, &scan.text);
    if (status != CKPT_OK)
        return status;
    if (scan.json.event == SDK_JSON_ERROR) {
        run->host->warn(run->host, NULL, CKPT_NOWHERE,
                        "the config is not read: %s", scan.json.error);
        return CKPT_OK;
    }
    entries_flatten(run->config);
    return entries_place(run, run->config);
}

void
layout_config_fini(struct layout_run *run)
{
    if (run->config == NULL)
        return;
    sdk_table_fini(run->host, &run->config->by_path);
    sdk_table_fini(run->host, &run->config->by_name);
}

/* What a wrapper wraps is in a folder below its own. */
static const struct entry *
entry_find(const struct layout_config *config, const struct layout_layer *layer)
{
    const uint64_t *found = NULL;
    size_t length = layer->folder.size_bytes;

    if (!layer->numbered) {
        found =
            sdk_table_find(&config->by_name, layer->name, strlen(layer->name));
        return found != NULL ? (const struct entry *)(uintptr_t)*found : NULL;
    }
    if (length > 6 && memcmp(layer->folder.data + length - 6, "/layer", 6) == 0)
        length -= 6;
    found = sdk_table_find(&config->by_path, layer->folder.data, length);
    return found != NULL ? (const struct entry *)(uintptr_t)*found : NULL;
}

void
layout_config_find(const struct layout_run *run, struct layout_layer *layer)
{
    const struct entry *entry, *inner;

    layer->facts.order = SIZE_MAX;
    entry = run->config != NULL ? entry_find(run->config, layer) : NULL;
    if (entry == NULL)
        return;
    inner = entry->inner != NULL ? entry->inner : entry;
    layer->facts.class_name = entry->class_name;
    layer->facts.inner_name =
        entry->inner != NULL ? entry->inner->class_name : NULL;
    layer->facts.order = entry->order;
    layer->facts.no_scale = inner->no_scale;
    layer->facts.no_center = inner->no_center;
    layer->facts.no_reset_after = inner->no_reset_after;
    layer->facts.other_gates = inner->other_gates;
    layer->facts.flattened = entry->flattened;
}
