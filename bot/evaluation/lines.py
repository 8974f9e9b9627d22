"""Labelled JSONL: a sentiment or entity example a line, or both.

    {"text": "the new build is great", "label": "positive"}
    {"tokens": ["Maria", "lives", "in", "Berlin"], "tags": ["B-person", "O", "O", "B-location"]}

Labels are negative, neutral and positive; a file whose annotators knew only complaints and the rest says negative and
non-negative. Tags are IOB2 with the names of `bot.analysis.Kind`. Other keys are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from bot.analysis import Kind, Label
from bot.errors import ImportFileError

NON_NEGATIVE = "non-negative"
"""The other label of a file that only tells complaints from the rest."""

_THREE = tuple(label.value for label in Label)
_TWO = (Label.NEGATIVE.value, NON_NEGATIVE)


@dataclass(frozen=True, slots=True)
class SentimentLine:
    """A text and the label that a person gave it: one of Label's values, or NON_NEGATIVE."""

    number: int  # of the line in its file, from 1
    text: str = field(repr=False)
    label: str


@dataclass(frozen=True, slots=True)
class EntityLine:
    """Tokens and their IOB2 tags, as many as tokens."""

    number: int
    tokens: tuple[str, ...] = field(repr=False)
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is no example, and why; never what it says."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """The examples of one file.

    `labels` are those of its scheme, two or three; `kinds` are what its annotators marked: only these count when a
    reader's entities are judged, since the rest of its names were never anybody's task.
    """

    source: str
    sentiment: tuple[SentimentLine, ...]
    entities: tuple[EntityLine, ...]
    skipped: tuple[Skipped, ...]
    labels: tuple[str, ...]
    kinds: tuple[Kind, ...]


def read_lines(path: Path, *, kinds: frozenset[Kind] | None = None) -> Labelled:
    """The examples of `path`. `kinds` are those its annotators marked; None: those that occur in its tags.

    A line that is no example is skipped and named by its number. Raises ImportFileError where the file can't be
    read, holds no example or names no kind to judge, and for a label or tag outside of the scheme: a whole
    class of answers would be judged wrongly.
    """
    sentiment: list[SentimentLine] = []
    entities: list[EntityLine] = []
    skipped: list[Skipped] = []
    for number, raw in _numbered(path):
        for example in _examples(number, raw, path.name):
            match example:
                case SentimentLine() as line:
                    sentiment.append(line)
                case EntityLine() as line:
                    entities.append(line)
                case Skipped() as line:
                    skipped.append(line)
    if not sentiment and not entities:
        raise ImportFileError(
            f"{path.name} has no labelled line. A line looks like"
            ' {"text": "…", "label": "negative|neutral|positive"} or {"tokens": […], "tags": ["O", "B-person", …]}.'
        )
    marked = {tag[2:] for line in entities for tag in line.tags if tag != "O"}
    counted = kinds if kinds is not None else marked
    if entities and not counted:
        raise ImportFileError(
            f"{path.name} has token lines, and no name in them is tagged. Say with --kind what its annotators sought."
        )
    return Labelled(
        source=path.name,
        sentiment=tuple(sentiment),
        entities=tuple(entities),
        skipped=tuple(skipped),
        labels=_TWO if any(line.label == NON_NEGATIVE for line in sentiment) else _THREE,
        kinds=tuple(kind for kind in Kind if kind in counted),
    )


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that aren't blank, numbered from 1."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = raw.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else raw.strip()
                if line:
                    yield number, line
    except OSError as error:
        raise ImportFileError(f"{path} can't be read: {error.strerror}.") from error


def _examples(number: int, raw: bytes, source: str) -> Iterator[SentimentLine | EntityLine | Skipped]:
    """What a line is an example of: sentiment, names, or both."""
    try:
        found = json.loads(raw.decode())
    except (ValueError, RecursionError):
        yield Skipped(number, "is not JSON in UTF-8")
        return
    labelled = tagged = False
    match found:
        case {"text": str(text), "label": str(label)}:
            labelled = True
            yield SentimentLine(number, text, _a_label(label, number, source))
    match found:
        case {"tokens": list(tokens), "tags": list(tags)}:
            tagged = True
            if not tokens or not all(isinstance(token, str) and token for token in tokens):
                yield Skipped(number, "has no tokens, or one that is not a word")
            elif len(tags) != len(tokens):
                yield Skipped(number, "has another number of tags than of tokens")
            elif labelled and not all(_is_tag(tag) for tag in tags):
                yield Skipped(number, "has tags of another scheme beside its label")
            else:
                yield EntityLine(number, tuple(tokens), tuple(_a_tag(tag, number, source) for tag in tags))
    if not labelled and not tagged:
        yield Skipped(number, 'has neither "text" and "label" nor "tokens" and "tags"')


def _a_label(label: str, number: int, source: str) -> str:
    if label in _THREE or label == NON_NEGATIVE:
        return label
    raise ImportFileError(
        f"{source}, line {number}: the label is none of negative, neutral, positive (or negative and non-negative)."
        " Rename the labels and try again."
    )


def _a_tag(tag: object, number: int, source: str) -> str:
    if _is_tag(tag):
        return tag
    kinds = ", ".join(Kind)
    raise ImportFileError(
        f"{source}, line {number}: a tag is neither O nor B- or I- with one of {kinds}. Rename the tags and try again."
    )


def _is_tag(tag: object) -> TypeGuard[str]:
    return isinstance(tag, str) and (tag == "O" or (tag[:2] in {"B-", "I-"} and tag[2:] in set(Kind)))
