"""The roll-ups: sums by channel, author and time, exact to the last unit, from which every window is added up.

A roll-up row is one bucket of one channel (or of one entity in it) and holds, packed, an entry for each author and
model. Packed, because a year of a busy channel weighs each of its people in each of its weeks: as rows of a table that
is 100,000 rows a question, as packed arrays a few hundred. Buckets are named by their end; empty ones aren't stored,
and an entry whose messages have all been taken back is gone.

Everything here follows from the tables `readings`, `mentions` and `channels`, and could be computed again from them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer

from bot.errors import StorageError
from storage.engine import given
from storage.moments import QUARTER_HOUR_MS
from storage.tables import rollups, rollups_packed


class Span(IntEnum):
    """How long a bucket is. All are in UTC; weeks begin on Monday."""

    QUARTER_HOUR = 0  # every zone's offset is a multiple of it
    HOUR = 1
    SIX_HOURS = 2  # from a zone's midnight to UTC's takes at most two of these, and three finer ones
    DAY = 3
    WEEK = 4
    MONTH = 5


MESSAGE_SPANS = tuple(Span)
"""The roll-ups of messages: any window of whole quarter hours is a sum and difference of few of them."""

ENTITY_SPANS = (Span.DAY, Span.MONTH)
"""The roll-ups of an entity's mentions; what a window has beyond whole days is read from the mentions themselves."""

MESSAGES = 0
"""`rollups.about`: every message that was read."""

UNREAD = -1
"""`rollups.about`: messages that were not; `model` is then a reason, and `neutral` counts them."""

ENTRY = np.dtype(
    [
        ("author", "<u4"),
        ("model", "<u2"),
        ("negative", "<u4"),
        ("neutral", "<u4"),
        ("positive", "<u4"),
        ("mentions", "<u4"),
        ("score", "<i8"),  # steps of 1e-4
        ("squares", "<i8"),  # steps of 1e-8
    ]
)
"""One author's messages read by one model, as packed in `rollups.tallies`, in order of author and model."""

EXACT = 2**53
"""Floats count whole numbers up to it."""

SUMS = ("negative", "neutral", "positive", "mentions", "score", "squares")
"""The columns of an entry that add up."""

Integers = NDArray[np.int64]

Bucket = tuple[int, int, int]
"""A channel, a Span, and the bucket's end."""

_KEY = ["home_id", "span", "end", "about"]


