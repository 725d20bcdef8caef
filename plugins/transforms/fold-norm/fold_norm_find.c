/* SPDX-License-Identifier: MIT
 *
 * Finding weights by the keys of their parts. Of a weight W these are, in the
 * map that W would be in:
 *
 *   1. W_g, W_v                                      weight_norm
 *   2. W_orig, W_u, W_v                              spectral_norm
 *   3. W_orig, W_u, W                                the same, of torch 0.4
 *   4. parametrizations.W.original0, .original1      weight_norm
 *   5. parametrizations.W.original, .0._u, .0._v     spectral_norm
 */
#include "fold_norm.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "hash_table.h"

#define KEY_MAX_BYTES 4096

static const char inner_prefix[] = "parametrizations.";

struct find {
    const struct ckpt_host *host;
    const struct ckpt_graph *graph;
    const struct sdk_pattern *pattern;
    struct ckpt_edits *edits;
    struct fold_list *list;
    struct sdk_table names; /* the indices of entries */
    size_t text_bytes;      /* of the names until now */
};

/* A tensor that a weight may be computed from, and what its key is made of:
 * BASE or PREFIX + "parametrizations." + BASE, and an end. */
struct head {
    const struct ckpt_entry *entry;
    const struct ckpt_spot *spot;
    struct ckpt_text key;
    size_t stem_bytes;   /* of the full name, without the end */
    size_t prefix_bytes; /* of the key, before "parametrizations." */
    bool inner;
};

static bool
text_ends(const struct ckpt_text *text, const char *end)
{
    size_t size = strlen(end);

    return text->size_bytes > size &&
           memcmp(text->data + text->size_bytes - size, end, size) == 0;
}

/* ---- Looking about ---- */

/* The part with another end, in the same map; NULL if there is none. */
static const struct ckpt_entry *
head_part(const struct find *find, const struct head *head, const char *end)
{
    char name[KEY_MAX_BYTES + 32];
    size_t size = head->stem_bytes, more = strlen(end);
    const struct ckpt_entry *entries = find->graph->entries;
    const uint64_t *found;

    memcpy(name, head->entry->name.data, size);
    memcpy(name + size, end, more);
    found = sdk_table_find(&find->names, name, size + more);
    if (found == NULL || find->graph->spots[*found].owner != head->spot->owner)
        return NULL;
    return &entries[*found];
}

/* Cuts the key of an entry; false if it is not of a form that ends so. */
static bool
head_cut(const struct find *find, size_t index, const char *end, bool inner,
         struct head *head)
{
    const struct ckpt_pair *pair;
    size_t base, stem, size = sizeof inner_prefix - 1;

    head->entry = &find->graph->entries[index];
    head->spot = &find->graph->spots[index];
    if (head->spot->owner == NULL || head->spot->owner->kind != CKPT_KIND_MAP)
        return false;
    pair = &head->spot->owner->as.map.pairs[head->spot->index];
    if (pair->key->kind != CKPT_KIND_STRING)
        return false;
    head->key = pair->key->as.text;
    if (!text_ends(&head->key, end) ||
        head->entry->name.size_bytes > KEY_MAX_BYTES)
        return false;
    stem = head->key.size_bytes - strlen(end);
    for (base = stem; base > 0 && head->key.data[base - 1] != '.';)
        base--;
    head->stem_bytes = head->entry->name.size_bytes - strlen(end);
    head->inner = inner;
    head->prefix_bytes = inner && base >= size ? base - size : base;
    return base < stem &&
           (!inner ||
            (base >= size &&
             memcmp(head->key.data + base - size, inner_prefix, size) == 0 &&
             (base == size || head->key.data[base - size - 1] == '.')));
}

/* ---- Whether the parts fit ---- */

static bool
is_float(uint32_t dtype)
{
    return dtype == CKPT_FLOAT16 || dtype == CKPT_BFLOAT16 ||
           dtype == CKPT_FLOAT32 || dtype == CKPT_FLOAT64;
}

