/* SPDX-License-Identifier: MIT
 *
 * `ckpt scan`: what a file would do to whoever loads it without a guard.
 */
#include "judge.h"

static const char *
scan_verdict(uint32_t severity)
{
    switch (severity) {
    case CKPT_SEVERITY_NOTE:
        return "clean";
    case CKPT_SEVERITY_DANGEROUS:
        return "dangerous";
    default:
        return "suspicious";
    }
}

static int
scan_run(struct cli *cli)
{
    static const struct cli_judge judge = {.judge = ckpt_scan,
                                           .verdict = scan_verdict};

    return cli_judge_all(cli, &judge);
}

const struct cli_command cli_scan = {
    .name = "scan",
    .operands = "FILE...",
    .summary = "list what loading a file would import, call and run",
    .about =
        "Lists every import and every call that an unguarded loader would\n"
        "make, wherever in the file it hides, and what was looked at. Nothing\n"
        "is imported, called or run. A file that stands for others, as an\n"
        "index of shards does, is looked at with those. Each line is of one\n"
        "severity:\n"
        "  note        looked at, or allowed by the loader's own guard\n"
        "  suspicious  nobody here can say that it is harmless: an import\n"
        "              that the guard would refuse, a part that is damaged,\n"
        "              hidden, or cannot be looked at\n"
        "  dangerous   known as a way to run programs or code, to reach the\n"
        "              network or other files\n"
        "The exit status is 0 if all files are clean, 1 if one has anything\n"
        "suspicious or dangerous. --quiet leaves the notes out. A clean file\n"
        "is one where nothing was found, not one that is proved harmless.\n"
        "The keys of --json are file, format, verdict and findings, of which\n"
        "each has severity, kind, name, place, byte, count and text; or file\n"
        "and error.\n",
    .options = cli_judge_options,
    .operand_min = 1,
    .operand_max = SIZE_MAX,
    .run = scan_run,
};
