"""What channels want posted, and what became of it.

Why: digests and alerts are planned in one place for every platform, and each is a row before it is a post. What
channels had ordered until now stood in notes, and moves.
Still readable by: every release; older ones leave both tables alone, and know of no digest that was ordered.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    subscriptions = op.create_table(
        "subscriptions",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=True),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("minute", sa.SmallInteger(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("low", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "workspace", "key", "sort", name=op.f("pk_subscriptions")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "posts",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reserved_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("platform", "workspace", "key", "sort", "due", name=op.f("pk_posts")),
        sqlite_with_rowid=False,
    )
    rows = op.get_bind().execute(sa.text("SELECT platform, workspace, name, value FROM notes")).all()
    noted = {(row.platform, row.workspace, row.name): json.loads(row.value) for row in rows}
    moved = {name: row for name, value in noted.items() if (row := _moved(name, value, noted)) is not None}
    if moved:
        op.bulk_insert(subscriptions, list(moved.values()))
    for platform, workspace, name in moved:
        gone = sa.text("DELETE FROM notes WHERE platform = :platform AND workspace = :workspace AND name = :name")
        for note in (name, name.replace("digest ", "digested ", 1)):
            op.get_bind().execute(gone, {"platform": platform, "workspace": workspace, "name": note})


def _moved(name: tuple[str, str, str], value: Any, noted: dict[tuple[str, str, str], Any]) -> dict[str, Any] | None:
    """The row for a note 'digest CHANNEL', {'weekday', 'hour', 'zone'} and perhaps 'minute'; None for any other."""
    platform, workspace, note = name
    word, _, channel = note.partition(" ")
    if word != "digest" or not isinstance(value, dict) or not {"weekday", "hour", "zone"} <= value.keys():
        return None
    return {
        "platform": platform,
        "workspace": workspace,
        "key": channel,
        "sort": "digest",
        "weekday": value["weekday"],
        "hour": value["hour"],
        "minute": value.get("minute", 0),
        "zone": value["zone"],
        "since": _since(name, value, noted),
        "channels": json.dumps([channel]),
    }


def _since(name: tuple[str, str, str], value: dict[str, Any], noted: dict[tuple[str, str, str], Any]) -> int:
    """Milliseconds after the last digest that was posted, or else now: rather none than a second one."""
    platform, workspace, note = name
    channel = note.removeprefix("digest ")
    days = [
        datetime.fromisoformat(other.removeprefix(f"posted {note} ")).replace(tzinfo=UTC)
        for at, where, other in noted
        if (at, where) == (platform, workspace) and other.startswith(f"posted {note} ")
    ]
    if days:  # Discord's: the local day it was due on
        return _milliseconds(max(days) + timedelta(days=2))
    found: list[datetime] = []
    with suppress(KeyError, TypeError, ValueError):
        found.append(datetime.fromisoformat(value["since"]))
    with suppress(KeyError, TypeError, ValueError):
        found.append(datetime.fromisoformat(noted[platform, workspace, f"digested {channel}"]["at"]))
    return _milliseconds(max(found) + timedelta(seconds=1)) if found else _milliseconds(datetime.now(UTC))


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
