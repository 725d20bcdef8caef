/* SPDX-License-Identifier: MIT
 *
 * Lists the names of a tree, without recursion.
 *
 * Soft links are paths within the file. One that leads to a data set is a
 * further name of it; one that leads nowhere, or to a group, is left out with
 * a warning. The path may not go through another soft link but at its end.
 */
#include "hdf5_list.h"

#include <string.h>

#include "hdf5_keras.h"
#include "utf8.h"

#define SOFT_HOPS 16

/* A group that is being listed. */
struct frame {
    const struct hdf5_link *next;
    struct ckpt_text path;
};

/* A soft link that is followed when all hard ones are listed. */
struct soft {
    struct ckpt_text path, target;
};

struct lister {
    const struct ckpt_host *host;
    struct hdf5_list *list;
    struct sdk_buffer frames;
    struct sdk_buffer soft;
    bool disorder; /* some group's names do not ascend: two may be one */
};

size_t
hdf5_list_count(const struct hdf5_list *list)
{
    return list->entries.size_bytes / sizeof(struct hdf5_entry);
}

struct hdf5_entry *
hdf5_list_at(const struct hdf5_list *list, size_t index)
{
    return (struct hdf5_entry *)(void *)list->entries.data + index;
}

struct hdf5_entry *
hdf5_list_find(const struct hdf5_list *list, const char *path,
               size_t path_bytes)
{
    const uint64_t *index = sdk_table_find(&list->names, path, path_bytes);

    return index != NULL ? hdf5_list_at(list, *index) : NULL;
}

int
hdf5_list_place(struct hdf5_list *list, struct hdf5_entry *entry)
{
    uint64_t index = (uint64_t)(entry - hdf5_list_at(list, 0));

    if (entry->placed || entry->object->kind != HDF5_DATA)
        return CKPT_OK;
    entry->placed = true;
    return sdk_buffer_append(list->tree->host, &list->order, &index,
                             sizeof index);
}

/* The path of a link of the group of a frame, in the arena. */
static int
list_path(struct lister *lister, const struct ckpt_text *group,
          const struct hdf5_link *link, struct ckpt_text *path)
{
    struct hdf5_tree *tree = lister->list->tree;
    size_t before = group->size_bytes > 0 ? group->size_bytes + 1 : 0;
    char *text;

    if (!sdk_utf8_valid(link->name, link->name_bytes))
        return lister->host->fail(lister->host, CKPT_UNSUPPORTED,
                                  group->size_bytes > 0 ? group->data : NULL,
                                  CKPT_NOWHERE,
                                  "a link of this group has a name that is "
                                  "not UTF-8");
    path->data = link->name;
    path->size_bytes = before + link->name_bytes;
    if (before == 0)
        return CKPT_OK;
    text = hdf5_tree_hold(tree, path->size_bytes + 1);
    if (text == NULL)
        return CKPT_MEMORY;
    memcpy(text, group->data, group->size_bytes);
    text[before - 1] = '/';
    memcpy(text + before, link->name, link->name_bytes);
    path->data = text;
    return CKPT_OK;
}

static int
list_add(struct lister *lister, const struct ckpt_text *path,
         struct hdf5_object *object)
{
    struct hdf5_entry entry = {*path, object, false};

    return sdk_buffer_append(lister->host, &lister->list->entries, &entry,
                             sizeof entry);
}

/* Enters the paths of the entries from one on into the table. */
static int
list_names(struct hdf5_list *list, size_t first)
{
    const struct ckpt_host *host = list->tree->host;
    size_t count = hdf5_list_count(list);
    const struct hdf5_entry *entry;
    uint64_t *index;
    bool added;
    int status = sdk_table_reserve(host, &list->names, count);

    for (; first < count && status == CKPT_OK; first++) {
        entry = hdf5_list_at(list, first);
        index = sdk_table_add(host, &list->names, entry->path.data,
                              entry->path.size_bytes, &added);
        if (index == NULL)
            return CKPT_MEMORY;
        if (!added)
            return host->fail(host, CKPT_FORMAT, entry->path.data,
                              entry->object->offset, "two links of one name");
        *index = first;
    }
    return status;
}

