from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import structlog
import time_machine

from bot.analysis import Analysis
from bot.analysis.fallback import Circuit, Fallback
from bot.errors import ConfigurationError, Refused, Unavailable
from tests.examples import an_analysis


class Reader:
    """Reads under its own name, or fails as it is told."""

    def __init__(self, model: str, error: BaseException | None = None) -> None:
        self.model = model
        self.error = error
        self.calls = 0
        self.ended = 0
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        self.calls += 1
        await self.may_read.wait()
        self.ended += 1
        if self.error is not None:
            raise self.error
        return [an_analysis(model=self.model) for _ in texts]


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def models(analyses: Sequence[Analysis]) -> list[str]:
    return [analysis.model for analysis in analyses]


async def test_the_first_in_order_answers() -> None:
    local, hosted = Reader("local 1"), Reader("hosted:a")
    async with Fallback({"local": local, "hosted": hosted}) as fallback:
        answer = await fallback.analyze(["hello", "there"])

    assert models(answer) == ["local 1", "local 1"]
    assert hosted.calls == 0


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("The model can't be loaded."),
        MemoryError(),
        OSError(28, "No space left on device"),
        ConfigurationError("LABEL_0 means nothing."),
        Refused("Not this text."),
        RuntimeError("a mistake"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_where_one_fails_the_next_answers_and_each_analysis_names_who_did(error: BaseException) -> None:
    async with Fallback({"local": Reader("local 1", error), "hosted": Reader("hosted:a")}) as fallback:
        answer = await fallback.analyze(["hello"])

    assert models(answer) == ["hosted:a"]


async def test_an_analyzer_that_is_too_slow_hands_over_and_is_not_torn_off() -> None:
    slow, quick = Reader("slow 1"), Reader("quick 1")
    slow.may_read.clear()
    async with Fallback({"slow": slow, "quick": quick}, deadline=0.02) as fallback:
        answer = await fallback.analyze(["hello"])
        slow.may_read.set()
        await turns()

        assert models(answer) == ["quick 1"]
        assert slow.ended == 1
        assert fallback.status()[0].problem == "No answer within 0.02 s."


async def test_an_answer_for_another_number_of_texts_hands_over() -> None:
    class Forgetful(Reader):
        async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
            return (await super().analyze(texts))[1:]

    async with Fallback({"forgetful": Forgetful("f 1"), "careful": Reader("c 1")}) as fallback:
        assert models(await fallback.analyze(["one", "two"])) == ["c 1", "c 1"]


async def test_if_nobody_can_read_the_messages_wait_and_every_reason_is_said() -> None:
    local, hosted = Reader("l", MemoryError()), Reader("h", Unavailable("The server is busy.", retry_after=7))
    async with Fallback({"local": local, "hosted": hosted}) as fallback:
        with pytest.raises(Unavailable, match=r"local: MemoryError\. hosted: The server is busy\.") as nobody:
            await fallback.analyze(["hello"])

    assert nobody.value.retry_after == 7


async def test_a_wait_until_midnight_does_not_keep_the_others_from_being_asked_sooner() -> None:
    local, hosted = Reader("l", MemoryError()), Reader("h", Unavailable("Used up.", retry_after=40_000))
    async with Fallback({"local": local, "hosted": hosted}, rest=30) as fallback:
        with pytest.raises(Unavailable) as nobody:
            await fallback.analyze(["hello"])

    assert nobody.value.retry_after == 30


async def test_what_everybody_refuses_is_refused() -> None:
    refused = Refused("The server refuses this input (413).")
    async with Fallback({"a": Reader("a", refused), "b": Reader("b", refused)}) as fallback:
        with pytest.raises(Refused, match="a: The server refuses"):
            await fallback.analyze(["hello"])


async def test_what_one_refuses_while_another_is_away_waits() -> None:
    readers = {"a": Reader("a", Refused("Not this.")), "b": Reader("b", Unavailable("Away."))}
    async with Fallback(readers) as fallback:
        with pytest.raises(Unavailable, match="a: Not this"):
            await fallback.analyze(["hello"])


async def test_a_mistake_in_the_program_is_not_hidden_where_nobody_else_reads() -> None:
    reader = Reader("a", RuntimeError("a mistake over 'hello'"))
    async with Fallback({"a": reader}, failures=1) as fallback:
        for _ in range(3):
            with pytest.raises(RuntimeError, match="a mistake"):
                await fallback.analyze(["hello"])

        # It says nothing about the next text, so the circuit stays closed, and its words stay out of the status.
        (status,) = fallback.status()
    assert (status.circuit, status.problem) == (Circuit.CLOSED, "RuntimeError.")


async def test_after_failures_in_a_row_an_analyzer_rests_and_is_not_asked() -> None:
    local, hosted = Reader("l", Unavailable("Broken.")), Reader("h")
    with structlog.testing.capture_logs() as logs:
        async with Fallback({"local": local, "hosted": hosted}, failures=3, rest=30) as fallback:
            for _ in range(5):
                await fallback.analyze(["hello"])

            assert local.calls == 3
            assert [reader.circuit for reader in fallback.status()] == [Circuit.OPEN, Circuit.CLOSED]
    assert [(line["event"], line["analyzer"], line["why"]) for line in logs] == [
        ("an analyzer rests", "local", "Broken.")
    ]


async def test_a_resting_analyzer_alone_says_how_long_it_rests_and_why() -> None:
    with time_machine.travel(datetime(2026, 11, 24, 12, tzinfo=UTC), tick=False) as clock:
        async with Fallback({"local": Reader("l", Unavailable("Broken."))}, failures=1, rest=30) as fallback:
            with pytest.raises(Unavailable):
                await fallback.analyze(["hello"])
            clock.shift(timedelta(seconds=10))
            with pytest.raises(Unavailable, match=r"local: Broken\.") as resting:
                await fallback.analyze(["hello"])

    assert resting.value.retry_after == 20


async def test_after_its_rest_one_batch_tries_it_while_the_others_go_on_to_the_next() -> None:
    with time_machine.travel(datetime(2026, 11, 24, 12, tzinfo=UTC), tick=False) as clock:
        local, hosted = Reader("l", Unavailable("Broken.")), Reader("h")
        async with Fallback({"local": local, "hosted": hosted}, failures=1, rest=30) as fallback:
            await fallback.analyze(["hello"])
            clock.shift(timedelta(seconds=31))
            local.error = None
            local.may_read.clear()
            callers = [asyncio.create_task(fallback.analyze(["hello"])) for _ in range(10)]
            await turns()
            half_open = fallback.status()[0].circuit
            local.may_read.set()
            answers = await asyncio.gather(*callers)
            afterwards = await fallback.analyze(["hello"])

    assert half_open is Circuit.HALF_OPEN
    assert local.calls == 1 + 1 + 1  # the failure, the one trial, and the first call after it
    assert sorted(models(answer)[0] for answer in answers) == ["h"] * 9 + ["l"]
    assert models(afterwards) == ["l"]


async def test_a_trial_that_fails_makes_it_rest_again() -> None:
    with time_machine.travel(datetime(2026, 11, 24, 12, tzinfo=UTC), tick=False) as clock:
        local = Reader("l", Unavailable("Broken."))
        async with Fallback({"local": local, "hosted": Reader("h")}, failures=1, rest=30) as fallback:
            await fallback.analyze(["hello"])
            clock.shift(timedelta(seconds=31))
            await fallback.analyze(["hello"])
            await fallback.analyze(["hello"])

    assert local.calls == 2


async def test_a_refusal_is_no_illness() -> None:
    local = Reader("l", Refused("Not this text."))
    async with Fallback({"local": local, "hosted": Reader("h")}, failures=2) as fallback:
        for _ in range(5):
            await fallback.analyze(["hello"])

        assert local.calls == 5
        assert fallback.status()[0].circuit is Circuit.CLOSED


async def test_a_caller_that_goes_away_neither_tears_the_call_off_nor_counts_as_a_failure() -> None:
    reader = Reader("a")
    reader.may_read.clear()
    async with Fallback({"a": reader}, failures=1) as fallback:
        caller = asyncio.create_task(fallback.analyze(["hello"]))
        await turns()
        caller.cancel()
        await turns()
        reader.may_read.set()
        await turns()
        (status,) = fallback.status()

    assert caller.cancelled()
    assert reader.ended == 1
    assert (status.circuit, status.answered, status.failed) == (Circuit.CLOSED, 1, 0)


async def test_leaving_ends_what_still_runs_and_tells_whoever_waits() -> None:
    reader = Reader("a")
    reader.may_read.clear()
    async with Fallback({"a": reader}) as fallback:
        caller = asyncio.create_task(fallback.analyze(["hello"]))
        await turns()

    with pytest.raises(Unavailable, match="stopping"):
        await caller
    assert reader.ended == 0


def test_somebody_has_to_read() -> None:
    with pytest.raises(ValueError, match="somebody"):
        Fallback({})
