"""Words → Question: one grammar on every platform."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice, pairwise
from zoneinfo import ZoneInfo

from rapidfuzz import process

from bot import orders, when
from bot.errors import QuestionError
from bot.message import Pseudonym
from bot.orders import Verb
from bot.pieces import IDLE, QUOTED, TRAILING, Asking, Names, Part, Puzzle, Sort, pieces, word_set
from bot.question import KINDS, LONGEST, SUBJECTS, TIMES, Order, Place, Question, Side, Span, Subject


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
    asking = Asking(Names(places), here, now, zone, asker)
    text = _plain(_unquoted(_LEADING.sub("", when.normal(text)).strip()))
    try:
        return _understood(text, asking)
    except Puzzle as puzzle:
        message = (_misordered(text, asking) if puzzle.message.startswith(_IN_PART) else None) or puzzle.message
        raise QuestionError(message, _suggested(text, puzzle, asking)) from None


# What was asked

_LEADING = re.compile(r"^(?:[/!]?\s*roomtone\b[ ,:]*)?/?\s*", re.IGNORECASE)
_IN_PART = "I understood only a part of that"
_SETTINGS = re.compile(
    r"(?:on|off|send|stop|start|enable|disable)\b(?: ?(?:weekly|daily|monthly|every) .*)"
    r"|(?:daily|monthly|every (?!channel)\w+)\b.*",
    re.IGNORECASE,
)

# What people may be: 'is everyone ok?' asks for their mood.
_FEELINGS = word_set(
    "happy happier happiest unhappy sad angry stressed tense calm calmer upset frustrated positive negative low lower "
    "high good great bad better worse best worst ok okay fine"
)
_FELT_BY = word_set("we people everyone everybody they team folks it things mood")
_ASKING = word_set("how how's is are was were")
_BETWEEN_SIDES = word_set("with vs vs. versus against to and than compared compare & between or / from by")
_COMPARING = word_set("vs vs. versus compare compares compared against than better worse happier")
_SPLITTING = word_set("with vs vs. versus against")
_OF_A_YEAR = re.compile(r" (?:19|20|21)\d\d$")
_LINKS = word_set("in on during over for of at from within")

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
            r"(?:the )?(?:happiest|saddest|calmest|busiest|quietest) (?:times?|hours?|(?:week)?days?)"
            r"(?: of (?:the )?(?:day|week))?\b",
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
    quoted = QUOTED.fullmatch(text)
    inside = quoted[0][1:-1] if quoted else ""
    return inside if " " in inside and _first_word(inside, 0) else text


def _understood(text: str, asking: Asking) -> Question:
    if not text.strip(TRAILING):
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
    if not found or (found[0].lower() in ("how", "why") and text[found.end() :].strip(TRAILING)):
        return None
    return _FIRST_WORDS[found[0].lower()], text, found.end()


def _anywhere(text: str, start: int, asking: Asking) -> Question:
    """A question whose subject comes later ('#general mood'), or goes without saying ('#general last week')."""
    parts = tuple(pieces(text, start, asking))
    words = [part.text.lower() for part in parts if part.sort is Sort.WORD]
    for word in words:
        if word in _FIRST_WORDS and word not in ("how", "why"):
            return _sided(_FIRST_WORDS[word], parts, asking)
    if words and words[0] in KINDS:
        return _sided(Subject.ENTITIES, parts, asking)
    if any(part.sort in (Sort.WHERE, Sort.TIME) for part in parts) or _is_of_feelings(words):
        return _sided(Subject.MOOD, parts, asking)
    if len(parts) == 1 and parts[0].sort is Sort.QUOTED:
        return _entity(text, start, asking)
    start, end = (parts[0].start, parts[0].end) if parts else (0, len(text))
    raise Puzzle("I don't know how to answer that: begin with 'mood', 'entities' or 'help'.", start, end)


def _is_of_feelings(words: Sequence[str]) -> bool:
    """'Is everyone ok?' asks for the mood; 'ok', which a person may well reply, asks for nothing."""
    return (
        words[:1] != [] and words[0] in _ASKING and not _FEELINGS.isdisjoint(words) and not _FELT_BY.isdisjoint(words)
    )


def _about(subject: Subject, text: str, start: int, asking: Asking) -> Question:
    rest = text[start:].strip(TRAILING)
    match subject:
        case Subject.HELP:
            return replace(asking.question(subject), topic=_topic(rest))
        case Subject.CHANNELS | Subject.STATUS | Subject.PRIVACY | Subject.OPT_OUT | Subject.OPT_IN:
            return asking.question(subject)
        case Subject.ENTITY:
            return _entity(text, start, asking)
        case Subject.DIGEST if _SETTINGS.fullmatch(rest):
            raise Puzzle(
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


def _parts_of(subject: Subject, text: str, start: int, asking: Asking) -> tuple[Part, ...]:
    """The pieces; 'A to B' is two sides of a comparison that neither another word splits nor more times fill."""
    if subject is Subject.COMPARE and _SPLITTING.isdisjoint(text[start:].lower().split()):
        parts = tuple(pieces(text, start, asking, bare_to=False))
        if sum(part.sort is Sort.TIME for part in parts) <= 2:
            return parts
    return tuple(pieces(text, start, asking))


def _ordered(written: orders.Written, text: str, asking: Asking) -> Question:
    """An order for the channel it is given in; given outside of any, for the one that it names."""
    parts = list(pieces(text[: written.end], written.start, asking)) if written.start < len(text) else []
    for part in parts:
        if part.sort is not Sort.WHERE and part.text.lower() not in (*IDLE, *_BETWEEN_SIDES):
            raise _strange(part, parts)
    named = list(dict.fromkeys(place for part in parts for place in part.places))
    if any(part.sort is Sort.WHERE and not part.places for part in parts):
        raise Puzzle("Name the channels one by one.", written.start, len(text), instead=("schedule",))
    # Where it is posted and what it is about differ only for a digest; the rest is of the channel that is named.
    is_about_others = written.verb is Verb.DIGEST_ON and asking.here is not None
    target = asking.here if is_about_others or not named else named[0]
    if target is None:
        such = orders.example(written.verb, _any_channel(asking))
        raise Puzzle(f"There is no channel here: name one. For example: '{such}'.", 0, len(text), instead=("channels",))
    try:
        times = written.times(asking.zone) if written.verb in (Verb.DIGEST_ON, Verb.ALERTS_ON) else None
    except ValueError:
        raise Puzzle(
            "I don't know that time zone: names look like Europe/Berlin.", 0, len(text), instead=("schedule",)
        ) from None
    if len(named) > 1 and not is_about_others:
        raise Puzzle("One channel at a time: name only one.", written.start, len(text), instead=("schedule",))
    span = when.read("last week", now=asking.now, zone=asking.zone)
    asked = asking.question(Subject.SCHEDULE, Side(tuple(named) or (target,), span))
    return replace(asked, order=Order(written.verb, target, times))


def _misordered(text: str, asking: Asking) -> str | None:
    """Which part of an order isn't understood, and how it is written, if without one word it were an order."""
    verb = orders.begun(text)
    if verb is None:
        return None
    somewhere = replace(asking, here=asking.here or next(iter(asking.names.first(1)), None))
    for word in re.finditer(r" ([^\s,]+)", text):
        try:
            order = _understood(text[: word.start()] + text[word.end() :], somewhere).order
        except Puzzle:
            continue
        if order is not None and order.verb is verb:
            such = orders.example(verb, _any_channel(asking))
            return (
                f"{_IN_PART}, not {orders.kind_of(word[1], verb, before=text[: word.start()])}: write it like '{such}'."
            )
    return None


