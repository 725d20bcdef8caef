/* SPDX-License-Identifier: MIT
 *
 * The transforms `freeze` and `unfreeze`: which parameters ask for gradients.
 * The first that changes something in a map makes the flags of all parameters
 * in it speak. The slots of optimizers follow when all transforms are done.
 */
#include "training.h"

#include <inttypes.h>
#include <string.h>

#include "graph_each.h"
#include "tensor_edit.h"
#include "torch_read.h"

/* What is known of an entry. */
struct judged {
    bool is; /* a parameter that can be edited */
    bool trained;
    bool buffer;
};

/* Of a parameter, which is one under all its names. */
struct view {
    uint64_t number; /* among parameters, from 1; 0: it has none yet */
    bool met;
};

struct training {
    const struct ckpt_host *host;
    struct ckpt_edits *edits;
    const struct ckpt_graph *graph;
    bool freezes;
    struct sdk_pattern *pattern, *except; /* or NULL */
    uint64_t first;                       /* without a pattern */
    struct training_flags flags;
    struct sdk_optimizers optimizers;
    struct judged *judged; /* by entry */
    struct sdk_ties ties;
    struct view *views;       /* by view */
    uint64_t view_count;      /* that are parameters */
    uint64_t met_count;       /* names */
    uint64_t buffer_count;    /* of these, that are no parameters */
    struct ckpt_value **made; /* by value id: the tensor that comes of it */
};

/* What lives for one graph alone. */
static void
training_forget(struct training *training)
{
    const struct ckpt_host *host = training->host;

    if (host == NULL)
        return;
    training_flags_fini(&training->flags);
    sdk_optimizers_fini(host, &training->optimizers);
    sdk_ties_fini(host, &training->ties);
    memset(&training->ties, 0, sizeof training->ties);
    host->release(host, training->views);
    host->release(host, training->judged);
    host->release(host, training->made);
    training->views = NULL;
    training->judged = NULL;
    training->made = NULL;
}

void
training_close(const struct ckpt_host *host, void *self)
{
    struct training *training = self;

    training_forget(training);
    sdk_pattern_free(host, training->pattern);
    sdk_pattern_free(host, training->except);
    host->release(host, training);
}

static int
options_take(const struct ckpt_host *host, struct training *training,
             const char *argument, const struct ckpt_option_value *options)
{
    const struct ckpt_option_value *first = &options[TRAINING_FIRST];
    bool named = argument != NULL && argument[0] != '\0';
    int status = CKPT_OK;

    if (named == first->given)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          named ? "it takes a pattern or first=, not both"
                                : "it wants a pattern, or first=");
    if (first->given && first->integer <= 0)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "first= wants a number above 0");
    training->first = first->given ? (uint64_t)first->integer : 0;
    if (named)
        status = sdk_pattern_new(host, argument, &training->pattern);
    if (status == CKPT_OK && options[TRAINING_EXCEPT].text != NULL)
        status = sdk_pattern_new(host, options[TRAINING_EXCEPT].text,
                                 &training->except);
    return status;
}

int
training_open(const struct ckpt_host *host, const char *argument,
              const struct ckpt_option_value *options, bool freezes,
              void **self)
{
    struct training *training = host->allocate(host, sizeof *training);
    int status;

    if (training == NULL)
        return CKPT_MEMORY;
    training->freezes = freezes;
    status = options_take(host, training, argument, options);
    if (status != CKPT_OK)
        training_close(host, training);
    else
        *self = training;
    return status;
}

/* ---- Which parameters ---- */

static int
name_meets(struct training *training, const struct ckpt_text *name,
           uint64_t number, bool *meets)
{
    const struct ckpt_host *host = training->host;
    bool excepted = false;
    int status = CKPT_OK;

    if (training->pattern == NULL)
        *meets = number <= training->first;
    else
        status = sdk_pattern_match(host, training->pattern, name, meets);
    if (status == CKPT_OK && *meets && training->except != NULL)
        status = sdk_pattern_match(host, training->except, name, &excepted);
    *meets = *meets && !excepted;
    return status;
}

