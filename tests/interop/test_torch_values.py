# SPDX-License-Identifier: MIT
"""What torch has beyond plain tensors: torch of both ages saves it, we list
it, write it back, keep it in a safetensors file, and torch finds an equal
object."""
import json
import pathlib
import subprocess

import pytest
import torch

import conftest
import tools

HERE = pathlib.Path(__file__).resolve().parent
BOTH = """quantised packed dynamic coo meta bits subclass keeper device
    objects arrays_2 arrays_3 arrays_4 arrays_5 scalars_2 scalars_3 scalars_4
    scalars_5 objects_2 objects_3 objects_4 objects_5""".split()
NEW = "compressed nested wrapper lazy buffer".split()
CASES = [("new", name) for name in BOTH + NEW] + \
    [("old", name) for name in BOTH + ["csr"]]
# What the side record keeps in another form than it was, and says so.
LOOSE = {"bits"}


class Values:
    """One torch, as a process."""

    def __init__(self, peer, folder):
        self.age, self.python, self.folder = peer.age, peer.python, folder
        self.server = None
        folder.mkdir()
        done = subprocess.run([self.python, HERE / "values_peer.py", "save",
                               folder], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.cases = json.loads(done.stdout)

    def different(self, before, after, only=False, loose=False):
        if self.server is None:
            self.server = subprocess.Popen(
                [self.python, HERE / "values_peer.py", "same"], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        request = {"before": str(before), "after": str(after), "only": only,
                   "loose": loose}
        print(json.dumps(request), file=self.server.stdin, flush=True)
        line = self.server.stdout.readline()
        assert line, f"torch died of {before} {after}"
        return json.loads(line)

    def close(self):
        if self.server is not None:
            self.server.stdin.close()
            self.server.wait()


@pytest.fixture(scope="session")
def values(peers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    made = {age: peer if isinstance(peer, str) else Values(peer, folder / age)
            for age, peer in peers.items()}
    yield made
    for peer in made.values():
        if isinstance(peer, Values):
            peer.close()


@pytest.fixture(params=CASES, ids="-".join)
def maker(request, values):
    """(the torch that made it, its path)"""
    age, name = request.param
    if isinstance(values[age], str):
        pytest.skip(values[age])
    return values[age], values[age].folder / f"{name}.pt"


def listed(path, *args):
    return {t["name"]: t for t in tools.ls(path, *args)["tensors"]}


def readers(values, before):
    """All torches that can read the original."""
    found = [peer for peer in values.values() if isinstance(peer, Values)]
    return [peer for peer in found
            if peer.different(before, before) is None]


def check(values, maker, before, after, loose=False):
    if before.stem == "csr":
        # Torch 2 reads what it could not before; torch 1.13 no more.
        assert isinstance(values["new"], str) or "unreadable" in \
            values["new"].different(before, after)
        if not isinstance(values["new"], str):
            assert values["new"].different(after, after) is None
        return
    # Torch 1.13 cannot read all that it writes.
    found = readers(values, before)
    assert maker in found or maker.age == "old"
    if not found:
        pytest.skip("no torch here reads the original")
    for reader in found:
        assert reader.different(before, after, loose=loose) is None, reader.age
        if reader.different(before, before, only=True) is None:
            assert reader.different(before, after, only=True,
                                    loose=loose) is None, reader.age


def test_again(maker, values, tmp_path):
    peer, before = maker
    after = tmp_path / before.name
    tools.ckpt("convert", before, after)
    check(values, peer, before, after)
    assert list(listed(after)) == list(listed(before))


def test_through_safetensors(maker, values, tmp_path):
    peer, before = maker
    between, after = tmp_path / "a.safetensors", tmp_path / before.name
    tools.ckpt("convert", before, between)
    tools.ckpt("convert", between, after)
    check(values, peer, before, after, loose=before.stem in LOOSE)


# What the older forms cannot hold, and who says so.
REFUSED = {("torch-legacy", "nested"), ("torch-legacy", "device"),
           ("torch-tar", "quantised"), ("torch-tar", "packed"),
           ("torch-tar", "dynamic")}


@pytest.mark.parametrize("form", ["torch-legacy", "torch-tar"])
def test_other_forms(maker, values, form, tmp_path):
    peer, before = maker
    after = tmp_path / f"{before.stem}.any"
    done = tools.run("convert", "--to", form, before, after)
    if (form, before.stem) in REFUSED:
        assert done.returncode == 4 and not after.exists()
        return
    assert done.returncode == 0, done.stderr
    if form == "torch-tar":
        # Torch moves no storages of tars, and 2.13 guards against them.
        assert set(listed(after)) == set(listed(before))
        if before.stem == "device":
            return
    if not peer.different(before, before):
        assert before.stem == "csr" or \
            peer.different(before, after) is None


@pytest.mark.parametrize("release", ["1.13", "2.0", "2.13"])
def test_releases(maker, values, release, tmp_path):
    """What is promised to load in the safe mode of a release does."""
    _, before = maker
    after = tmp_path / before.name
    age = {"1.13": "old", "2.13": "new"}.get(release)
    done = tools.run("convert", "-o", f"torch={release}", before, after)
    assert done.returncode in (0, 4), done.stderr
    if done.returncode == 0 and age and not isinstance(values[age], str):
        assert values[age].different(after, after, only=True) is None


def test_names(maker):
    """Every tensor is found under the name of its place."""
    peer, path = maker
    names = list(listed(path))
    wanted = {
        "quantised": ["int8", "uint8", "int32", "channel",
                      "channel.quantiser.scales",
                      "channel.quantiser.zero_points", "float",
                      "float.quantiser.scales", "float.quantiser.zero_points"],
        "coo": ["w.indices", "w.values", "twice.indices", "twice.values",
                "empty.indices", "empty.values"],
        "csr": ["csr.crow_indices", "csr.col_indices", "csr.values"],
        "meta": ["w", "p", "large"],
        "bits": ["conj", "neg", "plain", "both", "turned"],
        "subclass": ["w", "w.tag.k.1", "bare", "tagged"],
        "nested": ["w.buffer", "w.sizes", "w.strides", "w.offsets"],
        "keeper": ["k.held.args.0", "k.tensor"],
        "compressed": [f"{kind}.{part}" for kind, parts in (
            ("csr", "crow_indices col_indices values"),
            ("csc", "ccol_indices row_indices values"),
            ("bsr", "crow_indices col_indices values"),
            ("bsc", "ccol_indices row_indices values"))
            for part in parts.split()],
        "dynamic": ["0.scale", "0.zero_point",
                    "0._packed_params._packed_params.0",
                    "0._packed_params._packed_params.1"],
        "wrapper": ["w.args.3.inner"], "buffer": ["b"], "lazy": [],
    }.get(path.stem)
    if wanted is not None:
        assert names == wanted


def test_quantised_types(maker):
    peer, path = maker
    if path.stem not in ("quantised", "packed"):
        pytest.skip("not quantised")
    dtypes = {name: t["dtype"] for name, t in listed(path).items()
              if "." not in name}
    assert dtypes == {"int8": "qint8", "uint8": "quint8", "int32": "qint32",
                      "channel": "qint8", "float": "quint8"} \
        if path.stem == "quantised" else {"four": "quint4x2",
                                          "two": "quint2x4"}


def test_meta_has_no_bytes(values, tmp_path):
    for peer in values.values():
        if isinstance(peer, str):
            continue
        path = peer.folder / "meta.pt"
        found = listed(path)
        assert {t["device"] for t in found.values()} == {"meta"}
        assert {t["size_bytes"] for t in found.values()} == {0}
        assert found["large"]["shape"] == [10**6, 10**9]
        after = tmp_path / f"{peer.age}.safetensors"
        tools.ckpt("convert", path, after)
        assert listed(after) == {
            name: {**t, "storage": listed(after)[name]["storage"]}
            for name, t in found.items()}
        assert after.stat().st_size < 4096


def test_signs_are_turned_for_others(values, tmp_path):
    """A foreign reader of the file between finds the values."""
    safetensors = pytest.importorskip("safetensors.torch")
    torch = pytest.importorskip("torch")
    for peer in values.values():
        if isinstance(peer, str) or peer.age == "old":
            continue
        path = peer.folder / "bits.pt"
        done = tools.run("convert", path, tmp_path / "a.safetensors")
        assert done.returncode == 0
        assert "a conjugate view becomes a tensor of its own" in done.stderr
        wanted = torch.load(path)
        found = safetensors.load_file(tmp_path / "a.safetensors")
        for name, tensor in wanted.items():
            assert torch.equal(found[name], tensor.resolve_conj()
                               .resolve_neg()), name


def test_classes_are_told(values):
    for peer in values.values():
        if isinstance(peer, str):
            continue
        found = listed(peer.folder / "subclass.pt")
        assert found["w"]["class"] == "__main__.Sub"
        assert "class" not in found["tagged"]
        found = listed(peer.folder / "arrays_2.pt")
        assert found["c"]["class"] == "numpy.ndarray"
        assert found["f"]["stride"] == [1, 2]
        assert "fields" not in found and "objects" not in found


def test_devices_of_rebuilt_tensors(values):
    for peer in values.values():
        if isinstance(peer, str):
            continue
        found = listed(peer.folder / "device.pt")
        assert {t["device"] for t in found.values()} <= {"xla:0", "xla:1"}
        assert found["_rebuild_xla_tensor"]["requires_grad"] is True


def test_a_storage_on_an_unknown_object_is_told(values):
    for peer in values.values():
        if isinstance(peer, str):
            continue
        done = tools.run("info", peer.folder / "keeper.pt")
        assert done.returncode == 0
        assert "a storage hangs on an object of '__main__.Keeper'" in \
            done.stdout + done.stderr


def test_halves_of_surrogates(tmp_path):
    """Python's texts may hold what UTF-8 cannot, as keys too."""
    texts = {"w": torch.ones(2), "s": "a\ud800b", "\udfff": torch.zeros(1)}
    torch.save(texts, tmp_path / "a.pt")
    for path in ("b.pt", "c.safetensors"):
        tools.ckpt("convert", "--strict", tmp_path / "a.pt", tmp_path / path)
    tools.ckpt("convert", tmp_path / "c.safetensors",
               tmp_path / "d.pt")
    for path in ("b.pt", "d.pt"):
        found = torch.load(tmp_path / path, weights_only=True)
        assert list(found) == list(texts) and found["s"] == texts["s"]


def test_csr_as_it_was(tmp_path):
    """Torch up to 1.13 has a function of its own for this layout."""
    missing = conftest.why_missing("old")
    if missing is not None:
        pytest.skip(missing)
    old = [conftest.python_of("old"), "-W", "ignore", "-c"]
    made, again = tmp_path / "a.pt", tmp_path / "b.pt"
    subprocess.run([*old, f"import torch; torch.save("
                    f"{{'a': torch.eye(3).to_sparse_csr()}}, {str(made)!r})"],
                   check=True)
    for form in ("torch-zip", "torch-legacy"):
        tools.ckpt("convert", "--force", made, again, "--to", form,
                   "-o", "torch=1.13")
        subprocess.run([*old, "import torch; a = torch.load("
                        f"{str(again)!r}, weights_only=True)['a']; assert "
                        "a.layout == torch.sparse_csr and "
                        "torch.equal(a.to_dense(), torch.eye(3))"],
                       check=True)
