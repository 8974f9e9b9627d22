"""Words that change or show what is posted unasked: 'digest on monday 09:00 Europe/Berlin', 'alerts off'."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from rapidfuzz import process

from bot.days import WEEKDAYS
from bot.schedule import Times

USUAL_WEEKDAY, USUAL_HOUR = 0, 9
"""Monday, nine o'clock."""


class Verb(StrEnum):
    """What is to be done."""

    DIGEST_ON = "digest on"
    DIGEST_OFF = "digest off"
    WHEN = "digest when"
    PREVIEW = "digest preview"
    SEND_NOW = "digest send now"
    ALERTS_ON = "alerts on"
    ALERTS_OFF = "alerts off"

    @property
    def is_change(self) -> bool:
        """Does it change what a channel's people see, so that not everybody may say it?"""
        return self not in (Verb.WHEN, Verb.PREVIEW)


@dataclass(frozen=True, slots=True)
class Written:
    """An order as written: text[start:end] are the names of channels, or empty.

    `weekday`, `hour` and `minute` are None where nothing was said.
    """

    verb: Verb
    weekday: int | None
    hour: int | None
    minute: int | None
    zone: str | None
    start: int
    end: int

    def times(self, usual: ZoneInfo) -> Times:
        """When it is to be posted, in the zone that was said or else `usual`. Raises ValueError for no zone."""
        hour, minute = (USUAL_HOUR, 0) if self.hour is None else (self.hour, self.minute or 0)
        weekday = None if self.verb is Verb.ALERTS_ON else USUAL_WEEKDAY if self.weekday is None else self.weekday
        return Times(weekday, hour, minute, usual.key if self.zone is None else _zone(self.zone))


def read(text: str) -> Written | None:
    """The order that `text` is; None if it is none, such as a question for a digest."""
    plain = _plain(text)
    turned = _TURNED.fullmatch(plain)
    found = turned if turned and any(turned[name] for name in _WHEN) else _ORDER.fullmatch(plain)
    if found is None:
        return None
    verb = next((verb for name, verb in _VERBS.items() if found[name]), Verb.WHEN)
    if any(found[name] for name in _SAID_IN_VAIN[verb]):
        return None
    hour = int(found["hour"]) if found["hour"] else None
    if hour is not None and found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    day, ahead = found["day"], len(text) - len(plain)  # it is the beginning that was put plainly
    return Written(
        verb=verb,
        weekday=[name.lower() for name in WEEKDAYS].index(day.lower()) if day else None,
        hour=hour,
        minute=int(found["minute"]) if found["minute"] else None,
        zone=found["zone"],
        start=found.start("channels") + ahead if found["channels"] else len(text),
        end=found.end("channels") + ahead if found["channels"] else len(text),
    )


def begun(text: str) -> Verb | None:
    """Which order to post something `text` begins like, whether or not the rest can be understood."""
    found = _BEGUN.match(_plain(text))
    return None if found is None else Verb.ALERTS_ON if found["alerts"] else Verb.DIGEST_ON


def kind_of(word: str, verb: Verb, *, before: str) -> str:
    """What a word is that can't be understood where it stands, after `before`: 'the time'."""
    if word[0].isdigit():
        return "the time, which is one from 00:00 to 23:59"
    if "/" in word or _CLOCK_LAST.search(before):
        return "the time zone, which is one like Europe/Berlin"
    if verb is Verb.ALERTS_ON:
        return "the weekday, as alerts are looked for every day" if _DAY.fullmatch(word) else "one word"
    if word.lower() == "daily":
        return "the day, as a digest comes once a week"
    return "the weekday" if process.extractOne(word.capitalize(), WEEKDAYS, score_cutoff=70) else "one word"


def example(verb: Verb, channel: str) -> str:
    """An order as it can be given anywhere: 'digest on monday 09:00 for #backend'."""
    when = {Verb.DIGEST_ON: " monday 09:00", Verb.ALERTS_ON: " 09:00"}.get(verb, "")
    return f"{verb.value}{when} for {channel}"


