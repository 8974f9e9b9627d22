"""Two readings beside each other: a sentence, a table and a chart."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.answer import Align, Answer, Column, Table
from bot.estimates import Mood, TooFew
from bot.figures import mood_bars
from bot.question import Side
from bot.trends import Comparison
from bot.wording import (
    asked_again,
    compared,
    crossed,
    not_yet,
    percent,
    rests_on,
    shortened,
    side,
    signed,
    span,
    was,
    when,
    where,
    within,
)


def comparison(found: Comparison, first: Side, second: Side, zone: ZoneInfo) -> Answer:
    """What is told of `first` held against `second`."""
    names = _names(first, second)
    readings = (found.first, found.second)
    moods = [
        (name, reading.mood) for name, reading in zip(names, readings, strict=True) if isinstance(reading.mood, Mood)
    ]
    title = f"{names[0]} against {names[1]}"
    if first.places == second.places:
        title = f"{where(first.places)}: {title}"
    return Answer(
        title=title,
        lines=(
            shortened(_sentence(found, names, (first, second))),
            *(f"{name}: {said}" for name, each in zip(names, readings, strict=True) for said in crossed(each)),
        ),
        footnote=" ".join(f"{name}: {rests_on(reading)}" for name, reading in zip(names, readings, strict=True)),
        table=_table(found, names) if found.change is not None else None,
        chart=mood_bars(title, moods, zone) if found.change is not None else None,
        window=found.first.window,
        suggestions=tuple(dict.fromkeys((f"mood {asked_again(first)}", f"mood {asked_again(second)}"))),
        ok=found.change is not None,
    )


def _names(first: Side, second: Side) -> tuple[str, str]:
    """The shortest names that tell two sides apart."""
    if first.places == second.places:
        return first.span.words, second.span.words
    if first.span.window == second.span.window:
        return where(first.places), where(second.places)
    return f"{where(first.places)}, {first.span.words}", f"{where(second.places)}, {second.span.words}"


def _sentence(found: Comparison, names: tuple[str, str], sides: tuple[Side, Side]) -> str:
    for reading, looked_at in zip((found.first, found.second), sides, strict=True):
        if isinstance(reading.mood, TooFew):
            return not_yet(reading.mood, where(looked_at.places), when(looked_at.span.words))
    if found.change is None:
        # Of two times of the same channels, the names are the times.
        verb = "was" if sides[0].places == sides[1].places else was(sides[0].places)
        return (
            f"Can't be compared: {names[0]} {verb} read by {found.first.model}, {names[1]} by {found.second.model}, "
            "and two readers' numbers aren't the same thing."
        )
    change = found.change
    if not change.is_clear:
        pair = f"{side(sides[0])} and {side(sides[1])}"
        return f"No clear difference between {pair}: {signed(change.estimate)} ({within(change)})."
    return (
        f"{side(sides[0])} {was(sides[0].places)} {compared(change)} in mood than {side(sides[1])} ({within(change)})."
    )


def _table(found: Comparison, names: tuple[str, str]) -> Table:
    columns = (
        Column(""), Column("mood", Align.RIGHT), Column("95 % interval"), Column("negative", Align.RIGHT),
        Column("positive", Align.RIGHT), Column("messages", Align.RIGHT), Column("people", Align.RIGHT),
    )  # fmt: skip
    rows = []
    for name, reading in zip(names, (found.first, found.second), strict=True):
        mood, shares = reading.mood, reading.shares
        assert isinstance(mood, Mood)
        assert shares is not None
        rows.append(
            (
                name, signed(mood.estimate), span(mood), percent(shares.negative.estimate),
                percent(shares.positive.estimate), f"{mood.messages:,}", f"{mood.people:,}",
            )
        )  # fmt: skip
    assert found.change is not None
    rows.append(("difference", signed(found.change.estimate), span(found.change), "", "", "", ""))
    return Table(columns, tuple(rows))
