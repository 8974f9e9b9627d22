"""What a terminal shows of a chart, and what is left of it without colours."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from rich.console import Console

from adapters.console.render import analysed, chart, render
from bot.answer import Align, Answer, Bar, Chart, ChartKind, Column, Point, Series, Table
from tests.examples import ANGRY, AT, GLAD, HOUR, an_analysis

MOODS = (-22.4, -0.02, 4.0)


def shown(drawn: Chart, colours: Literal["truecolor"] | None = None) -> str:
    written = io.StringIO()
    Console(file=written, width=100, color_system=colours, force_terminal=colours is not None).print(
        chart(drawn, width=80)
    )
    return written.getvalue()


def of(kind: ChartKind, *moods: float) -> Chart:
    points = tuple(
        Point(AT + n * HOUR, AT + (n + 1) * HOUR, mood, mood - 1, mood + 1, 9, 9) for n, mood in enumerate(moods)
    )
    return Chart(kind, "Mood", "Mood by hour: lowest −22.", "score points", "UTC", series=(Series("Mon", points),))


@pytest.mark.parametrize("kind", [ChartKind.MULTIPLES, ChartKind.HEAT_MAP])
def test_the_scale_has_its_signs_as_tables_do(kind: ChartKind):
    low, none = shown(of(kind, *MOODS), "truecolor"), shown(of(kind, -22.4, -0.02), "truecolor")

    assert "from −22" in low
    assert "to +4" in low
    assert "to 0" in none
    assert "-" not in low + none


def test_an_axis_and_bars_have_their_signs_as_tables_do():
    bars = Chart(ChartKind.BARS, "", "", "score points", "UTC", bars=(Bar("a", -22.4, -30, -10), Bar("b", 4, 1, 7)))
    counts = Chart(ChartKind.BARS, "", "", "people", "UTC", bars=(Bar("Jenkins", 1234),))

    assert "−20" in shown(of(ChartKind.LINES, *MOODS))
    assert "−22" in shown(bars)
    assert "+4" in shown(bars)
    assert "1,234" in shown(counts)
    assert "+" not in shown(counts)


def test_without_colours_a_heat_map_is_told_in_words():
    drawn = of(ChartKind.HEAT_MAP, *MOODS)

    assert shown(drawn).strip() == "Mood by hour: lowest −22."
    assert "██" in shown(drawn, "truecolor")


@pytest.mark.parametrize("width", [24, 40, 55, 100])
def test_a_table_keeps_its_words_whole_on_a_narrow_screen(width: int):
    titles = ("name", "kind", "people", "messages", "95 % interval")
    columns = tuple(Column(title, Align.RIGHT if title == "people" else Align.LEFT) for title in titles)
    told = Answer("Names", (), table=Table(columns, (("Kubernetes", "organization", "12", "345", "−72 to +3"),)))
    written = io.StringIO()
    Console(file=written, width=width).print(render(told, width=width))

    shown = written.getvalue()
    assert {"people", "messages", "interval", "Kubernetes", "organization", "12", "345", "+3"} <= set(shown.split())
    assert max(map(len, shown.splitlines())) <= width


def test_the_score_of_one_message_has_its_sign_and_unit_as_moods_have():
    glad, angry = (analysed("hm", an_analysis(read)).plain for read in (GLAD, ANGRY))

    assert f"positive +{100 * GLAD.score:.0f}  " in glad
    assert f"negative −{-100 * ANGRY.score:.0f}  " in angry
