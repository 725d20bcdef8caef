# SPDX-License-Identifier: MIT
"""`-t cast:` against `Tensor.to`: every byte for every pair of types, on values
that are hard to round; strides, ties and gradients of what is cast."""
import subprocess

import pytest

import tools

NAMES = """bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16
    bfloat16 float32 float64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz
    float8_e5m2fnuz float8_e8m0fnu complex32 complex64 complex128""".split()
OLD = NAMES[:3] + ["int16", "int32", "int64", "float16", "bfloat16", "float32",
                   "float64", "complex64", "complex128"]

# Makes for each type a file of hard values, and for each pair what torch
# casts them to. Floats beyond an integer type are left out: C, and so torch,
# says nothing of them.
MAKER = """
import sys, numpy, torch
folder, names = sys.argv[1], sys.argv[2:]
rng = numpy.random.default_rng(0)
kinds = {"float32": numpy.float32, "float64": numpy.float64}
halves = numpy.arange(0x7c00, dtype=numpy.uint16).view(numpy.float16)
halves = halves.astype(numpy.float64)
between = (halves[1:] + halves[:-1]) / 2

def floats(kind):
    upper = numpy.arange(65536, dtype=numpy.uint32) << 16
    ties = numpy.concatenate([upper, upper | 0x8000]).view(numpy.float32)
    wide = rng.standard_normal(9000) * numpy.exp(rng.uniform(-99, 99, 9000))
    with numpy.errstate(all="ignore"):
        return numpy.concatenate([
            ties.astype(kind), wide.astype(kind), between.astype(kind),
            (-between).astype(kind), numpy.arange(-300, 300, .5, kind),
            numpy.frombuffer(rng.bytes(64000), kind)])

def hard(name):
    dtype = getattr(torch, name)
    if name in kinds:
        raw = floats(kinds[name]).tobytes()
    elif name in ("float16", "bfloat16"):
        raw = numpy.arange(65536, dtype=numpy.uint16).tobytes()
    elif name == "bool":
        raw = bytes([0, 1, 1, 0])
    elif name.startswith("complex"):
        part = {4: numpy.float16, 8: numpy.float32, 16: numpy.float64}
        raw = rng.standard_normal(999 * 2).astype(part[dtype.itemsize
            if hasattr(dtype, "itemsize") else int(name[7:]) // 8]).tobytes()
    elif name.startswith("float8"):
        raw = bytes(range(256))
    else:
        info = numpy.iinfo(name)
        raw = numpy.concatenate([
            rng.integers(info.min, info.max, 5000, name, True),
            numpy.array([info.min, info.max, 0, 1], name),
            rng.integers(0, 100, 999).astype(name)]).tobytes()
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(dtype)

def within(values, to):
    info = torch.iinfo(to)
    wide = values.to(torch.float64)
    return (wide > info.min - 1.) & (wide < float(info.max) + 1.)

for name in names:
    values = hard(name)
    if torch.__version__ < "2":
        values = values[values == values]  # its NaNs have other bits
    given, wanted = {}, {}
    for other in names:
        to = getattr(torch, other)
        if values.is_complex() != to.is_complex or name == other:
            continue
        kept = values
        if values.is_floating_point() and not to.is_floating_point \
                and other != "bool":
            kept = values[within(values, to)]
        given[other] = kept.clone()
        wanted[other] = kept.to(to)
    torch.save(given, f"{folder}/{name}.pt")
    torch.save(wanted, f"{folder}/{name}-wanted.pt")
"""


