#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The way of each tensor, as --dry-run tells it: rows by hand, and, for steps
drawn by lot, that it is what the conversion then does.
Usage: check_ways.py CKPT"""
import json
import pathlib
import random
import shutil
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tools  # noqa: E402

CKPT = sys.argv[1]


def floats(**tensors):
    return tools.safetensors({
        name: ("F32", [len(row)], struct.pack(f"<{len(row)}f", *row))
        for name, row in tensors.items()})


class Ways(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = self.folder / "in.safetensors"
        self.path.write_bytes(floats(a=[1], b=[2, 3], c=[4, 5]))
        self.other = self.folder / "other.safetensors"
        self.other.write_bytes(floats(b=[9, 9], d=[7]))

    def ways(self, *steps, out="out.safetensors"):
        words = [word for step in steps for word in ("-t", step)]
        done = tools.run("convert", "-q", "--dry-run", *words, self.path,
                         self.folder / out, program=CKPT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse((self.folder / out).exists())
        return [tuple(line.split("\t")) for line in done.stdout.splitlines()]

    def test_kept(self):
        self.assertEqual(self.ways(), [("a", "a", "kept"), ("b", "b", "kept"),
                                       ("c", "c", "kept")])

    def test_there_and_back(self):
        self.assertEqual(self.ways("add-prefix:x.", "strip-prefix:x."),
                         self.ways())

    def test_names_change_places(self):
        self.assertEqual(
            self.ways("rename:s/^a$/x/", "rename:s/^b$/a/", "rename:s/^x$/b/"),
            [("a", "b", "renamed"), ("b", "a", "renamed"), ("c", "c", "kept")])

    def test_name_of_what_was_dropped(self):
        self.assertEqual(
            self.ways("drop:a", "rename:s/^b$/a/"),
            [("a", "-", "dropped"), ("b", "a", "renamed"), ("c", "c", "kept")])

    def test_dropped_later(self):
        self.assertEqual(
            self.ways("cast:float16", "rename:s/^/x/", "drop:x[ab]"),
            [("a", "-", "dropped"), ("b", "-", "dropped"),
             ("c", "xc", "renamed, float32 -> float16")])

    def test_cast_there_and_back(self):
        """The bytes are made anew, and may not be what they were."""
        self.assertEqual(self.ways("cast:float16", "cast:float32")[0],
                         ("a", "a", "other values"))

    def test_all_that_happens(self):
        self.assertEqual(
            self.ways("cast:bfloat16,only=a", "device:cuda:1",
                      "resize:b,dim=0,size=3,fill=zero"),
            [("a", "a", "float32 -> bfloat16, cpu -> cuda:1"),
             ("b", "b", "[2] -> [3], cpu -> cuda:1"),
             ("c", "c", "cpu -> cuda:1")])

    def test_grad(self):
        frozen = self.folder / "frozen.pth"
        tools.ckpt("convert", "-t", "freeze:c", self.path, frozen,
                   program=CKPT)
        self.path = frozen
        self.assertEqual(self.ways("freeze:a", "unfreeze:c"),
                         [("a", "a", "frozen"),
                          ("b", "b", "kept"), ("c", "c", "unfrozen")])

    def test_ties(self):
        self.path.write_bytes(floats(a=[1], b=[2, 3], c=[2, 3]))
        self.assertEqual(self.ways("tie:c=b"),
                         [("a", "a", "kept"), ("b", "b", "kept"),
                          ("c", "c", "tied")])
        # b's bytes are what they were.
        tied = self.folder / "tied.pth"
        tools.ckpt("convert", "-t", "tie:c=b", self.path, tied, program=CKPT)
        self.path = tied
        self.assertEqual([row[2] for row in self.ways("untie")],
                         ["kept", "untied", "untied"])
        self.assertEqual([row[2] for row in self.ways("drop:b")],
                         ["kept", "dropped", "kept"])
        self.assertEqual(self.ways("rename:s/^c$/x/")[2],
                         ("c", "x", "renamed"))

    def test_other_files(self):
        self.assertEqual(
            self.ways(f"merge:{self.other},unexpected=take"),
            [("a", "a", "kept"), ("b", "b", f"from {self.other}"),
             ("c", "c", "kept"), ("-", "d", f"from {self.other}")])
        self.assertEqual(
            self.ways(f"merge:{self.other},unexpected=take",
                      "rename:s/^/x./")[3],
            ("-", "x.d", f"from {self.other} as d"))

    def test_parts_of_other_files(self):
        for file in ("one", "two"):
            (self.folder / file).write_bytes(self.path.read_bytes())
        self.assertEqual(
            self.ways(f"average:{self.folder}/one,with={self.folder}/two")[0],
            ("a", "a", f"with {self.folder}/one, with {self.folder}/two, "
                       "other values"))

    def test_joined(self):
        norm = {"m.weight_g": ("F32", [2, 1], bytes(8)),
                "m.weight_v": ("F32", [2, 3], bytes(24))}
        self.path.write_bytes(tools.safetensors(norm))
        self.assertEqual(
            self.ways("fold-norm"),
            [("m.weight_g", "m.weight",
              "joined, renamed, [2,1] -> [2,3]"),
             ("m.weight_v", "m.weight", "joined, renamed, other values")])

    def test_name_in_the_output(self):
        self.path.write_bytes(floats(**{"a.w": [1], "b.w": [1]}))
        rows = self.ways(out="out.h5")
        self.assertEqual([row[0] for row in rows], ["a.w", "b.w"])

    def test_json_has_the_same(self):
        done = tools.ckpt("convert", "-q", "--dry-run", "--json", "-t",
                          "drop:a", "-t", "cast:int64,only=c", self.path,
                          self.folder / "o.safetensors", program=CKPT)
        rows = json.loads(done)["tensors"]
        self.assertEqual([(row["from"], row["to"], row["changes"])
                          for row in rows],
                         [("a", None, ["dropped"]), ("b", "b", []),
                          ("c", "c", ["dtype"])])
        self.assertEqual(rows[2]["before"]["dtype"], "float32")
        self.assertEqual(rows[2]["after"]["dtype"], "int64")
        self.assertIsNone(rows[0]["after"])

    def test_failure_prints_nothing(self):
        done = tools.run("convert", "--dry-run", "-t", "rename:s/./x/",
                         self.path, self.folder / "o.safetensors",
                         program=CKPT)
        self.assertEqual(done.returncode, 4)
        self.assertEqual(done.stdout, "")


STEPS = ["rename:s/1/9/", "rename:s/^l(\\d)/m$1/", "add-prefix:x.", "drop:*2",
         "keep:*[0-5]*", "cast:float16", "cast:float64,only=*3*",
         "device:cuda:0", "strip-prefix:x.", "contiguous", "untie"]


class Lots(unittest.TestCase):
    """What is told is what is done."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = self.folder / "in.safetensors"
        self.path.write_bytes(floats(**{
            f"l{i}.w{k}": [i * 10 + k] for i in range(4) for k in range(4)}))

    def values(self, path):
        done = tools.ckpt("ls", "--json", "--digest", "-t", "cast:float64",
                          path, program=CKPT)
        return {row["name"]: row["sha256"]
                for row in json.loads(done)["tensors"]}

    def test_by_lot(self):
        draw = random.Random(5)
        before = self.values(self.path)
        for turn in range(25):
            steps = [word for _ in range(draw.randint(1, 5))
                     for word in ("-t", draw.choice(STEPS))]
            out = self.folder / f"out{turn}.safetensors"
            args = ["convert", "-q", *steps, self.path, out]
            report = json.loads(tools.ckpt(*args, "--dry-run", "--json",
                                           program=CKPT))["tensors"]
            tools.ckpt(*args, program=CKPT)
            after = self.values(out)
            self.assertEqual([row["from"] for row in report],
                             list(before), steps)
            told = {row["to"]: before[row["from"]] for row in report
                    if row["to"] is not None}
            self.assertEqual(told, after, steps)

    def test_very_many(self):
        count = 50000
        self.path.write_bytes(tools.safetensors({
            f"module.l{i // 10}.w{i % 10}": ("F32", [1], bytes(4))
            for i in range(count)}))
        begun = time.monotonic()
        done = tools.ckpt("convert", "-q", "--dry-run", "-t",
                          "strip-prefix:module.", "-t", "drop:*.w3", self.path,
                          self.folder / "o.safetensors", program=CKPT)
        self.assertLess(time.monotonic() - begun, 30)
        rows = [line.split("\t") for line in done.splitlines()]
        self.assertEqual(len(rows), count)
        for name, new, way in rows:
            plain = name.removeprefix("module.")
            self.assertEqual((new, way), ("-", "dropped") if
                             plain.endswith(".w3") else (plain, "renamed"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
