# SPDX-License-Identifier: MIT
"""What Keras 3 saves is read as what its models hold: archives, weights and
whole models."""
import json
import subprocess
import sys
import zipfile

import pytest

import conftest
import tools

MODELS = ["dense", "convolution", "recurrent", "nested", "many", "attention",
          "brain"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    done = subprocess.run([sys.executable, conftest.HERE / "keras_peer.py",
                           folder], capture_output=True, text=True)
    if "No module named" in done.stderr and done.returncode:
        pytest.skip("no Keras with torch: " + done.stderr.split("\n")[-2])
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def of_layers(listed):
    """Layers and their tensors, by the groups `vars` and their names."""
    groups = {}
    for tensor in listed["tensors"]:
        group, _, index = tensor["name"].rpartition("/")
        groups.setdefault(group, []).append(
            [tensor["dtype"], tensor["shape"], tensor["sha256"]])
        assert int(index) == len(groups[group]) - 1
    return sorted(["optimizer" if group == "optimizer/vars" else
                   listed["attributes"][f"{group}@name"], tensors]
                  for group, tensors in groups.items())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_saved(saved, model, suffix):
    """Each layer has its weights, in the layer's order."""
    folder, wanted = saved
    listed = tools.ls(folder / (model + suffix))
    assert listed["format"] == "hdf5"
    assert of_layers(listed) == wanted[model]


def test_shards(saved):
    """Weights in several files are one graph."""
    folder, wanted = saved
    assert len(list(folder.glob("convolution_0*.weights.h5"))) > 1
    listed = tools.ls(folder / "convolution.weights.json")
    assert listed["format"] == "hdf5-shards"
    assert of_layers(listed) == wanted["convolution"]
    assert (sorted(t["name"] for t in listed["tensors"]) ==
            sorted(t["name"] for t in
                   tools.ls(folder / "convolution.weights.h5")["tensors"]))


@pytest.mark.parametrize("model", MODELS[:-1])
def test_whole_model(saved, model):
    """The older form of whole models has the same tensors."""
    folder, wanted = saved
    listed = tools.ls(folder / f"{model}.h5")
    got = sorted([t["dtype"], t["shape"], t["sha256"]]
                 for t in listed["tensors"]
                 if t["name"].startswith("model_weights/"))
    assert got == sorted(t for layer, tensors in wanted[model]
                         for t in tensors if layer != "optimizer")


def test_texts(saved):
    """Configuration and metadata are attributes, to the byte."""
    folder, _ = saved
    path = folder / "dense.keras"
    listed = tools.ls(path)
    with zipfile.ZipFile(path) as archive:
        for name in ("config.json", "metadata.json"):
            assert (listed["attributes"][name] ==
                    archive.read(name).decode()), name


def repack(source, path, method, change=lambda name, data: (name, data)):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            found = change(info.filename, old.read(info))
            if found is not None:
                new.writestr(*found, compress_type=method(info.filename))


def test_repacked(saved, tmp_path):
    """Texts may be deflated; weights may not, and that is said."""
    folder, wanted = saved
    path = tmp_path / "m.keras"
    repack(folder / "dense.keras", path,
           lambda name: zipfile.ZIP_STORED if name.endswith(".h5") else
           zipfile.ZIP_DEFLATED)
    listed = tools.ls(path)
    assert of_layers(listed) == wanted["dense"]
    assert listed["attributes"]["config.json"].startswith("{")
    repack(folder / "dense.keras", path, lambda name: zipfile.ZIP_DEFLATED)
    done = tools.run("ls", path)
    assert done.returncode == 4
    assert "model.weights.h5 is packed in the archive" in done.stderr


def test_not_weights(saved, tmp_path):
    folder, _ = saved
    path = tmp_path / "m.keras"

    def arrays(name, data):
        return name.replace(".weights.h5", ".weights.npz"), data
    repack(folder / "dense.keras", path, lambda name: zipfile.ZIP_STORED,
           arrays)
    done = tools.run("ls", path)
    assert done.returncode == 4 and "model.weights.npz" in done.stderr

    repack(folder / "dense.keras", path, lambda name: zipfile.ZIP_STORED,
           lambda name, data: None if name.endswith("h5") else (name, data))
    done = tools.run("ls", "--from", "hdf5", path)
    assert done.returncode == 3
    assert "there is no member model.weights.h5" in done.stderr
    assert tools.run("ls", path).returncode == 4


def test_assets(saved, tmp_path):
    """What has no place in a graph is told."""
    folder, wanted = saved
    path = tmp_path / "m.keras"
    repack(folder / "dense.keras", path, lambda name: zipfile.ZIP_STORED)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/vocabulary.txt", "a\nb\n")
    done = tools.run("ls", path)
    assert done.returncode == 0
    assert "weights are left out: 1" in done.stderr


def test_folder(saved, tmp_path):
    """An archive that was unpacked is the same model."""
    folder, wanted = saved
    for model in MODELS:
        with zipfile.ZipFile(folder / f"{model}.keras") as archive:
            archive.extractall(tmp_path / model)
        listed = tools.ls(tmp_path / model)
        assert of_layers(listed) == wanted[model]
        packed = tools.ls(folder / f"{model}.keras")
        for key in ("tensors", "values", "attributes"):
            assert listed[key] == packed[key], (model, key)
    (tmp_path / "dense/config.json").unlink()
    assert tools.run("ls", tmp_path / "dense").returncode == 4


def test_damaged(saved, tmp_path):
    """Truncated archives and other texts than were stored are refused."""
    folder, _ = saved
    data = (folder / "dense.keras").read_bytes()
    path = tmp_path / "m.keras"
    for size in range(0, len(data), len(data) // 40):
        path.write_bytes(data[:size])
        assert tools.run("ls", "--from", "hdf5", path).returncode == 3, size
    path.write_bytes(data.replace(b'"class_name"', b'"class_nbme"', 1))
    done = tools.run("ls", path)
    assert done.returncode == 3 and "CRC-32" in done.stderr


def test_verify(saved, tmp_path):
    """A weight that is not what was saved is found by its checksum."""
    folder, _ = saved
    path = tmp_path / "m.keras"
    for name in MODELS:
        assert tools.run("verify", folder / f"{name}.keras").returncode == 0
    data = (folder / "dense.keras").read_bytes()
    codes = set()
    for at in range(data.index(b"\x89HDF") + 600, len(data) - 400, 997):
        changed = bytearray(data)
        changed[at] ^= 1
        path.write_bytes(changed)
        done = tools.run("verify", path)
        codes.add(done.returncode)
        if done.returncode == 1:
            assert "model.weights.h5" in done.stdout + done.stderr
    assert 1 in codes and codes <= {1, 3}
    repack(folder / "dense.keras", path,
           lambda name: zipfile.ZIP_STORED if name.endswith(".h5") else
           zipfile.ZIP_DEFLATED)
    done = tools.run("verify", path)
    assert done.returncode == 0 and "3 members hold" in done.stdout


def test_convert(saved, tmp_path):
    """The bytes of the weights come out of the archive as they are."""
    folder, _ = saved
    for model in MODELS:
        out = tmp_path / f"{model}.safetensors"
        if not tools.run("convert", folder / f"{model}.keras",
                         out).returncode == 0:
            pytest.fail(model)
        old, new = tools.ls(folder / f"{model}.keras"), tools.ls(out)
        assert ({t["name"]: t["sha256"] for t in old["tensors"]} ==
                {t["name"]: t["sha256"] for t in new["tensors"]})
