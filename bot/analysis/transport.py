"""One exchange with an inference server: the body of a good answer, or an error that says whether to try again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import ssl
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import structlog

from bot.analysis import responses
from bot.analysis.responses import Malformed
from bot.errors import ConfigurationError, Refused, Unavailable

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; never shown. Raises ConfigurationError for what can't be one."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        # An HTTP library that refuses a header prints it; so refuse it first.
        if not re.fullmatch(r"[\x21-\x7e]{4,512}", self.secret):
            raise ConfigurationError(
                "The token has spaces, line ends or other characters that no token has. Copy it anew."
            )

    @property
    def fingerprint(self) -> str:
        """Names the token without telling it: 16 hex digits of its SHA-256."""
        return hashlib.sha256(self.secret.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is waited for, in seconds, and how often it is tried.

    `whole` bounds one call from its start to the end of its body, however steadily it trickles. A wait that the server
    asks for is kept where it is at most `longest_wait`; beyond that the batch is given up for now.
    """

    connect: float = 5.0
    write: float = 10.0
    read: float = 30.0
    pool: float = 10.0
    whole: float = 60.0
    attempts: int = 4
    first_wait: float = 0.5
    longest_wait: float = 20.0


DEFAULT_PATIENCE = Patience()


class Failed(Unavailable):
    """No good answer. `again` where the same call is worth another try; not `sent` where nothing left this machine."""

    def __init__(
        self, message: str, *, again: bool = False, sent: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.again = again
        self.sent = sent


class Transport:
    """Carries single calls over HTTP/2 or 1.1 on connections that are kept open and, when they break, made anew.

    Answers of more than `answer_bytes`, packed or unpacked, aren't read to their end. `ca_file` adds certificates of
    one's own. A call whose caller goes away must be let run on: one cancelled in the middle may keep its place in
    httpx's pool for good (encode/httpcore#1093).

    Use it as an async context manager. Raises ConfigurationError for a certificate file that can't be read.
    """

    def __init__(
        self,
        *,
        token: Token | None = None,
        patience: Patience = DEFAULT_PATIENCE,
        connections: int = 8,
        ca_file: Path | None = None,
        answer_bytes: int = 4_000_000,
    ) -> None:
        self._token = token
        self._patience = patience
        self._most = connections
        self._ca_file = ca_file
        self._answer_bytes = answer_bytes
        self._tls: ssl.SSLContext | None = None
        self._connections: _Connections | None = None

    async def __aenter__(self) -> Self:
        logging.getLogger("hpack").setLevel(logging.INFO)  # its debug lines show every header, the token's too
        self._tls = await asyncio.to_thread(_tls, self._ca_file)
        self._connections = self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.retire()

    async def exchange(self, method: str, url: str, content: bytes = b"") -> bytes:
        """The body of a good answer. Raises Refused for a bad input, Failed for everything else."""
        connections = self._connections
        if connections is None:
            raise RuntimeError("Transport carries only inside its `async with`")
        # The body is given up without tearing anything; this is for a server that never gets through its headers.
        call = asyncio.create_task(self._send(connections, method, url, content))
        try:
            done, _ = await asyncio.wait([call], timeout=self._patience.whole + self._patience.read)
            if done:
                return call.result()
        finally:
            call.cancel()
            await asyncio.wait([call])
        await self._replace(connections)
        raise Failed("The server didn't come to an end in time.")

    async def _send(self, connections: _Connections, method: str, url: str, content: bytes) -> bytes:
        headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "roomtone"}
        if content:
            headers["content-type"] = "application/json"
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.secret}"
        try:
            async with (
                connections as client,
                client.stream(method, url, content=content or None, headers=headers) as response,
            ):
                body = await self._body(response)
        except httpx.PoolTimeout:
            await self._replace(connections)
            raise Failed("No connection came free; the connections were made anew.", again=True, sent=False) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if certificate := _certificate_problem(error):
                raise Failed(f"The server's certificate is not accepted: {certificate}.", sent=False) from None
            raise Failed("The server can't be reached.", again=True, sent=False) from None
        except httpx.TimeoutException:
            raise Failed("The server began and didn't go on in time.") from None
        except httpx.TransportError:
            raise Failed("The connection broke.", again=True) from None
        except httpx.HTTPError as error:
            raise Failed(f"The server's answer could not be read ({type(error).__name__}).") from None
        _check(response, body)
        return body

    async def _body(self, response: httpx.Response) -> bytes:
        ends = asyncio.get_running_loop().time() + self._patience.whole
        raw = bytearray()
        async for part in response.aiter_raw():
            raw += part
            if len(raw) > self._answer_bytes:
                raise Failed(f"The answer is larger than {self._answer_bytes:,} bytes; it was not read.")
            if asyncio.get_running_loop().time() > ends:
                raise Failed(f"The answer took longer than {self._patience.whole:g} s; it was not read.")
        match response.headers.get("content-encoding", "identity").lower():
            case "identity" | "":
                return bytes(raw)
            case "gzip" | "deflate":
                return _inflated(bytes(raw), self._answer_bytes)
            case _:
                raise Failed("The answer is compressed in a way that wasn't asked for.")

    def _connect(self) -> _Connections:
        patience = self._patience
        assert self._tls is not None
        return _Connections(
            httpx.AsyncClient(
                http2=True,
                verify=self._tls,
                timeout=httpx.Timeout(
                    connect=patience.connect, read=patience.read, write=patience.write, pool=patience.pool
                ),
                limits=httpx.Limits(max_connections=self._most, max_keepalive_connections=self._most),
                follow_redirects=False,  # the token goes where it was meant to go and nowhere else
            )
        )

    async def _replace(self, broken: _Connections) -> None:
        if self._connections is broken:
            self._connections = self._connect()
            _log.warning("hosted connections were made anew")
            await broken.retire()


