"""The app's manifest: the least scopes each feature needs, every one with its reason. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.errors import ConfigurationError

PATH = "/slack/events"

SCOPES: Mapping[str, str] = {
    "commands": "answer /roomtone",
    "app_mentions:read": "answer @Roomtone in a channel or thread",
    "chat:write": "post answers that were shared, digests and the one introduction",
    "channels:history": "read the public channels it was invited to",
    "channels:read": "know their names, and who may see what",
    "files:write": "show charts",
    "im:history": "answer in the app's own Messages tab",
}
"""Scopes that the bot needs, each with what for."""

OPTIONAL_SCOPES: Mapping[str, str] = {
    "groups:history": "read the private channels it was invited to",
    "groups:read": "know their names, and who is in them",
    "reactions:read": "count reactions",
    "users:read": "know each asker's time zone, and who is a guest or an admin; names are never stored",
}
"""Scopes that whoever installs the app may decline: what they are for is then left out."""

SCOPES_MEND = "Compare the app's manifest with `roomtone slack manifest` and reinstall the app."

EVENTS = (
    "message.channels", "message.groups", "message.im", "app_mention", "app_home_opened", "reaction_added",
    "reaction_removed", "member_joined_channel", "channel_rename", "channel_archive", "channel_unarchive",
    "channel_deleted", "channel_left", "channel_id_changed", "channel_shared", "channel_unshared", "group_rename",
    "group_archive", "group_unarchive", "group_deleted", "group_left", "app_uninstalled", "tokens_revoked",
)  # fmt: skip

LONG_DESCRIPTION = (
    "Roomtone reads the channels it was invited to and turns them into numbers: how the mood of the talk moves, "
    "and what is talked about. Ask with /roomtone or by mentioning it; if a channel wants it, a digest comes once a "
    "week. It runs on your own machine. No message is kept: its words are erased once they are read, and nothing is "
    "used to train anything. Nothing is shown of one person, nor of fewer than five people; anybody can opt out at any "
    "time with /roomtone opt-out. Direct messages are never read."
)


def manifest(url: str | None = None) -> dict[str, Any]:
    """The manifest for Socket Mode or, with the public address `url` (https://chat.example.com), for HTTP.

    Raises ConfigurationError for an address that isn't https, which Slack refuses.
    """
    if url is not None and not url.startswith("https://"):
        raise ConfigurationError(
            f"Slack sends to https addresses alone: give one like https://chat.example.com, not {url}."
        )
    request = {} if url is None else {"request_url": url.rstrip("/") + PATH}
    command: dict[str, Any] = {
        "command": "/roomtone",
        "description": "Mood and topics of this channel",
        "usage_hint": "mood | entities | digest | privacy | help",
        "should_escape": True,
    }
    if url is not None:
        command["url"] = request["request_url"]
    return {
        "_metadata": {"major_version": 1},
        "display_information": {
            "name": "Roomtone",
            "description": "An honest, private reading of this team's conversation",
            "long_description": LONG_DESCRIPTION,
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "Roomtone", "always_online": True},
            "slash_commands": [command],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES), "bot_optional": list(OPTIONAL_SCOPES)}},
        "settings": {
            "socket_mode_enabled": url is None,
            "interactivity": {"is_enabled": True, **request},
            "event_subscriptions": {"bot_events": list(EVENTS), **request},
            "org_deploy_enabled": False,
            "token_rotation_enabled": False,
        },
    }


def granted(headers: Mapping[str, str]) -> frozenset[str] | None:
    """The scopes that the headers of Slack's answer name as granted; None if they don't say."""
    named = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), None)
    return None if named is None else frozenset(scope.strip() for scope in named.split(","))


def without(scopes: Mapping[str, str], given: frozenset[str]) -> str:
    """Those of `scopes` that aren't `given`, each with what it is for; empty if all are."""
    return ", ".join(f"{scope} (to {reason})" for scope, reason in scopes.items() if scope not in given)


def written(url: str | None = None) -> str:
    """The manifest as JSON, as Slack's form takes it."""
    return json.dumps(manifest(url), indent=2, ensure_ascii=False)


def explained() -> str:
    """Every scope with its reason, a line each."""
    width = max(map(len, (*SCOPES, *OPTIONAL_SCOPES)))
    lines = [f"{scope:<{width}}  {reason}" for scope, reason in SCOPES.items()]
    lines += [f"{scope:<{width}}  {reason} (may be declined)" for scope, reason in OPTIONAL_SCOPES.items()]
    return "\n".join(lines)
