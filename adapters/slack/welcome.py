"""What we say of ourselves in a channel: the introduction, and the reading of its past. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from adapters.slack.history import Progress
from bot.privacy import MINIMUM_AUTHORS

USUAL_PAST = timedelta(days=90)
LONGEST_PAST = timedelta(days=3650)

_BACKFILL = re.compile(r"backfill(?:\s+(\d{1,4})\s*(d|days?|w|weeks?|m|months?|y|years?)?)?\s*", re.IGNORECASE)
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


def introduction(inviter: str | None) -> dict[str, Any]:
    """The message with which we enter a channel; `inviter` is the id of who brought us."""
    greeting = [_text("Hello, I'm Roomtone")]
    if inviter:
        greeting += [_text(", invited by "), {"type": "user", "user_id": inviter}]
    told = (
        ". From now on I read what is written in this channel and turn it into numbers: how the mood moves, and "
        "what is talked about. I keep no message: its words are erased once they are read. Nothing is ever shown of "
        f"one person, nor of fewer than {MINIMUM_AUTHORS} people, and everything stays on this team's own machine.\n\n"
        "• /roomtone help: what you can ask\n"
        "• /roomtone opt-out: leave me out of it, at any time\n"
        "• /roomtone privacy: exactly what is kept\n"
        "• /roomtone backfill 90d: also read the last 90 days"
    )
    words = "Hello, I'm Roomtone" + told
    section = {"type": "rich_text_section", "elements": [*greeting, _text(told)]}
    return {"text": words, "blocks": [{"type": "rich_text", "elements": [section]}], "mrkdwn": False}


def past_of(command: str) -> timedelta | None:
    """How much of the past `backfill 90d` asks for; None if that isn't what is asked."""
    found = _BACKFILL.fullmatch(command.strip())
    if found is None:
        return None
    if found[1] is None:
        return USUAL_PAST
    days = int(found[1]) * _DAYS[(found[2] or "d")[0].lower()]
    return min(LONGEST_PAST, timedelta(days=max(1, days)))


def reading_the_past(progress: Progress) -> str:
    """How far the reading of the past has come."""
    return (
        f"I'm reading this channel's past: back to {progress.reached:%d %B %Y} so far, "
        f"on the way to {progress.oldest:%d %B %Y}; {progress.messages:,} messages found."
    )


def backfill_done(progress: Progress) -> dict[str, Any]:
    """What is said when the past has been read."""
    words = (
        f"I have read this channel back to {progress.oldest:%d %B %Y}: {progress.messages:,} messages that I didn't "
        "know. /roomtone mood last 90 days shows them."
    )
    section = {"type": "rich_text_section", "elements": [_text(words)]}
    return {"text": words, "blocks": [{"type": "rich_text", "elements": [section]}], "mrkdwn": False}


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}
