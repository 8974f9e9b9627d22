"""Plain JSONL, one message a line → events; the format is described in docs/exports.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from adapters.exports.fields import from_epoch, from_iso, identifier, words
from adapters.exports.files import Damaged, Reader, failed, printable
from bot.importing import Aside, Item, Line, Skipped
from bot.message import Channel, ChannelSeen, Deletion, Message, MessageId, Platform
from bot.privacy import Pseudonyms

LONGEST_LINE = 32 * 2**20
"""Bytes; a longer line is passed over."""

REMEMBERED = 100_000
"""Lines without an id, and conversations, that are remembered: equal lines further apart count as one."""

_DIGITS = re.compile(r"\s*-?[0-9]{9,}(\.[0-9]*)?\s*")  # eight are a date


class JsonlExport:
    """A JSONL file. `workspace` stands where a line names none, else the file's name; with `channel`, only its lines
    are read and counted.
    """

    def __init__(
        self, path: Path, pseudonyms: Pseudonyms, *, workspace: str | None = None, channel: str | None = None
    ) -> None:
        self._path = path
        self._pseudonyms = pseudonyms
        self._workspace = workspace or path.name.partition(".")[0] or "jsonl"
        self._channel = channel.removeprefix("#") if channel else None
        self.bytes_total = path.stat().st_size
        self.bytes_done = 0

    def __iter__(self) -> Iterator[Item]:
        """Every line in the file's order; blank ones are none."""
        self.bytes_done = 0
        seen: set[Channel] = set()
        translator = Translator(self._pseudonyms, workspace=self._workspace)
        try:
            with self._path.open("rb") as raw:
                for line in lines(Reader(raw, count=self._count)):
                    record = parsed(line)
                    if self._channel is not None and _channel_name(record) != self._channel:
                        continue
                    for item in translator.items(record):
                        if isinstance(item, Line) and (channel := item.message.id.channel) not in seen:
                            seen.add(channel)
                            yield Aside(ChannelSeen(channel, printable(channel.id), item.message.sent_at))
                        yield item
        except OSError as error:
            yield failed(self._path.name, f"it can't be opened ({error.strerror})")
        except Damaged as damage:
            yield failed(self._path.name, str(damage))
        if self._channel is not None and not seen:
            yield failed(self._path.name, f"it has no channel #{self._channel}")

    def _count(self, size: int) -> None:
        self.bytes_done += size


class Translator:
    """Turns a file's lines into items. Knows the lines before, since equal lines are told apart by their number."""

    def __init__(self, pseudonyms: Pseudonyms, *, workspace: str) -> None:
        self._pseudonyms = pseudonyms
        self._workspace = workspace
        self._times: LRUCache[str, int] = LRUCache(REMEMBERED)
        self._roots: LRUCache[tuple[Channel, str], MessageId] = LRUCache(REMEMBERED)

    def items(self, record: Any) -> tuple[Item, ...]:
        """A Line or one Skipped, and a Deletion aside if the line says so. Takes any JSON, None for none."""
        if record is None:
            return (Skipped("not JSON"),)
        if not isinstance(record, dict):
            return (Skipped("not a message"),)
        try:
            platform = Platform(record.get("platform", Platform.OTHER))
        except ValueError:
            return (Skipped("unknown platform"),)
        if not (name := _channel_name(record)):
            return (Skipped("no channel"),)
        channel = Channel(platform, identifier(record.get("workspace")) or self._workspace, name)
        sent_at = _moment(record.get("ts"))
        if sent_at is None:
            return (Skipped("bad time"),)
        id_ = identifier(record.get("id"))
        if deleted := record.get("deleted"):
            deletion = Deletion(MessageId(channel, id_), _moment(deleted) or sent_at)
            return (Skipped("deleted"), Aside(deletion)) if id_ else (Skipped("deleted"),)
        user = identifier(record.get("user"))
        if not user:
            return (Skipped("no author"),)
        if not isinstance(record.get("text"), str):
            return (Skipped("no text"),)
        text = words(record["text"])
        message_id = MessageId(channel, id_ or self._derived(channel, sent_at, user, text))
        edited_at = _moment(record.get("edited"))
        message = Message(
            id=message_id,
            author=self._pseudonyms.of(platform, channel.workspace, user),
            sent_at=sent_at,
            revised_at=max(sent_at, edited_at or sent_at),
            text=text,
            thread=self._thread(record, message_id),
            from_bot=record.get("bot") is True,
        )
        return (Line(message),)

    def _derived(self, channel: Channel, sent_at: datetime, user: str, text: str) -> str:
        """An id made of what a line says and how many lines before said the same.

        Hashed with the installation's key, as user ids are: nobody without it can find out what was said by trying.
        """
        said = "\x1f".join(("line", channel.platform, channel.id, sent_at.isoformat(), user, text))
        digest = self._pseudonyms.of(Platform.OTHER, channel.workspace, said)
        times = self._times.get(digest, 0)
        self._times[digest] = times + 1
        return f"{digest}-{times}" if times else digest

    def _thread(self, record: Mapping[str, Any], message: MessageId) -> MessageId | None:
        """`thread` names its first message; a `conversation` is a label, and its first line begins it."""
        if named := identifier(record.get("thread")):
            return MessageId(message.channel, named) if named != message.id else None
        if not (label := identifier(record.get("conversation"))):
            return None
        root = self._roots.setdefault((message.channel, label), message)
        return root if root != message else None


def lines(reader: Reader) -> Iterator[bytes | None]:
    """Each line that isn't blank; None for one that is too long. Raises Damaged."""
    while line := reader.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while rest := reader.readline(LONGEST_LINE):
                if rest.endswith(b"\n"):
                    break
            yield None
        elif not line.isspace():
            yield line


def parsed(line: bytes | None) -> Any:
    """The JSON of a line; None if it is none."""
    try:
        text = (line or b"").decode("utf-8-sig", "surrogatepass")
        return json.loads(text, strict=False, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _channel_name(record: Any) -> str:
    return identifier(record.get("channel")).removeprefix("#") if isinstance(record, dict) else ""


def _moment(value: Any) -> datetime | None:
    # Thirteen digits would also pass for a date and a time of the Middle Ages.
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        return from_iso(value)
    return from_epoch(value, milliseconds=True)
