/* SPDX-License-Identifier: MIT
 *
 * The walk from values to opcodes, in the order and with the memo places of
 * torch.save. Scalars, objects and tensors have files of their own.
 */
#include "torch_write_walk.h"

#include <inttypes.h>
#include <string.h>

#include "checked.h"

/* Every so many values the caller is asked whether to go on. */
#define CANCEL_STRIDE 4096

void
sdk_torch_walk_fail(struct torch_walk *walk, int status,
                    const struct ckpt_value *value, const char *what)
{
    const struct ckpt_graph *graph = walk->graph;
    struct sdk_pickler *pickle = walk->pickle;
    const char *name = NULL;
    size_t i;

    if (pickle->status != CKPT_OK)
        return;
    for (i = 0; name == NULL && i < graph->entry_count; i++)
        if (graph->entries[i].value == value)
            name = graph->entries[i].name.data;
    pickle->status =
        walk->host->fail(walk->host, status, name, CKPT_NOWHERE, "%s", what);
}

void
sdk_torch_walk_put(struct torch_walk *walk, const struct ckpt_value *value)
{
    walk->memo[value->id] = sdk_pickler_put(walk->pickle) + 1;
}

/* `key`, `value`, and so on, in batches. A dict closes with an empty batch
 * if its size is a multiple of one; what only iterates does not, and gives a
 * lone last pair the singular opcode. */
void
sdk_torch_walk_pairs(struct torch_walk *walk, const struct ckpt_pair *pairs,
                     size_t count, bool dict)
{
    size_t i = 0, end, batch;
    bool lone;

    while (i < count || (dict && count > 1 && i == count &&
                         count % SDK_PICKLER_BATCH == 0)) {
        batch = count - i < SDK_PICKLER_BATCH ? count - i : SDK_PICKLER_BATCH;
        lone = dict ? count == 1 : batch == 1;
        if (!lone)
            sdk_pickler_op(walk->pickle, SDK_OP_MARK);
        for (end = i + batch; i < end; i++) {
            sdk_torch_walk_value(walk, pairs[i].key);
            sdk_torch_walk_value(walk, pairs[i].value);
        }
        sdk_pickler_op(walk->pickle, lone ? SDK_OP_SETITEM : SDK_OP_SETITEMS);
        if (batch == 0)
            break;
    }
}

void
sdk_torch_walk_items(struct torch_walk *walk,
                     const struct ckpt_value *const *items, size_t count,
                     bool list)
{
    size_t i = 0, end, batch;
    bool lone;

    while (i < count) {
        batch = count - i < SDK_PICKLER_BATCH ? count - i : SDK_PICKLER_BATCH;
        lone = list ? count == 1 : batch == 1;
        if (!lone)
            sdk_pickler_op(walk->pickle, SDK_OP_MARK);
        for (end = i + batch; i < end; i++)
            sdk_torch_walk_value(walk, items[i]);
        sdk_pickler_op(walk->pickle, lone ? SDK_OP_APPEND : SDK_OP_APPENDS);
    }
}

/* This attribute, or the next that is for the pickle as an attribute. */
static const struct ckpt_attr *
torch_walk_attr(const struct ckpt_attr *attr)
{
    while (attr != NULL && (strcmp(attr->name, SDK_TORCH_MODEL_CLASS) == 0 ||
                            sdk_torch_walk_is_quantiser(attr)))
        attr = attr->next;
    return attr;
}

void
sdk_torch_walk_attrs(struct torch_walk *walk, const struct ckpt_attr *attr)
{
    bool lone;

    sdk_pickler_op(walk->pickle, SDK_OP_EMPTY_DICT);
    sdk_pickler_put(walk->pickle);
    attr = torch_walk_attr(attr);
    if (attr == NULL)
        return;
    lone = torch_walk_attr(attr->next) == NULL;
    if (!lone)
        sdk_pickler_op(walk->pickle, SDK_OP_MARK);
    for (; attr != NULL; attr = torch_walk_attr(attr->next)) {
        sdk_pickler_string(walk->pickle, attr->name);
        sdk_torch_walk_value(walk, attr->value);
    }
    sdk_pickler_op(walk->pickle, lone ? SDK_OP_SETITEM : SDK_OP_SETITEMS);
}

void
sdk_torch_walk_class(struct torch_walk *walk, const struct ckpt_value *value,
                     const char *name)
{
    const char *dot = strrchr(name, '.');
    struct torch_text *text;
    uint32_t word;
    size_t size_bytes = dot == NULL ? 0 : (size_t)(dot - name);

    if (size_bytes == 0) {
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a class without a module");
        return;
    }
    text = walk->host->allocate(walk->host, sizeof *text + size_bytes + 1);
    if (text == NULL) {
        walk->pickle->status = CKPT_MEMORY;
        return;
    }
    memcpy(text->data, name, size_bytes);
    text->next = walk->texts;
    walk->texts = text;
    word = sdk_torch_walk_global(walk, text->data, dot + 1, TORCH_SAID_CALL);
    sdk_pickler_word(walk->pickle, word);
}

