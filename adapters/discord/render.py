"""Answer → a sentence, and an embed that reads well on a phone in both themes.

Limits: https://docs.discord.com/developers/resources/message#embed-object-embed-limits. They are kept by construction:
what a line may hold is bounded before it is escaped, which at most doubles it, and lines are taken while there is room.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from discord import Embed

from bot.answer import Answer, Chart, Link, Table
from bot.errors import QuestionError
from bot.message import Platform

PUBLIC_LINES = 6
"""Lines of an answer that everybody sees, the sentence among them: more breaks a conversation up, most on phones."""

PUBLIC_ROOM = 700
"""Characters of these lines: about what a phone shows without scrolling."""

PRIVATE_LINES = 40

LONGEST_CONTENT = 2000
LONGEST_TITLE = 256
LONGEST_DESCRIPTION = 4096
LONGEST_EMBED = 6000
LONGEST_ALT = 1024

COLOUR = 0x3E8E8A
"""The edge of the embed: stands out on light and dark alike, and says nothing by itself."""

_SENTENCE, _LINE, _CELL, _TITLE, _FOOTNOTE = 900, 450, 90, 120, 900
"""Characters before escaping."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is posted. `content` alone says the answer: some people see no embeds. `chart` is the image to attach."""

    content: str
    embed: Embed | None = None
    chart: Chart | None = None


def render(answer: Answer, *, public: bool, embeds: bool = True, files: bool = True) -> Reply:
    """The answer for everybody in a channel (`public`), short, or for one person, whole.

    Where embeds or files aren't allowed, as much of it in words.
    """
    sentence = literal(answer.lines[0], _SENTENCE) if answer.lines else literal(answer.title, _SENTENCE)
    lines = _fitted(
        _lines(answer), *((PUBLIC_LINES - 1, PUBLIC_ROOM) if public else (PRIVATE_LINES - 1, LONGEST_EMBED))
    )
    if not public and answer.suggestions:
        lines.append("-# Next: " + " · ".join(_code(suggestion) for suggestion in answer.suggestions[:3]))
    if not embeds:
        small = [f"-# {literal(answer.footnote, _FOOTNOTE // 2)}"] if answer.footnote else []
        return Reply("\n".join(_taken([sentence, *lines, *small], LONGEST_CONTENT)))
    embed = Embed(
        title=literal(answer.title, _TITLE),
        description="\n".join(_taken(lines, LONGEST_DESCRIPTION)) or None,
        colour=COLOUR,
    )
    if answer.footnote:
        embed.set_footer(text=shortened(_visible(answer.footnote), _FOOTNOTE))  # a footer knows no markdown
    return Reply(sentence, embed, answer.chart if files else None)


def puzzled(error: QuestionError) -> Reply:
    """What wasn't understood, and what could be asked instead."""
    lines = [literal(str(error), _SENTENCE), *(f"- {_code(suggestion)}" for suggestion in error.suggestions[:3])]
    return Reply("\n".join(_taken(lines, LONGEST_CONTENT)))


def alt(chart: Chart) -> str:
    """The image's description, for people who don't see it."""
    return shortened(_visible(chart.alt), LONGEST_ALT)


def jump(link: Link) -> str:
    """The address of a message or of a thread."""
    target = link.target
    return f"https://discord.com/channels/{target.channel.workspace}/{target.channel.id}/{target.id}"


def _lines(answer: Answer) -> list[str]:
    lines = [literal(line, _LINE) for line in answer.lines[1:]]
    if answer.table is not None:
        lines += [_row(answer.table, row) for row in answer.table.rows]
    for link in answer.links:
        words = literal(link.words, _LINE)
        lines.append(f"→ [{words}]({jump(link)})" if link.target.channel.platform is Platform.DISCORD else f"→ {words}")
    return lines


_BARE = {"", "kind", "name", "channel", "first", "last", "and get"}


def _row(table: Table, row: Sequence[str]) -> str:
    """A table's row as one line that wraps well: '**Jenkins** · product · people 8 · mood +5 (−3 … 12)'."""
    first, *rest = (literal(cell, _CELL) for cell in row[:8])
    shown = f"**{first}**" if first else ""
    for column, cell in zip(table.columns[1:], rest, strict=False):
        if not cell:
            continue
        if "interval" in column.title:
            shown += f" ({cell})"
        elif column.title == "estimate":
            shown += f" {cell}"
        else:
            shown += f" · {cell}" if column.title in _BARE else f" · {literal(column.title, _CELL)} {cell}"
    return shown


def _fitted(lines: list[str], most: int, room: int) -> list[str]:
    """The first `most` of the lines, while there is room for them, and how many are left out."""
    kept = list(_taken(lines[:most], room))
    if len(kept) == len(lines):
        return kept
    kept = kept[: most - 1]
    return [*kept, f"… and {len(lines) - len(kept)} more: ask with `/roomtone` to see all"]


def _taken(lines: Sequence[str], room: int) -> Iterator[str]:
    """Whole lines from the first on, while they fit into `room` characters."""
    for line in lines:
        room -= length(line) + 1
        if room < -1:
            return
        yield line


def length(text: str) -> int:
    """Characters as Discord's clients count them (UTF-16), never fewer than its server does."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


# As little as does it: where a notification shows the text, it shows the backslashes too.
_MARKUP = re.compile(r"[\\*_~|`<\[\]@]|:(?=//)|^(?:[-+>]|#{1,3}|>>>|-#)(?= )|^[0-9]+(?=[.)])")
_JOINERS = "\u200d\ufe0e\ufe0f"


def literal(text: str, most: int) -> str:
    """`text` on one line, at most `most` characters of it, with nothing in it that Discord would act upon."""
    return _MARKUP.sub(_escaped, shortened(_visible(text), most))


def _escaped(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"


def _code(text: str) -> str:
    return f"`{shortened(_visible(text), _LINE).replace('`', chr(39))}`"


def _visible(text: str) -> str:
    """Without what moves or hides other characters, joiners of emoji aside."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text)
    return "".join(c for c in kept if c in _JOINERS or unicodedata.category(c) != "Cf").strip()


def shortened(text: str, most: int) -> str:
    """The beginning of `text`, cut between whole characters and ended with '…' if it is longer than `most`."""
    if length(text) <= most:
        return text
    end, room = 0, most - 1
    while end < len(text) and (room := room - length(text[end])) >= 0:
        end += 1
    while end and (_continues(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end].rstrip() + "…"


def _continues(character: str) -> bool:
    """Is `character` a part of the one before it?"""
    is_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    return is_tone or character in _JOINERS or unicodedata.category(character) in {"Mn", "Mc", "Me"}
