"""The trained network as the int8 ONNX file that ships, with its tokenizer and its card of facts.

The graph is built by hand: it is small, and every node is one that ONNX Runtime has a fast kernel for. Weights are
int8 with one scale for each output channel, activations uint8 with fixed scales (`training.eightbits`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.optimize import minimize, minimize_scalar

from bot.analysis.embedded import Facts, Tags
from training.data import ANNOTATED, spans_of
from training.eightbits import Array, Scaling, eight_bits, fixed
from training.fit import Fit
from training.network import HEADS, LAYERS, TAGS, WIDTH, Network
from training.scores import span_f1

OPSET = 20


class Graph:
    """Collects the nodes and the constants of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """A constant's name."""
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: object) -> str:
        """A node's only output."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def nodes_of(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> Sequence[str]:
        """A node's outputs."""
        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), name=outputs[0], **attributes))
        return outputs


# --- the graph -------------------------------------------------------------------------------------------------------


def build(network: Network, ranges: dict[str, Scaling]) -> onnx.ModelProto:
    """The graph.

    Inputs (int64): ids, shapes, positions [T]; place [B, L], the tokens of each text as rows of [T], any row where
    there is none; present [B, L] (int32), 1 where there is one; slots [T], where each token stands in [B * L];
    heads [W], the first piece of each word. Outputs: sentiment [B, 3] and entities [W, 13], logits.
    """
    state = {name: tensor.detach().float().numpy() for name, tensor in network.state_dict().items()}
    graph = Graph()
    x = _embeddings(graph, state)
    for index in range(LAYERS):
        x = _layer(graph, state, index, x, ranges)
    _heads(graph, state, x)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32 if name == "present" else TensorProto.INT64, shape)
        for name, shape in (
            ("ids", ["T"]), ("shapes", ["T"]), ("positions", ["T"]), ("place", ["B", "L"]), ("present", ["B", "L"]),
            ("slots", ["T"]), ("heads", ["W"]),
        )
    ]  # fmt: skip
    outputs = [
        helper.make_tensor_value_info("sentiment", TensorProto.FLOAT, ["B", 3]),
        helper.make_tensor_value_info("entities", TensorProto.FLOAT, ["W", state["entities.bias"].shape[0]]),
    ]
    proto = helper.make_graph(graph.nodes, "reader", inputs, outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(proto, opset_imports=opsets, ir_version=10, producer_name="roomtone")


def _embeddings(graph: Graph, state: dict[str, Array]) -> str:
    table, scales = eight_bits(state["word.weight"])
    rows = graph.node("Gather", [graph.constant("word.table", table), "ids"], "word.rows")
    rows = graph.node("Cast", [rows], "word.float", to=TensorProto.FLOAT)
    scale = graph.node("Gather", [graph.constant("word.scales", scales[:, None]), "ids"], "word.scale")
    words = graph.node("Mul", [rows, scale], "word")
    positions = graph.node(
        "Gather", [graph.constant("position.table", state["position.weight"]), "positions"], "position"
    )
    shapes = graph.node("Gather", [graph.constant("shape.table", state["shape.weight"]), "shapes"], "shape")
    placed = graph.node("Add", [positions, shapes], "placed")
    return _norm(graph, state, "norm", words, placed)


def _norm(graph: Graph, state: dict[str, Array], name: str, x: str, residual: str) -> str:
    gamma = graph.constant(f"{name}.gamma", state[f"{name}.weight"])
    beta = graph.constant(f"{name}.beta", state[f"{name}.bias"])
    return graph.node(
        "SkipLayerNormalization", [x, residual, gamma, beta], f"{name}.out", domain="com.microsoft", epsilon=1e-12
    )


def _matmul(graph: Graph, state: dict[str, Array], name: str, x: str, scaling: Scaling) -> str:
    weight = state[f"{name}.weight"]
    if scaling.factors is not None:
        x = graph.node("Mul", [x, graph.constant(f"{name}.factors", 1 / scaling.factors)], f"{name}.smooth")
    weight, scales = eight_bits(scaling.weight(weight))
    scale = graph.constant(f"{name}.x_scale", np.float32(scaling.held.scale))
    zero = graph.constant(f"{name}.x_zero", np.uint8(scaling.held.zero))
    quantised = graph.node("QuantizeLinear", [x, scale, zero], f"{name}.x")
    copies = scaling.copies()
    if len(copies):
        again = graph.node("Gather", [quantised, graph.constant(f"{name}.copies", copies)], f"{name}.again", axis=1)
        quantised = graph.node("Concat", [quantised, again], f"{name}.all", axis=1)
    return graph.node(
        "MatMulIntegerToFloat",
        [
            quantised,
            graph.constant(f"{name}.weight", weight.T),
            scale,
            graph.constant(f"{name}.scales", scales),
            zero,
            graph.constant(f"{name}.zeros", np.zeros(len(scales), np.int8)),
            graph.constant(f"{name}.bias", state[f"{name}.bias"]),
        ],
        f"{name}.y",
        domain="com.microsoft",
    )


def _layer(graph: Graph, state: dict[str, Array], index: int, x: str, ranges: dict[str, Scaling]) -> str:
    name = f"layers.{index}"
    qkv = _matmul(graph, state, f"{name}.qkv", x, ranges[f"{index}.qkv"])
    side_by_side = graph.node("Gather", [qkv, "place"], f"{name}.side_by_side")
    query, key, value = graph.nodes_of(
        "Split", [side_by_side], [f"{name}.query", f"{name}.key", f"{name}.value"], axis=-1, num_outputs=3
    )
    attended = graph.node(
        "MultiHeadAttention",
        [query, key, value, "", "present"],
        f"{name}.attended",
        domain="com.microsoft",
        num_heads=HEADS,
    )
    if "width" not in {constant.name for constant in graph.constants}:
        graph.constant("width", np.array([-1, WIDTH]))
    flat = graph.node("Reshape", [attended, "width"], f"{name}.flat")
    row = graph.node("Gather", [flat, "slots"], f"{name}.row")
    out = _matmul(graph, state, f"{name}.out", row, ranges[f"{index}.out"])
    x = _norm(graph, state, f"{name}.norm1", out, x)
    up = _matmul(graph, state, f"{name}.up", x, ranges[f"{index}.up"])
    active = graph.node("FastGelu", [up], f"{name}.active", domain="com.microsoft")
    down = _matmul(graph, state, f"{name}.down", active, ranges[f"{index}.down"])
    return _norm(graph, state, f"{name}.norm2", down, x)


def _heads(graph: Graph, state: dict[str, Array], x: str) -> None:
    side_by_side = graph.node("Gather", [x, "place"], "final")  # [B, L, WIDTH]
    present = graph.node("Cast", ["present"], "present.float", to=TensorProto.FLOAT)
    one = graph.constant("one", np.array([1]))
    weight = graph.node("Unsqueeze", [present, one], "present.row")  # [B, 1, L]
    total = graph.node("MatMul", [weight, side_by_side], "final.sum")  # [B, 1, WIDTH]
    total = graph.node("Squeeze", [total, one], "final.total")
    count = graph.node("ReduceSum", [present, one], "final.count", keepdims=1)
    mean = graph.node("Div", [total, count], "final.mean")
    first = graph.node("Gather", [side_by_side, graph.constant("zero", np.array(0))], "final.first", axis=1)
    text = graph.node("Concat", [first, mean], "text", axis=-1)
    hidden = graph.node("Gemm", [text, *_dense(graph, state, "sentiment_hidden")], "sentiment.hidden", transB=1)
    hidden = graph.node("Tanh", [hidden], "sentiment.active")
    graph.node("Gemm", [hidden, *_dense(graph, state, "sentiment")], "sentiment", transB=1)
    words = graph.node("Gather", [x, "heads"], "words")
    graph.node("Gemm", [words, *_dense(graph, state, "entities")], "entities", transB=1)


def _dense(graph: Graph, state: dict[str, Array], name: str) -> list[str]:
    return [graph.constant(f"{name}.{part}", state[f"{name}.{part}"]) for part in ("weight", "bias")]


# --- calibration and files -------------------------------------------------------------------------------------------


def main(fit: Fit, out: Path, *, name: str, version: str) -> None:
    """Write the shipped files and print how they compare with the network they came from."""
    out.mkdir(parents=True, exist_ok=True)
    network = fit.average.eval()
    onnx.save(build(network, fixed(network, fit.corpus.train, fit.begin, fit.end)), out / "model.onnx")
    fit.tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    facts = Facts(
        name=name, version=version, tags=TAGS, window=126, overlap=32, temperature=1.0, offsets=(0.0, 0.0, 0.0),
        entity_temperature=1.0, entity_odds=1.0,
    )  # fmt: skip
    facts = calibrated(fit, facts)
    (out / "model.json").write_text(json.dumps(asdict(facts), indent=1) + "\n", encoding="utf-8")
    print(facts)
    for file in sorted(out.iterdir()):
        print(f"{file.name:20} {file.stat().st_size / 1e6:6.2f} MB")


def calibrated(fit: Fit, facts: Facts) -> Facts:
    """The facts with temperatures, offsets and threshold fitted on the validation files.

    Every class of a file weighs the same, and so does every file: the probabilities are right for a room in which the
    three sentiments are equally frequent, since no other frequency is known of a room not yet seen.
    """
    logits, gold, weights = [], [], []
    for examples in fit.corpus.validation_texts.values():
        labels = np.array([example.label for example in examples])
        logits.append(fit.outputs(fit.average, examples)[0])
        gold.append(labels)
        weights.append((1 / np.bincount(labels, minlength=3) / 3)[labels])
    all_logits, all_gold, all_weights = map(np.concatenate, (logits, gold, weights))

    def loss(values: NDArray[np.float64]) -> float:
        scaled = all_logits / np.exp(values[0]) + np.array([values[1], 0, values[2]])
        log = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        return float(-(all_weights * log[np.arange(len(log)), all_gold]).sum() + 0.02 * (values**2).sum())

    values = minimize(loss, np.zeros(3), method="Nelder-Mead").x
    outputs = {
        name: fit.outputs(fit.average, [example for _, example in pairs])[1]
        for name, pairs in fit.corpus.validation_sentences.items()
    }
    tag_logits = np.concatenate([logits for each in outputs.values() for logits in each])
    tags = np.concatenate(
        [np.array(example.tags, int) for pairs in fit.corpus.validation_sentences.values() for _, example in pairs]
    )
    entities = tags > 0  # only gold entities: an O may hide a kind that its source doesn't annotate

    def entity_loss(value: float) -> float:
        scaled = tag_logits[entities] / np.exp(value)
        log = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        return float(-log[np.arange(len(log)), tags[entities]].mean())

    entity_temperature = float(np.exp(minimize_scalar(entity_loss, bounds=(-1, 1), method="bounded").x))
    facts = replace(
        facts,
        temperature=round(float(np.exp(values[0])), 4),
        offsets=(round(float(values[1]), 4), 0.0, round(float(values[2]), 4)),
        entity_temperature=round(entity_temperature, 4),
    )
    scores: dict[float, np.floating] = {}
    for odds in (0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0):
        tried = replace(facts, entity_odds=odds)
        scores[odds] = np.mean([entity_f1(fit, tried, name, each) for name, each in outputs.items()])
    print("mean F1 by odds:", {odds: round(float(score), 2) for odds, score in scores.items()})
    return replace(facts, entity_odds=max(scores, key=lambda each: scores[each]))


def entity_f1(fit: Fit, facts: Facts, name: str, outputs: Sequence[NDArray[np.float32]]) -> float:
    """Span F1 of the float network on one validation file, decoded as the running bot does."""
    pairs = fit.corpus.validation_sentences[name]
    tokens = fit.vocabulary.read([sentence.text for sentence, _ in pairs])
    spotter = Tags(facts.tags)
    gold, found = [], []
    for (_, example), its_tokens, logits in zip(pairs, tokens, outputs, strict=True):
        powers = np.exp((logits - logits.max(1, keepdims=True)) / facts.entity_temperature) if len(logits) else logits
        probabilities = powers / powers.sum(1, keepdims=True)
        spotted = spotter.spot(its_tokens.words, probabilities, facts.entity_odds)
        found.append([(str(each.kind), each.first, each.last + 1) for each in spotted])
        gold.append(spans_of(example.tags or ()))
    return span_f1(gold, found, ANNOTATED[name])["all"]
