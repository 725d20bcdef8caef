/* SPDX-License-Identifier: MIT
 *
 * What is told, and what is left: tensors of no layer, states of the optimizer,
 * what was taken for one thing and may be another, and the wrong file.
 */
#include "layout.h"

#include <stdio.h>
#include <string.h>

#define MORE_BYTES 32

int64_t
layout_other(const struct layout_run *run)
{
    return run->self->options[LAYOUT_OPTION_OTHER].integer;
}

/* What follows the first of so many names. */
static const char *
more(char text[MORE_BYTES], size_t count)
{
    text[0] = '\0';
    if (count > 1)
        snprintf(text, MORE_BYTES, " and %zu more", count - 1);
    return text;
}

/* ---- What is left ---- */

/* A key that is no string goes with its value as it is. */
static int
item_keep(struct layout_run *run, const struct layout_item *item)
{
    if (item->key->kind == CKPT_KIND_STRING)
        return layout_put(run, item->name.data, item->name.size_bytes,
                          item->value);
    return run->host->map_set(run->host, run->graph, run->root, item->key,
                              item->value);
}

/* What no layer of the source took. */
int
layout_others_settle(struct layout_run *run, const struct layout_items *items)
{
    const struct layout_item *item, *first = NULL;
    const struct ckpt_host *host = run->host;
    size_t i, count = 0;
    char text[MORE_BYTES];
    int status = CKPT_OK;

    for (i = 0; i < items->count && status == CKPT_OK; i++) {
        item = &items->items[i];
        if (item->used)
            continue;
        if (layout_other(run) == LAYOUT_OTHER_REFUSE)
            return host->fail(
                host, CKPT_UNSUPPORTED,
                item->name.data != NULL ? item->name.data : NULL, CKPT_NOWHERE,
                "it is of no layer that is known; other=keep keeps it as it "
                "is, other=drop leaves it out");
        if (layout_other(run) == LAYOUT_OTHER_KEEP)
            status = item_keep(run, item);
        else if (count++ == 0)
            first = item;
    }
    if (count > 0)
        host->warn(host, first->name.data, CKPT_NOWHERE,
                   "left out, as other=drop has it%s%s", count > 1 ? "," : "",
                   more(text, count));
    return status;
}

/* The state of the optimizer is told, and not taken along. */
void
layout_optimizer_tell(struct layout_run *run, const struct layout_keras *keras)
{
    if (keras->optimizer_count > 0)
        run->host->lose(run->host, keras->optimizer_name, CKPT_NOWHERE,
                        "%zu states of the optimizer and of random numbers "
                        "are left out",
                        keras->optimizer_count);
}

static void
doubt_tell(struct layout_run *run, const struct layout_doubt *doubt,
           const char *taken, const char *other)
{
    char text[MORE_BYTES];

    if (doubt->count > 0)
        run->host->warn(run->host, NULL, CKPT_NOWHERE,
                        "taken as %s: '%.200s'%s; for %s", taken, doubt->name,
                        more(text, doubt->count), other);
}

void
layout_doubts_tell(struct layout_run *run)
{
    const struct layout_doubts *doubts = &run->doubts;

    doubt_tell(run, &doubts->depthwise, "convolutions in groups",
               "a DepthwiseConv say class=NAME=DepthwiseConv2D");
    doubt_tell(run, &doubts->separable, "separable convolutions",
               "a DepthwiseConv and a Conv say class=NAME=DepthwiseConv2D");
    if (run->self->options[LAYOUT_OPTION_NAMES].integer ==
        LAYOUT_NAMES_KERAS3) {
        doubt_tell(run, &doubts->transposed, "plain convolutions",
                   "a transposed one say class=NAME=Conv2DTranspose");
        doubt_tell(run, &doubts->norm, "LayerNormalization",
                   "another say class=NAME=GroupNormalization");
    }
}

/* What holds for both directions, and what is left out. */
void
layout_rest_tell(struct layout_run *run)
{
    const struct layout_doubt *axes = &run->doubts.axes;
    char text[MORE_BYTES];

    if (axes->count > 0)
        run->host->warn(run->host, NULL, CKPT_NOWHERE,
                        "normalisation over several axes: '%.200s'%s; of three "
                        "and more the channels are taken as last in Keras and "
                        "first in torch",
                        axes->name, more(text, axes->count));
    if (run->counters > 0)
        run->host->warn(run->host, NULL, CKPT_NOWHERE,
                        "%llu num_batches_tracked are left out: Keras has none",
                        (unsigned long long)run->counters);
}

/* ---- The wrong file ---- */

/* Whether tensors are called as on that side. */
static bool
items_are(const struct layout_items *items, bool of_keras)
{
    uint32_t slot, level, part;
    const struct ckpt_text *name;
    const char *dot;
    size_t i;

    for (i = 0; i < items->count; i++) {
        name = &items->items[i].name;
        if (items->items[i].tensor == NULL)
            continue;
        if (memchr(name->data, '/', name->size_bytes) != NULL) {
            if (of_keras)
                return true;
            continue;
        }
        dot = memrchr(name->data, '.', name->size_bytes);
        dot = dot != NULL ? dot + 1 : name->data;
        if (!of_keras &&
            layout_slot_find(dot, name->size_bytes - (size_t)(dot - name->data),
                             &slot, &level, &part))
            return true;
    }
    return false;
}

/* There is nothing of what a file should have, but perhaps of the other. */
int
layout_none_fail(struct layout_run *run, const struct layout_items *items,
                 bool of_keras, bool like)
{
    const struct ckpt_host *host = run->host;

    if (items_are(items, !of_keras) && like)
        host->remedy(host, "it is of %s, as the input is",
                     of_keras ? "torch" : "Keras");
    else if (items_are(items, !of_keras))
        host->remedy(host, "it is of %s: -t layout:%s",
                     of_keras ? "torch" : "Keras", layout_directions[of_keras]);
    return host->fail(host, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                      "%s has no %s",
                      like ? "the file that 'like' names" : "it",
                      of_keras ? "layer of Keras" : "module of torch");
}

/* ---- Like a file ---- */

/* The items of the file that the target is to be like, in its order. */
int
layout_like_put(struct layout_run *run, const struct layout_items *items)
{
    const struct ckpt_host *host = run->host;
    const struct layout_item *item;
    size_t i;
    int status = CKPT_OK;

    for (i = 0; i < items->count && status == CKPT_OK; i++) {
        item = &items->items[i];
        if (item->made != NULL)
            status = layout_put(run, item->name.data, item->name.size_bytes,
                                item->made);
        else if (item->tensor == NULL || item->used)
            continue;
        else if (layout_other(run) == LAYOUT_OTHER_REFUSE)
            return host->fail(host, CKPT_UNSUPPORTED, item->name.data,
                              CKPT_NOWHERE,
                              "it is in the file that 'like' names, and "
                              "nothing is for it; other=drop leaves it out");
        else
            host->edit_unmatched(host, run->edits, "nothing is for '%.200s'",
                                 item->name.data);
    }
    return status;
}
