/* SPDX-License-Identifier: MIT
 *
 * JSON, written as it comes: always ASCII-safe, valid UTF-8, and with the
 * commas in their places.
 */
#ifndef CLI_JSON_OUT_H
#define CLI_JSON_OUT_H

#include "out.h"

struct cli_json {
    struct cli_out *out;
    bool comma; /* the next item needs one */
    bool line;  /* the next item begins a line */
};

/* The bracket is one of `{` and `[`, or `}` and `]`. */
void cli_json_open(struct cli_json *json, char bracket);
void cli_json_close(struct cli_json *json, char bracket);

/* The next item or bracket begins a line of its own. */
void cli_json_break(struct cli_json *json);

/* A key of the program's own; cli_json_name is for keys from files. */
void cli_json_key(struct cli_json *json, const char *key);
void cli_json_name(struct cli_json *json, const char *data, size_t size_bytes);

/* NULL is `null`. */
void cli_json_string(struct cli_json *json, const char *text);
void cli_json_text(struct cli_json *json, const char *data, size_t size_bytes);
void cli_json_u64(struct cli_json *json, uint64_t number);
void cli_json_i64(struct cli_json *json, int64_t number);
void cli_json_bool(struct cli_json *json, bool truth);
/* What is no number is a string: "nan", "inf", "-inf". */
void cli_json_double(struct cli_json *json, double number);
void cli_json_base64(struct cli_json *json, const void *bytes,
                     size_t size_bytes);

/* Begins an item that the caller writes to json->out himself. */
void cli_json_item(struct cli_json *json);

#endif
