"""Mentions one by one, for what a window has beyond whole days: packed in a row for each past day, or as recorded.

A busy channel has thousands of them between a zone's midnight and UTC's, and a year has a dozen such edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Integer

from storage.engine import among, given
from storage.moments import QUARTER_HOUR_MS
from storage.rollups import Bucket, Entries, Integers, Rest, Span, next_day, sums_of
from storage.tables import mentions, readings, rollups_packed

MENTION = np.dtype(
    [
        ("quarter", "u1"),  # of its UTC day, 0 … 95
        ("entity", "<u4"),
        ("author", "<u4"),
        ("model", "<u2"),
        ("label", "i1"),
        ("score", "<i2"),  # steps of 1e-4
        ("times", "<u4"),
    ]
)
"""An entity in a message, as packed in `rollups_packed.mentions`, in order of time."""

_SAID = ("entity", "author", "model", "label", "score", "times")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch that belongs to a window, by its place among them, with a sign."""

    window: int
    rest: Rest


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What of a Part is in one channel and one UTC day."""

    part: int
    day: Bucket
    start: int  # quarter hours since 1970
    end: int

    def of(self, day: NDArray[Any]) -> NDArray[Any]:
        """Its mentions among all those of its day."""
        begin = self.day[2] - _QUARTERS
        return day[slice(*np.searchsorted(day["quarter"], (self.start - begin, self.end - begin)))]


async def mentioned(
    connection: AsyncConnection,
    homes: Sequence[int],
    parts: Sequence[Part],
    abouts: Sequence[int] | None = None,
    windows: int = 0,
) -> tuple[Entries, Counter[Bucket]]:
    """What is named in `parts`, and how many mentions were read one by one of days that aren't packed.

    Groups are entities; or, of `abouts` (ascending), all `windows` of the first come first, then those of the second.
    """
    stretches = [each for home in homes for place, part in enumerate(parts) for each in _by_day(home, place, part.rest)]
    days = await _packed(connection, {stretch.day for stretch in stretches})
    loose = [stretch for stretch in stretches if stretch.day not in days]
    read, columns = await _recorded(connection, loose, abouts)
    found = [(np.array([stretch.part for stretch in loose], np.int64)[read], columns)]
    for stretch in stretches:
        if stretch.day in days:
            inside = stretch.of(days[stretch.day])
            if abouts is not None:
                inside = inside[np.isin(inside["entity"], abouts)]
            found.append((np.full(len(inside), stretch.part), [inside[name].astype(np.int64) for name in _SAID]))
    part = np.concatenate([part for part, _ in found])
    entity, author, model, label, score, times = (np.concatenate(c) for c in zip(*(c for _, c in found), strict=True))
    sign = np.array([each.rest.sign for each in parts], np.int64)[part, None]
    if abouts is not None:
        window = np.array([each.window for each in parts], np.int64)
        entity = np.searchsorted(abouts, entity) * windows + window[part]
    many = Counter(loose[place].day for place in read.tolist())
    return Entries(entity, author, model, sums_of(label, score, times) * sign), many


async def day_packed(connection: AsyncConnection, home: int, end: int) -> bytes:
    """All mentions of the UTC day that ends at `end`, in quarter hours, as bytes."""
    start = end - _QUARTERS
    rows = await connection.execute(_DAY, {"stretches": _rows([_Stretch(0, (home, Span.DAY, end), start, end)])})
    said = [(sent_at // QUARTER_HOUR_MS - start, *row) for sent_at, _, *row in rows]
    return np.sort(np.array(said, MENTION), order="quarter").tobytes()


def _by_day(home: int, part: int, rest: Rest) -> Iterator[_Stretch]:
    start = rest.start
    while start < rest.end:
        midnight = next_day(start)
        end = min(midnight, rest.end)
        yield _Stretch(part, (home, Span.DAY, midnight), start, end)
        start = end


async def _packed(connection: AsyncConnection, days: Collection[Bucket]) -> dict[Bucket, NDArray[Any]]:
    if not days:
        return {}
    rows = await connection.execute(_PACKED, {"buckets": [list(day) for day in days]})
    return {(row.home_id, row.span, row.end): np.frombuffer(row.mentions, MENTION) for row in rows}


async def _recorded(
    connection: AsyncConnection, stretches: Sequence[_Stretch], abouts: Sequence[int] | None
) -> tuple[Integers, list[Integers]]:
    """From the table: the place among `stretches` of each mention, and its columns as in _SAID."""
    asked, where = _ALL, {"stretches": _rows(stretches)}
    if abouts is not None:
        asked, where = _SOME, {**where, "abouts": [[about] for about in abouts]}
    # Tuples, since numpy asks a Row for attributes that it doesn't have.
    rows = [tuple(row) for row in await connection.execute(asked, where)] if stretches else []
    columns = np.array(rows, np.int64).reshape(-1, 1 + len(_SAID)).T
    return columns[0], list(columns[1:])


def _rows(stretches: Sequence[_Stretch]) -> list[list[int]]:
    return [
        [each.day[0], each.start * QUARTER_HOUR_MS, each.end * QUARTER_HOUR_MS, place]
        for place, each in enumerate(stretches)
    ]


_QUARTERS = 96
"""In a day."""

_given, (_home, _span, _end) = given("buckets", Integer, Integer, Integer)
_at = rollups_packed.c
_PACKED = (
    select(_at.home_id, _at.span, _at.end, _at.mentions)
    .select_from(_given.join(rollups_packed, (_at.home_id == _home) & (_at.span == _span) & (_at.end == _end)))
    .where(_at.mentions.is_not(None))
)

_stretches, (_of_home, _start, _stop, _place) = given("stretches", Integer, BigInteger, BigInteger, Integer)
_said: tuple[ColumnElement[Any], ...] = (
    _place,
    mentions.c.entity_id,
    readings.c.author_id,
    readings.c.model_id,
    readings.c.label,
    readings.c.positive - readings.c.negative,
    func.sum(mentions.c.times),  # a message may spell it in several ways
)
_read_then = (readings.c.home_id == _of_home) & (readings.c.sent_at >= _start) & (readings.c.sent_at < _stop)
_of_a_reading = mentions.c.reading_id == readings.c.id
_by_message = (_place, readings.c.id, mentions.c.entity_id)
_ALL = (
    select(*_said)
    .select_from(_stretches.join(readings, _read_then))
    .join(mentions, _of_a_reading)
    .group_by(*_by_message)
)
_DAY = _ALL.with_only_columns(readings.c.sent_at, *_said)
_SOME = (
    select(*_said)
    .select_from(
        _stretches.join(
            mentions,
            among(mentions.c.entity_id, "abouts")
            & (mentions.c.home_id == _of_home)
            & (mentions.c.sent_at >= _start)
            & (mentions.c.sent_at < _stop),
        )
    )
    .join(readings, _of_a_reading)
    .group_by(*_by_message)
)
