# SPDX-License-Identifier: MIT
"""Training checkpoints: everything in them survives a trip through
safetensors, and slots of optimizers get their parameters' names."""
import json
import subprocess

import pytest

import conftest
import tools

CASES = """adam adamw sgd sgd_plain lbfgs rmsprop adagrad nadam asgd
    schedulers random_states id_keys two_groups decay_groups mixed_groups
    frozen_body frozen_unclear whole_model lightning tied_parameters
    optimizer_alone named""".split()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Age -> folder of all checkpoints, made when they are asked for."""
    folder, result = tmp_path_factory.mktemp("training"), {}

    def make(peer):
        if peer.age not in result:
            result[peer.age] = folder / peer.age
            done = subprocess.run(
                [peer.python, conftest.HERE / "training.py",
                 result[peer.age]], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        return result[peer.age]

    return make


@pytest.fixture(params=CASES)
def saved(request, peer, trained):
    path = trained(peer) / f"{request.param}.pt"
    if not path.exists():
        pytest.skip(f"the {peer.age} torch has no such optimizer")
    return path


@pytest.fixture
def expected(saved):
    return json.loads(saved.with_suffix(".json").read_text())


def test_through_safetensors(saved, expected, readers, tmp_path):
    """The same graph comes back, and loads as safely as before."""
    there, back = tmp_path / "a.safetensors", tmp_path / saved.name
    tools.ckpt("convert", saved, there)
    tools.ckpt("convert", there, back)
    source = saved
    if saved.name == "whole_model.pt":
        source = tmp_path / "direct" / saved.name
        source.parent.mkdir()
        tools.ckpt("convert", saved, source)
    before, middle, after = map(tools.ls, (source, there, back))
    for key in ("tensors", "values", "attributes"):
        assert after[key] == before[key]
    if source == saved:
        assert middle["values"] == before["values"]
    for reader in readers:
        for options in (["only"], []):
            first = reader.describe(source, *options)
            assert reader.describe(back, *options) == first or \
                "error" in first
    assert not expected["safe"] or \
        "error" not in readers[0].describe(back, "only")


def test_names_of_slots(saved, expected):
    told = json.loads(tools.ckpt("ls", "--json", "--optimizer", saved))
    found = {o["name"]: o for o in told["optimizers"]}
    assert found.keys() == expected["names"].keys()
    for path, names in expected["names"].items():
        if names is None:
            assert found[path]["slots"] == {} and found[path]["why"]
        else:
            assert found[path]["slots"] == names


def test_shown(saved, expected):
    """The tree of the optimizers: hyperparameters, slots by name."""
    shown = tools.ckpt("ls", "--tree", "--optimizer", saved)
    for names in expected["names"].values():
        for key, name in (names or {}).items():
            assert f"[int {key}] = {name}: map" in shown
    assert "param_groups: list" in shown and "lr: " in shown
    assert "params: list" in shown and "model_state_dict: map" not in shown


def test_in_the_whole_tree(saved, expected):
    """Keys that are numbers are told as such, without --optimizer too."""
    shown = tools.ckpt("ls", "--tree", saved)
    for names in expected["names"].values():
        for key in names or {}:
            assert f"[int {key}]: map" in shown
