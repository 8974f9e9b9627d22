"""A window cut along somebody's own calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.days import Unit
from bot.message import Window
from bot.steps import aligned, cut, end_of, shifted, step_for, step_for_names
from tests.examples import AT, DAY, HOUR, WEEK

BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
KATHMANDU = ZoneInfo("Asia/Kathmandu")


def local(*when: int, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime(*when, tzinfo=zone).astimezone(UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("length", "unit"),
    [
        (HOUR, Unit.HOUR), (2 * DAY, Unit.HOUR), (2 * DAY + HOUR, Unit.HOUR), (3 * DAY, Unit.DAY), (35 * DAY, Unit.DAY),
        (36 * DAY, Unit.WEEK), (366 * DAY, Unit.WEEK), (367 * DAY, Unit.MONTH), (5000 * DAY, Unit.MONTH),
    ],
)  # fmt: skip
def test_the_step_grows_with_the_window(length: timedelta, unit: Unit):
    assert step_for(Window(AT, AT + length)) is unit


@pytest.mark.parametrize(
    ("length", "unit"),
    [
        (2 * DAY, Unit.HOUR), (35 * DAY, Unit.DAY), (36 * DAY, Unit.WEEK), (126 * DAY, Unit.WEEK),
        (127 * DAY, Unit.MONTH), (366 * DAY, Unit.MONTH), (367 * DAY, Unit.QUARTER),
    ],
)  # fmt: skip
def test_names_are_looked_at_in_longer_steps_over_many_weeks(length: timedelta, unit: Unit):
    assert step_for_names(Window(AT, AT + length)) is unit


@given(days=st.integers(3, 4000), after=st.integers(0, 20_000))
def test_no_window_of_names_has_only_a_few_steps(days: int, after: int):
    whole = Window(AT + after * DAY, AT + (after + days) * DAY)

    assert len(cut(whole, step_for_names(whole), BERLIN)) >= min(days, 5)


def test_a_week_in_which_summer_time_begins_has_seven_days_one_of_them_short():
    week = Window(local(2026, 3, 23), local(2026, 3, 30))

    days = cut(week, Unit.DAY, BERLIN)

    assert [day.end - day.start for day in days] == [DAY] * 6 + [23 * HOUR]


def test_a_week_in_which_summer_time_ends_has_seven_days_one_of_them_long():
    week = Window(local(2026, 10, 19), local(2026, 10, 26))

    days = cut(week, Unit.DAY, BERLIN)

    assert [day.end - day.start for day in days] == [DAY] * 6 + [25 * HOUR]


def test_a_day_that_a_zone_skips_is_no_step():
    week = Window(local(2011, 12, 26, zone=APIA), local(2012, 1, 2, zone=APIA))

    days = cut(week, Unit.DAY, APIA)

    assert [day.start.astimezone(APIA).day for day in days] == [26, 27, 28, 29, 31, 1]


def test_a_window_that_begins_within_a_step_keeps_what_there_is_of_it():
    window = Window(local(2026, 3, 4, 10), local(2026, 3, 17, 9))

    weeks = cut(window, Unit.WEEK, BERLIN)

    assert [week.start for week in weeks] == [window.start, local(2026, 3, 9), local(2026, 3, 16)]
    assert weeks[-1].end == window.end
    assert end_of(weeks[-1], Unit.WEEK, BERLIN) == local(2026, 3, 23)


def test_hours_begin_on_the_hour_of_the_asker():
    kathmandu = cut(Window(AT, AT + 2 * HOUR), Unit.HOUR, KATHMANDU)  # a quarter to three in the afternoon

    assert [hour.start.astimezone(KATHMANDU).minute for hour in kathmandu] == [45, 0, 0]
    assert end_of(kathmandu[0], Unit.HOUR, KATHMANDU) == kathmandu[1].start


def test_months_begin_on_their_first():
    months = cut(Window(local(2026, 1, 15), local(2026, 4, 1)), Unit.MONTH, BERLIN)

    assert [month.start for month in months] == [local(2026, 1, 15), local(2026, 2, 1), local(2026, 3, 1)]


def test_a_week_before_summer_time_begins_at_the_same_clock_time():
    window = Window(local(2026, 3, 30, 9), local(2026, 4, 3, 17))

    earlier = shifted(window, -7, BERLIN)

    assert earlier == Window(local(2026, 3, 23, 9), local(2026, 3, 27, 17))
    assert window.start - earlier.start == WEEK - HOUR


def test_edges_between_quarter_hours_are_moved_outwards():
    assert aligned(Window(AT + timedelta(minutes=7), AT + timedelta(minutes=31))) == Window(
        AT, AT + timedelta(minutes=45)
    )


@given(
    minutes=st.integers(-28_000_000, 7_000_000),
    hours=st.integers(1, 24 * 400),
    unit=st.sampled_from([Unit.HOUR, Unit.DAY, Unit.WEEK, Unit.MONTH]),
    zone=st.sampled_from([BERLIN, APIA, LORD_HOWE, KATHMANDU]),
)
def test_steps_are_whole_quarter_hours_that_leave_nothing_out(minutes: int, hours: int, unit: Unit, zone: ZoneInfo):
    if unit is Unit.HOUR:
        hours = hours % 72 + 1
    start = AT + timedelta(minutes=minutes)
    window = Window(start, start + timedelta(hours=hours))

    steps = cut(window, unit, zone)

    whole = aligned(window)
    assert (steps[0].start, steps[-1].end) == (whole.start, whole.end)
    assert [step.end for step in steps[:-1]] == [step.start for step in steps[1:]]
    assert all(edge.timestamp() % 900 == 0 for step in steps for edge in (step.start, step.end))
    assert all(step.end <= end_of(step, unit, zone) for step in steps)