# ---- entries, packed and not -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries as columns of equal length. `group` says what each belongs to; `sums` has a column for each of SUMS."""

    group: Integers
    author: Integers
    model: Integers
    sums: Integers

    def folded(self) -> Entries:
        """One entry for each (group, author, model), in that order; those without messages are gone."""
        if not len(self.group):
            return self
        authors, author = distinct(self.author)
        models, model = distinct(self.model)
        people, readers = len(authors), len(models)
        cells = (int(self.group.max()) + 1) * people * readers
        # Squares are the greatest of the sums by far.
        if cells > 4 * len(self.group) or np.abs(self.sums[:, -1]).sum() >= EXACT:
            return self._sorted()
        cell = (self.group * people + author) * readers + model
        sums = np.stack([np.bincount(cell, column, cells) for column in self.sums.T])
        some = np.flatnonzero(sums[:3].any(axis=0))
        group, author, model = some // (people * readers), some // readers % people, some % readers
        return Entries(group, authors[author], models[model], sums[:, some].astype(np.int64).T)

    def _sorted(self) -> Entries:
        """As `folded`, for entries that are few beside their groups and authors."""
        name = (self.group << 40) | (self.author << 16) | self.model
        order = np.argsort(name, kind="stable")  # of runs that are sorted already, which this sort makes use of
        name = name[order]
        first = np.flatnonzero(np.r_[True, name[1:] != name[:-1]])
        sums = np.add.reduceat(self.sums[order], first, axis=0)
        some = sums[:, :3].any(axis=1)
        chosen = order[first][some]
        return Entries(self.group[chosen], self.author[chosen], self.model[chosen], sums[some])

    def regrouped(self, place: Mapping[int, int | None]) -> Entries:
        """The entries, those of a group in `place` under the group that stands there; None leaves them out."""
        if not place:
            return self
        names, back = np.unique(self.group, return_inverse=True)
        moved = np.array([-1 if (to := place.get(name, name)) is None else to for name in names.tolist()], np.int64)
        group = moved[back.reshape(-1)] if len(names) else self.group
        keep = group >= 0
        return Entries(group[keep], self.author[keep], self.model[keep], self.sums[keep])

    def led(self, places: Sequence[int], length: int) -> Entries:
        """Stretches of `length` groups led to `places`: the first to that of the first of them, and so on."""
        place = np.array(places, np.int64)
        group = place[self.group // length] * length + self.group % length if len(self.group) else self.group
        return Entries(group, self.author, self.model, self.sums)

    def packed(self, groups: int) -> list[bytes]:
        """The entries of each group 0 … `groups` - 1 as bytes, given that they are folded."""
        table = np.empty(len(self.group), ENTRY)
        table["author"], table["model"] = self.author, self.model
        for column, name in enumerate(SUMS):
            table[name] = self.sums[:, column]
        whole = table.tobytes()
        edges = (np.searchsorted(self.group, np.arange(groups + 1)) * ENTRY.itemsize).tolist()
        return [whole[start:end] for start, end in pairwise(edges)]


def unpacked(tallies: Sequence[bytes]) -> Entries:
    """The entries of every one of `tallies`; `group` is the place in it."""
    table = np.frombuffer(b"".join(tallies), ENTRY)
    lengths = np.fromiter(map(len, tallies), np.int64, len(tallies)) // ENTRY.itemsize
    return Entries(
        group=np.repeat(np.arange(len(tallies)), lengths),
        author=table["author"].astype(np.int64),
        model=table["model"].astype(np.int64),
        sums=np.stack([table[name].astype(np.int64) for name in SUMS]).T,  # columns lie together in memory
    )


def distinct(names: NDArray[Any]) -> tuple[Integers, Integers]:
    """The different names in order, and the place of each of `names` among them; a table is quicker than sorting."""
    if not len(names):
        return names, names
    there = np.zeros(int(names.max()) + 1, bool)
    there[names] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[names]


def sums_of(label: Integers, score: Integers, mentions: Integers | int = 0) -> Integers:
    """What each message adds, a column for each of SUMS; `label` is -1, 0 or 1, `score` in steps of 1e-4."""
    named = np.broadcast_to(mentions, score.shape)
    return np.stack([label < 0, label == 0, label > 0, named, score, score * score]).T


def joined(parts: Sequence[Entries]) -> Entries:
    """All `parts` as one."""
    return Entries(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("group", "author", "model", "sums"))
    )


