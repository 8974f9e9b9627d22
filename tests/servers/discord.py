"""A small local Discord: the REST calls that Roomtone makes, behind a gateway, with faults on command.

The real discord.py connects to it; it knows sessions, resuming, pages and nonces, and nothing of permissions beyond
what a guild's payload says.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import discord
import yarl
from aiohttp import web
from discord.http import Route

from tests.servers.discord_gateway import ME, TOKEN, Gateway

EVERYTHING = str(discord.Permissions.all_channel().value)
READING = str(discord.Permissions(view_channel=True, read_message_history=True, send_messages=True).value)
OWNER = {"id": "900", "username": "owner", "discriminator": "0", "avatar": None, "global_name": None}
GUILD, GENERAL, RANDOM = "10", "20", "21"
LONGEST_PAGE = 100


def a_channel(id_: str = GENERAL, name: str = "general", type_: int = 0, **fields: Any) -> dict[str, Any]:
    made = {"id": id_, "guild_id": GUILD, "type": type_, "name": name, "position": 0, "permission_overwrites": []}
    return made | {"parent_id": None, "topic": None, "nsfw": False, "last_message_id": None} | fields


def a_thread(id_: str, parent: str = GENERAL, name: str = "a thread", **fields: Any) -> dict[str, Any]:
    metadata = {"archived": False, "auto_archive_duration": 60, "archive_timestamp": "2026-03-02T09:00:00+00:00"}
    made = {"id": id_, "guild_id": GUILD, "parent_id": parent, "type": 11, "name": name, "owner_id": "901"}
    counts = {"message_count": 0, "member_count": 1, "last_message_id": None}
    return made | counts | {"thread_metadata": metadata | {"locked": False}} | fields


@dataclass(slots=True)
class Fault:
    """Answer the next `times` requests that match with `status` (0: hang, -1: reset) instead."""

    method: str
    path: str
    status: int
    times: int = 1
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: bool = False
    """Do what was asked, and only then fail: the answer gets lost."""
    passed: int = 0
    """How many such requests are answered first."""


class LocalDiscord(Gateway):
    """One server with its channels, threads and messages. Changes are dispatched, unless made `unseen`."""

    def __init__(self) -> None:
        super().__init__()
        self.guild: dict[str, Any] = {
            "id": GUILD, "name": "acme", "owner_id": OWNER["id"], "emojis": [], "stickers": [], "features": [],
            "preferred_locale": "en-US", "afk_timeout": 300, "verification_level": 0, "explicit_content_filter": 0,
            "default_message_notifications": 0, "mfa_level": 0, "premium_tier": 0, "nsfw_level": 0,
            "system_channel_flags": 0, "premium_progress_bar_enabled": False, "voice_states": [], "presences": [],
            "stage_instances": [], "guild_scheduled_events": [], "member_count": 3,
            "roles": [{
                "id": GUILD, "name": "@everyone", "permissions": EVERYTHING, "position": 0, "color": 0,
                "hoist": False, "managed": False, "mentionable": False,
            }],
            "members": [{
                "user": ME, "roles": [], "joined_at": "2026-01-01T00:00:00+00:00", "deaf": False, "mute": False,
                "flags": 0,
            }],
        }  # fmt: skip
        self.channels: dict[str, dict[str, Any]] = {GENERAL: a_channel(), RANDOM: a_channel(RANDOM, "random")}
        self.threads: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        self.posted: list[dict[str, Any]] = []
        self.acknowledged: list[dict[str, Any]] = []
        """Interactions' first responses: {'type', 'data'}."""
        self.followed_up: list[dict[str, Any]] = []
        """What they were answered with afterwards."""
        self.requests: list[tuple[str, str]] = []
        self.pages: list[tuple[str, Mapping[str, str]]] = []
        """Which pages of history were read: (channel, query)."""
        self.faults: list[Fault] = []
        self.in_guild = True
        self.flags = 1 << 19
        """The application's: Message Content Intent is on, for up to a hundred servers."""
        self._nonces: dict[tuple[str, str], dict[str, Any]] = {}
        self._next_id = 5_000_000

    def servers(self) -> Sequence[Mapping[str, Any]]:
        """The server as it stands now, with the threads that are open."""
        open_ = [thread for thread in self.threads.values() if not thread["thread_metadata"]["archived"]]
        whole = {**self.guild, "channels": list(self.channels.values()), "threads": open_}
        return [whole] if self.in_guild else []

    # What happens on the server

    async def write(self, message: Mapping[str, Any], *, times: int = 1) -> None:
        """Somebody writes `message`; told `times` times."""
        whole = {**message}
        self.messages[whole["channel_id"]][int(whole["id"])] = whole
        place = self.channels.get(whole["channel_id"]) or self.threads.get(whole["channel_id"])
        if place is not None:
            place["last_message_id"] = str(max(int(place["last_message_id"] or 0), int(whole["id"])))
        for _ in range(times):
            await self.dispatch("MESSAGE_CREATE", whole)

    async def edit(self, message: Mapping[str, Any]) -> None:
        """A message is changed to `message`."""
        self.messages[message["channel_id"]][int(message["id"])] = {**message}
        await self.dispatch("MESSAGE_UPDATE", message)

    async def delete(self, channel: str, *ids: str) -> None:
        """Messages are deleted, several of them in bulk."""
        for id_ in ids:
            self.messages[channel].pop(int(id_), None)
        place = {"channel_id": channel, "guild_id": GUILD}
        if len(ids) == 1:
            await self.dispatch("MESSAGE_DELETE", {"id": ids[0], **place})
        else:
            await self.dispatch("MESSAGE_DELETE_BULK", {"ids": list(ids), **place})

    async def begin_thread(self, thread: Mapping[str, Any]) -> None:
        """A thread is begun."""
        self.threads[thread["id"]] = {**thread}
        await self.dispatch("THREAD_CREATE", {**thread, "newly_created": True})

    async def archive(self, thread: str, *, at: str) -> None:
        """A thread is archived."""
        metadata = {**self.threads[thread]["thread_metadata"], "archived": True, "archive_timestamp": at}
        self.threads[thread] = {**self.threads[thread], "thread_metadata": metadata}
        await self.dispatch("THREAD_UPDATE", self.threads[thread])

    async def change_channel(self, channel: str, **fields: Any) -> None:
        """A channel is renamed, moved, hidden or shown."""
        self.channels[channel] = {**self.channels[channel], **fields}
        await self.dispatch("CHANNEL_UPDATE", self.channels[channel])

    async def allow_everyone(self, permissions: int) -> None:
        """The permissions of @everyone are set."""
        self.guild["roles"][0] = {**self.guild["roles"][0], "permissions": str(permissions)}
        await self.dispatch("GUILD_ROLE_UPDATE", {"guild_id": GUILD, "role": self.guild["roles"][0]})

    async def delete_thread(self, thread: str) -> None:
        """A thread is deleted, with everything in it."""
        gone = self.threads.pop(thread)
        self.messages.pop(thread, None)
        await self.dispatch("THREAD_DELETE", {key: gone[key] for key in ("id", "guild_id", "parent_id", "type")})

    async def delete_channel(self, channel: str) -> None:
        """A channel is deleted, with everything in it."""
        gone = self.channels.pop(channel)
        self.messages.pop(channel, None)
        await self.dispatch("CHANNEL_DELETE", gone)

    async def interact(self, type_: int, data: Mapping[str, Any], *, user: Mapping[str, Any], **fields: Any) -> None:
        """Somebody uses a command (2) or a component (3), or types in a command's option (4), in #general."""
        self._next_id += 1
        member = {**self.guild["members"][0], "user": user, "permissions": EVERYTHING}
        interaction = {
            "id": str(self._next_id), "application_id": "1", "type": type_, "data": data, "token": "interaction",
            "version": 1, "guild_id": GUILD, "channel": self.channels[GENERAL], "channel_id": GENERAL,
            "member": member, "attachment_size_limit": 10_000_000, "locale": "en-US", "entitlements": [],
        }  # fmt: skip
        await self.dispatch("INTERACTION_CREATE", interaction | fields)

    def fail(self, method: str, path: str, status: int, *, times: int = 1) -> None:
        """The next `times` requests of that kind are answered with `status`; see `Fault`."""
        self.faults.append(Fault(method, path, status, times, body={}))

    def forget_nonces(self) -> None:
        """Some minutes pass."""
        self._nonces.clear()

    # REST

    async def rest(self, request: web.Request) -> web.StreamResponse:
        method, path = request.method, "/" + request.match_info["path"]
        self.requests.append((method, path))
        fault = next(
            (f for f in self.faults if f.method == method and re.fullmatch(f.path, path) and f.times > 0), None
        )
        if fault is None or fault.passed > 0:
            if fault is not None:
                fault.passed -= 1
            return await self._served(request, method, path)
        fault.times -= 1
        if fault.after:
            await self._served(request, method, path)
        if fault.status == 0:
            await asyncio.sleep(3600)
        if fault.status == -1:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return _json(fault.body, status=fault.status, headers=fault.headers)

    async def _served(self, request: web.Request, method: str, path: str) -> web.Response:
        routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", r"/gateway/bot", self._bot_gateway),
            ("GET", r"/users/@me", lambda request: ME),
            ("GET", r"/oauth2/applications/@me", self._application),
            ("GET", r"/channels/(\d+)/messages", self._page),
            ("GET", r"/channels/(\d+)/messages/(\d+)", self._one),
            ("POST", r"/channels/(\d+)/messages", self._post),
            ("GET", r"/channels/(\d+)/threads/archived/public", self._archived),
            ("GET", r"/channels/(\d+)", self._channel),
            ("POST", r"/channels/(\d+)/typing", lambda request, channel: None),
            ("GET", r"/users/@me/guilds", lambda request: [self.guild] if self.in_guild else []),
            ("GET", r"/guilds/(\d+)", lambda request, guild: self.guild),
            ("GET", r"/guilds/(\d+)/channels", lambda request, guild: list(self.channels.values())),
            ("GET", r"/guilds/(\d+)/members/(\d+)", lambda request, *_: self.guild["members"][0]),
            ("PUT", r"/applications/(\d+)/guilds/(\d+)/commands", lambda request, *_: []),
            ("POST", r"/interactions/(\d+)/interaction/callback", self._acknowledge),
            ("POST", r"/webhooks/(\d+)/interaction", self._follow_up),
        ]
        for verb, pattern, serve in routes:
            if verb == method and (found := re.fullmatch(pattern, path)):
                by_token = "/interaction" in path  # theirs, which stands in the path
                if not by_token and request.headers.get("Authorization") != f"Bot {TOKEN}":
                    return _json({"message": "401: Unauthorized", "code": 0}, status=401)
                served = serve(request, *found.groups())
                result = await served if asyncio.iscoroutine(served) else served
                return result if isinstance(result, web.Response) else _json(result)
        return _json({"message": f"no route {method} {path}", "code": 0}, status=404)

    def _bot_gateway(self, request: web.Request) -> Any:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return {"url": f"ws://{self.host}", "shards": 1, "session_start_limit": limit}

    def _application(self, request: web.Request) -> Any:
        words = {"id": "1", "name": "Roomtone", "icon": None, "description": "", "bot_public": True, "verify_key": ""}
        return words | {"bot_require_code_grant": False, "owner": OWNER, "flags": self.flags, "summary": ""}

    def _page(self, request: web.Request, channel: str) -> Any:
        self.pages.append((channel, dict(request.query)))
        if channel not in self.channels and channel not in self.threads:
            return _json({"message": "Unknown Channel", "code": 10003}, status=404)
        ids = sorted(self.messages[channel])
        limit = min(int(request.query.get("limit", "50")), LONGEST_PAGE)
        if "after" in request.query:
            ids = [id_ for id_ in ids if id_ > int(request.query["after"])][:limit]  # the oldest after the id
        elif "before" in request.query:
            ids = [id_ for id_ in ids if id_ < int(request.query["before"])][-limit:]
        else:
            ids = ids[-limit:]
        return [self.messages[channel][id_] for id_ in reversed(ids)]

    def _one(self, request: web.Request, channel: str, message: str) -> Any:
        found = self.messages[channel].get(int(message))
        return found or _json({"message": "Unknown Message", "code": 10008}, status=404)

    async def _post(self, request: web.Request, channel: str) -> Any:
        if channel not in self.channels and channel not in self.threads:
            return _json({"message": "Unknown Channel", "code": 10003}, status=404)
        body = await _body(request)
        key = (channel, str(body.get("nonce")))
        if body.get("enforce_nonce") and key in self._nonces:
            return self._nonces[key]
        made = self._message(channel, body)
        self._nonces[key] = made
        self.posted.append({**body, "channel_id": channel, "id": made["id"]})
        await self.write(made)
        return made

    def _message(self, channel: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._next_id += 1
        # Ids carry time: after everything that was said so far.
        id_ = str(max([self._next_id, *(i + 1 for i in self.messages[channel])]))
        embeds = [{**embed, "type": "rich"} for embed in body.get("embeds") or []]
        return {
            "id": id_, "channel_id": channel, "guild_id": GUILD, "author": ME, "content": body.get("content") or "",
            "timestamp": "2026-03-02T09:00:00+00:00", "edited_timestamp": None, "tts": False, "embeds": embeds,
            "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [],
            "components": body.get("components") or [], "reactions": [], "pinned": False, "type": 0, "flags": 0,
        }  # fmt: skip

    async def _acknowledge(self, request: web.Request, interaction: str) -> Any:
        self.acknowledged.append(await _body(request))
        return {"interaction": {"id": interaction, "type": 2}}

    async def _follow_up(self, request: web.Request, application: str) -> Any:
        self.followed_up.append(await _body(request))
        return self._message(GENERAL, self.followed_up[-1])

    def _archived(self, request: web.Request, channel: str) -> Any:
        found = [t for t in self.threads.values() if t["parent_id"] == channel and t["thread_metadata"]["archived"]]
        found.sort(key=lambda thread: thread["thread_metadata"]["archive_timestamp"], reverse=True)
        if "before" in request.query:
            found = [t for t in found if t["thread_metadata"]["archive_timestamp"] < request.query["before"]]
        most = min(int(request.query.get("limit", "50")), LONGEST_PAGE)
        return {"threads": found[:most], "members": [], "has_more": len(found) > most}

    def _channel(self, request: web.Request, channel: str) -> Any:
        found = self.channels.get(channel) or self.threads.get(channel)
        return found or _json({"message": "Unknown Channel", "code": 10003}, status=404)


async def _body(request: web.Request) -> dict[str, Any]:
    if not request.content_type.startswith("multipart/"):
        found: dict[str, Any] = await request.json()
        return found
    body: dict[str, Any] = {}
    async for part in await request.multipart():
        if getattr(part, "name", None) == "payload_json":
            body |= json.loads(await part.text())  # type: ignore[union-attr]  # no nested multipart here
        else:
            body.setdefault("files", []).append(bytes(await part.read()))  # type: ignore[union-attr]
    return body


def _json(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    # Bytes: with a charset in the content type, discord.py leaves JSON a string.
    body = json.dumps(data).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=dict(headers or {}))


@asynccontextmanager
async def local_discord(server: LocalDiscord | None = None, *, port: int = 0) -> AsyncIterator[LocalDiscord]:
    """A running server, to which discord.py connects until it ends."""
    server = server or LocalDiscord()
    app = web.Application()
    app.add_routes([web.get("/", server.gateway), web.route("*", "/api/v10/{path:.*}", server.rest)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    server.host = f"127.0.0.1:{runner.addresses[0][1]}"
    before = Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = f"http://{server.host}/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://{server.host}/")
    try:
        yield server
    finally:
        Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before
        await runner.cleanup()
