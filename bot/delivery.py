"""What is posted unasked, once: a post is planned when it is due, reserved, made, and settled.

How once is once, though no platform can post and remember in one step:

1. When a digest or alert is due, a row is planned for it: channel, sort and due time are its name, so that any number
   of processes plan the same one.
2. Whoever reserves the row may post it; a reservation is one UPDATE that finds the row free, so of two processes one
   gets it. It lasts longer than a try may (`TRY_SECONDS` < `RESERVED`).
3. The post carries a key, the row's name. The adapter's outlet notes that it is about to post that key, posts, and
   notes the platform's id of the message. Then the row is settled as posted, with that id.
4. A process that dies before 3 leaves a row that is still waiting; its reservation ends, and it is posted then. One
   that dies within 3 leaves a row that waits and an outlet's note without an id. So whoever comes next lets the outlet
   look for our own post first (Slack: by a mark in the message's metadata; Discord: among our own messages of that
   time) and posts only what isn't there.
5. One that dies between 3 and settling leaves a note with the id: nothing is posted.

What remains: a process that is suspended for longer than its reservation in the middle of a try, and goes on, may post
what another has posted meanwhile; and a post that somebody deletes before we look for it is posted again.

A row that is still waiting when it is too late (`LATEST`) is skipped; the log says so, and so does the next digest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from bot import when
from bot.alerts import alert, has_come_back, has_dropped, window_before
from bot.answer import Answer
from bot.digest import Digests
from bot.errors import PlatformError, RoomtoneError
from bot.message import Channel, Gone, MessageId, Platform
from bot.question import Place
from bot.schedule import Due, Post, Sort, State, Subscription
from bot.store import ChannelSummary, Subscriptions
from bot.trends import Trends
from bot.wording import counted, date_of, listed

LATEST = {Sort.DIGEST: timedelta(days=2), Sort.ALERT: timedelta(hours=12)}
"""How late a post may be; later it is skipped."""

LOOK_EVERY = 30.0
"""Seconds."""

TRY_SECONDS = 600.0
"""How long a try may take."""

A_DAY = timedelta(hours=23)
"""The shortest there is."""

RESERVED = timedelta(minutes=15)
"""How long a post is reserved, and so until it is tried again; a quarter of its lateness, if that is longer."""

PATIENCE = timedelta(hours=2)
"""How long a post waits for what was said while we were away; then it says what is known."""

TOO_LATE = "Roomtone wasn't running or couldn't post"
TOO_LITTLE = "too little was said"

GONE = {
    Gone.LEFT: "I'm no longer in that channel: invite me back.",
    Gone.ARCHIVED: "That channel is archived: nothing can be posted there.",
    Gone.DELETED: "That channel is deleted.",
}

_log = structlog.get_logger(__name__)


class Outlet(Protocol):
    """A platform's way out of what nobody asked for."""

    def workspaces(self) -> Sequence[tuple[Platform, str]]:
        """Where posts can be made now; none while it isn't connected."""
        ...

    def is_behind(self, channel: Channel, /) -> bool:
        """Is what was said in a channel while we were away still being read?"""
        ...

    async def hindrance(self, channel: Channel, /, *, others: bool) -> str | None:
        """Why nothing may be posted in a channel, as a sentence; None if it may. `others`: about other channels too."""
        ...

    async def post(self, channel: Channel, answer: Answer, /, *, key: str) -> MessageId:
        """Post it, at most once for `key`, whatever is retried and whoever crashes. Raises PlatformError."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A post as it would be made: what it says, or `why` nothing is posted. `low` goes into its subscription."""

    answer: Answer | None
    why: str | None = None
    low: bool | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A subscription's next post: `made` as it would be now, or `why` nothing can be.

    It is due, or (`is_due` False) going to be at `due.at`, and then of a week or day that isn't over.
    """

    wanted: Subscription
    due: Due
    is_due: bool
    made: Made


class Author:
    """Writes what is due. Raises StorageError; PlatformError for a channel where nothing can be posted."""

    def __init__(self, kept: Subscriptions, trends: Trends, *, zone: ZoneInfo) -> None:
        self._kept = kept
        self._trends = trends
        self._digests = Digests(trends)
        self._zone = zone

    async def made(self, due: Due, wanted: Subscription | None, now: datetime) -> Made:
        """What is to be posted for `due`; without a subscription (it was sent by hand), a digest of its channel."""
        match due.sort:
            case Sort.DIGEST:
                return await self._digest(due, wanted, now)
            case Sort.ALERT:
                return await self._alert(due, wanted, now)

    async def planned(self, now: datetime) -> Sequence[Planned]:
        """What is posted next for every subscription; nothing is changed or sent. Raises StorageError."""
        planned = []
        for wanted in await self._kept.subscriptions():
            latest = wanted.times.latest(now)
            posts = await self._kept.posts(wanted.channel, wanted.sort)
            over = any(post.due.at == latest and post.state is not State.WAITING for post in posts)
            is_due = not over and wanted.since <= latest and now - latest <= LATEST[wanted.sort]
            due = Due(wanted.channel, wanted.sort, latest if is_due else next(wanted.times.after(now)))
            try:
                made = await self.made(due, wanted, now)
            except PlatformError as error:
                made = Made(None, str(error))
            planned.append(Planned(wanted, due, is_due, made))
        return planned

    async def preview(self, place: Place, wanted: Subscription | None, zone: ZoneInfo, now: datetime) -> Answer:
        """The digest as it would be posted now, of the last whole week. Raises StorageError, PlatformError."""
        if wanted is None or wanted.channels == (place.channel,):
            return await self._of([place], now, zone, now)
        places, missing = await self._places(place.channel, wanted.channels)
        return _with_footnote(await self._of(places, now, zone, now), *missing)

    async def _of(self, places: Sequence[Place], at: datetime, zone: ZoneInfo, now: datetime) -> Answer:
        return await self._digests.of(places, when.read("last week", now=at, zone=zone), zone, now)

    async def _digest(self, due: Due, wanted: Subscription | None, now: datetime) -> Made:
        zone = ZoneInfo(wanted.times.zone) if wanted is not None else self._zone
        channels = (wanted.channels if wanted is not None else ()) or (due.channel,)
        places, missing = await self._places(due.channel, channels)
        answer = await self._of(places, due.at, zone, now)
        posts = await self._kept.posts(due.channel, Sort.DIGEST, limit=20)
        if not answer.ok:
            before = next((post for post in posts if post.due.at < due.at), None)
            if before is not None and before.why == TOO_LITTLE:
                return Made(None, TOO_LITTLE)  # said last week: silence is enough now
            return Made(_with_footnote(answer, *missing), TOO_LITTLE)
        skipped = [] if wanted is None else _skipped(wanted, due, posts)
        if skipped:
            missing.append(f"Not posted: the digest due {listed([date_of(at, zone) for at in skipped])}; {TOO_LATE}.")
        return Made(_with_footnote(answer, *missing))

    async def _alert(self, due: Due, wanted: Subscription | None, now: datetime) -> Made:
        if wanted is None:
            return Made(None, "alerts are off")
        posts = await self._kept.posts(due.channel, Sort.ALERT)
        if any(post.state is State.POSTED and due.at - post.due.at < A_DAY for post in posts):
            return Made(None, "an alert was raised within the last day")  # its time was changed since
        (place,), _ = await self._places(due.channel, (due.channel,))
        zone = ZoneInfo(wanted.times.zone)
        reading = await self._trends.mood([place.channel], window_before(due.at), zone, now)
        if wanted.is_low:
            back = has_come_back(reading)
            return Made(None, "the mood came back" if back else "the mood is still low", low=not back)
        if not has_dropped(reading):
            return Made(None, "no sharp drop")
        drivers = await self._trends.drivers([place.channel], reading)
        return Made(alert(place, reading, drivers, zone), low=True)

    async def _places(self, target: Channel, channels: Sequence[Channel]) -> tuple[list[Place], list[str]]:
        """The channels as they are called now, and in words those that can't be told of in `target`."""
        known = {summary.channel: summary for summary in await self._trends.channels()}
        here = known.get(target)
        if here is None:
            raise PlatformError("Nothing has been read in that channel yet.")
        if here.gone is not None:
            raise PlatformError(GONE[here.gone])
        shown = [known[each] for each in channels if each in known and _may_be_told(known[each], target)]
        if not shown:
            raise PlatformError("None of the digest's channels is read now.")
        places = [Place(each.channel, each.name, each.private) for each in shown]
        left = len(channels) - len(shown)
        return places, [f"{counted(left, 'channel')} left out: archived, left, or private."] if left else []


