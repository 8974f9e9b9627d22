"""Faults of the network and of REST, and the scenarios' table."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from adapters.discord.translate import room
from bot.answer import Answer, Chart, ChartKind
from bot.errors import PlatformError
from bot.message import ChannelSeen, Message, MessageId, Platform
from storage import Storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import GENERAL, GUILD, id_at, message
from tests.examples import AT, WEEK
from tests.servers.discord import Fault, a_channel, a_thread, local_discord

POSTS = rf"/channels/{GENERAL}/messages"
PLACE = room(GUILD, GENERAL)
DIGEST = Answer("Digest", ("A quiet week.",), chart=Chart(ChartKind.BARS, "t", "a chart", "points", "UTC"))


def texts(parts: Parts) -> list[str]:
    return [event.text for event in parts.kept if isinstance(event, Message) and not event.from_bot]


async def test_4_a_gateway_that_is_down_at_start_is_waited_for(storage: Storage):
    async with local_discord() as server:
        server.faults += [
            Fault("GET", "/users/@me", 500, times=1, body={}),
            Fault("GET", "/users/@me", 503, body={}),
            Fault("GET", "/gateway/bot", -1),
            Fault("GET", "/gateway/bot", 503, body={}),
        ]
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            await server.write(message(1, content="message 1"))
            await until(lambda: "message 1" in texts(parts))

    assert [fault.times for fault in server.faults] == [0, 0, 0, 0]


async def test_4_a_socket_that_falls_silent_is_replaced_and_nothing_is_missing(storage: Storage):
    async with local_discord() as server:
        server.heartbeat_interval = 300
        parts = Parts(storage, heartbeat_timeout=1.0)
        await parts.read()
        async with parts.running():
            server.silent = True
            await server.write(message(1, content="message 1"))
            await until(lambda: not server.connected)
            server.silent = False
            await until(lambda: "message 1" in texts(parts))

    assert server.resumed >= 1


async def test_11_a_thread_whose_creation_comes_after_its_message_and_a_forum_post(storage: Storage):
    async with local_discord() as server:
        server.channels["22"] = a_channel("22", "ideas", 15, available_tags=[], default_reaction_emoji=None)
        server.channels["23"] = a_channel("23", "lounge", 2, bitrate=64000, user_limit=0)
        parts = Parts(storage)
        for channel in (GENERAL, "22", "23"):
            await parts.read(channel)
        starter = message(1, content="the start of a thread")
        async with parts.running():
            await server.write(starter)
            server.threads[starter["id"]] = a_thread(starter["id"])
            await server.write(message(2, channel_id=starter["id"], content="in the thread"))
            await server.begin_thread(a_thread(starter["id"]))
            post = id_at(AT + WEEK)
            await server.begin_thread(a_thread(post, "22", "an idea"))
            await server.write(message(3, id=post, channel_id=post, content="a post"))
            await server.write(message(4, channel_id="23", content="in the chat of a voice channel"))
            await until(lambda: len(texts(parts)) == 4)
        await parts.ingest.drain()
        counted = {c.channel.id: c.messages for c in await storage.readings.channels()}

    assert counted == {GENERAL: 2, "22": 1, "23": 1}
    homes = {event.channel.id: event.parent for event in parts.kept if isinstance(event, ChannelSeen) and event.parent}
    assert homes == {starter["id"]: room(GUILD, GENERAL), post: room(GUILD, "22")}


async def posted(parts: Parts, key: str = "digest 2026-W10") -> MessageId:
    place = parts.adapter.place(PLACE)
    assert place is not None
    return await parts.adapter.outlet.post(place, PLACE, DIGEST, key=key)


LIMITED = {"message": "You are being rate limited.", "retry_after": 0.05, "global": False}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", POSTS, -1, after=True),
        Fault("POST", POSTS, 503, body={}),
        Fault("POST", POSTS, 503, body={}, after=True),
        Fault("POST", POSTS, 429, body=LIMITED, headers={"Via": "1.1 local"}),
        Fault("POST", POSTS, 429, body=LIMITED),
        Fault("POST", POSTS, 429, body={"message": "no time is named"}, headers={"Via": "1.1 local"}),
    ],
    ids=["reset after the post", "503", "503 after the post", "429", "429 without Via", "429 without a time"],
)
async def test_17_whatever_happens_to_a_post_there_is_exactly_one(storage: Storage, fault: Fault):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():
            server.faults.append(fault)
            first = await posted(parts)
            again = await posted(parts)

    assert [post["content"] for post in server.posted] == ["A quiet week."]
    assert first == again == MessageId(PLACE, server.posted[0]["id"])
    assert fault.times == 0


async def test_17_a_crash_between_the_post_and_its_record_leads_to_no_second_post(storage: Storage):
    async with local_discord() as server:
        # A clock of the past, since the local server dates its posts by the channel's last message.
        parts = Parts(storage, clock=lambda: AT)
        with server.unseen():
            await server.write(message(1))
        async with parts.running():
            first = await posted(parts)
            note = await storage.notes.note(Platform.DISCORD, GUILD, "posted digest 2026-W10")
            await storage.notes.write(Platform.DISCORD, GUILD, "posted digest 2026-W10", {**note, "message": None})
            server.forget_nonces()
            second = await posted(parts)

    assert first == second
    assert len(server.posted) == 1


async def test_a_post_that_discord_refuses_says_so(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():
            server.faults.append(Fault("POST", POSTS, 403, body={"message": "Missing Permissions", "code": 50013}))

            with pytest.raises(PlatformError, match="refused a post in #general"):
                await posted(parts)


async def test_13_a_channel_deleted_in_the_middle_of_an_answer_ends_in_a_line_of_the_log(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():
            server.faults.append(Fault("POST", POSTS, 404, body={"message": "Unknown Channel", "code": 10003}))
            await server.write(message(1, content="<@1> help", mentions=[server.guild["members"][0]["user"]]))
            await until(lambda: server.faults[0].times == 0)
            await server.write(message(2, content="<@1> help", mentions=[server.guild["members"][0]["user"]]))
            await until(lambda: len(server.posted) == 1)

    assert server.posted[0]["message_reference"]["message_id"] == int(message(2)["id"])


async def test_23_a_blocked_loop_recovers_and_no_log_holds_text_or_token(
    storage: Storage, capfd: pytest.CaptureFixture[str]
):
    async with local_discord() as server:
        server.heartbeat_interval = 300
        parts = Parts(storage, heartbeat_timeout=1.0)
        await parts.read()
        async with parts.running():
            await server.write(message(1, content="the kettle boils"))
            await until(lambda: len(texts(parts)) == 1)
            time.sleep(2.5)  # noqa: ASYNC251  # blocking is what is tested
            await server.write(message(2, content="the kettle has boiled"))
            await until(lambda: len(set(texts(parts))) == 2)

    logged = "".join(capfd.readouterr())
    assert "connected to Discord" in logged
    assert "kettle" not in logged
    assert "token-of-a-test" not in logged


# DISCORD.md's scenarios by number, and where each is tested; what can't hold says why.
TESTED: dict[int, str] = {
    1: "test_replay", 2: "test_gateway", 3: "test_gateway", 4: "test_faults", 5: "test_gateway", 6: "test_gateway",
    7: "test_history", 8: "test_history", 9: "test_translate", 10: "test_translate", 11: "test_faults",
    12: "test_behaviour", 13: "test_behaviour", 14: "test_behaviour", 15: "test_render", 16: "test_behaviour",
    17: "test_faults", 18: "test_behaviour", 19: "test_behaviour", 20: "test_checks", 21: "test_behaviour",
    22: "test_translate", 23: "test_faults",
}  # fmt: skip
EXEMPT: dict[str, str] = {
    "8, reactions": "Discord's history holds totals without people, and edits older than 48 hours aren't reread.",
    "12, a bot's question": "simcord's bots send no messages; webhooks stand for them, and translate knows both.",
    "20, empty content": "without the intent Discord refuses the connection (4014), so no empty content is ever read.",
    "22, odd files": "exports have tests of their own beside their reader.",
}


def test_every_scenario_is_tested_or_exempt_with_a_reason():
    folder = Path(__file__).parent
    numbered = {
        int(number)
        for path in folder.glob("test_*.py")
        for number in re.findall(r"(?:def test_|scenario )([0-9]+)(?:_|\b)", path.read_text(encoding="utf-8"))
    }
    exempt = {int(key.split(",")[0]) for key in EXEMPT}

    assert {number for number, name in TESTED.items() if not (folder / f"{name}.py").exists()} == set()
    assert set(range(1, 24)) - TESTED.keys() - exempt == set()
    assert set(range(1, 24)) - numbered - exempt - {1, 9, 10, 14, 15} == set()
