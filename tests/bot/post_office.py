"""An outlet whose posts are files, so that several processes may share it; and channels that were talked in.

As a process of its own: python -m tests.bot.post_office DATABASE FOLDER NOW.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from bot.analysis import Analysis
from bot.answer import Answer
from bot.delivery import Delivery
from bot.errors import PlatformError
from bot.ingest import Ingest
from bot.message import Channel, ChannelSeen, Message, MessageId, Platform
from bot.trends import Trends
from bot.writer import Writer
from storage import Storage, open_storage
from tests.conftest import KEY
from tests.examples import ANGRY, CALM, GENERAL, GLAD, an_analysis, an_author

ACME = (Platform.CONSOLE, "acme")


class PostOffice:
    """Posts into `folder`, a file each, and looks there for a key before it posts, as the platforms' outlets do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.closed: str | None = None
        """Why nothing may be posted."""
        self.dies_before = self.dies_after = False
        """Die as a killed process does: next to the post, but before or after it is made."""
        self.refuses = 0
        """How many of the next posts fail."""
        self.breaks = False
        """Fail once in a way that nobody foresaw."""
        self.behind: set[Channel] = set()
        """Where what was said is still being read."""
        self.takes: Callable[[], Awaitable[None]] | None = None
        """What happens while a post is made."""
        self.tries = 0

    def workspaces(self) -> Sequence[tuple[Platform, str]]:
        return [ACME]

    async def is_behind(self, channel: Channel, /) -> bool:
        return channel in self.behind

    async def hindrance(self, channel: Channel, /, *, others: bool) -> str | None:
        return self.closed

    async def post(self, channel: Channel, answer: Answer, /, *, key: str) -> MessageId:
        self.tries += 1
        if self.takes is not None:
            await self.takes()
        if self.breaks:
            self.breaks = False
            raise ZeroDivisionError("somebody's words")
        if self.dies_before:
            raise KeyboardInterrupt
        if self.refuses:
            self.refuses -= 1
            raise PlatformError("The platform is down.")
        found = [name for name, posted in self._posts() if posted["key"] == key]
        if not found:
            # A name of its own for each: a second post of one key is a second file.
            number = f"{len(self._posts())}-{uuid4()}"
            said = {"key": key, "channel": channel.id, "title": answer.title, "lines": answer.lines,
                    "footnote": answer.footnote, "chart": answer.chart and answer.chart.alt}  # fmt: skip
            (self._folder / number).write_text(json.dumps(said), encoding="utf-8")
            found = [number]
        if self.dies_after:
            raise KeyboardInterrupt
        return MessageId(channel, found[0])

    @property
    def posted(self) -> list[dict[str, object]]:
        """What was posted, in order."""
        return [posted for _, posted in self._posts()]

    def _posts(self) -> list[tuple[str, dict[str, object]]]:
        files = sorted(self._folder.iterdir(), key=lambda file: file.name)
        return [(file.name, json.loads(file.read_text(encoding="utf-8"))) for file in files]


class SlowOffice(PostOffice):
    """Says that it is about to post, waits until it is told to go on, and posts whatever is there already."""

    async def post(self, channel: Channel, answer: Answer, /, *, key: str) -> MessageId:
        print("posting", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        return await super().post(channel, answer, key=f"{key} {uuid4()}")


class Reader:
    """Reads 'great' as glad and 'broken' as angry."""

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        return [an_analysis(GLAD if "great" in t else ANGRY if "broken" in t else CALM) for t in texts]


async def talk(
    storage: Storage,
    *days: datetime,
    channel: Channel = GENERAL,
    name: str = "general",
    private: bool = False,
    people: int = 8,
    each: int = 3,
    text: Callable[[int, int], str] = lambda person, number: "great" if (person + number) % 3 else "well",
) -> None:
    """Let `people` say `each` things in the channel on each of `days`, and have them read."""
    ingest = Ingest(storage.inbox, Reader(), storage.ledger)
    said = [
        Message(
            MessageId(channel, f"{at:%Y%m%d%H%M}-{person}-{number}"), an_author(person),
            at + timedelta(minutes=person), at + timedelta(minutes=person), text(person, number),
        )
        for at in days for person in range(1, people + 1) for number in range(each)
    ]  # fmt: skip
    await ingest.accept(ChannelSeen(channel, name, days[0], private=private), *said)
    await ingest.drain()


def deliveries(storage: Storage, office: PostOffice, clock: Callable[[], datetime]) -> Delivery:
    writer = Writer(storage.subscriptions, Trends(storage.readings), storage.inbox, zone=ZoneInfo("UTC"))
    return Delivery(storage.subscriptions, writer, office, clock=clock)


async def main(database: str, folder: str, now: str) -> None:
    async with open_storage(database, KEY) as storage:
        await deliveries(storage, SlowOffice(Path(folder)), lambda: datetime.fromisoformat(now)).post_due()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
