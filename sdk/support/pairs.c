/* SPDX-License-Identifier: MIT
 *
 * Columns by hand, JSON by the strict scanner, YAML through libyaml.
 */
#include "pairs.h"

#include <string.h>
#include <yaml.h>

#include "json.h"

#define FILE_MAX_BYTES ((uint64_t)16 << 20)
#define BLANKS " \t\r"

struct pairs {
    const struct ckpt_host *host;
    const char *file;
    sdk_pairs_take take;
    void *context;
    yaml_parser_t parser;
    yaml_event_t event;
};

static int
pairs_refuse(const struct pairs *pairs, size_t line, const char *why)
{
    return pairs->host->fail(pairs->host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                             "%.200s: line %zu: %s", pairs->file, line, why);
}

/* ---- Columns ---- */

/* Cuts the word at `*at` off, in place, and moves behind it. */
static char *
word_cut(char **at)
{
    char *word = *at + strspn(*at, BLANKS);
    size_t length = strcspn(word, BLANKS);

    *at = word + length;
    if (**at != '\0')
        *(*at)++ = '\0';
    return word;
}

static int
columns_line(struct pairs *pairs, char *line, size_t number)
{
    char *at = line, *first = word_cut(&at), *second, *rest;

    if (*first == '\0' || *first == '#')
        return CKPT_OK;
    second = word_cut(&at);
    rest = at + strspn(at, BLANKS);
    if (*second == '\0' || (*rest != '\0' && *rest != '#'))
        return pairs_refuse(pairs, number, "a line has two words");
    return pairs->take(pairs->context, first, second, number);
}

static int
columns_read(struct pairs *pairs, char *text)
{
    char *line = text, *end;
    size_t number = 1;
    int status = CKPT_OK;

    for (; line != NULL && status == CKPT_OK; line = end, number++) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        status = columns_line(pairs, line, number);
    }
    return status;
}

/* ---- JSON ---- */

static int
json_refuse(const struct pairs *pairs, const struct sdk_json *json,
            const char *why)
{
    return pairs->host->fail(pairs->host, CKPT_OPTION, NULL, json->at,
                             "%.200s: %s", pairs->file,
                             json->error != NULL ? json->error : why);
}

/* The text at hand, in memory of the host. */
static int
json_word(const struct pairs *pairs, struct sdk_json *json, char **word)
{
    struct sdk_buffer decoded = {0};
    struct ckpt_text text;
    int status = sdk_json_text(pairs->host, json, &decoded, &text);

    if (status == CKPT_OK && memchr(text.data, '\0', text.size_bytes) != NULL)
        status = json_refuse(pairs, json, "a zero byte in a word");
    if (status == CKPT_OK) {
        *word = pairs->host->allocate(pairs->host, text.size_bytes + 1);
        if (*word != NULL)
            memcpy(*word, text.data, text.size_bytes);
        else
            status = CKPT_MEMORY;
    }
    sdk_buffer_fini(pairs->host, &decoded);
    return status;
}

/* The pair whose key is at hand. */
static int
json_pair(struct pairs *pairs, struct sdk_json *json, size_t line)
{
    char *first = NULL, *second = NULL;
    int status = json_word(pairs, json, &first);

    if (status == CKPT_OK && sdk_json_next(json) != SDK_JSON_STRING)
        status = json_refuse(pairs, json, "a word was expected");
    if (status == CKPT_OK)
        status = json_word(pairs, json, &second);
    if (status == CKPT_OK)
        status = pairs->take(pairs->context, first, second, line);
    pairs->host->release(pairs->host, first);
    pairs->host->release(pairs->host, second);
    return status;
}

static int
json_read(struct pairs *pairs, const char *text, size_t size_bytes)
{
    size_t line = 1, at = 0;
    struct sdk_json json;
    int status = CKPT_OK;

    sdk_json_init(&json, text, size_bytes);
    sdk_json_next(&json);
    while (status == CKPT_OK && sdk_json_next(&json) == SDK_JSON_KEY) {
        for (; at < json.at; at++)
            line += text[at] == '\n';
        status = json_pair(pairs, &json, line);
    }
    if (status == CKPT_OK && (json.event != SDK_JSON_OBJECT_END ||
                              sdk_json_next(&json) != SDK_JSON_END))
        status = json_refuse(pairs, &json, "the end was expected");
    return status;
}

/* ---- YAML ---- */

static size_t
event_line(const struct pairs *pairs)
{
    return pairs->event.start_mark.line + 1;
}

/* The next event; the last one is over. */
static int
event_next(struct pairs *pairs)
{
    yaml_event_delete(&pairs->event);
    if (yaml_parser_parse(&pairs->parser, &pairs->event))
        return CKPT_OK;
    if (pairs->parser.error == YAML_MEMORY_ERROR)
        return pairs->host->fail(pairs->host, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                                 "no memory for %.200s", pairs->file);
    return pairs_refuse(pairs, pairs->parser.problem_mark.line + 1,
                        pairs->parser.problem != NULL ? pairs->parser.problem
                                                      : "it cannot be read");
}

