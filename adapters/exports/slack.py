"""Slack's own export, zip or folder → events.

Only the keys named here are read: an export is a secret, whose file links carry tokens and whose user list holds names
and e-mail addresses. Message, channel and workspace ids are those of live reading, so that nothing is counted twice.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import itemgetter
from pathlib import PurePosixPath
from typing import Any

from adapters.exports.fields import EPOCH, as_array, as_object, emoji_called, from_epoch, identifier, words
from adapters.exports.files import Damaged, Files, Opener, failed, printable
from adapters.exports.stream import JsonText
from bot.errors import ImportFileError
from bot.importing import Aside, Item, Line, Skipped
from bot.message import Channel, ChannelSeen, Deletion, Message, MessageId, Platform, Reaction
from bot.privacy import Pseudonyms

LARGEST_DAY_HELD = 32 * 2**20
"""Bytes of a day's file up to which it is put in order and taken whole or not at all; a larger one is streamed."""

CHANNEL_LISTS = ("channels.json", "groups.json", "dms.json", "mpims.json")
LISTS = (*CHANNEL_LISTS, "users.json", "org_users.json")

BOTS = frozenset({"USLACKBOT"})
"""Users that are bots though nothing on them says so."""

_WRITTEN = {None, "thread_broadcast", "me_message", "file_share", "bot_message"}
_NOTICES = {
    "channel_join": "join", "group_join": "join", "channel_leave": "leave", "group_leave": "leave",
    "channel_topic": "topic", "group_topic": "topic", "channel_purpose": "purpose", "group_purpose": "purpose",
    "channel_name": "rename", "group_name": "rename", "channel_archive": "archive", "group_archive": "archive",
    "channel_unarchive": "archive", "group_unarchive": "archive", "channel_posting_permissions": "channel setting",
    "channel_convert_to_private": "channel setting", "channel_convert_to_public": "channel setting",
    "pinned_item": "pin", "unpinned_item": "pin", "bot_add": "app notice", "bot_remove": "app notice",
    "bot_enable": "app notice", "bot_disable": "app notice", "assistant_app_thread": "app notice",
    "reminder_add": "reminder", "file_comment": "file notice", "file_mention": "file notice",
    "document_mention": "file notice", "huddle_thread": "huddle", "sh_room_created": "huddle",
    "reply_broadcast": "thread notice", "message_replied": "thread notice", "ekm_access_denied": "encrypted",
    "tombstone": "deleted",
}  # fmt: skip
_DAY = re.compile(r"(\d{4}-\d\d-\d\d).*\.json")
_DIRECT = re.compile(r"D[A-Z0-9]{7,}|mpdm-.*")
_TS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")
_SUFFIX = re.compile(r"[ _-]*slack[ _-]*export.*", re.I)


@dataclass(frozen=True, slots=True)
class Room:
    """A channel's folder. `days` are its files, oldest first; a `direct` one is counted and not read."""

    channel: Channel
    name: str
    private: bool
    direct: bool
    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _People:
    """What is taken from the user list."""

    workspace: str | None
    bots: frozenset[str]


