#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Normed models, and what torch makes of them when it takes the norms off.

    norm_peer.py make FOLDER    saves NAME.pt of each model
    norm_peer.py check FOLDER   loads NAME-folded.pt strictly into the plain
                                model; how far it is from torch's own weights,
                                and from those of float64, as JSON
"""
import json
import pathlib
import sys

import torch
from torch import nn
from torch.nn import utils

NEW = hasattr(utils.parametrizations, "weight_norm")


class Layer(nn.Module):
    """A layer below a name, with a batch norm beside it."""

    def __init__(self, layer):
        super().__init__()
        self.inner = nn.Sequential(layer, nn.BatchNorm1d(3))


class Shared(nn.Module):
    """One module under two names."""

    def __init__(self, layer):
        super().__init__()
        self.first = layer
        self.second = layer


def weight(name="weight", **options):
    return (lambda layer: utils.weight_norm(layer, name, **options),
            lambda layer: utils.remove_weight_norm(layer, name))


def spectral(name="weight", **options):
    return (lambda layer: utils.spectral_norm(layer, name, **options),
            lambda layer: utils.remove_spectral_norm(layer, name))


def inner(kind, name="weight", **options):
    def put(layer):
        getattr(utils.parametrizations, kind)(layer, name, **options)
        return layer
    return put, lambda layer: utils.parametrize.remove_parametrizations(
        layer, name)


CASES = {
    "weight-conv1d": (lambda: nn.Conv1d(5, 7, 3), weight()),
    "weight-conv2d": (lambda: nn.Conv2d(5, 7, 3, groups=1), weight()),
    "weight-conv3d": (lambda: nn.Conv3d(3, 4, 2), weight()),
    "weight-transposed": (lambda: nn.ConvTranspose1d(6, 4, 5), weight()),
    "weight-transposed-1": (lambda: nn.ConvTranspose2d(6, 4, 3),
                            weight(dim=1)),
    "weight-middle": (lambda: nn.Conv2d(5, 7, 3), weight(dim=2)),
    "weight-last": (lambda: nn.Conv1d(5, 7, 3), weight(dim=2)),
    "weight-linear": (lambda: nn.Linear(300, 41), weight()),
    "weight-linear-1": (lambda: nn.Linear(300, 41), weight(dim=1)),
    "weight-all": (lambda: nn.Linear(30, 41), weight(dim=None)),
    "weight-one": (lambda: nn.Conv1d(8, 1, 7), weight()),
    "weight-square": (lambda: nn.Linear(32, 32), weight()),
    "weight-bias": (lambda: nn.Linear(30, 41), weight("bias")),
    "weight-lstm": (lambda: nn.LSTM(9, 5), weight("weight_hh_l0")),
    "weight-double": (lambda: nn.Linear(30, 41).double(), weight()),
    "weight-large": (lambda: nn.Linear(3000, 200), weight()),
    "spectral-conv2d": (lambda: nn.Conv2d(5, 7, 3), spectral()),
    "spectral-conv1d": (lambda: nn.Conv1d(5, 7, 3), spectral()),
    "spectral-linear": (lambda: nn.Linear(300, 41), spectral()),
    "spectral-square": (lambda: nn.Linear(64, 64), spectral()),
    "spectral-transposed": (lambda: nn.ConvTranspose2d(6, 4, 3), spectral()),
    "spectral-transposed-square": (lambda: nn.ConvTranspose2d(16, 16, 4),
                                   spectral()),
    "spectral-cube": (lambda: nn.Conv2d(12, 12, 12), spectral()),
    "spectral-double": (lambda: nn.Linear(30, 41).double(), spectral()),
    "spectral-large": (lambda: nn.Linear(3000, 200), spectral()),
    "inner-spectral": (lambda: nn.Conv2d(5, 7, 3), inner("spectral_norm")),
    "inner-spectral-linear": (lambda: nn.Linear(30, 41),
                              inner("spectral_norm")),
    "inner-spectral-transposed": (lambda: nn.ConvTranspose2d(6, 4, 3),
                                  inner("spectral_norm")),
    "inner-spectral-lstm": (lambda: nn.LSTM(9, 5),
                            inner("spectral_norm", "weight_hh_l0")),
}
if NEW:
    CASES.update({
        "inner-weight": (lambda: nn.Conv2d(5, 7, 3), inner("weight_norm")),
        "inner-weight-1": (lambda: nn.ConvTranspose1d(6, 4, 5),
                           inner("weight_norm", dim=1)),
        "inner-weight-linear": (lambda: nn.Linear(300, 41),
                                inner("weight_norm")),
        "inner-weight-lstm": (lambda: nn.LSTM(9, 5),
                              inner("weight_norm", "weight_hh_l0")),
    })
FEW = ("weight-conv1d", "weight-linear-1", "spectral-linear", "inner-spectral",
       "inner-weight")
NARROW = {"half": torch.float16, "bfloat16": torch.bfloat16}
WRAPS = {"plain": lambda layer: layer, "below": Layer, "shared": Shared}


def normed(name):
    torch.manual_seed(sum(map(ord, name)))
    build, (put, _) = CASES[name]
    layer = put(build())
    if "weight" in name:
        with torch.no_grad():
            for tensor in layer.parameters():
                tensor.mul_(torch.rand(tensor.shape) + 0.5)
    if name.startswith("spectral"):
        step(layer)
    return layer.eval()


def plain(layer, name):
    """What torch makes of it."""
    CASES[name][1][1](layer)
    return layer


def narrowed(name, dtype):
    """Its state in another type."""
    return {key: value.to(dtype)
            for key, value in normed(name).state_dict().items()}


def exact(name, state=None):
    """What float64 makes of it, all along."""
    layer = normed(name).double()
    if state is not None:
        layer.load_state_dict(state)
    return plain(layer, name)


def step(layer):
    """What a forward pass does to the vectors, a few times."""
    layer.train()
    for hook in list(layer._forward_pre_hooks.values()) * 5:
        hook(layer, None)


def ulps(ours, theirs):
    kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    kind = kind[ours.element_size()]
    steps = ours.contiguous().view(kind).long() - \
        theirs.contiguous().view(kind).long()
    return int(steps.abs().max()) if steps.numel() else 0


def furthest(state, wanted):
    return max(ulps(state[key], value.to(state[key].dtype))
               for key, value in wanted.items() if value.is_floating_point())


def compare(folder, name, wrap):
    state = torch.load(folder / f"{name}-{wrap}-folded.pt")
    if wrap in NARROW:
        wanted = exact(name, narrowed(name, NARROW[wrap])).state_dict()
        return {"exact": furthest(state, wanted)}
    model = WRAPS[wrap](plain(normed(name), name))
    wanted = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(state, strict=True)
    return {
        "keys": list(state) == list(wanted),
        "torch": furthest(state, wanted),
        "exact": furthest(state, WRAPS[wrap](exact(name)).state_dict()),
        "shared": wrap != "shared" or all(
            value.data_ptr() == state["second" + key[5:]].data_ptr()
            for key, value in state.items() if key.startswith("first"))}


def main():
    verb, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.set_num_threads(1)
    names = [(name, wrap) for name in CASES for wrap in (*WRAPS, *NARROW)
             if wrap == "plain" or name in FEW]
    if verb == "check":
        print(json.dumps({f"{name}-{wrap}": compare(folder, name, wrap)
                          for name, wrap in names}))
        return
    for name, wrap in names:
        torch.save(narrowed(name, NARROW[wrap]) if wrap in NARROW else
                   WRAPS[wrap](normed(name)).state_dict(),
                   folder / f"{name}-{wrap}.pt")
    print(json.dumps([f"{name}-{wrap}" for name, wrap in names]))


if __name__ == "__main__":
    main()
