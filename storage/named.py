"""The names of a whole bucket, packed in one row: so that the entities of a year are a dozen rows, not fifty thousand.

A packed bucket repeats what `rollups` says of each entity in it, without models and labels: how often each was named,
and by whom in how many messages. It is made when a question first reads the bucket, once a later day has begun, and
dropped in the transaction that changes anything in it; so it is exact, or not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer

from storage.engine import given
from storage.rollups import Entries, Integers, Span, unpacked
from storage.tables import rollups, rollups_packed

WORTH = 100
"""Entities in a bucket from which on it is packed; fewer are read as quickly one by one."""

CELLS = 2**23
"""Entities times people that are counted in one table; more are sorted instead, which needs less memory."""

Bucket = tuple[int, int, int]
"""A channel, a Span, and the bucket's end."""

_PAIR = np.dtype([("entity", "<u4"), ("author", "<u4"), ("messages", "<u4")])
_SUM = np.dtype([("entity", "<u4"), ("messages", "<u4"), ("mentions", "<u4"), ("score", "<i8")])


@dataclass(frozen=True, slots=True)
class Named:
    """Who named which entity in how many messages (`pairs`), and what each entity adds up to (`sums`), as columns.

    `pairs` are entity, author and messages; `sums` entity, messages, mentions and score in steps of 1e-4. Neither is
    folded: an entity or a pair may stand there several times, and counts what all of its entries add up to.
    """

    pairs: tuple[Integers, ...]
    sums: tuple[Integers, ...]

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

    def summed(self) -> list[tuple[int, int, int, int, int]]:
        """Entity, people, messages, mentions and score of every entity that is named at all, by entity."""
        entities, place = _numbered(self.sums[0])
        if not len(entities):
            return []
        messages, mentions, score = (_added(place, column, len(entities)) for column in self.sums[1:])
        people = self._people(entities)
        some = np.flatnonzero(messages)
        columns = (entities, people, messages, mentions, score)
        return list(zip(*(column[some].tolist() for column in columns), strict=True))

    def _people(self, entities: Integers) -> Integers:
        """How many different people named each of `entities`."""
        entity, author, messages = self.pairs
        authors, column = _numbered(author)
        row = np.zeros(int(entities[-1]) + 1, np.int64)
        row[entities] = np.arange(len(entities))
        cell = row[entity] * len(authors) + column
        cells = len(entities) * len(authors)
        if cells <= CELLS:
            counted = _added(cell, messages, cells)
            return np.asarray((counted.reshape(len(entities), len(authors)) != 0).sum(axis=1))
        names, back = np.unique(cell, return_inverse=True)
        some = names[_added(back.reshape(-1), messages, len(names)) != 0]
        return np.bincount(some // len(authors), minlength=len(entities)).astype(np.int64)


def together(parts: Sequence[tuple[Named, int]]) -> Named:
    """All of `parts` as one, each added or taken off as its sign says."""
    return Named(
        (
            np.concatenate([part.pairs[0] for part, _ in parts]),
            np.concatenate([part.pairs[1] for part, _ in parts]),
            np.concatenate([part.pairs[2] * sign for part, sign in parts]),
        ),
        (
            np.concatenate([part.sums[0] for part, _ in parts]),
            np.concatenate([part.sums[1] * sign for part, sign in parts]),
            np.concatenate([part.sums[2] * sign for part, sign in parts]),
            np.concatenate([part.sums[3] * sign for part, sign in parts]),
        ),
    )


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
    put = insert(rollups_packed).values(home_id=home, span=span, end=end, people=people, sums=sums)
    await connection.execute(put.on_conflict_do_nothing())


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
    pairs = np.empty(len(cell), _PAIR)
    pairs["entity"], pairs["author"] = cell >> 32, cell & (2**32 - 1)
    pairs["messages"] = _added(back.reshape(-1), messages, len(cell))
    entities, place = np.unique(named.sums[0], return_inverse=True)
    sums = np.empty(len(entities), _SUM)
    sums["entity"] = entities
    for name, column in zip(("messages", "mentions", "score"), named.sums[1:], strict=True):
        sums[name] = _added(place.reshape(-1), column, len(entities))
    return pairs.tobytes(), sums.tobytes()


def _read(people: bytes, sums: bytes) -> Named:
    pairs, totals = np.frombuffer(people, _PAIR), np.frombuffer(sums, _SUM)
    entity, author, messages = (pairs[name].astype(np.int64) for name in ("entity", "author", "messages"))
    about, read, mentions, score = (
        totals[name].astype(np.int64) for name in ("entity", "messages", "mentions", "score")
    )
    return Named((entity, author, messages), (about, read, mentions, score))


def _numbered(names: Integers) -> tuple[Integers, Integers]:
    """The different names in order, and the place of each of `names` among them; a table is quicker than sorting."""
    if not len(names):
        return names, names
    there = np.zeros(int(names.max()) + 1, bool)
    there[names] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[names]


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
