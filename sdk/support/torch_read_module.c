/* SPDX-License-Identifier: MIT
 *
 * Persistent ids that stand for classes: ('module', class, file, text), as
 * the first use of each class of a whole model is written in old streams, and
 * (class, file, text) in old tars. The text is kept for people to read.
 */
#include <string.h>

#include "torch_read_state.h"

/* Class, file and text of a persistent node, or NULL. In the tar form nothing
 * stands before them. */
static const uint32_t *
module_parts(const struct torch_reader *r, uint32_t ref)
{
    uint32_t tuple = sdk_pickled_pid(r->pickled, ref);
    struct sdk_pickled_list list;

    if (sdk_pickled_kind(r->pickled, tuple) != SDK_PICKLED_TUPLE)
        return NULL;
    list = sdk_pickled_list(r->pickled, tuple);
    if (r->source->ids == SDK_TORCH_IDS_TAR && list.count == 3)
        return list.refs;
    if (r->source->ids == SDK_TORCH_IDS_LEGACY && list.count == 4 &&
        sdk_pickled_is_text(r->pickled, list.refs[0], "module"))
        return list.refs + 1;
    return NULL;
}

bool
sdk_torch_is_module(const struct torch_reader *r, uint32_t ref)
{
    return module_parts(r, ref) != NULL;
}

uint32_t
sdk_torch_class(const struct torch_reader *r, uint32_t ref)
{
    const uint32_t *parts;

    if (sdk_pickled_kind(r->pickled, ref) != SDK_PICKLED_PERSISTENT)
        return ref;
    parts = module_parts(r, ref);
    return parts == NULL ? ref : parts[0];
}

static bool
is_text_or_none(const struct torch_reader *r, uint32_t ref)
{
    uint32_t kind = sdk_pickled_kind(r->pickled, ref);

    return kind == SDK_PICKLED_TEXT || kind == SDK_PICKLED_STR ||
           kind == SDK_PICKLED_NONE;
}

/* map[name] = the value of a node */
static int
set_named(struct torch_reader *r, struct ckpt_value *map, const char *name,
          const struct ckpt_value *value)
{
    struct ckpt_value like = {.kind = CKPT_KIND_STRING}, *key;
    int status;

    like.as.text.data = name;
    like.as.text.size_bytes = strlen(name);
    status = sdk_torch_value(r, &like, &key);
    return status == CKPT_OK
               ? r->host->map_set(r->host, r->graph, map, key, value)
               : status;
}

static int
set_sources(struct torch_reader *r)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP};
    int status = CKPT_OK;

    if (r->sources != NULL)
        return CKPT_OK;
    status = sdk_torch_value(r, &like, &r->sources);
    return status == CKPT_OK
               ? r->host->attr_set(r->host, r->graph, NULL,
                                   SDK_TORCH_MODEL_SOURCES, r->sources)
               : status;
}

static int
keep_source(struct torch_reader *r, const char *class, uint32_t file_ref,
            uint32_t text_ref)
{
    struct ckpt_value like = {.kind = CKPT_KIND_MAP}, *made, *file, *text;
    int status = set_sources(r);

    if (status == CKPT_OK)
        status = sdk_torch_value_of(r, file_ref, 0, &file);
    if (status == CKPT_OK)
        status = sdk_torch_value_of(r, text_ref, 0, &text);
    if (status == CKPT_OK)
        status = sdk_torch_value(r, &like, &made);
    if (status == CKPT_OK)
        status = set_named(r, made, "file", file);
    if (status == CKPT_OK)
        status = set_named(r, made, "source", text);
    return status == CKPT_OK ? set_named(r, r->sources, class, made) : status;
}

int
sdk_torch_meet_module(struct torch_reader *r, uint32_t ref)
{
    const uint32_t *parts = module_parts(r, ref);
    const struct torch_name *name;
    struct sdk_buffer class = {0};
    int status;

    if (!is_text_or_none(r, parts[1]) || !is_text_or_none(r, parts[2]))
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a class whose source is no text");
    if (sdk_pickled_kind(r->pickled, parts[0]) == SDK_PICKLED_CALL)
        return CKPT_OK;
    if (sdk_pickled_kind(r->pickled, parts[0]) != SDK_PICKLED_GLOBAL)
        return sdk_torch_fail(r, CKPT_FORMAT, ref,
                              "a source of what is no class");
    if (sdk_pickled_kind(r->pickled, parts[2]) == SDK_PICKLED_NONE)
        return CKPT_OK;
    name = sdk_torch_name_of(r, parts[0]);
    status =
        sdk_buffer_printf(r->host, &class, "%s.%s", name->module, name->name);
    if (status == CKPT_OK)
        status = sdk_buffer_append(r->host, &class, "", 1);
    if (status == CKPT_OK)
        status = keep_source(r, (const char *)class.data, parts[1], parts[2]);
    sdk_buffer_fini(r->host, &class);
    return status;
}
