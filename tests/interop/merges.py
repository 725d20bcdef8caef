# SPDX-License-Identifier: MIT
"""merges.py FOLDER: what one torch makes of two state dicts.

    CASE/base.pt over.pt  two state dicts
    CASE/load.pt          the first, after load_state_dict(second, strict=False)
    CASE/update.pt        the first, after dict.update(second)
    CASE/fits.pt          load.pt of what has the same shape alone
    CASE/resize.pt        the same, and of all else what overlaps
    CASE/about.json       of these the ones that raise, and why
"""
import collections
import json
import pathlib
import sys
import warnings

import torch
from torch import nn

warnings.filterwarnings("ignore")
NEW = int(torch.__version__.split(".")[0]) >= 2
CASES = {}
WAYS = ("load", "update", "fits", "resize")
# Of large ones, and of what load_state_dict alone takes for the same shape.
FEW = {"resnet34_of_18": ("fits",), "old_scalar": ("load", "update")}


def case(make):
    CASES[make.__name__] = make
    return make


class Net(nn.Module):
    """Tensors by name: parameters, but for what cannot be one."""

    def __init__(self, **tensors):
        super().__init__()
        for name, tensor in tensors.items():
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(name, tensor)
            else:
                self.register_buffer(name, tensor)


def random(*shape, **how):
    return torch.randn(*shape).to(**how) if how else torch.randn(*shape)


@case
def partial():
    base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4),
                         nn.Linear(4, 5))
    over = {name: torch.randn_like(tensor) if tensor.is_floating_point()
            else tensor + 7 for name, tensor in base.state_dict().items()}
    del over["1.running_mean"], over["2.bias"]
    over["more"] = random(3)
    over["2.more"] = random(2, 2)
    return base, over


@case
def types():
    kinds = [torch.float16, torch.bfloat16, torch.float32, torch.float64,
             torch.int8, torch.int32, torch.int64, torch.uint8, torch.bool]
    base, over = {}, {}
    for i, kind in enumerate(kinds):
        for k, other in enumerate(kinds):
            base[f"w{i}_{k}"] = random(3, 4).mul(9).abs().to(kind)
            over[f"w{i}_{k}"] = random(3, 4).mul(9).abs().to(other)
    return Net(**base), over


@case
def wide():
    """More than a window, cast and not."""
    base = Net(a=random(300, 1000), b=random(300, 1000, dtype=torch.float16),
               c=random(300, 1000))
    return base, {"a": random(300, 1000, dtype=torch.float16),
                  "b": random(300, 1000), "c": random(1000, 300).t()}


@case
def complex_numbers():
    base = Net(a=torch.randn(3, 4, dtype=torch.complex64),
               b=torch.randn(3, dtype=torch.complex128))
    turned = torch.randn(4, 3, dtype=torch.complex64).t().conj()
    if not NEW:  # its files do not say that signs are turned
        turned = turned.resolve_conj()
    return base, {"a": turned, "b": torch.randn(3, dtype=torch.complex64)}


@case
def channels_last_base():
    base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 1))
    base = base.to(memory_format=torch.channels_last)
    return base, {name: random(*tensor.shape)
                  for name, tensor in base.state_dict().items()}


@case
def channels_last_over():
    base = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3))
    over = {name: random(*tensor.shape)
            for name, tensor in base.state_dict().items()}
    over["0.weight"] = over["0.weight"].to(memory_format=torch.channels_last)
    over["1.weight"] = over["1.weight"].half().to(
        memory_format=torch.channels_last)
    return base, over


@case
def both_last_and_cast():
    base, over = channels_last_base()
    return base, {name: tensor.double().to(memory_format=torch.channels_last)
                  if tensor.dim() == 4 else tensor
                  for name, tensor in over.items()}


def tied():
    base = nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2))
    base[1].weight = base[0].weight
    return base


@case
def tied_both():
    base = tied()
    one = random(4, 3)
    return base, {"0.weight": one, "1.weight": one, "0.bias": random(4)}


@case
def tied_untied():
    return tied(), {"0.weight": random(4, 3), "1.weight": random(4, 3)}


@case
def tied_first():
    return tied(), {"0.weight": random(4, 3)}


@case
def tied_second_cast():
    return tied(), {"1.weight": random(4, 3, dtype=torch.float64)}


