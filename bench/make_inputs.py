#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the checkpoints that bench/run measures with, each as NAME.pt (torch
zip) and NAME.safetensors, most as NAME.h5 too, the largest also as
NAME.legacy.pt (the stream of torch before 1.6) and as NAME.onnx with
NAME.onnx.data, in the folder given. What is there already, and as large as it
must be, is left alone; a file appears only when it is whole."""

import collections
import os
import sys

import safetensors.torch
import torch

import python_way


def bf16_2gib():
    """200 tensors of bfloat16, 2 GiB in all (the last bytes over it are
    rounding)."""
    noise = torch.Generator().manual_seed(1)
    tensors = collections.OrderedDict()
    for layer in range(50):
        for part in ("q", "k", "v", "o"):
            name = f"model.layers.{layer}.self_attn.{part}_proj.weight"
            value = torch.empty(2048, 2622, dtype=torch.int16)
            value.random_(0, 1 << 15, generator=noise)
            tensors[name] = value.view(torch.bfloat16)
    return tensors


def f32_2gib():
    """50 tensors of float32, 2 GiB in all, no two alike."""
    noise = torch.Generator().manual_seed(5)
    return collections.OrderedDict(
        (f"model.layers.{layer}.mlp.weight",
         torch.randn(4096, 2622, generator=noise)) for layer in range(50))


def many_50k():
    """50,000 tensors of 16 x 16 float32."""
    noise = torch.Generator().manual_seed(2)
    tensors = collections.OrderedDict()
    for block in range(12500):
        for part in ("a", "b", "c", "d"):
            name = f"blocks.{block}.{part}.weight"
            tensors[name] = torch.randn(16, 16, generator=noise)
    return tensors


def resnet152():
    """The state dict of ResNet-152: the names, order, shapes and dtypes that
    torchvision gives it, with random weights."""
    noise = torch.Generator().manual_seed(3)
    tensors = collections.OrderedDict()

    def conv(name, wide, deep, side):
        tensors[name + ".weight"] = torch.randn(
            wide, deep, side, side, generator=noise)

    def norm(name, wide):
        tensors[name + ".weight"] = torch.ones(wide)
        tensors[name + ".bias"] = torch.zeros(wide)
        tensors[name + ".running_mean"] = torch.zeros(wide)
        tensors[name + ".running_var"] = torch.ones(wide)
        tensors[name + ".num_batches_tracked"] = torch.tensor(0)

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    deep = 64
    for stage, (blocks, planes) in enumerate(
            ((3, 64), (8, 128), (36, 256), (3, 512)), start=1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            conv(name + ".conv1", planes, deep, 1)
            norm(name + ".bn1", planes)
            conv(name + ".conv2", planes, planes, 3)
            norm(name + ".bn2", planes)
            conv(name + ".conv3", planes * 4, planes, 1)
            norm(name + ".bn3", planes * 4)
            if block == 0:
                conv(name + ".downsample.0", planes * 4, deep, 1)
                norm(name + ".downsample.1", planes * 4)
            deep = planes * 4
    tensors["fc.weight"] = torch.randn(1000, 2048, generator=noise)
    tensors["fc.bias"] = torch.randn(1000, generator=noise)
    return tensors


def small():
    """What a two-layer network has: four tensors."""
    torch.manual_seed(4)
    return torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(),
                               torch.nn.Linear(32, 4)).state_dict()


# name: maker, the payload in bytes that a whole file has at least, suffixes
INPUTS = {
    "small": (small, 2000, ".pt .safetensors .h5"),
    "resnet152": (resnet152, 241_000_000, ".pt .safetensors"),
    "many-50k": (many_50k, 51_200_000, ".pt .safetensors .h5"),
    "bf16-2gib": (bf16_2gib, 2 << 30,
                  ".pt .safetensors .legacy.pt .onnx .h5"),
    "f32-2gib": (f32_2gib, 2 << 30, ".safetensors"),
}


def whole(path, least):
    if path.endswith(".onnx"):
        path += ".data"
    return os.path.exists(path) and os.path.getsize(path) >= least


def save(path, tensors):
    draft = path + ".part"
    if path.endswith(".onnx"):
        python_way.save_onnx(tensors, path)
        return
    if path.endswith(".h5"):
        python_way.save_hdf5(tensors, draft)
    elif path.endswith(".safetensors"):
        safetensors.torch.save_file(dict(tensors), draft)
    else:
        torch.save(tensors, draft, _use_new_zipfile_serialization=
                   not path.endswith(".legacy.pt"))
    os.rename(draft, path)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_inputs.py FOLDER")
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, (make, least, suffixes) in INPUTS.items():
        paths = [os.path.join(folder, name + suffix)
                 for suffix in suffixes.split()]
        missing = [path for path in paths if not whole(path, least)]
        if not missing:
            continue
        tensors = make()
        for path in missing:
            save(path, tensors)
            print(path, os.path.getsize(path))


if __name__ == "__main__":
    main()
