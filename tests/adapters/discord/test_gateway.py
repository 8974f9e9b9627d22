"""Connections that fail, on a local gateway: nothing is lost, and nothing is counted twice.

Tests are named by the numbers of the scenarios in `test_scenarios`.
"""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord.client import MISSING_INTENT, REFUSED
from adapters.discord.translate import room
from bot.errors import ConfigurationError
from bot.message import Deletion
from storage import Storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import GENERAL, GUILD, message
from tests.servers.discord import RANDOM, LocalDiscord, a_thread, local_discord


async def test_what_is_written_is_kept_in_order_and_the_cursor_follows(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            for number in range(1, 6):
                await server.write(message(number, content=f"message {number}"))
            await until(lambda: "message 5" in parts.texts())
            await parts.adapter.intake.settled()

        position = await storage.cursors.position(room(GUILD, GENERAL))

    assert parts.texts() == [f"message {number}" for number in range(1, 6)]
    assert position == message(5)["id"]


async def test_only_the_needed_intents_are_asked_for(storage: Storage):
    async with local_discord() as server, Parts(storage).running():
        assert server.intents == 34305


async def test_21_a_channel_that_nobody_started_is_not_read(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read(RANDOM)
        async with parts.running():
            await server.write(message(1))
            await server.delete(GENERAL, message(1)["id"])
            await server.write(message(2, channel_id=RANDOM, content="read"))
            await until(lambda: "read" in parts.texts())

    assert parts.texts() == ["read"]
    assert [type(event) for event in parts.kept if isinstance(event, Deletion)] == []


async def test_21_what_was_said_before_a_channel_was_started_is_not_read_when_it_is_edited(storage: Storage):
    old = message(1, content="said before")
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read(since=int(message(2)["id"]))
        async with parts.running():
            await server.edit({**old, "content": "edited", "edited_timestamp": message(3)["timestamp"]})
            await server.write(message(3, content="said after"))
            await until(lambda: "said after" in parts.texts())

    assert parts.texts() == ["said after"]


async def cut_and_talk(server: LocalDiscord, cut: str) -> None:
    """Lose the connection in the way that `cut` names, while three messages are written."""
    if cut.isdecimal():
        await server.close(int(cut))
    elif cut == "op 7":
        await server.ask_to_reconnect()
    elif cut == "op 9 resumable":
        await server.invalidate(resumable=True)
    elif cut == "op 9":
        await server.invalidate(resumable=False)
    else:
        server.lose_session()
        await server.close(4000)
    for number in (2, 3, 4):
        await server.write(message(number, content=f"message {number}"))


@pytest.mark.parametrize(
    "cut", ["1000", "1001", "4000", "4003", "4007", "4009", "op 7", "op 9 resumable", "op 9", "session lost"]
)
async def test_3_after_any_loss_of_the_connection_nothing_is_missing(storage: Storage, cut: str):
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            await server.write(message(1, content="message 1"))
            await until(lambda: "message 1" in parts.texts())
            await cut_and_talk(server, cut)
            await until(lambda: "message 4" in parts.texts())
            await server.repeat(1)
            await server.write(message(5, content="message 5"))
            await until(lambda: "message 5" in parts.texts())
            await parts.caught_up()

        position = await storage.cursors.position(room(GUILD, GENERAL))

    assert set(parts.texts()) == {f"message {number}" for number in range(1, 6)}
    assert position == message(5)["id"]


@pytest.mark.parametrize(("code", "says"), [(4004, REFUSED), (4013, MISSING_INTENT), (4014, MISSING_INTENT)])
async def test_3_what_only_an_operator_can_mend_is_said_and_ends_it(storage: Storage, code: int, says: str):
    async with local_discord() as server:
        server.close_next = code
        parts = Parts(storage)

        with pytest.raises(ConfigurationError, match="Developer Portal") as raised:
            await asyncio.wait_for(parts.adapter.run(), 20)

    assert str(raised.value) == says


async def test_3_a_wrong_token_is_said_without_the_token(storage: Storage):
    async with local_discord():
        parts = Parts(storage, token="a-wrong-token")

        with pytest.raises(ConfigurationError) as raised:
            await asyncio.wait_for(parts.adapter.run(), 20)

    assert str(raised.value) == REFUSED
    assert "a-wrong-token" not in str(raised.value)


async def test_5_a_payload_that_cannot_be_parsed_costs_nothing_but_a_reconnection(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            await server.write(message(1, type=...))
            await server.write(message(2, content="message 2"))
            await until(lambda: "message 2" in parts.texts())
            await server.dispatch("SOMETHING_NEW", {"id": "5"})
            await server.write(message(3, content="message 3", type=77))
            await server.write(message(4, content="message 4", components=[{"type": 99}]))
            await until(lambda: "message 4" in parts.texts())

    assert server.identified == 2
    assert sorted(set(parts.texts())) == ["message 2", "message 4"]


async def test_6_a_database_that_is_busy_twice_loses_nothing_and_leaves_no_hole(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            parts.failures = 2
            for number in range(1, 4):
                await server.write(message(number, content=f"message {number}"))
            await until(lambda: parts.failures == 1)
            meanwhile = await storage.cursors.position(room(GUILD, GENERAL))
            await until(lambda: len(parts.texts()) == 3)
            await parts.adapter.intake.settled()

        position = await storage.cursors.position(room(GUILD, GENERAL))

    assert int(meanwhile or "0") < int(message(1)["id"])
    assert parts.texts() == ["message 1", "message 2", "message 3"]
    assert position == message(3)["id"]


async def test_2_a_deletion_in_an_archived_thread_never_seen_is_kept(storage: Storage):
    async with local_discord() as server:
        thread = a_thread("777")
        thread["thread_metadata"]["archived"] = True
        server.threads["777"] = thread
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            await server.delete("777", "778", "779")
            await until(lambda: len(parts.kept) >= 2)

    gone = [event.id for event in parts.kept if isinstance(event, Deletion)]
    assert [(id_.channel, id_.id) for id_ in gone] == [(room(GUILD, "777"), "778"), (room(GUILD, "777"), "779")]
