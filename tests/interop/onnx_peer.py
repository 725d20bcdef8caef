# SPDX-License-Identifier: MIT
"""What the onnx package finds in models: run by the Python that has it.

    onnx_peer.py version
    onnx_peer.py describe PATH...    one line of JSON for each model
    onnx_peer.py make FOLDER         models of every dtype and way to keep it
    onnx_peer.py cases FOLDER        the backend test models of this release
"""
import collections
import hashlib
import json
import os
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NAMES = {"FLOAT": "float32", "DOUBLE": "float64", "UINT8": "uint8",
         "INT8": "int8", "UINT16": "uint16", "INT16": "int16",
         "INT32": "int32", "INT64": "int64", "UINT32": "uint32",
         "UINT64": "uint64", "BOOL": "bool", "FLOAT16": "float16",
         "BFLOAT16": "bfloat16", "COMPLEX64": "complex64",
         "COMPLEX128": "complex128", "FLOAT8E4M3FN": "float8_e4m3fn",
         "FLOAT8E4M3FNUZ": "float8_e4m3fnuz", "FLOAT8E5M2": "float8_e5m2",
         "FLOAT8E5M2FNUZ": "float8_e5m2fnuz", "UINT4": "uint4",
         "INT4": "int4", "FLOAT4E2M1": "float4_e2m1",
         "FLOAT8E8M0": "float8_e8m0fnu", "UINT2": "uint2", "INT2": "int2",
         "FLOAT6E2M3": "float6_e2m3", "FLOAT6E3M2": "float6_e3m2"}
WIDTHS = {"uint4": 4, "int4": 4, "float4_e2m1": 4, "uint2": 2, "int2": 2,
          "float6_e2m3": 6, "float6_e3m2": 6}

BYTES = {"float32": 4, "float64": 8, "uint16": 2, "int16": 2, "int32": 4,
         "int64": 8, "uint32": 4, "uint64": 8, "float16": 2, "bfloat16": 2,
         "complex64": 8, "complex128": 16}


