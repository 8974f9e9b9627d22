"""How hosted inference stands, for whoever asks: what it used, and what its token may do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bot.analysis.budget import Budget, Status, TokenFacts
from bot.errors import RoomtoneError

KNOWN_FOR = 24 * 3600.0
"""Seconds for which what the hub said of a token is believed."""

SILENT_FOR = 600.0
"""Seconds after which a hub that said nothing is asked again."""

PATIENCE = 1.0
"""Seconds that an answer waits for the hub; a platform gives up on us after three."""


class Watch:
    """The budget and the token together. `whoami` asks the hub what the token may do; None has no token to ask about.

    Use it inside the loop that `whoami` belongs to, and not after its client is closed.
    """

    def __init__(self, budget: Budget, whoami: Callable[[], Awaitable[TokenFacts | None]]) -> None:
        self._budget = budget
        self._whoami = whoami
        self._facts: TokenFacts | None = None
        self._asking: asyncio.Task[None] | None = None
        self._ask_after = 0.0

    async def status(self) -> Status:
        """How it stands now; without what the hub says of the token where it doesn't say it at once."""
        if self._asking is None and time.monotonic() >= self._ask_after:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=PATIENCE)
        return await self._budget.status(facts=self._facts)

    async def _ask(self) -> None:
        rest = SILENT_FOR
        try:
            self._facts = await self._whoami()
            rest = KNOWN_FOR
        except RoomtoneError:
            pass  # doctor says why
        finally:
            self._asking = None
            self._ask_after = time.monotonic() + rest
