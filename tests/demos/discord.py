"""Roomtone on a local Discord, to look at: `python -m tests.demos.discord [FOLDER]`.

Starts the local Discord with the sample's chat, and against it the real bot with the model that it ships; somebody
starts the reading of each channel, its past is back-filled, and questions are asked. What everybody would see is
printed, and written with its charts to FOLDER.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from adapters.discord.translate import snowflake
from adapters.exports import open_export
from bot import app, logs, sample
from bot.importing import Aside, Line
from bot.message import ChannelSeen, Message
from bot.settings import Settings
from bot.store import Inbox
from tests.adapters.discord.payloads import PSEUDONYMS, message, user
from tests.servers.discord import LocalDiscord, a_channel, local_discord
from tests.servers.discord_gateway import TOKEN

QUESTIONS = (
    "mood #backend last week",
    "what are people talking about in #general?",
    "compare #backend last week with the week before",
    "digest last week",
    "explain #general last week",
    "privacy",
    "help",
)


async def main(folder: Path) -> None:
    """Play it."""
    server = LocalDiscord()
    channels = fill(server)
    async with local_discord(server), running(folder) as inbox:
        await happens(lambda: server.connected)
        await asyncio.sleep(3)
        for number, channel in enumerate(channels.values()):
            await server.write(said(channel, "<@1> start with backfill 60d", number))
            await happens(lambda wanted=number + 1: len(server.posted) >= wanted)
        print(f"Reading {sum(map(len, server.messages.values())):,} messages of {len(channels)} channels …")
        await quiet(server, inbox)
        for number, question in enumerate(QUESTIONS, len(channels)):
            for name, channel in channels.items():
                question = question.replace(f"#{name}", f"<#{channel}>")
            before = len(server.posted)
            await server.write(said(channels["general"], f"<@1> {question}", number))
            await happens(lambda wanted=before + 1: len(server.posted) >= wanted)
            show(question, server.posted[-1], folder / f"{number - len(channels) + 1}")


def fill(server: LocalDiscord) -> dict[str, str]:
    """The sample's channels and messages, moved so that they end with last week; ids by channel name."""
    items = list(open_export(sample.FOLDER, PSEUDONYMS, workspace="sample"))
    lines = [item for item in items if isinstance(item, Line)]
    seen = [item.event for item in items if isinstance(item, Aside) and isinstance(item.event, ChannelSeen)]
    called = {event.channel: event.name for event in seen}
    today = datetime.now(UTC).date()
    last = max(line.message.sent_at for line in lines)
    by = timedelta(weeks=(today - timedelta(days=today.weekday()) - last.date()).days // 7)
    people: dict[str, str] = {}
    server.channels.clear()
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        found = sample.moved(line.message, by)
        assert isinstance(found, Message)
        name = called[found.id.channel]
        channel = names.setdefault(name, str(20 + len(names)))
        server.channels.setdefault(channel, a_channel(channel, name))
        who = people.setdefault(found.author, str(9_000 + len(people)))
        payload = message(
            number, at=found.sent_at, channel_id=channel, content=found.text,
            author=user(who, "somebody", bot=found.from_bot),
        )  # fmt: skip
        server.messages[channel][int(payload["id"])] = payload
        server.channels[channel]["last_message_id"] = payload["id"]
    return names


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Inbox]:
    """The whole of Roomtone, as `roomtone run` starts it, and what waits in it."""
    settings = Settings(discord_token=SecretStr(TOKEN), database_url=f"sqlite:///{folder / 'demo.db'}", time_zone="UTC")
    async with app.opened(settings, works=True) as opened:
        task = asyncio.create_task(app.run_platforms(opened, settings))
        try:
            yield opened.storage.inbox
        finally:
            task.cancel()
            await asyncio.wait({task})


def said(channel: str, text: str, number: int) -> dict[str, Any]:
    """The owner of the server says something now."""
    at = datetime.now(UTC)
    return message(
        number, at=at, id=str(snowflake(at) + number), channel_id=channel, content=text, author=user("900", "owner")
    )


async def happens(something: Any) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(120):
        while not something():
            await asyncio.sleep(0.05)


async def quiet(server: LocalDiscord, inbox: Inbox) -> None:
    """Wait until history is asked for no more, and the model has read what came."""
    asked = -1
    while asked != len(server.requests):
        asked = len(server.requests)
        await asyncio.sleep(8)
    while (await inbox.count()).waiting:
        await asyncio.sleep(0.5)


def show(question: str, post: dict[str, Any], file: Path) -> None:
    """Print an answer, and write it to a file."""
    embeds = post.get("embeds") or []
    print(f"\n> @Roomtone {question}\n{post['content']}")
    for embed in embeds:
        print(
            *filter(None, (embed.get("title"), embed.get("description"), embed.get("footer", {}).get("text"))), sep="\n"
        )
    file.with_suffix(".json").write_text(json.dumps({k: v for k, v in post.items() if k != "files"}, indent=2))
    for image in post.get("files", []):
        file.with_suffix(".png").write_bytes(image)
        print(f"[{file.with_suffix('.png')}]")


if __name__ == "__main__":
    logs.configure(level="warning", as_json=False)
    place = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="roomtone-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(place))
