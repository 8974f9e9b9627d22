"""A bot in a process of its own, to be killed: python -m tests.adapters.slack.victim API DATABASE [NOW | doomed].

A doomed one dies by itself once it has kept a message, before it can acknowledge it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.slack.connection import Access
from bot.message import Event, Message
from storage.inbox import StoredInbox
from tests.adapters.slack.conftest import listening
from tests.servers import slack as server

DOOMED = "doomed"
_put = StoredInbox.put


async def _last(inbox: StoredInbox, events: Sequence[Event]) -> None:
    await _put(inbox, events)
    if any(isinstance(event, Message) for event in events):
        os.kill(os.getpid(), signal.SIGKILL)


async def main(api: str, database: str, fate: str | None = None) -> None:
    clock: dict[str, Any] = {}
    if fate == DOOMED:
        StoredInbox.put = _last  # type: ignore[method-assign]
    elif fate is not None:
        clock = {"clock": lambda: datetime.fromisoformat(fate)}
    async with listening(Access(server.BOT_TOKEN, server.APP_TOKEN, api=api), Path(database), **clock):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
