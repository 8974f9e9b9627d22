"""What adapters leave in storage: how far they read, and what they must not forget."""

import asyncio

from bot.message import Channel, Platform
from storage import Storage
from tests.examples import GENERAL, RANDOM


async def test_a_channel_that_was_never_read_has_no_position(storage: Storage):
    assert await storage.cursors.position(GENERAL) is None


async def test_a_position_only_moves_forward(storage: Storage):
    await storage.cursors.advance({GENERAL: "1700000002.000200"})
    await storage.cursors.advance({GENERAL: "1700000001.000100"})

    assert await storage.cursors.position(GENERAL) == "1700000002.000200"


async def test_more_digits_are_a_later_position(storage: Storage):
    await storage.cursors.advance({GENERAL: "99"})
    await storage.cursors.advance({GENERAL: "100"})

    assert await storage.cursors.position(GENERAL) == "100"


async def test_a_workspace_lists_its_own_positions_only(storage: Storage):
    elsewhere = Channel(Platform.SLACK, "acme", "general")
    await storage.cursors.advance({GENERAL: "1", RANDOM: "2", elsewhere: "3"})

    assert await storage.cursors.positions(Platform.CONSOLE, "acme") == {GENERAL: "1", RANDOM: "2"}


async def test_a_dropped_position_is_gone(storage: Storage):
    await storage.cursors.advance({GENERAL: "1"})
    await storage.cursors.drop(GENERAL)

    assert await storage.cursors.position(GENERAL) is None


async def test_a_note_is_what_was_last_written(storage: Storage):
    await storage.notes.write(Platform.SLACK, "T1", "backfill C1", {"oldest": "1"})
    await storage.notes.write(Platform.SLACK, "T1", "backfill C1", {"oldest": "2"})

    assert await storage.notes.note(Platform.SLACK, "T1", "backfill C1") == {"oldest": "2"}


async def test_of_several_claims_exactly_one_is_heard(storage: Storage):
    claims = [storage.notes.claim(Platform.SLACK, "T1", "introduced C1", number) for number in range(8)]

    assert sorted(await asyncio.gather(*claims)) == [False] * 7 + [True]


async def test_notes_are_found_by_what_their_name_begins_with(storage: Storage):
    await storage.notes.write(Platform.SLACK, "T1", "a_1", 1)
    await storage.notes.write(Platform.SLACK, "T1", "a_2", 2)
    await storage.notes.write(Platform.SLACK, "T1", "ab", 3)
    await storage.notes.write(Platform.SLACK, "T2", "a_3", 4)

    assert await storage.notes.notes(Platform.SLACK, "T1", "a_") == {"a_1": 1, "a_2": 2}


async def test_a_dropped_note_can_be_claimed_again(storage: Storage):
    await storage.notes.claim(Platform.SLACK, "T1", "x", 1)
    await storage.notes.drop_note(Platform.SLACK, "T1", "x")

    assert await storage.notes.claim(Platform.SLACK, "T1", "x", 2)
