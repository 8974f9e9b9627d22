"""One transaction of the ledger: rows are written at once, sums when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from bot.message import (
    Channel,
    ChannelGone,
    ChannelMoved,
    ChannelSeen,
    Deletion,
    Event,
    Message,
    Reaction,
    ReactionsCleared,
)
from storage.engine import among, given
from storage.kept import NAMED, READINGS, REVISIONS, Reading, Stored, load, read_anew, read_in
from storage.moments import milliseconds
from storage.names import numbered, storable
from storage.numbers import Numbers
from storage.places import Place, deleted_before, home_of, located, stored, updated
from storage.rollups import MESSAGES, UNREAD, Changes
from storage.tables import (
    authors,
    channels,
    clearings,
    mentions,
    reactions,
    readings,
    spellings,
)

CHUNK = 5_000
"""Readings held in memory while a channel or a person is taken out."""


class Recording:
    """One transaction's changes. `places` are the channels it knows, by their ids of now."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.places: dict[Channel, Place] = {}
        self.numbers = Numbers()
        self._changes = Changes()
        self._spellings: Counter[tuple[int, str, str]] = Counter()

    async def record(self, new: Sequence[Reading], events: Sequence[Event]) -> None:
        """Record what is new, by the ids that its channels have now; moves are applied before (`storage.uniting`)."""
        now = await self.locate(_channels(new, events))
        if now:
            new, events = [read_in(reading, now) for reading in new], [told_in(event, now) for event in events]
        await self.tell(new, events)

    async def locate(self, wanted: Iterable[Channel]) -> dict[Channel, Channel]:
        """Know the places of `wanted`; those that are called something else now, and what."""
        found = await located(self.connection, wanted)
        self.places = {place.channel: place for place in found.values()}
        return {asked: place.channel for asked, place in found.items() if place.channel != asked}

    async def tell(self, new: Sequence[Reading], events: Sequence[Event]) -> None:
        """Record what is told of channels whose places are known, by their ids of now."""
        await self._settle([event for event in events if isinstance(event, ChannelSeen | ChannelGone)])
        reacted = [event for event in events if isinstance(event, Reaction)]
        counted = await self._counted({r.author for r in new} | {r.author for r in reacted})
        latest: dict[tuple[Channel, str], Reading] = {}
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

    async def reread(self, new: Sequence[Reading]) -> int:
        """Put these in the place of the readings of the very same revisions; how many there were."""
        if now := await self.locate(_channels(new, ())):
            new = [read_in(reading, now) for reading in new]
        latest = {(reading.channel, reading.key): reading for reading in new}
        before, _ = await self._stored(latest)
        roots = {old.reading.thread[0] for old in before.values() if old.reading.thread}
        self.places |= await located(self.connection, roots)
        pairs = [
            (read_anew(old.reading, latest[name]), old)
            for name, old in before.items()
            if old.reading.revised_at == latest[name].revised_at and not old.reading.from_bot
        ]
        await self._replace(pairs)
        await self._sum()
        return len(pairs)

    async def forget(self, which: Any) -> None:
        """Take every reading out of every number of which `which`, a condition on `readings`, is true."""
        async for _ in self.forgotten(which):
            pass

    async def forgotten(self, which: Any) -> AsyncIterator[list[Stored]]:
        """Forget them as `forget` does, some at a time, and say which those were."""
        while rows := await load(self.connection, READINGS.where(which, ~readings.c.deleted).limit(CHUNK)):
            await self.numbers.know(self.connection, self.places, [row.reading for row in rows])
            for row in rows:
                self._count(row, sign=-1)
            await self._sum()
            ids = {"readings": [[row.id] for row in rows]}
            await self.connection.execute(delete(mentions).where(among(mentions.c.reading_id, "readings")), ids)
            await self.connection.execute(delete(readings).where(among(readings.c.id, "readings")), ids)
            yield rows

    # ---- channels

    async def _settle(self, news: Sequence[ChannelSeen | ChannelGone]) -> None:
        """Apply what is new about channels, also to what was recorded before it was known."""
        if not news:
            return
        before = {
            channel: (home_of(place, self.places).id, self._erased(channel)) for channel, place in self.places.items()
        }
        for channel in await updated(self.connection, self.places, news):
            place = self.places[channel]
            if home_of(place, self.places).id != before[channel][0]:
                await self.move(place, home_of(place, self.places).id)
            if self._erased(channel) != before[channel][1]:
                await self.erase(place)

    async def erase(self, place: Place) -> None:
        """Forget what was deleted with `place`, there and in its threads."""
        erased = self._erased(place.channel)
        if erased is None:
            return
        inside = select(channels.c.id).where((channels.c.id == place.id) | (channels.c.parent_id == place.id))
        await self.forget(readings.c.channel_id.in_(inside) & (readings.c.sent_at <= erased))
        for table in (reactions, clearings):
            await self.connection.execute(delete(table).where(table.c.channel_id.in_(inside), table.c.at <= erased))

    async def move(self, place: Place, home_id: int) -> None:
        """Let what was recorded in `place` count for the channel `home_id` from now on."""
        elsewhere = READINGS.where(readings.c.channel_id == place.id, readings.c.home_id != home_id).limit(CHUNK)
        while rows := await load(self.connection, elsewhere):
            await self.numbers.know(self.connection, self.places, [row.reading for row in rows])
            for row in rows:
                self._count(row, sign=-1)
                self._count(replace(row, home_id=home_id), sign=1)
            await self._sum()
            ids = {"readings": [[row.id] for row in rows]}
            for table, name in ((mentions, mentions.c.reading_id), (readings, readings.c.id)):
                await self.connection.execute(update(table).where(among(name, "readings")).values(home_id=home_id), ids)

    def _erased(self, channel: Channel) -> int | None:
        return deleted_before(self.places[channel], self.places)

    def _stands(self, channel: Channel, at: int) -> bool:
        erased = self._erased(channel)
        return erased is None or at > erased

    # ---- messages

    async def _counted(self, pseudonyms: set[str]) -> dict[str, int]:
        """From when on each author is counted; missing: never."""
        self.numbers.authors |= await numbered(self.connection, authors, "pseudonym", pseudonyms)
        rows, (pseudonym,) = given("names", Text)
        asking = select(authors.c.pseudonym, authors.c.counted_from).where(
            authors.c.pseudonym.in_(select(pseudonym).select_from(rows)), ~authors.c.opted_out
        )
        found = await self.connection.execute(asking, {"names": [[name] for name in pseudonyms]})
        return {row.pseudonym: _ALWAYS if row.counted_from is None else row.counted_from for row in found}

    async def _stored(
        self, names: Iterable[tuple[Channel, str]]
    ) -> tuple[dict[tuple[Channel, str], Stored], set[tuple[Channel, str]]]:
        """The readings among `names` that have a row, and those that are tombstones."""
        keys = [[self.places[channel].id, key] for channel, key in names]
        channel_of = {self.places[channel].id: channel for channel, _ in names}
        tombs, some = set(), False
        for row in await self.connection.execute(REVISIONS, {"keys": keys}):
            if row.deleted:
                tombs.add((channel_of[row.channel_id], row.key))
            else:
                some = True
        rows = await load(self.connection, NAMED, {"keys": keys}) if some else []
        return {(row.reading.channel, row.reading.key): row for row in rows}, tombs

    async def _bury(self, deleted: set[tuple[Channel, str]], before: dict[tuple[Channel, str], Stored]) -> None:
        """Put a tombstone where each of `deleted` was or will be."""
        if not deleted:
            return
        rows = [before[name] for name in deleted if name in before]
        await self.numbers.know(self.connection, self.places, [row.reading for row in rows])
        for row in rows:
            self._count(row, sign=-1)
        ids = {"readings": [[row.id] for row in rows]}
        keys = [{"channel_id": self.places[channel].id, "key": key} for channel, key in deleted]
        await self.connection.execute(delete(mentions).where(among(mentions.c.reading_id, "readings")), ids)
        await self.connection.execute(delete(readings).where(among(readings.c.id, "readings")), ids)
        await self.connection.execute(insert(readings), [{**key, "deleted": True} for key in keys])
        for table in (reactions, clearings):
            message = (table.c.channel_id == bindparam("channel")) & (table.c.key == bindparam("message"))
            await self.connection.execute(
                delete(table).where(message), [{"channel": k["channel_id"], "message": k["key"]} for k in keys]
            )

    async def _replace(self, pairs: Sequence[tuple[Reading, Stored | None]]) -> None:
        """Write each reading, in place of an older revision where there is one."""
        if not pairs:
            return
        await self.numbers.know(
            self.connection, self.places, [reading for reading, _ in pairs] + [old.reading for _, old in pairs if old]
        )
        number = await self.connection.scalar(select(func.coalesce(func.max(readings.c.id), 0))) or 0
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
                surface_id = self.numbers.surfaces[surface]
                said.append(
                    {
                        "reading_id": id_,
                        "surface_id": surface_id,
                        "kind": kind,
                        "times": count,
                        "entity_id": self.numbers.entities[surface],
                        "home_id": new.home_id,
                        "sent_at": reading.sent_at,
                    }
                )
        replaced = [[old.id] for _, old in pairs if old]
        if replaced:
            ids = {"readings": replaced}
            await self.connection.execute(delete(mentions).where(among(mentions.c.reading_id, "readings")), ids)
            await self.connection.execute(delete(readings).where(among(readings.c.id, "readings")), ids)
        await self.connection.execute(insert(readings), rows)
        if said:
            await self.connection.execute(insert(mentions), said)

    def _placed(self, id_: int, reading: Reading) -> Stored:
        return Stored(
            id=id_,
            home_id=home_of(self.places[reading.channel], self.places).id,
            author_id=self.numbers.authors[reading.author],
            model_id=self.numbers.models[reading.model] if reading.model is not None else None,
            reading=reading,
        )

    def _row(self, new: Stored) -> dict[str, Any]:
        reading = new.reading
        return {
            "id": new.id,
            "channel_id": self.places[reading.channel].id,
            "key": reading.key,
            "home_id": new.home_id,
            "author_id": new.author_id,
            "sent_at": reading.sent_at,
            "revised_at": reading.revised_at,
            "thread_id": self.numbers.threads[reading.thread] if reading.thread else None,
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
            name = (self.places[channel].id, key, self.numbers.authors[event.author], storable(event.emoji))
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
            await self.connection.execute(put, rows)
        sweeps: dict[tuple[int, str, str], int] = {}
        for sweep in cleared:
            (channel, key), at = _name(sweep), milliseconds(sweep.at)
            if self._stands(channel, at):
                name_ = (self.places[channel].id, key, storable(sweep.emoji) if sweep.emoji else "")
                sweeps[name_] = max(at, sweeps.get(name_, at))
        if sweeps:
            clear = insert(clearings)
            clear = clear.on_conflict_do_update(
                index_elements=["channel_id", "key", "emoji"],
                set_={"at": clear.excluded.at},
                where=clear.excluded.at > clearings.c.at,
            )
            await self.connection.execute(
                clear, [{"channel_id": c, "key": k, "emoji": e, "at": at} for (c, k, e), at in sweeps.items()]
            )

    # ---- names and sums

    def _count(self, row: Stored, *, sign: int) -> None:
        """Count a reading in every sum it belongs to, or with `sign` -1 take it back."""
        reading, home = row.reading, row.home_id
        if reading.label is None:
            assert reading.reason is not None
            reason = self.numbers.reasons[reading.reason]
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
            named[self.numbers.entities[surface]] += count
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
        await self._changes.apply(self.connection)
        rows = [
            {"home_id": home, "surface_id": self.numbers.surfaces[surface], "kind": kind, "times": count}
            for (home, surface, kind), count in self._spellings.items()
            if count
        ]
        if rows:
            put = insert(spellings)
            put = put.on_conflict_do_update(
                index_elements=["home_id", "surface_id", "kind"],
                set_={"times": spellings.c.times + put.excluded.times},
            )
            await self.connection.execute(put, rows)
        if fewer := {home for (home, _, _), count in self._spellings.items() if count < 0}:
            homes = {"homes": [[home] for home in fewer]}
            await self.connection.execute(
                delete(spellings).where(among(spellings.c.home_id, "homes"), spellings.c.times == 0), homes
            )
        self._spellings.clear()


_ALWAYS = -(2**62)
_NEVER = 2**62


def told_in(event: Event, now: Mapping[Channel, Channel]) -> Event:
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


def _channels(new: Sequence[Reading], events: Sequence[Event]) -> set[Channel]:
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
