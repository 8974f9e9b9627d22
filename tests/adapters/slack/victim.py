"""A bot in a process of its own, to be killed: python -m tests.adapters.slack.victim API DATABASE."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from adapters.slack.connection import Access
from tests.adapters.slack.conftest import listening
from tests.servers import slack as server


async def main(api: str, database: str) -> None:
    async with listening(Access(server.BOT_TOKEN, server.APP_TOKEN, api=api), Path(database)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
