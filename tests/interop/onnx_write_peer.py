# SPDX-License-Identifier: MIT
"""onnx_write_peer.py: what one onnx package and one torch do, as a process,
so that those of any age can be asked.

    onnx_write_peer.py versions       of onnx and torch; null for none
    onnx_write_peer.py check FILE...  each checked in full; the IR versions
    onnx_write_peer.py export FOLDER  a model as torch exports it, model.onnx;
                                      other weights for it: weights.pth, in
                                      exact.pth only those that it has, in
                                      head.pth a few; and x.npy with both
                                      answers, y.npy and z.npy
"""
import json
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")


def versions():
    found = []
    for name in ("onnx", "torch"):
        try:
            found.append(str(__import__(name).__version__))
        except ImportError:
            found.append(None)
    return found


def check(*files):
    import onnx
    for file in files:
        onnx.checker.check_model(file, full_check=True)
    return [onnx.load(f, load_external_data=False).ir_version for f in files]


def make(seed):
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
            self.norm = torch.nn.BatchNorm2d(4)
            self.lstm = torch.nn.LSTM(8, 5, batch_first=True)
            self.wide = torch.nn.Linear(5, 300)
            self.head = torch.nn.Linear(300, 3)
            self.scale = torch.nn.Parameter(torch.tensor(1.5))

        def forward(self, x):
            y = torch.relu(self.norm(self.conv(x))).mean(1)
            y, _ = self.lstm(y.reshape(-1, 8, 8))
            return self.head(torch.tanh(self.wide(y[:, -1]))) * self.scale

    torch.manual_seed(seed)
    net = Net().eval()
    with torch.no_grad():
        net.norm.running_mean.normal_()
        net.norm.running_var.uniform_(0.5, 2)
        for parameter in net.parameters():
            parameter.normal_()
    return net


def export(folder):
    import numpy
    import torch
    folder = pathlib.Path(folder)
    first, second = make(1), make(2)
    x = torch.randn(1, 1, 8, 8)
    more = {"dynamo": False} if torch.__version__[0] > "1" else {}
    torch.onnx.export(first, x, str(folder / "model.onnx"), opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE,
                      do_constant_folding=False, **more)
    state = second.state_dict()
    torch.save(state, folder / "weights.pth")
    del state["norm.num_batches_tracked"]
    torch.save(state, folder / "exact.pth")
    torch.save({name: value for name, value in state.items()
                if name.startswith("head")}, folder / "head.pth")
    for name, value in (("x", x), ("y", first(x)), ("z", second(x))):
        numpy.save(folder / f"{name}.npy", value.detach().numpy())
    return sorted(state)


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    print(json.dumps({"versions": versions, "check": check,
                      "export": export}[verb](*rest)))
