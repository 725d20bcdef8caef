/* SPDX-License-Identifier: MIT
 *
 * The transform `layout`: names and memory layouts of Keras to those of torch,
 * and back. Its argument, its options, and the tables.
 */
#include <stdio.h>
#include <string.h>

#include "layout_cursor.h"

static const char *const names_choices[] = {"keras2", "keras3", NULL};
static const char *const other_choices[] = {"refuse", "keep", "drop", NULL};

static const struct ckpt_option layout_options[] = {
    [LAYOUT_OPTION_LIKE] = {.name = "like",
                            .kind = CKPT_OPTION_GRAPH,
                            .help = "a checkpoint of the target's model, for "
                                    "its names and shapes"},
    [LAYOUT_OPTION_MAP] = {.name = "map",
                           .kind = CKPT_OPTION_FILE,
                           .help = "a file of pairs, layer of Keras and module "
                                   "of torch"},
    [LAYOUT_OPTION_CLASS] =
        {.name = "class",
         .kind = CKPT_OPTION_STRING,
         .help = "what layers are: NAME=CLASS, with commas between"},
    [LAYOUT_OPTION_FLATTEN] = {.name = "flatten",
                               .kind = CKPT_OPTION_STRING,
                               .help = "what was flattened before a Dense: "
                                       "NAME=HxWxC, with commas between"},
    [LAYOUT_OPTION_HEADS] = {.name = "heads",
                             .kind = CKPT_OPTION_INT,
                             .help = "how many heads attention has, towards "
                                     "Keras"},
    [LAYOUT_OPTION_NAMES] = {.name = "names",
                             .kind = CKPT_OPTION_CHOICE,
                             .fallback = "keras2",
                             .choices = names_choices,
                             .help = "how Keras calls its weights"},
    [LAYOUT_OPTION_OTHER] = {.name = "other",
                             .kind = CKPT_OPTION_CHOICE,
                             .fallback = "refuse",
                             .choices = other_choices,
                             .help = "what becomes of all that is of no known "
                                     "layer"},
    [LAYOUT_OPTION_COUNT] = {0},
};

const char *const layout_directions[] = {"keras-to-torch", "torch-to-keras"};

/* The options that there are, for whoever asks for another. */
static int
option_unknown(const struct ckpt_host *host, const char *name)
{
    char known[160] = "";
    size_t i, used = 0;

    for (i = 0; i < LAYOUT_OPTION_COUNT; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                 i > 0 ? ", " : "", layout_options[i].name);
    host->remedy(host, "known options: %s", known);
    return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                      "unknown option '%.*s'", (int)strcspn(name, "=,"), name);
}

static int
direction_read(const struct ckpt_host *host, const char *argument,
               bool *to_keras)
{
    size_t i, length = strcspn(argument, ",");

    for (i = 0; i < 2; i++)
        if (strlen(layout_directions[i]) == length &&
            memcmp(argument, layout_directions[i], length) == 0)
            break;
    if (i == 2)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%.100s' is no direction", argument);
    *to_keras = i == 1;
    return argument[length] == '\0'
               ? CKPT_OK
               : option_unknown(host, argument + length + 1);
}

static int
layout_open(const struct ckpt_host *host, const char *argument,
            const struct ckpt_option_value *options, void **self)
{
    struct layout *layout;
    bool to_keras;
    int status = direction_read(host, argument, &to_keras);

    if (status != CKPT_OK)
        return status;
    if (options[LAYOUT_OPTION_HEADS].integer < 0)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "heads is less than nothing");
    layout = host->allocate(host, sizeof *layout);
    if (layout == NULL)
        return CKPT_MEMORY;
    layout->options = options;
    layout->to_keras = to_keras;
    *self = layout;
    return CKPT_OK;
}

static void
layout_close(const struct ckpt_host *host, void *self)
{
    struct layout *layout = self;

    sdk_jobs_fini(host, &layout->jobs);
    host->release(host, layout);
}

static const struct ckpt_transform layout_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "layout",
    .summary = "layers of Keras as modules of torch, and back",
    .argument = "keras-to-torch|torch-to-keras",
    .options = layout_options,
    .inputs_max = 2,
    .open = layout_open,
    .apply = layout_apply,
    .close = layout_close,
    .cursor_open = layout_cursor_open,
    .cursor_next = layout_cursor_next,
    .cursor_close = layout_cursor_close,
};

static const struct ckpt_transform *const layout_transforms[] = {
    &layout_transform, NULL};

CKPT_PLUGIN(layout) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "layout",
    .version = "0.1.0",
    .summary = "from the layers of one framework to those of another",
    .transforms = layout_transforms,
};
