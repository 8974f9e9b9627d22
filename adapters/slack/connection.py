"""The ways in: Socket Mode, kept open whatever happens to it, or signed HTTP requests."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.request import SocketModeRequest

from adapters.slack.calls import Calls, Refusal, Uncertain
from adapters.slack.manifest import PATH
from bot.errors import ConfigurationError, PlatformError

API = "https://slack.com/api/"
EVENTS_AT_ONCE = 64
"""Events handled at the same time; they share commits, so more would only keep commands waiting longer."""
CALL_SECONDS = 10.0
DRAIN_SECONDS = 5.0
LARGEST_BODY = 4 * 2**20

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """What opens one workspace. With `app_token` it is Socket Mode, else HTTP with `signing_secret`.

    Raises ConfigurationError if neither is there, or a token is of the wrong kind.
    """

    bot_token: str = field(repr=False)
    app_token: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 3000
    api: str = API

    def __post_init__(self) -> None:
        if not self.bot_token.startswith(("xoxb-", "xoxe.xoxb-")):
            raise ConfigurationError(
                "ROOMTONE_SLACK_BOT_TOKEN is no bot token: copy the one under 'OAuth & Permissions' (xoxb-…)."
            )
        if self.app_token is not None and not self.app_token.startswith("xapp-"):
            raise ConfigurationError(
                "ROOMTONE_SLACK_APP_TOKEN is no app token: make one that begins with xapp- under 'Basic Information'."
            )
        if self.app_token is None and self.signing_secret is None:
            raise ConfigurationError(
                "Slack needs ROOMTONE_SLACK_APP_TOKEN (Socket Mode, the simple way) or ROOMTONE_SLACK_SIGNING_SECRET "
                "(HTTP, with a public address): see docs/slack.md."
            )


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are looked after, in seconds."""

    watch: float = 1.0
    ping: float = 5.0
    dead: float = 2.0
    """How long a socket may be gone before its ticket is thrown away: the SDK would try the same one for ever."""
    hopeless: float = 60.0
    """How long before the whole socket client is."""
    upkeep: float = 60.0
    settle: float = 30.0
    retry: float = 1.0
    silent: float = 300.0
    scan_waits: tuple[float, ...] = (2.0, 4.0, 8.0)


