"""Every setting: typed, said in one sentence, read once.

`.env.example` and the reference in the docs are made from this class; a test keeps them equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import ConfigurationError

PREFIX = "ROOMTONE_"


def _a_zone(name: str) -> str:
    try:
        ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone; names look like Europe/Berlin") from error
    return name


def _a_level(level: str) -> str:
    if level.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError("a log level is debug, info, warning or error")
    return level.lower()


class Settings(BaseSettings):
    """What an operator can choose. Environment variables win over `.env`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # a .env often holds other programs' lines; `doctor` names misspelt ROOMTONE_ ones
        frozen=True,
        hide_input_in_errors=True,  # or a rejected token would be printed
        use_attribute_docstrings=True,
    )

    database_url: str = "sqlite:///data/roomtone.db"
    """Where everything is kept: sqlite:///FILE. The folder is made if it isn't there."""

    key: SecretStr | None = None
    """The installation's secret as 64 hex digits. Left empty, it is kept in the key file."""

    key_file: Path | None = None
    """The file that holds the installation's secret; made on first start. Left empty: beside the database, *.key.
    Keep a copy, and not with the database's backups: without it authors can't be recognised again."""

    discord_token: SecretStr | None = None
    """The Discord bot's token (Developer Portal → your application → Bot); `docs/discord.md` walks through it."""

    time_zone: Annotated[str, AfterValidator(_a_zone)] = ""
    """The zone in which "today" and "last week" are read where nobody's own zone is known. Empty: this machine's."""

    log_level: Annotated[str, AfterValidator(_a_level)] = "info"
    """How much is logged: debug, info, warning or error. No level logs a message, a user or a token."""

    log_json: bool = False
    """Log one JSON object a line instead of lines for people."""

    slack_bot_token: SecretStr | None = None
    """Slack: the bot token (xoxb-…), from the app's page "OAuth & Permissions". docs/slack.md leads there."""

    slack_app_token: SecretStr | None = None
    """Slack over Socket Mode, the simple way: the app-level token (xapp-…) with the scope connections:write."""

    slack_signing_secret: SecretStr | None = None
    """Slack over HTTP instead: the signing secret, from the app's page "Basic Information"."""

    slack_host: str = "127.0.0.1"
    """Slack over HTTP: the address to listen on. Slack itself must reach it with https, through a proxy of yours."""

    slack_port: int = 3000
    """Slack over HTTP: the port to listen on."""

    slack_api: str = "https://slack.com/api/"
    """Where Slack's Web API is. Only a test server is ever elsewhere."""

    @classmethod
    def read(cls, *, env_file: Path | None = None) -> Settings:
        """The settings in force. Raises ConfigurationError that names the variable and what it should look like."""
        try:
            return cls(_env_file=env_file) if env_file else cls()
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
            raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}.") from None


def example() -> str:
    """The text of `.env.example`: every setting with its sentence and default, commented out."""
    parts = ["# Roomtone's settings. Copy this file to .env and take the # off the lines you change.\n"]
    for name, field in Settings.model_fields.items():
        sentence = "\n".join(f"# {line.strip()}" for line in (field.description or "").splitlines())
        default = "" if field.default is None else field.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        parts.append(f"{sentence}\n# {PREFIX}{name.upper()}={shown}\n")
    return "\n".join(parts)
