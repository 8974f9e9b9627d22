"""An event as bytes, and back, without loss.

JSON in ASCII: lone surrogates and NUL travel as escapes. What is written here is read again within minutes, but perhaps
by the next version: a field that is added gets a default when it is missing.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, assert_never

from bot.message import (
    Channel,
    ChannelGone,
    ChannelMoved,
    ChannelSeen,
    Deletion,
    Event,
    Gone,
    Message,
    MessageId,
    Platform,
    Pseudonym,
    Reaction,
    ReactionsCleared,
)
from storage.moments import EPOCH

_MICROSECOND = timedelta(microseconds=1)


def packed(event: Event) -> bytes:
    """`event` as bytes; equal events give equal bytes."""
    return json.dumps(_fields(event), separators=(",", ":")).encode("ascii")


def unpacked(content: bytes) -> Event:
    """The event that was packed. Raises ValueError or KeyError for anything else."""
    return _event(json.loads(content))


def _fields(event: Event) -> dict[str, Any]:
    match event:
        case Message():
            return {
                "is": "message",
                "id": _id(event.id),
                "author": event.author,
                "sent": _at(event.sent_at),
                "revised": _at(event.revised_at),
                "text": event.text,
                "thread": _id(event.thread) if event.thread else None,
                "bot": event.from_bot,
            }
        case Deletion():
            return {"is": "deletion", "id": _id(event.id), "at": _at(event.deleted_at)}
        case Reaction():
            return {
                "is": "reaction",
                "id": _id(event.id),
                "author": event.author,
                "emoji": event.emoji,
                "at": _at(event.at),
                "added": event.added,
            }
        case ReactionsCleared():
            return {"is": "cleared", "id": _id(event.id), "at": _at(event.at), "emoji": event.emoji}
        case ChannelSeen():
            return {
                "is": "seen",
                "channel": _channel(event.channel),
                "name": event.name,
                "at": _at(event.at),
                "private": event.private,
                "parent": _channel(event.parent) if event.parent else None,
            }
        case ChannelGone():
            return {"is": "gone", "channel": _channel(event.channel), "at": _at(event.at), "why": event.why}
        case ChannelMoved():
            return {"is": "moved", "old": _channel(event.old), "new": _channel(event.new), "at": _at(event.at)}
        case _:
            assert_never(event)


def _event(fields: dict[str, Any]) -> Event:
    match fields["is"]:
        case "message":
            return Message(
                id=_read_id(fields["id"]),
                author=Pseudonym(fields["author"]),
                sent_at=_read_at(fields["sent"]),
                revised_at=_read_at(fields["revised"]),
                text=fields["text"],
                thread=_read_id(fields["thread"]) if fields["thread"] else None,
                from_bot=fields["bot"],
            )
        case "deletion":
            return Deletion(_read_id(fields["id"]), _read_at(fields["at"]))
        case "reaction":
            return Reaction(
                id=_read_id(fields["id"]),
                author=Pseudonym(fields["author"]),
                emoji=fields["emoji"],
                at=_read_at(fields["at"]),
                added=fields["added"],
            )
        case "cleared":
            return ReactionsCleared(_read_id(fields["id"]), _read_at(fields["at"]), fields["emoji"])
        case "seen":
            return ChannelSeen(
                channel=_read_channel(fields["channel"]),
                name=fields["name"],
                at=_read_at(fields["at"]),
                private=fields["private"],
                parent=_read_channel(fields["parent"]) if fields["parent"] else None,
            )
        case "gone":
            return ChannelGone(_read_channel(fields["channel"]), _read_at(fields["at"]), Gone(fields["why"]))
        case "moved":
            return ChannelMoved(_read_channel(fields["old"]), _read_channel(fields["new"]), _read_at(fields["at"]))
        case unknown:
            raise ValueError(f"no such kind of event: {unknown!r:.20}")


def _channel(channel: Channel) -> list[str]:
    return [channel.platform, channel.workspace, channel.id]


def _read_channel(parts: list[str]) -> Channel:
    platform, workspace, id_ = parts
    return Channel(Platform(platform), workspace, id_)


def _id(message: MessageId) -> list[str]:
    return [*_channel(message.channel), message.id]


def _read_id(parts: list[str]) -> MessageId:
    return MessageId(_read_channel(parts[:3]), parts[3])


def _at(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND


def _read_at(microseconds: int) -> datetime:
    return EPOCH + microseconds * _MICROSECOND
