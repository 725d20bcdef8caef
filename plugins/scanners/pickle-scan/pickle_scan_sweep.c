/* SPDX-License-Identifier: MIT
 *
 * Telling what bytes are by the bytes alone. Several answers may be true at
 * once, and then all are followed: a file that is two things is made so.
 */
#include "pickle_scan_sweep.h"

#include <stdio.h>
#include <string.h>

#define SNIFF_BYTES 16
#define DECODED_MAX ((uint32_t)16 << 20)

/* What is packed in ways that are not unpacked here. */
static const struct {
    const char *bytes;
    size_t offset, size_bytes;
    const char *text;
} packers[] = {
    {"7z\xbc\xaf\x27\x1c", 0, 6, "7z"},
    {"\x28\xb5\x2f\xfd", 0, 4, "zstd"},
    {"\x04\x22\x4d\x18", 0, 4, "lz4"},
    {"Rar!\x1a\x07", 0, 6, "rar"},
    {"\x89HDF\r\n\x1a\n", 0, 8, "HDF5, in which Keras keeps code"},
    {"PYTORCH1", 0, 8, "a container of a PyTorch preview"},
    {"PTMF", 4, 4, "a flatbuffer of PyTorch mobile"},
};

/* ---- Packed bytes ---- */

static int
sweep_unpacked(const struct pickle_scan_view *view, enum pickle_scan_wrap wrap,
               enum pickle_scan_mode mode, unsigned depth, bool *known)
{
    struct pickle_scan_view inner = {0};
    const char *problem;
    char place[400], text[120];
    bool inside = false;
    int status;

    snprintf(place, sizeof place, "%.300s%sunpacked",
             view->place != NULL ? view->place : "",
             view->place != NULL ? ", " : "");
    status = pickle_scan_inflate(view, wrap, place, &inner);
    if (status == CKPT_OK)
        status = pickle_scan_sweep(&inner, mode, depth + 1, &inside);
    problem = pickle_scan_inflate_problem(&inner);
    if (status == CKPT_OK && inside && problem != NULL) {
        snprintf(text, sizeof text, "not looked at to its end: %s", problem);
        status = pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                                  NULL, 0, text);
    }
    *known = *known || inside;
    pickle_scan_inflate_end(&inner);
    return status;
}

/* What a packed file holds may be looked at elsewhere. Behind the packed bytes
 * others may lie as they are. */
static int
sweep_packed(const struct pickle_scan_view *view, enum pickle_scan_wrap wrap,
             enum pickle_scan_mode mode, unsigned depth, bool *known)
{
    bool behind = false;
    int status = CKPT_OK;

    if (mode != PICKLE_SCAN_OUTER)
        status = sweep_unpacked(view, wrap, mode, depth, known);
    return status == CKPT_OK ? pickle_scan_sequence(view, 2, PICKLE_SCAN_BYTES,
                                                    depth, &behind)
                             : status;
}

static int
sweep_packers(const struct pickle_scan_view *view, const unsigned char *start,
              size_t got, bool *known)
{
    char text[120];
    size_t i;

    for (i = 0; i < sizeof packers / sizeof *packers; i++) {
        if (got < packers[i].offset + packers[i].size_bytes ||
            memcmp(start + packers[i].offset, packers[i].bytes,
                   packers[i].size_bytes) != 0)
            continue;
        *known = true;
        snprintf(text, sizeof text, "%s, which nobody here can look into",
                 packers[i].text);
        return pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                                NULL, 0, text);
    }
    return CKPT_OK;
}

/* ---- Everything ---- */

static int
say_several(const struct pickle_scan_view *view, const bool kinds[4])
{
    static const char *const words[4] = {"a zip archive", "a tar archive",
                                         "an array", "a pickle"};
    char text[200] = "this is several things at once:";
    size_t i, used = strlen(text), count = 0;

    for (i = 0; i < 4; i++) {
        if (!kinds[i])
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %s",
                                 count++ > 0 ? " and" : "", words[i]);
    }
    if (count < 2)
        return CKPT_OK;
    return pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "hidden", NULL, 0,
                            text);
}

