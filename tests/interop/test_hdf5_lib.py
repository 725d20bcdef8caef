# SPDX-License-Identifier: MIT
"""Files that h5py of two ages writes, in every layout and by every filter of
libhdf5, are read as h5py reads them, and by both walks alike."""
import hashlib
import json
import math
import pathlib
import random
import subprocess
import sys

import pytest

import conftest
import tools

TREES = pathlib.Path(tools.CKPT).parent / "hdf5-trees"
VERSIONS = ("earliest", "v108", "v110")
SCRIPT = conftest.HERE / "hdf5_lib_peer.py"


# Exit status, and what is said.
REFUSED = {
    "claimed-chunks": (3, "68719476736 bytes are claimed"),
    "claimed-plain": (3, "68719476736 bytes are claimed"),
    "claimed-chunk": (3, "the budget is"),
    "claimed-text": (3, "strings of 268435456 bytes"),
    "external": (4, "external storage"),
    "virtual": (4, "virtual"),
    "virtual-self": (4, "virtual"),
    "other-file": (4, "a link to another file"),
    "lzf": (4, "filter 'lzf' (32000)"),
}

# What is said of data sets that are left out.
LEFT_OUT = {"bits": "a bit field", "compound": "a compound",
            "long_double": "a float of an unknown form",
            "precision": "an integer of an unknown form",
            "reference": "a reference", "rows": "an array",
            "sequence": "a variable-length sequence", "time": "a time"}


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


