# SPDX-License-Identifier: MIT
"""What the Python tests share: the command under test, and files made by
hand from the standard library alone."""
import io
import json
import os
import pathlib
import pickle
import struct
import subprocess
import tarfile
import zipfile

TOP = pathlib.Path(__file__).resolve().parents[1]
CKPT = os.environ.get("CKPT", str(TOP / "build/debug/bin/ckpt"))
# A build without sanitizers, for tests that start the command very often.
CKPT_PLAIN = os.environ.get("CKPT_PLAIN", CKPT)
ENV = {"LC_ALL": "C", "NO_COLOR": "1", "PATH": os.environ["PATH"],
       **{key: value for key, value in os.environ.items()
          if key.endswith("SAN_OPTIONS")}}


def run(*args, program=CKPT, cwd=None, under=()):
    return subprocess.run([*under, program, *map(str, args)], cwd=cwd,
                          env=ENV, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300)


def ckpt(*args, **options):
    """Runs the command, which must succeed; its standard output."""
    done = run(*args, **options)
    assert done.returncode == 0, f"ckpt {args}: {done.stderr}"
    return done.stdout


def ls(path, *args):
    return json.loads(ckpt("ls", "--json", "--digest", path, *args))


def safetensors(tensors, metadata=None):
    """A file of {name: (dtype, shape, bytes)}, in that order."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


# ---- Pickles by hand, protocol 2 ----

def p_text(text):
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def p_int(value):
    if value == 0:
        return b"K\0"
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little",
                                                    signed=True)


def p_tuple(*items):
    return b"(" + b"".join(items) + b"t"


def p_ints(values):
    return p_tuple(*map(p_int, values))


def p_global(module, name):
    return f"c{module}\n{name}\n".encode()


def p_storage(key="0", kind="FloatStorage", count=4, device="cpu"):
    return p_tuple(p_text("storage"), p_global("torch", kind), p_text(key),
                   p_text(device), p_int(count)) + b"Q"


def p_tensor(storage, offset=0, shape=(2, 2), strides=(2, 1), grad=b"\x89"):
    return p_global("torch._utils", "_rebuild_tensor_v2") + p_tuple(
        storage, p_int(offset), p_ints(shape), p_ints(strides), grad,
        p_global("collections", "OrderedDict") + b")R") + b"R"


def p_dict(**values):
    items = b"".join(p_text(key) + value for key, value in values.items())
    return b"}(" + items + b"u"


def p_whole(value):
    return b"\x80\x02" + value + b"."


def members(pickle, records=None, name="m", version=b"3\n"):
    """The members of a torch zip, in torch's order."""
    entries = {f"{name}/data.pkl": pickle, f"{name}/byteorder": b"little"}
    if records is None:
        records = {"0": bytes(range(16))}
    for key, data in records.items():
        entries[f"{name}/data/{key}"] = data
    entries[f"{name}/version"] = version
    return entries


def zipped(entries, method=zipfile.ZIP_STORED):
    """A zip of (name, data) pairs or of a dict of them."""
    out = io.BytesIO()
    pairs = entries.items() if isinstance(entries, dict) else entries
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in pairs:
            archive.writestr(zipfile.ZipInfo(name), data,
                             compress_type=method)
    return out.getvalue()


def torch_zip(**values):
    """A torch zip whose map holds the given pickled values."""
    if not values:
        values = {"weight": p_tensor(p_storage())}
    return zipped(members(p_whole(p_dict(**values))))


# ---- Legacy streams by hand ----

LEGACY_INFO = pickle.dumps({
    "protocol_version": 1001, "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2)
LEGACY_HEAD = (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
               b"\x80\x02M\xe9\x03." + LEGACY_INFO)


def key_list(keys):
    """The fifth pickle, as the C pickler writes it."""
    return pickle.dumps(keys, 2)


def p_legacy_storage(key="10", kind="FloatStorage", count=4, device="cpu",
                     view=None, say=p_text):
    """The persistent id of a storage; `view` is (key, offset, count)."""
    metadata = b"N" if view is None else p_tuple(
        say(view[0]), p_int(view[1]), p_int(view[2]))
    return p_tuple(say("storage"), p_global("torch", kind), say(key),
                   say(device), p_int(count), metadata) + b"Q"


def legacy_stream(whole, data, listed=None, head=LEGACY_HEAD):
    """`data`: key -> (count, bytes), sorted as torch does; `listed`: the
    fifth pickle, if it is another."""
    keys = sorted(data)
    out = head + whole + (key_list(keys) if listed is None else listed)
    for key in keys:
        out += struct.pack("<q", data[key][0]) + data[key][1]
    return out


# ---- Tar archives by hand ----

def p_key(key):
    """The persistent id of a tensor or storage."""
    return p_text(str(key)) + b"Q"


def torch_tar(whole, storages, tensors):
    """`storages`: key -> (class, count, bytes); `tensors`: key -> (storage,
    class, shape, strides, offset). The archive ends with its end."""
    count = {name: p_whole(p_int(len(table))) for name, table in
             (("storages", storages), ("tensors", tensors))}
    data = {"sys_info": LEGACY_INFO, "pickle": whole, **count}
    for key, (kind, size, raw) in storages.items():
        data["storages"] += p_whole(p_tuple(
            p_int(key), p_text("cpu"), p_global("torch", kind))) + \
            struct.pack("<q", size) + raw
    data["storages"] += p_whole(b"]")
    for key, (storage, kind, shape, strides, offset) in tensors.items():
        data["tensors"] += p_whole(p_tuple(
            p_int(key), p_int(storage), p_global("torch", kind))) + \
            struct.pack(f"<ii{2 * len(shape) + 1}q", len(shape), 0,
                        *shape, *strides, offset)
    out = b""
    for name in ("sys_info", "pickle", "tensors", "storages"):
        entry = tarfile.TarInfo(name)
        entry.size = len(data[name])
        out += entry.tobuf(tarfile.USTAR_FORMAT) + data[name] + \
            bytes(-len(data[name]) % tarfile.BLOCKSIZE)
    return out + bytes(2 * tarfile.BLOCKSIZE)
