"""Gaps after a pause, and the past on request."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.message import Channel, Platform
from tests.adapters.slack.conftest import US, Bot, introduced, running
from tests.servers import slack as server

C1 = US.channel("C1")
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


async def stood(database: Path, slack: server.Slack, seconds: float) -> None:
    """A bot that was in #general and stopped `seconds` ago."""
    async with running(slack, database) as bot:
        await introduced(slack, len(slack.rooms))
        await slack.until(lambda: len(slack.called("users.conversations")) >= 2)
        await asyncio.sleep(0.1)
        await bot.read()
        await set_back(bot, seconds)


async def set_back(bot: Bot, seconds: float) -> None:
    """Pretend that #general was last read `seconds` ago."""
    await bot.storage.cursors.drop(C1)
    await bot.storage.cursors.advance({C1: f"{time.time() - seconds:.6f}"})


async def held(bot: Bot, expected: int, channel: Channel = C1) -> int:
    """How many messages are held, once they are `expected` or ten seconds have passed."""
    deadline = time.monotonic() + 10
    while (count := await bot.texts_held(channel)) != expected and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return count


async def gaps_closed(slack: server.Slack) -> None:
    calls = len(slack.called("conversations.history"))
    await slack.until(lambda: len(slack.called("conversations.history")) > calls)
    await asyncio.sleep(0.3)


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
        await set_back(bot, 300)
    slack.delete("C1", said[0]["ts"])
    slack.delete("C1", said[5]["ts"])  # a root with a reply: a tombstone stays
    slack.delete("C1", thread["ts"])
    slack.edit("C1", said[1]["ts"], "this is great")

    async with running(slack, database) as bot:
        assert await held(bot, 4) == 4
        assert await _labels(bot) == {"neutral": 3, "positive": 1}


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
        await asyncio.sleep(1)
        await slack.disconnect()
        assert await held(bot, 1) == 1


async def test_a_channel_left_and_joined_again_is_read_from_then_on(slack: server.Slack, bot: Bot):
    await slack.deliver({"type": "channel_left", "channel": "C1", "event_ts": slack.ts()})
    await asyncio.sleep(0.2)
    slack.say("C1", "U1", "not for us", ts=slack.ts(time.time() - 0.01))
    slack.rooms["C1"].members.discard(US.user)
    await asyncio.sleep(0.05)
    slack.rooms["C1"].members.add(US.user)
    await slack.deliver({"type": "member_joined_channel", "user": US.user, "channel": "C1", "event_ts": slack.ts()})
    await slack.until(lambda: len(slack.called("conversations.info")) >= 2)
    await slack.deliver(slack.say("C1", "U1", "for us"))

    assert await held(bot, 1) == 1
    assert len(slack.posts) == 1


async def test_a_renamed_channel_is_known_by_its_new_name(slack: server.Slack, bot: Bot):
    slack.rooms["C1"].name = "all-hands"
    await slack.deliver(
        {"type": "channel_rename", "channel": {"id": "C1", "name": "all-hands"}, "event_ts": slack.ts()}
    )
    await slack.until(lambda: len(slack.called("conversations.info")) >= 2)
    await asyncio.sleep(0.2)
    await bot.read()

    assert [s.name for s in await bot.storage.readings.channels()] == ["all-hands"]


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
    slack.faults["conversations.history"] = [server.limited("2")]
    await asked_for_the_past(slack)

    assert "so far" in await asked_for_the_past(slack, text="backfill")


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
