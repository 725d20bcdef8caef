# SPDX-License-Identifier: MIT
"""State dicts in several files with an index: those that torch saved are
read as one, and those that we write are what transformers would load, file by
file, with torch of both ages."""
import json

import pytest

import tools
import trees


def rows(tensors):
    return sorted((t["name"], t["dtype"], t["shape"], t["sha256"])
                  for t in tensors)


def load(reader, folder):
    """As transformers does: the index, and torch.load of each file in it."""
    index = json.loads((folder / "model.bin.index.json").read_text())
    found = {}
    for file in sorted(set(index["weight_map"].values())):
        tree = reader.describe(folder / file, "only")
        for name, tensor in trees.tensors(tree):
            assert index["weight_map"].pop(name) == file
            found[name] = tensor
    assert index["weight_map"] == {}
    return index, found


def split(peer, folder, size):
    tools.ckpt("convert", peer.case("plain"), folder / "model.bin",
               "-o", f"shard-size={size}")


@pytest.mark.parametrize("size", ["1", "300", "500"])
def test_write(peer, readers, tmp_path, size):
    split(peer, tmp_path, size)
    whole = tools.ls(peer.case("plain"))["tensors"]
    files = sorted(p.name for p in tmp_path.iterdir())
    assert len(files) > 2 and files[-1] == "model.bin.index.json"
    for number, name in enumerate(files[:-1], 1):
        assert name == f"model-{number:05}-of-{len(files) - 1:05}.bin"
    for reader in readers:
        _, found = load(reader, tmp_path)
        assert rows({**t, "name": n} for n, t in found.items()) == rows(whole)


def test_index_text(new, tmp_path):
    """The index is laid out as save_pretrained() lays it out."""
    split(new, tmp_path, "300")
    text = (tmp_path / "model.bin.index.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2,
                              sort_keys=True) + "\n"


@pytest.mark.parametrize("name", ["", "model.bin.index.json"])
def test_read(peer, tmp_path, name):
    """What was split is read as before, by its index or its folder."""
    split(peer, tmp_path, "300")
    whole, read = (tools.ls(path)["tensors"]
                   for path in (peer.case("plain"), tmp_path / name))
    assert rows(read) == rows(whole)
    assert len({t["storage"] for t in read}) == \
        len({t["storage"] for t in whole})


def test_back(peer, tmp_path):
    """Back in one file it is the state dict that it was."""
    split(peer, tmp_path, "1")
    tools.ckpt("convert", tmp_path / "model.bin.index.json",
               tmp_path / "one.pt")
    wanted = peer.describe(peer.case("plain"))
    got = peer.describe(tmp_path / "one.pt")
    assert rows({**t, "name": n} for n, t in trees.tensors(got)) == \
        rows({**t, "name": n} for n, t in trees.tensors(wanted))
