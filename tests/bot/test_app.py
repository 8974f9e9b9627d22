"""Who reads, as the settings say it: the real wiring, over the real command where a person would use it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from adapters.discord.client import MISSING_INTENT, REFUSED, Discord
from bot import supervision
from bot.analysis import was_sent
from bot.app import examine, opened, reading, reading_with, run
from bot.errors import ConfigurationError, Unavailable
from bot.evaluation.runs import evaluations
from bot.importing import OPTED_OUT, Line, bring_in
from bot.message import Platform
from bot.readers import who_reads
from bot.schedule import Due, Sort, State, Subscription, Times
from bot.settings import Settings
from tests.bot.analysis.checkpoints import GLAD, make, sentences
from tests.examples import AT, GENERAL, a_message, an_author
from tests.servers import inference
from tests.servers.discord import local_discord
from tests.servers.discord_gateway import TOKEN
from tests.servers.inference import ENTITIES_MODEL, SENTIMENT_MODEL, Inference

HEAVY = ("torch", "transformers", "httpx", "purgatory")


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Settings of nobody else: in a folder without .env, with a database of their own."""
    monkeypatch.chdir(tmp_path)
    return lambda **chosen: Settings(database_url=f"sqlite:///{tmp_path / 'roomtone.db'}", key="ab" * 32, **chosen)


def hosted_at(server, **more):
    return {
        "hosted": True,
        "hosted_url": f"{server.url}/models",
        "hosted_sentiment_model": SENTIMENT_MODEL,
        "hosted_ner_model": ENTITIES_MODEL,
        "hosted_token": "secret-of-ours",
        **more,
    }


