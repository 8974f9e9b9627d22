"""How fast Roomtone reads, against what people would otherwise run: `python -m bench.speed`.

Every reader runs in a process of its own, on the same real chat messages. All of them take their turn in every round,
so that whatever else the machine does meets them alike; ratios are taken within a round.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "bot" / "analysis" / "model"
CHAT = ROOT.parent / "shared" / "data" / "chats" / "racket.jsonl"
SAMPLE = ROOT / "adapters" / "console" / "sample"
TOKENS_AT_ONCE = 1024
"""Of the bare multiplications, which are fastest with about as many."""

ROOMTONE, GUIDE, LISTS, NAMES_ONLY = "embedded", "pipelines", "word lists", "word lists, names only"


@dataclass(frozen=True, slots=True)
class Case:
    """A reader and how it is asked."""

    title: str
    reader: str
    task: str
    texts: str  # which of the texts it gets: all, few, stream


CASES = (
    Case("Roomtone, alone", ROOMTONE, "alone", "all"),
    Case("Roomtone, batch", ROOMTONE, "batches", "all"),
    Case("Roomtone, 64 callers", ROOMTONE, "callers", "stream"),
    Case("Roomtone, 64 callers, remembering", ROOMTONE, "remembering callers", "stream"),
    Case("two pipelines, alone", GUIDE, "alone", "few"),
    Case("two pipelines, batches of 32", GUIDE, "batches", "few"),
    Case("VADER + spaCy, alone", LISTS, "alone", "all"),
    Case("VADER + spaCy, batch", LISTS, "batches", "all"),
    Case("VADER + spaCy's names, alone", NAMES_ONLY, "alone", "all"),
    Case("VADER + spaCy's names, batch", NAMES_ONLY, "batches", "all"),
)
BASELINES = {
    f"× {case.title}": case
    for case in CASES
    if (case.reader, case.task) in {(GUIDE, "alone"), (LISTS, "alone"), (LISTS, "batches")}
}


class Process:
    """A reader's process. Raises NotInstalled where its Python lacks what the reader needs."""

    def __init__(self, reader: str, *, python: str, model: Path) -> None:
        self._errors = TemporaryFile("w+")  # noqa: SIM115  # kept as long as the process
        began = perf_counter()
        self._process = subprocess.Popen(
            [python, "-m", "bench.readers", reader, str(model)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        answer = self._hear()
        self.seconds_to_first_answer = perf_counter() - began
        if "missing" in answer:
            self.close()
            raise NotInstalled(answer["missing"])
        self.resident: float = answer["resident"]

    def ask(self, task: str, texts: Sequence[str]) -> dict[str, Any]:
        """What the task took: seconds, and whatever else it tells."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"task": task, "texts": list(texts)}) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)
        self._errors.close()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the reader's process ended:\n{self._errors.read()}")
        heard: dict[str, Any] = json.loads(line)
        return heard


class NotInstalled(Exception):
    """A reader can't be measured here; says what is missing."""


@dataclass(slots=True)
class Results:
    """What was measured, a number for each round."""

    machine: dict[str, object]
    per_second: dict[str, list[float]] = field(default_factory=dict)
    median_ms: dict[str, list[float]] = field(default_factory=dict)
    first_answer_s: dict[str, list[float]] = field(default_factory=dict)
    resident_mib: dict[str, list[float]] = field(default_factory=dict)
    peak_mib: dict[str, list[float]] = field(default_factory=dict)
    int8: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def ratios(self, case: Case, baseline: Case) -> list[float]:
        """How many times faster, round by round."""
        mine, theirs = self.per_second.get(case.title, []), self.per_second.get(baseline.title, [])
        return [a / b for a, b in zip(mine, theirs, strict=False)]

    def as_json(self) -> dict[str, object]:
        """Everything, with the ratios."""
        measured = [case for case in CASES if case.title in self.per_second]
        return {
            "machine": self.machine,
            "messages_per_second": self.per_second,
            "median_ms": self.median_ms,
            "ratios": {
                name: {case.title: ratios for case in measured if (ratios := self.ratios(case, baseline))}
                for name, baseline in BASELINES.items()
            },
            "seconds_to_first_answer": self.first_answer_s,
            "resident_mib_at_first_answer": self.resident_mib,
            "peak_mib": self.peak_mib,
            "int8": self.int8,
            "missing": self.missing,
        }


def run(
    texts: dict[str, Sequence[str]], *, rounds: int, model: Path, pythons: dict[str, str], progress: Progress
) -> Results:
    """Measure every case that can be measured here, `rounds` times in turn."""
    results = Results(machine=_machine(texts))
    processes: dict[str, Process] = {}
    readers = [*dict.fromkeys(case.reader for case in CASES), "multiplications"]
    try:
        for reader in readers:
            try:
                processes[reader] = Process(reader, python=pythons[reader], model=model)
            except NotInstalled as error:
                results.missing[reader] = str(error)
        cases = [case for case in CASES if case.reader in processes]
        bar = progress.add_task("reading", total=rounds * (len(cases) + 2))
        for case in cases:  # the first pass of a shape allocates
            processes[case.reader].ask(case.task, texts["few"][:4])
        for _ in range(rounds):
            for case in cases:
                _measure(results, case, processes[case.reader], texts[case.texts])
                progress.advance(bar)
            _fraction(results, processes, texts["all"])
            progress.advance(bar)
            _fresh(results, texts["all"], python=pythons[ROOMTONE], model=model)
            progress.advance(bar)
    finally:
        for process in processes.values():
            process.close()
    return results


def _measure(results: Results, case: Case, process: Process, texts: Sequence[str]) -> None:
    answer = process.ask(case.task, texts)
    results.per_second.setdefault(case.title, []).append(len(texts) / answer["seconds"])
    if "each" in answer:
        results.median_ms.setdefault(case.title, []).append(1000 * median(answer["each"]))
    if case.reader != ROOMTONE:  # Roomtone's own is taken from fresh processes
        results.peak_mib[case.reader] = [answer["peak"]]


def _fraction(results: Results, processes: dict[str, Process], texts: Sequence[str]) -> None:
    """How much of what the machine's int8 multiplications reach is left when a model is around them."""
    if "multiplications" not in processes:
        return
    bare = processes["multiplications"].ask("peak", [str(TOKENS_AT_ONCE)])
    passes = processes[ROOMTONE].ask("passes", texts)
    whole = processes[ROOMTONE].ask("batches", texts)
    pace = bare["tokens"] / bare["seconds"]
    for name, value in (
        ("bare multiplications, tokens/s", pace),
        ("bare multiplications, 10⁹ operations/s", bare["operations"] / bare["seconds"] / 1e9),
        ("fraction reached by the model's passes", passes["tokens"] / passes["seconds"] / pace),
        ("fraction reached from text to answer", passes["tokens"] / whole["seconds"] / pace),
    ):
        results.int8.setdefault(name, []).append(value)


def _fresh(results: Results, texts: Sequence[str], *, python: str, model: Path) -> None:
    """Roomtone's reader from a standing start: time and memory to the first answer, memory after all of them."""
    process = Process(ROOMTONE, python=python, model=model)
    results.first_answer_s.setdefault(ROOMTONE, []).append(process.seconds_to_first_answer)
    results.resident_mib.setdefault(ROOMTONE, []).append(process.resident)
    results.peak_mib.setdefault(ROOMTONE, []).append(process.ask("batches", texts)["peak"])
    process.close()


def messages(chat: Path) -> list[str]:
    """The texts of a JSONL file or of a Slack export's folder, oldest first; empty ones are left out."""
    if chat.is_dir():
        days = sorted(chat.glob("*/*.json"), key=lambda day: (day.stem, day.parent.name))
        records = [record for day in days for record in json.loads(day.read_text(encoding="utf-8"))]
        records = [record for record in records if "subtype" not in record]
    else:
        records = [json.loads(line) for line in chat.read_text(encoding="utf-8").splitlines()]
    return [record["text"] for record in records if record.get("text", "").strip()]


def drawn(said: Sequence[str], *, count: int, few: int, stream: int) -> dict[str, Sequence[str]]:
    """The texts of a run.

    `all` are `count` different ones drawn at random; `few`, for readers that take long, are those of them at equal
    steps of length, so that they take as long on average; `stream` is a stretch of what was said, with its repetitions.
    """
    distinct = sorted(set(said))
    chosen = random.Random(0).sample(distinct, min(count, len(distinct)))
    by_length = sorted(chosen, key=len)
    few = min(few, len(chosen))
    middle = max(0, (len(said) - stream) // 2)
    return {
        "all": chosen,
        "few": [by_length[int((n + 0.5) * len(by_length) / few)] for n in range(few)],
        "stream": said[middle : middle + stream],
    }


def _machine(texts: dict[str, Sequence[str]]) -> dict[str, object]:
    stream = texts["stream"]
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "messages": len(texts["all"]),
        "of them for the pipelines": len(texts["few"]),
        "messages of 64 callers": len(stream),
        "of them repeated": f"{1 - len(set(stream)) / len(stream):.1%}",
        "characters on average": "/".join(f"{sum(map(len, some)) / len(some):.0f}" for some in texts.values()),
    }


def _processor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in facts.splitlines() if "model name" in line), "unknown")


