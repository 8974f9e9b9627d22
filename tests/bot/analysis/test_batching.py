from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.analysis import Analysis, Kind, Sentiment
from bot.analysis.batching import Batching
from bot.errors import Refused, Unavailable
from tests.examples import an_analysis, an_entity


def a_reading(text: str, model: str = "reader 1") -> Analysis:
    """Another one for every text, so that a mixed-up answer shows."""
    positive = (hash(text) % 1000) / 1000
    return an_analysis(Sentiment(1 - positive, 0, positive), model=model, language=text)


class Reader:
    """Reads slowly enough that callers pile up; keeps what it was asked."""

    def __init__(self, model: str = "reader 1") -> None:
        self.model = model
        self.batches: list[tuple[str, ...]] = []
        self.error: BaseException | None = None
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        self.batches.append(tuple(texts))
        await self.may_read.wait()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return [a_reading(text, self.model) for text in texts]


async def turns(count: int = 10) -> None:
    """Let everything that is ready go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_callers_of_one_moment_share_one_batch() -> None:
    reader = Reader()
    async with Batching(reader) as batching:
        answers = await asyncio.gather(*(batching.analyze([f"message {n}"]) for n in range(20)))

    assert reader.batches == [tuple(f"message {n}" for n in range(20))]
    assert [list(answer) for answer in answers] == [[a_reading(f"message {n}")] for n in range(20)]


async def test_what_is_asked_during_a_batch_gathers_for_the_next() -> None:
    reader = Reader()
    async with Batching(reader) as batching:
        reader.may_read.clear()
        first = asyncio.create_task(batching.analyze(["first"]))
        await turns()
        others = [asyncio.create_task(batching.analyze([f"later {n}"])) for n in range(3)]
        await turns()
        reader.may_read.set()
        await asyncio.gather(first, *others)

    assert reader.batches == [("first",), ("later 0", "later 1", "later 2")]


async def test_no_batch_is_larger_than_the_limit() -> None:
    reader = Reader()
    async with Batching(reader, limit=4) as batching:
        answer = await batching.analyze([str(n) for n in range(10)])

    assert [len(batch) for batch in reader.batches] == [4, 4, 2]
    assert list(answer) == [a_reading(str(n)) for n in range(10)]


async def test_a_text_that_several_callers_want_is_read_once() -> None:
    reader = Reader()
    long = "the deploy is broken again " * 10
    async with Batching(reader) as batching:
        reader.may_read.clear()
        callers = [asyncio.create_task(batching.analyze([long, long])) for _ in range(2)]
        await turns()
        callers.append(asyncio.create_task(batching.analyze([long])))
        await turns()
        reader.may_read.set()
        answers = await asyncio.gather(*callers)

    assert reader.batches == [(long,)]
    assert [len(answer) for answer in answers] == [2, 2, 1]


async def test_short_texts_are_remembered_and_long_ones_are_not() -> None:
    reader = Reader()
    long = "l" + "o" * 60 + "ng"
    async with Batching(reader, remembered_length=10) as batching:
        await batching.analyze(["+1", long])
        again = await batching.analyze(["+1", long])

    assert reader.batches == [("+1", long), (long,)]
    assert list(again) == [a_reading("+1"), a_reading(long)]


async def test_the_memory_is_bounded_and_forgets_the_least_recently_used() -> None:
    reader = Reader()
    async with Batching(reader, remembered=2) as batching:
        for text in ("+1", "lol", "+1", "thanks!", "+1", "lol"):
            await batching.analyze([text])

    assert reader.batches == [("+1",), ("lol",), ("thanks!",), ("lol",)]


async def test_what_is_remembered_is_no_text_nor_a_hash_that_another_process_could_try() -> None:
    class Naming:
        async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
            return [an_analysis(None, an_entity(text[3:], Kind.PERSON, 3)) for text in texts]

    async with Batching(Naming()) as one, Batching(Naming()) as other:
        read = [await batching.analyze(["to Ada"]) for batching in (one, other, one)]

        assert {analysis.entities[0].text for (analysis,) in read} == {"Ada"}
        ((mark, kept),), ((others, _),) = ([(key, held) for (key, _), held in b._memory.items()] for b in (one, other))
        assert isinstance(mark, bytes)
        assert mark != others
        assert "Ada" not in repr(mark) + str([(name.text, name.start, name.end) for name in kept.entities])


async def test_nothing_is_remembered_where_the_memory_is_switched_off() -> None:
    reader = Reader()
    async with Batching(reader, remembered=0) as batching:
        await batching.analyze(["+1"])
        await batching.analyze(["+1"])

    assert reader.batches == [("+1",), ("+1",)]


async def test_after_a_change_of_model_the_old_ones_memories_are_not_given_out() -> None:
    reader = Reader("old 1")
    async with Batching(reader) as batching:
        await batching.analyze(["+1", "lol"])
        reader.model = "new 1"
        await batching.analyze(["something else"])
        answer = await batching.analyze(["+1"])

    assert list(answer) == [a_reading("+1", "new 1")]


async def test_a_caller_that_goes_away_does_not_hurt_the_others() -> None:
    reader = Reader()
    async with Batching(reader) as batching:
        reader.may_read.clear()
        leaving = asyncio.create_task(batching.analyze(["shared", "its own"]))
        staying = asyncio.create_task(batching.analyze(["shared", "another"]))
        await turns()
        leaving.cancel()
        await turns()
        reader.may_read.set()
        answer = await staying

    assert leaving.cancelled()
    assert list(answer) == [a_reading("shared"), a_reading("another")]


async def test_texts_that_nobody_waits_for_any_more_are_not_read() -> None:
    reader = Reader()
    async with Batching(reader) as batching:
        reader.may_read.clear()
        first = asyncio.create_task(batching.analyze(["first"]))
        await turns()
        leaving = asyncio.create_task(batching.analyze(["abandoned", "wanted by two"]))
        staying = asyncio.create_task(batching.analyze(["wanted by two"]))
        await turns()
        leaving.cancel()
        await turns()
        reader.may_read.set()
        await asyncio.gather(first, staying)

    assert reader.batches == [("first",), ("wanted by two",)]


async def test_an_error_reaches_every_caller_of_its_batch_and_no_other() -> None:
    reader = Reader()
    async with Batching(reader) as batching:
        reader.error = Unavailable("the model is loading")
        failed = await asyncio.gather(*(batching.analyze([f"message {n}"]) for n in range(3)), return_exceptions=True)
        reader.error = None
        answer = await batching.analyze(["message 0"])

    assert [str(error) for error in failed] == ["the model is loading"] * 3
    assert list(answer) == [a_reading("message 0")]


async def test_refusals_pass_through_as_they_are() -> None:
    reader = Reader()
    reader.error = Refused("the token may not do this")
    async with Batching(reader) as batching:
        with pytest.raises(Refused, match="may not do this"):
            await batching.analyze(["hello"])


async def test_a_reading_that_was_cancelled_from_inside_is_unavailable_and_the_next_one_is_read() -> None:
    reader = Reader()
    reader.error = asyncio.CancelledError()
    async with Batching(reader) as batching:
        with pytest.raises(Unavailable):
            await batching.analyze(["hello"])
        reader.error = None

        assert list(await batching.analyze(["hello"])) == [a_reading("hello")]


async def test_an_analyzer_that_loses_a_text_is_an_error_and_not_a_shifted_answer() -> None:
    class Forgetful(Reader):
        async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
            return [a_reading(text) for text in texts[1:]]

    async with Batching(Forgetful()) as batching:
        with pytest.raises(ValueError, match="another number"):
            await batching.analyze(["one", "two"])


async def test_whoever_still_waits_at_the_end_is_told_to_try_later() -> None:
    reader = Reader()
    async with Batching(reader, limit=1) as batching:
        reader.may_read.clear()
        waiting = [asyncio.create_task(batching.analyze([text])) for text in ("being read", "queued")]
        await turns()

    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [Unavailable, Unavailable]


async def test_no_texts_need_no_batch() -> None:
    reader = Reader()
    async with Batching(reader) as batching:
        assert list(await batching.analyze([])) == []

    assert reader.batches == []


async def test_outside_of_its_lifetime_it_reads_nothing() -> None:
    batching = Batching(Reader())

    with pytest.raises(RuntimeError):
        await batching.analyze(["hello"])


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Batching(Reader(), limit=0)


@given(
    calls=st.lists(
        st.tuples(
            st.lists(
                st.sampled_from(["+1", "lol", "", "deploy", "d" * 99, "\ud800", "🎉"]) | st.text(max_size=60),
                max_size=6,
            ),
            st.booleans(),  # does the caller go away?
            st.integers(0, 4),  # how long it waits before asking
        ),
        max_size=12,
    ),
    limit=st.integers(1, 5),
    remembered=st.integers(0, 3),
)
async def test_whoever_stays_gets_the_readings_of_their_own_texts_in_order(
    calls: list[tuple[list[str], bool, int]], limit: int, remembered: int
) -> None:
    reader = Reader()

    async def ask(batching: Batching, texts: list[str], pause: int) -> Sequence[Analysis]:
        await turns(pause)
        return await batching.analyze(texts)

    async with Batching(reader, limit=limit, remembered=remembered) as batching:
        callers = [asyncio.create_task(ask(batching, texts, pause)) for texts, _, pause in calls]
        await turns(2)
        for caller, (_, leaves, _) in zip(callers, calls, strict=True):
            if leaves:
                caller.cancel()
        staying = [caller for caller, (_, leaves, _) in zip(callers, calls, strict=True) if not leaves]
        answers = await asyncio.gather(*staying)

    assert [list(answer) for answer in answers] == [
        [a_reading(text) for text in texts] for texts, leaves, _ in calls if not leaves
    ]
    assert all(0 < len(batch) <= limit for batch in reader.batches)
