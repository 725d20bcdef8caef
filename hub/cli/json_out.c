/* SPDX-License-Identifier: MIT
 *
 * The JSON writer. It trusts its callers to nest properly and keeps only
 * what the next comma depends on.
 */
#include "json_out.h"

#include <math.h>
#include <string.h>

#include "escape.h"

void
cli_json_item(struct cli_json *json)
{
    if (json->comma)
        cli_out_char(json->out, ',');
    if (json->line)
        cli_out_char(json->out, '\n');
    json->comma = true;
    json->line = false;
}

void
cli_json_open(struct cli_json *json, char bracket)
{
    cli_json_item(json);
    cli_out_char(json->out, bracket);
    json->comma = false;
}

void
cli_json_close(struct cli_json *json, char bracket)
{
    if (json->line)
        cli_out_char(json->out, '\n');
    cli_out_char(json->out, bracket);
    json->comma = true;
    json->line = false;
}

void
cli_json_break(struct cli_json *json)
{
    json->line = true;
}

void
cli_json_name(struct cli_json *json, const char *data, size_t size_bytes)
{
    cli_json_text(json, data, size_bytes);
    cli_out_char(json->out, ':');
    json->comma = false;
}

void
cli_json_key(struct cli_json *json, const char *key)
{
    cli_json_name(json, key, strlen(key));
}

void
cli_json_text(struct cli_json *json, const char *data, size_t size_bytes)
{
    cli_json_item(json);
    cli_escape_json(json->out, data, size_bytes);
}

void
cli_json_string(struct cli_json *json, const char *text)
{
    if (text != NULL) {
        cli_json_text(json, text, strlen(text));
        return;
    }
    cli_json_item(json);
    cli_out_string(json->out, "null");
}

void
cli_json_u64(struct cli_json *json, uint64_t number)
{
    cli_json_item(json);
    cli_out_u64(json->out, number);
}

void
cli_json_i64(struct cli_json *json, int64_t number)
{
    cli_json_item(json);
    cli_out_i64(json->out, number);
}

void
cli_json_bool(struct cli_json *json, bool truth)
{
    cli_json_item(json);
    cli_out_string(json->out, truth ? "true" : "false");
}

void
cli_json_double(struct cli_json *json, double number)
{
    cli_json_item(json);
    if (!isfinite(number))
        cli_out_char(json->out, '"');
    cli_out_double(json->out, number);
    if (!isfinite(number))
        cli_out_char(json->out, '"');
}

void
cli_json_base64(struct cli_json *json, const void *bytes, size_t size_bytes)
{
    cli_json_item(json);
    cli_out_char(json->out, '"');
    cli_out_base64(json->out, bytes, size_bytes);
    cli_out_char(json->out, '"');
}
