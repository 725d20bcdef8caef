/* SPDX-License-Identifier: MIT
 *
 * Globs by the C library, expressions by PCRE2 with limits: an expression may
 * be innocent and yet take for ever on a name that a file chose.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <fnmatch.h>
#include <pcre2.h>
#include <string.h>

#define STEPS_MAX 1000000
#define DEPTH_MAX 10000
#define HEAP_MAX_KIB 8192
#define RENAMED_MAX_BYTES ((size_t)64 << 10)

struct sdk_pattern {
    const char *glob; /* NULL: an expression */
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

struct sdk_substitution {
    struct sdk_pattern expression;
    char *text; /* the expression, cut out, and behind it the template */
    const char *becomes;
    uint32_t flags; /* of pcre2_substitute */
    char renamed[RENAMED_MAX_BYTES];
};

static int
expression_init(const struct ckpt_host *host, const char *text,
                uint32_t options, struct sdk_pattern *pattern)
{
    PCRE2_SIZE where = 0;
    PCRE2_UCHAR why[120];
    int error = 0;

    pattern->code =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                      options | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &error, &where, NULL);
    if (pattern->code == NULL) {
        pcre2_get_error_message(error, why, sizeof why);
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%s' is no regular expression: %s (at character "
                          "%zu)",
                          text, (const char *)why, (size_t)where + 1);
    }
    pattern->match = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    pattern->limits = pcre2_match_context_create(NULL);
    if (pattern->match == NULL || pattern->limits == NULL)
        return host->fail(host, CKPT_MEMORY, NULL, CKPT_NOWHERE,
                          "no memory for a regular expression");
    pcre2_set_match_limit(pattern->limits, STEPS_MAX);
    pcre2_set_depth_limit(pattern->limits, DEPTH_MAX);
    pcre2_set_heap_limit(pattern->limits, HEAP_MAX_KIB);
    return CKPT_OK;
}

static void
expression_fini(struct sdk_pattern *pattern)
{
    pcre2_match_context_free(pattern->limits);
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
}

/* Says why an expression could not be tried on a name. */
static int
expression_fail(const struct ckpt_host *host, int error)
{
    PCRE2_UCHAR why[120];

    pcre2_get_error_message(error, why, sizeof why);
    return host->fail(host, CKPT_LIMIT, NULL, CKPT_NOWHERE,
                      "the regular expression is too costly on a name: %s",
                      (const char *)why);
}

int
sdk_pattern_new(const struct ckpt_host *host, const char *text,
                struct sdk_pattern **pattern)
{
    struct sdk_pattern *made;
    int status = CKPT_OK;

    if (text[0] == '\0')
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "the pattern is empty");
    made = host->allocate(host, sizeof *made);
    if (made == NULL)
        return CKPT_MEMORY;
    if (strncmp(text, "re:", 3) == 0)
        status = expression_init(host, text + 3, 0, made);
    else
        made->glob = text;
    if (status != CKPT_OK) {
        sdk_pattern_free(host, made);
        return status;
    }
    *pattern = made;
    return CKPT_OK;
}

int
sdk_pattern_match(const struct ckpt_host *host,
                  const struct sdk_pattern *pattern,
                  const struct ckpt_text *name, bool *matches)
{
    int found;

    if (pattern->glob != NULL) {
        *matches = strlen(name->data) == name->size_bytes &&
                   fnmatch(pattern->glob, name->data, 0) == 0;
        return CKPT_OK;
    }
    found = pcre2_match(pattern->code, (PCRE2_SPTR)name->data, name->size_bytes,
                        0, 0, pattern->match, pattern->limits);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        return expression_fail(host, found);
    *matches = found >= 0;
    return CKPT_OK;
}

void
sdk_pattern_free(const struct ckpt_host *host, struct sdk_pattern *pattern)
{
    if (pattern == NULL)
        return;
    expression_fini(pattern);
    host->release(host, pattern);
}

/* ---- Substitution ---- */

