/* SPDX-License-Identifier: MIT
 *
 * Two tensors side by side, a window of each at a time.
 */
#include <string.h>

#include "hub/run/diff.h"

#define KEY_WORDS_MAX (11 + 3 * CKPT_MAX_RANK)

bool
hub_diff_shaped(const struct ckpt_value *first, const struct ckpt_value *second)
{
    const struct ckpt_tensor *a = first->as.tensor, *b = second->as.tensor;

    return a->rank == b->rank &&
           (a->rank == 0 ||
            memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

/* ---- What need not be read ---- */

static bool
diff_same_file(const struct ckpt_source *a, const struct ckpt_source *b)
{
    return a->file >= 0 && b->file >= 0 && a->seen.st_dev == b->seen.st_dev &&
           a->seen.st_ino == b->seen.st_ino &&
           a->seen.st_size == b->seen.st_size &&
           a->seen.st_mtim.tv_sec == b->seen.st_mtim.tv_sec &&
           a->seen.st_mtim.tv_nsec == b->seen.st_mtim.tv_nsec;
}

/* Whether both are the same bytes of the same file, seen the same way. */
static bool
diff_same_place(const struct ckpt_tensor *a, const struct ckpt_tensor *b)
{
    const struct ckpt_storage *of_a = a->storage, *of_b = b->storage;

    return of_a->place == CKPT_PLACE_SPAN && of_b->place == CKPT_PLACE_SPAN &&
           of_a->source_offset == of_b->source_offset &&
           of_a->byte_order == of_b->byte_order &&
           of_a->word_bytes == of_b->word_bytes && a->dtype == b->dtype &&
           a->flips == b->flips && a->offset == b->offset &&
           (a->rank == 0 || memcmp(a->strides, b->strides,
                                   a->rank * sizeof *a->strides) == 0) &&
           diff_same_file(of_a->source, of_b->source);
}

static size_t
diff_key_view(uint64_t *words, const struct ckpt_tensor *tensor)
{
    words[0] = tensor->storage->id;
    words[1] = tensor->offset;
    words[2] = tensor->dtype;
    words[3] = tensor->flips;
    if (tensor->rank > 0)
        memcpy(words + 4, tensor->strides, tensor->rank * sizeof *words);
    return 4 + tensor->rank;
}

/* The slot of what is known of these two views. */
static int
diff_known(struct ckpt_diff *diff, const struct ckpt_tensor *a,
           const struct ckpt_tensor *b, uint64_t **slot)
{
    uint64_t words[KEY_WORDS_MAX], *key;
    size_t count = 0, bytes;
    bool added;

    words[count++] = a->rank;
    if (a->rank > 0)
        memcpy(words + count, a->shape, a->rank * sizeof *words);
    count += a->rank;
    count += diff_key_view(words + count, a);
    count += diff_key_view(words + count, b);
    bytes = count * sizeof *words;
    *slot = hub_table_find(&diff->compared, words, bytes);
    if (*slot != NULL)
        return CKPT_OK;
    key = hub_arena_allocate(&diff->arena, bytes);
    if (key == NULL)
        return diff->user->report.status;
    memcpy(key, words, bytes);
    *slot = hub_table_add(&diff->compared, key, bytes, &added);
    return *slot != NULL ? CKPT_OK : diff->user->report.status;
}

/* ---- Elements ---- */

static int
diff_step(struct ckpt_diff *diff, uint64_t size_bytes)
{
    const struct ckpt_settings *settings = &diff->user->settings;

    diff->done_bytes += size_bytes;
    if (settings->progress != NULL)
        settings->progress(settings->user, diff->done_bytes, diff->total_bytes);
    if (settings->cancelled == NULL || !settings->cancelled(settings->user))
        return CKPT_OK;
    diff->user->report.file = NULL;
    return hub_fail(&diff->user->report, CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                    "stopped");
}

static uint64_t
diff_bytes(uint32_t dtype, uint64_t count)
{
    return (count * ckpt_dtype_width_bits(dtype) + 7) / 8;
}

/* Elements for a window of each; whole bytes, whatever the width. */
static uint64_t
diff_part(const struct hub_values *values, uint64_t left)
{
    uint32_t a = ckpt_dtype_width_bits(values->first_dtype);
    uint32_t b = ckpt_dtype_width_bits(values->second_dtype);
    uint64_t room = HUB_WINDOW_BYTES * 8 / (a > b ? a : b) / 8 * 8;

    return left < room ? left : room;
}

static int
diff_streams(struct ckpt_diff *diff, struct hub_stream streams[2],
             uint64_t count, struct hub_values *values)
{
    uint32_t dtypes[2] = {values->first_dtype, values->second_dtype};
    int status = CKPT_OK;
    uint64_t part;
    size_t i;

    for (; count > 0 && status == CKPT_OK; count -= part) {
        part = diff_part(values, count);
        for (i = 0; i < 2 && status == CKPT_OK; i++) {
            diff->user->report.file = diff->files[i]->reading.path;
            status = hub_stream_read(&streams[i], diff->windows[i],
                                     diff_bytes(dtypes[i], part));
        }
        if (status != CKPT_OK)
            return status;
        hub_values_compare(values, diff->windows[0], diff->windows[1],
                           (size_t)part);
        status = diff_step(diff, diff_bytes(dtypes[0], part));
    }
    return status;
}

static int
diff_elements(struct ckpt_diff *diff, const struct ckpt_tensor *a,
              const struct ckpt_tensor *b, struct hub_values *values)
{
    struct hub_stream streams[2] = {{.spool = NULL}, {.spool = NULL}};
    struct hub_spool *spools[2] = {&diff->files[0]->spool,
                                   &diff->files[1]->spool};
    int status;

    diff->user->report.file = diff->files[0]->reading.path;
    status = hub_stream_tensor(&streams[0], spools[0], a);
    /* Both gather at the same time: the second one gets what is left. */
    spools[1]->gather_count++;
    if (status == CKPT_OK) {
        diff->user->report.file = diff->files[1]->reading.path;
        status = hub_stream_tensor(&streams[1], spools[1], b);
    }
    if (status == CKPT_OK)
        status = diff_streams(diff, streams, a->element_count, values);
    spools[1]->gather_count--;
    hub_stream_fini(&streams[0]);
    hub_stream_fini(&streams[1]);
    return status;
}

/* Reads them, unless the same two views have been read before. */
static int
diff_values(struct ckpt_diff *diff, const struct ckpt_tensor *a,
            const struct ckpt_tensor *b, struct hub_values *values)
{
    struct hub_values *kept;
    uint64_t *slot;
    int status = diff_known(diff, a, b, &slot);

    if (status != CKPT_OK)
        return status;
    if (*slot != 0) {
        *values = *(const struct hub_values *)(uintptr_t)*slot;
        return diff_step(diff, a->size_bytes);
    }
    status = diff_elements(diff, a, b, values);
    kept = hub_arena_allocate(&diff->arena, sizeof *kept);
    if (status != CKPT_OK || kept == NULL)
        return diff->user->report.status;
    *kept = *values;
    *slot = (uint64_t)(uintptr_t)kept;
    return CKPT_OK;
}

/* ---- Two tensors ---- */

static int
diff_content(struct ckpt_diff *diff, struct ckpt_difference *found)
{
    const struct ckpt_tensor *a = found->first->as.tensor;
    const struct ckpt_tensor *b = found->second->as.tensor;
    bool a_absent = a->storage->place == CKPT_PLACE_ABSENT;
    bool b_absent = b->storage->place == CKPT_PLACE_ABSENT;
    bool measured = hub_values_measured(a->dtype, b->dtype);
    struct hub_values values = {.first_dtype = a->dtype,
                                .second_dtype = b->dtype,
                                .absolute_most = diff->how.absolute,
                                .relative_most = diff->how.relative};
    int status = CKPT_OK;

    if (a_absent != b_absent) {
        values.element_count = a->element_count;
        measured = false;
    } else if (a_absent || diff_same_place(a, b) ||
               (!measured && a->dtype != b->dtype)) {
        status = diff_step(diff, a->size_bytes);
    } else {
        status = diff_values(diff, a, b, &values);
    }
    if (status != CKPT_OK || values.element_count == 0)
        return status;
    found->kind = CKPT_DIFFERENCE_VALUE;
    found->measured = measured;
    found->element_count = values.element_count;
    found->nan_count = values.nan_count;
    found->absolute = values.absolute;
    found->relative = values.relative;
    return hub_diff_add(diff, found);
}

int
hub_diff_tensors(struct ckpt_diff *diff, const struct ckpt_entry *first,
                 const struct ckpt_entry *second)
{
    struct ckpt_difference found = {
        .name = first->name, .first = first->value, .second = second->value};
    int status = CKPT_OK;

    if (!hub_diff_shaped(found.first, found.second)) {
        found.kind = CKPT_DIFFERENCE_SHAPE;
        return hub_diff_add(diff, &found);
    }
    if (diff->how.like)
        return CKPT_OK;
    if (found.first->as.tensor->dtype != found.second->as.tensor->dtype) {
        found.kind = CKPT_DIFFERENCE_DTYPE;
        status = hub_diff_add(diff, &found);
    }
    diff->user->report.tensor = first->name.data;
    if (status == CKPT_OK)
        status = diff_content(diff, &found);
    diff->user->report.tensor = NULL;
    diff->user->report.file = NULL;
    return status;
}
