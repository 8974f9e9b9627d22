"""The behavioural suite is whole, and judges as its cases say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO

import pytest
from rich.console import Console

from bot.analysis import Analysis, Entity, Kind, Label
from bot.evaluation import Case, read_cases, run_behaviour
from bot.evaluation.behaviour import CaseType, Expectation, Move, Same, check
from bot.evaluation.report import show_behaviour
from tests.examples import ANGRY, CALM, GLAD, an_analysis, an_entity

CASES = read_cases()


def test_there_are_enough_cases_over_enough_phenomena() -> None:
    phenomena = Counter(case.phenomenon for case in CASES)

    assert len(CASES) >= 300
    assert len(phenomena) >= 15
    assert min(phenomena.values()) >= 5


def test_no_type_of_case_is_an_afterthought() -> None:
    types = Counter(case.type for case in CASES)

    assert {type for type in CaseType if types[type] >= len(CASES) / 10} == set(CaseType)


def test_every_case_has_a_name_of_its_own_that_says_its_phenomenon() -> None:
    assert [id for id, times in Counter(case.id for case in CASES).items() if times > 1] == []
    assert [case.id for case in CASES if not case.id.startswith(case.phenomenon.split()[0])] == []


def test_no_question_is_asked_twice() -> None:
    asked = Counter((case.texts, case.expect) for case in CASES)

    assert [question for question, times in asked.items() if times > 1] == []


def test_a_case_expects_what_its_type_can_tell() -> None:
    assert [case.id for case in CASES if (case.expect.same is not None) != (case.type is CaseType.INVARIANCE)] == []
    assert [case.id for case in CASES if (case.expect.score is not None) != (case.type is CaseType.DIRECTION)] == []
    assert [case.id for case in CASES if (len(case.texts) == 1) != (case.type is CaseType.MINIMUM)] == []
    assert [case.id for case in CASES if len(set(case.texts)) < len(case.texts)] == []


def test_no_case_is_empty_or_passed_by_every_reading() -> None:
    assert [case.id for case in CASES if case.expect == Expectation()] == []
    assert [case.id for case in CASES if case.expect.sentiment in (frozenset(), frozenset(Label))] == []


def test_the_words_that_a_case_names_are_in_its_texts() -> None:
    named = [
        (case, words) for case in CASES for words in (*(w for w, _ in case.expect.names), *(case.expect.no_name or ()))
    ]

    assert [case.id for case, words in named if not all(words in text for text in case.texts)] == []


@pytest.mark.parametrize("label", Label)
def test_calling_everything_the_same_passes_few_minimum_cases(label: Label) -> None:
    cases = [case for case in CASES if case.type is CaseType.MINIMUM and case.expect.sentiment is not None]

    allowed = sum(label in (case.expect.sentiment or ()) for case in cases)

    assert allowed / len(cases) < 0.55


class Scripted:
    """Reads each text as `answers` say."""

    def __init__(self, answers: Mapping[str, Analysis]) -> None:
        self.answers = answers
        self.batches: list[tuple[str, ...]] = []

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        self.batches.append(tuple(texts))
        return [self.answers[text] for text in texts]


TEXTS = ("met Ann in Rome", "met Ann in rome")
ANN, ROME, rome = (an_entity("Ann", Kind.PERSON, 4), *(an_entity(w, Kind.LOCATION, 11) for w in ("Rome", "rome")))


def holds(expect: Expectation, *analyses: Analysis) -> bool:
    texts = TEXTS[: len(analyses)]
    case = Case("example-01", "example", CaseType.MINIMUM, texts, expect)
    return check(case, dict(zip(texts, analyses, strict=True))) is None


@pytest.mark.parametrize(
    ("expect", "read", "held"),
    [
        (Expectation(sentiment=frozenset({Label.POSITIVE})), an_analysis(GLAD), True),
        (Expectation(sentiment=frozenset({Label.POSITIVE, Label.NEUTRAL})), an_analysis(CALM), True),
        (Expectation(sentiment=frozenset({Label.POSITIVE})), an_analysis(ANGRY), False),
        (Expectation(sentiment=frozenset({Label.POSITIVE})), an_analysis(None, language="it"), False),
        (Expectation(not_read=True), an_analysis(None, language="it"), True),
        (Expectation(not_read=True), an_analysis(CALM), False),
        (Expectation(not_read=False), an_analysis(CALM), True),
        (Expectation(not_read=False), an_analysis(None, language="it"), False),
    ],
)
def test_a_minimum_case_holds_for_the_labels_that_are_right(expect: Expectation, read: Analysis, held: bool) -> None:
    assert holds(expect, read) == held


WANTED = (("Rome", frozenset({Kind.LOCATION, Kind.ORGANIZATION})),)


@pytest.mark.parametrize(
    ("expect", "entities", "held"),
    [
        (Expectation(names=WANTED), [ANN, ROME], True),
        (Expectation(names=WANTED), [an_entity("Rome", Kind.ORGANIZATION, 11)], True),
        (Expectation(names=WANTED), [an_entity("Rome", Kind.PERSON, 11)], False),
        (Expectation(names=WANTED), [an_entity("in Rome", Kind.LOCATION, 8)], False),
        (Expectation(names=WANTED), [], False),
        (Expectation(no_name=()), [], True),
        (Expectation(no_name=()), [ANN], False),
        (Expectation(no_name=("met", "in")), [ANN, ROME], True),
        (Expectation(no_name=("met", "in")), [an_entity("in Rome", Kind.LOCATION, 8)], False),
    ],
)
def test_names_are_found_whole_and_nowhere_else(expect: Expectation, entities: list[Entity], held: bool) -> None:
    assert holds(expect, an_analysis(CALM, *entities)) == held


@pytest.mark.parametrize(
    ("same", "before", "after", "held"),
    [
        (Same.SENTIMENT, an_analysis(GLAD), an_analysis(GLAD, ANN), True),
        (Same.SENTIMENT, an_analysis(GLAD), an_analysis(CALM), False),
        (Same.SENTIMENT, an_analysis(None), an_analysis(None), False),
        (Same.NAMES, an_analysis(CALM, ROME, ANN), an_analysis(GLAD, ANN, rome), True),
        (Same.NAMES, an_analysis(CALM, ROME), an_analysis(CALM, an_entity("rome", Kind.WORK, 11)), False),
        (Same.NAMES, an_analysis(CALM, ROME, ANN), an_analysis(CALM, ANN), False),
        (Same.NAMES, an_analysis(CALM), an_analysis(CALM), False),
    ],
)
def test_what_stays_the_same_is_equal_everywhere_and_there(
    same: Same, before: Analysis, after: Analysis, held: bool
) -> None:
    assert holds(Expectation(same=same), before, after) == held


@pytest.mark.parametrize(
    ("move", "up", "level", "down"),
    [
        (Move.RISES, True, False, False),
        (Move.FALLS, False, False, True),
        (Move.NOT_UP, False, True, True),
        (Move.NOT_DOWN, True, True, False),
    ],
)
def test_a_score_moves_only_by_a_step_that_a_person_would_see(move: Move, up: bool, level: bool, down: bool) -> None:
    moves = [
        holds(Expectation(score=move), an_analysis(before), an_analysis(after))
        for before, after in ((CALM, GLAD), (CALM, CALM), (CALM, ANGRY))
    ]

    assert moves == [up, level, down]


@pytest.mark.parametrize("move", Move)
def test_a_text_that_is_not_read_moves_nowhere(move: Move) -> None:
    assert not holds(Expectation(score=move), an_analysis(GLAD), an_analysis(None))


async def test_a_run_counts_by_phenomenon_and_names_what_failed_and_how() -> None:
    right = Expectation(sentiment=frozenset({Label.POSITIVE}))
    cases = [
        Case("praise-01", "praise", CaseType.MINIMUM, ("well done",), right),
        Case("praise-02", "praise", CaseType.MINIMUM, ("nice",), right),
        Case("noise-01", "noise", CaseType.INVARIANCE, ("nice", "nice!"), Expectation(same=Same.SENTIMENT)),
    ]
    reader = Scripted({"well done": an_analysis(GLAD), "nice": an_analysis(CALM), "nice!": an_analysis(CALM, ANN)})
    told: list[int] = []

    behaviour = await run_behaviour(reader, cases, batch=2, progress=told.append)

    assert [(p.name, p.cases, p.passed, p.rate) for p in behaviour.phenomena] == [
        ("praise", 2, 1, 0.5),
        ("noise", 1, 1, 1),
    ]
    assert (behaviour.cases, behaviour.passed) == (3, 2)
    assert behaviour.rate == pytest.approx(2 / 3)
    (failure,) = behaviour.phenomena[0].failures
    assert (failure.id, failure.expected, failure.read) == ("praise-02", "positive", "neutral 0; no names")
    assert reader.batches == [("well done", "nice"), ("nice!",)]
    assert told == [2, 1]
    assert json.loads(json.dumps(behaviour.as_json()))["phenomena"][0]["failures"][0]["id"] == "praise-02"


async def test_the_table_has_the_weakest_phenomenon_first_and_its_failures() -> None:
    right = Expectation(sentiment=frozenset({Label.POSITIVE}))
    cases = [
        Case("good-01", "good", CaseType.MINIMUM, ("well done",), right),
        Case("odd-01", "odd", CaseType.MINIMUM, ("[red]hm",), right),
    ]

    behaviour = await run_behaviour(Scripted({"well done": an_analysis(GLAD), "[red]hm": an_analysis(ANGRY)}), cases)

    out = StringIO()
    Console(file=out, width=120).print(show_behaviour(behaviour, failures=1))
    lines = [line.split() for line in out.getvalue().splitlines() if line.strip()]
    assert lines[2:5] == [["odd", "1", "0", "0%", "01"], ["good", "1", "1", "100%"], ["all", "2", "1", "50.0%"]]
    assert lines[5:] == [["odd-01:", "[red]hm"], ["expected", "positive;", "read", "negative", "−80;", "no", "names"]]


async def test_the_shipped_suite_can_be_run_whole() -> None:
    reader = Scripted({text: an_analysis(CALM) for case in CASES for text in case.texts})

    behaviour = await run_behaviour(reader)

    assert behaviour.cases == len(CASES)
    assert behaviour.rate < 0.5  # a reader that says "neutral" to everything and finds no names
