# SPDX-License-Identifier: MIT
"""Damaged files: cut at every byte, with bytes turned, and with another file's
bytes in their midst. Never a crash, never a part of an output."""
import os
import random

import tools


def assert_refused(done, folder, statuses):
    assert done.returncode in statuses, done
    lines = [line for line in done.stderr.splitlines()
             if not line.startswith("ckpt: warning: ")]
    assert 1 <= len(lines) <= 2 and lines[0].startswith("ckpt: "), done
    assert done.stdout == "", done
    assert not [n for n in os.listdir(folder) if not n.startswith("in")], done


def test_cut_at_every_byte(sample, tmp_path):
    reader, _, data = sample
    path = tmp_path / "in"
    path.write_bytes(data)
    step = len(data) // 2000 + 1  # a tar has long runs of zeros
    for size in reversed(range(0, len(data), step)):
        os.truncate(path, size)
        done = tools.run("convert", "--from", reader, "in", "out.safetensors",
                         program=tools.CKPT_PLAIN, cwd=tmp_path)
        assert_refused(done, tmp_path, (3,))
        assert reader in done.stderr


def test_cut_and_told_by_content(sample, tmp_path):
    """Without --from, a stump is malformed too: by its name from the first
    byte on, without one as soon as it shows what it was to be."""
    reader, suffix, data = sample
    shows = 262 if reader == "torch-tar" else 9  # where a magic ends
    for name, first in (("in" + suffix, 0), ("in", shows)):
        path = tmp_path / name
        path.write_bytes(data)
        for size in reversed(range(first, len(data), 7)):
            os.truncate(path, size)
            done = tools.run("convert", name, "out.safetensors",
                             program=tools.CKPT_PLAIN, cwd=tmp_path)
            assert_refused(done, tmp_path, (3,))


def damaged(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(data))
        way = rng.randrange(4)
        if way == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            data[at] = rng.choice((0, 0xff, 0x7f, 0x80, rng.randrange(256)))
        elif way == 2:
            del data[at:at + rng.randrange(1, 9)]
        else:
            source = rng.randrange(len(data))
            data[at:at] = data[source:source + rng.randrange(1, 33)]
    return bytes(data) or b"\0"


def test_bytes_turned(sample, tmp_path):
    reader, suffix, data = sample
    rng = random.Random(len(data))
    path = tmp_path / "in"
    for _ in range(400):
        path.unlink(missing_ok=True)
        path.write_bytes(damaged(data, rng))
        done = tools.run("convert", "--from", reader, "in", "out" + suffix,
                         cwd=tmp_path)
        if done.returncode == 0:
            (tmp_path / ("out" + suffix)).unlink()
        else:
            kept = path.read_bytes().hex()
            assert done.returncode in (3, 4), (kept, done)
            assert_refused(done, tmp_path, (3, 4))


def test_what_converts_reads_again(sample, tmp_path):
    """A damaged file that still converts gives a file that reads alike."""
    reader, _, data = sample
    rng = random.Random(7)
    path, out = tmp_path / "in", tmp_path / "out.safetensors"
    for _ in range(60):
        path.unlink(missing_ok=True)
        path.write_bytes(damaged(data, rng))
        if tools.run("convert", "--from", reader, "in", out.name,
                     cwd=tmp_path).returncode == 0:
            before = tools.ls(path, "--from", reader)["tensors"]
            after = tools.ls(out)["tensors"]
            assert {(t["name"], t["sha256"]) for t in before} == \
                {(t["name"], t["sha256"]) for t in after}
            out.unlink()
