"""How soon Slack is answered while a channel is flooded: `python -m bench.slack_load [--events N] [--rate N]`.

A local Slack sends messages, at once or so many a second, with 50 slash commands among them, to the real client over
the real storage; a stand-in reads the messages, so that the figures are those of receiving and answering. The local
Slack runs in the same process, on the same core.

On two cores, 10,000 messages, every one recorded; acknowledged after (median, 95th percentile, at most):

| | a slash command | a message |
|---|---|---|
| 1,000 a second | 0.06, 0.16, 0.17 s | 0.06, 0.17, 0.23 s |
| 1,500 a second | 0.05, 0.16, 0.18 s | 0.32, 0.54, 0.65 s |
| all at once | 0.33, 0.54, 0.54 s | 2.1, 3.1, 3.2 s |

Slack sends an app at most 30,000 events an hour from one workspace. What is acknowledged after three seconds is sent
again, which changes nothing. A machine that is busy with something else says nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from adapters.slack.connection import Pace
from tests.adapters.slack.conftest import US, Bot, introduced, running
from tests.servers import slack as server

COMMANDS = 50


async def measured(events: int, rate: int) -> None:
    """Print how soon everything was acknowledged; `rate` is messages a second, 0 for all at once."""
    with tempfile.TemporaryDirectory() as folder:
        # As Slack does: again at once when the three seconds are over, and the next time after a minute.
        async with server.Slack(redeliver_after=3.0, tries=2) as slack:
            slack.room("C1", "general", *[f"U{number}" for number in range(1, 8)])
            async with running(slack, Path(folder) / "load.db", pace=Pace()) as bot:
                await introduced(slack)
                begun = time.monotonic()
                waiting = []
                for number in range(events):
                    said = slack.say("C1", f"U{number % 7 + 1}", f"message {number}")
                    waiting.append(slack.post("events_api", slack.wrapped(said)).acked)
                    if number % max(1, events // COMMANDS) == 0:
                        body = slack.command_body("U1", "C1", "mood today")
                        waiting.append(slack.post("slash_commands", body).acked)
                        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()) if rate else 0)
                await asyncio.gather(*waiting)
                taken = time.monotonic() - begun
                held = await asyncio.wait_for(_held(bot, events), 300)
            for kind in ("events_api", "slash_commands"):
                times = [seconds for of, seconds in slack.ack_times if of == kind]
                p95 = statistics.quantiles(times, n=20)[-1]
                print(f"{kind}: {len(times)} acks, median {statistics.median(times):.3f} s, p95 {p95:.3f} s, "
                      f"max {max(times):.3f} s")  # fmt: skip
            print(f"{slack.resent} events were sent again after 3 s without an acknowledgement")
            print(f"{events} events acknowledged in {taken:.1f} s ({events / taken:.0f}/s); {held} recorded")
            print(f"{len(slack.responses['U1'])} commands answered")


def main(
    events: Annotated[int, typer.Option(help="Messages.")] = 10_000,
    rate: Annotated[int, typer.Option(help="Messages a second; 0 sends all of them at once.")] = 0,
) -> None:
    """Measure how soon Slack is answered while a channel is flooded."""
    asyncio.run(measured(events, rate))


async def _held(bot: Bot, events: int) -> int:
    while True:
        found = {s.channel: s.messages for s in await bot.storage.readings.channels()}
        if (count := found.get(US.channel("C1"), 0)) >= events:
            return count
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    typer.run(main)
