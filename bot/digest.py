"""The weekly digest: what a week was like, what moved it, what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile
from zoneinfo import ZoneInfo

from bot import estimates
from bot.answer import Align, Answer, Chart, Column, Link, Table, Visibility
from bot.days import Unit
from bot.estimates import Mood, TooFew
from bot.figures import entity_table, line_chart, multiples
from bot.privacy import MINIMUM_MESSAGES
from bot.question import Place, Span
from bot.trends import Driver, News, Piece, Reading, Trends
from bot.wording import (
    counted,
    crossed,
    dates_of,
    listed,
    mood_sentence,
    no_usual,
    people,
    rests_on,
    shortened,
    signed,
    span,
    when,
    where,
)

ENTITIES = 5
"""Entities in a digest."""

CHANNELS = 6
"""Channels drawn in a team's digest; its table has them all."""

METHOD = "Each person weighs the same; a change is told only if its 95 % interval leaves zero out."

TOGETHER = "The more channels are looked at, the clearer a change must be to be told."
"""Of a team: in a table of many, one interval or another leaves zero out by chance."""


@dataclass(frozen=True, slots=True)
class _Week:
    place: Place
    reading: Reading


class Digests:
    """What a digest of a channel, or of a team's channels, says. Every number is the one that a question would get."""

    def __init__(self, trends: Trends) -> None:
        self._trends = trends

    async def of(self, places: Sequence[Place], time: Span, zone: ZoneInfo, now: datetime) -> Answer:
        """The digest of one channel, or of several as a team. Raises StorageError; ValueError without a channel."""
        if not places:
            raise ValueError("a digest is of one channel at least")
        weeks = [_Week(place, await self._trends.mood([place.channel], time.window, zone, now)) for place in places]
        if len(weeks) == 1:
            return await self._channel(weeks[0], time, zone, now)
        return await self._team(weeks, time, zone, now)

    async def _channel(self, week: _Week, time: Span, zone: ZoneInfo, now: datetime) -> Answer:
        reading, here = week.reading, [week.place.channel]
        place, words = where([week.place]), when(time.words)
        title = f"{place}, {dates_of(time.window, zone)}"
        sentence = shortened(mood_sentence(reading, place, words))
        if isinstance(reading.mood, TooFew):
            return Answer(
                title, (sentence,), _footnote(reading), window=reading.window, visibility=Visibility.CHANNEL, ok=False
            )
        news = await self._trends.news(here, reading, limit=ENTITIES)
        claimed = reading.usual is not None and reading.usual.may_be_claimed
        drivers = await self._trends.drivers(here, reading) if claimed else ()
        entities = await self._trends.entities(here, time.window, zone, now, limit=ENTITIES, model=reading.model)
        lines = [sentence]
        if claimed:
            lines.append(_moved(drivers))
        lines += _told(news)
        is_quiet = len(lines) == 1 and reading.usual is not None
        if is_quiet:
            lines[0] = shortened(f"A quiet week: {sentence}")
        elif reactions := await self._trends.reactions(here, reading.window):
            given = ", ".join(f"{_emoji(reaction.emoji)} {reaction.count:,}" for reaction in reactions)
            lines.append(f"Reactions, counted apart: {given}.")
        threads = await self._trends.threads(here, reading, claimed=claimed)
        return Answer(
            title=title,
            lines=(*lines, *crossed(reading)),
            footnote=_footnote(reading, names=bool(entities)),
            table=entity_table(entities) if entities else None,
            chart=_weeks_chart(place, reading, zone),
            links=tuple(
                Link(thread.root, f"A thread of {counted(thread.messages, 'message')} by {people(thread.people)}")
                for thread in threads
            ),
            window=reading.window,
            visibility=Visibility.CHANNEL,
            suggestions=tuple(f"{subject} {place} {_asked(time)}" for subject in ("mood", "entities", "explain")),
        )

    async def _team(self, weeks: Sequence[_Week], time: Span, zone: ZoneInfo, now: datetime) -> Answer:
        known = [week for week in weeks if isinstance(week.reading.mood, Mood)]
        words = when(time.words)
        title = f"{counted(len(weeks), 'channel')}, {dates_of(time.window, zone)}"
        if not known:
            most = max((week.reading.mood for week in weeks), key=lambda few: (few.people, few.messages))
            sentence = f"Not yet: no channel had enough to say {words}; the fullest {counted(most.messages, 'message')}"
            sentence += f" by {people(most.people)}."
            return Answer(title, (sentence,), METHOD, visibility=Visibility.CHANNEL, ok=False)
        changed = _changed(known)
        lines = [shortened(_team_sentence(known, changed, words))]
        lines += [mood_sentence(week.reading, where([week.place]), words, claimed=True) for week in changed[1:]]
        if quiet := [week.place for week in weeks if isinstance(week.reading.mood, TooFew)]:
            lines.append(f"Not enough was said to tell in {where(quiet)}.")
        ranked = _ranked(known)
        together = await self._trends.mood([week.place.channel for week in weeks], time.window, zone, now)
        first = ranked[0].reading
        step = Unit.WEEK if _is_weekly(first) else first.step
        unknown = next((no_usual(week.reading) for week in known if week.reading.usual_read_otherwise), "")
        drawn = [
            (where([week.place]), _history(week.reading) if _is_weekly(first) else week.reading.pieces)
            for week in ranked[:CHANNELS]
        ]
        return Answer(
            title=title,
            lines=tuple(lines),
            footnote=f"{rests_on(together)} {METHOD} {TOGETHER} {_order(ranked)} {unknown}".rstrip(),
            table=Table(_TEAM_COLUMNS, tuple(_team_row(week) for week in ranked)),
            chart=multiples(f"Mood by {step.value}", drawn, step, zone),
            window=together.window,
            visibility=Visibility.CHANNEL,
            suggestions=tuple(f"digest {where([week.place])} {_asked(time)}" for week in (changed or ranked)[:3]),
        )


