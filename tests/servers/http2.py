"""A server on loopback that speaks HTTP/2 alone, over TLS, and gives every request the same answer."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded


class Http2:
    """The server. `requests` are the headers of every request, by connection."""

    def __init__(self, tls: ssl.SSLContext, answer: bytes) -> None:
        tls.set_alpn_protocols(["h2"])
        self._tls = tls
        self._answer = answer
        self._server: asyncio.Server | None = None
        self.requests: list[list[dict[str, str]]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.url = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        spoken.initiate_connection()
        requests: list[dict[str, str]] = []
        self.requests.append(requests)
        writer.write(spoken.data_to_send())
        while data := await reader.read(65_536):
            for event in spoken.receive_data(data):
                if isinstance(event, RequestReceived):
                    requests.append({str(name): str(value) for name, value in event.headers})
                elif isinstance(event, StreamEnded):
                    spoken.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/json")])
                    spoken.send_data(event.stream_id, self._answer, end_stream=True)
            writer.write(spoken.data_to_send())
        writer.close()
