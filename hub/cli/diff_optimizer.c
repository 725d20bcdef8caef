/* SPDX-License-Identifier: MIT
 *
 * Which parameter a difference in the state of an optimizer is about. Slots
 * are numbered; the names are those of the file in which they are.
 */
#include <stdlib.h>
#include <string.h>

#include "diff.h"

/* The number between "PATH.state." and the next dot of a name. */
static bool
diff_slot(const struct ckpt_text *name, const struct cli_out *path,
          int64_t *number)
{
    static const char state[] = "state.";
    size_t at = path->size_bytes + (path->size_bytes > 0);
    int64_t value = 0;
    size_t first;

    if (name->size_bytes < at + sizeof state ||
        (at > 0 && (memcmp(name->data, path->data, at - 1) != 0 ||
                    name->data[at - 1] != '.')) ||
        memcmp(name->data + at, state, sizeof state - 1) != 0)
        return false;
    at += sizeof state - 1;
    for (first = at; name->data[at] >= '0' && name->data[at] <= '9'; at++) {
        if (at - first > 9)
            return false;
        value = 10 * value + (name->data[at] - '0');
    }
    *number = value;
    return at > first && name->data[at] == '.';
}

/* The pairs are most often in order. */
static const struct ckpt_text *
diff_slot_name(const struct ckpt_optimizer *optimizer, int64_t number)
{
    size_t count = optimizer->state->as.map.count, i;
    const struct ckpt_value *key;

    for (i = 0; i < count; i++) {
        size_t at = (i + (size_t)number) % count;

        key = optimizer->state->as.map.pairs[at].key;
        if (key->kind == CKPT_KIND_INT && !key->wide &&
            key->as.integer == number)
            return optimizer->names[at];
    }
    return NULL;
}

static void
diff_optimizer(struct cli_diff *diff, size_t side,
               const struct ckpt_optimizer *optimizer)
{
    const struct ckpt_difference *found;
    struct cli_out path;
    int64_t number;
    size_t i;

    if (optimizer->names == NULL)
        return;
    cli_out_init(&path, -1);
    cli_walk_first_path(&diff->walks[side], &path, optimizer->map);
    for (i = 0; i < diff->info->difference_count; i++) {
        found = &diff->info->differences[i];
        if ((side == 0 ? found->first : found->second) != NULL &&
            diff_slot(&found->name, &path, &number))
            diff->slots[side][i] = diff_slot_name(optimizer, number);
        if (diff->slots[side][i] != NULL)
            diff->any_slot = true;
    }
    cli_out_fini(&path);
}

int
cli_diff_slots(struct cli_diff *diff)
{
    size_t side, i;
    int status = CKPT_OK;

    for (side = 0; side < 2 && status == CKPT_OK; side++) {
        diff->slots[side] =
            calloc(diff->info->difference_count + 1, sizeof *diff->slots[side]);
        if (diff->slots[side] == NULL)
            return CKPT_MEMORY;
        status = cli_walk_init(&diff->walks[side],
                               ckpt_file_graph(diff->files[side]));
        if (status == CKPT_OK)
            status = cli_optimizers_find(&diff->optimizers[side],
                                         diff->files[side], &diff->walks[side]);
        for (i = 0; status == CKPT_OK && i < diff->optimizers[side].count; i++)
            diff_optimizer(diff, side, &diff->optimizers[side].items[i]);
    }
    return status;
}

void
cli_diff_slots_fini(struct cli_diff *diff)
{
    size_t side;

    for (side = 0; side < 2; side++) {
        cli_walk_fini(&diff->walks[side]);
        free(diff->slots[side]);
    }
}
