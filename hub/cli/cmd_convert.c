/* SPDX-License-Identifier: MIT
 *
 * `ckpt convert`: the main job. The library does it; what cannot be kept
 * comes back through cli_message, and nothing goes to stdout but what is asked
 * for.
 */
#include "conversion.h"

static int
convert_run(struct cli *cli)
{
    cli->args.output = cli->args.operands.items[1];
    return cli_conversion_run(cli);
}

static const struct cli_option convert_options[] = {
    CLI_CONVERSION_OPTIONS,
    {NULL, 0, NULL, CLI_OPTION_END, 0, NULL},
};

const struct cli_command cli_convert = {
    .name = "convert",
    .operands = "IN OUT",
    .summary = "convert a checkpoint",
    .about =
        "Reads the checkpoint IN and writes it to OUT in another format or\n"
        "in the same. What OUT cannot hold is listed on stderr, each loss on\n"
        "a line. OUT appears under its name when it is complete; after a\n"
        "failure there is none. 'ckpt plugins NAME' tells the options that\n"
        "-o and --in-option take, and 'ckpt plugins' the transforms: -t\n"
        "edits what was read, one after the other, before it is written.\n"
        "The keys of --json are file, output, tensors (from, to, changes,\n"
        "origins: the tensors whose bytes it has, by file and name; file and\n"
        "file_name if it is of another file; before, after), told, what\n"
        "transforms say of tensors (transform, tensor, what, notable, text),\n"
        "and hash_name, that of the file with its hash.\n",
    .options = convert_options,
    .operand_min = 2,
    .operand_max = 2,
    .run = convert_run,
};
