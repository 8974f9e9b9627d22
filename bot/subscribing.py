"""What people say about what is posted in their channel: on, off, when, preview, now."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bot.alerts import SHARP
from bot.answer import Answer
from bot.errors import QuestionError
from bot.message import Platform
from bot.orders import Verb
from bot.question import Order, Place, Question
from bot.schedule import Due, Post, Sort, State, Subscription
from bot.store import Subscriptions
from bot.wording import shortened, where
from bot.writer import Writer, was_low

SILENT = (Platform.CONSOLE, Platform.OTHER)
"""Where nothing is posted."""

NOT_HERE = "It is kept, but nothing is posted into a terminal: 'digest preview' shows what would be."

LATELY = 5
"""Posts that `digest when` looks back on."""


class Subscribing:
    """Carries out orders. Whether whoever gives one may is decided before, by whom they are on their platform.

    On a workspace that `is_sample` nothing is ever posted, whatever its platform.
    """

    def __init__(self, kept: Subscriptions, writer: Writer, *, is_sample: bool = False) -> None:
        self._kept = kept
        self._writer = writer
        self._is_sample = is_sample

    async def carry_out(self, question: Question) -> Answer:
        """Do what `question.order` says, and say what is so now. Raises QuestionError, StorageError."""
        order = question.order
        if order is None:
            raise QuestionError("Say what to do: 'digest on', 'digest off' or 'digest when'.", ("schedule",))
        target, now = order.target.channel, question.asked_at
        match order.verb:
            case Verb.WHEN:
                return await self._when(order.target, now)
            case Verb.PREVIEW:
                return await self._preview(question, order)
            case Verb.SEND_NOW:
                return await self._send(order.target, now)
            case Verb.DIGEST_ON | Verb.ALERTS_ON:
                return await self._on(question, order)
            case Verb.DIGEST_OFF:
                was = await self._kept.unsubscribe(target, Sort.DIGEST)
                said = "No digest is posted in {} any more." if was else "No digest was posted in {} anyway."
            case Verb.ALERTS_OFF:
                was = await self._kept.unsubscribe(target, Sort.ALERT)
                said = "No alert is raised in {} any more." if was else "No alert was raised in {} anyway."
        return _said(order.target, said.format(where([order.target])))

    async def _on(self, question: Question, order: Order) -> Answer:
        assert order.times is not None
        sort = Sort.DIGEST if order.verb is Verb.DIGEST_ON else Sort.ALERT
        places = question.sides[0].places
        # Whether an alert was raised outlives its subscription: 'alerts off' and 'on' again is no new drop.
        alerts = await self._kept.posts(order.target.channel, Sort.ALERT, limit=20) if sort is Sort.ALERT else ()
        subscription = Subscription(
            order.target.channel,
            sort,
            order.times,
            since=question.asked_at,  # what has passed already isn't due any more
            channels=tuple(place.channel for place in places) if sort is Sort.DIGEST else (),
            is_low=was_low(alerts),
        )
        await self._kept.subscribe(subscription)
        here = where([order.target])
        if sort is Sort.ALERT:
            line = (
                f"{here} is told when its mood is {SHARP:.0f} points or more below its usual, and surely so: looked at "
                f"{order.times.words()}, over the 24 hours before."
            )
        else:
            about = "the week before" if places == (order.target,) else f"{where(places)}, of the week before,"
            line = f"The digest of {about} is posted in {here} {order.times.words()}."
        first = NOT_HERE if self._is_silent(order.target) else _first(subscription, question.asked_at)
        preview = ("digest preview",) if sort is Sort.DIGEST else ()
        return _said(order.target, line, first, suggestions=preview)

    async def _when(self, place: Place, now: datetime) -> Answer:
        lines = []
        for sort, name in ((Sort.DIGEST, "digest"), (Sort.ALERT, "alert")):
            wanted = await self._kept.subscription(place.channel, sort)
            posts = await self._kept.posts(place.channel, sort, limit=LATELY)
            if wanted is None:
                lines.append(f"No {name} is on in {where([place])}: '{_how(sort)}' switches it on.")
            elif sort is Sort.DIGEST:
                over = f" over {len(wanted.channels)} channels" if len(wanted.channels) > 1 else ""
                times = f"{wanted.times.words()}; {_next(wanted, now)}"
                lines.append(f"The digest{over} is posted in {where([place])} {times}.")
            else:
                state = " It is off until the mood has come back." if wanted.is_low else ""
                lines.append(f"A sharp drop is looked for {wanted.times.words()}; {_next(wanted, now)}.{state}")
            zone = ZoneInfo(wanted.times.zone) if wanted is not None else ZoneInfo("UTC")
            lines += [told for post in posts if (told := _became(post, name, zone)) is not None][:2]
        return _said(place, *lines, suggestions=("digest preview",))

    async def _preview(self, question: Question, order: Order) -> Answer:
        wanted = await self._kept.subscription(order.target.channel, Sort.DIGEST)
        zone = ZoneInfo(wanted.times.zone) if wanted is not None else question.zone
        return await self._writer.preview(order.target, wanted, zone, question.asked_at)

    async def _send(self, place: Place, now: datetime) -> Answer:
        if self._is_silent(place):
            raise QuestionError("Nothing is posted into a terminal: 'digest preview' shows it.", ("digest",))
        await self._kept.plan(Due(place.channel, Sort.DIGEST, now.astimezone(UTC).replace(microsecond=0)))
        here = where([place])
        return _said(
            place, f"The digest waits to be posted in {here}: a Roomtone that runs there does so within a minute."
        )

    def _is_silent(self, place: Place) -> bool:
        return self._is_sample or place.channel.platform in SILENT


def _first(wanted: Subscription, now: datetime) -> str:
    following = _next(wanted, now)
    return f"{following[0].upper()}{following[1:]}. '{_how(wanted.sort, off=True)}' ends it."


def _next(wanted: Subscription, now: datetime) -> str:
    local = next(wanted.times.after(now)).astimezone(ZoneInfo(wanted.times.zone))
    return f"next on {local:%A}, {local.day} {local:%B}, at {local:%H:%M}"


def _how(sort: Sort, *, off: bool = False) -> str:
    return f"{'digest' if sort is Sort.DIGEST else 'alerts'} {'off' if off else 'on'}"


def _became(post: Post, name: str, zone: ZoneInfo) -> str | None:
    local = post.due.at.astimezone(zone)
    due = f"{local.day} {local:%B}, {local:%H:%M}"
    match post.state:
        case State.POSTED:
            return f"The {name} of {due} was posted."
        case State.SKIPPED:
            return f"The {name} of {due} wasn't posted: {post.why}." if name == "digest" else None
        case State.WAITING:
            return f"The {name} of {due} waits. {post.why or ''}".rstrip()


def _said(place: Place, *lines: str, suggestions: tuple[str, ...] = ()) -> Answer:
    return Answer(
        title=f"What is posted in {where([place])}",
        lines=tuple(shortened(line, 200 if number == 0 else 400) for number, line in enumerate(lines)),
        suggestions=suggestions,
    )
