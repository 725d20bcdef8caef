#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad arguments over all transforms that are installed: exit 2, the reason, and
how the transform is written, before any file is read or made. What all must
refuse follows from what `ckpt plugins NAME` says of them, so a new one is tried
as soon as it is there; BAD has what each must refuse beside that.
Usage: check_arguments.py CKPT"""
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tools  # noqa: E402

CKPT = sys.argv[1]
# Of these each transform whose argument is text must refuse one at least.
ODD = ["re:(", "s/(/x/", "=", ",", "a=b=c", "\\", "0.5.5", "no such thing",
       ":", "["]
WRONG = {"yes|no": "perhaps", "NUMBER": "x", "SIZE": "x", "FILE": ""}
ARGUMENT = {"cast": "float16", "device": "cpu", "rename": "s/a/b/",
            "layout": "keras-to-torch"}  # else "a"
BAD = {
    "cast": ["float17", "float16,only=re:(", "float16,except=re:(",
             "float16,only=a,except=re:[", "bits8", "FLOAT16"],
    "keep": ["re:a(b", "re:[", "re:*"],
    "drop": ["re:a(b", "re:[", "re:*"],
    "like": [],
    "device": ["tpu9000:x", "cuda:", "cuda:-1", "cpu:1x", "cuda:0=", "=cpu",
               "cuda:0=cpu,cuda:0=cuda:1", "cuda:1,cpu", "cuda:99999999999"],
    "layout": ["keras", "torch-to-keras,names=keras9",
               "keras-to-torch,class=x", "keras-to-torch,heads=x",
               "keras-to-torch,other=maybe"],
    "strip-prefix": [],
    "add-prefix": [],
    "rename": ["a", "s/a", "s/a/b", "s/a/b/q", "s/(/x/", "s//x/", "tr/a/b/",
               "/a/b/"],
    "rename-map": [],
    "root": [],
    "resize": ["a", "a,size=3,dim=x", "a,dim=0,size=-1", "re:(,dim=0,size=1",
               "a,dim=0,size=2,fill=maybe"],
    "channels": ["a", "a,size=-1,dim=1", "re:(,dim=1,size=4",
                 "a,dim=1,size=4,fill=zeros"],
    "contiguous": ["re:("],
    "untie": ["re:("],
    "tie": ["a", "=a", "a="],
    "transpose": ["re:(", "a,dims=0", "a,dims=x.y"],
    "permute": ["re:(", "a", "a,dims=", "a,dims=x"],
    "freeze": ["re:(", "first=x", "first=-1"],
    "unfreeze": ["re:("],
    "drop-optimizer": ["a"],
    "fold-norm": ["re:("],
    "merge": [],
    "grow": [],
    # FILE is one that is there.
    "average": ["FILE,weights=x", "FILE,weights=0.5", "FILE,ema=x",
                "FILE,weights=0.5x0.5x0.5"],
    "interpolate": ["FILE,t=x", "FILE,mode=cubic"],
    "add": ["FILE,scale=x"],
    "subtract": [],
    "lora": ["FILE,scale=x", "FILE,alpha=x"],
}


class Arguments(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "in.safetensors"
        self.file.write_bytes(tools.safetensors(
            {"a": ("F32", [2, 2], bytes(16))}))
        self.out = self.folder / "out.safetensors"

    def run_step(self, step, file=None):
        done = tools.run("convert", "-t", step, file or self.file, self.out,
                         program=CKPT)
        return done.returncode, done.stderr.splitlines()

    def assert_refused(self, step, file="nowhere"):
        """Before the file is looked at, if there is none."""
        status, lines = self.run_step(step, self.folder / file)
        self.assertEqual(status, 2, (step, lines))
        self.assertEqual(len(lines), 2, (step, lines))
        self.assertRegex(lines[0], r"^ckpt: .+: .{5}", step)
        self.assertRegex(lines[1], r"^ckpt: .{8}", step)
        self.assertFalse(self.out.exists(), step)
        return lines[1]

    def form(self, name, text):
        """The argument as help shows it, or None; and its options."""
        line = re.search(rf"^  -t {re.escape(name)}(:(.*))?$", text, re.M)
        self.assertIsNotNone(line, text)
        options = re.findall(r"^    ([a-z0-9_-]+)=(\S+)$", text, re.M)
        return line[2], dict(options)

    def check_help(self, name, text):
        self.assertRegex(text, rf"\ntransform {name}: .{{10}}", name)
        self.assertIn("\nexamples\n", text, name)
        self.assertRegex(text[text.index("\nexamples\n"):],
                         rf"-t '?{re.escape(name)}\b",
                         f"{name} has no example among the first")

    def check_argument_there_or_not(self, name, text):
        argument, _ = self.form(name, text)
        if argument is None:
            line = self.assert_refused(f"{name}:x")
        elif not argument.startswith("["):
            self.assert_refused(f"{name}:")
            line = self.assert_refused(name)
        else:
            return
        self.assertTrue(line.startswith(f"ckpt: {name}"), line)

    def check_options(self, name, text):
        argument, options = self.form(name, text)
        start = name + ("" if argument is None else
                        f":{ARGUMENT.get(name, 'a')}")
        for option, kind in options.items():
            mark = "," if argument is not None else ":"
            if kind == "TEXT":
                continue
            value = WRONG.get(kind, "no-such-choice")
            line = self.assert_refused(f"{start}{mark}{option}={value}")
            self.assertIn(option, line)
            if len(option) > 3:
                self.assert_refused(f"{start},{option}x=1")

    def check_odd_arguments(self, name, text):
        argument, _ = self.form(name, text)
        if argument is None or argument.strip("[]") in (
                "FILE", "OTHER", "ADAPTER", "TEMPLATE", "PREFIX",
                "PREFIX|auto", "NAME|auto"):
            return
        status = {odd: self.run_step(f"{name}:{odd}")[0] for odd in ODD}
        self.assertIn(2, status.values(), (name, status))
        self.assertLessEqual(set(status.values()), {0, 2, 4},
                             (name, status))
        self.out.unlink(missing_ok=True)

    def check_own(self, name, text):
        for bad in BAD.get(name, []):
            bad = bad.replace("FILE", str(self.file))
            self.assert_refused(f"{name}:{bad}", self.file.name)

    def check_files(self, name, text):
        """What an argument names and is not there: exit 5, and the path."""
        argument, options = self.form(name, text)
        steps = [f"{name}:{ARGUMENT.get(name, 'a')},{option}=none.x"
                 for option, kind in options.items() if kind == "FILE"]
        if argument in ("FILE", "OTHER"):
            steps.append(f"{name}:none.x")
        for step in steps:
            status, lines = self.run_step(step)
            if status == 2:
                continue  # something else is wrong too
            self.assertEqual(status, 5, (step, lines))
            self.assertIn("none.x: ", lines[0])
            self.assertFalse(self.out.exists())

    def check_nothing(self, name, text):
        """What matches nothing says so, and the strict refuse it."""
        pattern = re.fullmatch(r"\[?PATTERN\]?", self.form(name, text)[0] or "")
        if pattern is None and name not in ("strip-prefix", "root"):
            return
        more = {"resize": ",dim=0,size=3", "channels": ",dim=1,size=3",
                "permute": ",dims=1x0"}
        step = f"{name}:nothing.at.all{more.get(name, '')}"
        status, lines = self.run_step(step)
        self.assertEqual(status, 0, (step, lines))
        self.assertIn("warning", lines[0] if lines else "", step)
        self.out.unlink()
        done = tools.run("convert", "--strict", "-t", step, self.file, self.out,
                         program=CKPT)
        self.assertEqual(done.returncode, 4, (step, done.stderr))
        self.assertFalse(self.out.exists())


def transforms():
    """Name -> what its help says."""
    found = {}
    for row in tools.ckpt("plugins", program=CKPT).splitlines():
        kind, name = (row.split("\t") + [""])[:2]
        if kind == "transform":
            found[name] = tools.ckpt("plugins", name, program=CKPT)
    assert len(found) > 10
    return found


def tests_add():
    """A test for each check and transform."""
    checks = [name for name in vars(Arguments) if name.startswith("check_")]
    for name, text in transforms().items():
        for check in checks:
            def test(self, check=check, name=name, text=text):
                getattr(self, check)(name, text)
            setattr(Arguments, f"test_{check[6:]}_of_{name}", test)


if __name__ == "__main__":
    tests_add()
    unittest.main(argv=sys.argv[:1])
