"""Readings kept in a list: the promises of bot.store.Readings, by brute force."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise

from bot.analysis import Kind, Label, Sentiment
from bot.entities import canonical
from bot.message import Channel, MessageId, Pseudonym, Window
from bot.store import (
    QUARTER_HOUR_SECONDS,
    AuthorTally,
    ChannelSummary,
    EntityTally,
    LeftOut,
    ReactionTally,
    ThreadTally,
)
from tests.examples import GENERAL, an_author


@dataclass(frozen=True, slots=True)
class Read:
    """A message as it was read."""

    at: datetime
    author: Pseudonym
    sentiment: Sentiment
    channel: Channel = GENERAL
    entities: tuple[str, ...] = ()
    thread: str | None = None
    model: str = "example 1"


def a_read(
    at: datetime,
    author: int = 1,
    score: float = 0.0,
    *,
    channel: Channel = GENERAL,
    entities: tuple[str, ...] = (),
    thread: str | None = None,
    model: str = "example 1",
) -> Read:
    """A message whose score is `score`; what isn't positive or negative is neutral."""
    sentiment = Sentiment(max(0.0, -score), 1 - abs(score), max(0.0, score))
    return Read(at, an_author(author), sentiment, channel, entities, thread, model)


@dataclass
class ReadingsExample:
    """Every promise of Readings, answered by looking at each message."""

    reads: list[Read] = field(default_factory=list)
    names: dict[Channel, str] = field(default_factory=lambda: {GENERAL: "general"})
    private: frozenset[Channel] = frozenset()
    kinds: dict[str, Kind] = field(default_factory=dict)
    given: list[ReactionTally] = field(default_factory=list)
    aside: LeftOut = field(default_factory=lambda: LeftOut(0, {}, 0))

    async def channels(self) -> Sequence[ChannelSummary]:
        return [
            ChannelSummary(
                channel=channel,
                name=name,
                private=channel in self.private,
                gone=None,
                messages=len(inside := [read for read in self.reads if read.channel == channel]),
                people=len({read.author for read in inside}),
                first=min((read.at for read in inside), default=None),
                last=max((read.at for read in inside), default=None),
            )
            for channel, name in sorted(self.names.items(), key=lambda item: item[1])
        ]

    async def tallies(
        self, channels: Sequence[Channel], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        return _tallies((read for read in self.reads if read.channel in channels), edges)

    async def entities(
        self, channels: Sequence[Channel], window: Window, /, *, limit: int, kind: Kind | None = None
    ) -> Sequence[EntityTally]:
        found: dict[str, list[tuple[str, Read]]] = defaultdict(list)
        for read in self._inside(channels, window):
            for name in read.entities:
                found[canonical(name)].append((name, read))
        tallies = []
        for key, mentions in found.items():
            messages = {id(read): read for _, read in mentions}.values()
            tallies.append(
                EntityTally(
                    key=key,
                    name=Counter(name for name, _ in mentions).most_common(1)[0][0],
                    kind=self.kinds.get(key, Kind.PRODUCT),
                    mentions=len(mentions),
                    messages=len(messages),
                    people=len({read.author for read in messages}),
                    score=sum(read.sentiment.score for read in messages),
                )
            )
        kept = [tally for tally in tallies if kind is None or tally.kind is kind]
        return sorted(kept, key=lambda tally: (-tally.people, -tally.messages, tally.name))[:limit]

    async def entity(
        self, channels: Sequence[Channel], key: str, edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        naming = (read for read in self.reads if key in {canonical(name) for name in read.entities})
        return _tallies((read for read in naming if read.channel in channels), edges)

    async def each_entity(
        self, channels: Sequence[Channel], keys: Sequence[str], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[Sequence[AuthorTally]]]:
        return [await self.entity(channels, key, edges) for key in keys]

    async def entity_named(self, channels: Sequence[Channel], key: str, /) -> tuple[str, Kind] | None:
        name = (await self.entity_names(channels)).get(key)
        return None if name is None else (name, self.kinds.get(key, Kind.PRODUCT))

    async def entity_names(self, channels: Sequence[Channel], /) -> Mapping[str, str]:
        return {canonical(n): n for read in self.reads if read.channel in channels for n in read.entities}

    async def threads(self, channels: Sequence[Channel], window: Window, /, *, limit: int) -> Sequence[ThreadTally]:
        found: dict[tuple[Channel, str], list[Read]] = defaultdict(list)
        for read in self._inside(channels, window):
            if read.thread is not None:
                found[read.channel, read.thread].append(read)
        tallies = [
            ThreadTally(
                root=MessageId(channel, root),
                messages=len(reads),
                people=len({read.author for read in reads}),
                score=sum(read.sentiment.score for read in reads),
            )
            for (channel, root), reads in found.items()
        ]
        return sorted(tallies, key=lambda tally: -tally.messages)[:limit]

    async def reactions(self, channels: Sequence[Channel], window: Window, /) -> Sequence[ReactionTally]:
        return self.given

    async def left_out(self, channels: Sequence[Channel], window: Window, /) -> LeftOut:
        return self.aside

    def _inside(self, channels: Sequence[Channel], window: Window) -> list[Read]:
        return [r for r in self.reads if r.channel in channels and window.start <= r.at < window.end]


def _tallies(reads: Iterable[Read], edges: Sequence[datetime]) -> list[list[AuthorTally]]:
    assert all(edge.tzinfo is UTC and edge.timestamp() % QUARTER_HOUR_SECONDS == 0 for edge in edges)
    assert all(before < after for before, after in pairwise(edges))
    kept = list(reads)
    return [_tally([read for read in kept if start <= read.at < end]) for start, end in pairwise(edges)]


def _tally(reads: Sequence[Read]) -> list[AuthorTally]:
    tallies: dict[tuple[Pseudonym, str], AuthorTally] = {}
    for read in reads:
        key = (read.author, read.model)
        so_far = tallies.get(key, AuthorTally(read.author, read.model, 0, 0.0, 0.0, 0, 0, 0))
        score, label = read.sentiment.score, read.sentiment.label
        tallies[key] = replace(
            so_far,
            messages=so_far.messages + 1,
            score=so_far.score + score,
            squares=so_far.squares + score * score,
            negative=so_far.negative + (label is Label.NEGATIVE),
            neutral=so_far.neutral + (label is Label.NEUTRAL),
            positive=so_far.positive + (label is Label.POSITIVE),
        )
    return list(tallies.values())
