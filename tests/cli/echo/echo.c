/* SPDX-License-Identifier: MIT
 *
 * Transforms that tell what they were given, and some that behave badly. Used
 * by tests/cli/check_transforms.py.
 */
#include <string.h>

#include "ckpt/plugin.h"

static int
echo_open(const struct ckpt_host *host, const char *argument,
          const struct ckpt_option_value *options, void **self)
{
    host->warn(host, NULL, CKPT_NOWHERE, "argument %s, count %s %lld, only %s",
               argument != NULL ? argument : "-",
               options[0].given ? "given" : "unset",
               (long long)options[0].integer,
               options[1].text != NULL ? options[1].text : "-");
    *self = (void *)(uintptr_t)argument;
    return CKPT_OK;
}

/* As the argument says: silent, wrong, refuse, budget, late, or nothing. */
static int
echo_apply(const struct ckpt_host *host, void *self,
           const struct ckpt_graph *const *graphs, size_t graph_count,
           struct ckpt_edits *edits)
{
    const char *how = self != NULL ? self : "";

    if (graph_count != 1 || host->edit_graph(host, edits) == graphs[0])
        return host->fail(host, CKPT_CONTRACT, NULL, CKPT_NOWHERE, "a lie");
    if (strcmp(how, "silent") == 0)
        return CKPT_FORMAT;
    if (strcmp(how, "wrong") == 0)
        return host->edit_drop(host, edits, graphs[0]->root, 99);
    if (strcmp(how, "refuse") == 0)
        return host->fail(host, CKPT_UNSUPPORTED, "w", 7, "it does not like");
    if (strcmp(how, "drop") == 0)
        return host->edit_drop(host, edits, graphs[0]->root, 0);
    return CKPT_OK;
}

static void
echo_close(const struct ckpt_host *host, void *self)
{
    host->warn(host, NULL, CKPT_NOWHERE, "closed %s",
               self != NULL ? (const char *)self : "-");
}

static const struct ckpt_option echo_options[] = {
    {"count", CKPT_OPTION_INT, "7", "a number", NULL},
    {"only", CKPT_OPTION_STRING, NULL, "a pattern", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL},
};

static const struct ckpt_transform echo_transform = {
    .size = sizeof(struct ckpt_transform),
    .id = "echo",
    .summary = "tells what it was given",
    .argument = "[TEXT]",
    .options = echo_options,
    .open = echo_open,
    .apply = echo_apply,
    .close = echo_close,
};

static const struct ckpt_transform echo_bare = {
    .size = sizeof(struct ckpt_transform),
    .id = "echo-bare",
    .summary = "takes no argument",
    .options = echo_options,
    .open = echo_open,
    .apply = echo_apply,
    .close = echo_close,
};

static const struct ckpt_transform echo_two = {
    .size = sizeof(struct ckpt_transform),
    .id = "echo-two",
    .summary = "wants two inputs",
    .argument = "OTHER",
    .inputs_min = 2,
    .inputs_max = 2,
    .open = echo_open,
    .apply = echo_apply,
    .close = echo_close,
};

static const struct ckpt_transform *const echo_transforms[] = {
    &echo_transform, &echo_bare, &echo_two, NULL};

CKPT_PLUGIN(echo) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "echo",
    .version = "0.1.0",
    .summary = "transforms for tests",
    .transforms = echo_transforms,
};
