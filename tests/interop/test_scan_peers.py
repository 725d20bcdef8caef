# SPDX-License-Identifier: MIT
"""`ckpt scan` beside picklescan and fickling, on one set of files: whatever
one of them calls dangerous is a finding here too, by its name. They look at
bytes as we do; nothing is loaded."""
import contextlib
import enum
import io
import json
import pathlib
import pickle
import re

import hostile_pickles
import pytest
import tools

HOSTILE = hostile_pickles.cases()
BENIGN = hostile_pickles.benign()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan")
    for name, data in {**HOSTILE, **BENIGN}.items():
        (path / name).write_bytes(data)
    return path


@pytest.fixture(scope="module")
def found(folder):
    """File name -> its object of the JSON, for all of them in one run."""
    done = tools.run("scan", "--json", *sorted(folder.iterdir()))
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    return {pathlib.Path(entry["file"]).name: entry
            for entry in json.loads(done.stdout)}


def worrying(entry):
    """The names that we find suspicious or dangerous."""
    return {finding["name"] for finding in entry["findings"]
            if finding["severity"] != "note"}


def names_it(entry, module, name):
    """We find the name; of long ones the beginning is told, and a very long
    one is called made while loading, and dangerous."""
    if max(len(module), len(name)) > 4096:
        return any(finding["kind"] == "import" and finding["name"] is None and
                   finding["severity"] == "dangerous"
                   for finding in entry["findings"])
    return f"{module[:190]}.{name[:190]}" in worrying(entry)


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile(found, name):
    assert found[name]["verdict"] != "clean"


@pytest.mark.parametrize("name", hostile_pickles.NAMES)
def test_names(found, name):
    """Each is dangerous, as an import and as a call."""
    kinds = {finding["kind"] for finding in
             found[f"name-{name}.pkl"]["findings"]
             if finding["name"] == name and
             finding["severity"] == "dangerous"}
    assert kinds >= {"import", "call"}


@pytest.mark.parametrize("name", sorted(
    name for name, _ in hostile_pickles.attributes()))
def test_attributes(found, name):
    assert found[name]["verdict"] == "dangerous"


class Colour(enum.Enum):
    RED = 1

    def __reduce_ex__(self, protocol):
        """As Python 3.11 has it."""
        return getattr, (type(self), self.name)


@pytest.mark.parametrize("protocol", range(6))
def test_enum(tmp_path, protocol):
    """A member of an enum is no worse than its class."""
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([Colour.RED, {"x": Colour.RED}], protocol))
    (entry,) = json.loads(tools.run("scan", "--json", path).stdout)
    assert entry["verdict"] == "suspicious"
    dangerous, _ = by_picklescan(path)
    for module, attribute in dangerous:
        assert names_it(entry, module, attribute)


@pytest.mark.parametrize("name", sorted(BENIGN))
def test_benign(found, name):
    assert found[name]["verdict"] == "clean"


def by_picklescan(path):
    scanner = pytest.importorskip("picklescan.scanner")
    try:
        result = scanner.scan_file_path(str(path))
    except Exception as error:
        # It gives up on some files, and has found nothing then.
        return set(), str(error)
    return {(one.module, one.name) for one in result.globals
            if one.safety == scanner.SafetyLevel.Dangerous}, None


@pytest.mark.parametrize("name", sorted({**HOSTILE, **BENIGN}))
def test_picklescan(folder, found, name):
    """All names that it calls dangerous; `unknown` is its word for a name
    that it could not make out."""
    dangerous, _ = by_picklescan(folder / name)
    for module, attribute in dangerous:
        assert found[name]["verdict"] != "clean"
        if "unknown" in (module, attribute):
            continue
        assert names_it(found[name], module, attribute)


def by_fickling(path):
    """The severity that it gives to the pickles of a file, and the imports
    that it calls overtly malicious."""
    fickle = pytest.importorskip("fickling.fickle")
    analysis = pytest.importorskip("fickling.analysis")
    worst, imports = analysis.Severity.LIKELY_SAFE, set()
    try:
        with open(path, "rb") as file, \
             contextlib.redirect_stderr(io.StringIO()):
            pickles = list(fickle.StackedPickle.load(file))
    except Exception:
        return worst, imports
    for pickled in pickles:
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                results = analysis.check_safety(pickled)
                unsafe = list(pickled.unsafe_imports())
        except Exception:
            continue
        worst = max(worst, results.severity, key=lambda one: one.severity)
        for node in unsafe:
            imports |= {(node.module, one.name) for one in node.names
                        if one.name != "*"}
    return worst, imports


@pytest.mark.parametrize("name", sorted({**HOSTILE, **BENIGN}))
def test_fickling(folder, found, name):
    """Below `overtly malicious` it warns of every import that is not of the
    standard library, torch's own included."""
    worst, imports = by_fickling(folder / name)
    analysis = pytest.importorskip("fickling.analysis")
    if worst >= analysis.Severity.LIKELY_OVERTLY_MALICIOUS:
        assert found[name]["verdict"] != "clean", worst
    safe = {(module, one) for module in ("builtins", "__builtin__")
            for one in pytest.importorskip("fickling.fickle").SAFE_BUILTINS}
    for module, one in imports - safe:
        # A variable or a made-up word is a name that is made while loading.
        if re.search(r"^_var\d+$|_malformed", one):
            assert found[name]["verdict"] == "dangerous"
        else:
            assert names_it(found[name], module, one)


def test_not_nothing(folder):
    """The peers do find most of these files, so the tests above compare."""
    count = sum(1 for name in HOSTILE if by_picklescan(folder / name)[0])
    assert count > 100
    analysis = pytest.importorskip("fickling.analysis")
    count = sum(1 for name in HOSTILE if by_fickling(folder / name)[0] >=
                analysis.Severity.LIKELY_OVERTLY_MALICIOUS)
    assert count > 100
