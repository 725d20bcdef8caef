#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the README and the cookbook show what the command prints.

    check_readme.py [--update] CKPT

Runs the "$ " lines of each console block, in order, in an empty folder where
ckpt and ./ckpt are CKPT and samples/ is the samples, on a terminal of 80
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
TEXTS = ("README.md", "samples/cookbook.md")
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.M | re.S)


def typed(command, folder):
    """What a terminal shows of the command."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    process = subprocess.Popen(
        command, shell=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=its,
        stderr=its, env={**os.environ, "TERM": "dumb", "NO_COLOR": "1",
                         "PATH": f"{folder}:{os.environ['PATH']}"})
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


def ran(shown, ckpt):
    """The block as it looks when its commands are run now."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ckpt, f"{folder}/ckpt")
        os.symlink(TOP / "samples", f"{folder}/samples")
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
    ckpt = pathlib.Path(arguments[0]).resolve()
    differ = False
    for name in TEXTS:
        shown = (TOP / name).read_text()
        if not BLOCK.search(shown):
            sys.exit(f"{name}: no console block")
        real = BLOCK.sub(lambda block: ran(block.group(), ckpt), shown)
        if update:
            (TOP / name).write_text(real)
        elif real != shown:
            differ = True
            sys.stdout.writelines(difflib.unified_diff(
                shown.splitlines(True), real.splitlines(True),
                f"{name} as it is", f"{name} as it runs"))
    sys.exit(differ)


if __name__ == "__main__":
    main()
