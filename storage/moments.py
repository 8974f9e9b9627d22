"""Moments as the integers that tables hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
QUARTER_HOUR = timedelta(minutes=15)
QUARTER_HOUR_MS = 900_000


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down; negative before."""
    return (moment - EPOCH) // MILLISECOND


def moment(milliseconds: int) -> datetime:
    """The moment that many milliseconds after 1970."""
    return EPOCH + milliseconds * MILLISECOND


def quarter_hours(moment: datetime) -> int:
    """Quarter hours since 1970. Raises ValueError for a moment between two of them."""
    whole, rest = divmod(moment - EPOCH, QUARTER_HOUR)
    if rest:
        raise ValueError("windows begin and end on whole quarter hours, UTC")
    return whole
