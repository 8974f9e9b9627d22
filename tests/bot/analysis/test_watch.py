"""What an answer says of hosted inference, asked of a real hub on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from bot.analysis.budget import Budget, Limits, TokenAge
from bot.analysis.hosted import Endpoint, Hosted
from bot.analysis.transport import Token
from bot.analysis.watch import Watch
from tests.bot.analysis.spending import InMemorySpending
from tests.servers.inference import SENTIMENT_MODEL, Inference

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def watching(server: Inference, *, access: dict[str, object] | None) -> AsyncIterator[Watch]:
    server.whoami = {"type": "user", "auth": {"accessToken": access}} if access else {}
    budget = Budget(InMemorySpending(), Limits(), fingerprint="a token", now=lambda: NOW)
    endpoint = Endpoint.at(SENTIMENT_MODEL, base=f"{server.url}/models")
    async with Hosted(endpoint, None, budget, token=Token("hf_" + "x" * 34), hub=server.url) as hosted:
        yield Watch(budget, hosted.whoami)


async def settled(watch: Watch) -> None:
    """Wait for what the hub says, however long a busy machine takes."""
    while watch._asking is not None:
        await asyncio.wait([watch._asking])


async def test_a_token_that_may_write_is_pointed_out_with_the_age_that_its_issuer_tells() -> None:
    created = (NOW - timedelta(days=40)).isoformat()
    async with Inference() as server, watching(server, access={"role": "write", "createdAt": created}) as watch:
        await watch.status()
        await settled(watch)
        status = await watch.status()

    assert (status.token_age, status.token_days, status.can_write) == (TokenAge.ROTATE, 40, True)
    assert status.warnings == (
        "The token is 40 days old: replace it soon.",
        "The token may write to repositories: replace it by one for inference calls alone.",
    )


async def test_a_hub_that_says_nothing_keeps_no_answer_from_being_given() -> None:
    async with Inference() as server, watching(server, access=None) as watch:
        await watch.status()
        await settled(watch)
        status = await watch.status()

    assert (status.token_age, status.token_days, status.can_write) == (TokenAge.FRESH, 0, None)
    assert status.warnings == ()
