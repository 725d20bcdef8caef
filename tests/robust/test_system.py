# SPDX-License-Identifier: MIT
"""The system fails, kills, or changes the input under our hands; strace makes
it do so at a chosen call. The old output stays whole, nothing else is left."""
import collections
import json
import os
import re
import shutil
import subprocess
import time

import pytest

import tools

pytestmark = pytest.mark.skipif(shutil.which("strace") is None,
                                reason="strace is not installed")
OLD = b"the old output"
# Calls by which an output comes into being.
MAKING = """fallocate copy_file_range pwrite64 write ftruncate fchmod fsync
    rename renameat renameat2 linkat unlink unlinkat""".split()


@pytest.fixture(params=[".pt", ".safetensors"])
def suffix(request):
    return request.param


@pytest.fixture
def room(tmp_path, suffix):
    """A folder with an input of 3 MB and an old output."""
    content = bytes(range(256)) * 4096 * 3
    tensors = {"a": ("U8", [len(content)], content),
               "b": ("F32", [2], bytes(8))}
    (tmp_path / "in.safetensors").write_bytes(tools.safetensors(tensors))
    (tmp_path / ("out" + suffix)).write_bytes(OLD)
    return tmp_path


def convert(room, suffix, *inject, force=True):
    under = ["strace", "-f", "-qq", "-o", room.parent / "trace"]
    for text in inject:
        under += ["-e", text]
    return tools.run("convert", "in.safetensors", "out" + suffix,
                     *(["--force"] if force else []), cwd=room,
                     program=tools.CKPT_PLAIN, under=map(str, under))


def assert_untouched(room, suffix):
    assert (room / ("out" + suffix)).read_bytes() == OLD
    assert sorted(os.listdir(room)) == ["in.safetensors", "out" + suffix]


def calls(room, suffix):
    """How often a plain run makes each call."""
    done = convert(room, suffix, "trace=" + ",".join(MAKING))
    assert done.returncode == 0, done
    text = (room.parent / "trace").read_text()
    (room / ("out" + suffix)).write_bytes(OLD)
    return collections.Counter(re.findall(r"^\d+ +(\w+)\(", text,
                                          re.MULTILINE))


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_full_disk(room, suffix, error):
    count = calls(room, suffix)
    tried = 0
    for call in ("fallocate", "copy_file_range", "pwrite64", "ftruncate"):
        for nth in sorted({1, count[call]} - {0}):
            if nth > count[call]:
                continue
            done = convert(room, suffix, f"trace={call}",
                           f"inject={call}:error={error}:when={nth}")
            assert done.returncode == 5, (call, nth, done)
            assert done.stderr.startswith("ckpt: "), done
            assert_untouched(room, suffix)
            tried += 1
    assert tried > 0


def test_no_fallocate(room, suffix):
    """File systems without it still convert."""
    done = convert(room, suffix, "trace=fallocate",
                   "inject=fallocate:error=EOPNOTSUPP")
    assert done.returncode == 0, done
    assert (room / ("out" + suffix)).read_bytes() != OLD


def test_no_copy_in_the_kernel(room, suffix):
    """Nor need the kernel copy between these two files."""
    wanted = room / "wanted" / ("out" + suffix)
    wanted.parent.mkdir()
    tools.ckpt("convert", room / "in.safetensors", wanted)
    done = convert(room, suffix, "trace=copy_file_range",
                   "inject=copy_file_range:error=EXDEV")
    assert done.returncode == 0, done
    assert (room / ("out" + suffix)).read_bytes() == wanted.read_bytes()


def test_rename_fails(room, suffix):
    count = calls(room, suffix)
    call = next(c for c in ("renameat2", "renameat", "rename") if count[c])
    done = convert(room, suffix, f"trace={call}",
                   f"inject={call}:error=EACCES")
    assert done.returncode == 5, done
    assert_untouched(room, suffix)


