/* SPDX-License-Identifier: MIT
 *
 * The command `ckpt`: finds the command that the first word names, starts
 * the library, runs the command, and sees the output to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

const struct cli_command *const cli_commands[] = {
    &cli_info,   &cli_ls,   &cli_convert, &cli_merge, &cli_diff,
    &cli_verify, &cli_scan, &cli_plugins, &cli_help,  NULL,
};

/* Set by the first SIGINT, SIGTERM or SIGHUP; the second one kills. */
static volatile sig_atomic_t main_cancelled;

static void
main_on_signal(int number)
{
    (void)number;
    main_cancelled = 1;
}

static void
main_catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action, old;
    size_t i;

    memset(&action, 0, sizeof action);
    action.sa_handler = main_on_signal;
    action.sa_flags = (int)SA_RESETHAND;
    for (i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    /* A pipe that closes is seen by write, where there is time to tidy. */
    signal(SIGPIPE, SIG_IGN);
}

/* A closed descriptor 0, 1 or 2 would be given to the next file opened, and
 * our messages would go into it. */
static void
main_guard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && fd <= 2);
    if (fd >= 0)
        close(fd);
}

bool
cli_cancelled(void *user)
{
    (void)user;
    return main_cancelled != 0;
}

static void
main_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    struct cli *cli = user;

    cli_progress_update(&cli->progress, done_bytes, total_bytes);
}

static int
main_start_library(struct cli *cli)
{
    struct ckpt_settings settings = CKPT_SETTINGS;
    int status;

    cli->sandbox.refused = cli->args.no_sandbox;
    settings.plugin_files = cli->args.plugin_files.items;
    settings.memory_max_bytes = cli->args.memory_max_bytes;
    settings.user = cli;
    settings.message = cli_message;
    settings.progress = main_progress;
    settings.cancelled = cli_cancelled;
    if (cli->clever_terminal && !cli->args.quiet)
        cli_progress_begin(&cli->progress, &cli->err);
    status = ckpt_new(&settings, &cli->user);
    return status == CKPT_OK ? CLI_DONE : cli_fail(cli, status);
}

static int
main_parse_failed(struct cli *cli, struct cli_parser *parser, int status)
{
    if (status == CKPT_MEMORY)
        return cli_fail(cli, status);
    return cli_usage(cli, cli_out_text(&parser->problem), "--",
                     parser->nearest);
}

static int
main_check_operands(struct cli *cli)
{
    size_t count = cli->args.operands.count;
    struct cli_out text;

    if (count >= cli->command->operand_min &&
        count <= cli->command->operand_max)
        return CLI_DONE;
    cli_out_init(&text, -1);
    cli_out_string(&text, count < cli->command->operand_min
                              ? "too few operands: wants "
                              : "too many operands: wants ");
    cli_out_string(&text, cli->command->operands);
    cli_usage(cli, cli_out_text(&text), NULL, NULL);
    cli_out_fini(&text);
    return CLI_USAGE;
}

static int
main_version(struct cli *cli)
{
    cli_out_string(&cli->out, "ckpt ");
    cli_out_string(&cli->out, ckpt_version());
    cli_out_char(&cli->out, '\n');
    return CLI_DONE;
}

static int
main_run_command(struct cli *cli, struct cli_parser *parser)
{
    int exit_status, status;

    parser->tables[1] = cli->command->options;
    status = cli_args_rest(parser);
    if (status != CKPT_OK)
        return main_parse_failed(cli, parser, status);
    if (cli->args.version)
        return main_version(cli);
    if (cli->args.help) {
        cli_help_command(&cli->out, cli->command);
        return CLI_DONE;
    }
    exit_status = main_check_operands(cli);
    if (exit_status == CLI_DONE && !cli->command->bare)
        exit_status = main_start_library(cli);
    return exit_status == CLI_DONE ? cli->command->run(cli) : exit_status;
}

static int
main_dispatch(struct cli *cli, struct cli_parser *parser)
{
    const char *name, *nearest;
    int status;

    status = cli_args_head(parser);
    if (status != CKPT_OK)
        return main_parse_failed(cli, parser, status);
    name = parser->words[parser->next];
    if (cli->args.version)
        return main_version(cli);
    if (name == NULL) {
        cli_help_all(cli->args.help ? &cli->out : &cli->err);
        return cli->args.help ? CLI_DONE : CLI_USAGE;
    }
    cli->command = cli_command_find(name, &nearest);
    if (cli->command == NULL)
        return cli_command_unknown(cli, name);
    parser->next++;
    return main_run_command(cli, parser);
}

/* A reader that went away has what it wanted; all else is a failure. */
static int
main_finish(struct cli *cli, int exit_status)
{
    int error;

    cli_progress_clear(&cli->progress);
    cli_out_flush(&cli->err);
    error = cli_out_flush(&cli->out);
    if (error == 0 && close(STDOUT_FILENO) != 0 && cli->out.data != NULL)
        error = errno;
    if (error == 0 || error == EPIPE)
        return exit_status;
    cli->out.error = 0;
    cli_out_string(&cli->err, "ckpt: standard output: ");
    cli_out_string(&cli->err, strerror(error));
    cli_out_char(&cli->err, '\n');
    cli_out_flush(&cli->err);
    return exit_status > CLI_IO ? exit_status : CLI_IO;
}

/* Whether stderr understands more than plain lines, and is to be in colour. */
static void
main_look_at_terminal(struct cli *cli)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    cli->clever_terminal =
        cli->err.terminal && term != NULL && strcmp(term, "dumb") != 0;
    cli->colour =
        cli->clever_terminal && (no_color == NULL || no_color[0] == '\0');
}

int
main(int argc, char **argv)
{
    struct cli cli = {.command = NULL};
    struct cli_parser parser = {.args = &cli.args, .next = 1};
    int exit_status;

    main_guard_descriptors();
    main_catch_signals();
    cli_out_init(&cli.out, STDOUT_FILENO);
    cli_out_init(&cli.err, STDERR_FILENO);
    cli_out_init(&parser.problem, -1);
    main_look_at_terminal(&cli);
    parser.words = argv;
    parser.tables[0] = cli_global_options;
    if (argc < 1)
        return CLI_USAGE;

    exit_status = main_dispatch(&cli, &parser);
    exit_status = main_finish(&cli, exit_status);

    ckpt_free(cli.user);
    cli_args_fini(&cli.args);
    cli_out_fini(&parser.problem);
    cli_out_fini(&cli.out);
    cli_out_fini(&cli.err);
    return exit_status;
}
