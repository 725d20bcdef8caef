# SPDX-License-Identifier: MIT
"""Models that train, in torch; run by test_transform_training.py.

    slots_peer.py make FOLDER         trains a step, saves checkpoints
    slots_peer.py check FOLDER JOB    JOB.pt is what became of one: torch goes
                                      one step from it, and one step from the
                                      same that torch itself has made; prints
                                      what differs as JSON

A job is MODEL-OPTIMIZER-WHAT.
"""
import json
import sys

import torch

try:
    import torchvision
except ImportError:
    torchvision = None


class Small(torch.nn.Module):
    """Two convolutions of one shape, a norm, a head."""

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.bn1 = torch.nn.BatchNorm2d(3)
        self.conv2 = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.fc = torch.nn.Linear(3, 5)

    def forward(self, x):
        x = self.conv2(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


MODELS = {"small": Small}
if torchvision is not None:
    MODELS["resnet18"] = lambda: torchvision.models.resnet18(num_classes=7)

OPTIMIZERS = {
    "sgd": lambda named: torch.optim.SGD(
        [p for _, p in named], lr=0.1, momentum=0.9, weight_decay=1e-3),
    "adam": lambda named: torch.optim.Adam([p for _, p in named], amsgrad=True),
}
if torch.__version__ >= "2.6":
    OPTIMIZERS["adamw"] = lambda named: torch.optim.AdamW(named)


def grouped(named):
    """As is usual: no weight decay for what has one dimension."""
    named = list(named)
    return torch.optim.SGD(
        [{"params": [p for _, p in named if p.dim() > 1]},
         {"params": [p for _, p in named if p.dim() <= 1],
          "weight_decay": 0.0}], lr=0.1, momentum=0.9, weight_decay=1e-2)


OPTIMIZERS["groups"] = grouped


def step(net, optimizer, seed):
    torch.manual_seed(seed)
    x = torch.randn(4, 3, 16, 16)
    net.train()
    optimizer.zero_grad()
    net(x).square().mean().backward()
    optimizer.step()


def make(folder):
    jobs = []
    for model, build in MODELS.items():
        for kind, optimize in OPTIMIZERS.items():
            torch.manual_seed(0)
            net = build()
            optimizer = optimize(list(net.named_parameters()))
            step(net, optimizer, 1)
            torch.save({"epoch": 1, "model": net.state_dict(),
                        "optimizer": optimizer.state_dict()},
                       f"{folder}/{model}-{kind}.pt")
            jobs.append(f"{model}-{kind}")
    return jobs


def start(job):
    torch.manual_seed(0)
    return MODELS[job[0]](), OPTIMIZERS[job[1]]


def changed(net, what):
    """The model as it is to be trained on; True: its names are others."""
    if what == "drop":
        net.fc = torch.nn.Identity()
    elif what == "keep":
        head = torch.nn.Module()
        head.fc = net.fc
        head.forward = lambda x: head.fc(
            x.mean((2, 3)).repeat(1, 200)[:, :head.fc.in_features])
        return head
    elif what == "rename":
        net.head, net.fc = net.fc, torch.nn.Identity()
        inner = net.forward
        net.forward = lambda x: net.head(inner(x))
    elif what == "freeze":
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(name.startswith("fc."))
    elif what.startswith("first"):
        for parameter in list(net.parameters())[:int(what[5:])]:
            parameter.requires_grad_(False)
    return net


def old_name(name, what):
    return name.replace("head.", "fc.") if what == "rename" else name


def numbers(optimizer, net):
    """The name of each parameter of an optimizer, in its order."""
    names = {id(p): n for n, p in net.named_parameters()}
    return [names[id(p)] for group in optimizer.param_groups
            for p in group["params"]]


def reference(saved, net, optimizer, what):
    """The state that torch's user would put together by names."""
    whole, optimize = start(saved["job"])
    before = numbers(optimize(list(whole.named_parameters())), whole)
    by_name = {name: saved["optimizer"]["state"][i]
               for i, name in enumerate(before)
               if i in saved["optimizer"]["state"]}
    state = optimizer.state_dict()
    state["state"] = {i: by_name[old_name(name, what)]
                      for i, name in enumerate(numbers(optimizer, net))}
    model = {name: saved["model"][old_name(name, what)]
             for name in net.state_dict()}
    return model, state


def trained(job, what):
    net, optimize = start(job)
    net = changed(net, what)
    optimizer = optimize([(n, p) for n, p in net.named_parameters()
                          if p.requires_grad])
    return net, optimizer


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    return a == b


def check(folder, name):
    model, kind, what = name.split("-")
    options = {"weights_only": False} if torch.__version__ >= "1.13" else {}
    saved = torch.load(f"{folder}/{model}-{kind}.pt", **options)
    saved["job"] = (model, kind)
    got = torch.load(f"{folder}/{name}.pt", **options)
    mine, my_optimizer = trained((model, kind), what)
    weights, state = reference(saved, mine, my_optimizer, what)
    mine.load_state_dict(weights)
    my_optimizer.load_state_dict(state)
    theirs, their_optimizer = trained((model, kind), what)
    wrong = []
    if list(got["model"]) != list(weights):
        wrong.append(f"keys {list(got['model'])[:5]}...")
    theirs.load_state_dict(got["model"])
    their_optimizer.load_state_dict(got["optimizer"])
    if what == "freeze" or what.startswith("first"):
        wrong += [f"requires_grad of {n}"
                  for n, p in theirs.named_parameters()
                  if got["model"][n].requires_grad != p.requires_grad]
    stored = [group.get("param_names")
              for group in got["optimizer"]["param_groups"]]
    if stored[0] is not None and \
            sum(stored, []) != numbers(their_optimizer, theirs):
        wrong.append(f"param_names {stored}")
    step(mine, my_optimizer, 2)
    step(theirs, their_optimizer, 2)
    wrong += [f"{n} after a step" for n, value in mine.state_dict().items()
              if not torch.equal(value, theirs.state_dict()[n])]
    mine, theirs = my_optimizer.state_dict(), their_optimizer.state_dict()
    if mine["state"].keys() != theirs["state"].keys():
        wrong.append("numbers")
    for i, slots in mine["state"].items():
        wrong += [f"{i}.{slot}" for slot, value in slots.items()
                  if not same(value, theirs["state"][i][slot])]
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "make":
        print(json.dumps(make(sys.argv[2])))
    else:
        print(json.dumps({name: check(sys.argv[2], name)
                          for name in sys.argv[3:]}))
