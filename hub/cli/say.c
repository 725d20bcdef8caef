/* SPDX-License-Identifier: MIT
 *
 * All that the command says on stderr, and the exit statuses that go with
 * it. A line is written in one piece, after the progress bar has made room.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "escape.h"

static void
say_begin(struct cli *cli, const char *label)
{
    cli_progress_clear(&cli->progress);
    cli_out_string(&cli->err, "ckpt: ");
    if (label == NULL)
        return;
    if (cli->colour)
        cli_out_string(&cli->err, "\033[33m");
    cli_out_string(&cli->err, label);
    cli_out_string(&cli->err, cli->colour ? ":\033[0m " : ": ");
}

static void
say_end(struct cli *cli)
{
    cli_out_char(&cli->err, '\n');
    cli_out_flush(&cli->err);
}

void
cli_say(struct cli *cli, const char *label, const char *text)
{
    say_begin(cli, label);
    cli_escape_string(&cli->err, text);
    say_end(cli);
}

int
cli_usage(struct cli *cli, const char *text, const char *dashes,
          const char *nearest)
{
    const char *name = cli->command ? cli->command->name : NULL;

    say_begin(cli, NULL);
    if (name != NULL) {
        cli_out_string(&cli->err, name);
        cli_out_string(&cli->err, ": ");
    }
    /* `text` is escaped where it quotes a word. */
    cli_out_string(&cli->err, text);
    cli_out_string(&cli->err, "\nckpt: ");
    if (nearest != NULL) {
        cli_out_string(&cli->err, "did you mean ");
        cli_out_string(&cli->err, dashes);
        cli_out_string(&cli->err, nearest);
        cli_out_char(&cli->err, '?');
    } else {
        cli_out_string(&cli->err, "see 'ckpt help");
        cli_out_string(&cli->err, name ? " " : "");
        cli_out_string(&cli->err, name ? name : "");
        cli_out_char(&cli->err, '\'');
    }
    say_end(cli);
    return CLI_USAGE;
}

static int
say_exit(int status)
{
    switch (status) {
    case CKPT_OK:
        return CLI_DONE;
    case CKPT_FORMAT:
    case CKPT_LIMIT:
        return CLI_FORMAT;
    case CKPT_UNSUPPORTED:
    case CKPT_CONFLICT:
        return CLI_REFUSED;
    case CKPT_OPTION:
        return CLI_USAGE;
    case CKPT_CONTRACT:
        return CLI_PLUGIN;
    default:
        return CLI_IO;
    }
}

int
cli_fail(struct cli *cli, int status)
{
    const char *error = cli->user ? ckpt_error(cli->user) : NULL;
    const char *remedy = cli->user ? ckpt_remedy(cli->user) : NULL;

    if (error == NULL || error[0] == '\0')
        error = status == CKPT_MEMORY      ? "out of memory"
                : status == CKPT_CANCELLED ? "interrupted"
                                           : "failed without a reason";
    cli_say(cli, NULL, error);
    if (remedy != NULL)
        cli_say(cli, NULL, remedy);
    return say_exit(status);
}

void
cli_message(void *user, enum ckpt_message_level level, const char *text)
{
    struct cli *cli = user;

    if (level == CKPT_MESSAGE_LOSS)
        cli_say(cli, "loss", text);
    else if (level == CKPT_MESSAGE_WARNING) {
        if (!cli->args.quiet && !cli->warnings_in_result)
            cli_say(cli, "warning", text);
    } else if (level == CKPT_MESSAGE_STEP) {
        if (cli->args.verbose >= 1)
            cli_say(cli, "step", text);
    } else if (cli->args.verbose >= 2)
        cli_say(cli, "debug", text);
}