class SlackExport:
    """A Slack export.

    Workspace: `workspace`, else the export's team id, else the name of the folder or zip. With `channel`, a name or an
    id, nothing else is read. Raises ImportFileError if a list of channels is damaged or there is no such channel.
    """

    def __init__(
        self, files: Files, pseudonyms: Pseudonyms, *, workspace: str | None = None, channel: str | None = None
    ) -> None:
        self._files = files
        self._pseudonyms = pseudonyms
        self._root = root(files.sizes) or ""
        self._failed = list(files.refused)
        self.bytes_done = 0
        with files.opened(lambda _: None) as open_file:
            people = self._people(open_file)
            team = workspace or people.workspace or self._team(open_file) or label(files.label)
            rooms = self._found(open_file, team)
        self._rooms = _chosen(rooms, channel)
        self._bots = people.bots
        self._seen_at = _newest(rooms)
        self.bytes_total = sum(files.sizes[day] for room in self._rooms for day in room.days)

    def __iter__(self) -> Iterator[Item]:
        """Every line, channel by channel, oldest first."""
        self.bytes_done = 0
        yield from self._failed
        with self._files.opened(self._count) as open_file:
            for room in self._rooms:
                if not room.direct:
                    yield Aside(ChannelSeen(room.channel, room.name, self._seen_at, private=room.private))
                for day in room.days:
                    yield from self._day(open_file, room, day)

    def _count(self, size: int) -> None:
        self.bytes_done += size

    def _day(self, open_file: Opener, room: Room, day: str) -> Iterator[Item]:
        # The folder of a group's direct messages is named after its members.
        shown = f"direct messages, {PurePosixPath(day).name}" if room.direct else day.removeprefix(self._root)
        try:
            with open_file(day) as reader:
                lines: Iterable[tuple[datetime, tuple[Item, ...]]] = (
                    (_time(record), translate(record, room, self._pseudonyms, bots=self._bots))
                    for record in _records(JsonText(reader.read))
                )
                if self._files.sizes[day] <= LARGEST_DAY_HELD:
                    lines = sorted(lines, key=itemgetter(0))
                for _, items in lines:
                    yield from items
        except Damaged as damage:
            yield failed(shown, str(damage))

    def _people(self, open_file: Opener) -> _People:
        teams: Counter[str] = Counter()
        bots = set(BOTS)
        for name in ("users.json", "org_users.json"):
            try:
                for user in self._list(open_file, name):
                    if team := identifier(user.get("team_id")):
                        teams[team] += 1
                    if user.get("is_bot") is True and (bot := identifier(user.get("id"))):
                        bots.add(bot)
            except Damaged as damage:
                self._failed.append(failed(name, str(damage)))
        ((most, _),) = teams.most_common(1) or ((None, 0),)
        return _People(most, frozenset(bots))

    def _team(self, open_file: Opener) -> str | None:
        """The team that the first messages name, for exports without a user list."""
        days = [name for name in self._files.sizes if _day_of(name, self._root)]
        for day in days[:20]:
            try:
                with open_file(day) as reader:
                    for record in _records(JsonText(reader.read)):
                        if team := identifier(as_object(record).get("team")):
                            return team
            except Damaged:
                continue  # named when its turn comes
        return None

    def _found(self, open_file: Opener, workspace: str) -> Sequence[Room]:
        listed: dict[str, tuple[str, bool]] = {}
        direct: set[str] = set()
        for name in CHANNEL_LISTS:
            try:
                for entry in self._list(open_file, name):
                    called = identifier(entry.get("name"))
                    id_ = identifier(entry.get("id")) or called
                    is_direct = name in {"dms.json", "mpims.json"} or True in (entry.get("is_im"), entry.get("is_mpim"))
                    if is_direct:
                        direct |= {id_, called} - {""}
                    elif id_:
                        listed[called or id_] = (id_, name == "groups.json" or entry.get("is_private") is True)
            except Damaged as damage:
                raise ImportFileError(
                    f"{name} in this Slack export can't be used: {damage}. Channels get their ids from it, so nothing "
                    "was imported; download the export again."
                ) from damage
        days: defaultdict[str, list[str]] = defaultdict(list)
        for file in self._files.sizes:
            if folder := _day_of(file, self._root):
                days[folder].append(file)
        names = {id_: called for called, (id_, _) in listed.items()}
        rooms = []
        for folder, files in days.items():
            called = names.get(folder, folder)
            # What no list names may be private: shown to fewer, never to more.
            id_, private = listed.get(called, (folder, bool(listed)))
            is_direct = folder in direct or (called not in listed and _DIRECT.fullmatch(folder) is not None)
            channel = Channel(Platform.SLACK, workspace, words(id_))
            rooms.append(Room(channel, printable(words(called)), private, is_direct, tuple(files)))
        return rooms

    def _list(self, open_file: Opener, name: str) -> Iterator[dict[str, Any]]:
        if self._root + name in self._files.sizes:
            with open_file(self._root + name) as reader:
                for entry in _records(JsonText(reader.read)):
                    yield as_object(entry)


