/* SPDX-License-Identifier: MIT
 *
 * The pickle machine: its memory, its memo, and the table of opcodes. A step
 * is one opcode; stack, marks and memo are explicit, so nothing recurses.
 */
#include "pickle_read_machine.h"

#include <string.h>

#define PROTOCOL_MAX 5

/* ---- Memory ---- */

/* How much more will come is told by how much of the input is left; so an
 * array grows to about its final size, and never to more than the double. */
int
sdk_unpickle_grow(struct machine *m, void *array, size_t *capacity,
                  size_t width, size_t least)
{
    uint64_t done = (uint64_t)(m->at - m->begin) + 1;
    uint64_t all = m->input->size_bytes;
    size_t wanted = *capacity + *capacity / 4 + 64;
    void *old, *more;

    if (all / done < 2 && *capacity < SIZE_MAX / 64)
        wanted += (size_t)((double)*capacity * (double)(all - done + 1) /
                           (double)done);
    else
        wanted = *capacity * 2 + 64;
    if (wanted < least)
        wanted = least;
    if (wanted > SIZE_MAX / 2 / width)
        return sdk_unpickle_fail(m, CKPT_LIMIT, "too many values");
    memcpy(&old, array, sizeof old);
    more = m->host->reallocate(m->host, old, wanted * width);
    if (more == NULL)
        return CKPT_MEMORY;
    memcpy(array, &more, sizeof more);
    *capacity = wanted;
    return CKPT_OK;
}

int
sdk_unpickle_pool(struct machine *m, size_t size_bytes, char **room,
                  uint32_t *position)
{
    if (size_bytes > UINT32_MAX - m->pool_bytes)
        return sdk_unpickle_fail(m, CKPT_LIMIT, "too much text");
    if (m->pool_bytes + size_bytes > m->pool_capacity) {
        int status = sdk_unpickle_grow(m, &m->pool, &m->pool_capacity, 1,
                                       m->pool_bytes + size_bytes);

        if (status != CKPT_OK)
            return status;
    }
    *room = m->pool + m->pool_bytes;
    *position = (uint32_t)m->pool_bytes;
    m->pool_bytes += size_bytes;
    return CKPT_OK;
}

/* ---- Failures ---- */

static uint64_t
pickle_place(const struct machine *m, size_t at)
{
    return sdk_unpickle_place(m->input->origin, m->input->gaps,
                              m->input->gap_count, at);
}

/* No opcode is in hand: the data ended where one should be. */
static int
pickle_fail_between(const struct machine *m, int status, const char *what)
{
    uint64_t origin = m->input->origin;
    size_t at = m->input->size_bytes;

    if (origin == CKPT_NOWHERE)
        m->host->fail(m->host, status, NULL, CKPT_NOWHERE,
                      "%s: at byte %zu of the pickle", what, at);
    else
        m->host->fail(m->host, status, NULL, pickle_place(m, at), "%s", what);
    return status;
}

int
sdk_unpickle_fail(const struct machine *m, int status, const char *what)
{
    uint64_t origin = m->input->origin;
    size_t at = (size_t)(m->opcode - m->begin);
    unsigned opcode;

    if (at == m->input->size_bytes)
        return pickle_fail_between(m, status, what);
    opcode = *m->opcode;
    if (origin == CKPT_NOWHERE)
        m->host->fail(m->host, status, NULL, CKPT_NOWHERE,
                      "%s: opcode 0x%02x at byte %zu of the pickle", what,
                      opcode, at);
    else
        m->host->fail(m->host, status, NULL, pickle_place(m, at),
                      "%s: opcode 0x%02x of the pickle", what, opcode);
    return status;
}

int
sdk_unpickle_fail_form(const struct machine *m, const char *what)
{
    return sdk_unpickle_fail(m, CKPT_FORMAT, what);
}

int
sdk_unpickle_fail_end(const struct machine *m)
{
    if (m->input->partial)
        return CKPT_END;
    return sdk_unpickle_fail(m, CKPT_FORMAT, "the pickle ends early");
}

/* ---- Marks and memo ---- */

