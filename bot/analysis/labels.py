"""What other people's models call their classes, read as ours: labels → Sentiment, tags → Entities."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite, log2

from bot.analysis import Entity, Kind, Label, Sentiment
from bot.errors import ConfigurationError

NOTHING_SAID = Sentiment(0.0, 1.0, 0.0)
"""The sentiment of a text without any character to read; no model is asked about it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How a classifier's labels read as negative, neutral and positive.

    `labels` are the model's own, in its own spelling.
    """

    labels: Mapping[str, Label]

    @classmethod
    def of(cls, names: Iterable[str], given: Mapping[str, str] | None = None, *, model: str) -> Scale:
        """The scale of a model whose classes are called `names`; `given` (label → sentiment) wins over what we know.

        Raises ConfigurationError that says which map to give where a name can't be read.
        """
        given = {_plain(name): meaning for name, meaning in (given or {}).items()}
        labels: dict[str, Label] = {}
        for name in names:
            meaning = given.get(_plain(name)) or _SENTIMENTS.get(_plain(name), "")
            if meaning not in set(Label):
                raise ConfigurationError(
                    f"The model {model} calls a class {name!r}, and nothing says what that means. Give its labels, "
                    f"such as LABEL_0=negative,LABEL_1=neutral,LABEL_2=positive (its model card has the order)."
                )
            labels[name] = Label(meaning)
        if not {Label.NEGATIVE, Label.POSITIVE} <= set(labels.values()):
            raise ConfigurationError(
                f"The model {model} tells {', '.join(labels) or 'nothing'} apart, which is no sentiment. "
                f"Choose a text-classification model with negative and positive labels."
            )
        return cls(labels)

    @property
    def has_neutral(self) -> bool:
        """Does the model itself know neutral?"""
        return Label.NEUTRAL in self.labels.values()

    def sentiment(self, scores: Mapping[str, float]) -> Sentiment:
        """The sentiment of a text, from its probability for each of the labels.

        A model without a neutral gets one from its own doubt: with p the probability of positive, neutral is the
        binary entropy H(p) in bits (Shannon 1948, §6), 0 where it is certain and 1 at p = ½, and the rest is shared
        as p to 1 − p. Probability that `scores` leave unsaid (an answer of only the best label) goes to the labels
        they don't name, evenly. Raises ValueError for a label that isn't of this scale and for what isn't a
        probability.
        """
        if (
            not all(isfinite(p) and -1e-3 <= p <= 1 + 1e-3 for p in scores.values())
            or not 0 < sum(scores.values()) < 1.02
        ):
            raise ValueError("the scores of a text aren't probabilities")
        if not scores.keys() <= self.labels.keys():
            raise ValueError("the scores name a label the model doesn't have")
        unsaid = [label for label in self.labels if label not in scores]
        rest = max(0.0, 1 - sum(scores.values()))
        sums = dict.fromkeys(Label, 0.0)
        for name, label in self.labels.items():
            sums[label] += max(0.0, scores[name]) if name in scores else rest / len(unsaid)
        total = sum(sums.values())
        negative, neutral, positive = (sums[label] / total for label in (Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE))
        if not self.has_neutral:
            neutral = _entropy(positive)
            negative, positive = negative * (1 - neutral), positive * (1 - neutral)
        return Sentiment(negative, neutral, positive)


def explained(written: str) -> dict[str, str]:
    """What `LABEL_0=negative, LABEL_1=` says: each label's meaning, empty for none. Raises ConfigurationError."""
    pairs = [part.partition("=") for part in written.split(",") if part.strip()]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise ConfigurationError("Labels are explained as LABEL_0=negative,LABEL_1=neutral,LABEL_2=positive.")
    return {name.strip(): meaning.strip() for name, _, meaning in pairs}


@dataclass(frozen=True, slots=True)
class Piece:
    """A token's tag: code points `start` … `end` of the text, the model's own `tag` ("B-PER", "O"), its probability."""

    start: int
    end: int
    tag: str
    score: float


class Tags:
    """How a tagger's tags read as kinds of entity. `given` (type → kind, "" for none of ours) wins over what we know.

    A type that nobody told us about is a name of kind `other`. Raises ConfigurationError where the tags are bare
    numbers (LABEL_0) that `given` doesn't explain, or a kind in `given` doesn't exist.
    """

    def __init__(self, tags: Iterable[str], given: Mapping[str, str] | None = None, *, model: str) -> None:
        given = {_plain(name): kind for name, kind in (given or {}).items()}
        self._kinds: dict[str, Kind | None] = {}
        for tag in tags:
            _, kind = _parts(tag)
            name = _plain(kind)
            meaning = given.get(_plain(tag), given.get(name))
            if meaning is None and re.fullmatch(r"label \d+|\d+", name):
                raise ConfigurationError(
                    f"The model {model} calls a tag {tag!r}, and nothing says what that means. Give its tags, such as "
                    f"LABEL_0=,LABEL_1=person (its model card has the order)."
                )
            if meaning:
                if meaning not in set(Kind):
                    raise ConfigurationError(
                        f"The kind {meaning!r} given for {tag} doesn't exist; kinds are {', '.join(Kind)}."
                    )
                self._kinds[kind] = Kind(meaning)
            else:
                self._kinds[kind] = None if meaning == "" else _KINDS.get(name, Kind.OTHER)

    def entities(self, text: str, pieces: Sequence[Piece]) -> tuple[Entity, ...]:
        """The names in `text`: whole words, from pieces in any of BIO, BIOES, BILOU and IO.

        Pieces of one word vote by their probability. Offsets are trimmed of white space and never part a letter from
        its combining marks. Pieces outside the text, or of a tag unknown, raise ValueError.
        """
        words = [word for word in _words(text, sorted(pieces, key=lambda piece: (piece.start, piece.end))) if word.kind]
        groups: list[list[_Word]] = []
        for word in words:
            if groups and _goes_on(groups[-1][-1], word, text):
                groups[-1].append(word)
            else:
                groups.append([word])
        found = []
        for group in groups:
            start, end = group[0].start, group[-1].end
            if group[0].kind not in self._kinds:
                raise ValueError("a piece has a tag the model doesn't have")
            if (kind := self._kinds[group[0].kind]) is not None:
                confidence = min(1.0, sum(word.score for word in group) / len(group))
                found.append(Entity(text[start:end], kind, start, end, confidence))
        return tuple(found)


