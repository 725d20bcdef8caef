/* SPDX-License-Identifier: MIT
 *
 * What the source of a class, where a file carries it, says of its state. It
 * is searched for a few words and never run.
 */
#include <string.h>

#include "torch_module.h"

/* Of more classes, or of longer text, the rest is not looked at. */
#define CLASSES_MAX 1000
#define TEXT_MAX ((size_t)64 << 10)

/* Position behind `wanted` in the text, or its size if it is not there. */
static size_t
find_behind(const struct ckpt_text *text, const char *wanted)
{
    size_t size = strlen(wanted), at;

    for (at = 0; at + size <= text->size_bytes; at++)
        if (text->data[at] == wanted[0] &&
            memcmp(text->data + at, wanted, size) == 0)
            return at + size;
    return text->size_bytes;
}

/* "_version = 2" or "_version: int = 2" in the body of a class; 0: neither. */
static uint64_t
find_version(const struct ckpt_text *text)
{
    size_t at = find_behind(text, "\n    _version"), digits;
    static const char type[] = ": int";
    uint64_t version = 0;

    if (text->size_bytes - at > sizeof type &&
        memcmp(text->data + at, type, sizeof type - 1) == 0)
        at += sizeof type - 1;
    for (digits = 0; at < text->size_bytes && digits < 6; at++) {
        char c = text->data[at];

        if (c >= '0' && c <= '9') {
            version = version * 10 + (uint64_t)(c - '0');
            digits++;
        } else if (digits > 0 || (c != ' ' && c != '=')) {
            break;
        }
    }
    return version;
}

static uint64_t
read_source(const struct ckpt_text *whole)
{
    static const char *const methods[] = {
        "def get_extra_state(", "def _save_to_state_dict(", "def state_dict("};
    struct ckpt_text cut = *whole, *text = &cut;
    uint64_t found = 0;
    size_t i;

    if (cut.size_bytes > TEXT_MAX)
        cut.size_bytes = TEXT_MAX;
    for (i = 0; i < sizeof methods / sizeof *methods; i++)
        if (find_behind(text, methods[i]) < text->size_bytes)
            found |= SDK_TORCH_SOURCE_OWN;
    return found | find_version(text);
}

/* The text of one pair of the sources. */
static const struct ckpt_text *
source_text(const struct ckpt_pair *pair)
{
    const struct ckpt_value *inside = pair->value;
    size_t i;

    for (i = 0; i < inside->as.map.count; i++)
        if (strcmp(inside->as.map.pairs[i].key->as.text.data, "source") == 0 &&
            inside->as.map.pairs[i].value->kind == CKPT_KIND_STRING)
            return &inside->as.map.pairs[i].value->as.text;
    return NULL;
}

/* All sources were met before the first module. */
static int
read_all(struct torch_reader *r)
{
    const struct ckpt_text *text, *name;
    uint64_t *number;
    bool added;
    size_t i;

    for (i = 0; i < r->sources->as.map.count && i < CLASSES_MAX; i++) {
        text = source_text(&r->sources->as.map.pairs[i]);
        name = &r->sources->as.map.pairs[i].key->as.text;
        if (text == NULL)
            continue;
        number = sdk_table_add(r->host, &r->models.sources, name->data,
                               name->size_bytes, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        *number = read_source(text);
    }
    return CKPT_OK;
}

int
sdk_torch_module_source(struct torch_reader *r, const struct ckpt_text *class,
                        uint64_t *found)
{
    const uint64_t *number;
    int status = CKPT_OK;

    *found = 0;
    if (r->sources == NULL)
        return CKPT_OK;
    if (!r->models.sources_read)
        status = read_all(r);
    r->models.sources_read = true;
    number = sdk_table_find(&r->models.sources, class->data, class->size_bytes);
    if (status == CKPT_OK && number != NULL)
        *found = *number;
    return status;
}
