"""What `roomtone doctor` and `roomtone discord invite` say of Discord."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import aiohttp
import discord

from adapters.discord.client import MISSING_INTENT, REFUSED
from adapters.discord.gateway import INTENTS, without_voice
from adapters.discord.oddities import RECENT, met
from adapters.discord.rooms import GUILD, STARTED
from adapters.discord.translate import room
from bot.days import quarter_ceil
from bot.doctor import Finding
from bot.message import Platform, Window
from bot.store import Notes, Readings
from bot.wording import left_out as worded

LEAST = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)
"""What an invitation asks for. Never Administrator; reading private threads isn't wanted, so no Manage Threads."""

DEADLINE = 30.0

_WORDS = {
    "read_messages": "View Channel",  # as discord.py calls it where it names each
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
    "connect": "Connect",
}


def invite(application: int | str, *, voice: bool = False) -> str:
    """The address that invites us, with the least permissions; `voice` also for the chat of voice channels."""
    permissions = discord.Permissions(LEAST.value | (discord.Permissions(connect=True).value if voice else 0))
    return discord.utils.oauth_url(int(application), permissions=permissions, scopes=("bot", "applications.commands"))


async def application_id(token: str) -> int | None:
    """The id of the application that a token belongs to; None if Discord doesn't take it or can't be reached."""
    async with _unconnected() as client:
        try:
            async with asyncio.timeout(DEADLINE):
                await client.login(token)
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError):
            return None
        return client.application_id


async def started(notes: Notes) -> Mapping[str, Collection[int]]:
    """The channels that are read, by server."""
    servers = [name.removeprefix(GUILD) for name in await notes.notes(Platform.DISCORD, "", GUILD)]
    return {
        server: [int(name.removeprefix(STARTED)) for name in await notes.notes(Platform.DISCORD, server, STARTED)]
        for server in servers
    }


async def left_out(
    notes: Notes, readings: Readings, started: Mapping[str, Collection[int]], *, now: datetime
) -> Sequence[Finding]:
    """What of the last days is in no number, or unlike other messages, in each channel that is read, and why."""
    names = {summary.channel: summary.name for summary in await readings.channels()}
    end = quarter_ceil(now)
    findings: list[Finding] = []
    for server, channels in sorted(started.items()):
        for channel in (room(server, id_) for id_ in sorted(channels)):
            name = names.get(channel, channel.id)
            if left := worded(await readings.left_out([channel], Window(end - RECENT, end))):
                findings.append(Finding(f"discord #{name}", True, f"In no mood of the last 7 days: {left}."))
            findings += await met(notes, channel, name, now=now)
    return findings


async def examine(token: str, started: Mapping[str, Collection[int]]) -> Sequence[Finding]:
    """Token, intents and permissions; `started` are the channels that are read, by server. Never raises."""
    async with _unconnected() as client:
        try:
            async with asyncio.timeout(DEADLINE):
                await client.login(token)
                return [await _intents(client), *await _servers(client, started)]
        except discord.LoginFailure:
            return [Finding("discord token", False, REFUSED)]
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            says = f"Discord can't be reached ({type(error).__name__}); check this machine's network and try again."
            return [Finding("discord", False, says)]


def _unconnected() -> discord.Client:
    without_voice()
    return discord.Client(intents=INTENTS)


async def _intents(client: discord.Client) -> Finding:
    flags = (await client.application_info()).flags
    if flags.gateway_message_content or flags.gateway_message_content_limited:
        return Finding("discord intents", True, "The token works, and Message Content Intent is on.")
    return Finding("discord intents", False, MISSING_INTENT)


async def _servers(client: discord.Client, started: Mapping[str, Collection[int]]) -> Sequence[Finding]:
    findings: list[Finding] = []
    async for found in client.fetch_guilds(limit=None):
        guild = await client.fetch_guild(found.id)
        assert client.user is not None
        me = await guild.fetch_member(client.user.id)
        channels = {channel.id: channel for channel in await guild.fetch_channels()}
        read = sorted(set(started.get(str(guild.id), ())))
        if not read:
            says = "No channel is read yet: write '@Roomtone start' in one."
            findings.append(Finding(f"discord server {guild.id}", True, says))
        for id_ in read:
            channel = channels.get(id_)
            if channel is None:
                says = "It is gone, or hidden from us: allow View Channel there, or write '@Roomtone stop'."
                findings.append(Finding(f"discord channel {id_}", False, says))
            else:
                findings.append(_channel(channel, me))
    if not findings:
        says = "Roomtone is in no server yet: `roomtone discord invite` prints the link that invites it."
        findings.append(Finding("discord servers", False, says))
    return findings


def _channel(channel: discord.abc.GuildChannel, me: discord.Member) -> Finding:
    allowed = dict(channel.permissions_for(me))
    wanted = [name for name, value in LEAST if value]
    if isinstance(channel, discord.VoiceChannel | discord.StageChannel):
        wanted.append("connect")
    missing = [_WORDS.get(name, name) for name in wanted if not allowed[name] and name in _WORDS]
    subject = f"discord #{channel.name}"
    if missing:
        return Finding(subject, False, f"Missing there: {', '.join(missing)}. Allow them in the channel's settings.")
    return Finding(subject, True, "Everything that is needed is allowed.")
