from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from adapters.exports import open_export
from adapters.exports.discord import DiscordExport
from adapters.exports.jsonl import JsonlExport
from adapters.exports.slack import SlackExport
from bot.errors import ImportFileError
from tests.adapters.exports.making import (
    PSEUDONYMS,
    as_bytes,
    discord_document,
    discord_record,
    failures,
    jsonl_record,
    slack_files,
    slack_record,
    texts,
    write_folder,
    write_lines,
    write_zip,
)

DAY = {"kitchen/2026-03-02.json": [slack_record()]}


def refusal(path: Path) -> str:
    with pytest.raises(ImportFileError) as caught:
        open_export(path, PSEUDONYMS)
    return str(caught.value)


def a_file(folder: Path, content: bytes, name: str = "upload") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_an_export_is_known_by_what_is_in_it(tmp_path: Path):
    document = discord_document(discord_record())
    found = [
        open_export(path, PSEUDONYMS)
        for path in (
            write_zip(tmp_path / "one.bin", slack_files(DAY)),
            write_folder(tmp_path / "two", slack_files(DAY)),
            a_file(tmp_path, as_bytes(document), "three.txt"),
            a_file(tmp_path, b"\xef\xbb\xbf\r\n " + json.dumps(document, indent=1).encode(), "four"),
            write_folder(tmp_path / "five", {"x.json": document}),
            write_zip(tmp_path / "six.zip", {"server/x.json": document}),
            write_lines(tmp_path / "seven.json", [jsonl_record()]),
        )
    ]

    assert [type(export) for export in found] == [
        SlackExport, SlackExport, DiscordExport, DiscordExport, DiscordExport, DiscordExport, JsonlExport,
    ]  # fmt: skip
    assert [len(texts(export)) for export in found] == [1] * 7


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"dear diary", "is no chat export that Roomtone knows"),
        (b"{}", "is no chat export that Roomtone knows"),
        (b'{"guild": {"id": "1"}, "mess', "is no chat export that Roomtone knows"),
        (b'{"guild": {"id": "1"}, "channel": {}, "messages": []}', "is no chat export that Roomtone knows"),
        (b'{"name": "a package", "version": "1"}', "is no chat export that Roomtone knows"),
        (b'{"a":' * 200_000, "is no chat export that Roomtone knows"),
        (b"\x00" * 4096, "is no chat export that Roomtone knows"),
        (as_bytes([slack_record()]), "perhaps a day of a Slack export; name the export's zip or its whole folder"),
        (gzip.compress(b"{}"), "is a gzip file; unpack it first"),
        (b"Rar!\x1a\x07\x01\x00", "is a rar archive; unpack it first"),
        (b"SQLite format 3\x00", "is a database"),
        (b"<!DOCTYPE html>\n<html>", "export again with `--format Json`"),
        (b"AuthorID,Author,Date,Content\n", "is DiscordChatExporter's CSV; export again with `--format Json`"),
        ("\ufeff{}".encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
        (b"PK\x03\x04 and no more", "is a zip that is cut short or damaged; download the export again"),
    ],
    ids=[
        "nothing", "blank", "words", "object", "cut short", "no ids", "package", "deep", "zeros", "one day", "gzip",
        "rar", "database", "html", "csv", "utf-16", "half a zip",
    ],
)  # fmt: skip
def test_a_file_that_is_no_export_is_refused_with_what_to_do(tmp_path: Path, content: bytes, sentence: str):
    assert sentence in refusal(a_file(tmp_path, content))


def test_a_path_that_is_not_there_is_said(tmp_path: Path):
    assert refusal(tmp_path / "gone.zip") == f"There is no file {tmp_path / 'gone.zip'}."


def test_a_pipe_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")

    assert "is no regular file" in refusal(tmp_path / "pipe")


def test_a_zip_cut_short_is_refused(tmp_path: Path):
    whole = write_zip(tmp_path / "whole.zip", slack_files(DAY)).read_bytes()

    assert "is a zip that is cut short or damaged" in refusal(a_file(tmp_path, whole[: len(whole) // 2], "half.zip"))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no chat export"),
        ({"notes.txt": b"hello", "data.json": {"a": 1}}, "holds no chat export"),
        ({"src/users.json": []}, "holds no chat export"),
        ({"2026-03-02.json": [slack_record()]}, "looks like one channel of a Slack export; name the folder above it"),
        (
            {"Nachrichten/index.json": {}, "Nachrichten/c1/channel.json": {}, "Nachrichten/c1/messages.json": []},
            "is Discord's data package",
        ),
        ({"messages/1/channel.json": {}, "messages/1/messages.csv": b"ID,Timestamp"}, "is Discord's data package"),
    ],
    ids=["empty", "other files", "a list of users", "one channel", "data package", "old data package"],
)
def test_a_folder_or_zip_that_is_no_export_is_refused_with_what_to_do(
    tmp_path: Path, files: dict[str, Any], sentence: str
):
    (tmp_path / "folder").mkdir()

    assert sentence in refusal(write_folder(tmp_path / "folder", files))
    assert sentence in refusal(write_zip(tmp_path / "archive.zip", files))


def test_a_zip_of_nothing_but_dangerous_names_says_so(tmp_path: Path):
    path = write_zip(tmp_path / "evil.zip", {"../kitchen/2026-03-02.json": [slack_record()]})

    assert "1 names in it point outside it" in refusal(path)


def test_a_folder_of_which_one_file_is_damaged_is_an_export_still(tmp_path: Path):
    folder = write_folder(tmp_path, {"a.json": b"{", "b.json": discord_document(discord_record())})
    items = list(open_export(folder, PSEUDONYMS))

    assert len(texts(items)) == 1
    assert [file for file, _ in failures(items)] == ["a.json"]
