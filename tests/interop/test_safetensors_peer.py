# SPDX-License-Identifier: MIT
"""Both directions against the safetensors package: every dtype, metadata,
order, and shards under an index."""
import hashlib
import json

import pytest

import tools

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
st = pytest.importorskip("safetensors.torch")

DTYPES = {"BOOL": "bool", "U8": "uint8", "I8": "int8",
          "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
          "F8_E8M0": "float8_e8m0fnu", "I16": "int16", "U16": "uint16",
          "F16": "float16", "BF16": "bfloat16", "I32": "int32",
          "U32": "uint32", "F32": "float32", "C64": "complex64",
          "F64": "float64", "I64": "int64", "U64": "uint64"}


def tensor_of(dtype, *shape):
    kind = getattr(torch, dtype)
    size = torch.zeros(1, dtype=kind).element_size()
    count = 1
    for extent in shape:
        count *= extent
    raw = (torch.arange(count * size) % 251).to(torch.uint8)
    if dtype == "bool":
        raw = raw % 2
    return raw.view(kind).reshape(shape)


def everything():
    return {f"t.{dtype}": tensor_of(dtype, 3, 4) for dtype in DTYPES.values()}


def digest(tensor):
    flat = tensor.contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return hashlib.sha256(data).hexdigest()


def assert_listed(path, tensors):
    listed = {t["name"]: t for t in tools.ls(path)["tensors"]}
    assert set(listed) == set(tensors)
    for name, tensor in tensors.items():
        assert listed[name]["dtype"] == str(tensor.dtype)[6:], name
        assert listed[name]["shape"] == list(tensor.shape), name
        assert listed[name]["sha256"] == digest(tensor), name


def assert_loads(path, tensors):
    loaded = st.load_file(path)
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype, name
        assert loaded[name].shape == tensor.shape, name
        assert digest(loaded[name]) == digest(tensor), name


def test_every_dtype_is_read(tmp_path):
    st.save_file(everything(), tmp_path / "a.safetensors")
    assert_listed(tmp_path / "a.safetensors", everything())


def test_every_dtype_is_written(tmp_path):
    torch.save(everything(), tmp_path / "a.pt")
    tools.ckpt("convert", tmp_path / "a.pt", tmp_path / "a.safetensors")
    assert_loads(tmp_path / "a.safetensors", everything())


def test_every_dtype_again(tmp_path):
    """Through us and back: the package's own file, byte for byte."""
    st.save_file(everything(), tmp_path / "a.safetensors")
    tools.ckpt("convert", tmp_path / "a.safetensors",
               tmp_path / "b.safetensors")
    assert_loads(tmp_path / "b.safetensors", everything())
    assert (tmp_path / "a.safetensors").read_bytes() == \
        (tmp_path / "b.safetensors").read_bytes()


def test_float4(tmp_path):
    if not hasattr(torch, "float4_e2m1fn_x2"):
        pytest.skip("this torch has no float4")
    tensors = {"f4": tensor_of("float4_e2m1fn_x2", 2, 4)}
    torch.save(tensors, tmp_path / "a.pt")
    tools.ckpt("convert", tmp_path / "a.pt", tmp_path / "a.safetensors")
    loaded = st.load_file(tmp_path / "a.safetensors")["f4"]
    assert loaded.shape == tensors["f4"].shape
    assert digest(loaded) == digest(tensors["f4"])


def test_shapes(tmp_path):
    tensors = {"scalar": torch.tensor(1.5), "empty": torch.zeros(0, 3),
               "hole": torch.zeros(2, 0), "one": torch.ones(1),
               "deep": torch.arange(24.0).reshape(1, 2, 3, 4, 1)}
    st.save_file(tensors, tmp_path / "a.safetensors")
    assert_listed(tmp_path / "a.safetensors", tensors)
    tools.ckpt("convert", tmp_path / "a.safetensors", tmp_path / "a.pt")
    loaded = torch.load(tmp_path / "a.pt", weights_only=True)
    assert list(loaded) == [t["name"] for t in
                            tools.ls(tmp_path / "a.safetensors")["tensors"]]
    tools.ckpt("convert", tmp_path / "a.pt", tmp_path / "b.safetensors")
    assert_loads(tmp_path / "b.safetensors", tensors)


