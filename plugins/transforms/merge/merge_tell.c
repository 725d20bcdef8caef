/* SPDX-License-Identifier: MIT
 *
 * The report: what became of every tensor of both files, and why names did
 * not meet.
 */
#include "merge.h"

#include "buffer.h"
#include "name_cure.h"
#include "shape_text.h"

#define HINT_MAX 500 /* bytes of a prefix */

static void
tell(const struct merge *merge, const struct ckpt_entry *entry,
     const char *what, bool notable)
{
    merge->host->edit_tell(merge->host, merge->edits, entry->name.data, what,
                           notable, "%s", "");
}

/* A tensor that OTHER has in another shape. */
static void
tell_mismatch(const struct merge *merge, const struct merge_item *item,
              const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *ours = entry->value->as.tensor, *theirs;
    char here[SDK_SHAPE_ROOM], there[SDK_SHAPE_ROOM];
    const char *what =
        merge->grows ? "mismatched, uncovered" : "mismatched, kept";

    theirs = merge->other->entries[item->other].value->as.tensor;
    if (!merge->done)
        what = "mismatched";
    else if (item->fate == MERGE_REPLACED)
        what = "mismatched, replaced";
    else if (item->fate == MERGE_RESIZED)
        what = "mismatched, resized";
    merge->host->edit_tell(merge->host, merge->edits, entry->name.data, what,
                           true, "it is %s in one and %s laid over it",
                           sdk_shape_text(ours, here),
                           sdk_shape_text(theirs, there));
}

/* A tensor that OTHER has in the same shape. */
static void
tell_met(const struct merge *merge, const struct merge_item *item,
         const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *ours = entry->value->as.tensor, *theirs;

    theirs = merge->other->entries[item->other].value->as.tensor;
    if (!merge->done)
        return;
    tell(merge, entry, merge->grows ? "copied" : "replaced", false);
    if (ours->dtype != theirs->dtype)
        merge->host->edit_tell(
            merge->host, merge->edits, entry->name.data,
            merge->update ? "of another type, taken" : "of another type, cast",
            true, "it is %s in one and %s laid over it",
            ckpt_dtype_name(ours->dtype), ckpt_dtype_name(theirs->dtype));
}

static void
tell_missing(const struct merge *merge, const struct merge_item *item,
             const struct ckpt_entry *entry)
{
    if (merge->grows)
        tell(merge, entry, "uncovered", true);
    else if (!merge->done)
        tell(merge, entry, "missing", true);
    else if (item->tied)
        tell(merge, entry, "missing, changed by a tie", true);
    else
        tell(merge, entry,
             item->fate == MERGE_GOES ? "missing, left out" : "missing, kept",
             true);
}

static void
tell_entry(const struct merge *merge, size_t index)
{
    const struct merge_item *item = &merge->items[index];
    const struct ckpt_entry *entry = &merge->base->entries[index];

    if (item->fixed && item->fate == MERGE_STAYS &&
        (item->other != MERGE_NONE || merge->missing == MERGE_SKIP))
        tell(merge, entry, "part of an object, kept", true);
    else if (item->other == MERGE_NONE)
        tell_missing(merge, item, entry);
    else if (!item->fits)
        tell_mismatch(merge, item, entry);
    else
        tell_met(merge, item, entry);
}

void
merge_tell(const struct merge *merge)
{
    const struct ckpt_entry *entry = merge->other->entries;
    const char *what =
        merge->grows ? "not in the template, left out" : "unexpected, left out";
    size_t i;

    if (!merge->done)
        what = merge->grows ? "not in the template" : "unexpected";
    for (i = 0; i < merge->base->entry_count; i++)
        tell_entry(merge, i);
    for (i = 0; i < merge->other->entry_count; i++, entry++)
        if (!merge->used[i])
            tell(merge, entry, merge->added[i] ? "unexpected, added" : what,
                 true);
}

/* "-t root:model -t strip-prefix:module." */
static int
hint_steps(const struct merge *merge, const struct sdk_cure *cure,
           struct sdk_buffer *steps)
{
    const struct ckpt_host *host = merge->host;
    const struct ckpt_text *prefix = &cure->prefix;
    size_t root = 0;
    int status = CKPT_OK;

    if (!cure->add)
        root = sdk_cure_root(merge->other->root, prefix);
    if (root > 0)
        status = sdk_buffer_printf(host, steps, "-t root:%.*s%s", (int)root - 1,
                                   prefix->data,
                                   root < prefix->size_bytes ? " " : "");
    if (status == CKPT_OK && root < prefix->size_bytes)
        status = sdk_buffer_printf(
            host, steps, "-t %s-prefix:%.*s", cure->add ? "add" : "strip",
            (int)(prefix->size_bytes - root), prefix->data + root);
    return status;
}

int
merge_hint(const struct merge *merge)
{
    const struct ckpt_host *host = merge->host;
    struct sdk_entries over = {merge->other->entries,
                               merge->other->entry_count};
    struct sdk_entries under = {merge->base->entries, merge->base->entry_count};
    struct sdk_buffer steps = {0};
    struct sdk_cure cure;
    uint64_t met = 0;
    size_t i;
    int status;

    for (i = 0; i < over.count; i++)
        met += merge->used[i];
    status = sdk_cure_find(host, over, under, met, &cure);
    if (status != CKPT_OK || cure.prefix.data == NULL ||
        cure.prefix.size_bytes > HINT_MAX)
        return status;
    status = hint_steps(merge, &cure, &steps);
    if (status == CKPT_OK)
        host->warn(host, NULL, CKPT_NOWHERE,
                   "after %.*s%s%s the names that meet would be %llu, not %llu",
                   (int)steps.size_bytes, (const char *)steps.data,
                   merge->grows ? " before it" : " of ",
                   merge->grows ? "" : merge->path,
                   (unsigned long long)cure.met_count, (unsigned long long)met);
    sdk_buffer_fini(host, &steps);
    return status;
}
