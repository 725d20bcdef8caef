/* SPDX-License-Identifier: MIT
 *
 * What a module holds beside its state: class, version, training flag, plain
 * attributes. They become attributes of the graph, by the modules' paths.
 */
#include "torch_module.h"

#include <stdio.h>
#include <string.h>

/* Steps of unfolding in one file. The largest models have some ten thousand
 * modules with some dozens of attributes each. */
#define UNFOLD_MAX UINT64_C(8000000)

#define ODD_MAX 20 /* classes that are reported */

int
sdk_torch_string(struct torch_reader *r, const void *data, size_t size_bytes,
                 struct ckpt_value **value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING};

    like.as.text.data = size_bytes > 0 ? data : "";
    like.as.text.size_bytes = size_bytes;
    return sdk_torch_value(r, &like, value);
}

int
sdk_torch_module_count(struct torch_reader *r, uint32_t ref, uint64_t count)
{
    r->models.unfolded += count;
    return r->models.unfolded <= UNFOLD_MAX
               ? CKPT_OK
               : sdk_torch_fail(r, CKPT_LIMIT, ref,
                                "modules that unfold to more than 8000000 "
                                "parts");
}

/* ---- Reports ---- */

/* Whether the node is marked already; marks it. */
static int
mark(struct torch_reader *r, uint32_t ref, bool *before)
{
    size_t bytes = (size_t)r->pickled->node_count / 8 + 1;
    unsigned char bit = (unsigned char)(1u << (ref % 8));

    if (r->models.marks == NULL)
        r->models.marks = r->host->allocate(r->host, bytes);
    if (r->models.marks == NULL)
        return CKPT_MEMORY;
    *before = (r->models.marks[ref / 8] & bit) != 0;
    r->models.marks[ref / 8] |= bit;
    return CKPT_OK;
}

void
sdk_torch_module_odd(struct torch_reader *r, uint32_t ref, const char *what)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref), class = ref;
    const struct torch_name *name;
    bool before = true;

    if (kind == SDK_PICKLED_NEW || kind == SDK_PICKLED_CALL)
        class = sdk_pickled_call(r->pickled, ref).callee;
    if (r->models.odd_count == ODD_MAX || mark(r, class, &before) != CKPT_OK ||
        before)
        return;
    r->models.odd_count++;
    name = sdk_torch_class_of(r, ref);
    r->host->warn(r->host, sdk_torch_path(r), sdk_torch_byte(r, ref),
                  "a module of class %.100s.%.100s %s",
                  name != NULL ? name->module : "?",
                  name != NULL ? name->name : "?", what);
}

void
sdk_torch_module_left_out(struct torch_reader *r, bool tensor)
{
    struct torch_left_out *out = &r->models.left_out[tensor];
    const char *path = sdk_torch_path(r);

    if (out->count++ == 0)
        snprintf(out->first, sizeof out->first, "%s", path ? path : "");
}

/* ---- Attributes of the graph ---- */

/* The container of that kind, made when it is needed first. */
static int
container(struct torch_reader *r, struct ckpt_value **value, uint32_t kind)
{
    struct ckpt_value like = {.kind = kind};

    return *value != NULL ? CKPT_OK : sdk_torch_value(r, &like, value);
}

/* The full path of the module at the top, as a value. */
static int
path_value(struct torch_reader *r, struct torch_modules *walk,
           struct ckpt_value **value)
{
    struct sdk_buffer *text = &walk->scratch;
    size_t prefix_bytes = walk->prefix.size_bytes;
    int status;

    text->size_bytes = 0;
    status = sdk_buffer_append(r->host, text, r->path.data, walk->base_bytes);
    if (status == CKPT_OK && walk->base_bytes > 0 && prefix_bytes > 0)
        status = sdk_buffer_append(r->host, text, ".", 1);
    if (status == CKPT_OK && prefix_bytes > 0)
        status = sdk_buffer_append(r->host, text, walk->prefix.data,
                                   prefix_bytes - 1);
    return status == CKPT_OK
               ? sdk_torch_string(r, text->data, text->size_bytes, value)
               : status;
}

