"""Ledger: turns what was read into readings and roll-ups, exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import Select, Table, bindparam, case, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, Text

from bot.analysis import Analysis, Label
from bot.entities import canonical
from bot.message import (
    Channel,
    ChannelGone,
    ChannelMoved,
    ChannelSeen,
    Deletion,
    Event,
    Message,
    MessageId,
    Platform,
    Pseudonym,
    Reaction,
    ReactionsCleared,
)
from bot.store import Past, Standing, Waiting
from storage.engine import Database, among, given
from storage.inbox import subject_of
from storage.moments import milliseconds, moment
from storage.moves import followed, removed, renamed, rethreaded
from storage.names import numbered, storable
from storage.places import EVERY, Place, deleted_before, home_of, known, located, places_of, stored, told_of, updated
from storage.rollups import MESSAGES, UNREAD, Changes
from storage.seal import Seal
from storage.tables import (
    authors,
    channels,
    clearings,
    entities,
    inbox,
    mentions,
    models,
    reactions,
    readings,
    reasons,
    spellings,
    surfaces,
    threads,
)

_CHUNK = 5_000  # readings held in memory while a channel or a person is taken out

_LABELS = {Label.NEGATIVE: -1, Label.NEUTRAL: 0, Label.POSITIVE: 1}


class StoredLedger:
    """The ledger in the database. See `bot.store.Ledger`."""

    def __init__(self, database: Database, seal: Seal, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock

    async def record(self, done: Sequence[tuple[Waiting, Analysis | None]], /) -> None:
        """Commit a batch and end its events in the inbox, in one transaction."""
        if not done:
            return
        readings_ = [_read(w.event, analysis) for w, analysis in done if isinstance(w.event, Message)]
        events = [waiting.event for waiting, _ in done if not isinstance(waiting.event, Message)]
        async with self._database.writing() as connection:
            recording = _Recording(connection)
            await recording.record(readings_, events)
            await connection.execute(
                delete(inbox).where(among(inbox.c.id, "receipts")),
                {"receipts": [[waiting.receipt] for waiting, _ in done]},
            )

    async def known(self, revisions: Sequence[tuple[MessageId, datetime]], /) -> Sequence[bool]:
        """Is each revision, or a later one, or a tombstone, recorded or waiting?"""
        if not revisions:
            return ()
        wanted = [
            (stored(message.channel), storable(message.id), milliseconds(at), subject_of(message, self._seal))
            for message, at in revisions
        ]
        async with self._database.reading() as connection:
            places = await known(connection, {channel for channel, *_ in wanted})
            keys = [[places[channel].id, key] for channel, key, *_ in wanted if channel in places]
            recorded = {
                (row.channel_id, row.key): None if row.deleted else row.revised_at
                for row in await connection.execute(_REVISIONS, {"keys": keys})
            }
            waiting: dict[bytes, int] = {
                row.subject: row.revised_at
                for row in await connection.execute(_WAITING, {"subjects": sorted({s for *_, s in wanted})})
            }
        return tuple(
            _is_known(recorded, (places[channel].id, key) if channel in places else None, at)
            or waiting.get(subject, at - 1) >= at
            for channel, key, at, subject in wanted
        )

    async def standing(self, revisions: Sequence[tuple[MessageId, datetime]], /) -> Sequence[Standing]:
        """What is recorded of each message, seen from this revision?"""
        if not revisions:
            return ()
        wanted = [(stored(message.channel), storable(message.id), milliseconds(at)) for message, at in revisions]
        async with self._database.reading() as connection:
            places = await known(connection, {channel for channel, *_ in wanted})
            keys = [[places[channel].id, key] for channel, key, _ in wanted if channel in places]
            rows = {(row.channel_id, row.key): row for row in await connection.execute(_STANDINGS, {"keys": keys})}
        return tuple(
            _standing(rows.get((places[channel].id, key)) if channel in places else None, at)
            for channel, key, at in wanted
        )

    async def reread(self, done: Sequence[tuple[Message, Analysis]], /) -> int:
        """Put these readings in the place of those of the same revisions, in one transaction."""
        if not done:
            return 0
        async with self._database.writing() as connection:
            recording = _Recording(connection)
            return await recording.reread([_read(message, analysis) for message, analysis in done])

    async def read_by(self) -> Mapping[str, int]:
        """How many messages each model read."""
        counting = (
            select(models.c.name, func.count().label("messages"))
            .join(readings, readings.c.model_id == models.c.id)
            .group_by(models.c.name)
        )
        async with self._database.reading() as connection:
            return {row.name: row.messages for row in await connection.execute(counting)}

    async def opt_out(self, author: Pseudonym, /) -> None:
        """Take everything of `author` out of every number, and keep nothing of theirs from now on."""
        async with self._database.writing() as connection:
            put = insert(authors).values(pseudonym=author, opted_out=True)
            put = put.on_conflict_do_update(
                index_elements=["pseudonym"], set_={"opted_out": True, "counted_from": None}
            )
            number = (await connection.execute(put.returning(authors.c.id))).scalar_one()
            await _Recording(connection).forget(readings.c.author_id == number)
            await connection.execute(delete(reactions).where(reactions.c.author_id == number))
            await connection.execute(delete(inbox).where(inbox.c.author == author))

    async def opt_in(self, author: Pseudonym, /) -> None:
        """Count what `author` sends from now on."""
        back = (
            update(authors)
            .where(authors.c.pseudonym == author, authors.c.opted_out)
            .values(opted_out=False, counted_from=milliseconds(self._clock()))
        )
        async with self._database.writing() as connection:
            await connection.execute(back)

    async def opted_out(self, author: Pseudonym, /) -> bool:
        """Has `author` opted out?"""
        asking = select(authors.c.opted_out).where(authors.c.pseudonym == author)
        async with self._database.reading() as connection:
            return bool((await connection.execute(asking)).scalar())


def _is_known(recorded: dict[tuple[int, str], int | None], name: tuple[int, str] | None, at: int) -> bool:
    if name is None or name not in recorded:
        return False
    revised_at = recorded[name]
    return revised_at is None or revised_at >= at


def _standing(row: Any, at: int) -> Standing:
    if row is None:
        return Standing(Past.UNKNOWN)
    if row.deleted:
        return Standing(Past.DELETED)
    if row.revised_at == at:
        return Standing(Past.READ, row.model)
    return Standing(Past.EDITED if row.revised_at > at else Past.UNKNOWN, row.model)


_keys, (_channel, _key) = given("keys", Integer, Text)
_named = _keys.join(readings, (readings.c.channel_id == _channel) & (readings.c.key == _key))
_REVISIONS = select(readings.c.channel_id, readings.c.key, readings.c.deleted, readings.c.revised_at).select_from(
    _named
)
_STANDINGS = select(
    readings.c.channel_id, readings.c.key, readings.c.deleted, readings.c.revised_at, models.c.name.label("model")
).select_from(_named.outerjoin(models, readings.c.model_id == models.c.id))
_WAITING = (
    select(inbox.c.subject, func.max(inbox.c.revised_at).label("revised_at"))
    .where(inbox.c.subject.in_(bindparam("subjects", expanding=True)))
    .group_by(inbox.c.subject)
)


# ---- a reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is kept of a message, in names. `label` and probabilities (steps of 1e-4) are None if it was not read."""

    channel: Channel
    key: str
    author: str
    sent_at: int
    revised_at: int
    thread: tuple[Channel, str] | None
    from_bot: bool
    model: str | None
    language: str | None
    label: int | None
    negative: int | None
    neutral: int | None
    positive: int | None
    mentions: tuple[tuple[str, str, int], ...]  # surface, kind, count; sorted

    @property
    def reason(self) -> str | None:
        """Why it was not read."""
        if self.label is not None:
            return None
        return "bot" if self.from_bot else f"language {self.language or 'und'}"

    def rank(self) -> tuple[object, ...]:
        """Greater wins. At the same moment some order, so that it doesn't matter which came first."""
        return (
            self.revised_at,
            self.author,
            self.sent_at,
            ((*_spelled(self.thread[0]), self.thread[1]) if self.thread else ()),
            self.from_bot,
            self.model or "",
            self.language or "",
            -1 if self.label is None else 0,
            self.negative or 0,
            self.positive or 0,
            self.mentions,
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """A reading that has a row: the numbers it is stored under, beside what it says."""

    id: int
    home_id: int
    author_id: int
    model_id: int | None
    reading: _Reading


def _spelled(channel: Channel) -> tuple[str, str, str]:
    return (channel.platform.value, channel.workspace, channel.id)


def _read(message: Message, analysis: Analysis | None) -> _Reading:
    if analysis is None and not message.from_bot:
        raise ValueError("a person's message is recorded with its analysis")
    sentiment = None if analysis is None or message.from_bot else analysis.sentiment
    negative = positive = neutral = label = None
    counted: Counter[tuple[str, str]] = Counter()
    if analysis is not None and sentiment is not None:
        negative, positive = round(sentiment.negative * 10_000), round(sentiment.positive * 10_000)
        neutral, label = 10_000 - negative - positive, _LABELS[sentiment.label]
        for entity in analysis.entities:
            surface = storable(entity.text)
            if canonical(surface):
                counted[surface, entity.kind.value] += 1
    thread = message.thread
    return _Reading(
        channel=stored(message.id.channel),
        key=storable(message.id.id),
        author=message.author,
        sent_at=milliseconds(message.sent_at),
        revised_at=milliseconds(message.revised_at),
        thread=(stored(thread.channel), storable(thread.id)) if thread else None,
        from_bot=message.from_bot,
        model=storable(analysis.model) if analysis and not message.from_bot else None,
        language=storable(analysis.language) if analysis and analysis.language and not message.from_bot else None,
        label=label,
        negative=negative,
        neutral=neutral,
        positive=positive,
        mentions=tuple(sorted((surface, kind, count) for (surface, kind), count in counted.items())),
    )


def _read_anew(old: _Reading, new: _Reading) -> _Reading:
    """`old` with what a model made of it as `new` has that."""
    return replace(
        old,
        model=new.model,
        language=new.language,
        label=new.label,
        negative=new.negative,
        neutral=new.neutral,
        positive=new.positive,
        mentions=new.mentions,
    )


# ---- one transaction -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Numbers:
    """What names are stored under."""

    authors: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    surfaces: dict[str, int] = field(default_factory=dict)
    entities: dict[str, int] = field(default_factory=dict)  # by surface
    threads: dict[tuple[Channel, str], int] = field(default_factory=dict)


class _Recording:
    """One transaction's changes: rows are written at once, sums when it ends."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._places: dict[Channel, Place] = {}
        self._numbers = _Numbers()
        self._changes = Changes()
        self._spellings: Counter[tuple[int, str, str]] = Counter()

    async def record(self, new: Sequence[_Reading], events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, ChannelMoved):
                await self._unite(event)
        now = await self._locate(_channels(new, events))
        if now:
            new, events = [_read_in(reading, now) for reading in new], [_told_in(event, now) for event in events]
        await self._tell(new, events)

    async def _locate(self, wanted: Iterable[Channel]) -> dict[Channel, Channel]:
        """Know the places of `wanted`; those that are called something else now, and what."""
        found = await located(self._connection, wanted)
        self._places = {place.channel: place for place in found.values()}
        return {asked: place.channel for asked, place in found.items() if place.channel != asked}

    async def _tell(self, new: Sequence[_Reading], events: Sequence[Event]) -> None:
        """Record what is told of channels whose places are known, by their ids of now."""
        await self._settle([event for event in events if isinstance(event, ChannelSeen | ChannelGone)])
        reacted = [event for event in events if isinstance(event, Reaction)]
        counted = await self._counted({r.author for r in new} | {r.author for r in reacted})
        latest: dict[tuple[Channel, str], _Reading] = {}
        for reading in new:
            name = (reading.channel, reading.key)
            if counted.get(reading.author, _NEVER) > reading.sent_at or not self._stands(
                reading.channel, reading.sent_at
            ):
                continue
            if name not in latest or latest[name].rank() < reading.rank():
                latest[name] = reading
        deleted = {(stored(e.id.channel), storable(e.id.id)) for e in events if isinstance(e, Deletion)}
        standing = [event for event in reacted if counted.get(event.author, _NEVER) <= milliseconds(event.at)]
        cleared = [event for event in events if isinstance(event, ReactionsCleared)]
        about = {_name(reaction) for reaction in standing} | {_name(clearing) for clearing in cleared}
        before, tombs = await self._stored(latest.keys() | deleted | about)
        gone = tombs | deleted
        await self._bury(deleted - tombs, before)
        await self._replace(
            [
                (reading, before.get(name))
                for name, reading in latest.items()
                if name not in gone and (name not in before or before[name].reading.rank() < reading.rank())
            ]
        )
        await self._react([r for r in standing if _name(r) not in gone], [c for c in cleared if _name(c) not in gone])
        await self._sum()

    async def reread(self, new: Sequence[_Reading]) -> int:
        """Put these in the place of the readings of the very same revisions; how many there were."""
        if now := await self._locate(_channels(new, ())):
            new = [_read_in(reading, now) for reading in new]
        latest = {(reading.channel, reading.key): reading for reading in new}
        before, _ = await self._stored(latest)
        roots = {old.reading.thread[0] for old in before.values() if old.reading.thread}
        self._places |= await located(self._connection, roots)
        pairs = [
            (_read_anew(old.reading, latest[name]), old)
            for name, old in before.items()
            if old.reading.revised_at == latest[name].revised_at and not old.reading.from_bot
        ]
        await self._replace(pairs)
        await self._sum()
        return len(pairs)

    async def forget(self, which: Any) -> None:
        """Take every reading out of every number of which `which`, a condition on `readings`, is true."""
        async for _ in self._forgotten(which):
            pass

    async def _forgotten(self, which: Any) -> AsyncIterator[list[_Stored]]:
        """Forget them as `forget` does, some at a time, and say which those were."""
        while rows := await self._load(_READINGS.where(which, ~readings.c.deleted).limit(_CHUNK)):
            await self._number([row.reading for row in rows])
            for row in rows:
                self._count(row, sign=-1)
            await self._sum()
            ids = {"readings": [[row.id] for row in rows]}
            await self._connection.execute(delete(mentions).where(among(mentions.c.reading_id, "readings")), ids)
            await self._connection.execute(delete(readings).where(among(readings.c.id, "readings")), ids)
            yield rows

    # ---- channels

    async def _settle(self, news: Sequence[ChannelSeen | ChannelGone]) -> None:
        """Apply what is new about channels, also to what was recorded before it was known."""
        if not news:
            return
        before = {
            channel: (home_of(place, self._places).id, self._erased(channel)) for channel, place in self._places.items()
        }
        for channel in await updated(self._connection, self._places, news):
            place = self._places[channel]
            if home_of(place, self._places).id != before[channel][0]:
                await self._move(place, home_of(place, self._places).id)
            if self._erased(channel) != before[channel][1]:
                await self._erase(place)

    async def _erase(self, place: Place) -> None:
        """Forget what was deleted with `place`, there and in its threads."""
        erased = self._erased(place.channel)
        if erased is None:
            return
        inside = select(channels.c.id).where((channels.c.id == place.id) | (channels.c.parent_id == place.id))
        await self.forget(readings.c.channel_id.in_(inside) & (readings.c.sent_at <= erased))
        for table in (reactions, clearings):
            await self._connection.execute(delete(table).where(table.c.channel_id.in_(inside), table.c.at <= erased))

    async def _move(self, place: Place, home_id: int) -> None:
        """Let what was recorded in `place` count for the channel `home_id` from now on."""
        elsewhere = _READINGS.where(readings.c.channel_id == place.id, readings.c.home_id != home_id).limit(_CHUNK)
        while rows := await self._load(elsewhere):
            await self._number([row.reading for row in rows])
            for row in rows:
                self._count(row, sign=-1)
                self._count(replace(row, home_id=home_id), sign=1)
            await self._sum()
            ids = {"readings": [[row.id] for row in rows]}
            for table, name in ((mentions, mentions.c.reading_id), (readings, readings.c.id)):
                await self._connection.execute(
                    update(table).where(among(name, "readings")).values(home_id=home_id), ids
                )

    async def _unite(self, move: ChannelMoved) -> None:
        """Make one channel of the two ids: as if all that was told of either had been told of one."""
        old_id, new_id = stored(move.old), stored(move.new)
        found = await located(self._connection, [old_id, new_id])
        self._places = {place.channel: place for place in found.values()}
        old, new = (self._places[found[id_].channel] for id_ in (old_id, new_id))
        moves = [(place.moved_at, place.channel.id) for place in (old, new) if place.moved_at is not None]
        moved_at, key = max([*moves, (milliseconds(move.at), new_id.id)])
        ids = {old_id, new_id, old.channel, new.channel}
        now = replace(new_id, id=key)
        stays = old
        if old.id != new.id:
            goes, stays = (new, old) if await self._recorded(new) <= await self._recorded(old) else (old, new)
            await self._absorb(goes, stays)
        await renamed(self._connection, stays.id, now, ids - {now}, moved_at)
        for id_ in sorted(ids - {now}, key=_spelled):
            await followed(self._connection, id_, now)
        self._numbers.threads.clear()  # they go by the ids of before

    async def _recorded(self, place: Place) -> int:
        counting = select(func.count()).where(readings.c.channel_id == place.id)
        return await self._connection.scalar(counting) or 0

    async def _absorb(self, goes: Place, stays: Place) -> None:
        """Tell everything that was told of `goes` again, of `stays`, and take its row away."""
        inside = places_of((await self._connection.execute(EVERY.where(channels.c.parent_id == goes.id))).all())
        await self._connection.execute(
            update(channels)
            .where(channels.c.parent_id == goes.id)
            .values(parent_id=case((channels.c.id != stays.id, stays.id)))
        )
        if stays.parent == goes.channel:
            stays.parent = None
        for place in inside:
            await self._move(place, stays.id)
        await rethreaded(self._connection, goes, stays)
        now = {goes.channel: stays.channel}
        await self._tell((), [_told_in(event, now) for event in told_of(goes)])
        await self._erase(stays)
        async for some in self._forgotten(readings.c.channel_id == goes.id):
            read = [_read_in(row.reading, now) for row in some]
            roots = {reading.thread[0] for reading in read if reading.thread} - self._places.keys()
            self._places |= await located(self._connection, roots)
            await self._tell(read, ())
        there = MessageId(stays.channel, "")
        again: list[Event]
        async for rows in self._drained(select(readings.c.key), readings, goes):  # only tombstones are left there
            again = [Deletion(replace(there, id=row.key), moment(0)) for row in rows]
            await self._tell((), again)
        given_ = select(reactions, authors.c.pseudonym).join(authors, reactions.c.author_id == authors.c.id)
        async for rows in self._drained(given_, reactions, goes):
            again = [Reaction(replace(there, id=r.key), r.pseudonym, r.emoji, moment(r.at), r.added) for r in rows]
            await self._tell((), again)
        async for rows in self._drained(select(clearings), clearings, goes):
            again = [ReactionsCleared(replace(there, id=r.key), moment(r.at), r.emoji or None) for r in rows]
            await self._tell((), again)
        await removed(self._connection, goes, stays)

    async def _drained(self, rows: Select[Any], table: Table, place: Place) -> AsyncIterator[Sequence[Any]]:
        """Those of `rows` that are in `place`, some messages' at a time, taken out of `table`."""
        here = table.c.channel_id == place.id
        keys = select(table.c.key).where(here).distinct().limit(_CHUNK)
        while found := (await self._connection.execute(keys)).scalars().all():
            these, names = here & among(table.c.key, "keys"), {"keys": [[key] for key in found]}
            some = (await self._connection.execute(rows.where(these), names)).all()
            await self._connection.execute(delete(table).where(these), names)
            yield some

    def _erased(self, channel: Channel) -> int | None:
        return deleted_before(self._places[channel], self._places)

    def _stands(self, channel: Channel, at: int) -> bool:
        erased = self._erased(channel)
        return erased is None or at > erased

    # ---- messages

    async def _counted(self, pseudonyms: set[str]) -> dict[str, int]:
        """From when on each author is counted; missing: never."""
        self._numbers.authors |= await numbered(self._connection, authors, "pseudonym", pseudonyms)
        rows, (pseudonym,) = given("names", Text)
        asking = select(authors.c.pseudonym, authors.c.counted_from).where(
            authors.c.pseudonym.in_(select(pseudonym).select_from(rows)), ~authors.c.opted_out
        )
        found = await self._connection.execute(asking, {"names": [[name] for name in pseudonyms]})
        return {row.pseudonym: _ALWAYS if row.counted_from is None else row.counted_from for row in found}

    async def _stored(
        self, names: Iterable[tuple[Channel, str]]
    ) -> tuple[dict[tuple[Channel, str], _Stored], set[tuple[Channel, str]]]:
        """The readings among `names` that have a row, and those that are tombstones."""
        keys = [[self._places[channel].id, key] for channel, key in names]
        channel_of = {self._places[channel].id: channel for channel, _ in names}
        tombs, some = set(), False
        for row in await self._connection.execute(_REVISIONS, {"keys": keys}):
            if row.deleted:
                tombs.add((channel_of[row.channel_id], row.key))
            else:
                some = True
        rows = await self._load(_NAMED, {"keys": keys}) if some else []
        return {(row.reading.channel, row.reading.key): row for row in rows}, tombs

    async def _load(self, statement: Select[Any], parameters: dict[str, Any] | None = None) -> list[_Stored]:
        """The readings that `statement`, a form of _READINGS, finds."""
        found = (await self._connection.execute(statement, parameters or {})).all()
        said: dict[int, list[tuple[str, str, int]]] = {}
        for mention in await self._connection.execute(_MENTIONS, {"readings": [[row.id] for row in found]}):
            said.setdefault(mention.reading_id, []).append((mention.text, mention.kind, mention.times))
        return [
            _Stored(
                id=row.id,
                home_id=row.home_id,
                author_id=row.author_id,
                model_id=row.model_id,
                reading=_Reading(
                    channel=Channel(Platform(row.platform), row.workspace, row.channel_key),
                    key=row.key,
                    author=row.pseudonym,
                    sent_at=row.sent_at,
                    revised_at=row.revised_at,
                    thread=(
                        (
                            Channel(Platform(row.thread_platform), row.thread_workspace, row.thread_channel),
                            row.thread_key,
                        )
                        if row.thread_key is not None
                        else None
                    ),
                    from_bot=row.from_bot,
                    model=row.model,
                    language=row.language,
                    label=row.label,
                    negative=row.negative,
                    neutral=row.neutral,
                    positive=row.positive,
                    mentions=tuple(sorted(said.get(row.id, ()))),
                ),
            )
            for row in found
        ]

    async def _bury(self, deleted: set[tuple[Channel, str]], before: dict[tuple[Channel, str], _Stored]) -> None:
        """Put a tombstone where each of `deleted` was or will be."""
        if not deleted:
            return
        rows = [before[name] for name in deleted if name in before]
        await self._number([row.reading for row in rows])
        for row in rows:
            self._count(row, sign=-1)
        ids = {"readings": [[row.id] for row in rows]}
        keys = [{"channel_id": self._places[channel].id, "key": key} for channel, key in deleted]
        await self._connection.execute(delete(mentions).where(among(mentions.c.reading_id, "readings")), ids)
        await self._connection.execute(delete(readings).where(among(readings.c.id, "readings")), ids)
        await self._connection.execute(insert(readings), [{**key, "deleted": True} for key in keys])
        for table in (reactions, clearings):
            message = (table.c.channel_id == bindparam("channel")) & (table.c.key == bindparam("message"))
            await self._connection.execute(
                delete(table).where(message), [{"channel": k["channel_id"], "message": k["key"]} for k in keys]
            )

    async def _replace(self, pairs: Sequence[tuple[_Reading, _Stored | None]]) -> None:
        """Write each reading, in place of an older revision where there is one."""
        if not pairs:
            return
        await self._number([reading for reading, _ in pairs] + [old.reading for _, old in pairs if old])
        number = await self._connection.scalar(select(func.coalesce(func.max(readings.c.id), 0))) or 0
        rows, said = [], []
        for reading, old in pairs:
            if old:
                self._count(old, sign=-1)
                id_ = old.id
            else:
                number += 1
                id_ = number
            new = self._placed(id_, reading)
            self._count(new, sign=1)
            rows.append(self._row(new))
            for surface, kind, count in reading.mentions:
                surface_id = self._numbers.surfaces[surface]
                said.append(
                    {
                        "reading_id": id_,
                        "surface_id": surface_id,
                        "kind": kind,
                        "times": count,
                        "entity_id": self._numbers.entities[surface],
                        "home_id": new.home_id,
                        "sent_at": reading.sent_at,
                    }
                )
        replaced = [[old.id] for _, old in pairs if old]
        if replaced:
            ids = {"readings": replaced}
            await self._connection.execute(delete(mentions).where(among(mentions.c.reading_id, "readings")), ids)
            await self._connection.execute(delete(readings).where(among(readings.c.id, "readings")), ids)
        await self._connection.execute(insert(readings), rows)
        if said:
            await self._connection.execute(insert(mentions), said)

    def _placed(self, id_: int, reading: _Reading) -> _Stored:
        return _Stored(
            id=id_,
            home_id=home_of(self._places[reading.channel], self._places).id,
            author_id=self._numbers.authors[reading.author],
            model_id=self._numbers.models[reading.model] if reading.model is not None else None,
            reading=reading,
        )

    def _row(self, new: _Stored) -> dict[str, Any]:
        reading = new.reading
        return {
            "id": new.id,
            "channel_id": self._places[reading.channel].id,
            "key": reading.key,
            "home_id": new.home_id,
            "author_id": new.author_id,
            "sent_at": reading.sent_at,
            "revised_at": reading.revised_at,
            "thread_id": self._numbers.threads[reading.thread] if reading.thread else None,
            "from_bot": reading.from_bot,
            "model_id": new.model_id,
            "language": reading.language,
            "label": reading.label,
            "negative": reading.negative,
            "neutral": reading.neutral,
            "positive": reading.positive,
        }

    # ---- reactions

    async def _react(self, given_: Sequence[Reaction], cleared: Sequence[ReactionsCleared]) -> None:
        latest: dict[tuple[int, str, int, str], tuple[int, bool]] = {}
        for event in given_:
            (channel, key), at = _name(event), milliseconds(event.at)
            if not self._stands(channel, at):
                continue
            name = (self._places[channel].id, key, self._numbers.authors[event.author], storable(event.emoji))
            # At the same moment a withdrawal wins, so that it doesn't matter which came first.
            if name not in latest or (at, not event.added) > (latest[name][0], not latest[name][1]):
                latest[name] = (at, event.added)
        if latest:
            rows = [
                {"channel_id": channel, "key": key, "author_id": author, "emoji": emoji, "at": at, "added": added}
                for (channel, key, author, emoji), (at, added) in latest.items()
            ]
            put = insert(reactions)
            old, new = reactions.c, put.excluded
            put = put.on_conflict_do_update(
                index_elements=["channel_id", "key", "author_id", "emoji"],
                set_={"at": new.at, "added": new.added},
                where=(new.at > old.at) | ((new.at == old.at) & old.added & ~new.added),
            )
            await self._connection.execute(put, rows)
        sweeps: dict[tuple[int, str, str], int] = {}
        for sweep in cleared:
            (channel, key), at = _name(sweep), milliseconds(sweep.at)
            if self._stands(channel, at):
                name_ = (self._places[channel].id, key, storable(sweep.emoji) if sweep.emoji else "")
                sweeps[name_] = max(at, sweeps.get(name_, at))
        if sweeps:
            clear = insert(clearings)
            clear = clear.on_conflict_do_update(
                index_elements=["channel_id", "key", "emoji"],
                set_={"at": clear.excluded.at},
                where=clear.excluded.at > clearings.c.at,
            )
            await self._connection.execute(
                clear, [{"channel_id": c, "key": k, "emoji": e, "at": at} for (c, k, e), at in sweeps.items()]
            )

    # ---- names and sums

    async def _number(self, some: Sequence[_Reading]) -> None:
        """Know the number of every name in `some`."""
        numbers = self._numbers
        for table, column, known_, names in (
            (models, "name", numbers.models, {r.model for r in some if r.model is not None}),
            (reasons, "name", numbers.reasons, {r.reason for r in some if r.reason is not None}),
            (authors, "pseudonym", numbers.authors, {r.author for r in some}),
        ):
            if missing := names - known_.keys():
                known_ |= await numbered(self._connection, table, column, missing)
        said = {surface for r in some for surface, _, _ in r.mentions} - numbers.surfaces.keys()
        if said:
            meant = {surface: canonical(surface) for surface in said}
            ids = await numbered(self._connection, entities, "key", meant.values())
            numbers.entities |= {surface: ids[key] for surface, key in meant.items()}
            of = {surface: numbers.entities[surface] for surface in said}
            numbers.surfaces |= await numbered(self._connection, surfaces, "text", said, entity_id=of)
        roots = {r.thread for r in some if r.thread is not None} - numbers.threads.keys()
        if roots:
            keys = [[self._places[channel].id, key] for channel, key in roots if channel in self._places]
            rows = [{"channel_id": channel, "key": key} for channel, key in keys]
            if rows:
                await self._connection.execute(insert(threads).on_conflict_do_nothing(), rows)
                channel_of = {place.id: channel for channel, place in self._places.items()}
                for row in await self._connection.execute(_THREADS, {"keys": keys}):
                    numbers.threads[channel_of[row.channel_id], row.key] = row.id

    def _count(self, row: _Stored, *, sign: int) -> None:
        """Count a reading in every sum it belongs to, or with `sign` -1 take it back."""
        reading, home = row.reading, row.home_id
        if reading.label is None:
            assert reading.reason is not None
            reason = self._numbers.reasons[reading.reason]
            self._changes.add(
                home=home, about=UNREAD, author=row.author_id, model=reason, sent_at=reading.sent_at, label=0, sign=sign
            )
            return
        assert row.model_id is not None
        assert reading.positive is not None
        assert reading.negative is not None
        score = reading.positive - reading.negative
        named: Counter[int] = Counter()
        for surface, kind, count in reading.mentions:
            named[self._numbers.entities[surface]] += count
            self._spellings[home, surface, kind] += sign * count
        for about, count in ((MESSAGES, 0), *named.items()):
            self._changes.add(
                home=home,
                about=about,
                author=row.author_id,
                model=row.model_id,
                sent_at=reading.sent_at,
                label=reading.label,
                score=score,
                mentions=count,
                sign=sign,
            )

    async def _sum(self) -> None:
        await self._changes.apply(self._connection)
        rows = [
            {"home_id": home, "surface_id": self._numbers.surfaces[surface], "kind": kind, "times": count}
            for (home, surface, kind), count in self._spellings.items()
            if count
        ]
        if rows:
            put = insert(spellings)
            put = put.on_conflict_do_update(
                index_elements=["home_id", "surface_id", "kind"],
                set_={"times": spellings.c.times + put.excluded.times},
            )
            await self._connection.execute(put, rows)
        if fewer := {home for (home, _, _), count in self._spellings.items() if count < 0}:
            homes = {"homes": [[home] for home in fewer]}
            await self._connection.execute(
                delete(spellings).where(among(spellings.c.home_id, "homes"), spellings.c.times == 0), homes
            )
        self._spellings.clear()


_ALWAYS = -(2**62)
_NEVER = 2**62


def _read_in(reading: _Reading, now: Mapping[Channel, Channel]) -> _Reading:
    """`reading` with the ids that its channels have now."""
    thread = reading.thread and (now.get(reading.thread[0], reading.thread[0]), reading.thread[1])
    return replace(reading, channel=now.get(reading.channel, reading.channel), thread=thread)


def _told_in(event: Event, now: Mapping[Channel, Channel]) -> Event:
    """`event` with the ids that its channels have now."""
    match event:
        case ChannelSeen():
            channel, parent = _now(event.channel, now), event.parent and _now(event.parent, now)
            return replace(event, channel=channel, parent=None if parent == channel else parent)
        case ChannelGone():
            return replace(event, channel=_now(event.channel, now))
        case ChannelMoved():
            return event
        case Message() | Deletion() | Reaction() | ReactionsCleared():
            return replace(event, id=replace(event.id, channel=_now(event.id.channel, now)))
        case _:
            assert_never(event)


def _now(channel: Channel, now: Mapping[Channel, Channel]) -> Channel:
    return now.get(stored(channel), channel)


def _name(event: Reaction | ReactionsCleared) -> tuple[Channel, str]:
    return stored(event.id.channel), storable(event.id.id)


def _channels(new: Sequence[_Reading], events: Sequence[Event]) -> set[Channel]:
    """Every channel that is spoken of."""
    found = {reading.channel for reading in new} | {reading.thread[0] for reading in new if reading.thread}
    for event in events:
        match event:
            case ChannelSeen():
                found.add(stored(event.channel))
                if event.parent:
                    found.add(stored(event.parent))
            case ChannelGone():
                found.add(stored(event.channel))
            case ChannelMoved():
                pass  # applied before the others are told
            case _:
                found.add(stored(event.id.channel))
    return found


_thread_channels = channels.alias("thread_channels")
_READINGS = (
    select(
        readings,
        authors.c.pseudonym,
        models.c.name.label("model"),
        channels.c.platform,
        channels.c.workspace,
        channels.c.key.label("channel_key"),
        threads.c.key.label("thread_key"),
        _thread_channels.c.platform.label("thread_platform"),
        _thread_channels.c.workspace.label("thread_workspace"),
        _thread_channels.c.key.label("thread_channel"),
    )
    .select_from(readings)
    .join(channels, readings.c.channel_id == channels.c.id)
    .join(authors, readings.c.author_id == authors.c.id)
    .outerjoin(models, readings.c.model_id == models.c.id)
    .outerjoin(threads, readings.c.thread_id == threads.c.id)
    .outerjoin(_thread_channels, threads.c.channel_id == _thread_channels.c.id)
)
_NAMED = _READINGS.where(readings.c.id.in_(select(readings.c.id).select_from(_named)))
_MENTIONS = (
    select(mentions.c.reading_id, surfaces.c.text, mentions.c.kind, mentions.c.times)
    .join(surfaces, mentions.c.surface_id == surfaces.c.id)
    .where(among(mentions.c.reading_id, "readings"))
)
_THREADS = select(threads.c.id, threads.c.channel_id, threads.c.key).select_from(
    _keys.join(threads, (threads.c.channel_id == _channel) & (threads.c.key == _key))
)
