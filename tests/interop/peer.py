# SPDX-License-Identifier: MIT
"""peer.py: what one torch does, driven as a process of its own, so that
torch of any age can be asked.

    peer.py version
    peer.py cases                     names of the cases this torch can make
    peer.py save FOLDER               every case as FOLDER/CASE.pt
    peer.py legacy FOLDER             the same as legacy streams
    peer.py serve         what torch.load finds in a file, asked by lines of
                          JSON: {"path", "only", "mmap"}

Each answer is a line of JSON. `only` is weights_only=True, `mmap` is
mmap=True. A description is the tree of values with its tensors in it;
storages are numbered as they are met, and a container or tensor that is met
again is told by number.
"""
import collections
import hashlib
import io
import json
import math
import sys
import warnings

import numpy
import torch

warnings.filterwarnings("ignore")
AGE = tuple(int(part) for part in torch.__version__.split(".")[:2])
NEW = AGE >= (2, 0)


# ---- The cases ----

class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(7, 5)
        self.norm = torch.nn.BatchNorm1d(5)
        self.head = torch.nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight


def model():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3),
                               torch.nn.BatchNorm2d(4), Tied())


def every_dtype():
    names = """bool uint8 int8 int16 int32 int64 float16 bfloat16 float32
        float64 complex64 complex128""".split()
    if NEW:
        names += """uint16 uint32 uint64 complex32 float8_e4m3fn float8_e5m2
            float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu
            float4_e2m1fn_x2""".split()
    result = {}
    for name in names:
        dtype = getattr(torch, name, None)
        if dtype is None:
            continue
        size = torch.zeros(1, dtype=dtype).element_size()
        raw = torch.arange(12 * size, dtype=torch.uint8)
        if name == "bool":
            raw = raw % 2
        result[name] = raw.view(dtype).reshape(3, 4)
    return result


def aliases():
    a = torch.arange(10.0)
    return [a, a[2:6], a.view(2, 5).t(), a]


def strides():
    big = torch.arange(1000.0)
    return {"expand": torch.arange(3.0).expand(4, 3),
            "transpose": torch.arange(6).reshape(2, 3).t(),
            "scalar": torch.tensor(5.5), "one": torch.ones(1),
            "empty": torch.zeros(0, 3), "hole": torch.zeros(3, 0, 2),
            "head": big[:2],
            "channels": torch.arange(120.0).reshape(2, 3, 4, 5)
            .contiguous(memory_format=torch.channels_last)}


def gaps():
    """Views between whose elements lie others that no tensor shows."""
    big = torch.arange(100.0)
    return {"step": big[5:20:3], "column": big.view(10, 10)[:, 3]}


def attributes():
    parameter = torch.nn.Parameter(torch.ones(3))
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    leaf = torch.ones(4, requires_grad=True)
    if NEW:
        parameter.tag = 1
        leaf.tag, leaf.leaf = "tag", "frozen"
    return {"tag": "parameter", "parameter": parameter, "frozen": frozen,
            "leaf": leaf}


def cycle_list():
    result = [torch.ones(2)]
    result.append(result)
    return result


def cycle_tuple():
    result = ([],)
    result[0].append(result)
    result[0].append(torch.ones(2))
    return result


def shared():
    inner = {"t": torch.ones(2), "n": 1}
    tensor = torch.zeros(3)
    return {"a": inner, "b": inner, "c": [tensor, tensor, inner]}


def scalars():
    return {"ints": [0, 1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -1,
                     -2**31, -2**31 - 1, 2**63 - 1, 2**63, -2**63, 2**200,
                     -2**200], "true": True, "false": False, "none": None,
            "floats": [0.0, -0.0, 1.5, 1e300, 5e-324, math.inf, -math.inf,
                       math.nan, 0.1],
            "text": ["", "plain", "\u00fc\u4e2d\U0001f600", "a\nb\0c", "a.b"],
            "nested": {"tuple": (1, (2, ()), [3, [], {}]), 7: "int key",
                       "": "empty key", None: 0, True: 1},
            "size": torch.Size([1, 2, 3]), "dtype": torch.float16,
            "device": torch.device("cuda:1"), "t": torch.ones(1)}


def rich():
    """What only an unguarded load accepts."""
    return {"bytes": b"", "raw": b"\0\xffabc", "set": {3}, "complex": 1 + 2j,
            "bytearray": bytearray(b"xy"), "frozen": frozenset([4]),
            "slice": slice(1, None, 2), "range": range(5),
            "default": collections.defaultdict(int, a=1),
            "counter": collections.Counter("aab"),
            "deque": collections.deque([1, 2]), "t": torch.ones(1)}


def arrays():
    return {"c": numpy.arange(6.0).reshape(2, 3),
            "f": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
            "big": numpy.arange(3, dtype=">i4"),
            "fields": numpy.array([(1, 2.5)], dtype="i4,f8"),
            "objects": numpy.array([1, "a", None], dtype=object),
            "scalar": numpy.float32(1.5), "dtype": numpy.dtype("int16"),
            "t": torch.ones(1)}


