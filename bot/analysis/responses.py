"""What inference servers answer, checked before use: JSON in, probabilities and pieces out."""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import TypeGuard

from bot.analysis.labels import Piece


class Malformed(ValueError):
    """An answer that isn't what the task promises. Its text holds nothing of the answer."""


class Miscounted(Malformed):
    """An answer for another number of texts than was asked."""

    def __init__(self) -> None:
        super().__init__("The server answered for another number of texts than it was asked.")


def decoded(body: bytes) -> object:
    """The JSON value of a body. Raises Malformed for anything else, a web page or a bottomless nest of lists too."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("The server answered with something that isn't JSON.") from None


def estimated_time(answer: object) -> float | None:
    """The seconds until a model is loaded, where an error object names them."""
    seconds = answer.get("estimated_time") if isinstance(answer, Mapping) else None
    return float(seconds) if _is_number(seconds) and seconds >= 0 else None


def classified(answer: object, count: int) -> Sequence[Mapping[str, float]]:
    """Each of `count` texts' probabilities by label, from a text-classification answer.

    Takes a list of lists of {label, score}; for a single text also one list, and for several also a list of their best
    labels alone. Raises Miscounted, and Malformed for anything else.
    """
    items = _a_list(answer)
    if items and all(isinstance(item, Mapping) for item in items):
        rows = [items] if count == 1 else [[item] for item in items]
    else:
        rows = [_a_list(item) for item in items]
    if len(rows) != count:
        raise Miscounted
    return [_scores(row) for row in rows]


def tagged(answer: object, texts: Sequence[str]) -> Sequence[Sequence[Piece]]:
    """Each text's pieces, from a token-classification answer; offsets in code points of the text.

    Takes a list for each text, or one list for a single text, of {entity_group or entity, score, word, start, end}.
    Servers count `start` and `end` in code points, UTF-16 units or bytes, or leave them out; `word` tells which it
    was. Raises Miscounted, and Malformed for anything else.
    """
    items = _a_list(answer)
    if len(texts) == 1 and not (len(items) == 1 and isinstance(items[0], list)):
        items = [items]
    if len(items) != len(texts):
        raise Miscounted
    return [list(_pieces(text, _a_list(item))) for text, item in zip(texts, items, strict=True)]


def _scores(row: Sequence[object]) -> Mapping[str, float]:
    scores: dict[str, float] = {}
    for item in row:
        label, score = (item.get("label"), item.get("score")) if isinstance(item, Mapping) else (None, None)
        if not isinstance(label, str) or not _is_number(score):
            raise Malformed("The server's answer has no label and score where they belong.")
        scores[label] = float(score)
    if not scores:
        raise Malformed("The server named no label for a text.")
    return scores


def _pieces(text: str, items: Sequence[object]) -> Iterator[Piece]:
    if len(items) > 4 * len(text) + 8:  # a piece is at least one byte
        raise Malformed("The server named more entities than the text has letters.")
    letters = _Letters(text)
    at = 0
    for item in items:
        if not isinstance(item, Mapping):
            raise Malformed("The server's answer has no entity where one belongs.")
        tag = item.get("entity_group") or item.get("entity")
        word, score = item.get("word"), item.get("score")
        if not isinstance(tag, str) or not isinstance(word, str) or not _is_number(score) or not 0 <= score <= 1.001:
            raise Malformed("The server's answer has no tag, word and score where they belong.")
        if (found := _located(letters, word, item.get("start"), item.get("end"), at)) is not None:
            at = found[1]
            yield Piece(*found, tag, min(1.0, float(score)))


class _Letters:
    """A text's letters and digits alone, and where each stood."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._origins: list[int] = []
        self._bare = ""
        for position, character in enumerate(text):
            bare = _bare(character)
            self._bare += bare
            self._origins += [position] * len(bare)

    def find(self, meant: str, at: int) -> tuple[int, int] | None:
        """Where `meant` stands from code point `at` on."""
        found = self._bare.find(meant, bisect_left(self._origins, at)) if meant else -1
        return None if found < 0 else (self._origins[found], self._origins[found + len(meant) - 1] + 1)


def _located(letters: _Letters, word: str, start: object, end: object, at: int) -> tuple[int, int] | None:
    """Where the server's `word` stands in the text; None where that can't be told."""
    text = letters.text
    offsets = (start, end) if isinstance(start, int) and isinstance(end, int) and 0 <= start < end else None
    meant = _bare(word)
    if offsets is not None:
        for candidate in (
            offsets,
            _from_units(text, *offsets, "utf-16-le", 2),
            _from_units(text, *offsets, "utf-8", 1),
        ):
            if candidate and candidate[1] <= len(text) and _bare(text[slice(*candidate)]) == meant:
                return candidate
    if (found := letters.find(meant, at)) is not None:
        return found
    # A byte-level piece's `word` may be no readable text at all ("Ã©"); its offsets are all there is.
    return offsets if offsets is not None and offsets[1] <= len(text) else None


def _from_units(text: str, start: int, end: int, encoding: str, width: int) -> tuple[int, int] | None:
    encoded = text.encode(encoding, "surrogatepass")
    if end * width > len(encoded):
        return None
    try:
        first = len(encoded[: start * width].decode(encoding, "surrogatepass"))
        return first, first + len(encoded[start * width : end * width].decode(encoding, "surrogatepass"))
    except UnicodeDecodeError:
        return None  # they cut a character in two, so they were counted in other units


def _bare(written: str) -> str:
    """Letters and digits alone, without case and accents: what an uncased tokenizer leaves of a word."""
    decomposed = unicodedata.normalize("NFKD", re.sub(r"^(##|[Ġ▁]+)", "", written))
    return "".join(character for character in decomposed.casefold() if character.isalnum())


def _a_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Malformed("The server's answer isn't a list.")
    return value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
