#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the plugin of sdk/template outside the tree, runs its cases, and
asks ckpt-check-plugin about it; then does the same with one fault at a time,
which the check must tell.
Usage: check_template.py CKPT DESCRIBE CHECK CC SOURCE-FOLDER"""
import os
import pathlib
import subprocess
import sys
import tempfile

# (what is replaced in template.c, by what, what the check must say)
FAULTS = [
    ('.id = "template",\n    .version', '.id = "Template 1",\n    .version',
     "no plain id"),
    ('.summary = "named lists of float32",\n    .suffixes = suffixes,\n'
     '    .magics', '.summary = "Named lists.",\n    .suffixes = suffixes,\n'
     '    .magics', "one line without full stop"),
    ('{".template", NULL}', '{"template", NULL}', "begin with a dot"),
    ("    .plan = template_plan,\n", "", "table is not whole"),
    (".dtypes = CKPT_DTYPE_BIT(CKPT_FLOAT32)", ".dtypes = 1", "dtypes"),
    ("    .magics = magics,\n", "    .magics = magics,\n"
     "    .options = (const struct ckpt_option[]){{\"deep\",\n"
     "        CKPT_OPTION_BOOL, \"no\", \"look deeper\", NULL}, {0}},\n",
     "no row for option deep"),
    ("? host->root_set(host, graph, map) : status", "? CKPT_OK : status",
     "broke a contract"),
    ("    *self = (void *)(uintptr_t)source;\n    return CKPT_OK;\n",
     "    static int count;\n\n    *self = (void *)(uintptr_t)source;\n"
     "    return count++ == 3 ? CKPT_CONTRACT : CKPT_OK;\n",
     "broke a contract"),
]


def build(folder, compiler, describe, top, source):
    (folder / "template.c").write_text(source)
    plugin = folder / "template.so"
    subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-fPIC",
                    "-shared", "-Wl,-z,defs", f"-I{top}/sdk/include",
                    f"-I{top}/sdk/support", f"-I{top}/sdk/template",
                    "-o", plugin, folder / "template.c",
                    top / "sdk/template/template_parse.c"], check=True)
    subprocess.run([describe, plugin, folder / "template.plugin"], check=True)
    return plugin


def cases(folder, ckpt, top):
    """Runs the cases with a command that finds the plugin."""
    command = folder / "ckpt"
    command.write_text(f"#!/bin/sh\nCKPT_PLUGIN_PATH={folder} "
                       f"exec {ckpt} \"$@\"\n")
    command.chmod(0o755)
    run_case = top / "tests/cli/run-case"
    paths = sorted((top / "sdk/template/cases").glob("*.case"))
    bad = [path.name for path in paths
           if subprocess.run([run_case, command, path]).returncode != 0]
    subprocess.run([run_case, "--inputs", folder / "in", *paths], check=True)
    return bad


def check(checker, plugin, top, folder):
    samples = [path for path in sorted((folder / "in").rglob("*"))
               if path.is_file()]
    return subprocess.run([checker, plugin, top / "sdk/template/template.md",
                           *samples], capture_output=True, text=True)


def main():
    ckpt, describe, checker, compiler, top = sys.argv[1:]
    top = pathlib.Path(top)
    source = (top / "sdk/template/template.c").read_text()
    bad = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plugin = build(folder, compiler, describe, top, source)
        bad += cases(folder, ckpt, top)
        done = check(checker, plugin, top, folder)
        print(done.stdout + done.stderr)
        if done.returncode != 0:
            bad.append("ckpt-check-plugin")
        for old, new, wanted in FAULTS:
            if source.count(old) != 1:
                sys.exit(f"template.c has not one {old!r}")
            plugin = build(folder, compiler, describe, top,
                           source.replace(old, new))
            done = check(checker, plugin, top, folder)
            if done.returncode == 0 or wanted not in done.stdout:
                bad.append(f"{wanted}: not told: {done.stdout[-300:]}"
                           f"{done.stderr[-300:]}")
    print("\n".join(bad) or "the template keeps its promises, and each of "
          f"{len(FAULTS)} faults is told")
    return 1 if bad else 0


if __name__ == "__main__":
    os.environ.pop("CKPT_PLUGIN_PATH", None)
    sys.exit(main())
