#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a transform is asked for, found, given its argument and its options,
and what comes of one that behaves badly.
Usage: check_transforms.py CKPT DESCRIBE ECHO.so SOURCE-FOLDER"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

CKPT, DESCRIBE, ECHO, TOP = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(TOP) / "tests"))

import tools  # noqa: E402


class Transforms(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        shutil.copy(ECHO, self.plugins / "echo.so")
        self.file = self.folder / "x.safetensors"
        self.file.write_bytes(tools.safetensors({"t": ("U8", [1], b"x")}))

    def run_ckpt(self, *args):
        return subprocess.run([CKPT, *map(str, args)], capture_output=True,
                              text=True, env={
                                  **tools.ENV,
                                  "CKPT_PLUGIN_PATH": str(self.plugins)})

    def told(self, *texts):
        """What the transforms say, without who says it."""
        done = self.run_ckpt("ls", self.file,
                             *(word for text in texts
                               for word in ("-t", text)))
        head = "ckpt: warning: "
        return done.returncode, [line.removeprefix(head).removeprefix(
            f"{self.file}: ") for line in done.stderr.splitlines()]

    def assert_told(self, wanted, text):
        self.assertEqual(self.told(text)[1][0], wanted)

    def test_arguments(self):
        for text, wanted in (
                ("echo", "argument -, count unset 7, only -"),
                ("echo:", "argument , count unset 7, only -"),
                ("echo:a:b=c,d", "argument a:b=c,d, count unset 7, only -"),
                ("echo:count=3", "argument -, count given 3, only -"),
                ("echo:a,count=3", "argument a, count given 3, only -"),
                ("echo:a,only=x,y=z,*,count=-1",
                 "argument a, count given -1, only x,y=z,*"),
                ("echo:only=", "argument -, count unset 7, only "),
                ("echo:a,other=3",
                 "argument a,other=3, count unset 7, only -"),
                ("echo:a,count", "argument a,count, count unset 7, only -")):
            self.assert_told(wanted, text)

    def test_wrong(self):
        for text, status, wanted in (
                ("echo:a,count=x", 2, "option 'count' cannot be 'x'"),
                ("echo-bare:a", 2, "it takes no argument"),
                ("echo-two", 2, "it needs an argument"),
                ("echo-two:a", 2, "it wants at least 2 inputs, 1 are given"),
                ("echo-three", 2, "no transform is called 'echo-three'"),
                ("", 2, "no transform is called '"),
                (":a", 2, "no transform is called '"),
                ("a" * 500, 2, "no transform is called 'aaa"),
                ("ech\x1bo", 2, "no transform is called '")):
            done = self.run_ckpt("ls", "-t", text, self.file)
            self.assertEqual(done.returncode, status, done)
            self.assertIn(wanted, done.stderr)
            self.assertNotIn("\x1b", done.stderr)

    def test_usage_is_told(self):
        done = self.run_ckpt("ls", "-t", "echo-bare:a", self.file)
        self.assertEqual(done.stderr.splitlines()[1],
                         "ckpt: echo-bare: takes no argument")

    def test_in_order_and_closed(self):
        status, lines = self.told("echo:1", "echo:drop", "echo:2")
        self.assertEqual(status, 0)
        self.assertEqual(
            [line for line in lines if not line.startswith("closed")],
            ["argument 1, count unset 7, only -",
             "argument drop, count unset 7, only -",
             "argument 2, count unset 7, only -",
             "'echo:1' matches nothing", "'echo:2' matches nothing"])
        self.assertEqual(sum("closed" in line for line in lines), 3)

    def test_failures_close_too(self):
        for how, status, wanted in (
                ("silent", 6, "it failed with status -1, no reason"),
                ("wrong", 6, "an edit of a place that is not there"),
                ("refuse", 4, "it does not like (tensor w, byte 7)")):
            done = self.run_ckpt("ls", "-t", "echo:first", "-t",
                                 f"echo:{how}", self.file)
            self.assertEqual(done.returncode, status, done)
            self.assertIn(f"ckpt: {self.file}: echo: {wanted}", done.stderr)
            for name in ("first", how):
                self.assertEqual(done.stderr.count(f"closed {name}"), 1)

    def test_a_wrong_argument_comes_before_the_file(self):
        done = self.run_ckpt("ls", "-t", "echo:count=x", "nowhere.pt")
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("nowhere", done.stderr)

    def test_with_and_without_description(self):
        self.assert_told("argument a, count unset 7, only -", "echo:a")
        subprocess.run([DESCRIBE, self.plugins / "echo.so",
                        self.plugins / "echo.plugin"], check=True)
        self.assert_told("argument a, count unset 7, only -", "echo:a")
        listed = self.run_ckpt("plugins").stdout
        for name in ("echo", "echo-bare", "echo-two"):
            self.assertIn(f"\ntransform\t{name}\techo 0.1.0 (", listed)
        shown = self.run_ckpt("plugins", "echo-two").stdout
        self.assertIn("transform echo-two: wants two inputs\n"
                      "  -t echo-two:OTHER\n", shown)
        self.assertNotIn("count=NUMBER", shown)
        self.assertIn("    count=NUMBER\n        a number (default 7)\n",
                      self.run_ckpt("plugins", "echo").stdout)

    def test_described_but_not_there(self):
        subprocess.run([DESCRIBE, self.plugins / "echo.so",
                        self.plugins / "echo.plugin"], check=True)
        text = (self.plugins / "echo.plugin").read_text()
        (self.plugins / "echo.plugin").write_text(
            text.replace('"echo-two"', '"echo-four"'))
        done = self.run_ckpt("ls", "-t", "echo:a", self.file)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("its table of 'echo-four' is not whole", done.stderr)

    def test_nothing_is_loaded_unasked(self):
        (self.plugins / "echo.so").write_bytes(b"broken")
        shutil.copy(ECHO, self.folder / "echo.so")
        subprocess.run([DESCRIBE, self.folder / "echo.so",
                        self.plugins / "echo.plugin"], check=True)
        done = self.run_ckpt("ls", "-t", "device:cpu", self.file)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
