"""Texts longer than a model takes, read in pieces and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.analysis import Entity, Sentiment
from bot.text import PLACEHOLDERS, Plain, words


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text that begins at code point `start` of it."""

    start: int
    text: str = field(repr=False)


def windows(text: str, longest: int) -> tuple[Window, ...]:
    """`text` in pieces of at most `longest` code points that together are all of it.

    Cut at the last line end, else the last white space, of a piece's second half; in the middle of a word only where
    there is none.
    """
    found, start = [], 0
    while len(text) - start > longest:
        half, end = start + longest // 2, start + longest
        cut = text.rfind("\n", half, end) + 1
        if not cut:
            cut = max((at + 1 for at in range(half, end) if text[at].isspace()), default=end)
        found.append(Window(start, text[start:cut]))
        start = cut
    return (*found, Window(start, text[start:]))


def mean(parts: Sequence[tuple[Sentiment, float]]) -> Sentiment:
    """The mean sentiment of pieces, each by its weight; weights are positive."""
    total = sum(weight for _, weight in parts)
    negative, neutral, positive = (
        sum(value * weight for value, weight in zip(values, (weight for _, weight in parts), strict=True)) / total
        for values in zip(*((one.negative, one.neutral, one.positive) for one, _ in parts), strict=True)
    )
    return Sentiment(min(1.0, negative), min(1.0, neutral), min(1.0, positive))


def as_sent(entity: Entity, by: int, plain: Plain, sent: str) -> Entity | None:
    """An entity of a piece that begins at `by` of a plain text, as one of the text as sent.

    None where it stands for markup or an emoji, and nobody wrote it.
    """
    start, end = entity.start + by, entity.end + by
    if not plain.is_written(start, end):
        return None
    start, end = plain.span(start, end)
    return replace(entity, start=start, end=end, text=sent[start:end])


def says_something(plain: Plain) -> bool:
    """Is there anything in a plain text besides what stands for mentions, links and code?"""
    return any(word.text not in PLACEHOLDERS for word in words(plain.text))
