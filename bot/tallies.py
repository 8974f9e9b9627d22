"""Author tallies of several windows, kept as columns: a year of a busy channel has tens of thousands of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import overload

import numpy as np
from numpy.typing import NDArray

from bot.message import Pseudonym
from bot.store import AuthorTally

Integers = NDArray[np.int64]

SUMS = ("messages", "score", "squares", "negative", "neutral", "positive")
"""The fields of an AuthorTally that add up."""

_TALLY = attrgetter("author", "model", *SUMS)


@dataclass(frozen=True, slots=True, eq=False)
class Tallies(Sequence[Sequence[AuthorTally]]):
    """A sequence of windows, each a sequence of AuthorTally that are made when they are looked at.

    `starts` says where in the columns each window begins, and where the last one ends. `author` and `model` are places
    among `authors` and `models`; `sums` are by their name in SUMS.
    """

    starts: Integers
    author: Integers = field(repr=False)
    model: Integers
    sums: Mapping[str, NDArray[np.int64] | NDArray[np.float64]] = field(repr=False)
    authors: Sequence[Pseudonym] = field(repr=False)
    models: Sequence[str]

    @classmethod
    def of(cls, windows: Sequence[Sequence[AuthorTally]]) -> Tallies:
        """The same tallies as columns."""
        if isinstance(windows, Tallies):
            return windows
        rows = [_TALLY(tally) for window in windows for tally in window]
        author, model, *sums = zip(*rows, strict=True) if rows else [()] * (2 + len(SUMS))
        authors = {name: place for place, name in enumerate(dict.fromkeys(author))}
        models = {name: place for place, name in enumerate(dict.fromkeys(model))}
        return cls(
            starts=np.cumsum([0, *map(len, windows)]),
            author=np.array([authors[name] for name in author], np.int64),
            model=np.array([models[name] for name in model], np.int64),
            sums={name: np.array(each) for name, each in zip(SUMS, sums, strict=True)},
            authors=tuple(authors),
            models=tuple(models),
        )

    def cut(self, length: int) -> list[Tallies]:
        """Every `length` windows by themselves, with only the columns that are theirs."""
        cut = []
        for first in range(0, len(self), length):
            starts = self.starts[first : first + length + 1]
            rows = slice(int(starts[0]), int(starts[-1]))
            sums = {name: column[rows] for name, column in self.sums.items()}
            cut.append(
                Tallies(starts - starts[0], self.author[rows], self.model[rows], sums, self.authors, self.models)
            )
        return cut

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> Sequence[AuthorTally]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[AuthorTally]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[AuthorTally] | Sequence[Sequence[AuthorTally]]:
        return tuple(self)[index]

    def __iter__(self) -> Iterator[Sequence[AuthorTally]]:
        authors = map(self.authors.__getitem__, self.author.tolist())
        models = map(self.models.__getitem__, self.model.tolist())
        tallies = tuple(map(AuthorTally, authors, models, *(self.sums[name].tolist() for name in SUMS)))
        return (tallies[start:end] for start, end in pairwise(self.starts.tolist()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)