def _any_channel(asking: Asking) -> str:
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


def _sided(subject: Subject, parts: Sequence[Part], asking: Asking) -> Question:
    if subject in (Subject.CHANNELS, Subject.STATUS, Subject.PRIVACY, Subject.OPT_OUT, Subject.OPT_IN, Subject.HELP):
        return asking.question(subject)
    if subject is Subject.SCHEDULE:  # its word came late: '#general alerts'
        raise _strange(parts[0], parts)
    if subject is Subject.MOOD and any(part.sort is Sort.WORD and part.text.lower() in _COMPARING for part in parts):
        subject = Subject.COMPARE
    if subject is Subject.ENTITIES and any(part.text.lower() in ("trend", "trends", "time") for part in parts):
        subject = Subject.TRENDS
    kind, name = None, None
    for part in parts:
        word = part.text.lower()
        meant = KINDS.get(word) if part.sort is Sort.WORD and subject in _OF_A_KIND else None
        if part.sort is Sort.QUOTED and subject is Subject.MOOD:
            subject, name = Subject.ENTITY, part.text
        elif meant and kind in (None, meant):
            kind = meant
        elif meant:
            raise Puzzle("One kind at a time: name one, or none for all of them.", part.start, part.end, meant=("",))
        elif part.sort is Sort.QUOTED or (part.sort is Sort.WORD and not _is_idle(word, subject)):
            raise _strange(part, parts, more=_MORE.get(subject, ""))
    return replace(asking.question(subject, *_sides(subject, parts, asking)), kind=kind, name=name)


