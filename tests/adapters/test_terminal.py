"""A person at the terminal: lines typed one after the other, over real storage."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from adapters.console.client import Terminal
from bot.answers import Answers
from bot.ingest import Ingest
from bot.message import Channel, ChannelSeen, Platform
from bot.privacy import Pseudonyms
from bot.question import Place
from bot.subscribing import Subscribing
from bot.trends import Trends
from bot.writer import Writer
from tests.adapters.slack.conftest import Reader
from tests.conftest import KEY

UTC_ZONE = ZoneInfo("UTC")
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.fixture
async def typed(storage, monkeypatch):
    """What the screen shows after these keys, for somebody who may talk in #general."""
    channel = Channel(Platform.CONSOLE, "acme", "C1")
    trends = Trends(storage.readings)
    writer = Writer(storage.subscriptions, trends, storage.inbox, zone=UTC_ZONE)
    subscribing = Subscribing(storage.subscriptions, writer)
    ingest = Ingest(storage.inbox, Reader(), storage.ledger)
    await ingest.accept(ChannelSeen(channel, "general", datetime.now(UTC)))
    await ingest.drain()
    here = Place(channel, "general")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    async def after(keys: str) -> str:
        screen = io.StringIO()
        terminal = Terminal(
            ingest=ingest,
            analyzer=Reader(),
            answers=Answers(trends, storage.ledger, storage.inbox, storage.names, subscribing),
            pseudonyms=Pseudonyms(KEY),
            places=[here],
            here=here,
            who="ann",
            may_talk=True,
            zone=UTC_ZONE,
            console=Console(file=screen, width=100),
        )
        with create_pipe_input() as keyboard, create_app_session(input=keyboard, output=DummyOutput()):
            keyboard.send_text(keys)
            await terminal.run()
        return screen.getvalue()

    return after


async def test_ctrl_c_drops_the_line_and_stays(typed):
    screen = await typed(f"this is great{CTRL_C}it is broken\r{CTRL_D}")

    assert "heard as negative" in screen
    assert "heard as positive" not in screen


async def test_a_question_without_a_slash_is_heard_and_how_to_ask_it_is_said(typed):
    screen = await typed(f"mood last week\rwhat a day\r{CTRL_D}")

    assert screen.count("heard as") == 2
    assert screen.count("begin with a slash") == 1
    assert "begin with a slash: /mood last week" in screen
