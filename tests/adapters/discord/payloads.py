"""Whole Discord payloads, made where a test needs them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from adapters.discord.translate import snowflake
from bot.privacy import Pseudonyms
from tests.conftest import KEY
from tests.examples import AT

PSEUDONYMS = Pseudonyms(KEY)
GUILD, GENERAL, SECRET, FORUM, VOICE = "10", "20", "21", "22", "23"
ME, APP, ROLE = "1", "1", "55"
ANN, BEN = "901", "902"


def user(id_: str = ANN, name: str = "ann", *, bot: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"id": id_, "username": name, "discriminator": "0", "avatar": None, "global_name": None}
    return made | {"bot": True} if bot else made


MYSELF = user(ME, "Roomtone", bot=True)


def id_at(at: datetime, number: int = 0) -> str:
    """The `number`th snowflake of the millisecond `at`."""
    return str(snowflake(at) + number)


def message(number: int = 1, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """The `number`th message of #general, by Ann, that many minutes after AT; `...` leaves a field out."""
    sent_at = at or AT + timedelta(minutes=number)
    whole: dict[str, Any] = {
        "id": id_at(sent_at, number),
        "channel_id": GENERAL,
        "guild_id": GUILD,
        "author": user(),
        "member": {"roles": [], "joined_at": AT.isoformat(), "deaf": False, "mute": False, "flags": 0},
        "content": "good morning",
        "timestamp": sent_at.isoformat(),
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "reactions": [],
        "pinned": False,
        "type": 0,
        "flags": 0,
    }
    return {key: value for key, value in (whole | fields).items() if value is not ...}
