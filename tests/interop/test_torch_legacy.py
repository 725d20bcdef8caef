# SPDX-License-Identifier: MIT
"""The legacy stream against torch of both ages: we read what they write, they
read what we write, and what we write is torch's own, byte for byte, once the
keys of storages, which are addresses of its memory, are renamed."""

import json
import struct

import pytest

import legacy_streams
import tools
import trees
from conftest import CASES

# Saved as a zip whatever is asked for.
LEGACY = [name for name in CASES if name != "buffer"]
# Torch cannot read back what it wrote there of the types without a class.
UNREADABLE = ("dtypes",)


@pytest.fixture(scope="session")
def streams(peers, tmp_path_factory):
    """Age -> folder of CASE.pt, for those ages that are there."""
    folder = tmp_path_factory.mktemp("legacy")
    found = {}
    for age, peer in peers.items():
        if not isinstance(peer, str):
            found[age] = folder / age
            found[age].mkdir()
            peer.call("legacy", found[age])
    return found


def path_of(streams, peer, name):
    return streams[peer.age] / f"{name}.pt"


def readable(peer, name):
    return name not in UNREADABLE or peer.age == "old"


@pytest.mark.parametrize("name", LEGACY)
def test_read(peer, streams, name):
    path = path_of(streams, peer, name)
    wanted = trees.tensors(peer.describe(
        path if readable(peer, name) else peer.case(name)))
    listed = tools.ls(path)
    assert listed["format"] == "torch-legacy"
    got = [t for t in listed["tensors"]
           if t.get("class") != "numpy.ndarray"]
    assert [t["name"] for t in got] == [name for name, _ in wanted]
    for mine, (label, theirs) in zip(got, wanted):
        for key in ("dtype", "shape", "stride", "offset", "device",
                    "requires_grad", "sha256"):
            assert mine[key] == theirs[key], (label, key)
        if theirs["class"] == "Parameter":
            assert mine["role"] == "parameter", label
    full = [i for i, (_, t) in enumerate(wanted) if t["storage"] is not None]
    assert trees.ties([got[i]["storage"] for i in full]) == \
        trees.ties([wanted[i][1]["storage"] for i in full])


def assert_same_everywhere(readers, before, after):
    for reader in readers:
        for options in ((), ("only",)):
            wanted = reader.describe(before, *options)
            if "error" not in (wanted or {}):
                assert reader.describe(after, *options) == wanted, \
                    (reader.age, options)


@pytest.mark.parametrize("name", LEGACY)
def test_there_and_back(peer, readers, streams, name, tmp_path):
    """legacy -> legacy, legacy -> zip -> legacy, and over safetensors: torch
    finds the same tree in all of them."""
    before = path_of(streams, peer, name)
    if not readable(peer, name):
        done = tools.run("convert", "--to", "torch-legacy", before,
                         tmp_path / "a.pt")
        assert done.returncode == 4 and "has no uint16" in done.stderr
        return
    tools.ckpt("convert", "--to", "torch-legacy", before, tmp_path / "a.pt")
    assert_same_everywhere(readers, before, tmp_path / "a.pt")
    tools.ckpt("convert", before, tmp_path / "b.pt")
    assert_same_everywhere(readers, before, tmp_path / "b.pt")
    tools.ckpt("convert", "--to", "torch-legacy", tmp_path / "b.pt",
               tmp_path / "c.pt")
    assert (tmp_path / "c.pt").read_bytes() == \
        (tmp_path / "a.pt").read_bytes()
    tools.ckpt("convert", before, tmp_path / "d.safetensors")
    tools.ckpt("convert", "--to", "torch-legacy", tmp_path / "d.safetensors",
               tmp_path / "d.pt")
    if name not in ("gaps", "strides"):
        assert_same_everywhere(readers, before, tmp_path / "d.pt")


SAFE = """plain many aliases strides gaps strings big_map big_list ordered
    tensor nothing shared""".split()


@pytest.mark.parametrize("name", SAFE)
def test_guarded_loads_work(new, readers, name, tmp_path):
    """Both ages load it with weights_only, as the zip that it came from."""
    tools.ckpt("convert", "--to", "torch-legacy", new.case(name),
               tmp_path / "a.pt")
    for reader in readers:
        wanted = reader.describe(new.case(name), "only")
        assert "error" not in (wanted or {})
        assert reader.describe(tmp_path / "a.pt", "only") == wanted


