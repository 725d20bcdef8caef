/* SPDX-License-Identifier: MIT
 *
 * Which parameters are frozen, for a target that cannot say so of a tensor:
 * their names there, as a JSON list in a string that all its readers find. Our
 * own take it from the side record.
 */
#include <string.h>

#include "buffer.h"
#include "hub/run/fit.h"
#include "json.h"
#include "trained.h"

enum { FROZEN_UNKNOWN = 0, FROZEN_SILENT, FROZEN_TOLD };

static bool
frozen_is(const struct hub_fit *fit, unsigned char *told, size_t index)
{
    const struct ckpt_tensor *tensor =
        fit->graph->entries[index].value->as.tensor;
    const struct ckpt_value *owner = fit->graph->spots[index].owner;
    struct sdk_trained trained;

    if (owner == NULL || tensor->role != CKPT_ROLE_PARAMETER ||
        tensor->requires_grad)
        return false;
    if (told[owner->id] == FROZEN_UNKNOWN) {
        sdk_trained_look(&trained, owner);
        told[owner->id] =
            sdk_trained_speak(&trained) ? FROZEN_TOLD : FROZEN_SILENT;
    }
    return told[owner->id] == FROZEN_TOLD;
}

/* "[NAME,...]"; nothing if none is frozen. */
static int
frozen_write(const struct hub_fit *fit, unsigned char *told,
             struct sdk_buffer *buffer)
{
    const struct ckpt_host *host = &fit->host->table;
    const struct ckpt_text *name;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < fit->graph->entry_count && status == CKPT_OK; i++) {
        if (!frozen_is(fit, told, i))
            continue;
        name = &fit->entries[fit->entries[i].kept].name;
        sdk_json_write_raw(host, buffer, buffer->size_bytes == 0 ? "[" : ",");
        status =
            sdk_json_write_string(host, buffer, name->data, name->size_bytes);
    }
    if (buffer->size_bytes > 0)
        sdk_json_write_raw(host, buffer, "]");
    return status;
}

int
hub_fit_frozen(struct hub_fit *fit)
{
    struct hub_budget *budget = fit->host->budget;
    struct sdk_buffer buffer = {0};
    struct ckpt_value *value;
    unsigned char *told;
    int status;

    told = hub_allocate(budget, (size_t)fit->graph->value_count + 1);
    if (told == NULL)
        return fit->report->status;
    status = frozen_write(fit, told, &buffer);
    if (status == CKPT_OK && buffer.size_bytes > 0)
        status = hub_string_new(&fit->fitted, (const char *)buffer.data,
                                buffer.size_bytes, &value);
    if (status == CKPT_OK && buffer.size_bytes > 0)
        status = hub_attr_set(&fit->fitted, NULL, HUB_FROZEN_NAME, value);
    sdk_buffer_fini(&fit->host->table, &buffer);
    hub_release(budget, told);
    return status;
}
