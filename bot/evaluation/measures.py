"""The measures themselves: counts in, numbers out.

Counts may have leading axes, one for each resample; measures work on the last ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bot.analysis import Entity, Kind

Counts: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]

CONFIDENCE = 0.95
BINS = 15
"""As many as Guo et al. (2017) use."""


# Classification. A confusion is (…, gold, predicted), in how many lines; predictions may have columns more than golds.


def recalls(confusion: Counts) -> Numbers:
    """Of each gold class, the part that was recognised; NaN for a class that no line has."""
    return _ratio(_diagonal(confusion), confusion.sum(axis=-1), empty=np.nan)


def precisions(confusion: Counts) -> Numbers:
    """Of each class's predictions, the part that was right; 0 where there were none."""
    return _ratio(_diagonal(confusion), confusion.sum(axis=-2)[..., : confusion.shape[-2]], empty=0)


def f1s(confusion: Counts) -> Numbers:
    """Harmonic mean of precision and recall for each class; NaN for a class that no line has."""
    gold = confusion.sum(axis=-1)
    predicted = confusion.sum(axis=-2)[..., : confusion.shape[-2]]
    found = _ratio(2 * _diagonal(confusion), gold + predicted, empty=0)
    return np.where(gold > 0, found, np.nan)


def macro_recall(confusion: Counts) -> Numbers:
    """Mean recall over the classes that some line has: guessing gets one over their number."""
    return np.asarray(np.nanmean(recalls(confusion), axis=-1))


def macro_f1(confusion: Counts) -> Numbers:
    """Mean F1 over the classes that some line has."""
    return np.asarray(np.nanmean(f1s(confusion), axis=-1))


def accuracy(confusion: Counts) -> Numbers:
    """The part of all lines that was right."""
    return _ratio(_diagonal(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)), empty=0)


# Entities, by seqeval's conventions: a span counts only whole and with its kind, and 0/0 is 0.


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Tokens `start` up to, not including, `end` name something of this kind."""

    start: int
    end: int
    kind: Kind


def tagged_spans(tags: Sequence[str]) -> tuple[Span, ...]:
    """The spans of IOB2 tags. An I- that continues nothing of its kind begins one, as seqeval reads it."""
    spans: list[Span] = []
    start = 0
    for position, (before, tag) in enumerate(pairwise(("O", *tags, "O"))):
        if before != "O" and (tag == "O" or tag.startswith("B-") or tag[2:] != before[2:]):
            spans.append(Span(start, position, Kind(before[2:])))
        if tag != "O" and (before == "O" or tag.startswith("B-") or tag[2:] != before[2:]):
            start = position
    return tuple(spans)


def predicted_spans(tokens: Sequence[str], entities: Sequence[Entity]) -> tuple[Span, ...]:
    """Entities of `tokens` joined by single spaces, as spans of whole tokens.

    A token belongs to the entity that covers any part of it, and to the earlier one where two do.
    """
    spans: list[Span] = []
    position, begin = 0, 0
    for entity in sorted(entities, key=lambda entity: (entity.start, -entity.end)):
        while position < len(tokens) and begin + len(tokens[position]) <= entity.start:
            begin += len(tokens[position]) + 1
            position += 1
        first = position
        while position < len(tokens) and begin < entity.end:
            begin += len(tokens[position]) + 1
            position += 1
        if position > first:
            spans.append(Span(first, position, entity.kind))
    return tuple(spans)


def span_counts(gold: Sequence[Span], predicted: Sequence[Span], kinds: Sequence[Kind]) -> Counts:
    """(kind, 3): spans found, invented and missed. Spans of other kinds don't count."""
    counts = np.zeros((len(kinds), 3), dtype=np.int64)
    for row, kind in enumerate(kinds):
        meant = {span for span in gold if span.kind is kind}
        read = {span for span in predicted if span.kind is kind}
        counts[row] = len(meant & read), len(read - meant), len(meant - read)
    return counts


