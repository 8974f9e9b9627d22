"""Slack's limits as it documents them, and what in some blocks breaks them.

Lengths are counted in UTF-16 units, the strictest plausible reading of Slack's undefined 'characters'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TEXT_ADVISED = 4000
LIMITS = {
    "blocks in a message": 50,
    "blocks in a view": 100,
    "block_id": 255,
    "action_id": 255,
    "section text": 3000,
    "section fields": 10,
    "section field": 2000,
    "header": 150,
    "context elements": 10,
    "context text": 2000,
    "actions elements": 25,
    "image alt_text": 2000,
    "image title": 2000,
    "table rows": 100,
    "table cells": 20,
    "table column_settings": 20,
    "tables": 1,
    "button text": 75,
    "button value": 2000,
    "option text": 75,
    "option value": 150,
    "options": 100,
    "view title": 24,
    "view submit": 24,
    "view close": 24,
    "private_metadata": 3000,
    "label": 2000,
    "confirm title": 100,
    "confirm text": 300,
    "confirm confirm": 30,
    "confirm deny": 30,
}


def length(text: str) -> int:
    """UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def violations(blocks: Sequence[Mapping[str, Any]], *, view: bool = False) -> list[str]:
    """What Slack would refuse in `blocks`, in words; empty if nothing."""
    found = list(_over("blocks in a view" if view else "blocks in a message", len(blocks)))
    found += _over("tables", sum(block["type"] == "table" for block in blocks))
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        found.append("a block_id twice")
    for block in blocks:
        found += _block(block)
    return found


def view_violations(view: Mapping[str, Any]) -> list[str]:
    """What Slack would refuse in a view."""
    found = violations(view["blocks"], view=True)
    for part in ("title", "submit", "close"):
        if part in view:
            found += _text(f"view {part}", view[part], "plain_text")
    found += _over("private_metadata", length(view.get("private_metadata", "")))
    return found


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    yield from _over("block_id", length(block.get("block_id", "")))
    match block["type"]:
        case "section":
            if "text" not in block and "fields" not in block:
                yield "a section without text"
            if "text" in block:
                yield from _text("section text", block["text"])
            fields = block.get("fields", ())
            yield from _over("section fields", len(fields))
            for field in fields:
                yield from _text("section field", field)
            if "accessory" in block:
                yield from _element(block["accessory"])
        case "header":
            yield from _text("header", block["text"], "plain_text")
        case "context":
            yield from _over("context elements", len(block["elements"]))
            for element in block["elements"]:
                yield from _text("context text", element)
        case "actions":
            yield from _over("actions elements", len(block["elements"]))
            if not block["elements"]:
                yield "actions without elements"
            for element in block["elements"]:
                yield from _element(element)
        case "image":
            yield from _over("image alt_text", length(block["alt_text"]))
            if ("slack_file" in block) == ("image_url" in block):
                yield "an image with none or both of slack_file and image_url"
            if "title" in block:
                yield from _text("image title", block["title"], "plain_text")
        case "table":
            yield from _table(block)
        case "input":
            yield from _text("label", block["label"], "plain_text")
            yield from _element(block["element"])
        case "rich_text":
            text = "".join(_rich(block))
            if not text:
                yield "a rich text without text"
            yield from _over("section text", length(text))
        case "divider":
            pass
        case other:
            yield f"a block of type {other}"


def _rich(node: Mapping[str, Any]) -> Iterator[str]:
    for element in node["elements"]:
        match element["type"]:
            case "text":
                assert element["text"], "Slack refuses an empty text element"
                yield element["text"]
            case "link":
                yield element["text"]
            case "user":
                yield element["user_id"]
            case _:
                yield from _rich(element)


def _table(block: Mapping[str, Any]) -> Iterator[str]:
    yield from _over("table rows", len(block["rows"]))
    yield from _over("table column_settings", len(block.get("column_settings", ())))
    if len({len(row) for row in block["rows"]}) > 1:
        yield "rows of different lengths"
    for row in block["rows"]:
        yield from _over("table cells", len(row))
        for cell in row:
            if cell["type"] != "raw_text" or not cell["text"]:
                yield "a cell without text"


def _element(element: Mapping[str, Any]) -> Iterator[str]:
    yield from _over("action_id", length(element.get("action_id", "")))
    match element["type"]:
        case "button":
            yield from _text("button text", element["text"], "plain_text")
            yield from _over("button value", length(element.get("value", "")))
            if confirm := element.get("confirm"):
                for part, text in confirm.items():
                    yield from _text(f"confirm {part}", text)
        case "static_select":
            yield from _over("options", len(element["options"]))
            if not element["options"]:
                yield "a select without options"
            for option in element["options"]:
                yield from _text("option text", option["text"], "plain_text")
                yield from _over("option value", length(option["value"]))
            if "initial_option" in element and element["initial_option"] not in element["options"]:
                yield "an initial option that is none of the options"
        case other:
            yield f"an element of type {other}"


def _text(what: str, text: Mapping[str, Any], kind: str | None = None) -> Iterator[str]:
    if text["type"] not in ({kind} if kind else {"plain_text", "mrkdwn"}):
        yield f"{what} of type {text['type']}"
    if not text["text"]:
        yield f"{what} is empty"
    yield from _over(what, length(text["text"]))


def _over(what: str, count: int) -> Iterator[str]:
    if count > LIMITS[what]:
        yield f"{what}: {count} > {LIMITS[what]}"
