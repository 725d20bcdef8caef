/* SPDX-License-Identifier: MIT
 *
 * The JSON scanner. It is a small state machine: a state says what may come
 * next, one bit per level says whether the level is an object.
 */
#include "json.h"

#include <string.h>

#include "endian.h"
#include "utf8.h"

enum json_state {
    JSON_VALUE,       /* at the start, after ':', after ',' in an array */
    JSON_FIRST_ITEM,  /* after '[': a value or ']' */
    JSON_FIRST_KEY,   /* after '{': a key or '}' */
    JSON_NEXT_KEY,    /* after ',' in an object */
    JSON_AFTER_VALUE, /* ',' or the end of the level, or of the text */
    JSON_STOPPED      /* ERROR or END was given, and stays */
};

void
sdk_json_init(struct sdk_json *json, const void *data, size_t size_bytes)
{
    memset(json, 0, sizeof *json);
    json->data = data;
    json->size_bytes = size_bytes;
    json->text = "";
    json->depth_max = SDK_JSON_DEPTH_MAX;
}

static enum sdk_json_event
json_stop(struct sdk_json *json, size_t at, const char *error)
{
    json->state = JSON_STOPPED;
    json->error = error;
    json->at = at;
    return json->event = SDK_JSON_ERROR;
}

enum sdk_json_event
sdk_json_refuse(struct sdk_json *json, const char *reason)
{
    if (json->event == SDK_JSON_ERROR && json->error != NULL)
        return SDK_JSON_ERROR;
    return json_stop(json, json->at, reason);
}

static bool
json_in_object(const struct sdk_json *json)
{
    unsigned level = json->depth - 1;

    return json->depth > 0 && (json->objects[level / 64] >> level % 64 & 1);
}

/* The byte at the position, or -1 at the end of the text. */
static int
json_byte(const struct sdk_json *json)
{
    if (json->position == json->size_bytes)
        return -1;
    return json->data[json->position];
}

static void
json_skip_blanks(struct sdk_json *json)
{
    int c = json_byte(json);

    while (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        json->position++;
        c = json_byte(json);
    }
}

static enum sdk_json_event
json_open(struct sdk_json *json, enum sdk_json_event event)
{
    unsigned level = json->depth;
    uint64_t bit = UINT64_C(1) << level % 64;

    if (level >= json->depth_max)
        return json_stop(json, json->position, "nesting is too deep");
    if (event == SDK_JSON_OBJECT_BEGIN) {
        json->objects[level / 64] |= bit;
        json->state = JSON_FIRST_KEY;
    } else {
        json->objects[level / 64] &= ~bit;
        json->state = JSON_FIRST_ITEM;
    }
    json->depth++;
    json->position++;
    return json->event = event;
}

static enum sdk_json_event
json_close(struct sdk_json *json, enum sdk_json_event event)
{
    json->depth--;
    json->position++;
    json->state = JSON_AFTER_VALUE;
    return json->event = event;
}

/* The four digits after "\u", or -1. */
static int
json_hex4(const unsigned char *digits, size_t size_bytes)
{
    int value = 0, i, c;

    if (size_bytes < 4)
        return -1;
    for (i = 0; i < 4; i++) {
        c = digits[i];
        if (c >= '0' && c <= '9')
            c -= '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            c = (c | 0x20) - 'a' + 10;
        else
            return -1;
        value = value << 4 | c;
    }
    return value;
}

static bool
json_is_surrogate(int code, int first)
{
    return code >= first && code < first + 0x400;
}

/* Bytes of the escape at `p`, which is a backslash; 0 with a reason if it is
 * none. */
static size_t
json_escape_bytes(const unsigned char *p, size_t size_bytes, const char **error)
{
    int code;

    *error = "an unknown escape in a string";
    if (size_bytes < 2)
        return 0;
    if (p[1] != 'u')
        return p[1] != 0 && strchr("\"\\/bfnrt", p[1]) != NULL ? 2 : 0;
    code = json_hex4(p + 2, size_bytes - 2);
    if (code < 0)
        return 0;
    *error = "a lone surrogate in a string";
    if (json_is_surrogate(code, 0xDC00))
        return 0;
    if (!json_is_surrogate(code, 0xD800))
        return 6;
    if (size_bytes < 12 || p[6] != '\\' || p[7] != 'u' ||
        !json_is_surrogate(json_hex4(p + 8, 4), 0xDC00))
        return 0;
    return 12;
}

static bool
json_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Eight bytes are looked at together: each term sets the top bit of every
 * byte that is not plain, and, by its borrow, perhaps of bytes after such a
 * one. */
