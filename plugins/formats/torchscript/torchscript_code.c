/* SPDX-License-Identifier: MIT
 *
 * The scanner of code records, line by line:
 *
 *   1. `class NAME(BASE):` at the margin opens a class
 *   2. `  __parameters__ = [` and `  __buffers__ = [`, two blanks deep, are
 *      followed by strings, each with a comma, and `]` on the same line
 *   3. any other text at the margin closes the class
 */
#include "torchscript_code.h"

#include <string.h>

#define MODULE_BYTES_MAX 400

struct scan {
    const struct ckpt_host *host;
    struct torchscript_code *code;
    const struct sdk_zip_member *member;
    const char *module;
    struct torchscript_class *class; /* that is open, or NULL */
    char *text, *at, *end;           /* `end` is the end of the line */
};

static int
scan_fail(const struct scan *s, const char *what)
{
    size_t name_bytes = s->member->name_bytes;

    return s->host->fail(
        s->host, CKPT_FORMAT, NULL, s->member->data_offset, "record '%.*s': %s",
        (int)(name_bytes < 200 ? name_bytes : 200), s->member->name, what);
}

/* ---- Strings ---- */

static bool
is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* What an escape stands for; `*at` is behind the backslash. */
static char
unescape(char **at, const char *end)
{
    static const char names[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
    const char *name;
    unsigned value = 0, i;
    char c = *(*at)++;

    if (is_octal(c)) {
        value = (unsigned)(c - '0');
        for (i = 0; i < 2 && *at < end && is_octal(**at); i++)
            value = value * 8 + (unsigned)(*(*at)++ - '0');
        return (char)value;
    }
    name = c != '\0' ? strchr(names, c) : NULL;
    return name != NULL ? meanings[name - names] : c;
}

/* One string in quotes, decoded in its place. */
static int
scan_string(struct scan *s, struct ckpt_text *text)
{
    char quote, *to;

    if (s->at == s->end || (*s->at != '"' && *s->at != '\''))
        return scan_fail(s, "a list of attributes that is not of strings");
    quote = *s->at++;
    text->data = to = s->at;
    while (s->at < s->end && *s->at != quote) {
        char c = *s->at++;

        if (c == '\\' && s->at < s->end)
            c = unescape(&s->at, s->end);
        *to++ = c;
    }
    if (s->at == s->end)
        return scan_fail(s, "a string that does not end");
    s->at++;
    text->size_bytes = (size_t)(to - text->data);
    return CKPT_OK;
}

/* ---- Lines ---- */

static void
skip_blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == ','))
        s->at++;
}

/* Passes over the word if it is next. */
static bool
take(struct scan *s, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0)
        return false;
    s->at += size;
    return true;
}

static int
scan_attributes(struct scan *s, uint32_t role)
{
    struct ckpt_text name = {0};
    uint64_t *number;
    bool added;
    int status;

    for (skip_blanks(s); !take(s, "]"); skip_blanks(s)) {
        status = scan_string(s, &name);
        if (status != CKPT_OK)
            return status;
        number = sdk_table_add(s->host, &s->class->roles, name.data,
                               name.size_bytes, &added);
        if (number == NULL)
            return CKPT_MEMORY;
        if (added)
            *number = role;
        s->class->has_state = true;
    }
    return CKPT_OK;
}

/* "MODULE.NAME" with its NUL, kept with the texts. */
static int
keep_name(struct scan *s, const char *name, size_t name_bytes, char **kept)
{
    size_t module_bytes = strlen(s->module);
    char *text = s->host->allocate(s->host, module_bytes + name_bytes + 2);
    int status;

    if (text == NULL)
        return CKPT_MEMORY;
    memcpy(text, s->module, module_bytes);
    text[module_bytes] = '.';
    memcpy(text + module_bytes + 1, name, name_bytes);
    text[module_bytes + 1 + name_bytes] = '\0';
    status = sdk_buffer_append(s->host, &s->code->texts, &text, sizeof text);
    if (status == CKPT_OK)
        *kept = text;
    else
        s->host->release(s->host, text);
    return status;
}

static int
add_class(struct scan *s, struct torchscript_class **class)
{
    struct torchscript_class *made = s->host->allocate(s->host, sizeof *made);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    status = sdk_buffer_append(s->host, &s->code->classes, &made, sizeof made);
    if (status == CKPT_OK)
        *class = made;
    else
        s->host->release(s->host, made);
    return status;
}

/* `class NAME(BASE):`, of which `class ` has been read. */
static int
scan_class(struct scan *s)
{
    struct torchscript_class *class;
    const char *name = s->at;
    char *kept;
    uint64_t *number;
    bool added;
    int status;

    while (s->at < s->end && *s->at != '(' && *s->at != ':')
        s->at++;
    status = keep_name(s, name, (size_t)(s->at - name), &kept);
    if (status == CKPT_OK)
        status = add_class(s, &class);
    if (status != CKPT_OK)
        return status;
    class->name = kept;
    class->is_module = take(s, "(Module)");
    number =
        sdk_table_add(s->host, &s->code->by_name, kept, strlen(kept), &added);
    if (number == NULL)
        return CKPT_MEMORY;
    if (!added)
        return scan_fail(s, "a class that comes twice");
    *number = s->code->classes.size_bytes / sizeof class;
    s->class = class;
    return CKPT_OK;
}

