"""What is held of a channel."""

from datetime import timedelta

from bot.message import Deletion, Window
from storage import Storage
from tests.examples import AT, DAY, GENERAL, RANDOM, a_message, an_analysis


async def test_what_is_held_is_recorded_in_that_channel_and_window_and_not_deleted(storage: Storage):
    root = a_message(1)
    reply = a_message(2, thread=root.id)
    deleted = a_message(3)
    later, elsewhere = a_message(4, at=AT + DAY), a_message(5, channel=RANDOM)
    await storage.inbox.put([root, reply, deleted, later, elsewhere, Deletion(deleted.id, AT + timedelta(hours=1))])
    taken = await storage.inbox.take(10)
    await storage.ledger.record([(waiting, an_analysis()) for waiting in taken])

    assert await storage.held.messages(GENERAL, Window(AT, AT + DAY)) == {"1": None, "2": "1"}
