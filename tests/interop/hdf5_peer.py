# SPDX-License-Identifier: MIT
"""h5py, as a process of its own, under whichever Python has it.

hdf5_peer.py version              the versions of h5py and libhdf5
hdf5_peer.py write FOLDER         writes the files of CASES
hdf5_peer.py deep FILE N          writes N groups within groups
hdf5_peer.py complex FILE         writes complex numbers of libhdf5 2.0, if it
                                  can: true or false
hdf5_peer.py describe FILE...     what h5py finds in each, as JSON
"""
import hashlib
import json
import math
import os
import sys

import h5py
import numpy as np

LIBVERS = ("earliest", "v108", "v110", "latest")
BLOCKS = (0, 512, 2048)
DTYPES = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8",
          "c8", "c16")


# ---- Writing ----

def numbers(dtype, shape):
    count = int(np.prod(shape, dtype=int))
    return (np.arange(count) % 113 - 50 * (np.dtype(dtype).kind not in "ub")
            ).reshape(shape).astype(dtype)


def compact(group, name, data):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(data.shape)
    kind = h5py.h5t.py_create(data.dtype, logical=True)
    made = h5py.h5d.create(group.id, name.encode(), kind, space, plist)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, data)


def fill_dtypes(file):
    """Groups of few links each: those of many are not plain in new files."""
    for at, dtype in enumerate(DTYPES):
        group = file.create_group(f"t{at // 6}/{dtype}")
        for order in "<>":
            data = numbers(order + dtype, (3, 5))
            side = "be" if order == ">" else "le"
            group.create_dataset(f"{side}.plain", data=data)
            compact(group, f"{side}.compact", data)
            group.create_dataset(f"{side}.unwritten", (4, 2), order + dtype,
                                 fillvalue=None if dtype[0] == "c" else 7)
    file["o/flags"] = np.array([True, False, True])
    file["o/scalar"] = np.float32(2.5)
    file["o/nothing"] = np.zeros((0, 3), "<f4")
    file["o/deep"] = numbers("<f4", (1, 2, 1, 3, 1, 2, 1))


def fill_attributes(file):
    a = file.create_group("a").attrs
    a["int"], a["half"], a["flag"] = np.int32(-3), np.float16(1.5), True
    a["text"], a["bytes"] = "h\u00e9 \u2713", b"ascii"
    a["array"] = np.arange(6, dtype=">i2").reshape(2, 3)
    b = file.create_group("b").attrs
    b["empty"], b["complex"] = h5py.Empty("f4"), np.complex64(1 + 2j)
    b["texts"] = ["a", "bc", ""]
    b["fixed"] = np.array([b"a", b"bcd"])
    b["big"] = np.uint64(2 ** 64 - 1)
    b["none"] = np.zeros((0,))
    file.attrs["long"] = "x" * 100000
    file.create_dataset("a/d", data=np.arange(3)).attrs["unit"] = "m"


def fill_links(file):
    file["a/first"] = numbers("<f4", (4,))
    file["b/second"] = file["a/first"]
    file["a/loop"] = file["/"]
    file["b/soft"] = h5py.SoftLink("/a/first")
    file["b/near"] = h5py.SoftLink("second")
    file["c/text"] = "one"
    file["c/texts"] = ["two", "three", ""]
    file["c/fixed"] = np.array([b"x ", b"yz"])
    file["c/nothing"] = h5py.Empty("f8")
    file["types/f"] = np.dtype("<f4")
    file.create_dataset("c/named", data=numbers("<f4", (3,)),
                        dtype=file["types/f"])


def fill_tracked(file):
    group = file.create_group("g", track_order=True)
    for name in ("zeta", "alpha", "mu"):
        group[name] = np.arange(2)
        group.attrs[name] = 1
    other = file.create_group("h")
    for name in ("zeta", "alpha", "mu"):
        other[name] = np.arange(2)


def fill_keras_2(file):
    """As Keras 2 does it, with names that are cut into parts."""
    file.attrs["keras_version"], file.attrs["backend"] = "2.3.0", "tensorflow"
    layers = ["input", "z_last", "dense", "a/nested"]
    file.attrs["layer_names0"] = np.array([b"input", b"z_last"])
    file.attrs["layer_names1"] = np.array([b"dense", b"a/nested"])
    for at, layer in enumerate(layers):
        group = file.create_group(layer)
        names = [f"{layer}/kernel:0", f"{layer}/bias:0"] if at else []
        group.attrs["weight_names"] = [n.encode() for n in names]
        for name in names:
            group[name] = numbers("<f4", (2, at)) + at
    file["unlisted"] = np.arange(3)


