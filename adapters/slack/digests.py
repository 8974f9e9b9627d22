"""Where digests and alerts go out: `bot.delivery` says when and what, and that it is once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.slack.calls import Calls
from adapters.slack.outlet import Outlet
from adapters.slack.render import in_words, message
from adapters.slack.translate import Us
from bot.answer import Answer
from bot.errors import PlatformError
from bot.message import Channel, MessageId, Platform
from bot.store import Cursors

NOT_IN = "I'm not in that channel: invite me there with /invite @Roomtone."
EXTERNAL = "People of other organisations are in that channel, so no other channel's numbers are told there."


class WayOut:
    """One workspace's. See `bot.delivery.Outlet`."""

    def __init__(
        self,
        calls: Calls,
        outlet: Outlet,
        cursors: Cursors,
        us: Us,
        *,
        is_ready: Callable[[], bool],
        is_whole: Callable[[Channel], bool],
    ) -> None:
        self._calls = calls
        self._outlet = outlet
        self._cursors = cursors
        self._us = us
        self._is_ready = is_ready
        self._is_whole = is_whole

    def workspaces(self) -> Sequence[tuple[Platform, str]]:
        """Ours, while events can arrive."""
        return [(Platform.SLACK, self._us.workspace)] if self._is_ready() else []

    async def is_behind(self, channel: Channel, /) -> bool:
        """Is what was said in a channel while we were away still being read?"""
        return not self._is_whole(channel) and await self._cursors.position(channel) is not None

    async def hindrance(self, channel: Channel, /, *, others: bool) -> str | None:
        """Why nothing may be posted in a channel; None if it may."""
        if await self._cursors.position(channel) is None:
            return NOT_IN
        if others and await is_external(self._calls, channel):
            return EXTERNAL
        return None

    async def post(self, channel: Channel, answer: Answer, /, *, key: str) -> MessageId:
        """Post it, at most once for `key`. Raises Refusal, Uncertain."""
        return await self._outlet.post(channel, answer, key=key)


def shown(answer: Answer) -> tuple[str, Mapping[str, Any]]:
    """A post as people would read it, and as Slack would be given it, but for an uploaded chart."""
    given = message(answer, permalinks="https://slack.com/")  # which leads on to the workspace
    return in_words(given["blocks"]), given


async def is_external(calls: Calls, channel: Channel) -> bool:
    """Are people of other organisations in a channel, or may they be?"""
    try:
        answer = await calls.read("conversations.info", {"channel": channel.id})
    except PlatformError:
        return True
    found = answer.get("channel")
    return not isinstance(found, dict) or found.get("is_ext_shared") is not False
