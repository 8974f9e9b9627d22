"""The manifest that an admin pastes, and what the doctor finds of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.slack.checks import examined
from adapters.slack.manifest import OPTIONAL_SCOPES, SCOPES, explained, manifest, written
from bot.errors import ConfigurationError
from tests.adapters.slack.conftest import access_to
from tests.servers import slack as server

# schemas/manifest.schema.1.0.0.json of slackapi/manifest-schema.
NAME, DESCRIPTION, LONG_DESCRIPTION, COMMAND, USAGE = 35, 140, (175, 4000), 32, 1000


@pytest.mark.parametrize("url", [None, "https://chat.example.com"])
def test_the_manifest_keeps_slacks_limits(url: str | None):
    made = json.loads(written(url))
    display, (command,) = made["display_information"], made["features"]["slash_commands"]

    assert len(display["name"]) <= NAME
    assert len(display["description"]) <= DESCRIPTION
    assert LONG_DESCRIPTION[0] <= len(display["long_description"]) <= LONG_DESCRIPTION[1]
    assert len(command["command"]) <= COMMAND
    assert len(command["usage_hint"]) <= USAGE


def test_over_sockets_nothing_needs_an_address():
    made = manifest()

    assert made["settings"]["socket_mode_enabled"] is True
    assert "url" not in written()


@pytest.mark.parametrize("url", ["http://chat.example.com", "chat.example.com"])
def test_an_address_that_slack_refuses_is_refused_before_it_is_pasted(url: str):
    with pytest.raises(ConfigurationError, match="https addresses alone"):
        manifest(url)


def test_over_http_all_three_ways_in_have_the_address():
    made = manifest("https://chat.example.com/")
    address = "https://chat.example.com/slack/events"

    assert made["settings"]["socket_mode_enabled"] is False
    assert made["features"]["slash_commands"][0]["url"] == address
    assert made["settings"]["interactivity"]["request_url"] == address
    assert made["settings"]["event_subscriptions"]["request_url"] == address


def test_every_scope_is_asked_for_with_its_reason_and_none_that_names_people():
    asked = manifest()["oauth_config"]["scopes"]

    assert [*asked["bot"], *asked["bot_optional"]] == [line.split()[0] for line in explained().splitlines()]
    assert not {"users:read.email", "chat:write.public", "channels:join", "files:read"} & {*SCOPES, *OPTIONAL_SCOPES}


async def test_a_healthy_installation_has_nothing_to_mend(slack: server.Slack):
    findings = await examined(access_to(slack))

    assert [finding for finding in findings if not finding.ok] == []


async def test_a_missing_scope_is_named_with_what_it_is_for(slack: server.Slack):
    slack.scopes = slack.scopes.replace("files:write,", "")

    (finding,) = [finding for finding in await examined(access_to(slack)) if not finding.ok]
    assert "files:write (to show charts)" in finding.says


async def test_a_declined_scope_is_told_and_no_fault(slack: server.Slack):
    slack.scopes = slack.scopes.replace(",users:read", "")

    findings = await examined(access_to(slack))

    assert all(finding.ok for finding in findings)
    assert any("users:read" in finding.says for finding in findings)


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "token_expired", "account_inactive"])
async def test_a_bad_token_is_named_by_its_setting(slack: server.Slack, code: str):
    slack.faults["auth.test"] = [server.error(code)]
    slack.faults["apps.connections.open"] = [server.error(code)]

    findings = await examined(access_to(slack))

    assert [finding.says.partition(":")[0] for finding in findings] == [
        "ROOMTONE_SLACK_BOT_TOKEN", "ROOMTONE_SLACK_APP_TOKEN",
    ]  # fmt: skip


@pytest.mark.parametrize("off", [-400, 400])
async def test_a_clock_that_is_off_is_told_before_it_matters(slack: server.Slack, off: int):
    slack.date = format_datetime(datetime.now(UTC) + timedelta(seconds=off), usegmt=True)

    (finding,) = [finding for finding in await examined(access_to(slack)) if not finding.ok]
    assert "clock" in finding.says
    assert "time synchronisation" in finding.says


async def test_socket_mode_switched_off_is_told(slack: server.Slack):
    slack.faults["apps.connections.open"] = [server.error("link_disabled")]

    (finding,) = [finding for finding in await examined(access_to(slack)) if not finding.ok]
    assert "Socket Mode is off" in finding.says


async def test_a_slack_that_cannot_be_reached_is_no_crash(slack: server.Slack):
    findings = await examined(access_to(slack, api="http://127.0.0.1:9/api/"), seconds=1)

    assert [finding.ok for finding in findings] == [False, False]
