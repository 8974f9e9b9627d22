"""The one queue: who goes first in it, and that a flood lets others have their turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord import gateway, intake
from adapters.discord.intake import Arrival
from adapters.discord.translate import deleted
from storage import Storage
from tests.adapters.discord.parts import Parts, now, until
from tests.adapters.discord.payloads import GENERAL, GUILD


def arrival(number: int) -> Arrival:
    return Arrival(GUILD, int(GENERAL), lambda _: deleted(GUILD, GENERAL, number, at=now()))


async def test_while_somebody_waits_for_an_answer_what_arrives_waits_too(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(intake, "LONGEST_WAY", 3600.0)
    parts = Parts(storage)
    await parts.read()
    keeping = asyncio.create_task(parts.adapter.intake.run())
    with parts.adapter.intake.giving_way():
        parts.adapter.intake.put(arrival(1))
        for _ in range(100):
            await asyncio.sleep(0)
        kept_meanwhile = len(parts.kept)
    await parts.adapter.intake.settled()
    keeping.cancel()
    await asyncio.wait({keeping})

    assert kept_meanwhile == 0
    assert len(parts.kept) == 1


async def test_an_answer_that_hangs_keeps_nothing_out(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(intake, "LONGEST_WAY", 0.01)
    parts = Parts(storage)
    await parts.read()
    keeping = asyncio.create_task(parts.adapter.intake.run())
    with parts.adapter.intake.giving_way():
        parts.adapter.intake.put(arrival(1))
        await until(lambda: len(parts.kept) == 1)
    await parts.adapter.intake.settled()
    keeping.cancel()
    await asyncio.wait({keeping})

    assert parts.adapter.intake.waiting == 0


class Flooded:
    """A socket on which everything has arrived already."""

    async def receive(self, timeout: float | None = None) -> Any:
        return timeout


async def test_a_flood_that_has_arrived_lets_other_tasks_have_their_turn():
    async def connect(url: str, **options: Any) -> Any:
        return Flooded()

    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    given = []

    async def give_way() -> None:
        given.append(turns)

    socket = await gateway.unhurried(connect, give_way)("ws://local/")
    for _ in range(10 * gateway.AT_A_TIME):
        await socket.receive(60.0)
    task.cancel()

    assert turns == 10
    assert given == list(range(1, 11))


async def test_a_flood_that_is_too_much_is_said_once_and_read_from_history(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(intake, "MOST_WAITING", 3)
    parts = Parts(storage)
    with capture_logs() as logged:
        for _ in range(2):
            for number in range(10):
                parts.adapter.intake.put(arrival(number))
            await parts.adapter.intake.drain()

    assert [line["waiting"] for line in logged if "more arrives" in line["event"]] == [3, 3]
    assert parts.adapter.intake.gaps.is_set()
