/* SPDX-License-Identifier: MIT
 *
 * What an archive has besides its state: code, extra files, constants, and
 * what only mobile readers look at. It is listed in attributes of the graph.
 */
#include <string.h>

#include "torchscript_state.h"

struct list {
    const struct ckpt_host *host;
    struct ckpt_graph *graph;
    const char *name; /* of the attribute */
    struct ckpt_value *value;
};

static int
list_add(struct list *list, const char *text, size_t text_bytes)
{
    struct ckpt_value like = {.kind = CKPT_KIND_LIST};
    int status = CKPT_OK;

    if (list->value == NULL)
        status = list->host->value_new(list->host, list->graph, &like,
                                       sizeof like, &list->value);
    return status == CKPT_OK
               ? torchscript_list_add(list->host, list->graph, list->value,
                                      text, text_bytes)
               : status;
}

static int
list_finish(const struct list *list)
{
    if (list->value == NULL)
        return CKPT_OK;
    return list->host->attr_set(list->host, list->graph, NULL, list->name,
                                list->value);
}

/* ---- Records ---- */

enum group {
    GROUP_NONE = 0,
    GROUP_SILENT,
    GROUP_CODE,
    GROUP_EXTRA,
    GROUP_MORE
};

static bool
starts(const char *name, size_t size, const char *with)
{
    size_t with_bytes = strlen(with);

    return size >= with_bytes && memcmp(name, with, with_bytes) == 0;
}

static bool
ends(const char *name, size_t size, const char *with)
{
    size_t with_bytes = strlen(with);

    return size > with_bytes &&
           memcmp(name + size - with_bytes, with, with_bytes) == 0;
}

/* Which list a record goes into. The bytes of storages, and tables by which
 * code finds its source lines, are in none. */
static enum group
group_of(const char *name, size_t size)
{
    static const char *const silent[] = {"data/", "constants/", "tensors/",
                                         "debug/", "traced_inputs/"};
    size_t i;

    for (i = 0; i < sizeof silent / sizeof *silent; i++)
        if (starts(name, size, silent[i]))
            return GROUP_SILENT;
    if (starts(name, size, "extra/"))
        return GROUP_EXTRA;
    if (starts(name, size, "code/") || starts(name, size, "libs/"))
        return ends(name, size, ".py") ? GROUP_CODE : GROUP_SILENT;
    if (memchr(name, '/', size) == NULL && ends(name, size, ".pkl"))
        return GROUP_MORE;
    return GROUP_NONE;
}

static int
list_records(const struct ckpt_host *host, struct sdk_torch_records *records,
             struct ckpt_graph *graph)
{
    struct list lists[] = {
        [GROUP_CODE] = {host, graph, "torchscript.code", NULL},
        [GROUP_EXTRA] = {host, graph, "torchscript.extra", NULL},
        [GROUP_MORE] = {host, graph, "torchscript.records", NULL},
    };
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < records->zip.member_count && status == CKPT_OK; i++) {
        const struct sdk_zip_member *member = &records->zip.members[i];
        const char *name = member->name + records->prefix_bytes;
        size_t size = member->name_bytes - records->prefix_bytes;
        enum group group;
        bool listed;

        if (!sdk_torch_records_holds(records, member))
            continue;
        group = group_of(name, size);
        listed = group == GROUP_CODE || group == GROUP_EXTRA ||
                 (group == GROUP_MORE && !records->used[i]);
        if (listed)
            status = list_add(&lists[group], name, size);
        if (group != GROUP_NONE)
            records->used[i] = 1;
    }
    for (i = GROUP_CODE; i <= GROUP_MORE && status == CKPT_OK; i++)
        status = list_finish(&lists[i]);
    return status;
}

/* ---- Constants ---- */

/* " FloatStorage [2, 3]" of a tensor, nothing of other things. */
static int
describe_tensor(const struct ckpt_host *host, const struct sdk_pickled *pickled,
                uint32_t ref, struct sdk_buffer *text)
{
    struct sdk_pickled_list args, pid, sizes;
    uint32_t i;
    int status;

    if (sdk_pickled_kind(pickled, ref) != SDK_PICKLED_CALL)
        return CKPT_OK;
    args = sdk_pickled_list(pickled, sdk_pickled_call(pickled, ref).args);
    if (args.count < 3 ||
        sdk_pickled_kind(pickled, args.refs[0]) != SDK_PICKLED_PERSISTENT ||
        sdk_pickled_kind(pickled, args.refs[2]) != SDK_PICKLED_TUPLE)
        return CKPT_OK;
    if (sdk_pickled_kind(pickled, sdk_pickled_pid(pickled, args.refs[0])) !=
        SDK_PICKLED_TUPLE)
        return CKPT_OK;
    pid = sdk_pickled_list(pickled, sdk_pickled_pid(pickled, args.refs[0]));
    if (pid.count < 2 ||
        sdk_pickled_kind(pickled, pid.refs[1]) != SDK_PICKLED_GLOBAL)
        return CKPT_OK;
    sizes = sdk_pickled_list(pickled, args.refs[2]);
    status = sdk_buffer_printf(host, text, " %s [",
                               sdk_pickled_name(pickled, pid.refs[1]));
    for (i = 0; i < sizes.count && status == CKPT_OK; i++)
        if (sdk_pickled_kind(pickled, sizes.refs[i]) == SDK_PICKLED_INT)
            status = sdk_buffer_printf(
                host, text, "%s%lld", i > 0 ? ", " : "",
                (long long)sdk_pickled_at(pickled, sizes.refs[i])->as.integer);
    return status == CKPT_OK ? sdk_buffer_append(host, text, "]", 1) : status;
}

/* As the code calls them: CONSTANTS.c0, CONSTANTS.c1 ... */
static int
list_constants(struct list *list, const struct sdk_pickled *pickled)
{
    struct sdk_pickled_list items = {NULL, 0};
    struct sdk_buffer text = {0};
    uint32_t i;
    int status = CKPT_OK;

    if (sdk_pickled_kind(pickled, pickled->root) == SDK_PICKLED_TUPLE)
        items = sdk_pickled_list(pickled, pickled->root);
    for (i = 0; i < items.count && status == CKPT_OK; i++) {
        text.size_bytes = 0;
        status = sdk_buffer_printf(list->host, &text, "c%u", i);
        if (status == CKPT_OK)
            status = describe_tensor(list->host, pickled, items.refs[i], &text);
        if (status == CKPT_OK)
            status = list_add(list, (const char *)text.data, text.size_bytes);
    }
    sdk_buffer_fini(list->host, &text);
    if (status == CKPT_OK && items.count > 0)
        list->host->warn(list->host, NULL, CKPT_NOWHERE,
                         "constants of the code are listed, not converted: "
                         "%u; a frozen module keeps its weights there",
                         items.count);
    return status == CKPT_OK ? list_finish(list) : status;
}

int
torchscript_list(const struct ckpt_host *host,
                 struct sdk_torch_records *records, struct ckpt_graph *graph)
{
    const struct sdk_zip_member *member =
        sdk_torch_records_text(records, "constants.pkl");
    struct list list = {host, graph, "torchscript.constants", NULL};
    struct sdk_torch_bytes bytes = {0};
    struct sdk_pickled pickled = {0};
    int status = CKPT_OK;

    if (member != NULL)
        status =
            sdk_torch_records_pickle(host, records, member, &bytes, &pickled);
    if (member != NULL && status == CKPT_OK)
        status = list_constants(&list, &pickled);
    sdk_pickled_fini(host, &pickled);
    host->release(host, bytes.data);
    return status == CKPT_OK ? list_records(host, records, graph) : status;
}