class Connection:
    """The way in that `access` opens. `lost` is called whenever events may have been missed."""

    def __init__(self, access: Access, pace: Pace, *, lost: Callable[[], None]) -> None:
        self._access = access
        self._pace = pace
        self._lost = lost
        self._deaf = asyncio.Event()
        self.ready = asyncio.Event()
        """Set while events can arrive."""
        self.port = access.port
        """Where HTTP mode listens, once it does."""

    async def run(self, app: AsyncApp, calls: Calls) -> None:
        """Hand everything that arrives to `app`, until cancelled. Raises PlatformError, ConfigurationError."""
        await (self._by_socket(app, calls) if self._access.app_token else self._by_http(app))

    def renew(self) -> None:
        """The socket is open and silent: make a new one."""
        self._deaf.set()

    async def _by_socket(self, app: AsyncApp, calls: Calls) -> None:
        """Keep a socket open, whatever happens to it."""
        at_start = True
        while True:
            # The SDK would try a wrong token for ever without a word.
            await self._open_for_business(calls, at_start=at_start)
            at_start = False
            socket = Socket(app, self._access.app_token, ping_interval=self._pace.ping)
            # Of a disconnect the SDK tells only those who hear the raw frames.
            socket.client.on_message_listeners.append(self._heard)
            connecting = asyncio.create_task(socket.client.connect())  # type: ignore[no-untyped-call]
            try:
                await self._watched(socket)
            finally:
                self.ready.clear()
                await self._drained(socket)
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)
                await socket.client.close()  # type: ignore[no-untyped-call]

    async def _open_for_business(self, calls: Calls, *, at_start: bool) -> None:
        """Wait until Slack grants a socket. Raises PlatformError if it refuses one `at_start`; later it may yet."""
        pause = self._pace.retry
        while True:
            try:
                await calls.read("apps.connections.open", {}, token=self._access.app_token)
                return
            except Refusal as refusal:
                if refusal.code != "ratelimited":
                    refused = PlatformError(f"Socket Mode is refused. ROOMTONE_SLACK_APP_TOKEN: {refusal}")
                    if at_start:
                        raise refused from refusal
                    _log.error("no socket is to be had", why=str(refused), next_try_in_s=pause)
            except Uncertain as error:
                _log.warning("slack can't be reached", why=str(error), next_try_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(60.0, 2 * pause)

    async def _watched(self, socket: Socket) -> None:
        """Look after a socket until there is no hope for it."""
        loop = asyncio.get_running_loop()
        session: object = None
        alive = loop.time()
        while True:
            await asyncio.sleep(self._pace.watch if session is not None else min(0.02, self._pace.watch))
            if self._deaf.is_set():
                self._deaf.clear()
                _log.error("slack's socket is open and silent; a new one is made")
                return
            if await socket.client.is_connected():
                alive = loop.time()
                if socket.client.current_session is not session:
                    # A new line, and nobody knows what the old one dropped.
                    session = socket.client.current_session
                    self.ready.set()
                    _log.info("connected to Slack")
                    self._lost()
                continue
            if self.ready.is_set():
                self.ready.clear()
                _log.warning("the line to Slack is gone; it is made again")
            dead = loop.time() - alive
            if dead >= self._pace.hopeless:
                _log.error("slack's socket can't be brought back; a new one is made", seconds=round(dead))
                return
            if dead >= self._pace.dead:
                socket.client.wss_uri = None  # its ticket may be dead too, and the SDK would keep trying it

    async def _heard(self, frame: aiohttp.WSMessage) -> None:
        if '"disconnect"' not in frame.data[:200] or "link_disabled" not in frame.data[:200]:
            return
        with suppress(ValueError):
            if frame.json().get("type") == "disconnect":
                _log.error("socket mode is off", mend="Switch it on under 'Socket Mode' in the app's settings.")

    async def _drained(self, socket: Socket) -> None:
        """Wait for what is being accepted, so that it is acknowledged too."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while socket.busy:  # noqa: ASYNC110  # a few rounds at most, at the very end
                    await asyncio.sleep(0.01)
        except TimeoutError:
            _log.warning("events were still on their way; slack sends them again")
        socket.closing = True

    async def _by_http(self, app: AsyncApp) -> None:
        """Listen for signed requests."""

        async def receive(request: web.Request) -> web.StreamResponse:
            body = await request.text()
            if request.content_type == "application/json":
                try:
                    json.loads(body)
                except ValueError:
                    _log.warning("a request was refused: it is no JSON")
                    return web.Response(status=400)
            answer = await app.async_dispatch(await to_bolt_request(request))
            if answer.status == 401:
                _log.warning(
                    "a request was refused: its signature is missing, wrong, or over five minutes old",
                    mend="If it came from Slack, compare ROOMTONE_SLACK_SIGNING_SECRET and this machine's clock.",
                )
            return await to_aiohttp_response(answer)

        server = web.Application(client_max_size=LARGEST_BODY)
        server.add_routes([web.post(PATH, receive)])
        runner = web.AppRunner(server, access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._access.host, self._access.port).start()
            self.port = int(runner.addresses[0][1])
            self._lost()
            self.ready.set()
            _log.info("listening for Slack", host=self._access.host, port=self.port, path=PATH)
            await asyncio.Event().wait()
        except OSError as error:
            raise ConfigurationError(
                f"Port {self._access.port} can't be used ({error.strerror}): set ROOMTONE_SLACK_PORT to a free one."
            ) from error
        finally:
            self.ready.clear()
            await runner.cleanup()


class Socket(AsyncSocketModeHandler):
    """Bolt's socket, which also knows how many envelopes it hasn't answered yet, and lets people go first."""

    def __init__(self, app: AsyncApp, app_token: str | None, *, ping_interval: float) -> None:
        # What goes wrong with a line we tell ourselves, once; the SDK does every few seconds.
        super().__init__(app, app_token, logger=quiet_logger(logging.CRITICAL), ping_interval=ping_interval)
        self.busy = 0
        self.closing = False
        """Handle nothing more: the line is about to go, and what needs us may be gone after it."""
        self._gate = asyncio.Semaphore(EVENTS_AT_ONCE)

    async def handle(self, client: Any, req: SocketModeRequest) -> None:
        """Handle one envelope, and acknowledge it if that went well."""
        self.busy += 1
        try:
            # The SDK makes a task of every envelope at once: a flood of events would keep a command from its turn.
            async with self._gate if req.type == "events_api" else nullcontext():
                if not self.closing:
                    await super().handle(client, req)
        except (ConnectionError, aiohttp.ClientError) as error:
            # The SDK would log a traceback for every envelope that was under way when the line went.
            _log.debug("an acknowledgement found no line; slack sends the event again", error=type(error).__name__)
        finally:
            self.busy -= 1


def quiet_logger(level: int = logging.WARNING) -> logging.Logger:
    """Bolt's and the SDK's logger: at DEBUG they write whole messages and tokens, so they never get there."""
    logger = logging.getLogger(f"adapters.slack.sdk.{logging.getLevelName(level).lower()}")
    logger.setLevel(level)
    return logger
