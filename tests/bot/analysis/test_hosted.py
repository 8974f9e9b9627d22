from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from bot.analysis import Kind, Label
from bot.analysis.budget import Budget, Cap, Limits, TokenFacts, Use, day
from bot.analysis.hosted import Endpoint, Hosted
from bot.analysis.transport import Failed, Patience, Token, Transport
from bot.errors import ConfigurationError, Refused, StorageBusy, Unavailable
from tests.bot.analysis.spending import InMemorySpending
from tests.servers import inference
from tests.servers.http2 import Http2
from tests.servers.inference import ENTITIES_MODEL, SENTIMENT_MODEL, Asked, Behaviour, Inference

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECRET = "hf_" + "planted" * 5
QUICK = Patience(connect=20, write=20, read=20, pool=20, whole=30, attempts=4, first_wait=0.01, longest_wait=0.5)
"""Tries again at once, and waits for an answer as long as a busy machine may need."""

HURRIED = replace(QUICK, read=1.5, whole=2)
"""For servers that hang."""


@pytest.fixture
async def server() -> AsyncIterator[Inference]:
    async with Inference() as server:
        yield server


@pytest.fixture
def spending() -> InMemorySpending:
    return InMemorySpending()


@asynccontextmanager
async def hosted(
    server: Inference,
    spending: InMemorySpending | None = None,
    *,
    limits: Limits | None = None,
    names: bool = True,
    labels: dict[str, str] | None = None,
    patience: Patience = QUICK,
    **more: Any,
) -> AsyncIterator[Hosted]:
    base = f"{server.url}/models"
    async with Hosted(
        Endpoint.at(SENTIMENT_MODEL, base=base, labels=labels),
        Endpoint.at(ENTITIES_MODEL, base=base) if names else None,
        Budget(spending or InMemorySpending(), limits or Limits(), now=lambda: NOW),
        token=Token(SECRET),
        patience=patience,
        hub=server.url,
        **more,
    ) as reader:
        yield reader


def used(spending: InMemorySpending) -> Use:
    return spending.kept[day(NOW)]


# What is asked and what is answered


async def test_texts_are_read_by_both_models_in_order(server: Inference) -> None:
    async with hosted(server) as reader:
        glad, angry, plain = await reader.analyze(
            ["I love this, thanks Grace", "The deploy is broken again, Microsoft", "merged the PR"]
        )

    assert [one.sentiment.label for one in (glad, angry, plain) if one.sentiment] == [
        Label.POSITIVE,
        Label.NEGATIVE,
        Label.NEUTRAL,
    ]
    assert [(e.text, e.kind, e.start) for e in glad.entities] == [("Grace", Kind.PERSON, 20)]
    assert [(e.text, e.kind, e.start) for e in angry.entities] == [
        ("The", Kind.PERSON, 0),
        ("Microsoft", Kind.ORGANIZATION, 28),
    ]
    assert {one.model for one in (glad, angry, plain)} == {"hosted:acme/mood+acme/names"}


async def test_the_token_goes_in_the_header_of_every_call_and_nowhere_else(server: Inference) -> None:
    async with hosted(server) as reader:
        await reader.analyze(["hello"])

    assert [asked.authorization for asked in server.asked] == [f"Bearer {SECRET}"] * 2
    assert SECRET not in repr(reader) + repr(reader.__dict__) + repr(Token(SECRET)) + str(Token(SECRET))


async def test_many_texts_are_sent_as_lists_and_each_once(server: Inference) -> None:
    texts = [f"message {n % 20}" for n in range(40)]
    async with hosted(server, texts_per_request=8) as reader:
        answer = await reader.analyze(texts)

    assert len(answer) == 40
    assert sorted(len(asked.texts) for asked in server.asked) == [4, 4, 8, 8, 8, 8]
    assert sorted(server.texts) == sorted([f"message {n}" for n in range(20)] * 2)


async def test_no_more_calls_are_under_way_at_once_than_allowed(server: Inference) -> None:
    async def works_slowly(server: Inference, request: Any, asked: Asked) -> Any:
        await asyncio.sleep(0.01)
        return await inference.works(server, request, asked)

    server.always = works_slowly
    async with hosted(server, texts_per_request=1, concurrent=3) as reader:
        await reader.analyze([f"message {n}" for n in range(20)])

    assert server.most_at_once == 3


