# SPDX-License-Identifier: MIT
"""`ckpt merge`, `merge:` and `grow:` against load_state_dict(strict=False) and
dict.update in torch: every byte, stride, tie and label."""
import json
import os
import pathlib
import subprocess

import pytest

import tools

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def made(peers, tmp_path_factory):
    """Age -> the folder of what it made, and the names of its cases."""
    result = {}
    for age, peer in peers.items():
        if isinstance(peer, str):
            continue
        folder = tmp_path_factory.mktemp(f"merges-{age}")
        done = subprocess.run([peer.python, HERE / "merges.py", folder],
                              check=True, capture_output=True, text=True)
        result[age] = folder, json.loads(done.stdout)
    return result


def cases(made, peer):
    folder, names = made[peer.age]
    return [folder / name for name in names]


def rows(path):
    """All that is to be the same; storages by their first tensor."""
    numbers = {}
    return [(t["name"], t["dtype"], t["shape"], t["stride"], t["offset"],
             numbers.setdefault(t["storage"], len(numbers)), t["device"],
             t["requires_grad"], t["sha256"])
            for t in tools.ls(path)["tensors"]]


def merge(case, out, *options, over="over.pt", base="base.pt"):
    return tools.run("merge", *options, "--force", case / base, case / over,
                     out)


def about(case):
    return json.loads((case / "about.json").read_text())


def agree(case, what, out, *options):
    done = merge(case, out, *options)
    assert done.returncode == 0, (case.name, what, done.stderr)
    wanted = rows(case / f"{what}.pt")
    assert rows(out) == wanted, (case.name, what)


# A case under each way that torch could go.
WAYS = {"load": [], "update": ["--as", "update"],
        "fits": ["--mismatch", "skip"], "resize": ["--mismatch", "resize"]}


@pytest.mark.parametrize("way", WAYS)
def test_as_torch(made, peer, way, tmp_path):
    found = 0
    for case in cases(made, peer):
        if (case / f"{way}.pt").exists():
            agree(case, way, tmp_path / "out.pt", *WAYS[way])
            found += 1
    assert found > 15


def test_refused_where_torch_refuses(made, peer, tmp_path):
    """An output that exists stays byte for byte, one that does not stays
    away."""
    out, absent = tmp_path / "out.pt", tmp_path / "absent.pt"
    out.write_bytes(b"as it was")
    found = 0
    for case in cases(made, peer):
        for way, error in about(case).items():
            done = merge(case, out, *WAYS[way])
            assert done.returncode == 4, (case.name, way, error, done.stderr)
            assert merge(case, absent, *WAYS[way]).returncode == 4
            found += 1
    assert found >= 2
    assert out.read_bytes() == b"as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["out.pt"]


def test_torch_reads_it(made, peer, tmp_path):
    for case in cases(made, peer):
        merge(case, tmp_path / "out.pt", "--mismatch", "skip")
        assert "error" not in peer.describe(tmp_path / "out.pt"), case.name


def test_with_itself(made, peer, tmp_path):
    """Nothing changes, whatever the way."""
    for case in cases(made, peer):
        base = rows(case / "base.pt")
        for options in ([], ["--as", "update"], ["--missing", "skip"]):
            done = merge(case, tmp_path / "out.pt", *options, over="base.pt")
            assert done.returncode == 0, (case.name, done.stderr)
            assert rows(tmp_path / "out.pt") == base, (case.name, options)
            assert "warning" not in done.stderr


def test_twice_is_once(made, peer, tmp_path):
    for case in cases(made, peer):
        for way, options in WAYS.items():
            if not (case / f"{way}.pt").exists():
                continue
            tools.ckpt("merge", *options, case / "base.pt", case / "over.pt",
                       case / "over.pt", "--force", tmp_path / "out.pt")
            assert rows(tmp_path / "out.pt") == rows(case / f"{way}.pt"), \
                (case.name, way)


