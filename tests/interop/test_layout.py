# SPDX-License-Identifier: MIT
"""Small models of Keras and of torch give the same numbers, whichever of the
two the weights come from."""
import functools
import json
import os
import pathlib

import pytest

import tools

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")
h5py = pytest.importorskip("h5py")
models = pytest.importorskip("layout_models")

CORPUS = pathlib.Path(os.environ.get(
    "CKPT_CORPUS", tools.TOP.parent / "shared" / "corpus"))
FORMS = ["weights.h5", "keras", "h5"]
# What a file without a config does not tell of its layers.
UNTOLD = {"conv3d": "batch_normalization=BatchNormalization:no-scale",
          "norms": "*_1=LayerNormalization:no-center"}


@pytest.fixture(params=sorted(models.ALL))
def name(request):
    return request.param


@functools.lru_cache(maxsize=None)
def made(name):
    keras.utils.clear_session()
    model, module, shape = models.ALL[name]()
    models.shake_keras(model)
    models.shake_torch(module)
    return model, module, models.inputs(name, shape)


def save_keras(model, path):
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)


def layout(direction, name, **options):
    if name in models.FLAT:
        options["flatten"] = f"*={models.FLAT[name]}"
    return ",".join([f"layout:{direction}",
                     *(f"{k}={v}" for k, v in options.items())])


def untold(name, form):
    return {"class": UNTOLD[name]} if (
        form == "weights.h5" and name in UNTOLD) else {}


def with_state(module, path, x):
    """What the module computes with the weights of a file."""
    state = torch.load(path, weights_only=True)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    try:
        module.load_state_dict(state)
        return models.run_torch(module, x)
    finally:
        module.load_state_dict(before)


@pytest.mark.parametrize("form", FORMS)
def test_keras_to_torch(name, form, tmp_path):
    model, module, x = made(name)
    save_keras(model, tmp_path / f"a.{form}")
    torch.save(module.state_dict(), tmp_path / "like.pt")
    tools.ckpt("convert", "-t",
               layout("keras-to-torch", name, like=tmp_path / "like.pt",
                      **untold(name, form)),
               tmp_path / f"a.{form}", tmp_path / "b.pt")
    state = torch.load(tmp_path / "b.pt", weights_only=True)
    assert list(state) == list(module.state_dict())
    found = with_state(module, tmp_path / "b.pt", x)
    wanted = models.run_keras(model, x)
    assert numpy.abs(found - wanted).max() < 1e-5


def load_keras(model, path, x):
    before = model.get_weights()
    try:
        model.load_weights(path)
        return models.run_keras(model, x)
    finally:
        model.set_weights(before)


@pytest.mark.parametrize("form", ["weights.h5", "h5"])
def test_torch_to_keras_like(name, form, tmp_path):
    """By the names and shapes of a file of Keras."""
    if name == "conv3d":
        pytest.skip("the module has a scale that the layer of Keras lacks")
    model, module, x = made(name)
    save_keras(model, tmp_path / f"like.{form}")
    torch.save(module.state_dict(), tmp_path / "a.pt")
    tools.ckpt("convert", "--to", "keras3" if form == "weights.h5" else
               "keras2", "-t",
               layout("torch-to-keras", name, like=tmp_path / f"like.{form}",
                      **untold(name, form)),
               tmp_path / "a.pt", tmp_path / f"b.{form}")
    found = load_keras(model, tmp_path / f"b.{form}", x)
    wanted = models.run_torch(module, x)
    assert numpy.abs(found - wanted).max() < 1e-5


# What a module is where its tensors alone do not tell.
TOLD = {"lstm": {"class": "embed=Embedding"},
        "separable": {"class": "dw=DepthwiseConv2D:x2,"
                               "depth=SeparableConv2D:x2,"
                               "last=DepthwiseConv2D"},
        "separable1d": {"class": "depth=SeparableConv1D,dw=DepthwiseConv1D"},
        "norms": {"class": "ln2=LayerNormalization"},
        "attention": {"heads": 2}}
# Shared axes of slopes, a missing scale, layers in layers are not seen there.
ONLY_LIKE = {"conv3d", "nested", "prelu"}
UNTOLD_CLASS = {"norms", "transposed", "transposed_others"}


@pytest.mark.parametrize("names", ["keras2", "keras3"])
def test_torch_to_keras_alone(name, names, tmp_path):
    """By the state dict alone, in its order."""
    if name in ONLY_LIKE or (names == "keras3" and name in UNTOLD_CLASS):
        pytest.skip("needs the model's own file")
    model, module, x = made(name)
    torch.save(module.state_dict(), tmp_path / "a.pt")
    out = tmp_path / ("b.weights.h5" if names == "keras3" else "b.h5")
    tools.ckpt("convert", "--to", names, "-t",
               layout("torch-to-keras", name, names=names,
                      **TOLD.get(name, {})),
               tmp_path / "a.pt", out)
    found = load_keras(model, out, x)
    wanted = models.run_torch(module, x)
    assert numpy.abs(found - wanted).max() < 1e-5