/* Why the part is of no use to the weight, or NULL. */
static const char *
part_fits(const struct ckpt_tensor *weight, const struct ckpt_tensor *part)
{
    if (weight->storage->place == CKPT_PLACE_ABSENT ||
        part->storage->place == CKPT_PLACE_ABSENT)
        return "it has no bytes";
    if (!is_float(weight->dtype))
        return "its type is none that is normed";
    return part->dtype != weight->dtype ? "its parts are of several types"
                                        : NULL;
}

/* Why g is not of the weight, or NULL. */
static const char *
norm_fits(struct fold *fold)
{
    static const char odd[] = "its parts have no dimension in common";
    const struct ckpt_tensor *weight = fold->weight, *g = fold->g;
    const char *problem = part_fits(weight, g);
    uint32_t d;

    if (problem != NULL)
        return problem;
    if (g->rank != 0 && g->rank != weight->rank)
        return odd;
    for (d = 0; d < g->rank; d++) {
        if (g->shape[d] == 1)
            continue;
        if (g->shape[d] != weight->shape[d] || fold->dims != 0)
            return odd;
        fold->dims = UINT64_C(1) << d;
    }
    return NULL;
}

/* Why u and v are not of the weight, or NULL. */
static const char *
spectral_fits(struct fold *fold)
{
    const struct ckpt_tensor *weight = fold->weight;
    static const char odd[] = "its vectors are not of the size of the weight";
    const struct ckpt_tensor *u = fold->u, *v = fold->v;
    const char *problem = part_fits(weight, u);
    uint64_t product;
    uint32_t d;

    if (problem == NULL)
        problem = part_fits(weight, v);
    if (problem != NULL)
        return problem;
    if (u->rank != 1 || v->rank != 1 ||
        !sdk_mul_u64(u->shape[0], v->shape[0], &product) ||
        product != weight->element_count)
        return odd;
    for (d = 0; d < weight->rank; d++)
        if (weight->shape[d] == u->shape[0])
            fold->dims |= UINT64_C(1) << d;
    return fold->dims != 0 ? NULL : odd;
}

/* ---- Listing ---- */

static int
list_grow(struct find *find)
{
    struct fold_list *list = find->list;
    size_t capacity = list->capacity > 0 ? 2 * list->capacity : 16;
    struct fold *items = find->host->reallocate(find->host, list->items,
                                                capacity * sizeof *items);

    if (items == NULL)
        return CKPT_MEMORY;
    memset(items + list->count, 0, (capacity - list->count) * sizeof *items);
    list->items = items;
    list->capacity = capacity;
    return CKPT_OK;
}

static void
fold_part(const struct find *find, struct fold *fold,
          const struct ckpt_entry *entry)
{
    fold->parts[fold->part_count++] =
        find->graph->spots[entry - find->graph->entries].index;
}

/* The name and the key without what the form puts into them. */
static void
fold_plain(const struct find *find, const struct head *head, struct fold *fold)
{
    char *text = find->list->texts + find->text_bytes;
    size_t before = head->entry->name.size_bytes - head->key.size_bytes;
    size_t size = before + head->prefix_bytes, from = size;

    if (head->inner)
        from += sizeof inner_prefix - 1;
    memcpy(text, head->entry->name.data, size);
    memcpy(text + size, head->entry->name.data + from, head->stem_bytes - from);
    size += head->stem_bytes - from;
    text[size] = '\0';
    fold->name.data = text;
    fold->name.size_bytes = size;
    fold->plain.data = text + before;
    fold->plain.size_bytes = size - before;
}

