"""Answer → what a terminal shows, with charts drawn in characters."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from typing import assert_never
from zoneinfo import ZoneInfo

import plotext
from rich.bar import Bar as RichBar
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from bot.analysis import Analysis
from bot.answer import Align, Answer, Bar, Chart, ChartKind, Point, Series, Table
from bot.wording import signed

CHART_ROWS = 12
WIDEST_CHART = 100
BLOCKS = "▁▂▃▄▅▆▇█"
COLOURS = ("cyan", "orange", "magenta")
"""Of the lines of a chart, in turn."""
SHADES = ("#8c510a", "#d8b365", "#9a9a9a", "#5ab4ac", "#01665e")
"""Brown to teal (ColorBrewer BrBG): told apart by colour-blind readers, on light and dark."""


def literal(text: str) -> str:
    """`text` without control characters, so that no name or message can move the cursor or recolour the screen."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else " " for c in text)


def render(answer: Answer, *, width: int = 80) -> RenderableType:
    """The whole answer, at most `width` columns wide."""
    parts: list[RenderableType] = [Text(literal(answer.title), style="bold cyan")]
    for number, line in enumerate(answer.lines):
        parts.append(Text(literal(line), style="bold" if number == 0 else ""))
    if answer.chart is not None:
        parts.append(Padding(chart(answer.chart, width=min(width, WIDEST_CHART)), (1, 0, 0, 0)))
    if answer.table is not None and answer.table.rows:
        parts.append(Padding(_Table(answer.table), (1, 0, 0, 0)))
    for link in answer.links:
        # A terminal can't open a message, so it names the place a person would look for.
        parts.append(Text(literal(f"→ {link.words}"), style="cyan"))
    if answer.footnote:
        parts.append(Padding(Text(literal(answer.footnote), style="dim italic"), (1, 0, 0, 0)))
    if answer.suggestions:
        asked = " · ".join(f"/{suggestion}" for suggestion in answer.suggestions)
        parts.append(Text(literal(f"Next: {asked}"), style="dim"))
    return Group(*parts)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table or, where the screen is too narrow for whole words side by side, its rows one below the other."""

    shown: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = _table(self.shown)
        needed = Measurement.get(console, options.update_width(sys.maxsize), drawn).minimum
        yield drawn if needed <= options.max_width else _rows(self.shown)


def _rows(shown: Table) -> RenderableType:
    titles = [column.title for column in shown.columns[1:]]
    parts: list[RenderableType] = []
    for first, *rest in shown.rows:
        said = " · ".join(f"{title} {cell}" for title, cell in zip(titles, rest, strict=True) if cell)
        parts += [Text(literal(first), style="bold"), Padding(Text(literal(said)), (0, 0, 0, 2))]
    return Group(*parts)


def _table(shown: Table) -> RichTable:
    drawn = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column, *cells in zip(shown.columns, *shown.rows, strict=True):
        drawn.add_column(
            Text(literal(column.title)),
            justify="right" if column.align is Align.RIGHT else "left",
            no_wrap=not any(
                " " in text for text in (column.title, *cells)
            ),  # or a word is cut where a line could break
        )
    for row in shown.rows:
        drawn.add_row(*(Text(literal(cell)) for cell in row))
    return drawn


def chart(shown: Chart, *, width: int) -> RenderableType:
    """A chart in characters: lines with their intervals, bars, small multiples or a heat map."""
    match shown.kind:
        case ChartKind.LINES:
            return _lines(shown, width)
        case ChartKind.BARS:
            return _bars(shown, width)
        case ChartKind.MULTIPLES:
            return _multiples(shown)
        case ChartKind.HEAT_MAP:
            return _HeatMap(shown)
        case _:
            assert_never(shown.kind)


def _lines(shown: Chart, width: int) -> RenderableType:
    zone = ZoneInfo(shown.zone)
    drawn = [point for series in shown.series for point in series.points if point.estimate is not None]
    if not drawn:
        return Text("nothing to draw: every step has too few people", style="dim")
    figure = plotext.figure
    figure.clear()
    figure.theme("simple")
    figure.plot_size(width, CHART_ROWS)
    bounds = [bound for p in drawn for bound in (p.low, p.estimate, p.high) if bound is not None]
    bottom, top = _rounded(min(bounds)), _rounded(max(bounds) + 10)
    figure.ruler("y").lim(bottom, top)
    ticks = list(range(bottom, top + 1, max(10, (top - bottom) // 40 * 10)))
    figure.ruler("y").ticks(ticks, [signed(tick) for tick in ticks])
    for series, colour in zip(shown.series, cycle(COLOURS), strict=False):
        for low, high, at in _intervals(series):
            figure.draw(figure.segment([at, at], [low, high], marker=plotext.marker("│", "gray")))
        for piece in _pieces(series):
            marker = plotext.marker("hd", colour)
            line = figure.signal([_middle(p) for p in piece], [p.estimate for p in piece], marker=marker)
            line.lines()
            figure.draw(line)
    steps = shown.series[0].points
    every = max(1, len(steps) // max(1, width // 12))
    labelled = steps[::every]
    figure.ruler("x").lim(steps[0].start.timestamp(), steps[-1].end.timestamp())
    figure.ruler("x").ticks([_middle(p) for p in labelled], [_when(p, zone) for p in labelled])
    canvas = Text.from_ansi(figure.build().string().rstrip("\n"))
    names = " and ".join(series.name for series in shown.series)
    legend = f"{names}: {shown.unit}; bars are 95 % intervals"
    marks = [f"{at.astimezone(zone):%d %b}: {label}" for at, label in shown.marks]
    return Group(canvas, Text(literal("  " + "; ".join([legend, *marks])), style="dim"))


def _rounded(points: float) -> int:
    """Down to a whole ten, so that the axis reads well."""
    return int(points // 10 * 10)


def _pieces(series: Series) -> list[list[Point]]:
    """Runs of steps that have an estimate: a gap stays a gap."""
    pieces: list[list[Point]] = [[]]
    for point in series.points:
        if point.estimate is None:
            pieces.append([])
        else:
            pieces[-1].append(point)
    return [piece for piece in pieces if piece]


def _intervals(series: Series) -> list[tuple[float, float, float]]:
    return [(p.low, p.high, _middle(p)) for p in series.points if p.low is not None and p.high is not None]


def _middle(point: Point) -> float:
    return (point.start.timestamp() + point.end.timestamp()) / 2


def _when(point: Point, zone: ZoneInfo) -> str:
    start: datetime = point.start.astimezone(zone)
    short = (point.end - point.start).total_seconds() < 86_400 / 2
    return f"{start:%H:%M}" if short else f"{start:%d %b}"


def _bars(shown: Chart, width: int) -> RenderableType:
    low = min(0.0, *(bar.value for bar in shown.bars))
    high = max(0.0, *(bar.value for bar in shown.bars))
    room = max(10, width - 2 - max(len(bar.label) for bar in shown.bars) - 10)
    drawn = RichTable.grid(padding=(0, 1, 0, 0))
    for bar in shown.bars:
        begin, end = sorted((0.0, bar.value))
        strip = RichBar(high - low or 1.0, begin - low, end - low, width=room, color="cyan")
        drawn.add_row(Text(literal(bar.label)), Text(_value(bar), justify="right"), strip)
    return Group(drawn, Text(literal(shown.unit), style="dim"))


def _value(bar: Bar) -> str:
    """A mood has its sign, a count has none."""
    return f"{bar.value:,.0f}" if bar.low is None and bar.value >= 0 else signed(bar.value)


def _multiples(shown: Chart) -> RenderableType:
    low, high = _range(shown)
    drawn = RichTable.grid(padding=(0, 2, 0, 0))
    for series in shown.series:
        line = "".join(" " if p.estimate is None else _block(p.estimate, low, high) for p in series.points)
        drawn.add_row(Text(literal(series.name)), Text(line, style="cyan"))
    return Group(drawn, Text(literal(f"{shown.unit}, from {signed(low)} to {signed(high)}"), style="dim"))


@dataclass(frozen=True, slots=True)
class _HeatMap:
    """A heat map in colours, or in words where there are none, such as in a pipe."""

    shown: Chart

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        coloured = console.color_system is not None and not console.no_color
        yield _heat_map(self.shown) if coloured else Text(literal(self.shown.alt), style="dim")


def _heat_map(shown: Chart) -> RenderableType:
    low, high = _range(shown)
    drawn = RichTable.grid(padding=(0, 1, 0, 0))
    for series in shown.series:
        row = Text()
        for point in series.points:
            if point.estimate is None:
                row.append("· ", style="dim")
            else:
                shade = int((point.estimate - low) / ((high - low) or 1.0) * (len(SHADES) - 1) + 0.5)
                row.append("██", style=SHADES[shade])
        drawn.add_row(Text(literal(series.name)), row)
    return Group(
        drawn, Text(literal(f"{shown.unit}, from {signed(low)} (brown) to {signed(high)} (teal)"), style="dim")
    )


def _range(shown: Chart) -> tuple[float, float]:
    values = [p.estimate for series in shown.series for p in series.points if p.estimate is not None]
    return (min(values), max(values)) if values else (0.0, 0.0)


def _block(value: float, low: float, high: float) -> str:
    return BLOCKS[int((value - low) / ((high - low) or 1.0) * (len(BLOCKS) - 1) + 0.5)]


def analysed(text: str, analysis: Analysis) -> Text:
    """A message with the names in it marked, and below it what was read."""
    shown = Text()
    at = 0
    for entity in analysis.entities:
        shown.append(literal(text[at : entity.start]))
        shown.append(literal(text[entity.start : entity.end]), style="bold cyan")
        shown.append(f" ({entity.kind})", style="dim")
        at = entity.end
    shown.append(literal(text[at:]) + "\n")
    read = analysis.sentiment
    if read is None:
        shown.append(f"not read: the language seems to be '{analysis.language}'", style="yellow")
    else:
        shares = f"negative {read.negative:.0%}, neutral {read.neutral:.0%}, positive {read.positive:.0%}"
        shown.append(f"{read.label} {signed(100 * read.score)}", style="bold")
        shown.append(f"  {shares}", style="dim")
    shown.append(f"\n{analysis.model}", style="dim")
    return shown
