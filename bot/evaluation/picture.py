"""An evaluation as one PNG: the confusion, the reliability of the probabilities, and F1 by kind of name."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from bot.evaluation.scores import FEWEST, NOT_READ, EntityScores, Evaluation, SentimentScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = 4.6
"""Width and height of one panel."""
INK, TEAL, PALE = "#222222", "#01665e", "#c7c7c7"


def picture(evaluation: Evaluation) -> bytes:
    """A PNG of two panels for sentiment and one for names, as far as the file had lines for them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second to import, for a picture only
    from matplotlib.figure import Figure

    panels = (2 if evaluation.sentiment else 0) + (1 if evaluation.entities else 0)
    figure = Figure(figsize=(INCHES * panels, INCHES), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = iter(figure.subplots(1, panels, squeeze=False)[0])
    if evaluation.sentiment is not None:
        _confusion(next(axes), evaluation.sentiment)
        _reliability(next(axes), evaluation.sentiment)
    if evaluation.entities is not None:
        _names(next(axes), evaluation.entities)
    figure.suptitle(f"{evaluation.model} on {evaluation.source}", color=INK, fontsize=11, parse_math=False)
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _confusion(axes: Axes, scores: SentimentScores) -> None:
    """Shaded by the part of each row, so that a rare label is as easy to see as a common one."""
    columns = (*scores.labels, NOT_READ) if scores.not_read else scores.labels
    parts = [[cell / max(1, sum(row)) for cell in row[: len(columns)]] for row in scores.confusion]
    axes.imshow(parts, cmap="BuGn", vmin=0, vmax=1)
    for y, row in enumerate(scores.confusion):
        for x, lines in enumerate(row[: len(columns)]):
            ink = "white" if parts[y][x] > 0.6 else INK
            axes.text(x, y, f"{parts[y][x]:.0%}\n{lines:,}", ha="center", va="center", color=ink, fontsize=10)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(scores.labels)), scores.labels, rotation=90, va="center")
    axes.set(xlabel="read", ylabel="annotated")
    axes.set_title(f"macro-recall {_percent(scores.macro_recall.value)}", color=INK, fontsize=10)


def _reliability(axes: Axes, scores: SentimentScores) -> None:
    bins = scores.calibration.bins
    most = max((bin.lines for bin in bins), default=1)
    axes.plot([0, 1], [0, 1], color=PALE, linestyle="--", zorder=1)
    # The points are where a bin's lines are; the bars below, how many of them there are.
    axes.bar(
        [(bin.low + bin.high) / 2 for bin in bins],
        [0.2 * bin.lines / most for bin in bins],
        width=[0.9 * (bin.high - bin.low) for bin in bins],
        color=PALE,
        zorder=0,
    )
    axes.plot([bin.confidence for bin in bins], [bin.accuracy for bin in bins], color=TEAL, marker="o", zorder=2)
    axes.set(
        xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="how sure (bars: how many lines)", ylabel="how often right"
    )
    error = "–" if scores.calibration.error is None else _percent(scores.calibration.error)
    axes.set_title(f"calibration error {error}", color=INK, fontsize=10)


def _names(axes: Axes, scores: EntityScores) -> None:
    kinds = scores.by_kind[::-1]
    values = [kind.f1.value for kind in kinds]
    axes.barh([f"{kind.kind}\n{kind.spans:,}" for kind in kinds], values, color=TEAL, height=0.6)
    for row, kind in enumerate(kinds):
        if min(kind.spans, scores.lines) >= FEWEST:
            axes.plot([kind.f1.low, kind.f1.high], [row, row], color=INK, linewidth=1.5)
        axes.text(
            0.02, row, _percent(kind.f1.value), color="white" if kind.f1.value > 0.2 else INK, va="center", fontsize=9
        )
    axes.set(xlim=(0, 1), xlabel="F1 (line: 95 % interval; below the kind: its spans)")
    axes.set_title(f"names: F1 {_percent(scores.f1.value)}", color=INK, fontsize=10)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
