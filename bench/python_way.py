#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a script does today: the peer that bench/run measures against. Both
loads map the file where they can, which is the fastest that the libraries
offer."""

import os
import sys

import safetensors
import safetensors.torch
import torch


def load(path):
    if path.endswith(".onnx"):
        return load_onnx(path)
    if path.endswith(".h5"):
        return load_hdf5(path)
    if path.endswith(".safetensors"):
        return safetensors.torch.load_file(path)
    return torch.load(path, weights_only=True, mmap=not is_legacy(path))


def is_legacy(path):
    return path.endswith(".legacy.pt")


def load_hdf5(path):
    import h5py
    with h5py.File(path) as file:
        return {name: torch.from_numpy(data[()].view("i2"))
                .view(torch.bfloat16) if data.dtype == "V2"
                else torch.from_numpy(data[()])
                for name, data in file.items()}


def save_hdf5(tensors, path):
    """Data sets; those of bfloat16 as Keras 3 has them."""
    import h5py
    with h5py.File(path, "w") as file:
        for name, value in tensors.items():
            if value.dtype != torch.bfloat16:
                file.create_dataset(name, data=value.numpy())
                continue
            data = file.create_dataset(
                name, data=value.view(torch.int16).numpy().view("V2"))
            data.attrs["dtype"] = "bfloat16"


def load_onnx(path):
    import onnx
    return {tensor.name: torch.frombuffer(bytearray(tensor.raw_data),
                                          dtype=torch.bfloat16)
            .reshape(*tensor.dims)
            for tensor in onnx.load(path).graph.initializer}


def save_onnx(tensors, path):
    """A model of weights in bfloat16, with its data file beside it."""
    import onnx
    graph = onnx.GraphProto(name="weights")
    for name, value in tensors.items():
        graph.initializer.add(
            name=name, dims=value.shape, data_type=onnx.TensorProto.BFLOAT16,
            raw_data=value.view(torch.int16).numpy().tobytes())
    data = path + ".data"
    if os.path.exists(data):
        os.remove(data)
    onnx.save(onnx.helper.make_model(graph), path, save_as_external_data=True,
              location=os.path.basename(data))


def convert(source, target):
    save(load(source), target)


def cast(source, target):
    save({name: value.to(torch.bfloat16)
          for name, value in load(source).items()}, target)


def save(tensors, target):
    if target.endswith(".onnx"):
        save_onnx(tensors, target)
    elif target.endswith(".h5"):
        save_hdf5(tensors, target)
    elif target.endswith(".safetensors"):
        safetensors.torch.save_file(tensors, target)
    else:
        torch.save(tensors, target,
                   _use_new_zipfile_serialization=not is_legacy(target))


def ls(path):
    if path.endswith(".safetensors"):
        with safetensors.safe_open(path, "pt") as file:
            for name in file.keys():
                view = file.get_slice(name)
                print(name, view.get_dtype(), view.get_shape())
    elif path.endswith(".h5"):
        import h5py
        with h5py.File(path) as file:
            for name, data in file.items():
                print(name, data.dtype, data.shape)
    elif path.endswith(".onnx"):
        import onnx
        for tensor in onnx.load(path, load_external_data=False) \
                .graph.initializer:
            print(tensor.name, tensor.data_type, list(tensor.dims))
    else:
        for name, tensor in load(path).items():
            print(name, tensor.dtype, tuple(tensor.shape))


if __name__ == "__main__":
    {"convert": convert, "cast": cast, "ls": ls}[sys.argv[1]](*sys.argv[2:])
