"""Any Hugging Face checkpoint on this machine; the sole home of torch and transformers.

Both are imported when a checkpoint is loaded and not before: they cost seconds and hundreds of megabytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, assert_never

from bot.analysis import Analysis, Entity, Sentiment
from bot.analysis.labels import NOTHING_SAID, Piece, Scale, Tags
from bot.analysis.windows import as_sent, mean, says_something
from bot.errors import ConfigurationError, Unavailable
from bot.text import plain

T = TypeVar("T")

LONGEST = 512
"""Tokens read at once at most, whatever a model could take: attention costs the square of it."""

OVERLAP = 64
"""Tokens that neighbouring windows of a long text share, so that each is read with words around it."""

BATCH_TOKENS = 4096


class Device(StrEnum):
    """Where a model computes."""

    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Precision(StrEnum):
    """How a model computes."""

    AUTO = "auto"
    """bfloat16 where the processor has it, else float32."""
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint: a hub id ("acme/mood"), at a pinned `revision` if given, or a folder.

    `labels` explain its labels or tags where their names don't.
    """

    model: str
    revision: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, written: str, labels: Mapping[str, str] | None = None) -> Self:
        """The source that a setting names: a folder, `acme/mood`, or `acme/mood@revision` pinned."""
        model, at, revision = written.rpartition("@")
        if not at or "/" in revision or cls(written).is_folder:
            return cls(written, labels=labels or {})
        return cls(model, revision, labels or {})

    @property
    def is_folder(self) -> bool:
        """Is it a folder of this machine rather than an id of the hub?"""
        return self.model.startswith(("/", ".", "~")) or Path(self.model).is_dir()

    @property
    def location(self) -> str:
        """What to load it by."""
        return str(Path(self.model).expanduser()) if self.is_folder else self.model


