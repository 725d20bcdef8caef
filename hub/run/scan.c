/* SPDX-License-Identifier: MIT
 *
 * A scan: every scanner looks at every file. The reader that would claim the
 * file is asked only where no scanner knows what it is: a format that holds
 * data alone runs nothing, if the file is really of that format.
 */
#include <string.h>

#include "hub/io/unpack.h"
#include "hub/load/detect.h"
#include "hub/load/loader.h"
#include "hub/run/judgement.h"
#include "hub/run/reading.h"

struct scan {
    struct ckpt *user;
    struct ckpt_judgement *judgement;
    const struct ckpt_input *input;
    struct hub_host host;
};

static int
scan_by_plugin(struct scan *scan, const struct hub_plugin *plugin,
               const struct ckpt_source *source, struct ckpt_scanned *all)
{
    const struct ckpt_scanner *const *scanner = plugin->scanners;
    struct hub_report *report = &scan->user->report;
    int status = CKPT_OK;

    for (; scanner != NULL && *scanner != NULL && status == CKPT_OK;
         scanner++) {
        struct ckpt_scanned scanned = {.unpacked = all->unpacked};

        report->plugin = (*scanner)->id;
        status = (*scanner)->scan(&scan->host.table, source, &scanned);
        if (status != CKPT_OK && report->status == CKPT_OK)
            status = hub_judgement_blame(report, status);
        all->known = all->known || (status == CKPT_OK && scanned.known);
    }
    report->plugin = NULL;
    return status;
}

static int
scan_by_all(struct scan *scan, const struct ckpt_source *source,
            struct ckpt_scanned *all)
{
    struct hub_registry *registry = &scan->user->registry;
    struct hub_plugin *plugin;
    int status = CKPT_OK;

    for (plugin = registry->plugins; plugin != NULL && status == CKPT_OK;
         plugin = plugin->next) {
        if (plugin->info.problem != NULL ||
            (plugin->info.id != NULL && !plugin->scans) ||
            hub_plugin_load(registry, plugin) != CKPT_OK)
            continue;
        status = scan_by_plugin(scan, plugin, source, all);
    }
    return status;
}

/* What is wrong with the file is a finding; what is wrong with the machine is
 * a failure. */
static int
scan_unknown(struct scan *scan, int status)
{
    struct hub_report *report = &scan->user->report;
    const char *path = report->file;
    size_t length = path != NULL ? strlen(path) : 0;
    char text[sizeof report->text];

    if (status == CKPT_IO || status == CKPT_MEMORY ||
        status == CKPT_CANCELLED || status == CKPT_CONTRACT)
        return status;
    /* Whose finding it is, is known. */
    if (length > 0 && strncmp(report->text, path, length) == 0 &&
        strncmp(report->text + length, ": ", 2) == 0)
        length += 2;
    else
        length = 0;
    memcpy(text, report->text + length, sizeof text - length);
    hub_report_clear(report);
    return hub_judge(scan->judgement, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                     status == CKPT_OK
                         ? "no scanner knows this format, and loaders of it "
                           "may run what it says"
                         : text);
}

/* No scanner knows the file: is it of a format that holds data alone? */
static int
scan_inert(struct scan *scan, const char *path)
{
    struct hub_reading reading = {0};
    struct ckpt_input input = *scan->input;
    int status;

    input.path = path;
    status = hub_reading_init(&reading, scan->user, &input);
    if (status == CKPT_OK &&
        (reading.format->capabilities & CKPT_READS_INERT) != 0) {
        scan->judgement->info.format = reading.format->info.id;
        status = hub_judge(scan->judgement, CKPT_SEVERITY_NOTE, "inert",
                           "the format holds data alone, and the file is "
                           "well formed");
    } else {
        status = scan_unknown(scan, status);
    }
    hub_reading_fini(&reading);
    scan->user->report.file = scan->judgement->info.path;
    return status;
}

/* A file that is packed as a whole is looked at as what it holds, of any
 * size. One that cannot be unpacked to its end is left as it is, for the
 * scanners to see how far it goes. */
static int
scan_unpacked(struct scan *scan, const struct ckpt_source **source)
{
    struct hub_unpack unpack = {.budget = &scan->user->budget,
                                .folder = ckpt_temporary_folder(),
                                .cancelled = scan->host.cancelled,
                                .user = scan->host.user};
    struct ckpt_source *made;
    int status;

    if (!hub_packed(*source))
        return scan->user->report.status;
    status = hub_unpack(&unpack, *source, &made);
    if (status == CKPT_FORMAT || status == CKPT_LIMIT ||
        status == CKPT_UNSUPPORTED) {
        hub_report_clear(&scan->user->report);
        scan->user->report.file = scan->judgement->info.path;
        return CKPT_OK;
    }
    if (status != CKPT_OK)
        return status;
    made->unpacked = true;
    hub_host_adopt(&scan->host, made);
    *source = made;
    return hub_judge(scan->judgement, CKPT_SEVERITY_NOTE, "unpacked",
                     "places are those of what was packed");
}

