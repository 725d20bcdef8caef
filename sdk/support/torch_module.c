/* SPDX-License-Identifier: MIT
 *
 * Unfolding a module as state_dict() does: its parameters, its buffers but
 * for the transient ones, then its children, depth first. A child that is met
 * twice is unfolded twice; a counter bounds what that can come to.
 */
#include "torch_module.h"

#include <string.h>

#include "torch_layout.h"

#define LEVELS_MAX 500
#define TWICE_MAX 20 /* names that are reported */

/* In what order a level is gone through. */
enum {
    PART_ABOUT,
    PART_PARAMETERS,
    PART_TRANSIENT,
    PART_BUFFERS,
    PART_SETTINGS,
    PART_CHILDREN,
    PART_END
};

static struct torch_level *
top(struct torch_modules *walk)
{
    return &walk->levels[walk->level_count - 1];
}

static int
push(struct torch_reader *r, struct torch_modules *walk,
     const struct torch_module *module)
{
    struct torch_level *levels;
    size_t i, wanted;

    for (i = 0; i < walk->level_count; i++)
        if (walk->levels[i].module.node == module->node)
            return sdk_torch_fail(r, CKPT_FORMAT, module->node,
                                  "a module that contains itself");
    if (walk->level_count == LEVELS_MAX)
        return sdk_torch_fail(r, CKPT_LIMIT, module->node,
                              "modules nest too deep");
    if (walk->level_count == walk->level_capacity) {
        wanted = walk->level_capacity * 2 + 8;
        levels =
            r->host->reallocate(r->host, walk->levels, wanted * sizeof *levels);
        if (levels == NULL)
            return CKPT_MEMORY;
        walk->levels = levels;
        walk->level_capacity = wanted;
    }
    if (module->compiled &&
        sdk_buffer_append(r->host, &walk->prefix, SDK_TORCH_COMPILED,
                          strlen(SDK_TORCH_COMPILED)) != CKPT_OK)
        return CKPT_MEMORY;
    walk->levels[walk->level_count++] = (struct torch_level){
        .module = *module, .prefix_bytes = walk->prefix.size_bytes};
    return CKPT_OK;
}

/* Sets the reader's path to what is `name` in the module at the top. */
static int
set_path(struct torch_reader *r, const struct torch_modules *walk,
         const struct ckpt_text *name)
{
    struct sdk_buffer *path = &r->path;
    int status = CKPT_OK;

    r->steps += (walk->prefix.size_bytes + name->size_bytes) / TORCH_STEP_BYTES;
    path->size_bytes = walk->base_bytes;
    if (path->size_bytes > 0)
        status = sdk_buffer_append(r->host, path, ".", 1);
    if (status == CKPT_OK)
        status = sdk_buffer_append(r->host, path, walk->prefix.data,
                                   walk->prefix.size_bytes);
    return status == CKPT_OK
               ? sdk_buffer_append(r->host, path, name->data, name->size_bytes)
               : status;
}

/* Reports a name that stood in the map already: the last stands. */
static void
check_twice(struct torch_reader *r, const struct torch_modules *walk,
            size_t before)
{
    if (walk->map->as.map.count > before || r->models.twice_count == TWICE_MAX)
        return;
    r->models.twice_count++;
    r->host->warn(r->host, sdk_torch_path(r), CKPT_NOWHERE,
                  "a module has this name twice: the last is kept");
}

/* Stores under the module's prefix and the name. */
static int
store(struct torch_reader *r, struct torch_modules *walk,
      const struct ckpt_text *name, const struct ckpt_value *value)
{
    struct sdk_buffer *key = &walk->scratch;
    size_t before = walk->map->as.map.count;
    struct ckpt_value *made;
    int status;

    key->size_bytes = 0;
    status = sdk_buffer_append(r->host, key, walk->prefix.data,
                               walk->prefix.size_bytes);
    if (status == CKPT_OK)
        status = sdk_buffer_append(r->host, key, name->data, name->size_bytes);
    if (status == CKPT_OK)
        status = sdk_torch_string(r, key->data, key->size_bytes, &made);
    if (status == CKPT_OK)
        status = r->host->map_set(r->host, r->graph, walk->map, made, value);
    if (status == CKPT_OK)
        check_twice(r, walk, before);
    return status;
}

/* The quantiser stays; the one attribute that is part of the tensor. */
static int
keep_quantiser(struct torch_reader *r, const struct ckpt_value *from,
               struct ckpt_value *to)
{
    const struct ckpt_attr *attr = from->attrs;

    while (attr != NULL && strcmp(attr->name, SDK_TORCH_QUANTISER) != 0)
        attr = attr->next;
    return attr == NULL ? CKPT_OK
                        : r->host->attr_set(r->host, r->graph, to,
                                            SDK_TORCH_QUANTISER, attr->value);
}

/* state_dict() detaches: each entry is a tensor of its own on the storage,
 * without gradient and without attributes. */
