/* SPDX-License-Identifier: MIT
 *
 * Options are declared, not parsed: the hub reads `key=value` from its user,
 * checks it against the declaration, prints help from it, and hands typed
 * values over in the order of the declaration.
 */
#ifndef CKPT_OPTION_H
#define CKPT_OPTION_H

#include <stdbool.h>
#include <stdint.h>

enum ckpt_option_kind {
    CKPT_OPTION_END = 0, /* the entry that closes a list of options */
    CKPT_OPTION_BOOL,    /* yes, no, true, false, 1, 0 */
    CKPT_OPTION_INT,     /* a signed 64-bit integer */
    CKPT_OPTION_SIZE,    /* bytes: 123, 64KiB, 5GB */
    CKPT_OPTION_STRING,  /* any text */
    CKPT_OPTION_CHOICE,  /* one of `choices`; the value is its index */
    CKPT_OPTION_FILE,    /* a path of a file; the hub opens it as a source */
    CKPT_OPTION_GRAPH    /* a path; the hub reads it as it does its input.
                           To a transform it may be given several times */
};

/* One declared option. A list ends with an entry of kind CKPT_OPTION_END. */
struct ckpt_option {
    const char *name;
    uint32_t kind;              /* enum ckpt_option_kind */
    const char *fallback;       /* the default, as text; NULL is unset, and
                                   must be for FILE and GRAPH */
    const char *help;           /* one line, lower case, without full stop */
    const char *const *choices; /* NULL-ended, for CKPT_OPTION_CHOICE */
};

struct ckpt_graph;
struct ckpt_source;

/* The value of one option, at the index of its declaration. What it points to
 * lives until the instance that was opened with it closes. */
struct ckpt_option_value {
    bool given;       /* false: this is the fallback */
    int64_t integer;  /* of a GRAPH: how many times it is given */
    const char *text; /* NULL if unset; of a FILE or GRAPH the path as given */
    /* Of a FILE or GRAPH that is given, else NULL: the file or folder. */
    const struct ckpt_source *source;
    /* Of a GRAPH that is given, else NULL; the last one if there are several.
     * Transforms have it in apply, not yet in open. */
    const struct ckpt_graph *graph;
};

#endif
