/* SPDX-License-Identifier: MIT
 *
 * The fuzz harness of every transform. The input is an argument with
 * options, up to a zero byte, and then a program that builds a graph: shared
 * containers, cycles, ties, objects and attributes, under the names that
 * transforms look for. Each transform of the plugin edits it, twice in turn.
 * Beyond crashes and sanitizers it minds that a failure has one reason, that
 * the edited graph is whole and the one that was edited is as it was, that all
 * small tensors can be read, and that all memory comes back. A plugin links its
 * own tables in.
 */
#include "fuzz_graph.h"

/* ---- The laws ---- */

/* Every value that is reached has an id below the count, and once. */
static void
fuzz_whole(const struct ckpt_graph *graph, const struct ckpt_value *value,
           const struct ckpt_value **met)
{
    struct hub_children children;
    struct hub_child child;

    LAW(value->id < graph->value_count);
    LAW(met[value->id] == NULL || met[value->id] == value);
    if (met[value->id] != NULL)
        return;
    met[value->id] = value;
    if (value->kind == CKPT_KIND_TENSOR) {
        LAW(value->as.tensor->id < graph->tensor_count);
        LAW(value->as.tensor->storage->id < graph->storage_count);
    }
    hub_children_init(&children, value);
    while (hub_children_next(&children, &child))
        fuzz_whole(graph, child.value, met);
}

static void
fuzz_check(const struct ckpt_graph *graph)
{
    const struct ckpt_value **met =
        calloc((size_t)graph->value_count, sizeof *met);

    fuzz_whole(graph, graph->root, met);
    free(met);
}

/* ---- Payload ---- */

static int
fuzz_cursor_open(struct hub_coder *coder, const struct ckpt_storage *storage,
                 void **cursor)
{
    struct fuzz_coder *made = (struct fuzz_coder *)coder;

    LAW(made->transform->cursor_open != NULL);
    return made->transform->cursor_open(made->host, made->self, storage,
                                        cursor);
}

static int
fuzz_cursor_next(struct hub_coder *coder, void *cursor, struct ckpt_span *span)
{
    struct fuzz_coder *made = (struct fuzz_coder *)coder;

    return made->transform->cursor_next(made->host, cursor, span);
}

static void
fuzz_cursor_close(struct hub_coder *coder, void *cursor)
{
    struct fuzz_coder *made = (struct fuzz_coder *)coder;

    made->transform->cursor_close(made->host, cursor);
}

static void
fuzz_lend(struct fuzz *fuzz, const struct ckpt_transform *transform, int nth,
          void *self)
{
    struct fuzz_coder *coder = &fuzz->coders[nth];

    coder->coder.open = fuzz_cursor_open;
    coder->coder.next = fuzz_cursor_next;
    coder->coder.close = fuzz_cursor_close;
    coder->coder.wrong = CKPT_CONTRACT;
    coder->transform = transform;
    coder->host = &fuzz->host.table;
    coder->self = self;
    fuzz->graphs[1 + nth].coder = &coder->coder;
    fuzz->graphs[3 + nth].coder = &coder->coder;
}

static void
fuzz_read(struct fuzz *fuzz, const struct ckpt_graph *graph)
{
    unsigned char bytes[READ_MAX_BYTES];
    const struct ckpt_tensor *tensor;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++) {
        tensor = graph->entries[i].value->as.tensor;
        if (tensor->size_bytes <= sizeof bytes &&
            tensor->storage->size_bytes <= sizeof bytes)
            status =
                fuzz->host.table.tensor_read(&fuzz->host.table, tensor, bytes);
    }
    fuzz_status(fuzz, status);
}

/* The other graph: its ids are behind those of the one that is edited, and it
 * may be less than that. */
static int
fuzz_other(struct fuzz *fuzz, const struct ckpt_graph *graph,
           struct hub_graph *other)
{
    size_t i;
    int status;

