"""Discord's gateway: what it tells goes into one queue, and it is connected again whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import discord
import structlog
from cachetools import TTLCache
from discord import app_commands

from adapters.discord.asking import Answering, Asking
from adapters.discord.commands import Commands, fingerprint
from adapters.discord.desk import Desk, OpenPrivately, spot_of
from adapters.discord.history import History, Known
from adapters.discord.intake import Accept, Arrival, Intake, Keep
from adapters.discord.outlet import Draw, Outlet, Room
from adapters.discord.reach import ClientReach
from adapters.discord.rooms import Rooms
from adapters.discord.translate import asked, cleared, deleted, mentions, moment, reacted, room, written
from adapters.discord.weekly import Weekly
from bot.errors import ConfigurationError
from bot.message import Channel, ChannelGone, Event, Gone, Platform
from bot.privacy import Pseudonyms
from bot.store import Cursors, Held, Notes, Readings
from bot.trends import Trends

INTENTS = discord.Intents(guilds=True, guild_messages=True, guild_reactions=True, message_content=True)

LONGEST_WAIT = 30.0
"""Seconds that a rate limit may make a request wait: an answer that comes minutes later helps nobody."""

FRESH_SECONDS = 600
"""How old a message may be for an edit to make it a question: older ones were answered, or the moment has passed."""

LONGEST_PAUSE = 300.0
"""Seconds between attempts to connect."""

STEADY_SECONDS = 60.0
"""A connection that held this long was a good one."""

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
        pseudonyms: Pseudonyms,
        zone: ZoneInfo,
        draw: Draw,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pace: float = 1.0,
        pause: float = 1.0,
        settle: float = 2.0,
        heartbeat_timeout: float = 60.0,
    ) -> None:
        self._token = token
        self._pause = pause
        self.settle = settle
        """Seconds without another server after which all are thought to be known."""
        self.heartbeat_timeout = heartbeat_timeout
        """Seconds of silence after which a connection is taken for dead."""
        self._client: Client | None = None
        self._accept = accept
        self.clock = clock
        self.pseudonyms = pseudonyms
        self.notes = notes
        reach = ClientReach(lambda: self._client, pause=pause)
        self.rooms = Rooms(notes, reach.spot, clock)
        self.intake = Intake(accept, cursors, self.rooms)
        self.history = History(
            reach,
            intake=self.intake,
            rooms=self.rooms,
            accept=accept,
            cursors=cursors,
            notes=notes,
            held=held,
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
            zone=zone,
            clock=clock,
        )
        self.weekly = Weekly(
            answers, self.outlet, notes, pseudonyms, workspaces=reach.workspaces, place=self.place, clock=clock
        )
        self._stopping = False
        self._answered: TTLCache[int, bool] = TTLCache(100_000, 2 * FRESH_SECONDS)

    async def run(self) -> None:
        """Stay connected until cancelled. Raises ConfigurationError for what only an operator can mend."""
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
            tasks.create_task(self.weekly.run())

    def client(self) -> Client:
        """A client that isn't connected yet, in the place of any earlier one."""
        self._client = Client(self)
        return self._client

    async def _connected(self) -> None:
        pause = self._pause
        while True:
            client = self.client()
            begun = asyncio.get_running_loop().time()
            try:
                async with client:
                    await client.start(self._token)
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

    def is_new_question(self, message: int) -> bool:
        """Was this message not answered before? Asking marks it."""
        if message in self._answered:
            return False
        self._answered[message] = True
        return True

    async def left(self, workspace: str) -> None:
        """We are no longer in a server: what was read there leaves the numbers, and its notes go."""
        for channel in await self.rooms.forget(workspace):
            await self._accept(ChannelGone(room(workspace, channel), self.clock(), Gone.DELETED))

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


