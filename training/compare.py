"""The shipped int8 file against the float network it came from, on every validation file, through the same reader.

python -m training.compare --data ../shared/data --network WORK/network.pt
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bot.analysis.embedded import FOLDER, Array, Indices, Reader, _Window
from bot.analysis.tokens import Tokens
from training import data
from training.data import ANNOTATED, LABELS
from training.network import Network, Packed
from training.scores import expected_calibration_error, macro_recall, span_f1


class FloatReader(Reader):
    """The reader with the network it was exported from, in 32-bit floats."""

    def __init__(self, folder: Path, network: Network) -> None:
        super().__init__(folder)
        self._network = network.eval()

    @torch.inference_mode()
    def _run(self, read: Sequence[Tokens], batch: Sequence[_Window]) -> tuple[Array, Array, list[Indices]]:
        feed, owners = self._feed(read, batch)
        feed["place"] = np.where(feed["present"] > 0, feed["place"], len(feed["ids"]))
        tensors = {name: torch.from_numpy(array) for name, array in feed.items() if name != "present"}
        sentiment, entities = self._network(Packed(**tensors))
        return sentiment.numpy(), entities.numpy(), owners


def bootstrap(score: Callable[[NDArray[np.int64]], float], lines: int, *, draws: int = 1000) -> tuple[float, float]:
    """The middle 95 % of a score over lines drawn anew with replacement."""
    generator = np.random.default_rng(0)
    drawn = [score(generator.integers(0, lines, lines)) for _ in range(draws)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def sentiment_scores(reader: Reader, rows: Sequence[dict[str, object]]) -> tuple[list[int], NDArray[np.float64]]:
    """Gold labels, and probabilities."""
    read = reader._vocabulary.read([str(row["text"]) for row in rows])
    probabilities, _ = reader.logits(read)
    return [LABELS.index(str(row["label"])) for row in rows], probabilities.astype(np.float64)


def entity_spans(reader: Reader, path: Path, *, lower: bool) -> tuple[list[list[data.Span]], list[list[data.Span]]]:
    """Gold and found spans, in code points of the tokens joined with spaces."""
    gold, texts = [], []
    for sentence in data.sentences(path):
        gold.append(list(sentence.spans))
        texts.append(
            "".join(c.lower() if len(c.lower()) == 1 else c for c in sentence.text) if lower else sentence.text
        )
    # Entities alone: a language check has no place in a comparison of weights.
    read = reader._vocabulary.read(texts)
    _, tags = reader.logits(read)
    found = []
    for text, tokens, its_tags in zip(texts, read, tags, strict=True):
        entities = reader._entities(text, tokens, its_tags)
        found.append([(str(entity.kind), entity.start, entity.end) for entity in entities])
    return gold, found


def main() -> None:
    """Print the table, in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=FOLDER, help="the folder of the shipped files")
    parser.add_argument("--network", type=Path, help="network.pt; without it only the shipped file is scored")
    arguments = parser.parse_args()
    readers: list[Reader] = [Reader(arguments.model)]
    if arguments.network is not None:
        state = torch.load(arguments.network, weights_only=True)
        network = Network(len(state["word.weight"]))
        network.load_state_dict(state)
        readers.append(FloatReader(arguments.model, network))
    print(
        "| validation file | score | shipped (int8) | 95 % interval | float32 | difference |\n|---|---|---|---|---|---|"
    )

    def row(name: str, score: str, values: list[float], interval: tuple[float, float]) -> None:
        rest = f"{values[1]:.1f} | {values[0] - values[1]:+.2f}" if len(values) > 1 else "– | –"
        print(f"| {name} | {score} | {values[0]:.1f} | {interval[0]:.1f} – {interval[1]:.1f} | {rest} |", flush=True)

    for name in data.VALIDATED:
        rows = data.read_lines(data.validation(arguments.data, name))
        both = [sentiment_scores(reader, rows) for reader in readers]
        parts = {name: np.arange(len(rows))}
        if name == "blind":  # of which the venues are told too
            sources = np.array([str(line["source"]) for line in rows])
            parts |= {source: np.flatnonzero(sources == source) for source in sorted(set(sources))}
        for part, of_part in parts.items():
            gold, predicted = np.array(both[0][0])[of_part], both[0][1].argmax(1)[of_part]
            values = [macro_recall(np.array(labels)[of_part], found.argmax(1)[of_part]) for labels, found in both]
            interval = bootstrap(lambda drawn, g=gold, p=predicted: macro_recall(g[drawn], p[drawn]), len(gold))  # type: ignore[misc]
            row(part, "macro-recall", values, interval)
            if part == name:
                print(f"|  | ECE | {expected_calibration_error(both[0][1], both[0][0]):.1f} | | | |")
    for name, kinds in ANNOTATED.items():
        path = arguments.data / "ner" / f"{name}.validation.jsonl"
        if not path.exists():
            continue
        for lower in (False, True):
            results = [entity_spans(reader, path, lower=lower) for reader in readers]
            scores = [span_f1(gold_spans, found, kinds) for gold_spans, found in results]
            gold_spans, found = results[0]
            interval = bootstrap(
                lambda drawn, g=gold_spans, f=found, k=kinds: span_f1([g[i] for i in drawn], [f[i] for i in drawn], k)[
                    "all"
                ],  # type: ignore[misc]
                len(gold_spans),
                draws=200,
            )
            row(name + (", lower-cased" if lower else ""), "span F1", [score["all"] for score in scores], interval)
            if not lower:
                kinds_text = ", ".join(f"{kind} {value:.0f}" for kind, value in scores[0].items() if kind != "all")
                print(f"|  | by kind | {kinds_text} | | | |")


if __name__ == "__main__":
    main()