def root(names: Iterable[str]) -> str | None:
    """The folder inside the export that holds everything, with its slash; None if this is no Slack export."""
    listing = min((name for name in names if PurePosixPath(name).name in LISTS), key=_depth, default=None)
    if listing is not None:
        inside = listing[: listing.rfind("/") + 1]
        if any(PurePosixPath(name).name in CHANNEL_LISTS or _day_of(name, inside) for name in names):
            return inside
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) >= 2 and _DAY.fullmatch(parts[-1]):
            return "".join(f"{part}/" for part in parts[:-2])
    return None


def is_day(name: str) -> bool:
    """Whether a file is called as a day of a channel is."""
    return _DAY.fullmatch(PurePosixPath(name).name) is not None


def label(name: str) -> str:
    """A workspace's name from that of its export: `Acme Slack export Jan 1 2024 - Feb 1 2024` is `acme`."""
    return re.sub(r"\W+", "-", _SUFFIX.sub("", name).strip().lower()).strip("-") or "slack"


def translate(record: Any, room: Room, pseudonyms: Pseudonyms, *, bots: frozenset[str] = BOTS) -> tuple[Item, ...]:
    """One record of a day's file: a Line or one Skipped, and a Deletion aside for a tombstone. Takes any JSON."""
    if room.direct:
        return (Skipped("direct message"),)
    if not isinstance(record, dict) or record.get("type", "message") != "message":
        return (Skipped("not a message"),)
    ts = timestamp(record.get("ts"))
    sent_at = from_epoch(ts)
    if ts is None or sent_at is None:
        return (Skipped("bad time"),)
    id_ = MessageId(room.channel, ts)
    subtype = record.get("subtype")
    if subtype == "tombstone":
        return (Skipped("deleted"), Aside(Deletion(id_, sent_at)))
    if (reason := notice(subtype)) is not None:
        return (Skipped(reason),)
    message = written(record, room.channel, pseudonyms, bots=bots)
    if message is None:
        return (Skipped("no author"),)
    return (Line(message, tuple(reactions(record, message, pseudonyms, bots))),)


def written(
    record: Mapping[str, Any], channel: Channel, pseudonyms: Pseudonyms, *, bots: frozenset[str] = BOTS
) -> Message | None:
    """A record that a person or an app wrote, as Slack's history and exports hold it; None if it names no author.

    Raises ValueError unless its `ts` is a time.
    """
    ts = timestamp(record.get("ts"))
    sent_at = from_epoch(ts)
    if ts is None or sent_at is None:
        raise ValueError("a message has a time")
    user, bot = identifier(record.get("user")), identifier(record.get("bot_id"))
    from_bot = bool(bot) or record.get("subtype") == "bot_message" or user in bots
    author = user or bot or ("bot" if from_bot else "")
    if not author:
        return None
    edited_at = from_epoch(as_object(record.get("edited")).get("ts"))
    root_ts = timestamp(record.get("thread_ts"))
    return Message(
        id=MessageId(channel, ts),
        author=pseudonyms.of(Platform.SLACK, channel.workspace, author),
        sent_at=sent_at,
        # Edits are kept in whole seconds, so one may seem earlier than its message.
        revised_at=max(sent_at, edited_at or sent_at),
        text=words(record.get("text")) or _text_of_blocks(record.get("blocks")),
        thread=MessageId(channel, root_ts) if root_ts not in (None, ts) else None,
        from_bot=from_bot,
    )


def reactions(
    record: Mapping[str, Any], message: Message, pseudonyms: Pseudonyms, bots: frozenset[str]
) -> Iterator[Reaction]:
    """Who reacted. A record doesn't say when; the message's own time lets whatever is known from live reading win."""
    for reaction in map(as_object, as_array(record.get("reactions"))):
        emoji = emoji_called(identifier(reaction.get("name")))
        for user in dict.fromkeys(map(identifier, as_array(reaction.get("users")))):
            if emoji and user and user not in bots:
                author = pseudonyms.of(Platform.SLACK, message.id.channel.workspace, user)
                yield Reaction(message.id, author, emoji, message.sent_at)