def test_killed_at_each_call(room, suffix):
    """kill -9 at the nth call: the output is the old one or the new one, and
    the next run is not disturbed by what was left."""
    target = room / ("out" + suffix)
    count = calls(room, suffix)
    assert convert(room, suffix).returncode == 0
    whole = target.read_bytes()
    for call, times in count.items():
        for nth in sorted({1, (times + 1) // 2, times}):
            target.write_bytes(OLD)
            done = convert(room, suffix, f"trace={call}",
                           f"inject={call}:signal=KILL:when={nth}")
            assert done.returncode != 0, (call, nth)
            assert target.read_bytes() in (OLD, whole), (call, nth)
    for name in os.listdir(room):
        if name.endswith(".part"):
            (room / name).unlink()
    target.write_bytes(OLD)
    assert convert(room, suffix).returncode == 0
    assert target.read_bytes() == whole
    assert sorted(os.listdir(room)) == ["in.safetensors", target.name]


@pytest.fixture
def long_room(room):
    """The input is 64 MB, most of it a hole, so that a copy has many steps."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [64 << 20],
                               "data_offsets": [0, 64 << 20]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(room / "in.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(file.tell() + (64 << 20))
    return room


def interrupt(room, suffix, name, *more):
    """A signal at the first write, not ignored even if it is for whoever runs
    this."""
    under = ["env", "--default-signal=INT,TERM,HUP", "strace", "-f", "-qq",
             "-o", str(room.parent / "trace"), "-e", "trace=pwrite64", "-e",
             f"inject=pwrite64:signal={name}:when=1"]
    return tools.run("convert", "in.safetensors", "out" + suffix, *more,
                     cwd=room, program=tools.CKPT_PLAIN, under=under)


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_interrupted(long_room, suffix, name):
    """Ctrl-C and its kin: told, worth a retry, and nothing is left."""
    done = interrupt(long_room, suffix, name, "--force")
    assert (done.returncode, done.stdout) == (5, ""), done
    assert re.fullmatch(r"ckpt: .*stopped\n", done.stderr), done
    assert_untouched(long_room, suffix)
    (long_room / ("out" + suffix)).unlink()
    done = interrupt(long_room, suffix, name)
    assert done.returncode == 5, done
    assert sorted(os.listdir(long_room)) == ["in.safetensors"]
    assert convert(long_room, suffix).returncode == 0


def big_call(room, *args):
    """The call that brings payload, and which one of its kind it is: the
    first that moves 100 kB or more."""
    trace = room.parent / "trace"
    subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e",
                    "trace=copy_file_range,pread64", tools.CKPT_PLAIN, *args],
                   cwd=room, env=tools.ENV, check=True,
                   stdout=subprocess.DEVNULL)
    count = collections.Counter()
    for line in trace.read_text().splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        if call is None:
            continue
        count[call[1]] += 1
        if int(line.rsplit("= ", 1)[1].split()[0]) >= 100000:
            return call[1], count[call[1]]
    raise AssertionError("nothing large was moved")


def meanwhile(room, act, *args):
    """Acts while the call that brings payload waits."""
    call, nth = big_call(room, *args)
    command = ["strace", "-f", "-qq", "-o", str(room.parent / "trace"),
               "-e", f"trace={call}",
               "-e", f"inject={call}:delay_enter=900000:when={nth}",
               tools.CKPT_PLAIN, *args]
    child = subprocess.Popen(command, cwd=room, env=tools.ENV, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    act()
    out, err = child.communicate(timeout=60)
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def convert_meanwhile(room, suffix, act):
    """The old output is put back for the run in which something happens."""
    args = ("convert", "in.safetensors", "out" + suffix, "--force")

    def restored():
        (room / ("out" + suffix)).write_bytes(OLD)
        act()
    done = meanwhile(room, restored, *args)
    assert done.returncode == 5, done
    assert done.stderr.startswith("ckpt: in.safetensors: "), done
    assert_untouched(room, suffix)


@pytest.mark.parametrize("size", [2000, 2 << 20])
def test_input_shrinks(room, suffix, size):
    convert_meanwhile(room, suffix, lambda: os.truncate(
        room / "in.safetensors", size))


def test_input_shrinks_in_a_digest(room, suffix):
    done = meanwhile(room, lambda: os.truncate(
        room / "in.safetensors", 1 << 20), "ls", "--json", "--digest",
        "in.safetensors")
    assert done.returncode == 5, done
    assert done.stderr.count("\n") == 1, done


def test_input_changes(room, suffix):
    """Other bytes of the same size are no less a change."""
    def change():
        with open(room / "in.safetensors", "r+b") as file:
            file.seek(-20, os.SEEK_END)
            file.write(b"other")
    convert_meanwhile(room, suffix, change)
