# SPDX-License-Identifier: MIT
"""One h5py: makes files, and says what it finds in one.

    hdf5_lib_peer.py version
    hdf5_lib_peer.py save FOLDER
    hdf5_lib_peer.py hostile FOLDER
    hdf5_lib_peer.py latest FOLDER
    hdf5_lib_peer.py serve    paths on stdin, what is found on stdout, a line
                              of JSON each
"""
import hashlib
import json
import os
import pathlib
import sys
import warnings

import h5py
import numpy

warnings.simplefilter("ignore")

TYPES = ["f2", "f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "c8",
         "c16", "?"]
SHAPES = {"rows": (40, 30), "line": (1000,), "cube": (7, 11, 13),
          "one": (1, 1), "thin": (300, 2)}


def values(kind, shape, seed=1):
    count = int(numpy.prod(shape))
    dtype = numpy.dtype(kind)
    made = (numpy.arange(count) * 37 + seed) % 113
    if dtype.kind == "c":
        made = made + 1j * ((made * 5) % 17)
    if dtype.kind == "?":
        made = made % 2 == 1
    return made.astype(dtype).reshape(shape)


def chunks(shape):
    return tuple(max(1, (size * 2) // 5) for size in shape)


def nbit():
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_OPTIONAL)
    return made


def layouts(kind):
    """Name -> what create_dataset takes, by shape."""
    plain = numpy.dtype(kind).kind in "fiu"
    found = {
        "contiguous": lambda s: {},
        "chunked": lambda s: {"chunks": chunks(s)},
        "whole": lambda s: {"chunks": s, "compression": "gzip"},
        "gzip": lambda s: {"chunks": chunks(s), "compression": "gzip",
                           "compression_opts": 6, "shuffle": True,
                           "fletcher32": True},
        "sum": lambda s: {"chunks": chunks(s), "fletcher32": True},
        "growing": lambda s: {"chunks": chunks(s),
                              "maxshape": (None,) + s[1:]},
        "twice": lambda s: {"chunks": chunks(s),
                            "maxshape": (None,) * len(s),
                            "compression": "gzip"},
    }
    if plain and h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        found["szip"] = lambda s: {"chunks": chunks(s)} | (
            {"compression": "szip", "compression_opts": ("nn", 8)}
            if numpy.prod(chunks(s)) >= 8 else {})
    if numpy.dtype(kind).kind in "iu":
        found["scaled"] = lambda s: {"chunks": chunks(s), "scaleoffset": 0}
    if kind in ("f4", "f8"):
        found["scaled"] = lambda s: {"chunks": chunks(s), "scaleoffset": 2}
    if plain:
        found["nbit"] = lambda s: {"chunks": chunks(s), "dcpl": nbit()}
    return found


def save_types(folder, libver):
    """Every dtype in every layout, both byte orders, in one file a layout."""
    for kind in TYPES:
        for name, options in layouts(kind).items():
            path = folder / f"{kind.replace('?', 'b1')}-{name}-{libver}.h5"
            with h5py.File(path, "w", libver=libver) as file:
                for order in "<>":
                    for shape_name, shape in SHAPES.items():
                        file.create_dataset(
                            f"{'le' if order == '<' else 'be'}/{shape_name}",
                            data=values(order + kind, shape),
                            **options(shape))


def attributes(of):
    of.attrs["zeta"] = "last letter"
    of.attrs["alpha"] = numpy.arange(5, dtype=">i4")
    of.attrs["fixed"] = numpy.array([b"ab", b"cdef", b""])
    of.attrs["texts"] = ["one", "zwei", "τρία"]
    of.attrs["empty"] = h5py.Empty("f4")
    of.attrs["none"] = numpy.zeros((0,))
    of.attrs["flag"] = True
    of.attrs["matrix"] = numpy.eye(2)
    of.attrs["complex"] = 1 + 2j


def save_things(folder, libver):
    with h5py.File(folder / f"attributes-{libver}.h5", "w",
                   libver=libver) as file:
        attributes(file)
        attributes(file.create_group("group"))
        attributes(file.create_dataset("group/data", data=[1.5, 2.5]))
        attributes(file.create_dataset("group/packed", data=[1.5] * 100,
                                       chunks=(10,), compression="gzip"))
        file["kind"] = numpy.dtype("<f4")
        file["named"] = numpy.zeros(3, "f4")
    with h5py.File(folder / f"many-attributes-{libver}.h5", "w",
                   libver=libver) as file:
        for i in range(40):
            file.attrs[f"a{i * 7 % 40:02}"] = i
        if libver != "earliest":
            file.attrs["large"] = numpy.arange(40000, dtype="<i4")
    with h5py.File(folder / f"strings-{libver}.h5", "w",
                   libver=libver) as file:
        file["text"] = "a text"
        file["texts"] = ["one", "zwei", "τρία", ""]
        file["fixed"] = numpy.array([b"ab", b"cdef", b""])
        file.create_dataset("packed", data=["x" * i for i in range(50)],
                            chunks=(7,), compression="gzip")
        file.create_dataset("packed_fixed", data=numpy.array([b"ab", b"c"]),
                            chunks=(1,), compression="gzip")
        file.create_dataset("unset", (3,), dtype=h5py.string_dtype())
    with h5py.File(folder / f"shapes-{libver}.h5", "w",
                   libver=libver) as file:
        file["scalar"] = numpy.float32(4.5)
        file["empty"] = numpy.zeros((0, 3), "f4")
        file["null"] = h5py.Empty("f8")
        file.create_dataset("unset", (5, 5), "f4")
        file.create_dataset("filled", (5, 5), "f4", fillvalue=2.5)
        file.create_dataset("filled_big", (5, 5), ">i8", fillvalue=258)
        file.create_dataset("unset_chunks", (50, 5), "f4", chunks=(10, 5))
        part = file.create_dataset("part", (50, 5), "f4", chunks=(10, 5),
                                   fillvalue=-1, compression="gzip")
        part[12:23] = 3
        file.create_dataset("long", data=numpy.arange(600000, dtype="f8"),
                            chunks=(1000,), compression="gzip")
        file.create_dataset("columns", data=values("f4", (400, 3000)),
                            chunks=(400, 1), compression="gzip")
        file.create_dataset("deep", data=values("i2", (3, 4, 5, 6, 7)),
                            chunks=(2, 3, 2, 5, 4), compression="gzip")
        colour = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 42},
                                 basetype="i2")
        file.create_dataset("enum", data=[0, 1, 42], dtype=colour)
        file["opaque"] = numpy.array([b"\1\2", b"\3\4"], dtype="V2")
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32BE,
                        h5py.h5s.create_simple((3, 4)), compact).write(
            h5py.h5s.ALL, h5py.h5s.ALL, values(">f4", (3, 4)))
    with h5py.File(folder / f"links-{libver}.h5", "w",
                   libver=libver) as file:
        file["a/weight"] = values("f4", (4, 4))
        file["b/tied"] = file["a/weight"]
        file["b/packed"] = file.create_dataset(
            "a/packed", data=values("f4", (40, 4)), compression="gzip")
        file["soft"] = h5py.SoftLink("/a/weight")
        file["loop"] = h5py.SoftLink("/loop")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["a/up"] = file["/"]
    with h5py.File(folder / f"order-{libver}.h5", "w", libver=libver,
                   track_order=True) as file:
        for name in ("zeta", "alpha", "mid"):
            file[name] = values("f4", (2,))
            file.attrs[name] = name
    with h5py.File(folder / f"many-{libver}.h5", "w", libver=libver) as file:
        for i in range(300):
            file[f"layer{i * 17 % 300}"] = values("f4", (3,), i)
    with h5py.File(folder / f"user-{libver}.h5", "w", libver=libver,
                   userblock_size=1024) as file:
        file["plain"] = values("f4", (4, 4))
        file.create_dataset("unset", (5, 5), "f4")
        file.create_dataset("packed", data=values("f4", (40, 4)),
                            compression="gzip", fletcher32=True)


