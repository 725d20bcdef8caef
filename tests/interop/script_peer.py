# SPDX-License-Identifier: MIT
"""script_peer.py: what one torch does with TorchScript.

    script_peer.py save FOLDER      every case as FOLDER/CASE.pt; their names
    script_peer.py others FOLDER    what holds programs and is not read
    script_peer.py describe FILE... for each the state_dict() of the module
                                    that torch.jit.load gives

Each answer is a line of JSON.
"""
import hashlib
import json
import sys
import warnings
from typing import Dict, List, Tuple

import torch
import torch.package

warnings.filterwarnings("ignore")


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        self.scale = torch.nn.Parameter(torch.arange(4.))
        self.register_buffer("counts", torch.arange(3))
        self.register_buffer("mask", torch.ones(2), persistent=False)

    def forward(self, x):
        return self.linear(x) + self.mask


class Model(torch.nn.Module):
    """Everything that a module may hold."""
    names: List[str]
    table: Dict[str, int]

    def __init__(self):
        super().__init__()
        self.first = Block()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 2),
                                          torch.nn.BatchNorm1d(2))
        self.again = self.first
        self.tied = torch.nn.Linear(3, 2)
        self.tied.weight = self.first.linear.weight
        self.names, self.table = ["x", "y"], {"k": 1}
        self.ints, self.floats = [1, 2, 3], [1.5, 2.5]
        self.flags, self.wide, self.nothing = [True, False], 2**40, None
        self.plain, self.many = torch.ones(2), [torch.ones(2), torch.ones(3)]
        self.turned = torch.nn.Parameter(torch.rand(2, 3).t(),
                                         requires_grad=False)
        self.register_parameter("no_parameter", None)
        self.register_buffer("no_buffer", None)
        self.list = torch.nn.ParameterList(
            [torch.nn.Parameter(torch.ones(i)) for i in (1, 2, 0)])
        self.small = torch.nn.Parameter(torch.rand(3).half())
        self.register_buffer("big", torch.arange(20.).double()[3:7])

    def forward(self, x):
        y = self.first(x) + self.layers(x) + self.tied(x) + self.again(x)
        return y + self.ints[0] + self.plain + self.many[0]


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)

    def forward(self, x):
        return self.lstm(x)[0]


def add_one(x):
    return x + torch.ones(2)


def cases():
    """(name, function that saves)."""
    torch.manual_seed(3)
    module = Model().eval()
    script = torch.jit.script(module)
    traced = torch.jit.trace(module, torch.ones(2, 3), strict=False)
    lstm = torch.jit.script(Recurrent())
    yield "scripted", lambda p: script.save(p)
    yield "training", lambda p: torch.jit.script(Model()).save(p)
    yield "extra", lambda p: script.save(p, _extra_files={"note.txt": "hi"})
    yield "traced", lambda p: traced.save(p)
    yield "frozen", lambda p: torch.jit.freeze(script).save(p)
    yield "mobile", lambda p: script._save_for_lite_interpreter(p)
    yield "lstm", lambda p: lstm.save(p)
    yield "function", lambda p: torch.jit.script(add_one).save(p)


class Doubling(torch.nn.Module):
    """One that keeps its state in a form of its own."""
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.training = False

    @torch.jit.export
    def __getstate__(self):
        return (self.weight * 2, self.training)

    @torch.jit.export
    def __setstate__(self, state: Tuple[torch.Tensor, bool]):
        self.weight, self.training = state[0], state[1]

    def forward(self, x):
        return x + self.weight


def others(folder):
    """Name -> what its refusal says."""
    script = torch.jit.script(torch.nn.Linear(3, 2))
    script._save_for_lite_interpreter(f"{folder}/flat.ptl",
                                      _use_flatbuffer=True)
    torch.jit.script(Doubling()).save(f"{folder}/doubling.pt")
    result = {"flat.ptl": "flatbuffer", "doubling.pt": "__getstate__"}
    with torch.package.PackageExporter(f"{folder}/package.pt") as package:
        package.extern("**")
        package.save_pickle("model", "model.pkl", {"a": torch.ones(2)})
    result["package.pt"] = "torch.package"
    if hasattr(torch, "export"):
        program = torch.export.export(torch.nn.Linear(3, 2),
                                      (torch.ones(1, 3),))
        torch.export.save(program, f"{folder}/program.pt2")
        result["program.pt2"] = "torch.export"
    return result


def describe(path):
    result = []
    state = torch.jit.load(path).state_dict()
    for name, tensor in state.items():
        data = tensor.detach().contiguous().numpy().tobytes()
        result.append({"name": name, "dtype": str(tensor.dtype)[6:],
                       "shape": list(tensor.shape),
                       "stride": list(tensor.stride()),
                       "offset": tensor.storage_offset(),
                       "sha256": hashlib.sha256(data).hexdigest(),
                       "storage": tensor.storage().data_ptr()})
    return result


def main():
    if sys.argv[1] == "save":
        names = []
        for name, save in cases():
            save(f"{sys.argv[2]}/{name}.pt")
            names.append(name)
        print(json.dumps(names))
    elif sys.argv[1] == "others":
        print(json.dumps(others(sys.argv[2])))
    else:
        print(json.dumps([describe(path) for path in sys.argv[2:]]))


main()
