"""The App Home: the channels that somebody may see, each with its mood and its digest, and privacy in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from adapters.slack.asking import WORKING, Asker, Asking
from adapters.slack.calls import Calls, Refusal
from adapters.slack.people import People
from adapters.slack.render import Block, button, plain
from adapters.slack.translate import Us
from bot.days import WEEKDAYS
from bot.errors import PlatformError, RoomtoneError
from bot.message import Platform
from bot.orders import USUAL_HOUR, USUAL_WEEKDAY
from bot.privacy import MINIMUM_AUTHORS
from bot.question import Place
from bot.schedule import Sort, Subscription, Times
from bot.store import Subscriptions

CHANNELS = 20
"""Channels shown; each takes two blocks of a view's hundred."""
DIGEST = "digest"
OFF = "off"
NOT_SEEN = "I can't show you that channel: I read it no longer, or you are no longer in it."

PRIVACY = (
    "Roomtone reads the channels it was invited to, and never direct messages. A message's words are erased once they "
    f"are read; what stays are numbers. Nothing is shown of one person or of fewer than {MINIMUM_AUTHORS} people. Type "
    "/roomtone opt-out in any channel and you are in no number from then on, nor in any earlier one; /roomtone opt-in "
    "brings you back; /roomtone privacy says exactly what is kept."
)

_log = structlog.get_logger(__name__)


def home(rooms: Sequence[tuple[Place, str, Times | None]]) -> dict[str, Any]:
    """The Home view: each channel with a sentence on its mood and when its digest comes."""
    blocks: list[Block] = [{"type": "header", "text": plain("The channels you can ask about", 135)}]
    if not rooms:
        words = "None yet. Invite me to a channel with /invite @Roomtone, and I begin to read there."
        blocks.append({"type": "section", "text": plain(words, 2700)})
    for place, sentence, times in rooms[:CHANNELS]:
        digest = f"Weekly digest {times.words()}" if times else "No weekly digest"
        blocks += [
            {
                "type": "section",
                "text": plain(f"{'🔒 ' if place.private else '#'}{place.name}\n{sentence}", 1000),
                "accessory": button("Digest …", DIGEST, place.channel.id),
            },
            {"type": "context", "elements": [plain(digest, 300)]},
        ]
    if len(rooms) > CHANNELS:
        more = f"… and {len(rooms) - CHANNELS} more: /roomtone channels lists them all."
        blocks.append({"type": "context", "elements": [plain(more, 300)]})
    blocks += [
        {"type": "divider"},
        {"type": "header", "text": plain("Your privacy", 135)},
        {"type": "section", "text": plain(PRIVACY, 2700)},
    ]
    return {"type": "home", "blocks": blocks}


def modal(place: Place, times: Times | None, zone: ZoneInfo) -> dict[str, Any]:
    """The modal in which a channel's digest is set; `zone` is what a new one is timed in."""
    shown = times or Times(USUAL_WEEKDAY, USUAL_HOUR, 0, zone.key)
    clock = f"{shown.hour:02}:{shown.minute:02}"
    hours = sorted({clock, *(f"{hour:02}:00" for hour in range(24))})
    zones = list(dict.fromkeys((shown.zone, zone.key, "UTC")))
    days = [(OFF, "No digest"), *((str(number), f"{name}s") for number, name in enumerate(WEEKDAYS))]
    return {
        "type": "modal",
        "callback_id": DIGEST,
        "private_metadata": place.channel.id,
        "title": plain("Weekly digest", 21),
        "submit": plain("Save", 21),
        "close": plain("Cancel", 21),
        "blocks": [
            {"type": "section", "text": plain(f"#{place.name}: everybody in the channel sees its digest.", 1000)},
            _select("weekday", "Day", days, str(shown.weekday)),
            _select("hour", "Hour", [(time, time) for time in hours], clock),
            _select("zone", "Time zone", [(name, name) for name in zones], shown.zone),
        ],
    }


def notice(words: str) -> dict[str, Any]:
    """The digest's modal with nothing to set in it, only `words`."""
    return {
        "type": "modal",
        "callback_id": DIGEST,
        "title": plain("Weekly digest", 21),
        "close": plain("Close", 21),
        "blocks": [{"type": "section", "text": plain(words, 2700)}],
    }


def chosen(view: Mapping[str, Any]) -> tuple[str, Times | None] | None:
    """The channel and times that a submitted modal holds (None: no digest); None if it is no such modal."""
    try:
        values = view["state"]["values"]
        weekday, hour, zone = (values[name][name]["selected_option"]["value"] for name in ("weekday", "hour", "zone"))
        channel = str(view["private_metadata"])
        if not re.fullmatch(r"[A-Z0-9]{1,40}", channel):
            return None
        if weekday == OFF:
            return channel, None
        clock, _, minute = str(hour).partition(":")
        return channel, Times(int(weekday), int(clock), int(minute or 0), ZoneInfo(zone).key)
    except (KeyError, TypeError, ValueError, OSError):
        return None