class Checkpoint:
    """Reads with a text-classification or a token-classification checkpoint, or one of each; an Analyzer.

    What it has no checkpoint for it leaves out: `sentiment` is then None, or `entities` empty.

    Weights are read from safetensors only, and no code that comes with a checkpoint is ever run. A text longer than
    the model takes is read in windows. Loading begins with the first call, or with `load`, in a thread of its own;
    where it fails, `analyze` raises Unavailable and the next call tries again.

    Use it as an async context manager; entering raises ConfigurationError where torch and transformers aren't
    installed.
    """

    def __init__(
        self,
        sentiment: Source | None,
        entities: Source | None = None,
        *,
        device: Device = Device.CPU,
        precision: Precision = Precision.AUTO,
        threads: int | None = None,
    ) -> None:
        if sentiment is None and entities is None:
            raise ValueError("a checkpoint is read for something")
        self._sentiment = sentiment
        self._entities = entities
        self._device = device
        self._precision = precision
        self._threads = threads
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._reader: _Reader | None = None

    async def __aenter__(self) -> Self:
        missing = [name for name in ("torch", "transformers", "safetensors") if find_spec(name) is None]
        if missing:
            models = " and ".join(source.model for source in (self._sentiment, self._entities) if source)
            raise ConfigurationError(
                f"Reading with {models} needs {', '.join(missing)}. "
                f'Install them: .venv/bin/pip install -e ".[checkpoint]" (`make run` does it too).'
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._worker.shutdown, wait=True, cancel_futures=True)

    async def load(self) -> Sequence[str]:
        """Load now; what an operator should know of the models, as sentences.

        Raises ConfigurationError for a checkpoint that can't be used as it is configured, Unavailable where it can't
        be had now.
        """
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: self._loaded().notes)

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """Read every text. Raises Unavailable where the models can't be loaded or memory runs out."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, self._read, tuple(texts))
        except ConfigurationError as error:
            # The texts aren't to blame: they wait until somebody has mended the settings.
            raise Unavailable(str(error)) from error

    def _read(self, texts: Sequence[str]) -> Sequence[Analysis]:
        reader = self._loaded()
        try:
            return reader.read(texts)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            raise Unavailable(f"{reader.model} ran out of memory. Choose a smaller model, or free some.") from None

    def _loaded(self) -> _Reader:
        if self._reader is None:
            self._reader = _Reader(self._sentiment, self._entities, self._device, self._precision, self._threads)
        return self._reader


class _Reader:
    """The models: texts in, analyses out, in the calling thread."""

    def __init__(
        self,
        sentiment: Source | None,
        entities: Source | None,
        device: Device,
        precision: Precision,
        threads: int | None,
    ) -> None:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        import torch
        from transformers.utils import logging

        logging.set_verbosity_error()
        if threads is not None:
            torch.set_num_threads(threads)
        _check_device(device)
        half = _computes_in_bfloat16(device, precision)
        self._sentiment = _Sentiment(sentiment, device, half=half) if sentiment else None
        self._names = _Names(entities, device, half=half) if entities else None
        self.model = "checkpoint:" + "+".join(one.model.name for one in (self._sentiment, self._names) if one)
        self.notes = (
            ()
            if self._sentiment is None or self._sentiment.scale.has_neutral
            else (
                f"{self._sentiment.source.model} knows no neutral. Roomtone calls a message as neutral as the model is "
                f"undecided about it, which is not the same: expect small talk to be read as glad or angry.",
            )
        )

    def read(self, texts: Sequence[str]) -> Sequence[Analysis]:
        plains = [plain(text) for text in texts]
        spoken = [index for index, each in enumerate(plains) if says_something(each)]
        written = [plains[index].text for index in spoken]
        sentiments = self._sentiment.read(written) if self._sentiment else [None] * len(written)
        names = self._names.read(written) if self._names else [()] * len(written)
        analyses = [Analysis(NOTHING_SAID, (), self.model)] * len(texts)
        for index, sentiment, its_names in zip(spoken, sentiments, names, strict=True):
            sent = [as_sent(name, 0, plains[index], texts[index]) for name in its_names]
            analyses[index] = Analysis(sentiment, tuple(name for name in sent if name is not None), self.model)
        return analyses


class _Sentiment:
    """A text-classification checkpoint."""

    def __init__(self, source: Source, device: Device, *, half: bool) -> None:
        self.source = source
        self.model = _Model(source, "AutoModelForSequenceClassification", device, half=half)
        self.scale = Scale.of(self.model.labels, source.labels, model=source.model)

    def read(self, texts: Sequence[str]) -> Sequence[Sentiment]:
        return [mean([self._of(window) for window in windows]) for windows in self.model.run(texts)]

    def _of(self, window: _Read) -> tuple[Sentiment, float]:
        scores = dict(zip(self.model.labels, window.probabilities[0], strict=True))
        return self.scale.sentiment(scores), len(window.offsets)


class _Names:
    """A token-classification checkpoint."""

    def __init__(self, source: Source, device: Device, *, half: bool) -> None:
        self.model = _Model(source, "AutoModelForTokenClassification", device, half=half)
        self._tags = Tags(self.model.labels, source.labels, model=source.model)

    def read(self, texts: Sequence[str]) -> Sequence[Sequence[Entity]]:
        found = self.model.run(texts)
        return [
            self._tags.entities(text, _pieces(windows, self.model.labels))
            for text, windows in zip(texts, found, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Window:
    """Some tokens of one text, as a model takes them; `first` is the number of its first own token in the text."""

    text: int
    first: int
    inputs: Mapping[str, Sequence[int]]
    own: Sequence[int]  # the places of its tokens that aren't marks of beginning and end
    offsets: Sequence[tuple[int, int]]  # of those, in code points of the text

    def __len__(self) -> int:
        return len(self.inputs["input_ids"])


@dataclass(frozen=True, slots=True)
class _Read:
    """What a model makes of a window: its labels' probabilities, for the whole or for each of its own tokens."""

    first: int
    offsets: Sequence[tuple[int, int]]
    probabilities: Sequence[Sequence[float]]


