"""Where digests and alerts go out: `bot.delivery` says when and what, and that it is once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.discord.intake import Intake
from adapters.discord.outlet import Outlet, Room
from adapters.discord.render import render
from adapters.discord.rooms import Rooms
from bot.answer import Answer
from bot.errors import PlatformError
from bot.message import Channel, MessageId, Platform

NOT_THERE = "That channel isn't there, or is hidden from me: allow View Channel."
NOT_READ = "I don't read that channel: `@Roomtone start` first."


class WayOut:
    """Every server's. See `bot.delivery.Outlet`. `servers` are those that are there now."""

    def __init__(
        self,
        outlet: Outlet,
        rooms: Rooms,
        intake: Intake,
        *,
        servers: Callable[[], Sequence[str]],
        place: Callable[[Channel], Room | None],
    ) -> None:
        self._outlet = outlet
        self._rooms = rooms
        self._intake = intake
        self._servers = servers
        self._place = place

    def workspaces(self) -> Sequence[tuple[Platform, str]]:
        """The servers that are there now."""
        return [(Platform.DISCORD, server) for server in self._servers()]

    async def is_behind(self, channel: Channel, /) -> bool:
        """Is what was said in a channel while we were away still being read?"""
        return self._is_read(channel) and not self._intake.is_in_step(channel)

    async def hindrance(self, channel: Channel, /, *, others: bool) -> str | None:
        """Why nothing may be posted in a channel; None if it may."""
        if self._place(channel) is None:
            return NOT_THERE
        return None if self._is_read(channel) else NOT_READ

    async def post(self, channel: Channel, answer: Answer, /, *, key: str) -> MessageId:
        """Post it, at most once for `key`. Raises PlatformError."""
        place = self._place(channel)
        if place is None:
            raise PlatformError(NOT_THERE)
        return await self._outlet.post(place, channel, answer, key=key)

    def _is_read(self, channel: Channel) -> bool:
        return channel.id.isdecimal() and int(channel.id) in self._rooms.started(channel.workspace)


def shown(answer: Answer) -> tuple[str, Mapping[str, Any]]:
    """A post as people would read it where embeds are allowed, and as Discord would be given it, but for a chart."""
    reply = render(answer, public=True)
    embed = reply.embed
    words: list[str | None] = [reply.content]
    if embed is not None:
        words += [embed.title, embed.description, embed.footer.text]
    given = {"content": reply.content, "embeds": [] if embed is None else [embed.to_dict()]}
    return "\n".join(filter(None, words)), given
