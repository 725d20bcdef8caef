#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plugins that cannot be used: each is refused with its reason, is listed, and
hurts nothing else; of two with one id the better right wins; and nothing is
loaded that the file at hand does not need.
Usage: check_loader.py CKPT DESCRIBE CC SOURCE-FOLDER"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CKPT, DESCRIBE, CC, TOP = sys.argv[1:]
TOP = pathlib.Path(TOP)
sys.path.insert(0, str(TOP / "tests"))

import tools  # noqa: E402

SOURCE = (TOP / "sdk/template/template.c").read_text()
ABI = "    .abi = CKPT_ABI,\n"


def env(folder):
    return {**tools.ENV, "CKPT_PLUGIN_PATH": str(folder)}


def build(path, source, *flags, describe=False):
    path.with_suffix(".c").write_text(source)
    subprocess.run([CC, "-std=c11", "-w", "-fPIC", "-shared", *flags,
                    f"-I{TOP}/sdk/include", f"-I{TOP}/sdk/support",
                    f"-I{TOP}/sdk/template", "-o", path,
                    path.with_suffix(".c"),
                    TOP / "sdk/template/template_parse.c"], check=True)
    if describe:
        subprocess.run([DESCRIBE, path, path.with_suffix(".plugin")],
                       check=True)
    return path


