"""What is kept of a message: no text, only what was read in it, by whom it was said, when and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Integer, Text

from bot.analysis import Analysis, Label
from bot.entities import canonical
from bot.message import Channel, Message, Platform
from storage.engine import among, given
from storage.moments import milliseconds
from storage.names import storable
from storage.places import stored
from storage.tables import authors, channels, mentions, models, readings, surfaces, threads

_LABELS = {Label.NEGATIVE: -1, Label.NEUTRAL: 0, Label.POSITIVE: 1}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is kept of a message, in names. `label` and probabilities (steps of 1e-4) are None if it was not read."""

    channel: Channel
    key: str
    author: str
    sent_at: int
    revised_at: int
    thread: tuple[Channel, str] | None
    from_bot: bool
    model: str | None
    language: str | None
    label: int | None
    negative: int | None
    neutral: int | None
    positive: int | None
    mentions: tuple[tuple[str, str, int], ...]  # surface, kind, count; sorted

    @property
    def reason(self) -> str | None:
        """Why it was not read."""
        if self.label is not None:
            return None
        return "bot" if self.from_bot else f"language {self.language or 'und'}"

    def rank(self) -> tuple[object, ...]:
        """Greater wins. At the same moment some order, so that it doesn't matter which came first."""
        return (
            self.revised_at,
            self.author,
            self.sent_at,
            ((*spelled(self.thread[0]), self.thread[1]) if self.thread else ()),
            self.from_bot,
            self.model or "",
            self.language or "",
            -1 if self.label is None else 0,
            self.negative or 0,
            self.positive or 0,
            self.mentions,
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A reading that has a row: the numbers it is stored under, beside what it says."""

    id: int
    home_id: int
    author_id: int
    model_id: int | None
    reading: Reading


def spelled(channel: Channel) -> tuple[str, str, str]:
    """A channel as something that can be put in order."""
    return (channel.platform.value, channel.workspace, channel.id)


def read(message: Message, analysis: Analysis | None) -> Reading:
    """What is kept of `message`. Raises ValueError if a person's comes without its analysis."""
    if analysis is None and not message.from_bot:
        raise ValueError("a person's message is recorded with its analysis")
    sentiment = None if analysis is None or message.from_bot else analysis.sentiment
    negative = positive = neutral = label = None
    counted: Counter[tuple[str, str]] = Counter()
    if analysis is not None and sentiment is not None:
        negative, positive = round(sentiment.negative * 10_000), round(sentiment.positive * 10_000)
        neutral, label = 10_000 - negative - positive, _LABELS[sentiment.label]
        for entity in analysis.entities:
            surface = storable(entity.text)
            if canonical(surface):
                counted[surface, entity.kind.value] += 1
    thread = message.thread
    return Reading(
        channel=stored(message.id.channel),
        key=storable(message.id.id),
        author=message.author,
        sent_at=milliseconds(message.sent_at),
        revised_at=milliseconds(message.revised_at),
        thread=(stored(thread.channel), storable(thread.id)) if thread else None,
        from_bot=message.from_bot,
        model=storable(analysis.model) if analysis and not message.from_bot else None,
        language=storable(analysis.language) if analysis and analysis.language and not message.from_bot else None,
        label=label,
        negative=negative,
        neutral=neutral,
        positive=positive,
        mentions=tuple(sorted((surface, kind, count) for (surface, kind), count in counted.items())),
    )


def read_anew(old: Reading, new: Reading) -> Reading:
    """`old` with what a model made of it as `new` has that."""
    return replace(
        old,
        model=new.model,
        language=new.language,
        label=new.label,
        negative=new.negative,
        neutral=new.neutral,
        positive=new.positive,
        mentions=new.mentions,
    )


def read_in(reading: Reading, now: Mapping[Channel, Channel]) -> Reading:
    """`reading` with the ids that its channels have now."""
    thread = reading.thread and (now.get(reading.thread[0], reading.thread[0]), reading.thread[1])
    return replace(reading, channel=now.get(reading.channel, reading.channel), thread=thread)


# ---- as it is stored -------------------------------------------------------------------------------------------------


async def load(
    connection: AsyncConnection, statement: Select[Any], parameters: dict[str, Any] | None = None
) -> list[Stored]:
    """The readings that `statement`, a form of READINGS, finds."""
    found = (await connection.execute(statement, parameters or {})).all()
    said: dict[int, list[tuple[str, str, int]]] = {}
    for mention in await connection.execute(_MENTIONS, {"readings": [[row.id] for row in found]}):
        said.setdefault(mention.reading_id, []).append((mention.text, mention.kind, mention.times))
    return [
        Stored(
            id=row.id,
            home_id=row.home_id,
            author_id=row.author_id,
            model_id=row.model_id,
            reading=Reading(
                channel=Channel(Platform(row.platform), row.workspace, row.channel_key),
                key=row.key,
                author=row.pseudonym,
                sent_at=row.sent_at,
                revised_at=row.revised_at,
                thread=(
                    (
                        Channel(Platform(row.thread_platform), row.thread_workspace, row.thread_channel),
                        row.thread_key,
                    )
                    if row.thread_key is not None
                    else None
                ),
                from_bot=row.from_bot,
                model=row.model,
                language=row.language,
                label=row.label,
                negative=row.negative,
                neutral=row.neutral,
                positive=row.positive,
                mentions=tuple(sorted(said.get(row.id, ()))),
            ),
        )
        for row in found
    ]


_keys, (_channel, _key) = given("keys", Integer, Text)
named = _keys.join(readings, (readings.c.channel_id == _channel) & (readings.c.key == _key))
REVISIONS = select(readings.c.channel_id, readings.c.key, readings.c.deleted, readings.c.revised_at).select_from(named)
_thread_channels = channels.alias("thread_channels")
READINGS = (
    select(
        readings,
        authors.c.pseudonym,
        models.c.name.label("model"),
        channels.c.platform,
        channels.c.workspace,
        channels.c.key.label("channel_key"),
        threads.c.key.label("thread_key"),
        _thread_channels.c.platform.label("thread_platform"),
        _thread_channels.c.workspace.label("thread_workspace"),
        _thread_channels.c.key.label("thread_channel"),
    )
    .select_from(readings)
    .join(channels, readings.c.channel_id == channels.c.id)
    .join(authors, readings.c.author_id == authors.c.id)
    .outerjoin(models, readings.c.model_id == models.c.id)
    .outerjoin(threads, readings.c.thread_id == threads.c.id)
    .outerjoin(_thread_channels, threads.c.channel_id == _thread_channels.c.id)
)
NAMED = READINGS.where(readings.c.id.in_(select(readings.c.id).select_from(named)))
_MENTIONS = (
    select(mentions.c.reading_id, surfaces.c.text, mentions.c.kind, mentions.c.times)
    .join(surfaces, mentions.c.surface_id == surfaces.c.id)
    .where(among(mentions.c.reading_id, "readings"))
)
