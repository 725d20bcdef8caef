# SPDX-License-Identifier: MIT
"""models.py FOLDER: whole models as one torch saves them, each beside what
its state_dict() gives.

    CASE/model.pt         torch.save of the model, or of what holds models
    CASE/legacy.pt        the same in the form before 1.6
    CASE/old.tar          the same in the tar form of 0.1
    CASE/state/model.pt   the same with each model replaced by its state_dict()
    CASE/about.json       what ckpt is to say of it

The sizes of all tensors are cut down: this is about names.
"""
import collections
import hashlib
import inspect
import io
import json
import pathlib
import pickle
import struct
import sys
import tarfile
import warnings

import torch
import torch.nn.utils.prune as prune
from torch import nn
from torch.optim import swa_utils

import peer

warnings.filterwarnings("ignore")
CASES = {}


def case(make):
    CASES[make.__name__] = make
    return make


# ---- torch.nn ----

class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.second = self.first
        self.both = nn.ModuleList([self.first[0], self.first])


@case
def shared_children():
    return Shared()


class Buffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("kept", torch.arange(4.0))
        self.register_buffer("transient", torch.ones(2), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("none", None)
        self.child = None
        self.add_module("empty", None)
        self.loose = torch.ones(3)
        self.weight = nn.Parameter(torch.ones(2, 2), requires_grad=False)
        self.register_buffer("view", self.kept[1:3])


@case
def buffers_and_none():
    return nn.Sequential(Buffers(), nn.Linear(2, 2, bias=False), Buffers())


@case
def old_weight_norm():
    return nn.Sequential(nn.utils.weight_norm(nn.Linear(3, 4)),
                         nn.utils.weight_norm(nn.Conv1d(3, 4, 2), dim=None))


@case
def old_spectral_norm():
    cell = nn.utils.spectral_norm(nn.LSTMCell(3, 4), "weight_ih")
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 4)),
                         nn.utils.spectral_norm(cell, "weight_hh"))


@case
def pruned():
    net = nn.Sequential(nn.Linear(3, 4), nn.Conv2d(2, 3, 3))
    prune.l1_unstructured(net[0], "weight", amount=2)
    prune.random_structured(net[1], "weight", amount=1, dim=0)
    prune.remove(net[1], "weight")
    return net


@case
def recurrent():
    return nn.ModuleDict({
        "lstm": nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2),
        "gru": nn.GRU(3, 4), "rnn": nn.RNN(3, 4, bias=False),
        "cell": nn.LSTMCell(3, 4)})


@case
def attention():
    return nn.ModuleList([nn.MultiheadAttention(4, 2),
                          nn.MultiheadAttention(4, 2, kdim=3, vdim=2,
                                                add_bias_kv=True)])


@case
def transformer():
    return nn.Transformer(4, 2, 2, 1, 8)


@case
def norms():
    return nn.Sequential(
        nn.BatchNorm1d(3), nn.BatchNorm2d(3, affine=False),
        nn.BatchNorm3d(3, track_running_stats=False), nn.InstanceNorm1d(3),
        nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        nn.SyncBatchNorm(3), nn.GroupNorm(1, 3), nn.LayerNorm(3),
        nn.LocalResponseNorm(2))


class Lists(nn.Module):
    def __init__(self):
        super().__init__()
        self.list = nn.ParameterList([nn.Parameter(torch.ones(i + 1))
                                      for i in range(12)])
        self.dict = nn.ParameterDict({"b": nn.Parameter(torch.ones(1)),
                                      "a": nn.Parameter(torch.ones(2))})
        self.modules_ = nn.ModuleDict([("z", nn.Linear(1, 1)),
                                       ("a", nn.PReLU())])
        self.bag = nn.EmbeddingBag(4, 3)


@case
def lists_and_dicts():
    return Lists()


@case
def data_parallel():
    return nn.DataParallel(nn.Sequential(nn.Conv2d(1, 2, 3),
                                         nn.BatchNorm2d(2)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5)
        self.head.weight = self.embed.weight
        self.register_buffer("alias", self.embed.weight.data)


@case
def tied():
    return Tied()


def views_and_classes():
    net = nn.Linear(2, 2)
    net.register_buffer("conjugate", torch.tensor([1 + 2j, 3j]).conj())
    net.register_buffer("negative", torch.tensor([1 + 2j, 3j]).conj().imag)
    net.buffer = nn.Buffer(torch.ones(3))
    net.weight.tag = 5
    return net


def averaged():
    return swa_utils.AveragedModel(nn.Linear(2, 2))


if peer.NEW:  # before, no pickle could tell these
    case(averaged)
    case(views_and_classes)


@case
def partly_trained():
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(
        nn.BatchNorm1d(2), nn.Dropout(0.5)), nn.Linear(2, 1))
    net[1].eval()
    net[0].weight.requires_grad_(False)
    return net


