#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_samples.py CKPT: each of samples/ goes to the other format and back,
and is then what it was: names, values, ties, devices, and every byte."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
CKPT = sys.argv.pop(1) if len(sys.argv) > 1 else "build/release/bin/ckpt"
WHOLE = "digits-whole.pth"  # what comes back is its state, not the model
OTHER = {".pth": ".safetensors", ".pt": ".safetensors", ".safetensors": ".pt"}


def ckpt(*arguments):
    done = subprocess.run([CKPT, *arguments], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.returncode}, {done.stderr}")
    return done.stdout


def listing(path):
    whole = json.loads(ckpt("ls", "--json", "--digest", path))
    return whole["tensors"], whole["values"], whole["attributes"]


class Samples(unittest.TestCase):
    def test_there_and_back(self):
        samples = [path for path in sorted((TOP / "samples").iterdir())
                   if path.suffix in OTHER and path.name != WHOLE]
        self.assertGreater(len(samples), 8)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for sample in samples:
                there = folder / (sample.stem + OTHER[sample.suffix])
                back = folder / sample.name
                with self.subTest(sample.name):
                    ckpt("convert", sample, there, "--force")
                    ckpt("convert", there, back, "--force")
                    self.assertEqual(listing(back), listing(sample))

    def test_small(self):
        sizes = [path.stat().st_size for path in (TOP / "samples").iterdir()]
        self.assertLess(max(sizes), 100_000)
        self.assertLess(sum(sizes), 1_000_000)


if __name__ == "__main__":
    unittest.main()