@pytest.mark.parametrize("age, release", [("old", "1.13"), ("new", "2.13")])
@pytest.mark.parametrize("name", LEGACY)
def test_for_a_release(age, release, peer, readers, name, tmp_path):
    """What is written for a release loads in its safe mode, and what is
    refused does not."""
    reader = next((r for r in readers if r.age == age), None)
    if reader is None or not readable(peer, name):
        pytest.skip(f"the {age} torch is not here, or cannot say")
    plain, after = tmp_path / "plain.pt", tmp_path / "after.pt"
    tools.ckpt("convert", "--to", "torch-legacy", peer.case(name), plain)
    done = tools.run("convert", "--to", "torch-legacy", peer.case(name), after,
                     "-o", f"torch={release}")
    assert done.returncode in (0, 4), done
    found = reader.describe(after if done.returncode == 0 else plain, "only")
    assert ("error" in (found or {})) == (done.returncode == 4), (found, done)


BYTE_EQUAL = """plain many aliases strides gaps attributes strings big_map
    big_list ordered tensor nothing adam sgd shared scalars""".split()


@pytest.mark.parametrize("name", BYTE_EQUAL)
def test_bytes_are_torchs_own(peer, streams, name, tmp_path):
    before, after = path_of(streams, peer, name), tmp_path / "a.pt"
    tools.ckpt("convert", "--to", "torch-legacy", before, after)
    assert after.read_bytes() == \
        legacy_streams.renamed(before.read_bytes())


# ---- Streams by hand: what torch wrote long ago, and torch still reads ----

def old_text(value):
    """A str of Python 2."""
    data = value.encode("latin-1")
    return b"U" + bytes([len(data)]) + data


def floats(*values):
    return len(values), struct.pack(f"<{len(values)}f", *values)


def v1(data, offset, shape, strides):
    """_rebuild_tensor, as torch up to 0.3 called it."""
    return tools.p_global("torch._utils", "_rebuild_tensor") + tools.p_tuple(
        data, tools.p_int(offset), tools.p_ints(shape),
        tools.p_ints(strides)) + b"R"


def made(kind, state, how=b"R", module="torch"):
    """torch.FloatTensor(), then its state."""
    return tools.p_global(module, kind) + b")" + how + state + b"b"


def variable(kind, data, state, module="torch.autograd.variable"):
    return tools.p_global(module, kind) + data + b"\x85R" + state + b"b"


def ordered(pairs, state=b""):
    """An OrderedDict of Python 2: one of a list of lists."""
    items = b"".join(b"](" + key + value + b"e" for key, value in pairs)
    return tools.p_global("collections", "OrderedDict") + \
        b"](" + items + b"e\x85R" + state


EIGHT = floats(*range(8))
BASE = tools.p_legacy_storage(count=8)
VIEW = tools.p_legacy_storage(count=8, view=("11", 3, 4))
OLD = old_text
STATE = tools.p_tuple(b"\x88", b"\x89", b"N")
HOOKS = tools.p_global("collections", "OrderedDict") + b")R"

