"""Words → Question: every subject, channels by any name, and help that can be asked as it stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot import grammar, when
from bot.analysis import Kind
from bot.errors import QuestionError
from bot.message import Channel, Platform
from bot.question import KINDS, SUBJECTS, Place, Question, Subject
from tests.examples import an_author

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
"""Tuesday, 24 November 2026, 10:30 in Berlin."""


def a_place(name: str, id_: str, *, workspace: str = "acme", platform: Platform = Platform.SLACK) -> Place:
    return Place(Channel(platform, workspace, id_), name)


GENERAL = a_place("general", "C1")
DEV = a_place("dev", "C2")
RANDOM = a_place("random", "C3")
OPS = a_place("ops-alerts", "C4")
VOICE = a_place("voice chat", "C5")
SIZE = a_place("größe-和", "C6")
MARCH = a_place("march", "C7")
TEAM = a_place("team_today", "987654321")
OTHER_GENERAL = a_place("general", "X1", workspace="beta")
LOUNGE = a_place("lounge", "X2", workspace="beta")
PLACES = (GENERAL, DEV, RANDOM, OPS, VOICE, SIZE, MARCH, TEAM, OTHER_GENERAL, LOUNGE)


ASIDE = re.compile(r" \(.*\)$")


def parse(text: str, *, here: Place | None = DEV, places: tuple[Place, ...] = PLACES) -> Question:
    return grammar.parse(text, places=places, here=here, now=NOW, zone=BERLIN, asker=an_author())


def summary(question: Question) -> str:
    """'mood dev @ last week', 'compare dev @ March | dev @ April', 'entity dev @ last 30 days name=Jenkins'."""
    sides = [
        f"{'+'.join(place.name for place in side.places) or 'everywhere'} @ {ASIDE.sub('', side.span.words)}"
        for side in question.sides
    ]
    more = [f"{key}={value}" for key in ("name", "kind", "topic") if (value := getattr(question, key))]
    return " ".join(filter(None, [question.subject, " | ".join(sides), *more]))


def refused(text: str, *, here: Place | None = DEV, places: tuple[Place, ...] = PLACES) -> QuestionError:
    with pytest.raises(QuestionError) as caught:
        parse(text, here=here, places=places)
    return caught.value


UNDERSTOOD = (
    ("mood", "mood dev @ last 30 days"),
    ("/mood", "mood dev @ last 30 days"),
    ("/roomtone mood", "mood dev @ last 30 days"),
    ("roomtone, mood last week", "mood dev @ last week"),
    ("MOOD #GENERAL LAST WEEK!", "mood general @ last week"),
    ("mood #general last week", "mood general @ last week"),
    ("mood last week #general", "mood general @ last week"),
    ("mood: #general, last week.", "mood general @ last week"),
    ("mood of general since monday", "mood general @ since Monday"),
    ("mood (#general) last week (16–22 Nov)", "mood general @ last week"),
    ("how is the mood in #general last week?", "mood general @ last week"),
    ("how is the mood?", "mood dev @ last 30 days"),
    ("how was last week?", "mood dev @ last week"),
    ("how is #random doing", "mood random @ last 30 days"),
    ("how's everyone feeling today?", "mood dev @ today"),
    ("how are we doing this week?", "mood dev @ this week"),
    ("what's the mood", "mood dev @ last 30 days"),
    ("show me the mood in #general and #random this week", "mood general+random @ this week"),
    ("vibes yesterday", "mood dev @ yesterday"),
    ("#general", "mood general @ last 30 days"),
    ("last week", "mood dev @ last week"),
    ("general mood this month", "mood general @ this month"),
    ("what about #random?", "mood random @ last 30 days"),
    ("what about last week?", "mood dev @ last week"),
    ("mood here", "mood dev @ last 30 days"),
    ("mood in this channel today", "mood dev @ today"),
    ("mood all", "mood everywhere @ last 30 days"),
    ("mood everywhere 14d", "mood everywhere @ last 14 days"),
    ("mood in all channels in March", "mood everywhere @ March"),
    ("mood all time", "mood dev @ all time"),
    ("entities", "entities dev @ last 30 days"),
    ("entities products #general", "entities general @ last 30 days kind=product"),
    ("entities companies", "entities dev @ last 30 days kind=organization"),
    ("entities organisations", "entities dev @ last 30 days kind=organization"),
    ("entities tools software", "entities dev @ last 30 days kind=product"),
    ("people last week", "entities dev @ last week kind=person"),
    ("places", "entities dev @ last 30 days kind=location"),
    ("top topics this week", "entities dev @ this week"),
    ("what are people talking about in #random this month", "entities random @ this month"),
    ("who was mentioned last week?", "entities dev @ last week kind=person"),
    ("which tools were mentioned in #general", "entities general @ last 30 days kind=product"),
    ("entity Jenkins", "entity dev @ last 30 days name=Jenkins"),
    ("entity: Jenkins", "entity dev @ last 30 days name=Jenkins"),
    ("entity Visual Studio Code in #general last week", "entity general @ last week name=Visual Studio Code"),
    ("entity Visual Studio Code last week #general", "entity general @ last week name=Visual Studio Code"),
    ("entity #general Jenkins", "entity general @ last 30 days name=Jenkins"),
    ("entity jenkins in general", "entity general @ last 30 days name=jenkins"),
    ("entity jenkins general", "entity dev @ last 30 days name=jenkins general"),
    ("entity Jenkins everywhere", "entity everywhere @ last 30 days name=Jenkins"),
    ("entity March", "entity dev @ last 30 days name=March"),
    ("entity March last week", "entity dev @ last week name=March"),
    ('entity "March"', "entity dev @ last 30 days name=March"),
    ('entity "March 2025" in March', "entity dev @ March name=March 2025"),
    ("entity “Apollo 2025”", "entity dev @ last 30 days name=Apollo 2025"),
    ("entity Apollo 2025", "entity dev @ 2025 name=Apollo"),
    ("entity `last week` last week", "entity dev @ last week name=last week"),
    ("entity \"don't panic\" YESTERDAY", "entity dev @ yesterday name=don't panic"),
    ("entity Windows 11", "entity dev @ last 30 days name=Windows 11"),
    ("entity Monday.com since Monday", "entity dev @ since Monday name=Monday.com"),
    ("entity #jenkins", "entity dev @ last 30 days name=#jenkins"),
    ("entity #general", "entity dev @ last 30 days name=#general"),
    ('mood "Jenkins" last week', "entity dev @ last week name=Jenkins"),
    ("how do people feel about Jenkins in #general last month?", "entity general @ last month name=Jenkins"),
    ("what do people think of the Visual Studio Code?", "entity dev @ last 30 days name=Visual Studio Code"),
    ("mood about Jenkins", "entity dev @ last 30 days name=Jenkins"),
    ("compare", "compare dev @ last week | dev @ the week before last"),
    ("compare this week", "compare dev @ this week | dev @ 16–17 November"),
    ("compare #general this month", "compare general @ this month | general @ 1–24 October"),
    ("compare #general with #random last week", "compare general @ last week | random @ last week"),
    ("compare #general to #random", "compare general @ last week | random @ last week"),
    ("compare #general last week with the week before", "compare general @ last week | general @ 9–15 November"),
    ("compare #general last week with #random this week", "compare general @ last week | random @ this week"),
    ("compare last week to this week", "compare dev @ last week | dev @ this week"),
    ("compare march and april", "compare dev @ March | dev @ April"),
    ("compare everywhere march vs april", "compare everywhere @ March | everywhere @ April"),
    ("compare #dev from 3 march to 9 march with #random", "compare dev @ 3–9 March | random @ 3–9 March"),
    ("compare between 3 and 9 march with #random", "compare random @ 3–9 March | random @ 24 February – 2 March"),
    ("compare #general january to june 2025 with july to december 2025",
     "compare general @ 1 January – 30 June 2025 | general @ 1 July – 31 December 2025"),
    ("compare 2025-01-01 to 2025-06-30 and 2025-07-01 to 2025-12-31",
     "compare dev @ 1 January – 30 June 2025 | dev @ 1 July – 31 December 2025"),
    ("compare january to june", "compare dev @ January | dev @ June"),
    ("compare #general with #random monday to friday", "compare general @ 16–20 November | random @ 16–20 November"),
    ("compare last week to this week in #general and #random",
     "compare general+random @ last week | general+random @ this week"),
    ("compare #general, #random and #dev last week with this week",
     "compare general+random+dev @ last week | general+random+dev @ this week"),
    ("Q1 vs Q2 2025", "compare dev @ Q1 2025 | dev @ Q2 2025"),
    ("compare last week with april 2025", "compare dev @ last week | dev @ April 2025"),
    ("how does this week compare to last week?", "compare dev @ this week | dev @ last week"),
    ("compare here with #random", "compare dev @ last week | random @ last week"),
    ("mood #general vs #random", "compare general @ last week | random @ last week"),
    ("how was last week compared to the week before?", "compare dev @ last week | dev @ 9–15 November"),
    ("digest", "digest dev @ last week"),
    ("digest #general week 7", "digest general @ week 7"),
    ("digest of Monday", "digest dev @ Monday"),
    ("digest on 16 November", "digest dev @ 16 November"),
    ("digest when", "schedule dev @ last week"),
    ("weekly digest for #general", "digest general @ last week"),
    ("give me a summary", "digest dev @ last week"),
    ("what happened in #general yesterday", "digest general @ yesterday"),
    ("channels", "channels"),
    ("explain", "explain dev @ last 30 days"),
    ("explain mood #general last week", "explain general @ last week"),
    ("how is this calculated?", "explain dev @ last 30 days"),
    ("why?", "explain dev @ last 30 days"),
    ("status", "status"),
    ("privacy", "privacy"),
    ("what do you know about me?", "privacy"),
    ("opt-out", "opt-out"),
    ("opt out", "opt-out"),
    ("OPTOUT!", "opt-out"),
    ("please forget me", "opt-out"),
    ("opt-out of this silly thing", "opt-out"),
    ("opt-in", "opt-in"),
    ("opt me back in", "opt-in"),
    ("help", "help"),
    ("help mood", "help topic=mood"),
    ("help optout", "help topic=opt-out"),
    ("help with dates", "help topic=times"),
    ("help gibberish", "help"),
    ("", "help"),
    (" ?! ", "help"),
    ('"mood last week"', "mood dev @ last week"),
    ("mood,#general,#random,yesterday", "mood general+random @ yesterday"),
    ("mood #general/#random", "mood general+random @ last 30 days"),
    ("mood #general & #random", "mood general+random @ last 30 days"),
    ("how did people feel in #general last week?", "mood general @ last week"),
    ("how happy are we this week?", "mood dev @ this week"),
    ("is everyone ok?", "mood dev @ last 30 days"),
    ("is it getting better?", "compare dev @ last week | dev @ the week before last"),
    ("mood chart so far this week", "mood dev @ this week"),
    ("graph of mood last month", "mood dev @ last month"),
    ("is #general happier than #random?", "compare general @ last week | random @ last week"),
    ("is the mood getting better this week?", "compare dev @ this week | dev @ 16–17 November"),
    ("what's the difference between march and april?", "compare dev @ March | dev @ April"),
    ("compare the last 7 days with the previous 7 days", "compare dev @ last 7 days | dev @ 11–17 November"),
    ("compare this week with the same week last year", "compare dev @ this week | dev @ 24–25 November 2025"),
    ("compare march with the same time a year ago", "compare dev @ March | dev @ March 2025"),
    ("compare today with the same day last week", "compare dev @ today | dev @ 17 November"),
    ("#general's mood recently", "mood general @ last 30 days"),
    ("top 5 products this month", "entities dev @ this month kind=product"),
    ("what topics came up last week?", "entities dev @ last week"),
    ("what are people saying in #general?", "entities general @ last 30 days"),
    ("what are people saying about Jenkins?", "entity dev @ last 30 days name=Jenkins"),
    ("which people are mentioned most?", "entities dev @ last 30 days kind=person"),
    ("most mentioned products", "entities dev @ last 30 days kind=product"),
    ("how often was Jenkins mentioned in #general last month?", "entity general @ last month name=Jenkins"),
    ("entity .NET", "entity dev @ last 30 days name=.NET"),
    ("trending topics", "trends dev @ last 3 months"),
    ("pattern of the week in #general", "pattern general @ last 3 months"),
    ("when are people happiest?", "pattern dev @ last 3 months"),
    ("which day is the worst in #general?", "pattern general @ last 3 months"),
    ("why was the mood so low?", "digest dev @ last week"),
    ("send me the digest", "digest dev @ last week"),
    ("show me all channels", "channels"),
    ("how do you calculate the mood?", "explain dev @ last 30 days"),
    ("what does +9 mean?", "explain dev @ last 30 days"),
    ("are you up to date?", "status"),
    ("who can see this?", "privacy"),
    ("do you store messages?", "privacy"),
    ("I want to opt out", "opt-out"),
    ("stop tracking me", "opt-out"),
    ("who are you?", "help"),
    ("when does the next digest come?", "schedule dev @ last week"),
    ("unsubscribe", "schedule dev @ last week"),
    ("mood <#C1|general> last week", "mood general @ last week"),
    ("mood <#C1>", "mood general @ last 30 days"),
    ("mood <#987654321>", "mood team_today @ last 30 days"),
    ("mood C3", "mood random @ last 30 days"),
    ("mood ops-alerts", "mood ops-alerts @ last 30 days"),
    ("mood ops alerts", "mood ops-alerts @ last 30 days"),
    ("mood #voice chat last week", "mood voice chat @ last week"),
    ("mood voice-chat", "mood voice chat @ last 30 days"),
    ("mood #team_today", "mood team_today @ last 30 days"),
    ("mood team-today today", "mood team_today @ today"),
    ("mood #GRÖSSE-和", "mood größe-和 @ last 30 days"),
    ("mood march", "mood dev @ March"),
    ("mood #march in march", "mood march @ March"),
    ("mood lounge", "mood lounge @ last 30 days"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), UNDERSTOOD, ids=[text for text, _ in UNDERSTOOD])
def test_a_question_is_understood(text: str, expected: str):
    assert summary(parse(text)) == expected


def test_a_question_carries_who_asks_where_and_when():
    question = parse("mood last week")

    assert (question.asker, question.zone, question.asked_at) == (an_author(), BERLIN, NOW)


def test_without_a_channel_to_be_in_everything_is_meant():
    assert summary(parse("mood", here=None)) == "mood everywhere @ last 30 days"


def test_here_needs_a_channel():
    error = refused("mood here", here=None, places=(GENERAL,))

    assert (str(error), error.suggestions) == ("There is no channel here: name one.", ("mood #general",))


def test_a_name_in_two_workspaces_means_the_askers_own():
    assert [parse("mood #general", here=here).sides[0].places for here in (DEV, LOUNGE)] == [
        (GENERAL,),
        (OTHER_GENERAL,),
    ]


def test_a_name_in_two_workspaces_is_ambiguous_from_outside_both():
    error = refused("mood #general last week", here=None)

    assert str(error) == "More than one channel is called that: say #acme/general or #beta/general."
    assert error.suggestions == ("mood #acme/general last week", "mood #beta/general last week")


@pytest.mark.parametrize("name", ["beta/general", "#beta/general", "#slack/beta/general", "X1", "<#X1>"])
def test_a_workspace_or_an_id_tells_channels_of_one_name_apart(name: str):
    assert parse(f"mood {name}", here=None).sides[0].places == (OTHER_GENERAL,)


def test_two_channels_of_one_name_in_one_workspace_are_told_apart_by_id():
    twins = (a_place("bugs", "1001", platform=Platform.DISCORD), a_place("bugs", "1002", platform=Platform.DISCORD))

    error = refused("mood #bugs", here=twins[0], places=twins)

    assert error.suggestions == ("mood", "mood <#1002>")


@pytest.mark.parametrize("text", ["mood #{} last week", "compare #{} with #general", "entities #{}", "mood <#{}>"])
def test_a_channel_that_is_not_the_askers_to_see_is_as_unknown_as_one_that_is_not(text: str):
    names = ("board-layoffs", "nothing-here")  # the first exists, but isn't in PLACES

    answers = [refused(text.format(name)) for name in names]

    assert str(answers[0]) == str(answers[1]) == "I know no channel by that name that you can ask about."
    assert answers[0].suggestions == answers[1].suggestions


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("mood #genral last week", "mood #general last week"),
        ("mood genral last week", "mood #general last week"),
        ("mood ops", "mood #ops-alerts"),
        ("mood last wek", "mood last week"),
        ("mood #general since mondey", "mood #general since Monday"),
        ("moood #random", "mood #random"),
        ("entitys last week", "entities last week"),
        ("entities produts", "entities products"),
        ("mood next week", "mood this week"),
        ("mood 02/03/2026", "mood 2 March"),
        ("mood monday and tuesday", "compare Monday with Tuesday"),
        ("compare all time", "compare last week with the week before last"),
        ("compare march april may", "compare March with April"),
        ("digest on weekly mondey 09:00 Europe/Berlin", "schedule"),
        ("entity", 'entity "Jenkins"'),
        ("entities gadgets", "entities this month"),
        ("tell me a joke", "mood last week"),
        ("mood Jenkins", 'entity "Jenkins"'),
        ("Jenkins?", 'entity "Jenkins"'),
        ("digest every monday 9:00", "schedule"),
    ],
)
def test_what_was_probably_meant_comes_first(text: str, nearest: str):
    assert refused(text).suggestions[0] == nearest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (text, "I don't know how to answer that: begin with 'mood', 'entities' or 'help'.")
            for text in ("ok", "great!", "thank you", "hi there", "is that good?", "best!")
        ),
        ("best day ever!", "I understood only a part of that."),
        ("mood gibberish", "I understood only a part of that."),
        ("fly me to the moon", "I don't know how to answer that: begin with 'mood', 'entities' or 'help'."),
        ("mood next week", "That lies in the future: ask about a time that has begun."),
        ("mood 9 march to 3 march", "That range ends before it begins: swap its two ends."),
        ("mood monday and tuesday", "That names more than one time: ask about one, or compare two."),
        ("compare #general #random #dev", "Only two things can be compared: two channels or two times."),
        ("entities people products", "One kind at a time: name one, or none for all of them."),
        ("compare Jenkins with GitHub", "I understood only a part of that: channels and times can be compared."),
        ('entity "a" "b"', "I understood only a part of that."),
        ("mood data", "I understood only a part of that."),
        ("mood " + "9" * 3000, "That question is too long: use at most 500 characters."),
    ],
)
def test_what_is_not_understood_is_said_in_a_sentence(text: str, message: str):
    assert str(refused(text)) == message


def test_no_error_repeats_what_was_written():
    texts = [
        "mood xyzzy",
        "xyzzy",
        "mood #xyzzy",
        "mood <#C9|xyzzy>",
        "compare xyzzy",
        'entity "xyzzy" plugh',
        "entities xyzzy",
    ]

    assert [text for text in texts if "xyzzy" in str(refused(text))] == []


@pytest.mark.parametrize("example", [text for about in SUBJECTS.values() for text in about.examples])
def test_every_example_of_a_subject_asks_for_it(example: str):
    [subject] = [subject for subject, about in SUBJECTS.items() if example in about.examples]

    assert parse(example).subject is subject


@pytest.mark.parametrize("word", [word for about in SUBJECTS.values() for word in about.also])
def test_every_other_word_for_a_subject_asks_for_it(word: str):
    [subject] = [subject for subject, about in SUBJECTS.items() if word in about.also]

    assert parse(word).subject is subject


def test_every_subject_can_be_asked_for_by_its_name_and_says_what_it_is():
    assert list(SUBJECTS) == list(Subject)
    assert all(about.line.endswith(".") and about.examples for about in SUBJECTS.values())


def test_every_kind_has_its_words():
    assert {parse(f"entities {word}").kind for word in KINDS} == set(Kind)


PIECES = (
    "mood", "entities", "entity", "compare", "digest", "how is", "what about", "#general", "#dev", "general", "here",
    "everywhere", "last week", "this month", "March", "since", "Monday", "with", "vs", "and", "to", '"Jenkins"',
    "Jenkins", "products", "last wek", "#genral", "<#C1>", "<#C9|x>", "next week", "opt-out", "help", "?", "(", "'",
    "#", "<#", "beta/general", "the week before", 
    "digest on", "alerts off", "09:00", "Mars/Base", "for", "schedule", "2025-W60", "02/03/2026", "9" * 30,
)  # fmt: skip
sentences = st.text(max_size=520) | st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join)


@example(text="NEXT WEEK'\"'", here=None)
@example(text='ENT 0"0', here=None)
@given(text=sentences, here=st.sampled_from((None, DEV, LOUNGE)))
def test_any_text_is_a_question_or_gets_questions_that_can_be_asked(text: str, here: Place | None):
    try:
        parse(text, here=here)
        offered: tuple[str, ...] = ()
    except QuestionError as error:
        offered = error.suggestions
        said = str(error)
    else:
        said = "."

    assert said.strip()
    assert len(offered) <= 3
    for suggestion in offered:
        parse(suggestion, here=here)


DOCUMENT = Path(__file__).parents[2] / "docs" / "questions.md"
ROW = re.compile(r"^\| `(?P<said>[^`]+)` \| (?P<meant>[^|]+) \|", re.MULTILINE)


def rows(heading: str) -> list[tuple[str, str]]:
    section = DOCUMENT.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [(row["said"].replace("\\|", "|"), row["meant"].strip()) for row in ROW.finditer(section)]


def test_the_documents_questions_mean_what_it_says():
    found = rows("What you can ask")

    assert {parse(said).subject for said, _ in found} == set(Subject)
    assert [(said, parse(said).subject) for said, _ in found] == [(said, meant.split()[0]) for said, meant in found]


def test_the_documents_times_mean_what_it_says():
    found = rows("Times")

    assert len(found) > 30
    assert [(said, when.read(said, now=NOW, zone=BERLIN).words) for said, _ in found] == found


def test_the_documents_channels_mean_what_it_says():
    found = rows("Channels")

    assert [
        (said, "+".join(place.name for place in parse(said).sides[0].places) or "every channel") for said, _ in found
    ] == found


def test_the_document_lists_every_kind_word():
    section = DOCUMENT.read_text(encoding="utf-8").split("\n## Entities and their kinds\n")[1].split("\n## ")[0]

    assert [word for word in KINDS if f"`{word}`" not in section] == []
