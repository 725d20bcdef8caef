#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""calls.py ROOT: banned calls, and no static state that can change."""
import re
import sys

import house

BANNED = """strcpy strcat stpcpy sprintf vsprintf gets atoi atol atoll atof
    strtok alloca exit abort system popen tmpnam mktemp setjmp
    longjmp""".split()
PRINTING = "printf vprintf puts putchar".split()
PROGRAMS = ("hub/cli/", "sdk/check/", "tests/", "bench/")
DATA = re.compile(r"^([ \t]*)((?:static|_Thread_local|thread_local)\b[^;={]*)"
                  r"([;={])", re.MULTILINE)


def is_state(declaration):
    """Whether a static declaration is data that can change."""
    if "sig_atomic_t" in declaration:  # all that a signal handler may touch
        return False
    if "_Static_assert" in declaration or "(" in declaration:
        return "_Thread_local" in declaration
    after_star = declaration.rsplit("*", 1)[-1]
    return "const" not in after_star.split()


def faults_of(path, text):
    banned = list(BANNED)
    if not path.startswith(PROGRAMS):
        banned += PRINTING
    for match in re.finditer(rf"\b({'|'.join(banned)})\s*\(", text):
        yield f"{path}:{house.line_of(text, match.start())}: " \
              f"banned call: {match[1]}"
    if path.startswith(("tests/", "bench/", "sdk/check/")):
        return
    for match in DATA.finditer(text):
        if is_state(match[2]):
            yield f"{path}:{house.line_of(text, match.start())}: " \
                  f"state that can change: {' '.join(match[2].split())}"


def main():
    root = sys.argv[1]
    paths = house.files(root, ".c", ".h")
    faults = [fault for path in paths
              for fault in faults_of(path, house.code(house.read(root, path)))]
    house.finish(faults, f"calls of {len(paths)} files")


main()