def packed(array, width):
    """Elements below a byte, the first in the low bits."""
    if array.dtype.name.startswith(("float4", "float6")):
        array = array.view(np.uint8)
    flat = array.astype(np.int64).reshape(-1)
    bits = flat[:, None] >> np.arange(width) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def content(tensor):
    """dtype, shape and bytes, as numpy_helper reads them."""
    dtype = NAMES[TensorProto.DataType.Name(tensor.data_type)]
    array = numpy_helper.to_array(tensor)
    if dtype in WIDTHS:
        data = packed(array, WIDTHS[dtype])
    elif dtype == "bfloat16" and array.dtype == np.float32:
        data = (array.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    else:
        data = np.ascontiguousarray(array).tobytes()
    return dtype, list(tensor.dims), data


class Strings(Exception):
    """A tensor of strings, which is refused."""


class Finder:
    """All places of weights, walked through the package's own classes."""

    def __init__(self):
        self.found = []  # (scope's path, name, [(suffix, content)])

    def add(self, scope, name, parts):
        self.found.append((scope, name, parts))

    def tensor(self, scope, name, tensor):
        if tensor.data_type == TensorProto.STRING:
            raise Strings(name)
        self.add(scope, name, [("", content(tensor))])

    def sparse(self, scope, name, sparse):
        values, indices = content(sparse.values), sparse.indices
        array = numpy_helper.to_array(indices)
        if array.ndim == 1 and len(sparse.dims) == 1:
            array = array.reshape(-1, 1)
        if array.ndim == 2:
            array = np.ascontiguousarray(array.T)
        self.add(scope, name,
                 [(".indices", ("int64", list(array.shape), array.tobytes())),
                  (".values", values)])

    def lists(self, scope, place, attribute):
        """What operators for linear models and trees have learnt."""
        for dtype, values in (("float32", attribute.floats),
                              ("int64", attribute.ints)):
            if values:
                data = np.array(list(values), dtype).tobytes()
                self.add(scope, place, [("", (dtype, [len(values)], data))])

    def attribute(self, scope, label, name, attribute, learnt=False):
        """`name` is the output of a constant, or None."""
        place = "/".join(part for part in (label, attribute.name) if part)
        if attribute.HasField("t"):
            self.tensor(scope, name or place, attribute.t)
        if attribute.HasField("sparse_tensor"):
            self.sparse(scope, name or place, attribute.sparse_tensor)
        for i, tensor in enumerate(attribute.tensors):
            self.tensor(scope, name or f"{place}/{i}", tensor)
        for i, sparse in enumerate(attribute.sparse_tensors):
            self.sparse(scope, name or f"{place}/{i}", sparse)
        if attribute.HasField("g"):
            self.graph(scope + (place,), attribute.g)
        for i, graph in enumerate(attribute.graphs):
            self.graph(scope + (f"{place}/{i}",), graph)
        if learnt:
            self.lists(scope, place, attribute)
        if name is None or attribute.ref_attr_name:
            return
        if attribute.name.startswith("value_string"):
            raise Strings(name)
        kinds = {"value_float": ("float32", attribute.f),
                 "value_int": ("int64", attribute.i),
                 "value_floats": ("float32", list(attribute.floats)),
                 "value_ints": ("int64", list(attribute.ints))}
        if attribute.name in kinds:
            dtype, value = kinds[attribute.name]
            array = np.array(value, dtype)
            self.add(scope, name,
                     [("", (dtype, list(array.shape), array.tobytes()))])

    def nodes(self, scope, nodes):
        for i, node in enumerate(nodes):
            label = node.name or f"{node.op_type}_{i}"
            name = None
            if node.op_type in ("Constant", "ConstantOfShape"):
                name = node.output[0]
            for attribute in node.attribute:
                self.attribute(scope, label, name, attribute,
                               node.domain == "ai.onnx.ml")

    def graph(self, scope, graph):
        self.nodes(scope, graph.node)
        for tensor in graph.initializer:
            self.tensor(scope, tensor.name, tensor)
        for sparse in graph.sparse_initializer:
            self.sparse(scope, sparse.values.name, sparse)

    def model(self, model):
        self.graph((), model.graph)
        for i, info in enumerate(model.training_info):
            self.graph((f"training_info_{i}/initialization",),
                       info.initialization)
            self.graph((f"training_info_{i}/algorithm",), info.algorithm)
        for function in model.functions:
            label = function.name
            if function.domain:
                label = f"{function.domain}::{label}"
            if getattr(function, "overload", ""):
                label += f":{function.overload}"
            self.nodes((label,), function.node)
            for attribute in getattr(function, "attribute_proto", ()):
                self.attribute((label,), "", None, attribute)

    def named(self):
        """By the rule of the manual, without `#2` and so on."""
        counts = collections.Counter(name for _, name, _ in self.found)
        result = {}
        for scope, name, parts in self.found:
            if scope and counts[name] > 1:
                name = "/".join(scope + (name,))
            for suffix, (dtype, shape, data) in parts:
                assert name + suffix not in result, name
                result[name + suffix] = (dtype, shape,
                                         hashlib.sha256(data).hexdigest())
        return result


def describe(path):
    try:
        model = onnx.load(path)
        finder = Finder()
        finder.model(model)
        return {"tensors": finder.named()}
    except Strings as error:
        return {"strings": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


# ---- Models to be read ----

SHAPES = {"matrix": [3, 5], "scalar": [], "empty": [0, 4], "row": [8]}


def values_of(code, count):
    """Numbers for make_tensor that the type can hold."""
    name = TensorProto.DataType.Name(code)
    if name == "BOOL":
        return [i % 2 for i in range(count)]
    if name in ("COMPLEX64", "COMPLEX128"):
        return [complex(i, -i / 2) for i in range(count)]
    if name.endswith("INT2"):
        return [i % 2 for i in range(count)]
    if name.startswith(("FLOAT8E8M0", "FLOAT4", "FLOAT6")):
        return [float(2 ** (i % 3)) for i in range(count)]
    if name.startswith("UINT"):
        return [i % 8 for i in range(count)]
    if name.startswith("INT"):
        return [i % 8 - 4 for i in range(count)]
    return [(i - 3) / 2 for i in range(count)]


def all_types():
    old = int(onnx.__version__.split(".")[1]) < 13
    for code in TensorProto.DataType.values():
        name = TensorProto.DataType.Name(code)
        # What makes typed ones in 1.12 cannot read them.
        if name in NAMES and not (old and name.startswith("COMPLEX")):
            yield code, NAMES[name]


def typed():
    for code, dtype in all_types():
        for label, shape in SHAPES.items():
            count = int(np.prod(shape))
            yield helper.make_tensor(f"{dtype}.{label}", code, shape,
                                     values_of(code, count))


def raw():
    """The same with raw_data: bits of all kinds, as many as it takes."""
    for code, dtype in all_types():
        for label, shape in SHAPES.items():
            count = int(np.prod(shape))
            width = WIDTHS.get(dtype, 8 * BYTES.get(dtype, 1))
            size, rest = divmod(count * width, 8)
            data = [(i * 7 + 1) % (2 if dtype == "bool" else 120)
                    for i in range(size)] + [1] * (rest > 0)
            made = TensorProto(name=f"{dtype}.{label}", data_type=code,
                               dims=shape, raw_data=bytes(data))
            yield made


def model_of(graph, **more):
    model = helper.make_model(graph, producer_name="peer",
                              opset_imports=[helper.make_opsetid("", 15)],
                              **more)
    model.ir_version = min(model.ir_version, 8)
    return model


def graph_of(name, nodes=(), initializers=(), **more):
    return helper.make_graph(list(nodes), name, [], [],
                             initializer=list(initializers), **more)


def constant(output, **value):
    node = helper.make_node("Constant", [], [output])
    for name, one in value.items():
        node.attribute.append(helper.make_attribute(name, one))
    return node


def floats(name, *values):
    return helper.make_tensor(name, TensorProto.FLOAT, [len(values)], values)


def sparse(name, indices, shape, dims):
    values = floats(name, *range(1, shape[0] + 1))
    where = helper.make_tensor(f"{name}_where", TensorProto.INT64, shape,
                               indices)
    return helper.make_sparse_tensor(values, where, dims)


def branch(label, name="u"):
    return graph_of(label, [constant("w", value=floats("", 1, 2)),
                            constant(f"only_{label}", value_int=7)],
                    [floats(name, 3)])


def nested():
    """Every place, and names that are there twice."""
    body = graph_of("body", [constant("w", value=floats("", 5))])
    nodes = [
        constant("value", value=floats("ignored", 1, 2, 3)),
        constant("float", value_float=1.5), constant("int", value_int=-3),
        constant("floats", value_floats=[1.0, -2.0]),
        constant("ints", value_ints=[1, -2, 300]),
        constant("zero", value_float=0.0),
        constant("sparse", sparse_value=sparse("s", [0, 1, 2, 1], [2, 2],
                                               [3, 2])),
        helper.make_node("If", ["c"], ["o"], then_branch=branch("then"),
                         else_branch=branch("else")),
        helper.make_node("Loop", ["", ""], ["p"], name="loop", body=body),
        helper.make_node("Other", [], ["q"], domain="x", tensor=floats("", 9),
                         list=[floats("", 8), floats("", 7)],
                         graphs=[branch("one", "v"), branch("two", "v")]),
    ]
    nodes.append(helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["t"], domain="ai.onnx.ml",
        name="trees", nodes_values=[0.5, -1.0, 3.0], nodes_treeids=[0, 0, 300],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"]))
    fill = helper.make_node("ConstantOfShape", ["ints"], ["filled"])
    fill.attribute.append(helper.make_attribute("value", floats("", 4)))
    graph = graph_of("main", [*nodes, fill], [floats("v", 1), floats("b", 2)],
                     sparse_initializer=[
                         sparse("line", [1, 4], [2], [6]),
                         sparse("linear", [1, 5], [2], [2, 3])])
    model = model_of(graph)
    function = helper.make_function(
        "x", "double", ["a"], ["w"], [constant("w", value_float=2.0)],
        [helper.make_opsetid("", 15)])
    model.functions.append(function)
    info = model.training_info.add()
    info.algorithm.CopyFrom(graph_of("step", [], [floats("rate", 0.1)]))
    info.initialization.CopyFrom(graph_of("begin", [constant("seed",
                                                             value_int=1)]))
    branch_of = model.graph.node[7].attribute[0].g
    for owner, name in ((model.graph, "v"), (branch_of, "w")):
        note = owner.quantization_annotation.add(tensor_name=name)
        note.quant_parameter_tensor_names.add(key="SCALE_TENSOR",
                                              value=f"{name}_scale")
    model.doc_string = "of all places"
    helper.set_model_props(model, {"k": "v", "other": ""})
    return model


def make(folder):
    import onnx.external_data_helper as external
    onnx.save(model_of(graph_of("typed", [], typed())), f"{folder}/typed.onnx")
    onnx.save(model_of(graph_of("raw", [], raw())), f"{folder}/raw.onnx")
    onnx.save(nested(), f"{folder}/nested.onnx")
    for one in (True, False):
        # A tensor of no bytes takes all of a file that others share in 1.12.
        model = model_of(graph_of("external", [], [
            tensor for tensor in raw() if tensor.raw_data or not one]))
        name = "one" if one else "each"
        external.convert_model_to_external_data(
            model, all_tensors_to_one_file=one, size_threshold=0,
            location=f"{name}.bin" if one else None)
        os.mkdir(f"{folder}/{name}")
        onnx.save(model, f"{folder}/{name}/model.onnx")


def cases(folder):
    """The backend test models, as this release makes them."""
    from onnx.backend.test.case.node import collect_testcases
    warnings.simplefilter("ignore")
    for case in collect_testcases(None):
        if case.model is not None:
            onnx.save(case.model, f"{folder}/{case.name}.onnx")


def main():
    if sys.argv[1] == "version":
        print(json.dumps(onnx.__version__))
    elif sys.argv[1] == "describe":
        for path in sys.stdin.read().split("\n"):
            if path:
                print(json.dumps(describe(path)), flush=True)
    elif sys.argv[1] == "make":
        make(sys.argv[2])
    elif sys.argv[1] == "cases":
        cases(sys.argv[2])


if __name__ == "__main__":
    main()
