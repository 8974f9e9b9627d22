"""Gaps after a pause, and the past on request."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.history import began
from bot.message import Channel, Gone, Platform
from bot.schedule import Sort, Subscription, Times
from storage import open_storage
from tests.adapters.slack.conftest import KEY, US, Bot, introduced, running
from tests.servers import slack as server

C1 = US.channel("C1")
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


async def stood(database: Path, slack: server.Slack, seconds: float) -> None:
    """A bot that was in #general and stopped `seconds` ago."""
    async with running(slack, database) as bot:
        await introduced(slack, len(slack.rooms))
        await bot.read()
    await set_back(database, seconds)


async def set_back(database: Path, seconds: float) -> None:
    """Pretend of a bot that has stopped that it did so `seconds` ago, and read #general since long before."""
    async with open_storage(str(database), KEY, sole=True) as storage:
        await storage.cursors.drop(C1)
        await storage.cursors.advance({C1: f"{time.time() - seconds:.6f}"})
        await storage.notes.write(Platform.SLACK, US.workspace, began(C1), f"{time.time() - 99 * DAY:.6f}")


async def held(bot: Bot, expected: int, channel: Channel = C1) -> int:
    """How many messages are held, once they are `expected` or a minute has passed."""
    deadline = time.monotonic() + 60
    while (count := await bot.texts_held(channel)) != expected and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return count


@pytest.mark.parametrize("gap", [3 * MINUTE, 3 * HOUR, 3 * DAY], ids=["3 minutes", "3 hours", "3 days"])
async def test_what_was_said_in_a_gap_is_read(slack: server.Slack, database: Path, gap: float):
    slack.room("C1", "general", "U1")
    await stood(database, slack, gap)
    now = time.time()
    slack.say("C1", "U1", "before the gap", ts=slack.ts(now - gap - HOUR * 200))
    for number in range(25):
        slack.say("C1", "U1", f"{number}", ts=slack.ts(now - gap * number / 30 - 1))
    slack.page = 7

    async with running(slack, database) as bot:
        assert await held(bot, 25) == 25


