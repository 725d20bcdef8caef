# SPDX-License-Identifier: MIT
"""Legacy streams taken apart and put together by the standard library."""
import io
import pickletools
import struct

import tools


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


def keys_of(data):
    return [argument for name, argument, _ in operations(data)
            if name == "BINUNICODE"]


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
            raw = tools.p_text(new.setdefault(argument, str(len(new))))
        out += raw
    assert len(new) == len(keys)
    old = {value: key for key, value in new.items()}
    order = sorted(old)
    tail = b"".join(struct.pack("<q", data[old[key]][0]) + data[old[key]][1]
                    for key in order)
    return magic + version + system + out + tools.key_list(order) + tail