size_t
sdk_json_plain_bytes(const void *text, size_t size_bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const unsigned char *p = text;
    uint64_t word, quote, slash, found;
    size_t at;

    for (at = 0; size_bytes - at >= 8; at += 8) {
        word = sdk_load_le64(p + at);
        quote = word ^ ones * '"';
        slash = word ^ ones * '\\';
        found = (word | ((word - ones * 0x20) & ~word) |
                 ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) &
                ones * 0x80;
        if (found != 0)
            return at + (size_t)__builtin_ctzll(found) / 8;
    }
    while (at < size_bytes && json_is_plain(p[at]))
        at++;
    return at;
}

/* Scans the string whose opening quote is at the position. */
static enum sdk_json_event
json_string(struct sdk_json *json, enum sdk_json_event event)
{
    const unsigned char *data = json->data;
    size_t at = json->position + 1, end = json->size_bytes, length;
    const char *error;

    json->escaped = false;
    json->text = (const char *)data + at;
    for (;; at += length) {
        at += sdk_json_plain_bytes(data + at, end - at);
        if (at == end || data[at] == '"')
            break;
        length = 1;
        if (data[at] == '\\') {
            length = json_escape_bytes(data + at, end - at, &error);
            if (length == 0)
                return json_stop(json, at, error);
            json->escaped = true;
        } else if (data[at] >= 0x80) {
            length = sdk_utf8_length(data + at, end - at);
            if (length == 0)
                return json_stop(json, at, "a string that is not utf-8");
        } else if (data[at] < 0x20) {
            return json_stop(json, at, "a control character in a string");
        }
    }
    if (at == end)
        return json_stop(json, end, "the text ends within a string");
    json->text_bytes = at - (json->position + 1);
    json->position = at + 1;
    return json->event = event;
}

static bool
json_skip_digits(struct sdk_json *json)
{
    size_t start = json->position;
    int c = json_byte(json);

    while (c >= '0' && c <= '9') {
        json->position++;
        c = json_byte(json);
    }
    return json->position > start;
}

static enum sdk_json_event
json_number(struct sdk_json *json)
{
    bool good;

    if (json_byte(json) == '-')
        json->position++;
    if (json_byte(json) == '0') {
        json->position++;
        good = true;
    } else {
        good = json_skip_digits(json);
    }
    if (good && json_byte(json) == '.') {
        json->position++;
        good = json_skip_digits(json);
    }
    if (good && (json_byte(json) | 0x20) == 'e') {
        json->position++;
        if (json_byte(json) == '+' || json_byte(json) == '-')
            json->position++;
        good = json_skip_digits(json);
    }
    if (!good)
        return json_stop(json, json->position, "a number without digits");
    json->text = (const char *)json->data + json->at;
    json->text_bytes = json->position - json->at;
    json->state = JSON_AFTER_VALUE;
    return json->event = SDK_JSON_NUMBER;
}

static enum sdk_json_event
json_literal(struct sdk_json *json, const char *word, enum sdk_json_event event)
{
    size_t length = strlen(word);

    if (json->size_bytes - json->position < length ||
        memcmp(json->data + json->position, word, length) != 0)
        return json_stop(json, json->position, "a value was expected");
    json->position += length;
    json->state = JSON_AFTER_VALUE;
    return json->event = event;
}

static enum sdk_json_event
json_value(struct sdk_json *json)
{
    int c = json_byte(json);

    switch (c) {
    case '"':
        json->state = JSON_AFTER_VALUE;
        return json_string(json, SDK_JSON_STRING);
    case '{':
        return json_open(json, SDK_JSON_OBJECT_BEGIN);
    case '[':
        return json_open(json, SDK_JSON_ARRAY_BEGIN);
    case 't':
        return json_literal(json, "true", SDK_JSON_TRUE);
    case 'f':
        return json_literal(json, "false", SDK_JSON_FALSE);
    case 'n':
        return json_literal(json, "null", SDK_JSON_NULL);
    default:
        if (c == '-' || (c >= '0' && c <= '9'))
            return json_number(json);
        return json_stop(json, json->position,
                         c < 0 ? "the text ends where a value was expected"
                               : "a value was expected");
    }
}

static enum sdk_json_event
json_key(struct sdk_json *json)
{
    if (json_byte(json) != '"')
        return json_stop(json, json->position, "a key was expected");
    if (json_string(json, SDK_JSON_KEY) == SDK_JSON_ERROR)
        return SDK_JSON_ERROR;
    json_skip_blanks(json);
    if (json_byte(json) != ':')
        return json_stop(json, json->position, "a colon was expected");
    json->position++;
    json->state = JSON_VALUE;
    return SDK_JSON_KEY;
}

/* Passes a comma, and leaves the state that follows it. */
static enum sdk_json_event
json_after_value(struct sdk_json *json)
{
    int c = json_byte(json);

    if (json->depth == 0) {
        if (c >= 0)
            return json_stop(json, json->position, "text after the value");
        json->state = JSON_STOPPED;
        return json->event = SDK_JSON_END;
    }
    if (json_in_object(json)) {
        if (c == '}')
            return json_close(json, SDK_JSON_OBJECT_END);
        json->state = JSON_NEXT_KEY;
    } else {
        if (c == ']')
            return json_close(json, SDK_JSON_ARRAY_END);
        json->state = JSON_VALUE;
    }
    if (c != ',')
        return json_stop(json, json->position,
                         c < 0 ? "the text ends within a list or object"
                               : "a comma was expected");
    json->position++;
    json_skip_blanks(json);
    json->at = json->position;
    return json->state == JSON_VALUE ? json_value(json) : json_key(json);
}

