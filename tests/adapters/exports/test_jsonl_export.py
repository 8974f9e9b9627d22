from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports import jsonl, open_export
from bot.importing import Aside, Line, Skipped
from bot.message import Channel, ChannelSeen, Deletion, MessageId, Platform
from bot.privacy import Key, Pseudonyms
from tests.adapters.exports.making import (
    CHATS,
    PSEUDONYMS,
    events,
    failures,
    independent_count,
    jsonl_record,
    messages,
    skipped,
    texts,
    write_lines,
)

KITCHEN = Channel(Platform.OTHER, "tidelist", "kitchen")
SENT_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def items_of(*records: Any) -> list[Any]:
    translator = jsonl.Translator(PSEUDONYMS, workspace="export")
    return [item for record in records for item in translator.items(record)]


def line(**fields: Any) -> Line:
    (item,) = items_of(jsonl_record(**fields))
    assert isinstance(item, Line)
    return item


def ids(*records: Any) -> list[str]:
    return [message.id.id for message in messages(items_of(*records))]


def test_a_line_is_a_message():
    message = line(id="m1").message

    assert message.id == MessageId(KITCHEN, "m1")
    assert message.author == PSEUDONYMS.of(Platform.OTHER, "tidelist", "Ada")
    assert (message.sent_at, message.revised_at) == (SENT_AT, SENT_AT)
    assert message.text == "who took the last biscuit?"
    assert (message.thread, message.from_bot) == (None, False)


@pytest.mark.parametrize(
    "ts",
    [
        "2026-03-02T09:00:00Z", "2026-03-02T10:00:00.000+01:00", "2026-03-02 09:00", "2026-03-02T09:00:00",
        1772442000, 1772442000.0, "1772442000", "1772442000.000000", 1772442000000, "1772442000000",
    ],
    ids=repr,
)  # fmt: skip
def test_time_is_iso_8601_or_seconds_or_milliseconds(ts: Any):
    assert line(ts=ts).message.sent_at == SENT_AT


def test_eight_digits_are_a_date():
    assert line(ts="20260302").message.sent_at == datetime(2026, 3, 2, tzinfo=UTC)


def test_the_optional_keys_are_heard():
    message = line(
        id=7, platform="slack", thread="5", edited="2026-03-02T09:05:00Z", bot=True, channel="#kitchen"
    ).message
    channel = Channel(Platform.SLACK, "tidelist", "kitchen")

    assert message.id == MessageId(channel, "7")
    assert message.thread == MessageId(channel, "5")
    assert message.revised_at == datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
    assert message.from_bot


def test_without_a_workspace_the_files_name_stands(tmp_path: Path):
    path = write_lines(tmp_path / "book club.2026.jsonl", [jsonl_record(workspace=...)])
    (by_name,) = messages(open_export(path, PSEUDONYMS))
    (as_told,) = messages(open_export(path, PSEUDONYMS, workspace="acme"))

    assert (by_name.id.channel.workspace, as_told.id.channel.workspace) == ("book club", "acme")


def test_a_deletion_with_an_id_takes_its_message_back():
    deleted = jsonl_record(id="m1", deleted="2026-03-02T10:00:00Z", text=...)
    at = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)

    assert items_of(deleted) == [Skipped("deleted"), Aside(Deletion(MessageId(KITCHEN, "m1"), at))]
    assert items_of(jsonl_record(deleted=True)) == [Skipped("deleted")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"channel": ...}, "no channel"),
        ({"user": ...}, "no author"),
        ({"user": ""}, "no author"),
        ({"text": ...}, "no text"),
        ({"text": 5}, "no text"),
        ({"ts": ...}, "bad time"),
        ({"ts": "yesterday"}, "bad time"),
        ({"ts": float("nan")}, "bad time"),
        ({"ts": float("inf")}, "bad time"),
        ({"ts": 10**30}, "bad time"),
        ({"ts": True}, "bad time"),
        ({"platform": "irc"}, "unknown platform"),
        ({"platform": ["irc"]}, "unknown platform"),
    ],
)
def test_a_line_that_lacks_something_is_skipped_with_its_reason(fields: dict[str, Any], reason: str):
    assert items_of(jsonl_record(**fields)) == [Skipped(reason)]


def test_the_first_line_of_a_conversation_begins_its_thread():
    first, second, other = messages(
        items_of(
            jsonl_record(id="1", conversation="a"),
            jsonl_record(id="2", conversation="a"),
            jsonl_record(id="3", conversation=9),
        )
    )

    assert (first.thread, second.thread, other.thread) == (None, first.id, None)


def test_equal_lines_are_several_messages_and_the_same_ones_next_time():
    once = ids(jsonl_record(), jsonl_record(user="Bea"), jsonl_record(), jsonl_record())

    assert len(set(once)) == 4
    assert ids(jsonl_record(), jsonl_record(user="Bea"), jsonl_record(), jsonl_record()) == once


