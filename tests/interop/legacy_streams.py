# SPDX-License-Identifier: MIT
"""Legacy streams taken apart and put together by the standard library."""
import io
import pickle
import pickletools
import struct

import tools

MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
VERSION = b"\x80\x02M\xe9\x03."
SYSTEM = pickle.dumps({"protocol_version": 1001, "little_endian": True,
                       "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2)


def split(stream):
    """The five pickles, and what follows them."""
    file = io.BytesIO(stream)
    parts = []
    for _ in range(5):
        start = file.tell()
        for _ in pickletools.genops(file):
            pass
        parts.append(stream[start:file.tell()])
    return parts, stream[file.tell():]


def operations(data):
    """(opcode, argument, its bytes) of a pickle."""
    found = list(pickletools.genops(data))
    ends = [position for _, _, position in found[1:]] + [len(data)]
    return [(op.name, argument, data[position:end])
            for (op, argument, position), end in zip(found, ends)]


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def keys_of(data):
    return [argument for name, argument, _ in operations(data)
            if name == "BINUNICODE"]


def key_list(keys):
    """The fifth pickle, as the C pickler writes it."""
    return pickle.dumps(keys, 2)


def payloads(keys, rest, items):
    """key -> (count, bytes)"""
    found, at = {}, 0
    for key in keys:
        count = struct.unpack_from("<q", rest, at)[0]
        size = count * items[key]
        found[key] = (count, rest[at + 8:at + 8 + size])
        at += 8 + size
    assert at == len(rest)
    return found


ITEMS = {"DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2,
         "BFloat16Storage": 2, "LongStorage": 8, "IntStorage": 4,
         "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
         "BoolStorage": 1, "ComplexFloatStorage": 8,
         "ComplexDoubleStorage": 16}


def item_sizes(ops, keys):
    """key -> bytes of an element, from the class before each key."""
    memo, sizes, last = [], {}, None
    value = None
    for name, argument, _ in ops:
        if name in ("BINPUT", "LONG_BINPUT"):
            assert argument == len(memo)
            memo.append(value)
            continue
        value = memo[argument] if name in ("BINGET", "LONG_BINGET") \
            else argument
        kind = str(value).split(" ")[-1]
        if kind in ITEMS:
            last = ITEMS[kind]
        if name == "BINUNICODE" and value in keys:
            sizes.setdefault(value, last)
    return sizes


def renamed(stream):
    """The same stream with keys that count from 0 in order of first use."""
    (magic, version, system, whole, key_pickle), rest = split(stream)
    keys = keys_of(key_pickle)
    ops = operations(whole)
    sizes = item_sizes(ops, set(keys))
    data = payloads(keys, rest, sizes)
    new, out = {}, b""
    for name, argument, raw in ops:
        if name == "BINUNICODE" and argument in data:
            raw = text(new.setdefault(argument, str(len(new))))
        out += raw
    assert len(new) == len(keys)
    old = {value: key for key, value in new.items()}
    order = sorted(old)
    tail = b"".join(struct.pack("<q", data[old[key]][0]) + data[old[key]][1]
                    for key in order)
    return magic + version + system + out + key_list(order) + tail


# ---- Streams by hand ----

def old_text(value):
    """A str of Python 2."""
    data = value.encode("latin-1")
    return b"U" + bytes([len(data)]) + data


def storage(key="10", kind="FloatStorage", count=4, device="cpu", view=None,
            say=text, module="torch"):
    """The persistent id of a storage; `view` is (key, offset, count)."""
    metadata = b"N" if view is None else tools.p_tuple(
        say(view[0]), tools.p_int(view[1]), tools.p_int(view[2]))
    return tools.p_tuple(say("storage"), tools.p_global(module, kind),
                         say(key), say(device), tools.p_int(count),
                         metadata) + b"Q"


def stream(whole, data, listed=None, head=MAGIC + VERSION + SYSTEM):
    """`data`: key -> (count, bytes), sorted as torch does; `listed`: the
    fifth pickle, if it is another."""
    keys = sorted(data)
    out = head + whole + (key_list(keys) if listed is None else listed)
    for key in keys:
        out += struct.pack("<q", data[key][0]) + data[key][1]
    return out


def floats(*values):
    return len(values), struct.pack(f"<{len(values)}f", *values)
