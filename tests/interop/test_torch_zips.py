# SPDX-License-Identifier: MIT
"""Zips that torch never wrote: re-packed ones read as the original does, and
of broken ones we take no more than torch does."""
import os
import zipfile

import pytest

import tools
from tools import members, p_dict, p_global, p_storage, p_tensor, p_tuple, \
    p_whole, zipped

PICKLE = p_whole(p_dict(weight=p_tensor(p_storage())))


def repack(path, out, method=zipfile.ZIP_STORED, order=None):
    source = zipfile.ZipFile(path)
    names = order(source.namelist()) if order else source.namelist()
    out.write_bytes(zipped([(n, source.read(n)) for n in names], method))


@pytest.mark.parametrize("way", ["stored", "deflated", "reversed", "folder",
                                 "bare"])
def test_repacked(peer, way, tmp_path):
    before, after = peer.case("adam"), tmp_path / "a.pt"
    if way == "folder":
        source = zipfile.ZipFile(before)
        pairs = [("adam/", b"")] + [(n, source.read(n))
                                    for n in source.namelist()]
        after.write_bytes(zipped(pairs))
    elif way == "bare":
        repack(before, after, order=lambda names: [
            n for n in names if "/data" in n or n.endswith("/version")])
    else:
        repack(before, after, zipfile.ZIP_DEFLATED if way == "deflated"
               else zipfile.ZIP_STORED,
               (lambda names: names[::-1]) if way == "reversed" else None)
    assert tools.ls(after)["tensors"] == tools.ls(before)["tensors"]
    tools.ckpt("convert", after, tmp_path / "b.pt")
    assert peer.describe(tmp_path / "b.pt") == peer.describe(before)


def swapped(data, width):
    return b"".join(data[i:i + width][::-1]
                    for i in range(0, len(data), width))


def test_big_endian(new, tmp_path):
    """Each record turned round by the width of its words."""
    before, after = new.case("dtypes"), tmp_path / "dtypes.pt"
    listed = tools.ls(before)["tensors"]
    widths = {}
    for tensor in listed:
        width = tensor["size_bytes"] // 12
        widths[tensor["storage"]] = width // 2 \
            if tensor["dtype"].startswith("complex") else width
    old_types = [t for t in listed if t["dtype"] in
                 """bool uint8 int8 int16 int32 int64 float16 bfloat16 float32
                 float64 complex64 complex128""".split()]
    source = zipfile.ZipFile(before)
    pairs = []
    for name in source.namelist():
        data = source.read(name)
        if name.endswith("/byteorder"):
            data = b"big"
        elif "/data/" in name:
            data = swapped(data, widths[int(name.rsplit("/", 1)[1])])
        pairs.append((name, data))
    after.write_bytes(zipped(pairs))
    got = {t["name"]: t for t in tools.ls(after)["tensors"]}
    for tensor in old_types:
        assert got[tensor["name"]]["sha256"] == tensor["sha256"], tensor
    tools.ckpt("convert", after, tmp_path / "native.pt")
    back = {t["name"]: t for t in tools.ls(tmp_path / "native.pt")["tensors"]}
    assert {n: t["sha256"] for n, t in back.items()} == \
        {n: t["sha256"] for n, t in got.items()}


def bad_zip(way):
    good = members(PICKLE)
    if way == "no-prefix":
        return zipped({n.split("/", 1)[1]: d for n, d in good.items()})
    if way == "two-prefixes":
        return zipped({**good, "n/data/1": b""})
    if way == "no-version":
        return zipped({n: d for n, d in good.items() if "version" not in n})
    if way in ("version-11", "version-0", "version-text"):
        number = {"version-11": b"11\n", "version-0": b"0\n",
                  "version-text": b"three\n"}[way]
        return zipped({**good, "m/version": number})
    if way == "short-record":
        return zipped({**good, "m/data/0": bytes(15)})
    if way == "no-record":
        return zipped({n: d for n, d in good.items() if "data/0" not in n})
    if way == "no-pickle":
        return zipped({n: d for n, d in good.items() if ".pkl" not in n})
    if way == "duplicate":
        return zipped([*good.items(), ("m/data/0", bytes(16))])
    if way == "case-variant":
        return zipped([*good.items(), ("m/DATA/0", bytes(16))])
    if way == "prefix-junk":
        return b"junk" + zipped(good)
    if way == "suffix-70k":
        return zipped(good) + bytes(70000)
    if way == "byteorder":
        return zipped({**good, "m/byteorder": b"middle"})
    if way == "climbing":
        return zipped({**good, "m/../../etc/x": b"x"})
    raise ValueError(way)


# All of these are malformed; none may be read in part.
BAD = """two-prefixes version-0 version-text short-record no-record
    duplicate case-variant byteorder climbing no-prefix no-version""".split()
# These are no torch zip at all, or one of times to come.
OTHER = "no-pickle prefix-junk suffix-70k version-11".split()


