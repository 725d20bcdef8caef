/* SPDX-License-Identifier: MIT
 *
 * The parser of the command line, table-driven. The options themselves stand
 * with their commands; those that all commands share stand here.
 */
#include "args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ckpt.h"
#include "escape.h"

#define AT(member) offsetof(struct cli_args, member)

const struct cli_option cli_global_options[] = {
    {"plugin", 0, "FILE", CLI_OPTION_LIST, AT(plugin_files),
     "add a plugin; may be repeated"},
    {"max-memory", 0, "SIZE", CLI_OPTION_SIZE, AT(memory_max_bytes),
     "memory for metadata: 64MiB, 2GB (default 512MiB)"},
    {"no-sandbox", 0, NULL, CLI_OPTION_FLAG, AT(no_sandbox),
     "do not confine the process to its files"},
    {"quiet", 'q', NULL, CLI_OPTION_FLAG, AT(quiet),
     "errors and losses only: no warnings, no progress"},
    {"verbose", 'v', NULL, CLI_OPTION_COUNT, AT(verbose),
     "say what is done; twice for plugin developers"},
    {"help", 'h', NULL, CLI_OPTION_FLAG, AT(help), "print help"},
    {"version", 0, NULL, CLI_OPTION_FLAG, AT(version), "print the version"},
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};

int
cli_list_add(struct cli_list *list, const char *item)
{
    const char **items;

    items = realloc(list->items, (list->count + 2) * sizeof *items);
    if (items == NULL)
        return CKPT_MEMORY;
    items[list->count++] = item;
    items[list->count] = NULL;
    list->items = items;
    return CKPT_OK;
}

static int
args_problem(struct cli_parser *parser, const char *what, const char *word,
             size_t length)
{
    cli_out_string(&parser->problem, what);
    cli_out_char(&parser->problem, ' ');
    cli_escape(&parser->problem, word, length);
    return CKPT_OPTION;
}

/* "123", "64KiB", "5GB"; a bare K, M, G or T counts by 1024. */
static bool
args_size(const char *text, uint64_t *size_bytes)
{
    static const char letters[] = "KMGT";
    unsigned long long number;
    uint64_t unit = 1, base;
    const char *letter;
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    letter = *end ? strchr(letters, *end & ~0x20) : NULL;
    if (letter != NULL) {
        base = strcasecmp(end + 1, "B") == 0 ? 1000 : 1024;
        for (unit = base; letter > letters; letter--)
            unit *= base;
        end += strcasecmp(end + 1, "iB") == 0 ? 2 : 1;
    }
    if (*end != '\0' && strcasecmp(end, "B") != 0)
        return false;
    return !__builtin_mul_overflow((uint64_t)number, unit, size_bytes);
}

static int
args_store(struct cli_parser *parser, const struct cli_option *option,
           const char *value)
{
    char *member = (char *)parser->args + option->offset;

    switch (option->kind) {
    case CLI_OPTION_FLAG:
        *(bool *)member = true;
        return CKPT_OK;
    case CLI_OPTION_COUNT:
        ++*(unsigned *)member;
        return CKPT_OK;
    case CLI_OPTION_TEXT:
        *(const char **)member = value;
        return CKPT_OK;
    case CLI_OPTION_LIST:
        return cli_list_add((struct cli_list *)member, value);
    default:
        if (args_size(value, (uint64_t *)member))
            return CKPT_OK;
        return args_problem(parser, "not a size in bytes:", value,
                            strlen(value));
    }
}

static const struct cli_option *
args_find(const struct cli_parser *parser, const char *name, size_t length,
          char letter)
{
    const struct cli_option *option;
    size_t table;

    for (table = 0; table < 2; table++) {
        option = parser->tables[table];
        for (; option != NULL && option->kind != CLI_OPTION_END; option++) {
            if (letter != '\0' && option->letter == letter)
                return option;
            if (letter == '\0' && option->name != NULL &&
                strncmp(option->name, name, length) == 0 &&
                option->name[length] == '\0')
                return option;
        }
    }
    return NULL;
}

