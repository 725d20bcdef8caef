/* SPDX-License-Identifier: MIT
 *
 * Transforms for what is trained further: `freeze`, `unfreeze` and
 * `drop-optimizer`.
 */
#include "ckpt/plugin.h"

#include "training.h"

static const struct ckpt_option training_options[] = {
    [TRAINING_FIRST] = {"first", CKPT_OPTION_INT, NULL,
                        "so many parameters from the front; buffers do not "
                        "count",
                        NULL},
    [TRAINING_EXCEPT] = {"except", CKPT_OPTION_STRING, NULL,
                         "but none whose name this pattern meets", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL},
};

static int
freeze_open(const struct ckpt_host *host, const char *argument,
            const struct ckpt_option_value *options, void **self)
{
    return training_open(host, argument, options, true, self);
}

static int
unfreeze_open(const struct ckpt_host *host, const char *argument,
              const struct ckpt_option_value *options, void **self)
{
    return training_open(host, argument, options, false, self);
}

static int
drop_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    (void)host;
    (void)argument;
    (void)options;
    *self = NULL;
    return CKPT_OK;
}

static void
drop_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

static const struct ckpt_transform training_freeze = {
    .size = sizeof(struct ckpt_transform),
    .id = "freeze",
    .summary = "parameters that are trained no more, and their slots",
    .argument = "[PATTERN]",
    .options = training_options,
    .open = freeze_open,
    .apply = training_apply,
    .close = training_close,
    .settle = training_settle,
};

static const struct ckpt_transform training_unfreeze = {
    .size = sizeof(struct ckpt_transform),
    .id = "unfreeze",
    .summary = "parameters that are trained again",
    .argument = "[PATTERN]",
    .options = training_options,
    .open = unfreeze_open,
    .apply = training_apply,
    .close = training_close,
    .settle = training_settle,
};

static const struct ckpt_transform training_drop_optimizer = {
    .size = sizeof(struct ckpt_transform),
    .id = "drop-optimizer",
    .summary = "no states of optimizers",
    .open = drop_open,
    .apply = training_drop,
    .close = drop_close,
};

static const struct ckpt_transform *const training_transforms[] = {
    &training_freeze, &training_unfreeze, &training_drop_optimizer, NULL};

CKPT_PLUGIN(training) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "training",
    .version = "0.1.0",
    .summary = "what is trained, and the optimizers that train it",
    .transforms = training_transforms,
};
