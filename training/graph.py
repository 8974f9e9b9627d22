"""The ONNX graph that ships, laid out around a network's numbers.

python -m training.graph bot/analysis/model    # lays a shipped file out anew, around the numbers in it

It is built by hand: it is small, and of the nodes that say the same each is the one that ONNX Runtime's CPU kernels are
fastest at. Two aren't what one would take. LayerNormalization, and its fusion with the residual, adds up one value
after the other and takes four times as long as MeanVarianceNormalization with a product and a sum. And
MultiHeadAttention copies queries, keys, values and mask into place before it multiplies; here a gather that is needed
anyway, out of the packed row, puts them there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.network import HEADS

OPSET = 20

Numbers = Mapping[str, NDArray]


def numbers(path: Path) -> Numbers:
    """The constants of an ONNX file, by name."""
    return {constant.name: numpy_helper.to_array(constant) for constant in onnx.load(path).graph.initializer}


def build(held: Numbers) -> onnx.ModelProto:
    """The graph around the numbers that `training.export.quantised` makes of a network, or `numbers` finds in a file.

    Inputs (int64): ids, shapes, positions [T]; place [B, L], the tokens of each text as rows of [T], any row where
    there is none; present [B, L] (int32), 1 where there is one; slots [T], where each token stands in [B * L];
    heads [W], the first piece of each word. Outputs: sentiment [B, 3] and entities [W, 13], logits.
    """
    graph = Graph(held)
    x = _embeddings(graph)
    _places(graph)
    for index in range(sum(name.endswith(".qkv.weight") for name in held)):
        x = _layer(graph, f"layers.{index}", x)
    _heads(graph, x)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32 if name == "present" else TensorProto.INT64, shape)
        for name, shape in (
            ("ids", ["T"]), ("shapes", ["T"]), ("positions", ["T"]), ("place", ["B", "L"]), ("present", ["B", "L"]),
            ("slots", ["T"]), ("heads", ["W"]),
        )
    ]  # fmt: skip
    outputs = [
        helper.make_tensor_value_info("sentiment", TensorProto.FLOAT, ["B", 3]),
        helper.make_tensor_value_info("entities", TensorProto.FLOAT, ["W", len(held["entities.bias"])]),
    ]
    proto = helper.make_graph(graph.nodes, "reader", inputs, outputs, list(graph.constants.values()))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(proto, opset_imports=opsets, ir_version=10, producer_name="roomtone")


class Graph:
    """Collects the nodes and the constants of an ONNX graph."""

    def __init__(self, held: Numbers) -> None:
        self.held = held
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def number(self, name: str) -> str:
        """The name of a constant that is one of the network's numbers."""
        return self._constant(name, self.held[name])

    def literal(self, value: object, kind: type = np.int64) -> str:
        """The name of a constant that is the layout's own."""
        array = np.array(value, kind)
        return self._constant(f"{array.dtype} {array.tolist()}", array)

    def node(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: object) -> str:
        """A node's only output."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def _constant(self, name: str, value: NDArray) -> str:
        self.constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name


def _embeddings(graph: Graph) -> str:
    rows = graph.node("Gather", [graph.number("word.table"), "ids"], "word.rows")
    rows = graph.node("Cast", [rows], "word.float", to=TensorProto.FLOAT)
    scale = graph.node("Gather", [graph.number("word.scales"), "ids"], "word.scale")
    words = graph.node("Mul", [rows, scale], "word")
    positions = graph.node("Gather", [graph.number("position.table"), "positions"], "position")
    shapes = graph.node("Gather", [graph.number("shape.table"), "shapes"], "shape")
    placed = graph.node("Add", [positions, shapes], "placed")
    return _norm(graph, "norm", words, placed)


def _norm(graph: Graph, name: str, x: str, residual: str) -> str:
    total = graph.node("Add", [x, residual], f"{name}.total")
    unit = graph.node("MeanVarianceNormalization", [total], f"{name}.unit", axes=[-1])
    scaled = graph.node("Mul", [unit, graph.number(f"{name}.gamma")], f"{name}.scaled")
    return graph.node("Add", [scaled, graph.number(f"{name}.beta")], f"{name}.out")


def _matmul(graph: Graph, name: str, x: str) -> str:
    if f"{name}.factors" in graph.held:
        x = graph.node("Mul", [x, graph.number(f"{name}.factors")], f"{name}.smooth")
    scale, zero = graph.number(f"{name}.x_scale"), graph.number(f"{name}.x_zero")
    quantised = graph.node("QuantizeLinear", [x, scale, zero], f"{name}.x")
    if f"{name}.copies" in graph.held:
        again = graph.node("Gather", [quantised, graph.number(f"{name}.copies")], f"{name}.again", axis=1)
        quantised = graph.node("Concat", [quantised, again], f"{name}.all", axis=1)
    weight, scales, zeros, bias = (graph.number(f"{name}.{part}") for part in ("weight", "scales", "zeros", "bias"))
    return graph.node(
        "MatMulIntegerToFloat",
        [quantised, weight, scale, scales, zero, zeros, bias],
        f"{name}.y",
        domain="com.microsoft",
    )


def _places(graph: Graph) -> None:
    """What attention needs to know in every layer: where the rows of its heads are, and which are none."""
    row = graph.node("Unsqueeze", ["place", graph.literal([1])], "row")  # [B, 1, L]
    row = graph.node("Mul", [row, graph.literal(3 * HEADS)], "row.parts")
    for part, name in enumerate(("query", "key", "value")):
        heads = graph.literal([[HEADS * part + head] for head in range(HEADS)])  # [HEADS, 1]
        graph.node("Add", [row, heads], f"{name}.rows")  # [B, HEADS, L], into [T * 3 * HEADS]
    absent = graph.node("Sub", ["present", graph.literal(1, np.int32)], "absent")
    absent = graph.node("Cast", [absent], "absent.float", to=TensorProto.FLOAT)
    mask = graph.node("Mul", [absent, graph.literal(1e4, np.float32)], "mask.flat")
    graph.node("Unsqueeze", [mask, graph.literal([1, 2])], "mask")  # [B, 1, 1, L]
    # Back: a token at `position` of its text, `slot` of [B * L], has its heads in [B * HEADS * L] L rows apart.
    first = graph.node("Sub", ["slots", "positions"], "slot.first")
    first = graph.node("Mul", [first, graph.literal(HEADS)], "slot.first.heads")
    slot = graph.node("Add", [first, "positions"], "slot.head")
    slot = graph.node("Unsqueeze", [slot, graph.literal([1])], "slot.column")
    longest = graph.node("Shape", ["place"], "longest", start=1)
    heads = graph.node("Mul", [longest, graph.literal(list(range(HEADS)))], "slot.heads")
    graph.node("Add", [slot, heads], "attended.rows")  # [T, HEADS]


def _attention(graph: Graph, name: str, qkv: str) -> str:
    """[T, 3 * width] → [T, width]."""
    width = len(graph.held["norm.gamma"])
    rows = graph.node("Reshape", [qkv, graph.literal([-1, width // HEADS])], f"{name}.rows")
    query, key, value = (
        graph.node("Gather", [rows, f"{part}.rows"], f"{name}.{part}") for part in ("query", "key", "value")
    )
    scores = graph.node(
        "FusedMatMul", [query, key], f"{name}.scores", domain="com.microsoft", transB=1, alpha=(width / HEADS) ** -0.5
    )
    masked = graph.node("Add", [scores, "mask"], f"{name}.masked")
    shares = graph.node("Softmax", [masked], f"{name}.shares", axis=-1)
    attended = graph.node("MatMul", [shares, value], f"{name}.attended")
    flat = graph.node("Reshape", [attended, graph.literal([-1, width // HEADS])], f"{name}.flat")
    heads = graph.node("Gather", [flat, "attended.rows"], f"{name}.heads")
    return graph.node("Reshape", [heads, graph.literal([-1, width])], f"{name}.row")


def _layer(graph: Graph, name: str, x: str) -> str:
    attended = _attention(graph, name, _matmul(graph, f"{name}.qkv", x))
    x = _norm(graph, f"{name}.norm1", _matmul(graph, f"{name}.out", attended), x)
    up = _matmul(graph, f"{name}.up", x)
    active = graph.node("Gelu", [up], f"{name}.active", approximate="tanh")
    return _norm(graph, f"{name}.norm2", _matmul(graph, f"{name}.down", active), x)


def _heads(graph: Graph, x: str) -> None:
    side_by_side = graph.node("Gather", [x, "place"], "final")  # [B, L, width]
    present = graph.node("Cast", ["present"], "present.float", to=TensorProto.FLOAT)
    weight = graph.node("Unsqueeze", [present, graph.literal([1])], "present.row")  # [B, 1, L]
    total = graph.node("MatMul", [weight, side_by_side], "final.sum")  # [B, 1, width]
    total = graph.node("Squeeze", [total, graph.literal([1])], "final.total")
    count = graph.node("ReduceSum", [present, graph.literal([1])], "final.count", keepdims=1)
    mean = graph.node("Div", [total, count], "final.mean")
    first = graph.node("Gather", [side_by_side, graph.literal(0)], "final.first", axis=1)
    text = graph.node("Concat", [first, mean], "text", axis=-1)
    hidden = graph.node("Gemm", [text, *_dense(graph, "sentiment_hidden")], "sentiment.hidden", transB=1)
    hidden = graph.node("Tanh", [hidden], "sentiment.active")
    graph.node("Gemm", [hidden, *_dense(graph, "sentiment")], "sentiment", transB=1)
    words = graph.node("Gather", [x, "heads"], "words")
    graph.node("Gemm", [words, *_dense(graph, "entities")], "entities", transB=1)


def _dense(graph: Graph, name: str) -> list[str]:
    return [graph.number(f"{name}.{part}") for part in ("weight", "bias")]


def main() -> None:
    """Write a shipped file again, its numbers unchanged."""
    parser = argparse.ArgumentParser(prog="python -m training.graph", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the shipped files")
    path = parser.parse_args().folder / "model.onnx"
    onnx.save(build(numbers(path)), path)


if __name__ == "__main__":
    main()
