#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_unpack.py CKPT: files that gzip packed are read as what they hold:
each of samples/, several members, padding, and what is wrong with them."""

import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zlib

TOP = pathlib.Path(__file__).resolve().parents[2]
CKPT = sys.argv.pop(1) if len(sys.argv) > 1 else "build/release/bin/ckpt"
SAMPLES = sorted((TOP / "samples").glob("*.[ps][ta]*"))


class Unpack(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name) / "a.pt.gz"
        self.sample = TOP / "samples" / "digits.pth"
        self.whole = self.sample.read_bytes()

    def run_ckpt(self, *arguments, env=None):
        return subprocess.run([CKPT, *map(str, arguments)], text=True,
                              capture_output=True, check=False,
                              env=dict(os.environ, **(env or {})))

    def listing(self, path):
        done = self.run_ckpt("ls", "--json", "--digest", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        whole = json.loads(done.stdout)
        return whole["tensors"], whole["values"], whole["attributes"]

    def refused(self, data, status, text):
        self.path.write_bytes(data)
        done = self.run_ckpt("ls", self.path)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)

    def test_samples(self):
        self.assertTrue(SAMPLES)
        for sample in SAMPLES:
            with self.subTest(sample=sample.name):
                self.path.write_bytes(gzip.compress(sample.read_bytes()))
                self.assertEqual(self.listing(self.path),
                                 self.listing(sample))

    def test_info(self):
        self.path.write_bytes(gzip.compress(self.whole))
        text = self.run_ckpt("info", self.path).stdout
        self.assertIn("(gzip around ", text)
        self.assertIn("in 1 file\n", text)

    def test_convert(self):
        """The output is the one that the file itself gives."""
        self.path.write_bytes(gzip.compress(self.whole))
        made = []
        for source in (self.path, self.sample):
            target = pathlib.Path(self.folder.name) / "b.safetensors"
            done = self.run_ckpt("convert", "--force", source, target)
            self.assertEqual(done.returncode, 0, done.stderr)
            made.append(target.read_bytes())
        self.assertEqual(*made)

    def test_members_and_padding(self):
        half = len(self.whole) // 2
        packed = gzip.compress(self.whole[:half]) + \
            gzip.compress(b"") + gzip.compress(self.whole[half:])
        for padding in (b"", bytes(700)):
            self.path.write_bytes(packed + padding)
            self.assertEqual(self.listing(self.path),
                             self.listing(self.sample))
            self.assertNotIn("follow",
                             self.run_ckpt("info", self.path).stdout)

    def test_what_follows_is_told(self):
        self.path.write_bytes(gzip.compress(self.whole) + b"more")
        self.assertEqual(self.listing(self.path), self.listing(self.sample))
        self.assertIn("4 bytes follow the packed ones",
                      self.run_ckpt("info", self.path).stdout)

    def test_every_cut(self):
        packed = gzip.compress(self.whole)
        for length in (18, 19, 40, len(packed) // 2, len(packed) - 8,
                       len(packed) - 1):
            self.refused(packed[:length], 3, "the packed bytes end early")

    def test_damage(self):
        packed = bytearray(gzip.compress(self.whole))
        for place in (2, 3, len(packed) - 5, len(packed) - 1):
            damaged = bytearray(packed)
            damaged[place] ^= 0xff
            self.refused(damaged, 3, "the packed bytes")

    def test_what_it_holds_is_damaged(self):
        self.refused(gzip.compress(self.whole[:500]), 3, "")

    def test_nothing_that_is_known(self):
        self.refused(gzip.compress(b"plain text, no model" * 20), 4,
                     "no plugin")
        self.refused(gzip.compress(b""), 3, "empty")

    def test_bomb(self):
        pack = zlib.compressobj(9, zlib.DEFLATED, 31)
        data = b"".join(pack.compress(bytes(1 << 20)) for _ in range(700))
        self.refused(data + pack.flush(), 3,
                     "it unpacks to more than 1000 times its size")

    def test_no_folder(self):
        self.path.write_bytes(gzip.compress(self.whole))
        done = self.run_ckpt("ls", self.path, env={"TMPDIR": "/nonexistent"})
        self.assertEqual(done.returncode, 5, done.stderr)

    def test_no_room(self):
        self.path.write_bytes(gzip.compress(self.whole))
        done = subprocess.run(["prlimit", "--fsize=1000", CKPT, "ls",
                               self.path], text=True, capture_output=True,
                              check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_little_memory(self):
        """The bytes do not pass through memory at once."""
        pack = zlib.compressobj(1, zlib.DEFLATED, 31)
        count = 200 << 20
        header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' \
            % (count, count)
        header += b" " * (-len(header) % 8)
        data = pack.compress(len(header).to_bytes(8, "little") + header)
        for _ in range(200):
            data += pack.compress(os.urandom(1 << 10) + bytes((1 << 20) -
                                                              (1 << 10)))
        self.path.write_bytes(data + pack.flush())
        done = subprocess.run(["prlimit", "--data=30000000", CKPT, "ls",
                               self.path], text=True, capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
