"""The names of a whole bucket, packed: the same numbers as one by one, whatever changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.analysis import Analysis
from bot.entities import canonical
from bot.message import Deletion, Event, Message, Window
from bot.store import AuthorTally, EntityTally
from storage import Storage, open_storage
from storage.named import Named
from tests.conftest import KEY
from tests.examples import AT, CALM, DAY, GENERAL, a_message, an_analysis, an_author, an_entity

DAYS = 40
NOON = AT + DAY / 8
ALL = Window(NOON - DAY, NOON + (DAYS - 3) * DAY)
WEEKS = [NOON + week * 7 * DAY for week in range(6)]
TOOLS = ("Jenkins", "Grafana", "Redis")


async def _record(storage: Storage, *events: Event) -> None:
    await storage.inbox.put(events)
    await storage.ledger.record([(waiting, _analysis(waiting.event)) for waiting in await storage.inbox.take(10_000)])


def _analysis(event: Event) -> Analysis | None:
    if not isinstance(event, Message):
        return None
    words = event.text.split()
    return an_analysis(CALM, *(an_entity(word, start=event.text.index(word)) for word in words))


def _talk(number: int, author: int, tools: str, **more: Any) -> Message:
    return a_message(number, author=author, at=AT + number % DAYS * DAY + number % 12 * DAY / 24, text=tools, **more)


async def _history(storage: Storage) -> None:
    tools = [" ".join(TOOLS[: 1 + n % 3 if n % 2 else 1]) for n in range(2 * DAYS)]
    await _record(storage, *(_talk(n, 1 + n % 3, words) for n, words in enumerate(tools)))


def _packed(database: Path) -> tuple[int, int]:
    """How many buckets are packed, and how many of them with every mention."""
    with closing(sqlite3.connect(database)) as connection:
        whole, mentions = connection.execute("SELECT count(*), count(mentions) FROM rollups_packed").fetchone()
        return int(whole), int(mentions)


async def _asked(database: Path) -> tuple[Sequence[EntityTally], list[list[Sequence[AuthorTally]]]]:
    """What is answered of windows that begin at noon, and then whatever is worth it is packed."""
    async with open_storage(str(database), KEY) as storage:
        every = await storage.readings.entities([GENERAL], ALL, limit=10)
    async with open_storage(str(database), KEY) as storage:
        by_week = await storage.readings.each_entity([GENERAL], [canonical(tool) for tool in TOOLS], WEEKS)
        return every, [[tuple(week) for week in entity] for entity in by_week]


@pytest.fixture
def all_is_worth_it(monkeypatch):
    monkeypatch.setattr("storage.readings.WORTH", 1)


async def test_a_packed_past_is_answered_as_if_it_were_not(tmp_path, all_is_worth_it):
    database = tmp_path / "roomtone.db"
    async with open_storage(str(database), KEY) as storage:
        await _history(storage)
    before = await _asked(database)
    packed, mentions = _packed(database)
    after = await _asked(database)

    assert packed > mentions > len(WEEKS)
    assert after == before
    assert [tally.name for tally in after[0]] == ["Jenkins", "Grafana", "Redis"]
    assert [len(week) for week in after[1][0]] == [3] * 5


@pytest.mark.parametrize("what", ["an edit", "a deletion", "an opt-out"])
async def test_what_changes_the_past_changes_what_was_packed_of_it(tmp_path, all_is_worth_it, what):
    twice, once = tmp_path / "twice.db", tmp_path / "once.db"
    for database, asked_before in ((twice, True), (once, False)):
        async with open_storage(str(database), KEY) as storage:
            await _history(storage)
        if asked_before:
            await _asked(database)
        async with open_storage(str(database), KEY) as storage:
            match what:
                case "an edit":
                    await _record(storage, _talk(1, 2, "Redis", revised_at=AT + 90 * DAY))
                case "a deletion":
                    await _record(storage, Deletion(a_message(1).id, AT + 90 * DAY))
                case _:
                    await storage.ledger.opt_out(an_author(2))

    assert await _asked(twice) == await _asked(once)
    assert await _asked(twice) == await _asked(once)  # packed anew


async def test_the_day_that_goes_on_is_not_packed(tmp_path, all_is_worth_it):
    database = tmp_path / "roomtone.db"
    async with open_storage(str(database), KEY) as storage:
        await _record(storage, _talk(1, 1, "Jenkins"))
    await _asked(database)

    assert _packed(database) == (0, 0)


@pytest.mark.parametrize("cells", [0, 2**23])
def test_people_are_counted_alike_in_a_table_and_sorted(monkeypatch, cells):
    monkeypatch.setattr("storage.named.CELLS", cells)
    entity, author = np.array([3, 3, 3, 9, 9, 9]), np.array([5, 5, 8, 5, 8, 8])
    messages, score = np.array([2, -2, 1, 1, 2, -1]), np.array([10, -10, 5, 1, 2, -1])
    named = Named((entity, author, messages), (entity, messages, messages, score))

    assert named.summed() == [(3, 1, 1, 1, 5), (9, 2, 2, 2, 2)]
