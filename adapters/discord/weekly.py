"""The weekly digest in the channels that want it: when it is due, and posted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from adapters.discord.asking import Answering
from adapters.discord.outlet import POSTED, Outlet, Room
from adapters.discord.translate import author, room
from bot.errors import RoomtoneError
from bot.message import Channel, Platform
from bot.privacy import Pseudonyms
from bot.question import Place, parse
from bot.store import Notes

DIGEST = "digest "
"""The notes of channels that want a digest; see `Setting.as_note`."""

LATEST = timedelta(hours=12)
"""How late a digest may still be posted; after that the week has moved on."""

LOOK_EVERY = 60.0
"""Seconds."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """When a channel's digest is posted: `weekday` 0 is Monday, `hour` and `minute` are in `zone`."""

    weekday: int
    hour: int
    minute: int
    zone: str

    def as_note(self) -> dict[str, Any]:
        """As a note's value."""
        return {"weekday": self.weekday, "hour": self.hour, "minute": self.minute, "zone": self.zone}

    def words(self) -> str:
        """As a sentence's end: 'on Mondays at 09:00 (Europe/Berlin)'."""
        return f"on {WEEKDAYS[self.weekday].capitalize()}s at {self.hour:02}:{self.minute:02} ({self.zone})"

    def last(self, now: datetime) -> datetime:
        """The latest moment at or before `now` at which a digest was due."""
        local = now.astimezone(ZoneInfo(self.zone))
        day = local.date() - timedelta(days=(local.weekday() - self.weekday) % 7)
        due = datetime(day.year, day.month, day.day, self.hour, self.minute, tzinfo=ZoneInfo(self.zone))
        return due if due <= now else due - timedelta(days=7)


def setting_of(note: object) -> Setting | None:
    """A channel's setting from its note; None if it wants no digest."""
    match note:
        case {"weekday": int(weekday), "hour": int(hour), "minute": int(minute), "zone": str(zone)}:
            return Setting(weekday, hour, minute, zone)
    return None


class Weekly:
    """Posts each channel's digest of the last week when it is due, at most once, whoever crashes."""

    def __init__(
        self,
        answers: Answering,
        outlet: Outlet,
        notes: Notes,
        pseudonyms: Pseudonyms,
        *,
        workspaces: Callable[[], Sequence[str]],
        place: Callable[[Channel], Room | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._answers = answers
        self._outlet = outlet
        self._notes = notes
        self._pseudonyms = pseudonyms
        self._workspaces = workspaces
        self._place = place
        self._clock = clock
        self._done: set[str] = set()

    async def run(self) -> None:
        """Post what is due, until cancelled."""
        while True:
            try:
                await self.post_due()
            except RoomtoneError as error:
                _log.warning("a digest waits", why=str(error))
            await asyncio.sleep(LOOK_EVERY)

    async def post_due(self) -> None:
        """Post every digest that is due and wasn't posted. Raises RoomtoneError."""
        for workspace in self._workspaces():
            for name, note in (await self._notes.notes(Platform.DISCORD, workspace, DIGEST)).items():
                setting = setting_of(note)
                if setting is not None:
                    await self._post(room(workspace, name.removeprefix(DIGEST)), setting)

    async def _post(self, channel: Channel, setting: Setting) -> None:
        now = self._clock()
        due = setting.last(now)
        key = f"digest {channel.id} {due:%Y-%m-%d}"
        target = self._place(channel)
        if key in self._done or now - due > LATEST or target is None:
            return
        posted = await self._notes.note(Platform.DISCORD, channel.workspace, POSTED + key)
        if posted is None or posted["message"] is None:
            place = Place(channel, target.name)
            question = parse(
                "digest last week",
                places=[place],
                here=place,
                now=now,
                zone=ZoneInfo(setting.zone),
                asker=author(self._pseudonyms, channel.workspace, 0),
            )
            answer = await self._answers.answer(question, visible=[place])
            if answer.ok:
                await self._outlet.post(target, channel, answer, key=key)
            else:
                _log.info("too little was said for a digest", channel=channel.id)
        self._done.add(key)