# ---- writing -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Changes:
    """What a transaction adds to the roll-ups, and takes back from them."""

    _pairs: dict[tuple[int, int], int] = field(default_factory=dict)
    _rows: list[tuple[int, ...]] = field(default_factory=list)

    def add(
        self,
        *,
        home: int,
        about: int,
        author: int,
        model: int,
        sent_at: int,
        label: int,
        score: int = 0,
        mentions: int = 0,
        sign: int = 1,
    ) -> None:
        """Count one message, or with `sign` -1 take one back; `label` is -1, 0 or 1, `score` in steps of 1e-4."""
        pair = self._pairs.setdefault((home, about), len(self._pairs))
        labels = (sign * (label < 0), sign * (label == 0), sign * (label > 0))
        self._rows.append((pair, author, model, sent_at, *labels, sign * mentions, sign * score, sign * score * score))

    def __len__(self) -> int:
        return len(self._rows)

    def bucketed(self) -> tuple[list[tuple[int, int, int, int]], Entries]:
        """The buckets touched, as (home, span, end, about), and what they gain or lose; `group` is the place there."""
        rows = np.array(self._rows, np.int64).reshape(-1, 10)
        pairs = list(self._pairs)
        of_entity = np.array([about > 0 for _, about in pairs], bool)[rows[:, 0]]
        keys, places = [], []
        for span in Span:
            place = np.arange(len(rows)) if span in ENTITY_SPANS else np.flatnonzero(~of_entity)
            end = ends(span, rows[place, 3])
            keys.append((rows[place, 0] << 32) | (int(span) << 29) | (end + _SHIFT))
            places.append(place)
        names, group = np.unique(np.concatenate(keys), return_inverse=True)
        chosen = rows[np.concatenate(places)]
        spans, buckets = ((names >> 29) & 7).tolist(), ((names & (2**29 - 1)) - _SHIFT).tolist()
        touched = [
            (pairs[pair][0], span, end, pairs[pair][1])
            for pair, span, end in zip((names >> 32).tolist(), spans, buckets, strict=True)
        ]
        return touched, Entries(group.reshape(-1), chosen[:, 1], chosen[:, 2], chosen[:, 4:])

    async def apply(self, connection: AsyncConnection) -> None:
        """Bring the roll-ups up to date, in few statements whatever the number of changes."""
        if not self._rows:
            return
        buckets, gained = self.bucketed()
        before = {tuple(row[:4]): row.tallies for row in await connection.execute(_LOOK_UP, {"buckets": buckets})}
        known = unpacked([before.get(bucket, b"") for bucket in buckets])
        after = joined([known, gained]).folded()
        if (after.sums[:, :4] < 0).any():
            raise StorageError("the sums in the database don't fit its readings: restore it from a backup")
        new, gone = [], []
        for bucket, tallies in zip(buckets, after.packed(len(buckets)), strict=True):
            if tallies:
                new.append({**dict(zip(_KEY, bucket, strict=True)), "tallies": tallies})
            elif bucket in before:
                gone.append(dict(zip(_OLD_KEY, bucket, strict=True)))
        if new:
            put = insert(rollups)
            put = put.on_conflict_do_update(index_elements=_KEY, set_={"tallies": put.excluded.tallies})
            await connection.execute(put, new)
        if gone:
            await connection.execute(_DELETE, gone)
        if changed := {bucket[:3] for bucket in buckets if bucket[3] > 0}:
            await connection.execute(_UNPACK, [dict(zip(_OLD_KEY[:3], bucket, strict=True)) for bucket in changed])
        self._pairs.clear()
        self._rows.clear()


_SHIFT = 2**27  # makes every year from 1 to 9999 positive, and fits 29 bits

_given, (_home, _span, _end, _about) = given("buckets", Integer, Integer, Integer, Integer)
_LOOK_UP = select(rollups.c.home_id, rollups.c.span, rollups.c.end, rollups.c.about, rollups.c.tallies).select_from(
    _given.join(
        rollups,
        (rollups.c.home_id == _home)
        & (rollups.c.span == _span)
        & (rollups.c.end == _end)
        & (rollups.c.about == _about),
    )
)
_OLD_KEY = [f"old_{name}" for name in _KEY]
_DELETE = delete(rollups).where(*(rollups.c[name] == bindparam(f"old_{name}") for name in _KEY))

# What is packed of a bucket (storage.named) is no longer what it holds.
_UNPACK = delete(rollups_packed).where(*(rollups_packed.c[name] == bindparam(f"old_{name}") for name in _KEY[:3]))


