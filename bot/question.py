"""Words → Question: one grammar on every platform."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from rapidfuzz import process

from bot import when
from bot.analysis import Kind
from bot.errors import QuestionError
from bot.message import Channel, Pseudonym
from bot.when import Span as Span

LONGEST = 500
"""The most characters of a question; longer ones are refused unread."""


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
        Subject.DIGEST: About(
            "The week in one post: what changed and what moved it.",
            "digest [#channel] [week]",
            ("digest", "digest #general week 7", "digest last week"),
            ("summary", "report", "recap", "weekly"),
            "last week",
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
            "Whether Roomtone is up to date, and what is waiting.",
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
class Question:
    """A question as understood.

    `sides` has one side, or two for `compare` (as said: the first is what the second is held against); none for the
    subjects that need none. `name` is an entity's name as asked, `kind` a filter for `entities`, `topic` a subject or
    TIMES after `help`. `zone` is the asker's.
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
    named. `now` is in UTC; words like 'last week' are read in `zone`. Raises QuestionError, whose suggestions are whole
    questions that can be asked as they stand; a channel outside `places` is unknown, whatever the reason.
    """
    if len(text) > LONGEST:
        raise QuestionError(f"That question is too long: use at most {LONGEST} characters.", ("mood last week", "help"))
    asking = _Asking(_Names(places), here, now, zone, asker)
    text = _LEADING.sub("", when.normal(text)).strip()
    try:
        return _understood(text, asking)
    except _Puzzle as puzzle:
        raise QuestionError(puzzle.message, _suggested(text, puzzle, asking)) from None


# What was asked


@dataclass(frozen=True, slots=True)
class _Asking:
    names: _Names
    here: Place | None
    now: datetime
    zone: ZoneInfo
    asker: Pseudonym

    def question(self, subject: Subject, *sides: Side) -> Question:
        return Question(subject, sides, self.asker, self.zone, self.now)


class _Puzzle(Exception):
    """What isn't understood: text[start:end], for which `meant` may have been written."""

    def __init__(self, message: str, start: int = 0, end: int = 0, meant: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message, self.start, self.end, self.meant = message, start, end, tuple(meant)


_LEADING = re.compile(r"^(?:[/!]?\s*roomtone\b[ ,:]*)?/?\s*", re.IGNORECASE)
_TRAILING = " .,;:!?"
_SETTINGS = re.compile(
    r"(?:on|off|when|now|preview|send|stop|start|enable|disable)?(?: (?:now|weekly.*))?", re.IGNORECASE
)



def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FILLERS = _words(
    "a about all also am an and any are around at bot by can channel channels chat conversation could current did do "
    "does doing during feel feeling feelings felt for from get gets give going got had has have hello hey hi how i in "
    "is it its just like lately look looking me messages my of on our out over overall people please right room rooms "
    "see show so some team tell thanks thank that the their them there these they things think this "
    "throughout to today's today us was we were what what's whats which who with within would you your roomtone how's "
    "mood sentiment everyone everybody everything been being feels happen happened"
)
_BETWEEN_SIDES = _words("with vs vs. versus against to and than compared compare & between or / from by")
_COMPARING = _words("vs vs. versus compared against")

_PEOPLE = r"(?:people|everyone|everybody|we|they|folks|you|the team|the others|others|us)"
_SOFT_NAME = re.compile(
    rf"(?:(?:what|how) (?:do|does|did|are|is|was|were|has|have) {_PEOPLE} (?:think|thinking|thought|feel|feeling|felt|say|"
    r"saying|said)(?: about| of)?|(?:(?:what|how) (?:is|was) )?(?:the )?(?:mood|sentiment|feelings?|opinions?) (?:about|"
    r"towards?)|tell me about|(?:and )?(?:what|how) about|mentions of|about) (?=\S)",
    re.IGNORECASE,
)
_OPENINGS: tuple[tuple[re.Pattern[str], Subject], ...] = tuple(
    (re.compile(rf"(?:please )?(?:{pattern})", re.IGNORECASE), subject)
    for pattern, subject in (
        (r"(?:opt(?: me)?[ -]?out|optout|forget me|leave me out|(?:don't|do not|stop) (?:count|counting|read|reading) me)\b.*", Subject.OPT_OUT),
        (r"(?:opt(?: me)?[ -]?(?:back )?in|optin|count me)\b.*", Subject.OPT_IN),
        (r"what (?:do|does|did) (?:you|roomtone|it) (?:know|store|keep|see|save|read|collect)\b.*", Subject.PRIVACY),
        (
            r"how (?:is|are|was|were|do|did|does) (?:you|this|that|it|these|the numbers?|the score|the mood)?\b ?"
            r"(?:made|calculated|computed|measured|work|works|know(?: this| that| it)?)\b",
            Subject.EXPLAIN,
        ),
        (
            rf"(?:what|who|which)(?:'s| \w+)? (?:(?:is|are|was|were|do|did|does|has|have|got|get|being|been|most|often|{_PEOPLE}) )*"
            r"(?:talk(?:ing|ed|s)?(?: about)?|mention(?:ed|ing|s)?|discuss(?:ed|ing)?)\b",
            Subject.ENTITIES,
        ),
        (r"what(?:'s| is| are| were| was)? (?:the )?(?:hot |main |top )?topics?\b", Subject.ENTITIES),
        (r"what(?:'s| has| have| did)? (?:happened|i miss(?:ed)?|new)\b|catch me up\b|sum(?:marise|marize| up)\b", Subject.DIGEST),
        (r"what can (?:i|you|one|we) (?:ask|do)\b.*|what (?:do|can) you do\b.*", Subject.HELP),
    )
)  # fmt: skip
_POLITE = re.compile(
    r"(?:(?:please|show(?: me)?|give me|tell me|can you|could you|what(?:'s| is| was| are| were)?|how(?:'s| is| was| are"
    r"| were)|the|our|and|hi|hey|hello|get|see|about|of) )+",
    re.IGNORECASE,
)
_HOW = re.compile(r"how(?:'s| is| are| was| were| has| have| did| do| does| feels?| about)\b", re.IGNORECASE)


def _understood(text: str, asking: _Asking) -> Question:
    if not text.strip(_TRAILING) or text in ("?", "/?"):
        return asking.question(Subject.HELP)
    for pattern, subject in _OPENINGS:
        if opening := pattern.match(text):
            return _about(subject, text, opening.end(), asking)
    if opening := _SOFT_NAME.match(text):
        return _entity(text, opening.end(), asking, soft=True)
    if found := _first_word(text, 0):
        return _about(found[0], text, found[1], asking)
    if (polite := _POLITE.match(text)) and (found := _first_word(text, polite.end())):
        return _about(found[0], text, found[1], asking)
    if opening := _HOW.match(text):
        return _about(Subject.MOOD, text, opening.end(), asking)
    return _anywhere(text, asking)


_FIRST_WORDS: Mapping[str, Subject] = {
    word: subject for subject, about in SUBJECTS.items() for word in (subject.value, *about.also)
}
_FIRST = re.compile(
    rf"(?:{'|'.join(re.escape(word) for word in sorted(_FIRST_WORDS, key=len, reverse=True))})(?![\w/-]|['.]\w)",
    re.IGNORECASE,
)


def _first_word(text: str, start: int) -> tuple[Subject, int] | None:
    found = _FIRST.match(text, start)
    # 'how' and 'why' alone ask for an explanation; before other words they begin a sentence.
    if not found or (found[0].lower() in ("how", "why") and text[found.end() :].strip(_TRAILING)):
        return None
    return _FIRST_WORDS[found[0].lower()], found.end()


def _anywhere(text: str, asking: _Asking) -> Question:
    """A question whose subject isn't its first word ('#general mood'), or goes without saying ('#general last week')."""
    parts = tuple(_parts(text, 0, asking))
    for part in parts:
        word = part.text.lower()
        if part.sort is _Sort.WORD and word in _FIRST_WORDS and word not in ("how", "why"):
            return _sided(_FIRST_WORDS[word], [other for other in parts if other is not part], asking)
    words = [part for part in parts if part.sort is _Sort.WORD]
    if words and words[0].text.lower() in KINDS:
        return _sided(Subject.ENTITIES, parts, asking)
    if any(part.sort in (_Sort.WHERE, _Sort.TIME) for part in parts):
        return _sided(Subject.MOOD, parts, asking)
    if len(parts) == 1 and parts[0].sort is _Sort.QUOTED:
        return _entity(text, 0, asking)
    first = parts[0] if parts else _Part(_Sort.WORD, "", 0, 0)
    raise _Puzzle("I don't know how to answer that: begin with 'mood', 'entities' or 'help'.", first.start, first.end)


def _about(subject: Subject, text: str, start: int, asking: _Asking) -> Question:
    rest = text[start:].strip(_TRAILING)
    match subject:
        case Subject.HELP:
            return replace(asking.question(subject), topic=_topic(rest))
        case Subject.CHANNELS | Subject.STATUS | Subject.PRIVACY | Subject.OPT_OUT | Subject.OPT_IN:
            return asking.question(subject)
        case Subject.ENTITY:
            return _entity(text, start, asking)
        case Subject.DIGEST if rest and _SETTINGS.fullmatch(rest):
            raise _Puzzle("A digest's times aren't set with a question: ask for one instead.", len(text), len(text))
        case Subject.MOOD | Subject.ENTITIES | Subject.COMPARE | Subject.DIGEST | Subject.EXPLAIN:
            return _sided(subject, tuple(_parts(text, start, asking, comparing=subject is Subject.COMPARE)), asking)


def _topic(rest: str) -> str | None:
    word = re.sub(r"^(?:me )?(?:with |about |on )?", "", rest.lower())
    if word in ("time", "times", "date", "dates", "range", "ranges", "when"):
        return TIMES
    subject = _FIRST_WORDS.get(word)
    return None if subject is None else subject.value


def _sided(subject: Subject, parts: Sequence[_Part], asking: _Asking) -> Question:
    if subject is Subject.MOOD and any(part.sort is _Sort.WORD and part.text.lower() in _COMPARING for part in parts):
        subject = Subject.COMPARE
    kind, name = None, None
    for part in parts:
        word = part.text.lower()
        if part.sort is _Sort.QUOTED and subject is Subject.MOOD and name is None:
            subject, name = Subject.ENTITY, part.text
        elif part.sort is _Sort.WORD and subject is Subject.ENTITIES and kind is None and word in KINDS:
            kind = KINDS[word]
        elif subject is Subject.COMPARE and word in _BETWEEN_SIDES:
            continue
        elif part.sort in (_Sort.WORD, _Sort.QUOTED) and word not in _FILLERS and word not in _FIRST_WORDS:
            raise _unknown(part, parts)
    sides = _sides(subject, parts, asking)
    return replace(asking.question(subject, *sides), kind=kind, name=name)


def _sides(subject: Subject, parts: Sequence[_Part], asking: _Asking) -> tuple[Side, ...]:
    wheres = [part for part in parts if part.sort is _Sort.WHERE]
    times = [part for part in parts if part.sort is _Sort.TIME]
    if subject is Subject.COMPARE:
        return _two_sides(wheres, times, asking)
    if len(times) > 1:
        raise _Puzzle(
            "That names more than one time: ask about one, or compare two.",
            times[1].start,
            times[1].end,
            ("",),
        )
    span = _time(times[0], asking) if times else _default_span(subject, asking)
    return (Side(_together(wheres, asking), span),)


def _two_sides(wheres: Sequence[_Part], times: Sequence[_Part], asking: _Asking) -> tuple[Side, Side]:
    if len(wheres) > 2 or len(times) > 2:
        extra = (wheres if len(wheres) > 2 else times)[2]
        raise _Puzzle("Only two things can be compared: two channels or two times.", extra.start, extra.end, ("",))
    first = _time(times[0], asking) if times else _default_span(Subject.COMPARE, asking)
    if len(wheres) == 2:
        second = _time(times[1], asking, beside=first) if len(times) == 2 else first
        return Side(wheres[0].places, first), Side(wheres[1].places, second)
    where = _together(wheres, asking)
    if len(times) == 2:
        return Side(where, first), Side(where, _time(times[1], asking, beside=first))
    try:
        before = when.preceding(first, now=asking.now, zone=asking.zone)
    except QuestionError as error:
        start, end = (times[0].start, times[0].end) if times else (0, 0)
        raise _Puzzle(str(error), start, end, ("last week", "last month")) from None
    return Side(where, first), Side(where, before)


def _default_span(subject: Subject, asking: _Asking) -> Span:
    return when.read(SUBJECTS[subject].span or "last 30 days", now=asking.now, zone=asking.zone)


def _together(wheres: Sequence[_Part], asking: _Asking) -> tuple[Place, ...]:
    if not wheres:
        return () if asking.here is None else (asking.here,)
    if any(not where.places for where in wheres):
        return ()
    return tuple(dict.fromkeys(place for where in wheres for place in where.places))


def _time(part: _Part, asking: _Asking, *, beside: Span | None = None) -> Span:
    try:
        return when.read(part.text, now=asking.now, zone=asking.zone, beside=beside)
    except QuestionError as error:
        raise _Puzzle(str(error), part.start, part.end, error.suggestions) from None


# An entity's name

_LINKS = _words("in on during over for of at from within")


def _entity(text: str, start: int, asking: _Asking, *, soft: bool = False) -> Question:
    """A name, and after it a channel and a time; quotes keep a name together that reads like one of those."""
    parts = list(_parts(text, start, asking))
    asides: list[_Part] = []
    quoted = next((part for part in parts if part.sort is _Sort.QUOTED), None)
    if quoted:
        asides = [part for part in parts if part is not quoted]
        name = quoted.text
        for part in asides:
            if part.sort is _Sort.WORD and part.text.lower() not in _FILLERS:
                raise _unknown(part, parts)
    else:
        while len(parts) > (0 if soft else 1) and _is_aside(parts):
            asides.append(parts.pop())
            while parts and asides[-1].sort is not _Sort.WORD and _is_link(parts[-1]) and len(parts) > 1:
                parts.pop()
        while len(parts) > 1 and parts[0].sort is _Sort.WHERE and not parts[0].bare:
            asides.append(parts.pop(0))
        name = text[parts[0].start : parts[-1].end].strip(_TRAILING) if parts else ""
    asides.sort(key=lambda part: part.start)
    if not name.strip() and soft:
        return _sided(Subject.MOOD, asides, asking)
    if not name.strip():
        raise _Puzzle(
            "Which entity? Write its name after the word, in quotes if it has several words.", start, len(text)
        )
    sides = _sides(Subject.ENTITY, asides, asking)
    return replace(asking.question(Subject.ENTITY, *sides), name=name)


def _is_aside(parts: Sequence[_Part]) -> bool:
    last = parts[-1]
    if last.sort is _Sort.WHERE and last.bare:
        return len(parts) > 1 and _is_link(parts[-2])
    return last.sort in (_Sort.WHERE, _Sort.TIME)


def _is_link(part: _Part) -> bool:
    return part.sort is _Sort.WORD and part.text.lower() in _LINKS


# Words


class _Sort(Enum):
    WORD = 1
    QUOTED = 2
    WHERE = 3
    TIME = 4


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a question. `places` (none: everywhere) belong to WHERE; `bare` without '#' or a link's markup."""

    sort: _Sort
    text: str
    start: int
    end: int
    places: tuple[Place, ...] = ()
    bare: bool = False


_QUOTED = re.compile(r'"([^"]{1,120})"|\'([^\']{1,120})\'(?!\w)|`([^`]{1,120})`')
_MARKUP = re.compile(r"<#([^|>\s]{1,80})(?:\|([^>]{0,120}))?>")
_HERE = re.compile(r"(?:here|this (?:channel|room|chat))(?![\w/-])", re.IGNORECASE)
_EVERYWHERE = re.compile(
    r"(?:(?:all|every|any|across all)(?: (?:the |our )?(?:channels?|rooms?))|everywhere|anywhere|overall|(?:the )?whole (?:"
    r"workspace|server|team|company)|(?P<bare>all))(?![\w/-])",
    re.IGNORECASE,
)


def _parts(text: str, start: int, asking: _Asking, *, comparing: bool = False) -> Iterator[_Part]:
    comparing = comparing or any(word in _COMPARING for word in text.lower().split())
    place = start
    while place < len(text):
        if text[place] in " ,;()" or (text[place] in _TRAILING and text[place + 1 : place + 2] in ("", " ")):
            place += 1
            continue
        part = _part(text, place, asking, comparing=comparing)
        if part.sort is not _Sort.WORD or part.text:
            yield part
        place = part.end


def _part(text: str, start: int, asking: _Asking, *, comparing: bool) -> _Part:
    if quoted := _QUOTED.match(text, start):
        return _Part(_Sort.QUOTED, next(group for group in quoted.groups() if group), start, quoted.end())
    if markup := _MARKUP.match(text, start):
        found = asking.names.by_id(markup[1])
        return _Part(_Sort.WHERE, markup[0], start, markup.end(), _one(found, start, markup.end(), asking))
    named = asking.names.longest(text, start + 1 if text[start] == "#" else start)
    if text[start] == "#":
        end = named[1] if named else start + len(text[start:].split(" ", 1)[0].rstrip(_TRAILING))
        return _Part(_Sort.WHERE, text[start:end], start, end, _one(named[0] if named else (), start, end, asking))
    time_end = when.find(text, start, bare_to=not comparing) or start
    special = _HERE.match(text, start) or _EVERYWHERE.match(text, start)
    if (
        named
        and named[1] > max(time_end, special.end() if special else start)
        and text[start : named[1]].lower() not in _FILLERS
    ):
        return _Part(
            _Sort.WHERE, text[start : named[1]], start, named[1], _one(named[0], start, named[1], asking), True
        )
    if time_end > (special.end() if special else start):
        return _Part(_Sort.TIME, text[start:time_end], start, time_end)
    if special and _HERE.match(text, start):
        if asking.here is None:
            raise _Puzzle("There is no channel here: name one.", start, special.end(), asking.names.some())
        return _Part(_Sort.WHERE, special[0], start, special.end(), (asking.here,))
    if special:
        return _Part(_Sort.WHERE, special[0], start, special.end(), bare=special["bare"] is not None)
    word = re.match(r"[^\s,;()]+", text[start:])
    end = start + (len(word[0]) if word else 1)
    return _Part(_Sort.WORD, text[start:end].strip(_TRAILING + "*_~()"), start, end)


def _one(found: Sequence[Place], start: int, end: int, asking: _Asking) -> tuple[Place, ...]:
    """The one place that is meant; in case of doubt, the one in the asker's own workspace."""
    if not found:
        # One sentence for channels that don't exist and those that aren't the asker's to see.
        raise _Puzzle("I know no channel by that name that you can ask about.", start, end)
    if len(found) > 1 and asking.here is not None:
        own = asking.here.channel
        near = [p for p in found if (p.channel.platform, p.channel.workspace) == (own.platform, own.workspace)]
        found = near or found
    if len(found) > 1:
        labels = [asking.names.label(place) for place in found]
        listed = ", ".join(labels[:3]) + (" or others" if len(labels) > 3 else "")
        raise _Puzzle(f"Several channels are called that: say which of {listed}.", start, end, labels[:3])
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

    def by_id(self, id_: str) -> Sequence[Place]:
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
        loose = _loose(key)
        return [place for name, places in self._named.items() if _loose(name) == loose for place in places]

    def longest(self, text: str, start: int) -> tuple[Sequence[Place], int] | None:
        """The longest name that stands at `start` of `text`, and where it ends."""
        words = list(re.finditer(r"\S+", text[start : start + 400]))[: self._words]
        if not words or words[0].start():
            return None
        for count in range(len(words), 0, -1):
            raw = text[start : start + words[count - 1].end()]
            for name in dict.fromkeys((raw, raw.rstrip(_TRAILING + ")"), re.sub(r"'s$", "", raw.rstrip(_TRAILING)))):
                if name and (found := self.called(name)):
                    return found, start + len(name)
        return None

    def label(self, place: Place) -> str:
        """The shortest way to name `place` alone."""
        own = place.channel
        for label in (place.name, f"{own.workspace}/{place.name}", f"{own.platform}/{own.workspace}/{place.name}"):
            if len(self.called(label)) == 1:
                return f"#{label}"
        return f"<#{own.id}>" if len(self.by_id(own.id)) == 1 else f"#{place.name}"

    def __contains__(self, place: object) -> bool:
        return place in self._places

    def some(self) -> tuple[str, ...]:
        return tuple(self.label(place) for place in self._places[:3])

    def near(self, name: str) -> list[str]:
        close = process.extract(_key(name), list(self._named), limit=3, score_cutoff=70)
        return [self.label(place) for key, _, _ in close for place in self._named[key][:2]]


def _key(name: str) -> str:
    folded = name if name.isascii() else unicodedata.normalize("NFKC", name)
    return " ".join(when.normal(folded).casefold().lstrip("#").split())


def _loose(key: str) -> str:
    return re.sub(r"[-_ ]+", "-", key)


# What was probably meant


def _unknown(part: _Part, parts: Sequence[_Part]) -> _Puzzle:
    """Point at `part` and the words beside it that aren't understood either."""
    strange = [p.sort is _Sort.WORD and p.text.lower() not in _FILLERS for p in parts]
    first = last = parts.index(part)
    while last + 1 < len(parts) and strange[last + 1]:
        last += 1
    return _Puzzle("I understood only a part of that.", parts[first].start, parts[last].end)


def _suggested(text: str, puzzle: _Puzzle, asking: _Asking) -> tuple[str, ...]:
    """At most three whole questions near to `text`, each of which can be asked as it stands."""
    odd = text[puzzle.start : puzzle.end].strip(_TRAILING + '"#')
    found: dict[str, None] = {}
    for candidate in _candidates(odd, puzzle, asking):
        whole = f"{text[: puzzle.start]}{candidate}{text[puzzle.end :]}".strip()
        if question := _tried(whole, asking):
            found.setdefault(_written(question, asking))
        if len(found) == 3:
            break
    if not found:
        fallbacks = ("mood last week", "entities this month", "help")
        found = dict.fromkeys(whole for whole in fallbacks if _tried(whole, asking))
    return tuple(found)


def _candidates(odd: str, puzzle: _Puzzle, asking: _Asking) -> Iterator[str]:
    yield from puzzle.meant
    if not odd:
        return
    near: list[tuple[float, str]] = []
    for words in (when.EXAMPLES, tuple(_FIRST_WORDS), tuple(KINDS)):
        near += [(score, word) for word, score, _ in process.extract(odd.lower(), words, limit=3, score_cutoff=70)]
    yield from (word for score, word in sorted(near, reverse=True) if score >= 85)
    yield from asking.names.near(odd)
    yield from (word for score, word in sorted(near, reverse=True) if score < 85)


def _tried(whole: str, asking: _Asking) -> Question | None:
    try:
        return _understood(_LEADING.sub("", when.normal(whole)).strip(), asking) if len(whole) <= LONGEST else None
    except _Puzzle:
        return None


def _written(question: Question, asking: _Asking) -> str:
    """`question` in the plainest words."""
    words: list[str] = [question.subject]
    if question.topic:
        words.append(question.topic)
    if question.kind:
        words.append(next(word for word, kind in KINDS.items() if kind is question.kind))
    if question.name:
        words.append(f'"{question.name}"')
    sides = [(_places_written(side, asking), re.sub(r" \(.*\)$", "", side.span.words)) for side in question.sides]
    if len(sides) == 2 and sides[0][1] == sides[1][1]:
        words += [sides[0][0], "with", sides[1][0], sides[0][1]]
    else:
        words += [" with ".join(" ".join(filter(None, side)) for side in sides)]
    return " ".join(filter(None, words))


def _places_written(side: Side, asking: _Asking) -> str:
    if not side.places:
        return "" if asking.here is None else "everywhere"
    if side.places == (asking.here,):
        return "here" if asking.here not in asking.names else asking.names.label(side.places[0])
    return " and ".join(asking.names.label(place) for place in side.places)
