# SPDX-License-Identifier: MIT
"""Transforms of training checkpoints: what ckpt makes of a model and its
optimizer trains on in torch exactly as what torch's user would make of them."""
import json
import pathlib
import subprocess

import pytest

import tools

HERE = pathlib.Path(__file__).resolve().parent
AGES = ["old", "new"]
STEPS = {
    "drop": ["drop:model.fc.*"],
    "keep": ["keep:model.fc.*"],
    "rename": [r"rename:s/\bfc\./head./"],
    "freeze": ["freeze:*", "unfreeze:fc.*"],
    "first3": ["freeze:first=3"],
    "plain": [],
}


def peer(python, *args):
    done = subprocess.run([python, HERE / "slots_peer.py", *map(str, args)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def folders(peers, tmp_path_factory):
    made = {}
    for age in AGES:
        if isinstance(peers[age], str):
            continue
        folder = tmp_path_factory.mktemp(f"slots-{age}")
        jobs = peer(peers[age].python, "make", folder)
        made[age] = (peers[age].python, folder, jobs)
    return made


def asked(folders, age):
    if age not in folders:
        pytest.skip("no such torch")
    return folders[age]


def convert(path, out, steps):
    options = [word for step in steps for word in ("-t", step)]
    return tools.ckpt("convert", "--force", path, out, *options)


@pytest.fixture(scope="session", params=AGES)
def checked(request, folders):
    """Of each age, what torch says of all jobs."""
    python, folder, jobs = asked(folders, request.param)
    names = []
    for job in jobs:
        for what, steps in STEPS.items():
            names.append(f"{job}-{what}")
            convert(folder / f"{job}.pt", folder / f"{names[-1]}.pt", steps)
    return peer(python, "check", folder, *names)


@pytest.mark.parametrize("what", STEPS)
def test_trains_on(checked, what):
    mine = {name: wrong for name, wrong in checked.items()
            if name.endswith("-" + what)}
    assert mine
    assert {name: wrong for name, wrong in mine.items() if wrong} == {}


@pytest.mark.parametrize("age", AGES)
def test_first_counts_parameters(folders, age, tmp_path):
    """Not entries: the buffers of the norms are passed over."""
    python, folder, jobs = asked(folders, age)
    job = next((job for job in jobs if job.startswith("resnet18")), jobs[0])
    code = ("import sys, torch; sys.path.insert(0, sys.argv[1]); "
            "import slots_peer, json; "
            "net = slots_peer.MODELS[sys.argv[2]](); "
            "print(json.dumps([n for n, _ in net.named_parameters()]))")
    done = subprocess.run([python, "-c", code, HERE, job.split("-")[0]],
                          capture_output=True, text=True, check=True)
    names = json.loads(done.stdout)
    for count in (1, 3, len(names) - 1):
        convert(folder / f"{job}.pt", tmp_path / "a.pt",
                [f"freeze:first={count}"])
        tensors = {t["name"]: t for t in tools.ls(tmp_path / "a.pt")["tensors"]}
        told = [tensors["model." + name]["requires_grad"] for name in names]
        assert told == [False] * count + [True] * (len(names) - count)


@pytest.mark.parametrize("age", AGES)
def test_frozen_names(folders, age, tmp_path):
    """A foreign reader of safetensors finds the names in the metadata."""
    _, folder, jobs = asked(folders, age)
    safetensors = pytest.importorskip("safetensors")
    convert(folder / f"{jobs[0]}.pt", tmp_path / "a.safetensors",
            ["freeze:*", "unfreeze:fc.*", "root:model"])
    with safetensors.safe_open(tmp_path / "a.safetensors", "np") as file:
        frozen = json.loads(file.metadata()["ckpt.frozen"])
        names = set(file.keys())
    assert frozen == ["conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias",
                      "conv2.weight", "conv2.bias"]
    assert set(frozen) < names
    convert(tmp_path / "a.safetensors", tmp_path / "b.pt", [])
    tree = tools.ckpt("ls", "--tree", tmp_path / "b.pt")
    assert "ckpt.frozen" not in tree
    assert tree.count("requires-grad") == 2


@pytest.mark.parametrize("age", AGES)
def test_unfreeze_undoes(folders, age, tmp_path):
    """Freezing and unfreezing all leaves number and slot of each."""
    _, folder, jobs = asked(folders, age)
    for job in jobs:
        convert(folder / f"{job}.pt", tmp_path / "a.pt",
                ["freeze:*", "unfreeze:*"])
        tools.ckpt("diff", folder / f"{job}.pt", tmp_path / "a.pt")


@pytest.mark.parametrize("age", AGES)
def test_drop_optimizer(folders, age, tmp_path):
    _, folder, jobs = asked(folders, age)
    for job in jobs:
        convert(folder / f"{job}.pt", tmp_path / "a.pt", ["drop-optimizer"])
        names = [t["name"] for t in tools.ls(folder / f"{job}.pt")["tensors"]]
        assert [t["name"] for t in tools.ls(tmp_path / "a.pt")["tensors"]] == [
            name for name in names if name.startswith("model.")]


HUB = """
import json, sys, torch
path, folder = sys.argv[1:]
state = torch.hub.load_state_dict_from_url(
    "file://" + path, model_dir=folder, check_hash=True, progress=False)
print(json.dumps(list(state)))
"""


@pytest.mark.parametrize("age", AGES)
def test_publish(folders, age, tmp_path):
    """torch.hub checks the hash in the name, and ckpt verify does."""
    python, folder, jobs = asked(folders, age)
    path = folder / f"{jobs[0]}.pt"
    done = tools.ckpt("convert", path, tmp_path / "net.pth", "-t", "publish")
    out = pathlib.Path(done.strip())
    assert out.parent == tmp_path
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    judged = tools.ckpt("verify", out)
    assert "begins with " + out.name[4:12] in judged
    hub = subprocess.run([python, "-c", HUB, out, tmp_path / "hub"],
                         capture_output=True, text=True)
    assert hub.returncode == 0, hub.stderr
    assert json.loads(hub.stdout.splitlines()[-1]) == [
        t["name"][len("model."):] for t in tools.ls(path)["tensors"]
        if t["name"].startswith("model.")]
