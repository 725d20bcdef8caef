/* SPDX-License-Identifier: MIT
 *
 * The opcodes of protocol 2 as CPython chooses them: the shortest int that
 * holds, BINPUT before LONG_BINPUT, long ints trimmed.
 */
#include "pickle_write.h"

#include <string.h>

#include "endian.h"

enum {
    BINFLOAT = 'G',
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    BINUNICODE = 'X',
    BINGET = 'h',
    LONG_BINGET = 'j',
    BINPUT = 'q',
    LONG_BINPUT = 'r',
    PROTO = 0x80,
    LONG1 = 0x8a,
    LONG4 = 0x8b
};

/* Room for `more` bytes at the end, or NULL. */
static unsigned char *
pickle_room(struct sdk_pickler *pickle, size_t more)
{
    struct sdk_buffer *out = &pickle->out;
    unsigned char *room;

    if (pickle->status != CKPT_OK)
        return NULL;
    if (more > out->capacity_bytes - out->size_bytes) {
        pickle->status = sdk_buffer_reserve(pickle->host, out, more);
        if (pickle->status != CKPT_OK)
            return NULL;
    }
    room = out->data + out->size_bytes;
    out->size_bytes += more;
    return room;
}

void
sdk_pickler_fail(struct sdk_pickler *pickle, int status, const char *what)
{
    if (pickle->status == CKPT_OK)
        pickle->status = pickle->host->fail(pickle->host, status, NULL,
                                            CKPT_NOWHERE, "%s", what);
}

void
sdk_pickler_bytes(struct sdk_pickler *pickle, const void *bytes,
                  size_t size_bytes)
{
    unsigned char *room = pickle_room(pickle, size_bytes);

    if (room != NULL && size_bytes > 0)
        memcpy(room, bytes, size_bytes);
}

/* An opcode with one byte, or with four in little-endian order. */
static void
pickle_op_u8(struct sdk_pickler *pickle, int op, uint32_t value)
{
    unsigned char *room = pickle_room(pickle, 2);

    if (room == NULL)
        return;
    room[0] = (unsigned char)op;
    room[1] = (unsigned char)value;
}

static void
pickle_op_u32(struct sdk_pickler *pickle, int op, uint32_t value)
{
    unsigned char *room = pickle_room(pickle, 5);

    if (room == NULL)
        return;
    room[0] = (unsigned char)op;
    sdk_store_le32(room + 1, value);
}

void
sdk_pickler_init(struct sdk_pickler *pickle, const struct ckpt_host *host)
{
    memset(pickle, 0, sizeof *pickle);
    pickle->host = host;
    pickle_op_u8(pickle, PROTO, 2);
}

void
sdk_pickler_fini(struct sdk_pickler *pickle)
{
    const struct ckpt_host *host = pickle->host;
    uint32_t i;

    if (host == NULL)
        return;
    sdk_buffer_fini(host, &pickle->out);
    for (i = 0; i < pickle->word_count; i++)
        host->release(host, pickle->words[i].lines);
    host->release(host, pickle->words);
    sdk_table_fini(host, &pickle->strings);
    sdk_table_fini(host, &pickle->globals);
    memset(pickle, 0, sizeof *pickle);
}

void
sdk_pickler_op(struct sdk_pickler *pickle, uint32_t op)
{
    unsigned char *room = pickle_room(pickle, 1);

    if (op == SDK_OP_POP || op == SDK_OP_POP_MARK)
        pickle->has_pop = true;
    if (room != NULL)
        *room = (unsigned char)op;
}

void
sdk_pickler_bool(struct sdk_pickler *pickle, bool truth)
{
    sdk_pickler_op(pickle, truth ? SDK_OP_NEWTRUE : SDK_OP_NEWFALSE);
}

void
sdk_pickler_int(struct sdk_pickler *pickle, int64_t value)
{
    unsigned char bytes[8];

    if (value < INT32_MIN || value > INT32_MAX) {
        sdk_store_le64(bytes, (uint64_t)value);
        sdk_pickler_wide(pickle, bytes, sizeof bytes);
    } else if (value < 0 || value > 0xffff) {
        pickle_op_u32(pickle, BININT, (uint32_t)value);
    } else if (value > 0xff) {
        sdk_store_le16(bytes + 1, (uint16_t)value);
        bytes[0] = BININT2;
        sdk_pickler_bytes(pickle, bytes, 3);
    } else {
        pickle_op_u8(pickle, BININT1, (uint32_t)value);
    }
}

