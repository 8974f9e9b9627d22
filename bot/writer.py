"""What is posted unasked, in words: the digest of a week, the alert of a day, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TypeAlias
from zoneinfo import ZoneInfo

from bot import when
from bot.alerts import CHARTED, alert, has_come_back, has_dropped, window_before
from bot.answer import Answer
from bot.days import Unit
from bot.digest import Digests
from bot.errors import PlatformError
from bot.message import Channel, Gone, Window
from bot.question import Place
from bot.schedule import Due, Post, Sort, State, Subscription
from bot.store import ChannelSummary, Inbox, Subscriptions
from bot.trends import Trends
from bot.wording import counted, date_of, listed

LATEST = {Sort.DIGEST: timedelta(days=2), Sort.ALERT: timedelta(hours=12)}
"""How late a post may be; later it is skipped."""

A_DAY = timedelta(hours=23)
"""The shortest there is."""

PROMPTLY = timedelta(seconds=10)
"""Longer than a message waits to be read while Roomtone keeps up."""

TOO_LATE = "Roomtone wasn't running or couldn't post"
TOO_LITTLE = "too little was said"
STILL_LOW = "the mood is still low"
CAME_BACK = "the mood came back"

GONE = {
    Gone.LEFT: "I'm no longer in that channel: invite me back.",
    Gone.ARCHIVED: "That channel is archived: nothing can be posted there.",
    Gone.DELETED: "That channel is deleted.",
}


Channels: TypeAlias = Mapping[Channel, ChannelSummary]


@dataclass(frozen=True, slots=True)
class Made:
    """A post as it would be made: what it says, or `why` nothing is posted. `low` goes into its subscription."""

    answer: Answer | None
    why: str | None = None
    low: bool | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A subscription's next post, or one that was sent by hand: `made` as it would be now, or why nothing can be.

    It is due, or (`is_due` False) going to be at `due.at`, and then of a week or day that isn't over. `wanted` is None
    in a channel without a subscription.
    """

    wanted: Subscription | None
    due: Due
    is_due: bool
    made: Made

    @property
    def times(self) -> str:
        """When it comes, as a sentence's end."""
        if self.wanted is None or _is_by_hand(self.due, self.wanted):
            return "sent by hand"
        return self.wanted.times.words()

    @property
    def about(self) -> tuple[Channel, ...]:
        """The channels that it is about."""
        return _about(self.due, self.wanted)


