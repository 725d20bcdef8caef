/* SPDX-License-Identifier: MIT
 *
 * The opcodes that put values together: containers, names, calls, states
 * and persistent ids. Every target is checked before anything is put there.
 */
#include "pickle_read_machine.h"

#include <string.h>

/* ---- Containers ---- */

/* Room for `count` references at the end of all; the last ones. */
static int
take_refs(struct machine *m, size_t count, uint32_t *first)
{
    if (count > UINT32_MAX / 2 - m->ref_count)
        return sdk_unpickle_fail(m, CKPT_LIMIT, "too many values");
    if (m->ref_count + count > m->ref_capacity) {
        int status = sdk_unpickle_grow(m, &m->refs, &m->ref_capacity,
                                       sizeof *m->refs, m->ref_count + count);

        if (status != CKPT_OK)
            return status;
    }
    *first = (uint32_t)m->ref_count;
    m->ref_count += count;
    return CKPT_OK;
}

/* Appends what stands on the stack from `from` up. A run that is full moves
 * to the end of all references, with room to grow. */
static int
append(struct machine *m, struct sdk_pickled_run *run, size_t from)
{
    size_t more = m->depth - from;
    size_t capacity = run->first ? m->refs[run->first - 1] : 0;

    if (more == 0)
        return CKPT_OK;
    if (more > capacity - run->count) {
        uint32_t first = 0;
        size_t wanted = run->count > 0 ? run->count * (size_t)2 : 0;
        int status;

        if (wanted < run->count + more)
            wanted = run->count + more;
        status = take_refs(m, wanted + 1, &first);
        if (status != CKPT_OK)
            return status;
        m->refs[first++] = (uint32_t)wanted;
        if (run->count > 0)
            memcpy(m->refs + first, m->refs + run->first,
                   run->count * sizeof *m->refs);
        run->first = first;
    }
    memcpy(m->refs + run->first + run->count, m->stack + from,
           more * sizeof *m->refs);
    run->count += (uint32_t)more;
    return CKPT_OK;
}

int
sdk_unpickle_collect(struct machine *m, int kind, size_t from)
{
    struct sdk_pickled_node node = {.kind = (uint8_t)kind};
    size_t count = m->depth - from;
    int status = CKPT_OK;

    if (kind == SDK_PICKLED_TUPLE || kind == SDK_PICKLED_FROZENSET) {
        status = take_refs(m, count, &node.as.pair.first);
        if (status == CKPT_OK && count > 0)
            memcpy(m->refs + node.as.pair.first, m->stack + from,
                   count * sizeof *m->refs);
        node.as.pair.second = (uint32_t)count;
    } else {
        struct sdk_pickled_run run = {0, 0};

        status = append(m, &run, from);
        node.as.pair.first = run.first;
        node.as.pair.second = run.count;
    }
    m->depth = from;
    return status != CKPT_OK ? status : sdk_unpickle_push_node(m, &node);
}

int
sdk_unpickle_short_tuple(struct machine *m, size_t count)
{
    if (!sdk_unpickle_holds(m, count))
        return sdk_unpickle_fail_form(m, "a tuple of absent values");
    return sdk_unpickle_collect(m, SDK_PICKLED_TUPLE, m->depth - count);
}

int
sdk_unpickle_collect_marked(struct machine *m, int kind)
{
    size_t from = 0;
    int status = sdk_unpickle_pop_mark(m, &from);

    if (status != CKPT_OK)
        return status;
    if (kind == SDK_PICKLED_DICT && (m->depth - from) % 2 != 0)
        return sdk_unpickle_fail_form(m, "a key without a value");
    return sdk_unpickle_collect(m, kind, from);
}

static inline bool
is_object(const struct sdk_pickled_node *node)
{
    return node->kind == SDK_PICKLED_CALL || node->kind == SDK_PICKLED_NEW;
}

static int
find_extra(struct machine *m, struct sdk_pickled_node *object,
           struct sdk_pickled_extra **extra)
{
    if (!(object->flags & FLAG_EXTRA)) {
        struct sdk_pickled_extra made = {
            .callee = object->as.pair.first,
            .args = object->as.pair.second,
            .kwargs = SDK_PICKLED_NOTHING,
            .state = SDK_PICKLED_NOTHING,
        };

        if (m->extra_count == m->extra_capacity) {
            int status =
                sdk_unpickle_grow(m, &m->extras, &m->extra_capacity,
                                  sizeof *m->extras, m->extra_count + 1);

            if (status != CKPT_OK)
                return status;
        }
        m->extras[m->extra_count] = made;
        object->flags |= FLAG_EXTRA;
        object->as.pair.first = (uint32_t)m->extra_count++;
        object->as.pair.second = 0;
    }
    *extra = &m->extras[object->as.pair.first];
    return CKPT_OK;
}

