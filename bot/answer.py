"""Question → Answer, platform-neutral."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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