HANDS = {
    "rebuild": {"t": v1(BASE, 2, (2, 2), (2, 1)), "s": v1(BASE, 0, (), ())},
    "view": {"t": v1(VIEW, 1, (3,), (1,)), "all": v1(BASE, 0, (8,), (1,))},
    "view_first": {"t": v1(VIEW, 0, (4,), (1,)),
                   "u": v1(tools.p_legacy_storage(
                       count=8, view=("12", 0, 8)), 0, (2, 4), (4, 1))},
    "view_again": {"t": v1(VIEW, 0, (4,), (1,)),
                   "u": v1(VIEW, 2, (2,), (1,))},
    "view_of_view": {"t": v1(VIEW, 0, (4,), (1,)), "u": v1(
        tools.p_legacy_storage("11", count=4, view=("12", 1, 2)),
        0, (2,), (1,))},
    "view_by_its_key": {"t": v1(VIEW, 0, (4,), (1,)), "u": v1(
        tools.p_legacy_storage("11", count=4), 1, (2,), (1,))},
    "view_of_itself": {"t": v1(tools.p_legacy_storage(
        count=8, view=("10", 0, 8)), 1, (2,), (1,))},
    "variable": {"t": variable("Variable", v1(BASE, 0, (4,), (1,)), STATE),
                 "no": variable("Variable", v1(BASE, 0, (4,), (1,)),
                                tools.p_tuple(b"\x89", b"\x89", HOOKS))},
    "parameter": {"t": variable("Parameter", v1(BASE, 0, (4,), (1,)), STATE,
                                "torch.nn.parameter"),
                  "no": variable("Parameter", v1(BASE, 0, (4,), (1,)),
                                 tools.p_tuple(b"\x89", b"\x89", b"N"),
                                 "torch.nn.parameter")},
    "variable_5": {"t": made("Variable", tools.p_tuple(
        v1(BASE, 0, (4,), (1,)), b"N", b"N", b"\x88", b"\x89"), b"R",
        "torch.autograd.variable")},
    "tensor_called": {"t": made("FloatTensor", tools.p_tuple(
        BASE, tools.p_int(1), tools.p_ints((2, 3)), tools.p_ints((3, 1))))},
    "tensor_new": {"t": made("FloatTensor", tools.p_tuple(
        BASE, tools.p_int(1), tools.p_ints((2, 3)), tools.p_ints((3, 1))),
        b"\x81")},
    "parameter_of_made": {"t": variable("Parameter", made(
        "FloatTensor", tools.p_tuple(BASE, tools.p_int(0), tools.p_ints((8,)),
                                     tools.p_ints((1,)))), STATE,
        "torch.nn.parameter")},
}


def test_more_than_a_thousand_keys(peer, readers, tmp_path):
    """The list of keys goes out in batches of a thousand."""
    values = {f"t{i}": v1(tools.p_legacy_storage(str(5000 + i), count=1),
                          0, (1,), (1,)) for i in range(2001)}
    data = {str(5000 + i): floats(float(i))
            for i in range(2001)}
    before, after = tmp_path / "a.pt", tmp_path / "b.pt"
    before.write_bytes(tools.legacy_stream(
        tools.p_whole(tools.p_dict(**values)), data))
    tools.ckpt("convert", "--to", "torch-legacy", before, after)
    parts, rest = legacy_streams.split(after.read_bytes())
    assert parts[4] == tools.key_list(sorted(map(str, range(2001))))
    assert len(rest) == 2001 * 12
    assert [t["sha256"] for t in tools.ls(after)["tensors"]] == \
        [t["sha256"] for t in tools.ls(before)["tensors"]]
    for reader in readers:
        assert reader.describe(after, "only") == reader.describe(before)


LABELS = ("cpu", "cuda:1", "mps", "npu:0")


def test_devices_are_labels(readers, tmp_path):
    """Labels of devices that are not here survive; loads move to the CPU."""
    values = {f"t{i}": v1(tools.p_legacy_storage(
        str(20 + i), count=1, device=label), 0, (1,), (1,))
        for i, label in enumerate(LABELS)}
    path = tmp_path / "a.pt"
    path.write_bytes(tools.legacy_stream(
        tools.p_whole(tools.p_dict(**values)),
        {str(20 + i): floats(i) for i in range(len(LABELS))}))
    first = path
    for name in ("b.pt", "c.safetensors", "d.pt"):
        to = [] if name == "c.safetensors" else ["--to", "torch-legacy"]
        tools.ckpt("convert", *to, path, tmp_path / name)
        path = tmp_path / name
        assert tuple(t["device"] for t in tools.ls(path)["tensors"]) == LABELS
    for reader in readers:
        assert reader.describe(path) == reader.describe(first)
        assert "error" not in reader.describe(first)


def hand(values):
    return tools.legacy_stream(tools.p_whole(tools.p_dict(**values)),
                                 {"10": EIGHT})


def assert_agrees(peer, path):
    tree = peer.describe(path)
    assert "error" not in tree, tree
    wanted = trees.tensors(tree)
    got = tools.ls(path)["tensors"]
    assert [t["name"] for t in got] == [name for name, _ in wanted]
    for mine, (label, theirs) in zip(got, wanted):
        for key in ("dtype", "shape", "stride", "device", "requires_grad",
                    "sha256"):
            assert mine[key] == theirs[key], (label, key)
    return got


