"""What people say about what is posted, and what they hear."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bot.answer import Answer
from bot.answers import Answers
from bot.errors import QuestionError
from bot.grammar import parse
from bot.message import Channel, Platform
from bot.question import Place
from bot.schedule import Due, Sort, State, Subscription, Times
from bot.subscribing import Subscribing
from bot.trends import Trends
from bot.writer import TOO_LATE, Writer
from storage import Storage
from tests.bot.post_office import talk
from tests.examples import AT, DAY, GENERAL, RANDOM, WEEK, an_author

NOW = AT + WEEK + DAY
"""Tuesday, 10 March 2026."""
LOBBY = Channel(Platform.SLACK, "T1", "C1")
HERE, OTHER = Place(LOBBY, "lobby"), Place(Channel(Platform.SLACK, "T1", "C2"), "random")
NINE = Times(0, 9, 0, "Europe/Berlin")


async def say(storage: Storage, text: str, *, here: Place = HERE, now: datetime = NOW, sample: bool = False) -> Answer:
    trends = Trends(storage.readings)
    writer = Writer(storage.subscriptions, trends, storage.inbox, zone=ZoneInfo("UTC"))
    subscribing = Subscribing(storage.subscriptions, writer, is_sample=sample)
    answers = Answers(trends, storage.ledger, storage.inbox, storage.names, subscribing)
    places = (here, OTHER)
    zone = ZoneInfo("Europe/Berlin")
    return await answers.answer(
        parse(text, places=places, here=here, now=now, zone=zone, asker=an_author()), visible=places
    )


async def test_a_digest_that_is_switched_on_says_when_it_comes_first(storage: Storage):
    answer = await say(storage, "digest on weekly friday 16:30")

    assert answer.lines == (
        "The digest of the week before is posted in #lobby on Fridays at 16:30 (Europe/Berlin).",
        "Next on Friday, 13 March, at 16:30. 'digest off' ends it.",
    )
    kept = await storage.subscriptions.subscription(LOBBY, Sort.DIGEST)
    assert kept == Subscription(LOBBY, Sort.DIGEST, Times(4, 16, 30, "Europe/Berlin"), NOW, (LOBBY,))


async def test_a_digest_over_several_channels_is_one_subscription(storage: Storage):
    answer = await say(storage, "digest on for #lobby and #random")

    assert answer.lines[0].startswith("The digest of #lobby and #random, of the week before, is posted in #lobby")
    (kept,) = await storage.subscriptions.subscriptions()
    assert kept.channels == (LOBBY, OTHER.channel)
    assert (await say(storage, "digest when")).lines[0].startswith("The digest over 2 channels is posted in #lobby")


async def test_switching_off_is_said_also_where_nothing_was_on(storage: Storage):
    await say(storage, "alerts on")

    said = [(await say(storage, "alerts off")).lines for _ in range(2)]

    assert said == [
        ("No alert is raised in #lobby any more.",),
        ("No alert was raised in #lobby anyway.",),
    ]


async def test_when_tells_the_next_and_the_last_ones(storage: Storage):
    await say(storage, "digest on monday 09:00")
    for number, state, why in (
        (2, State.SKIPPED, TOO_LATE),
        (1, State.POSTED, None),
        (0, State.WAITING, "Slack is down."),
    ):
        due = Due(LOBBY, Sort.DIGEST, NINE.latest(NOW) - number * WEEK)
        await storage.subscriptions.plan(due)
        await storage.subscriptions.settle(due, state, why=why)

    answer = await say(storage, "digest when")

    assert answer.lines == (
        "The digest is posted in #lobby on Mondays at 09:00 (Europe/Berlin); next on Monday, 16 March, at 09:00.",
        "The digest of 9 March, 09:00 waits. Slack is down.",
        "The digest of 2 March, 09:00 was posted.",
        "No alert is on in #lobby: 'alerts on' switches it on.",
    )


async def test_a_preview_shows_the_digest_and_posts_nothing(storage: Storage):
    await talk(storage, AT)

    preview = await say(storage, "digest preview", here=Place(GENERAL, "general"))

    assert preview.title == "#general, 2 – 8 March 2026"
    assert await storage.subscriptions.posts(GENERAL, Sort.DIGEST) == []


async def test_a_preview_is_of_the_channels_that_the_digest_is_of(storage: Storage):
    await talk(storage, AT)
    await talk(storage, AT, channel=RANDOM, name="off-topic")
    await storage.subscriptions.subscribe(Subscription(GENERAL, Sort.DIGEST, NINE, AT, (GENERAL, RANDOM)))

    preview = await say(storage, "digest preview", here=Place(GENERAL, "general"))

    assert preview.title == "2 channels, 2 – 8 March 2026"


async def test_sending_now_lets_one_post_wait(storage: Storage):
    for _ in range(2):
        answer = await say(storage, "digest send now", now=NOW.replace(microsecond=5))

    assert answer.lines == (
        "The digest waits to be posted in #lobby: a Roomtone that runs there does so within a minute.",
    )
    assert await storage.subscriptions.waiting(Platform.SLACK, "T1", NOW) == [Due(LOBBY, Sort.DIGEST, NOW)]


async def test_in_a_terminal_nothing_can_be_sent_but_a_subscription_is_kept(storage: Storage):
    here = Place(GENERAL, "general")
    with pytest.raises(QuestionError, match="digest preview"):
        await say(storage, "digest send now", here=here)

    answer = await say(storage, "digest on", here=here)

    assert "nothing is posted into a terminal" in answer.lines[1]
    assert len(await storage.subscriptions.subscriptions()) == 1


async def test_of_the_sample_nothing_is_sent_whatever_its_platform(storage: Storage):
    with pytest.raises(QuestionError, match="digest preview"):
        await say(storage, "digest send now", sample=True)

    answer = await say(storage, "digest on", sample=True)

    assert "nothing is posted into a terminal" in answer.lines[1]
    assert await storage.subscriptions.waiting(Platform.SLACK, "T1", NOW) == []


async def test_changing_the_times_keeps_nothing_of_the_old_ones(storage: Storage):
    await say(storage, "digest on for #random")
    await say(storage, "digest on tuesday 10:00 UTC", now=NOW + DAY)

    assert await storage.subscriptions.subscriptions() == [
        Subscription(LOBBY, Sort.DIGEST, Times(1, 10, 0, "UTC"), NOW + DAY, (LOBBY,))
    ]