FORMATS = ["safetensors", "h5", "onnx"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_across_formats(made, peer, suffix, tmp_path):
    """The format of neither changes what is laid over."""
    folder, _ = made[peer.age]
    for name in ("partial", "channels_last_over", "odd_shapes", "wide"):
        case = folder / name
        over, base = (tmp_path / f"{part}.{suffix}" for part in ("o", "b"))
        tools.ckpt("convert", "-q", "--force", case / "over.pt", over)
        tools.ckpt("convert", "-q", "--force", case / "base.pt", base)
        tools.ckpt("merge", "-q", "--force", case / "base.pt", over,
                   tmp_path / "out.pt")
        assert rows(tmp_path / "out.pt") == rows(case / "load.pt"), name
        tools.ckpt("merge", "-q", "--force", base, case / "over.pt",
                   tmp_path / "out.safetensors")
        wanted = {row[0]: (row[1], row[2], row[-1])
                  for row in rows(case / "load.pt")}
        assert {row[0]: (row[1], row[2], row[-1])
                for row in rows(tmp_path / "out.safetensors")} == wanted, name


# ---- The report ----

def report(*args):
    return json.loads(tools.ckpt(*args, "--json", "-q"))


def origins(told):
    return {way["to"]: [(pathlib.Path(origin["file"]).stem, origin["name"])
                        for origin in way["origins"]]
            for way in told["tensors"]}


def test_provenance(made, peer, tmp_path):
    """Which tensor came from which file, and what became of the others."""
    folder, _ = made[peer.age]
    case = folder / "mismatched"
    base, over, out = case / "base.pt", case / "over.pt", tmp_path / "o.pt"
    told = report("merge", "--mismatch", "skip", base, over, out)
    assert origins(told) == {"0.weight": [("base", "0.weight")],
                             "0.bias": [("over", "0.bias")],
                             "1.weight": [("base", "1.weight")],
                             "1.bias": [("base", "1.bias")]}
    assert [(t["tensor"], t["what"]) for t in told["told"]] == [
        ("0.weight", "mismatched, kept"), ("0.bias", "replaced"),
        ("1.weight", "mismatched, kept"), ("1.bias", "mismatched, kept")]
    told = report("merge", "--mismatch", "resize", "-t", "rename:s/^0/n/",
                  "--force", base, over, out)
    both = [(part, "0.weight") for part in ("base", "over")]
    assert origins(told)["n.weight"] == both
    assert origins(told)["n.bias"] == [("over", "0.bias")]
    assert told == {**report("merge", "--mismatch", "resize", "-t",
                             "rename:s/^0/n/", "--dry-run", base, over, out)}


def test_provenance_of_ties(made, peer, tmp_path):
    """What is changed by a tie came from there as well."""
    folder, _ = made[peer.age]
    case = folder / "tied_first"
    told = report("merge", case / "base.pt", case / "over.pt",
                  tmp_path / "o.pt")
    found = origins(told)
    assert found["1.weight"] == found["0.weight"] == [("over", "0.weight")]
    assert found["0.bias"] == [("base", "0.bias")]
    assert ("1.weight", "missing, changed by a tie") in [
        (t["tensor"], t["what"]) for t in told["told"]]


def test_provenance_of_many(tmp_path):
    for name, value in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        keys = {"a": "xyz", "b": "yz", "c": "zw"}[name]
        (tmp_path / f"{name}.safetensors").write_bytes(tools.safetensors(
            {key: ("F32", [1], bytes([int(value)] * 4)) for key in keys}))
    files = [tmp_path / f"{name}.safetensors" for name in "abc"]
    told = report("merge", *files, tmp_path / "o.pt", "--unexpected", "take")
    assert origins(told) == {"x": [("a", "x")], "y": [("b", "y")],
                             "z": [("c", "z")], "w": [("c", "w")]}


# ---- Growing ----

def test_grow(made, peer, tmp_path):
    """What matches by name and shape is copied, the rest is the template's;
    as a merge of the input over the template, but for what is named first."""
    for case in cases(made, peer):
        if not (case / "fits.pt").exists():
            continue
        done = tools.run("convert", "-t", f"grow:{case / 'base.pt'}",
                         "--force", case / "over.pt", tmp_path / "out.pt")
        assert done.returncode == 0, (case.name, done.stderr)
        if case.name == "nothing_met":
            assert "matches nothing" in done.stderr
            continue
        assert rows(tmp_path / "out.pt") == rows(case / "fits.pt"), case.name


def test_grow_lists(made, peer, tmp_path):
    folder, names = made[peer.age]
    if "resnet34_of_18" not in names:
        pytest.skip("no torchvision to make it with")
    case = folder / "resnet34_of_18"
    told = report("convert", "-t", f"grow:{case / 'base.pt'}",
                  case / "over.pt", tmp_path / "out.pt")
    small = {row[0]: row[2] for row in rows(case / "over.pt")}
    large = {row[0]: row[2] for row in rows(case / "base.pt")}
    kinds = {}
    for line in told["told"]:
        kinds.setdefault(line["what"], set()).add(line["tensor"])
    assert kinds["copied"] == {n for n in large if small.get(n) == large[n]}
    assert kinds["uncovered"] == {n for n in large if n not in small}
    assert kinds.get("not in the template, left out", set()) == \
        {n for n in small if n not in large}


CORPUS = pathlib.Path(os.environ.get(
    "CKPT_CORPUS", tools.TOP.parent / "shared" / "corpus"))
RESNET20 = CORPUS / "resnet20-12fca82f.th"

RESNET = """
import sys, torch
from torch import nn
class Block(nn.Module):
    def __init__(self, had, has):
        super().__init__()
        self.conv1 = nn.Conv2d(had, has, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(has)
        self.conv2 = nn.Conv2d(has, has, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(has)
class Net(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        had = 16
        for stage, has in enumerate((16, 32, 64), 1):
            blocks = [Block(had if k == 0 else has, has)
                      for k in range((depth - 2) // 6)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            had = has
        self.linear = nn.Linear(64, 10)
net = Net(32)
torch.save(net.state_dict(), sys.argv[1] + "/template.pt")
state = torch.load(sys.argv[2], map_location="cpu")["state_dict"]
state = {name[7:]: value for name, value in state.items()}
net.load_state_dict({name: value for name, value in state.items()
                     if name in net.state_dict()}, strict=False)
torch.save(net.state_dict(), sys.argv[1] + "/wanted.pt")
"""


@pytest.mark.skipif(not RESNET20.is_file(), reason=f"no {RESNET20}")
def test_grow_a_trained_net(peer, tmp_path):
    """A ResNet-20 that was trained, into a deeper one of its kind."""
    subprocess.run([peer.python, "-c", RESNET, tmp_path, RESNET20],
                   check=True)
    done = tools.run("convert", RESNET20, tmp_path / "out.pt",
                     "-t", "root:state_dict", "-t", "strip-prefix:module.",
                     "-t", f"grow:{tmp_path / 'template.pt'}")
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "out.pt") == rows(tmp_path / "wanted.pt")
    # Without them nothing matches, and what would help is said.
    done = tools.run("convert", RESNET20, tmp_path / "no.pt",
                     "-t", f"grow:{tmp_path / 'template.pt'}")
    assert "matches nothing" in done.stderr
    assert ("after -t root:state_dict -t strip-prefix:module. before it the "
            "names that meet would be ") in done.stderr


