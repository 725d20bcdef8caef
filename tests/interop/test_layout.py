# SPDX-License-Identifier: MIT
"""Small models of Keras and of torch give the same numbers, whichever of the
two the weights come from."""
import functools
import os

import pytest

import tools

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")
pytest.importorskip("h5py")
models = pytest.importorskip("layout_models")

FORMS = ["weights.h5", "keras", "h5"]
# Whether a scale is missing, or a shift, only the config tells.
NEEDS_CONFIG = {"conv3d", "norms"}


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


def skip_unless_told(name, form):
    if form == "weights.h5" and name in NEEDS_CONFIG:
        pytest.skip("what is left out of a layer only a config tells")


@pytest.mark.parametrize("form", FORMS)
def test_keras_to_torch(name, form, tmp_path):
    skip_unless_told(name, form)
    model, module, x = made(name)
    save_keras(model, tmp_path / f"a.{form}")
    torch.save(module.state_dict(), tmp_path / "like.pt")
    tools.ckpt("convert", "-t",
               layout("keras-to-torch", name, like=tmp_path / "like.pt"),
               tmp_path / f"a.{form}", tmp_path / "b.pt")
    state = torch.load(tmp_path / "b.pt", weights_only=True)
    assert list(state) == list(module.state_dict())
    before = {k: v.clone() for k, v in module.state_dict().items()}
    try:
        module.load_state_dict(state)
        found = models.run_torch(module, x)
    finally:
        module.load_state_dict(before)
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
    skip_unless_told(name, form)
    if name == "conv3d":
        pytest.skip("the module has a scale that the layer of Keras lacks")
    model, module, x = made(name)
    save_keras(model, tmp_path / f"like.{form}")
    torch.save(module.state_dict(), tmp_path / "a.pt")
    tools.ckpt("convert", "--to", "keras3" if form == "weights.h5" else
               "keras2", "-t",
               layout("torch-to-keras", name, like=tmp_path / f"like.{form}"),
               tmp_path / "a.pt", tmp_path / f"b.{form}")
    found = load_keras(model, tmp_path / f"b.{form}", x)
    wanted = models.run_torch(module, x)
    assert numpy.abs(found - wanted).max() < 1e-5


# What a module is where its tensors alone do not tell.
TOLD = {"lstm": {"class": "embed=Embedding"},
        "separable": {"class": "dw=DepthwiseConv2D,last=DepthwiseConv2D,"
                               "act=PReLU"},
        "norms": {"class": "ln2=LayerNormalization"},
        "attention": {"heads": 2}}
# A separable convolution, a nested model, what counts multipliers.
ONLY_LIKE = {"separable", "separable1d", "conv3d"}


@pytest.mark.parametrize("names", ["keras2", "keras3"])
def test_torch_to_keras_alone(name, names, tmp_path):
    """By the state dict alone, in its order."""
    if name in ONLY_LIKE or (names == "keras3" and
                             name in {"nested", "norms", "transposed"}):
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
