# SPDX-License-Identifier: MIT
"""ONNX models that are written here, as the onnx package and onnxruntime take
them: weights alone, and weights put into models that torch exported."""
import ctypes
import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

import conftest
import tools

numpy = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
HERE = pathlib.Path(__file__).resolve().parent

# safetensors name: (type of TensorProto, bytes of an element, IR version)
TYPES = {
    "F32": (1, 4, 4), "U8": (2, 1, 4), "I8": (3, 1, 4), "U16": (4, 2, 4),
    "I16": (5, 2, 4), "I32": (6, 4, 4), "I64": (7, 8, 4), "BOOL": (9, 1, 4),
    "F16": (10, 2, 4), "F64": (11, 8, 4), "U32": (12, 4, 4),
    "U64": (13, 8, 4), "C64": (14, 8, 4), "BF16": (16, 2, 4),
    "F8_E4M3": (17, 1, 9), "F8_E4M3FNUZ": (18, 1, 9), "F8_E5M2": (19, 1, 9),
    "F8_E5M2FNUZ": (20, 1, 9), "F4": (23, .5, 11), "F8_E8M0": (24, 1, 12),
    "F6_E2M3": (27, .75, 14), "F6_E3M2": (28, .75, 14),
}
NEWEST = onnx.IR_VERSION
SHAPES = {"w.a": [3, 4], "scalar": [], "ünï": [2, 1, 6], "none": [0, 5]}


def content(dtype, shape, seed):
    """Bytes that are numbers, and no NaN where a runtime might touch it."""
    count = 1
    for dim in shape:
        count *= dim
    data = random.Random(seed).randbytes(int(count * TYPES[dtype][1]))
    if dtype == "BOOL":
        return bytes(byte & 1 for byte in data)
    return bytes(byte & 0x3B for byte in data)


def tensors(dtype):
    shapes = dict(SHAPES)
    if dtype[:2] in ("F4", "F6"):
        del shapes["scalar"]
    return {name: (dtype, shape, content(dtype, shape, name))
            for name, shape in shapes.items()}


@pytest.fixture(params=TYPES)
def dtype(request):
    if TYPES[request.param][2] > NEWEST:
        pytest.skip(f"this onnx knows IR versions up to {NEWEST}")
    return request.param


@pytest.fixture(params=["inside", "outside"])
def place(request):
    return [] if request.param == "inside" else ["-o", "external=w.bin"]


def write(folder, content, *args, metadata=None):
    (folder / "in.safetensors").write_bytes(
        tools.safetensors(content, metadata))
    tools.ckpt("convert", folder / "in.safetensors", folder / "m.onnx",
               "--force", *args)
    return folder / "m.onnx"


def raw(path):
    """Initialiser -> its bytes, from wherever they are."""
    model = onnx.load(path)
    return {t.name: t.raw_data for t in model.graph.initializer}


def runtime():
    return pytest.importorskip("onnxruntime")


def session(path):
    ort = runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options)


def run(path, *inputs):
    """Output -> its bytes; of types that numpy lacks too."""
    ort = runtime()
    given = session(path)
    feeds = {i.name: ort.OrtValue.ortvalue_from_numpy(x)
             for i, x in zip(given.get_inputs(), inputs)}
    names = [output.name for output in given.get_outputs()]
    found = {}
    for name, value in zip(names, given.run_with_ort_values(names, feeds)):
        size = value.tensor_size_in_bytes()
        found[name] = ctypes.string_at(value.data_ptr(), size) if size else b""
    return found


class Old:
    """The onnx and the torch of years ago, or why there are none."""

    def __init__(self):
        self.python = conftest.python_of("old")
        self.onnx, self.torch = self.call("versions") or [None, None]

    def call(self, *args):
        done = subprocess.run(
            [self.python, HERE / "onnx_write_peer.py", *map(str, args)],
            capture_output=True, text=True)
        if done.returncode != 0 and args != ("versions",):
            raise AssertionError(done.stderr)
        return json.loads(done.stdout) if done.stdout else None


@pytest.fixture(scope="session")
def old():
    return Old()


# ---- Weights alone ----

