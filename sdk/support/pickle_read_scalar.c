/* SPDX-License-Identifier: MIT
 *
 * The operands of opcodes, and the opcodes that push one scalar. Every length
 * is compared with the bytes that are left before it is used.
 */
#include "pickle_read_machine.h"

#include <string.h>

#include "endian.h"

int
sdk_unpickle_line(struct machine *m, const char **line, size_t *size_bytes)
{
    const unsigned char *end = memchr(m->at, '\n', (size_t)(m->end - m->at));

    if (end == NULL)
        return sdk_unpickle_fail_end(m);
    *line = (const char *)m->at;
    *size_bytes = (size_t)(end - m->at);
    m->at = end + 1;
    return CKPT_OK;
}

int
sdk_unpickle_index(struct machine *m, uint64_t *index)
{
    const char *line = NULL;
    size_t i, size_bytes = 0;
    int status = sdk_unpickle_line(m, &line, &size_bytes);

    if (status != CKPT_OK)
        return status;
    if (size_bytes == 0 || size_bytes > 10)
        return sdk_unpickle_fail_form(m, "a memo number of a strange length");
    for (i = 0, *index = 0; i < size_bytes; i++) {
        if (line[i] < '0' || line[i] > '9')
            return sdk_unpickle_fail_form(m, "a memo number without digits");
        *index = *index * 10 + (uint64_t)(line[i] - '0');
    }
    return CKPT_OK;
}

int
sdk_unpickle_left(struct machine *m)
{
    const unsigned char *at;
    struct sdk_pickled_node node = {.flags = FLAG_LEFT};

    if (!m->input->outlined)
        return sdk_unpickle_fail_form(m, "an unknown opcode");
    at = sdk_unpickle_take(m, 17);
    if (at == NULL)
        return sdk_unpickle_fail_end(m);
    node.kind = at[0];
    node.as.pair.first = (uint32_t)(at + 1 - m->begin);
    return sdk_unpickle_push_node(m, &node);
}

int
sdk_unpickle_text(struct machine *m, int kind, unsigned width)
{
    struct sdk_pickled_node node = {.kind = (uint8_t)kind};
    const unsigned char *at;
    uint64_t size_bytes = 0;
    int status = sdk_unpickle_number(m, width, &size_bytes);

    if (status != CKPT_OK)
        return status;
    at = sdk_unpickle_take(m, size_bytes);
    if (at == NULL)
        return sdk_unpickle_fail_end(m);
    node.as.pair.first = (uint32_t)(at - m->begin);
    node.as.pair.second = (uint32_t)size_bytes;
    return sdk_unpickle_push_node(m, &node);
}

int
sdk_unpickle_say_int(struct machine *m, const unsigned char *bytes, size_t size,
                     bool pooled, struct sdk_pickled_node *node)
{
    uint64_t value = 0;
    size_t i;

    while (size > 1 && ((bytes[size - 1] == 0 && bytes[size - 2] < 0x80) ||
                        (bytes[size - 1] == 0xff && bytes[size - 2] >= 0x80)))
        size--;
    node->kind = size > 8 ? SDK_PICKLED_WIDE : SDK_PICKLED_INT;
    node->flags = pooled ? FLAG_POOL : 0;
    if (size > 8) {
        const char *base = pooled ? m->pool : (const char *)m->begin;

        node->as.pair.first = (uint32_t)((const char *)bytes - base);
        node->as.pair.second = (uint32_t)size;
        return CKPT_OK;
    }
    if (size > 0 && bytes[size - 1] >= 0x80)
        value = UINT64_MAX;
    for (i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    memcpy(&node->as.integer, &value, sizeof value);
    return CKPT_OK;
}

int
sdk_unpickle_long(struct machine *m, unsigned width)
{
    struct sdk_pickled_node node = {0};
    const unsigned char *at;
    uint64_t size_bytes = 0;
    int status = sdk_unpickle_number(m, width, &size_bytes);

    if (status != CKPT_OK)
        return status;
    at = sdk_unpickle_take(m, size_bytes);
    if (at == NULL)
        return sdk_unpickle_fail_end(m);
    status = sdk_unpickle_say_int(m, at, (size_t)size_bytes, false, &node);
    return status != CKPT_OK ? status : sdk_unpickle_push_node(m, &node);
}

int
sdk_unpickle_int(struct machine *m, unsigned width)
{
    struct sdk_pickled_node node = {.kind = SDK_PICKLED_INT};
    uint64_t number = 0;
    int status = sdk_unpickle_number(m, width, &number);

    if (status != CKPT_OK)
        return status;
    if (number < SHARED_NONE)
        return sdk_unpickle_push(m, (uint32_t)number);
    node.as.integer = width == 4 ? (int32_t)(uint32_t)number : (int64_t)number;
    return sdk_unpickle_push_node(m, &node);
}

int
sdk_unpickle_real(struct machine *m)
{
    struct sdk_pickled_node node = {.kind = SDK_PICKLED_FLOAT};
    const unsigned char *at = sdk_unpickle_take(m, 8);
    uint64_t bits;

    if (at == NULL)
        return sdk_unpickle_fail_end(m);
    bits = sdk_load_be64(at);
    memcpy(&node.as.real, &bits, sizeof bits);
    return sdk_unpickle_push_node(m, &node);
}
