# SPDX-License-Identifier: MIT
"""`-t device:` against torch.load(map_location=): both are given the same tags
and must end at the same places. The tags are torch's own, of devices that are
not there; see locations.py."""
import json

import numpy
import pytest
import torch

import tools

WHERE = ["cpu", "cuda:1", "cuda:0", "cuda", "mps", "xpu:3", "hpu",
         {"cuda:1": "cpu"}, {"cuda:1": "cuda:0", "cuda:0": "cuda:1"},
         {"cuda": "cpu"}, {"cpu": "mps", "mps": "cpu", "xpu:2": "cuda:7"},
         {"meta": "cpu"}, {"cuda:9": "cpu"}, {"CUDA:1": "cpu"}]
WHERE_IDS = [json.dumps(where).replace('"', "") for where in WHERE]


def transform(where):
    if isinstance(where, dict):
        where = ",".join(f"{a}={b}" for a, b in where.items())
    return f"device:{where}"


def indexed(place):
    """The place that torch would tag: it moves to the first of its kind."""
    return place + ":0" if place in ("cuda", "hpu") else place


def meant(places, where):
    """Only a place that was gone to is a device that torch looks up."""
    went = {where} if isinstance(where, str) else set(where.values())
    return {name: indexed(place) if place in went else place
            for name, place in places.items()}


def ours(path, *args):
    return {tensor["name"]: tensor["device"]
            for tensor in tools.ls(path, *args)["tensors"]}


@pytest.fixture(scope="session")
def tagged(watchers, tmp_path_factory):
    folders = {}
    for age, watcher in watchers.items():
        folders[age] = tmp_path_factory.mktemp(f"tags-{age}")
        watcher("save", folders[age])
    return folders


@pytest.fixture(params=["zip.pt", "legacy.pt"])
def tags(request, peer, tagged):
    path = tagged[peer.age] / request.param
    done = tools.run("ls", path)
    if done.returncode == 4 and request.param != "zip.pt":
        pytest.skip(f"no plugin reads {request.param}")
    assert done.returncode == 0, done.stderr
    return path


def test_tags(watcher, tags):
    """What a file says before anything is mapped."""
    assert ours(tags) == watcher("load", tags, None)


@pytest.mark.parametrize("where", WHERE, ids=WHERE_IDS)
def test_places(watcher, tags, where, tmp_path):
    wanted = meant(watcher("load", tags, where), where)
    assert ours(tags, "-t", transform(where)) == wanted
    out = tmp_path / "out.pt"
    tools.ckpt("convert", "-t", transform(where), tags, out)
    assert watcher("load", out, None) == wanted


@pytest.mark.parametrize("form", ["torch-zip", "torch-legacy", "torch-tar"])
@pytest.mark.parametrize("where", [WHERE[1], WHERE[8]])
def test_written_in_every_form(watcher, tags, where, form, tmp_path):
    out = tmp_path / "out.pt"
    wanted = meant(watcher("load", tags, where), where)
    done = tools.run("convert", "--to", form, "-t", transform(where), tags, out)
    if "no plugin writes" in done.stderr:
        pytest.skip(f"no plugin writes {form}")
    assert done.returncode == 0, done.stderr
    assert tools.ls(out)["format"] == form
    assert ours(out) == wanted
    assert watcher("load", out, None) == wanted


@pytest.mark.parametrize("where", WHERE[:2] + WHERE[7:10])
def test_round_trip(watcher, tags, where, tmp_path):
    """Labels, ties, strides and bytes through a format that has none."""
    flat, out, straight = (tmp_path / name for name in
                           ("x.safetensors", "out.pt", "straight.pt"))
    tools.ckpt("convert", "-t", transform(where), tags, straight)
    tools.ckpt("convert", "-t", transform(where), tags, flat)
    tools.ckpt("convert", flat, out)
    assert tools.ls(out)["tensors"] == tools.ls(straight)["tensors"]
    assert watcher("load", out, None) == watcher("load", straight, None)


def test_only_labels_change(tags):
    def others(tensors):
        return [{k: v for k, v in tensor.items() if k != "device"}
                for tensor in tensors]
    before, after = tools.ls(tags), tools.ls(tags, "-t", "device:cpu")
    assert others(before["tensors"]) == others(after["tensors"])
    assert before["values"] == after["values"]


def test_in_turn(watcher, tags):
    """Two transforms are two loads, one after the other."""
    first = watcher("load", tags, {"cuda:1": "cuda:0"})
    wanted = {name: "cpu" if place == "cuda:0" else place
              for name, place in first.items()}
    assert ours(tags, "-t", "device:cuda:1=cuda:0",
                "-t", "device:cuda:0=cpu") == wanted


@pytest.mark.parametrize("where", ["cpu", {"cuda:1": "cpu"},
                                   {"cpu": "cuda:1", "cuda:1": "cpu"}],
                         ids=["all", "one", "both"])
def test_calls(watchers, tagged, where, tmp_path):
    """Tensors that a file rebuilds by calls that name a device. torch without
    a GPU can go to the cpu alone, but anywhere with tensors that have no
    inside."""
    if "new" not in tagged:
        pytest.skip("no torch of today")
    path, out = tagged["new"] / "calls.pt", tmp_path / "calls.pt"
    wanted = watchers["new"]("devices", path, where)
    tools.ckpt("convert", "-t", transform(where), path, out)
    got = watchers["new"]("devices", out, None)
    if "error" in wanted:
        assert "CUDA" in wanted["error"] and "CUDA" in got["error"]
    else:
        assert got == wanted
        assert got["moved"] == got["typed"] == "cpu"
        assert got["empty"] == "meta"
        assert got["wrapped"] == ("cpu" if where == "cpu" else "cuda:1")


@pytest.mark.parametrize("where", ["CPU", "cpu:0", "cuda:", "cuda:01", "",
                                   "cuda1", "cuda:-1", " cuda"])
def test_refused_by_both(watcher, tags, where):
    assert "error" in watcher("devices", tags, where)
    assert tools.run("ls", "-t", f"device:{where}", tags).returncode == 2


def test_arrays_are_on_no_device(tmp_path):
    """map_location leaves arrays alone, and so do we."""
    path = tmp_path / "a.pt"
    torch.save({"w": torch.ones(2), "a": numpy.arange(3.0)}, path)
    for target in ("cuda:0", "cpu=cuda:1"):
        listing = json.loads(tools.ckpt("ls", "--json", path, "-t",
                                        f"device:{target}"))
        devices = {t["name"]: t["device"] for t in listing["tensors"]}
        assert devices == {"w": target.split("=")[-1], "a": "cpu"}
