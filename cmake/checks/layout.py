#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layout.py ROOT CLANG-FORMAT: every C source is as .clang-format lays it.

Headers are laid out by hand where a table or a comment reads better so.
"""
import os
import re
import subprocess
import sys

import house


def main():
    root, program = sys.argv[1:3]
    paths = house.files(root, ".c")
    done = subprocess.run([program, "--style=file", "--dry-run", *paths],
                          cwd=root, capture_output=True, text=True)
    first = {}
    for match in re.finditer(r"^(.+?):(\d+):\d+: (?:warning|error):",
                             done.stderr, re.MULTILINE):
        first.setdefault(match[1], match[2])
    faults = [f"{path}:{row}: laid out otherwise; run "
              f"{os.path.basename(program)} -i {path}"
              for path, row in first.items()]
    if done.returncode != 0 and not faults:
        faults.append(f"{program}: {done.stderr.strip()}")
    house.finish(faults, f"layout of {len(paths)} files")


main()
