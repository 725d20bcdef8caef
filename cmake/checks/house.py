# SPDX-License-Identifier: MIT
"""What the gates share: the files of the house, and C text without comments.

A gate is a script that takes the root of the tree and perhaps further paths,
prints one line `FILE:LINE: what is wrong` for each fault, and ends with a
line that says what it looked at. Its status is 1 if there was a fault.
"""
import os
import re
import sys

ROOMS = ("hub", "sdk", "plugins", "tests", "bench", "cmake")
SCRIPTS = ("check", "ckpt", ".ci/run")


def files(root, *endings, under=ROOMS):
    """Paths, relative to root and sorted, whose names end so."""
    found = []
    for room in under:
        for folder, folders, names in os.walk(os.path.join(root, room)):
            folders[:] = [f for f in folders
                          if not f.startswith(("build", "__pycache__"))]
            found += [os.path.relpath(os.path.join(folder, name), root)
                      for name in names if name.endswith(endings)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def blank(text):
    """The same text with all but its line ends made blank."""
    return re.sub(r"[^\n]", " ", text)


def code(text, strings=False):
    """C without its comments and, unless `strings`, without its literals."""
    def one(match):
        if match[0][0] == "/":
            return blank(match[0])
        if strings or match[0].startswith("#"):
            return match[0]
        return match[0][0] + blank(match[0][1:-1]) + match[0][-1]
    return re.sub(r"/\*.*?\*/|//[^\n]*|\#\s*include[^\n]*|"
                  r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
                  one, text, flags=re.DOTALL)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def finish(faults, looked_at):
    """Prints the faults and ends the gate."""
    for fault in faults:
        print(fault)
    print(f"{looked_at}; {len(faults)} faults")
    sys.exit(1 if faults else 0)