async def test_replies_in_a_gap_are_read_under_roots_of_any_age(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    await stood(database, slack, 3 * HOUR)
    now = time.time()
    for days in (1, 25, 40):
        root = slack.say("C1", "U1", "root", ts=slack.ts(now - days * DAY))
        slack.say("C1", "U1", "reply", ts=slack.ts(now - 60 - days), thread=root["ts"])

    async with running(slack, database) as bot:
        # The root of yesterday is read again as well; the one of 40 days ago is beyond reach.
        assert await held(bot, 3) == 3


async def test_a_thousand_replies_are_read_to_the_last(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    await stood(database, slack, HOUR)
    now = time.time()
    root = slack.say("C1", "U1", "root", ts=slack.ts(now - 3000))
    for number in range(1001):
        slack.say("C1", "U1", f"{number}", ts=slack.ts(now - 2900 + number), thread=root["ts"])

    async with running(slack, database) as bot:
        assert await held(bot, 1002) == 1002


async def test_edits_and_deletions_in_a_gap_are_found(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    now = time.time()
    async with running(slack, database) as bot:
        await introduced(slack)
        said = [slack.say("C1", "U1", "good", ts=slack.ts(now - 600 + n)) for n in range(6)]
        thread = slack.say("C1", "U1", "reply", ts=slack.ts(now - 60), thread=said[5]["ts"])
        await asyncio.gather(*(slack.deliver(event, wait=20) for event in [*said, thread]))
        await bot.read()
    await set_back(database, 300)
    slack.delete("C1", said[0]["ts"])
    slack.delete("C1", said[5]["ts"])  # a root with a reply: a tombstone stays
    slack.delete("C1", thread["ts"])
    slack.edit("C1", said[1]["ts"], "this is great")

    async with running(slack, database) as bot:
        assert await held(bot, 4) == 4
        assert await _labels(bot) == {"neutral": 3, "positive": 1}


async def until_read(bot: Bot, channel: Channel, read: bool = True) -> None:
    """Wait until a channel is read, or no longer."""
    async with asyncio.timeout(30):
        while (await bot.storage.cursors.position(channel) is not None) is not read:
            await asyncio.sleep(0.02)


async def _labels(bot: Bot) -> dict[str, int]:
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    (tallies,) = await bot.storage.readings.tallies([C1], [end - timedelta(days=2), end])
    return {"neutral": sum(t.neutral for t in tallies), "positive": sum(t.positive for t in tallies)}


@pytest.mark.parametrize("retry_after", ["0", "1", "1.5", None, "soon"])
async def test_catching_up_waits_when_slack_asks_it_to(
    slack: server.Slack, database: Path, retry_after: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.slack.calls.UNASKED_WAIT", 0.3)
    slack.room("C1", "general", "U1")
    await stood(database, slack, HOUR)
    slack.say("C1", "U1", "said", ts=slack.ts(time.time() - 60))
    slack.faults["conversations.history"] = [server.limited(retry_after)] * 2

    async with running(slack, database) as bot:
        assert await held(bot, 1) == 1


@pytest.mark.parametrize(
    "fault", [server.status(500), server.half, server.error("fatal_error")], ids=["500", "half", "f"]
)
async def test_a_gap_that_cannot_be_read_now_is_read_later(slack: server.Slack, database: Path, fault: server.Fault):
    slack.room("C1", "general", "U1")
    await stood(database, slack, HOUR)
    slack.say("C1", "U1", "said", ts=slack.ts(time.time() - 60))
    slack.faults["conversations.history"] = [fault] * 7

    async with running(slack, database) as bot:
        assert await held(bot, 1) == 1


async def test_pages_that_are_empty_or_whose_cursor_is_stale_end_in_a_whole_history(
    slack: server.Slack, database: Path
):
    slack.room("C1", "general", "U1")
    await stood(database, slack, HOUR)
    for number in range(12):
        slack.say("C1", "U1", f"{number}", ts=slack.ts(time.time() - 60 - number))
    slack.page = 5
    empty = '{"ok": true, "messages": [], "has_more": true, "response_metadata": {"next_cursor": "0"}}'
    slack.faults["conversations.history"] = [
        server.writes(empty), server.passes, server.error("invalid_cursor"), server.passes,
    ]  # fmt: skip

    async with running(slack, database) as bot:
        assert await held(bot, 12) == 12


async def test_joins_in_a_gap_are_not_messages(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    await stood(database, slack, HOUR)
    slack.say("C1", "U2", "<@U2> has joined the channel", ts=slack.ts(time.time() - 60), subtype="channel_join")
    slack.say("C1", "U1", "welcome", ts=slack.ts(time.time() - 50))

    async with running(slack, database) as bot:
        assert await held(bot, 1) == 1


async def test_what_was_said_before_the_invitation_is_not_read_after_a_pause(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    slack.say("C1", "U1", "not for us", ts=slack.ts(time.time() - 2 * HOUR))
    async with running(slack, database):
        await introduced(slack)
    slack.say("C1", "U1", "for us")

    async with running(slack, database) as bot:
        assert await held(bot, 1) == 1


async def test_a_channel_that_gets_a_new_id_is_one_channel_without_a_second_introduction(slack: server.Slack, bot: Bot):
    before = slack.say("C1", "U1", "before")
    await slack.deliver(before)
    digest = Subscription(C1, Sort.DIGEST, Times(0, 9, 0, "UTC"), since=datetime.now(UTC), channels=(C1,))
    await bot.storage.subscriptions.subscribe(digest)
    slack.rooms["C2"] = replace(slack.rooms.pop("C1"), id="C2")
    await slack.deliver(
        {"type": "channel_id_changed", "old_channel_id": "C1", "new_channel_id": "C2", "event_ts": slack.ts()}
    )
    await slack.deliver(slack.say("C2", "U1", "after"))
    await slack.deliver(before)
    await slack.disconnect()
    await until_read(bot, US.channel("C2"))
    await until_read(bot, C1, False)

    assert await held(bot, 2, US.channel("C2")) == 2
    assert {s.channel.id: s.gone for s in await bot.storage.readings.channels()} == {"C2": None}
    assert [s.channel.id for s in await bot.storage.subscriptions.subscriptions()] == ["C2"]
    assert len(slack.posts) == 1


async def test_a_gap_is_closed_under_the_new_id_of_its_channel(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    await stood(database, slack, HOUR)
    slack.say("C1", "U1", "missed", ts=slack.ts(time.time() - 60))
    slack.rooms["C2"] = replace(slack.rooms.pop("C1"), id="C2")
    told = asyncio.Event()
    slack.faults["users.conversations"] = [server.waits_for(told)]

    async with running(slack, database) as bot:
        await slack.deliver(
            {"type": "channel_id_changed", "old_channel_id": "C1", "new_channel_id": "C2", "event_ts": slack.ts()}
        )
        told.set()
        assert await held(bot, 1, US.channel("C2")) == 1
    assert len(slack.posts) == 1


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
async def test_a_channel_that_we_were_put_out_of_while_away_is_read_no_longer(
    slack: server.Slack, database: Path, private: bool
):
    room = slack.room("C1", "general", "U1", private=private)
    await stood(database, slack, HOUR)
    room.members.discard(US.user)
    slack.say("C1", "U1", "not for us")

    async with running(slack, database) as bot:
        await until_read(bot, C1, False)
        assert await held(bot, 0) == 0


async def test_a_channel_that_was_never_ours_is_renamed_without_us(slack: server.Slack, bot: Bot):
    slack.room("C2", "theirs", "U1", joined=False)
    calls = len(slack.called("conversations.info"))
    renamed = {"type": "channel_rename", "channel": {"id": "C2", "name": "theirs"}, "event_ts": slack.ts()}
    await slack.deliver(renamed)
    await slack.until(lambda: len(slack.called("conversations.info")) > calls)
    await slack.deliver(slack.say("C1", "U1", "good morning"))
    await bot.read()

    assert {s.channel.id for s in await bot.storage.readings.channels()} == {"C1"}


@pytest.mark.parametrize("here", [False, True], ids=["archived", "archived and back"])
async def test_an_archived_channel_is_gone_until_it_is_back(slack: server.Slack, bot: Bot, here: bool):
    await slack.deliver(slack.say("C1", "U1", "before"))
    slack.rooms["C1"].archived = True
    await slack.deliver({"type": "channel_archive", "channel": "C1", "user": "U1", "event_ts": slack.ts()})
    if here:
        slack.rooms["C1"].archived = False
        await slack.deliver({"type": "channel_unarchive", "channel": "C1", "user": "U1", "event_ts": slack.ts()})
    wanted = None if here else Gone.ARCHIVED

    async with asyncio.timeout(30):
        while [s.gone for s in await bot.storage.readings.channels()] != [wanted]:
            await asyncio.sleep(0.02)
    assert await held(bot, 1) == 1


async def test_a_channel_left_and_joined_again_is_read_from_then_on(slack: server.Slack, bot: Bot):
    slack.rooms["C1"].members.discard(US.user)
    await slack.deliver({"type": "channel_left", "channel": "C1", "event_ts": slack.ts()})
    await until_read(bot, C1, False)
    slack.say("C1", "U1", "not for us", ts=slack.ts())
    slack.rooms["C1"].members.add(US.user)
    await slack.deliver({"type": "member_joined_channel", "user": US.user, "channel": "C1", "event_ts": slack.ts()})
    await until_read(bot, C1)
    await slack.deliver(slack.say("C1", "U1", "for us"))
    await slack.disconnect()

    assert await held(bot, 1) == 1
    assert len(slack.posts) == 1


async def test_a_renamed_channel_is_known_by_its_new_name(slack: server.Slack, bot: Bot):
    slack.rooms["C1"].name = "all-hands"
    await slack.deliver(
        {"type": "channel_rename", "channel": {"id": "C1", "name": "all-hands"}, "event_ts": slack.ts()}
    )

    async with asyncio.timeout(30):
        while [s.name for s in await bot.storage.readings.channels()] != ["all-hands"]:
            await asyncio.sleep(0.02)


async def asked_for_the_past(slack: server.Slack, user: str = "U1", text: str = "backfill 90d") -> str:
    before = len(slack.responses[user])
    await slack.command(user, "C1", text)
    await slack.until(lambda: len(slack.responses[user]) > before)
    return str(slack.responses[user][-1]["text"])


def a_past(slack: server.Slack, messages: int) -> None:
    now = time.time()
    for number in range(messages):
        said = slack.say("C1", f"U{number % 7 + 1}", f"{number}", ts=slack.ts(now - 80 * DAY + number * DAY / 10))
        if number % 10 == 0:
            slack.say("C1", "U1", "reply", ts=slack.ts(now - 80 * DAY + number * DAY / 10 + 5), thread=said["ts"])


async def test_the_past_is_read_on_request_and_its_end_is_said(slack: server.Slack, bot: Bot):
    a_past(slack, 50)
    slack.say("C1", "U1", "too old", ts=slack.ts(time.time() - 100 * DAY))
    slack.page = 9

    said = await asked_for_the_past(slack)
    assert "90 days" in said
    assert await held(bot, 55) == 55
    await slack.until(lambda: len(slack.posts) == 2)
    assert "55 messages" in slack.posts[1]["text"]


async def test_an_interrupted_reading_of_the_past_goes_on_where_it_was(slack: server.Slack, database: Path):
    slack.room("C1", "general", "U1")
    a_past(slack, 60)
    slack.page = 5
    async with running(slack, database):
        await introduced(slack)
        calls = len(slack.called("conversations.history"))
        await asked_for_the_past(slack)
        await slack.until(lambda: len(slack.called("conversations.history")) >= calls + 4)
    first = [args["latest"] for args in slack.called("conversations.history") if "latest" in args]
    slack.calls.clear()
    async with running(slack, database) as bot:
        assert await held(bot, 66) == 66

    again = [args["latest"] for args in slack.called("conversations.history") if "latest" in args]
    assert max(map(float, again)) <= min(map(float, first[:-1]))


async def test_progress_is_told_to_who_asks_again(slack: server.Slack, bot: Bot):
    a_past(slack, 20)
    slack.page = 5
    told = asyncio.Event()
    slack.faults["conversations.history"] = [server.waits_for(told)]
    await asked_for_the_past(slack)

    assert "so far" in await asked_for_the_past(slack, text="backfill")
    told.set()


async def test_only_creator_or_admin_has_the_past_read(slack: server.Slack, bot: Bot):
    assert "creator or an admin" in await asked_for_the_past(slack, "U3")
    assert await bot.storage.notes.notes(Platform.SLACK, US.workspace, "backfill") == {}


async def test_live_words_come_in_while_the_past_is_read(slack: server.Slack, bot: Bot):
    a_past(slack, 40)
    slack.page = 5
    await asked_for_the_past(slack)
    acked: list[Any] = await asyncio.gather(*(slack.deliver(slack.say("C1", "U2", f"live {n}")) for n in range(20)))

    assert acked == [{}] * 20
    assert await held(bot, 64) == 64
