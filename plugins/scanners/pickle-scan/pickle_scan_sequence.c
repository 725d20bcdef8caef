/* SPDX-License-Identifier: MIT
 *
 * Pickles one after the other, and amid other bytes.
 */
#include <stdio.h>

#include "pickle_scan_seek.h"
#include "pickle_scan_sweep.h"

#define SEQUENCE_MAX 1000000
#define STREAM_PICKLES 5 /* of torch's legacy stream, before the storages */

/* Whether a pickle is worth a word. In a text anything may stand, and raw
 * numbers begin like a pickle of one value now and then: what imports nothing
 * does nothing. */
static bool
counts(const struct pickle_scan_walk *walk, enum pickle_scan_mode mode)
{
    bool calls = walk->oddities[ODD_CALL] || walk->oddities[ODD_CHANGED];
    bool harms = walk->oddities[ODD_COMPUTED] || walk->oddities[ODD_CHANGED];
    bool imports = walk->global_count > 0 || walk->oddities[ODD_EXTENSION] ||
                   walk->oddities[ODD_COMPUTED];
    size_t i;

    for (i = 0; i < walk->global_count; i++) {
        calls = calls || walk->globals[i]->call_count > 0;
        harms = harms || walk->globals[i]->severity == CKPT_SEVERITY_DANGEROUS;
    }
    if (mode == PICKLE_SCAN_FILE)
        return true;
    if (mode == PICKLE_SCAN_ELSE || mode == PICKLE_SCAN_BYTES)
        return calls && harms;
    if (mode == PICKLE_SCAN_VALUE && !walk->proto)
        return calls && (harms || walk->stopped);
    return imports || (walk->proto && walk->stopped);
}

struct sequence {
    const struct pickle_scan_view *view;
    enum pickle_scan_mode mode;
    unsigned depth;
    uint64_t at, count, passed_count; /* passed: not worth a word */
    uint64_t end;                     /* of the last one that was */
    bool magic;                       /* it is torch's legacy stream */
    bool whole;                       /* the last pickle came to its STOP */
    struct pickle_scan_seeker seeker;
};

/* Walks one pickle; `*counted` if it is worth a word. */
static int
sequence_walk(struct sequence *self, struct pickle_scan_walk *walk, bool *found,
              bool *counted)
{
    struct pickle_scan_place place = {.view = self->view,
                                      .at = self->at,
                                      .floor = self->end,
                                      .depth = self->depth};
    int status;

    if (self->seeker.loose && self->seeker.at == self->at) {
        status = pickle_scan_loose(&place, walk, found);
        *counted = *found;
        return status;
    }
    status = pickle_scan_walk(self->view->host, self->view, self->at,
                              self->depth, walk);
    *found = status == CKPT_OK && pickle_scan_is_pickle(walk);
    *counted = *found && counts(walk, self->mode);
    return status;
}

/* Walks one pickle, and reports it. */
static int
sequence_step(struct sequence *self, bool *found)
{
    struct pickle_scan_walk walk = {0};
    bool counted = false;
    int status = sequence_walk(self, &walk, found, &counted);

    if (status == CKPT_OK && counted)
        status = pickle_scan_report(&walk);
    if (*found) {
        self->magic =
            self->magic || (self->at == 0 && walk.result.kind == VALUE_MAGIC);
        self->whole = walk.stopped;
        self->at = walk.at;
        self->count += counted;
        self->passed_count += !counted;
    }
    if (counted)
        self->end = walk.at;
    pickle_scan_walk_end(&walk);
    return status;
}

/* The storages of a legacy stream may be anything, and so may what is behind
 * them. */
static int
sequence_storages(const struct sequence *self)
{
    bool known = false;
    int status =
        pickle_scan_find(self->view, CKPT_SEVERITY_NOTE, "scanned", NULL,
                         self->at, "storages of a legacy stream");

    return status == CKPT_OK
               ? pickle_scan_sequence(self->view, self->at, PICKLE_SCAN_BYTES,
                                      self->depth, &known)
               : status;
}

/* What comes after the last pickle of a file that is one. */
static int
sequence_rest(const struct sequence *self)
{
    uint64_t total = self->count + self->passed_count;
    struct ckpt_span span;
    char text[120];
    int status = CKPT_OK;

    if (self->magic && total >= STREAM_PICKLES)
        return sequence_storages(self);
    if (total > 1 && !self->magic) {
        snprintf(text, sizeof text,
                 "%llu pickles follow each other; a loader sees the first",
                 (unsigned long long)total);
        status = pickle_scan_find(self->view, CKPT_SEVERITY_SUSPICIOUS,
                                  "hidden", NULL, CKPT_NOWHERE, text);
    }
    if (status == CKPT_OK)
        status = pickle_scan_peek(self->view, self->end, 1, &span);
    if (status != CKPT_OK || span.size_bytes == 0 || !self->whole)
        return status;
    return pickle_scan_find(self->view, CKPT_SEVERITY_SUSPICIOUS, "hidden",
                            NULL, self->end,
                            "bytes that are no pickle follow STOP");
}

int
pickle_scan_sequence(const struct pickle_scan_view *view, uint64_t at,
                     enum pickle_scan_mode mode, unsigned depth, bool *known)
{
    struct sequence self = {
        .view = view, .mode = mode, .depth = depth, .at = at, .end = at};
    bool found = true;
    int status = CKPT_OK;

    while (status == CKPT_OK && found &&
           self.count + self.passed_count < SEQUENCE_MAX) {
        uint64_t from = self.at;

        if (self.magic && self.count + self.passed_count == STREAM_PICKLES)
            break;
        status = sequence_step(&self, &found);
        if (status != CKPT_OK || (found && self.at > from && self.whole))
            continue;
        if (mode != PICKLE_SCAN_STREAM && mode != PICKLE_SCAN_BYTES)
            break;
        self.at = (found ? self.at : from) + !found;
        status = pickle_scan_seek(view, &self.seeker, self.at, &found);
        if (status == CKPT_OK && found)
            self.at = self.seeker.at;
    }
    if (status == CKPT_OK && self.count + self.passed_count >= SEQUENCE_MAX)
        status = pickle_scan_find(view, CKPT_SEVERITY_SUSPICIOUS, "unscanned",
                                  NULL, self.at,
                                  "very many pickles: the rest is not looked "
                                  "at");
    if (self.count > 0)
        *known = true;
    if (status == CKPT_OK && self.count > 0 &&
        (mode == PICKLE_SCAN_FILE || mode == PICKLE_SCAN_MEMBER))
        status = sequence_rest(&self);
    return status;
}