static int
scan_line(struct scan *s)
{
    if (s->at == s->end)
        return CKPT_OK;
    if (take(s, "class "))
        return scan_class(s);
    if (*s->at != ' ')
        s->class = NULL;
    if (s->class == NULL)
        return CKPT_OK;
    if (take(s, "  __parameters__ = ["))
        return scan_attributes(s, CKPT_ROLE_PARAMETER);
    if (take(s, "  __buffers__ = [")) {
        s->class->tells_buffers = true;
        return scan_attributes(s, CKPT_ROLE_BUFFER);
    }
    return CKPT_OK;
}

static int
scan_text(struct scan *s, size_t size_bytes)
{
    char *last = s->text + size_bytes;
    unsigned lines = 0;
    int status = CKPT_OK;

    for (s->at = s->text; status == CKPT_OK && s->at < last;
         s->at = s->end + 1) {
        s->end = memchr(s->at, '\n', (size_t)(last - s->at));
        if (s->end == NULL)
            s->end = last;
        status = scan_line(s);
        if ((++lines & 0xfff) == 0 && s->host->cancelled(s->host))
            return CKPT_CANCELLED;
    }
    return status;
}

/* ---- Files ---- */

/* code/b/c.py; false if there is none. */
static bool
find_file(struct scan *s)
{
    char record[MODULE_BYTES_MAX + 16] = "code/";
    size_t module_bytes = strlen(s->module), i;

    if (module_bytes > MODULE_BYTES_MAX)
        return false;
    for (i = 0; i < module_bytes; i++)
        record[5 + i] = s->module[i] == '.' ? '/' : s->module[i];
    memcpy(record + 5 + module_bytes, ".py", 4);
    s->member = sdk_torch_records_text(s->code->records, record);
    return s->member != NULL;
}

static int
read_file(struct scan *s)
{
    struct sdk_torch_bytes bytes = {0};
    char *text;
    int status;

    if (!find_file(s))
        return CKPT_OK;
    status =
        sdk_torch_records_load(s->host, s->code->records, s->member, &bytes);
    if (status != CKPT_OK)
        return status;
    s->text = text = (char *)bytes.data;
    status = sdk_buffer_append(s->host, &s->code->texts, &text, sizeof text);
    if (status != CKPT_OK) {
        s->host->release(s->host, text);
        return status;
    }
    return scan_text(s, bytes.size_bytes);
}

static const struct torchscript_class *
find_class(const struct torchscript_code *code)
{
    const uint64_t *number =
        sdk_table_find(&code->by_name, code->name.data, code->name.size_bytes);

    if (number == NULL || *number == 0)
        return NULL;
    return (
        (struct torchscript_class **)(void *)code->classes.data)[*number - 1];
}

int
torchscript_class_find(const struct ckpt_host *host,
                       struct torchscript_code *code, const char *module,
                       const char *name, const struct torchscript_class **found)
{
    struct scan s = {.host = host, .code = code, .module = module};
    bool added;
    int status;

    code->name.size_bytes = 0;
    status = sdk_buffer_append(host, &code->name, module, strlen(module));
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &code->name, ".", 1);
    if (status == CKPT_OK)
        status = sdk_buffer_append(host, &code->name, name, strlen(name));
    if (status != CKPT_OK)
        return status;
    *found = find_class(code);
    if (*found != NULL)
        return CKPT_OK;
    if (sdk_table_add(host, &code->files, module, strlen(module), &added) ==
        NULL)
        return CKPT_MEMORY;
    if (added)
        status = read_file(&s);
    *found = find_class(code);
    return status;
}

uint32_t
torchscript_role_of(const struct torchscript_class *class,
                    const struct ckpt_text *attribute)
{
    const uint64_t *role =
        sdk_table_find(&class->roles, attribute->data, attribute->size_bytes);

    return role != NULL ? (uint32_t)*role : CKPT_ROLE_UNKNOWN;
}

void
torchscript_code_fini(const struct ckpt_host *host,
                      struct torchscript_code *code)
{
    struct torchscript_class **classes = (void *)code->classes.data;
    char **texts = (void *)code->texts.data;
    size_t i;

    for (i = 0; i < code->classes.size_bytes / sizeof *classes; i++) {
        sdk_table_fini(host, &classes[i]->roles);
        host->release(host, classes[i]);
    }
    for (i = 0; i < code->texts.size_bytes / sizeof *texts; i++)
        host->release(host, texts[i]);
    sdk_buffer_fini(host, &code->classes);
    sdk_buffer_fini(host, &code->texts);
    sdk_buffer_fini(host, &code->name);
    sdk_table_fini(host, &code->files);
    sdk_table_fini(host, &code->by_name);
}
