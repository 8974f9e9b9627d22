"""Readings: answers about what was recorded."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, Text

from bot.analysis import Kind
from bot.entities import canonical
from bot.errors import StorageError
from bot.message import Channel, Gone, MessageId, Platform, Pseudonym, Window
from bot.store import AuthorTally, ChannelSummary, EntityTally, LeftOut, ReactionTally, ThreadTally
from bot.tallies import Tallies
from storage.engine import Database, among, given
from storage.inbox import channel_of
from storage.mentioned import Part, mentioned
from storage.moments import QUARTER_HOUR_MS, milliseconds, moment, quarter_hours
from storage.named import WORTH, Named, pack, packed, past, together
from storage.names import meanings, storable
from storage.places import EVERY, Place, former_of, known, places_of, stored
from storage.rollups import (
    ENTITY_SPANS,
    MESSAGE_SPANS,
    MESSAGES,
    UNREAD,
    Bucket,
    Entries,
    Span,
    buckets,
    decomposed,
    distinct,
    joined,
    month_before,
    sums_of,
    unpacked,
)
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
    rollups,
    spellings,
    surfaces,
    threads,
)


class StoredReadings:
    """What the database says about what was read. See `bot.store.Readings`."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self._packing: asyncio.Task[None] | None = None

    async def finish(self) -> None:
        """Wait for what is being packed."""
        if self._packing is not None:
            await self._packing

    async def channels(self) -> Sequence[ChannelSummary]:
        """Every channel ever seen."""
        async with self._database.reading() as connection:
            places = places_of((await connection.execute(EVERY)).all())
            extent = {row.home_id: row for row in (await connection.execute(_EXTENT)).all()}
            keys = [
                [home, Span.MONTH, end]
                for home, row in extent.items()
                for end in buckets(Span.MONTH, row.first // QUARTER_HOUR_MS, row.last // QUARTER_HOUR_MS)
            ]
            months = (await connection.execute(_MONTHS, {"buckets": keys, "about": MESSAGES})).all()
        sums: dict[int, list[bytes]] = defaultdict(list)
        for month in months:
            sums[month.home_id].append(month.tallies)
        summaries = [
            _summary(place, unpacked(sums[place.id]), extent.get(place.id)) for place in places if place.parent is None
        ]
        return tuple(sorted(summaries, key=lambda s: (s.channel.platform, s.channel.workspace, s.name, s.channel.id)))

    async def tallies(
        self, channels: Sequence[Channel], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        """Author tallies of each window between `edges`."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            found, _ = await _window_sums(connection, homes, _windows(edges), [MESSAGES])
            return await _author_tallies(connection, found.folded(), len(edges) - 1)

    async def entity(
        self, channels: Sequence[Channel], key: str, edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        """Author tallies of the messages that name `key`, or an alias of it, in each window."""
        (found,) = await self.each_entity(channels, [key], edges)
        return found

    async def each_entity(
        self, channels: Sequence[Channel], keys: Sequence[str], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[Sequence[AuthorTally]]]:
        """As `entity`, for each of `keys`."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            meant = [tuple(members) for members in await _meant(connection, keys)]
            windows, alike = _windows(edges), list(dict.fromkeys(meant))
            place = {about: number for number, members in enumerate(alike) for about in members}
            found, rests = await _window_sums(connection, homes, windows, sorted(place))
            beyond, read = await mentioned(connection, homes, rests, sorted(place), len(windows))
            loose = await _worth_packing(connection, read)
            parts = [joined([found, beyond]).led([place[about] for about in sorted(place)], len(windows))]
            for number, members in enumerate(alike):
                if len(members) > 1:
                    twice = await _named_twice(connection, homes, windows, members)
                    parts.append(twice.led([number], len(windows)))
            tallies = await _author_tallies(connection, joined(parts).folded(), len(alike) * len(windows))
        self._pack_soon(loose)
        found_of = dict(zip(alike, tallies.cut(len(windows)), strict=True))
        return [found_of[members] for members in meant]

    async def entities(
        self, channels: Sequence[Channel], window: Window, /, *, limit: int, kind: Kind | None = None
    ) -> Sequence[EntityTally]:
        """The entities named by most people in `window`."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            alike = await _alike(connection)
            found, loose = await _all_named(connection, homes, window)
            parts = [(found.regrouped(alike.first), 1)]
            for members in alike.groups:
                surplus = await _named_twice(connection, homes, [_quarters(window)], members)
                parts.append((Named.of(surplus).regrouped({0: members[0]}), 1))
            sums = (together(parts) if alike.groups else parts[0][0]).summed(limit if kind is None else None)
            named = await _entity_names(connection, homes, alike, [row[0] for row in sums])
        self._pack_soon(loose)
        tallies = [_entity_tally(row, *named[row[0]]) for row in sums]
        wanted = [tally for tally in tallies if kind is None or tally.kind is kind]
        return tuple(sorted(wanted, key=lambda tally: (-tally.people, -tally.messages, tally.name))[:limit])

    def _pack_soon(self, buckets: Sequence[Bucket]) -> None:
        """Pack `buckets` while nobody waits for it; what can't be now is left for the next question."""
        if buckets and (self._packing is None or self._packing.done()):
            self._packing = asyncio.create_task(self._pack(buckets), name="packing")

    async def _pack(self, buckets: Sequence[Bucket]) -> None:
        with suppress(StorageError):
            for bucket in buckets:  # one at a time, so that whoever records is held up by one at most
                async with self._database.writing() as connection:
                    await pack(connection, bucket)

    async def entity_named(self, channels: Sequence[Channel], key: str, /) -> tuple[str, Kind] | None:
        """Name and kind of the entity `key` as most often written there."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            alike = await _alike(connection)
            (members,) = await _meant(connection, [key])
            firsts = {first for id_ in members if (first := alike.first.get(id_, id_)) is not None}
            named = await _entity_names(connection, homes, alike, sorted(firsts))
        return next(((name, kind) for found, name, kind in named.values() if found == key), None)

    async def entity_names(self, channels: Sequence[Channel], /) -> Mapping[str, str]:
        """Every entity's key → name as most often written there."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            named = await _entity_names(connection, homes, await _alike(connection))
        return {key: name for key, name, _ in sorted(named.values())}

    async def threads(self, channels: Sequence[Channel], window: Window, /, *, limit: int) -> Sequence[ThreadTally]:
        """The threads with most messages in `window`."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            some_inside = await connection.scalar(_INSIDE, {"homes": _rows(homes)})
            asking = _THREADS.where(_in_a_thread | _inside if some_inside else _in_a_thread)
            rows = await connection.execute(asking, {"homes": _rows(homes), **_bounds(window), "most": limit})
            return tuple(
                ThreadTally(
                    root=MessageId(Channel(Platform(row.platform), row.workspace, row.channel), row.root),
                    messages=row.messages,
                    people=row.people,
                    score=row.score / 10_000,
                )
                for row in rows
            )

    async def reactions(self, channels: Sequence[Channel], window: Window, /) -> Sequence[ReactionTally]:
        """The reactions that stand on messages of `window`."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            rows = await connection.execute(_REACTIONS, {"homes": _rows(homes), **_bounds(window)})
            return tuple(ReactionTally(emoji=row.emoji, count=row.given, people=row.people) for row in rows)

    async def left_out(self, channels: Sequence[Channel], window: Window, /) -> LeftOut:
        """What is in no mood of `window`."""
        async with self._database.reading() as connection:
            homes = await _homes(connection, channels)
            found = (await _window_sums(connection, homes, [_quarters(window)], [UNREAD]))[0].folded()
            named = {row.id: row.name for row in await connection.execute(select(reasons))}
            still = set_aside = 0
            rows = {row.channel: row for row in await connection.execute(_WAITING, _bounds(window))}
            if rows:
                inside = places_of(
                    (await connection.execute(EVERY.where(_home_is_given), {"homes": _rows(homes)})).all()
                )
                # What waits was told of the id that the channel had then.
                everywhere = {place.channel for place in inside} | set(channels)
                everywhere |= await former_of(connection, [place.id for place in inside])
                there = [rows[name] for channel in everywhere if (name := channel_of(channel, self._seal)) in rows]
                still, set_aside = sum(row.waiting for row in there), sum(row.set_aside for row in there)
        counted: Counter[str] = Counter()
        for model, messages in zip(found.model.tolist(), found.sums[:, 1].tolist(), strict=True):
            counted[named[model]] += messages
        bots = counted.pop("bot", 0)
        languages = {reason.removeprefix("language "): messages for reason, messages in counted.items()}
        return LeftOut(bots=bots, languages=languages, waiting=still, set_aside=set_aside)


# ---- channels --------------------------------------------------------------------------------------------------------


async def _homes(connection: AsyncConnection, channels: Sequence[Channel]) -> list[int]:
    places = await known(connection, list({stored(channel) for channel in channels}))
    return list({place.id: None for place in places.values()})  # a channel may be asked for by two of its ids


def _summary(place: Place, months: Entries, extent: Any) -> ChannelSummary:
    return ChannelSummary(
        channel=place.channel,
        name=place.name if place.name is not None else place.channel.id,
        private=place.private,
        gone=Gone(place.gone) if place.gone is not None and place.is_gone else None,
        messages=int(months.sums[:, :3].sum()),
        people=len(np.unique(months.author)),
        first=moment(extent.first) if extent else None,
        last=moment(extent.last) if extent else None,
    )


_home_is_given = among(channels.c.id, "homes") | among(channels.c.parent_id, "homes")

# One walk down the index for each end of each channel; an aggregate over all readings would read them all.
_read_here = (readings.c.home_id == channels.c.id) & readings.c.label.is_not(None)
_extents = select(
    channels.c.id.label("home_id"),
    select(func.min(readings.c.sent_at)).where(_read_here).scalar_subquery().label("first"),
    select(func.max(readings.c.sent_at)).where(_read_here).scalar_subquery().label("last"),
).subquery()
_EXTENT = select(_extents).where(_extents.c.first.is_not(None))


# ---- windows ---------------------------------------------------------------------------------------------------------


def _windows(edges: Sequence[datetime]) -> list[tuple[int, int]]:
    windows = list(pairwise(quarter_hours(edge) for edge in edges))
    if any(start >= end for start, end in windows):
        raise ValueError("edges ascend")
    return windows


def _quarters(window: Window) -> tuple[int, int]:
    return quarter_hours(window.start), quarter_hours(window.end)


def _bounds(window: Window) -> dict[str, int]:
    return {"start": milliseconds(window.start), "end": milliseconds(window.end)}


def _rows(values: Iterable[int | str]) -> list[list[int | str]]:
    return [[value] for value in values]


async def _pieces(
    connection: AsyncConnection, homes: Sequence[int], windows: Sequence[tuple[int, int]], spans: Sequence[Span]
) -> tuple[dict[tuple[int, int], list[tuple[int, int]]], list[Part]]:
    """(span, end) of each bucket needed → the windows it counts for, by place, and its sign there; and the rest."""
    row = (await connection.execute(_REACH, {"homes": _rows(homes)})).one()
    if row.first is None:
        return {}, []
    # There is nothing outside, so 'since ever' needs no bucket there.
    first, last = month_before(row.first), row.last
    needed: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    rests = []
    for place, (start, end) in enumerate(windows):
        start, end = max(start, first), min(end, last)
        if start >= end:
            continue
        pieces, rest = decomposed(start, end, spans)
        for piece in pieces:
            needed[int(piece.span), piece.end].append((place, piece.sign))
        rests += [Part(place, part) for part in rest]
    return needed, rests


# One step to each end of the index, for each channel; both aggregates at once would read all that is between.
_homes_given, (_one_home,) = given("homes", Integer)
_months_there = (rollups.c.home_id == _one_home) & (rollups.c.span == Span.MONTH)
_REACH = select(
    func.min(select(func.min(rollups.c.end)).where(_months_there).scalar_subquery()).label("first"),
    func.max(select(func.max(rollups.c.end)).where(_months_there).scalar_subquery()).label("last"),
).select_from(_homes_given)


async def _window_sums(
    connection: AsyncConnection, homes: Sequence[int], windows: Sequence[tuple[int, int]], abouts: Sequence[int]
) -> tuple[Entries, list[Part]]:
    """The sums of each window, as groups, and the stretches that no roll-up holds.

    All windows of the first of `abouts` come first, then those of the second.
    """
    spans = ENTITY_SPANS if all(about > 0 for about in abouts) else MESSAGE_SPANS
    needed, rests = await _pieces(connection, homes, windows, spans)
    keys = [[home, span, end] for home in homes for span, end in needed]
    rows = (await connection.execute(_BUCKETS, {"buckets": keys, "abouts": _rows(abouts)})).all()
    first = {about: place * len(windows) for place, about in enumerate(abouts)}
    tallies, places, signs = [], [], []
    for row in rows:
        for place, sign in needed[row.span, row.end]:
            tallies.append(row.tallies)
            places.append(first[row.about] + place)
            signs.append(sign)
    return _grouped(tallies, places, signs), rests


def _grouped(tallies: Sequence[bytes], places: Sequence[int], signs: Sequence[int]) -> Entries:
    """All entries of `tallies`, each at the place and with the sign given for it."""
    if not tallies:
        return _NONE
    found = unpacked(tallies)
    sign = np.array(signs, np.int64)[found.group, None]
    return Entries(np.array(places, np.int64)[found.group], found.author, found.model, found.sums * sign)


_NONE = unpacked([])

_given, (_home, _span, _end) = given("buckets", Integer, Integer, Integer)
_of_given = _given.join(rollups, (rollups.c.home_id == _home) & (rollups.c.span == _span) & (rollups.c.end == _end))
_BUCKETS = (
    select(rollups.c.span, rollups.c.end, rollups.c.about, rollups.c.tallies)
    .select_from(_of_given)
    .where(among(rollups.c.about, "abouts"))
)
_MONTHS = (
    select(rollups.c.home_id, rollups.c.tallies).select_from(_of_given).where(rollups.c.about == bindparam("about"))
)
_ENTITY_BUCKETS = (
    select(rollups.c.home_id, rollups.c.span, rollups.c.end, rollups.c.about, rollups.c.tallies)
    .select_from(_of_given)
    .where(rollups.c.about > 0)
)


async def _author_tallies(connection: AsyncConnection, found: Entries, windows: int) -> Tallies:
    """`found`, folded by window, with names instead of numbers."""
    people, author = distinct(found.author)
    readers, model = distinct(found.model)
    who = {id_: name for id_, name in (await connection.execute(_AUTHORS, {"authors": _rows(people.tolist())})).all()}
    which = {id_: name for id_, name in (await connection.execute(_MODELS)).all()}
    negative, neutral, positive, _, score, squares = found.sums.T
    return Tallies(
        starts=np.searchsorted(found.group, np.arange(windows + 1)),
        author=author,
        model=model,
        sums={
            "messages": negative + neutral + positive,
            "score": score / 1e4,
            "squares": squares / 1e8,
            "negative": negative,
            "neutral": neutral,
            "positive": positive,
        },
        authors=[Pseudonym(who[id_]) for id_ in people.tolist()],
        models=[which[id_] for id_ in readers.tolist()],
    )


_MODELS = select(models.c.id, models.c.name)
_AUTHORS = select(authors.c.id, authors.c.pseudonym).where(among(authors.c.id, "authors"))


# ---- entities --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Alike:
    """Entities that the team's aliases take for one, or hide; all others are what they are.

    `first` leads from each entity that has an alias, or is meant by one, to the first of its group, or to None if it
    is hidden. `groups` are those of several entities, and `keys` says what the first of each group finally means.
    """

    first: Mapping[int, int | None]
    groups: Sequence[Sequence[int]]
    keys: Mapping[int, str]


async def _alike(connection: AsyncConnection) -> _Alike:
    meant = await meanings(connection)
    keys = meant.keys() | {key for key in meant.values() if key is not None}
    members: dict[str | None, list[int]] = defaultdict(list)
    for id_, key in (await connection.execute(_ENTITIES, {"keys": _rows(sorted(keys))})).all():
        members[meant.get(key, key)].append(id_)
    first: dict[int, int | None] = dict.fromkeys(members.pop(None, []))
    for ids in members.values():
        first |= dict.fromkeys(ids, ids[0])
    return _Alike(
        first=first,
        groups=[ids for ids in members.values() if len(ids) > 1],
        keys={ids[0]: key for key, ids in members.items() if key is not None},
    )


async def _meant(connection: AsyncConnection, keys: Sequence[str]) -> list[list[int]]:
    """The entities that each of `keys` means: itself and its aliases; none if it is hidden."""
    meant = await meanings(connection)
    forms = [canonical(storable(key)) for key in keys]
    finals = [meant.get(form, form) for form in forms]
    members: dict[str, set[str]] = {final: {final} for final in finals if final is not None}
    for key, final in meant.items():
        if final in members:
            members[final].add(key)
    every = sorted({key for alike in members.values() for key in alike})
    found = {key: id_ for id_, key in (await connection.execute(_ENTITIES, {"keys": _rows(every)})).all()}
    return [[] if final is None else sorted(found[key] for key in members[final] if key in found) for final in finals]


_keys, (_wanted_key,) = given("keys", Text)
_ENTITIES = (
    select(entities.c.id, entities.c.key)
    .select_from(_keys.join(entities, entities.c.key == _wanted_key))
    .order_by(entities.c.id)
)


async def _all_named(
    connection: AsyncConnection, homes: Sequence[int], window: Window
) -> tuple[Named, Sequence[Bucket]]:
    """What every entity of `window` adds up to, and the past buckets that are worth being packed."""
    start, end = _quarters(window)
    latest = (await connection.execute(_REACH, {"homes": _rows(homes)})).one().last
    # The latest month goes on, and isn't packed; its days are.
    split = end if latest is None else min(max(start, month_before(latest)), end)
    signs: Counter[tuple[int, int]] = Counter()
    rests: list[Part] = []
    for stretch, spans in (((start, split), ENTITY_SPANS), ((split, end), (Span.DAY,))):
        needed, rest = await _pieces(connection, homes, [stretch], spans)
        rests += rest
        for key, uses in needed.items():
            signs[key] += sum(sign for _, sign in uses)
    whole = await packed(connection, [(home, *key) for home in homes for key in signs])
    single = [[home, *key] for home in homes for key in signs if (home, *key) not in whole]
    rows = (await connection.execute(_ENTITY_BUCKETS, {"buckets": single})).all()
    entries = _grouped(
        [tallies for *_, tallies in rows],
        [about for *_, about, _ in rows],
        [signs[span, end] for _, span, end, *_ in rows],
    )
    beyond, read = await mentioned(connection, homes, rests)
    read.update((home, span, end) for home, span, end, *_ in rows)
    found = [(named, signs[bucket[1:]]) for bucket, named in whole.items()]
    found += [(Named.of(part), 1) for part in (entries, beyond)]
    return together(found), await _worth_packing(connection, read)


async def _worth_packing(connection: AsyncConnection, read: Mapping[Bucket, int]) -> list[Bucket]:
    """Past buckets of which many entities, or mentions, were `read` one by one."""
    return await past(connection, [bucket for bucket, rows in read.items() if rows >= WORTH])


async def _named_twice(
    connection: AsyncConnection, homes: Sequence[int], windows: Sequence[tuple[int, int]], alike: Sequence[int]
) -> Entries:
    """What to take off each window, because a message that names several of `alike` is one message."""
    asked = {"homes": _rows(homes), "entities": _rows(alike)}
    # Such a message names one of the rarer ones: of those that name the most frequent only, none is looked at.
    often = (await connection.execute(_MOST_NAMED, asked)).scalar()
    places = [[home, about] for home in homes for about in alike if about != often]
    start, end = windows[0][0] * QUARTER_HOUR_MS, windows[-1][1] * QUARTER_HOUR_MS
    found = await connection.execute(_TWICE, {**asked, "places": places, "start": start, "end": end})
    rows = [tuple(row) for row in found]  # numpy asks a Row for attributes that it doesn't have
    if not rows:
        return _NONE
    sent_at, author, model, label, score, surplus = np.array(rows, np.int64).T
    group = np.searchsorted(np.array([window[0] for window in windows]) * QUARTER_HOUR_MS, sent_at, "right") - 1
    return Entries(group, author, model, sums_of(label, score) * -surplus[:, None])


_score = readings.c.positive - readings.c.negative
_MOST_NAMED = (
    select(surfaces.c.entity_id)
    .join(spellings, spellings.c.surface_id == surfaces.c.id)
    .where(among(surfaces.c.entity_id, "entities"), among(spellings.c.home_id, "homes"))
    .group_by(surfaces.c.entity_id)
    .order_by(func.sum(spellings.c.times).desc())
    .limit(1)
)
_places, (_in_home, _entity) = given("places", Integer, Integer)
_rarer = mentions.alias("rarer")
_entities_in_it = func.count(mentions.c.entity_id.distinct())
_TWICE = (
    select(
        readings.c.sent_at,
        readings.c.author_id,
        readings.c.model_id,
        readings.c.label,
        _score.label("score"),
        (_entities_in_it - 1).label("surplus"),
    )
    .select_from(
        _places.join(
            _rarer,
            (_rarer.c.entity_id == _entity)
            & (_rarer.c.home_id == _in_home)
            & (_rarer.c.sent_at >= bindparam("start"))
            & (_rarer.c.sent_at < bindparam("end")),
        )
    )
    .join(mentions, (mentions.c.reading_id == _rarer.c.reading_id) & among(mentions.c.entity_id, "entities"))
    .join(readings, readings.c.id == mentions.c.reading_id)
    .group_by(readings.c.id)
    .having(_entities_in_it > 1)
)


async def _entity_names(
    connection: AsyncConnection, homes: Sequence[int], alike: _Alike, only: Sequence[int] | None = None
) -> dict[int, tuple[str, str, Kind]]:
    """The first entity of each group → its key, and name and kind as most often written there; hidden ones left out."""
    if only is None:
        rows = (await connection.execute(_SPELLINGS, {"homes": _rows(homes)})).all()
    else:
        members = {first: [first] for first in only} | {ids[0]: list(ids) for ids in alike.groups}
        wanted = [[id_] for first in only for id_ in members[first]]
        rows = (await connection.execute(_SOME_SPELLINGS, {"homes": _rows(homes), "entities": wanted})).all()
    written: dict[int, Counter[str]] = defaultdict(Counter)
    kinds: dict[int, Counter[str]] = defaultdict(Counter)
    keys: dict[int, str] = {}
    for id_, key, text, kind, times in rows:
        first = alike.first.get(id_, id_)
        if first is not None:
            written[first][text] += times
            kinds[first][kind] += times
            keys[first] = alike.keys.get(first, key)
    return {first: (key, _most(written[first]), Kind(_most(kinds[first]))) for first, key in keys.items()}


def _most(counted: Counter[str]) -> str:
    return min(counted, key=lambda name: (-counted[name], name)) if len(counted) > 1 else next(iter(counted))


_SPELLINGS = (
    select(surfaces.c.entity_id, entities.c.key, surfaces.c.text, spellings.c.kind, spellings.c.times)
    .select_from(spellings)
    .join(surfaces, surfaces.c.id == spellings.c.surface_id)
    .join(entities, entities.c.id == surfaces.c.entity_id)
    .where(among(spellings.c.home_id, "homes"))
)
_SOME_SPELLINGS = _SPELLINGS.where(among(surfaces.c.entity_id, "entities"))

_Summed = tuple[int, int, int, int, int]  # entity, people, messages, mentions, score


def _entity_tally(row: _Summed, key: str, name: str, kind: Kind) -> EntityTally:
    _, people, messages, mentioned, score = row
    return EntityTally(
        key=key, name=name, kind=kind, mentions=mentioned, messages=messages, people=people, score=score / 10_000
    )


# ---- threads and reactions -------------------------------------------------------------------------------------------

_INSIDE = select(func.count()).select_from(channels).where(among(channels.c.parent_id, "homes"))
_sent_inside = (readings.c.sent_at >= bindparam("start")) & (readings.c.sent_at < bindparam("end"))
_in_a_thread = readings.c.thread_id.is_not(None)
_inside = (
    readings.c.channel_id != readings.c.home_id
)  # a Discord thread is a channel, and may be all there is to name it
_roots = channels.alias("roots")
_messages = func.count().label("messages")
_root = (
    func.coalesce(_roots.c.platform, channels.c.platform).label("platform"),
    func.coalesce(_roots.c.workspace, channels.c.workspace).label("workspace"),
    func.coalesce(_roots.c.key, channels.c.key).label("channel"),
    func.coalesce(threads.c.key, channels.c.key).label("root"),
)
_THREADS = (
    select(
        *_root,
        _messages,
        func.count(readings.c.author_id.distinct()).label("people"),
        func.sum(_score).label("score"),
    )
    .select_from(readings)
    .join(channels, channels.c.id == readings.c.channel_id)
    .outerjoin(threads, threads.c.id == readings.c.thread_id)
    .outerjoin(_roots, _roots.c.id == threads.c.channel_id)
    .where(among(readings.c.home_id, "homes"), _sent_inside, readings.c.label.is_not(None))
    .group_by(*(part.element for part in _root))
    .order_by(_messages.desc(), *(part.element for part in _root))
    .limit(bindparam("most"))
)

_given_count = func.count().label("given")
_cleared = (
    select(clearings.c.at)
    .where(
        clearings.c.channel_id == reactions.c.channel_id,
        clearings.c.key == reactions.c.key,
        or_(clearings.c.emoji == "", clearings.c.emoji == reactions.c.emoji),
        clearings.c.at >= reactions.c.at,
    )
    .exists()
)
_REACTIONS = (
    select(reactions.c.emoji, _given_count, func.count(reactions.c.author_id.distinct()).label("people"))
    .select_from(readings)
    .join(reactions, (reactions.c.channel_id == readings.c.channel_id) & (reactions.c.key == readings.c.key))
    .where(among(readings.c.home_id, "homes"), _sent_inside, reactions.c.added, ~_cleared)
    .group_by(reactions.c.emoji)
    .order_by(_given_count.desc(), reactions.c.emoji)
)

# ---- what waits ------------------------------------------------------------------------------------------------------

_WAITING = (
    select(
        inbox.c.channel,
        (func.count() - func.count(inbox.c.reason)).label("waiting"),
        func.count(inbox.c.reason).label("set_aside"),
    )
    .where(
        inbox.c.subject.is_not(None),
        inbox.c.sent_at >= bindparam("start"),
        inbox.c.sent_at < bindparam("end"),
    )
    .group_by(inbox.c.channel)
)
