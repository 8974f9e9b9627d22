"""Small creators with defaults, so that a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.analysis import Analysis, Entity, Kind, Sentiment
from bot.message import Channel, Message, MessageId, Platform, Pseudonym

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)

GENERAL = Channel(Platform.CONSOLE, "acme", "general")
RANDOM = Channel(Platform.CONSOLE, "acme", "random")

CALM = Sentiment(0.1, 0.8, 0.1)
GLAD = Sentiment(0.05, 0.15, 0.8)
ANGRY = Sentiment(0.85, 0.1, 0.05)


def an_author(number: int = 1) -> Pseudonym:
    return Pseudonym(f"{number:032x}")


def a_message(
    number: int = 1,
    *,
    text: str = "good morning",
    author: int = 1,
    at: datetime | None = None,
    revised_at: datetime | None = None,
    channel: Channel = GENERAL,
    thread: MessageId | None = None,
    from_bot: bool = False,
) -> Message:
    """The `number`th message of `channel`, sent that many minutes after AT unless `at` says otherwise."""
    sent_at = at or AT + timedelta(minutes=number)
    return Message(
        id=MessageId(channel, str(number)),
        author=an_author(author),
        sent_at=sent_at,
        revised_at=revised_at or sent_at,
        text=text,
        thread=thread,
        from_bot=from_bot,
    )


def an_analysis(
    sentiment: Sentiment | None = CALM, *entities: Entity, model: str = "example 1", language: str | None = None
) -> Analysis:
    return Analysis(sentiment=sentiment, entities=entities, model=model, language=language)


def an_entity(text: str = "Jenkins", kind: Kind = Kind.PRODUCT, start: int = 0, confidence: float = 0.9) -> Entity:
    return Entity(text=text, kind=kind, start=start, end=start + len(text), confidence=confidence)
