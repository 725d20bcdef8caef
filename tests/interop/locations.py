# SPDX-License-Identifier: MIT
"""locations.py: where one torch would put storages, without having such
devices: a deserializer that is asked first takes the storage as it is, and
notes the place. Asked by lines of JSON, each answered by one:

    ["save", FOLDER]          files with every kind of tag, as torch itself
                              writes them: FOLDER/zip.pt, legacy.pt, calls.pt
    ["load", PATH, WHERE]     {tensor: place} of torch.load(PATH,
                              map_location=WHERE)
    ["devices", PATH, WHERE]  {tensor: device}, by torch's own deserializers
    ["strip", PATH, OUT, PREFIX]  what torch's own helper does

What fails is answered by {"error": why}.
"""
import json
import pathlib
import sys
import warnings

import torch

warnings.filterwarnings("ignore")
NEW = int(torch.__version__.split(".")[0]) >= 2
TAGS = ["cpu", "cuda:1", "cuda:0", "cuda", "mps", "cuda:1", "xpu:2", "meta"]


class Wrapped(torch.Tensor):
    """A tensor of which a file holds the outside alone."""

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise NotImplementedError(function)


class Hook:
    """What stands before torch's own taggers and deserializers."""
    tags = {}      # by address
    places = None  # by address, while a load is watched

    @staticmethod
    def tag(storage):
        return Hook.tags.get(address(storage))

    @staticmethod
    def note(storage, place):
        if Hook.places is None:
            return None
        Hook.places[address(storage)] = place
        return storage


def address(storage):
    return storage.data_ptr()


def storage_of(tensor):
    return tensor.untyped_storage() if NEW else tensor.storage()


def tagged():
    tensors = {f"t{i}": torch.arange(4.0) + i for i in range(len(TAGS))}
    places = {address(storage_of(t)): tag
              for t, tag in zip(tensors.values(), TAGS)}
    tensors["tied"] = tensors["t1"][1:3]
    tensors["nested"] = {"list": [tensors["t2"].reshape(2, 2).t()]}
    tensors["device"] = torch.device("cuda:1")
    tensors["text"] = "cuda:1"
    return tensors, places


def save(folder):
    tensors, Hook.tags = tagged()
    torch.save(tensors, folder / "zip.pt")
    torch.save(tensors, folder / "legacy.pt",
               _use_new_zipfile_serialization=False)
    Hook.tags = {}
    if NEW:
        save_calls(folder / "calls.pt")


class Call:
    """Pickled as the call of a function of torch."""

    def __init__(self, name, *args):
        self.name, self.args = name, args

    def __reduce__(self):
        room = torch._utils if hasattr(torch._utils, self.name) \
            else torch._tensor
        return getattr(room, self.name), self.args


def save_calls(path):
    def wrapper(device):
        return Call("_rebuild_wrapper_subclass", Wrapped, torch.float32, (4,),
                    (1,), 0, torch.strided, torch.device(device), False)
    torch.save({
        "moved": Call("_rebuild_device_tensor_from_cpu_tensor",
                      torch.arange(4.0), torch.float32, "cuda:1", False),
        "here": Call("_rebuild_device_tensor_from_cpu_tensor",
                     torch.arange(3.0), torch.float32, "cpu", False),
        "typed": Call("_rebuild_from_type_v2",
                      torch._utils._rebuild_device_tensor_from_cpu_tensor,
                      torch.nn.Parameter,
                      (torch.arange(2.0), torch.float32, "cuda:1", False), {}),
        "wrapped": wrapper("cuda:1"), "inside": wrapper("cpu"),
        "empty": torch.empty(3, device="meta"),
    }, path)


def named(tree, prefix=""):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        name = f"{prefix}{key}"
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, (dict, list)):
            yield from named(value, name + ".")


def load_tree(path, where):
    options = {"weights_only": False} if NEW else {}
    return torch.load(path, map_location=where, **options)


def load(path, where):
    Hook.places = {}
    try:
        tensors = dict(named(load_tree(path, where)))
        return {name: Hook.places[address(storage_of(tensor))]
                for name, tensor in tensors.items()}
    finally:
        Hook.places = None


def devices(path, where):
    return {name: str(tensor.device)
            for name, tensor in named(load_tree(path, where))}


def strip(path, out, prefix):
    state = load_tree(path, None)
    torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state,
                                                                   prefix)
    torch.save(state, out)


def answer(what, path, *rest):
    calls = {"save": save, "load": load, "devices": devices, "strip": strip}
    try:
        return calls[what](pathlib.Path(path), *rest)
    except Exception as error:  # whatever torch has to say
        return {"error": str(error)}


def main():
    sys.modules["locations"] = sys.modules["__main__"]
    Wrapped.__module__ = "locations"
    torch.serialization.register_package(0, Hook.tag, Hook.note)
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
