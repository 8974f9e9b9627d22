"""Messages read by a hosted model that fails: none is lost, none counted twice, and nobody has to restart anything."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from bot import doctor
from bot.analysis.batching import Batching
from bot.analysis.budget import Budget, Cap, Limits, day
from bot.analysis.fallback import Fallback
from bot.analysis.hosted import Endpoint, Hosted
from bot.analysis.transport import Patience, Token
from bot.errors import Unavailable
from bot.ingest import Ingest
from storage import Storage
from tests.examples import AT, GENERAL, WEEK, a_message
from tests.servers import inference
from tests.servers.inference import ENTITIES_MODEL, SENTIMENT_MODEL, Behaviour, Inference

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PATIENT = Patience(connect=20, write=20, read=20, pool=20, whole=30, attempts=3, first_wait=0.001, longest_wait=0.1)
HURRIED = replace(PATIENT, read=1.5, whole=2)

STORMS = {
    "slow start": inference.hangs,
    "hang in the middle of a body": inference.hangs_in_the_body,
    "trickle": inference.trickles,
    "reset": inference.resets,
    "broken off": inference.breaks_off,
    "wrong JSON": inference.says({"sentiment": "fine"}),
    "HTML page": inference.web_page,
    "HTML error page": inference.bad_gateway,
    "gzip bomb": inference.bomb,
    "ten megabytes": inference.ten_megabytes,
    "429": inference.status(429),
    "429 and a pause": inference.status(429, retry_after="0.3"),
    "loading": inference.loading,
    "401": inference.status(401),
    "403": inference.status(403),
    "404": inference.status(404),
    "413 to everything": inference.status(413),
    "422 to everything": inference.status(422),
    "400 to everything": inference.status(400),
    "500": inference.status(500),
    "redirect": inference.moved,
}


@asynccontextmanager
async def ingesting(
    server: Inference, storage: Storage, *, limits: Limits | None = None, patience: Patience = PATIENT, **more: object
) -> AsyncIterator[tuple[Ingest, Budget]]:
    base = f"{server.url}/models"
    budget = Budget(storage.spending, limits or Limits(), now=lambda: NOW)
    async with (
        Hosted(
            Endpoint.at(SENTIMENT_MODEL, base=base),
            Endpoint.at(ENTITIES_MODEL, base=base),
            budget,
            token=Token("hf_" + "x" * 34),
            patience=patience,
            **more,  # type: ignore[arg-type]
        ) as hosted,
        Fallback({"hosted": hosted}, rest=0.05) as fallback,
        Batching(fallback) as batching,
    ):
        yield Ingest(storage.inbox, batching, storage.ledger), budget


async def messages_read(storage: Storage) -> int:
    (tallies,) = await storage.readings.tallies([GENERAL], [AT, AT + 52 * WEEK])
    return sum(tally.messages for tally in tallies)


async def drained(ingest: Ingest, storage: Storage, *, tries: int = 400) -> None:
    """Go on as the worker does, without its pauses."""
    for _ in range(tries):
        try:
            await ingest.drain()
        except Unavailable:
            continue
        if (await storage.inbox.count()).waiting == 0:
            return
    raise AssertionError("messages still wait")


@pytest.mark.parametrize("storm", STORMS.values(), ids=STORMS.keys())
async def test_in_a_storm_messages_wait_the_reason_is_kept_and_afterwards_each_is_read_once(
    storage: Storage, storm: Behaviour
) -> None:
    async with Inference() as server, ingesting(server, storage, patience=HURRIED) as (ingest, budget):
        server.always = storm
        await ingest.accept(*(a_message(n, text=f"thanks Grace, that was number {n}") for n in range(1, 21)))
        with pytest.raises(Unavailable):
            await ingest.drain()
        during = await storage.inbox.count()
        status = await budget.status()
        server.always = inference.works
        await drained(ingest, storage)

        assert (during.waiting, during.set_aside) == (20, 0)
        assert status.problem is not None
        assert status.problem.reason in doctor.hosted_budget(status).says
        assert await messages_read(storage) == 20
        assert (await storage.spending.uses([day(NOW)]))[day(NOW)].requests == len(server.asked)


async def test_messages_wait_for_an_expired_certificate_to_be_renewed(storage: Storage, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    now = datetime.now(UTC)

    def issue(until: datetime) -> None:
        authority.issue_cert("127.0.0.1", not_before=now - WEEK, not_after=until).configure_cert(tls)

    issue(now - timedelta(days=1))
    async with (
        Inference(tls=tls) as server,
        ingesting(server, storage, patience=HURRIED, ca_file=tmp_path / "ca.pem") as (ingest, budget),
    ):
        await ingest.accept(*(a_message(n, text=f"thanks Grace, that was number {n}") for n in range(1, 21)))
        with pytest.raises(Unavailable, match="expired"):
            await ingest.drain()
        during = await storage.inbox.count()
        said = doctor.hosted_budget(await budget.status()).says
        issue(now + timedelta(days=1))
        await drained(ingest, storage)

    assert (during.waiting, during.set_aside) == (20, 0)
    assert "expired" in said
    assert await messages_read(storage) == 20


async def test_over_budget_messages_wait_and_are_read_when_there_is_budget_again(storage: Storage) -> None:
    async with Inference() as server:
        async with ingesting(server, storage, limits=Limits(day=Cap(requests=1))) as (ingest, budget):
            await ingest.accept(*(a_message(n) for n in range(1, 21)))
            with pytest.raises(Unavailable, match="used up"):
                await ingest.drain()
            warnings = (await budget.status()).warnings
        asked = len(server.asked)
        async with ingesting(server, storage, limits=Limits(day=Cap(requests=100))) as (ingest, _):
            await drained(ingest, storage)

    assert asked == 1
    assert warnings == ("The budget of 1 requests today is used up.",)
    assert await messages_read(storage) == 20


@pytest.mark.timeout(600)  # half a minute on a free machine
async def test_ten_thousand_messages_with_a_third_of_the_calls_failing_are_each_counted_once(storage: Storage) -> None:
    failures = [
        inference.status(429, retry_after="0.001"), inference.status(502), inference.status(503), inference.status(500),
        inference.resets, inference.breaks_off, inference.web_page,
    ]  # fmt: skip
    async with Inference() as server, ingesting(server, storage, texts_per_request=64) as (ingest, _):
        server.always = inference.at_random(0.3, failures)
        for start in range(1, 10_001, 1_000):
            await ingest.accept(*(a_message(n, text=f"thanks, number {n}") for n in range(start, start + 1_000)))
        await drained(ingest, storage)
        use = (await storage.spending.uses([day(NOW)]))[day(NOW)]

    assert await messages_read(storage) == 10_000
    assert (use.requests, use.characters) == (len(server.asked), sum(map(len, server.texts)))
    assert (await storage.inbox.count()).set_aside == 0