def save(folder):
    for libver in ("earliest", "v108", "v110"):
        save_types(folder, libver)
        save_things(folder, libver)


# ---- What is refused, or must not take much ----

def other_types(file):
    """Between two tensors one of each kind that no tensor has."""
    file["a"] = values("f4", (3, 4))
    low = file["/"].id
    space = h5py.h5s.create_simple((5,))
    h5py.h5d.create(low, b"bits", h5py.h5t.STD_B16LE, space)
    file["compound"] = numpy.ones(4, [("n", "<i4"), ("x", "<f8")])
    file["long_double"] = numpy.ones(3, numpy.longdouble)
    short = h5py.h5t.STD_I16LE.copy()
    short.set_precision(12)
    h5py.h5d.create(low, b"precision", short, space)
    file.create_dataset("reference", (2,), h5py.ref_dtype)[0] = file.ref
    h5py.h5d.create(low, b"rows", h5py.h5t.array_create(
        h5py.h5t.IEEE_F32LE, (2, 3)), space)
    file.create_dataset("sequence", (3,), h5py.vlen_dtype("f4"))[0] = [1, 2]
    h5py.h5d.create(low, b"time", h5py.h5t.UNIX_D32LE, space)
    file["y"] = values("i2", (5,))


def save_hostile(folder):
    def make(name, **options):
        return h5py.File(folder / f"{name}.h5", "w", **options)

    with make("claimed-chunks") as file:
        file.create_dataset("big", (1 << 34,), "f4", chunks=(1024,),
                            compression="gzip")
    with make("claimed-plain") as file:
        file.create_dataset("big", (1 << 34,), "f4")
    with make("claimed-chunk") as file:
        file.create_dataset("big", (1 << 27,), "f4", chunks=(1 << 27,),
                            compression="gzip")[0] = 1
    with make("claimed-text") as file:
        file.create_dataset("big", (1 << 24,), "S16", chunks=(1 << 10,))
    with make("many-chunks") as file:
        file.create_dataset("p", (1 << 17,), "u1", chunks=(2,))[:] = 1
    with make("bomb") as file:
        file.create_dataset("p", data=numpy.zeros(1 << 25, "u1"),
                            chunks=(1 << 24,), compression="gzip")
    with make("external") as file:
        file.create_dataset("e", (4,), "f8",
                            external=[("/etc/passwd", 0, 32)])
        file.create_dataset("p", data=[1.0], chunks=(1,))
    with make("virtual", libver="v110") as file:
        file["x"] = numpy.arange(4.0)
        layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
        layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
        file.create_virtual_dataset("v", layout)
        file.create_dataset("p", data=[1.0], chunks=(1,))
    with make("virtual-self", libver="v110") as file:
        layout = h5py.VirtualLayout(shape=(4,), maxshape=(None,), dtype="f8")
        layout[:h5py.h5s.UNLIMITED] = h5py.VirtualSource(
            "virtual-self.h5", "v", shape=(4,),
            maxshape=(None,))[:h5py.h5s.UNLIMITED]
        file.create_virtual_dataset("v", layout)
        file.create_dataset("p", data=[1.0], chunks=(1,))
    with make("other-file") as file:
        file["l"] = h5py.ExternalLink("src.h5", "/x")
        file.create_dataset("p", data=[1.0], chunks=(1,))
    with make("lzf") as file:
        file.create_dataset("p", data=numpy.arange(1000.0),
                            compression="lzf")
    with make("other-types") as file:
        other_types(file)
    with make("other-types-lib") as file:
        other_types(file)
        file.create_dataset("z", data=values("f4", (40, 4)),
                            compression="gzip")
    for name in ("deep", "deep-new"):
        with make(name, libver="v110" if name == "deep-new" else
                  "earliest") as file:
            group = file
            for _ in range(3000):
                group = group.create_group("g")
            group["x"] = [1.0, 2.0]
            group.create_dataset("y", data=[1.0, 2.0], chunks=(1,))
    with make("cycle") as file:
        file["a/b/up"] = file["/"]
        file["a/b/a"] = file["a"]
        file["s1"] = h5py.SoftLink("/s2")
        file["s2"] = h5py.SoftLink("/s1")
        file.create_dataset("a/p", data=[1.0] * 9, chunks=(3,))


