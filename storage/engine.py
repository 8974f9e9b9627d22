"""The database: an SQLite file, its connections and transactions.

There is one writer at a time: SQLite before 3.51.3 can damage a WAL database when two connections write or checkpoint
at the same moment, so there is one writing connection a process, and between processes an advisory lock beside the
file (`<file>.writing`) is held around each transaction. A question asked from the shell, or an import, may therefore
run beside `roomtone run`; readers wait for nobody. A second lock (`<file>.running`) is held by whoever works off the
inbox, so that a second `roomtone run` is refused. Both need `flock`, which Linux and macOS have.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import bindparam, event, func, literal_column, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql import ColumnElement, FromClause
from sqlalchemy.types import JSON, TypeEngine

from bot.errors import AlreadyRunning, ConfigurationError, NoDatabase, StorageBusy, StorageError, StorageFull

BUSY_SECONDS = 5.0
"""How long a transaction waits for its turn before it says StorageBusy."""

READERS = 4
"""Connections that answer questions at the same time."""


class Database:
    """One database: `writing` for a change, `reading` for a question."""

    def __init__(
        self,
        path: Path,
        writer: AsyncEngine,
        readers: AsyncEngine,
        opened: Sequence[aiosqlite.Connection],
    ) -> None:
        self._path = path
        self._writer = writer
        self._readers = readers
        self._opened = opened
        self._turn = asyncio.Lock()
        self._locks: dict[str, int] = {}

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may write, the only one at its time; all of it or, if the block raises, nothing.

        Raises StorageBusy, StorageFull, StorageError.
        """
        with _translated(self._path):
            async with self._turn, self._file_lock("writing"), self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view for one question; waits for no writer. Raises StorageBusy, StorageError."""
        with _translated(self._path):
            async with self._readers.begin() as connection:
                yield connection

    async def claim(self) -> None:
        """Become the one process that works off this database's inbox, until `close`.

        Raises AlreadyRunning if another is it.
        """
        lock = self._lock_file("running")
        if not _locked(lock):
            raise AlreadyRunning(
                f"another Roomtone is already running on {self._path}: stop it first, or give this one a database "
                "of its own with ROOMTONE_DATABASE_URL"
            )

    async def close(self) -> None:
        """Close every connection. What was committed is on disk."""
        # Readers first: the last connection to close folds the write-ahead log into the file.
        await self._readers.dispose()
        await self._writer.dispose()
        for connection in self._opened:
            await _ended(connection)
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()

    @asynccontextmanager
    async def _file_lock(self, name: str) -> AsyncIterator[None]:
        lock = self._lock_file(name)
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                while not _locked(lock):  # noqa: ASYNC110  # another process holds it, and can't set our event
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            raise StorageBusy(
                f"another Roomtone has been writing to {self._path} for {BUSY_SECONDS:.0f} seconds: try again"
            ) from error
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)

    def _lock_file(self, name: str) -> int:
        if name not in self._locks:
            path = f"{self._path}.{name}"
            self._locks[name] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._locks[name]


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Database]:
    """The database at `address`, a path or `sqlite:///path`; created if there is none yet.

    Raises ConfigurationError for any other address.
    """
    database = _opened(_file(address))
    try:
        yield database
    finally:
        await database.close()


def check(address: str, *, existing: bool = False) -> None:
    """Raise ConfigurationError if `address` is no database's, NoDatabase if it must be `existing` and isn't there."""
    path = _file(address)
    if existing and not path.exists():
        raise NoDatabase(
            f"There is no database at {path} yet: `roomtone import PATH` makes one of a chat export, `roomtone run` "
            "one that listens, and --sample shows a made-up one"
        )


def _file(address: str) -> Path:
    """The file that `address` names. Raises ConfigurationError if it names none."""
    if "://" not in address:
        if not _is_path(address):
            raise ConfigurationError(
                f"{address!r} doesn't look like a database: name a file, such as {address}.db or ./{address}, or "
                + _ADDRESS
            )
        address = f"sqlite:///{address}"
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise ConfigurationError("the database's address can't be read: " + _ADDRESS) from error
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ConfigurationError("Roomtone knows no database but an SQLite file: " + _ADDRESS)
    return Path(url.database).expanduser()


def _is_path(address: str) -> bool:
    """A word alone is more likely a slip than a file's name, unless there is such a file."""
    path = Path(address).expanduser()
    return bool(path.suffix) or "/" in address or os.sep in address or path.exists()


_ADDRESS = "set ROOMTONE_DATABASE_URL to one such as sqlite:///roomtone.db"


