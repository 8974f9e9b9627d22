"""The latest revision wins and a tombstone beats all: how a history arrives leaves no trace in the tables."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.analysis import Analysis, Kind, Sentiment
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
    Pseudonym,
    Reaction,
    ReactionsCleared,
)
from storage import Storage
from tests.examples import AT, an_analysis, an_author, an_entity
from tests.storage.tables import empty, recomputed, tables

ROOM = Channel(Platform.DISCORD, "acme", "room")
OTHER = Channel(Platform.DISCORD, "acme", "other")
THIRD = Channel(Platform.DISCORD, "acme", "third")
THREAD = Channel(Platform.DISCORD, "acme", "thread")
MOMENTS = [AT + timedelta(hours=5) * n for n in range(-2, 4)]
SHY = an_author(9)
"""Opts out in some histories; nobody else's messages become theirs."""

places = st.sampled_from([ROOM, OTHER, THREAD])
moves = st.lists(st.sampled_from([ROOM, OTHER, THIRD]), min_size=2, max_size=2, unique=True)
names = st.builds(MessageId, places, st.sampled_from(["1", "2", "3"]))
moments = st.sampled_from(MOMENTS)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    name = draw(names)
    sent_at = AT + timedelta(minutes=17 * int(name.id))  # a message is sent once, however often it is edited
    shy = name.id == "3"
    return Message(
        id=name,
        author=SHY if shy else an_author(draw(st.integers(1, 2))),
        sent_at=sent_at,
        revised_at=sent_at + timedelta(milliseconds=draw(st.integers(0, 1))),
        text=draw(st.sampled_from(["fine", "Jenkins is down", "jenkins, Jenkins and Kubernetes", "auf Deutsch"])),
        thread=draw(st.sampled_from([None, MessageId(name.channel, "1")])),
        from_bot=draw(st.sampled_from([False, False, False, True])),
    )


events = st.one_of(
    messages(),
    messages(),
    messages(),
    st.builds(Deletion, names, moments),
    st.builds(Reaction, names, st.sampled_from([an_author(1), SHY]), st.sampled_from("👍🎉"), moments, st.booleans()),
    st.builds(ReactionsCleared, names, moments, st.sampled_from([None, "👍"])),
    st.builds(ChannelSeen, st.sampled_from([ROOM, OTHER]), st.sampled_from(["a", "b"]), moments, st.booleans()),
    st.builds(ChannelSeen, st.just(THREAD), st.just("thread"), moments, st.just(False), st.just(ROOM)),
    st.builds(ChannelGone, places, moments, st.sampled_from([Gone.LEFT, Gone.ARCHIVED, Gone.DELETED])),
    st.builds(lambda ids, at: ChannelMoved(ids[0], ids[1], at), moves, moments),
)


def analysis_of(message: Message) -> Analysis | None:
    """The same text, the same reading."""
    if message.from_bot:
        return None
    match message.text:
        case "auf Deutsch":
            return an_analysis(None, language="de")
        case "fine":
            return an_analysis(Sentiment(0.1, 0.2, 0.7))
        case "Jenkins is down":
            return an_analysis(Sentiment(0.77777, 0.11111, 0.11112), an_entity("Jenkins"))
        case _:
            return an_analysis(
                Sentiment(0.3, 0.4, 0.3),
                an_entity("jenkins"),
                an_entity("Jenkins", start=9),
                an_entity("Kubernetes", Kind.PRODUCT, start=21),
                model="example 2",
            )


async def arrive(storage: Storage, history: Sequence[Event | Pseudonym], batch: int) -> None:
    """Let `history` arrive, `batch` events at a time; a pseudonym in it opts out at that point."""
    waiting: list[Event] = []
    for event in (*history, None):
        if isinstance(event, str) or event is None or len(waiting) == batch:
            await storage.inbox.put(waiting)
            while taken := await storage.inbox.take(batch):
                await storage.ledger.record(
                    [(w, analysis_of(w.event) if isinstance(w.event, Message) else None) for w in taken]
                )
            waiting = []
        if isinstance(event, str):
            await storage.ledger.opt_out(event)
        elif event is not None:
            waiting.append(event)


@pytest.mark.timeout(600)  # a hundred histories, each told twice; 1,000 with --hypothesis-profile=deep
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the tables are emptied before each telling
@given(
    history=st.lists(events, min_size=4, max_size=16),
    opting_out=st.sampled_from([None, SHY]),
    seed=st.integers(0, 2**32),
    batches=st.tuples(st.integers(1, 3), st.integers(1, 20)),
)
async def test_any_shuffle_repetition_and_batching_of_a_history_gives_the_same_tables(
    database: Path,
    storage: Storage,
    history: list[Event],
    opting_out: Pseudonym | None,
    seed: int,
    batches: tuple[int, int],
) -> None:
    order = random.Random(seed)
    told: list[list[Event | Pseudonym]] = [list(history), [*history, *order.sample(history, len(history) // 2)]]
    order.shuffle(told[1])
    for telling in told:
        if opting_out:
            telling.insert(order.randint(0, len(telling)), opting_out)

    found = []
    for telling, batch in zip(told, batches, strict=True):
        empty(database)
        await arrive(storage, telling, batch)
        found.append(tables(database))

    assert found[0] == found[1]
    assert recomputed(found[0]) == (found[0]["rollups"], found[0]["spellings"])
    assert found[0]["inbox"] == []
