"""Draws the pictures in README and docs from real commands on the sample workspace: `python docs/pictures/make.py`."""

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
}
CHARTS = ("digest", "mood")


async def main() -> None:
    """Write one SVG a question, and the charts of two of them as PNG."""
    async with app.opened(Settings.read(), database=f"sqlite:///{sys.argv[1]}/pictures.db", sample=True) as opened:
        for name, question in QUESTIONS.items():
            answer = await opened.ask(question)
            screen = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
            screen.print(Text(f'$ roomtone ask --sample "{question}"', style="bold green"))
            screen.print(app.render(answer, width=WIDTH))
            screen.save_svg(str(HERE / f"{name}.svg"), title="Roomtone", theme=THEME)
            if answer.chart is not None and name in CHARTS:
                (HERE / f"{name}.png").write_bytes(draw(answer.chart))
                (HERE / f"{name}-dark.png").write_bytes(draw(answer.chart, dark=True))


asyncio.run(main())