/* An empty container that is not a plain dict or list. */
static void
torch_walk_typed(struct torch_walk *walk, const struct ckpt_value *value)
{
    static const char ordered[] = "collections.OrderedDict";
    struct sdk_pickler *pickle = walk->pickle;
    bool is_ordered =
        value->type_name == NULL || strcmp(value->type_name, ordered) == 0;

    if (is_ordered)
        sdk_pickler_word(pickle, walk->words[TORCH_ORDERED_DICT]);
    else
        sdk_torch_walk_class(walk, value, value->type_name);
    sdk_pickler_op(pickle, SDK_OP_EMPTY_TUPLE);
    sdk_pickler_op(pickle, is_ordered ? SDK_OP_REDUCE : SDK_OP_NEWOBJ);
}

/* The state of a module holds its parameters as plain tensors. */
static bool
torch_walk_is_state(const struct ckpt_value *value)
{
    const struct ckpt_attr *attr = value->attrs;

    while (attr != NULL && strcmp(attr->name, SDK_TORCH_MODEL_CLASS) != 0)
        attr = attr->next;
    return attr != NULL;
}

/* The pairs of the root that are of the part. */
static void
torch_walk_part(struct torch_walk *walk, const struct ckpt_value *root,
                bool plain)
{
    size_t count = root->as.map.count, kept = 0, i;
    struct ckpt_pair *pairs =
        walk->host->allocate(walk->host, (count + 1) * sizeof *pairs);

    if (pairs == NULL) {
        walk->pickle->status = CKPT_MEMORY;
        return;
    }
    for (i = 0; i < count; i++)
        if (walk->part->shards[i] == walk->part->shard)
            pairs[kept++] = root->as.map.pairs[i];
    sdk_torch_walk_pairs(walk, pairs, kept, plain);
    walk->host->release(walk->host, pairs);
}

static void
torch_walk_map(struct torch_walk *walk, const struct ckpt_value *value)
{
    bool part = walk->part != NULL && value == walk->graph->root;
    bool plain = value->type_name == NULL && value->attrs == NULL;
    uint32_t state_depth = walk->state_depth;

    if (sdk_torch_walk_parts(walk, value))
        return;
    if (plain)
        sdk_pickler_op(walk->pickle, SDK_OP_EMPTY_DICT);
    else
        torch_walk_typed(walk, value);
    sdk_torch_walk_put(walk, value);
    walk->state_depth = torch_walk_is_state(value) ? walk->depth + 1 : 0;
    if (part)
        torch_walk_part(walk, value, plain);
    else
        sdk_torch_walk_pairs(walk, value->as.map.pairs, value->as.map.count,
                             plain);
    walk->state_depth = state_depth;
    if (torch_walk_attr(value->attrs) == NULL ||
        (part && walk->part->shard > 0))
        return;
    sdk_torch_walk_attrs(walk, value->attrs);
    sdk_pickler_op(walk->pickle, SDK_OP_BUILD);
}

static void
torch_walk_list(struct torch_walk *walk, const struct ckpt_value *value)
{
    bool plain = value->type_name == NULL;

    if (plain)
        sdk_pickler_op(walk->pickle, SDK_OP_EMPTY_LIST);
    else
        torch_walk_typed(walk, value);
    sdk_torch_walk_put(walk, value);
    sdk_torch_walk_items(walk, value->as.list.items, value->as.list.count,
                         plain);
}

/* A tuple is memoised when it is complete. If it was met again meanwhile, it
 * is in the memo by now, and this second one is dropped. */
static void
torch_walk_tuple(struct torch_walk *walk, const struct ckpt_value *value)
{
    size_t i, count = value->as.list.count;
    struct sdk_pickler *pickle = walk->pickle;

    if (count > 3)
        sdk_pickler_op(pickle, SDK_OP_MARK);
    for (i = 0; i < count; i++)
        sdk_torch_walk_value(walk, value->as.list.items[i]);
    if (count > 0 && walk->memo[value->id] != 0) {
        if (count > 3)
            sdk_pickler_op(pickle, SDK_OP_POP_MARK);
        for (i = 0; count <= 3 && i < count; i++)
            sdk_pickler_op(pickle, SDK_OP_POP);
        sdk_pickler_get(pickle, walk->memo[value->id] - 1);
        return;
    }
    sdk_pickler_tuple(pickle, count);
    if (count > 0)
        sdk_torch_walk_put(walk, value);
}

/* Python keeps attributes on objects of classes; of what the graph gives them
 * to, dicts can become such, and tensors are. */
