"""A bot in a process of its own, to be killed: python -m tests.adapters.slack.victim API DATABASE [NOW]."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.slack.connection import Access
from tests.adapters.slack.conftest import listening
from tests.servers import slack as server


async def main(api: str, database: str, now: str | None = None) -> None:
    clock: dict[str, Any] = {} if now is None else {"clock": lambda: datetime.fromisoformat(now)}
    async with listening(Access(server.BOT_TOKEN, server.APP_TOKEN, api=api), Path(database), **clock):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
