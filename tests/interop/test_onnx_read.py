# SPDX-License-Identifier: MIT
"""Every weight of a model against what the onnx package reads there: the
models of its own tests, of its helpers over all dtypes, and of torch's
exporter. The packages are that of the Python that runs pytest and that of
CKPT_OLD_PYTHON."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

import tools

PEER = pathlib.Path(__file__).with_name("onnx_peer.py")
TESTDATA = pathlib.Path("/usr/share/libonnx-testdata")
PYTHONS = {"new": sys.executable,
           "old": os.environ.get("CKPT_OLD_PYTHON", "/usr/bin/python3")}


def ask(python, *args, lines=()):
    return subprocess.run([python, PEER, *map(str, args)], text=True,
                          input="\n".join(map(str, lines)),
                          capture_output=True)


@pytest.fixture(scope="module", params=["new", "old"])
def python(request):
    found = PYTHONS[request.param]
    done = ask(found, "version")
    if done.returncode != 0:
        pytest.skip(f"no onnx under {found}: {done.stderr.strip()[-100:]}")
    return found


def found(path):
    listed = tools.ls(path)["tensors"]
    return {t["name"]: [t["dtype"], t["shape"], t["sha256"]] for t in listed}


def halved(weights):
    """Of float4 two are one element, if the last dimension is even."""
    for row in weights.values():
        if row[0] == "float4_e2m1" and row[1] and row[1][-1] % 2 == 0:
            row[0] = "float4_e2m1fn_x2"
            row[1][-1] //= 2
    return weights


def compare(python, paths):
    """How many weights were alike; all of each model must be."""
    done = ask(python, "describe", lines=paths)
    assert done.returncode == 0, done.stderr
    count = 0
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        wanted = json.loads(line)
        if "strings" in wanted:
            refused = tools.run("ls", path)
            assert refused.returncode == 4, path
            assert "of strings (tensor " in refused.stderr, path
            continue
        assert "tensors" in wanted, f"{path}: {wanted}"
        assert found(path) == halved(wanted["tensors"]), path
        count += len(wanted["tensors"])
    return count


def models(folder):
    return sorted(pathlib.Path(folder).rglob("*.onnx"))


def test_testdata(python):
    if not TESTDATA.is_dir():
        pytest.skip(f"no {TESTDATA}")
    assert compare(python, models(TESTDATA)) > 300


def test_package(python):
    done = subprocess.run([python, "-c", "import onnx; print(onnx.__file__)"],
                          capture_output=True, text=True, check=True)
    paths = models(pathlib.Path(done.stdout.strip()).parent)
    if len(paths) < 10:
        pytest.skip("the package has hardly any models in it")
    assert compare(python, paths) > 300


def test_cases(python, tmp_path):
    done = ask(python, "cases", tmp_path)
    if done.returncode != 0:
        pytest.skip(f"it makes no cases: {done.stderr.strip()[-100:]}")
    assert compare(python, models(tmp_path)) > 300


def test_types(python, tmp_path):
    """Each dtype in typed fields, in raw_data, in one file and in many."""
    done = ask(python, "make", tmp_path)
    assert done.returncode == 0, done.stderr
    paths = models(tmp_path)
    assert len(paths) == 5
    assert compare(python, paths) > 150


def test_nested_attributes(python, tmp_path):
    done = ask(python, "make", tmp_path)
    assert done.returncode == 0, done.stderr
    attributes = tools.ls(tmp_path / "nested.onnx")["attributes"]
    assert attributes["k"] == "v" and attributes["other"] == ""
    assert attributes["onnx.doc_string"] == "of all places"
    assert attributes["onnx.producer_name"] == "peer"
    assert attributes["onnx.graph_name"] == "main"
    assert attributes["onnx.quantization_annotation"] == {
        "v": {"SCALE_TENSOR": "v_scale"},
        "If_7/else_branch/w": {"SCALE_TENSOR": "w_scale"}}


# ---- torch's exporter ----

EXPORT = """
import hashlib, json, sys, warnings
import torch
warnings.simplefilter("ignore")
torch.manual_seed(1)

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.lin = torch.nn.Linear(4, 5)
        self.rnn = torch.nn.LSTM(5, 6, batch_first=True)
        self.register_buffer("buf", torch.arange(6.0))

    def forward(self, x):
        x = self.norm(self.conv(x)).mean((2, 3))
        x, _ = self.rnn(self.lin(x).unsqueeze(1))
        return x + self.buf

net, x = Net().eval(), torch.randn(2, 3, 8, 8)
for name, options in {
        "plain": {}, "inputs": {"keep_initializers_as_inputs": True},
        "unfused": {"training": torch.onnx.TrainingMode.TRAINING,
                    "do_constant_folding": False}}.items():
    torch.onnx.export(net, x, f"{sys.argv[1]}/{name}.onnx",
                      opset_version=13, **options)
