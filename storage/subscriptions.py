"""Subscriptions: what channels want posted, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from bot.message import Channel, Platform
from bot.schedule import Due, Post, Sort, State, Subscription, Times
from storage.engine import Database
from storage.moments import milliseconds, moment
from storage.places import stored
from storage.tables import posts, subscriptions

KEPT = timedelta(days=100)
"""How long a settled post is remembered."""

_NAME = ["platform", "workspace", "key", "sort"]


class StoredSubscriptions:
    """The subscriptions and posts in the database. See `bot.store.Subscriptions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def subscription(self, channel: Channel, sort: Sort, /) -> Subscription | None:
        """What `channel` wants of that sort; None if nothing."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(subscriptions).where(_is(subscriptions, channel, sort)))).first()
        return None if row is None else _subscription(row)

    async def subscriptions(
        self, platform: Platform | None = None, workspace: str | None = None, /
    ) -> Sequence[Subscription]:
        """What every channel wants, or those of a platform, or of a workspace."""
        asked = select(subscriptions).order_by(*(subscriptions.c[name] for name in _NAME))
        if platform is not None:
            asked = asked.where(subscriptions.c.platform == platform.value)
        if workspace is not None:
            asked = asked.where(subscriptions.c.workspace == workspace)
        async with self._database.reading() as connection:
            return [_subscription(row) for row in await connection.execute(asked)]

    async def subscribe(self, subscription: Subscription, /) -> None:
        """Keep it, in the place of an earlier one."""
        row = _named(subscription.channel, subscription.sort) | {
            "weekday": subscription.times.weekday,
            "hour": subscription.times.hour,
            "minute": subscription.times.minute,
            "zone": subscription.times.zone,
            "since": milliseconds(subscription.since),
            "channels": json.dumps([channel.id for channel in subscription.channels]),
            "low": subscription.is_low,
        }
        put = insert(subscriptions).values(**row)
        put = put.on_conflict_do_update(
            index_elements=_NAME, set_={name: put.excluded[name] for name in row if name not in _NAME}
        )
        async with self._database.writing() as connection:
            await connection.execute(put)

    async def unsubscribe(self, channel: Channel, sort: Sort, /) -> bool:
        """Forget it, and what waits to be posted for it; False if there was none."""
        waits = and_(_is(posts, channel, sort), posts.c.state == State.WAITING.value)
        async with self._database.writing() as connection:
            await connection.execute(delete(posts).where(waits))
            gone = await connection.execute(delete(subscriptions).where(_is(subscriptions, channel, sort)))
        return gone.rowcount > 0

    async def forget(self, platform: Platform, workspace: str, /) -> None:
        """Forget everything that the channels of a workspace wanted."""
        async with self._database.writing() as connection:
            for table in (posts, subscriptions):
                await connection.execute(delete(table).where(_within(table, platform, workspace)))

    async def plan(self, due: Due, /) -> None:
        """Let it wait to be posted, unless it has been planned before."""
        put = insert(posts).values(**_row(due), state=State.WAITING.value, reserved_until=0)
        put = put.on_conflict_do_nothing(index_elements=[*_NAME, "due"])
        old = and_(_is(posts, due.channel, due.sort), posts.c.due < milliseconds(due.at - KEPT))
        async with self._database.writing() as connection:
            await connection.execute(put)
            await connection.execute(delete(posts).where(old))

    async def waiting(self, platform: Platform, workspace: str, now: datetime, /) -> Sequence[Due]:
        """What waits in a workspace and nobody has reserved, oldest first."""
        asked = (
            select(posts)
            .where(_within(posts, platform, workspace), posts.c.state == State.WAITING.value)
            .where(posts.c.reserved_until <= milliseconds(now))
            .order_by(posts.c.due, posts.c.key, posts.c.sort)
        )
        async with self._database.reading() as connection:
            return [_post(row).due for row in await connection.execute(asked)]

    async def reserve(self, due: Due, now: datetime, until: datetime, /) -> bool:
        """Be the only one who may post it, `until` then."""
        free = and_(_is_post(due), posts.c.state == State.WAITING.value, posts.c.reserved_until <= milliseconds(now))
        # One statement, so that of two processes the second finds it taken.
        put = update(posts).where(free).values(reserved_until=milliseconds(until))
        async with self._database.writing() as connection:
            return (await connection.execute(put)).rowcount > 0

    async def settle(
        self, due: Due, state: State, /, *, message: str | None = None, why: str | None = None, low: bool | None = None
    ) -> None:
        """Say what became of it; `low` goes into its subscription."""
        became = {"state": state.value, "message": message, "why": why}
        put = insert(posts).values(**_row(due), **became, reserved_until=0)
        put = put.on_conflict_do_update(index_elements=[*_NAME, "due"], set_=became)
        known = update(posts).where(_is_post(due)).values(**became)
        async with self._database.writing() as connection:
            # What was posted is remembered even if it was switched off meanwhile, which forgot what waited.
            await connection.execute(put if state is State.POSTED else known)
            if low is not None:
                mine = _is(subscriptions, due.channel, due.sort)
                await connection.execute(update(subscriptions).where(mine).values(low=low))

    async def posts(self, channel: Channel, sort: Sort, /, *, limit: int = 10) -> Sequence[Post]:
        """What was due lately, newest first."""
        asked = select(posts).where(_is(posts, channel, sort)).order_by(posts.c.due.desc()).limit(limit)
        async with self._database.reading() as connection:
            return [_post(row) for row in await connection.execute(asked)]

    async def end_reservations(self) -> None:
        """Let everything be reserved anew: whoever had reserved something is gone."""
        async with self._database.writing() as connection:
            await connection.execute(update(posts).where(posts.c.reserved_until > 0).values(reserved_until=0))


def _named(channel: Channel, sort: Sort) -> dict[str, Any]:
    kept = stored(channel)
    return {"platform": kept.platform.value, "workspace": kept.workspace, "key": kept.id, "sort": sort.value}


def _row(due: Due) -> dict[str, Any]:
    return _named(due.channel, due.sort) | {"due": milliseconds(due.at)}


def _is(table: Table, channel: Channel, sort: Sort) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in _named(channel, sort).items()))


def _is_post(due: Due) -> ColumnElement[bool]:
    return and_(*(posts.c[name] == value for name, value in _row(due).items()))


def _within(table: Table, platform: Platform, workspace: str) -> ColumnElement[bool]:
    return and_(table.c.platform == platform.value, table.c.workspace == workspace)


def _channel(row: Any) -> Channel:
    return Channel(Platform(row.platform), row.workspace, row.key)


def _subscription(row: Any) -> Subscription:
    channel = _channel(row)
    return Subscription(
        channel=channel,
        sort=Sort(row.sort),
        times=Times(row.weekday, row.hour, row.minute, row.zone),
        since=moment(row.since),
        channels=tuple(Channel(channel.platform, channel.workspace, id_) for id_ in json.loads(row.channels)),
        is_low=row.low,
    )


def _post(row: Any) -> Post:
    return Post(Due(_channel(row), Sort(row.sort), moment(row.due)), State(row.state), row.message, row.why)
