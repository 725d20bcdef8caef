/* SPDX-License-Identifier: MIT
 *
 * What the files of the command share: one run of the program, the commands
 * it knows, and the way it speaks. Results go to stdout and may be piped; all
 * else goes to stderr, a line at a time, through the functions below.
 */
#ifndef CLI_H
#define CLI_H

#include "args.h"
#include "ckpt.h"
#include "out.h"
#include "progress.h"
#include "sandbox.h"

enum cli_exit {
    CLI_DONE = 0,
    CLI_NO = 1,      /* asked, and the answer is no */
    CLI_USAGE = 2,   /* the command line is wrong */
    CLI_FORMAT = 3,  /* the input is malformed */
    CLI_REFUSED = 4, /* not supported, a loss, an existing output */
    CLI_IO = 5,      /* input, output, space, memory; worth a retry */
    CLI_PLUGIN = 6   /* a plugin broke its contract */
};

struct cli {
    const struct cli_command *command;
    struct cli_args args;
    struct cli_out out, err;
    struct cli_progress progress;
    struct cli_sandbox sandbox;
    struct ckpt *user;
    bool clever_terminal;    /* on stderr: not a dumb one */
    bool colour;             /* on stderr */
    bool warnings_in_result; /* so they are not messages */
};

struct cli_command {
    const char *name;
    const char *operands; /* as the usage line shows them */
    const char *summary;  /* one line, lower case, without full stop */
    const char *about;    /* the rest of the help; lines end with \n */
    const struct cli_option *options;
    size_t operand_min, operand_max;
    bool bare;                   /* needs no library */
    int (*run)(struct cli *cli); /* returns an enum cli_exit */
};

extern const struct cli_command *const cli_commands[]; /* NULL-ended */
extern const struct cli_command cli_info, cli_ls, cli_convert, cli_merge,
    cli_diff, cli_verify, cli_scan, cli_plugins, cli_help;

/* ---- main.c ---- */

/* Whether a signal asked to stop. */
bool cli_cancelled(void *user);

/* ---- say.c ---- */

/* "ckpt: LABEL: TEXT", escaped. LABEL may be NULL. */
void cli_say(struct cli *cli, const char *label, const char *text);

/* A wrong command line: says what is wrong and what was meant ("did you mean
 * DASHES NEAREST?") or, if `nearest` is NULL, where the help is. */
int cli_usage(struct cli *cli, const char *text, const char *dashes,
              const char *nearest);

/* Says why the library's last call failed, and its remedy. Returns the exit
 * status for `status`. */
int cli_fail(struct cli *cli, int status);

/* The library's callback for messages. */
void cli_message(void *user, enum ckpt_message_level level, const char *text);

/* ---- transforms.c ---- */

/* The options of the commands that edit what they read. */
#define CLI_TRANSFORM_OPTIONS                                    \
    {"transform",                                                \
     't',                                                        \
     "NAME[:ARG]",                                               \
     CLI_OPTION_LIST,                                            \
     offsetof(struct cli_args, transforms),                      \
     "edit what was read; may be repeated, done in order"},      \
    {                                                            \
        "recipe", 0, "FILE", CLI_OPTION_LIST,                    \
            offsetof(struct cli_args, recipes),                  \
            "a YAML list of transforms, done before those of -t" \
    }

/* Lists the transforms in `cli->args.steps`: CLI_DONE, or says that memory ran
 * out. */
int cli_transforms_take(struct cli *cli);

/* ---- confine.c ---- */

/* Enters the sandbox with these inputs, the files that options and transforms
 * name, and the folder of `output`, if that is not NULL. CLI_DONE, or says
 * what is wrong. */
int cli_confine(struct cli *cli, const char *const *inputs, size_t input_count,
                const char *output);

/* ---- cmd_help.c ---- */

void cli_help_command(struct cli_out *out, const struct cli_command *command);
void cli_help_all(struct cli_out *out);

/* The command of that name, or NULL; then `nearest` is one like it or NULL. */
const struct cli_command *cli_command_find(const char *name,
                                           const char **nearest);

/* The command line before its operands are files: says that `name` is no
 * command. */
int cli_command_unknown(struct cli *cli, const char *name);

#endif
