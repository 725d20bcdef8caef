#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""names.py ROOT [LIBRARY PLUGIN...]: how things are named.

In the sources: no leading underscore, no `_t` and no struct hidden behind a
typedef, no `ckpt_` on what a source file of hub/, plugins/ or sdk/support
keeps to itself. In the built objects: the library exports what ckpt.h marks
CKPT_API and nothing else, a plugin exports `ckpt_plugin` alone, and what it
loads later, from the folder of that name, `ckpt_later`.
"""
import pathlib
import re
import subprocess
import sys

import house

OF_THE_COMPILER = re.compile(
    r"__(attribute__|builtin_\w+|GNUC__|clang__|cplusplus|VA_ARGS__|"
    r"FILE__|LINE__|func__|has_\w+|BYTE_ORDER__|ORDER_\w+__|NR_\w+|"
    r"wrap_\w+|real_\w+|STDC_\w+|SANITIZE_\w+|SIZEOF_\w+|"
    r"linux__|x86_64__|aarch64__|\w+_MAX__|"
    r"m128i?|m256i?|"  # registers of x86-64, and what works on them below
    r"extension__|int128|AUDIT_ARCH\w*|WALL|u8|u16|u32|u64|s32|s64)$|"
    r"_(GNU_SOURCE|FILE_OFFSET_BITS|Static_assert|Alignas|Alignof|Atomic|"
    r"Generic|Noreturn|Bool|IO\w*|SC_\w+|exit|mm\w*|MM_\w+)$")
STATIC = re.compile(r"^static [^;={(]*?\b(ckpt_\w+)\(", re.MULTILINE)


def faults_of(path, text):
    for match in re.finditer(r"(?<![\w.])_\w+", text):
        if not OF_THE_COMPILER.match(match[0]):
            yield f"{path}:{house.line_of(text, match.start())}: " \
                  f"leading underscore: {match[0]}"
    for match in re.finditer(r"^\s*typedef\b([^;{]*)[;{]", text, re.MULTILINE):
        place = f"{path}:{house.line_of(text, match.start())}"
        if re.search(r"\w_t\s*$|_t\)", match[1]):
            yield f"{place}: a type that ends in _t"
        if re.match(r"\s*(struct|union|enum)\b", match[1]):
            yield f"{place}: structs are written out"
    if path.endswith(".c"):
        for match in STATIC.finditer(text):
            yield f"{path}:{house.line_of(text, match.start())}: " \
                  f"ckpt_ marks what is exported: {match[1]}"


def exported(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], check=True,
                         capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines()}


def faults_of_objects(root, library, plugins):
    header = house.code(house.read(root, "hub/include/ckpt.h"))
    declared = set(re.findall(r"CKPT_API[^;(]*?\b(ckpt_\w+)\(", header))
    given = exported(library)
    for name in sorted(given - declared):
        yield f"{library}: exports {name}, which ckpt.h does not declare"
    for name in sorted(declared - given):
        yield f"{library}: does not export {name}"
    for plugin in plugins:
        later = pathlib.Path(plugin).parent.name == "later"
        entry = "ckpt_later" if later else "ckpt_plugin"
        for name in sorted(exported(plugin) ^ {entry}):
            yield f"{plugin}: must export {entry} alone: {name}"


def main():
    root, objects = sys.argv[1], sys.argv[2:]
    paths = house.files(root, ".c", ".h")
    faults = [fault for path in paths
              for fault in faults_of(path, house.code(house.read(root, path)))]
    if objects:
        faults += faults_of_objects(root, objects[0], objects[1:])
    house.finish(faults, f"names in {len(paths)} files and "
                 f"{len(objects)} objects")


main()
