# SPDX-License-Identifier: MIT
"""Distributed checkpoints of both ages of torch, of one process and of two,
are read as the state dicts that were saved."""
import json
import os
import subprocess

import pytest

import conftest
import tools


def call(age, *args):
    done = subprocess.run([conftest.python_of(age),
                           conftest.HERE / "dcp_peer.py", *map(str, args)],
                          env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(age, how) -> folder, and what was saved in it."""
    result = {}

    def make(age, how):
        if (age, how) not in result:
            missing = conftest.why_missing(age)
            if missing:
                pytest.skip(missing)
            folder = tmp_path_factory.mktemp("dcp") / "d"
            call(age, how, folder)
            result[age, how] = folder, json.loads(call(age, "wanted", how))
        return result[age, how]
    return make


CASES = [("new", "save"), ("old", "save"), ("new", "split"), ("new", "bricks")]


@pytest.mark.parametrize("age,how", CASES)
def test_read(made, age, how):
    folder, wanted = made(age, how)
    listed = tools.ls(folder)
    assert listed["format"] == "torch-dcp"
    got = {t["name"]: [t["dtype"], t["shape"], t["sha256"]]
           for t in listed["tensors"]}
    values = {v["name"]: v.get("value") for v in listed["values"]}
    for name, value in wanted.items():
        if isinstance(value, list):
            assert got.pop(name) == value, name
        else:
            assert values[name] == value, name
    assert got == {}


@pytest.mark.parametrize("age,how", CASES)
def test_scan(made, age, how):
    """What torch's own loader needs to read a folder is no finding."""
    done = tools.run("scan", "--json", made(age, how)[0])
    assert (done.returncode, done.stderr) == (0, ""), done
    (entry,) = json.loads(done.stdout)
    assert entry["verdict"] == "clean"


@pytest.mark.parametrize("age,how", CASES)
def test_convert(made, age, how, tmp_path):
    folder, wanted = made(age, how)
    for name in ("one.pt", "two.safetensors"):
        tools.ckpt("convert", folder, tmp_path / name)
        got = {t["name"]: [t["dtype"], t["shape"], t["sha256"]]
               for t in tools.ls(tmp_path / name)["tensors"]}
        assert got == {n: v for n, v in wanted.items() if isinstance(v, list)}


def test_by_metadata(made):
    folder, _ = made("new", "save")
    one, two = (tools.ls(path)["tensors"]
                for path in (folder, folder / ".metadata"))
    assert one == two


def test_comb(tmp_path):
    """Finding one chunk after the other has its bound."""
    if conftest.why_missing("new"):
        pytest.skip(conftest.why_missing("new"))
    call("new", "comb", tmp_path / "d")
    done = tools.run("ls", "--digest", tmp_path / "d")
    assert done.returncode == 3
    assert done.stderr == (
        f"ckpt: {tmp_path}/d: torch-dcp: chunks that lie in no order that is "
        "known here (tensor w)\n")