NAMES = {"first": "conv1", "batch_normalization": "bn", "conv2d": "conv2",
         "dense": "fc"}


@pytest.mark.parametrize("form", ["text", "json"])
def test_map(form, tmp_path):
    """By a mapping file alone, there and back."""
    model, module, x = made("conv2d")
    assert {layer.name for layer in model.layers} >= set(NAMES)
    text = json.dumps(NAMES) if form == "json" else "".join(
        f"{layer}  {name}\n" for layer, name in NAMES.items())
    (tmp_path / "map").write_text(text)
    model.save(tmp_path / "a.keras")
    tools.ckpt("convert", "-t",
               f"layout:keras-to-torch,map={tmp_path}/map",
               tmp_path / "a.keras", tmp_path / "b.pt")
    found = with_state(module, tmp_path / "b.pt", x)
    assert numpy.abs(found - models.run_keras(model, x)).max() < 1e-5
    tools.ckpt("convert", "--to", "keras2", "-t",
               f"layout:torch-to-keras,map={tmp_path}/map",
               tmp_path / "b.pt", tmp_path / "c.h5")
    assert (load_keras(model, tmp_path / "c.h5", x) ==
            models.run_keras(model, x)).all()


MODULES = {"conv3d": ["conv", "bn"], "transposed": ["a", "b"],
           "separable": ["dw", "depth,point", "last"],
           "lstm": ["embed", "lstm"], "gru": ["a", "b"],
           "stacked": ["lstm", "lstm_l1", "rnn"],
           "bidirectional": ["lstm", "gru"],
           "norms": ["ln1", "a", "ln2", "b", "gn"],
           "attention": ["attention", "norm", "fc"]}


@pytest.mark.parametrize("name", MODULES)
def test_map_of_scrambled(name, tmp_path):
    """A mapping file where the order of the target tells nothing: it is that
    of the names, backwards."""
    model, module, x = made(name)
    layers = [layer.name for layer in model.layers if layer.weights]
    assert len(layers) == len(MODULES[name])
    pairs = list(zip(layers, MODULES[name]))
    (tmp_path / "map").write_text("".join(f"{a} {b}\n" for a, b in pairs))
    model.save(tmp_path / "a.keras")
    state = module.state_dict()
    torch.save({key: state[key] for key in sorted(state, reverse=True)},
               tmp_path / "like.pt")
    tools.ckpt("convert", "-t",
               layout("keras-to-torch", name, map=tmp_path / "map",
                      like=tmp_path / "like.pt"),
               tmp_path / "a.keras", tmp_path / "b.pt")
    found = with_state(module, tmp_path / "b.pt", x)
    assert numpy.abs(found - models.run_keras(model, x)).max() < 1e-5
    if name == "conv3d":
        return  # the module has a scale that the layer of Keras lacks
    tools.ckpt("convert", "--to", "keras3", "-t",
               layout("torch-to-keras", name, map=tmp_path / "map",
                      like=tmp_path / "a.keras"),
               tmp_path / "like.pt", tmp_path / "c.weights.h5")
    found = load_keras(model, tmp_path / "c.weights.h5", x)
    assert numpy.abs(found - models.run_torch(module, x)).max() < 1e-5


class Token(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.token = torch.nn.Parameter(torch.randn(1, 4))
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(x + self.token)


class KerasToken(keras.Model):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 4), name="token")
        self.fc = keras.layers.Dense(3)
        self.fc.build((None, 4))

    def call(self, x):
        return self.fc(x + self.token)


def test_own_weights(tmp_path):
    """A weight of the model itself, by the mapping file."""
    x = numpy.ones((2, 4), "float32")
    model, module = KerasToken(), Token()
    model(x)
    models.shake_keras(model)
    model.save_weights(tmp_path / "a.weights.h5")
    torch.save(module.state_dict(), tmp_path / "a.pt")
    (tmp_path / "map").write_text("vars/0 token\nfc fc\n")
    tools.ckpt("convert", "--strict", "-t",
               f"layout:keras-to-torch,map={tmp_path}/map",
               tmp_path / "a.weights.h5", tmp_path / "b.pt")
    found = with_state(module, tmp_path / "b.pt", x)
    assert numpy.abs(found - models.run_keras(model, x)).max() < 1e-5
    tools.ckpt("convert", "--strict", "-t",
               f"layout:torch-to-keras,map={tmp_path}/map,"
               f"like={tmp_path}/a.weights.h5",
               tmp_path / "a.pt", tmp_path / "b.weights.h5")
    found = load_keras(model, tmp_path / "b.weights.h5", x)
    assert numpy.abs(found - models.run_torch(module, x)).max() < 1e-5


