"""What storing costs beside reading: `python -m bench.storing`.

The same messages are read by the analyzer alone, and imported: read, sealed, analysed, recorded. Both take turns, on a
fresh database each time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from adapters.exports import open_export
from bench.speed import CHAT, SAMPLE
from bot.analysis.embedded import Embedded
from bot.importing import Line, bring_in
from bot.ingest import BATCH, Ingest
from bot.privacy import Key, Pseudonyms
from storage import open_storage

KEY = Key(bytes(32))


async def reading(analyzer: Embedded, texts: Sequence[str]) -> float:
    """Seconds to read `texts`, in the batches of an import, nothing kept."""
    began = perf_counter()
    for start in range(0, len(texts), BATCH):
        await analyzer.analyze(texts[start : start + BATCH])
    return perf_counter() - began


async def importing(analyzer: Embedded, chat: Path) -> float:
    """Seconds to import `chat` into a fresh database, with the same analyzer."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_storage(f"sqlite:///{folder}/bench.db", KEY) as storage:
            began = perf_counter()
            ingest = Ingest(storage.inbox, analyzer, storage.ledger)
            await bring_in([open_export(chat, Pseudonyms(KEY))], ingest, storage.ledger)
            return perf_counter() - began


async def measure(chat: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each, a round an entry; the order changes from round to round."""
    texts = [
        item.message.text
        for item in open_export(chat, Pseudonyms(KEY))
        if isinstance(item, Line) and not item.message.from_bot
    ]
    analyzer = Embedded()
    await analyzer.analyze(texts[:BATCH])  # loads the model
    took: dict[str, list[float]] = {"read": [], "import": [], "messages": [len(texts)]}
    for number in range(rounds):
        if number % 2:
            took["import"].append(await importing(analyzer, chat))
            took["read"].append(await reading(analyzer, texts))
        else:
            took["read"].append(await reading(analyzer, texts))
            took["import"].append(await importing(analyzer, chat))
    return took


def main(
    chat: Annotated[Path, typer.Option(help="An export or JSONL file.")] = CHAT,
    messages: Annotated[int, typer.Option(help="At most so many lines of a JSONL file.")] = 5_000,
    rounds: Annotated[int, typer.Option()] = 3,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Compare reading alone with import to stored."""
    with tempfile.TemporaryDirectory() as folder:
        if not chat.exists():
            chat = SAMPLE
        elif chat.suffix == ".jsonl":
            cut = Path(folder) / "cut.jsonl"
            with chat.open("rb") as lines, cut.open("wb") as some:
                some.writelines(itertools.islice(lines, messages))
            chat = cut
        took = asyncio.run(measure(chat, rounds))
    count = took["messages"][0]
    table = Table(title=f"{count:,.0f} messages, {rounds} rounds: messages/s (least, median, greatest)")
    table.add_column("case")
    table.add_column("rate", justify="right")
    for case in ("read", "import"):
        rates = sorted(count / seconds for seconds in took[case])
        table.add_row(case, f"{rates[0]:,.0f}  {median(rates):,.0f}  {rates[-1]:,.0f}")
    costs = [stored / read - 1 for stored, read in zip(took["import"], took["read"], strict=True)]
    table.add_row("storing costs", f"{min(costs):+.1%}  {median(costs):+.1%}  {max(costs):+.1%}")
    Console().print(table)
    if json_ is not None:
        json_.write_text(json.dumps(took | {"costs": costs}), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
