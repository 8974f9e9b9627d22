"""A chart as data → a PNG that is readable on a phone, in light and dark."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from io import BytesIO
from textwrap import fill
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, assert_never
from zoneinfo import ZoneInfo

import emoji

from bot.answer import Bar, Chart, ChartKind, Point, Series
from bot.wording import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, DOTS_PER_INCH = 1280, 720, 160
"""Pixels, and how large type is in them: 13 points are 29 pixels, so that half the size is still read."""

MOST_BARS = 12
MOST_MULTIPLES = 9
LONGEST_LABEL = 26
LONGEST_TITLE = 60
"""Characters of a line; a title has two."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours that hold on their ground; lines from Okabe & Ito's palette, told apart by colour-blind readers."""

    ground: str
    ink: str
    quiet: str
    grid: str
    lines: tuple[str, ...]
    low: str
    middle: str
    high: str


LIGHT = Theme(
    ground="#ffffff", ink="#1d1c1d", quiet="#616061", grid="#dddddd",
    lines=("#0072b2", "#d55e00", "#009e73", "#a8578c", "#8a6d00", "#444444"),
    low="#d55e00", middle="#f4f4f4", high="#0072b2",
)  # fmt: skip
DARK = Theme(
    ground="#1a1d21", ink="#e8e8e8", quiet="#ababad", grid="#3b3e44",
    lines=("#56b4e9", "#e69f00", "#2fcf9f", "#e49ac8", "#f0e442", "#c8c8c8"),
    low="#e69f00", middle="#33363b", high="#56b4e9",
)  # fmt: skip


def draw(chart: Chart, *, dark: bool = False) -> bytes:
    """A PNG of 1280 × 720 pixels. matplotlib isn't thread-safe: call from one thread only, or through `Charts`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    theme = DARK if dark else LIGHT
    figure = Figure(
        figsize=(WIDTH / DOTS_PER_INCH, HEIGHT / DOTS_PER_INCH), dpi=DOTS_PER_INCH, facecolor=theme.ground,
        layout=ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.09),
    )  # fmt: skip
    FigureCanvasAgg(figure)
    match chart.kind:
        case _ if not chart.bars and not any(series.points for series in chart.series):
            figure.text(0.5, 0.5, "nothing to show", ha="center", color=theme.quiet, fontsize=13)
        case ChartKind.LINES:
            _lines(figure, chart, theme)
        case ChartKind.BARS:
            _bars(figure, chart, theme)
        case ChartKind.MULTIPLES:
            _multiples(figure, chart, theme)
        case ChartKind.HEAT_MAP:
            _heat_map(figure, chart, theme)
        case _:
            assert_never(chart.kind)
    figure.suptitle(
        fill(_label(chart.title, 2 * LONGEST_TITLE), LONGEST_TITLE), x=0.02, ha="left", color=theme.ink, fontsize=15,
        fontweight="bold", parse_math=False,
    )  # fmt: skip
    written = BytesIO()
    figure.savefig(written, format="png", facecolor=theme.ground, metadata={"Description": chart.alt})
    return written.getvalue()


class Charts:
    """Draws charts off the event loop, one after another in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chart")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    async def png(self, chart: Chart, *, dark: bool = False) -> bytes:
        """As `draw`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: draw(chart, dark=dark))

    async def warm(self) -> None:
        """Load matplotlib and its fonts now, so that the first chart doesn't wait for it."""
        await self.png(Chart(ChartKind.BARS, "", "", "", "UTC", bars=(Bar("", 1),)))


def _lines(figure: Figure, chart: Chart, theme: Theme) -> None:
    axes = figure.subplots()
    _frame(axes, theme)
    _moods(axes, chart.series, theme)
    _times(axes, chart, theme)
    for position, series in enumerate(chart.series):
        colour = theme.lines[position % len(theme.lines)]
        _line(axes, series, chart.marks, colour, theme)
        if len(chart.series) > 1:
            _name_at_the_end(axes, series, colour)
    _mark(axes, chart.marks, theme)
    points = [point for series in chart.series for point in series.points]
    note = "band: 95 % interval"
    note += "; gaps: fewer than 5 people" if any(point.estimate is None for point in points) else ""
    note += "; hollow: not over yet" if any(not point.complete for point in points) else ""
    axes.set_xlabel(f"{chart.unit} · {note}", color=theme.quiet, fontsize=9.5, loc="left", parse_math=False)


