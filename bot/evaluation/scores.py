"""Scores of one analyzer on labelled lines, and whether another reads the same lines better."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from bot.analysis import Analysis, Analyzer, Kind, Label
from bot.evaluation import measures
from bot.evaluation.asking import ask
from bot.evaluation.lines import NON_NEGATIVE, EntityLine, Labelled, SentimentLine, Skipped
from bot.evaluation.measures import Calibration, Counts, Numbers, Span
from bot.wording import exactly

BATCH = 256
RESAMPLES = 2000
SEED = 20261124
PERMUTATION = "paired permutation"
NOT_READ = "not read"
"""The column of lines without a sentiment, in a language that the reader has no figures for or refused: misses."""

Progress = Callable[[int], object]
"""Told how many more lines were read."""

FEWEST = 10
"""Of fewer lines, or names of a kind, no interval is shown: drawn again and again, so few say too little of others.

Nor are two readers compared by a mean over labels one of which has fewer lines.
"""


@dataclass(frozen=True, slots=True)
class Measure:
    """A value and the 95 % bootstrap interval around it, all three in the value's own unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How one label was read; `lines` have it."""

    label: str
    precision: float
    recall: float
    f1: float
    lines: int


@dataclass(frozen=True, slots=True)
class SentimentScores:
    """How sentiment was read, each measure in [0, 1].

    `confusion` counts lines, a row for each of `labels` as annotated, a column for each as read and a last one for
    NOT_READ. Macro means are over the labels that some line has.
    """

    lines: int
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    macro_recall: Measure
    macro_f1: Measure
    accuracy: Measure
    by_label: tuple[LabelScore, ...]
    calibration: Calibration

    @property
    def not_read(self) -> int:
        """Lines that got no sentiment, because of their language or refused."""
        return sum(row[-1] for row in self.confusion)

    @property
    def fewest(self) -> int:
        """Lines of the rarest label, of those that some line has."""
        return _fewest(np.array(self.confusion))


@dataclass(frozen=True, slots=True)
class KindScore:
    """How the spans of one kind were read; `spans` are annotated, `predicted` were read."""

    kind: Kind
    precision: float
    recall: float
    f1: Measure
    spans: int
    predicted: int


@dataclass(frozen=True, slots=True)
class EntityScores:
    """How names were read: a span counts only whole and with its kind. Micro means over all spans of the kinds here.

    `not_read` lines are in a language that the reader has no figures for, or refused; their names count as missed.
    """

    lines: int
    not_read: int
    precision: Measure
    recall: Measure
    f1: Measure
    by_kind: tuple[KindScore, ...]


