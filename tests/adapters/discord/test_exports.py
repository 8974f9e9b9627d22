"""DiscordChatExporter's files and the live reading of the same channel: the same ids and people, each counted once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.translate import room, written
from adapters.exports import open_export
from bot.importing import Aside, Line
from bot.message import Message
from storage import Storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import ANN, BEN, GENERAL, GUILD, PSEUDONYMS, id_at, message, user
from tests.examples import AT, DAY, WEEK
from tests.servers.discord import a_thread, local_discord

NOW = AT + WEEK
THREAD = id_at(AT + DAY)
SAID: Sequence[dict[str, Any]] = [
    *(message(number, content=f"message {number}", author=user((ANN, BEN)[number % 2])) for number in range(1, 31)),
    *(message(number, at=AT + DAY, channel_id=THREAD, content=f"in the thread {number}") for number in range(1, 6)),
]
EXPORTERS_ZONE = timezone(timedelta(hours=2))

Files = dict[str, Any]


def record(payload: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A message as every version of the exporter has written it."""
    at = datetime.fromisoformat(payload["timestamp"]).astimezone(EXPORTERS_ZONE)
    who = {"id": payload["author"]["id"], "name": payload["author"]["username"], "isBot": False}
    made = {"id": payload["id"], "type": "Default", "timestamp": at.isoformat(), "content": payload["content"]}
    return made | {"author": who} | fields


def document(records: Sequence[Any], **channel: Any) -> dict[str, Any]:
    place = {"id": GENERAL, "type": "GuildTextChat", "name": "general"} | channel
    return {"guild": {"id": GUILD, "name": "acme"}, "channel": place, "messages": list(records)}


def general(**fields: Any) -> list[dict[str, Any]]:
    return [record(payload, **fields) for payload in SAID if payload["channel_id"] == GENERAL]


def whole(records: Sequence[Any]) -> Files:
    thread = [record(payload) for payload in SAID if payload["channel_id"] == THREAD]
    place = {
        "id": THREAD,
        "type": "GuildPublicThread",
        "categoryId": GENERAL,
        "category": "general",
        "name": "a thread",
    }
    return {"general.json": document(records), "general - a thread.json": document(thread, **place)}


NEW: dict[str, Any] = dict.fromkeys(("timestampEdited", "callEndedTimestamp"))
NEW |= {name: [] for name in ("attachments", "embeds", "stickers", "reactions", "mentions", "inlineEmojis")}
MENTION = {"content": "ask @ann or <@901>", "mentions": [{"id": ANN, "name": "ann", "nickname": "ann"}]}

STYLES: dict[str, Callable[[], Files]] = {
    "of version 2.25": lambda: whole(general()),
    "of version 2.47": lambda: whole(general(**NEW)),
    "formatted": lambda: whole(general(**NEW | MENTION)),
    "raw": lambda: whole(general(**NEW | {"content": "ask <@901>"})),
    "newest first": lambda: whole(general(**NEW)[::-1]),
    "in parts": lambda: whole(general()[:12]) | {"general [part 2].json": document(general()[10:])},
    "twice": lambda: whole(general()) | {"again.json": document(general())},
}


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    return folder


def read(folder: Path) -> list[Line | Aside]:
    return [item for item in open_export(folder, PSEUDONYMS) if isinstance(item, Line | Aside)]


def live() -> set[tuple[Any, ...]]:
    """Ids and authors as the gateway tells them."""
    events = [
        written(payload, workspace=GUILD, thread=payload["channel_id"] == THREAD, pseudonyms=PSEUDONYMS)
        for payload in SAID
    ]
    return {(event.id, event.author, event.sent_at) for event in events if isinstance(event, Message)}


@pytest.mark.parametrize("style", STYLES)
def test_22_a_file_of_any_style_has_the_ids_and_the_people_of_the_gateway(tmp_path: Path, style: str):
    items = read(write(tmp_path, STYLES[style]()))

    messages = [item.message for item in items if isinstance(item, Line)]
    assert {(message.id, message.author, message.sent_at) for message in messages} == live()


def test_22_a_file_that_was_cut_short_gives_what_is_whole_in_it(tmp_path: Path):
    whole_file = json.dumps(document(general()), indent=2)
    (tmp_path / "general.json").write_text(whole_file[: whole_file.index("message 21")], encoding="utf-8")

    messages = [item.message for item in read(tmp_path) if isinstance(item, Line)]

    assert [message.text for message in messages] == [f"message {number}" for number in range(1, 21)]


@pytest.mark.parametrize("first", ["live", "file"])
async def test_22_what_is_imported_and_read_live_counts_once(storage: Storage, tmp_path: Path, first: str):
    async def import_file() -> None:
        for item in read(write(tmp_path, STYLES["twice"]())):
            events = (item.event,) if isinstance(item, Aside) else (item.message, *item.others)
            await parts.ingest.accept(*events)

    async with local_discord() as server:
        server.threads[THREAD] = a_thread(THREAD)
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        if first == "file":
            await import_file()
        async with parts.running():
            for payload in SAID[:20]:
                await server.write(payload)
            await until(lambda: SAID[19]["content"] in parts.texts())
        with server.unseen():
            for payload in SAID[20:]:
                await server.write(payload)
        again = Parts(storage, clock=lambda: NOW)
        async with again.running():
            missed = {SAID[29]["content"], SAID[-1]["content"]} if first == "live" else set()
            await until(lambda: THREAD in dict(server.pages) and missed <= set(again.texts()))
        if first == "live":
            await import_file()
        await parts.ingest.drain()
        (counted,) = [c for c in await storage.readings.channels() if c.messages]

    assert (counted.channel, counted.messages, counted.people) == (room(GUILD, GENERAL), len(SAID), 2)
