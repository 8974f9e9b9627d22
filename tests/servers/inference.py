"""A real server on loopback that speaks the hosted inference API, and every way of failing at it.

Its two models are a dozen words and the rule that a name is capitalised: enough to tell texts apart, the same every
time. Run it by hand with `python -m tests.servers.inference`, and it prints the settings that point Roomtone at it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import ssl
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

SENTIMENT_MODEL = "acme/mood"
ENTITIES_MODEL = "acme/names"

GLAD = {"love", "great", "amazing", "good", "thanks", "happy", "wonderful", "excellent"}
ANGRY = {"hate", "terrible", "broken", "bad", "worst", "awful", "disappointed", "fails"}
PLACES = {"Paris", "Berlin", "London", "Cupertino", "California", "Seattle"}
COMPANIES = {"Apple", "Microsoft", "Google", "Acme", "Amazon"}


@dataclass(frozen=True)
class Asked:
    """A request that arrived: everything that left the other side."""

    model: str
    texts: tuple[str, ...]
    authorization: str
    listed: bool


Behaviour = Callable[["Inference", web.Request, Asked], Awaitable[web.StreamResponse]]


def scores(text: str) -> dict[str, float]:
    """What the sentiment model thinks of a text."""
    words = re.findall(r"\w+", text.lower())
    glad, angry = sum(word in GLAD for word in words), sum(word in ANGRY for word in words)
    total = 1 + 4 * (glad + angry)
    return {"negative": (0.1 + 4 * angry) / total, "neutral": 0.8 / total, "positive": (0.1 + 4 * glad) / total}


def names(text: str) -> list[dict[str, Any]]:
    """The names the tagger sees in a text, as the API writes them."""
    found = []
    for match in re.finditer(r"\w{3,}", text):
        word = match[0]
        if not word[0].isupper():
            continue
        group = "LOC" if word in PLACES else "ORG" if word in COMPANIES else "PER"
        found.append({"entity_group": group, "score": 0.97, "word": word, "start": match.start(), "end": match.end()})
    return found


class Inference:
    """The server. `behaviours` are used up first, one a request; after them `always`; failing that, it works."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.behaviours: list[Behaviour] = []
        self.always: Behaviour = works
        self.at_once = 0
        self.most_at_once = 0
        self.whoami: dict[str, Any] = {
            "type": "user",
            "auth": {"type": "access_token", "accessToken": {"displayName": "roomtone", "role": "read"}},
        }
        self.arrived = asyncio.Event()
        """Set by the first request."""
        self.released = asyncio.Event()
        """Set, lets go of whoever hangs."""
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/models/{model:.+}", self._answer)
        app.router.add_get("/api/whoami-v2", self._whoami)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"{'https' if self._tls else 'http'}://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def texts(self) -> list[str]:
        """Every text that arrived."""
        return [text for asked in self.asked for text in asked.texts]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        inputs = body["inputs"]
        asked = Asked(
            request.match_info["model"],
            tuple(inputs) if isinstance(inputs, list) else (inputs,),
            request.headers.get("Authorization", ""),
            isinstance(inputs, list),
        )
        self.asked.append(asked)
        self.arrived.set()
        behaviour = self.behaviours.pop(0) if self.behaviours else self.always
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await behaviour(self, request, asked)
        finally:
            self.at_once -= 1

    async def _whoami(self, request: web.Request) -> web.StreamResponse:
        if not request.headers.get("Authorization"):
            return web.json_response({"error": "Unauthorized"}, status=401)
        return web.json_response(self.whoami)


def answer_to(asked: Asked) -> object:
    """The right answer, in today's shape: a list for each text."""
    if asked.model == SENTIMENT_MODEL:
        rows = [[{"label": label, "score": score} for label, score in scores(text).items()] for text in asked.texts]
        return [sorted(row, key=lambda item: -float(str(item["score"]))) for row in rows]
    return [names(text) for text in asked.texts] if asked.listed else names(asked.texts[0])


