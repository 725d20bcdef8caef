/* SPDX-License-Identifier: MIT
 *
 * The digits come into the name last, since nothing else knows all bytes.
 */
#include "hub/run/hash_name.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hub/io/check.h"

#define DIGIT_COUNT 8

static const char zeros[] = "-00000000";

/* Where the suffix begins, or NULL. */
static const char *
suffix_of(const char *name, const char *const *suffixes)
{
    const char *found = strrchr(name, '.');
    size_t length = strlen(name), bytes;

    for (; suffixes != NULL && *suffixes != NULL; suffixes++) {
        bytes = strlen(*suffixes);
        if (bytes < length && strcmp(name + length - bytes, *suffixes) == 0 &&
            (*suffixes)[0] == '.' && name + length - bytes < found)
            found = name + length - bytes;
    }
    return found != name ? found : NULL;
}

/* Whether a reader of hashes would find one before ours. */
static bool
misleads(const char *name, const char *digits)
{
    const char *dash = strchr(name, '-');

    for (; dash != NULL && dash < digits; dash = strchr(dash + 1, '-'))
        if (dash[1 + strspn(dash + 1, "0123456789abcdef")] == '.')
            return true;
    return false;
}

int
hub_hash_name(struct hub_arena *arena, const char *name,
              const char *const *suffixes, char **made)
{
    struct hub_report *report = arena->budget->report;
    const char *suffix = suffix_of(name, suffixes);
    size_t stem, room = strlen(name) + sizeof zeros;
    char *text;

    if (suffix == NULL)
        return hub_fail(report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "a name that tells a hash needs a suffix");
    stem = (size_t)(suffix - name);
    text = hub_arena_allocate(arena, room);
    if (text == NULL)
        return report->status;
    snprintf(text, room, "%.*s%s%s", (int)stem, name, zeros, suffix);
    if (misleads(text, text + stem))
        return hub_fail(report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                        "the name has what reads as another hash");
    *made = text;
    return CKPT_OK;
}

/* The sink's own buffer is free by now. */
static int
sink_digest(struct hub_sink *sink, unsigned char digest[32])
{
    struct hub_check check;
    uint64_t at = 0;
    size_t size;
    int status = hub_check_init(&check, sink->report, CKPT_CHECK_SHA256);

    for (; at < sink->size_bytes && status == CKPT_OK; at += size) {
        size = sink->size_bytes - at < HUB_SINK_BUFFER_BYTES
                   ? (size_t)(sink->size_bytes - at)
                   : HUB_SINK_BUFFER_BYTES;
        status = hub_sink_get(sink, at, sink->buffer, size);
        if (status == CKPT_OK)
            hub_check_update(&check, sink->buffer, size);
    }
    if (status == CKPT_OK)
        hub_check_finish(&check, digest);
    hub_check_fini(&check);
    return status;
}

/* Where the zeros are: the last ones, as the suffix has none. */
static char *
sink_zeros(const struct hub_sink *sink)
{
    char *found = NULL, *at = strstr(sink->target, zeros);

    for (; at != NULL; at = strstr(at + 1, zeros))
        found = at;
    return found;
}

int
hub_hash_sink(struct hub_sink *sink, bool force)
{
    char *digits = sink_zeros(sink), text[3];
    unsigned char digest[32];
    struct stat seen;
    size_t i;
    int status = sink_digest(sink, digest);

    if (status != CKPT_OK || digits == NULL)
        return status;
    for (i = 0; i < DIGIT_COUNT / 2; i++) {
        snprintf(text, sizeof text, "%02x", digest[i]);
        memcpy(digits + 1 + 2 * i, text, 2);
    }
    sink->replaces = lstat(sink->target, &seen) == 0;
    if (!sink->replaces || force)
        return CKPT_OK;
    hub_remedy(sink->report, "to replace it, add --force");
    return hub_fail(sink->report, CKPT_CONFLICT, NULL, CKPT_NOWHERE,
                    "the output exists, with %.8s in its name", digits + 1);
}
