"""Question → Answer: the same numbers and words on every platform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol, assert_never

from rapidfuzz import fuzz, process

from bot.analysis.budget import Status, TokenAge
from bot.answer import Align, Answer, Column, Table, Visibility
from bot.comparing import comparison
from bot.days import Unit
from bot.digest import Digests
from bot.entities import canonical
from bot.errors import QuestionError
from bot.estimates import TooFew
from bot.explaining import explained
from bot.figures import entity_chart, entity_table, line_chart, mood_chart, mood_table
from bot.message import Channel, Pseudonym, Window
from bot.patterns import LONGEST_PATTERN_DAYS, NAMES, pattern_answer, trends_answer
from bot.privacy import MINIMUM_AUTHORS, MINIMUM_MESSAGES
from bot.question import SUBJECTS, Place, Question, Side, Subject
from bot.store import Alias, InboxCount
from bot.subscribing import Subscribing
from bot.trends import Reading, Trends
from bot.wording import (
    anywhere,
    asked_again,
    counted,
    crossed,
    date_of,
    dates_of,
    left_out,
    listed,
    mood_sentence,
    nearest,
    not_yet,
    people,
    place_again,
    rests_on,
    shortened,
    side,
    spent,
    was,
    when,
    where,
)

LIKE_ENOUGH = 60.0
"""How alike (0 … 100) a name must be to be suggested."""

SUGGESTED = 3


class Consent(Protocol):
    """Remembers who doesn't want to be counted; a Ledger is one."""

    async def opt_out(self, author: Pseudonym, /) -> None:
        """Take everything of `author` out of every number, and keep nothing of theirs from now on."""
        ...

    async def opt_in(self, author: Pseudonym, /) -> None:
        """Count `author` again from now on."""
        ...

    async def opted_out(self, author: Pseudonym, /) -> bool:
        """Has `author` opted out?"""
        ...


class Queue(Protocol):
    """Knows what waits to be read; an Inbox is one."""

    async def count(self) -> InboxCount:
        """How many events wait and how many were set aside."""
        ...


class Meter(Protocol):
    """Knows how hosted inference stands; a Watch is one."""

    async def status(self) -> Status:
        """What was used of its budgets, how its calls went, and what is to be said of its token."""
        ...


class Aliases(Protocol):
    """Knows what the team calls things; a Names is one."""

    async def aliases(self) -> Sequence[Alias]:
        """Every alias, by canonical form."""
        ...


