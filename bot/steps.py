"""A window cut into the steps of a chart, along the edges of somebody's own calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from bot.days import Unit, in_utc, local_day, midnight, quarter_ceil, quarter_floor, step, unit_start
from bot.message import Window

HOUR = timedelta(hours=1)

FIVE_MONTHS = timedelta(weeks=18, hours=1)
"""A longer window has days of five months, or more, in it."""

LONGER = {Unit.HOUR: Unit.DAY, Unit.DAY: Unit.WEEK, Unit.WEEK: Unit.MONTH, Unit.MONTH: Unit.QUARTER}
"""The step of a chart about a few of the messages, by that of one about all of them."""


def step_for(window: Window) -> Unit:
    """Hours up to two days, days up to five weeks, weeks up to a year, months beyond; an hour of summer time spared."""
    length = window.end - window.start - HOUR
    if length <= timedelta(days=2):
        return Unit.HOUR
    if length <= timedelta(days=35):
        return Unit.DAY
    if length <= timedelta(days=366):
        return Unit.WEEK
    return Unit.MONTH


def step_for_names(window: Window) -> Unit:
    """As `step_for`, for messages that name something, few a week: a long window is looked at in longer steps.

    Always in five steps or more, where there are as many days: in two, nobody can tell what people share in one.
    """
    step = step_for(window)
    return LONGER[step] if window.end - window.start > FIVE_MONTHS else step


def aligned(window: Window) -> Window:
    """The whole quarter hours that hold `window`."""
    return Window(quarter_floor(window.start), quarter_ceil(window.end))


def cut(window: Window, unit: Unit, zone: ZoneInfo) -> tuple[Window, ...]:
    """`window` cut at every local hour, midnight, Monday or month's first inside it; ascending, in whole quarter hours.

    A local day is 23, 24 or 25 hours long, or missing, as its zone has it.
    """
    whole = aligned(window)
    edges = {whole.start, *(edge for edge in _edges(whole, unit, zone) if whole.start < edge < whole.end), whole.end}
    return tuple(Window(start, end) for start, end in pairwise(sorted(edges)))


def end_of(piece: Window, unit: Unit, zone: ZoneInfo) -> datetime:
    """When the calendar hour, day, week or month ends that `piece` is cut from."""
    if unit is Unit.HOUR:
        return _full_hour(piece.start, zone) + HOUR
    return midnight(unit_start(unit, local_day(piece.start, zone)) + step(unit), zone)


def shifted(window: Window, days: int, zone: ZoneInfo) -> Window:
    """The same local days and clock times, `days` later (or earlier); an hour longer or shorter across a clock change.

    Raises ValueError or OverflowError where the local calendar has no such stretch.
    """

    def moved(moment: datetime) -> datetime:
        local = moment.astimezone(zone).replace(tzinfo=None) + timedelta(days=days)
        return in_utc(local.replace(tzinfo=zone))

    return Window(moved(window.start), moved(window.end))


def _edges(window: Window, unit: Unit, zone: ZoneInfo) -> Iterator[datetime]:
    if unit is Unit.HOUR:
        moment = _full_hour(window.start, zone)
        while moment < window.end:
            yield moment
            moment += HOUR
        return
    day = unit_start(unit, local_day(window.start, zone))
    while (moment := midnight(day, zone)) < window.end:
        yield moment
        day += step(unit)


def _full_hour(moment: datetime, zone: ZoneInfo) -> datetime:
    return quarter_floor(moment - timedelta(minutes=moment.astimezone(zone).minute)).astimezone(UTC)
