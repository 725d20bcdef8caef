/* SPDX-License-Identifier: MIT
 *
 * A walk over the opcodes of one pickle that builds nothing: it keeps just
 * enough of the stack and the memo to tell what is imported and called. It
 * goes on where a loader would give up, so that what was broken on purpose
 * is listed too, and it reports only what turns out to be a pickle.
 */
#ifndef PICKLE_SCAN_WALK_H
#define PICKLE_SCAN_WALK_H

#include "hash_table.h"
#include "pickle_scan_view.h"

#define PICKLE_SCAN_DEPTH_MAX 8
#define PICKLE_SCAN_NAME_MAX 4096

enum pickle_scan_value_kind {
    VALUE_NOTHING = 0, /* a memo number that was not given */
    VALUE_UNKNOWN,     /* nobody can tell before it is loaded */
    VALUE_STRANGE,     /* an import of which nobody can tell what it is */
    VALUE_DATA,
    VALUE_TEXT,   /* `at`, `size` of its bytes in the view */
    VALUE_QUOTED, /* the same, with quotes and escapes, as protocol 0 has it */
    VALUE_MARK,
    VALUE_GLOBAL, /* `at` is the number of the global */
    VALUE_MADE,   /* by calling that global */
    VALUE_MAGIC,  /* the int that opens torch's stream of pickles */
    VALUE_BAG     /* a container; `at`, `size` are of its first text */
};

struct pickle_scan_value {
    uint8_t kind;
    bool pair; /* of a bag: that global and that text, and no more */
    uint32_t size;
    uint32_t inner; /* of a bag: the number of its first global, and one */
    uint64_t at;
};

/* A global and all that happens to it. */
struct pickle_scan_global {
    char *module, *name; /* one block of memory */
    const char *why;
    char *argument; /* of the first call: a text, or NULL */
    uint64_t import_byte, call_byte, set_byte;
    uint64_t import_count, call_count, set_count;
    uint64_t taken_count;   /* from the stack, as the global that it is */
    uint64_t reached_count; /* calls of `getattr` whose outcome is known */
    uint32_t reached_severity;
    uint32_t severity;
    bool plain;   /* both names could be names */
    bool reaches; /* it is `getattr` */
};

/* What else is odd; counted, with the first place. */
enum pickle_scan_oddity {
    ODD_EXTENSION, /* an import by number */
    ODD_COMPUTED,  /* an import whose name is made while loading */
    ODD_CALL,      /* a call of something unknown */
    ODD_CHANGED,   /* something imported is changed, not made */
    ODD_UNDERFLOW, /* the stack runs empty */
    ODD_MEMO,      /* a memo number without a value */
    ODD_NUMBER,    /* a memo number that is not plain digits */
    ODD_PROTOCOL,  /* PROTO elsewhere than at the start, or unknown */
    ODD_DEEP,      /* more than is kept of stack or memo */
    ODD_COUNT
};

struct pickle_scan_walk {
    const struct ckpt_host *host;
    const struct pickle_scan_view *view;
    unsigned depth;
    uint64_t begin, at, opcode;
    struct ckpt_span span; /* at span_at; empty once something else peeked */
    uint64_t span_at;

    struct pickle_scan_value *stack;
    size_t stack_count, stack_capacity;
    struct pickle_scan_value *memo;
    size_t memo_capacity;
    uint64_t memo_count;
    struct pickle_scan_value *far; /* memo numbers too large for the array */
    uint64_t *far_index;
    size_t far_count;
    struct sdk_table far_table; /* far_index to its place */
    bool memo_lost;             /* nobody can tell what a number holds */

    struct pickle_scan_global **globals;
    size_t global_count, global_capacity;
    struct sdk_table index; /* "module\0name" to the number and one */

    uint64_t oddities[ODD_COUNT], odd_bytes[ODD_COUNT];
    uint64_t opcode_count;
    uint64_t made_count; /* imports of names that nobody can tell */
    bool proto, stopped, cut;
    const char *broken; /* why the walk ended before STOP */
    struct pickle_scan_value result;
};