static int
add_class(struct torch_reader *r, struct torch_modules *walk,
          const struct ckpt_value *path)
{
    struct torch_level *level = &walk->levels[walk->level_count - 1];
    const struct torch_name *class = sdk_torch_class_of(r, level->module.node);
    struct sdk_buffer *text = &walk->scratch;
    struct ckpt_value *value;
    int status;

    text->size_bytes = 0;
    status = sdk_buffer_printf(r->host, text, "%s.%s",
                               class != NULL ? class->module : "?",
                               class != NULL ? class->name : "?");
    if (status == CKPT_OK)
        status = container(r, &r->models.classes, CKPT_KIND_MAP);
    if (status == CKPT_OK)
        status = sdk_torch_string(r, text->data, text->size_bytes, &value);
    if (status == CKPT_OK)
        status = sdk_torch_module_source(r, &value->as.text, &level->source);
    return status == CKPT_OK ? r->host->map_set(r->host, r->graph,
                                                r->models.classes, path, value)
                             : status;
}

/* -1: it does not say. */
static int
training_of(const struct torch_reader *r, const struct torch_module *module)
{
    return module->training == SDK_PICKLED_NOTHING
               ? -1
               : sdk_pickled_at(r->pickled, module->training)->as.truth;
}

/* The flag, unless it is that of the module around this one. */
static int
add_training(struct torch_reader *r, struct torch_modules *walk,
             const struct ckpt_value *path)
{
    struct torch_level *level = &walk->levels[walk->level_count - 1];
    struct ckpt_value like = {.kind = CKPT_KIND_BOOL}, *value;
    int training = training_of(r, &level->module), status;

    if (training < 0 || (walk->level_count > 1 &&
                         training == training_of(r, &level[-1].module)))
        return CKPT_OK;
    like.as.truth = training > 0;
    status = sdk_torch_value(r, &like, &value);
    if (status == CKPT_OK)
        status = container(r, &r->models.training, CKPT_KIND_MAP);
    return status == CKPT_OK ? r->host->map_set(r->host, r->graph,
                                                r->models.training, path, value)
                             : status;
}

int
sdk_torch_module_frozen(struct torch_reader *r)
{
    struct ckpt_value *name;
    int status;

    status = sdk_torch_string(r, r->path.data, r->path.size_bytes, &name);
    if (status == CKPT_OK)
        status = container(r, &r->models.frozen, CKPT_KIND_LIST);
    return status == CKPT_OK
               ? r->host->list_add(r->host, r->graph, r->models.frozen, name)
               : status;
}

/* ---- `_metadata` ---- */

/* A key that is one object wherever torch uses it. */
static int
shared_key(struct torch_reader *r, const char *text, struct ckpt_value **key)
{
    return *key != NULL ? CKPT_OK
                        : sdk_torch_string(r, text, strlen(text), key);
}

static int
set_int(struct torch_reader *r, struct ckpt_value *map,
        const struct ckpt_value *key, int64_t number)
{
    struct ckpt_value like = {.kind = CKPT_KIND_INT}, *value;
    int status;

    like.as.integer = number;
    status = sdk_torch_value(r, &like, &value);
    return status == CKPT_OK
               ? r->host->map_set(r->host, r->graph, map, key, value)
               : status;
}

static bool
starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The value of a name in a dict, or NOTHING. */
static uint32_t
look_up(struct torch_reader *r, uint32_t dict, const char *wanted)
{
    struct torch_pairs pairs;
    uint32_t i, key, value, count;

    if (dict == SDK_PICKLED_NOTHING || !sdk_torch_pairs_of(r, dict, &pairs))
        return SDK_PICKLED_NOTHING;
    count = sdk_torch_pairs_count(&pairs);
    for (i = 0; i < count && i < 64; i++)
        if (sdk_torch_pairs_get(r, &pairs, i, &key, &value) &&
            sdk_pickled_is_text(r->pickled, key, wanted))
            return value;
    return SDK_PICKLED_NOTHING;
}

/* The state of an object, or NOTHING. */
static uint32_t
state_of(const struct torch_reader *r, uint32_t ref)
{
    uint32_t kind;

    if (ref == SDK_PICKLED_NOTHING)
        return ref;
    kind = sdk_pickled_kind(r->pickled, ref);
    return kind == SDK_PICKLED_NEW || kind == SDK_PICKLED_CALL
               ? sdk_pickled_call(r->pickled, ref).state
               : SDK_PICKLED_NOTHING;
}

