"""Weekly digests: posted when due, once, and only if that isn't long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from adapters.slack.asking import Asking
from adapters.slack.calls import Refusal
from adapters.slack.home import Setting, digest_note, setting_of
from adapters.slack.outlet import Outlet
from adapters.slack.translate import Us
from bot.errors import PlatformError, RoomtoneError
from bot.message import Channel, Platform
from bot.store import Notes

LATEST = timedelta(days=2)
"""How late a digest may be posted, after a pause; later it is left out."""

_log = structlog.get_logger(__name__)


def due(setting: Setting, now: datetime) -> datetime:
    """The latest moment, in UTC, at which a digest was due; an hour that a clock change skips is the next one."""
    zone = ZoneInfo(setting.zone)
    today = now.astimezone(zone).date()
    day = today - timedelta(days=(today.weekday() - setting.weekday) % 7)
    moment = datetime.combine(day, time(setting.hour), tzinfo=zone).astimezone(UTC)
    if moment > now:
        day -= timedelta(days=7)
        moment = datetime.combine(day, time(setting.hour), tzinfo=zone).astimezone(UTC)
    return moment


class Digests:
    """Posts each channel's digest when it is due."""

    def __init__(self, asking: Asking, outlet: Outlet, notes: Notes, us: Us, *, clock: Callable[[], datetime]) -> None:
        self._asking = asking
        self._outlet = outlet
        self._notes = notes
        self._us = us
        self._clock = clock

    async def post(self) -> None:
        """Post what is due now. What Slack can't be sure about is tried again; twice it is never posted."""
        settings = await self._notes.notes(Platform.SLACK, self._us.workspace, digest_note(""))
        for name, note in settings.items():
            setting = setting_of(note)
            if setting is None:
                continue
            channel = self._us.channel(name.removeprefix(digest_note("")))
            moment = due(setting, self._clock())
            since = datetime.fromisoformat(note["since"]) if "since" in note else moment
            if moment < since or self._clock() - moment > LATEST or await self._is_done(channel, moment):
                continue
            try:
                await self._post(channel, setting, moment)
            except Refusal as refusal:
                _log.warning("a digest was refused", channel=channel.id, why=str(refusal))
            except (PlatformError, RoomtoneError) as error:
                _log.warning("a digest waits", channel=channel.id, why=str(error))
                continue
            done = {"at": moment.isoformat()}
            await self._notes.write(Platform.SLACK, self._us.workspace, _done(channel), done)

    async def _post(self, channel: Channel, setting: Setting, moment: datetime) -> None:
        answer = await self._asking.digest(channel, ZoneInfo(setting.zone), moment)
        if answer is None or not answer.ok:
            _log.info("a digest has too little to say", channel=channel.id)
            return
        await self._outlet.post(channel, answer, key=f"digest {channel.id} {moment:%Y-%m-%dT%H}")

    async def _is_done(self, channel: Channel, moment: datetime) -> bool:
        done = await self._notes.note(Platform.SLACK, self._us.workspace, _done(channel))
        return isinstance(done, dict) and done.get("at") == moment.isoformat()


def _done(channel: Channel) -> str:
    return f"digested {channel.id}"
