"""The pieces of a question: its words, its quotations, its channels, its times."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from itertools import islice
from zoneinfo import ZoneInfo

from rapidfuzz import process

from bot import when
from bot.message import Pseudonym
from bot.question import Place, Question, Side, Subject


def word_set(text: str) -> frozenset[str]:
    """The words of `text`, for a look-up."""
    return frozenset(text.split())


TRAILING = " .,;:!?"
"""What may stand at the end of words and is no part of them."""

IDLE = word_set(
    "a about all also am an and any are around at been being by came can channel channels come could current did do "
    "does doing during everybody everyone far feel feeling feelings feels felt for from get gets getting give going "
    "got had happen happened has have hello hey hi how how's i in is it its just lately main me mood most my now of "
    "often on our out over overall people please recently right roomtone see sentiment show so some team tell thank "
    "thanks that the their them there these they things think this throughout to top up us was we were what what's "
    "whats which who with within would you your & +"
)
"""Words that carry no meaning of their own in a question."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, where and when, and the channels they may ask about."""

    names: Names
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


class Puzzle(Exception):
    """What isn't understood: text[start:end], for which `meant` may have been written, or `instead` the whole.

    The message holds nothing of the text: what people write is in no error.
    """

    def __init__(
        self, message: str, start: int, end: int, *, meant: Sequence[str] = (), instead: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, end
        self.meant, self.instead = tuple(meant), tuple(instead)


class Sort(Enum):
    """What a piece is."""

    WORD = 1
    QUOTED = 2
    WHERE = 3
    TIME = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a question. `places` (none: everywhere) belong to WHERE; `bare`: without '#' or a link's markup."""

    sort: Sort
    text: str
    start: int
    end: int
    places: tuple[Place, ...] = ()
    bare: bool = False


QUOTED = re.compile(r"\"([^\"]{1,120})\"|'([^']{1,120})'(?!\w)|`([^`]{1,120})`")
"""A quotation; what is inside is one of its groups."""
_MARKUP = re.compile(r"<#([^|>\s]{1,80})(?:\|([^>]{0,120}))?>")
_HERE = re.compile(r"(?:here|this (?:channel|room|chat))(?![\w/-])", re.IGNORECASE)
_EVERYWHERE = re.compile(
    r"(?:(?:across )?(?:all|every|any) (?:the |our |of )*(?:channels?|rooms?)|everywhere|anywhere|overall"
    r"|(?:the )?whole (?:workspace|server|team|company)|(?P<bare>all))(?![\w/-])",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\s,;()]+")
_NAMES_JOINED = re.compile(r"[,;]|/(?=#)")
_POSSESSIVE = re.compile(r"(?<=\S)'s(?=\s|$)")
_HASH_WORD = re.compile(r" *(#[^\s,;()]+)")


def pieces(text: str, start: int, asking: Asking, *, bare_to: bool = True, naming: bool = False) -> Iterator[Part]:
    """The pieces of `text` from `start`.

    Without `bare_to`, 'A to B' is two times. `naming`: a '#word' that is no channel may come first, as a name.
    """
    place = start
    if naming and (tag := _HASH_WORD.match(text, start)) and not asking.names.longest(text, tag.start(1) + 1):
        yield Part(Sort.WORD, tag[1], tag.start(1), tag.end())
        place = tag.end()
    while place < len(text):
        if (
            text[place] in " ,;()"
            or text.startswith("/#", place)
            or (text[place] in TRAILING and text[place + 1 : place + 2] in ("", " "))
        ):
            place += 1
            continue
        if place > start and (possessive := _POSSESSIVE.match(text, place)):  # '#general's mood'
            place = possessive.end()
            continue
        part = _part(text, place, asking, bare_to=bare_to)
        if part.text:
            yield part
        place = part.end


def _part(text: str, start: int, asking: Asking, *, bare_to: bool) -> Part:
    if quoted := QUOTED.match(text, start):
        return Part(Sort.QUOTED, next(filter(None, quoted.groups())), start, quoted.end())
    if markup := _MARKUP.match(text, start):
        places = _one(asking.names.with_id(markup[1]), start, markup.end(), asking)
        return Part(Sort.WHERE, markup[0], start, markup.end(), places)
    if text[start] == "#":
        found, end = asking.names.longest(text, start + 1) or ((), _WORD.match(text, start).end())  # type: ignore[union-attr]  # '#' matches
        return Part(Sort.WHERE, text[start:end], start, end, _one(found, start, end, asking))
    return _longest(text, start, asking, bare_to=bare_to)


def _longest(text: str, start: int, asking: Asking, *, bare_to: bool) -> Part:
    """What the words at `start` may be, the longest first: a channel's bare name, a time, 'here', or only a word."""
    time_end = when.find(text, start, bare_to=bare_to) or start
    here, everywhere = _HERE.match(text, start), _EVERYWHERE.match(text, start)
    special_end = max(match.end() if match else start for match in (here, everywhere))
    found, named_end = asking.names.longest(text, start) or ((), start)
    if named_end > max(time_end, special_end) and text[start:named_end].lower() not in IDLE:
        places = _one(found, start, named_end, asking)
        return Part(Sort.WHERE, text[start:named_end], start, named_end, places, bare=True)
    if time_end > special_end:
        return Part(Sort.TIME, text[start:time_end], start, time_end)
    if here and asking.here is None:
        labels = [asking.label(place) for place in asking.names.first(3)]
        raise Puzzle("There is no channel here: name one.", start, special_end, meant=labels)
    if here and asking.here:
        return Part(Sort.WHERE, here[0], start, special_end, (asking.here,))
    if everywhere:
        return Part(Sort.WHERE, everywhere[0], start, special_end, bare=everywhere["bare"] is not None)
    word = _WORD.match(text, start)
    end = word.end() if word else start + 1
    return Part(Sort.WORD, text[start:end].strip(TRAILING + "*_~"), start, end)


def _one(found: Sequence[Place], start: int, end: int, asking: Asking) -> tuple[Place]:
    """The one place that is meant; in case of doubt, the one in the asker's own workspace."""
    if not found:
        # One sentence for channels that don't exist and those that aren't the asker's to see.
        raise Puzzle("I know no channel by that name that you can ask about.", start, end)
    found = asking.near(found)
    if len(found) > 1:
        labels = [asking.label(place) for place in found]
        listed = " or ".join(labels[:3]) + (" (or others)" if len(labels) > 3 else "")
        raise Puzzle(f"More than one channel is called that: say {listed}.", start, end, meant=labels[:3])
    return (found[0],)


class Names:
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
            bare = raw.rstrip(TRAILING + ")")
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
