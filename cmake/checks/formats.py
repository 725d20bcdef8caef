#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""formats.py ROOT: the hub names no format, not even in a comment.

The words are the folders of plugins/formats, the parts of their names, and
the well-known names below; the suffixes count where they follow a dot.
Manuals (*.md) may give examples and are not looked at.
"""
import os
import re
import sys

import house

WORDS = """safetensors torch pytorch torchscript pickle hdf5 h5py keras onnx
    npz npy numpy gguf ggml tensorflow tflite flax msgpack zip tar zip64
    protobuf flatbuffers coreml paddle mxnet""".split()
SUFFIXES = "pt pth pkl bin h5 hdf5 npz npy onnx gguf tflite ckpt t7".split()
TOO_COMMON = {"data", "file", "raw", "shard", "shards"}


def words_of(root):
    words = set(WORDS)
    folder = os.path.join(root, "plugins/formats")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        words |= {name, *name.split("-")}
    return {word for word in words if len(word) > 2} - TOO_COMMON


def main():
    root = sys.argv[1]
    words = "|".join(map(re.escape, sorted(words_of(root))))
    suffixes = "|".join(SUFFIXES)
    wanted = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])|"
                        rf"[\"\w*]\.(?:{suffixes})(?=[\"\s])", re.IGNORECASE)
    faults = []
    paths = house.files(root, ".c", ".h", "CMakeLists.txt", under=("hub",))
    for path in paths:
        for row, line in enumerate(house.read(root, path).split("\n"), 1):
            for match in wanted.finditer(line):
                faults.append(f"{path}:{row}: names a format: {match[0]}")
    house.finish(faults, f"{len(paths)} files of hub/, "
                 f"{len(words_of(root))} words")


main()