static int
list_enter(struct lister *lister, struct hdf5_object *group,
           const struct ckpt_text *path)
{
    struct frame frame = {NULL, *path};
    int status = hdf5_keras_sort_vars(lister->list->tree, group, path);

    if (status != CKPT_OK)
        return status;
    group->path = path->data;
    frame.next = group->links;
    if (lister->frames.size_bytes / sizeof frame > HDF5_DEPTH_MAX)
        return lister->host->fail(lister->host, CKPT_LIMIT, NULL, group->offset,
                                  "groups more than %d deep", HDF5_DEPTH_MAX);
    return sdk_buffer_append(lister->host, &lister->frames, &frame,
                             sizeof frame);
}

static int
list_hard(struct lister *lister, const struct ckpt_text *path,
          struct hdf5_object *object)
{
    int status;

    if (object->kind == HDF5_NAMED_TYPE)
        return CKPT_OK;
    if (object->path != NULL && object->kind == HDF5_GROUP) {
        lister->host->warn(lister->host, NULL, object->offset,
                           "the group %s is the group /%s by another name; "
                           "what it holds is listed there alone",
                           path->data, object->path);
        return CKPT_OK;
    }
    status = list_add(lister, path, object);
    if (status == CKPT_OK && object->kind == HDF5_GROUP)
        return list_enter(lister, object, path);
    if (object->path == NULL)
        object->path = path->data;
    return status;
}

static int
list_soft(struct lister *lister, const struct ckpt_text *group,
          const struct hdf5_link *link, const struct ckpt_text *path)
{
    size_t size = strlen(link->target), before = 0;
    struct soft soft = {*path, {NULL, 0}};
    char *text;

    if (link->target[0] != '/' && group->size_bytes > 0)
        before = group->size_bytes + 1;
    text = hdf5_tree_hold(lister->list->tree, before + size + 1);
    if (text == NULL)
        return CKPT_MEMORY;
    if (before > 0) {
        memcpy(text, group->data, group->size_bytes);
        text[before - 1] = '/';
    }
    memcpy(text + before, link->target, size);
    soft.target.data = text;
    soft.target.size_bytes = before + size;
    return sdk_buffer_append(lister->host, &lister->soft, &soft, sizeof soft);
}

static int
list_link(struct lister *lister, const struct ckpt_text *group,
          const struct hdf5_link *link)
{
    struct ckpt_text path;
    int status = list_path(lister, group, link, &path);

    if (status != CKPT_OK)
        return status;
    if (link->kind == HDF5_HARD)
        return list_hard(lister, &path, link->object);
    if (link->kind == HDF5_SOFT)
        return list_soft(lister, group, link, &path);
    return lister->host->fail(lister->host, CKPT_UNSUPPORTED, path.data,
                              CKPT_NOWHERE,
                              "a link to another file, which is not followed");
}

static bool
link_ascends(const struct hdf5_link *link)
{
    const struct hdf5_link *next = link->next;
    size_t size = link->name_bytes;
    int order;

    if (next == NULL)
        return true;
    if (next->name_bytes < size)
        size = next->name_bytes;
    order = memcmp(link->name, next->name, size);
    return order < 0 || (order == 0 && link->name_bytes < next->name_bytes);
}

