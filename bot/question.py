"""Words → Question: one grammar on every platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.analysis import Kind
from bot.message import Channel, Pseudonym, Window


class Subject(StrEnum):
    """What a question is about; the first word of its text."""

    MOOD = "mood"
    ENTITIES = "entities"
    ENTITY = "entity"
    COMPARE = "compare"
    DIGEST = "digest"
    CHANNELS = "channels"
    EXPLAIN = "explain"
    STATUS = "status"
    PRIVACY = "privacy"
    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel that the asker may know about, and what it is called there (without '#')."""

    channel: Channel
    name: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A window and the words a person would use for it: 'last week', 'since Monday', 'March 2025'."""

    window: Window
    words: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things that are looked at: some channels over some time. No places means every visible one."""

    places: tuple[Place, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Question:
    """A question as understood.

    `sides` has one side, or two for `compare`; none for the subjects that need none. `name` is an entity's name as
    asked, `kind` a filter for `entities`, `topic` the word after `help`. `zone` is the asker's.
    """

    subject: Subject
    sides: tuple[Side, ...]
    asker: Pseudonym
    zone: ZoneInfo
    asked_at: datetime
    name: str | None = None
    kind: Kind | None = None
    topic: str | None = None


def parse(
    text: str,
    *,
    places: Sequence[Place],
    here: Place | None,
    now: datetime,
    zone: ZoneInfo,
    asker: Pseudonym,
) -> Question:
    """Understand `text` ('mood #general last week').

    `places` are the channels that the asker may ask about and `here` the one they ask in, which is meant when none is
    named. `now` is in UTC; words like 'last week' are read in `zone`. Raises QuestionError with the nearest
    suggestions.
    """
    raise NotImplementedError
