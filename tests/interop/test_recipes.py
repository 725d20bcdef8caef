# SPDX-License-Identifier: MIT
"""`-t recipe:NAME` on checkpoints as the frameworks wrote them, loaded by
torch into a fresh model of today's names."""
import pathlib
import subprocess

import pytest

import tools

HERE = pathlib.Path(__file__).resolve().parent
RECIPES = sorted(path.stem for path in
                 (tools.TOP / "plugins/recipes").glob("*.yaml"))


def recipe_of(case):
    """A case is named as its recipe, or has more behind the name."""
    return max((name for name in RECIPES if case.startswith(name)), key=len)


def peer_run(peer, what, folder):
    done = subprocess.run([peer.python, HERE / "recipes_peer.py", what, folder],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_all(peer, tmp_path):
    cases = peer_run(peer, "make", tmp_path)
    for case in cases:
        tools.ckpt("convert", "--strict", "-t", f"recipe:{recipe_of(case)}",
                   tmp_path / f"{case}.pt", tmp_path / f"{case}.out.pt")
    assert sorted(peer_run(peer, "load", tmp_path)) == \
        sorted(f"{case}: fine" for case in cases)
    assert len(cases) >= 12, cases


def test_each_recipe_has_a_case(peers):
    text = (HERE / "recipes_peer.py").read_text()
    for name in RECIPES:
        assert f"def {name.replace('-', '_')}()" in text, name


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_to_do(tmp_path, name):
    """On a file that it is not for, each says so, and --strict refuses."""
    path = tmp_path / "plain.safetensors"
    path.write_bytes(tools.safetensors({"fc.w": ("F32", [1], bytes(4))}))
    args = ["convert", "-t", f"recipe:{name}", path, tmp_path / "o.safetensors"]
    done = tools.run(*args)
    assert "matches nothing" in done.stderr
    assert tools.run(*args, "--strict").returncode == 4


def test_summaries():
    listed = tools.ckpt("plugins").splitlines()
    for name in RECIPES:
        line = [line for line in listed if line.startswith(f"recipe {name}: ")]
        assert len(line) == 1 and len(line[0]) > len(name) + 20
        assert tools.ckpt("plugins", name).startswith(line[0] + "\n")
