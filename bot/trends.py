"""Windows, moods and entities: asks Readings, applies estimates and privacy."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from math import ceil
from zoneinfo import ZoneInfo

import numpy as np

from bot import estimates
from bot.analysis import Kind
from bot.days import Unit, local_day, midnight
from bot.estimates import Burst, Change, Integers, Mood, Said, Share, TooFew, Voice, Voices
from bot.message import Channel, Window
from bot.privacy import MINIMUM_AUTHORS, MINIMUM_MESSAGES
from bot.steps import LONGER, aligned, cut, end_of, shifted, step_for, step_for_names
from bot.store import AuthorTally, ChannelSummary, EntityTally, LeftOut, ReactionTally, Readings, ThreadTally
from bot.tallies import Tallies

EARLIER = 8
"""Windows that make the usual of one that is a week long or shorter."""

EARLIER_LONG = 4
"""Windows that make the usual of a longer one."""

LONGEST_WITH_USUAL = timedelta(days=35, hours=1)
"""A longer window is looked at by itself: its usual would reach back years."""

LONG = timedelta(days=366)
"""A window longer than this begins no earlier than what there is to read."""

LEAST_EARLIER = 4
"""Fewer usable windows than this before it, and a window has no usual."""

ENTITIES = 10
"""Entities in a list."""

CANDIDATES = 40
"""Entities looked at for a list; those named by too few people are left out of it."""

EVERY = 10_000
"""More entities than any window has that are named by enough people."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time and its mood. `complete` is False while it isn't over; `model` read it."""

    window: Window
    mood: Mood | TooFew
    complete: bool
    model: str | None


@dataclass(frozen=True, slots=True)
class Shares:
    """How much was negative, neutral and positive; each author weighs the same."""

    negative: Share
    neutral: Share
    positive: Share


@dataclass(frozen=True, slots=True)
class Usual:
    """How a window differs from those before it: the mood, and the parts that are negative and positive.

    The latter two are in percentage points. `pieces` are the windows before it that could be used, oldest first.
    """

    mood: Change
    negative: Change
    positive: Change
    pieces: tuple[Piece, ...]

    @property
    def may_be_claimed(self) -> bool:
        """May this change be told, being the only one that is looked at?"""
        return all(estimates.discoveries([self.mood.p_value])) and self.mood.is_clear


@dataclass(frozen=True)
class Reading:
    """What is known of some messages in a window.

    `window` ends now if it isn't over yet (`complete` is then False). `model` read most of its messages, and `others`
    counts messages that other models read: they are in no number here. `usual` is None where too few of the windows
    before it can be used. What not every answer tells is worked out when it is looked at.
    """

    window: Window
    complete: bool
    mood: Mood | TooFew
    usual: Usual | None
    step: Unit
    model: str | None
    others: Mapping[str, int]
    left_out: LeftOut | None
    _plan: _Plan = field(repr=False)
    _tape: _Tape = field(repr=False)

    @cached_property
    def shares(self) -> Shares | None:
        """How much was negative, neutral and positive; None if it is too little to tell."""
        return _shares(self._tape, self.window, self.model) if isinstance(self.mood, Mood) else None

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The window's steps, oldest first."""
        return _pieces(self._plan, self._tape)

    @cached_property
    def earlier(self) -> tuple[Piece, ...]:
        """The windows before it that a usual is made of, all of them, oldest first."""
        return tuple(_piece(self._tape, window, None, complete=True) for window in self._plan.earlier)

    @property
    def usual_read_otherwise(self) -> bool:
        """Is there no usual only because another model read windows before it, in which enough was said?"""
        if self.usual is not None or isinstance(self.mood, TooFew):
            return False
        full = [
            piece.model
            for piece in self.earlier
            if isinstance(piece.mood, Mood) and piece.mood.messages >= MINIMUM_MESSAGES
        ]
        return len(full) >= LEAST_EARLIER and any(model != self.model for model in full)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two readings and what changes from `second` to `first`; None where that can't be said, for `why`."""

    first: Reading
    second: Reading
    change: Change | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class EntityReading:
    """An entity that enough people named, the mood of the messages that name it, and how that differs from the usual.

    `mood` is None for a person: how a team speaks of one of its people is a score for an individual, and nobody gets
    one. `change` is None where there is no usual.
    """

    tally: EntityTally
    mood: Mood | TooFew | None = None
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A weekday (0 is Monday), several weeks taken together, and how it differs from the others; None if unknown."""

    weekday: int
    mood: Mood | TooFew
    against: Change | None
    stands_out: bool = False


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the week. `mood` is in score points, drawn towards the others the less there is; None: too few."""

    weekday: int
    hour: int
    mood: float | None
    messages: int
    people: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """How the days and hours of a week differ in what `reading` was made of."""

    reading: Reading
    days: tuple[Day, ...]
    hours: tuple[Hour, ...]