/* Whether it is a parameter, and trained. */
static void
entry_judge(struct training *training, size_t index)
{
    const struct ckpt_entry *entry = &training->graph->entries[index];
    const struct ckpt_spot *spot = &training->graph->spots[index];
    struct judged *judged = &training->judged[index];
    struct view *view = &training->views[training->ties.view_of[index]];

    if (spot->owner == NULL ||
        sdk_optimizer_around(&training->optimizers, spot->owner) != NULL)
        return;
    judged->is = training_is_parameter(&training->flags, spot->owner, entry);
    judged->buffer = !judged->is;
    if (!judged->is)
        return;
    judged->trained = training_is_trained(&training->flags, spot->owner, entry);
    if (view->number == 0)
        view->number = ++training->view_count;
}

/* The name by which it is to be met: the full one, or the key in its map. */
static const struct ckpt_text *
entry_name(const struct training *training, size_t index, bool in_map)
{
    const struct ckpt_spot *spot = &training->graph->spots[index];
    const struct ckpt_value *key;

    if (!in_map)
        return &training->graph->entries[index].name;
    if (spot->owner->kind != CKPT_KIND_MAP)
        return NULL;
    key = spot->owner->as.map.pairs[spot->index].key;
    return key->kind == CKPT_KIND_STRING ? &key->as.text : NULL;
}

static int
entry_meet(struct training *training, size_t index, bool in_map)
{
    const struct judged *judged = &training->judged[index];
    const struct ckpt_text *name;
    struct view *view = &training->views[training->ties.view_of[index]];
    bool meets = false;
    int status;

    if (!judged->is && (!judged->buffer || training->pattern == NULL))
        return CKPT_OK;
    name = entry_name(training, index, in_map);
    if (name == NULL)
        return CKPT_OK;
    status = name_meets(training, name, view->number, &meets);
    if (status != CKPT_OK || !meets)
        return status;
    training->met_count++;
    if (judged->is)
        view->met = true;
    else
        training->buffer_count++;
    return CKPT_OK;
}

/* A pattern that meets no full name is meant for the names in the maps. */
static int
entries_meet(struct training *training)
{
    size_t i, count = training->graph->entry_count;
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++)
        status = entry_meet(training, i, false);
    if (training->met_count > 0)
        return status;
    for (i = 0; i < count && status == CKPT_OK; i++)
        status = entry_meet(training, i, true);
    return status;
}

static bool
entry_met(const struct training *training, size_t index)
{
    return training->judged[index].is &&
           training->views[training->ties.view_of[index]].met;
}

/* ---- Editing ---- */

static int
tensor_make(struct training *training, const struct ckpt_entry *entry,
            bool trained, struct ckpt_value **value)
{
    const struct ckpt_host *host = training->host;
    struct ckpt_graph *graph = host->edit_graph(host, training->edits);
    const struct ckpt_tensor *tensor = entry->value->as.tensor;
    const struct ckpt_attr *attr = entry->value->attrs;
    struct ckpt_tensor like = {
        .dtype = tensor->dtype,
        .rank = tensor->rank,
        .shape = tensor->shape,
        .strides = tensor->strides,
        .offset = tensor->offset,
        .storage = tensor->storage,
        /* One of a class of its own is no parameter beside that. */
        .role = tensor->type_name == NULL ? (uint32_t)CKPT_ROLE_PARAMETER
                                          : tensor->role,
        .requires_grad = trained,
        .flips = tensor->flips,
        .type_name = tensor->type_name};
    int status = host->tensor_new(host, graph, &like, sizeof like,
                                  entry->name.data, value);

    for (; attr != NULL && status == CKPT_OK; attr = attr->next)
        status = host->attr_set(host, graph, *value, attr->name, attr->value);
    return status;
}

