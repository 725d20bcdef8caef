/* SPDX-License-Identifier: MIT
 *
 * Detection. Magics are compared here, so that a plugin is loaded only for a
 * file that could be its own; then its probe looks closer.
 */
#include "hub/load/detect.h"

#include <string.h>
#include <strings.h>

#include "checked.h"
#include "hub/core/options.h"
#include "hub/load/loader.h"

/* Length of the suffix of the format that the name ends in, or 0. */
static size_t
suffix_matches(const struct hub_format *format, const char *name)
{
    const char *const *suffix = format->info.suffixes;
    size_t best = 0, length, name_bytes = strlen(name);

    for (; suffix != NULL && *suffix != NULL; suffix++) {
        length = strlen(*suffix);
        if (length > best && length < name_bytes &&
            strcasecmp(name + name_bytes - length, *suffix) == 0)
            best = length;
    }
    return best;
}

static bool
magic_matches(const struct hub_magic *magic, const struct ckpt_source *source)
{
    struct ckpt_span span;

    return sdk_within(magic->offset, magic->size_bytes, source->size_bytes) &&
           hub_source_peek(source, magic->offset, magic->size_bytes, &span) ==
               CKPT_OK &&
           memcmp(span.data, magic->bytes, magic->size_bytes) == 0;
}

static bool
format_possible(const struct hub_format *format,
                const struct ckpt_source *source)
{
    const struct hub_magic *magic = format->magics;

    if (source->folder)
        return (format->capabilities & CKPT_READS_FOLDERS) != 0;
    if (magic == NULL)
        return true;
    for (; magic != NULL; magic = magic->next)
        if (magic_matches(magic, source))
            return true;
    return false;
}

struct detection {
    struct hub_format *best, *rival; /* rival: an equal claim */
    struct ckpt_evidence evidence;
    /* Without a claim: the format that the file begins or is named as, and
     * what a reader knew it to be instead. */
    struct hub_format *broken;
    struct ckpt_evidence other;
};

/* Whether the claim of `format` beats the best one so far: by evidence, and
 * among equals by the suffix of the name. */
static void
detection_weigh(struct detection *detection, struct hub_format *format,
                const struct ckpt_evidence *evidence, const char *name)
{
    bool suffix = suffix_matches(format, name) > 0;
    bool best_suffix =
        detection->best != NULL && suffix_matches(detection->best, name) > 0;

    if (evidence->level < detection->evidence.level)
        return;
    if (evidence->level == detection->evidence.level) {
        if (suffix == best_suffix)
            detection->rival = format;
        if (suffix == best_suffix || best_suffix)
            return;
    }
    detection->best = format;
    detection->rival = NULL;
    detection->evidence = *evidence;
}

static int
detect_probe(struct hub_registry *registry, struct hub_host *host,
             const struct ckpt_source *source, struct hub_format *format,
             struct ckpt_evidence *evidence)
{
    int status;

    memset(evidence, 0, sizeof *evidence);
    if (hub_plugin_load(registry, format->plugin) != CKPT_OK)
        return CKPT_OK;
    host->report->plugin = format->info.id;
    status = format->reader.probe(&host->table, source, evidence);
    evidence->how[sizeof evidence->how - 1] = '\0';
    host->report->plugin = NULL;
    return status;
}

/* Plugins without a description must be loaded to say what they read. */
static void
detect_load_unknown(struct hub_registry *registry)
{
    struct hub_plugin *plugin;

    for (plugin = registry->plugins; plugin != NULL; plugin = plugin->next)
        if (plugin->info.id == NULL)
            hub_plugin_load(registry, plugin);
}

/* A reader that has no claim either knows what else the file is, or could not
 * read on behind the magic. */
static void
detection_decline(struct detection *detection, struct hub_format *format,
                  const struct ckpt_evidence *evidence,
                  const struct ckpt_source *source)
{
    const char *name = source->name;
    bool suffix = suffix_matches(format, name) > 0;
    bool begins = format->magics != NULL && !source->folder;

    if (evidence->how[0] != '\0')
        detection->other = *evidence;
    else if (detection->broken == NULL
                 ? suffix || begins
                 : suffix && suffix_matches(detection->broken, name) == 0)
        detection->broken = format;
}

/* Whether the file ends before the bytes that would tell this format. */
static bool
detect_cut(const struct hub_format *format, const struct ckpt_source *source)
{
    const struct hub_magic *magic = format->magics;

    if (magic == NULL || suffix_matches(format, source->name) == 0)
        return false;
    for (; magic != NULL; magic = magic->next)
        if (sdk_within(magic->offset, magic->size_bytes, source->size_bytes))
            return false;
    return true;
}

/* No claim, and nothing that the file begins as: one that is cut short is
 * malformed, all others are of a format that nobody here knows. */
