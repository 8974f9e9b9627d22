"""Commands and buttons on a local gateway: answered while we stop, or refused by Discord.

Tests are named by the numbers of the scenarios in `test_scenarios`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.errors import FAILED
from storage import Storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import MYSELF, message, user
from tests.servers.discord import Fault, LocalDiscord, local_discord

ANN, BEN = user(), user("902", "ben")
ACKNOWLEDGE, FOLLOW_UP = r"/interactions/\d+/interaction/callback", r"/webhooks/\d+/interaction"
PRIVATELY = 1 << 6


def command(name: str, *options: dict[str, Any]) -> dict[str, Any]:
    inner = {"name": name, "type": 1, "options": list(options)}
    return {"id": "600", "name": "roomtone", "type": 1, "guild_id": "10", "options": [inner]}


async def commanded(server: LocalDiscord, name: str = "help", *options: dict[str, Any]) -> None:
    """Ann uses a command."""
    await server.interact(2, command(name, *options), user=ANN)


async def pressed(server: LocalDiscord, by: Mapping[str, Any] = ANN) -> None:
    """Somebody presses the button under what was posted last."""
    veil = message(9, id=server.posted[-1]["id"], author=MYSELF, components=server.posted[-1]["components"])
    (button,) = veil["components"][0]["components"]
    await server.interact(3, {"custom_id": button["custom_id"], "component_type": 2}, user=by, message=veil)


async def ask_of_oneself(server: LocalDiscord) -> None:
    """Ann asks what only she may read, and gets a button."""
    before = len(server.posted)
    await server.write(message(1, content="<@1> privacy", mentions=[MYSELF]))
    await until(lambda: len(server.posted) > before)


@pytest.mark.parametrize("how", ["command", "button"])
async def test_what_somebody_waits_for_is_still_answered_while_we_stop(
    storage: Storage, how: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.discord.gateway.GRACE", 20.0)
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running() as task:
            if how == "button":
                await ask_of_oneself(server)
            # The answer is under way, and isn't given before we are told to stop.
            answer, begun = parts.adapter.desk.privately, asyncio.Event()

            async def slowly(*asked: Any) -> Any:
                begun.set()
                await until(lambda: task.cancelling() > 0)
                return await answer(*asked)

            monkeypatch.setattr(parts.adapter.desk, "privately", slowly)
            await (commanded(server) if how == "command" else pressed(server))
            await begun.wait()

    assert [ack["data"]["flags"] for ack in server.acknowledged] == [PRIVATELY]
    assert [bool(said["content"]) for said in server.followed_up] == [True]


async def test_an_answer_that_takes_longer_than_we_have_is_not_waited_for(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.discord.gateway.GRACE", 0.05)
    ended = asyncio.Event()
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():

            async def never(*asked: Any) -> Any:
                try:
                    await asyncio.sleep(3600)
                finally:
                    ended.set()

            monkeypatch.setattr(parts.adapter.desk, "privately", never)
            await commanded(server)
            await until(lambda: len(server.acknowledged) == 1)

        assert ended.is_set()
        assert server.followed_up == []


async def interacted(server: LocalDiscord, how: str) -> None:
    match how:
        case "button":
            await pressed(server)
        case "somebody else's button":
            await pressed(server, BEN)
        case _:
            await commanded(server, how)


GONE = {"message": "Unknown interaction", "code": 10062}
REFUSED = {"message": "Missing Access", "code": 50001}


@pytest.mark.parametrize(("status", "body"), [(404, GONE), (403, REFUSED)], ids=["404", "403"])
@pytest.mark.parametrize(
    ("how", "path"),
    [
        *product(["privacy", "start", "button"], [ACKNOWLEDGE, FOLLOW_UP]),
        ("somebody else's button", ACKNOWLEDGE),
    ],
)
async def test_13_an_interaction_that_cannot_be_answered_ends_in_a_line_of_the_log(
    storage: Storage, how: str, path: str, status: int, body: Any, capfd: pytest.CaptureFixture[str]
):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():
            if "button" in how:
                await ask_of_oneself(server)
            posted = len(server.posted)
            fault = Fault("POST", path, status, body=body)
            server.faults.append(fault)
            with capture_logs() as logged:
                await interacted(server, how)
                await until(lambda: any("could not be answered" in line["event"] for line in logged))
            answered = len(server.followed_up)
            await commanded(server)
            await until(lambda: len(server.followed_up) > answered)

    (line,) = [line for line in logged if "could not be answered" in line["event"]]
    assert (line["log_level"], line["channel"]) == ("warning", 20)
    assert str(body["code"]) in line["why"]
    assert fault.times == 0
    assert answered == 0
    assert len(server.posted) == posted
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_nothing_offered_in_time_to_somebody_who_types_names_nobody_in_the_log(
    storage: Storage, caplog: pytest.LogCaptureFixture
):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():
            server.faults.append(Fault("POST", ACKNOWLEDGE, 404, body=GONE))
            typing = command("mood", {"name": "time", "type": 3, "value": "last w", "focused": True})
            with capture_logs() as logged:
                await server.interact(4, typing, user=ANN)
                await until(lambda: any("nothing could be offered" in line["event"] for line in logged))

    assert [line["why"] for line in logged if "nothing could be offered" in line["event"]] == ["NotFound"]
    assert ANN["id"] not in caplog.text


@pytest.mark.parametrize("late", [False, True], ids=["before it was taken", "after it was"])
async def test_a_command_that_fails_in_an_unforeseen_way_says_so_to_whoever_used_it_alone(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, late: bool
):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():

            async def broken(*asked: Any, **options: Any) -> Any:
                raise ZeroDivisionError("the kettle boils")

            desk = parts.adapter.desk
            monkeypatch.setattr(*((desk, "privately", broken) if late else (desk, "commanded", broken)))
            with capture_logs() as logged:
                await commanded(server)
                await until(lambda: any(line["event"] == "a command failed" for line in logged))
                await until(lambda: len(server.followed_up) + len(server.acknowledged) == 1 + late)

    told = server.followed_up if late else [ack["data"] for ack in server.acknowledged]
    assert [(said["content"], said["flags"]) for said in told] == [(FAILED, PRIVATELY)]
    assert [line["why"] for line in logged if line["event"] == "a command failed"] == ["ZeroDivisionError"]
    assert "kettle" not in caplog.text


async def test_a_mention_that_fails_in_an_unforeseen_way_is_answered_so(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async with local_discord() as server:
        parts = Parts(storage)
        async with parts.running():

            async def broken(*asked: Any) -> Any:
                raise ZeroDivisionError("the kettle boils")

            monkeypatch.setattr(parts.adapter.desk, "ordered", broken)
            monkeypatch.setattr(parts.adapter.desk.asking, "understood", broken)
            with capture_logs() as logged:
                await server.write(message(1, content="<@1> mood today", mentions=[MYSELF]))
                await until(lambda: len(server.posted) == 1)

    assert server.posted[0]["content"] == FAILED
    assert [line["why"] for line in logged if line["log_level"] == "error"] == ["ZeroDivisionError"]
    assert "kettle" not in caplog.text
