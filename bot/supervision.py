"""Keeping tasks up: a platform's client that dies is started again; what only a person can mend ends them all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from bot.errors import RoomtoneError

_log = structlog.get_logger(__name__)

SHORTEST_RESTART, LONGEST_RESTART = 1.0, 300.0
"""Seconds before a platform's client that died is started again."""


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that end together; what one of them has to say to a person is raised by itself."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        said, _ = group.split(RoomtoneError)
        if said is None:
            raise
        first: BaseException = said
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def kept_up(name: str, client: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a platform's client, again and again with a growing pause if it dies of what nobody foresaw."""
    pause = SHORTEST_RESTART
    while True:
        begun = time.monotonic()
        try:
            await client()
        except RoomtoneError:
            raise
        except Exception as error:
            # Its name only: a payload that a library can't parse may be in its text.
            _log.error("a platform's client died and is started again", platform=name, error=type(error).__name__)
        pause = SHORTEST_RESTART if time.monotonic() - begun > LONGEST_RESTART else min(LONGEST_RESTART, 2 * pause)
        await asyncio.sleep(pause)
