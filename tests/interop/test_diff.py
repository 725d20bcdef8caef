# SPDX-License-Identifier: MIT
"""`ckpt diff` against torch: what is equal, how far apart values are, and what
load_state_dict(strict=True) says of a file."""
import json
import math
import re
import subprocess

import pytest
import torch

import test_corpus
import tools


def diff(*args, like=False):
    """The document, or text if it is no JSON; and the exit status."""
    done = tools.run("diff", "--json", *(["--like"] if like else []), *args)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert told["fits" if like else "same"] == (done.returncode == 0)
    return told


def kinds(told):
    return sorted((found["kind"], found["name"])
                  for found in told["differences"])


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(11, 6)
        self.norm = torch.nn.BatchNorm1d(6)
        self.rnn = torch.nn.LSTM(6, 6, 2)
        self.decoder = torch.nn.Linear(6, 11, bias=False)
        self.decoder.weight = self.embedding.weight


def save_forms(state, folder):
    """The same state dict in every container that torch and we write."""
    paths = [folder / "zip.pt", folder / "legacy.pt"]
    torch.save(state, paths[0])
    torch.save(state, paths[1], _use_new_zipfile_serialization=False)
    for name in ("out.safetensors", "out.h5", "out.onnx"):
        done = tools.run("convert", paths[0], folder / name)
        if done.returncode == 0:
            paths.append(folder / name)
    return paths


def test_same_in_every_form(tmp_path):
    torch.manual_seed(0)
    paths = save_forms(Tied().state_dict(), tmp_path)
    assert len(paths) >= 3
    for a in paths:
        for b in paths:
            told = diff(a, b)
            assert told["differences"] == [], (a, b)
            assert told["tensors"] == 15


