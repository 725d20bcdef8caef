/* SPDX-License-Identifier: MIT
 *
 * `ckpt verify`: whether a file keeps its own promises.
 */
#include "judge.h"

static const char *
verify_verdict(uint32_t severity)
{
    return severity == CKPT_SEVERITY_NOTE ? "holds" : "does not hold";
}

static void
verify_json(struct cli_json *json, const struct ckpt_judgement_info *info)
{
    static const char *const words[] = {"none", "matched", "mismatched"};

    cli_json_key(json, "name_hash");
    cli_json_string(json, words[info->name_hash]);
    cli_json_key(json, "name_digits");
    cli_json_string(json, info->name_digits);
    cli_json_key(json, "sha256");
    if (info->name_digits == NULL) {
        cli_json_string(json, NULL);
        return;
    }
    cli_json_item(json);
    cli_out_char(json->out, '"');
    cli_out_hex(json->out, info->sha256, sizeof info->sha256);
    cli_out_char(json->out, '"');
}

static int
verify_run(struct cli *cli)
{
    static const struct cli_judge judge = {
        .judge = ckpt_verify, .verdict = verify_verdict, .json = verify_json};

    return cli_judge_all(cli, &judge);
}

const struct cli_command cli_verify = {
    .name = "verify",
    .operands = "FILE...",
    .summary = "check structure, checksums, and the hash in a name",
    .about =
        "Checks the structure, the checksums and sizes that the format\n"
        "carries, and the hash in the file's name: in NAME-HASH.SUFFIX the\n"
        "eight or more hexadecimal digits are the start of the file's\n"
        "SHA-256, as a hub has it. A name without a hash is said to have\n"
        "none, and never counts as checked. Bools with other bytes than 0\n"
        "and 1 are noted: they are kept and copied as they are. The exit\n"
        "status is 0 if all holds, 1 if a promise is not kept, 3 if a file\n"
        "is malformed; of several files the worst counts. --quiet leaves\n"
        "the notes out.\n"
        "The keys of --json are those of scan, and name_hash (matched,\n"
        "mismatched or none), name_digits and sha256.\n",
    .options = cli_judge_options,
    .operand_min = 1,
    .operand_max = SIZE_MAX,
    .run = verify_run,
};
