"""Digests on a local Discord: ordered in a channel, posted once whoever is killed, and only where they may be."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import timedelta
from functools import partial
from operator import add
from pathlib import Path

import pytest

from adapters.discord.digests import NOT_READ, NOT_THERE, shown
from adapters.discord.orders import Start, Stop, order
from adapters.discord.translate import room
from bot.answer import Answer
from bot.message import ChannelSeen, Message, MessageId
from bot.schedule import Due, Post, Sort, State, Subscription, Times
from storage import Storage, open_storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import GENERAL, GUILD, message
from tests.adapters.discord.stage import said, stage, us
from tests.adapters.discord.test_replay import victim
from tests.conftest import KEY
from tests.examples import AT, DAY, HOUR, WEEK, an_author
from tests.servers.discord import Fault, local_discord

PLACE = room(GUILD, GENERAL)
NOW = AT + WEEK
"""A Monday, 10:00 in Berlin."""
WEEKLY = Subscription(PLACE, Sort.DIGEST, Times(0, 10, 0, "Europe/Berlin"), since=NOW - DAY, channels=(PLACE,))
DUE = Due(PLACE, Sort.DIGEST, NOW)
QUIET = Answer("#general, 2 – 8 March 2026", ("A quiet week.",))
POSTS = f"/channels/{GENERAL}/messages"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start", Start()),
        ("start with backfill 90d", Start(90)),
        ("start, backfill the last 2 weeks", Start(14)),
        ("Stop.", Stop()),
        ("digest on", None),
        ("digest off", None),
        ("start backfill", None),
        ("mood last week", None),
    ],
)
def test_orders_are_told_from_questions(text: str, expected: object):
    assert order(text) == expected


async def talked(parts: Parts) -> None:
    """A channel where enough was said last week, and that wants a digest."""
    said = [
        Message(MessageId(PLACE, f"{person}{number}"), an_author(person), AT + DAY, AT + DAY, "great work")
        for person in range(1, 7)
        for number in range(5)
    ]
    await parts.read(GENERAL)
    await parts.ingest.accept(ChannelSeen(PLACE, "general", AT), *said)
    await parts.ingest.drain()
    await parts.storage.subscriptions.subscribe(WEEKLY)


async def test_a_digest_is_posted_once_when_it_is_due_and_not_when_it_is_late(storage: Storage):
    async with local_discord() as server:
        first = Parts(storage, clock=lambda: NOW)
        await talked(first)
        (planned,) = await first.writer.planned(NOW)
        for late in (-HOUR, 0 * HOUR, HOUR, WEEK + 3 * DAY):
            parts = Parts(storage, clock=partial(add, NOW, late))
            async with parts.running():
                await parts.adapter.delivery.post_due()
                await parts.adapter.delivery.post_due()
        posts = await storage.subscriptions.posts(PLACE, Sort.DIGEST)

    (posted,) = server.posted
    assert posted["channel_id"] == GENERAL
    assert "general" in posted["content"]
    assert planned.made.answer is not None
    words, given = shown(planned.made.answer)  # as a dry run shows it
    assert posted["content"] == given["content"]
    assert [embed["title"] for embed in posted["embeds"]] == [embed["title"] for embed in given["embeds"]]
    assert posted["content"] in words
    assert [post.state for post in posts] == [State.SKIPPED, State.POSTED]


@pytest.mark.parametrize("after", [False, True], ids=["before it is there", "when it is there"])
async def test_a_bot_that_is_killed_while_it_posts_neither_loses_nor_repeats_the_digest(database: Path, after: bool):
    async with local_discord() as server:
        with server.unseen():
            await server.write(message(1, at=NOW))  # the local server dates its posts by the latest message
        async with open_storage(str(database), KEY, sole=True) as storage:
            await talked(Parts(storage))
        server.faults.append(Fault("POST", POSTS, 0, after=after))
        process = await victim(database, server, NOW.isoformat())
        await until(lambda: server.faults[0].times == 0)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        server.forget_nonces()  # minutes pass

        async with open_storage(str(database), KEY, sole=True) as storage:
            parts = Parts(storage, clock=lambda: NOW + timedelta(minutes=5))
            async with parts.running():
                await parts.adapter.delivery.post_due()
            posts = await storage.subscriptions.posts(PLACE, Sort.DIGEST)

    (posted,) = server.posted
    assert posts == [Post(DUE, State.POSTED, posted["id"])]


async def test_an_answer_of_the_same_words_is_not_taken_for_the_digest(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        with server.unseen():
            await server.write(message(1, at=NOW))
        async with parts.running():
            place = parts.adapter.place(PLACE)
            assert place is not None
            first = await parts.adapter.outlet.post(place, PLACE, QUIET, key="digest")
            # Let it be somebody's answer, and the digest a try of an earlier life that posted nothing.
            question = {"message_id": message(1, at=NOW)["id"], "channel_id": GENERAL, "guild_id": GUILD}
            server.messages[GENERAL][int(first.id)]["message_reference"] = question
            note = await storage.notes.note(PLACE.platform, GUILD, "posted digest")
            await storage.notes.write(PLACE.platform, GUILD, "posted digest", {**note, "message": None})
            server.forget_nonces()
            second = await parts.adapter.outlet.post(place, PLACE, QUIET, key="digest")

    assert [post["id"] for post in server.posted] == [first.id, second.id]


async def test_nothing_is_posted_where_reading_was_stopped_or_the_channel_is_gone(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await talked(parts)
        elsewhere = replace(WEEKLY, channel=room(GUILD, "999"), channels=(PLACE,))
        await storage.subscriptions.subscribe(elsewhere)
        await parts.ingest.accept(ChannelSeen(elsewhere.channel, "elsewhere", AT))
        await parts.ingest.drain()
        await parts.adapter.rooms.stop(GUILD, int(GENERAL))
        async with parts.running():
            await parts.adapter.delivery.post_due()
        whys = [(await storage.subscriptions.posts(each, Sort.DIGEST))[0].why for each in (PLACE, elsewhere.channel)]

    assert server.posted == []
    assert whys == [NOT_READ, NOT_THERE]


async def test_a_server_that_removed_us_gets_nothing_any_more(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await talked(parts)
        await parts.adapter.history.left(GUILD)
        async with parts.running():
            await parts.adapter.delivery.post_due()

    assert server.posted == []
    assert await storage.subscriptions.subscriptions() == []


async def test_who_may_manage_a_channel_says_what_is_posted_there(storage: Storage):
    async with stage(storage) as on:
        await on.manager.slash(on.general, "roomtone start")
        await on.ann.send(on.general, f"{us(on)} digest on weekly monday 09:00 Europe/Berlin")
        refused = on.general.last_message.content
        await on.manager.send(on.general, f"{us(on)} digest on weekly monday 09:00 Europe/Berlin")
        agreed = on.general.last_message.content
        kept = await storage.subscriptions.subscriptions()
        await on.manager.slash(on.general, "roomtone digest-off")
        left = await storage.subscriptions.subscriptions()

    assert refused.startswith("Only somebody who may manage the channel")
    assert "is posted in #general on Mondays at 09:00 (Europe/Berlin)" in agreed
    assert [(each.channel.id, each.times) for each in kept] == [(str(on.general.id), Times(0, 9, 0, "Europe/Berlin"))]
    assert left == []


async def test_a_command_switches_the_digest_on_for_everybody_to_see(storage: Storage):
    async with stage(storage) as on:
        await on.manager.slash(on.general, "roomtone start")
        answer = said(await on.manager.slash(on.general, "roomtone digest-on", weekday="Friday", hour=16, zone="UTC"))
        kept = await storage.subscriptions.subscriptions()

    assert "on Fridays at 16:00 (UTC)" in answer.content
    assert not answer.ephemeral
    assert [each.times for each in kept] == [Times(4, 16, 0, "UTC")]


async def test_a_hidden_channel_is_in_no_other_channels_digest(storage: Storage):
    async with stage(storage) as on:
        for channel in (on.general, on.secret):
            await on.manager.slash(channel, "roomtone start")
        secret = f"<#{on.secret.id}>"
        answer = said(await on.manager.slash(on.general, "roomtone ask", question=f"digest on for {secret}"))

        assert answer.content.startswith("Not everybody here may see those channels")
        assert await storage.subscriptions.subscriptions() == []


async def test_a_channel_that_is_not_read_gets_no_digest(storage: Storage):
    async with stage(storage) as on:
        await on.manager.send(on.general, f"{us(on)} digest on")

        assert on.general.last_message.content.startswith("I don't read that channel yet")
        assert await storage.subscriptions.subscriptions() == []
