"""An import as a person runs it: the real command, the real model, killed and started again."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time

import pytest

from tests.journeys.command import ROOT, SAMPLE, command, roomtone
from tests.storage.tables import tables

CHATS = ROOT.parent / "shared" / "data" / "chats"


def test_every_line_of_the_export_is_in_exactly_one_count(imported):
    _, report = imported
    lines = sum(len(json.loads(day.read_text(encoding="utf-8"))) for day in SAMPLE.glob("*/*.json"))

    assert report["messages"] + report["already_known"] + sum(report["skipped"].values()) == lines
    assert report["failed"] == []


def test_importing_the_same_again_changes_nothing(imported, tmp_path):
    original, report = imported
    database = shutil.copy(original, tmp_path / "roomtone.db")
    before = tables(database)
    again = json.loads(roomtone("import", SAMPLE, "--json", database=database).stdout)

    assert (again["messages"], again["already_known"]) == (0, report["messages"])
    assert tables(database) == before


def test_an_import_killed_at_ten_moments_ends_as_one_that_was_not(imported, tmp_path):
    uninterrupted, _ = imported
    database = tmp_path / "roomtone.db"
    moments = random.Random(7)
    line, environment = command("import", SAMPLE, "--json", database=database)
    kills = 0
    while kills < 10:
        process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.5, 4.0))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    last = roomtone("import", SAMPLE, "--json", database=database)

    assert last.returncode == 0, last.stderr
    assert tables(database) == tables(uninterrupted)


@pytest.mark.parametrize(("name", "messages"), [("racket", 22_172), ("elmlang", 14_510)])
@pytest.mark.skipif(not CHATS.exists(), reason="the real chat logs of ../shared/data are not here")
@pytest.mark.timeout(400)
def test_a_real_log_is_imported_completely(name, messages, tmp_path):
    database = tmp_path / "roomtone.db"
    line, environment = command("import", CHATS / f"{name}-slack-export.zip", "--json", database=database)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=390, check=False)
    report = json.loads(done.stdout)

    assert report["messages"] + report["skipped"].get("bot", 0) == messages
    assert report["failed"] == []
