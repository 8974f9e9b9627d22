"""Roomtone on Discord: its parts put together, and connected again whatever ends the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import aiohttp
import discord
import structlog

from adapters.discord.asking import Answering, Asking
from adapters.discord.desk import Desk
from adapters.discord.digests import WayOut
from adapters.discord.gateway import Client
from adapters.discord.history import History, Known
from adapters.discord.intake import Accept, Intake
from adapters.discord.oddities import Oddities
from adapters.discord.outlet import Draw, Outlet, Room
from adapters.discord.reach import ClientReach
from adapters.discord.rooms import Rooms
from bot.delivery import LOOK_EVERY, Delivery
from bot.errors import ConfigurationError
from bot.message import Channel, Platform
from bot.privacy import Pseudonyms
from bot.store import Cursors, Held, Notes, Readings, Subscriptions
from bot.trends import Trends
from bot.writer import Writer

LONGEST_PAUSE = 300.0
"""Seconds between attempts to connect."""

LOGIN_DEADLINE = 60.0
"""Seconds for logging in, with what discord.py tries again by itself."""

STEADY_SECONDS = 900.0
"""A connection that held this long was a good one, and the next try comes at once.

Not less: who identifies more than 1,000 times a day loses the token, and a client may be ended again and again by what
discord.py can't parse. Source: https://docs.discord.com/developers/events/gateway#session-start-limit-object.
"""

STOP_SECONDS = 10.0
"""How long a shutdown waits for what has arrived to be kept."""

MISSING_INTENT = (
    "Discord doesn't give us what messages say: switch on 'Message Content Intent' in the Developer Portal, "
    "under your application → Bot → Privileged Gateway Intents."
)
REFUSED = (
    "Discord doesn't take the token in ROOMTONE_DISCORD_TOKEN: copy a new one from the Developer Portal, under your "
    "application → Bot → Reset Token."
)

_FATAL = {4004: REFUSED, 4013: MISSING_INTENT, 4014: MISSING_INTENT}

_log = structlog.get_logger(__name__)


class Discord:
    """Roomtone on Discord: reads the channels it was told to, and answers. One for a process."""

    def __init__(
        self,
        token: str,
        *,
        accept: Accept,
        known: Known,
        answers: Answering,
        trends: Trends,
        readings: Readings,
        cursors: Cursors,
        notes: Notes,
        held: Held,
        subscriptions: Subscriptions,
        writer: Writer,
        pseudonyms: Pseudonyms,
        zone: ZoneInfo,
        draw: Draw,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pace: float = 1.0,
        pause: float = 1.0,
        settle: float = 2.0,
        heartbeat_timeout: float = 60.0,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """Connects once `run`, and works meanwhile.

        `pace` is how many seconds lie between two pages of a channel's history, `pause` between two tries of a request.
        Servers are thought to be known after `settle` seconds without another one, and a connection to be dead after
        `heartbeat_timeout` seconds of silence.
        """
        self._token = token
        self._pause = pause
        self._look_every = look_every
        self._client: Client | None = None
        reach = ClientReach(lambda: self._client, pause=pause)
        self.rooms = Rooms(notes, reach.spot, clock)
        oddities = Oddities(notes, self.rooms, clock)
        self.intake = Intake(accept, cursors, self.rooms, oddities)
        self.history = History(
            reach,
            intake=self.intake,
            rooms=self.rooms,
            oddities=oddities,
            accept=accept,
            cursors=cursors,
            notes=notes,
            held=held,
            subscriptions=subscriptions,
            known=known,
            pseudonyms=pseudonyms,
            clock=clock,
            pace=pace,
        )
        self.outlet = Outlet(notes, draw, clock=clock, pause=pause)
        self.desk = Desk(
            Asking(answers, trends, readings, pseudonyms, zone=zone, clock=clock),
            self.outlet,
            rooms=self.rooms,
            intake=self.intake,
            history=self.history,
            cursors=cursors,
            notes=notes,
            clock=clock,
        )
        way_out = WayOut(self.outlet, self.rooms, self.intake, servers=reach.workspaces, place=self.place)
        self.delivery = Delivery(subscriptions, writer, way_out, clock=clock)
        self._made = partial(
            Client,
            self.desk,
            intake=self.intake,
            rooms=self.rooms,
            history=self.history,
            notes=notes,
            pseudonyms=pseudonyms,
            clock=clock,
            settle=settle,
            heartbeat_timeout=heartbeat_timeout,
        )
        self._stopping = False

    async def run(self) -> None:
        """Stay connected until cancelled. Raises ConfigurationError for what only an operator can mend.

        Whatever else it raises is nobody's plan; it may be run again then, and what was lost is read from history.
        """
        self._stopping = False
        working = asyncio.create_task(self.work())
        connecting = asyncio.create_task(self._connected())
        try:
            done, _ = await asyncio.wait({working, connecting}, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            # First nothing more arrives, then what has arrived is kept.
            self._stopping = True
            if self._client is not None:
                with suppress(TimeoutError, discord.DiscordException, aiohttp.ClientError, OSError):
                    async with asyncio.timeout(STOP_SECONDS):
                        await self._client.close()
            while not connecting.done():  # discord.py swallows a cancellation while it identifies
                connecting.cancel()
                await asyncio.wait({connecting}, timeout=1.0)
            with suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self.intake.settled()
            working.cancel()
            await asyncio.wait({working})

    async def work(self) -> None:
        """Keep what arrives, read history and post what is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.intake.run())
            tasks.create_task(self.history.run())
            tasks.create_task(self.delivery.run(every=self._look_every))

    def client(self) -> Client:
        """A client that isn't connected yet, in the place of any earlier one."""
        self._client = self._made()
        return self._client

    async def _connected(self) -> None:
        pause = self._pause
        while True:
            client = self.client()
            begun = asyncio.get_running_loop().time()
            try:
                async with client:
                    async with asyncio.timeout(LOGIN_DEADLINE):
                        await client.login(self._token)
                    await client.connect()
                why = "it ended"
            except discord.LoginFailure:
                raise ConfigurationError(REFUSED) from None
            except discord.PrivilegedIntentsRequired:
                raise ConfigurationError(MISSING_INTENT) from None
            except discord.ConnectionClosed as error:
                if error.code in _FATAL:
                    raise ConfigurationError(_FATAL[error.code]) from None
                why = f"close code {error.code}"
            except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
                why = type(error).__name__
            except Exception as error:
                # discord.py ends when Discord sends what it can't parse. Its name only: the text may hold a message's.
                why = f"{type(error).__name__} in discord.py"
            if self._stopping:
                return
            self.intake.missed()
            if asyncio.get_running_loop().time() - begun > STEADY_SECONDS:
                pause = self._pause
            _log.warning("Discord will be connected again", in_s=pause, why=why)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def place(self, channel: Channel) -> Room | None:
        """Where a channel is, for a post; None if it isn't there."""
        if self._client is None or channel.platform is not Platform.DISCORD or not channel.id.isdecimal():
            return None
        found = self._client.get_channel(int(channel.id))
        return found if isinstance(found, Room) else None

    @property
    def is_ready(self) -> bool:
        """Is the client connected, and does it know its servers?"""
        return self._client is not None and self._client.is_ready()