def make(peer, folder, names):
    done = subprocess.run([peer.python, "-c", MAKER, folder, *names],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def casts(peers, tmp_path_factory):
    folders = {}
    for age, peer in peers.items():
        if not isinstance(peer, str):
            folders[age] = tmp_path_factory.mktemp(f"casts-{age}")
            make(peer, folders[age], NAMES if age == "new" else OLD)
    return folders


def digests(path, *options):
    return {tensor["name"]: (tensor["dtype"], tensor["shape"],
                             tensor["sha256"])
            for tensor in tools.ls(path, "--digest", *options)["tensors"]}


@pytest.mark.parametrize("name", NAMES)
def test_from(peer, casts, name):
    """One tensor for each type, called as the type that it is cast to."""
    folder = casts[peer.age]
    if peer.age == "old" and name not in OLD:
        pytest.skip("this torch has no such type")
    wanted = digests(folder / f"{name}-wanted.pt")
    chain = [word for other in wanted
             for word in ("-t", f"cast:{other},only={other}")]
    got = digests(folder / f"{name}.pt", *chain)
    assert {other: got[other] == wanted[other] for other in wanted} == \
        dict.fromkeys(wanted, True)


VIEWS = """
import sys, torch
torch.manual_seed(0)
base = torch.randn(10, 20)
grad = torch.nn.Parameter(torch.randn(3))
state = {"base": base, "turned": base.t(), "part": base[2:4, 5:],
         "last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
         "none": torch.empty(0, 3),
         "one": torch.tensor(1.5), "count": torch.tensor(7), "grad": grad}
torch.save(state, sys.argv[1])
"""

CHECK = """
import sys, torch
was, now = (torch.load(path) for path in sys.argv[1:3])
assert list(was) == list(now)
for name, value in was.items():
    wanted = value.to(torch.bfloat16) if value.is_floating_point() else value
    got = now[name]
    assert got.dtype == wanted.dtype and got.shape == wanted.shape, name
    assert torch.equal(got, wanted), name
    assert got.requires_grad == value.requires_grad, name
    if name not in ("part",):
        assert got.stride() == wanted.stride(), name
assert type(now["grad"]) is torch.nn.Parameter
now["base"].zero_()
assert not now["turned"].any() and not now["part"].any()
"""


def test_views_and_ties(peer, tmp_path):
    subprocess.run([peer.python, "-c", VIEWS, tmp_path / "a.pt"], check=True)
    tools.ckpt("convert", "-t", "cast:bfloat16", tmp_path / "a.pt",
               tmp_path / "b.pt")
    subprocess.run([peer.python, "-c", CHECK, tmp_path / "a.pt",
                    tmp_path / "b.pt"], check=True)


def test_there_and_back(peer, tmp_path):
    """What fits the wider type comes back as it was."""
    subprocess.run([peer.python, "-c", VIEWS, tmp_path / "a.pt"], check=True)
    tools.ckpt("convert", "-t", "cast:float64", "-t", "cast:float32",
               tmp_path / "a.pt", tmp_path / "b.pt")
    tools.ckpt("convert", tmp_path / "a.pt", tmp_path / "c.pt")
    assert tools.ls(tmp_path / "b.pt", "--digest")["tensors"] == \
        tools.ls(tmp_path / "c.pt", "--digest")["tensors"]


# ---- Below a byte ----

PACKED = {"INT4": "int8", "UINT4": "uint8", "INT2": "int8", "UINT2": "uint8",
          "FLOAT4E2M1": "float32"}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("count", [1, 7, 1_200_003])
def test_packed(kind, count, tmp_path):
    """What torch has no type for, as the onnx package reads it; the error
    tells the line that does it."""
    onnx = pytest.importorskip("onnx")
    numpy = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch")
    pytest.importorskip("ml_dtypes")
    code = onnx.TensorProto.DataType.Value(kind)
    width = 2 if kind.endswith("2") else 4
    raw = numpy.random.default_rng(1).bytes((count * width + 7) // 8)
    tensors = [onnx.TensorProto(name=name, data_type=code, dims=[count],
                                raw_data=raw) for name in ("a", "b")]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([], "g", [], [], tensors))
    onnx.save(model, tmp_path / "a.onnx")
    told = tools.run("convert", tmp_path / "a.onnx", tmp_path / "a.pt")
    assert told.returncode == 4
    line = told.stderr.splitlines()[1].split(": ")[-1]
    assert line.startswith("-t cast:") and line.endswith(",only=PATTERN")
    line = line.replace("PATTERN", "a").split()
    for to in (PACKED[kind], "float64", "int16", "bool"):
        tools.ckpt("convert", "--force", *line, "-t", f"cast:{to},only=b",
                   tmp_path / "a.onnx", tmp_path / "a.pt")
        found = torch.load(tmp_path / "a.pt", weights_only=True)
        wanted = onnx.numpy_helper.to_array(tensors[0])
        assert str(found["a"].dtype) == f"torch.{PACKED[kind]}"
        assert (found["a"].numpy() == wanted.astype(PACKED[kind])).all()
        assert (found["b"].numpy() ==
                wanted.astype("float32").astype(to)).all()