class Loader(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        self.file = self.folder / "x.safetensors"
        self.file.write_bytes(tools.safetensors({"t": ("U8", [1], b"x")}))

    def run_ckpt(self, *args, path=None):
        return subprocess.run([CKPT, *map(str, args)],
                              env=env(path or self.plugins),
                              capture_output=True, text=True)

    def assert_refused(self, path, reason):
        """By folder and by --plugin; other plugins work on."""
        listed = self.run_ckpt("plugins")
        self.assertEqual(listed.returncode, 0, listed)
        self.assertIn("safetensors", listed.stdout)
        shown = self.run_ckpt("ls", self.file)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertTrue(shown.stdout.startswith("t\t"), shown)
        named = self.run_ckpt("plugins", "--plugin", path)
        one = self.run_ckpt("plugins", path.stem)
        told = listed.stdout + named.stdout + one.stdout + one.stderr
        self.assertRegex(told, reason)
        self.assertIn(str(path), told)

    def test_another_abi(self):
        for number in (0, 2, 99):
            path = build(self.plugins / "template.so", SOURCE.replace(
                ABI, f"    .abi = {number},\n"))
            self.assert_refused(path, f"ABI {number}")
            path = build(self.plugins / "template.so", SOURCE.replace(
                ABI, f"    .abi = {number},\n"), describe=True)
            self.assert_refused(path, f"ABI {number}")
            path.with_suffix(".plugin").unlink()

    def test_no_symbol(self):
        path = build(self.plugins / "template.so", "int nothing;\n")
        self.assert_refused(path, "no symbol 'ckpt_plugin'")

    def test_undefined_symbol(self):
        source = SOURCE.replace("    (void)source;\n", "    void lacking("
                                "void);\n\n    lacking();\n", 1)
        path = build(self.plugins / "template.so", source)
        self.assert_refused(path, "undefined symbol: lacking")

    def test_no_shared_object(self):
        path = self.plugins / "template.so"
        for content in (b"", b"text", b"\x7fELF" + bytes(60)):
            path.write_bytes(content)
            self.assert_refused(path, r"(?i)too short|invalid|cut short|"
                                      r"no .*object|not .*object|ELF")

    def test_cut_anywhere(self):
        whole = build(self.folder / "template.so", SOURCE).read_bytes()
        path = self.plugins / "template.so"
        for size in range(0, len(whole), len(whole) // 40):
            path.unlink(missing_ok=True)
            path.write_bytes(whole[:size])
            done = self.run_ckpt("plugins", "template")
            self.assertGreaterEqual(done.returncode, 0, (size, done))
            shown = self.run_ckpt("ls", self.file)
            self.assertEqual(shown.returncode, 0, (size, shown))

    def test_tables_not_whole(self):
        for line in ("    .describe = template_describe,\n",
                     "    .plan = template_plan,\n",
                     "    .version = \"0.1.0\",\n"):
            path = build(self.plugins / "template.so",
                         SOURCE.replace(line, ""))
            self.assert_refused(path, "not whole|does not tell")

    def test_older_descriptor(self):
        """One built before there were transforms: what lies behind it is no
        list of them."""
        path = build(self.folder / "template.so", SOURCE.replace(
            "    .size = sizeof(struct ckpt_plugin),\n",
            "    .size = offsetof(struct ckpt_plugin, transforms),\n"
            "    .transforms = (void *)8,\n"), describe=True)
        shown = self.run_ckpt("plugins", "--plugin", path, "template")
        self.assertEqual(shown.returncode, 0, shown)
        self.assertIn("reads template", shown.stdout)
        self.assertNotIn("\ntransform ", shown.stdout)
        path.with_suffix(".plugin").unlink()
        shown = self.run_ckpt("plugins", "--plugin", path, "template")
        self.assertEqual(shown.returncode, 0, shown)

    def test_description_of_another(self):
        path = build(self.plugins / "template.so", SOURCE, describe=True)
        path = build(path, SOURCE.replace('.id = "template",\n    .version',
                                          '.id = "other",\n    .version'))
        self.assert_refused(path, "'other'.*'template'")

    def test_description_that_is_broken(self):
        path = build(self.plugins / "template.so", SOURCE, describe=True)
        description = path.with_suffix(".plugin")
        whole = description.read_text()
        sample = self.folder / "x.template"
        sample.write_bytes(b"TEMPLATE" + bytes(8))
        for text in ("", "{", "[]", whole[:-20], whole.replace("1", "x")):
            description.write_text(text)
            shown = self.run_ckpt("ls", sample)
            self.assertEqual(shown.returncode, 0, (text, shown))

    def test_without_description(self):
        build(self.plugins / "template.so", SOURCE)
        sample = self.folder / "x.template"
        sample.write_bytes(b"TEMPLATE" + bytes(8))
        shown = self.run_ckpt("info", sample)
        self.assertEqual(shown.returncode, 0, shown)
        self.assertIn("TEMPLATE at byte 0", shown.stdout)

    def test_better_right_wins(self):
        source = SOURCE.replace('.id = "template",\n    .version = "0.1.0"',
                                '.id = "template",\n    .version = "0.%d.0"')
        build(self.plugins / "template.so", source % 1, describe=True)
        named = self.folder / "named" / "template.so"
        named.parent.mkdir()
        build(named, source % 2, describe=True)
        listed = self.run_ckpt("plugins", "--plugin", named)
        rows = [row for row in listed.stdout.splitlines()
                if row.startswith("reads\ttemplate\t")]
        self.assertIn("\ttemplate 0.2.0 (--plugin)\t", rows[0])
        sample = self.folder / "x.template"
        sample.write_bytes(b"TEMPLATE" + bytes(8))
        shown = self.run_ckpt("info", sample, "--plugin", named)
        self.assertIn("0.2.0", shown.stdout)

    def test_no_file_or_another_machine(self):
        whole = build(self.folder / "template.so", SOURCE).read_bytes()
        path = self.plugins / "template.so"
        path.mkdir()
        self.assert_refused(path, "it is no regular file")
        path.rmdir()
        os.mkfifo(path)
        self.assert_refused(path, "it is no regular file")
        path.unlink()
        path.symlink_to(self.folder / "absent")
        self.assert_refused(path, "it cannot be opened")
        path.unlink()
        path.write_bytes(whole[:4] + b"\1" + whole[5:])
        self.assert_refused(path, "of another machine")

    def test_null_ids(self):
        """With a description and without one."""
        plugin = '.id = NULL,\n    .version'
        role = '.id = NULL,\n    .summary'
        for fault, alone, described in (
                (plugin, "does not tell its id", "does not tell its id"),
                (role, "its tables are not whole",
                 "its table of 'template' is not whole")):
            source = SOURCE.replace(fault.replace("NULL", '"template"'), fault)
            self.assertNotEqual(source, SOURCE)
            path = build(self.plugins / "template.so", source)
            self.assert_refused(path, f"not used: {path}: .*{alone}")
            build(path, SOURCE, describe=True)
            build(path, source)
            self.assert_refused(path, f"not used: {path}: .*{described}")
            path.with_suffix(".plugin").unlink()

    def test_order_of_places(self):
        """--plugin, then CKPT_PLUGIN_PATH from its first folder to its last,
        then the folder beside the library."""
        source = SOURCE.replace('.id = "template",\n    .version',
                                '.id = "safetensors",\n    .version')
        places = []
        for name in ("option", "first", "last"):
            (self.folder / name).mkdir()
            places.append(build(self.folder / name / "template.so", source,
                                describe=True))
        path = f"{self.folder}/first::{self.folder}/none:{self.folder}/last"
        for used, args in ((places[0], ("--plugin", places[0])),
                           (places[1], ())):
            shown = self.run_ckpt("plugins", "safetensors", *args, path=path)
            self.assertIn(f"path {used} (", shown.stdout)
            listed = self.run_ckpt("plugins", *args, path=path).stdout
            for other in places[places.index(used) + 1:]:
                self.assertIn(f"not used: {other}: the same plugin from "
                              f"{used} is used", listed)
            self.assertRegex(listed, r"not used: /.*/safetensors\.so: the same "
                             f"plugin from {used} is used")
        shown = self.run_ckpt("plugins", "safetensors")
        self.assertRegex(shown.stdout, r"path /.*/ckpt/plugins/safetensors\.so")

    def test_several_folders(self):
        folders = []
        for name in ("one", "two"):
            folders.append(self.folder / name)
            folders[-1].mkdir()
            build(folders[-1] / "template.so", SOURCE.replace(
                '.id = "template"', f'.id = "{name}"'), describe=True)
        path = ":".join(map(str, folders))
        listed = self.run_ckpt("plugins", path=path).stdout
        for name in ("one", "two"):
            self.assertRegex(listed, rf"(?m)^reads\t.*\t{name} 0.1.0 ")
        shown = self.run_ckpt("ls", self.file, path=path)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))

    @unittest.skipIf(shutil.which("strace") is None, "no strace")
    def test_only_what_is_needed_is_loaded(self):
        build(self.plugins / "template.so", SOURCE, describe=True)
        trace = self.folder / "trace"
        subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e",
                        "trace=openat", CKPT, "ls", self.file],
                       env={**env(self.plugins),
                            "ASAN_OPTIONS": "detect_leaks=0"},
                       check=True, stdout=subprocess.DEVNULL)
        opened = set(re.findall(r'([\w-]+)\.so"', trace.read_text()))
        self.assertIn("safetensors", opened)
        self.assertNotIn("template", opened)
        self.assertNotIn("torch-zip", opened)
        self.assertNotIn("libzip.so", trace.read_text())

    def test_part_that_is_loaded_later(self):
        """A plugin that lost its part, or has another's, says so when a file
        asks for it, and reads all other files as before."""
        place = pathlib.Path(CKPT).parent.parent / "lib/ckpt/plugins"
        file, again = self.folder / "x.h5", self.folder / "again.h5"
        made = self.run_ckpt("convert", self.file, file)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        for name in ("hdf5.so", "hdf5.plugin"):
            shutil.copy(place / name, self.plugins)
        path = self.plugins / "later/hdf5.so"
        self.assert_part(path, "it cannot be opened", file, again)
        path.parent.mkdir()
        path.write_bytes((place / "later/hdf5.so").read_bytes()[:9999])
        self.assert_part(path, "it is cut short", file, again)
        build(path, "int nothing;")
        self.assert_part(path, "it has no symbol 'ckpt_later'", file, again)
        build(path, "const unsigned long ckpt_later[9] = {1};")
        self.assert_part(path, "it is of another version", file, again)
        build(path, "extern int absent;\nint *ckpt_later(void);\n"
                    "int *ckpt_later(void) {return &absent;}")
        self.assert_part(path, "undefined symbol: absent", file, again)
        shutil.copy(place / "later/hdf5.so", path)
        made = self.run_ckpt("convert", self.file, again)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        self.assertEqual(again.read_bytes(), file.read_bytes())

    def assert_part(self, path, reason, file, again):
        shown = self.run_ckpt("ls", file)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        made = self.run_ckpt("convert", self.file, again)
        self.assertEqual(made.returncode, 4)
        self.assertEqual(
            made.stderr, f"ckpt: {again}: hdf5: its part {path} cannot be "
            f"used: {reason}\nckpt: install this plugin again, with all that "
            "it needs\n")
        self.assertFalse(again.exists())

    @unittest.skipIf(shutil.which("strace") is None, "no strace")
    def test_later_is_late(self):
        file, trace = self.folder / "x.h5", self.folder / "trace"
        self.run_ckpt("convert", self.file, file)
        subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e",
                        "trace=openat", CKPT, "ls", file],
                       env={**env(self.plugins),
                            "ASAN_OPTIONS": "detect_leaks=0"},
                       check=True, stdout=subprocess.DEVNULL)
        self.assertIn("/hdf5.so", trace.read_text())
        self.assertNotIn("/later/", trace.read_text())
        self.assertNotIn("libhdf5", trace.read_text())


if __name__ == "__main__":
    os.environ.pop("CKPT_PLUGIN_PATH", None)
    unittest.main(argv=sys.argv[:1])
