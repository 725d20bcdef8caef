# SPDX-License-Identifier: MIT
"""`average`, `interpolate`, `add`, `subtract` and `lora` against torch: what
torch computes in float64 and casts at the end, within one unit in the last
place of the type; on real models and small ones, in several formats."""
import copy
import json
import subprocess

import pytest

import tools
from conftest import python_of

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

FLOATS = ["float32", "float16", "bfloat16", "float64", "float8_e4m3fn",
          "float8_e5m2"]
WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


# ---- Units in the last place ----

def order(tensor):
    """Floats as integers that count them from zero up and down."""
    width = tensor.element_size()
    bits = tensor.contiguous().view(WORDS[width]).to(torch.int64)
    bits = bits.reshape(-1)
    if width < 8:
        bits = bits & ((1 << 8 * width) - 1)
        sign = bits >> (8 * width - 1) == 1
        bits = bits & ((1 << (8 * width - 1)) - 1)
        return torch.where(sign, -bits, bits)
    return torch.where(bits < 0, -(bits & 0x7fffffffffffffff), bits)


def ulps(got, wanted):
    """How far two of one type are apart; NaN is near NaN alone."""
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    if got.is_complex():
        return ulps(torch.view_as_real(got.resolve_conj()),
                    torch.view_as_real(wanted.resolve_conj()))
    if got.numel() == 0:
        return 0
    nan = wanted.double().isnan().reshape(-1)
    assert torch.equal(got.double().isnan().reshape(-1), nan)
    far = (order(got) - order(wanted)).abs()
    return int(torch.where(nan, 0, far).max())


def wide(tensor):
    return tensor.to(torch.complex128 if tensor.is_complex()
                     else torch.float64)


def near(got, formula, *inputs):
    """Each float of a state dict against a formula in float64. Where doubles
    cancel each other, what is left counts in units of the largest of them."""
    first = inputs[0]
    assert sorted(got) == sorted(first)
    for name, value in first.items():
        if value.numel() == 0 or not (
                value.is_floating_point() or value.is_complex()):
            continue
        exact = formula(*(wide(state[name]) for state in inputs))
        most = max(float(wide(state[name]).detach().abs().max())
                   for state in inputs)
        left = (wide(got[name]) - exact).abs() <= most * 2 ** -50
        if value.element_size() < 8 or value.dtype is torch.complex64:
            # As torch casts, doubles go through float32.
            wanted = exact if value.is_complex() else exact.float()
            wanted = torch.where(left, got[name].to(wanted.dtype), wanted)
            assert ulps(got[name], wanted.to(value.dtype)) <= 1, name
        else:
            assert left.all(), name


def load(path):
    if path.suffix == ".safetensors":
        return safetensors.load_file(path)
    return torch.load(path, map_location="cpu")


def make(folder, text, source, name="out.pth"):
    tools.ckpt("convert", "--force", "-t", text, source, folder / name)
    return load(folder / name)


def fails(text, source, output, status, message):
    done = tools.run("convert", "-t", text, source, output)
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert not output.exists()


# ---- Real models ----

RESNETS = """
import sys, torch, torchvision
for seed in range(3):
    torch.manual_seed(seed)
    net = torchvision.models.resnet18(num_classes=21)
    state = net.state_dict()
    for name, value in state.items():
        if name.endswith("_tracked"):
            value.fill_(seed + 1)
        elif ".running_" in name:
            value.copy_(torch.rand(value.shape))
    torch.save(state, f"{sys.argv[1]}/{seed}.pth")
"""


