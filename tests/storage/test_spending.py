from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.analysis.budget import Amount, Budget, Cap, Limits, Period, Problem, Spending, Use
from bot.errors import StorageBusy, Unavailable
from storage import Storage, open_storage
from tests.bot.analysis.spending import InMemorySpending
from tests.conftest import KEY

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
DAY, MONTH = Period("2026-11-24"), Period("2026-11")


@pytest.fixture(params=["database", "memory"])
async def spending(request: pytest.FixtureRequest, storage: Storage) -> Spending:
    """Both keepers are held to the same promises."""
    return storage.spending if request.param == "database" else InMemorySpending()


async def test_what_is_charged_is_added_to_every_period(spending: Spending) -> None:
    first = await spending.charge(Amount(1, 100), {DAY: Cap(), MONTH: Cap()})
    second = await spending.charge(Amount(2, 5), {DAY: Cap()})

    assert (first.granted, second.granted) == (True, True)
    assert await spending.uses([DAY, MONTH, Period("2026-12")]) == {
        DAY: Use(3, 105),
        MONTH: Use(1, 100),
        Period("2026-12"): Use(),
    }


@pytest.mark.parametrize("cap", [Cap(requests=2), Cap(characters=100)])
async def test_a_charge_above_one_cap_is_added_nowhere(spending: Spending, cap: Cap) -> None:
    await spending.charge(Amount(2, 100), {DAY: cap, MONTH: Cap()})

    charge = await spending.charge(Amount(1, 1), {DAY: cap, MONTH: Cap()})

    assert not charge.granted
    assert charge.uses == await spending.uses([DAY, MONTH]) == {DAY: Use(2, 100), MONTH: Use(2, 100)}


async def test_how_a_request_ended_is_written_down(spending: Spending) -> None:
    await spending.charge(Amount(1, 100), {DAY: Cap()})

    await spending.settle([DAY], back=Amount(-1, -100), errors=1, milliseconds=40, problem=Problem("Away.", NOON))

    assert await spending.uses([DAY]) == {DAY: Use(0, 0, 1, 40)}
    assert await spending.problem() == Problem("Away.", NOON)


async def test_the_latest_problem_is_kept_and_a_good_request_does_not_hide_it(spending: Spending) -> None:
    nothing = await spending.problem()
    for minute, problem in enumerate(("first", "second", None)):
        at = NOON + timedelta(minutes=minute)
        await spending.charge(Amount(1, 1), {DAY: Cap()})
        await spending.settle(
            [DAY], back=Amount(), errors=0, milliseconds=1, problem=Problem(problem, at) if problem else None
        )

    assert nothing is None
    assert await spending.problem() == Problem("second", NOON + timedelta(minutes=1))


async def test_a_token_is_known_since_its_first_use(spending: Spending) -> None:
    assert await spending.first_seen("f00", NOON) == NOON
    assert await spending.first_seen("f00", NOON + timedelta(days=40)) == NOON
    assert await spending.first_seen("ba2", NOON + timedelta(days=40)) == NOON + timedelta(days=40)


async def test_a_budget_holds_across_a_restart(database: Path) -> None:
    limits = Limits(day=Cap(requests=2))
    for _ in range(2):
        async with open_storage(str(database), KEY) as storage:
            await Budget(storage.spending, limits, now=lambda: NOON).charge(1)

    async with open_storage(str(database), KEY) as storage:
        with pytest.raises(Unavailable, match="used up"):
            await Budget(storage.spending, limits, now=lambda: NOON).charge(1)


async def _charged(budget: Budget) -> object:
    """Charge it, and again where a busy machine made that wait too long for its turn: nothing was charged then."""
    while True:
        with suppress(StorageBusy):
            return await budget.charge(10)


async def test_processes_that_spend_at_once_never_pass_a_cap_together(database: Path) -> None:
    limits = Limits(day=Cap(requests=25), month=Cap(characters=10_000))
    async with open_storage(str(database), KEY) as one, open_storage(str(database), KEY) as other:
        budgets = [Budget(storage.spending, limits, now=lambda: NOON) for storage in (one, other)]
        outcomes = await asyncio.gather(*(_charged(budgets[n % 2]) for n in range(60)), return_exceptions=True)

        granted = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(granted) == 25
        assert {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)} == {Unavailable}
        assert (await one.spending.uses([DAY]))[DAY] == Use(25, 250)
