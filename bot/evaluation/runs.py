"""What `roomtone evaluate` runs: labelled files and the behavioural suite, with one model or with two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bot.analysis import Analyzer, Kind
from bot.errors import ConfigurationError
from bot.evaluation.behaviour import Behaviour, run_behaviour
from bot.evaluation.lines import read_lines
from bot.evaluation.scores import Comparison, Evaluation, compare, evaluate
from bot.readers import tasks


async def evaluations(
    reader: Callable[[str | None], AbstractAsyncContextManager[Analyzer]],
    files: Sequence[Path],
    *,
    model: str | None,
    against: str | None,
    behaviour: bool,
    lower_cased: bool,
    kinds: frozenset[Kind] | None = None,
    misses: int,
    progress: Callable[[int], None],
) -> Sequence[Evaluation | Behaviour | Comparison]:
    """How well `model` reads each labelled file, and the behavioural suite; or whether `against` reads better.

    A model is `embedded`, `hosted`, or a checkpoint, and None who reads anyway; `reader` opens it. `kinds` are those
    that the files' annotators marked; None: those that occur.
    Raises ImportFileError, ConfigurationError.
    """
    labelled = [read_lines(file, kinds=kinds) for file in files]
    asks_sentiment = behaviour or any(lines.sentiment for lines in labelled)
    asks_names = behaviour or any(lines.entities for lines in labelled)
    for name in (model, against):
        sentiment, names = tasks(name)
        if (asks_sentiment and not sentiment) or (asks_names and not names):
            raise ConfigurationError(
                f"{name} reads {'sentiment' if sentiment else 'names'} alone, and what is to be read has both or the "
                "other. Write a checkpoint for each, as SENTIMENT+NAMES."
            )
    results: list[Evaluation | Behaviour | Comparison] = []
    if against is not None:
        async with reader(model) as first, reader(against) as second:
            for lines in labelled:
                results.append(
                    await compare(first, second, lines, lower_cased=lower_cased, misses=misses, progress=progress)
                )
        return results
    async with reader(model) as analyzer:
        for lines in labelled:
            results.append(await evaluate(analyzer, lines, lower_cased=lower_cased, misses=misses, progress=progress))
        if behaviour:
            results.append(await run_behaviour(analyzer, progress=progress))
    return results
