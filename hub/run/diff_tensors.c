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
    diff->user->report.tensor = NULL;
    return hub_fail(&diff->user->report, CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                    "stopped");
}

/* One of both, with bytes that are to be compared next. */
struct diff_side {
    const struct ckpt_file *file;
    struct hub_stream stream;
    unsigned char *window;
    size_t filled_bytes;
    uint32_t width_bits;
    bool ended;
};

static int
side_fill(struct ckpt_diff *diff, struct diff_side *side)
{
    int status = CKPT_OK;
    size_t filled;

    diff->user->report.file = side->file->reading.path;
    while (!side->ended && HUB_WINDOW_BYTES - side->filled_bytes >= 16) {
        status =
            hub_stream_fill(&side->stream, side->window + side->filled_bytes,
                            HUB_WINDOW_BYTES - side->filled_bytes, &filled);
        if (status == CKPT_END) {
            side->ended = true;
            return CKPT_OK;
        }
        if (status != CKPT_OK)
            return status;
        side->filled_bytes += filled;
    }
    return status;
}

/* The whole elements that are there; but for the last, they fill bytes. */
static uint64_t
side_count(const struct diff_side *side, uint64_t left)
{
    uint64_t count = (uint64_t)side->filled_bytes * 8 / side->width_bits;

    return count < left ? count / 8 * 8 : left;
}

static void
side_take(struct diff_side *side, uint64_t count)
{
    size_t taken = (size_t)((count * side->width_bits + 7) / 8);

    side->filled_bytes -= taken;
    memmove(side->window, side->window + taken, side->filled_bytes);
}

static int
side_wrong(struct ckpt_diff *diff, const struct diff_side *side,
           const char *than)
{
    diff->user->report.file = side->file->reading.path;
    return hub_fail(&diff->user->report, CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                    "a tensor has %s bytes than it should", than);
}

/* Both must end with the last element. */
static int
diff_ends(struct ckpt_diff *diff, struct diff_side sides[2])
{
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < 2 && status == CKPT_OK; i++) {
        status = side_fill(diff, &sides[i]);
        if (status == CKPT_OK && sides[i].filled_bytes > 0)
            status = side_wrong(diff, &sides[i], "more");
    }
    return status;
}

static int
diff_streams(struct ckpt_diff *diff, struct diff_side sides[2], uint64_t left,
             struct hub_values *values)
{
    uint64_t part, other;
    int status = CKPT_OK;
    size_t i;

    for (; left > 0 && status == CKPT_OK; left -= part) {
        for (i = 0; i < 2 && status == CKPT_OK; i++)
            status = side_fill(diff, &sides[i]);
        if (status != CKPT_OK)
            return status;
        part = side_count(&sides[0], left);
        other = side_count(&sides[1], left);
        if (part == 0 || other == 0)
            return side_wrong(diff, &sides[part != 0], "fewer");
        part = part < other ? part : other;
        hub_values_compare(values, sides[0].window, sides[1].window,
                           (size_t)part);
        side_take(&sides[0], part);
        side_take(&sides[1], part);
        status = diff_step(diff, (part * sides[0].width_bits + 7) / 8);
    }
    return status == CKPT_OK ? diff_ends(diff, sides) : status;
}

static int
diff_elements(struct ckpt_diff *diff, const struct ckpt_tensor *a,
              const struct ckpt_tensor *b, struct hub_values *values)
{
    const struct ckpt_tensor *tensors[2] = {a, b};
    struct hub_spool *second = &diff->files[1]->spool;
    struct diff_side sides[2];
    int status = CKPT_OK;
    size_t i;

    memset(sides, 0, sizeof sides);
    /* Both gather at the same time: the second one gets what is left. */
    second->gather_count++;
    for (i = 0; i < 2 && status == CKPT_OK; i++) {
        sides[i].file = diff->files[i];
        sides[i].window = diff->windows[i];
        sides[i].width_bits = ckpt_dtype_width_bits(tensors[i]->dtype);
        diff->user->report.file = diff->files[i]->reading.path;
        status = hub_stream_tensor(&sides[i].stream, &diff->files[i]->spool,
                                   tensors[i]);
    }
    if (status == CKPT_OK)
        status = diff_streams(diff, sides, a->element_count, values);
    hub_stream_fini(&sides[0].stream);
    hub_stream_fini(&sides[1].stream);
    second->gather_count--;
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
