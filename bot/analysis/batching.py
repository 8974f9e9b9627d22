"""Many awaiting callers, one batch: an Analyzer around an Analyzer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import islice
from types import TracebackType
from typing import Self

from cachetools import LRUCache

from bot.analysis import Analysis, Analyzer
from bot.errors import Unavailable


class Batching:
    """Reads what all its callers ask for in as few batches as the wrapped analyzer is quick.

    While one batch is being read, everything asked meanwhile gathers for the next; nobody waits on a timer. A text
    that several callers ask for at once is read once, and short texts ("+1", "thanks!") are remembered. A caller that
    goes away takes only its own texts with it; an error reaches exactly the callers of the batch that met it.

    `limit` is the most texts handed over at once; the wrapped analyzer is the one to order them by length. The last
    `remembered` texts of at most `remembered_length` characters are answered from memory; 0 remembers none. What is
    remembered of them is a hash under a key that this process alone has, and where their names stand.

    Use it as an async context manager; leaving it tells whoever still waits that the reading is Unavailable.
    """

    def __init__(
        self, analyzer: Analyzer, *, limit: int = 256, remembered: int = 20_000, remembered_length: int = 48
    ) -> None:
        if limit < 1:
            raise ValueError("a batch has at least one text")
        self._analyzer = analyzer
        self._limit = limit
        self._remembered_length = remembered_length
        self._memory: LRUCache[tuple[bytes, str], Analysis] = LRUCache(remembered)
        self._key = secrets.token_bytes(32)
        self._model = ""
        self._waiting: dict[str, _Asked] = {}
        self._reading: dict[str, _Asked] = {}
        self._something_waits = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work(), name="batching")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        _fail(
            (*self._reading.values(), *self._waiting.values()),
            Unavailable("Roomtone is stopping; what waits is read after the next start."),
        )
        self._reading, self._waiting = {}, {}

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """Read every text; as long as `texts`, in its order. Raises what the wrapped analyzer raises."""
        if self._worker is None:
            raise RuntimeError("Batching reads only inside its `async with`")
        known: dict[str, Analysis] = {}
        asked: dict[str, _Asked] = {}
        for text in dict.fromkeys(texts):
            remembered = self._memory.get((self._hashed(text), self._model)) if self._is_remembered(text) else None
            if remembered is not None:
                known[text] = _with_names(remembered, text)
            else:
                asked[text] = self._ask(text)
        if asked:
            try:
                # Unlike gather, wait leaves the futures alone when this caller is cancelled: others share them.
                await asyncio.wait([one.answer for one in asked.values()])
            finally:
                for text, one in asked.items():
                    self._leave(text, one)
            known |= {text: one.answer.result() for text, one in asked.items()}
        return tuple(known[text] for text in texts)

    def _ask(self, text: str) -> _Asked:
        one = self._waiting.get(text) or self._reading.get(text)
        if one is None:
            one = self._waiting[text] = _Asked()
            self._something_waits.set()
        one.callers += 1
        return one

    def _leave(self, text: str, one: _Asked) -> None:
        one.callers -= 1
        if one.callers == 0 and self._waiting.get(text) is one:
            del self._waiting[text]

    async def _work(self) -> None:
        while True:
            await self._something_waits.wait()
            await asyncio.sleep(0)  # callers that are ready in this turn of the loop join the batch
            self._reading = {text: self._waiting.pop(text) for text in list(islice(self._waiting, self._limit))}
            if not self._waiting:
                self._something_waits.clear()
            if self._reading:
                await self._read()
                self._reading = {}

    async def _read(self) -> None:
        texts = tuple(self._reading)
        # A task of its own, so that whatever it ends with, a cancellation from inside too, is a value to hand on.
        reading = asyncio.ensure_future(self._analyzer.analyze(texts))
        try:
            await asyncio.wait([reading])
        except asyncio.CancelledError:
            reading.cancel()
            await asyncio.wait([reading])
            raise
        if reading.cancelled():
            _fail(self._reading.values(), Unavailable("The reading was interrupted; it is tried again later."))
        elif (error := reading.exception()) is not None:
            _fail(self._reading.values(), error)
        elif len(analyses := reading.result()) != len(texts):
            _fail(self._reading.values(), ValueError("an analyzer gave another number of analyses than of texts"))
        else:
            for text, analysis in zip(texts, analyses, strict=True):
                self._answer(text, analysis)

    def _answer(self, text: str, analysis: Analysis) -> None:
        # Whoever answered last is who would answer now: the memory is asked under that name, so that after a
        # change of model nothing the old one said is given out as if the new one had.
        self._model = analysis.model
        if self._is_remembered(text):
            self._memory[self._hashed(text), analysis.model] = _with_names(analysis, "")
        self._reading[text].answer.set_result(analysis)

    def _is_remembered(self, text: str) -> bool:
        return len(text) <= self._remembered_length and self._memory.maxsize > 0

    def _hashed(self, text: str) -> bytes:
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).digest()


@dataclass(slots=True, eq=False)
class _Asked:
    """A text on its way: its answer to come, and how many callers still want it."""

    answer: asyncio.Future[Analysis] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    callers: int = 0


def _with_names(analysis: Analysis, text: str) -> Analysis:
    """The analysis with its names' words taken from the text that they stand in."""
    names = tuple(replace(name, text=text[name.start : name.end]) for name in analysis.entities)
    return replace(analysis, entities=names) if names else analysis


def _fail(asked: Iterable[_Asked], error: BaseException) -> None:
    for one in asked:
        if not one.answer.done():
            one.answer.set_exception(error)
            one.answer.exception()  # seen: asyncio complains of errors whose last caller has gone away
