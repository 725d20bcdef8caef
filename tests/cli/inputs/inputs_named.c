/* SPDX-License-Identifier: MIT
 *
 * Transforms whose argument or option is a file.
 */
#include <string.h>

#include "inputs.h"

struct named {
    char label[INPUTS_LABEL_BYTES];
};

static int
named_open(const struct ckpt_host *host, const char *argument,
           const struct ckpt_option_value *options, void **self)
{
    const struct ckpt_source *source = options[1].source;
    struct named *named;
    int status = CKPT_OK;

    if (source == NULL)
        source = options[0].source;
    if ((argument != NULL) != options[1].given ||
        (argument != NULL) != (options[1].source != NULL))
        return host->fail(host, CKPT_CONTRACT, NULL, CKPT_NOWHERE, "a lie");
    if (source == NULL)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE, "no file");
    named = host->allocate(host, sizeof *named);
    if (named == NULL)
        return CKPT_MEMORY;
    status = inputs_label(host, source, named->label);
    if (status == CKPT_OK)
        *self = named;
    else
        host->release(host, named);
    return status;
}

static int
named_apply(const struct ckpt_host *host, void *self,
            const struct ckpt_graph *const *graphs, size_t graph_count,
            struct ckpt_edits *edits)
{
    const struct named *named = self;

    (void)graph_count;
    return host->edit_rename(host, edits, graphs[0]->root, 0, named->label,
                             strlen(named->label));
}

static void
named_close(const struct ckpt_host *host, void *self)
{
    host->release(host, self);
}

static const struct ckpt_option named_options[] = {
    {"map", CKPT_OPTION_FILE, NULL, "a file whose text is the name", NULL},
    {NULL, CKPT_OPTION_END, NULL, NULL, NULL},
};

const struct ckpt_transform inputs_named = {
    .size = sizeof(struct ckpt_transform),
    .id = "named",
    .summary = "gives the first tensor the name that a file says",
    .argument = "[FILE]",
    .options = named_options,
    .open = named_open,
    .apply = named_apply,
    .close = named_close,
    .argument_kind = CKPT_OPTION_FILE,
};
