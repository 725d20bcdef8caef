/* SPDX-License-Identifier: MIT
 *
 * Option texts are checked here, so that plugins meet typed values alone.
 */
#include "hub/core/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "checked.h"

bool
hub_size_parse(const char *text, uint64_t *size_bytes)
{
    static const char letters[] = "KMGTP";
    const char *letter;
    char *end;
    uint64_t number, step = 1000;
    int power;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    if (*end > ' ' && (letter = strchr(letters, *end & ~0x20)) != NULL) {
        power = (int)(letter - letters) + 1;
        if (*++end == 'i') {
            step = 1024;
            end++;
        }
        for (; power > 0; power--)
            if (!sdk_mul_u64(number, step, &number))
                return false;
    }
    if (*end == 'B')
        end++;
    if (*end != '\0')
        return false;
    *size_bytes = number;
    return true;
}

static bool
option_bool(const char *text, int64_t *integer)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    size_t i;

    for (i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *integer = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool
option_integer(const char *text, int64_t *integer)
{
    char *end;

    errno = 0;
    *integer = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bool
option_choice(const struct ckpt_option *option, const char *text,
              int64_t *integer)
{
    int64_t i;

    for (i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            *integer = i;
            return true;
        }
    }
    return false;
}

static bool
option_value(const struct ckpt_option *option, const char *text,
             struct ckpt_option_value *value)
{
    uint64_t size;

    value->text = text;
    switch (option->kind) {
    case CKPT_OPTION_BOOL:
        return option_bool(text, &value->integer);
    case CKPT_OPTION_INT:
        return option_integer(text, &value->integer);
    case CKPT_OPTION_SIZE:
        if (!hub_size_parse(text, &size) || size > INT64_MAX)
            return false;
        value->integer = (int64_t)size;
        return true;
    case CKPT_OPTION_CHOICE:
        return option_choice(option, text, &value->integer);
    case CKPT_OPTION_FILE:
    case CKPT_OPTION_GRAPH:
        return text[0] != '\0';
    default:
        return true;
    }
}

static int
option_unknown(struct hub_arena *arena, const struct ckpt_option *declared,
               const char *given)
{
    struct hub_report *report = arena->budget->report;
    char known[200] = "";
    size_t i, used = 0;

    for (i = 0; declared != NULL && declared[i].kind != CKPT_OPTION_END; i++) {
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                 declared[i].name);
        used = strlen(known);
    }
    hub_remedy(report, used > 0 ? "known options: %s" : "it has no options%s",
               known);
    return hub_fail(report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                    "unknown option '%s'", given);
}

/* The declaration of what is given, or NULL; `*text` is the text of its
 * value. */
static const struct ckpt_option *
option_find(const struct ckpt_option *declared, const char *given,
            const char **text)
{
    const char *equals = strchr(given, '=');
    size_t length = equals != NULL ? (size_t)(equals - given) : strlen(given);

    *text = equals != NULL ? equals + 1 : "yes";
    for (; declared != NULL && declared->kind != CKPT_OPTION_END; declared++)
        if (strlen(declared->name) == length &&
            strncmp(declared->name, given, length) == 0)
            return declared;
    return NULL;
}

/* What the option is for, and among what there is to choose. */
static void
option_remedy(struct hub_report *report, const struct ckpt_option *option)
{
    char known[200] = "";
    size_t i, used = 0;

    for (i = 0; option->kind == CKPT_OPTION_CHOICE && option->choices[i]; i++) {
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? "|" : ": ",
                 option->choices[i]);
        used = strlen(known);
    }
    hub_remedy(report, "%s: %s%s", option->name, option->help, known);
}

static int
option_take(struct hub_arena *arena, const struct ckpt_option *declared,
            const char *given, struct ckpt_option_value *values)
{
    const char *text;
    const struct ckpt_option *option = option_find(declared, given, &text);
    struct ckpt_option_value *value;

    if (option == NULL)
        return option_unknown(arena, declared, given);
    text = hub_arena_text(arena, text, strlen(text));
    if (text == NULL)
        return arena->budget->report->status;
    value = &values[option - declared];
    value->given = true;
    if (option->kind == CKPT_OPTION_GRAPH)
        value->integer++;
    if (option_value(option, text, value))
        return CKPT_OK;
    option_remedy(arena->budget->report, option);
    return hub_fail(arena->budget->report, CKPT_OPTION, NULL, CKPT_NOWHERE,
                    "option '%s' cannot be '%s'", option->name, text);
}

bool
hub_options_fit(const struct ckpt_option *declared, const char *const *given)
{
    struct ckpt_option_value value;
    const struct ckpt_option *option;
    const char *text;

    for (; given != NULL && *given != NULL; given++) {
        option = option_find(declared, *given, &text);
        if (option == NULL || !option_value(option, text, &value))
            return false;
    }
    return true;
}

static size_t
option_count(const struct ckpt_option *declared)
{
    size_t count = 0;

    while (declared != NULL && declared[count].kind != CKPT_OPTION_END)
        count++;
    return count;
}

int
hub_options_parse(struct hub_arena *arena, const struct ckpt_option *declared,
                  const char *const *given, struct ckpt_option_value **values)
{
    size_t i, count = option_count(declared);
    struct ckpt_option_value *parsed =
        hub_arena_allocate(arena, (count + 1) * sizeof *parsed);
    int status;

    if (parsed == NULL)
        return arena->budget->report->status;
    for (i = 0; i < count; i++)
        if (declared[i].fallback != NULL &&
            !option_value(&declared[i], declared[i].fallback, &parsed[i]))
            return hub_fail(arena->budget->report, CKPT_CONTRACT, NULL,
                            CKPT_NOWHERE, "the default of option '%s' is wrong",
                            declared[i].name);
    for (i = 0; given != NULL && given[i] != NULL; i++) {
        status = option_take(arena, declared, given[i], parsed);
        if (status != CKPT_OK)
            return status;
    }
    *values = parsed;
    return CKPT_OK;
}
