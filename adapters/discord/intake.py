"""One queue with one consumer between Discord's handlers and what keeps their events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import structlog

from adapters.discord.oddities import Oddities
from adapters.discord.rooms import Rooms
from bot.errors import RoomtoneError, StorageError
from bot.importing import Skipped
from bot.message import Channel, Event, Message
from bot.store import Cursors

BATCH = 256
"""Arrivals kept in one go."""

MOST_WAITING = 100_000
"""Arrivals held in memory while the database can't take them; past that, history has to bring them again."""

LONGEST_PAUSE = 30.0
"""Seconds between tries while the database can't write."""

LONGEST_WAY = 0.5
"""Seconds that a batch gives way to people who wait for an answer."""

_log = structlog.get_logger(__name__)


class Accept(Protocol):
    """Keeps events durably; `bot.ingest.Ingest.accept` does."""

    async def __call__(self, *events: Event) -> None:
        """Return only once they are kept. Raises StorageError."""
        ...


class Keep(Enum):
    """Which arrivals are kept."""

    IF_READ = 1
    UNLESS_UNREAD = 2
    """Also where nobody can tell whether the channel is read: that something is gone harms no one."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that a handler was told. `make` gives its event, told whether the channel is a thread."""

    workspace: str
    channel: int
    make: Callable[[bool], Event | Skipped] = field(repr=False)
    keep: Keep = Keep.IF_READ


@dataclass(frozen=True, slots=True)
class _CaughtUp:
    channel: Channel
    position: str
    gap: int


