/* SPDX-License-Identifier: MIT
 *
 * The mapping file: which layer of Keras is which module of torch. Two columns
 * of text, or one JSON object; `#` begins a comment in the former. And the
 * options that name layers: class=NAME=CLASS,..., flatten=NAME=7x7x64,...
 */
#include "layout.h"

#include <fnmatch.h>
#include <string.h>

#include "json.h"

#define MAP_MAX_BYTES ((uint64_t)16 << 20)

struct layout_mapped {
    const char *layer;
    const char *modules[2];
    size_t line;
    bool used;
};

struct layout_map {
    struct layout_mapped *pairs;
    size_t count;
    struct sdk_table by_layer;
};

struct reading {
    struct layout_run *run;
    struct layout_map *map;
    const char *file;
    struct sdk_buffer text; /* decoded strings of JSON */
};

static int
map_refuse(struct reading *reading, uint64_t byte, const char *why)
{
    return reading->run->host->fail(reading->run->host, CKPT_OPTION, NULL, byte,
                                    "%.200s: %s", reading->file, why);
}

/* One pair. The second word may be two modules, with a comma between them. */
static int
map_add(struct reading *reading, const char *layer, size_t layer_bytes,
        const char *module, size_t module_bytes, size_t at)
{
    struct layout_map *map = reading->map;
    struct layout_run *run = reading->run;
    const char *comma = memchr(module, ',', module_bytes);
    struct layout_mapped *pair = &map->pairs[map->count];
    size_t first = comma != NULL ? (size_t)(comma - module) : module_bytes;
    uint64_t *index;
    bool added;

    pair->line = at;
    pair->layer = layout_printf(run, "%.*s", (int)layer_bytes, layer);
    pair->modules[0] = layout_printf(run, "%.*s", (int)first, module);
    if (comma != NULL)
        pair->modules[1] = layout_printf(
            run, "%.*s", (int)(module_bytes - first - 1), comma + 1);
    if (pair->layer == NULL || pair->modules[0] == NULL ||
        (comma != NULL && pair->modules[1] == NULL))
        return CKPT_MEMORY;
    index = sdk_table_add(run->host, &map->by_layer, pair->layer,
                          strlen(pair->layer), &added);
    if (index == NULL)
        return CKPT_MEMORY;
    if (!added)
        return map_refuse(reading, at, "a layer is there twice");
    *index = map->count++;
    return CKPT_OK;
}

static size_t
word_bytes(const char *text)
{
    return strcspn(text, " \t\r\n");
}

/* One line of text: blank, a comment, or two words. */
static int
map_line(struct reading *reading, const char *line, size_t at)
{
    const char *first = line + strspn(line, " \t\r"), *second, *rest;
    size_t layer, module;

    if (*first == '\n' || *first == '\0' || *first == '#')
        return CKPT_OK;
    layer = word_bytes(first);
    second = first + layer + strspn(first + layer, " \t");
    module = word_bytes(second);
    rest = second + module + strspn(second + module, " \t\r");
    if (module == 0 || (*rest != '\n' && *rest != '\0' && *rest != '#'))
        return map_refuse(reading, at,
                          "a line has two words, a layer and a module");
    return map_add(reading, first, layer, second, module, at);
}

static int
map_text(struct reading *reading, const char *text)
{
    const char *line = text, *end;
    int status = CKPT_OK;

    while (*line != '\0' && status == CKPT_OK) {
        status = map_line(reading, line, (size_t)(line - text));
        end = strchr(line, '\n');
        line = end != NULL ? end + 1 : line + strlen(line);
    }
    return status;
}

static int
map_json(struct reading *reading, const char *text, size_t size_bytes)
{
    const struct ckpt_host *host = reading->run->host;
    struct ckpt_text layer, module;
    struct sdk_json json;
    size_t at;
    int status = CKPT_OK;

    sdk_json_init(&json, text, size_bytes);
    sdk_json_next(&json);
    while (status == CKPT_OK && sdk_json_next(&json) == SDK_JSON_KEY) {
        at = json.at;
        reading->text.size_bytes = 0;
        status = sdk_buffer_reserve(host, &reading->text, size_bytes);
        if (status == CKPT_OK)
            status = sdk_json_text(host, &json, &reading->text, &layer);
        if (status == CKPT_OK && sdk_json_next(&json) != SDK_JSON_STRING)
            return map_refuse(reading, json.at, "a module was expected");
        if (status == CKPT_OK)
            status = sdk_json_text(host, &json, &reading->text, &module);
        if (status == CKPT_OK)
            status = map_add(reading, layer.data, layer.size_bytes, module.data,
                             module.size_bytes, at);
    }
    if (status == CKPT_OK && (json.event != SDK_JSON_OBJECT_END ||
                              sdk_json_next(&json) != SDK_JSON_END))
        return map_refuse(reading, json.at,
                          json.error != NULL ? json.error
                                             : "the end was expected");
    return status;
}