/* ---- pickle_scan_walk.c ---- */

/* Walks from `at` up to STOP or to where no opcode can be read. The walk is
 * zeroed, and freed by pickle_scan_walk_end whatever comes. */
int pickle_scan_walk(const struct ckpt_host *host,
                     const struct pickle_scan_view *view, uint64_t at,
                     unsigned depth, struct pickle_scan_walk *walk);
void pickle_scan_walk_end(struct pickle_scan_walk *walk);

/* Whether what was walked is a pickle, and not bytes of another kind. */
bool pickle_scan_is_pickle(const struct pickle_scan_walk *walk);

/* ---- pickle_scan_attribute.c ---- */

bool pickle_scan_is_getattr(const char *module, const char *name);

/* A call of a global: if it is `getattr` of a class and a name, the import of
 * what it reaches is pushed, and *reached becomes true. */
int pickle_scan_reach(struct pickle_scan_walk *walk,
                      struct pickle_scan_value callee,
                      struct pickle_scan_value arguments, bool *reached);

/* After the walk: a `getattr` that did nothing else is as grave as what it
 * reached. */
void pickle_scan_settle(const struct pickle_scan_walk *walk);

/* ---- pickle_scan_report.c ---- */

/* Tells what the walk saw. */
int pickle_scan_report(const struct pickle_scan_walk *walk);

/* Adds one finding about the view. */
int pickle_scan_find(const struct pickle_scan_view *view, uint32_t severity,
                     const char *kind, const char *name, uint64_t byte,
                     const char *text);

/* ---- pickle_scan_operands.c ---- */

/* The walk ends here, and why; *done becomes true. */
int pickle_scan_break(struct pickle_scan_walk *walk, const char *what,
                      bool *done);

/* Reads a number of `width` bytes; *done if it is cut. */
int pickle_scan_number(struct pickle_scan_walk *walk, unsigned width,
                       uint64_t *value, bool *done);

/* Passes over `size_bytes`; whether they are there shows at the next look. */
int pickle_scan_skip(struct pickle_scan_walk *walk, uint64_t size_bytes,
                     bool *done);

/* A line: its place and size without the newline. */
int pickle_scan_line(struct pickle_scan_walk *walk,
                     struct pickle_scan_value *text, bool *done);

/* ---- pickle_scan_opcodes.c ---- */

/* One opcode, which is in hand; `*done` after STOP. */
int pickle_scan_step(struct pickle_scan_walk *walk, unsigned opcode,
                     bool *done);

/* ---- Between both ---- */

int pickle_scan_need(struct pickle_scan_walk *walk, size_t wanted);
void pickle_scan_odd(struct pickle_scan_walk *walk,
                     enum pickle_scan_oddity oddity);
int pickle_scan_push(struct pickle_scan_walk *walk,
                     struct pickle_scan_value value);
/* Takes the top of a stack that is not empty, or says that it is. */
struct pickle_scan_value pickle_scan_take(struct pickle_scan_walk *walk);
struct pickle_scan_value pickle_scan_pop(struct pickle_scan_walk *walk);
int pickle_scan_memo_put(struct pickle_scan_walk *walk, uint64_t index);
int pickle_scan_memo_get(struct pickle_scan_walk *walk, uint64_t index);

/* The text of a value with a NUL, in memory that the caller releases; NULL
 * in `*text` if it is none or too long for a name. */
int pickle_scan_text(struct pickle_scan_walk *walk,
                     struct pickle_scan_value value, char **text);

/* Enters an import, and pushes the global. The texts are taken over. */
int pickle_scan_import(struct pickle_scan_walk *walk, char *module, char *name);

/* ---- pickle_scan_sweep.c ---- */

/* Looks at a text or bytes of a pickle: is it a pickle, an archive? */
int pickle_scan_look_inside(struct pickle_scan_walk *walk,
                            struct pickle_scan_value value);

#endif
