"""What `--json` prints of an analysis, of a channel and of a digest to come; docs/json.md describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.analysis import Analysis
from bot.answer import Answer, answer_as_json
from bot.message import Channel, Platform
from bot.store import ChannelSummary
from bot.writer import Planned


def analysis_as_json(text: str, analysis: Analysis) -> dict[str, Any]:
    """An analysis as `roomtone analyze --json` prints it; a language that isn't read has no figures (null)."""
    read = analysis.sentiment
    return {
        "text": text,
        "sentiment": {
            "label": read and str(read.label),
            "score": read and round(read.score, 4),
            "negative": read and round(read.negative, 4),
            "neutral": read and round(read.neutral, 4),
            "positive": read and round(read.positive, 4),
        },
        "entities": [
            {
                "text": entity.text,
                "kind": str(entity.kind),
                "start": entity.start,
                "end": entity.end,
                "confidence": round(entity.confidence, 4),
            }
            for entity in analysis.entities
        ],
        "model": analysis.model,
        "language": analysis.language,
    }


def channel_as_json(summary: ChannelSummary) -> dict[str, Any]:
    """A channel as `roomtone channels --json` prints it."""
    return {
        "platform": str(summary.channel.platform),
        "workspace": summary.channel.workspace,
        "channel": summary.name,
        "id": summary.channel.id,
        "messages": summary.messages,
        "people": summary.people,
        "first": summary.first and summary.first.isoformat(),
        "last": summary.last and summary.last.isoformat(),
    }


def planned_as_json(
    post: Planned,
    names: Mapping[Channel, str],
    as_posted: Callable[[Platform, Answer], tuple[str, Mapping[str, Any] | None]],
) -> Mapping[str, Any]:
    """What is posted next in a channel, in the channel's words and as its platform is given it."""
    channel, answer = post.due.channel, post.made.answer
    text, message = (None, None) if answer is None else as_posted(channel.platform, answer)
    return {
        "platform": str(channel.platform),
        "workspace": channel.workspace,
        "channel": names.get(channel, channel.id),
        "id": channel.id,
        "sort": str(post.due.sort),
        "times": post.times,
        "due": post.due.at.isoformat(),
        "is_due": post.is_due,
        "about": [names.get(each, each.id) for each in post.about],
        "why": post.made.why,
        "text": text,
        "message": message,
        "answer": None if answer is None else answer_as_json(answer),
    }
