from __future__ import annotations

import io
import os
import struct
import tempfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports import files, open_export
from adapters.exports.files import Archive, Damaged, Folder, Reader
from bot.errors import ImportFileError
from tests.adapters.exports.making import (
    PSEUDONYMS,
    as_bytes,
    failures,
    slack_files,
    slack_record,
    texts,
    write_folder,
    write_zip,
)

MIB = 2**20
DAYS = {
    "kitchen/2026-03-01.json": [slack_record(1)],
    "kitchen/2026-03-02.json": [slack_record(2)],
}


def imported(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    items = list(open_export(path, PSEUDONYMS))
    return list(texts(items)), list(failures(items))


@pytest.mark.parametrize(
    "name", ["../2026-03-03.json", "kitchen/../../x.json", "/etc/x.json", "..\\x.json", "C:\\x.json"]
)
def test_a_name_that_points_outside_is_named_and_nothing_is_written(tmp_path: Path, name: str):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = write_zip(inside / "export.zip", slack_files(DAYS))
    with ZipFile(path, "a") as archive:
        archive.writestr(name, as_bytes([slack_record(3)]))

    assert imported(path) == (
        ["the kettle boils, 1", "the kettle boils, 2"],
        [(name.replace("\\", "/"), "its name points outside the export, so it was not read")],
    )
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["export.zip", "inside"]


def test_a_zip_that_unpacks_to_far_more_than_chat_is_refused(tmp_path: Path):
    path = write_zip(tmp_path / "bomb.zip", slack_files({"kitchen/2026-03-02.json": b"[" + b" " * 100 * MIB + b"]"}))

    with pytest.raises(ImportFileError, match=r"would unpack to 0\.1 GiB, far more than chat does"):
        open_export(path, PSEUDONYMS)


def test_a_bomb_among_good_days_is_named_and_not_read(tmp_path: Path):
    path = write_zip(tmp_path / "export.zip", slack_files(DAYS))
    with ZipFile(path, "a") as archive:
        archive.writestr("logo.png", os.urandom(MIB), ZIP_STORED)
        archive.writestr("kitchen/2026-03-03.json", b"[" + b" " * 100 * MIB + b"]", ZIP_DEFLATED)

    assert imported(path) == (
        ["the kettle boils, 1", "the kettle boils, 2"],
        [("kitchen/2026-03-03.json", "it unpacks to far more than chat does, so it was not read")],
    )


def test_a_size_that_lies_does_not_unpack_further(tmp_path: Path):
    path = write_zip(tmp_path / "export.zip", slack_files(DAYS | {"kitchen/2026-03-03.json": b"[" + b" " * MIB + b"]"}))
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"kitchen/2026-03-03.json") - 46  # its record in the central directory
    assert struct.unpack_from("<I", raw, entry + 24)[0] == MIB + 2
    struct.pack_into("<I", raw, entry + 24, 100)
    path.write_bytes(raw)

    assert imported(path) == (
        ["the kettle boils, 1", "the kettle boils, 2"],
        [("kitchen/2026-03-03.json", "it is damaged inside the zip; download the export again")],
    )


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_whatever_bytes_of_a_zip_are_damaged_it_is_refused_or_read_as_far_as_it_goes(damage: list[tuple[float, int]]):
    with tempfile.TemporaryDirectory() as folder:
        path = write_zip(Path(folder, "export.zip"), slack_files(DAYS))
        raw = bytearray(path.read_bytes())
        for where, byte in damage:
            raw[int(where * len(raw))] = byte
        path.write_bytes(raw)
        try:
            found = set(imported(path)[0])
        except ImportFileError:
            found = set()

    assert found <= {"the kettle boils, 1", "the kettle boils, 2"}


def test_what_is_read_is_counted_and_stops_where_it_should_have_ended():
    counted: list[int] = []
    reader = Reader(io.BytesIO(b"x" * 25), allowed=20, count=counted.append)

    assert reader.read(10) + reader.read(10) == b"x" * 20
    with pytest.raises(Damaged, match="unpacks to more than it says"):
        reader.read(10)
    assert counted == [10, 10, 5]


