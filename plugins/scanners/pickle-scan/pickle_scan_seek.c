/* SPDX-License-Identifier: MIT
 *
 * Where a pickle could begin amid other bytes:
 *
 *   protocols 2 to 5   PROTO, and a version of 1 to 5
 *   protocols 0 and 1  nothing of their own; but what does harm has an import
 *                      in two lines, "c" or "i", module, name; or two short
 *                      texts in a row, of which STACK_GLOBAL makes one
 *
 * An import in lines is walked from there: what is missing below it on the
 * stack does not matter to most calls. But INST and OBJ take what lies above
 * a mark, so that for them the marks before it are tried too.
 */
#include "pickle_scan_seek.h"

#include <string.h>

#define WINDOW_BYTES ((size_t)16 << 10)
#define SEEK_LINE_MAX ((size_t)256)
#define AHEAD (2 * SEEK_LINE_MAX + 8) /* as far as a first look goes */

static bool
is_word(unsigned char byte)
{
    return (byte | 32u) - 'a' < 26u || byte == '_' || byte >= 0x80 ||
           byte - 0u - '0' < 10u || byte == '.';
}

static size_t
word_bytes(const unsigned char *p, size_t most)
{
    size_t count = 0;

    while (count < most && is_word(p[count]))
        count++;
    return count;
}

/* PROTO and a version. */
static const unsigned char *
find_proto(const unsigned char *p, const unsigned char *end)
{
    for (; p < end; p++) {
        p = memchr(p, 0x80, (size_t)(end - p));
        if (p == NULL || p + 1 == end)
            return NULL;
        if (p[1] >= 1 && p[1] <= 5)
            return p;
    }
    return NULL;
}

/* The opcode of an import in lines, of which the first ends at `line`. */
static const unsigned char *
lines_begin(const unsigned char *from, const unsigned char *line,
            const unsigned char *end)
{
    size_t ahead = (size_t)(end - line) - 1, second;
    const unsigned char *p = line, *best = NULL;

    second =
        word_bytes(line + 1, ahead < SEEK_LINE_MAX ? ahead : SEEK_LINE_MAX);
    if (second == 0 || second == ahead || line[1 + second] != '\n')
        return NULL;
    while (p > from && is_word(p[-1]) && (size_t)(line - p) < SEEK_LINE_MAX)
        if ((*--p == 'c' || *p == 'i') && p + 1 < line)
            best = p;
    return best;
}

static const unsigned char *
find_lines(const unsigned char *p, const unsigned char *end)
{
    const unsigned char *from = p, *found;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        found = p > from && is_word(p[-1]) ? lines_begin(from, p, end) : NULL;
        if (found != NULL)
            return found;
        p++;
    }
    return NULL;
}

/* Two short texts, and STACK_GLOBAL not far behind them. */
static const unsigned char *
find_texts(const unsigned char *p, const unsigned char *end)
{
    for (; p < end && (p = memchr(p, 0x8c, (size_t)(end - p))) != NULL; p++) {
        size_t left = (size_t)(end - p), size = left > 2 ? p[1] : 0;

        if (size == 0 || size + 2 >= left || word_bytes(p + 2, size) != size)
            continue;
        left -= size + 2;
        if (memchr(p + 2 + size, 0x93,
                   left < SEEK_LINE_MAX ? left : SEEK_LINE_MAX))
            return p;
    }
    return NULL;
}

typedef const unsigned char *find_next(const unsigned char *p,
                                       const unsigned char *end);

static find_next *const finders[PICKLE_SCAN_CLUES] = {find_proto, find_lines,
                                                      find_texts};

/* Looks from `at` on for one kind of clue. */
static int
look_for(const struct pickle_scan_view *view, size_t clue, uint64_t at,
         uint64_t *found)
{
    struct ckpt_span span;

    *found = UINT64_MAX;
    for (;;) {
        int status = pickle_scan_peek(view, at, WINDOW_BYTES, &span);
        const unsigned char *p;
        size_t done;

        if (status != CKPT_OK || span.size_bytes < 2)
            return status;
        p = finders[clue](span.data, span.data + span.size_bytes);
        if (p != NULL) {
            *found = at + (uint64_t)(p - span.data);
            return CKPT_OK;
        }
        done = span.size_bytes > AHEAD ? span.size_bytes - AHEAD
                                       : span.size_bytes - 1;
        if (span.size_bytes < WINDOW_BYTES)
            done = span.size_bytes;
        at += done;
        if (view->host->cancelled(view->host))
            return CKPT_CANCELLED;
    }
}

int
pickle_scan_seek(const struct pickle_scan_view *view,
                 struct pickle_scan_seeker *seeker, uint64_t at, bool *more)
{
    uint64_t nearest = UINT64_MAX;
    int status = CKPT_OK;
    size_t i;

    for (i = 0; i < PICKLE_SCAN_CLUES && status == CKPT_OK; i++) {
        if (!seeker->looked || seeker->next[i] < at)
            status = look_for(view, i, at, &seeker->next[i]);
        if (status == CKPT_OK && seeker->next[i] < nearest) {
            nearest = seeker->next[i];
            seeker->loose = i != PICKLE_SCAN_PROTO;
        }
    }
    seeker->looked = true;
    seeker->at = nearest;
    *more = nearest != UINT64_MAX;
    return status;
}