@dataclass(frozen=True, slots=True)
class Driver:
    """How many points of a window's change come from messages that name an entity."""

    tally: EntityTally
    contribution: Change


@dataclass(frozen=True, slots=True)
class News:
    """What came, what went and what was suddenly everywhere, each named by enough people."""

    new: tuple[EntityTally, ...]
    gone: tuple[EntityTally, ...]
    bursts: tuple[tuple[EntityTally, Burst], ...]


class Trends:
    """Every number that Roomtone tells, made in one place, so that all answers agree."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    async def channels(self) -> Sequence[ChannelSummary]:
        """Every channel ever seen."""
        return await self._readings.channels()

    async def mood(
        self, channels: Sequence[Channel], window: Window, zone: ZoneInfo, now: datetime, *, step: Unit | None = None
    ) -> Reading:
        """The mood of a window, its steps, and how it differs from the usual. Raises StorageError."""
        return await self._mood(channels, window, zone, now, step, {})

    async def _mood(
        self, channels: Sequence[Channel], window: Window, zone: ZoneInfo, now: datetime, step: Unit | None,
        numbers: _Numbers,
    ) -> Reading:  # fmt: skip
        plan = _Plan.of(await self._begun(channels, window, zone), zone, now, step)
        tallies = await self._readings.tallies(channels, plan.edges)
        left_out = await self._readings.left_out(channels, plan.window)
        return _reading(plan, tallies, left_out, numbers=numbers)

    async def entity(
        self, channels: Sequence[Channel], key: str, window: Window, zone: ZoneInfo, now: datetime, *,
        model: str | None = None,
    ) -> Reading:  # fmt: skip
        """As `mood`, for the messages that name an entity, as `model` or else most of it was read.

        Raises StorageError.
        """
        begun = await self._begun(channels, window, zone)
        plan = _Plan.of(begun, zone, now, step_for_names(begun))
        tallies = await self._readings.entity(channels, key, plan.edges)
        return _reading(plan, tallies, None, model=model)

    async def _begun(self, channels: Sequence[Channel], window: Window, zone: ZoneInfo) -> Window:
        """A long window without the years before its channels' first message, from that message's day on."""
        if window.end - window.start <= LONG:
            return window
        firsts = [each.first for each in await self._readings.channels() if each.channel in channels and each.first]
        start = midnight(local_day(min(firsts), zone), zone) if firsts else window.start
        return Window(start, window.end) if window.start < start < window.end else window

    async def compare(
        self,
        first: tuple[Sequence[Channel], Window],
        second: tuple[Sequence[Channel], Window],
        zone: ZoneInfo,
        now: datetime,
    ) -> Comparison:
        """Two windows, or two places, held against each other. Raises StorageError."""
        numbers: _Numbers = {}
        a, b = [await self._mood(*side, zone, now, None, numbers) for side in (first, second)]
        if isinstance(a.mood, TooFew) or isinstance(b.mood, TooFew):
            return Comparison(a, b, None, "too few")
        if a.model != b.model:
            return Comparison(a, b, None, "models")
        change = estimates.difference(a._tape.voices(a.window, a.model), b._tape.voices(b.window, b.model))
        return Comparison(a, b, change)

    async def entities(
        self, channels: Sequence[Channel], window: Window, zone: ZoneInfo, now: datetime, *,
        kind: Kind | None = None, limit: int = ENTITIES, model: str | None = None,
    ) -> tuple[EntityReading, ...]:  # fmt: skip
        """The entities that most people named, and how they were spoken of; those of too few people are left out.

        Names are counted whoever read them; moods are those of what `model` read (None: for each what most of it was
        read by), so that one list has one scale.
        """
        begun = await self._begun(channels, window, zone)
        plan = _Plan.of(begun, zone, now, step_for_names(begun))
        tallies = await self._readings.entities(channels, plan.window, limit=CANDIDATES, kind=kind)
        shown = [tally for tally in tallies if tally.people >= MINIMUM_AUTHORS][:limit]
        scored = [tally.key for tally in shown if tally.kind is not Kind.PERSON]
        named = await self._readings.each_entity(channels, scored, plan.edges)
        spoken = {key: _spoken(plan, each, model) for key, each in zip(scored, named, strict=True)}
        return tuple(EntityReading(tally, *spoken.get(tally.key, ())) for tally in shown)

    async def over_time(
        self, channels: Sequence[Channel], entities: Sequence[EntityReading], window: Window, zone: ZoneInfo,
        now: datetime,
    ) -> tuple[Unit, tuple[tuple[str, tuple[Piece, ...]], ...]]:  # fmt: skip
        """The moods of entities in steps so long that a name has a chance of enough people; nobody's own."""
        begun = await self._begun(channels, window, zone)
        plan = _Plan.of(begun, zone, now, LONGER[step_for(begun)])
        edges = (*(piece.start for piece in plan.pieces), plan.pieces[-1].end)
        scored = [entity.tally for entity in entities if entity.mood is not None]
        named = await self._readings.each_entity(channels, [tally.key for tally in scored], edges)
        return plan.step, tuple(
            (tally.name, _pieces(plan, _Tape.of(plan.pieces, each))) for tally, each in zip(scored, named, strict=True)
        )

    async def pattern(self, channels: Sequence[Channel], window: Window, zone: ZoneInfo, now: datetime) -> Pattern:
        """How weekdays and hours differ. Raises StorageError.

        A weekday is held against the other days person by person, false discoveries controlled over all seven.
        """
        reading = await self.mood(channels, window, zone, now)
        pieces = cut(reading.window, Unit.HOUR, zone)
        edges = (*(piece.start for piece in pieces), pieces[-1].end)
        voices: dict[tuple[int, int], list[Voice]] = defaultdict(list)
        for piece, tallies in zip(pieces, await self._readings.tallies(channels, edges), strict=True):
            local = piece.start.astimezone(zone)
            voices[local.weekday(), local.hour] += [
                Voice(tally.author, local.toordinal(), tally.messages, tally.score)
                for tally in tallies
                if tally.model == reading.model
            ]
        days = await asyncio.to_thread(_days, voices)  # a year of a busy channel takes a while to add up
        return Pattern(reading, days, await asyncio.to_thread(_hours, voices))

    async def person(self, channels: Sequence[Channel], key: str, window: Window) -> EntityTally | None:
        """The entity `key` if it is mostly read as a person, who is counted but never scored; else None."""
        named = await self._readings.entity_named(channels, key)
        if named is None or named[1] is not Kind.PERSON:
            return None
        tallies = await self._readings.entities(channels, window, limit=EVERY, kind=Kind.PERSON)
        return next((tally for tally in tallies if tally.key == key), None)

    async def drivers(
        self, channels: Sequence[Channel], reading: Reading, *, limit: int = ENTITIES
    ) -> tuple[Driver, ...]:
        """The entities whose messages carried the change from the usual, most first; none where there is no usual.

        Only contributions in the direction of the change that stand out from chance, false discoveries controlled.
        """
        if reading.usual is None:
            return ()
        tape, model = reading._tape, reading.model
        windows = [reading.window, *(piece.window for piece in reading.usual.pieces)]
        every = [tape.voices(window, model) for window in windows]
        tallies = await self._readings.entities(channels, reading.window, limit=CANDIDATES)
        candidates = [t for t in tallies if t.people >= MINIMUM_AUTHORS and t.kind is not Kind.PERSON][:limit]
        said = await self._readings.each_entity(channels, [tally.key for tally in candidates], tape.edges)
        found: list[Driver] = []
        for tally, each in zip(candidates, said, strict=True):
            named = _Tape.of(tape.pieces, each, tape.numbers)
            pairs = [(voices, named.voices(window, model)) for voices, window in zip(every, windows, strict=True)]
            found.append(Driver(tally, estimates.contribution(pairs[0], pairs[1:])))
        real = estimates.discoveries([driver.contribution.p_value for driver in found])
        direction = reading.usual.mood.estimate
        kept = [
            d for d, is_real in zip(found, real, strict=True) if is_real and d.contribution.estimate * direction > 0
        ]
        return tuple(sorted(kept, key=lambda driver: -abs(driver.contribution.estimate)))

    async def news(self, channels: Sequence[Channel], reading: Reading, *, limit: int = ENTITIES) -> News:
        """Entities that are new, gone or suddenly named by many, against the windows before."""
        if not reading.earlier:
            return News((), (), ())
        before = Window(min(piece.window.start for piece in reading.earlier), reading.window.start)
        now = await self._readings.entities(channels, reading.window, limit=CANDIDATES)
        then = await self._readings.entities(channels, before, limit=CANDIDATES)
        shown = [tally for tally in now if tally.people >= MINIMUM_AUTHORS]
        family = len({tally.key for tally in (*now, *then)})
        tape = reading._tape
        new: list[EntityTally] = []
        bursts: list[tuple[EntityTally, Burst]] = []
        windows = [piece.window for piece in reading.earlier]
        edges = tuple(sorted({edge for each in (*windows, reading.window) for edge in (each.start, each.end)}))
        stretches = tuple(Window(start, end) for start, end in pairwise(edges))
        active = [tape.people(window) for window in windows]
        for tally, said in zip(
            shown, await self._readings.each_entity(channels, [tally.key for tally in shown], edges), strict=True
        ):
            counts = [_Tape.of(stretches, said).people(window) for window in windows]
            if not any(counts) and sum(1 for each in active if each >= MINIMUM_AUTHORS) >= LEAST_EARLIER:
                new.append(tally)
            elif len(counts) >= LEAST_EARLIER:
                here = tape.people(reading.window)
                seen = estimates.burst(tally.people, counts, active=here, usual_active=active)
                if seen.p_value * family <= estimates.FALSE_BURSTS:
                    bursts.append((tally, seen))
        keys = {tally.key for tally in now}
        gone: list[EntityTally] = []
        # Missed only if this list is whole: an entity below a cut list may still be named.
        missed = [tally for tally in then if tally.key not in keys] if len(now) < CANDIDATES else []
        missed = [t for t in missed if t.people >= 2 * MINIMUM_AUTHORS and len(windows) >= LEAST_EARLIER]
        for tally, said in zip(
            missed, await self._readings.each_entity(channels, [tally.key for tally in missed], edges), strict=True
        ):
            counts = [_Tape.of(stretches, said).people(window) for window in windows]
            chance = estimates.absence(counts, active=tape.people(reading.window), usual_active=active)
            if chance * family <= estimates.FALSE_ABSENCES:
                gone.append(tally)
        return News(tuple(new[:limit]), tuple(gone[:limit]), tuple(bursts[:limit]))

    async def threads(
        self, channels: Sequence[Channel], reading: Reading, *, claimed: bool, limit: int = 3
    ) -> tuple[ThreadTally, ...]:
        """The threads that mattered, of those that enough people wrote in.

        Where a change is `claimed`, those that pulled that way most, by people times distance from the usual mood;
        else the longest.
        """
        found = await self._readings.threads(channels, reading.window, limit=CANDIDATES)
        shown = [thread for thread in found if thread.people >= MINIMUM_AUTHORS]
        if claimed and reading.usual is not None and not reading.others:  # or a thread's score mixes two scales
            moods = [piece.mood.estimate for piece in reading.usual.pieces if isinstance(piece.mood, Mood)]
            usual, way = sum(moods) / max(1, len(moods)), 1 if reading.usual.mood.estimate > 0 else -1

            def pull(thread: ThreadTally) -> float:
                return way * thread.people * (estimates.POINTS * thread.score / thread.messages - usual)

            shown = sorted((thread for thread in shown if pull(thread) > 0), key=pull, reverse=True)
        return tuple(shown[:limit])

    async def reactions(
        self, channels: Sequence[Channel], window: Window, *, limit: int = 5
    ) -> tuple[ReactionTally, ...]:
        """The reactions given most, each by enough people."""
        found = await self._readings.reactions(channels, aligned(window))
        return tuple([reaction for reaction in found if reaction.people >= MINIMUM_AUTHORS][:limit])

    async def name(self, channels: Sequence[Channel], key: str) -> str | None:
        """The name of the entity `key` as most often written there; None if it isn't named there."""
        named = await self._readings.entity_named(channels, key)
        return None if named is None else named[0]

    async def names(self, channels: Sequence[Channel]) -> Mapping[str, str]:
        """Every entity's key and name; for matching what somebody asks about, not for showing."""
        return await self._readings.entity_names(channels)

    async def may_be_named(self, channels: Sequence[Channel], key: str) -> bool:
        """Have enough people named this entity, ever, for its name to be suggested to somebody?"""
        summaries = await self._readings.channels()
        times = [(s.first, s.last) for s in summaries if s.channel in channels and s.first and s.last]
        if not times:
            return False
        whole = aligned(Window(min(a for a, _ in times), max(b for _, b in times) + timedelta(minutes=1)))
        (tallies,) = await self._readings.entity(channels, key, (whole.start, whole.end))
        return len({tally.author for tally in tallies}) >= MINIMUM_AUTHORS


