# SPDX-License-Identifier: MIT
"""HDF5 files of the plain subset, against what h5py finds in them: types,
layouts, user blocks, bounds of the library's version, links, attributes and
Keras' order. The files are h5py's own."""
import json
import pathlib
import random
import subprocess

import pytest

import conftest
import tools

PEER = pathlib.Path(__file__).resolve().parent / "hdf5_peer.py"
LIBVERS = ["earliest", "v108", "v110", "latest"]
BLOCKS = [0, 512, 2048]
CASES = ["dtypes", "attributes", "links", "tracked", "keras2", "keras3",
         "many"]


def python_with_h5py():
    for age in ("new", "old"):
        python = conftest.python_of(age)
        done = subprocess.run([python, PEER, "version"], capture_output=True)
        if done.returncode == 0:
            return python
    return None


PYTHON = python_with_h5py()
pytestmark = pytest.mark.skipif(PYTHON is None, reason="no h5py")


def peer(*args):
    done = subprocess.run([PYTHON, PEER, *map(str, args)], text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("hdf5")
    peer("write", made)
    return made


@pytest.fixture(scope="module")
def told(folder):
    return json.loads(peer("describe", *sorted(folder.glob("*.h5"))))


def unfold(listing):
    """The values of a listing by path, with lists put together again."""
    values = {}
    for item in listing["values"]:
        name = item["name"]
        if ".@" in name or not name:
            continue
        head, _, tail = name.rpartition(".")
        if head in values and tail.isdigit():
            values[head].append(item["value"])
        else:
            values[name] = [] if item["type"] == "list" else item["value"]
    return values


def attributes(listing):
    """The attributes of tensors and values, by path."""
    found = {}
    for item in listing["values"]:
        path, mark, name = item["name"].partition(".@")
        if mark:
            found.setdefault(path, {})[name] = item["value"]
    return found


def compare(path, wanted):
    listing = tools.ls(path)
    tensors = {t["name"]: (t["dtype"], t["shape"], t["sha256"])
               for t in listing["tensors"]}
    data = wanted["data"]
    assert tensors == {name: (d["dtype"], d["shape"], d["sha256"])
                       for name, d in data.items() if "dtype" in d}
    assert unfold(listing) == {name: d["value"] for name, d in data.items()
                               if "value" in d}
    assert attributes(listing) == {
        name: {key: value for key, value in d["attrs"].items()
               if key != "dtype"}
        for name, d in data.items() if d["attrs"] and set(d["attrs"]) !=
        {"dtype"}}
    assert listing["attributes"] == wanted["attributes"]
    return listing


def was_own_walk(path):
    """Whether the plugin's own walk read it, and not libhdf5."""
    return "own walk" in tools.run("ls", "-v", "-v", path).stderr


def names_of(path):
    return [t["name"] for t in tools.ls(path)["tensors"]]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("case", CASES)
def test_read(folder, told, case, libver, block):
    path = folder / f"{case}-{libver}-{block}.h5"
    assert was_own_walk(path)
    compare(path, told[str(path)])


@pytest.mark.parametrize("libver", LIBVERS)
def test_ties(folder, libver):
    listing = tools.ls(folder / f"links-{libver}-0.h5")
    storages = {t["name"]: t["storage"] for t in listing["tensors"]}
    assert len({storages[name] for name in
                ("a/first", "b/second", "b/soft", "b/near")}) == 1
    assert storages["c/named"] != storages["a/first"]


@pytest.mark.parametrize("libver", LIBVERS)
def test_order(folder, told, libver):
    path = folder / f"tracked-{libver}-0.h5"
    assert names_of(path) == ["g/zeta", "g/alpha", "g/mu", "h/alpha",
                              "h/mu", "h/zeta"]


def test_order_keras_2(folder):
    assert names_of(folder / "keras2-earliest-0.h5") == [
        "z_last/z_last/kernel:0", "z_last/z_last/bias:0",
        "dense/dense/kernel:0", "dense/dense/bias:0",
        "a/nested/a/nested/kernel:0", "a/nested/a/nested/bias:0",
        "unlisted"]


@pytest.mark.parametrize("libver", LIBVERS)
def test_order_keras_3(folder, libver):
    assert names_of(folder / f"keras3-{libver}-0.h5") == [
        f"layers/{layer}/vars/{at}" for layer in ("dense", "dense_1")
        for at in range(12)] + ["layers/half/vars/0"]


@pytest.mark.parametrize("libver", LIBVERS)
def test_order_many(folder, told, libver):
    """Hundreds of links, by name and by time."""
    path = folder / f"many-{libver}-0.h5"
    assert names_of(path) == told[str(path)]["order"]


def test_families(folder):
    for name, family in [("keras2", "Keras 2 weights"),
                         ("keras3", "Keras 3 weights"),
                         ("links", "a plain tree")]:
        for libver in LIBVERS:
            path = folder / f"{name}-{libver}-512.h5"
            assert f"HDF5 signature at byte 512, {family}" in tools.ckpt(
                "info", path)


def test_deep(tmp_path):
    """3,000 groups within groups are read, 5,000 are refused."""
    for depth, status in ((3000, 0), (5000, 3)):
        path = tmp_path / f"{depth}.h5"
        peer("deep", path, depth)
        done = tools.run("ls", path)
        assert done.returncode == status, done.stderr
        if status == 0:
            assert done.stdout.count("g/") == depth
        else:
            assert "groups more than 4096 deep (byte " in done.stderr


def test_complex(tmp_path):
    """The complex numbers of libhdf5 2.0, which older ones cannot read."""
    if peer("complex", tmp_path / "complex.h5").strip() != "true":
        pytest.skip("h5py without native complex numbers")
    listing = tools.ls(tmp_path / "complex.h5")
    assert [(t["name"], t["dtype"]) for t in listing["tensors"]] == [
        ("c16", "complex128"), ("c8", "complex64")]


@pytest.mark.parametrize("libver", LIBVERS)
@pytest.mark.parametrize("case", ["dtypes", "attributes", "links", "keras2"])
def test_damage(folder, tmp_path, case, libver):
    """Bytes of the structures changed at random: refused, or read, in good
    order."""
    whole = (folder / f"{case}-{libver}-0.h5").read_bytes()
    chance = random.Random(f"{case} {libver}")
    damaged = tmp_path / "damaged.h5"
    for _ in range(25):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        damaged.write_bytes(content)
        done = tools.run("ls", damaged, program=tools.CKPT_PLAIN)
        assert done.returncode in (0, 3, 4), done.stderr
        assert done.returncode == 0 or done.stderr.count("ckpt: ") >= 1


def test_truncated(folder, tmp_path):
    whole = (folder / "keras2-earliest-0.h5").read_bytes()
    cut = tmp_path / "cut.h5"
    for size in range(8, len(whole) - 1, len(whole) // 40):
        cut.write_bytes(whole[:size])
        done = tools.run("ls", cut, program=tools.CKPT_PLAIN)
        assert done.returncode == 3, (size, done.stderr)