async def test_connections_are_reused(server: Inference) -> None:
    peers = set()

    async def notes_the_peer(server: Inference, request: Any, asked: Asked) -> Any:
        peers.add(request.transport.get_extra_info("peername"))
        return await inference.works(server, request, asked)

    server.always = notes_the_peer
    async with hosted(server, concurrent=1) as reader:
        for n in range(10):
            await reader.analyze([f"message {n}"])

    assert len(peers) == 1


async def test_without_a_model_for_names_only_the_sentiment_is_asked(server: Inference) -> None:
    async with hosted(server, names=False) as reader:
        (analysis,) = await reader.analyze(["thanks Grace"])

    assert analysis.entities == ()
    assert analysis.model == "hosted:acme/mood"
    assert [asked.model for asked in server.asked] == [SENTIMENT_MODEL]


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "<@U123> <https://example.com>", "```kill -9 1```"])
async def test_a_text_without_a_word_is_neutral_and_not_sent(server: Inference, text: str) -> None:
    async with hosted(server) as reader:
        (analysis,) = await reader.analyze([text])

    assert analysis.sentiment is not None
    assert (analysis.sentiment.neutral, analysis.entities, server.asked) == (1.0, (), [])


async def test_a_long_text_is_read_in_windows_and_nothing_of_it_is_cut(server: Inference) -> None:
    text = "thanks Grace, the wonderful deploy went out\n" * 200 + "and 日本 Ada wrote it"
    async with hosted(server) as reader:
        (analysis,) = await reader.analyze([text])

    by_model = {model: [a for a in server.asked if a.model == model] for model in (SENTIMENT_MODEL, ENTITIES_MODEL)}
    assert all(len(one) <= 400 for one in server.texts)
    assert {tuple(dict.fromkeys(t for a in asked for t in a.texts)) for asked in by_model.values()} != set()
    assert [e.text for e in analysis.entities] == ["Grace"] * 200 + ["Ada"]
    assert all(text[e.start : e.end] == e.text for e in analysis.entities)
    assert analysis.sentiment is not None
    assert analysis.sentiment.label is Label.POSITIVE


async def test_any_text_can_be_asked_about(server: Inference) -> None:
    texts = ["\ud800 lone", "\x00", "🎉" * 50, "נחמד מאוד Grace", "x" * 100_000, "é" * 3 + " Grace"]
    async with hosted(server) as reader:
        answer = await reader.analyze(texts)

    assert len(answer) == len(texts)
    assert [[e.text for e in one.entities] for one in answer if one.entities] == [["Grace"], ["Grace"]]


async def test_what_must_not_leave_is_masked_and_offsets_hold_in_the_original(server: Inference) -> None:
    text = (
        f"<@U123> Grace (grace@example.com, +49 30 901820) lost {SECRET} in *Berlin*, see <https://example.com/a|Acme>"
    )
    async with hosted(server) as reader:
        (analysis,) = await reader.analyze([text])

    assert set(server.texts) == {f" @user  Grace ( http , {'*' * 13}) lost {'*' * len(SECRET)} in Berlin, see Acme"}
    assert [(e.text, e.kind) for e in analysis.entities] == [
        ("Grace", Kind.PERSON),
        ("Berlin", Kind.LOCATION),
        ("Acme", Kind.ORGANIZATION),
    ]
    assert all(text[e.start : e.end] == e.text for e in analysis.entities)


async def test_what_a_model_sees_in_a_mask_is_no_name_and_a_mask_hides_nothing_elsewhere(server: Inference) -> None:
    first = f"{SECRET} {'so it goes ' * 30}\n"
    stars = {"entity_group": "PER", "score": 0.9, "word": "*****", "start": 0, "end": 5}
    server.behaviours = [inference.works, inference.says([[stars], inference.names("Grace found it")])]
    async with hosted(server, concurrent=1) as reader:
        (analysis,) = await reader.analyze([f"{first}Grace found it{' again' * 30}"])

    assert [len(one.texts) for one in server.asked] == [2, 2]
    assert [(e.text, e.start) for e in analysis.entities] == [("Grace", len(first))]


# Shapes of answers


@pytest.mark.parametrize("shape", [inference.works, inference.one_list, inference.packed])
@pytest.mark.parametrize("texts_per_request", [1, 16])
async def test_todays_and_older_shapes_of_answers_are_read(
    server: Inference, shape: Behaviour, texts_per_request: int
) -> None:
    server.always = shape
    async with hosted(server, texts_per_request=texts_per_request) as reader:
        answer = await reader.analyze(["I love it", "terrible, Grace"])

    assert [one.sentiment.label for one in answer if one.sentiment] == [Label.POSITIVE, Label.NEGATIVE]
    assert [[e.text for e in one.entities] for one in answer] == [[], ["Grace"]]


