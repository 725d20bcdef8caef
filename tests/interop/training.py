# SPDX-License-Identifier: MIT
"""training.py FOLDER: training checkpoints as one torch saves them.

    CASE.pt      what torch.save wrote
    CASE.json    {path of each optimizer: {key of its state: name of the
                 parameter, as torch orders them}}, or null where a reader of
                 the file alone cannot know; and whether a safe load takes it
"""
import json
import pathlib
import random
import sys
import warnings

import numpy
import torch
from torch import nn
from torch.optim import lr_scheduler

import peer

warnings.filterwarnings("ignore")
CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


def net():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
                          nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4),
                          nn.Flatten(), nn.Linear(16, 3))
    return model


def stepped(model, optimizer, count=2):
    for _ in range(count):
        def closure():
            optimizer.zero_grad()
            loss = model(torch.ones(2, 1, 6, 6)).sum()
            loss.backward()
            return loss
        optimizer.step(closure)
    return optimizer


def names_of(model, optimizer):
    """By the numbers that state_dict() gives: all groups, in order."""
    known = {id(parameter): name
             for name, parameter in model.named_parameters()}
    state = optimizer.state_dict()
    held = [parameter for group in optimizer.param_groups
            for parameter in group["params"]]
    numbers = [number for group in state["param_groups"]
               for number in group["params"]]
    return {str(number): known[id(parameter)]
            for number, parameter in zip(numbers, held)
            if number in state["state"]}


def checkpoint(model, optimizer, **more):
    value = {"epoch": 3, "model_state_dict": model.state_dict(),
             "optimizer_state_dict": optimizer.state_dict(), "loss": 0.25,
             **more}
    return value, {"optimizer_state_dict": names_of(model, optimizer)}


def plain(make):
    def build():
        model = net()
        return checkpoint(model, stepped(model, make(model.parameters())))
    return build


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "sgd_plain": lambda p: torch.optim.SGD(p, lr=0.1),
    "lbfgs": lambda p: torch.optim.LBFGS(p, max_iter=3),
    "rmsprop": lambda p: torch.optim.RMSprop(p, centered=True),
    "adagrad": torch.optim.Adagrad,
    "nadam": torch.optim.NAdam,
    "asgd": torch.optim.ASGD,
}
for title, maker in OPTIMIZERS.items():
    CASES[title] = plain(maker)


@case
def schedulers():
    model = net()
    optimizer = stepped(model, torch.optim.SGD(model.parameters(), 0.1, 0.9))
    made = {
        "steps": lr_scheduler.MultiStepLR(optimizer, [2, 4, 4]),
        "cosine": lr_scheduler.CosineAnnealingLR(optimizer, 10),
        "plateau": lr_scheduler.ReduceLROnPlateau(optimizer),
        "cycle": lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9)}
    for scheduler in made.values():
        scheduler.step(1.0) if scheduler is made["plateau"] \
            else scheduler.step()
    return checkpoint(model, optimizer, schedulers={
        name: {key: value for key, value in scheduler.state_dict().items()
               if not callable(value)} for name, scheduler in made.items()})


@case
def random_states():
    model = net()
    optimizer = stepped(model, torch.optim.Adam(model.parameters()))
    return checkpoint(model, optimizer, rng=torch.get_rng_state(),
                      cuda=[torch.ByteTensor(range(16))],
                      numpy=numpy.random.RandomState(1).get_state(),
                      python=random.Random(1).getstate(),
                      scaler=torch.cuda.amp.GradScaler(
                          enabled=False).state_dict())


@case
def id_keys():
    """As before 1.5: both the keys and the numbers are addresses."""
    model = net()
    optimizer = stepped(model, torch.optim.Adam(model.parameters()))
    value, names = checkpoint(model, optimizer)
    state = value["optimizer_state_dict"]
    address = {number: 140187732541432 + 88 * (number * 7 % 11)
               for number in state["state"]}
    state["state"] = {address[n]: slots for n, slots in
                      reversed(list(state["state"].items()))}
    for group in state["param_groups"]:
        group["params"] = [address[n] for n in group["params"]]
    names = names["optimizer_state_dict"]
    return value, {"optimizer_state_dict": {
        str(address[int(n)]): name for n, name in names.items()}}


