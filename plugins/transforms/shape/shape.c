/* SPDX-License-Identifier: MIT
 *
 * The transforms `resize` and `channels`: another number of entries along one
 * dimension. Which tensors, what of the old ones stays, and what is said of
 * it; what the new ones are made of is in shape_make.c.
 */
#include "shape.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cast.h"

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

/* What is done to the tensors of one view. */
struct view {
    bool wanted;
    const char *name; /* of the first that was wanted */
    size_t count;     /* names */
    const struct ckpt_storage *storage;
};

struct job {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph;
    struct shape *self;
    struct sdk_ties ties;
    struct view *views;
    struct ckpt_value **values; /* new ones, by the old tensor's id */
};

static void
shape_close(const struct ckpt_host *host, void *self)
{
    struct shape *shape = self;

    sdk_pattern_free(host, shape->pattern);
    shape_jobs_fini(host, shape);
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

/* ---- What cannot be ---- */

static int
run_refuse(const struct shape_run *run, const char *why)
{
    return run->host->fail(run->host, CKPT_UNSUPPORTED, run->name, CKPT_NOWHERE,
                           "it is %s: %s", ckpt_dtype_name(run->from->dtype),
                           why);
}

static bool
is_real(uint32_t dtype)
{
    return sdk_cast_known(CKPT_FLOAT32, dtype) && dtype != CKPT_BOOL &&
           (dtype < CKPT_UINT8 || dtype > CKPT_INT64);
}

static bool
is_complex(uint32_t dtype)
{
    return sdk_cast_known(CKPT_COMPLEX64, dtype);
}

/* Whether the type has what the fill, if there is any, wants. */
static int
dtype_check(const struct shape_run *run)
{
    uint32_t dtype = run->from->dtype;
    bool fills = run->size > run->old || !run->keep;

    if (ckpt_dtype_width_bits(dtype) % 8 != 0)
        return run_refuse(run, "types below a byte are not resized");
    if (run->factor != 1 && !is_real(dtype) && !is_complex(dtype))
        return run_refuse(run, "there is nothing to rescale");
    if (!fills)
        return CKPT_OK;
    if (run->fill == SHAPE_ZERO && !sdk_cast_known(dtype, dtype))
        return run_refuse(run, "what is zero in it is not known");
    if (run->fill == SHAPE_MEAN && !is_real(dtype) && !is_complex(dtype))
        return run_refuse(run, "it has no mean");
    if (run->fill == SHAPE_KAIMING && !is_real(dtype))
        return run_refuse(run, "it has no random numbers between -1 and 1");
    return CKPT_OK;
}

static int
fill_check(const struct shape_run *run)
{
    const struct ckpt_host *host = run->host;
    bool empty =
        run->old == 0 && (run->fill == SHAPE_MEAN || run->fill == SHAPE_REPEAT);

    if (run->fill == SHAPE_UNSAID && run->size > run->old)
        return host->fail(host, CKPT_OPTION, run->name, CKPT_NOWHERE,
                          "it grows from %" PRIu64 " to %" PRIu64
                          ", and nothing says by what",
                          run->old, run->size);
    if (empty)
        return host->fail(host, CKPT_UNSUPPORTED, run->name, CKPT_NOWHERE,
                          "there are no old entries to make new ones of");
    if (run->self->channels && run->fill == SHAPE_ZERO && run->size < run->old)
        return host->fail(host, CKPT_OPTION, run->name, CKPT_NOWHERE,
                          "it shrinks from %" PRIu64 " to %" PRIu64
                          ", and fill=zero is for new channels",
                          run->old, run->size);
    return dtype_check(run);
}

/* ---- One tensor ---- */

static const struct ckpt_tensor *
tensor_named(const struct ckpt_graph *graph, const char *name, size_t length)
{
    const struct ckpt_entry *entry;
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        entry = &graph->entries[i];
        if (entry->name.size_bytes == length &&
            memcmp(entry->name.data, name, length) == 0)
            return entry->value->as.tensor;
    }
    return NULL;
}

