# SPDX-License-Identifier: MIT
"""Hostile pickles under strace: whatever command looks at them, no program
is started, no socket opened, and no file opened for writing but the output."""
import os
import re
import shutil

import hostile_pickles
import pytest

import tools

pytestmark = pytest.mark.skipif(shutil.which("strace") is None,
                                reason="strace is not installed")
CASES = hostile_pickles.cases()
# The names differ in nothing but the name; one will do for slow commands.
FORMS = sorted(name for name in CASES if not name.startswith("name-"))
CALLS = """execve execveat fork vfork socket socketpair connect bind open
    openat openat2 creat truncate unlink unlinkat rename renameat renameat2
    link linkat symlink symlinkat mkdir mkdirat mknod mknodat ptrace kill
    process_vm_writev""".split()
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
OPENS = re.compile(r"^(?:\d+ +)?(?:open|openat|openat2|creat)\(")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile")
    for name, data in CASES.items():
        (path / name).write_bytes(data)
    return path


def traced(folder, trace, *args):
    """The lines of strace beyond the start, and what the command said."""
    known = [f"trace={','.join('?' + call for call in CALLS)}"]
    done = tools.run(*args, cwd=folder, program=tools.CKPT_PLAIN,
                     under=["strace", "-f", "-qq", "-o", str(trace),
                            "-e", *known])
    assert done.returncode in (0, 1, 3, 4, 5), done
    lines = trace.read_text(errors="replace").splitlines()
    assert "execve(" in lines[0], lines[:3]
    return lines[1:], done


def assert_harmless(lines, output=None):
    """Only opens that read; the output may be made under any name that goes
    with it, in a folder of its own. What was packed is unpacked into a file
    without a name, which nobody can find."""
    for line in lines:
        made = output is not None and f'"{output}/' in line
        made = made or "O_TMPFILE" in line
        if OPENS.match(line):
            assert made or not WRITES.search(line), line
        else:
            assert made or "+++" in line or "---" in line, line


@pytest.mark.parametrize("command", ["info", "scan", "verify"])
def test_many(folder, tmp_path, command):
    names = sorted(CASES)
    lines, done = traced(folder, tmp_path / "trace", command, *names)
    assert_harmless(lines)
    assert any(names[0] in line for line in lines)
    assert sorted(os.listdir(folder)) == names
    if command == "scan":
        assert done.returncode == 1 and done.stderr == ""
        assert not re.search(r"^\S+: clean$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", FORMS)
def test_convert(folder, tmp_path, name):
    """To both kinds of output; most are refused, and leave nothing behind."""
    for suffix in (".pt", ".safetensors"):
        output = tmp_path / f"out{suffix[1:]}"
        output.mkdir()
        lines, done = traced(folder, tmp_path / "trace", "convert", name,
                             output / f"x{suffix}")
        assert_harmless(lines, output)
        wanted = [f"x{suffix}"] if done.returncode == 0 else []
        assert os.listdir(output) == wanted
        assert sorted(os.listdir(folder)) == sorted(CASES)


@pytest.mark.parametrize("name", FORMS[::4])
def test_ls(folder, tmp_path, name):
    for option in ("--tree", "--digest"):
        lines, _ = traced(folder, tmp_path / "trace", "ls", option, name)
        assert_harmless(lines)
    assert sorted(os.listdir(folder)) == sorted(CASES)
