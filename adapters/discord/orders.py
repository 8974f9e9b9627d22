"""What somebody who may manage a channel can tell Roomtone to do there."""

from __future__ import annotations

import re
from dataclasses import dataclass

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


Order = Start | Stop


def order(text: str) -> Order | None:
    """The order that `text` ('start with backfill 90d') is; None if it is none."""
    found = _ORDER.fullmatch(text.strip())
    if found is None:
        return None
    if found["start"].lower() in ("stop", "off"):
        return None if found["count"] else Stop()
    days = int(found["count"]) * DAYS[found["unit"].lower()] if found["count"] else 0
    return Start(min(days, LONGEST_BACKFILL))
