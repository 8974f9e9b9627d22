"""The benchmark of reading: what it reads, and what it makes of what it measured. Nothing here is timed."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.speed import CASES, MODEL, NotInstalled, Process, Results, drawn, messages, show


def test_messages_come_from_a_jsonl_file_without_the_empty_ones(tmp_path: Path) -> None:
    chat = tmp_path / "chat.jsonl"
    chat.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("one", " ", "two")))

    assert messages(chat) == ["one", "two"]


def test_messages_come_from_an_export_day_by_day_without_its_notices(tmp_path: Path) -> None:
    for channel, day, records in (
        ("b", "2026-01-02", [{"text": "later"}]),
        ("a", "2026-01-01", [{"text": "first"}, {"text": "joined", "subtype": "channel_join"}]),
        ("b", "2026-01-01", [{"text": "second"}]),
    ):
        (tmp_path / channel).mkdir(exist_ok=True)
        (tmp_path / channel / f"{day}.json").write_text(json.dumps(records))

    assert messages(tmp_path) == ["first", "second", "later"]


def test_slow_readers_get_messages_of_every_length_and_callers_a_stretch_with_its_repetitions() -> None:
    said = ["+1" if n % 4 == 0 else "x" * n for n in range(100)]

    texts = drawn(said, count=60, few=3, stream=20)

    by_length = sorted(texts["all"], key=len)
    assert len(set(texts["all"])) == 60
    assert texts["few"] == [by_length[10], by_length[30], by_length[50]]
    assert texts["stream"] == said[40:60]
    assert texts == drawn(said, count=60, few=3, stream=20)


def test_a_chat_smaller_than_asked_for_is_read_whole() -> None:
    texts = drawn(["a", "bb", "a"], count=500, few=24, stream=3000)

    assert sorted(texts["all"]) == texts["few"] == ["a", "bb"]
    assert texts["stream"] == ["a", "bb", "a"]


def test_ratios_are_taken_within_a_round() -> None:
    ours, theirs = CASES[0], CASES[4]
    results = Results(machine={}, per_second={ours.title: [100, 60], theirs.title: [10, 2]})

    assert results.ratios(ours, theirs) == [10, 30]
    ratios = json.loads(json.dumps(results.as_json()))["ratios"]
    assert ratios["× two pipelines, alone"] == {ours.title: [10, 30], theirs.title: [1, 1]}


def test_the_table_has_median_and_range_and_names_what_is_missing() -> None:
    results = Results(
        machine={"cores": 2}, per_second={CASES[0].title: [100, 300, 200]}, missing={"word lists": "spacy"}
    )
    out = StringIO()

    show(results, Console(file=out, width=120))

    assert "200 (100 … 300)" in out.getvalue()
    assert "not measured: word lists (spacy)" in out.getvalue()


def test_a_reader_without_its_packages_says_so_instead_of_a_number(tmp_path: Path) -> None:
    bare = tmp_path / "bare"  # a Python that finds nothing but its standard library
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)

    with pytest.raises(NotInstalled, match="No module named"):
        Process("word lists", python=str(bare), model=MODEL)
