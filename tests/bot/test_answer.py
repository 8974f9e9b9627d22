"""Answers, as a person reads them: over readings in a list, and over a real database."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from bot.analysis import Kind
from bot.answer import Answer, Visibility, answer_as_json
from bot.answers import Answers
from bot.grammar import parse
from bot.message import ChannelSeen, Message, Pseudonym, Window
from bot.question import Place, Question, Side, Span, Subject
from bot.store import Alias, InboxCount, LeftOut
from bot.trends import Trends
from storage import Storage
from tests.bot.readings_example import Read, ReadingsExample, a_read
from tests.bot.test_trends import AFTER, MONDAY, THIS_WEEK, UTC_ZONE, a_week, weeks
from tests.examples import AT, DAY, GENERAL, HOUR, RANDOM, WEEK, a_message, an_analysis, an_author, an_entity

HERE = Place(GENERAL, "general")
THERE = Place(RANDOM, "random")
LAST_WEEK = Side((HERE,), Span(THIS_WEEK, "last week (2–8 Mar)"))
WEEK_BEFORE = Side((HERE,), Span(Window(MONDAY - WEEK, MONDAY), "the week before last (23 Feb – 1 Mar)"))


@dataclass
class ConsentExample:
    """Remembers who opted out."""

    out: set[Pseudonym] = field(default_factory=set)

    async def opt_out(self, author: Pseudonym, /) -> None:
        self.out.add(author)

    async def opt_in(self, author: Pseudonym, /) -> None:
        self.out.discard(author)

    async def opted_out(self, author: Pseudonym, /) -> bool:
        return author in self.out


@dataclass
class QueueExample:
    """Counts what waits."""

    counted: InboxCount = field(default_factory=lambda: InboxCount(0, None, 0, {}))

    async def count(self) -> InboxCount:
        return self.counted


@dataclass
class AliasesExample:
    """Knows what the team calls things."""

    known: tuple[Alias, ...] = ()

    async def aliases(self) -> tuple[Alias, ...]:
        return self.known


def a_question(subject: Subject, *sides: Side, **others: Any) -> Question:
    return Question(subject, sides, **{"asker": an_author(1), "zone": UTC_ZONE, "asked_at": AFTER, **others})


def answers(reads: list[Read] | ReadingsExample, **parts: Any) -> Answers:
    example = reads if isinstance(reads, ReadingsExample) else ReadingsExample(reads)
    parts = {"consent": ConsentExample(), "queue": QueueExample(), **parts}
    return Answers(Trends(example), **parts)


async def ask(reads: list[Read] | ReadingsExample, subject: Subject, *sides: Side, **others: Any) -> Answer:
    return await answers(reads).answer(a_question(subject, *sides, **others))


QUIET = weeks(-8, 0)
GLOOMY = [*weeks(-8, -1), *a_week(shift=-0.3, entities=("Jenkins",))]


# Mood


async def test_a_quiet_week_claims_no_change():
    answer = await ask(QUIET, Subject.MOOD, LAST_WEEK)

    assert answer.title == "Mood of #general, last week (2–8 Mar)"
    assert answer.lines[0].startswith("#general was slightly positive last week (2–8 Mar): mood +")
    assert answer.lines[0].endswith("no clear change from its usual.")
    assert answer.footnote == "54 messages by 9 people; read by example 1."


async def test_an_answer_that_rests_on_a_hosted_model_says_that_text_was_sent():
    read = [replace(one, model="hosted:acme/mood+acme/names") for one in QUIET]

    answer = await ask(read, Subject.MOOD, LAST_WEEK)

    assert answer.footnote.endswith(
        "read by hosted:acme/mood+acme/names. For that, message text was sent, masked, to a hosted model."
    )


async def test_a_changed_week_says_by_how_much_and_how_sure():
    answer = await ask(GLOOMY, Subject.MOOD, LAST_WEEK)

    assert answer.lines[0].startswith("#general was much ")
    assert " than usual last week (2–8 Mar): mood −" in answer.lines[0]
    assert "points below people's own usual (95 % −" in answer.lines[0]
    assert answer.table is not None
    assert [row[0] for row in answer.table.rows] == ["mood", "against the usual", "negative", "neutral", "positive"]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        (list(a_week(people=3)), "Not yet: 3 of 5 people wrote in #general last week (2–8 Mar); with fewer, numbers "
         "would point at persons."),
        (list(a_week(people=9, messages=1)), "Not yet: 9 of 20 messages in #general last week (2–8 Mar)."),
    ],
)  # fmt: skip
async def test_too_little_is_said_to_be_too_little(reads: list[Read], expected: str):
    answer = await ask(reads, Subject.MOOD, LAST_WEEK)

    assert (answer.lines, answer.table, answer.chart, answer.ok) == ((expected,), None, None, False)


@pytest.mark.parametrize("subject", [Subject.MOOD, Subject.DIGEST])
async def test_500_furious_messages_of_one_author_move_a_mood_no_more_than_one(subject: Subject):
    def furious(messages: int) -> list[Read]:
        return [a_read(MONDAY + HOUR * (1 + n % 24), 77, -1.0) for n in range(messages)]

    once = await ask([*QUIET, *furious(1)], Subject.MOOD, LAST_WEEK)
    loud = await ask([*QUIET, *furious(500)], Subject.MOOD, LAST_WEEK)
    told = await ask([*QUIET, *furious(500)], subject, LAST_WEEK)

    assert once.table is not None
    assert loud.table is not None
    assert loud.table.rows[0] == once.table.rows[0]
    assert f"mood {loud.table.rows[0][1]}" in told.lines[0]
    assert " than usual " not in told.lines[0]


async def test_where_nothing_was_read_the_nearest_messages_are_named():
    answer = await ask(weeks(-8, -7), Subject.MOOD, LAST_WEEK)

    assert answer.lines == (
        "Nothing was read in #general last week (2–8 Mar).",
        "There are messages from 5 – 16 January 2026.",
    )


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (Subject.MOOD, "mood #general 18 December 2025 – 16 January 2026"),
        (Subject.ENTITIES, "entities #general 18 December 2025 – 16 January 2026"),
        (Subject.DIGEST, "digest #general 2026-W02"),
        (Subject.COMPARE, "compare #general 2026-W02 with 2026-W01"),
    ],
)
async def test_where_nothing_was_read_the_suggestion_leads_to_what_was(subject: Subject, expected: str):
    sides = (LAST_WEEK, WEEK_BEFORE) if subject is Subject.COMPARE else (LAST_WEEK,)

    answer = await ask(weeks(-8, -7), subject, *sides)

    assert answer.suggestions == (expected, "channels")


async def test_the_suggestion_beside_old_channels_leads_to_what_was_read():
    answer = await ask(weeks(-8, -7), Subject.CHANNELS)

    assert answer.suggestions == ("mood #general 18 December 2025 – 16 January 2026",)


async def test_a_language_without_a_name_is_one_of_the_others():
    reading = ReadingsExample(list(a_week()), aside=LeftOut(0, {"ca": 3, "xal": 5}, 0))

    answer = await ask(reading, Subject.MOOD, LAST_WEEK)

    assert "left out: 3 in Catalan, 5 in other languages;" in answer.footnote


async def test_an_empty_channel_says_so():
    answer = await ask([], Subject.MOOD, LAST_WEEK)

    assert answer.lines[-1] == "Nothing has been read in #general yet."


async def test_a_footnote_says_what_was_left_out_and_why():
    example = ReadingsExample(QUIET, aside=LeftOut(12, {"fr": 3, "de": 1, "xx": 1, "sv": 2}, 4, 2))

    answer = await ask(example, Subject.MOOD, LAST_WEEK)

    assert answer.footnote == (
        "54 messages by 9 people; left out: 12 from bots, 3 in French, 2 in Swedish, 1 in German, "
        "1 in other languages, 4 waiting to be read, 2 that could not be read; read by example 1."
    )


async def test_two_models_in_a_week_are_marked_and_not_mixed():
    older = [a_read(MONDAY + HOUR, author, -1.0, model="example 0") for author in range(9)]
    newer = [read for read in a_week() if read.at > MONDAY + DAY]

    answer = await ask([*older, *newer], Subject.MOOD, LAST_WEEK)

    assert "not mixed in: 9 read by example 0; read by example 1." in answer.footnote
    assert answer.chart is not None
    assert answer.chart.marks == ((MONDAY + DAY, "read by example 1 from here"),)


@pytest.mark.parametrize("subject", [Subject.ENTITIES, Subject.TRENDS, Subject.ENTITY])
async def test_beside_names_it_is_said_that_whoever_read_them_they_are_counted(subject: Subject):
    other = a_week(messages=1, entities=("Jenkins",), model="example 0")

    answer = await ask([*a_week(entities=("Jenkins",)), *other], subject, LAST_WEEK, name="Jenkins")
    one = await ask(list(a_week(entities=("Jenkins",))), subject, LAST_WEEK, name="Jenkins")

    assert "not mixed in: 9 read by example 0 (but names are counted whoever read them);" in answer.footnote
    assert "whoever read them" not in one.footnote


async def test_after_a_change_of_model_explain_says_why_nothing_is_usual():
    answer = await ask([*weeks(-8, -1, model="example 0"), *a_week()], Subject.EXPLAIN, LAST_WEEK)

    told = [line for line in answer.lines if line.startswith("What is usual isn't known yet: ")]
    assert told == [
        "What is usual isn't known yet: the weeks before were read by another model, and `roomtone reanalyze` can read "
        "them again. So no change is told."
    ]


@pytest.mark.parametrize("subject", [Subject.MOOD, Subject.EXPLAIN])
async def test_several_channels_were_and_one_was(subject: Subject):
    both = [*QUIET, *(replace(read, channel=RANDOM) for read in QUIET)]

    several = await ask(both, subject, Side((HERE, THERE), LAST_WEEK.span))
    one = await ask(both, subject, LAST_WEEK)

    assert several.lines[0].startswith("#general and #random were ")
    assert "its usual" not in several.lines[0]
    assert one.lines[0].startswith("#general was ")


async def test_an_unfinished_week_says_so():
    answer = await ask(QUIET, Subject.MOOD, LAST_WEEK, asked_at=MONDAY + 3 * DAY)

    assert answer.lines[1].startswith("It isn't over yet")
    assert answer.footnote.startswith("36 messages by 9 people so far")


async def test_a_chart_is_told_in_words():
    answer = await ask(QUIET, Subject.MOOD, LAST_WEEK)

    assert answer.chart is not None
    assert answer.chart.alt.startswith("Mood of #general by day: from +")
    assert answer.chart.alt.endswith("2 steps with too few people are gaps.")


@pytest.mark.parametrize("subject", [Subject.MOOD, Subject.ENTITIES, Subject.DIGEST, Subject.EXPLAIN])
async def test_a_first_sentence_fits_200_characters_whatever_a_channel_is_called(subject: Subject):
    side = Side((Place(GENERAL, "x" * 80), Place(RANDOM, "y" * 80)), Span(THIS_WEEK, "2 March, 00:00 – 9 March, 00:00"))

    answer = await ask(GLOOMY, subject, side)

    assert 0 < len(answer.lines[0]) <= 200


# Entities


async def test_names_are_listed_with_people_and_mood():
    answer = await ask([*a_week(entities=("Jenkins",))], Subject.ENTITIES, LAST_WEEK)

    assert answer.lines == (
        "Jenkins was named by most people in #general last week (2–8 Mar): 9 people in 54 messages.",
    )
    assert answer.table is not None
    assert answer.table.rows[0][:4] == ("Jenkins", "product", "9", "54")


async def test_rare_names_are_not_listed():
    answer = await ask([*a_week(), a_read(MONDAY + HOUR, 1, entities=("Secret",))], Subject.ENTITIES, LAST_WEEK)

    assert "Secret" not in str(answer)
    assert not answer.ok


def of_a_person() -> ReadingsExample:
    return ReadingsExample([*a_week(entities=("Hanna",))], kinds={"hanna": Kind.PERSON})


async def test_a_person_is_listed_but_not_scored():
    answer = await ask(of_a_person(), Subject.ENTITIES, LAST_WEEK)

    assert answer.table is not None
    assert answer.table.rows == (("Hanna", "person", "9", "54", "–", "people aren't scored"),)


async def test_how_a_person_is_spoken_of_is_not_answered():
    answer = await ask(of_a_person(), Subject.ENTITY, LAST_WEEK, name="Hanna")

    assert answer.lines[0].endswith("how people are spoken of isn't scored.")
    assert (answer.table, answer.chart) == (None, None)
    assert "mood" not in answer.lines[0]


async def test_a_name_is_answered_in_any_spelling():
    answer = await ask([*a_week(entities=("Jenkins",))], Subject.ENTITY, LAST_WEEK, name="#jenkins'")

    assert answer.title == "Jenkins in #general, last week (2–8 Mar)"
    assert answer.lines[0].startswith("What was said about Jenkins in #general was ")


async def test_a_name_is_answered_under_the_teams_alias():
    aliases = AliasesExample((Alias("ci", "Jenkins"),))

    answer = await answers([*a_week(entities=("Jenkins",))], aliases=aliases).answer(
        a_question(Subject.ENTITY, LAST_WEEK, name="CI")
    )

    assert answer.title == "Jenkins in #general, last week (2–8 Mar)"


async def test_a_misspelt_name_is_suggested():
    answer = await ask([*a_week(entities=("Jenkins",))], Subject.ENTITY, LAST_WEEK, name="Jenkons")

    assert answer.lines[1] == "Did you mean Jenkins?"
    assert answer.suggestions == ("entity Jenkins #general last week",)


async def test_a_name_of_few_people_cannot_be_told_from_one_that_nobody_used():
    rare = [a_read(MONDAY + HOUR, author, entities=("Bob",)) for author in range(4)]

    known, unknown = [await ask([*a_week(), *rare], Subject.ENTITY, LAST_WEEK, name=name) for name in ("Bob", "Rob")]

    assert str(known).replace("Bob", "?") == str(unknown).replace("Rob", "?")


# Compare


async def test_two_weeks_are_compared_in_a_sentence_and_a_table():
    answer = await ask(GLOOMY, Subject.COMPARE, LAST_WEEK, WEEK_BEFORE)

    assert " lower in mood than #general the week before last" in answer.lines[0]
    assert answer.table is not None
    assert answer.table.rows[-1][0] == "difference"


async def test_a_difference_that_may_be_chance_is_not_told_as_one():
    answer = await ask(QUIET, Subject.COMPARE, LAST_WEEK, WEEK_BEFORE)

    assert answer.lines[0].startswith("No clear difference between ")


async def test_a_comparison_with_too_little_says_which_side():
    answer = await ask(list(a_week()), Subject.COMPARE, LAST_WEEK, WEEK_BEFORE)

    assert answer.lines[0] == "Nothing was read in #general the week before last (23 Feb – 1 Mar)."
    assert not answer.ok


async def test_a_comparison_with_too_few_people_says_which_side():
    answer = await ask([*a_week(), *a_week(-1, people=3)], Subject.COMPARE, LAST_WEEK, WEEK_BEFORE)

    assert answer.lines[0].startswith("Not yet: 3 of 5 people wrote in #general the week before last")
    assert not answer.ok


# What there is, how it is made, and who is counted


@pytest.mark.parametrize("subject", [Subject.MOOD, Subject.DIGEST, Subject.CHANNELS])
async def test_channels_of_one_name_are_told_apart_and_can_be_asked_for_again(subject: Subject):
    there = replace(GENERAL, workspace="beta")
    reads = [*QUIET, *(replace(read, channel=there) for read in QUIET)]
    example = ReadingsExample(reads, names={GENERAL: "general", there: "general"})
    places = (HERE, Place(there, "general"))

    answer = await ask(example, subject, replace(LAST_WEEK, places=()))

    told = f"{answer.lines} {answer.table and answer.table.rows}"
    assert "#acme/general" in told
    assert "#beta/general" in told
    again = parse(answer.suggestions[0], places=places, here=None, now=AFTER, zone=UTC_ZONE, asker=an_author())
    assert set(again.sides[0].places) <= set(places)


async def test_private_channels_are_told_only_to_those_who_may_know():
    example = ReadingsExample(
        [*QUIET, *(replace(read, channel=RANDOM) for read in QUIET)],
        names={GENERAL: "general", RANDOM: "secret"},
        private=frozenset({RANDOM}),
    )
    everywhere = Side((), LAST_WEEK.span)

    for question in (a_question(Subject.CHANNELS), a_question(Subject.DIGEST, everywhere)):
        anybody = await answers(example).answer(question)
        member = await answers(example).answer(question, visible=(HERE, Place(RANDOM, "secret", True)))

        assert "secret" not in str(anybody)
        assert "secret" in str(member)


async def test_explain_says_the_model_the_counts_and_what_was_left_out():
    example = ReadingsExample(QUIET, aside=LeftOut(12, {}, 0))

    answer = await ask(example, Subject.EXPLAIN, LAST_WEEK)

    told = "\n".join(answer.lines)
    assert "It rests on 54 messages by 9 people, each read by example 1" in told
    assert "Left out: 12 from bots." in told
    assert "54 messages by 9 people" in answer.footnote


async def test_explaining_nothing_still_says_how_messages_are_read():
    answer = await ask([], Subject.EXPLAIN, LAST_WEEK)

    assert answer.lines[0].startswith("Not yet: 0 of 5 people wrote")
    assert answer.lines[1].startswith("Each message is read by a model, which gives it a score")
    assert "Left out: nothing from bots, in other languages or still waiting." in "\n".join(answer.lines)


async def test_status_says_what_waits_and_what_failed():
    queue = QueueExample(InboxCount(3, AFTER - timedelta(minutes=5), 2, {"ValueError": 2}))

    answer = await answers([], queue=queue).answer(a_question(Subject.STATUS))

    assert answer.lines == (
        "3 messages wait to be read.",
        "The oldest arrived 5 minutes ago.",
        "2 messages could not be read and were set aside: ValueError (2).",
    )


async def test_opting_out_and_in_is_remembered_and_told_to_the_person_alone():
    consent = ConsentExample()
    asked = answers([], consent=consent)

    out = await asked.answer(a_question(Subject.OPT_OUT))
    told = await asked.answer(a_question(Subject.PRIVACY))
    back = await asked.answer(a_question(Subject.OPT_IN))
    again = await asked.answer(a_question(Subject.OPT_IN))

    assert told.lines[-1].startswith("You have opted out")
    assert back.lines[0].startswith("Done: you are counted again")
    assert again.lines[0] == "You are counted already."
    assert {answer.visibility for answer in (out, told, back)} == {Visibility.PERSONAL}
    assert consent.out == set()


async def test_help_lists_every_subject_and_explains_one():
    everything = await ask([], Subject.HELP)
    one = await ask([], Subject.HELP, topic="mood")

    assert everything.table is not None
    assert len(everything.table.rows) == len(Subject)
    assert one.title == "How to ask: mood"


async def test_no_question_shows_anybodys_pseudonym():
    for subject in set(Subject) - {Subject.SCHEDULE}:  # which knows of nobody: tests/bot/test_subscribing.py
        sides = {Subject.COMPARE: (LAST_WEEK, WEEK_BEFORE)}.get(subject, (LAST_WEEK,))

        answer = await ask(GLOOMY, subject, *sides, name="Jenkins")

        assert not any(an_author(n) in str(answer) + json.dumps(answer_as_json(answer)) for n in range(20))


@pytest.mark.parametrize("subject", [Subject.MOOD, Subject.ENTITIES, Subject.DIGEST])
async def test_what_is_suggested_can_be_asked(subject: Subject):
    span = parse(
        "mood last week", places=(HERE,), here=HERE, now=AFTER, zone=UTC_ZONE, asker=an_author()
    ).sides[0].span  # fmt: skip
    answer = await ask(GLOOMY, subject, Side((HERE,), span))

    for suggestion in answer.suggestions:
        question = parse(suggestion, places=(HERE, THERE), here=THERE, now=AFTER, zone=UTC_ZONE, asker=an_author())
        assert [side.places for side in question.sides] == [(HERE,)]
        assert [side.span.window for side in question.sides] == [span.window]


# As data


async def test_an_answer_as_json_says_the_same():
    answer = await ask(GLOOMY, Subject.MOOD, LAST_WEEK)

    told = json.loads(json.dumps(answer_as_json(answer)))

    assert set(told) == {
        "title", "ok", "lines", "table", "chart", "links", "footnote", "window", "visibility", "suggestions",
    }  # fmt: skip
    assert told["lines"] == list(answer.lines)
    assert told["window"] == {"start": "2026-03-02T00:00:00+00:00", "end": "2026-03-09T00:00:00+00:00"}
    points = told["chart"]["series"][0]["points"]
    assert [point["people"] for point in points] == [9, 9, 9, 9, 9, 0, 0]
    assert [point["estimate"] is None for point in points] == [False] * 5 + [True] * 2


async def test_links_as_json_name_the_message():
    reads = [*GLOOMY, *(a_read(MONDAY + HOUR, n % 9, -0.9, thread="17") for n in range(30))]

    told = answer_as_json(await ask(reads, Subject.DIGEST, LAST_WEEK))

    assert told["links"] == [
        {
            "words": "A thread of 30 messages by 9 people",
            "platform": "console",
            "workspace": "acme",
            "channel": "general",
            "message": "17",
        }
    ]


# Over a real database


@pytest.mark.parametrize(
    ("subject", "sides"),
    [
        (Subject.MOOD, (LAST_WEEK,)),
        (Subject.ENTITIES, (LAST_WEEK,)),
        (Subject.ENTITY, (LAST_WEEK,)),
        (Subject.COMPARE, (LAST_WEEK, WEEK_BEFORE)),
        (Subject.DIGEST, (LAST_WEEK,)),
        (Subject.CHANNELS, ()),
    ],
)
async def test_a_database_answers_as_a_list_does(storage: Storage, subject: Subject, sides: tuple[Side, ...]):
    reads = [*weeks(-5, -1), *a_week(shift=-0.3, entities=("Jenkins",))]
    await _record(storage, reads)
    question = a_question(subject, *sides, name="Jenkins")
    kept = Answers(Trends(storage.readings), storage.ledger, storage.inbox, storage.names)

    answer = await kept.answer(question)

    assert answer_as_json(answer) == answer_as_json(await answers(reads).answer(question))


async def _record(storage: Storage, reads: list[Read]) -> None:
    await storage.inbox.put([ChannelSeen(GENERAL, "general", AT)])
    await storage.ledger.record([(waiting, None) for waiting in await storage.inbox.take(1)])
    events = [
        a_message(number, author=int(read.author, 16), at=read.at.replace(microsecond=0))
        for number, read in enumerate(reads)
    ]
    await storage.inbox.put(events)
    by_id = {event.id: read for event, read in zip(events, reads, strict=True)}
    while taken := await storage.inbox.take(500):
        await storage.ledger.record(
            [
                (
                    waiting,
                    an_analysis(
                        by_id[waiting.event.id].sentiment, *(an_entity(n) for n in by_id[waiting.event.id].entities)
                    ),
                )
                for waiting in taken
                if isinstance(waiting.event, Message)
            ]
        )
