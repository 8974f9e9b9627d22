"""When posts are due: clocks that change, days and weeks that aren't like others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import when
from bot.schedule import Times

BERLIN = Times(0, 9, 0, "Europe/Berlin")


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "now", "latest"),
    [
        (BERLIN, utc(2026, 3, 9, 8), utc(2026, 3, 9, 8)),
        (BERLIN, utc(2026, 3, 9, 7, 59, 59), utc(2026, 3, 2, 8)),
        (BERLIN, utc(2026, 3, 15, 8), utc(2026, 3, 9, 8)),
        (BERLIN, utc(2026, 3, 30, 7), utc(2026, 3, 30, 7)),
        (BERLIN, utc(2026, 10, 26, 7, 59), utc(2026, 10, 19, 7)),
        (BERLIN, utc(2026, 10, 26, 8), utc(2026, 10, 26, 8)),
        (Times(6, 2, 30, "Europe/Berlin"), utc(2026, 3, 29, 12), utc(2026, 3, 29, 1)),
        (Times(6, 2, 30, "Europe/Berlin"), utc(2026, 10, 25, 12), utc(2026, 10, 25, 0, 30)),
        (Times(0, 0, 0, "Pacific/Auckland"), utc(2026, 3, 9, 8), utc(2026, 3, 8, 11)),
        (Times(4, 9, 0, "Pacific/Apia"), utc(2011, 12, 30, 9, 59), utc(2011, 12, 23, 19)),
        (Times(4, 9, 0, "Pacific/Apia"), utc(2011, 12, 30, 10), utc(2011, 12, 30, 10)),
        (Times(4, 9, 0, "Pacific/Apia"), utc(2012, 1, 5, 19), utc(2012, 1, 5, 19)),
        (Times(None, 17, 0, "America/New_York"), utc(2026, 3, 9, 8), utc(2026, 3, 8, 21)),
        (Times(0, 9, 0, "UTC"), utc(2027, 1, 4, 9), utc(2027, 1, 4, 9)),
    ],
    ids=[
        "on the minute", "a second before", "days later", "summer time", "winter time, not yet", "winter time",
        "an hour that is left out", "an hour that comes twice", "far east", "before a day that is left out",
        "a day that is left out", "after a day that is left out", "every day", "after week 53",
    ],
)  # fmt: skip
def test_the_latest_due_time_is_by_the_clocks_of_its_zone(times: Times, now: datetime, latest: datetime):
    assert times.latest(now) == latest


def test_a_year_of_53_weeks_has_53_digests_each_of_its_own_week():
    times = Times(0, 9, 0, "Europe/Berlin")
    zone = ZoneInfo(times.zone)
    due = list(islice(times.after(utc(2026, 1, 1)), 53))

    windows = [when.read("last week", now=at, zone=zone).window for at in due]

    assert [(window.start.astimezone(zone).isocalendar()[:2]) for window in windows] == [
        (2026, week) for week in range(1, 54)
    ]
    assert all(first.end == second.start for first, second in pairwise(windows))


def test_an_hour_that_comes_twice_is_due_once():
    due = list(islice(Times(None, 2, 30, "Europe/Berlin").after(utc(2026, 10, 24, 12)), 2))

    assert due == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
times = st.builds(Times, st.none() | st.integers(0, 6), st.integers(0, 23), st.integers(0, 59), st.sampled_from(ZONES))


@given(times=times, seconds=st.integers(0, 35 * 365 * 86_400))
def test_what_is_due_latest_is_over_and_what_is_due_next_is_not(times: Times, seconds: int):
    now = utc(2000, 1, 1) + timedelta(seconds=seconds)
    latest, following = times.latest(now), next(times.after(now))

    assert now - timedelta(days=8) < latest <= now < following
    assert next(times.after(latest)) == following


@pytest.mark.parametrize(("weekday", "hour", "minute"), [(7, 9, 0), (0, 24, 0), (0, 9, 60), (-1, 9, 0)])
def test_what_no_clock_shows_is_refused(weekday: int, hour: int, minute: int):
    with pytest.raises(ValueError, match="no clock"):
        Times(weekday, hour, minute, "UTC")


def test_times_are_said_in_words():
    assert BERLIN.words() == "on Mondays at 09:00 (Europe/Berlin)"
    assert Times(None, 17, 5, "UTC").words() == "every day at 17:05 (UTC)"