class Client(discord.AutoShardedClient):
    """discord.py's client: hands over what it hears, in the order it hears it."""

    def __init__(self, adapter: Discord) -> None:
        # We never speak, so its libraries aren't missed.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=INTENTS,
            max_messages=None,
            allowed_mentions=discord.AllowedMentions.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=adapter.settle,
            heartbeat_timeout=adapter.heartbeat_timeout,
            max_ratelimit_timeout=LONGEST_WAIT,
        )
        self._adapter = adapter
        self.desk = adapter.desk
        self.tree = app_commands.CommandTree(self)
        self._commands = Commands()

    async def setup_hook(self) -> None:
        """Before the first event; waiting here for one would never end."""
        self.add_dynamic_items(OpenPrivately)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """A handler failed: whatever it was to hand over is read from history."""
        _log.error("an event could not be handled; history will be read", handler=event_method, exc_info=False)
        self._adapter.intake.missed()

    # Connections and servers

    async def on_shard_connect(self, shard: int) -> None:
        """A new session: what happened before it was not told."""
        _log.info("connected to Discord", shard=shard)
        self._adapter.intake.missed()

    async def on_ready(self) -> None:
        """Every server has been named."""
        here = {str(guild.id) for guild in self.guilds}
        for workspace in await self._adapter.rooms.workspaces(self.application_id) - here:
            _log.info("removed from a server while away", server=workspace)
            await self._adapter.left(workspace)
        _log.info("ready on Discord", servers=len(self.guilds))

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A server's channels are known."""
        await self._adapter.rooms.load(str(guild.id))
        await self._adapter.rooms.joined(str(guild.id), self.application_id)
        for channel in (*guild.channels, *guild.threads):
            self._adapter.rooms.learn(spot_of(channel))
        for started in self._adapter.rooms.started(str(guild.id)):
            self._adapter.intake.put_seen(str(guild.id), started)
        self._adapter.history.want()
        await self._register(guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Somebody invited us."""
        await self.on_guild_available(guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Somebody removed us."""
        _log.info("removed from a server", server=guild.id)
        await self._adapter.left(str(guild.id))

    async def _register(self, guild: discord.Guild) -> None:
        self.tree.add_command(self._commands, guild=guild, override=True)
        made = fingerprint(self.tree, guild)
        notes = self._adapter.notes
        if await notes.note(Platform.DISCORD, str(guild.id), "commands") == made:
            return
        try:
            await self.tree.sync(guild=guild)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            _log.warning("commands could not be registered; mentions work", server=guild.id, why=type(error).__name__)
            return
        await notes.write(Platform.DISCORD, str(guild.id), "commands", made)

    # Channels and threads

    async def on_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        """A channel was made; it isn't read until somebody says so."""
        self._adapter.rooms.learn(spot_of(channel))

    async def on_guild_channel_update(self, before: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
        """A channel was renamed, moved, hidden or shown."""
        self._adapter.rooms.learn(spot_of(after))
        self._adapter.intake.put_seen(str(after.guild.id), after.id)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel is gone, and every message in it."""
        workspace = str(channel.guild.id)
        self._gone(workspace, channel.id)
        self._adapter.intake.leave(room(workspace, channel.id))
        self._adapter.history.want()  # which finds it missing, and stops reading it

    async def on_thread_create(self, thread: discord.Thread) -> None:
        """A thread was begun; all that will be said in it is going to be heard."""
        self._adapter.rooms.learn(spot_of(thread))
        place = room(str(thread.guild.id), thread.id)
        if not thread.is_private():
            self._adapter.intake.caught_up(place, str(thread.id - 1), gap=self._adapter.intake.gap)

    async def on_thread_update(self, before: discord.Thread, after: discord.Thread) -> None:
        """A thread was renamed, archived or reopened."""
        self._adapter.rooms.learn(spot_of(after))
        self._adapter.intake.put_seen(str(after.guild.id), after.id)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """A thread is gone, and every message in it."""
        self._gone(str(payload.guild_id), payload.thread_id)

    def _gone(self, workspace: str, channel: int) -> None:
        at = self._adapter.clock()
        self._put(workspace, channel, lambda _: ChannelGone(room(workspace, channel), at, Gone.DELETED))

    # Messages

    async def on_message(self, message: discord.Message) -> None:
        """Somebody wrote."""
        if message.guild is None:
            return
        workspace, payload = str(message.guild.id), as_payload(message)
        self._written(workspace, message.channel.id, payload)
        text, follow_up = self._question(message, payload)
        if text is not None and self._adapter.is_new_question(message.id):
            await self.desk.mentioned(text, message, follow_up=follow_up)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Somebody changed what they wrote, or Discord added to it."""
        if payload.guild_id is None:
            return
        data: Mapping[str, Any] = {**payload.data}
        self._written(str(payload.guild_id), payload.channel_id, data)
        age = self._adapter.clock() - moment(payload.message_id)
        if data.get("edited_timestamp") and age.total_seconds() < FRESH_SECONDS:
            text, follow_up = self._question(payload.message, data)
            if text is not None and not follow_up and self._adapter.is_new_question(payload.message_id):
                await self.desk.mentioned(text, payload.message, follow_up=False)

    def _written(self, workspace: str, channel: int, payload: Mapping[str, Any]) -> None:
        pseudonyms = self._adapter.pseudonyms
        self._adapter.intake.put(
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

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A message is gone."""
        self._deleted(payload.guild_id, payload.channel_id, payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Several messages are gone."""
        for message in sorted(payload.message_ids):
            self._deleted(payload.guild_id, payload.channel_id, message)

    def _deleted(self, guild: int | None, channel: int, message: int) -> None:
        if guild is not None:
            at = self._adapter.clock()
            self._put(str(guild), channel, lambda _: deleted(str(guild), channel, message, at=at))

    def _put(self, workspace: str, channel: int, make: Callable[[bool], Event]) -> None:
        self._adapter.intake.put(Arrival(workspace, channel, make, Keep.UNLESS_UNREAD))

    # Reactions

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """Somebody put an emoji on a message."""
        self._reacted(payload, added=True)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        """Somebody took it back."""
        self._reacted(payload, added=False)

    def _reacted(self, payload: discord.RawReactionActionEvent, *, added: bool) -> None:
        if payload.guild_id is None:
            return
        workspace, at, pseudonyms = str(payload.guild_id), self._adapter.clock(), self._adapter.pseudonyms
        data = {
            "message_id": str(payload.message_id),
            "channel_id": str(payload.channel_id),
            "user_id": str(payload.user_id),
            "emoji": _emoji(payload.emoji),
            "member": {"user": {"bot": payload.member is not None and payload.member.bot}},
        }
        self._adapter.intake.put(
            Arrival(
                workspace,
                payload.channel_id,
                lambda _: reacted(data, workspace=workspace, at=at, added=added, pseudonyms=pseudonyms),
            )
        )

    async def on_raw_reaction_clear(self, payload: discord.RawReactionClearEvent) -> None:
        """A moderator took all emoji off a message."""
        self._cleared(payload, {})

    async def on_raw_reaction_clear_emoji(self, payload: discord.RawReactionClearEmojiEvent) -> None:
        """A moderator took all of one emoji off a message."""
        self._cleared(payload, {"emoji": _emoji(payload.emoji)})

    def _cleared(
        self, payload: discord.RawReactionClearEvent | discord.RawReactionClearEmojiEvent, which: Mapping[str, Any]
    ) -> None:
        if payload.guild_id is None:
            return
        workspace, at = str(payload.guild_id), self._adapter.clock()
        data = {"message_id": str(payload.message_id), "channel_id": str(payload.channel_id), **which}
        self._adapter.intake.put(
            Arrival(workspace, payload.channel_id, lambda _: cleared(data, workspace=workspace, at=at))
        )


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