static int
push_mark(struct machine *m)
{
    if (m->mark_count == m->mark_capacity) {
        int status = sdk_unpickle_grow(m, &m->marks, &m->mark_capacity,
                                       sizeof *m->marks, m->mark_count + 1);

        if (status != CKPT_OK)
            return status;
    }
    m->marks[m->mark_count++] = (uint32_t)m->depth;
    m->fence = m->depth;
    return CKPT_OK;
}

int
sdk_unpickle_pop_mark(struct machine *m, size_t *from)
{
    if (m->mark_count == 0)
        return sdk_unpickle_fail_form(m, "no mark");
    *from = m->marks[--m->mark_count];
    m->fence = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    return CKPT_OK;
}

static int
pop(struct machine *m)
{
    size_t from;

    if (m->depth > m->fence) {
        m->depth--;
        return CKPT_OK;
    }
    if (m->mark_count == 0)
        return sdk_unpickle_fail_form(m, "nothing to pop");
    return sdk_unpickle_pop_mark(m, &from);
}

static int
pop_marked(struct machine *m)
{
    size_t from = 0;
    int status = sdk_unpickle_pop_mark(m, &from);

    if (status == CKPT_OK)
        m->depth = from;
    return status;
}

static int
push_again(struct machine *m)
{
    if (!sdk_unpickle_holds(m, 1))
        return sdk_unpickle_fail_form(m, "nothing to double");
    return sdk_unpickle_push(m, m->stack[m->depth - 1]);
}

/* A writer numbers what it memoises, and each took an opcode: a number
 * beyond the bytes so far is an attempt on our memory. */
static int
memo_put(struct machine *m, uint64_t index)
{
    if (!sdk_unpickle_holds(m, 1))
        return sdk_unpickle_fail_form(m, "nothing to memoise");
    if (index > (uint64_t)(m->at - m->begin))
        return sdk_unpickle_fail(m, CKPT_LIMIT, "an absurd memo number");
    if (index >= m->memo_capacity) {
        int status = sdk_unpickle_grow(m, &m->memo, &m->memo_capacity,
                                       sizeof *m->memo, (size_t)index + 1);

        if (status != CKPT_OK)
            return status;
    }
    m->memo_count += m->memo[index] == 0;
    m->memo[index] = m->stack[m->depth - 1] + 1;
    return CKPT_OK;
}

static int
memo_get(struct machine *m, uint64_t index)
{
    if (index >= m->memo_capacity || m->memo[index] == 0)
        return sdk_unpickle_fail_form(m, "a memo number without a value");
    return sdk_unpickle_push(m, m->memo[index] - 1);
}

/* PUT and GET with a number of `width` bytes, or of text if that is 0. */
static int
put(struct machine *m, unsigned width)
{
    uint64_t index = 0;
    int status = width ? sdk_unpickle_number(m, width, &index)
                       : sdk_unpickle_index(m, &index);

    return status != CKPT_OK ? status : memo_put(m, index);
}

static int
get(struct machine *m, unsigned width)
{
    uint64_t index = 0;
    int status = width ? sdk_unpickle_number(m, width, &index)
                       : sdk_unpickle_index(m, &index);

    return status != CKPT_OK ? status : memo_get(m, index);
}

/* ---- Opcodes ---- */

static int
check_protocol(struct machine *m)
{
    uint64_t protocol = 0;
    int status = sdk_unpickle_number(m, 1, &protocol);

    if (status != CKPT_OK)
        return status;
    if (protocol > PROTOCOL_MAX)
        return sdk_unpickle_fail(m, CKPT_UNSUPPORTED, "an unknown protocol");
    m->protocol = (uint32_t)protocol;
    return CKPT_OK;
}

/* A frame is a hint for readers of streams: its length must be there. */
static int
check_frame(struct machine *m)
{
    uint64_t size_bytes = 0;
    int status = sdk_unpickle_number(m, 8, &size_bytes);

    if (status == CKPT_OK && size_bytes > (uint64_t)(m->end - m->at))
        return sdk_unpickle_fail_end(m);
    return status;
}

