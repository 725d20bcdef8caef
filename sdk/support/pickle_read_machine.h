/* SPDX-License-Identifier: MIT
 *
 * What the files of the pickle machine share: its state and its steps.
 * Nobody else includes this.
 *
 * How a node says what it holds (as.pair):
 *   text kinds   position and size in the input, or with FLAG_POOL in the
 *                pool; with FLAG_LEFT of its place in the file
 *   containers   position and count in the references; before the position
 *                of a list, set or dict that holds anything is its capacity
 *   global       position in the pool and size of the module, then the name,
 *                each with a NUL
 *   call, new    callee and arguments, or with FLAG_EXTRA the number of an
 *                extra
 *   persistent   the node that names it
 */
#ifndef SDK_PICKLE_READ_MACHINE_H
#define SDK_PICKLE_READ_MACHINE_H

#include "endian.h"
#include "pickle_read.h"

#define FLAG_POOL 1
#define FLAG_EXTRA 2
#define FLAG_LEFT 4

/* Where the shared nodes stand, after the ints 0 to 255. */
enum {
    SHARED_NONE = 256,
    SHARED_FALSE,
    SHARED_TRUE,
    SHARED_UNIT,
    SHARED_COUNT
};

struct sdk_pickled_run {
    uint32_t first, count;
};

struct sdk_pickled_extra {
    uint32_t callee, args, kwargs, state;
    struct sdk_pickled_run items, pairs;
};

struct machine {
    const struct ckpt_host *host;
    const struct sdk_pickled_input *input;
    const unsigned char *begin, *at, *end;
    const unsigned char *opcode; /* the one in hand */
    uint32_t protocol;

    struct sdk_pickled_node *nodes;
    size_t node_count, node_capacity;
    uint32_t *refs; /* entry 0 is not used */
    size_t ref_count, ref_capacity;
    struct sdk_pickled_extra *extras;
    size_t extra_count, extra_capacity;
    char *pool;
    size_t pool_bytes, pool_capacity;

    uint32_t *stack;
    size_t depth, stack_capacity;
    uint32_t *marks; /* depths at which MARK stood */
    size_t mark_count, mark_capacity;
    size_t fence;   /* nothing below may be popped */
    uint32_t *memo; /* a node's number and one; 0 is none */
    size_t memo_capacity, memo_count;
};

/* ---- Memory ---- */

/* Makes an array, `array` pointing at its pointer, hold at least `least`
 * entries of `width` bytes; new entries are zero. */
int sdk_unpickle_grow(struct machine *m, void *array, size_t *capacity,
                      size_t width, size_t least);

/* Room for `size_bytes` at the end of the pool, which the caller fills before
 * it asks again. */
int sdk_unpickle_pool(struct machine *m, size_t size_bytes, char **room,
                      uint32_t *position);

/* The position in the file of one in the data. */
uint64_t sdk_unpickle_place(uint64_t origin, const struct sdk_pickle_gap *gaps,
                            size_t gap_count, uint64_t at);

/* ---- Failures, with the place of the opcode in hand ---- */

int sdk_unpickle_fail(const struct machine *m, int status, const char *what);
int sdk_unpickle_fail_form(const struct machine *m, const char *what);
int sdk_unpickle_fail_end(const struct machine *m); /* the data ran out */

/* ---- Operands ---- */

/* The text up to the next newline, which is skipped. */
int sdk_unpickle_line(struct machine *m, const char **line, size_t *size_bytes);

/* A decimal number on a line: the operand of PUT and GET. */
int sdk_unpickle_index(struct machine *m, uint64_t *index);

/* ---- Opcodes: `width` is that of a length or number in bytes ---- */

int sdk_unpickle_text(struct machine *m, int kind, unsigned width);
int sdk_unpickle_left(struct machine *m); /* text that was left in the file */
int sdk_unpickle_long(struct machine *m, unsigned width);
int sdk_unpickle_int(struct machine *m, unsigned width);
int sdk_unpickle_real(struct machine *m);
int sdk_unpickle_text_form(struct machine *m, int opcode); /* I L F S V */

int sdk_unpickle_collect(struct machine *m, int kind, size_t from);
int sdk_unpickle_short_tuple(struct machine *m, size_t count);
int sdk_unpickle_collect_marked(struct machine *m, int kind);
int sdk_unpickle_fill_marked(struct machine *m, bool pairs);
int sdk_unpickle_fill_top(struct machine *m, size_t count, bool pairs);

int sdk_unpickle_global_lines(struct machine *m);
int sdk_unpickle_global_stack(struct machine *m);
int sdk_unpickle_call(struct machine *m, int kind, bool keywords);
int sdk_unpickle_instance(struct machine *m, bool named);
int sdk_unpickle_build(struct machine *m);
int sdk_unpickle_persistent_line(struct machine *m);
int sdk_unpickle_persistent_top(struct machine *m);

/* ---- Parts of opcodes ---- */

/* Says in `node` what two's complement of any length is, low byte first. */
int sdk_unpickle_say_int(struct machine *m, const unsigned char *bytes,
                         size_t size_bytes, bool pooled,
                         struct sdk_pickled_node *node);

/* The next bytes of the input; NULL if there are fewer. */
static inline const unsigned char *
sdk_unpickle_take(struct machine *m, uint64_t size_bytes)
{
    const unsigned char *at = m->at;

    if (size_bytes > (uint64_t)(m->end - at))
        return NULL;
    m->at += size_bytes;
    return at;
}

/* An unsigned little-endian number of 1, 2, 4 or 8 bytes. */
static inline int
sdk_unpickle_number(struct machine *m, unsigned width, uint64_t *number)
{
    const unsigned char *at = sdk_unpickle_take(m, width);

    if (at == NULL)
        return sdk_unpickle_fail_end(m);
    switch (width) {
    case 1:
        *number = at[0];
        break;
    case 2:
        *number = sdk_load_le16(at);
        break;
    case 4:
        *number = sdk_load_le32(at);
        break;
    default:
        *number = sdk_load_le64(at);
    }
    return CKPT_OK;
}

/* Takes the top mark away; the values above it start at `*from`. */
int sdk_unpickle_pop_mark(struct machine *m, size_t *from);

/* Whether `count` values stand above the top mark. */
static inline bool
sdk_unpickle_holds(const struct machine *m, size_t count)
{
    return m->depth - m->fence >= count;
}

static inline int
sdk_unpickle_push(struct machine *m, uint32_t ref)
{
    if (m->depth == m->stack_capacity) {
        int status = sdk_unpickle_grow(m, &m->stack, &m->stack_capacity,
                                       sizeof *m->stack, m->depth + 1);

        if (status != CKPT_OK)
            return status;
    }
    m->stack[m->depth++] = ref;
    return CKPT_OK;
}

/* Adds a node like `node`, made by the opcode in hand, and pushes it. */
static inline int
sdk_unpickle_push_node(struct machine *m, const struct sdk_pickled_node *node)
{
    struct sdk_pickled_node *made;

    if (m->node_count == m->node_capacity) {
        int status = sdk_unpickle_grow(m, &m->nodes, &m->node_capacity,
                                       sizeof *m->nodes, m->node_count + 1);

        if (status != CKPT_OK)
            return status;
    }
    made = &m->nodes[m->node_count];
    *made = *node;
    made->byte = (uint32_t)(m->opcode - m->begin);
    return sdk_unpickle_push(m, (uint32_t)m->node_count++);
}

static inline struct sdk_pickled_node *
sdk_unpickle_top(const struct machine *m, size_t below)
{
    return &m->nodes[m->stack[m->depth - 1 - below]];
}

#endif
