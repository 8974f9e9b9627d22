"""A channel whose id changed: what was told of either id becomes what was told of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, Table, case, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.message import ChannelMoved, Deletion, Event, MessageId, Reaction, ReactionsCleared
from storage.engine import among
from storage.kept import read_in, spelled
from storage.moments import milliseconds, moment
from storage.moves import followed, removed, renamed, rethreaded
from storage.places import EVERY, Place, located, places_of, stored, told_of
from storage.recording import CHUNK, Recording, told_in
from storage.tables import authors, channels, clearings, reactions, readings


async def unite(recording: Recording, move: ChannelMoved) -> None:
    """Make one channel of the two ids: as if all that was told of either had been told of one."""
    connection = recording.connection
    old_id, new_id = stored(move.old), stored(move.new)
    found = await located(connection, [old_id, new_id])
    recording.places = {place.channel: place for place in found.values()}
    old, new = (recording.places[found[id_].channel] for id_ in (old_id, new_id))
    moves = [(place.moved_at, place.channel.id) for place in (old, new) if place.moved_at is not None]
    moved_at, key = max([*moves, (milliseconds(move.at), new_id.id)])
    ids = {old_id, new_id, old.channel, new.channel}
    now = replace(new_id, id=key)
    stays = old
    if old.id != new.id:
        goes, stays = (new, old) if await _recorded(connection, new) <= await _recorded(connection, old) else (old, new)
        await _absorb(recording, goes, stays)
    await renamed(connection, stays.id, now, ids - {now}, moved_at)
    for id_ in sorted(ids - {now}, key=spelled):
        await followed(connection, id_, now)
    recording.numbers.threads.clear()  # they go by the ids of before


async def _recorded(connection: AsyncConnection, place: Place) -> int:
    counting = select(func.count()).where(readings.c.channel_id == place.id)
    return await connection.scalar(counting) or 0


async def _absorb(recording: Recording, goes: Place, stays: Place) -> None:
    """Tell everything that was told of `goes` again, of `stays`, and take its row away."""
    connection = recording.connection
    inside = places_of((await connection.execute(EVERY.where(channels.c.parent_id == goes.id))).all())
    await connection.execute(
        update(channels)
        .where(channels.c.parent_id == goes.id)
        .values(parent_id=case((channels.c.id != stays.id, stays.id)))
    )
    if stays.parent == goes.channel:
        stays.parent = None
    for place in inside:
        await recording.move(place, stays.id)
    await rethreaded(connection, goes, stays)
    now = {goes.channel: stays.channel}
    await recording.tell((), [told_in(event, now) for event in told_of(goes)])
    await recording.erase(stays)
    async for some in recording.forgotten(readings.c.channel_id == goes.id):
        read = [read_in(row.reading, now) for row in some]
        roots = {reading.thread[0] for reading in read if reading.thread} - recording.places.keys()
        recording.places |= await located(connection, roots)
        await recording.tell(read, ())
    there = MessageId(stays.channel, "")
    again: list[Event]
    async for rows in _drained(connection, select(readings.c.key), readings, goes):  # only tombstones are left there
        again = [Deletion(replace(there, id=row.key), moment(0)) for row in rows]
        await recording.tell((), again)
    given_ = select(reactions, authors.c.pseudonym).join(authors, reactions.c.author_id == authors.c.id)
    async for rows in _drained(connection, given_, reactions, goes):
        again = [Reaction(replace(there, id=r.key), r.pseudonym, r.emoji, moment(r.at), r.added) for r in rows]
        await recording.tell((), again)
    async for rows in _drained(connection, select(clearings), clearings, goes):
        again = [ReactionsCleared(replace(there, id=r.key), moment(r.at), r.emoji or None) for r in rows]
        await recording.tell((), again)
    await removed(connection, goes, stays)


async def _drained(
    connection: AsyncConnection, rows: Select[Any], table: Table, place: Place
) -> AsyncIterator[Sequence[Any]]:
    """Those of `rows` that are in `place`, some messages' at a time, taken out of `table`."""
    here = table.c.channel_id == place.id
    keys = select(table.c.key).where(here).distinct().limit(CHUNK)
    while found := (await connection.execute(keys)).scalars().all():
        these, names = here & among(table.c.key, "keys"), {"keys": [[key] for key in found]}
        some = (await connection.execute(rows.where(these), names)).all()
        await connection.execute(delete(table).where(these), names)
        yield some
