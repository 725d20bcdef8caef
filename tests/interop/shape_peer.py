# SPDX-License-Identifier: MIT
"""shape_peer.py make FOLDER: inputs of test_transform_shape.py, and what torch
itself makes of them, as INPUT.pt and wanted/CASE.pt.
shape_peer.py check FOLDER: how what ckpt made, got/CASE.pt, differs from that:
bytes, strides, ties, classes and gradients. CASE -> "" or the difference.
"""
import collections
import json
import math
import pathlib
import sys

import torch
from torch import nn

FLOATS = [name for name in """float16 bfloat16 float32 float64 float8_e4m3fn
    float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz""".split()
          if hasattr(torch, name)]
OTHERS = "bool uint8 int8 int16 int32 int64 complex64 complex128".split()
INPUTS, CASES = {}, {}


def wrapped(old, new):
    """The new tensor in the class of the old one."""
    if isinstance(old, nn.Parameter):
        return nn.Parameter(new.detach(), requires_grad=old.requires_grad)
    return new


def entries(tensor, dim, index):
    """Some of the entries, in any type."""
    index = torch.tensor(index, dtype=torch.long)
    if tensor.dtype.is_floating_point and tensor.element_size() == 1:
        return tensor.contiguous().view(torch.uint8).index_select(
            dim, index).view(tensor.dtype)
    return tensor.index_select(dim, index)


def mean(tensor, dim):
    if tensor.dtype == torch.float64:
        moved = tensor.movedim(dim, -1)
        rows = [math.fsum(row) / len(row)
                for row in moved.reshape(-1, moved.shape[-1]).tolist()]
        shape = list(tensor.shape)
        shape[dim] = 1
        return torch.tensor(rows, dtype=torch.float64).reshape(shape)
    if tensor.is_complex():
        parts = [mean(part.double(), dim) for part in (tensor.real,
                                                       tensor.imag)]
        return torch.complex(*parts).to(tensor.dtype)
    return tensor.double().mean(dim, keepdim=True).to(tensor.dtype)


def joined(parts, dim):
    dtype = parts[0].dtype
    if dtype.is_floating_point and parts[0].element_size() == 1:
        return torch.cat([part.contiguous().view(torch.uint8)
                          for part in parts], dim).view(dtype)
    return torch.cat(parts, dim)


def resized(tensor, dim, size, fill=None):
    old, more = tensor.shape[dim], size - tensor.shape[dim]
    data = tensor.detach()
    if more <= 0:
        return wrapped(tensor, entries(data, dim, list(range(size))))
    if fill == "repeat":
        return wrapped(tensor, entries(data, dim,
                                       [i % old for i in range(size)]))
    new = entries(data, dim, [0] * more) if old else None
    if fill == "zero":
        shape = list(data.shape)
        shape[dim] = more
        new = torch.zeros(shape).to(data.dtype)
    elif fill == "mean":
        new = joined([mean(data, dim)] * more, dim)
    return wrapped(tensor, joined([data, new], dim))


def case(name, source, *transforms):
    def keep(make):
        CASES[name] = (source, transforms, make)
        return make
    return keep


# ---- Inputs ----

def types(names):
    torch.manual_seed(0)
    values = torch.randn(6, 5, 4, dtype=torch.float64)
    return {name: (values * 20 if name in OTHERS else values).to(
        getattr(torch, name)) for name in names}


def views():
    torch.manual_seed(0)
    base = torch.randn(10, 20)
    first = base[2:4, 5:]
    last = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    return {"base": base, "turned": base.t(), "part": first, "again": first,
            "last": last, "row": torch.randn(5).expand(3, 5),
            "gaps": torch.randn(8, 8)[::2, ::2], "none": torch.empty(0, 3),
            "one": torch.tensor(1.5), "grad": nn.Parameter(torch.randn(3, 2)),
            "odd": torch.randn(3, 4, 5).permute(2, 0, 1)[1:, ::2],
            "frozen": nn.Parameter(torch.randn(2, 2), requires_grad=False)}


def tied():
    torch.manual_seed(0)
    words = nn.Embedding(100, 16)
    head = nn.Linear(16, 100, bias=False)
    head.weight = words.weight
    return {"emb.weight": words.weight, "lm_head.weight": head.weight,
            "alone": words.weight.detach().clone()}


def small():
    torch.manual_seed(0)
    return nn.Sequential(collections.OrderedDict(
        body=nn.Linear(4, 3), head=nn.Linear(3, 2)))


def training():
    net = small()
    adam = torch.optim.Adam(net.parameters(), amsgrad=True)
    for _ in range(2):
        net(torch.randn(5, 4)).sum().backward()
        adam.step()
    return {"model": net.state_dict(), "optimizer": adam.state_dict()}


INPUTS["floats"] = lambda: types(FLOATS)
INPUTS["others"] = lambda: types(OTHERS)
INPUTS["views"] = views
INPUTS["tied"] = tied
INPUTS["training"] = training
try:
    import torchvision

    def resnet():
        torch.manual_seed(0)
        return torchvision.models.resnet18().state_dict()

    INPUTS["resnet"] = resnet
