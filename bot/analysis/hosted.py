"""Inference over HTTP: Hugging Face's router, a dedicated endpoint, or one's own server."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, assert_never

import httpx
import stamina
import structlog
from cachetools import TTLCache

from bot.analysis import HOSTED, Analysis, Entity, Sentiment, responses
from bot.analysis.budget import Budget, TokenFacts
from bot.analysis.labels import NOTHING_SAID, Piece, Scale, Tags
from bot.analysis.masking import Masked, mask
from bot.analysis.responses import Malformed, Miscounted
from bot.analysis.transport import DEFAULT_PATIENCE, Failed, Patience, Token, Transport
from bot.analysis.windows import Window, as_sent, mean, says_something, windows
from bot.errors import ConfigurationError, Refused, RoomtoneError, StorageError, Unavailable
from bot.text import Plain, plain

ROUTER = "https://router.huggingface.co/hf-inference/models"
HUB = "https://huggingface.co"

WINDOW = 400
"""Code points sent as one input: under the 512 tokens that most encoders take, in any script."""

_PLAIN = "It is what it is."
"""What is sent to learn whether a refusal is about a text or about everything."""

_log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers. `labels` explain its labels or tags where their names don't.

    Raises ConfigurationError for an address that isn't https, unless it is on this machine or in its own network.
    """

    url: str
    model: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"The address for the model {self.model} isn't one: {error}.") from None
        if url.userinfo or url.query or url.fragment:
            raise ConfigurationError(
                f"Give the address for {self.model} without a password, ? or #; the token goes apart."
            )
        if url.scheme != "https" and not (url.scheme == "http" and _is_near(url.host)):
            raise ConfigurationError(f"The address for the model {self.model} must begin with https://.")

    @classmethod
    def at(cls, model: str, *, base: str = ROUTER, labels: Mapping[str, str] | None = None) -> Self:
        """The endpoint of a hub model behind `base`."""
        return cls(f"{base.rstrip('/')}/{model}", model, labels or {})


class _Task(StrEnum):
    SENTIMENT = "text-classification"
    ENTITIES = "token-classification"