def _bars(figure: Figure, chart: Chart, theme: Theme) -> None:
    axes = figure.subplots()
    _frame(axes, theme)
    bars = chart.bars[:MOST_BARS]
    places = list(range(len(bars)))[::-1]
    colour = theme.lines[0]
    axes.grid(visible=True, axis="x", color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylim(-0.7, max(len(bars), 2) - 0.3)
    size = 13 if len(bars) <= 7 else 11
    axes.set_yticks(places, [_dated(bar.label) for bar in bars], color=theme.ink, fontsize=size, parse_math=False)
    axes.tick_params(axis="y", length=0)
    is_mood = any(bar.low is not None or bar.value < 0 for bar in bars)
    if is_mood:
        # A mood is a place on a scale, not an amount: a dot with its interval, not a bar from zero.
        for place, bar in zip(places, bars, strict=True):
            axes.plot(
                [bar.value if bar.low is None else bar.low, bar.value if bar.high is None else bar.high],
                [place, place], color=colour, linewidth=5, alpha=0.45, solid_capstyle="round",
            )  # fmt: skip
            axes.plot([bar.value], [place], "o", color=colour, markersize=11)
            axes.annotate(
                signed(bar.value), (bar.value, place), (0, 11), textcoords="offset points", ha="center",
                color=theme.ink, fontsize=size, parse_math=False,
            )  # fmt: skip
        axes.axvline(0, color=theme.quiet, linewidth=1)
        axes.xaxis.set_major_formatter(lambda value, _: signed(value))
        edges = [edge for bar in bars for edge in (bar.low, bar.high, bar.value) if edge is not None]
        axes.set_xlim(*_room(min([*edges, 0.0]), max([*edges, 0.0])))
    else:
        axes.barh(places, [bar.value for bar in bars], color=colour, height=0.62)
        for place, bar in zip(places, bars, strict=True):
            axes.annotate(
                f"{bar.value:,.0f}", (bar.value, place), (5, 0), textcoords="offset points", va="center",
                color=theme.ink, fontsize=size, parse_math=False,
            )  # fmt: skip
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set_xlim(0, 1.1 * max([bar.value for bar in bars], default=1) or 1)
    note = "; line: 95 % interval" if any(bar.low is not None for bar in bars) else ""
    axes.set_xlabel(f"{chart.unit}{note}", color=theme.quiet, fontsize=9.5, loc="left", parse_math=False)


def _multiples(figure: Figure, chart: Chart, theme: Theme) -> None:
    shown = chart.series[:MOST_MULTIPLES]
    columns = 1 if len(shown) == 1 else 2 if len(shown) <= 4 else 3
    rows = math.ceil(len(shown) / columns)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for position, axes in enumerate(grid.flat):
        if position >= len(shown):
            axes.set_visible(False)
            continue
        series = shown[position]
        _frame(axes, theme)
        _moods(axes, shown, theme)
        _times(axes, replace(chart, series=shown), theme, small=True)
        own_marks = [mark for mark in chart.marks if _reads_on(series, mark[0])]
        _line(axes, series, own_marks, theme.lines[0], theme, small=True)
        _mark(axes, own_marks, theme, named=False)
        axes.set_title(_label(series.name), loc="left", color=theme.ink, fontsize=11.5, parse_math=False)
        if position + columns < len(shown):
            axes.tick_params(axis="x", labelbottom=False)
        else:
            axes.tick_params(axis="x", labelbottom=True)
    read_on = "; dashed: another model reads from here" if chart.marks else ""
    figure.supxlabel(
        f"{chart.unit} · band: 95 % interval; gaps: fewer than 5 people{read_on}",
        x=0.02, ha="left", color=theme.quiet, fontsize=9.5, parse_math=False,
    )  # fmt: skip


def _heat_map(figure: Figure, chart: Chart, theme: Theme) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    zone = ZoneInfo(chart.zone)
    values = [[math.nan] * 24 for _ in chart.series]
    for row, series in zip(values, chart.series, strict=True):
        for point in series.points:
            if point.estimate is not None:
                row[point.start.astimezone(zone).hour] = point.estimate
    reach = max([abs(value) for row in values for value in row if not math.isnan(value)], default=1.0)
    reach = max(10.0, math.ceil(reach / 10) * 10.0)  # half of it is a whole number, too
    axes = figure.subplots()
    _frame(axes, theme)
    colours = LinearSegmentedColormap.from_list("mood", [theme.low, theme.middle, theme.high], bad=theme.ground)
    hours = [hour for hour in range(24) if any(not math.isnan(row[hour]) for row in values)] or [0, 23]
    image = axes.imshow(values, cmap=colours, vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
    axes.set_xlim(min(hours) - 0.5, max(hours) + 0.5)
    for row_number, row in enumerate(values):
        for hour in range(min(hours), max(hours) + 1):
            if math.isnan(row[hour]):
                axes.plot([hour], [row_number], ".", color=theme.grid, markersize=4)
    axes.set_yticks(
        range(len(chart.series)), [_label(series.name) for series in chart.series], color=theme.ink, fontsize=12,
        parse_math=False,
    )  # fmt: skip
    axes.set_xticks([hour for hour in range(min(hours), max(hours) + 1) if hour % 2 == min(hours) % 2])
    axes.xaxis.set_major_formatter(lambda value, _: f"{int(value):02}")
    axes.tick_params(length=0)
    axes.set_xlabel(
        f"hour of the day ({chart.zone.removeprefix('Etc/')}); dot: fewer than 5 people",
        color=theme.quiet, fontsize=9.5, loc="left", parse_math=False,
    )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, pad=0.01, fraction=0.05)
    bar.outline.set_visible(False)
    bar.set_ticks([-reach, -reach / 2, 0, reach / 2, reach])
    bar.ax.yaxis.set_major_formatter(lambda value, _: signed(value))
    bar.ax.tick_params(colors=theme.ink, labelsize=11, length=0)
    bar.ax.set_title(chart.unit.replace(" ", "\n"), color=theme.quiet, fontsize=9.5, loc="left", parse_math=False)


def _frame(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.ground)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=theme.ink, labelsize=11.5, length=0)


