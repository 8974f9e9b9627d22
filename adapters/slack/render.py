"""Answer → Block Kit. Pure; every limit of Slack's holds by construction.

Words go into plain-text objects and rich-text elements, which Slack never parses: no name, message or entity can
mention, format or forge a link.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.answer import Align, Answer, Link, Table, Visibility
from bot.errors import QuestionError, RoomtoneError

Block = dict[str, Any]

SHARE = "share"
ASK = "ask"

# Slack's limits, less a tenth: nobody says what counts as a character (UTF-16 units are counted here).
SECTION = 2700
HEADER = 135
CONTEXT = 1800
BUTTON = 67
VALUE = 1800
ALT = 900
MESSAGE = 3600
ROWS = 100
CELLS = 20
CELL = 200
LINES = 12
LINKS = 5
SUGGESTIONS = 3
PREFORMATTED = 2600


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked: enough to answer it again, to the same window, when it is shared."""

    text: str
    at: datetime

    def packed(self) -> str:
        """As a button's value."""
        return json.dumps({"q": cut(self.text, 600), "at": self.at.isoformat()})

    @classmethod
    def unpacked(cls, value: str) -> Asked | None:
        """From a button's value; None if it is no such thing."""
        try:
            found = json.loads(value)
            return cls(str(found["q"]), datetime.fromisoformat(found["at"]).astimezone(UTC))
        except (ValueError, KeyError, TypeError):
            return None


def message(
    answer: Answer,
    asked: Asked | None = None,
    *,
    table_block: bool = True,
    picture: str | None = None,
    shared_by: str | None = None,
    permalinks: str = "",
) -> dict[str, Any]:
    """The arguments of a message that says `answer`: `text`, `blocks`, and that neither is to be parsed.

    With `asked` the asker can share it and go on asking. `picture` is an uploaded chart's file id, `shared_by` the id
    of who shared it. Without `table_block` a table is drawn in characters, for places that can't show one.
    `permalinks` is the workspace's address, as `https://acme.slack.com/`.
    """
    blocks: list[Block] = [_header(answer.title)]
    if answer.lines:
        blocks.append(_lines(answer.lines))
    if answer.chart is not None and picture is not None:
        image: Block = {
            "type": "image",
            "slack_file": {"id": picture},
            "alt_text": cut(answer.chart.alt, ALT) or "chart",
        }
        blocks.append(image)
    if answer.table is not None and answer.table.rows and not table_block:
        blocks.append(_preformatted(answer.table))
    if answer.links:
        blocks.append(_links(answer.links[:LINKS], permalinks))
    if answer.footnote:
        blocks.append(_context(answer.footnote))
    if shared_by is not None:
        blocks.append({"type": "rich_text", "elements": [_section(_text("Shared by "), _user(shared_by))]})
    if asked is not None and (buttons := _buttons(answer, asked)):
        blocks.append({"type": "actions", "elements": buttons})
    if answer.table is not None and answer.table.rows and table_block:
        blocks.append(_table(answer.table))  # Slack shows a table last, wherever it stands
    return {"text": spoken(answer), "blocks": blocks, "mrkdwn": False}


def refused(error: RoomtoneError) -> dict[str, Any]:
    """What to say instead of an answer, with the questions that may have been meant as buttons."""
    words = str(error)
    blocks: list[Block] = [_plain_section(words)]
    suggestions = error.suggestions if isinstance(error, QuestionError) else ()
    if buttons := _suggested(suggestions):
        blocks.append({"type": "actions", "elements": buttons})
    offered = [suggestion for suggestion in suggestions[:SUGGESTIONS] if suggestion.strip()]
    spoken_words = f"{words} Try: {'; '.join(offered)}." if offered else words
    return {"text": cut(_escaped(spoken_words), MESSAGE), "blocks": blocks, "mrkdwn": False}


def said(words: str) -> dict[str, Any]:
    """A sentence of our own."""
    return {"text": _escaped(cut(words, MESSAGE)), "blocks": [_plain_section(words)], "mrkdwn": False}


def spoken(answer: Answer) -> str:
    """The whole answer in plain words, for screen readers and notifications, which don't read blocks."""
    parts = [answer.title, *answer.lines]
    if answer.chart is not None:
        parts.append(answer.chart.alt)
    if answer.table is not None and answer.table.rows:
        titles = [column.title for column in answer.table.columns]
        for row in answer.table.rows[:10]:
            cells = [(title, cell) for title, cell in zip(titles, row, strict=False) if cell.strip()]
            parts.append(", ".join(f"{title}: {cell}" if title else cell for title, cell in cells))
    parts.append(answer.footnote)
    return cut(_escaped("\n".join(part for part in parts if part)), MESSAGE)


def permalink(link: Link, workspace_url: str) -> str:
    """The address of a message, made without asking Slack."""
    return f"{workspace_url}archives/{link.target.channel.id}/p{link.target.id.replace('.', '')}"


