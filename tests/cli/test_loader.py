#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_loader.py CKPT DESCRIBE CC: plugins that cannot be used are told with
their reason and disturb nobody; of two with one id the better right wins; and
nothing is loaded that a file does not need."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
CKPT, DESCRIBE, COMPILER = sys.argv[1:4]
SAMPLE = TOP / "samples/digits.safetensors"

# A whole plugin; the macros break or rename it.
SOURCE = """
#include "ckpt/plugin.h"

#ifndef ABI
#define ABI CKPT_ABI
#endif
#ifndef ID
#define ID "toy"
#endif
#ifndef READER
#define READER ID
#endif

int nobody_has_this(void);

static int
toy_probe(const struct ckpt_host *host, const struct ckpt_source *source,
          struct ckpt_evidence *evidence)
{
    (void)host;
    (void)source;
    (void)evidence;
#ifdef UNDEFINED
    return nobody_has_this();
#else
    return CKPT_OK;
#endif
}

static int
toy_open(const struct ckpt_host *host, const struct ckpt_source *source,
         const struct ckpt_option_value *options, void **self)
{
    (void)source;
    (void)options;
    (void)self;
    return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE, "not a toy");
}

static int
toy_describe(const struct ckpt_host *host, void *self,
             struct ckpt_graph *graph)
{
    (void)self;
    (void)graph;
    return host->fail(host, CKPT_FORMAT, NULL, CKPT_NOWHERE, "not a toy");
}

static void
toy_close(const struct ckpt_host *host, void *self)
{
    (void)host;
    (void)self;
}

static const char *const suffixes[] = {".toy", NULL};

static const struct ckpt_reader first = {
    .size = sizeof first,
    .id = READER,
    .summary = "nothing",
    .suffixes = suffixes,
    .probe = toy_probe,
    .open = toy_open,
    .describe = toy_describe,
    .close = toy_close,
};

static const struct ckpt_reader *const readers[] = {&first, NULL};

CKPT_PLUGIN(toy) = {
    .abi = ABI,
    .size = sizeof(struct ckpt_plugin),
    .id = ID,
    .version = "0.1.0",
    .summary = "a plugin for tests",
    .readers = readers,
};
"""


def build(folder, name, *macros, source=SOURCE):
    folder.mkdir(exist_ok=True)
    code, plugin = folder / f"{name}.c", folder / f"{name}.so"
    code.write_text(source)
    subprocess.run([COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror",
                    "-fPIC", "-shared", f"-I{TOP}/sdk/include", *macros,
                    "-o", plugin, code], check=True)
    code.unlink()
    return plugin


def describe(plugin):
    subprocess.run([DESCRIBE, plugin, plugin.with_suffix(".plugin")],
                   check=True)
    return plugin


def ckpt(*arguments, path=(), **environment):
    """Standard output and error of a run that must go well."""
    environment = {**os.environ, **environment,
                   "CKPT_PLUGIN_PATH": ":".join(map(str, path))}
    done = subprocess.run([CKPT, *arguments], capture_output=True, text=True,
                          check=False, env=environment)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.returncode}, {done.stderr}")
    return done.stdout, done.stderr


