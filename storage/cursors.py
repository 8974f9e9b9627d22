"""Cursors: how far each channel has been read without a hole."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert

from bot.message import Channel, Platform
from storage.engine import Database
from storage.places import stored
from storage.tables import cursors


class StoredCursors:
    """The cursors in the database. See `bot.store.Cursors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self, channel: Channel, /) -> str | None:
        """The last message up to which nothing is missing."""
        async with self._database.reading() as connection:
            found = (await connection.execute(select(cursors.c.position).where(*_is(channel)))).scalar()
        return None if found is None else str(found)

    async def positions(self, platform: Platform, workspace: str, /) -> Mapping[Channel, str]:
        """Every channel of a workspace that has a position."""
        asked = select(cursors.c.key, cursors.c.position).where(
            cursors.c.platform == platform.value, cursors.c.workspace == workspace
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(asked)).all()
        return {Channel(platform, workspace, row.key): row.position for row in rows}

    async def advance(self, positions: Mapping[Channel, str], /) -> None:
        """Move to these positions, never backwards."""
        if not positions:
            return
        rows = [_named(channel) | {"position": position} for channel, position in positions.items()]
        put = insert(cursors)
        new, old = put.excluded.position, cursors.c.position
        later = or_(
            func.length(new) > func.length(old), (func.length(new) == func.length(old)) & (new > old)
        )  # as numbers: a snowflake of more digits is the later one
        put = put.on_conflict_do_update(
            index_elements=["platform", "workspace", "key"], set_={"position": new}, where=later
        )
        async with self._database.writing() as connection:
            await connection.execute(put, rows)

    async def drop(self, channel: Channel, /) -> None:
        """Forget how far `channel` was read."""
        async with self._database.writing() as connection:
            await connection.execute(delete(cursors).where(*_is(channel)))


def _named(channel: Channel) -> dict[str, str]:
    kept = stored(channel)
    return {"platform": kept.platform.value, "workspace": kept.workspace, "key": kept.id}


def _is(channel: Channel) -> list[ColumnElement[bool]]:
    return [cursors.c[name] == value for name, value in _named(channel).items()]