static int
fill_plain(struct machine *m, struct sdk_pickled_node *node, size_t from)
{
    struct sdk_pickled_run run = {node->as.pair.first, node->as.pair.second};
    int status = append(m, &run, from);

    node->as.pair.first = run.first;
    node->as.pair.second = run.count;
    return status;
}

/* Puts the values from `from` up into the container below them. */
static int
fill(struct machine *m, size_t from, bool pairs)
{
    struct sdk_pickled_node *node;
    struct sdk_pickled_extra *extra = NULL;
    bool plain;
    int status;

    if (from <= m->fence)
        return sdk_unpickle_fail_form(m, "no container below the values");
    if (pairs && (m->depth - from) % 2 != 0)
        return sdk_unpickle_fail_form(m, "a key without a value");
    node = &m->nodes[m->stack[from - 1]];
    plain =
        pairs ? node->kind == SDK_PICKLED_DICT
              : node->kind == SDK_PICKLED_LIST || node->kind == SDK_PICKLED_SET;
    if (plain) {
        status = fill_plain(m, node, from);
    } else if (is_object(node)) {
        status = find_extra(m, node, &extra);
        if (status == CKPT_OK)
            status = append(m, pairs ? &extra->pairs : &extra->items, from);
    } else {
        return sdk_unpickle_fail_form(m,
                                      pairs ? "pairs put into what is no dict"
                                            : "items put into what is no list");
    }
    m->depth = from;
    return status;
}

int
sdk_unpickle_fill_marked(struct machine *m, bool pairs)
{
    size_t from = 0;
    int status = sdk_unpickle_pop_mark(m, &from);

    return status != CKPT_OK ? status : fill(m, from, pairs);
}

int
sdk_unpickle_fill_top(struct machine *m, size_t count, bool pairs)
{
    if (!sdk_unpickle_holds(m, count + 1))
        return sdk_unpickle_fail_form(m, "a container of absent values");
    return fill(m, m->depth - count, pairs);
}

/* ---- Names ---- */

static int
push_global(struct machine *m, const char *module, size_t module_bytes,
            const char *name, size_t name_bytes)
{
    struct sdk_pickled_node node = {.kind = SDK_PICKLED_GLOBAL};
    char *room = NULL;
    int status;

    if (memchr(module, '\0', module_bytes) != NULL ||
        memchr(name, '\0', name_bytes) != NULL)
        return sdk_unpickle_fail_form(m, "a name with a zero byte");
    status = sdk_unpickle_pool(m, module_bytes + name_bytes + 2, &room,
                               &node.as.pair.first);
    if (status != CKPT_OK)
        return status;
    memcpy(room, module, module_bytes);
    room[module_bytes] = '\0';
    memcpy(room + module_bytes + 1, name, name_bytes);
    room[module_bytes + 1 + name_bytes] = '\0';
    node.as.pair.second = (uint32_t)module_bytes;
    return sdk_unpickle_push_node(m, &node);
}

int
sdk_unpickle_global_lines(struct machine *m)
{
    const char *module = NULL, *name = NULL;
    size_t module_bytes = 0, name_bytes = 0;
    int status = sdk_unpickle_line(m, &module, &module_bytes);

    if (status == CKPT_OK)
        status = sdk_unpickle_line(m, &name, &name_bytes);
    if (status != CKPT_OK)
        return status;
    return push_global(m, module, module_bytes, name, name_bytes);
}

/* Text that stands in the input; names in the pool would move under us, and
 * only protocol 0, which has no STACK_GLOBAL, puts text there. */
static bool
plain_text(const struct machine *m, const struct sdk_pickled_node *node,
           struct ckpt_text *text)
{
    if ((node->kind != SDK_PICKLED_TEXT && node->kind != SDK_PICKLED_STR) ||
        (node->flags & FLAG_POOL))
        return false;
    text->data = (const char *)m->begin + node->as.pair.first;
    text->size_bytes = node->as.pair.second;
    return true;
}

int
sdk_unpickle_global_stack(struct machine *m)
{
    struct ckpt_text module = {NULL, 0}, name = {NULL, 0};

    if (!sdk_unpickle_holds(m, 2) ||
        !plain_text(m, sdk_unpickle_top(m, 1), &module) ||
        !plain_text(m, sdk_unpickle_top(m, 0), &name))
        return sdk_unpickle_fail_form(m, "a name that is no text");
    if ((sdk_unpickle_top(m, 1)->flags | sdk_unpickle_top(m, 0)->flags) &
        FLAG_LEFT)
        return sdk_unpickle_fail(m, CKPT_LIMIT, "a name of great length");
    m->depth -= 2;
    return push_global(m, module.data, module.size_bytes, name.data,
                       name.size_bytes);
}