def _moods(axes: Axes, series: Sequence[Series], theme: Theme) -> None:
    points = [point for each in series for point in each.points]
    edges = [edge for point in points for edge in (point.low, point.high, point.estimate) if edge is not None]
    axes.set_ylim(*_room(min(edges, default=-10.0), max(edges, default=10.0)))
    axes.yaxis.set_major_formatter(lambda value, _: signed(value))
    axes.grid(visible=True, axis="y", color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    low, high = axes.get_ylim()
    if low <= 0 <= high:
        axes.axhline(0, color=theme.quiet, linewidth=1.2, zorder=1)


def _room(low: float, high: float) -> tuple[float, float]:
    """Limits with air around, never so narrow that noise looks like news."""
    middle, reach = (low + high) / 2, max(15.0, (high - low) / 2 * 1.12)
    return max(-104.0, middle - reach), min(104.0, middle + reach)


def _times(axes: Axes, chart: Chart, theme: Theme, *, small: bool = False) -> None:
    points = max((series.points for series in chart.series), key=len, default=())
    if not points:
        return
    number = _dates().date2num
    first, last = points[0].start, max(series.points[-1].end for series in chart.series)
    axes.set_xlim(float(number(first)), float(number(last)))
    every = math.ceil(len(points) / (4 if small else 8))
    step = _length(points)
    # Hours read best from midnight; of other steps the last is the one that is asked about.
    shown = points[0 if step < timedelta(hours=3) else (len(points) - 1) % every :: every]
    labels = _time_labels(shown, step, chart.zone)
    axes.set_xticks([float(number(_middle(point))) for point in shown], labels, parse_math=False)
    axes.tick_params(axis="x", colors=theme.ink, labelsize=9.5 if small else 11.5)


def _length(points: Sequence[Point]) -> timedelta:
    """How long a step is; the first and the last may be cut short."""
    return sorted(point.end - point.start for point in points)[len(points) // 2]


def _time_labels(points: Sequence[Point], step: timedelta, zone: str) -> list[str]:
    """A name for each step, its year, month or day only where it differs from the one before."""
    times = [point.start.astimezone(ZoneInfo(zone)) for point in points]
    labels = []
    for position, time in enumerate(times):
        before = times[position - 1] if position else None
        if step < timedelta(hours=3):
            label = f"{time:%H:%M}"
            if before is None or before.date() != time.date():
                label += f"\n{time.day} {time:%b}"
        elif step < timedelta(days=2):
            label = f"{time:%a}\n{time.day} {time:%b}"
        elif step < timedelta(days=10):
            label = f"{time.day} {time:%b}"
        else:
            label = f"{time:%b}"
        if step >= timedelta(days=2) and (before.year != time.year if before else len({t.year for t in times}) > 1):
            label += f"\n{time.year}"
        labels.append(label)
    return labels


def _line(
    axes: Axes, series: Series, marks: Sequence[tuple[datetime, str]], colour: str, theme: Theme, *, small: bool = False
) -> None:
    many = len(series.points) > 60
    size = 0 if many else 4.5 if small else 7.5
    for run in _runs(series.points, [moment for moment, _ in marks]):
        times = [_middle(point) for point in run]
        lows, estimates, highs = ([float(value(point)) for point in run] for value in (_low, _estimate, _high))
        if len(run) == 1:
            axes.plot([times[0]] * 2, [lows[0], highs[0]], color=colour, alpha=0.3, linewidth=4 if small else 7)
            axes.plot(times, estimates, "o", color=colour, markersize=max(size, 3))
            _hollow(axes, run[-1], colour, theme, size)
            continue
        axes.fill_between(times, lows, highs, color=colour, alpha=0.22, linewidth=0)
        solid = len(run) if run[-1].complete else len(run) - 1
        width = 1.8 if small else 2.6
        axes.plot(times[:solid], estimates[:solid], color=colour, linewidth=width, marker="o", markersize=size)
        axes.plot(times[solid - 1 :], estimates[solid - 1 :], color=colour, linewidth=width, linestyle=(0, (2, 1.5)))
        _hollow(axes, run[-1], colour, theme, size)


def _hollow(axes: Axes, point: Point, colour: str, theme: Theme, size: float) -> None:
    if not point.complete:
        axes.plot(
            [_middle(point)], [_estimate(point)], "o", markersize=size + 2, markerfacecolor=theme.ground,
            markeredgecolor=colour, markeredgewidth=2, zorder=4,
        )  # fmt: skip


def _runs(points: Sequence[Point], breaks: Sequence[datetime]) -> Iterator[list[Point]]:
    """Points that may be joined: no gap between them, and no change of model."""
    run: list[Point] = []
    for point in points:
        broken = run and any(run[-1].start < moment <= point.start for moment in breaks)
        if run and (point.estimate is None or broken):
            yield run
            run = []
        if point.estimate is not None:
            run.append(point)
    if run:
        yield run


def _mark(axes: Axes, marks: Sequence[tuple[datetime, str]], theme: Theme, *, named: bool = True) -> None:
    dates = _dates()
    left, right = axes.get_xlim()
    for moment, label in marks:
        at = float(dates.date2num(moment))
        axes.axvline(at, color=theme.quiet, linewidth=1.2, linestyle=(0, (4, 3)))
        if named:
            beyond = at > (left + right) / 2
            axes.annotate(
                _label(label, 40), (at, 1), (-6 if beyond else 6, -4), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right" if beyond else "left", va="top", color=theme.quiet,
                fontsize=9.5, parse_math=False,
            )  # fmt: skip


def _name_at_the_end(axes: Axes, series: Series, colour: str) -> None:
    shown = [point for point in series.points if point.estimate is not None]
    if shown:
        axes.annotate(
            _label(series.name), (_middle(shown[-1]), _estimate(shown[-1])), (8, 6), textcoords="offset points",
            color=colour, fontsize=11, fontweight="bold", parse_math=False, annotation_clip=False,
        )  # fmt: skip


def _reads_on(series: Series, moment: datetime) -> bool:
    return any(point.start < moment for point in series.points) and any(p.end > moment for p in series.points)


def _dates() -> Any:
    """matplotlib.dates, whose functions carry no types."""
    from matplotlib import dates

    return dates


def _middle(point: Point) -> Any:
    return point.start + (point.end - point.start) / 2


def _estimate(point: Point) -> float:
    assert point.estimate is not None
    return point.estimate


def _low(point: Point) -> float:
    return _estimate(point) if point.low is None else point.low


def _high(point: Point) -> float:
    return _estimate(point) if point.high is None else point.high


def _label(text: str, limit: int = LONGEST_LABEL) -> str:
    """`text` in characters that the font has: emoji by name, others it lacks as one '…'; at most `limit` long."""
    drawn: list[str] = []
    for character in " ".join(emoji.demojize(text).split()):
        if _has_glyph(character):
            drawn.append(character)
        elif not drawn or drawn[-1] != "…":
            drawn.append("…")
    label = "".join(drawn)
    return label if len(label) <= limit else label[: limit - 1].rstrip() + "…"


def _dated(text: str) -> str:
    """A label; the dates behind a long one, in brackets, on a line of their own."""
    before, bracket, dates = text.rpartition(" (")
    if len(text) <= LONGEST_LABEL or not bracket:
        return _label(text)
    return f"{_label(before)}\n{_label(f'({dates}')}"


@cache
def _has_glyph(character: str) -> bool:
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return character.isprintable() and font.get_char_index(ord(character)) != 0
