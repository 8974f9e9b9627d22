"""The weekly digest: a sentence first, what moved it, what is new, and one line for a quiet week."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from zoneinfo import ZoneInfo

import pytest

from bot.analysis import Analysis
from bot.answer import Answer, ChartKind, Visibility
from bot.answers import Answers
from bot.digest import Digests
from bot.message import Channel, Deletion, Event, Message, Platform, Window
from bot.question import Place, Side, Span, Subject
from bot.store import ReactionTally
from bot.trends import Trends
from storage import Storage
from tests.bot.readings_example import Read, ReadingsExample, a_read
from tests.bot.test_answer import HERE, LAST_WEEK, THERE, a_question, answers
from tests.bot.test_trends import AFTER, MONDAY, THIS_WEEK, UTC_ZONE, a_week, weeks
from tests.examples import ANGRY, CALM, GENERAL, GLAD, HOUR, RANDOM, WEEK, a_message, an_analysis, an_entity

SPAN = LAST_WEEK.span
NAMED = tuple(an_entity(name) for name in ("Jenkins", "Kafka", "Berlin"))
QUIET = weeks(-8, 0)
GLOOMY = [*weeks(-8, -1), *a_week(shift=-0.3, entities=("Jenkins",))]


async def digest(reads: list[Read] | ReadingsExample, *places: Place) -> Answer:
    example = reads if isinstance(reads, ReadingsExample) else ReadingsExample(reads)
    return await Digests(Trends(example)).of(places or (HERE,), SPAN, UTC_ZONE, AFTER)


def elsewhere(reads: list[Read]) -> list[Read]:
    return [replace(read, channel=RANDOM) for read in reads]


async def test_a_quiet_week_is_one_line():
    answer = await digest(QUIET)

    assert len(answer.lines) == 1
    assert answer.lines[0].startswith("A quiet week: #general was ")
    assert answer.visibility is Visibility.CHANNEL


async def test_a_digest_without_a_usual_says_what_that_takes():
    new, known = await digest(weeks(-2, 0)), await digest(QUIET)

    assert "What is usual isn't known yet: that takes 4 earlier times with enough people." in new.footnote
    assert "isn't known yet" not in known.footnote


async def test_after_a_change_of_model_it_is_that_which_leaves_no_usual():
    reads = [*weeks(-8, -1, model="example 0"), *a_week()]

    alone = await digest(reads)
    team = await digest([*reads, *elsewhere(reads)], HERE, THERE)
    new = await digest([*weeks(-2, -1, model="example 0"), *a_week()])
    few = await digest([*weeks(-8, -1), *a_week(people=3)])

    for answer in (alone, team):
        assert "the weeks before were read by another model, and `roomtone reanalyze` can read them" in answer.footnote
        assert "enough people" not in answer.footnote
    assert "that takes 4 earlier times with enough people." in new.footnote
    assert "What is usual" not in few.footnote


async def test_a_changed_week_says_what_moved_it_and_what_is_new():
    answer = await digest(GLOOMY)

    assert answer.title == "#general, 2 – 8 March 2026"
    assert " than usual last week" in answer.lines[0]
    assert answer.lines[1].startswith("What moved it: messages that name Jenkins (−")
    assert answer.lines[2] == "New: Jenkins (9 people)."


async def test_a_change_that_no_name_explains_says_so():
    answer = await digest([*weeks(-8, -1), *a_week(shift=-0.3)])

    assert answer.lines[1] == "No single name explains it: the change is spread over what was said."


async def test_reactions_are_told_apart_from_the_mood():
    answer = await digest(ReadingsExample(GLOOMY, given=[ReactionTally("👍", 31, 7), ReactionTally("tada", 8, 6)]))

    assert answer.lines[-1] == "Reactions, counted apart: 👍 31, :tada: 8."


async def test_threads_are_linked_and_never_quoted():
    reads = [*GLOOMY, *(a_read(MONDAY + HOUR, n % 9, -0.9, thread="17") for n in range(30))]

    answer = await digest(reads)

    assert [(link.target.id, link.words) for link in answer.links] == [("17", "A thread of 30 messages by 9 people")]


async def test_its_chart_shows_the_week_among_the_eight_before():
    answer = await digest(QUIET)

    assert answer.chart is not None
    assert answer.chart.title == "Mood of #general by week"
    assert [point.start for point in answer.chart.series[0].points] == [MONDAY + k * WEEK for k in range(-8, 1)]


async def test_too_little_is_not_yet_a_digest():
    answer = await digest(list(a_week(people=3)))

    assert answer.lines[0].startswith("Not yet: 3 of 5 people")
    assert not answer.ok


@pytest.mark.parametrize("reads", [QUIET, GLOOMY])
async def test_its_numbers_are_those_of_mood_and_entities(reads: list[Read]):
    asked = answers(reads)
    answer = await asked.answer(a_question(Subject.DIGEST, LAST_WEEK))
    mood = await asked.answer(a_question(Subject.MOOD, LAST_WEEK))
    entities = await asked.answer(a_question(Subject.ENTITIES, LAST_WEEK))

    assert answer.lines[0].removeprefix("A quiet week: ") == mood.lines[0]
    assert answer.footnote.startswith(mood.footnote)
    assert (answer.table and answer.table.rows) == (entities.table and entities.table.rows[:5])


async def test_a_team_is_told_which_channel_changed():
    reads = [*QUIET, *elsewhere(GLOOMY)]

    answer = await digest(ReadingsExample(reads, names={GENERAL: "general", RANDOM: "random"}), HERE, THERE)

    assert answer.title == "2 channels, 2 – 8 March 2026"
    assert answer.lines[0].startswith("#random was much ")
    assert len(answer.lines) == 1
    assert answer.chart is not None
    assert answer.chart.kind is ChartKind.MULTIPLES
    assert answer.table is not None
    assert [row[0] for row in answer.table.rows] == ["#general", "#random"]


async def test_a_team_with_a_quiet_week_is_told_so_in_one_line():
    example = ReadingsExample([*QUIET, *elsewhere(QUIET)], names={GENERAL: "general", RANDOM: "random"})

    answer = await digest(example, HERE, THERE)

    assert answer.lines == (
        "A quiet week: no clear change from the usual in #general and #random last week (2–8 Mar).",
    )


async def test_a_channel_with_too_little_is_named_but_has_no_number():
    reads = [*QUIET, *elsewhere(list(a_week(people=4)))]

    answer = await digest(ReadingsExample(reads, names={GENERAL: "general", RANDOM: "random"}), HERE, THERE)

    assert answer.lines[1] == "Not enough was said to tell in #random."
    assert answer.table is not None
    assert [row[0] for row in answer.table.rows] == ["#general"]


async def test_the_more_channels_are_looked_at_the_clearer_a_change_must_be():
    channels = [Channel(Platform.CONSOLE, "acme", str(n)) for n in range(12)]
    slight = [*weeks(-8, -1), *a_week(shift=-0.085)]
    reads = [replace(read, channel=channel) for channel in channels[1:] for read in QUIET]
    reads += [replace(read, channel=channels[0]) for read in slight]
    places = [Place(channel, channel.id) for channel in channels]
    example = ReadingsExample(reads, names={channel: channel.id for channel in channels})

    alone = await digest(example, places[0])
    among_many = await digest(example, *places)

    assert " than usual " in alone.lines[0]
    assert among_many.lines[0].startswith("A quiet week: ")
    assert "The more channels are looked at, the clearer a change must be" in among_many.footnote


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Apia"])
async def test_the_title_names_the_days_of_the_readers_calendar(zone: str):
    start = MONDAY.replace(tzinfo=ZoneInfo(zone))
    span = Span(
        replace(THIS_WEEK, start=start.astimezone(MONDAY.tzinfo), end=(start + WEEK).astimezone(MONDAY.tzinfo)),
        "last week",
    )

    answer = await Digests(Trends(ReadingsExample(QUIET))).of((HERE,), span, ZoneInfo(zone), AFTER + WEEK)

    assert answer.title == "#general, 2 – 8 March 2026"


async def test_an_edit_and_a_deletion_change_the_digest_and_the_mood_alike(storage: Storage):
    kept = Answers(Trends(storage.readings), storage.ledger, storage.inbox, storage.names)
    messages = [a_message(n, author=n % 6, at=MONDAY + n * HOUR) for n in range(30)]
    await _record(storage, *((message, GLAD) for message in messages))
    before = [await kept.answer(a_question(subject, LAST_WEEK)) for subject in (Subject.DIGEST, Subject.MOOD)]

    edited = replace(messages[0], revised_at=messages[0].sent_at + HOUR, text="never mind")
    await _record(storage, (edited, ANGRY), Deletion(messages[1].id, AFTER))
    after = [await kept.answer(a_question(subject, LAST_WEEK)) for subject in (Subject.DIGEST, Subject.MOOD)]

    assert before[0].lines[0] == before[1].lines[0]
    assert after[0].lines[0] == after[1].lines[0] != before[0].lines[0]
    assert [answer.footnote.split(" by ")[0] for answer in after] == ["29 messages"] * 2


async def test_through_edits_and_deletions_every_weeks_digest_has_the_numbers_of_mood_and_entities(storage: Storage):
    kept = Answers(Trends(storage.readings), storage.ledger, storage.inbox, storage.names)
    drawn = Random(8)
    sent = {
        a_message(number, author=drawn.randrange(9), at=MONDAY + week * WEEK + drawn.randrange(7 * 24) * HOUR): (
            an_analysis(drawn.choice((GLAD, CALM, ANGRY)), *drawn.sample(NAMED, drawn.randrange(3)))
        )
        for week in range(-6, 1)
        for number in range(1000 * week, 1000 * week + 40)
    }
    touched = drawn.sample(list(sent), 80)
    edited = {
        replace(message, revised_at=message.sent_at + HOUR, text="never mind"): an_analysis(ANGRY)
        for message in touched[:50]
    }
    deleted: dict[Event, Analysis | None] = {Deletion(message.id, AFTER): None for message in touched[40:]}
    told = []

    for happened in (sent, edited, deleted):
        await storage.inbox.put(list(happened))
        waiting = await storage.inbox.take(len(happened))
        await storage.ledger.record([(each, happened[each.event]) for each in waiting])  # type: ignore[index]
        for week in range(-6, 1):
            span = Span(Window(MONDAY + week * WEEK, MONDAY + (week + 1) * WEEK), f"week {10 + week}")
            digest, mood, entities = [
                await kept.answer(a_question(subject, Side((HERE,), span)))
                for subject in (Subject.DIGEST, Subject.MOOD, Subject.ENTITIES)
            ]

            assert digest.lines[0].removeprefix("A quiet week: ") == mood.lines[0]
            assert digest.footnote.startswith(mood.footnote)
            assert digest.table is not None
            assert entities.table is not None
            assert digest.table.rows == entities.table.rows[:5]
            told.append((week, digest.lines[0], digest.footnote, digest.table.rows))

    assert len(set(told)) == 21  # every edit and deletion was seen, in every week


async def _record(storage: Storage, *events: tuple[Message, object] | Deletion) -> None:
    for event in events:
        message, sentiment = event if isinstance(event, tuple) else (event, None)
        await storage.inbox.put([message])
        taken = await storage.inbox.take(10)
        await storage.ledger.record(
            [(waiting, an_analysis(sentiment) if sentiment is not None else None) for waiting in taken]  # type: ignore[arg-type]
        )
