"""A real chat through the local gateway with faults ends in the same tables as importing its final state."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.discord.payloads import id_at, message, user
from tests.adapters.discord.replay import CHAT, chat, compared, imported, told
from tests.examples import AT
from tests.servers.discord import LocalDiscord, a_thread, local_discord

ROOT = Path(__file__).parents[3]


async def victim(database: Path, server: LocalDiscord, *more: str) -> asyncio.subprocess.Process:
    """Roomtone in a process of its own, connected."""
    before = server.identified
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "tests.adapters.discord.victim", str(database), server.host, *more,
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(60):
        while server.identified == before:
            assert started.returncode is None
            await asyncio.sleep(0.05)
    return started


async def ends_as_imported(database: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """What the tables hold once they are as expected, or after a minute of waiting for that."""
    for _ in range(120):
        if (found := compared(database)) == expected:
            return found
        await asyncio.sleep(0.5)
    return compared(database)


async def test_7_killed_in_a_burst_and_away_it_has_everything_in_the_end(database: Path, tmp_path: Path):
    other = Path(shutil.copy(database, tmp_path / "other.db"))
    said = [message(number, content=f"message {number}", author=user(f"90{number % 9}")) for number in range(1, 751)]
    began = a_thread(id_at(AT + timedelta(hours=6)))
    inside = [message(number, at=AT + timedelta(hours=7), channel_id=began["id"]) for number in range(1, 4)]
    async with local_discord() as server:
        killed = await victim(database, server)
        for payload in said[:500]:
            await server.write(payload)
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
        with server.unseen():
            for payload in said[500:]:
                await server.write(payload)
            await server.begin_thread(began)
            for payload in inside:
                await server.write(payload)
            await server.archive(began["id"], at=(AT + timedelta(hours=8)).isoformat())
        again = await victim(database, server)
        await imported(other, server, [])
        expected = compared(other)
        found = await ends_as_imported(database, expected)
        again.terminate()
        await again.wait()

    assert len(found["readings"]) == 753
    assert found == expected


@pytest.mark.skipif(not CHAT.exists(), reason="needs the real chats in ../shared/data/chats")
@pytest.mark.timeout(300)
async def test_a_replay_with_faults_and_a_kill_ends_as_the_import_of_the_final_state(database: Path, tmp_path: Path):
    other = Path(shutil.copy(database, tmp_path / "other.db"))
    messages = chat(2_400)
    async with local_discord() as server:
        running = [await victim(database, server)]

        async def kill() -> None:
            running[-1].send_signal(signal.SIGKILL)
            await running[-1].wait()

        async def start_again() -> None:
            running.append(await victim(database, server))

        gone = await told(server, messages, at={700: kill, 760: start_again})
        await imported(other, server, gone)
        expected = compared(other)
        found = await ends_as_imported(database, expected)
        running[-1].terminate()
        await running[-1].wait()

    assert (server.resumed, server.identified) == (3, 3)
    assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in expected.items()}
    assert found == expected
