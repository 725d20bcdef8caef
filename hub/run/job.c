/* SPDX-License-Identifier: MIT
 *
 * A conversion from beginning to end: read, fit, plan, make room, pump,
 * commit.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hub/core/options.h"
#include "hub/load/detect.h"
#include "hub/load/loader.h"
#include "hub/run/drive.h"
#include "hub/run/fit.h"
#include "hub/run/hash_name.h"
#include "hub/run/named.h"
#include "hub/run/pump.h"
#include "hub/run/reading.h"
#include "hub/run/way.h"

struct job {
    struct ckpt *user;
    const struct ckpt_conversion *order;
    struct hub_reading reading;
    struct hub_format *format;
    void *self;              /* the writer's */
    struct hub_named *named; /* by its options */
    bool opened;
    struct hub_fit fit;
    struct ckpt_plan plan;
    bool drives; /* the writer writes, in place of the plan */
    struct hub_spool spool;
    char *folder; /* of the output */
    size_t folder_bytes;
    const char *name; /* of the output in it */
    char *hash_name;  /* the one that tells its hash, if it is to; or NULL */
    struct hub_sink **sinks;
};

static struct hub_report *
job_report(const struct job *job)
{
    return &job->user->report;
}

/* Splits the output's path; its folder is where all temporary files go. */
static int
job_output(struct job *job)
{
    const char *path = job->order->output;
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;

    if (path == NULL || path[0] == '\0' || (slash != NULL && slash[1] == '\0'))
        return hub_fail(job_report(job), CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "the output is not named");
    job->name = slash != NULL ? slash + 1 : path;
    job->folder_bytes = (size_t)(job->name - path);
    if (job->folder_bytes > 1)
        job->folder_bytes--;
    job->folder = slash != NULL ? hub_arena_text(&job->reading.arena, path,
                                                 job->folder_bytes)
                                : hub_arena_text(&job->reading.arena, ".", 1);
    return job->folder != NULL ? CKPT_OK : job_report(job)->status;
}

/* A plugin that fails without a word broke the rules, but for one that was
 * asked to stop. */
static int
job_blame(struct job *job, int status)
{
    if (status == CKPT_CANCELLED && job_report(job)->status == CKPT_OK)
        return hub_fail(job_report(job), CKPT_CANCELLED, NULL, CKPT_NOWHERE,
                        "stopped");
    if (status < 0 && job_report(job)->status == CKPT_OK)
        return hub_fail(job_report(job), CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "it failed with status %d, no reason", status);
    return status < 0 ? job_report(job)->status : CKPT_OK;
}

static int
job_format(struct job *job)
{
    struct hub_registry *registry = &job->user->registry;

    if (job->order->to == NULL)
        return hub_detect_writer(registry, job->name,
                                 job->order->output_options, &job->format);
    job->format = hub_registry_find(registry, job->order->to, false);
    if (job->format != NULL)
        return CKPT_OK;
    hub_remedy(job_report(job), "ckpt plugins lists the formats");
    return hub_fail(job_report(job), CKPT_OPTION, NULL, CKPT_NOWHERE,
                    "no plugin writes '%s'", job->order->to);
}

static int
job_writer(struct job *job)
{
    struct ckpt_option_value *values;
    int status;

    job_report(job)->file = job->order->output;
    status = job_format(job);
    if (status == CKPT_OK)
        status = hub_format_load(&job->user->registry, job->format);
    if (status != CKPT_OK)
        return status;
    job_report(job)->plugin = job->format->info.id;
    status = hub_options_parse(&job->reading.arena, job->format->info.options,
                               job->order->output_options, &values);
    if (status == CKPT_OK)
        status = hub_named_files(&job->reading.host, job->format->info.options,
                                 values);
    if (status == CKPT_OK)
        status = hub_named_graphs(job->user, job->format->info.options, values,
                                  NULL, &job->named);
    if (status != CKPT_OK)
        return status;
    status = job_blame(job, job->format->writer.open(&job->reading.host.table,
                                                     values, &job->self));
    job->opened = status == CKPT_OK;
    return status;
}

/* What a strict user does not accept of the transforms. */
static int
job_matched(struct job *job)
{
    if (!job->order->strict || job->reading.transforms.unmatched == 0)
        return CKPT_OK;
    hub_remedy(job_report(job), "to accept it, leave --strict out");
    return hub_fail(job_report(job), CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                    "a transform matches nothing");
}

/* What a strict user does not accept of the output. */
static int
job_lossless(struct job *job)
{
    size_t count = job_report(job)->loss_count;

    if (!job->order->strict || count == 0)
        return CKPT_OK;
    hub_remedy(job_report(job), "to accept it, leave --strict out");
    return hub_fail(job_report(job), CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                    "%zu %s would be lost", count,
                    count == 1 ? "thing" : "things");
}