def in_words(blocks: Sequence[Block]) -> str:
    """Blocks as people read them, a line for each block, line or row; without buttons and pictures."""
    lines: list[str] = []
    for block in blocks:
        match block:
            case {"text": {"text": str(words)}}:
                lines.append(words)
            case {"rows": list(rows)}:
                lines += ["  ".join(cell["text"] for cell in row) for row in rows]
            case {"type": "context" | "rich_text", "elements": list(elements)}:
                lines.append("".join(_spelled(element) for element in elements))
    return "\n".join(lines)


def _spelled(element: Block) -> str:
    inside = "".join(_spelled(each) for each in element.get("elements", ()))
    address = f" <{element['url']}>" if "url" in element else ""
    return f"{inside}{element.get('text', '')}{address}"


def cut(text: str, units: int) -> str:
    """`text` within `units` UTF-16 units, ending in … where it was longer."""
    encoded = text.encode("utf-16-le", "replace")
    if len(encoded) <= 2 * units:
        return encoded.decode("utf-16-le")
    return encoded[: 2 * (units - 1)].decode("utf-16-le", "ignore") + "…"


def plain(text: str, units: int) -> Block:
    """A plain-text object: no markup, no mentions, no `:codes:`; never empty, which Slack refuses."""
    return {"type": "plain_text", "text": cut(text, units).strip() or "–", "emoji": False}


def button(words: str, action: str, value: str, **more: Any) -> Block:
    """A button."""
    return {"type": "button", "text": plain(words, BUTTON), "action_id": action, "value": value, **more}


def _header(title: str) -> Block:
    return {"type": "header", "text": plain(title, HEADER)}


def _plain_section(words: str) -> Block:
    return {"type": "section", "text": plain(words, SECTION)}


def _context(words: str) -> Block:
    return {"type": "context", "elements": [plain(words, CONTEXT)]}


def _lines(lines: Sequence[str]) -> Block:
    """The sentences, the first of them bold."""
    first, *others = lines[:LINES]
    elements = [_text(cut(first, 600) or "–", bold=True)]
    if rest := "\n".join(cut(line, 600) for line in others):
        elements.append(_text("\n" + cut(rest, SECTION - 700)))
    return {"type": "rich_text", "elements": [_section(*elements)]}


def _links(links: Sequence[Link], workspace_url: str) -> Block:
    elements: list[Block] = []
    for link in links:
        words = cut(link.words, 200) or "a message"
        elements.append(_text("→ " if not elements else "\n→ "))
        if workspace_url:
            elements.append({"type": "link", "url": permalink(link, workspace_url), "text": words})
        else:
            elements.append(_text(words))
    return {"type": "rich_text", "elements": [_section(*elements)]}


def _section(*elements: Block) -> Block:
    return {"type": "rich_text_section", "elements": list(elements)}


def _text(words: str, *, bold: bool = False) -> Block:
    return {"type": "text", "text": words, "style": {"bold": True}} if bold else {"type": "text", "text": words}


def _user(user: str) -> Block:
    return {"type": "user", "user_id": user}


def _buttons(answer: Answer, asked: Asked) -> list[Block]:
    buttons = _suggested(answer.suggestions)
    if answer.visibility is not Visibility.PERSONAL and answer.ok:
        confirm = {
            "title": plain("Share with the channel?", 90),
            "text": plain("Everybody here will see this answer, and that you shared it.", 270),
            "confirm": plain("Share", 27),
            "deny": plain("Not now", 27),
        }
        buttons.append(button("Share with the channel", SHARE, asked.packed(), confirm=confirm))
    return buttons


def _suggested(suggestions: Sequence[str]) -> list[Block]:
    return [
        button(suggestion, f"{ASK} {number}", cut(suggestion, VALUE))
        for number, suggestion in enumerate(suggestions[:SUGGESTIONS])
        if suggestion.strip()
    ]


def _table(table: Table) -> Block:
    columns = table.columns[:CELLS]
    rows = [[column.title for column in columns], *(row[:CELLS] for row in table.rows[: ROWS - 1])]
    settings = [{"align": "right"} if column.align is Align.RIGHT else {"align": "left"} for column in columns]
    cells = [[{"type": "raw_text", "text": cut(cell, CELL).strip() or "–"} for cell in row] for row in rows]
    return {"type": "table", "column_settings": settings, "rows": cells}


def _preformatted(table: Table) -> Block:
    """A table drawn in characters."""
    rows = [[column.title for column in table.columns], *table.rows]
    shown = [[cut(cell.replace("\n", " "), 24) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(table.columns))]
    lines: list[str] = []
    for row in shown:
        cells = [
            cell.rjust(width) if column.align is Align.RIGHT else cell.ljust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=False)
        ]
        lines.append("  ".join(cells).rstrip())
    text = ""
    for line in lines:
        if len((text + line).encode("utf-16-le", "replace")) > 2 * PREFORMATTED:
            text += "…"
            break
        text += line + "\n"
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_preformatted", "elements": [_text(text.rstrip() or "–")]}],
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
