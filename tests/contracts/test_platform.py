"""One script on every platform: it leaves the same numbers, and gets the same answers.

A platform joins by a stage in STAGES: how its people write, edit, delete, react and ask. What one lacks stands in
EXEMPT with its reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pytest

from adapters.console.translate import author, said
from adapters.discord.render import literal
from adapters.discord.translate import room
from adapters.slack.render import spoken
from bot.answers import Answers
from bot.grammar import parse
from bot.ingest import Ingest
from bot.message import Channel, ChannelSeen, Deletion, Message, Platform, Reaction, Window
from bot.privacy import Pseudonyms
from bot.question import Place
from bot.schedule import Sort, Times
from bot.subscribing import Subscribing
from bot.trends import Trends
from bot.writer import Writer
from storage import Storage, open_storage
from tests.adapters.discord import parts as on_discord
from tests.adapters.discord import payloads
from tests.adapters.slack import conftest as on_slack
from tests.conftest import KEY
from tests.examples import AT, DAY
from tests.servers import discord as discord_server
from tests.servers import slack as slack_server

PEOPLE = [f"U{number}" for number in range(1, 8)]
ZONE = ZoneInfo("Europe/Berlin")
WINDOW = Window(AT - DAY, AT + DAY)
QUESTIONS = ("mood 2 March 2026", "channels", "mood #general on Monday 2 March 2026", "help mood", "mood 1 March 2026")


class Stage(Protocol):
    """A platform with people in #general on it. Messages are named by numbers of the script's own."""

    storage: Storage
    channel: Channel

    async def say(self, number: int, who: str, text: str, at: datetime, *, thread: int | None = None) -> None: ...
    async def edit(self, number: int, text: str, at: datetime) -> None: ...
    async def delete(self, number: int, at: datetime) -> None: ...
    async def react(self, number: int, who: str, emoji: str) -> None: ...
    async def settled(self) -> None: ...
    async def ask(self, who: str, text: str) -> str: ...


class Terminal:
    """The console: what is typed there, and the same core's other events."""

    def __init__(self, storage: Storage, ingest: Ingest, answers: Answers) -> None:
        self.storage = storage
        self.channel = Channel(Platform.CONSOLE, "acme", "C1")
        self._ingest = ingest
        self._answers = answers
        self._pseudonyms = Pseudonyms(KEY)
        self._said: dict[int, Message] = {}

    async def say(self, number: int, who: str, text: str, at: datetime, *, thread: int | None = None) -> None:
        by = author(who, self.channel, self._pseudonyms)
        message = said(text, by=by, channel=self.channel, at=at)
        self._said[number] = replace(message, thread=None if thread is None else self._said[thread].id)
        await self._ingest.accept(self._said[number])

    async def edit(self, number: int, text: str, at: datetime) -> None:
        await self._ingest.accept(replace(self._said[number], text=text, revised_at=at))

    async def delete(self, number: int, at: datetime) -> None:
        await self._ingest.accept(Deletion(self._said[number].id, at))

    async def react(self, number: int, who: str, emoji: str) -> None:
        by = author(who, self.channel, self._pseudonyms)
        await self._ingest.accept(Reaction(self._said[number].id, by, emoji, datetime.now(UTC)))

    async def settled(self) -> None:
        await self._ingest.drain()

    async def ask(self, who: str, text: str) -> str:
        place = Place(self.channel, "general")
        by = author(who, self.channel, self._pseudonyms)
        question = parse(text, places=[place], here=place, now=datetime.now(UTC), zone=ZONE, asker=by)
        return spoken(await self._answers.answer(question, visible=[place]))


@asynccontextmanager
async def console(database: Path) -> AsyncIterator[Stage]:
    async with open_storage(str(database), KEY, sole=True) as storage:
        ingest = Ingest(storage.inbox, on_slack.Reader(), storage.ledger)
        trends = Trends(storage.readings)
        subscribing = Subscribing(
            storage.subscriptions, Writer(storage.subscriptions, trends, storage.inbox, zone=ZONE)
        )
        answers = Answers(trends, storage.ledger, storage.inbox, storage.names, subscribing)
        terminal = Terminal(storage, ingest, answers)
        await ingest.accept(ChannelSeen(terminal.channel, "general", datetime.now(UTC)))
        yield terminal


