"""Posted once: whoever is late, crashes, comes second, or finds the channel changed."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot import when
from bot.ingest import Ingest
from bot.message import ChannelGone, ChannelSeen, Gone
from bot.orders import Verb
from bot.question import Order, Place, Question, Side, Subject
from bot.schedule import Due, Sort, State, Subscription, Times
from bot.store import ChannelSummary
from bot.subscribing import Subscribing
from bot.trends import Trends
from bot.writer import GONE, TOO_LATE, TOO_LITTLE, Made, Writer
from storage import Storage, open_storage
from tests.bot.post_office import ACME, PostOffice, Reader, deliveries, talk
from tests.conftest import KEY
from tests.examples import AT, DAY, GENERAL, HOUR, RANDOM, WEEK, a_message, an_analysis, an_author

ROOT = Path(__file__).parents[2]
MONDAY = AT + WEEK
"""9 March 2026, 09:00: the week before is the one that begins with AT."""
WEEKLY = Subscription(GENERAL, Sort.DIGEST, Times(0, 9, 0, "UTC"), since=AT - WEEK, channels=(GENERAL,))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def office(tmp_path: Path) -> PostOffice:
    folder = tmp_path / "posted"
    folder.mkdir()
    return PostOffice(folder)


async def at(storage: Storage, office: PostOffice, *moments: datetime) -> None:
    """Let a process look at each of `moments`."""
    now = moments[0]
    delivery = deliveries(storage, office, lambda: now)
    for now in moments:  # noqa: B007  # the clock reads it
        await delivery.post_due()


async def became(storage: Storage, sort: Sort = Sort.DIGEST) -> list[tuple[datetime, State, str | None]]:
    return [(post.due.at, post.state, post.why) for post in await storage.subscriptions.posts(GENERAL, sort)]


async def test_a_digest_is_posted_when_it_is_due_and_not_again(storage: Storage, office: PostOffice):
    await talk(storage, AT, AT + DAY)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=AT + DAY))

    await at(storage, office, MONDAY - MINUTE, MONDAY, MONDAY + MINUTE, MONDAY + DAY)

    assert [post["title"] for post in office.posted] == ["#general, 2 – 8 March 2026"]
    (post,) = await storage.subscriptions.posts(GENERAL, Sort.DIGEST)
    assert (post.due.at, post.state) == (MONDAY, State.POSTED)
    assert post.message is not None


async def test_nothing_is_due_that_was_due_before_somebody_wanted_it(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY + MINUTE))

    await at(storage, office, MONDAY + HOUR)

    assert office.posted == []


@pytest.mark.parametrize(("late", "posts"), [(2 * DAY - MINUTE, 1), (2 * DAY + MINUTE, 0)])
async def test_a_missed_digest_is_posted_if_it_is_less_than_two_days_late(
    storage: Storage, office: PostOffice, late: timedelta, posts: int
):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=AT + DAY))

    await at(storage, office, MONDAY + late)

    assert len(office.posted) == posts
    assert await became(storage) == [(MONDAY, State.POSTED, None) if posts else (MONDAY, State.SKIPPED, TOO_LATE)]


async def test_the_next_digest_says_which_ones_were_not_posted(storage: Storage, office: PostOffice):
    await talk(storage, *(AT + number * WEEK for number in range(5)))
    await storage.subscriptions.subscribe(replace(WEEKLY, since=AT + DAY))

    await at(storage, office, MONDAY, MONDAY + WEEK + 3 * DAY, MONDAY + 3 * WEEK)

    assert [post["title"] for post in office.posted] == ["#general, 2 – 8 March 2026", "#general, 23 – 29 March 2026"]
    assert str(office.posted[1]["footnote"]).endswith(
        f"Not posted: the digests due 16 March 2026 and 23 March 2026; {TOO_LATE}."
    )
    assert "Not posted" not in str(office.posted[0]["footnote"])


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (MONDAY, replace(WEEKLY, since=MONDAY + 4 * WEEK + DAY)),
        (MONDAY + 4 * WEEK, replace(WEEKLY, times=Times(1, 9, 0, "UTC"), since=MONDAY + 4 * WEEK + 2 * DAY)),
        (MONDAY + 2 * WEEK + HOUR, replace(WEEKLY, since=MONDAY + 4 * WEEK + DAY)),
    ],
    ids=["off for weeks and on again", "moved to another day", "sent by hand before"],
)
async def test_what_nobody_wanted_then_was_not_missed(
    storage: Storage, office: PostOffice, sent: datetime, wanted: Subscription
):
    await talk(storage, *(AT + number * WEEK for number in range(7)))
    await storage.subscriptions.plan(Due(GENERAL, Sort.DIGEST, sent))
    await at(storage, office, sent)
    await storage.subscriptions.subscribe(wanted)

    await at(storage, office, next(wanted.times.after(wanted.since)))

    assert len(office.posted) == 2
    assert "Not posted" not in str(office.posted[1]["footnote"])


async def test_a_digest_that_was_missed_is_said_in_the_singular(storage: Storage, office: PostOffice):
    await talk(storage, AT + WEEK)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY))

    await at(storage, office, MONDAY + WEEK)

    assert "Not posted: the digest due 9 March 2026;" in str(office.posted[0]["footnote"])


async def test_two_processes_on_one_file_post_one_digest(database: Path, tmp_path: Path, office: PostOffice):
    async with open_storage(str(database), KEY) as storage:
        await talk(storage, AT)
        await storage.subscriptions.subscribe(WEEKLY)
    command = [sys.executable, "-m", "tests.bot.post_office", str(database), str(tmp_path / "posted"), str(MONDAY)]

    def race() -> list[str]:
        runners = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        # Whoever is about to post waits for the others, which come to their end or to the same point meanwhile.
        heard = []
        for runner in runners:
            assert runner.stdout is not None
            heard.append(runner.stdout.readline())
        for runner in runners:
            runner.communicate("go on\n", timeout=60)
            assert runner.returncode == 0
        return heard

    assert sorted(await asyncio.to_thread(race)) == ["", "", "posting\n"]
    assert len(office.posted) == 1


@pytest.mark.parametrize("dies", ["dies_before", "dies_after"])
async def test_a_crash_between_reserving_and_settling_neither_loses_nor_repeats(
    database: Path, office: PostOffice, dies: str
):
    async with open_storage(str(database), KEY, sole=True) as storage:
        await talk(storage, AT)
        await storage.subscriptions.subscribe(WEEKLY)
        setattr(office, dies, True)
        with pytest.raises(KeyboardInterrupt):
            await at(storage, office, MONDAY)
        setattr(office, dies, False)
        # Its reservation holds for others as long as it may still be at work.
        await at(storage, office, MONDAY + MINUTE)
        assert office.tries == 1

    async with open_storage(str(database), KEY, sole=True) as storage:
        await at(storage, office, MONDAY + MINUTE, MONDAY + 2 * MINUTE)

        assert len(office.posted) == 1
        assert await became(storage) == [(MONDAY, State.POSTED, None)]


async def test_a_reservation_that_nobody_settles_ends_by_itself(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(WEEKLY)
    office.dies_before = True
    with pytest.raises(KeyboardInterrupt):
        await at(storage, office, MONDAY)
    office.dies_before = False

    await at(storage, office, MONDAY + timedelta(minutes=14), MONDAY + timedelta(minutes=16))

    assert office.tries == 2
    assert len(office.posted) == 1


async def test_what_the_platform_does_not_take_is_tried_again_less_and_less_often(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY - DAY))
    office.refuses = 1000

    await at(storage, office, *(MONDAY + number * HOUR / 4 for number in range(2 * 24 * 4 + 2)))

    assert office.posted == []
    assert 15 < office.tries < 30
    assert await became(storage) == [(MONDAY, State.SKIPPED, TOO_LATE)]


async def test_what_waits_says_why(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(WEEKLY)
    office.closed = "I'm not in that channel: invite me."

    await at(storage, office, MONDAY)

    assert await became(storage) == [(MONDAY, State.WAITING, "I'm not in that channel: invite me.")]
    office.closed = None
    await at(storage, office, MONDAY + HOUR)
    assert len(office.posted) == 1


async def test_what_was_said_while_we_were_away_is_waited_for_a_while(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(WEEKLY)
    office.behind = {GENERAL}

    await at(storage, office, MONDAY + HOUR)
    assert office.posted == []
    await at(storage, office, MONDAY + 3 * HOUR)
    assert len(office.posted) == 1


async def test_every_channel_of_a_digest_is_waited_for(storage: Storage, office: PostOffice):
    for channel, name in ((GENERAL, "general"), (RANDOM, "off-topic")):
        await talk(storage, AT, channel=channel, name=name)
    await storage.subscriptions.subscribe(replace(WEEKLY, channels=(GENERAL, RANDOM)))
    office.behind = {RANDOM}
    await at(storage, office, MONDAY + MINUTE)
    assert office.posted == []
    office.behind = set()

    await at(storage, office, MONDAY + 2 * MINUTE)

    assert [post["title"] for post in office.posted] == ["2 channels, 2 – 8 March 2026"]


async def test_a_post_is_reserved_from_when_its_turn_comes(storage: Storage, office: PostOffice):
    now = MONDAY
    reserved = []

    async def look() -> None:
        reserved.append(await storage.subscriptions.waiting(*ACME, now + 14 * MINUTE))

    for channel, name in ((GENERAL, "general"), (RANDOM, "off-topic")):
        await talk(storage, AT, channel=channel, name=name)
        await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY, channel=channel, channels=(channel,)))

    async def takes() -> None:
        nonlocal now
        await look()
        now += 20 * MINUTE

    office.takes = takes
    await deliveries(storage, office, lambda: now).post_due()

    # Each time what is being posted is nobody else's; the first is over when the second begins.
    assert reserved == [[Due(RANDOM, Sort.DIGEST, MONDAY)], []]


async def test_what_is_switched_off_while_it_is_posted_is_remembered_as_posted(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY))

    async def off() -> None:
        await storage.subscriptions.unsubscribe(GENERAL, Sort.DIGEST)

    office.takes = off
    await at(storage, office, MONDAY, MONDAY + HOUR)

    assert len(office.posted) == 1
    assert await became(storage) == [(MONDAY, State.POSTED, None)]


async def test_what_waits_to_be_read_is_waited_for_a_while(database: Path, office: PostOffice):
    async with open_storage(str(database), KEY, clock=lambda: MONDAY) as storage:
        await talk(storage, AT)
        await storage.subscriptions.subscribe(WEEKLY)
        await storage.inbox.put([a_message(1)])
        await at(storage, office, MONDAY + MINUTE)
        assert office.posted == []

        await storage.ledger.record([(waiting, an_analysis()) for waiting in await storage.inbox.take(1)])
        await at(storage, office, MONDAY + 2 * MINUTE)

        assert len(office.posted) == 1


async def test_a_channel_that_says_too_little_is_told_so_once(storage: Storage, office: PostOffice):
    await talk(storage, AT, people=3, each=1)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=AT + DAY))

    await at(storage, office, MONDAY, MONDAY + WEEK, MONDAY + 2 * WEEK)

    assert len(office.posted) == 1
    assert "Not yet: 3 of 5 people wrote" in str(office.posted[0]["lines"])
    assert [state for _, state, why in await became(storage) if why == TOO_LITTLE] == [
        State.SKIPPED,
        State.SKIPPED,
        State.POSTED,
    ]


async def test_who_asks_for_it_is_told_again_that_too_little_was_said(storage: Storage, office: PostOffice):
    await talk(storage, AT, people=3, each=1)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=AT + DAY))
    await storage.subscriptions.plan(Due(GENERAL, Sort.DIGEST, MONDAY + DAY))

    await at(storage, office, MONDAY, MONDAY + DAY)

    assert len(office.posted) == 2


async def test_a_renamed_channel_is_called_what_it_is_called_now(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(WEEKLY)
    await tell(storage, ChannelSeen(GENERAL, "lobby", MONDAY - HOUR))

    await at(storage, office, MONDAY)

    assert office.posted[0]["title"] == "#lobby, 2 – 8 March 2026"


@pytest.mark.parametrize("why", list(Gone))
async def test_nothing_is_posted_in_a_channel_that_is_gone_until_it_is_back(
    storage: Storage, office: PostOffice, why: Gone
):
    await talk(storage, AT, AT + WEEK)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=AT + DAY))
    await tell(storage, ChannelGone(GENERAL, MONDAY - HOUR, why))
    await at(storage, office, MONDAY)
    assert await became(storage) == [(MONDAY, State.WAITING, GONE[why])]

    await tell(storage, ChannelSeen(GENERAL, "general", MONDAY + DAY))
    await at(storage, office, MONDAY + 3 * DAY, MONDAY + WEEK)

    assert len(office.posted) == 1
    assert [state for _, state, _ in await became(storage)] == [State.POSTED, State.SKIPPED]


async def test_a_team_digest_is_one_post_over_its_channels_without_those_that_may_not_be_told(
    storage: Storage, office: PostOffice
):
    hidden = replace(RANDOM, id="hidden")
    await talk(storage, AT)
    await talk(storage, AT, channel=RANDOM, name="off-topic")
    await talk(storage, AT, channel=hidden, name="leads", private=True)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY, channels=(GENERAL, RANDOM, hidden)))

    await at(storage, office, MONDAY)

    (posted,) = office.posted
    assert posted["title"] == "2 channels, 2 – 8 March 2026"
    assert "leads" not in str(posted)
    assert str(posted["footnote"]).endswith("1 channel left out: archived, left, or private.")


async def test_a_digest_that_is_sent_by_hand_is_posted_once_and_leaves_the_weekly_one(
    storage: Storage, office: PostOffice
):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(WEEKLY)
    await storage.subscriptions.plan(Due(GENERAL, Sort.DIGEST, MONDAY + DAY))

    await at(storage, office, MONDAY + HOUR, MONDAY + DAY, MONDAY + DAY + MINUTE)

    assert [post["key"] for post in office.posted] == [
        "digest general 2026-03-09T09:00:00",
        "digest general 2026-03-10T09:00:00",
    ]


# ---- alerts --------------------------------------------------------------------------------------------------------

ALERTS = Subscription(GENERAL, Sort.ALERT, Times(None, 17, 0, "UTC"), since=AT)
TUESDAY = datetime(2026, 5, 5, 17, 0, tzinfo=UTC)
TODAY = TUESDAY - 8 * HOUR


def usually(person: int, number: int) -> str:
    """One in four is glad."""
    return "great" if (person + number) % 4 == 0 else "well"


def angry(person: int, number: int) -> str:
    return "broken" if number % 4 else "well"


@pytest.fixture(scope="module")
def ten_weeks(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which every Tuesday to Saturday of ten weeks was like any other."""
    path = Path(shutil.copy(empty_database, tmp_path_factory.mktemp("weeks") / "roomtone.db"))

    async def fill() -> None:
        async with open_storage(str(path), KEY, sole=True) as storage:
            days = [TODAY - weeks * WEEK + day * DAY for weeks in range(1, 10) for day in range(6)]
            await talk(storage, *days, people=14, each=4, text=usually)

    asyncio.run(fill())
    return path


