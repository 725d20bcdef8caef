#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the README shows what the command prints.

    check_readme.py [--update] CKPT

Runs each "$ " line of the README's console blocks, in order, in an empty
folder where ./ckpt is CKPT and samples/ is the samples, and compares what
comes out with the lines shown. --update puts the real lines in."""

import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.M | re.S)


def ran(shown, folder):
    """The block as it looks when its commands are run now."""
    out = []
    for line in shown.splitlines():
        if line.startswith("$ "):
            done = subprocess.run(line[2:], shell=True, cwd=folder, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            out += [line, *done.stdout.splitlines()]
    return "".join(line + "\n" for line in out)


def main():
    arguments = sys.argv[1:]
    update = "--update" in arguments
    if update:
        arguments.remove("--update")
    if len(arguments) != 1:
        sys.exit(__doc__)
    readme = TOP / "README.md"
    shown = readme.read_text()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "ckpt").symlink_to(pathlib.Path(arguments[0]).resolve())
        (folder / "samples").symlink_to(TOP / "samples")
        real = BLOCK.sub(lambda block: ran(block.group(), folder), shown)
    if not BLOCK.search(shown):
        sys.exit("README.md: no console block")
    if update:
        readme.write_text(real)
    elif real != shown:
        sys.stdout.writelines(difflib.unified_diff(
            shown.splitlines(True), real.splitlines(True),
            "README.md as it is", "README.md as it runs"))
        sys.exit(1)


if __name__ == "__main__":
    main()
