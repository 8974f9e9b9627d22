"""One workspace's bot: what is done about everything that arrives from Slack, and what is looked after besides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.asking import Answering, Asking
from adapters.slack.calls import Calls, Refusal, Uncertain
from adapters.slack.connection import CALL_SECONDS, DRAIN_SECONDS, Access, Connection, Pace, quiet_logger
from adapters.slack.desk import Desk
from adapters.slack.digests import WayOut
from adapters.slack.history import History
from adapters.slack.home import Home
from adapters.slack.manifest import SCOPES, SCOPES_MEND, granted, without
from adapters.slack.outlet import Draw, Outlet
from adapters.slack.people import People
from adapters.slack.translate import News, Told, Us, translate
from adapters.slack.upkeep import Upkeep
from bot.delivery import LOOK_EVERY, Delivery
from bot.errors import StorageError
from bot.ingest import Ingest
from bot.message import ChannelMoved
from bot.privacy import Pseudonyms
from bot.store import Cursors, Held, Inbox, Ledger, Notes, Readings, Subscriptions
from bot.writer import Writer

ACCEPT_SECONDS = 2.5
"""How long an event may take to be durable; Slack waits for 3 seconds and sends it again."""
ANSWERED = frozenset({"app_mention", "app_home_opened", "direct message"})
"""Kinds of events that aren't kept, and done something about all the same."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """The promises of storage that the client relies on."""

    inbox: Inbox
    ledger: Ledger
    readings: Readings
    cursors: Cursors
    notes: Notes
    held: Held
    subscriptions: Subscriptions


def _now() -> datetime:
    return datetime.now(UTC)


