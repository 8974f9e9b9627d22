"""Whether digests cry wolf: `python -m bench.simulation`, on teams whose truth is known.

Teams are made up whose mood didn't change, and others whose mood did; the same code that writes digests says what it
would claim of each. People write very unevenly, weeks are busier and quieter, people are away, conversations pull all
who are in them the same way, and names come up in bursts because a conversation is about them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from math import sqrt
from time import perf_counter
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bot.analysis import Kind
from bot.digest import Digests
from bot.estimates import Mood
from bot.message import Channel, Platform, Pseudonym, Window
from bot.question import Place, Span
from bot.store import AuthorTally, ChannelSummary, EntityTally, LeftOut, ReactionTally, ThreadTally
from bot.trends import Trends

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKS = 9
UTC_ZONE = ZoneInfo("UTC")
ROOM = Channel(Platform.OTHER, "simulated", "room")
LAST_WEEK = Window(MONDAY + timedelta(weeks=WEEKS - 1), MONDAY + timedelta(weeks=WEEKS))
MODEL = "simulated 1"


@dataclass(frozen=True, slots=True)
class Room:
    """What a simulated channel is like. Moods and their spreads are scores in [-1, 1]."""

    people: tuple[int, int] = (8, 40)
    """Members, from and to; fewer write in a week."""
    messages: float = 17.0
    """Messages of a member in a week, on average."""
    unevenness: float = 1.1
    """Standard deviation of the logarithm of how much somebody writes: the real chats in the docs have 1.1."""
    away: float = 0.15
    """Chance that somebody isn't there for a week."""
    busier: float = 0.2
    """Standard deviation of the logarithm of how busy a week is."""
    mood: float = 0.08
    between: float = 0.11
    """Standard deviation of people's own moods, as in half a year of a public developers' channel."""
    message: float = 0.40
    """Standard deviation of a message's score around its author's, as there; skewed, as scores are."""
    conversation: float = 0.08
    """Standard deviation of what a conversation adds to every message in it."""
    change: float = 0.0
    """What the last week adds to every message."""
    topics: int = 40
    """Things that conversations are about, a few of them often."""
    furious: int = 0
    """Messages of a score of -0.9 that one member adds to the last week."""


