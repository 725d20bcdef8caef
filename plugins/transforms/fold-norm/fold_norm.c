/* SPDX-License-Identifier: MIT
 *
 * The transform `fold-norm`: plain weights in the place of what weight_norm
 * and spectral_norm compute them from.
 */
#include "ckpt/plugin.h"

#include <string.h>

#include "fold_norm.h"
#include "optimizer_slots.h"

struct fold_norm {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    struct sdk_pattern *pattern; /* or NULL */
    struct fold_list list;
    struct sdk_optimizers optimizers;
    size_t kept_count; /* parts that optimizers kept something for */
    size_t *last;      /* by storage id: 1 + the last weight on it, or 0 */
    size_t *before;    /* by weight: 1 + the one before on its storage, or 0 */
};

static void
fold_norm_close(const struct ckpt_host *host, void *self)
{
    struct fold_norm *run = self;

    sdk_pattern_free(host, run->pattern);
    fold_list_fini(host, &run->list);
    sdk_optimizers_fini(host, &run->optimizers);
    host->release(host, run->last);
    host->release(host, run->before);
    host->release(host, run);
}

static int
fold_norm_open(const struct ckpt_host *host, const char *argument,
               const struct ckpt_option_value *options, void **self)
{
    struct fold_norm *run = host->allocate(host, sizeof *run);
    int status = CKPT_OK;

    (void)options;
    if (run == NULL)
        return CKPT_MEMORY;
    if (argument != NULL)
        status = sdk_pattern_new(host, argument, &run->pattern);
    if (status != CKPT_OK)
        fold_norm_close(host, run);
    else
        *self = run;
    return status;
}

/* ---- Ties ---- */

static bool
same_view(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    size_t size;

    if (a == NULL || b == NULL || a->storage != b->storage ||
        a->dtype != b->dtype || a->offset != b->offset || a->rank != b->rank)
        return a == b;
    size = a->rank * sizeof *a->shape;
    return a->flips == b->flips &&
           (size == 0 || (memcmp(a->shape, b->shape, size) == 0 &&
                          memcmp(a->strides, b->strides, size) == 0));
}

/* A weight before that is made of the same parts, or NULL. */
static const struct fold *
fold_twin(struct fold_norm *run, size_t index)
{
    const struct fold *fold = &run->list.items[index], *other;
    size_t *last = &run->last[fold->weight->storage->id], at;

    for (at = *last; at != 0; at = run->before[at - 1]) {
        other = &run->list.items[at - 1];
        if (same_view(fold->weight, other->weight) &&
            same_view(fold->g, other->g) && same_view(fold->u, other->u) &&
            same_view(fold->v, other->v))
            return other;
    }
    run->before[index] = *last;
    *last = index + 1;
    return NULL;
}

/* ---- Optimizers ---- */

/* The slots of a part go with it, as they are not of the weight; but those of
 * weight_orig are, up to a factor. */
static int
slots_follow(struct fold_norm *run, const struct fold *fold)
{
    size_t i, j;

    if (fold->u != NULL)
        return sdk_slots_rename(run->host, &run->optimizers, fold->owner,
                                fold->parts[0], fold->plain.data,
                                fold->plain.size_bytes);
    for (i = 0; i < fold->part_count; i++) {
        for (j = 0; j < run->optimizers.count; j++)
            run->kept_count += sdk_slot_at(&run->optimizers.items[j],
                                           fold->owner, fold->parts[i]) != NULL;
        sdk_slots_drop(&run->optimizers, fold->owner, fold->parts[i]);
    }
    return CKPT_OK;
}

static int
slots_edit(struct fold_norm *run)
{
    if (run->list.count > 0)
        sdk_slots_warn(run->host, &run->optimizers);
    if (run->kept_count > 0)
        run->host->warn(run->host, NULL, CKPT_NOWHERE,
                        "what an optimizer kept for %zu parts is gone: it is "
                        "not of the folded weights",
                        run->kept_count);
    return sdk_slots_edit(run->host, run->edits, &run->optimizers);
}

/* ---- Editing ---- */

static int
fold_storage(struct fold_norm *run, size_t index)
{
    const struct ckpt_host *host = run->host;
    struct fold *fold = &run->list.items[index];
    const struct fold *twin = fold_twin(run, index);
    struct ckpt_storage like = {.place = CKPT_PLACE_CODED,
                                .size_bytes = fold->weight->size_bytes,
                                .word_bytes =
                                    ckpt_dtype_word_bytes(fold->weight->dtype),
                                .device = fold->weight->storage->device,
                                .cursor_key = index};

    if (twin != NULL) {
        fold->made = twin->made;
        return CKPT_OK;
    }
    return host->storage_new(host, host->edit_graph(host, run->edits), &like,
                             sizeof like, &fold->made);
}

