"""A real chat as it might have been on Discord: written, edited, deleted, and told with every fault there is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from adapters.discord.translate import room, written
from bot.importing import Skipped
from bot.ingest import Ingest
from bot.message import ChannelSeen, Deletion, Event, MessageId
from storage import open_storage
from tests.adapters.discord.parts import Foreseeable, until
from tests.adapters.discord.payloads import GENERAL, GUILD, PSEUDONYMS, message, user
from tests.conftest import KEY
from tests.examples import AT, DAY
from tests.servers.discord import LocalDiscord
from tests.storage.tables import tables

CHAT = Path(__file__).parents[3].parent / "shared" / "data" / "chats" / "racket.jsonl"
NOW = AT + DAY
COMPARED = ("readings", "mentions", "spellings", "rollups")
STEP = timedelta(seconds=20)


def compared(database: Path) -> dict[str, Any]:
    """What is counted. Tombstones aside: a message that came and went unheard leaves none."""
    found = tables(database)
    found["readings"] = [row for row in found["readings"] if not row[2]]
    return {name: found[name] for name in COMPARED}


def chat(count: int) -> Sequence[dict[str, Any]]:
    """The first `count` messages of a real chat, twenty seconds apart."""
    people: dict[str, str] = {}
    made = []
    with CHAT.open(encoding="utf-8") as lines:
        for number, line in zip(range(1, count + 1), lines, strict=False):
            record = json.loads(line)
            name = str(record.get("user") or record.get("author"))
            id_ = people.setdefault(name, str(9_000 + len(people)))
            made.append(
                message(number, at=AT + STEP * number, content=str(record["text"]), author=user(id_, "somebody"))
            )
    return made


async def told(
    server: LocalDiscord, messages: Sequence[dict[str, Any]], *, at: Mapping[int, Callable[[], Awaitable[None]]]
) -> list[str]:
    """Write them with repetitions, edits and deletions; returns what was deleted.

    Every 500 messages the client is told to resume, at 2,000 its session is lost; twenty more are written meanwhile.
    `at` says what else happens before the message of a number.
    """
    gone = []
    identified = resumed = 0
    for number, written_now in enumerate(messages, 1):
        if number in at:
            await at[number]()
        await server.write(written_now, times=2 if number % 7 == 0 else 1)
        if number % 10 == 0:
            before = messages[number - 4]
            edited = {**before, "content": before["content"] + " great", "edited_timestamp": written_now["timestamp"]}
            await server.edit(edited)
        if number % 13 == 0:
            id_ = messages[number - 6]["id"]
            gone.append(id_)
            await server.delete(GENERAL, id_)
        if number % 2_000 == 0:
            identified = server.identified
            await server.invalidate(resumable=False)
        elif number % 500 == 0:
            resumed = server.resumed
            await server.ask_to_reconnect()
        elif number > 2_000 and number % 2_000 == 20:
            await until(partial(_more, server, "identified", identified))
        elif number > 500 and number % 500 == 20:
            await until(partial(_more, server, "resumed", resumed))
    return gone


def _more(server: LocalDiscord, counter: str, than: int) -> bool:
    return bool(getattr(server, counter) > than)


async def imported(database: Path, server: LocalDiscord, gone: Sequence[str]) -> None:
    """The final state, as if it had been brought in at once."""
    places = [(channel, channel in server.threads) for channel in server.messages]
    events: list[Event] = [
        ChannelSeen(room(GUILD, channel), "", AT, parent=room(GUILD, GENERAL))
        for channel, is_thread in places
        if is_thread
    ]
    for channel, is_thread in places:
        for payload in server.messages[channel].values():
            event = written(payload, workspace=GUILD, thread=is_thread, pseudonyms=PSEUDONYMS)
            assert not isinstance(event, Skipped)
            events.append(event)
    events += [Deletion(MessageId(room(GUILD, GENERAL), id_), NOW) for id_ in gone]
    async with open_storage(str(database), KEY, sole=True) as storage:
        ingest = Ingest(storage.inbox, Foreseeable(), storage.ledger)
        await ingest.accept(*events)
        await ingest.drain()