@pytest.mark.parametrize("fields", [{"user": "Bea"}, {"text": "me"}, {"ts": 1}, {"channel": "x"}, {"workspace": "x"}])
def test_a_derived_id_depends_on_everything_said(fields: dict[str, Any]):
    assert ids(jsonl_record(**fields)) != ids(jsonl_record())


def test_a_derived_id_does_not_depend_on_how_the_time_is_written():
    assert ids(jsonl_record(ts=1772442000)) == ids(jsonl_record())


def test_a_derived_id_tells_nothing_without_the_key():
    elsewhere = jsonl.Translator(Pseudonyms(Key(bytes(32))), workspace="export")
    (message,) = messages(elsewhere.items(jsonl_record()))

    assert message.id.id not in ids(jsonl_record())


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("workspace", "channel", "user", "ts", "text", "id", "thread", "platform", "edited", "bot", "deleted")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)).map(lambda fields: jsonl_record() | fields) | JSON)
def test_any_json_is_one_line_or_one_skipped(record: Any):
    assert [type(item) for item in items_of(record)] in ([Line], [Skipped], [Skipped, Aside])


def test_a_file_is_read_line_by_line_with_its_channels_announced(tmp_path: Path):
    path = write_lines(
        tmp_path / "chat.jsonl", [jsonl_record(), jsonl_record(channel="garden"), jsonl_record(text="x")]
    )
    items = list(open_export(path, PSEUDONYMS))
    garden = Channel(Platform.OTHER, "tidelist", "garden")

    assert [type(item) for item in items] == [Aside, Line, Aside, Line, Line]
    assert events(items) == [ChannelSeen(KITCHEN, "kitchen", SENT_AT), ChannelSeen(garden, "garden", SENT_AT)]


def test_odd_lines_are_counted_and_the_others_read(tmp_path: Path):
    good = json.dumps(jsonl_record()).encode()
    odd = [b"\xef\xbb\xbf" + good, b"", b"   ", b"{cut", b"[" * 100_000, b"\xff", b"null", b"[]", good + b"\r"]
    items = list(open_export(_written(tmp_path, odd), PSEUDONYMS))

    assert texts(items) == ["who took the last biscuit?"] * 2
    assert skipped(items) == ["not JSON"] * 4 + ["not a message"]


def test_a_line_too_long_for_any_message_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jsonl, "LONGEST_LINE", 1000)
    good = json.dumps(jsonl_record()).encode()
    path = _written(tmp_path, [good, json.dumps(jsonl_record(text="x" * 5000)).encode(), good])
    items = list(open_export(path, PSEUDONYMS))

    assert (len(texts(items)), skipped(items)) == (2, ["not JSON"])


def test_lone_surrogates_and_nul_become_replacement_characters(tmp_path: Path):
    path = _written(tmp_path, [rb'{"channel":"k\u0000","user":"\ud800","ts":1,"text":"a\u0000\ud800\u202e"}'])
    (message,) = messages(open_export(path, PSEUDONYMS))

    assert (message.text, message.id.channel.id) == ("a\ufffd\ufffd\u202e", "k\ufffd")


def test_one_channel_can_be_asked_for(tmp_path: Path):
    path = write_lines(tmp_path / "chat.jsonl", [jsonl_record(), jsonl_record(channel="garden"), 5])
    found = list(open_export(path, PSEUDONYMS, channel="#garden"))
    missing = list(open_export(path, PSEUDONYMS, channel="cellar"))

    assert ([message.id.channel.id for message in messages(found)], skipped(found)) == (["garden"], [])
    assert failures(missing) == [("chat.jsonl", "it has no channel #cellar")]


def test_a_file_that_went_away_is_named(tmp_path: Path):
    path = write_lines(tmp_path / "chat.jsonl", [jsonl_record()])
    export = open_export(path, PSEUDONYMS)
    path.unlink()

    assert failures(export) == [("chat.jsonl", "it can't be opened (No such file or directory)")]


@pytest.mark.parametrize(("name", "lines"), [("racket", 22_172), ("elmlang", 14_510)])
@pytest.mark.skipif(not CHATS.is_dir(), reason="needs the real chats in ../shared/data/chats")
def test_a_real_chat_agrees_with_an_independent_count(name: str, lines: int):
    path = CHATS / f"{name}.jsonl"
    with path.open(encoding="utf-8") as file:
        users = [json.loads(written)["user"] for written in file]
    export = open_export(path, PSEUDONYMS)

    assert independent_count(export) == (lines, len(users), len(set(users)))
    assert export.bytes_done == export.bytes_total


def _written(folder: Path, written: list[bytes]) -> Path:
    path = folder / "chat.jsonl"
    path.write_bytes(b"\n".join(written))
    return path
