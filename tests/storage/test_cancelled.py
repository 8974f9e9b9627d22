"""Work that is cancelled half-way leaves nothing locked."""

import asyncio

import pytest

from bot.message import Platform
from storage import Storage
from tests.examples import a_message


@pytest.mark.parametrize("milliseconds", range(0, 12, 2))
async def test_a_cancelled_transaction_gives_its_lock_back(storage: Storage, milliseconds: int):
    await storage.inbox.put([a_message(number) for number in range(50)])
    taking = asyncio.create_task(storage.inbox.take(50))
    await asyncio.sleep(milliseconds / 1000)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)

    await storage.notes.write(Platform.SLACK, "T1", "written", True)

    assert await storage.notes.note(Platform.SLACK, "T1", "written") is True
