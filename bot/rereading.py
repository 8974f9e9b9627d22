"""Reading the past again with another model, as far as its texts are at hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from bot.analysis import Analysis, Analyzer
from bot.errors import Refused, RoomtoneError
from bot.importing import LINES, Aside, Export, FailedFile, Item, Line, Skipped
from bot.ingest import BATCH, Ingest
from bot.message import Message
from bot.store import Inbox, Past, Rereading
from bot.wording import counted

_log = structlog.get_logger(__name__)

_ANYTHING = "good morning"
"""Read to learn the name that readings are given now."""


@dataclass(slots=True)
class Reread:
    """What reading again came to. Every message line of the exports is in exactly one of its counts.

    `model` reads now. `again` were read again, `already` were read by it before. The text of `edited` is older than
    what was read, and `deleted` ones stay out; `unknown` ones aren't recorded, or only as they were before an edit (an
    import brings them in), or their author opted out. `waited` events were read that waited or had been set aside.
    `read_by` counts all that is recorded by the model that read it.
    """

    model: str
    waited: int = 0
    again: int = 0
    already: int = 0
    edited: int = 0
    deleted: int = 0
    unknown: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: list[FailedFile] = field(default_factory=list)
    read_by: Mapping[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """How many message lines were looked at."""
        return self.again + self.already + self.edited + self.deleted + self.unknown + sum(self.skipped.values())

    @property
    def others(self) -> Mapping[str, int]:
        """How many messages are still as another model read them."""
        return {model: count for model, count in sorted(self.read_by.items()) if model != self.model}

    def as_json(self) -> Mapping[str, Any]:
        """The report as `roomtone reanalyze --json` prints it."""
        return {
            "model": self.model,
            "waited": self.waited,
            "again": self.again,
            "already": self.already,
            "edited": self.edited,
            "deleted": self.deleted,
            "unknown": self.unknown,
            "skipped": dict(sorted(self.skipped.items())),
            "failed": [{"file": failed.file, "reason": failed.reason} for failed in self.failed],
            "read_by": dict(sorted(self.read_by.items())),
        }

    def in_words(self) -> str:
        """The report as a person reads it."""
        lines = [f"{self.model} reads now."]
        if self.waited:
            lines.append(f"{counted(self.waited, 'event')} that waited or had been set aside went to it.")
        if self.lines:
            lines.append(f"{counted(self.again, 'message')} read again; {self.already:,} had been read by it before.")
        left = [
            f"{number:,} {why}"
            for number, why in (
                (self.edited, "edited since that text"),
                (self.deleted, "deleted since"),
                (self.unknown, "not recorded: not imported yet, or their author opted out"),
            )
            if number
        ]
        if left:
            lines.append(f"Left as they are: {', '.join(left)}.")
        if self.skipped:
            kinds = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.most_common())
            lines.append(f"Not read: {kinds}.")
        lines += [f"Could not be read: {failed.file} ({failed.reason})" for failed in self.failed]
        if self.others:
            by = ", ".join(f"{count:,} by {model}" for model, count in self.others.items())
            lines.append(
                f"Still as another model read them: {by}. Their texts are gone, as each is erased once it is read. "
                f"An export that holds them lets them be read again: roomtone reanalyze PATH. Until then trends show "
                f"where the model changes, and never mix the two."
            )
        else:
            lines.append("No message is left that another model read.")
        return "\n".join(lines)


async def read_again(
    exports: Sequence[Export],
    analyzer: Analyzer,
    ingest: Ingest,
    inbox: Inbox,
    past: Rereading,
    *,
    progress: Callable[[int, int, int], None] | None = None,
) -> Reread:
    """Read what waits, and every known message whose text is in `exports`, and put that in the old reading's place.

    Nothing becomes known by it, and no edit or deletion is undone. Stopped at any moment and started again, it goes
    on with what the model hasn't read; the end is the same. `progress` is told (bytes read, bytes in all, message
    lines so far). Raises ImportFileError, AnalysisError, StorageError.
    """
    await inbox.try_again()
    waited = (await inbox.count()).waiting
    await ingest.drain()
    (now,) = await analyzer.analyze([_ANYTHING])
    report = Reread(now.model, waited=waited)
    total = sum(export.bytes_total for export in exports)
    for export in exports:
        items = iter(export)
        while taken := await asyncio.to_thread(_next, items):
            texts = await _texts(taken, report, past)
            for start in range(0, len(texts), BATCH):
                await _replace(texts[start : start + BATCH], report, analyzer, past)
            if progress is not None:
                progress(sum(one.bytes_done for one in exports), total, report.lines)
    report.read_by = await past.read_by()
    return report


def _next(items: Iterator[Item]) -> tuple[Item, ...]:
    return tuple(islice(items, LINES))


async def _texts(items: Sequence[Item], report: Reread, past: Rereading) -> Sequence[Message]:
    """The messages among `items` that another model read, as they are there; the rest is counted."""
    messages: dict[object, Message] = {}
    for item in items:
        match item:
            case Line(message) if message.from_bot:
                report.skipped["bot"] += 1
            case Line(message):
                revision = (message.id, message.revised_at)
                if revision in messages:
                    report.skipped["twice in the export"] += 1
                messages[revision] = message
            case Skipped(reason):
                report.skipped[reason] += 1
            case FailedFile():
                report.failed.append(item)
            case Aside():
                pass
    found = await past.standing([(message.id, message.revised_at) for message in messages.values()])
    texts = []
    for message, standing in zip(messages.values(), found, strict=True):
        match standing.past:
            case Past.UNKNOWN:
                report.unknown += 1
            case Past.EDITED:
                report.edited += 1
            case Past.DELETED:
                report.deleted += 1
            case Past.READ if standing.model == report.model:
                report.already += 1
            case Past.READ:
                texts.append(message)
    return texts


async def _replace(messages: Sequence[Message], report: Reread, analyzer: Analyzer, past: Rereading) -> None:
    read = await _read(messages, report, analyzer)
    replaced = await past.reread(read)
    report.again += replaced
    report.edited += len(read) - replaced  # edited or deleted while it was read


async def _read(messages: Sequence[Message], report: Reread, analyzer: Analyzer) -> Sequence[tuple[Message, Analysis]]:
    """`messages` with what they are read as; one that can't be read keeps the reading it has."""
    try:
        analyses = await analyzer.analyze([message.text for message in messages])
        return list(zip(messages, analyses, strict=True))
    except Refused:
        if len(messages) == 1:
            report.skipped["refused by the reader"] += 1
            return []
    except RoomtoneError:
        raise
    except Exception as error:
        # Its name only: an error's text may hold the message's.
        _log.error("messages could not be read again", messages=len(messages), error=type(error).__name__)
        if len(messages) == 1:
            report.skipped["could not be read"] += 1
            return []
    return [pair for message in messages for pair in await _read([message], report, analyzer)]