def test_metadata(tmp_path):
    metadata = {"format": "pt", "z": "last", "a": "first", "empty": "",
                "text": "\u00fc \"quoted\" \\ \n", "json": '{"a": [1]}'}
    st.save_file({"t": torch.ones(1)}, tmp_path / "a.safetensors", metadata)
    attributes = tools.ls(tmp_path / "a.safetensors")["attributes"]
    assert attributes == metadata
    tools.ckpt("convert", tmp_path / "a.safetensors",
               tmp_path / "b.safetensors")
    with safetensors.safe_open(tmp_path / "b.safetensors", "pt") as file:
        assert file.metadata() == metadata


def test_names(tmp_path):
    tensors = {name: torch.ones(1) for name in
               ("", "a", "a.b", "..", "a/b", "\u00fc", "\n", "\x1b[31m",
                '"', "\\", "__meta", "\U0001f600", "x" * 1000)}
    st.save_file(tensors, tmp_path / "a.safetensors")
    assert_listed(tmp_path / "a.safetensors", tensors)
    tools.ckpt("convert", tmp_path / "a.safetensors", tmp_path / "a.pt")
    assert set(torch.load(tmp_path / "a.pt")) == set(tensors)
    assert "\x1b" not in tools.ckpt("ls", tmp_path / "a.safetensors")


def test_ties(tmp_path):
    """save_model keeps one name of a tie and tells the other by metadata."""
    net = torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False),
                              torch.nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    st.save_model(net, tmp_path / "a.safetensors")
    got = tools.ls(tmp_path / "a.safetensors")["tensors"]
    assert sorted(t["name"] for t in got) == ["0.weight", "1.weight"]
    assert len({t["storage"] for t in got}) == 1
    torch.save(net.state_dict(), tmp_path / "b.pt")
    tools.ckpt("convert", tmp_path / "b.pt", tmp_path / "b.safetensors")
    other = torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False),
                                torch.nn.Linear(3, 3, bias=False))
    other[1].weight = other[0].weight
    st.load_model(other, tmp_path / "b.safetensors")
    assert torch.equal(other[0].weight, net[0].weight)


def write_shards(folder, tensors):
    """Two shards and their index, as the common writers do."""
    names = list(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2],
             "model-00002-of-00002.safetensors": names[1::2]}
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    for file, members in parts.items():
        st.save_file({n: tensors[n] for n in members}, folder / file)
        for name in members:
            index["weight_map"][name] = file
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    return path


