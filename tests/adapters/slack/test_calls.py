"""Turns at Slack's methods: one budget for all who call, the most urgent first."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Budget, Calls, Priority, Refusal
from tests.servers import slack as server

SOME_A_MINUTE = 1200


async def test_whoever_is_most_urgent_goes_first_when_turns_are_short():
    budget = Budget(SOME_A_MINUTE)
    for _ in range(SOME_A_MINUTE):
        await budget.turn(Priority.BACKFILL)
    served: list[Priority] = []

    async def wait(priority: Priority) -> None:
        await budget.turn(priority)
        served.append(priority)

    await asyncio.gather(*(wait(p) for p in (Priority.BACKFILL, Priority.CATCH_UP, Priority.LIVE, Priority.BACKFILL)))

    assert served == [Priority.LIVE, Priority.CATCH_UP, Priority.BACKFILL, Priority.BACKFILL]


async def test_while_slack_wants_a_pause_nobody_has_a_turn():
    budget = Budget(SOME_A_MINUTE)
    budget.hold(0.2)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(budget.turn(Priority.LIVE), 0.05)
    await budget.turn(Priority.LIVE)


async def test_who_asks_a_question_is_not_kept_waiting_for_half_a_minute(slack: server.Slack):
    slack.faults["users.info"] = [server.limited("30")]
    async with aiohttp.ClientSession() as session:
        calls = Calls(AsyncWebClient(server.BOT_TOKEN, slack.api, session=session, retry_handlers=[]))

        with pytest.raises(Refusal, match="ratelimited"):
            await calls.read("users.info", {"user": "U1"})
