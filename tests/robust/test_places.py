# SPDX-License-Identifier: MIT
"""Outputs in odd places: the input itself, links to it, folders that cannot be
written."""
import os

import pytest

import tools


def folder_of(tmp_path, sample):
    _, suffix, data = sample
    path = tmp_path / ("x" + suffix)
    path.write_bytes(data)
    return path


def listed(path):
    return [(t["name"], t["dtype"], t["shape"], t["sha256"])
            for t in tools.ls(path)["tensors"]]


def test_onto_itself(sample, tmp_path):
    path = folder_of(tmp_path, sample)
    before = listed(path)
    wanted = tmp_path / ("wanted" + path.suffix)
    assert tools.run("convert", path, path).returncode == 4
    assert path.read_bytes() == sample[2]
    tools.ckpt("convert", path, wanted)
    tools.ckpt("convert", path, path, "--force")
    assert listed(path) == before == listed(wanted)
    tools.ckpt("convert", path, path, "--force")
    assert listed(path) == before
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, wanted.name])


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_onto_a_link_to_itself(sample, tmp_path, make):
    path = folder_of(tmp_path, sample)
    before = listed(path)
    link = tmp_path / ("link" + path.suffix)
    make(path, link)
    tools.ckpt("convert", path, link, "--force")
    assert listed(link) == before
    assert listed(path) == before
    assert link.is_symlink() == (make is os.symlink)


def test_output_is_refused(sample, tmp_path):
    path = folder_of(tmp_path, sample)
    (tmp_path / "folder.pt").mkdir()
    for name, statuses in (("none/out.pt", (5,)), ("folder.pt", (4,)),
                           ("out.unknown", (2, 4))):
        done = tools.run("convert", path, name, "--force", cwd=tmp_path)
        assert done.returncode in statuses, done
    assert sorted(os.listdir(tmp_path)) == sorted(["folder.pt", path.name])


def test_input_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    for name, statuses in (("none", (5,)), ("pipe", (4,)), ("folder", (3, 4)),
                           ("empty", (3, 4)), ("/dev/zero", (4,))):
        done = tools.run("ls", name, cwd=tmp_path)
        assert done.returncode in statuses, done
        assert done.stderr.startswith("ckpt: "), done
