"""One reader for each task: an Analyzer made of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.analysis import Analysis, Analyzer


@dataclass(frozen=True, slots=True)
class Paired:
    """Takes the sentiment of a text from one analyzer and the names in it from another.

    A reading names both, sentiment's first. Raises what either of them raises: half a reading is none.
    """

    sentiment: Analyzer
    entities: Analyzer

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        """Read every text twice, one after the other."""
        moods = await self.sentiment.analyze(texts)
        names = await self.entities.analyze(texts)
        return [
            Analysis(mood.sentiment, named.entities, f"{mood.model}+{named.model}", mood.language)
            for mood, named in zip(moods, names, strict=True)
        ]