_Slots = Mapping[tuple[int, int], Sequence[Voice]]
"""What was said at each hour of the week: (weekday, hour) → voices, whose steps are days."""


def _days(voices: _Slots) -> tuple[Day, ...]:
    days: list[Day] = []
    for weekday in range(7):
        here = [voice for (day, _), said in voices.items() if day == weekday for voice in said]
        rest = [voice for (day, _), said in voices.items() if day != weekday for voice in said]
        mood = _least(here)
        known = isinstance(mood, Mood) and isinstance(_least(rest), Mood)
        days.append(Day(weekday, mood, estimates.difference(here, rest) if known else None))
    tested = [day for day in days if day.against is not None]
    real = estimates.discoveries([day.against.p_value for day in tested if day.against is not None])
    found = {day.weekday for day, is_real in zip(tested, real, strict=True) if is_real}
    return tuple(
        replace(day, stands_out=day.weekday in found and day.against is not None and day.against.is_clear)
        for day in days
    )


def _hours(voices: _Slots) -> tuple[Hour, ...]:
    slots = [(weekday, hour) for weekday in range(7) for hour in range(24)]
    moods = [estimates.mood(voices.get(slot, ()), least_people=MINIMUM_AUTHORS) for slot in slots]
    drawn = iter(estimates.shrunken([mood for mood in moods if isinstance(mood, Mood)]))
    return tuple(
        Hour(*slot, next(drawn) if isinstance(mood, Mood) else None, mood.messages, mood.people)
        for slot, mood in zip(slots, moods, strict=True)
    )


