from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.analysis.responses import Malformed, Miscounted, classified, decoded, estimated_time, tagged


def named(word: str, start: object, end: object) -> dict[str, Any]:
    return {"entity_group": "PER", "score": 0.9, "word": word, "start": start, "end": end}


@pytest.mark.parametrize(
    ("text", "word", "start", "end", "expected"),
    [
        ("🎉 Zoë in 東京", "Zoë", 2, 5, "Zoë"),  # code points
        ("🎉 Zoë in 東京", "Zoë", 3, 6, "Zoë"),  # UTF-16 units
        ("🎉 Zoë in 東京", "Zoë", 5, 9, "Zoë"),  # bytes
        ("🎉 Zoë in 東京", "東京", 9, 11, "東京"),
        ("🎉 Zoë in 東京", "東京", 10, 12, "東京"),
        ("🎉 Zoë in 東京", "東京", 13, 19, "東京"),
        ("🎉 Zoë in 東京", "zoe", None, None, "Zoë"),  # an uncased model that keeps no offsets
        ("👩‍👩‍👧 Zoe\u0308 !", "Zoë", 6, 10, "Zoe\u0308"),  # composed by the server, not by the author
        ("👩‍👩‍👧 Zoe\u0308 !", "Zoë", None, None, "Zoe"),  # the mark is joined to its letter later
        ("נועה כאן", "נועה", 0, 4, "נועה"),
        ("أعيش في القاهرة", "القاهرة", 14, 28, "القاهرة"),  # right to left, in bytes
        ("hi Grace", "▁Grace", 2, 8, " Grace"),  # SentencePiece, with its space
        ("hi Grace", "##ace", 5, 8, "ace"),
        ("hi Grace", "[UNK]", 3, 8, "Grace"),  # no readable word: its offsets are all there is
        ("Ada and Ada", "Ada", None, None, "Ada"),
    ],
)
def test_a_word_is_found_in_code_points_whatever_the_server_counts_in(
    text: str, word: str, start: int | None, end: int | None, expected: str
) -> None:
    ((piece,),) = tagged([named(word, start, end)], [text])

    assert text[piece.start : piece.end] == expected


def test_words_without_offsets_are_found_from_left_to_right() -> None:
    ((first, second),) = tagged([named("Ada", None, None), named("Ada", None, None)], ["Ada and Ada"])

    assert (first.start, second.start) == (0, 8)


def test_a_word_that_stands_nowhere_is_left_out() -> None:
    assert [list(pieces) for pieces in tagged([named("Grace", None, None)], ["hello"])] == [[]]


def test_each_text_has_its_own_list_and_a_single_one_may_be_bare() -> None:
    grace = named("Grace", 0, 5)

    assert [len(pieces) for pieces in tagged([[grace], []], ["Grace", "hi"])] == [1, 0]
    assert [len(pieces) for pieces in tagged([[grace]], ["Grace"])] == [1]
    assert [len(pieces) for pieces in tagged([], ["hi"])] == [0]


def test_probabilities_come_for_each_text_by_label() -> None:
    row = [{"label": "pos", "score": 0.75}, {"label": "neg", "score": 0.25}]

    assert classified([row, row], 2) == [{"pos": 0.75, "neg": 0.25}] * 2
    assert classified([row], 1) == classified(row, 1) == [{"pos": 0.75, "neg": 0.25}]
    assert classified(row, 2) == [{"pos": 0.75}, {"neg": 0.25}]


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_texts_is_told_apart_from_nonsense(count: int) -> None:
    row = [{"label": "pos", "score": 1.0}]

    with pytest.raises(Miscounted):
        classified([row, row], count)
    with pytest.raises(Miscounted):
        tagged([[], [], [], []], ["text"] * count if count > 1 else ["a", "b"])


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [({"estimated_time": 20}, 20.0), ({"estimated_time": -1}, None), ({"estimated_time": "x"}, None),
     ({"estimated_time": True}, None), ({}, None), ([], None), ("estimated_time", None)],
)  # fmt: skip
def test_the_time_until_a_model_is_loaded_is_read_where_it_is_one(answer: object, seconds: float | None) -> None:
    assert estimated_time(answer) == seconds


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["label", "score", "word", "start", "end", "entity", "entity_group", "x"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(answer=json_values, texts=st.lists(st.text(max_size=8), min_size=1, max_size=3))
def test_any_json_at_all_is_either_read_or_malformed(answer: object, texts: list[str]) -> None:
    try:
        rows = classified(answer, len(texts))
    except Malformed:
        rows = ()
    try:
        pieces = tagged(answer, texts)
    except Malformed:
        pieces = ()

    assert len(rows) in {0, len(texts)}
    assert all(
        0 <= piece.start <= piece.end <= len(text)
        for text, its in zip(texts, pieces, strict=bool(pieces))
        for piece in its
    )


@given(st.binary(max_size=40))
def test_any_bytes_at_all_are_json_or_malformed(body: bytes) -> None:
    try:
        value = decoded(body)
    except Malformed:
        return
    assert json.loads(body) == value or value != value  # NaN isn’t itself