static int
detach(struct torch_reader *r, uint32_t role, struct ckpt_value **value)
{
    const struct ckpt_value *from = *value;
    const struct ckpt_tensor *tensor = from->as.tensor;
    struct ckpt_tensor like = {.dtype = tensor->dtype,
                               .rank = tensor->rank,
                               .shape = tensor->shape,
                               .strides = tensor->strides,
                               .offset = tensor->offset,
                               .storage = tensor->storage,
                               .role = role,
                               .flips = tensor->flips,
                               .type_name = tensor->type_name};
    int status = CKPT_OK;

    if (role == CKPT_ROLE_PARAMETER && !tensor->requires_grad)
        status = sdk_torch_module_frozen(r);
    if (status == CKPT_OK)
        status = r->host->tensor_new(r->host, r->graph, &like, sizeof like,
                                     sdk_torch_path(r), value);
    return status == CKPT_OK ? keep_quantiser(r, from, *value) : status;
}

static int
emit(struct torch_reader *r, struct torch_modules *walk,
     const struct ckpt_text *name, uint32_t ref, uint32_t role, uint32_t *enter)
{
    struct ckpt_value *value;
    int status = sdk_torch_value_of(r, ref, 0, &value);

    if (status != CKPT_OK)
        return status;
    if (value->kind == CKPT_KIND_TENSOR)
        status = detach(r, role, &value);
    else
        *enter = ref;
    return status == CKPT_OK ? store(r, walk, name, value) : status;
}

/* The next pair of a registry; sets the reader's path. CKPT_END after the
 * last. */
static int
next_pair(struct torch_reader *r, struct torch_modules *walk,
          const struct torch_pairs *pairs, struct ckpt_text *name,
          uint32_t *value)
{
    struct torch_level *level = top(walk);
    uint64_t offset, size_bytes;
    uint32_t key;
    int status;

    if (level->index == sdk_torch_pairs_count(pairs))
        return CKPT_END;
    if (!sdk_torch_pairs_get(r, pairs, level->index++, &key, value))
        return sdk_torch_fail(r, CKPT_FORMAT, level->module.node,
                              "a module with a registry that is no dict");
    if (sdk_pickled_left(r->pickled, key, &offset, &size_bytes))
        return sdk_torch_fail(r, CKPT_LIMIT, level->module.node,
                              "a module with a name of more than 64 KiB");
    if (!sdk_torch_is_name(r, key))
        return sdk_torch_fail(r, CKPT_FORMAT, level->module.node,
                              "a module with a name that is no text");
    *name = sdk_pickled_text(r->pickled, key);
    status = sdk_torch_module_count(r, level->module.node, 1);
    return status == CKPT_OK ? set_path(r, walk, name) : status;
}

static int
step_parameter(struct torch_reader *r, struct torch_modules *walk,
               uint32_t *enter)
{
    struct ckpt_text name;
    uint32_t ref;
    int status = next_pair(r, walk, &top(walk)->module.parameters, &name, &ref);

    if (status != CKPT_OK ||
        sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_NONE)
        return status;
    return emit(r, walk, &name, ref, CKPT_ROLE_PARAMETER, enter);
}

static int
step_buffer(struct torch_reader *r, struct torch_modules *walk, uint32_t *enter)
{
    struct ckpt_text name;
    uint32_t ref;
    int status = next_pair(r, walk, &top(walk)->module.buffers, &name, &ref);

    if (status != CKPT_OK ||
        sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_NONE)
        return status;
    if (sdk_table_find(&walk->transient, name.data, name.size_bytes) == NULL)
        return emit(r, walk, &name, ref, CKPT_ROLE_BUFFER, enter);
    if (!top(walk)->again)
        sdk_torch_module_left_out(r, true);
    return CKPT_OK;
}

/* The names of the buffers that are no state. */
static int
list_transient(struct torch_reader *r, struct torch_modules *walk)
{
    const struct torch_module *module = &top(walk)->module;
    struct sdk_pickled_list names = sdk_torch_set_of(r, module->transient);
    struct ckpt_text name;
    bool added;
    uint32_t i;
    int status = sdk_torch_module_count(r, module->node, names.count);

    sdk_table_fini(r->host, &walk->transient);
    for (i = 0; i < names.count && status == CKPT_OK; i++) {
        if (!sdk_torch_is_name(r, names.refs[i]))
            continue;
        name = sdk_pickled_text(r->pickled, names.refs[i]);
        if (sdk_table_add(r->host, &walk->transient, name.data, name.size_bytes,
                          &added) == NULL)
            status = CKPT_MEMORY;
    }
    return status == CKPT_OK ? CKPT_END : status;
}

