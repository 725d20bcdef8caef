# SPDX-License-Identifier: MIT
"""Files that h5py of two ages writes, in every layout and by every filter of
libhdf5, are read as h5py reads them, and by both walks alike."""
import json
import math
import pathlib
import subprocess

import pytest

import conftest
import tools

TREES = pathlib.Path(tools.CKPT).parent / "hdf5-trees"
VERSIONS = ("earliest", "v108", "v110")
SCRIPT = conftest.HERE / "hdf5_lib_peer.py"


class Peer:
    """One h5py, as a process, and the folder of what it saved."""

    def __init__(self, python, folder):
        done = subprocess.run([python, SCRIPT, "save", folder],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.python, self.folder = python, folder
        self.server = subprocess.Popen(
            [python, SCRIPT, "serve"], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)

    def describe(self, path):
        print(path, file=self.server.stdin, flush=True)
        found = json.loads(self.server.stdout.readline())
        assert "error" not in found, (path, found)
        return found

    def close(self):
        self.server.stdin.close()
        self.server.wait()


@pytest.fixture(scope="module", params=["new", "old"])
def peer(request, tmp_path_factory):
    python = conftest.python_of(request.param)
    done = subprocess.run([python, SCRIPT, "version"], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"no h5py under {python}")
    made = Peer(python, tmp_path_factory.mktemp("h5py"))
    yield made
    made.close()


def rebuilt(values, name):
    """A value of `ckpt ls --json` as JSON would have it."""
    value = values[name]
    if value["type"] != "list":
        return value.get("value")
    return [rebuilt(values, f"{name}.{i}") for i in range(value["count"])]


def listed(path):
    """What ckpt finds, in the form of hdf5_lib_peer.describe."""
    found = tools.ls(path)
    values = {v["name"]: v for v in found["values"]}
    data = {t["name"]: {k: t[k] for k in ("shape", "dtype", "sha256")}
            for t in found["tensors"]}
    attributes = {name if "@" in name else f"@{name}": value
                  for name, value in found["attributes"].items()}
    for name, value in values.items():
        path, at, key = name.partition(".@")
        if at and "." not in key:
            attributes[f"{path}@{key}"] = rebuilt(values, name)
        elif not at and "/" not in name and name.partition(".")[0] == name:
            if name and name not in data:
                data[name] = {"text": rebuilt(values, name)}
    return {"data": data, "attributes": attributes}


def same(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, float):
        return ours == theirs or (math.isnan(ours) and math.isnan(theirs))
    return ours == theirs


def compare(path, theirs):
    ours = listed(path)
    for name, wanted in theirs["data"].items():
        got = ours["data"].pop(name, None)
        if wanted.get("null"):
            continue
        assert got == wanted, (path.name, name)
    assert ours["data"] == {}, path.name
    for name, wanted in theirs["attributes"].items():
        got = ours["attributes"].pop(name, "missing")
        assert same(got, wanted), (path.name, name, got, wanted)


@pytest.mark.parametrize("version", VERSIONS)
def test_read(peer, version):
    """Names, dtypes, shapes, bytes and attributes."""
    paths = sorted(peer.folder.glob(f"*-{version}.h5"))
    assert len(paths) > 100
    for path in paths:
        compare(path, peer.describe(path))


@pytest.mark.parametrize("version", VERSIONS)
def test_walks(peer, version):
    """What both walks can read they tell alike."""
    if not TREES.exists():
        pytest.skip(f"no {TREES.name} beside the command")
    counts = {0: 0, 2: 0}
    for path in sorted(peer.folder.glob(f"*-{version}.h5")):
        own = subprocess.run([TREES, "own", path], capture_output=True)
        library = subprocess.run([TREES, "library", path],
                                 capture_output=True)
        assert library.returncode == 0, (path.name, library.stderr)
        assert own.returncode in (0, 2), (path.name, own.stderr)
        counts[own.returncode] += 1
        if own.returncode == 0:
            assert own.stdout == library.stdout, path.name
    assert counts[0] > 10 and counts[2] > 10, counts