enum sdk_json_event
sdk_json_next(struct sdk_json *json)
{
    if (json->state == JSON_STOPPED)
        return json->event;
    json_skip_blanks(json);
    json->at = json->position;
    switch (json->state) {
    case JSON_FIRST_ITEM:
        if (json_byte(json) == ']')
            return json_close(json, SDK_JSON_ARRAY_END);
        return json_value(json);
    case JSON_FIRST_KEY:
        if (json_byte(json) == '}')
            return json_close(json, SDK_JSON_OBJECT_END);
        return json_key(json);
    case JSON_AFTER_VALUE:
        return json_after_value(json);
    default:
        return json_value(json);
    }
}

bool
sdk_json_skip(struct sdk_json *json)
{
    unsigned depth = json->depth;

    if (json->event == SDK_JSON_KEY)
        sdk_json_next(json);
    else if (json->event == SDK_JSON_OBJECT_BEGIN ||
             json->event == SDK_JSON_ARRAY_BEGIN)
        depth--;
    while (json->event != SDK_JSON_ERROR && json->depth > depth)
        sdk_json_next(json);
    return json->event != SDK_JSON_ERROR;
}

/* Decodes the character at `p`, which the scanner has passed; returns how
 * many bytes it takes, and how many were put into `out`. */
static size_t
json_decode(const unsigned char *p, unsigned char out[4], size_t *out_bytes)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int code, low;

    *out_bytes = 1;
    out[0] = p[0];
    if (p[0] != '\\')
        return 1;
    if (p[1] != 'u') {
        out[0] = (unsigned char)to[strchr(from, p[1]) - from];
        return 2;
    }
    code = json_hex4(p + 2, 4);
    if (json_is_surrogate(code, 0xD800)) {
        low = json_hex4(p + 8, 4);
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        *out_bytes = 4;
        out[0] = (unsigned char)(0xF0 | code >> 18);
        out[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
        out[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        out[3] = (unsigned char)(0x80 | (code & 0x3F));
        return 12;
    }
    if (code >= 0x800) {
        *out_bytes = 3;
        out[0] = (unsigned char)(0xE0 | code >> 12);
        out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (unsigned char)(0x80 | (code & 0x3F));
    } else if (code >= 0x80) {
        *out_bytes = 2;
        out[0] = (unsigned char)(0xC0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 0x3F));
    } else {
        out[0] = (unsigned char)code;
    }
    return 6;
}

bool
sdk_json_is(const struct sdk_json *json, const char *text)
{
    const unsigned char *p = (const unsigned char *)json->text;
    size_t length = strlen(text), at, done = 0, count;
    unsigned char out[4];

    if (!json->escaped)
        return json->text_bytes == length &&
               memcmp(json->text, text, length) == 0;
    for (at = 0; at < json->text_bytes; done += count) {
        at += json_decode(p + at, out, &count);
        if (count > length - done || memcmp(out, text + done, count) != 0)
            return false;
    }
    return done == length;
}

size_t
sdk_json_unescape(const struct sdk_json *json, void *out)
{
    const unsigned char *p = (const unsigned char *)json->text;
    unsigned char *to = out, bytes[4];
    size_t at, count;

    for (at = 0; at < json->text_bytes; to += count) {
        at += json_decode(p + at, bytes, &count);
        memcpy(to, bytes, count);
    }
    return (size_t)(to - (unsigned char *)out);
}

int
sdk_json_copy(const struct ckpt_host *host, const struct sdk_json *json,
              struct sdk_buffer *buffer)
{
    int status = sdk_buffer_reserve(host, buffer, json->text_bytes);

    if (status != CKPT_OK)
        return status;
    if (json->text_bytes > 0)
        buffer->size_bytes +=
            sdk_json_unescape(json, buffer->data + buffer->size_bytes);
    return CKPT_OK;
}

int
sdk_json_text(const struct ckpt_host *host, const struct sdk_json *json,
              struct sdk_buffer *buffer, struct ckpt_text *text)
{
    size_t start = buffer->size_bytes;
    int status;

    if (!json->escaped) {
        text->data = json->text;
        text->size_bytes = json->text_bytes;
        return CKPT_OK;
    }
    status = sdk_json_copy(host, json, buffer);
    if (status != CKPT_OK)
        return status;
    text->data = (const char *)buffer->data + start;
    text->size_bytes = buffer->size_bytes - start;
    return CKPT_OK;
}