class Answers:
    """Answers questions. Shows no number that rests on fewer than MINIMUM_AUTHORS people, and nobody's own."""

    def __init__(
        self,
        trends: Trends,
        consent: Consent,
        queue: Queue,
        aliases: Aliases | None = None,
        subscribing: Subscribing | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._trends = trends
        self._consent = consent
        self._queue = queue
        self._aliases = aliases
        self._meter = meter
        self._digests = Digests(trends)
        self._subscribing = subscribing

    async def answer(self, question: Question, *, visible: Sequence[Place] | None = None) -> Answer:
        """Answer `question`. `visible` are the channels its asker may know of; if not given, those that all may.

        Raises QuestionError for what can't be answered as asked, StorageError.
        """
        places = _told_apart(tuple(await self._public() if visible is None else visible))
        called = {place.channel: place for place in places}
        question = replace(
            question,
            sides=tuple(
                replace(side, places=tuple(called.get(place.channel, place) for place in side.places) or places)
                for side in question.sides
            ),
        )
        match question.subject:
            case Subject.MOOD:
                return await self._mood(question)
            case Subject.ENTITIES:
                return await self._entities(question)
            case Subject.ENTITY:
                return await self._entity(question)
            case Subject.COMPARE:
                return await self._compare(question)
            case Subject.TRENDS:
                return await self._over_time(question)
            case Subject.PATTERN:
                return await self._pattern(question)
            case Subject.DIGEST:
                return await self._digest(question)
            case Subject.SCHEDULE:
                if self._subscribing is None:
                    raise QuestionError("Nothing is posted from here: ask for a digest.", ("digest",))
                return await self._subscribing.carry_out(question)
            case Subject.CHANNELS:
                return await self._channels(question, places)
            case Subject.EXPLAIN:
                return await self._explain(question)
            case Subject.STATUS:
                return await self._status(question)
            case Subject.PRIVACY:
                return await self._privacy(question)
            case Subject.OPT_OUT:
                return await self._opt_out(question)
            case Subject.OPT_IN:
                return await self._opt_in(question)
            case Subject.HELP:
                return _help(question)
            case _:
                assert_never(question.subject)

    async def _mood(self, question: Question) -> Answer:
        looked_at = _side(question)
        here, time = where(looked_at.places), when(looked_at.span.words)
        reading = await self._trends.mood(_asked(looked_at), looked_at.span.window, question.zone, question.asked_at)
        title = f"Mood of {here}, {looked_at.span.words}"
        if isinstance(reading.mood, TooFew):
            return await self._too_few(question, title, reading, reading.mood)
        lines = [shortened(mood_sentence(reading, here, time, verb=was(looked_at.places)))]
        if not reading.complete and reading.window.end - reading.window.start < timedelta(days=7):
            lines.append("It isn't over yet; earlier weeks are taken up to the same weekday and hour.")
        return Answer(
            title=title,
            lines=(*lines, *crossed(reading)),
            footnote=rests_on(reading),
            table=mood_table(reading),
            chart=mood_chart(here, reading, question.zone),
            window=reading.window,
            suggestions=(f"entities {asked_again(looked_at)}", f"explain {asked_again(looked_at)}"),
        )

    async def _entities(self, question: Question) -> Answer:
        looked_at = _side(question)
        here, time = where(looked_at.places), when(looked_at.span.words)
        channels = _asked(looked_at)
        kind = question.kind
        asked = (channels, looked_at.span.window, question.zone, question.asked_at)
        reading = await self._trends.mood(*asked, step=Unit.YEAR)  # nothing is told of its steps
        found = await self._trends.entities(*asked, kind=kind, model=reading.model)
        title = f"{'Names' if kind is None else f'Names ({kind.value})'} in {here}, {looked_at.span.words}"
        if reading.mood.messages == 0:
            return await self._too_few(question, title, reading, TooFew(0, 0, MINIMUM_MESSAGES, MINIMUM_AUTHORS))
        if not found:
            line = (
                f"No name was used by {MINIMUM_AUTHORS} people or more in {anywhere(looked_at.places)} {time}; "
                "rarer ones aren't shown."
            )
            return Answer(title, (shortened(line),), rests_on(reading, names=True), window=reading.window, ok=False)
        first = found[0].tally
        line = (
            f"{first.name} was named by most people in {here} {time}: "
            f"{people(first.people)} in {counted(first.messages, 'message')}."
        )
        return Answer(
            title=title,
            lines=(shortened(line), *crossed(reading)),
            footnote=f"{rests_on(reading, names=True)} Names that fewer than {MINIMUM_AUTHORS} people used aren't "
            f"shown, and no mood of a name on fewer than {MINIMUM_MESSAGES} messages.",
            table=entity_table(found),
            chart=entity_chart(here, found, question.zone),
            window=reading.window,
            suggestions=tuple(f"entity {entity.tally.name} {asked_again(looked_at)}" for entity in found[:SUGGESTED]),
        )

    async def _entity(self, question: Question) -> Answer:
        looked_at = _side(question)
        here, time = where(looked_at.places), when(looked_at.span.words)
        channels = _asked(looked_at)
        asked = question.name or ""
        key = await self._key(asked, channels)
        reading = await self._trends.entity(channels, key, looked_at.span.window, question.zone, question.asked_at)
        # The same words for a name that nobody used and for one that a few did: who asks can't tell.
        if isinstance(reading.mood, TooFew) and reading.mood.people < MINIMUM_AUTHORS:
            title = f"{asked} in {here}, {looked_at.span.words}"
            line = (
                f"Fewer than {MINIMUM_AUTHORS} people named {asked} in {anywhere(looked_at.places)} {time}, "
                "so nothing is shown."
            )
            alike = await self._alike(asked, channels)
            lines = (shortened(line), *([f"Did you mean {listed(alike)}?"] if alike else []))
            suggestions = tuple(f"entity {name} {asked_again(looked_at)}" for name in alike)
            return Answer(title, lines, window=reading.window, suggestions=suggestions, ok=False)
        name = await self._trends.name(channels, key) or asked
        person = await self._trends.person(channels, key, reading.window)
        if person is not None:
            line = (
                f"{name} was named by {people(person.people)} in {counted(person.messages, 'message')} "
                f"in {here} {time}; how people are spoken of isn't scored."
            )
            return Answer(
                title=f"{name} in {here}, {looked_at.span.words}",
                lines=(shortened(line),),
                footnote=rests_on(reading, names=True),
                window=reading.window,
                suggestions=(f"entities {asked_again(looked_at)}",),
            )
        if isinstance(reading.mood, TooFew):
            few = reading.mood
            line = (
                f"Not yet: {name} was named by {people(few.people)} in {few.messages} of the {few.messages_needed} "
                f"messages that a mood needs, in {here} {time}."
            )
            return Answer(
                title=f"{name} in {here}, {looked_at.span.words}",
                lines=(shortened(line),),
                footnote=rests_on(reading, names=True),
                window=reading.window,
                suggestions=(f"entities {asked_again(looked_at)}",),
                ok=False,
            )
        about = f" about {name}"
        sentence = mood_sentence(reading, f"What was said{about} in {here}", time)
        return Answer(
            title=f"{name} in {here}, {looked_at.span.words}",
            lines=(shortened(sentence), *crossed(reading)),
            footnote=f"{rests_on(reading, names=True)} The mood is that of whole messages which name it.",
            table=mood_table(reading),
            chart=line_chart(f"messages{about} in {here}", reading.pieces, reading.step, question.zone),
            window=reading.window,
            suggestions=(f"entities {asked_again(looked_at)}",),
        )

    async def _key(self, asked: str, channels: Sequence[Channel]) -> str:
        """The key of the entity that `asked` means, by the team's aliases."""
        key = canonical(asked)
        if self._aliases is None or await self._trends.name(channels, key) is not None:
            return key
        meant = {alias.written: alias.meant for alias in await self._aliases.aliases()}
        seen = {key}
        while (further := meant.get(key)) is not None and canonical(further) not in seen:
            key = canonical(further)
            seen.add(key)
        return key

    async def _alike(self, asked: str, channels: Sequence[Channel]) -> list[str]:
        """Names like `asked` that enough people used for them to be told."""
        names = await self._trends.names(channels)
        alike = process.extract(canonical(asked), list(names), scorer=fuzz.WRatio, limit=10, score_cutoff=LIKE_ENOUGH)
        found: list[str] = []
        for key, *_ in alike:
            if len(found) < SUGGESTED and await self._trends.may_be_named(channels, key):
                found.append(names[key])
        return found

    async def _compare(self, question: Question) -> Answer:
        if len(question.sides) != 2:
            raise QuestionError("Compare needs two things, such as two channels or two weeks.")
        first, second = question.sides
        found = await self._trends.compare(
            (_asked(first), first.span.window),
            (_asked(second), second.span.window),
            question.zone,
            question.asked_at,
        )
        if any(reading.mood.messages == 0 for reading in (found.first, found.second)):
            empty, reading = (first, found.first) if found.first.mood.messages == 0 else (second, found.second)
            title = f"{side(first)} against {side(second)}"
            return await self._too_few(question, title, reading, TooFew(0, 0, 0, 0), empty)
        return comparison(found, first, second, question.zone)

    async def _over_time(self, question: Question) -> Answer:
        looked_at = _side(question)
        asked = (_asked(looked_at), looked_at.span.window, question.zone, question.asked_at)
        reading = await self._trends.mood(*asked)
        found = await self._trends.entities(*asked, kind=question.kind, limit=NAMES, model=reading.model)
        if not found:
            return await self._entities(question)
        over_time = await self._trends.over_time(asked[0], found, *asked[1:])
        return trends_answer(reading, found, over_time, looked_at, question)

    async def _pattern(self, question: Question) -> Answer:
        looked_at = _side(question)
        window = looked_at.span.window
        if window.end - window.start > timedelta(days=LONGEST_PATTERN_DAYS, hours=1):
            raise QuestionError("A week's pattern is made of a year at most.", ("pattern last 3 months",))
        found = await self._trends.pattern(_asked(looked_at), window, question.zone, question.asked_at)
        if isinstance(found.reading.mood, TooFew):
            title = f"The week in {where(looked_at.places)}, {looked_at.span.words}"
            return await self._too_few(question, title, found.reading, found.reading.mood)
        return pattern_answer(found, looked_at, question)

    async def _digest(self, question: Question) -> Answer:
        looked_at = _side(question)
        if not looked_at.places:
            return _nothing_yet("Digest")
        made = await self._digests.of(looked_at.places, looked_at.span, question.zone, question.asked_at)
        if made.ok:
            return made
        lines, suggestions = await self._elsewhere(question, looked_at)
        return replace(made, lines=(*made.lines, *lines), suggestions=suggestions)

    async def _channels(self, question: Question, places: Sequence[Place]) -> Answer:
        names = {place.channel: place.name for place in places}
        known = [
            replace(summary, name=names[summary.channel])
            for summary in await self._trends.channels()
            if summary.channel in names
        ]
        if not known:
            return _nothing_yet("Channels")
        known.sort(key=lambda summary: (-summary.messages, summary.name))
        rows = tuple(
            (
                f"#{summary.name}" + (f" ({summary.gone.value})" if summary.gone else ""),
                f"{summary.messages:,}",
                f"{summary.people:,}",
                date_of(summary.first, question.zone) if summary.first else "–",
                date_of(summary.last, question.zone) if summary.last else "–",
            )
            for summary in known
        )
        columns = (
            Column("channel"), Column("messages", Align.RIGHT), Column("people", Align.RIGHT), Column("first"),
            Column("last"),
        )  # fmt: skip
        total = sum(summary.messages for summary in known)
        busiest = known[0]
        line = f"{counted(len(known), 'channel')} with {counted(total, 'message')}; #{busiest.name} is the busiest."
        recent = nearest(Subject.MOOD, busiest.last or question.asked_at, question.zone, question.asked_at)
        return Answer(
            title="Channels",
            lines=(line,),
            footnote="Messages read: without bots', people's who opted out, and those in languages that aren't read.",
            table=Table(columns, rows),
            suggestions=(f"mood #{busiest.name} {recent}",),
        )

    async def _explain(self, question: Question) -> Answer:
        looked_at = _side(question)
        here, time = where(looked_at.places), when(looked_at.span.words)
        reading = await self._trends.mood(_asked(looked_at), looked_at.span.window, question.zone, question.asked_at)
        title = f"How the mood of {here} is made, {looked_at.span.words}"
        return Answer(
            title=title,
            lines=tuple(explained(reading, here, time, verb=was(looked_at.places))),
            footnote=f"{dates_of(reading.window, question.zone)}; {rests_on(reading)}",
            window=reading.window,
            suggestions=("privacy", f"mood {asked_again(looked_at)}"),
        )

    async def _status(self, question: Question) -> Answer:
        count = await self._queue.count()
        lines = [f"{counted(count.waiting, 'message')} {'waits' if count.waiting == 1 else 'wait'} to be read."]
        if count.waiting == 0:
            lines = ["Everything that arrived has been read."]
        if count.oldest is not None:
            lines.append(f"The oldest arrived {_ago(question.asked_at - count.oldest)} ago.")
        if count.set_aside:
            why = listed([f"{reason} ({number})" for reason, number in sorted(count.reasons.items())])
            lines.append(f"{counted(count.set_aside, 'message')} could not be read and were set aside: {why}.")
        if self._meter is not None:
            lines += _of_hosted(await self._meter.status())
        return Answer("Status", tuple(lines))

    async def _privacy(self, question: Question) -> Answer:
        out = await self._consent.opted_out(question.asker)
        yours = (
            "You have opted out: nothing of yours is read or counted. `opt-in` changes that."
            if out
            else "You are counted. `opt-out` takes everything of yours out of every number, the past included."
        )
        return Answer(
            title="Privacy",
            lines=(
                "Roomtone reads rooms, not people: nobody's own numbers are shown to anybody.",
                "A message's text is kept, sealed, only until it has been read; then it is erased. "
                "What stays is a score, the names in it, when and where.",
                "Authors are kept as pseudonyms that only this installation could make again.",
                f"Nothing is shown that rests on fewer than {MINIMUM_AUTHORS} people, "
                f"and no mood on fewer than {MINIMUM_MESSAGES} messages.",
                "Deleted messages leave every number; edited ones are read again.",
                yours,
            ),
            visibility=Visibility.PERSONAL,
            suggestions=("opt-in" if out else "opt-out",),
        )

    async def _opt_out(self, question: Question) -> Answer:
        await self._consent.opt_out(question.asker)
        return Answer(
            title="Opted out",
            lines=("Done: everything of yours is out of every number, for good, and nothing more will be read.",),
            visibility=Visibility.PERSONAL,
            suggestions=("privacy",),
        )

    async def _opt_in(self, question: Question) -> Answer:
        was_out = await self._consent.opted_out(question.asker)
        await self._consent.opt_in(question.asker)
        line = (
            "Done: you are counted again from now on. What was forgotten stays forgotten."
            if was_out
            else "You are counted already."
        )
        return Answer("Opted in", (line,), visibility=Visibility.PERSONAL, suggestions=("privacy",))

    async def _public(self) -> tuple[Place, ...]:
        """What anybody may ask about, where a question doesn't say what its asker may."""
        return tuple(
            Place(summary.channel, summary.name)
            for summary in await self._trends.channels()
            if not summary.private and summary.messages
        )

    async def _too_few(
        self, question: Question, title: str, reading: Reading, few: TooFew, looked_at: Side | None = None
    ) -> Answer:
        looked_at = looked_at or _side(question)
        time = when(looked_at.span.words)
        if few.messages:
            line = not_yet(few, where(looked_at.places), time)
            return Answer(title, (shortened(line),), rests_on(reading), window=reading.window, ok=False)
        lines, suggestions = await self._elsewhere(question, looked_at)
        if reading.left_out is not None and (left := left_out(reading.left_out)):
            lines = [f"Left out: {left}.", *lines]
        line = shortened(f"Nothing was read in {anywhere(looked_at.places)} {time}.")
        return Answer(title, (line, *lines), window=reading.window, suggestions=suggestions, ok=False)

    async def _elsewhere(self, question: Question, looked_at: Side) -> tuple[list[str], tuple[str, ...]]:
        """Where there is something to look at, if not here, and how to ask for it."""
        asked = set(_asked(looked_at))
        times = [
            (summary.first, summary.last)
            for summary in await self._trends.channels()
            if summary.channel in asked and summary.first is not None and summary.last is not None
        ]
        if not times:
            return [f"Nothing has been read in {anywhere(looked_at.places)} yet."], ("channels",)
        last = max(last for _, last in times)
        whole = Window(min(first for first, _ in times), last + timedelta(microseconds=1))
        words = nearest(question.subject, last, question.zone, question.asked_at)
        return (
            [f"There are messages from {dates_of(whole, question.zone)}."],
            (f"{question.subject.value} {place_again(looked_at)} {words}", "channels"),
        )


def _of_hosted(status: Status) -> list[str]:
    lines = [f"Sent to a hosted model: {spent(status)}."]
    calls = f"{counted(status.errors, 'call')} failed today"
    lines.append(f"{calls}." if status.latency is None else f"{calls}; one takes {status.latency:.2f} s.")
    if status.problem is not None:
        lines.append(f"The latest failure was at {status.problem.at:%Y-%m-%d %H:%M} UTC: {status.problem.reason}")
    if status.token_days is not None and status.token_age is TokenAge.FRESH:
        lines.append(f"Its token is {counted(status.token_days, 'day')} old; it should be replaced after 30.")
    return [*lines, *status.warnings]


def _told_apart(places: tuple[Place, ...]) -> tuple[Place, ...]:
    """`places`, those called like one of another workspace with their own before the name, as they can be asked for."""
    often = Counter(name for name, _ in {(place.name, place.channel.workspace) for place in places})
    return tuple(
        replace(place, name=f"{place.channel.workspace}/{place.name}") if often[place.name] > 1 else place
        for place in places
    )


def _side(question: Question) -> Side:
    if not question.sides:
        raise QuestionError(f"{question.subject.value} needs a channel and a time, such as 'last week'.")
    return question.sides[0]


def _asked(looked_at: Side) -> list[Channel]:
    return [place.channel for place in looked_at.places]


def _nothing_yet(title: str) -> Answer:
    return Answer(
        title, ("Nothing has been read yet.",), "Invite Roomtone into a channel, or import an export.", ok=False
    )


def _help(question: Question) -> Answer:
    about = next((subject for subject in SUBJECTS if subject.value == question.topic), None)
    if about is not None:
        told = SUBJECTS[about]
        return Answer(
            title=f"How to ask: {about.value}",
            lines=(told.line, told.usage, *(f"Such as: {example}" for example in told.examples)),
            suggestions=told.examples[:1],
        )
    rows = tuple((told.usage, told.line) for told in SUBJECTS.values())
    return Answer(
        title="What you can ask",
        lines=("Ask in these words, or in your own; without a channel this one is meant.",),
        footnote="Times: today, last week, since Monday, in March, 14d, week 10, 3 to 9 March. `help mood` says more.",
        table=Table((Column("ask"), Column("and get")), rows),
        suggestions=(SUBJECTS[Subject.MOOD].examples[0], SUBJECTS[Subject.ENTITIES].examples[0]),
    )


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 120:
        return counted(seconds, "second")
    if seconds < 7200:
        return counted(seconds // 60, "minute")
    return counted(seconds // 3600, "hour") if seconds < 172800 else counted(seconds // 86400, "day")
