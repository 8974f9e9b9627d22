"""A real chat through the local gateway with faults ends in the same tables as importing its final state."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.discord.replay import CHAT, chat, compared, imported, told
from tests.servers.discord import LocalDiscord, local_discord

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not CHAT.exists(), reason="needs the real chats in ../shared/data/chats")


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
