"""Charts as pictures: that they are drawn, in both themes, whatever is in their names."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread

from bot.answer import Bar, Chart, ChartKind, Point, Series
from bot.chart import DARK, LIGHT, Charts, Theme, draw
from tests.examples import AT, DAY, HOUR

STEPS = (5.0, None, -12.0, 8.0, 3.0)


def a_series(name: str = "#general", estimates: tuple[float | None, ...] = STEPS, step: timedelta = DAY) -> Series:
    return Series(
        name,
        tuple(
            Point(
                AT + i * step, AT + (i + 1) * step, value, None if value is None else value - 9,
                None if value is None else value + 9, 30, 9, complete=i < len(estimates) - 1,
            )
            for i, value in enumerate(estimates)
        ),
    )  # fmt: skip


def a_chart(kind: ChartKind, name: str = "#general") -> Chart:
    match kind:
        case ChartKind.BARS:
            return Chart(kind, name, "told in words", "people", "UTC", bars=(Bar(name, 9), Bar("b", 4), Bar("c", 0)))
        case ChartKind.HEAT_MAP:
            days = tuple(a_series(day, STEPS, HOUR) for day in ("Mon", "Tue"))
            return Chart(kind, name, "told in words", "score points", "Europe/Berlin", series=days)
        case _:
            shown = tuple(a_series(name) for _ in range(3))
            marks = ((AT + 2 * DAY, f"read by {name}"),)
            return Chart(kind, name, "told in words", "score points", "Europe/Berlin", series=shown, marks=marks)


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(imread(BytesIO(picture), format="png"))


def coloured(picture: np.ndarray, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return int((np.abs(picture[:, :, :3] - wanted).max(axis=2) < 0.01).sum())


@pytest.mark.parametrize("place", ["label", "title"])
def test_the_dates_behind_a_long_name_are_drawn(place: str):
    def drawn(dates: str) -> bytes:
        name = f"#platform-and-infrastructure over the week before last ({dates})"
        bars = (Bar(name if place == "label" else "a", 4, 1, 7), Bar("b", 9, 7, 11))
        title = f"#backend: last week against {name}" if place == "title" else "a"
        return draw(Chart(ChartKind.BARS, title, "told in words", "score points", "UTC", bars=bars))

    assert drawn("9–15 Nov") != drawn("2–8 Nov")


@pytest.mark.parametrize("kind", list(ChartKind))
@pytest.mark.parametrize(("dark", "theme"), [(False, LIGHT), (True, DARK)])
def test_every_kind_is_drawn_on_the_ground_of_its_theme(kind: ChartKind, dark: bool, theme: Theme):
    picture = pixels(draw(a_chart(kind), dark=dark))

    assert picture.shape[:2] == (720, 1280)
    assert coloured(picture, theme.ground) > 0.3 * 1280 * 720
    assert coloured(picture, theme.ink) > 300


@pytest.mark.parametrize("kind", list(ChartKind))
def test_no_name_can_spoil_a_chart(kind: ChartKind):
    names = ("$x_{1}$ costs $5", "東京 🚀", "مرحبا", "_hidden", "", "\ud800\x00\n", "x" * 500)
    chart = a_chart(kind, names[0])

    odd = replace(
        chart,
        title=" ".join(names),
        series=tuple(replace(chart.series[0], name=name) for name in names) if chart.series else (),
        bars=tuple(Bar(name, 7) for name in names) if chart.bars else (),
        marks=tuple((AT + n * DAY, name) for n, name in enumerate(names)),
    )

    assert draw(odd).startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", list(ChartKind))
def test_a_chart_of_nothing_is_drawn_too(kind: ChartKind):
    assert draw(Chart(kind, "Nothing", "nothing", "score points", "UTC")).startswith(b"\x89PNG")


def test_a_gap_is_left_open():
    colour = LIGHT.lines[0]
    whole = pixels(draw(Chart(ChartKind.LINES, "", "", "", "UTC", series=(a_series(estimates=(0.0,) * 7),))))
    gap = pixels(
        draw(
            Chart(
                ChartKind.LINES, "", "", "", "UTC", series=(a_series(estimates=(0.0, 0.0, None, None, 0.0, 0.0, 0.0)),)
            )
        )
    )

    columns = [
        ((np.abs(p[:, 480:560, :3] - [0, 0x72 / 255, 0xB2 / 255]).max(axis=2)) < 0.01).any() for p in (whole, gap)
    ]
    assert columns == [True, False]
    assert coloured(gap, colour) < coloured(whole, colour)


def test_a_line_is_not_drawn_across_a_change_of_model():
    joined = Chart(ChartKind.LINES, "", "", "", "UTC", series=(a_series(estimates=(0.0,) * 6),))
    marked = Chart(ChartKind.LINES, "", "", "", "UTC", series=joined.series, marks=((AT + 3 * DAY, "another"),))

    assert coloured(pixels(draw(marked)), LIGHT.lines[0]) < coloured(pixels(draw(joined)), LIGHT.lines[0])


def test_the_picture_carries_its_description():
    assert b"told in words" in draw(a_chart(ChartKind.BARS))


async def test_charts_are_drawn_in_a_thread_of_their_own():
    names: list[str] = []
    async with Charts() as charts:
        charts._thread.submit(lambda: names.append(threading.current_thread().name)).result()
        picture = await charts.png(a_chart(ChartKind.LINES), dark=True)

    assert picture.startswith(b"\x89PNG")
    assert names[0].startswith("chart")