static int
event_expect(struct pairs *pairs, yaml_event_type_t type, const char *why)
{
    int status = event_next(pairs);

    if (status == CKPT_OK && pairs->event.type != type)
        return pairs_refuse(pairs, event_line(pairs), why);
    return status;
}

/* The text of the scalar at hand, or NULL: it is none that is taken. */
static const char *
event_text(const struct pairs *pairs)
{
    const char *value = (const char *)pairs->event.data.scalar.value;

    if (pairs->event.type != YAML_SCALAR_EVENT ||
        pairs->event.data.scalar.anchor != NULL ||
        pairs->event.data.scalar.tag != NULL ||
        strlen(value) != pairs->event.data.scalar.length)
        return NULL;
    return value;
}

static char *
text_keep(const struct ckpt_host *host, const char *text)
{
    char *kept = host->allocate(host, strlen(text) + 1);

    if (kept != NULL)
        memcpy(kept, text, strlen(text) + 1);
    return kept;
}

/* The pair whose first word is at hand. */
static int
yaml_pair(struct pairs *pairs)
{
    static const char wanted[] = "a pair has two plain words";
    const struct ckpt_host *host = pairs->host;
    size_t line = event_line(pairs);
    const char *second;
    char *first;
    int status;

    if (event_text(pairs) == NULL)
        return pairs_refuse(pairs, line, wanted);
    first = text_keep(host, event_text(pairs));
    if (first == NULL)
        return CKPT_MEMORY;
    status = event_next(pairs);
    if (status == CKPT_OK) {
        second = event_text(pairs);
        status = second != NULL
                     ? pairs->take(pairs->context, first, second, line)
                     : pairs_refuse(pairs, line, wanted);
    }
    host->release(host, first);
    return status;
}

static int
yaml_events(struct pairs *pairs)
{
    int status = event_expect(pairs, YAML_STREAM_START_EVENT, "no YAML");

    if (status == CKPT_OK)
        status = event_expect(pairs, YAML_DOCUMENT_START_EVENT, "no YAML");
    if (status == CKPT_OK)
        status = event_expect(pairs, YAML_MAPPING_START_EVENT,
                              "it is no map of pairs");
    while (status == CKPT_OK) {
        status = event_next(pairs);
        if (status != CKPT_OK || pairs->event.type == YAML_MAPPING_END_EVENT)
            break;
        status = yaml_pair(pairs);
    }
    if (status == CKPT_OK)
        status = event_expect(pairs, YAML_DOCUMENT_END_EVENT,
                              "the end was expected");
    if (status == CKPT_OK)
        status =
            event_expect(pairs, YAML_STREAM_END_EVENT, "the end was expected");
    return status;
}

static int
yaml_read(struct pairs *pairs, const char *text, size_t size_bytes)
{
    int status;

    if (!yaml_parser_initialize(&pairs->parser))
        return pairs->host->fail(pairs->host, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                                 "no memory for %.200s", pairs->file);
    yaml_parser_set_input_string(&pairs->parser, (const yaml_char_t *)text,
                                 size_bytes);
    status = yaml_events(pairs);
    yaml_event_delete(&pairs->event);
    yaml_parser_delete(&pairs->parser);
    return status;
}

/* Whether the first word that is no comment begins a map of YAML. */
static bool
is_yaml(const char *text)
{
    size_t length;

    for (;;) {
        text += strspn(text, BLANKS "\n");
        if (*text != '#')
            break;
        text += strcspn(text, "\n");
    }
    length = strcspn(text, BLANKS "\n");
    return *text == '"' || strncmp(text, "---", 3) == 0 ||
           (length > 0 && text[length - 1] == ':');
}

static int
pairs_load(struct pairs *pairs, const struct ckpt_source *source, char *text,
           size_t size_bytes)
{
    const struct ckpt_host *host = pairs->host;
    int status = host->source_read(host, source, 0, text, size_bytes);

    if (status != CKPT_OK)
        return status;
    if (strlen(text) != size_bytes)
        return host->fail(host, CKPT_OPTION, NULL, strlen(text),
                          "%.200s: it is no text", pairs->file);
    if (text[strspn(text, BLANKS "\n")] == '{')
        return json_read(pairs, text, size_bytes);
    return is_yaml(text) ? yaml_read(pairs, text, size_bytes)
                         : columns_read(pairs, text);
}

int
sdk_pairs_read(const struct ckpt_host *host, const struct ckpt_source *source,
               sdk_pairs_take take, void *context)
{
    struct pairs pairs = {.host = host,
                          .file = host->source_name(host, source),
                          .take = take,
                          .context = context};
    uint64_t size_bytes = host->source_size(host, source);
    char *text;
    int status;

    if (size_bytes > FILE_MAX_BYTES)
        return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                          "%.200s: a list of pairs is no longer than 16 MiB",
                          pairs.file);
    text = host->allocate(host, (size_t)size_bytes + 1);
    if (text == NULL)
        return CKPT_MEMORY;
    status = pairs_load(&pairs, source, text, (size_t)size_bytes);
    host->release(host, text);
    return status;
}