_OF_A_KIND = (Subject.ENTITIES, Subject.TRENDS)
_MORE = {Subject.COMPARE: ": channels and times can be compared"}
_FELT = (Subject.MOOD, Subject.COMPARE, Subject.PATTERN, Subject.DIGEST)


def _is_idle(word: str, subject: Subject) -> bool:
    """Says `word` nothing that isn't said already?"""
    if word in IDLE or _FIRST_WORDS.get(word) is subject:
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


def _sides(subject: Subject, parts: Sequence[Part], asking: Asking) -> tuple[Side, ...]:
    wheres = [part for part in parts if part.sort is Sort.WHERE]
    times = [part for part in parts if part.sort is Sort.TIME]
    if subject is Subject.COMPARE:
        return _two_sides(wheres, times, asking)
    if len(times) > 1:
        channels = " and ".join(part.text for part in wheres)
        raise Puzzle(
            "That names more than one time: ask about one, or compare two.",
            times[1].start,
            times[1].end,
            meant=("",),
            instead=(f"compare {channels} {times[0].text} with {times[1].text}",),
        )
    return (Side(_together(wheres, asking), _span(subject, times, asking)),)


def _two_sides(wheres: Sequence[Part], times: Sequence[Part], asking: Asking) -> tuple[Side, Side]:
    in_order = sorted((*wheres, *times), key=lambda part: part.start)
    # 'this week with last week in #a and #b' is the same channels twice; '#a this week with #b last week' isn't.
    is_of_times = len(times) == 2 and sum(a.sort is not b.sort for a, b in pairwise(in_order)) <= 1
    if len(times) > 2 or (len(wheres) > 2 and not is_of_times):
        extra = (wheres if len(wheres) > 2 else times)[2]
        raise Puzzle("Only two things can be compared: two channels or two times.", extra.start, extra.end, meant=("",))
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
            raise Puzzle(str(error), start, end, meant=("last week", "last month")) from None
    if len(wheres) == 2 and not is_of_times:
        return Side(wheres[0].places, first), Side(wheres[1].places, second)
    where = _together(wheres, asking)
    return Side(where, first), Side(where, second)


def _in_the_year_of(dated: Part, part: Part, asking: Asking) -> Span | None:
    """`part` in the year that `dated` ends with and that it leaves open: 'Q1' of 'Q1 with Q2 2025'."""
    year = _OF_A_YEAR.search(dated.text)
    if year is None or _OF_A_YEAR.search(part.text):
        return None
    try:
        return when.read(f"{part.text}{year[0]}", now=asking.now, zone=asking.zone)
    except QuestionError:
        return None


def _together(wheres: Sequence[Part], asking: Asking) -> tuple[Place, ...]:
    if not wheres:
        return () if asking.here is None else (asking.here,)
    if any(not where.places for where in wheres):
        return ()
    return tuple(dict.fromkeys(place for where in wheres for place in where.places))


def _span(subject: Subject, times: Sequence[Part], asking: Asking) -> Span:
    if times:
        return _read(times[0], asking)
    return when.read(SUBJECTS[subject].span or "last 30 days", now=asking.now, zone=asking.zone)


def _read(part: Part, asking: Asking, *, beside: Span | None = None) -> Span:
    try:
        return when.read(part.text, now=asking.now, zone=asking.zone, beside=beside)
    except QuestionError as error:
        raise Puzzle(str(error), part.start, part.end, meant=error.suggestions) from None


# An entity's name


def _entity(text: str, start: int, asking: Asking, *, about: bool = False) -> Question:
    """A name, and around it a channel and a time; quotes keep a name whole that reads like one of those.

    After 'what about', which leaves the subject open, a channel or a time alone asks for its mood.
    """
    parts = list(pieces(text, start, asking, naming=not about))
    asides: list[Part] = []
    if quoted := next((part for part in parts if part.sort is Sort.QUOTED), None):
        name, asides = quoted.text, [part for part in parts if part is not quoted]
        for part in asides:
            if part.sort is Sort.QUOTED or (part.sort is Sort.WORD and part.text.lower() not in IDLE):
                raise _strange(part, parts)
    else:
        while len(parts) > (0 if about else 1) and _is_aside(parts):
            asides.append(parts.pop())
            while len(parts) > 1 and _is_link(parts[-1]):
                parts.pop()
        while len(parts) > 1 and parts[0].sort is Sort.WHERE and not parts[0].bare:
            asides.append(parts.pop(0))
        name = text[parts[0].start : parts[-1].end].lstrip(' ,;:"').rstrip(TRAILING + '"') if parts else ""
        name = re.sub(r"^(?:the|our) ", "", name, flags=re.IGNORECASE) if about else name
    asides.sort(key=lambda part: part.start)
    if not name.strip() and about:
        return _sided(Subject.MOOD, asides, asking)
    if not name.strip():
        message = "Which entity? Write its name after the word, in quotes if it reads like a channel or a time."
        raise Puzzle(message, start, len(text), instead=SUBJECTS[Subject.ENTITY].examples)
    return replace(asking.question(Subject.ENTITY, *_sides(Subject.ENTITY, asides, asking)), name=name)