async def in_a_process(*arguments, chosen, folder):
    """What `roomtone ARGUMENTS` printed, in a process of its own with the settings `chosen`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, cwd=folder,
        env={f"ROOMTONE_{name.upper()}": str(value) for name, value in chosen.items()},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed


def test_without_a_setting_reading_loads_neither_torch_nor_an_http_client(tmp_path):
    code = (
        "import sys; from bot.cli import cli; cli(['analyze', '--json', 'thanks!'], standalone_mode=False); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=True
    )
    read, loaded = done.stdout.splitlines()

    assert json.loads(read)["model"].startswith("roomtone-")
    assert loaded == "[]"


@pytest.mark.parametrize(
    ("analyzers", "hosted", "order"),
    [
        ("local,hosted", False, ["local"]),
        ("local,hosted", True, ["local", "hosted"]),
        ("hosted, local", True, ["hosted", "local"]),
        ("hosted", True, ["hosted"]),
    ],
)
def test_the_order_is_that_of_the_setting_without_hosted_where_it_is_off(given, analyzers, hosted, order):
    assert who_reads(given(analyzers=analyzers, hosted=hosted)) == order


def test_hosted_alone_and_switched_off_is_refused_with_the_mend(given):
    with pytest.raises(ConfigurationError, match="Set ROOMTONE_HOSTED=true"):
        who_reads(given(analyzers="hosted"))


async def test_hosted_first_reads_and_a_dead_one_hands_over_to_the_bundled_model(given):
    async with Inference() as server:
        settings = given(analyzers="hosted,local", **hosted_at(server))
        async with reading(settings) as analyzer:
            (well,) = await analyzer.analyze(["I love it, says Grace"])
            server.always = inference.status(401)
            (ill,) = await analyzer.analyze(["I hate this, it is broken again"])

    assert well.model == f"hosted:{SENTIMENT_MODEL}+{ENTITIES_MODEL}"
    assert ill.model.startswith("roomtone-")


async def test_what_is_spent_counts_for_the_next_start(given):
    async with Inference() as server:
        settings = given(analyzers="hosted", **hosted_at(server, hosted_requests_per_day=2))
        async with reading(settings) as analyzer:
            await analyzer.analyze(["thanks Grace"])
        async with reading(settings) as analyzer:
            with pytest.raises(Unavailable, match="budget of 2 requests a day is used up"):
                await analyzer.analyze(["thanks Ada"])

    assert len(server.asked) == 2


async def test_hosted_without_a_token_for_the_router_is_refused_with_the_mend(given):
    with pytest.raises(ConfigurationError, match="ROOMTONE_HOSTED_TOKEN isn't set"):
        async with reading(given(hosted=True)):
            pass


async def test_a_checkpoint_without_the_extra_is_refused_with_the_command_that_mends_it(given, monkeypatch):
    monkeypatch.setattr("bot.analysis.checkpoint.find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match=r'\.venv/bin/pip install -e "\.\[checkpoint\]"'):
        async with reading(given(sentiment_model="acme/mood", ner_model="acme/names")):
            pass


@pytest.mark.parametrize(
    ("bundled", "asked", "model"),
    [
        ("hosted_ner_model", SENTIMENT_MODEL, f"hosted:{SENTIMENT_MODEL}+roomtone-"),
        ("hosted_sentiment_model", ENTITIES_MODEL, "roomtone-"),
    ],
)
async def test_a_hosted_model_may_do_one_task_and_the_bundled_one_the_other(given, bundled, asked, model):
    async with Inference() as server:
        settings = given(analyzers="hosted", **hosted_at(server, **{bundled: "bundled"}))
        async with reading(settings) as analyzer:
            (read,) = await analyzer.analyze(["I love how Grace Hopper mended it in Berlin"])

    assert {each.model for each in server.asked} == {asked}
    assert read.model.startswith(model)
    assert was_sent(read.model)
    assert read.sentiment is not None
    assert read.sentiment.label == "positive"
    assert "Berlin" in {entity.text for entity in read.entities}


async def test_hosted_inference_that_has_nothing_to_do_is_refused(given):
    idle = given(analyzers="hosted", hosted=True, hosted_sentiment_model="bundled", hosted_ner_model="bundled")
    with pytest.raises(ConfigurationError, match="name a hosted model for one of them"):
        async with reading(idle):
            pass


async def test_doctor_shows_who_reads_the_budget_and_the_token(given):
    async with Inference() as server:
        findings = await examine(given(**hosted_at(server)), database=None)
    says = {finding.subject: (finding.ok, finding.says) for finding in findings}

    assert says["hosted model"][1].startswith(f"hosted:{SENTIMENT_MODEL}+{ENTITIES_MODEL}, first answer")
    assert says["hosted budget"][0]
    assert says["hosted budget"][1].startswith(
        "2 of 1,000 requests today (998 left), 2 of 30,000 requests this month (29,998 left); 0 failed today, "
    )
    assert says["hosted token"][1].startswith("In use since ")
    assert "secret-of-ours" not in str(says)


async def test_doctor_says_what_is_in_the_way_of_a_digest(given):
    due = Due(GENERAL, Sort.DIGEST, AT)
    async with opened(given()) as app:
        kept = app.storage.subscriptions
        await kept.subscribe(Subscription(GENERAL, Sort.DIGEST, Times(0, 9, 0, "UTC"), AT, (GENERAL,)))
        await kept.plan(due)
        await kept.settle(due, State.WAITING, why="That channel is archived: nothing can be posted there.")
    findings = await examine(given(), database=None)

    assert [(finding.ok, finding.says) for finding in findings if finding.subject == "posts"] == [
        (True, "1 wanted by channels; `roomtone digest --dry-run` shows the next ones."),
        (
            False,
            "The digest of #general, due 2026-03-02 09:00 UTC, waits: That channel is archived: nothing can be posted "
            "there.",
        ),
    ]


async def test_a_question_after_the_status_shows_what_hosted_inference_used_and_how_it_failed(given):
    async with Inference() as server, opened(given(analyzers="hosted", **hosted_at(server))) as app:
        await app.analyzer.analyze(["I love it, says Grace"])
        server.always = inference.status(401)
        with pytest.raises(Unavailable):
            await app.analyzer.analyze(["this is broken"])
        answer = await app.ask("status")

    asked = len(server.asked)
    assert answer.lines[:2] == (
        "Everything that arrived has been read.",
        f"Sent to a hosted model: {asked} of 1,000 requests today ({1000 - asked} left), "
        f"{asked} of 30,000 requests this month ({30_000 - asked:,} left).",
    )
    # Both tasks are asked at once: where one is refused, the other is given up, at times before it was counted.
    assert re.fullmatch(r"(1 call|2 calls) failed today; one takes \d+\.\d\d s\.", answer.lines[2])
    assert re.fullmatch(r"The latest failure was at .+ UTC: The server doesn't accept the token .*", answer.lines[3])
    assert answer.lines[4:] == ("Its token is 0 days old; it should be replaced after 30.",)
    assert "secret-of-ours" not in str(answer)


async def test_a_status_without_hosted_inference_says_nothing_of_it(given):
    async with opened(given()) as app:
        answer = await app.ask("status")

    assert answer.lines == ("Everything that arrived has been read.",)


async def test_doctor_shows_why_hosted_inference_fails(given):
    async with Inference() as server:
        server.always = inference.status(401)
        findings = await examine(given(**hosted_at(server)), database=None)
    says = {finding.subject: (finding.ok, finding.says) for finding in findings}

    assert says["model"][0]
    assert not says["hosted model"][0]
    assert "doesn't accept the token (401)" in says["hosted budget"][1]


async def test_doctor_says_nothing_of_hosted_inference_that_is_off(given):
    assert not [finding for finding in await examine(given(), database=None) if "hosted" in finding.subject]


async def test_two_models_are_compared_on_the_same_lines(given, tmp_path):
    file = tmp_path / "labelled.jsonl"
    lines = [("I love it", "positive"), ("this is broken and I hate it", "negative"), ("the build runs", "neutral")]
    file.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in lines * 4))
    async with Inference() as server:
        (result,) = await evaluations(
            partial(reading_with, given(**hosted_at(server))),
            [file],
            model="embedded",
            against="hosted",
            behaviour=False,
            lower_cased=False,
            misses=0,
            progress=lambda lines: None,
        )
    found: dict[str, Any] = result.as_json()

    assert found["first"]["model"].startswith("roomtone-")
    assert found["second"]["model"].startswith("hosted:")
    assert {test["measure"] for test in found["tests"]} >= {"accuracy"}


async def test_a_checkpoint_for_sentiment_alone_is_not_scored_on_names(given, tmp_path):
    file = tmp_path / "names.jsonl"
    file.write_text(json.dumps({"tokens": ["Ada", "left"], "tags": ["B-person", "O"]}) + "\n")

    with pytest.raises(ConfigurationError, match="reads sentiment alone"):
        await evaluations(
            partial(reading_with, given()), [file], model="acme/mood", against=None, behaviour=False, lower_cased=False,
            misses=0, progress=lambda lines: None,
        )  # fmt: skip


async def test_a_checkpoint_for_names_alone_is_not_scored_on_sentiment(given, tmp_path):
    file = tmp_path / "moods.jsonl"
    file.write_text(json.dumps({"text": "it broke", "label": "negative"}) + "\n")

    with pytest.raises(ConfigurationError, match="reads names alone"):
        await evaluations(
            partial(reading_with, given()), [file], model="+acme/names", against=None, behaviour=False,
            lower_cased=False, misses=0, progress=lambda lines: None,
        )  # fmt: skip


@pytest.mark.parametrize("model", ["", "+"])
async def test_no_model_is_said_to_be_none(given, model):
    with pytest.raises(ConfigurationError, match="names no model"):
        await evaluations(
            partial(reading_with, given()), [], model=model, against=None, behaviour=True, lower_cased=False,
            misses=0, progress=lambda lines: None,
        )  # fmt: skip


async def test_the_bundled_model_is_called_as_the_settings_call_it(given):
    async with reading_with(given(), "bundled") as one, reading_with(given(), "embedded") as other:
        assert await one.analyze(["it works"]) == await other.analyze(["it works"])


async def test_the_command_reads_with_a_hosted_model_and_sends_nothing_that_is_masked(tmp_path):
    async with Inference() as server:
        chosen = hosted_at(server, analyzers="hosted", database_url=f"sqlite:///{tmp_path / 'roomtone.db'}")
        done = await in_a_process(
            "analyze", "--json", "I love Berlin, mail ada@example.org", chosen=chosen, folder=tmp_path
        )
    read = json.loads(done)

    assert read["model"] == f"hosted:{SENTIMENT_MODEL}+{ENTITIES_MODEL}"
    assert (read["sentiment"]["label"], [name["text"] for name in read["entities"]]) == ("positive", ["Berlin"])
    assert "example.org" not in " ".join(server.texts)
    assert {asked.authorization for asked in server.asked} == {"Bearer secret-of-ours"}


async def test_a_wrong_database_is_refused_before_a_key_is_made_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = Settings(hosted=True, hosted_token="secret-of-ours", database_url="postgresql://bot@db/roomtone")
    with pytest.raises(ConfigurationError, match="no database but an SQLite file"):
        async with reading(wrong):
            pass

    assert list(tmp_path.iterdir()) == []


async def test_two_checkpoints_that_the_settings_name_read_and_a_broken_one_hands_over(given, tmp_path):
    pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")
    mood = make(tmp_path / "mood", "roberta", "sentiment", ("negative", "neutral", "positive"))
    names = make(tmp_path / "names", "roberta", "names", ("O", "B-PER", "I-PER"))
    text, name = next(sentences())
    async with reading(given(sentiment_model=str(mood), ner_model=str(names))) as analyzer:
        glad, named = await analyzer.analyze([GLAD, text])
    async with Inference() as server:
        gone = given(sentiment_model=str(tmp_path / "gone"), ner_model=str(names), **hosted_at(server))
        async with reading(gone) as analyzer:
            (handed,) = await analyzer.analyze([GLAD])

    assert glad.sentiment is not None
    assert (glad.sentiment.label, [one.text for one in named.entities]) == ("positive", [name])
    assert glad.model.startswith("checkpoint:mood@")
    assert handed.model.startswith("hosted:")


async def test_a_checkpoint_may_do_one_task_and_the_bundled_model_the_other(given, tmp_path):
    pytest.importorskip("torch", reason="the extra `checkpoint` isn't installed")
    mood = make(tmp_path / "mood", "roberta", "sentiment", ("negative", "neutral", "positive"))
    names = make(tmp_path / "names", "roberta", "names", ("O", "B-PER", "I-PER"))
    text, name = next(sentences())
    async with reading(given(sentiment_model=str(mood))) as analyzer:
        (glad,) = await analyzer.analyze([f"{GLAD}, in Berlin"])
    async with reading(given(ner_model=str(names))) as analyzer:
        (named,) = await analyzer.analyze([text])

    assert glad.sentiment is not None
    assert glad.sentiment.label == "positive"
    assert [entity.text for entity in glad.entities] == ["Berlin"]
    assert re.fullmatch(r"checkpoint:mood@[0-9a-f]{8}\+roomtone-.+", glad.model)
    assert named.sentiment is not None
    assert [entity.text for entity in named.entities] == [name]
    assert re.fullmatch(r"roomtone-.+\+checkpoint:names@[0-9a-f]{8}", named.model)
    assert not was_sent(glad.model)


async def test_what_only_asks_makes_no_database_and_says_what_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"no database at .*roomtone import PATH"):
        async with opened(Settings(database_url=str(tmp_path / "roomtone.db")), existing=True):
            pass

    assert list(tmp_path.iterdir()) == []


async def test_a_user_without_a_name_may_ask_as_in_a_container(given, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    async with opened(given()) as app:
        answer = await app.ask("privacy")

    assert answer.title == "Privacy"


async def test_a_word_is_no_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"'general' doesn't look like a database: .* \./general"):
        async with opened(Settings(), database="general"):
            pass

    assert list(tmp_path.iterdir()) == []


async def test_another_key_is_named_by_its_file(given, tmp_path):
    async with opened(given()):
        pass
    other = Settings(database_url=given().database_url, key_file=tmp_path / "other.key")

    with pytest.raises(ConfigurationError, match=r"another key: .* that of .*other\.key"):
        async with opened(other):
            pass


async def test_doctor_has_what_was_set_aside_read_again(given):
    async with opened(given()) as app:
        await app.storage.inbox.put([a_message(1)])
        (taken,) = await app.storage.inbox.take(1)
        await app.storage.inbox.set_aside(taken.receipt, "odd")
    before = {finding.subject: finding for finding in await examine(given(), database=None)}
    after = {finding.subject: finding for finding in await examine(given(), database=None, retry=True)}

    assert "`roomtone doctor --retry`" in before["set aside"].says
    assert (before["waiting"].says, after["waiting"].says) == ("0 events wait to be read.", "1 event waits to be read.")
    assert "set aside" not in after


@pytest.mark.parametrize(
    ("token", "close", "says"), [("wrong", None, REFUSED), (TOKEN, 4014, MISSING_INTENT)], ids=["token", "intent"]
)
async def test_what_discord_refuses_for_good_ends_it_all_with_one_sentence_to_an_operator(given, token, close, says):
    async with local_discord() as server:
        server.close_next = close
        with pytest.raises(ConfigurationError) as raised:
            await run(given(discord_token=token), database=None, sample=False, console=Console())

    assert str(raised.value) == says


async def test_a_client_of_discord_that_dies_of_what_nobody_foresaw_is_started_again(given, monkeypatch):
    monkeypatch.setattr(supervision, "SHORTEST_RESTART", 0.01)
    ends = iter([ZeroDivisionError("odd"), ConfigurationError("the second time")])

    async def ended(self):
        raise next(ends)

    monkeypatch.setattr(Discord, "run", ended)

    with pytest.raises(ConfigurationError, match="the second time"):
        await run(given(discord_token=TOKEN), database=None, sample=False, console=Console())


async def test_doctor_says_what_was_odd_in_a_discord_channel_that_is_read(given):
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    noted = {("", "guild 10"): {"application": "1"}, ("10", "started 20"): {"since": "0"}}
    async with opened(given()) as app:
        for (server, name), value in (noted | {("10", "met 20 unknown type 77"): {"at": today}}).items():
            await app.storage.notes.write(Platform.DISCORD, server, name, value)

    (found,) = [finding for finding in await examine(given(), database=None) if finding.subject == "discord #20"]

    assert found.says.startswith("Messages of type 77, which this version doesn't know, are left out; last met on")
    assert not found.ok


async def test_lines_of_people_who_opted_out_are_skipped_not_brought_in(given):
    class Two:
        bytes_total = bytes_done = 1

        def __iter__(self):
            return iter([Line(a_message(1, author=1)), Line(a_message(2, author=2))])

    async with opened(given()) as app:
        await app.storage.ledger.opt_out(an_author(2))
        reports = [await bring_in([Two()], app.ingest, app.storage.ledger) for _ in range(2)]

    assert [(r.messages, r.already_known, r.people, dict(r.skipped)) for r in reports] == [
        (1, 0, 1, {OPTED_OUT: 1}),
        (0, 1, 1, {OPTED_OUT: 1}),
    ]
