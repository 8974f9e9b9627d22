"""Words in a zone → a window: a table of phrases, zones with odd days, and properties over every phrase."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot import days, when
from bot.errors import QuestionError
from bot.message import Window
from tests.examples import DAY, HOUR

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
"""Tuesday, 24 November 2026, 10:30 in Berlin."""

# What is said; where it begins and ends on Berlin's clocks; how it is said back.
PHRASES = (
    ("today", "2026-11-24", "2026-11-25", "today (24 Nov)"),
    ("yesterday", "2026-11-23", "2026-11-24", "yesterday (23 Nov)"),
    ("the day before yesterday", "2026-11-22", "2026-11-23", "the day before yesterday (22 Nov)"),
    ("this week", "2026-11-23", "2026-11-25", "this week (23–24 Nov)"),
    ("this week so far", "2026-11-23", "2026-11-25", "this week (23–24 Nov)"),
    ("last week", "2026-11-16", "2026-11-23", "last week (16–22 Nov)"),
    ("past week", "2026-11-18", "2026-11-25", "last 7 days (18–24 Nov)"),
    ("the previous week", "2026-11-16", "2026-11-23", "last week (16–22 Nov)"),
    ("the week before last", "2026-11-09", "2026-11-16", "the week before last (9–15 Nov)"),
    ("last fortnight", "2026-11-11", "2026-11-25", "last 14 days (11–24 Nov)"),
    ("week 42-45", "2026-10-12", "2026-11-09", "weeks 42–45 (12 Oct – 8 Nov)"),
    ("MTD", "2026-11-01", "2026-11-25", "this month (1–24 Nov)"),
    ("year to date", "2026-01-01", "2026-11-25", "this year (1 Jan – 24 Nov)"),
    ("since the beginning of the month", "2026-11-01", "2026-11-25", "since 1 November (1–24 Nov)"),
    ("since the start of this year", "2026-01-01", "2026-11-25", "since 1 January (1 Jan – 24 Nov)"),
    ("since the beginning of last month", "2026-10-01", "2026-11-25", "since last month (1 Oct – 24 Nov)"),
    ("this month", "2026-11-01", "2026-11-25", "this month (1–24 Nov)"),
    ("last month", "2026-10-01", "2026-11-01", "last month (1–31 Oct)"),
    ("past month", "2026-10-25", "2026-11-25", "past month (25 Oct – 24 Nov)"),
    ("this quarter", "2026-10-01", "2026-11-25", "this quarter (1 Oct – 24 Nov)"),
    ("last quarter", "2026-07-01", "2026-10-01", "last quarter (1 Jul – 30 Sep)"),
    ("this year", "2026-01-01", "2026-11-25", "this year (1 Jan – 24 Nov)"),
    ("last year", "2025-01-01", "2026-01-01", "last year (1 Jan – 31 Dec 2025)"),
    ("last weekend", "2026-11-21", "2026-11-23", "last weekend (21–22 Nov)"),
    ("the weekend before last", "2026-11-14", "2026-11-16", "the weekend before last (14–15 Nov)"),
    ("Monday", "2026-11-23", "2026-11-24", "Monday (23 Nov)"),
    ("on Tuesday", "2026-11-17", "2026-11-18", "Tuesday (17 Nov)"),
    ("last Friday", "2026-11-20", "2026-11-21", "Friday (20 Nov)"),
    ("this Monday", "2026-11-23", "2026-11-24", "Monday this week (23 Nov)"),
    ("Monday last week", "2026-11-16", "2026-11-17", "Monday last week (16 Nov)"),
    ("last week Monday", "2026-11-16", "2026-11-17", "Monday last week (16 Nov)"),
    ("in March", "2026-03-01", "2026-04-01", "March"),
    ("March", "2026-03-01", "2026-04-01", "March"),
    ("march 2025", "2025-03-01", "2025-04-01", "March 2025"),
    ("Last November", "2025-11-01", "2025-12-01", "November 2025"),
    ("november", "2026-11-01", "2026-11-25", "November"),
    ("december", "2025-12-01", "2026-01-01", "December 2025"),
    ("may", "2026-05-01", "2026-06-01", "May"),
    ("march last year", "2025-03-01", "2025-04-01", "March 2025"),
    ("14d", "2026-11-11", "2026-11-25", "last 14 days (11–24 Nov)"),
    ("36h", "2026-11-22 22:30", "2026-11-24 10:30", "last 36 hours (22 Nov, 22:30 – 24 Nov, 10:30)"),
    ("2w", "2026-11-11", "2026-11-25", "last 14 days (11–24 Nov)"),
    ("3mo", "2026-08-25", "2026-11-25", "last 3 months (25 Aug – 24 Nov)"),
    ("1d", "2026-11-23 10:30", "2026-11-24 10:30", "last 24 hours (23 Nov, 10:30 – 24 Nov, 10:30)"),
    ("1y", "2025-11-25", "2026-11-25", "past year (25 Nov 2025 – 24 Nov 2026)"),
    ("90 days", "2026-08-27", "2026-11-25", "last 90 days (27 Aug – 24 Nov)"),
    ("last 14 days", "2026-11-11", "2026-11-25", "last 14 days (11–24 Nov)"),
    ("the last 2 weeks", "2026-11-11", "2026-11-25", "last 14 days (11–24 Nov)"),
    ("last 3 months", "2026-08-25", "2026-11-25", "last 3 months (25 Aug – 24 Nov)"),
    ("over the last few days", "2026-11-22", "2026-11-25", "last 3 days (22–24 Nov)"),
    ("last 24 hours", "2026-11-23 10:30", "2026-11-24 10:30", "last 24 hours (23 Nov, 10:30 – 24 Nov, 10:30)"),
    ("last hour", "2026-11-24 09:30", "2026-11-24 10:30", "last hour (24 Nov, 09:30–10:30)"),
    ("45 min", "2026-11-24 09:45", "2026-11-24 10:30", "last 45 minutes (24 Nov, 09:45–10:30)"),
    ("3 days ago", "2026-11-21", "2026-11-22", "3 days ago (21 Nov)"),
    ("2 weeks ago", "2026-11-09", "2026-11-16", "2 weeks ago (9–15 Nov)"),
    ("a month ago", "2026-10-01", "2026-11-01", "1 month ago (1–31 Oct)"),
    ("12 hours ago", "2026-11-23 22:30", "2026-11-23 23:30", "12 hours ago (23 Nov, 22:30–23:30)"),
    ("Q3", "2026-07-01", "2026-10-01", "Q3 2026"),
    ("Q3 2025", "2025-07-01", "2025-10-01", "Q3 2025"),
    ("2025-Q1", "2025-01-01", "2025-04-01", "Q1 2025"),
    ("third quarter of 2025", "2025-07-01", "2025-10-01", "Q3 2025"),
    ("H1", "2026-01-01", "2026-07-01", "H1 2026 (1 Jan – 30 Jun)"),
    ("2025-W07", "2025-02-10", "2025-02-17", "week 7 of 2025 (10–16 Feb 2025)"),
    ("2025W07", "2025-02-10", "2025-02-17", "week 7 of 2025 (10–16 Feb 2025)"),
    ("2020-W53", "2020-12-28", "2021-01-04", "week 53 of 2020 (28 Dec 2020 – 3 Jan 2021)"),
    ("week 7", "2026-02-09", "2026-02-16", "week 7 (9–15 Feb)"),
    ("week 7 of 2025", "2025-02-10", "2025-02-17", "week 7 of 2025 (10–16 Feb 2025)"),
    ("week 48", "2026-11-23", "2026-11-25", "week 48 (23–24 Nov)"),
    ("week of 3 March", "2026-03-02", "2026-03-09", "week of 2 March (2–8 Mar)"),
    ("the week of March 3, 2025", "2025-03-03", "2025-03-10", "week of 3 March 2025 (3–9 Mar 2025)"),
    ("weeks 5-7", "2026-01-26", "2026-02-16", "weeks 5–7 (26 Jan – 15 Feb)"),
    ("2026-03-02", "2026-03-02", "2026-03-03", "2 March"),
    ("13/03/2026", "2026-03-13", "2026-03-14", "13 March"),
    ("03/13/2026", "2026-03-13", "2026-03-14", "13 March"),
    ("2.3.2026", "2026-03-02", "2026-03-03", "2 March"),
    ("3 March", "2026-03-03", "2026-03-04", "3 March"),
    ("3rd of March", "2026-03-03", "2026-03-04", "3 March"),
    ("March 3rd, 2025", "2025-03-03", "2025-03-04", "3 March 2025"),
    ("Monday, 23 November", "2026-11-23", "2026-11-24", "23 November"),
    ("25 november", "2025-11-25", "2025-11-26", "25 November 2025"),
    ("29 february", "2024-02-29", "2024-03-01", "29 February 2024"),
    ("the 15th", "2026-11-15", "2026-11-16", "15 November"),
    ("on the 31st", "2026-10-31", "2026-11-01", "31 October"),
    ("2025", "2025-01-01", "2026-01-01", "2025"),
    ("in 2025", "2025-01-01", "2026-01-01", "2025"),
    ("2026-03", "2026-03-01", "2026-04-01", "March"),
    ("03/2025", "2025-03-01", "2025-04-01", "March 2025"),
    ("all time", "1970-01-01 01:00", "2026-11-25", "all time"),
    ("ever", "1970-01-01 01:00", "2026-11-25", "all time"),
    ("yesterday morning", "2026-11-23 06:00", "2026-11-23 12:00", "yesterday morning (23 Nov, 06:00–12:00)"),
    ("this morning", "2026-11-24 06:00", "2026-11-24 10:30", "this morning (24 Nov, 06:00–10:30)"),
    ("last night", "2026-11-23 18:00", "2026-11-24", "yesterday evening (23 Nov, 18:00–24:00)"),
    ("monday 9am", "2026-11-23 09:00", "2026-11-23 10:00", "23 November, 09:00–10:00"),
    ("9am yesterday", "2026-11-23 09:00", "2026-11-23 10:00", "23 November, 09:00–10:00"),
    ("since Monday", "2026-11-23", "2026-11-25", "since Monday (23–24 Nov)"),
    ("since yesterday", "2026-11-23", "2026-11-25", "since yesterday (23–24 Nov)"),
    ("since March", "2026-03-01", "2026-11-25", "since March (1 Mar – 24 Nov)"),
    ("since 2025", "2025-01-01", "2026-11-25", "since 2025 (1 Jan 2025 – 24 Nov 2026)"),
    ("since the 1st", "2026-11-01", "2026-11-25", "since 1 November (1–24 Nov)"),
    ("since 2 weeks ago", "2026-11-10", "2026-11-25", "since 2 weeks ago (10–24 Nov)"),
    ("since last week", "2026-11-16", "2026-11-25", "since last week (16–24 Nov)"),
    ("since 9am", "2026-11-24 09:00", "2026-11-24 10:30", "since 24 November, 09:00 (24 Nov, 09:00–10:30)"),
    ("since noon yesterday", "2026-11-23 12:00", "2026-11-24 10:30",
     "since 23 November, 12:00 (23 Nov, 12:00 – 24 Nov, 10:30)"),
    ("from monday", "2026-11-23", "2026-11-25", "since Monday (23–24 Nov)"),
    ("from last week", "2026-11-16", "2026-11-23", "last week (16–22 Nov)"),
    ("after March", "2026-04-01", "2026-11-25", "after March (1 Apr – 24 Nov)"),
    ("starting 3 March", "2026-03-03", "2026-11-25", "since 3 March (3 Mar – 24 Nov)"),
    ("until Friday", "1970-01-01 01:00", "2026-11-21", "until Friday (20 Nov)"),
    ("until 3 March", "1970-01-01 01:00", "2026-03-04", "until 3 March"),
    ("before March", "1970-01-01 01:00", "2026-03-01", "before March"),
    ("up to yesterday", "1970-01-01 01:00", "2026-11-24", "until yesterday (23 Nov)"),
    ("from 3 March to 9 March", "2026-03-03", "2026-03-10", "3–9 March"),
    ("from 2025-12-20 to 2026-01-05", "2025-12-20", "2026-01-06", "20 December 2025 – 5 January 2026"),
    ("between 3 March and 9 March", "2026-03-03", "2026-03-10", "3–9 March"),
    ("from 3 to 9 March", "2026-03-03", "2026-03-10", "3–9 March"),
    ("3-9 March", "2026-03-03", "2026-03-10", "3–9 March"),
    ("March 3–9, 2025", "2025-03-03", "2025-03-10", "3–9 March 2025"),
    ("3 to 9 march 2025", "2025-03-03", "2025-03-10", "3–9 March 2025"),
    ("2026-03-02..2026-03-09", "2026-03-02", "2026-03-10", "2–9 March"),
    ("2026-03-02...2026-03-09", "2026-03-02", "2026-03-10", "2–9 March"),
    ("1 march - 5 april", "2026-03-01", "2026-04-06", "1 March – 5 April"),
    ("Monday to Friday", "2026-11-16", "2026-11-21", "16–20 November"),
    ("mon-fri", "2026-11-16", "2026-11-21", "16–20 November"),
    ("friday to monday", "2026-11-20", "2026-11-24", "20–23 November"),
    ("december to january", "2025-12-01", "2026-02-01", "1 December 2025 – 31 January 2026"),
    ("from december to january 2025", "2024-12-01", "2025-02-01", "1 December 2024 – 31 January 2025"),
    ("jan-mar 2025", "2025-01-01", "2025-04-01", "Q1 2025"),
    ("20 dec to 5 jan", "2025-12-20", "2026-01-06", "20 December 2025 – 5 January 2026"),
    ("from 3 march 2025 to 9 april", "2025-03-03", "2025-04-10", "3 March – 9 April 2025"),
    ("the 3rd to the 9th", "2026-11-03", "2026-11-10", "3–9 November"),
    ("from yesterday to now", "2026-11-23", "2026-11-25", "23–24 November"),
    ("2025-2026", "2025-01-01", "2026-11-25", "1 January 2025 – 24 November 2026"),
    ("yesterday 14:00-16:00", "2026-11-23 14:00", "2026-11-23 16:00", "23 November, 14:00–16:00"),
    ("yesterday 2pm to 4pm", "2026-11-23 14:00", "2026-11-23 16:00", "23 November, 14:00–16:00"),
    ("from 20 november 22:00 to 21 november 6am", "2026-11-20 22:00", "2026-11-21 06:00",
     "20 November, 22:00 – 21 November, 06:00"),
    ("LAST WEEK!", "2026-11-16", "2026-11-23", "last week (16–22 Nov)"),
    ("last week (16–22 Nov)", "2026-11-16", "2026-11-23", "last week (16–22 Nov)"),
    ("yesterday's", "2026-11-23", "2026-11-24", "yesterday (23 Nov)"),
)  # fmt: skip

NOT_UNDERSTOOD = "I don't know that stretch of time: try one like 'last week', 'since Monday' or '3 to 9 March'."

ZONES = tuple(
    ZoneInfo(name)
    for name in (
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",  # summer time began at midnight until 2018
        "America/Havana",  # has midnight twice
        "Asia/Kathmandu",  # +05:45
        "Australia/Lord_Howe",  # half an hour of summer time
        "Pacific/Apia",  # had no 30 December 2011
        "Pacific/Kiritimati",  # -10:40 until 1979
        "Africa/Monrovia",  # -00:44:30 until 1972
    )
)
moments = st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis wants it naive
zones = st.sampled_from(ZONES)


def read(words: str, *, now: datetime = NOW, zone: ZoneInfo = BERLIN) -> when.Span:
    return when.read(words, now=now, zone=zone)


def local(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def refused(words: str, *, now: datetime = NOW, zone: ZoneInfo = BERLIN) -> QuestionError:
    with pytest.raises(QuestionError) as caught:
        when.read(words, now=now, zone=zone)
    return caught.value


@pytest.mark.parametrize(("said", "start", "end", "words"), PHRASES, ids=[phrase[0] for phrase in PHRASES])
def test_a_phrase_means_one_window_and_has_one_normal_form(said: str, start: str, end: str, words: str):
    expected = when.Span(Window(local(start), local(end)), words)

    assert expected == read(said)


@pytest.mark.parametrize("said", sorted({phrase[3] for phrase in PHRASES}))
def test_the_normal_form_means_the_same_window(said: str):
    span = read(said)

    assert span == read(span.words)


def test_a_day_that_loses_an_hour_is_a_whole_day():
    window = read("yesterday", now=datetime(2026, 3, 30, 8, tzinfo=UTC)).window

    assert window == Window(datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))


def test_a_day_that_gains_an_hour_is_a_whole_day():
    window = read("yesterday", now=datetime(2026, 10, 26, 8, tzinfo=UTC)).window

    assert window.end - window.start == 25 * HOUR


def test_hours_are_counted_by_the_clock_on_the_wall_of_nobody():
    window = read("last 24 hours", now=datetime(2026, 3, 29, 8, tzinfo=UTC)).window

    assert window == Window(datetime(2026, 3, 28, 8, tzinfo=UTC), datetime(2026, 3, 29, 8, tzinfo=UTC))


def test_a_week_in_kathmandu_begins_at_a_quarter_past_six_in_the_evening():
    window = read("last week", zone=ZoneInfo("Asia/Kathmandu")).window

    assert window == Window(datetime(2026, 11, 15, 18, 15, tzinfo=UTC), datetime(2026, 11, 22, 18, 15, tzinfo=UTC))


def test_half_an_hour_of_summer_time_makes_a_day_of_twenty_three_and_a_half_hours():
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    window = read("4 October 2026", zone=lord_howe).window

    assert window.end - window.start == timedelta(hours=23, minutes=30)


def test_a_day_without_a_midnight_begins_at_its_first_instant():
    window = read("4 November 2018", zone=ZoneInfo("America/Sao_Paulo")).window

    assert window == Window(datetime(2018, 11, 4, 3, tzinfo=UTC), datetime(2018, 11, 5, 2, tzinfo=UTC))


def test_a_day_with_two_midnights_begins_at_the_first():
    window = read("1 November 2026", zone=ZoneInfo("America/Havana")).window

    assert window == Window(datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC))


def test_a_friday_that_never_was_is_refused():
    error = refused("30 December 2011", zone=ZoneInfo("Pacific/Apia"))

    assert str(error) == "That day was left out of the calendar there: ask about another."


def test_a_week_without_its_friday_has_six_days():
    window = read("week 52 of 2011", zone=ZoneInfo("Pacific/Apia")).window

    assert window.end - window.start == 6 * DAY


def test_today_is_the_askers_own_day():
    evening = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)

    assert [read("today", now=evening, zone=ZoneInfo(name)).words for name in ("UTC", "Europe/Berlin")] == [
        "today (23 Nov)",
        "today (24 Nov)",
    ]


def test_monday_said_on_a_monday_is_a_week_ago():
    assert read("since Monday", now=datetime(2026, 11, 23, 9, tzinfo=UTC)).words == "since Monday (16–23 Nov)"


def test_this_weekend_is_known_on_its_saturday():
    saturday = datetime(2026, 11, 21, 9, tzinfo=UTC)

    assert [read(said, now=saturday).words for said in ("this weekend", "last weekend")] == [
        "this weekend (21 Nov)",
        "last weekend (14–15 Nov)",
    ]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("9 March to 3 March", "That range ends before it begins: swap its two ends."),
        ("2026-03-09..2026-03-03", "That range ends before it begins: swap its two ends."),
        ("from 5 May 2025 to 3 April 2025", "That range ends before it begins: swap its two ends."),
        ("tonight", "That lies in the future: ask about a time that has begun."),
        ("same week last year", "I don't know that stretch of time: try one like 'last week', 'since Monday' or "
         "'3 to 9 March'."),
        ("next week", "That lies in the future: ask about a time that has begun."),
        ("tomorrow", "That lies in the future: ask about a time that has begun."),
        ("2027", "That lies in the future: ask about a time that has begun."),
        ("2199", "That lies in the future: ask about a time that has begun."),
        ("24 December 2026", "That lies in the future: ask about a time that has begun."),
        ("this weekend", "That lies in the future: ask about a time that has begun."),
        ("this evening", "That lies in the future: ask about a time that has begun."),
        ("1969", "The calendar here begins with 1970: ask about a later time."),
        ("since 2 March 1960", "The calendar here begins with 1970: ask about a later time."),
        ("900 years ago", "The calendar here begins with 1970: ask about a later time."),
        ("31 February", "There is no such day in the calendar: check its number."),
        ("2026-02-30", "There is no such day in the calendar: check its number."),
        ("week 60", "A year has 52 or 53 weeks: ask for one of them."),
        ("2025-W53", "2025 has the weeks 1 to 52: ask for one of them."),
        ("H3", "A year has four quarters and two halves: ask for Q1 … Q4, H1 or H2."),
        ("last 0 days", "That range is empty: ask for at least one hour."),
        ("Monday 3 March 2026", "3 March 2026 is a Tuesday: check the weekday or the date."),
        ("02/03/2026", "That date can be read in two ways: write the month's name."),
        ("a week earlier", NOT_UNDERSTOOD),
        ("between Monday", NOT_UNDERSTOOD),
        ("", NOT_UNDERSTOOD),
        ("5", NOT_UNDERSTOOD),
        ("9" * 3000, "That is too long for a stretch of time: use at most 200 characters."),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused_in_a_sentence(said: str, message: str):
    assert str(refused(said)) == message


def test_both_readings_of_a_date_are_offered():
    assert refused("02/03/2026").suggestions == ("2 March 2026", "3 February 2026")


def test_the_nearest_phrases_are_offered():
    assert "last week" in refused("last wek").suggestions


@pytest.mark.parametrize(
    ("said", "before"),
    [
        ("last week", "the week before last (9–15 Nov)"),
        ("this week", "16–17 November"),
        ("this month", "1–24 October"),
        ("this year", "1 January – 24 November 2025"),
        ("March", "February"),
        ("Q1 2025", "Q4 2024"),
        ("2025", "2024"),
        ("last weekend", "14–15 November"),
        ("last 14 days", "28 October – 10 November"),
        ("last 3 months", "25 May – 24 August"),
        ("3–9 March", "24 February – 2 March"),
        ("since Monday", "21–22 November"),
        ("yesterday", "22 November"),
        ("last 6 hours", "23 November, 22:30 – 24 November, 04:30"),
        ("yesterday morning", "22 November, 06:00–12:00"),
    ],
)
def test_a_stretch_is_compared_with_its_like_before_it(said: str, before: str):
    assert when.preceding(read(said), now=NOW, zone=BERLIN).words == before


def test_a_window_without_words_of_its_own_is_compared_with_as_many_days_before_it():
    week = Window(local("2026-11-16"), local("2026-11-23"))

    before = when.preceding(when.Span(week, "the sprint"), now=NOW, zone=BERLIN)

    assert before.window == Window(local("2026-11-09"), local("2026-11-16"))


@pytest.mark.parametrize("said", ["all time", "until Friday"])
def test_nothing_comes_before_the_beginning(said: str):
    with pytest.raises(QuestionError, match="Nothing comes before that"):
        when.preceding(read(said), now=NOW, zone=BERLIN)


@pytest.mark.parametrize(
    ("beside", "said", "words"),
    [
        ("last week", "the week before", "9–15 November"),
        ("last week", "the previous week", "9–15 November"),
        ("last 7 days", "the previous 7 days", "11–17 November"),
        ("today", "previous 3 days", "21–23 November"),
        ("this week", "the same week last year", "24–25 November 2025"),
        ("this month", "the same month last year", "1–24 November 2025"),
        ("today", "the same day last week", "17 November"),
        ("yesterday", "same time a month ago", "23 October"),
        ("this week", "the week before", "16–22 November"),
        ("March", "the month before", "February"),
        ("March", "the year before", "March 2025"),
        ("yesterday", "the week before", "16 November"),
        ("last 14 days", "the previous period", "28 October – 10 November"),
        ("3–9 March", "two weeks earlier", "17–23 February"),
        ("3–9 March", "a year earlier", "3–9 March 2025"),
    ],
)
def test_the_week_before_counts_from_what_was_said_beside_it(beside: str, said: str, words: str):
    span = when.read(said, now=NOW, zone=BERLIN, beside=read(beside))

    assert span.words == words


@pytest.mark.parametrize("said", ["the previous 9999 years", "9999 years before"])
def test_what_counts_back_beyond_the_calendar_is_refused(said: str):
    with pytest.raises(QuestionError, match="The calendar here begins with 1970"):
        when.read(said, now=NOW, zone=BERLIN, beside=read("today"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mood last week please", "last week"),
        ("mood last week (16–22 Nov)", "last week (16-22 Nov)"),
        ("mood since monday until friday, please", "since monday until friday"),
        ("mood from 3 march to 9 march", "from 3 march to 9 march"),
        ("mood today-i-learned", None),
        ("mood q3-launch", None),
        ("mood monday.com", None),
        ("mood marching", None),
        ("mood may", "may"),
        ("mood 20260302", None),
        ("mood last week's", "last week's"),
    ],
)
def test_a_range_is_found_inside_a_sentence(text: str, found: str | None):
    text = when.normal(text)

    end = when.find(text, 5)

    assert (None if end is None else text[5:end]) == found


def test_two_times_to_be_compared_are_not_joined():
    text = "monday to friday"

    assert (when.find(text, 0), when.find(text, 0, bare_to=False)) == (len(text), len("monday"))


@given(said=st.sampled_from([phrase[0] for phrase in PHRASES]), now=moments, zone=zones)
def test_every_phrase_is_a_window_of_whole_days_or_quarter_hours_that_reads_back(
    said: str, now: datetime, zone: ZoneInfo
):
    try:
        span = read(said, now=now, zone=zone)
    except QuestionError:
        return  # such as week 53, or a year that hasn't come
    window = span.window

    assert window.start <= now
    assert all(edge.timestamp() % 900 == 0 for edge in (window.start, window.end))
    assert window.end <= days.midnight(days.local_day(now, zone) + DAY, zone)
    if ":" not in span.words:
        assert read(span.words, now=now, zone=zone) == span
        assert window.start == when.BEGINNING or window.start == days.midnight(days.local_day(window.start, zone), zone)


@given(now=moments, zone=zones, back=st.integers(0, 3000), length=st.integers(1, 800))
def test_the_words_for_whole_days_read_back(now: datetime, zone: ZoneInfo, back: int, length: int):
    after = days.local_day(now, zone) + DAY - timedelta(days=back)
    first = after - timedelta(days=length)
    assume(first > date(1970, 1, 1))
    edges = (days.midnight(first, zone), days.midnight(after, zone))
    assume(edges[0] < edges[1])
    window = Window(*edges)

    assert read(when.describe(window, zone, now), now=now, zone=zone).window == window


@given(now=moments, zone=st.sampled_from(ZONES[:1]), back=st.integers(0, 100_000), length=st.integers(1, 1000))
def test_the_words_for_quarter_hours_read_back(now: datetime, zone: ZoneInfo, back: int, length: int):
    end = days.quarter_floor(now) - back * days.QUARTER
    window = Window(end - length * days.QUARTER, end)
    assume(window.start > when.BEGINNING)

    assert read(when.describe(window, zone, now), now=now, zone=zone).window == window


@given(said=st.sampled_from([phrase[0] for phrase in PHRASES]), now=moments, zone=zones)
def test_what_precedes_ends_before_the_stretch_begins(said: str, now: datetime, zone: ZoneInfo):
    try:
        span = read(said, now=now, zone=zone)
        before = when.preceding(span, now=now, zone=zone)
    except QuestionError:
        return

    assert before.window.start < before.window.end <= span.window.start


PIECES = (
    "last", "this", "next", "since", "from", "to", "until", "between", "and", "week", "month", "Monday", "March", "3",
    "2025", "29", "Q3", "-", "..", "(", ")", "9999", "d", "5", "am", ":", "/", "W07", "years ago", "the", "9" * 40,
)  # fmt: skip


@given(
    st.text(max_size=250)
    | st.lists(
        st.sampled_from(PIECES),
        max_size=12,
    ).map(" ".join),
    moments,
    zones,
)  # fmt: skip
def test_no_words_raise_anything_but_a_question_error(said: str, now: datetime, zone: ZoneInfo):
    try:
        answer = read(said, now=now, zone=zone).words
    except QuestionError as error:
        answer = str(error)

    assert answer.strip()
