# SPDX-License-Identifier: MIT
"""We read what torch of both ages writes: name, dtype, shape, stride, offset,
tie, device, requires-grad and bytes of every tensor."""
import pytest

import tools
import trees


def test_case(peer, case):
    path = peer.case(case)
    wanted = trees.tensors(peer.describe(path))
    got = [t for t in tools.ls(path)["tensors"]
           if t.get("class") != "numpy.ndarray"]
    assert [t["name"] for t in got] == [name for name, _ in wanted]
    for mine, (name, theirs) in zip(got, wanted):
        for key in ("dtype", "shape", "stride", "offset", "device",
                    "requires_grad", "sha256"):
            assert mine[key] == theirs[key], (name, key)
        if theirs["class"] == "Parameter":
            assert mine["role"] == "parameter", name
    # Empty storages have no address by which torch would tell them apart.
    full = [i for i, (_, t) in enumerate(wanted) if t["storage"] is not None]
    assert trees.ties([got[i]["storage"] for i in full]) == \
        trees.ties([wanted[i][1]["storage"] for i in full])


def test_format_is_told(peer, case):
    assert tools.ls(peer.case(case))["format"] == "torch-zip"


@pytest.mark.parametrize("name", ["scalars", "strings", "big_map", "rich"])
def test_values(peer, name):
    """Every scalar of the tree is listed, under its name."""
    listed = {value["name"]: value for value in
              tools.ls(peer.case(name))["values"]}
    if name == "big_map":
        assert listed["k2000"]["value"] == 2000
    elif name == "strings":
        assert listed["again.299"]["value"] == "s299"
    elif name == "rich":
        assert "counter" in " ".join(listed)
    else:
        for index, value in enumerate(
                [0, 1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -1]):
            assert listed[f"ints.{index}"]["value"] == value
        assert listed["true"]["value"] is True
        assert listed["text.2"]["value"] == "\u00fc\u4e2d\U0001f600"
