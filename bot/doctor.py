"""What `roomtone doctor` finds: each thing that can be wrong, and its mend."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import packages_distributions
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from bot.analysis.budget import Status, TokenAge
from bot.schedule import Post, State
from bot.store import InboxCount
from bot.wording import spent

OURS = ("bot", "adapters", "storage")
LEAST_FREE_MIB = 500
SAFE_SQLITE = ((3, 51, 3), (3, 50, 7), (3, 44, 6))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `says` is a sentence; where `ok` is False it ends with the mend."""

    subject: str
    ok: bool
    says: str

    def as_json(self) -> Mapping[str, Any]:
        """The finding as `roomtone doctor --json` prints it."""
        return {"subject": self.subject, "ok": self.ok, "says": self.says}


def installation() -> Iterator[Finding]:
    """This Python, this processor, and whether `bot`, `adapters` and `storage` are ours."""
    yield Finding("roomtone", True, f"{installed_version('roomtone')} on Python {platform.python_version()}.")
    yield _packages()
    yield _processor()
    yield _sqlite()


def _packages() -> Finding:
    # Other distributions install packages of these generic names, and pip lets the last one win without a word.
    owners = packages_distributions()
    strangers = sorted({o for name in OURS for o in owners.get(name, []) if o != "roomtone"})
    if strangers:
        return Finding(
            "packages",
            False,
            f"{', '.join(strangers)} may have overwritten parts of Roomtone; install Roomtone into a venv of its own.",
        )
    return Finding("packages", True, "bot, adapters and storage are Roomtone's own.")


def _processor() -> Finding:
    flags = Path("/proc/cpuinfo")
    known = flags.read_text(encoding="utf-8", errors="replace") if flags.exists() else ""
    if known and platform.machine() in {"x86_64", "AMD64"} and "avx2" not in known:
        return Finding(
            "processor", False, "It has no AVX2: the bundled model may be slow or stop; run Roomtone on a newer one."
        )
    return Finding("processor", True, f"{platform.machine()}, {os.cpu_count()} cores.")


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version_info
    safe = version >= SAFE_SQLITE[0] or any(version[:2] == v[:2] and version >= v for v in SAFE_SQLITE)
    note = "" if safe else " (older than 3.51.3: safe here, since one connection writes; don't write with other tools)"
    return Finding("SQLite", True, f"{sqlite3.sqlite_version}{note}.")


def environment(variables: Iterable[str], known: Sequence[str]) -> Iterator[Finding]:
    """Variables, in capitals, that begin like ours but are no setting: a misspelling would otherwise go unnoticed."""
    strangers = sorted(name for name in variables if name.startswith("ROOMTONE_") and name not in known)
    for name in strangers:
        close = get_close_matches(name, known, n=1)
        meant = f" Did you mean {close[0]}?" if close else " Take it out, or see .env.example for the settings."
        yield Finding("settings", False, f"{name} is no setting.{meant}")
    if not strangers:
        yield Finding("settings", True, "Every ROOMTONE_ variable is a setting.")


def key_file(path: Path) -> Iterator[Finding]:
    """Whether the key's file is readable by its owner alone."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if os.name == "posix" and mode & 0o077:
        yield Finding("key", False, f"Others can read {path}; run: chmod 600 {path}")
    else:
        yield Finding("key", True, f"{path}, readable by its owner alone. Keep a copy apart from the database's.")


def disk(folder: Path) -> Finding:
    """Whether there is room to write."""
    free = shutil.disk_usage(folder).free // 2**20
    if free < LEAST_FREE_MIB:
        return Finding("disk", False, f"Only {free:,} MiB are free in {folder}; make room, or messages will wait.")
    return Finding("disk", True, f"{free:,} MiB free in {folder}.")


def inbox(count: InboxCount) -> Iterator[Finding]:
    """What waits, and what was set aside."""
    yield Finding("waiting", True, f"{_events(count.waiting)} to be read.")
    if count.set_aside:
        reasons = ", ".join(f"{number:,} × {reason}" for reason, number in sorted(count.reasons.items()))
        yield Finding(
            "set aside",
            False,
            f"{count.set_aside:,} events could not be read ({reasons}); they are kept sealed. Please report "
            "it; after an upgrade, `roomtone doctor --retry` has them read again.",
        )


def posts(wanted: int, latest: Sequence[tuple[str, Post]]) -> Iterator[Finding]:
    """How many digests and alerts channels want, and the latest post of each that has had one, by channel."""
    if wanted:
        yield Finding("posts", True, f"{wanted:,} wanted by channels; `roomtone digest --dry-run` shows the next ones.")
    for name, post in latest:
        if post.state is State.WAITING and post.why is not None:
            due = f"{post.due.at:%Y-%m-%d %H:%M} UTC"
            yield Finding("posts", False, f"The {post.due.sort} of #{name}, due {due}, waits: {post.why}")


def _events(waiting: int) -> str:
    return "1 event waits" if waiting == 1 else f"{waiting:,} events wait"


def hosted_budget(status: Status) -> Finding:
    """What hosted inference has used of its budgets, how its calls went, and what is unusual."""
    says = f"{spent(status)}; {status.errors:,} failed today"
    says += "." if status.latency is None else f", {status.latency:.2f} s a request."
    if status.unusual is not None:
        says += f" This hour has {status.unusual:.1f} times the requests of the busiest hour of the last week."
    if status.problem is not None:
        says += f" Latest failure, {status.problem.at:%Y-%m-%d %H:%M} UTC: {status.problem.reason}"
    full = any(line.share >= 1 for line in status.lines)
    if full:
        says += " The budget is used up: messages wait until it begins anew, or raise it."
    return Finding("hosted budget", not full, says)


def hosted_token(status: Status, *, silent: str) -> Iterator[Finding]:
    """How old the token is, and whether it may do more than it has to; `silent` is why its issuer doesn't say."""
    if status.token_since is not None:
        since = f"{status.token_since:%Y-%m-%d}"
        match status.token_age:
            case TokenAge.OVERDUE:
                yield Finding("hosted token", False, f"In use since {since}, over 90 days: replace it now.")
            case TokenAge.ROTATE:
                yield Finding("hosted token", True, f"In use since {since}, over 30 days: replace it soon.")
            case _:
                yield Finding("hosted token", True, f"In use since {since}.")
    if status.can_write:
        yield Finding(
            "token's rights",
            False,
            "It may write to repositories; make one that may make inference calls and nothing else, and revoke this.",
        )
    elif status.can_write is False:
        yield Finding("token's rights", True, "It may not write to repositories.")
    elif silent:
        yield Finding("token's rights", True, f"Not known: {silent}")
