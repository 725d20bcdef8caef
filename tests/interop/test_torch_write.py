# SPDX-License-Identifier: MIT
"""Torch of both ages reads what we write: after torch -> torch and after
torch -> safetensors -> torch the whole tree is the same, guarded and mapped
loads work wherever they work on the original, and the file is torch's own,
byte for byte."""
import re
import zipfile

import pytest

import tools



def described(reader, path, *options):
    return reader.describe(path, *options)


def assert_same_everywhere(readers, before, after):
    for reader in readers:
        for options in ((), ("only",), ("mmap",), ("only", "mmap")):
            if "mmap" in options and reader.age == "old":
                continue
            wanted = described(reader, before, *options)
            if "error" in (wanted or {}) and "cannot" not in str(wanted):
                continue
            assert described(reader, after, *options) == wanted, \
                (reader.age, options)


def test_again(peer, readers, case, tmp_path):
    before, after = peer.case(case), tmp_path / f"{case}.pt"
    tools.ckpt("convert", before, after)
    assert_same_everywhere(readers, before, after)


def test_through_safetensors(peer, readers, case, tmp_path):
    before = peer.case(case)
    between, after = tmp_path / f"{case}.safetensors", tmp_path / f"{case}.pt"
    tools.ckpt("convert", before, between)
    tools.ckpt("convert", between, after)
    if case == "gaps":
        # Told as lost: the views become tensors of their own.
        assert [(t["name"], t["sha256"]) for t in tools.ls(after)["tensors"]] \
            == [(t["name"], t["sha256"]) for t in tools.ls(before)["tensors"]]
        return
    assert_same_everywhere(readers, before, after)


def test_through_safetensors_is_strict(peer, case, tmp_path):
    """Where the record can hold all, nothing is told as lost; what the
    target has no type for, and what lies between views, is."""
    done = tools.run("convert", "--strict", peer.case(case),
                     tmp_path / "a.safetensors")
    lossy = case in ("dtypes", "gaps", "strides")
    assert done.returncode == (4 if lossy else 0), done


@pytest.mark.parametrize("age, release", [("old", "1.13"), ("new", "2.13")])
def test_for_a_release(age, release, peer, readers, case, tmp_path):
    """What is written for a release loads in its safe mode, and what is
    refused does not."""
    reader = next((r for r in readers if r.age == age), None)
    if reader is None:
        pytest.skip(f"the {age} torch is not here")
    plain, after = tmp_path / "plain.pt", tmp_path / "after.pt"
    tools.ckpt("convert", peer.case(case), plain)
    done = tools.run("convert", peer.case(case), after, "-o",
                     f"torch={release}")
    assert done.returncode in (0, 4), done
    found = described(reader, after if done.returncode == 0 else plain, "only")
    assert ("error" in (found or {})) == (done.returncode == 4), (found, done)


BYTE_EQUAL = """plain many dtypes aliases strides attributes strings big_map
    big_list ordered tensor nothing adam sgd shared scalars""".split()


@pytest.mark.parametrize("name", BYTE_EQUAL)
def test_bytes_are_torchs_own(new, name, tmp_path):
    before, after = new.case(name), tmp_path / f"{name}.pt"
    tools.ckpt("convert", before, after)
    mine, theirs = zipfile.ZipFile(after), zipfile.ZipFile(before)
    assert mine.namelist() == theirs.namelist()
    for entry in theirs.infolist():
        own = mine.getinfo(entry.filename)
        assert mine.read(own) == theirs.read(entry), entry.filename
        assert own.header_offset == entry.header_offset, entry.filename
    assert after.read_bytes() == before.read_bytes()


@pytest.mark.parametrize("name", ["plain", "aliases", "adam"])
def test_one_record_a_storage(new, name, tmp_path):
    after = tmp_path / "a.pt"
    tools.ckpt("convert", new.case(name), after)
    count = len({t["storage"] for t in tools.ls(new.case(name))["tensors"]})
    records = [n for n in zipfile.ZipFile(after).namelist() if "/data/" in n]
    assert len(records) == count


def test_same_input_same_bytes(new, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tools.ckpt("convert", new.case("adam"), tmp_path / name / "x.pt")
        tools.ckpt("convert", new.case("adam"),
                   tmp_path / name / "x.safetensors")
    for name in ("x.pt", "x.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == \
            (tmp_path / "b" / name).read_bytes()


def test_names_held_for_safe_are_torchs(new):
    """Where this is the torch whose list the table keeps."""
    torch = pytest.importorskip("torch")
    if not torch.__version__.startswith("2.13."):
        pytest.skip("the table is that of torch 2.13")
    from torch._weights_only_unpickler import _get_allowed_globals
    table = (tools.TOP / "sdk/support/torch_safe.c").read_text()
    names = re.search(r"safe_allowed\[\] = \{(.*?)\};", table, re.DOTALL)[1]
    assert re.findall(r'"(.*?)"', names) == sorted(_get_allowed_globals())


def test_devices_are_labels(readers, tmp_path):
    """Labels of devices that are not here survive; loads move to the CPU."""
    first = tmp_path / "m.pt"
    first.write_bytes(tools.zipped(tools.members(tools.p_whole(tools.p_dict(
        a=tools.p_tensor(tools.p_storage("0", device="cuda:1")),
        b=tools.p_tensor(tools.p_storage("1", device="mps")))),
        {"0": bytes(16), "1": bytes(range(16))})))
    wanted = [("a", "cuda:1"), ("b", "mps")]
    path = first
    for name in ("one.pt", "two.safetensors", "three.pt"):
        assert [(t["name"], t["device"])
                for t in tools.ls(path)["tensors"]] == wanted
        tools.ckpt("convert", path, tmp_path / name)
        path = tmp_path / name
    assert [(t["name"], t["device"])
            for t in tools.ls(path)["tensors"]] == wanted
    for reader in readers:
        assert described(reader, path) == described(reader, first)


def test_names_and_nesting_of_tensors(new, tmp_path):
    """A foreign reader of the file between finds the names of `ls`."""
    between = tmp_path / "a.safetensors"
    tools.ckpt("convert", new.case("adam"), between)
    names = {t["name"] for t in tools.ls(new.case("adam"))["tensors"]}
    assert {t["name"] for t in tools.ls(between)["tensors"]} == names
