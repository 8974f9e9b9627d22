"""Roomtone on a local Discord, over a real database, with a model that a test can foresee."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapters.discord.client import Discord
from adapters.discord.translate import room
from bot.analysis import Analysis
from bot.answer import Answer, Chart
from bot.answers import Answers
from bot.errors import StorageBusy
from bot.ingest import Ingest
from bot.message import Event, Message
from bot.question import Place, Question
from bot.subscribing import Subscribing
from bot.trends import Trends
from bot.writer import Writer
from storage import Storage
from tests.adapters.discord.payloads import PSEUDONYMS
from tests.examples import ANGRY, CALM, GLAD, an_analysis
from tests.servers.discord import GENERAL, GUILD
from tests.servers.discord_gateway import TOKEN

PNG = b"\x89PNG a picture"
WAIT = 20.0
"""Seconds; reached only by a test that fails."""


class Foreseeable:
    """A model that reads 'great' as glad and 'broken' as angry."""

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        return [an_analysis(GLAD if "great" in text else ANGRY if "broken" in text else CALM) for text in texts]


async def draw(chart: Chart) -> bytes:
    return PNG


def now() -> datetime:
    return datetime.now(UTC)


class Parts:
    """The adapter and what stands behind it."""

    def __init__(
        self,
        storage: Storage,
        *,
        token: str = TOKEN,
        clock: Callable[[], datetime] = now,
        zone: str = "UTC",
        **options: Any,
    ) -> None:
        self.storage = storage
        self.ingest = Ingest(storage.inbox, Foreseeable(), storage.ledger)
        self.kept: list[Event] = []
        self.failures = 0
        """How often `accept` is going to fail first."""
        trends = Trends(storage.readings)
        self.writer = writer = Writer(storage.subscriptions, trends, storage.inbox, zone=ZoneInfo(zone))
        subscribing = Subscribing(storage.subscriptions, writer)
        self._answers = Answers(trends, storage.ledger, storage.inbox, storage.names, subscribing)
        self.given: list[Answer] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while a question is being answered."""
        self.adapter = Discord(
            token,
            accept=self.accept,
            known=storage.ledger,
            answers=self,
            trends=trends,
            readings=storage.readings,
            cursors=storage.cursors,
            notes=storage.notes,
            held=storage.held,
            subscriptions=storage.subscriptions,
            writer=writer,
            pseudonyms=PSEUDONYMS,
            zone=ZoneInfo(zone),
            draw=draw,
            clock=clock,
            **({"pace": 0.0, "pause": 0.02, "settle": 0.05} | options),
        )

    async def accept(self, *events: Event) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise StorageBusy("The database is locked: try again.")
        await self.ingest.accept(*events)
        self.kept += events

    async def answer(self, question: Question, *, visible: Sequence[Place] | None = None) -> Answer:
        """The real answer, of which the test keeps a note."""
        self.meanwhile()
        self.given.append(await self._answers.answer(question, visible=visible))
        return self.given[-1]

    def texts(self) -> list[str]:
        """What people wrote, in the order in which it was kept; history may bring again what a live event brought."""
        said = (event.text for event in self.kept if isinstance(event, Message) and not event.from_bot)
        return list(dict.fromkeys(said))

    async def read(self, channel: str = GENERAL, *, since: int = 0) -> None:
        """Somebody has started `channel`, long ago."""
        await self.adapter.rooms.start(GUILD, int(channel), since=since)

    @asynccontextmanager
    async def running(self, *, ready: bool = True) -> AsyncIterator[asyncio.Task[None]]:
        """Connected, with all history read, unless `ready` is False; stopped in the end as by a signal."""
        await self.adapter.rooms.load(GUILD)
        task = asyncio.create_task(self.adapter.run())
        try:
            if ready:
                await until(lambda: self.adapter.is_ready or task.done())
                await self.caught_up()
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def caught_up(self) -> None:
        """Until every channel that is read is in step, and everything that arrived is kept."""
        intake, rooms = self.adapter.intake, self.adapter.rooms
        await until(lambda: all(intake.is_in_step(room(GUILD, channel)) for channel in rooms.started(GUILD)))
        await intake.settled()


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something that is going to happen."""
    async with asyncio.timeout(WAIT):
        while not happened():
            await asyncio.sleep(0.005)
