"""Messages unlike others, on a local gateway: what becomes of each, what the log says of it, and what the doctor.

Tests are named by the numbers of the scenarios in `test_scenarios`.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord import oddities, translate
from adapters.discord.checks import left_out, started
from adapters.discord.translate import room
from bot.doctor import Finding
from bot.message import Platform
from storage import Storage
from tests.adapters.discord.parts import Parts, until
from tests.adapters.discord.payloads import GENERAL, GUILD, message, user
from tests.examples import AT, DAY
from tests.servers.discord import a_thread, local_discord

NOW = AT + DAY
APP = user("5", "app", bot=True)
BOX = [{"type": 17, "components": [{"type": 10, "content": "all that there is"}]}]

ODD: dict[str, tuple[dict[str, Any], str, bool]] = {
    "an unknown type": (
        {"type": 77},
        "messages of type 77, which this version doesn't know, are left out",
        False,
    ),
    "components only": (
        {"author": APP, "content": "", "flags": 1 << 15, "components": BOX},
        "an app's messages without text of their own (components, embeds, files) are counted, not read",
        True,
    ),
    "4,000 characters": (
        {"content": "long " * 800},
        "messages of more than 2,000 characters are read whole",
        True,
    ),
    "a join": (
        {"type": 7, "content": ""},
        "notices, such as of joins and pins, hold nobody's words and are left out",
        True,
    ),
}
"""A message's own fields, what is said of it, and whether nothing is wrong."""

FATES = {
    "an unknown type": ([], 0, 0),
    "components only": ([], 0, 1),
    "4,000 characters": (["long " * 800], 1, 0),
    "a join": ([], 0, 0),
}
"""What is kept of people's words, and how many messages count as people's and as bots'."""


def said(logged: Sequence[MutableMapping[str, Any]], says: str) -> list[tuple[str, bool]]:
    """How often and how loudly something was said, and whether there is anything to do."""
    return [(line["log_level"], "nothing" in line["to_do"]) for line in logged if line["event"] == says]


async def doctor(storage: Storage) -> Sequence[Finding]:
    return await left_out(storage.notes, storage.readings, await started(storage.notes), now=NOW)


@pytest.mark.parametrize("live", [True, False], ids=["live", "in history"])
@pytest.mark.parametrize("odd", ODD)
async def test_5_whatever_is_odd_about_a_message_is_said_once_and_by_the_doctor(storage: Storage, odd: str, live: bool):
    fields, says, as_it_should_be = ODD[odd]
    words, people, bots = FATES[odd]
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        sent = [message(number, **fields) for number in (1, 2, 3)] + [message(4, content="the last")]
        with capture_logs() as logged:
            if not live:
                with server.unseen():
                    for each in sent:
                        await server.write(each)
            async with parts.running():
                if live:
                    for each in sent:
                        await server.write(each)
                await until(lambda: "the last" in parts.texts())
                await parts.adapter.intake.settled()
        await parts.ingest.drain()
        (general,) = await storage.readings.channels()
        found = await doctor(storage)

    level = "info" if as_it_should_be else "warning"
    assert said(logged, says) == [(level, as_it_should_be)]
    assert parts.texts() == [*words, "the last"]
    assert general.messages == 3 * people + 1
    told = [finding for finding in found if finding.says.startswith(f"{says[0].upper()}{says[1:]}; last met on")]
    assert [(finding.subject, finding.ok) for finding in told] == [("discord #general", as_it_should_be)]
    assert told[0].says.endswith("report it.") is not as_it_should_be
    counted = [finding.says for finding in found if finding not in told]
    assert counted == (["In no mood of the last 7 days: 3 from bots."] if bots else [])


async def test_5_nothing_of_a_message_is_said_or_kept_but_its_kind(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        server.threads["777"] = a_thread("777")
        with capture_logs() as logged:
            async with parts.running():
                await server.write(message(1, channel_id="777", type=77, content="the kettle boils"))
                await server.write(message(2, content="the last"))
                await until(lambda: "the last" in parts.texts())
        notes = await storage.notes.notes(Platform.DISCORD, GUILD, oddities.MET)

    assert notes == {f"met {GENERAL} unknown type 77": {"at": f"{NOW:%Y-%m-%d}"}}  # of the thread's channel
    (line,) = [line for line in logged if "type 77" in line["event"]]
    assert line == {
        "event": ODD["an unknown type"][1],
        "log_level": "warning",
        "channel": 777,
        "to_do": "Update Roomtone: at its start it reads those of the last 48 hours. If it is the newest, please report"
        " it.",
    }


async def test_5_what_an_update_knows_is_read_of_the_last_two_days_and_no_longer_odd(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    async with local_discord() as server:
        before = Parts(storage, clock=lambda: NOW)
        await before.read()
        async with before.running():
            await server.write(message(1, type=77, content="said in a new way"))
            await server.write(message(2, content="the last"))
            await until(lambda: "the last" in before.texts())
        await before.ingest.drain()
        was_odd = await doctor(storage)
        monkeypatch.setattr(translate, "_WRITTEN", {0, 19, 77})
        updated = Parts(storage, clock=lambda: NOW)
        async with updated.running():
            await until(lambda: "said in a new way" in updated.texts())
        await updated.ingest.drain()

        assert [finding.ok for finding in was_odd] == [False]
        assert await doctor(storage) == []


async def test_the_doctor_speaks_of_a_week(storage: Storage):
    parts = Parts(storage)
    await parts.read()
    await parts.adapter.rooms.joined(GUILD, 1)
    for kind, days in (("long", 7), ("unknown type 77", 8)):
        at = (NOW - timedelta(days=days)).date().isoformat()
        await storage.notes.write(Platform.DISCORD, GUILD, f"{oddities.MET}{GENERAL} {kind}", {"at": at})

    found = await oddities.met(storage.notes, room(GUILD, GENERAL), "general", now=NOW)

    assert [finding.says[:31] for finding in found] == ["Messages of more than 2,000 cha"]
