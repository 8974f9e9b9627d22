"""Chat markup becomes the plain text a model reads, with a map back to the text as sent.

What people write is kept; what a platform adds is replaced: a mention becomes `@user`, a link `http` (its label is
kept), a channel `#channel`, code and log lines `[code]`, a `:shortcode:` its emoji. Emoji stand alone as one code point
each, without skin tone or gender. Quoted lines are somebody else's words and are left out, unless nothing else was
said. Nothing here depends on a model; time is linear in the length of the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import emoji

MENTION = "@user"
LINK = "http"
CHANNEL = "#channel"
CODE = "[code]"
PLACEHOLDERS = frozenset({MENTION, LINK, CHANNEL, CODE})


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of plain text and the run of the text as sent that it stands for.

    A `verbatim` piece was copied: its characters correspond one to one. Any other stands for its source as a whole.
    """

    start: int  # in the plain text
    end: int
    sent_start: int
    sent_end: int
    verbatim: bool


@dataclass(frozen=True, slots=True)
class Plain:
    """A text without markup. All offsets are code points."""

    text: str = field(repr=False)
    pieces: tuple[Piece, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The run of the text as sent that plain characters `start` to `end` stand for.

        Raises ValueError unless 0 <= start < end <= len(text).
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError("a span lies inside the plain text and is not empty")
        first = self._piece_at(start)
        last = self._piece_at(end - 1)
        sent_start = first.sent_start + (start - first.start if first.verbatim else 0)
        sent_end = last.sent_start + (end - last.start) if last.verbatim else last.sent_end
        return sent_start, sent_end

    def is_written(self, start: int, end: int) -> bool:
        """Whether plain characters `start` to `end` are the author's words, not what stands for markup or emoji."""
        piece = self._piece_at(start)
        return piece.verbatim or piece.end < end or self.text[piece.start : piece.end] in _ENTITIES.values()

    def _index(self, position: int) -> int:
        return bisect_right(self.pieces, position, key=lambda piece: piece.start) - 1

    def _piece_at(self, position: int) -> Piece:
        return self.pieces[self._index(position)]


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a punctuation mark of a plain text: the unit that carries an entity's tag."""

    text: str = field(repr=False)
    start: int
    end: int


def plain(sent: str, /) -> Plain:
    """What a person reads in `sent`. Takes any string: lone surrogates and control characters become spaces."""
    without_quotes = _build(sent, _QUOTE.finditer(sent)) if ">" in sent or "&gt;" in sent else None
    if without_quotes is None or not without_quotes.text.strip():
        return _build(sent, iter(()))
    return without_quotes


def words(text: str, /) -> tuple[Word, ...]:
    """The words of a plain text in order, punctuation marks by themselves.

    Marks inside a word stay in it (`node.js`, `al-Qaida`, `13:30`), as do those that belong to a name (`C++`, `C#`,
    `.NET`, `#tag`); a final `'s` is a word of its own.
    """
    found: list[Word] = []
    for chunk in _CHUNK.finditer(text):
        written, start = chunk.group(), chunk.start()
        if written.isalnum() or written in PLACEHOLDERS:
            found.append(Word(written, start, chunk.end()))
        elif written[-1] in ",.!?:;)" and written[:-1].isalnum():  # what follows gives the same, more slowly
            found.append(Word(written[:-1], start, chunk.end() - 1))
            found.append(Word(written[-1], chunk.end() - 1, chunk.end()))
        else:
            found.extend(Word(text[left:right], left, right) for left, right in _split(text, start, chunk.end()))
    return tuple(found)


_CHUNK = re.compile(r"\S+")
_CORE = re.compile(r"[@#]?\w|\.(?=[^\W\d])\w")  # where a word begins inside its marks
_RUN = re.compile(r"([.!?\-=*#~_+])\1+|[^\w\s]|\w+")
_JOINT = re.compile(r"[,;()\[\]{}<>\"“”„|=…→]+|(?<=[^\W\d])[/\\](?=[^\W\d])|\.{2,}|-{2,}|!+|\?+")
_POSSESSIVE = re.compile(r"['’]s$", re.I)
_PLACEHOLDER = re.compile("|".join(re.escape(placeholder) for placeholder in sorted(PLACEHOLDERS)))


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The words of one chunk without spaces: parts between joints, and marks by themselves."""
    position = start
    for joint in _JOINT.finditer(text, start, end):
        if _PLACEHOLDER.match(text, joint.start(), end):
            continue
        yield from _trim(text, position, joint.start())
        yield from (mark.span() for mark in _RUN.finditer(text, joint.start(), joint.end()))
        position = joint.end()
    yield from _trim(text, position, end)


def _trim(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The marks before a word, the word with the marks that belong to it, a possessive, the marks after it."""
    core = _CORE.search(text, start, end)
    if core is None:
        yield from (mark.span() for mark in _RUN.finditer(text, start, end))
        return
    yield from (mark.span() for mark in _RUN.finditer(text, start, core.start()))
    stop = end
    while stop > core.end() and not text[stop - 1].isalnum():
        stop -= 1
    if text[stop : stop + 2] == "++" or (text[stop : stop + 1] == "#" and stop - core.start() == 1):
        stop += 2 if text[stop] == "+" else 1
    possessive = _POSSESSIVE.search(text, core.start(), stop)
    if possessive and possessive.start() > core.start():
        yield core.start(), possessive.start()
        yield possessive.span()
    else:
        yield core.start(), stop
    yield from (mark.span() for mark in _RUN.finditer(text, stop, end))


_QUOTE = re.compile(
    r"^[ \t]*(?:>>>|&gt;&gt;&gt;)[ \t][\s\S]*|^[ \t]*(?:>|&gt;)(?=[ \t]|[^\W_]|[\"'*`@#]|<[@#!h])[^\n]*\n?", re.M
)

# Lines that a machine wrote: stack frames, exceptions, log records. Each pattern is anchored and reads its line once.
_MACHINE_LINE = r"""
    (?:Traceback[ ]\(most[ ]recent[ ]call[ ]last\)
    |[ \t]+File[ ]"[^"\n]*",[ ]line[ ]\d
    |[ \t]*at[ ][\w$<>]{1,80}(?:\.[\w$<>]{1,80}){1,12}\(
    |[ \t]+at[ ][^\s]{1,300}:\d+
    |Caused[ ]by:[ ]
    |(?:[a-z_$][\w$]{0,60}\.){1,12}[A-Z]\w{0,80}(?:Error|Exception)\b
    |(?:[A-Z][a-z]\w{0,80})?(?:Error|Exception):[ ]
    |\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d
    |\[?(?:ERROR|WARN|WARNING|INFO|DEBUG|FATAL|TRACE)(?:\]|:|[ ][\[(])
    |npm[ ]ERR!
    |(?:fatal|error|warning|panic):[ ]
    |error\[E\d+\]
    )[^\n]*
"""

_MARKUP = re.compile(
    rf"""
    (?P<fence>```[\s\S]*?(?:```|\Z))
    |(?P<code>`[^`\n]+`)
    |(?P<machine>^(?-i:{_MACHINE_LINE}))
    |(?P<special><!date\^[^<>|\n]*\|(?P<date>[^<>\n]*)>)
    |(?P<mention><[@!][^<>\n]{{1,200}}>|(?<![\w@/.])@\w+(?:[.-]\w+)*)
    |(?P<channel><\#[^<>\n]{{1,200}}>|<id:\w+>|</[^<>\n]{{1,100}}:\d+>)
    |(?P<custom><a?:(?P<custom_name>\w{{1,100}}):\d+>)
    |(?P<time><t:-?\d+(?::\w)?>)
    |(?P<labelled><(?:https?|mailto|tel|ftp|slack):[^<>|\n]*\|(?P<label>[^<>\n]*)>)
    |(?P<link><(?:https?|mailto|tel|ftp|slack):[^<>\n]*>
        |(?:https?://|www\.(?=\w))(?:[^\s<>|]*[^\s<>|.,;:!?)\]}}'"*_~`…])?
        |(?<![\w.+\-])[\w.+\-]{{1,64}}@(?:[\w\-]{{1,63}}\.){{1,8}}\w{{2,24}}(?![\w]))
    |(?P<entity>&(?:amp|lt|gt);)
    |(?P<shortcode>(?<!\d):(?P<name>[\w+'\-]{{1,100}}):(?!\d))
    |(?P<emoji>[\u2049-\u2b55\u3030-\u3299\U0001f000-\U0001faff])
    |(?P<unreadable>[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd\U000e0000-\U000e007f])
    |(?P<invisible>[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff]+)
    |(?P<spoiler>\|\|)
    |(?P<emphasis>(?<![\w*_~\\^\-])[*_~]{{1,3}}(?=[^\W_]|[\"'(@\#`:]|<[@\#!:h])|(?<=[\w.!?,;:)\"'`])[*_~]{{1,3}}(?![\w*_~/\-]))
    |(?P<letters>(?P<letter>[^\W\d_])(?P=letter){{2,}})
    |(?P<laugh>\b(?:[hj][aei]){{3,}}h?\b)
    |(?P<marks>(?P<mark>[!?.\-=_*~\#+])(?P=mark){{3,}})
    """,
    re.X | re.M | re.I,
)
_EMOJI_RANGE = re.compile(r"[\u2049-\u2b55\u3030-\u3299\U0001f000-\U0001faff]")
_EMOJI_RUN = re.compile(
    r"[\u2049-\u2b55\u3030-\u3299\U0001f000-\U0001faff][\u200d\ufe0f\u2049-\u2b55\u3030-\u3299\U0001f000-\U0001faff"
    r"\U000e0020-\U000e007f]{0,63}"
)
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_LONGEST_CODE_WORD = 30
_TONE = re.compile(r"skin-tone-[1-6]$")


class _Builder:
    """Collects pieces left to right."""

    def __init__(self, sent: str) -> None:
        self._sent = sent
        self._parts: list[str] = []
        self._pieces: list[Piece] = []
        self._length = 0

    def copy(self, start: int, end: int) -> None:
        if start < end:
            self._add(self._sent[start:end], start, end, verbatim=True)

    def replace(self, start: int, end: int, text: str) -> None:
        if text:
            self._add(text, start, end, verbatim=False)

    def ends_with(self, text: str) -> bool:
        """Whether the last thing written, spaces aside, is `text`."""
        for part in reversed(self._parts):
            if not part.isspace():
                return part == text
        return False

    def plain(self) -> Plain:
        return Plain("".join(self._parts), tuple(self._pieces))

    def _add(self, text: str, start: int, end: int, *, verbatim: bool) -> None:
        self._pieces.append(Piece(self._length, self._length + len(text), start, end, verbatim))
        self._parts.append(text)
        self._length += len(text)


def _build(sent: str, left_out: Iterator[re.Match[str]]) -> Plain:
    builder = _Builder(sent)
    position = 0
    for quote in left_out:
        _read(builder, sent, position, quote.start())
        position = quote.end()
    _read(builder, sent, position, len(sent))
    return builder.plain()


def _read(builder: _Builder, sent: str, start: int, end: int) -> None:
    """Append what stands between `start` and `end`."""
    if start >= end:
        return
    emoji_ends = _emoji_ends(sent, start, end)
    position = start
    for match in _MARKUP.finditer(sent, start, end):
        left, right = match.span()
        if left < position:
            continue  # inside an emoji of several code points
        builder.copy(position, left)
        position = right
        match match.lastgroup:
            case "fence" | "machine":
                _replace_code(builder, left, right)
            case "code":
                if right - left - 2 <= _LONGEST_CODE_WORD:
                    builder.copy(left + 1, right - 1)
                else:
                    _replace_code(builder, left, right)
            case "special":
                builder.copy(*match.span("date"))
            case "mention":
                builder.replace(left, right, f" {MENTION} ")
            case "channel":
                builder.replace(left, right, f" {CHANNEL} ")
            case "custom":
                _replace_shortcode(builder, left, right, match["custom_name"])
            case "time":
                builder.replace(left, right, " then ")
            case "labelled":
                label = match["label"]
                if not label or "://" in label or _MARKUP.fullmatch(label):
                    builder.replace(left, right, f" {LINK} ")
                else:
                    _read(builder, sent, *match.span("label"))
            case "link":
                builder.replace(left, right, f" {LINK} ")
            case "entity":
                builder.replace(left, right, _ENTITIES[match.group()])
            case "shortcode":
                if not _stands_alone(sent, left, right, known=match["name"].lower() in _shortcodes()):
                    builder.copy(left, right)
                else:
                    _replace_shortcode(builder, left, right, match["name"])
            case "emoji":
                position = emoji_ends.get(left, right)
                if left in emoji_ends:
                    builder.replace(left, position, f" {simplest(sent[left:position])} ")
                else:
                    builder.copy(left, right)
            case "unreadable":
                builder.replace(left, right, " ")
            case "letters":
                builder.replace(left, right, sent[left : left + 2])
            case "laugh":
                builder.replace(left, right, sent[left : left + 4])
            case "marks":
                builder.replace(left, right, sent[left : left + 3])
            case _:  # emphasis, spoiler marks and invisible characters stand for nothing
                pass
    builder.copy(position, end)


def _replace_code(builder: _Builder, start: int, end: int) -> None:
    if not builder.ends_with(f" {CODE} "):  # one placeholder for a whole stack trace
        builder.replace(start, end, f" {CODE} ")


def _replace_shortcode(builder: _Builder, start: int, end: int, name: str) -> None:
    if _TONE.match(name):
        return
    known = _shortcodes().get(name.lower())
    if known is not None:
        builder.replace(start, end, f" {known} ")
    else:  # a team's own emoji: its name is all that is known
        builder.replace(start, end, " " + re.sub(r"[_+\-]+", " ", name).strip() + " ")


def simplest(sequence: str) -> str:
    """One code point for an emoji sequence, without tones, genders and variation selectors; a flag is `flag`.

    A person with a thing (a coder, a firefighter) is the person.
    """
    first = sequence[0]
    if "\U0001f1e6" <= first <= "\U0001f1ff" or "\U000e007f" in sequence:
        return "flag"
    if first == "\U0001f3f3" and "\U0001f308" in sequence:
        return "\U0001f308"
    return first


def _stands_alone(sent: str, start: int, end: int, *, known: bool) -> bool:
    before, after = sent[start - 1 : start] if start else "", sent[end : end + 1]
    if known:
        return not (before.isalnum() and after.isalnum())
    return not (before.isalnum() or before in {"_", ":"} or after.isalnum() or after == "_")


def _emoji_ends(sent: str, start: int, end: int) -> dict[int, int]:
    if _EMOJI_RANGE.search(sent, start, end) is None:
        return {}
    ends: dict[int, int] = {}
    # One short run at a time: the library's search is quadratic in the length of a chain of joined emoji.
    for run in _EMOJI_RUN.finditer(sent, start, end):
        for one in emoji.emoji_list(run.group()):
            ends[run.start() + one["match_start"]] = run.start() + one["match_end"]
    return ends


@cache
def _shortcodes() -> dict[str, str]:
    """Slack's and Discord's names of emoji. Made by `python -m training.emoji` from emoji-datasource."""
    lines = (Path(__file__).parent / "analysis" / "emoji.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))
