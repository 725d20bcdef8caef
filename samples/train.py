#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains small networks on data made here, and saves the samples.

    train.py FILE...    writes those of SAMPLES, below, that are named

The same torch on the same kind of processor gives the same bytes."""

import inspect
import math
import os
import re
import sys

import torch
from torch import nn
from torch.nn import functional


def two_moons(count):
    """Points of two half circles that reach into each other."""
    turn = torch.rand(count) * math.pi
    upper = torch.stack((turn.cos(), turn.sin()), 1)
    lower = torch.stack((1 - turn.cos(), 0.5 - turn.sin()), 1)
    points = torch.cat((upper, lower)) + 0.1 * torch.randn(2 * count, 2)
    return points, torch.arange(2).repeat_interleave(count)


SEGMENTS = ((1, 1, 1, 0, 1, 1, 1), (0, 0, 1, 0, 0, 1, 0), (1, 0, 1, 1, 1, 0, 1),
            (1, 0, 1, 1, 0, 1, 1), (0, 1, 1, 1, 0, 1, 0), (1, 1, 0, 1, 0, 1, 1),
            (1, 1, 0, 1, 1, 1, 1), (1, 0, 1, 0, 0, 1, 0), (1, 1, 1, 1, 1, 1, 1),
            (1, 1, 1, 1, 0, 1, 1))


def digit_images(count):
    """Seven-segment digits, 12 x 12, moved about and noisy."""
    strokes = torch.zeros(7, 9, 6)
    for row, at in ((0, 0), (3, 4), (6, 8)):
        strokes[row, at, 1:5] = 1
    for stroke, rows, column in ((1, slice(1, 4), 0), (2, slice(1, 4), 5),
                                 (4, slice(5, 8), 0), (5, slice(5, 8), 5)):
        strokes[stroke, rows, column] = 1
    glyphs = torch.einsum("ds,shw->dhw", torch.tensor(SEGMENTS).float(),
                          strokes)
    labels = torch.randint(10, (count,))
    images = 0.3 * torch.randn(count, 1, 12, 12)
    for image, label in zip(images, labels):
        down, right = torch.randint(4, (2,)).tolist()
        image[0, down:down + 9, right:right + 6] += glyphs[label]
    return images, labels


class MoonNet(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32),
                         nn.ReLU(), nn.Linear(32, 2))


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16 * 9, 10)

    def forward(self, x):
        x = functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 2)
        x = functional.max_pool2d(self.bn2(self.conv2(x)).relu(), 2)
        return self.fc(x.flatten(1))


class DeepDigitNet(DigitNet):
    """The same with one more layer."""

    def __init__(self):
        super().__init__()
        self.conv3 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(16)


class SumModel(nn.Module):
    """Reads "12+34=46;" letter by letter; what it reads by and what it
    answers by is one matrix."""

    LETTERS = "0123456789+=;"

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(self.LETTERS), 24)
        self.lstm = nn.LSTM(24, 24, num_layers=2, batch_first=True)
        self.decoder = nn.Linear(24, len(self.LETTERS))
        self.decoder.weight = self.embedding.weight

    def forward(self, x):
        return self.decoder(self.lstm(self.embedding(x))[0])


def sums(count):
    texts = ("%02d+%02d=%03d;" % (a, b, a + b)
             for a, b in torch.randint(100, (count, 2)).tolist())
    codes = [[SumModel.LETTERS.index(c) for c in text] for text in texts]
    return torch.tensor(codes)


def train(model, batch, steps, rate):
    """Trains with Adam and a stepwise rate; returns what it trained with."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, steps // 2, 0.1)
    for _ in range(steps):
        inputs, targets = batch()
        loss = functional.cross_entropy(model(inputs).flatten(0, -2),
                                        targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return optimizer, scheduler, loss.item()


def moons():
    torch.manual_seed(1)
    model = MoonNet()
    train(model, lambda: two_moons(64), 400, 0.02)
    points, labels = two_moons(1000)
    print("moons: %.3f right" %
          (model(points).argmax(1) == labels).float().mean())
    return model


def digits():
    torch.manual_seed(2)
    model = DigitNet()
    trained_with = train(model, lambda: digit_images(64), 200, 0.02)
    model.eval()
    images, labels = digit_images(1000)
    right = (model(images).argmax(1) == labels).float().mean().item()
    print("digits: %.3f right" % right)
    return model, trained_with, right


def adder():
    torch.manual_seed(3)
    model = SumModel()

    def batch():
        text = sums(64)
        return text[:, :-1], text[:, 1:]

    print("adder: loss %.3f" % train(model, batch, 400, 0.01)[2])
    return model


def save_moons(path):
    torch.save(moons().state_dict(), path)


def save_moons_int8(path):
    small = torch.quantization.quantize_dynamic(moons(), {nn.Linear})
    torch.save(small.state_dict(), path)


def save_digits(path):
    torch.save(digits()[0].state_dict(), path)


def save_training(path):
    """What a training script keeps so that it can go on."""
    model, (optimizer, scheduler, loss), right = digits()
    torch.save({"epoch": 3, "model_state_dict": model.state_dict(),
                "optimizer_state_dict": optimizer.state_dict(),
                "scheduler_state_dict": scheduler.state_dict(),
                "loss": loss, "accuracy": right, "classes": tuple("0123456789"),
                "note": None}, path)


def save_parallel(path):
    """As a machine with a GPU and DataParallel would. There was no GPU: torch
    asks a registered function for the label of each storage, and this one
    says cuda:0. The bytes are those that a GPU would have given back."""
    model = nn.DataParallel(digits()[0])
    torch.serialization.register_package(
        0, lambda storage: "cuda:0", lambda storage, label: None)
    torch.save(model.state_dict(), path)


def save_whole(path):
    """The model, not its state. Old releases put in the source of classes; of
    this one, and not of torch's own, which are long and another's."""
    def source_of(kind):
        if kind.__module__ != "__main__":
            raise OSError
        return inspect.getsourcelines(kind)[0], 0, os.path.basename(__file__)

    torch.serialization.get_source_lines_and_file = source_of
    torch.save(digits()[0], path, _use_new_zipfile_serialization=False)


def save_uncounted(path):
    """As releases before 0.4.1 left it: no counters of batches, and no
    versions of modules."""
    state = digits()[0].state_dict()
    torch.save({key: value for key, value in state.items()
                if not key.endswith("num_batches_tracked")}, path,
               _use_new_zipfile_serialization=False)


def save_sections(path):
    """As scripts do that keep the head once more, and their own numbers."""
    model = digits()[0]
    torch.save({"state_dict": model.state_dict(),
                "fc_dict": model.fc.state_dict(),
                "alpha": 0.5, "gamma": 2.0}, path)


def save_normed(path):
    """The ways of torch to norm a weight, each on one layer."""
    torch.manual_seed(4)
    model = digits()[0]
    nn.utils.weight_norm(model.conv1)
    nn.utils.spectral_norm(model.conv2)
    nn.utils.parametrizations.weight_norm(model.fc)
    model.train()
    model(digit_images(4)[0])
    torch.save(model.state_dict(), path)


def save_deep(path):
    """Not trained: what a larger network begins with."""
    torch.manual_seed(5)
    torch.save(DeepDigitNet().state_dict(), path)


def save_dotted(path):
    """A small DenseNet under the names of torchvision's old zoo, where
    modules could be called norm.1."""
    from torchvision.models import DenseNet
    torch.manual_seed(6)
    model = DenseNet(growth_rate=2, block_config=(1, 1), num_init_features=4,
                     bn_size=2, num_classes=3)
    dotted = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])\.")
    torch.save({dotted.sub(r"\1.\2.", key): value
                for key, value in model.state_dict().items()}, path)


def save_adder(path):
    torch.save(adder().state_dict(), path)


def save_adder_bf16(path):
    torch.save(adder().bfloat16().state_dict(), path)


def save_safetensors(path):
    from safetensors.torch import save_file
    save_file(digits()[0].state_dict(), path,
              {"format": "pt", "task": "seven-segment digits"})


SAMPLES = {
    "moons.pth": save_moons,
    "moons-torch-1.13.pth": save_moons,
    "moons-int8.pth": save_moons_int8,
    "digits.pth": save_digits,
    "digits-training.pt": save_training,
    "digits-parallel.pth": save_parallel,
    "digits.safetensors": save_safetensors,
    "digits-whole.pth": save_whole,
    "digits-uncounted.pth": save_uncounted,
    "digits-sections.pth": save_sections,
    "digits-normed.pth": save_normed,
    "digits-deep.pth": save_deep,
    "densenet-dotted.pth": save_dotted,
    "adder.pth": save_adder,
    "adder-bf16.pth": save_adder_bf16,
}


def main():
    torch.set_num_threads(1)
    for path in sys.argv[1:] or sys.exit(__doc__):
        SAMPLES[os.path.basename(path)](path)


if __name__ == "__main__":
    main()