def training(optimizer):
    net = model()
    made = optimizer(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    made.step()
    return {"epoch": 3, "model": net.state_dict(), "lr": 0.1, "best": None,
            "optimizer": made.state_dict()}


def saved_to_buffer():
    out = io.BytesIO()
    torch.save({"t": torch.ones(2)}, out)
    return out.getvalue()


# Name -> (what makes it, options of torch.save)
CASES = {
    "plain": (lambda: model().state_dict(), {}),
    "many": (lambda: {f"t{i}": torch.full((i + 1,), float(i))
                      for i in range(12)}, {}),
    "dtypes": (every_dtype, {}),
    "aliases": (aliases, {}),
    "strides": (strides, {}),
    "gaps": (gaps, {}),
    "attributes": (attributes, {}),
    "shared": (shared, {}),
    "scalars": (scalars, {}),
    "strings": (lambda: {"l": [f"s{i}" for i in range(300)],
                         "again": [f"s{i}" for i in range(300)],
                         "t": torch.ones(1)}, {}),
    "big_map": (lambda: {f"k{i}": i for i in range(2001)}, {}),
    "big_list": (lambda: [list(range(1001)), list(range(1000)),
                          torch.ones(1)], {}),
    "ordered": (lambda: collections.OrderedDict(
        [("b", torch.ones(1)), ("a", collections.OrderedDict())]), {}),
    "tensor": (lambda: torch.arange(5), {}),
    "nothing": (lambda: None, {}),
    "adam": (lambda: training(torch.optim.Adam), {}),
    "sgd": (lambda: training(lambda p: torch.optim.SGD(p, 0.1, 0.9)), {}),
    "buffer": (saved_to_buffer, {"raw": True}),
    "cycle_list": (cycle_list, {}),
    "cycle_tuple": (cycle_tuple, {}),
    "rich": (rich, {}),
    "arrays": (arrays, {}),
}
for number in (1, 3, 4, 5):
    for name in ("plain", "scalars", "rich", "shared"):
        CASES[f"{name}_{number}"] = (CASES[name][0],
                                     {"pickle_protocol": number})


def save(folder, **form):
    made = []
    for name, (make, options) in CASES.items():
        path = f"{folder}/{name}.pt"
        value = make()
        if options.get("raw"):
            with open(path, "wb") as file:
                file.write(value)
        else:
            torch.save(value, path, **options, **form)
        made.append(name)
    return made


# ---- Descriptions ----

def dtype_name(dtype):
    return str(dtype).replace("torch.", "")


def raw_bytes(tensor):
    flat = tensor.detach().contiguous().clone().reshape(-1)
    if flat.numel() == 0:
        return b""
    if dtype_name(flat.dtype) == "bool":
        return flat.to(torch.uint8).numpy().tobytes()
    return flat.view(torch.uint8).numpy().tobytes()


def storage_key(tensor):
    storage = tensor.untyped_storage() if NEW else tensor.storage()
    return storage.data_ptr()


class Description:
    def __init__(self):
        self.seen = {}
        self.storages = {}
        self.kept = []

    def tensor(self, tensor):
        key = storage_key(tensor)
        known = self.storages.setdefault(key, len(self.storages))
        result = {"dtype": dtype_name(tensor.dtype),
                  "shape": list(tensor.shape),
                  "stride": list(tensor.stride()),
                  "offset": tensor.storage_offset(),
                  "storage": known if key else None,
                  "device": str(tensor.device),
                  "requires_grad": tensor.requires_grad,
                  "class": type(tensor).__name__,
                  "sha256": hashlib.sha256(raw_bytes(tensor)).hexdigest()}
        if vars(tensor):
            result["attributes"] = self.node(vars(tensor))
        return {"tensor": result}

    def pairs(self, mapping):
        return [[self.node(key), self.node(value)]
                for key, value in mapping.items()]

    def container(self, value):
        kind = type(value).__name__
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, dict):
            result = {kind: self.pairs(value)}
            if getattr(value, "_metadata", None) is not None:
                result["_metadata"] = self.node(value._metadata)
            if isinstance(value, collections.defaultdict):
                result["factory"] = repr(value.default_factory)
            return result
        if isinstance(value, (list, tuple, collections.deque)):
            return {kind: [self.node(item) for item in value]}
        if isinstance(value, (set, frozenset)):
            return {kind: sorted(map(repr, value))}
        if isinstance(value, numpy.ndarray):
            return {"ndarray": [str(value.dtype), list(value.shape),
                                value.flags.f_contiguous, repr(value)]}
        return {kind: repr(value)}

    def node(self, value):
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int) and type(value) is int:
            return {"int": str(value)}
        if isinstance(value, float) and type(value) is float:
            return {"float": value.hex()}
        if isinstance(value, (int, float, complex, bytes, torch.dtype,
                              torch.device, slice, range)):
            return {type(value).__name__: repr(value)}
        if id(value) in self.seen and value != ():
            return {"again": self.seen[id(value)]}
        self.kept.append(value)
        self.seen[id(value)] = len(self.seen)
        return self.container(value)


def describe(path, only, mmap):
    options = {"map_location": "cpu"}
    if NEW or only:
        options["weights_only"] = only
    if mmap:
        options["mmap"] = True
    return Description().node(torch.load(path, **options))


def answer(request):
    try:
        return describe(request["path"], request["only"], request["mmap"])
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    verb, *arguments = sys.argv[1:]
    if verb == "serve":
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), flush=True)
        return
    answers = {"version": lambda: torch.__version__,
               "cases": lambda: list(CASES), "save": save,
               "legacy": lambda folder: save(
                   folder, _use_new_zipfile_serialization=False)}
    json.dump(answers[verb](*arguments), sys.stdout)


if __name__ == "__main__":
    main()
