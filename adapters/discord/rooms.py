"""Which channels are read, and which channel a thread belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from adapters.discord.translate import room
from bot.message import Channel, ChannelSeen, Platform
from bot.store import Notes

STARTED = "started "
"""The notes of channels that are read; the value says since when: {'since': snowflake}."""

GUILD = "guild "
"""The notes, in no workspace, of the servers that we are or were in: {'application': as whom}."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel or a thread as Discord describes it. `private`: not everybody on the server sees it.

    `parent` is a thread's channel.
    """

    id: int
    name: str
    private: bool
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """Is what is said there read, and is it said in a thread?"""

    is_read: bool
    thread: bool


class Rooms:
    """Nothing is read unless somebody who may manage a channel has started it; threads follow their channel.

    Private threads aren't read: their messages would count for a channel whose readers can't see them.
    `fetch` looks up a channel that isn't in discord.py's cache, such as an archived thread: None if nobody can, and
    PlatformError if nobody can now.
    """

    def __init__(
        self, notes: Notes, fetch: Callable[[int], Awaitable[Spot | None]], clock: Callable[[], datetime]
    ) -> None:
        self._notes = notes
        self._fetch = fetch
        self._clock = clock
        self._since: dict[str, dict[int, int]] = {}
        self._spots: dict[int, Spot | None] = {}
        self._news: dict[int, ChannelSeen] = {}

    async def load(self, workspace: str) -> None:
        """Read from the notes which channels of a server are read. To be called before any other for that server."""
        if workspace not in self._since:
            found = await self._notes.notes(Platform.DISCORD, workspace, STARTED)
            self._since[workspace] = {
                int(name.removeprefix(STARTED)): int(value["since"]) for name, value in found.items()
            }

    async def joined(self, workspace: str, application: int | None) -> None:
        """We are in a server, as this application."""
        await self._notes.write(Platform.DISCORD, "", GUILD + workspace, {"application": str(application)})

    async def workspaces(self, application: int | None) -> frozenset[str]:
        """The servers that this application is in, or was when we last looked."""
        found = await self._notes.notes(Platform.DISCORD, "", GUILD)
        mine = {"application": str(application)}  # with another token we are another one, which was in none of them
        return frozenset(name.removeprefix(GUILD) for name, value in found.items() if value == mine)

    def started(self, workspace: str) -> frozenset[int]:
        """The channels of a server that are read."""
        return frozenset(self._since.get(workspace, ()))

    def since(self, workspace: str, channel: int) -> int | None:
        """From which snowflake on a channel, or a thread's channel, is read; None if it isn't."""
        return self._since.get(workspace, {}).get(self.home(channel))

    def home(self, channel: int) -> int:
        """The channel that a thread belongs to; any other channel is its own."""
        spot = self._spots.get(channel)
        return channel if spot is None or spot.parent is None else spot.parent

    async def start(self, workspace: str, channel: int, *, since: int) -> bool:
        """Read a channel from the snowflake `since` on; False if it was read already, which may move `since` back."""
        await self.load(workspace)
        before = self._since[workspace].get(channel)
        if before is None or since < before:
            value: Any = {"since": str(since)}
            await self._notes.write(Platform.DISCORD, workspace, f"{STARTED}{channel}", value)
            self._since[workspace][channel] = since
        if before is None:
            self._spots.pop(channel, None)  # what it is called is told anew, should its server have removed us before
        return before is None

    async def stop(self, workspace: str, channel: int) -> bool:
        """Read a channel no longer; False if it wasn't."""
        await self.load(workspace)
        if self._since[workspace].pop(channel, None) is None:
            return False
        await self._notes.drop_note(Platform.DISCORD, workspace, f"{STARTED}{channel}")
        return True

    async def forget(self, workspace: str) -> frozenset[int]:
        """We are no longer in a server: forget what was noted of it. Returns the channels that were read."""
        await self.load(workspace)
        channels = self.started(workspace)
        self._since[workspace] = {}
        for name in await self._notes.notes(Platform.DISCORD, workspace, ""):
            await self._notes.drop_note(Platform.DISCORD, workspace, name)
        await self._notes.drop_note(Platform.DISCORD, "", GUILD + workspace)
        del self._since[workspace]
        return channels

    def learn(self, workspace: str, spot: Spot) -> None:
        """What Discord says now of a channel or a thread."""
        if self._spots.get(spot.id) != spot:
            self._spots[spot.id] = spot
            parent: Channel | None = None if spot.parent is None else room(workspace, spot.parent)
            self._news[spot.id] = ChannelSeen(
                room(workspace, spot.id), spot.name, self._clock(), private=spot.private, parent=parent
            )

    async def located(self, workspace: str, channel: int) -> Located | None:
        """Whether a channel or thread is read; None if nobody can tell what it is. Raises PlatformError."""
        await self.load(workspace)
        if channel in self._since[workspace]:
            return Located(is_read=True, thread=False)
        if channel not in self._spots:
            spot = await self._fetch(channel)
            if spot is None:
                self._spots[channel] = None
            else:
                self.learn(workspace, spot)
        spot = self._spots[channel]
        if spot is None:
            return None
        is_read = spot.parent is not None and spot.parent in self._since[workspace] and not spot.private
        return Located(is_read, spot.parent is not None)

    def introduction(self, channel: int) -> ChannelSeen | None:
        """What a channel is called and whose thread it is, if that hasn't been told since it changed."""
        return self._news.pop(channel, None)