/* The most pairs that a text can hold: each has a line or a colon. */
static size_t
pairs_most(const char *text)
{
    size_t count = 1;

    for (; *text != '\0'; text++)
        count += *text == '\n' || *text == ':';
    return count;
}

static int
map_load(struct reading *reading, const struct ckpt_source *source)
{
    struct layout_run *run = reading->run;
    uint64_t size_bytes = run->host->source_size(run->host, source);
    char *text;
    int status;

    if (size_bytes > MAP_MAX_BYTES)
        return map_refuse(reading, 0, "it is no mapping file, it is too large");
    text = layout_allocate(run, (size_t)size_bytes + 1);
    if (text == NULL)
        return CKPT_MEMORY;
    status =
        run->host->source_read(run->host, source, 0, text, (size_t)size_bytes);
    if (status != CKPT_OK)
        return status;
    if (strlen(text) != size_bytes)
        return map_refuse(reading, strlen(text), "it is no text");
    reading->map->pairs =
        layout_allocate(run, pairs_most(text) * sizeof *reading->map->pairs);
    if (reading->map->pairs == NULL)
        return CKPT_MEMORY;
    return text[strspn(text, " \t\r\n")] == '{'
               ? map_json(reading, text, (size_t)size_bytes)
               : map_text(reading, text);
}

int
layout_map_read(struct layout_run *run)
{
    const struct ckpt_option_value *option =
        &run->self->options[LAYOUT_OPTION_MAP];
    struct reading reading = {.run = run};
    int status;

    if (option->source == NULL)
        return CKPT_OK;
    run->map = layout_allocate(run, sizeof *run->map);
    if (run->map == NULL)
        return CKPT_MEMORY;
    reading.map = run->map;
    reading.file = run->host->source_name(run->host, option->source);
    status = map_load(&reading, option->source);
    sdk_buffer_fini(run->host, &reading.text);
    return status;
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
    uint64_t *index;
    size_t i;

    for (i = 0; run->map != NULL && i < keras->sorted_count; i++) {
        layer = keras->sorted[i];
        index = sdk_table_find(&run->map->by_layer, layer->name,
                               strlen(layer->name));
        if (index == NULL)
            index = sdk_table_find(&run->map->by_layer, layer->folder.data,
                                   layer->folder.size_bytes);
        if (index == NULL)
            continue;
        pair = &run->map->pairs[*index];
        layer->modules[0] = pair->modules[0];
        layer->modules[1] = pair->modules[1];
        pair->used = true;
    }
}

const char *
layout_map_layer(struct layout_run *run, const char *module)
{
    size_t i;

    for (i = 0; run->map != NULL && i < run->map->count; i++)
        if (strcmp(run->map->pairs[i].modules[0], module) == 0) {
            run->map->pairs[i].used = true;
            return run->map->pairs[i].layer;
        }
    return NULL;
}

void
layout_map_unused(struct layout_run *run)
{
    size_t i;

    for (i = 0; run->map != NULL && i < run->map->count; i++)
        if (!run->map->pairs[i].used)
            run->host->edit_unmatched(
                run->host, run->edits,
                "the mapping file has '%.200s' and '%.200s', and there is "
                "no such pair",
                run->map->pairs[i].layer, run->map->pairs[i].modules[0]);
}

/* ---- Options that name layers ---- */

struct layout_named {
    struct layout_named *next;
    char *pattern;
    const struct layout_class *class;
    bool no_scale, no_center;
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

/* "BatchNormalization", "BatchNormalization:no-scale". */
static bool
class_read(const char *text, struct layout_named *named)
{
    size_t length = strcspn(text, ":");

    named->class = layout_class_find(text, length, false);
    named->no_scale = strcmp(text + length, ":no-scale") == 0;
    named->no_center = strcmp(text + length, ":no-center") == 0;
    return named->class != NULL &&
           (text[length] == '\0' || named->no_scale || named->no_center);
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
layout_option_facts(struct layout_run *run, struct layout_layer *layer)
{
    const struct layout_named *named = named_find(run, layer->name, true);

    if (named == NULL)
        return;
    layer->facts.no_scale |= named->no_scale;
    layer->facts.no_center |= named->no_center;
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
