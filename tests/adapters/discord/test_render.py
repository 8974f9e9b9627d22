"""Answers as Discord shows them: every limit kept, and nothing in a name that Discord would act upon."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.render import PUBLIC_LINES, Reply, alt, length, literal, puzzled, render, shortened
from bot.answer import Align, Answer, Chart, ChartKind, Column, Link, Table
from bot.errors import QuestionError
from bot.message import Channel, MessageId, Platform

LIMITS = {"content": 2000, "title": 256, "description": 4096, "footer": 2048, "embed": 6000}
ODD = st.text(st.sampled_from("aé*_`~|<>@#[]()\\:/-1.\n\u202e\u200d👩🏽👍\u0301🇩🇪"), max_size=2500) | st.text(
    max_size=80
)
PLACE = Channel(Platform.DISCORD, "10", "20")
CHART = Chart(ChartKind.BARS, "title", "alt", "points", "UTC")


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    width = draw(st.integers(1, 8))
    row = st.tuples(*[ODD] * width)
    return Answer(
        title=draw(ODD),
        lines=tuple(draw(st.lists(ODD, max_size=12))),
        footnote=draw(ODD),
        table=Table(tuple(Column(f"column {n}") for n in range(width)), tuple(draw(st.lists(row, max_size=30)))),
        chart=CHART,
        links=tuple(Link(MessageId(PLACE, "5"), words) for words in draw(st.lists(ODD, max_size=4))),
        suggestions=tuple(draw(st.lists(ODD, max_size=5))),
    )


def sizes(reply: Reply) -> dict[str, int]:
    embed = reply.embed
    parts = {"content": length(reply.content)}
    if embed is not None:
        inside = {"title": embed.title, "description": embed.description, "footer": embed.footer.text}
        parts |= {name: length(text or "") for name, text in inside.items()}
        parts["embed"] = sum(parts[name] for name in inside)
    return parts


@given(answers(), st.booleans(), st.booleans())
def test_15_every_limit_is_kept_whatever_is_said(answer: Answer, public: bool, embeds: bool):
    measured = sizes(render(answer, public=public, embeds=embeds))

    assert {name: size for name, size in measured.items() if size > LIMITS[name]} == {}


@given(answers())
def test_in_public_an_answer_has_six_lines_at_most(answer: Answer):
    reply = render(answer, public=True)

    assert reply.embed is not None
    shown = 1 + len((reply.embed.description or "").splitlines())
    assert shown <= PUBLIC_LINES


@given(ODD, st.lists(ODD, max_size=5))
def test_15_a_puzzled_reply_keeps_the_limit(message: str, suggestions: list[str]):
    assert length(puzzled(QuestionError(message, suggestions)).content) <= LIMITS["content"]


@given(ODD, st.integers(2, 60))
def test_15_a_cut_text_is_no_longer_and_never_ends_inside_a_character(text: str, most: int):
    cut = shortened(text, most)

    assert length(cut) <= most
    if cut != text:
        kept = cut.removesuffix("…")
        assert text.startswith(kept)
        assert not kept.endswith("\u200d")


@given(ODD)
def test_nothing_in_a_name_is_acted_upon(name: str):
    shown = re.sub(r"\\[\W_]", "·", literal(name, 4000))  # a dot for everything that is escaped

    assert not set(shown) & set("*_`~|<@[]\\\n\u202e")
    assert "://" not in shown
    assert not re.match(r"(?:[-+>]|#{1,3}|>>>|-#) |[0-9]+[.)]", literal(name, 4000))


def test_mentions_and_links_in_names_come_out_inert():
    assert literal("@everyone <@901> <@&55> https://example.org **b**", 100) == (
        r"\@everyone \<\@901> \<\@&55> https\://example.org \*\*b\*\*"
    )
    assert literal("- no list", 20) == r"\- no list"
    assert literal("1. no list", 20) == r"1\. no list"


ANSWER = Answer(
    title="Mood of #general, last week",
    lines=("#general was calm last week: +12 (95 % interval 3 … 21).", "It isn't over yet."),
    footnote="40 messages by 6 people.",
    table=Table(
        (Column("name"), Column("people", Align.RIGHT), Column("mood", Align.RIGHT), Column("95 % interval")),
        (("Jenkins", "8", "+5", "−3 … 13"), ("a_b", "6", "–", "too few")),
    ),
    chart=CHART,
    links=(Link(MessageId(PLACE, "5"), "A thread of 9 messages"),),
    suggestions=("entities last week",),
)


def test_an_answer_is_a_sentence_and_an_embed_of_short_lines():
    reply = render(ANSWER, public=True)

    assert reply.content == "#general was calm last week: +12 (95 % interval 3 … 21)."
    assert reply.chart == CHART
    assert reply.embed is not None
    assert reply.embed.title == "Mood of #general, last week"
    assert reply.embed.footer.text == "40 messages by 6 people."
    assert reply.embed.description == "\n".join(
        (
            "It isn't over yet.",
            "**Jenkins** · people 8 · mood +5 (−3 … 13)",
            r"**a\_b** · people 6 · mood – (too few)",
            "→ [A thread of 9 messages](https://discord.com/channels/10/20/5)",
        )
    )


def test_only_the_asker_is_offered_what_to_ask_next():
    private = render(ANSWER, public=False)

    assert private.embed is not None
    assert (private.embed.description or "").endswith("-# Next: `entities last week`")


def test_without_embeds_the_words_say_it_all():
    reply = render(ANSWER, public=True, embeds=False)

    assert (reply.embed, reply.chart) == (None, None)
    assert "**Jenkins** · people 8" in reply.content
    assert reply.content.endswith("-# 40 messages by 6 people.")


def test_without_the_right_to_attach_there_is_no_image():
    assert render(ANSWER, public=True, files=False).chart is None


def test_long_tables_end_with_where_to_see_the_rest():
    table = Table((Column("name"),), tuple((f"name {number}",) for number in range(30)))
    reply = render(Answer("Names", ("Thirty names.",), table=table), public=True)

    assert reply.embed is not None
    assert reply.embed.description is not None
    assert reply.embed.description.splitlines()[-2:] == ["**name 3**", "… and 26 more: ask with `/roomtone` to see all"]


def test_long_lines_leave_room_for_what_others_say():
    answer = Answer("How it is made", ("In short.", *(f"{number} " + "word " * 60 for number in range(4))))

    public, private = render(answer, public=True).embed, render(answer, public=False).embed

    assert public is not None
    assert private is not None
    assert [line[:5] for line in (public.description or "").splitlines()] == ["0 wor", "1 wor", "… and"]
    assert len((private.description or "").splitlines()) == 4


def test_an_images_description_is_bounded():
    assert length(alt(Chart(ChartKind.BARS, "t", "word " * 500, "points", "UTC"))) <= 1024


def test_what_was_not_understood_comes_with_questions_that_can_be_asked():
    error = QuestionError("I know no channel by that name.", ("mood #general last week",))

    assert puzzled(error).content == "I know no channel by that name.\n- `mood #general last week`"