def fill_keras_3(file):
    for layer in ("dense", "dense_1"):
        group = file.create_group(f"layers/{layer}/vars")
        group.attrs["name"] = layer
        for at in range(12):
            group[str(at)] = numbers("<f4", (at + 1,))
    made = file.create_dataset(
        "layers/half/vars/0", data=np.arange(6, dtype="<u2").view("V2"))
    made.attrs["dtype"] = "bfloat16"
    file.create_group("vars").attrs["name"] = "model"


def fill_many(file):
    """More than new files keep in a header; one group by time."""
    group = file.create_group("by_name")
    timed = file.create_group("by_time", track_order=True)
    for at in range(300):
        name = f"w{at * 7 % 300}"
        group[name] = timed[name] = np.int16(at)
    for at in range(30):
        group.attrs[f"a{at}"] = timed.attrs[f"a{at}"] = "x" * at


FILLS = {"dtypes": fill_dtypes, "attributes": fill_attributes,
         "links": fill_links, "tracked": fill_tracked,
         "keras2": fill_keras_2, "keras3": fill_keras_3, "many": fill_many}


def write(folder):
    for name, fill in FILLS.items():
        for libver in LIBVERS:
            for block in BLOCKS:
                path = os.path.join(folder, f"{name}-{libver}-{block}.h5")
                with h5py.File(path, "w", libver=(libver, "latest"),
                               userblock_size=block) as file:
                    fill(file)
                if block:
                    with open(path, "r+b") as file:
                        file.write(b"a user's own bytes")


def write_deep(path, depth):
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(int(depth)):
            group = group.create_group("g")
        group["x"] = np.float32(1)


def write_complex(path):
    if not hasattr(h5py.h5t, "COMPLEX_IEEE_F32LE"):
        return False
    with h5py.File(path, "w") as file:
        for name, kind in (("c8", h5py.h5t.COMPLEX_IEEE_F32LE),
                           ("c16", h5py.h5t.COMPLEX_IEEE_F64BE)):
            h5py.h5d.create(file.id, name.encode(), kind,
                            h5py.h5s.create_simple((3,)))
    return True


# ---- Describing ----

def dtype_name(dtype):
    if dtype.kind == "V":
        return "bfloat16" if dtype.itemsize == 2 else "opaque"
    kinds = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
    if dtype.kind == "b":
        return "bool"
    return f"{kinds[dtype.kind]}{8 * dtype.itemsize}"


def plain(value):
    """A value as ckpt's JSON tells it."""
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, np.bytes_)):
        return bytes(value).decode()
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (complex, np.complexfloating)):
        return [float(value.real), float(value.imag)]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


def describe_data(data):
    attrs = {key: plain(value) for key, value in data.attrs.items()}
    if data.shape is None or data.dtype.kind in "OS":
        value = data[()]
        if data.dtype.kind == "O" and data.shape == ():
            value = value.decode()
        return {"value": plain(value), "attrs": attrs}
    array = np.asarray(data[()])
    if array.dtype.kind != "V":
        array = array.astype(array.dtype.newbyteorder("<"))
    return {"dtype": dtype_name(data.dtype), "shape": list(data.shape),
            "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
            "offset": data.id.get_offset(), "attrs": attrs}


def order(group, prefix, seen):
    """Data sets in the order of the links, which may be that of time."""
    seen.add(h5py.h5o.get_info(group.id).addr)
    for name in group:
        target = group.get(name)
        if isinstance(target, h5py.Dataset):
            yield prefix + name
        elif isinstance(target, h5py.Group) and \
                h5py.h5o.get_info(target.id).addr not in seen:
            yield from order(target, f"{prefix}{name}/", seen)


def describe(path):
    names = []
    with h5py.File(path, "r") as file:
        file.id.links.visit(lambda name: names.append(name.decode()))
        found = {"order": list(order(file, "", set())), "data": {},
                 "attributes": {}}
        groups = [("", file)]
        for name in names:
            link = file.get(name, getlink=True)
            target = file.get(name)
            if isinstance(target, h5py.Dataset):
                found["data"][name] = describe_data(target)
            elif isinstance(target, h5py.Group) and \
                    isinstance(link, h5py.HardLink) and target != file:
                groups.append((name, target))
        for name, group in groups:
            for key, value in group.attrs.items():
                key = f"{name}@{key}" if name else key
                found["attributes"][key] = plain(value)
    return found


def main(command, *args):
    if command == "version":
        print(json.dumps([h5py.version.version, h5py.version.hdf5_version]))
    elif command == "write":
        write(*args)
    elif command == "deep":
        write_deep(*args)
    elif command == "complex":
        print(json.dumps(write_complex(*args)))
    else:
        print(json.dumps({path: describe(path) for path in args}))


if __name__ == "__main__":
    main(*sys.argv[1:])
