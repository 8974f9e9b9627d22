"""Which analyzer answers: an Analyzer made of Analyzers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

import structlog
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from bot.analysis import Analysis, Analyzer
from bot.errors import Refused, RoomtoneError, Unavailable

_log = structlog.get_logger(__name__)


class Circuit(StrEnum):
    """Whether a reader is asked."""

    CLOSED = "closed"
    """It is asked."""
    OPEN = "opened"
    """It failed too often, and rests."""
    HALF_OPEN = "half-opened"
    """It has rested; one batch tries it."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one of the analyzers does: `problem` is its latest failure in words, `since` when that was."""

    name: str
    circuit: Circuit
    answered: int
    failed: int
    problem: str
    since: datetime | None


class Fallback:
    """Asks the first of its analyzers that can answer.

    A batch goes to the first in order; where that is Unavailable, has run out of memory, or takes longer than
    `deadline` seconds, it goes to the next. After `failures` failures in a row an analyzer rests for `rest` seconds
    and is then tried with a single batch. What one refuses is shown to the others; a program error is handed on too,
    but doesn't count as illness. Every analysis names the model and path that made it.

    Use it as an async context manager. A call that passed its deadline, or whose caller went away, runs on to its own
    end: one torn off in the middle may cost a client its connection pool. Only leaving ends them.
    """

    def __init__(
        self, analyzers: Mapping[str, Analyzer], *, deadline: float = 120.0, failures: int = 3, rest: float = 30.0
    ) -> None:
        if not analyzers:
            raise ValueError("somebody has to read")
        self._deadline = deadline
        self._rest = rest
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=failures, default_ttl=rest, exclude=[(Exception, lambda error: not _is_illness(error))]
        )
        self._asked = [_Asked(name, analyzer) for name, analyzer in analyzers.items()]
        self._running: set[asyncio.Future[Sequence[Analysis]]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running = list(self._running)
        for one in running:
            one.cancel()
        if running:
            await asyncio.wait(running)

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """Read every text, all of them by the same analyzer.

        Raises Unavailable, with the shortest wait that was named, if nobody can now; Refused if nobody ever will.
        Nothing is scored by guess.
        """
        errors: dict[str, BaseException] = {}
        for asked in self._asked:
            attempt = self._run(self._attempt(asked, texts))
            await asyncio.wait([attempt])
            if attempt.cancelled():
                raise Unavailable("Roomtone is stopping; what waits is read after the next start.")
            if (error := attempt.exception()) is None:
                return attempt.result()
            errors[asked.name] = error
        raise _verdict(errors, self._rest)

    def status(self) -> Sequence[Reader]:
        """How each of the analyzers does, in their order."""
        return tuple(
            Reader(asked.name, asked.circuit, asked.answered, asked.failed, asked.problem, asked.since)
            for asked in self._asked
        )

    async def _attempt(self, asked: _Asked, texts: Sequence[str]) -> Sequence[Analysis]:
        breaker = await self._breakers.get_breaker(asked.name)
        was = asked.circuit
        # A half-open breaker lets everybody through; one batch is enough to find out, the others go on at once.
        if was is not Circuit.CLOSED and asked.probe.locked():
            raise Unavailable(asked.problem, retry_after=self._rest)
        async with asked.probe if was is not Circuit.CLOSED else nullcontext():
            try:
                async with breaker:
                    asked.circuit = Circuit(breaker.context.state)
                    analyses = await self._in_time(asked.analyzer, texts)
            except OpenedState as resting:
                raise Unavailable(asked.problem, retry_after=_remaining(resting, self._rest)) from None
            except Exception as error:
                asked.failed += 1
                asked.problem, asked.since = _in_words(error), datetime.now(UTC)
                raise
            else:
                asked.answered += 1
            finally:
                asked.circuit = Circuit(breaker.context.state)
                _tell(asked, was)
        return analyses

    async def _in_time(self, analyzer: Analyzer, texts: Sequence[str]) -> Sequence[Analysis]:
        reading = self._run(analyzer.analyze(texts))
        done, _ = await asyncio.wait([reading], timeout=self._deadline)
        if not done:
            raise Unavailable(f"No answer within {self._deadline:g} s.")
        if reading.cancelled():
            raise Unavailable("The reading was interrupted.")
        if len(analyses := reading.result()) != len(texts):
            raise Unavailable("The answer was for another number of texts.")
        return analyses

    def _run(self, reading: Coroutine[object, object, Sequence[Analysis]]) -> asyncio.Task[Sequence[Analysis]]:
        task = asyncio.create_task(reading)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Sequence[Analysis]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: nobody may wait for a late one any more


@dataclass(slots=True, eq=False)
class _Asked:
    name: str
    analyzer: Analyzer
    probe: asyncio.Lock = field(default_factory=asyncio.Lock)
    circuit: Circuit = Circuit.CLOSED
    answered: int = 0
    failed: int = 0
    problem: str = ""
    since: datetime | None = None


def _is_illness(error: BaseException) -> bool:
    """Is it the analyzer that can't, rather than this batch that is refused or a mistake in the program?"""
    return isinstance(error, RoomtoneError | MemoryError | OSError) and not isinstance(error, Refused)


def _in_words(error: BaseException) -> str:
    # Only our own errors promise to hold no message's text.
    return str(error) if isinstance(error, RoomtoneError) else f"{type(error).__name__}."


def _remaining(resting: OpenedState, rest: float) -> float:
    return max(0.0, resting.opened_at + rest - time.time())  # purgatory counts by the wall clock


def _tell(asked: _Asked, was: Circuit) -> None:
    if was is Circuit.CLOSED and asked.circuit is Circuit.OPEN:
        _log.warning("an analyzer rests", analyzer=asked.name, why=asked.problem)
    if was is not Circuit.CLOSED and asked.circuit is Circuit.CLOSED:
        _log.info("an analyzer is back", analyzer=asked.name)


def _verdict(errors: Mapping[str, BaseException], rest: float) -> BaseException:
    reasons = " ".join(f"{name}: {_in_words(error)}" for name, error in errors.items())
    if any(_is_illness(error) for error in errors.values()):
        waits = [error.retry_after for error in errors.values() if isinstance(error, Unavailable)]
        named = [wait for wait in waits if wait is not None]
        soonest = min(named if len(named) == len(errors) else [*named, rest]) if named else None
        return Unavailable(f"Nobody can read now; the messages wait. {reasons}", retry_after=soonest)
    if all(isinstance(error, Refused) for error in errors.values()):
        return Refused(f"Nobody reads this text. {reasons}")
    # A mistake in the program, or a text that brings one to light: the worker sets the latter aside.
    return next(error for error in errors.values() if not isinstance(error, Refused))