def test_same_as_safetensors_writes(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    state = torch.nn.Linear(5, 3).state_dict()
    safetensors.save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pt")
    assert diff(tmp_path / "a.safetensors", tmp_path / "a.pt")["same"]


def test_tie(tmp_path):
    state = Tied().state_dict()
    torch.save(state, tmp_path / "a.pt")
    loose = {name: value.clone() for name, value in state.items()}
    torch.save(loose, tmp_path / "b.pt")
    told = diff(tmp_path / "a.pt", tmp_path / "b.pt")
    assert kinds(told) == [("tie", "decoder.weight")]
    assert told["differences"][0]["a"]["tied_to"] == "embedding.weight"
    assert told["differences"][0]["b"]["tied_to"] is None


DTYPES = """bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64
    complex64 complex128 float8_e4m3fn float8_e5m2""".split()


def hard(dtype, seed):
    """Values of all magnitudes, few of which are the same for two seeds."""
    torch.manual_seed(seed)
    if dtype == torch.bool:
        return torch.randint(0, 2, (37, 5), dtype=torch.uint8).bool()
    if dtype.is_complex:
        real = torch.float32 if dtype == torch.complex64 else torch.float64
        return torch.complex(hard(real, seed), hard(real, seed + 7))
    if dtype.is_floating_point:
        wide = torch.randn(37, 5, dtype=torch.float64)
        wide = wide * torch.exp(3 * torch.randn(37, 5, dtype=torch.float64))
        wide[::7] = torch.arange(5.)
        return wide.clamp(-400, 400).to(dtype)
    info = torch.iinfo(dtype)
    values = torch.randint(info.min, info.max, (37, 5), dtype=dtype)
    values[::3] = 5
    return values


def wanted(a, b):
    """Counts, and the largest differences as torch has them."""
    if a.is_complex():
        wide = [x.to(torch.complex128) for x in (a, b)]
    elif a.dtype == b.dtype == torch.int64:
        return None
    else:
        wide = [x.to(torch.float64) for x in (a, b)]
    apart = (wide[0] - wide[1]).abs()
    size = torch.maximum(wide[0].abs(), wide[1].abs())
    relative = apart / torch.where(size == 0, 1, size)
    return (int((wide[0] != wide[1]).sum()), apart.max().item(),
            relative.max().item())


def near(got, want):
    """hypot may round another way."""
    return math.isclose(got, want, rel_tol=1e-15, abs_tol=0)


@pytest.mark.parametrize("name", DTYPES)
def test_values(name, tmp_path):
    if not hasattr(torch, name):
        pytest.skip(f"this torch has no {name}")
    dtype = getattr(torch, name)
    a, b = hard(dtype, 1), hard(dtype, 2)
    torch.save({"x": a, "y": a, "v": a.t()}, tmp_path / "a.pt")
    torch.save({"x": b, "y": a.clone(), "v": b.t()}, tmp_path / "b.pt")
    told = diff(tmp_path / "a.pt", tmp_path / "b.pt")
    told["differences"] = [found for found in told["differences"]
                           if found["kind"] != "tie"]
    assert kinds(told) == [("value", "v"), ("value", "x")]
    for found in told["differences"]:
        if dtype == torch.int64:
            pairs = list(zip(a.flatten().tolist(), b.flatten().tolist()))
            assert found["elements"] == sum(p != q for p, q in pairs)
            assert found["absolute"] == float(max(abs(p - q)
                                                  for p, q in pairs))
            continue
        count, absolute, relative = wanted(a, b)
        assert found["elements"] == count
        assert near(found["absolute"], absolute)
        assert near(found["relative"], relative)


@pytest.mark.parametrize("other", ["bfloat16", "float16", "float64", "int32"])
def test_across_dtypes(other, tmp_path):
    a = hard(torch.float32, 3)
    b = a.to(getattr(torch, other))
    torch.save({"x": a}, tmp_path / "a.pt")
    torch.save({"x": b}, tmp_path / "b.pt")
    told = diff(tmp_path / "a.pt", tmp_path / "b.pt")
    count, absolute, relative = wanted(a, b)
    expected = [("dtype", "x")] + ([("value", "x")] if count else [])
    assert kinds(told) == expected
    if count:
        assert told["differences"][1]["elements"] == count
        assert near(told["differences"][1]["absolute"], absolute)
        assert near(told["differences"][1]["relative"], relative)


def test_special_numbers(tmp_path):
    nan, inf = math.nan, math.inf
    a = torch.tensor([nan, inf, -inf, 0., 1., nan, inf])
    b = torch.tensor([nan, inf, -inf, -0., nan, 1., -inf])
    torch.save({"x": a}, tmp_path / "a.pt")
    torch.save({"x": b}, tmp_path / "b.pt")
    found = diff(tmp_path / "a.pt", tmp_path / "b.pt")["differences"][0]
    same = torch.isclose(a, b, rtol=0, atol=0, equal_nan=True)
    assert found["elements"] == int((~same).sum())
    assert found["nan"] == 2
    assert found["absolute"] == "inf"


def test_tolerance(tmp_path):
    a = torch.linspace(-3, 3, 1000, dtype=torch.float64)
    b = a + torch.linspace(0, 1e-3, 1000, dtype=torch.float64)
    torch.save({"x": a}, tmp_path / "a.pt")
    torch.save({"x": b}, tmp_path / "b.pt")
    for absolute, relative in ((1e-4, 0), (0, 1e-4), (1e-4, 1e-4), (1e-2, 0)):
        told = diff("--tolerance", f"{absolute},{relative}",
                    tmp_path / "a.pt", tmp_path / "b.pt")
        size = torch.maximum(a.abs(), b.abs())
        beyond = int(((a - b).abs() > absolute + relative * size).sum())
        got = told["differences"][0]["elements"] if not told["same"] else 0
        assert got == beyond


def test_overlap(tmp_path):
    """Views are tied by their bytes, not by their storage."""
    base = torch.arange(60.).reshape(6, 10)
    torch.save({"x": base[:3], "y": base[3:], "z": base[2:4, 1:],
                "t": base[:3].t()}, tmp_path / "a.pt")
    torch.save({"x": base[:3].clone(), "y": base[3:], "z": base[2:4, 1:],
                "t": base[:3].t().contiguous()}, tmp_path / "b.pt")
    told = diff(tmp_path / "a.pt", tmp_path / "b.pt")
    ties = {found["name"]: (found["a"]["tied_to"], found["b"]["tied_to"])
            for found in told["differences"]}
    assert ties == {"y": ("x", None), "z": ("x", "y"), "t": ("x", None)}


def test_slots_of_others(tmp_path):
    """A slot of the same number need not be of the same parameter."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 4))
    for name, chosen in (("a", list(model.parameters())),
                         ("b", list(model.parameters())[2:])):
        adam = torch.optim.Adam(chosen)
        model(torch.ones(2, 4)).sum().backward()
        adam.step()
        torch.save({"model": model.state_dict(),
                    "optimizer": adam.state_dict()}, tmp_path / f"{name}.pt")
    told = diff(tmp_path / "a.pt", tmp_path / "b.pt")
    found = {found["name"]: found for found in told["differences"]}
    slot = found["optimizer.state.0.exp_avg"]
    assert slot["a"]["slot_of"] == "0.weight"
    assert slot["b"]["slot_of"] == "1.weight"
    done = tools.run("diff", tmp_path / "a.pt", tmp_path / "b.pt")
    assert "\t0.weight in A, 1.weight in B\n" in done.stdout


def test_training(tmp_path):
    """Scalars and slots of an optimizer, with the names of parameters."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    adam = torch.optim.Adam(model.parameters(), lr=0.1)
    for step in range(2):
        model(torch.ones(2, 4)).sum().backward()
        adam.step()
        torch.save({"epoch": step, "model": model.state_dict(),
                    "optimizer": adam.state_dict()}, tmp_path / f"{step}.pt")
        if step == 0:
            with torch.no_grad():
                before = {name: value.clone() for name, value
                          in model.state_dict().items()}
    told = diff(tmp_path / "0.pt", tmp_path / "1.pt")
    found = {found["name"]: found for found in told["differences"]}
    assert found["epoch"]["kind"] == "scalar"
    assert [found["epoch"][side]["value"] for side in "ab"] == [0, 1]
    for name, value in model.state_dict().items():
        apart = (value.double() - before[name].double()).abs().max().item()
        assert found[f"model.{name}"]["absolute"] == apart
    slots = {re.sub(r"\D", "", name): entry["a"]["slot_of"]
             for name, entry in found.items()
             if re.fullmatch(r"optimizer\.state\.\d\.exp_avg", name)}
    assert slots == {str(i): name for i, name
                     in enumerate(model.state_dict())}


def verdict(model, state):
    """What torch says: missing, unexpected, mismatched keys."""
    mismatched = {name for name, value in model.state_dict().items()
                  if name in state and state[name].shape != value.shape}
    fitting = {name: value for name, value in state.items()
               if name not in mismatched}
    result = model.load_state_dict(fitting, strict=False)
    missing = set(result.missing_keys) - mismatched
    return sorted([("missing", name) for name in missing]
                  + [("unexpected", name) for name in result.unexpected_keys]
                  + [("mismatched", name) for name in mismatched])


def test_like_strict(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3),
                                torch.nn.Linear(3, 2))
    other = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3),
                                torch.nn.Linear(3, 5),
                                torch.nn.Linear(5, 1)).half()
    state = other.state_dict()
    del state["1.running_mean"]
    torch.save(state, tmp_path / "a.pt")
    torch.save(model.state_dict(), tmp_path / "b.pt")
    told = diff(tmp_path / "a.pt", tmp_path / "b.pt", like=True)
    assert kinds(told) == verdict(model, state)
    assert told["cure"] is None
    assert diff(tmp_path / "b.pt", tmp_path / "b.pt", like=True)["fits"]


