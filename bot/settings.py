"""Every setting: typed, said in one sentence, read once.

`.env.example` and the reference in the docs are made from this class; a test keeps them equal.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from bot.errors import ConfigurationError

PREFIX = "ROOMTONE_"

BUNDLED = "bundled"
"""In the place of a hosted model: the one that Roomtone ships does that task."""


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


def _an_order(readers: str) -> str:
    names = [name.strip().lower() for name in readers.split(",")]
    if not names or not set(names) <= {"local", "hosted"} or len(set(names)) < len(names):
        raise ValueError("who reads is local, hosted, or both in the order you want, such as local,hosted")
    return ",".join(names)


Count = Annotated[int, Field(ge=1)]


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

    slack_port: Annotated[int, Field(ge=1, le=65_535)] = 3000
    """Slack over HTTP: the port to listen on."""

    slack_api: str = "https://slack.com/api/"
    """Where Slack's Web API is. Only a test server is ever elsewhere."""

    analyzers: Annotated[str, AfterValidator(_an_order)] = "local,hosted"
    """Who reads, in order: local, hosted, or both. Local is the checkpoint named below, else the bundled model."""

    batch_deadline: Annotated[float, Field(gt=0)] = 120
    """After so many seconds without an answer a batch goes to the next in order."""

    sentiment_model: str = ""
    """A Hugging Face checkpoint that reads sentiment on this machine: an id, id@revision or a folder. Empty: the
    bundled model. docs/models.md tells more of all that follows."""

    ner_model: str = ""
    """A Hugging Face checkpoint that reads names on this machine, likewise. Empty: the bundled model."""

    sentiment_labels: str = ""
    """What that sentiment model's labels mean, where their names don't say it: LABEL_0=negative,LABEL_1=neutral,…"""

    ner_labels: str = ""
    """What that model's types of names mean, where they don't say it: LABEL_0=,LABEL_1=person,…"""

    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where a checkpoint computes: cpu, cuda or mps."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """How a checkpoint computes: auto (bfloat16 where the processor has it), float32 or bfloat16."""

    hosted: bool = False
    """Send message text, masked, to an inference provider. Discord allows it only to one bound by contract; tell your
    workspace."""

    hosted_token: SecretStr | None = None
    """The provider's token; one that may make inference calls and nothing else."""

    hosted_url: str = "https://router.huggingface.co/hf-inference/models"
    """Where hosted models answer, each at its own name behind this address."""

    hosted_sentiment_model: str = "cardiffnlp/twitter-roberta-base-sentiment-latest"
    """The hosted model that reads sentiment; bundled: the model on this machine does, and only names are asked for."""

    hosted_ner_model: str = "dslim/bert-base-NER"
    """The hosted model that reads names; bundled: the model on this machine does, and only sentiment is asked for."""

    hosted_sentiment_url: str = ""
    """The whole address of a dedicated endpoint for sentiment."""

    hosted_ner_url: str = ""
    """The whole address of a dedicated endpoint for names."""

    hosted_sentiment_labels: str = ""
    """What the hosted sentiment model's labels mean, where their names don't say it."""

    hosted_ner_labels: str = ""
    """What the hosted model's types of names mean, where they don't say it."""

    hosted_ca_file: Path | None = None
    """Certificates of an authority of your own that signed the provider's."""

    hosted_region: str = ""
    """The country, such as DE, whose telephone numbers are masked without a country code too."""

    hosted_texts_per_request: Count = 16
    """How many pieces of text one request carries at most."""

    hosted_requests_per_day: Count = 1000
    """The most requests sent in a day, in UTC; the messages beyond it wait."""

    hosted_requests_per_month: Count = 30000
    """The most requests sent in a month."""

    hosted_characters_per_day: Count | None = None
    """The most characters sent in a day. Empty: as many as the requests carry."""

    hosted_characters_per_month: Count | None = None
    """The most characters sent in a month. Empty: as many as the requests carry."""

    @classmethod
    def read(cls) -> Settings:
        """The settings in force. Raises ConfigurationError that says what is wrong with the variable or with `.env`."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
            raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}.") from None
        except OSError as error:
            raise ConfigurationError(f"The file .env can't be read ({error.strerror}); check its owner.") from None
        except UnicodeDecodeError:
            raise ConfigurationError("The file .env isn't UTF-8 text; save it as such.") from None

    @classmethod
    def given(cls) -> frozenset[str]:
        """The names, in capitals, of every variable of the environment and of `.env`, ours or not."""
        return frozenset(name.upper() for name in (*os.environ, *DotEnvSettingsSource(cls).env_vars))


def example() -> str:
    """The text of `.env.example`: every setting with its sentence and default, commented out."""
    parts = ["# Roomtone's settings. Copy this file to .env and take the # off the lines you change.\n"]
    for name, field in Settings.model_fields.items():
        sentence = "\n".join(f"# {line.strip()}" for line in (field.description or "").splitlines())
        default = "" if field.default is None else field.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        parts.append(f"{sentence}\n# {PREFIX}{name.upper()}={shown}\n")
    return "\n".join(parts)