class Hosted:
    """Asks a text-classification or a token-classification model over HTTP, or one of each; an Analyzer.

    What it has no model for it leaves out: `sentiment` is then None, or `entities` empty.

    Only plain, masked text leaves the machine: no mention, link, block of code, address, number or key is in it. Calls
    are charged to `budget` before they are sent, retries too. What was answered is kept in memory for a quarter of an
    hour, so that a batch that failed half-way is not paid for twice. `texts_per_request` above one sends lists, which
    Hugging Face's servers take; one that doesn't is noticed and asked singly from then on. `region` is where telephone
    numbers without a country code are at home.

    Use it as an async context manager.
    """

    def __init__(
        self,
        sentiment: Endpoint | None,
        entities: Endpoint | None,
        budget: Budget,
        *,
        token: Token | None = None,
        texts_per_request: int = 16,
        concurrent: int = 4,
        patience: Patience = DEFAULT_PATIENCE,
        region: str | None = None,
        ca_file: Path | None = None,
        answer_bytes: int = 4_000_000,
        hub: str = HUB,
    ) -> None:
        asked = {_Task.SENTIMENT: sentiment, _Task.ENTITIES: entities}
        self._endpoints = {task: endpoint for task, endpoint in asked.items() if endpoint is not None}
        if not self._endpoints:
            raise ValueError("a hosted model is asked for something")
        self._budget = budget
        self._token = token
        self._texts_per_request = texts_per_request
        self._lists_refused = dict.fromkeys(self._endpoints, 0)
        self._places = asyncio.Semaphore(concurrent)
        self._patience = patience
        self._region = region
        self._transport = Transport(
            token=token,
            patience=patience,
            connections=2 * concurrent,  # never fewer than calls, or waiting for one would look like a broken pool
            ca_file=ca_file,
            answer_bytes=answer_bytes,
        )
        self._hub = hub
        self._paid: TTLCache[tuple[_Task, str], Sentiment | tuple[Entity, ...]] = TTLCache(8192, 900)
        self._hold_until = dict.fromkeys(self._endpoints, 0.0)
        self._flying: set[asyncio.Task[Any]] = set()

    @property
    def model(self) -> str:
        """The name that readings carry; it begins with `hosted:`."""
        return HOSTED + "+".join(endpoint.model for endpoint in self._endpoints.values())

    async def __aenter__(self) -> Self:
        # stamina's own hook warns at every retry, and with a decorated function's arguments.
        stamina.instrumentation.set_on_retry_hooks([_note_retry])
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        flying = list(self._flying)
        for one in flying:
            one.cancel()
        if flying:
            await asyncio.wait(flying)
        await self._transport.__aexit__(kind, error, traceback)

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """Read every text.

        Raises Unavailable, with the wait the server asked for, when it can't be reached, is over budget or answers
        nonsense; Refused for a text that it won't take while it takes others.
        """
        plans = {text: _Plan.of(text, self._region) for text in dict.fromkeys(texts)}
        chunks = list(dict.fromkeys(window.text for plan in plans.values() for window in plan.windows))
        # Taken out before the others come, as what is paid for may age away meanwhile.
        wanted = [(task, chunk) for task in self._endpoints for chunk in chunks]
        answers = {key: self._paid[key] for key in wanted if key in self._paid}
        calls = []
        for task in self._endpoints:
            missing = [chunk for chunk in chunks if (task, chunk) not in answers]
            size = self._texts_per_request if self._takes_lists(task) else 1
            calls += [self._group(task, missing[at : at + size]) for at in range(0, len(missing), size)]
        for read in await _all(calls):
            answers |= read
        return [self._analysis(text, plans[text], answers) for text in texts]

    async def whoami(self) -> TokenFacts | None:
        """What the hub says of the token; None where there is none of the hub's.

        Raises Unavailable where the hub can't be asked or won't say.
        """
        if self._token is None or not self._token.secret.startswith("hf_"):
            return None  # another server's token is none of the hub's business
        body = await self._fly(self._transport.exchange("GET", f"{self._hub}/api/whoami-v2"))
        try:
            return _token_facts(responses.decoded(body))
        except Malformed as error:
            raise Unavailable(str(error)) from None

    def _analysis(self, text: str, plan: _Plan, answers: _Answers) -> Analysis:
        if not plan.windows:
            return Analysis(NOTHING_SAID, (), self.model)
        sentiments, entities = list[tuple[Sentiment, float]](), list[Entity]()
        for window in plan.windows:
            for task in self._endpoints:
                read = answers[task, window.text]
                if isinstance(read, Sentiment):
                    sentiments.append((read, len(window.text)))
                    continue
                for entity in read:
                    masked = plan.masked.covers(entity.start + window.start, entity.end + window.start)
                    if not masked and (written := as_sent(entity, window.start, plan.plain, text)) is not None:
                        entities.append(written)
        return Analysis(mean(sentiments) if sentiments else None, tuple(entities), self.model)

    async def _group(self, task: _Task, chunks: Sequence[str]) -> _Answers:
        if len(chunks) > 1:
            try:
                answers = await self._ask(task, chunks)
                self._lists_refused[task] = 0
                return answers
            except (Refused, _Miscounted):
                pass  # one of the texts, or a server that takes no lists: asking singly tells
        answers = {}
        for chunk in chunks:
            answers |= await self._single(task, chunk)
        if len(chunks) > 1:
            self._lists_refused[task] += 1
            if not self._takes_lists(task):
                _log.warning("a hosted model takes one text at a time", model=self._endpoints[task].model)
        return answers

    def _takes_lists(self, task: _Task) -> bool:
        # Once may be a server's bad moment.
        return self._lists_refused[task] < 2

    async def _single(self, task: _Task, chunk: str) -> _Answers:
        try:
            return await self._ask(task, [chunk])
        except Refused as refused:
            try:
                await self._ask(task, [_PLAIN])
            except Refused as everything:
                raise Unavailable(f"{everything} It refuses every other too: look at its address and model.") from None
            raise refused from None

    async def _ask(self, task: _Task, chunks: Sequence[str]) -> _Answers:
        patience = self._patience
        async for attempt in stamina.retry_context(
            on=self._again,
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.first_wait,
            wait_max=patience.longest_wait,
            wait_jitter=patience.first_wait,
        ):
            with attempt:
                await self._places.acquire()
                # The place is given back by the call itself, which may outlast its caller.
                return await self._fly(self._attempt(task, chunks), then=self._places.release)
        raise AssertionError("stamina ends by returning or raising")

    def _again(self, error: Exception) -> bool | float:
        if not isinstance(error, Failed) or not error.again:
            return False
        if error.retry_after is None:
            return True
        # A little apart, or everybody who was told the same second comes back in it.
        apart = random.uniform(0, self._patience.first_wait)  # noqa: S311 – no secret
        return error.retry_after + apart if error.retry_after <= self._patience.longest_wait else False

    async def _fly(self, call: Coroutine[Any, Any, T], *, then: Callable[[], None] = lambda: None) -> T:
        """The outcome of `call`, which goes on to its end even where the caller goes away.

        A request cancelled in the middle may keep its place in httpx's pool for good (encode/httpcore#1093).
        """
        task = asyncio.create_task(call)
        self._flying.add(task)
        task.add_done_callback(self._landed)
        task.add_done_callback(lambda _: then())
        await asyncio.wait([task])
        if task.cancelled():
            raise Unavailable("Roomtone is stopping; what waits is read after the next start.")
        return task.result()

    def _landed(self, task: asyncio.Task[Any]) -> None:
        self._flying.discard(task)
        if not task.cancelled():
            task.exception()  # seen: nobody may be waiting any more

    async def _attempt(self, task: _Task, chunks: Sequence[str]) -> _Answers:
        loop = asyncio.get_running_loop()
        if (hold := self._hold_until[task] - loop.time()) > 0:
            raise Failed("The server asked for a pause.", again=True, sent=False, retry_after=hold)
        characters = sum(map(len, chunks))
        try:
            periods = await self._budget.charge(characters)
        except StorageError as error:
            raise Unavailable(f"The hosted budget can't be kept, so nothing is sent: {error}") from error
        began, sent, reason = loop.time(), True, "The call was interrupted."
        try:
            answers = await self._answers(task, chunks)
            reason = ""
        except RoomtoneError as error:
            reason = str(error)
            if isinstance(error, Failed):
                sent = error.sent
                self._hold_until[task] = loop.time() + (error.retry_after or 0)
            raise
        finally:
            try:
                await self._budget.settle(
                    periods, characters=characters, sent=sent, seconds=loop.time() - began, reason=reason
                )
            except StorageError as error:
                # It is charged, which is what must be right; only its time and outcome go unrecorded.
                _log.warning("a hosted call's outcome was not recorded", why=str(error))
        self._paid.update(answers)
        return answers

    async def _answers(self, task: _Task, chunks: Sequence[str]) -> _Answers:
        endpoint = self._endpoints[task]
        question = {"inputs": chunks if len(chunks) > 1 else chunks[0], "parameters": _PARAMETERS[task]}
        body = await self._transport.exchange("POST", endpoint.url, json.dumps(question).encode())
        try:
            answer = responses.decoded(body)
            read: Sequence[Sentiment | tuple[Entity, ...]]
            match task:
                case _Task.SENTIMENT:
                    read = _sentiments(endpoint, responses.classified(answer, len(chunks)))
                case _Task.ENTITIES:
                    read = _entities(endpoint, chunks, responses.tagged(answer, chunks))
                case _:
                    assert_never(task)
        except ConfigurationError as error:
            raise Unavailable(str(error)) from None
        except Miscounted as error:
            raise _Miscounted(f"{endpoint.model}: {error}") from None
        except ValueError as error:  # Malformed, and scores or pieces that can't be
            raise Failed(f"{endpoint.model}: {error}") from None
        return dict(zip(((task, chunk) for chunk in chunks), read, strict=True))