/* The weight that a bias is for: `fc.weight` beside `fc.bias`. */
static int
weight_beside(const struct shape_run *run, const struct ckpt_tensor **weight)
{
    const struct ckpt_host *host = run->host;
    size_t length = strlen(run->name), stem = length - 4;
    char *name;

    *weight = NULL;
    if (length < 4 || strcmp(run->name + stem, "bias") != 0 ||
        (stem > 0 && run->name[stem - 1] != '.'))
        return CKPT_OK;
    name = host->allocate(host, stem + sizeof "weight");
    if (name == NULL)
        return CKPT_MEMORY;
    memcpy(name, run->name, stem);
    memcpy(name + stem, "weight", sizeof "weight");
    *weight = tensor_named(run->graph, name, stem + strlen("weight"));
    host->release(host, name);
    return CKPT_OK;
}

/* 1 / sqrt(fan_in), where fan_in is the number of elements in one entry of
 * the first dimension. */
static int
kaiming_bound(struct shape_run *run)
{
    const struct ckpt_tensor *of = run->from;
    double fan_in = 1;
    uint32_t d;
    int status = CKPT_OK;

    if (of->rank < 2)
        status = weight_beside(run, &of);
    if (status != CKPT_OK)
        return status;
    if (of == NULL || of->rank < 2)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, run->name,
                               CKPT_NOWHERE,
                               "it has one dimension, and there is no weight "
                               "beside it to say what fan-in is");
    for (d = 1; d < of->rank; d++)
        fan_in *= (double)(of == run->from && d == run->dim ? run->size
                                                            : of->shape[d]);
    run->bound = fan_in > 0 ? 1 / sqrt(fan_in) : 0;
    return CKPT_OK;
}

/* Finds the dimension. */
static int
run_begin(struct shape_run *run)
{
    const struct shape *self = run->self;
    const struct ckpt_tensor *from = run->from;
    int64_t dim = self->dim < 0 ? self->dim + from->rank : self->dim;
    uint32_t d;

    if (dim < 0 || dim >= from->rank)
        return run->host->fail(run->host, CKPT_UNSUPPORTED, run->name,
                               CKPT_NOWHERE,
                               "it has %u dimensions, and none is %" PRId64,
                               from->rank, self->dim);
    run->dim = (uint32_t)dim;
    run->old = from->shape[dim];
    run->size = self->size;
    run->outer = run->inner = 1;
    for (d = 0; d < from->rank; d++)
        if (d < run->dim)
            run->outer *= from->shape[d];
        else if (d > run->dim)
            run->inner *= from->shape[d];
    return CKPT_OK;
}

/* What stays, and what the rest becomes. */
static int
run_decide(struct shape_run *run)
{
    const struct shape *self = run->self;
    bool shrinks = run->size < run->old;
    int status;

    run->fill = self->fill;
    run->factor = 1;
    if (self->rescale && run->size != run->old)
        run->factor = (double)run->old / (double)run->size;
    run->keep = self->keep;
    if (self->channels)
        run->keep = !shrinks || self->fill != SHAPE_MEAN;
    else if (!self->keep_said)
        run->keep = !shrinks || self->fill == SHAPE_UNSAID;
    status = fill_check(run);
    if (status == CKPT_OK && run->fill == SHAPE_KAIMING &&
        (run->size > run->old || !run->keep))
        status = kaiming_bound(run);
    return status;
}

/* ---- What is said ---- */

static const char *
fill_text(const struct shape_run *run, char text[120])
{
    switch (run->fill) {
    case SHAPE_ZERO:
        return "zeros";
    case SHAPE_MEAN:
        return "the mean of the old";
    case SHAPE_REPEAT:
        return "the old ones again";
    }
    snprintf(text, 120, "random within %.3g, seed %" PRId64, run->bound,
             (int64_t)run->self->seed);
    return text;
}

static void
run_tell(const struct shape_run *run)
{
    const struct ckpt_host *host = run->host;
    char text[120], factor[60] = "";

    if (run->factor != 1)
        snprintf(factor, sizeof factor, "; all are multiplied by %.6g",
                 run->factor);
    if (run->size == run->old && run->keep)
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u is %" PRIu64 " already", run->dim, run->size);
    else if (run->size > run->old && (run->keep || run->fill == SHAPE_REPEAT))
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u: the %" PRIu64 " old entries stay, %" PRIu64
                   " are new: %s%s",
                   run->dim, run->old, run->size - run->old,
                   fill_text(run, text), factor);
    else if (run->keep || run->fill == SHAPE_REPEAT)
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u: the first %" PRIu64 " of %" PRIu64
                   " entries stay, the others are lost%s",
                   run->dim, run->size, run->old, factor);
    else
        host->warn(host, run->name, CKPT_NOWHERE,
                   "dimension %u: all %" PRIu64 " entries are new: %s; of the "
                   "%" PRIu64 " old ones none stays%s%s",
                   run->dim, run->size, fill_text(run, text), run->old,
                   run->self->channels ? "" : " (keep would keep the first)",
                   factor);
}

