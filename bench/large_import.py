"""Whether a large import stays flat: `python -m bench.large_import --messages 1000000`.

A log of as many messages as asked for is made from real ones (their texts shuffled, new ids and times, as many people
again for each pass), and imported while memory and rate are watched. With `--reader none` every message gets the same
reading, which leaves the whole path but the model, so that a million take minutes.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from adapters.exports import open_export
from bench.readers import resident
from bench.speed import CHAT, SAMPLE
from bench.speed import messages as texts_of
from bot.analysis import Analysis, Analyzer, Entity, Kind, Sentiment
from bot.analysis.batching import Batching
from bot.analysis.embedded import Embedded
from bot.importing import bring_in
from bot.ingest import Ingest
from bot.privacy import Key, Pseudonyms
from storage import open_storage

KEY = Key(bytes(32))
CHANNELS = 12
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


class Constant:
    """Reads everything the same: the path without the model."""

    _ANALYSIS = Analysis(Sentiment(0.2, 0.6, 0.2), (Entity("Jenkins", Kind.PRODUCT, 0, 7, 0.9),), "constant 1")

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """The same analysis for every text."""
        return [self._ANALYSIS] * len(texts)


def make(path: Path, said: Sequence[str], count: int) -> None:
    """Write a JSONL log of `count` messages over two years, twelve channels and some hundred people."""
    drawn = random.Random(1)
    step = timedelta(days=730) / count
    with path.open("w", encoding="utf-8") as log:
        for number in range(count):
            line = {
                "workspace": "bench",
                "channel": f"channel-{number % CHANNELS}",
                "user": f"U{int(drawn.paretovariate(1)) % 400}",
                "ts": (FIRST + number * step).isoformat(),
                "text": drawn.choice(said),
                "id": str(number),
            }
            log.write(json.dumps(line) + "\n")


async def watch(log: Path, database: Path, analyzer: Analyzer, every: int) -> list[tuple[int, float, float]]:
    """(messages, seconds, MiB resident) each `every` messages."""
    seen: list[tuple[int, float, float]] = []
    began = perf_counter()

    def progress(_done: int, _total: int, messages: int) -> None:
        if not seen or messages - seen[-1][0] >= every:
            seen.append((messages, perf_counter() - began, resident()))

    async with open_storage(f"sqlite:///{database}", KEY) as storage, Batching(analyzer) as reader:
        ingest = Ingest(storage.inbox, reader, storage.ledger)
        report = await bring_in([open_export(log, Pseudonyms(KEY))], ingest, storage.ledger, progress=progress)
    seen.append((report.messages, perf_counter() - began, resident()))
    return seen


def main(
    messages: Annotated[int, typer.Option()] = 100_000,
    reader: Annotated[str, typer.Option(help="embedded or none")] = "none",
    chat: Annotated[Path, typer.Option()] = CHAT,
    json_: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Import a made log and show memory and rate along the way."""
    said = texts_of(chat if chat.exists() else SAMPLE)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        make(log, said, messages)
        analyzer: Analyzer = Embedded() if reader == "embedded" else Constant()
        seen = asyncio.run(watch(log, Path(folder) / "bench.db", analyzer, max(1, messages // 20)))
    table = Table(title=f"{messages:,} messages, reader: {reader}")
    for title in ("messages", "messages/s since the row above", "resident MiB"):
        table.add_column(title, justify="right")
    before = (0, 0.0)
    for count, seconds, mib in seen:
        if count > before[0]:
            table.add_row(f"{count:,}", f"{(count - before[0]) / (seconds - before[1]):,.0f}", f"{mib:,.0f}")
        before = (count, seconds)
    Console().print(table)
    if json_ is not None:
        json_.write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
