#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the plugin of sdk/guide/first-plugin.md as the guide says, and tries
it.  Usage: check_guide.py CKPT DESCRIBE CC SOURCE-FOLDER"""

import struct
import subprocess
import sys
import tempfile
from pathlib import Path


def code_of(guide):
    """The indented lines of the second step, in order."""
    step = guide.split("\n2. ")[1].split("\n3. ")[0]
    return "".join(line[7:] + "\n" for line in step.splitlines()
                   if line.startswith("       ") or not line.strip())


def run(*command):
    done = subprocess.run([str(word) for word in command],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command}: {done.returncode}\n{done.stderr}")
    return done.stdout


def main():
    ckpt, describe, compiler, top = sys.argv[1:]
    guide = (Path(top) / "sdk/guide/first-plugin.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        toy = Path(folder) / "toy.c"
        toy.write_text(code_of(guide))
        run(compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC",
            "-shared", "-Wl,-z,defs", f"-I{top}/sdk/include", "-o",
            toy.with_suffix(".so"), toy)
        run(describe, toy.with_suffix(".so"), toy.with_suffix(".plugin"))
        (toy.parent / "x.toy").write_bytes(
            b"TOY1" + struct.pack("<I3f", 3, 1.0, 2.0, 3.0))
        run(ckpt, "convert", "--plugin", toy.with_suffix(".so"),
            toy.parent / "x.toy", toy.parent / "x.safetensors")
        for name in ("x.toy", "x.safetensors"):
            listed = run(ckpt, "ls", "--plugin", toy.with_suffix(".so"),
                         toy.parent / name)
            if listed != "\tfloat32\t[3]\t12\tcpu\n":
                sys.exit(f"ckpt ls {name} printed {listed!r}")
    print("the plugin of the guide builds, loads, lists and converts")


main()
