"""The shape of a week, and moods of names over time: what is told of several weeks taken together."""

from __future__ import annotations

from collections.abc import Sequence

from bot import estimates
from bot.answer import Answer
from bot.days import WEEKDAYS, Unit
from bot.estimates import Change
from bot.figures import day_table, entity_table, heat_map, multiples
from bot.privacy import MINIMUM_AUTHORS
from bot.question import Question, Side
from bot.trends import EntityReading, Pattern, Piece, Reading
from bot.wording import asked_again, compared, counted, crossed, listed, rests_on, shortened, was, when, where, within

NAMES = 6
"""Names drawn beside each other; more can't be read on a phone."""

LONGEST_PATTERN_DAYS = 366
"""A pattern of more days would mix too different times."""


def pattern_answer(found: Pattern, looked_at: Side, question: Question) -> Answer:
    """How the days and hours of a week differ, as a sentence, a table and a heat map."""
    here, time = where(looked_at.places), when(looked_at.span.words)
    shown = [hour.mood for hour in found.hours if hour.mood is not None]
    return Answer(
        title=f"The week in {here}, {looked_at.span.words}",
        lines=(
            shortened(_days_sentence(found, here, time, was(looked_at.places))),
            f"{counted(len(shown), 'hour')} of the week had {MINIMUM_AUTHORS} people or more. {_hours_sentence(shown)}",
            *crossed(found.reading),
        ),
        footnote=f"{rests_on(found.reading)} Weekdays and hours in {question.zone.key}.",
        table=day_table(found),
        chart=heat_map(here, found, question.zone),
        window=found.reading.window,
        suggestions=(f"mood {asked_again(looked_at)}", f"explain {asked_again(looked_at)}"),
    )


def trends_answer(
    reading: Reading,
    found: Sequence[EntityReading],
    over_time: tuple[Unit, Sequence[tuple[str, Sequence[Piece]]]],
    looked_at: Side,
    question: Question,
) -> Answer:
    """What most people named, each with its mood over time; changes told together."""
    here, time = where(looked_at.places), when(looked_at.span.words)
    step, lines = over_time
    names = listed([entity.tally.name for entity in found], most=NAMES)
    changed = _changed(found)
    told = (
        [f"{name} was spoken of {compared(change)} in mood than usual ({within(change)})." for name, change in changed]
        or [f"Most named in {here} {time}: {names}."]
    )  # fmt: skip
    if not changed and any(entity.change is not None for entity in found):
        told.append("None of them is clearly spoken of otherwise than usual.")
    return Answer(
        title=f"Names over time in {here}, {looked_at.span.words}",
        lines=(shortened(told[0]), *told[1:], *crossed(reading)),
        footnote=f"{rests_on(reading, names=True)} The mood is that of whole messages which name it.",
        table=entity_table(found),
        chart=multiples(f"Names in {here} by {step.value}", lines, step, question.zone),
        window=reading.window,
        suggestions=tuple(f"entity {entity.tally.name} {asked_again(looked_at)}" for entity in found[:3]),
    )


def _days_sentence(found: Pattern, here: str, time: str, verb: str) -> str:
    special = [(day, day.against) for day in found.days if day.stands_out and day.against is not None]
    if not special:
        return f"No weekday clearly differs from the others in {here} {time}."
    told = [f"{compared(change)} in mood on {WEEKDAYS[day.weekday]}s ({within(change)})" for day, change in special]
    return f"{here} {verb} {listed(told)} than on other days {time}."


def _hours_sentence(moods: Sequence[float]) -> str:
    if not moods or max(moods) - min(moods) < 1:
        return "They differ no more than chance makes them, so all are drawn in one colour."
    return "Each is drawn towards the others, the more the less was said in it."


def _changed(found: Sequence[EntityReading]) -> list[tuple[str, Change]]:
    """Names whose change from the usual may be told though so many were looked at."""
    tested = [(entity.tally.name, entity.change) for entity in found if entity.change is not None]
    real = estimates.discoveries([change.p_value for _, change in tested])
    return [each for each, is_real in zip(tested, real, strict=True) if is_real and each[1].is_clear]
