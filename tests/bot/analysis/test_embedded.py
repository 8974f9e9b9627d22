from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.analysis import Analysis, Kind, Label
from bot.analysis.embedded import (
    FOLDER,
    Array,
    Embedded,
    Facts,
    Indices,
    Reader,
    Tags,
    _Window,
    foreign_language,
)
from bot.analysis.tokens import Shape, Tokens, shapes_of
from bot.errors import ConfigurationError
from bot.text import plain, words

CHATS = Path(__file__).parents[3].parent / "shared" / "data" / "chats"
HOSTILE = (
    "",
    " ",
    "\x00",
    "\ud800",
    "\ud83d\ude00",
    "\u202eabc",
    "a" * 100_000,
    "word " * 20_000,
    "👩‍💻" * 5_000,
    "<@" * 2_000,
)
MARKUP = st.sampled_from(
    [
        "<@U1|Anna>",
        "@anna",
        "<#C1|london>",
        "<https://apple.com|Apple>",
        "https://google.com",
        "`Paris`",
        "```Berlin```",
        ":tada:",
        "👍🏽",
        "&amp;",
        "Jenkins",
        "Tim",
        "Cook",
        "in",
        "Berlin",
        "the",
        "*London*",
        "(",
        ",",
        ">",
        "שלום",
    ]
)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(threads=1)


@pytest.fixture
async def embedded() -> AsyncIterator[Embedded]:
    async with Embedded(threads=1) as opened:
        yield opened


async def test_every_text_gets_its_analysis_in_order(embedded: Embedded) -> None:
    texts = ["I love this, thank you!", "", "This is terrible, it crashes again.", "The meeting is at three."]

    analyses = await embedded.analyze(texts)

    labels = [analysis.sentiment.label for analysis in analyses if analysis.sentiment]
    assert labels == [Label.POSITIVE, Label.NEUTRAL, Label.NEGATIVE, Label.NEUTRAL]


async def test_no_texts_give_no_analyses(embedded: Embedded) -> None:
    assert list(await embedded.analyze([])) == []


async def test_callers_at_once_each_get_their_own(embedded: Embedded) -> None:
    texts = [f"Meet me in {city}" for city in ("Berlin", "Paris", "London", "Tokyo")]

    alone = [await embedded.analyze([text]) for text in texts]
    at_once = await asyncio.gather(*(embedded.analyze([text]) for text in texts))

    assert alone == at_once


async def test_the_work_happens_in_a_thread_of_its_own(embedded: Embedded) -> None:
    await embedded.analyze(["hello"])

    assert sum(thread.name.startswith("embedded") for thread in threading.enumerate()) == 1


async def test_missing_files_are_said_in_a_sentence(tmp_path: Path) -> None:
    async with Embedded(tmp_path) as opened:
        with pytest.raises(ConfigurationError, match="install Roomtone again"):
            await opened.analyze(["hello"])


async def test_files_of_another_release_are_said_in_a_sentence(tmp_path: Path) -> None:
    for file in FOLDER.iterdir():
        shutil.copy(file, tmp_path)
    facts = json.loads((tmp_path / "model.json").read_text())
    del facts["temperature"]
    (tmp_path / "model.json").write_text(json.dumps(facts))

    async with Embedded(tmp_path) as opened:
        with pytest.raises(ConfigurationError, match="of another release"):
            await opened.analyze(["hello"])


def test_the_model_names_itself_and_its_version(reader: Reader) -> None:
    facts = Facts.load(FOLDER / "model.json")

    assert f"{facts.name} {facts.version}" == reader.model == reader.read(["hi"])[0].model


def test_what_ships_is_at_most_thirty_megabytes() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 30_000_000


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_read(reader: Reader, text: str) -> None:
    (analysis,) = reader.read([text])

    assert_points_into(text, analysis)


def test_a_text_is_read_the_same_alone_and_among_others(reader: Reader) -> None:
    texts = ["Great work Anna!", "word " * 300, "Jenkins is down in Berlin :(", "ok", "", "😡", "Tim Cook sucks"]

    among = reader.read(texts * 3)

    for index, text in enumerate(texts):
        (alone,) = reader.read([text])
        assert alone.sentiment is not None
        other = among[index + len(texts)].sentiment
        assert other is not None
        assert alone.sentiment.score == pytest.approx(other.score, abs=1e-4)
        spans = [(entity.kind, entity.start, entity.end) for entity in alone.entities]
        assert spans == [(entity.kind, entity.start, entity.end) for entity in among[index + len(texts)].entities]


def test_cores_share_few_texts_and_one_text_is_read_where_it_was_asked_for() -> None:
    class Watched(Reader):
        def _run(self, read: Sequence[Tokens], batch: Sequence[_Window]) -> tuple[Array, Array, list[Indices]]:
            batches.append((threading.current_thread() is not threading.main_thread(), len(batch)))
            return super()._run(read, batch)

    batches: list[tuple[bool, int]] = []
    reader = Watched(threads=2)

    (alone,) = reader.read(["Great work Anna!"])
    among = reader.read(["Great work Anna!"] * 6)

    assert batches == [(False, 1), (True, 3), (True, 3)]
    assert {analysis.entities[0].text for analysis in (alone, *among)} == {"Anna"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(MARKUP, max_size=12).map(" ".join))
