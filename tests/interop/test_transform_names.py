# SPDX-License-Identifier: MIT
"""`-t rename:`, `rename-map:`, `keep:`, `drop:` and `like:` against the same in
a few lines of torch, on the state dicts of torchvision's models."""
import re
import subprocess

import pytest

import tools

MODELS = """
import sys, torch
torch.manual_seed(0)
try:
    import torchvision
    nets = {"densenet121": torchvision.models.densenet121(),
            "resnet18": torchvision.models.resnet18()}
except ImportError:
    nets = {}
nets["small"] = torch.nn.Sequential(torch.nn.Linear(3, 4),
                                    torch.nn.BatchNorm1d(4))
for name, net in nets.items():
    torch.save(net.state_dict(), f"{sys.argv[1]}/{name}.pt")
net = nets["small"]
head = dict(net.state_dict())
head["0.weight"] = torch.zeros(5, 3)
head["more"] = torch.zeros(1)
torch.save(head, sys.argv[1] + "/other.pt")
"""


@pytest.fixture(scope="session")
def saved(peers, tmp_path_factory):
    """From the age that has torchvision, else from the other."""
    for age in ("old", "new"):
        if isinstance(peers[age], str):
            continue
        folder = tmp_path_factory.mktemp(f"named-{age}")
        subprocess.run([peers[age].python, "-c", MODELS, folder], check=True)
        return folder
    pytest.skip("no torch")


def model(saved, name):
    path = saved / f"{name}.pt"
    if not path.exists():
        pytest.skip("no torchvision to make it with")
    return path


def digests(path, *options):
    return [(tensor["name"], tensor["shape"], tensor["stride"],
             tensor["storage"], tensor["sha256"])
            for tensor in tools.ls(path, "--digest", *options)["tensors"]]


def storages_anew(rows):
    """Numbers of storages in order of their first tensor."""
    numbers = {}
    return [(*row[:3], numbers.setdefault(row[3], len(numbers)), row[4])
            for row in rows]


RENAMES = [
    ("densenet121", r"s/(denselayer\d+)\.(norm|conv)(\d)/$1.$2.$3/",
     r"(denselayer\d+)\.(norm|conv)(\d)", r"\1.\2.\3", 1),
    ("densenet121", r"s/e/E/g", "e", "E", 0),
    ("resnet18", r"s/^layer(?<n>\d)\.(\d)\./stage${n}_$2./",
     r"^layer(\d)\.(\d)\.", r"stage\1_\2.", 1),
    ("resnet18", r"s|RUNNING_|moving_|i", r"(?i)RUNNING_", "moving_", 1),
    ("small", r"s/^(\d)/net.$1/", r"^(\d)", r"net.\1", 1),
]


@pytest.mark.parametrize("name, step, pattern, template, count", RENAMES)
def test_rename(saved, name, step, pattern, template, count):
    path = model(saved, name)
    wanted = [(re.sub(pattern, template, row[0], count=count), *row[1:])
              for row in digests(path)]
    assert wanted != digests(path)
    assert digests(path, "-t", f"rename:{step}") == wanted


@pytest.mark.parametrize("form", ["columns", "json", "yaml"])
def test_rename_map(saved, tmp_path, form):
    path = model(saved, "small")
    rows = digests(path)
    pairs = {row[0]: f"x.{i}" for i, row in enumerate(rows)}
    write = {"columns": lambda a, b: f"{a}\t{b}\n",
             "json": lambda a, b: f'"{a}": "{b}",\n',
             "yaml": lambda a, b: f'"{a}": {b}\n'}[form]
    text = "".join(write(*pair) for pair in pairs.items())
    if form == "json":
        text = "{" + text.rstrip(",\n") + "}"
    (tmp_path / "names").write_text(text)
    got = digests(path, "-t", f"rename-map:{tmp_path}/names")
    assert got == [(pairs[row[0]], *row[1:]) for row in rows]


CHOICES = [
    ("keep:layer1.*", lambda name: name.startswith("layer1.")),
    ("drop:*.num_batches_tracked", lambda name: "num_batches" not in name),
    (r"keep:re:\.(weight|bias)$",
     lambda name: name.endswith((".weight", ".bias"))),
    (r"drop:re:^(fc|bn1)\.", lambda name: not name.startswith(("fc.", "bn1."))),
    ("keep:*bn[12].*", lambda name: re.search(r"bn[12]\.", name)),
]


@pytest.mark.parametrize("step, wants", CHOICES)
def test_choice(saved, step, wants):
    path = model(saved, "resnet18")
    wanted = [row for row in digests(path) if wants(row[0])]
    assert 0 < len(wanted) < len(digests(path))
    got = digests(path, "-t", step)
    assert storages_anew(got) == storages_anew(wanted)


def test_like(saved):
    path = model(saved, "small")
    other = {row[0]: row[1] for row in digests(model(saved, "other"))}
    wanted = [row for row in digests(path) if other.get(row[0]) == row[1]]
    assert len(wanted) == len(digests(path)) - 1
    got = digests(path, "-t", f"like:{saved}/other.pt")
    assert storages_anew(got) == storages_anew(wanted)


def test_what_torch_loads(peer, saved, tmp_path):
    """The head goes, a prefix comes, and torch finds just that."""
    path = model(saved, "small")
    tools.ckpt("convert", "-t", "drop:0.*", "-t", "rename:s/^1/norm/", path,
               tmp_path / "b.pt")
    found = peer.describe(tmp_path / "b.pt", "only")
    assert "error" not in found, found
    assert "norm.running_mean" in str(found) and "0.weight" not in str(found)
