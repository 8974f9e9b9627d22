"""What every analyzer promises (`bot.analysis.Analyzer`), one list of cases over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.analysis import Analysis, Analyzer, Kind, Label
from bot.analysis.batching import Batching
from bot.analysis.budget import Budget, Limits
from bot.analysis.checkpoint import Checkpoint, Source
from bot.analysis.embedded import FOLDER, Embedded
from bot.analysis.fallback import Fallback
from bot.analysis.hosted import Endpoint, Hosted
from bot.analysis.paired import Paired
from tests.bot.analysis.checkpoints import make
from tests.bot.analysis.spending import InMemorySpending
from tests.servers.inference import ENTITIES_MODEL, SENTIMENT_MODEL, Inference, status

FIVE_SENTENCES = {
    "I love how quickly the new search works!": Label.POSITIVE,
    "The update deleted my drafts, and I am furious.": Label.NEGATIVE,
    "The meeting starts at ten in room four.": Label.NEUTRAL,
    "Best release we have had this year, thank you all.": Label.POSITIVE,
    "Support has not answered for a week. Very disappointing.": Label.NEGATIVE,
}
"""What a first look at sentiment analysis reads: praise, anger and small talk."""

THREE_TEXTS = {
    "Ada Lovelace joined Siemens in Berlin last spring.": {
        ("Ada Lovelace", Kind.PERSON),
        ("Siemens", Kind.ORGANIZATION),
        ("Berlin", Kind.LOCATION),
    },
    "Microsoft opened an office in Nairobi, says Grace Hopper.": {
        ("Microsoft", Kind.ORGANIZATION),
        ("Nairobi", Kind.LOCATION),
        ("Grace Hopper", Kind.PERSON),
    },
    "We moved the build from Jenkins to Docker in Lisbon.": {
        ("Jenkins", Kind.PRODUCT),
        ("Docker", Kind.PRODUCT),
        ("Lisbon", Kind.LOCATION),
    },
}
"""And what a first look at named entities reads."""

TEXTS = [
    *FIVE_SENTENCES,
    *THREE_TEXTS,
    "",
    "   \n\t",
    "+1",
    "<@U123> see <https://example.com/a|the Berlin plan> &amp; tell *Grace* :tada:",
    "👩‍👩‍👧 José e\u0301 ﷺ ﬁ",
    "北京の天気は良いです",
    "مرحبا من القاهرة",
    "שלום מתל אביב",
    "\ud800 alone",
    "\x00\x01\x02",
    "```\nTraceback (most recent call last):\n  File \"x.py\", line 1\n```",
    "x" * 5_000,
    "so it goes. " * 800,
]  # fmt: skip


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny checkpoint for each task."""
    folder = tmp_path_factory.mktemp("checkpoint")
    make(folder / "mood", "roberta", "sentiment", ("negative", "neutral", "positive"), trained=False)
    make(folder / "names", "distilbert", "names", ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), trained=False)
    return folder


@asynccontextmanager
async def hosted(server: Inference) -> AsyncIterator[Hosted]:
    base = f"{server.url}/models"
    async with Hosted(
        Endpoint.at(SENTIMENT_MODEL, base=base),
        Endpoint.at(ENTITIES_MODEL, base=base),
        Budget(InMemorySpending(), Limits()),
    ) as analyzer:
        yield analyzer


@asynccontextmanager
async def opened(name: str, request: pytest.FixtureRequest) -> AsyncIterator[Analyzer]:
    """The analyzer of that name, ready."""
    if name in {"embedded", "batching", "paired"} and not (FOLDER / "model.onnx").exists():
        pytest.skip("the bundled model isn't in this checkout")
    match name:
        case "embedded":
            async with Embedded(threads=1) as embedded:
                yield embedded
        case "checkpoint":
            if find_spec("torch") is None:
                pytest.skip("the extra `checkpoint` isn't installed")
            folder = request.getfixturevalue("checkpoint")
            sources = Source(str(folder / "mood")), Source(str(folder / "names"))
            async with Checkpoint(*sources, threads=1) as reader:
                yield reader
        case "hosted":
            async with Inference() as server, hosted(server) as analyzer:
                yield analyzer
        case "fallback":
            async with Inference() as broken, Inference() as server, hosted(broken) as first, hosted(server) as second:
                broken.always = status(401)
                async with Fallback({"broken": first, "works": second}) as fallback:
                    yield fallback
        case "batching":
            async with Embedded(threads=1) as embedded, Batching(embedded) as batching:
                yield batching
        case "paired":
            async with Inference() as server, hosted(server) as names, Embedded(threads=1) as embedded:
                yield Paired(embedded, names)
        case _:
            raise ValueError(name)


@pytest.fixture(params=["embedded", "checkpoint", "hosted", "fallback", "batching", "paired"])
async def analyzer(request: pytest.FixtureRequest) -> AsyncIterator[Analyzer]:
    async with opened(request.param, request) as analyzer:
        yield analyzer


