"""Examples from the data folder, the same way the running bot reads a message, and batches of them."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bot.analysis.tokens import Shape, Tokens, Vocabulary
from bot.evaluation.behaviour import read_cases
from bot.text import MENTION
from training.network import KINDS, TAGS, Packed

LABELS = ("negative", "neutral", "positive")
IGNORED = -100
Span = tuple[str, int, int]

# What each source annotates. Of any other kind its sentences say little: an O may be one that was not asked for.
ANNOTATED = {
    "wnut17": ("person", "organization", "location", "product", "work"),
    "btc": ("person", "organization", "location"),
    "tweebank": KINDS,
    "names": KINDS,
    "named": KINDS,
    "marked": KINDS,
    "stackoverflow": ("person", "organization", "product"),
    "uner-ewt": ("person", "organization", "location"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What a larger network makes of a text: probabilities, every sentiment weighing the same beforehand."""

    sentiment: NDArray[np.float16]  # [3]
    tags: NDArray[np.float16] | None  # [words, len(TAGS)]; None where nothing is taught about names


@dataclass(frozen=True, slots=True)
class Example:
    """One text, word by word, with what is known about it."""

    words: tuple[tuple[int, ...], ...] = field(repr=False)  # word pieces
    shapes: tuple[int, ...] = field(repr=False)
    source: str
    label: int = IGNORED
    tags: tuple[int, ...] | None = field(default=None, repr=False)
    opinion: Opinion | None = field(default=None, repr=False)  # in place of a label and of tags

    @property
    def length(self) -> int:
        """Tokens, with the marks of beginning and end."""
        return sum(map(len, self.words)) + 2


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text and the names that its annotators marked in it."""

    text: str
    spans: tuple[Span, ...]  # kind, first character, one past the last
    source: str


VALIDATED = ("tweeteval", "senti4sd", "blind")  # sentiment lines that are never trained on


def validation(folder: Path, name: str) -> Path:
    """The sentiment lines that `name` validates on: the project's own ("blind") or a file of the data folder."""
    if name == "blind":
        return Path(__file__).parent / "blind.jsonl"
    return folder / "sentiment" / f"{name}.validation.jsonl"


def read_lines(path: Path) -> list[dict[str, object]]:
    """The objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def texts(path: Path) -> list[str]:
    """The texts of a file of the data folder, of whatever sort."""
    if path.parent.name == "ner":
        return [sentence.text for sentence in sentences(path)]
    return [str(row["text"]) for row in read_lines(path)]


def held_out(folder: Path) -> set[bytes]:
    """The fingerprints of every validation line, the project's own too."""
    paths = [*sorted(folder.glob("*/*.validation.jsonl")), validation(folder, "blind")]
    return {fingerprint(text) for path in paths for text in texts(path)}


def cases() -> list[str]:
    """The texts of the behavioural suite, which nothing that is trained on may repeat."""
    return [text for case in read_cases() for text in case.texts]


def alike(texts: Sequence[str], others: Iterable[str], share: float) -> list[bool]:
    """For each text whether it has at least that share of its words and another's in common (Jaccard)."""
    known = {words(other) for other in others} - {frozenset()}
    return [
        any(len(its & other) >= share * len(its | other) for other in known) for its in (words(text) for text in texts)
    ]


def words(text: str) -> frozenset[str]:
    """The words of a text, without case, order and marks."""
    return frozenset(re.findall(r"\w+", text.lower()))


def columns(path: Path) -> list[list[str]]:
    """What stands between the tabs of each line, without the remarks that begin with a #."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def sentences(path: Path) -> list[Sentence]:
    """The sentences of an entity file: their tokens with spaces between."""
    return [_joined(row["tokens"], row["tags"], path.name.split(".")[0]) for row in read_lines(path)]  # type: ignore[arg-type]


def _joined(tokens: Sequence[str], tags: Sequence[str], source: str) -> Sentence:
    starts = np.cumsum([0] + [len(token) + 1 for token in tokens]).tolist()
    found = spans_of([TAGS.index(tag) for tag in tags])
    return Sentence(" ".join(tokens), tuple((kind, starts[one], starts[end] - 1) for kind, one, end in found), source)


def named(path: Path) -> list[Sentence]:
    """The lines of a file in which names are marked as `[Ada](person)`."""
    return [_unmarked(line) for (line,) in columns(path)]


def _unmarked(line: str) -> Sentence:
    spans: list[Span] = []
    text = ""
    for before, name, kind in re.findall(r"(.*?)(?:\[([^\[\]]+)\]\((\w+)\)|$)", line):
        text += before
        if name:
            spans.append((kind, len(text), len(text) + len(name)))
        text += name
    return Sentence(text, tuple(spans), "named")


def fingerprint(text: str) -> bytes:
    """Equal for texts that differ only in case, spaces, marks, links and who is mentioned."""
    bare = re.sub(r"https?://\S+|@\w+|URL\d+", " ", text.lower())
    return hashlib.sha256(re.sub(r"[\W_]+", "", bare).encode("utf-8", "replace")).digest()


def marked(folder: Path, marks: Path) -> list[Sentence]:
    """The tweets and chat messages of the data folder that `marks` names by their hashes, with the names in them."""
    paths = [folder / "sentiment" / "semeval.train.jsonl", *sorted((folder / "chats").glob("*.jsonl"))]
    found = {hashed(text): text for path in paths for text in texts(path)}
    return [
        Sentence(found[mark], tuple(_span(each) for each in spans.split()), "marked")
        for mark, spans in columns(marks)
        if mark in found
    ]


def hashed(text: str) -> str:
    """What stands for exactly this text in `marked.tsv`."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _span(text: str) -> Span:
    kind, start, end = text.split(":")
    return kind, int(start), int(end)