def test_a_damaged_member_is_named_and_the_others_are_read(tmp_path: Path):
    path = write_zip(tmp_path / "export.zip", slack_files(DAYS))
    with ZipFile(path) as archive:
        info = archive.getinfo("kitchen/2026-03-01.json")
        start = info.header_offset + 30 + len(info.filename)
    raw = bytearray(path.read_bytes())
    raw[start : start + info.compress_size] = bytes(info.compress_size)
    path.write_bytes(raw)

    assert imported(path) == (
        ["the kettle boils, 2"],
        [("kitchen/2026-03-01.json", "it is damaged inside the zip; download the export again")],
    )


def test_an_encrypted_member_is_named(tmp_path: Path):
    path = write_zip(tmp_path / "export.zip", slack_files(DAYS))
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"kitchen/2026-03-01.json") - 46
    raw[entry + 8] |= 1
    path.write_bytes(raw)

    assert imported(path)[1] == [
        ("kitchen/2026-03-01.json", "it is encrypted; unpack the zip with its password and import the folder")
    ]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_of_two_files_of_one_name_the_second_is_named(tmp_path: Path):
    path = write_zip(tmp_path / "export.zip", slack_files(DAYS))
    with ZipFile(path, "a") as archive:
        archive.writestr("kitchen/2026-03-01.json", as_bytes([slack_record(3)]))

    assert imported(path) == (
        ["the kettle boils, 1", "the kettle boils, 2"],
        [("kitchen/2026-03-01.json", "the zip holds two files of this name; the first was read")],
    )


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_more_files_than_any_export_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.setattr(files, "MAX_FILES", 3)
    content = slack_files(DAYS)
    path = write_zip(tmp_path / "x.zip", content) if kind == "zip" else write_folder(tmp_path / "x", content)

    with pytest.raises(ImportFileError, match="holds more than 3 files"):
        open_export(path, PSEUDONYMS)


def test_links_and_pipes_in_a_folder_are_not_read(tmp_path: Path):
    secret = tmp_path / "secret.json"
    secret.write_bytes(as_bytes([slack_record(9)]))
    folder = write_folder(tmp_path / "export", slack_files(DAYS))
    (folder / "kitchen" / "2026-03-03.json").symlink_to(secret)
    os.mkfifo(folder / "kitchen" / "2026-03-04.json")

    assert imported(folder) == (["the kettle boils, 1", "the kettle boils, 2"], [])


def test_a_file_that_went_away_is_named(tmp_path: Path):
    folder = write_folder(tmp_path / "export", slack_files(DAYS))
    export = open_export(folder, PSEUDONYMS)
    (folder / "kitchen" / "2026-03-01.json").unlink()

    assert failures(export) == [("kitchen/2026-03-01.json", "it can't be opened (No such file or directory)")]


def test_a_zip_that_went_away_is_said(tmp_path: Path):
    path = write_zip(tmp_path / "export.zip", slack_files(DAYS))
    export = open_export(path, PSEUDONYMS)
    path.unlink()

    with pytest.raises(ImportFileError, match="check that it is still there"):
        list(export)


def test_folders_deeper_than_an_exports_are_not_looked_into(tmp_path: Path):
    write_folder(tmp_path, {"a/b/c/d/kept.json": b"", "a/b/c/d/e/left.json": b""})

    assert list(Folder(tmp_path).sizes) == ["a/b/c/d/kept.json"]


def test_a_failed_name_is_safe_to_print():
    assert files.failed("a\x1b[31m\n\ud800.json", "x").file == "a\ufffd[31m\ufffd\ufffd.json"


def test_files_are_listed_in_order_with_their_sizes(tmp_path: Path):
    content = {"b/2.json": b"22", "a/1.json": b"1"}

    assert list(Archive(write_zip(tmp_path / "x.zip", content)).sizes.items()) == [("a/1.json", 1), ("b/2.json", 2)]
    assert list(Folder(write_folder(tmp_path / "x", content)).sizes.items()) == [("a/1.json", 1), ("b/2.json", 2)]
