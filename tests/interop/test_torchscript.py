# SPDX-License-Identifier: MIT
"""We read TorchScript archives of both ages of torch as state_dict() of the
loaded module has them. Those of torch 1.0 to 1.3 are made by hand: neither
age still reads them."""
import hashlib
import json
import struct
import subprocess
import zipfile

import pytest

import conftest
import tools
import trees

CASES = """scripted training extra traced frozen mobile lstm
    function""".split()


def call(age, *args):
    done = subprocess.run([conftest.python_of(age),
                           conftest.HERE / "script_peer.py",
                           *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("\n")[-2])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Age -> (folder, {case: description}); ages are made when asked for."""
    result = {}

    def make(age):
        if age not in result:
            result[age] = None
            missing = conftest.why_missing(age)
            if missing:
                pytest.skip(missing)
            folder = tmp_path_factory.mktemp(age)
            names = call(age, "save", folder)
            paths = [folder / f"{name}.pt" for name in names]
            result[age] = folder, dict(zip(names,
                                           call(age, "describe", *paths)))
        assert result[age], f"torch of age {age} failed before"
        return result[age]
    return make


def compare(path, wanted):
    listed = tools.ls(path)
    got = listed["tensors"]
    assert listed["format"] == "torchscript"
    assert [t["name"] for t in got] == [t["name"] for t in wanted]
    for mine, theirs in zip(got, wanted):
        for key in ("dtype", "shape", "stride", "offset", "sha256"):
            assert mine[key] == theirs[key], (mine["name"], key)
    full = [i for i, t in enumerate(wanted) if t["storage"] != 0]
    assert trees.ties([got[i]["storage"] for i in full]) == \
        trees.ties([wanted[i]["storage"] for i in full])


@pytest.mark.parametrize("age", ["new", "old"])
@pytest.mark.parametrize("name", CASES)
def test_read(made, age, name):
    folder, wanted = made(age)
    compare(folder / f"{name}.pt", wanted[name])


@pytest.mark.parametrize("age", ["new", "old"])
def test_listed(made, age):
    """Code, extra files and constants are told of."""
    folder, _ = made(age)
    attributes = tools.ls(folder / "extra.pt")["attributes"]
    assert attributes["torchscript.extra"] == ["extra/note.txt"]
    assert "code/__torch__.py" in attributes["torchscript.code"]
    assert attributes["torchscript.attributes"] == ["plain", "many"]
    assert attributes["model.frozen"] == ["turned"]
    assert attributes["model.training"] == {"": False}
    assert attributes["model.classes"]["first.linear"] == \
        "__torch__.torch.nn.modules.linear.Linear"
    attributes = tools.ls(folder / "frozen.pt")["attributes"]
    assert "c0 FloatStorage [2, 3]" in attributes["torchscript.constants"]
    attributes = tools.ls(folder / "mobile.pt")["attributes"]
    assert attributes["torchscript.records"] == ["bytecode.pkl"]


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_convert(made, suffix, tmp_path):
    """What is converted is the state dict, ties and all."""
    folder, wanted = made("new")
    out = tmp_path / f"out{suffix}"
    tools.ckpt("convert", folder / "scripted.pt", out)
    got = tools.ls(out)["tensors"]
    assert [(t["name"], t["sha256"]) for t in got] == \
        [(t["name"], t["sha256"]) for t in wanted["scripted"]]


@pytest.mark.parametrize("age", ["new", "old"])
def test_refused(age, tmp_path):
    """Other files of torch that hold programs are refused by name."""
    missing = conftest.why_missing(age)
    if missing:
        pytest.skip(missing)
    for name, word in call(age, "others", tmp_path).items():
        done = tools.run("ls", tmp_path / name)
        assert (done.returncode, done.stdout) == (4, ""), name
        assert ": torchscript: " in done.stderr and word in done.stderr, name


def test_no_buffers_told(made, tmp_path):
    """Torch 1.4 told parameters alone; all other tensors were buffers."""
    folder, wanted = made("new")
    path = tmp_path / "old.pt"
    with zipfile.ZipFile(folder / "lstm.pt") as whole:
        source = {n: whole.read(n) for n in whole.namelist()}
    for name, data in source.items():
        source[name] = b"\n".join(line for line in data.split(b"\n")
                                  if b"__buffers__" not in line)
    path.write_bytes(tools.zipped(source))
    compare(path, wanted["lstm"])


# ---- Torch 1.0 to 1.3 ----

def tensor(dims, strides, key, offset=0, kind="FLOAT", grad=True):
    return {"dims": [str(d) for d in dims], "offset": str(offset),
            "strides": [str(s) for s in strides], "requiresGrad": grad,
            "dataType": kind, "data": {"key": f"tensors/{key}"},
            "device": "cpu"}


def model(extra=None):
    """A model.json as torch 1.2 writes them, with its records."""
    def parameter(name, number, is_buffer=False):
        return {"isBuffer": is_buffer, "tensorId": str(number), "name": name}
    linear = {"name": "fc", "optimize": True,
              "parameters": [parameter("weight", 0), parameter("bias", 1)],
              "attributes": [{"type": "Tensor", "name": "running", "id": "0"},
                             {"type": "int", "name": "steps", "id": "1"},
                             {"type": "Tensor", "name": "one", "id": "2"}]}
    twin = {"name": "twin", "optimize": True,
            "parameters": [parameter("count", 3, True),
                           parameter("weight", 0), parameter("part", 4)]}
    main = {"name": "m", "optimize": True, "submodules": [linear, twin],
            "parameters": [parameter("own", 1)]}
    tensors = [tensor([2, 3], [3, 1], 0), tensor([2], [1], 1),
               tensor([2], [1], 2, grad=False),
               tensor([], [], 3, kind="INT64", grad=False),
               tensor([2], [2], 0, offset=2)]
    return {"protoVersion": "3", "mainModule": main,
            "producerName": "pytorch", "producerVersion": "1.0",
            "tensors": tensors, **(extra or {})}


def attributes(make):
    return tools.p_whole(tools.p_tuple(make(2), tools.p_int(7), make(1)))


def by_call(number):
    return tools.p_global("torch.jit._pickle", "build_tensor_from_id") + \
        tools.p_tuple(tools.p_int(number)) + b"R"


def by_class(number):
    return tools.p_global("__main__", "TensorID") + b")\x81" + \
        tools.p_int(number) + b"b"


def archive(path, make, method=zipfile.ZIP_STORED):
    records = {"model.json": json.dumps(model()).encode(),
               "attributes.pkl": attributes(make),
               "tensors/0": struct.pack("<6f", *range(6)),
               "tensors/1": struct.pack("<2f", 7, 8),
               "tensors/2": struct.pack("<2f", 9, 10),
               "tensors/3": struct.pack("<q", 11), "version": b"1\n"}
    path.write_bytes(tools.zipped(
        {f"m/{name}": data for name, data in records.items()}, method))


WANTED = [  # name, role, shape, stride, offset, values
    ("own", "parameter", [2], [1], 0, "<2f", [7, 8]),
    ("fc.weight", "parameter", [2, 3], [3, 1], 0, "<6f", range(6)),
    ("fc.bias", "parameter", [2], [1], 0, "<2f", [7, 8]),
    ("fc.running", "buffer", [2], [1], 0, "<2f", [9, 10]),
    ("fc.one", "parameter", [2], [1], 0, "<2f", [7, 8]),
    ("twin.weight", "parameter", [2, 3], [3, 1], 0, "<6f", range(6)),
    ("twin.part", "parameter", [2], [2], 2, "<2f", [2, 4]),
    ("twin.count", "buffer", [], [], 0, "<q", [11]),
]


@pytest.mark.parametrize("make", [by_call, by_class])
def test_model_json(make, tmp_path):
    path = tmp_path / "m.pt"
    archive(path, make)
    got = tools.ls(path)["tensors"]
    assert [t["name"] for t in got] == [row[0] for row in WANTED]
    for mine, (_, role, shape, stride, offset, form, data) in zip(got, WANTED):
        digest = hashlib.sha256(struct.pack(form, *data)).hexdigest()
        assert (mine["role"], mine["shape"], mine["stride"], mine["offset"],
                mine["sha256"]) == (role, shape, stride, offset, digest)
    assert trees.ties([t["storage"] for t in got]) == \
        trees.ties([1, 0, 1, 2, 1, 0, 0, 3])


def test_model_json_deflated(tmp_path):
    """As torch packed it: all but the tensors."""
    archive(tmp_path / "a.pt", by_call)
    archive(tmp_path / "b.pt", by_call, zipfile.ZIP_DEFLATED)
    a, b = (tools.ls(tmp_path / f"{n}.pt")["tensors"] for n in "ab")
    assert [(t["name"], t["sha256"]) for t in a] == \
        [(t["name"], t["sha256"]) for t in b]
