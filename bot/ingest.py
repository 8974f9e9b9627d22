"""The path of a message: accept, analyse, record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from bot.analysis import Analysis, Analyzer
from bot.errors import Refused, RoomtoneError, StorageBusy, StorageFull, Unavailable
from bot.message import Event, Message
from bot.store import Inbox, Ledger, Waiting

BATCH = 256
"""Events taken at once: enough that sorting by length leaves no padding, little enough to be recorded in one go."""

MAX_ATTEMPTS = 5
"""Loans of one event that may end without its being recorded (the process died) before it is set aside unread."""

LONGEST_PAUSE = 60.0
"""Seconds between tries while nobody can read or the database can't write."""

_log = structlog.get_logger(__name__)


class Ingest:
    """Carries every accepted event into the ledger, each exactly once."""

    def __init__(self, inbox: Inbox, analyzer: Analyzer, ledger: Ledger) -> None:
        self._inbox = inbox
        self._analyzer = analyzer
        self._ledger = ledger
        self._accepted = asyncio.Event()

    async def accept(self, *events: Event) -> None:
        """Keep `events` durably. Returns only once they may be acknowledged. Raises StorageError."""
        await self._inbox.put(events)
        self._accepted.set()

    async def run(self) -> None:
        """Read and record whatever is accepted, until cancelled; waits out a reader or a database that can't."""
        backoff = 1.0
        while True:
            self._accepted.clear()
            pause = LONGEST_PAUSE  # also how soon a lost loan is noticed
            try:
                await self.drain()
                backoff = 1.0
            except RoomtoneError as error:
                pause = backoff = min(LONGEST_PAUSE, 2 * backoff)
                if isinstance(error, Unavailable) and error.retry_after is not None:
                    pause = error.retry_after
                _log.warning("messages wait", why=str(error), next_try_in_s=pause)
                await asyncio.sleep(pause)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._accepted.wait()

    async def drain(self) -> None:
        """Read and record everything that waits now. Raises what stops it; nothing is lost by that."""
        recording: asyncio.Task[None] | None = None
        try:
            while taken := await self._inbox.take(BATCH):
                done = await self._read(taken)
                if recording is not None:
                    await recording
                # The next batch is read while this one is written: the model's threads don't wait for the disk.
                recording = asyncio.create_task(self._record(done))
        finally:
            if recording is not None:
                await recording

    async def _record(self, done: Sequence[tuple[Waiting, Analysis | None]]) -> None:
        try:
            await self._ledger.record(done)
        except (StorageBusy, StorageFull):
            await self._inbox.release([waiting.receipt for waiting, _ in done])
            raise

    async def _read(self, taken: Sequence[Waiting]) -> Sequence[tuple[Waiting, Analysis | None]]:
        suspects = [waiting for waiting in taken if waiting.attempts > MAX_ATTEMPTS]
        for waiting in suspects:
            await self._set_aside(waiting, "the process ended each time it was read")
        kept = [waiting for waiting in taken if waiting.attempts <= MAX_ATTEMPTS]
        try:
            return await self._analysed(kept)
        except Refused:
            _log.warning("a batch was refused; its messages are read one by one")
        except RoomtoneError:
            await self._inbox.release([waiting.receipt for waiting in kept])
            raise
        except Exception as error:
            # Its name only: an error's text may hold the message's.
            _log.error("a batch could not be read; its messages are read one by one", error=type(error).__name__)
        return await self._one_by_one(kept)

    async def _one_by_one(self, taken: Sequence[Waiting]) -> Sequence[tuple[Waiting, Analysis | None]]:
        done: list[tuple[Waiting, Analysis | None]] = []
        try:
            for waiting in taken:
                try:
                    done += await self._analysed([waiting])
                except Refused:
                    await self._set_aside(waiting, "refused by the reader")
                except RoomtoneError:
                    raise
                except Exception as error:
                    await self._still_reads()
                    await self._set_aside(waiting, type(error).__name__)
        except RoomtoneError:
            read = {waiting.receipt for waiting, _ in done}
            await self._inbox.release([waiting.receipt for waiting in taken if waiting.receipt not in read])
            if not done:
                raise
        return done

    async def _still_reads(self) -> None:
        """Raise Unavailable unless the reader can read at all: then it isn't the message that is at fault."""
        try:
            await self._analyzer.analyze(["good morning"])
        except RoomtoneError:
            raise
        except Exception as error:
            raise Unavailable(
                f"The reader fails on every message ({type(error).__name__}); run roomtone doctor."
            ) from None

    async def _set_aside(self, waiting: Waiting, reason: str) -> None:
        await self._inbox.set_aside(waiting.receipt, reason)
        _log.error("an event was set aside", kind=type(waiting.event).__name__, reason=reason)

    async def _analysed(self, taken: Sequence[Waiting]) -> Sequence[tuple[Waiting, Analysis | None]]:
        texts = {
            waiting.receipt: waiting.event.text
            for waiting in taken
            if isinstance(waiting.event, Message) and not waiting.event.from_bot
        }
        analyses = await self._analyzer.analyze(list(texts.values())) if texts else ()
        by_receipt = dict(zip(texts, analyses, strict=True))
        return [(waiting, by_receipt.get(waiting.receipt)) for waiting in taken]