/* Makes the flags of a map speak, if something in it was met. */
static int
entry_edit(struct training *training, size_t index)
{
    const struct ckpt_host *host = training->host;
    const struct ckpt_entry *entry = &training->graph->entries[index];
    const struct ckpt_spot *spot = &training->graph->spots[index];
    const struct judged *judged = &training->judged[index];
    struct ckpt_value **made = &training->made[entry->value->id];
    bool trained =
        entry_met(training, index) ? !training->freezes : judged->trained;
    int status = CKPT_OK;

    if (!judged->is || !training->flags.owners[spot->owner->id].touched)
        return CKPT_OK;
    if (*made == NULL)
        status = tensor_make(training, entry, trained, made);
    if (status != CKPT_OK)
        return status;
    return host->edit_replace(host, training->edits, spot->owner, spot->index,
                              *made);
}

/* ---- What was a whole model ----
 *
 * Its flags are silent by convention; that is told by an attribute, without
 * which its parameters are as those of any map. */

static int
model_make(struct training *training, const struct ckpt_value *map,
           struct ckpt_value **value)
{
    const struct ckpt_host *host = training->host;
    struct ckpt_graph *graph = host->edit_graph(host, training->edits);
    struct ckpt_value like = {.kind = CKPT_KIND_MAP,
                              .type_name = map->type_name};
    const struct ckpt_value *made;
    const struct ckpt_attr *attr;
    const struct ckpt_pair *pair = map->as.map.pairs;
    size_t i;
    int status = host->value_new(host, graph, &like, sizeof like, value);

    for (i = 0; i < map->as.map.count && status == CKPT_OK; i++, pair++) {
        made = training->made[pair->value->id];
        status = host->map_set(host, graph, *value, pair->key,
                               made != NULL ? made : pair->value);
    }
    for (attr = map->attrs; attr != NULL && status == CKPT_OK;
         attr = attr->next)
        if (strcmp(attr->name, SDK_TORCH_MODEL_CLASS) != 0)
            status =
                host->attr_set(host, graph, *value, attr->name, attr->value);
    return status;
}

static bool
model_is(const struct training *training, const struct ckpt_value *value)
{
    const struct training_owner *owner = &training->flags.owners[value->id];

    return value->kind == CKPT_KIND_MAP && owner->trained.model &&
           owner->touched;
}

static int
model_visit(void *context, const struct ckpt_value *value)
{
    struct training *training = context;
    const struct ckpt_host *host = training->host;
    const struct ckpt_value *item;
    size_t i, count = sdk_item_count(value);
    int status = CKPT_OK;

    for (i = 0; i < count && status == CKPT_OK; i++) {
        item = sdk_item_at(value, i);
        if (!model_is(training, item))
            continue;
        if (training->made[item->id] == NULL)
            status = model_make(training, item, &training->made[item->id]);
        if (status == CKPT_OK)
            status = host->edit_replace(host, training->edits, value, i,
                                        training->made[item->id]);
    }
    return status;
}

static int
models_edit(struct training *training)
{
    const struct ckpt_value *root = training->graph->root;
    struct ckpt_value *made;
    int status =
        sdk_graph_each(training->host, training->graph, model_visit, training);

    if (status != CKPT_OK || !model_is(training, root))
        return status;
    status = model_make(training, root, &made);
    if (status == CKPT_OK)
        status =
            training->host->edit_root(training->host, training->edits, made);
    return status;
}

/* ---- The transform ---- */

static int
training_prepare(struct training *training, const struct ckpt_host *host,
                 const struct ckpt_graph *graph)
{
    int status;

    training_forget(training);
    training->host = host;
    training->graph = graph;
    training->judged = host->allocate(host, (graph->entry_count + 1) *
                                                sizeof *training->judged);
    training->made = host->allocate(host, ((size_t)graph->value_count + 1) *
                                              sizeof *training->made);
    if (training->judged == NULL || training->made == NULL)
        return CKPT_MEMORY;
    status = sdk_ties_init(host, graph, &training->ties);
    if (status == CKPT_OK)
        training->views = host->allocate(host, (training->ties.view_count + 1) *
                                                   sizeof *training->views);
    if (training->views == NULL)
        return status != CKPT_OK ? status : CKPT_MEMORY;
    status = sdk_optimizers_find(host, graph, &training->optimizers);
    if (status == CKPT_OK)
        status = training_flags_init(&training->flags, host, graph);
    return status;
}

