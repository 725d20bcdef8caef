# SPDX-License-Identifier: MIT
"""values_peer.py: what one torch makes beyond plain tensors, driven as a
process of its own.

    values_peer.py save FOLDER       every case as FOLDER/CASE.pt; the names
    values_peer.py same              asked by lines of JSON: {"before",
                                     "after", "only"}; what differs, or null
"""
import argparse
import collections
import datetime
import decimal
import enum
import functools
import json
import pathlib
import sys
import types
import warnings

import numpy
import torch

warnings.filterwarnings("ignore")
NEW = int(torch.__version__.split(".")[0]) >= 2
X = torch.arange(12.0).reshape(3, 4)


class Sub(torch.Tensor):
    """A tensor of a class of its own."""


class Color(enum.Enum):
    RED = 1
    BLUE = "b"


class Bag(dict):
    """A dict with attributes."""


class Pile(list):
    pass


class Slots:
    __slots__ = ("a", "b")

    def __eq__(self, other):
        return (self.a, self.b) == (other.a, other.b)


class Keeper:
    """Holds a storage where no tensor is."""

    def __init__(self):
        self.held = torch.arange(4.0).storage()
        self.tensor = torch.ones(2)

    def __eq__(self, other):
        return list(self.held) == list(other.held) and \
            torch.equal(self.tensor, other.tensor)


class Rebuilt:
    """Pickles as a call of a function of torch."""

    def __init__(self, name, *arguments):
        self.called = (getattr(torch._utils, name), arguments)

    def __reduce__(self):
        return self.called