@pytest.fixture
async def room(ten_weeks: Path, tmp_path: Path) -> AsyncIterator[Storage]:
    """That database, open and a test's own."""
    async with open_storage(str(shutil.copy(ten_weeks, tmp_path / "room.db")), KEY, sole=True) as storage:
        yield storage


async def a_week(storage: Storage, *low: int) -> None:
    """Tuesday to Sunday; on those days of `low` (0 is Tuesday), most is angry."""
    for day in range(6):
        text = angry if day in low else usually
        await talk(storage, TODAY + day * DAY, people=14, each=4, text=text)


async def test_a_sharp_drop_is_told_once_until_the_mood_has_come_back(room: Storage, office: PostOffice):
    await a_week(room, 0, 1, 4)
    await room.subscriptions.subscribe(replace(ALERTS, since=TUESDAY - DAY))

    await at(room, office, *(TUESDAY + number * DAY for number in range(6)))

    assert [post["title"] for post in office.posted] == [
        "#general: a sharp drop, 5 May 2026",
        "#general: a sharp drop, 9 May 2026",
    ]
    assert "tenser than usual in the 24 hours before 17:00" in str(office.posted[0]["lines"])
    assert "Mood of #general by day" in str(office.posted[0]["chart"])
    assert [why for _, _, why in reversed(await became(room, Sort.ALERT))] == [
        None, "the mood is still low", "the mood came back", "no sharp drop", None, "the mood came back",
    ]  # fmt: skip