def _least(voices: Said) -> Mood | TooFew:
    return estimates.mood(voices, least_messages=MINIMUM_MESSAGES, least_people=MINIMUM_AUTHORS)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which stretches of time are needed to read a window."""

    window: Window
    complete: bool
    step: Unit
    zone: ZoneInfo
    now: datetime
    pieces: tuple[Window, ...]
    earlier: tuple[Window, ...]
    earlier_pieces: tuple[Window, ...]

    @classmethod
    def of(cls, window: Window, zone: ZoneInfo, now: datetime, step: Unit | None) -> _Plan:
        asked = aligned(window)
        step = step or step_for(asked)
        complete = asked.end <= now
        seen = asked if complete or asked.start >= now else aligned(Window(asked.start, now))
        earlier = _earlier(asked, seen, zone)
        return cls(
            window=seen,
            complete=complete,
            step=step,
            zone=zone,
            now=now,
            pieces=cut(seen, step, zone),
            earlier=earlier,
            earlier_pieces=tuple(piece for window in earlier for piece in cut(window, step, zone)),
        )

    @property
    def edges(self) -> tuple[datetime, ...]:
        pieces = (*self.pieces, *self.earlier_pieces)
        return tuple(sorted({edge for piece in pieces for edge in (piece.start, piece.end)}))


def _earlier(asked: Window, seen: Window, zone: ZoneInfo) -> tuple[Window, ...]:
    """The same weekdays and clock times in the weeks before, oldest first; of an unfinished window, as much of it."""
    length = asked.end - asked.start
    if length > LONGEST_WITH_USUAL:
        return ()
    weeks = max(1, ceil((length - timedelta(hours=1)) / timedelta(weeks=1)))
    number = EARLIER if weeks == 1 else EARLIER_LONG
    try:
        return tuple(shifted(seen, -7 * weeks * back, zone) for back in range(number, 0, -1))
    except (ValueError, OverflowError):  # the calendar's own beginning
        return ()


_Numbers = dict[str, int]
"""Author → number, for everything that is looked at together."""


@dataclass(frozen=True, slots=True)
class _Tape:
    """Author tallies, piece by piece. `author` are the columns' authors by `numbers`, which other tapes may share.

    Without `numbers` they are places among the authors of this tape alone.
    """

    pieces: tuple[Window, ...]
    tallies: Tallies = field(repr=False)
    step: Integers
    author: Integers = field(repr=False)
    numbers: _Numbers | None = field(repr=False)

    @classmethod
    def of(
        cls, pieces: Sequence[Window], tallies: Sequence[Sequence[AuthorTally]], numbers: _Numbers | None = None
    ) -> _Tape:
        """What was said in `pieces`. Authors without a number get one; tapes to be compared share their `numbers`."""
        columns = Tallies.of(tallies)
        author = columns.author
        if numbers is not None:
            author = np.array([numbers.setdefault(name, len(numbers)) for name in columns.authors], np.int64)[author]
        return cls(tuple(pieces), columns, np.repeat(np.arange(len(pieces)), np.diff(columns.starts)), author, numbers)

    @property
    def edges(self) -> tuple[datetime, ...]:
        return tuple(sorted({edge for piece in self.pieces for edge in (piece.start, piece.end)}))

    def inside(self, window: Window) -> slice:
        """Where in the columns those pieces are that begin in `window`."""
        edges = (window.start, window.end)
        first, last = (bisect_left(self.pieces, edge, key=lambda piece: piece.start) for edge in edges)
        return slice(int(self.tallies.starts[first]), int(self.tallies.starts[last]))

    def read_by(self, window: Window) -> dict[str, int]:
        """How many messages each model read."""
        rows = self.inside(window)
        counts = np.bincount(self.tallies.model[rows], self.tallies.sums["messages"][rows])
        return {self.tallies.models[place]: int(count) for place, count in enumerate(counts.tolist()) if count}

    def read_most(self, window: Window) -> str | None:
        """The model that read most messages."""
        counts = self.read_by(window)
        return max(counts, key=lambda model: (counts[model], model)) if counts else None

    def people(self, window: Window) -> int:
        return len(np.unique(self.author[self.inside(window)]))

    def voices(self, window: Window, model: str | None, quantity: str = "score") -> Voices:
        """What authors said as `model` read it. `quantity` is one of SUMS."""
        rows, tallies = self.inside(window), self.tallies
        read = np.array([name == model for name in tallies.models], bool)[tallies.model[rows]]
        sums = (tallies.sums[name][rows][read].astype(np.float64) for name in ("messages", quantity))
        return Voices(self.author[rows][read], self.step[rows][read], *sums)


def _reading(
    plan: _Plan,
    tallies: Sequence[Sequence[AuthorTally]],
    left_out: LeftOut | None,
    *,
    model: str | None = None,
    numbers: _Numbers | None = None,
) -> Reading:
    tape = _taped(plan, tallies, {} if numbers is None else numbers)
    models = tape.read_by(plan.window)
    model = model or tape.read_most(plan.window)
    mood, usable = _mood(plan, tape, model)
    known = isinstance(mood, Mood)
    return Reading(
        window=plan.window,
        complete=plan.complete,
        mood=mood,
        usual=_usual(tape, plan.window, usable, model) if known and len(usable) >= LEAST_EARLIER else None,
        step=plan.step,
        model=model,
        others={other: count for other, count in models.items() if other != model},
        left_out=left_out,
        _plan=plan,
        _tape=tape,
    )


def _spoken(
    plan: _Plan, tallies: Sequence[Sequence[AuthorTally]], model: str | None
) -> tuple[Mood | TooFew, Change | None]:
    """What a list tells of some messages: what `mood` and `usual.mood` of their Reading would be."""
    tape = _taped(plan, tallies)
    model = model or tape.read_most(plan.window)
    mood, usable = _mood(plan, tape, model)
    has_usual = isinstance(mood, Mood) and len(usable) >= LEAST_EARLIER
    return mood, _changed(tape, plan.window, usable, model, "score") if has_usual else None


def _taped(plan: _Plan, tallies: Sequence[Sequence[AuthorTally]], numbers: _Numbers | None = None) -> _Tape:
    return _Tape.of([Window(start, end) for start, end in pairwise(plan.edges)], tallies, numbers)


def _mood(plan: _Plan, tape: _Tape, model: str | None) -> tuple[Mood | TooFew, list[Window]]:
    """The mood of a plan's window, and which of the windows before it can be used."""
    said = [(window, tape.voices(window, model)) for window in plan.earlier]
    enough = [each for each in said if each[1].are_of(MINIMUM_AUTHORS, MINIMUM_MESSAGES)]
    voices = tape.voices(plan.window, model)
    beside = [voices for _, voices in enough]
    mood = estimates.mood(voices, beside=beside, least_messages=MINIMUM_MESSAGES, least_people=MINIMUM_AUTHORS)
    return mood, [window for window, _ in enough]