def span_precision(counts: Counts) -> Numbers:
    """Found of all that were predicted, for (…, 3) counts."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 1], empty=0)


def span_recall(counts: Counts) -> Numbers:
    """Found of all that are there, for (…, 3) counts."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 2], empty=0)


def span_f1(counts: Counts) -> Numbers:
    """Harmonic mean of both, for (…, 3) counts."""
    return _ratio(2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2], empty=0)


# Calibration.


@dataclass(frozen=True, slots=True)
class Bin:
    """The lines whose reading was given a confidence in (low, high]; `confidence` and `accuracy` are their means."""

    low: float
    high: float
    lines: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether 80 % sure is right in 80 % of the lines.

    `error` is the expected calibration error, the mean distance of confidence and accuracy over the bins weighted by
    their lines, in [0, 1]; None of no lines. `bins` leaves out empty ones.
    """

    error: float | None
    bins: tuple[Bin, ...]


def calibration(confidences: Sequence[float], right: Sequence[bool], *, bins: int = BINS) -> Calibration:
    """Bins of equal width. Source: Guo, Pleiss, Sun and Weinberger (2017), equations 2 to 5."""
    sure = np.asarray(confidences, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64)
    edges = np.linspace(0, 1, bins + 1)
    which = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    filled = tuple(
        Bin(
            float(edges[n]),
            float(edges[n + 1]),
            int(inside.sum()),
            float(sure[inside].mean()),
            float(hits[inside].mean()),
        )
        for n in range(bins)
        if (inside := which == n).any()
    )
    gaps = sum(bin.lines * abs(bin.accuracy - bin.confidence) for bin in filled)
    return Calibration(gaps / len(sure) if len(sure) else None, filled)


# Chance.


def resampled(outcomes: Counts, *, resamples: int, seed: int) -> Counts:
    """(resample, column): the column sums of as many lines again, drawn with replacement.

    `outcomes` are (line, column) counts. Lines with equal outcomes are interchangeable, so that drawing how often each
    distinct outcome occurs is the bootstrap over lines itself, at a fraction of its cost.
    """
    distinct, times = np.unique(outcomes, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(outcomes), times / len(outcomes), size=resamples)
    return np.asarray(drawn @ distinct)


def interval(values: Numbers, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The middle part of resampled values (percentile bootstrap; Efron and Tibshirani 1993, chapter 13)."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, (tail, 1 - tail))
    return float(low), float(high)


def interval_at_the_edge(value: float, trials: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of a share of 0 or 1, of which drawing lines again knows no doubt (Clopper and Pearson 1934)."""
    doubt = 1 - ((1 - confidence) / 2) ** (1 / trials) if trials else 1.0
    return (0.0, doubt) if value <= 0 else (1 - doubt, 1.0)


def swapped(first: Counts, second: Counts, *, times: int, seed: int) -> tuple[Counts, Counts]:
    """(time, column) sums of two readers' (line, column) outcomes, with a coin tossed for each line who gave which."""
    distinct, lines = np.unique(np.hstack((first, second)), axis=0, return_counts=True)
    one, other = np.split(distinct, 2, axis=1)
    moved = np.random.default_rng(seed).binomial(lines, 0.5, size=(times, len(lines))) @ (other - one)
    return first.sum(axis=0) + moved, second.sum(axis=0) - moved


def permutation_probability(difference: float, differences: Numbers) -> float:
    """Two-sided p of readers that are alike: how often swapping their answers puts them as far apart, itself included.

    Source: approximate randomization (Noreen 1989), as recommended for such measures by Dror et al. (2018).
    """
    as_far = np.abs(differences) >= abs(difference) - 1e-12
    return float((as_far.sum() + 1) / (len(differences) + 1))


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p that two readers err equally often, from the lines that only one of them got right.

    Source: McNemar (1947), with the binomial distribution instead of its approximation.
    """
    from scipy.stats import binomtest  # most of a second to import, for a comparison only

    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0


def _diagonal(confusion: Counts) -> Counts:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(part: Counts, whole: Counts, *, empty: float) -> Numbers:
    """part / whole, and `empty` where whole is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)