class OnSlack:
    """Slack: events over a socket, questions as slash commands."""

    def __init__(self, slack: slack_server.Slack, bot: on_slack.Bot) -> None:
        self.storage = bot.storage
        self.channel = on_slack.US.channel("C1")
        self._slack = slack
        self._bot = bot
        self._said: dict[int, str] = {}

    async def say(self, number: int, who: str, text: str, at: datetime, *, thread: int | None = None) -> None:
        ts = self._slack.ts(at.timestamp())
        root = None if thread is None else self._said[thread]
        self._said[number] = ts
        await self._deliver(self._slack.say("C1", who, text, ts=ts, thread=root))

    async def edit(self, number: int, text: str, at: datetime) -> None:
        await self._deliver(self._slack.edit("C1", self._said[number], text, at=self._slack.ts(at.timestamp())))

    async def delete(self, number: int, at: datetime) -> None:
        await self._deliver(self._slack.delete("C1", self._said[number], at=self._slack.ts(at.timestamp())))

    async def react(self, number: int, who: str, emoji: str) -> None:
        name = {"🎉": "tada", "👍": "+1::skin-tone-3"}[emoji]
        await self._deliver(self._slack.react("C1", self._said[number], who, name))

    async def settled(self) -> None:
        await self._bot.read()

    async def ask(self, who: str, text: str) -> str:
        before = len(self._slack.responses[who])
        await self._slack.command(who, "C1", text, wait=20)
        await self._slack.until(lambda: len(self._slack.responses[who]) > before, within=20)
        return str(self._slack.responses[who][-1]["text"])

    async def _deliver(self, event: dict[str, Any]) -> None:
        assert await self._slack.deliver(event, wait=20) is not None


@asynccontextmanager
async def slack(database: Path) -> AsyncIterator[Stage]:
    async with slack_server.Slack() as server:
        for person in PEOPLE:
            server.person(person)
        server.room("C1", "general", *PEOPLE)
        async with on_slack.running(server, database) as bot:
            await on_slack.introduced(server)
            yield OnSlack(server, bot)


class OnDiscord:
    """Discord: events over the gateway, questions by mention in a channel that isn't read."""

    def __init__(self, server: discord_server.LocalDiscord, parts: on_discord.Parts) -> None:
        self.storage = parts.storage
        self.channel = room(discord_server.GUILD, discord_server.GENERAL)
        self._server = server
        self._parts = parts
        self._said: dict[int, dict[str, Any]] = {}
        self._asked = 0

    async def say(self, number: int, who: str, text: str, at: datetime, *, thread: int | None = None) -> None:
        channel = discord_server.GENERAL
        if thread is not None:
            channel = self._said[thread]["id"]
            if channel not in self._server.threads:
                await self._server.begin_thread(discord_server.a_thread(channel))
        by = payloads.user(f"90{who[1:]}", who)
        self._said[number] = payloads.message(number, at=at, channel_id=channel, content=text, author=by)
        await self._server.write(self._said[number])

    async def edit(self, number: int, text: str, at: datetime) -> None:
        await self._server.edit({**self._said[number], "content": text, "edited_timestamp": at.isoformat()})

    async def delete(self, number: int, at: datetime) -> None:
        await self._server.delete(self._said[number]["channel_id"], self._said[number]["id"])

    async def react(self, number: int, who: str, emoji: str) -> None:
        target = {"message_id": self._said[number]["id"], "channel_id": self._said[number]["channel_id"]}
        shown = {"id": None, "name": emoji + ("🏽" if emoji == "👍" else "")}
        by = {"user_id": f"90{who[1:]}", "guild_id": discord_server.GUILD, "type": 0, "burst": False}
        await self._server.dispatch("MESSAGE_REACTION_ADD", {**target, **by, "emoji": shown})

    async def settled(self) -> None:
        # Told last, it is heard last.
        end = payloads.message(99, at=AT + 2 * DAY)
        await self._server.write({**end, "type": 0, "author": payloads.user("99", "last", bot=True)})
        await on_discord.until(lambda: any(isinstance(e, Message) and e.id.id == end["id"] for e in self._parts.kept))
        await self._parts.ingest.drain()

    async def ask(self, who: str, text: str) -> str:
        self._asked += 1
        posted = len(self._server.posted)
        by = payloads.user(f"90{who[1:]}", who)
        content = f"<@{payloads.ME}> {text}"
        question = payloads.message(self._asked, channel_id=discord_server.RANDOM, content=content, author=by)
        await self._server.write(question)
        await on_discord.until(lambda: len(self._server.posted) > posted)
        answer = self._parts.given[-1]
        assert self._server.posted[-1]["content"] == literal(answer.lines[0], 900)
        return spoken(answer)


