"""A server played by simcord, with two channels full of talk and three people, for tests of what people meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import discord
import simcord

from adapters.discord.translate import room
from bot.message import ChannelSeen, Message, MessageId
from storage import Storage
from tests.adapters.discord.parts import Parts, now
from tests.examples import an_author

MANAGER = discord.Permissions(manage_channels=True)
HIDDEN = discord.PermissionOverwrite(view_channel=False)


@dataclass
class Stage:
    """A server with a public channel and a secret one, both read and full of talk, and three people."""

    env: Any
    parts: Parts
    guild: Any
    general: Any
    secret: Any
    ann: Any
    ben: Any
    manager: Any

    async def talk(self, channel: Any, text: str = "great work", people: int = 6) -> None:
        """Yesterday `people` people wrote five messages each."""
        place = room(str(self.guild.id), channel.id)
        at = self.env.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
        said = [
            Message(MessageId(place, f"{person}{number}"), an_author(person), at, at, text)
            for person in range(1, people + 1)
            for number in range(5)
        ]
        await self.parts.ingest.accept(ChannelSeen(place, channel.name, at), *said)
        await self.parts.ingest.drain()

    async def thread(self, parent: Any, name: str = "a thread") -> Any:
        """Ann begins a thread, or a post of a forum."""
        self.env.backend.create_thread(parent.id, name, self.ann.id)
        await self.env.settle()
        return parent.threads[-1]

    async def kept(self) -> list[str]:
        """What people wrote and was kept, once all of it is."""
        await self.parts.adapter.intake.settled()
        await self.parts.ingest.drain()
        return self.parts.texts()

    async def counted(self, channel: Any) -> int:
        """How many messages count for a channel."""
        await self.kept()
        return sum(c.messages for c in await self.parts.storage.readings.channels() if c.channel.id == str(channel.id))


@asynccontextmanager
async def stage(storage: Storage) -> AsyncIterator[Stage]:
    clock = now
    parts = Parts(storage, clock=lambda: clock())
    client = parts.adapter.client()
    # simcord waits for what the bot begins; this is begun beforehand, as the app does.
    working = asyncio.create_task(parts.adapter.work())
    try:
        async with simcord.run(client, shard_count=1) as env:
            clock = env.now  # simcord's own time, in which its ids are made
            guild = env.create_guild("acme")
            boss = guild.create_role("boss", permissions=MANAGER)
            insider = guild.create_role("insider")
            general = guild.create_text_channel("general")
            assert client.user is not None
            seen = discord.PermissionOverwrite(view_channel=True)
            secret = guild.create_text_channel(
                "secret", overwrites={guild.default_role: HIDDEN, insider: seen, client.user: seen}
            )
            ann = guild.add_member(env.create_user("ann"))
            ben = guild.add_member(env.create_user("ben"), roles=[insider])
            manager = guild.add_member(env.create_user("mia"), roles=[boss, insider])
            await env.settle()
            made = Stage(env, parts, guild, general, secret, ann, ben, manager)
            await made.talk(general)
            await made.talk(secret, "it is broken")
            yield made
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


def us(stage: Stage) -> str:
    return f"<@{stage.env.bot.user.id}>"


def said(result: Any) -> Any:
    """The one message that answers an interaction."""
    answers: list[Any] = [result.response] if result.response else []
    answers += result.followups
    (message,) = answers
    return message
