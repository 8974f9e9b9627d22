"""Bringing a chat's past in: every line of an export is counted once, and a repeated import changes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, TypeAlias

from bot.ingest import Ingest
from bot.message import Channel, Event, Message, Pseudonym
from bot.store import Ledger

OPTED_OUT = "by people who opted out"
"""Why their lines are skipped: nothing is kept of them, so they can't be told from new ones the next time."""

LINES = 2_048
"""Lines taken between two looks at what is known already; all of them are recorded before the next are read."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message line of an export, with the events that it and its reactions are."""

    message: Message
    others: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Aside:
    """Something an export says that is no line of its messages, such as a channel's name or a deletion."""

    event: Event


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that isn't a message to read; `reason` is a few plain words, the same for the same kind of line."""

    reason: str


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file, or the rest of one, that can't be read. `file` is its name inside the export."""

    file: str
    reason: str


Item: TypeAlias = Line | Aside | Skipped | FailedFile


class Export(Protocol):
    """An export, read from front to back without holding it in memory."""

    @property
    def bytes_total(self) -> int:
        """How many bytes there are to read, for a progress bar."""
        ...

    @property
    def bytes_done(self) -> int:
        """How many of them were read."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """Every line, oldest first in each channel. Blocks on files: iterate in a thread."""
        ...


@dataclass(slots=True)
class Report:
    """What an import came to. Every line of the export is in exactly one of its counts."""

    messages: int = 0
    already_known: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[FailedFile] = field(default_factory=list)
    _people: set[Pseudonym] = field(default_factory=set, repr=False)
    _channels: set[Channel] = field(default_factory=set, repr=False)

    @property
    def people(self) -> int:
        """How many people wrote the messages, new and known."""
        return len(self._people)

    @property
    def channels(self) -> int:
        """How many channels the messages, new and known, are in."""
        return len(self._channels)

    def as_json(self) -> Mapping[str, Any]:
        """The report as `roomtone import --json` prints it."""
        return {
            "messages": self.messages,
            "already_known": self.already_known,
            "people": self.people,
            "channels": self.channels,
            "skipped": dict(sorted(self.skipped.items())),
            "failed": [{"file": failed.file, "reason": failed.reason} for failed in self.failed],
        }

    def in_words(self) -> str:
        """The report as a person reads it."""
        lines = [
            f"{_counted(self.messages, 'message')} brought in, by {self.people:,} "
            f"{'person' if self.people == 1 else 'people'} in {_counted(self.channels, 'channel')}."
            if self.messages or not self.already_known
            else "Nothing new."
        ]
        if self.already_known:
            lines.append(f"{self.already_known:,} were known already and are counted once.")
        if self.skipped:
            kinds = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.most_common())
            lines.append(f"Not read: {kinds}.")
        lines += [f"Could not be read: {failed.file} ({failed.reason})" for failed in self.failed]
        return "\n".join(lines)

    def _count(self, message: Message, known: bool, opted_out: bool) -> None:
        self._channels.add(message.id.channel)
        if message.from_bot or opted_out:
            self.skipped["bot" if message.from_bot else OPTED_OUT] += 1
            return
        self._people.add(message.author)
        if known:
            self.already_known += 1
        else:
            self.messages += 1


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


async def bring_in(
    exports: Sequence[Export],
    ingest: Ingest,
    ledger: Ledger,
    *,
    progress: Callable[[int, int, int], None] | None = None,
) -> Report:
    """Read `exports` through the same path as live messages, and say what came of every line.

    Stopped at any moment and started again, it goes on; the end is the same. `progress` is told (bytes read, bytes in
    all, message lines so far). Raises ImportFileError, AnalysisError, StorageError.
    """
    report = Report()
    total = sum(export.bytes_total for export in exports)
    await ingest.drain()  # what an interrupted import left waiting
    for export in exports:
        items = iter(export)
        while taken := await asyncio.to_thread(_next, items):
            await _bring_in(taken, report, ingest, ledger)
            if progress is not None:
                done = sum(one.bytes_done for one in exports)
                progress(done, total, report.messages + report.already_known)
    return report


def _next(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(islice(items, LINES))


async def _bring_in(items: Sequence[Item], report: Report, ingest: Ingest, ledger: Ledger) -> None:
    lines = [item for item in items if isinstance(item, Line)]
    known = await ledger.known([(line.message.id, line.message.revised_at) for line in lines])
    silent = {who for who in {line.message.author for line in lines} if await ledger.opted_out(who)}
    is_known = {id(line): flag for line, flag in zip(lines, known, strict=True)}
    seen: set[object] = set()
    events: list[Event] = []
    for item in items:
        match item:
            case Line(message, others):
                revision = (message.id, message.revised_at)
                known_already = is_known[id(item)] or revision in seen
                seen.add(revision)
                report._count(message, known_already, message.author in silent)
                events += others if known_already else (message, *others)
            case Aside(event):
                events.append(event)
            case Skipped(reason):
                report.skipped[reason] += 1
            case FailedFile():
                report.failed.append(item)
    await ingest.accept(*events)
    await ingest.drain()