class Cyclic(nn.Module):
    def __init__(self):
        super().__init__()
        self.child = nn.Linear(2, 2)
        self.child.parents = [self]
        self.itself = {"me": self}
        self.config = {"layers": [1, 2], "name": "c", "rate": 0.5}
        self.function = torch.relu
        self.shape = torch.Size([2, 3])
        self.device = torch.device("cpu")
        self.kind = torch.float16


@case
def cyclic_attributes():
    return Cyclic()


class Slotted(nn.Module):
    __slots__ = ("extra",)

    def __init__(self):
        super().__init__()
        self.extra = 5
        self.inner = nn.Linear(2, 2)


@case
def slots():
    return Slotted()


class Choosy(nn.Module):
    def __init__(self):
        super().__init__()
        self.lock = lambda: None
        self.inner = nn.Linear(2, 2)

    def __getstate__(self):
        state = self.__dict__.copy()
        del state["lock"]
        return state


@case
def own_getstate():
    return nn.Sequential(Choosy())


@case
def complex_and_half():
    net = nn.Sequential(nn.Linear(2, 2).to(torch.bfloat16),
                        nn.Linear(2, 2).half(), nn.Linear(2, 2).double())
    net.register_parameter("phase", nn.Parameter(
        torch.ones(2, dtype=torch.complex64)))
    return net


@case
def held_by_a_dict():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    other = nn.DataParallel(nn.Linear(3, 1))
    return {"epoch": 3, "model": net, "nested": {"teacher": [other, net]},
            "optimizer": torch.optim.Adam(net.parameters()).state_dict()}


@case
def held_by_a_list():
    return [nn.Linear(2, 2), (nn.Linear(1, 1), 5), "text"]


class Versioned(nn.Module):
    _version = 7

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(1, 1)


@case
def own_version():
    """Not among those that every form can tell."""
    return nn.Sequential(Versioned())


class Extra(nn.Linear):
    def get_extra_state(self):
        return torch.ones(1)

    def set_extra_state(self, state):
        pass


@case
def extra_state():
    return nn.Sequential(Extra(1, 1))


@case
def empty_module():
    return nn.ReLU()


# ---- torchvision ----

def vision():
    try:
        import torchvision.models as models
    except ImportError:
        return
    names = """resnet18 resnet50 resnext50_32x4d wide_resnet50_2 vgg11 vgg13_bn
        alexnet squeezenet1_0 squeezenet1_1 densenet121 mobilenet_v2
        mobilenet_v3_small inception_v3 googlenet shufflenet_v2_x0_5 mnasnet0_5
        efficientnet_b0 regnet_y_400mf convnext_tiny vit_b_32 swin_t""".split()
    for name in names:
        options = {"init_weights": False} if name in (
            "inception_v3", "googlenet", "vgg11", "vgg13_bn") else {}
        CASES[name] = lambda name=name, options=options: \
            getattr(models, name)(**options)
    CASES["deeplabv3"] = lambda: \
        models.segmentation.deeplabv3_mobilenet_v3_large(
            weights=None, weights_backbone=None)
    CASES["fasterrcnn"] = lambda: \
        models.detection.fasterrcnn_mobilenet_v3_large_fpn(
            weights=None, weights_backbone=None)
    CASES["r3d_18"] = lambda: models.video.r3d_18()
    CASES["raft_small"] = lambda: models.optical_flow.raft_small()


# ---- The tar form, which no torch of today writes ----

class TarPickler(pickle.Pickler):
    """Tensors and, the first time, classes of modules are named by ids."""

    def __init__(self, file):
        super().__init__(file, 2)
        self.tensors, self.told, self.kept = {}, set(), []

    def persistent_id(self, value):
        if isinstance(value, type) and issubclass(value, nn.Module):
            if value in self.told:
                return None
            self.told.add(value)
            return (value, inspect.getsourcefile(value),
                    inspect.getsource(value))
        if isinstance(value, torch.Tensor) and \
                not isinstance(value, nn.Parameter):
            self.kept.append(value)
            self.tensors.setdefault(id(value), (len(self.tensors) + 1, value))
            return str(self.tensors[id(value)][0])
        return None

    def reducer_override(self, value):
        if isinstance(value, nn.Parameter):
            return (nn.Parameter, (value.data,),
                    (value.requires_grad, False, collections.OrderedDict()))
        return NotImplemented


def in_protocol_2(value):
    return pickle.dumps(value, 2)


