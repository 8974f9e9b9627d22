"""Posts of our own, at most once as far as Slack allows: a mark in the metadata is looked up when in doubt."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import structlog

from adapters.slack.calls import Calls, Priority, Refusal, Uncertain
from adapters.slack.render import message
from adapters.slack.translate import Us
from bot.answer import Answer, Chart
from bot.errors import PlatformError
from bot.message import Channel, MessageId, Platform
from bot.store import Notes

EVENT_TYPE = "roomtone_post"
SETTLE_SECONDS = 30.0
"""How long an uncertain post has to appear before it is looked for."""
SCAN_WAITS = (2.0, 4.0, 8.0)
"""Seconds between tries while Slack still scans a fresh picture."""
MARGIN = timedelta(seconds=60)

Draw = Callable[[Chart], Awaitable[bytes]]
"""Draws a chart as a PNG."""

_log = structlog.get_logger(__name__)


class Outlet:
    """The way out of what nobody asked for: digests, introductions, shared answers."""

    def __init__(
        self,
        calls: Calls,
        notes: Notes,
        us: Us,
        session: aiohttp.ClientSession,
        *,
        url: str,
        draw: Draw | None = None,
        settle: float = SETTLE_SECONDS,
        scan_waits: tuple[float, ...] = SCAN_WAITS,
    ) -> None:
        self._calls = calls
        self._notes = notes
        self._us = us
        self._session = session
        self._url = url
        self._draw = draw
        self._settle = settle
        self._scan_waits = scan_waits
        self._turns: dict[str, asyncio.Lock] = {}

    async def post(self, channel: Channel, answer: Answer, /, *, key: str, shared_by: str | None = None) -> MessageId:
        """Post `answer`, with its chart, at most once for `key`, whatever is retried and whoever crashes.

        Raises PlatformError: a Refusal means it wasn't posted, Uncertain that nobody can tell.
        """
        picture = await self._picture(answer.chart)
        waits = iter(self._scan_waits)
        while True:
            said = message(answer, picture=picture, shared_by=shared_by, permalinks=self._url)
            try:
                return await self.say(channel, said, key=key)
            except Refusal as refusal:
                # Until Slack has looked at a fresh picture it calls a block that shows it invalid.
                if refusal.code != "invalid_blocks":
                    raise
                if picture is not None:
                    if (pause := next(waits, None)) is None:
                        picture = None
                    else:
                        await asyncio.sleep(pause)
                    continue
            said = message(answer, table_block=False, shared_by=shared_by, permalinks=self._url)
            return await self.say(channel, said, key=key)

    async def say(self, channel: Channel, said: Mapping[str, Any], *, key: str) -> MessageId:
        """Post what is rendered already, at most once for `key`. Raises Refusal, Uncertain."""
        async with self._turns.setdefault(key, asyncio.Lock()):
            try:
                return await self._say(channel, said, key)
            finally:
                self._turns.pop(key, None)  # whoever waits holds the lock itself

    async def _say(self, channel: Channel, said: Mapping[str, Any], key: str) -> MessageId:
        name = f"post {key}"
        intent = {"channel": channel.id, "at": datetime.now(UTC).timestamp(), "mark": secrets.token_hex(8)}
        if not await self._notes.claim(Platform.SLACK, self._us.workspace, name, intent):
            found = await self._notes.note(Platform.SLACK, self._us.workspace, name)
            intent = found if isinstance(found, dict) else intent
            if "ts" in intent:
                return MessageId(channel, str(intent["ts"]))
            # A try of an earlier life, of which nobody knows how it ended.
            if (ts := await self._found(channel, intent)) is not None:
                return await self._posted(channel, name, intent, ts)
        try:
            ts = await self._try(channel, said, intent)
        except Refusal:
            await self._notes.drop_note(Platform.SLACK, self._us.workspace, name)
            raise
        return await self._posted(channel, name, intent, ts)

    async def _try(self, channel: Channel, said: Mapping[str, Any], intent: Mapping[str, Any]) -> str:
        try:
            return await self._send(channel, said, intent)
        except Uncertain:
            _log.warning("a post may or may not have arrived; it is looked for", channel=channel.id)
            await asyncio.sleep(self._settle)
            if (ts := await self._found(channel, intent)) is not None:
                return ts
        return await self._send(channel, said, intent)  # exactly one more time

    async def _send(self, channel: Channel, said: Mapping[str, Any], intent: Mapping[str, Any]) -> str:
        # Every member and app can read metadata: the mark says nothing.
        metadata = {"event_type": EVENT_TYPE, "event_payload": {"key": intent["mark"]}}
        answer = await self._calls.write(
            "chat.postMessage",
            {
                **said,
                "channel": channel.id,
                "metadata": metadata,
                "unfurl_links": False,
                "unfurl_media": False,
                "parse": "none",
            },
        )
        ts = answer.get("ts")
        if not isinstance(ts, str):
            raise Uncertain("chat.postMessage", "it named no message")
        return ts

    async def _found(self, channel: Channel, intent: Mapping[str, Any]) -> str | None:
        """The message that carries the intent's mark. Raises Uncertain if the history can't be read to its end."""
        oldest = datetime.fromtimestamp(float(intent["at"]), UTC) - MARGIN
        arguments = {
            "channel": channel.id,
            "oldest": f"{oldest.timestamp():.6f}",
            "include_all_metadata": True,
            "limit": 200,
        }
        try:
            async for page in self._calls.pages("conversations.history", arguments, priority=Priority.LIVE):
                for record in page.get("messages") or ():
                    payload = (record.get("metadata") or {}).get("event_payload") or {}
                    if payload.get("key") == intent["mark"]:
                        return str(record["ts"])
        except (PlatformError, AttributeError, TypeError) as error:
            raise Uncertain("chat.postMessage", "and the channel can't be read to find out") from error
        return None

    async def _posted(self, channel: Channel, name: str, intent: Mapping[str, Any], ts: str) -> MessageId:
        await self._notes.write(Platform.SLACK, self._us.workspace, name, {**intent, "ts": ts})
        return MessageId(channel, ts)

    async def _picture(self, chart: Chart | None) -> str | None:
        """The id of a chart uploaded for us alone; None if there is none or it can't be uploaded."""
        if chart is None or self._draw is None:
            return None
        image = await self._draw(chart)
        arguments = {"filename": "chart.png", "length": len(image), "alt_txt": chart.alt[:900]}
        try:
            ticket = await self._calls.read("files.getUploadURLExternal", arguments)
            async with self._session.post(str(ticket["upload_url"]), data=image) as answer:
                if answer.status != 200:
                    return None
            file = str(ticket["file_id"])
            # Shared with nobody: the message that shows it is what shares it, and can be looked up.
            await self._calls.write(
                "files.completeUploadExternal", {"files": [{"id": file, "title": chart.title[:200]}]}
            )
        except (PlatformError, aiohttp.ClientError, TimeoutError, KeyError) as error:
            _log.warning("a chart could not be uploaded", error=type(error).__name__)
            return None
        return file