/* What the hook of spectral_norm adds: {name.version: 1}. */
static int
add_spectral(struct torch_reader *r, struct torch_modules *walk, uint32_t hook,
             struct ckpt_value *metadata, struct ckpt_value **spectral)
{
    uint32_t made = look_up(r, state_of(r, hook), "fn");
    uint32_t name = look_up(r, state_of(r, made), "name");
    struct sdk_buffer *text = &walk->scratch;
    struct ckpt_text part;
    struct ckpt_value *key;
    int status = CKPT_OK;

    if (name == SDK_PICKLED_NOTHING || !sdk_torch_is_name(r, name))
        return CKPT_OK;
    if (*spectral == NULL) {
        status = container(r, spectral, CKPT_KIND_MAP);
        if (status == CKPT_OK)
            status = shared_key(r, "spectral_norm", &r->models.spectral);
        if (status == CKPT_OK)
            status = r->host->map_set(r->host, r->graph, metadata,
                                      r->models.spectral, *spectral);
    }
    part = sdk_pickled_text(r->pickled, name);
    text->size_bytes = 0;
    if (status == CKPT_OK)
        status = sdk_buffer_append(r->host, text, part.data, part.size_bytes);
    if (status == CKPT_OK)
        status = sdk_buffer_append(r->host, text, ".version", 8);
    if (status == CKPT_OK)
        status = sdk_torch_string(r, text->data, text->size_bytes, &key);
    return status == CKPT_OK ? set_int(r, *spectral, key, 1) : status;
}

static int
add_hooks(struct torch_reader *r, struct torch_modules *walk,
          struct ckpt_value *metadata)
{
    const struct torch_module *module =
        &walk->levels[walk->level_count - 1].module;
    const struct torch_name *class;
    struct ckpt_value *spectral = NULL;
    struct torch_pairs hooks;
    uint32_t i, key, hook, ref = SDK_PICKLED_NOTHING;
    int status = CKPT_OK;

    for (i = 0; i < module->state.count && i < 128; i += 2)
        if (sdk_pickled_is_text(r->pickled, module->state.refs[i],
                                "_state_dict_hooks"))
            ref = module->state.refs[i + 1];
    if (ref == SDK_PICKLED_NOTHING || !sdk_torch_pairs_of(r, ref, &hooks))
        return CKPT_OK;
    for (i = 0; i < sdk_torch_pairs_count(&hooks) && status == CKPT_OK; i++) {
        status = sdk_torch_module_count(r, module->node, 1);
        if (status != CKPT_OK ||
            !sdk_torch_pairs_get(r, &hooks, i, &key, &hook))
            return status;
        class = sdk_torch_class_of(r, hook);
        if (class != NULL && starts_with(class->module, "torch.nn.utils.") &&
            strcmp(class->name, "SpectralNormStateDictHook") == 0)
            status = add_spectral(r, walk, hook, metadata, &spectral);
        else
            sdk_torch_module_odd(r, module->node,
                                 "has hooks that may change its state_dict()");
    }
    return status;
}

/* The entry of the module whose prefix has so many bytes. */
static int
add_version(struct torch_reader *r, struct torch_modules *walk,
            size_t prefix_bytes, int64_t version)
{
    struct ckpt_value *key, *metadata = NULL;
    int status = container(r, &metadata, CKPT_KIND_MAP);

    if (status == CKPT_OK)
        status = shared_key(r, "version", &r->models.version);
    if (status == CKPT_OK)
        status = set_int(r, metadata, r->models.version, version);
    if (status == CKPT_OK && prefix_bytes == walk->prefix.size_bytes)
        status = add_hooks(r, walk, metadata);
    if (status == CKPT_OK)
        status =
            sdk_torch_string(r, walk->prefix.data,
                             prefix_bytes > 0 ? prefix_bytes - 1 : 0, &key);
    return status == CKPT_OK ? r->host->map_set(r->host, r->graph,
                                                walk->metadata, key, metadata)
                             : status;
}

