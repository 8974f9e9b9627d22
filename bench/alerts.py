"""Whether alerts cry wolf: `python -m bench.alerts`, on the simulated teams of `bench.simulation`.

Every working day of the last week is judged as an alert judges it, by the code that posts them. Without a change each
alert is a false alarm; with one, the first day's alert is what is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bench.simulation import ALIKE, DAY, LAST_WEEK, ROOM, TWENTY, UTC_ZONE, Room, Simulated, simulate
from bot.alerts import has_dropped
from bot.estimates import Mood
from bot.message import Window
from bot.trends import Trends

WORKING_DAYS = 5

ROOMS: tuple[tuple[str, Room], ...] = (
    ("no change, 8 to 40 members", ALIKE),
    ("no change, conversations pull hard", replace(ALIKE, conversation=0.15)),
    ("no change, about 20 people", TWENTY),
    ("-20 points, about 20 people", replace(TWENTY, change=-0.20)),
    ("-30 points, about 20 people", replace(TWENTY, change=-0.30)),
)


async def judge(made: Simulated) -> tuple[bool, ...]:
    """Of each working day that enough was said on to be judged: would it raise an alert?"""
    trends = Trends(made)
    alerts = []
    for number in range(WORKING_DAYS):
        start = LAST_WEEK.start + number * DAY
        reading = await trends.mood([ROOM], Window(start, start + DAY), UTC_ZONE, start + DAY)
        if isinstance(reading.mood, Mood) and reading.usual is not None:
            alerts.append(has_dropped(reading))
    return tuple(alerts)


def verdicts(room: Room, teams: int, *, seed: int = 1) -> list[tuple[bool, ...]]:
    """Judge that many rooms, each made anew."""

    async def work() -> list[tuple[bool, ...]]:
        random = np.random.default_rng(seed)
        return [await judge(simulate(room, random)) for _ in range(teams)]

    return asyncio.run(work())


def main(
    teams: Annotated[int, typer.Option(help="Teams of each kind.")] = 400,
    seed: Annotated[int, typer.Option(help="Another seed, other teams.")] = 1,
) -> None:
    """Print on how many days alerts are raised."""
    began = perf_counter()
    table = Table(title=f"Alerts of simulated teams, seed {seed}", box=None, header_style="dim")
    for title in ("room", "days judged", "days with an alert", "weeks with one"):
        table.add_column(title, justify="left" if title == "room" else "right")
    for name, room in ROOMS:
        found = [alerts for alerts in verdicts(room, teams, seed=seed) if alerts]
        days = [alert for alerts in found for alert in alerts]
        table.add_row(name, str(len(days)), _percent(days), _percent([any(alerts) for alerts in found]))
    console = Console(width=120)
    console.print(table)
    console.print(f"± is two standard errors of the simulation. {perf_counter() - began:.0f} s.")


def _percent(happened: Sequence[bool]) -> str:
    if not happened:
        return "–"
    part = sum(happened) / len(happened)
    return f"{100 * part:.1f} ± {200 * sqrt(part * (1 - part) / len(happened)):.1f} %"


if __name__ == "__main__":
    typer.run(main)
