"""What a person expects of a reader, case by case and counted by phenomenon.

After CheckList (Ribeiro et al., 2020): a **minimum functionality** case says how one text is read; an **invariance**
case, that a change which means nothing changes no reading; a **directional** case, which way a change moves the score.
The cases are data, `behaviour.jsonl` beside this file, and were written as a reader of chat would judge them: none is
ever changed to suit a model.

    {"id": "…", "phenomenon": "negation", "type": "minimum functionality",
     "texts": ["not bad at all"], "expect": {"sentiment": ["neutral", "positive"]}}

An expectation has one or more of
- `sentiment`: the labels that are right for the only text,
- `names`: [words, kind or "kind|kind"] that must be found, with exactly these words,
- `no_name`: runs of the text in which nothing is a name; `[]` means nowhere,
- `not_read`: true, if the only text is in a language that must not be guessed, false if it must be read,
- `same`: "sentiment" or "names": equal in every text, and there (names compare by words without case, and kind),
- `score`: "rises" or "falls" from each text to the next by at least STEP, or "does not rise", "does not fall" by more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.resources import files
from itertools import pairwise
from typing import Any, assert_never

from bot.analysis import Analysis, Analyzer, Kind, Label
from bot.evaluation.asking import ask
from bot.wording import signed

STEP = 0.1
"""How far a score, in [-1, 1], moves before a person would say that the reading moved."""


class CaseType(StrEnum):
    """What a case tests."""

    MINIMUM = "minimum functionality"
    INVARIANCE = "invariance"
    DIRECTION = "directional"


class Same(StrEnum):
    """What stays equal in every text of a case."""

    SENTIMENT = "sentiment"
    NAMES = "names"


class Move(StrEnum):
    """Which way the score goes from each text to the next."""

    RISES = "rises"
    FALLS = "falls"
    NOT_UP = "does not rise"
    NOT_DOWN = "does not fall"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold; a field that is None (or empty, for names) expects nothing."""

    sentiment: frozenset[Label] | None = None
    names: tuple[tuple[str, frozenset[Kind]], ...] = ()
    no_name: tuple[str, ...] | None = None
    not_read: bool | None = None
    same: Same | None = None
    score: Move | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Texts and what a person expects of their reading."""

    id: str
    phenomenon: str
    type: CaseType
    texts: tuple[str, ...]
    expect: Expectation


@dataclass(frozen=True, slots=True)
class Failure:
    """A case whose expectation didn't hold: what was wanted and what was read, in words."""

    id: str
    texts: tuple[str, ...]
    expected: str
    read: str


@dataclass(frozen=True, slots=True)
class Phenomenon:
    """How the cases about one thing went."""

    name: str
    cases: int
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> int:
        """Cases that held."""
        return self.cases - len(self.failures)

    @property
    def rate(self) -> float:
        """The part that held, in [0, 1]."""
        return self.passed / self.cases


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one analyzer did on every case, in the order of the file."""

    model: str
    phenomena: tuple[Phenomenon, ...]

    @property
    def cases(self) -> int:
        """All cases."""
        return sum(phenomenon.cases for phenomenon in self.phenomena)

    @property
    def passed(self) -> int:
        """Cases that held."""
        return sum(phenomenon.passed for phenomenon in self.phenomena)

    @property
    def rate(self) -> float:
        """The part of all cases that held, in [0, 1]."""
        return self.passed / self.cases if self.cases else 0.0

    def as_json(self) -> dict[str, object]:
        """Everything, as `json.dumps` takes it."""
        return {
            "model": self.model,
            "cases": self.cases,
            "passed": self.passed,
            "rate": self.rate,
            "phenomena": [
                asdict(phenomenon) | {"passed": phenomenon.passed, "rate": phenomenon.rate}
                for phenomenon in self.phenomena
            ],
        }


def read_cases() -> tuple[Case, ...]:
    """The suite that ships with Roomtone."""
    text = files("bot.evaluation").joinpath("behaviour.jsonl").read_text(encoding="utf-8")
    return tuple(_a_case(json.loads(line)) for line in text.splitlines())


async def run_behaviour(
    analyzer: Analyzer,
    cases: Sequence[Case] | None = None,
    *,
    batch: int = 256,
    progress: Callable[[int], object] | None = None,
) -> Behaviour:
    """Let `analyzer` read every text and see which cases hold; None runs `read_cases()`.

    `progress` is told how many more of the distinct texts were read. Raises what the analyzer raises.
    """
    chosen = read_cases() if cases is None else tuple(cases)
    texts = tuple(dict.fromkeys(text for case in chosen for text in case.texts))
    read: dict[str, Analysis] = {}
    for start in range(0, len(texts), batch):
        asked = texts[start : start + batch]
        read |= zip(asked, await ask(analyzer, asked, model=""), strict=True)
        if progress is not None:
            progress(len(asked))
    failures = {case.id: failure for case in chosen if (failure := check(case, read)) is not None}
    return Behaviour(
        model=" + ".join(sorted({analysis.model for analysis in read.values()} - {""})),
        phenomena=tuple(
            Phenomenon(
                name,
                cases=sum(case.phenomenon == name for case in chosen),
                failures=tuple(failures[c.id] for c in chosen if c.phenomenon == name and c.id in failures),
            )
            for name in dict.fromkeys(case.phenomenon for case in chosen)
        ),
    )


def check(case: Case, read: Mapping[str, Analysis]) -> Failure | None:
    """None if every part of the case's expectation holds for the readings of its texts."""
    analyses = tuple(read[text] for text in case.texts)
    expect = case.expect
    wanted: list[str] = []
    if expect.sentiment is not None and not all(_label(a) in expect.sentiment for a in analyses):
        wanted.append(" or ".join(sorted(expect.sentiment)))
    if expect.not_read is not None and not all((a.sentiment is None) is expect.not_read for a in analyses):
        wanted.append("not read" if expect.not_read else "read")
    wanted += [
        f"{words} ({'|'.join(sorted(kinds))})"
        for words, kinds in expect.names
        if not all(any(e.text == words and e.kind in kinds for e in a.entities) for a in analyses)
    ]
    if expect.no_name is not None and any(
        _overlaps(text, analysis, expect.no_name) for text, analysis in zip(case.texts, analyses, strict=True)
    ):
        wanted.append("no name in " + (", ".join(expect.no_name) or "the whole text"))
    if expect.same is not None and not _all_equal(expect.same, analyses):
        wanted.append(f"the same {expect.same} everywhere")
    if expect.score is not None and not all(_moves(expect.score, a, b) for a, b in pairwise(analyses)):
        wanted.append(f"a score that {expect.score}")
    if not wanted:
        return None
    return Failure(case.id, case.texts, " and ".join(wanted), " · ".join(_in_words(analysis) for analysis in analyses))