static int
add_metadata(struct torch_reader *r, struct torch_modules *walk)
{
    const struct torch_level *level = &walk->levels[walk->level_count - 1];
    size_t prefix_bytes = walk->prefix.size_bytes;
    int status = CKPT_OK;

    if (level->module.compiled)
        status =
            add_version(r, walk, prefix_bytes - strlen(SDK_TORCH_COMPILED), 1);
    return status == CKPT_OK ? add_version(r, walk, prefix_bytes,
                                           sdk_torch_module_version(r, level))
                             : status;
}

/* Whether the class says itself what its state is. */
static bool
has_own_state(struct torch_reader *r, const struct torch_level *level)
{
    const struct torch_name *class = sdk_torch_class_of(r, level->module.node);
    bool quantised, extra;

    if (class == NULL)
        return false;
    quantised = starts_with(class->module, "torch.") &&
                (strstr(class->module, ".quantized.") != NULL ||
                 strstr(class->module, ".quantization.") != NULL);
    extra = starts_with(class->module, "transformer_engine.");
    return quantised || extra || (level->source & SDK_TORCH_SOURCE_OWN) != 0;
}

static void
check_class(struct torch_reader *r, const struct torch_level *level)
{
    if (has_own_state(r, level))
        sdk_torch_module_odd(r, level->module.node,
                             "writes its state_dict() itself; what that adds "
                             "is not in the file");
}

int
sdk_torch_module_about(struct torch_reader *r, struct torch_modules *walk)
{
    struct torch_level *level = &walk->levels[walk->level_count - 1];
    struct ckpt_value *path;
    int status = sdk_torch_module_count(r, level->module.node,
                                        32 + level->module.state.count / 32);

    if (status == CKPT_OK)
        status = mark(r, level->module.node, &level->again);
    if (status == CKPT_OK)
        status = path_value(r, walk, &path);
    if (status == CKPT_OK)
        status = add_class(r, walk, path);
    if (status == CKPT_OK)
        status = add_training(r, walk, path);
    if (status == CKPT_OK)
        status = add_metadata(r, walk);
    if (status == CKPT_OK)
        check_class(r, level);
    return status;
}

/* ---- Plain attributes ---- */

/* Registries, and what only follows from them. */
static bool
is_known(const struct torch_reader *r, uint32_t key)
{
    static const char *const names[] = {"training",
                                        "_parameters",
                                        "_buffers",
                                        "_modules",
                                        "_non_persistent_buffers_set",
                                        "_is_full_backward_hook",
                                        "_state_dict_hooks",
                                        "_flat_weights",
                                        NULL};
    size_t i;

    for (i = 0; names[i] != NULL; i++)
        if (sdk_pickled_is_text(r->pickled, key, names[i]))
            return true;
    return false;
}

/* "_forward_hooks" and the like. */
static bool
is_hooks(const struct torch_reader *r, uint32_t key)
{
    struct ckpt_text text = sdk_pickled_text(r->pickled, key);
    size_t i;

    if (text.size_bytes > 64 || text.size_bytes == 0 || text.data[0] != '_')
        return false;
    for (i = 0; i + 6 <= text.size_bytes; i++)
        if (memcmp(text.data + i, "_hooks", 6) == 0)
            return true;
    return false;
}

/* Hooks of torch itself keep what they need in the state. */
static void
check_hooks(struct torch_reader *r, struct torch_modules *walk, uint32_t key,
            uint32_t value)
{
    const struct torch_name *class = NULL;
    struct torch_pairs hooks;
    uint32_t number, hook;

    if (!sdk_torch_pairs_of(r, value, &hooks)) {
        if (!sdk_torch_is_plain(r, value))
            sdk_torch_module_left_out(r, false);
        return;
    }
    if (sdk_torch_pairs_count(&hooks) == 0)
        return;
    if (sdk_pickled_is_text(r->pickled, key, "_state_dict_pre_hooks"))
        sdk_torch_module_odd(r, walk->levels[walk->level_count - 1].module.node,
                             "has hooks that may change its state_dict()");
    if (sdk_torch_pairs_get(r, &hooks, 0, &number, &hook))
        class = sdk_torch_class_of(r, hook);
    if (class == NULL || !starts_with(class->module, "torch.nn."))
        sdk_torch_module_left_out(r, false);
}

static bool
is_tensor(struct torch_reader *r, uint32_t ref)
{
    uint32_t known = sdk_torch_known_call(r, ref);

    return known >= TORCH_REBUILD_TENSOR && known <= TORCH_REBUILD_TYPED;
}