async def test_a_changed_time_brings_no_second_alert_within_a_day(room: Storage, office: PostOffice):
    await a_week(room, 0)
    await room.subscriptions.subscribe(replace(ALERTS, since=TUESDAY - HOUR))
    await at(room, office, TUESDAY)
    await room.subscriptions.subscribe(replace(ALERTS, times=Times(None, 19, 0, "UTC"), since=TUESDAY + HOUR))

    await at(room, office, TUESDAY + 2 * HOUR)

    assert len(office.posted) == 1
    assert (await became(room, Sort.ALERT))[0][2] == "an alert was raised within the last day"


@pytest.mark.parametrize(("low", "alerts"), [((0, 1, 2), 1), ((0, 2), 2)], ids=["still low", "back in between"])
async def test_alerts_off_and_on_again_is_no_new_drop(
    room: Storage, office: PostOffice, low: tuple[int, ...], alerts: int
):
    async def order(verb: Verb, now: datetime) -> None:
        writer = Writer(room.subscriptions, Trends(room.readings), room.inbox, zone=ZoneInfo("UTC"))
        place = Place(GENERAL, "general")
        side = Side((place,), when.read("today", now=now, zone=ZoneInfo("UTC")))
        asked = Question(Subject.SCHEDULE, (side,), an_author(), ZoneInfo("UTC"), now)
        times = ALERTS.times if verb is Verb.ALERTS_ON else None
        await Subscribing(room.subscriptions, writer).carry_out(replace(asked, order=Order(verb, place, times)))

    await a_week(room, *low)
    await order(Verb.ALERTS_ON, TUESDAY - HOUR)
    await at(room, office, TUESDAY, TUESDAY + DAY)
    await order(Verb.ALERTS_OFF, TUESDAY + DAY + HOUR)
    await order(Verb.ALERTS_ON, TUESDAY + DAY + 2 * HOUR)

    await at(room, office, TUESDAY + 2 * DAY)

    assert len(office.posted) == alerts


