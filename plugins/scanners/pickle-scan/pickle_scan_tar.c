/* SPDX-License-Identifier: MIT
 *
 * A tar archive, member by member. The oldest checkpoints are of this form,
 * with their pickles among raw bytes, so pickles are looked for everywhere.
 *
 *   0    name, 100 bytes         148  checksum, octal
 *   124  size, octal, or with    156  kind
 *        the top bit set binary  257  "ustar", in all but the oldest
 */
#include <stdio.h>
#include <string.h>

#include "pickle_scan_sweep.h"

#define BLOCK_BYTES 512
#define MEMBERS_MAX 100000

static bool
number_of(const unsigned char *field, size_t width, uint64_t *number)
{
    size_t i = 0;

    *number = 0;
    if (field[0] & 0x80) {
        for (i = width - 8; i < width; i++)
            *number = *number << 8 | field[i];
        return true;
    }
    while (i < width && field[i] == ' ')
        i++;
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        *number = *number * 8 + (uint64_t)(field[i] - '0');
    return i == width || field[i] == '\0' || field[i] == ' ';
}

static bool
is_header(const unsigned char *block)
{
    uint64_t sum = 0, told;
    size_t i;

    for (i = 0; i < BLOCK_BYTES; i++)
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    return block[0] != '\0' && number_of(block + 148, 8, &told) && told == sum;
}

static int
look_at_member(const struct pickle_scan_view *view, const unsigned char *block,
               uint64_t at, uint64_t size, unsigned depth)
{
    struct pickle_scan_view part;
    char place[500];
    bool known = false;

    snprintf(place, sizeof place, "%.300s%s%.100s",
             view->place != NULL ? view->place : "",
             view->place != NULL ? ": " : "", (const char *)block);
    part = pickle_scan_part(view, at, size, place);
    return pickle_scan_sweep(&part, PICKLE_SCAN_STREAM, depth + 1, &known);
}

int
pickle_scan_tar(const struct pickle_scan_view *view, unsigned depth,
                bool *known)
{
    unsigned char block[BLOCK_BYTES];
    uint64_t at = 0, size, count = 0, all = 0;
    size_t got = 0;
    int status = pickle_scan_copy(view, 0, block, sizeof block, &got);

    if (status != CKPT_OK || got < sizeof block || !is_header(block))
        return status;
    *known = true;
    status = pickle_scan_size(view, &all);
    if (status == CKPT_OK)
        status = pickle_scan_find(view, CKPT_SEVERITY_NOTE, "scanned", NULL, 0,
                                  "a tar archive");
    while (status == CKPT_OK && got == sizeof block && is_header(block) &&
           count++ < MEMBERS_MAX) {
        if (!number_of(block + 124, 12, &size) || at + BLOCK_BYTES > all)
            break;
        at += BLOCK_BYTES;
        if (size > all - at)
            size = all - at;
        if (size > 0)
            status = look_at_member(view, block, at, size, depth);
        at += (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        if (status == CKPT_OK)
            status = pickle_scan_copy(view, at, block, sizeof block, &got);
        if (status == CKPT_OK && view->host->cancelled(view->host))
            status = CKPT_CANCELLED;
    }
    return status;
}