def heard(folder: Path, labels: Path) -> list[dict[str, object]]:
    """The texts of the data folder that `labels` names by their fingerprints, as sentiment lines."""
    paths = [*sorted((folder / "chats").glob("*.jsonl")), folder / "ner" / "stackoverflow.train.jsonl"]
    found = {fingerprint(text).hex()[:24]: text for path in paths for text in texts(path)}
    return [{"text": found[mark], "label": label} for mark, label in columns(labels) if mark in found]


def mistyped(rows: list[dict[str, object]], count: int) -> list[dict[str, object]]:
    """Some of the rows, with slips of the finger in a few words: neighbours swapped, a letter lost or doubled."""
    draw = random.Random(7)
    return [row | {"text": _slipped(str(row["text"]), draw)} for row in draw.sample(rows, count)]


def _slipped(text: str, draw: random.Random) -> str:
    words = text.split(" ")
    for _ in range(draw.choice((1, 1, 2, 3))):
        index = draw.randrange(len(words))
        word = words[index]
        if len(word) > 3 and word.isalpha():
            at = draw.randrange(1, len(word) - 1)
            slip = draw.choice((word[at + 1] + word[at], "", word[at] * 2))
            words[index] = word[:at] + slip + word[at + (2 if len(slip) == 2 and slip[0] != slip[1] else 1) :]
    return " ".join(words)


def without_duplicates(texts: Sequence[str], held_out: Set[bytes]) -> list[bool]:
    """For each text whether it may be trained on."""
    # Short sentences ("thanks!") recur by chance and tell nothing; they too are dropped, to keep the promise simple.
    return [fingerprint(text) not in held_out for text in texts]


def sentence_example(sentence: Sentence, tokens: Tokens, *, limit: int) -> Example:
    """A sentence whose names moved to our words: a word belongs to the name in which it begins."""
    pieces, shapes, kept = _by_word(tokens, limit)
    tags = [0] * len(kept)
    begins = [tokens.plain.span(tokens.words[index].start, tokens.words[index].end)[0] for index in kept]
    for kind, start, end in sentence.spans:
        inside = [place for place, begin in enumerate(begins) if start <= begin < end]
        for place in inside:
            tags[place] = TAGS.index(f"{'B' if place == inside[0] else 'I'}-{kind}")
    return Example(pieces, shapes, sentence.source, tags=tuple(tags))


def text_example(tokens: Tokens, source: str, label: int = IGNORED, *, limit: int, **more: object) -> Example:
    """A text with its sentiment."""
    pieces, shapes, _ = _by_word(tokens, limit)
    return Example(pieces, shapes, source, label, **more)  # type: ignore[arg-type]


def _by_word(tokens: Tokens, limit: int) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...], list[int]]:
    grouped: dict[int, list[int]] = defaultdict(list)
    shapes: dict[int, int] = {}
    for piece, shape, owner in zip(tokens.ids[:limit], tokens.shapes[:limit], tokens.owners[:limit], strict=True):
        grouped[int(owner)].append(int(piece))
        shapes[int(owner)] = int(shape)
    return tuple(tuple(each) for each in grouped.values()), tuple(shapes.values()), list(grouped)


# --- variation -------------------------------------------------------------------------------------------------------


