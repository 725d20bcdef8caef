# SPDX-License-Identifier: MIT
"""Samples of each format that is read, small enough to be cut at every byte,
made from the standard library alone."""
import pathlib
import sys
import zipfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import tools  # noqa: E402


def torch_members():
    return tools.members(tools.p_whole(tools.p_dict(
        weight=tools.p_tensor(tools.p_storage()),
        tied=tools.p_tensor(tools.p_storage(), strides=(1, 2)),
        steps=tools.p_int(2**40), name=tools.p_text("n"))))


def legacy_values():
    one = tools.p_legacy_storage()
    part = tools.p_legacy_storage(view=("11", 1, 3))
    return tools.p_whole(tools.p_dict(
        weight=tools.p_tensor(one), tied=tools.p_tensor(one, strides=(1, 2)),
        part=tools.p_tensor(part, shape=(3,), strides=(1,)),
        steps=tools.p_int(2**40), name=tools.p_text("n")))


SAMPLES = {
    "safetensors": ("safetensors", ".safetensors", tools.safetensors(
        {"a.weight": ("F32", [2, 2], bytes(range(16))),
         "b": ("U8", [3], b"xyz")}, {"format": "pt"})),
    "torch-zip": ("torch-zip", ".pt", tools.zipped(torch_members())),
    "torch-zip-deflated": ("torch-zip", ".pt", tools.zipped(
        torch_members(), zipfile.ZIP_DEFLATED)),
    "torch-legacy": ("torch-legacy", ".pt", tools.legacy_stream(
        legacy_values(), {"10": (4, bytes(range(16)))})),
    "torch-tar": ("torch-tar", ".pth", tools.torch_tar(
        tools.p_whole(tools.p_dict(
            weight=tools.p_key(2), tied=tools.p_key(3),
            steps=tools.p_int(2**40), name=tools.p_text("n"))),
        {1: ("FloatStorage", 4, bytes(range(16)))},
        {2: (1, "FloatTensor", (2, 2), (2, 1), 0),
         3: (1, "FloatTensor", (2, 2), (1, 2), 0)})),
}


@pytest.fixture(params=SAMPLES)
def sample(request):
    """(reader, suffix, bytes)"""
    return SAMPLES[request.param]
