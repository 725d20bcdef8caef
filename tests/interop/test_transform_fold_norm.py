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
