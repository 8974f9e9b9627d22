"""Draws the pictures in README and docs from real commands on the sample workspace: `python docs/pictures/make.py`."""

from __future__ import annotations

import asyncio
import sys
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

QUESTIONS = {
    "mood": "mood #general last 5 weeks",
    "entities": "entities #backend last month",
    "digest": "digest #backend last week",
    "compare": "compare #backend last week with the week before",
}


async def main() -> None:
    """Write one SVG a question, and the charts of two of them as PNG."""
    async with app.opened(Settings.read(), database=f"sqlite:///{sys.argv[1]}/pictures.db", sample=True) as opened:
        for name, question in QUESTIONS.items():
            answer = await opened.ask(question)
            screen = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
            screen.print(Text(f'$ roomtone ask --sample "{question}"', style="bold green"))
            screen.print(app.render(answer, width=WIDTH))
            screen.save_svg(str(HERE / f"{name}.svg"), title="Roomtone", theme=THEME)
            if answer.chart is not None:
                (HERE / f"{name}.png").write_bytes(draw(answer.chart))
                (HERE / f"{name}-dark.png").write_bytes(draw(answer.chart, dark=True))


asyncio.run(main())