static int
add_setting(struct torch_reader *r, struct torch_modules *walk,
            struct ckpt_text name, const struct ckpt_value *value)
{
    struct torch_level *level = &walk->levels[walk->level_count - 1];
    struct ckpt_value *path, *key;
    int status = CKPT_OK;

    if (level->settings == NULL) {
        status = container(r, &r->models.settings, CKPT_KIND_MAP);
        if (status == CKPT_OK)
            status = container(r, &level->settings, CKPT_KIND_MAP);
        if (status == CKPT_OK)
            status = path_value(r, walk, &path);
        if (status == CKPT_OK)
            status = r->host->map_set(r->host, r->graph, r->models.settings,
                                      path, level->settings);
    }
    if (status == CKPT_OK)
        status = sdk_torch_string(r, name.data, name.size_bytes, &key);
    return status == CKPT_OK ? r->host->map_set(r->host, r->graph,
                                                level->settings, key, value)
                             : status;
}

/* What is no plain value is no state, as a rule; where the class makes its
 * state of such things, weights would be lost. */
static int
leave_out(struct torch_reader *r, const struct torch_modules *walk,
          uint32_t value)
{
    const struct torch_level *level = &walk->levels[walk->level_count - 1];
    const struct torch_name *class;

    if (!has_own_state(r, level)) {
        sdk_torch_module_left_out(r, is_tensor(r, value));
        return CKPT_OK;
    }
    class = sdk_torch_class_of(r, level->module.node);
    return r->host->fail(r->host, CKPT_UNSUPPORTED, sdk_torch_path(r),
                         sdk_torch_byte(r, value),
                         "a module of '%.60s.%.60s' keeps weights in a way "
                         "that its class alone knows: save its state_dict()",
                         class->module, class->name);
}

int
sdk_torch_module_setting(struct torch_reader *r, struct torch_modules *walk,
                         uint32_t key, uint32_t value, uint32_t *enter)
{
    struct ckpt_value *made;
    int status;

    if (!sdk_torch_is_name(r, key)) {
        sdk_torch_module_left_out(r, false);
        return CKPT_OK;
    }
    if (is_known(r, key))
        return CKPT_OK;
    if (is_hooks(r, key)) {
        check_hooks(r, walk, key, value);
        return CKPT_OK;
    }
    if (!sdk_torch_is_plain(r, value))
        return leave_out(r, walk, value);
    status = sdk_torch_value_of(r, value, 0, &made);
    if (status == CKPT_OK)
        status = add_setting(r, walk, sdk_pickled_text(r->pickled, key), made);
    *enter = value;
    return status;
}

/* ---- The end ---- */

static void
report(struct torch_reader *r)
{
    const struct torch_left_out *out = r->models.left_out;

    if (out[true].count > 0)
        r->host->warn(r->host, out[true].first, CKPT_NOWHERE,
                      "%llu tensor(s) of modules are no state of theirs and "
                      "are left out, as by state_dict(); this is the first",
                      (unsigned long long)out[true].count);
    if (out[false].count > 0)
        r->host->warn(r->host, out[false].first, CKPT_NOWHERE,
                      "%llu attribute(s) of modules are more than plain "
                      "values and are left out; this is the first",
                      (unsigned long long)out[false].count);
}

int
sdk_torch_models_finish(struct torch_reader *r)
{
    const struct {
        const char *name;
        const struct ckpt_value *value;
    } attributes[] = {
        {SDK_TORCH_MODEL_CLASSES, r->models.classes},
        {SDK_TORCH_MODEL_TRAINING, r->models.training},
        {SDK_TORCH_MODEL_FROZEN, r->models.frozen},
        {SDK_TORCH_MODEL_SETTINGS, r->models.settings},
    };
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (status == CKPT_OK && attributes[i].value != NULL)
            status = r->host->attr_set(r->host, r->graph, NULL,
                                       attributes[i].name, attributes[i].value);
    if (status == CKPT_OK)
        report(r);
    return status;
}

void
sdk_torch_models_fini(struct torch_reader *r)
{
    sdk_table_fini(r->host, &r->models.sources);
    r->host->release(r->host, r->models.marks);
}
