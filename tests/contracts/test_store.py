"""What `bot.store` promises, method by method, on a real database."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

import storage.engine
from bot.analysis import Analysis, Kind
from bot.errors import ConfigurationError, StorageBusy, StorageError, StorageFull
from bot.message import (
    Channel,
    ChannelGone,
    ChannelMoved,
    ChannelSeen,
    Deletion,
    Event,
    Gone,
    Message,
    MessageId,
    Platform,
    Reaction,
    ReactionsCleared,
    Window,
)
from bot.schedule import Due, Sort, State, Subscription, Times
from bot.store import (
    Alias,
    AuthorTally,
    Cursors,
    EntityTally,
    Inbox,
    InboxCount,
    Ledger,
    LeftOut,
    Names,
    Notes,
    ReactionTally,
    Readings,
    Rereading,
    Subscriptions,
    ThreadTally,
)
from storage import Storage, open_storage
from tests.conftest import KEY
from tests.examples import (
    ANGRY,
    AT,
    CALM,
    DAY,
    GENERAL,
    GLAD,
    HOUR,
    RANDOM,
    WEEK,
    a_message,
    an_analysis,
    an_author,
    an_entity,
)
from tests.storage.tables import recomputed, tables

ALWAYS = Window(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
TODAY = Window(AT.replace(hour=0), AT.replace(hour=0) + DAY)


async def record(storage: Storage, *events: Event | tuple[Message, Analysis]) -> None:
    """Put events and record them; a message without an analysis is read as calm."""
    analyses = {id(pair[0]): pair[1] for pair in events if isinstance(pair, tuple)}
    plain = [pair[0] if isinstance(pair, tuple) else pair for pair in events]
    for original in plain:
        await storage.inbox.put([original])
        done: list[tuple[object, Analysis | None]] = []
        for waiting in await storage.inbox.take(10):
            is_read = isinstance(waiting.event, Message) and not waiting.event.from_bot
            done.append((waiting, analyses.get(id(original), an_analysis()) if is_read else None))
        await storage.ledger.record(done)  # type: ignore[arg-type]


async def one_tally(storage: Storage, window: Window = ALWAYS, *channels: Channel) -> Sequence[AuthorTally]:
    (found,) = await storage.readings.tallies(channels or (GENERAL,), [window.start, window.end])
    return found


# ---- every method: locked, interrupted, repeated -------------------------------------------------------------------

WEEKLY = Subscription(GENERAL, Sort.DIGEST, Times(0, 9, 0, "Europe/Berlin"), since=AT, channels=(GENERAL,))
DUE = Due(GENERAL, Sort.DIGEST, AT)
ON_LOAN = 9  # what `_fill` leaves lent

Call = Callable[[Storage], Awaitable[object]]

WRITING: dict[str, Call] = {
    "put": lambda s: s.inbox.put([a_message(50), a_message(51), Deletion(a_message(52).id, AT)]),
    "take": lambda s: s.inbox.take(10),
    "release": lambda s: s.inbox.release([ON_LOAN]),
    "set_aside": lambda s: s.inbox.set_aside(ON_LOAN, "poison"),
    "try_again": lambda s: s.inbox.try_again(),
    "reread": lambda s: s.past.reread([(a_message(1), an_analysis(GLAD, model="example 2"))]),
    "record": lambda s: _record_what_waits(s),
    "opt_out": lambda s: s.ledger.opt_out(an_author(1)),
    "opt_in": lambda s: s.ledger.opt_in(an_author(3)),
    "alias": lambda s: s.names.alias("k8s", "Kubernetes"),
    "unalias": lambda s: s.names.unalias("JS"),
    "advance": lambda s: s.cursors.advance({GENERAL: "2"}),
    "drop": lambda s: s.cursors.drop(GENERAL),
    "write": lambda s: s.notes.write(Platform.CONSOLE, "acme", "digest", {"on": False}),
    "claim": lambda s: s.notes.claim(Platform.CONSOLE, "acme", "posted", 1),
    "subscribe": lambda s: s.subscriptions.subscribe(replace(WEEKLY, is_low=True)),
    "unsubscribe": lambda s: s.subscriptions.unsubscribe(GENERAL, Sort.DIGEST),
    "forget": lambda s: s.subscriptions.forget(Platform.CONSOLE, "acme"),
    "plan": lambda s: s.subscriptions.plan(Due(GENERAL, Sort.DIGEST, AT + WEEK)),
    "reserve": lambda s: s.subscriptions.reserve(DUE, AT, AT + HOUR),
    "settle": lambda s: s.subscriptions.settle(DUE, State.POSTED, message="1", low=True),
    "drop_note": lambda s: s.notes.drop_note(Platform.CONSOLE, "acme", "digest"),
}
READING: dict[str, Call] = {
    "count": lambda s: s.inbox.count(),
    "known": lambda s: s.ledger.known([(a_message(1).id, a_message(1).revised_at)]),
    "standing": lambda s: s.past.standing([(a_message(1).id, a_message(1).revised_at)]),
    "read_by": lambda s: s.past.read_by(),
    "opted_out": lambda s: s.ledger.opted_out(an_author(3)),
    "channels": lambda s: s.readings.channels(),
    "tallies": lambda s: s.readings.tallies([GENERAL], [TODAY.start, TODAY.end]),
    "entities": lambda s: s.readings.entities([GENERAL], TODAY, limit=5),
    "entity": lambda s: s.readings.entity([GENERAL], "jenkins", [TODAY.start, TODAY.end]),
    "each_entity": lambda s: s.readings.each_entity([GENERAL], ["jenkins"], [TODAY.start, TODAY.end]),
    "entity_named": lambda s: s.readings.entity_named([GENERAL], "jenkins"),
    "entity_names": lambda s: s.readings.entity_names([GENERAL]),
    "threads": lambda s: s.readings.threads([GENERAL], TODAY, limit=5),
    "reactions": lambda s: s.readings.reactions([GENERAL], TODAY),
    "left_out": lambda s: s.readings.left_out([GENERAL], TODAY),
    "aliases": lambda s: s.names.aliases(),
    "position": lambda s: s.cursors.position(GENERAL),
    "positions": lambda s: s.cursors.positions(Platform.CONSOLE, "acme"),
    "note": lambda s: s.notes.note(Platform.CONSOLE, "acme", "digest"),
    "notes": lambda s: s.notes.notes(Platform.CONSOLE, "acme", ""),
    "subscription": lambda s: s.subscriptions.subscription(GENERAL, Sort.DIGEST),
    "subscriptions": lambda s: s.subscriptions.subscriptions(),
    "waiting": lambda s: s.subscriptions.waiting(Platform.CONSOLE, "acme", AT),
    "posts": lambda s: s.subscriptions.posts(GENERAL, Sort.DIGEST),
}


async def _record_what_waits(storage: Storage) -> None:
    waiting = await storage.inbox.take(10)
    await storage.ledger.record(
        [(w, an_analysis(GLAD, an_entity()) if isinstance(w.event, Message) else None) for w in waiting]
    )


async def _fill(storage: Storage) -> None:
    """Something in every table."""
    root = a_message(1)
    await storage.ledger.opt_out(an_author(3))
    await storage.names.alias("JS", "JavaScript")
    await storage.cursors.advance({GENERAL: "1"})
    await storage.notes.write(Platform.CONSOLE, "acme", "digest", {"on": True})
    await storage.subscriptions.subscribe(WEEKLY)
    await storage.subscriptions.plan(DUE)
    await record(
        storage,
        ChannelSeen(GENERAL, "general", AT),
        (root, an_analysis(GLAD, an_entity("Jenkins"))),
        (a_message(2, author=2, thread=root.id), an_analysis(ANGRY, an_entity("JS"), an_entity("JavaScript"))),
        a_message(3, author=4, from_bot=True),
        (a_message(4, author=2), an_analysis(None, language="de")),
        Reaction(root.id, an_author(1), "🎉", AT),
        ReactionsCleared(root.id, AT - HOUR),
    )
    await storage.inbox.put([a_message(60)])
    (poison,) = await storage.inbox.take(1)
    await storage.inbox.set_aside(poison.receipt, "poison")
    await storage.inbox.put(
        [
            Deletion(a_message(4).id, AT + DAY),
            a_message(1, revised_at=AT + DAY, text="edited"),
            Deletion(a_message(2).id, AT + DAY),
        ]
    )
    (waiting,) = await storage.inbox.take(1)
    assert waiting.receipt == ON_LOAN


def test_every_method_of_every_promise_is_in_one_of_the_two_lists():
    promised = {
        name
        for promise in (Inbox, Ledger, Rereading, Readings, Names, Cursors, Notes, Subscriptions)
        for name in vars(promise)
        if not name.startswith("_")
    }

    assert promised == WRITING.keys() | READING.keys()


@pytest.mark.parametrize("method", WRITING)
async def test_a_locked_database_is_busy_and_goes_on_afterwards(
    database: Path, monkeypatch: pytest.MonkeyPatch, method: str
):
    monkeypatch.setattr(storage.engine, "BUSY_SECONDS", 0.05)
    async with open_storage(str(database), KEY) as opened:
        await _fill(opened)
        before = tables(database)

        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StorageBusy, match="try again"):
                await WRITING[method](opened)

        assert tables(database) == before
        await WRITING[method](opened)


@pytest.mark.parametrize("method", READING)
async def test_a_question_is_answered_while_somebody_writes(database: Path, method: str):
    async with open_storage(str(database), KEY) as opened:
        await _fill(opened)
        before = await READING[method](opened)

        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM rollups")
            during = await READING[method](opened)
            other.execute("ROLLBACK")

        assert during == before


@contextmanager
def failing_at(statement: int) -> Iterator[list[str]]:
    """Let the database fail when it comes to that many changing statements; collects those that came."""
    seen: list[str] = []

    def fail(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            seen.append(sql)
            if len(seen) == statement:
                raise sqlite3.OperationalError("planted")

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", fail)


@pytest.mark.parametrize("method", WRITING)
async def test_whatever_statement_fails_nothing_of_the_call_stays(database: Path, method: str):
    async with open_storage(str(database), KEY) as opened:
        await _fill(opened)
        call = WRITING[method]
        if method == "record":  # taking is a transaction of its own
            done = [
                (w, an_analysis(GLAD) if isinstance(w.event, Message) else None) for w in await opened.inbox.take(10)
            ]
            call = lambda s: s.ledger.record(done)  # noqa: E731
        before = tables(database)

        failures = 0
        while True:
            with failing_at(failures + 1) as seen:
                try:
                    await call(opened)
                except StorageError:
                    assert tables(database) == before
                    failures += 1
                else:
                    break

        assert failures == len(seen) >= 1
        assert tables(database) != before


@pytest.mark.parametrize(
    "method",
    [
        "put",
        "set_aside",
        "opt_out",
        "opt_in",
        "alias",
        "advance",
        "write",
        "claim",
        "subscribe",
        "unsubscribe",
        "forget",
        "plan",
        "reserve",
        "settle",
    ],
)
async def test_twice_is_once(database: Path, method: str):
    async with open_storage(str(database), KEY, clock=lambda: AT) as opened:
        await _fill(opened)
        await WRITING[method](opened)
        once = tables(database)
        await WRITING[method](opened)

        assert tables(database) == once


async def test_a_batch_recorded_twice_counts_once(database: Path, storage: Storage):
    await storage.inbox.put([a_message(1), a_message(2)])
    done = [(waiting, an_analysis(GLAD, an_entity())) for waiting in await storage.inbox.take(10)]
    await storage.ledger.record(done)
    once = tables(database)
    await storage.ledger.record(done)

    assert tables(database) == once


# ---- Inbox ---------------------------------------------------------------------------------------------------------

EVENTS: tuple[Event, ...] = (
    a_message(1, text="hello\n\0 \ud800 ‮שלום 🎉", thread=a_message(9).id, from_bot=True),
    a_message(2, at=datetime(1, 1, 1, tzinfo=UTC), text=""),
    a_message(3, at=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), text="x" * 100_000),
    replace(a_message(4), id=MessageId(Channel(Platform.OTHER, "\ud83d \0", ""), "\udfff")),
    Deletion(a_message(1).id, AT),
    Reaction(a_message(1).id, an_author(2), "🎉", AT, added=False),
    ReactionsCleared(a_message(1).id, AT),
    ReactionsCleared(a_message(1).id, AT, "party"),
    ChannelSeen(GENERAL, "general \ud800", AT, private=True, parent=RANDOM),
    ChannelSeen(RANDOM, "random", AT),
    *(ChannelGone(GENERAL, AT, why) for why in Gone),
    ChannelMoved(GENERAL, RANDOM, AT),
)


async def test_what_is_taken_is_what_was_put_oldest_first(storage: Storage):
    await storage.inbox.put(EVENTS[:4])
    await storage.inbox.put(EVENTS[4:])

    taken = await storage.inbox.take(100)

    assert tuple(waiting.event for waiting in taken) == EVENTS
    assert {waiting.attempts for waiting in taken} == {1}


async def test_every_kind_of_event_can_be_recorded(database: Path, storage: Storage):
    await storage.inbox.put(EVENTS)
    taken = await storage.inbox.take(100)
    await storage.ledger.record([(w, an_analysis() if isinstance(w.event, Message) else None) for w in taken])

    assert await storage.inbox.count() == InboxCount(0, None, 0, {})
    with closing(sqlite3.connect(database)) as other:
        asked = "SELECT channels.key, readings.key, deleted FROM readings JOIN channels ON channel_id = channels.id"
        assert sorted(other.execute(asked)) == [("", "\ufffd", 0), ("random", "1", 1), ("random", "3", 0)]


async def test_the_same_event_put_twice_waits_once(storage: Storage):
    await storage.inbox.put([a_message(1), a_message(1)])
    await storage.inbox.put([a_message(1)])

    assert (await storage.inbox.count()).waiting == 1


async def test_two_texts_of_one_revision_both_wait(storage: Storage):
    await storage.inbox.put([a_message(1, text="one"), a_message(1, text="two")])

    assert (await storage.inbox.count()).waiting == 2


async def test_what_is_put_at_the_same_time_shares_one_commit(database: Path, storage: Storage):
    commits: list[object] = []

    def committed(connection: object) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", committed)
    try:
        await asyncio.gather(*(storage.inbox.put([a_message(number)]) for number in range(200)))
    finally:
        event.remove(Engine, "commit", committed)

    assert len(tables(database)["inbox"]) == 200
    assert len(commits) <= 2


async def test_a_failed_commit_fails_every_caller_in_it(storage: Storage):
    with failing_at(1):
        answers = await asyncio.gather(
            *(storage.inbox.put([a_message(number)]) for number in range(3)), return_exceptions=True
        )

    assert [type(answer) for answer in answers] == [StorageError] * 3
    await storage.inbox.put([a_message(1)])
    assert (await storage.inbox.count()).waiting == 1


async def test_a_caller_that_gives_up_takes_nobody_along(storage: Storage):
    calls = [asyncio.create_task(storage.inbox.put([a_message(number)])) for number in range(3)]
    await asyncio.sleep(0)
    calls[0].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in answers] == [asyncio.CancelledError, type(None), type(None)]
    assert (await storage.inbox.count()).waiting in {2, 3}


async def test_closing_waits_for_the_commit_under_way(database: Path):
    async with open_storage(str(database), KEY) as opened:
        call = asyncio.create_task(opened.inbox.put([a_message(1)]))
        await asyncio.sleep(0)
    await call

    assert len(tables(database)["inbox"]) == 1


async def test_a_loan_is_lent_to_nobody_else_until_it_ends(database: Path):
    now = AT
    async with open_storage(str(database), KEY, clock=lambda: now, lease=HOUR) as opened:
        await opened.inbox.put([a_message(1), a_message(2)])
        first = await opened.inbox.take(1)
        second = await opened.inbox.take(5)
        nothing = await opened.inbox.take(5)
        now = AT + HOUR
        again = await opened.inbox.take(5)

    assert [[w.event for w in taken] for taken in (first, second, nothing, again)] == [
        [a_message(1)],
        [a_message(2)],
        [],
        [a_message(1), a_message(2)],
    ]
    assert [waiting.attempts for waiting in again] == [2, 2]


async def test_what_is_released_was_never_lent(storage: Storage):
    await storage.inbox.put([a_message(1)])
    for _ in range(3):
        await storage.inbox.release([waiting.receipt for waiting in await storage.inbox.take(1)])

    assert [waiting.attempts for waiting in await storage.inbox.take(1)] == [1]


async def test_what_is_set_aside_is_counted_and_never_lent_again(database: Path):
    async with open_storage(str(database), KEY, clock=lambda: AT) as opened:
        await opened.inbox.put([a_message(number) for number in range(4)])
        taken = await opened.inbox.take(3)
        await opened.inbox.set_aside(taken[0].receipt, "too long")
        await opened.inbox.set_aside(taken[1].receipt, "too long")
        await opened.inbox.set_aside(taken[2].receipt, "odd")

        assert [waiting.event for waiting in await opened.inbox.take(9)] == [a_message(3)]
        assert await opened.inbox.count() == InboxCount(1, AT, 3, {"too long": 2, "odd": 1})


async def test_what_was_set_aside_can_be_lent_again_from_the_first_attempt_on(database: Path):
    async with open_storage(str(database), KEY, clock=lambda: AT) as opened:
        await opened.inbox.put([a_message(1), a_message(2)])
        taken = await opened.inbox.take(2)
        await opened.inbox.set_aside(taken[0].receipt, "too long")

        assert await opened.inbox.try_again() == 1
        assert [(again.event, again.attempts) for again in await opened.inbox.take(9)] == [(a_message(1), 1)]
        assert await opened.inbox.count() == InboxCount(2, AT, 0, {})


async def test_what_was_damaged_on_disk_is_set_aside(database: Path, storage: Storage):
    await storage.inbox.put([a_message(1), a_message(2)])
    with closing(sqlite3.connect(database)) as other, other:
        (sealed,) = other.execute("SELECT sealed FROM inbox WHERE id = 1").fetchone()
        other.execute("UPDATE inbox SET sealed = ? WHERE id = 1", [sealed[:-1] + bytes([sealed[-1] ^ 1])])

    assert [waiting.event for waiting in await storage.inbox.take(5)] == [a_message(2)]
    assert (await storage.inbox.count()).reasons == {"unreadable": 1}


async def test_a_process_that_died_leaves_no_loans(database: Path):
    async with open_storage(str(database), KEY, sole=True) as opened:
        await opened.inbox.put([a_message(1)])
        await opened.inbox.take(1)
    async with open_storage(str(database), KEY, sole=True) as opened:
        assert [waiting.attempts for waiting in await opened.inbox.take(1)] == [2]


async def test_events_of_people_who_opted_out_are_dropped(storage: Storage):
    await storage.inbox.put([a_message(1, author=1)])
    await storage.ledger.opt_out(an_author(1))
    await storage.inbox.put([a_message(2, author=1), Reaction(a_message(3).id, an_author(1), "🎉", AT)])

    assert (await storage.inbox.count()).waiting == 0


# ---- Ledger --------------------------------------------------------------------------------------------------------


async def test_a_message_counts_once_in_every_sum(database: Path, storage: Storage):
    await record(storage, (a_message(1), an_analysis(GLAD, an_entity("Jenkins"), an_entity("jenkins", start=9))))

    assert await one_tally(storage) == (
        AuthorTally(an_author(1), "example 1", 1, score=0.75, squares=0.5625, negative=0, neutral=0, positive=1),
    )
    found = tables(database)
    assert (found["rollups"], found["spellings"]) == recomputed(found)


@pytest.mark.parametrize("edit_first", [False, True])
async def test_the_latest_revision_wins(database: Path, storage: Storage, edit_first: bool):
    original = (a_message(1), an_analysis(ANGRY, an_entity("Jenkins")))
    edit = (a_message(1, revised_at=AT + HOUR), an_analysis(GLAD, an_entity("Kubernetes")))
    await record(storage, *([edit, original] if edit_first else [original, edit]))

    assert [(tally.messages, tally.score) for tally in await one_tally(storage)] == [(1, 0.75)]
    assert await storage.readings.entity_names([GENERAL]) == {"kubernetes": "Kubernetes"}


LEVEL: dict[str, tuple[Event | tuple[Message, Analysis], Event | tuple[Message, Analysis]]] = {
    "author": (a_message(1, author=1), a_message(1, author=2)),
    "thread": (a_message(1), a_message(1, thread=a_message(2).id)),
    "bot": (a_message(1), a_message(1, from_bot=True)),
    "sentiment": ((a_message(1), an_analysis(GLAD)), (a_message(1), an_analysis(ANGRY))),
    "label alone": ((a_message(1), an_analysis(GLAD)), (a_message(1), an_analysis(None, language="de"))),
    "model": ((a_message(1), an_analysis()), (a_message(1), an_analysis(model="example 2"))),
    "language": ((a_message(1), an_analysis()), (a_message(1), an_analysis(language="en"))),
    "entity": ((a_message(1), an_analysis(CALM, an_entity("a"))), (a_message(1), an_analysis(CALM, an_entity("b")))),
    "sent": (a_message(1, revised_at=AT + DAY), a_message(1, at=AT, revised_at=AT + DAY)),
    "reaction": (
        Reaction(a_message(1).id, an_author(1), "🎉", AT),
        Reaction(a_message(1).id, an_author(1), "🎉", AT, False),
    ),
    "name": (ChannelSeen(GENERAL, "a", AT), ChannelSeen(GENERAL, "b", AT)),
    "private": (ChannelSeen(GENERAL, "a", AT), ChannelSeen(GENERAL, "a", AT, private=True)),
    "parent": (ChannelSeen(GENERAL, "a", AT), ChannelSeen(GENERAL, "a", AT, parent=RANDOM)),
    "gone": (ChannelGone(GENERAL, AT, Gone.LEFT), ChannelGone(GENERAL, AT, Gone.ARCHIVED)),
}


@pytest.mark.parametrize("what", LEVEL)
async def test_of_two_that_are_level_the_same_one_wins_in_either_order(empty_database: Path, tmp_path: Path, what: str):
    found = []
    for number, order in enumerate([LEVEL[what], LEVEL[what][::-1]]):
        path = Path(shutil.copy(empty_database, tmp_path / f"{number}.db"))
        async with open_storage(str(path), KEY) as opened:
            await record(opened, *order)
        found.append(tables(path))

    assert found[0] == found[1]


@pytest.mark.parametrize("deletion_first", [False, True])
async def test_a_deletion_is_final_whenever_it_arrives(database: Path, storage: Storage, deletion_first: bool):
    message = (a_message(1), an_analysis(GLAD, an_entity()))
    deletion = Deletion(a_message(1).id, AT + HOUR)
    await (record(storage, deletion, message) if deletion_first else record(storage, message, deletion))
    await record(storage, (a_message(1, revised_at=AT + WEEK), an_analysis(GLAD, an_entity())))

    found = tables(database)
    assert found["rollups"] == found["mentions"] == found["spellings"] == []
    assert [row[:3] for row in found["readings"]] == [("console/acme/general", "1", 1)]


async def test_a_message_whose_author_changes_counts_for_the_latest(storage: Storage):
    await record(storage, a_message(1, author=1), a_message(1, author=2, revised_at=AT + HOUR))

    assert [tally.author for tally in await one_tally(storage)] == [an_author(2)]


async def test_opting_out_takes_everything_out_of_every_number(database: Path, storage: Storage):
    await record(storage, (a_message(2, author=2), an_analysis(GLAD, an_entity())))
    without = tables(database)
    await record(
        storage,
        (a_message(1, author=1), an_analysis(ANGRY, an_entity())),
        (a_message(3, author=1), an_analysis(None, language="de")),
        a_message(4, author=1, from_bot=True),
        Reaction(a_message(2).id, an_author(1), "🎉", AT),
    )
    await storage.inbox.put([a_message(5, author=1)])
    await storage.ledger.opt_out(an_author(1))

    after = tables(database)
    assert after.pop("authors") == [(an_author(1), 1, None)]
    assert {name: rows for name, rows in without.items() if name != "authors"} == after
    assert await storage.ledger.opted_out(an_author(1))


async def test_what_was_on_loan_when_its_author_opted_out_is_not_recorded(storage: Storage):
    await storage.inbox.put([a_message(1)])
    taken = await storage.inbox.take(1)
    await storage.ledger.opt_out(an_author(1))
    await storage.ledger.record([(taken[0], an_analysis())])

    assert await one_tally(storage) == ()


async def test_opting_in_counts_from_then_on_and_what_was_forgotten_stays_forgotten(database: Path):
    async with open_storage(str(database), KEY, clock=lambda: AT + DAY) as opened:
        await record(opened, a_message(1))
        await opened.ledger.opt_out(an_author(1))
        await opened.ledger.opt_in(an_author(1))
        await record(opened, a_message(1), a_message(2, at=AT + DAY))

        assert [tally.messages for tally in await one_tally(opened)] == [1]
        assert not await opened.ledger.opted_out(an_author(1))


async def test_opting_in_without_having_opted_out_forgets_nothing(storage: Storage):
    await storage.ledger.opt_in(an_author(1))
    await record(storage, a_message(1))

    assert len(await one_tally(storage)) == 1


async def test_known_is_what_is_recorded_or_waits_at_this_revision_or_a_later_one(storage: Storage):
    await record(storage, a_message(1, revised_at=AT + HOUR), Deletion(a_message(2).id, AT))
    await storage.inbox.put([a_message(3, revised_at=AT + HOUR), Deletion(a_message(4).id, AT)])

    asked = [
        (a_message(1).id, AT + HOUR),
        (a_message(1).id, AT),
        (a_message(1).id, AT + WEEK),
        (a_message(2).id, AT + WEEK),
        (a_message(3).id, AT + HOUR),
        (a_message(3).id, AT + WEEK),
        (a_message(4).id, AT + WEEK),
        (a_message(5).id, AT),
        (a_message(1, channel=RANDOM).id, AT),
    ]
    assert await storage.ledger.known(asked) == (True, True, False, True, True, False, True, False, False)
    assert await storage.ledger.known([]) == ()


async def test_a_person_is_never_recorded_without_an_analysis(database: Path, storage: Storage):
    await storage.inbox.put([a_message(1)])
    (waiting,) = await storage.inbox.take(1)
    with pytest.raises(ValueError, match="with its analysis"):
        await storage.ledger.record([(waiting, None)])

    assert (await storage.inbox.count()).waiting == 1


# ---- channels ------------------------------------------------------------------------------------------------------

THREAD = Channel(Platform.CONSOLE, "acme", "thread")


async def test_a_channel_is_summed_up_by_what_was_read_in_it(storage: Storage):
    await record(
        storage,
        ChannelSeen(GENERAL, "general", AT, private=True),
        ChannelSeen(THREAD, "a thread", AT, parent=GENERAL),
        a_message(1, author=1),
        a_message(2, author=2, channel=THREAD),
        a_message(3, author=3, from_bot=True),
        (a_message(4, author=4), an_analysis(None, language="de")),
        a_message(5, channel=RANDOM),
    )

    general, random = await storage.readings.channels()
    assert (general.name, general.private, general.gone, general.messages, general.people) == (
        "general",
        True,
        None,
        2,
        2,
    )
    assert (general.first, general.last) == (AT + timedelta(minutes=1), AT + timedelta(minutes=2))
    assert (random.name, random.messages) == ("random", 1)


async def test_a_thread_counts_for_its_parent_also_when_that_is_learned_late(database: Path, storage: Storage):
    await record(storage, (a_message(1, channel=THREAD), an_analysis(GLAD, an_entity())))
    await record(storage, ChannelSeen(THREAD, "a thread", AT, parent=GENERAL))

    assert [tally.messages for tally in await one_tally(storage)] == [1]
    assert await storage.readings.entity_names([GENERAL]) == {"jenkins": "Jenkins"}
    assert [summary.channel for summary in await storage.readings.channels()] == [GENERAL]
    found = tables(database)
    assert (found["rollups"], found["spellings"]) == recomputed(found)


async def test_a_deleted_channel_leaves_every_number_with_its_threads(database: Path, storage: Storage):
    await record(
        storage,
        ChannelSeen(THREAD, "a thread", AT, parent=GENERAL),
        (a_message(1), an_analysis(GLAD, an_entity())),
        (a_message(2, channel=THREAD), an_analysis(GLAD, an_entity())),
        Reaction(a_message(1).id, an_author(2), "🎉", AT),
        (a_message(9, channel=RANDOM), an_analysis(GLAD)),
        ChannelGone(GENERAL, AT + HOUR, Gone.DELETED),
        (a_message(3), an_analysis(GLAD, an_entity())),
        (a_message(4, channel=THREAD), an_analysis(GLAD, an_entity())),
    )

    found = tables(database)
    assert [row[0] for row in found["readings"]] == ["console/acme/random"]
    assert found["mentions"] == found["spellings"] == found["reactions"] == []
    assert found["rollups"] == recomputed(found)[0]


@pytest.mark.parametrize("why", [Gone.LEFT, Gone.ARCHIVED])
async def test_a_channel_that_was_left_keeps_its_numbers_and_comes_back_when_seen_later(storage: Storage, why: Gone):
    await record(storage, a_message(1), ChannelSeen(GENERAL, "general", AT), ChannelGone(GENERAL, AT + HOUR, why))
    gone = [(summary.gone, summary.messages) for summary in await storage.readings.channels()]
    await record(storage, ChannelSeen(GENERAL, "general", AT + DAY), ChannelGone(GENERAL, AT, why))
    back = [(summary.gone, summary.messages) for summary in await storage.readings.channels()]

    assert (gone, back) == ([(why, 1)], [(None, 1)])


HERE, THERE = (Channel(Platform.CONSOLE, "acme", id_) for id_ in ("C1", "C2"))
MOVE = ChannelMoved(HERE, THERE, AT + HOUR)


@pytest.mark.parametrize("moved", [0, 2, 5], ids=["first", "between", "last"])
async def test_a_channel_that_moved_is_one_channel_whenever_that_is_told(database: Path, storage: Storage, moved: int):
    told: list[Event | tuple[Message, Analysis]] = [
        (a_message(1, channel=HERE), an_analysis(GLAD, an_entity())),
        ChannelSeen(HERE, "leads", AT, private=True),
        (a_message(2, channel=HERE, thread=a_message(1, channel=HERE).id), an_analysis(ANGRY)),
        # The same ones again, as the platform's history tells them under the new id.
        (a_message(1, channel=THERE, revised_at=AT + HOUR), an_analysis(GLAD, an_entity())),
        (a_message(2, channel=THERE, thread=a_message(1, channel=THERE).id), an_analysis(ANGRY)),
    ]
    await record(storage, *told[:moved], MOVE, *told[moved:])
    await record(storage, Deletion(a_message(9, channel=HERE).id, AT), a_message(9, channel=THERE))

    (summary,) = await storage.readings.channels()
    assert (summary.channel, summary.name, summary.private, summary.messages) == (THERE, "leads", True, 2)
    for channel in (HERE, THERE):
        assert [(t.messages, t.negative, t.positive) for t in await one_tally(storage, ALWAYS, channel)] == [(2, 1, 1)]
        assert await storage.ledger.known([(a_message(1, channel=channel).id, AT + HOUR)]) == (True,)
    assert [thread.root for thread in await storage.readings.threads([THERE], ALWAYS, limit=9)] == [
        a_message(1, channel=THERE).id
    ]
    found = tables(database)
    assert {row[0] for row in found["readings"]} == {"console/acme/C2"}
    assert (found["rollups"], found["spellings"]) == recomputed(found)


async def test_what_is_told_under_a_former_id_is_told_of_the_channel(storage: Storage):
    await record(storage, a_message(1, channel=HERE), MOVE)
    await record(
        storage,
        a_message(1, channel=HERE, revised_at=AT + HOUR),
        a_message(2, channel=HERE),
        a_message(3, channel=HERE),
        Deletion(a_message(2, channel=HERE).id, AT + DAY),
        Reaction(a_message(3, channel=HERE).id, an_author(1), "🎉", AT),
    )
    await storage.inbox.put([a_message(4, channel=HERE), a_message(5, channel=THERE)])

    assert set(await storage.held.messages(THERE, ALWAYS)) == {"1", "3"}
    assert [tally.count for tally in await storage.readings.reactions([THERE], ALWAYS)] == [1]
    assert (await storage.readings.left_out([THERE], ALWAYS)).waiting == 2


@pytest.mark.parametrize("later_first", [False, True])
async def test_a_channel_that_moves_twice_ends_where_it_moved_last(storage: Storage, later_first: bool):
    on = ChannelMoved(THERE, RANDOM, AT + DAY)
    await record(storage, a_message(1, channel=HERE), a_message(2, channel=THERE), a_message(3, channel=RANDOM))
    await record(storage, *((on, MOVE) if later_first else (MOVE, on)))
    await record(storage, a_message(4, channel=HERE))

    assert [(summary.channel, summary.messages) for summary in await storage.readings.channels()] == [(RANDOM, 4)]


async def test_what_is_kept_of_a_channel_follows_it_once(database: Path, storage: Storage):
    await storage.cursors.advance({HERE: "20", THERE: "100"})
    for name, value in {"began C1": 1, "began C2": 2, "post digest C1 monday": 3, "began C11": 4, "C1s": 5}.items():
        await storage.notes.write(Platform.CONSOLE, "acme", name, value)
    digest = replace(WEEKLY, channel=HERE, channels=(HERE, GENERAL))
    newer = replace(WEEKLY, channel=THERE, sort=Sort.ALERT, channels=())
    team = replace(WEEKLY, channels=(GENERAL, HERE, THERE))
    for wanted in (digest, replace(newer, channel=HERE, is_low=True), newer, team):
        await storage.subscriptions.subscribe(wanted)
    for channel, at in ((HERE, AT), (HERE, AT + WEEK), (THERE, AT)):
        await storage.subscriptions.plan(Due(channel, Sort.DIGEST, at))
    await storage.subscriptions.settle(Due(HERE, Sort.DIGEST, AT), State.POSTED, message="7")

    await record(storage, MOVE)
    once = tables(database)
    await record(storage, MOVE)

    assert tables(database) == once
    assert await storage.cursors.positions(Platform.CONSOLE, "acme") == {THERE: "20"}
    assert await storage.notes.notes(Platform.CONSOLE, "acme", "") == {
        "C1s": 5, "began C11": 4, "began C2": 1, "post digest C2 monday": 3,
    }  # fmt: skip
    assert await storage.subscriptions.subscriptions() == [
        newer, replace(digest, channel=THERE, channels=(THERE, GENERAL)), replace(team, channels=(GENERAL, THERE)),
    ]  # fmt: skip
    posts = await storage.subscriptions.posts(THERE, Sort.DIGEST)
    assert [(post.due.at, post.state, post.message) for post in posts] == [
        (AT + WEEK, State.WAITING, None),
        (AT, State.POSTED, "7"),
    ]


async def test_whatever_statement_fails_nothing_of_a_move_stays(database: Path, storage: Storage):
    await record(
        storage,
        *(
            event
            for channel in (HERE, THERE)
            for event in (
                ChannelSeen(channel, "leads", AT),
                (a_message(1, channel=channel), an_analysis(GLAD, an_entity())),
                (a_message(2, channel=channel, thread=a_message(1, channel=channel).id), an_analysis(ANGRY)),
                Deletion(a_message(3, channel=channel).id, AT),
                Reaction(a_message(1, channel=channel).id, an_author(2), "🎉", AT),
                ReactionsCleared(a_message(2, channel=channel).id, AT),
            )
        ),
    )
    await storage.cursors.advance({HERE: "20", THERE: "100"})
    await storage.notes.write(Platform.CONSOLE, "acme", "began C1", 1)
    await storage.subscriptions.subscribe(replace(WEEKLY, channel=HERE))
    await storage.subscriptions.plan(Due(HERE, Sort.DIGEST, AT))
    await storage.inbox.put([MOVE])
    done = [(waiting, None) for waiting in await storage.inbox.take(10)]
    before = tables(database)

    failures = 0
    while True:
        with failing_at(failures + 1) as seen:
            try:
                await storage.ledger.record(done)
            except StorageError:
                assert tables(database) == before
                failures += 1
            else:
                break

    assert failures == len(seen) > 20
    assert [(row[0], row[1]) for row in tables(database)["readings"]] == [
        ("console/acme/C2", key) for key in ("1", "2", "3")
    ]


@pytest.mark.parametrize("new", [HERE, replace(THERE, workspace="other"), replace(THERE, platform=Platform.OTHER)])
def test_a_channel_only_moves_to_another_id_in_its_workspace(new: Channel):
    with pytest.raises(ValueError, match="another id"):
        ChannelMoved(HERE, new, AT)


async def test_the_latest_name_of_a_channel_wins(storage: Storage):
    await record(storage, ChannelSeen(GENERAL, "new", AT + HOUR), ChannelSeen(GENERAL, "old", AT, private=True))

    assert [(summary.name, summary.private) for summary in await storage.readings.channels()] == [("new", False)]


# ---- Readings ------------------------------------------------------------------------------------------------------


async def test_tallies_are_by_window_author_and_model(storage: Storage):
    await record(
        storage,
        (a_message(1, author=1), an_analysis(GLAD)),
        (a_message(2, author=1), an_analysis(ANGRY)),
        (a_message(3, author=2), an_analysis(CALM, model="example 2")),
        (a_message(4, author=1, at=AT + HOUR), an_analysis(CALM)),
        (a_message(5, author=1, channel=RANDOM), an_analysis(GLAD)),
        (a_message(6, author=1, channel=Channel(Platform.OTHER, "acme", "elsewhere")), an_analysis(GLAD)),
    )

    first, second, third = await storage.readings.tallies([GENERAL, RANDOM], [AT, AT + HOUR, AT + 2 * HOUR, AT + DAY])
    assert sorted(first, key=lambda tally: tally.author) == [
        AuthorTally(an_author(1), "example 1", 3, 0.7, 1.765, negative=1, neutral=0, positive=2),
        AuthorTally(an_author(2), "example 2", 1, 0.0, 0.0, negative=0, neutral=1, positive=0),
    ]
    assert [(tally.author, tally.messages) for tally in second] == [(an_author(1), 1)]
    assert third == ()


@pytest.mark.parametrize("edges", [[AT, AT], [AT + HOUR, AT], [AT, AT + timedelta(minutes=1)]])
async def test_windows_ascend_and_are_whole_quarter_hours(storage: Storage, edges: list[datetime]):
    with pytest.raises(ValueError, match=r"edges ascend|whole quarter hours"):
        await storage.readings.tallies([GENERAL], edges)


async def test_an_unknown_channel_has_no_numbers(storage: Storage):
    nowhere = [Channel(Platform.SLACK, "T1", "C1")]

    assert await storage.readings.tallies(nowhere, [AT, AT + DAY, AT + WEEK]) == ((), ())
    assert await storage.readings.entity(nowhere, "jenkins", [AT, AT + DAY]) == ((),)
    assert await storage.readings.entities(nowhere, TODAY, limit=5) == ()
    assert await storage.readings.entity_names(nowhere) == {}
    assert await storage.readings.threads(nowhere, TODAY, limit=5) == ()
    assert await storage.readings.reactions(nowhere, TODAY) == ()
    assert await storage.readings.left_out(nowhere, TODAY) == LeftOut(0, {}, 0)
    assert await storage.readings.tallies([], [AT, AT + DAY]) == ((),)
    assert await storage.readings.channels() == ()


async def _talk_of_tools(storage: Storage) -> None:
    await record(
        storage,
        (a_message(1, author=1), an_analysis(ANGRY, an_entity("Jenkins"), an_entity("jenkins", start=20))),
        (a_message(2, author=2), an_analysis(GLAD, an_entity("#jenkins"), an_entity("Hudson", start=20))),
        (a_message(3, author=2), an_analysis(GLAD, an_entity("Kubernetes"))),
        (a_message(4, author=3), an_analysis(CALM, an_entity("Berlin", Kind.LOCATION))),
        (a_message(5, author=3), an_analysis(CALM, an_entity("Berlin", Kind.LOCATION))),
        (a_message(6, author=3), an_analysis(CALM, an_entity("berlin", Kind.PRODUCT))),
        (a_message(7, author=1, at=AT + DAY), an_analysis(CALM, an_entity("Jenkins"))),
        (a_message(8, author=9, channel=RANDOM), an_analysis(CALM, an_entity("JENKINS"))),
    )


async def test_entities_are_ordered_by_people_then_messages_then_name(storage: Storage):
    await _talk_of_tools(storage)

    assert await storage.readings.entities([GENERAL], TODAY, limit=10) == (
        EntityTally("jenkins", "Jenkins", Kind.PRODUCT, mentions=3, messages=2, people=2, score=-0.05),
        EntityTally("berlin", "Berlin", Kind.LOCATION, mentions=3, messages=3, people=1, score=0.0),
        EntityTally("hudson", "Hudson", Kind.PRODUCT, mentions=1, messages=1, people=1, score=0.75),
        EntityTally("kubernetes", "Kubernetes", Kind.PRODUCT, mentions=1, messages=1, people=1, score=0.75),
    )
    assert [e.key for e in await storage.readings.entities([GENERAL], TODAY, limit=1)] == ["jenkins"]
    assert [e.key for e in await storage.readings.entities([GENERAL], TODAY, limit=9, kind=Kind.LOCATION)] == ["berlin"]
    half_an_hour = Window(AT - HOUR / 2, AT + HOUR / 4)
    assert [e.key for e in await storage.readings.entities([RANDOM], half_an_hour, limit=9)] == ["jenkins"]


async def test_aliases_apply_to_the_past_and_a_message_that_names_both_is_one(storage: Storage):
    await _talk_of_tools(storage)
    await storage.names.alias("Hudson", "Jenkins")
    await storage.names.alias("berlin", None)

    assert await storage.readings.entities([GENERAL], TODAY, limit=10) == (
        EntityTally("jenkins", "Jenkins", Kind.PRODUCT, mentions=4, messages=2, people=2, score=-0.05),
        EntityTally("kubernetes", "Kubernetes", Kind.PRODUCT, mentions=1, messages=1, people=1, score=0.75),
    )
    windows = await storage.readings.entity([GENERAL], "jenkins", [TODAY.start, TODAY.end, TODAY.end + DAY])
    assert [[(tally.author, tally.messages) for tally in window] for window in windows] == [
        [(an_author(1), 1), (an_author(2), 1)],
        [(an_author(1), 1)],
    ]
    assert await storage.readings.entity([GENERAL], "Hudson", [TODAY.start, TODAY.end]) == windows[:1]
    assert await storage.readings.entity([GENERAL], "Berlin", [TODAY.start, TODAY.end]) == ((),)
    assert await storage.readings.entity_names([GENERAL]) == {"jenkins": "Jenkins", "kubernetes": "Kubernetes"}


async def test_entities_asked_at_once_are_those_asked_one_by_one(storage: Storage):
    await _talk_of_tools(storage)
    await storage.names.alias("Hudson", "Jenkins")
    await storage.names.alias("berlin", None)
    edges = [TODAY.start, AT + HOUR / 4, TODAY.end]
    keys = ["kubernetes", "hudson", "berlin", "nobody", "jenkins"]

    assert await storage.readings.each_entity([GENERAL], keys, edges) == [
        await storage.readings.entity([GENERAL], key, edges) for key in keys
    ]
    assert await storage.readings.each_entity([GENERAL], [], edges) == []


async def test_an_entity_is_named_as_it_is_most_often_written_there(storage: Storage):
    await _talk_of_tools(storage)
    await storage.names.alias("Hudson", "Jenkins")

    assert await storage.readings.entity_named([GENERAL], "jenkins") == ("Jenkins", Kind.PRODUCT)
    assert await storage.readings.entity_named([RANDOM], "jenkins") == ("JENKINS", Kind.PRODUCT)
    assert await storage.readings.entity_named([GENERAL], "hudson") is None
    assert await storage.readings.entity_named([RANDOM], "kubernetes") is None


async def test_names_of_a_private_channel_are_not_offered_elsewhere(storage: Storage):
    await _talk_of_tools(storage)

    assert await storage.readings.entity_names([RANDOM]) == {"jenkins": "JENKINS"}


async def test_threads_are_ordered_by_messages(storage: Storage):
    first, second = a_message(1).id, a_message(2).id
    await record(
        storage,
        ChannelSeen(THREAD, "a thread", AT, parent=GENERAL),
        a_message(1),
        a_message(2),
        (a_message(3, author=2, thread=second), an_analysis(GLAD)),
        (a_message(4, author=3, thread=second), an_analysis(GLAD)),
        (a_message(5, author=2, thread=first), an_analysis(ANGRY)),
        a_message(6, author=2, thread=first, from_bot=True),
        a_message(7, author=2, thread=first, at=AT + DAY),
        *(a_message(number, author=2, channel=THREAD) for number in (8, 9, 10)),
    )

    assert await storage.readings.threads([GENERAL], TODAY, limit=5) == (
        ThreadTally(MessageId(THREAD, "thread"), messages=3, people=1, score=0.0),
        ThreadTally(second, messages=2, people=2, score=1.5),
        ThreadTally(first, messages=1, people=1, score=-0.8),
    )
    assert [t.root for t in await storage.readings.threads([GENERAL, RANDOM], TODAY, limit=1)] == [
        MessageId(THREAD, "thread")
    ]


async def test_reactions_stand_until_they_are_withdrawn_or_cleared(storage: Storage):
    late = AT + HOUR
    await record(
        storage,
        Reaction(a_message(1).id, an_author(2), "👍", AT),  # before its message
        a_message(1),
        a_message(2),
        a_message(3, at=AT + DAY),
        Reaction(a_message(1).id, an_author(3), "👍", AT),
        Reaction(a_message(2).id, an_author(3), "👍", AT),
        Reaction(a_message(1).id, an_author(2), "🎉", late, added=False),
        Reaction(a_message(1).id, an_author(2), "🎉", AT),
        Reaction(a_message(2).id, an_author(2), "😡", AT),
        Reaction(a_message(2).id, an_author(4), "😡", late + HOUR),
        ReactionsCleared(a_message(2).id, late, "😡"),
        Reaction(a_message(3).id, an_author(2), "👍", AT),
        Reaction(a_message(4).id, an_author(2), "👍", AT),  # whose message never comes
        Deletion(a_message(5).id, AT),
        Reaction(a_message(5).id, an_author(2), "👍", AT),
    )

    assert await storage.readings.reactions([GENERAL], TODAY) == (
        ReactionTally("👍", count=3, people=2),
        ReactionTally("😡", count=1, people=1),
    )
    await record(storage, ReactionsCleared(a_message(1).id, late))
    assert await storage.readings.reactions([GENERAL], TODAY) == (
        ReactionTally("👍", count=1, people=1),
        ReactionTally("😡", count=1, people=1),
    )


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("withdrawn_first", [False, True])
async def test_of_a_reaction_given_and_withdrawn_at_one_moment_nothing_stands(
    storage: Storage, together: bool, withdrawn_first: bool
):
    given = Reaction(a_message(1).id, an_author(2), "🎉", AT)
    both = [given, replace(given, added=False)][:: -1 if withdrawn_first else 1]
    await record(storage, a_message(1))
    if together:
        await storage.inbox.put(both)
        await storage.ledger.record([(waiting, None) for waiting in await storage.inbox.take(2)])
    else:
        await record(storage, *both)

    assert await storage.readings.reactions([GENERAL], TODAY) == ()


@pytest.mark.parametrize("later_first", [False, True])
async def test_the_latest_clearing_counts_whenever_it_arrives(storage: Storage, later_first: bool):
    early, late = (ReactionsCleared(a_message(1).id, at) for at in (AT, AT + DAY))
    await record(storage, a_message(1), Reaction(a_message(1).id, an_author(2), "🎉", AT + HOUR))
    await (record(storage, late, early) if later_first else record(storage, early, late))

    assert await storage.readings.reactions([GENERAL], TODAY) == ()


@pytest.mark.parametrize("later_first", [False, True])
async def test_what_was_sent_before_the_latest_deletion_of_its_channel_is_gone(storage: Storage, later_first: bool):
    early, late = (ChannelGone(GENERAL, at, Gone.DELETED) for at in (AT, AT + DAY))
    await (record(storage, late, early) if later_first else record(storage, early, late))
    await record(storage, a_message(1, at=AT + HOUR))

    assert await one_tally(storage) == ()


async def test_what_is_left_out_is_counted_by_its_reason(storage: Storage):
    await record(
        storage,
        ChannelSeen(THREAD, "a thread", AT, parent=GENERAL),
        a_message(1),
        a_message(2, from_bot=True),
        a_message(3, from_bot=True, channel=THREAD),
        (a_message(4), an_analysis(None, language="de")),
        (a_message(5), an_analysis(None, language="fr")),
        (a_message(6), an_analysis(None, language="de")),
        a_message(7, from_bot=True, at=AT + DAY),
    )
    await storage.inbox.put(
        [
            a_message(8),
            a_message(9, channel=THREAD),
            a_message(10, channel=RANDOM),
            a_message(11, at=AT + DAY),
            Deletion(a_message(1).id, AT),
            Reaction(a_message(1).id, an_author(1), "🎉", AT),
        ]
    )

    left = LeftOut(bots=2, languages={"de": 2, "fr": 1}, waiting=2)
    assert await storage.readings.left_out([GENERAL], TODAY) == left
    first = (await storage.inbox.take(1))[0]
    await storage.inbox.set_aside(first.receipt, "odd")
    assert await storage.readings.left_out([GENERAL], TODAY) == replace(left, waiting=1, set_aside=1)


# ---- Names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "meant"), [("k" * 201, "Kubernetes"), ("k8s", "K" * 100_000), ("k" * 201, None)])
async def test_an_alias_that_is_longer_than_any_name_is_refused(storage: Storage, written: str, meant: str | None):
    with pytest.raises(ConfigurationError, match="at most 200 characters"):
        await storage.names.alias(written, meant)

    assert await storage.names.aliases() == ()


async def test_a_new_meaning_that_closes_a_circle_is_not_let_in(storage: Storage):
    await storage.names.alias("foo", "bar")
    await storage.names.alias("baz", "foo")
    before = await storage.names.aliases()

    with pytest.raises(ConfigurationError, match="already"):
        await storage.names.alias("foo", "baz")

    assert await storage.names.aliases() == before


async def test_aliases_are_kept_by_canonical_form(storage: Storage):
    await storage.names.alias("K8s", "Kubernetes")
    await storage.names.alias("#k8s", "kubernetes cluster")
    await storage.names.alias("Hudson", None)

    assert await storage.names.aliases() == (Alias("Hudson", None), Alias("#k8s", "kubernetes cluster"))
    assert await storage.names.unalias("k8s")
    assert not await storage.names.unalias("k8s")
    assert await storage.names.aliases() == (Alias("Hudson", None),)


@pytest.mark.parametrize("chain", [["a"], ["a", "b"], ["a", "b", "c"]])
async def test_aliases_never_go_in_a_circle(storage: Storage, chain: list[str]):
    for written, meant in pairwise(chain):
        await storage.names.alias(written, meant)

    with pytest.raises(ConfigurationError, match="already"):
        await storage.names.alias(chain[-1], chain[0].upper())


@pytest.mark.parametrize(("written", "meant"), [("''", "x"), ("x", "#"), ("", None)])
async def test_an_alias_needs_a_name(storage: Storage, written: str, meant: str | None):
    with pytest.raises(ConfigurationError, match="needs a name"):
        await storage.names.alias(written, meant)


async def test_a_full_disk_is_said_and_loses_nothing(database: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(storage.engine, "_PRAGMAS", (*storage.engine._PRAGMAS, "PRAGMA max_page_count=70"))
    async with open_storage(str(database), KEY) as opened:
        await opened.inbox.put([a_message(1)])
        with pytest.raises(StorageFull, match="make room"):
            await opened.inbox.put([a_message(2, text="x" * 1_000_000)])

        assert [waiting.event for waiting in await opened.inbox.take(5)] == [a_message(1)]