async def test_best_labels_alone_are_read_where_all_labels_are_given(server: Inference) -> None:
    server.always = inference.best_labels
    labels = {"negative": "negative", "neutral": "neutral", "positive": "positive"}
    async with hosted(server, labels=labels) as reader:
        answer = await reader.analyze(["I love it", "terrible"])

    assert [one.sentiment.label for one in answer if one.sentiment] == [Label.POSITIVE, Label.NEGATIVE]


async def test_best_labels_alone_are_not_guessed_from(server: Inference) -> None:
    server.always = inference.best_labels
    async with hosted(server) as reader:
        with pytest.raises(Unavailable, match="NEGATIVE=negative"):
            await reader.analyze(["I love it"])


@pytest.mark.parametrize(("start", "end"), [(4, 7), (5, 8), (7, 11), (None, None)])  # code points, UTF-16, bytes
async def test_names_are_found_whatever_the_server_counts_in(
    server: Inference, start: int | None, end: int | None
) -> None:
    piece = {"entity_group": "PER", "score": 0.9, "word": "Zoë", "start": start, "end": end}
    server.behaviours = [inference.works, inference.says([piece])]
    async with hosted(server, concurrent=1) as reader:
        (analysis,) = await reader.analyze(["👩‍👩‍👧 Zoë in 東京"])

    assert server.texts == [" 👩  Zoë in 東京"] * 2
    assert [(e.text, e.start, e.end) for e in analysis.entities] == [("Zoë", 6, 9)]


async def test_unaggregated_word_pieces_become_whole_words(server: Inference) -> None:
    pieces = [
        {"entity": "B-PER", "score": 0.9, "index": 2, "word": "Love", "start": 4, "end": 8},
        {"entity": "I-PER", "score": 0.7, "index": 3, "word": "##lace", "start": 8, "end": 12},
    ]
    server.behaviours = [inference.works, inference.says(pieces)]
    async with hosted(server, concurrent=1) as reader:
        (analysis,) = await reader.analyze(["ask Lovelace"])

    assert [e.text for e in analysis.entities] == ["Lovelace"]
    assert [e.confidence for e in analysis.entities] == pytest.approx([0.8])


