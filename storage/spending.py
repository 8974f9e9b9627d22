"""Spending: what hosted inference has used, for all processes on this database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.analysis.budget import Amount, Cap, Charge, Period, Problem, Use
from storage.engine import Database
from storage.moments import milliseconds as since_1970
from storage.moments import moment
from storage.tables import hosted_tokens, hosted_use


class StoredSpending:
    """What was spent, in the database. See `bot.analysis.budget.Spending`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def charge(self, amount: Amount, caps: Mapping[Period, Cap], /) -> Charge:
        """Add to every period, or to none where one of them would rise above its cap."""
        async with self._database.writing() as connection:  # the only one at its time, so what is read still holds
            before = await _uses(connection, caps)
            if not all(_fits(before[period], amount, cap) for period, cap in caps.items()):
                return Charge(False, before)
            await self._add(connection, caps, requests=amount.requests, characters=amount.characters)
            return Charge(True, await _uses(connection, caps))

    async def settle(
        self, periods: Sequence[Period], /, *, back: Amount, errors: int, milliseconds: int, problem: Problem | None
    ) -> None:
        """Write down how a charged request ended."""
        said = {"problem": problem.reason, "problem_at": since_1970(problem.at)} if problem else {}
        async with self._database.writing() as connection:
            await self._add(
                connection,
                periods,
                requests=back.requests,
                characters=back.characters,
                errors=errors,
                milliseconds=milliseconds,
            )
            if said:
                await connection.execute(hosted_use.update().where(hosted_use.c.period.in_(periods)).values(said))

    async def uses(self, periods: Sequence[Period], /) -> Mapping[Period, Use]:
        """What the given periods have used."""
        async with self._database.reading() as connection:
            return await _uses(connection, periods)

    async def problem(self) -> Problem | None:
        """The latest failure."""
        latest = (
            select(hosted_use.c.problem, hosted_use.c.problem_at)
            .where(hosted_use.c.problem_at.is_not(None))
            .order_by(hosted_use.c.problem_at.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(latest)).first()
        return None if row is None else Problem(row.problem, moment(row.problem_at))

    async def first_seen(self, fingerprint: str, at: datetime, /) -> datetime:
        """When a token was first used."""
        put = insert(hosted_tokens).values(fingerprint=fingerprint, first_seen_at=since_1970(at))
        kept = select(hosted_tokens.c.first_seen_at).where(hosted_tokens.c.fingerprint == fingerprint)
        async with self._database.writing() as connection:
            await connection.execute(put.on_conflict_do_nothing(index_elements=["fingerprint"]))
            return moment((await connection.execute(kept)).scalar_one())

    async def _add(self, connection: AsyncConnection, periods: Collection[Period], **amounts: int) -> None:
        if not periods:
            return
        put = insert(hosted_use)
        put = put.on_conflict_do_update(
            index_elements=["period"], set_={name: hosted_use.c[name] + put.excluded[name] for name in amounts}
        )
        await connection.execute(put, [{"period": period, **_NOTHING, **amounts} for period in periods])


_NOTHING = {"requests": 0, "characters": 0, "errors": 0, "milliseconds": 0}


async def _uses(connection: AsyncConnection, periods: Collection[Period]) -> dict[Period, Use]:
    rows = await connection.execute(select(hosted_use).where(hosted_use.c.period.in_(periods)))
    found = {row.period: Use(row.requests, row.characters, row.errors, row.milliseconds) for row in rows}
    return {period: found.get(period, Use()) for period in periods}


def _fits(use: Use, amount: Amount, cap: Cap) -> bool:
    return (cap.requests is None or use.requests + amount.requests <= cap.requests) and (
        cap.characters is None or use.characters + amount.characters <= cap.characters
    )
