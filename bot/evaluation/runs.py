"""What `roomtone evaluate` runs: labelled files and the behavioural suite, with one model or with two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bot.analysis import Analyzer
from bot.errors import ConfigurationError
from bot.evaluation.behaviour import Behaviour, run_behaviour
from bot.evaluation.lines import read_lines
from bot.evaluation.scores import Comparison, Evaluation, compare, evaluate
from bot.readers import reads_names


async def evaluations(
    reader: Callable[[str | None], AbstractAsyncContextManager[Analyzer]],
    files: Sequence[Path],
    *,
    model: str | None,
    against: str | None,
    behaviour: bool,
    lower_cased: bool,
    misses: int,
    progress: Callable[[int], None],
) -> Sequence[Evaluation | Behaviour | Comparison]:
    """How well `model` reads each labelled file, and the behavioural suite; or whether `against` reads better.

    A model is `embedded`, `hosted`, or a checkpoint, and None who reads anyway; `reader` opens it.
    Raises ImportFileError, ConfigurationError.
    """
    labelled = [read_lines(file) for file in files]
    for name in (model, against):
        if not reads_names(name) and any(lines.entities for lines in labelled):
            raise ConfigurationError(
                f"{name} reads sentiment alone, and a file has names. Write a checkpoint for each, as SENTIMENT+NAMES."
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