async def test_what_nobody_foresaw_waits_and_hinders_nobody_else(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await talk(storage, AT, channel=RANDOM, name="off-topic")
    for channel in (GENERAL, RANDOM):
        await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY, channel=channel, channels=(channel,)))
    office.breaks = True

    await at(storage, office, MONDAY)

    assert [post["channel"] for post in office.posted] == ["random"]
    assert await became(storage) == [(MONDAY, State.WAITING, "It failed (ZeroDivisionError).")]


async def test_days_like_any_other_raise_no_alert(room: Storage, office: PostOffice):
    await a_week(room)
    await room.subscriptions.subscribe(replace(ALERTS, since=TUESDAY - DAY))

    await at(room, office, *(TUESDAY + number * DAY for number in range(5)))

    assert office.posted == []
    assert {why for _, _, why in await became(room, Sort.ALERT)} == {"no sharp drop"}


async def test_an_alert_that_is_half_a_day_late_is_history(room: Storage, office: PostOffice):
    await a_week(room, 0)
    await room.subscriptions.subscribe(replace(ALERTS, since=TUESDAY - HOUR))

    await at(room, office, TUESDAY + 13 * HOUR)

    assert office.posted == []
    assert await became(room, Sort.ALERT) == [(TUESDAY, State.SKIPPED, TOO_LATE)]


