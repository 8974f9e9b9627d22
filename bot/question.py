"""What can be asked, and a question as understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from bot.analysis import Kind
from bot.message import Channel, Pseudonym
from bot.orders import Verb
from bot.schedule import Times
from bot.when import Span as Span

LONGEST = 500
"""The most characters of a question; longer ones are refused unread."""


class Subject(StrEnum):
    """What a question is about; the first word of its text."""

    MOOD = "mood"
    ENTITIES = "entities"
    ENTITY = "entity"
    COMPARE = "compare"
    TRENDS = "trends"
    PATTERN = "pattern"
    DIGEST = "digest"
    SCHEDULE = "schedule"
    CHANNELS = "channels"
    EXPLAIN = "explain"
    STATUS = "status"
    PRIVACY = "privacy"
    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class About:
    """How a subject is asked for.

    `line` says in a sentence what one gets, `usage` is its form, `examples` are whole questions (the first needs no
    channel), `also` are other words for it, and `span` is the time that is meant when none is said.
    """

    line: str
    usage: str
    examples: tuple[str, ...]
    also: tuple[str, ...] = ()
    span: str | None = None


SUBJECTS: Mapping[Subject, About] = MappingProxyType(
    {
        Subject.MOOD: About(
            "How a channel feels, over time.",
            "mood [#channel] [time]",
            ("mood last week", "mood #general since Monday", "how is the mood in #general this month?"),
            ("sentiment", "vibe", "vibes", "feeling", "feelings", "atmosphere", "morale"),
            "last 30 days",
        ),
        Subject.ENTITIES: About(
            "The people, organizations, places, products and works that a channel talks about.",
            "entities [people|organizations|places|products|works] [#channel] [time]",
            ("entities this month", "entities products #general", "what are people talking about in #general?"),
            ("topics", "names", "mentions"),
            "last 30 days",
        ),
        Subject.ENTITY: About(
            "How often something is named, and the mood of the messages that name it.",
            'entity NAME [#channel] [time]; quotes help: entity "March"',
            (
                "entity Jenkins",
                'entity "Visual Studio Code" last month',
                "what do people think of Jenkins in #general?",
            ),
            (),
            "last 30 days",
        ),
        Subject.COMPARE: About(
            "Two channels over one time, or one channel over two times.",
            "compare [#channel] [time] with [#channel] [time]",
            ("compare last week with the week before", "compare this month", "compare March with April"),
            ("comparison", "difference", "diff"),
            "last week",
        ),
        Subject.TRENDS: About(
            "What is named most, each with its mood over time.",
            "trends [people|organizations|places|products|works] [#channel] [time]",
            ("trends this month", "trends products #general last 3 months", "entities trend last month"),
            ("trend", "trending"),
            "last 3 months",
        ),
        Subject.PATTERN: About(
            "How the days and hours of a week differ, several weeks taken together, as a heat map.",
            "pattern [#channel] [time]",
            ("pattern last 3 months", "week pattern #general last month", "heatmap #general"),
            ("patterns", "heatmap", "heat map", "week pattern", "weekly pattern", "rhythm"),
            "last 3 months",
        ),
        Subject.DIGEST: About(
            "The week in one post: what changed and what moved it.",
            "digest [#channel] [week]",
            ("digest", "digest #general week 7", "digest last week"),
            ("summary", "report", "recap", "weekly"),
            "last week",
        ),
        Subject.SCHEDULE: About(
            "When a channel's digest comes by itself, and whether it is told of a sharp drop.",
            "digest on [weekly] [monday 09:00 Europe/Berlin] [for #a #b], digest off | when | preview | send now, "
            "alerts on | off",
            ("schedule", "digest on monday 09:00 Europe/Berlin", "digest when", "digest off", "alerts on"),
            ("alerts", "alert", "subscription", "subscribe", "unsubscribe"),
        ),
        Subject.CHANNELS: About(
            "The channels you may ask about, and how much was read in each.",
            "channels",
            ("channels",),
            ("list", "rooms"),
        ),
        Subject.EXPLAIN: About(
            "How the numbers are made: which model read what, and what was left out.",
            "explain [#channel] [time]",
            ("explain last week", "how is this calculated?"),
            ("how", "why", "method"),
            "last 30 days",
        ),
        Subject.STATUS: About(
            "Whether Roomtone is up to date, what is waiting, and what hosted inference used.",
            "status",
            ("status",),
            ("health", "ping"),
        ),
        Subject.PRIVACY: About(
            "What is kept about you, for how long, and how to leave.",
            "privacy",
            ("privacy", "what do you know about me?"),
            ("data", "gdpr"),
        ),
        Subject.OPT_OUT: About(
            "Take yourself out of every number, and keep nothing of yours from now on.",
            "opt-out",
            ("opt-out", "forget me"),
            ("optout", "opt out"),
        ),
        Subject.OPT_IN: About(
            "Be counted again from now on.",
            "opt-in",
            ("opt-in",),
            ("optin", "opt in"),
        ),
        Subject.HELP: About(
            "What you can ask.",
            "help [subject]",
            ("help", "help mood", "help times"),
            ("?", "usage", "commands"),
        ),
    }
)
"""Everything that can be asked, in the order to show it; help, completion, commands and the docs draw from here."""

TIMES = "times"
"""The topic of `help` about stretches of time, for which `bot.when.EXAMPLES` are."""

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        word: kind
        for kind, words in {
            Kind.PERSON: "people person persons humans who",
            Kind.ORGANIZATION: "organizations organization organisations organisation orgs org companies company firms "
            "institutions",
            Kind.LOCATION: "places place locations location cities city countries country where",
            Kind.PRODUCT: "products product tools tool software apps app services service technologies technology",
            Kind.WORK: "works work books book films film movies movie songs song albums shows",
            Kind.OTHER: "others other events misc",
        }.items()
        for word in words.split()
    }
)
"""The words for a kind of entity; the first of each is the one to show."""


@dataclass(frozen=True, slots=True)
class Place:
    """A channel that the asker may know about, and what it is called there (without '#')."""

    channel: Channel
    name: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things that are looked at: some channels over some time. No places means every visible one."""

    places: tuple[Place, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done about what is posted in `target`; `times` belong to DIGEST_ON and ALERTS_ON."""

    verb: Verb
    target: Place
    times: Times | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question as understood.

    `sides` has one side, or two for `compare` (as said: the first is what the second is held against); none for the
    subjects that need none. `name` is an entity's name as asked, `kind` a filter for `entities`, `topic` a subject or
    TIMES after `help`. `order` belongs to `schedule`, whose side has the channels it is about. `zone` is the asker's.
    """

    subject: Subject
    sides: tuple[Side, ...]
    asker: Pseudonym
    zone: ZoneInfo
    asked_at: datetime
    name: str | None = None
    kind: Kind | None = None
    topic: str | None = None
    order: Order | None = None
