"""What Roomtone says, platform-neutral: words, a table, a chart, as types and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.message import MessageId, Window


class Align(StrEnum):
    """How a table's column stands."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column."""

    title: str
    align: Align = Align.LEFT


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain text cells, each as long as `columns`."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a chart, in score points (-100 … 100). No estimate: a gap, drawn as a gap.

    `complete` is False for a step that isn't over yet.
    """

    start: datetime
    end: datetime
    estimate: float | None
    low: float | None
    high: float | None
    messages: int
    people: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """A named line of points, ascending in time."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A labelled quantity with an optional 95 % interval."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


class ChartKind(StrEnum):
    """How a chart is drawn."""

    LINES = "lines"
    """`series` over time with interval bands."""
    BARS = "bars"
    """`bars`, longest first."""
    MULTIPLES = "multiples"
    """One small line chart for each of `series`, sharing its scales."""
    HEAT_MAP = "heat map"
    """`series`, one for each weekday, whose points are hours."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw, as data. `alt` says in words what a sighted person would see.

    `marks` are moments with a label, such as a change of model. `zone` is the IANA name the axis is labelled in.
    """

    kind: ChartKind
    title: str
    alt: str
    unit: str
    zone: str
    series: tuple[Series, ...] = ()
    bars: tuple[Bar, ...] = ()
    marks: tuple[tuple[datetime, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A pointer to a message instead of a quote; `words` say why it is worth opening."""

    target: MessageId
    words: str


class Visibility(StrEnum):
    """Who may see an answer."""

    ASKER = "asker"
    """For the asker alone unless they share it."""
    PERSONAL = "personal"
    """About the asker themselves: never to be shared."""
    CHANNEL = "channel"
    """Made for the channel, as a digest is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Roomtone says.

    `lines` are plain text without markup; the first is the sentence a person would say, at most 200 characters.
    `footnote` says on how many messages and people it rests, and what was left out. `window` is the one it was
    computed over. `suggestions` are questions that might come next. `ok` is False when there was too little to say.
    """

    title: str
    lines: tuple[str, ...]
    footnote: str = ""
    table: Table | None = None
    chart: Chart | None = None
    links: tuple[Link, ...] = ()
    window: Window | None = None
    visibility: Visibility = Visibility.ASKER
    suggestions: tuple[str, ...] = ()
    ok: bool = True


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """The answer as `roomtone ask --json` prints it; keys are only ever added.

    Times are ISO 8601 in UTC, windows half-open, moods in score points (-100 … 100) to one decimal; null is a gap.
    `ok` is false when there was too little to say. `docs/method.md` says what each number is.
    """
    return {
        "title": answer.title,
        "ok": answer.ok,
        "lines": list(answer.lines),
        "table": answer.table and _table(answer.table),
        "chart": answer.chart and _chart(answer.chart),
        "links": [_link(link) for link in answer.links],
        "footnote": answer.footnote,
        "window": answer.window and {"start": answer.window.start.isoformat(), "end": answer.window.end.isoformat()},
        "visibility": answer.visibility.value,
        "suggestions": list(answer.suggestions),
    }


def _table(table: Table) -> dict[str, Any]:
    return {"columns": [column.title for column in table.columns], "rows": [list(row) for row in table.rows]}


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "kind": chart.kind.value,
        "title": chart.title,
        "alt": chart.alt,
        "unit": chart.unit,
        "zone": chart.zone,
        "series": [
            {"name": series.name, "points": [_point(point) for point in series.points]} for series in chart.series
        ],
        "bars": [
            {"label": bar.label, "value": _rounded(bar.value), "low": _rounded(bar.low), "high": _rounded(bar.high)}
            for bar in chart.bars
        ],
        "marks": [{"at": at.isoformat(), "label": label} for at, label in chart.marks],
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "start": point.start.isoformat(),
        "end": point.end.isoformat(),
        "estimate": _rounded(point.estimate),
        "low": _rounded(point.low),
        "high": _rounded(point.high),
        "messages": point.messages,
        "people": point.people,
        "complete": point.complete,
    }


def _link(link: Link) -> dict[str, Any]:
    channel = link.target.channel
    return {
        "words": link.words,
        "platform": channel.platform.value,
        "workspace": channel.workspace,
        "channel": channel.id,
        "message": link.target.id,
    }


def _rounded(value: float | None) -> float | None:
    return value if value is None else round(value, 1)
