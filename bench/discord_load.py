"""How soon a mention is answered while a channel is flooded: `python -m bench.discord_load [--events N] [--rate N]`.

A local Discord sends messages, so many a second or all at once, with a question every 200, to the real client over the
real storage in a process of its own; a stand-in reads the messages, so that the figures are those of receiving and
answering. Prints the times from a question's sending to its answer's arrival.

On two cores of a server, of 50 mentions each: 10,000 messages at 1,000 a second, median 0.02 s, 95th percentile 0.08 s;
10,000 at once (sent in 0.3 s), median 0.4 s, 95th percentile 0.7 to 0.9 s in four runs. The two processes share the
cores, so a machine that is busy with something else says nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from storage import open_storage
from tests.adapters.discord.payloads import ME, message, user
from tests.adapters.discord.replay import NOW
from tests.conftest import KEY
from tests.examples import AT
from tests.servers.discord import RANDOM, LocalDiscord, local_discord

EVERY = 200


async def measured(events: int, rate: int, database: Path) -> None:
    """Print how soon questions were answered, and how long keeping everything took."""
    async with local_discord() as server:
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-m", "tests.adapters.discord.victim", str(database), server.host,
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while not server.connected:  # noqa: ASYNC110  # it happens in another process
                await asyncio.sleep(0.05)
            await asyncio.sleep(3)
            await ask(server, 1)  # the first one loads what every later one finds loaded
            await answered(server, 1)
            begun = time.monotonic()
            sent: list[float] = []
            seen: list[float] = []
            watching = asyncio.create_task(watch(server, seen, events // EVERY))
            for number in range(1, events + 1):
                await server.write(
                    message(number, at=AT + (NOW - AT) / 20_000 * number, author=user(f"90{number % 9}"))
                )
                if number % EVERY == 0:
                    sent.append(time.monotonic())
                    await ask(server, number)
                if number % 20 == 0:
                    ahead = number / rate - (time.monotonic() - begun) if rate else 0.0
                    await asyncio.sleep(max(0.0, ahead))
            flooded = time.monotonic() - begun
            await watching
            waits = sorted(after - before for before, after in zip(sent, seen, strict=True))
            kept = await until_kept(database, events, begun)
        finally:
            bot.kill()
            await bot.wait()
    print(f"{events:,} messages sent in {flooded:.1f} s, read and recorded {kept:.1f} s after the first")
    print(f"{len(waits)} mentions answered: median {statistics.median(waits):.3f} s, "
          f"95th percentile {waits[int(len(waits) * 0.95)]:.3f} s, slowest {waits[-1]:.3f} s")  # fmt: skip


async def ask(server: LocalDiscord, number: int) -> None:
    """Somebody asks in a channel that isn't flooded."""
    await server.write(message(number, channel_id=RANDOM, content=f"<@{ME}> mood 2 March 2026"))


async def answered(server: LocalDiscord, count: int) -> None:
    """Wait for so many answers."""
    while len(server.posted) < count:  # noqa: ASYNC110  # it is posted by another process
        await asyncio.sleep(0.005)


async def watch(server: LocalDiscord, seen: list[float], count: int) -> None:
    """Note when each of `count` answers arrives."""
    before = len(server.posted)
    while len(seen) < count:
        await asyncio.sleep(0.002)
        seen += [time.monotonic()] * (len(server.posted) - before - len(seen))


async def until_kept(database: Path, events: int, begun: float) -> float:
    """Seconds from `begun` until everything is recorded."""
    while True:
        async with open_storage(str(database), KEY) as storage:
            if sum(channel.messages for channel in await storage.readings.channels()) >= events:
                return time.monotonic() - begun
        await asyncio.sleep(0.5)


def main(
    events: Annotated[int, typer.Option(help="Messages.")] = 10_000,
    rate: Annotated[int, typer.Option(help="Messages a second; 0 sends all of them at once.")] = 1_000,
) -> None:
    """Measure how soon a mention is answered while a channel is flooded."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measured(events, rate, Path(folder) / "load.db"))


if __name__ == "__main__":
    typer.run(main)