class Intake:
    """Keeps what arrives, in the order of its arrival, and knows how far each channel was read without a hole.

    Every handler of discord.py is a task of its own, so handlers only `put`. A channel's cursor moves with what
    arrives only while the channel is in step: since the last gap, its history has been read up to now.
    """

    def __init__(self, accept: Accept, cursors: Cursors, rooms: Rooms, oddities: Oddities) -> None:
        self._accept = accept
        self._cursors = cursors
        self._rooms = rooms
        self._oddities = oddities
        self._waiting: asyncio.Queue[Arrival | _CaughtUp] = asyncio.Queue()
        self._in_step: set[Channel] = set()
        self._reached: dict[Channel, str] = {}
        self._is_full = False
        """Was the latest arrival let go? Said once, however many follow it."""
        self._asked = 0
        self._nobody_asks = asyncio.Event()
        self._nobody_asks.set()
        self.gap = 0
        """Counts the gaps: moments after which history must be read, because events may have been missed."""
        self.gaps = asyncio.Event()
        """Set when there is a new one."""

    @property
    def waiting(self) -> int:
        """How many arrivals aren't kept yet."""
        return self._waiting.qsize()

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """An answer is being worked out in here: what arrives is read and kept a little later.

        Not only is the flood longer than the answer: a loop that never rests keeps the database's threads from it.
        """
        self._asked += 1
        self._nobody_asks.clear()
        try:
            yield
        finally:
            self._asked -= 1
            if not self._asked:
                self._nobody_asks.set()

    async def way(self, longest: float) -> None:
        """Wait until no answer is being worked out, `longest` seconds at most."""
        if self._asked:
            with suppress(TimeoutError):
                async with asyncio.timeout(longest):
                    await self._nobody_asks.wait()

    def put(self, arrival: Arrival) -> None:
        """Take an arrival over; returns at once."""
        if self._waiting.qsize() >= MOST_WAITING:
            if not self._is_full:
                _log.warning("more arrives than can be kept; history will be read again", waiting=self._waiting.qsize())
            self._is_full = True
            self.missed()
            return
        self._is_full = False
        self._waiting.put_nowait(arrival)

    def put_seen(self, workspace: str, channel: int) -> None:
        """A channel's name or place changed; told only if it is read."""
        self.put(Arrival(workspace, channel, lambda _: Skipped("seen")))

    def missed(self) -> None:
        """Events may have been missed: no cursor moves until its channel's history was read."""
        self.gap += 1
        self._in_step.clear()
        self._reached.clear()
        self.gaps.set()

    def caught_up(self, channel: Channel, position: str, *, gap: int) -> None:
        """A channel's history was read up to `position`, begun after the gap of that number."""
        self._waiting.put_nowait(_CaughtUp(channel, position, gap))

    def leave(self, channel: Channel) -> None:
        """A channel is read no longer."""
        self._in_step.discard(channel)
        self._reached.pop(channel, None)

    def is_in_step(self, channel: Channel) -> bool:
        """Was everything up to now kept?"""
        return channel in self._in_step

    async def run(self) -> None:
        """Keep whatever arrives, until cancelled."""
        while True:
            await self._keep([await self._waiting.get()])

    async def drain(self) -> None:
        """Keep everything that waits now."""
        while not self._waiting.empty():
            await self._keep([self._waiting.get_nowait()])

    async def settled(self) -> None:
        """Wait until everything that arrived so far is kept; somebody must `run`."""
        await self._waiting.join()

    async def _keep(self, taken: list[Arrival | _CaughtUp]) -> None:
        try:
            await self.way(LONGEST_WAY)
            while len(taken) < BATCH and not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            gap = self.gap
            events: list[Event] = []
            for arrival in taken:
                if isinstance(arrival, Arrival):
                    events += await self._events(arrival)
            if events:
                await self._patiently(lambda: self._accept(*events))
            positions = self._moved(events, [item for item in taken if isinstance(item, _CaughtUp)], gap)
            if positions:
                await self._patiently(lambda: self._cursors.advance(positions))
        finally:
            for _ in taken:
                self._waiting.task_done()

    async def _events(self, arrival: Arrival) -> Sequence[Event]:
        try:
            found = await self._rooms.located(arrival.workspace, arrival.channel)
        except RoomtoneError as error:
            _log.warning("what arrived can't be placed; history will be read", channel=arrival.channel, why=str(error))
            self.missed()
            return ()
        if found is None:
            event = arrival.make(False) if arrival.keep is Keep.UNLESS_UNREAD else Skipped("unknown channel")
        elif not found.is_read:
            event = Skipped("not read")
        else:
            event = arrival.make(found.thread)
            since = self._rooms.since(arrival.workspace, arrival.channel)
            if isinstance(event, Message) and since is not None and int(event.id.id) < since:
                # It waited here while the channel was started, or is an old one that was edited.
                event = Skipped("said before the channel was read")
            if isinstance(event, Message | Skipped):
                await self._oddities.meet(arrival.workspace, arrival.channel, event)
        is_read = found is not None and found.is_read
        seen = self._rooms.introduction(arrival.channel) if is_read else None
        if isinstance(event, Skipped):
            _log.debug("skipped", why=event.reason)
            return () if seen is None else (seen,)
        return (event,) if seen is None else (seen, event)

    def _moved(self, events: Sequence[Event], caught: Sequence[_CaughtUp], gap: int) -> Mapping[Channel, str]:
        for event in events:
            if isinstance(event, Message) and _is_later(event.id.id, self._reached.get(event.id.channel)):
                self._reached[event.id.channel] = event.id.id
        if gap != self.gap:
            # The gap may lie before these: history must fill it first.
            self._reached.clear()
            return {}
        touched = {event.id.channel for event in events if isinstance(event, Message)} & self._in_step
        for end in caught:
            if end.gap == self.gap:
                self._in_step.add(end.channel)
                touched.add(end.channel)
                if _is_later(end.position, self._reached.get(end.channel)):
                    self._reached[end.channel] = end.position
        return {channel: self._reached[channel] for channel in touched if channel in self._reached}

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        pause = 1.0
        while True:
            try:
                await act()
            except StorageError as error:
                _log.warning("what arrives waits", why=str(error), next_try_in_s=pause)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            return


def _is_later(position: str, than: str | None) -> bool:
    return than is None or int(position) > int(than)