async def test_a_crash_leaves_one_alert_and_remembers_that_the_mood_is_low(room: Storage, office: PostOffice):
    await a_week(room, 0)
    await room.subscriptions.subscribe(replace(ALERTS, since=TUESDAY - HOUR))
    office.dies_after = True
    with pytest.raises(KeyboardInterrupt):
        await at(room, office, TUESDAY)
    office.dies_after = False

    await at(room, office, TUESDAY + HOUR)

    assert len(office.posted) == 1
    kept = await room.subscriptions.subscription(GENERAL, Sort.ALERT)
    assert kept == replace(ALERTS, since=TUESDAY - HOUR, is_low=True)
    assert [post.state for post in await room.subscriptions.posts(GENERAL, Sort.ALERT)] == [State.POSTED]


async def tell(room: Storage, *events: ChannelSeen | ChannelGone) -> None:
    ingest = Ingest(room.inbox, Reader(), room.ledger)
    await ingest.accept(*events)
    await ingest.drain()


# ---- what would be posted ------------------------------------------------------------------------------------------


async def test_what_is_planned_is_what_is_posted_then(storage: Storage, office: PostOffice):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY))
    writer = Writer(storage.subscriptions, Trends(storage.readings), storage.inbox, zone=ZoneInfo("UTC"))

    (before,) = await writer.planned(MONDAY - MINUTE)
    (due,) = await writer.planned(MONDAY + MINUTE)
    await at(storage, office, MONDAY + MINUTE)
    (after,) = await writer.planned(MONDAY + MINUTE)

    assert [(each.is_due, each.due.at) for each in (before, due, after)] == [
        (False, MONDAY),
        (True, MONDAY),
        (False, MONDAY + WEEK),
    ]
    assert due.made.answer is not None
    (posted,) = office.posted
    assert (posted["title"], posted["lines"], posted["footnote"]) == (
        due.made.answer.title,
        list(due.made.answer.lines),
        due.made.answer.footnote,
    )
    assert await storage.subscriptions.waiting(*ACME, MONDAY + WEEK) == []


