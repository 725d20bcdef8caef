/* SPDX-License-Identifier: MIT
 *
 * Scalars, keys and names of values as text.
 */
#include <stdlib.h>
#include <string.h>

#include "walk.h"

/* Wider integers are shown by their size alone: decimal is quadratic. */
#define SCALAR_WIDE_BYTES_MAX 1024

const char *
cli_kind_name(uint32_t kind)
{
    static const char *const names[CKPT_KIND_COUNT] = {
        [CKPT_KIND_NONE] = "none",       [CKPT_KIND_BOOL] = "bool",
        [CKPT_KIND_INT] = "int",         [CKPT_KIND_FLOAT] = "float",
        [CKPT_KIND_COMPLEX] = "complex", [CKPT_KIND_STRING] = "string",
        [CKPT_KIND_BYTES] = "bytes",     [CKPT_KIND_DTYPE] = "dtype",
        [CKPT_KIND_DEVICE] = "device",   [CKPT_KIND_SIZE] = "size",
        [CKPT_KIND_LIST] = "list",       [CKPT_KIND_TUPLE] = "tuple",
        [CKPT_KIND_MAP] = "map",         [CKPT_KIND_OBJECT] = "object",
        [CKPT_KIND_TENSOR] = "tensor",
    };

    return kind < CKPT_KIND_COUNT ? names[kind] : "unknown";
}

bool
cli_is_container(const struct ckpt_value *value)
{
    switch (value->kind) {
    case CKPT_KIND_LIST:
    case CKPT_KIND_TUPLE:
    case CKPT_KIND_MAP:
    case CKPT_KIND_OBJECT:
        return true;
    default:
        return false;
    }
}

size_t
cli_container_count(const struct ckpt_value *value)
{
    switch (value->kind) {
    case CKPT_KIND_LIST:
    case CKPT_KIND_TUPLE:
        return value->as.list.count;
    case CKPT_KIND_MAP:
        return value->as.map.count;
    default:
        return 0;
    }
}

void
cli_object_name(struct cli_out *out, const struct ckpt_object *object)
{
    if (object->module != NULL) {
        cli_out_string(out, object->module);
        cli_out_char(out, '.');
    }
    if (object->name != NULL)
        cli_out_string(out, object->name);
}

/* Divides the limbs, highest last, by 10^9 and returns the remainder. */
static uint32_t
scalar_divide(uint32_t *limbs, size_t *count)
{
    uint64_t rest = 0;
    size_t i;

    for (i = *count; i-- > 0;) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / 1000000000);
        rest %= 1000000000;
    }
    while (*count > 0 && limbs[*count - 1] == 0)
        --*count;
    return (uint32_t)rest;
}

/* Fills limbs with the magnitude of a two's complement number. */
static bool
scalar_magnitude(const struct ckpt_text *wide, uint32_t *limbs, size_t count)
{
    const unsigned char *bytes = (const unsigned char *)wide->data;
    bool negative = bytes[wide->size_bytes - 1] >> 7;
    uint32_t carry = negative;
    size_t i;
    unsigned byte;

    memset(limbs, 0, count * sizeof *limbs);
    for (i = 0; i < wide->size_bytes; i++) {
        byte = negative ? (bytes[i] ^ 0xffu) + carry : bytes[i];
        carry = byte >> 8;
        limbs[i / 4] |= (uint32_t)(byte & 0xff) << i % 4 * 8;
    }
    return negative;
}

bool
cli_out_wide(struct cli_out *out, const struct ckpt_text *wide)
{
    uint32_t limbs[SCALAR_WIDE_BYTES_MAX / 4 + 1];
    uint32_t groups[SCALAR_WIDE_BYTES_MAX / 3];
    size_t count = sizeof limbs / sizeof limbs[0], group_count = 0;
    char digits[9];
    uint32_t group;
    int i;

    if (wide->size_bytes > SCALAR_WIDE_BYTES_MAX)
        return false;
    if (wide->size_bytes == 0) {
        cli_out_char(out, '0');
        return true;
    }
    if (scalar_magnitude(wide, limbs, count))
        cli_out_char(out, '-');
    do
        groups[group_count++] = scalar_divide(limbs, &count);
    while (count > 0);
    cli_out_u64(out, groups[--group_count]);
    while (group_count > 0) {
        group = groups[--group_count];
        for (i = 9; i-- > 0; group /= 10)
            digits[i] = (char)('0' + group % 10);
        cli_out_bytes(out, digits, sizeof digits);
    }
    return true;
}

void
cli_out_key(struct cli_out *out, const struct ckpt_value *key)
{
    switch (key->kind) {
    case CKPT_KIND_STRING:
    case CKPT_KIND_BYTES:
    case CKPT_KIND_DEVICE:
        cli_out_bytes(out, key->as.text.data, key->as.text.size_bytes);
        break;
    case CKPT_KIND_INT:
        if (!key->wide)
            cli_out_i64(out, key->as.integer);
        else if (!cli_out_wide(out, &key->as.text))
            cli_out_string(out, "int");
        break;
    case CKPT_KIND_BOOL:
        cli_out_string(out, key->as.truth ? "True" : "False");
        break;
    case CKPT_KIND_NONE:
        cli_out_string(out, "None");
        break;
    case CKPT_KIND_FLOAT:
        cli_out_double(out, key->as.real);
        break;
    default:
        cli_out_string(out, cli_kind_name(key->kind));
    }
}

void
cli_out_shape(struct cli_out *out, const uint64_t *shape, uint32_t rank)
{
    uint32_t i;

    cli_out_char(out, '[');
    for (i = 0; i < rank; i++) {
        if (i > 0)
            cli_out_char(out, ',');
        cli_out_u64(out, shape[i]);
    }
    cli_out_char(out, ']');
}
