/* SPDX-License-Identifier: MIT
 *
 * Decoding text to bytes, window by window. A character of two bytes may be
 * cut by the end of a window, so its first byte is kept for the next one.
 */
#include "pickle_text.h"

#include <string.h>

#define WINDOW_BYTES ((uint64_t)64 << 10)
#define BUFFER_BYTES ((size_t)256 << 10)

struct pickle_cursor {
    const struct ckpt_source *source;
    uint64_t at, end;    /* of the text in the file */
    uint64_t skip, left; /* of the bytes */
    unsigned char lead;  /* of a character that was cut, or 0 */
    size_t filled;
    unsigned char buffer[BUFFER_BYTES];
};

int
pickle_cursor_open(const struct ckpt_host *host,
                   const struct ckpt_source *source,
                   const struct pickle_text *text, uint64_t size_bytes,
                   struct pickle_cursor **cursor)
{
    struct pickle_cursor *made = host->allocate(host, sizeof *made);

    if (made == NULL)
        return CKPT_MEMORY;
    made->source = source;
    made->at = text->offset;
    made->end = text->offset + text->text_bytes;
    made->skip = text->skip;
    made->left = size_bytes;
    *cursor = made;
    return CKPT_OK;
}

static int
fail_text(const struct ckpt_host *host, const struct pickle_cursor *cursor,
          const char *what)
{
    return host->fail(host, CKPT_FORMAT, NULL, cursor->at, "%s", what);
}

/* One byte of what is decoded. */
static int
put_byte(const struct ckpt_host *host, struct pickle_cursor *cursor,
         unsigned char byte)
{
    if (cursor->skip > 0) {
        cursor->skip--;
        return CKPT_OK;
    }
    if (cursor->filled == cursor->left)
        return fail_text(host, cursor, "more bytes than there should be");
    cursor->buffer[cursor->filled++] = byte;
    return CKPT_OK;
}

static int
decode(const struct ckpt_host *host, struct pickle_cursor *cursor,
       unsigned char code)
{
    unsigned char lead = cursor->lead;

    cursor->lead = 0;
    if (lead != 0 && (code & 0xc0) == 0x80)
        return put_byte(host, cursor,
                        (unsigned char)(lead << 6 | (code & 0x3f)));
    if (lead == 0 && code < 0x80)
        return put_byte(host, cursor, code);
    if (lead != 0 || (code != 0xc2 && code != 0xc3))
        return fail_text(host, cursor, "text that is no bytes");
    cursor->lead = code;
    return CKPT_OK;
}

/* Decodes until the buffer is full or the text ends. */
static int
fill(const struct ckpt_host *host, struct pickle_cursor *cursor)
{
    struct ckpt_span span;
    uint64_t wanted, i;
    int status;

    while (cursor->at < cursor->end && cursor->filled < BUFFER_BYTES) {
        wanted = cursor->end - cursor->at;
        if (wanted > WINDOW_BYTES)
            wanted = WINDOW_BYTES;
        status = host->source_peek(host, cursor->source, cursor->at,
                                   (size_t)wanted, &span);
        if (status != CKPT_OK)
            return status;
        if (span.size_bytes < wanted)
            wanted = span.size_bytes;
        for (i = 0; i < wanted && cursor->filled < BUFFER_BYTES; i++) {
            status = decode(host, cursor, span.data[i]);
            if (status != CKPT_OK)
                return status;
            cursor->at++;
        }
    }
    return CKPT_OK;
}

int
pickle_cursor_next(const struct ckpt_host *host, struct pickle_cursor *cursor,
                   struct ckpt_span *span)
{
    int status;

    cursor->filled = 0;
    status = fill(host, cursor);
    if (status != CKPT_OK)
        return status;
    if (cursor->at == cursor->end &&
        (cursor->lead != 0 || cursor->filled < cursor->left))
        return fail_text(host, cursor, "fewer bytes than there should be");
    if (cursor->filled == 0)
        return CKPT_END;
    cursor->left -= cursor->filled;
    span->data = cursor->buffer;
    span->size_bytes = cursor->filled;
    return CKPT_OK;
}

void
pickle_cursor_close(const struct ckpt_host *host, struct pickle_cursor *cursor)
{
    host->release(host, cursor);
}