@asynccontextmanager
async def discord(database: Path) -> AsyncIterator[Stage]:
    async with open_storage(str(database), KEY, sole=True) as storage, discord_server.local_discord() as server:
        parts = on_discord.Parts(storage, zone=ZONE.key)
        await parts.read()
        async with parts.running():
            yield OnDiscord(server, parts)


STAGES: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Stage]]] = {
    "console": console,
    "slack": slack,
    "discord": discord,
}

EXEMPT: Mapping[tuple[str, str], str] = {}
"""(platform, test) → why it can't hold there."""


async def play(stage: Stage) -> None:
    """A morning in #general: thirty messages, a thread, edits, deletions and reactions."""
    texts = ("this is great", "the build is broken", "good morning")

    async def one(number: int) -> None:
        await stage.say(number, PEOPLE[number % 7], texts[number % 3], AT + timedelta(minutes=number))

    await asyncio.gather(*(one(number) for number in range(30)))
    later = AT + timedelta(hours=1)
    await stage.say(30, "U2", "great, a reply", later, thread=3)
    await stage.say(31, "U3", "another reply", later + timedelta(minutes=1), thread=3)
    await stage.edit(1, "the build is great again", later + timedelta(minutes=2))
    await stage.edit(4, "still broken", later + timedelta(minutes=3))
    await stage.delete(5, later + timedelta(minutes=4))
    await stage.delete(31, later + timedelta(minutes=5))
    await stage.react(2, "U1", "🎉")
    await stage.react(2, "U4", "👍")
    await stage.settled()


async def numbers(stage: Stage) -> dict[str, Any]:
    """Everything that can be asked of the script's channel, people named by nothing."""
    readings, channels = stage.storage.readings, [stage.channel]
    (tallies,) = await readings.tallies(channels, [WINDOW.start, WINDOW.end])
    threads = await readings.threads(channels, WINDOW, limit=9)
    reactions = await readings.reactions(channels, WINDOW)
    return {
        "authors": Counter((t.messages, round(t.score, 9), t.negative, t.neutral, t.positive) for t in tallies),
        "threads": [(t.messages, t.people, round(t.score, 9)) for t in threads],
        "reactions": sorted((r.emoji, r.count, r.people) for r in reactions),
        "left out": await readings.left_out(channels, WINDOW),
        "channels": [(s.name, s.private, s.messages, s.people, s.first, s.last) for s in await readings.channels()],
    }


@pytest.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if reason := EXEMPT.get((request.param, request.node.originalname)):
        pytest.skip(reason)
    async with STAGES[request.param](tmp_path / "played.db") as playing:
        await play(playing)
        yield playing


async def test_the_same_script_leaves_the_same_numbers(stage: Stage, tmp_path: Path):
    async with console(tmp_path / "reference.db") as reference:
        await play(reference)
        expected = await numbers(reference)

    assert [row[2] for row in expected["channels"]] == [30]
    assert await numbers(stage) == expected


async def test_the_same_questions_get_the_same_answers(stage: Stage, tmp_path: Path):
    async with console(tmp_path / "reference.db") as reference:
        await play(reference)
        expected = {question: await reference.ask("U1", question) for question in QUESTIONS}

    assert {question: await stage.ask("U1", question) for question in QUESTIONS} == expected


async def test_the_same_order_leaves_the_same_subscription(stage: Stage):
    await stage.ask("U1", "digest on weekly friday 16:30 Europe/Berlin for #general")

    kept = [
        (each.channel, each.sort, each.times, each.channels)
        for each in await stage.storage.subscriptions.subscriptions()
    ]
    assert kept == [(stage.channel, Sort.DIGEST, Times(4, 16, 30, "Europe/Berlin"), (stage.channel,))]
    said = await stage.ask("U1", "digest when #general")
    assert "The digest is posted in #general on Fridays at 16:30 (Europe/Berlin); next on Friday" in said
