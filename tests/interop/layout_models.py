# SPDX-License-Identifier: MIT
"""Small models, each in Keras and in torch, with the same layers in the same
order. Inputs and outputs are those of Keras, channels last."""
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy
import torch
from keras import layers as L
from torch import nn


class Module(nn.Module):
    """Layers by name, and how they are called in turn."""

    def __init__(self, call, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.call = call

    def forward(self, x):
        return self.call(self, x)


def first(x):
    """Channels first."""
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def sequence(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def dense():
    return (sequence((7,), L.Dense(5, activation="relu"), L.Dense(3)),
            Module(lambda m, x: m.out(torch.relu(m.hidden(x))),
                   hidden=nn.Linear(7, 5), out=nn.Linear(5, 3)),
            (4, 7))


def conv2d():
    return (sequence((9, 9, 3), L.Conv2D(4, 3, name="first"),
                     L.BatchNormalization(), L.Conv2D(6, (2, 3), strides=2),
                     L.GlobalAveragePooling2D(), L.Dense(2)),
            Module(lambda m, x: m.fc(m.conv2(m.bn(m.conv1(first(x))))
                                     .mean((2, 3))),
                   conv1=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4, eps=1e-3),
                   conv2=nn.Conv2d(4, 6, (2, 3), stride=2),
                   fc=nn.Linear(6, 2)),
            (2, 9, 9, 3))


def flatten():
    return (sequence((5, 6, 2), L.Conv2D(3, 3), L.Flatten(), L.Dense(4)),
            Module(lambda m, x: m.fc(m.conv(first(x)).flatten(1)),
                   conv=nn.Conv2d(2, 3, 3), fc=nn.Linear(36, 4)),
            (2, 5, 6, 2))


def conv1d():
    return (sequence((11, 3), L.Conv1D(5, 3, dilation_rate=2),
                     L.Conv1D(4, 2, use_bias=False)),
            Module(lambda m, x: last(m.b(m.a(first(x)))),
                   a=nn.Conv1d(3, 5, 3, dilation=2),
                   b=nn.Conv1d(5, 4, 2, bias=False)),
            (2, 11, 3))


def conv3d():
    return (sequence((5, 6, 7, 2), L.Conv3D(3, (2, 3, 4)),
                     L.BatchNormalization(scale=False)),
            Module(lambda m, x: last(m.bn(m.conv(first(x)))),
                   conv=nn.Conv3d(2, 3, (2, 3, 4)),
                   bn=nn.BatchNorm3d(3, eps=1e-3)),
            (2, 5, 6, 7, 2))


def transposed():
    return (sequence((4, 5, 3), L.Conv2DTranspose(4, 3, strides=2),
                     L.Conv2DTranspose(2, (2, 3), use_bias=False)),
            Module(lambda m, x: last(m.b(m.a(first(x)))),
                   a=nn.ConvTranspose2d(3, 4, 3, stride=2),
                   b=nn.ConvTranspose2d(4, 2, (2, 3), bias=False)),
            (2, 4, 5, 3))


def grouped():
    return (sequence((6, 6, 4), L.Conv2D(6, 3, groups=2), L.Conv2D(6, 1)),
            Module(lambda m, x: last(m.b(m.a(first(x)))),
                   a=nn.Conv2d(4, 6, 3, groups=2), b=nn.Conv2d(6, 6, 1)),
            (2, 6, 6, 4))


def separable():
    return (sequence((7, 7, 3), L.DepthwiseConv2D(3, depth_multiplier=2),
                     L.SeparableConv2D(5, 3, depth_multiplier=2),
                     L.DepthwiseConv2D(2)),
            Module(lambda m, x: last(m.last(m.point(m.depth(
                m.dw(first(x)))))),
                   dw=nn.Conv2d(3, 6, 3, groups=3),
                   depth=nn.Conv2d(6, 12, 3, groups=6, bias=False),
                   point=nn.Conv2d(12, 5, 1),
                   last=nn.Conv2d(5, 5, 2, groups=5)),
            (2, 7, 7, 3))


def prelu():
    return (sequence((7, 7, 3), L.Conv2D(4, 3), L.PReLU(shared_axes=[1, 2]),
                     L.Flatten(), L.Dense(2)),
            Module(lambda m, x: m.fc(m.act(m.conv(first(x))).flatten(1)),
                   conv=nn.Conv2d(3, 4, 3), act=nn.PReLU(4),
                   fc=nn.Linear(100, 2)),
            (2, 7, 7, 3))


def separable1d():
    return (sequence((9, 4), L.SeparableConv1D(6, 3), L.DepthwiseConv1D(2)),
            Module(lambda m, x: last(m.dw(m.point(m.depth(first(x))))),
                   depth=nn.Conv1d(4, 4, 3, groups=4, bias=False),
                   point=nn.Conv1d(4, 6, 1),
                   dw=nn.Conv1d(6, 6, 2, groups=6)),
            (2, 9, 4))


def lstm():
    return (sequence((6,), L.Embedding(11, 5), L.LSTM(4)),
            Module(lambda m, x: m.lstm(m.embed(x))[0][:, -1],
                   embed=nn.Embedding(11, 5),
                   lstm=nn.LSTM(5, 4, batch_first=True)),
            (3, 6))


def stacked():
    """Two layers of Keras are two levels of one module of torch."""
    return (sequence((6, 3), L.LSTM(4, return_sequences=True),
                     L.LSTM(4, return_sequences=True), L.SimpleRNN(2)),
            Module(lambda m, x: m.rnn(m.lstm(x)[0])[0][:, -1],
                   lstm=nn.LSTM(3, 4, num_layers=2, batch_first=True),
                   rnn=nn.RNN(4, 2, batch_first=True)),
            (3, 6, 3))


def gru():
    return (sequence((6, 5), L.GRU(4, return_sequences=True),
                     L.GRU(3, use_bias=False)),
            Module(lambda m, x: m.b(m.a(x)[0])[0][:, -1],
                   a=nn.GRU(5, 4, batch_first=True),
                   b=nn.GRU(4, 3, bias=False, batch_first=True)),
            (3, 6, 5))


def bidirectional():
    return (sequence((6, 5), L.Bidirectional(L.LSTM(4, return_sequences=True)),
                     L.Bidirectional(L.GRU(3, return_sequences=True))),
            Module(lambda m, x: m.gru(m.lstm(x)[0])[0],
                   lstm=nn.LSTM(5, 4, bidirectional=True, batch_first=True),
                   gru=nn.GRU(8, 3, bidirectional=True, batch_first=True)),
            (3, 6, 5))


def norms():
    return (sequence((6, 5), L.LayerNormalization(), L.Dense(4),
                     L.LayerNormalization(center=False),
                     L.TimeDistributed(L.Dense(3)),
                     L.GroupNormalization(3, axis=-1)),
            Module(lambda m, x: last(m.gn(first(m.b(m.ln2(m.a(m.ln1(x))))))),
                   ln1=nn.LayerNorm(5, eps=1e-3), a=nn.Linear(5, 4),
                   ln2=nn.LayerNorm(4, eps=1e-3, bias=False),
                   b=nn.Linear(4, 3), gn=nn.GroupNorm(3, 3, eps=1e-3)),
            (2, 6, 5))


def axes():
    """Two axes in one order; three with the channels moved."""
    return (sequence((4, 5, 3), L.LayerNormalization(axis=[1, 2, 3]),
                     L.Conv2D(2, 2), L.Reshape((3, 8)),
                     L.LayerNormalization(axis=[1, 2]),
                     L.Dense(2)),
            Module(lambda m, x: m.fc(m.two(
                last(m.conv(m.three(first(x)))).reshape(-1, 3, 8))),
                   three=nn.LayerNorm((3, 4, 5), eps=1e-3),
                   conv=nn.Conv2d(3, 2, 2), two=nn.LayerNorm((3, 8), eps=1e-3),
                   fc=nn.Linear(8, 2)),
            (2, 4, 5, 3))


def transposed_others():
    return (sequence((5, 3), L.Conv1DTranspose(4, 3), L.Reshape((7, 2, 2, 1)),
                     L.Conv3DTranspose(2, (1, 2, 3))),
            Module(lambda m, x: last(m.b(first(
                last(m.a(first(x))).reshape(-1, 7, 2, 2, 1)))),
                   a=nn.ConvTranspose1d(3, 4, 3),
                   b=nn.ConvTranspose3d(1, 2, (1, 2, 3))),
            (2, 5, 3))


def attention():
    x = keras.Input((6, 8))
    y = L.MultiHeadAttention(2, 4, name="attention")(x, x)
    return (keras.Model(x, L.Dense(3)(L.LayerNormalization()(x + y))),
            Module(lambda m, x: m.fc(m.norm(
                x + m.attention(x, x, x, need_weights=False)[0])),
                   attention=nn.MultiheadAttention(8, 2, batch_first=True),
                   norm=nn.LayerNorm(8, eps=1e-3), fc=nn.Linear(8, 3)),
            (2, 6, 8))


def nested():
    inner = keras.Sequential([keras.Input((4, 4, 3)),
                              L.Conv2D(4, 3, name="deep"),
                              L.BatchNormalization(name="norm")],
                             name="inner")
    x = keras.Input((4, 4, 3))
    y = L.GlobalMaxPooling2D()(inner(L.Conv2D(3, 1, name="front")(x)))
    return (keras.Model(x, L.Dense(2, name="head")(y)),
            Module(lambda m, x: m.head(m.norm(m.deep(m.front(first(x))))
                                       .amax((2, 3))),
                   front=nn.Conv2d(3, 3, 1), deep=nn.Conv2d(3, 4, 3),
                   norm=nn.BatchNorm2d(4, eps=1e-3), head=nn.Linear(4, 2)),
            (2, 4, 4, 3))


ALL = {f.__name__: f for f in (
    dense, conv2d, flatten, conv1d, conv3d, transposed, grouped, separable,
    prelu, separable1d, lstm, stacked, gru, bidirectional, norms, attention,
    nested, axes, transposed_others)}
INTEGERS = {"lstm"}
FLAT = {"flatten": "3x4x3", "prelu": "5x5x4"}


def inputs(name, shape):
    random = numpy.random.default_rng(7)
    if name in INTEGERS:
        return random.integers(0, 11, shape)
    return random.standard_normal(shape).astype("float32")


def shake_keras(model):
    """Weights that tell every place from every other."""
    random = numpy.random.default_rng(3)
    for weight in model.weights:
        value = random.standard_normal(weight.shape) * 0.5
        if "variance" in weight.path or "gamma" in weight.path:
            value = numpy.abs(value) + 0.5
        if "seed" not in weight.path:
            weight.assign(value.astype("float32"))


def shake_torch(module):
    generator = torch.Generator().manual_seed(5)
    for name, value in module.state_dict().items():
        if value.dtype == torch.float32:
            value.copy_(torch.randn(value.shape, generator=generator) * 0.5)
            if "var" in name:
                value.abs_().add_(0.5)


def run_keras(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def run_torch(module, x):
    module.eval()
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()
