"""The files of an export, in a folder or a zip: listed and read, never extracted."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, TypeAlias
from zipfile import BadZipFile, ZipFile, ZipInfo

from bot.errors import ImportFileError
from bot.importing import FailedFile

MAX_FILES = 500_000
"""More than this in one folder or zip, and it isn't taken for an export: thirty years of fifty channels."""

MAX_RATIO = 200
"""How many times its packed size a file may unpack to. Chat packs 5 to 30 times, a bomb about 1,000."""

UNSUSPICIOUS = 64 * 2**20
"""Bytes that a file may unpack to whatever its ratio."""

MAX_DEPTH = 4
"""Folders below the one named that are looked into; an export has at most two."""


class Damaged(ImportFileError):
    """A file, or the rest of one, that can't be read; its text is the reason, without the file's name."""


class Reader:
    """The bytes of one file, counted as they are read."""

    def __init__(self, raw: BinaryIO, *, allowed: int | None = None, count: Callable[[int], None]) -> None:
        self._raw = raw
        self._allowed = allowed
        self._count = count

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end. Raises Damaged."""
        try:
            data = self._raw.read(size)
        except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            raise Damaged("it is damaged inside the zip; download the export again") from None
        except OSError as error:
            raise Damaged(f"it can't be read ({error.strerror or 'input/output error'})") from None
        self._tell(data)
        return data

    def readline(self, limit: int, /) -> bytes:
        """The next line, or its first `limit` bytes. Raises Damaged."""
        try:
            data = self._raw.readline(limit)
        except OSError as error:
            raise Damaged(f"it can't be read ({error.strerror or 'input/output error'})") from None
        self._tell(data)
        return data

    def _tell(self, data: bytes) -> None:
        self._count(len(data))
        if self._allowed is not None:
            self._allowed -= len(data)
            if self._allowed < 0:
                raise Damaged("it unpacks to more than it says")


Opener: TypeAlias = Callable[[str], AbstractContextManager[Reader]]
"""Opens a file by the name it is listed under. Raises Damaged if it can't be."""


class Files(Protocol):
    """What an export is made of."""

    @property
    def label(self) -> str:
        """What the folder or zip is called, without its ending."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """Each file's size in bytes, by its name with forward slashes, in order of names."""
        ...

    @property
    def refused(self) -> Sequence[FailedFile]:
        """Files that are not listed, because reading them would not be safe."""
        ...

    def opened(self, count: Callable[[int], None], /) -> AbstractContextManager[Opener]:
        """Reading can begin; `count` is told of every run of bytes that is read."""
        ...


def failed(name: str, reason: str) -> FailedFile:
    """A failed file under a name that is safe to print."""
    return FailedFile(printable(name), reason)


def printable(name: str) -> str:
    """`name` on one line, without terminal controls, at most 200 characters."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name[:200])


class Folder:
    """An unpacked export, or a single file.

    Raises ImportFileError if it can't be listed, or holds too much to be an export.
    """

    refused: tuple[FailedFile, ...] = ()

    def __init__(self, path: Path) -> None:
        if path.is_file():
            self._path = path.parent
            self.label = path.stem
            self.sizes: Mapping[str, int] = {path.name: path.stat().st_size}
            return
        self._path = path
        self.label = path.resolve().name
        found: dict[str, int] = {}
        for name, size in _regular_files(path):
            found[name] = size
            if len(found) > MAX_FILES:
                raise ImportFileError(f"{path} holds more than {MAX_FILES:,} files; name the export's own folder.")
        self.sizes = dict(sorted(found.items()))

    @contextmanager
    def opened(self, count: Callable[[int], None], /) -> Iterator[Opener]:
        """See Files."""

        @contextmanager
        def open_one(name: str) -> Iterator[Reader]:
            try:
                raw = (self._path / name).open("rb")
            except OSError as error:
                raise Damaged(f"it can't be opened ({error.strerror})") from None
            with raw:
                yield Reader(raw, count=count)

        yield open_one


def _regular_files(path: Path) -> Iterator[tuple[str, int]]:
    """Links aren't followed and pipes aren't opened: an export has neither."""

    def refuse(error: OSError) -> None:
        raise ImportFileError(f"The folder {path} can't be read ({error.strerror}); check its permissions.") from error

    for folder, inner, names in os.walk(path, onerror=refuse):
        if len(Path(folder).relative_to(path).parts) >= MAX_DEPTH:
            inner.clear()
        for name in names:
            file = Path(folder, name)
            status = file.lstat()
            if stat.S_ISREG(status.st_mode) and not _is_litter(file.relative_to(path).parts):
                yield file.relative_to(path).as_posix(), status.st_size


class Archive:
    """An export in its zip.

    Raises ImportFileError if the zip is damaged, or would unpack to so much that it is no export.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = path.stem
        self._infos: dict[str, ZipInfo] = {}
        refused: list[FailedFile] = []
        with _zip(path) as archive:
            infos = archive.infolist()
        if len(infos) > MAX_FILES:
            raise ImportFileError(f"{path} holds more than {MAX_FILES:,} files; it is no chat export.")
        for info in infos:
            name = info.filename.replace("\\", "/")
            parts = PurePosixPath(name).parts
            if info.is_dir() or _is_litter(parts):
                continue
            if name.startswith("/") or ".." in parts or ":" in parts[0]:
                refused.append(failed(name, "its name points outside the export, so it was not read"))
            elif name in self._infos:
                refused.append(failed(name, "the zip holds two files of this name; the first was read"))
            else:
                self._infos[name] = info
        unpacked = sum(info.file_size for info in self._infos.values() if _is_text(info.filename))
        if unpacked > max(UNSUSPICIOUS, MAX_RATIO * path.stat().st_size):
            raise ImportFileError(
                f"{path} would unpack to {unpacked / 2**30:,.1f} GiB, far more than chat does; it is no export."
            )
        self.refused = tuple(refused)
        self.sizes: Mapping[str, int] = {name: info.file_size for name, info in sorted(self._infos.items())}

    @contextmanager
    def opened(self, count: Callable[[int], None], /) -> Iterator[Opener]:
        """See Files."""
        with _zip(self._path) as archive:

            @contextmanager
            def open_one(name: str) -> Iterator[Reader]:
                info = self._infos[name]
                if info.file_size > max(UNSUSPICIOUS, MAX_RATIO * info.compress_size):
                    raise Damaged("it unpacks to far more than chat does, so it was not read")
                if info.flag_bits & 1:
                    raise Damaged("it is encrypted; unpack the zip with its password and import the folder")
                try:
                    raw = archive.open(info)
                except (BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError):
                    raise Damaged("it is damaged inside the zip; download the export again") from None
                with raw:
                    # What the zip says of a size can lie; what is read is counted.
                    yield Reader(raw, allowed=info.file_size, count=count)  # type: ignore[arg-type]

            yield open_one


def _zip(path: Path) -> ZipFile:
    try:
        return ZipFile(path)
    except (BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise ImportFileError(f"{path} is a zip that is cut short or damaged; download the export again.") from error
    except OSError as error:
        raise ImportFileError(f"{path} can't be read ({error.strerror}); check that it is still there.") from error


def _is_litter(parts: Sequence[str]) -> bool:
    """What operating systems leave in folders and zips."""
    return not parts or "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] in {".DS_Store", "Thumbs.db"}


def _is_text(name: str) -> bool:
    return name.lower().endswith((".json", ".jsonl", ".csv", ".txt"))
