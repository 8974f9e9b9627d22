"""Addresses, first starts, other people's databases, and what is on the disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

import storage.engine
from bot.errors import ConfigurationError, NewerSchema, StorageBusy, StorageError, StorageFull
from bot.message import Message
from bot.privacy import Key
from storage import Storage, open_storage
from storage.schema import SCHEMA
from storage.tables import metadata
from tests.conftest import KEY
from tests.examples import ANGRY, AT, DAY, a_message, an_analysis, an_entity
from tests.storage.tables import tables

MARKER = "zanzibar-marmalade"


@pytest.mark.parametrize("spelled", ["{path}", "sqlite:///{path}", "sqlite+aiosqlite:///{path}"])
async def test_a_file_can_be_named_in_three_ways(tmp_path: Path, spelled: str):
    path = tmp_path / "other.db"
    async with open_storage(spelled.format(path=path), KEY) as opened:
        await opened.inbox.put([a_message(1)])

    assert len(tables(path)["inbox"]) == 1


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("sqlite://", "no database but an SQLite file"),
        ("sqlite:///:memory:", "no database but an SQLite file"),
        ("postgresql://bot:secret@db/roomtone", "no database but an SQLite file"),
        ("sqlite:///{folder}/missing/roomtone.db", "create it"),
        ("{folder}", "is a folder"),
        ("://", "can't be read"),
    ],
)
async def test_a_wrong_address_says_what_a_right_one_is(tmp_path: Path, address: str, says: str):
    with pytest.raises(ConfigurationError, match=says) as raised:
        async with open_storage(address.format(folder=tmp_path), KEY):
            pass

    assert "secret" not in f"{raised.value}{raised.value.__cause__}"


async def test_only_its_owner_may_read_the_database(storage: Storage, tmp_path: Path):
    async with open_storage(str(tmp_path / "fresh.db"), KEY) as opened:
        await opened.inbox.put([a_message(1)])
        modes = {path.suffix: path.stat().st_mode & 0o777 for path in _files(tmp_path, "fresh.db*")}

    assert set(modes) >= {".db", ".db-wal"}
    assert set(modes.values()) == {0o600}


async def test_a_file_that_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "letter.db").write_text("Dear diary, " * 1000)
    with pytest.raises(ConfigurationError, match="is not a Roomtone database"):
        async with open_storage(str(tmp_path / "letter.db"), KEY):
            pass

    assert (tmp_path / "letter.db").read_text().startswith("Dear diary")


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('ae1027a6acf')",
        "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('0004')",
        "CREATE TABLE alembic_version (version_num TEXT); CREATE TABLE installation (name TEXT, value TEXT);"
        "INSERT INTO alembic_version VALUES ('ae1027a6acf')",
        "CREATE TABLE songs (title TEXT)",
    ],
    ids=["its Alembic revision", "a number of its own", "a table of our name", "no Alembic"],
)
async def test_another_programs_database_is_left_alone(tmp_path: Path, script: str):
    path = tmp_path / "songs.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.executescript(script)
        before = list(other.iterdump())

    with pytest.raises(ConfigurationError, match="not a Roomtone database"):
        async with open_storage(str(path), KEY):
            pass
    with closing(sqlite3.connect(path)) as other:
        assert list(other.iterdump()) == before


async def test_another_key_is_noticed_before_anything_is_read(database: Path):
    with pytest.raises(ConfigurationError, match="another key"):
        async with open_storage(str(database), Key(bytes(32))):
            pass


async def test_a_newer_database_is_left_alone(database: Path):
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '0099'")
        other.execute("UPDATE installation SET value = '99' WHERE name = 'compat'")
    before = tables(database)

    with pytest.raises(NewerSchema, match="schema 99; this one reads up to"):
        async with open_storage(str(database), KEY):
            pass
    assert tables(database) == before


async def test_a_newer_database_that_this_version_can_still_use_is_used(database: Path):
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '0099'")
    async with open_storage(str(database), KEY) as opened:
        await opened.inbox.put([a_message(1)])

    with closing(sqlite3.connect(database)) as other:
        assert other.execute("SELECT version_num FROM alembic_version").fetchall() == [("0099",)]


async def test_two_first_starts_at_once_make_one_database(tmp_path: Path):
    start = (
        "import asyncio, sys\n"
        "from storage import open_storage\n"
        "from tests.conftest import KEY\n"
        "from tests.examples import a_message\n"
        "async def main():\n"
        "    async with open_storage(sys.argv[1], KEY) as opened:\n"
        "        await opened.inbox.put([a_message(int(sys.argv[2]))])\n"
        "asyncio.run(main())\n"
    )
    path = tmp_path / "shared.db"
    starts = [_start(start, str(path), str(number)) for number in range(3)]

    assert [(process.communicate(timeout=60)[0], process.returncode) for process in starts] == [("", 0)] * 3
    assert len(tables(path)["inbox"]) == 3


def test_the_migrations_make_exactly_the_tables_that_are_declared(empty_database: Path):
    engine = create_engine(f"sqlite:///{empty_database}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()

    assert differences == []


def test_a_start_that_upgrades_nothing_imports_no_alembic(database: Path):
    start = (
        "import asyncio, sys\n"
        "from bot.privacy import Key\n"
        "from storage import open_storage\n"
        "async def main():\n"
        "    async with open_storage(sys.argv[1], Key(bytes(range(32)))) as opened:\n"
        "        await opened.readings.channels()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)\n"
    )

    assert _start(start, str(database)).communicate(timeout=60)[0].split() == ["False"]


def test_the_schema_is_the_newest_migration():
    names = sorted(path.name for path in Path(storage.engine.__file__).parent.glob("migrations/versions/0*.py"))

    assert int(names[-1].split("_")[0]) == SCHEMA


# ---- one process that works off the inbox ----------------------------------------------------------------------------


async def test_a_second_worker_on_the_same_file_is_refused(database: Path):
    async with open_storage(str(database), KEY, sole=True):
        with pytest.raises(ConfigurationError, match="already running"):
            async with open_storage(str(database), KEY, sole=True):
                pass


async def test_a_worker_that_ended_leaves_its_place(database: Path):
    for number in range(2):
        async with open_storage(str(database), KEY, sole=True) as opened:
            await opened.inbox.put([a_message(number)])

    assert len(tables(database)["inbox"]) == 2


async def test_others_may_ask_and_put_beside_the_worker(database: Path):
    async with open_storage(str(database), KEY, sole=True) as worker:
        await worker.inbox.put([a_message(1)])
        async with open_storage(str(database), KEY) as other:
            await other.inbox.put([a_message(2)])
            channels = await other.readings.channels()
        taken = await worker.inbox.take(5)

    assert channels == ()
    assert [waiting.event for waiting in taken] == [a_message(1), a_message(2)]


async def test_a_writer_waits_for_the_one_before_it(database: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(storage.engine, "BUSY_SECONDS", 0.05)
    async with storage.engine.connected(str(database)) as first, storage.engine.connected(str(database)) as second:
        async with first.writing():
            with pytest.raises(StorageBusy, match="has been writing"):
                async with second.writing():
                    pass
        async with second.writing():
            pass


# ---- the disk --------------------------------------------------------------------------------------------------------


def _files(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file())


def _on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in _files(folder))


async def test_no_word_of_a_message_is_ever_on_disk(database: Path, tmp_path: Path):
    said = [a_message(number, text=f"{MARKER} {number}" * 50) for number in range(40)]
    async with open_storage(str(database), KEY) as opened:
        await opened.inbox.put(said)
        while_waiting = _on_disk(tmp_path)
        taken = await opened.inbox.take(100)
        await opened.inbox.set_aside(taken[0].receipt, "poison")
        await opened.ledger.record([(waiting, an_analysis(ANGRY, an_entity())) for waiting in taken[1:]])
        while_open = _on_disk(tmp_path)
    closed = _on_disk(tmp_path)

    for content in (while_waiting, while_open, closed):
        assert b"Jenkins" in content or content is while_waiting
        assert MARKER.encode() not in content
        assert MARKER.encode("utf-16-le") not in content


async def test_what_was_recorded_leaves_nothing_sealed_behind(database: Path, tmp_path: Path):
    async with open_storage(str(database), KEY) as opened:
        await opened.inbox.put([a_message(1, text="x" * 100_000)])
        with closing(sqlite3.connect(database)) as other:
            ((sealed,),) = other.execute("SELECT substr(sealed, 5000, 64) FROM inbox").fetchall()
        for waiting in await opened.inbox.take(1):
            await opened.ledger.record([(waiting, an_analysis())])

    assert sealed not in _on_disk(tmp_path)


# All that might be imported late is imported first: the other user may not be able to read where Python is installed.
READ_ONLY = """
import asyncio, concurrent.futures.thread, os, sys
import aiosqlite, sqlalchemy.dialects.sqlite.aiosqlite
from bot.errors import RoomtoneError
from storage import open_storage
from tests.conftest import KEY
from tests.examples import a_message
os.setgid(65534)
os.setuid(65534)
async def main():
    async with open_storage(sys.argv[1], KEY) as opened:
        await opened.inbox.put([a_message(1)])
