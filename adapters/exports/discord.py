"""DiscordChatExporter's JSON, one file or a folder of them → events.

A file is one channel or one thread; what they are called is read inside, never from the file's name. Ids are those of
the gateway, so that nothing is counted twice. See https://github.com/Tyrrrz/DiscordChatExporter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from adapters.exports.fields import EPOCH, as_array, as_object, emoji_without_tone, from_iso, identifier, words
from adapters.exports.files import Damaged, Files, failed, printable
from adapters.exports.stream import JsonText
from bot.importing import Aside, Item, Line, Skipped
from bot.message import Channel, ChannelSeen, Message, MessageId, Platform, Reaction
from bot.privacy import Pseudonyms

_DISCORD_EPOCH_MS = 1_420_070_400_000  # https://discord.com/developers/docs/reference#snowflakes
_DIRECT = "0"  # the guild of direct messages

# An allow-list: types other than these carry sentences that the exporter made up. It writes numbers for those it
# doesn't know, so both spellings occur (DiscordChatExporter.Core/Discord/Data/MessageKind.cs).
_WRITTEN = {"Default", "Reply", "0", "19"}
_COMMANDS = {"20", "23"}  # answered by an app
_NOTICES = {
    "RecipientAdd": "join", "RecipientRemove": "leave", "Call": "call", "ChannelNameChange": "rename",
    "ChannelIconChange": "channel setting", "ChannelPinnedMessage": "pin", "GuildMemberJoin": "join",
    "ThreadCreated": "thread notice", "1": "join", "2": "leave", "3": "call", "4": "rename", "5": "channel setting",
    "6": "pin", "7": "join", "8": "boost", "9": "boost", "10": "boost", "11": "boost", "12": "app notice",
    "14": "server notice", "15": "server notice", "16": "server notice", "17": "server notice", "18": "thread notice",
    "21": "thread notice", "22": "server notice", "24": "moderation notice", "25": "purchase", "26": "app notice",
    "27": "stage", "28": "stage", "29": "stage", "31": "stage", "32": "purchase", "36": "moderation notice",
    "37": "moderation notice", "38": "moderation notice", "39": "moderation notice", "44": "purchase",
    "46": "poll result",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says before its messages. `direct` ones are counted and not read."""

    channel: Channel
    name: str
    private: bool
    direct: bool
    parent: Channel | None
    parent_name: str


class DiscordExport:
    """Files that DiscordChatExporter wrote. `workspace` replaces the server's id; with `channel`, only that is read."""

    def __init__(
        self, files: Files, pseudonyms: Pseudonyms, *, workspace: str | None = None, channel: str | None = None
    ) -> None:
        self._files = files
        self._pseudonyms = pseudonyms
        self._workspace = workspace
        self._channel = channel.removeprefix("#") if channel else None
        # A file that was named by itself may be called anything.
        self._names = tuple(filter(is_candidate, files.sizes)) or tuple(files.sizes)
        self.bytes_total = sum(files.sizes[name] for name in self._names)
        self.bytes_done = 0

    def __iter__(self) -> Iterator[Item]:
        """Every line, file by file, in the order of each file."""
        self.bytes_done = 0
        found = self._channel is None
        yield from self._files.refused
        with self._files.opened(self._count) as open_file:
            for name in self._names:
                before = self.bytes_done
                try:
                    with open_file(name) as reader:
                        text = JsonText(reader.read)
                        header = read_header(text, workspace=self._workspace)
                        if header is None:
                            raise Damaged("it is not a JSON file of DiscordChatExporter")
                        if self._is_wanted(header):
                            found = True
                            yield from self._lines(header, text)
                except Damaged as damage:
                    yield failed(name, str(damage))
                self.bytes_done = before + self._files.sizes[name]  # also where a file was left early
        if not found:
            yield failed(self._files.label, f"it has no channel #{self._channel}")

    def _count(self, size: int) -> None:
        self.bytes_done += size

    def _is_wanted(self, header: Header) -> bool:
        """A thread comes with its channel."""
        ids = {header.channel.id, header.name}
        if header.parent is not None:
            ids |= {header.parent.id, header.parent_name}
        return self._channel is None or self._channel in ids

    def _lines(self, header: Header, text: JsonText) -> Iterator[Item]:
        if not header.direct:
            yield from _places(header)
        for record in text.elements():
            yield translate(record, header, self._pseudonyms)


def is_candidate(name: str) -> bool:
    """Whether a file of a folder may be an export's; what `--media` downloads lies in folders named `…_Files`."""
    path = PurePosixPath(name)
    return path.suffix.lower() == ".json" and not any(part.endswith("_Files") for part in path.parts[:-1])


