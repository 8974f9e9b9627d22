"""A database with the sample workspace in it, imported once by the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.command import SAMPLE, roomtone


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The sample workspace, imported without a break, and what the import said. Not to be changed."""
    database = tmp_path_factory.mktemp("imported") / "roomtone.db"
    done = roomtone("import", SAMPLE, "--json", database=database)
    assert done.returncode == 0, done.stderr
    return database, json.loads(done.stdout)
