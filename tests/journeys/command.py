"""The real command, in a process of its own, with settings of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "adapters" / "console" / "sample"
KEY = "ab" * 32


def command(*arguments: str | Path, database: Path, key: str = KEY) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of `roomtone ARGUMENTS` on `database`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROOMTONE_")}
    environment |= {
        "ROOMTONE_DATABASE_URL": f"sqlite:///{database}",
        "ROOMTONE_KEY": key,
        "ROOMTONE_TIME_ZONE": "Europe/Berlin",
        "COLUMNS": "100",
    }
    return [sys.executable, "-m", "bot", *map(str, arguments)], environment


def roomtone(
    *arguments: str | Path, database: Path, given: str | bytes = b"", key: str = KEY
) -> subprocess.CompletedProcess[str]:
    """What `roomtone ARGUMENTS` printed and how it ended, with `given` on its standard input."""
    line, environment = command(*arguments, database=database, key=key)
    raw = given.encode() if isinstance(given, str) else given
    done = subprocess.run(line, env=environment, input=raw, capture_output=True, timeout=100, check=False, cwd=ROOT)
    return subprocess.CompletedProcess(line, done.returncode, done.stdout.decode(), done.stderr.decode())
