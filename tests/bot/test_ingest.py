"""The path of a message, over a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from bot.analysis import Analysis
from bot.errors import ConfigurationError, Refused, StorageBusy, Unavailable
from bot.ingest import MAX_ATTEMPTS, Ingest
from bot.message import Deletion
from bot.privacy import Key
from bot.store import Inbox, Waiting
from storage import Storage, open_storage
from tests.examples import AT, DAY, GENERAL, GLAD, HOUR, a_message, an_analysis


class Reader:
    """Reads everything as glad; fails as it is told to."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, ...]] = []
        self.away = 0
        self.missing = False
        self.refused = ""
        self.poison: str | None = None

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        self.batches.append(tuple(texts))
        if self.missing:
            raise ConfigurationError("The model's files are missing.")
        if self.away:
            self.away -= 1
            raise Unavailable("The reader is away.", retry_after=0)
        if self.refused and any(self.refused in text for text in texts):
            raise Refused("That text is refused.")
        if self.poison is not None and any(self.poison in text for text in texts):
            raise ZeroDivisionError(self.poison)
        return [an_analysis(GLAD) for _ in texts]

    @property
    def read(self) -> set[str]:
        return {text for batch in self.batches for text in batch}


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def ingest(storage, reader) -> Ingest:
    return Ingest(storage.inbox, reader, storage.ledger)


async def messages_in(storage: Storage) -> int:
    (tallies,) = await storage.readings.tallies([GENERAL], [AT - DAY, AT + DAY])
    return sum(tally.messages for tally in tallies)


async def test_an_accepted_message_is_read_and_recorded(storage, ingest):
    await ingest.accept(a_message(1), a_message(2))
    await ingest.drain()

    assert await messages_in(storage) == 2
    assert (await storage.inbox.count()).waiting == 0


async def test_what_was_accepted_waits_until_it_is_drained(storage, ingest, reader):
    await ingest.accept(a_message(1))

    assert (await storage.inbox.count()).waiting == 1
    assert reader.batches == []


async def test_a_bots_message_is_never_read(storage, ingest, reader):
    await ingest.accept(a_message(1, from_bot=True, text="build 17 passed"))
    await ingest.drain()

    assert reader.read == set()
    assert await messages_in(storage) == 0


async def test_while_nobody_can_read_messages_wait_and_nothing_is_guessed(storage, ingest, reader):
    reader.away = 1
    await ingest.accept(a_message(1))
    with pytest.raises(Unavailable):
        await ingest.drain()

    assert (await storage.inbox.count()).waiting == 1
    assert await messages_in(storage) == 0


async def test_they_are_read_as_soon_as_somebody_can_again(storage, ingest, reader):
    reader.away = 3
    await ingest.accept(a_message(1))
    running = asyncio.create_task(ingest.run())
    async with asyncio.timeout(10):
        while await messages_in(storage) < 1:
            await asyncio.sleep(0.01)
    running.cancel()

    assert len(reader.batches) == 4
    assert (await storage.inbox.count()).waiting == 0


async def test_however_long_the_database_is_away_it_is_tried_again(monkeypatch, reader, storage):
    monkeypatch.setattr("bot.ingest.LONGEST_PAUSE", 0.0)
    back = asyncio.Event()
    tries = 0

    class Away:
        async def take(self, _limit: int, /) -> Sequence[Waiting]:
            nonlocal tries
            tries += 1
            if tries <= 1100:  # 18 hours at a minute each
                raise StorageBusy("The database is locked.")
            back.set()
            return ()

    worker = asyncio.create_task(Ingest(cast(Inbox, Away()), reader, storage.ledger).run())
    async with asyncio.timeout(30):
        await asyncio.wait({worker, asyncio.create_task(back.wait())}, return_when=asyncio.FIRST_COMPLETED)

    assert not worker.done()
    worker.cancel()


async def test_one_message_that_cannot_be_read_does_not_hold_up_the_others(storage, ingest, reader):
    reader.poison = "poison"
    await ingest.accept(*(a_message(n, text="poison" if n == 5 else "fine") for n in range(1, 11)))
    await ingest.drain()

    assert await messages_in(storage) == 9
    count = await storage.inbox.count()
    assert (count.waiting, count.set_aside, count.reasons) == (0, 1, {"ZeroDivisionError": 1})


async def test_a_text_that_the_reader_refuses_does_not_hold_up_the_others(storage, ingest, reader):
    reader.refused = "no"
    await ingest.accept(a_message(1, text="no"), a_message(2), a_message(3))
    await ingest.drain()
    count = await storage.inbox.count()

    assert await messages_in(storage) == 2
    assert (count.waiting, count.reasons) == (0, {"refused by the reader": 1})


async def test_a_reader_that_fails_on_everything_sets_nothing_aside(storage, ingest, reader):
    reader.poison = ""  # in every text
    await ingest.accept(*(a_message(n) for n in range(1, 4)))
    with pytest.raises(Unavailable):
        await ingest.drain()
    count = await storage.inbox.count()

    assert (count.waiting, count.set_aside) == (3, 0)


async def test_a_reader_that_is_not_installed_sets_nothing_aside(storage, ingest, reader):
    reader.missing = True
    await ingest.accept(a_message(1))
    with pytest.raises(ConfigurationError):
        await ingest.drain()
    count = await storage.inbox.count()

    assert (count.waiting, count.set_aside) == (1, 0)


async def test_a_message_that_ends_the_process_each_time_is_set_aside_unread(tmp_path, reader):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    async with open_storage(url, Key(bytes(32))) as storage:
        await storage.inbox.put([a_message(1)])
    for _ in range(MAX_ATTEMPTS):
        async with open_storage(url, Key(bytes(32)), sole=True) as storage:  # a start after a crash
            await storage.inbox.take(10)
    async with open_storage(url, Key(bytes(32)), sole=True) as storage:
        await Ingest(storage.inbox, reader, storage.ledger).drain()
        count = await storage.inbox.count()

    assert reader.batches == []
    assert (count.waiting, count.set_aside) == (0, 1)


async def test_an_edit_replaces_and_a_deletion_removes(storage, ingest):
    await ingest.accept(a_message(1), a_message(2))
    await ingest.accept(a_message(1, revised_at=AT + HOUR, text="edited"), Deletion(a_message(2).id, AT + HOUR))
    await ingest.drain()

    assert await messages_in(storage) == 1


async def test_accepting_wakes_a_running_worker(storage, ingest):
    running = asyncio.create_task(ingest.run())
    await asyncio.sleep(0.05)
    await ingest.accept(a_message(1))
    async with asyncio.timeout(10):
        while await messages_in(storage) < 1:
            await asyncio.sleep(0.01)
    running.cancel()

    assert (await storage.inbox.count()).waiting == 0
