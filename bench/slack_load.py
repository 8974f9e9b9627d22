"""How soon Slack is answered while a channel is flooded: `python -m bench.slack_load [EVENTS]`.

A local Slack sends EVENTS messages at once, with 50 slash commands among them, to the real client over the real
storage; a stand-in reads the messages, so that the figures are those of receiving and answering. The local Slack runs
in the same process, on the same core.

Two cores shared with other work, 10,000 events: every event recorded, 1,900 a second acknowledged; a command after
0.64 s (95th percentile, 0.66 s at most), an event after 3.1 s (3.8 s at most): all 10,000 come in one moment here, and
those past three seconds are sent again, which changes nothing. 200 events at once and word after 0.25 s, as it was
before, do the same then (0.63 s). With some 15 other processes to run (2,000 events, two rounds each) commands were
acknowledged after 0.36 and 0.51 s with 64 at once and word after 0.1 s, after 0.87 and 0.79 s before.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from adapters.slack.connection import Pace
from tests.adapters.slack.conftest import US, Bot, introduced, running
from tests.servers import slack as server

COMMANDS = 50


async def measured(events: int) -> None:
    """Print how soon everything was acknowledged."""
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
                        await asyncio.sleep(0)
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


async def _held(bot: Bot, events: int) -> int:
    while True:
        found = {s.channel: s.messages for s in await bot.storage.readings.channels()}
        if (count := found.get(US.channel("C1"), 0)) >= events:
            return count
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(measured(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
