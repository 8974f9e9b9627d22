"""The sample workspace: a made-up one, moved so that it ends last Sunday, in a database of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_never

from bot.analysis import embedded
from bot.importing import Aside, Item, Line
from bot.ingest import Ingest
from bot.keys import key_path
from bot.message import ChannelGone, ChannelMoved, ChannelSeen, Deletion, Event, Message, Reaction, ReactionsCleared
from bot.store import Ledger

FOLDER = Path(__file__).parents[1] / "adapters" / "console" / "sample"
NAME = "lanternfish-sample"


def database(url: str, today: datetime, model: Path = embedded.FOLDER) -> str:
    """The sample workspace's own database, beside that of `url`.

    Named by the week it is moved to and by the bundled model: another release of it reads the sample anew. Raises
    ConfigurationError if the files of that model are missing.
    """
    year, week, _ = today.isocalendar()
    facts = embedded.Facts.load(model / "model.json")
    return f"sqlite:///{key_path(url).with_name(f'sample-{year}-W{week:02}-{facts.name}-{facts.version}.db')}"


async def fill(export: Iterable[Item], ingest: Ingest, ledger: Ledger) -> None:
    """Bring the sample in, moved by whole weeks; what is there is left alone."""
    items = list(export)
    lines = [item for item in items if isinstance(item, Line)]
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())
    by = timedelta(weeks=(monday - max(line.message.sent_at for line in lines).date()).days // 7)
    known = await ledger.known([(line.message.id, line.message.revised_at + by) for line in lines])
    await ingest.drain()
    if all(known):
        return
    events = [item.event for item in items if isinstance(item, Aside)]
    events += [event for line in lines for event in (line.message, *line.others)]
    await ingest.accept(*(moved(event, by) for event in events))
    await ingest.drain()


def moved(event: Event, by: timedelta) -> Event:
    """The same event, `by` later: a sample of last month becomes one of last week. Ids stay as they are."""
    match event:
        case Message():
            return replace(event, sent_at=event.sent_at + by, revised_at=event.revised_at + by)
        case Deletion():
            return replace(event, deleted_at=event.deleted_at + by)
        case Reaction() | ReactionsCleared() | ChannelSeen() | ChannelGone() | ChannelMoved():
            return replace(event, at=event.at + by)
        case _:
            assert_never(event)