def _is_aside(parts: Sequence[Part]) -> bool:
    last = parts[-1]
    if last.sort is Sort.WHERE and last.bare:
        return len(parts) > 1 and _is_link(parts[-2])
    return last.sort in (Sort.WHERE, Sort.TIME)


def _is_link(part: Part) -> bool:
    return part.sort is Sort.WORD and part.text.lower() in _LINKS


# What was probably meant


def _strange(part: Part, parts: Sequence[Part], *, more: str = "") -> Puzzle:
    """Point at `part` and the words after it that aren't understood either."""
    first = last = parts.index(part)
    while last + 1 < len(parts) and parts[last + 1].sort is Sort.WORD and parts[last + 1].text.lower() not in IDLE:
        last += 1
    return Puzzle(f"{_IN_PART}{more}.", parts[first].start, parts[last].end)


def _suggested(text: str, puzzle: Puzzle, asking: Asking) -> tuple[str, ...]:
    """At most three whole questions near to `text`, each of which can be asked as it stands."""
    before, odd, after = text[: puzzle.start], text[puzzle.start : puzzle.end], text[puzzle.end :]
    meant = puzzle.meant or _resembling(odd, asking)
    near = chain(puzzle.instead, (f"{before}{words}{after}" for words in meant))
    first = _first_word(text, 0)
    # 'mood Jenkins', or 'Jenkins' alone
    may_be_name = first[0] is Subject.MOOD and puzzle.message.startswith(_IN_PART) if first else text.count(" ") < 2
    may_be_name = may_be_name and odd.lower() not in IDLE
    usual = dict.fromkeys(
        (
            *((f'entity "{odd.strip(TRAILING)}"',) if may_be_name else ()),
            *(SUBJECTS[first[0]].examples if first else ()),
            *("mood last week", "entities this month", "help"),
        )
    )
    tried = (_tried(candidate, asking) for candidate in near)
    plain = dict.fromkeys(_written(question, asking) for question in islice(filter(None, tried), 6))
    # Writing plainly can bring new doubt: a name may hold a quotation mark.
    sure, fallback = ([question for question in whole if _tried(question, asking)] for whole in (plain, usual))
    return tuple(sure[:3] or fallback[:3])


def _resembling(odd: str, asking: Asking) -> Iterator[str]:
    """What may have been meant by `odd`, nearest first: a time, a subject, a kind, a channel; by '#…' a channel."""
    tagged, odd = odd.startswith("#"), odd.strip(TRAILING + '"#')
    if not odd:
        return
    if tagged:
        yield from (asking.label(place) for place in asking.names.close(odd))
        return
    words = (*when.EXAMPLES, *_FIRST_WORDS, *(word for word in KINDS if word not in IDLE))
    near = [(score, word) for word, score, _ in process.extract(odd.lower(), words, limit=4, score_cutoff=75)]
    yield from (word for score, word in near if score >= 85)
    yield from (asking.label(place) for place in asking.names.close(odd))
    yield from (word for score, word in near if score < 85)


def _tried(text: str, asking: Asking) -> Question | None:
    try:
        question = _understood(" ".join(text.split()), asking) if len(text) <= LONGEST else None
    except Puzzle:
        return None
    # 'entitys last week' didn't mean something called 'last week'.
    timely = question and question.name and when.find(question.name, 0) == len(question.name)
    # What is suggested changes nothing.
    changes = question and question.order and question.order.verb.is_change
    return None if timely or changes else question


def _written(question: Question, asking: Asking) -> str:
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


def _channels(side: Side, asking: Asking) -> str:
    if not side.places:
        return "" if asking.here is None else "everywhere"
    return "" if side.places == (asking.here,) else " and ".join(asking.label(place) for place in side.places)