@pytest.mark.parametrize("name", HANDS)
def test_by_hand(peer, readers, name, tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(hand(HANDS[name]))
    got = assert_agrees(peer, path)
    assert len({t["storage"] for t in got}) == 1
    if name.startswith("parameter"):
        assert all(t["role"] == "parameter" for t in got)
    tools.ckpt("convert", "--to", "torch-legacy", path, tmp_path / "b.pt")
    again = assert_agrees(peer, tmp_path / "b.pt")
    for before, after in zip(got, again):
        assert before == after


def test_python_2(peer, tmp_path):
    """Byte strings wherever Python 2 had str, and its OrderedDict."""
    data = tools.p_legacy_storage(count=8, say=OLD)
    pairs = [(OLD("b.w"), v1(data, 0, (2, 4), (4, 1))),
             (OLD("a"), v1(data, 4, (4,), (1,)))]
    metadata = b"}" + OLD("_metadata") + ordered(
        [(OLD(""), b"}" + OLD("version") + b"K\x01s")]) + b"sb"
    path = tmp_path / "a.pt"
    system = b"\x80\x02}(" + OLD("little_endian") + b"\x88" + \
        OLD("protocol_version") + b"M\xe9\x03u."
    path.write_bytes(tools.legacy_stream(
        tools.p_whole(ordered(pairs, metadata)), {"10": EIGHT},
        b"\x80\x02]q\x01" + OLD("10") + b"a.",
        tools.LEGACY_HEAD[:21] + system))
    assert [t["name"] for t in assert_agrees(peer, path)] == ["b.w", "a"]
    tools.ckpt("convert", "--to", "torch-legacy", path, tmp_path / "b.pt")
    assert peer.describe(tmp_path / "b.pt") == peer.describe(path)


def test_python_2_bytes_are_kept(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(tools.legacy_stream(tools.p_whole(
        b"}(" + OLD("caf\xe9") + b"K\x01" + tools.p_text("t") +
        v1(BASE, 0, (8,), (1,)) + b"u"), {"10": EIGHT}))
    tools.ckpt("convert", "--to", "torch-legacy", path, tmp_path / "b.pt")
    ops = legacy_streams.operations(legacy_streams.split(
        (tmp_path / "b.pt").read_bytes())[0][3])
    assert ("GLOBAL", "_codecs encode") in [(n, a) for n, a, _ in ops]
    assert "caf\xe9" in [a for _, a, _ in ops]


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_magic_of_every_protocol(peer, protocol, tmp_path):
    import pickle
    path = tmp_path / "a.pt"
    head = b"".join(pickle.dumps(part, protocol) for part in (
        0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001}))
    path.write_bytes(tools.legacy_stream(
        tools.p_whole(tools.p_dict(t=v1(BASE, 0, (8,), (1,)))),
        {"10": EIGHT}, pickle.dumps(["10"], protocol), head))
    assert_agrees(peer, path)


def test_counts_of_a_big_endian_host(tmp_path):
    """They are in the order of the host; the elements never are. Torch on
    another host refuses such a file."""
    little, big = tmp_path / "little.pt", tmp_path / "big.pt"
    little.write_bytes(hand(HANDS["rebuild"]))
    at = len(little.read_bytes()) - len(EIGHT[1]) - 8
    big.write_bytes(little.read_bytes()[:at] + struct.pack(">q", 8) +
                    EIGHT[1])
    done = tools.run("ls", "--json", "--digest", big)
    assert done.returncode == 0
    assert f"byte {at}" in done.stderr and "big-endian host" in done.stderr
    assert json.loads(done.stdout)["tensors"] == \
        tools.ls(little)["tensors"]


def test_sources_of_classes(peer, tmp_path):
    """A whole model: the class stands where its source was told."""
    module = tools.p_tuple(tools.p_text("module"), tools.p_global(
        "torch.nn.modules.activation", "ReLU"), tools.p_text("/old/act.py"),
        tools.p_text("class ReLU(Module):\n    pass\n")) + b"Q"
    path = tmp_path / "a.pt"
    path.write_bytes(tools.legacy_stream(tools.p_whole(
        b"](" + module + tools.p_global("torch.nn.modules.activation",
                                        "ReLU") + b"e"), {}))
    assert "error" not in peer.describe(path)
    shown = json.loads(tools.ckpt("info", "--json", path))
    assert "class ReLU" in json.dumps(shown)