static bool
is_wrapped(const unsigned char *start, size_t got, enum pickle_scan_wrap *wrap)
{
    if (got < 6)
        return false;
    if (memcmp(start, "\x1f\x8b\x08", 3) == 0)
        *wrap = PICKLE_SCAN_GZIP;
    else if (start[0] == 0x78 && (start[0] * 256 + start[1]) % 31 == 0)
        *wrap = PICKLE_SCAN_ZLIB;
    else if (memcmp(start, "BZh", 3) == 0 && start[3] >= '1' && start[3] <= '9')
        *wrap = PICKLE_SCAN_BZIP2;
    else if (memcmp(start, "\xfd\x37zXZ", 6) == 0 ||
             memcmp(start, "\x5d\0\0", 3) == 0)
        *wrap = PICKLE_SCAN_XZ;
    else
        return false;
    return true;
}

static int
sweep_kinds(const struct pickle_scan_view *view, enum pickle_scan_mode mode,
            unsigned depth, const unsigned char *start, size_t got, bool *known)
{
    bool kinds[4] = {false, false, false, false};
    bool outer = mode == PICKLE_SCAN_OUTER;
    enum pickle_scan_wrap wrap;
    int status = CKPT_OK;

    if (mode != PICKLE_SCAN_VALUE || memcmp(start, "PK\3\4", 4) == 0)
        status = pickle_scan_zip(view, mode, depth, &kinds[0]);
    if (status == CKPT_OK && mode != PICKLE_SCAN_VALUE)
        status = pickle_scan_tar(view, depth, &kinds[1]);
    if (status == CKPT_OK)
        status = pickle_scan_numpy(view, depth, &kinds[2]);
    if (status == CKPT_OK && !kinds[1] && !kinds[2])
        /* The mark of a zip archive is an opcode with a line, which ends
         * somewhere amidst its first member. */
        status = pickle_scan_sequence(
            view, 0, outer || kinds[0] ? PICKLE_SCAN_ELSE : mode, depth,
            &kinds[3]);
    if (status == CKPT_OK)
        status = say_several(view, kinds);
    *known = *known || kinds[0] || kinds[1] || kinds[2] || kinds[3];
    if (status == CKPT_OK && is_wrapped(start, got, &wrap))
        status = sweep_packed(view, wrap, mode, depth, known);
    else if (status == CKPT_OK && !*known)
        status = sweep_packers(view, start, got, known);
    return status;
}

int
pickle_scan_sweep(const struct pickle_scan_view *view,
                  enum pickle_scan_mode mode, unsigned depth, bool *known)
{
    unsigned char start[SNIFF_BYTES] = {0};
    size_t got = 0;
    bool chain = false;
    int status;

    if (depth > PICKLE_SCAN_DEPTH_MAX) {
        *known = true;
        return pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                                NULL, 0,
                                "too many things one within the other");
    }
    status = pickle_scan_copy(view, 0, start, sizeof start, &got);
    if (status == CKPT_OK && got > 0)
        status = pickle_scan_chain(view, depth, &chain);
    if (status == CKPT_OK && got > 0 && !chain)
        status = sweep_kinds(view, mode, depth, start, got, known);
    *known = *known || chain;
    return status;
}

/* ---- Values of a pickle ---- */

/* Text that stands for bytes: UTF-8 of code points below 256, or the escapes
 * of protocol 0. Gives how many bytes came out. */
