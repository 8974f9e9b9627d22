"""Readings as tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from bot.answer import Align, Bar, Chart, ChartKind, Column, Point, Series, Table
from bot.days import WEEKDAYS, Unit, in_utc, local_day
from bot.estimates import Change, Mood
from bot.trends import Day, EntityReading, Hour, Pattern, Piece, Reading
from bot.wording import counted, percent, percents, signed, span, step_name

POINTS = "score points"
NUMBERS = (Column(""), Column("estimate", Align.RIGHT), Column("95 % interval"))


def mood_table(reading: Reading) -> Table | None:
    """The mood, how it differs from the usual, and the shares, each with its interval; None if there is too little."""
    if not isinstance(reading.mood, Mood) or reading.shares is None:
        return None
    rows = [_row("mood", reading.mood)]
    if reading.usual is not None:
        rows.append(_row("against the usual", reading.usual.mood))
    shares = reading.shares
    for name, share in (("negative", shares.negative), ("neutral", shares.neutral), ("positive", shares.positive)):
        rows.append((name, percent(share.estimate), percents(share)))
    return Table(NUMBERS, tuple(rows))


def _row(name: str, value: Mood | Change) -> tuple[str, str, str]:
    return (name, signed(value.estimate), span(value))


def mood_chart(subject: str, reading: Reading, zone: ZoneInfo) -> Chart | None:
    """The mood of a window step by step; None where no step can be shown."""
    return line_chart(subject, reading.pieces, reading.step, zone)


def line_chart(subject: str, pieces: Sequence[Piece], step: Unit, zone: ZoneInfo) -> Chart | None:
    """Moods over time as one line; None where no step can be shown."""
    if not any(isinstance(piece.mood, Mood) for piece in pieces):
        return None
    return Chart(
        kind=ChartKind.LINES,
        title=f"Mood of {subject} by {step.value}",
        alt=_told(f"Mood of {subject} by {step.value}", pieces, step, zone),
        unit=POINTS,
        zone=zone.key,
        series=(series(subject, pieces),),
        marks=marks(pieces),
    )


def multiples(title: str, lines: Sequence[tuple[str, Sequence[Piece]]], step: Unit, zone: ZoneInfo) -> Chart | None:
    """A small line chart for each name; None where nothing can be shown."""
    shown = [(name, pieces) for name, pieces in lines if any(isinstance(piece.mood, Mood) for piece in pieces)]
    if not shown:
        return None
    return Chart(
        kind=ChartKind.MULTIPLES,
        title=title,
        alt=" ".join(_told(name, pieces, step, zone) for name, pieces in shown),
        unit=POINTS,
        zone=zone.key,
        series=tuple(series(name, pieces) for name, pieces in shown),
        marks=tuple(sorted({mark for _, pieces in shown for mark in marks(pieces)})),
    )


def heat_map(subject: str, pattern: Pattern, zone: ZoneInfo) -> Chart | None:
    """The mood of every hour of the week, several weeks taken together; None where no hour can be shown."""
    known = [(hour.mood, hour) for hour in pattern.hours if hour.mood is not None]
    shown = sorted(known, key=lambda each: each[0])
    if not shown:
        return None
    (low, lowest), (high, highest) = shown[0], shown[-1]
    return Chart(
        kind=ChartKind.HEAT_MAP,
        title=f"Mood of {subject} by hour of the week",
        alt=(
            f"Mood of {subject} by hour of the week: lowest {signed(low)} {_hour_name(lowest)}, "
            f"highest {signed(high)} {_hour_name(highest)}, the less was said the nearer to the middle; "
            f"{counted(len(shown), 'hour')} of 168 with enough people."
        ),
        unit=POINTS,
        zone=zone.key,
        series=tuple(
            Series(name[:3], tuple(_hour_point(hour, pattern, zone) for hour in pattern.hours if hour.weekday == day))
            for day, name in enumerate(WEEKDAYS)
        ),
    )


def _hour_name(hour: Hour) -> str:
    return f"on {WEEKDAYS[hour.weekday]}s at {hour.hour:02}:00"


def _hour_point(hour: Hour, pattern: Pattern, zone: ZoneInfo) -> Point:
    """Its time is that of a plain Monday to Sunday in the window's first week: only the hour is drawn."""
    monday = local_day(pattern.reading.window.start, zone)
    monday -= timedelta(days=monday.weekday())
    start = in_utc(datetime.combine(monday + timedelta(days=hour.weekday), time(hour.hour), tzinfo=zone))
    return Point(start, start + timedelta(hours=1), hour.mood, None, None, hour.messages, hour.people)


