"""Evaluations, comparisons and behaviour as a terminal shows them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import assert_never

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot.evaluation.behaviour import Behaviour
from bot.evaluation.lines import Skipped
from bot.evaluation.scores import FEWEST, NOT_READ, Comparison, EntityScores, Evaluation, Measure, Miss, SentimentScores
from bot.wording import counted, exactly

MOST_SKIPPED = 10
"""Line numbers named before the rest is only counted."""


def show(result: Evaluation | Behaviour | Comparison, *, failures: int = 0) -> RenderableType:
    """Whatever `roomtone evaluate` found; of the behavioural suite at most `failures` failures."""
    match result:
        case Evaluation():
            return show_evaluation(result)
        case Comparison():
            return show_comparison(result)
        case Behaviour():
            return show_behaviour(result, failures=failures)
        case _:
            assert_never(result)


def show_evaluation(evaluation: Evaluation) -> RenderableType:
    """Every score with its interval, the confusion, and what was left out."""
    parts: list[RenderableType] = [_title(f"{evaluation.model} on {_file(evaluation)}")]
    if evaluation.sentiment is not None:
        parts += _sentiment(evaluation.sentiment)
    if evaluation.entities is not None:
        parts += _entities(evaluation.entities)
    parts.append(_note(_speed(evaluation)))
    parts += _skipped(evaluation.skipped)
    parts += _misses(evaluation.misses)
    return Group(*parts)


def show_comparison(comparison: Comparison) -> RenderableType:
    """Both side by side, and for each measure whether the second is better, in a sentence."""
    first, second = comparison.first, comparison.second
    sides = _table("", "A", "B", "B − A", "95 % interval", "p")
    for test in comparison.tests:
        sides.add_row(
            test.measure,
            f"{test.first:.1%}",
            f"{test.second:.1%}",
            exactly(100 * test.difference.value),
            f"{exactly(100 * test.difference.low)} … {exactly(100 * test.difference.high)}"
            if test.enough
            else "too few",
            f"{test.p:.3f}" if test.enough else "",
        )
    if first.sentiment is not None and second.sentiment is not None:
        one, other = first.sentiment.calibration.error, second.sentiment.calibration.error
        apart = "–" if one is None or other is None else exactly(100 * (other - one))
        sides.add_row("calibration error", _error(one), _error(other), apart, "", "")
    sides.add_row("lines a second", f"{first.speed.per_second:,.0f}", f"{second.speed.per_second:,.0f}", "", "", "")
    return Group(
        _title(f"A: {first.model}   B: {second.model}   on {_file(first)}"),
        _below(sides),
        *(Text(_literal(test.verdict)) for test in comparison.tests),
        *_skipped(first.skipped),
        *_misses(first.misses, "A"),
        *_misses(second.misses, "B"),
    )


def show_behaviour(behaviour: Behaviour, *, failures: int = 0) -> RenderableType:
    """A row for each phenomenon, weakest first; with at most `failures` failed cases of each spelt out."""
    rows = _table("phenomenon", "cases", "passed", "rate", "failed")
    weakest = sorted(behaviour.phenomena, key=lambda phenomenon: phenomenon.rate)
    for phenomenon in weakest:
        ids = " ".join(failure.id.removeprefix(_slug(phenomenon.name)) for failure in phenomenon.failures)
        rows.add_row(
            phenomenon.name,
            str(phenomenon.cases),
            str(phenomenon.passed),
            f"{phenomenon.rate:.0%}",
            Text(ids, style="dim"),
        )
    rows.add_section()
    rows.add_row("all", str(behaviour.cases), str(behaviour.passed), f"{behaviour.rate:.1%}", "", style="bold")
    parts: list[RenderableType] = [_title(f"{behaviour.model} on behavioural cases"), _below(rows)]
    for phenomenon in weakest:
        for failure in phenomenon.failures[:failures]:
            parts.append(Text(f"{failure.id}: {' → '.join(map(_literal, failure.texts))}", style="bold"))
            parts.append(_note(f"  expected {failure.expected}; read {_literal(failure.read)}"))
    return Group(*parts)


def _sentiment(scores: SentimentScores) -> Iterable[RenderableType]:
    measured = _table("sentiment", "", "95 % interval")
    for name, measure, of in (
        ("macro-recall", scores.macro_recall, scores.fewest),
        ("macro-F1", scores.macro_f1, scores.fewest),
        ("accuracy", scores.accuracy, scores.lines),
    ):
        measured.add_row(name, *_percent(measure, of=of))
    measured.add_row("calibration error", _error(scores.calibration.error), "")
    yield _below(measured)

    columns = (*scores.labels, NOT_READ) if scores.not_read else scores.labels
    confusion = _table("annotated ↓  read →", *columns, "precision", "recall", "F1")
    for row, label in zip(scores.confusion, scores.by_label, strict=True):
        confusion.add_row(
            label.label,
            *(f"{lines:,}" for lines in row[: len(columns)]),
            *(f"{value:.1%}" if label.lines else "–" for value in (label.precision, label.recall, label.f1)),
        )
    yield _below(confusion)
    if scores.not_read:
        yield _note(_not_read(scores.not_read))


def _entities(scores: EntityScores) -> Iterable[RenderableType]:
    spans = _table("names", "precision", "recall", "F1", "95 % interval", "annotated", "read")
    for kind in scores.by_kind:
        spans.add_row(
            kind.kind,
            f"{kind.precision:.1%}",
            f"{kind.recall:.1%}",
            *_percent(kind.f1, of=min(kind.spans, scores.lines)),
            f"{kind.spans:,}",
            f"{kind.predicted:,}",
        )
    spans.add_section()
    annotated = sum(kind.spans for kind in scores.by_kind)
    spans.add_row(
        "all",
        f"{scores.precision.value:.1%}",
        f"{scores.recall.value:.1%}",
        *_percent(scores.f1, of=min(annotated, scores.lines)),
        f"{annotated:,}",
        f"{sum(kind.predicted for kind in scores.by_kind):,}",
        style="bold",
    )
    yield _below(spans)
    yield _note(f"{counted(scores.lines, 'line')}; only kinds that the file annotates count, and a name only whole.")
    if scores.not_read:
        yield _note(_not_read(scores.not_read))


def _not_read(lines: int) -> str:
    return f"Lines that this reader didn't read, most for their language, and which count as missed: {lines:,}."


def _error(error: float | None) -> str:
    return "–" if error is None else f"{error:.1%}"


def _skipped(skipped: Sequence[Skipped]) -> Iterable[RenderableType]:
    if not skipped:
        return
    named = "; ".join(f"line {line.number} {line.why}" for line in skipped[:MOST_SKIPPED])
    rest = f"; and {len(skipped) - MOST_SKIPPED:,} more" if len(skipped) > MOST_SKIPPED else ""
    yield Text(f"{len(skipped):,} left out: {named}{rest}.", style="yellow")


def _misses(misses: Sequence[Miss], whose: str = "") -> Iterable[RenderableType]:
    if not misses:
        return
    rows = _table("line", "annotated", "read", "text")
    for miss in misses:
        # Text, because a plain string would be read as markup.
        words = (Text(_literal(part)) for part in (miss.annotated, miss.read, miss.text))
        rows.add_row(str(miss.number), *words, style="dim")
    yield _below(Group(_title(f"Read wrongly by {whose}" if whose else "Read wrongly"), rows))


def _speed(evaluation: Evaluation) -> str:
    speed = evaluation.speed
    rate = f"{speed.per_second:,.0f} a second in batches of {speed.batch}"
    return f"{counted(speed.lines, 'line')} in {speed.seconds:.1f} s: {rate}."


def _file(evaluation: Evaluation) -> str:
    return evaluation.source + (", lower-cased" if evaluation.lower_cased else "")


def _percent(measure: Measure, *, of: int) -> tuple[str, str]:
    """The value, and its interval if it is a measure of enough."""
    interval = f"{100 * measure.low:.1f} … {100 * measure.high:.1f}" if of >= FEWEST else "too few"
    return f"{measure.value:.1%}", interval


def _slug(phenomenon: str) -> str:
    return phenomenon.replace(" ", "-").replace("'", "") + "-"


def _table(*columns: str) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        words = column in {"", "phenomenon", "failed", "text", "annotated", "read"} and number > 1
        drawn.add_column(Text(column), justify="left" if number == 0 or words else "right")
    return drawn


def _title(words: str) -> Text:
    return Text(_literal(words), style="bold cyan")


def _note(words: str) -> Text:
    return Text(words, style="dim italic")


def _below(part: RenderableType) -> Padding:
    return Padding(part, (1, 0, 0, 0))


def _literal(text: str) -> str:
    """`text` in one line without control characters, so that no evaluated line can move the cursor."""
    return "".join(c if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} else " " for c in text)