@pytest.fixture(scope="module")
def resnets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resnets")
    done = subprocess.run([python_of("old"), "-c", RESNETS, folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no torchvision: {done.stderr.strip()[-200:]}")
    tools.ckpt("convert", folder / "1.pth", folder / "1.safetensors")
    tools.ckpt("convert", folder / "2.pth", folder / "2.npz.h5", "--to",
               "hdf5")
    return folder, [load(folder / f"{seed}.pth") for seed in range(3)]


def arc(t):
    def between(x, y):
        cosine = float((x * y).sum() / (x.norm() * y.norm()))
        if not abs(cosine) <= 0.9995:
            return torch.lerp(x, y, t)
        angle = torch.acos(torch.tensor(cosine, dtype=torch.float64))
        return (torch.sin((1 - t) * angle) * x +
                torch.sin(t * angle) * y) / torch.sin(angle)
    return between


TWO = [("average:{}", lambda x, y: torch.stack([x, y]).mean(0)),
       ("average:{},weights=0.3x0.6", lambda x, y: 0.3 * x + 0.6 * y),
       ("average:{},weights=-1x1e-3", lambda x, y: -x + 1e-3 * y),
       ("average:{},ema=0.999", lambda x, y: torch.lerp(x, y, 1 - 0.999)),
       ("interpolate:{}", lambda x, y: torch.lerp(x, y, 0.5)),
       ("interpolate:{},t=0.3", lambda x, y: torch.lerp(x, y, 0.3)),
       ("interpolate:{},t=1.5", lambda x, y: torch.lerp(x, y, 1.5)),
       ("interpolate:{},t=0.3,mode=slerp", arc(0.3)),
       ("interpolate:{},t=0.8,mode=slerp", arc(0.8)),
       ("add:{}", lambda x, y: x + y),
       ("add:{},scale=0.4", lambda x, y: x + 0.4 * y),
       ("subtract:{}", lambda x, y: x - y)]
TEXTS = [text for text, _ in TWO]


@pytest.mark.parametrize("text,formula", TWO[7:8], ids=TEXTS[7:8])
def test_resnet(resnets, tmp_path, text, formula):
    """One of them is in another format."""
    folder, states = resnets
    got = make(tmp_path, text.format(folder / "1.safetensors"),
               folder / "0.pth")
    near(got, formula, *states[:2])


def test_resnet_three(resnets, tmp_path):
    """Three seeds in three formats."""
    folder, states = resnets
    text = (f"average:{folder / '1.safetensors'},"
            f"with={folder / '2.npz.h5'}")
    near(make(tmp_path, text + ",weights=0.5x0.3x0.2", folder / "0.pth",
              "out.safetensors"),
         lambda x, y, z: 0.5 * x + 0.3 * y + 0.2 * z, *states)


def test_resnet_buffers(resnets, tmp_path):
    """num_batches_tracked is 1, 2 and 3."""
    folder, states = resnets
    text = f"average:{folder / '1.pth'},weights=0.2x0.8"
    done = tools.run("convert", "-t", text, folder / "0.pth",
                     tmp_path / "out.pth")
    counts = [name for name in states[0] if name.endswith("_tracked")]
    assert done.stderr.count("it differs, and is int64") == len(counts)
    got = load(tmp_path / "out.pth")
    for name in counts:
        assert got[name] == 2 and name in done.stderr
    got = make(tmp_path, f"subtract:{folder / '1.pth'}", folder / "0.pth")
    assert all(got[name] == -1 for name in counts)


def test_moving_average(tmp_path):
    """As AveragedModel does it, step by step, in float64."""
    swa = torch.optim.swa_utils
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 6)
    average = swa.AveragedModel(copy.deepcopy(model).double(),
                                multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    average.update_parameters(model.double())
    torch.save(model.state_dict(), tmp_path / "ema.pth")
    for _ in range(4):
        with torch.no_grad():
            for value in model.parameters():
                value.add_(torch.randn_like(value))
        average.update_parameters(model)
        torch.save(model.state_dict(), tmp_path / "now.pth")
        tools.ckpt("convert", "--force", "-t",
                   f"average:{tmp_path / 'now.pth'},ema=0.9",
                   tmp_path / "ema.pth", tmp_path / "ema.pth")
    got = load(tmp_path / "ema.pth")
    for name, value in average.module.state_dict().items():
        assert torch.allclose(got[name], value, rtol=1e-15, atol=1e-15)


# ---- Every type ----

def small(seed, dtype, scale=1.0):
    torch.manual_seed(seed)

    def rand(*shape):
        return (torch.randn(shape, dtype=torch.float64) * scale).to(dtype)
    return {"w": rand(37, 53), "deep": rand(3, 4, 5, 2), "one": rand(),
            "none": rand(0, 3), "turned": rand(6, 9).t(),
            "n": torch.tensor(5)}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("text,formula", TWO, ids=TEXTS)
def test_types(tmp_path, name, text, formula):
    states = [small(seed, getattr(torch, name)) for seed in range(2)]
    for seed, state in enumerate(states):
        torch.save(state, tmp_path / f"{seed}.pth")
    got = make(tmp_path, text.format(tmp_path / "1.pth"), tmp_path / "0.pth")
    near(got, formula, *states)
    for key, value in states[0].items():
        assert got[key].stride() == value.stride(), key


def test_mixed_types(tmp_path):
    """The type of the first stays; all else is as wide as it was."""
    states = [small(seed, getattr(torch, name))
              for seed, name in enumerate(FLOATS[:4])]
    for seed, state in enumerate(states):
        torch.save(state, tmp_path / f"{seed}.pth")
    for first in range(4):
        others = [k for k in range(4) if k != first]
        files = [tmp_path / f"{k}.pth" for k in others]
        text = f"average:{files[0]},with={files[1]},with={files[2]}"
        near(make(tmp_path, text, tmp_path / f"{first}.pth"),
             lambda *all: sum(all) / 4, states[first],
             *(states[k] for k in others))


def test_complex(tmp_path):
    states = []
    for seed in range(2):
        torch.manual_seed(seed)
        base = torch.randn(4, 7, dtype=torch.complex64)
        states.append({"c": base, "conj": torch.randn(
            5, dtype=torch.complex64).conj(),
            "d": torch.randn(3, dtype=torch.complex128)})
        torch.save(states[-1], tmp_path / f"{seed}.pth")
    got = make(tmp_path, f"average:{tmp_path / '1.pth'},weights=0.25x0.7",
               tmp_path / "0.pth")
    near(got, lambda x, y: 0.25 * x + 0.7 * y, *states)


def test_hard_values(tmp_path):
    """Infinities, NaN, zeros of both signs, and what is too large."""
    x = torch.tensor([float("inf"), float("nan"), -0.0, 60000, 1, 6e-8])
    y = torch.tensor([1.0, 1, 0.0, 60000, float("-inf"), -6e-8])
    for dtype in (torch.float16, torch.float32):
        torch.save({"v": x.to(dtype)}, tmp_path / "x.pth")
        torch.save({"v": y.to(dtype)}, tmp_path / "y.pth")
        got = make(tmp_path, f"add:{tmp_path / 'y.pth'}", tmp_path / "x.pth")
        wanted = x.to(dtype) + y.to(dtype)
        assert ulps(got["v"], wanted) == 0
    done = tools.run("convert", "--force", "-t", f"add:{tmp_path / 'y.pth'}",
                     tmp_path / "x.pth", tmp_path / "z.safetensors")
    assert "do not fit" not in done.stderr
    torch.save({"v": x.half()}, tmp_path / "x.pth")
    done = tools.run("convert", "--force", "-t", f"add:{tmp_path / 'y.pth'}",
                     tmp_path / "x.pth", tmp_path / "z.safetensors")
    assert "1 values do not fit float16 (tensor v)" in done.stderr


def test_integers(tmp_path):
    """Sums of integers wrap as torch's do; a part of one is no integer."""
    names = ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32"]
    states = []
    for seed in range(2):
        torch.manual_seed(seed)
        states.append({name: torch.randint(
            torch.iinfo(getattr(torch, name)).min,
            torch.iinfo(getattr(torch, name)).max, (99,),
            dtype=torch.int64).to(getattr(torch, name)) for name in names})
        states[-1]["bool"] = torch.rand(9) > 0.5
        torch.save(states[-1], tmp_path / f"{seed}.pth")
    x, y = states
    other = tmp_path / "1.pth"
    for text, sign in ((f"add:{other}", 1), (f"subtract:{other}", -1),
                       (f"add:{other},scale=-3", -3)):
        got = make(tmp_path, text, tmp_path / "0.pth")
        for name in names:
            wanted = (x[name].to(torch.int64) + sign *
                      y[name].to(torch.int64)).to(x[name].dtype)
            assert torch.equal(got[name], wanted), (text, name)
        assert torch.equal(got["bool"], x["bool"])
    got = make(tmp_path, f"add:{other},scale=0.5", tmp_path / "0.pth")
    assert all(torch.equal(got[name], x[name]) for name in x)


# ---- Properties ----

def digests(path, *args):
    return [(t["name"], t["dtype"], t["sha256"])
            for t in tools.ls(path, *args)["tensors"]]


@pytest.mark.parametrize("name", FLOATS)
def test_identities(tmp_path, name):
    """With itself, at both ends, with nothing added: byte for byte, but for
    the sign of a zero on a line, as in torch."""
    for seed in range(2):
        state = small(seed, getattr(torch, name))
        state["zeros"] = torch.tensor([0.0, -0.0]).to(getattr(torch, name))
        torch.save(state, tmp_path / f"{seed}.pth")
    a, b = tmp_path / "0.pth", tmp_path / "1.pth"
    for text in (f"average:{a}", f"interpolate:{b},t=0", f"add:{b},scale=0",
                 f"interpolate:{b},t=0,mode=slerp", f"average:{b},ema=1",
                 f"average:{b},weights=1x0"):
        assert digests(a, "-t", text) == digests(a), text
    for text in (f"interpolate:{a},t=0.3", f"average:{a},ema=0.7",
                 f"interpolate:{a},mode=slerp,t=0.4"):
        for key, value in make(tmp_path, text, a).items():
            assert torch.equal(value.double(), load(a)[key].double()), text
    for text in (f"interpolate:{b},t=1", f"average:{b},weights=0x1",
                 f"interpolate:{b},t=1,mode=slerp", f"average:{b},ema=0"):
        assert digests(a, "-t", text) == digests(b), text
    if name != "float64":
        assert digests(a, "-t", f"average:{a},with={a}") == digests(a)


@pytest.mark.parametrize("name", FLOATS[:4])
def test_there_and_back(tmp_path, name):
    """What is taken away and added again, on a grid where it is exact."""
    dtype = getattr(torch, name)
    torch.manual_seed(0)
    for file in "ab":
        torch.save({"w": (torch.randint(-60, 60, (50, 7)) / 64).to(dtype)},
                   tmp_path / f"{file}.pth")
    a, b = tmp_path / "a.pth", tmp_path / "b.pth"
    vector = tmp_path / "vector.safetensors"
    tools.ckpt("convert", "-t", f"subtract:{b}", a, vector)
    assert digests(b, "-t", f"add:{vector}") == digests(a)
    assert digests(a, "-t", f"subtract:{b}", "-t", f"add:{b}") == digests(a)


# ---- Ties and views ----

def tied(seed):
    torch.manual_seed(seed)
    base = torch.randn(8, 6)
    flat = torch.randn(30)
    last = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    return {"embed": base, "head": base, "flat": flat, "part": flat[5:17],
            "square": flat[:16].view(4, 4).t(), "last": last,
            "wide": torch.randn(3, 1).expand(3, 4),
            "grad": torch.nn.Parameter(torch.randn(3))}


def test_ties(tmp_path):
    states = [tied(seed) for seed in range(3)]
    for seed, state in enumerate(states):
        torch.save(state, tmp_path / f"{seed}.pth")
    text = f"average:{tmp_path / '1.pth'},with={tmp_path / '2.pth'}"
    got = make(tmp_path, text, tmp_path / "0.pth")
    near(got, lambda *all: sum(all) / 3, *states)
    assert got["embed"].data_ptr() == got["head"].data_ptr()
    for name in ("part", "square"):
        assert got[name].untyped_storage().data_ptr() == \
            got["flat"].untyped_storage().data_ptr()
    for name in states[0]:
        if name != "wide":
            assert got[name].stride() == states[0][name].stride(), name
    assert got["wide"].is_contiguous()
    assert type(got["grad"]) is torch.nn.Parameter


def test_ties_of_others(tmp_path):
    """In the other file they are copies: equal ones will do."""
    here, there = tied(0), tied(1)
    for key in ("flat", "part", "square"):
        here.pop(key), there.pop(key)
    torch.save(here, tmp_path / "here.pth")
    apart = {key: value.detach().clone() for key, value in there.items()}
    torch.save(apart, tmp_path / "apart.pth")
    text = f"average:{tmp_path / 'apart.pth'}"
    got = make(tmp_path, text, tmp_path / "here.pth")
    near(got, lambda x, y: (x + y) / 2, here, there)
    assert got["embed"].data_ptr() == got["head"].data_ptr()
    apart["head"][0, 0] += 1
    torch.save(apart, tmp_path / "apart.pth")
    fails(text, tmp_path / "here.pth", tmp_path / "no.pth", 4,
          "it is tied to 'embed', and in another file it is not, and differs")


def test_views_of_others(tmp_path):
    """Views that the other file has not so part; the numbers are right."""
    here, there = tied(0), tied(1)
    torch.save(here, tmp_path / "here.pth")
    safetensors.save_file({key: value.detach().clone().contiguous()
                           for key, value in there.items()},
                          tmp_path / "there.safetensors")
    got = make(tmp_path, f"add:{tmp_path / 'there.safetensors'}",
               tmp_path / "here.pth")
    near(got, lambda x, y: x + y, here, there)


# ---- What does not go together ----

def test_refused(tmp_path):
    a = {"w": torch.ones(2, 3), "b": torch.ones(2), "n": torch.tensor(1)}
    torch.save(a, tmp_path / "a.pth")
    cases = [
        ({"w": a["w"], "n": a["n"]}, "file 2", "has no 'b': take what all"),
        ({**a, "x": a["b"], "y": a["b"], "z": a["b"], "zz": a["b"]}, "file 1",
         "has no 'x', 'y', 'z' and 1 more"),
        ({**a, "w": torch.ones(3, 2)}, "it is [2, 3] here and [3, 2]",
         "tensor w"),
        ({**a, "n": torch.tensor(1.5)}, "it is int64 here and float32",
         "tensor n"),
    ]
    for state, *messages in cases:
        torch.save(state, tmp_path / "b.pth")
        for text in ("average:{}", "interpolate:{}", "add:{}", "subtract:{}"):
            for message in messages:
                fails(text.format(tmp_path / "b.pth"), tmp_path / "a.pth",
                      tmp_path / "no.pth", 4, message)
    torch.save({"w": torch.ones(2, 3), "b": torch.ones(2)},
               tmp_path / "b.pth")
    tools.ckpt("convert", "-t", f"like:{tmp_path / 'b.pth'}", "-t",
               f"average:{tmp_path / 'b.pth'}", tmp_path / "a.pth",
               tmp_path / "both.pth")


def test_sparse_and_quantised(tmp_path):
    torch.save({"s": torch.eye(3).to_sparse()}, tmp_path / "s.pth")
    fails(f"average:{tmp_path / 's.pth'}", tmp_path / "s.pth",
          tmp_path / "no.pth", 4, "of which there is no arithmetic")
    torch.save({"q": torch.quantize_per_tensor(torch.rand(3), 0.1, 0,
                                               torch.qint8)},
               tmp_path / "q.pth")
    fails(f"average:{tmp_path / 'q.pth'}", tmp_path / "q.pth",
          tmp_path / "no.pth", 4, "there is no arithmetic of qint8")


def test_names_and_places(tmp_path):
    """One name twice; no bytes; part of an object; a root that is a tensor."""
    one = torch.ones(2)
    torch.save({"a.b": one, "a": {"b": one + 1}}, tmp_path / "a.pth")
    fails(f"average:{tmp_path / 'a.pth'}", tmp_path / "a.pth",
          tmp_path / "no.pth", 4, "two tensors of file 1 have this name")
    torch.save({"a": one}, tmp_path / "a.pth")
    torch.save({"a": torch.ones(2, device="meta")}, tmp_path / "b.pth")
    fails(f"average:{tmp_path / 'b.pth'}", tmp_path / "a.pth",
          tmp_path / "no.pth", 4, "it has no bytes in file 2")
    torch.save(one, tmp_path / "a.pth")
    got = make(tmp_path, f"add:{tmp_path / 'a.pth'}", tmp_path / "a.pth")
    assert torch.equal(got, one * 2)
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        model = torch.nn.Linear(2, 2)
        rates = torch.optim.Adam(model.parameters())
        model(torch.rand(3, 2)).sum().backward()
        rates.step()
        torch.save({"model": model.state_dict(), "epoch": seed,
                    "optimizer": rates.state_dict()}, tmp_path / f"{name}.pth")
    got = make(tmp_path, f"average:{tmp_path / 'b.pth'}", tmp_path / "a.pth")
    a, b = load(tmp_path / "a.pth"), load(tmp_path / "b.pth")
    assert got["epoch"] == 0
    near(got["model"], lambda x, y: (x + y) / 2, a["model"], b["model"])
    near(got["optimizer"]["state"][1], lambda x, y: (x + y) / 2,
         *({key: value for key, value in state["optimizer"]["state"][1].items()}
           for state in (a, b)))


def test_lora_tied_twice(tmp_path):
    """Two adapters for one tensor; a tie that is of another type elsewhere."""
    weight = torch.randn(4, 4)
    torch.save({"a.weight": weight, "b.weight": weight}, tmp_path / "w.pth")
    tensors = {f"{m}.lora_{x}.weight": torch.randn(shape) for m in "ab"
               for x, shape in (("A", (2, 4)), ("B", (4, 2)))}
    fails(f"lora:{adapter(tmp_path / 'a', tensors)}", tmp_path / "w.pth",
          tmp_path / "no.pth", 4, "the adapter changes it twice, by two names")
    torch.save({"a.weight": weight, "b.weight": weight.half()},
               tmp_path / "x.pth")
    fails(f"average:{tmp_path / 'x.pth'}", tmp_path / "w.pth",
          tmp_path / "no.pth", 4, "of another type in file 2: 'untie:' first")
    torch.save({"a.weight": weight, "b": weight.t()}, tmp_path / "w.pth")
    tensors = {k: v for k, v in tensors.items() if k.startswith("a")}
    folder = adapter(tmp_path / "a", tensors)
    done = tools.run("convert", "-t", f"lora:{folder}", tmp_path / "w.pth",
                     tmp_path / "out.pth")
    assert "it no longer shares its storage with 'b'" in done.stderr
    assert torch.equal(load(tmp_path / "out.pth")["b"], weight.t())


# ---- Memory ----

def test_memory(tmp_path):
    """Four files with a hole of 256 MiB each, in 64 MiB."""
    count = 1 << 26
    header = json.dumps({"w": {"dtype": "F32", "shape": [count // 4, 4],
                               "data_offsets": [0, 4 * count]}}).encode()
    header += b" " * (-len(header) % 8)
    for name in "abcd":
        with open(tmp_path / f"{name}.safetensors", "wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + 4 * count)
    files = [tmp_path / f"{name}.safetensors" for name in "abcd"]
    text = f"average:{files[1]},with={files[2]},with={files[3]}"
    meter = ("import resource, subprocess, sys\n"
             "subprocess.run(sys.argv[1:], check=True)\n"
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run(
        ["python3", "-c", meter, tools.CKPT_PLAIN, "convert", "-t", text,
         str(files[0]), str(tmp_path / "out.safetensors")],
        capture_output=True, text=True, env=tools.ENV)
    assert done.returncode == 0, done.stderr
    if "SAN_OPTIONS" not in "".join(tools.ENV):
        assert int(done.stdout.split()[-1]) < 64 << 10


# ---- Adapters ----

def adapter(folder, tensors, **config):
    folder.mkdir(exist_ok=True)
    safetensors.save_file({f"base_model.model.{name}": value
                           for name, value in tensors.items()},
                          folder / "adapter_model.safetensors")
    known = {"peft_type": "LORA", "r": 4, "lora_alpha": 6,
             "fan_in_fan_out": False, "use_rslora": False, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(known | config))
    return folder


def model(dtype, seed=0):
    torch.manual_seed(seed)
    shapes = {"q.weight": (12, 12), "q.bias": (12,), "k.weight": (20, 12),
              "c.weight": (12, 20), "emb.weight": (30, 8),
              "conv.weight": (6, 3, 3, 2), "head.weight": (5, 12)}
    return {name: torch.randn(shape).to(dtype)
            for name, shape in shapes.items()}


def pair(dtype, rank=4):
    torch.manual_seed(9)

    def rand(*shape):
        return torch.randn(shape).to(dtype)
    return {"q.lora_A.weight": rand(rank, 12),
            "q.lora_B.weight": rand(12, rank),
            "k.lora_A.weight": rand(rank + 1, 12),
            "k.lora_B.weight": rand(20, rank + 1),
            "c.lora_A.weight": rand(rank, 12),
            "c.lora_B.weight": rand(20, rank),
            "emb.lora_embedding_A": rand(rank, 30),
            "emb.lora_embedding_B": rand(8, rank),
            "conv.lora_A.weight": rand(rank, 3, 3, 2),
            "conv.lora_B.weight": rand(6, rank, 1, 1),
            "head.weight": rand(5, 12)}


def merged(base, tensors, scales, turned=("c",)):
    """By PEFT's formula, in float64."""
    result = {name: value.double() for name, value in base.items()}
    for name, value in tensors.items():
        module, _, part = name.rpartition(".lora_")
        if module == "":
            result[name] = value.double()
        if part not in ("A.weight", "embedding_A"):
            continue
        a = value.double()
        b = tensors[f"{module}.lora_{part.replace('A', 'B')}"].double()
        delta = b.flatten(1) @ a.flatten(1)
        if part == "embedding_A" or module in turned:
            delta = delta.t()
        weight = result[f"{module}.weight"]
        result[f"{module}.weight"] = weight + \
            scales(module, a.shape[0]) * delta.reshape(weight.shape)
    return result


def assert_merged(got, base, wanted):
    assert list(got) == list(base)
    for name, value in wanted.items():
        exact = value.to(base[name].dtype)
        if exact.dtype is torch.float64:
            assert torch.allclose(got[name], exact, rtol=0, atol=1e-13), name
        else:
            assert ulps(got[name], exact) <= 1, name


@pytest.mark.parametrize("of_adapter", FLOATS[:4])
@pytest.mark.parametrize("name", FLOATS[:4])
def test_lora(tmp_path, name, of_adapter):
    base = model(getattr(torch, name))
    tensors = pair(getattr(torch, of_adapter))
    torch.save(base, tmp_path / "base.pth")
    folder = adapter(tmp_path / "adapter", tensors)
    got = make(tmp_path, f"lora:{folder}", tmp_path / "base.pth")
    assert_merged(got, base, merged(base, tensors, lambda _, r: 6 / r))


def test_lora_options(tmp_path):
    base, tensors = model(torch.float32), pair(torch.float32)
    torch.save(base, tmp_path / "base.pth")
    path = tmp_path / "base.pth"
    folder = adapter(tmp_path / "a", tensors, use_rslora=True,
                     alpha_pattern={"^k": 5, "nothing": 1, "emb|conv": 2.5},
                     rank_pattern={"k": 5})
    file = folder / "adapter_model.safetensors"
    alphas = {"k": 5, "emb": 2.5, "conv": 2.5}
    wanted = merged(base, tensors,
                    lambda m, r: alphas.get(m, 6) / r ** 0.5)
    assert_merged(make(tmp_path, f"lora:{folder}", path), base, wanted)
    assert_merged(make(tmp_path, f"lora:{file}", path), base, wanted)
    assert_merged(make(tmp_path, f"lora:{folder},alpha=3", path), base,
                  merged(base, tensors, lambda _, r: 3 / r ** 0.5))
    assert_merged(make(tmp_path, f"lora:{file},alpha=3", path), base,
                  merged(base, tensors, lambda _, r: 3 / r))
    assert_merged(make(tmp_path, f"lora:{folder},scale=0.25", path), base,
                  merged(base, tensors, lambda _, r: 0.25))
    # A square matrix is turned if the configuration says so.
    config = tmp_path / "turned.json"
    config.write_text('{"lora_alpha": 8, "fan_in_fan_out": true}')
    got = make(tmp_path, f"lora:{file},config={config}", path)
    assert_merged(got, base, merged(base, tensors, lambda _, r: 8 / r,
                                    ("c", "q")))
    (folder / "adapter_config.json").unlink()
    fails(f"lora:{folder}", path, tmp_path / "no.pth", 2,
          "give alpha=, scale= or config=")
    fails(f"lora:{file}", path, tmp_path / "no.pth", 5,
          "cannot open 'adapter_config.json' beside it")
    assert_merged(make(tmp_path, f"lora:{folder},alpha=3", path), base,
                  merged(base, tensors, lambda _, r: 3 / r))


def test_lora_large(tmp_path):
    """A rank so high that the factors are read again for each block."""
    torch.manual_seed(0)
    base = {"w.weight": torch.randn(700, 3001).bfloat16()}
    tensors = {"w.lora_A.weight": torch.randn(401, 3001),
               "w.lora_B.weight": torch.randn(700, 401)}
    torch.save(base, tmp_path / "base.pth")
    folder = adapter(tmp_path / "a", tensors)
    got = make(tmp_path, f"lora:{folder}", tmp_path / "base.pth")
    assert_merged(got, base, merged(base, tensors, lambda _, r: 6 / r))


def test_lora_ties(tmp_path):
    weight = torch.randn(30, 8)
    torch.save({"emb.weight": weight, "out.weight": weight},
               tmp_path / "base.pth")
    tensors = {name: value for name, value in pair(torch.float32).items()
               if name.startswith("emb")}
    folder = adapter(tmp_path / "a", tensors)
    done = tools.run("convert", "-t", f"lora:{folder}", tmp_path / "base.pth",
                     tmp_path / "out.pth")
    assert "it is tied to 'emb.weight', and changes with it" in done.stderr
    got = load(tmp_path / "out.pth")
    assert got["emb.weight"].data_ptr() == got["out.weight"].data_ptr()
    wanted = merged({"emb.weight": weight}, tensors, lambda _, r: 6 / r)
    assert ulps(got["out.weight"], wanted["emb.weight"].float()) <= 1


def test_lora_refused(tmp_path):
    base, tensors = model(torch.float32), pair(torch.float32)
    torch.save(base, tmp_path / "base.pth")

    def refuse(status, message, change=None, **config):
        given = dict(tensors)
        given.update(change or {})
        given = {k: v for k, v in given.items() if v is not None}
        fails(f"lora:{adapter(tmp_path / 'a', given, **config)}",
              tmp_path / "base.pth", tmp_path / "no.pth", status, message)
    some = torch.ones(4)
    refuse(4, "a DoRA adapter is not merged",
           {"q.lora_magnitude_vector": some})
    refuse(4, "it has use_dora", use_dora=True)
    refuse(4, "its init_lora_weights is 'pissa'", init_lora_weights="pissa")
    refuse(4, "its peft_type is 'LOHA'", peft_type="LOHA")
    refuse(4, "it is no part of a LoRA", {"q.lora_C.weight": some})
    refuse(4, "only one of lora_A and lora_B", {"q.lora_B.weight": None})
    refuse(4, "the adapter is for 'v.weight', 'x', which the model has not",
           {"v.lora_A.weight": some, "v.lora_B.weight": some + 1,
            "x": some + 2})
    refuse(4, "it is [12, 12], and its adapter is [4, 12] and [13, 4]",
           {"q.lora_B.weight": torch.ones(13, 4)})
    refuse(4, "two adapters for one module",
           {"q.lora_A.other.weight": torch.ones(4, 12)})
    refuse(4, "it is [5, 12], and [4] in the adapter", {"head.weight": some})


PEFT = """
import copy, sys, warnings, torch
from torch import nn
import peft
from transformers.pytorch_utils import Conv1D
warnings.simplefilter("ignore")
folder = sys.argv[1]

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(50, 24)
        self.q, self.k = nn.Linear(24, 24), nn.Linear(24, 40)
        self.c, self.s = Conv1D(24, 40), Conv1D(24, 24)
        self.conv, self.one = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)
        self.line, self.head = nn.Conv1d(4, 6, 5), nn.Linear(40, 7)

CASES = {
    "linear": dict(target_modules=["q", "k", "head"]),
    "rank": dict(target_modules=["q", "k"], use_rslora=True, bias="all"),
    "pattern": dict(target_modules=["q", "k", "head"], rank_pattern={"k": 6},
                    alpha_pattern={"^q": 3, "head": 5}),
    "embedding": dict(target_modules=["emb", "q"]),
    "turned": dict(target_modules=["c", "s"], fan_in_fan_out=True),
    "conv": dict(target_modules=["conv", "one", "line"]),
    "saved": dict(target_modules=["q"], modules_to_save=["head"]),
    "bias": dict(target_modules=["q", "k"], lora_bias=True),
    "only": dict(target_modules=["q", "k"], bias="lora_only")}
for dtype in (torch.float32, torch.bfloat16):
    for name, given in CASES.items():
        torch.manual_seed(0)
        net = Net().to(dtype)
        at = f"{folder}/{name}-{str(dtype)[6:]}"
        torch.save(net.state_dict(), f"{folder}/base-{str(dtype)[6:]}.pth")
        net = peft.get_peft_model(net, peft.LoraConfig(
            r=4, lora_alpha=10, **given))
        with torch.no_grad():
            for value in net.parameters():
                if value.requires_grad:
                    value.copy_(torch.randn_like(value) * .2)
        net.save_pretrained(at)
        wide = net.double().merge_and_unload().state_dict()
        torch.save(wide, f"{at}.pth")
"""


def test_lora_peft(tmp_path):
    """What PEFT saves, against what its merge makes of it in float64."""
    pytest.importorskip("peft")
    subprocess.run([__import__("sys").executable, "-c", PEFT, tmp_path],
                   check=True, capture_output=True)
    for wide_file in sorted(tmp_path.glob("*-*.pth")):
        if wide_file.name.startswith("base"):
            continue
        base_file = tmp_path / f"base-{wide_file.stem.split('-')[1]}.pth"
        got = make(tmp_path, f"lora:{wide_file.with_suffix('')}", base_file,
                   "got.pth")
        assert_merged(got, load(base_file), load(wide_file))
