from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.analysis.budget import Amount, Cap, Charge, Period, Problem, Use


class InMemorySpending:
    """Keeps what was spent for as long as it lives; otherwise as strict as a database."""

    def __init__(self) -> None:
        self.kept: dict[Period, Use] = defaultdict(Use)
        self.latest: Problem | None = None
        self.tokens: dict[str, datetime] = {}

    async def charge(self, amount: Amount, caps: Mapping[Period, Cap], /) -> Charge:
        after = {
            period: replace(
                self.kept[period],
                requests=self.kept[period].requests + amount.requests,
                characters=self.kept[period].characters + amount.characters,
            )
            for period in caps
        }
        granted = all(
            (cap.requests is None or after[period].requests <= cap.requests)
            and (cap.characters is None or after[period].characters <= cap.characters)
            for period, cap in caps.items()
        )
        if granted:
            self.kept.update(after)
        return Charge(granted, {period: self.kept[period] for period in caps})

    async def settle(
        self, periods: Sequence[Period], /, *, back: Amount, errors: int, milliseconds: int, problem: Problem | None
    ) -> None:
        for period in periods:
            use = self.kept[period]
            self.kept[period] = Use(
                max(0, use.requests + back.requests),
                max(0, use.characters + back.characters),
                use.errors + errors,
                use.milliseconds + milliseconds,
            )
        self.latest = problem or self.latest

    async def uses(self, periods: Sequence[Period], /) -> Mapping[Period, Use]:
        return {period: self.kept.get(period, Use()) for period in periods}

    async def problem(self) -> Problem | None:
        return self.latest

    async def first_seen(self, fingerprint: str, at: datetime, /) -> datetime:
        return self.tokens.setdefault(fingerprint, at)
