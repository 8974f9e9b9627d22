"""Who may see what: members of channels, guests, admins and time zones. Kept in memory for minutes, never stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from cachetools import TTLCache

from adapters.slack.calls import Calls, Priority
from adapters.slack.translate import Us
from bot.errors import PlatformError
from bot.message import Channel, Platform
from bot.question import Place
from bot.store import ChannelSummary, Readings

MEMBERS_SECONDS = 60
PEOPLE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks. `whole` members see every public channel; guests and strangers only those they are in."""

    id: str = field(repr=False)
    zone: ZoneInfo
    whole: bool
    admin: bool | None
    """None: we may not know (no `users:read`)."""


class People:
    """What Slack says of people, asked for at most every few minutes."""

    def __init__(self, calls: Calls, readings: Readings, us: Us, *, zone: ZoneInfo) -> None:
        self._calls = calls
        self._readings = readings
        self._us = us
        self._zone = zone
        self._people: TTLCache[str, Person] = TTLCache(4096, PEOPLE_SECONDS)
        self._members: TTLCache[Channel, frozenset[str]] = TTLCache(1024, MEMBERS_SECONDS)

    async def person(self, user: str, *, team: str | None = None) -> Person:
        """Somebody by their id; `team` is theirs, where a payload names it. Who can't be looked up is a stranger."""
        if user in self._people:
            return self._people[user]
        try:
            answer = await self._calls.read("users.info", {"user": user})
        except PlatformError:
            return Person(user, self._zone, whole=False, admin=None)
        found = answer.get("user")
        facts = found if isinstance(found, dict) else {}
        foreign = (team or self._us.workspace) != self._us.workspace or facts.get("team_id") not in (
            None,
            self._us.workspace,
        )
        outside = any(facts.get(flag) for flag in ("is_restricted", "is_ultra_restricted", "is_stranger", "deleted"))
        admin = any(facts.get(flag) is True for flag in ("is_admin", "is_owner", "is_primary_owner"))
        person = Person(user, self._zone_of(facts.get("tz")), whole=not (foreign or outside), admin=admin)
        self._people[user] = person
        return person

    async def may_see(self, person: Person, place: Channel, *, private: bool) -> bool:
        """Whether somebody may be told numbers about a channel."""
        if person.whole and not private:
            return True
        return person.id in await self._members_of(place)

    async def may_set(self, person: Person, place: Channel) -> bool:
        """Whether somebody may change what is posted or read in a channel: its creator, or an admin.

        Any member, where we may not know who is an admin.
        """
        if not await self.may_see(person, place, private=True):
            return False
        if person.admin is not False:
            return True
        try:
            answer = await self._calls.read("conversations.info", {"channel": place.id})
        except PlatformError:
            return False
        found = answer.get("channel")
        return isinstance(found, dict) and found.get("creator") == person.id

    async def places(self, person: Person, *, here: str | None = None) -> tuple[Place, ...]:
        """Every channel that somebody may ask about. Whoever asks in the channel `here` is in it."""
        ours = [s for s in await self._readings.channels() if _is_ours(s, self._us)]
        visible = await asyncio.gather(*(self._visible(person, summary, here) for summary in ours))
        return tuple(
            Place(summary.channel, summary.name, _is_private(summary))
            for summary, seen in zip(ours, visible, strict=True)
            if seen
        )

    async def place(self, channel: Channel) -> Place | None:
        """One channel that is read now; None if it isn't."""
        for summary in await self._readings.channels():
            if summary.channel == channel and summary.gone is None:
                return Place(channel, summary.name, _is_private(summary))
        return None

    async def _visible(self, person: Person, summary: ChannelSummary, here: str | None) -> bool:
        return summary.channel.id == here or await self.may_see(person, summary.channel, private=_is_private(summary))

    async def _members_of(self, place: Channel) -> frozenset[str]:
        if place in self._members:
            return self._members[place]
        members: set[str] = set()
        try:
            arguments = {"channel": place.id, "limit": 1000}
            async for page in self._calls.pages("conversations.members", arguments, priority=Priority.LIVE):
                listed: Sequence[object] = page.get("members") or ()
                members.update(member for member in listed if isinstance(member, str))
        except PlatformError:
            return frozenset()  # nobody is shown what we can't check
        self._members[place] = frozenset(members)
        return self._members[place]

    def _zone_of(self, name: object) -> ZoneInfo:
        try:
            return ZoneInfo(name) if isinstance(name, str) else self._zone
        except (KeyError, ValueError, OSError):
            return self._zone


def _is_private(summary: ChannelSummary) -> bool:
    # A channel that we only know from messages has its id for a name, and may well be private.
    return summary.private or summary.name == summary.channel.id


def _is_ours(summary: ChannelSummary, us: Us) -> bool:
    channel = summary.channel
    return channel.platform is Platform.SLACK and channel.workspace == us.workspace