    other->public.value_count = graph->value_count;
    other->public.tensor_count = graph->tensor_count;
    other->public.storage_count = graph->storage_count;
    status =
        fuzz_build(fuzz, other, (fuzz->program_end - fuzz->program) % 2 == 1);
    for (i = 0; i < fuzz->named_count; i++)
        fuzz->named[i]->graph = &other->public;
    for (i = 1; i < fuzz->graph_count; i++)
        fuzz->given[i] = &other->public;
    return fuzz_status(fuzz, status);
}

static int
fuzz_edit(struct fuzz *fuzz, const struct ckpt_transform *transform, void *self,
          const struct ckpt_graph **graph, struct hub_graph *made, bool settles)
{
    struct ckpt_edits edits;
    uint64_t values = (*graph)->value_count;
    int status = hub_edits_init(&edits, made, *graph);
    size_t i;

    fuzz->given[0] = *graph;
    for (i = 1; i < fuzz->graph_count && !settles; i++)
        hub_edits_admit(&edits, fuzz->given[i]);
    if (status == CKPT_OK && settles)
        status = transform->settle(&fuzz->host.table, self, *graph, &edits);
    else if (status == CKPT_OK)
        status = transform->apply(&fuzz->host.table, self, fuzz->given,
                                  fuzz->graph_count, &edits);
    if (fuzz_status(fuzz, status) == CKPT_OK && edits.count > 0)
        status = fuzz_status(fuzz, hub_edits_apply(&edits));
    fuzz_check(*graph);
    LAW((*graph)->value_count == values);
    if (status == CKPT_OK && edits.count > 0) {
        fuzz_check(&made->public);
        *graph = &made->public;
        fuzz_read(fuzz, *graph);
    }
    hub_edits_fini(&edits);
    return status;
}

/* A graph that is named is made before each edit. */
static void
fuzz_name(struct fuzz *fuzz, struct ckpt_option_value *value)
{
    if (fuzz->named_count < sizeof fuzz->named / sizeof *fuzz->named)
        fuzz->named[fuzz->named_count++] = value;
    fuzz->graph_count++;
}

/* The options, and behind them the argument. There are no files. */
static int
fuzz_options(struct fuzz *fuzz, const struct ckpt_transform *transform,
             const struct hub_wanted *wanted,
             struct ckpt_option_value **options)
{
    struct ckpt_option_value *values;
    int status = hub_options_parse(&fuzz->arena, transform->options,
                                   wanted->given, &values);
    size_t i, count = wanted->option_count;
    int64_t k;

    if (status != CKPT_OK)
        return status;
    *options = hub_arena_allocate(&fuzz->arena, (count + 1) * sizeof **options);
    LAW(*options != NULL);
    memcpy(*options, values, count * sizeof **options);
    fuzz->graph_count = 1;
    fuzz->named_count = 0;
    if (wanted->declared[count].kind == CKPT_OPTION_GRAPH &&
        wanted->argument != NULL)
        fuzz_name(fuzz, &(*options)[count]);
    for (i = 0; i < count; i++) {
        if (wanted->declared[i].kind == CKPT_OPTION_FILE)
            memset(&(*options)[i], 0, sizeof **options);
        for (k = 0; wanted->declared[i].kind == CKPT_OPTION_GRAPH &&
                    k < (*options)[i].integer;
             k++)
            fuzz_name(fuzz, &(*options)[i]);
    }
    return CKPT_OK;
}

/* Whether it is given as many graphs as it wants, as the hub sees to. */
static bool
fuzz_enough(const struct fuzz *fuzz, const struct ckpt_transform *transform)
{
    size_t most = transform->inputs_max > 0 ? transform->inputs_max : 1;

    return fuzz->graph_count >= transform->inputs_min &&
           fuzz->graph_count <= most &&
           fuzz->graph_count <= sizeof fuzz->given / sizeof *fuzz->given;
}

