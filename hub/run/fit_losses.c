/* SPDX-License-Identifier: MIT
 *
 * What is lost where a target has no home for the side record.
 */
#include <string.h>

#include "hub/graph/walk.h"
#include "hub/run/fit_flat.h"

static void
losses_of_tensor(struct hub_fit *fit, const char *name,
                 const struct ckpt_tensor *tensor)
{
    const struct hub_fit_entry *entry = &fit->entries[fit->first[tensor->id]];
    uint64_t holds = fit->holds;
    size_t set = fit->storage_set[tensor->storage->id];
    bool twins = set != 0 && fit->sets[set - 1].twins;

    if ((holds & CKPT_HOLDS_TWINS) == 0 &&
        entry->kept != fit->first[tensor->id] && !entry->dropped)
        hub_note(fit->report, CKPT_MESSAGE_LOSS, name, CKPT_NOWHERE,
                 "a tie is broken into two copies");
    else if (set != 0 && !twins && fit->entries[entry->kept].dropped == false)
        hub_note(fit->report, CKPT_MESSAGE_LOSS, name, CKPT_NOWHERE,
                 "a view becomes a tensor of its own");
    if ((holds & CKPT_HOLDS_DEVICES) == 0 &&
        strcmp(tensor->storage->device, "cpu") != 0)
        hub_note(fit->report, CKPT_MESSAGE_LOSS, name, CKPT_NOWHERE,
                 "the device '%s' has no place in %s", tensor->storage->device,
                 fit->writer->id);
    if ((holds & CKPT_HOLDS_GRAD) == 0 && tensor->requires_grad)
        hub_note(fit->report, CKPT_MESSAGE_LOSS, name, CKPT_NOWHERE,
                 "requires-grad has no place in %s", fit->writer->id);
}

/* A leaf that is no tensor, or a container whose class goes. */
static void
losses_of_value(struct hub_fit *fit, const char *name,
                const struct ckpt_value *value)
{
    if (value->kind == CKPT_KIND_TENSOR)
        losses_of_tensor(fit, name, value->as.tensor);
    else if (value->kind < CKPT_KIND_SIZE || value->kind == CKPT_KIND_OBJECT)
        hub_note(fit->report, CKPT_MESSAGE_LOSS, name, CKPT_NOWHERE,
                 "a value has no place in %s", fit->writer->id);
}

/* The label of each level is kept on the stack of calls, and joined where it
 * is told. The graph's depth is bounded. */
struct losses_path {
    const struct losses_path *outer;
    struct ckpt_text label;
};

static void
losses_name(const struct losses_path *path, char *name, size_t room)
{
    size_t used;

    name[0] = '\0';
    if (path == NULL)
        return;
    losses_name(path->outer, name, room);
    used = strlen(name);
    if (used > 0 && used + 2 < room)
        name[used++] = '.';
    name[used] = '\0';
    if (path->label.size_bytes < room - used) {
        memcpy(name + used, path->label.data, path->label.size_bytes);
        name[used + path->label.size_bytes] = '\0';
    }
}

static void
losses_walk(struct hub_fit *fit, unsigned char *met,
            const struct losses_path *path, const struct ckpt_value *value)
{
    struct losses_path inner = {.outer = path};
    struct hub_children children;
    struct hub_child child;
    char name[256], buffer[40];

    if (met[value->id]++ > 0)
        return;
    losses_name(path, name, sizeof name);
    losses_of_value(fit, name, value);
    met[value->id] = 1;
    hub_children_init(&children, value);
    while (hub_children_next(&children, &child)) {
        hub_child_label(&child, buffer, &inner.label);
        losses_walk(fit, met, &inner, child.value);
    }
}

int
hub_fit_losses(struct hub_fit *fit)
{
    unsigned char *met =
        hub_fit_allocate(fit, (size_t)fit->graph->value_count, 1);

    if (met == NULL)
        return fit->report->status;
    if (fit->graph->root->kind != CKPT_KIND_MAP)
        hub_note(fit->report, CKPT_MESSAGE_LOSS, NULL, CKPT_NOWHERE,
                 "the tree's shape has no place in %s", fit->writer->id);
    losses_walk(fit, met, NULL, fit->graph->root);
    return CKPT_OK;
}
