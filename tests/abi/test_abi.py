#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_abi.py CKPT DESCRIBE CC: the plugin of each frozen ABI, built against
the headers of its own time, works in the hub of today."""

import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CKPT, DESCRIBE, COMPILER = sys.argv[1:4]
ROW = "\tfloat32\t[3]\t12\tcpu\n"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, "CPATH": ""})


def build(version, folder):
    plugin = folder / "toy.so"
    done = run(COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC",
               "-shared", "-Wl,-z,defs", f"-I{version}/include", "-o", plugin,
               version / "toy.c")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return plugin


class Abi(unittest.TestCase):
    def each(self):
        """A folder with the plugin of each version, and a file to read."""
        versions = sorted(HERE.glob("v*"))
        self.assertGreater(len(versions), 0)
        for version in versions:
            with self.subTest(version.name), \
                 tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                (folder / "x.toy").write_bytes(
                    b"TOY1" + struct.pack("<I3f", 3, 1.0, 2.0, 3.0))
                yield folder, build(version, folder)

    def assert_prints(self, wanted, *arguments):
        done = run(CKPT, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, wanted)

    def test_reads(self):
        for folder, plugin in self.each():
            self.assert_prints(ROW, "ls", "--plugin", plugin, folder / "x.toy")

    def test_reads_described(self):
        for folder, plugin in self.each():
            done = run(DESCRIBE, plugin, folder / "toy.plugin")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assert_prints(ROW, "ls", "--plugin", plugin, folder / "x.toy")

    def test_converts(self):
        for folder, plugin in self.each():
            there = folder / "x.safetensors"
            done = run(CKPT, "convert", "--plugin", plugin, folder / "x.toy",
                       there)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assert_prints(ROW, "ls", there)
            self.assertEqual(there.read_bytes()[-12:],
                             struct.pack("<3f", 1.0, 2.0, 3.0))

    def test_refuses(self):
        """What the old plugin leaves to the hub, the hub still refuses."""
        for folder, plugin in self.each():
            whole = (folder / "x.toy").read_bytes()
            for size in (6, 8, len(whole) - 1):
                (folder / "x.toy").write_bytes(whole[:size])
                done = run(CKPT, "ls", "--plugin", plugin, folder / "x.toy")
                self.assertEqual(done.stdout, "")
                self.assertEqual(done.stderr.count("ckpt: "), 1, done.stderr)
                self.assertGreater(done.returncode, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
