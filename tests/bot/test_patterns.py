"""The shape of a week and moods of names over time, through the answers that show them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.answer import ChartKind
from bot.errors import QuestionError
from bot.grammar import parse
from bot.message import Window
from bot.question import Side, Span, Subject
from tests.bot.readings_example import Read, a_read
from tests.bot.test_answer import HERE, LAST_WEEK, THERE, ask
from tests.bot.test_trends import AFTER, MONDAY, UTC_ZONE, a_week, weeks
from tests.examples import DAY, HOUR, RANDOM, WEEK, an_author

FOUR_WEEKS = Side((HERE,), Span(Window(MONDAY - 3 * WEEK, MONDAY + WEEK), "last 4 weeks"))


def of_day(weekday: int, score: float, *, people: int = 8) -> list[Read]:
    """What was said on a weekday of four weeks, at nine, by people who differ a little."""
    return [
        a_read(MONDAY + (week * 7 + weekday) * DAY + 9 * HOUR, author, score + 0.02 * (author + week))
        for week in range(-3, 1)
        for author in range(people)
    ]


async def test_a_weekday_that_stands_out_is_told():
    reads = [read for weekday in range(4) for read in of_day(weekday, 0.1)] + of_day(4, -0.5)

    answer = await ask(reads, Subject.PATTERN, FOUR_WEEKS)

    assert " lower in mood on Fridays (95 % " in answer.lines[0]
    assert answer.table is not None
    assert [row[0] for row in answer.table.rows[:2]] == ["Monday", "Tuesday"]
    assert answer.table.rows[5][1:3] == ("–", "too few")


async def test_a_week_whose_days_are_alike_has_none_that_stands_out():
    answer = await ask(weeks(-3, 0), Subject.PATTERN, FOUR_WEEKS)

    assert answer.lines[0] == "No weekday clearly differs from the others in #general in the last 4 weeks."


async def test_the_heat_map_shows_hours_and_leaves_those_of_few_people_open():
    reads = [*of_day(0, 0.1), *of_day(1, 0.1), *of_day(2, -0.4, people=4)]

    answer = await ask(reads, Subject.PATTERN, FOUR_WEEKS)

    assert answer.chart is not None
    assert answer.chart.kind is ChartKind.HEAT_MAP
    assert [series.name for series in answer.chart.series] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    shown = {(s.name, p.start.hour) for s in answer.chart.series for p in s.points if p.estimate is not None}
    assert shown == {("Mon", 9), ("Tue", 9)}
    assert "2 hours of 168" in answer.chart.alt


async def test_several_channels_were_otherwise_on_a_weekday():
    reads = [read for weekday in range(4) for read in of_day(weekday, 0.1)] + of_day(4, -0.5)
    both = [*reads, *(replace(read, channel=RANDOM) for read in reads)]

    answer = await ask(both, Subject.PATTERN, Side((HERE, THERE), FOUR_WEEKS.span))

    assert answer.lines[0].startswith("#general and #random were ")


async def test_a_pattern_of_more_than_a_year_is_not_made():
    years = Side((HERE,), Span(Window(MONDAY - timedelta(days=800), MONDAY), "since 2023"))

    with pytest.raises(QuestionError, match="a year at most"):
        await ask([], Subject.PATTERN, years)


async def test_names_are_drawn_beside_each_other():
    reads = [read for week in range(-3, 1) for read in a_week(week, entities=("Jenkins", "Kafka"))]

    answer = await ask(reads, Subject.TRENDS, FOUR_WEEKS)

    assert answer.lines[0] == "Most named in #general in the last 4 weeks: Jenkins and Kafka."
    assert answer.chart is not None
    assert answer.chart.kind is ChartKind.MULTIPLES
    assert [(series.name, len(series.points)) for series in answer.chart.series] == [("Jenkins", 4), ("Kafka", 4)]


async def test_quarters_of_several_years_are_told_as_such():
    reads = [read for week in range(-70, 1) for read in a_week(week, entities=("Jenkins",))]
    two_years = Side((HERE,), Span(Window(MONDAY - 104 * WEEK, MONDAY + WEEK), "last 2 years"))

    answer = await ask(reads, Subject.TRENDS, two_years)

    assert answer.chart is not None
    assert answer.chart.title == "Names in #general by quarter"
    assert re.match(r"Jenkins: from \+\d+ for Q4 2024 to \+\d+ for Q1 2026; lowest", answer.chart.alt)


async def test_a_name_that_is_spoken_of_otherwise_than_usual_is_told():
    usual = [read for week in range(-8, 0) for read in a_week(week, entities=("Jenkins",))]

    answer = await ask([*usual, *a_week(shift=-0.4, entities=("Jenkins",))], Subject.TRENDS, LAST_WEEK)

    assert answer.lines[0].startswith("Jenkins was spoken of ")
    assert " lower in mood than usual (95 % −" in answer.lines[0]


async def test_a_name_of_few_messages_says_how_many_a_mood_needs():
    reads = [*weeks(-8, 0), *(a_read(MONDAY + HOUR, author, 0.9, entities=("Kafka",)) for author in range(6))]

    answer = await ask(reads, Subject.ENTITY, LAST_WEEK, name="Kafka")

    assert answer.lines[0].startswith("Not yet: Kafka was named by 6 people in 6 of the 20 messages that a mood needs")
    assert not answer.ok


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("heatmap #general last month", Subject.PATTERN),
        ("heat map", Subject.PATTERN),
        ("week pattern #general", Subject.PATTERN),
        ("entities products trend #general this month", Subject.TRENDS),
        ("entities over time", Subject.TRENDS),
        ("mood trend #general last month", Subject.MOOD),
        ("mood over time", Subject.MOOD),
    ],
)
def test_they_are_asked_for_in_several_words(text: str, subject: Subject):
    question = parse(text, places=(HERE,), here=HERE, now=AFTER, zone=UTC_ZONE, asker=an_author())

    assert question.subject is subject
    assert [side.places for side in question.sides] == [(HERE,)]