@pytest.mark.parametrize("is_wanted", [False, True], ids=["without a subscription", "besides the weekly one"])
async def test_what_was_sent_by_hand_is_planned_while_it_waits(storage: Storage, office: PostOffice, is_wanted: bool):
    await talk(storage, AT)
    if is_wanted:
        await storage.subscriptions.subscribe(replace(WEEKLY, since=MONDAY + HOUR))
    sent = Due(GENERAL, Sort.DIGEST, MONDAY + DAY)
    await storage.subscriptions.plan(sent)
    writer = Writer(storage.subscriptions, Trends(storage.readings), storage.inbox, zone=ZoneInfo("UTC"))
    weekly = [("on Mondays at 09:00 (UTC)", False, MONDAY + WEEK)] if is_wanted else []

    before = await writer.planned(sent.at + MINUTE)
    await at(storage, office, sent.at + MINUTE)
    after = await writer.planned(sent.at + MINUTE)

    assert [(each.times, each.is_due, each.due.at) for each in before] == [("sent by hand", True, sent.at), *weekly]
    assert [(each.times, each.is_due, each.due.at) for each in after] == weekly
    assert (before[0].made.answer is not None, before[0].about) == (True, (GENERAL,))


async def test_the_channels_are_read_once_for_all_that_is_planned(storage: Storage):
    class Counted(Trends):
        reads = 0

        async def channels(self) -> Sequence[ChannelSummary]:
            self.reads += 1
            return await super().channels()

    for channel, name in ((GENERAL, "general"), (RANDOM, "random")):
        await talk(storage, AT, channel=channel, name=name)
        await storage.subscriptions.subscribe(replace(WEEKLY, channel=channel, channels=(channel,)))
    trends = Counted(storage.readings)
    writer = Writer(storage.subscriptions, trends, storage.inbox, zone=ZoneInfo("UTC"))

    planned = await writer.planned(MONDAY)

    assert ([each.made.answer is not None for each in planned], trends.reads) == ([True, True], 1)


async def test_what_cannot_be_posted_is_planned_with_the_reason(storage: Storage):
    await talk(storage, AT)
    await storage.subscriptions.subscribe(WEEKLY)
    await tell(storage, ChannelGone(GENERAL, MONDAY - HOUR, Gone.ARCHIVED))
    writer = Writer(storage.subscriptions, Trends(storage.readings), storage.inbox, zone=ZoneInfo("UTC"))

    (planned,) = await writer.planned(MONDAY)

    assert planned.made == Made(None, GONE[Gone.ARCHIVED])
