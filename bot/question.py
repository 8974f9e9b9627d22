"""Words → Question: one grammar on every platform."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum
from functools import cached_property
from itertools import chain, islice, pairwise
from types import MappingProxyType
from zoneinfo import ZoneInfo

from rapidfuzz import process

from bot import orders, when
from bot.analysis import Kind
from bot.errors import QuestionError
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
    named. `now` is in UTC; words like 'last week' are read in `zone`. Raises QuestionError, whose suggestions are whole
    questions that can be asked as they stand; a channel outside `places` is unknown, whatever the reason.
    """
    if len(text) > LONGEST:
        raise QuestionError(f"That question is too long: use at most {LONGEST} characters.", ("mood last week", "help"))
    asking = _Asking(_Names(places), here, now, zone, asker)
    text = _plain(_unquoted(_LEADING.sub("", when.normal(text)).strip()))
    try:
        return _understood(text, asking)
    except _Puzzle as puzzle:
        message = (_misordered(text, asking) if puzzle.message.startswith(_IN_PART) else None) or puzzle.message
        raise QuestionError(message, _suggested(text, puzzle, asking)) from None


# What was asked


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks, where and when, and the channels they may ask about."""

    names: _Names
    here: Place | None
    now: datetime
    zone: ZoneInfo
    asker: Pseudonym

    def question(self, subject: Subject, *sides: Side) -> Question:
        """A question of this asker."""
        return Question(subject, sides, self.asker, self.zone, self.now)

    def near(self, found: Sequence[Place]) -> Sequence[Place]:
        """Those of `found` in the asker's own workspace, or all if none is."""
        if self.here is None or len(found) < 2:
            return found
        own = self.here.channel
        return [p for p in found if (p.channel.platform, p.channel.workspace) == (own.platform, own.workspace)] or found

    def label(self, place: Place) -> str:
        """The shortest way for the asker to name `place` alone."""
        own = place.channel
        for label in (place.name, f"{own.workspace}/{place.name}", f"{own.platform}/{own.workspace}/{place.name}"):
            if tuple(self.near(self.names.called(label))) == (place,):
                return f"#{label}"
        return f"<#{own.id}>"