def test_shards_are_read(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    index = write_shards(folder, everything())
    for path in (index, folder):
        assert_listed(path, everything())
    tools.ckpt("convert", folder, tmp_path / "a.safetensors")
    assert_loads(tmp_path / "a.safetensors", everything())


def test_shards_are_written(tmp_path):
    st.save_file(everything(), tmp_path / "a.safetensors")
    out = tmp_path / "out"
    out.mkdir()
    tools.ckpt("convert", tmp_path / "a.safetensors",
               out / "model.safetensors", "-o", "shard-size=500")
    index = json.loads(
        (out / "model.safetensors.index.json").read_text())
    files = set(index["weight_map"].values())
    assert len(files) > 1
    assert {p.name for p in out.iterdir()} == \
        files | {"model.safetensors.index.json"}
    loaded = {}
    for file in sorted(files):
        loaded.update(st.load_file(out / file))
    assert set(loaded) == set(everything())
    for name, tensor in everything().items():
        assert digest(loaded[name]) == digest(tensor)
    assert index["metadata"]["total_size"] == \
        sum(t.numel() * t.element_size() for t in everything().values())


def test_shards_of_nested_values(tmp_path):
    """What other readers ask of an index and of a shard is there, and the
    index alone brings the nesting and the tie back."""
    one = torch.arange(6.0)
    torch.save({"net": {"a": one, "b": one}, "step": 3, "c": torch.ones(4)},
               tmp_path / "a.pt")
    out = tmp_path / "out"
    out.mkdir()
    tools.ckpt("convert", tmp_path / "a.pt", out / "m.safetensors",
               "-o", "shard-size=24")
    index = json.loads((out / "m.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 40
    assert set(index["weight_map"]) == {"net.a", "c"}
    assert index["metadata"]["net.b"] == "net.a"
    for file in index["weight_map"].values():
        with safetensors.safe_open(out / file, "pt") as shard:
            assert "ckpt.graph" not in (shard.metadata() or {})
        done = tools.run("ls", out / file)
        assert done.returncode == 0 and not done.stderr, done
    tools.ckpt("convert", out, tmp_path / "b.pt")
    back = torch.load(tmp_path / "b.pt", weights_only=True)
    assert back["step"] == 3 and torch.equal(back["c"], torch.ones(4))
    assert torch.equal(back["net"]["a"], one)
    assert back["net"]["a"].data_ptr() == back["net"]["b"].data_ptr()


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.safetensors", "",
                                  "sub/a.safetensors"])
def test_index_that_climbs(name, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    st.save_file({"t": torch.ones(1)}, tmp_path / "a.safetensors")
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": {"t": name}}))
    done = tools.run("ls", path)
    assert done.returncode == 3, done


def test_verdicts_are_the_references(tmp_path):
    """What the package refuses we refuse; what it takes and the format
    forbids is listed by name."""
    one = {"t": ("F32", [2], bytes(8))}
    good = tools.safetensors(one)
    header = json.loads(good[8:8 + int.from_bytes(good[:8], "little")])

    def built(text, data=bytes(8)):
        text = text if isinstance(text, bytes) else json.dumps(text).encode()
        return len(text).to_bytes(8, "little") + text + data

    entry = header["t"]
    rows = {
        "good": good, "short": good[:7], "nothing": b"",
        "huge": (2**63).to_bytes(8, "little") + good[8:],
        "beyond": built({"t": entry})[:20],
        "array": built([1]), "text": built(b"{not json"),
        "hole": built({"t": {**entry, "data_offsets": [4, 12]}}, bytes(12)),
        "longer": built({"t": entry}, bytes(9)),
        "shorter": built({"t": entry}, bytes(7)),
        "size": built({"t": {**entry, "shape": [3]}}),
        "dtype": built({"t": {**entry, "dtype": "F99"}}),
        "lower": built({"t": {**entry, "dtype": "f32"}}),
        "negative": built({"t": {**entry, "shape": [-2]}}),
        "fraction": built({"t": {**entry, "shape": [2.0]}}),
        "overflow": built({"t": {**entry, "shape": [2**40, 2**40]}}),
        "turned": built({"t": {**entry, "data_offsets": [8, 0]}}),
        "three": built({"t": {**entry, "data_offsets": [0, 4, 8]}}),
        "missing": built({"t": {"dtype": "F32", "shape": [2]}}),
        "overlap": built({"t": entry, "u": entry}),
        "meta-int": built({"__metadata__": {"a": 1}, "t": entry}),
        "meta-list": built({"__metadata__": [], "t": entry}),
        "nul": built(json.dumps({"t": entry}).encode() + b"\0"),
        "blank": built(b" \n" + json.dumps({"t": entry}).encode() + b"  "),
        "latin": built(json.dumps({"t": entry}).encode()
                       .replace(b'"t"', b'"\xe9"')),
        "surrogate": built(json.dumps({"t": entry}).encode()
                           .replace(b'"t"', b'"\\ud800"')),
    }
    for name, data in rows.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(data)
        try:
            st.load_file(path)
            theirs = 0
        except Exception:
            theirs = 3
        done = tools.run("ls", path, "--from", "safetensors")
        assert done.returncode == theirs, (name, done.stderr)


def test_extra_strictness(tmp_path):
    """Two tensors of one name: the package lets the last win, we do not."""
    text = b'{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},' \
           b'"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"x")
    assert tools.run("ls", path).returncode == 3