_Answers: TypeAlias = dict[tuple[_Task, str], Sentiment | tuple[Entity, ...]]

_PARAMETERS: Mapping[_Task, Mapping[str, object]] = {
    _Task.SENTIMENT: {"top_k": 20},  # all labels of any scale, not the best alone
    _Task.ENTITIES: {"aggregation_strategy": "simple"},
}


class _Miscounted(Failed):
    """The server answered for another number of texts than it was asked."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What of a text is sent."""

    plain: Plain
    masked: Masked
    windows: tuple[Window, ...]

    @classmethod
    def of(cls, text: str, region: str | None) -> _Plan:
        written = plain(text)
        masked = mask(written.text, region=region)
        pieces = windows(masked.text, WINDOW) if says_something(written) else ()
        return cls(written, masked, tuple(piece for piece in pieces if piece.text.strip()))


def _note_retry(details: stamina.instrumentation.RetryDetails) -> None:
    _log.debug(
        "a hosted call is tried again", retry=details.retry_num, wait_s=details.wait_for, why=str(details.caused_by)
    )


async def _all(calls: Sequence[Coroutine[Any, Any, T]]) -> Sequence[T]:
    """What all calls give; the first to fail ends the wait for the others, and its error is raised."""
    if not calls:
        return ()
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return [task.result() for task in tasks]


