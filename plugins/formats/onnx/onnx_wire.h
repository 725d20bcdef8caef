/* SPDX-License-Identifier: MIT
 *
 * The wire of protobuf, walked where it lies: a message is a run of a source,
 * and its fields come one after the other, without their payload.
 *
 *   field    tag, then by its low three bits:
 *     0        a varint: 7 bits a byte, low ones first, at most 10 bytes
 *     1, 5     8 or 4 bytes, low byte first
 *     2        a length, a varint of at most 5 bytes, and so many bytes
 *     3, 4     groups, which no message here has: refused
 *   tag      a varint of at most 5 bytes: number << 3 | type
 *
 * Varints may be longer than they need, as all parsers take them. A field that
 * its message does not know is passed over by its type. One that it knows must
 * have the right type, and must not come twice where two parsers would then
 * see two different things.
 */
#ifndef ONNX_WIRE_H
#define ONNX_WIRE_H

#include "ckpt/host.h"

#define ONNX_DEPTH_MAX 100 /* of messages in messages, as in protobuf */

enum onnx_wire_type {
    ONNX_VARINT = 0,
    ONNX_FIXED64 = 1,
    ONNX_BYTES = 2, /* bytes, text, a message, or packed numbers */
    ONNX_FIXED32 = 5
};

/* What is known of one kind of message: the bits of the field numbers that
 * may have each type, and of those that come at most once. Numbers of 64 and
 * more are never known. */
struct onnx_message {
    const char *name;
    uint64_t varints, bytes, fixed32, fixed64;
    uint64_t once;
};

#define ONNX_BIT(number) (UINT64_C(1) << (number))

struct onnx_wire {
    const struct ckpt_host *host;
    const struct ckpt_source *source;
    const struct onnx_message *message;
    uint64_t at, end; /* the next field; the end of the message */
    uint64_t seen;    /* bits of the known fields that have been met */
    uint32_t depth;
    bool silent; /* failures are returned but not said, for a probe */
};

struct onnx_field {
    uint32_t number, type; /* type: enum onnx_wire_type */
    uint64_t tag_offset;   /* of the field itself */
    uint64_t value;        /* VARINT, FIXED32, FIXED64; of BYTES the length */
    /* The content: the bytes behind the length, or those of the value. The
     * field ends at offset + size_bytes. */
    uint64_t offset, size_bytes;
};

/* The whole source as one message. */
void onnx_wire_open(const struct ckpt_host *host,
                    const struct ckpt_source *source,
                    const struct onnx_message *message, struct onnx_wire *wire);

/* The content of a field of type BYTES as a message. CKPT_FORMAT: it is nested
 * too deeply. */
int onnx_wire_enter(const struct onnx_wire *wire,
                    const struct onnx_field *field,
                    const struct onnx_message *message,
                    struct onnx_wire *inner);

/* A run that was a message of that depth before: the content of a field. */
void onnx_wire_again(const struct onnx_wire *wire, uint64_t offset,
                     uint64_t size_bytes, uint32_t depth,
                     const struct onnx_message *message,
                     struct onnx_wire *inner);

/* The next field. CKPT_END behind the last; CKPT_FORMAT; CKPT_CANCELLED. */
int onnx_wire_next(struct onnx_wire *wire, struct onnx_field *field);

/* One varint at `*at`, of at most `most` bytes and before `end`; moves `*at`.
 * For numbers that are packed into bytes. */
int onnx_wire_varint(const struct onnx_wire *wire, uint64_t *at, uint64_t end,
                     uint32_t most, uint64_t *value);

/* Says why, unless the wire is silent; returns the status. */
int onnx_wire_fail(const struct onnx_wire *wire, int status, uint64_t byte,
                   const char *format, ...) CKPT_PRINTF(4, 5);

/* Copies bytes; short ones come from the window, as source_peek has it. */
int onnx_wire_copy(const struct onnx_wire *wire, uint64_t offset, void *to,
                   size_t size_bytes);

#endif
