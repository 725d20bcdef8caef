#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files that options and arguments name.
Usage: check_inputs.py CKPT INPUTS.so SOURCE-FOLDER"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

CKPT, PLUGIN, TOP = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(TOP) / "tests"))

import tools  # noqa: E402


class Inputs(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "in" / "x.inputs"
        self.label = self.folder / "far" / "label"
        for path in (self.file, self.label):
            path.parent.mkdir()
        self.file.write_bytes(b"INPUTS\nabcd")
        self.label.write_text("called")

    def run_ckpt(self, *args):
        return subprocess.run(
            [CKPT, "--plugin", PLUGIN, *map(str, args)],
            capture_output=True, text=True, env=tools.ENV)

    def names(self, *args):
        done = self.run_ckpt("ls", self.file, *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return [line.split("\t")[0] for line in done.stdout.splitlines()]


class Files(Inputs):
    def test_of_a_reader(self):
        self.assertEqual(self.names(), ["bytes"])
        given = ("--in-option", f"label={self.label}")
        self.assertEqual(self.names(*given), ["called"])
        self.assertEqual(self.names("--from", "inputs", *given), ["called"])
        for command in ("info", "verify", "scan"):
            done = self.run_ckpt(command, self.file, *given)
            self.assertEqual(done.stderr, "")

    def test_are_no_part_of_the_input(self):
        done = self.run_ckpt("info", "--json", self.file, "--in-option",
                             f"label={self.label}")
        self.assertIn('"size_bytes":11,"file_count":1,', done.stdout)

    def test_beside_them_is_not_beside_the_input(self):
        self.label.write_text("@x.inputs")
        (self.label.parent / "x.inputs").write_text("right")
        self.assertEqual(self.names("--in-option", f"label={self.label}"),
                         ["right"])

    def test_of_a_writer(self):
        out = self.folder / "out.inputs"
        for extra in ((), ("--to", "inputs")):
            done = self.run_ckpt("convert", self.file, out, "--force", "-o",
                                 f"label={self.label}", *extra)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            self.assertEqual(out.read_bytes(), b"INPUTS\ncalledabcd")
        done = self.run_ckpt("convert", self.file, out, "--dry-run", "-q",
                             "-o", f"label={self.label}")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)

    def test_of_a_transform(self):
        self.assertEqual(self.names("-t", f"named:{self.label}"), ["called"])
        self.assertEqual(self.names("-t", f"named:map={self.label}"),
                         ["called"])
        other = self.folder / "a,b=c"
        other.write_text("comma")
        self.assertEqual(self.names("-t", f"named:{other},map={self.label}"),
                         ["comma"])

    def test_of_a_recipe(self):
        recipe = self.folder / "recipe.yaml"
        recipe.write_text(f"- named: map={self.label}\n")
        self.assertEqual(self.names("--recipe", recipe), ["called"])

    def test_missing(self):
        out = self.folder / "out.inputs"
        for args in (("ls", self.file, "--in-option", "label=none/a\x1bb"),
                     ("convert", self.file, out, "-o", "label=none/a\x1bb"),
                     ("ls", self.file, "-t", "named:none/a\x1bb"),
                     ("ls", self.file, "-t", "named:map=none/a\x1bb")):
            done = self.run_ckpt(*args)
            self.assertEqual(done.returncode, 5, done)
            self.assertEqual(done.stderr, "ckpt: none/a\\033b: cannot open: "
                                          "No such file or directory\n")
        self.assertFalse(out.exists())

    def test_empty(self):
        for args in (("--in-option", "label="), ("-t", "named:map="),
                     ("-t", "named:")):
            done = self.run_ckpt("ls", self.file, *args)
            self.assertEqual(done.returncode, 2, done)

    def test_what_the_plugin_says_of_it(self):
        self.label.write_text("x" * 200)
        done = self.run_ckpt("ls", self.file, "-t", f"named:{self.label}")
        self.assertEqual(done.returncode, 3, done)
        self.assertEqual(done.stderr,
                         "ckpt: named: the label in label is too long\n")

    def test_help(self):
        shown = self.run_ckpt("plugins", "inputs").stdout
        self.assertEqual(shown.count("    label=FILE\n"), 2, shown)
        self.assertIn("    map=FILE\n", shown)
        self.assertIn("  -t named:[FILE]\n", shown)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