_TEAM_COLUMNS = (
    Column("channel"),
    Column("mood", Align.RIGHT),
    Column("95 % interval"),
    Column("against the usual", Align.RIGHT),
    Column("95 % interval"),
    Column("messages", Align.RIGHT),
    Column("people", Align.RIGHT),
)


def _asked(time: Span) -> str:
    """The words of a stretch without its dates: they are short, and mean the same today."""
    return time.words.partition(" (")[0]


def _team_row(week: _Week) -> tuple[str, ...]:
    mood, usual = week.reading.mood, week.reading.usual
    shown = (signed(mood.estimate), span(mood)) if isinstance(mood, Mood) else ("–", "too few")
    against = (signed(usual.mood.estimate), span(usual.mood)) if usual is not None else ("–", "not known yet")
    return (where([week.place]), *shown, *against, f"{mood.messages:,}", f"{mood.people:,}")


def _changed(weeks: Sequence[_Week]) -> list[_Week]:
    """The channels whose change may be told though so many were looked at, largest first."""
    tested = [(week, week.reading.usual) for week in weeks if week.reading.usual is not None]
    real = estimates.discoveries([usual.mood.p_value for _, usual in tested if usual is not None])
    found = [
        (abs(usual.mood.estimate), week)
        for (week, usual), is_real in zip(tested, real, strict=True)
        if is_real and usual is not None and usual.mood.is_clear
    ]
    return [week for _, week in sorted(found, key=lambda pair: -pair[0])]


def _ranked(weeks: Sequence[_Week]) -> list[_Week]:
    moods = [week.reading.mood for week in weeks]
    drawn = estimates.shrunken([mood for mood in moods if isinstance(mood, Mood)])
    most = Counter(week.reading.model for week in weeks)
    # By mood among those that one model read, the model of most channels first: two models' scales aren't one.
    ranks = [
        (-most[week.reading.model], week.reading.model or "", -mood) for mood, week in zip(drawn, weeks, strict=True)
    ]
    return [weeks[place] for place in sorted(range(len(weeks)), key=ranks.__getitem__)]


def _order(weeks: Sequence[_Week]) -> str:
    models = listed(list(dict.fromkeys(week.reading.model or "" for week in weeks)))
    if len({week.reading.model for week in weeks}) == 1:
        return "Ordered by mood, channels of few people drawn to the middle."
    return f"Channels were read by different models ({models}): each model's stand together, and only they compare."


def _team_sentence(weeks: Sequence[_Week], changed: Sequence[_Week], words: str) -> str:
    if changed:
        return mood_sentence(changed[0].reading, where([changed[0].place]), words, claimed=True)
    if any(week.reading.usual is not None for week in weeks):
        return f"A quiet week: no clear change from the usual in {where([week.place for week in weeks])} {words}."
    return f"What is usual in {where([week.place for week in weeks])} isn't known yet; their moods {words} are below."


def _moved(drivers: Sequence[Driver]) -> str:
    if not drivers:
        return "No single name explains it: the change is spread over what was said."
    told = [f"{driver.tally.name} ({signed(driver.contribution.estimate)})" for driver in drivers[:ENTITIES]]
    return f"What moved it: messages that name {listed(told, most=ENTITIES)}."


def _told(news: News) -> list[str]:
    lines = []
    if news.bursts:
        told = [f"{tally.name} ({people(tally.people)}, usually {burst.usual:.0f})" for tally, burst in news.bursts]
        lines.append(f"On everybody's lips: {listed(told, most=ENTITIES)}.")
    if news.new:
        told = [f"{tally.name} ({people(tally.people)})" for tally in news.new]
        lines.append(f"New: {listed(told, most=ENTITIES)}.")
    if news.gone:
        lines.append(f"No longer named: {listed([tally.name for tally in news.gone], most=ENTITIES)}.")
    return lines


def _emoji(emoji: str) -> str:
    return f":{emoji}:" if emoji.isascii() else emoji


def _footnote(reading: Reading, *, names: bool = False) -> str:
    told = f"{rests_on(reading, names=names)} {METHOD} {no_usual(reading)}".rstrip()
    return f"{told} A name's mood is told from {MINIMUM_MESSAGES} messages on." if names else told


def _history(reading: Reading) -> tuple[Piece, ...]:
    return (*reading.earlier, Piece(reading.window, reading.mood, reading.complete, reading.model))


def _weeks_chart(place: str, reading: Reading, zone: ZoneInfo) -> Chart | None:
    if _is_weekly(reading):
        # Weeks before the channel's first message are no gaps, so they aren't drawn.
        begun = tuple(dropwhile(lambda piece: piece.mood.messages == 0, _history(reading)))
        return line_chart(place, begun, Unit.WEEK, zone)
    return line_chart(place, reading.pieces, reading.step, zone)


def _is_weekly(reading: Reading) -> bool:
    """Do the windows before it lie a week apart?"""
    starts = [piece.window.start for piece in reading.earlier]
    return len(starts) > 1 and starts[1] - starts[0] < timedelta(days=8)
