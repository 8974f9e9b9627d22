"""Digests: due in people's own zones, posted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.digests import due
from adapters.slack.home import Setting
from bot.message import Platform
from tests.adapters.slack.conftest import US, introduced, running
from tests.servers import slack as server

BERLIN = Setting(0, 9, "Europe/Berlin")
MONDAY = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
"""Nine in the morning in Berlin."""


@pytest.mark.parametrize(
    ("setting", "now", "expected"),
    [
        (BERLIN, MONDAY, MONDAY),
        (BERLIN, MONDAY - timedelta(seconds=1), MONDAY - timedelta(days=7)),
        (BERLIN, MONDAY + timedelta(days=6), MONDAY),
        # Summer time begins on 29 March: the same hour on the clock, an hour earlier in UTC.
        (BERLIN, datetime(2026, 3, 30, 7, 0, tzinfo=UTC), datetime(2026, 3, 30, 7, 0, tzinfo=UTC)),
        # 02:00 doesn't exist that Sunday.
        (Setting(6, 2, "Europe/Berlin"), datetime(2026, 3, 29, 6, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (Setting(0, 0, "Pacific/Auckland"), MONDAY, datetime(2026, 3, 8, 11, tzinfo=UTC)),
    ],
    ids=["now", "not yet", "days ago", "summer time", "skipped hour", "far east"],
)
def test_a_digest_is_due_by_the_clock_of_its_zone(setting: Setting, now: datetime, expected: datetime):
    assert due(setting, now) == expected


async def digests(
    slack: server.Slack, database: Path, clock: Callable[[], datetime], note: dict[str, Any], *, lives: int = 1
) -> list[str]:
    """The texts of the digests that are posted, over several lives of the bot."""
    slack.room("C1", "general", *[f"U{number}" for number in range(1, 8)])
    for life in range(lives):
        async with running(slack, database, clock=clock) as bot:
            await introduced(slack)
            if life == 0:
                said = [
                    slack.say("C1", f"U{n % 7 + 1}", "great", ts=slack.ts(MONDAY.timestamp() - 4 * 86_400 + n))
                    for n in range(35)
                ]
                await asyncio.gather(*(slack.deliver(event, wait=20) for event in said))
                await bot.read()
                await bot.storage.notes.write(Platform.SLACK, US.workspace, "digest C1", note)
            await asyncio.sleep(1.5)
    return [post["text"] for post in slack.posts[1:]]


async def test_a_digest_that_is_due_is_posted_once_over_restarts(slack: server.Slack, database: Path):
    posted = await digests(slack, database, lambda: MONDAY + timedelta(minutes=3), BERLIN.as_note(), lives=2)

    assert len(posted) == 1
    assert "35 messages" in posted[0]


@pytest.mark.parametrize(
    ("now", "since"),
    [
        (MONDAY + timedelta(days=3), MONDAY - timedelta(days=30)),
        (MONDAY + timedelta(hours=1), MONDAY + timedelta(minutes=1)),
    ],
    ids=["too late", "set afterwards"],
)
async def test_a_digest_is_not_posted_long_after_or_for_the_past(
    slack: server.Slack, database: Path, now: datetime, since: datetime
):
    note = {**BERLIN.as_note(), "since": since.isoformat()}

    assert await digests(slack, database, lambda: now, note) == []
