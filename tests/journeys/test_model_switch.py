"""The model is changed in the middle of a chat: every answer says so and mixes nothing; read again, the past is one."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.web import Request, StreamResponse

from adapters.exports import open_export
from bot.answer import Answer
from bot.app import App, opened
from bot.grammar import parse
from bot.importing import Aside, Line
from bot.message import Event
from bot.settings import Settings
from tests.bot.test_app import hosted_at
from tests.journeys.command import KEY, ROOT, SAMPLE, command
from tests.servers import inference
from tests.servers.inference import ENTITIES_MODEL, SENTIMENT_MODEL, Asked, Inference
from tests.storage.tables import recomputed, tables

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SWITCH = datetime(2026, 11, 9, tzinfo=UTC)
"""A Monday in the sample; from it on the hosted model reads."""

HOSTED = f"hosted:{SENTIMENT_MODEL}+{ENTITIES_MODEL}"
ACROSS = "2026-10-19 to 2026-11-22"


def settings(folder: Path, server: Inference | None = None) -> Settings:
    hosted = {} if server is None else {"analyzers": "hosted", "hosted_texts_per_request": 64} | hosted_at(server)
    return Settings(_env_file=None, database_url=f"sqlite:///{folder / 'roomtone.db'}", key=KEY, **hosted)


async def talked(app: App, *, after: bool) -> None:
    """The sample's chat before or after the switch."""
    events: list[Event] = []
    for item in open_export(SAMPLE, app.pseudonyms, workspace="acme"):
        match item:
            case Line(message) if (message.sent_at >= SWITCH) is after:
                events.append(message)
            case Aside(event):
                events.append(event)
    await app.ingest.accept(*events)
    await app.ingest.drain()


async def asked(app: App, text: str) -> Answer:
    places = await app.places()
    asker = app.pseudonyms.of(places[0].channel.platform, "acme", "asker")
    question = parse(text, places=places, here=None, now=NOW, zone=app.zone, asker=asker)
    return await app.answers.answer(question, visible=places)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a database in which the model was changed; nothing in it is written any more."""
    folder = tmp_path_factory.mktemp("switched")

    async def happen() -> None:
        async with opened(settings(folder), works=True) as app:
            await talked(app, after=False)
        async with Inference() as server, opened(settings(folder, server), works=True) as app:
            await talked(app, after=True)

    asyncio.run(happen())
    return folder


@pytest.fixture
async def switched(chat: Path) -> AsyncIterator[App]:
    async with opened(settings(chat)) as app:
        yield app


async def test_a_time_that_crosses_the_switch_says_so_and_mixes_nothing(switched: App) -> None:
    mood = await asked(switched, f"mood #backend {ACROSS}")
    names = await asked(switched, f"entities #backend {ACROSS}")
    name = await asked(switched, f"entity Postgres everywhere {ACROSS}")
    others = [await asked(switched, f"{what} #backend {ACROSS}") for what in ("pattern", "trends")]
    before = await asked(switched, "mood #backend 2026-10-19 to 2026-11-08")

    assert mood.lines[-1].startswith("More than one model read this time: the mood is that of the ")
    assert re.search(r"messages that roomtone-.+ read\.$", mood.lines[-1])
    assert re.search(rf"not mixed in: \d+ read by {re.escape(HOSTED)}", mood.footnote)
    assert mood.table is not None
    assert before.table is not None
    assert mood.table.rows == before.table.rows
    assert mood.chart is not None
    assert [(moment, label) for moment, label in mood.chart.marks] == [(SWITCH, f"read by {HOSTED} from here")]
    assert "then, read by another model, " in mood.chart.alt
    for answer in (names, name, *others):
        assert answer.lines[-1].startswith("More than one model read this time")
        assert f"read by {HOSTED}" in answer.footnote
    assert "message text was sent, masked, to a hosted model" in mood.footnote


async def test_names_in_one_list_have_their_moods_from_one_model(switched: App) -> None:
    across = await asked(switched, f"entities #backend {ACROSS}")
    before = await asked(switched, "entities #backend 2026-10-19 to 2026-11-08")

    assert across.table is not None
    assert before.table is not None
    moods = {row[0]: row[-2:] for row in across.table.rows}
    earlier = {row[0]: row[-2:] for row in before.table.rows}
    shared = moods.keys() & earlier.keys()
    assert shared
    assert {name: moods[name] for name in shared} == {name: earlier[name] for name in shared}


async def test_two_times_that_different_models_read_are_not_compared_nor_drawn_together(switched: App) -> None:
    answer = await asked(switched, "compare #backend 2026-W44 with 2026-W46")

    assert answer.lines[0].startswith("Can't be compared: ")
    assert HOSTED in answer.lines[0]
    assert (answer.chart, answer.table, answer.ok) == (None, None, False)


async def test_a_digest_after_the_switch_claims_no_change_and_marks_it_in_the_chart(switched: App) -> None:
    channel = await asked(switched, "digest #backend 2026-W46")
    team = await asked(switched, "digest 2026-W46")

    for answer in (channel, team):
        assert answer.chart is not None
        assert (SWITCH, f"read by {HOSTED} from here") in answer.chart.marks
        assert "usual" not in answer.lines[0] or "isn't known yet" in answer.lines[0]


@pytest.mark.timeout(400)
async def test_read_again_by_the_command_and_killed_on_the_way_the_past_is_as_if_one_model_had_read_it(
    tmp_path: Path,
) -> None:
    async with Inference() as server:
        chosen = {"analyzers": "hosted", "hosted_texts_per_request": 64, "hosted_requests_per_day": 100_000}
        other = tmp_path / "other"
        other.mkdir()
        channel = ("--channel", "backend", "--json")
        there = run("import", SAMPLE, *channel, database=other / "roomtone.db", chosen=hosted_at(server, **chosen))
        await finished(*there)
        database = tmp_path / "roomtone.db"
        await finished(*run("import", SAMPLE, *channel, database=database, chosen={}))
        before = tables(database)
        line, environment = run("reanalyze", SAMPLE, *channel, database=database, chosen=hosted_at(server, **chosen))
        enough = len(server.asked) + 12  # some are stored by then, and some not yet

        async def comes_to_a_stop(server: Inference, request: Request, asked: Asked) -> StreamResponse:
            return await (inference.works if len(server.asked) < enough else inference.hangs)(server, request, asked)

        server.always = comes_to_a_stop
        process = await started(line, environment)
        while len(server.asked) < enough:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        server.always = inference.works
        report = json.loads(await finished(line, environment))

    found, expected = tables(database), tables(other / "roomtone.db")
    parts = ("readings", "mentions", "rollups", "spellings")
    assert before["readings"] != expected["readings"]
    assert [found[part] == expected[part] for part in parts] == [True] * 4
    assert (found["rollups"], found["spellings"]) == recomputed(found)
    assert report["model"] == HOSTED
    assert report["again"] > 0
    assert report["already"] > 0
    assert report["read_by"] == {HOSTED: report["again"] + report["already"]}


def run(*arguments: str | Path, database: Path, chosen: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    line, environment = command(*arguments, database=database)
    return line, environment | {f"ROOMTONE_{name.upper()}": str(value) for name, value in chosen.items()}


async def started(line: list[str], environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *line, env=environment, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def finished(line: list[str], environment: dict[str, str]) -> str:
    process = await started(line, environment)
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()
