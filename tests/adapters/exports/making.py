"""Small exports, made where a test needs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from bot.importing import Aside, Export, FailedFile, Item, Line, Skipped
from bot.message import Channel, Message, Platform
from bot.privacy import Key, Pseudonyms

PSEUDONYMS = Pseudonyms(Key(b"a key of thirty-two bytes, made up"[:32]))
CHATS = Path(__file__).parents[3].parent / "shared" / "data" / "chats"

TEAM = "T0TIDELIST"
KITCHEN = Channel(Platform.SLACK, TEAM, "C0KITCHEN1")
SLACK_CHANNELS = [{"id": KITCHEN.id, "name": "kitchen", "members": ["U0ADA"], "is_general": False}]
SLACK_USERS = [
    {"id": "U0ADA", "team_id": TEAM, "name": "ada", "is_bot": False, "profile": {"email": "ada@example.org"}},
    {"id": "U0ROBOT", "team_id": TEAM, "name": "robot", "is_bot": True},
]

GUILD = "310000000000000001"
LOUNGE = Channel(Platform.DISCORD, GUILD, "320000000000000001")


def slack_record(number: int = 1, **fields: Any) -> dict[str, Any]:
    """The `number`th message of a Slack day, by Ada, a minute after the one before."""
    record: dict[str, Any] = {
        "type": "message",
        "user": "U0ADA",
        "text": f"the kettle boils, {number}",
        "ts": slack_ts(number),
    }
    return {key: value for key, value in (record | fields).items() if value is not ...}


def slack_ts(number: int = 1) -> str:
    return f"{1_772_442_000 + 60 * number}.000100"


def slack_files(days: Mapping[str, Any], *, channels: Any = SLACK_CHANNELS, users: Any = SLACK_USERS) -> dict[str, Any]:
    lists = {"channels.json": channels, "users.json": users}
    return {name: content for name, content in lists.items() if content is not None} | dict(days)


def write_folder(folder: Path, files: Mapping[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(content))
    return folder


def write_zip(path: Path, files: Mapping[str, Any], *, root: str = "") -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(root + name, as_bytes(content))
    return path


def as_bytes(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def discord_record(number: int = 1, **fields: Any) -> dict[str, Any]:
    """The `number`th message of a Discord channel, as DiscordChatExporter writes it."""
    record: dict[str, Any] = {
        "id": str(330_000_000_000_000_000 + number),
        "type": "Default",
        "timestamp": f"2026-03-02T09:{number:02}:00.1234567+00:00",
        "timestampEdited": None,
        "isPinned": False,
        "content": f"somebody left the window open, {number}",
        "author": {"id": "340000000000000001", "name": "ada", "nickname": "Ada L.", "isBot": False},
        "attachments": [],
        "embeds": [],
        "stickers": [],
        "reactions": [],
        "mentions": [],
    }
    return {key: value for key, value in (record | fields).items() if value is not ...}


def discord_document(*records: Any, **channel: Any) -> dict[str, Any]:
    return {
        "guild": {"id": GUILD, "name": "Tidelist", "iconUrl": "https://example.org/icon.png"},
        "channel": {"id": LOUNGE.id, "type": "GuildTextChat", "categoryId": "1", "category": "Talk", "name": "lounge"}
        | channel,
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2026-03-09T08:00:00+00:00",
        "messages": list(records),
        "messageCount": len(records),
    }


def jsonl_record(**fields: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "workspace": "tidelist",
        "channel": "kitchen",
        "user": "Ada",
        "ts": "2026-03-02T09:00:00Z",
        "text": "who took the last biscuit?",
    }
    return {key: value for key, value in (record | fields).items() if value is not ...}


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    path.write_bytes(b"".join(as_bytes(record) + b"\n" for record in records))
    return path


def messages(items: Iterable[Item]) -> Sequence[Message]:
    return [item.message for item in items if isinstance(item, Line)]


def texts(items: Iterable[Item]) -> Sequence[str]:
    return [message.text for message in messages(items)]


def events(items: Iterable[Item]) -> Sequence[Any]:
    return [item.event for item in items if isinstance(item, Aside)]


def skipped(items: Iterable[Item]) -> Sequence[str]:
    return [item.reason for item in items if isinstance(item, Skipped)]


def failures(items: Iterable[Item]) -> Sequence[tuple[str, str]]:
    return [(item.file, item.reason) for item in items if isinstance(item, FailedFile)]


def independent_count(export: Export) -> tuple[int, int, int]:
    """Lines, their different ids, and their people."""
    found = messages(export)
    return len(found), len({message.id for message in found}), len({message.author for message in found})
