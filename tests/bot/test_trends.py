"""Windows, moods and entities, asked of readings that are kept in a list."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.analysis import Kind
from bot.days import Unit
from bot.estimates import Mood, TooFew
from bot.message import Window
from bot.store import ReactionTally
from bot.trends import Reading, Trends
from tests.bot.readings_example import Read, ReadingsExample, a_read
from tests.examples import AT, DAY, GENERAL, HOUR, RANDOM, WEEK

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = AT.replace(hour=0)
THIS_WEEK = Window(MONDAY, MONDAY + WEEK)
AFTER = MONDAY + WEEK


def a_week(
    number: int = 0, *, people: int = 9, messages: int = 6, shift: float = 0.0, entities: tuple[str, ...] = (),
    model: str = "example 1",
) -> Iterator[Read]:  # fmt: skip
    """A week of talk, `number` weeks from MONDAY: the same people each time, each with a mood of their own."""
    drawn = random.Random(number)
    for author in range(people):
        for message in range(messages):
            yield a_read(
                MONDAY + number * WEEK + (message % 5) * DAY + timedelta(hours=9, minutes=author),
                author,
                max(-1, min(1, 0.02 * author + shift + drawn.gauss(0, 0.15))),
                entities=entities,
                model=model,
            )


def weeks(first: int, last: int, *, people: int = 9, model: str = "example 1") -> list[Read]:
    return [read for number in range(first, last + 1) for read in a_week(number, people=people, model=model)]


async def mood(
    reads: list[Read], window: Window = THIS_WEEK, *, zone: ZoneInfo = UTC_ZONE, now: datetime = AFTER
) -> Reading:
    return await Trends(ReadingsExample(reads)).mood([GENERAL], window, zone, now)


def gaps(reading: Reading) -> list[bool]:
    return [isinstance(piece.mood, TooFew) for piece in reading.pieces]


async def test_a_week_has_a_mood_seven_days_and_a_usual():
    reading = await mood(weeks(-8, 0))

    assert isinstance(reading.mood, Mood)
    assert (reading.mood.messages, reading.mood.people) == (54, 9)
    assert (reading.step, gaps(reading)) == (Unit.DAY, [False] * 5 + [True] * 2)
    assert reading.usual is not None
    assert reading.usual.mood.windows == 8
    assert not reading.usual.may_be_claimed


async def test_a_week_in_which_all_are_gloomier_may_be_called_so():
    reading = await mood([*weeks(-8, -1), *a_week(shift=-0.3)])

    assert reading.usual is not None
    assert reading.usual.may_be_claimed
    assert reading.usual.mood.low < -30 < reading.usual.mood.high
    assert reading.usual.negative.estimate > 0


async def test_fewer_than_five_people_have_no_mood_however_much_they_write():
    reading = await mood(list(a_week(people=4, messages=100)))

    assert reading.mood == TooFew(400, 4, 20, 5)
    assert (reading.shares, reading.usual, all(gaps(reading))) == (None, None, True)


async def test_a_day_of_four_people_is_a_gap_in_a_week_of_many():
    quiet_day = [a_read(MONDAY + 5 * DAY + HOUR, author, -1.0) for author in range(4)]

    reading = await mood([*a_week(), *quiet_day])

    assert gaps(reading) == [False] * 5 + [True] * 2
    assert isinstance(reading.mood, Mood)


async def test_what_another_model_read_is_never_mixed_in():
    both = [*a_week(model="example 2"), *(a_read(MONDAY + HOUR, author, -1.0) for author in range(9))]

    reading = await mood(both)

    alone = await mood(list(a_week(model="example 2")))
    assert (reading.mood, reading.model, reading.others) == (alone.mood, "example 2", {"example 1": 9})


async def test_weeks_that_another_model_read_are_no_usual():
    reading = await mood([*weeks(-8, -1, model="example 2"), *a_week()])

    assert reading.usual is None
    assert [piece.model for piece in reading.earlier] == ["example 2"] * 8


@pytest.mark.parametrize(("earlier", "known"), [(3, False), (4, True)])
async def test_a_usual_needs_four_weeks_that_can_be_used(earlier: int, known: bool):
    reading = await mood(weeks(-earlier, 0))

    assert (reading.usual is not None) is known


async def test_an_unfinished_week_is_held_against_the_same_part_of_the_weeks_before():
    friday_gloom = [a_read(MONDAY - k * WEEK + 4 * DAY, author, -1.0) for k in range(1, 9) for author in range(9)]

    reading = await mood([*weeks(-8, 0), *friday_gloom], now=MONDAY + 3 * DAY)

    assert (reading.complete, reading.window.end) == (False, MONDAY + 3 * DAY)
    assert reading.usual is not None
    assert abs(reading.usual.mood.estimate) < 5
    assert [piece.complete for piece in reading.pieces] == [True] * 3


async def test_a_day_that_is_not_over_is_marked():
    reading = await mood(weeks(-8, 0), now=MONDAY + 2 * DAY + 10 * HOUR)

    assert [piece.complete for piece in reading.pieces] == [True, True, False]


async def test_a_single_day_is_held_against_the_same_weekday():
    fridays = [a_read(MONDAY - k * WEEK + 4 * DAY + HOUR, author, -0.8) for k in range(9) for author in range(20)]

    friday = await mood([*weeks(-8, 0, people=20), *fridays], Window(MONDAY + 4 * DAY, MONDAY + 5 * DAY))

    assert friday.step is Unit.HOUR
    assert friday.usual is not None
    assert not friday.usual.may_be_claimed


@pytest.mark.parametrize("monday", [datetime(2026, 3, 30, tzinfo=BERLIN), datetime(2026, 10, 26, tzinfo=BERLIN)])
async def test_weeks_before_a_clock_change_are_whole_local_weeks(monday: datetime):
    window = Window(monday.astimezone(UTC), (monday + WEEK).astimezone(UTC))

    reading = await mood([], window, zone=BERLIN, now=AFTER + 52 * WEEK)

    starts = [piece.window.start.astimezone(BERLIN) for piece in reading.earlier]
    assert [(start.weekday(), start.hour) for start in starts] == [(0, 0)] * 8
    assert reading.earlier[-1].window.end == window.start


async def test_all_time_begins_with_the_first_message():
    reading = await mood(weeks(-8, 0), Window(datetime(1970, 1, 1, tzinfo=UTC), AFTER))

    assert reading.window.start == MONDAY - 8 * WEEK
    assert reading.step is Unit.WEEK
    assert gaps(reading) == [False] * 9


async def test_nothing_at_all_is_too_few():
    reading = await mood([])

    assert reading.mood == TooFew(0, 0, 20, 5)
    assert reading.model is None


async def test_names_of_fewer_than_five_people_are_not_listed():
    rare = [a_read(MONDAY + HOUR, author, -0.5, entities=("Secret",)) for author in range(4)]
    example = ReadingsExample([*a_week(entities=("Jenkins",)), *rare])

    found = await Trends(example).entities([GENERAL], THIS_WEEK, UTC_ZONE, AFTER)

    assert [(each.tally.name, each.tally.people) for each in found] == [("Jenkins", 9)]


async def test_names_can_be_asked_for_by_kind():
    example = ReadingsExample([*a_week(entities=("Jenkins", "Berlin"))], kinds={"berlin": Kind.LOCATION})

    found = await Trends(example).entities([GENERAL], THIS_WEEK, UTC_ZONE, AFTER, kind=Kind.LOCATION)

    assert [each.tally.name for each in found] == ["Berlin"]


@pytest.mark.parametrize("before", [0, 8, 30, 60])
async def test_a_name_in_a_list_has_the_mood_that_asking_for_it_gives(before: int):
    named = [read for week in range(-before, 1) for read in a_week(week, entities=("Jenkins",), shift=week % 3 * 0.1)]
    trends = Trends(ReadingsExample([*weeks(-8, -1), *named]))
    asked = Window(THIS_WEEK.start - before * WEEK, THIS_WEEK.end), UTC_ZONE, AFTER

    (listed,) = await trends.entities([GENERAL], *asked)

    assert listed.mood == (await trends.entity([GENERAL], "jenkins", *asked)).mood


async def test_the_messages_that_moved_a_week_are_found_by_what_they_name():
    outage = [
        a_read(MONDAY + DAY + timedelta(hours=9, minutes=author), author, -0.9, entities=("Jenkins",))
        for author in range(9)
        for _ in range(4)
    ]
    trends = Trends(ReadingsExample([*weeks(-8, -1), *a_week(entities=("coffee",)), *outage]))
    reading = await trends.mood([GENERAL], THIS_WEEK, UTC_ZONE, AFTER)

    drivers = await trends.drivers([GENERAL], reading)

    assert reading.usual is not None
    assert [driver.tally.name for driver in drivers] == ["Jenkins"]
    assert drivers[0].contribution.estimate == pytest.approx(reading.usual.mood.estimate, abs=4)


async def test_what_is_new_what_is_gone_and_what_everybody_talks_about():
    before = [read for k in range(-8, 0) for read in a_week(k, entities=("Old",), people=12)]
    few = [a_read(MONDAY - k * WEEK + HOUR, 1, entities=("Outage",)) for k in (2, 5)]
    now = [*a_week(entities=("New",), people=30), *a_week(entities=("Outage",), people=30)]
    trends = Trends(ReadingsExample([*before, *few, *now]))
    reading = await trends.mood([GENERAL], THIS_WEEK, UTC_ZONE, AFTER)

    news = await trends.news([GENERAL], reading)

    assert [tally.name for tally in news.new] == ["New"]
    assert [tally.name for tally in news.gone] == ["Old"]
    assert [(tally.name, burst.people) for tally, burst in news.bursts] == [("Outage", 30)]


async def test_a_name_that_few_use_is_not_gone_because_a_quiet_week_lacks_it():
    before = [read for k in range(-8, 0) for read in [*a_week(k, people=12), *a_week(k, people=2, entities=("Rare",))]]
    others = [a_read(MONDAY - k * WEEK + HOUR, 40 + k, entities=("Rare",)) for k in range(1, 9)]
    trends = Trends(ReadingsExample([*before, *others, *a_week(people=6)]))
    reading = await trends.mood([GENERAL], THIS_WEEK, UTC_ZONE, AFTER)

    assert (await trends.news([GENERAL], reading)).gone == ()


async def test_one_person_repeating_a_name_is_no_burst():
    before = [read for k in range(-8, 0) for read in a_week(k, entities=("Jenkins",) if k == -3 else ())]
    often = [a_read(MONDAY + HOUR, 1, entities=("Jenkins",)) for _ in range(80)]
    some = [a_read(MONDAY + HOUR, author, entities=("Jenkins",)) for author in range(5)]
    trends = Trends(ReadingsExample([*before, *a_week(), *often, *some]))
    reading = await trends.mood([GENERAL], THIS_WEEK, UTC_ZONE, AFTER)

    assert (await trends.news([GENERAL], reading)).bursts == ()


async def test_threads_that_pulled_the_mood_down_come_first_when_it_fell():
    def a_thread(root: str, score: float, messages: int) -> list[Read]:
        return [a_read(MONDAY + HOUR, n % 9, score, thread=root) for n in range(messages)]

    now = [*a_week(), *a_thread("long", 0.1, 60), *a_thread("angry", -0.9, 40), *a_thread("pair", -1.0, 4)]
    trends = Trends(ReadingsExample([*weeks(-8, -1), *now]))
    reading = await trends.mood([GENERAL], THIS_WEEK, UTC_ZONE, AFTER)

    moved = await trends.threads([GENERAL], reading, claimed=True)
    quiet = await trends.threads([GENERAL], reading, claimed=False)

    assert [thread.root.id for thread in moved] == ["angry"]
    assert [thread.root.id for thread in quiet] == ["long", "angry"]


async def test_reactions_of_few_people_are_not_shown():
    trends = Trends(ReadingsExample(given=[ReactionTally("👍", 9, 6), ReactionTally("💔", 40, 2)]))

    assert await trends.reactions([GENERAL], THIS_WEEK) == (ReactionTally("👍", 9, 6),)


async def test_two_channels_are_compared_person_by_person():
    both = [*a_week(), *(a_read(r.at, int(r.author, 16), r.sentiment.score - 0.3, channel=RANDOM) for r in a_week())]
    example = ReadingsExample(both, names={GENERAL: "general", RANDOM: "random"})

    found = await Trends(example).compare(([RANDOM], THIS_WEEK), ([GENERAL], THIS_WEEK), UTC_ZONE, AFTER)

    assert found.change is not None
    assert found.change.is_clear
    assert found.change.estimate == pytest.approx(-30, abs=1)
    assert isinstance(found.first.mood, Mood)
    assert isinstance(found.second.mood, Mood)
    assert found.change.estimate == pytest.approx(found.first.mood.estimate - found.second.mood.estimate)


async def test_what_two_models_read_cannot_be_compared():
    reads = [*a_week(-1, model="example 2"), *a_week()]
    before = Window(MONDAY - WEEK, MONDAY)

    found = await Trends(ReadingsExample(reads)).compare(([GENERAL], THIS_WEEK), ([GENERAL], before), UTC_ZONE, AFTER)

    assert (found.change, found.why) == (None, "models")
