"""How fast a year is answered, with many messages and with few: `python -m bench.questions`.

Two databases are made, one with a hundredth of the other's messages: the same people in the same channel over the same
year, each message with its reading, its roll-ups and its mentions, put in by bulk. Then both are asked the same
questions in turn. Windows begin at local midnight in three zones, so that none falls together with the roll-ups' days.
On a machine that others keep busy, the time that this process itself computed says more than the clock on the wall.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bot.answers import Answers
from bot.grammar import parse
from bot.message import Channel, ChannelSeen, Platform, Pseudonym, Window
from bot.privacy import Key
from bot.question import Place
from bot.store import Readings
from bot.trends import Trends
from storage import Storage, open_storage
from storage.moments import milliseconds
from storage.rollups import ENTITY_SPANS, MESSAGES, Entries, Span, ends, sums_of

KEY = Key(bytes(32))
CHANNEL = Channel(Platform.OTHER, "bench", "general")
YEAR = 2025
ENTITIES = 5_000
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Year:
    """A year of messages as columns, in order of time."""

    sent_at: Integers
    author: Integers
    negative: Integers
    positive: Integers
    label: Integers
    entity: Integers  # 0: names none

    @property
    def score(self) -> Integers:
        """In steps of 1e-4."""
        return self.positive - self.negative


def made_up(messages: int, people: int, seed: int = 7) -> Year:
    """Few people write most of it, mostly on working days; two in five messages name something, some names often."""
    dice = np.random.default_rng(seed)
    start = milliseconds(datetime(YEAR, 1, 1, tzinfo=UTC))
    hour = np.array([1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 13, 11, 13, 14, 14, 13, 11, 8, 6, 5, 4, 3, 2], float)
    week = np.array([10, 11, 11, 10, 9, 2, 2], float)
    first = datetime(YEAR, 1, 1, tzinfo=UTC).weekday()
    weight = np.concatenate([hour * week[(first + day) % 7] for day in range(365)])
    at = dice.choice(365 * 24, messages, p=weight / weight.sum()) * 3_600_000 + dice.integers(0, 3_600_000, messages)
    activity = dice.lognormal(0, 1.2, people)
    parts = dice.dirichlet([0.7, 2.0, 0.7], messages)
    negative, positive = (parts[:, 0] * 10_000).astype(np.int64), (parts[:, 2] * 10_000).astype(np.int64)
    middle = 10_000 - negative - positive
    names = np.minimum(dice.zipf(1.3, messages), ENTITIES)
    return Year(
        sent_at=np.sort(start + at),
        author=dice.choice(people, messages, p=activity / activity.sum()) + 1,
        negative=negative,
        positive=positive,
        label=np.where(middle >= np.maximum(negative, positive), 0, np.sign(positive - negative)),
        entity=np.where(dice.random(messages) < 0.4, names, 0),
    )


async def build(path: Path, year: Year, people: int) -> None:
    """A database that holds `year`, equal to one that recorded it message by message."""
    async with open_storage(str(path), KEY) as storage:
        await storage.inbox.put([ChannelSeen(CHANNEL, "general", datetime(YEAR, 1, 1, tzinfo=UTC))])
        await storage.ledger.record([(waiting, None) for waiting in await storage.inbox.take(1)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        with connection:
            _names(connection, people)
            _readings(connection, year)
            _rollups(connection, year)


def _names(connection: sqlite3.Connection, people: int) -> None:
    connection.execute("INSERT INTO models (id, name) VALUES (1, 'made up 1')")
    connection.executemany(
        "INSERT INTO authors (id, pseudonym) VALUES (?, ?)", ((n, f"{n:032x}") for n in range(1, people + 1))
    )
    numbers = range(1, ENTITIES + 1)
    connection.executemany("INSERT INTO entities (id, key) VALUES (?, ?)", ((n, f"tool{n}") for n in numbers))
    connection.executemany(
        "INSERT INTO surfaces (id, text, entity_id) VALUES (?, ?, ?)", ((n, f"Tool{n}", n) for n in numbers)
    )


def _readings(connection: sqlite3.Connection, year: Year) -> None:
    middle = 10_000 - year.negative - year.positive
    columns = (year.author, year.sent_at, year.label, year.negative, middle, year.positive, year.entity)
    insert = (
        "INSERT INTO readings (id, channel_id, key, home_id, author_id, sent_at, revised_at, from_bot, model_id, label,"
        " negative, neutral, positive) VALUES (?, 1, ?, 1, ?, ?, ?, 0, 1, ?, ?, ?, ?)"
    )
    for start in range(0, len(year.author), 100_000):
        rows = list(zip(*(column[start : start + 100_000].tolist() for column in columns), strict=True))
        connection.executemany(
            insert, ((n, str(n), a, at, at, b, x, y, z) for n, (a, at, b, x, y, z, _) in enumerate(rows, start + 1))
        )
        connection.executemany(
            "INSERT INTO mentions (reading_id, surface_id, kind, times, entity_id, home_id, sent_at)"
            " VALUES (?, ?, 'product', 1, ?, 1, ?)",
            ((n, row[-1], row[-1], row[1]) for n, row in enumerate(rows, start + 1) if row[-1]),
        )
    connection.execute(
        "INSERT INTO spellings (home_id, surface_id, kind, times)"
        " SELECT 1, surface_id, kind, sum(times) FROM mentions GROUP BY surface_id, kind"
    )


def _rollups(connection: sqlite3.Connection, year: Year) -> None:
    everything = np.full_like(year.author, MESSAGES)
    sums = sums_of(year.label, year.score)
    for span in Span:
        _bucket(connection, span, ends(span, year.sent_at), everything, year.author, sums)
    naming = year.entity > 0
    sums = sums_of(year.label[naming], year.score[naming], 1)
    for span in ENTITY_SPANS:
        _bucket(connection, span, ends(span, year.sent_at[naming]), year.entity[naming], year.author[naming], sums)


def _bucket(
    connection: sqlite3.Connection, span: Span, end: Integers, about: Integers, author: Integers, sums: Integers
) -> None:
    names, group = np.unique(end * (ENTITIES + 1) + about, return_inverse=True)
    packed = Entries(group.reshape(-1), author, np.ones_like(author), sums).folded().packed(len(names))
    connection.executemany(
        'INSERT INTO rollups (home_id, span, "end", about, tallies) VALUES (1, ?, ?, ?, ?)',
        (
            (int(span), name // (ENTITIES + 1), name % (ENTITIES + 1), tallies)
            for name, tallies in zip(names.tolist(), packed, strict=True)
        ),
    )


# ---- questions -------------------------------------------------------------------------------------------------------


def _edges(zone: str, *, months: bool) -> list[datetime]:
    local = datetime(YEAR, 1, 1, tzinfo=ZoneInfo(zone))
    if months:
        steps = [local.replace(month=month) for month in range(1, 13)] + [local.replace(year=YEAR + 1)]
    else:
        steps = [local + timedelta(weeks=week) for week in range(54)]
    return [step.astimezone(UTC) for step in steps]


ZONES = ("Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata")
Ask = Callable[[Readings, str], Awaitable[object]]


def _window(zone: str, days: int) -> Window:
    start = datetime(YEAR, 6, 2, tzinfo=ZoneInfo(zone))
    return Window(start.astimezone(UTC), (start + timedelta(days=days)).astimezone(UTC))


QUESTIONS: dict[str, Ask] = {
    "mood of a year by month": lambda r, zone: r.tallies([CHANNEL], _edges(zone, months=True)),
    "mood of a year by week": lambda r, zone: r.tallies([CHANNEL], _edges(zone, months=False)),
    "what was left out of a year": lambda r, zone: r.left_out(
        [CHANNEL], Window(_edges(zone, months=True)[0], _edges(zone, months=True)[-1])
    ),
    "an entity's year by month": lambda r, zone: r.entity([CHANNEL], "tool3", _edges(zone, months=True)),
    "entities of a week": lambda r, zone: r.entities([CHANNEL], _window(zone, 7), limit=10),
    "entities of a year": lambda r, zone: r.entities(
        [CHANNEL], Window(_edges(zone, months=True)[0], _edges(zone, months=True)[-1]), limit=10
    ),
    "threads of a week": lambda r, zone: r.threads([CHANNEL], _window(zone, 7), limit=5),
    "reactions of a week": lambda r, zone: r.reactions([CHANNEL], _window(zone, 7)),
    "every channel": lambda r, zone: r.channels(),
}


WHOLE = {
    "mood, asked and answered": "mood #general 2025",
    "entity, asked and answered": "entity tool3 in #general 2025",
    "entities, asked and answered": "entities #general 2025",
    "halves compared, asked and answered": "compare #general first half of 2025 with second half of 2025",
    "months compared, asked and answered": "compare #general june 2025 with may 2025",
    "digest, asked and answered": "digest #general 2025-W23",
}
"""As somebody types them: from the words to the answer, estimates included."""


async def _answered(storage: Storage, text: str, zone: str) -> object:
    here = Place(CHANNEL, "general", private=False)
    now = datetime(YEAR + 1, 1, 1, tzinfo=UTC)
    asker = Pseudonym("0" * 32)
    question = parse(text, places=[here], here=here, now=now, zone=ZoneInfo(zone), asker=asker)
    answers = Answers(Trends(storage.readings), storage.ledger, storage.inbox, storage.names)
    return await answers.answer(question, visible=[here])


async def ask(databases: Sequence[Path], rounds: int, whole: bool) -> dict[str, list[list[tuple[float, float]]]]:
    """Milliseconds, by the clock and computed, of each question on each of `databases`, which take turns.

    One round before the first isn't counted: it packs what a question of long ago leaves packed for all others.
    """
    names = (*QUESTIONS, *WHOLE) if whole else tuple(QUESTIONS)
    taken: dict[str, list[list[tuple[float, float]]]] = {name: [[] for _ in databases] for name in names}
    for number in range(rounds + 1):
        for place, path in enumerate(databases):
            async with open_storage(str(path), KEY) as storage:
                await storage.readings.tallies([CHANNEL], _edges("UTC", months=True))  # connections, not counted
                for name in taken:
                    for zone in ZONES:
                        began, computed = perf_counter(), process_time()
                        if name in WHOLE:
                            await _answered(storage, WHOLE[name], zone)
                        else:
                            await QUESTIONS[name](storage.readings, zone)
                        if number:
                            took = ((perf_counter() - began) * 1000, (process_time() - computed) * 1000)
                            taken[name][place].append(took)
        typer.echo(f"round {number} of {rounds}", err=True)
    return taken


def main(
    messages: Annotated[int, typer.Option(help="In the larger database; the other has a hundredth.")] = 1_000_000,
    people: int = 300,
    rounds: int = 10,
    folder: Annotated[Path | None, typer.Option(help="Keep the databases here, and use those that are there.")] = None,
    whole: Annotated[bool, typer.Option(help="Also from the words to the answer, estimates included.")] = True,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Ask a year of `messages` and of a hundredth of them, and compare."""
    with tempfile.TemporaryDirectory() as temporary:
        sizes = (messages, messages // 100)
        paths = [(folder or Path(temporary)) / f"year-{size}-{people}.db" for size in sizes]
        for path, size in zip(paths, sizes, strict=True):
            if not path.exists():
                typer.echo(f"building {size:,} messages", err=True)
                asyncio.run(build(path, made_up(size, people), people))
        taken = asyncio.run(ask(paths, rounds, whole))
    rows = {name: {"many": _summed_up(many), "few": _summed_up(few)} for name, (many, few) in taken.items()}
    if as_json:
        typer.echo(json.dumps({"messages": messages, "people": people, "milliseconds": rows}))
        return
    table = Table("question", "median", "p95", "computed: median", "p95", "hundredth: median", "p95", "ratio")
    for name, row in rows.items():
        many, few = row["many"], row["few"]
        numbers = [many["median"], many["p95"], many["computed"], many["computed_p95"]]
        numbers += [few["computed"], few["computed_p95"]]
        table.add_row(name, *(f"{number:.1f}" for number in numbers), f"{many['computed'] / few['computed']:.2f}")
    console = Console()
    console.print(f"{messages:,} messages of a year by {people} people; milliseconds")
    console.print(table)


def _summed_up(taken: Sequence[tuple[float, float]]) -> dict[str, float]:
    wall, computed = np.array(taken).T
    return {
        "median": float(np.median(wall)),
        "p95": float(np.percentile(wall, 95)),
        "computed": float(np.median(computed)),
        "computed_p95": float(np.percentile(computed, 95)),
    }


if __name__ == "__main__":
    typer.run(main)
