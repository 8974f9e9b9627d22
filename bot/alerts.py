"""The alert: a day on which a channel's mood dropped sharply, told once until it has come back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot import estimates
from bot.answer import Answer, Visibility
from bot.figures import line_chart
from bot.message import Window
from bot.question import Place
from bot.steps import aligned
from bot.trends import Driver, Reading
from bot.wording import date_of, listed, mood_sentence, rests_on, shortened, signed, where

DAY = timedelta(hours=24)
"""What is looked at: the day before the alert is due."""

CHARTED = timedelta(days=14)
"""What an alert's chart shows."""

SHARP = 15.0
"""Score points below people's own usual from which a drop is told."""

CHANCE = 0.01
"""How seldom a day without a change may look as far off as one that is told; half of it upwards, which isn't told."""

METHOD = "At most one a day, and none again before the mood has come back. `alerts off` ends them."


def window_before(due: datetime) -> Window:
    """The day that an alert due then is about."""
    return aligned(Window(due - DAY, due))


def has_dropped(reading: Reading) -> bool:
    """Is the mood sharply lower than usual, and surely so?"""
    usual = reading.usual
    return usual is not None and _is_sure(reading) and usual.mood.estimate <= -SHARP


def has_come_back(reading: Reading) -> bool:
    """Is it known to be near the usual again: by less than half of what is sharp below it, and not surely below?

    Between this and `has_dropped` nothing changes: a mood that hovers at the edge raises one alert, not one a day.
    """
    if reading.usual is None:
        return False
    points = reading.usual.mood.estimate
    return points > -SHARP / 2 and (points >= 0 or not _is_sure(reading))


def alert(place: Place, reading: Reading, before: Reading, drivers: Sequence[Driver], zone: ZoneInfo) -> Answer:
    """What is posted of a drop; every number is the one that a question for the same window would get.

    `before` are the days that the chart shows.
    """
    here, end = where([place]), reading.window.end.astimezone(zone)
    sentence = mood_sentence(reading, here, f"in the 24 hours before {end:%H:%M}", claimed=True)
    lines = [shortened(sentence)]
    if drivers:
        told = [f"{driver.tally.name} ({signed(driver.contribution.estimate)})" for driver in drivers]
        lines.append(f"What moved it: messages that name {listed(told)}.")
    return Answer(
        title=f"{here}: a sharp drop, {date_of(reading.window.end, zone)}",
        lines=tuple(lines),
        footnote=f"{rests_on(reading)} {METHOD}",
        chart=line_chart(here, before.pieces, before.step, zone),
        window=reading.window,
        visibility=Visibility.CHANNEL,
        suggestions=(f"mood {here} last 24 hours", f"entities {here} last 24 hours"),
    )


def _is_sure(reading: Reading) -> bool:
    usual = reading.usual
    return usual is not None and usual.mood.is_clear and all(estimates.discoveries([usual.mood.p_value], rate=CHANCE))
