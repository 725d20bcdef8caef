#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""layout.py ROOT CLANG-FORMAT: every C source is as .clang-format lays it.

Headers are laid out by hand where a table or a comment reads better so.
"""
import os
import subprocess
import sys

import house


def main():
    root, program = sys.argv[1:3]
    faults = []
    paths = house.files(root, ".c")
    for path in paths:
        text = house.read(root, path)
        laid = subprocess.run([program, "--style=file", path], cwd=root,
                              check=True, capture_output=True,
                              text=True).stdout
        for row, (a, b) in enumerate(zip(text.split("\n"),
                                         laid.split("\n")), 1):
            if a != b:
                faults.append(f"{path}:{row}: laid out otherwise; run "
                              f"{os.path.basename(program)} -i {path}")
                break
    house.finish(faults, f"layout of {len(paths)} files")


main()