class Loader(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def assert_unused(self, plugin, reason):
        """It is told with the reason, and others do their work."""
        place = [plugin.parent]
        plugins, _ = ckpt("plugins", path=place)
        self.assertRegex(plugins, f"(?m)^not used: {plugin}: .*{reason}")
        self.assertRegex(plugins, r"(?m)^safetensors\t0")
        self.assertEqual(ckpt("ls", SAMPLE, path=place), ckpt("ls", SAMPLE))
        listed, told = ckpt("ls", "--plugin", plugin, SAMPLE)
        self.assertEqual(listed, ckpt("ls", SAMPLE)[0])
        self.assertRegex(told,
                         f"^ckpt: warning: the plugin {plugin} .*{reason}")

    def test_whole(self):
        plugin = build(self.folder, "toy")
        plugins, _ = ckpt("plugins", path=[self.folder])
        self.assertRegex(plugins, r"(?m)^toy\t0.1.0\ttoy\t-\t.toy\tCKPT_P")
        self.assertNotIn(f"not used: {plugin}", plugins)

    def test_other_abi(self):
        plugin = build(self.folder, "toy", "-DABI=CKPT_ABI + 6")
        self.assert_unused(plugin, "built for ABI 7, this hub knows ABI 1")

    def test_no_symbol(self):
        plugin = build(self.folder, "toy", source="extern int n; int n;\n")
        self.assert_unused(plugin, "it has no symbol 'ckpt_plugin'")

    def test_undefined_symbol(self):
        plugin = build(self.folder, "toy", "-DUNDEFINED")
        self.assert_unused(plugin, "undefined symbol: nobody_has_this")

    def test_no_library(self):
        whole = build(self.folder / "whole", "toy").read_bytes()
        plugin = self.folder / "toy.so"
        for content, reason in (
                (b"This is no library.\n" * 9, "it is no shared object"),
                (b"", "it is no shared object"),
                (whole[:40], "it is no shared object"),
                (whole[:64], "it is cut short"),
                (whole[:1000], "it is cut short"),
                (whole[:len(whole) // 2], "it is cut short"),
                (whole[:4] + b"\1" + whole[5:], "of another machine")):
            with self.subTest(f"{reason}, {len(content)} bytes"):
                plugin.write_bytes(content)
                self.assert_unused(plugin, reason)

    def test_no_file(self):
        plugin = self.folder / "toy.so"
        plugin.mkdir()
        self.assert_unused(plugin, "it is no regular file")
        plugin.rmdir()
        os.mkfifo(plugin)
        self.assert_unused(plugin, "it is no regular file")
        plugin.unlink()
        plugin.symlink_to(self.folder / "absent")
        self.assert_unused(plugin, "it cannot be opened")

    def test_other_id(self):
        plugin = describe(build(self.folder, "toy"))
        build(self.folder, "toy", '-DID="joy"', '-DREADER="toy"')
        self.assert_unused(plugin,
                           "it is 'joy', its description says 'toy'")

    def test_missing_format(self):
        plugin = describe(build(self.folder, "toy"))
        build(self.folder, "toy", '-DREADER="joy"')
        self.assert_unused(plugin, "its table of 'toy' is not whole")

    def test_null_ids(self):
        for macro, reason in (("-DID=NULL", "does not tell its id"),
                              ("-DREADER=NULL", "tables are not whole")):
            with self.subTest(macro):
                macros = [macro] if "READER" in macro else [macro,
                                                            '-DREADER="toy"']
                self.assert_unused(build(self.folder, "toy", *macros), reason)

    def test_null_id_described(self):
        plugin = describe(build(self.folder, "toy"))
        build(self.folder, "toy", "-DREADER=NULL")
        self.assert_unused(plugin, "its table of 'toy' is not whole")

    def test_bad_description(self):
        """Then the plugin's own tables tell what it is."""
        plugin = describe(build(self.folder, "toy"))
        for text in ("", "{", "[]", '{"abi": 2, "id": "toy"}'):
            with self.subTest(text):
                plugin.with_suffix(".plugin").write_text(text)
                plugins, _ = ckpt("plugins", path=[self.folder])
                self.assertRegex(plugins, r"(?m)^toy\t0.1.0\ttoy\t")

    def test_one_id(self):
        """--plugin goes before CKPT_PLUGIN_PATH, its first folder before its
        second, and both before the folder beside the library."""
        places = [describe(build(self.folder / name, "mine",
                                 '-DID="safetensors"'))
                  for name in ("option", "first", "second")]
        path = [place.parent for place in places[1:]]

        def used(*arguments, path=()):
            plugins, _ = ckpt("plugins", *arguments, path=path)
            shown, _ = ckpt("plugins", "safetensors", *arguments, path=path)
            return plugins, shown

        plugins, shown = used("--plugin", places[0], path=path)
        self.assertIn(f"path {places[0]} (--plugin)", shown)
        for place in places[1:]:
            self.assertIn(f"not used: {place}: the same plugin from "
                          f"{places[0]} is used", plugins)
        self.assertRegex(plugins, "not used: /.*ckpt/plugins/safetensors.so: "
                         f"the same plugin from {places[0]} is used")
        plugins, shown = used(path=path)
        self.assertIn(f"path {places[1]} (CKPT_PLUGIN_PATH)", shown)
        self.assertIn(f"not used: {places[2]}: the same", plugins)
        plugins, shown = used()
        self.assertRegex(shown, r"path .*ckpt/plugins/safetensors\.so \(")
        self.assertNotIn("not used", plugins)

    def test_several_folders(self):
        """Each is listed; those that are absent or empty do no harm."""
        path = []
        for name in ("one", "two"):
            describe(build(self.folder / name, name, f'-DID="{name}"'))
            path += [self.folder / name, self.folder / "absent", ""]
        plugins, _ = ckpt("plugins", path=path)
        for name in ("one", "two"):
            self.assertRegex(plugins, rf"(?m)^{name}\t0.1.0\t{name}\t")
        self.assertEqual(ckpt("ls", SAMPLE, path=path), ckpt("ls", SAMPLE))

    def test_nothing_else_loaded(self):
        """A plugin whose magic is not in the file stays on disk, and so does
        the library that it needs."""
        _, told = ckpt("ls", SAMPLE, LD_DEBUG="files")
        self.assertIn("/safetensors.so", told)
        self.assertNotIn("torch-", told)
        self.assertNotIn("libzip", told)
        _, told = ckpt("ls", TOP / "samples/digits.pth", LD_DEBUG="files")
        self.assertIn("/torch-zip.so", told)
        self.assertNotIn("/safetensors.so", told)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