/* ---- All tensors ---- */

static int
view_make(struct view *view, struct shape_run *run)
{
    const struct ckpt_tensor *from = run->from;
    int status = run_decide(run);

    if (status != CKPT_OK)
        return status;
    run_tell(run);
    if (run->size == run->old && run->keep)
        view->storage = NULL;
    else if (from->storage->place == CKPT_PLACE_ABSENT)
        view->storage = from->storage;
    else
        status = shape_make(run, &view->storage);
    return status;
}

static int
value_make(struct job *job, size_t entry, const struct view *view,
           const struct shape_run *run, struct ckpt_value **value)
{
    const struct ckpt_tensor *from = run->from;
    uint64_t shape[CKPT_MAX_RANK];
    struct ckpt_tensor like = {.dtype = from->dtype,
                               .rank = from->rank,
                               .shape = shape,
                               .storage = view->storage};

    memcpy(shape, from->shape, from->rank * sizeof *shape);
    shape[run->dim] = run->size;
    return sdk_tensor_remake(job->host, job->edits, &job->graph->entries[entry],
                             &like, value);
}

static int
entry_resize(struct job *job, size_t index, struct view *view)
{
    const struct ckpt_entry *entry = &job->graph->entries[index];
    struct shape_run run = {.host = job->host,
                            .edits = job->edits,
                            .graph = job->graph,
                            .self = job->self,
                            .name = view->name,
                            .from = entry->value->as.tensor};
    struct ckpt_value **value = &job->values[run.from->id];
    int status = run_begin(&run);

    if (status == CKPT_OK && view->count++ == 0) {
        status = view_make(view, &run);
        if (status == CKPT_OK && view->storage != NULL)
            sdk_ties_part(job->host, job->graph, &job->ties, index);
    }
    if (status != CKPT_OK)
        return status;
    if (view->storage == NULL)
        return sdk_entry_replace(job->host, job->edits, job->graph, index,
                                 entry->value, "resized");
    if (*value == NULL)
        status = value_make(job, index, view, &run, value);
    if (status != CKPT_OK)
        return status;
    if (strcmp(entry->name.data, view->name) != 0)
        job->host->warn(job->host, entry->name.data, CKPT_NOWHERE,
                        "it is tied to '%.200s', and follows it", view->name);
    return sdk_entry_replace(job->host, job->edits, job->graph, index, *value,
                             "resized");
}

/* Finds the views that are wanted under any of their names. */
static int
views_choose(struct job *job)
{
    const struct ckpt_entry *entry;
    struct view *view;
    bool matches;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < job->graph->entry_count && status == CKPT_OK; i++) {
        entry = &job->graph->entries[i];
        view = &job->views[job->ties.view_of[i]];
        status = sdk_pattern_match(job->host, job->self->pattern, &entry->name,
                                   &matches);
        if (status != CKPT_OK || !matches || view->wanted)
            continue;
        view->wanted = true;
        view->name = entry->name.data;
    }
    return status;
}

static int
job_begin(struct job *job)
{
    const struct ckpt_host *host = job->host;
    int status = sdk_ties_init(host, job->graph, &job->ties);

    if (status != CKPT_OK)
        return status;
    job->views =
        host->allocate(host, (job->ties.view_count + 1) * sizeof *job->views);
    job->values = host->allocate(host, ((size_t)job->graph->tensor_count + 1) *
                                           sizeof *job->values);
    return job->views != NULL && job->values != NULL ? CKPT_OK : CKPT_MEMORY;
}

static int
shape_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    struct job job = {
        .host = host, .edits = edits, .graph = graphs[0], .self = self};
    struct view *view;
    size_t i;
    int status = job_begin(&job);

    (void)graph_count;
    if (status == CKPT_OK)
        status = views_choose(&job);
    for (i = 0; i < job.graph->entry_count && status == CKPT_OK; i++) {
        view = &job.views[job.ties.view_of[i]];
        if (view->wanted)
            status = entry_resize(&job, i, view);
    }
    sdk_ties_fini(host, &job.ties);
    host->release(host, job.views);
    host->release(host, job.values);
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