static int
detect_nothing(const struct hub_registry *registry, struct hub_host *host,
               const struct ckpt_source *source,
               const struct ckpt_evidence *other)
{
    struct hub_format *format = NULL;

    if (source->folder)
        return hub_fail(host->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                        "no plugin reads such a folder");
    if (source->size_bytes == 0)
        return hub_fail(host->report, CKPT_FORMAT, NULL, CKPT_NOWHERE,
                        "the file is empty");
    while ((format = hub_registry_next(registry, format, true)))
        if (detect_cut(format, source))
            return hub_fail(host->report, CKPT_FORMAT, NULL, source->size_bytes,
                            "the file ends before it can tell its format");
    return hub_fail(host->report, CKPT_UNSUPPORTED, NULL, CKPT_NOWHERE,
                    other->how[0] != '\0' ? "no plugin reads this: %s"
                                          : "no plugin knows this format",
                    other->how);
}

static int
detect_rivals(struct hub_host *host, const struct detection *detection)
{
    const char *best = detection->best->info.id;
    const char *rival = detection->rival->info.id;

    hub_remedy(host->report, "choose with --from %s or --from %s", best, rival);
    return hub_fail(host->report, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                    "both %s and %s claim this file", best, rival);
}

int
hub_detect(struct hub_registry *registry, struct hub_host *host,
           const struct ckpt_source *source, struct hub_format **format,
           struct ckpt_evidence *evidence)
{
    struct hub_format *candidate = NULL;
    struct detection detection = {0};
    struct ckpt_evidence claim;
    int status;

    detect_load_unknown(registry);
    while ((candidate = hub_registry_next(registry, candidate, true))) {
        if (!format_possible(candidate, source))
            continue;
        status = detect_probe(registry, host, source, candidate, &claim);
        if (status != CKPT_OK)
            return status;
        if (claim.level > CKPT_EVIDENCE_NONE)
            detection_weigh(&detection, candidate, &claim, source->name);
        else
            detection_decline(&detection, candidate, &claim, source);
    }
    if (detection.rival != NULL)
        return detect_rivals(host, &detection);
    /* Its reader knows what is wrong with it, and where. */
    if (detection.best == NULL && detection.other.how[0] == '\0') {
        detection.best = detection.broken;
        memcpy(detection.evidence.how, "its name or first bytes", 24);
    }
    if (detection.best == NULL)
        return detect_nothing(registry, host, source, &detection.other);
    *format = detection.best;
    *evidence = detection.evidence;
    return CKPT_OK;
}

static bool
writer_takes(struct hub_registry *registry, struct hub_format *format,
             const char *const *options)
{
    return hub_format_load(registry, format) == CKPT_OK &&
           hub_options_fit(format->info.options, options);
}

/* One that waits to be asked, has the suffix and takes the options; NULL if
 * there is none, or more than one. */
static struct hub_format *
detect_asked(struct hub_registry *registry, const char *name,
             const char *const *options)
{
    struct hub_format *candidate = NULL, *found = NULL;

    while ((candidate = hub_registry_next(registry, candidate, false))) {
        if (!(candidate->capabilities & CKPT_WRITES_IF_ASKED) ||
            suffix_matches(candidate, name) == 0 ||
            !writer_takes(registry, candidate, options))
            continue;
        if (found != NULL)
            return NULL;
        found = candidate;
    }
    return found;
}

/* By the suffix alone. */
static int
detect_usual(struct hub_registry *registry, const char *name,
             struct hub_format **format)
{
    struct hub_format *candidate = NULL, *best = NULL, *rival = NULL;
    size_t length, best_length = 0;

    while ((candidate = hub_registry_next(registry, candidate, false))) {
        length = candidate->capabilities & CKPT_WRITES_IF_ASKED
                     ? 0
                     : suffix_matches(candidate, name);
        if (length == 0 || length < best_length)
            continue;
        rival = length == best_length ? candidate : NULL;
        best = rival != NULL ? best : candidate;
        best_length = length;
    }
    if (best == NULL || rival != NULL) {
        hub_remedy(registry->arena.budget->report,
                   "choose with --to FORMAT; ckpt plugins lists them");
        return hub_fail(registry->arena.budget->report, CKPT_OPTION, NULL,
                        CKPT_NOWHERE,
                        best == NULL ? "no plugin writes files of this name"
                                     : "several plugins write files of this "
                                       "name");
    }
    *format = best;
    return CKPT_OK;
}

int
hub_detect_writer(struct hub_registry *registry, const char *name,
                  const char *const *options, struct hub_format **format)
{
    struct hub_format *usual = NULL, *asked;
    int status;

    detect_load_unknown(registry);
    status = detect_usual(registry, name, &usual);
    if (status != CKPT_OK)
        return status;
    *format = usual;
    if (options == NULL || *options == NULL ||
        writer_takes(registry, usual, options))
        return CKPT_OK;
    asked = detect_asked(registry, name, options);
    if (asked != NULL)
        *format = asked;
    return CKPT_OK;
}