@dataclass(frozen=True, slots=True)
class Speed:
    """How long the reading took, the analyzer's loading left out, in batches of at most `batch` lines."""

    lines: int
    seconds: float
    batch: int

    @property
    def per_second(self) -> float:
        """Lines a second."""
        return self.lines / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Miss:
    """A line that was read wrongly, and how."""

    number: int
    text: str = field(repr=False)
    annotated: str = field(repr=False)
    read: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well one analyzer read one file. `misses` are there only where some were asked for."""

    source: str
    model: str
    lower_cased: bool
    sentiment: SentimentScores | None
    entities: EntityScores | None
    speed: Speed
    skipped: tuple[Skipped, ...]
    misses: tuple[Miss, ...]

    def as_json(self) -> dict[str, object]:
        """Everything, as `json.dumps` takes it."""
        return asdict(self) | {"lines_per_second": self.speed.per_second}


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One measure of both readers on the same lines. `difference` is second minus first.

    `p` is two-sided, from `method`; `verdict` says it in a sentence. Where not `enough` lines or names were compared,
    neither `p` nor the interval says anything of others; the verdict then says that.
    """

    measure: str
    first: float
    second: float
    difference: Measure
    p: float
    method: str
    enough: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether the second analyzer reads the same lines better than the first."""

    first: Evaluation
    second: Evaluation
    tests: tuple[PairedTest, ...]

    def as_json(self) -> dict[str, object]:
        """Everything, as `json.dumps` takes it."""
        return {
            "first": self.first.as_json(),
            "second": self.second.as_json(),
            "tests": [asdict(test) for test in self.tests],
        }


async def evaluate(
    analyzer: Analyzer,
    labelled: Labelled,
    *,
    lower_cased: bool = False,
    misses: int = 0,
    batch: int = BATCH,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Evaluation:
    """Let `analyzer` read every line and score it.

    `lower_cased` reads the texts without capitals. At most `misses` wrongly read lines of each task are kept with their
    words. Intervals are bootstrapped over lines, `resamples` times from `seed`. Raises what the analyzer raises.
    """
    reading = await _read(analyzer, labelled, lower_cased=lower_cased, batch=batch, progress=progress, clock=clock)
    return _evaluation(reading, misses=misses, resamples=resamples, seed=seed)


async def compare(
    first: Analyzer,
    second: Analyzer,
    labelled: Labelled,
    *,
    lower_cased: bool = False,
    misses: int = 0,
    batch: int = BATCH,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Let both read every line and test each difference on the same lines; the options are those of `evaluate`.

    Macro-recall and span F1 are tested by swapping the readers' answers to a line (a paired permutation test), accuracy
    by McNemar's exact test.
    """
    one = await _read(first, labelled, lower_cased=lower_cased, batch=batch, progress=progress, clock=clock)
    other = await _read(second, labelled, lower_cased=lower_cased, batch=batch, progress=progress, clock=clock)
    names = (one.model, other.model) if one.model != other.model else (f"{one.model} (A)", f"{other.model} (B)")
    tests: list[PairedTest] = []
    if labelled.sentiment:
        tests += _sentiment_tests(one, other, names, resamples=resamples, seed=seed)
    if labelled.entities:
        tests.append(_entity_test(one, other, names, resamples=resamples, seed=seed))
    return Comparison(
        _evaluation(one, misses=misses, resamples=resamples, seed=seed),
        _evaluation(other, misses=misses, resamples=resamples, seed=seed),
        tuple(tests),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one analyzer made of every line of a file."""

    labelled: Labelled
    lower_cased: bool
    sentiment: tuple[Analysis, ...]
    entities: tuple[Analysis, ...]
    speed: Speed

    @property
    def model(self) -> str:
        """The model that answered; several where a fallback stepped in."""
        return " + ".join(sorted({analysis.model for analysis in (*self.sentiment, *self.entities)}))


async def _read(
    analyzer: Analyzer,
    labelled: Labelled,
    *,
    lower_cased: bool,
    batch: int,
    progress: Progress | None,
    clock: Callable[[], float],
) -> _Reading:
    texts = [line.text for line in labelled.sentiment] + [" ".join(line.tokens) for line in labelled.entities]
    if lower_cased:
        texts = [text.lower() for text in texts]
    (ready,) = await analyzer.analyze(("a first text, so that loading is not timed",))
    analyses: list[Analysis] = []
    began = clock()
    for start in range(0, len(texts), batch):
        asked = texts[start : start + batch]
        analyses += await ask(analyzer, asked, model=ready.model)
        if progress is not None:
            progress(len(asked))
    seconds = clock() - began
    return _Reading(
        labelled=labelled,
        lower_cased=lower_cased,
        sentiment=tuple(analyses[: len(labelled.sentiment)]),
        entities=tuple(analyses[len(labelled.sentiment) :]),
        speed=Speed(len(texts), seconds, batch),
    )


def _evaluation(reading: _Reading, *, misses: int, resamples: int, seed: int) -> Evaluation:
    labelled = reading.labelled
    return Evaluation(
        source=labelled.source,
        model=reading.model,
        lower_cased=reading.lower_cased,
        sentiment=_sentiment_scores(reading, resamples=resamples, seed=seed) if labelled.sentiment else None,
        entities=_entity_scores(reading, resamples=resamples, seed=seed) if labelled.entities else None,
        speed=reading.speed,
        skipped=labelled.skipped,
        misses=(*_sentiment_misses(reading, misses), *_entity_misses(reading, misses)),
    )


# Sentiment


def _column(analysis: Analysis, labels: Sequence[str]) -> int:
    """Where in `labels` a reading stands; one past them where the text was not read."""
    if analysis.sentiment is None:
        return len(labels)
    read = analysis.sentiment.label
    return labels.index(read) if read in labels else labels.index(NON_NEGATIVE)


def _row(line: SentimentLine, labels: Sequence[str]) -> int:
    """Where in `labels` an annotation stands: beside non-negative, neutral and positive are not told apart."""
    return labels.index(line.label) if line.label in labels else labels.index(NON_NEGATIVE)


def _confidence(analysis: Analysis, labels: Sequence[str]) -> float:
    """The probability of what was read; 0 where nothing was."""
    if analysis.sentiment is None:
        return 0.0
    negative, read = analysis.sentiment.negative, analysis.sentiment.label
    if NON_NEGATIVE in labels:
        return negative if read is Label.NEGATIVE else 1 - negative
    return {
        Label.NEGATIVE: negative,
        Label.NEUTRAL: analysis.sentiment.neutral,
        Label.POSITIVE: analysis.sentiment.positive,
    }[read]


def _cells(reading: _Reading) -> Counts:
    """(line, label × column): which cell of the confusion each line fell into."""
    labels = reading.labelled.labels
    width = len(labels) + 1
    cells = np.zeros((len(reading.sentiment), len(labels) * width), dtype=np.int64)
    for number, (line, analysis) in enumerate(zip(reading.labelled.sentiment, reading.sentiment, strict=True)):
        cells[number, _row(line, labels) * width + _column(analysis, labels)] = 1
    return cells


def _confusions(cells: Counts, labels: Sequence[str]) -> Counts:
    """(…, label, column) from (…, label × column)."""
    return cells.reshape(*cells.shape[:-1], len(labels), len(labels) + 1)


def _sentiment_scores(reading: _Reading, *, resamples: int, seed: int) -> SentimentScores:
    labels = reading.labelled.labels
    cells = _cells(reading)
    confusion = _confusions(cells.sum(axis=0), labels)
    again = _confusions(measures.resampled(cells, resamples=resamples, seed=seed), labels)
    read = [
        (_confidence(analysis, labels), _row(line, labels) == _column(analysis, labels))
        for line, analysis in zip(reading.labelled.sentiment, reading.sentiment, strict=True)
        if analysis.sentiment is not None
    ]
    columns = (measures.precisions(confusion), np.nan_to_num(measures.recalls(confusion)), measures.f1s(confusion))
    return SentimentScores(
        lines=len(cells),
        labels=tuple(labels),
        confusion=tuple(tuple(int(lines) for lines in row) for row in confusion),
        macro_recall=_macro(measures.macro_recall, measures.recalls, confusion, again),
        macro_f1=_macro(measures.macro_f1, measures.f1s, confusion, again),
        accuracy=_measure(measures.accuracy(confusion), measures.accuracy(again), len(cells)),
        by_label=tuple(
            LabelScore(label, float(precision), float(recall), float(np.nan_to_num(f1)), int(lines))
            for label, precision, recall, f1, lines in zip(labels, *columns, confusion.sum(axis=-1), strict=True)
        ),
        calibration=measures.calibration([sure for sure, _ in read], [right for _, right in read]),
    )


def _fewest(confusion: Counts) -> int:
    """Lines of the label that has the fewest, of those that some line has."""
    lines = confusion.sum(axis=-1)
    return int(lines[lines > 0].min())


def _sentiment_misses(reading: _Reading, most: int) -> list[Miss]:
    """The surest mistakes first: they say most about what the reader doesn't know."""
    labels = reading.labelled.labels
    columns = (*labels, NOT_READ)
    wrong = [
        (_confidence(analysis, labels), line, columns[_column(analysis, labels)])
        for line, analysis in zip(reading.labelled.sentiment, reading.sentiment, strict=True)
        if _row(line, labels) != _column(analysis, labels)
    ]
    wrong.sort(key=lambda miss: -miss[0])
    return [Miss(line.number, line.text, line.label, f"{read}, {sure:.0%} sure") for sure, line, read in wrong[:most]]


def _sentiment_tests(
    one: _Reading, other: _Reading, names: tuple[str, str], *, resamples: int, seed: int
) -> list[PairedTest]:
    labels = one.labelled.labels

    def difference(sums: Sequence[Counts], measure: Callable[[Counts], Numbers]) -> Numbers:
        first, second = (measure(_confusions(each, labels)) for each in sums)
        return second - first

    cells = (_cells(one), _cells(other))
    again = np.split(measures.resampled(np.hstack(cells), resamples=resamples, seed=seed), 2, axis=-1)
    swapped = measures.swapped(*cells, times=resamples, seed=seed)
    first, second = (_confusions(each.sum(axis=0), labels) for each in cells)
    right = [
        np.array(
            [_row(line, labels) == _column(a, labels) for line, a in zip(one.labelled.sentiment, read, strict=True)]
        )
        for read in (one.sentiment, other.sentiment)
    ]
    p = measures.mcnemar(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()))
    recalls = (measures.macro_recall(first), measures.macro_recall(second))
    return [
        _test(
            "macro-recall",
            names,
            len(right[0]),
            recalls,
            difference(again, measures.macro_recall),
            measures.permutation_probability(
                float(recalls[1] - recalls[0]), difference(swapped, measures.macro_recall)
            ),
            PERMUTATION,
            few=(_fewest(first), "in the rarest label"),
        ),
        _test(
            "accuracy",
            names,
            len(right[0]),
            (measures.accuracy(first), measures.accuracy(second)),
            difference(again, measures.accuracy),
            p,
            "McNemar's exact test",
        ),
    ]