def read_header(text: JsonText, *, workspace: str | None = None) -> Header | None:
    """What stands before the messages, with `text` left at the first of them; None if this is no such file.

    Raises Damaged where the file isn't JSON, or is cut short.
    """
    fields: dict[str, dict[str, Any]] = {}
    if text.peek() != "{":
        return None
    text.take("{")
    while text.peek() == '"':
        key = text.value()
        text.take(":")
        if key == "messages" and text.peek() == "[":
            text.take("[")
            return _header(fields.get("guild", {}), fields.get("channel", {}), workspace)
        fields[key] = as_object(text.value())
        if text.take(",}") == "}":
            break
    return None


def _header(guild: Mapping[str, Any], channel: Mapping[str, Any], workspace: str | None) -> Header | None:
    guild_id, channel_id = identifier(guild.get("id")), identifier(channel.get("id"))
    if not guild_id or not channel_id:
        return None
    kind, category = words(channel.get("type")), identifier(channel.get("categoryId"))
    in_thread = "Thread" in kind and category  # else the category is a heading over channels
    place = workspace or guild_id
    return Header(
        channel=Channel(Platform.DISCORD, place, channel_id),
        name=printable(words(channel.get("name"))) or channel_id,
        private="Private" in kind,
        direct=guild_id == _DIRECT or kind.startswith("Direct"),
        parent=Channel(Platform.DISCORD, place, category) if in_thread else None,
        parent_name=printable(words(channel.get("category"))) if in_thread else "",
    )


def _places(header: Header) -> Iterator[Item]:
    """Dated to the channel's making: an export doesn't say who may see it, so anything known from live reading wins."""
    if header.parent is not None:
        name = header.parent_name or header.parent.id
        yield Aside(ChannelSeen(header.parent, name, _made_at(header.parent.id)))
    at = _made_at(header.channel.id)
    yield Aside(ChannelSeen(header.channel, header.name, at, private=header.private, parent=header.parent))


def _made_at(snowflake: str) -> datetime:
    number = int(snowflake) if re.fullmatch(r"[0-9]{1,19}", snowflake) else 0
    return EPOCH + timedelta(milliseconds=(number >> 22) + _DISCORD_EPOCH_MS)


def translate(record: Any, header: Header, pseudonyms: Pseudonyms) -> Line | Skipped:
    """One record of `messages`. Takes any JSON."""
    if header.direct:
        return Skipped("direct message")
    if not isinstance(record, dict):
        return Skipped("not a message")
    id_ = identifier(record.get("id"))
    if not id_:
        return Skipped("no id")
    kind = identifier(record.get("type")) or "Default"
    if kind not in _WRITTEN and kind not in _COMMANDS:
        return Skipped(_NOTICES.get(kind) or f"unknown type {re.sub(r'[^A-Za-z0-9_.-]', '?', kind[:40])}")
    sent_at = _milliseconds(from_iso(record.get("timestamp")))
    if sent_at is None:
        return Skipped("bad time")
    author = as_object(record.get("author"))
    user = identifier(author.get("id"))
    if not user:
        return Skipped("no author")
    edited_at = _milliseconds(from_iso(record.get("timestampEdited")))
    message = Message(
        id=MessageId(header.channel, id_),
        author=pseudonyms.of(Platform.DISCORD, header.channel.workspace, user),
        sent_at=sent_at,
        revised_at=max(sent_at, edited_at or sent_at),
        # A forward's words, an embed's and a sticker's name are not the sender's.
        text=_without_names(words(record.get("content")), as_array(record.get("mentions"))),
        from_bot=author.get("isBot") is True or kind in _COMMANDS,
    )
    return Line(message, tuple(_reactions(record, message, pseudonyms)))


def _milliseconds(moment: datetime | None) -> datetime | None:
    # The gateway repeats an edit's time without its microseconds.
    return moment and moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _without_names(content: str, mentions: Sequence[Any]) -> str:
    """Mentions as Discord sends them: unless told `--markdown false`, the exporter writes them as `@Display Name`."""
    if "@" not in content:
        return content
    ids: dict[str, str] = {}
    for mention in map(as_object, mentions):
        for key in ("nickname", "name"):
            if called := words(mention.get(key)):
                ids.setdefault(f"@{called}", f"<@{identifier(mention.get('id'))}>")
    if not ids:
        return content
    # The longest first: one name may begin another.
    pattern = "|".join(re.escape(called) for called in sorted(ids, key=len, reverse=True))
    return re.sub(pattern, lambda match: ids[match.group()], content)


def _reactions(record: Mapping[str, Any], message: Message, pseudonyms: Pseudonyms) -> Iterator[Reaction]:
    """Those whose people the export names; it doesn't say when, so the message's own time stands."""
    for reaction in map(as_object, as_array(record.get("reactions"))):
        emoji = as_object(reaction.get("emoji"))
        called = words(emoji.get("name"))
        shown = called if identifier(emoji.get("id")) else emoji_without_tone(called)
        for user in map(as_object, as_array(reaction.get("users"))):
            id_ = identifier(user.get("id"))
            if shown and id_ and user.get("isBot") is not True:
                author = pseudonyms.of(Platform.DISCORD, message.id.channel.workspace, id_)
                yield Reaction(message.id, author, shown, message.sent_at)
