/* SPDX-License-Identifier: MIT
 *
 * The scanner of pickles, in whatever they are wrapped: its callback and its
 * tables.
 */
#include "ckpt/plugin.h"
#include "pickle_scan_sweep.h"

/* In bytes that are looked at once; a good file takes a few for each. */
#define WORK_LEAST (UINT64_C(4) << 30)
#define WORK_PER_PAGE (UINT64_C(32) * 4096)

static int
pickle_scan_scan(const struct ckpt_host *host, const struct ckpt_source *source,
                 struct ckpt_scanned *scanned)
{
    struct pickle_scan_view view = {.host = host, .source = source};
    uint64_t work_left;
    bool known = false;
    int status;

    view.size_bytes = host->source_size(host, source);
    work_left = WORK_LEAST + view.size_bytes / 4096 * WORK_PER_PAGE;
    view.work_left = &work_left;
    status = pickle_scan_sweep(
        &view, scanned->unpacked ? PICKLE_SCAN_OUTER : PICKLE_SCAN_FILE, 0,
        &known);
    if (status == CKPT_OK && !known)
        status = pickle_scan_text_file(&view, host->source_name(host, source),
                                       &known);
    if (status == CKPT_OK && work_left == 0)
        status = CKPT_LIMIT;
    if (status == CKPT_OK)
        scanned->known = known;
    return status;
}

static const struct ckpt_scanner pickle_scan_scanner = {
    .size = sizeof pickle_scan_scanner,
    .id = "pickle-scan",
    .summary = "pickles, alone and in archives of every kind",
    .scan = pickle_scan_scan,
};

static const struct ckpt_scanner *const scanners[] = {&pickle_scan_scanner,
                                                      NULL};

CKPT_PLUGIN(pickle_scan) = {
    .abi = CKPT_ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = "pickle-scan",
    .version = "0.1.0",
    .summary = "Scans for pickles and what they would import and call",
    .scanners = scanners,
};
