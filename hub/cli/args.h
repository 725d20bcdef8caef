/* SPDX-License-Identifier: MIT
 *
 * The command line. A command declares its options in a table; the same
 * table is parsed, printed as help, and searched for the nearest name when
 * a word is wrong.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "out.h"

/* A list that always ends with NULL, for the library's option lists. */
struct cli_list {
    const char **items;
    size_t count;
};

/* CKPT_OK or CKPT_MEMORY. The item is borrowed. */
int cli_list_add(struct cli_list *list, const char *item);

/* What all commands together can be told. */
struct cli_args {
    struct cli_list operands;
    struct cli_list plugin_files, input_options, output_options, transforms;
    struct cli_list recipes;
    struct cli_list steps; /* of the recipes, our own; then the transforms */
    size_t step_own_count;
    const char *from, *to, *template, *tolerance;
    const char *as, *missing, *unexpected, *mismatch;
    const char *output; /* the operand that is written, or NULL */
    char *template_option; /* it as an option of the writer, our own */
    uint64_t memory_max_bytes;
    unsigned verbose;
    bool quiet, no_sandbox, help, version;
    bool json, tree, digest, index, optimizer, modules, source, like;
    bool strict, dry_run, force, sync, hash_name;
};

enum cli_option_kind {
    CLI_OPTION_END = 0,
    CLI_OPTION_FLAG,  /* bool */
    CLI_OPTION_COUNT, /* unsigned: how often it was given */
    CLI_OPTION_TEXT,  /* const char * */
    CLI_OPTION_LIST,  /* struct cli_list */
    CLI_OPTION_SIZE   /* uint64_t, bytes */
};

/* One option. A table ends with an entry of kind CLI_OPTION_END. */
struct cli_option {
    const char *name;  /* without dashes; NULL if there is only a letter */
    char letter;       /* or '\0' */
    const char *value; /* what the help calls its value; NULL for flags */
    uint32_t kind;     /* enum cli_option_kind */
    size_t offset;     /* of its member in struct cli_args */
    const char *help;  /* one line */
};

extern const struct cli_option cli_global_options[];

/* One run over the words of a command line. */
struct cli_parser {
    char **words;                       /* NULL-ended */
    size_t next;                        /* the word to look at */
    const struct cli_option *tables[2]; /* either may be NULL */
    struct cli_args *args;
    bool plain; /* `--` was met */
    /* Where it failed: the message, and what was meant, or NULL. */
    struct cli_out problem;
    const char *nearest;
};

/* Reads options up to the first operand. CKPT_OPTION or CKPT_MEMORY. */
int cli_args_head(struct cli_parser *parser);

/* Reads all words that are left; operands and options may be mixed, and
 * after `--` all are operands. */
int cli_args_rest(struct cli_parser *parser);

void cli_args_fini(struct cli_args *args);

#endif