def saved(tmp_path_factory, what):
    """A folder of what h5py of today makes of that name."""
    folder = tmp_path_factory.mktemp(what)
    done = subprocess.run([conftest.python_of("new"), SCRIPT, what, folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no h5py: {done.stderr[-200:]}")
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return saved(tmp_path_factory, "hostile")


@pytest.mark.parametrize("name", REFUSED)
def test_refused(hostile, name):
    """What would lead elsewhere, or takes more than there is, is told."""
    status, text = REFUSED[name]
    for _ in range(2):
        done = tools.run("ls", "--digest", hostile / f"{name}.h5")
        assert done.returncode == status, done.stderr
        assert text in done.stderr
        assert done.stderr.count("\n") <= 2


@pytest.mark.parametrize("name,rest", [("other-types", ["a", "y"]),
                                       ("other-types-lib", ["a", "y", "z"])])
def test_left_out(hostile, tmp_path, name, rest):
    """What no tensor can be is left out by name, and a loss."""
    path, made = hostile / f"{name}.h5", tmp_path / "m.safetensors"
    done = tools.run("ls", "--digest", path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == rest
    said = done.stderr.splitlines()
    assert len(said) == len(LEFT_OUT)
    for line, (data, why) in zip(said, LEFT_OUT.items()):
        assert f"warning: {path}: it is left out" in line
        assert f": {why} (tensor {data}, byte " in line
    done = tools.run("convert", "--strict", path, made)
    assert done.returncode == 4 and not made.exists()
    assert f"{len(LEFT_OUT)} things would be lost" in done.stderr
    tools.ckpt("convert", path, made)
    assert [t["name"] for t in tools.ls(made)["tensors"]] == rest


@pytest.mark.parametrize("name", ["deep", "deep-new", "cycle"])
def test_shapes_of_trees(hostile, name):
    listed = tools.ls(hostile / f"{name}.h5")
    names = [t["name"] for t in listed["tensors"]]
    deep = "/".join(["g"] * 3000)
    assert names == (["a/p"] if name == "cycle" else
                     [f"{deep}/x", f"{deep}/y"])


WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.skipif(tools.CKPT != tools.CKPT_PLAIN, reason="sanitizers")
@pytest.mark.parametrize("name,most_kib", [("many-chunks", 64 << 10),
                                           ("bomb", 128 << 10)])
def test_memory(hostile, name, most_kib):
    """Neither very many chunks nor large ones take much memory. A process of
    its own measures: a child's peak counts what its parent had."""
    done = subprocess.run([sys.executable, "-SEc", WATCH, tools.CKPT, "ls",
                           "--digest", hostile / f"{name}.h5"],
                          capture_output=True, text=True, check=True)
    assert int(done.stdout) <= most_kib


@pytest.fixture(scope="module")
def latest(tmp_path_factory):
    return saved(tmp_path_factory, "latest")


def test_latest(latest):
    """What the newest libhdf5 writes is read, or refused for that reason."""
    counts = {0: 0, 4: 0}
    for path in sorted(latest.glob("*.h5")):
        done = tools.run("ls", "--digest", path)
        assert done.returncode in counts, (path.name, done.stderr)
        counts[done.returncode] += 1
        if done.returncode == 4:
            assert "a newer libhdf5 wrote this" in done.stderr
    assert sum(counts.values()) > 100


@pytest.mark.parametrize("name", ["f4-gzip-earliest", "attributes-earliest",
                                  "links-earliest", "shapes-v108",
                                  "strings-earliest"])
def test_damaged(peer, tmp_path, name):
    """Damaged copies are refused or read; the command never crashes."""
    data = (peer.folder / f"{name}.h5").read_bytes()
    chance = random.Random(1)
    path = tmp_path / "d.h5"
    for _ in range(40):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 3, 30])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        done = tools.run("ls", "--digest", "--from", "hdf5", path)
        assert done.returncode in (0, 3, 4, 6), done.stderr
        assert done.returncode == 0 or "hdf5: " in done.stderr


FILTER = """
#include <H5PLextern.h>
#include <hdf5.h>
static size_t turn(unsigned flags, size_t n, const unsigned *values,
                   size_t bytes, size_t *room, void **buffer)
{
    for (size_t i = 0; i < bytes; i++)
        (*(unsigned char **)buffer)[i] ^= 0x5a;
    return bytes;
}
static const H5Z_class2_t told = {H5Z_CLASS_T_VERS, 305, 1, 1, "turn", 0, 0,
                                  turn};
H5PL_type_t H5PLget_plugin_type(void) { return H5PL_TYPE_FILTER; }
const void *H5PLget_plugin_info(void) { return &told; }
"""


def test_filter_plugin(tmp_path):
    """A filter that is no part of libhdf5 is found as libhdf5 finds it."""
    (tmp_path / "turn.c").write_text(FILTER)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "hdf5"],
                           capture_output=True, text=True)
    built = subprocess.run(
        ["cc", "-shared", "-fPIC", tmp_path / "turn.c", "-o",
         tmp_path / "libturn.so", *flags.stdout.split()], capture_output=True)
    path = tmp_path / "a.h5"
    env = {**tools.ENV, "HDF5_PLUGIN_PATH": str(tmp_path)}
    saved = subprocess.run(
        [conftest.python_of("old"), "-c",
         "import h5py, sys\nwith h5py.File(sys.argv[1], 'w') as f:\n"
         " f.create_dataset('w', data=bytearray(range(250)), chunks=(50,),"
         " dtype='u1', compression=305)", path], env=env, capture_output=True)
    if flags.returncode or built.returncode or saved.returncode:
        pytest.skip(f"no filter of our own: {saved.stderr[-200:]}")
    done = tools.run("ls", "--digest", path)
    assert done.returncode == 4 and "(305)" in done.stderr, done.stderr
    done = subprocess.run([tools.CKPT, "ls", "--digest", path], env=env,
                          capture_output=True, text=True)
    wanted = hashlib.sha256(bytes(range(250))).hexdigest()
    assert done.stdout.split()[-1:] == [wanted], done.stderr


def test_truncated(peer, tmp_path):
    path = tmp_path / "t.h5"
    for name in ("f4-gzip-earliest", "f4-gzip-v110"):
        data = (peer.folder / f"{name}.h5").read_bytes()
        for size in range(0, len(data), len(data) // 25):
            path.write_bytes(data[:size])
            done = tools.run("ls", "--digest", "--from", "hdf5", path)
            assert done.returncode == 3, (size, done.stderr)
