"""Who reads, as the settings say it: the bundled model, checkpoints, hosted inference, in their order."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bot import doctor
from bot.analysis import Analyzer
from bot.analysis.batching import Batching
from bot.analysis.budget import Budget, Cap, Limits, Spending
from bot.analysis.embedded import Embedded
from bot.analysis.paired import Paired
from bot.errors import ConfigurationError, RoomtoneError
from bot.settings import BUNDLED, Settings

if TYPE_CHECKING:
    from bot.analysis.hosted import Hosted
    from bot.analysis.watch import Watch

Account: TypeAlias = Callable[[], AbstractAsyncContextManager[Spending]]
"""Opens the account of what hosted calls use; asked for it only where hosted inference is on."""


@asynccontextmanager
async def reading(settings: Settings, account: Account) -> AsyncIterator[Analyzer]:
    """Who reads, for many callers at once. Raises ConfigurationError."""
    async with AsyncExitStack() as stack:
        reader = await _in_order(settings, account, stack)
        yield await stack.enter_async_context(Batching(reader))


@asynccontextmanager
async def reading_with(model: str | None, settings: Settings, account: Account) -> AsyncIterator[Analyzer]:
    """The named reader alone, as `roomtone evaluate` is told it, for one caller; None is who reads anyway.

    It remembers nothing, so that its speed is that of reading. Raises ConfigurationError.
    """
    async with AsyncExitStack() as stack:
        if model is None:
            yield await _in_order(settings, account, stack)
        else:
            yield await _reader(model, settings, account, stack)


@asynccontextmanager
async def metered(settings: Settings, account: Account) -> AsyncIterator[Watch | None]:
    """What hosted inference used, for whoever asks; None where it is off. Raises ConfigurationError."""
    if "hosted" not in who_reads(settings):
        yield None
        return
    from bot.analysis.watch import Watch

    async with AsyncExitStack() as stack:
        hosted, budget = await _hosted(settings, account, stack)
        yield Watch(budget, hosted.whoami)


def who_reads(settings: Settings) -> Sequence[str]:
    """The readers in their order, without hosted where it is off. Raises ConfigurationError if nobody is left."""
    order = [name for name in settings.analyzers.split(",") if name != "hosted" or settings.hosted]
    if not order:
        raise ConfigurationError(
            "ROOMTONE_ANALYZERS=hosted, and hosted inference is off. Set ROOMTONE_HOSTED=true, or "
            "ROOMTONE_ANALYZERS=local."
        )
    return order


def tasks(model: str | None) -> tuple[bool, bool]:
    """Whether the reader written as `model` reads sentiment, and names: all read both but a checkpoint named alone.

    Raises ConfigurationError for what names none.
    """
    if model is None or model in {"local", BUNDLED, "embedded", "hosted"}:
        return True, True
    sentiment, names = _two(model)
    if not sentiment and not names:
        raise ConfigurationError(f'"{model}" names no model. Say embedded, hosted, or a checkpoint.')
    return bool(sentiment), bool(names)


async def examined(settings: Settings, account: Account) -> Sequence[doctor.Finding]:
    """What there is to say of each reader that the settings name, and of hosted inference's budget and token."""
    try:
        order = who_reads(settings)
    except ConfigurationError as error:
        return [doctor.Finding("model", False, str(error))]
    # Each by itself, or the second would never be looked at while the first is well.
    findings = [await _examined(name, settings.model_copy(update={"analyzers": name}), account) for name in order]
    if "hosted" in order:
        findings += await _examined_hosted(settings, account)
    return findings


async def _examined(name: str, settings: Settings, account: Account) -> doctor.Finding:
    subject = "model" if name == "local" else f"{name} model"
    begun = time.monotonic()
    try:
        async with reading(settings, account) as analyzer:
            (analysis,) = await analyzer.analyze(["Thanks, the build works again!"])
    except RoomtoneError as error:
        return doctor.Finding(subject, False, str(error))
    return doctor.Finding(subject, True, f"{analysis.model}, first answer after {time.monotonic() - begun:.2f} s.")


async def _examined_hosted(settings: Settings, account: Account) -> Sequence[doctor.Finding]:
    try:
        async with AsyncExitStack() as stack:
            hosted, budget = await _hosted(settings, account, stack)
            try:
                facts, silent = await hosted.whoami(), ""
            except RoomtoneError as error:
                facts, silent = None, str(error)
            status = await budget.status(facts=facts)
            token = doctor.hosted_token(status, silent=silent)
            return [doctor.hosted_budget(status), *(token if settings.hosted_token else ())]
    except ConfigurationError:
        return []  # said by the reader itself
    except RoomtoneError as error:
        return [doctor.Finding("hosted budget", False, str(error))]