# ---- What is in a file ----

def plain(value):
    """An attribute, so that JSON can have it."""
    if isinstance(value, h5py.Empty):
        return None
    value = numpy.asarray(value)
    if value.dtype.kind == "c":
        value = numpy.stack([value.real, value.imag], -1)
    if value.dtype.kind in "SO":
        flat = [v.decode() if isinstance(v, bytes) else str(v)
                for v in value.reshape(-1)]
        return flat if value.ndim else flat[0]
    return value.tolist()


def data(item):
    if item.shape is None:
        return {"null": True}
    found = {"shape": list(item.shape)}
    if h5py.check_string_dtype(item.dtype):
        return {"text": plain(item[()])}
    if item.dtype.kind == "V":  # h5py has no other name for opaque bytes
        found["shape"].append(item.dtype.itemsize)
    array = numpy.ascontiguousarray(item[()])
    kind = array.dtype
    found["dtype"] = {"b": "bool", "V": "uint8"}.get(kind.kind, kind.name)
    if kind.kind not in "bV":
        array = array.astype(kind.newbyteorder("<"))
    found["sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
    return found


def describe(path):
    found = {"data": {}, "attributes": {}}

    def visit(group, prefix, above):
        for name, value in group.attrs.items():
            found["attributes"][f"{prefix}@{name}"] = plain(value)
        for name in group:
            full = f"{prefix}/{name}".lstrip("/")
            hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
            try:
                item = group[name]
            except (KeyError, OSError, RuntimeError):
                continue
            if isinstance(item, h5py.Group):
                if hard and item.id not in above:
                    visit(item, full, above + [item.id])
            elif isinstance(item, h5py.Dataset):
                found["data"][full] = data(item)
                for key, value in item.attrs.items():
                    found["attributes"][f"{full}@{key}"] = plain(value)

    with h5py.File(path, "r") as file:
        visit(file, "", [file["/"].id])
    return found


def serve():
    for line in sys.stdin:
        try:
            found = describe(line.rstrip("\n"))
        except Exception as error:  # whatever h5py says is the answer
            found = {"error": str(error)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
    if sys.argv[1] == "version":
        print(json.dumps(h5py.version.hdf5_version))
    elif sys.argv[1] == "save":
        save(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "hostile":
        save_hostile(pathlib.Path(sys.argv[2]))
    elif sys.argv[1] == "latest":
        save_types(pathlib.Path(sys.argv[2]), "latest")
        save_things(pathlib.Path(sys.argv[2]), "latest")
    else:
        serve()
