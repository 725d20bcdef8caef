#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_seeds.py: writes seeds/ anew, small real files of h5py and Keras'
forms. The seeds in the tree are those of h5py 3.7 with libhdf5 1.10.8."""
import pathlib

import h5py
import numpy as np

SEEDS = pathlib.Path(__file__).resolve().parent / "seeds"


def kinds(file):
    file["bool"] = np.array([True, False])
    file["half"] = np.float16(1.5)
    file["be"] = np.arange(3, dtype=">i4")
    file["complex"] = np.array([1 + 2j], dtype="c8")
    file["opaque"] = np.zeros(2, dtype="V2")
    file["texts"] = ["one", "two"]
    file["fixed"] = np.array([b"a", b"bcd"])
    file["null"] = h5py.Empty("f4")


def attributes(file):
    file.attrs["text"], file.attrs["bytes"] = "h\u00e9", b"raw"
    file.attrs["array"] = np.arange(4, dtype="<u2").reshape(2, 2)
    file.attrs["texts"] = ["a", "bc"]
    file.attrs["empty"] = h5py.Empty("f4")
    enum = h5py.enum_dtype({"RED": 1, "BLUE": 2}, basetype="i2")
    file.create_dataset("e", (2,), enum, fillvalue=2)


def links(file):
    file["a/x"] = np.arange(2, dtype="<f4")
    file["b/y"] = file["a/x"]
    file["b/up"] = file["/"]
    file["soft"] = h5py.SoftLink("/a/x")
    file["lost"] = h5py.SoftLink("nowhere")
    file["type"] = np.dtype("<f8")
    file.create_dataset("named", (2,), file["type"])


def elsewhere(file):
    file["far"] = h5py.ExternalLink("other.h5", "/x")
    file.create_dataset("outside", (2,), "<f4", external=[("raw", 0, 8)])


def tracked(file):
    group = file.create_group("g", track_order=True)
    for name in "zab":
        group[name] = np.int8(1)
        group.attrs[name] = 1


def many(file):
    for at in range(12):
        file[f"w{at}"] = np.int8(at)
        file.attrs[f"a{at}"] = np.int8(at)


def chunked(file):
    file.create_dataset("c", (8, 8), "<f4", chunks=(4, 4), compression=4)


def keras_2(file):
    file.attrs["layer_names"] = np.array([b"z", b"a"])
    for layer in "az":
        names = [f"{layer}/kernel:0".encode(), f"{layer}/bias:0".encode()]
        file.create_group(layer).attrs["weight_names"] = names
        for name in names:
            file[layer][name] = np.zeros(2, "<f4")


def keras_3(file):
    group = file.create_group("layers/dense/vars")
    group.attrs["name"] = "dense"
    for at in (10, 2):
        group[str(at)] = np.zeros(2, "<f4")


def main():
    SEEDS.mkdir(exist_ok=True)
    for fill in (kinds, attributes, links, elsewhere, tracked, many, chunked,
                 keras_2, keras_3):
        for libver in ("earliest", "latest"):
            path = SEEDS / f"{fill.__name__}-{libver}.h5"
            with h5py.File(path, "w", libver=libver) as file:
                fill(file)
    with h5py.File(SEEDS / "user-block.h5", "w", userblock_size=512) as file:
        keras_3(file)


if __name__ == "__main__":
    main()