@pytest.mark.parametrize("way", BAD + OTHER)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_bad_zip(way, tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(bad_zip(way))
    done = tools.run("convert", path, tmp_path / "out.safetensors")
    assert done.returncode in ((3,) if way in BAD else (3, 4)), done
    assert done.stderr.count("\n") in (1, 2) and done.stdout == ""
    assert "torch-zip" in done.stderr or way in OTHER
    assert os.listdir(tmp_path) == ["m.pt"]


def test_longer_record(tmp_path):
    """Torch before 2.10 takes a record longer than its storage."""
    path = tmp_path / "m.pt"
    path.write_bytes(zipped(members(PICKLE, {"0": bytes(range(20))})))
    got = tools.ls(path)["tensors"]
    assert [t["shape"] for t in got] == [[2, 2]]


VIEWS = {
    "beyond": dict(shape=(2, 3), strides=(3, 1)),
    "offset-beyond": dict(offset=1),
    "offset-huge": dict(offset=2**62),
    "negative-offset": dict(offset=-1),
    "negative-size": dict(shape=(-2, 2)),
    "negative-stride": dict(strides=(-2, 1)),
    "ranks-differ": dict(shape=(2, 2), strides=(2,)),
    "overflow": dict(shape=(2**40, 2**40), strides=(0, 0)),
    "wide-int": dict(shape=(2**70, 1), strides=(1, 1)),
    "stride-overflow": dict(shape=(3, 1), strides=(2**63 - 1, 1)),
    "rank-65": dict(shape=(1,) * 65, strides=(1,) * 65),
}


@pytest.mark.parametrize("name", VIEWS)
def test_hostile_view(name, tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(tools.torch_zip(w=p_tensor(p_storage(), **VIEWS[name])))
    done = tools.run("convert", path, tmp_path / "out.safetensors")
    assert done.returncode == 3, done
    assert done.stderr.startswith(f"ckpt: {path}: torch-zip: ")
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["m.pt"]


def test_legal_but_odd_views(tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(tools.torch_zip(
        a=p_tensor(p_storage(), shape=(1, 4), strides=(2**62, 1)),
        b=p_tensor(p_storage(), shape=(0, 4), strides=(4, 1), offset=99),
        c=p_tensor(p_storage(), shape=(), strides=(), offset=3)))
    assert [t["shape"] for t in tools.ls(path)["tensors"]] == \
        [[1, 4], [0, 4], []]


def test_expansion_to_terabytes(tmp_path):
    """A stride of 0 may stand for terabytes; nothing makes them."""
    path = tmp_path / "m.pt"
    path.write_bytes(tools.torch_zip(w=p_tensor(
        p_storage(), shape=(2**40, 2**4), strides=(0, 0))))
    assert tools.ckpt("ls", path)
    done = tools.run("convert", path, tmp_path / "out.safetensors")
    assert done.returncode in (3, 4, 5), done
    assert os.listdir(tmp_path) == ["m.pt"]


def bomb(way):
    if way == "nesting":
        return b"]" * 100000 + b"0" * 99999
    if way == "deep":
        return b"]" * 20000 + b"a" * 19999
    if way == "laughs":
        body = b"]q\0"
        for level in range(1, 60):
            body += b"](" + b"h" + bytes([level - 1]) + b"h" + \
                bytes([level - 1]) + b"eq" + bytes([level])
        return body
    if way == "memo":
        return b"Nr\xff\xff\xff\xff0N"
    if way == "length":
        return b"X\xff\xff\xff\xffabc"
    if way == "length8":
        return b"\x8d" + b"\xff" * 8 + b"abc"
    if way == "frame":
        return b"\x95" + b"\xff" * 8 + b"N"
    if way == "long4":
        return b"\x8b\xff\xff\xff\x7fabc"
    if way == "underflow":
        return b"a"
    if way == "no-stop":
        return b"N" * 3
    if way == "bad-opcode":
        return b"\xfe"
    if way == "ext":
        return b"\x82\x01"
    if way == "setitem-on-list":
        return b"]NNs"
    if way == "get-nothing":
        return b"h\x07"
    if way == "system":
        return p_global("os", "system") + p_tuple(tools.p_text("id")) + b"R"
    raise ValueError(way)


@pytest.mark.parametrize("way", """length length8 frame long4 underflow no-stop
    bad-opcode ext setitem-on-list get-nothing deep laughs""".split())
def test_hostile_pickle(way, tmp_path):
    path = tmp_path / "m.pt"
    end = b"" if way == "no-stop" else b"."
    path.write_bytes(zipped(members(b"\x80\x02" + bomb(way) + end, {})))
    done = tools.run("convert", path, tmp_path / "out.pt")
    assert done.returncode in (3, 4), done
    assert done.stderr.startswith(f"ckpt: {path}: ")
    assert os.listdir(tmp_path) == ["m.pt"]


@pytest.mark.parametrize("way", ["memo", "system"])
def test_odd_pickle_is_data(way, tmp_path):
    """It is read as data and written as data; nothing is called."""
    path = tmp_path / "m.pt"
    path.write_bytes(zipped(members(b"\x80\x02" + bomb(way) + b".")))
    done = tools.run("ls", "--tree", path)
    assert done.returncode in (0, 3, 4), done
    assert "uid=" not in done.stdout


@pytest.mark.skipif(os.environ.get("CKPT_BIG") != "1",
                    reason="5 GiB of disk are wanted: set CKPT_BIG=1")
def test_more_than_4_gib(new, tmp_path):
    """zip64 in both roles: a long storage, and one that lies behind it."""
    import torch
    before, after = tmp_path / "big.pt", tmp_path / "out" / "big.pt"
    after.parent.mkdir()
    torch.save({"long": torch.zeros(5 << 30, dtype=torch.uint8),
                "small": torch.arange(5.0)}, before)
    between = tmp_path / "big.safetensors"
    tools.ckpt("convert", before, between)
    before_listed = tools.ls(before)["tensors"]
    tools.ckpt("convert", between, after)
    assert tools.ls(after)["tensors"] == before_listed
    assert new.describe(after) == new.describe(before)
