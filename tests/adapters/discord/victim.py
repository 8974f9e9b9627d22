"""Roomtone on a local Discord, to be killed: python -m tests.adapters.discord.victim DB HOST [NOW]."""

from __future__ import annotations

import asyncio
import gc
import sys
from datetime import datetime

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot import logs
from storage import open_storage
from tests.adapters.discord.parts import Parts
from tests.adapters.discord.payloads import GENERAL
from tests.adapters.discord.replay import NOW
from tests.conftest import KEY


async def main(database: str, host: str, now: str = NOW.isoformat()) -> None:
    Route.BASE = f"http://{host}/api/v10"
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://{host}/")
    async with open_storage(database, KEY, sole=True) as storage:
        parts = Parts(storage, clock=lambda: datetime.fromisoformat(now), look_every=0.1)
        await parts.read(GENERAL)
        gc.freeze()  # as the app does
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(parts.adapter.run())
            tasks.create_task(parts.ingest.run())


if __name__ == "__main__":
    logs.configure(level="warning", as_json=False)
    asyncio.run(main(*sys.argv[1:]))
