"""HTTP mode: signed requests, and what is made of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.errors import ConfigurationError
from tests.adapters.slack.conftest import US, Bot, access_to, running
from tests.servers import slack as server

C1 = US.channel("C1")


@pytest.fixture
async def listening(slack: server.Slack, database: Path):
    slack.room("C1", "general", *[f"U{number}" for number in range(1, 8)])
    access = access_to(slack, app_token=None, signing_secret=server.SECRET, port=0)
    async with running(slack, database, access=access) as bot:
        slack.http_url = f"http://127.0.0.1:{bot.slack.port}/slack/events"
        yield bot


async def test_a_signed_event_is_kept(slack: server.Slack, listening: Bot):
    assert await slack.deliver(slack.say("C1", "U1", "good morning")) is not None
    assert await listening.texts_held(C1) == 1


@pytest.mark.parametrize("how", [{"secret": "wrong"}, {"age": 360}, {"age": -360}, {"signed": False}])
async def test_a_bad_old_or_missing_signature_is_refused(slack: server.Slack, listening: Bot, how: dict[str, Any]):
    with capture_logs() as logged:
        status, _ = await slack.http("events_api", slack.wrapped(slack.say("C1", "U1", "forged")), **how)

    assert status == 401
    assert ["ROOMTONE_SLACK_SIGNING_SECRET" in line["mend"] for line in logged if "mend" in line] == [True]
    assert await listening.texts_held(C1) == 0


async def test_a_request_that_is_replayed_or_sent_again_changes_nothing(slack: server.Slack, listening: Bot):
    body = slack.wrapped(slack.say("C1", "U1", "once"))
    for retry in range(4):
        assert (await slack.http("events_api", body, retry=retry))[0] == 200
        await listening.read()

    assert await listening.texts_held(C1) == 1


async def test_slack_can_verify_the_address(slack: server.Slack, listening: Bot):
    status, answer = await slack.http("events_api", {"type": "url_verification", "challenge": "abc", "token": "x"})

    assert (status, answer) == (200, {"challenge": "abc"})


async def test_a_certificate_check_needs_no_signature(slack: server.Slack, listening: Bot):
    status, _ = await slack.http("slash_commands", {"ssl_check": "1", "token": "x"}, signed=False)

    assert status == 200


async def test_held_back_events_are_acknowledged(slack: server.Slack, listening: Bot):
    body = {"type": "app_rate_limited", "team_id": server.TEAM, "minute_rate_limited": 1, "api_app_id": "A1"}

    assert (await slack.http("events_api", body))[0] == 200


async def test_broken_json_is_a_bad_request(slack: server.Slack, listening: Bot):
    assert slack.http_url is not None
    headers = {"Content-Type": "application/json"}
    with capture_logs() as logged:
        async with (
            aiohttp.ClientSession() as session,
            session.post(slack.http_url, data="{oops", headers=headers) as answer,
        ):
            status = answer.status

    assert status == 400
    assert "a request was refused: it is no JSON" in [line["event"] for line in logged]


async def test_a_taken_port_is_named(slack: server.Slack, listening: Bot, tmp_path: Path):
    access = access_to(slack, app_token=None, signing_secret=server.SECRET, port=listening.slack.port)

    with pytest.raises(ConfigurationError, match="ROOMTONE_SLACK_PORT"):
        async with running(slack, tmp_path / "other.db", access=access):
            pass
