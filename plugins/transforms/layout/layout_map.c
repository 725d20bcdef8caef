/* SPDX-License-Identifier: MIT
 *
 * The mapping file: which layer of Keras is which module of torch. And the
 * options that name layers: class=NAME=CLASS,..., flatten=NAME=7x7x64,...
 */
#include "layout.h"

#include <fnmatch.h>
#include <string.h>

#include "pairs.h"

struct layout_map {
    struct layout_mapped *first, **end;
    struct sdk_table by_layer; /* addresses of the above */
};

static const struct ckpt_source *
map_source(const struct layout_run *run)
{
    return run->self->options[LAYOUT_OPTION_MAP].source;
}

/* One pair. The second word may be two modules, with a comma between them. */
static int
map_take(void *context, const char *layer, const char *module, size_t line)
{
    struct layout_run *run = context;
    struct layout_map *map = run->map;
    const char *comma = strchr(module, ',');
    size_t first = comma != NULL ? (size_t)(comma - module) : strlen(module);
    struct layout_mapped *pair = layout_allocate(run, sizeof *pair);
    uint64_t *found;
    bool added;

    if (pair == NULL)
        return CKPT_MEMORY;
    pair->layer = layout_printf(run, "%s", layer);
    pair->modules[0] = layout_printf(run, "%.*s", (int)first, module);
    if (comma != NULL)
        pair->modules[1] = layout_printf(run, "%s", comma + 1);
    if (pair->layer == NULL || pair->modules[0] == NULL ||
        (comma != NULL && pair->modules[1] == NULL))
        return CKPT_MEMORY;
    found = sdk_table_add(run->host, &map->by_layer, pair->layer,
                          strlen(pair->layer), &added);
    if (found == NULL)
        return CKPT_MEMORY;
    if (!added)
        return run->host->fail(
            run->host, CKPT_OPTION, NULL, CKPT_NOWHERE,
            "%.200s: line %zu: the layer '%.200s' is there twice",
            run->host->source_name(run->host, map_source(run)), line, layer);
    *found = (uintptr_t)pair;
    *map->end = pair;
    map->end = &pair->next;
    return CKPT_OK;
}

int
layout_map_read(struct layout_run *run)
{
    const struct ckpt_source *source = map_source(run);

    if (source == NULL)
        return CKPT_OK;
    run->map = layout_allocate(run, sizeof *run->map);
    if (run->map == NULL)
        return CKPT_MEMORY;
    run->map->end = &run->map->first;
    return sdk_pairs_read(run->host, source, map_take, run);
}

void
layout_map_fini(struct layout_run *run)
{
    if (run->map != NULL)
        sdk_table_fini(run->host, &run->map->by_layer);
}

void
layout_map_apply(struct layout_run *run, struct layout_keras *keras)
{
    struct layout_layer *layer;
    struct layout_mapped *pair;
    uint64_t *found;
    size_t i;

    for (i = 0; run->map != NULL && i < keras->sorted_count; i++) {
        layer = keras->sorted[i];
        found = sdk_table_find(&run->map->by_layer, layer->name,
                               strlen(layer->name));
        if (found == NULL)
            found = sdk_table_find(&run->map->by_layer, layer->folder.data,
                                   layer->folder.size_bytes);
        if (found == NULL)
            continue;
        pair = (struct layout_mapped *)(uintptr_t)*found;
        layer->modules[0] = pair->modules[0];
        layer->modules[1] = pair->modules[1];
        pair->used = true;
    }
}

struct layout_mapped *
layout_map_first(const struct layout_run *run)
{
    return run->map != NULL ? run->map->first : NULL;
}

const char *
layout_map_layer(struct layout_run *run, const char *module,
                 const char **second)
{
    struct layout_mapped *pair = layout_map_first(run);

    for (; pair != NULL; pair = pair->next)
        if (strcmp(pair->modules[0], module) == 0) {
            pair->used = true;
            *second = pair->modules[1];
            return pair->layer;
        }
    *second = NULL;
    return NULL;
}

bool
layout_map_second(const struct layout_run *run, const char *module)
{
    const struct layout_mapped *pair = layout_map_first(run);

    while (pair != NULL &&
           (pair->modules[1] == NULL || strcmp(pair->modules[1], module) != 0))
        pair = pair->next;
    return pair != NULL;
}

void
layout_map_unused(struct layout_run *run)
{
    const struct layout_mapped *pair = layout_map_first(run);

    for (; pair != NULL; pair = pair->next)
        if (!pair->used)
            run->host->edit_unmatched(
                run->host, run->edits,
                "the mapping file has '%.200s' and '%.200s', and there is "
                "no such pair",
                pair->layer, pair->modules[0]);
}

/* ---- Options that name layers ---- */

struct layout_named {
    struct layout_named *next;
    char *pattern;
    const struct layout_class *class;
    bool no_scale, no_center;
    uint64_t multiplier;
    uint64_t flat[4];
    uint32_t flat_count;
    bool used;
};