class Slack:
    """One workspace: reads the channels it was invited to, answers questions, and posts what was asked for."""

    def __init__(
        self,
        access: Access,
        *,
        ingest: Ingest,
        answers: Answering,
        writer: Writer,
        stores: Stores,
        pseudonyms: Pseudonyms,
        zone: ZoneInfo,
        draw: Draw | None = None,
        pace: Pace | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._access = access
        self._ingest = ingest
        self._answers = answers
        self._writer = writer
        self._stores = stores
        self._pseudonyms = pseudonyms
        self._zone = zone
        self._draw = draw
        self._pace = pace or Pace()
        self._clock = clock
        self._refusing = False
        self._passed_over: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = Connection(access, self._pace, lost=lambda: self._upkeep.missed())

    @property
    def ready(self) -> asyncio.Event:
        """Set while events can arrive."""
        return self._connection.ready

    @property
    def port(self) -> int:
        """Where HTTP mode listens, once it is ready."""
        return self._connection.port

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError if Slack refuses the tokens, ConfigurationError."""
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            calls = Calls(self._web(session, self._access.bot_token), pause=self._pace.retry)
            me = await self._identity(calls)
            await self._set_up(calls, session, me)
            app = self._app(session)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._connection.run(app, calls), name="slack connection")
                    tasks.create_task(self._upkeep.run(), name="slack upkeep")
                    tasks.create_task(self._upkeep.read_pasts(), name="slack pasts")
                    tasks.create_task(self._delivery.run(every=min(LOOK_EVERY, self._pace.upkeep)), name="slack posts")
            except ExceptionGroup as ended:
                raise ended.exceptions[0] from ended
            finally:
                await self._finished()

    @property
    def outlet(self) -> Outlet:
        """The way out, once `ready`."""
        return self._outlet

    # ---- starting ---------------------------------------------------------------------------------------------------

    def _web(self, session: aiohttp.ClientSession, token: str | None) -> AsyncWebClient:
        # No retries: after a dropped line the SDK would post a second time.
        return AsyncWebClient(
            token,
            self._access.api,
            session=session,
            retry_handlers=[],
            logger=quiet_logger(),
            timeout=int(CALL_SECONDS),
        )

    async def _identity(self, calls: Calls) -> Mapping[str, Any]:
        """Who we are. Waits out a Slack that can't say; raises Refusal if it doesn't know us."""
        pause = self._pace.retry
        while True:
            try:
                me, headers = await calls.headers("auth.test")
            except Refusal as refusal:
                if refusal.code != "ratelimited":
                    raise
            except Uncertain as error:
                _log.warning("slack can't be reached", why=str(error), next_try_in_s=pause)
            else:
                if missing := without(SCOPES, granted(headers) or frozenset(SCOPES)):
                    _log.warning("scopes are missing", missing=missing, mend=SCOPES_MEND)
                return me
            await asyncio.sleep(pause)
            pause = min(60.0, 2 * pause)

    async def _set_up(self, calls: Calls, session: aiohttp.ClientSession, me: Mapping[str, Any]) -> None:
        url = str(me.get("url") or "")
        us = self._us = Us(str(me.get("team_id")), str(me.get("user_id")), str(me.get("bot_id") or ""))
        stores = self._stores
        self._outlet = Outlet(
            calls,
            stores.notes,
            us,
            session,
            url=url,
            draw=self._draw,
            settle=self._pace.settle,
            scan_waits=self._pace.scan_waits,
        )
        people = People(calls, stores.readings, us, zone=self._zone)
        asking = Asking(calls, self._answers, people, self._outlet, us, self._pseudonyms, session, url=url)
        self._history = History(
            calls,
            self._ingest,
            inbox=stores.inbox,
            ledger=stores.ledger,
            cursors=stores.cursors,
            notes=stores.notes,
            held=stores.held,
            us=us,
            pseudonyms=self._pseudonyms,
            clock=self._clock,
        )
        way_out = WayOut(
            calls,
            self._outlet,
            stores.cursors,
            us,
            is_ready=self.ready.is_set,
            is_whole=self._history.is_whole,
        )
        self._delivery = Delivery(stores.subscriptions, self._writer, way_out, clock=self._clock)
        self._home = Home(calls, asking, people, stores.subscriptions, us, clock=self._clock)
        self._upkeep = Upkeep(
            self._connection,
            self._history,
            self._ingest,
            self._outlet,
            cursors=stores.cursors,
            notes=stores.notes,
            us=us,
            pace=self._pace,
            clock=self._clock,
            whole=self._whole,
        )
        self._desk = Desk(
            asking,
            self._home,
            self._history,
            people,
            stores.cursors,
            us,
            start=self._start,
            clock=self._clock,
        )

    def _app(self, session: aiohttp.ClientSession) -> AsyncApp:
        async def authorize() -> AuthorizeResult:
            # Bolt's own way asks auth.test, and acknowledges (loses) the event whenever that fails.
            return AuthorizeResult(
                enterprise_id=None,
                team_id=self._us.workspace,
                bot_user_id=self._us.user,
                bot_id=self._us.bot,
                bot_token=self._access.bot_token,
            )

        app = AsyncApp(
            name="roomtone",
            logger=quiet_logger(),
            signing_secret=self._access.signing_secret or "",
            client=self._web(session, None),
            authorize=authorize,
            request_verification_enabled=self._access.app_token is None,
            ignoring_self_events_enabled=False,  # ours are told apart in `translate`
            attaching_conversation_kwargs_enabled=False,
        )
        app.middleware(self._on_event)
        app.command(re.compile(".*"))(self._desk.command)
        app.action(re.compile(".*"))(self._desk.action)
        app.view(re.compile(".*"))(self._desk.view)
        return app

    # ---- events -----------------------------------------------------------------------------------------------------

    async def _on_event(
        self,
        body: dict[str, Any],
        next: Callable[[], Awaitable[None]],  # bolt's name for it
    ) -> BoltResponse | None:
        """Acknowledge an event once it is durable. A failure is answered 500, and Slack sends it again."""
        match body.get("type"):
            case "event_callback":
                self._upkeep.heard()
                told = translate(body, self._us, self._pseudonyms)
                if not await self._accept(told):
                    return BoltResponse(status=500, body="")  # raised, bolt would log a traceback for every event
                self._start(self._follow(body, told))
                return BoltResponse(status=200, body="")
            case "app_rate_limited":
                _log.warning("slack holds back events: more than 30,000 an hour in this workspace")
                self._upkeep.missed()
                return BoltResponse(status=200, body="")
        await next()
        return None

    async def _accept(self, told: Told) -> bool:
        """Keep what is told; False if that isn't done in time."""
        if not told.events:
            if told.ignored and told.ignored not in ANSWERED:
                self._pass_over(told.ignored)
            return True
        try:
            async with asyncio.timeout(ACCEPT_SECONDS):
                await self._ingest.accept(*told.events)
        except (StorageError, TimeoutError) as error:
            self._history.doubt()
            if not self._refusing:
                self._refusing = True
                _log.error("events can't be kept; slack is asked to send them again", why=str(error) or "too slow")
            return False
        if self._refusing:
            self._refusing = False
            _log.info("events are kept again")
            self._upkeep.missed()
        return True

    def _pass_over(self, why: str) -> None:
        """Tell the first event of each kind that isn't kept; there may be thousands more."""
        log = _log.debug if why in self._passed_over else _log.info
        log("an event was passed over", why=why)
        self._passed_over.add(why)

    async def _follow(self, body: Mapping[str, Any], told: Told) -> None:
        """What an event asks for besides being kept; nothing that may not be lost with the process."""
        match told.events:
            case (ChannelMoved() as move,):
                await self._upkeep.moved(move.old, move.new)
        match told.news:
            case News.INVITED if told.place is not None:
                inviter = body["event"].get("inviter")
                await self._upkeep.welcome(told.place, inviter if isinstance(inviter, str) else None)
            case News.LEFT if told.place is not None:
                await self._history.leave(told.place)
            case News.CHANGED if told.place is not None:
                await self._history.look_at(told.place)
            case News.OUT:
                _log.error("the workspace took our access away", mend="Install the app again and copy the new token.")
        event = body.get("event")
        if not isinstance(event, dict) or told.ignored == "another workspace":
            return
        match event.get("type"):
            case "app_mention":
                await self._desk.mentioned(event)
            case "message" if told.ignored == "direct message" and event.get("channel_type") == "im":
                await self._desk.mentioned(event)
            case "app_home_opened" if event.get("tab", "home") == "home":
                await self._home.publish(str(event.get("user")))

    # ---- tasks ------------------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something besides, held until it is done; its failure is logged by name, for its text may be anybody's."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _whole(self, step: Coroutine[Any, Any, None]) -> None:
        """Do a step that isn't to be broken off half-way when we stop."""
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def _finished(self) -> None:
        """Let what was begun end, within a few seconds."""
        self._history.stop()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("something asked for in slack failed", error=type(error).__name__)
