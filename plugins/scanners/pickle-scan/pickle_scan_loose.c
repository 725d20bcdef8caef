/* SPDX-License-Identifier: MIT
 *
 * A pickle that is told by no PROTO, amid other bytes. Two lines of text look
 * like an import too, so that only what certainly does harm is one: something
 * dangerous is called, and all that the call takes was put there before.
 */
#include <string.h>

#include "pickle_scan_names.h"
#include "pickle_scan_seek.h"
#include "pickle_scan_walk.h"

#define MARK_BYTES 4096 /* how far before an import its mark is, */
#define MARKS_MAX 64    /* and how many of them are tried */
#define LINES_BYTES 520
#define LOOK_COST 256

/* Whether the opcode took nothing from an empty stack, nor did any before. */
static bool
is_sound(const struct pickle_scan_walk *walk, uint64_t byte, bool inclusive)
{
    uint64_t first = walk->odd_bytes[ODD_UNDERFLOW];

    return walk->oddities[ODD_UNDERFLOW] == 0 || byte < first ||
           (inclusive && byte == first);
}

/* Whether it does harm. `bare`: also by a call that lacks its mark. */
static bool
does_harm(const struct pickle_scan_walk *walk, bool bare)
{
    size_t i;

    for (i = 0; i < walk->global_count; i++) {
        const struct pickle_scan_global *global = walk->globals[i];

        if (global->severity == CKPT_SEVERITY_DANGEROUS && global->plain &&
            global->call_count > 0 && is_sound(walk, global->call_byte, bare))
            return true;
    }
    return walk->made_count > 0 && walk->oddities[ODD_CALL] > 0 &&
           is_sound(walk, walk->odd_bytes[ODD_CALL], false);
}

/* Whether the two lines at `at` are worth a walk: no strangers' names, which
 * lists of words are full of. */
static int
is_known(const struct pickle_scan_view *view, uint64_t at, uint32_t *severity)
{
    char lines[LINES_BYTES + 1], *name, *end;
    size_t got = 0;
    const char *why;
    int status = pickle_scan_copy(view, at + 1, lines, LINES_BYTES, &got);

    *severity = CKPT_SEVERITY_SUSPICIOUS;
    if (status == CKPT_OK)
        status = pickle_scan_charge(view, LOOK_COST);
    if (status != CKPT_OK)
        return status;
    lines[got] = '\0';
    name = strchr(lines, '\n');
    end = name != NULL ? strchr(name + 1, '\n') : NULL;
    if (end == NULL)
        return CKPT_OK;
    *name++ = '\0';
    *end = '\0';
    if (pickle_scan_identifier(lines) && pickle_scan_identifier(name))
        *severity = pickle_scan_judge(lines, name, false, &why);
    return CKPT_OK;
}

static int
walk_from(const struct pickle_scan_view *view, uint64_t at, unsigned depth,
          struct pickle_scan_walk *walk)
{
    pickle_scan_walk_end(walk);
    return pickle_scan_walk(view->host, view, at, depth, walk);
}

/* From the marks before INST or OBJ, the nearest first. */
static int
walk_marks(const struct pickle_scan_place *place, struct pickle_scan_walk *walk,
           bool *found)
{
    unsigned char before[MARK_BYTES];
    uint64_t left = place->at - place->floor;
    size_t size = left < MARK_BYTES ? (size_t)left : MARK_BYTES, got = 0, tries;
    const unsigned char *mark;
    int status =
        pickle_scan_copy(place->view, place->at - size, before, size, &got);

    for (tries = 0; status == CKPT_OK && tries < MARKS_MAX && !*found;
         tries++) {
        mark = got > 0 ? memrchr(before, '(', got) : NULL;
        if (mark == NULL)
            break;
        got = (size_t)(mark - before);
        status =
            walk_from(place->view, place->at - size + got, place->depth, walk);
        if (status == CKPT_OK)
            *found = does_harm(walk, false);
    }
    return status;
}

int
pickle_scan_loose(const struct pickle_scan_place *place,
                  struct pickle_scan_walk *walk, bool *found)
{
    unsigned char opcode = 0;
    uint32_t severity = CKPT_SEVERITY_DANGEROUS;
    size_t got;
    int status = pickle_scan_copy(place->view, place->at, &opcode, 1, &got);

    *found = false;
    if (status == CKPT_OK && opcode != 0x8c)
        status = is_known(place->view, place->at, &severity);
    if (status != CKPT_OK || severity == CKPT_SEVERITY_SUSPICIOUS ||
        (opcode == 'i' && severity != CKPT_SEVERITY_DANGEROUS))
        return status;
    if (opcode != 'i')
        status = walk_from(place->view, place->at, place->depth, walk);
    if (status == CKPT_OK && opcode != 'i')
        *found = does_harm(walk, false);
    if (status == CKPT_OK && !*found &&
        (opcode == 'i' || does_harm(walk, true)))
        status = walk_marks(place, walk, found);
    return status;
}
