"""What hosted inference may use, what it has used, and whether that is unusual."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol

import structlog

from bot.errors import Unavailable

_log = structlog.get_logger(__name__)

Period = NewType("Period", str)
"""A stretch of UTC time by its ISO 8601 name: the month 2026-11, the day 2026-11-24, the hour 2026-11-24T09."""

WARNING_SHARE = 0.8
"""From this share of a budget on, it is said aloud."""

ROTATE_AFTER = timedelta(days=30)
"""From this age on, a token should be replaced …"""
ROTATE_BY = timedelta(days=90)
"""… and at this age it is overdue."""

UNUSUAL_FACTOR = 2
UNUSUAL_REQUESTS = 50
PATTERN_HOURS = 7 * 24


@dataclass(frozen=True, slots=True)
class Amount:
    """So many requests and characters of text; negative to take some back."""

    requests: int = 0
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a period may use; None is no limit. Raises ValueError below one."""

    requests: int | None = None
    characters: int | None = None

    def __post_init__(self) -> None:
        for limit in (self.requests, self.characters):
            if limit is not None and limit < 1:
                raise ValueError("a budget is at least 1; to send nothing, leave hosted inference off")


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets for each day and month in UTC."""

    day: Cap = Cap()
    month: Cap = Cap()


@dataclass(frozen=True, slots=True)
class Use:
    """What one period has used. `milliseconds` is the sum over its requests; `errors` counts the failed ones."""

    requests: int = 0
    characters: int = 0
    errors: int = 0
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """The outcome of asking to spend: whether it was `granted`, and what the periods have used now."""

    granted: bool
    uses: Mapping[Period, Use]


@dataclass(frozen=True, slots=True)
class Problem:
    """The latest failure of a hosted call, in words without any text, user or token."""

    reason: str
    at: datetime


class Spending(Protocol):
    """Keeps what was spent across restarts, for all processes on one database."""

    async def charge(self, amount: Amount, caps: Mapping[Period, Cap], /) -> Charge:
        """Add `amount` to every period of `caps`, or to none where one of them would rise above its cap.

        One transaction: however many processes charge at once, no cap is passed. Raises StorageBusy, StorageFull.
        """
        ...

    async def settle(
        self, periods: Sequence[Period], /, *, back: Amount, errors: int, milliseconds: int, problem: Problem | None
    ) -> None:
        """Write down how a charged request ended: take `back` what was never sent, add errors and time.

        `problem` replaces the one kept, if there is one.
        """
        ...

    async def uses(self, periods: Sequence[Period], /) -> Mapping[Period, Use]:
        """What the given periods have used; each of them is in the answer."""
        ...

    async def problem(self) -> Problem | None:
        """The latest failure, of any process."""
        ...

    async def first_seen(self, fingerprint: str, at: datetime, /) -> datetime:
        """When the token of this fingerprint was first used; `at` if that is now."""
        ...


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What the hub says of the token. `can_write` is True where it may change repositories: more than reading needs."""

    role: str
    can_write: bool
    created_at: datetime | None


class Span(StrEnum):
    """How long a budget lasts."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Line:
    """One budget and how far it is used: `used` of `limit` `unit` this `span`."""

    span: Span
    unit: str
    used: int
    limit: int | None

    @property
    def left(self) -> int | None:
        """What may still be used; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def share(self) -> float:
        """How much of it is used, 0 … 1 and above; 0 without a limit."""
        return 0.0 if self.limit is None else self.used / self.limit


class TokenAge(StrEnum):
    """What a token's age asks for."""

    FRESH = "fresh"
    ROTATE = "rotate"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Status:
    """What `doctor` and `/roomtone status` show of hosted inference.

    `lines` are requests and characters of this UTC day and month; `errors` and `latency` (mean seconds for a request,
    None without one) are today's. `token_days` is the token's age, `can_write` whether it may change repositories; None
    is not known. `unusual` says how many times its busiest hour of the last week this hour has had,
    where that is worth a look. `warnings` are sentences for an operator, worst first.
    """

    lines: tuple[Line, ...]
    errors: int
    latency: float | None
    problem: Problem | None
    unusual: float | None
    token_since: datetime | None
    token_age: TokenAge | None
    token_days: int | None
    can_write: bool | None
    warnings: tuple[str, ...] = ()


