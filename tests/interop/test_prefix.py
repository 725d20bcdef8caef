# SPDX-License-Identifier: MIT
"""`-t strip-prefix:` against the helper that torch has for it, on the state
dicts of wrapped models, metadata and all; `-t root:` against indexing."""
import subprocess

import pytest

import tools

MODELS = """
import sys, torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4),
                          torch.nn.Sequential(torch.nn.Linear(4, 4)))
wrapped = torch.nn.DataParallel(net)
torch.save(wrapped.state_dict(), sys.argv[1] + "/wrapped.pt")
torch.save(net.state_dict(), sys.argv[1] + "/plain.pt")
torch.save({"epoch": 3, "state_dict": wrapped.state_dict(),
            "settings": {"module.lr": 1}}, sys.argv[1] + "/training.pt")
torch.save({"net": wrapped, "epoch": 3}, sys.argv[1] + "/whole.pt")
"""


@pytest.fixture(scope="session")
def models(peers, tmp_path_factory):
    folders = {}
    for age, peer in peers.items():
        if isinstance(peer, str):
            continue
        folders[age] = tmp_path_factory.mktemp(f"models-{age}")
        done = subprocess.run([peer.python, "-c", MODELS, folders[age]],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folders


@pytest.fixture
def folder(peer, models, tmp_path):
    for path in models[peer.age].iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_strip(peer, watcher, folder):
    """The helper of 1.13 sorts the keys and passes over the metadata."""
    (folder / "torch").mkdir()
    (folder / "ckpt").mkdir()
    theirs, mine = folder / "torch/x.pt", folder / "ckpt/x.pt"
    watcher("strip", folder / "wrapped.pt", theirs, "module.")
    tools.ckpt("convert", "-t", "strip-prefix:module.", folder / "wrapped.pt",
               mine)
    if peer.age == "new":
        assert peer.describe(mine) == peer.describe(theirs)
    got, wanted = ({t["name"]: t["sha256"] for t in tools.ls(path)["tensors"]}
                   for path in (mine, theirs))
    assert got == wanted


@pytest.mark.parametrize("which", ["module.", "auto"])
def test_strip_is_the_plain_model(peer, folder, which):
    mine = folder / "mine.pt"
    tools.ckpt("convert", "-t", f"strip-prefix:{which}", folder / "wrapped.pt",
               mine)
    assert peer.describe(mine) == peer.describe(folder / "plain.pt")


def test_add_is_the_wrapped_model(peer, folder):
    mine = folder / "mine.pt"
    tools.ckpt("convert", "-t", "add-prefix:module.", folder / "plain.pt",
               mine)
    wanted = tools.ls(folder / "wrapped.pt")["tensors"]
    assert tools.ls(mine)["tensors"] == wanted


def test_inside_a_training_checkpoint(peer, folder):
    mine = folder / "mine.pt"
    tools.ckpt("convert", "-t", "strip-prefix:module.",
               folder / "training.pt", mine)
    names = [t["name"] for t in tools.ls(mine)["tensors"]]
    assert names == ["state_dict." + t["name"] for t in
                     tools.ls(folder / "plain.pt")["tensors"]]
    values = [v["name"] for v in tools.ls(mine)["values"]]
    assert "settings.module.lr" in values


@pytest.mark.parametrize("which", ["state_dict", "auto"])
def test_root(peer, folder, which):
    mine = folder / "mine.pt"
    tools.ckpt("convert", "-t", f"root:{which}", folder / "training.pt", mine)
    assert peer.describe(mine) == peer.describe(folder / "wrapped.pt")
    tools.ckpt("convert", "-t", f"root:{which}", "-t", "strip-prefix:module.",
               folder / "training.pt", folder / "both.pt")
    assert peer.describe(folder / "both.pt") == \
        peer.describe(folder / "plain.pt")


def test_whole_model(peer, folder):
    """What needs the model's class in torch, as a state dict on a GPU."""
    mine = folder / "mine.pt"
    tools.ckpt("convert", "-t", "root:auto", "-t", "strip-prefix:auto", "-t",
               "device:cuda", folder / "whole.pt", mine)
    got, wanted = ([(t["name"], t["shape"], t["sha256"])
                    for t in tools.ls(path)["tensors"]]
                   for path in (mine, folder / "plain.pt"))
    assert got == wanted
    assert {t["device"] for t in tools.ls(mine)["tensors"]} == {"cuda:0"}
