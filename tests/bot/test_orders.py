"""Orders in the one grammar: told from questions, and understood the same on every platform."""

from __future__ import annotations

import pytest

from bot.errors import QuestionError
from bot.orders import Verb
from bot.question import Place, Subject
from bot.schedule import Times
from tests.bot.test_question import DEV, GENERAL, RANDOM, parse

NINE = Times(0, 9, 0, "Europe/Berlin")
DAILY = Times(None, 9, 0, "Europe/Berlin")
TIME = "I understood only a part of that, not the time, which is one from 00:00 to 23:59"
ALERT_DAY = "I understood only a part of that, not the weekday, as alerts are looked for every day"


@pytest.mark.parametrize(
    ("text", "verb", "times"),
    [
        ("digest on", Verb.DIGEST_ON, NINE),
        ("digest on weekly monday 09:00 Europe/Berlin", Verb.DIGEST_ON, NINE),
        ("Digest on Mondays.", Verb.DIGEST_ON, NINE),
        ("please digest on", Verb.DIGEST_ON, NINE),
        ("digest on Fridays at 16:30", Verb.DIGEST_ON, Times(4, 16, 30, "Europe/Berlin")),
        ("digest on friday 4 pm", Verb.DIGEST_ON, Times(4, 16, 0, "Europe/Berlin")),
        ("digest on tuesday 12am america/new_york", Verb.DIGEST_ON, Times(1, 0, 0, "America/New_York")),
        ("digest on every thursday at 8:05 (UTC)", Verb.DIGEST_ON, Times(3, 8, 5, "UTC")),
        ("turn on the digest", Verb.DIGEST_ON, NINE),
        ("schedule the digest on friday 16:30", Verb.DIGEST_ON, Times(4, 16, 30, "Europe/Berlin")),
        ("digest off", Verb.DIGEST_OFF, None),
        ("stop the digest please", Verb.DIGEST_OFF, None),
        ("could you turn the weekly digest off?", Verb.DIGEST_OFF, None),
        ("send the digest now", Verb.SEND_NOW, None),
        ("preview digest", Verb.PREVIEW, None),
        ("disable alerts", Verb.ALERTS_OFF, None),
        ("weekly digest off", Verb.DIGEST_OFF, None),
        ("digest when?", Verb.WHEN, None),
        ("schedule", Verb.WHEN, None),
        ("alerts", Verb.WHEN, None),
        ("digest preview", Verb.PREVIEW, None),
        ("digest send now", Verb.SEND_NOW, None),
        ("alerts on", Verb.ALERTS_ON, DAILY),
        ("alert on 17:00 UTC", Verb.ALERTS_ON, Times(None, 17, 0, "UTC")),
        ("alerts on daily 17:00", Verb.ALERTS_ON, Times(None, 17, 0, "Europe/Berlin")),
        ("alerts off", Verb.ALERTS_OFF, None),
        ("digest on here friday 16:30", Verb.DIGEST_ON, Times(4, 16, 30, "Europe/Berlin")),
        ("alerts on #dev 17:00 UTC", Verb.ALERTS_ON, Times(None, 17, 0, "UTC")),
    ],
)
def test_an_order_is_understood(text: str, verb: Verb, times: Times | None):
    question = parse(text)

    assert question.order is not None
    assert (question.subject, question.order.verb, question.order.times) == (Subject.SCHEDULE, verb, times)
    assert question.order.target == DEV


@pytest.mark.parametrize(
    "text",
    [
        "digest",
        "send me the digest",
        "digest now",
        "digest last week",
        "digest on 3 March",
        "digest #general",
        "weekly digest for #general",
    ],
)
def test_a_question_for_a_digest_is_no_order(text: str):
    question = parse(text)

    assert question.subject is Subject.DIGEST
    assert question.order is None


@pytest.mark.parametrize(
    ("text", "here", "target", "about"),
    [
        ("digest on for #general and #random", DEV, DEV, (GENERAL, RANDOM)),
        ("digest on monday 09:00 Europe/Berlin for #general #random", DEV, DEV, (GENERAL, RANDOM)),
        ("digest on here", DEV, DEV, (DEV,)),
        ("digest on #general monday 09:00", DEV, DEV, (GENERAL,)),
        ("digest on for #general and #random, fridays at 4 pm", DEV, DEV, (GENERAL, RANDOM)),
        ("digest on #random monday 09:00", None, RANDOM, (RANDOM,)),
        ("digest on for general", DEV, DEV, (GENERAL,)),
        ("digest on for #random", None, RANDOM, (RANDOM,)),
        ("turn on the digest on monday 09:00 for #general and #random", DEV, DEV, (GENERAL, RANDOM)),
        ("stop the digest in #random", DEV, RANDOM, (RANDOM,)),
        ("digest when #general", DEV, GENERAL, (GENERAL,)),
        ("digest preview <#C3|random>", DEV, RANDOM, (RANDOM,)),
        ("alerts on 09:00 for #random", DEV, RANDOM, (RANDOM,)),
    ],
)
def test_an_order_knows_where_and_about_what(text: str, here: Place | None, target: Place, about: tuple[Place, ...]):
    question = parse(text, here=here)

    assert question.order is not None
    assert (question.order.target, question.sides[0].places) == (target, about)


@pytest.mark.parametrize(
    ("text", "here", "says"),
    [
        (
            "digest on",
            None,
            "There is no channel here: name one. For example: 'digest on monday 09:00 for #acme/general'.",
        ),
        ("digest on monday 09:00 Mars/Base", DEV, "I don't know that time zone: names look like Europe/Berlin."),
        ("digest on for #nowhere", DEV, "I know no channel by that name that you can ask about."),
        ("digest on for #dev #random", None, "One channel at a time: name only one."),
        ("digest on for everywhere", DEV, "Name the channels one by one."),
        ("turn on digest monday 25:00", DEV, f"{TIME}: write it like"),
        (
            "digest on monday 09:00 Berlin",
            DEV,
            "I understood only a part of that, not the time zone, which is one like Europe/Berlin: write it like",
        ),
        ("digest on monday 25:00", None, "I understood only a part of that, not the time, which is one from 00:00"),
        ("digest on monday 25:00", DEV, f"{TIME}: write it like 'digest on monday 09:00 for #dev'."),
        ("digest on #general monday 25:00", DEV, f"{TIME}: write it like"),
        ("digest on mondey 09:00", DEV, "I understood only a part of that, not the weekday: write it like"),
        ("alerts on #random monday", None, f"{ALERT_DAY}: write it like 'alerts on 09:00 for #acme/general'."),
        ("digest on weekly mondey 09:00", DEV, "I understood only a part of that"),
        ("digest on daily 09:00", DEV, "I understood only a part of that"),
        ("alerts on mondays", DEV, "I understood only a part of that"),
        ("alerts off 09:00 UTC", DEV, "I understood only a part of that"),
    ],
)
def test_an_order_that_cant_be_is_refused_in_a_sentence(text: str, here: Place | None, says: str):
    with pytest.raises(QuestionError) as refused:
        parse(text, here=here)

    assert str(refused.value).startswith(says)
    assert [parse(each, here=here).order for each in refused.value.suggestions if "digest on" in each] == []