static int
fold_value(struct fold_norm *run, struct fold *fold, struct ckpt_value **value)
{
    const struct ckpt_host *host = run->host;
    struct ckpt_graph *graph = host->edit_graph(host, run->edits);
    struct ckpt_tensor like = {.dtype = fold->weight->dtype,
                               .rank = fold->weight->rank,
                               .shape = fold->weight->shape,
                               .storage = fold->made,
                               .role = fold->weight->role,
                               .requires_grad = fold->weight->requires_grad,
                               .type_name = fold->weight->type_name};
    const struct ckpt_attr *attr =
        fold->owner->as.map.pairs[fold->parts[0]].value->attrs;
    int status = host->tensor_new(host, graph, &like, sizeof like,
                                  fold->name.data, value);

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status = host->attr_set(host, graph, *value, attr->name, attr->value);
    return status;
}

/* Of what it is made. */
static int
fold_came(struct fold_norm *run, const struct fold *fold,
          const struct ckpt_value *value)
{
    const struct ckpt_value *from[FOLD_PARTS_MAX];
    size_t i;

    for (i = 0; i < fold->part_count; i++)
        from[i] = fold->owner->as.map.pairs[fold->parts[i]].value;
    return run->host->edit_origin(run->host, run->edits, value, from[0], from,
                                  fold->part_count);
}

/* The weight stands where the first of its parts stood. */
static int
fold_edit(struct fold_norm *run, size_t index)
{
    const struct ckpt_host *host = run->host;
    struct fold *fold = &run->list.items[index];
    size_t first = fold->parts[0], i;
    struct ckpt_value *value = NULL;
    int status = fold_storage(run, index);

    for (i = 1; i < fold->part_count; i++)
        first = fold->parts[i] < first ? fold->parts[i] : first;
    if (status == CKPT_OK)
        status = fold_value(run, fold, &value);
    if (status == CKPT_OK)
        status = fold_came(run, fold, value);
    for (i = 0; i < fold->part_count && status == CKPT_OK; i++)
        if (fold->parts[i] != first)
            status =
                host->edit_drop(host, run->edits, fold->owner, fold->parts[i]);
    if (status == CKPT_OK)
        status =
            host->edit_replace(host, run->edits, fold->owner, first, value);
    if (status == CKPT_OK)
        status = host->edit_rename(host, run->edits, fold->owner, first,
                                   fold->plain.data, fold->plain.size_bytes);
    return status;
}

static int
stored_edit(struct fold_norm *run, const struct fold *fold)
{
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < fold->part_count && status == CKPT_OK; i++)
        status = run->host->edit_drop(run->host, run->edits, fold->owner,
                                      fold->parts[i]);
    return status;
}

static int
fold_norm_apply(const struct ckpt_host *host, void *self,
                const struct ckpt_graph *const *graphs, size_t graph_count,
                struct ckpt_edits *edits)
{
    const struct ckpt_graph *graph = graphs[0];
    struct fold_norm *run = self;
    size_t i;
    int status;

    (void)graph_count;
    run->host = host;
    run->edits = edits;
    status = fold_list_find(host, graph, run->pattern, edits, &run->list);
    if (status != CKPT_OK)
        return status;
    run->last = host->allocate(host, ((size_t)graph->storage_count + 1) *
                                         sizeof *run->last);
    run->before =
        host->allocate(host, (run->list.count + 1) * sizeof *run->before);
    if (run->last == NULL || run->before == NULL)
        return CKPT_MEMORY;
    status = sdk_optimizers_find(host, graph, &run->optimizers);
    for (i = 0; i < run->list.count && status == CKPT_OK; i++) {
        status = run->list.items[i].stored
                     ? stored_edit(run, &run->list.items[i])
                     : fold_edit(run, i);
        if (status == CKPT_OK)
            status = slots_follow(run, &run->list.items[i]);
    }
    return status == CKPT_OK ? slots_edit(run) : status;
}

static int
fold_norm_cursor_open(const struct ckpt_host *host, void *self,
                      const struct ckpt_storage *storage, void **cursor)
{
    struct fold_norm *run = self;

    return fold_cursor_open(host, &run->list.items[storage->cursor_key],
                            cursor);
}

static const struct ckpt_transform fold_norm_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "fold-norm",
    .summary = "plain weights for those of weight_norm and spectral_norm",
    .argument = "[PATTERN]",
    .open = fold_norm_open,
    .apply = fold_norm_apply,
    .close = fold_norm_close,
    .cursor_open = fold_norm_cursor_open,
    .cursor_next = fold_cursor_next,
    .cursor_close = fold_cursor_close,
};

static const struct ckpt_transform *const fold_norm_transforms[] = {
    &fold_norm_transform, NULL};

CKPT_PLUGIN(fold_norm) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "fold-norm",
    .version = "0.1.0",
    .summary = "weights that were kept as what they are computed from",
    .transforms = fold_norm_transforms,
};