static int
list_all(struct lister *lister)
{
    const struct ckpt_text top = {"", 0};
    struct ckpt_text path;
    const struct hdf5_link *link;
    struct frame *frame;
    int status = list_enter(lister, lister->list->tree->objects[0], &top);

    while (status == CKPT_OK && lister->frames.size_bytes > 0) {
        frame =
            (struct frame *)(void *)(lister->frames.data +
                                     lister->frames.size_bytes - sizeof *frame);
        link = frame->next;
        if (link == NULL) {
            lister->frames.size_bytes -= sizeof *frame;
            if (lister->host->cancelled(lister->host))
                return CKPT_CANCELLED;
            continue;
        }
        frame->next = link->next;
        lister->disorder = lister->disorder || !link_ascends(link);
        path = frame->path; /* the frames may move */
        status = list_link(lister, &path, link);
    }
    return status;
}

/* Brings a path to the form of the list: no slashes but single ones between
 * steps, no steps `.`. */
static void
soft_tidy(struct ckpt_text *text)
{
    char *to = (char *)(uintptr_t)text->data, *start = to;
    const char *from = text->data, *end = from + text->size_bytes;
    size_t step;

    while (from < end) {
        for (step = 0; from + step < end && from[step] != '/'; step++)
            ;
        if (step > 1 || (step == 1 && from[0] != '.')) {
            if (to > start)
                *to++ = '/';
            memmove(to, from, step);
            to += step;
        }
        from += step < (size_t)(end - from) ? step + 1 : step;
    }
    *to = '\0';
    text->size_bytes = (size_t)(to - start);
}

static int
soft_round(struct lister *lister, bool *again)
{
    struct soft *soft = (struct soft *)(void *)lister->soft.data;
    size_t count = lister->soft.size_bytes / sizeof *soft, i;
    size_t first = hdf5_list_count(lister->list);
    const struct hdf5_entry *found;
    int status = CKPT_OK;

    *again = false;
    for (i = 0; i < count && status == CKPT_OK; i++) {
        if (soft[i].path.data == NULL)
            continue;
        found = hdf5_list_find(lister->list, soft[i].target.data,
                               soft[i].target.size_bytes);
        if (found == NULL || found->object->kind != HDF5_DATA)
            continue;
        status = list_add(lister, &soft[i].path, found->object);
        soft[i].path.data = NULL;
        *again = true;
    }
    return status == CKPT_OK ? list_names(lister->list, first) : status;
}

static int
list_follow(struct lister *lister)
{
    struct soft *soft = (struct soft *)(void *)lister->soft.data;
    size_t count = lister->soft.size_bytes / sizeof *soft, i;
    bool again = count > 0;
    int status = CKPT_OK, hops;

    for (i = 0; i < count; i++)
        soft_tidy(&soft[i].target);
    for (hops = 0; again && status == CKPT_OK && hops < SOFT_HOPS; hops++)
        status = soft_round(lister, &again);
    for (i = 0; i < count && status == CKPT_OK; i++)
        if (soft[i].path.data != NULL)
            lister->host->warn(lister->host, NULL, CKPT_NOWHERE,
                               "the soft link %s to /%s leads to no data set "
                               "and is left out",
                               soft[i].path.data, soft[i].target.data);
    return status;
}

int
hdf5_list_make(struct hdf5_tree *tree, struct hdf5_list *list)
{
    struct lister lister = {.host = tree->host, .list = list};
    int status;

    memset(list, 0, sizeof *list);
    list->tree = tree;
    list->family = hdf5_keras_family(tree);
    status = list_all(&lister);
    if (status == CKPT_OK && (lister.disorder || lister.soft.size_bytes > 0 ||
                              hdf5_keras_names(list->family)))
        status = list_names(list, 0);
    if (status == CKPT_OK)
        status = list_follow(&lister);
    sdk_buffer_fini(tree->host, &lister.frames);
    sdk_buffer_fini(tree->host, &lister.soft);
    return status;
}

void
hdf5_list_fini(struct hdf5_list *list)
{
    const struct ckpt_host *host = list->tree->host;

    sdk_buffer_fini(host, &list->entries);
    sdk_buffer_fini(host, &list->order);
    sdk_table_fini(host, &list->names);
}