def _opened(path: Path) -> Database:
    _reserve(path)
    url = URL.create("sqlite+aiosqlite", database=str(path))
    opened: list[aiosqlite.Connection] = []

    def opening(*arguments: Any, **options: Any) -> aiosqlite.Connection:
        opened[:] = [connection for connection in opened if connection._thread.is_alive()]
        connection = aiosqlite.connect(*arguments, **options)
        connection._thread.daemon = True  # as SQLAlchemy's own way of opening has it
        opened.append(connection)
        return connection

    how = {"timeout": BUSY_SECONDS, "async_creator_fn": opening}
    writer = create_async_engine(url, pool_size=1, max_overflow=0, connect_args=how)
    readers = create_async_engine(url, pool_size=READERS, max_overflow=0, connect_args=how)
    _set_up(writer, _PRAGMAS + _WRITER_PRAGMAS, "BEGIN IMMEDIATE")
    _set_up(readers, _PRAGMAS + _READER_PRAGMAS, "BEGIN")
    return Database(path, writer, readers, opened)


async def _ended(connection: aiosqlite.Connection) -> None:
    """Wait for a connection's thread: one whose task was cancelled is in no pool, and may still be at work."""
    if connection._thread.is_alive():
        connection.stop()
        await asyncio.to_thread(connection._thread.join, BUSY_SECONDS)


def _reserve(path: Path) -> None:
    """Create a file that only its owner may read; SQLite gives its log the same permissions."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"there is no folder {path.parent}: create it, or set ROOMTONE_DATABASE_URL"
        ) from error
    except IsADirectoryError as error:
        raise ConfigurationError(f"{path} is a folder: name a file in it, such as {path / 'roomtone.db'}") from error
    except PermissionError as error:
        raise ConfigurationError(f"{path} may not be read: give this user access to it and its folder") from error
    except OSError as error:
        if error.errno in {errno.EROFS, errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull(_full(path)) from error
        raise StorageError(f"{path} can't be opened ({errno.errorcode.get(error.errno or 0, 'unknown')})") from error


_PRAGMAS = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",  # KiB a connection
)
_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # acknowledged means on disk, also after a power cut
    "PRAGMA secure_delete=ON",  # what is erased is overwritten in the file; in the log, when the log next begins anew
    "PRAGMA journal_size_limit=67108864",
)
_READER_PRAGMAS = ("PRAGMA query_only=ON", "PRAGMA wal_autocheckpoint=0")


def _set_up(engine: AsyncEngine, pragmas: Sequence[str], begin: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin too late, and not at all before a SELECT
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    @event.listens_for(engine.sync_engine, "invalidate")
    def _give_up(connection: Any, _record: object, _error: object) -> None:
        # A statement cancelled half-way keeps SQLite from closing, and its transaction would keep the lock for good.
        connection.run_async(lambda driver: driver.rollback())


# ---- errors --------------------------------------------------------------------------------------------------------


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the driver raises into our errors, whose text says what to do about the database in `path`."""
    try:
        yield
    except PoolTimeout as error:
        raise StorageBusy(f"{path} is busy: try again") from error
    except DBAPIError as error:
        # `from None`: the driver's text holds the statement's parameters, and so people's pseudonyms.
        raise _meaning(error.orig, path) from None
    except SQLAlchemyError as error:
        raise StorageError(f"{path} can't do what was asked ({type(error).__name__})") from None
    except sqlite3.Error as error:
        raise _meaning(error, path) from None


def _meaning(error: BaseException | None, path: Path) -> StorageError | ConfigurationError:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StorageBusy(f"{path} is locked by another program: close that program, or try again")
    if primary in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}:
        return StorageFull(_full(path))
    if primary == sqlite3.SQLITE_CANTOPEN:
        return StorageFull(f"{path} can't be opened for writing: its folder must exist and be writable")
    if primary == sqlite3.SQLITE_NOTADB:
        return ConfigurationError(f"{path} is not a Roomtone database: set ROOMTONE_DATABASE_URL to another file")
    if primary == sqlite3.SQLITE_CORRUPT:
        return StorageError(f"{path} is damaged: stop Roomtone and restore it from a backup")
    if primary == sqlite3.SQLITE_IOERR:
        return StorageError(f"{path} can't be read or written: check the disk, then start again")
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    return StorageError(f"{path} refused a statement ({name}): please report this")


def _full(path: Path) -> str:
    return f"{path} can't be written: its disk is full or read-only. Nothing was lost; make room and try again"


# ---- many keys in one statement --------------------------------------------------------------------------------------


def given(name: str, *types: type[TypeEngine[Any]]) -> tuple[FromClause, tuple[ColumnElement[Any], ...]]:
    """A table made of one parameter `name`: a list of rows, whose columns have `types`.

    Joining it finds thousands of keys by index in one statement; `(a, b) IN (VALUES …)` reads the whole table (seen in
    SQLite 3.40).
    """
    rows = func.json_each(bindparam(name, type_=JSON)).table_valued("value", name=f"given_{name}")
    cells = tuple(
        func.json_extract(rows.c.value, literal_column(f"'$[{position}]'"), type_=type_())
        for position, type_ in enumerate(types)
    )
    return rows, cells


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Is `column` one of the values in the parameter `name`, a list of one-element rows?"""
    rows, (value,) = given(name, type(column.type))
    return column.in_(select(value).select_from(rows))