class Delivery:
    """Posts what is due, wherever an outlet leads, as the module says."""

    def __init__(self, kept: Subscriptions, author: Author, outlet: Outlet, *, clock: Callable[[], datetime]) -> None:
        self._kept = kept
        self._author = author
        self._outlet = outlet
        self._clock = clock
        self._planned: dict[tuple[Channel, Sort], datetime] = {}

    async def run(self, *, every: float = LOOK_EVERY) -> None:
        """Post what is due, until cancelled."""
        while True:
            try:
                await self.post_due()
            except RoomtoneError as error:
                _log.warning("what is due waits", why=str(error))
            await asyncio.sleep(every)

    async def post_due(self) -> None:
        """Plan and post everything that is due now. Raises StorageError."""
        for platform, workspace in self._outlet.workspaces():
            now = self._clock()
            wanted = {(each.channel, each.sort): each for each in await self._kept.subscriptions(platform, workspace)}
            for each in wanted.values():
                await self._plan(each, now)
            for due in await self._kept.waiting(platform, workspace, now):
                await self._deliver(due, wanted.get((due.channel, due.sort)), now)

    async def _plan(self, wanted: Subscription, now: datetime) -> None:
        at = wanted.times.latest(now)
        if at < wanted.since or self._planned.get((wanted.channel, wanted.sort)) == at:
            return
        await self._kept.plan(Due(wanted.channel, wanted.sort, at))
        self._planned[wanted.channel, wanted.sort] = at

    async def _deliver(self, due: Due, wanted: Subscription | None, now: datetime) -> None:
        late = now - due.at
        if late < PATIENCE and self._outlet.is_behind(due.channel):
            return
        until = max(now + RESERVED, min(now + late / 4, due.at + LATEST[due.sort]))
        if not await self._kept.reserve(due, now, until):
            return
        if late > LATEST[due.sort]:
            await self._kept.settle(due, State.SKIPPED, why=TOO_LATE)
            _log.warning("a post was too late and is skipped", sort=due.sort, due=due.at.isoformat())
            return
        try:
            async with asyncio.timeout(TRY_SECONDS):
                await self._try(due, wanted, now)
        except Exception as error:
            # Whatever it is, it mustn't end the reading; and what nobody foresaw may have anything in its text.
            why = str(error) if isinstance(error, RoomtoneError) else f"It failed ({type(error).__name__})."
            await self._kept.settle(due, State.WAITING, why=why)
            _log.warning("a post waits", sort=due.sort, channel=due.channel.id, why=why)

    async def _try(self, due: Due, wanted: Subscription | None, now: datetime) -> None:
        made = await self._author.made(due, wanted, now)
        if made.answer is None:
            await self._kept.settle(due, State.SKIPPED, why=made.why, low=made.low)
            return
        others = wanted is not None and any(channel != due.channel for channel in wanted.channels)
        hindrance = await self._outlet.hindrance(due.channel, others=others)
        if hindrance is not None:
            raise PlatformError(hindrance)
        message = await self._outlet.post(due.channel, made.answer, key=due.key)
        await self._kept.settle(due, State.POSTED, message=message.id, why=made.why, low=made.low)
        _log.info("posted", sort=due.sort, channel=due.channel.id)


def _may_be_told(summary: ChannelSummary, target: Channel) -> bool:
    """May the numbers of a channel be told in `target`? A channel known by its id alone may well be private."""
    is_open = not summary.private and summary.name != summary.channel.id
    return summary.gone is None and (summary.channel == target or is_open)


def _skipped(wanted: Subscription, due: Due, posts: Sequence[Post]) -> list[datetime]:
    """When digests were due since the last one that was posted, and none came: oldest first, at most three."""
    settled = {post.due.at for post in posts if post.state is State.POSTED or post.why == TOO_LITTLE}
    since = max((at for at in settled if at < due.at), default=wanted.since - timedelta(seconds=1))
    return list(takewhile(lambda at: at < due.at, wanted.times.after(since)))[-3:]


def _with_footnote(answer: Answer, *more: str) -> Answer:
    return replace(answer, footnote=" ".join(filter(None, (answer.footnote, *more))))
