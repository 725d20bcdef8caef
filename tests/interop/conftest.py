# SPDX-License-Identifier: MIT
"""The peers: torch of today runs under the Python that runs pytest, torch of
years ago under CKPT_OLD_PYTHON. Each makes its cases once."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

CASES = """plain many dtypes aliases strides gaps attributes shared scalars
    strings big_map big_list ordered tensor nothing adam sgd buffer cycle_list
    cycle_tuple rich arrays plain_1 scalars_1 rich_1 shared_1 plain_3 scalars_3
    rich_3 shared_3 plain_4 scalars_4 rich_4 shared_4 plain_5 scalars_5 rich_5
    shared_5""".split()


class Peer:
    """One torch, as a process."""

    def __init__(self, age, python, folder):
        self.age, self.python, self.folder = age, python, folder
        self.server = None
        folder.mkdir()
        self.call("save", folder)

    def call(self, *args):
        done = subprocess.run([self.python, HERE / "peer.py",
                               *map(str, args)], capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def describe(self, path, *options):
        """What torch.load finds, or {"error": why}; options are `only` for
        weights_only=True and `mmap` for mmap=True."""
        if self.server is None:
            self.server = subprocess.Popen(
                [self.python, HERE / "peer.py", "serve"], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        request = {"path": str(path), "only": "only" in options,
                   "mmap": "mmap" in options}
        print(json.dumps(request), file=self.server.stdin, flush=True)
        line = self.server.stdout.readline()
        assert line, f"torch died of {path} {options}"
        return json.loads(line)

    def close(self):
        if self.server is not None:
            self.server.stdin.close()
            self.server.wait()

    def case(self, name):
        return self.folder / f"{name}.pt"


def python_of(age):
    if age == "new":
        return sys.executable
    return os.environ.get("CKPT_OLD_PYTHON", "/usr/bin/python3")


def why_missing(age):
    """Why this age of torch cannot be asked, or None."""
    done = subprocess.run([python_of(age), HERE / "peer.py", "version"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().split("\n") or ["?"])[-1]
        return f"no torch under {python_of(age)}: {reason}"
    version = json.loads(done.stdout)
    if (int(version.split(".")[0]) >= 2) != (age == "new"):
        return f"torch {version} under {python_of(age)} is not the {age} one"
    return None


@pytest.fixture(scope="session")
def peers(tmp_path_factory):
    """Age -> Peer, or why there is none."""
    folder = tmp_path_factory.mktemp("peers")
    result = {}
    for age in ("new", "old"):
        missing = why_missing(age)
        result[age] = missing or Peer(age, python_of(age), folder / age)
    yield result
    for peer in result.values():
        if isinstance(peer, Peer):
            peer.close()


@pytest.fixture(params=["new", "old"])
def peer(request, peers):
    found = peers[request.param]
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def new(peers):
    if isinstance(peers["new"], str):
        pytest.skip(peers["new"])
    return peers["new"]


@pytest.fixture
def readers(peers):
    """All ages that are there, to read what we write."""
    found = [peer for peer in peers.values() if not isinstance(peer, str)]
    if not found:
        pytest.skip("no torch of any age")
    return found


@pytest.fixture(params=CASES)
def case(request):
    return request.param


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("safetensors") is None:
        mark = pytest.mark.skip(reason="no safetensors package")
        for item in items:
            if "safetensors_peer" in str(item.path):
                item.add_marker(mark)


class Watcher:
    """locations.py under one torch: it says where storages would go."""

    def __init__(self, peer):
        self.server = subprocess.Popen(
            [peer.python, HERE / "locations.py"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, *request):
        request = [str(r) if isinstance(r, pathlib.Path) else r
                   for r in request]
        print(json.dumps(request), file=self.server.stdin, flush=True)
        line = self.server.stdout.readline()
        assert line, f"torch died of {request}"
        return json.loads(line)

    def close(self):
        self.server.stdin.close()
        self.server.wait()


@pytest.fixture(scope="session")
def watchers(peers):
    """Age -> Watcher, of those that there are."""
    found = {age: Watcher(peer) for age, peer in peers.items()
             if isinstance(peer, Peer)}
    yield found
    for watcher in found.values():
        watcher.close()


@pytest.fixture
def watcher(peer, watchers):
    return watchers[peer.age]