def told(analyses: Sequence[Analysis]) -> list[object]:
    """Everything that analyses say; probabilities to four places, as batches are added up in another order."""
    return [
        (
            one.sentiment and tuple(round(p, 3) for p in (one.sentiment.negative, one.sentiment.positive)),
            tuple((entity.kind, entity.start, entity.end) for entity in one.entities),
            one.model,
            one.language,
        )
        for one in analyses
    ]


async def test_there_is_one_analysis_for_each_text_in_order(analyzer: Analyzer) -> None:
    together = await analyzer.analyze(TEXTS)
    backwards = await analyzer.analyze(TEXTS[::-1])

    assert len(together) == len(TEXTS)
    assert [one.language for one in together] == [one.language for one in reversed(backwards)]
    assert [[e.text for e in one.entities] for one in together] == [
        [e.text for e in one.entities] for one in reversed(backwards)
    ]


async def test_no_texts_give_no_analyses(analyzer: Analyzer) -> None:
    assert list(await analyzer.analyze([])) == []


async def test_entities_are_cut_from_the_text_as_sent(analyzer: Analyzer) -> None:
    analyses = await analyzer.analyze(TEXTS)

    for text, one in zip(TEXTS, analyses, strict=True):
        assert [entity.text for entity in one.entities] == [text[entity.start : entity.end] for entity in one.entities]
        assert all(0 <= entity.confidence <= 1 and entity.text.strip() for entity in one.entities)
        ends = [0, *(entity.end for entity in one.entities)]
        assert all(before <= entity.start for before, entity in zip(ends, one.entities, strict=False))


async def test_every_analysis_names_its_model(analyzer: Analyzer) -> None:
    assert all(one.model for one in await analyzer.analyze(TEXTS))


async def test_a_text_without_a_word_is_neutral_and_names_nothing(analyzer: Analyzer) -> None:
    for one in await analyzer.analyze(["", "   ", "<@U123>", "<https://example.com>"]):
        assert one.sentiment is not None
        assert (one.sentiment.label, one.entities) == (Label.NEUTRAL, ())


async def test_the_same_text_is_read_the_same_alone_among_others_and_twice(analyzer: Analyzer) -> None:
    text = "thanks Grace, the deploy to Berlin works again"

    (alone,) = await analyzer.analyze([text])
    among = await analyzer.analyze(["so it goes. " * 50, text, "+1", text])

    assert told([among[1]]) == told([among[3]])
    assert [(e.start, e.end) for e in among[1].entities] == [(e.start, e.end) for e in alone.entities]
    assert among[1].sentiment is not None
    assert alone.sentiment is not None
    assert among[1].sentiment.score == pytest.approx(alone.sentiment.score, abs=0.03)


async def test_callers_at_once_get_the_analyses_of_their_own_texts(analyzer: Analyzer) -> None:
    calls = [[f"thanks Grace {n}", "so it goes"][: 1 + n % 2] for n in range(12)]

    answers = await asyncio.gather(*(analyzer.analyze(texts) for texts in calls))

    assert [len(answer) for answer in answers] == [len(texts) for texts in calls]
    for texts, answer in zip(calls, answers, strict=True):
        for text, one in zip(texts, answer, strict=True):
            assert all(text[e.start : e.end] == e.text for e in one.entities)


async def test_a_hundred_thousand_characters_are_read(analyzer: Analyzer) -> None:
    (one,) = await analyzer.analyze(["The deploy broke again and Grace mended it. " * 2_300])

    assert one.sentiment is not None
    assert one.model


@given(texts=st.lists(st.text(max_size=40), max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_whatever_is_read(analyzer: Analyzer, texts: list[str]) -> None:
    analyses = await analyzer.analyze(texts)

    assert len(analyses) == len(texts)
    assert all(text[e.start : e.end] == e.text for text, one in zip(texts, analyses, strict=True) for e in one.entities)


@pytest.mark.skipif(not (FOLDER / "model.onnx").exists(), reason="the bundled model isn't in this checkout")
class TestAFirstLook:
    """The two examples that a newcomer tries first: sentiment of five sentences, entities of three texts."""

    async def test_five_sentences_have_the_sentiment_that_a_person_reads(self) -> None:
        async with Embedded(threads=1) as embedded:
            analyses = await embedded.analyze(list(FIVE_SENTENCES))

        assert [one.sentiment.label for one in analyses if one.sentiment] == list(FIVE_SENTENCES.values())

    async def test_three_texts_name_whom_and_what_a_person_sees(self) -> None:
        async with Embedded(threads=1) as embedded:
            analyses = await embedded.analyze(list(THREE_TEXTS))

        assert [{(e.text, e.kind) for e in one.entities} for one in analyses] == list(THREE_TEXTS.values())


async def test_the_same_examples_go_through_a_hosted_model() -> None:
    async with Inference() as server, hosted(server) as analyzer:
        analyses = await analyzer.analyze([*FIVE_SENTENCES, *THREE_TEXTS])

    assert server.texts.count("The meeting starts at ten in room four.") == 2
    assert {entity.text for one in analyses[5:] for entity in one.entities} >= {"Siemens", "Berlin", "Microsoft"}
