"""Asking an analyzer for many texts, of which it may refuse some."""

from __future__ import annotations

from collections.abc import Sequence

from bot.analysis import Analysis, Analyzer
from bot.errors import Refused

UNDETERMINED = "und"
"""What ISO 639 calls a language that nobody found out: that of a text which was refused."""


async def ask(analyzer: Analyzer, texts: Sequence[str], *, model: str) -> Sequence[Analysis]:
    """Read every text; one that is refused has no sentiment, no names, and UNDETERMINED language under `model`.

    Of a batch that is refused the halves are asked, so that it costs few requests to find whom it is about. Raises
    what else the analyzer raises.
    """
    try:
        return await analyzer.analyze(texts)
    except Refused:
        if len(texts) == 1:
            return (Analysis(None, (), model, UNDETERMINED),)
        half = len(texts) // 2
        return (*await ask(analyzer, texts[:half], model=model), *await ask(analyzer, texts[half:], model=model))
