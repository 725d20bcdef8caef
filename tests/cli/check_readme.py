#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the README shows what the command prints.

    check_readme.py [--update] CKPT

Runs each "$ " line of the README's console blocks, in order, in an empty
folder where ./ckpt is CKPT and samples/ is the samples, on a terminal of 80
columns, and compares what comes out with the lines shown. --update puts the
real lines in."""

import difflib
import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

TOP = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.M | re.S)


def typed(command, folder):
    """What a terminal shows of the command."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    process = subprocess.Popen(
        command, shell=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=its,
        stderr=its, env={**os.environ, "TERM": "dumb", "NO_COLOR": "1"})
    os.close(its)
    with open(ours, "rb", buffering=0) as screen:
        text = b""
        try:
            while piece := screen.read(65536):
                text += piece
        except OSError:
            pass  # how the end of a terminal is told
    process.wait(60)
    return text.decode().splitlines()


def ran(shown, folder):
    """The block as it looks when its commands are run now."""
    out = []
    for line in shown.splitlines():
        if line.startswith("$ "):
            out += [line, *typed(line[2:], folder)]
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