except ImportError:
    pass


# ---- resize, channels ----

def all_of(state, make):
    return {name: make(value) for name, value in state.items()}


for dim in 0, 1, 2:
    for size, fill in ((11, "zero"), (13, "repeat"), (9, "mean"), (2, None)):
        for source in "floats", "others":
            if fill == "mean" and source == "others":
                continue
            text = f"resize:*,dim={dim},size={size}"
            CASES[f"{source}-{dim}-{size}"] = (
                source, [text + (f",fill={fill}" if fill else "")],
                lambda state, dim=dim, size=size, fill=fill: all_of(
                    state, lambda t: resized(t, dim, size, fill)))


@case("complex-mean", "others", "resize:complex*,dim=1,size=7,fill=mean")
def _(state):
    return {name: resized(value, 1, 7, "mean") if "complex" in name else value
            for name, value in state.items()}


@case("views-grow", "views", "resize:re:^(base|last|gaps|odd|grad|frozen)$,"
      "dim=1,size=21,fill=repeat")
def _(state):
    chosen = "base last gaps odd grad frozen".split()
    return {name: resized(value, 1, 21, "repeat") if name in chosen else value
            for name, value in state.items()}


@case("views-mean", "views", "resize:re:^(turned|row|odd)$,size=30,fill=mean")
def _(state):
    return {name: resized(value, 0, 30, "mean")
            if name in ("turned", "row", "odd") else value
            for name, value in state.items()}


@case("views-cut", "views", "resize:re:^(part|grad)$,size=1")
def _(state):
    part = resized(state["part"], 0, 1)
    return {**state, "part": part, "again": part,
            "grad": resized(state["grad"], 0, 1)}


@case("vocabulary", "tied", "resize:emb.weight,size=120,fill=mean")
def _(state):
    words = resized(state["emb.weight"], 0, 120, "mean")
    return {**state, "emb.weight": words, "lm_head.weight": words}


@case("vocabulary-cut", "tied", "resize:lm_head.*,size=90")
def _(state):
    words = resized(state["emb.weight"], 0, 90)
    return {**state, "emb.weight": words, "lm_head.weight": words}


@case("vocabulary-apart", "tied", "untie:emb.weight",
      "resize:emb.weight,size=120,fill=zero")
def _(state):
    return {**state, "emb.weight": resized(state["emb.weight"], 0, 120,
                                           "zero")}


@case("head-grow", "training", "resize:model.head.*,size=5,fill=zero")
def _(state):
    return head_of(state, 5)


@case("head-cut", "training", "resize:model.head.*,size=1")
def _(state):
    return head_of(state, 1)


def head_of(state, size):
    for name in "head.weight", "head.bias":
        state["model"][name] = resized(state["model"][name], 0, size, "zero")
    for number in 2, 3:
        kept = state["optimizer"]["state"][number]
        for name, value in kept.items():
            if torch.is_tensor(value) and value.dim() > 0:
                kept[name] = resized(value, 0, size, "zero")
    return state


@case("head-turned", "training", "transpose:model.head.weight")
def _(state):
    state["model"]["head.weight"] = state["model"]["head.weight"].t()
    kept = state["optimizer"]["state"][2]
    for name, value in kept.items():
        if torch.is_tensor(value) and value.dim() > 0:
            kept[name] = value.t()
    return state


def conv(make):
    def change(state):
        state["conv1.weight"] = make(state["conv1.weight"])
        return state
    return change


if "resnet" in INPUTS:
    CASES["resnet-mean"] = (
        "resnet", ["channels:conv1.weight,dim=1,size=4,fill=mean"],
        conv(lambda w: torch.cat([w, mean(w, 1)], 1)))
    CASES["resnet-mean-rescale"] = (
        "resnet", ["channels:conv1.weight,size=4,rescale"],
        conv(lambda w: torch.cat([w, mean(w, 1)], 1) * (3 / 4)))
    CASES["resnet-one"] = (
        "resnet", ["channels:conv1.weight,size=1"],
        conv(lambda w: mean(w, 1)))
    CASES["resnet-sum"] = (
        "resnet", ["channels:conv1.weight,size=1,rescale"],
        conv(lambda w: w.double().sum(1, keepdim=True).float()))
    # What pretrained weights get in timm for as many channels.
    CASES["resnet-copy"] = (
        "resnet", ["channels:conv1.weight,size=10,fill=copy,rescale"],
        conv(lambda w: w.repeat(1, 4, 1, 1)[:, :10] * (3 / 10.0)))
    CASES["resnet-zero"] = (
        "resnet", ["channels:conv1.weight,size=5,fill=zero"],
        conv(lambda w: torch.cat([w, torch.zeros(64, 2, 7, 7)], 1)))
    CASES["resnet-keep"] = (
        "resnet", ["resize:fc.*,size=21,fill=zero,keep"],
        lambda state: {**state, "fc.weight": state["fc.weight"][:21].clone(),
                       "fc.bias": state["fc.bias"][:21].clone()})


