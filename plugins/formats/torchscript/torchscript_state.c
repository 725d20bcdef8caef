/* SPDX-License-Identifier: MIT
 *
 * data.pkl of torch 1.4 and later: an object of class __torch__..., built
 * with a dict of its attributes, in the order of state_dict(): parameters,
 * buffers, then the modules among the attributes. An attribute whose value is
 * None is no tensor; a module met twice is there twice.
 */
#include "torchscript_state.h"

#include <string.h>

#include "torchscript_code.h"

#define HOLDS_DEPTH_MAX 100
/* Many modules may share one dict of attributes, many attributes one name,
 * and many objects one class. */
#define ATTRIBUTES_MAX 10000000
#define NAMES_MAX ((uint64_t)1 << 30)

struct state {
    const struct ckpt_host *host;
    const struct sdk_pickled *pickled;
    struct torch_reader *reader;
    struct torchscript_code code;
    struct torchscript_map map;
    bool training;        /* of the module that is being read */
    unsigned char *holds; /* by node: 2 a tensor is in it that is no state yet,
                             1 none */
    bool warned;
    uint64_t attribute_count, name_bytes; /* each time they are met */
};

static uint64_t
byte_of(const struct state *s, uint32_t ref)
{
    return sdk_pickled_place(s->pickled, sdk_pickled_at(s->pickled, ref)->byte);
}

/* Counts the bytes of names of attributes and classes. */
static int
count_names(struct state *s, uint32_t ref, size_t size_bytes)
{
    s->name_bytes += size_bytes;
    if (s->name_bytes <= NAMES_MAX)
        return CKPT_OK;
    return s->host->fail(s->host, CKPT_LIMIT, NULL, byte_of(s, ref),
                         "names of attributes and classes are together longer "
                         "than %llu bytes",
                         (unsigned long long)NAMES_MAX);
}

/* ---- Objects and their classes ---- */

/* The class of an object; NULL: it is none, or one of torch's own. */
static int
class_of(struct state *s, uint32_t ref, const struct torchscript_class **class)
{
    static const char own[] = "__torch__.torch.classes.";
    uint32_t callee;
    const char *module, *name;
    int status;

    *class = NULL;
    if (sdk_pickled_kind(s->pickled, ref) != SDK_PICKLED_NEW)
        return CKPT_OK;
    callee = sdk_pickled_call(s->pickled, ref).callee;
    if (sdk_pickled_kind(s->pickled, callee) != SDK_PICKLED_GLOBAL)
        return CKPT_OK;
    module = sdk_pickled_module(s->pickled, callee);
    name = sdk_pickled_name(s->pickled, callee);
    status = count_names(s, ref, strlen(module) + strlen(name));
    if (status == CKPT_OK)
        status = torchscript_class_find(s->host, &s->code, module, name, class);
    if (status != CKPT_OK || *class != NULL ||
        strncmp(module, own, sizeof own - 1) == 0)
        return status;
    return s->host->fail(s->host, CKPT_FORMAT, NULL, byte_of(s, ref),
                         "the archive has no code of the class %s.%s", module,
                         name);
}

/* Whether a value that is no module holds a tensor that is no state. */
static bool
holds_tensor(struct state *s, uint32_t ref, unsigned depth)
{
    struct sdk_pickled_call call;
    struct sdk_pickled_list list = {NULL, 0};
    uint32_t kind = sdk_pickled_kind(s->pickled, ref), i;
    bool holds = kind == SDK_PICKLED_PERSISTENT || depth > HOLDS_DEPTH_MAX;

    if (s->holds[ref] != 0)
        return s->holds[ref] == 2;
    s->holds[ref] = 1; /* for what holds itself */
    if (kind == SDK_PICKLED_CALL || kind == SDK_PICKLED_NEW) {
        call = sdk_pickled_call(s->pickled, ref);
        list = sdk_pickled_list(s->pickled, call.args);
        holds = holds || (call.state != SDK_PICKLED_NOTHING &&
                          holds_tensor(s, call.state, depth + 1));
    } else if (kind == SDK_PICKLED_TUPLE || kind == SDK_PICKLED_LIST ||
               kind == SDK_PICKLED_DICT) {
        list = sdk_pickled_list(s->pickled, ref);
    }
    for (i = 0; !holds && i < list.count; i++)
        holds = holds_tensor(s, list.refs[i], depth + 1);
    s->holds[ref] = holds ? 2 : 1;
    return holds;
}

