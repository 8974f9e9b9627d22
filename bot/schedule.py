"""When what is posted unasked is due: by the clocks of a real time zone, through every change of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from cronsim import CronSim

from bot.days import WEEKDAYS
from bot.message import Channel

LOOK_BACK = timedelta(days=9)
"""Longer than any week, also one that a change of clocks or a day that a zone skips has stretched."""


class Sort(StrEnum):
    """What is posted unasked."""

    DIGEST = "digest"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Times:
    """A time of day in a zone, every day or (`weekday`, 0 is Monday) once a week.

    A time that the clocks leave out is the next one that they show, also where a whole day is left out; of one that
    they show twice it is the first. Raises ValueError for what no clock or calendar shows.
    """

    weekday: int | None
    hour: int
    minute: int
    zone: str

    def __post_init__(self) -> None:
        if not (0 <= self.hour < 24 and 0 <= self.minute < 60 and (self.weekday is None or 0 <= self.weekday < 7)):
            raise ValueError("no clock or calendar shows that")

    def words(self) -> str:
        """As a sentence's end: 'on Mondays at 09:00 (Europe/Berlin)'."""
        days = "every day" if self.weekday is None else f"on {WEEKDAYS[self.weekday]}s"
        return f"{days} at {self.hour:02}:{self.minute:02} ({self.zone})"

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The due times later than `moment`, in UTC, without end."""
        weekday = "*" if self.weekday is None else (self.weekday + 1) % 7  # cron's Sunday is 0
        for local in CronSim(f"{self.minute} {self.hour} * * {weekday}", moment.astimezone(ZoneInfo(self.zone))):
            yield local.astimezone(UTC)

    def latest(self, now: datetime) -> datetime:
        """The latest due time, in UTC, at or before `now`."""
        latest = now - LOOK_BACK
        for due in self.after(latest):
            if due > now:
                break
            latest = due
        return latest


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a channel wants posted, and when; one of each sort.

    A digest is of `channels`, an alert of the channel itself. Nothing is due that was due before `since`. `is_low`:
    an alert was raised, and the mood hasn't come back yet.
    """

    channel: Channel
    sort: Sort
    times: Times
    since: datetime
    channels: tuple[Channel, ...] = ()
    is_low: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """One post: where, what, and when it was due (UTC, whole milliseconds). There is never a second one of it."""

    channel: Channel
    sort: Sort
    at: datetime

    @property
    def key(self) -> str:
        """The same for everybody who may try to post it."""
        return f"{self.sort} {self.channel.id} {self.at:%Y-%m-%dT%H:%M:%S}"


class State(StrEnum):
    """How far a post is."""

    WAITING = "waiting"
    """Nobody knows of it in its channel; whoever reserves it may post it."""
    POSTED = "posted"
    SKIPPED = "skipped"
    """It is never going to be posted."""


@dataclass(frozen=True, slots=True)
class Post:
    """A post that was due and what became of it. `message` is the platform's id of it; `why` it wasn't posted."""

    due: Due
    state: State
    message: str | None = None
    why: str | None = None
