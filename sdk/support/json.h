/* SPDX-License-Identifier: MIT
 *
 * JSON, strictly as RFC 8259 has it: a pull scanner over bytes in memory,
 * and the few functions that write it.
 *
 * The scanner allocates nothing, copies nothing, and needs no host. It gives
 * one event per call; text and numbers stay where they are in the input:
 *
 *     struct sdk_json json;
 *     enum sdk_json_event event;
 *
 *     sdk_json_init(&json, data, size_bytes);
 *     if (sdk_json_next(&json) != SDK_JSON_OBJECT_BEGIN)
 *         return refuse(&json);
 *     while ((event = sdk_json_next(&json)) == SDK_JSON_KEY)
 *         if (!sdk_json_is(&json, "version"))
 *             sdk_json_skip(&json);
 *         else if (sdk_json_next(&json) != SDK_JSON_NUMBER || ...
 *     if (event != SDK_JSON_OBJECT_END ||
 *         sdk_json_next(&json) != SDK_JSON_END)
 *         return refuse(&json);
 *
 * Refused are: text that is not UTF-8 or starts with a byte order mark, lone
 * surrogates, control characters inside strings, anything but blanks around
 * the one value (NUL padding too), and nesting deeper than
 * SDK_JSON_DEPTH_MAX. Keys that come twice are the caller's matter.
 */
#ifndef SDK_JSON_H
#define SDK_JSON_H

#include "buffer.h"

#define SDK_JSON_DEPTH_MAX 128   /* unless the caller says otherwise */
#define SDK_JSON_DEPTH_ROOM 1280 /* the most that a caller can ask for */

enum sdk_json_event {
    SDK_JSON_ERROR = 0,    /* see `error`; every later call gives it again */
    SDK_JSON_END,          /* the value is whole and nothing follows it */
    SDK_JSON_OBJECT_BEGIN, /* then KEY and a value, again and again ... */
    SDK_JSON_OBJECT_END,   /* ... until this */
    SDK_JSON_ARRAY_BEGIN,
    SDK_JSON_ARRAY_END,
    SDK_JSON_KEY,
    SDK_JSON_STRING,
    SDK_JSON_NUMBER,
    SDK_JSON_TRUE,
    SDK_JSON_FALSE,
    SDK_JSON_NULL
};

struct sdk_json {
    /* The last event, and where its first byte is in the input. */
    enum sdk_json_event event;
    size_t at;

    /* KEY, STRING: what is between the quotes, as it stands in the input;
     * NUMBER: its characters. Lives as long as the input; no NUL follows. */
    const char *text;
    size_t text_bytes;
    bool escaped; /* there are escapes in it: see sdk_json_text */

    /* After ERROR: what is wrong, lower case; `at` is then its place. */
    const char *error;

    /* The deepest nesting that is taken; set after init, if at all, to at
     * most SDK_JSON_DEPTH_ROOM. */
    unsigned depth_max;

    /* The scanner's own. */
    const unsigned char *data;
    size_t size_bytes;
    size_t position;
    unsigned state;
    unsigned depth;
    uint64_t objects[SDK_JSON_DEPTH_ROOM / 64]; /* a bit per open object */
};

/* Begins to scan. The input is borrowed. */
void sdk_json_init(struct sdk_json *json, const void *data, size_t size_bytes);

/* The next event. */
enum sdk_json_event sdk_json_next(struct sdk_json *json);

/* Passes over what the last event began: after KEY its value, after a BEGIN
 * all up to its end; after any other event nothing. False after ERROR. */
bool sdk_json_skip(struct sdk_json *json);

/* Turns the scanner into ERROR for a reason of the caller's own, placed at
 * the last event, so that one `refuse` serves both. Returns SDK_JSON_ERROR.
 * After an error it changes nothing. `reason` is not copied. */
enum sdk_json_event sdk_json_refuse(struct sdk_json *json, const char *reason);

/* ---- What an event holds ---- */

/* Whether the KEY or STRING means `text`, escapes or not. */
bool sdk_json_is(const struct sdk_json *json, const char *text);

/* The KEY or STRING without escapes. It is borrowed from the input where
 * there are none; else it is appended to `buffer`, where it lives until the
 * buffer grows again. No NUL follows, and one may be inside (\u0000). Fails
 * as sdk_buffer_reserve does. */
int sdk_json_text(const struct ckpt_host *host, const struct sdk_json *json,
                  struct sdk_buffer *buffer, struct ckpt_text *text);

/* The same, appended to `buffer` in any case. */
int sdk_json_copy(const struct ckpt_host *host, const struct sdk_json *json,
                  struct sdk_buffer *buffer);

/* Writes it to `out`, which has room for text_bytes bytes and may be the very
 * place of the text, where the input is the caller's to change: decoded text
 * is never longer. Returns its size. */
size_t sdk_json_unescape(const struct sdk_json *json, void *out);

/* The NUMBER, exactly. False, and nothing written, if it is not a plain
 * decimal integer (no fraction, no exponent, no -0) or does not fit. */
bool sdk_json_u64(const struct sdk_json *json, uint64_t *value);
bool sdk_json_i64(const struct sdk_json *json, int64_t *value);

/* The NUMBER, rounded to the nearest double, whatever the locale. False if it
 * overflows or has more than 1000 characters. */
bool sdk_json_double(const struct sdk_json *json, double *value);

/* ---- Writing ---- */

/* How many bytes at the start of a text stand for themselves in a string:
 * printable ASCII but for the quote and the backslash. */
size_t sdk_json_plain_bytes(const void *text, size_t size_bytes);

/* Appends a string with its quotes: escapes where JSON demands them, all else
 * as it is. CKPT_FORMAT: the text is not UTF-8. */
int sdk_json_write_string(const struct ckpt_host *host,
                          struct sdk_buffer *buffer, const void *text,
                          size_t size_bytes);

/* Appends an integer. */
int sdk_json_write_u64(const struct ckpt_host *host, struct sdk_buffer *buffer,
                       uint64_t value);
int sdk_json_write_i64(const struct ckpt_host *host, struct sdk_buffer *buffer,
                       int64_t value);

/* Appends a double so that reading gives the same bits, always with a point
 * or an exponent. CKPT_UNSUPPORTED: JSON has no infinity and no NaN. */
int sdk_json_write_double(const struct ckpt_host *host,
                          struct sdk_buffer *buffer, double value);

/* Appends text as it is: punctuation, literals. */
int sdk_json_write_raw(const struct ckpt_host *host, struct sdk_buffer *buffer,
                       const char *text);

#endif