void
sdk_pickler_wide(struct sdk_pickler *pickle, const void *bytes,
                 size_t size_bytes)
{
    const unsigned char *p = bytes;
    size_t n = size_bytes;

    while (n > 1 && ((p[n - 1] == 0 && !(p[n - 2] & 0x80)) ||
                     (p[n - 1] == 0xff && (p[n - 2] & 0x80))))
        n--;
    if (n == 1 && p[0] == 0)
        n = 0;
    if (n > INT32_MAX) {
        sdk_pickler_fail(pickle, CKPT_UNSUPPORTED, "an int of more than 2 GiB");
        return;
    }
    pickle->has_long_wide = pickle->has_long_wide || n >= 256;
    if (n < 256)
        pickle_op_u8(pickle, LONG1, (uint32_t)n);
    else
        pickle_op_u32(pickle, LONG4, (uint32_t)n);
    sdk_pickler_bytes(pickle, p, n);
}

void
sdk_pickler_real(struct sdk_pickler *pickle, double value)
{
    unsigned char bytes[9];
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    pickle->has_real = true;
    bytes[0] = BINFLOAT;
    sdk_store_be64(bytes + 1, bits);
    sdk_pickler_bytes(pickle, bytes, sizeof bytes);
}

void
sdk_pickler_text(struct sdk_pickler *pickle, const char *text,
                 size_t size_bytes)
{
    if (size_bytes > UINT32_MAX) {
        sdk_pickler_fail(pickle, CKPT_UNSUPPORTED,
                         "a string of more than 4 GiB");
        return;
    }
    pickle_op_u32(pickle, BINUNICODE, (uint32_t)size_bytes);
    sdk_pickler_bytes(pickle, text, size_bytes);
}

void
sdk_pickler_latin1(struct sdk_pickler *pickle, const void *bytes,
                   size_t size_bytes)
{
    const unsigned char *p = bytes, *end = p + size_bytes;
    size_t high = 0;
    unsigned char *room;

    for (; p < end; p++)
        high += *p >> 7;
    if (size_bytes > UINT32_MAX - high) {
        sdk_pickler_fail(pickle, CKPT_UNSUPPORTED, "bytes of more than 4 GiB");
        return;
    }
    pickle_op_u32(pickle, BINUNICODE, (uint32_t)(size_bytes + high));
    room = pickle_room(pickle, size_bytes + high);
    for (p = bytes; room != NULL && p < end; p++) {
        if (*p & 0x80) {
            *room++ = (unsigned char)(0xc0 | *p >> 6);
            *room++ = *p & 0xbf;
        } else {
            *room++ = *p;
        }
    }
}

void
sdk_pickler_tuple(struct sdk_pickler *pickle, size_t count)
{
    static const unsigned char ops[] = {SDK_OP_EMPTY_TUPLE, SDK_OP_TUPLE1,
                                        SDK_OP_TUPLE2, SDK_OP_TUPLE3};

    sdk_pickler_op(pickle, count < sizeof ops ? ops[count] : SDK_OP_TUPLE);
}

uint32_t
sdk_pickler_put(struct sdk_pickler *pickle)
{
    uint32_t place = pickle->memo_count;

    if (place == UINT32_MAX) {
        sdk_pickler_fail(pickle, CKPT_LIMIT, "a pickle of 4294967295 objects");
        return 0;
    }
    pickle->memo_count++;
    if (place < 256)
        pickle_op_u8(pickle, BINPUT, place);
    else
        pickle_op_u32(pickle, LONG_BINPUT, place);
    return place;
}

void
sdk_pickler_get(struct sdk_pickler *pickle, uint32_t place)
{
    if (place < 256)
        pickle_op_u8(pickle, BINGET, place);
    else
        pickle_op_u32(pickle, LONG_BINGET, place);
}