/* One file, whose size shows when it is there. */
static int
job_drives(struct job *job)
{
    if (job->format->writer.write == NULL || job->plan.file_count > 0)
        return hub_fail(job_report(job), CKPT_CONTRACT, NULL, CKPT_NOWHERE,
                        "a plan that ends with nothing to follow it");
    hub_drive_lend(&job->reading.host.table);
    return hub_plan_finish(&job->plan);
}

static int
job_plan(struct job *job)
{
    struct hub_host *host = &job->reading.host;
    int status = job_blame(job, hub_fit(&job->fit, host, job->reading.graph,
                                        &job->format->writer, job->self));

    if (status == CKPT_OK)
        status = job_lossless(job);
    if (status != CKPT_OK)
        return status;
    job->spool.budget = &job->user->budget;
    job->spool.folder = job->folder;
    hub_reading_spool(&job->reading, &job->spool);
    hub_plan_init(&job->plan, &job->user->budget, job->name);
    hub_plan_lend(&host->table);
    status = job->format->writer.plan(&host->table, job->self,
                                      &job->fit.fitted.public, &job->plan);
    job->drives = status == CKPT_END;
    status = job_blame(job, status);
    if (status == CKPT_OK)
        status = job_lossless(job);
    if (status == CKPT_OK && job->drives)
        return job_drives(job);
    return status == CKPT_OK ? hub_plan_finish(&job->plan) : status;
}

/* Whether the name is to tell the hash, and how. */
static int
job_hash_name(struct job *job)
{
    if (!job->order->hash_name && !job->reading.transforms.hash_name)
        return CKPT_OK;
    job_report(job)->file = job->order->output;
    job_report(job)->plugin = NULL;
    if (job->plan.file_count > 1 || job->plan.files[0].name != NULL)
        return hub_fail(job_report(job), CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                        "of an output of several files no name can tell the "
                        "hash");
    return hub_hash_name(&job->reading.arena, job->name,
                         job->format->info.suffixes, &job->hash_name);
}

static const char *
job_file_name(const struct job *job, const struct hub_plan_file *planned)
{
    if (job->hash_name != NULL)
        return job->hash_name;
    return planned->name != NULL ? planned->name : job->name;
}

static int
job_begin_file(struct job *job, uint32_t file)
{
    const struct hub_plan_file *planned = &job->plan.files[file];
    const char *name = job_file_name(job, planned);
    const char *shown = job->order->output;
    char *path = hub_path_join(&job->user->budget, job->folder,
                               strlen(job->folder), name);
    int status;

    if (path != NULL && planned->name != NULL)
        shown = hub_arena_text(&job->reading.arena, path, strlen(path));
    if (path == NULL || shown == NULL) {
        hub_release(&job->user->budget, path);
        return job_report(job)->status;
    }
    job_report(job)->file = shown;
    job_report(job)->plugin = NULL;
    status = hub_sink_begin(&job->user->budget, path, planned->size_bytes,
                            job->order->force || job->hash_name != NULL,
                            &job->sinks[file]);
    hub_release(&job->user->budget, path);
    return status;
}

static bool
job_replaces(const struct job *job, const struct ckpt_source *source)
{
    struct stat seen;
    uint32_t i;

    for (i = 0; i < job->plan.file_count; i++)
        if (job->sinks[i]->replaces &&
            stat(job->sinks[i]->target, &seen) == 0 &&
            seen.st_dev == source->seen.st_dev &&
            seen.st_ino == source->seen.st_ino)
            return true;
    return false;
}

/* What lies beside a file that was read is not replaced without that file,
 * which would be left with the bytes of another. */
static int
job_spares(struct job *job)
{
    const struct ckpt_source *source = job->reading.host.sources;

    for (; source != NULL; source = source->next) {
        if (source->origin == NULL || source->origin->folder ||
            !job_replaces(job, source) || job_replaces(job, source->origin))
            continue;
        job_report(job)->file = job->order->output;
        return hub_fail(job_report(job), CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                        "%s would be replaced, of which %s has its bytes",
                        source->name, source->origin->path);
    }
    return CKPT_OK;
}

/* Room for all files before the first byte of any. */
static int
job_begin(struct job *job)
{
    uint32_t i;
    int status = CKPT_OK;

    job->sinks = hub_allocate(&job->user->budget,
                              job->plan.file_count * sizeof *job->sinks);
    if (job->sinks == NULL)
        return job_report(job)->status;
    for (i = 0; i < job->plan.file_count && status == CKPT_OK; i++)
        status = job_begin_file(job, i);
    return status == CKPT_OK ? job_spares(job) : status;
}