def test_types(dtype, place, tmp_path):
    wanted = tensors(dtype)
    path = write(tmp_path, wanted, *place)
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path, load_external_data=False)
    assert model.ir_version == TYPES[dtype][2]
    assert raw(path) == {n: data for n, (_, _, data) in wanted.items()}
    for tensor in model.graph.initializer:
        assert tensor.data_type == TYPES[dtype][0]
        assert list(tensor.dims) == wanted[tensor.name][1]
    assert not model.graph.node and not model.graph.input
    outputs = {o.name: o.type.tensor_type for o in model.graph.output}
    assert outputs.keys() == wanted.keys()
    for name, (_, shape, _) in wanted.items():
        assert outputs[name].elem_type == TYPES[dtype][0]
        assert [d.dim_value for d in outputs[name].shape.dim] == shape


def test_old_checker(place, old, tmp_path):
    if old.onnx is None:
        pytest.skip(f"no onnx under {old.python}")
    everything = {}
    for dtype, (_, _, version) in TYPES.items():
        if version <= 8:
            everything.update({f"{dtype}.{name}": tensor
                               for name, tensor in tensors(dtype).items()})
    path = write(tmp_path, everything, *place)
    assert old.call("check", path) == [4]


def test_runtime(dtype, place, tmp_path):
    if dtype == "C64":
        pytest.skip("onnxruntime has no complex outputs")
    if dtype.startswith("F6"):
        pytest.skip("onnxruntime has no float6")
    wanted = tensors(dtype)
    path = write(tmp_path, wanted, *place)
    assert run(path) == {n: data for n, (_, _, data) in wanted.items()}


def test_runtime_beside_complex(tmp_path):
    """What it cannot give is no output, if there are others."""
    both = {**tensors("F32"), "c": ("C64", [2], bytes(16))}
    path = write(tmp_path, both)
    assert run(path).keys() == SHAPES.keys()
    assert raw(path)["c"] == bytes(16)


def test_metadata(tmp_path):
    pairs = {"ünï": "wörld\n", "empty": ""}
    path = write(tmp_path, tensors("F32"), metadata=pairs)
    found = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert found == pairs
    onnx.checker.check_model(path, full_check=True)


def test_nothing(tmp_path):
    path = write(tmp_path, {})
    onnx.checker.check_model(path, full_check=True)
    assert not onnx.load(path).graph.initializer


def test_canonical(tmp_path):
    """As the reference serialises it: order of fields, lengths; and the same
    bytes again."""
    path = write(tmp_path, {**tensors("F32"), **tensors("I64")},
                 metadata={"a": "b"})
    data = path.read_bytes()
    model = onnx.load(path)
    assert model.SerializeToString(deterministic=True) == data
    assert write(tmp_path, {**tensors("F32"), **tensors("I64")},
                 metadata={"a": "b"}).read_bytes() == data


def test_alignment(tmp_path):
    """Large tensors begin where they can be mapped."""
    sizes = {"a": 3, "b": 40000, "c": (1 << 20) + 1, "d": 5}
    wanted = {n: ("U8", [s], random.Random(n).randbytes(s))
              for n, s in sizes.items()}
    path = write(tmp_path, wanted, "-o", "external=w.bin")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        place = {e.key: e.value for e in tensor.external_data}
        assert place["location"] == "w.bin"
        assert int(place["length"]) == sizes[tensor.name]
        align = {"b": 4096, "c": 65536}.get(tensor.name, 16)
        assert int(place["offset"]) % align == 0
    assert raw(path) == {n: data for n, (_, _, data) in wanted.items()}


def test_ties(place, tmp_path):
    """Outside of the model two names share their bytes, as the format has it;
    inside there are two copies, and the side record says what they were."""
    torch = pytest.importorskip("torch")
    weight = torch.arange(40.).reshape(8, 5)
    torch.save({"a": weight, "b": weight.view(8, 5)}, tmp_path / "in.pt")
    tools.ckpt("convert", tmp_path / "in.pt", tmp_path / "m.onnx", *place,
               "--strict")
    data = weight.numpy().tobytes()
    assert raw(tmp_path / "m.onnx") == {"a": data, "b": data}
    if place:
        assert (tmp_path / "w.bin").read_bytes() == data
        assert run(tmp_path / "m.onnx") == {"a": data, "b": data}
    tools.ckpt("convert", tmp_path / "m.onnx", tmp_path / "out.pt")
    found = torch.load(tmp_path / "out.pt")
    assert found["a"].data_ptr() == found["b"].data_ptr()