@case
def two_groups():
    """The head has shapes of its own."""
    model = net()
    optimizer = stepped(model, torch.optim.Adam(
        [{"params": list(model[:5].parameters())},
         {"params": model[6].parameters(), "lr": 0.5}]))
    return checkpoint(model, optimizer)


@case
def decay_groups():
    """Weights first, then the rest: dealt out by shape."""
    model = net()
    parameters = list(model.parameters())
    optimizer = stepped(model, torch.optim.AdamW(
        [{"params": [p for p in parameters if p.dim() > 1]},
         {"params": [p for p in parameters if p.dim() == 1],
          "weight_decay": 0.0}]))
    return checkpoint(model, optimizer)


@case
def mixed_groups():
    """Shapes of one group are in the other too, but never come next in both."""
    model = net()
    optimizer = stepped(model, torch.optim.Adam(
        [{"params": list(model[:2].parameters())},
         {"params": list(model[2:].parameters())}]))
    return checkpoint(model, optimizer)


@case
def unclear_groups():
    """A bias and the weight of a norm come next in both at once."""
    model = net()
    optimizer = stepped(model, torch.optim.Adam(
        [{"params": list(model[4:].parameters())},
         {"params": list(model[:4].parameters())}]))
    return checkpoint(model, optimizer)[0], {"optimizer_state_dict": None}


@case
def frozen_body():
    """The head alone is trained, and its shapes are its own."""
    model = net()
    optimizer = stepped(model, torch.optim.Adam(model[6].parameters()))
    return checkpoint(model, optimizer)


@case
def frozen_unclear():
    """One batch norm alone is trained; there are two of that shape."""
    model = net()
    optimizer = stepped(model, torch.optim.Adam(model[4].parameters()))
    return checkpoint(model, optimizer)[0], {"optimizer_state_dict": None}


@case
def whole_model():
    model = net()
    optimizer = stepped(model, torch.optim.Adam(model.parameters()))
    return ({"net": model, "opt": optimizer.state_dict()},
            {"opt": names_of(model, optimizer)})


@case
def lightning():
    model = net()
    optimizer = stepped(model, torch.optim.Adam(model.parameters()))
    names = {key: "model." + name
             for key, name in names_of(model, optimizer).items()}
    return ({"epoch": 1, "global_step": 10, "state_dict":
             {"model." + key: value
              for key, value in model.state_dict().items()},
             "optimizer_states": [optimizer.state_dict()],
             "lr_schedulers": [{"last_epoch": 1, "_step_count": 2}]},
            {"optimizer_states.0": names})


@case
def tied_parameters():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5))
    model[1].weight = model[0].weight
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.tensor([1, 2])).sum().backward()
    optimizer.step()
    return checkpoint(model, optimizer)


@case
def optimizer_alone():
    model = net()
    optimizer = stepped(model, torch.optim.Adam(model.parameters()))
    return optimizer.state_dict(), {"": None}


def named():
    model = net()
    optimizer = stepped(model, torch.optim.AdamW(
        [{"params": [(n, p) for n, p in model.named_parameters()
                     if p.dim() > 1]},
         {"params": [(n, p) for n, p in model.named_parameters()
                     if p.dim() == 1]}]))
    return ({"opt": optimizer.state_dict()},
            {"opt": names_of(model, optimizer)})


if peer.AGE >= (2, 6):
    case(named)


def safe(path):
    try:
        torch.load(path, weights_only=True)
    except Exception:
        return False
    return True


def save(folder):
    folder.mkdir()
    for name, make in CASES.items():
        value, names = make()
        path = folder / f"{name}.pt"
        torch.save(value, path)
        (folder / f"{name}.json").write_text(
            json.dumps({"names": names, "safe": safe(path)}))


if __name__ == "__main__":
    save(pathlib.Path(sys.argv[1]))
    print(json.dumps(list(CASES)))