def _pieces(plan: _Plan, tape: _Tape) -> tuple[Piece, ...]:
    return tuple(
        _piece(tape, piece, None, complete=end_of(piece, plan.step, plan.zone) <= plan.now) for piece in plan.pieces
    )


def _piece(tape: _Tape, window: Window, model: str | None, *, complete: bool) -> Piece:
    model = model or tape.read_most(window)
    return Piece(window, estimates.mood(tape.voices(window, model), least_people=MINIMUM_AUTHORS), complete, model)


def _shares(tape: _Tape, window: Window, model: str | None) -> Shares:
    return Shares(
        *(estimates.share(tape.voices(window, model, label)) for label in ("negative", "neutral", "positive"))
    )


def _usual(tape: _Tape, window: Window, usable: Sequence[Window], model: str | None) -> Usual:
    return Usual(
        mood=_changed(tape, window, usable, model, "score"),
        negative=_changed(tape, window, usable, model, "negative"),
        positive=_changed(tape, window, usable, model, "positive"),
        pieces=tuple(_piece(tape, each, model, complete=True) for each in usable),
    )


def _changed(tape: _Tape, window: Window, usable: Sequence[Window], model: str | None, quantity: str) -> Change:
    return estimates.change(
        tape.voices(window, model, quantity), [tape.voices(each, model, quantity) for each in usable]
    )