def ends(span: Span, sent_at: Integers) -> Integers:
    """The end of the bucket that holds each of `sent_at` (milliseconds), in quarter hours since 1970."""
    quarter = sent_at // QUARTER_HOUR_MS
    if span is Span.MONTH:
        month = (quarter // 96).astype("datetime64[D]").astype("datetime64[M]")
        return (month + 1).astype("datetime64[D]").astype(np.int64) * 96
    length, offset = _LENGTHS[span], _OFFSETS[span]
    return ((quarter + offset) // length + 1) * length - offset


_LENGTHS = {Span.QUARTER_HOUR: 1, Span.HOUR: 4, Span.SIX_HOURS: 24, Span.DAY: 96, Span.WEEK: 672}
_OFFSETS = {
    Span.QUARTER_HOUR: 0,
    Span.HOUR: 0,
    Span.SIX_HOURS: 0,
    Span.DAY: 0,
    Span.WEEK: 288,
}  # 1970 began on a Thursday


# ---- reading -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A bucket that is added to a window (`sign` 1) or taken from it (-1)."""

    span: Span
    end: int
    sign: int


@dataclass(frozen=True, slots=True)
class Rest:
    """A stretch of quarter hours, finer than any bucket, that is added to a window or taken from it."""

    start: int
    end: int
    sign: int


def decomposed(start: int, end: int, spans: Collection[Span]) -> tuple[list[Piece], list[Rest]]:
    """The window [`start`, `end`), in quarter hours, as few buckets of `spans` as a year or a week needs.

    Sums can be subtracted, so that a week that begins an hour before UTC's is that week, an hour more and an hour
    less.
    """
    best: list[Piece | Rest] = [Rest(start, end, 1)]
    size: float = float("inf")
    for span in sorted(spans, reverse=True):
        low, high = _nearest(span, start), _nearest(span, end)
        if low >= high:
            continue
        if span < Span.DAY and size < float("inf"):
            break
        finer = tuple(s for s in sorted(spans, reverse=True) if s < min(span, Span.WEEK))
        parts: list[Piece | Rest] = [Piece(span, bucket, 1) for bucket in _buckets(span, low, high, most=size)]
        parts += _edge(start, low, finer, 1)
        parts += _edge(end, high, finer, -1)
        if len(parts) < size:
            best, size = parts, len(parts)
    return [p for p in best if isinstance(p, Piece)], [p for p in best if isinstance(p, Rest)]


@lru_cache(maxsize=4096)  # a window's end is the next one's start, and the same questions are asked again
def _edge(a: int, b: int, spans: tuple[Span, ...], sign: int) -> tuple[Piece | Rest, ...]:
    """[a, b) with `sign`, or [b, a) with the other; `spans` from coarse to fine, each a part of the one before."""
    if a == b:
        return ()
    if not spans:
        return (Rest(min(a, b), max(a, b), sign if a < b else -sign),)
    span, finer = spans[0], spans[1:]
    low, high = _nearest(span, a), _nearest(span, b)
    between = _buckets(span, min(low, high), max(low, high))
    return (
        *(Piece(span, bucket, sign if low < high else -sign) for bucket in between),
        *_edge(a, low, finer, sign),
        *_edge(b, high, finer, -sign),
    )


def _buckets(span: Span, low: int, high: int, most: float = float("inf")) -> Iterator[int]:
    """The ends of the buckets in [low, high), two boundaries; stops after `most`, when they are too many anyway."""
    if span is not Span.MONTH:
        yield from range(
            low + _LENGTHS[span], min(high, low + int(min(most, 2**40)) * _LENGTHS[span]) + 1, _LENGTHS[span]
        )
        return
    while low < high:
        low = _next_month(low)
        yield low


def buckets(span: Span, first: int, last: int) -> list[int]:
    """The ends of all buckets from that of the quarter hour `first` to that of `last`."""
    low, high = (int(ends(span, np.array([quarter * QUARTER_HOUR_MS]))[0]) for quarter in (first, last))
    return [low, *_buckets(span, low, high)]


def next_day(quarter: int) -> int:
    """The end of the UTC day that holds `quarter`."""
    return (quarter // _LENGTHS[Span.DAY] + 1) * _LENGTHS[Span.DAY]


def month_before(end: int) -> int:
    """The beginning of the month that ends at `end`."""
    return _this_month(end - 1)


def _nearest(span: Span, quarter: int) -> int:
    if span is Span.MONTH:
        after = _next_month(quarter)
        before = _this_month(quarter)
        return before if quarter - before <= after - quarter else after
    length, offset = _LENGTHS[span], _OFFSETS[span]
    return (quarter + offset + length // 2) // length * length - offset


@lru_cache(maxsize=4096)
def _next_month(quarter: int) -> int:
    """The first month's end after `quarter`."""
    return int(ends(Span.MONTH, np.array([quarter * QUARTER_HOUR_MS]))[0])


@lru_cache(maxsize=4096)
def _this_month(quarter: int) -> int:
    """The beginning of the month of `quarter`."""
    month = np.array([quarter // 96]).astype("datetime64[D]").astype("datetime64[M]")
    return int(month.astype("datetime64[D]").astype(np.int64)[0]) * 96
