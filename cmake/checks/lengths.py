#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lengths.py ROOT: functions of 60 lines at most, files of 600.

A function counts from its opening brace to its closing one. A comment
`long: flat switch` or `long: flat table` right above a function, or in the
comment that opens a file, asks for an exception; a switch that nests, or a
table that computes, does not get it.
"""
import re
import sys

import house

FUNCTION_MAX, FUNCTION_TARGET, FILE_MAX = 60, 15, 600
MARKER = re.compile(r"long: flat (switch|table)\b")
BODY = re.compile(r"^\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)


def depth_of(body):
    depth = deepest = 0
    for character in body:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return deepest


def functions(path, text):
    """(place, name, lines, excuse, depth) of each function."""
    code = house.code(text)
    end = 0
    for match in BODY.finditer(code):
        head = code[end:match.start()]
        names = re.findall(r"(\w+)\(", head)
        excuse = MARKER.search(text[end:match.start()])
        end = match.end()
        yield (f"{path}:{house.line_of(code, match.start())}",
               names[-1] if names else "?", match[0].count("\n") + 1,
               excuse and excuse[1], depth_of(match[1]))


def faults_of(path, text, lengths):
    opening = text.split("*/")[0]
    rows = text.count("\n")
    if rows > FILE_MAX and not MARKER.search(opening):
        yield f"{path}:{rows}: a file of {rows} lines"
    for place, name, lines, excuse, depth in functions(path, text):
        lengths.append(lines)
        if lines <= FUNCTION_MAX:
            continue
        if not excuse:
            yield f"{place}: {name} has {lines} lines"
        elif depth > 2:
            yield f"{place}: {name} is no flat {excuse}: it nests {depth} deep"


def main():
    root = sys.argv[1]
    paths = house.files(root, ".c", ".h")
    lengths, faults = [], []
    for path in paths:
        faults += faults_of(path, house.read(root, path), lengths)
    short = sum(length <= FUNCTION_TARGET + 2 for length in lengths)
    share = 100 * short // max(1, len(lengths))
    house.finish(faults, f"{len(lengths)} functions in {len(paths)} files, "
                 f"{share}% of {FUNCTION_TARGET} lines or fewer, longest "
                 f"{max(lengths, default=0)}")


main()