class Wrapper(torch.Tensor):
    """A tensor without bytes of its own around another."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device="cpu")

    def __init__(self, inner):
        self.inner = inner

    def __reduce_ex__(self, protocol):
        return (torch._tensor._rebuild_from_type_v2,
                (torch._utils._rebuild_wrapper_subclass, Wrapper,
                 (Wrapper, self.dtype, tuple(self.shape), self.stride(), 0,
                  torch.strided, torch.device("cpu"), False),
                 {"inner": self.inner}))

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise NotImplementedError(str(func))


def per_channel(zeros, dtype, axis=0):
    return torch.quantize_per_channel(
        X, torch.tensor([.1, .2, .3]), torch.tensor(zeros), axis, dtype)


def quantised():
    return {"int8": torch.quantize_per_tensor(X, .1, 3, torch.qint8),
            "uint8": torch.quantize_per_tensor(X, .1, 3, torch.quint8),
            "int32": torch.quantize_per_tensor(X, .1, 3, torch.qint32),
            "channel": per_channel([1, 2, 3], torch.qint8),
            "float": per_channel([1.0, 2.0, 3.0], torch.quint8)}


def packed():
    return {"four": per_channel([1.0, 2.0, 3.0], torch.quint4x2),
            "two": per_channel([1.0, 2.0, 3.0], torch.quint2x4)}


def dynamic():
    net = torch.nn.Sequential(torch.nn.Linear(4, 3))
    return torch.quantization.quantize_dynamic(
        net, {torch.nn.Linear}, dtype=torch.qint8).state_dict()


def compressed():
    wide = X.reshape(2, 6)
    return {"csr": X.to_sparse_csr(), "csc": X.to_sparse_csc(),
            "bsr": wide.to_sparse_bsr((1, 2)),
            "bsc": wide.to_sparse_bsc((1, 2))}


def coo():
    twice = torch.sparse_coo_tensor(torch.tensor([[0, 0], [1, 1]]),
                                    torch.tensor([1.0, 2.0]), (3, 4))
    return {"w": X.to_sparse(), "twice": twice,
            "empty": torch.zeros(2, 3).to_sparse()}


def meta():
    return {"w": torch.empty(3, 4, device="meta"),
            "p": torch.nn.Parameter(torch.empty(2, device="meta")),
            "large": torch.empty(10**9, 10**6, device="meta",
                                 dtype=torch.float16).t()}


def bits():
    c = torch.tensor([1 + 2j, 3 - 1j])
    return {"conj": c.conj(), "neg": c.clone().conj().imag, "plain": c,
            "both": torch._neg_view(torch.tensor([1 + 2j]).conj()),
            "turned": X.to(torch.complex64).conj().t()}


def subclass():
    w = torch.ones(3).as_subclass(Sub)
    w.tag = {"k": [1, torch.zeros(2)]}
    tagged = torch.ones(2)
    tagged.note = "n"
    return {"w": w, "bare": torch.ones(2).as_subclass(Sub),
            "tagged": tagged}


def arrays():
    a = numpy.arange(6.0).reshape(2, 3)
    return {"c": a, "f": numpy.asfortranarray(a), "s": a[:, ::2], "again": a,
            "big": numpy.arange(3, dtype=">i4"), "one": numpy.array(5.0),
            "empty": numpy.zeros((0, 3)), "bool": numpy.array([True, False]),
            "u1": numpy.arange(3, dtype="u1"), "c16": numpy.array([1 + 2j]),
            "u2": numpy.arange(3, dtype="u2"), "f2": numpy.ones(2, "f2"),
            "fields": numpy.array([(1, 2.5)], dtype="i4,f8"),
            "objects": numpy.array([1, "a", None], dtype=object),
            "text": numpy.array(["ab", "c"]),
            "days": numpy.array(["2020-01-01"], "M8[D]"),
            "large": numpy.arange(5000.0), "t": torch.ones(1)}


def scalars():
    return {"f": numpy.float32(1.5), "i": numpy.int64(7),
            "b": numpy.bool_(True), "c": numpy.complex64(1 + 2j),
            "s": numpy.str_("hi"), "dtype": numpy.dtype("int16"),
            "order": numpy.dtype(">f4"), "fields": numpy.dtype("i4,f8")}


def objects():
    bag = Bag(a=1, t=torch.ones(2))
    bag.extra = "e"
    slots = Slots()
    slots.a, slots.b = 1, torch.ones(1)
    default = collections.defaultdict(list, a=[1])
    return {"set": {3}, "frozen": frozenset([4]), "array": bytearray(b"xy"),
            "empty": (set(), frozenset(), bytearray(), b""),
            "complex": 1 + 2j, "slice": slice(1, None, 2), "range": range(5),
            "namespace": argparse.Namespace(lr=0.1, name="n"),
            "simple": types.SimpleNamespace(a=1), "color": Color.RED,
            "blue": Color.BLUE, "path": pathlib.PurePosixPath("/a/b"),
            "day": datetime.date(2020, 1, 2),
            "time": datetime.datetime(2020, 1, 2, 3, 4, 5),
            "zone": datetime.timezone.utc, "decimal": decimal.Decimal("1.5"),
            "counter": collections.Counter("aab"), "default": default,
            "deque": collections.deque([1, 2], maxlen=3),
            "partial": functools.partial(int, "12", base=3), "bag": bag,
            "pile": Pile([1, [2]]), "slots": slots, "type": int,
            "function": len, "error": ValueError("x", 1)}


def device_tensors():
    names = ["_rebuild_device_tensor_from_numpy", "_rebuild_xla_tensor"]
    made = {name: Rebuilt(name, numpy.arange(3.0), torch.float64, "xla:0",
                          True) for name in names}
    if NEW:
        made["cpu"] = Rebuilt("_rebuild_device_tensor_from_cpu_tensor",
                              torch.arange(3), torch.int64, "xla:1", False)
    return made


def nested():
    return {"w": torch.nested.nested_tensor([torch.ones(2, 3),
                                             torch.zeros(1, 3)])}


CASES = {"quantised": quantised, "packed": packed, "dynamic": dynamic,
         "coo": coo, "meta": meta, "bits": bits, "subclass": subclass,
         "keeper": lambda: {"k": Keeper()},
         "device": device_tensors, "objects": objects}
if NEW:
    CASES.update(compressed=compressed, nested=nested,
                 wrapper=lambda: {"w": Wrapper(torch.ones(2))},
                 lazy=lambda: {"p": torch.nn.UninitializedParameter()},
                 buffer=lambda: {"b": torch.nn.Buffer(torch.ones(2))})
else:
    CASES["csr"] = lambda: {"csr": X.to_sparse_csr()}
OPTIONS = {name: (make, {}) for name, make in CASES.items()}
for number in (2, 3, 4, 5):
    for name, make in (("arrays", arrays), ("scalars", scalars),
                       ("objects", objects)):
        OPTIONS[f"{name}_{number}"] = (make, {"pickle_protocol": number})


def save(folder):
    for name, (make, options) in OPTIONS.items():
        torch.save(make(), f"{folder}/{name}.pt", **options)
    return list(OPTIONS)


# ---- Comparing ----

def storage_bytes(tensor):
    storage = tensor.untyped_storage() if NEW else tensor.storage().untyped()
    return bytes(storage)


def same_quantiser(a, b):
    if a.qscheme() != b.qscheme():
        return False
    if "channel" not in str(a.qscheme()):
        return (a.q_scale(), a.q_zero_point()) == \
            (b.q_scale(), b.q_zero_point())
    return a.q_per_channel_axis() == b.q_per_channel_axis() and \
        torch.equal(a.q_per_channel_scales(), b.q_per_channel_scales()) and \
        torch.equal(a.q_per_channel_zero_points(),
                    b.q_per_channel_zero_points())


def same_tensor(a, b, loose):
    if isinstance(a, torch.nn.UninitializedParameter):
        return True
    if isinstance(a, Wrapper):
        return torch.equal(a.inner, b.inner)
    if getattr(a, "is_nested", False):
        return all(torch.equal(x, y) for x, y in zip(a.unbind(), b.unbind()))
    for key in ("dtype", "layout", "device", "requires_grad", "shape"):
        if getattr(a, key) != getattr(b, key):
            return False
    if different(vars(a), vars(b), "", loose):
        return False
    if a.layout == torch.sparse_coo:
        return a.is_coalesced() == b.is_coalesced() and \
            torch.equal(a._indices(), b._indices()) and \
            torch.equal(a._values(), b._values())
    if a.layout != torch.strided:
        return torch.equal(a.to_dense(), b.to_dense())
    if not loose and a.stride() != b.stride():
        return False
    if a.device.type == "meta":
        return True
    if a.is_quantized:
        return same_quantiser(a, b) and storage_bytes(a) == storage_bytes(b)
    if not loose and (a.is_conj(), a.is_neg()) != (b.is_conj(), b.is_neg()):
        return False
    return torch.equal(a, b)


def same_array(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and \
        a.flags.f_contiguous == b.flags.f_contiguous and \
        a.flags.writeable == b.flags.writeable and list(a.flat) == list(b.flat)


def different(a, b, path, loose):
    """The first thing that differs, or None."""
    if type(a) is not type(b):
        return f"{path}: {type(a)} against {type(b)}"
    if isinstance(a, torch.Tensor):
        return None if same_tensor(a, b, loose) else f"{path}: {a} {b}"
    if isinstance(a, numpy.ndarray):
        return None if same_array(a, b) else f"{path}: {a!r} {b!r}"
    if isinstance(a, dict):
        if list(a) != list(b):
            return f"{path}: keys {list(a)} {list(b)}"
        for key in a:
            found = different(a[key], b[key], f"{path}.{key}", loose)
            if found:
                return found
        if hasattr(a, "__dict__"):
            return different(vars(a), vars(b), path, loose)
        return None
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return f"{path}: {len(a)} items against {len(b)}"
        return next(filter(None, (different(x, y, path, loose)
                                  for x, y in zip(a, b))), None)
    try:
        if a == b:
            return None
    except Exception:
        pass
    return None if repr(a) == repr(b) else f"{path}: {a!r} {b!r}"


def load(path, only):
    options = {"map_location": "cpu"}
    if "meta" in path:
        options = {}
    if NEW or only:
        options["weights_only"] = only
    return torch.load(path, **options)


def same(request):
    try:
        before = load(request["before"], request["only"])
    except Exception as error:
        return f"unreadable: {type(error).__name__}: {error}"
    try:
        after = load(request["after"], request["only"])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return different(before, after, "", request["loose"])


def main():
    if sys.argv[1] == "save":
        json.dump(save(sys.argv[2]), sys.stdout)
        return
    for line in sys.stdin:
        print(json.dumps(same(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