/* Twice, each time with an instance of its own; both live at once. */
static void
fuzz_twice(struct fuzz *fuzz, const struct ckpt_transform *transform,
           const char *argument, const struct ckpt_option_value *options)
{
    const struct ckpt_graph *graph = &fuzz->graphs[0].public;
    void *selves[2];
    int i, opened = 0, status;

    for (i = 1; i < 7; i++) {
        hub_graph_init(&fuzz->graphs[i], &fuzz->budget);
        fuzz->graphs[i].walk_max = 100000;
    }
    for (i = 0; i < 2; i++) {
        status =
            transform->open(&fuzz->host.table, argument, options, &selves[i]);
        if (fuzz_status(fuzz, status) != CKPT_OK)
            break;
        fuzz_lend(fuzz, transform, i, selves[i]);
        opened++;
    }
    for (i = 0; i < 2 && opened == 2 && fuzz->report.status == CKPT_OK; i++)
        if (fuzz->graph_count == 1 ||
            fuzz_other(fuzz, graph, &fuzz->graphs[5 + i]) == CKPT_OK)
            fuzz_edit(fuzz, transform, selves[i], &graph, &fuzz->graphs[1 + i],
                      false);
    for (i = 0; i < 2 && opened == 2 && fuzz->report.status == CKPT_OK &&
                transform->settle != NULL;
         i++)
        fuzz_edit(fuzz, transform, selves[i], &graph, &fuzz->graphs[3 + i],
                  true);
    hub_spool_fini(&fuzz->spool);
    for (i = 0; i < opened; i++)
        transform->close(&fuzz->host.table, selves[i]);
    for (i = 1; i < 7; i++)
        hub_graph_fini(&fuzz->graphs[i]);
}

static void
fuzz_transform(struct fuzz *fuzz, const struct ckpt_transform *transform,
               const char *text)
{
    struct ckpt_option_value *options;
    struct hub_wanted wanted;

    if (transform->argument_kind == CKPT_OPTION_FILE)
        return; /* there are no files to name */
    LAW(hub_wanted_cut(&fuzz->arena, transform, text, &wanted) == CKPT_OK);
    if (fuzz_options(fuzz, transform, &wanted, &options) == CKPT_OK &&
        fuzz_enough(fuzz, transform))
        fuzz_twice(fuzz, transform,
                   wanted.argument != NULL ? wanted.argument : "", options);
    hub_report_clear(&fuzz->report);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct fuzz fuzz;
    size_t i, length = strnlen((const char *)data, size_bytes);
    char *argument;

    memset(&fuzz, 0, sizeof fuzz);
    if (length == size_bytes)
        return 0;
    fuzz.budget.limit_bytes = BUDGET_BYTES;
    fuzz.budget.report = &fuzz.report;
    fuzz.arena.budget = &fuzz.budget;
    fuzz.program = data + length + 1;
    fuzz.program_end = data + size_bytes;
    hub_host_init(&fuzz.host, &fuzz.budget);
    fuzz.spool.budget = &fuzz.budget;
    fuzz.spool.folder = "/tmp";
    fuzz.host.spool = &fuzz.spool;
    hub_graph_init(&fuzz.graphs[0], &fuzz.budget);
    fuzz.graphs[0].walk_max = 100000;
    argument = hub_arena_allocate(&fuzz.arena, length + 2);
    argument[0] = ':';
    memcpy(argument + 1, data, length);
    if (fuzz_build(&fuzz, &fuzz.graphs[0], false) == CKPT_OK)
        for (i = 0; FUZZ_PLUGIN.transforms[i] != NULL; i++)
            fuzz_transform(&fuzz, FUZZ_PLUGIN.transforms[i], argument);
    hub_graph_fini(&fuzz.graphs[0]);
    hub_arena_fini(&fuzz.arena);
    hub_host_fini(&fuzz.host);
    LAW(fuzz.budget.used_bytes == 0);
    return 0;
}
