# SPDX-License-Identifier: MIT
"""pickles_peer.py: plain pickles of tensors and of arrays.

    pickles_peer.py save FOLDER      every case as FOLDER/CASE.pkl; what is in
                                     it: {case: {name: [dtype, shape, sha256]}}
"""
import collections
import gzip
import hashlib
import json
import pickle
import sys

import numpy
import torch

PROTOCOLS = range(6)


class Named:
    """As Paddle saves a parameter: a call of tuple."""

    def __init__(self, name, array):
        self.pair = (name, array)

    def __reduce__(self):
        return tuple, (self.pair,)


def tensors():
    return collections.OrderedDict([
        ("t", torch.arange(5.0)), ("empty", torch.zeros(0, 3)),
        ("half", torch.arange(6, dtype=torch.float16).reshape(2, 3).t()),
        ("parameter", torch.nn.Parameter(torch.ones(2))),
        ("large", torch.arange(100000)), ("bool", torch.tensor([True, False])),
        ("bfloat16", torch.arange(3).to(torch.bfloat16)),
        ("bytes", torch.arange(70000, dtype=torch.int32).to(torch.uint8))])


def arrays():
    large = numpy.arange(300000, dtype="<i4").reshape(1000, 300)
    return {"small": numpy.arange(6.0).reshape(2, 3), "large": large,
            "fortran": numpy.asfortranarray(large), "scalar": numpy.array(2.5),
            "big": numpy.arange(100000, dtype=">i8"),
            "odd": numpy.arange(256, dtype="u1").repeat(300),
            "objects": numpy.array([1, None], dtype=object), "number": 1.5,
            "text": "\u00fc" * 100000, "nested": [numpy.ones(2), {"a": None}]}


def paddle():
    return {"linear.weight": Named("linear_0.w_0",
                                   numpy.ones((2, 3), "f4")),
            "linear.bias": Named("linear_0.b_0", numpy.zeros(70000, "f4")),
            "StructuredToParameterName@@": {"linear.weight": "linear_0.w_0"}}


def found(value, name=""):
    """(name, tensor or array) of all that is listed."""
    if isinstance(value, Named):
        value = value.pair[1]
    if isinstance(value, dict):
        for key, item in value.items():
            yield from found(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from found(item, f"{name}.{index}")
    elif isinstance(value, torch.Tensor):
        yield name, value.detach().contiguous().clone()
    elif isinstance(value, numpy.ndarray) and value.dtype != object:
        little = value.astype(value.dtype.newbyteorder("<"))
        yield name, torch.from_numpy(little.copy(order="C"))


def raw(tensor):
    if tensor.numel() == 0:
        return b""
    if tensor.dtype == torch.bool:
        return tensor.numpy().tobytes()
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def described(value):
    return {name: [str(tensor.dtype).replace("torch.", ""),
                   list(tensor.shape), hashlib.sha256(raw(tensor)).hexdigest()]
            for name, tensor in found(value)}


def save(folder):
    result = {}
    for name, make in (("tensors", tensors), ("arrays", arrays),
                       ("paddle", paddle)):
        for protocol in PROTOCOLS:
            value = make()
            case = f"{name}_{protocol}"
            with open(f"{folder}/{case}.pkl", "wb") as file:
                pickle.dump(value, file, protocol=protocol)
            result[case] = described(value)
    with gzip.open(f"{folder}/zipped.pkl", "wb") as file:
        pickle.dump(arrays(), file)
    result["zipped"] = described(arrays())
    return result


if __name__ == "__main__":
    json.dump(save(sys.argv[2]), sys.stdout)
