"""A flood: `python -m bench.slack_load` measures how soon it is acknowledged; here it loses nothing."""

from __future__ import annotations

import asyncio

from tests.adapters.slack.conftest import US, Bot
from tests.servers import slack as server


async def test_a_flood_with_commands_between_loses_nothing(slack: server.Slack, bot: Bot):
    waiting = []
    for number in range(400):
        said = slack.say("C1", f"U{number % 7 + 1}", f"message {number}")
        waiting.append(slack.post("events_api", slack.wrapped(said)).acked)
        if number % 20 == 0:
            waiting.append(slack.post("slash_commands", slack.command_body("U1", "C1", "mood today")).acked)
    await asyncio.wait_for(asyncio.gather(*waiting), 100)

    assert await bot.texts_held(US.channel("C1")) == 400
    await slack.until(lambda: len(slack.responses["U1"]) == 20)
