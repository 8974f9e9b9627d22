"""A Slack of our own on loopback: Web API, Socket Mode, signed HTTP events, files, and faults on command.

The real bolt and SDK connect to it. People act through `say`, `edit`, `delete`, `react`, `command` and `click`, and
what the bot posts is kept in `posts`. Faults for a method wait in `faults` and are used up one a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from tests.servers.slack_limits import TEXT_ADVISED, length, view_violations, violations

TEAM = "T0ACME"
BOT_USER = "U0ROOM"
BOT_ID = "B0ROOM"
BOT_TOKEN = "xoxb-local"
APP_TOKEN = "xapp-local"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SCOPES = (
    "commands,chat:write,app_mentions:read,channels:history,channels:read,files:write,im:history,"
    "groups:history,groups:read,reactions:read,users:read"
)

Args = dict[str, Any]
Fault = Callable[["Slack", web.Request, Args], Awaitable[web.StreamResponse | None]]
"""Answers in the method's place; None lets the method answer after all."""


@dataclass
class Room:
    """A conversation. `messages` and `replies` are records as `conversations.history` gives them, by ts."""

    id: str
    name: str
    private: bool = False
    members: set[str] = field(default_factory=set)
    creator: str = "U1"
    archived: bool = False
    shared: bool = False
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """As the argument `types` of users.conversations says it."""
        if self.id.startswith("D"):
            return "im"
        return "private_channel" if self.private else "public_channel"


@dataclass
class Delivery:
    """An envelope on its way: `acked` is done with what the other side answered."""

    body: dict[str, Any]
    kind: str
    envelope_id: str
    acked: asyncio.Future[dict[str, Any]]
    sent_at: float = 0.0
    attempts: int = 0
    held: bool = False
    """Waiting for a socket: nobody has had it, so it isn't late."""


