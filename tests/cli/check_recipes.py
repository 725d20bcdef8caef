#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recipes that are cut off or damaged, and recipes of other folders.
Usage: check_recipes.py CKPT"""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tools  # noqa: E402

CKPT = sys.argv[1]
WHOLE = """# ours
summary: what it is
about: |
  more of it
steps:
  - add-prefix: x.
  - cast: float16
    except: '*norm*'
  - "drop?:re:a(b|c)"
  - recipe: gamma-beta
"""


class Recipes(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = self.folder / "in.safetensors"
        self.file.write_bytes(tools.safetensors(
            {"LayerNorm.gamma": ("F32", [1], bytes(4))}))
        self.recipe = self.folder / "r.yaml"

    def ls(self, *args, **env):
        return subprocess.run([CKPT, "ls", "-q", *map(str, args), self.file],
                              capture_output=True, text=True,
                              env={**tools.ENV, **env})

    def run_recipe(self, text):
        self.recipe.write_bytes(text)
        return self.ls("--recipe", self.recipe)

    def test_whole(self):
        done = self.run_recipe(WHOLE.encode())
        self.assertEqual((done.returncode, done.stdout.split("\t")[:2]),
                         (0, ["x.LayerNorm.weight", "float16"]), done.stderr)

    def test_cut_off(self):
        text = WHOLE.encode()
        for end in range(len(text)):
            done = self.run_recipe(text[:end])
            self.assertIn(done.returncode, (0, 2), (end, done.stderr))

    def test_damaged(self):
        draw = random.Random(3)
        for _ in range(300):
            text = bytearray(WHOLE.encode())
            for _ in range(draw.randint(1, 3)):
                text[draw.randrange(len(text))] = draw.randrange(256)
            done = self.run_recipe(bytes(text))
            self.assertIn(done.returncode, (0, 2, 5), (text, done.stderr))
            self.assertLessEqual(len(done.stderr.splitlines()), 2)

    def test_too_long(self):
        done = self.run_recipe(b"#" * (1 << 20) + b"\n")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("no longer than 1 MiB", done.stderr)

    def test_too_many_steps(self):
        done = self.run_recipe(b"- drop?: x\n" * 10001)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("line 10001: there are more steps than 10000",
                      done.stderr)

    def test_many_that_grow(self):
        for i in range(6):
            (self.folder / f"{i}.yaml").write_text(
                f"- recipe: {i + 1}.yaml\n" * 50)
        (self.folder / "6.yaml").write_text("- drop?: x\n")
        done = self.ls("--recipe", self.folder / "0.yaml")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("more than 1000 recipes in all", done.stderr)

    def test_of_a_folder_of_plugins(self):
        """Before those that are installed, and found by name."""
        recipes = self.folder / "plugins" / "recipes"
        recipes.mkdir(parents=True)
        (recipes / "gamma-beta.yaml").write_text("- add-prefix: mine.\n")
        (recipes / "broken.yaml").write_text("steps: 1\n")
        (recipes / ".hidden.yaml").write_text("- add-prefix: h.\n")
        env = {"CKPT_PLUGIN_PATH": str(recipes.parent)}
        self.assertIn("mine.LayerNorm.gamma",
                      self.ls("-t", "recipe:gamma-beta", **env).stdout)
        listed = subprocess.run([CKPT, "plugins"], capture_output=True,
                                text=True, env={**tools.ENV, **env}).stdout
        self.assertIn("recipe broken: not used: ", listed)
        self.assertNotIn("hidden", listed)

    @unittest.skipIf(os.geteuid() == 0, "root may read all")
    def test_no_right_to_read(self):
        self.recipe.write_text("- drop: x\n")
        self.recipe.chmod(0)
        self.assertEqual(self.ls("--recipe", self.recipe).returncode, 5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