@case
def tied_over_alone():
    base = nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4))
    one = random(4, 3)
    return base, {"0.weight": one, "1.weight": one}


@case
def views():
    """Parts of one storage, some with gaps, some turned, some overlapping."""
    flat = random(64)
    base = Net(whole=flat, head=flat[:12].view(3, 4), gaps=flat[12:24:2],
               turned=flat[24:36].view(3, 4).t(), last=flat[40:],
               every=flat[1::3])
    big = random(100)
    return base, {"head": big[50:62].view(4, 3).t(), "gaps": big[6:12].half(),
                  "turned": big[20:32].view(4, 3), "every": random(21)}


@case
def views_missing():
    flat = random(20)
    base = Net(a=flat[:10], b=flat[10:], c=flat[5:15])
    return base, {"c": random(10)}


@case
def parts_of_over():
    base = Net(a=random(4), b=random(2, 2), c=random(4))
    big = random(30)
    return base, {"a": big[3:7], "b": big[10:14].view(2, 2),
                  "c": big[20:28:2]}


@case
def gradients():
    base = Net(a=nn.Parameter(random(3)), b=nn.Parameter(random(3)),
               c=random(3))
    base.b.requires_grad = False
    over = {"a": nn.Parameter(random(3)), "b": nn.Parameter(random(3)),
            "c": nn.Parameter(random(3))}
    return base, over


@case
def odd_shapes():
    base = Net(scalar=torch.tensor(3.0), none=torch.zeros(0, 3),
               one=torch.ones(1, 1, 4), bits=torch.tensor([True, False]))
    return base, {"scalar": torch.tensor(4.0), "none": torch.zeros(0, 3),
                  "one": random(1, 1, 4), "bits": torch.tensor([False, True])}


@case
def old_scalar():
    return Net(count=torch.tensor(3)), {"count": torch.tensor([5])}


@case
def mismatched():
    base = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Linear(6, 21))
    over = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Linear(6, 10)).state_dict()
    over["1.bias"] = over["1.bias"].double()
    over["0.weight"] = over["0.weight"].permute(1, 0, 2, 3)[:2].contiguous()
    return base, dict(over)


@case
def mismatched_last():
    base = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
    return base, {"weight": random(8, 3, 2, 5), "bias": random(6)}


@case
def nothing_met():
    return nn.Linear(2, 2), {"x": random(2), "y": random(3)}


try:
    import torchvision.models as zoo

    @case
    def resnet18_head():
        over = zoo.resnet18(num_classes=10).state_dict()
        return zoo.resnet18(num_classes=21), dict(over)

    @case
    def mobilenet_into_half():
        over = dict(zoo.mobilenet_v2(num_classes=10).state_dict())
        del over["features.0.0.weight"]
        return zoo.mobilenet_v2(num_classes=10).half(), over

    @case
    def resnet34_of_18():
        return zoo.resnet34(), dict(zoo.resnet18().state_dict())
except ImportError:
    pass


def same_shape(have, over):
    return {name: tensor for name, tensor in over.items()
            if name in have and have[name].shape == tensor.shape}


def overlap(have, over):
    """What of both has the same indices."""
    for name, tensor in over.items():
        if name in have and have[name].dim() == tensor.dim():
            cut = tuple(slice(min(a, b))
                        for a, b in zip(have[name].shape, tensor.shape))
            have[name].detach()[cut].copy_(tensor[cut])
    return have


def build(make, what):
    torch.manual_seed(1)
    base, over = make()
    if what == "base":
        return base.state_dict()
    if what == "over":
        return collections.OrderedDict(over)
    if what == "load":
        base.load_state_dict(over, strict=False)
        return base.state_dict()
    if what == "fits":
        base.load_state_dict(same_shape(base.state_dict(), over), strict=False)
        return base.state_dict()
    if what == "resize":
        return overlap(base.state_dict(), over)
    have = base.state_dict()
    have.update(over)
    return have


def main(folder):
    for name, make in CASES.items():
        place = pathlib.Path(folder) / name
        place.mkdir()
        about = {}
        for what in ("base", "over", *FEW.get(name, WAYS)):
            try:
                torch.save(build(make, what), place / f"{what}.pt")
            except RuntimeError as error:
                about[what] = str(error)
        (place / "about.json").write_text(json.dumps(about))
    print(json.dumps(list(CASES)))


if __name__ == "__main__":
    main(sys.argv[1])
