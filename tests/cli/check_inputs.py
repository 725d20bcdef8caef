#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files that options and arguments name.
Usage: check_inputs.py CKPT INPUTS.so SOURCE-FOLDER"""
import gzip
import hashlib
import json
import math
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

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


class Cursors(Inputs):
    """Payload that transforms make."""

    def setUp(self):
        super().setUp()
        self.file = self.folder / "in" / "x.safetensors"
        self.bytes = bytes(i * 7 % 251 for i in range(3 * 700_001))
        self.file.write_bytes(tools.safetensors({
            "a": ("U8", [3, 700_001], self.bytes),
            "b": ("F32", [2, 3], struct.pack("<6f", *range(6))),
            "empty": ("F16", [0], b"")}))

    def digests(self, *texts):
        words = [word for text in texts for word in ("-t", text)]
        done = self.run_ckpt("ls", "--digest", self.file, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return {line.split("\t")[0]: line.split("\t")[-1]
                for line in done.stdout.splitlines()}

    def converted(self, *texts):
        words = [word for text in texts for word in ("-t", text)]
        out = self.folder / "out.inputs"
        done = self.run_ckpt("convert", "--force", self.file, out, *words)
        self.assertEqual(done.returncode, 0, done)
        return out.read_bytes()[7:]

    def fails(self, status, wanted, *texts):
        words = [word for text in texts for word in ("-t", text)]
        out = self.folder / "out.inputs"
        for args in (("ls", "--digest", self.file),
                     ("convert", self.file, out)):
            done = self.run_ckpt(*args, *words)
            self.assertEqual(done.returncode, status, done)
            self.assertEqual(done.stderr, f"ckpt: {self.file}: {wanted}\n")
        self.assertFalse(out.exists())

    def test_bytes(self):
        flipped = bytes(byte ^ 5 for byte in self.bytes)
        self.assertTrue(self.converted("xor:5").startswith(flipped))
        digests = self.digests("xor:5")
        self.assertEqual(digests["a"], hashlib.sha256(flipped).hexdigest())
        self.assertEqual(digests["empty"], hashlib.sha256().hexdigest())

    def test_chains(self):
        self.assertEqual(self.digests("xor:1", "xor:2", "xor:4"),
                         self.digests("xor:7"))
        self.assertEqual(self.converted("xor:1", "xor:2", "xor:4"),
                         self.converted("xor:7"))
        self.assertEqual(self.digests("xor:3", "xor:3"), self.digests())

    def test_views_of_cursors(self):
        """A view of payload that only comes in order, and cursors on it."""
        turned = bytes(byte ^ 5 for k in range(700_001)
                       for byte in self.bytes[k::700_001])
        for texts in (("xor:5", "turn"), ("turn", "xor:5"),
                      ("xor:1", "turn", "xor:4")):
            self.assertTrue(self.converted(*texts).startswith(turned))
            self.assertEqual(self.digests(*texts)["a"],
                             hashlib.sha256(turned).hexdigest())

    def test_made_by_the_hub(self):
        """The bytes of a view as a tensor of its own: no view is left."""
        turned = bytes(byte for k in range(700_001)
                       for byte in self.bytes[k::700_001])
        digest = hashlib.sha256(turned).hexdigest()
        self.assertEqual(self.digests("turn:made")["a"], digest)
        self.assertEqual(self.digests("turn:made"), self.digests("turn"))
        self.assertEqual(self.digests("turn:made", "turn:made"),
                         self.digests())
        self.assertEqual(self.digests("turn:made", "xor:1", "turn:made",
                                      "xor:1"), self.digests())
        self.assertEqual(self.digests("turn:twice")["a"],
                         hashlib.sha256(turned + turned).hexdigest())
        out = self.folder / "out.safetensors"
        done = self.run_ckpt("convert", self.file, out, "-t", "turn:made")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertFalse(b"stride" in out.read_bytes()[:500])
        self.assertTrue(out.read_bytes().endswith(turned))

    def test_many(self):
        self.assertEqual(self.digests(*["xor:1"] * 100), self.digests())

    def test_wrong(self):
        name = " (tensor a)"
        self.fails(6, "a storage decodes to less than its "
                      f"2100003 bytes{name}", "xor:short")
        self.fails(6, "a storage decodes to more than its "
                      f"2100003 bytes{name}", "xor:long")
        self.fails(6, f"xor: it failed with status -1, no reason{name}",
                   "xor:silent", "xor:1")
        self.fails(6, f"xor-bare: a coded storage, but no cursors{name}",
                   "xor-bare:1")

    def test_of_itself(self):
        self.fails(3, "xor: more than 128 tensors are read at once "
                      "(tensor a)", "xor:self")

    def test_memory(self):
        done = self.run_ckpt("--max-memory", "3MiB", "ls", "--digest",
                             self.file, "-t", "xor:1", "-t", "xor:1")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("the budget is 3145728 (tensor a)", done.stderr)


class Graphs(Inputs):
    """Other files that transforms take values from."""

    def setUp(self):
        super().setUp()
        self.file = self.tensors("base", a=b"base a", w=b"base w")
        self.other = self.tensors("other", w=b"other w", x=b"x" * 300_000)
        self.third = self.tensors("third", x=b"third", y=b"")

    def tensors(self, name, **tensors):
        path = self.folder / name / f"{name}.safetensors"
        path.parent.mkdir()
        path.write_bytes(tools.safetensors({
            key: ("U8", [len(text)], text)
            for key, text in tensors.items()}))
        return path

    def assert_holds(self, wanted, *words, file=None):
        done = self.run_ckpt("ls", "--digest", file or self.file, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual({line[0]: line[-1] for line in lines},
                         {key: hashlib.sha256(text).hexdigest()
                          for key, text in wanted.items()})

    def test_one(self):
        wanted = {"a": b"base a", "w": b"other w", "x": b"x" * 300_000}
        self.assert_holds(wanted, "-t", f"graft:{self.other}")
        self.assert_holds(wanted, "-t", f"graft:also={self.other}")
        for suffix in ("safetensors", "pt"):
            out = self.folder / f"out.{suffix}"
            done = self.run_ckpt("convert", self.file, out, "-t",
                                 f"graft:{self.other}")
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            self.assert_holds(wanted, file=out)

    def test_two_and_chains(self):
        wanted = {"a": b"base a", "w": b"other w", "x": b"third", "y": b""}
        self.assert_holds(wanted, "-t",
                          f"graft:{self.other},also={self.third}")
        self.assert_holds(wanted, "-t", f"graft:{self.other}",
                          "-t", f"graft:{self.third}")
        changed = {key: bytes(byte ^ 1 for byte in text)
                   for key, text in wanted.items()}
        self.assert_holds({**changed, "x": b"third", "y": b""},
                          "-t", f"graft:{self.other}", "-t", "xor:1",
                          "-t", f"graft:{self.third}", "-t", "turn:made")

    def test_itself(self):
        self.assert_holds({"a": b"base a", "w": b"base w"},
                          "-t", f"graft:{self.file}")

    def test_cursors_and_records(self):
        """A file with a record, of packed members, and packed itself."""
        tied = self.folder / "tied.pt"
        done = self.run_ckpt("convert", self.other, tied, "-t",
                             "turn:twice")
        self.assertEqual(done.returncode, 0, done)
        packed = self.folder / "tied.pt.gz"
        with gzip.open(packed, "wb") as out:
            out.write(tied.read_bytes())
        deflated = self.folder / "deflated.pt"
        with zipfile.ZipFile(tied) as old, \
                zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        wanted = {"a": b"base a", "w": b"other w" * 2, "x": b"x" * 600_000}
        for other in (tied, packed, deflated):
            self.assert_holds(wanted, "-t", f"graft:{other}")
            self.assert_holds(
                {key: bytes(byte ^ 3 for byte in text)
                 for key, text in wanted.items()},
                "-t", f"graft:{other}", "-t", "xor:3")

    def test_devices_of_both(self):
        done = self.run_ckpt("ls", self.file, "-t", f"graft:{self.other}",
                             "-t", "device:cuda:1")
        self.assertEqual(done.stdout.count("cuda:1"), 3, done)

    def test_wrong(self):
        broken = self.folder / "broken.safetensors"
        broken.write_bytes(self.other.read_bytes()[:-1])
        for text, status, wanted in (
                ("graft:none", 5,
                 "ckpt: none: cannot open: No such file or directory\n"),
                (f"graft:{broken}", 3, f"ckpt: {broken}: safetensors: "),
                (f"graft:{self.label}", 4,
                 f"ckpt: {self.label}: no plugin knows this format\n"),
                ("graft", 2, "ckpt: graft: it wants at least 2 inputs, "
                             "1 are given\n")):
            done = self.run_ckpt("ls", self.file, "-t", text)
            self.assertEqual(done.returncode, status, done)
            self.assertTrue(done.stderr.startswith(wanted), done)

    def test_budget(self):
        many = self.tensors("many", **{f"tensor.{i}": b"" for i in
                                       range(30_000)})
        done = self.run_ckpt("--max-memory", "4MiB", "ls", self.file, "-t",
                             f"graft:{many}")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn(f"ckpt: {many}: ", done.stderr)


class Large(Inputs):
    """Sparse files: what is not held, and what is stopped."""

    def sparse(self, shape):
        path = self.folder / "sparse.safetensors"
        size = 4 * math.prod(shape)
        head = json.dumps({"t": {"dtype": "F32", "shape": shape,
                                 "data_offsets": [0, size]}}).encode()
        with open(path, "wb") as out:
            out.write(struct.pack("<Q", len(head)) + head)
            out.truncate(8 + len(head) + size)
        return path

    def start(self, *args):
        return subprocess.Popen(
            [CKPT, "--plugin", PLUGIN, *map(str, args)], env=tools.ENV,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    @unittest.skipIf(b"__asan_init" in pathlib.Path(CKPT).read_bytes(),
                     "a sanitizer build takes more memory")
    def test_memory(self):
        file = self.sparse([4096, 16384])
        for texts in (["xor:1"], ["turn:made"], ["turn:twice", "xor:1"]):
            words = [word for text in texts for word in ("-t", text)]
            child = self.start("ls", "--digest", file, *words)
            with child.stderr:
                self.assertEqual(child.stderr.read(), b"")
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(child.returncode, 0)
            self.assertLess(usage.ru_maxrss, 64 << 10)

    def test_stopped(self):
        """Also while bytes are laid down for a view of them."""
        file = self.sparse([1 << 12, 1 << 18])
        for texts in (["xor:1"], ["xor:1", "turn"]):
            words = [word for text in texts for word in ("-t", text)]
            child = self.start("ls", "--digest", file, *words)
            with child.stderr:
                time.sleep(0.3)
                child.send_signal(signal.SIGINT)
                begun = time.monotonic()
                said = child.stderr.read()
            self.assertEqual(child.wait(), 5, said)
            self.assertIn(b"stopped", said)
            self.assertLess(time.monotonic() - begun, 20)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
