"""Draws the pictures in README and docs from real commands: `python docs/pictures/make.py FOLDER [DATABASE WEEK]…`.

Those of the sample workspace always, in a database that is made in FOLDER; and for each DATABASE, such as one with a
public export in it, the digest of a WEEK such as 2019-W16.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI, TerminalTheme
from rich.text import Text

from bot import app
from bot.answer import Answer
from bot.chart import draw
from bot.settings import Settings

HERE = Path(__file__).parent
WIDTH = 92
THEME: TerminalTheme = MONOKAI

THE_BAD_WEEK = date.today() - timedelta(weeks=3)  # noqa: DTZ011  # the sample ends last Sunday, wherever this runs
YEAR, WEEK, _ = THE_BAD_WEEK.isocalendar()

QUESTIONS = {
    "digest": f"digest #backend {YEAR}-W{WEEK:02}",
    "mood": "mood #general last 5 weeks",
    "entities": "entities last 5 weeks",
    "compare": "compare #backend last week with the week before",
    "pattern": "pattern last 5 weeks",
}
CHARTS = ("digest", "mood", "pattern")


async def main() -> None:
    """Write one SVG a question, and some of their charts as PNG, in light and dark."""
    folder, *others = sys.argv[1:]
    async with app.opened(Settings.read(), database=f"sqlite:///{folder}/pictures.db", sample=True) as opened:
        for name, question in QUESTIONS.items():
            write(name, f'roomtone ask --sample "{question}"', await opened.ask(question), has_chart=name in CHARTS)
    for number, (database, week) in enumerate(zip(others[::2], others[1::2], strict=True), start=1):
        async with app.opened(Settings.read(), database=database, sample=False) as opened:
            question = f"digest #general {week}"
            write(f"week-{number}", f'roomtone ask "{question}"', await opened.ask(question), has_chart=number == 1)


def write(name: str, command: str, answer: Answer, *, has_chart: bool) -> None:
    """The terminal after `command` as NAME.svg, and the chart as NAME.png and NAME-dark.png."""
    screen = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    screen.print(Text(f"$ {command}", style="bold green"))
    screen.print(app.render(answer, width=WIDTH))
    screen.save_svg(str(HERE / f"{name}.svg"), title="Roomtone", theme=THEME)
    if answer.chart is not None and has_chart:
        (HERE / f"{name}.png").write_bytes(draw(answer.chart))
        (HERE / f"{name}-dark.png").write_bytes(draw(answer.chart, dark=True))


asyncio.run(main())