static bool
job_syncs(const struct job *job, uint32_t file)
{
    return job->order->sync || job->sinks[file]->replaces;
}

static int
job_drive(struct job *job)
{
    struct hub_sink *sink = job->sinks[0];
    int status;

    job_report(job)->file = job->reading.path;
    status =
        job_blame(job, hub_drive(&job->reading.host, &job->format->writer,
                                 job->self, &job->fit.fitted.public, sink));
    if (status == CKPT_OK)
        status = hub_sink_finish(sink, job_syncs(job, 0));
    job->plan.files[0].size_bytes = sink->size_bytes;
    return status == CKPT_OK ? hub_host_unchanged(&job->reading.host) : status;
}

static int
job_pump(struct job *job)
{
    struct hub_pump pump = {.user = job->user,
                            .host = &job->reading.host,
                            .plan = &job->plan,
                            .writer = &job->format->writer,
                            .self = job->self,
                            .spool = &job->spool};
    size_t segment = 0;
    uint32_t i;
    int status = CKPT_OK;

    job_report(job)->file = job->reading.path;
    for (i = 0; i < job->plan.file_count && status == CKPT_OK; i++) {
        status =
            job_blame(job, hub_pump_file(&pump, job->sinks[i], i, &segment));
        if (status == CKPT_OK)
            status = hub_sink_finish(job->sinks[i], job_syncs(job, i));
    }
    return status == CKPT_OK ? hub_reading_unchanged(&job->reading) : status;
}

static int
job_commit(struct job *job)
{
    uint32_t i;
    int status = CKPT_OK;

    job_report(job)->file = job->order->output;
    if (job->hash_name != NULL)
        status = hub_hash_sink(job->sinks[0], job->order->force);
    for (i = 0; i < job->plan.file_count && status == CKPT_OK; i++)
        status = hub_sink_commit(job->sinks[i], job->order->force,
                                 job_syncs(job, i));
    return status;
}

/* The last part of a path. */
static const char *
job_last(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static void
job_summary(const struct job *job, struct ckpt_summary *summary)
{
    size_t i;

    if (summary == NULL)
        return;
    memset(summary, 0, sizeof *summary);
    summary->format = job->format->info.id;
    summary->tensor_count = job->fit.fitted.public.entry_count;
    summary->file_count = job->plan.file_count;
    summary->loss_count = job_report(job)->loss_count;
    for (i = 0; i < job->plan.file_count; i++)
        summary->size_bytes += job->plan.files[i].size_bytes;
    if (job->hash_name != NULL && job->sinks != NULL)
        snprintf(summary->name, sizeof summary->name, "%s",
                 job_last(job->sinks[0]->target));
}

static void
job_fini(struct job *job)
{
    size_t i;

    for (i = 0; job->sinks != NULL && i < job->plan.file_count; i++)
        hub_sink_free(job->sinks[i]);
    hub_release(&job->user->budget, job->sinks);
    hub_plan_fini(&job->plan);
    if (job->opened)
        job->format->writer.close(&job->reading.host.table, job->self);
    hub_named_free(job->named);
    hub_fit_fini(&job->fit);
    hub_spool_fini(&job->spool);
    hub_reading_fini(&job->reading);
    job_report(job)->file = NULL;
    job_report(job)->plugin = NULL;
}

int
ckpt_convert(struct ckpt *user, const struct ckpt_conversion *conversion,
             struct ckpt_summary *summary)
{
    struct job job = {.user = user, .order = conversion};
    int status;

    hub_user_begin(user);
    if (conversion->input.path == NULL)
        return hub_fail(&user->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "no input is named");
    user->report.listener = conversion->way_context;
    user->report.told = conversion->told;
    status = hub_reading_init(&job.reading, user, &conversion->input);
    user->report.told = NULL;
    if (status == CKPT_OK)
        status = job_matched(&job);
    if (status == CKPT_OK)
        status = job_output(&job);
    if (status == CKPT_OK)
        status = job_writer(&job);
    if (status == CKPT_OK)
        status = job_plan(&job);
    if (status == CKPT_OK)
        status = job_hash_name(&job);
    if (status == CKPT_OK && conversion->way != NULL)
        status = hub_ways(&job.reading, &job.fit, conversion->way,
                          conversion->way_context);
    if (status == CKPT_OK && !conversion->dry_run)
        status = job_begin(&job);
    if (status == CKPT_OK && !conversion->dry_run)
        status = job.drives ? job_drive(&job) : job_pump(&job);
    if (status == CKPT_OK && !conversion->dry_run)
        status = job_commit(&job);
    if (status == CKPT_OK)
        job_summary(&job, summary);
    job_fini(&job);
    return status;
}