class Variation:
    """Changes that leave the meaning alone, drawn anew every time an example is seen."""

    def __init__(
        self, vocabulary_size: int, entities: Sequence[Example], mention: int, settings: dict[str, float]
    ) -> None:
        self._mention = mention
        self._settings = settings
        self._names: dict[str, list[tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]]] = defaultdict(list)
        for example in entities:
            for kind, start, end in spans_of(example.tags or ()):
                if Shape.UNTOLD not in example.shapes[start:end]:
                    self._names[kind].append((example.words[start:end], example.shapes[start:end]))

    def __call__(self, example: Example, draw: random.Random) -> Example:
        """One variant of `example`."""
        if example.tags is not None and draw.random() < self._settings["swap_names"]:
            example = self._swap(example, draw)
        if example.tags is not None and draw.random() < self._settings["insert_mention"]:
            at = draw.choice([0, 0, len(example.words), draw.randint(0, len(example.words))])
            if at == len(example.words) or not TAGS[example.tags[at]].startswith("I"):
                example = replace(
                    example,
                    words=(*example.words[:at], (self._mention,), *example.words[at:]),
                    shapes=(*example.shapes[:at], Shape.NONE, *example.shapes[at:]),
                    tags=(*example.tags[:at], 0, *example.tags[at:]),
                )
        chance = draw.random()
        about_names = example.tags is not None or example.opinion is not None
        forget = self._settings["forget_case_entities" if about_names else "forget_case_sentiment"]
        if chance < forget:
            return replace(example, shapes=tuple(Shape.UNTOLD if shape else 0 for shape in example.shapes))
        if chance < forget + self._settings["lower_case"]:  # as people type: a capital here and there, but not on names
            return replace(
                example,
                shapes=tuple(
                    shape if index == 0 else Shape.LOWER if shape in {Shape.TITLE, Shape.MIXED, Shape.UPPER} else shape
                    for index, shape in enumerate(example.shapes)
                ),
            )
        if chance < forget + self._settings["lower_case"] + self._settings["title_case"]:
            return replace(
                example, shapes=tuple(Shape.TITLE if shape == Shape.LOWER else shape for shape in example.shapes)
            )
        return example

    def _swap(self, example: Example, draw: random.Random) -> Example:
        assert example.tags is not None
        words, shapes, tags = list(example.words), list(example.shapes), list(example.tags)
        for kind, start, end in reversed(spans_of(example.tags)):
            if draw.random() < 0.5:
                new_words, new_shapes = draw.choice(self._names[kind])
                words[start:end] = new_words
                untold = Shape.UNTOLD in example.shapes
                shapes[start:end] = [Shape.UNTOLD if untold and shape else shape for shape in new_shapes]
                tags[start:end] = [TAGS.index(f"B-{kind}")] + [TAGS.index(f"I-{kind}")] * (len(new_words) - 1)
        return replace(example, words=tuple(words), shapes=tuple(shapes), tags=tuple(tags))


def spans_of(tags: Iterable[int]) -> list[tuple[str, int, int]]:
    """(kind, start, end) of every entity in a row of tags; an I without its B begins one."""
    found: list[tuple[str, int, int]] = []
    for index, tag in enumerate(tags):
        if tag <= 0:
            continue
        prefix, kind = TAGS[tag].split("-")
        if prefix == "I" and found and found[-1][0] == kind and found[-1][2] == index:
            found[-1] = (kind, found[-1][1], index + 1)
        else:
            found.append((kind, index, index + 1))
    return found


# --- batches ---------------------------------------------------------------------------------------------------------


def packed(examples: Sequence[Example], begin: int, end: int) -> Packed:
    """The examples as one batch."""
    ids, shapes, positions, heads, lengths = [], [], [], [], []
    for example in examples:
        row = [begin]
        row_shapes = [0]
        for word, shape in zip(example.words, example.shapes, strict=True):
            heads.append(sum(lengths) + len(row))
            row.extend(word)
            row_shapes.extend([shape] * len(word))
        row.append(end)
        row_shapes.append(0)
        ids.extend(row)
        shapes.extend(row_shapes)
        positions.extend(range(len(row)))
        lengths.append(len(row))
    place, slots = layout(np.array(lengths))
    return Packed(
        *(torch.from_numpy(np.asarray(each, dtype=np.int64)) for each in (ids, shapes, positions, place, slots, heads))
    )


def layout(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For texts of these lengths in one row: their tokens side by side, and each token's place there."""
    total, longest = int(lengths.sum()), int(lengths.max())
    starts = np.cumsum(lengths) - lengths
    columns = np.arange(longest)
    place = np.where(columns < lengths[:, None], starts[:, None] + columns, total)
    slots = np.repeat(np.arange(len(lengths)) * longest - starts, lengths) + np.arange(total)
    return place, slots


def batches(examples: Sequence[Example], tokens: int, draw: random.Random) -> list[list[Example]]:
    """All examples in batches of about `tokens` tokens; neighbours in length together, batches in random order."""
    order = sorted(examples, key=lambda example: example.length + draw.uniform(-3, 3))
    result: list[list[Example]] = [[]]
    held = 0
    for example in order:
        if held + example.length > tokens and result[-1]:
            result.append([])
            held = 0
        result[-1].append(example)
        held += example.length
    draw.shuffle(result)
    return result


def counts(examples: Iterable[Example]) -> dict[str, int]:
    """How many examples of each source."""
    return dict(Counter(example.source for example in examples))


def in_order(examples: Sequence[Example], tokens: int) -> Iterator[list[int]]:
    """Indices of all examples, shortest first, in batches of about `tokens` tokens."""
    batch: list[int] = []
    held = 0
    for index in sorted(range(len(examples)), key=lambda each: examples[each].length):
        if batch and held + examples[index].length > tokens:
            yield batch
            batch, held = [], 0
        batch.append(index)
        held += examples[index].length
    if batch:
        yield batch


def mention_id(vocabulary: Vocabulary) -> int:
    """The token of a mention."""
    return int(vocabulary.read([MENTION])[0].ids[0])
