"""Ledger: turns what was read into readings and roll-ups, exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from bot.analysis import Analysis
from bot.message import ChannelMoved, Message, MessageId, Pseudonym
from bot.store import Past, Standing, Waiting
from storage.engine import Database, among
from storage.inbox import subject_of
from storage.kept import REVISIONS, named, read
from storage.moments import milliseconds
from storage.names import storable
from storage.places import known, stored
from storage.recording import Recording
from storage.seal import Seal
from storage.tables import authors, inbox, models, reactions, readings
from storage.uniting import unite


class StoredLedger:
    """The ledger in the database. See `bot.store.Ledger`."""

    def __init__(self, database: Database, seal: Seal, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock

    async def record(self, done: Sequence[tuple[Waiting, Analysis | None]], /) -> None:
        """Commit a batch and end its events in the inbox, in one transaction."""
        if not done:
            return
        readings_ = [read(w.event, analysis) for w, analysis in done if isinstance(w.event, Message)]
        events = [waiting.event for waiting, _ in done if not isinstance(waiting.event, Message)]
        async with self._database.writing() as connection:
            recording = Recording(connection)
            for event in events:
                if isinstance(event, ChannelMoved):
                    await unite(recording, event)
            await recording.record(readings_, events)
            await connection.execute(
                delete(inbox).where(among(inbox.c.id, "receipts")),
                {"receipts": [[waiting.receipt] for waiting, _ in done]},
            )

    async def known(self, revisions: Sequence[tuple[MessageId, datetime]], /) -> Sequence[bool]:
        """Is each revision, or a later one, or a tombstone, recorded or waiting?"""
        if not revisions:
            return ()
        wanted = [
            (stored(message.channel), storable(message.id), milliseconds(at), subject_of(message, self._seal))
            for message, at in revisions
        ]
        async with self._database.reading() as connection:
            places = await known(connection, {channel for channel, *_ in wanted})
            keys = [[places[channel].id, key] for channel, key, *_ in wanted if channel in places]
            recorded = {
                (row.channel_id, row.key): None if row.deleted else row.revised_at
                for row in await connection.execute(REVISIONS, {"keys": keys})
            }
            waiting: dict[bytes, int] = {
                row.subject: row.revised_at
                for row in await connection.execute(_WAITING, {"subjects": sorted({s for *_, s in wanted})})
            }
        return tuple(
            _is_known(recorded, (places[channel].id, key) if channel in places else None, at)
            or waiting.get(subject, at - 1) >= at
            for channel, key, at, subject in wanted
        )

    async def standing(self, revisions: Sequence[tuple[MessageId, datetime]], /) -> Sequence[Standing]:
        """What is recorded of each message, seen from this revision?"""
        if not revisions:
            return ()
        wanted = [(stored(message.channel), storable(message.id), milliseconds(at)) for message, at in revisions]
        async with self._database.reading() as connection:
            places = await known(connection, {channel for channel, *_ in wanted})
            keys = [[places[channel].id, key] for channel, key, _ in wanted if channel in places]
            rows = {(row.channel_id, row.key): row for row in await connection.execute(_STANDINGS, {"keys": keys})}
        return tuple(
            _standing(rows.get((places[channel].id, key)) if channel in places else None, at)
            for channel, key, at in wanted
        )

    async def reread(self, done: Sequence[tuple[Message, Analysis]], /) -> int:
        """Put these readings in the place of those of the same revisions, in one transaction."""
        if not done:
            return 0
        async with self._database.writing() as connection:
            recording = Recording(connection)
            return await recording.reread([read(message, analysis) for message, analysis in done])

    async def read_by(self) -> Mapping[str, int]:
        """How many messages each model read."""
        counting = (
            select(models.c.name, func.count().label("messages"))
            .join(readings, readings.c.model_id == models.c.id)
            .group_by(models.c.name)
        )
        async with self._database.reading() as connection:
            return {row.name: row.messages for row in await connection.execute(counting)}

    async def opt_out(self, author: Pseudonym, /) -> None:
        """Take everything of `author` out of every number, and keep nothing of theirs from now on."""
        async with self._database.writing() as connection:
            put = insert(authors).values(pseudonym=author, opted_out=True)
            put = put.on_conflict_do_update(
                index_elements=["pseudonym"], set_={"opted_out": True, "counted_from": None}
            )
            number = (await connection.execute(put.returning(authors.c.id))).scalar_one()
            await Recording(connection).forget(readings.c.author_id == number)
            await connection.execute(delete(reactions).where(reactions.c.author_id == number))
            await connection.execute(delete(inbox).where(inbox.c.author == author))

    async def opt_in(self, author: Pseudonym, /) -> None:
        """Count what `author` sends from now on."""
        back = (
            update(authors)
            .where(authors.c.pseudonym == author, authors.c.opted_out)
            .values(opted_out=False, counted_from=milliseconds(self._clock()))
        )
        async with self._database.writing() as connection:
            await connection.execute(back)

    async def opted_out(self, author: Pseudonym, /) -> bool:
        """Has `author` opted out?"""
        asking = select(authors.c.opted_out).where(authors.c.pseudonym == author)
        async with self._database.reading() as connection:
            return bool((await connection.execute(asking)).scalar())


def _is_known(recorded: dict[tuple[int, str], int | None], name: tuple[int, str] | None, at: int) -> bool:
    if name is None or name not in recorded:
        return False
    revised_at = recorded[name]
    return revised_at is None or revised_at >= at


def _standing(row: Any, at: int) -> Standing:
    if row is None:
        return Standing(Past.UNKNOWN)
    if row.deleted:
        return Standing(Past.DELETED)
    if row.revised_at == at:
        return Standing(Past.READ, row.model)
    return Standing(Past.EDITED if row.revised_at > at else Past.UNKNOWN, row.model)


_STANDINGS = select(
    readings.c.channel_id, readings.c.key, readings.c.deleted, readings.c.revised_at, models.c.name.label("model")
).select_from(named.outerjoin(models, readings.c.model_id == models.c.id))
_WAITING = (
    select(inbox.c.subject, func.max(inbox.c.revised_at).label("revised_at"))
    .where(inbox.c.subject.in_(bindparam("subjects", expanding=True)))
    .group_by(inbox.c.subject)
)