/* "7x7x64" to numbers. */
static bool
sizes_read(const char *text, struct layout_named *named)
{
    uint64_t number = 0;
    size_t digits = 0;

    for (;; text++) {
        if (*text >= '0' && *text <= '9' && digits < 9) {
            number = number * 10 + (uint64_t)(*text - '0');
            digits++;
            continue;
        }
        if (number == 0 || named->flat_count == 4)
            return false;
        named->flat[named->flat_count++] = number;
        if (*text == '\0')
            return named->flat_count >= 2;
        if (*text != 'x')
            return false;
        number = digits = 0;
    }
}

/* "x2", of a depthwise convolution. */
static bool
multiplier_read(const char *text, struct layout_named *named)
{
    size_t digits = 0;

    if ((named->class->kind != LAYOUT_DEPTHWISE &&
         named->class->kind != LAYOUT_SEPARABLE) ||
        *text++ != 'x')
        return false;
    for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++)
        named->multiplier = named->multiplier * 10 + (uint64_t)(*text - '0');
    return named->multiplier > 0 && *text == '\0';
}

/* "BatchNormalization", "BatchNormalization:no-scale", "DepthwiseConv2D:x2". */
static bool
class_read(const char *text, struct layout_named *named)
{
    size_t length = strcspn(text, ":");

    named->class = layout_class_find(text, length, false);
    if (named->class == NULL || text[length] == '\0')
        return named->class != NULL;
    text += length + 1;
    named->no_scale = strcmp(text, "no-scale") == 0;
    named->no_center = strcmp(text, "no-center") == 0;
    return named->no_scale || named->no_center || multiplier_read(text, named);
}

static int
named_add(struct layout_run *run, const char *text, size_t length,
          bool is_class)
{
    struct layout_named *named = layout_allocate(run, sizeof *named);
    const struct ckpt_host *host = run->host;
    char *equals;

    if (named == NULL)
        return CKPT_MEMORY;
    named->pattern = layout_printf(run, "%.*s", (int)length, text);
    if (named->pattern == NULL)
        return CKPT_MEMORY;
    equals = strrchr(named->pattern, '=');
    if (equals == NULL || equals == named->pattern)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.200s' is not NAME=%s", named->pattern,
                          is_class ? "CLASS" : "HxWxC");
    *equals++ = '\0';
    if (is_class && !class_read(equals, named))
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.200s' is no class of layers", equals);
    if (!is_class && !sizes_read(equals, named))
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.200s' is not of the form HxWxC", equals);
    named->next = run->named;
    run->named = named;
    return CKPT_OK;
}

static int
named_read(struct layout_run *run, const char *text, bool is_class)
{
    size_t length;
    int status = CKPT_OK;

    for (; text != NULL && *text != '\0' && status == CKPT_OK;
         text += length + (text[length] == ',')) {
        length = strcspn(text, ",");
        status = named_add(run, text, length, is_class);
    }
    return status;
}

int
layout_named_read(struct layout_run *run)
{
    const struct ckpt_option_value *options = run->self->options;
    int status = named_read(run, options[LAYOUT_OPTION_CLASS].text, true);

    if (status == CKPT_OK)
        status = named_read(run, options[LAYOUT_OPTION_FLATTEN].text, false);
    return status;
}

/* What is given last counts. */
static struct layout_named *
named_find(struct layout_run *run, const char *name, bool is_class)
{
    struct layout_named *named = run->named;

    for (; named != NULL; named = named->next) {
        if ((named->class != NULL) != is_class ||
            fnmatch(named->pattern, name, 0) != 0)
            continue;
        named->used = true;
        return named;
    }
    return NULL;
}

const struct layout_class *
layout_option_class(struct layout_run *run, const char *name, bool *exact)
{
    const struct layout_named *named = named_find(run, name, true);

    *exact = named != NULL && strcmp(named->pattern, name) == 0;
    return named != NULL ? named->class : NULL;
}

void
layout_option_facts(struct layout_run *run, const char *name,
                    struct layout_layer *layer)
{
    const struct layout_named *named = named_find(run, name, true);

    if (named == NULL)
        return;
    layer->facts.no_scale |= named->no_scale;
    layer->facts.no_center |= named->no_center;
    layer->facts.multiplier = named->multiplier;
}

void
layout_option_flat(struct layout_run *run, const char *name,
                   struct layout_layer *layer)
{
    const struct layout_named *named = named_find(run, name, false);

    if (named == NULL || layer->kind != LAYOUT_DENSE)
        return;
    memcpy(layer->flat, named->flat, sizeof layer->flat);
    layer->flat_count = named->flat_count;
}

void
layout_named_unused(struct layout_run *run)
{
    const struct layout_named *named = run->named;

    for (; named != NULL; named = named->next)
        if (!named->used)
            run->host->edit_unmatched(run->host, run->edits,
                                      "no layer is called '%.200s'",
                                      named->pattern);
}