def day_table(pattern: Pattern) -> Table:
    """Every weekday with its mood and how it differs from the other days."""
    columns = (
        Column("day"), Column("mood", Align.RIGHT), Column("95 % interval"),
        Column("against other days", Align.RIGHT), Column("95 % interval"), Column("messages", Align.RIGHT),
        Column("people", Align.RIGHT),
    )  # fmt: skip
    return Table(columns, tuple(_day_row(day) for day in pattern.days))


def _day_row(day: Day) -> tuple[str, ...]:
    mood, against = day.mood, day.against
    shown = (signed(mood.estimate), span(mood)) if isinstance(mood, Mood) else ("–", "too few")
    held = (signed(against.estimate), span(against)) if against is not None else ("–", "")
    return (WEEKDAYS[day.weekday], *shown, *held, f"{mood.messages:,}", f"{mood.people:,}")


def mood_bars(title: str, moods: Sequence[tuple[str, Mood]], zone: ZoneInfo) -> Chart:
    """Moods beside each other, with their intervals."""
    told = "; ".join(f"{name} {signed(mood.estimate)} ({span(mood)})" for name, mood in moods)
    bars = tuple(Bar(name, mood.estimate, mood.low, mood.high) for name, mood in moods)
    return Chart(ChartKind.BARS, title, f"{title}: {told}.", POINTS, zone.key, bars=bars)


def entity_table(entities: Sequence[EntityReading]) -> Table:
    """Entities with how many people named them and how they were spoken of."""
    columns = (
        Column("name"),
        Column("kind"),
        Column("people", Align.RIGHT),
        Column("messages", Align.RIGHT),
        Column("mood", Align.RIGHT),
        Column("95 % interval"),
    )
    return Table(columns, tuple(_entity_row(entity) for entity in entities))


def _entity_row(entity: EntityReading) -> tuple[str, ...]:
    tally, mood = entity.tally, entity.mood
    if isinstance(mood, Mood):
        spoken = (signed(mood.estimate), span(mood))
    else:
        spoken = ("–", "people aren't scored" if mood is None else "")
    return (tally.name, tally.kind.value, f"{tally.people:,}", f"{tally.messages:,}", *spoken)


def entity_chart(subject: str, entities: Sequence[EntityReading], zone: ZoneInfo) -> Chart:
    """How many people named each entity."""
    told = ", ".join(f"{entity.tally.name} {entity.tally.people}" for entity in entities)
    title = f"People who named it in {subject}"
    bars = tuple(Bar(entity.tally.name, entity.tally.people) for entity in entities)
    return Chart(ChartKind.BARS, title, f"{title}: {told}.", "people", zone.key, bars=bars)


def series(name: str, pieces: Sequence[Piece]) -> Series:
    """A line of points; a step with too few people is a gap."""
    return Series(name, tuple(_point(piece) for piece in pieces))


def _point(piece: Piece) -> Point:
    mood = piece.mood
    estimate, low, high = (mood.estimate, mood.low, mood.high) if isinstance(mood, Mood) else (None, None, None)
    return Point(
        start=piece.window.start,
        end=piece.window.end,
        estimate=estimate,
        low=low,
        high=high,
        messages=mood.messages,
        people=mood.people,
        complete=piece.complete,
    )


def marks(pieces: Sequence[Piece]) -> tuple[tuple[datetime, str], ...]:
    """Where another model begins to read: what changes there may be the reader's mood, not the room's."""
    read = [piece for piece in pieces if piece.model is not None]
    return tuple(
        (after.window.start, f"read by {after.model} from here")
        for before, after in pairwise(read)
        if before.model != after.model
    )


def _told(title: str, pieces: Sequence[Piece], step: Unit, zone: ZoneInfo) -> str:
    shown = [(piece, piece.mood) for piece in pieces if isinstance(piece.mood, Mood)]

    def at(piece: Piece, mood: Mood) -> str:
        return f"{signed(mood.estimate)} for {step_name(piece.window, step, zone)}"

    def stretch(run: Sequence[tuple[Piece, Mood]]) -> str:
        if len(run) == 1:
            return at(*run[0])
        low = min(run, key=lambda each: each[1].estimate)
        high = max(run, key=lambda each: each[1].estimate)
        return f"from {at(*run[0])} to {at(*run[-1])}; lowest {at(*low)}, highest {at(*high)}"

    runs = [list(run) for _, run in groupby(shown, key=lambda each: each[0].model)]
    told = f"{title}: {'; then, read by another model, '.join(map(stretch, runs))}."
    if gaps := len(pieces) - len(shown):
        told += f" {counted(gaps, 'step')} with too few people {'is a gap' if gaps == 1 else 'are gaps'}."
    if not pieces[-1].complete:
        told += " The last step isn't over."
    return told
