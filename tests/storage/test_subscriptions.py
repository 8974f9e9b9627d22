"""What channels want posted: kept, planned once, reserved by one, and brought over from the notes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic import command

from bot.message import Channel, Platform
from bot.schedule import Due, Post, Sort, State, Subscription, Times
from storage import Storage, open_storage
from storage.migrations import configuration
from tests.conftest import KEY
from tests.examples import AT, DAY, GENERAL, HOUR, RANDOM, WEEK

BERLIN = Times(0, 9, 30, "Europe/Berlin")
WEEKLY = Subscription(GENERAL, Sort.DIGEST, BERLIN, since=AT, channels=(GENERAL, RANDOM))
DUE = Due(GENERAL, Sort.DIGEST, AT)


async def test_a_subscription_is_what_was_last_kept(storage: Storage):
    await storage.subscriptions.subscribe(replace(WEEKLY, times=Times(None, 0, 0, "UTC")))
    await storage.subscriptions.subscribe(WEEKLY)

    assert await storage.subscriptions.subscriptions() == [WEEKLY]
    assert await storage.subscriptions.subscription(GENERAL, Sort.ALERT) is None


async def test_a_workspace_lists_its_own_subscriptions_and_forgets_them_alone(storage: Storage):
    elsewhere = replace(WEEKLY, channel=Channel(Platform.CONSOLE, "other", "general"), channels=())
    for each in (WEEKLY, elsewhere):
        await storage.subscriptions.subscribe(each)

    assert await storage.subscriptions.subscriptions(Platform.CONSOLE, "acme") == [WEEKLY]
    await storage.subscriptions.forget(Platform.CONSOLE, "acme")
    assert await storage.subscriptions.subscriptions() == [elsewhere]


async def test_of_many_who_reserve_a_post_one_gets_it_until_the_reservation_ends(storage: Storage):
    posts = storage.subscriptions
    await asyncio.gather(*(posts.plan(DUE) for _ in range(4)))

    got = await asyncio.gather(*(posts.reserve(DUE, AT, AT + HOUR) for _ in range(8)))

    assert sorted(got) == [False] * 7 + [True]
    assert await posts.waiting(Platform.CONSOLE, "acme", AT) == []
    assert await posts.waiting(Platform.CONSOLE, "acme", AT + HOUR) == [DUE]
    assert await posts.reserve(DUE, AT + HOUR, AT + 2 * HOUR)


async def test_a_settled_post_is_never_planned_or_reserved_again(storage: Storage):
    posts = storage.subscriptions
    await posts.plan(DUE)
    await posts.settle(DUE, State.POSTED, message="17.1")
    await posts.plan(DUE)

    assert not await posts.reserve(DUE, AT + DAY, AT + 2 * DAY)
    assert await posts.posts(GENERAL, Sort.DIGEST) == [Post(DUE, State.POSTED, "17.1")]


async def test_switching_off_forgets_what_waits_but_not_what_was_posted(storage: Storage):
    posts = storage.subscriptions
    await posts.subscribe(WEEKLY)
    for at in (AT, AT + WEEK):
        await posts.plan(Due(GENERAL, Sort.DIGEST, at))
    await posts.settle(DUE, State.POSTED, message="1")

    assert await posts.unsubscribe(GENERAL, Sort.DIGEST)
    assert not await posts.unsubscribe(GENERAL, Sort.DIGEST)
    assert await posts.posts(GENERAL, Sort.DIGEST) == [Post(DUE, State.POSTED, "1")]


async def test_what_became_of_posts_is_forgotten_after_months(storage: Storage):
    posts = storage.subscriptions
    await posts.plan(DUE)
    await posts.plan(Due(GENERAL, Sort.DIGEST, AT + timedelta(days=101)))

    assert [post.due.at for post in await posts.posts(GENERAL, Sort.DIGEST)] == [AT + timedelta(days=101)]


async def test_a_worker_that_starts_alone_ends_what_a_dead_one_had_reserved(database: Path):
    async with open_storage(str(database), KEY, sole=True) as first:
        await first.subscriptions.plan(DUE)
        assert await first.subscriptions.reserve(DUE, AT, AT + WEEK)

    async with open_storage(str(database), KEY, sole=True) as second:
        assert await second.subscriptions.waiting(Platform.CONSOLE, "acme", AT) == [DUE]


async def test_digests_that_were_ordered_before_move_out_of_the_notes(tmp_path: Path):
    path = tmp_path / "old.db"
    migrate(path, "0003")
    posted = datetime(2026, 3, 9, 8, tzinfo=UTC)
    notes = [
        ("slack", "T1", "digest C1", {"weekday": 0, "hour": 9, "zone": "Europe/Berlin", "since": AT.isoformat()}),
        ("slack", "T1", "digested C1", {"at": posted.isoformat()}),
        ("slack", "T1", "digest C2", {"weekday": 4, "hour": 16, "zone": "UTC", "since": AT.isoformat()}),
        ("discord", "7", "digest 8", {"weekday": 2, "hour": 9, "minute": 30, "zone": "UTC"}),
        ("discord", "7", "posted digest 8 2026-03-04", {"at": "1", "message": "2"}),
        ("discord", "7", "started 8", {"since": "1"}),
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO notes VALUES (?, ?, ?, ?)", [(*name, json.dumps(value)) for *name, value in notes]
        )

    async with open_storage(str(path), KEY) as opened:
        kept = {each.channel.id: each for each in await opened.subscriptions.subscriptions()}
        left = await opened.notes.notes(Platform.SLACK, "T1", ""), await opened.notes.notes(Platform.DISCORD, "7", "")

    assert {id_: (each.times, each.channels) for id_, each in kept.items()} == {
        "C1": (Times(0, 9, 0, "Europe/Berlin"), (Channel(Platform.SLACK, "T1", "C1"),)),
        "C2": (Times(4, 16, 0, "UTC"), (Channel(Platform.SLACK, "T1", "C2"),)),
        "8": (Times(2, 9, 30, "UTC"), (Channel(Platform.DISCORD, "7", "8"),)),
    }
    # Nothing is due that was posted already.
    assert kept["C1"].since == posted + timedelta(seconds=1)
    assert kept["C2"].since == AT + timedelta(seconds=1)
    assert kept["8"].times.latest(datetime(2026, 3, 4, 12, tzinfo=UTC)) < kept["8"].since
    assert [sorted(notes) for notes in left] == [[], ["posted digest 8 2026-03-04", "started 8"]]


def migrate(path: Path, revision: str) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        command.upgrade(configuration(connection), revision)
    engine.dispose()
