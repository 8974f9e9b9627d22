"""Local days and quarter hours: when they begin, and how a window of them is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from bot.message import Window

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Where 'all time' and 'until Friday' begin; no window reaches further back."""

QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Unit(StrEnum):
    """A unit of time; weeks are ISO weeks."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


def describe(window: Window, zone: ZoneInfo, now: datetime) -> str:
    """Words for any window as seen from `now` in `zone`: 'yesterday (23 Nov)', 'March 2025', '3–9 March'.

    They read back as the same window if its edges are whole local days or quarter hours and it ends by the end of
    today, again except for a clock time that summer time makes ambiguous.
    """
    today = local_day(now, zone)
    first, after = local_day(window.start, zone), local_day(window.end, zone)
    if window.start == BEGINNING and window.end == midnight(after, zone):
        return "all time" if after == today + DAY else f"until {day_words(after - DAY, today)}"
    if window.start != midnight(first, zone) or window.end != midnight(after, zone):
        return moments(window, zone, today)
    for name, start, end in _named(today):
        if (first, min(after, today + DAY)) == (start, min(end, today + DAY)):
            return f"{name} ({dates(first, after, today, short=True)})"
    if after == today + DAY:
        if (after - first).days > 31:
            return f"since {day_words(first, today)}"
        return f"last {(after - first).days} days ({dates(first, after, today, short=True)})"
    return calendar_words(first, after, today)


def calendar_words(first: date, after: date, today: date) -> str:
    """The days from `first` until before `after`, as a calendar names them: 'March', 'Q3 2025', '3–9 March'."""
    last = after - DAY
    if last == first:
        return day_words(first, today)
    if first.day == 1 and after.day == 1:
        if after == first + step(Unit.MONTH):
            return MONTHS[first.month - 1] + (f" {first.year}" if first.year != today.year else "")
        if first.month % 3 == 1 and after == first + step(Unit.QUARTER):
            return f"Q{first.month // 3 + 1} {first.year}"
        if first.month == 1 and after == first + step(Unit.YEAR):
            return str(first.year)
    return dates(first, after, today)


def dates(first: date, after: date, today: date, *, short: bool = False) -> str:
    """'3–9 March', '30 March – 5 April 2025'; the year only where it isn't this one."""
    last = after - DAY
    begins, ends = (f"{day.day} {MONTHS[day.month - 1][: 3 if short else None]}" for day in (first, last))
    year = "" if first.year == last.year == today.year else f" {last.year}"
    if first >= last:
        return f"{ends}{year}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{ends}{year}"
    return f"{begins}{'' if first.year == last.year else f' {first.year}'} – {ends}{year}"


def day_words(day: date, today: date) -> str:
    """'3 March', with the year if it isn't that of `today`."""
    return dates(day, day + DAY, today)


def moments(window: Window, zone: ZoneInfo, today: date, *, short: bool = False) -> str:
    """'23 November, 14:00–16:00', '22 November, 22:30 – 24 November, 10:45'."""
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    first, last = (dates(edge.date(), edge.date() + DAY, today, short=short) for edge in (start, end))
    if end.date() == start.date():
        return f"{first}, {start:%H:%M}–{end:%H:%M}"
    if end.date() == start.date() + DAY and (end.hour, end.minute) == (0, 0):
        return f"{first}, {start:%H:%M}–24:00"
    return f"{first}, {start:%H:%M} – {last}, {end:%H:%M}"


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """The day that `moment` belongs to in `zone`."""
    return moment.astimezone(zone).date()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When `day` begins: its first instant, also where summer time leaves out midnight or has it twice."""
    return in_utc(datetime(day.year, day.month, day.day, tzinfo=zone))


def clock_time(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """`minutes` after midnight of `day` by the clocks of `zone`; of a time that they show twice, the first."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minutes)  # wall clock
    return in_utc(local)


def quarter_floor(moment: datetime) -> datetime:
    """The quarter hour that `moment` is in."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def quarter_ceil(moment: datetime) -> datetime:
    """The end of that quarter hour, or `moment` itself if it is on one."""
    floor = quarter_floor(moment)
    return floor if floor == moment else floor + QUARTER


def monday(day: date) -> date:
    """The Monday of the ISO week of `day`."""
    return day - day.weekday() * DAY


def unit_start(unit: Unit, day: date) -> date:
    """The first day of the unit that `day` is in."""
    match unit:
        case Unit.WEEK:
            return monday(day)
        case Unit.MONTH:
            return day.replace(day=1)
        case Unit.QUARTER:
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case Unit.YEAR:
            return day.replace(month=1, day=1)
        case _:
            return day


def step(unit: Unit) -> relativedelta:
    """From one unit to the next, by the calendar."""
    match unit:
        case Unit.MINUTE:
            return relativedelta(minutes=1)
        case Unit.HOUR:
            return relativedelta(hours=1)
        case Unit.DAY:
            return relativedelta(days=1)
        case Unit.WEEK:
            return relativedelta(weeks=1)
        case Unit.MONTH:
            return relativedelta(months=1)
        case Unit.QUARTER:
            return relativedelta(months=3)
        case Unit.YEAR:
            return relativedelta(years=1)


def _named(today: date) -> Iterator[tuple[str, date, date]]:
    yield "today", today, today + DAY
    yield "yesterday", today - DAY, today
    for unit in (Unit.WEEK, Unit.MONTH, Unit.QUARTER, Unit.YEAR):
        start, back = unit_start(unit, today), step(unit)
        yield f"this {unit}", start, start + back
        yield f"last {unit}", start - back, start
        if unit is Unit.WEEK:
            yield "the week before last", start - 2 * back, start - back


def in_utc(local: datetime) -> datetime:
    """`local` in UTC, on a quarter hour."""
    # Until 1979 a few offsets were odd (Kiritimati: -10:40); the roll-ups are kept by the quarter hour. The next one,
    # so that a day's first quarter hour is inside it.
    return quarter_ceil(local.astimezone(UTC))