/* What becomes trained, and has no number in the optimizer of its map. */
static void
lacking_tell(const struct training *training,
             const struct sdk_optimizer *optimizer)
{
    const struct ckpt_graph *graph = training->graph;
    const struct ckpt_spot *spot;
    uint64_t lacking = 0;
    size_t i;

    if (optimizer->weights == NULL || training->freezes)
        return;
    for (i = 0; i < graph->entry_count; i++) {
        spot = &graph->spots[i];
        lacking += spot->owner == optimizer->weights &&
                   entry_met(training, i) && !training->judged[i].trained &&
                   sdk_slot_at(optimizer, spot->owner, spot->index) == NULL;
    }
    if (lacking > 0)
        training->host->warn(training->host, NULL, CKPT_NOWHERE,
                             "%" PRIu64 " of the parameters that are trained "
                             "again ha%s no number in the optimizer",
                             lacking, lacking == 1 ? "s" : "ve");
}

static void
training_tell(const struct training *training)
{
    const struct ckpt_host *host = training->host;

    if (training->buffer_count > 0 &&
        training->met_count == training->buffer_count)
        host->edit_unmatched(host, training->edits,
                             "no parameter is met, only %" PRIu64 " buffer%s",
                             training->buffer_count,
                             training->buffer_count == 1 ? "" : "s");
    if (training->first > training->view_count)
        host->edit_unmatched(host, training->edits,
                             "there are no more than %" PRIu64 " parameters",
                             training->view_count);
}

int
training_apply(const struct ckpt_host *host, void *self,
               const struct ckpt_graph *const *graphs, size_t graph_count,
               struct ckpt_edits *edits)
{
    struct training *training = self;
    const struct ckpt_graph *graph = graphs[0];
    size_t i;
    int status = training_prepare(training, host, graph);

    (void)graph_count;
    training->edits = edits;
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        entry_judge(training, i);
    if (status == CKPT_OK)
        status = entries_meet(training);
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        if (entry_met(training, i))
            training->flags.owners[graph->spots[i].owner->id].touched = true;
    for (i = 0; i < graph->entry_count && status == CKPT_OK; i++)
        status = entry_edit(training, i);
    if (status == CKPT_OK)
        status = models_edit(training);
    if (status == CKPT_OK)
        training_tell(training);
    for (i = 0; status == CKPT_OK && i < training->optimizers.count; i++)
        lacking_tell(training, &training->optimizers.items[i]);
    return status;
}

/* ---- Slots ---- */

/* Takes out the slots of what is frozen. In such a map the flags speak. */
static void
optimizer_settle(const struct sdk_optimizer *optimizer)
{
    const struct ckpt_value *map = optimizer->weights;
    const struct ckpt_pair *pair = map->as.map.pairs;
    struct sdk_slot *slot;
    size_t i;

    for (i = 0; i < map->as.map.count; i++, pair++) {
        slot = sdk_slot_at(optimizer, map, i);
        if (slot != NULL)
            slot->goes |= !pair->value->as.tensor->requires_grad;
    }
}

int
training_settle(const struct ckpt_host *host, void *self,
                const struct ckpt_graph *graph, struct ckpt_edits *edits)
{
    struct training *training = self;
    const struct sdk_optimizer *optimizer;
    struct sdk_trained trained;
    size_t i;
    int status;

    if (training->met_count == training->buffer_count)
        return CKPT_OK;
    training_forget(training);
    status = sdk_optimizers_find(host, graph, &training->optimizers);
    for (i = 0; status == CKPT_OK && i < training->optimizers.count; i++) {
        optimizer = &training->optimizers.items[i];
        if (optimizer->weights == NULL)
            continue;
        sdk_trained_look(&trained, optimizer->weights);
        if (sdk_trained_speak(&trained))
            optimizer_settle(optimizer);
    }
    if (status == CKPT_OK)
        status = sdk_slots_edit(host, edits, &training->optimizers);
    if (status == CKPT_OK && training->freezes)
        sdk_slots_warn(host, &training->optimizers);
    return status;
}
