/* SPDX-License-Identifier: MIT
 *
 * The transform `tie`: one tensor becomes the view that another is. Whether
 * they are equal is seen before, a window at a time.
 */
#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct tie {
    const char *names; /* "A=B" */
    bool force;
};

struct tie_run {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph;
    size_t a, b; /* entries */
};

enum { TIE_FORCE };

static const struct ckpt_option tie_options[] = {
    {"force", CKPT_OPTION_BOOL, "no", "even if their bytes differ", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL}};

static int
tie_open(const struct ckpt_host *host, const char *argument,
         const struct ckpt_option_value *options, void **self)
{
    const char *equals = strchr(argument, '=');
    struct tie *tie;

    if (equals == NULL || equals == argument || equals[1] == '\0')
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.200s' is no pair of names", argument);
    tie = host->allocate(host, sizeof *tie);
    if (tie == NULL)
        return CKPT_MEMORY;
    tie->names = argument;
    tie->force = options[TIE_FORCE].integer != 0;
    *self = tie;
    return CKPT_OK;
}

static void
tie_close(const struct ckpt_host *host, void *self)
{
    host->release(host, self);
}

/* ---- Which two ---- */

static bool
entry_find(const struct ckpt_graph *graph, const char *name, size_t length,
           size_t *entry)
{
    size_t i;

    for (i = 0; i < graph->entry_count; i++) {
        if (graph->entries[i].name.size_bytes != length ||
            memcmp(graph->entries[i].name.data, name, length) != 0)
            continue;
        *entry = i;
        return true;
    }
    return false;
}

/* A name may have an equals sign in it: the first that cuts it into two
 * names counts. */
static bool
pair_find(struct tie_run *run, const char *names)
{
    const char *equals = strchr(names, '=');

    for (; equals != NULL; equals = strchr(equals + 1, '='))
        if (entry_find(run->graph, names, (size_t)(equals - names), &run->a) &&
            entry_find(run->graph, equals + 1, strlen(equals + 1), &run->b))
            return true;
    return false;
}

static void
pair_missing(const struct tie_run *run, const char *names)
{
    const char *equals = strchr(names, '=');
    size_t length = (size_t)(equals - names), entry;

    if (!entry_find(run->graph, names, length, &entry))
        run->host->edit_unmatched(run->host, run->edits,
                                  "there is no tensor '%.*s'",
                                  (int)(length < 200 ? length : 200), names);
    else
        run->host->edit_unmatched(run->host, run->edits,
                                  "there is no tensor '%.200s'", equals + 1);
}

static const struct ckpt_entry *
entry_a(const struct tie_run *run)
{
    return &run->graph->entries[run->a];
}

static const struct ckpt_entry *
entry_b(const struct tie_run *run)
{
    return &run->graph->entries[run->b];
}

static int
tie_refuse(const struct tie_run *run, const char *why)
{
    return run->host->fail(run->host, CKPT_CONFLICT, entry_a(run)->name.data,
                           CKPT_NOWHERE, "it and '%.200s' %s",
                           entry_b(run)->name.data, why);
}

/* ---- Whether they are equal ---- */

struct side {
    struct ckpt_stream *stream;
    struct ckpt_span left;
};

static int
sides_differ(const struct tie_run *run, uint64_t byte)
{
    uint32_t width =
        ckpt_dtype_width_bits(entry_a(run)->value->as.tensor->dtype);
    char why[80];

    snprintf(why, sizeof why, "differ in element %" PRIu64,
             width < 8 ? byte * (8 / width) : byte / (width / 8));
    run->host->remedy(run->host, "force takes the bytes of the second");
    return tie_refuse(run, why);
}

/* Compares what both have at hand. */
static int
sides_compare(const struct tie_run *run, struct side sides[2], uint64_t *done)
{
    size_t i, size = sides[0].left.size_bytes;

    if (size > sides[1].left.size_bytes)
        size = sides[1].left.size_bytes;
    if (memcmp(sides[0].left.data, sides[1].left.data, size) != 0)
        for (i = 0; i < size; i++)
            if (sides[0].left.data[i] != sides[1].left.data[i])
                return sides_differ(run, *done + i);
    for (i = 0; i < 2; i++) {
        sides[i].left.data += size;
        sides[i].left.size_bytes -= size;
    }
    *done += size;
    return CKPT_OK;
}

