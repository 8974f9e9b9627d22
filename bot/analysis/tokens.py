"""Plain text becomes what the embedded model is fed: word pieces, and the shape of each word's letters.

The encoder knows no letter case, so every piece carries its word's shape beside its number. A text that never uses
capitals, or nothing else, says nothing by its case; its words get a shape of their own, so that `jenkins is down` is
read by its words alone. Training and serving both come through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bot.text import PLACEHOLDERS, Plain, Word, plain, words


class Shape(IntEnum):
    """How a word's letters are written."""

    NONE = 0
    LOWER = 1
    UPPER = 2
    TITLE = 3
    MIXED = 4
    UNTOLD = 5  # the text as a whole gives case no meaning


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text as word pieces, without the marks of beginning and end."""

    plain: Plain
    words: tuple[Word, ...] = field(repr=False)
    ids: NDArray[np.int64] = field(repr=False)
    shapes: NDArray[np.int64] = field(repr=False)
    owners: NDArray[np.int64] = field(repr=False)  # for each piece the index of its word; ascending


class Vocabulary:
    """Reads texts into tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer

    def read(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of every text, in order."""
        plains = [plain(text) for text in texts]
        split = [words(each.text) for each in plains]
        encodings = self._tokenizer.encode_batch(
            [[word.text for word in each] for each in split], is_pretokenized=True, add_special_tokens=False
        )
        result = []
        for each, its_words, encoding in zip(plains, split, encodings, strict=True):
            owners = np.array(encoding.word_ids, dtype=np.int64)
            shapes = np.array(shapes_of([word.text for word in its_words]), dtype=np.int64)
            result.append(Tokens(each, its_words, np.array(encoding.ids, dtype=np.int64), shapes[owners], owners))
        return result


def shapes_of(written: Sequence[str], /) -> list[Shape]:
    """The shape of every word of one text."""
    shapes = [Shape.NONE if word in PLACEHOLDERS else _shape(word) for word in written]
    used = set(shapes) - {Shape.NONE}
    capitals = used - {Shape.LOWER}
    shouted = used == {Shape.UPPER} and len(shapes) > 1
    if capitals and not shouted:
        return shapes
    return [Shape.UNTOLD if shape else Shape.NONE for shape in shapes]


def _shape(word: str) -> Shape:
    if word.islower():
        return Shape.LOWER
    if word.isupper():
        return Shape.UPPER if len(word) > 1 else Shape.TITLE
    if word.istitle() or (word[0].isupper() and word[1:].islower()):
        return Shape.TITLE
    return Shape.MIXED if any(letter.isalpha() for letter in word) else Shape.NONE
