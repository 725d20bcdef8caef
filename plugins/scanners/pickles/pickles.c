/* SPDX-License-Identifier: MIT
 *
 * The scanner of pickles, in whatever they are wrapped: its callback and its
 * tables.
 */
#include "ckpt/plugin.h"
#include "pickles_sweep.h"

static int
pickles_scan(const struct ckpt_host *host, const struct ckpt_source *source,
             struct ckpt_scanned *scanned)
{
    struct pickles_view view = {.host = host, .source = source};
    bool known = false;
    int status;

    view.size_bytes = host->source_size(host, source);
    status = pickles_sweep(&view, PICKLES_FILE, 0, &known);
    if (status == CKPT_OK)
        scanned->known = known;
    return status;
}

static const struct ckpt_scanner pickles_scanner = {
    .size = sizeof pickles_scanner,
    .id = "pickles",
    .summary = "pickles, alone and in archives of every kind",
    .scan = pickles_scan,
};

static const struct ckpt_scanner *const scanners[] = {&pickles_scanner, NULL};

CKPT_PLUGIN(pickles) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "pickles",
    .version = "0.1.0",
    .summary = "Scans for pickles and what they would import and call",
    .scanners = scanners,
};
