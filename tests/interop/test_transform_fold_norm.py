# SPDX-License-Identifier: MIT
"""`-t fold-norm` against torch's remove_weight_norm, remove_spectral_norm and
remove_parametrizations: the folded file loads strictly into the plain model.
Torch sums in the type of the weight, and so is a few steps off by itself."""
import json
import pathlib
import subprocess

import pytest

import tools

SCRIPT = pathlib.Path(__file__).with_name("norm_peer.py")


@pytest.fixture(scope="module", params=["old", "new"])
def compared(request, peers, tmp_path_factory):
    """By case: what was found."""
    peer = peers[request.param]
    if isinstance(peer, str):
        pytest.skip(peer)
    folder = tmp_path_factory.mktemp(f"normed-{request.param}")

    def ask(verb):
        done = subprocess.run([peer.python, "-W", "ignore", SCRIPT, verb,
                               folder], capture_output=True, text=True,
                              check=True)
        return json.loads(done.stdout)

    for name in ask("make"):
        tools.ckpt("convert", "--strict", "-t", "fold-norm",
                   folder / f"{name}.pt", folder / f"{name}-folded.pt")
    return ask("check")


def test_keys_are_those_of_the_plain_model(compared):
    assert [name for name, found in compared.items()
            if not found.get("keys", True)] == []


def test_values_are_torchs(compared):
    assert {name: found["torch"] for name, found in compared.items()
            if found.get("torch", 0) > 16} == {}


def test_values_are_nearer_to_the_truth(compared):
    assert {name: found["exact"] for name, found in compared.items()
            if found["exact"] > 2 and "double" not in name} == {}


def test_modules_with_two_names_stay_one(compared):
    assert [name for name, found in compared.items()
            if not found.get("shared", True)] == []


TRAINED = """
import sys, torch
from torch.nn import utils
torch.manual_seed(0)
net = torch.nn.Sequential(utils.weight_norm(torch.nn.Linear(3, 4)),
                          utils.spectral_norm(torch.nn.Linear(4, 2)))
optimizer = torch.optim.Adam(net.parameters())
net(torch.rand(5, 3)).sum().backward()
optimizer.step()
torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict()},
           sys.argv[1])
"""
LOADED = """
import json, sys, torch
state = torch.load(sys.argv[1])["optimizer"]
print(json.dumps([[state["param_groups"][0]["params"]],
                  [list(state["state"][i]["exp_avg"].shape)
                   for i in state["param_groups"][0]["params"]]]))
"""


def test_slots_of_the_parts_go(peer, tmp_path):
    """The bias, weight_orig and its bias are left."""
    subprocess.run([peer.python, "-W", "ignore", "-c", TRAINED,
                    tmp_path / "a.pt"], check=True)
    done = tools.run("convert", "-t", "fold-norm", tmp_path / "a.pt",
                     tmp_path / "b.pt")
    assert "what an optimizer kept for 2 parts is gone" in done.stderr
    assert sorted(row["name"] for row in tools.ls(tmp_path / "b.pt")["tensors"]
                  if row["name"].startswith("model")) == [
        "model.0.bias", "model.0.weight", "model.1.bias", "model.1.weight"]
    done = subprocess.run([peer.python, "-W", "ignore", "-c", LOADED,
                           tmp_path / "b.pt"], check=True, capture_output=True)
    assert json.loads(done.stdout) == [[[0, 1, 2]], [[4], [2], [2, 4]]]