def _a_case(found: Mapping[str, Any]) -> Case:
    """Raises KeyError or ValueError for a part that is missing or doesn't exist."""
    return Case(
        id=found["id"],
        phenomenon=found["phenomenon"],
        type=CaseType(found["type"]),
        texts=tuple(found["texts"]),
        expect=Expectation(**{part: _EXPECTED[part](value) for part, value in found["expect"].items()}),
    )


_EXPECTED: Mapping[str, Callable[[Any], Any]] = {
    "sentiment": lambda labels: frozenset(map(Label, labels)),
    "names": lambda names: tuple((words, frozenset(map(Kind, kinds.split("|")))) for words, kinds in names),
    "no_name": tuple,
    "not_read": bool,
    "same": Same,
    "score": Move,
}


def _label(analysis: Analysis) -> Label | None:
    return None if analysis.sentiment is None else analysis.sentiment.label


def _overlaps(text: str, analysis: Analysis, runs: Sequence[str]) -> bool:
    """Whether any entity touches one of `runs` of `text`; anything at all, if there are none."""
    if not runs:
        return bool(analysis.entities)
    spans = [(text.index(run), text.index(run) + len(run)) for run in runs]
    return any(entity.start < end and start < entity.end for entity in analysis.entities for start, end in spans)


def _all_equal(same: Same, analyses: Sequence[Analysis]) -> bool:
    """Equal in all, and there: a reader that finds nothing anywhere has not kept anything."""
    match same:
        case Same.SENTIMENT:
            labels = {_label(analysis) for analysis in analyses}
            return len(labels) == 1 and None not in labels
        case Same.NAMES:
            names = {frozenset((e.text.casefold(), e.kind) for e in a.entities) for a in analyses}
            return len(names) == 1 and frozenset() not in names
        case _:
            assert_never(same)


def _moves(move: Move, before: Analysis, after: Analysis) -> bool:
    if before.sentiment is None or after.sentiment is None:
        return False
    step = after.sentiment.score - before.sentiment.score
    match move:
        case Move.RISES:
            return step >= STEP
        case Move.FALLS:
            return step <= -STEP
        case Move.NOT_UP:
            return step <= STEP
        case Move.NOT_DOWN:
            return step >= -STEP
        case _:
            assert_never(move)


def _in_words(analysis: Analysis) -> str:
    """`negative −62; Berlin (location)`"""
    names = ", ".join(f"{entity.text} ({entity.kind})" for entity in analysis.entities) or "no names"
    if analysis.sentiment is None:
        return f"not read ({analysis.language}); {names}"
    return f"{analysis.sentiment.label} {signed(100 * analysis.sentiment.score)}; {names}"
