"""Channels: what they are called, whose threads they are, and which are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from bot.message import Channel, ChannelGone, ChannelSeen, Gone, Platform
from storage.engine import among, given
from storage.moments import milliseconds, moment
from storage.names import storable
from storage.tables import channels, former


@dataclass(slots=True)
class Place:
    """A channel's row. `parent` and `deleted_before` are settled by `located` and `updated`."""

    id: int
    channel: Channel
    name: str | None
    private: bool
    parent: Channel | None
    seen_at: int | None
    gone: str | None
    gone_at: int | None
    deleted_at: int | None
    moved_at: int | None

    @property
    def is_gone(self) -> bool:
        """Is the latest news that it is gone?"""
        return self.gone_at is not None and (self.seen_at is None or self.gone_at >= self.seen_at)


def stored(channel: Channel) -> Channel:
    """`channel` as its row spells it."""
    return Channel(channel.platform, storable(channel.workspace), storable(channel.id))


async def located(connection: AsyncConnection, wanted: Iterable[Channel]) -> dict[Channel, Place]:
    """The place of each of `wanted`, and of their parents; new ones are added.

    Keys are as `stored` spells them. A channel's former id leads to its place, whose `channel` has the id of now.
    """
    names = list(dict.fromkeys(wanted))
    places = await known(connection, names)
    missing = [channel for channel in names if channel not in places]
    if missing:
        rows = [{"platform": c.platform.value, "workspace": c.workspace, "key": c.id} for c in missing]
        await connection.execute(insert(channels).on_conflict_do_nothing(), rows)
        places |= await known(connection, missing)
    parents = {place.parent for place in places.values() if place.parent and place.parent not in places}
    if parents:
        places |= await known(connection, parents)
    return places


async def known(connection: AsyncConnection, wanted: Collection[Channel]) -> dict[Channel, Place]:
    """The places of those of `wanted` that have one, also by a former id."""
    if not wanted:
        return {}
    found = {place.channel: place for place in places_of(await connection.execute(_LOOK_UP, _keys(wanted)))}
    if missing := [channel for channel in wanted if channel not in found]:
        rows = (await connection.execute(_LOOK_UP_FORMER, _keys(missing))).all()
        asked = [Channel(Platform(row.former_platform), row.former_workspace, row.former_key) for row in rows]
        found |= dict(zip(asked, places_of(rows), strict=True))
    return found


async def former_of(connection: AsyncConnection, numbers: Sequence[int]) -> set[Channel]:
    """The former ids of the channels that have these numbers."""
    asked = select(former.c.platform, former.c.workspace, former.c.key).where(among(former.c.channel_id, "numbers"))
    rows = await connection.execute(asked, {"numbers": [[number] for number in numbers]})
    return {Channel(Platform(row.platform), row.workspace, row.key) for row in rows}


def _keys(some: Iterable[Channel]) -> dict[str, Any]:
    return {"channels": [[channel.platform.value, channel.workspace, channel.id] for channel in some]}


def _place(row: Any) -> Place:
    parent = None
    if row.parent_platform is not None:
        parent = Channel(Platform(row.parent_platform), row.parent_workspace, row.parent_key)
    return Place(
        id=row.id,
        channel=Channel(Platform(row.platform), row.workspace, row.key),
        name=row.name,
        private=row.private,
        parent=parent,
        seen_at=row.seen_at,
        gone=row.gone,
        gone_at=row.gone_at,
        deleted_at=row.deleted_at,
        moved_at=row.moved_at,
    )