class _Model:
    """One checkpoint with its tokenizer."""

    def __init__(self, source: Source, kind: str, device: Device, *, half: bool) -> None:
        import torch
        import transformers

        model, loading = _from_hub_or_folder(
            source,
            getattr(transformers, kind).from_pretrained,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        self._tokenizer: Any = _from_hub_or_folder(source, transformers.AutoTokenizer.from_pretrained)
        if loading["missing_keys"]:
            raise ConfigurationError(
                f"The checkpoint {source.model} has no trained head for this task, and an untrained one answers at "
                f"random. Choose a checkpoint that was fine-tuned for it."
            )
        if not getattr(self._tokenizer, "is_fast", False):
            raise ConfigurationError(f"The checkpoint {source.model} has no tokenizer.json, so offsets can't be told.")
        config = model.config
        if config.num_labels < 2 or config.problem_type in {"regression", "multi_label_classification"}:
            raise ConfigurationError(f"The checkpoint {source.model} doesn't choose one of several labels.")
        self.labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        self.name = f"{_public_name(source)}@{_version(source, config)}"
        self._device = device.value
        self._half = half
        self._model = model.eval().to(self._device)
        self._pads = kind == "AutoModelForTokenClassification" or config.pad_token_id is not None
        self._longest = _longest(self._tokenizer, config)
        if self._longest < 16:
            raise ConfigurationError(f"The checkpoint {source.model} reads only {self._longest} tokens at once.")

    def run(self, texts: Sequence[str]) -> Sequence[Sequence[_Read]]:
        """For every text what the model makes of its windows, in order."""
        windows = self._windows(texts)
        read: list[list[_Read]] = [[] for _ in texts]
        outcomes: dict[int, _Read] = {}
        for batch in self._batches(windows):
            outcomes |= zip(batch, self._forward([windows[number] for number in batch]), strict=True)
        for number, window in enumerate(windows):
            read[window.text].append(outcomes[number])
        return read

    def _windows(self, texts: Sequence[str]) -> Sequence[_Window]:
        if not texts:
            return ()
        marks = self._tokenizer.num_special_tokens_to_add(pair=False)
        overlap = min(OVERLAP, (self._longest - marks) // 4)
        encoded = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self._longest,
            stride=overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        names = [name for name in self._tokenizer.model_input_names if name in encoded]
        windows: list[_Window] = []
        for number, text in enumerate(encoded["overflow_to_sample_mapping"]):
            follows = bool(windows) and windows[-1].text == text
            first = windows[-1].first + len(windows[-1].own) - overlap if follows else 0
            marked, offsets = encoded["special_tokens_mask"][number], encoded["offset_mapping"][number]
            own = [place for place, mark in enumerate(marked) if not mark]
            inputs = {name: encoded[name][number] for name in names}
            windows.append(_Window(text, first, inputs, own, [tuple(offsets[place]) for place in own]))
        return windows

    def _batches(self, windows: Sequence[_Window]) -> Iterator[Sequence[int]]:
        """Numbers of windows of like length, about BATCH_TOKENS tokens at once."""
        batch: list[int] = []
        for number in sorted(range(len(windows)), key=lambda number: len(windows[number])):
            if batch and (not self._pads or (len(batch) + 1) * len(windows[number]) > BATCH_TOKENS):
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def _forward(self, windows: Sequence[_Window]) -> Sequence[_Read]:
        import torch

        longest = max(map(len, windows))
        fill = {"input_ids": self._tokenizer.pad_token_id or 0}
        inputs = {
            name: torch.tensor(
                [[*window.inputs[name], *[fill.get(name, 0)] * (longest - len(window))] for window in windows],
                device=self._device,
            )
            for name in windows[0].inputs
        }
        with torch.inference_mode(), torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._half):
            probabilities = self._model(**inputs).logits.float().softmax(-1).cpu()
        rows = probabilities.tolist()
        if probabilities.dim() == 2:
            return [_Read(window.first, window.offsets, [row]) for window, row in zip(windows, rows, strict=True)]
        return [
            _Read(window.first, window.offsets, [row[place] for place in window.own])
            for window, row in zip(windows, rows, strict=True)
        ]


def _pieces(windows: Sequence[_Read], labels: Sequence[str]) -> Sequence[Piece]:
    """The best tag of every token; of one in two windows, from the window that shows more around it."""
    best: dict[int, tuple[int, Piece]] = {}
    for window in windows:
        for place, ((start, end), row) in enumerate(zip(window.offsets, window.probabilities, strict=True)):
            around = min(place, len(window.offsets) - 1 - place)
            number = window.first + place
            if number not in best or around > best[number][0]:
                score = max(row)
                best[number] = around, Piece(start, end, labels[row.index(score)], score)
    return [piece for _, piece in best.values()]


def _from_hub_or_folder(source: Source, load: Callable[..., T], **how: object) -> T:
    """What `load` gives, or why it can't, in words that say what to do."""
    from safetensors import SafetensorError

    try:
        return load(source.location, revision=source.revision, trust_remote_code=False, **how)
    except SafetensorError:
        raise ConfigurationError(
            f"The weights of {source.model} are damaged. Delete them and fetch them anew."
        ) from None
    except OSError as error:
        if "safetensors" in str(error):
            raise ConfigurationError(
                f"The checkpoint {source.model} has no safetensors weights, and other files can run code. Choose one "
                f"that has, or convert it."
            ) from None
        if source.is_folder:
            raise ConfigurationError(f"The folder {source.model} doesn't hold a checkpoint.") from None
        raise Unavailable(
            f"The checkpoint {source.model} can't be fetched now. Look at its name, the network and the free disk."
        ) from None
    except ImportError as error:
        raise ConfigurationError(
            f"The checkpoint {source.model} needs a package that isn't installed ({error.name or 'unnamed'})."
        ) from None
    except ValueError as error:
        if "custom code" in str(error):
            raise ConfigurationError(
                f"The checkpoint {source.model} brings code of its own, and Roomtone never runs that. Choose another."
            ) from None
        raise ConfigurationError(f"Nothing at {source.model} can be read as a checkpoint of this kind.") from None
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise Unavailable(f"There is not enough memory to load {source.model}.") from None


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    words = str(error)
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "allocate memory" in words
        or "out of memory" in words
    )