async def _in_order(settings: Settings, account: Account, stack: AsyncExitStack) -> Analyzer:
    """Who reads, as the settings say it."""
    readers = {name: await _reader(name, settings, account, stack) for name in who_reads(settings)}
    if list(readers) == ["local"] and isinstance(readers["local"], Embedded):
        return readers["local"]
    from bot.analysis.fallback import Fallback

    return await stack.enter_async_context(Fallback(readers, deadline=settings.batch_deadline))


async def _reader(written: str, settings: Settings, account: Account, stack: AsyncExitStack) -> Analyzer:
    """The reader called `written`: local, embedded (or bundled), hosted, or checkpoints as SENTIMENT+NAMES."""
    match written:
        case "hosted":
            hosted, _ = await _hosted(settings, account, stack)
            sentiment, names = settings.hosted_sentiment_model != BUNDLED, settings.hosted_ner_model != BUNDLED
            return await _completed(hosted, stack, sentiment=sentiment, names=names)
        case "local" if settings.sentiment_model or settings.ner_model:
            checkpoint = await _checkpoint(settings.sentiment_model, settings.ner_model, settings, stack)
            return await _completed(
                checkpoint, stack, sentiment=bool(settings.sentiment_model), names=bool(settings.ner_model)
            )
        case "local" | "embedded" | "bundled":
            return await stack.enter_async_context(Embedded())
        case _:
            return await _checkpoint(*_two(written), settings, stack)


async def _completed(reader: Analyzer, stack: AsyncExitStack, *, sentiment: bool, names: bool) -> Analyzer:
    """`reader`, which does the tasks that are true; the bundled model does the other."""
    if sentiment and names:
        return reader
    bundled = await stack.enter_async_context(Embedded())
    return Paired(reader, bundled) if sentiment else Paired(bundled, reader)


def _two(written: str) -> tuple[str, str]:
    sentiment, _, names = (written, "", "") if Path(written).is_dir() else written.partition("+")
    return sentiment, names


async def _checkpoint(sentiment: str, names: str, settings: Settings, stack: AsyncExitStack) -> Analyzer:
    from bot.analysis.checkpoint import Checkpoint, Device, Precision, Source
    from bot.analysis.labels import explained

    checkpoint = Checkpoint(
        Source.of(sentiment, explained(settings.sentiment_labels)) if sentiment else None,
        Source.of(names, explained(settings.ner_labels)) if names else None,
        device=Device(settings.device),
        precision=Precision(settings.precision),
    )
    return await stack.enter_async_context(checkpoint)


async def _hosted(settings: Settings, account: Account, stack: AsyncExitStack) -> tuple[Hosted, Budget]:
    # Here, since httpx takes its time to load and most never need it.
    from bot.analysis.hosted import ROUTER, Endpoint, Hosted
    from bot.analysis.labels import explained
    from bot.analysis.transport import Token

    if not settings.hosted:
        raise ConfigurationError("Hosted inference is off. ROOMTONE_HOSTED=true switches it on; read docs/models.md.")

    def endpoint(model: str, url: str, labels: str) -> Endpoint | None:
        if model == BUNDLED:
            return None
        meanings = explained(labels)
        return Endpoint(url, model, meanings) if url else Endpoint.at(model, base=settings.hosted_url, labels=meanings)

    sentiment = endpoint(
        settings.hosted_sentiment_model, settings.hosted_sentiment_url, settings.hosted_sentiment_labels
    )
    names = endpoint(settings.hosted_ner_model, settings.hosted_ner_url, settings.hosted_ner_labels)
    if sentiment is None and names is None:
        raise ConfigurationError(
            "ROOMTONE_HOSTED is on, and the bundled model does both tasks: name a hosted model for one of them, or "
            "switch hosted inference off."
        )
    written = settings.hosted_token
    if written is None and any(one.url.startswith(ROUTER) for one in (sentiment, names) if one):
        raise ConfigurationError(
            "ROOMTONE_HOSTED is on, and ROOMTONE_HOSTED_TOKEN isn't set: put a token with the right to make inference "
            "calls there, or the address of your own server into ROOMTONE_HOSTED_URL."
        )
    token = None if written is None else Token(written.get_secret_value())
    spending = await stack.enter_async_context(account())
    limits = Limits(
        day=Cap(settings.hosted_requests_per_day, settings.hosted_characters_per_day),
        month=Cap(settings.hosted_requests_per_month, settings.hosted_characters_per_month),
    )
    budget = Budget(spending, limits, fingerprint=token.fingerprint if token else "")
    hosted = Hosted(
        sentiment,
        names,
        budget,
        token=token,
        texts_per_request=settings.hosted_texts_per_request,
        region=settings.hosted_region.upper() or None,
        ca_file=settings.hosted_ca_file,
    )
    return await stack.enter_async_context(hosted), budget
