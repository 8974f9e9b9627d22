"""The gateway of the local Discord: sessions that can be resumed, and every way of losing one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

ME = {"id": "1", "username": "Roomtone", "discriminator": "0", "avatar": None, "bot": True, "global_name": None}
TOKEN = "token-of-a-test"


@dataclass(slots=True)
class Session:
    """A gateway session: what was dispatched in it, so that it can be resumed."""

    id: str
    sent: list[dict[str, Any]] = field(default_factory=list)
    socket: web.WebSocketResponse | None = None
    resumable: bool = True


class Gateway:
    """Tells whoever connects what is dispatched, beginning with `servers`; one client at a time."""

    def __init__(self) -> None:
        self.sockets = 0
        self.identified = 0
        self.resumed = 0
        self.frames: list[int] = []
        self.silent = False
        """Answer no heartbeat and send nothing."""
        self.heartbeat_interval = 41_250
        self.close_next: int | None = None
        """Close the next IDENTIFY with this code."""
        self.intents = 0
        self._sessions: dict[str, Session] = {}
        self._current: Session | None = None
        self._dispatching = True
        self.host = ""

    def servers(self) -> Sequence[Mapping[str, Any]]:
        """The servers that the client is in, whole."""
        raise NotImplementedError

    async def dispatch(self, event: str, payload: Any) -> None:
        """Tell the connected client; kept for a resume while it is away."""
        session = self._current
        if session is None or not self._dispatching:
            return
        frame = {"op": 0, "t": event, "s": len(session.sent) + 1, "d": payload}
        session.sent.append(frame)
        if session.socket is not None and not session.socket.closed and not self.silent:
            with suppress(ConnectionError):
                await session.socket.send_json(frame)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What happens in here is never told."""
        self._dispatching = False
        try:
            yield
        finally:
            self._dispatching = True

    async def repeat(self, count: int) -> None:
        """The last `count` events are told again."""
        assert self._current is not None
        assert self._current.socket is not None
        for frame in self._current.sent[-count:]:
            await self._current.socket.send_json(frame)

    # Faults of the connection

    async def close(self, code: int) -> None:
        """Close the socket with `code`."""
        socket = self._socket()
        if code == 1000 or code > 1001:
            await socket.close(code=code)
        else:
            await socket.close(code=WSCloseCode.GOING_AWAY)

    async def ask_to_reconnect(self) -> None:
        """Op 7."""
        await self._socket().send_json({"op": 7, "d": None})

    async def invalidate(self, *, resumable: bool) -> None:
        """Op 9."""
        assert self._current is not None
        self._current.resumable = resumable
        await self._socket().send_json({"op": 9, "d": resumable})

    def lose_session(self) -> None:
        """The session can't be resumed any more."""
        assert self._current is not None
        self._current.resumable = False

    @property
    def connected(self) -> bool:
        return self._current is not None and self._current.socket is not None and not self._current.socket.closed

    def _socket(self) -> web.WebSocketResponse:
        assert self._current is not None
        assert self._current.socket is not None
        return self._current.socket

    # The client's frames

    async def gateway(self, request: web.Request) -> web.WebSocketResponse:
        self.sockets += 1
        socket = web.WebSocketResponse(autoclose=True)
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": self.heartbeat_interval}})
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            sent = frame.json()
            self.frames.append(sent["op"])
            match sent["op"]:
                case 1 if not self.silent:
                    await socket.send_json({"op": 11})
                case 2:
                    await self._identify(socket, sent["d"])
                case 6:
                    await self._resume(socket, sent["d"])
        return socket

    async def _identify(self, socket: web.WebSocketResponse, asked: Mapping[str, Any]) -> None:
        self.identified += 1
        self.intents = asked["intents"]
        if asked["token"] != TOKEN:
            await socket.close(code=4004)
            return
        if self.close_next is not None:
            code, self.close_next = self.close_next, None
            await socket.close(code=code)
            return
        session = Session(f"session-{self.identified}", socket=socket)
        self._sessions[session.id] = self._current = session
        there = self.servers()
        ready = {
            "v": 10, "user": ME, "session_id": session.id, "shard": [0, 1],
            "guilds": [{"id": server["id"], "unavailable": True} for server in there],
            "resume_gateway_url": f"ws://{self.host}/", "application": {"id": "1", "flags": 1 << 18},
        }  # fmt: skip
        await self.dispatch("READY", ready)
        for server in there:
            await self.dispatch("GUILD_CREATE", {**server, "unavailable": False})

    async def _resume(self, socket: web.WebSocketResponse, asked: Mapping[str, Any]) -> None:
        session = self._sessions.get(asked["session_id"])
        if session is None or not session.resumable:
            await socket.send_json({"op": 9, "d": False})
            return
        self.resumed += 1
        session.socket, self._current = socket, session
        for frame in [frame for frame in session.sent if frame["s"] > asked["seq"]]:
            await socket.send_json(frame)
        await self.dispatch("RESUMED", {})
