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

static int
tell(const struct merge *merge, const struct ckpt_entry *entry,
     const char *what, bool notable)
{
    return merge->host->edit_tell(merge->host, merge->edits, entry->name.data,
                                  what, notable, "%s", "");
}

/* A tensor that OTHER has in another shape. */
static int
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
    return merge->host->edit_tell(merge->host, merge->edits, entry->name.data,
                                  what, true, "%s, and %s is laid over it",
                                  sdk_shape_text(ours, here),
                                  sdk_shape_text(theirs, there));
}

/* A tensor that OTHER has in the same shape. */
static int
tell_met(const struct merge *merge, const struct merge_item *item,
         const struct ckpt_entry *entry)
{
    const struct ckpt_tensor *ours = entry->value->as.tensor, *theirs;
    int status;

    theirs = merge->other->entries[item->other].value->as.tensor;
    if (!merge->done)
        return CKPT_OK;
    status = tell(merge, entry, merge->grows ? "copied" : "replaced", false);
    if (status != CKPT_OK || ours->dtype == theirs->dtype)
        return status;
    return merge->host->edit_tell(
        merge->host, merge->edits, entry->name.data,
        merge->update ? "of another type, taken" : "of another type, cast",
        true, "%s, and %s is laid over it", ckpt_dtype_name(ours->dtype),
        ckpt_dtype_name(theirs->dtype));
}

static int
tell_missing(const struct merge *merge, const struct merge_item *item,
             const struct ckpt_entry *entry)
{
    const char *what = "missing";

    if (merge->grows)
        what = "uncovered";
    else if (merge->done && item->fate == MERGE_GOES)
        what = "missing, left out";
    else if (merge->done)
        what = item->tied ? "missing, changed by a tie" : "missing, kept";
    return tell(merge, entry, what, true);
}

static int
tell_entry(const struct merge *merge, size_t index)
{
    const struct merge_item *item = &merge->items[index];
    const struct ckpt_entry *entry = &merge->base->entries[index];

    if (item->fixed && item->fate == MERGE_STAYS &&
        (item->other != MERGE_NONE || merge->missing == MERGE_SKIP))
        return tell(merge, entry, "part of an object, kept", true);
    if (item->other == MERGE_NONE)
        return tell_missing(merge, item, entry);
    return item->fits ? tell_met(merge, item, entry)
                      : tell_mismatch(merge, item, entry);
}

int
merge_tell(const struct merge *merge)
{
    const struct ckpt_entry *entry = merge->other->entries;
    const char *what = merge->grows ? "not in the template" : "unexpected";
    size_t i;
    int status = CKPT_OK;

    if (merge->done)
        what = merge->grows ? "not in the template, left out"
                            : "unexpected, left out";
    for (i = 0; i < merge->base->entry_count && status == CKPT_OK; i++)
        status = tell_entry(merge, i);
    for (i = 0; i < merge->other->entry_count && status == CKPT_OK;
         i++, entry++)
        if (!merge->used[i])
            status = tell(merge, entry,
                          merge->added[i] ? "unexpected, added" : what, true);
    return status;
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
    if (met == over.count || met == under.count)
        return CKPT_OK;
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
