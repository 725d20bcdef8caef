# SPDX-License-Identifier: MIT
"""The tar form of PyTorch 0.1: torch of both ages reads what is made here by
hand and what we write, and finds in it what we find."""
import collections
import io
import pickle
import struct
import tarfile

import pytest

import tools
from test_torch_values import maker, readers as read_by, values


# ---- Archives made by hand, without torch and without our writer ----

class Global:
    """A class by its name alone."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """callee(*args), and what it is built with."""

    def __init__(self, callee, *args, state=None):
        self.callee, self.args, self.state = callee, args, state

    def __reduce__(self):
        return (self.callee, self.args, self.state) if self.state else \
            (self.callee, self.args)


class Key:
    """A tensor, storage or view by its key; or a class with its source."""

    def __init__(self, key):
        self.key = key


class Pickler(pickle._Pickler):
    """Protocol 2 as Python 2 and PyTorch 0.1 wrote it."""
    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, out, old):
        super().__init__(out, 2)
        self.old = old

    def persistent_id(self, value):
        if not isinstance(value, Key):
            return None
        return str(value.key) if isinstance(value.key, int) else value.key

    def save_text(self, value):
        raw = value.encode("utf-8")
        if self.old and len(raw) < 256:
            self.write(b"U" + bytes([len(raw)]) + raw)
            self.memoize(value)
        else:
            pickle._Pickler.save_str(self, value)
    dispatch[str] = save_text

    def save_global_name(self, value):
        self.write(f"c{value.module}\n{value.name}\n".encode())
        self.memoize(value)
    dispatch[Global] = save_global_name

    def save_reduce(self, func, args, *rest, **keywords):
        if not isinstance(func, (Global, Key)):
            return super().save_reduce(func, args, *rest, **keywords)
        self.save(func)
        self.save(args)
        self.write(b"R")
        if keywords.get("obj") is not None:
            self.memoize(keywords["obj"])
        if rest and rest[0] is not None:
            self.save(rest[0])
            self.write(b"b")


def pickled(value, old=True):
    out = io.BytesIO()
    Pickler(out, old).dump(value)
    return out.getvalue()


class Archive:
    """What torch.save of 0.1 kept, by member."""

    def __init__(self, old=True):
        self.old = old
        self.storages, self.views, self.tensors = [], [], []

    def storage(self, key, kind, code, values, location="cpu"):
        name = Global("torch", kind + "Storage")
        data = struct.pack(f"<q{len(values)}{code}", len(values), *values)
        self.storages.append(pickled((key, location, name), self.old) + data)

    def view(self, key, root, offset, count):
        self.views.append((key, root, offset, count))

    def tensor(self, key, storage, kind, sizes, strides, offset):
        name = Global("torch", kind + "Tensor")
        count = len(sizes)
        self.tensors.append(
            pickled((key, storage, name), self.old) +
            struct.pack("<i", count) + b"\xa5\x5a\0\xff" +
            struct.pack(f"<{2 * count + 1}q", *sizes, *strides, offset))

    def members(self, value):
        info = {"protocol_version": 1000, "little_endian": True,
                "type_sizes": {"short": 2, "int": 4, "long": 4}}
        def listed(items):
            return pickled(len(items), self.old) + b"".join(items)
        return [("sys_info", pickled(info, self.old)),
                ("pickle", pickled(value, self.old)),
                ("tensors", listed(self.tensors)),
                ("storages", listed(self.storages) +
                 pickled(self.views, self.old))]

    def save(self, path, value, form=tarfile.PAX_FORMAT):
        with tarfile.open(path, "w", format=form) as out:
            for name, data in self.members(value):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                entry.mtime = 1484000000.25 if form == tarfile.PAX_FORMAT \
                    else 1484000000
                out.addfile(entry, io.BytesIO(data))


KINDS = {"Double": "d", "Float": "f", "Half": "e", "Long": "q", "Int": "i",
         "Short": "h", "Char": "b", "Byte": "B"}
PARAMETER = Global("torch.nn.parameter", "Parameter")
VARIABLE = Global("torch.autograd.variable", "Variable")
HIGH = 0x7f3a10000000  # keys were addresses


def kinds(archive):
    value = {}
    for i, (kind, code) in enumerate(KINDS.items()):
        archive.storage(HIGH + i, kind, code, list(range(12)))
        archive.tensor(HIGH + 100 + i, HIGH + i, kind, [3, 4], [4, 1], 0)
        value[kind] = Key(HIGH + 100 + i)
    return value


def ties(archive):
    archive.storage(1, "Float", "f", list(range(10)))
    archive.tensor(2, 1, "Float", [10], [1], 0)
    archive.tensor(3, 1, "Float", [4], [1], 2)
    archive.tensor(4, 1, "Float", [5, 2], [1, 5], 0)
    archive.tensor(5, 1, "Float", [3, 4], [0, 1], 1)
    return [Key(2), Key(3), Key(4), Key(5), Key(2)]


def views(archive):
    archive.storage(1, "Long", "q", list(range(20)))
    archive.view(7, 1, 4, 10)
    archive.view(8, 1, 0, 4)
    archive.tensor(2, 7, "Long", [5, 2], [2, 1], 0)
    archive.tensor(3, 8, "Long", [2], [2], 1)
    archive.tensor(4, 1, "Long", [20], [1], 0)
    return collections.OrderedDict(a=Key(2), b=Key(3), c=Key(4))


def parameters(archive):
    archive.storage(1, "Float", "f", [1.5, -2.5, 0.0])
    archive.tensor(2, 1, "Float", [3], [1], 0)
    archive.tensor(3, 1, "Float", [1, 2], [2, 1], 1)
    return collections.OrderedDict(
        weight=Call(PARAMETER, Key(2), state=(True, False, None)),
        bias=Call(PARAMETER, Key(3), state=(False, False, None)),
        loss=Call(VARIABLE, Key(2), state=(True, False, None)),
        data=Key(2))


def nested(archive):
    archive.storage(1, "Double", "d", [3.25])
    archive.tensor(2, 1, "Double", [1], [1], 0)
    archive.tensor(3, 1, "Double", [], [], 0)
    state = collections.OrderedDict(
        [("features.0.weight", Key(2)), ("classifier.bias", Key(3))])
    return {"epoch": 90, "arch": "resnet18", "best_prec1": 69.758,
            "state_dict": state, "optimizer": {"state": {}, "param_groups": [
                {"lr": 0.1, "params": [140212345678912], "nesterov": False}]},
            "none": None, "pair": (1, [2, "three"]), "text": "\u00fc"}


MADE = {"kinds": kinds, "ties": ties, "views": views,
        "parameters": parameters, "nested": nested}
FORMS = {"pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT,
         "gnu": tarfile.GNU_FORMAT}


def seen(reader, path):
    """What a reader finds by each load that this form has."""
    found = [reader.describe(path)]
    if reader.age == "old":
        found.append(reader.describe(path, "only"))
    return found


def without_places(tree):
    """A description but for where in which storage a tensor begins: a view of
    a storage is a storage to torch, and a part of one to us."""
    if isinstance(tree, list):
        return [without_places(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    gone = ("offset", "storage") if "sha256" in tree else ()
    return {key: without_places(value) for key, value in tree.items()
            if key not in gone}


def same_wherever_read(readers, before, after, places=True):
    for reader in readers:
        for was, now in zip(seen(reader, before), seen(reader, after)):
            if "error" in (was or {}):
                continue
            if not places:
                was, now = without_places(was), without_places(now)
            assert now == was, reader.age


@pytest.mark.parametrize("old", [True, False], ids=["python2", "python3"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MADE)
def test_made_by_hand(readers, name, form, old, tmp_path):
    """What torch finds in the tar it finds in the zip and in the tar that we
    make of it."""
    made, zipped = tmp_path / "made.tar", tmp_path / "zipped.pt"
    again = tmp_path / "again.tar"
    archive = Archive(old)
    archive.save(made, MADE[name](archive), FORMS[form])
    for reader in readers:
        assert "error" not in reader.describe(made), reader.age
    tools.ckpt("convert", made, zipped)
    tools.ckpt("convert", "--to", "torch-tar", made, again)
    same_wherever_read(readers, made, zipped, places=name != "views")
    same_wherever_read(readers, made, again, places=name != "views")


def test_empty_without_storage(tmp_path):
    """Torch of today fails on these; torch 0.1 wrote them."""
    archive = Archive()
    archive.tensor(2, None, "Float", [], [], 0)
    archive.save(tmp_path / "made.tar", {"e": Key(2)})
    assert [(t["name"], t["dtype"], t["shape"])
            for t in tools.ls(tmp_path / "made.tar")["tensors"]] == \
        [("e", "float32", [0])]


def test_sources(new, tmp_path):
    """A class that comes with its source, as the first of each did when a
    whole model was saved."""
    archive = Archive()
    archive.storage(1, "Float", "f", [1.0])
    archive.tensor(2, 1, "Float", [1], [1], 0)
    known = Global("collections", "OrderedDict")
    source = "class OrderedDict(dict):\n    pass\n"
    archive.save(tmp_path / "made.tar", {
        "a": Call(Key((known, "collections.py", source))), "b": Key(2)})
    listing = tools.ls(tmp_path / "made.tar")
    assert [t["name"] for t in listing["tensors"]] == ["b"]
    assert listing["attributes"]["model.sources"] == {
        "collections.OrderedDict": {"file": "collections.py",
                                    "source": source}}
    tools.ckpt("convert", tmp_path / "made.tar", tmp_path / "zipped.pt")
    assert tools.ls(tmp_path / "zipped.pt")["attributes"] == \
        listing["attributes"]


def module(kind, parameters, children, by=None):
    """A torch.nn.Module as Python 2 pickled it."""
    state = {"training": False,
             "_parameters": collections.OrderedDict(parameters),
             "_buffers": collections.OrderedDict(),
             "_modules": collections.OrderedDict(children),
             "_backward_hooks": collections.OrderedDict()}
    return Call(Global("copy_reg", "_reconstructor"), by or kind,
                Global("__builtin__", "object"), None, state=state)


def test_whole_model(tmp_path):
    """A model whose class is gone is its state, and its source is kept."""
    archive = Archive()
    archive.storage(1, "Float", "f", [1.0, 2.0, 3.0, 4.0])
    archive.tensor(2, 1, "Float", [2, 2], [2, 1], 0)
    archive.tensor(3, 1, "Float", [2], [1], 2)
    linear = module(Global("torch.nn.modules.linear", "Linear"),
                    [("weight", Call(PARAMETER, Key(2),
                                     state=(True, False, None))),
                     ("bias", Call(PARAMETER, Key(3),
                                   state=(True, False, None)))], [])
    gone = Global("gone", "Net"), "gone.py", "class Net(nn.Module):\n    pass\n"
    archive.save(tmp_path / "made.tar",
                 module(None, [], [("fc", linear)], by=Key(gone)))
    assert [(t["name"], t["role"])
            for t in tools.ls(tmp_path / "made.tar")["tensors"]] == \
        [("fc.weight", "parameter"), ("fc.bias", "parameter")]
    assert tools.ckpt("info", "--source", tmp_path / "made.tar") == \
        "# gone.Net (gone.py)\n" + gone[2]


# ---- What we write ----

def to_tar(before, after):
    return tools.run("convert", "--to", "torch-tar", before, after)


def test_torch_reads_what_we_write(peer, readers, case, tmp_path):
    before, after = peer.case(case), tmp_path / f"{case}.tar"
    done = to_tar(before, after)
    if case == "dtypes" and peer.age == "new":
        assert done.returncode == 4 and "torch-tar has no" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    same_wherever_read(readers, before, after)


def without_names(listing):
    return {k: v for k, v in listing.items() if k not in ("file", "format")}


def test_there_and_back(peer, case, tmp_path):
    """zip -> tar -> zip is the same graph, and the same bytes as zip -> zip."""
    before, between = peer.case(case), tmp_path / "between.tar"
    after, direct = tmp_path / "a" / "x.pt", tmp_path / "b" / "x.pt"
    if to_tar(before, between).returncode == 4:
        return
    after.parent.mkdir()
    direct.parent.mkdir()
    tools.ckpt("convert", between, after)
    tools.ckpt("convert", before, direct)
    assert without_names(tools.ls(between)) == without_names(tools.ls(before))
    assert without_names(tools.ls(after)) == without_names(tools.ls(before))


def test_python_reads_the_archive(peer, tmp_path):
    after, again = tmp_path / "a.tar", tmp_path / "b.tar"
    assert to_tar(peer.case("plain"), after).returncode == 0
    assert to_tar(peer.case("plain"), again).returncode == 0
    assert after.read_bytes() == again.read_bytes()
    with tarfile.open(after) as archive:
        entries = archive.getmembers()
        assert [entry.name for entry in entries] == \
            ["sys_info", "pickle", "tensors", "storages"]
        assert all(entry.isreg() and entry.mtime == 0 and entry.uid == 0
                   for entry in entries)
        info = pickle.loads(archive.extractfile("sys_info").read())
        assert info["protocol_version"] == 1000 and info["little_endian"]


def test_values_of_later_torch(maker, values, tmp_path):
    """What came after 0.1 is written as later torch loads it, or refused by
    the type that the form does not have."""
    _, before = maker
    after = tmp_path / "a.tar"
    done = to_tar(before, after)
    if done.returncode == 4:
        assert "torch-tar has no" in done.stderr
        return
    assert done.returncode == 0, done
    for reader in read_by(values, before):
        # Sparse rows are written as torch 2 has them, and map_location does
        # not reach tensors that are rebuilt on devices.
        if before.stem in ("csr", "device"):
            continue
        different = reader.different(before, after)
        assert different is None, reader.age