_VERBS = {
    "on": Verb.DIGEST_ON, "off": Verb.DIGEST_OFF, "when": Verb.WHEN, "preview": Verb.PREVIEW, "send": Verb.SEND_NOW,
    "alerts": Verb.ALERTS_ON, "quiet": Verb.ALERTS_OFF,
}  # fmt: skip
_WHEN = ("weekly", "day", "daily", "hour", "zone")
_SAID_IN_VAIN = {verb: _WHEN for verb in Verb} | {Verb.DIGEST_ON: ("daily",), Verb.ALERTS_ON: ("weekly", "day")}
_DAYS = "|".join(WEEKDAYS)
_DAY = re.compile(rf"(?:{_DAYS})s?|weekly", re.IGNORECASE)
_BEGUN = re.compile(r"(?:please )?(?:(?:weekly )?digest|(?P<alerts>alerts?)) (?:on|start|enable)(?= )", re.IGNORECASE)
_DONE = (
    r"(?:please )?(?:"
    r"(?:weekly )?digest (?:(?P<on>on|start|enable)|(?P<off>off|stop|disable)|(?P<when>when)|(?P<preview>preview)"
    r"|(?P<send>send(?: it)?(?: now)?))"
    r"|schedule"
    r"|alerts? (?:(?P<alerts>on|start|enable)|(?P<quiet>off|stop|disable))"
    r")"
)
_AT = (
    rf"(?:(?P<weekly> weekly| every week)?(?: (?:on |every )?(?P<day>{_DAYS})s?)?(?P<daily> daily| every day)?"
    r"(?: (?:at )?(?P<hour>[01]?[0-9]|2[0-3])(?::(?P<minute>[0-5][0-9]))?(?: ?(?P<half>am|pm))?)?"
    r"(?:,? \(?(?P<zone>UTC|GMT|[A-Za-z]+/[A-Za-z_+\-0-9/]+)\)?)?)"
)
_CLOCK_LAST = re.compile(r" \d[\d:]* ?(?:am|pm)?$", re.IGNORECASE)
_CHANNELS = r"(?:,? (?:for |of |in |to )?(?:the )?(?P<channels>(?:#|<#|here\b|this |everywhere\b|for ).*?))"
_END = r"(?:,? (?:please|thanks|thank you))?[ .!?]*"
_ORDER = re.compile(rf"{_DONE}{_AT}{_CHANNELS}?{_END}", re.IGNORECASE)
_TURNED = re.compile(rf"{_DONE}{_CHANNELS}{_AT}{_END}", re.IGNORECASE)  # the channels before the time
_ASKED = r"(?:(?:please|can you|could you) )*"
_POST = r"(?:the |our )?(?:weekly )?(?P<post>digest|alert)s?"
_OTHERWISE = tuple(
    (re.compile(rf"{_ASKED}{said}(?!\w)", re.IGNORECASE), plainly)
    for said, plainly in (
        (rf"(?:turn|switch) (?P<way>on|off) {_POST}", r"\g<post> \g<way>"),
        (rf"(?:turn|switch) {_POST} (?P<way>on|off)", r"\g<post> \g<way>"),
        (rf"(?P<way>start|stop|enable|disable|preview|send) {_POST}", r"\g<post> \g<way>"),
        (rf"schedule {_POST}(?= \S)", r"\g<post> on"),
    )
)


def _plain(text: str) -> str:
    """An order that begins with its verb ('turn off the digest'), begun with what it is about ('digest off')."""
    for said, plainly in _OTHERWISE:
        if found := said.match(text):
            return found.expand(plainly) + text[found.end() :]
    return text


def _zone(written: str) -> str:
    """The name of a zone, however it is capitalised. Raises ValueError if there is none."""
    titled = "/".join("_".join(word.capitalize() for word in part.split("_")) for part in written.split("/"))
    for name in (written, titled, written.upper()):
        try:
            return ZoneInfo(name).key
        except (KeyError, ValueError, OSError):
            continue
    raise ValueError("no such zone")