def cured(a, b):
    """The cure is what it says: with it, A fits B."""
    told = diff(a, b, like=True)
    assert not told["fits"]
    steps = [word for step in told["cure"]["transforms"]
             for word in ("-t", step)]
    assert diff(a, b, *steps, like=True)["fits"]
    return told["cure"]["transforms"]


def test_like_data_parallel(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    parallel = torch.nn.DataParallel(model)
    plain, wrapped = tmp_path / "plain.pt", tmp_path / "wrapped.pt"
    torch.save(model.state_dict(), plain)
    torch.save(parallel.state_dict(), wrapped)
    assert cured(wrapped, plain) == ["strip-prefix:module."]
    assert cured(plain, wrapped) == ["add-prefix:module."]
    told = diff(wrapped, plain, like=True)
    assert kinds(told) == verdict(model, parallel.state_dict())
    done = tools.run("diff", "--like", wrapped, plain)
    assert "every key of A is a key of B after -t strip-prefix:module." \
        in done.stdout
    training = tmp_path / "training.pt"
    torch.save({"epoch": 3, "state_dict": parallel.state_dict(),
                "scale": torch.ones(1)}, training)
    assert cured(training, plain) == ["root:state_dict",
                                      "strip-prefix:module."]


@pytest.mark.parametrize("name", test_corpus.FILES + [test_corpus.ONNX])
@pytest.mark.skipif(not test_corpus.CORPUS.is_dir(), reason="no corpus")
@pytest.mark.parametrize("other", ["out.safetensors", "out.pt", "out.h5",
                                   "out.onnx"])
def test_corpus_converted(name, other, tmp_path):
    """Real files are what they were after a conversion to any format."""
    done = tools.run("convert", test_corpus.CORPUS / name, tmp_path / other)
    if done.returncode == 4:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    told = diff(test_corpus.CORPUS / name, tmp_path / other)
    assert told["differences"] == []
    assert told["tensors"] == len(
        tools.ls(test_corpus.CORPUS / name)["tensors"])


# Files of a real architecture, and what strict loading says of them.
ZOO = """
import json, sys, torch, torchvision
folder = sys.argv[1]
torch.manual_seed(0)
def model(**options):
    return torchvision.models.resnet18(weights=None, **options)
first, second = model(), model(num_classes=21)
parallel = torch.nn.DataParallel(first)
torch.save({"epoch": 1, "state_dict": parallel.state_dict()},
           folder + "/training.pt")
torch.save(first.state_dict(), folder + "/first.pt",
           _use_new_zipfile_serialization=False)
torch.save(second.state_dict(), folder + "/second.pt")
apart = {}
for name, value in second.state_dict().items():
    other = first.state_dict()[name]
    if other.shape == value.shape and not torch.equal(other, value):
        wide = other.double() - value.double()
        apart[name] = [int((other != value).sum()), wide.abs().max().item()]
try:
    second.load_state_dict(first.state_dict())
except RuntimeError as error:
    told = str(error)
print(json.dumps([apart, told]))
"""


def test_torchvision(peer, tmp_path):
    done = subprocess.run([peer.python, "-c", ZOO, tmp_path],
                          capture_output=True, text=True)
    if "No module named 'torchvision'" in done.stderr:
        pytest.skip("no torchvision")
    assert done.returncode == 0, done.stderr
    apart, told = json.loads(done.stdout)
    first, second = tmp_path / "first.pt", tmp_path / "second.pt"
    found = {found["name"]: [found["elements"], found["absolute"]]
             for found in diff(first, second)["differences"]
             if found["kind"] == "value"}
    assert found == apart
    like = diff(first, second, like=True)
    assert kinds(like) == [("mismatched", name) for name in
                           sorted(re.findall(r"size mismatch for (\S+):",
                                             told))]
    assert cured(tmp_path / "training.pt", first) == [
        "root:state_dict", "strip-prefix:module."]