static int
fold_add(struct find *find, const struct head *head, struct fold *fold,
         const char *problem)
{
    struct fold_list *list = find->list;
    bool wanted = true;
    int status = CKPT_OK;

    fold_plain(find, head, fold);
    if (find->pattern != NULL)
        status =
            sdk_pattern_match(find->host, find->pattern, &fold->name, &wanted);
    if (status != CKPT_OK || !wanted)
        return status;
    if (problem != NULL) {
        find->host->edit_unmatched(find->host, find->edits,
                                   "'%.200s' is not folded: %s",
                                   fold->name.data, problem);
        return CKPT_OK;
    }
    if (list->count == list->capacity && list_grow(find) != CKPT_OK)
        return CKPT_MEMORY;
    list->items[list->count++] = *fold;
    find->text_bytes += fold->name.size_bytes + 1;
    return CKPT_OK;
}

static struct fold
fold_begin(const struct find *find, const struct head *head)
{
    struct fold fold = {.owner = head->spot->owner,
                        .weight = head->entry->value->as.tensor};

    fold_part(find, &fold, head->entry);
    return fold;
}

static int
find_norm(struct find *find, const struct head *head, const char *end)
{
    const struct ckpt_entry *g = head_part(find, head, end);
    struct fold fold = fold_begin(find, head);

    if (g == NULL)
        return CKPT_OK;
    fold_part(find, &fold, g);
    fold.g = g->value->as.tensor;
    return fold_add(find, head, &fold, norm_fits(&fold));
}

static int
find_spectral(struct find *find, const struct head *head, const char *u_end,
              const char *v_end)
{
    const struct ckpt_entry *u = head_part(find, head, u_end);
    const struct ckpt_entry *v = head_part(find, head, v_end);
    struct fold fold = fold_begin(find, head);
    const char *problem = NULL;

    if (u == NULL)
        return CKPT_OK;
    fold_part(find, &fold, u);
    if (v != NULL) {
        fold_part(find, &fold, v);
        fold.u = u->value->as.tensor;
        fold.v = v->value->as.tensor;
        problem = spectral_fits(&fold);
    } else {
        fold.stored = head_part(find, head, "") != NULL;
        if (!fold.stored)
            problem = "one of its vectors is missing";
    }
    return fold_add(find, head, &fold, problem);
}

static int
find_entry(struct find *find, size_t index)
{
    struct head head;

    if (head_cut(find, index, "_v", false, &head) &&
        head_part(find, &head, "_orig") == NULL)
        return find_norm(find, &head, "_g");
    if (head_cut(find, index, "_orig", false, &head))
        return find_spectral(find, &head, "_u", "_v");
    if (head_cut(find, index, ".original1", true, &head) &&
        head_part(find, &head, ".original2") == NULL)
        return find_norm(find, &head, ".original0");
    if (head_cut(find, index, ".original", true, &head))
        return find_spectral(find, &head, ".0._u", ".0._v");
    return CKPT_OK;
}

static int
find_names(struct find *find)
{
    const struct ckpt_graph *graph = find->graph;
    size_t bytes = 1, i;
    uint64_t *number;
    bool added;

    for (i = 0; i < graph->entry_count; i++) {
        number =
            sdk_table_add(find->host, &find->names, graph->entries[i].name.data,
                          graph->entries[i].name.size_bytes, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        if (added)
            *number = i;
        bytes += graph->entries[i].name.size_bytes + 1;
    }
    find->list->texts = find->host->allocate(find->host, bytes);
    return find->list->texts != NULL ? CKPT_OK : CKPT_MEMORY;
}

int
fold_list_find(const struct ckpt_host *host, const struct ckpt_graph *graph,
               const struct sdk_pattern *pattern, struct ckpt_edits *edits,
               struct fold_list *list)
{
    struct find find = {host, graph, pattern, edits, list, {0}, 0};
    int status = find_names(&find);
    size_t i;

    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = find_entry(&find, i);
    sdk_table_fini(host, &find.names);
    return status;
}

void
fold_list_fini(const struct ckpt_host *host, struct fold_list *list)
{
    host->release(host, list->items);
    host->release(host, list->texts);
}