class Slack:
    """The server: one workspace, as many sockets as ask.

    `redeliver_after` seconds without an ack it sends an event again, `tries` times in all.
    """

    def __init__(self, *, redeliver_after: float = 30.0, tries: int = 20) -> None:
        self.rooms: dict[str, Room] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, Args]] = []
        self.posts: list[Args] = []
        self.ephemeral: list[Args] = []
        self.responses: defaultdict[str, list[Args]] = defaultdict(list)
        self.homes: dict[str, Args] = {}
        self.views: list[Args] = []
        """The modals opened so far, each as it stands now."""
        self._hashes: list[str] = []
        self.files: dict[str, bytes] = {}
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self.scopes = SCOPES
        self.bot_token = BOT_TOKEN
        self.page = 200
        self.page_caps_requests = False
        self.unscanned = 0
        """How many posts with a fresh picture are refused before Slack has looked at it."""
        self.handshakes: list[int] = []
        """HTTP statuses with which the next WebSocket handshakes are refused."""
        self.acks: list[str] = []
        self.resent = 0
        self.ack_times: list[tuple[str, float]] = []
        self.redeliver_after = redeliver_after
        self.tries = tries
        self.http_url: str | None = None
        """Where events go by HTTP; None sends them through the sockets."""
        self.deaf = False
        """Sockets opened now stay open and silent for ever: no pong, no event, no acknowledgement."""
        self.links = 0
        """Sockets opened so far."""
        self.date: str | None = None
        """What the Web API says the time is, where that isn't the truth."""
        self._silent: set[web.WebSocketResponse] = set()
        self._uses: Counter[str] = Counter()
        self._sockets: list[web.WebSocketResponse] = []
        self._waiting: dict[str, Delivery] = {}
        self._connected = asyncio.Event()
        self._changed = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._last_ts = Decimal(0)
        self._round = 0
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_get("/link", self._link)
        app.router.add_post("/upload/{file}", self._upload)
        app.router.add_post("/respond/{url}", self._respond)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._session = aiohttp.ClientSession()
        self._start(self._redeliver())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in list(self._sockets):
            with suppress(Exception):
                await asyncio.wait_for(socket.close(), 0.5)
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api(self) -> str:
        """The address that takes the place of https://slack.com/api/."""
        return f"{self.url}/api/"

    # ---- the workspace ------------------------------------------------------------------------------------------

    def room(self, id_: str, name: str, *members: str, private: bool = False, joined: bool = True) -> Room:
        """A new channel, with the bot in it unless `joined` is False."""
        room = Room(id_, name, private, set(members) | ({BOT_USER} if joined else set()))
        self.rooms[id_] = room
        return room

    def person(self, id_: str, **profile: Any) -> str:
        """Somebody with an account; `profile` adds to what users.info says."""
        self.people[id_] = {"id": id_, "team_id": TEAM, "tz": "Europe/Berlin", "is_bot": False, **profile}
        return id_

    def ts(self, at: float | None = None) -> str:
        """A `ts` that nothing else has: now, or about `at`."""
        moment = Decimal(f"{time.time() if at is None else at:.6f}")
        if at is None:
            moment = max(moment, self._last_ts + Decimal("0.000100"))
            self._last_ts = moment
        return f"{moment:.6f}"

    def say(self, room: str, user: str, text: str, *, ts: str | None = None, thread: str | None = None,
            **extra: Any) -> dict[str, Any]:  # fmt: skip
        """Somebody writes: the record is kept, and the event returned, undelivered."""
        ts = ts or self.ts()
        record: dict[str, Any] = {"type": "message", "user": user, "text": text, "ts": ts, "team": TEAM, **extra}
        messages = self.rooms[room].messages
        if thread is not None:
            record["thread_ts"] = thread
            root = messages[thread]
            root["thread_ts"] = thread
            root["reply_count"] = root.get("reply_count", 0) + 1
            root["latest_reply"] = max(ts, root.get("latest_reply", ts), key=Decimal)
        messages[ts] = record
        return {**record, "channel": room, "channel_type": self._type(room), "event_ts": ts}

    def edit(self, room: str, ts: str, text: str, *, at: str | None = None) -> dict[str, Any]:
        """The event of an edit; `at` is its moment."""
        at = at or self.ts()
        record = self.rooms[room].messages[ts]
        previous = dict(record)
        record |= {"text": text, "edited": {"user": record.get("user"), "ts": f"{int(Decimal(at))}.000000"}}
        return self._changed_event(room, dict(record), previous, at)

    def delete(self, room: str, ts: str, *, at: str | None = None) -> dict[str, Any]:
        """The event of a deletion. A root with replies stays as a tombstone, as Slack keeps it."""
        at = at or self.ts()
        messages = self.rooms[room].messages
        record = messages[ts]
        if record.get("reply_count") and record.get("subtype") != "tombstone":
            tombstone = {
                "type": "message", "subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.",
                "hidden": True, "ts": ts, "thread_ts": ts, "reply_count": record["reply_count"],
                "latest_reply": record["latest_reply"],
            }  # fmt: skip
            messages[ts] = tombstone
            return self._changed_event(room, dict(tombstone), record, at)
        del messages[ts]
        return {
            "type": "message", "subtype": "message_deleted", "hidden": True, "deleted_ts": ts, "channel": room,
            "channel_type": self._type(room), "previous_message": record, "ts": at, "event_ts": at,
        }  # fmt: skip

    def react(self, room: str, ts: str, user: str, name: str, *, added: bool = True) -> dict[str, Any]:
        """The event of a reaction given or taken back."""
        return {
            "type": "reaction_added" if added else "reaction_removed", "user": user, "reaction": name,
            "item": {"type": "message", "channel": room, "ts": ts}, "event_ts": self.ts(),
        }  # fmt: skip

    def _changed_event(self, room: str, message: Args, previous: Args, at: str) -> dict[str, Any]:
        return {
            "type": "message", "subtype": "message_changed", "hidden": True, "message": message,
            "previous_message": previous, "channel": room, "channel_type": self._type(room), "ts": at, "event_ts": at,
        }  # fmt: skip

    def _type(self, room: str) -> str:
        return "im" if room.startswith("D") else "group" if self.rooms[room].private else "channel"

    # ---- what goes to the app -----------------------------------------------------------------------------------

    def wrapped(self, event: Args, *, team: str = TEAM) -> dict[str, Any]:
        """An event in its envelope's payload."""
        return {
            "token": "x", "team_id": team, "api_app_id": "A1", "type": "event_callback", "event": event,
            "event_id": f"Ev{next(self._numbers)}", "event_time": int(time.time()),
            "authorizations": [{"team_id": team, "user_id": BOT_USER, "is_bot": True, "enterprise_id": None}],
            "is_ext_shared_channel": False,
        }  # fmt: skip

    async def deliver(self, event: Args, *, team: str = TEAM, wait: float | None = 30.0) -> Any:
        """Send an event and wait for its acknowledgement; None if none came in time."""
        return await self.send("events_api", self.wrapped(event, team=team), wait=wait)

    async def send(self, kind: str, body: Args, *, wait: float | None = 30.0, envelope: str | None = None) -> Any:
        """Send a payload of `events_api`, `slash_commands` or `interactive`."""
        delivery = self.post(kind, body, envelope=envelope)
        if wait is None:
            return None
        try:
            return await asyncio.wait_for(asyncio.shield(delivery.acked), wait)
        except TimeoutError:
            return None

    def post(self, kind: str, body: Args, *, envelope: str | None = None) -> Delivery:
        """Put a payload on its way."""
        id_ = envelope or f"E{next(self._numbers)}"
        delivery = Delivery(body, kind, id_, asyncio.get_running_loop().create_future())
        self._waiting[id_] = delivery
        self._start(self._transmit(delivery))
        return delivery

    async def command(self, user: str, room: str, text: str, *, wait: float = 30.0) -> Any:
        """`/roomtone TEXT`: what the ack says. Later responses come into `responses[user]`."""
        name = self.rooms[room].name if room in self.rooms else "directmessage"
        return await self.send("slash_commands", self.command_body(user, room, text, name), wait=wait)

    def command_body(self, user: str, room: str, text: str, name: str = "channel") -> Args:
        """What Slack sends for `/roomtone TEXT`."""
        return {
            "token": "x", "team_id": TEAM, "team_domain": "acme", "channel_id": room, "channel_name": name,
            "user_id": user, "user_name": user.lower(), "command": "/roomtone", "text": text, "api_app_id": "A1",
            "is_enterprise_install": "false", "response_url": self._response_url(user), "trigger_id": "1.2.3",
        }  # fmt: skip

    def _response_url(self, user: str) -> str:
        """An address that takes five messages, as Slack's do."""
        return f"{self.url}/respond/{user}?use={next(self._numbers)}"

    async def click(self, user: str, room: str, action_id: str, value: str = "", **extra: Any) -> Any:
        """A click on a button in a message (or, with `view=`, in a view)."""
        body: Args = {
            "type": "block_actions", "user": {"id": user, "team_id": extra.pop("user_team", TEAM)},
            "team": {"id": TEAM, "domain": "acme"}, "api_app_id": "A1", "token": "x", "trigger_id": "1.2.3",
            "container": {"type": "message", "channel_id": room, "is_ephemeral": True},
            "channel": {"id": room, "name": "x"}, "response_url": self._response_url(user),
            "actions": [{"type": "button", "action_id": action_id, "block_id": "b", "value": value, "action_ts": "1"}],
            **extra,
        }  # fmt: skip
        return await self.send("interactive", body)

    async def _transmit(self, delivery: Delivery) -> None:
        if self.http_url is None:
            delivery.held = True
            await self._connected.wait()
            delivery.held = False
        delivery.sent_at = time.monotonic()
        delivery.attempts += 1
        if self.http_url is not None:
            await self._by_http(delivery)
            return
        socket = self._sockets[self._round % len(self._sockets)]
        self._round += 1
        frame = {
            "type": delivery.kind, "envelope_id": delivery.envelope_id, "payload": delivery.body,
            "accepts_response_payload": delivery.kind != "events_api",
        }  # fmt: skip
        if delivery.kind == "events_api":
            retry = {"retry_attempt": delivery.attempts - 1}
            frame |= retry | ({"retry_reason": "timeout"} if delivery.attempts > 1 else {})
        if socket not in self._silent:
            with suppress(ConnectionError, RuntimeError):
                await socket.send_json(frame)

    async def _by_http(self, delivery: Delivery) -> None:
        assert self._session is not None
        assert self.http_url is not None
        status, answer = await self.http(delivery.kind, delivery.body, retry=delivery.attempts - 1)
        if status == 200:
            self._acknowledge(delivery.envelope_id, answer)

    async def http(self, kind: str, body: Args, *, retry: int = 0, age: float = 0, secret: str = SECRET,
                   signed: bool = True) -> tuple[int, Args]:  # fmt: skip
        """One signed request as Slack makes it, `age` seconds ago; the status and JSON of the answer."""
        assert self._session is not None
        assert self.http_url is not None
        if kind == "events_api":
            data, content_type = json.dumps(body), "application/json"
        else:
            form = {"payload": json.dumps(body)} if kind == "interactive" else body
            data, content_type = urlencode(form), "application/x-www-form-urlencoded"
        stamp = str(int(time.time() - age))
        digest = hmac.new(secret.encode(), f"v0:{stamp}:{data}".encode(), hashlib.sha256).hexdigest()
        headers = {"Content-Type": content_type}
        if signed:
            headers |= {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
        if retry:
            headers |= {"x-slack-retry-num": str(retry), "x-slack-retry-reason": "http_timeout"}
        async with self._session.post(self.http_url, data=data, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else {"text": text}

    async def _redeliver(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.redeliver_after / 4))
            late = time.monotonic() - self.redeliver_after
            for delivery in list(self._waiting.values()):
                if delivery.kind != "events_api" or delivery.held:
                    continue
                if 0 < delivery.sent_at < late and delivery.attempts < self.tries:
                    self.resent += 1
                    self._start(self._transmit(delivery))

    def _acknowledge(self, envelope_id: str, payload: Args) -> None:
        delivery = self._waiting.pop(envelope_id, None)
        self.acks.append(envelope_id)
        if delivery is not None:
            self.ack_times.append((delivery.kind, time.monotonic() - delivery.sent_at))
            if not delivery.acked.done():
                delivery.acked.set_result(payload)

    # ---- sockets ------------------------------------------------------------------------------------------------

    async def connected(self) -> None:
        """Wait until somebody has a socket open."""
        await asyncio.wait_for(self._connected.wait(), 30)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every socket to come again."""
        for socket in list(self._sockets):
            with suppress(ConnectionError, RuntimeError):
                await socket.send_json({"type": "disconnect", "reason": reason})

    def cut(self) -> None:
        """Cut every socket's line without a word."""
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    def break_off(self) -> None:
        """Cut every socket's line in the middle of a frame."""
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.write(b'\x81\x7e\x04\x00{"type":"events_api"')  # 1,024 bytes are announced
                transport.close()

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return len(self._sockets)

    async def _link(self, request: web.Request) -> web.StreamResponse:
        if self.handshakes:
            return web.Response(status=self.handshakes.pop(0))
        socket = web.WebSocketResponse(autoping=not self.deaf, max_msg_size=0)
        await socket.prepare(request)
        await socket.send_json(
            {"type": "hello", "num_connections": len(self._sockets) + 1, "connection_info": {"app_id": "A1"}}
        )
        self._sockets.append(socket)
        if self.deaf:
            self._silent.add(socket)
        self.links += 1
        self._connected.set()
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT and socket not in self._silent and frame.data.startswith("{"):
                    data = frame.json()
                    self._acknowledge(data.get("envelope_id", ""), data.get("payload") or {})
        finally:
            self._sockets.remove(socket)
            if not self._sockets:
                self._connected.clear()
        return socket

    # ---- the Web API --------------------------------------------------------------------------------------------

    def called(self, method: str) -> list[Args]:
        """The arguments of every call of `method`."""
        return [args for name, args in self.calls if name == method]

    async def until(self, condition: Callable[[], bool], *, within: float = 30.0) -> None:
        """Wait until `condition` holds. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0.01)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        args = await _arguments(request)
        self.calls.append((method, args))
        if self.faults[method] and (answer := await self.faults[method].pop(0)(self, request, args)) is not None:
            return answer
        wanted = APP_TOKEN if method == "apps.connections.open" else self.bot_token
        if request.headers.get("Authorization") != f"Bearer {wanted}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        handler = getattr(self, "_" + method.replace(".", "_"), None)
        said = _failed("unknown_method") if handler is None else handler(args)
        headers = {"x-oauth-scopes": self.scopes} if method == "auth.test" else {}
        if self.date is not None:
            headers["Date"] = self.date
        return web.json_response({"ok": True, **said}, headers=headers)

    def _apps_connections_open(self, args: Args) -> Args:
        return {"url": f"ws{self.url.removeprefix('http')}/link?ticket={next(self._numbers)}"}

    def _auth_test(self, args: Args) -> Args:
        return {
            "url": "https://acme.slack.com/", "team": "Acme", "user": "roomtone", "team_id": TEAM,
            "user_id": BOT_USER, "bot_id": BOT_ID,
        }  # fmt: skip

    def _users_info(self, args: Args) -> Args:
        if "users:read" not in self.scopes:
            return _failed("missing_scope")
        person = self.people.get(args["user"])
        return _failed("user_not_found") if person is None else {"user": person}

    def _users_conversations(self, args: Args) -> Args:
        wanted = set(args.get("types", "public_channel").split(","))
        rooms = [
            room for room in self.rooms.values()
            if BOT_USER in room.members and room.kind in wanted
            and not (room.archived and _true(args.get("exclude_archived")))
        ]  # fmt: skip
        return self._paged("channels", [_conversation(room) for room in rooms], args)

    def _conversations_info(self, args: Args) -> Args:
        room = self.rooms.get(args["channel"])
        if room is None or (room.private and BOT_USER not in room.members):
            return _failed("channel_not_found")
        return {"channel": _conversation(room)}

    def _conversations_members(self, args: Args) -> Args:
        room = self.rooms.get(args["channel"])
        return _failed("channel_not_found") if room is None else self._paged("members", sorted(room.members), args)

    def _conversations_history(self, args: Args) -> Args:
        room = self.rooms.get(args["channel"])
        if room is None or BOT_USER not in room.members:
            return _failed("not_in_channel" if room else "channel_not_found")
        records = [r for r in room.messages.values() if _in_history(r)]
        records = sorted(_between(records, args), key=lambda r: Decimal(r["ts"]), reverse=True)
        return self._paged("messages", _as_asked(records, args), args)

    def _conversations_replies(self, args: Args) -> Args:
        room = self.rooms.get(args["channel"])
        if room is None or BOT_USER not in room.members:
            return _failed("not_in_channel" if room else "channel_not_found")
        root = args["ts"]
        if root not in room.messages:
            return _failed("thread_not_found")
        replies = [r for r in room.messages.values() if r.get("thread_ts") == root and r["ts"] != root]
        replies = sorted(_between(replies, args), key=lambda r: Decimal(r["ts"]))
        return self._paged("messages", _as_asked([room.messages[root], *replies], args), args)

    def _paged(self, key: str, items: list[Any], args: Args) -> Args:
        start = int(args.get("cursor") or 0)
        size = min(self.page, int(args.get("limit") or 100))
        end = start + size
        more = end < len(items)
        return {
            key: items[start:end],
            "has_more": more,
            "response_metadata": {"next_cursor": str(end) if more else ""},
        }

    def _chat_postMessage(self, args: Args) -> Args:
        if wrong := self._refused(args):
            return _failed(wrong)
        room = self.rooms[args["channel"]]
        ts = self.ts()
        self.posts.append({**args, "ts": ts})
        record = {
            "type": "message", "bot_id": BOT_ID, "user": BOT_USER, "text": args.get("text", ""), "ts": ts,
            "blocks": args.get("blocks", []), "metadata": args.get("metadata", {}),
        }  # fmt: skip
        if thread := args.get("thread_ts"):
            record["thread_ts"] = thread
        room.messages[ts] = record
        return {"channel": room.id, "ts": ts, "message": record}

    def _chat_postEphemeral(self, args: Args) -> Args:
        if wrong := self._refused(args):
            return _failed(wrong)
        self.ephemeral.append(args)
        return {"message_ts": self.ts()}

    def _refused(self, args: Args) -> str | None:
        room = self.rooms.get(args["channel"])
        if room is None:
            return "channel_not_found"
        if BOT_USER not in room.members:
            return "not_in_channel"
        if room.archived:
            return "is_archived"
        blocks = args.get("blocks") or []
        if any("slack_file" in block for block in blocks) and self.unscanned:
            self.unscanned -= 1
            return "invalid_blocks"
        if violations(blocks) or length(args.get("text") or "") > TEXT_ADVISED:
            return "invalid_blocks"
        return None

    def _views_publish(self, args: Args) -> Args:
        if view_violations(args["view"]):
            return _failed("invalid_arguments")
        self.homes[args["user_id"]] = args["view"]
        return {"view": {"id": "V0", "hash": "1"}}

    def _views_open(self, args: Args) -> Args:
        if view_violations(args["view"]):
            return _failed("invalid_arguments")
        self.views.append(args["view"])
        self._hashes.append(f"{next(self._numbers)}.hash")
        return self._opened(len(self.views))

    def _views_update(self, args: Args) -> Args:
        number = int(args["view_id"].removeprefix("V"))
        if view_violations(args["view"]):
            return _failed("invalid_arguments")
        if args.get("hash") != self._hashes[number - 1]:
            return _failed("hash_conflict")
        self.views[number - 1] = args["view"]
        self._hashes[number - 1] = f"{next(self._numbers)}.hash"
        return self._opened(number)

    def _opened(self, number: int) -> Args:
        return {"view": {"id": f"V{number}", "hash": self._hashes[number - 1]}}

    def _files_getUploadURLExternal(self, args: Args) -> Args:
        file = f"F{next(self._numbers)}"
        return {"upload_url": f"{self.url}/upload/{file}", "file_id": file}

    def _files_completeUploadExternal(self, args: Args) -> Args:
        return {"files": [{"id": file["id"]} for file in args["files"]]}

    async def _upload(self, request: web.Request) -> web.Response:
        self.files[request.match_info["file"]] = await request.read()
        return web.Response(text="OK")

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        args: Args = await request.json()
        self._uses[request.path_qs] += 1
        if self._uses[request.path_qs] > 5:
            return web.Response(status=404, text="used_url")
        if self.faults["response_url"]:
            answer = await self.faults["response_url"].pop(0)(self, request, args)
            if answer is not None:
                return answer
        if violations(args.get("blocks") or []):
            return web.Response(status=400, text="invalid_blocks")
        self.responses[request.match_info["url"]].append(args)
        return web.Response(text="ok")

    def _start(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, aiohttp.ClientError):
            raise error


# ---- faults ---------------------------------------------------------------------------------------------------------


def status(code: int, text: str = "<html>oops</html>", **headers: str) -> Fault:
    """Answers with an HTTP status and no JSON."""

    async def fault(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
        return web.Response(status=code, text=text, headers=headers)

    return fault


def error(name: str) -> Fault:
    """Answers 200 with `ok: false` and an error's name."""

    async def fault(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
        return web.json_response({"ok": False, "error": name})

    return fault


def limited(retry_after: str | None) -> Fault:
    """Answers 429, with a `Retry-After` unless it is None."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}

    async def fault(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)

    return fault


async def passes(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
    """No fault: this call goes well, the next fault is for the next one."""
    return None


def waits_for(event: asyncio.Event) -> Fault:
    """Answers, but not before `event`."""

    async def fault(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
        await event.wait()
        return None

    return fault


async def hangs(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
    """Takes the call and says nothing for a long time."""
    await asyncio.sleep(30)
    return None


async def drops(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
    """Hangs up before doing anything."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def drops_after_storing(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
    """Does what was asked, and hangs up before saying so."""
    method = request.match_info["method"].replace(".", "_")
    getattr(server, "_" + method)(args)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def half(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
    """Writes half an answer and hangs up."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"ok": tr')
    assert request.transport is not None
    request.transport.abort()
    return response


def writes(body: str, code: int = 200, content_type: str = "application/json") -> Fault:
    """Answers with any text at all."""

    async def fault(server: Slack, request: web.Request, args: Args) -> web.StreamResponse | None:
        return web.Response(status=code, text=body, content_type=content_type)

    return fault


# ---- shapes ---------------------------------------------------------------------------------------------------------


async def _arguments(request: web.Request) -> Args:
    args: Args = dict(request.query)
    if request.content_type == "application/json":
        args |= json.loads(await request.read() or b"{}")
    elif request.method == "POST":
        args |= {key: str(value) for key, value in (await request.post()).items()}
    for key in ("blocks", "view", "files", "metadata"):
        if isinstance(args.get(key), str):
            args[key] = json.loads(args[key])
    return args


def _conversation(room: Room) -> Args:
    return {
        "id": room.id, "name": room.name, "is_private": room.private, "is_archived": room.archived,
        "is_im": room.kind == "im", "is_member": BOT_USER in room.members, "creator": room.creator,
        "is_ext_shared": room.shared, "created": 1, "updated": int(time.time() * 1000),
    }  # fmt: skip


def _in_history(record: Mapping[str, Any]) -> bool:
    is_reply = record.get("thread_ts", record["ts"]) != record["ts"]
    return not is_reply or record.get("subtype") == "thread_broadcast"


def _between(records: list[Args], args: Args) -> list[Args]:
    oldest, latest = Decimal(args.get("oldest") or 0), Decimal(args.get("latest") or 10**12)
    inclusive = _true(args.get("inclusive"))
    return [
        r for r in records
        if oldest < Decimal(r["ts"]) < latest or (inclusive and Decimal(r["ts"]) in (oldest, latest))
    ]  # fmt: skip


def _as_asked(records: list[Args], args: Args) -> list[Args]:
    if _true(args.get("include_all_metadata")):
        return records
    return [{key: value for key, value in record.items() if key != "metadata"} for record in records]


def _true(value: Any) -> bool:
    return str(value).lower() in {"1", "true"}


def _failed(name: str) -> Args:
    return {"ok": False, "error": name}