NONSENSE = {
    "a web page": inference.web_page,
    "nothing": inference.writes(b""),
    "broken JSON": inference.writes(b"[[{]"),
    "a bottomless nest": inference.writes(b"[" * 100_000),
    "no number": inference.writes(b'[[{"label": "positive", "score": NaN}]]'),
    "no UTF-8": inference.writes(b"\xff\xfe\x00"),
    "no gzip": inference.writes(b"not gzip at all", **{"Content-Encoding": "gzip"}),
    "half a gzip": inference.writes(gzip.compress(b"[[]]")[:-12], **{"Content-Encoding": "gzip"}),
    "another compression": inference.writes(b"x", **{"Content-Encoding": "br"}),
    "an error object": inference.says({"error": "something"}),
    "no text": inference.says([]),
    "no label": inference.says([[]]),
    "no probability": inference.says([[{"label": "positive", "score": 7}]]),
    "a score in quotes": inference.says([[{"label": "positive", "score": "0.9"}]]),
    "a number as label": inference.says([[{"label": 3, "score": 0.9}]]),
    "lists for objects": inference.says([["positive", 0.9]]),
    "labels nobody explains": inference.says(
        [[{"label": "LABEL_0", "score": 0.6}, {"label": "LABEL_1", "score": 0.4}]]
    ),
    "a text too many": inference.says([[{"label": "positive", "score": 0.5}], [{"label": "negative", "score": 0.5}]]),
    "a string": inference.says("positive"),
    "null": inference.says(None),
    "ten megabytes": inference.ten_megabytes,
    "a failure": inference.status(500),
    "a redirect": inference.moved,
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
async def test_an_answer_that_makes_no_sense_is_unavailable_and_the_next_one_is_read(
    server: Inference, spending: InMemorySpending, nonsense: Behaviour
) -> None:
    server.always = nonsense
    async with hosted(server, spending, names=False) as reader:
        with pytest.raises(Unavailable) as error:
            await reader.analyze(["I love it"])
        asked = len(server.asked)
        server.always = inference.works
        (analysis,) = await reader.analyze(["I love it"])

    assert asked == 1  # it isn't worth a retry at once
    assert analysis.sentiment is not None
    assert analysis.sentiment.label is Label.POSITIVE
    assert spending.latest is not None
    assert spending.latest.reason == str(error.value)
    assert used(spending).requests == len(server.asked)


@pytest.mark.parametrize(
    "nonsense",
    [
        [{"entity_group": "PER", "score": 0.9}],
        [{"entity_group": "PER", "score": 9, "word": "Grace", "start": 0, "end": 5}],
        [{"score": 0.9, "word": "Grace", "start": 0, "end": 5}],
        ["Grace"],
        {"error": "x"},
        [{"entity_group": "PER", "score": 0.9, "word": "Grace", "start": 0, "end": 5}] * 200,
    ],
)
async def test_entities_that_make_no_sense_are_unavailable(server: Inference, nonsense: object) -> None:
    server.behaviours = [inference.works, inference.says(nonsense)]
    async with hosted(server, concurrent=1) as reader:
        with pytest.raises(Unavailable):
            await reader.analyze(["Grace"])


@pytest.mark.parametrize(
    "piece",
    [
        {"start": -5, "end": 900},
        {"start": 5, "end": 0},
        {"start": True, "end": "x"},
        {"start": 0, "end": 10**30},
    ],
)
async def test_offsets_that_cannot_be_are_replaced_by_where_the_word_stands(
    server: Inference, piece: dict[str, object]
) -> None:
    server.behaviours = [
        inference.works,
        inference.says([{"entity_group": "PER", "score": 0.9, "word": "Grace", **piece}]),
    ]
    async with hosted(server, concurrent=1) as reader:
        (analysis,) = await reader.analyze(["hi Grace"])

    assert [(e.text, e.start) for e in analysis.entities] == [("Grace", 3)]


async def test_a_gzip_bomb_is_not_unpacked(server: Inference) -> None:
    server.always = inference.bomb
    async with hosted(server, names=False) as reader:
        tracemalloc.start()
        try:
            with pytest.raises(Unavailable, match="larger than 4,000,000 bytes unpacked"):
                await reader.analyze(["hello"])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 20 * 2**20  # of 64 MiB


# What is tried again, and what isn't


@pytest.mark.parametrize(
    "failure",
    [
        inference.status(429, retry_after="0.02"),
        inference.status(429),
        inference.status(502),
        inference.bad_gateway,
        inference.status(503),
        inference.status(504),
        inference.loading,
        inference.resets,
        inference.breaks_off,
    ],
)
async def test_what_passes_is_tried_again_and_every_try_is_charged(
    server: Inference, spending: InMemorySpending, failure: Behaviour
) -> None:
    server.behaviours = [failure, failure]
    async with hosted(server, spending, names=False) as reader:
        (analysis,) = await reader.analyze(["I love it"])

    assert analysis.sentiment is not None
    assert len(server.asked) == 3
    assert (used(spending).requests, used(spending).errors) == (3, 2)


@pytest.mark.parametrize("code", [401, 402, 403, 404])
async def test_what_will_not_pass_is_not_tried_again_and_the_messages_wait(
    server: Inference, spending: InMemorySpending, code: int
) -> None:
    server.always = inference.status(code)
    async with hosted(server, spending, names=False) as reader:
        with pytest.raises(Unavailable, match=str(code)):
            await reader.analyze(["I love it"])

    assert len(server.asked) == 1
    assert used(spending).requests == 1


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_a_text_that_is_refused_while_others_are_read_is_refused(server: Inference, code: int) -> None:
    server.always = inference.refuses(lambda text: "dragon" in text, code)
    async with hosted(server, names=False) as reader:
        with pytest.raises(Refused, match=str(code)):
            await reader.analyze(["fine", "here be dragons", "fine too"])
        others = await reader.analyze(["fine", "fine too"])

    assert len(others) == 2
    assert server.texts.count("fine") == 2  # in the list, and singly; not for a third time


async def test_a_server_that_refuses_everything_is_unavailable_and_no_text_is_to_blame(server: Inference) -> None:
    server.always = inference.status(400)
    async with hosted(server, names=False) as reader:
        with pytest.raises(Unavailable, match="refuses every other too"):
            await reader.analyze(["fine", "fine too"])


async def test_a_server_that_takes_no_lists_is_asked_singly_from_then_on(server: Inference) -> None:
    server.always = inference.takes_no_lists
    async with hosted(server, names=False) as reader:
        first = await reader.analyze(["one", "two", "three"])
        second = await reader.analyze(["four", "five"])
        third = await reader.analyze(["six", "seven"])

    assert (len(first), len(second), len(third)) == (3, 2, 2)
    assert [asked.texts for asked in server.asked if asked.listed] == [("one", "two", "three"), ("four", "five")]
    assert [asked.texts for asked in server.asked[-2:]] == [("six",), ("seven",)]


async def test_a_pause_longer_than_our_patience_ends_the_batch_and_spends_nothing_until_it_is_over(
    server: Inference, spending: InMemorySpending
) -> None:
    server.behaviours = [inference.status(429, retry_after="120")]
    async with hosted(server, spending, names=False) as reader:
        with pytest.raises(Unavailable, match="429") as first:
            await reader.analyze(["I love it"])
        with pytest.raises(Unavailable, match="asked for a pause") as second:
            await reader.analyze(["I love it"])

    assert first.value.retry_after == 120
    assert second.value.retry_after == pytest.approx(120, abs=5)
    assert len(server.asked) == used(spending).requests == 1


async def test_a_date_in_retry_after_is_understood(server: Inference) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.behaviours = [inference.status(503, retry_after=moment)]
    async with hosted(server, names=False) as reader:
        with pytest.raises(Unavailable) as busy:
            await reader.analyze(["I love it"])

    assert busy.value.retry_after == pytest.approx(90, abs=3)


@pytest.mark.parametrize(("header", "wait"), [("999999999", 3600), ("-3", None), ("soon", None)])
async def test_a_senseless_retry_after_does_not_stop_us_for_good(
    server: Inference, header: str, wait: float | None
) -> None:
    server.always = inference.status(429, retry_after=header)
    async with hosted(server, names=False) as reader:
        with pytest.raises(Unavailable) as busy:
            await reader.analyze(["I love it"])

    assert busy.value.retry_after == wait


async def test_a_storm_of_429_ends_in_unavailable_after_the_allowed_tries(
    server: Inference, spending: InMemorySpending
) -> None:
    server.always = inference.status(429)
    async with hosted(server, spending, names=False) as reader:
        with pytest.raises(Unavailable, match="429"):
            await reader.analyze(["I love it"])

    assert len(server.asked) == used(spending).requests == QUICK.attempts


@pytest.mark.parametrize("hang", [inference.hangs, inference.hangs_in_the_body])
async def test_a_server_that_hangs_is_given_up_in_time_and_asked_again_later(
    server: Inference, spending: InMemorySpending, hang: Behaviour
) -> None:
    server.behaviours = [hang]
    async with hosted(server, spending, names=False, patience=HURRIED) as reader:
        with pytest.raises(Unavailable, match="didn't go on in time"):
            await reader.analyze(["I love it"])
        (analysis,) = await reader.analyze(["I love it"])

    assert analysis.sentiment is not None
    assert used(spending) == replace(used(spending), requests=2, errors=1)


async def test_a_body_that_trickles_for_ever_is_given_up(server: Inference) -> None:
    server.behaviours = [inference.trickles]
    async with hosted(server, names=False, patience=HURRIED) as reader:
        with pytest.raises(Unavailable, match="longer than 2 s"):
            await reader.analyze(["I love it"])
        (analysis,) = await reader.analyze(["I love it"])

    assert analysis.sentiment is not None


async def test_a_server_that_is_not_there_costs_nothing_and_is_found_when_it_comes_back(
    spending: InMemorySpending,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with Inference() as server:
        there, server.url = server.url, nowhere
        async with hosted(server, spending, names=False) as reader:
            with pytest.raises(Unavailable, match="can't be reached"):
                await reader.analyze(["I love it"])
        server.url = there
        async with hosted(server, spending, names=False) as reader:
            await reader.analyze(["I love it"])

    assert used(spending) == replace(used(spending), requests=1, errors=QUICK.attempts)
    assert len(server.asked) == 1


def certificate(ca: trustme.CA, *, expired: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    until = datetime.now(UTC) + timedelta(days=-1 if expired else 1)
    since = datetime.now(UTC) - timedelta(days=10)
    ca.issue_cert("127.0.0.1", not_before=since, not_after=until).configure_cert(context)
    return context


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    ca = trustme.CA()
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return ca, path


async def test_ones_own_authority_is_trusted_where_it_is_given(authority: tuple[trustme.CA, Path]) -> None:
    ca, path = authority
    async with Inference(tls=certificate(ca)) as server, hosted(server, ca_file=path) as reader:
        (analysis,) = await reader.analyze(["thanks Grace"])

    assert [e.text for e in analysis.entities] == ["Grace"]


async def test_http_2_is_spoken_where_the_server_does_and_one_connection_carries_every_call(
    authority: tuple[trustme.CA, Path],
) -> None:
    ca, path = authority
    row = json.dumps([{"label": "positive", "score": 0.9}, {"label": "negative", "score": 0.1}]).encode()
    async with Http2(certificate(ca), b"[" + row + b"]") as server:
        endpoint = Endpoint.at(SENTIMENT_MODEL, base=f"{server.url}/models")
        budget = Budget(InMemorySpending(), Limits(), now=lambda: NOW)
        async with Hosted(
            endpoint, None, budget, token=Token(SECRET), texts_per_request=1, patience=QUICK, ca_file=path
        ) as reader:
            first = await reader.analyze(["I love it"])
            others = await reader.analyze(["one", "two", "three"])

    assert [one.sentiment.label for one in [*first, *others] if one.sentiment] == ["positive"] * 4
    (requests,) = server.requests
    assert [request[":path"] for request in requests] == [f"/models/{SENTIMENT_MODEL}"] * 4
    assert {request["authorization"] for request in requests} == {f"Bearer {SECRET}"}


@pytest.mark.parametrize(("expired", "trusted", "why"), [(True, True, "expired"), (False, False, "issuer")])
async def test_a_bad_certificate_gets_no_token_and_the_reason_is_said(
    authority: tuple[trustme.CA, Path], spending: InMemorySpending, expired: bool, trusted: bool, why: str
) -> None:
    ca, path = authority
    async with (
        Inference(tls=certificate(ca, expired=expired)) as server,
        hosted(server, spending, names=False, ca_file=path if trusted else None) as reader,
    ):
        with pytest.raises(Unavailable, match=f"certificate is not accepted.*{why}"):
            await reader.analyze(["I love it"])

    assert server.asked == []
    assert used(spending).requests == 0
    assert spending.latest is not None
    assert why in spending.latest.reason


async def test_a_file_that_holds_no_certificates_is_refused_at_once(tmp_path: Path, server: Inference) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        await hosted(server, ca_file=tmp_path / "ca.pem").__aenter__()


# Budgets


async def test_over_budget_nothing_is_sent(server: Inference, spending: InMemorySpending) -> None:
    async with hosted(server, spending, names=False, limits=Limits(day=Cap(requests=1))) as reader:
        await reader.analyze(["one"])
        with pytest.raises(Unavailable, match="used up") as over:
            await reader.analyze(["two"])

    assert server.texts == ["one"]
    assert over.value.retry_after == timedelta(hours=12).total_seconds()


async def test_what_half_a_failed_batch_was_answered_is_not_paid_for_twice(server: Inference) -> None:
    server.behaviours = [inference.works, inference.status(500)]
    async with hosted(server, concurrent=1) as reader:
        with pytest.raises(Unavailable):
            await reader.analyze(["thanks Grace"])
        await reader.analyze(["thanks Grace"])

    assert [asked.model for asked in server.asked] == [SENTIMENT_MODEL, ENTITIES_MODEL, ENTITIES_MODEL]


async def test_after_a_failure_the_rest_of_the_batch_is_not_sent(server: Inference) -> None:
    server.always = inference.status(401)
    async with hosted(server, names=False, texts_per_request=1, concurrent=1) as reader:
        with pytest.raises(Unavailable):
            await reader.analyze([f"message {n}" for n in range(50)])
        await asyncio.sleep(0.1)

    assert len(server.asked) <= 2


async def test_where_the_budget_cannot_be_kept_nothing_is_sent(server: Inference) -> None:
    class Locked(InMemorySpending):
        async def charge(self, *_: Any) -> Any:
            raise StorageBusy("The database is locked.")

    async with hosted(server, Locked()) as reader:
        with pytest.raises(Unavailable, match="nothing is sent"):
            await reader.analyze(["hello"])

    assert server.asked == []


async def test_an_answer_is_not_lost_where_only_its_outcome_cannot_be_recorded(server: Inference) -> None:
    class HalfLocked(InMemorySpending):
        async def settle(self, *_: Any, **__: Any) -> None:
            raise StorageBusy("The database is locked.")

    async with hosted(server, HalfLocked()) as reader:
        (analysis,) = await reader.analyze(["I love it"])

    assert analysis.sentiment is not None


# Callers that go away


async def test_a_caller_that_goes_away_does_not_tear_its_call_off(
    server: Inference, spending: InMemorySpending
) -> None:
    async def works_slowly(server: Inference, request: Any, asked: Asked) -> Any:
        await asyncio.sleep(0.05)
        return await inference.works(server, request, asked)

    server.always = works_slowly
    async with hosted(server, spending, names=False) as reader:
        caller = asyncio.create_task(reader.analyze(["I love it"]))
        await server.arrived.wait()
        caller.cancel()
        await asyncio.sleep(0.15)
        await reader.analyze(["I love it"])

    assert caller.cancelled()
    assert len(server.asked) == 1  # the second caller got what the first had paid for
    assert used(spending) == replace(used(spending), requests=1, errors=0)


async def test_a_storm_of_callers_that_go_away_leaves_the_connections_well(server: Inference) -> None:
    async with hosted(server, texts_per_request=1, concurrent=4) as reader:
        for n in range(60):
            caller = asyncio.create_task(reader.analyze([f"message {n}"]))
            await asyncio.sleep(0.001 * (n % 7))
            caller.cancel()
        answer = await reader.analyze(["I love it"])

    assert len(answer) == 1


async def test_a_pool_without_a_free_connection_is_made_anew(server: Inference) -> None:
    server.behaviours = [inference.hangs]
    patience = replace(QUICK, pool=0.05, read=5, whole=5)
    with structlog.testing.capture_logs() as logs:
        async with Transport(patience=patience, connections=1) as transport:
            url, question = f"{server.url}/models/{SENTIMENT_MODEL}", json.dumps({"inputs": "hello"}).encode()
            stuck = asyncio.create_task(transport.exchange("POST", url, question))
            await server.arrived.wait()
            with pytest.raises(Failed, match="made anew") as full:
                await transport.exchange("POST", url, question)
            body = await transport.exchange("POST", url, question)
            server.released.set()
            with pytest.raises(Failed, match="500"):
                await stuck

    assert (full.value.again, full.value.sent) == (True, False)
    assert json.loads(body) == inference.answer_to(Asked(SENTIMENT_MODEL, ("hello",), "", False))
    assert [line["event"] for line in logs] == ["hosted connections were made anew"]


async def test_leaving_ends_calls_that_are_under_way(server: Inference) -> None:
    server.always = inference.hangs
    async with hosted(server, patience=replace(QUICK, read=60)) as reader:
        caller = asyncio.create_task(reader.analyze(["hello"]))
        await server.arrived.wait()

    with pytest.raises(Unavailable, match="stopping"):
        await caller


# Secrets


@pytest.mark.parametrize(
    "failure",
    [
        inference.status(400),
        inference.status(401),
        inference.status(422),
        inference.status(429),
        inference.status(500),
        inference.resets,
        inference.hangs,
        inference.web_page,
        inference.says({"error": "I won't read 'the planted words'"}),
    ],
)
async def test_neither_text_nor_token_is_in_any_log_error_or_record(
    server: Inference, spending: InMemorySpending, caplog: pytest.LogCaptureFixture, failure: Behaviour
) -> None:
    caplog.set_level(logging.DEBUG)
    server.always = failure
    with structlog.testing.capture_logs() as logs:
        async with hosted(server, spending, patience=HURRIED) as reader:
            with pytest.raises((Unavailable, Refused)) as raised:
                await reader.analyze(["the planted words"])

    error: BaseException | None = raised.value
    said = [repr(logs), caplog.text, repr(spending.latest)]
    while error is not None:
        said.append(repr(error) + str(error))
        error = error.__cause__ or error.__context__
    assert spending.latest is not None
    assert not [line for line in said if "planted" in line]


async def test_header_compression_does_not_log_the_token(server: Inference, caplog: pytest.LogCaptureFixture) -> None:
    from hpack import Encoder

    caplog.set_level(logging.DEBUG)
    async with hosted(server):
        Encoder().encode([("authorization", f"Bearer {SECRET}")])

    assert SECRET not in caplog.text


@pytest.mark.parametrize("secret", ["", "hf_abc\n", "hf abc", "hf_äöü", "x" * 600])
def test_what_cannot_be_a_token_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Token(secret)

    assert not secret.strip() or secret.strip() not in str(refused.value)


def test_a_fingerprint_tells_tokens_apart_without_telling_them() -> None:
    assert Token("hf_one1").fingerprint != Token("hf_two2").fingerprint
    assert "one" not in Token("hf_one1").fingerprint


@pytest.mark.parametrize(
    ("access", "facts"),
    [
        ({"role": "read"}, TokenFacts("read", False, None)),
        ({"role": "write"}, TokenFacts("write", True, None)),
        (
            {"role": "read", "createdAt": "2026-09-01T08:00:00.000Z"},
            TokenFacts("read", False, datetime(2026, 9, 1, 8, tzinfo=UTC)),
        ),
        (
            {"role": "fineGrained", "fineGrained": {"global": [], "scoped": [
                {"entity": {"name": "a.write"}, "permissions": ["inference.serverless.write", "repo.content.read"]}]}},
            TokenFacts("fineGrained", False, None),
        ),
        (
            {"role": "fineGrained", "fineGrained": {"scoped": [{"permissions": ["repo.write"]}]}},
            TokenFacts("fineGrained", True, None),
        ),
        ({"role": "read", "createdAt": "yesterday"}, TokenFacts("read", False, None)),
    ],
)  # fmt: skip
async def test_the_hub_tells_what_a_token_may_do(
    server: Inference, access: dict[str, object], facts: TokenFacts
) -> None:
    server.whoami["auth"]["accessToken"] = access
    async with hosted(server) as reader:
        assert await reader.whoami() == facts


async def test_a_hub_that_says_nothing_sensible_is_unavailable(server: Inference) -> None:
    server.whoami = {"auth": "?"}
    async with hosted(server) as reader:
        with pytest.raises(Unavailable, match="nothing of the token"):
            await reader.whoami()


async def test_another_servers_token_is_not_shown_to_the_hub(server: Inference) -> None:
    endpoint = Endpoint.at(SENTIMENT_MODEL, base=server.url)
    budget = Budget(InMemorySpending(), Limits())
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(Hosted(endpoint, None, budget, token=Token("mine-1234"), hub=server.url))
        without = await stack.enter_async_context(Hosted(endpoint, None, budget, hub=server.url))

        assert (await own.whoami(), await without.whoami()) == (None, None)


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "https://router.huggingface.co/hf-inference/models/acme/mood",
        "http://localhost:8080",
        "http://127.0.0.1:8080/predict",
        "http://inference:8080",
        "http://10.1.2.3",
    ],
)
def test_addresses_are_https_or_near(url: str) -> None:
    assert Endpoint(url, "acme/mood").url == url


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "http://8.8.8.8", "ftp://example.com", "example.com", "", "https://me:pw@example.com",
     "https://example.com/?key=1", "http://[::"],
)  # fmt: skip
def test_other_addresses_are_refused_with_the_mend(url: str) -> None:
    with pytest.raises(ConfigurationError, match="acme/mood"):
        Endpoint(url, "acme/mood")


# In the large


@pytest.mark.timeout(400)  # eight seconds on a free machine
async def test_ten_thousand_messages_with_a_third_of_the_calls_failing_are_each_read_and_the_budget_is_exact(
    server: Inference, spending: InMemorySpending
) -> None:
    failures = [
        inference.status(429, retry_after="0.001"), inference.status(502), inference.status(503),
        inference.resets, inference.web_page, inference.status(500), inference.breaks_off,
    ]  # fmt: skip
    server.always = inference.at_random(0.3, failures)
    texts = [f"message {n} for Grace" for n in range(10_000)]
    patience = replace(QUICK, first_wait=0.001, read=5, whole=10)
    read: dict[str, Label] = {}
    async with hosted(server, spending, texts_per_request=32, patience=patience) as reader:
        for at in range(0, len(texts), 256):
            batch = texts[at : at + 256]
            for _ in range(50):
                try:
                    answer = await reader.analyze(batch)
                except Unavailable:
                    continue
                read |= {text: one.sentiment.label for text, one in zip(batch, answer, strict=True) if one.sentiment}
                break

    assert list(read) == texts
    assert used(spending).requests == len(server.asked)
    assert used(spending).characters == sum(map(len, server.texts))
