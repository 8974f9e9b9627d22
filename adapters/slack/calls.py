"""Calls of Slack's Web API: one budget a method, shared by all, and errors that say whether something was done."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import AsyncIterator, Mapping
from enum import IntEnum
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import PlatformError

TIER_2, TIER_3, TIER_4 = 20, 50, 100
A_MINUTE: Mapping[str, int] = {
    "users.conversations": TIER_2,
    "conversations.history": TIER_3,
    "conversations.replies": TIER_3,
    "conversations.info": TIER_3,
    "conversations.members": TIER_4,
    "users.info": TIER_4,
    "chat.postEphemeral": TIER_4,
    "views.open": TIER_4,
    "views.update": TIER_4,
    "views.publish": TIER_4,
    "files.getUploadURLExternal": TIER_4,
    "files.completeUploadExternal": TIER_4,
}
"""Calls a minute that Slack grants a workspace, by method (java-slack-sdk, MethodsRateLimits). Others: TIER_3."""

UNASKED_WAIT = 30.0
"""Seconds to wait after a 429 that names no time."""
LONGEST_WAIT = 600.0
TRIES = 5
"""Attempts of a call that only reads, before its failure is told."""

_log = structlog.get_logger(__name__)


class Priority(IntEnum):
    """Who goes first when a method's budget is short."""

    LIVE = 0
    CATCH_UP = 1
    BACKFILL = 2


class Refusal(PlatformError):
    """Slack said no, and did nothing. `code` is its name for it."""

    def __init__(self, method: str, code: str) -> None:
        super().__init__(MENDS.get(code) or f"Slack refused {method} ({code}).")
        self.method, self.code = method, code


class Uncertain(PlatformError):
    """No clear answer came: what was asked for may or may not have been done."""

    def __init__(self, method: str, why: str) -> None:
        super().__init__(f"Slack gave no clear answer to {method} ({why}); see https://slack-status.com.")
        self.method = method


MENDS: Mapping[str, str] = {
    "invalid_auth": "Slack doesn't know this token: copy it again, without spaces, from the app's settings.",
    "not_authed": "Slack got no token: fill in ROOMTONE_SLACK_BOT_TOKEN.",
    "account_inactive": "The app was removed from the workspace: install it again and copy the new token.",
    "token_revoked": "The token was revoked: install the app to the workspace again and copy the new one.",
    "token_expired": "The token has expired because token rotation is on; it can't be switched off again: make a new "
    "app from the manifest, which leaves it off.",
    "not_allowed_token_type": "That is the wrong kind of token: the bot's begins with xoxb-, the app's with xapp-.",
    "missing_scope": "The app lacks a scope: compare its manifest with `roomtone slack manifest`, and reinstall it.",
    "not_in_channel": "I'm not in that channel: invite me there with /invite @Roomtone, then try again.",
    "channel_not_found": "I can't see that channel: invite me there with /invite @Roomtone, then try again.",
    "is_archived": "That channel is archived: nothing can be posted there.",
    "restricted_action": "The workspace doesn't let me post there: an admin can change who may.",
    "restricted_action_read_only_channel": "That channel is read-only for me: an admin can change who may post.",
    "restricted_action_thread_only_channel": "In that channel only replies in threads are allowed.",
    "no_permission": "The app may not do that: reinstall it from `roomtone slack manifest`.",
    "message_limit_exceeded": "This workspace has reached its limit of messages.",
    "link_disabled": "Socket Mode is off: switch it on under 'Socket Mode' in the app's settings.",
}
"""What to do about Slack's own names for errors."""

_MAYBE_DONE = {"fatal_error", "internal_error", "service_unavailable", "request_timeout"}


class Budget:
    """Turns at one method, `a_minute` of them at most, the most urgent caller first."""

    def __init__(self, a_minute: float) -> None:
        self._rate = a_minute / 60
        self._most = float(a_minute)
        self._left = self._most
        self._counted_at: float | None = None
        self._held_until = 0.0
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, priority: Priority) -> None:
        """Wait for a turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), future))
        self._serve()
        await future

    def hold(self, seconds: float) -> None:
        """Slack asked for a pause: nobody has a turn until then."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)

    def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._counted_at is not None:
            self._left = min(self._most, self._left + (now - self._counted_at) * self._rate)
        self._counted_at = now
        while self._waiting and now >= self._held_until and self._left >= 1:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():  # else its caller gave up
                self._left -= 1
                future.set_result(None)
        if self._waiting:
            if self._timer is not None:
                self._timer.cancel()
            pause = max(self._held_until - now, (1 - self._left) / self._rate, 0.001)
            self._timer = loop.call_later(pause, self._serve)