@dataclass(slots=True)
class _Word:
    start: int
    end: int
    pieces: list[Piece] = field(default_factory=list)
    kind: str = ""  # the model's name for it; "" is no entity
    score: float = 0.0
    begins: bool = False
    ends: bool = False

    def vote(self) -> None:
        sums: dict[str, float] = {}
        for piece in self.pieces:
            _, kind = _parts(piece.tag)
            sums[kind] = sums.get(kind, 0.0) + piece.score
        self.kind = max(sums, key=lambda kind: sums[kind])
        mine = [piece for piece in self.pieces if _parts(piece.tag)[1] == self.kind]
        self.score = sum(piece.score for piece in mine) / len(self.pieces)
        self.begins = _parts(mine[0].tag)[0] in {"B", "S", "U"}
        self.ends = _parts(mine[-1].tag)[0] in {"E", "L", "S", "U"}


def _words(text: str, pieces: Iterable[Piece]) -> list[_Word]:
    words: list[_Word] = []
    for piece in pieces:
        if not 0 <= piece.start <= piece.end <= len(text):
            raise ValueError("a piece lies outside its text")
        start, end = _trimmed(text, piece.start, piece.end)
        if start == end:
            continue
        if words and (start < words[-1].end or (start == words[-1].end and _joined(text, start))):
            words[-1].end = max(words[-1].end, end)
        else:
            words.append(_Word(start, end))
        words[-1].pieces.append(piece)
    for word in words:
        word.vote()
    for word, following in pairwise([*words, _Word(len(text), len(text))]):
        # A server that keeps back the pieces outside of any entity may have kept the rest of this very word.
        while word.end < following.start and _joined(text, word.end):
            word.end += 1
    for before, word in pairwise([_Word(0, 0), *words]):
        while word.start > before.end and _joined(text, word.start):
            word.start -= 1
    return words


def _goes_on(word: _Word, following: _Word, text: str) -> bool:
    if word.kind != following.kind or word.ends or following.begins:
        return False
    return not text[word.end : following.start].strip()


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _joined(text: str, at: int) -> bool:
    """Is there no boundary between words before the code point `at`?"""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if _attaches(after) or before == _JOINER:
        return True
    return _of_a_word(before) and _of_a_word(after)


def _attaches(character: str) -> bool:
    return (
        character == _JOINER
        or unicodedata.category(character) in {"Mn", "Mc", "Me"}
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _of_a_word(character: str) -> bool:
    """Letters and digits of scripts that put spaces between words; in the others every character is its own."""
    if unicodedata.category(character) in {"Mn", "Mc", "Me"}:
        return True
    return (character.isalnum() or character == "_") and not _UNSPACED.match(character)


def _parts(tag: str) -> tuple[str, str]:
    """("B", "PER") of "B-PER" or "PER-B"; ("", "PER") of a bare "PER"; ("", "") of "O"."""
    if tag in {"O", ""}:
        return "", ""
    if match := _PREFIXED.fullmatch(tag):
        return match[1][0].upper(), match[2]
    if match := _SUFFIXED.fullmatch(tag):
        return match[2].upper(), match[1]
    return "", tag


def _entropy(p: float) -> float:
    return 0.0 if p <= 0 or p >= 1 else min(1.0, -p * log2(p) - (1 - p) * log2(1 - p))


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[_\-\s]+", " ", name).lower().split())


_JOINER = "\u200d"
_PREFIXED = re.compile(r"([BIESLU]-|[BI]_)(.+)", re.IGNORECASE)
_SUFFIXED = re.compile(r"(.+)-([BIESLU])", re.IGNORECASE)
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)  # Thai, Lao, Burmese, Khmer, kana and Han

_SENTIMENTS = {
    **dict.fromkeys(
        ("negative", "neg", "very negative", "1 star", "2 stars", "strong negative", "weak negative"), "negative"
    ),
    **dict.fromkeys(("neutral", "neu", "3 stars", "mixed"), "neutral"),
    **dict.fromkeys(
        ("positive", "pos", "very positive", "4 stars", "5 stars", "strong positive", "weak positive"), "positive"
    ),
}
"""Stars as their makers group them: one and two are complaints, four and five are praise."""

_KINDS: dict[str, Kind | None] = {
    "": None,
    **dict.fromkeys(("per", "pers", "person", "people", "name", "first name", "last name"), Kind.PERSON),
    **dict.fromkeys(
        ("org", "organization", "organisation", "corporation", "company", "group", "team"), Kind.ORGANIZATION
    ),
    **dict.fromkeys(("loc", "location", "gpe", "fac", "facility", "city", "country", "place", "geo"), Kind.LOCATION),
    **dict.fromkeys(
        ("product", "prod", "application", "software", "library", "device", "operating system"), Kind.PRODUCT
    ),
    **dict.fromkeys(("work", "work of art", "creative work", "art", "book", "film", "song"), Kind.WORK),
    # Quantities and times are no names.
    **dict.fromkeys(
        ("date", "time", "tim", "money", "percent", "cardinal", "ordinal", "quantity", "num", "number", "duration"),
        None,
    ),
}