def _sentiments(endpoint: Endpoint, rows: Sequence[Mapping[str, float]]) -> Sequence[Sentiment]:
    names = dict.fromkeys([*endpoint.labels, *(name for row in rows for name in row)])
    if not endpoint.labels and any(len(row) == 1 for row in rows):
        raise ConfigurationError(
            f"{endpoint.model} names only its best label for a text. Say what all of its labels mean, such as "
            f"NEGATIVE=negative,POSITIVE=positive."
        )
    scale = Scale.of(names, endpoint.labels, model=endpoint.model)
    return [scale.sentiment(row) for row in rows]


def _entities(endpoint: Endpoint, sent: Sequence[str], rows: Sequence[Sequence[Piece]]) -> Sequence[tuple[Entity, ...]]:
    tags = Tags({piece.tag for row in rows for piece in row}, endpoint.labels, model=endpoint.model)
    return [tags.entities(text, row) for text, row in zip(sent, rows, strict=True)]


def _token_facts(answer: object) -> TokenFacts:
    auth = answer.get("auth") if isinstance(answer, Mapping) else None
    access = auth.get("accessToken") if isinstance(auth, Mapping) else None
    if not isinstance(access, Mapping) or not isinstance(role := access.get("role"), str):
        raise Malformed("The hub says nothing of the token's rights.")
    created = access.get("createdAt")
    try:
        created_at = datetime.fromisoformat(created).astimezone(UTC) if isinstance(created, str) else None
    except ValueError:
        created_at = None
    return TokenFacts(role, role in {"write", "admin"} or _writes(access.get("fineGrained")), created_at)


def _writes(fine_grained: object) -> bool:
    """Does a fine-grained token hold any right to write, besides the one that calls models ("inference.….write")?"""
    match fine_grained:
        case str():
            return fine_grained.endswith(".write") and not fine_grained.startswith("inference.")
        case Mapping():
            return any(_writes(value) for key, value in fine_grained.items() if key != "entity")
        case list():
            return any(_writes(value) for value in fine_grained)
        case _:
            return False


def _is_near(host: str) -> bool:
    """Is it this machine, or one that only its own network knows?"""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan"))
    return address.is_private or address.is_loopback
