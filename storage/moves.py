"""What is kept under a channel's id, when the platform gives it another."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.message import Channel
from bot.schedule import State
from storage.places import Place
from storage.tables import (
    channels,
    cursors,
    former,
    notes,
    posts,
    readings,
    rollups_packed,
    subscriptions,
    threads,
)


async def renamed(
    connection: AsyncConnection, number: int, now: Channel, olds: Iterable[Channel], moved_at: int
) -> None:
    """Let the channel `number` be called `now`; `olds` lead to it from then on."""
    await connection.execute(delete(former).where(_is(former, now)))
    await connection.execute(update(channels).where(channels.c.id == number).values(key=now.id, moved_at=moved_at))
    rows = [{**_named(old), "channel_id": number} for old in olds]
    if not rows:  # two ids that are stored as one
        return
    put = insert(former)
    put = put.on_conflict_do_update(
        index_elements=["platform", "workspace", "key"], set_={"channel_id": put.excluded.channel_id}
    )
    await connection.execute(put, rows)


async def removed(connection: AsyncConnection, goes: Place, stays: Place) -> None:
    """Take away the row of a channel in which nothing is left; its former ids lead to `stays`."""
    await connection.execute(update(former).where(former.c.channel_id == goes.id).values(channel_id=stays.id))
    await connection.execute(delete(rollups_packed).where(rollups_packed.c.home_id == goes.id))
    await connection.execute(delete(channels).where(channels.c.id == goes.id))


async def rethreaded(connection: AsyncConnection, goes: Place, stays: Place) -> None:
    """Let the threads of `goes` be threads of `stays`, those of the same first message one thread."""
    twin = threads.alias()
    twins = (
        select(threads.c.id)
        .join(twin, (twin.c.key == threads.c.key) & (twin.c.channel_id == stays.id))
        .where(threads.c.channel_id == goes.id)
    )
    if twice := (await connection.execute(twins)).scalars().all():
        same = select(twin.c.id).join(threads, (twin.c.key == threads.c.key) & (twin.c.channel_id == stays.id))
        one = same.where(threads.c.id == readings.c.thread_id).scalar_subquery()
        await connection.execute(
            update(readings).where(readings.c.thread_id.in_(twins)).values(thread_id=one.correlate(readings))
        )
        await connection.execute(delete(threads).where(threads.c.id.in_(twice)))
    await connection.execute(update(threads).where(threads.c.channel_id == goes.id).values(channel_id=stays.id))


async def followed(connection: AsyncConnection, old: Channel, now: Channel) -> None:
    """Let cursor, notes, subscriptions and posts that are kept under `old` be kept under `now`."""
    await _cursor(connection, old, now)
    await _notes(connection, old, now)
    await _subscriptions(connection, old, now)
    await _posts(connection, old, now)


async def _cursor(connection: AsyncConnection, old: Channel, now: Channel) -> None:
    positions = {
        row.key: row.position
        for row in await connection.execute(select(cursors).where(_is(cursors, old) | _is(cursors, now)))
    }
    if old.id not in positions:
        return
    # Only up to the earlier one is nothing missing.
    position = min(positions.values(), key=lambda position: (len(position), position))
    await connection.execute(delete(cursors).where(_is(cursors, old) | _is(cursors, now)))
    await connection.execute(insert(cursors).values(**_named(now), position=position))


async def _notes(connection: AsyncConnection, old: Channel, now: Channel) -> None:
    inside = and_(notes.c.platform == old.platform.value, notes.c.workspace == old.workspace)
    about = select(notes.c.name, notes.c.value).where(inside, notes.c.name.contains(old.id, autoescape=True))
    for row in (await connection.execute(about)).all():
        words = row.name.split(" ")
        if old.id not in words:
            continue
        name = " ".join(now.id if word == old.id else word for word in words)
        # The older note is the one that knows when the channel was first read, and that it knows us.
        await connection.execute(delete(notes).where(inside, notes.c.name.in_([row.name, name])))
        await connection.execute(
            insert(notes).values(platform=old.platform.value, workspace=old.workspace, name=name, value=row.value)
        )


async def _subscriptions(connection: AsyncConnection, old: Channel, now: Channel) -> None:
    newer = select(subscriptions.c.sort).where(_is(subscriptions, now))
    await connection.execute(delete(subscriptions).where(_is(subscriptions, old), subscriptions.c.sort.in_(newer)))
    await connection.execute(update(subscriptions).where(_is(subscriptions, old)).values(key=now.id))
    inside = and_(subscriptions.c.platform == old.platform.value, subscriptions.c.workspace == old.workspace)
    for row in (await connection.execute(select(subscriptions).where(inside))).all():
        about = json.loads(row.channels)
        if old.id in about:
            ids = list(dict.fromkeys(now.id if id_ == old.id else id_ for id_ in about))
            this = and_(inside, subscriptions.c.key == row.key, subscriptions.c.sort == row.sort)
            await connection.execute(update(subscriptions).where(this).values(channels=json.dumps(ids)))


async def _posts(connection: AsyncConnection, old: Channel, now: Channel) -> None:
    rows = (await connection.execute(select(posts).where(_is(posts, old) | _is(posts, now)))).all()
    kept: dict[tuple[str, int], Any] = {}
    for row in rows:
        before = kept.get((row.sort, row.due))
        # Of two for the same time the one that is settled, or it would be posted twice.
        if before is None or before.state == State.WAITING.value:
            kept[row.sort, row.due] = row
    if kept:
        await connection.execute(delete(posts).where(_is(posts, old) | _is(posts, now)))
        await connection.execute(posts.insert(), [{**row._mapping, "key": now.id} for row in kept.values()])


def _named(channel: Channel) -> dict[str, str]:
    return {"platform": channel.platform.value, "workspace": channel.workspace, "key": channel.id}


def _is(table: Table, channel: Channel) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in _named(channel).items()))
