"""How good a network is on the validation files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Span = tuple[str, int, int]


def macro_recall(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """Mean over classes of the share of their lines that were found, in percent."""
    gold_array, predicted_array = np.asarray(gold), np.asarray(predicted)
    return 100 * float(
        np.mean([(predicted_array[gold_array == each] == each).mean() for each in np.unique(gold_array)])
    )


def span_f1(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], kinds: Sequence[str]
) -> dict[str, float]:
    """Strict span F1 in percent, of all `kinds` together ("all") and of each."""
    right: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for its_gold, its_predicted in zip(gold, predicted, strict=True):
        one, other = {s for s in its_gold if s[0] in kinds}, {s for s in its_predicted if s[0] in kinds}
        for counter, spans in ((right, one & other), (expected, one), (found, other)):
            counter.update(span[0] for span in spans)
            counter["all"] += len(spans)
    return {
        kind: 200 * right[kind] / (expected[kind] + found[kind]) if expected[kind] + found[kind] else 0.0
        for kind in ("all", *kinds)
        if expected[kind] or kind == "all"
    }


def expected_calibration_error(probabilities: NDArray[np.float64], gold: Sequence[int], bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equally wide bins, in percent (Guo et al., 2017)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == np.asarray(gold)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[which == b].mean() - right[which == b].mean()) * (which == b).mean() for b in set(which.tolist())
    ]
    return 100 * float(sum(gaps))
