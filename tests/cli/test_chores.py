#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_chores.py CKPT: the chores of samples/cookbook.md, on files of every
format that is written: what comes out is what comes of the sample itself."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = TOP / "samples"
CKPT = sys.argv.pop(1) if len(sys.argv) > 1 else "build/release/bin/ckpt"

FORMATS = {
    "zip": (".pth",), "legacy": (".pth", "--to", "torch-legacy"),
    "tar": (".pth", "--to", "torch-tar"), "safetensors": (".safetensors",),
    "hdf5": (".h5",), "onnx": (".onnx",),
}
# A sample, and what is done to it.
CHORES = [
    ("digits-training.pt", "root:model_state_dict"),
    ("digits-training.pt", "drop-optimizer"),
    ("digits-sections.pth", "root:fc_dict"),
    ("digits-parallel.pth", "strip-prefix:module."),
    ("digits-parallel.pth", "strip-prefix:auto"),
    ("digits.pth", "add-prefix:module."),
    ("digits.pth", r"rename:s/^fc\./fc_./"),
    ("densenet-dotted.pth", "recipe:torchvision-densenet"),
    ("digits.pth", "keep:conv[12].*"),
    ("digits.pth", "drop:*.num_batches_tracked"),
    ("digits-deep.pth", f"like:{SAMPLES / 'digits.pth'}"),
    ("digits-parallel.pth", "device:cpu"),
    ("digits.pth", "device:cuda:1"),
    ("digits-parallel.pth", "device:cuda:0=cuda:1"),
    ("digits.pth", "cast:float16"),
    ("digits-normed.pth", "fold-norm"),
    ("digits.pth", "resize:fc.weight,dim=0,size=21,fill=kaiming,seed=1",
     "resize:fc.bias,dim=0,size=21,fill=zero"),
    ("digits.pth", "channels:conv1.weight,dim=1,size=4,fill=mean"),
    ("moons.pth", f"average:{SAMPLES / 'moons-torch-1.13.pth'}"),
    ("digits.pth", "freeze:*", "unfreeze:fc.*"),
    ("digits.pth", f"grow:{SAMPLES / 'digits-deep.pth'}"),
    ("digits-deep.pth", f"merge:{SAMPLES / 'digits.pth'}"),
    ("digits.pth", "freeze:first=3"),
]


def ckpt(*arguments, status=0):
    done = subprocess.run([CKPT, *map(str, arguments)], capture_output=True,
                          text=True, check=False)
    if done.returncode != status:
        raise AssertionError(f"{arguments}: {done.returncode}, {done.stdout}"
                             f"{done.stderr}")
    return done.stdout


def labels(path):
    """What a difference does not tell."""
    tensors = json.loads(ckpt("ls", "--json", path))["tensors"]
    return {tensor["name"]: (tensor["device"], tensor["requires_grad"])
            for tensor in tensors}


class Chores(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def written(self, sample, form, *steps):
        """The sample in another format, which may have no place for all."""
        suffix, *options = FORMATS[form]
        path = self.folder / f"{form}{len(steps)}{suffix}"
        transforms = [word for step in steps for word in ("-t", step)]
        ckpt("convert", "-q", "--force", *options, *transforms, sample, path)
        return path

    def test_each_on_every_format(self):
        for sample, *steps in CHORES:
            wanted = self.folder / "wanted.pth"
            words = [word for step in steps for word in ("-t", step)]
            ckpt("convert", "-q", "--force", *words, SAMPLES / sample, wanted)
            for form in FORMATS:
                with self.subTest(f"{steps} of {sample} as {form}"):
                    there = self.written(SAMPLES / sample, form)
                    done = self.written(there, form, *steps)
                    ckpt("diff", done, wanted)
                    self.assertEqual(labels(done), labels(wanted))

    def test_parameters_are_counted_alike(self):
        """By `ls --index`, and by `freeze:first=`."""
        for sample in ("digits.pth", "digits-training.pt", "adder.pth",
                       "digits-sections.pth"):
            rows = ckpt("ls", "--index", SAMPLES / sample).splitlines()
            counted = [line.split("\t")[0] for line in rows
                       if line.split("\t")[6] in ("0", "1", "2", "3")]
            ways = ckpt("convert", "-q", "--dry-run", "-t", "freeze:first=4",
                        SAMPLES / sample, self.folder / "a.pth").splitlines()
            frozen = [line.split("\t")[0] for line in ways
                      if line.split("\t")[2] == "frozen"]
            with self.subTest(sample):
                self.assertEqual(frozen, counted)


if __name__ == "__main__":
    unittest.main()
