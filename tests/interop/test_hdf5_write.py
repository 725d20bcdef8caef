# SPDX-License-Identifier: MIT
"""What the HDF5 writers write, as h5py of two ages and Keras read it."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

import tools

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = pytest.importorskip("torch")
st = pytest.importorskip("safetensors.torch")
safe_open = pytest.importorskip("safetensors").safe_open

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = pathlib.Path(os.environ.get(
    "CKPT_CORPUS", tools.TOP.parent / "shared" / "corpus"))
OLD = os.environ.get("CKPT_OLD_PYTHON", "/usr/bin/python3")

# How h5py shows each dtype.
DTYPES = {"bool": "|b1", "uint8": "|u1", "int8": "|i1", "uint16": "<u2",
          "int16": "<i2", "uint32": "<u4", "int32": "<i4", "uint64": "<u8",
          "int64": "<i8", "float16": "<f2", "bfloat16": "|V2",
          "float32": "<f4", "float64": "<f8", "complex64": "<c8",
          "complex128": "<c16", "float8_e4m3fn": "|V1",
          "float8_e5m2": "|V1", "float8_e4m3fnuz": "|V1",
          "float8_e5m2fnuz": "|V1", "float8_e8m0fnu": "|V1",
          "complex32": "[('real', '<f2'), ('imag', '<f2')]"}
SHAPES = ((3, 4), (), (0, 3), (1, 1, 5, 2))


def has_h5py(python):
    return subprocess.run([python, "-c", "import h5py"],
                          capture_output=True).returncode == 0


@pytest.fixture(scope="session", params=[sys.executable, OLD])
def h5py(request):
    """Reads a file by one h5py."""
    if not has_h5py(request.param):
        pytest.skip(f"no h5py under {request.param}")

    def read(path):
        done = subprocess.run([request.param, HERE / "hdf5_dump.py", path],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return read


def tensor_of(dtype, shape):
    kind = getattr(torch, dtype)
    size = torch.zeros(1, dtype=kind).element_size()
    count = int(torch.tensor(shape).prod()) if shape else 1
    raw = (torch.arange(count * size) % 251).to(torch.uint8)
    if dtype == "bool":
        raw = raw % 2
    return raw.view(kind).reshape(shape)


def digest(tensor):
    flat = tensor.contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return hashlib.sha256(data).hexdigest()


def every_dtype():
    return {f"{dtype}.{len(shape)}d": tensor_of(dtype, shape)
            for dtype in DTYPES for shape in SHAPES}


def written(tmp_path, tensors, *options, to="out.h5", metadata=None):
    source, target = tmp_path / "in.safetensors", tmp_path / to
    if metadata is None:
        torch.save(tensors, source)
    else:
        st.save_file(tensors, source, metadata)
    tools.ckpt("convert", source, target, "--force", *options)
    return target


@pytest.mark.parametrize("options", [(), ("-o", "compress=gzip:1"),
                                     ("-o", "layout=groups"),
                                     ("--to", "keras2")])
def test_every_dtype(tmp_path, h5py, options):
    tensors = every_dtype()
    tensors["rows.2d"] = torch.arange(30000, dtype=torch.int64).view(300, 100)
    tensors["wide.2d"] = torch.arange(3 << 19).float().view(3, 1 << 19)
    path = written(tmp_path, tensors, *options)
    apart = "/" if len(options) and options != ("-o", "compress=gzip:1") \
        else "."
    found = {name: data for name, data in h5py(path)["objects"].items()
             if "group" not in data}
    assert set(found) == {name.replace(".", apart) for name in tensors}
    for name, tensor in tensors.items():
        data, dtype = found[name.replace(".", apart)], str(tensor.dtype)[6:]
        assert data["dtype"] == DTYPES[dtype], name
        assert data["shape"] == list(tensor.shape), name
        assert data["sha256"] == digest(tensor), name
        named = {"dtype": dtype} if DTYPES[dtype].startswith("|V") else {}
        assert data["attributes"] == named, name


def test_metadata_are_attributes(tmp_path, h5py):
    path = written(tmp_path, {"a": torch.ones(2)},
                   metadata={"format": "pt", "größe": "ä\n", "empty": ""})
    found = h5py(path)["attributes"]
    assert found == {"format": "pt", "größe": "ä\n", "empty": ""}


def test_same_input_same_bytes(tmp_path):
    tensors = every_dtype()
    for options in ((), ("-o", "compress=gzip:9"), ("--to", "keras2")):
        first = written(tmp_path, tensors, *options, to="1.h5").read_bytes()
        again = written(tmp_path, tensors, *options, to="2.h5").read_bytes()
        assert first == again, options


def test_payload_is_aligned(tmp_path, h5py):
    path = written(tmp_path, {f"{i}": torch.ones(1000 + i, dtype=torch.uint8)
                              for i in range(900, 2000, 100)})
    for name, data in h5py(path)["objects"].items():
        if data["shape"][0] >= 2048:
            assert data["offset"] % 64 == 0, name


def test_ties_are_hard_links(tmp_path, h5py):
    weight = torch.arange(12.0).view(3, 4)
    source, back = tmp_path / "in.pt", tmp_path / "back.pt"
    torch.save({"a": {"w": weight}, "b": weight, "c": weight[0:2],
                "d": torch.ones(3)}, source)
    tools.ckpt("convert", source, tmp_path / "out.h5")
    found = h5py(tmp_path / "out.h5")["objects"]
    assert found["a.w"]["object"] == found["b"]["object"]
    assert found["b"]["links"] == 2
    assert found["c"]["object"] != found["b"]["object"]
    tools.ckpt("convert", tmp_path / "out.h5", back)
    loaded = torch.load(back)
    assert loaded["a"]["w"] is loaded["b"]
    assert loaded["c"].data_ptr() == loaded["b"].data_ptr()
    assert torch.equal(loaded["c"], weight[0:2])


@pytest.mark.parametrize("options", [(), ("-o", "layout=groups"),
                                     ("--to", "keras2"),
                                     ("-o", "compress=gzip")])
def test_there_and_back(tmp_path, options):
    """What HDF5 has no place for comes back by the record."""
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3),
                                torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
                                torch.nn.Linear(8, 4))
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
             "epoch": 3, "loss": 0.5, "names": ["a", ("b", None)]}
    source, middle = tmp_path / "in.pt", tmp_path / "out.h5"
    torch.save(state, source)
    tools.ckpt("convert", source, middle, *options)
    assert tools.ls(source)["tensors"] == [
        {**tensor, "storage": listed["storage"]}
        for tensor, listed in zip(tools.ls(middle)["tensors"],
                                  tools.ls(source)["tensors"])]
    tools.ckpt("convert", middle, tmp_path / "back.pt")
    back = torch.load(tmp_path / "back.pt")
    assert list(back["model"]) == list(state["model"])
    assert back["optimizer"]["param_groups"] == \
        state["optimizer"]["param_groups"]
    assert (back["epoch"], back["loss"], back["names"]) == (
        3, 0.5, ["a", ("b", None)])


def make_attributes(path):
    import h5py
    import numpy
    with h5py.File(path, "w") as file:
        file.attrs["int"] = 7
        file.attrs["float"] = 0.25
        file.attrs["bool"] = True
        file.attrs["text"] = "größe"
        file.attrs["ints"] = [1, 2, 3]
        file.attrs["table"] = numpy.arange(6.0).reshape(2, 3)
        file.attrs["texts"] = ["a", "bc", ""]
        file.attrs["large"] = "x" * 200000
        group = file.create_group("a/b")
        group.attrs["unit"] = "mm"
        file.create_group("empty").attrs["note"] = "still here"
        data = group.create_dataset("c", data=numpy.arange(3.0))
        data.attrs["scale"] = 2.5
        data.attrs["axes"] = ["x", "y"]
        file["again"] = data


def test_attributes_keep_their_place_and_type(tmp_path, h5py):
    pytest.importorskip("h5py")
    source, target = tmp_path / "in.h5", tmp_path / "out.h5"
    make_attributes(source)
    tools.ckpt("convert", source, target)
    wanted, got = h5py(source), h5py(target)
    got["attributes"].pop("ckpt.graph", None)
    assert got["attributes"] == wanted["attributes"]
    for name in ("a/b", "empty", "a/b/c"):
        assert got["objects"][name]["attributes"] == \
            wanted["objects"][name]["attributes"], name
    assert got["objects"]["again"]["object"] == \
        got["objects"]["a/b/c"]["object"]
    assert tools.ls(target) == {**tools.ls(source), "file": str(target)}


def test_many_layers(tmp_path, h5py):
    """Lists that are too large for one attribute are split as Keras splits
    them, and its own code puts them together."""
    names = [f"layer_with_a_long_name_{i:04}" for i in range(3000)]
    path = written(tmp_path, {f"{name}.kernel": torch.ones(1)
                              for name in names}, "--to", "keras2")
    root = h5py(path)["attributes"]
    assert "layer_names" not in root and "layer_names1" in root
    keras = pytest.importorskip("keras")
    legacy = pytest.importorskip(
        "keras.src.legacy.saving.legacy_h5_format")
    import h5py as package
    with package.File(path) as file:
        found = legacy.load_attributes_from_hdf5_group(file, "layer_names")
        assert sorted(found) == names, keras.__version__
        for name in found:
            assert legacy.load_attributes_from_hdf5_group(
                file[name], "weight_names") == ["kernel"]


@pytest.mark.parametrize("name,reason", [
    ("a//b", "an empty part"), ("/a", "an empty part"),
    ("a/", "an empty part"), ("a/./b", "a part that is a dot"),
    (".", "a part that is a dot"),
    ("/".join(["a"] * 4097), "a name of more than 4096 parts")])
def test_names_that_are_refused(tmp_path, name, reason):
    source = tmp_path / "in.safetensors"
    st.save_file({name: torch.ones(1)}, source)
    done = tools.run("convert", source, tmp_path / "out.h5")
    assert done.returncode == 4
    assert reason in done.stderr and f"(tensor {name[:20]}" in done.stderr
    assert not (tmp_path / "out.h5").exists()


def test_a_full_disk_leaves_nothing(tmp_path):
    """Writes fail half way, while libhdf5 drives."""
    source = tmp_path / "in.safetensors"
    st.save_file({f"{i}": torch.randn(1 << 18) for i in range(8)}, source)
    done = tools.run("-c", 'ulimit -f 2000; trap "" XFSZ; exec "$0" "$@"',
                     tools.CKPT, "convert", source, tmp_path / "out.h5",
                     "-o", "compress=gzip:1", program="/bin/bash")
    assert done.returncode == 5, done.stderr
    assert "cannot write the output" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["in.safetensors"]


# ---- Keras 3 on torch, with what it saved itself ----

@pytest.fixture(scope="session")
def keras():
    return pytest.importorskip("keras")


def model_of(keras):
    layers = keras.layers
    inner = keras.Sequential([layers.Input((6,)),
                              layers.Dense(6, activation="relu"),
                              layers.LayerNormalization()], name="inner")
    start = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="first")(start)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.SeparableConv2D(6, 3)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = inner(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Reshape((3, 2))(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    x = layers.GRU(4)(x)
    return keras.Model(start, layers.Dense(3, dtype="float64")(x))


def made_model(keras, seed):
    keras.utils.set_random_seed(seed)
    model = model_of(keras)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(keras.random.uniform(weight.shape, 0.1, 0.9))
    return model


def predictions(model):
    import numpy
    pixels = numpy.linspace(0, 1, 2 * 8 * 8 * 3).reshape(2, 8, 8, 3)
    return model(pixels.astype("float32"), training=False).detach().numpy()


def assert_loads(keras, path, model):
    """Its weights make another model predict as this one."""
    fresh = made_model(keras, 2)
    assert (predictions(fresh) != predictions(model)).any()
    fresh.load_weights(path)
    assert (predictions(fresh) == predictions(model)).all()


def texts_of(value):
    """Lists of strings alike, be they of one length or not."""
    if isinstance(value, dict):
        return {name: texts_of(item) for name, item in value.items()}
    if isinstance(value, list) and value and value[0] in ("S", "O"):
        return [text[1] if isinstance(text, list) else text
                for text in value[1]]
    return value


def assert_same(got, wanted):
    """Attributes, objects and bytes, as h5py tells them."""
    assert texts_of(got["attributes"]) == texts_of(wanted["attributes"])
    assert set(got["objects"]) == set(wanted["objects"])
    for name, thing in wanted["objects"].items():
        found = got["objects"][name]
        for key in ("group", "dtype", "shape", "sha256"):
            assert found.get(key) == thing.get(key), (name, key)
        assert texts_of(found["attributes"]) == \
            texts_of(thing["attributes"]), name


def save_keras2(model, path):
    import h5py
    legacy = pytest.importorskip(
        "keras.src.legacy.saving.legacy_h5_format")
    with h5py.File(path, "w") as file:
        legacy.save_weights_to_hdf5_group(file, model)


def through(tmp_path, source, suffix, *options):
    """To safetensors and back."""
    middle, target = tmp_path / "middle.safetensors", tmp_path / f"out{suffix}"
    tools.ckpt("convert", source, middle, "--force")
    tools.ckpt("convert", middle, target, *options)
    return target


@pytest.mark.parametrize("options", [(), ("-o", "compress=gzip")])
def test_keras3_weights(tmp_path, keras, h5py, options):
    model, source = made_model(keras, 1), tmp_path / "in.weights.h5"
    model.save_weights(source)
    target = through(tmp_path, source, ".weights.h5", *options)
    wanted, got = h5py(source)["objects"], h5py(target)["objects"]
    assert set(got) == set(wanted)
    for name, thing in wanted.items():
        for key in ("attributes", "group", "dtype", "shape", "sha256"):
            assert got[name].get(key) == thing.get(key), (name, key)
    assert_loads(keras, target, model)


def test_keras2_weights(tmp_path, keras, h5py):
    model, source = made_model(keras, 1), tmp_path / "in.h5"
    save_keras2(model, source)
    target = through(tmp_path, source, ".h5", "--to", "keras2")
    wanted, got = h5py(source), h5py(target)
    got["attributes"].pop("ckpt.graph", None)
    assert_same(got, wanted)
    assert got["attributes"]["layer_names"][0] == "S"
    assert_loads(keras, target, model)


@pytest.mark.parametrize("options", [(), ("--to", "keras2")])
def test_keras2_whole_model(tmp_path, keras, options):
    """The plain layout keeps all that Keras looks for, too."""
    model, source = made_model(keras, 1), tmp_path / "in.h5"
    model.compile("adam", keras.losses.MeanSquaredError())
    model.save(source)
    target = through(tmp_path, source, ".h5", *options)
    loaded = keras.models.load_model(target)
    assert (predictions(loaded) == predictions(model)).all()
    assert_loads(keras, target, model)


def test_keras_archive(tmp_path, keras):
    """The weights of a .keras archive load into the model."""
    model, source = made_model(keras, 1), tmp_path / "in.keras"
    model.save(source)
    target = through(tmp_path, source, ".weights.h5")
    assert_loads(keras, target, model)


def test_keras3_bfloat16(tmp_path, keras):
    layers = keras.layers
    model = keras.Sequential([layers.Input((4,)),
                              layers.Dense(3, dtype="bfloat16")])
    source = tmp_path / "in.weights.h5"
    model.save_weights(source)
    target = through(tmp_path, source, ".weights.h5")
    assert {t["dtype"] for t in tools.ls(target)["tensors"]
            if "optimizer" not in t["name"]} == {"bfloat16"}
    before = [weight.numpy() for weight in model.layers[-1].weights]
    model.layers[-1].set_weights([0 * weight for weight in before])
    model.load_weights(target)
    for weight, wanted in zip(model.layers[-1].weights, before):
        assert (weight.numpy() == wanted).all()


def test_not_of_keras3(tmp_path):
    source = tmp_path / "in.safetensors"
    st.save_file({"fc.weight": torch.ones(1)}, source)
    done = tools.run("convert", source, tmp_path / "out.weights.h5")
    assert done.returncode == 4 and "--to hdf5" in done.stderr
    tools.ckpt("convert", source, tmp_path / "out.weights.h5", "--to", "hdf5")


@pytest.mark.parametrize("options", [(), ("--to", "keras2")])
def test_a_real_keras2_file(tmp_path, h5py, options):
    """A file that an old Keras wrote comes back from safetensors as it was."""
    source = CORPUS / "keras2-mini-xception.hdf5"
    if not source.is_file():
        pytest.skip(f"no corpus at {CORPUS}")
    target = through(tmp_path, source, ".h5", *options)
    wanted, got = h5py(source), h5py(target)
    assert_same(got, wanted)


def test_a_tensor_of_no_layer(tmp_path):
    """A bare tensor has no name that a layer could have."""
    torch.save(torch.ones(2), tmp_path / "in.pt")
    done = tools.run("convert", tmp_path / "in.pt", tmp_path / "out.h5",
                     "--to", "keras2")
    assert done.returncode == 4 and "in layers alone" in done.stderr
    tools.ckpt("convert", tmp_path / "in.pt", tmp_path / "out.h5")


TEXTS = {"arch": "resnet18", "classes": ["cat", "größe", ""], "epoch": 3,
         "w": {"conv": torch.ones(2, 3)}, "note": {"by": {"whom": "me"}},
         "mixed": ["a", 1], "empty": [], "w.conv": "the name of a tensor",
         "w/conv": "beside a text",
         "bad//path": "x", "nul": "a\0b", "long": "x" * 100000}


@pytest.mark.parametrize("options,apart", [
    ((), "."), (("-o", "layout=groups"), "/"),
    (("-o", "compress=gzip"), ".")])
def test_texts(tmp_path, options, apart):
    """Strings, and lists of them, are data sets; what of them cannot be is in
    the record, and what another program makes of them is read."""
    h5py = pytest.importorskip("h5py")
    path, back = written(tmp_path, TEXTS, *options), tmp_path / "back.pt"
    tools.ckpt("convert", path, back)
    found = torch.load(back)
    assert torch.equal(found.pop("w")["conv"], TEXTS["w"]["conv"])
    assert found == {k: v for k, v in TEXTS.items() if k != "w"}
    assert list(torch.load(back)) == list(TEXTS)
    again = tmp_path / "again.h5"
    tools.ckpt("convert", path, again, *options)
    assert again.read_bytes() == path.read_bytes()
    with h5py.File(path, "a") as file:
        assert file["arch"].asstr()[()] == "resnet18"
        assert list(file["classes"].asstr()) == TEXTS["classes"]
        assert file[f"note{apart}by{apart}whom"].asstr()[()] == "me"
        assert file["long"].asstr()[()] == TEXTS["long"]
        assert not {"mixed", "empty", "bad", "nul", "epoch"} & set(file)
        assert file[f"w{apart}conv"].shape == (2, 3)
        del file["arch"]
        file["arch"] = "vgg16"
    values = {v["name"]: v for v in tools.ls(path)["values"]}
    assert values["arch"]["value"] == "vgg16"
    assert values["epoch"]["value"] == 3
    with h5py.File(path, "a") as file:
        del file["arch"]
    done = tools.run("ls", path)
    assert done.returncode == 0
    assert "it names a text that is not there" in done.stderr


def test_texts_of_hdf5(tmp_path, h5py):
    """String data sets stay what they are, also through safetensors."""
    import h5py as writer
    source = tmp_path / "in.h5"
    with writer.File(source, "w") as file:
        file["a/w"] = [1.5]
        file["a/text"] = "a text"
        file["texts"] = ["one", "zwei", "τρία"]
    wanted = h5py(source)["objects"]
    for target in (through(tmp_path, source, ".h5"), tmp_path / "direct.h5"):
        tools.ckpt("convert", source, target, "--force")
        found = h5py(target)["objects"]
        assert set(found) == set(wanted)
        with writer.File(target) as file:
            assert file["a/text"].asstr()[()] == "a text"
            assert list(file["texts"].asstr()) == ["one", "zwei", "τρία"]


def test_empty_groups(tmp_path, h5py):
    """Groups with nothing in them come back, also from safetensors."""
    import h5py as writer
    source = tmp_path / "in.h5"
    with writer.File(source, "w") as file:
        file["a/w"] = [1.5]
        for name in ("a/none", "none/deep/er", "größe"):
            file.create_group(name)
    groups = {name for name, thing in h5py(source)["objects"].items()
              if "group" in thing}
    for options in ((), ("--to", "keras2"), ("-o", "compress=gzip")):
        target = through(tmp_path, source, ".h5", "--force", *options)
        assert groups == {name for name, thing in
                          h5py(target)["objects"].items() if "group" in thing}
        assert tools.ls(target)["attributes"] == \
            tools.ls(source)["attributes"] or "keras2" in options


def test_deep_names(tmp_path):
    source, target = tmp_path / "in.safetensors", tmp_path / "out.h5"
    st.save_file({"/".join(["a"] * 3000): torch.ones(2)}, source)
    tools.ckpt("convert", source, target)
    assert tools.ls(target)["tensors"] == tools.ls(source)["tensors"]


def test_many_attributes(tmp_path, h5py):
    """libhdf5 takes its time for each; the record takes them all."""
    metadata = {f"key{i}": str(i) for i in range(20000)}
    path = written(tmp_path, {"a": torch.ones(2)}, metadata=metadata)
    assert list(h5py(path)["attributes"]) == ["ckpt.graph"]
    tools.ckpt("convert", path, tmp_path / "back.safetensors")
    with safe_open(tmp_path / "back.safetensors", "pt") as file:
        found = file.metadata()
    found.pop("ckpt.graph", None)
    assert found == metadata
