"""Digests on a local Slack: posted once, whoever is killed, and only where they may be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.slack.digests import shown
from bot.message import Gone
from bot.schedule import Due, Post, Sort, State, Subscription, Times
from bot.trends import Trends
from bot.writer import GONE, Writer
from storage import open_storage
from tests.adapters.slack.conftest import KEY, US, Bot, introduced, running, victim
from tests.servers import slack as server

MONDAY = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
"""Nine in the morning in Berlin."""
C1 = US.channel("C1")
WEEKLY = Subscription(
    C1, Sort.DIGEST, Times(0, 9, 0, "Europe/Berlin"), since=MONDAY - timedelta(days=1), channels=(C1,)
)
DUE = Due(C1, Sort.DIGEST, MONDAY)


async def talked(slack: server.Slack, database: Path) -> None:
    """A channel where enough was said last week, and that wants a digest."""
    slack.room("C1", "general", *[f"U{number}" for number in range(1, 8)])
    async with running(slack, database, clock=lambda: MONDAY - timedelta(hours=1)) as bot:
        await introduced(slack)
        said = [
            slack.say("C1", f"U{n % 7 + 1}", "great", ts=slack.ts(MONDAY.timestamp() - 4 * 86_400 + n))
            for n in range(35)
        ]
        await asyncio.gather(*(slack.deliver(event) for event in said))
        await bot.read()
        await bot.storage.subscriptions.subscribe(WEEKLY)
    slack.posts.clear()


async def settled(bot: Bot, sort: Sort = Sort.DIGEST) -> Post:
    """What became of the digest (or alert), once it waits no longer or says why."""
    async with asyncio.timeout(60):
        while True:
            for post in await bot.storage.subscriptions.posts(C1, sort):
                if post.state is not State.WAITING or post.why:
                    return post
            await asyncio.sleep(0.02)


async def test_a_digest_that_is_due_is_posted_once_over_restarts(slack: server.Slack, database: Path):
    await talked(slack, database)
    async with running(slack, database, clock=lambda: MONDAY + timedelta(minutes=3)) as bot:
        await settled(bot)
    async with running(slack, database, clock=lambda: MONDAY + timedelta(minutes=5)) as bot:
        # Due after the digest, so that the digest has been looked at when this is settled.
        await bot.storage.subscriptions.subscribe(
            Subscription(C1, Sort.ALERT, Times(None, 9, 1, "Europe/Berlin"), since=MONDAY)
        )
        await settled(bot, Sort.ALERT)
        post = await settled(bot)

    (posted,) = slack.posts
    assert "35 messages" in posted["text"]
    assert post == Post(DUE, State.POSTED, posted["ts"])


async def test_a_dry_run_shows_the_very_blocks_that_are_posted(slack: server.Slack, database: Path):
    await talked(slack, database)
    now = MONDAY + timedelta(minutes=3)
    async with open_storage(str(database), KEY) as storage:
        writer = Writer(storage.subscriptions, Trends(storage.readings), storage.inbox, zone=ZoneInfo("UTC"))
        (planned,) = await writer.planned(now)
    async with running(slack, database, clock=lambda: now) as bot:
        await settled(bot)

    assert planned.made.answer is not None
    words, given = shown(planned.made.answer)
    (posted,) = slack.posts
    assert (posted["text"], posted["blocks"]) == (given["text"], given["blocks"])
    assert words.splitlines()[0] == planned.made.answer.title
    assert "35 messages by 7 people" in words


async def stores_and_hangs(running: server.Slack, request: object, args: server.Args) -> None:
    running._chat_postMessage(args)
    await asyncio.sleep(30)


async def hangs(running: server.Slack, request: object, args: server.Args) -> None:
    await asyncio.sleep(30)


@pytest.mark.parametrize("fault", [hangs, stores_and_hangs], ids=["before it is there", "when it is there"])
async def test_a_bot_that_is_killed_while_it_posts_neither_loses_nor_repeats_the_digest(
    slack: server.Slack, database: Path, fault: server.Fault
):
    await talked(slack, database)
    slack.faults["chat.postMessage"] = [fault]
    async with victim(slack, database, MONDAY.isoformat()) as process:
        await slack.until(lambda: not slack.faults["chat.postMessage"], within=100)
        process.kill()
        await process.wait()

    async with running(slack, database, clock=lambda: MONDAY + timedelta(minutes=1)) as bot:
        post = await settled(bot)

    (posted,) = slack.posts
    assert post == Post(DUE, State.POSTED, posted["ts"])


async def test_an_archived_channel_gets_no_digest(slack: server.Slack, database: Path):
    await talked(slack, database)
    async with running(slack, database, clock=lambda: MONDAY - timedelta(minutes=1)) as bot:
        event = {
            "type": "channel_archive",
            "channel": "C1",
            "user": "U1",
            "event_ts": slack.ts(MONDAY.timestamp() - 60),
        }
        slack.rooms["C1"].archived = True
        await slack.deliver(event)
        await bot.read()
    async with running(slack, database, clock=lambda: MONDAY + timedelta(hours=3)) as bot:
        post = await settled(bot)

    assert slack.posts == []
    assert post.why == GONE[Gone.ARCHIVED]


async def test_a_channel_that_the_bot_was_put_out_of_gets_no_digest(slack: server.Slack, database: Path):
    await talked(slack, database)
    slack.rooms["C1"].members.discard(server.BOT_USER)
    async with running(slack, database, clock=lambda: MONDAY + timedelta(hours=3)) as bot:
        post = await settled(bot)

    assert slack.posts == []
    assert post.state is State.WAITING
    assert "invite me" in str(post.why)


async def test_a_workspace_that_removed_the_app_hears_nothing_and_the_operator_the_mend(
    slack: server.Slack, database: Path
):
    await talked(slack, database)
    slack.faults["chat.postMessage"] = [server.error("account_inactive")]
    async with running(slack, database, clock=lambda: MONDAY + timedelta(minutes=1)) as bot:
        post = await settled(bot)

    assert slack.posts == []
    assert post.state is State.WAITING
    assert str(post.why).startswith("The app was removed from the workspace: install it again")


@pytest.mark.parametrize(("external", "posts"), [(False, 1), (True, 0)])
async def test_a_team_digest_is_not_shown_to_another_organisation(
    slack: server.Slack, database: Path, external: bool, posts: int
):
    await talked(slack, database)
    slack.room("C2", "random", "U1")
    slack.rooms["C1"].shared = external
    async with running(slack, database, clock=lambda: MONDAY - timedelta(hours=1)) as bot:
        await introduced(slack)
        team = Subscription(C1, Sort.DIGEST, WEEKLY.times, WEEKLY.since, channels=(C1, US.channel("C2")))
        await bot.storage.subscriptions.subscribe(team)
    slack.posts.clear()
    async with running(slack, database, clock=lambda: MONDAY + timedelta(minutes=1)) as bot:
        post = await settled(bot)

    assert len(slack.posts) == posts
    assert (post.state is State.POSTED) is not external
