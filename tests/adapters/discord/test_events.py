"""What the gateway tells, in any order and of any shape, on a local gateway: the tables it leads to.

Tests are named by the numbers of the scenarios in `test_scenarios`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import discord
import pytest
from structlog.testing import capture_logs

from adapters.discord.translate import room
from bot.message import ChannelGone, ChannelSeen, Gone, Message
from storage import Storage, open_storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import GENERAL, GUILD, MYSELF, id_at, message, user
from tests.adapters.discord.replay import compared
from tests.conftest import KEY
from tests.examples import AT, DAY, WEEK
from tests.servers.discord import EVERYTHING, RANDOM, LocalDiscord, a_channel, a_thread, local_discord

NOW = AT + DAY
LAST = message(999, content="the last one")

APP = user("5", "app", bot=True)
BOX = [{"type": 17, "components": [{"type": 10, "content": "all that there is"}]}]

Frame = tuple[str, dict[str, Any]]


def gone(payload: dict[str, Any]) -> Frame:
    return "MESSAGE_DELETE", {key: payload[key] for key in ("id", "channel_id", "guild_id")}


def edited(payload: dict[str, Any], content: str, minutes: int) -> Frame:
    at = AT + timedelta(hours=2, minutes=minutes)
    return "MESSAGE_UPDATE", {**payload, "content": content, "edited_timestamp": at.isoformat()}


async def told(server: LocalDiscord, parts: Parts, frames: Sequence[Frame]) -> None:
    """Tell these, and wait until the last of them is kept."""
    for event, payload in [*frames, ("MESSAGE_CREATE", LAST)]:
        await server.dispatch(event, payload)
    await until(lambda: LAST["content"] in parts.texts())
    await parts.adapter.intake.settled()
    await parts.ingest.drain()


async def ends_in(frames: Sequence[Frame], database: Path) -> dict[str, Any]:
    """The tables that these frames lead to."""
    async with open_storage(str(database), KEY, sole=True) as storage, local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            await told(server, parts, frames)
    return compared(database)


async def test_1_and_2_any_order_and_repetition_of_a_history_ends_in_the_same_tables(database: Path, tmp_path: Path):
    first, second, third = (
        message(number, content=f"message {number}", author=user(f"90{number}")) for number in (1, 2, 3)
    )
    frames: list[Frame] = [
        *(("MESSAGE_CREATE", payload) for payload in (first, second, third)),
        edited(first, "it is broken", 1),
        edited(first, "message 1", 2),
        edited(second, "great work", 1),
        gone(third),
    ]
    expected = await ends_in(frames, Path(shutil.copy(database, tmp_path / "in order.db")))
    shuffled = random.Random(7).sample(frames * 3, len(frames) * 3)
    deleted_first = [gone(third), gone(second), ("MESSAGE_CREATE", second), *frames]
    found = await ends_in(shuffled, Path(shutil.copy(database, tmp_path / "shuffled.db")))
    without_second = await ends_in(deleted_first, Path(shutil.copy(database, tmp_path / "deleted.db")))

    assert len(expected["readings"]) == 3
    assert found == expected
    assert len(without_second["readings"]) == 2


@pytest.mark.parametrize(
    "fields",
    [{"embeds": [{"type": "link"}]}, {"pinned": True}, {"flags": 4}, {"flags": 1}, {"flags": 32}],
    ids=["embed", "pin", "suppress", "publish", "thread"],
)  # fmt: skip
async def test_9_an_update_without_an_edit_changes_nothing_and_an_edit_to_nothing_retracts(
    database: Path, tmp_path: Path, fields: dict[str, Any]
):
    said, stays = message(1, content="it is broken"), message(2, content="great work", author=user("902"))
    created: list[Frame] = [("MESSAGE_CREATE", said), ("MESSAGE_CREATE", stays)]
    edit = edited(stays, "great, great work", 1)
    told_again = {
        **edit[1],
        "edited_timestamp": edit[1]["edited_timestamp"].replace("+00:00", ".000455+00:00"),
        **fields,
    }
    frames = [*created, edit, ("MESSAGE_UPDATE", {**said, **fields}), ("MESSAGE_UPDATE", told_again)]
    expected = await ends_in([*created, edit], Path(shutil.copy(database, tmp_path / "without.db")))
    found = await ends_in(frames, Path(shutil.copy(database, tmp_path / "with.db")))

    assert found == expected


async def test_9_an_edit_to_nothing_takes_the_words_back(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            said = message(1, content="it is broken")
            await told(server, parts, [("MESSAGE_CREATE", said), edited(said, "", 1)])

    assert parts.texts() == ["it is broken", "", LAST["content"]]


async def test_5_what_nobody_has_heard_of_costs_nothing(storage: Storage):
    async with local_discord() as server:
        server.channels["24"] = a_channel("24", "tomorrow", 99)
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            await told(
                server,
                parts,
                [
                    ("SOMETHING_NEW", {"id": "5"}),
                    ("MESSAGE_CREATE", message(1, type=77)),
                    ("MESSAGE_CREATE", message(2, channel_id="24", content="in a channel of an unknown kind")),
                    ("MESSAGE_CREATE", message(3, channel_id="404", content="in a channel that isn't there")),
                    ("MESSAGE_CREATE", message(4, guild_id="11", content="in a server that isn't there")),
                    ("MESSAGE_CREATE", message(5, components=[{"type": 99}], content="with an unknown component")),
                    ("MESSAGE_CREATE", message(6, flags=1 << 15, content="", author=APP, components=BOX)),
                    ("MESSAGE_CREATE", message(7, content="long " * 800)),
                    ("MESSAGE_DELETE", {"id": "6", "channel_id": "404", "guild_id": GUILD}),
                    ("CHANNEL_CREATE", a_channel("25", "later", 98)),
                ],
            )  # fmt: skip

    assert parts.texts() == ["with an unknown component", "long " * 800, LAST["content"]]
    assert len([event for event in parts.kept if isinstance(event, Message) and event.from_bot]) == 1
    assert server.identified == 1


async def test_5_a_channel_that_cannot_be_looked_up_now_is_read_from_history(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            with server.unseen():
                await server.begin_thread(a_thread("777"))
                await server.archive("777", at=(NOW + DAY).isoformat())
            server.fail("GET", "/channels/777", 503, times=5)
            await server.write(message(1, channel_id="777", content="in an archived thread"))
            await until(lambda: "in an archived thread" in parts.texts())

    assert server.identified == 1


async def test_12_neither_a_bot_nor_a_webhook_is_answered_and_a_person_is_once(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():
            asks: dict[str, Any] = {"content": "<@1> help", "mentions": [MYSELF]}
            await server.write(message(1, author=APP, **asks))
            await server.write(message(2, webhook_id="8", author=user("8", "hook"), **asks))
            await server.write(message(3, type=7, **asks))
            await server.write(message(4, content="`<@1> help`", mentions=[MYSELF]))
            await server.write(message(5, content="<@1> help <@1>", mentions=[MYSELF]), times=3)
            await until(lambda: len(server.posted) >= 1)
            await server.write(message(6, **asks))
            await until(lambda: len(server.posted) >= 2)

    answered = [post["message_reference"]["message_id"] for post in server.posted]
    assert answered == [int(message(5)["id"]), int(message(6)["id"])]


KINDS = {"forum": 15, "media": 16, "voice": 2, "stage": 13, "announcement": 5}


async def test_11_every_kind_of_channel_that_people_write_in_is_read(storage: Storage):
    """A forum's and a media channel's messages stand in posts, which are threads; the others have a chat."""
    extra: dict[str, Any] = {"available_tags": [], "default_reaction_emoji": None, "bitrate": 64000, "user_limit": 0}
    channels = {kind: str(30 + number) for number, kind in enumerate(KINDS)}
    async with local_discord() as server:
        for kind, id_ in channels.items():
            server.channels[id_] = a_channel(id_, kind, KINDS[kind], **extra)
        parts = Parts(storage, clock=lambda: AT + 2 * WEEK)
        for id_ in channels.values():
            await parts.read(id_)
        async with parts.running():
            for number, (kind, id_) in enumerate(channels.items(), 1):
                place = id_
                if kind in ("forum", "media"):
                    place = id_at(AT + WEEK, number)
                    await server.begin_thread(a_thread(place, id_, f"a post in {kind}"))
                await server.write(message(number, channel_id=place, content=f"in {kind}"))
            await until(lambda: len(parts.texts()) == len(KINDS))
        with server.unseen():
            for number, (kind, id_) in enumerate(channels.items(), 50):
                place = id_
                if kind in ("forum", "media"):
                    place = id_at(AT + WEEK, number)
                    server.threads[place] = a_thread(place, id_, f"another post in {kind}")
                await server.write(message(number, channel_id=place, content=f"missed in {kind}"))
        again = Parts(storage, clock=lambda: AT + 2 * WEEK)
        async with again.running():
            await until(lambda: {f"missed in {kind}" for kind in KINDS} <= set(again.texts()))
        await parts.ingest.drain()
        counted = {c.name: c.messages for c in await storage.readings.channels()}

    assert counted == dict.fromkeys(KINDS, 2)


async def test_11_a_thread_whose_creation_comes_after_its_message(storage: Storage):
    starter = message(1, content="the start of a thread")
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            await server.write(starter)
            server.threads[starter["id"]] = a_thread(starter["id"])
            await server.write(message(2, channel_id=starter["id"], content="in the thread"))
            await server.begin_thread(a_thread(starter["id"]))
            await until(lambda: len(parts.texts()) == 2)
        await parts.ingest.drain()
        counted = {c.channel.id: c.messages for c in await storage.readings.channels() if c.messages}

    assert counted == {GENERAL: 2}
    homes = {event.channel.id: event.parent for event in parts.kept if isinstance(event, ChannelSeen) and event.parent}
    assert homes == {starter["id"]: room(GUILD, GENERAL)}


async def test_21_a_channel_renamed_moved_and_deleted_in_mid_burst(storage: Storage):
    ticks = count()
    async with local_discord() as server:
        server.channels["40"] = a_channel("40", "archive", 4)
        parts = Parts(storage, clock=lambda: NOW + timedelta(milliseconds=next(ticks)))
        await parts.read(GENERAL)
        await parts.read(RANDOM)
        async with parts.running():
            for number in range(1, 301):
                for channel in (GENERAL, RANDOM):
                    await server.write(message(number, channel_id=channel, content=f"{channel} {number}"))
                if number == 100:
                    await server.change_channel(GENERAL, name="lounge", parent_id="40")
                    await server.change_channel(RANDOM, name="chatter")
                if number == 200:
                    await server.delete_channel(RANDOM)
            await until(lambda: f"{GENERAL} 300" in parts.texts())
            await parts.adapter.intake.settled()
            await until(lambda: parts.adapter.rooms.started(GUILD) == {int(GENERAL)})
            await parts.adapter.intake.settled()
        await parts.ingest.drain()
        counted = {c.channel.id: c for c in await storage.readings.channels()}

    assert {number for number in range(1, 301) if f"{GENERAL} {number}" not in parts.texts()} == set()
    lounge, deleted = counted[GENERAL], counted[RANDOM]
    assert (lounge.name, lounge.messages, lounge.gone) == ("lounge", 300, None)
    assert (deleted.messages, deleted.gone) == (0, Gone.DELETED)
    assert {event.channel.id for event in parts.kept if isinstance(event, ChannelGone)} == {RANDOM}


@pytest.mark.parametrize("denied", ["view_channel", "read_message_history"])
async def test_8_what_was_said_while_a_channel_was_hidden_from_us_is_read_when_it_is_shown_again(
    storage: Storage, denied: str
):
    withheld = discord.Permissions(int(EVERYTHING))
    withheld.update(**{denied: False})
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            await server.write(message(1, content="message 1"))
            await until(lambda: "message 1" in parts.texts())
            with capture_logs() as logged:
                await server.allow_everyone(withheld.value)
                await until(lambda: any("can't be read" in line["event"] for line in logged))
            with server.unseen():
                await server.write(message(2, content="message 2"))
            await server.allow_everyone(int(EVERYTHING))
            await server.write(message(3, content="message 3"))
            await until(lambda: {"message 2", "message 3"} <= set(parts.texts()))

    assert [line["channel"] for line in logged if "can't be read" in line["event"]] == [int(GENERAL)]


async def test_a_deleted_thread_leaves_the_numbers(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            await server.begin_thread(a_thread("777"))
            await server.write(message(1, channel_id="777", content="in the thread"))
            await server.write(message(2, content="outside it"))
            await server.delete_thread("777")
            await until(lambda: any(isinstance(event, ChannelGone) for event in parts.kept))
        await parts.ingest.drain()
        (general,) = [c for c in await storage.readings.channels() if c.channel == room(GUILD, GENERAL)]

    assert general.messages == 1