static void
torch_walk_check_attrs(struct torch_walk *walk, const struct ckpt_value *value)
{
    if (value->attrs != NULL && value->kind != CKPT_KIND_MAP &&
        value->kind != CKPT_KIND_TENSOR)
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "attributes of a list, tuple, size or object");
}

static void
torch_walk_first(struct torch_walk *walk, const struct ckpt_value *value)
{
    switch (value->kind) {
    case CKPT_KIND_LIST:
        torch_walk_list(walk, value);
        return;
    case CKPT_KIND_TUPLE:
        torch_walk_tuple(walk, value);
        return;
    case CKPT_KIND_MAP:
        torch_walk_map(walk, value);
        return;
    case CKPT_KIND_OBJECT:
        sdk_torch_walk_object(walk, value);
        return;
    case CKPT_KIND_TENSOR:
        sdk_torch_walk_tensor(walk, value);
        return;
    default:
        sdk_torch_walk_scalar(walk, value);
    }
}

static bool
torch_walk_goes_on(struct torch_walk *walk, const struct ckpt_value *value)
{
    if (walk->pickle->status != CKPT_OK)
        return false;
    if (walk->depth == SDK_TORCH_DEPTH_MAX)
        sdk_torch_walk_fail(walk, CKPT_LIMIT, value, "values nest too deep");
    if (++walk->visits % CANCEL_STRIDE == 0 &&
        walk->host->cancelled(walk->host))
        walk->pickle->status = CKPT_CANCELLED;
    return walk->pickle->status == CKPT_OK;
}

void
sdk_torch_walk_value(struct torch_walk *walk, const struct ckpt_value *value)
{
    if (sdk_torch_walk_atom(walk, value))
        return;
    if (walk->memo[value->id] != 0) {
        sdk_pickler_get(walk->pickle, walk->memo[value->id] - 1);
        return;
    }
    torch_walk_check_attrs(walk, value);
    if (!torch_walk_goes_on(walk, value))
        return;
    walk->depth++;
    torch_walk_first(walk, value);
    walk->depth--;
}

/* Room for `count` of something, at least one. */
static void *
torch_walk_table(struct torch_walk *walk, uint64_t count, size_t item_bytes)
{
    size_t size_bytes;

    if (count > SIZE_MAX - 1 ||
        !sdk_mul_size((size_t)count + 1, item_bytes, &size_bytes)) {
        walk->host->fail(walk->host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                         "%" PRIu64 " values", count);
        return NULL;
    }
    return walk->host->allocate(walk->host, size_bytes);
}

static int
torch_walk_init(struct torch_walk *walk)
{
    const struct ckpt_graph *graph = walk->graph;

    sdk_pickler_init(walk->pickle, walk->host);
    walk->memo = torch_walk_table(walk, graph->value_count, sizeof *walk->memo);
    if (walk->memo == NULL)
        return CKPT_MEMORY;
    walk->storages =
        torch_walk_table(walk, graph->storage_count, sizeof *walk->storages);
    if (walk->storages == NULL)
        return CKPT_MEMORY;
    sdk_torch_walk_words(walk);
    sdk_torch_walk_scan(walk);
    return walk->pickle->status;
}

static void
torch_walk_fini(struct torch_walk *walk)
{
    struct torch_text *text, *next;

    for (text = walk->texts; text != NULL; text = next) {
        next = text->next;
        walk->host->release(walk->host, text);
    }
    sdk_table_fini(walk->host, &walk->said);
    walk->host->release(walk->host, walk->memo);
    walk->host->release(walk->host, walk->storages);
}

int
sdk_torch_write(const struct ckpt_host *host, const struct ckpt_graph *graph,
                uint32_t form, struct sdk_torch_pickle *result)
{
    return sdk_torch_write_part(host, graph, form, NULL, result);
}

int
sdk_torch_write_part(const struct ckpt_host *host,
                     const struct ckpt_graph *graph, uint32_t form,
                     const struct sdk_torch_part *part,
                     struct sdk_torch_pickle *result)
{
    struct torch_walk walk = {.host = host,
                              .graph = graph,
                              .form = form,
                              .part = part,
                              .result = result,
                              .pickle = &result->pickle};
    int status = torch_walk_init(&walk);

    if (status == CKPT_OK) {
        sdk_torch_walk_value(&walk, graph->root);
        sdk_pickler_op(walk.pickle, SDK_OP_STOP);
        status = walk.pickle->status;
    }
    torch_walk_fini(&walk);
    return status;
}

void
sdk_torch_fini(const struct ckpt_host *host, struct sdk_torch_pickle *result)
{
    sdk_pickler_fini(&result->pickle);
    host->release(host, result->uses);
    host->release(host, result->tensors.items);
    host->release(host, result->views.items);
    memset(result, 0, sizeof *result);
}