# ---- Outputs that are inputs ----

@pytest.mark.parametrize("which", ["base", "over"])
def test_in_place(made, peer, which, tmp_path):
    folder, _ = made[peer.age]
    case = folder / "wide"
    for part in ("base", "over"):
        (tmp_path / f"{part}.pt").write_bytes((case / f"{part}.pt")
                                              .read_bytes())
    args = ["merge", tmp_path / "base.pt", tmp_path / "over.pt",
            tmp_path / f"{which}.pt"]
    assert tools.run(*args).returncode == 4
    tools.ckpt(*args, "--force")
    assert rows(tmp_path / f"{which}.pt") == rows(case / "load.pt")


def test_same_bytes_each_time(made, peer, tmp_path):
    folder, _ = made[peer.age]
    for name in ("partial", "views", "wide", "mismatched"):
        for out in "ab":
            merge(folder / name, tmp_path / out, "--mismatch", "resize",
                  "--to", "safetensors")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_meta_template(made, new, tmp_path):
    """A model without bytes gets those of the file."""
    subprocess.run([new.python, "-c", """
import sys, torch
from torch import nn
with torch.device("meta"):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
torch.save(net.state_dict(), sys.argv[1] + "/base.pt")
net.to_empty(device="cpu")
torch.save(net.state_dict(), sys.argv[1] + "/over.pt")
""", tmp_path], check=True)
    merge(tmp_path, tmp_path / "out.pt")
    assert rows(tmp_path / "out.pt") == rows(tmp_path / "over.pt")
    done = tools.run("merge", tmp_path / "over.pt", tmp_path / "base.pt",
                     tmp_path / "no.pt")
    assert done.returncode == 4
    assert "has no bytes in" in done.stderr
