"""A window cut into the steps of a chart, along the edges of somebody's own calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from itertools import pairwise
from zoneinfo import ZoneInfo

from bot.message import Window

QUARTER_HOUR = timedelta(minutes=15)


class Step(Enum):
    """How long a chart's step is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def step_for(window: Window) -> Step:
    """Hours up to two days, days up to five weeks, weeks up to a year, months beyond; an hour of summer time spared."""
    length = window.end - window.start - timedelta(hours=1)
    if length <= timedelta(days=2):
        return Step.HOUR
    if length <= timedelta(days=35):
        return Step.DAY
    if length <= timedelta(days=366):
        return Step.WEEK
    return Step.MONTH


def aligned(window: Window) -> Window:
    """The whole quarter hours that hold `window`."""
    return Window(_floor(window.start), -(-(window.end - _EPOCH) // QUARTER_HOUR) * QUARTER_HOUR + _EPOCH)


def edges(window: Window, step: Step, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The start of `window`, every local hour, midnight, Monday or month's first inside it, and its end; ascending.

    In UTC and on whole quarter hours. A local day is 23, 24 or 25 hours long, or missing, as its zone has it.
    """
    whole = aligned(window)
    inside = (_floor(edge) for edge in _boundaries(whole, step, zone))
    return tuple(sorted({whole.start, *(edge for edge in inside if whole.start < edge < whole.end), whole.end}))


def cut(window: Window, step: Step, zone: ZoneInfo) -> tuple[Window, ...]:
    """The windows between `edges`."""
    return tuple(Window(start, end) for start, end in pairwise(edges(window, step, zone)))


def whole_step(piece: Window, step: Step, zone: ZoneInfo) -> Window:
    """The calendar hour, day, week or month that `piece` is cut from."""
    first = piece.start.astimezone(zone)
    if step is Step.HOUR:
        start = _floor(piece.start - timedelta(minutes=first.minute))
        return Window(start, start + timedelta(hours=1))
    begins = _first_day(first.date(), step)
    return Window(_midnight(begins, zone), _midnight(_next(begins, step), zone))


def shifted(window: Window, days: int, zone: ZoneInfo) -> Window:
    """The same local days and clock times, `days` later (or earlier); an hour longer or shorter across a clock change.

    Raises ValueError where the local calendar has no such stretch.
    """

    def moved(moment: datetime) -> datetime:
        local = moment.astimezone(zone)
        return (local.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone, fold=local.fold).astimezone(UTC)

    return aligned(Window(moved(window.start), moved(window.end)))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _floor(moment: datetime) -> datetime:
    return (moment - _EPOCH) // QUARTER_HOUR * QUARTER_HOUR + _EPOCH


def _boundaries(window: Window, step: Step, zone: ZoneInfo) -> Iterator[datetime]:
    if step is Step.HOUR:
        moment = window.start - timedelta(minutes=window.start.astimezone(zone).minute)
        while moment < window.end:
            yield moment
            moment += timedelta(hours=1)
        return
    day = _first_day(window.start.astimezone(zone).date(), step)
    while (moment := _midnight(day, zone)) < window.end:
        yield moment
        day = _next(day, step)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # A midnight that the clock skips is the moment of the skip: read with the offset before it, both are one in UTC.
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _first_day(day: date, step: Step) -> date:
    match step:
        case Step.WEEK:
            return day - timedelta(days=day.weekday())
        case Step.MONTH:
            return day.replace(day=1)
        case _:
            return day


def _next(day: date, step: Step) -> date:
    match step:
        case Step.WEEK:
            return day + timedelta(days=7)
        case Step.MONTH:
            return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        case _:
            return day + timedelta(days=1)
