"""The weekly digest: how it is ordered, when it is due, and that it is posted once."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.discord.orders import DigestOff, DigestOn, Start, Stop, order
from adapters.discord.translate import room
from adapters.discord.weekly import Setting, setting_of
from bot.message import ChannelSeen, Message, MessageId, Platform
from storage import Storage
from tests.adapters.discord.parts import Parts
from tests.adapters.discord.payloads import GENERAL, GUILD
from tests.examples import AT, DAY, HOUR, WEEK, an_author
from tests.servers.discord import local_discord

SETTING = Setting(0, 9, 0, "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start", Start()),
        ("start with backfill 90d", Start(90)),
        ("start, backfill the last 2 weeks", Start(14)),
        ("Stop.", Stop()),
        ("digest on", DigestOn()),
        ("digest on weekly monday 09:00 Europe/Berlin", DigestOn(0, 9, 0, "Europe/Berlin")),
        ("digest on Fridays at 16:30", DigestOn(4, 16, 30)),
        ("digest off", DigestOff()),
        ("digest", None),
        ("digest last week", None),
        ("start backfill", None),
        ("mood last week", None),
    ],
)
def test_orders_are_told_from_questions(text: str, expected: object):
    assert order(text) == expected


def test_a_setting_survives_its_note():
    assert setting_of(SETTING.as_note()) == SETTING
    assert SETTING.words() == "on Mondays at 09:00 (Europe/Berlin)"


def test_a_digest_is_due_at_the_zones_own_time_also_across_the_change_of_clocks():
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 30, 8, 59, tzinfo=berlin)  # the clocks changed the day before

    assert SETTING.last(before) == datetime(2026, 3, 23, 9, tzinfo=berlin)
    assert SETTING.last(before + timedelta(minutes=1)) == datetime(2026, 3, 30, 9, tzinfo=berlin)


async def test_a_digest_is_posted_once_when_it_is_due_and_not_when_it_is_late(storage: Storage):
    place = room(GUILD, GENERAL)
    now = AT + WEEK  # a Monday, 10:00 in Berlin
    said = [
        Message(MessageId(place, f"{person}{number}"), an_author(person), AT + DAY, AT + DAY, "great work")
        for person in range(1, 7)
        for number in range(5)
    ]
    await storage.notes.write(Platform.DISCORD, GUILD, f"digest {GENERAL}", SETTING.as_note())
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: now)
        await parts.ingest.accept(ChannelSeen(place, "general", AT), *said)
        await parts.ingest.drain()
        async with parts.running():
            for _ in range(2):
                await parts.adapter.weekly.post_due()
        again = Parts(storage, clock=lambda: now + HOUR)
        async with again.running():
            await again.adapter.weekly.post_due()
        late = Parts(storage, clock=lambda: now + WEEK + 13 * HOUR)
        async with late.running():
            await late.adapter.weekly.post_due()

    assert [post["channel_id"] for post in server.posted] == [GENERAL]
    assert "general" in server.posted[0]["content"]
