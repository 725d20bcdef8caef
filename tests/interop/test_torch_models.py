# SPDX-License-Identifier: MIT
"""Whole models, which are read as what state_dict() gives: names, order,
types, bytes, roles, `_metadata`; and what is told of them beside."""
import json
import subprocess
import zipfile

import pytest
import torch

import conftest
import tools
from trees import ties

VISION = """resnet18 resnet50 resnext50_32x4d wide_resnet50_2 vgg11 vgg13_bn
    alexnet squeezenet1_0 squeezenet1_1 densenet121 mobilenet_v2
    mobilenet_v3_small inception_v3 googlenet shufflenet_v2_x0_5 mnasnet0_5
    efficientnet_b0 regnet_y_400mf convnext_tiny vit_b_32 swin_t deeplabv3
    fasterrcnn r3d_18 raft_small""".split()
CASES = """shared_children buffers_and_none old_weight_norm
    old_spectral_norm pruned recurrent attention transformer norms
    lists_and_dicts data_parallel tied averaged views_and_classes
    partly_trained cyclic_attributes slots own_getstate complex_and_half
    held_by_a_dict held_by_a_list empty_module""".split()


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Age -> folder of all its models, made when they are asked for."""
    folder, result = tmp_path_factory.mktemp("models"), {}

    def make(peer):
        if peer.age not in result:
            result[peer.age] = folder / peer.age
            done = subprocess.run(
                [peer.python, conftest.HERE / "models.py", result[peer.age]],
                capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        return result[peer.age]

    return make


@pytest.fixture(params=CASES + VISION)
def model(request, peer, made):
    folder = made(peer) / request.param
    if not folder.exists():
        pytest.skip(f"the {peer.age} torch makes no {request.param}")
    return folder


@pytest.fixture
def about(model):
    return json.loads((model / "about.json").read_text())


@pytest.fixture(params=["model.pt", "legacy.pt", "old.tar"])
def whole(request, model):
    path = model / request.param
    if not path.exists():
        pytest.skip("types that this form has not")
    return path


KEYS = ("dtype", "shape", "role", "sha256")


def of_models(listed, about):
    """The tensors that belong to a module, which have roles."""
    names = {name for name, _ in about["tensors"]}
    return [[tensor["name"], {key: tensor[key] for key in KEYS}]
            for tensor in listed if tensor["name"] in names]


def test_as_state_dict(whole, about):
    """Names in order, dtypes, shapes, bytes and roles; no gradients."""
    listed = tools.ls(whole)["tensors"]
    found = of_models(listed, about)
    assert found == about["tensors"]
    names = {name for name, _ in found}
    assert not any(t["requires_grad"] for t in listed if t["name"] in names)


def test_as_the_state_that_torch_saves(whole, model):
    """The file of the states reads as the same, ties and views too."""
    mine = tools.ls(whole)["tensors"]
    theirs = tools.ls(model / "state" / "model.pt")["tensors"]
    keys = ("name", "dtype", "shape", "sha256", "requires_grad", "stride")
    assert [[t[key] for key in keys] for t in mine] == \
        [[t[key] for key in keys] for t in theirs]
    assert ties(t["storage"] for t in mine) == \
        ties(t["storage"] for t in theirs)


def test_written_back(whole, model, readers, tmp_path):
    """What is written loads as the state that torch saved, in safe mode."""
    out = tmp_path / "model.pt"
    tools.ckpt("convert", whole, out)
    for reader in readers:
        options = ["only"] if reader.age == "new" else []
        mine = reader.describe(out, *options)
        assert mine == reader.describe(model / "state" / "model.pt", *options)
        assert "error" not in mine or \
            (model.name, reader.age) == ("views_and_classes", "old")


def test_the_same_pickle(model, peer, tmp_path):
    """Where torch of today saves the state, its pickle is this one."""
    if peer.age != "new":
        pytest.skip("other opcodes")
    out = tmp_path / "model.pt"
    tools.ckpt("convert", model / "model.pt", out)
    pickles = [zipfile.ZipFile(path).read("model/data.pkl")
               for path in (out, model / "state" / "model.pt")]
    if model.name in ("held_by_a_dict", "held_by_a_list"):
        pytest.skip("texts outside of the models are shared otherwise")
    assert pickles[0] == pickles[1]


def attribute(path, name):
    return tools.ls(path)["attributes"].get(f"model.{name}")


def test_told(whole, about):
    """Classes in order, training flags, frozen parameters."""
    told = tools.ls(whole)["attributes"]
    assert list(told.get("model.classes", {}).items()) == \
        list(about["classes"].items())
    assert told.get("model.training", {}) == about["training"]
    assert told.get("model.frozen", []) == about["frozen"]


def test_through_safetensors(model, tmp_path):
    """Nothing of it is lost on the way."""
    if model.name == "views_and_classes":
        pytest.skip("conjugate views become plain tensors there")
    there, back = tmp_path / "a.safetensors", tmp_path / "model.pt"
    tools.ckpt("convert", model / "model.pt", there)
    tools.ckpt("convert", there, back)
    direct = tmp_path / "direct" / "model.pt"
    direct.parent.mkdir()
    tools.ckpt("convert", model / "model.pt", direct)
    keys = ("tensors", "values", "attributes")
    before, after = tools.ls(direct), tools.ls(back)
    assert [after[key] for key in keys] == [before[key] for key in keys]
    mine, whole = tools.ls(there), tools.ls(model / "model.pt")
    strip = [{**t, "storage": 0, "stride": 0, "offset": 0}
             for t in whole["tensors"]]
    assert [{**t, "storage": 0, "stride": 0, "offset": 0}
            for t in mine["tensors"]] == strip
    assert mine["attributes"] == whole["attributes"]


def test_both_countings(whole, about):
    """Positions as in loops over state_dict() and over parameters(), where
    a second name of one parameter does not count."""
    if whole.parent.name.startswith("held_by"):
        pytest.skip("no model alone")
    rows = [line.split("\t") for line in
            tools.ckpt("ls", "--index", whole).splitlines()]
    assert [row[0] for row in rows] == [name for name, _ in about["tensors"]]
    assert [int(row[5]) for row in rows] == list(range(len(rows)))
    assert {row[0]: int(row[6]) for row in rows if row[6] != "-"} == \
        about["numbers"]


def findings(path):
    return json.loads(tools.ckpt("info", "--json", path))[0]["findings"]


@pytest.mark.parametrize("name, text", [
    ("buffers_and_none", "4 tensor(s) of modules are no state"),
    ("old_weight_norm", "2 tensor(s) of modules are no state"),
    ("cyclic_attributes", "3 attribute(s) of modules are more than plain")])
def test_left_out(name, text, peer, made):
    assert any(text in finding for finding in
               findings(made(peer) / name / "model.pt"))


@pytest.mark.parametrize("name", ["resnet18", "recurrent", "norms",
                                  "old_spectral_norm", "transformer"])
def test_nothing_to_report(name, peer, made):
    folder = made(peer) / name
    if not folder.exists():
        pytest.skip("no torchvision")
    found = findings(folder / "model.pt")
    if name == "old_spectral_norm":
        found = [f for f in found if "no state" not in f]
    assert found == []


def test_the_version_of_a_class(peer, readers, made, tmp_path):
    """It is in the source alone, which the older forms carry."""
    folder = made(peer) / "own_version"
    for name in ("legacy.pt", "old.tar"):
        tools.ckpt("convert", "--force", folder / name, tmp_path / "model.pt")
        for reader in readers:
            assert reader.describe(tmp_path / "model.pt") == \
                reader.describe(folder / "state" / "model.pt")
    tools.ckpt("convert", "--force", folder / "model.pt",
               tmp_path / "model.pt")
    assert readers[0].describe(tmp_path / "model.pt")["_metadata"] != \
        readers[0].describe(folder / "state" / "model.pt")["_metadata"]


def test_a_state_of_its_own(peer, made):
    folder = made(peer) / "extra_state"
    assert findings(folder / "model.pt") == []
    found = findings(folder / "legacy.pt")
    assert len(found) == 1 and "Extra writes its state_dict() itself" in \
        found[0]


def test_settings(peer, made):
    """Plain attributes of modules are there to be read."""
    told = attribute(made(peer) / "cyclic_attributes" / "model.pt", "settings")
    assert told["child"]["in_features"] == 2
    mine = told[""]
    assert mine["config"] == {"layers": [1, 2], "name": "c", "rate": 0.5}
    assert mine["shape"] == [2, 3] and mine["kind"] == "float16"
    assert "itself" not in mine


# ---- By hand ----

def module(children=b"}", buffers=b"}", parameters=b"}", more=b""):
    return tools.p_global("my.nets", "Net") + b")\x81}(" + \
        tools.p_text("_parameters") + parameters + \
        tools.p_text("_buffers") + buffers + \
        tools.p_text("_modules") + children + more + b"ub"


def refused(pickle, path):
    path.write_bytes(tools.zipped(tools.members(tools.p_whole(pickle))))
    done = tools.run("ls", path)
    assert done.returncode == 3 and done.stdout == ""
    return done.stderr


def test_nested_too_deep(tmp_path):
    made = module()
    for _ in range(600):
        made = module(tools.p_dict(a=made))
    assert "modules nest too deep" in refused(made, tmp_path / "a.pt")


def test_deep_but_fine(tmp_path):
    made = module(parameters=tools.p_dict(
        w=tools.p_tensor(tools.p_storage())))
    for _ in range(400):
        made = module(tools.p_dict(a=made))
    path = tmp_path / "a.pt"
    path.write_bytes(tools.zipped(tools.members(tools.p_whole(made))))
    assert [t["name"] for t in tools.ls(path)["tensors"]] == ["a." * 400 + "w"]


def test_not_quite_modules(tmp_path):
    """What lacks a registry is an object as any other."""
    path = tmp_path / "a.pt"
    half = tools.p_global("my.nets", "Net") + b")\x81" + tools.p_dict(
        _parameters=tools.p_dict(w=tools.p_tensor(tools.p_storage())),
        _buffers=b"}") + b"b"
    other = module(children=b"]")
    path.write_bytes(tools.zipped(tools.members(tools.p_whole(
        tools.p_dict(half=half, other=other)))))
    listed = tools.ls(path)
    assert [t["name"] for t in listed["tensors"]] == ["half._parameters.w"]
    assert listed["attributes"] == {}


def test_many_names_of_no_state(tmp_path):
    """A large set that many modules share is not gone through each time."""
    names = b"(" + b"".join(tools.p_text(f"n{i}") for i in range(20000)) + b"e"
    shared = tools.p_global("builtins", "set") + b"]" + names + b"\x85Rq\1"
    more = tools.p_text("_non_persistent_buffers_set")
    first = module(more=more + shared)
    children = b"".join(tools.p_text(f"c{i}") + module(more=more + b"h\1")
                        for i in range(1000))
    made = module(b"}(" + tools.p_text("a") + first + children + b"u")
    assert "unfold to more than" in refused(made, tmp_path / "a.pt")


def test_weights_that_a_class_alone_knows(tmp_path):
    """Quantised modules keep them packed in objects: never a part of them."""
    model = torch.ao.nn.quantized.dynamic.Linear(3, 4)
    torch.save(torch.nn.Sequential(model), tmp_path / "a.pt")
    for args in (("ls",), ("convert", "--strict")):
        done = tools.run(*args, "a.pt", *["b.safetensors"] * (len(args) - 1),
                         cwd=tmp_path)
        assert done.returncode == 4 and "keeps weights" in done.stderr, done
    assert not (tmp_path / "b.safetensors").exists()


def test_compiled(tmp_path):
    """What torch.compile wraps is the child `_orig_mod`, at any depth."""
    model = torch.nn.Sequential(
        torch.nn.ReLU(), torch.compile(torch.nn.BatchNorm1d(2)))
    for name, saved in (("inside", model), ("whole", torch.compile(model))):
        path, again = tmp_path / f"{name}.pt", tmp_path / f"{name}-state.pt"
        torch.save(saved, path)
        tools.ckpt("convert", path, again)
        found, wanted = torch.load(again), saved.state_dict()
        assert list(found) == list(wanted)
        assert found._metadata == wanted._metadata
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
