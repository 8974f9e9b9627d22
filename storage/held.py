"""Held: which messages of a channel are recorded."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from bot.message import Channel, Window
from storage.engine import Database
from storage.moments import milliseconds
from storage.places import stored
from storage.tables import channels, readings, threads


class StoredHeld:
    """What the database holds. See `bot.store.Held`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def messages(self, channel: Channel, window: Window, /) -> Mapping[str, str | None]:
        """The messages sent in `window`, each with its thread."""
        place = stored(channel)
        asked = (
            select(readings.c.key, threads.c.key.label("thread"))
            .select_from(readings)
            .join(channels, readings.c.channel_id == channels.c.id)
            .outerjoin(threads, readings.c.thread_id == threads.c.id)
            .where(
                channels.c.platform == place.platform.value,
                channels.c.workspace == place.workspace,
                channels.c.key == place.id,
                # Threads count for their parent, so this finds a Discord thread by its own id too, without its index.
                readings.c.sent_at >= milliseconds(window.start),
                readings.c.sent_at < milliseconds(window.end),
                ~readings.c.deleted,
            )
        )
        async with self._database.reading() as connection:
            return {row.key: row.thread for row in await connection.execute(asked)}