/* ---- Objects ---- */

static int
push_object(struct machine *m, int kind, uint32_t callee, uint32_t args,
            uint32_t kwargs)
{
    struct sdk_pickled_node node = {.kind = (uint8_t)kind};
    const struct sdk_pickled_node *called = &m->nodes[callee];
    struct sdk_pickled_extra *extra = NULL;
    int status;

    if (!is_object(called) && called->kind != SDK_PICKLED_GLOBAL &&
        called->kind != SDK_PICKLED_PERSISTENT)
        return sdk_unpickle_fail_form(m, "a call of what is no name");
    if (m->nodes[args].kind != SDK_PICKLED_TUPLE)
        return sdk_unpickle_fail_form(m, "arguments that are no tuple");
    if (kwargs != SDK_PICKLED_NOTHING &&
        m->nodes[kwargs].kind != SDK_PICKLED_DICT)
        return sdk_unpickle_fail_form(m, "keyword arguments that are no dict");
    node.as.pair.first = callee;
    node.as.pair.second = args;
    status = sdk_unpickle_push_node(m, &node);
    if (status != CKPT_OK || kwargs == SDK_PICKLED_NOTHING)
        return status;
    status = find_extra(m, sdk_unpickle_top(m, 0), &extra);
    if (status == CKPT_OK)
        extra->kwargs = kwargs;
    return status;
}

int
sdk_unpickle_call(struct machine *m, int kind, bool keywords)
{
    size_t count = keywords ? 3 : 2;
    const uint32_t *top;

    if (!sdk_unpickle_holds(m, count))
        return sdk_unpickle_fail_form(m, "a call of absent values");
    m->depth -= count;
    top = m->stack + m->depth;
    return push_object(m, kind, top[0], top[1],
                       keywords ? top[2] : SDK_PICKLED_NOTHING);
}

/* OBJ: the class and its arguments stand above a mark. INST: the arguments
 * alone do, and the opcode names the class. */
int
sdk_unpickle_instance(struct machine *m, bool named)
{
    size_t from = 0;
    uint32_t callee;
    int status = sdk_unpickle_pop_mark(m, &from);

    if (status == CKPT_OK && named)
        status = sdk_unpickle_global_lines(m);
    if (status != CKPT_OK)
        return status;
    if (m->depth == from)
        return sdk_unpickle_fail_form(m, "an instance without a class");
    callee = m->stack[named ? m->depth - 1 : from];
    if (named)
        m->depth--;
    else
        memmove(m->stack + from, m->stack + from + 1,
                (--m->depth - from) * sizeof *m->stack);
    status = sdk_unpickle_collect(m, SDK_PICKLED_TUPLE, from);
    if (status != CKPT_OK)
        return status;
    m->depth--;
    return push_object(m, SDK_PICKLED_CALL, callee, m->stack[m->depth],
                       SDK_PICKLED_NOTHING);
}

int
sdk_unpickle_build(struct machine *m)
{
    struct sdk_pickled_extra *extra = NULL;
    int status;

    if (!sdk_unpickle_holds(m, 2))
        return sdk_unpickle_fail_form(m, "a state of absent values");
    if (!is_object(sdk_unpickle_top(m, 1)))
        return sdk_unpickle_fail_form(m, "a state for what is no object");
    status = find_extra(m, sdk_unpickle_top(m, 1), &extra);
    if (status != CKPT_OK)
        return status;
    if (extra->state != SDK_PICKLED_NOTHING)
        return sdk_unpickle_fail(m, CKPT_UNSUPPORTED,
                                 "a second state for one object");
    extra->state = m->stack[--m->depth];
    return CKPT_OK;
}

int
sdk_unpickle_persistent_top(struct machine *m)
{
    struct sdk_pickled_node node = {.kind = SDK_PICKLED_PERSISTENT};

    if (!sdk_unpickle_holds(m, 1))
        return sdk_unpickle_fail_form(m, "a persistent id that is absent");
    node.as.pair.first = m->stack[--m->depth];
    return sdk_unpickle_push_node(m, &node);
}

int
sdk_unpickle_persistent_line(struct machine *m)
{
    struct sdk_pickled_node node = {.kind = SDK_PICKLED_TEXT};
    const char *line = NULL;
    size_t size_bytes = 0;
    int status = sdk_unpickle_line(m, &line, &size_bytes);

    if (status != CKPT_OK)
        return status;
    node.as.pair.first = (uint32_t)(line - (const char *)m->begin);
    node.as.pair.second = (uint32_t)size_bytes;
    status = sdk_unpickle_push_node(m, &node);
    return status != CKPT_OK ? status : sdk_unpickle_persistent_top(m);
}
