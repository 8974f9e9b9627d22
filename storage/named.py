"""The names of a whole bucket, packed in one row: so that the entities of a year are a dozen rows, not fifty thousand.

A packed bucket repeats what `rollups` says of each entity in it, without models and labels: how often each was named,
and by whom in how many messages. It is made when a question first reads the bucket, once a later day has begun, and
dropped in the transaction that changes anything in it; so it is exact, or not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer

from storage.engine import given
from storage.mentioned import day_packed
from storage.rollups import Bucket, Entries, Integers, Span, distinct, unpacked
from storage.tables import rollups, rollups_packed

WORTH = 100
"""Entities in a bucket from which on it is packed; fewer are read as quickly one by one."""

CELLS = 2**23
"""Entities times people that are counted in one table; more are sorted instead, which needs less memory."""

_PAIR = np.dtype("<i4")  # three columns one after the other: entity, author, messages
_SUM = np.dtype([("entity", "<u4"), ("messages", "<u4"), ("mentions", "<u4"), ("score", "<i8")])


Numbers = NDArray[Any]
"""Of whatever width they are packed in."""


@dataclass(frozen=True, slots=True)
class Named:
    """Who named which entity in how many messages (`pairs`), and what each entity adds up to (`sums`), as columns.

    `pairs` are entity, author and messages; `sums` entity, messages, mentions and score in steps of 1e-4. Neither is
    folded: an entity or a pair may stand there several times, and counts what all of its entries add up to.
    """

    pairs: tuple[Numbers, ...]
    sums: tuple[Numbers, ...]

    @classmethod
    def of(cls, entries: Entries) -> Named:
        """What `entries` say, grouped by entity."""
        messages = entries.sums[:, :3].sum(axis=1)
        return cls(
            (entries.group, entries.author, messages),
            (entries.group, messages, entries.sums[:, 3], entries.sums[:, 4]),
        )

    def regrouped(self, place: Mapping[int, int | None]) -> Named:
        """Those of an entity in `place` under the one that stands there; None leaves them out."""
        if not place:
            return self
        return Named(_regrouped(self.pairs, place), _regrouped(self.sums, place))

    def summed(self, leading: int | None = None) -> list[tuple[int, int, int, int, int]]:
        """Entity, people, messages, mentions and score of every entity that is named at all, by entity.

        Of `leading` only those with most people, then most messages, and all that are level with the last of them.
        """
        entities, place = distinct(self.sums[0])
        if not len(entities):
            return []
        messages, mentions, score = (_added(place, column, len(entities)) for column in self.sums[1:])
        people = self._people(entities)
        some = messages != 0
        if leading is not None and leading < np.count_nonzero(some):
            rank = (people << 32) + messages
            some &= rank >= np.partition(rank, -leading)[-leading]
        columns = (entities, people, messages, mentions, score)
        return list(zip(*(column[some].tolist() for column in columns), strict=True))

    def _people(self, entities: Integers) -> Integers:
        """How many different people named each of `entities`."""
        entity, author, messages = self.pairs
        people = int(author.max()) + 1
        if len(entities) * people > CELLS:
            different, author = distinct(author)
            people = len(different)
        cells = len(entities) * people
        row: Numbers = np.zeros(int(entities[-1]) + 1, np.int32 if cells <= CELLS else np.int64)
        row[entities] = np.arange(len(entities))
        cell = row[entity] * people + author
        if cells > CELLS:
            places, cell = np.unique(cell, return_inverse=True)
            counted = np.bincount(places[_there(cell, messages, len(places))] // people, minlength=len(entities))
            return counted.astype(np.int64)
        there = _there(cell, messages, cells).reshape(len(entities), people)
        return np.asarray(np.count_nonzero(there, axis=1))


def _there(cell: Numbers, messages: Numbers, cells: int) -> NDArray[np.bool_]:
    """Of each of `cells`: do its `messages` add up to any? Only what is taken off somewhere needs to be added up."""
    there = np.zeros(cells, bool)
    there[cell] = True
    lessened = np.unique(cell[messages < 0])
    if len(lessened):
        affected = np.zeros(cells, bool)
        affected[lessened] = True
        some = np.flatnonzero(affected[cell])
        there[lessened] = np.bincount(np.searchsorted(lessened, cell[some]), messages[some]) != 0
    return there


def together(parts: Sequence[tuple[Named, int]]) -> Named:
    """All of `parts` as one, each added or taken off as its sign says."""

    def pairs(place: int) -> Numbers:  # of a year there are hundreds of thousands: half as long to go through
        return np.concatenate([part.pairs[place] for part, _ in parts], dtype=np.int32)

    def sums(place: int) -> Numbers:
        return np.concatenate([_signed(part.sums[place], sign) for part, sign in parts])

    messages = np.concatenate([_signed(part.pairs[2], sign) for part, sign in parts], dtype=np.int32)
    about = np.concatenate([part.sums[0] for part, _ in parts], dtype=np.int64)
    return Named((pairs(0), pairs(1), messages), (about, sums(1), sums(2), sums(3)))


def _signed(values: Numbers, sign: int) -> Numbers:
    return values if sign == 1 else values.astype(np.int64) * sign


async def packed(connection: AsyncConnection, buckets: Sequence[Bucket]) -> dict[Bucket, Named]:
    """Those of `buckets` that are packed."""
    rows = await connection.execute(_PACKED, {"buckets": [list(bucket) for bucket in buckets]})
    return {(row.home_id, row.span, row.end): _read(row.people, row.sums) for row in rows}


async def past(connection: AsyncConnection, buckets: Iterable[Bucket]) -> list[Bucket]:
    """Those of `buckets` after whose end something was said in the same channel, on a later day."""
    wanted = list(buckets)
    homes = [[home] for home in sorted({home for home, *_ in wanted})]
    latest = {row.home_id: row.latest for row in await connection.execute(_LATEST, {"homes": homes})}
    return [bucket for bucket in wanted if bucket[2] < latest.get(bucket[0], 0)]


async def pack(connection: AsyncConnection, bucket: Bucket) -> None:
    """Pack `bucket` as it is now, in a transaction that writes: nothing can change it meanwhile."""
    home, span, end = bucket
    rows = (await connection.execute(_ENTITIES, {"home": home, "span": span, "end": end})).all()
    if not rows:  # nothing is left in it, perhaps not even the channel
        return
    found = unpacked([row.tallies for row in rows])
    about = np.array([row.about for row in rows], np.int64)
    people, sums = _written(Named.of(Entries(about[found.group], found.author, found.model, found.sums)))
    mentions = await day_packed(connection, home, end) if span == Span.DAY else None
    row = {"home_id": home, "span": span, "end": end, "people": people, "sums": sums, "mentions": mentions}
    await connection.execute(insert(rollups_packed).values(row).on_conflict_do_nothing())


_given, (_home, _span, _end) = given("buckets", Integer, Integer, Integer)
_at = rollups_packed.c
_PACKED = select(_at.home_id, _at.span, _at.end, _at.people, _at.sums).select_from(
    _given.join(rollups_packed, (_at.home_id == _home) & (_at.span == _span) & (_at.end == _end))
)
_homes, (_one,) = given("homes", Integer)
_LATEST = select(
    _one.label("home_id"),
    select(func.max(rollups.c.end))
    .where(rollups.c.home_id == _one, rollups.c.span == Span.DAY)
    .scalar_subquery()
    .label("latest"),
).select_from(_homes)
_ENTITIES = select(rollups.c.about, rollups.c.tallies).where(
    rollups.c.home_id == bindparam("home"),
    rollups.c.span == bindparam("span"),
    rollups.c.end == bindparam("end"),
    rollups.c.about > 0,
)


def _written(named: Named) -> tuple[bytes, bytes]:
    """The bytes of `people` and `sums`: an entry for each pair, and for each entity."""
    entity, author, messages = named.pairs
    cell, back = np.unique((entity << 32) | author, return_inverse=True)
    pairs = np.stack([cell >> 32, cell & (2**32 - 1), _added(back.reshape(-1), messages, len(cell))]).astype(_PAIR)
    entities, place = np.unique(named.sums[0], return_inverse=True)
    sums = np.empty(len(entities), _SUM)
    sums["entity"] = entities
    for name, column in zip(("messages", "mentions", "score"), named.sums[1:], strict=True):
        sums[name] = _added(place.reshape(-1), column, len(entities))
    return pairs.tobytes(), sums.tobytes()


def _read(people: bytes, sums: bytes) -> Named:
    totals = np.frombuffer(sums, _SUM)
    return Named(
        tuple(np.frombuffer(people, _PAIR).reshape(3, -1)),
        (totals["entity"], totals["messages"], totals["mentions"], totals["score"]),
    )


def _added(place: Integers, values: Integers, places: int) -> Integers:
    """The sum of the `values` of each place. Exact: sums stay far below 2 ** 53, which floats count up to."""
    return np.bincount(place, weights=values, minlength=places).astype(np.int64)


def _regrouped(columns: tuple[Integers, ...], place: Mapping[int, int | None]) -> tuple[Integers, ...]:
    entity = columns[0]
    to = np.arange(max([int(entity.max(initial=0)), *place, *(end for end in place.values() if end is not None)]) + 1)
    for name, end in place.items():
        to[name] = -1 if end is None else end
    moved = to[entity]
    keep = moved >= 0
    return tuple(column[keep] for column in (moved, *columns[1:]))