/* One opcode but STOP. long: flat switch */
static int
step(struct machine *m, int opcode)
{
    switch (opcode) {
    case 'q':
        return put(m, 1);
    case 'r':
        return put(m, 4);
    case 'p':
        return put(m, 0);
    case 0x94:
        return memo_put(m, m->memo_count);
    case 'h':
        return get(m, 1);
    case 'j':
        return get(m, 4);
    case 'g':
        return get(m, 0);
    case 'N':
        return sdk_unpickle_push(m, SHARED_NONE);
    case 0x88:
        return sdk_unpickle_push(m, SHARED_TRUE);
    case 0x89:
        return sdk_unpickle_push(m, SHARED_FALSE);
    case ')':
        return sdk_unpickle_push(m, SHARED_UNIT);
    case 'K':
        return sdk_unpickle_int(m, 1);
    case 'M':
        return sdk_unpickle_int(m, 2);
    case 'J':
        return sdk_unpickle_int(m, 4);
    case 0x8a:
        return sdk_unpickle_long(m, 1);
    case 0x8b:
        return sdk_unpickle_long(m, 4);
    case 'G':
        return sdk_unpickle_real(m);
    case 'I':
    case 'L':
    case 'F':
    case 'S':
    case 'V':
        return sdk_unpickle_text_form(m, opcode);
    case 'X':
        return sdk_unpickle_text(m, SDK_PICKLED_TEXT, 4);
    case 0x8c:
        return sdk_unpickle_text(m, SDK_PICKLED_TEXT, 1);
    case 0x8d:
        return sdk_unpickle_text(m, SDK_PICKLED_TEXT, 8);
    case 'U':
        return sdk_unpickle_text(m, SDK_PICKLED_STR, 1);
    case 'T':
        return sdk_unpickle_text(m, SDK_PICKLED_STR, 4);
    case 'C':
        return sdk_unpickle_text(m, SDK_PICKLED_BYTES, 1);
    case 'B':
        return sdk_unpickle_text(m, SDK_PICKLED_BYTES, 4);
    case 0x8e:
        return sdk_unpickle_text(m, SDK_PICKLED_BYTES, 8);
    case 0x96:
        return sdk_unpickle_text(m, SDK_PICKLED_BYTEARRAY, 8);
    case 0x85:
        return sdk_unpickle_short_tuple(m, 1);
    case 0x86:
        return sdk_unpickle_short_tuple(m, 2);
    case 0x87:
        return sdk_unpickle_short_tuple(m, 3);
    case 't':
        return sdk_unpickle_collect_marked(m, SDK_PICKLED_TUPLE);
    case ']':
        return sdk_unpickle_collect(m, SDK_PICKLED_LIST, m->depth);
    case 'l':
        return sdk_unpickle_collect_marked(m, SDK_PICKLED_LIST);
    case '}':
        return sdk_unpickle_collect(m, SDK_PICKLED_DICT, m->depth);
    case 'd':
        return sdk_unpickle_collect_marked(m, SDK_PICKLED_DICT);
    case 0x8f:
        return sdk_unpickle_collect(m, SDK_PICKLED_SET, m->depth);
    case 0x91:
        return sdk_unpickle_collect_marked(m, SDK_PICKLED_FROZENSET);
    case 'a':
        return sdk_unpickle_fill_top(m, 1, false);
    case 'e':
    case 0x90:
        return sdk_unpickle_fill_marked(m, false);
    case 's':
        return sdk_unpickle_fill_top(m, 2, true);
    case 'u':
        return sdk_unpickle_fill_marked(m, true);
    case '(':
        return push_mark(m);
    case '0':
        return pop(m);
    case '1':
        return pop_marked(m);
    case '2':
        return push_again(m);
    case 'c':
        return sdk_unpickle_global_lines(m);
    case 0x93:
        return sdk_unpickle_global_stack(m);
    case 'R':
        return sdk_unpickle_call(m, SDK_PICKLED_CALL, false);
    case 0x81:
        return sdk_unpickle_call(m, SDK_PICKLED_NEW, false);
    case 0x92:
        return sdk_unpickle_call(m, SDK_PICKLED_NEW, true);
    case 'i':
        return sdk_unpickle_instance(m, true);
    case 'o':
        return sdk_unpickle_instance(m, false);
    case 'b':
        return sdk_unpickle_build(m);
    case 'Q':
        return sdk_unpickle_persistent_top(m);
    case 'P':
        return sdk_unpickle_persistent_line(m);
    case 0x80:
        return check_protocol(m);
    case 0x95:
        return check_frame(m);
    case 0x82:
    case 0x83:
    case 0x84:
        return sdk_unpickle_fail(m, CKPT_UNSUPPORTED, "an extension code");
    case 0x97:
    case 0x98:
        return sdk_unpickle_fail(m, CKPT_UNSUPPORTED, "an out-of-band buffer");
    case SDK_PICKLE_LEFT:
        return sdk_unpickle_left(m);
    default:
        return sdk_unpickle_fail_form(m, "an unknown opcode");
    }
}