class Writer:
    """Writes what is due. Raises StorageError; PlatformError for a channel where nothing can be posted."""

    def __init__(self, kept: Subscriptions, trends: Trends, inbox: Inbox, *, zone: ZoneInfo) -> None:
        self._kept = kept
        self._inbox = inbox
        self._trends = trends
        self._digests = Digests(trends)
        self._zone = zone

    async def is_behind(self, now: datetime) -> bool:
        """Does what was said wait to be read, for longer than reading takes?"""
        oldest = (await self._inbox.count()).oldest
        return oldest is not None and now - oldest > PROMPTLY

    async def channels(self) -> Channels:
        """Every channel ever seen."""
        return {summary.channel: summary for summary in await self._trends.channels()}

    async def made(self, due: Due, wanted: Subscription | None, now: datetime, known: Channels) -> Made:
        """What is to be posted for `due`; without a subscription (it was sent by hand), a digest of its channel.

        `known` are the channels as they are now.
        """
        match due.sort:
            case Sort.DIGEST:
                return await self._digest(due, wanted, now, known)
            case Sort.ALERT:
                return await self._alert(due, wanted, now, known)

    async def planned(self, now: datetime) -> Sequence[Planned]:
        """What is posted next for every subscription, and what else waits; nothing is changed. Raises StorageError."""
        wanted = {(each.channel, each.sort): each for each in await self._kept.subscriptions()}
        # A digest that was sent by hand needs no subscription.
        known = await self.channels()
        others = [(channel, Sort.DIGEST) for channel in known]
        return [
            await self._planned(due, wanted.get(name), now, known)
            for name in dict.fromkeys((*wanted, *others))
            for due in await self._next(*name, wanted.get(name), now)
        ]

    async def _next(self, channel: Channel, sort: Sort, wanted: Subscription | None, now: datetime) -> Sequence[Due]:
        posts = await self._kept.posts(channel, sort, limit=20)
        dues = {post.due for post in posts if post.state is State.WAITING and now - post.due.at <= LATEST[sort]}
        if wanted is not None:
            latest = wanted.times.latest(now)
            over = any(post.due.at == latest and post.state is not State.WAITING for post in posts)
            is_due = not over and wanted.since <= latest and now - latest <= LATEST[sort]
            dues.add(Due(channel, sort, latest if is_due else next(wanted.times.after(now))))
        return sorted(dues, key=lambda due: due.at)

    async def _planned(self, due: Due, wanted: Subscription | None, now: datetime, known: Channels) -> Planned:
        try:
            made = await self.made(due, wanted, now, known)
        except PlatformError as error:
            made = Made(None, str(error))
        return Planned(wanted, due, due.at <= now, made)

    async def preview(self, place: Place, wanted: Subscription | None, zone: ZoneInfo, now: datetime) -> Answer:
        """The digest as it would be posted now, of the last whole week. Raises StorageError, PlatformError."""
        if wanted is None or wanted.channels == (place.channel,):
            return await self._of([place], now, zone, now)
        places, missing = _places(place.channel, wanted.channels, await self.channels())
        return _with_footnote(await self._of(places, now, zone, now), *missing)

    async def _of(self, places: Sequence[Place], at: datetime, zone: ZoneInfo, now: datetime) -> Answer:
        return await self._digests.of(places, when.read("last week", now=at, zone=zone), zone, now)

    async def _digest(self, due: Due, wanted: Subscription | None, now: datetime, known: Channels) -> Made:
        zone = ZoneInfo(wanted.times.zone) if wanted is not None else self._zone
        channels = _about(due, wanted)
        places, missing = _places(due.channel, channels, known)
        answer = await self._of(places, due.at, zone, now)
        posts = await self._kept.posts(due.channel, Sort.DIGEST, limit=20)
        if not answer.ok:
            before = next((post for post in posts if post.due.at < due.at), None)
            if before is not None and before.why == TOO_LITTLE and not _is_by_hand(due, wanted):
                return Made(None, TOO_LITTLE)  # said last week: silence is enough now
            return Made(_with_footnote(answer, *missing), TOO_LITTLE)
        skipped = [] if wanted is None else _skipped(wanted, due, posts)
        if skipped:
            digests = "digest" if len(skipped) == 1 else "digests"
            missing.append(
                f"Not posted: the {digests} due {listed([date_of(at, zone) for at in skipped])}; {TOO_LATE}."
            )
        return Made(_with_footnote(answer, *missing))

    async def _alert(self, due: Due, wanted: Subscription | None, now: datetime, known: Channels) -> Made:
        if wanted is None:
            return Made(None, "alerts are off")
        posts = await self._kept.posts(due.channel, Sort.ALERT)
        if any(post.state is State.POSTED and due.at - post.due.at < A_DAY for post in posts):
            return Made(None, "an alert was raised within the last day")  # its time was changed since
        (place,), _ = _places(due.channel, (due.channel,), known)
        zone = ZoneInfo(wanted.times.zone)
        reading = await self._trends.mood([place.channel], window_before(due.at), zone, now)
        if wanted.is_low:
            back = has_come_back(reading)
            return Made(None, CAME_BACK if back else STILL_LOW, low=not back)
        if not has_dropped(reading):
            return Made(None, "no sharp drop")
        drivers = await self._trends.drivers([place.channel], reading)
        shown = Window(reading.window.end - CHARTED, reading.window.end)
        before = await self._trends.mood([place.channel], shown, zone, now, step=Unit.DAY)
        return Made(alert(place, reading, before, drivers, zone), low=True)


def was_low(alerts: Sequence[Post]) -> bool:
    """Had the mood not come back since the last alert, when it was last looked at? `alerts` are newest first."""
    known = (post for post in alerts if post.state is State.POSTED or post.why in (STILL_LOW, CAME_BACK))
    last = next(known, None)
    return last is not None and last.why != CAME_BACK


def _about(due: Due, wanted: Subscription | None) -> tuple[Channel, ...]:
    return (wanted.channels if wanted is not None else ()) or (due.channel,)


def _places(target: Channel, channels: Sequence[Channel], known: Channels) -> tuple[list[Place], list[str]]:
    """The channels as they are called now, and in words those that can't be told of in `target`.

    Raises PlatformError where nothing can be told at all.
    """
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


def _may_be_told(summary: ChannelSummary, target: Channel) -> bool:
    """May the numbers of a channel be told in `target`? A channel known by its id alone may well be private."""
    is_open = not summary.private and summary.name != summary.channel.id
    return summary.gone is None and (summary.channel == target or is_open)


def _is_by_hand(due: Due, wanted: Subscription | None) -> bool:
    """Was it sent by hand, rather than due at the times that are wanted?"""
    return wanted is None or wanted.times.latest(due.at) != due.at


def _skipped(wanted: Subscription, due: Due, posts: Sequence[Post]) -> list[datetime]:
    """When digests were due since the last one that was posted, and none came: oldest first, at most three.

    What was due before somebody wanted it, at these times, isn't missed.
    """
    settled = {post.due.at for post in posts if post.state is State.POSTED or post.why == TOO_LITTLE}
    since = max((wanted.since - timedelta(seconds=1), *(at for at in settled if at < due.at)))
    return list(takewhile(lambda at: at < due.at, wanted.times.after(since)))[-3:]


def _with_footnote(answer: Answer, *more: str) -> Answer:
    return replace(answer, footnote=" ".join(filter(None, (answer.footnote, *more))))