class Home:
    """Shows each person their Home, and keeps what they set there."""

    def __init__(
        self,
        calls: Calls,
        asking: Asking,
        people: People,
        kept: Subscriptions,
        us: Us,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._calls = calls
        self._asking = asking
        self._people = people
        self._kept = kept
        self._us = us
        self._clock = clock

    async def publish(self, user: str) -> None:
        """Show somebody their Home."""
        person = await self._people.person(user)
        places = await self._people.places(person)
        wanted = await self._kept.subscriptions(Platform.SLACK, self._us.workspace)
        digests = {each.channel: each.times for each in wanted if each.sort is Sort.DIGEST}
        rooms = [
            (place, await self._mood(place, user) if number < CHANNELS else "", digests.get(place.channel))
            for number, place in enumerate(places)
        ]
        try:
            await self._calls.write("views.publish", {"user_id": user, "view": home(rooms)})
        except PlatformError as error:
            _log.warning("a home could not be shown", why=str(error))

    async def clicked(self, name: str, value: str, asker: Asker, trigger: str) -> None:
        """Open what a button in Home asks for."""
        if name != DIGEST:
            return
        # A trigger is good for three seconds, and looking things up may take longer: the modal opens before that.
        try:
            opened = await self._calls.write("views.open", {"trigger_id": trigger, "view": notice(WORKING)})
        except PlatformError as error:
            _log.warning("a modal could not be opened", why=str(error))
            return
        try:
            view = await self._setting(value, asker)
        except RoomtoneError as error:
            view = notice(str(error))
        await self._fill(opened.get("view"), view)

    async def _setting(self, channel: str, asker: Asker) -> dict[str, Any]:
        """The modal for a channel's digest, or word that the asker may not see that channel."""
        person = await self._people.person(asker.user, team=asker.team)
        place = next((p for p in await self._people.places(person) if p.channel.id == channel), None)
        if place is None:
            return notice(NOT_SEEN)
        wanted = await self._kept.subscription(place.channel, Sort.DIGEST)
        return modal(place, None if wanted is None else wanted.times, person.zone)

    async def _fill(self, opened: Any, view: Mapping[str, Any]) -> None:
        """Put `view` into the place of the one that Slack said it `opened`, unless that was closed meanwhile."""
        facts = opened if isinstance(opened, dict) else {}
        try:
            await self._calls.write(
                "views.update", {"view_id": facts.get("id"), "hash": facts.get("hash"), "view": view}
            )
        except PlatformError as error:
            if not (isinstance(error, Refusal) and error.code == "not_found"):
                _log.warning("a modal could not be filled", why=str(error))

    async def submitted(self, body: Mapping[str, Any]) -> dict[str, str]:
        """Keep what a modal says; what is wrong with it by block, or nothing."""
        view = body.get("view")
        choice = chosen(view) if isinstance(view, dict) else None
        if choice is None:
            return {"weekday": "That could not be read; close this and open it again."}
        channel, times = self._us.channel(choice[0]), choice[1]
        user = body.get("user") or {}
        person = await self._people.person(str(user.get("id")), team=user.get("team_id"))
        if not await self._people.may_set(person, channel):
            return {"weekday": "Only the channel's creator or an admin, who is in it, can set its digest."}
        if times is None:
            await self._kept.unsubscribe(channel, Sort.DIGEST)
            return {}
        before = await self._kept.subscription(channel, Sort.DIGEST)
        about = (channel,) if before is None else before.channels
        # The first digest comes after this, not for a day that has just passed.
        await self._kept.subscribe(Subscription(channel, Sort.DIGEST, times, since=self._clock(), channels=about))
        return {}

    async def _mood(self, place: Place, user: str) -> str:
        try:
            asker = Asker(user, place.channel.id)
            answer = await self._asking.answer("mood last 7 days", asker, at=self._clock())
        except RoomtoneError as error:
            return str(error)
        return answer.lines[0] if answer.lines else answer.title


def _select(name: str, label: str, options: Sequence[tuple[str, str]], initial: str) -> Block:
    made = {value: {"text": plain(words, 67), "value": value} for value, words in options}
    element: Block = {"type": "static_select", "action_id": name, "options": list(made.values())}
    element["initial_option"] = made[initial]
    return {"type": "input", "block_id": name, "label": plain(label, 100), "element": element}
