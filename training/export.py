"""The trained network as the int8 ONNX file that ships, with its tokenizer and its card of facts.

Weights are int8 with one scale for each output channel, activations uint8 with fixed scales (`training.eightbits`).
What is done with them is laid out in `training.graph`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor, nn

from bot.analysis.embedded import Facts, Tags
from training import graph
from training.data import ANNOTATED, spans_of
from training.eightbits import Array, Scaling, eight_bits, fixed
from training.fit import Fit
from training.graph import Numbers
from training.network import TAGS, Network
from training.scores import span_f1


def quantised(network: Network, ranges: dict[str, Scaling]) -> Numbers:
    """The numbers of the graph: weights as int8 with a scale for each output channel, the rest as floats."""
    table, scales = eight_bits(_array(network.word.weight))
    held: dict[str, NDArray] = {
        "word.table": table,
        "word.scales": scales[:, None],
        "position.table": _array(network.position.weight),
        "shape.table": _array(network.shape.weight),
    }
    for name, module in network.named_modules():
        if isinstance(module, nn.LayerNorm):
            found = {"gamma": _array(module.weight), "beta": _array(module.bias)}
        elif isinstance(module, nn.Linear):
            found = {"weight": _array(module.weight), "bias": _array(module.bias)}
            if (scaling := ranges.get(name.removeprefix("layers."))) is not None:
                found |= _eight_bits(found["weight"], scaling)
        else:
            continue
        held |= {f"{name}.{part}": number for part, number in found.items()}
    return held


def _eight_bits(weight: Array, scaling: Scaling) -> dict[str, NDArray]:
    """What a matrix multiplication needs besides its bias."""
    rows, scales = eight_bits(scaling.weight(weight))
    found = {
        "weight": rows.T,
        "scales": scales,
        "zeros": np.zeros(len(scales), np.int8),
        "x_scale": np.array(scaling.held.scale, np.float32),
        "x_zero": np.array(scaling.held.zero, np.uint8),
    }
    if scaling.factors is not None:
        found["factors"] = 1 / scaling.factors
    if len(copies := scaling.copies()):
        found["copies"] = copies
    return found


def _array(tensor: Tensor) -> Array:
    result: Array = tensor.detach().float().numpy()
    return result


def main(fit: Fit, out: Path, *, name: str, version: str) -> None:
    """Write the shipped files and print how they compare with the network they came from."""
    out.mkdir(parents=True, exist_ok=True)
    network = fit.average.eval()
    numbers = quantised(network, fixed(network, fit.corpus.train, fit.begin, fit.end))
    onnx.save(graph.build(numbers), out / "model.onnx")
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
    """The facts with temperatures, offsets and threshold fitted on the validation files of the data folder.

    The project's own check set has no say, so that one figure is of lines that none of these were fitted on.

    Every class of a file weighs the same, and so does every file: the probabilities are right for a room in which the
    three sentiments are equally frequent, since no other frequency is known of a room not yet seen.
    """
    logits, gold, weights = [], [], []
    for name in ("tweeteval", "senti4sd"):
        examples = fit.corpus.validation_texts[name]
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
