"""Windows as sums of buckets."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.moments import milliseconds, quarter_hours
from storage.rollups import ENTITY_SPANS, MESSAGE_SPANS, Entries, Span, buckets, decomposed, ends, unpacked
from tests.storage.tables import bucket_end

FIRST, LAST = datetime(1, 2, 1, tzinfo=UTC), datetime(9999, 11, 30, tzinfo=UTC)
moments = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC))
quarters = st.integers(-100_000, 2_000_000)
LENGTHS = {Span.QUARTER_HOUR: 1, Span.HOUR: 4, Span.SIX_HOURS: 24, Span.DAY: 96, Span.WEEK: 672}


def _begin(span: Span, end: int) -> int:
    """Where the bucket that ends at `end` begins, in quarter hours."""
    if span is not Span.MONTH:
        return end - LENGTHS[span]
    last_day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * end - 15)
    return quarter_hours(last_day.replace(day=1, hour=0, minute=0))


@given(span=st.sampled_from(Span), at=moments)
def test_a_bucket_is_named_by_its_end(span: Span, at: datetime):
    found = ends(span, np.array([milliseconds(at)]))[0]

    assert found == quarter_hours(bucket_end(span, at))


@given(start=quarters, length=st.integers(1, 60_000), spans=st.sampled_from([MESSAGE_SPANS, ENTITY_SPANS]))
def test_the_buckets_of_a_window_add_up_to_it(start: int, length: int, spans: tuple[Span, ...]):
    pieces, rests = decomposed(start, start + length, spans)

    # Each stretch adds its sign where it begins, and takes it back where it ends.
    steps: Counter[int] = Counter()
    for begin, end, sign in [(_begin(p.span, p.end), p.end, p.sign) for p in pieces] + [
        (r.start, r.end, r.sign) for r in rests
    ]:
        steps[begin] += sign
        steps[end] -= sign
    assert {at: step for at, step in steps.items() if step} == {start: 1, start + length: -1}
    assert {piece.span for piece in pieces} <= set(spans)
    assert spans is ENTITY_SPANS or not rests


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Asia/Kathmandu"])
@pytest.mark.parametrize(("step", "steps", "most"), [("week", 53, 9), ("month", 12, 9), ("day", 30, 9)])
def test_local_calendars_need_few_buckets(zone: str, step: str, steps: int, most: int):
    local = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone))
    edges = {
        "week": [local + timedelta(weeks=n) for n in range(steps + 1)],
        "month": [local.replace(year=2026 + n // 12, month=n % 12 + 1) for n in range(steps + 1)],
        "day": [local + timedelta(days=n) for n in range(steps + 1)],
    }[step]
    windows = pairwise(quarter_hours(edge.astimezone(UTC)) for edge in edges)
    needed = [len(decomposed(start, end, MESSAGE_SPANS)[0]) for start, end in windows]

    assert max(needed) <= most + (6 if step == "week" else 0)


def test_a_decade_is_mostly_months():
    start, end = (quarter_hours(datetime(year, 1, 1, tzinfo=UTC)) for year in (2016, 2026))

    assert [p.span for p in decomposed(start, end, MESSAGE_SPANS)[0]] == [Span.MONTH] * 120


@given(first=quarters, length=st.integers(0, 20_000), span=st.sampled_from(Span))
def test_all_buckets_from_one_moment_to_another(first: int, length: int, span: Span):
    found = buckets(span, first, first + length)

    every = ends(span, np.arange(first, first + length + 1) * 900_000)
    assert found == sorted(set(every.tolist()))


def test_entries_are_folded_by_group_author_and_model_and_empty_ones_vanish():
    one = [1, 0, 0, 2, -500, 250_000]
    rows = [
        (1, 7, 1, one),
        (0, 7, 1, one),
        (1, 7, 2, one),
        (1, 7, 1, one),
        (0, 9, 1, one),
        (0, 9, 1, [-n for n in one]),
    ]
    group, author, model, sums = zip(*rows, strict=True)
    entries = Entries(np.array(group), np.array(author), np.array(model), np.array(sums)).folded()

    assert entries.group.tolist() == [0, 1, 1]
    assert entries.model.tolist() == [1, 1, 2]
    assert entries.sums.tolist() == [one, [2 * n for n in one], one]
    packed = entries.packed(3)
    assert packed[2] == b""
    assert unpacked(packed).sums.tolist() == entries.sums.tolist()
    assert unpacked(packed).author.tolist() == [7, 7, 7]