/* ---- Attributes ---- */

/* state_dict() detaches. A quantised tensor, whose scales are attributes,
 * stays as it is. */
static int
detach(struct state *s, const char *full, struct ckpt_value **value)
{
    const struct ckpt_tensor *tensor = (*value)->as.tensor;
    struct ckpt_tensor like = {.dtype = tensor->dtype,
                               .rank = tensor->rank,
                               .shape = tensor->shape,
                               .strides = tensor->strides,
                               .offset = tensor->offset,
                               .storage = tensor->storage,
                               .role = tensor->role,
                               .flips = tensor->flips};
    int status = CKPT_OK;

    if (like.role == CKPT_ROLE_PARAMETER && !tensor->requires_grad)
        status = torchscript_map_frozen(&s->map, full);
    if (status != CKPT_OK || (*value)->attrs != NULL)
        return status;
    return s->host->tensor_new(s->host, s->map.graph, &like, sizeof like, full,
                               value);
}

static int
put_tensor(struct state *s, const char *full, uint32_t ref, uint32_t role)
{
    struct ckpt_value *value;
    int status = sdk_torch_reader_value(s->reader, ref, full, role, &value);

    if (status != CKPT_OK)
        return status;
    s->holds[ref] = 1;
    if (value->kind != CKPT_KIND_TENSOR)
        return s->host->fail(s->host, CKPT_UNSUPPORTED, full, byte_of(s, ref),
                             "a %s that is no tensor known here",
                             role == CKPT_ROLE_PARAMETER ? "parameter"
                                                         : "buffer");
    status = detach(s, full, &value);
    return status == CKPT_OK ? torchscript_map_put(&s->map, full, value)
                             : status;
}

static bool
is_rebuilt_tensor(const struct state *s, uint32_t ref)
{
    uint32_t callee;

    if (sdk_pickled_kind(s->pickled, ref) != SDK_PICKLED_CALL)
        return false;
    callee = sdk_pickled_call(s->pickled, ref).callee;
    return sdk_pickled_kind(s->pickled, callee) == SDK_PICKLED_GLOBAL &&
           strcmp(sdk_pickled_module(s->pickled, callee), "torch._utils") == 0;
}

/* The role of an attribute; UNKNOWN if it is no state. Torch 1.4 did not tell
 * buffers: all tensors that were no parameters were taken for such. */
static uint32_t
role_of(struct state *s, const struct torchscript_class *class, uint32_t key,
        uint32_t ref)
{
    struct ckpt_text name = sdk_pickled_text(s->pickled, key);
    uint32_t role = torchscript_role_of(class, &name);

    if (role != CKPT_ROLE_UNKNOWN || class->tells_buffers ||
        !is_rebuilt_tensor(s, ref))
        return role;
    if (!s->warned)
        s->host->warn(s->host, NULL, byte_of(s, ref),
                      "the code of %s tells no buffers, as that of torch 1.4: "
                      "tensors that are no parameters are taken for buffers",
                      class->name);
    s->warned = true;
    return CKPT_ROLE_BUFFER;
}

static int
put_role(struct state *s, const struct torchscript_class *class,
         struct sdk_pickled_list pairs, uint32_t wanted)
{
    struct ckpt_text name;
    const char *full;
    uint32_t i;
    int status = CKPT_OK;

    for (i = 0; i < pairs.count && status == CKPT_OK; i += 2) {
        uint32_t ref = pairs.refs[i + 1];

        if (sdk_pickled_kind(s->pickled, ref) == SDK_PICKLED_NONE ||
            role_of(s, class, pairs.refs[i], ref) != wanted)
            continue;
        name = sdk_pickled_text(s->pickled, pairs.refs[i]);
        status = torchscript_map_name(&s->map, &name, &full);
        if (status == CKPT_OK)
            status = put_tensor(s, full, ref, wanted);
    }
    return status;
}

