# SPDX-License-Identifier: MIT
"""dcp_peer.py: the distributed checkpoints that one torch makes.

    dcp_peer.py save FOLDER     a checkpoint of one process
    dcp_peer.py split FOLDER    one of two processes, tensors cut in pieces
    dcp_peer.py bricks FOLDER   a tensor in bricks of uneven sizes
    dcp_peer.py comb FOLDER     one whose chunks follow each other in no order
    dcp_peer.py wanted NAME     what is in it: a line of JSON, name -> dtype,
                                shape and digest, or a value
"""
import dataclasses
import hashlib
import json
import sys
import tempfile
import warnings

import torch

warnings.filterwarnings("ignore")
NEW = torch.__version__ >= "2"


def saved():
    torch.manual_seed(5)
    return {"weight": torch.arange(12.).reshape(3, 4),
            "state": {"half": torch.ones(2, dtype=torch.bfloat16),
                      "list": [torch.zeros(1), 3, {"z": torch.tensor(5)}],
                      "lr": 0.1, "deeper": {"bias": torch.rand(3)}},
            "part": torch.arange(100)[7:13], "turned": torch.rand(2, 3).t(),
            "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
            "step": 7, "name": "x", "none": None}


def split():
    base = torch.arange(35.).reshape(7, 5)
    return {"rows": (base, 0), "cols": (base + 1, 1), "same": (base + 2, None),
            "deep": {"cube": (torch.arange(24).reshape(2, 3, 4), 1),
                     "half": (torch.arange(9).half(), 0)}}


def bricks():
    return {"w": torch.arange(7 * 9 * 11.).reshape(7, 9, 11)}


def describe(value, name, result):
    if isinstance(value, dict):
        for key, item in value.items():
            describe(item, f"{name}.{key}" if name else key, result)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            describe(item, f"{name}.{index}", result)
    elif isinstance(value, tuple):
        describe(value[0], name, result)
    elif isinstance(value, torch.Tensor):
        data = value.contiguous().view(-1).view(torch.uint8) \
            if value.numel() and value.dim() else value.reshape(-1)
        digest = hashlib.sha256(data.numpy().tobytes()).hexdigest()
        result[name] = [str(value.dtype)[6:], list(value.shape), digest]
    else:
        result[name] = value


def make_hashable():
    """Torch 1.13 has default values that Python 3.11 does not take."""
    real = dataclasses.dataclass

    def patched(cls=None, **options):
        def wrap(one):
            one = real(one, **options)
            if one.__hash__ is None:
                one.__hash__ = object.__hash__
            return one
        return wrap if cls is None else wrap(cls)
    dataclasses.dataclass = patched


def save(folder):
    if NEW:
        import torch.distributed.checkpoint as dcp
        dcp.save(saved(), checkpoint_id=folder, no_dist=True)
    else:
        make_hashable()
        from torch.distributed._shard.checkpoint import (FileSystemWriter,
                                                         save_state_dict)
        save_state_dict(saved(), FileSystemWriter(folder), no_dist=True)


def one_of_two(rank, store, folder):
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    def spread(value):
        if isinstance(value, dict):
            return {key: spread(item) for key, item in value.items()}
        tensor, dim = value
        how = Replicate() if dim is None else Shard(dim)
        return distribute_tensor(tensor, mesh, [how])
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank,
                            world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    dcp.save(spread(split()), checkpoint_id=folder)
    dist.barrier()  # who ends first would cut the other's connection
    dist.destroy_process_group()


def write(folder, whole, boxes):
    """Boxes are pairs of offsets and sizes; equal items are written once."""
    import os
    import pickle
    import torch.distributed.checkpoint.metadata as meta
    from torch.distributed.checkpoint.filesystem import _StorageInfo

    os.makedirs(folder)
    storage, chunks, places = {}, [], {}
    with open(f"{folder}/__0_0.distcp", "wb") as file:
        for offsets, sizes in boxes:
            part = whole[tuple(slice(o, o + s)
                               for o, s in zip(offsets, sizes))].clone()
            key = (tuple(sizes), part.numpy().tobytes())
            if key not in places:
                start = file.tell()
                torch.save(part, file)
                places[key] = (start, file.tell() - start)
            offsets, sizes = torch.Size(offsets), torch.Size(sizes)
            chunks.append(meta.ChunkStorageMetadata(offsets, sizes))
            storage[meta.MetadataIndex("w", offsets)] = _StorageInfo(
                "__0_0.distcp", *places[key])
    entry = meta.TensorStorageMetadata(
        meta.TensorProperties(dtype=whole.dtype), whole.shape, chunks)
    with open(f"{folder}/.metadata", "wb") as file:
        pickle.dump(meta.Metadata({"w": entry}, storage_data=storage), file)


def write_bricks(folder):
    cuts = [(0, 2, 3, 7), (0, 4, 9), (0, 1, 5, 6, 11)]
    spans = [list(zip(c, c[1:])) for c in cuts]
    write(folder, bricks()["w"],
          [([a, b, c], [d - a, e - b, f - c])
           for c, f in spans[2] for b, e in spans[1] for a, d in spans[0]])


def write_comb(folder):
    """Beside one chunk are 5000, and each row changes over to another."""
    depth, height = 100, 5000
    write(folder, torch.zeros(depth, height, 2, dtype=torch.uint8),
          [([0, 0, 0], [depth, height, 1])] +
          [([0, i, 1], [depth, 1, 1]) for i in range(height)])


def main():
    if sys.argv[1] == "save":
        save(sys.argv[2])
    elif sys.argv[1] == "split":
        store = tempfile.mkdtemp() + "/store"
        torch.multiprocessing.spawn(one_of_two, args=(store, sys.argv[2]),
                                    nprocs=2)
    elif sys.argv[1] == "bricks":
        write_bricks(sys.argv[2])
    elif sys.argv[1] == "comb":
        write_comb(sys.argv[2])
    else:
        result = {}
        wanted = {"save": saved, "split": split, "bricks": bricks}
        describe(wanted[sys.argv[2]](), "", result)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
