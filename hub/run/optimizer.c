/* SPDX-License-Identifier: MIT
 *
 * The optimizers of a file, as the public sees them.
 */
#include "hub/run/file.h"

/* The names by pair of `state`. */
static int
names_fill(const struct ckpt_host *host, const struct sdk_optimizer *found,
           struct ckpt_optimizer *optimizer)
{
    const struct ckpt_text **names;
    const struct sdk_slot *slot = found->slots;
    size_t i;

    if (!found->known)
        return CKPT_OK;
    names = host->allocate(host, (found->state->as.map.count + 1) *
                                     sizeof(const struct ckpt_text *));
    if (names == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < found->slot_count; i++, slot++)
        if (slot->state != NULL)
            names[slot->pair] = slot->name;
    optimizer->names = names;
    return CKPT_OK;
}

static int
optimizers_fill(struct ckpt_file *file)
{
    const struct ckpt_host *host = &file->reading.host.table;
    const struct sdk_optimizer *found = file->found.items;
    struct ckpt_optimizer *optimizer;
    int status = CKPT_OK;
    size_t i;

    file->optimizers = host->allocate(host, (file->found.count + 1) *
                                                sizeof *file->optimizers);
    if (file->optimizers == NULL)
        return CKPT_MEMORY;
    for (i = 0; i < file->found.count && status == CKPT_OK; i++, found++) {
        optimizer = &file->optimizers[i];
        optimizer->map = found->map;
        optimizer->state = found->state;
        optimizer->weights = found->weights;
        optimizer->why = found->why;
        status = names_fill(host, found, optimizer);
    }
    return status;
}

int
ckpt_file_optimizers(struct ckpt_file *file,
                     const struct ckpt_optimizer **optimizers, size_t *count)
{
    const struct ckpt_host *host = &file->reading.host.table;
    int status = CKPT_OK;

    hub_user_begin(file->reading.user);
    if (file->optimizers == NULL) {
        status = sdk_optimizers_find(host, file->reading.graph, &file->found);
        if (status == CKPT_OK)
            status = optimizers_fill(file);
        if (status != CKPT_OK)
            hub_file_optimizers_fini(file);
    }
    if (status != CKPT_OK)
        return status;
    *optimizers = file->optimizers;
    *count = file->found.count;
    return CKPT_OK;
}

void
hub_file_optimizers_fini(struct ckpt_file *file)
{
    const struct ckpt_host *host = &file->reading.host.table;
    size_t i;

    if (file->optimizers != NULL)
        for (i = 0; i < file->found.count; i++)
            host->release(host, (void *)file->optimizers[i].names);
    if (file->found.items != NULL)
        sdk_optimizers_fini(host, &file->found);
    if (file->optimizers != NULL)
        host->release(host, file->optimizers);
    if (file->numbers != NULL)
        host->release(host, file->numbers);
    file->optimizers = NULL;
    file->numbers = NULL;
}
