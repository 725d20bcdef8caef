/* SPDX-License-Identifier: MIT
 *
 * Strings, and lists of strings, that have a place of their own in the target:
 * those that are reached by maps and their string keys alone.
 */
#include <string.h>

#include "buffer.h"
#include "hub/run/fit_flat.h"

struct texts {
    struct hub_fit *fit;
    struct ckpt_value *root; /* of the fitted graph */
    bool *met;               /* of each value id: a map that was walked */
    struct sdk_buffer path;
};

static bool
text_is_one(const struct ckpt_value *value)
{
    size_t i;

    if (value->attrs != NULL || value->type_name != NULL)
        return false;
    if (value->kind != CKPT_KIND_LIST)
        return value->kind == CKPT_KIND_STRING;
    for (i = 0; i < value->as.list.count; i++)
        if (value->as.list.items[i]->kind != CKPT_KIND_STRING)
            return false;
    return value->as.list.count > 0;
}

/* A copy of the text in the fitted graph. */
static int
text_copy(struct hub_fit *fit, const struct ckpt_value *value,
          struct ckpt_value **made)
{
    const struct ckpt_value list = {.kind = CKPT_KIND_LIST};
    const struct ckpt_text *text;
    struct ckpt_value *item;
    size_t i;
    int status;

    if (value->kind == CKPT_KIND_STRING)
        return hub_string_new(&fit->fitted, value->as.text.data,
                              value->as.text.size_bytes, made);
    status = hub_value_new(&fit->fitted, &list, made);
    for (i = 0; i < value->as.list.count && status == CKPT_OK; i++) {
        text = &value->as.list.items[i]->as.text;
        status =
            hub_string_new(&fit->fitted, text->data, text->size_bytes, &item);
        if (status == CKPT_OK)
            status = hub_list_add(&fit->fitted, *made, item);
    }
    return status;
}

/* Puts the text into the map, unless its name is taken there. */
static int
text_place(struct texts *texts, const struct ckpt_value *value,
           const struct ckpt_text *name)
{
    struct hub_fit *fit = texts->fit;
    size_t count = texts->root->as.map.count;
    struct ckpt_value *key, *copy;
    struct ckpt_text *kept = hub_fit_allocate(fit, 1, sizeof *kept);
    int status;

    if (kept == NULL)
        return fit->report->status;
    status = hub_string_new(&fit->fitted, name->data, name->size_bytes, &key);
    if (status == CKPT_OK)
        status = text_copy(fit, value, &copy);
    if (status == CKPT_OK)
        status = hub_map_set(&fit->fitted, texts->root, key, copy);
    if (status != CKPT_OK)
        return status;
    if (texts->root->as.map.count == count)
        return hub_fail(fit->report, CKPT_CONTRACT, key->as.text.data,
                        CKPT_NOWHERE,
                        "the writer gave a text a name that is "
                        "taken");
    *kept = key->as.text;
    fit->texts[value->id] = kept;
    return CKPT_OK;
}

static int
text_offer(struct texts *texts, const struct ckpt_value *value)
{
    struct hub_fit *fit = texts->fit;
    struct ckpt_text own, name;
    int status;

    if (!text_is_one(value) || fit->texts[value->id] != NULL)
        return CKPT_OK;
    own.data = (const char *)texts->path.data;
    own.size_bytes = texts->path.size_bytes;
    name = own;
    status = fit->writer->text(&fit->host->table, fit->self, fit->graph, &own,
                               value, &name);
    if (status != CKPT_OK)
        return status == CKPT_END ? CKPT_OK : status;
    return text_place(texts, value, &name);
}

/* The keys from the root on are joined by dots. The graph's depth is bounded.
 */
static int
texts_walk(struct texts *texts, const struct ckpt_value *map)
{
    const struct ckpt_host *host = &texts->fit->host->table;
    const struct ckpt_pair *pair = map->as.map.pairs;
    size_t before = texts->path.size_bytes, i;
    int status = CKPT_OK;

    if (texts->met[map->id])
        return CKPT_OK;
    texts->met[map->id] = true;
    for (i = 0; i < map->as.map.count && status == CKPT_OK; i++, pair++) {
        if (pair->key->kind != CKPT_KIND_STRING)
            continue;
        if (before > 0)
            status = sdk_buffer_append(host, &texts->path, ".", 1);
        if (status == CKPT_OK)
            status =
                sdk_buffer_append(host, &texts->path, pair->key->as.text.data,
                                  pair->key->as.text.size_bytes);
        if (status == CKPT_OK)
            status = pair->value->kind == CKPT_KIND_MAP
                         ? texts_walk(texts, pair->value)
                         : text_offer(texts, pair->value);
        texts->path.size_bytes = before;
    }
    return status;
}

int
hub_fit_texts(struct hub_fit *fit, struct ckpt_value *root)
{
    struct texts texts = {.fit = fit, .root = root};
    size_t count = (size_t)fit->graph->value_count;
    int status;

    if (fit->writer->text == NULL || fit->graph->root->kind != CKPT_KIND_MAP)
        return CKPT_OK;
    texts.met = hub_fit_allocate(fit, count, sizeof *texts.met);
    fit->texts = hub_fit_allocate(fit, count, sizeof *fit->texts);
    if (texts.met == NULL || fit->texts == NULL)
        return fit->report->status;
    status = texts_walk(&texts, fit->graph->root);
    sdk_buffer_fini(&fit->host->table, &texts.path);
    return status;
}
