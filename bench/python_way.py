#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a script does today: the peer that bench/run measures against. Both
loads map the file where they can, which is the fastest that the libraries
offer."""

import sys

import safetensors
import safetensors.torch
import torch


def load(path):
    if path.endswith(".safetensors"):
        return safetensors.torch.load_file(path)
    return torch.load(path, weights_only=True, mmap=not is_legacy(path))


def is_legacy(path):
    return path.endswith(".legacy.pt")


def convert(source, target):
    if target.endswith(".safetensors"):
        safetensors.torch.save_file(load(source), target)
    else:
        torch.save(load(source), target,
                   _use_new_zipfile_serialization=not is_legacy(target))


def ls(path):
    if path.endswith(".safetensors"):
        with safetensors.safe_open(path, "pt") as file:
            for name in file.keys():
                view = file.get_slice(name)
                print(name, view.get_dtype(), view.get_shape())
    else:
        for name, tensor in load(path).items():
            print(name, tensor.dtype, tuple(tensor.shape))


{"convert": convert, "ls": ls}[sys.argv[1]](*sys.argv[2:])