def show(results: Results, console: Console) -> None:
    """The run as tables; each number is the median of the rounds, with the smallest and the greatest."""
    measured = [case for case in CASES if case.title in results.per_second]
    rates = Table("reader", "messages/s", "median ms", box=None, header_style="dim")
    times = Table("times faster", *BASELINES, box=None, header_style="dim")
    for case in measured:
        rates.add_row(
            case.title, _spread(results.per_second[case.title]), _spread(results.median_ms.get(case.title, []))
        )
        if case.reader == ROOMTONE:
            times.add_row(case.title, *(_spread(results.ratios(case, baseline)) for baseline in BASELINES.values()))
    console.print(rates, "", times, "", sep="\n")
    facts = {
        "seconds from start of a process to its first answer": results.first_answer_s.get(ROOMTONE, []),
        "MiB resident then": results.resident_mib.get(ROOMTONE, []),
        **{f"MiB at most, {reader}": values for reader, values in results.peak_mib.items()},
        **results.int8,
    }
    for name, values in facts.items():
        console.print(f"{name}: {_spread(values)}", highlight=False)
    for reader, why in results.missing.items():
        console.print(f"not measured: {reader} ({why})", style="yellow", highlight=False, markup=False)
    machine = "; ".join(f"{name} {value}" for name, value in results.machine.items())
    console.print(f"\n{machine}", style="dim", highlight=False, markup=False)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, middle, high = (f"{v:,.0f}" if v >= 100 else f"{v:.3g}" for v in (min(values), median(values), max(values)))
    return f"{middle} ({low} … {high})"