def test_large(tmp_path):
    """3 GiB go beside the model without being asked to, and onnxruntime has
    them; the input is a hole."""
    gib = 1 << 30
    header = json.dumps({"a": {"dtype": "U8", "shape": [3 * gib],
                               "data_offsets": [0, 3 * gib]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(tmp_path / "in.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 3 * gib)
    room = os.statvfs(tmp_path)
    if room.f_bavail * room.f_frsize < 4 * gib:
        pytest.skip("less than 4 GiB of room")
    done = tools.run("convert", tmp_path / "in.safetensors",
                     tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert "m.onnx.data" in done.stderr
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    onnx.checker.check_model(str(tmp_path / "m.onnx"))
    (tensor,) = model.graph.initializer
    assert {e.key: e.value for e in tensor.external_data} == {
        "location": "m.onnx.data", "offset": "0", "length": str(3 * gib)}
    (tmp_path / "m.onnx.data").unlink()


# ---- Into another model ----

@pytest.fixture(scope="session", params=["new", "old"])
def exported(request, old, tmp_path_factory):
    """A folder with a model that torch exported; see onnx_write_peer.py."""
    folder = tmp_path_factory.mktemp("exported")
    if request.param == "old":
        if old.torch is None or old.onnx is None:
            pytest.skip(f"no onnx and torch under {old.python}")
        old.call("export", folder)
    else:
        pytest.importorskip("torch")
        subprocess.run([sys.executable, HERE / "onnx_write_peer.py", "export",
                        folder], check=True, capture_output=True)
    return folder


def answer(path, folder):
    (found,) = run(path, numpy.load(folder / "x.npy")).values()
    return numpy.frombuffer(found, "float32").reshape(1, 3)


def without_values(path):
    """The model, without what its initialisers hold."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for field in ("raw_data", "float_data", "int64_data", "int32_data",
                      "external_data", "data_location"):
            tensor.ClearField(field)
    return model.SerializeToString(deterministic=True)


def into(template, folder, out, *args, weights="weights.pth"):
    return tools.run("convert", folder / weights, out, "--template",
                     template, *args)


def test_new_weights(exported, tmp_path):
    out = tmp_path / "out.onnx"
    done = into(exported / "model.onnx", exported, out)
    assert done.returncode == 0, done.stderr
    assert "norm.num_batches_tracked" in done.stderr
    assert done.stderr.count("loss") == 1
    before, after = (numpy.load(exported / f"{n}.npy") for n in "yz")
    assert not numpy.allclose(before, after, atol=1e-2)
    assert numpy.allclose(answer(exported / "model.onnx", exported), before,
                          atol=1e-5)
    assert numpy.allclose(answer(out, exported), after, atol=1e-5)
    assert without_values(out) == without_values(exported / "model.onnx")
    # Each has as many bytes as before, so that nothing has moved.
    assert out.stat().st_size == (exported / "model.onnx").stat().st_size


def test_strict(exported, tmp_path):
    """A tensor that the template lacks is a loss."""
    out = tmp_path / "out.onnx"
    assert into(exported / "model.onnx", exported, out,
                "--strict").returncode == 4
    assert not out.exists()
    done = into(exported / "model.onnx", exported, out, "--strict",
                weights="exact.pth")
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=["typed", "one_file", "many_files", "mixed"])
def variant(request, exported, tmp_path):
    """The same model with its values elsewhere."""
    model = onnx.load(exported / "model.onnx")
    path = tmp_path / "in" / "model.onnx"
    path.parent.mkdir()
    for tensor in model.graph.initializer:
        if request.param == "typed":
            values = onnx.numpy_helper.to_array(tensor)
            tensor.ClearField("raw_data")
            tensor.float_data.extend(values.flatten().tolist())
    if request.param in ("typed", "mixed"):
        model.graph.initializer[0].doc_string = "after its values"
        onnx.save(model, path, save_as_external_data=False)
    if request.param != "typed":
        onnx.save(model, path, save_as_external_data=True,
                  all_tensors_to_one_file=request.param != "many_files",
                  location="weights.pb", convert_attribute=False,
                  size_threshold=100 if request.param == "mixed" else 0)
    return path


def test_variants(variant, exported, tmp_path):
    out = tmp_path / "out.onnx"
    before = {p.name: p.read_bytes() for p in variant.parent.iterdir()}
    done = into(variant, exported, out)
    assert done.returncode == 0, done.stderr
    assert numpy.allclose(answer(out, exported),
                          numpy.load(exported / "z.npy"), atol=1e-5)
    assert without_values(out) == without_values(variant)
    onnx.checker.check_model(str(out), full_check=True)
    assert before == {p.name: p.read_bytes()
                      for p in variant.parent.iterdir()}


def test_unchanged_answer(variant, exported, tmp_path):
    """With its own tensors a model answers as before, to the bit."""
    out = tmp_path / "out.onnx"
    tools.ckpt("convert", variant, out, "--template", variant, "--strict")
    assert (answer(out, exported) == answer(variant, exported)).all()


def test_external_template_to_external(variant, exported, tmp_path):
    out = tmp_path / "out.onnx"
    done = into(variant, exported, out, "-o", "external=new.bin")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == \
        ["new.bin", "out.onnx"]
    assert numpy.allclose(answer(out, exported),
                          numpy.load(exported / "z.npy"), atol=1e-5)


def test_some_weights(variant, exported, tmp_path):
    """What gets none keeps those of the template, wherever they are."""
    out = tmp_path / "out.onnx"
    done = into(variant, exported, out, weights="head.pth")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("gets no new values") == 13
    old_values, new_values = raw(variant), raw(out)
    for name, value in old_values.items():
        if name.startswith("head"):
            assert new_values[name] != value
        elif new_values[name]:
            assert new_values[name] == value


def odd_places(add):
    """A model with a number of each kind in nodes, sparse tensors of three
    forms, elements below a byte, and tensors in both branches of an If."""
    h, types = onnx.helper, onnx.TensorProto

    def sparse(name, indices, rank):
        flat = numpy.array(indices).flatten().tolist()
        return h.make_sparse_tensor(
            h.make_tensor(name, types.FLOAT, [2], [1. + add, 2.]),
            h.make_tensor("", types.INT64, numpy.array(indices).shape, flat),
            [4] * rank)

    def branch(name, value):
        node = h.make_node("Constant", [], ["w"], value=h.make_tensor(
            "", types.FLOAT, [2], [value + add, 2.]))
        return h.make_graph([node], name, [], [
            h.make_tensor_value_info("w", types.FLOAT, [2])])

    nodes = [h.make_node("If", ["c"], ["y"], then_branch=branch("t", 5.),
                         else_branch=branch("e", 6.)),
             h.make_node("Constant", [], ["f"], value_float=2.5 + add),
             h.make_node("Constant", [], ["i"], value_int=-7 + add),
             h.make_node("Constant", [], ["fs"], value_floats=[1., 2. + add]),
             h.make_node("Constant", [], ["is"], value_ints=[4 + add, -500]),
             h.make_node("Constant", [], ["zero"], value_int=add)]
    fours = [h.make_tensor(name, kind, [3, 3], numpy.arange(9) % 7 + add)
             for name, kind in (("i4", types.INT4), ("u4", types.UINT4))]
    fours.append(h.make_tensor("f4", types.FLOAT4E2M1, [2, 2],
                               [1. + add, 2., 3., 4.]))
    graph = h.make_graph(
        nodes, "g", [h.make_tensor_value_info("c", types.BOOL, [])],
        [h.make_tensor_value_info("y", types.FLOAT, [2])],
        fours, sparse_initializer=[
            sparse("pairs", [[0, 1 + add], [1, 3]], 2),
            sparse("linear", [1, 4 + add], 2), sparse("line", [1, 3], 1)])
    return h.make_model(graph, ir_version=11,
                        opset_imports=[h.make_opsetid("", 23)])


def test_odd_places(tmp_path):
    """Each model becomes the other with the other's tensors in it."""
    pytest.importorskip("ml_dtypes")
    for add in (0, 1):
        model = odd_places(add)
        onnx.checker.check_model(model)
        onnx.save(model, tmp_path / f"{add}.onnx")
    for add in (0, 1):
        tools.ckpt("convert", tmp_path / f"{add}.onnx", tmp_path / "out.onnx",
                   "--template", tmp_path / f"{1 - add}.onnx", "--strict",
                   "--force")
        assert values(onnx.load(tmp_path / "out.onnx")) == \
            values(odd_places(add))
        onnx.checker.check_model(tmp_path / "out.onnx")


def values(model):
    """All that a model holds, with the values of tensors told apart from how
    they are kept."""
    found = []
    for tensor in all_tensors(model, []):
        value = onnx.numpy_helper.to_array(tensor)
        found.append((tensor.name, str(value.dtype), value.tolist()))
        tensor.Clear()
    return found, str(model)


def test_folders_below(exported, tmp_path):
    """Values in folders below the template are found and brought beside the
    output."""
    model = onnx.load(exported / "model.onnx")
    below = tmp_path / "in" / "far" / "below"
    below.mkdir(parents=True)
    for tensor in model.graph.initializer:
        (below / tensor.name).write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", f"far/below/{tensor.name}"
    (tmp_path / "in" / "m.onnx").write_bytes(model.SerializeToString())
    out = tmp_path / "out.onnx"
    done = into(tmp_path / "in" / "m.onnx", exported, out,
                weights="head.pth")
    assert done.returncode == 0, done.stderr
    wanted = {**raw(exported / "model.onnx"),
              **{n: v for n, v in raw(out).items() if n.startswith("head")}}
    assert raw(out) == wanted


# ---- The test models of ONNX ----

def package_models():
    """Those of the onnx package and, if there, of libonnx-testdata."""
    folders = [pathlib.Path(onnx.__file__).parent / "backend/test/data",
               pathlib.Path("/usr/share/libonnx-testdata")]
    return sorted(model for folder in folders
                  for model in folder.rglob("model.onnx"))


def all_tensors(message, found):
    """Every TensorProto that holds something, in order of the message."""
    for field, value in message.ListFields():
        values = value if hasattr(value, "append") else [value]
        if field.message_type is None:
            continue
        for item in values:
            if field.message_type.name == "TensorProto":
                found.append(item)
            else:
                all_tensors(item, found)
    return found


def test_unchanged(tmp_path):
    """With its own tensors each is the same model: the same bytes, or the
    same values in other fields."""
    equal = changed = refused = 0
    out = tmp_path / "out.onnx"
    for path in package_models():
        wanted = onnx.load(path)
        if not all_tensors(wanted, []):
            continue
        done = tools.run("convert", path, out, "--template", path, "--force",
                         "--strict", "-q")
        if done.returncode == 4 and "string" in done.stderr:
            refused += 1
            continue
        assert done.returncode == 0, f"{path}: {done.stderr}"
        if out.read_bytes() == path.read_bytes():
            equal += 1
            continue
        changed += 1
        found = onnx.load(out)
        for one, other in zip(all_tensors(wanted, []), all_tensors(found, []),
                              strict=True):
            assert one.name == other.name
            a, b = (onnx.numpy_helper.to_array(t) for t in (one, other))
            assert a.dtype == b.dtype and a.shape == b.shape
            assert a.tobytes() == b.tobytes(), f"{path}: {one.name}"
        for model in (wanted, found):
            for tensor in all_tensors(model, []):
                tensor.Clear()
        assert wanted == found
        onnx.checker.check_model(out)
    print(f"{equal} equal, {changed} changed, {refused} with strings")
    assert equal > 50 and refused < 20


# ---- Lists in attributes ----

def regressor(*numbers):
    h = onnx.helper
    node = h.make_node("LinearRegressor", ["x"], ["y"], name="linear",
                       domain="ai.onnx.ml", coefficients=numbers,
                       intercepts=[numbers[0] / 2])
    graph = h.make_graph(
        [node], "g",
        [h.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 2])],
        [h.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 1])])
    return h.make_model(graph, ir_version=8, opset_imports=[
        h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 3)])


def test_learnt_lists(tmp_path):
    """What a linear model has learnt goes out as tensors, and into another
    model as its own: the runtime gives what the first one gives."""
    runtime = pytest.importorskip("onnxruntime")
    for name, model in (("a", regressor(3., -4.)), ("t", regressor(1., 2.))):
        onnx.save(model, tmp_path / f"{name}.onnx")
    tools.ckpt("convert", tmp_path / "a.onnx", tmp_path / "a.safetensors")
    tools.ckpt("convert", tmp_path / "a.safetensors", tmp_path / "out.onnx",
               "--template", tmp_path / "t.onnx", "--strict")
    x = numpy.array([[5, 7]], "float32")
    found = runtime.InferenceSession(tmp_path / "out.onnx").run(None, {"x": x})
    assert found[0].tolist() == [[3 * 5 - 4 * 7 + 1.5]]
