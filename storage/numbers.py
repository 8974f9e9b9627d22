"""The numbers that names are stored under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, Text

from bot.entities import canonical
from bot.message import Channel
from storage.engine import given
from storage.kept import Reading
from storage.names import numbered
from storage.places import Place
from storage.tables import authors, entities, models, reasons, surfaces, threads


@dataclass(slots=True)
class Numbers:
    """Those that a transaction knows."""

    authors: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    surfaces: dict[str, int] = field(default_factory=dict)
    entities: dict[str, int] = field(default_factory=dict)  # by surface
    threads: dict[tuple[Channel, str], int] = field(default_factory=dict)

    async def know(self, connection: AsyncConnection, places: Mapping[Channel, Place], some: Sequence[Reading]) -> None:
        """Know the number of every name in `some`."""
        for table, column, known_, names in (
            (models, "name", self.models, {r.model for r in some if r.model is not None}),
            (reasons, "name", self.reasons, {r.reason for r in some if r.reason is not None}),
            (authors, "pseudonym", self.authors, {r.author for r in some}),
        ):
            if missing := names - known_.keys():
                known_ |= await numbered(connection, table, column, missing)
        said = {surface for r in some for surface, _, _ in r.mentions} - self.surfaces.keys()
        if said:
            meant = {surface: canonical(surface) for surface in said}
            ids = await numbered(connection, entities, "key", meant.values())
            self.entities |= {surface: ids[key] for surface, key in meant.items()}
            of = {surface: self.entities[surface] for surface in said}
            self.surfaces |= await numbered(connection, surfaces, "text", said, entity_id=of)
        roots = {r.thread for r in some if r.thread is not None} - self.threads.keys()
        if roots:
            keys = [[places[channel].id, key] for channel, key in roots if channel in places]
            rows = [{"channel_id": channel, "key": key} for channel, key in keys]
            if rows:
                await connection.execute(insert(threads).on_conflict_do_nothing(), rows)
                channel_of = {place.id: channel for channel, place in places.items()}
                for row in await connection.execute(_THREADS, {"keys": keys}):
                    self.threads[channel_of[row.channel_id], row.key] = row.id


_keys, (_channel, _key) = given("keys", Integer, Text)
_THREADS = select(threads.c.id, threads.c.channel_id, threads.c.key).select_from(
    _keys.join(threads, (threads.c.channel_id == _channel) & (threads.c.key == _key))
)
