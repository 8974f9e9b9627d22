"""Messages that aren't read like others: what came and what becomes of it, said once and kept for the doctor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from adapters.discord.rooms import Rooms
from adapters.discord.translate import UNKNOWN_TYPE, is_known
from bot.doctor import Finding
from bot.errors import StorageError
from bot.importing import Skipped
from bot.message import Channel, Message, Platform
from bot.store import Notes

MET = "met "
"""The notes of what was met in a channel: 'met <channel> <kind>', {'at': on which day last}."""

RECENT = timedelta(days=7)
"""How long the doctor speaks of it."""

LONGEST_PLAIN = 2000
"""Characters of a message by people without a subscription; others may write 4,000."""

_LONG, _WORDLESS, _NOTICE, _UNREADABLE = "long", "wordless", "notice", "unreadable"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Oddity:
    """`says` what came and what becomes of it; `mend`, what an operator can do about it, is empty if nothing is."""

    says: str
    mend: str = ""


_KNOWN = {
    _LONG: Oddity(f"messages of more than {LONGEST_PLAIN:,} characters are read whole"),
    _WORDLESS: Oddity("an app's messages without text of their own (components, embeds, files) are counted, not read"),
    _NOTICE: Oddity("notices, such as of joins and pins, hold nobody's words and are left out"),
    _UNREADABLE: Oddity("messages that lack an id, a type or an author are left out", "Please report it."),
}


def kind_of(found: Message | Skipped) -> str | None:
    """What is odd about a translated message; None if nothing is."""
    if isinstance(found, Message):
        if found.from_bot:
            return None if found.text else _WORDLESS
        return _LONG if len(found.text) > LONGEST_PLAIN else None
    if found.reason.startswith(UNKNOWN_TYPE):
        return found.reason
    if found.reason in ("not a message", "no id", "no type", "no author"):
        return _UNREADABLE
    return _NOTICE if found.reason.startswith("type ") else None


def described(kind: str) -> Oddity | None:
    """What a kind means; None if this version, unlike the one that noted it, finds nothing odd about it."""
    number = kind.removeprefix(UNKNOWN_TYPE)
    if number == kind:
        return _KNOWN.get(kind)
    if not number.isdecimal() or is_known(int(number)):
        return None
    return Oddity(
        f"messages of type {number}, which this version doesn't know, are left out",
        "Update Roomtone: at its start it reads those of the last 48 hours. If it is the newest, please report it.",
    )


class Oddities:
    """What was met in the channels that are read, live or in history. Of a message only its kind is kept."""

    def __init__(self, notes: Notes, rooms: Rooms, clock: Callable[[], datetime]) -> None:
        self._notes = notes
        self._rooms = rooms
        self._clock = clock
        self._said: set[str] = set()
        self._noted: dict[tuple[int, str], date] = {}

    async def meet(self, workspace: str, channel: int, found: Message | Skipped) -> None:
        """Say what is odd about a message of a channel or thread, the first time, and note it, once a day."""
        kind = kind_of(found)
        oddity = None if kind is None else described(kind)
        if kind is None or oddity is None:
            return
        if kind not in self._said:
            self._said.add(kind)
            (_log.warning if oddity.mend else _log.info)(
                oddity.says, channel=channel, to_do=oddity.mend or "nothing: it is as it should be"
            )
        home, today = self._rooms.home(channel), self._clock().date()
        if self._noted.get((home, kind)) != today:
            with suppress(StorageError):  # the next one is noted
                await self._notes.write(Platform.DISCORD, workspace, f"{MET}{home} {kind}", {"at": today.isoformat()})
                self._noted[home, kind] = today


async def met(notes: Notes, channel: Channel, name: str, *, now: datetime) -> Sequence[Finding]:
    """What the doctor says of a channel: the oddities of the last days, one by one."""
    found = await notes.notes(Platform.DISCORD, channel.workspace, f"{MET}{channel.id} ")
    findings = []
    for note, value in sorted(found.items()):
        oddity = described(note.removeprefix(f"{MET}{channel.id} "))
        if oddity is not None and now.date() - date.fromisoformat(value["at"]) <= RECENT:
            says = f"{oddity.says[0].upper()}{oddity.says[1:]}; last met on {value['at']}."
            findings.append(Finding(f"discord #{name}", not oddity.mend, f"{says} {oddity.mend}".rstrip()))
    return findings
