"""An import as a person runs it: the real command, the real model, killed and started again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.storage.tables import tables

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "adapters" / "console" / "sample"
CHATS = ROOT.parent / "shared" / "data" / "chats"
KEY = "ab" * 32


def command(*arguments: str | Path, database: Path) -> tuple[list[str], dict[str, str]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ROOMTONE_")}
    environment |= {"ROOMTONE_DATABASE_URL": f"sqlite:///{database}", "ROOMTONE_KEY": KEY}
    return [sys.executable, "-m", "bot", *map(str, arguments)], environment


def roomtone(*arguments: str | Path, database: Path) -> subprocess.CompletedProcess[str]:
    line, environment = command(*arguments, database=database)
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> tuple[Path, dict[str, object]]:
    """The sample workspace, imported without a break, and what the import said."""
    database = tmp_path_factory.mktemp("imported") / "roomtone.db"
    done = roomtone("import", SAMPLE, "--json", database=database)
    assert done.returncode == 0, done.stderr
    return database, json.loads(done.stdout)


def test_every_line_of_the_export_is_in_exactly_one_count(imported):
    _, report = imported
    lines = sum(len(json.loads(day.read_text(encoding="utf-8"))) for day in SAMPLE.glob("*/*.json"))

    assert report["messages"] + report["already_known"] + sum(report["skipped"].values()) == lines
    assert report["failed"] == []


def test_importing_the_same_again_changes_nothing(imported):
    database, report = imported
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
        elif process.returncode == 0:
            # It came to its end before it could be killed; the next ones find everything known.
            pass
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
