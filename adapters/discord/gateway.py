"""Discord's gateway: hands over what it tells, in the order in which it tells it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import aiohttp
import discord
import structlog
from discord import app_commands

from adapters.discord.commands import Commands, fingerprint
from adapters.discord.desk import Desk, OpenPrivately, attend, spot_of, told_if_unsent
from adapters.discord.history import History
from adapters.discord.intake import Arrival, Intake, Keep
from adapters.discord.rooms import Rooms
from adapters.discord.translate import asked, cleared, deleted, mentions, moment, reacted, room, written
from bot.errors import FAILED
from bot.message import ChannelGone, Event, Gone, Platform
from bot.privacy import Pseudonyms
from bot.store import Notes

INTENTS = discord.Intents(guilds=True, guild_messages=True, guild_reactions=True, message_content=True)

LONGEST_WAIT = 30.0
"""Seconds that a rate limit may make a request wait: an answer that comes minutes later helps nobody."""

FRESH_SECONDS = 600
"""How old a message may be for an edit to make it a question: older ones were answered, or the moment has passed."""

GRACE = 1.0
"""Seconds for which an answer may still be given while we stop."""

LONGEST_WAY = 0.05
"""Seconds for which those frames wait for an answer that is being worked out."""

AT_A_TIME = 8
"""Frames read before other tasks get their turn. A flood that has arrived would otherwise be read without a pause."""

_log = structlog.get_logger(__name__)


class Client(discord.AutoShardedClient):
    """discord.py's client. There is a new one after every failure; what it hands things to stays."""

    def __init__(
        self,
        desk: Desk,
        *,
        intake: Intake,
        rooms: Rooms,
        history: History,
        notes: Notes,
        pseudonyms: Pseudonyms,
        clock: Callable[[], datetime],
        settle: float,
        heartbeat_timeout: float,
    ) -> None:
        without_voice()
        super().__init__(
            intents=INTENTS,
            max_messages=None,
            allowed_mentions=discord.AllowedMentions.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=settle,
            heartbeat_timeout=heartbeat_timeout,
            max_ratelimit_timeout=LONGEST_WAIT,
        )
        self.http.ws_connect = unhurried(self.http.ws_connect, lambda: intake.way(LONGEST_WAY))  # type: ignore[method-assign]
        self.desk = desk
        self._intake = intake
        self._rooms = rooms
        self._history = history
        self._notes = notes
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._under_way: set[asyncio.Task[Any]] = set()
        self.tree = Tree(self)
        logging.getLogger("discord.app_commands.tree").addFilter(_NAMELESS)
        self._commands = Commands()

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Hand an event over at once and in its turn, if that is all; a handler that waits (`on_…`) is a task."""
        heard: Callable[..., None] | None = getattr(self, f"heard_{event}", None)
        if heard is not None:
            heard(*args)
        else:
            super().dispatch(event, *args, **kwargs)

    def _schedule_event(self, *args: Any, **kwargs: Any) -> asyncio.Task[None]:
        task = super()._schedule_event(*args, **kwargs)
        self.attend(task)
        return task

    def attend(self, task: asyncio.Task[Any]) -> None:
        """Let a handler end before we do: discord.py lets go of its tasks, which may be using the database by then."""
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Let handlers end, disconnect, and leave none behind."""
        await asyncio.sleep(0)  # so that those which have only just been made are attended to
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=GRACE)
        await super().close()
        left = tuple(self._under_way)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def setup_hook(self) -> None:
        """Before the first event; waiting here for one would never end."""
        self.add_dynamic_items(OpenPrivately)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """A handler failed: whatever it was to hand over is read from history."""
        _log.error("an event could not be handled; history will be read", handler=event_method, exc_info=False)
        self._intake.missed()

    # Connections and servers

    def heard_shard_connect(self, shard: int) -> None:
        """A new session: what happened before it was not told."""
        _log.info("connected to Discord", shard=shard)
        self._intake.missed()

    async def on_ready(self) -> None:
        """Every server has been named."""
        here = {str(guild.id) for guild in self.guilds}
        for workspace in await self._rooms.workspaces(self.application_id) - here:
            _log.info("removed from a server while away", server=workspace)
            await self._history.left(workspace)
        _log.info("ready on Discord", servers=len(self.guilds))

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A server's channels are known."""
        await self._rooms.load(str(guild.id))
        await self._rooms.joined(str(guild.id), self.application_id)
        for channel in (*guild.channels, *guild.threads):
            self._rooms.learn(str(channel.guild.id), spot_of(channel))
        for started in self._rooms.started(str(guild.id)):
            self._intake.put_seen(str(guild.id), started)
        self._history.want()
        await self._register(guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Somebody invited us."""
        await self.on_guild_available(guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Somebody removed us."""
        _log.info("removed from a server", server=guild.id)
        await self._history.left(str(guild.id))

    async def _register(self, guild: discord.Guild) -> None:
        self.tree.add_command(self._commands, guild=guild, override=True)
        made = fingerprint(self.tree, guild)
        if await self._notes.note(Platform.DISCORD, str(guild.id), "commands") == made:
            return
        try:
            await self.tree.sync(guild=guild)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            _log.warning("commands could not be registered; mentions work", server=guild.id, why=type(error).__name__)
            return
        await self._notes.write(Platform.DISCORD, str(guild.id), "commands", made)

    # Channels and threads

    def heard_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        """A channel was made; it isn't read until somebody says so."""
        self._rooms.learn(str(channel.guild.id), spot_of(channel))

    def heard_guild_channel_update(self, before: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
        """A channel was renamed, moved, hidden or shown."""
        self._rooms.learn(str(after.guild.id), spot_of(after))
        self._intake.put_seen(str(after.guild.id), after.id)
        self._history.permissions_changed(str(after.guild.id))

    def heard_guild_role_update(self, before: discord.Role, after: discord.Role) -> None:
        """A role's permissions changed, perhaps ours."""
        self._history.permissions_changed(str(after.guild.id))

    def heard_member_update(self, before: discord.Member, after: discord.Member) -> None:
        """Our roles changed: without the intent for members, nobody else's are told."""
        self._history.permissions_changed(str(after.guild.id))

    def heard_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel is gone, and every message in it."""
        workspace = str(channel.guild.id)
        self._gone(workspace, channel.id)
        self._intake.leave(room(workspace, channel.id))
        self._history.want()  # which finds it missing, and stops reading it

    def heard_thread_create(self, thread: discord.Thread) -> None:
        """A thread was begun; all that will be said in it is going to be heard."""
        self._rooms.learn(str(thread.guild.id), spot_of(thread))
        place = room(str(thread.guild.id), thread.id)
        if not thread.is_private() and self._rooms.since(str(thread.guild.id), thread.id) is not None:
            self._intake.caught_up(place, str(thread.id - 1), gap=self._intake.gap)

    def heard_thread_update(self, before: discord.Thread, after: discord.Thread) -> None:
        """A thread was renamed, archived or reopened."""
        self._rooms.learn(str(after.guild.id), spot_of(after))
        self._intake.put_seen(str(after.guild.id), after.id)

    def heard_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """A thread is gone, and every message in it."""
        self._gone(str(payload.guild_id), payload.thread_id)

    def _gone(self, workspace: str, channel: int) -> None:
        at = self._clock()
        self._put(workspace, channel, lambda _: ChannelGone(room(workspace, channel), at, Gone.DELETED))

    # Messages

    def heard_message(self, message: discord.Message) -> None:
        """Somebody wrote."""
        if message.guild is None:
            return
        payload = as_payload(message)
        self._written(str(message.guild.id), message.channel.id, payload)
        text, follow_up = self._question(message, payload)
        if text is not None:
            super().dispatch("question", text, message, follow_up)

    async def on_question(self, text: str, message: discord.Message, follow_up: bool) -> None:
        """Somebody asked."""
        await self.desk.mentioned(text, message, follow_up=follow_up)

    def heard_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Somebody changed what they wrote, or Discord added to it."""
        if payload.guild_id is None:
            return
        data: Mapping[str, Any] = {**payload.data}
        self._written(str(payload.guild_id), payload.channel_id, data)
        age = self._clock() - moment(payload.message_id)
        if data.get("edited_timestamp") and age.total_seconds() < FRESH_SECONDS:
            text, follow_up = self._question(payload.message, data)
            if text is not None and not follow_up:
                super().dispatch("question", text, payload.message, False)

    def _written(self, workspace: str, channel: int, payload: Mapping[str, Any]) -> None:
        pseudonyms = self._pseudonyms
        self._intake.put(
            Arrival(
                workspace,
                channel,
                lambda thread: written(payload, workspace=workspace, thread=thread, pseudonyms=pseudonyms),
            )
        )

    def _question(self, message: discord.Message, payload: Mapping[str, Any]) -> tuple[str | None, bool]:
        """What a message asks of us, and whether it is only a reply to an answer of ours."""
        assert message.guild is not None
        if message.author.bot or message.webhook_id is not None or payload.get("type") not in (0, 19):
            return None, False
        role = message.guild.self_role
        ours = frozenset(id_ for id_ in (self.user and self.user.id, role and role.id) if id_)
        if mentions(message.content, ours):
            return asked(message.content, ours), False
        replied = message.reference.resolved if message.reference is not None else None
        if isinstance(replied, discord.Message) and self.user is not None and replied.author.id == self.user.id:
            return asked(message.content, ours) or None, True
        return None, False

    def heard_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A message is gone."""
        self._deleted(payload.guild_id, payload.channel_id, payload.message_id)

    def heard_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Several messages are gone."""
        for message in sorted(payload.message_ids):
            self._deleted(payload.guild_id, payload.channel_id, message)

    def _deleted(self, guild: int | None, channel: int, message: int) -> None:
        if guild is not None:
            at = self._clock()
            self._put(str(guild), channel, lambda _: deleted(str(guild), channel, message, at=at))

    def _put(self, workspace: str, channel: int, make: Callable[[bool], Event]) -> None:
        self._intake.put(Arrival(workspace, channel, make, Keep.UNLESS_UNREAD))

    # Reactions

    def heard_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """Somebody put an emoji on a message."""
        self._reacted(payload, added=True)

    def heard_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        """Somebody took it back."""
        self._reacted(payload, added=False)

    def _reacted(self, payload: discord.RawReactionActionEvent, *, added: bool) -> None:
        if payload.guild_id is None:
            return
        workspace, at, pseudonyms = str(payload.guild_id), self._clock(), self._pseudonyms
        data = {
            "message_id": str(payload.message_id),
            "channel_id": str(payload.channel_id),
            "user_id": str(payload.user_id),
            "emoji": _emoji(payload.emoji),
            "member": {"user": {"bot": payload.member is not None and payload.member.bot}},
        }
        self._intake.put(
            Arrival(
                workspace,
                payload.channel_id,
                lambda _: reacted(data, workspace=workspace, at=at, added=added, pseudonyms=pseudonyms),
            )
        )

    def heard_raw_reaction_clear(self, payload: discord.RawReactionClearEvent) -> None:
        """A moderator took all emoji off a message."""
        self._cleared(payload, {})

    def heard_raw_reaction_clear_emoji(self, payload: discord.RawReactionClearEmojiEvent) -> None:
        """A moderator took all of one emoji off a message."""
        self._cleared(payload, {"emoji": _emoji(payload.emoji)})

    def _cleared(
        self, payload: discord.RawReactionClearEvent | discord.RawReactionClearEmojiEvent, which: Mapping[str, Any]
    ) -> None:
        if payload.guild_id is None:
            return
        workspace, at = str(payload.guild_id), self._clock()
        data = {"message_id": str(payload.message_id), "channel_id": str(payload.channel_id), **which}
        self._intake.put(Arrival(workspace, payload.channel_id, lambda _: cleared(data, workspace=workspace, at=at)))


class Tree(app_commands.CommandTree[Client]):
    """The commands, whose tasks are attended to, and whose failures are told without a person or their words."""

    async def interaction_check(self, interaction: discord.Interaction[Client], /) -> bool:
        """Called first in the task of every command, and of what is offered while one is typed."""
        attend(interaction)
        return True

    async def on_error(self, interaction: discord.Interaction[Client], error: app_commands.AppCommandError, /) -> None:
        """A command failed, in a way that nobody foresaw."""
        cause = getattr(error, "original", error)
        _log.error("a command failed", channel=interaction.channel_id, why=type(cause).__name__)
        with told_if_unsent(interaction):
            if interaction.response.is_done():
                await interaction.followup.send(FAILED, ephemeral=True)
            else:
                await interaction.response.send_message(FAILED, ephemeral=True)


class _Nameless(logging.Filter):
    """discord.py names who typed when what could have been offered came too late, as it often does."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "in autocomplete" not in str(record.msg):
            return True
        why = record.exc_info and record.exc_info[0]
        _log.info("nothing could be offered to somebody who typed", why=why.__name__ if why else None)
        return False


_NAMELESS = _Nameless()


def without_voice() -> None:
    """We never speak, so discord.py needn't warn that its libraries for that are missing."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


def unhurried(
    connect: Callable[..., Awaitable[aiohttp.ClientWebSocketResponse]], give_way: Callable[[], Awaitable[None]]
) -> Callable[..., Any]:
    """`connect`, whose sockets let other tasks have their turn between frames, and wait for `give_way`."""

    async def connected(url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        socket = await connect(url, **options)
        receive, frames = socket.receive, 0

        async def unhurriedly(timeout: float | None = None) -> aiohttp.WSMessage:
            nonlocal frames
            frames += 1
            if frames % AT_A_TIME == 0:
                await asyncio.sleep(0)
                await give_way()
            return await receive(timeout)

        socket.receive = unhurriedly  # type: ignore[method-assign]
        return socket

    return connected


def _emoji(emoji: discord.PartialEmoji) -> Mapping[str, Any]:
    return {"id": None if emoji.id is None else str(emoji.id), "name": emoji.name}


def as_payload(message: discord.Message) -> Mapping[str, Any]:
    """A message of discord.py as the part of Discord's payload that `translate` reads."""
    return {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": message.type.value,
        "flags": message.flags.value,
        "author": {"id": str(message.author.id), "bot": message.author.bot},
        "webhook_id": message.webhook_id,
        "content": message.content,
        "poll": None if message.poll is None else {"question": {"text": message.poll.question}},
        "edited_timestamp": None if message.edited_at is None else message.edited_at.isoformat(),
    }