static int
step_setting(struct torch_reader *r, struct torch_modules *walk,
             uint32_t *enter)
{
    struct torch_level *level = top(walk);
    const struct sdk_pickled_list *state = &level->module.state;
    struct ckpt_text name = {"?", 1};
    uint32_t at = 2 * level->index++;
    int status;

    if (level->again || at >= state->count)
        return CKPT_END;
    status = sdk_torch_module_count(r, level->module.node, 1);
    if (status == CKPT_OK && sdk_torch_is_name(r, state->refs[at]))
        name = sdk_pickled_text(r->pickled, state->refs[at]);
    if (status == CKPT_OK)
        status = set_path(r, walk, &name);
    return status == CKPT_OK
               ? sdk_torch_module_setting(r, walk, state->refs[at],
                                          state->refs[at + 1], enter)
               : status;
}

static int
step_child(struct torch_reader *r, struct torch_modules *walk, uint32_t *enter)
{
    struct torch_module child;
    struct ckpt_text name;
    uint32_t ref;
    int status = next_pair(r, walk, &top(walk)->module.children, &name, &ref);

    if (status != CKPT_OK ||
        sdk_pickled_kind(r->pickled, ref) == SDK_PICKLED_NONE)
        return status;
    if (!sdk_torch_module_find(r, ref, &child)) {
        sdk_torch_module_odd(r, ref,
                             "keeps its state in a form of its own, which is "
                             "kept as it is");
        return emit(r, walk, &name, ref, CKPT_ROLE_UNKNOWN, enter);
    }
    status =
        sdk_buffer_append(r->host, &walk->prefix, name.data, name.size_bytes);
    if (status == CKPT_OK)
        status = sdk_buffer_append(r->host, &walk->prefix, ".", 1);
    return status == CKPT_OK ? push(r, walk, &child) : status;
}

/* CKPT_END: the part is done. */
static int
step_part(struct torch_reader *r, struct torch_modules *walk, uint32_t *enter)
{
    int status;

    switch (top(walk)->part) {
    case PART_ABOUT:
        status = sdk_torch_module_about(r, walk);
        return status == CKPT_OK ? CKPT_END : status;
    case PART_PARAMETERS:
        return step_parameter(r, walk, enter);
    case PART_TRANSIENT:
        return list_transient(r, walk);
    case PART_BUFFERS:
        return step_buffer(r, walk, enter);
    case PART_SETTINGS:
        return step_setting(r, walk, enter);
    default:
        return step_child(r, walk, enter);
    }
}

int
sdk_torch_modules_step(struct torch_reader *r, struct torch_modules *walk,
                       uint32_t *enter)
{
    int status = step_part(r, walk, enter);
    struct torch_level *level = top(walk);

    if (status != CKPT_END)
        return status;
    level->index = 0;
    if (++level->part < PART_END)
        return CKPT_OK;
    if (--walk->level_count == 0)
        return CKPT_END;
    walk->prefix.size_bytes = top(walk)->prefix_bytes;
    return CKPT_OK;
}

/* ---- Beginning and end ---- */

static int
begin(struct torch_reader *r, uint32_t ref, struct torch_modules *walk)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP,
                              .type_name = "collections.OrderedDict"};
    const struct torch_name *class = sdk_torch_class_of(r, ref);
    struct sdk_buffer *text = &walk->scratch;
    struct torch_module module;
    struct ckpt_value *name;
    int status = sdk_torch_value(r, &like, &walk->metadata);

    if (status == CKPT_OK)
        status = r->host->attr_set(r->host, r->graph, walk->map, "_metadata",
                                   walk->metadata);
    if (status == CKPT_OK)
        status = sdk_buffer_printf(r->host, text, "%s.%s",
                                   class != NULL ? class->module : "?",
                                   class != NULL ? class->name : "?");
    if (status == CKPT_OK)
        status = sdk_torch_string(r, text->data, text->size_bytes, &name);
    if (status == CKPT_OK)
        status = r->host->attr_set(r->host, r->graph, walk->map,
                                   SDK_TORCH_MODEL_CLASS, name);
    if (status != CKPT_OK)
        return status;
    sdk_torch_module_find(r, ref, &module);
    return push(r, walk, &module);
}

int
sdk_torch_modules_open(struct torch_reader *r, uint32_t ref,
                       struct ckpt_value *map, struct torch_modules **walk)
{
    struct torch_modules *made = r->host->allocate(r->host, sizeof *made);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    made->map = map;
    made->base_bytes = r->path.size_bytes;
    status = begin(r, ref, made);
    if (status == CKPT_OK)
        *walk = made;
    else
        sdk_torch_modules_close(r->host, made);
    return status;
}

void
sdk_torch_modules_close(const struct ckpt_host *host,
                        struct torch_modules *walk)
{
    if (walk == NULL)
        return;
    sdk_table_fini(host, &walk->transient);
    sdk_buffer_fini(host, &walk->prefix);
    sdk_buffer_fini(host, &walk->scratch);
    host->release(host, walk->levels);
    host->release(host, walk);
}
