#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""includes.py ROOT: who may know whom, by what each file includes.

  sdk/include      the C library's headers and itself
  sdk/support      these, its own folder and compression libraries; module.c
                   alone the system's loader
  plugins/*/NAME   these, sdk/support and its own folder
  hub/ROOM         the SDK, ckpt.h, itself and the rooms before it
  hub/cli          itself and ckpt.h
"""
import os
import re
import sys

import house

C_LIBRARY = set("""assert complex ctype errno fenv float inttypes iso646
    limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef
    stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar
    wctype""".split())
ROOMS = ["core", "graph", "io", "load", "run"]
SYSTEM = re.compile(r"(sys|linux|net|netinet|arpa)/|"
                    r"(unistd|fcntl|dlfcn|pthread|dirent|spawn)\.h$")
INCLUDE = re.compile(r"^\s*#\s*include\s*([<\"])([^>\"]+)", re.MULTILINE)


def resolve(root, path, name):
    """The file of the tree that a name in quotes means, or None."""
    folder = os.path.dirname(path)
    for base in (folder, "", "sdk/include", "sdk/support", "hub/include"):
        found = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, found)):
            return found
    return None


def room_of(path):
    """(house, room): ("hub", "io"), ("sdk", "include"), ("plugins", "x/y")."""
    parts = path.split("/")
    if parts[0] == "plugins":
        return parts[0], "/".join(parts[1:3])
    return parts[0], parts[1]


def may_quote(own, other):
    if own == other:
        return True
    if own == ("hub", "cli"):
        return other == ("hub", "include")
    if own[0] == "hub":
        before = ROOMS[:ROOMS.index(own[1])] if own[1] in ROOMS else []
        return (other[0] == "sdk" and other[1] in ("include", "support")
                ) or other == ("hub", "include") or (
                    other[0] == "hub" and other[1] in before)
    if own == ("sdk", "include"):
        return False
    return other in (("sdk", "include"), ("sdk", "support"))


def may_bracket(own, path, name):
    in_c_library = name.endswith(".h") and name[:-2] in C_LIBRARY
    if own == ("sdk", "include"):
        return in_c_library
    if own == ("sdk", "support"):
        return (in_c_library or not SYSTEM.match(name)
                or path == "sdk/support/module.c")
    if own[0] == "plugins":
        return not SYSTEM.match(name) and not name.startswith("ckpt")
    return not name.startswith("ckpt")


def faults_of(root, path):
    own = room_of(path)
    text = house.code(house.read(root, path), strings=True)
    for match in INCLUDE.finditer(text):
        name = match[2]
        place = f"{path}:{house.line_of(text, match.start(2))}"
        if match[1] == "<":
            if not may_bracket(own, path, name):
                yield f"{place}: {'/'.join(own)} may not include <{name}>"
            continue
        other = resolve(root, path, name)
        if ".." in name.split("/"):
            yield f"{place}: a path with `..`: {name}"
        elif other is None:
            yield f"{place}: no such file in the tree: {name}"
        elif not may_quote(own, room_of(other)):
            yield f"{place}: {'/'.join(own)} may not include {other}"


def main():
    root = sys.argv[1]
    paths = [path for path in house.files(root, ".c", ".h",
                                          under=("hub", "sdk", "plugins"))
             if path.split("/")[1] != "check"
             or path.split("/")[0] != "sdk"]
    faults = [fault for path in paths for fault in faults_of(root, path)]
    house.finish(faults, f"includes of {len(paths)} files")


main()
