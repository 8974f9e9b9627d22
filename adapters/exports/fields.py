"""What the fields of an export mean: words, moments, emoji."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from bot import text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A day's room at both ends, so that every moment also exists in every time zone.
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 30, tzinfo=UTC)

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TONE_OR_STYLE = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f]")
_MILLISECONDS_FROM = Decimal(10**11)  # in seconds this would be the year 5138


def words(value: Any) -> str:
    """A text as it can be kept: U+FFFD for NUL and lone surrogates, which no database takes, so offsets stay."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""


def identifier(value: Any) -> str:
    """An id or a name, also where it was written as a number; empty if it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return words(value).strip()


def as_object(value: Any) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_array(value: Any) -> Sequence[Any]:
    """`value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else ()


def from_epoch(value: Any, *, milliseconds: bool = False) -> datetime | None:
    """A moment from seconds since 1970, to the microsecond; None if it is no such moment.

    With `milliseconds`, a number too large to be seconds counts milliseconds.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal) or len(str(value)) > 40:
        return None
    try:
        number = Decimal(str(value).strip())
        if milliseconds and abs(number) >= _MILLISECONDS_FROM:
            number /= 1000
        return _kept(EPOCH + timedelta(microseconds=int(number * 1_000_000)))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def from_iso(value: Any) -> datetime | None:
    """A moment from ISO 8601, in UTC where it names no offset; None if it is no such moment."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return _kept(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _kept(moment: datetime) -> datetime | None:
    return moment if _FIRST <= moment < _LAST else None


@lru_cache(maxsize=4096)
def emoji_called(short_name: str) -> str:
    """The emoji that a short name such as `tada` or `wave::skin-tone-3` stands for; a custom one's own name."""
    base = words(short_name).strip(":").partition("::")[0]
    shown = text.plain(f":{base}:").text.strip()
    return base if any(character.isascii() for character in shown) else shown


def emoji_without_tone(sequence: str) -> str:
    """A Unicode emoji without skin tone, as one code point where Slack's table has one too."""
    emoji = words(sequence)
    simple = text.simplest(emoji) if emoji else ""
    return _TONE_OR_STYLE.sub("", emoji) if simple.isascii() else simple
