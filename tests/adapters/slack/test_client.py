"""The connection: what is acknowledged, what is kept, and what survives."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.slack.connection import Access
from bot.errors import ConfigurationError, PlatformError, StorageBusy
from tests.adapters.slack.conftest import US, Bot, access_to, introduced, running
from tests.servers import slack as server

C1 = US.channel("C1")


async def started(slack: server.Slack, database: Path, **more: Any) -> None:
    """Start a bot and stop it again."""
    async with running(slack, database, **more):
        pass


async def test_an_event_is_acknowledged_once_it_is_kept(slack: server.Slack, bot: Bot):
    acked = await slack.deliver(slack.say("C1", "U1", "good morning"))

    assert acked == {}
    assert await bot.texts_held(C1) == 1


async def test_what_cannot_be_kept_is_not_acknowledged_and_comes_again(
    slack: server.Slack, bot: Bot, monkeypatch: pytest.MonkeyPatch
):
    put, failures = bot.storage.inbox.put, [StorageBusy("locked"), StorageBusy("locked")]

    async def failing(events: Any) -> None:
        if failures:
            raise failures.pop()
        await put(events)

    monkeypatch.setattr(bot.storage.inbox, "put", failing)

    first = await slack.deliver(slack.say("C1", "U1", "good morning"), wait=0.5)

    assert first is None
    await slack.until(lambda: not failures and len(slack.acks) == 1)
    assert await bot.texts_held(C1) == 1


async def test_a_write_that_takes_too_long_is_not_acknowledged(
    slack: server.Slack, bot: Bot, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.slack.client.ACCEPT_SECONDS", 0.1)
    put = bot.storage.inbox.put

    async def slow(events: Any) -> None:
        await asyncio.sleep(0.4)
        await put(events)

    monkeypatch.setattr(bot.storage.inbox, "put", slow)

    assert await slack.deliver(slack.say("C1", "U1", "good morning"), wait=0.6) is None


async def test_an_event_told_many_times_counts_once(slack: server.Slack, bot: Bot):
    event = slack.say("C1", "U1", "good morning")
    for _ in range(3):
        await slack.deliver(event)
    body = slack.wrapped(event)
    await slack.send("events_api", body, envelope="the same")
    await slack.send("events_api", body, envelope="the same")

    assert await bot.texts_held(C1) == 1


async def test_every_shape_that_nobody_handles_is_acknowledged(slack: server.Slack, bot: Bot):
    odd: list[dict[str, Any]] = [{"type": "star_added"}, {"type": "message"}, {"type": "message", "subtype": "new"}, {}]

    acks = [await slack.deliver(event) for event in odd]

    assert acks == [{}] * len(odd)


async def test_an_event_of_an_unknown_workspace_is_acknowledged_and_not_kept(slack: server.Slack, bot: Bot):
    acked = await slack.deliver(slack.say("C1", "U1", "hello"), team="T0OTHER")

    assert acked == {}
    assert await bot.texts_held(C1) == 0


async def test_edits_and_deletions_end_as_the_channel_shows(slack: server.Slack, bot: Bot):
    kept, gone = slack.say("C1", "U1", "it is broken"), slack.say("C1", "U2", "never mind")
    for event in (kept, gone, slack.edit("C1", kept["ts"], "it is great"), slack.delete("C1", gone["ts"])):
        await slack.deliver(event)

    assert await bot.texts_held(C1) == 1


async def test_a_deletion_that_comes_first_still_counts(slack: server.Slack, bot: Bot):
    said = slack.say("C1", "U1", "oops")
    await slack.deliver(slack.delete("C1", said["ts"]))
    await slack.deliver(said)

    assert await bot.texts_held(C1) == 0


async def test_a_hundred_kilobytes_are_kept(slack: server.Slack, bot: Bot):
    assert await slack.deliver(slack.say("C1", "U1", "word " * 20_000)) == {}
    assert await bot.texts_held(C1) == 1


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_a_disconnect_loses_nothing(slack: server.Slack, bot: Bot, reason: str):
    await slack.disconnect(reason)
    deliveries = [slack.post("events_api", slack.wrapped(slack.say("C1", "U1", f"{n}"))) for n in range(20)]
    await asyncio.wait_for(asyncio.gather(*(delivery.acked for delivery in deliveries)), 15)

    assert await bot.texts_held(C1) == 20


async def test_a_cut_line_is_mended_and_what_was_said_meanwhile_found(slack: server.Slack, bot: Bot):
    slack.cut()
    slack.say("C1", "U1", "said while nobody listened")  # never delivered

    await slack.until(lambda: len(slack.called("conversations.history")) > 0)
    await bot.slack.ready.wait()
    async with asyncio.timeout(10):
        while await bot.texts_held(C1) < 1:
            await asyncio.sleep(0.05)
    assert await bot.texts_held(C1) == 1


@pytest.mark.parametrize("refusals", [[408], [408, 408, 500]])
async def test_a_refused_handshake_is_no_dead_end(slack: server.Slack, database: Path, refusals: list[int]):
    slack.handshakes = list(refusals)
    async with running(slack, database, ready=False) as bot:
        await asyncio.wait_for(bot.slack.ready.wait(), 15)

        assert slack.handshakes == []


async def test_a_refused_handshake_on_refresh_is_no_dead_end(slack: server.Slack, bot: Bot):
    slack.handshakes = [408, 408]
    await slack.disconnect()

    await slack.until(lambda: slack.handshakes == [])
    assert await slack.deliver(slack.say("C1", "U1", "still here"), wait=10) == {}


async def test_a_silent_socket_is_noticed(slack: server.Slack, bot: Bot):
    slack.deaf = True
    slack.cut()
    slack.deaf = False

    assert await slack.deliver(slack.say("C1", "U1", "still here"), wait=10) == {}


@pytest.mark.parametrize(
    "fault",
    [server.limited("0"), server.limited("0.1"), server.status(500), server.status(200), server.half],
    ids=["429 now", "429 soon", "500", "HTML", "half"],
)
async def test_a_start_while_slack_stumbles_waits_it_out(slack: server.Slack, database: Path, fault: server.Fault):
    slack.faults["auth.test"] = [fault, fault]
    slack.faults["apps.connections.open"] = [fault]
    slack.room("C1", "general", "U1")
    async with running(slack, database) as bot:
        assert await slack.deliver(slack.say("C1", "U1", "hello")) == {}
        assert await bot.texts_held(C1) == 1


@pytest.mark.parametrize("code", ["invalid_auth", "account_inactive", "token_revoked", "token_expired"])
async def test_a_bad_bot_token_ends_the_start_with_the_mend(slack: server.Slack, database: Path, code: str):
    slack.faults["auth.test"] = [server.error(code)]

    with pytest.raises(PlatformError, match=r"token|install"):
        await started(slack, database)


async def test_a_bad_app_token_is_named(slack: server.Slack, database: Path):
    slack.faults["apps.connections.open"] = [server.error("invalid_auth")]

    with pytest.raises(PlatformError, match="ROOMTONE_SLACK_APP_TOKEN"):
        await asyncio.wait_for(started(slack, database), 5)


@pytest.mark.parametrize(
    "tokens", [{"bot_token": "xapp-1"}, {"app_token": "xoxb-1"}, {"app_token": None, "signing_secret": None}]
)
def test_tokens_of_the_wrong_kind_are_refused(tokens: dict[str, Any]):
    with pytest.raises(ConfigurationError):
        Access(**{"bot_token": "xoxb-1", "app_token": "xapp-1", **tokens})


def test_secrets_are_in_no_repr():
    shown = repr(Access("xoxb-secret", "xapp-secret", "signing"))

    assert "secret" not in shown.replace("signing_secret", "")


async def test_stopping_waits_for_what_is_being_kept(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    async with running(slack, database) as bot:
        await introduced(slack)
        put = bot.storage.inbox.put

        async def slow(events: Any) -> None:
            await asyncio.sleep(0.3)
            await put(events)

        bot.storage.inbox.put = slow  # type: ignore[method-assign]
        delivery = slack.post("events_api", slack.wrapped(slack.say("C1", "U1", "last words")))
        await asyncio.sleep(0.1)

    assert await asyncio.wait_for(delivery.acked, 1) == {}


async def test_being_invited_is_answered_with_one_introduction(slack: server.Slack, bot: Bot):
    slack.room("C2", "design", "U1")
    joined = {
        "type": "member_joined_channel",
        "user": US.user,
        "channel": "C2",
        "inviter": "U1",
        "event_ts": slack.ts(),
    }
    for _ in range(3):
        await slack.deliver(joined)

    await introduced(slack, 2)
    await asyncio.sleep(0.3)
    assert [post["channel"] for post in slack.posts] == ["C1", "C2"]


async def test_a_restart_introduces_nobody_twice(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    for _ in range(2):
        async with running(slack, database):
            await introduced(slack)
            await slack.until(lambda: len(slack.called("users.conversations")) >= 2)

    assert len(slack.posts) == 1


async def test_losing_access_is_said_in_the_log(slack: server.Slack, bot: Bot, capsys: pytest.CaptureFixture[str]):
    await slack.deliver({"type": "app_uninstalled"})
    await asyncio.sleep(0.05)

    assert "took our access away" in capsys.readouterr().out


async def test_nothing_logged_holds_a_word_a_person_or_a_token(
    slack: server.Slack, bot: Bot, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "aiosqlite")
    event = slack.say("C1", "U1", "the secret plan")
    await slack.deliver(event)
    await slack.disconnect()
    slack.faults["conversations.history"] = [server.writes("{oops")]
    await slack.command("U1", "C1", "mood of the secret plan")
    await slack.deliver({**event, "ts": slack.ts()})

    written = caplog.text + capsys.readouterr().out
    assert not any(word in written for word in ("secret plan", "U1", server.BOT_TOKEN, server.APP_TOKEN))


# ---- HTTP -----------------------------------------------------------------------------------------------------------


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
    status, _ = await slack.http("events_api", slack.wrapped(slack.say("C1", "U1", "forged")), **how)

    assert status == 401
    assert await listening.texts_held(C1) == 0


async def test_a_replayed_request_changes_nothing(slack: server.Slack, listening: Bot):
    body = slack.wrapped(slack.say("C1", "U1", "once"))
    for retry in range(4):
        assert (await slack.http("events_api", body, retry=retry))[0] == 200

    assert await listening.texts_held(C1) == 1


async def test_slack_can_verify_the_address(slack: server.Slack, listening: Bot):
    status, answer = await slack.http("events_api", {"type": "url_verification", "challenge": "abc", "token": "x"})

    assert (status, answer) == (200, {"text": "abc"}) or answer == {"challenge": "abc"}


async def test_a_certificate_check_needs_no_signature(slack: server.Slack, listening: Bot):
    status, _ = await slack.http("slash_commands", {"ssl_check": "1", "token": "x"}, signed=False)

    assert status == 200


async def test_held_back_events_are_acknowledged(slack: server.Slack, listening: Bot):
    body = {"type": "app_rate_limited", "team_id": server.TEAM, "minute_rate_limited": 1, "api_app_id": "A1"}

    assert (await slack.http("events_api", body))[0] == 200


async def test_broken_json_is_a_bad_request(slack: server.Slack, listening: Bot):
    assert slack.http_url is not None
    headers = {"Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(slack.http_url, data="{oops", headers=headers) as answer,
    ):
        status = answer.status

    assert status == 400


async def test_a_taken_port_is_named(slack: server.Slack, listening: Bot, tmp_path: Path):
    access = access_to(slack, app_token=None, signing_secret=server.SECRET, port=listening.slack.port)

    with pytest.raises(ConfigurationError, match="ROOMTONE_SLACK_PORT"):
        await started(slack, tmp_path / "other.db", access=access)
