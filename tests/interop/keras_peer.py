# SPDX-License-Identifier: MIT
"""Keras 3 on torch: saves small models, and says what each of them holds.

    keras_peer.py FOLDER    a file of each kind for each model, and on stdout
                            model -> [[layer, [[dtype, shape, sha256]...]]...]
"""
import hashlib
import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
import numpy  # noqa: E402
import torch  # noqa: E402
from keras import layers  # noqa: E402


@keras.saving.register_keras_serializable("peer")
class Many(layers.Layer):
    """More weights than digits: their order is that of numbers."""

    def build(self, shape):
        self.many = [self.add_weight(shape=(i + 1,), name=f"w{i}",
                                     initializer="random_normal",
                                     trainable=i % 3 != 0)
                     for i in range(13)]

    def call(self, x):
        return x * self.many[0][0]


def dense():
    return keras.Sequential([
        keras.Input((6,), name="in"), layers.Dense(5, name="d1"),
        layers.Dropout(0.5, name="drop"), layers.Dense(3, name="d2")])


def convolution():
    return keras.Sequential([
        keras.Input((12, 12, 3), name="in"), layers.Conv2D(4, 3, name="c1"),
        layers.BatchNormalization(name="bn"),
        layers.DepthwiseConv2D(3, name="dw"),
        layers.SeparableConv2D(5, 3, name="sep"),
        layers.Flatten(name="flat"), layers.Dense(2, name="out")])


def recurrent():
    return keras.Sequential([
        keras.Input((7,), dtype="int32", name="in"),
        layers.Embedding(20, 6, name="e"),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="l"),
                             name="bi"),
        layers.GRU(3, name="g")])


def nested():
    inner = keras.Sequential([keras.Input((4,), name="inner_in"),
                              layers.Dense(4, name="inner_d")], name="inner")
    start = keras.Input((4,), name="in")
    x = layers.Dense(4, name="first")(start)
    return keras.Model(start, layers.Add(name="sum")([inner(x), inner(start)]))


def many():
    return keras.Sequential([keras.Input((3,), name="in"), Many(name="many")])


def attention():
    start = keras.Input((5, 8), name="in")
    x = layers.MultiHeadAttention(2, 4, name="mha")(start, start)
    return keras.Model(start, layers.LayerNormalization(name="ln")(x))


def brain():
    policy = keras.DTypePolicy("bfloat16")
    return keras.Sequential([keras.Input((4,), name="in"),
                             layers.Dense(3, dtype=policy, name="d")])


MODELS = [dense, convolution, recurrent, nested, many, attention, brain]


def told(variable):
    dtype = str(variable.dtype)
    tensor = variable.value.detach().cpu().contiguous()
    if dtype == "bfloat16":
        tensor = tensor.view(torch.int16)
    data = numpy.ascontiguousarray(tensor.numpy()).tobytes()
    return [dtype, list(variable.shape), hashlib.sha256(data).hexdigest()]


def own(layer):
    return layer._trainable_variables + layer._non_trainable_variables


def save(model, name, folder):
    for variable in model.variables:
        if "float" in str(variable.dtype):
            variable.assign(numpy.random.rand(*variable.shape))
    if name == "dense":
        model.compile(optimizer="adam", loss="mse")
        model.fit(numpy.random.rand(8, 6), numpy.random.rand(8, 3), verbose=0)
    model.save(folder / f"{name}.keras")
    model.save_weights(folder / f"{name}.weights.h5")
    if name == "convolution":
        model.save_weights(folder / f"{name}.weights.json",
                           max_shard_size=2e-6)
    if name != "brain":
        model.save(folder / f"{name}.h5")
    found = [[layer.name, [told(v) for v in own(layer)]]
             for layer in model._flatten_layers() if own(layer)]
    if name == "dense":
        found.append(["optimizer", [told(v)
                                    for v in model.optimizer.variables]])
    return sorted(found)


def main(folder):
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(1)
    print(json.dumps({make.__name__: save(make(), make.__name__, folder)
                      for make in MODELS}))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