@dataclass
class Simulated:
    """Readings of one simulated room, day by day."""

    days: list[dict[int, list[float]]] = field(default_factory=list)
    """For each day: author → messages, score, squares, negative, neutral, positive."""
    named: list[dict[int, dict[int, list[float]]]] = field(default_factory=list)
    """For each day: topic → the same."""

    async def channels(self) -> Sequence[ChannelSummary]:
        """Not asked here."""
        return ()

    async def tallies(
        self, channels: Sequence[Channel], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        """By author, over whole days."""
        return [_tallies(self.days[_day(start) : _day(end)]) for start, end in pairwise(edges)]

    async def entities(
        self, channels: Sequence[Channel], window: Window, /, *, limit: int, kind: Kind | None = None
    ) -> Sequence[EntityTally]:
        """Topics by how many people named them."""
        authors: dict[int, set[int]] = defaultdict(set)
        counts: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for day in self.named[_day(window.start) : _day(window.end)]:
            for topic, tallies in day.items():
                authors[topic] |= tallies.keys()
                counts[topic][0] += sum(tally[0] for tally in tallies.values())
                counts[topic][1] += sum(tally[1] for tally in tallies.values())
        found = [
            EntityTally(
                str(topic), f"topic {topic}", Kind.PRODUCT, int(counts[topic][0]), int(counts[topic][0]),
                len(authors[topic]), counts[topic][1],
            )
            for topic in authors
        ]  # fmt: skip
        return sorted(found, key=lambda tally: (-tally.people, -tally.messages, tally.name))[:limit]

    async def entity(
        self, channels: Sequence[Channel], key: str, edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        """As tallies, for a topic."""
        topic = int(key)
        return [
            _tallies([day.get(topic, {}) for day in self.named[_day(start) : _day(end)]])
            for start, end in pairwise(edges)
        ]

    async def each_entity(
        self, channels: Sequence[Channel], keys: Sequence[str], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[Sequence[AuthorTally]]]:
        """As entity, for several."""
        return [await self.entity(channels, key, edges) for key in keys]

    async def entity_named(self, channels: Sequence[Channel], key: str, /) -> tuple[str, Kind] | None:
        """Not asked here."""
        return None

    async def entity_names(self, channels: Sequence[Channel], /) -> Mapping[str, str]:
        """Not asked here."""
        return {}

    async def threads(self, channels: Sequence[Channel], window: Window, /, *, limit: int) -> Sequence[ThreadTally]:
        """Not asked here."""
        return ()

    async def reactions(self, channels: Sequence[Channel], window: Window, /) -> Sequence[ReactionTally]:
        """Not asked here."""
        return ()

    async def left_out(self, channels: Sequence[Channel], window: Window, /) -> LeftOut:
        """Nothing is."""
        return LeftOut(0, {}, 0)


@dataclass
class Team(Simulated):
    """Several simulated rooms, each of them a channel."""

    rooms: Mapping[Channel, Simulated] = field(default_factory=dict)

    async def tallies(
        self, channels: Sequence[Channel], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        """Those of each channel, one after another: nobody is in two."""
        each = [await self.rooms[channel].tallies([channel], edges) for channel in channels]
        return [list(chain.from_iterable(windows)) for windows in zip(*each, strict=True)]


def simulate(room: Room, random: np.random.Generator) -> Simulated:
    """Nine weeks of a room."""
    people = int(random.integers(room.people[0], room.people[1] + 1))
    own = random.normal(room.mood, room.between, people)
    talk = np.exp(random.normal(0, room.unevenness, people))
    fame = 1 / np.arange(1, room.topics + 1)
    fame = np.cumsum(fame / fame.sum())
    made = Simulated([{} for _ in range(7 * WEEKS)], [defaultdict(dict) for _ in range(7 * WEEKS)])
    for week in range(WEEKS):
        here = np.where(random.random(people) < room.away, 0, talk)
        here = np.cumsum(here / here.sum()) if here.sum() else np.cumsum(talk / talk.sum())
        left = room.messages * people * np.exp(random.normal(0, room.busier))
        shift = room.change if week == WEEKS - 1 else 0.0
        while left > 0:
            size = int(min(1 + 3 * random.pareto(1.3), 80))
            left -= size
            inside = np.searchsorted(here, random.random(1 + random.geometric(0.35)))
            authors = inside[random.integers(0, len(inside), size)]
            began = int(random.integers(0, 5))
            days = 7 * week + np.where(random.random(size) < 0.85, began, began + 1)
            scores = own[authors] + random.normal(0, room.conversation) + shift + _noise(room.message, size, random)
            scores = np.clip(scores, -1, 1)
            topic = int(np.searchsorted(fame, random.random()))
            names = random.random(size) < (0.25 if random.random() < 0.6 else 0.0)
            for author, day, score, names_it in zip(authors, days, scores, names, strict=True):
                _add(made.days[day], int(author), float(score))
                if names_it:
                    _add(made.named[day][topic], int(author), float(score))
    for _ in range(room.furious):
        _add(made.days[-3], 0, -0.9)
    return made


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said of one simulated room, and whether the intervals held the truth."""

    claimed: bool
    burst: bool
    mood_held: bool
    change_held: bool
    people: int
    messages: int
    width: float


async def judge(room: Room, made: Simulated) -> Verdict | None:
    """What a digest would claim of the last week; None where it would say 'not yet'."""
    trends = Trends(made)
    reading = await trends.mood([ROOM], LAST_WEEK, UTC_ZONE, LAST_WEEK.end)
    if not isinstance(reading.mood, Mood) or reading.usual is None:
        return None
    news = await trends.news([ROOM], reading)
    usual, truth = reading.usual, 100 * (room.mood + room.change)
    return Verdict(
        claimed=usual.may_be_claimed and usual.mood.estimate * (room.change or usual.mood.estimate) > 0,
        burst=bool(news.bursts),
        mood_held=reading.mood.low <= truth <= reading.mood.high,
        change_held=usual.mood.low <= 100 * room.change <= usual.mood.high,
        people=reading.mood.people,
        messages=reading.mood.messages,
        width=usual.mood.high - usual.mood.low,
    )


def verdicts(room: Room, teams: int, *, seed: int = 1) -> list[Verdict]:
    """Judge that many rooms, each made anew."""

    async def work() -> list[Verdict | None]:
        random = np.random.default_rng(seed)
        return [await judge(room, simulate(room, random)) for _ in range(teams)]

    return [verdict for verdict in asyncio.run(work()) if verdict is not None]


def claims_of_teams(room: Room, teams: int, *, seed: int = 1) -> list[bool]:
    """Does the digest of a team with CHANNELS such rooms tell any change? For that many teams."""

    async def claims(rooms: Sequence[Simulated]) -> bool:
        places = [Place(replace(ROOM, id=f"room {number}"), f"room {number}") for number in range(len(rooms))]
        team = Team(rooms={place.channel: made for place, made in zip(places, rooms, strict=True)})
        digest = await Digests(Trends(team)).of(places, Span(LAST_WEEK, "last week"), UTC_ZONE, LAST_WEEK.end)
        return " than usual " in digest.lines[0]

    async def work() -> list[bool]:
        random = np.random.default_rng(seed)
        return [await claims([simulate(room, random) for _ in range(CHANNELS)]) for _ in range(teams)]

    return asyncio.run(work())


CHANNELS = 4
"""Channels of a simulated team."""

ALIKE = Room()
TWENTY = Room(people=(26, 26), messages=25.0)
"""Of 26 members, about 20 write in a week."""

ROOMS: tuple[tuple[str, Room, float], ...] = (
    ("no change, 8 to 40 members", ALIKE, 1.0),
    ("no change, quiet rooms of 8 to 12", replace(ALIKE, people=(8, 12), messages=8.0), 1.0),
    ("no change, conversations pull hard", replace(ALIKE, conversation=0.15), 0.5),
    ("no change, nobody pulls anybody", replace(ALIKE, conversation=0.0), 0.5),
    ("no change, one is furious 500 times", replace(ALIKE, furious=500), 0.5),
    ("+10 points, about 20 people", replace(TWENTY, change=0.10), 0.5),
    ("-10 points, about 20 people", replace(TWENTY, change=-0.10), 0.5),
    ("+10 points, about 20 who write less", replace(TWENTY, messages=15.0, change=0.10), 0.5),
)
"""What is simulated, and how many of the asked-for teams of it."""


def main(
    teams: Annotated[int, typer.Option(help="Teams without a change; fewer of the other kinds.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another seed, other teams.")] = 1,
) -> None:
    """Print how often digests claim a change, and how often intervals hold the truth."""
    began = perf_counter()
    table = Table(title=f"Digests of simulated teams, seed {seed}", box=None, header_style="dim")
    for title in ("room", "weeks", "people", "messages", "claims a change", "claims a burst", "claims anything",
                  "mood held", "change held", "width"):  # fmt: skip
        table.add_column(title, justify="left" if title == "room" else "right")
    for name, room, part in ROOMS:
        found = verdicts(room, max(1, int(teams * part)), seed=seed)
        table.add_row(name, *_row(found))
    console = Console(width=160)
    console.print(table)
    told = _percent(claims_of_teams(ALIKE, max(1, teams // 2), seed=seed))
    console.print(
        f"No change, {CHANNELS} channels of 8 to 40 members: {told} of {max(1, teams // 2)} digests tell one."
    )
    console.print(f"± is two standard errors of the simulation. {perf_counter() - began:.0f} s.")


def _row(found: Sequence[Verdict]) -> tuple[str, ...]:
    if not found:
        return ("0", *("–",) * 8)
    return (
        str(len(found)),
        f"{np.mean([v.people for v in found]):.0f}",
        f"{np.mean([v.messages for v in found]):.0f}",
        _percent([v.claimed for v in found]),
        _percent([v.burst for v in found]),
        _percent([v.claimed or v.burst for v in found]),
        _percent([v.mood_held for v in found]),
        _percent([v.change_held for v in found]),
        f"{np.mean([v.width for v in found]):.0f}",
    )


def _percent(happened: Sequence[bool]) -> str:
    part = sum(happened) / len(happened)
    return f"{100 * part:.1f} ± {200 * sqrt(part * (1 - part) / len(happened)):.1f} %"


def _noise(spread: float, size: int, random: np.random.Generator) -> np.ndarray:
    """Most messages near neutral, some good, fewer bad and those worse; mean 0, standard deviation `spread`."""
    kind = random.random(size)
    drawn = random.normal(0, 0.12, size) + 0.55 * (kind < 0.15) - 0.75 * (kind > 0.90)
    noise: np.ndarray = spread / 0.34 * (drawn - (0.15 * 0.55 - 0.10 * 0.75))
    return noise


def _add(tallies: dict[int, list[float]], author: int, score: float) -> None:
    tally = tallies.setdefault(author, [0.0] * 6)
    tally[0] += 1
    tally[1] += score
    tally[2] += score * score
    tally[3 if score < -1 / 3 else 5 if score > 1 / 3 else 4] += 1


def _tallies(days: Sequence[Mapping[int, Sequence[float]]]) -> list[AuthorTally]:
    sums: dict[int, list[float]] = {}
    for day in days:
        for author, tally in day.items():
            sums[author] = [a + b for a, b in zip(sums[author], tally, strict=True)] if author in sums else list(tally)
    return [
        AuthorTally(Pseudonym(f"{author:032x}"), MODEL, int(n), score, squares, int(bad), int(even), int(good))
        for author, (n, score, squares, bad, even, good) in sums.items()
    ]


def _day(moment: datetime) -> int:
    return max(0, (moment - MONDAY) // DAY)


if __name__ == "__main__":
    typer.run(main)
