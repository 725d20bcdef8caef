/* SPDX-License-Identifier: MIT
 *
 * From the JSON beside a plugin to the registry's entries. Keys that are not
 * known are passed over, so that later plugins may say more.
 */
#include "hub/load/description.h"

#include <string.h>

#include "json.h"

struct hub_format *
hub_format_add(struct hub_arena *arena, struct hub_plugin *plugin, bool reads)
{
    struct hub_format **end = &plugin->formats;
    struct hub_format *format = hub_arena_allocate(arena, sizeof *format);

    if (format == NULL)
        return NULL;
    while (*end != NULL)
        end = &(*end)->next;
    format->plugin = plugin;
    format->info.reads = reads;
    *end = format;
    return format;
}

struct hub_transform *
hub_transform_add(struct hub_arena *arena, struct hub_plugin *plugin)
{
    struct hub_transform **end = &plugin->transforms;
    struct hub_transform *transform =
        hub_arena_allocate(arena, sizeof *transform);

    if (transform == NULL)
        return NULL;
    while (*end != NULL)
        end = &(*end)->next;
    transform->plugin = plugin;
    *end = transform;
    return transform;
}

bool
hub_magic_add(struct hub_arena *arena, struct hub_format *format,
              uint64_t offset, const void *bytes, size_t size_bytes)
{
    struct hub_magic *magic = hub_arena_allocate(arena, sizeof *magic);

    if (magic == NULL || size_bytes == 0 || size_bytes > HUB_MAGIC_MAX)
        return false;
    magic->offset = offset;
    magic->size_bytes = size_bytes;
    memcpy(magic->bytes, bytes, size_bytes);
    magic->next = format->magics;
    format->magics = magic;
    return true;
}

/* Descriptions are written without escapes that matter; one that has some is
 * not ours. */
static bool
description_text(struct hub_arena *arena, struct sdk_json *json,
                 const char **text)
{
    if (sdk_json_next(json) != SDK_JSON_STRING || json->escaped)
        return false;
    *text = hub_arena_text(arena, json->text, json->text_bytes);
    return *text != NULL;
}

static bool
description_number(struct sdk_json *json, uint64_t *number)
{
    return sdk_json_next(json) == SDK_JSON_NUMBER && sdk_json_u64(json, number);
}

static bool
description_suffixes(struct hub_arena *arena, struct sdk_json *json,
                     struct hub_format *format)
{
    enum { SUFFIXES_MAX = 16 };
    const char **list =
        hub_arena_allocate(arena, (SUFFIXES_MAX + 1) * sizeof *list);
    size_t count = 0;

    if (list == NULL || sdk_json_next(json) != SDK_JSON_ARRAY_BEGIN)
        return false;
    while (sdk_json_next(json) == SDK_JSON_STRING && count < SUFFIXES_MAX)
        list[count++] = hub_arena_text(arena, json->text, json->text_bytes);
    format->info.suffixes = list;
    return json->event == SDK_JSON_ARRAY_END;
}

