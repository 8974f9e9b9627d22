"""How well an analyzer reads: scores on labelled lines, a comparison of two, and a suite of behavioural cases.

    labelled = read_lines(path)                     sentiment and entity lines of a JSONL file
    await evaluate(analyzer, labelled)              → Evaluation
    await compare(first, second, labelled)          → Comparison: is the second better?
    await run_behaviour(analyzer)                   → Behaviour: what a person would expect, by phenomenon

`bot.evaluation.report` shows any of the three in a terminal, `bot.evaluation.picture` draws an Evaluation. Nothing here
shows or keeps the words of an evaluated line unless `misses` asks for some.
"""

from bot.evaluation.behaviour import Behaviour, Case, Failure, Phenomenon, read_cases, run_behaviour
from bot.evaluation.lines import EntityLine, Labelled, SentimentLine, Skipped, read_lines
from bot.evaluation.scores import (
    Comparison,
    EntityScores,
    Evaluation,
    KindScore,
    LabelScore,
    Measure,
    Miss,
    PairedTest,
    SentimentScores,
    Speed,
    compare,
    evaluate,
)

__all__ = [
    "Behaviour",
    "Case",
    "Comparison",
    "EntityLine",
    "EntityScores",
    "Evaluation",
    "Failure",
    "KindScore",
    "LabelScore",
    "Labelled",
    "Measure",
    "Miss",
    "PairedTest",
    "Phenomenon",
    "SentimentLine",
    "SentimentScores",
    "Skipped",
    "Speed",
    "compare",
    "evaluate",
    "read_cases",
    "read_lines",
    "run_behaviour",
]
