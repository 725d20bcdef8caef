/* SPDX-License-Identifier: MIT
 *
 * What `ckpt convert` and its kin share: the options, and the run.
 */
#ifndef CLI_CONVERSION_H
#define CLI_CONVERSION_H

#include "cli.h"

/* The options of all that make a file of others. */
#define CLI_CONVERSION_OPTIONS                                          \
    CLI_TRANSFORM_OPTIONS,                                              \
        {"from",                                                        \
         0,                                                             \
         "FORMAT",                                                      \
         CLI_OPTION_TEXT,                                               \
         offsetof(struct cli_args, from),                               \
         "read as this format instead of telling it by content"},       \
        {"to",                                                          \
         0,                                                             \
         "FORMAT",                                                      \
         CLI_OPTION_TEXT,                                               \
         offsetof(struct cli_args, to),                                 \
         "write this format instead of that of OUT's suffix"},          \
        {NULL,                                                          \
         'o',                                                           \
         "KEY=VALUE",                                                   \
         CLI_OPTION_LIST,                                               \
         offsetof(struct cli_args, output_options),                     \
         "an option of the writer; may be repeated"},                   \
        {"template",                                                    \
         0,                                                             \
         "FILE",                                                        \
         CLI_OPTION_TEXT,                                               \
         offsetof(struct cli_args, template),                           \
         "change the tensors of this model; the rest of it stays"},     \
        {"in-option",                                                   \
         0,                                                             \
         "KEY=VALUE",                                                   \
         CLI_OPTION_LIST,                                               \
         offsetof(struct cli_args, input_options),                      \
         "an option of the reader; may be repeated"},                   \
        {"strict",                                                      \
         0,                                                             \
         NULL,                                                          \
         CLI_OPTION_FLAG,                                               \
         offsetof(struct cli_args, strict),                             \
         "refuse if anything would be lost"},                           \
        {"dry-run",                                                     \
         0,                                                             \
         NULL,                                                          \
         CLI_OPTION_FLAG,                                               \
         offsetof(struct cli_args, dry_run),                            \
         "show each tensor's way and what is lost; write nothing"},     \
        {"json",                                                        \
         0,                                                             \
         NULL,                                                          \
         CLI_OPTION_FLAG,                                               \
         offsetof(struct cli_args, json),                               \
         "what becomes of each tensor, as one JSON document"},          \
        {"force",                                                       \
         0,                                                             \
         NULL,                                                          \
         CLI_OPTION_FLAG,                                               \
         offsetof(struct cli_args, force),                              \
         "replace OUT if it exists"},                                   \
        {"sync",                                                        \
         0,                                                             \
         NULL,                                                          \
         CLI_OPTION_FLAG,                                               \
         offsetof(struct cli_args, sync),                               \
         "wait until OUT is safe on the disk"},                         \
    {                                                                   \
        "hash-name", 0, NULL, CLI_OPTION_FLAG,                          \
            offsetof(struct cli_args, hash_name),                       \
            "put the first digits of OUT's SHA-256 into its name, and " \
            "print that"                                                \
    }

/* Converts the first operand to args.output, by the steps that are listed and
 * then those that -t and recipes ask for. Returns an enum cli_exit. */
int cli_conversion_run(struct cli *cli);

#endif