static int
hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool
description_hex(const struct sdk_json *json, unsigned char *bytes,
                size_t *size_bytes)
{
    size_t i;
    int high, low;

    if (json->event != SDK_JSON_STRING || json->text_bytes % 2 != 0 ||
        json->text_bytes > 2 * HUB_MAGIC_MAX)
        return false;
    for (i = 0; i < json->text_bytes; i += 2) {
        high = hex_digit(json->text[i]);
        low = hex_digit(json->text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (unsigned char)(high << 4 | low);
    }
    *size_bytes = json->text_bytes / 2;
    return true;
}

static bool
description_magic(struct hub_arena *arena, struct sdk_json *json,
                  struct hub_format *format)
{
    unsigned char bytes[HUB_MAGIC_MAX];
    size_t size_bytes = 0;
    uint64_t offset = 0;

    while (sdk_json_next(json) == SDK_JSON_KEY) {
        if (sdk_json_is(json, "offset")) {
            if (!description_number(json, &offset))
                return false;
        } else if (sdk_json_is(json, "hex")) {
            sdk_json_next(json);
            if (!description_hex(json, bytes, &size_bytes))
                return false;
        } else if (!sdk_json_skip(json)) {
            return false;
        }
    }
    return json->event == SDK_JSON_OBJECT_END &&
           hub_magic_add(arena, format, offset, bytes, size_bytes);
}

static bool
description_magics(struct hub_arena *arena, struct sdk_json *json,
                   struct hub_format *format)
{
    if (sdk_json_next(json) != SDK_JSON_ARRAY_BEGIN)
        return false;
    while (sdk_json_next(json) == SDK_JSON_OBJECT_BEGIN)
        if (!description_magic(arena, json, format))
            return false;
    return json->event == SDK_JSON_ARRAY_END;
}

static bool
description_role_key(struct hub_arena *arena, struct sdk_json *json,
                     struct hub_format *format)
{
    if (sdk_json_is(json, "id"))
        return description_text(arena, json, &format->info.id);
    if (sdk_json_is(json, "summary"))
        return description_text(arena, json, &format->info.summary);
    if (sdk_json_is(json, "suffixes"))
        return description_suffixes(arena, json, format);
    if (sdk_json_is(json, "capabilities"))
        return description_number(json, &format->capabilities);
    if (sdk_json_is(json, "magics"))
        return description_magics(arena, json, format);
    return sdk_json_skip(json);
}

static bool
description_roles(struct hub_arena *arena, struct sdk_json *json,
                  struct hub_plugin *plugin, bool reads)
{
    static const char *const none[] = {NULL};
    struct hub_format *format;

    if (sdk_json_next(json) != SDK_JSON_ARRAY_BEGIN)
        return false;
    while (sdk_json_next(json) == SDK_JSON_OBJECT_BEGIN) {
        format = hub_format_add(arena, plugin, reads);
        if (format == NULL)
            return false;
        format->info.suffixes = none;
        while (sdk_json_next(json) == SDK_JSON_KEY)
            if (!description_role_key(arena, json, format))
                return false;
        if (json->event != SDK_JSON_OBJECT_END || format->info.id == NULL)
            return false;
    }
    return json->event == SDK_JSON_ARRAY_END;
}

/* The ids of the scanners; that there are any is enough to know. */
static bool
description_scanners(struct sdk_json *json, struct hub_plugin *plugin)
{
    if (sdk_json_next(json) != SDK_JSON_ARRAY_BEGIN)
        return false;
    while (sdk_json_next(json) == SDK_JSON_STRING)
        plugin->scans = true;
    return json->event == SDK_JSON_ARRAY_END;
}

static bool
description_transform_key(struct hub_arena *arena, struct sdk_json *json,
                          struct hub_transform *transform)
{
    if (sdk_json_is(json, "id"))
        return description_text(arena, json, &transform->info.id);
    if (sdk_json_is(json, "summary"))
        return description_text(arena, json, &transform->info.summary);
    if (sdk_json_is(json, "argument"))
        return description_text(arena, json, &transform->info.argument);
    return sdk_json_skip(json);
}

static bool
description_transforms(struct hub_arena *arena, struct sdk_json *json,
                       struct hub_plugin *plugin)
{
    struct hub_transform *transform;

    if (sdk_json_next(json) != SDK_JSON_ARRAY_BEGIN)
        return false;
    while (sdk_json_next(json) == SDK_JSON_OBJECT_BEGIN) {
        transform = hub_transform_add(arena, plugin);
        if (transform == NULL)
            return false;
        while (sdk_json_next(json) == SDK_JSON_KEY)
            if (!description_transform_key(arena, json, transform))
                return false;
        if (json->event != SDK_JSON_OBJECT_END || transform->info.id == NULL)
            return false;
    }
    return json->event == SDK_JSON_ARRAY_END;
}

static bool
description_key(struct hub_arena *arena, struct sdk_json *json,
                struct hub_plugin *plugin)
{
    uint64_t abi;

    if (sdk_json_is(json, "abi"))
        return description_number(json, &abi) && abi == CKPT_ABI;
    if (sdk_json_is(json, "id"))
        return description_text(arena, json, &plugin->info.id);
    if (sdk_json_is(json, "version"))
        return description_text(arena, json, &plugin->info.version);
    if (sdk_json_is(json, "summary"))
        return description_text(arena, json, &plugin->info.summary);
    if (sdk_json_is(json, "readers"))
        return description_roles(arena, json, plugin, true);
    if (sdk_json_is(json, "writers"))
        return description_roles(arena, json, plugin, false);
    if (sdk_json_is(json, "transforms"))
        return description_transforms(arena, json, plugin);
    if (sdk_json_is(json, "scanners"))
        return description_scanners(json, plugin);
    return sdk_json_skip(json);
}

bool
hub_description_parse(struct hub_arena *arena, struct hub_plugin *plugin,
                      const char *text, size_t size_bytes)
{
    struct hub_plugin read = *plugin;
    struct hub_transform *transform;
    struct hub_format *format;
    struct sdk_json json;

    sdk_json_init(&json, text, size_bytes);
    if (sdk_json_next(&json) != SDK_JSON_OBJECT_BEGIN)
        return false;
    while (sdk_json_next(&json) == SDK_JSON_KEY)
        if (!description_key(arena, &json, &read))
            return false;
    if (json.event != SDK_JSON_OBJECT_END || read.info.id == NULL)
        return false;
    for (format = read.formats; format != NULL; format = format->next)
        format->plugin = plugin;
    for (transform = read.transforms; transform != NULL;
         transform = transform->next)
        transform->plugin = plugin;
    *plugin = read;
    return true;
}