def main(
    chat: Annotated[
        Path | None, typer.Option(help="JSONL with a text on each line, or a Slack export's folder.")
    ] = None,
    count: Annotated[int, typer.Option("--messages", help="Different messages that every quick reader reads.")] = 500,
    few: Annotated[int, typer.Option(help="Messages that the two pipelines read in a round.")] = 24,
    stream: Annotated[int, typer.Option(help="Length of the stretch of chat that callers read.")] = 3000,
    rounds: Annotated[int, typer.Option(help="Times that every reader has its turn.")] = 5,
    model: Annotated[Path, typer.Option(help="Folder of the embedded model.")] = MODEL,
    pipelines_python: Annotated[str, typer.Option(help="A Python with the extra `checkpoint`.")] = sys.executable,
    lists_python: Annotated[str, typer.Option(help="A Python with vaderSentiment and spaCy.")] = sys.executable,
    onnx_python: Annotated[str, typer.Option(help="A Python with onnx and onnxruntime.")] = sys.executable,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write every number here.")] = None,
) -> None:
    """Measure Roomtone's reading against two transformers pipelines and against VADER with spaCy."""
    console = Console()
    source = chat or (CHAT if CHAT.exists() else SAMPLE)
    texts = drawn(messages(source), count=count, few=few, stream=stream)
    pythons = {ROOMTONE: sys.executable, GUIDE: pipelines_python, LISTS: lists_python, NAMES_ONLY: lists_python}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        results = run(
            texts, rounds=rounds, model=model, pythons=pythons | {"multiplications": onnx_python}, progress=progress
        )
    results.machine["chat"] = source.name
    show(results, console)
    if json_path is not None:
        json_path.write_text(json.dumps(results.as_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