/* ---- The whole ---- */

static int
make_shared(struct machine *m)
{
    int status = sdk_unpickle_grow(m, &m->nodes, &m->node_capacity,
                                   sizeof *m->nodes, SHARED_COUNT);
    size_t i;

    if (status != CKPT_OK)
        return status;
    for (i = 0; i < SHARED_NONE; i++) {
        m->nodes[i].kind = SDK_PICKLED_INT;
        m->nodes[i].as.integer = (int64_t)i;
    }
    m->nodes[SHARED_NONE].kind = SDK_PICKLED_NONE;
    m->nodes[SHARED_FALSE].kind = SDK_PICKLED_BOOL;
    m->nodes[SHARED_TRUE].kind = SDK_PICKLED_BOOL;
    m->nodes[SHARED_TRUE].as.truth = true;
    m->nodes[SHARED_UNIT].kind = SDK_PICKLED_TUPLE;
    m->node_count = SHARED_COUNT;
    m->ref_count = 1;
    return CKPT_OK;
}

static int
run(struct machine *m)
{
    unsigned steps = 0;

    while (m->at < m->end) {
        int status;

        m->opcode = m->at++;
        if (*m->opcode == '.')
            return sdk_unpickle_holds(m, 1)
                       ? CKPT_OK
                       : sdk_unpickle_fail_form(m, "no value to return");
        status = step(m, *m->opcode);
        if (status != CKPT_OK)
            return status;
        if ((++steps & 0xfffff) == 0 && m->host->cancelled(m->host))
            return CKPT_CANCELLED;
    }
    m->opcode = m->at;
    return m->input->partial ? CKPT_END
                             : sdk_unpickle_fail_form(
                                   m, "the pickle ends early, before STOP");
}

int
sdk_pickled_parse(const struct ckpt_host *host,
                  const struct sdk_pickled_input *input,
                  struct sdk_pickled *pickled)
{
    static const unsigned char nothing[1];
    struct machine m = {.host = host, .input = input};
    struct sdk_pickled made = {0};
    int status;

    /* An array of four-byte numbers of all of it must be thinkable. */
    if (input->size_bytes >= UINT32_MAX / 4)
        return host->fail(host, CKPT_LIMIT, NULL, input->origin,
                          "a pickle of 1 GiB or more");
    m.begin = input->size_bytes > 0 ? input->data : nothing;
    m.at = m.opcode = m.begin;
    m.end = m.begin + input->size_bytes;
    status = make_shared(&m);
    if (status == CKPT_OK)
        status = run(&m);
    made.root = status == CKPT_OK ? m.stack[m.depth - 1] : 0;
    made.node_count = (uint32_t)m.node_count;
    made.protocol = m.protocol;
    made.end_bytes = (size_t)(m.at - m.begin);
    made.nodes = m.nodes;
    made.refs = m.refs;
    made.extras = m.extras;
    made.pool = m.pool;
    made.input = (const char *)m.begin;
    made.map.origin = input->origin;
    made.map.gaps = input->gaps;
    made.map.gap_count = input->gap_count;
    host->release(host, m.stack);
    host->release(host, m.marks);
    host->release(host, m.memo);
    if (status == CKPT_OK)
        *pickled = made;
    else
        sdk_pickled_fini(host, &made);
    return status;
}

void
sdk_pickled_fini(const struct ckpt_host *host, struct sdk_pickled *pickled)
{
    host->release(host, pickled->nodes);
    host->release(host, pickled->refs);
    host->release(host, pickled->extras);
    host->release(host, pickled->pool);
    memset(pickled, 0, sizeof *pickled);
}