# Entities


def _spans(line: EntityLine, analysis: Analysis, *, lower_cased: bool) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Annotated and read."""
    # Lower-casing can change a token's length; the reader's offsets are into what it was given.
    tokens = [token.lower() for token in line.tokens] if lower_cased else line.tokens
    return measures.tagged_spans(line.tags), measures.predicted_spans(tokens, analysis.entities)


def _found(reading: _Reading) -> Counts:
    """(line, kind × 3): spans found, invented and missed in each line."""
    kinds = reading.labelled.kinds
    found = np.zeros((len(reading.entities), len(kinds) * 3), dtype=np.int64)
    for number, (line, analysis) in enumerate(zip(reading.labelled.entities, reading.entities, strict=True)):
        annotated, read = _spans(line, analysis, lower_cased=reading.lower_cased)
        found[number] = measures.span_counts(annotated, read, kinds).ravel()
    return found


def _by_kind(found: Counts) -> Counts:
    """(…, kind, 3) from (…, kind × 3)."""
    return found.reshape(*found.shape[:-1], found.shape[-1] // 3, 3)


def _entity_scores(reading: _Reading, *, resamples: int, seed: int) -> EntityScores:
    found = _found(reading)
    counts = _by_kind(found.sum(axis=0))
    again = _by_kind(measures.resampled(found, resamples=resamples, seed=seed))
    micro, micro_again = counts.sum(axis=-2), again.sum(axis=-2)
    # Lines are drawn, not names: several in one line are no more witnesses than the line is.
    hits, invented, missed = np.moveaxis(_by_kind(found) > 0, -1, 0)
    annotated = hits | missed  # (line, kind)
    naming, named = int((hits | invented).any(axis=1).sum()), int(annotated.any(axis=1).sum())
    return EntityScores(
        lines=len(found),
        not_read=sum(bool(analysis.language) and not analysis.entities for analysis in reading.entities),
        precision=_measure(measures.span_precision(micro), measures.span_precision(micro_again), naming),
        recall=_measure(measures.span_recall(micro), measures.span_recall(micro_again), named),
        f1=_measure(measures.span_f1(micro), measures.span_f1(micro_again), named),
        by_kind=tuple(
            KindScore(
                kind,
                precision=float(measures.span_precision(counts[row])),
                recall=float(measures.span_recall(counts[row])),
                f1=_measure(
                    measures.span_f1(counts[row]),
                    measures.span_f1(again[:, row]),
                    int(annotated[:, row].sum()),
                ),
                spans=int(counts[row, 0] + counts[row, 2]),
                predicted=int(counts[row, 0] + counts[row, 1]),
            )
            for row, kind in enumerate(reading.labelled.kinds)
        ),
    )


def _entity_misses(reading: _Reading, most: int) -> list[Miss]:
    """The lines with most mistakes first."""
    wrong: list[tuple[int, Miss]] = []
    for line, analysis in zip(reading.labelled.entities, reading.entities, strict=True):
        annotated, read = (
            {span for span in spans if span.kind in reading.labelled.kinds}
            for spans in _spans(line, analysis, lower_cased=reading.lower_cased)
        )
        if annotated != read:
            miss = Miss(line.number, " ".join(line.tokens), _named(annotated, line), _named(read, line))
            wrong.append((len(annotated ^ read), miss))
    wrong.sort(key=lambda miss: -miss[0])
    return [miss for _, miss in wrong[:most]]


def _named(spans: set[Span], line: EntityLine) -> str:
    return ", ".join(f"{' '.join(line.tokens[s.start : s.end])} ({s.kind})" for s in sorted(spans)) or "no name"


def _entity_test(one: _Reading, other: _Reading, names: tuple[str, str], *, resamples: int, seed: int) -> PairedTest:
    def f1(found: Counts) -> Numbers:
        return measures.span_f1(_by_kind(found).sum(axis=-2))

    found = (_found(one), _found(other))
    again = np.split(measures.resampled(np.hstack(found), resamples=resamples, seed=seed), 2, axis=-1)
    swapped = measures.swapped(*found, times=resamples, seed=seed)
    first, second = (each.sum(axis=0) for each in found)
    hits, _, missed = _by_kind(first).sum(axis=-2)
    values = (f1(first), f1(second))
    return _test(
        "entity F1",
        names,
        len(found[0]),
        values,
        f1(again[1]) - f1(again[0]),
        measures.permutation_probability(float(values[1] - values[0]), f1(swapped[1]) - f1(swapped[0])),
        PERMUTATION,
        few=(int(hits + missed), "names"),
    )


# Both


def _measure(value: Numbers, again: Numbers, trials: int) -> Measure:
    """`trials` are the lines that have what the value is a share of."""
    low, high = measures.interval(again)
    if low == high and value in (0, 1):
        low, high = measures.interval_at_the_edge(float(value), trials)
    return Measure(float(value), low, high)


def _macro(
    mean: Callable[[Counts], Numbers], of_each: Callable[[Counts], Numbers], confusion: Counts, again: Counts
) -> Measure:
    """A mean over labels; where all of them are at the edge, the mean of their exact intervals, which is too wide."""
    value = float(mean(confusion))
    low, high = measures.interval(mean(again))
    if low == high:
        trials = confusion.sum(axis=-1)
        edges = [
            measures.interval_at_the_edge(share, lines)
            for share, lines in zip(of_each(confusion).tolist(), trials.tolist(), strict=True)
            if lines
        ]
        low, high = (float(each) for each in np.mean(edges, axis=0))
    return Measure(value, low, high)


def _test(
    measure: str,
    names: tuple[str, str],
    lines: int,
    values: tuple[Numbers, Numbers],
    differences: Numbers,
    p: float,
    method: str,
    few: tuple[int, str] | None = None,  # what else there has to be enough of, and its name
) -> PairedTest:
    first, second = (float(value) for value in values)
    low, high = measures.interval(differences)
    difference = f"{measure} {first:.1%} and {second:.1%}, a difference of {exactly(100 * (second - first))} points"
    better, worse = names[::-1] if second > first else names
    counted = f"{lines:,} lines" + (f" with {few[0]:,} {few[1]}" if few is not None else "")
    enough = lines >= FEWEST and (few is None or few[0] >= FEWEST)
    if not enough:
        verdict = f"Too little to tell {better} from {worse}: {difference} over {counted}; {FEWEST} are the fewest."
    else:
        shown = p < 1 - measures.CONFIDENCE
        how = "reads these lines better than" if shown else "is not shown to read these lines better than"
        interval = f"95 % interval {exactly(100 * low)} … {exactly(100 * high)}"
        verdict = f"{better} {how} {worse}: {difference} ({interval}; p {_p(p)}, {method} over {counted})."
    return PairedTest(
        measure=measure,
        first=first,
        second=second,
        difference=Measure(second - first, low, high),
        p=p,
        method=method,
        enough=enough,
        verdict=verdict,
    )


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
