"""SQL: keeps the promises of `bot.store`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.analysis.budget import Spending
from bot.privacy import Key
from bot.store import Cursors, Held, Inbox, Ledger, Names, Notes, Readings, Rereading, Subscriptions
from storage.cursors import StoredCursors
from storage.engine import check, connected
from storage.held import StoredHeld
from storage.inbox import LEASE, StoredInbox
from storage.ledger import StoredLedger
from storage.names import StoredNames
from storage.notes import StoredNotes
from storage.readings import StoredReadings
from storage.schema import prepared
from storage.seal import Seal
from storage.spending import StoredSpending
from storage.subscriptions import StoredSubscriptions

__all__ = ["Storage", "check", "open_storage"]


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything that is kept, behind the promises of `bot.store`."""

    inbox: Inbox
    ledger: Ledger
    past: Rereading
    readings: Readings
    names: Names
    cursors: Cursors
    notes: Notes
    held: Held
    subscriptions: Subscriptions
    spending: Spending


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_storage(
    url: str, key: Key, *, sole: bool = False, clock: Callable[[], datetime] = _now, lease: timedelta = LEASE
) -> AsyncIterator[Storage]:
    """The storage at `url`, created or upgraded if need be, and closed in the end.

    `url` is a path or `sqlite:///path`. With `sole` this process is the one that works off the inbox: what a process
    that died had on loan is lent again at once, and a second `sole` on the same file is refused. Without it, questions
    may be asked, and events put, while another process works.

    Raises ConfigurationError (wrong address, another key, a second `sole`), NewerSchema, StorageBusy, StorageFull,
    StorageError.
    """
    async with connected(url) as database:
        if sole:
            await database.claim()
        await prepared(database, key)
        seal = Seal(key)
        inbox = StoredInbox(database, seal, clock=clock, lease=lease)
        readings = StoredReadings(database, seal)
        subscriptions = StoredSubscriptions(database)
        if sole:
            await inbox.end_loans()
            await subscriptions.end_reservations()
        ledger = StoredLedger(database, seal, clock=clock)
        try:
            yield Storage(
                inbox=inbox,
                ledger=ledger,
                past=ledger,
                readings=readings,
                names=StoredNames(database),
                cursors=StoredCursors(database),
                notes=StoredNotes(database),
                held=StoredHeld(database),
                subscriptions=subscriptions,
                spending=StoredSpending(database),
            )
        finally:
            await inbox.finish()
            await readings.finish()