class Budget:
    """Lets hosted calls through while there is budget, and knows how it stands.

    `fingerprint` names the token in use without telling it; `now` gives the time in UTC.
    """

    def __init__(
        self,
        spending: Spending,
        limits: Limits,
        *,
        fingerprint: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._spending = spending
        self._limits = limits
        self._fingerprint = fingerprint
        self._now = now
        self._said: set[tuple[Period, str]] = set()

    async def charge(self, characters: int) -> Sequence[Period]:
        """Spend one request of `characters`; what it was charged to, for `settle`.

        Raises Unavailable, with the time until the budget begins anew, where it is used up.
        """
        now = self._now()
        caps = {month(now): self._limits.month, day(now): self._limits.day, hour(now): Cap()}
        charge = await self._spending.charge(Amount(1, characters), caps)
        for line in self._lines(now, charge.uses):
            self._say(now, line)
        if not charge.granted:
            raise self._used_up(now, charge.uses, characters)
        return tuple(caps)

    async def settle(
        self, periods: Sequence[Period], *, characters: int, sent: bool, seconds: float, reason: str = ""
    ) -> None:
        """Write down how a charged request ended. `reason` is empty for a good one; `sent` is False if none left."""
        await self._spending.settle(
            periods,
            back=Amount() if sent else Amount(-1, -characters),
            errors=1 if reason else 0,
            milliseconds=round(seconds * 1000),
            problem=Problem(reason, self._now()) if reason else None,
        )

    async def status(self, *, facts: TokenFacts | None = None) -> Status:
        """How it stands now; the token is as old as its issuer says in `facts`, else as long as it was used here."""
        now = self._now()
        hours = [hour(now - timedelta(hours=back)) for back in range(PATTERN_HOURS + 1)]
        uses = await self._spending.uses([month(now), day(now), *hours])
        lines = self._lines(now, uses)
        today = uses[day(now)]
        unusual = unusual_rate(uses[hours[0]].requests, [uses[one].requests for one in hours[1:]])
        since = facts.created_at if facts else None
        if since is None and self._fingerprint:
            since = await self._spending.first_seen(self._fingerprint, now)
        age = None if since is None else token_age(now - since)
        days = None if since is None else (now - since).days
        can_write = facts.can_write if facts else None
        return Status(
            lines=lines,
            errors=today.errors,
            latency=today.milliseconds / today.requests / 1000 if today.requests else None,
            problem=await self._spending.problem(),
            unusual=unusual,
            token_since=since,
            token_age=age,
            token_days=days,
            can_write=can_write,
            warnings=_warnings(lines, unusual, age, days, can_write),
        )

    def _lines(self, now: datetime, uses: Mapping[Period, Use]) -> tuple[Line, ...]:
        today, this_month = uses[day(now)], uses[month(now)]
        return (
            Line(Span.DAY, "requests", today.requests, self._limits.day.requests),
            Line(Span.DAY, "characters", today.characters, self._limits.day.characters),
            Line(Span.MONTH, "requests", this_month.requests, self._limits.month.requests),
            Line(Span.MONTH, "characters", this_month.characters, self._limits.month.characters),
        )

    def _used_up(self, now: datetime, uses: Mapping[Period, Use], characters: int) -> Unavailable:
        asked = {"requests": 1, "characters": characters}
        full = [
            line
            for line in self._lines(now, uses)
            if line.limit is not None and line.used + asked[line.unit] > line.limit
        ]
        line = max(full, key=lambda line: line.span is Span.MONTH)
        wait = _begins_anew(now, line.span) - now
        return Unavailable(
            f"The hosted budget of {line.limit} {line.unit} a {line.span} is used up; it begins anew at midnight UTC"
            f"{' on the first' if line.span is Span.MONTH else ''}. The messages wait.",
            retry_after=wait.total_seconds(),
        )

    def _say(self, now: datetime, line: Line) -> None:
        level = "used up" if line.share >= 1 else "nearly used up" if line.share >= WARNING_SHARE else ""
        key = (month(now) if line.span is Span.MONTH else day(now), f"{line.unit} {level}")
        if level and key not in self._said:
            self._said = {said for said in self._said if said[0] in {month(now), day(now)}} | {key}
            _log.warning(f"hosted budget {level}", span=line.span, unit=line.unit, used=line.used, limit=line.limit)


def month(at: datetime) -> Period:
    """The UTC month of `at`."""
    return Period(f"{at.astimezone(UTC):%Y-%m}")


def day(at: datetime) -> Period:
    """The UTC day of `at`."""
    return Period(f"{at.astimezone(UTC):%Y-%m-%d}")


def hour(at: datetime) -> Period:
    """The UTC hour of `at`."""
    return Period(f"{at.astimezone(UTC):%Y-%m-%dT%H}")


def unusual_rate(current: int, past: Sequence[int]) -> float | None:
    """How many times its busiest past hour this hour has had, where that is unusual; else None.

    Unusual is more than twice the busiest of the last week and at least 50 requests, once at least 24 of the past
    hours saw any: a rule an operator can check by eye, and one that a lively Monday after a quiet Sunday doesn't trip.
    """
    if sum(1 for requests in past if requests) < 24 or current < UNUSUAL_REQUESTS:
        return None
    times = current / max(past)
    return times if times > UNUSUAL_FACTOR else None


def token_age(age: timedelta) -> TokenAge:
    """What a token of this age asks for: 30 days to rotate it, 90 and it is overdue."""
    if age >= ROTATE_BY:
        return TokenAge.OVERDUE
    return TokenAge.ROTATE if age >= ROTATE_AFTER else TokenAge.FRESH


def _begins_anew(now: datetime, span: Span) -> datetime:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if span is Span.DAY:
        return today + timedelta(days=1)
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


def _warnings(
    lines: Sequence[Line], unusual: float | None, age: TokenAge | None, days: int | None, can_write: bool | None
) -> tuple[str, ...]:
    found = []
    for line in sorted(lines, key=lambda line: -line.share):
        when = "today" if line.span is Span.DAY else "this month"
        if line.share >= 1:
            found.append(f"The budget of {line.limit:,} {line.unit} {when} is used up.")
        elif line.share >= WARNING_SHARE:
            found.append(f"{line.used:,} of {line.limit:,} {line.unit} {when} are used ({line.share:.0%}).")
    if unusual is not None:
        found.append(f"This hour has {unusual:.1f} times the requests of the busiest hour of the last week.")
    if age in {TokenAge.ROTATE, TokenAge.OVERDUE} and days is not None:
        found.append(f"The token is {days} days old: replace it{' now' if age is TokenAge.OVERDUE else ' soon'}.")
    if can_write:
        found.append("The token may write to repositories: replace it by one for inference calls alone.")
    return tuple(found)
