"""Notes: small facts that an adapter must not forget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert

from bot.message import Platform
from storage.engine import Database
from storage.tables import notes


class StoredNotes:
    """The notes in the database. See `bot.store.Notes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, platform: Platform, workspace: str, name: str, /) -> Any:
        """The note's value; None if there is none."""
        asked = select(notes.c.value).where(*_within(platform, workspace), notes.c.name == name)
        async with self._database.reading() as connection:
            found = (await connection.execute(asked)).scalar()
        return None if found is None else json.loads(found)

    async def notes(self, platform: Platform, workspace: str, prefix: str, /) -> Mapping[str, Any]:
        """Every note whose name begins with `prefix`, by name."""
        asked = (
            select(notes.c.name, notes.c.value)
            # Not LIKE, for which SQLite takes 'A' for 'a'.
            .where(*_within(platform, workspace), func.substr(notes.c.name, 1, len(prefix)) == prefix)
            .order_by(notes.c.name)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(asked)).all()
        return {row.name: json.loads(row.value) for row in rows}

    async def write(self, platform: Platform, workspace: str, name: str, value: Any, /) -> None:
        """Keep a note durably, in the place of an earlier one."""
        put = insert(notes).values(**_row(platform, workspace, name, value))
        put = put.on_conflict_do_update(
            index_elements=["platform", "workspace", "name"], set_={"value": put.excluded.value}
        )
        async with self._database.writing() as connection:
            await connection.execute(put)

    async def claim(self, platform: Platform, workspace: str, name: str, value: Any, /) -> bool:
        """Keep a note unless there is one of that name; was it kept?"""
        put = insert(notes).values(**_row(platform, workspace, name, value))
        put = put.on_conflict_do_nothing(index_elements=["platform", "workspace", "name"])
        async with self._database.writing() as connection:
            return (await connection.execute(put)).rowcount > 0

    async def drop_note(self, platform: Platform, workspace: str, name: str, /) -> None:
        """Forget a note."""
        gone = delete(notes).where(*_within(platform, workspace), notes.c.name == name)
        async with self._database.writing() as connection:
            await connection.execute(gone)


def _row(platform: Platform, workspace: str, name: str, value: Any) -> dict[str, str]:
    return {"platform": platform.value, "workspace": workspace, "name": name, "value": json.dumps(value)}


def _within(platform: Platform, workspace: str) -> tuple[Any, ...]:
    return (notes.c.platform == platform.value, notes.c.workspace == workspace)
