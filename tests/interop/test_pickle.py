# SPDX-License-Identifier: MIT
"""Plain pickles of both torches and of NumPy 1 and 2, in every protocol."""
import json
import pathlib
import subprocess

import pytest

import tools

HERE = pathlib.Path(__file__).resolve().parent
CASES = [f"{name}_{protocol}" for name in ("tensors", "arrays", "paddle")
         for protocol in range(6)]


@pytest.fixture(scope="session")
def pickles(peers, tmp_path_factory):
    """Age -> (folder, what is in each case), or why there is none."""
    top, result = tmp_path_factory.mktemp("pickles"), {}
    for age, peer in peers.items():
        if isinstance(peer, str):
            result[age] = peer
            continue
        (top / age).mkdir()
        done = subprocess.run([peer.python, HERE / "pickles_peer.py", "save",
                               top / age], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        result[age] = top / age, json.loads(done.stdout)
    return result


@pytest.fixture(params=["new", "old"])
def made(request, pickles):
    if isinstance(pickles[request.param], str):
        pytest.skip(pickles[request.param])
    return pickles[request.param]


def listed(path):
    return {t["name"]: [t["dtype"], t["shape"], t["sha256"]]
            for t in tools.ls(path)["tensors"]}


@pytest.mark.parametrize("case", CASES)
def test_case(made, case, tmp_path):
    folder, wanted = made
    path = folder / f"{case}.pkl"
    assert tools.ls(path)["format"] == "pickle"
    assert listed(path) == wanted[case]
    for name in ("a.safetensors", "a.pt"):
        tools.ckpt("convert", path, tmp_path / name)
        assert listed(tmp_path / name) == wanted[case]


def test_in_little_memory(made):
    """The arrays stay in the file."""
    folder, _ = made
    for case in ("arrays_2", "arrays_5", "tensors_2"):
        tools.ckpt("ls", "--digest", folder / f"{case}.pkl",
                   under=("prlimit", "--data=24000000"))


def test_tensors_of_torch_are_loaded(new, pickles, tmp_path):
    """The arrays of a pickle are tensors for torch, even in the safe mode."""
    folder, wanted = pickles["new"]
    tools.ckpt("convert", folder / "paddle_4.pkl", tmp_path / "a.pt")
    found = new.describe(tmp_path / "a.pt", "only")
    assert "error" not in str(found)[:10]
    names = [key for key, _ in found["dict"]]
    assert names == ["linear.weight", "linear.bias",
                     "StructuredToParameterName@@"]


def test_joblib_is_refused(tmp_path):
    joblib = pytest.importorskip("joblib")
    numpy = pytest.importorskip("numpy")
    joblib.dump({"a": numpy.ones(1000)}, tmp_path / "a.pkl")
    done = tools.run("ls", tmp_path / "a.pkl")
    assert done.returncode == 4 and "arrays of joblib" in done.stderr


def test_bytes_behind_are_told(made, tmp_path):
    folder, wanted = made
    path = tmp_path / "a.pkl"
    path.write_bytes((folder / "arrays_4.pkl").read_bytes() + b"more")
    assert listed(path) == wanted["arrays_4"]
    assert "4 bytes follow the pickle" in tools.run("info", path).stdout
