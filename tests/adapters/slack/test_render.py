"""Answers as Block Kit: within every limit, and never markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.render import Asked, cut, message, refused, spoken
from bot.answer import Align, Answer, Chart, ChartKind, Column, Link, Table, Visibility
from bot.errors import QuestionError
from bot.message import Channel, MessageId, Platform
from tests.servers.slack_limits import TEXT_ADVISED, length, violations

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
ASKED = Asked("mood last week", AT)
CHART = Chart(ChartKind.LINES, "Mood", "The mood rose from 1 to 9.", "points", "UTC")
TARGET = MessageId(Channel(Platform.SLACK, "T1", "C1"), "1772442000.000100")

words = st.text(max_size=40) | st.sampled_from(
    ["", "<!channel>", "<@U1>", "*bold*", "<https://evil.example|click>", "😀" * 2000, "a" * 5000, "\ud800", "&lt;"]
)
tables = st.integers(1, 25).flatmap(
    lambda width: st.builds(
        Table,
        st.tuples(*[st.builds(Column, words, st.sampled_from(list(Align)))] * width),
        st.lists(st.tuples(*[words] * width), max_size=5).map(tuple) | st.just((("x" * 300,) * width,) * 101),
    )
)
answers = st.builds(
    Answer,
    title=words,
    lines=st.lists(words, max_size=30).map(tuple),
    footnote=words,
    table=st.none() | tables,
    chart=st.none() | st.just(CHART),
    links=st.lists(st.builds(Link, st.just(TARGET), words), max_size=8).map(tuple),
    visibility=st.sampled_from(list(Visibility)),
    suggestions=st.lists(words, max_size=6).map(tuple),
)


@given(answer=answers, table_block=st.booleans(), picture=st.none() | st.just("F1"))
def test_no_answer_breaks_a_limit(answer: Answer, table_block: bool, picture: str | None):
    said = message(answer, ASKED, table_block=table_block, picture=picture, shared_by="U1", permalinks="https://a.b/")

    assert violations(said["blocks"]) == []
    assert length(said["text"]) <= TEXT_ADVISED


def a_section(words: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": words}}


def a_table(rows: int) -> dict[str, Any]:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]] * rows}


@pytest.mark.parametrize(
    ("blocks", "breaks"),
    [
        ([a_section("a")] * 49, 0), ([a_section("a")] * 50, 0), ([a_section("a")] * 51, 1),
        ([a_section("a" * 3000)], 0), ([a_section("a" * 3001)], 1),
        ([a_section("a" * 2998 + "😀")], 0), ([a_section("a" * 2999 + "😀")], 1),
        ([a_table(100)], 0), ([a_table(101)], 1), ([a_table(1)] * 2, 1),
    ],
)  # fmt: skip
def test_the_local_slack_refuses_exactly_what_lies_beyond_a_limit(blocks: list[dict[str, Any]], breaks: int):
    assert len(violations(blocks)) == breaks


@given(text=words, suggestions=st.lists(words, max_size=6))
def test_no_refusal_breaks_a_limit(text: str, suggestions: list[str]):
    said = refused(QuestionError(text, suggestions))

    assert violations(said["blocks"]) == []


def texts(node: Any) -> list[dict[str, Any]]:
    """Every object in some blocks that carries words."""
    if isinstance(node, dict):
        own = [node] if isinstance(node.get("text"), str) else []
        return own + [found for value in node.values() for found in texts(value)]
    return [found for value in node for found in texts(value)] if isinstance(node, list) else []


@given(answer=answers)
def test_nothing_said_is_ever_markup(answer: Answer):
    said = message(answer, ASKED, permalinks="https://acme.slack.com/")

    kinds = {found["type"] for found in texts(said["blocks"])}
    assert kinds <= {"plain_text", "text", "link", "raw_text"}
    assert "<" not in said["text"].replace("&lt;", "")


def test_links_lead_to_the_message_and_nowhere_else():
    answer = Answer("Mood", ("Fine.",), links=(Link(TARGET, "<https://evil.example|click>"),))

    said = message(answer, permalinks="https://acme.slack.com/")

    links = [found for found in texts(said["blocks"]) if found["type"] == "link"]
    assert [link["url"] for link in links] == ["https://acme.slack.com/archives/C1/p1772442000000100"]


def test_screen_readers_hear_the_whole_answer():
    table = Table((Column("Who"), Column("N")), (("a", "1"), ("b", "")))
    answer = Answer("Mood", ("Calm.",), "On 40 messages.", table, CHART)

    assert spoken(answer) == "Mood\nCalm.\nThe mood rose from 1 to 9.\nWho: a, N: 1\nWho: b\nOn 40 messages."


def test_screen_readers_hear_what_may_have_been_meant():
    said = refused(QuestionError("I don't know 'moood'.", ("mood", "mood today")))

    assert said["text"] == "I don't know 'moood'. Try: mood; mood today."


def test_a_private_answer_is_not_offered_for_sharing():
    said = message(Answer("You", ("Yours.",), visibility=Visibility.PERSONAL), ASKED)

    assert [block["type"] for block in said["blocks"]] == ["header", "rich_text"]


def test_a_question_survives_its_button():
    assert Asked.unpacked(ASKED.packed()) == ASKED


@pytest.mark.parametrize("value", ["", "{}", "[]", "null", '{"q": 1}', '{"q": "a", "at": "yesterday"}'])
def test_a_forged_button_asks_nothing(value: str):
    assert Asked.unpacked(value) is None


@pytest.mark.parametrize(("units", "expected"), [(4, "😀…"), (3, "😀…"), (6, "😀😀😀")])
def test_text_is_cut_between_whole_emoji(units: int, expected: str):
    assert cut("😀😀😀", units) == expected


def test_the_table_can_be_drawn_in_characters():
    table = Table((Column("Channel"), Column("Mood", Align.RIGHT)), (("general", "+12"), ("dev", "–3")))

    said = message(Answer("Mood", ("Fine.",), table=table), table_block=False)

    (drawn,) = [found["text"] for found in texts(said["blocks"]) if "Channel" in found["text"]]
    assert drawn == "Channel  Mood\ngeneral   +12\ndev        –3"