static int put_module(struct state *s, uint32_t ref,
                      const struct torchscript_class *class, unsigned depth);

/* The flag is told where it is not that of the module around. */
static int
put_training(struct state *s, struct sdk_pickled_list pairs)
{
    bool training;
    uint32_t i;

    for (i = 0; i < pairs.count; i += 2) {
        if (!sdk_pickled_is_text(s->pickled, pairs.refs[i], "training") ||
            sdk_pickled_kind(s->pickled, pairs.refs[i + 1]) != SDK_PICKLED_BOOL)
            continue;
        training = sdk_pickled_at(s->pickled, pairs.refs[i + 1])->as.truth;
        if (s->map.training != NULL && training == s->training)
            return CKPT_OK;
        s->training = training;
        return torchscript_map_training(&s->map, training);
    }
    return CKPT_OK;
}

/* A module, or something that is listed if it holds tensors. */
static int
put_other(struct state *s, uint32_t key, uint32_t ref, unsigned depth)
{
    struct ckpt_text name = sdk_pickled_text(s->pickled, key);
    const struct torchscript_class *class;
    const char *full;
    size_t path_bytes;
    int status = class_of(s, ref, &class);

    if (status != CKPT_OK)
        return status;
    if (class == NULL || !class->is_module) {
        if (!holds_tensor(s, ref, 0))
            return CKPT_OK;
        status = torchscript_map_name(&s->map, &name, &full);
        return status == CKPT_OK ? torchscript_map_other(&s->map, full)
                                 : status;
    }
    status = torchscript_map_count(&s->map);
    if (status == CKPT_OK)
        status = torchscript_map_enter(&s->map, depth, &name, &path_bytes);
    if (status == CKPT_OK)
        status = put_module(s, ref, class, depth + 1);
    if (status == CKPT_OK)
        torchscript_map_leave(&s->map, path_bytes);
    return status;
}

static int
put_rest(struct state *s, const struct torchscript_class *class,
         struct sdk_pickled_list pairs, unsigned depth)
{
    uint32_t i;
    int status = CKPT_OK;

    for (i = 0; i < pairs.count && status == CKPT_OK; i += 2)
        if (role_of(s, class, pairs.refs[i], pairs.refs[i + 1]) ==
            CKPT_ROLE_UNKNOWN)
            status = put_other(s, pairs.refs[i], pairs.refs[i + 1], depth);
    return status;
}

/* ---- Modules ---- */

/* A module that was saved by its __getstate__: only its own code could make
 * attributes of that again. */
static int
put_opaque(struct state *s, uint32_t ref, const struct torchscript_class *class)
{
    struct ckpt_text whole = {"(the module)", strlen("(the module)")};
    struct ckpt_text none = {"", 0};
    bool root = s->map.path.size_bytes == 0;
    const char *full;
    int status;

    if (class->has_state)
        return s->host->fail(s->host, CKPT_UNSUPPORTED, NULL, byte_of(s, ref),
                             "a module of class %s was saved by its own "
                             "__getstate__, and only its code can make "
                             "parameters and buffers of that again",
                             class->name);
    if (!root)
        s->map.path.size_bytes--; /* the dot */
    status = torchscript_map_name(&s->map, root ? &whole : &none, &full);
    return status == CKPT_OK && holds_tensor(s, ref, 0)
               ? torchscript_map_other(&s->map, full)
               : status;
}

