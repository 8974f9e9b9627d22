"""What a process that ends, gently or not, leaves to be done by the next one."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.adapters.slack.conftest import US, introduced, running, victim
from tests.journeys.command import ROOT, command
from tests.servers import slack as server

C1 = US.channel("C1")


async def test_being_killed_between_keeping_and_acknowledging_counts_once(tmp_path: Path):
    async with server.Slack(redeliver_after=1.0) as slack:
        slack.room("C1", "general", "U1")
        async with victim(slack, tmp_path / "live.db", "doomed") as process:
            await introduced(slack)
            delivery = slack.post("events_api", slack.wrapped(slack.say("C1", "U1", "last words")))
            assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
        assert not delivery.acked.done()

        async with running(slack, tmp_path / "live.db") as bot:
            assert await asyncio.wait_for(delivery.acked, 60) == {}
            assert await bot.texts_held(C1) == 1


async def test_the_real_command_ends_in_peace_with_events_under_way_and_loses_none(tmp_path: Path):
    line, environment = command("run", database=tmp_path / "live.db", key=bytes(range(32)).hex())
    async with server.Slack(redeliver_after=1.0) as slack:
        slack.room("C1", "general", "U1")
        environment |= {
            "ROOMTONE_SLACK_BOT_TOKEN": server.BOT_TOKEN,
            "ROOMTONE_SLACK_APP_TOKEN": server.APP_TOKEN,
            "ROOMTONE_SLACK_API": slack.api,
        }
        process = await asyncio.create_subprocess_exec(
            *line, env=environment, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            await slack.until(lambda: len(slack.posts) >= 1, within=100)
            said = [slack.say("C1", "U1", f"{number}") for number in range(60)]
            deliveries = [slack.post("events_api", slack.wrapped(event)) for event in said]
            await slack.until(lambda: len(slack.acks) >= 1)
            process.send_signal(signal.SIGTERM)
            _, errors = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

        assert process.returncode == 0
        assert b"Traceback" not in errors
        async with running(slack, tmp_path / "live.db") as bot:
            await asyncio.wait_for(asyncio.gather(*(delivery.acked for delivery in deliveries)), 60)
            assert await bot.texts_held(C1) == 60
