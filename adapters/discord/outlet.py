"""What we say on Discord: as much as we are allowed to, pinging nobody, and once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import aiohttp
import discord
import structlog

from adapters.discord.render import Reply, alt, render
from adapters.discord.translate import moment, snowflake
from bot.answer import Answer, Chart
from bot.errors import PlatformError
from bot.message import Channel, MessageId, Platform
from bot.store import Notes

TRIES = 4
DEADLINE = 30.0
"""Seconds that a try may take."""

POSTED = "posted "
"""The notes of posts: {'at': when first tried, as a snowflake, 'message': its id once it is there}."""

MARGIN = timedelta(minutes=1)
"""How far Discord's clock may be from ours."""

Draw = Callable[[Chart], Awaitable[bytes]]
"""Draws a chart as a PNG."""

Room = discord.abc.GuildChannel | discord.Thread
Say = Callable[["Rights"], Reply]

PASSING = (discord.DiscordServerError, discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError, KeyError)
"""What may be gone at the next try. discord.py raises KeyError for a 429 that names no time."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rights:
    """What we may do in a channel."""

    send: bool
    embeds: bool
    files: bool
    history: bool

    def missing(self) -> str:
        """The names of what would make an answer a better one: 'Embed Links, Attach Files'."""
        names = {"Embed Links": self.embeds, "Attach Files": self.files, "Read Message History": self.history}
        return ", ".join(name for name, is_allowed in names.items() if not is_allowed)


def rights(room: Room) -> Rights:
    """What we may do in a channel or thread, as far as discord.py's cache tells."""
    try:
        allowed = room.permissions_for(room.guild.me)
    except discord.ClientException:  # a thread whose channel is hidden from us
        return Rights(False, False, False, False)
    in_thread = isinstance(room, discord.Thread)
    send = allowed.send_messages_in_threads if in_thread else allowed.send_messages
    locked = isinstance(room, discord.Thread) and room.locked and not allowed.manage_threads
    return Rights(
        send=allowed.view_channel and send and not locked,
        embeds=allowed.embed_links,
        files=allowed.attach_files,
        history=allowed.read_message_history,
    )


class Outlet:
    """The way out: answers where they were asked for, and posts that nobody asked for."""

    def __init__(self, notes: Notes, draw: Draw, *, clock: Callable[[], datetime], pause: float = 1.0) -> None:
        self._notes = notes
        self._draw = draw
        self._clock = clock
        self._pause = pause

    async def say(
        self,
        room: Room,
        say: Say,
        *,
        key: str,
        reference: discord.MessageReference | None = None,
        view: discord.ui.View | None = None,
    ) -> discord.Message | None:
        """Say something, once for `key`, with what is allowed there; None, and a line in the log, if nothing is."""
        allowed = rights(room)
        if not allowed.send or not isinstance(room, discord.abc.Messageable):
            _log.warning("an answer isn't given", channel=room.id, allow=_right_to_speak(room))
            return None
        if missing := allowed.missing():
            _log.warning("an answer is given with less than there is", channel=room.id, allow=missing)
        reply = say(allowed)
        try:
            return await self._sent(room, reply, key=key, reference=reference if allowed.history else None, view=view)
        except (discord.HTTPException, PlatformError) as error:
            _log.warning("an answer could not be sent", channel=room.id, why=named(error))
            return None

    async def post(self, room: Room, channel: Channel, answer: Answer, *, key: str) -> MessageId:
        """Post `answer` for everybody, once for `key`, whatever is retried or crashes. Raises PlatformError."""
        allowed = rights(room)
        if not allowed.send or not isinstance(room, discord.abc.Messageable):
            raise PlatformError(f"Can't post in #{room.name}: allow {_right_to_speak(room)} there.")
        reply = render(answer, public=True, embeds=allowed.embeds, files=allowed.files)
        name = POSTED + key
        intent = {"at": str(snowflake(self._clock() - MARGIN)), "message": None}
        if not await self._notes.claim(Platform.DISCORD, channel.workspace, name, intent):
            intent = await self._notes.note(Platform.DISCORD, channel.workspace, name)
            if intent["message"] is None:
                # A try of an earlier life, of which nobody knows how it ended; nonces are kept for minutes only.
                intent["message"] = await self._found(room, reply, since=moment(str(intent["at"])))
            if intent["message"] is not None:
                await self._notes.write(Platform.DISCORD, channel.workspace, name, intent)
                return MessageId(channel, str(intent["message"]))
        try:
            sent = await self._sent(room, reply, key=key)
        except discord.HTTPException as error:
            raise PlatformError(f"Discord refused a post in #{room.name} ({named(error)}).") from error
        await self._notes.write(Platform.DISCORD, channel.workspace, name, {**intent, "message": str(sent.id)})
        return MessageId(channel, str(sent.id))

    async def image(self, reply: Reply) -> discord.File | None:
        """The chart of a reply, to be attached; its embed is told to show it."""
        if reply.chart is None or reply.embed is None:
            return None
        png = await self._draw(reply.chart)
        reply.embed.set_image(url="attachment://mood.png")
        return discord.File(BytesIO(png), "mood.png", description=alt(reply.chart))

    async def _sent(
        self,
        room: discord.abc.Messageable,
        reply: Reply,
        *,
        key: str,
        reference: discord.MessageReference | None = None,
        view: discord.ui.View | None = None,
    ) -> discord.Message:
        nonce = hashlib.sha256(key.encode()).hexdigest()[:25]  # the same at every try: Discord then posts it once
        for attempt in range(1, TRIES + 1):
            file = await self.image(reply)
            given = {"embed": reply.embed, "file": file, "view": view, "reference": reference}
            options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            try:
                async with asyncio.timeout(DEADLINE):
                    return await room.send(reply.content, mention_author=False, nonce=nonce, **options)
            except PASSING as error:
                _log.info("a post is tried again", attempt=attempt, why=named(error))
                await asyncio.sleep(self._pause * 2 ** (attempt - 1))
            except discord.HTTPException as error:
                # Without a `Via` header discord.py takes a rate limit for a ban.
                if error.status != 429:
                    raise
                await asyncio.sleep(self._pause * 5)
        raise PlatformError(f"Discord didn't take a message in {TRIES} tries; it may be down.")

    async def _found(self, room: discord.abc.Messageable, reply: Reply, *, since: datetime) -> str | None:
        """Our own post, if it is there."""
        title = reply.embed.title if reply.embed is not None else None
        try:
            async for message in room.history(after=discord.Object(snowflake(since)), limit=500):
                # What answers somebody, a mention or a command, may say the same and is no post.
                answers = message.reference is not None or message.interaction_metadata is not None
                if message.guild is not None and message.author == message.guild.me and not answers:
                    titles = [embed.title for embed in message.embeds]
                    if message.content == reply.content or (title is not None and title in titles):
                        return str(message.id)
        except discord.HTTPException as error:
            raise PlatformError(f"Can't look for a post ({named(error)}); allow Read Message History.") from error
        return None


def _right_to_speak(room: Room) -> str:
    return "Send Messages in Threads" if isinstance(room, discord.Thread) else "Send Messages"


def named(error: Exception) -> str:
    """An error without its text, which may hold a request."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
