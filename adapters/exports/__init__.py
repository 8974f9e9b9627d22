"""Export files → events: what a path is, and how it is read."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from adapters.exports import slack
from adapters.exports.discord import DiscordExport, is_candidate, read_header
from adapters.exports.files import Archive, Damaged, Files, Folder, Reader
from adapters.exports.jsonl import JsonlExport, lines, parsed
from adapters.exports.slack import SlackExport
from adapters.exports.stream import JsonText
from bot.errors import ImportFileError
from bot.importing import Export
from bot.privacy import Pseudonyms

EXPECTED = "a Slack export (its zip or folder), DiscordChatExporter's JSON (a file or folder) or a JSONL file"

_LINES_TRIED = 20
_FOREIGN = (
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a rar archive; unpack it first"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"\xfd7zXZ", "an xz file; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file; unpack it first"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "a database"),
    (b"<", "HTML or XML; if DiscordChatExporter wrote it, export again with `--format Json`"),
    (b"AuthorID,", "DiscordChatExporter's CSV; export again with `--format Json`"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)


def open_export(
    path: Path, pseudonyms: Pseudonyms, *, workspace: str | None = None, channel: str | None = None
) -> Export:
    """The export at `path`, recognised by what is in it, not by its name.

    `workspace` is used instead of what the export says or doesn't say; with `channel`, a name or an id, only that
    channel is read. Blocks on files. Raises ImportFileError for anything else than an export.
    """
    try:
        return _opened(path, pseudonyms, workspace, channel)
    except OSError as error:
        raise ImportFileError(
            f"{path} can't be read ({error.strerror}); check that it is there and that you may read it."
        ) from error


def _opened(path: Path, pseudonyms: Pseudonyms, workspace: str | None, channel: str | None) -> Export:
    if path.is_dir():
        return _of_files(path, Folder(path), pseudonyms, workspace, channel)
    if not path.exists():
        raise ImportFileError(f"There is no file {path}.")
    if not path.is_file():
        raise ImportFileError(f"{path} is no regular file. Expected is {EXPECTED}.")
    with path.open("rb") as raw:
        head = raw.read(512)
    if head.startswith(b"PK") or path.suffix.lower() == ".zip":
        return _of_files(path, Archive(path), pseudonyms, workspace, channel)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise ImportFileError(f"{path} is empty. Expected is {EXPECTED}.")
    for mark, what in _FOREIGN:
        if head.startswith(mark) or text.startswith(mark):
            raise ImportFileError(f"{path} is {what}. Expected is {EXPECTED}.")
    if text.startswith(b"["):
        raise ImportFileError(
            f"{path} is one JSON array, perhaps a day of a Slack export; name the export's zip or its whole folder."
        )
    if _is_discord(path):
        return DiscordExport(Folder(path), pseudonyms, workspace=workspace, channel=channel)
    if _is_jsonl(path):
        return JsonlExport(path, pseudonyms, workspace=workspace, channel=channel)
    raise ImportFileError(
        f"{path} is no chat export that Roomtone knows. Expected is {EXPECTED}; docs/exports.md describes each."
    )


def _of_files(path: Path, files: Files, pseudonyms: Pseudonyms, workspace: str | None, channel: str | None) -> Export:
    if slack.root(files.sizes) is not None:
        return SlackExport(files, pseudonyms, workspace=workspace, channel=channel)
    if _is_data_package(files):
        raise ImportFileError(
            f"{path} is Discord's data package: it holds one person's own messages, and no channel's mood can be read "
            "from those. Export the channels with DiscordChatExporter instead."
        )
    if any(slack.is_day(name) for name in files.sizes):
        raise ImportFileError(
            f"{path} looks like one channel of a Slack export; name the folder above it, so that channels have ids."
        )
    candidates = [name for name in files.sizes if is_candidate(name)]
    with files.opened(_ignore) as open_file:
        for name in candidates:
            try:
                with open_file(name) as reader:
                    if read_header(JsonText(reader.read)) is not None:
                        return DiscordExport(files, pseudonyms, workspace=workspace, channel=channel)
            except Damaged:
                continue
    refused = f" {len(files.refused)} names in it point outside it." if files.refused else ""
    raise ImportFileError(f"{path} holds no chat export.{refused} Expected is {EXPECTED}.")


def _is_data_package(files: Files) -> bool:
    """Its folders are named in the owner's language; what lies in them is not."""
    names = [PurePosixPath(name).name for name in files.sizes]
    return "channel.json" in names and ("messages.json" in names or "messages.csv" in names)


def _is_discord(path: Path) -> bool:
    with path.open("rb") as raw:
        try:
            return read_header(JsonText(Reader(raw, count=_ignore).read)) is not None
        except Damaged:
            return False


def _is_jsonl(path: Path) -> bool:
    """Whether one of the first lines is a message."""
    with path.open("rb") as raw:
        for line, _ in zip(lines(Reader(raw, count=_ignore)), range(_LINES_TRIED), strict=False):
            record = parsed(line)
            if isinstance(record, dict) and {"channel", "ts"} <= record.keys():
                return True
    return False


def _ignore(size: int) -> None:
    """Nobody watches the progress of a first look."""
