"""The contract of a reading: texts in, sentiment and entities out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isclose
from typing import Protocol

HOSTED = "hosted:"
"""What the name of a model begins with that got the text over a network."""


def was_sent(model: str) -> bool:
    """Did the text leave this machine for a reading that names `model`, or two of them as `one+another`?"""
    return any(part.startswith(HOSTED) for part in model.split("+"))


class Kind(StrEnum):
    """What an entity is."""

    PERSON = "person"
    ORGANIZATION = "organization"
    LOCATION = "location"
    PRODUCT = "product"
    WORK = "work"
    OTHER = "other"


class Label(StrEnum):
    """The most probable of the three sentiments."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Calibrated probabilities; they sum to 1. Raises ValueError if they don't or one leaves [0, 1]."""

    negative: float
    neutral: float
    positive: float

    def __post_init__(self) -> None:
        probabilities = (self.negative, self.neutral, self.positive)
        if not all(0 <= p <= 1 for p in probabilities) or not isclose(sum(probabilities), 1, abs_tol=1e-3):
            raise ValueError("negative, neutral and positive are probabilities that sum to 1")

    @property
    def score(self) -> float:
        """Positive minus negative, in [-1, 1]."""
        return self.positive - self.negative

    @property
    def label(self) -> Label:
        """The most probable sentiment; neutral where two are equally probable."""
        if self.neutral >= max(self.negative, self.positive) or self.negative == self.positive:
            return Label.NEUTRAL
        return Label.POSITIVE if self.positive > self.negative else Label.NEGATIVE


@dataclass(frozen=True, slots=True)
class Entity:
    """A name in a text. `start` and `end` are code points of the text as sent: `text == sent[start:end]`."""

    text: str = field(repr=False)
    kind: Kind
    start: int
    end: int
    confidence: float  # in [0, 1]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one reader made of one text.

    `model` names model and version, and is stored with every reading. `sentiment` is None for a text confidently in a
    language (`language`, ISO 639-1) that the model has no figures for: it is counted as not read, never guessed. A
    reader of names alone has none either.
    """

    sentiment: Sentiment | None
    entities: tuple[Entity, ...]
    model: str
    language: str | None = None


class Analyzer(Protocol):
    """Reads texts.

    Implementations give one `Analysis` for each text, in the same order, for any text whatever (empty, 100,000
    characters, lone surrogates). They raise `bot.errors.Unavailable` when nobody can read now and `Refused` when
    nobody ever will; they never score by guess.
    """

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """Read every text; as long as `texts`, in its order."""
        ...
