from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import structlog

from bot.analysis.budget import (
    Budget,
    Cap,
    Limits,
    Line,
    Span,
    TokenAge,
    TokenFacts,
    Use,
    day,
    hour,
    month,
    token_age,
    unusual_rate,
)
from bot.errors import Unavailable
from tests.bot.analysis.spending import InMemorySpending

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
GUIDE = Limits(day=Cap(requests=1_000), month=Cap(requests=30_000))


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def spend(budget: Budget, requests: int, *, characters: int = 10) -> None:
    for _ in range(requests):
        periods = await budget.charge(characters)
        await budget.settle(periods, characters=characters, sent=True, seconds=0.2)


def test_periods_are_named_by_the_time_in_utc() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-3)))

    assert (month(late), day(late), hour(late)) == ("2026-12", "2026-12-01", "2026-12-01T02")


async def test_a_request_is_charged_to_its_month_day_and_hour() -> None:
    spending = InMemorySpending()

    await spend(Budget(spending, Limits(), now=Clock()), 2, characters=7)

    use = Use(requests=2, characters=14, errors=0, milliseconds=400)
    assert spending.kept == {"2026-11": use, "2026-11-24": use, "2026-11-24T12": use}


async def test_at_the_limit_it_stops_and_says_until_when() -> None:
    spending = InMemorySpending()
    budget = Budget(spending, Limits(day=Cap(requests=3)), now=Clock())
    await spend(budget, 3)

    with pytest.raises(Unavailable, match="3 requests a day is used up") as stopped:
        await budget.charge(1)

    assert stopped.value.retry_after == timedelta(hours=11, minutes=30).total_seconds()
    assert spending.kept[day(NOON)].requests == 3


async def test_the_next_day_begins_anew_and_the_month_goes_on() -> None:
    clock = Clock()
    budget = Budget(InMemorySpending(), Limits(day=Cap(requests=2), month=Cap(requests=3)), now=clock)
    await spend(budget, 2)
    clock.now += timedelta(days=1)
    await spend(budget, 1)

    with pytest.raises(Unavailable, match="3 requests a month") as stopped:
        await budget.charge(1)

    begins = datetime(2026, 12, 1, tzinfo=UTC)
    assert stopped.value.retry_after == (begins - clock.now).total_seconds()


async def test_characters_have_a_budget_of_their_own() -> None:
    budget = Budget(InMemorySpending(), Limits(day=Cap(characters=100)), now=Clock())
    await spend(budget, 1, characters=90)

    with pytest.raises(Unavailable, match="100 characters a day"):
        await budget.charge(11)
    await spend(budget, 1, characters=10)


async def test_what_was_never_sent_is_given_back_and_counts_as_an_error() -> None:
    spending = InMemorySpending()
    budget = Budget(spending, Limits(), now=Clock())
    periods = await budget.charge(10)

    await budget.settle(periods, characters=10, sent=False, seconds=0.1, reason="The server can't be reached.")

    assert spending.kept[day(NOON)] == Use(requests=0, characters=0, errors=1, milliseconds=100)
    assert (await budget.status()).problem == spending.latest
    assert spending.latest is not None
    assert (spending.latest.reason, spending.latest.at) == ("The server can't be reached.", NOON)


async def test_from_four_fifths_on_a_warning_is_logged_once_for_each_budget() -> None:
    budget = Budget(InMemorySpending(), Limits(day=Cap(requests=10)), now=Clock())

    with structlog.testing.capture_logs() as logs:
        await spend(budget, 10)

    assert [(line["event"], line["used"], line["limit"]) for line in logs] == [
        ("hosted budget nearly used up", 8, 10),
        ("hosted budget used up", 10, 10),
    ]


async def test_the_status_shows_what_is_used_and_left() -> None:
    spending = InMemorySpending()
    budget = Budget(spending, GUIDE, now=Clock())
    await spend(budget, 850)

    status = await budget.status()

    assert status.lines == (
        Line(Span.DAY, "requests", 850, 1_000),
        Line(Span.DAY, "characters", 8_500, None),
        Line(Span.MONTH, "requests", 850, 30_000),
        Line(Span.MONTH, "characters", 8_500, None),
    )
    assert [line.left for line in status.lines] == [150, None, 29_150, None]
    assert status.latency == pytest.approx(0.2)
    assert status.errors == 0
    assert status.warnings == ("850 of 1,000 requests today are used (85%).",)


async def test_a_status_before_any_use_warns_of_nothing() -> None:
    status = await Budget(InMemorySpending(), GUIDE, now=Clock()).status()

    assert (status.latency, status.problem, status.unusual, status.warnings) == (None, None, None, ())
    assert status.token_age is None


async def test_the_token_is_as_old_as_its_first_use_here_unless_its_issuer_knows_better() -> None:
    clock = Clock()
    budget = Budget(InMemorySpending(), Limits(), fingerprint="f00", now=clock)
    await budget.status()
    clock.now += timedelta(days=40)

    by_use = await budget.status()
    by_issuer = await budget.status(facts=TokenFacts("read", False, NOON - timedelta(days=60)))

    assert (by_use.token_age, by_use.warnings) == (TokenAge.ROTATE, ("The token is 40 days old: replace it soon.",))
    assert (by_issuer.token_age, by_issuer.warnings) == (
        TokenAge.OVERDUE,
        ("The token is 100 days old: replace it now.",),
    )


@pytest.mark.parametrize(
    ("days", "age"),
    [(0, TokenAge.FRESH), (29, TokenAge.FRESH), (30, TokenAge.ROTATE), (89, TokenAge.ROTATE), (90, TokenAge.OVERDUE)],
)
def test_tokens_are_to_be_rotated_after_30_days_and_overdue_at_90(days: int, age: TokenAge) -> None:
    assert token_age(timedelta(days=days)) is age


@pytest.mark.parametrize(
    ("current", "past", "expected"),
    [
        (101, [50] * 24, 2.02),
        (100, [50] * 24, None),  # twice is still within the pattern
        (500, [50] * 23, None),  # too little seen to speak of a pattern
        (500, [50] * 24 + [0] * 144, 10.0),
        (49, [1] * 168, None),  # too few requests to bother anyone
        (500, [], None),
    ],
)
def test_a_rate_is_unusual_above_twice_the_busiest_hour_of_the_last_week(
    current: int, past: list[int], expected: float | None
) -> None:
    assert unusual_rate(current, past) == (None if expected is None else pytest.approx(expected))


async def test_an_unusual_hour_is_shown() -> None:
    clock = Clock(NOON - timedelta(days=2))
    budget = Budget(InMemorySpending(), Limits(), now=clock)
    while clock.now < NOON:
        await spend(budget, 25)
        clock.now += timedelta(hours=1)
    await spend(budget, 60)

    status = await budget.status()

    assert status.unusual == pytest.approx(2.4)
    assert status.warnings == ("This hour has 2.4 times the requests of the busiest hour of the last week.",)


@pytest.mark.parametrize("cap", [{"requests": 0}, {"characters": -1}])
def test_a_budget_of_nothing_is_refused(cap: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Cap(**cap)
