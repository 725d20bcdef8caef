/* SPDX-License-Identifier: MIT
 *
 * `ckpt help`: made from the tables of the commands, so that it cannot tell
 * anything else than the parser does.
 */
#include <string.h>

#include "cli.h"
#include "escape.h"

const struct cli_command *
cli_command_find(const char *name, const char **nearest)
{
    size_t i, distance, least = SIZE_MAX;

    *nearest = NULL;
    for (i = 0; cli_commands[i] != NULL; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
        distance = ckpt_distance(name, cli_commands[i]->name);
        if (distance < least) {
            least = distance;
            *nearest = cli_commands[i]->name;
        }
    }
    return NULL;
}

int
cli_command_unknown(struct cli *cli, const char *name)
{
    struct cli_out text;
    const char *nearest;
    int exit_status;

    cli_command_find(name, &nearest);
    cli_out_init(&text, -1);
    cli_out_string(&text, "unknown command ");
    cli_escape_string(&text, name);
    exit_status = cli_usage(cli, cli_out_text(&text), "ckpt ", nearest);
    cli_out_fini(&text);
    return exit_status;
}

static size_t
help_option_left(struct cli_out *out, const struct cli_option *option)
{
    size_t start = out->size_bytes;

    if (option->letter != '\0') {
        cli_out_char(out, '-');
        cli_out_char(out, option->letter);
        cli_out_string(out, option->name ? ", " : "");
    } else {
        cli_out_string(out, "    ");
    }
    if (option->name != NULL) {
        cli_out_string(out, "--");
        cli_out_string(out, option->name);
    }
    if (option->value != NULL) {
        cli_out_char(out, ' ');
        cli_out_string(out, option->value);
    }
    return out->size_bytes - start;
}

static void
help_options(struct cli_out *out, const char *title,
             const struct cli_option *option)
{
    struct cli_out left;
    size_t width;

    if (option == NULL)
        return;
    cli_out_init(&left, -1);
    cli_out_string(out, title);
    for (; option->kind != CLI_OPTION_END; option++) {
        cli_out_clear(&left);
        width = help_option_left(&left, option);
        cli_out_string(out, "  ");
        cli_out_string(out, cli_out_text(&left));
        cli_out_fill(out, ' ', width < 27 ? 27 - width : 1);
        cli_out_string(out, option->help);
        cli_out_char(out, '\n');
    }
    cli_out_fini(&left);
}

void
cli_help_command(struct cli_out *out, const struct cli_command *command)
{
    cli_out_string(out, "Usage: ckpt ");
    cli_out_string(out, command->name);
    cli_out_string(out, " [OPTION]... ");
    cli_out_string(out, command->operands);
    cli_out_string(out, "\n\n");
    cli_out_string(out, command->about);
    help_options(out, "\nOptions:\n", command->options);
    help_options(out, "\nOptions of every command:\n", cli_global_options);
}

void
cli_help_all(struct cli_out *out)
{
    const struct cli_command *command;
    size_t i;

    cli_out_string(out, "Usage: ckpt COMMAND [OPTION]... [FILE]...\n\n"
                        "Reads, inspects and converts model checkpoints.\n"
                        "\nCommands:\n");
    for (i = 0; (command = cli_commands[i]) != NULL; i++) {
        cli_out_string(out, "  ");
        cli_out_string(out, command->name);
        cli_out_char(out, ' ');
        cli_out_string(out, command->operands);
        cli_out_fill(out, ' ',
                     24 - 1 - strlen(command->name) -
                         strlen(command->operands));
        cli_out_string(out, command->summary);
        cli_out_char(out, '\n');
    }
    help_options(out, "\nOptions of every command:\n", cli_global_options);
    cli_out_string(
        out,
        "\nExit status:\n"
        "  0  done\n"
        "  1  the answer is no: no tensor matches, diff found a difference,\n"
        "     or verify or scan something\n"
        "  2  the command line is wrong\n"
        "  3  the input is malformed, or asks for more than --max-memory\n"
        "  4  refused: not supported, a loss under --strict, an existing\n"
        "     output without --force\n"
        "  5  input or output failed, or no space or memory is left; a\n"
        "     later try may succeed\n"
        "  6  a plugin broke its contract\n"
        "\nFiles are told by their content, not by their names.\n");
}

static int
help_run(struct cli *cli)
{
    const struct cli_command *command;
    const char *nearest;

    if (cli->args.operands.count == 0) {
        cli_help_all(&cli->out);
        return CLI_DONE;
    }
    command = cli_command_find(cli->args.operands.items[0], &nearest);
    if (command == NULL)
        return cli_command_unknown(cli, cli->args.operands.items[0]);
    cli_help_command(&cli->out, command);
    return CLI_DONE;
}

const struct cli_command cli_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .summary = "print help",
    .about = "Prints what the command does and which options it takes.\n",
    .operand_max = 1,
    .bare = true,
    .run = help_run,
};