try:
    asyncio.run(main())
except RoomtoneError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def readable(database: Path) -> Iterator[Path]:
    """A copy of the database in a folder that another user may enter: those of pytest are shared, and its own."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(shutil.copy(database, folder))


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_read_only_database_says_so_and_stays_as_it_was(readable: Path):
    readable.chmod(0o644)
    before = readable.read_bytes()
    said, _ = _start(READ_ONLY, str(readable)).communicate(timeout=60)

    assert said.startswith(StorageFull.__name__)
    assert "read-only" in said or "writable" in said
    assert readable.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_database_that_may_not_be_read_says_so(readable: Path):
    readable.chmod(0o600)
    said, _ = _start(READ_ONLY, str(readable)).communicate(timeout=60)

    assert said.startswith(ConfigurationError.__name__)
    assert "give this user access" in said


async def test_an_error_names_no_person_and_no_word(storage: Storage, database: Path):
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("CREATE TRIGGER no BEFORE INSERT ON inbox BEGIN SELECT RAISE(ABORT, 'planted'); END")
    with pytest.raises(StorageError) as raised:
        await storage.inbox.put([a_message(1, text=MARKER)])

    told = f"{raised.value}{raised.value.__cause__}"
    assert raised.value.__suppress_context__
    assert MARKER not in told
    assert a_message(1).author not in told


# ---- kill -9 ---------------------------------------------------------------------------------------------------------

WORKER = """
import asyncio, sys
from storage import open_storage
from tests.conftest import KEY
from tests.storage.test_engine import work
asyncio.run(work(sys.argv[1], report=True))
"""


def history() -> list[Message]:
    """Messages and edits by several people over some days."""
    return [
        a_message(number % 60, author=number % 7, at=AT + number % 60 * DAY / 10, revised_at=AT + DAY * number)
        for number in range(240)
    ]


async def work(path: str, *, report: bool) -> None:
    """Put and record the whole history, from the beginning, as after every start."""
    async with open_storage(path, KEY, sole=True) as opened:
        said = history()
        for start in range(0, len(said), 8):
            await opened.inbox.put(said[start : start + 8])
            if report:
                print("put", flush=True)
            while taken := await opened.inbox.take(5):
                await opened.ledger.record(
                    [(w, an_analysis(ANGRY, an_entity(f"tool{w.event.id.id}"))) for w in taken]  # type: ignore[union-attr]
                )


async def test_killed_at_any_moment_and_started_again_it_ends_as_if_nothing_had_happened(
    empty_database: Path, tmp_path: Path
):
    untouched, killed = tmp_path / "untouched.db", tmp_path / "killed.db"
    for path in (untouched, killed):
        shutil.copy(empty_database, path)
    await work(str(untouched), report=False)

    for number in range(8):
        process = _start(WORKER, str(killed))
        assert process.stdout is not None
        for _ in range(1 + number * 3):  # somewhere after that many commits, in the middle of whatever is going on
            process.stdout.readline()
        process.kill()
        process.communicate(timeout=60)
    await work(str(killed), report=False)

    assert tables(killed) == tables(untouched)
    assert len(tables(killed)["readings"]) == 60


def _start(code: str, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_a_question_given_up_at_any_moment_leaves_no_thread_behind(tmp_path: Path):
    before = set(threading.enumerate())
    counting = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT max(i) FROM n"
    )

    async def ask(database: storage.engine.Database) -> None:
        async with database.reading() as connection:
            await connection.execute(counting)

    async def given_up(steps: int) -> None:
        async with storage.engine.connected(str(tmp_path / "roomtone.db")) as database:
            asking = asyncio.create_task(ask(database))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])

    left = []
    async with asyncio.timeout(60):
        # While its connection opens a thread stays behind seven times in ten, unless closing waits for it.
        for steps in range(1, 25):
            await given_up(steps)
            left += [each for each in set(threading.enumerate()) - before if "_connection_worker_thread" in each.name]

    assert left == []
