from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports import stream
from adapters.exports.files import Damaged
from adapters.exports.stream import JsonText

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def elements(data: bytes, *, at_a_time: int = 2**20) -> list[Any]:
    raw = io.BytesIO(data)
    text = JsonText(lambda size: raw.read(min(size, at_a_time)))
    text.take("[")
    return list(text.elements())


@given(st.lists(JSON), st.integers(1, 9), st.booleans(), st.sampled_from([None, 1]))
def test_elements_are_what_json_says_however_the_bytes_come(
    values: list[Any], at_a_time: int, ascii_only: bool, indent: int | None
):
    data = json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode()

    assert elements(data, at_a_time=at_a_time) == values


@given(st.lists(JSON, min_size=1), st.data())
def test_a_text_cut_anywhere_gives_its_whole_elements_and_says_so(values: list[Any], data: st.DataObject):
    whole = json.dumps([[value] for value in values]).encode()
    cut = data.draw(st.integers(1, len(whole) - 1))
    raw = io.BytesIO(whole[:cut])
    text = JsonText(raw.read)
    text.take("[")
    found: list[Any] = []
    with pytest.raises(Damaged):
        found.extend(text.elements())

    assert found == [[value] for value in values][: len(found)]


@pytest.mark.parametrize("data", [b"[1,,2]", b"[1 2]", b"[1,]", b"[nope]", b'["', b"[" + b"1" * 5000 + b"]"])
def test_what_is_no_json_is_damaged(data: bytes):
    with pytest.raises(Damaged, match="not valid JSON"):
        elements(data)


def test_a_record_larger_than_any_message_is_damaged(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream, "MAX_RECORD", 1000)

    with pytest.raises(Damaged, match="larger than any message"):
        elements(b'["' + b"x" * 2**21 + b'"]', at_a_time=500)


def test_deep_nesting_is_damaged_and_costs_no_memory():
    with pytest.raises(Damaged, match="nested too deeply"):
        elements(b"[" * 1_000_000)


def test_what_follows_the_array_is_left():
    assert elements(b'[1, 2], "messageCount": 2}') == [1, 2]