async def works(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    return web.json_response(answer_to(asked))


async def packed(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    """The right answer, gzipped."""
    body = gzip.compress(json.dumps(answer_to(asked)).encode())
    return web.Response(body=body, headers={"Content-Encoding": "gzip"}, content_type="application/json")


async def one_list(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    """The older shape: a list of dicts for a single text."""
    answer = answer_to(asked)
    if asked.model == SENTIMENT_MODEL and not asked.listed:
        assert isinstance(answer, list)
        answer = answer[0]
    return web.json_response(answer)


async def best_labels(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    """An older shape still: each text's best label alone."""
    answer = answer_to(asked)
    if asked.model == SENTIMENT_MODEL:
        assert isinstance(answer, list)
        answer = [row[0] for row in answer]
    return web.json_response(answer)


async def hangs(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    """Takes the question and never says a word."""
    await server.released.wait()
    return web.Response(status=500)


async def hangs_in_the_body(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'[[{"label": "posi')
    await server.released.wait()
    return response


async def trickles(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    """Sends a space every few hundredths of a second, for ever."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while not server.released.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.02)
    return response


async def resets(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def breaks_off(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    """Promises more than it sends."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"[[")
    assert request.transport is not None
    request.transport.abort()
    return response


async def web_page(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    return web.Response(text="<!doctype html><title>Sign in to the hotel's network</title>", content_type="text/html")


async def bad_gateway(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")


async def bomb(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    """64 MB of spaces in 64 kB."""
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(b" " * 2**20) for _ in range(64)]
    return web.Response(
        body=b"".join([*parts, packer.flush()]), headers={"Content-Encoding": "gzip"}, content_type="application/json"
    )


async def ten_megabytes(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionError):
        for _ in range(160):
            await response.write(b" " * 2**16)
    return response


async def moved(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": f"{server.url}/models/elsewhere"})


async def loading(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    return web.json_response({"error": f"Model {asked.model} is loading", "estimated_time": 0.05}, status=503)


def says(value: object, *, status: int = 200) -> Behaviour:
    """Answers with any JSON at all."""

    async def behave(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
        return web.json_response(value, status=status)

    return behave


def writes(body: bytes, **headers: str) -> Behaviour:
    """Answers with any bytes at all."""

    async def behave(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Type": "application/json", **headers})

    return behave


def status(code: int, *, retry_after: str | None = None) -> Behaviour:
    """Answers with an error object that quotes the text, as servers do."""

    async def behave(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return web.json_response({"error": f"cannot read {asked.texts!r}"}, status=code, headers=headers)

    behave.__name__ = f"status {code}" + ("" if retry_after is None else f" retry after {retry_after}")
    return behave


def refuses(unwanted: Callable[[str], bool], code: int = 400) -> Behaviour:
    """Refuses a request that holds an unwanted text, and works otherwise."""

    async def behave(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
        refused = any(unwanted(text) for text in asked.texts)
        return await (status(code) if refused else works)(server, request, asked)

    return behave


async def takes_no_lists(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
    return await (status(422) if asked.listed else works)(server, request, asked)


def at_random(share: float, failures: Sequence[Behaviour], *, seed: int = 1) -> Behaviour:
    """Fails for a share of the requests, in one of the given ways."""
    dice = random.Random(seed)

    async def behave(server: Inference, request: web.Request, asked: Asked) -> web.StreamResponse:
        return await (dice.choice(failures) if dice.random() < share else works)(server, request, asked)

    return behave


async def _demo() -> None:
    async with Inference() as server:
        print(f"Listening since {datetime.now(UTC):%H:%M} UTC. Put this into .env, and stop with Ctrl-C:\n")
        print("ROOMTONE_ANALYZERS=hosted\nROOMTONE_HOSTED=true")
        print(f"ROOMTONE_HOSTED_URL={server.url}/models")
        print(f"ROOMTONE_HOSTED_SENTIMENT_MODEL={SENTIMENT_MODEL}\nROOMTONE_HOSTED_NER_MODEL={ENTITIES_MODEL}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_demo())
