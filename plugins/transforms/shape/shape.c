/* SPDX-License-Identifier: MIT
 *
 * The transforms `resize` and `channels`: another number of entries along one
 * dimension. What was asked for, and of which tensors; what becomes of one is
 * in shape_run.c, and what it is made of in shape_make.c.
 */
#include "shape.h"

#include <string.h>

#include "torch_layout.h"

enum { RESIZE_DIM, RESIZE_SIZE, RESIZE_FILL, RESIZE_KEEP, RESIZE_SEED };
enum { CHANNELS_DIM, CHANNELS_SIZE, CHANNELS_FILL, CHANNELS_RESCALE };

static const char *const resize_fills[] = {"zero", "mean", "repeat", "kaiming",
                                           NULL};
static const char *const channels_fills[] = {"zero", "mean", "copy", NULL};

static const struct ckpt_option resize_options[] = {
    {"dim", CKPT_OPTION_INT, "0", "the dimension; -1 is the last", NULL},
    {"size", CKPT_OPTION_INT, NULL, "its new size", NULL},
    {"fill", CKPT_OPTION_CHOICE, NULL, "what new entries are", resize_fills},
    {"keep", CKPT_OPTION_BOOL, NULL,
     "whether old entries stay; if not said: unless it shrinks with a fill",
     NULL},
    {"seed", CKPT_OPTION_INT, "0", "which random numbers fill=kaiming has",
     NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static const struct ckpt_option channels_options[] = {
    {"dim", CKPT_OPTION_INT, "1", "the dimension; -1 is the last", NULL},
    {"size", CKPT_OPTION_INT, NULL, "its new size", NULL},
    {"fill", CKPT_OPTION_CHOICE, "mean", "what new channels are",
     channels_fills},
    {"rescale", CKPT_OPTION_BOOL, "no",
     "multiply by old size over new, so that sums over channels stay", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static void
shape_close(const struct ckpt_host *host, void *self)
{
    struct shape *shape = self;

    sdk_pattern_free(host, shape->pattern);
    sdk_jobs_fini(host, &shape->jobs);
    host->release(host, shape);
}

static int
option_wrong(const struct ckpt_host *host, const char *what)
{
    return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE, "%s", what);
}

static int
shape_configure(const struct ckpt_host *host, struct shape *shape,
                const struct ckpt_option_value *options)
{
    const struct ckpt_option_value *dim = &options[RESIZE_DIM];
    const struct ckpt_option_value *size = &options[RESIZE_SIZE];
    const struct ckpt_option_value *fill = &options[RESIZE_FILL];

    if (!size->given)
        return option_wrong(host, "it needs a size: size=21");
    if (size->integer < 1)
        return option_wrong(host, "a size of less than one");
    shape->dim = dim->integer;
    shape->size = (uint64_t)size->integer;
    shape->fill = fill->text != NULL ? (uint32_t)fill->integer : SHAPE_UNSAID;
    if (shape->channels) {
        shape->rescale = options[CHANNELS_RESCALE].integer != 0;
        if (shape->rescale && shape->fill == SHAPE_ZERO)
            return option_wrong(host, "zeros change no sum, so that there is "
                                      "nothing to rescale");
        return CKPT_OK;
    }
    shape->keep_said = options[RESIZE_KEEP].given;
    shape->keep = options[RESIZE_KEEP].integer != 0;
    shape->seed = (uint64_t)options[RESIZE_SEED].integer;
    if (options[RESIZE_SEED].given && shape->fill != SHAPE_KAIMING)
        return option_wrong(host, "a seed is for fill=kaiming");
    if (shape->keep_said && !shape->keep && shape->fill == SHAPE_UNSAID)
        return option_wrong(host, "where nothing is kept, say what to fill in");
    return CKPT_OK;
}

static int
shape_open(const struct ckpt_host *host, const char *pattern,
           const struct ckpt_option_value *options, bool channels, void **self)
{
    struct shape *shape = host->allocate(host, sizeof *shape);
    int status;

    if (shape == NULL)
        return CKPT_MEMORY;
    shape->channels = channels;
    status = shape_configure(host, shape, options);
    if (status == CKPT_OK)
        status = sdk_pattern_new(host, pattern, &shape->pattern);
    if (status == CKPT_OK)
        *self = shape;
    else
        shape_close(host, shape);
    return status;
}

static int
resize_open(const struct ckpt_host *host, const char *argument,
            const struct ckpt_option_value *options, void **self)
{
    return shape_open(host, argument, options, false, self);
}

static int
channels_open(const struct ckpt_host *host, const char *argument,
              const struct ckpt_option_value *options, void **self)
{
    return shape_open(host, argument, options, true, self);
}

/* ---- Tensors ---- */

static bool
run_stays(const struct shape_run *run)
{
    return run->size == run->old && run->keep;
}

static int
view_make(struct shape_work *work, struct shape_view *view, size_t index,
          struct shape_run *run)
{
    view->met = true;
    shape_run_tell(run);
    if (run_stays(run))
        return CKPT_OK;
    sdk_ties_part(work->host, work->graph, &work->ties, index);
    view->storage = run->from->storage;
    return view->storage->place == CKPT_PLACE_ABSENT
               ? CKPT_OK
               : shape_make(run, &view->storage);
}

int
shape_value(const struct shape_run *run, const struct ckpt_entry *entry,
            const struct ckpt_storage *storage, struct ckpt_value **value)
{
    const struct ckpt_tensor *from = run->from;
    uint64_t shape[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = from->rank,
                               .shape = shape,
                               .storage = storage};

    memcpy(shape, from->shape, from->rank * sizeof *shape);
    shape[run->dim] = run->size;
    return sdk_tensor_remake(run->host, run->edits, entry, &like, value);
}

static int
entry_replace(struct shape_work *work, size_t index,
              const struct ckpt_value *value)
{
    return sdk_entry_replace(work->host, work->edits, work->graph, index, value,
                             "resized");
}

/* The scales of what is quantised do not follow. */
static int
channels_check(const struct shape_run *run, const struct ckpt_entry *entry)
{
    if (run->size == run->old ||
        sdk_torch_channel_axis(entry->value) != run->dim)
        return CKPT_OK;
    return run->host->fail(
        run->host, CKPT_UNSUPPORTED, entry->name.data, CKPT_NOWHERE,
        "it has a scale for each entry of dimension %u", run->dim);
}

static int
entry_resize(struct shape_work *work, size_t index, struct shape_view *view)
{
    const struct ckpt_entry *entry = &work->graph->entries[index];
    struct shape_run run = {.host = work->host,
                            .edits = work->edits,
                            .graph = work->graph,
                            .self = work->self,
                            .name = view->name,
                            .from = entry->value->as.tensor};
    struct ckpt_value **value = &work->values[run.from->id];
    int status = shape_run_begin(&run);

    if (status == CKPT_OK)
        status = channels_check(&run, entry);
    if (status == CKPT_OK)
        status = shape_run_decide(&run);
    if (status == CKPT_OK && !view->met)
        status = view_make(work, view, index, &run);
    if (status != CKPT_OK || run_stays(&run))
        return status == CKPT_OK ? entry_replace(work, index, entry->value)
                                 : status;
    if (strcmp(entry->name.data, view->name) != 0)
        work->host->warn(work->host, entry->name.data, CKPT_NOWHERE,
                         "it is tied to '%.200s', and follows it", view->name);
    if (*value == NULL)
        status = shape_value(&run, entry, view->storage, value);
    if (status == CKPT_OK)
        status = entry_replace(work, index, *value);
    return status == CKPT_OK ? shape_slots(work, index, &run) : status;
}

/* Finds the views that are wanted under any of their names. */
static int
views_choose(struct shape_work *work, bool *any)
{
    const struct ckpt_entry *entry;
    struct shape_view *view;
    bool matches;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < work->graph->entry_count && status == CKPT_OK; i++) {
        entry = &work->graph->entries[i];
        view = &work->views[work->ties.view_of[i]];
        status = sdk_pattern_match(work->host, work->self->pattern,
                                   &entry->name, &matches);
        if (status != CKPT_OK || !matches || view->name != NULL ||
            sdk_entry_follows(&work->optimizers, work->graph, i))
            continue;
        view->name = entry->name.data;
        *any = true;
    }
    return status;
}

static int
work_begin(struct shape_work *work)
{
    const struct ckpt_host *host = work->host;
    size_t tensors = (size_t)work->graph->tensor_count + 1;
    int status = sdk_ties_init(host, work->graph, &work->ties);

    if (status == CKPT_OK)
        status = sdk_optimizers_find(host, work->graph, &work->optimizers);
    if (status != CKPT_OK)
        return status;
    work->views =
        host->allocate(host, (work->ties.view_count + 1) * sizeof *work->views);
    work->values = host->allocate(host, tensors * sizeof *work->values);
    return work->views != NULL && work->values != NULL ? CKPT_OK : CKPT_MEMORY;
}

static int
shape_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    struct shape_work work = {
        .host = host, .edits = edits, .graph = graphs[0], .self = self};
    struct shape_view *view;
    bool any = false;
    size_t i;
    int status = work_begin(&work);

    (void)graph_count;
    if (status == CKPT_OK)
        status = views_choose(&work, &any);
    for (i = 0; i < work.graph->entry_count && status == CKPT_OK; i++) {
        view = &work.views[work.ties.view_of[i]];
        if (view->name != NULL)
            status = entry_resize(&work, i, view);
    }
    if (status == CKPT_OK && any)
        sdk_slots_warn(host, &work.optimizers);
    sdk_ties_fini(host, &work.ties);
    sdk_optimizers_fini(host, &work.optimizers);
    host->release(host, work.views);
    host->release(host, work.values);
    return status;
}

static const struct ckpt_transform shape_resize = {
    .size = sizeof(struct ckpt_transform),
    .id = "resize",
    .summary = "another number of entries along one dimension",
    .argument = "PATTERN",
    .options = resize_options,
    .open = resize_open,
    .apply = shape_apply,
    .close = shape_close,
    .cursor_open = shape_cursor_open,
    .cursor_next = shape_cursor_next,
    .cursor_close = shape_cursor_close,
};

static const struct ckpt_transform shape_channels = {
    .size = sizeof(struct ckpt_transform),
    .id = "channels",
    .summary = "another number of input channels, made of the old ones",
    .argument = "PATTERN",
    .options = channels_options,
    .open = channels_open,
    .apply = shape_apply,
    .close = shape_close,
    .cursor_open = shape_cursor_open,
    .cursor_next = shape_cursor_next,
    .cursor_close = shape_cursor_close,
};

static const struct ckpt_transform *const shape_transforms[] = {
    &shape_resize, &shape_channels, NULL};

CKPT_PLUGIN(shape) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "shape",
    .version = "0.1.0",
    .summary = "other shapes for tensors",
    .transforms = shape_transforms,
};