static int
scan_source(struct scan *scan, const struct ckpt_source *packed)
{
    const struct ckpt_source *source = packed;
    struct ckpt_scanned outer = {.unpacked = true}, all = {0};
    int status = scan_unpacked(scan, &source);

    if (status == CKPT_OK && source != packed)
        status = scan_by_all(scan, packed, &outer);
    if (status == CKPT_OK)
        status = scan_by_all(scan, source, &all);
    if (status == CKPT_OK && !all.known)
        status = scan_inert(scan, packed->path);
    return status;
}

static int
scan_folder(struct scan *scan, const struct ckpt_source *folder)
{
    const struct ckpt_host *host = &scan->host.table;
    const struct ckpt_source *source;
    const char *const *name;
    int status = host->source_list(host, folder, &name);

    for (; status == CKPT_OK && *name != NULL; name++) {
        status = host->source_open(host, folder, *name, &source);
        if (status != CKPT_OK)
            break;
        scan->judgement->found.part = *name;
        status = source->folder
                     ? hub_judge(scan->judgement, CKPT_SEVERITY_SUSPICIOUS,
                                 "unscanned",
                                 "a folder within the folder is not looked at")
                     : scan_source(scan, source);
        scan->judgement->found.part = NULL;
    }
    return status;
}

/* The files that a reader opened besides the one that it was given, in that
 * order; the list has the newest first. */
static int
scan_opened(struct scan *scan, const struct hub_reading *reading)
{
    const struct ckpt_source *source;
    int status = CKPT_OK;
    size_t i, k;

    for (i = reading->host.source_count; i > 0 && status == CKPT_OK; i--) {
        for (source = reading->host.sources, k = 1; k < i; k++)
            source = source->next;
        if (source == reading->source || source->origin == NULL ||
            source->folder)
            continue;
        scan->judgement->found.part = source->name;
        status = scan_source(scan, source);
        scan->judgement->found.part = NULL;
    }
    return status;
}

/* A file that stands for others, as an index of shards does: whoever loads it
 * loads those. Where its reader stops, they are not all looked at. */
static int
scan_others(struct scan *scan)
{
    struct hub_reading reading = {0};
    int read = hub_reading_init(&reading, scan->user, scan->input);
    int status = read == CKPT_OK ? CKPT_OK : scan_unknown(scan, read);

    scan->user->report.file = scan->judgement->info.path;
    if (status == CKPT_OK)
        status = scan_opened(scan, &reading);
    hub_reading_fini(&reading);
    scan->user->report.file = scan->judgement->info.path;
    return status;
}

/* For whoever reads the result, and to know whether other files belong to it.
 */
static bool
scan_tell_format(struct scan *scan, const struct ckpt_source *source)
{
    struct hub_format *format = NULL;
    struct ckpt_evidence evidence;
    bool others = false;

    /* Leading bytes alone are too little to tell a stranger's file by. */
    if (hub_detect(&scan->user->registry, &scan->host, source, &format,
                   &evidence) == CKPT_OK &&
        evidence.level >= CKPT_EVIDENCE_STRUCTURE) {
        scan->judgement->info.format = format->info.id;
        others = !source->folder &&
                 (format->capabilities & CKPT_READS_FOLDERS) != 0 &&
                 (format->capabilities & CKPT_READS_INERT) == 0;
    }
    hub_report_clear(&scan->user->report);
    return others;
}

static int
scan_run(struct scan *scan)
{
    struct hub_report *report = &scan->user->report;
    const struct ckpt_source *source;
    bool others = false;
    int status;

    hub_host_init(&scan->host, &scan->user->budget);
    scan->host.user = scan->user->settings.user;
    scan->host.cancelled = scan->user->settings.cancelled;
    scan->host.found = &scan->judgement->found;
    report->file = scan->judgement->info.path;
    status = hub_host_open(&scan->host, scan->input->path, &source);
    if (status == CKPT_OK) {
        others = scan_tell_format(scan, source);
        report->file = scan->judgement->info.path;
        status = source->folder ? scan_folder(scan, source)
                                : scan_source(scan, source);
    }
    if (status == CKPT_OK && others)
        status = scan_others(scan);
    if (status == CKPT_OK)
        status = hub_host_unchanged(&scan->host);
    hub_host_fini(&scan->host);
    return status;
}

int
ckpt_scan(struct ckpt *user, const struct ckpt_input *input,
          struct ckpt_judgement **judgement)
{
    struct scan scan = {.user = user, .input = input};

    scan.judgement = hub_judgement_new(user, input);
    if (scan.judgement == NULL)
        return user->report.status;
    return hub_judgement_finish(scan.judgement, scan_run(&scan), judgement);
}