def test_separable_by_name(tmp_path):
    """The two modules that keras-to-torch calls depthwise and pointwise become
    one layer again."""
    model, _, x = made("separable1d")
    model.save(tmp_path / "a.keras")
    tools.ckpt("convert", "-t", "layout:keras-to-torch", tmp_path / "a.keras",
               tmp_path / "b.pt")
    tools.ckpt("convert", "--to", "keras2", "-t", "layout:torch-to-keras,"
               "class=depthwise_conv1d=DepthwiseConv1D",
               tmp_path / "b.pt", tmp_path / "c.h5")
    assert (load_keras(model, tmp_path / "c.h5", x) ==
            models.run_keras(model, x)).all()


def test_there_and_back(name, tmp_path):
    """The very bytes come back: permutations lose nothing, and one bias of a
    cell is zeros."""
    if name in {"conv3d", "gru"}:
        pytest.skip("what Keras leaves out has no place on the way back")
    model, module, x = made(name)
    model.save(tmp_path / "a.h5")
    torch.save(module.state_dict(), tmp_path / "like.pt")
    tools.ckpt("convert", "-t",
               layout("keras-to-torch", name, like=tmp_path / "like.pt"),
               tmp_path / "a.h5", tmp_path / "b.safetensors")
    tools.ckpt("convert", "-t",
               layout("torch-to-keras", name, like=tmp_path / "a.h5"),
               tmp_path / "b.safetensors", tmp_path / "c.safetensors")

    def digests(path):
        return {t["name"]: t["sha256"] for t in tools.ls(path)["tensors"]}
    assert digests(tmp_path / "c.safetensors") == digests(tmp_path / "a.h5")


def test_float16_and_bfloat16(tmp_path):
    """Sums in half precision are rounded as torch rounds them."""
    for dtype in (torch.float16, torch.bfloat16):
        module = torch.nn.LSTM(3, 64).to(dtype)
        generator = torch.Generator().manual_seed(1)
        for value in module.state_dict().values():
            scale = 10.0 ** torch.randint(-6, 5, value.shape,
                                          generator=generator)
            value.copy_(torch.randn(value.shape, generator=generator) * scale)
        torch.save(module.state_dict(), tmp_path / "a.pt")
        tools.ckpt("convert", "--force", "-t", "layout:torch-to-keras",
                   tmp_path / "a.pt", tmp_path / "b.pt")
        found = torch.load(tmp_path / "b.pt", weights_only=True)
        bias = next(v for k, v in found.items() if k.endswith("bias:0"))
        assert torch.equal(bias, module.bias_ih_l0 + module.bias_hh_l0)


def test_real_file(tmp_path):
    """A whole model of Keras 2 that nobody here wrote."""
    path = CORPUS / "keras2-mini-xception.hdf5"
    if not path.is_file():
        pytest.skip(f"no corpus at {CORPUS}")
    tools.ckpt("convert", "-t", "layout:keras-to-torch", path,
               tmp_path / "b.pt")
    state = torch.load(tmp_path / "b.pt", weights_only=True)
    seen = 0
    with h5py.File(path) as file:
        group = file["model_weights"]
        for layer in group.attrs["layer_names"]:
            layer = layer.decode()
            for name in group[layer].attrs["weight_names"]:
                value = group[layer][name.decode()][()]
                seen += check_real(state, layer, name.decode(), value)
    assert seen == sum("num_batches" not in name for name in state)


ROLES = {"kernel": "weight", "bias": "bias", "gamma": "weight",
         "beta": "bias", "moving_mean": "running_mean",
         "moving_variance": "running_var",
         "depthwise_kernel": "depthwise.weight",
         "pointwise_kernel": "pointwise.weight"}


def check_real(state, layer, name, value):
    role = name.rsplit("/", 1)[1].removesuffix(":0")
    if role == "depthwise_kernel":
        value = value.transpose(2, 3, 0, 1)
        value = value.reshape(-1, 1, *value.shape[2:])
    elif value.ndim == 4:
        value = value.transpose(3, 2, 0, 1)
    found = state[f"{layer}.{ROLES[role]}"].numpy()
    assert numpy.array_equal(found, value), name
    return 1


def test_names_of_before(tmp_path):
    """What a file of Keras says of its own order is not in what comes of it:
    a second file of Keras has its own, under other names."""
    model, module, x = made("conv2d")
    save_keras(model, tmp_path / "a.h5")
    tools.ckpt("convert", "-t", "layout:keras-to-torch", tmp_path / "a.h5",
               tmp_path / "b.pt")
    left = tools.ls(tmp_path / "b.pt")["attributes"]
    assert "model_config" in left
    assert not [key for key in left if key.endswith(("layer_names",
                                                     "weight_names"))]
    tools.ckpt("convert", "--to", "keras2", "-t", "layout:torch-to-keras",
               tmp_path / "b.pt", tmp_path / "c.h5")
    assert (load_keras(model, tmp_path / "c.h5", x) ==
            models.run_keras(model, x)).all()
    tools.ckpt("convert", "--to", "keras2", "-t", "rename:s/^dense/head/",
               "-t", "layout:torch-to-keras", tmp_path / "b.pt",
               tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        names = [name.decode() for name in file.attrs["layer_names"]]
        assert "head" in names and "dense" not in names
