"""The connection: what is acknowledged, what is kept, and what survives."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.slack.calls import MENDS
from adapters.slack.connection import Access
from bot.errors import ConfigurationError, PlatformError, StorageBusy
from bot.message import Message
from tests.adapters.slack.conftest import QUICK, US, Bot, introduced, running
from tests.servers import slack as server

C1 = US.channel("C1")
PASSED_OVER = "an event was passed over"


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
    await slack.until(lambda: not failures and len(slack.acks) >= 1)
    assert await bot.texts_held(C1) == 1


async def test_a_write_that_takes_too_long_is_not_acknowledged(
    slack: server.Slack, bot: Bot, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.slack.client.ACCEPT_SECONDS", 0.1)
    put = bot.storage.inbox.put

    async def slow(events: Any) -> None:
        await asyncio.sleep(0.4)
        await put(events)

    with monkeypatch.context() as patched:
        patched.setattr(bot.storage.inbox, "put", slow)
        assert await slack.deliver(slack.say("C1", "U1", "good morning"), wait=0.6) is None

    await slack.until(lambda: len(slack.acks) >= 1)
    assert await bot.texts_held(C1) == 1


async def test_an_event_told_many_times_counts_once(slack: server.Slack, bot: Bot):
    event = slack.say("C1", "U1", "good morning")
    for _ in range(3):
        await slack.deliver(event)
        await bot.read()  # told again when it has long been read
    body = slack.wrapped(event)
    await slack.send("events_api", body, envelope="the same")
    await slack.send("events_api", body, envelope="the same")

    assert await bot.texts_held(C1) == 1


async def test_every_shape_that_nobody_handles_is_acknowledged(slack: server.Slack, bot: Bot):
    odd: list[dict[str, Any]] = [
        {"type": "star_added"}, {"type": "message"}, {}, {"type": "message", "text": "no keys"},
        {**slack.say("C1", "U1", "odd"), "subtype": "never_seen"},
    ]  # fmt: skip

    with capture_logs() as logged:
        acks = [await slack.deliver(event) for event in odd * 2]

    assert acks == [{}] * len(odd) * 2
    told = [line["why"] for line in logged if line["event"] == PASSED_OVER and line["log_level"] == "info"]
    assert told == ["star_added", "malformed", "unknown subtype never_seen"]  # each once


async def test_an_event_of_an_unknown_workspace_is_acknowledged_and_not_kept(slack: server.Slack, bot: Bot):
    with capture_logs() as logged:
        acked = await slack.deliver(slack.say("C1", "U1", "hello"), team="T0OTHER")

    assert acked == {}
    assert [line["why"] for line in logged if line["event"] == PASSED_OVER] == ["another workspace"]
    assert await bot.texts_held(C1) == 0


@pytest.mark.parametrize("payload", [{}, {"type": "new"}, {"type": 7}, {"type": "event_callback", "event": [1]}])
async def test_a_payload_of_no_known_kind_is_survived(slack: server.Slack, bot: Bot, payload: dict[str, Any]):
    slack.post("events_api", payload)
    slack.post("interactive", payload)

    assert await slack.deliver(slack.say("C1", "U1", "good morning")) == {}
    assert await bot.texts_held(C1) == 1


@pytest.mark.parametrize("answer", [server.limited("1"), server.status(500)], ids=["429", "500"])
async def test_no_event_depends_on_slack_saying_who_we_are(slack: server.Slack, bot: Bot, answer: server.Fault):
    slack.faults["auth.test"] = [answer] * 3

    assert await slack.deliver(slack.say("C1", "U1", "good morning")) == {}
    assert await bot.texts_held(C1) == 1
    assert len(slack.faults["auth.test"]) == 3


async def test_events_that_are_split_between_two_sockets_are_all_kept(slack: server.Slack, bot: Bot):
    second = asyncio.create_task(bot.another().run())
    try:
        await slack.until(lambda: slack.sockets == 2)
        said = [slack.say("C1", "U1", f"{number}") for number in range(40)]

        acked = await asyncio.gather(*(slack.deliver(event) for event in said))
    finally:
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

    assert acked == [{}] * 40
    assert await bot.texts_held(C1) == 40


async def test_what_is_kept_while_the_line_changes_is_acknowledged_on_the_new_one(
    slack: server.Slack, bot: Bot, monkeypatch: pytest.MonkeyPatch
):
    put, arrived, go_on = bot.storage.inbox.put, asyncio.Event(), asyncio.Event()

    async def holding(events: Any) -> None:
        if any(isinstance(event, Message) for event in events):
            arrived.set()
            await go_on.wait()
        await put(events)

    monkeypatch.setattr(bot.storage.inbox, "put", holding)
    delivery = slack.post("events_api", slack.wrapped(slack.say("C1", "U1", "good morning")))
    await asyncio.wait_for(arrived.wait(), 30)
    links = slack.links
    await slack.disconnect()
    await slack.until(lambda: slack.links > links)
    go_on.set()

    assert await asyncio.wait_for(delivery.acked, 30) == {}
    assert await bot.texts_held(C1) == 1


async def test_edits_and_deletions_end_as_the_channel_shows(slack: server.Slack, bot: Bot):
    kept, gone = slack.say("C1", "U1", "it is broken"), slack.say("C1", "U2", "never mind")
    late = slack.edit("C1", gone["ts"], "told after the deletion")
    for event in (kept, gone, slack.edit("C1", kept["ts"], "it is great"), slack.delete("C1", gone["ts"]), late):
        await slack.deliver(event)

    assert await bot.texts_held(C1) == 1


async def test_messages_edits_and_deletions_in_any_order_end_the_same(slack: server.Slack, bot: Bot):
    events = []
    for number in range(30):
        said = slack.say("C1", "U1", "it is broken")
        events += [said, slack.edit("C1", said["ts"], "it is great")]
        if number % 3 == 0:
            events.append(slack.delete("C1", said["ts"]))
    random.Random(3).shuffle(events)

    await asyncio.gather(*(slack.deliver(event) for event in events))

    assert await bot.texts_held(C1) == 20


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
    await asyncio.wait_for(asyncio.gather(*(delivery.acked for delivery in deliveries)), 60)

    assert await bot.texts_held(C1) == 20


@pytest.mark.parametrize("how", [server.Slack.cut, server.Slack.break_off], ids=["reset", "half a frame"])
async def test_a_cut_line_is_mended_and_what_was_said_meanwhile_found(
    slack: server.Slack, bot: Bot, how: Callable[[server.Slack], None]
):
    how(slack)
    slack.say("C1", "U1", "said while nobody listened")  # never delivered

    async with asyncio.timeout(60):
        while await bot.texts_held(C1) < 1:
            await asyncio.sleep(0.05)
    assert await bot.texts_held(C1) == 1


@pytest.mark.parametrize("refusals", [[408], [408, 408, 500]])
async def test_a_refused_handshake_is_no_dead_end(slack: server.Slack, database: Path, refusals: list[int]):
    slack.handshakes = list(refusals)
    async with running(slack, database, ready=False) as bot:
        await asyncio.wait_for(bot.slack.ready.wait(), 60)

        assert slack.handshakes == []


async def test_a_refused_handshake_on_refresh_is_no_dead_end(slack: server.Slack, bot: Bot):
    slack.handshakes = [408, 408]
    await slack.disconnect()

    await slack.until(lambda: slack.handshakes == [])
    assert await slack.deliver(slack.say("C1", "U1", "still here")) == {}


async def test_a_socket_that_answers_no_ping_is_left(slack: server.Slack, bot: Bot):
    links = slack.links
    slack.deaf = True
    slack.cut()
    await slack.until(lambda: slack.links > links)
    slack.deaf = False

    assert await slack.deliver(slack.say("C1", "U1", "still here")) == {}
    assert slack.links >= links + 2


async def test_a_socket_that_is_open_and_brings_nothing_is_made_anew(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    async with running(slack, database, pace=replace(QUICK, silent=0.5)) as bot:
        await introduced(slack)
        links = slack.links
        slack.say("C1", "U1", "never delivered")

        await slack.until(lambda: slack.links > links)
        async with asyncio.timeout(60):
            while await bot.texts_held(C1) < 1:
                await asyncio.sleep(0.05)


async def test_socket_mode_switched_off_is_said_in_the_log(slack: server.Slack, bot: Bot):
    with capture_logs() as logged:
        await slack.disconnect("link_disabled")
        await slack.until(lambda: any("mend" in line for line in logged))

    assert [line["event"] for line in logged if "mend" in line] == ["socket mode is off"]


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
        await asyncio.wait_for(started(slack, database), 60)
    assert len(slack.called("apps.connections.open")) == 1  # no try after it: named at once


async def test_a_socket_that_is_refused_for_a_while_is_told_and_had_again(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    async with running(slack, database, pace=replace(QUICK, hopeless=0.5)):
        slack.faults["apps.connections.open"] = [server.error("token_revoked")] * 9_999
        with capture_logs() as logged:
            slack.cut()
            await slack.until(lambda: any(line["event"] == "no socket is to be had" for line in logged))
        slack.faults["apps.connections.open"].clear()

        assert await slack.deliver(slack.say("C1", "U1", "still here")) == {}
    assert any(line["event"] == "the line to Slack is gone; it is made again" for line in logged)
    refused = [line["why"] for line in logged if line["event"] == "no socket is to be had"]
    assert all("ROOMTONE_SLACK_APP_TOKEN" in why for why in refused)


@pytest.mark.parametrize("code", ["token_revoked", "token_expired", "account_inactive"])
async def test_a_token_that_stops_working_is_said_and_events_are_still_kept(slack: server.Slack, bot: Bot, code: str):
    slack.faults["users.conversations"] = [server.error(code)]

    with capture_logs() as logged:
        await slack.disconnect()
        await slack.until(lambda: any(line["event"] == "a gap may be open" for line in logged))

    assert MENDS[code] in [line["why"] for line in logged if line["event"] == "a gap may be open"]
    assert await slack.deliver(slack.say("C1", "U1", "still here")) == {}
    assert await bot.texts_held(C1) == 1


@pytest.mark.parametrize("scope", ["files:write", "channels:history", "commands"])
async def test_a_missing_scope_is_said_at_the_start_and_nothing_else_fails(
    slack: server.Slack, database: Path, scope: str
):
    slack.scopes = ",".join(given for given in slack.scopes.split(",") if given != scope)
    slack.room("C1", "general", "U1")

    with capture_logs() as logged:
        async with running(slack, database) as bot:
            assert await slack.deliver(slack.say("C1", "U1", "good morning")) == {}
            assert await bot.texts_held(C1) == 1

    (line,) = [line for line in logged if line["event"] == "scopes are missing"]
    assert line["missing"].partition(" ")[0] == scope


MISSING = {
    "users.info": "people's zones", "conversations.members": "who is in a channel", "chat.postMessage": "posts",
    "conversations.info": "names", "conversations.history": "the past", "views.publish": "the home",
}  # fmt: skip


@pytest.mark.parametrize("method", MISSING, ids=MISSING.values())
async def test_a_feature_whose_scope_is_missing_costs_no_other(slack: server.Slack, database: Path, method: str):
    slack.faults[method] = [server.error("missing_scope")] * 99
    slack.room("C1", "general", "U1")
    async with running(slack, database) as bot:
        await slack.deliver({"type": "app_home_opened", "user": "U1", "tab": "home"})
        await slack.deliver(slack.say("C1", "U1", "good morning"))
        await slack.command("U1", "C1", "help")

        await slack.until(lambda: bool(slack.responses["U1"]))
        assert await bot.texts_held(C1) == 1


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
        put, arrived = bot.storage.inbox.put, asyncio.Event()

        async def slow(events: Any) -> None:
            if any(isinstance(event, Message) for event in events):
                arrived.set()
            await asyncio.sleep(0.3)
            await put(events)

        bot.storage.inbox.put = slow  # type: ignore[method-assign]
        delivery = slack.post("events_api", slack.wrapped(slack.say("C1", "U1", "last words")))
        await asyncio.wait_for(arrived.wait(), 30)

    assert await asyncio.wait_for(delivery.acked, 30) == {}


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


async def test_losing_access_is_said_in_the_log(slack: server.Slack, bot: Bot):
    with capture_logs() as logged:
        await slack.deliver({"type": "app_uninstalled"})
        await slack.until(lambda: any("took our access away" in line["event"] for line in logged))

    assert [line["mend"] for line in logged if "mend" in line] == ["Install the app again and copy the new token."]


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
