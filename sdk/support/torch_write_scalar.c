/* SPDX-License-Identifier: MIT
 *
 * The walk over values without children, and over torch's own small types:
 * sizes, devices, dtypes.
 */
#include "torch_write_walk.h"

#include <string.h>

/* A tuple of one or two that no value stands for, its call, and the memo. */
static void
torch_walk_call(struct torch_walk *walk, size_t count,
                const struct ckpt_value *value)
{
    sdk_pickler_tuple(walk->pickle, count);
    sdk_pickler_put(walk->pickle);
    sdk_pickler_op(walk->pickle, SDK_OP_REDUCE);
    sdk_torch_walk_put(walk, value);
}

static void
torch_walk_size(struct torch_walk *walk, const struct ckpt_value *value)
{
    size_t i, count = value->as.list.count;
    struct sdk_pickler *pickle = walk->pickle;

    sdk_pickler_global(pickle, "torch", "Size");
    if (count > 3)
        sdk_pickler_op(pickle, SDK_OP_MARK);
    for (i = 0; i < count; i++)
        sdk_torch_walk_value(walk, value->as.list.items[i]);
    sdk_pickler_tuple(pickle, count);
    if (count > 0)
        sdk_pickler_put(pickle);
    torch_walk_call(walk, 1, value);
}

/* "cuda:1" is ('cuda', 1). */
static void
torch_walk_device(struct torch_walk *walk, const struct ckpt_value *value)
{
    const char *label = value->as.text.data, *p;
    const char *colon = memchr(label, ':', value->as.text.size_bytes);
    size_t type_bytes = value->as.text.size_bytes;
    int64_t index = 0;
    bool has_index = colon != NULL && colon[1] != 0;

    for (p = colon; has_index && *++p != 0;) {
        has_index = *p >= '0' && *p <= '9' && index <= INT32_MAX / 10;
        index = has_index ? 10 * index + (*p - '0') : 0;
    }
    if (has_index)
        type_bytes = (size_t)(colon - label);
    sdk_pickler_global(walk->pickle, "torch", "device");
    sdk_pickler_text(walk->pickle, label, type_bytes);
    sdk_pickler_put(walk->pickle);
    if (has_index)
        sdk_pickler_int(walk->pickle, index);
    torch_walk_call(walk, has_index ? 2 : 1, value);
}

static void
torch_walk_complex(struct torch_walk *walk, const struct ckpt_value *value)
{
    sdk_pickler_global(walk->pickle, "builtins", "complex");
    sdk_pickler_real(walk->pickle, value->as.parts.re);
    sdk_pickler_real(walk->pickle, value->as.parts.im);
    torch_walk_call(walk, 2, value);
}

static void
torch_walk_bytes(struct torch_walk *walk, const struct ckpt_value *value)
{
    struct sdk_pickler *pickle = walk->pickle;

    if (value->as.text.size_bytes == 0) {
        sdk_pickler_global(pickle, "builtins", "bytes");
        sdk_pickler_op(pickle, SDK_OP_EMPTY_TUPLE);
        sdk_pickler_op(pickle, SDK_OP_REDUCE);
        sdk_torch_walk_put(walk, value);
        return;
    }
    sdk_pickler_global(pickle, "_codecs", "encode");
    sdk_pickler_latin1(pickle, value->as.text.data, value->as.text.size_bytes);
    sdk_pickler_put(pickle);
    sdk_pickler_string(pickle, "latin1");
    torch_walk_call(walk, 2, value);
}

/* A string is one object wherever the graph has one value; and the words
 * that the pickler itself brings along are one object with every string of
 * the same content, because CPython interns them. */
static void
torch_walk_string(struct torch_walk *walk, const struct ckpt_value *value)
{
    const struct ckpt_text *text = &value->as.text;
    uint32_t word =
        sdk_pickler_find_string(walk->pickle, text->data, text->size_bytes);

    if (word != UINT32_MAX) {
        sdk_pickler_word(walk->pickle, word);
        return;
    }
    sdk_pickler_text(walk->pickle, text->data, text->size_bytes);
    sdk_torch_walk_put(walk, value);
}

/* What is never memoised by itself; false for all else. */
bool
sdk_torch_walk_atom(struct torch_walk *walk, const struct ckpt_value *value)
{
    struct sdk_pickler *pickle = walk->pickle;

    switch (value->kind) {
    case CKPT_KIND_NONE:
        sdk_pickler_op(pickle, SDK_OP_NONE);
        return true;
    case CKPT_KIND_BOOL:
        sdk_pickler_bool(pickle, value->as.truth);
        return true;
    case CKPT_KIND_INT:
        if (value->wide)
            sdk_pickler_wide(pickle, value->as.text.data,
                             value->as.text.size_bytes);
        else
            sdk_pickler_int(pickle, value->as.integer);
        return true;
    case CKPT_KIND_FLOAT:
        sdk_pickler_real(pickle, value->as.real);
        return true;
    case CKPT_KIND_DTYPE:
        sdk_pickler_global(pickle, "torch", ckpt_dtype_name(value->as.dtype));
        return true;
    default:
        return false;
    }
}

void
sdk_torch_walk_scalar(struct torch_walk *walk, const struct ckpt_value *value)
{
    switch (value->kind) {
    case CKPT_KIND_COMPLEX:
        torch_walk_complex(walk, value);
        return;
    case CKPT_KIND_STRING:
        torch_walk_string(walk, value);
        return;
    case CKPT_KIND_BYTES:
        torch_walk_bytes(walk, value);
        return;
    case CKPT_KIND_DEVICE:
        torch_walk_device(walk, value);
        return;
    case CKPT_KIND_SIZE:
        torch_walk_size(walk, value);
        return;
    default:
        sdk_torch_walk_fail(walk, CKPT_UNSUPPORTED, value,
                            "a value of a kind that torch does not know");
    }
}