def test_entities_point_into_the_text_as_sent_and_are_never_markup(text: str) -> None:
    (analysis,) = SHARED.read([text])

    assert_points_into(text, analysis)
    for entity in analysis.entities:
        assert not {"<", "@", "`", "👍", ":tada:", "http"} & {entity.text, entity.text[:1], entity.text[:4]}


SHARED = Reader(threads=1)


def test_an_entity_in_markup_is_found_where_it_was_sent(reader: Reader) -> None:
    sent = "<@U1|bob> &amp; I met *Angela Merkel* in <https://x.org|Berlin> :tada:"

    (analysis,) = reader.read([sent])

    found = {(entity.text, entity.kind) for entity in analysis.entities}
    assert {("Angela Merkel", Kind.PERSON), ("Berlin", Kind.LOCATION)} == found


def test_a_long_text_is_read_to_its_end(reader: Reader) -> None:
    text = "we talked about the weather and the plan for a while . " * 60 + "Then Angela Merkel came to Berlin ."

    (analysis,) = reader.read([text])

    assert [entity.text for entity in analysis.entities][-2:] == ["Angela Merkel", "Berlin"]


def test_windows_of_a_long_text_change_no_word_twice(reader: Reader) -> None:
    text = "Then Angela Merkel and Tim Cook both flew to Berlin . " * 80

    (analysis,) = reader.read([text])

    starts = [entity.start for entity in analysis.entities]
    assert sorted(set(starts)) == starts
    assert sum(entity.text == "Berlin" for entity in analysis.entities) >= 80


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Je ne comprends pas pourquoi cela ne marche pas", "fr"),
        ("Das ist leider schon wieder kaputt, sehr ärgerlich", "de"),
        ("это просто ужасно, ничего не работает", "ru"),
        ("I don't understand why this does not work", None),
        ("I met Angela Merkel in Berlin", None),
        ("merci", None),
        ("<@U1> https://x.org/une/page/en/francais", None),
        ("```Je ne comprends pas pourquoi cela ne marche pas```", None),
        ("", None),
        ("12345 67890 12345 67890 12345", None),
    ],
)
def test_a_language_it_cannot_read_is_said_and_not_guessed(reader: Reader, text: str, language: str | None) -> None:
    (analysis,) = reader.read([text])

    assert language == analysis.language == foreign_language(words(plain(text).text))
    assert (language is None) == (analysis.sentiment is not None)
    assert language is None or analysis.entities == ()


@pytest.mark.parametrize("text", ["", " \n", "<@U1>", "<https://x.org>", "```x = 1```", "@here <#C1|general>"])
def test_where_nothing_was_said_the_reading_is_neutral(reader: Reader, text: str) -> None:
    (analysis,) = reader.read([text])

    assert analysis.sentiment is not None
    assert analysis.sentiment.neutral == 1.0


@pytest.mark.parametrize(
    "text", ["kill the process", "fatal: not a git repository", "remove the dead code", "merged the PR"]
)
def test_technical_talk_is_neutral(reader: Reader, text: str) -> None:
    (analysis,) = reader.read([text])

    assert analysis.sentiment is not None
    assert analysis.sentiment.label == Label.NEUTRAL


def test_case_says_nothing_in_a_text_that_knows_only_one() -> None:
    assert shapes_of(["jenkins", "down", "!"]) == [Shape.UNTOLD, Shape.UNTOLD, Shape.NONE]
    assert shapes_of(["OH", "NO"]) == [Shape.UNTOLD, Shape.UNTOLD]
    assert shapes_of(["Jenkins", "down", "NASA", "iPhone"]) == [Shape.TITLE, Shape.LOWER, Shape.UPPER, Shape.MIXED]
    assert shapes_of(["@user", "I"]) == [Shape.NONE, Shape.TITLE]


def test_neighbouring_words_of_one_kind_become_one_entity_without_the_marks_around_it() -> None:
    tags = Tags(("O", "B-person", "I-person", "B-location", "I-location"))
    probabilities = np.array(
        [
            [0.1, 0.8, 0.1, 0, 0],
            [0.0, 0.8, 0.2, 0, 0],
            [0.1, 0, 0.9, 0, 0],
            [0.0, 0.1, 0.2, 0.3, 0.4],
            [0.9, 0.1, 0, 0, 0],
        ],
        dtype=np.float32,
    )

    found = list(tags.spot(words("( Anna Smith Berlin runs"), probabilities, 1.0))

    assert [(each.kind, each.first, each.last) for each in found] == [(Kind.PERSON, 1, 3)]


@pytest.mark.skipif(not CHATS.exists(), reason="the real chats are not on this machine")
def test_real_chats_give_entities_that_point_into_them(reader: Reader) -> None:
    texts = [
        json.loads(line)["text"] for line in (CHATS / "racket.jsonl").read_text(encoding="utf-8").splitlines()[:300]
    ]

    for text, analysis in zip(texts, reader.read(texts), strict=True):
        assert_points_into(text, analysis)


def assert_points_into(text: str, analysis: Analysis) -> None:
    last = 0
    for entity in analysis.entities:
        assert last <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == entity.text
        assert 0 < entity.confidence <= 1
        last = entity.end
