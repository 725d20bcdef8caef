/* SPDX-License-Identifier: MIT
 *
 * Whether names would meet if a prefix were gone, or were there, and what
 * would then be left.
 */
#include <string.h>

#include "hub/run/diff.h"
#include "name_cure.h"

static bool
name_starts(const struct ckpt_text *name, const struct ckpt_text *prefix)
{
    return name->size_bytes >= prefix->size_bytes &&
           memcmp(name->data, prefix->data, prefix->size_bytes) == 0;
}

static int
cure_tell(struct ckpt_diff *diff, const struct sdk_cure *cure,
          const struct hub_entries *first, const struct hub_entries *second)
{
    struct ckpt_diff_info *info = &diff->info;
    uint64_t first_count = first->count;
    size_t root = 0, i;

    if (!cure->add)
        root =
            sdk_cure_root(diff->files[0]->reading.graph->root, &cure->prefix);
    info->root = hub_arena_text(&diff->arena, cure->prefix.data,
                                root > 0 ? root - 1 : 0);
    info->prefix = hub_arena_text(&diff->arena, cure->prefix.data + root,
                                  cure->prefix.size_bytes - root);
    if (info->root == NULL || info->prefix == NULL)
        return diff->user->report.status;
    info->cure = cure->add ? CKPT_CURE_ADD : CKPT_CURE_STRIP;
    info->cured_count = cure->shaped_count;
    info->mismatched_count = cure->met_count - cure->shaped_count;
    /* What is not behind the root goes with it. */
    for (i = 0; root > 0 && i < first->count; i++) {
        struct ckpt_text within = {cure->prefix.data, root};

        first_count -= !name_starts(&first->first[i].name, &within);
    }
    info->unexpected_count = first_count - cure->met_count;
    info->missing_count = second->count - cure->met_count;
    return CKPT_OK;
}

int
hub_diff_cure(struct ckpt_diff *diff, const struct hub_entries *first,
              const struct hub_entries *second)
{
    struct hub_host host;
    struct sdk_cure cure;
    int status;

    hub_host_init(&host, &diff->user->budget);
    status = sdk_cure_find(&host.table,
                           (struct sdk_entries){first->first, first->count},
                           (struct sdk_entries){second->first, second->count},
                           diff->info.tensor_count, &cure);
    hub_host_fini(&host);
    if (status == CKPT_OK && cure.prefix.data != NULL)
        status = cure_tell(diff, &cure, first, second);
    return status;
}