/* Cuts "s/a/b/gi" in place; false if it is not of that form. */
static bool
substitution_cut(char *text, char **expression, char **becomes, char **flags)
{
    char *at;

    if (text[0] != 's' || text[1] == '\0' || text[1] == '\\')
        return false;
    *expression = text + 2;
    for (at = *expression; *at != '\0' && *at != text[1]; at++)
        at += *at == '\\' && at[1] != '\0';
    if (*at == '\0')
        return false;
    *at = '\0';
    *becomes = at + 1;
    at = strchr(*becomes, text[1]);
    if (at == NULL)
        return false;
    *at = '\0';
    *flags = at + 1;
    return **expression != '\0';
}

static int
substitution_flags(const struct ckpt_host *host, const char *flags,
                   uint32_t *options, uint32_t *replacing)
{
    for (; *flags != '\0'; flags++) {
        if (*flags == 'g')
            *replacing |= PCRE2_SUBSTITUTE_GLOBAL;
        else if (*flags == 'i')
            *options |= PCRE2_CASELESS;
        else
            return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                              "the flag '%c' is neither g nor i", *flags);
    }
    return CKPT_OK;
}

static int
substitution_init(const struct ckpt_host *host, const char *text,
                  struct sdk_substitution *substitution)
{
    char *expression, *becomes, *flags;
    uint32_t options = 0;
    int status;

    substitution->text = host->allocate(host, strlen(text) + 1);
    if (substitution->text == NULL)
        return CKPT_MEMORY;
    memcpy(substitution->text, text, strlen(text) + 1);
    if (!substitution_cut(substitution->text, &expression, &becomes, &flags))
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "'%s' is not of the form s/PATTERN/TEMPLATE/flags",
                          text);
    substitution->becomes = becomes;
    substitution->flags = 0;
    status = substitution_flags(host, flags, &options, &substitution->flags);
    if (status != CKPT_OK)
        return status;
    return expression_init(host, expression, options,
                           &substitution->expression);
}

int
sdk_substitution_new(const struct ckpt_host *host, const char *text,
                     struct sdk_substitution **substitution)
{
    struct sdk_substitution *made = host->allocate(host, sizeof *made);
    int status;

    if (made == NULL)
        return CKPT_MEMORY;
    status = substitution_init(host, text, made);
    if (status != CKPT_OK) {
        sdk_substitution_free(host, made);
        return status;
    }
    *substitution = made;
    return CKPT_OK;
}

int
sdk_substitution_apply(const struct ckpt_host *host,
                       struct sdk_substitution *substitution,
                       const struct ckpt_text *name, struct ckpt_text *renamed)
{
    const struct sdk_pattern *expression = &substitution->expression;
    PCRE2_SIZE room = sizeof substitution->renamed;
    int count = pcre2_substitute(
        expression->code, (PCRE2_SPTR)name->data, name->size_bytes, 0,
        substitution->flags, expression->match, expression->limits,
        (PCRE2_SPTR)substitution->becomes, PCRE2_ZERO_TERMINATED,
        (PCRE2_UCHAR *)substitution->renamed, &room);

    if (count == PCRE2_ERROR_NOMEMORY)
        return host->fail(host, CKPT_LIMIT, name->data, CKPT_NOWHERE,
                          "its new name would be over 64 KiB");
    if (count == PCRE2_ERROR_NOSUBSTRING || count == PCRE2_ERROR_UNSET ||
        count == PCRE2_ERROR_BADREPLACEMENT ||
        count == PCRE2_ERROR_REPMISSINGBRACE)
        return host->fail(host, CKPT_OPTION, NULL, CKPT_NOWHERE,
                          "the template '%s' is wrong, or names a group that "
                          "is not there",
                          substitution->becomes);
    if (count < 0)
        return expression_fail(host, count);
    *renamed = *name;
    if (count > 0) {
        renamed->data = substitution->renamed;
        renamed->size_bytes = room;
    }
    return CKPT_OK;
}

void
sdk_substitution_free(const struct ckpt_host *host,
                      struct sdk_substitution *substitution)
{
    if (substitution == NULL)
        return;
    expression_fini(&substitution->expression);
    host->release(host, substitution->text);
    host->release(host, substitution);
}
