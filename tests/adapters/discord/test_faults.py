"""Faults of the network and of REST, on a local gateway.

Tests are named by the numbers of the scenarios in `test_scenarios`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord import client
from adapters.discord.translate import room
from bot import supervision
from bot.answer import Answer, Chart, ChartKind
from bot.errors import PlatformError, StorageBusy
from bot.message import Event, Message, MessageId, Platform
from storage import Storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import GENERAL, GUILD, message
from tests.examples import AT
from tests.servers.discord import Fault, local_discord

POSTS = rf"/channels/{GENERAL}/messages"
PLACE = room(GUILD, GENERAL)
DIGEST = Answer("Digest", ("A quiet week.",), chart=Chart(ChartKind.BARS, "t", "a chart", "points", "UTC"))


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
            await until(lambda: "message 1" in parts.texts())

    assert [fault.times for fault in server.faults] == [0, 0, 0, 0]


async def test_4_a_server_that_says_nothing_at_the_login_is_not_waited_for(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "LOGIN_DEADLINE", 0.3)
    async with local_discord() as server:
        server.faults += [Fault("GET", "/users/@me", 0), Fault("GET", "/users/@me", -1)]
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            await server.write(message(1, content="message 1"))
            await until(lambda: "message 1" in parts.texts())

    assert [fault.times for fault in server.faults] == [0, 0]


async def test_4_a_socket_that_falls_silent_is_replaced_and_nothing_is_missing(storage: Storage):
    async with local_discord() as server:
        server.heartbeat_interval = 300
        parts = Parts(storage, heartbeat_timeout=1.0)
        await parts.read()
        async with parts.running():
            server.silent = True
            await server.write(message(1, content="message 1"))
            await until(lambda: server.sockets > 1)
            server.silent = False
            await until(lambda: "message 1" in parts.texts())

    assert server.resumed >= 1


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
        with capture_logs() as logged:
            async with parts.running():
                server.faults.append(Fault("POST", POSTS, 404, body={"message": "Unknown Channel", "code": 10003}))
                await server.write(message(1, content="<@1> help", mentions=[server.guild["members"][0]["user"]]))
                await until(lambda: any("could not be sent" in line["event"] for line in logged))
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
            await until(lambda: len(parts.texts()) == 1)
            time.sleep(2.5)  # noqa: ASYNC251  # blocking is what is tested
            await server.write(message(2, content="the kettle has boiled"))
            await until(lambda: len(set(parts.texts())) == 2)

    logged = "".join(capfd.readouterr())
    assert "connected to Discord" in logged
    assert "kettle" not in logged
    assert "token-of-a-test" not in logged


async def test_6_a_worker_that_dies_is_started_again_and_what_it_held_is_read_from_history(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervision, "SHORTEST_RESTART", 0.01)
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read()
        accept, deaths = parts.ingest.accept, 1

        async def deadly(*events: Event) -> None:
            nonlocal deaths
            if deaths and any(isinstance(event, Message) for event in events):
                deaths -= 1
                raise ZeroDivisionError("the kettle boils")
            await accept(*events)

        monkeypatch.setattr(parts.ingest, "accept", deadly)
        task = asyncio.create_task(supervision.kept_up("discord", parts.adapter.run))
        with capture_logs() as logged:
            await until(lambda: parts.adapter.is_ready)
            await server.write(message(1, content="message 1"))
            await until(lambda: "message 1" in parts.texts())
            await server.write(message(2, content="message 2"))
            await until(lambda: "message 2" in parts.texts())
        task.cancel()
        await asyncio.wait({task})

    assert [line["platform"] for line in logged if "died" in line["event"]] == ["discord"]
    assert deaths == 0


async def test_6_a_database_that_cannot_say_what_is_read_loses_nothing(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    async with local_discord() as server:
        parts = Parts(storage)
        await parts.read()
        async with parts.running():
            located, failures = parts.adapter.rooms.located, 1

            async def busy(*place: Any) -> Any:
                nonlocal failures
                if failures:
                    failures -= 1
                    raise StorageBusy("The database is locked: try again.")
                return await located(*place)

            monkeypatch.setattr(parts.adapter.rooms, "located", busy)
            await server.write(message(1, content="message 1"))
            await until(lambda: "message 1" in parts.texts())

    assert failures == 0


def test_3_a_connection_that_always_fails_stays_below_the_identifications_that_discord_allows_a_day():
    day, allowed = 86_400, 1_000

    # At worst it fails at once, or right after it was thought steady.
    assert day / min(client.LONGEST_PAUSE, client.STEADY_SECONDS) < allowed / 2