class _Connections:
    """A client that is closed once it is retired and its last call has ended."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._calls = 0
        self._retired = False

    async def __aenter__(self) -> httpx.AsyncClient:
        self._calls += 1
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._calls -= 1
        await self._close()

    async def retire(self) -> None:
        self._retired = True
        await self._close()

    async def _close(self) -> None:
        if self._retired and self._calls == 0:
            await self._client.aclose()


def _check(response: httpx.Response, body: bytes) -> None:
    """Raise what the status means, unless it is good. The server's own words go unused: they may quote the text."""
    match status := response.status_code:
        case _ if 200 <= status < 300:
            return
        case 401:
            raise Failed("The server doesn't accept the token (401). Give it a valid one; the messages wait.")
        case 402:
            raise Failed("The provider's credit is used up (402). The messages wait.")
        case 403:
            raise Failed("The token may not call this model (403): it needs the right to make inference calls.")
        case 404 | 410:
            raise Failed(f"The server knows no such model ({status}). Look at the model's name and address.")
        case 400 | 413 | 422:
            raise Refused(f"The server refuses this input ({status}).")
        case 408 | 425 | 429 | 502 | 503 | 504:
            raise Failed(
                f"The server is busy or not ready ({status}).", again=True, retry_after=_asked_wait(response, body)
            )
        case _ if 300 <= status < 400:
            raise Failed(f"The server has moved ({status}), and a token isn't sent on. Set the new address.")
        case _:
            raise Failed(f"The server failed ({status}).")


def _asked_wait(response: httpx.Response, body: bytes) -> float | None:
    """The seconds that `Retry-After` (RFC 9110, §10.2.3: seconds or a date) or a loading model's answer name.

    At most an hour: a server that names more may well be mistaken, and is asked again.
    """
    header = response.headers.get("retry-after", "").strip()
    seconds: float | None = None
    if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", header):
        seconds = float(header)
    elif header:
        try:
            seconds = (parsedate_to_datetime(header).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    else:
        try:
            seconds = responses.estimated_time(responses.decoded(body))
        except Malformed:
            return None
    return None if seconds is None else min(max(0.0, seconds), 3600.0)


def _inflated(raw: bytes, most: int) -> bytes:
    inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, by their own heads
    try:
        body = inflate.decompress(raw, most + 1)
    except zlib.error:
        raise Failed("The compressed answer can't be read.") from None
    if len(body) > most:
        raise Failed(f"The answer is larger than {most:,} bytes unpacked; it was not read.")
    if not inflate.eof:
        raise Failed("The compressed answer ends too early.")
    return body


def _certificate_problem(error: BaseException) -> str:
    """Why a certificate isn't accepted, where that is what the error comes from; else nothing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message or "it can't be verified"
        cause = cause.__cause__ or cause.__context__
    return ""


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"The certificates in {ca_file} can't be read ({type(error).__name__}).") from None
    return context
