"""A real chat replayed as live events, through every kind of trouble, ends as an import of what is left of it."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from adapters.exports import open_export
from bot.importing import bring_in
from bot.ingest import Ingest
from bot.message import Window
from bot.privacy import Pseudonyms
from storage import Storage, open_storage
from tests.adapters.slack.conftest import US, Reader, introduced, running, victim
from tests.conftest import KEY
from tests.servers import slack as server

CHAT = Path(__file__).parents[3].parent / "shared" / "data" / "chats" / "racket.jsonl"
MESSAGES = 1500
C1 = US.channel("C1")

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CHAT.exists(), reason="needs the chat logs beside the repository"),
]


def lines() -> list[dict[str, Any]]:
    with CHAT.open(encoding="utf-8") as file:
        return [json.loads(line) for line in islice(file, MESSAGES)]


def troubled(slack: server.Slack, dice: random.Random) -> list[dict[str, Any]]:
    """The chat as events: 2 % edited, 2 % deleted, 5 % told twice, 5 % told in another order, in threads."""
    events: list[dict[str, Any]] = []
    taken: set[str] = set()
    roots: dict[str, str] = {}
    for line in lines():
        moment = datetime.fromisoformat(line["ts"]).timestamp()
        while (ts := slack.ts(moment)) in taken:
            moment += 0.000001
        taken.add(ts)
        user = "U" + "".join(c for c in str(line["user"]).upper() if c.isascii() and c.isalnum())
        root = roots.get(line["conversation"])
        events.append(slack.say("C1", user, line["text"], ts=ts, thread=root))
        if dice.random() < 0.02:
            events.append(slack.edit("C1", ts, "this is great", at=slack.ts(moment + 60)))
        elif dice.random() < 0.02:
            events.append(slack.delete("C1", ts, at=slack.ts(moment + 90)))
        elif root is None:
            roots[line["conversation"]] = ts  # the others of its conversation answer it
    events += [event for event in events if dice.random() < 0.05]
    return sorted(events, key=lambda event: float(event["event_ts"]) + (dice.random() < 0.05) * dice.random() * 3600)


def exported(slack: server.Slack, folder: Path) -> Path:
    """What is left of the chat, as Slack exports it."""
    days: dict[str, list[dict[str, Any]]] = {}
    for ts, record in slack.rooms["C1"].messages.items():
        if not record.get("bot_id"):
            day = datetime.fromtimestamp(float(ts), UTC).date().isoformat()
            days.setdefault(day, []).append(record)
    (folder / "general").mkdir(parents=True)
    (folder / "channels.json").write_text(json.dumps([{"id": "C1", "name": "general"}]))
    for day, records in days.items():
        (folder / "general" / f"{day}.json").write_text(json.dumps(records))
    return folder


async def numbers(storage: Storage) -> dict[str, Any]:
    (summary,) = [s for s in await storage.readings.channels() if s.channel == C1]
    assert summary.first is not None
    assert summary.last is not None
    start = summary.first.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (summary.last - start).days + 2
    edges = [start + timedelta(days=day) for day in range(days)]
    found = await storage.readings.tallies([C1], edges)
    window = Window(edges[0], edges[-1])
    return {
        "tallies": [
            Counter((t.author, t.messages, round(t.score, 6), t.negative, t.neutral, t.positive) for t in day)
            for day in found
        ],
        "threads": Counter(await storage.readings.threads([C1], window, limit=99)),
        "left out": await storage.readings.left_out([C1], window),
        "summary": (summary.messages, summary.people, summary.first, summary.last),
    }


async def imported(slack: server.Slack, folder: Path) -> dict[str, Any]:
    """The numbers of a fresh database that imported what is left."""
    async with open_storage(str(folder / "imported.db"), KEY, sole=True) as storage:
        ingest = Ingest(storage.inbox, Reader(), storage.ledger)
        export = open_export(exported(slack, folder / "export"), Pseudonyms(KEY), workspace=server.TEAM)
        await bring_in([export], ingest, storage.ledger)
        return await numbers(storage)


async def replay(slack: server.Slack, events: list[dict[str, Any]]) -> AsyncIterator[int]:
    """Send the events, at most 200 on their way at once, with a disconnect every 500; yields how many were sent."""
    under_way: set[asyncio.Future[Any]] = set()
    for number, event in enumerate(events):
        under_way.add(slack.post("events_api", slack.wrapped(event)).acked)
        if number % 500 == 499:
            await slack.disconnect(random.choice(["warning", "refresh_requested"]))
            yield number
        if len(under_way) >= 200:
            _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    await asyncio.wait_for(asyncio.gather(*under_way), 90)


async def test_a_troubled_replay_ends_as_an_import_of_the_final_state(tmp_path: Path):
    async with server.Slack(redeliver_after=2.0) as slack:
        slack.room("C1", "general", "U1")
        events = troubled(slack, random.Random(1))
        async with running(slack, tmp_path / "live.db") as bot:
            await introduced(slack)
            async for _ in replay(slack, events):
                pass
            await bot.read()
            live = await numbers(bot.storage)

        assert live["summary"][0] > 0.9 * MESSAGES
        assert live == await imported(slack, tmp_path)


async def test_being_killed_changes_nothing_but_the_time_it_takes(tmp_path: Path):
    async with server.Slack(redeliver_after=2.0) as slack:
        slack.room("C1", "general", "U1")
        events = troubled(slack, random.Random(2))
        sending = replay(slack, events)
        for _ in range(2):
            async with victim(slack, tmp_path / "live.db") as process:
                await anext(sending)  # 500 events later …
                process.kill()
        async with victim(slack, tmp_path / "live.db"):
            async for _ in sending:
                pass
        async with running(slack, tmp_path / "live.db") as bot:
            await bot.read()
            live = await numbers(bot.storage)

        assert live["summary"][0] > 0.9 * MESSAGES
        assert live == await imported(slack, tmp_path)
