# SPDX-License-Identifier: MIT
"""`-t resize:`, `channels:`, `contiguous`, `untie`, `tie:`, `transpose:` and
`permute:` against the same in torch: every byte, stride and tie. What torch
makes of the inputs is in shape_peer.py."""
import json
import math
import pathlib
import struct
import subprocess

import pytest

import tools

PEER = pathlib.Path(__file__).with_name("shape_peer.py")


def ask(peer, *args):
    done = subprocess.run([peer.python, PEER, *map(str, args)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def compared(peers, tmp_path_factory):
    """Age -> its folder, and each case's difference."""
    result = {}
    for age, peer in peers.items():
        if isinstance(peer, str):
            continue
        folder = tmp_path_factory.mktemp(f"shapes-{age}")
        for name, (source, texts) in ask(peer, "make", folder).items():
            words = [word for text in texts for word in ("-t", text)]
            tools.ckpt("convert", "-q", *words, folder / f"{source}.pt",
                       folder / f"got/{name}.pt")
        result[age] = folder, ask(peer, "check", folder)
    return result


def test_all(peer, compared):
    _, found = compared[peer.age]
    assert len(found) > 30
    assert {name: why for name, why in found.items() if why} == {}


def digests(path, *texts):
    words = [word for text in texts for word in ("-t", text)]
    return [(t["name"], t["dtype"], t["shape"], t["stride"], t["offset"],
             t["sha256"], t["requires_grad"])
            for t in tools.ls(path, *words)["tensors"]]


@pytest.mark.parametrize("texts", [
    ["resize:*,dim=1,size=77,fill=repeat", "resize:*,dim=1,size=5"],
    ["resize:*,dim=-1,size=9,fill=zero", "resize:*,dim=-1,size=4"],
    ["resize:*,size=6,fill=zero"], ["channels:*,size=5"],
    ["transpose:*", "transpose:*"], ["transpose:*,dims=0x2"] * 2,
    ["permute:*,dims=1x2x0"] * 3, ["untie", "contiguous"]])
def test_nothing_in_the_end(peer, compared, texts):
    folder, _ = compared[peer.age]
    path = folder / "floats.pt"
    assert digests(path, *texts) == digests(path)


@pytest.mark.parametrize("first,second", [
    (["resize:*,dim=1,size=9,fill=repeat", "resize:*,dim=1,size=30,fill=repeat",
      "resize:*,dim=1,size=2"], ["resize:*,dim=1,size=2"]),
    (["transpose:*,dims=0x1", "resize:*,size=9,fill=mean",
      "transpose:*,dims=0x1", "contiguous"],
     ["resize:*,dim=1,size=9,fill=mean"]),
    (["permute:*,dims=2x0x1", "resize:*,dim=1,size=8,fill=repeat",
      "permute:*,dims=1x2x0", "contiguous"],
     ["resize:*,size=8,fill=repeat"]),
    (["transpose:*", "contiguous", "resize:*,dim=2,size=9,fill=zero"],
     ["resize:*,dim=1,size=9,fill=zero", "transpose:*", "contiguous"]),
    (["channels:*,size=1", "channels:*,size=4,fill=copy"],
     ["resize:*,dim=1,size=4,fill=mean,keep=no"])])
def test_the_same_by_another_way(peer, compared, first, second):
    folder, _ = compared[peer.age]
    path = folder / "floats.pt"
    assert digests(path, *first) == digests(path, *second)


def test_strides_do_not_matter(peer, compared, tmp_path):
    """What is read through a view comes out as from its copy."""
    folder, _ = compared[peer.age]
    path, copy = folder / "views.pt", tmp_path / "copy.pt"
    tools.ckpt("convert", "-q", "-t", "contiguous", path, copy)
    for fill in "mean", "repeat", "kaiming", "zero":
        text = f"resize:re:^(odd|last|gaps|row)$,dim=1,size=9,fill={fill}"
        assert digests(path, text, "contiguous") == \
            digests(copy, text, "contiguous")


# ---- Random numbers, made anew from what the manual says ----

WORD = 2 ** 32 - 1


def philox(counter, key):
    for _ in range(10):
        low, high = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [high >> 32 ^ counter[1] ^ key[0], high & WORD,
                   low >> 32 ^ counter[3] ^ key[1], low & WORD]
        key = [key[0] + 0x9E3779B9 & WORD, key[1] + 0xBB67AE85 & WORD]
    return counter


def test_philox():
    """The vectors that its authors publish."""
    assert philox([0] * 4, [0] * 2) == [
        0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
    assert philox([WORD] * 4, [WORD] * 2) == [
        0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]


def numbers(name, seed, count, bound):
    stream = 0xcbf29ce484222325
    for byte in name.encode():
        stream = (stream ^ byte) * 0x100000001b3 % 2 ** 64
    for n in range(count):
        word = philox([n // 4 & WORD, n // 4 >> 32, stream & WORD,
                       stream >> 32], [seed & WORD, seed >> 32])[n % 4]
        yield ((word + .5) / 2 ** 31 - 1) * bound


@pytest.mark.parametrize("dtype,code,width", [("F32", "f", 4),
                                              ("F64", "d", 8),
                                              ("F16", "e", 2)])
def test_kaiming(tmp_path, dtype, code, width):
    path, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    path.write_bytes(tools.safetensors(
        {"h.weight": (dtype, [3, 50], bytes(150 * width)),
         "h.bias": (dtype, [3], bytes(3 * width))}))
    tools.ckpt("convert", "-q", "-t",
               "resize:h.*,size=2001,fill=kaiming,seed=4294967299", path, out)
    data = out.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    for name, kept, count in (("h.weight", 150, 99900), ("h.bias", 3, 1998)):
        start, end = header[name]["data_offsets"]
        got = struct.unpack(f"<{kept + count}{code}",
                            data[8 + size + start:8 + size + end])[kept:]
        wanted = list(numbers(name, 2 ** 32 + 3, 999, 50 ** -.5))
        if dtype != "F64":
            wanted = struct.unpack(f"<999{code}",
                                   struct.pack(f"<999{code}", *wanted))
        assert list(got[:999]) == list(wanted)
        assert max(map(abs, got)) <= 50 ** -.5 + 1e-4
        spread = math.sqrt(sum(x * x for x in got) / count)
        assert abs(spread * math.sqrt(150) - 1) < .05
        assert abs(sum(got) / count) < .01


def test_the_same_bytes(tmp_path, compared, peers):
    """The same seed gives the same, another seed and name something else."""
    if not compared:
        pytest.skip("no torch")
    folder, _ = next(iter(compared.values()))
    text = "resize:*,dim=1,size=300,fill=kaiming"
    first = digests(folder / "floats.pt", text)
    assert digests(folder / "floats.pt", text + ",seed=0") == first
    other = digests(folder / "floats.pt", text + ",seed=1")
    assert not {row[5] for row in first} & {row[5] for row in other}
    assert len({row[5] for row in first}) == len(first)


# ---- The chores of a tutorial ----

LOAD = """
import sys, torch, torchvision
state = torch.load(sys.argv[1])
net = torchvision.models.resnet18()
net.fc = torch.nn.Linear(512, 21)
net.conv1 = torch.nn.Conv2d(4, 64, 7, 2, 3, bias=False)
net.load_state_dict(state)
old = torch.load(sys.argv[2])
for name, value in net.state_dict().items():
    if name not in ("fc.weight", "fc.bias", "conv1.weight"):
        assert torch.equal(value, old[name]), name
bound = 512 ** -.5
fresh = net.fc.weight.detach()
assert fresh.abs().max() <= bound and not net.fc.bias.any()
assert abs(fresh.std() / bound * 3 ** .5 - 1) < .02
assert not any(torch.equal(row, before)
               for row in fresh for before in old["fc.weight"][:50])
grey = torch.randn(1, 1, 64, 64)
with torch.no_grad():
    four = net.conv1(grey.expand(1, 4, 64, 64))
    three = torch.nn.functional.conv2d(grey.expand(1, 3, 64, 64),
                                       old["conv1.weight"], None, 2, 3)
assert torch.allclose(four * 3, three * 4, atol=1e-4)
"""


def test_new_head_and_channel(peer, compared, tmp_path):
    folder, _ = compared[peer.age]
    path, out = folder / "resnet.pt", tmp_path / "out.pt"
    if not path.exists():
        pytest.skip("no torchvision to make it with")
    done = tools.run("convert", path, out,
                     "-t", "resize:fc.weight,dim=0,size=21,fill=kaiming,seed=1",
                     "-t", "resize:fc.bias,dim=0,size=21,fill=zero",
                     "-t", "channels:conv1.weight,dim=1,size=4,fill=mean")
    assert done.returncode == 0, done.stderr
    assert "21 new, random within 0.0442, seed 1; none of 1000 kept" in \
        done.stderr
    subprocess.run([peer.python, "-c", LOAD, out, path], check=True)


GO_ON = """
import sys, torch
state = torch.load(sys.argv[1])
net = torch.nn.ModuleDict({"body": torch.nn.Linear(4, 3),
                           "head": torch.nn.Linear(3, 5)})
net.load_state_dict(state["model"])
adam = torch.optim.Adam(net.parameters(), amsgrad=True)
adam.load_state_dict(state["optimizer"])
net["head"](net["body"](torch.randn(5, 4))).sum().backward()
adam.step()
"""


def test_training_goes_on(peer, compared, tmp_path):
    """The optimizer takes its next step over the new head."""
    folder, _ = compared[peer.age]
    out = tmp_path / "out.pt"
    tools.ckpt("convert", "-q", folder / "training.pt", out, "-t",
               "resize:model.head.*,size=5,fill=kaiming")
    subprocess.run([peer.python, "-c", GO_ON, out], check=True)


def test_tie_of_two_that_differ(peer, compared, tmp_path):
    """It changes no file."""
    folder, _ = compared[peer.age]
    out = tmp_path / "out.pt"
    out.write_bytes(b"before")
    done = tools.run("convert", "--force", folder / "views.pt", out, "-t",
                     "resize:base,dim=1,size=10", "-t", "contiguous:turned",
                     "-t", "resize:turned,size=10", "-t", "tie:base=turned")
    assert done.returncode == 4
    assert "differ in element 1 " in done.stderr
    assert out.read_bytes() == b"before"


TIED = """
import sys, torch
net = torch.nn.ModuleDict({"emb": torch.nn.Embedding(7, 4),
                           "out": torch.nn.Linear(4, 7, bias=False)})
net["out"].weight = net["emb"].weight
adam = torch.optim.Adam(net.parameters())
net["out"](net["emb"](torch.tensor([1, 2]))).sum().backward()
adam.step()
torch.save({"model": net.state_dict(), "optimizer": adam.state_dict()},
           sys.argv[1])
"""
SLOT = """
import sys, torch
print(*torch.load(sys.argv[1])["optimizer"]["state"][0]["exp_avg"].shape)
"""


@pytest.mark.parametrize("turned,shape", [("emb", "4 7"), ("out", "7 4")])
def test_slot_of_a_tied_parameter(peer, tmp_path, turned, shape):
    """torch knows it by its first name."""
    path, out = tmp_path / "tied.pt", tmp_path / "out.pt"
    subprocess.run([peer.python, "-c", TIED, path], check=True)
    tools.ckpt("convert", "-q", path, out, "-t", f"transpose:model.{turned}.*")
    done = subprocess.run([peer.python, "-c", SLOT, out], check=True,
                          capture_output=True, text=True)
    assert done.stdout.strip() == shape