# ---- view ----

def once(make):
    """Names of one view stay names of one view."""
    def change(state):
        done = {}
        return {name: done.setdefault(
            (value.data_ptr(), value.shape, value.stride(), type(value),
             name if value.numel() == 0 else ""), wrapped(value, make(value)))
            for name, value in state.items()}
    return change


@case("contiguous", "views", "contiguous")
def _(state):
    return once(lambda value: value.contiguous())(state)


@case("untie", "views", "untie")
def _(state):
    shared = collections.Counter(storage(value) for value in state.values())
    return {name: wrapped(value, value.detach().clone())
            if shared[storage(value)] > 1 else value
            for name, value in state.items()}


@case("untie-one", "views", "untie:part")
def _(state):
    return {**state, "part": state["part"].clone()}


@case("transpose", "views", "transpose:re:^(base|turned|part|last|odd|grad)$")
def _(state):
    names = "base turned part last odd grad".split()
    return {name: wrapped(value, value.detach().transpose(-1, -2))
            if name in names else value for name, value in state.items()}


@case("permute", "views", "permute:odd,dims=-1x0x1",
      "permute:last,dims=3x2x1x0")
def _(state):
    return {**state, "odd": state["odd"].permute(-1, 0, 1),
            "last": state["last"].permute(3, 2, 1, 0)}


@case("tie-again", "tied", "untie", "tie:lm_head.weight=emb.weight")
def _(state):
    return state


@case("tie-copy", "tied", "tie:alone=emb.weight")
def _(state):
    return {**state, "alone": state["emb.weight"].detach()}


# ---- Comparing ----

def storage(tensor):
    if tensor.numel() == 0:
        return id(tensor)
    kept = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") \
        else tensor.storage()
    return kept.data_ptr()


def tensors(value, name=""):
    if torch.is_tensor(value):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f"{name}.{key}")


def apart(got, wanted):
    """The largest distance in units of the last place, bit for bit where it
    is nothing."""
    if got.is_complex():
        return max(apart(torch.view_as_real(got.resolve_conj()).contiguous(),
                         torch.view_as_real(wanted).contiguous()), 0)
    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32,
                8: torch.int64}
    if not got.dtype.is_floating_point:
        return 0 if torch.equal(got, wanted) else 99
    one, other = (t.detach().contiguous().view(
        integers[t.element_size()]).to(torch.int64) for t in (got, wanted))
    bits = got.element_size() * 8
    if torch.equal(one, other):
        return 0
    if bits < 64:
        one, other = (torch.where(t % 2 ** bits >= 2 ** (bits - 1),
                                  2 ** (bits - 1) - t % 2 ** bits, t)
                      for t in (one, other))
    return int((one - other).abs().max())


def partition(state):
    numbers = {}
    return {name: numbers.setdefault(storage(value), len(numbers))
            for name, value in tensors(state)}


def difference(got, wanted, exact):
    got_all, wanted_all = dict(tensors(got)), dict(tensors(wanted))
    if list(got_all) != list(wanted_all):
        return f"names {list(got_all)}"
    for name, value in wanted_all.items():
        new = got_all[name]
        for what in "shape", "dtype", "requires_grad":
            if getattr(new, what) != getattr(value, what):
                return f"{name}: {what} {getattr(new, what)}"
        if type(new) is not type(value):
            return f"{name}: {type(new)}"
        if new.numel() > 0 and new.stride() != value.stride():
            return f"{name}: strides {new.stride()}, not {value.stride()}"
        if new.numel() > 0 and apart(new, value) > (0 if exact else 1):
            return f"{name}: {apart(new, value)} units apart"
    if partition(got) != partition(wanted):
        return f"ties {partition(got)}, not {partition(wanted)}"
    return ""


def inexact(name, transforms):
    return any("mean" in text or "rescale" in text or
               text.startswith("channels") for text in transforms)


def make(folder):
    (folder / "wanted").mkdir()
    (folder / "got").mkdir()
    for name, build in INPUTS.items():
        torch.save(build(), folder / f"{name}.pt")
    for name, (source, transforms, change) in CASES.items():
        torch.save(change(INPUTS[source]()), folder / f"wanted/{name}.pt")
    return {name: [source, transforms]
            for name, (source, transforms, _) in CASES.items()}


def load(path):
    if torch.__version__ < "2":
        return torch.load(path)
    return torch.load(path, weights_only=False)


def check(folder):
    result = {}
    for name, (_, transforms, _) in CASES.items():
        path = folder / f"got/{name}.pt"
        if path.exists():
            result[name] = difference(load(path),
                                      load(folder / f"wanted/{name}.pt"),
                                      not inexact(name, transforms))
    return result


if __name__ == "__main__":
    work = {"make": make, "check": check}[sys.argv[1]]
    json.dump(work(pathlib.Path(sys.argv[2])), sys.stdout)