class Calls:
    """Slack's Web API. Everything it raises is a Refusal or Uncertain."""

    def __init__(self, web: AsyncWebClient, *, a_minute: Mapping[str, int] = A_MINUTE, pause: float = 1.0) -> None:
        self._web = web
        self._a_minute = a_minute
        self._pause = pause
        self._budgets: dict[str, Budget] = {}

    async def read(
        self, method: str, args: Mapping[str, Any], *, priority: Priority = Priority.LIVE, token: str | None = None
    ) -> Mapping[str, Any]:
        """Call a method that changes nothing; tried again after an unclear answer."""
        for attempt in itertools.count(1):
            try:
                return await self._call(method, priority, token, params=_present(args))
            except Uncertain:
                if attempt >= (2 if priority is Priority.LIVE else TRIES):
                    raise
                await asyncio.sleep(self._pause * 2**attempt)
        raise AssertionError("the loop only ends by returning or raising")

    async def pages(
        self, method: str, args: Mapping[str, Any], *, priority: Priority
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Every page of a listing. Pages may be short or empty; only an empty cursor ends them."""
        cursor: str | None = None
        while True:
            page = await self.read(method, {**args, "cursor": cursor}, priority=priority)
            yield page
            metadata = page.get("response_metadata")
            cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
            if not cursor:
                return

    async def write(self, method: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a method that changes something, once. Uncertain: it may have been done."""
        return await self._call(method, Priority.LIVE, None, json=_present(args))

    async def headers(self, method: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Call a method without arguments, for its answer's headers too (`auth.test`: the scopes granted)."""
        response = await self._answered(method, Priority.LIVE, None, params={})
        return _object(method, response), response.headers

    async def _call(self, method: str, priority: Priority, token: str | None, **body: Any) -> Mapping[str, Any]:
        return _object(method, await self._answered(method, priority, token, **body))

    async def _answered(self, method: str, priority: Priority, token: str | None, **body: Any) -> AsyncSlackResponse:
        budget = self._budgets.setdefault(method, Budget(self._a_minute.get(method, TIER_3)))
        waits = 0
        while True:
            await budget.turn(priority)
            pause = await self._once(method, token, body)
            if isinstance(pause, AsyncSlackResponse):
                return pause
            waits += 1
            # Nobody waits long for an answer to a question; a job has all the time.
            if priority is Priority.LIVE and (pause > 5 or waits > 2):
                raise Refusal(method, "ratelimited")
            _log.info("slack asked for a pause", method=method, seconds=pause)
            budget.hold(pause)

    async def _once(self, method: str, token: str | None, body: Mapping[str, Any]) -> AsyncSlackResponse | float:
        """One attempt: the answer, or the seconds that Slack wants us to wait."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = await self._web.api_call(method, headers=headers, **body)
        except SlackApiError as error:
            return _judged(method, error.response)
        # AttributeError: the SDK's own, when an answer is plain text.
        except (aiohttp.ClientError, SlackClientError, TimeoutError, OSError, ValueError, AttributeError) as error:
            raise Uncertain(method, type(error).__name__) from None  # its text may hold what we sent
        return response if int(response.status_code or 0) < 500 else _judged(method, response)


def _object(method: str, response: AsyncSlackResponse) -> Mapping[str, Any]:
    if not isinstance(response.data, dict):
        raise Uncertain(method, "it was no JSON object")
    return response.data


def _judged(method: str, response: Any) -> float:
    """The seconds to wait if Slack is only too busy. Raises Refusal or Uncertain otherwise."""
    # Of a broken answer the SDK hands on aiohttp's own response, which has `status` and no `data`.
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    data = getattr(response, "data", None)
    code = data.get("error") if isinstance(data, dict) else None
    if status == 429 or code in {"ratelimited", "rate_limited"}:
        return retry_after(getattr(response, "headers", {}))
    if not isinstance(code, str) or code in _MAYBE_DONE or status >= 500:
        raise Uncertain(method, f"HTTP {status}" if status != 200 else code if isinstance(code, str) else "no JSON")
    raise Refusal(method, code)


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds of a `Retry-After`, which may be absent, fractional, or not a number at all."""
    named = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        seconds = float(named)
    except ValueError:
        return UNASKED_WAIT
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else UNASKED_WAIT


def _present(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if value is not None}
