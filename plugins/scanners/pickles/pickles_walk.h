/* SPDX-License-Identifier: MIT
 *
 * A walk over the opcodes of one pickle that builds nothing: it keeps just
 * enough of the stack and the memo to tell what is imported and called. It
 * goes on where a loader would give up, so that what was broken on purpose
 * is listed too, and it reports only what turns out to be a pickle.
 */
#ifndef PICKLES_WALK_H
#define PICKLES_WALK_H

#include "hash_table.h"
#include "pickles_view.h"

#define PICKLES_DEPTH_MAX 8

enum pickles_value_kind {
    VALUE_NOTHING = 0, /* a memo number that was not given */
    VALUE_UNKNOWN,     /* nobody can tell before it is loaded */
    VALUE_DATA,
    VALUE_TEXT,   /* `at`, `size` of its bytes in the view */
    VALUE_QUOTED, /* the same, with quotes and escapes, as protocol 0 has it */
    VALUE_MARK,
    VALUE_GLOBAL, /* `at` is the number of the global */
    VALUE_MADE,   /* by calling that global */
    VALUE_MAGIC,  /* the int that opens torch's stream of pickles */
    VALUE_BAG     /* a container; `at`, `size` are of its first text */
};

struct pickles_value {
    uint8_t kind;
    uint32_t size;
    uint32_t inner; /* of a bag: the number of its first global, and one */
    uint64_t at;
};

/* A global and all that happens to it. */
struct pickles_global {
    char *module, *name; /* one block of memory */
    const char *why;
    char *argument; /* of the first call: a text, or NULL */
    uint64_t import_byte, call_byte, set_byte;
    uint64_t import_count, call_count, set_count;
    uint32_t severity;
    bool plain; /* both names could be names */
};

/* What else is odd; counted, with the first place. */
enum pickles_oddity {
    ODD_EXTENSION, /* an import by number */
    ODD_COMPUTED,  /* an import whose name is made while loading */
    ODD_CALL,      /* a call of something unknown */
    ODD_CHANGED,   /* something imported is changed, not made */
    ODD_UNDERFLOW, /* the stack runs empty */
    ODD_MEMO,      /* a memo number without a value */
    ODD_PROTOCOL,  /* PROTO elsewhere than at the start, or unknown */
    ODD_DEEP,      /* more than is kept of stack or memo */
    ODD_COUNT
};

struct pickles_walk {
    const struct ckpt_host *host;
    const struct pickles_view *view;
    unsigned depth;
    uint64_t begin, at, opcode;
    struct ckpt_span span; /* at span_at; empty once something else peeked */
    uint64_t span_at;

    struct pickles_value *stack;
    size_t stack_count, stack_capacity;
    struct pickles_value *memo;
    size_t memo_capacity;
    uint64_t memo_count;
    struct pickles_value *far; /* memo numbers too large for the array */
    uint64_t *far_index;
    size_t far_count;

    struct pickles_global **globals;
    size_t global_count, global_capacity;
    struct sdk_table index; /* "module\0name" to the number and one */

    uint64_t oddities[ODD_COUNT], odd_bytes[ODD_COUNT];
    uint64_t opcode_count;
    bool proto, stopped, cut;
    const char *broken; /* why the walk ended before STOP */
    struct pickles_value result;
};

/* ---- pickles_walk.c ---- */

/* Walks from `at` up to STOP or to where no opcode can be read. The walk is
 * zeroed, and freed by pickles_walk_end whatever comes. */
int pickles_walk(const struct ckpt_host *host, const struct pickles_view *view,
                 uint64_t at, unsigned depth, struct pickles_walk *walk);
void pickles_walk_end(struct pickles_walk *walk);

/* Whether what was walked is a pickle, and not bytes of another kind. */
bool pickles_is_pickle(const struct pickles_walk *walk);

/* ---- pickles_report.c ---- */

/* Tells what the walk saw. */
int pickles_report(const struct pickles_walk *walk);

/* Adds one finding about the view. */
int pickles_find(const struct pickles_view *view, uint32_t severity,
                 const char *kind, const char *name, uint64_t byte,
                 const char *text);

/* ---- pickles_opcodes.c ---- */

/* One opcode, which is in hand; `*done` after STOP. */
int pickles_step(struct pickles_walk *walk, unsigned opcode, bool *done);

/* ---- Between both ---- */

int pickles_need(struct pickles_walk *walk, size_t wanted);
void pickles_odd(struct pickles_walk *walk, enum pickles_oddity oddity);
int pickles_push(struct pickles_walk *walk, struct pickles_value value);
struct pickles_value pickles_pop(struct pickles_walk *walk);
int pickles_memo_put(struct pickles_walk *walk, uint64_t index);
int pickles_memo_get(struct pickles_walk *walk, uint64_t index);

/* The text of a value with a NUL, in memory that the caller releases; NULL
 * in `*text` if it is none or too long for a name. */
int pickles_text(struct pickles_walk *walk, struct pickles_value value,
                 char **text);

/* Enters an import, and pushes the global. The texts are taken over. */
int pickles_import(struct pickles_walk *walk, char *module, char *name);

/* ---- pickles_sweep.c ---- */

/* Looks at a text or bytes of a pickle: is it a pickle, an archive? */
int pickles_look_inside(struct pickles_walk *walk, struct pickles_value value);

#endif
