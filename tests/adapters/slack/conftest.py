"""A bot on a local Slack: the real client, the real storage, and a reader that knows a few words."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.slack.client import Slack, Stores
from adapters.slack.connection import Access, Pace
from adapters.slack.translate import Us
from bot.analysis import Analysis
from bot.answers import Answers
from bot.ingest import Ingest
from bot.message import Channel
from bot.privacy import Key, Pseudonyms
from bot.subscribing import Subscribing
from bot.trends import Trends
from bot.writer import Writer
from storage import Storage, open_storage
from tests.examples import ANGRY, CALM, GLAD, an_analysis
from tests.servers import slack as server

KEY = Key(bytes(range(32)))
US = Us(server.TEAM, server.BOT_USER, server.BOT_ID)
QUICK = Pace(
    watch=0.05, ping=0.5, dead=0.3, hopeless=5.0, upkeep=0.3, settle=0.2, retry=0.05, silent=300.0,
    scan_waits=(0.01, 0.01, 0.01),
)  # fmt: skip


class Reader:
    """Reads 'great' as glad, 'broken' as angry, and everything else as calm."""

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        return [an_analysis(GLAD if "great" in t else ANGRY if "broken" in t else CALM) for t in texts]


@dataclass
class Bot:
    """A running bot, and what it keeps."""

    slack: Slack
    storage: Storage
    ingest: Ingest
    access: Access
    another: Callable[[], Slack]
    """Makes one more client on the same storage."""

    async def read(self) -> None:
        """Wait until everything accepted has been recorded."""
        async with asyncio.timeout(60):
            while (await self.storage.inbox.count()).waiting:
                await asyncio.sleep(0.01)

    async def texts_held(self, channel: Channel) -> int:
        """How many messages of a channel are recorded."""
        await self.read()
        summaries = {s.channel: s.messages for s in await self.storage.readings.channels()}
        return summaries.get(channel, 0)


Start = Callable[..., AbstractAsyncContextManager[Bot]]


@pytest.fixture
async def slack() -> AsyncIterator[server.Slack]:
    async with server.Slack(redeliver_after=1.0) as running:
        for number in range(1, 8):
            running.person(f"U{number}")
        yield running


def access_to(slack: server.Slack, **changes: Any) -> Access:
    return replace(Access(server.BOT_TOKEN, server.APP_TOKEN, api=slack.api), **changes)


@asynccontextmanager
async def running(
    slack: server.Slack, database: Path, *, access: Access | None = None, **more: Any
) -> AsyncIterator[Bot]:
    """A bot on `database`, connected to `slack`, until the block ends."""
    async with listening(access or access_to(slack), database, **more) as bot:
        yield bot


@asynccontextmanager
async def listening(
    access: Access, database: Path, *, pace: Pace = QUICK, ready: bool = True, **more: Any
) -> AsyncIterator[Bot]:
    """A bot on `database`, connected to wherever `access` leads, until the block ends."""
    async with open_storage(str(database), KEY, sole=True, lease=timedelta(seconds=5)) as storage:
        ingest = Ingest(storage.inbox, Reader(), storage.ledger)
        trends = Trends(storage.readings)
        writer = Writer(storage.subscriptions, trends, storage.inbox, zone=ZoneInfo("Europe/Berlin"))
        subscribing = Subscribing(storage.subscriptions, writer)
        answers = Answers(trends, storage.ledger, storage.inbox, storage.names, subscribing)
        stores = Stores(
            storage.inbox, storage.ledger, storage.readings, storage.cursors, storage.notes, storage.held,
            storage.subscriptions,
        )  # fmt: skip

        def another() -> Slack:
            return Slack(
                access,
                ingest=ingest,
                answers=answers,
                writer=writer,
                stores=stores,
                pseudonyms=Pseudonyms(KEY),
                zone=ZoneInfo("Europe/Berlin"),
                pace=pace,
                **more,
            )

        client = another()
        tasks = [asyncio.create_task(client.run()), asyncio.create_task(ingest.run())]
        try:
            if ready:
                waiting = asyncio.create_task(client.ready.wait())
                done, _ = await asyncio.wait([waiting, tasks[0]], timeout=30, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if tasks[0] in done:
                    tasks[0].result()
            yield Bot(client, storage, ingest, access, another)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def bot(slack: server.Slack, database: Path) -> AsyncIterator[Bot]:
    """A bot that is in #general (C1)."""
    slack.room("C1", "general", *[f"U{number}" for number in range(1, 8)])
    async with running(slack, database) as started:
        await introduced(slack)
        yield started


async def introduced(slack: server.Slack, rooms: int = 1) -> None:
    """Wait until the bot has said hello."""
    await slack.until(lambda: len(slack.posts) >= rooms)


@asynccontextmanager
async def victim(slack: server.Slack, database: Path, *fate: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A bot in a process of its own (see victim.py), killed at the end at the latest."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.adapters.slack.victim", slack.api, str(database), *fate,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
