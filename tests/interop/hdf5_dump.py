# SPDX-License-Identifier: MIT
"""What h5py finds in the files named, as JSON, one object a file. It runs
under any Python that has h5py."""
import hashlib
import json
import sys

import h5py
import numpy


def plain(value):
    if isinstance(value, h5py.Empty):
        return "empty"
    if isinstance(value, bytes):
        return ["bytes", value.decode("latin-1")]
    if isinstance(value, numpy.ndarray):
        return [value.dtype.kind, [plain(item) for item in value.tolist()]]
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value.item() if isinstance(value, numpy.generic) else value


def attributes(thing):
    return {name: plain(value) for name, value in thing.attrs.items()}


def one(thing):
    info = h5py.h5o.get_info(thing.id)
    found = {"attributes": attributes(thing), "object": info.addr,
             "links": info.rc}
    if isinstance(thing, h5py.Group):
        return {**found, "group": True}
    data = numpy.ascontiguousarray(thing[()])
    offset = thing.id.get_offset()
    return {**found, "dtype": data.dtype.str if data.dtype.names is None
            else str(data.dtype), "shape": list(thing.shape),
            "sha256": hashlib.sha256(data.tobytes()).hexdigest(),
            "offset": offset, "chunks": thing.chunks,
            "compression": thing.compression}


def every(group, path, found):
    for name in group:
        thing = group[name]
        found[path + name] = one(thing)
        if isinstance(thing, h5py.Group):
            every(thing, path + name + "/", found)
    return found


def dump(path):
    with h5py.File(path, "r") as file:
        return {"attributes": attributes(file),
                "objects": every(file, "", {})}


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(json.dumps(dump(path)))