def notice(subtype: Any) -> str | None:
    """Why a record of `subtype` is left out; None if a person or an app wrote it."""
    if subtype is None:
        return None
    if not isinstance(subtype, str):
        return "not a message"
    if subtype in _WRITTEN:
        return None
    return _NOTICES.get(subtype) or f"unknown subtype {re.sub(r'[^A-Za-z0-9_.-]', '?', subtype[:40])}"


def timestamp(value: Any) -> str | None:
    """A `ts` as Slack writes it, which is also the message's id."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:.6f}"  # tools that convert exports make it a number
    return value if isinstance(value, str) and _TS.fullmatch(value) else None


def _time(record: Any) -> datetime:
    moment = from_epoch(record.get("ts")) if isinstance(record, dict) else None
    return moment or datetime.max.replace(tzinfo=UTC)


def _records(text: JsonText) -> Iterator[Any]:
    text.take("[")
    return text.elements()


def _depth(name: str) -> int:
    return name.count("/")


def _day_of(name: str, root: str) -> str | None:
    """The channel folder that a day's file lies in; None for any other file."""
    if not name.startswith(root):
        return None
    parts = PurePosixPath(name[len(root) :]).parts
    return parts[0] if len(parts) == 2 and _DAY.fullmatch(parts[1]) else None


def _chosen(rooms: Sequence[Room], channel: str | None) -> tuple[Room, ...]:
    if channel is None:
        return tuple(rooms)
    wanted = channel.removeprefix("#")
    chosen = tuple(room for room in rooms if not room.direct and wanted in (room.name, room.channel.id))
    if not chosen:
        names = ", ".join(f"#{room.name}" for room in rooms[:20] if not room.direct)
        raise ImportFileError(f"This Slack export has no channel #{printable(wanted)}. It has: {names or 'none'}.")
    return chosen


def _newest(rooms: Sequence[Room]) -> datetime:
    """When the export was made, as near as it says: the start of its newest day."""
    found = EPOCH
    for room in rooms:
        for day in room.days:
            if match := _DAY.fullmatch(PurePosixPath(day).name):
                try:
                    found = max(found, datetime.combine(date.fromisoformat(match[1]), datetime.min.time(), UTC))
                except ValueError:
                    continue  # 2024-02-31 is only a name
    return found


# Apps, and some clients, leave `text` empty and say everything in blocks. Written back as Slack's own markup.


def _text_of_blocks(blocks: Any) -> str:
    parts = []
    for block in map(as_object, as_array(blocks)):
        match block.get("type"):
            case "rich_text":
                parts += [_rich(element) for element in map(as_object, as_array(block.get("elements")))]
            case "section" | "header":
                texts = [block.get("text"), *as_array(block.get("fields"))]
                parts += [words(as_object(text).get("text")) for text in texts]
    return "\n".join(part for part in parts if part)


def _rich(element: Mapping[str, Any]) -> str:
    elements = [as_object(inner) for inner in as_array(element.get("elements"))]
    match element.get("type"):
        case "rich_text_list":
            return "\n".join("".join(map(_inline, map(as_object, as_array(item.get("elements"))))) for item in elements)
        case "rich_text_preformatted":
            return f"```{''.join(map(_inline, elements))}```"
        case "rich_text_quote":
            return "".join(f"&gt; {line}" for line in "".join(map(_inline, elements)).splitlines(keepends=True))
    return "".join(map(_inline, elements))


def _inline(element: Mapping[str, Any]) -> str:
    match element.get("type"):
        case "text":
            text = _escaped(words(element.get("text")))
            return f"`{text}`" if as_object(element.get("style")).get("code") is True else text
        case "link":
            shown = _escaped(words(element.get("text")))
            return f"<{words(element.get('url'))}{'|' if shown else ''}{shown}>"
        case "emoji":
            return f":{words(element.get('name'))}:"
        case "user":
            return f"<@{words(element.get('user_id'))}>"
        case "channel":
            return f"<#{words(element.get('channel_id'))}>"
        case "usergroup":
            return f"<!subteam^{words(element.get('usergroup_id'))}>"
        case "broadcast":
            return f"<!{words(element.get('range'))}>"
        case "date":
            return words(element.get("fallback"))
    return ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
