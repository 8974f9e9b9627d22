"""What a sharp drop is, and when it is over."""

from __future__ import annotations

import pytest

from bot.alerts import has_come_back, has_dropped
from bot.message import Window
from tests.bot.readings_example import a_read
from tests.bot.test_trends import AFTER, MONDAY, mood
from tests.examples import DAY, WEEK


@pytest.mark.parametrize(
    ("shift", "dropped", "back"),
    [(-0.4, True, False), (-0.12, False, False), (0.0, False, True), (0.4, False, True)],
)
async def test_a_drop_is_over_when_the_mood_is_near_the_usual_or_above_it(shift: float, dropped: bool, back: bool):
    days = [
        a_read(MONDAY - week * WEEK, author, 0.05 * (author % 5) + (0 if week else shift))
        for week in range(9)
        for author in range(12)
        for _ in range(3)
    ]

    reading = await mood(days, Window(MONDAY, MONDAY + DAY), now=AFTER)

    assert (has_dropped(reading), has_come_back(reading)) == (dropped, back)
