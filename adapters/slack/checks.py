"""What `roomtone doctor` asks Slack itself: the tokens, Socket Mode, the scopes granted, the clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Calls
from adapters.slack.connection import Access, quiet_logger
from adapters.slack.manifest import OPTIONAL_SCOPES, SCOPES, SCOPES_MEND, granted, without
from bot.doctor import Finding
from bot.errors import PlatformError

SKEW_SECONDS = 60
"""A clock further off than this is told; signed requests are refused from 300 on."""


async def examined(access: Access, *, seconds: float = 5.0) -> Sequence[Finding]:
    """Everything about Slack that can be wrong, each with its mend. Never raises for what it finds."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        web = AsyncWebClient(
            access.bot_token, access.api, session=session, retry_handlers=[], logger=quiet_logger()
        )  # fmt: skip
        calls = Calls(web, pause=0.2)
        findings: list[Finding] = []
        try:
            me, headers = await calls.headers("auth.test")
        except PlatformError as error:
            findings.append(Finding("slack", False, f"ROOMTONE_SLACK_BOT_TOKEN: {error}"))
        else:
            findings.append(Finding("slack", True, f"The bot token belongs to the workspace {me.get('team')}."))
            findings += _scopes(headers)
            findings += _clock(headers, datetime.now(UTC))
        findings.append(await _way_in(calls, access))
    return findings


async def _way_in(calls: Calls, access: Access) -> Finding:
    if access.app_token is None:
        where = f"http://{access.host}:{access.port}/slack/events"
        return Finding("slack", True, f"Events come by HTTP to {where}; Slack must reach it from outside, with https.")
    try:
        await calls.read("apps.connections.open", {}, token=access.app_token)
    except PlatformError as error:
        return Finding("slack", False, f"ROOMTONE_SLACK_APP_TOKEN: {error}")
    return Finding("slack", True, "Socket Mode is open to the app token.")


def _scopes(headers: Mapping[str, str]) -> list[Finding]:
    given = granted(headers)
    if given is None:
        return [Finding("slack", True, "Slack doesn't say which scopes were granted.")]
    found = [Finding("slack", True, "Every scope that is needed was granted.")]
    if missing := without(SCOPES, given):
        found = [Finding("slack", False, f"Scopes are missing: {missing}. {SCOPES_MEND}")]
    if declined := without(OPTIONAL_SCOPES, given):
        found.append(Finding("slack", True, f"Declined when the app was installed: {declined}."))
    return found


def _clock(headers: Mapping[str, str], now: datetime) -> list[Finding]:
    told = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        skew = abs((parsedate_to_datetime(told) - now).total_seconds())
    except (ValueError, TypeError):
        return []
    if skew < SKEW_SECONDS:
        return []
    words = f"This machine's clock is {skew:.0f} seconds off Slack's: from 300 on, signed requests are refused."
    return [Finding("slack", False, f"{words} Switch on time synchronisation.")]