static int
check_keys(struct state *s, uint32_t ref, struct sdk_pickled_list pairs)
{
    uint32_t i, kind;
    int status = CKPT_OK;

    s->attribute_count += pairs.count / 2;
    if (s->attribute_count > ATTRIBUTES_MAX)
        return s->host->fail(s->host, CKPT_LIMIT, NULL, byte_of(s, ref),
                             "modules of more than %d attributes together, "
                             "counted by their names",
                             ATTRIBUTES_MAX);
    for (i = 0; i < pairs.count && status == CKPT_OK; i += 2) {
        kind = sdk_pickled_kind(s->pickled, pairs.refs[i]);
        if (kind != SDK_PICKLED_TEXT && kind != SDK_PICKLED_STR)
            return s->host->fail(s->host, CKPT_FORMAT, NULL, byte_of(s, ref),
                                 "an attribute whose name is no text");
        status = count_names(
            s, ref, sdk_pickled_text(s->pickled, pairs.refs[i]).size_bytes);
    }
    if ((s->map.module_count & 0xff) == 0 && s->host->cancelled(s->host))
        return CKPT_CANCELLED;
    return status;
}

static int
put_module(struct state *s, uint32_t ref, const struct torchscript_class *class,
           unsigned depth)
{
    struct sdk_pickled_call call = sdk_pickled_call(s->pickled, ref);
    struct sdk_pickled_list pairs = {NULL, 0};
    bool training = s->training;
    int status = torchscript_map_class(&s->map, class->name);

    if (status != CKPT_OK || call.state == SDK_PICKLED_NOTHING)
        return status;
    if (sdk_pickled_kind(s->pickled, call.state) != SDK_PICKLED_DICT)
        return put_opaque(s, ref, class);
    pairs = sdk_pickled_list(s->pickled, call.state);
    status = check_keys(s, ref, pairs);
    if (status == CKPT_OK)
        status = put_training(s, pairs);
    if (status == CKPT_OK)
        status = put_role(s, class, pairs, CKPT_ROLE_PARAMETER);
    if (status == CKPT_OK)
        status = put_role(s, class, pairs, CKPT_ROLE_BUFFER);
    if (status == CKPT_OK)
        status = put_rest(s, class, pairs, depth);
    s->training = training;
    return status;
}

static int
put_root(struct state *s)
{
    const struct torchscript_class *class;
    int status = class_of(s, s->pickled->root, &class);

    if (status != CKPT_OK)
        return status;
    if (class == NULL || !class->is_module)
        return s->host->fail(s->host, CKPT_FORMAT, NULL,
                             byte_of(s, s->pickled->root),
                             "the object of 'data.pkl' is no module");
    status = torchscript_map_new(&s->map, class->name);
    return status == CKPT_OK ? put_module(s, s->pickled->root, class, 0)
                             : status;
}

static int
read_object(struct state *s, const struct sdk_torch_source *source)
{
    int status;

    s->holds = s->host->allocate(s->host, s->pickled->node_count);
    if (s->holds == NULL)
        return CKPT_MEMORY;
    status = sdk_torch_reader_new(s->host, s->map.graph, s->pickled, source,
                                  &s->reader);
    if (status == CKPT_OK)
        status = put_root(s);
    return status == CKPT_OK ? torchscript_map_finish(&s->map) : status;
}

int
torchscript_state_read(const struct ckpt_host *host,
                       struct sdk_torch_records *records,
                       struct ckpt_graph *graph)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(records, "data.pkl");
    struct sdk_torch_bytes bytes = {0};
    struct sdk_pickled pickled = {0};
    struct sdk_torch_source source = {.find = sdk_torch_records_storage,
                                      .user = records};
    struct state s = {.host = host, .pickled = &pickled};
    int status;

    s.code.records = records;
    s.map.host = host;
    s.map.graph = graph;
    if (member == NULL)
        return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                          "there is no record 'data.pkl'");
    source.origin = sdk_torch_member_origin(member);
    status = sdk_torch_records_pickle(host, records, member, &bytes, &pickled);
    if (status == CKPT_OK)
        status = read_object(&s, &source);
    sdk_torch_reader_free(s.reader);
    torchscript_map_fini(&s.map);
    torchscript_code_fini(host, &s.code);
    host->release(host, s.holds);
    sdk_pickled_fini(host, &pickled);
    host->release(host, bytes.data);
    return status;
}