class _Puzzle(Exception):
    """What isn't understood: text[start:end], for which `meant` may have been written, or `instead` the whole.

    The message holds nothing of the text: what people write is in no error.
    """

    def __init__(
        self, message: str, start: int, end: int, *, meant: Sequence[str] = (), instead: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end
        self.meant, self.instead = tuple(meant), tuple(instead)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LEADING = re.compile(r"^(?:[/!]?\s*roomtone\b[ ,:]*)?/?\s*", re.IGNORECASE)
_TRAILING = " .,;:!?"
_IN_PART = "I understood only a part of that"
_SETTINGS = re.compile(
    r"(?:on|off|send|stop|start|enable|disable)\b(?: ?(?:weekly|daily|monthly|every) .*)"
    r"|(?:daily|monthly|every (?!channel)\w+)\b.*",
    re.IGNORECASE,
)

# Words that carry no meaning of their own in a question.
_IDLE = _words(
    "a about all also am an and any are around at been being by came can channel channels come could current did do "
    "does doing during everybody everyone far feel feeling feelings feels felt for from get gets getting give going "
    "got had happen happened has have hello hey hi how how's i in is it its just lately main me mood most my now of "
    "often on our out over overall people please right roomtone see sentiment show so some team tell thank thanks "
    "that the their them there these they things think this throughout to top up us was we were what what's whats "
    "which who with within would you your & +"
)
# What people may be: 'is everyone ok?' asks for their mood.
_FEELINGS = _words(
    "happy happier happiest unhappy sad angry stressed tense calm calmer upset frustrated positive negative low lower "
    "high good great bad better worse best worst ok okay fine"
)
_FELT_BY = _words("we people everyone everybody they team folks it things mood")
_ASKING = _words("how how's is are was were")
_BETWEEN_SIDES = _words("with vs vs. versus against to and than compared compare & between or / from by")
_COMPARING = _words("vs vs. versus compare compares compared against than better worse happier")
_SPLITTING = _words("with vs vs. versus against")
_OF_A_YEAR = re.compile(r" (?:19|20|21)\d\d$")
_LINKS = _words("in on during over for of at from within")

_WISH = r"(?:i(?:'d like| want| would like) to )?"
_PEOPLE = r"(?:people|everyone|everybody|we|they|folks|you|the team|the others|others|us)"
_SUPERLATIVE = "happiest|saddest|angriest|calmest|best|worst|lowest|highest|busiest|quietest|most [a-z]+|least [a-z]+"
_OPENINGS: tuple[tuple[re.Pattern[str], Subject], ...] = tuple(
    (re.compile(rf"(?:please )?(?:{pattern})", re.IGNORECASE), subject)
    for pattern, subject in (
        (
            rf"{_WISH}(?:opt(?: me)?[ -]?out|optout|forget me|leave me out|remove me$"
            r"|(?:don't|do not|stop) (?:count|read|track|watch|analy[sz])(?:e|ing)? me)\b.*",
            Subject.OPT_OUT,
        ),
        (rf"{_WISH}(?:opt(?: me)?[ -]?(?:back )?in|optin|count me)\b.*", Subject.OPT_IN),
        (
            r"what (?:\w+ )?(?:do|does|did|can) (?:you|roomtone|it) (?:know|store|keep|see|save|read|collect|track)\b.*"
            r"|(?:do|does|did) (?:you|roomtone|it) (?:store|keep|save|read|collect|track)\b.*"
            r"|(?:is|are) (?:this|it|that|you|my \w+) (?:anonymous|private|safe|confidential)\b.*"
            r"|who (?:can|will) (?:see|read|know)\b.*",
            Subject.PRIVACY,
        ),
        (
            r"what can (?:i|you|one|we) (?:ask|do)\b.*|what (?:do|can) you do\b.*|(?:who|what) are you\b.*",
            Subject.HELP,
        ),
        (r"(?:are|is) (?:you|roomtone) (?:ok|okay|alive|there|up|up to date|working|running)\b.*", Subject.STATUS),
        (r"(?:show|list|name)(?: me)?(?: all)?(?: of)?(?: the| your| my)? (?:channels|rooms)\b", Subject.CHANNELS),
        (
            r"when(?:'s|s| is| are| does| do| will) (?:the )?(?:(?:next|weekly) )*(?:digest|alert)s?"
            r"(?: (?:come|be|is|posted|due|sent))*\b",
            Subject.SCHEDULE,
        ),
        (
            r"(?:when|(?:which|what) (?:time|(?:week)?days?|hours?))(?: of (?:the )?(?:day|week))?"
            rf"(?: (?:is|are|was|were|do|does|feels?|the|mood|{_PEOPLE}))* (?:{_SUPERLATIVE})\b",
            Subject.PATTERN,
        ),
        (
            rf"(?:the )?(?:{_SUPERLATIVE}) (?:times?|hours?|(?:week)?days?)(?: of (?:the )?(?:day|week))?\b",
            Subject.PATTERN,
        ),
        (r"why (?:is|are|was|were|did|do|does|has|have)\b", Subject.DIGEST),
        (
            r"how (?:is|are|was|were|do|did|does) (?:you|this|that|it|these|the numbers?|the score|the mood)?\b ?"
            r"(?:made|calculated?|computed?|measured?|works?|know(?: this| that| it)?)\b",
            Subject.EXPLAIN,
        ),
        (r"(?:which|what) model\b.*|what (?:does|do) .{1,40} mean\b.*", Subject.EXPLAIN),
        (r"(?:the )?most (?:mentioned|discussed|named|talked about)\b", Subject.ENTITIES),
        (
            r"(?:what|who|which)(?:'s| \w+)? (?:(?:is|are|was|were|do|did|does|has|have|got|get|being|been|most|often|"
            rf"{_PEOPLE}) )*(?:talk(?:ing|ed|s)?(?: about)?|mention(?:ed|ing|s)?|discuss(?:ed|ing)?"
            r"|say(?:ing|s)?(?! about| of))\b",
            Subject.ENTITIES,
        ),
        (
            r"what(?:'s| has| have| did)? (?:happened|changed|i miss(?:ed)?|new)\b|catch me up\b"
            r"|sum(?:marise|marize| up)\b",
            Subject.DIGEST,
        ),
    )
)
_ABOUT = re.compile(
    rf"(?:(?:what|how) (?:do|does|did|are|is|was|were|has|have) {_PEOPLE} "
    r"(?:think|thinking|thought|feel|feeling|felt|say|saying|said) (?:about|of|on)"
    r"|(?:(?:what|how) (?:is|was) )?(?:the )?(?:mood|sentiment|feelings?|opinions?) (?:about|towards?)"
    r"|tell me about|(?:and )?(?:what|how) about|mentions of|about) (?=\S)",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:(?:please|show(?: me)?|(?:give|send) me|tell me|can you|could you|what(?:'s| is| was| are| were)?"
    r"|how(?:'s| is| was| are| were)|the|our|and|hi|hey|hello|get|see|about|of|top(?: \d{1,3}\b)?|main) )+",
    re.IGNORECASE,
)
_HOW = re.compile(r"how(?:'s| is| are| was| were| has| have| did| do| does| feels?| about)\b", re.IGNORECASE)
_FIRST_WORDS: Mapping[str, Subject] = {
    word: subject for subject, about in SUBJECTS.items() for word in (subject.value, *about.also)
}
_FIRST = re.compile(
    rf"(?:{'|'.join(re.escape(word) for word in sorted(_FIRST_WORDS, key=len, reverse=True))})(?![\w/-]|['.]\w)",
    re.IGNORECASE,
)


_UNSPLIT = r"(?:(?! (?:with|vs|versus|against|to) ).)"
_OTHERWISE = tuple(
    (re.compile(said, re.IGNORECASE), plainly)
    for said, plainly in (
        (
            r"how (?:often|much|many times) (?:is|are|was|were|has|have) (?P<name>.+?)(?: been)? "
            r"(?:mentioned|named|discussed|talked about)\b",
            r"mentions of \g<name>",
        ),
        (
            # 'compare between 3 and 9 March with …' has one time there.
            r"(?:what(?:'s| is| was) )?(?:the )?(?:difference|compare|comparison) between (?!\d+ and )"
            rf"(?P<one>{_UNSPLIT}+?) and (?P<other>{_UNSPLIT}+)$",
            r"compare \g<one> with \g<other>",
        ),
    )
)


def _plain(text: str) -> str:
    """What says its subject around its object, with the subject first."""
    for said, plainly in _OTHERWISE:
        if found := said.match(text):
            return found.expand(plainly) + text[found.end() :]
    return text


def _unquoted(text: str) -> str:
    """A question that was copied with the quotes around it, without them."""
    quoted = _QUOTED.fullmatch(text)
    inside = quoted[0][1:-1] if quoted else ""
    return inside if " " in inside and _first_word(inside, 0) else text


def _understood(text: str, asking: _Asking) -> Question:
    if not text.strip(_TRAILING):
        return asking.question(Subject.HELP)
    if (written := orders.read(text)) is not None:
        return _ordered(written, text, asking)
    for pattern, subject in _OPENINGS:
        if opening := pattern.match(text):
            question = _about(subject, text, opening.end(), asking)
            asked = re.match(r"(?:which|what) (\w+)|who", opening[0].lower())
            kind = KINDS.get(asked[1] or asked[0]) if asked and subject is Subject.ENTITIES else None
            return question if kind is None else replace(question, kind=kind)
    if opening := _ABOUT.match(text):
        return _entity(text, opening.end(), asking, about=True)
    polite = _POLITE.match(text)
    if first := _first_word(text, 0) or (_first_word(text, polite.end()) if polite else None):
        return _about(*first, asking)
    if opening := _HOW.match(text):
        return _about(Subject.MOOD, text, opening.end(), asking)
    return _anywhere(text, polite.end() if polite else 0, asking)


def _first_word(text: str, start: int) -> tuple[Subject, str, int] | None:
    found = _FIRST.match(text, start)
    # 'how' and 'why' alone ask for an explanation; before other words they begin a sentence.
    if not found or (found[0].lower() in ("how", "why") and text[found.end() :].strip(_TRAILING)):
        return None
    return _FIRST_WORDS[found[0].lower()], text, found.end()


def _anywhere(text: str, start: int, asking: _Asking) -> Question:
    """A question whose subject comes later ('#general mood'), or goes without saying ('#general last week')."""
    parts = tuple(_parts(text, start, asking))
    words = [part.text.lower() for part in parts if part.sort is _Sort.WORD]
    for word in words:
        if word in _FIRST_WORDS and word not in ("how", "why"):
            return _sided(_FIRST_WORDS[word], parts, asking)
    if words and words[0] in KINDS:
        return _sided(Subject.ENTITIES, parts, asking)
    if any(part.sort in (_Sort.WHERE, _Sort.TIME) for part in parts) or _is_of_feelings(words):
        return _sided(Subject.MOOD, parts, asking)
    if len(parts) == 1 and parts[0].sort is _Sort.QUOTED:
        return _entity(text, start, asking)
    start, end = (parts[0].start, parts[0].end) if parts else (0, len(text))
    raise _Puzzle("I don't know how to answer that: begin with 'mood', 'entities' or 'help'.", start, end)


def _is_of_feelings(words: Sequence[str]) -> bool:
    """'Is everyone ok?' asks for the mood; 'ok', which a person may well reply, asks for nothing."""
    return (
        words[:1] != [] and words[0] in _ASKING and not _FEELINGS.isdisjoint(words) and not _FELT_BY.isdisjoint(words)
    )


def _about(subject: Subject, text: str, start: int, asking: _Asking) -> Question:
    rest = text[start:].strip(_TRAILING)
    match subject:
        case Subject.HELP:
            return replace(asking.question(subject), topic=_topic(rest))
        case Subject.CHANNELS | Subject.STATUS | Subject.PRIVACY | Subject.OPT_OUT | Subject.OPT_IN:
            return asking.question(subject)
        case Subject.ENTITY:
            return _entity(text, start, asking)
        case Subject.DIGEST if _SETTINGS.fullmatch(rest):
            raise _Puzzle(
                f"{_IN_PART}: write it like 'digest on monday 09:00 Europe/Berlin'.",
                start,
                len(text),
                instead=("schedule", "digest"),
            )
        case Subject.SCHEDULE:
            return _ordered(orders.Written(Verb.WHEN, None, None, None, None, start, len(text)), text, asking)
        case (
            Subject.MOOD
            | Subject.ENTITIES
            | Subject.COMPARE
            | Subject.TRENDS
            | Subject.PATTERN
            | Subject.DIGEST
            | Subject.EXPLAIN
        ):
            return _sided(subject, _parts_of(subject, text, start, asking), asking)


def _parts_of(subject: Subject, text: str, start: int, asking: _Asking) -> tuple[_Part, ...]:
    """The pieces; 'A to B' is two sides of a comparison that neither another word splits nor more times fill."""
    if subject is Subject.COMPARE and _SPLITTING.isdisjoint(text[start:].lower().split()):
        parts = tuple(_parts(text, start, asking, bare_to=False))
        if sum(part.sort is _Sort.TIME for part in parts) <= 2:
            return parts
    return tuple(_parts(text, start, asking))


def _ordered(written: orders.Written, text: str, asking: _Asking) -> Question:
    """An order for the channel it is given in; given outside of any, for the one that it names."""
    parts = list(_parts(text[: written.end], written.start, asking)) if written.start < len(text) else []
    for part in parts:
        if part.sort is not _Sort.WHERE and part.text.lower() not in (*_IDLE, *_BETWEEN_SIDES):
            raise _strange(part, parts)
    named = list(dict.fromkeys(place for part in parts for place in part.places))
    if any(part.sort is _Sort.WHERE and not part.places for part in parts):
        raise _Puzzle("Name the channels one by one.", written.start, len(text), instead=("schedule",))
    # Where it is posted and what it is about differ only for a digest; the rest is of the channel that is named.
    is_about_others = written.verb is Verb.DIGEST_ON and asking.here is not None
    target = asking.here if is_about_others or not named else named[0]
    if target is None:
        such = orders.example(written.verb, _any_channel(asking))
        raise _Puzzle(
            f"There is no channel here: name one. For example: '{such}'.", 0, len(text), instead=("channels",)
        )
    try:
        times = written.times(asking.zone) if written.verb in (Verb.DIGEST_ON, Verb.ALERTS_ON) else None
    except ValueError:
        raise _Puzzle(
            "I don't know that time zone: names look like Europe/Berlin.", 0, len(text), instead=("schedule",)
        ) from None
    if len(named) > 1 and not is_about_others:
        raise _Puzzle("One channel at a time: name only one.", written.start, len(text), instead=("schedule",))
    span = when.read("last week", now=asking.now, zone=asking.zone)
    asked = asking.question(Subject.SCHEDULE, Side(tuple(named) or (target,), span))
    return replace(asked, order=Order(written.verb, target, times))


def _misordered(text: str, asking: _Asking) -> str | None:
    """Which part of an order isn't understood, and how it is written, if without one word it were an order."""
    verb = orders.begun(text)
    if verb is None:
        return None
    somewhere = replace(asking, here=asking.here or next(iter(asking.names.first(1)), None))
    for word in re.finditer(r" ([^\s,]+)", text):
        try:
            order = _understood(text[: word.start()] + text[word.end() :], somewhere).order
        except _Puzzle:
            continue
        if order is not None and order.verb is verb:
            such = orders.example(verb, _any_channel(asking))
            return (
                f"{_IN_PART}, not {orders.kind_of(word[1], verb, before=text[: word.start()])}: write it like '{such}'."
            )
    return None


def _any_channel(asking: _Asking) -> str:
    """A channel for an example: the one it is asked in, or else one that there is."""
    places = (asking.here,) if asking.here else asking.names.first(1)
    return asking.label(places[0]) if places else "#backend"


def _topic(rest: str) -> str | None:
    word = re.sub(r"^(?:me )?(?:with |about |on )?", "", rest.lower())
    if word in ("time", "times", "date", "dates", "range", "ranges", "when"):
        return TIMES
    subject = _FIRST_WORDS.get(word)
    return None if subject is None else subject.value


# Channels and times


def _sided(subject: Subject, parts: Sequence[_Part], asking: _Asking) -> Question:
    if subject in (Subject.CHANNELS, Subject.STATUS, Subject.PRIVACY, Subject.OPT_OUT, Subject.OPT_IN, Subject.HELP):
        return asking.question(subject)
    if subject is Subject.SCHEDULE:  # its word came late: '#general alerts'
        raise _strange(parts[0], parts)
    if subject is Subject.MOOD and any(part.sort is _Sort.WORD and part.text.lower() in _COMPARING for part in parts):
        subject = Subject.COMPARE
    if subject is Subject.ENTITIES and any(part.text.lower() in ("trend", "trends", "time") for part in parts):
        subject = Subject.TRENDS
    kind, name = None, None
    for part in parts:
        word = part.text.lower()
        meant = KINDS.get(word) if part.sort is _Sort.WORD and subject in _OF_A_KIND else None
        if part.sort is _Sort.QUOTED and subject is Subject.MOOD:
            subject, name = Subject.ENTITY, part.text
        elif meant and kind in (None, meant):
            kind = meant
        elif meant:
            raise _Puzzle("One kind at a time: name one, or none for all of them.", part.start, part.end, meant=("",))
        elif part.sort is _Sort.QUOTED or (part.sort is _Sort.WORD and not _is_idle(word, subject)):
            raise _strange(part, parts, more=_MORE.get(subject, ""))
    return replace(asking.question(subject, *_sides(subject, parts, asking)), kind=kind, name=name)


_OF_A_KIND = (Subject.ENTITIES, Subject.TRENDS)
_MORE = {Subject.COMPARE: ": channels and times can be compared"}
_FELT = (Subject.MOOD, Subject.COMPARE, Subject.PATTERN, Subject.DIGEST)


def _is_idle(word: str, subject: Subject) -> bool:
    """Says `word` nothing that isn't said already?"""
    if word in _IDLE or _FIRST_WORDS.get(word) is subject:
        return True
    if subject in _FELT and word in _FEELINGS:
        return True
    if subject is Subject.PATTERN and word == "week":
        return True
    if subject is Subject.EXPLAIN:
        return word in _FIRST_WORDS or word in _BETWEEN_SIDES or word in ("made", "calculated", "computed", "measured")
    if subject in (Subject.MOOD, Subject.TRENDS):  # a mood is always shown over time; trends are those of entities
        return _FIRST_WORDS.get(word) in (Subject.ENTITIES, Subject.TRENDS) or word in (
            "time",
            "chart",
            "graph",
            "plot",
            "history",
            "or",
        )
    return subject is Subject.COMPARE and word in _BETWEEN_SIDES


def _sides(subject: Subject, parts: Sequence[_Part], asking: _Asking) -> tuple[Side, ...]:
    wheres = [part for part in parts if part.sort is _Sort.WHERE]
    times = [part for part in parts if part.sort is _Sort.TIME]
    if subject is Subject.COMPARE:
        return _two_sides(wheres, times, asking)
    if len(times) > 1:
        channels = " and ".join(part.text for part in wheres)
        raise _Puzzle(
            "That names more than one time: ask about one, or compare two.",
            times[1].start,
            times[1].end,
            meant=("",),
            instead=(f"compare {channels} {times[0].text} with {times[1].text}",),
        )
    return (Side(_together(wheres, asking), _span(subject, times, asking)),)


def _two_sides(wheres: Sequence[_Part], times: Sequence[_Part], asking: _Asking) -> tuple[Side, Side]:
    pieces = sorted((*wheres, *times), key=lambda part: part.start)
    # 'this week with last week in #a and #b' is the same channels twice; '#a this week with #b last week' isn't.
    is_of_times = len(times) == 2 and sum(a.sort is not b.sort for a, b in pairwise(pieces)) <= 1
    if len(times) > 2 or (len(wheres) > 2 and not is_of_times):
        extra = (wheres if len(wheres) > 2 else times)[2]
        raise _Puzzle(
            "Only two things can be compared: two channels or two times.", extra.start, extra.end, meant=("",)
        )
    first = _span(Subject.COMPARE, times, asking)
    if len(times) == 2:
        first = _in_the_year_of(times[1], times[0], asking) or first
        second = _read(times[1], asking, beside=first)
    elif len(wheres) == 2:
        second = first
    else:
        try:
            second = when.preceding(first, now=asking.now, zone=asking.zone)
        except QuestionError as error:
            start, end = (times[0].start, times[0].end) if times else (0, 0)
            raise _Puzzle(str(error), start, end, meant=("last week", "last month")) from None
    if len(wheres) == 2 and not is_of_times:
        return Side(wheres[0].places, first), Side(wheres[1].places, second)
    where = _together(wheres, asking)
    return Side(where, first), Side(where, second)


def _in_the_year_of(dated: _Part, part: _Part, asking: _Asking) -> Span | None:
    """`part` in the year that `dated` ends with and that it leaves open: 'Q1' of 'Q1 with Q2 2025'."""
    year = _OF_A_YEAR.search(dated.text)
    if year is None or _OF_A_YEAR.search(part.text):
        return None
    try:
        return when.read(f"{part.text}{year[0]}", now=asking.now, zone=asking.zone)
    except QuestionError:
        return None


def _together(wheres: Sequence[_Part], asking: _Asking) -> tuple[Place, ...]:
    if not wheres:
        return () if asking.here is None else (asking.here,)
    if any(not where.places for where in wheres):
        return ()
    return tuple(dict.fromkeys(place for where in wheres for place in where.places))


def _span(subject: Subject, times: Sequence[_Part], asking: _Asking) -> Span:
    if times:
        return _read(times[0], asking)
    return when.read(SUBJECTS[subject].span or "last 30 days", now=asking.now, zone=asking.zone)


def _read(part: _Part, asking: _Asking, *, beside: Span | None = None) -> Span:
    try:
        return when.read(part.text, now=asking.now, zone=asking.zone, beside=beside)
    except QuestionError as error:
        raise _Puzzle(str(error), part.start, part.end, meant=error.suggestions) from None


# An entity's name


def _entity(text: str, start: int, asking: _Asking, *, about: bool = False) -> Question:
    """A name, and around it a channel and a time; quotes keep a name whole that reads like one of those.

    After 'what about', which leaves the subject open, a channel or a time alone asks for its mood.
    """
    parts = list(_parts(text, start, asking, naming=not about))
    asides: list[_Part] = []
    if quoted := next((part for part in parts if part.sort is _Sort.QUOTED), None):
        name, asides = quoted.text, [part for part in parts if part is not quoted]
        for part in asides:
            if part.sort is _Sort.QUOTED or (part.sort is _Sort.WORD and part.text.lower() not in _IDLE):
                raise _strange(part, parts)
    else:
        while len(parts) > (0 if about else 1) and _is_aside(parts):
            asides.append(parts.pop())
            while len(parts) > 1 and _is_link(parts[-1]):
                parts.pop()
        while len(parts) > 1 and parts[0].sort is _Sort.WHERE and not parts[0].bare:
            asides.append(parts.pop(0))
        name = text[parts[0].start : parts[-1].end].lstrip(' ,;:"').rstrip(_TRAILING + '"') if parts else ""
        name = re.sub(r"^(?:the|our) ", "", name, flags=re.IGNORECASE) if about else name
    asides.sort(key=lambda part: part.start)
    if not name.strip() and about:
        return _sided(Subject.MOOD, asides, asking)
    if not name.strip():
        message = "Which entity? Write its name after the word, in quotes if it reads like a channel or a time."
        raise _Puzzle(message, start, len(text), instead=SUBJECTS[Subject.ENTITY].examples)
    return replace(asking.question(Subject.ENTITY, *_sides(Subject.ENTITY, asides, asking)), name=name)


def _is_aside(parts: Sequence[_Part]) -> bool:
    last = parts[-1]
    if last.sort is _Sort.WHERE and last.bare:
        return len(parts) > 1 and _is_link(parts[-2])
    return last.sort in (_Sort.WHERE, _Sort.TIME)


def _is_link(part: _Part) -> bool:
    return part.sort is _Sort.WORD and part.text.lower() in _LINKS


# The pieces of a question


class _Sort(Enum):
    WORD = 1
    QUOTED = 2
    WHERE = 3
    TIME = 4


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a question. `places` (none: everywhere) belong to WHERE; `bare`: without '#' or a link's markup."""

    sort: _Sort
    text: str
    start: int
    end: int
    places: tuple[Place, ...] = ()
    bare: bool = False


_QUOTED = re.compile(r"\"([^\"]{1,120})\"|'([^']{1,120})'(?!\w)|`([^`]{1,120})`")
_MARKUP = re.compile(r"<#([^|>\s]{1,80})(?:\|([^>]{0,120}))?>")
_HERE = re.compile(r"(?:here|this (?:channel|room|chat))(?![\w/-])", re.IGNORECASE)
_EVERYWHERE = re.compile(
    r"(?:(?:across )?(?:all|every|any) (?:the |our |of )*(?:channels?|rooms?)|everywhere|anywhere|overall"
    r"|(?:the )?whole (?:workspace|server|team|company)|(?P<bare>all))(?![\w/-])",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\s,;()]+")
_NAMES_JOINED = re.compile(r"[,;]|/(?=#)")
_HASH_WORD = re.compile(r" *(#[^\s,;()]+)")


def _parts(text: str, start: int, asking: _Asking, *, bare_to: bool = True, naming: bool = False) -> Iterator[_Part]:
    """The pieces of `text` from `start`.

    Without `bare_to`, 'A to B' is two times. `naming`: a '#word' that is no channel may come first, as a name.
    """
    place = start
    if naming and (tag := _HASH_WORD.match(text, start)) and not asking.names.longest(text, tag.start(1) + 1):
        yield _Part(_Sort.WORD, tag[1], tag.start(1), tag.end())
        place = tag.end()
    while place < len(text):
        if (
            text[place] in " ,;()"
            or text.startswith("/#", place)
            or (text[place] in _TRAILING and text[place + 1 : place + 2] in ("", " "))
        ):
            place += 1
            continue
        part = _part(text, place, asking, bare_to=bare_to)
        if part.text:
            yield part
        place = part.end


def _part(text: str, start: int, asking: _Asking, *, bare_to: bool) -> _Part:
    if quoted := _QUOTED.match(text, start):
        return _Part(_Sort.QUOTED, next(filter(None, quoted.groups())), start, quoted.end())
    if markup := _MARKUP.match(text, start):
        places = _one(asking.names.with_id(markup[1]), start, markup.end(), asking)
        return _Part(_Sort.WHERE, markup[0], start, markup.end(), places)
    if text[start] == "#":
        found, end = asking.names.longest(text, start + 1) or ((), _WORD.match(text, start).end())  # type: ignore[union-attr]  # '#' matches
        return _Part(_Sort.WHERE, text[start:end], start, end, _one(found, start, end, asking))
    return _longest(text, start, asking, bare_to=bare_to)


def _longest(text: str, start: int, asking: _Asking, *, bare_to: bool) -> _Part:
    """What the words at `start` may be, the longest first: a channel's bare name, a time, 'here', or only a word."""
    time_end = when.find(text, start, bare_to=bare_to) or start
    here, everywhere = _HERE.match(text, start), _EVERYWHERE.match(text, start)
    special_end = max(match.end() if match else start for match in (here, everywhere))
    found, named_end = asking.names.longest(text, start) or ((), start)
    if named_end > max(time_end, special_end) and text[start:named_end].lower() not in _IDLE:
        places = _one(found, start, named_end, asking)
        return _Part(_Sort.WHERE, text[start:named_end], start, named_end, places, bare=True)
    if time_end > special_end:
        return _Part(_Sort.TIME, text[start:time_end], start, time_end)
    if here and asking.here is None:
        labels = [asking.label(place) for place in asking.names.first(3)]
        raise _Puzzle("There is no channel here: name one.", start, special_end, meant=labels)
    if here and asking.here:
        return _Part(_Sort.WHERE, here[0], start, special_end, (asking.here,))
    if everywhere:
        return _Part(_Sort.WHERE, everywhere[0], start, special_end, bare=everywhere["bare"] is not None)
    word = _WORD.match(text, start)
    end = word.end() if word else start + 1
    return _Part(_Sort.WORD, text[start:end].strip(_TRAILING + "*_~"), start, end)


def _one(found: Sequence[Place], start: int, end: int, asking: _Asking) -> tuple[Place]:
    """The one place that is meant; in case of doubt, the one in the asker's own workspace."""
    if not found:
        # One sentence for channels that don't exist and those that aren't the asker's to see.
        raise _Puzzle("I know no channel by that name that you can ask about.", start, end)
    found = asking.near(found)
    if len(found) > 1:
        labels = [asking.label(place) for place in found]
        listed = " or ".join(labels[:3]) + (" (or others)" if len(labels) > 3 else "")
        raise _Puzzle(f"More than one channel is called that: say {listed}.", start, end, meant=labels[:3])
    return (found[0],)


class _Names:
    """The places by what they are called."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple({place.channel: place for place in places}.values())
        self._named: dict[str, list[Place]] = {}
        self._ids: dict[str, list[Place]] = {}
        for place in self._places:
            self._named.setdefault(_key(place.name), []).append(place)
            self._ids.setdefault(place.channel.id.casefold(), []).append(place)
        self._words = min(6, max((place.name.count(" ") + 1 for place in self._places), default=1))

    def with_id(self, id_: str) -> Sequence[Place]:
        """By the platform's id."""
        return self._ids.get(id_.casefold(), ())

    def called(self, name: str) -> Sequence[Place]:
        """By name; by id; by 'workspace/name' or 'platform/workspace/name'; by a name that differs in its hyphens."""
        key = _key(name)
        if found := self._named.get(key) or self._ids.get(key):
            return found
        before, slash, after = key.rpartition("/")
        if slash:
            platform, _, workspace = before.rpartition("/")
            return [
                place
                for place in self._named.get(after, ())
                if place.channel.workspace.casefold() == workspace and platform in ("", place.channel.platform)
            ]
        return self._loosely.get(_loose(key), ())

    @cached_property
    def _loosely(self) -> Mapping[str, Sequence[Place]]:
        loose: dict[str, list[Place]] = {}
        for name, places in self._named.items():
            loose.setdefault(_loose(name), []).extend(places)
        return loose

    def longest(self, text: str, start: int) -> tuple[Sequence[Place], int] | None:
        """The longest name that stands at `start` of `text`, and where it ends."""
        ends = [word.end() for word in islice(re.finditer(r"\S+", text[start : start + 400]), self._words)]
        for end in reversed(ends):
            raw = text[start : start + end]
            bare = raw.rstrip(_TRAILING + ")")
            for name in dict.fromkeys((raw, bare, bare.removesuffix("'s"), _NAMES_JOINED.split(bare)[0])):
                if name.strip() and not name[0].isspace() and (found := self.called(name)):
                    return found, start + len(name)
        return None

    def first(self, count: int) -> Sequence[Place]:
        """The first `count` places."""
        return self._places[:count]

    def close(self, name: str) -> Sequence[Place]:
        """Places whose name resembles `name`, nearest first."""
        near = process.extract(_key(name), list(self._named), limit=3, score_cutoff=70)
        return [place for key, _, _ in near for place in self._named[key]]


def _key(name: str) -> str:
    folded = name if name.isascii() else unicodedata.normalize("NFKC", name)
    return when.normal(folded).casefold().lstrip("#")


def _loose(key: str) -> str:
    return re.sub(r"[-_ ]+", "-", key)


# What was probably meant


def _strange(part: _Part, parts: Sequence[_Part], *, more: str = "") -> _Puzzle:
    """Point at `part` and the words after it that aren't understood either."""
    first = last = parts.index(part)
    while last + 1 < len(parts) and parts[last + 1].sort is _Sort.WORD and parts[last + 1].text.lower() not in _IDLE:
        last += 1
    return _Puzzle(f"{_IN_PART}{more}.", parts[first].start, parts[last].end)


def _suggested(text: str, puzzle: _Puzzle, asking: _Asking) -> tuple[str, ...]:
    """At most three whole questions near to `text`, each of which can be asked as it stands."""
    before, odd, after = text[: puzzle.start], text[puzzle.start : puzzle.end], text[puzzle.end :]
    meant = puzzle.meant or _resembling(odd, asking)
    near = chain(puzzle.instead, (f"{before}{words}{after}" for words in meant))
    first = _first_word(text, 0)
    # 'mood Jenkins', or 'Jenkins' alone
    may_be_name = first[0] is Subject.MOOD and puzzle.message.startswith(_IN_PART) if first else text.count(" ") < 2
    may_be_name = may_be_name and odd.lower() not in _IDLE
    usual = dict.fromkeys(
        (
            *((f'entity "{odd.strip(_TRAILING)}"',) if may_be_name else ()),
            *(SUBJECTS[first[0]].examples if first else ()),
            *("mood last week", "entities this month", "help"),
        )
    )
    tried = (_tried(candidate, asking) for candidate in near)
    plain = dict.fromkeys(_written(question, asking) for question in islice(filter(None, tried), 6))
    # Writing plainly can bring new doubt: a name may hold a quotation mark.
    sure, fallback = ([question for question in whole if _tried(question, asking)] for whole in (plain, usual))
    return tuple(sure[:3] or fallback[:3])


def _resembling(odd: str, asking: _Asking) -> Iterator[str]:
    """What may have been meant by `odd`, nearest first: a time, a subject, a kind, a channel; by '#…' a channel."""
    tagged, odd = odd.startswith("#"), odd.strip(_TRAILING + '"#')
    if not odd:
        return
    if tagged:
        yield from (asking.label(place) for place in asking.names.close(odd))
        return
    words = (*when.EXAMPLES, *_FIRST_WORDS, *(word for word in KINDS if word not in _IDLE))
    near = [(score, word) for word, score, _ in process.extract(odd.lower(), words, limit=4, score_cutoff=75)]
    yield from (word for score, word in near if score >= 85)
    yield from (asking.label(place) for place in asking.names.close(odd))
    yield from (word for score, word in near if score < 85)


def _tried(text: str, asking: _Asking) -> Question | None:
    try:
        question = _understood(" ".join(text.split()), asking) if len(text) <= LONGEST else None
    except _Puzzle:
        return None
    # 'entitys last week' didn't mean something called 'last week'.
    timely = question and question.name and when.find(question.name, 0) == len(question.name)
    # What is suggested changes nothing.
    changes = question and question.order and question.order.verb.is_change
    return None if timely or changes else question


def _written(question: Question, asking: _Asking) -> str:
    """`question` in the plainest words, leaving out what is meant anyhow."""
    if question.order is not None:
        return f"schedule {_channels(question.sides[0], asking)}".rstrip()
    words: list[str] = [question.subject, question.topic or ""]
    if question.kind:
        words.append(next(word for word, kind in KINDS.items() if kind is question.kind))
    if question.name:
        words.append(f'"{question.name}"')
    usual = SUBJECTS[question.subject].span
    match [(_channels(side, asking), re.sub(r" \(.*\)$", "", side.span.words)) for side in question.sides]:
        case [(where, time)]:
            words += [where, "" if time == usual else time]
        case [(where, time), (other, then)] if where == other:
            words += [where, time, "with", then]
        case [(where, time), (other, then)]:
            words += [where or "here", "" if time == then else time, "with", other or "here", then]
    return " ".join(filter(None, words))


def _channels(side: Side, asking: _Asking) -> str:
    if not side.places:
        return "" if asking.here is None else "everywhere"
    return "" if side.places == (asking.here,) else " and ".join(asking.label(place) for place in side.places)
