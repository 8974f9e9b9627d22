"""The verbs as people and scripts use them, over the real model and a real database."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import zipfile
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from bot.cli import cli
from tests.journeys.command import ROOT, SAMPLE, command, roomtone


@pytest.fixture
def empty(tmp_path):
    return tmp_path / "empty.db"


def test_analyze_writes_one_object_for_each_line_in_order(empty):
    lines = ["thanks, that fixed it :tada:", "", "deploying now", "Jenkins is broken again, I hate this 😡"]
    done = roomtone("analyze", "--json", "-", database=empty, given="\n".join(lines) + "\n")
    read = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert [one["text"] for one in read] == lines
    assert [one["sentiment"]["label"] for one in read] == ["positive", "neutral", "neutral", "negative"]


def test_an_entity_says_where_it_stands_in_the_text_as_given(empty):
    text = "🚀🚀 <@U123> moved to Berlin with Jenkins"
    (one,) = [json.loads(line) for line in roomtone("analyze", "--json", text, database=empty).stdout.splitlines()]

    assert {entity["text"] for entity in one["entities"]} >= {"Berlin"}
    assert [text[entity["start"] : entity["end"]] for entity in one["entities"]] == [
        entity["text"] for entity in one["entities"]
    ]


def test_reading_leaves_nothing_in_the_home_folder_and_reports_to_nobody(empty, tmp_path):
    line, environment = command("analyze", "good morning", database=empty)
    # Without these, which keep ONNX Runtime from reporting too, as on a machine where Roomtone runs.
    plain = {name: value for name, value in environment.items() if name not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(line, env=plain | {"HOME": str(home), "USERPROFILE": str(home)}, cwd=ROOT, check=True, timeout=60)

    assert list(home.rglob("*")) == []


def test_a_line_that_is_no_object_is_named_and_the_rest_is_read(empty):
    given = '{"text": "two\\nlines"}\nnonsense\n{"text": "\\ud800 alone"}\n'
    done = roomtone("analyze", "--jsonl", "-", database=empty, given=given)
    read = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 1
    assert ["error" in one for one in read] == [False, True, False]
    assert [read[0]["text"], read[2]["text"]] == ["two\nlines", "\ud800 alone"]


def test_it_ends_when_whoever_reads_its_answers_has_gone(empty):
    line, environment = command("analyze", "--json", "-", database=empty)
    process = subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"good morning\n")
    process.stdin.flush()
    first = process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"is anybody there\n")
    process.stdin.flush()  # and stays open

    assert process.wait(timeout=30) == 0
    assert json.loads(first)["text"] == "good morning"
    process.stdin.close()


def test_ctrl_c_ends_it_while_it_waits_for_the_next_line(empty):
    line, environment = command("analyze", "-", database=empty)
    # What a shell starts in the background ignores Ctrl-C, and so would all that the tests start, were they run so.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        line, env=environment, cwd=ROOT, preexec_fn=heeding, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"good morning\n")
        process.stdin.flush()  # and stays open
        process.stdout.readline()
        for _ in range(6):  # CPython misses one that comes just before it starts to wait; a user presses again
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
                break

        assert process.wait(timeout=1) == 130
        assert process.stderr.read() == b""


def test_a_language_it_cannot_read_is_said_and_not_guessed(empty):
    text = "Der neue Build ist leider schon wieder kaputt und niemand weiß warum"
    one = json.loads(roomtone("analyze", "--json", text, database=empty).stdout)

    assert one["language"] == "de"
    assert one["sentiment"]["label"] is None


def test_a_question_is_answered_as_data_with_its_window(imported):
    database, _ = imported
    answer = json.loads(roomtone("ask", "--json", "mood #backend from 2 to 8 November 2026", database=database).stdout)

    assert answer["ok"] is True
    assert answer["window"] == {"start": "2026-11-01T23:00:00+00:00", "end": "2026-11-08T23:00:00+00:00"}
    assert sum(point["messages"] for point in answer["chart"]["series"][0]["points"]) > 0


def test_a_digest_and_the_question_give_the_same_number(imported):
    database, _ = imported
    digest = json.loads(
        roomtone("digest", "--channel", "backend", "--week", "2026-W45", "--json", database=database).stdout
    )
    mood = json.loads(roomtone("ask", "mood #backend 2026-W45", "--json", database=database).stdout)

    assert digest["window"] == mood["window"]
    assert digest["lines"][0].partition("mood ")[2].split()[0] == mood["lines"][0].partition("mood ")[2].split()[0]


def test_a_dry_run_shows_the_next_digest_as_its_platform_would_get_it(imported, tmp_path):
    database = Path(shutil.copy(imported[0], tmp_path / "roomtone.db"))
    ordered = roomtone("ask", "digest on monday 09:00 Europe/Berlin for #backend", database=database)
    assert "is posted in #backend on Mondays at 09:00" in ordered.stdout, ordered.stderr

    (planned,) = roomtone("digest", "--dry-run", "--json", database=database).stdout.splitlines()
    shown = roomtone("digest", "--dry-run", database=database).stdout

    post = json.loads(planned)
    due = datetime.fromisoformat(post["due"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (post["platform"], post["channel"], post["sort"]) == ("slack", "backend", "digest")
    assert (due.weekday(), due.hour, due.minute) == (0, 9, 0)
    assert post["message"]["blocks"][0]["text"]["text"] == post["answer"]["title"]
    assert post["answer"]["title"] in shown


def test_a_chart_is_written_as_png(imported, tmp_path):
    database, _ = imported
    done = roomtone("ask", "mood #general 2026", "--chart", tmp_path / "mood.png", database=database)

    assert done.returncode == 0
    assert (tmp_path / "mood.png").read_bytes().startswith(b"\x89PNG")


def test_channels_are_one_object_a_line(imported):
    database, report = imported
    found = [json.loads(line) for line in roomtone("channels", "--json", database=database).stdout.splitlines()]

    assert {one["channel"] for one in found} == {"general", "backend", "design", "random", "incidents"}
    assert sum(one["messages"] for one in found) <= report["messages"]
    assert all(set(one) >= {"platform", "workspace", "channel", "messages", "people", "first", "last"} for one in found)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("mood #genral", "mood #general"),
        ("mood #general from 8 March to 2 March", "before"),
        ("moood #general", "mood #general"),
        ("mood #general next week", "future"),
    ],
)
def test_a_question_that_cannot_be_answered_gets_a_sentence_and_a_non_zero_exit(imported, question, says):
    database, _ = imported
    done = roomtone("ask", question, database=database)

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_alias_and_a_hidden_name_apply_to_the_past(imported, tmp_path):
    database = shutil.copy(imported[0], tmp_path / "roomtone.db")
    before = roomtone("ask", "entities #backend October 2026", "--json", database=database).stdout
    roomtone("names", "hide", "Jenkins", database=database)
    hidden = roomtone("ask", "entities #backend October 2026", "--json", database=database).stdout
    roomtone("names", "remove", "jenkins", database=database)

    assert "jenkins" in before.lower()
    assert "jenkins" not in hidden.lower()
    assert roomtone("ask", "entities #backend October 2026", "--json", database=database).stdout == before


def test_the_terminal_ends_with_its_input_after_a_digest_of_the_sample(empty):
    done = roomtone("run", database=empty)

    assert done.returncode == 0, done.stderr
    assert "last week" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_line_typed_in_the_terminal_is_read_and_counted(empty):
    typed = "/join #random\n/channels\nthis is great, thank you all 🎉\n/channels\n/quit\n"
    done = roomtone("run", database=empty, given=typed)

    assert "heard as positive" in done.stdout
    first, second = [
        line.split()[1] for line in done.stdout.splitlines() if line.startswith("#random ") and ">" not in line
    ]
    assert int(second) == int(first) + 1


def test_what_is_no_export_is_said_to_be_none(tmp_path, empty):
    (tmp_path / "holiday.txt").write_text("just a letter\n")
    done = roomtone("import", tmp_path / "holiday.txt", database=empty)

    assert done.returncode == 1
    assert "no chat export" in done.stderr


def test_a_truncated_zip_is_refused_with_a_sentence(tmp_path, empty):
    whole = tmp_path / "export.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for file in SAMPLE.rglob("*.json"):
            archive.write(file, file.relative_to(SAMPLE))
    whole.write_bytes(whole.read_bytes()[:-2_000])
    done = roomtone("import", whole, database=empty)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_one_broken_day_is_named_and_the_rest_is_brought_in(tmp_path, empty):
    copy = shutil.copytree(SAMPLE, tmp_path / "export")
    day = sorted((copy / "random").glob("*.json"))[0]
    day.write_text(day.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    done = roomtone("import", copy, "--json", database=empty)
    report = json.loads(done.stdout)

    assert done.returncode == 1
    assert [failed["file"] for failed in report["failed"]] == [f"random/{day.name}"]
    assert report["messages"] > 1_000


def test_a_database_of_a_newer_version_is_left_alone(imported, tmp_path):
    database = shutil.copy(imported[0], tmp_path / "roomtone.db")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE installation SET value = '9999' WHERE name = 'compat'")
    done = roomtone("channels", database=database)

    assert done.returncode == 1
    assert "newer" in done.stderr


def test_another_key_is_noticed(imported, tmp_path):
    database = shutil.copy(imported[0], tmp_path / "roomtone.db")
    done = roomtone("channels", database=database, key="cd" * 32)

    assert done.returncode == 1
    assert "key" in done.stderr


def test_the_key_file_is_made_for_its_owner_alone(tmp_path):
    database = tmp_path / "deep" / "roomtone.db"
    roomtone("import", one_message(tmp_path), database=database, key="")

    assert stat.S_IMODE(database.with_suffix(".key").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    done = roomtone("import", one_message(tmp_path), database=tmp_path / "file" / "roomtone.db", key="")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "file") in done.stderr


def one_message(folder):
    file = folder / "chat.jsonl"
    file.write_text('{"channel": "general", "user": "ann", "ts": "2026-03-02T09:00:00Z", "text": "good morning"}\n')
    return file


def test_the_doctor_finds_nothing_wrong_with_a_new_installation(empty):
    done = roomtone("doctor", "--json", database=empty)

    assert [finding for finding in json.loads(done.stdout) if not finding["ok"]] == []


def test_help_names_every_verb(empty):
    done = roomtone("--help", database=empty)

    assert all(
        verb in done.stdout for verb in ("run", "import", "ask", "digest", "analyze", "channels", "doctor", "evaluate")
    )


@pytest.mark.parametrize("verb", [["names", "alias", "k8s", "Kubernetes"], ["reanalyze"], ["doctor", "--retry"]])
def test_a_mistyped_database_is_not_made(tmp_path, verb):
    done = roomtone(*verb, database=tmp_path / "mistyped.db", key="")

    assert "no database" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["digest", "--dry-run", "--week", "2026-W10"], "--dry-run and --week don't go together"),
        (["digest", "--dry-run", "--sample"], "--dry-run and --sample don't go together"),
        (["digest", "--dry-run", "--zone", "Europe/Berlin"], "--dry-run and --zone don't go together"),
        (["digest", "--dry-run", "--chart", "x.png"], "--dry-run and --chart don't go together"),
        (["ask", "mood", "--dark"], "add --chart FILE"),
        (["digest", "--dark"], "add --chart FILE"),
        (["analyze", "--jsonl", "texts.jsonl"], "--jsonl reads standard input"),
        (["reanalyze", "--channel", "general"], "name their PATHs"),
        (["reanalyze", "--workspace", "T1"], "name their PATHs"),
        (["evaluate", "--behaviour", "--lower-cased"], "--behaviour and --lower-cased don't go together"),
        (["evaluate", "x.jsonl", "--picture", "nowhere/x.png"], "--picture can't be written: nowhere isn't a folder"),
        (["slack", "manifest", "--http", "https://bot.example", "--scopes"], "--scopes and --http don't go together"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_would_be_ignored_is_refused(tmp_path, arguments, says):
    asked = CliRunner().invoke(cli, arguments, env={"ROOMTONE_DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}"})

    assert asked.exit_code == 2
    assert says in " ".join(re.sub(r"[│╭╮╰╯─]", " ", asked.output).split())
    assert list(tmp_path.iterdir()) == []


def test_a_chart_that_cannot_be_written_is_said_after_the_answer(imported, tmp_path):
    picture = tmp_path / "nowhere" / "x.png"
    done = roomtone("ask", "mood #backend last 5 weeks", "--chart", picture, database=imported[0])

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "can't be written" in " ".join(done.stderr.split())
    assert "messages by" in " ".join(done.stdout.split())


def test_a_question_to_a_database_with_nothing_in_it_says_how_to_begin(tmp_path):
    (tmp_path / "nothing.jsonl").write_text("")
    database = tmp_path / "roomtone.db"
    roomtone("import", tmp_path / "nothing.jsonl", database=database, key="ab" * 32)
    done = roomtone("ask", "mood #general last month", database=database, key="ab" * 32)

    assert done.returncode == 1
    assert "roomtone import" in done.stderr