_given, (_platform, _workspace, _key) = given("channels", Text, Text, Text)
_parents = channels.alias("parents")
_COLUMNS = (
    channels.c.id,
    channels.c.platform,
    channels.c.workspace,
    channels.c.key,
    channels.c.name,
    channels.c.private,
    channels.c.seen_at,
    channels.c.gone,
    channels.c.gone_at,
    channels.c.deleted_at,
    channels.c.moved_at,
    _parents.c.platform.label("parent_platform"),
    _parents.c.workspace.label("parent_workspace"),
    _parents.c.key.label("parent_key"),
)
_LOOK_UP = select(*_COLUMNS).select_from(
    _given.join(
        channels,
        (channels.c.platform == _platform) & (channels.c.workspace == _workspace) & (channels.c.key == _key),
    ).outerjoin(_parents, channels.c.parent_id == _parents.c.id)
)
_LOOK_UP_FORMER = select(
    *_COLUMNS,
    former.c.platform.label("former_platform"),
    former.c.workspace.label("former_workspace"),
    former.c.key.label("former_key"),
).select_from(
    _given.join(former, (former.c.platform == _platform) & (former.c.workspace == _workspace) & (former.c.key == _key))
    .join(channels, former.c.channel_id == channels.c.id)
    .outerjoin(_parents, channels.c.parent_id == _parents.c.id)
)
EVERY = select(*_COLUMNS).select_from(channels.outerjoin(_parents, channels.c.parent_id == _parents.c.id))
"""Every channel's row, for `places_of`."""


def places_of(rows: Iterable[Any]) -> list[Place]:
    """The places that `rows` of EVERY are."""
    return [_place(row) for row in rows]


def home_of(place: Place, places: Mapping[Channel, Place]) -> Place:
    """The place whose numbers a message in `place` counts for."""
    return places[place.parent] if place.parent else place


def deleted_before(place: Place, places: Mapping[Channel, Place]) -> int | None:
    """Until when everything sent in `place` was deleted with it, or with its parent."""
    both = (place.deleted_at, home_of(place, places).deleted_at)
    return max((at for at in both if at is not None), default=None)


async def updated(
    connection: AsyncConnection, places: dict[Channel, Place], news: Iterable[ChannelSeen | ChannelGone]
) -> set[Channel]:
    """Bring `places` and their rows up to date with `news`, in any order; says which of them changed."""
    changed = set()
    for event in news:
        place = places[stored(event.channel)]
        if _seen(place, event) if isinstance(event, ChannelSeen) else _lost(place, event):
            changed.add(place.channel)
    if changed:
        rows = [
            {
                "number": place.id,
                "name": place.name,
                "private": place.private,
                "parent_id": places[place.parent].id if place.parent else None,
                "seen_at": place.seen_at,
                "gone": place.gone,
                "gone_at": place.gone_at,
                "deleted_at": place.deleted_at,
            }
            for place in map(places.__getitem__, changed)
        ]
        await connection.execute(_UPDATE, rows)
    return changed


def told_of(place: Place) -> Iterator[ChannelSeen | ChannelGone]:
    """The news that `place` is as it is by."""
    if place.seen_at is not None:
        yield ChannelSeen(place.channel, place.name or "", moment(place.seen_at), place.private, place.parent)
    if place.gone is not None and place.gone_at is not None:
        yield ChannelGone(place.channel, moment(place.gone_at), Gone(place.gone))
    if place.deleted_at is not None:
        yield ChannelGone(place.channel, moment(place.deleted_at), Gone.DELETED)


_UPDATE = (
    update(channels)
    .where(channels.c.id == bindparam("number"))
    .values(
        {name: bindparam(name) for name in ("name", "private", "parent_id", "seen_at", "gone", "gone_at", "deleted_at")}
    )
)


def _seen(place: Place, event: ChannelSeen) -> bool:
    at, name, parent = milliseconds(event.at), storable(event.name), event.parent and stored(event.parent)
    if place.seen_at is not None:
        # Of two at the same moment the greater one, so that it doesn't matter which came first.
        before = (place.seen_at, place.name or "", place.private, _spelled(place.parent))
        if (at, name, event.private, _spelled(parent)) <= before:
            return False
    place.seen_at, place.name, place.private, place.parent = at, name, event.private, parent
    return True


def _lost(place: Place, event: ChannelGone) -> bool:
    at, changed = milliseconds(event.at), False
    if place.gone_at is None or (at, event.why.value) > (place.gone_at, place.gone or ""):
        place.gone_at, place.gone, changed = at, event.why.value, True
    if event.why is Gone.DELETED and (place.deleted_at is None or at > place.deleted_at):
        place.deleted_at, changed = at, True
    return changed


def _spelled(channel: Channel | None) -> tuple[str, ...]:
    return (channel.platform.value, channel.workspace, channel.id) if channel else ()