static int
sides_read(const struct tie_run *run, struct side sides[2])
{
    const struct ckpt_host *host = run->host;
    uint64_t done = 0;
    int i, status = CKPT_OK;

    while (status == CKPT_OK) {
        for (i = 0; i < 2 && status == CKPT_OK; i++)
            if (sides[i].left.size_bytes == 0)
                status =
                    host->tensor_next(host, sides[i].stream, &sides[i].left);
        if (status == CKPT_OK)
            status = sides_compare(run, sides, &done);
    }
    return status == CKPT_END ? CKPT_OK : status;
}

static int
tie_compare(const struct tie_run *run)
{
    const struct ckpt_tensor *a = entry_a(run)->value->as.tensor;
    const struct ckpt_tensor *b = entry_b(run)->value->as.tensor;
    const struct ckpt_host *host = run->host;
    struct side sides[2] = {{0}};
    int status;

    if ((a->storage->place == CKPT_PLACE_ABSENT) !=
        (b->storage->place == CKPT_PLACE_ABSENT))
        return tie_refuse(run, "cannot be compared: one has no bytes");
    status = host->tensor_open(host, a, &sides[0].stream);
    if (status == CKPT_OK)
        status = host->tensor_open(host, b, &sides[1].stream);
    if (status == CKPT_OK)
        status = sides_read(run, sides);
    host->tensor_close(host, sides[0].stream);
    host->tensor_close(host, sides[1].stream);
    return status;
}

/* ---- Tying ---- */

static int
tie_check(const struct tie_run *run, bool force)
{
    const struct ckpt_tensor *a = entry_a(run)->value->as.tensor;
    const struct ckpt_tensor *b = entry_b(run)->value->as.tensor;

    if (a->dtype != b->dtype)
        return tie_refuse(run, "are of two types");
    if (a->rank != b->rank ||
        (a->rank > 0 &&
         memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) != 0))
        return tie_refuse(run, "have two shapes");
    return force ? CKPT_OK : tie_compare(run);
}

static int
tie_make(const struct tie_run *run)
{
    const struct ckpt_tensor *b = entry_b(run)->value->as.tensor;
    struct ckpt_tensor like = {.dtype = b->dtype,
                               .rank = b->rank,
                               .shape = b->shape,
                               .strides = b->strides,
                               .offset = b->offset,
                               .storage = b->storage,
                               .flips = b->flips};
    struct ckpt_value *value;
    int status =
        sdk_tensor_remake(run->host, run->edits, entry_a(run), &like, &value);

    if (status != CKPT_OK)
        return status;
    return sdk_entry_replace(run->host, run->edits, run->graph, run->a, value,
                             "tied");
}

/* Names that A leaves behind. */
static void
tie_leave(const struct tie_run *run, const struct sdk_ties *ties)
{
    const struct ckpt_graph *graph = run->graph;
    size_t i;

    for (i = 0; i < graph->entry_count; i++)
        if (i != run->a && ties->view_of[i] == ties->view_of[run->a])
            run->host->warn(run->host, graph->entries[i].name.data,
                            CKPT_NOWHERE,
                            "it was tied to '%.200s', and stays as it is",
                            entry_a(run)->name.data);
    sdk_ties_part(run->host, graph, ties, run->a);
}

static int
tie_apply(const struct ckpt_host *host, void *self,
          const struct ckpt_graph *const *graphs, size_t graph_count,
          struct ckpt_edits *edits)
{
    const struct tie *tie = self;
    struct tie_run run = {.host = host, .edits = edits, .graph = graphs[0]};
    struct sdk_ties ties;
    int status;

    (void)graph_count;
    if (!pair_find(&run, tie->names)) {
        pair_missing(&run, tie->names);
        return CKPT_OK;
    }
    status = sdk_ties_init(host, run.graph, &ties);
    if (status == CKPT_OK && ties.view_of[run.a] != ties.view_of[run.b]) {
        status = tie_check(&run, tie->force);
        if (status == CKPT_OK)
            tie_leave(&run, &ties);
    }
    if (status == CKPT_OK)
        status = tie_make(&run);
    sdk_ties_fini(host, &ties);
    return status;
}

const struct ckpt_transform view_tie = {
    .size = sizeof(struct ckpt_transform),
    .id = "tie",
    .summary = "one tensor as the view that another one is",
    .argument = "NAME=OTHER",
    .options = tie_options,
    .open = tie_open,
    .apply = tie_apply,
    .close = tie_close,
};