def _check_device(device: Device) -> None:
    import torch

    there = {
        Device.CPU: True,
        Device.CUDA: torch.cuda.is_available(),
        Device.MPS: torch.backends.mps.is_available(),
    }
    if not there[device]:
        raise ConfigurationError(
            f"This machine has no {device} for torch. Choose the device cpu, or install its torch."
        )


def _computes_in_bfloat16(device: Device, precision: Precision) -> bool:
    import torch

    match precision:
        case Precision.FLOAT32:
            return False
        case Precision.BFLOAT16:
            return True
        case Precision.AUTO:
            if device is Device.CUDA:
                return bool(torch.cuda.is_bf16_supported())
            # Where it is only emulated, it is slower than float32; so ask the processor itself.
            known = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
            return device is Device.CPU and any(ask is not None and ask() for ask in known)
        case _:
            assert_never(precision)


def _longest(tokenizer: Any, config: Any) -> int:
    # RoBERTa counts its positions from after the padding's number, so that many are never used.
    positions = getattr(config, "max_position_embeddings", None) or LONGEST + 1
    return int(min(LONGEST, tokenizer.model_max_length, positions - (config.pad_token_id or 0) - 1))


def _public_name(source: Source) -> str:
    """A hub id, or a folder's name without its place on this machine."""
    return Path(source.location).resolve().name if source.is_folder else source.model


def _version(source: Source, config: Any) -> str:
    """Eight digits that change with the weights: of the hub's commit, or of the files' SHA-256."""
    if not source.is_folder:
        return str(getattr(config, "_commit_hash", None) or source.revision or "unknown")[:8]
    digest = hashlib.sha256()
    for path in sorted(Path(source.location).glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:8]
