"""What somebody who may manage a channel can tell Roomtone to do there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.discord.weekly import WEEKDAYS

DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}

LONGEST_BACKFILL = 3650
"""Days."""

_ORDER = re.compile(
    r"(?:please )?(?P<start>start|on|stop|off)(?: (?:here|reading))?"
    r"(?:,? (?:with )?(?:a )?backfill(?: of| from)?(?: the)?(?: last)? "
    r"(?P<count>[0-9]{1,4}) ?(?P<unit>d|w|m|y)[a-z]*)?[.!]?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Start:
    """Read this channel from now on, and the last `backfill` days of its past."""

    backfill: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """Read this channel no longer."""


@dataclass(frozen=True, slots=True)
class DigestOn:
    """Post the digest here every week; `zone` None is Roomtone's own."""

    weekday: int = 0
    hour: int = 9
    minute: int = 0
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class DigestOff:
    """Post no digest here."""


Order = Start | Stop | DigestOn | DigestOff

_DIGEST = re.compile(
    rf"(?:weekly )?digest (?P<on>on|off)(?: weekly)?(?: (?:on )?(?P<day>{'|'.join(WEEKDAYS)})s?)?"
    r"(?: (?:at )?(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9]))?"
    r"(?: (?P<zone>[A-Za-z]+(?:/[A-Za-z_+\-0-9]+)*))?[.!]?",
    re.IGNORECASE,
)


def order(text: str) -> Order | None:
    """The order that `text` ('start with backfill 90d') is; None if it is none."""
    if digest := _DIGEST.fullmatch(text.strip()):
        if digest["on"].lower() == "off":
            return DigestOff()
        day = WEEKDAYS.index((digest["day"] or WEEKDAYS[0]).lower())
        return DigestOn(day, int(digest["hour"] or 9), int(digest["minute"] or 0), digest["zone"])
    found = _ORDER.fullmatch(text.strip())
    if found is None:
        return None
    if found["start"].lower() in ("stop", "off"):
        return None if found["count"] else Stop()
    days = int(found["count"]) * DAYS[found["unit"].lower()] if found["count"] else 0
    return Start(min(days, LONGEST_BACKFILL))
