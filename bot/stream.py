"""Reading a stream: a message a line in, one object a line out, in order."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import RawIOBase
from typing import Any

from bot.analysis import Analyzer
from bot.shapes import analysis_as_json

STREAM_BATCH = 256
"""Lines read together at most."""

CHUNK = 2**16
"""Bytes taken at once, where as many have arrived."""


async def analyze_stream(
    analyzer: Analyzer, given: RawIOBase, *, write: Callable[[Mapping[str, Any]], None], jsonl: bool
) -> int:
    """Read a message a line and write one object a line, in order; returns how many lines were no message.

    Whatever has arrived is read together, and a lone line at once: a pipe is quick, a person isn't kept waiting.
    `given` is raw: Python can't end while a thread waits inside a buffered file.
    """
    arrived: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4 * STREAM_BATCH)
    loop = asyncio.get_running_loop()

    def pump() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody wants more
            for line in _lines(given):
                asyncio.run_coroutine_threadsafe(arrived.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(arrived.put(None), loop).result()

    bad = number = 0
    # No thread of the loop's own: its end would be waited for, and this one may wait for a line that never comes.
    threading.Thread(target=pump, name="lines", daemon=True).start()
    ended = False
    while not ended:
        batch = [await arrived.get()]
        while len(batch) < STREAM_BATCH and not arrived.empty():
            batch.append(arrived.get_nowait())
        ended = batch[-1] is None
        texts = [_text(line, jsonl) for line in batch if line is not None]
        analyses = iter(await analyzer.analyze([text for text in texts if text is not None]))
        for text in texts:
            number += 1
            if text is None:
                bad += 1
                write({"error": f'line {number} is not a JSON object with a "text"'})
            else:
                write(analysis_as_json(text, next(analyses)))
    return bad


def _lines(given: RawIOBase) -> Iterator[bytes]:
    pieces: list[bytes] = []
    while chunk := given.read(CHUNK):
        for number, piece in enumerate(chunk.split(b"\n")):
            if number:
                yield b"".join(pieces)
                pieces.clear()
            pieces.append(piece)
    if last := b"".join(pieces):
        yield last


def _text(line: bytes, jsonl: bool) -> str | None:
    written = line.removesuffix(b"\r").decode("utf-8", "replace")
    if not jsonl:
        return written
    try:
        text = json.loads(written).get("text")
    except (ValueError, AttributeError, RecursionError):
        return None
    return text if isinstance(text, str) else None