def save_tar(value, path):
    body = io.BytesIO()
    pickler = TarPickler(body)
    pickler.dump(value)
    kinds, storages = {}, {}
    tensors = in_protocol_2(len(pickler.tensors))
    for key, tensor in pickler.tensors.values():
        storage = tensor.storage()
        kind = getattr(torch, KINDS[tensor.dtype])
        at = storage.data_ptr() or -key
        number = storages.setdefault(at, (1000 + len(storages), storage))[0]
        kinds[number] = kind
        tensors += in_protocol_2((key, number, torch.Tensor))
        tensors += struct.pack("<ii", tensor.dim(), 0)
        tensors += struct.pack(f"<{2 * tensor.dim() + 1}q", *tensor.shape,
                               *tensor.stride(), tensor.storage_offset())
    stored = in_protocol_2(len(storages))
    for number, storage in storages.values():
        stored += in_protocol_2((number, "cpu", kinds[number]))
        flat = torch.empty(0, dtype=storage.dtype).set_(storage)
        stored += struct.pack("<q", len(flat)) + peer.raw_bytes(flat)
    stored += in_protocol_2([])
    members = {"sys_info": in_protocol_2(
        {"protocol_version": 1000, "little_endian": True,
         "type_sizes": {"short": 2, "int": 4, "long": 4}}),
        "pickle": body.getvalue(), "tensors": tensors, "storages": stored}
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


KINDS = {torch.float32: "FloatStorage", torch.int64: "LongStorage",
         torch.float64: "DoubleStorage", torch.bool: "BoolStorage",
         torch.uint8: "ByteStorage", torch.int32: "IntStorage"}


# ---- Saving ----

def no_initialisation():
    """Fills nothing: each tensor is filled when it is cut down."""
    for name in dir(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(nn.init, name, lambda tensor, *a, **k: tensor)


def cut_down(value):
    for module in found(value):
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.numel() > 100:
                tensor.data = torch.empty([min(size, 4) for size in
                                           tensor.shape], dtype=tensor.dtype)
                if tensor.is_floating_point():
                    tensor.data.normal_()
                else:
                    tensor.data.zero_()
    return value


def found(value):
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from found(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from found(item)


def states(value, seen):
    """The value with each module replaced by its state_dict()."""
    if isinstance(value, nn.Module):
        return seen.setdefault(id(value), value.state_dict())
    if isinstance(value, dict) and any(found(value)):
        return {key: states(item, seen) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and any(found(value)):
        return type(value)(states(item, seen) for item in value)
    return value


def join(path, name):
    return f"{path}.{name}" if path and name else path or name


def tensor_about(tensor, role):
    return {"dtype": peer.dtype_name(tensor.dtype),
            "shape": list(tensor.shape), "role": role,
            "sha256": hashlib.sha256(peer.raw_bytes(tensor)).hexdigest()}


def add_about(about, module, path):
    kept = module.state_dict(keep_vars=True)
    for name, value in kept.items():
        role = "parameter" if isinstance(value, nn.Parameter) else "buffer"
        about["tensors"].append([join(path, name), tensor_about(value, role)])
        if role == "parameter" and not value.requires_grad:
            about["frozen"].append(join(path, name))

    order = {id(parameter): number for number, parameter
             in enumerate(dict.fromkeys(
                 value for value in kept.values()
                 if isinstance(value, nn.Parameter)))}
    about["numbers"].update({join(path, name): order[id(value)] for
                             name, value in kept.items() if id(value) in order})

    def walk(module, path, around):
        kind = type(module)
        about["classes"][path] = f"{kind.__module__}.{kind.__qualname__}"
        if module.training != around:
            about["training"][path] = module.training
        for name, child in module._modules.items():
            if child is not None:
                walk(child, join(path, name), module.training)

    walk(module, path, None)


def describe(value, path, about, seen):
    if isinstance(value, nn.Module):
        if id(value) not in seen:
            add_about(about, value, path)
        else:
            for name, tensor in value.state_dict(keep_vars=True).items():
                role = "parameter" if isinstance(tensor, nn.Parameter) \
                    else "buffer"
                about["tensors"].append([join(path, name),
                                         tensor_about(tensor, role)])
        seen.add(id(value))
    elif isinstance(value, dict):
        for key, item in value.items():
            describe(item, join(path, str(key)), about, seen)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            describe(item, join(path, str(index)), about, seen)


def save(folder):
    no_initialisation()
    for name, make in CASES.items():
        where = folder / name
        (where / "state").mkdir(parents=True)
        torch.manual_seed(1)
        value = cut_down(make())
        torch.save(value, where / "model.pt")
        torch.save(value, where / "legacy.pt",
                   _use_new_zipfile_serialization=False)
        if name not in ("complex_and_half", "views_and_classes"):
            save_tar(value, where / "old.tar")
        torch.save(states(value, {}), where / "state" / "model.pt")
        about = {"tensors": [], "classes": {}, "training": {}, "frozen": [],
                 "numbers": {}}
        describe(value, "", about, set())
        (where / "about.json").write_text(json.dumps(about))


if __name__ == "__main__":
    vision()
    save(pathlib.Path(sys.argv[1]))
    print(json.dumps(list(CASES)))
