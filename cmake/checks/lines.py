#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lines.py ROOT: 80 columns, no tabs, no trailing blanks, a licence line on
top of every source file and script, and a paragraph below it in C."""
import os
import re
import sys

import house

ENDINGS = (".c", ".h", ".cmake", "CMakeLists.txt", ".py", ".sh")
SPDX = "SPDX-License-Identifier: MIT"


def sources(root):
    paths = house.files(root, *ENDINGS)
    for path in house.files(root, ""):
        if "." not in os.path.basename(path) and path not in paths:
            with open(os.path.join(root, path), "rb") as file:
                if file.read(2) == b"#!":
                    paths.append(path)
    paths += [path for path in ("CMakeLists.txt",) + house.SCRIPTS
              if os.path.isfile(os.path.join(root, path))]
    return sorted(paths)


def faults_of(path, text):
    rows = text.split("\n")
    if SPDX not in "\n".join(rows[:2]):
        yield f"{path}:1: no line `{SPDX}`"
    elif path.endswith((".c", ".h")) and not re.match(
            rf"/\* {SPDX}\n \*\n \* \S", text):
        yield f"{path}:2: no paragraph that says what the file is for"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield f"{path}:{len(rows)}: the file does not end with one line end"
    for row, line in enumerate(rows, 1):
        if len(line) > 80:
            yield f"{path}:{row}: {len(line)} columns"
        if "\t" in line:
            yield f"{path}:{row}: a tab"
        if line != line.rstrip():
            yield f"{path}:{row}: a blank at the end of the line"


def main():
    root = sys.argv[1]
    paths = sources(root)
    faults = [fault for path in paths
              for fault in faults_of(path, house.read(root, path))]
    house.finish(faults, f"lines of {len(paths)} files")


main()