static void
args_nearest(struct cli_parser *parser, const char *word)
{
    const struct cli_option *option;
    size_t table, distance, least = SIZE_MAX;

    for (table = 0; table < 2; table++) {
        option = parser->tables[table];
        for (; option != NULL && option->kind != CLI_OPTION_END; option++) {
            if (option->name == NULL)
                continue;
            distance = ckpt_distance(word, option->name);
            if (distance < least) {
                least = distance;
                parser->nearest = option->name;
            }
        }
    }
}

/* The value of an option is what follows it in its word, or the next word. */
static int
args_value(struct cli_parser *parser, const struct cli_option *option,
           const char *inside, const char *word, size_t length)
{
    if (option->value == NULL)
        return args_store(parser, option, NULL);
    if (inside == NULL)
        inside = parser->words[parser->next];
    else
        return args_store(parser, option, inside);
    if (inside == NULL) {
        args_problem(parser, "option", word, length);
        cli_out_string(&parser->problem, " needs a value: ");
        cli_out_string(&parser->problem, option->value);
        return CKPT_OPTION;
    }
    parser->next++;
    return args_store(parser, option, inside);
}

static int
args_long(struct cli_parser *parser, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct cli_option *option;

    option = args_find(parser, word + 2, length - 2, '\0');
    if (option == NULL) {
        args_nearest(parser, word + 2);
        return args_problem(parser, "unknown option", word, length);
    }
    if (equals != NULL && option->value == NULL) {
        args_problem(parser, "option", word, length);
        cli_out_string(&parser->problem, " takes no value");
        return CKPT_OPTION;
    }
    return args_value(parser, option, equals ? equals + 1 : NULL, word, length);
}

/* One or more letters behind one dash. */
static int
args_short(struct cli_parser *parser, const char *word)
{
    const struct cli_option *option;
    char shown[] = "-?";
    int status;

    for (word++; *word != '\0'; word++) {
        shown[1] = *word;
        option = args_find(parser, NULL, 0, *word);
        if (option == NULL)
            return args_problem(parser, "unknown option", shown, 2);
        if (option->value != NULL)
            return args_value(parser, option, word[1] ? word + 1 : NULL, shown,
                              2);
        status = args_store(parser, option, NULL);
        if (status != CKPT_OK)
            return status;
    }
    return CKPT_OK;
}

int
cli_args_head(struct cli_parser *parser)
{
    const char *word;
    int status;

    while ((word = parser->words[parser->next]) != NULL && word[0] == '-' &&
           word[1] != '\0') {
        parser->next++;
        if (strcmp(word, "--") == 0) {
            parser->plain = true;
            return CKPT_OK;
        }
        status =
            word[1] == '-' ? args_long(parser, word) : args_short(parser, word);
        if (status != CKPT_OK)
            return status;
    }
    return CKPT_OK;
}

int
cli_args_rest(struct cli_parser *parser)
{
    const char *word;
    int status;

    while (parser->words[parser->next] != NULL) {
        status = parser->plain ? CKPT_OK : cli_args_head(parser);
        if (status != CKPT_OK)
            return status;
        word = parser->words[parser->next];
        if (word == NULL)
            break;
        status = cli_list_add(&parser->args->operands, word);
        if (status != CKPT_OK)
            return status;
        parser->next++;
    }
    return CKPT_OK;
}

void
cli_args_fini(struct cli_args *args)
{
    size_t i;

    for (i = 0; i < args->step_own_count; i++)
        free((char *)(uintptr_t)args->steps.items[i]);
    free(args->template_option);
    free(args->steps.items);
    free(args->recipes.items);
    free(args->operands.items);
    free(args->plugin_files.items);
    free(args->input_options.items);
    free(args->output_options.items);
    free(args->transforms.items);
}