static size_t
decode(const unsigned char *from, size_t size, bool quoted, unsigned char *to)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 0, count = 0;

    while (i < size) {
        const char *high = NULL, *low = NULL;

        if (quoted && from[i] == '\\' && i + 3 < size && from[i + 1] == 'x') {
            high = memchr(digits, from[i + 2] | 32, 16);
            low = memchr(digits, from[i + 3] | 32, 16);
        }
        if (high != NULL && low != NULL) {
            to[count++] =
                (unsigned char)((high - digits) << 4 | (low - digits));
            i += 4;
        } else if (quoted && from[i] == '\\' && i + 1 < size) {
            to[count++] = from[i + 1] == 'n'   ? '\n'
                          : from[i + 1] == 'r' ? '\r'
                          : from[i + 1] == 't' ? '\t'
                                               : from[i + 1];
            i += 2;
        } else if ((from[i] & 0xfe) == 0xc2 && i + 1 < size) {
            to[count++] =
                (unsigned char)((from[i] & 3) << 6 | (from[i + 1] & 0x3f));
            i += 2;
        } else {
            to[count++] = from[i++];
        }
    }
    return count;
}

static int
look_decoded(const struct pickle_scan_walk *walk,
             const struct pickle_scan_view *part, bool quoted)
{
    const struct ckpt_host *host = walk->host;
    size_t size = (size_t)part->size_bytes, done = 0, got;
    struct pickle_scan_view inner = *part;
    unsigned char *bytes;
    bool known = false;
    int status = CKPT_OK;

    if (part->size_bytes > DECODED_MAX)
        return CKPT_OK;
    bytes = host->allocate(host, size + 1);
    if (bytes == NULL)
        return CKPT_MEMORY;
    for (; done < size && status == CKPT_OK; done += got) {
        size_t left = size - done;

        status = pickle_scan_copy(
            part, done, bytes + done,
            left < PICKLE_SCAN_PEEK_MAX ? left : PICKLE_SCAN_PEEK_MAX, &got);
        if (status != CKPT_OK || got == 0)
            break;
    }
    if (quoted && done >= 2) {
        inner.size_bytes = decode(bytes + 1, done - 2, true, bytes);
    } else {
        inner.size_bytes = decode(bytes, done, false, bytes);
    }
    inner.memory = bytes;
    inner.source = NULL;
    inner.inflater = NULL;
    inner.offset = 0;
    if (status == CKPT_OK)
        status = pickle_scan_sweep(&inner, PICKLE_SCAN_VALUE, walk->depth + 1,
                                   &known);
    host->release(host, bytes);
    return status;
}

/* Whether the start of a value could be that of something that is loaded. */
static bool
may_be(const unsigned char *p, size_t size)
{
    enum pickle_scan_wrap wrap;

    if (size < 4)
        return false;
    if (p[0] == 0x80)
        return p[1] <= 5;
    if (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "\x93NUM", 4) == 0 ||
        is_wrapped(p, size, &wrap))
        return true;
    /* Protocols 0 and 1 begin as they like, but have lines. */
    return strchr("c(]}lditI0SVFLNKMJGUTX)", p[0]) != NULL &&
           memchr(p, '\n', size) != NULL;
}

int
pickle_scan_look_inside(struct pickle_scan_walk *walk,
                        struct pickle_scan_value value)
{
    unsigned char start[256];
    struct pickle_scan_view part;
    bool quoted = value.kind == VALUE_QUOTED, known = false;
    size_t got = 0, skip = quoted;
    char place[400];
    int status;

    part =
        pickle_scan_part(walk->view, value.at, value.size, walk->view->place);
    walk->span.size_bytes = 0;
    status = pickle_scan_copy(&part, 0, start, sizeof start, &got);
    if (status != CKPT_OK || got < 4 + skip)
        return status;
    snprintf(place, sizeof place, "%.300s%sa value at byte %llu",
             part.place != NULL ? part.place : "",
             part.place != NULL ? ", " : "", (unsigned long long)value.at);
    part.place = place;
    if (quoted || (start[0] == 0xc2 && start[1] == 0x80 && start[2] <= 5))
        return memchr(start, '\\', got) != NULL || start[0] == 0xc2
                   ? look_decoded(walk, &part, quoted)
                   : CKPT_OK;
    if (!may_be(start, got))
        return CKPT_OK;
    return pickle_scan_sweep(&part, PICKLE_SCAN_VALUE, walk->depth + 1, &known);
}