net.eval()
print(json.dumps({k: hashlib.sha256(v.numpy().tobytes()).hexdigest()
                  for k, v in net.state_dict().items()}))
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    done = subprocess.run([PYTHONS["old"], "-c", EXPORT, folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"torch there does not export: {done.stderr[-200:]}")
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_exported(python, exported):
    folder, _ = exported
    assert compare(python, models(folder)) > 15


@pytest.mark.parametrize("name, kept", [
    ("plain", {"lin.weight", "lin.bias", "buf"}),
    ("inputs", {"lin.weight", "lin.bias", "buf"}),
    ("unfused", {"conv.weight", "conv.bias", "norm.weight", "norm.bias",
                 "norm.running_var", "lin.weight", "lin.bias", "buf"})])
def test_exported_names(exported, name, kept):
    """Parameters that the exporter leaves alone keep their names."""
    folder, state = exported
    listed = {t["name"]: t["sha256"]
              for t in tools.ls(folder / f"{name}.onnx")["tensors"]}
    same = {key for key in state if listed.get(key) == state[key]}
    assert kept <= same


def test_info(exported):
    folder, _ = exported
    text = tools.ckpt("info", folder / "plain.onnx")
    assert "onnx (ONNX, IR 7, opset 13, from pytorch 1." in text


# ---- The runtime ----

RUNTIME = """
import sys
import onnxruntime
from onnxruntime.quantization import quantize_dynamic

source, folder = sys.argv[1:]
quantize_dynamic(source, f"{folder}/quantised.onnx")
options = onnxruntime.SessionOptions()
options.optimized_model_filepath = f"{folder}/saved.onnx"
for key, value in {"file_name": "saved.bin",
                   "min_size_in_bytes": "16"}.items():
    options.add_session_config_entry(
        f"session.optimized_model_external_initializers_{key}", value)
onnxruntime.InferenceSession(source, options)
"""


def test_runtime(exported, tmp_path):
    """What onnxruntime quantises, and what it saves with external data."""
    folder, _ = exported
    done = subprocess.run([sys.executable, "-c", RUNTIME,
                           folder / "plain.onnx", tmp_path],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no onnxruntime: {done.stderr.strip()[-100:]}")
    assert (tmp_path / "saved.bin").stat().st_size > 0
    assert compare(sys.executable, models(tmp_path)) > 20


# ---- Where bytes are ----

def test_convert(python, tmp_path):
    """To another format and back: the same weights."""
    done = ask(python, "make", tmp_path)
    assert done.returncode == 0, done.stderr
    tools.ckpt("convert", tmp_path / "nested.onnx", tmp_path / "a.pt")
    assert found(tmp_path / "a.pt") == found(tmp_path / "nested.onnx")
    tools.ckpt("convert", tmp_path / "a.pt", tmp_path / "b.safetensors")
    names = set(found(tmp_path / "b.safetensors"))
    assert {"sparse.indices", "line.values", "If_7/else_branch/w"} <= names


def test_sparse_in_torch(python, tmp_path):
    """A sparse initialiser becomes a sparse tensor of torch."""
    torch = pytest.importorskip("torch")
    done = ask(python, "make", tmp_path)
    assert done.returncode == 0, done.stderr
    tools.ckpt("convert", tmp_path / "nested.onnx", tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    assert state["line"].to_dense().tolist() == [0, 1, 0, 0, 2, 0]
    assert state["sparse"].to_dense().tolist() == [[0, 1], [0, 0], [0, 2]]
    assert hashlib.sha256(state["v"].numpy().tobytes()).hexdigest() == \
        found(tmp_path / "nested.onnx")["v"][2]


# ---- Links ----

def field(number, data):
    """A field of bytes, below 128 of them."""
    return bytes([number << 3 | 2, len(data)]) + data


def outside(location):
    """A model of one tensor, 4 bytes of another file."""
    entry = field(1, b"location") + field(2, location.encode())
    tensor = (b"\x08\x04\x10\x02" + field(8, b"w") + field(13, entry) +
              b"\x70\x01")
    return b"\x08\x08" + field(7, field(5, tensor)) + field(8, b"\x10\x11")


@pytest.mark.parametrize("link, target, location", [
    ("w.bin", "../other/w.bin", "w.bin"),
    ("w.bin", "below/w.bin", "w.bin"),
    ("data", "../other", "data/w.bin"),
    ("below/up.bin", "../w.bin", "below/up.bin"),
    ("below/up", "..", "below/up/w.bin")])
def test_links(tmp_path, link, target, location):
    """Links that leave their folder are not followed, wherever they are."""
    for name in ("model/below", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "other/w.bin").write_bytes(b"1234")
    (tmp_path / "model/below/w.bin").write_bytes(b"1234")
    if link != "w.bin":
        (tmp_path / "model/w.bin").write_bytes(b"1234")
    (tmp_path / "model" / link).symlink_to(target)
    path = tmp_path / "model/a.onnx"
    path.write_bytes(outside(location))
    for more in ((), ("--no-sandbox",)):
        done = tools.run("ls", *more, path)
        assert done.returncode == 3, done.stderr
        assert "leaves the folder" in done.stderr


def test_link_within(tmp_path):
    """One that stays there is."""
    (tmp_path / "v.bin").write_bytes(b"1234")
    (tmp_path / "w.bin").symlink_to("v.bin")
    (tmp_path / "a.onnx").write_bytes(outside("w.bin"))
    assert found(tmp_path / "a.onnx")["w"][2] == \
        hashlib.sha256(b"1234").hexdigest()


def test_cache(tmp_path):
    """The cache of Hugging Face is made of links into its blobs."""
    blobs, onnx = tmp_path / "blobs", tmp_path / "snapshots/abc/onnx"
    blobs.mkdir()
    onnx.mkdir(parents=True)
    (blobs / "1").write_bytes(outside("model.onnx_data"))
    (blobs / "2").write_bytes(b"1234")
    (onnx / "model.onnx").symlink_to("../../../blobs/1")
    (onnx / "model.onnx_data").symlink_to("../../../blobs/2")
    assert found(onnx / "model.onnx")["w"][2] == \
        hashlib.sha256(b"1234").hexdigest()
