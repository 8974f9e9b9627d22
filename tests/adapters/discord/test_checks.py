"""What the doctor finds on Discord, and the invitation."""

from __future__ import annotations

import discord
import pytest
from discord.http import Route

from adapters.discord.checks import application_id, examine, invite
from adapters.discord.client import MISSING_INTENT, REFUSED
from bot.doctor import Finding
from tests.servers.discord import EVERYTHING, GENERAL, GUILD, local_discord
from tests.servers.discord_gateway import TOKEN


def test_the_invitation_asks_for_the_least():
    assert invite(5) == (
        "https://discord.com/oauth2/authorize?client_id=5&scope=bot+applications.commands&permissions=274878024704"
    )
    assert invite("5", voice=True).endswith("permissions=274879073280")


async def test_a_working_setup_is_said_to_work():
    async with local_discord():
        findings = await examine(TOKEN, {GUILD: {int(GENERAL)}})

        assert await application_id(TOKEN) == 1

    assert findings == [
        Finding("discord intents", True, "The token works, and Message Content Intent is on."),
        Finding("discord #general", True, "Everything that is needed is allowed."),
    ]


async def test_20_a_switch_that_is_off_is_named_with_its_mend():
    async with local_discord() as server:
        server.flags = 0

        (intents, _) = await examine(TOKEN, {})

    assert intents == Finding("discord intents", False, MISSING_INTENT)


async def test_13_missing_permissions_are_named_for_each_channel():
    async with local_discord() as server:
        allowed = discord.Permissions(view_channel=True, send_messages=True, send_messages_in_threads=True)
        server.guild["roles"][0]["permissions"] = str(allowed.value)

        _, general, gone = await examine(TOKEN, {GUILD: {int(GENERAL), 99}})

    assert general.says == (
        "Missing there: Embed Links, Attach Files, Read Message History. Allow them in the channel's settings."
    )
    assert not general.ok
    assert (gone.subject, gone.ok) == ("discord channel 99", False)


@pytest.mark.parametrize(
    ("denied", "named"),
    [
        ("read_message_history", "Read Message History"),
        ("embed_links", "Embed Links"),
        ("attach_files", "Attach Files"),
        ("send_messages", "Send Messages,"),
        ("send_messages_in_threads", "Send Messages in Threads"),
        ("view_channel", "View Channel"),
    ],
)
async def test_13_each_missing_permission_has_its_line(denied: str, named: str):
    async with local_discord() as server:
        everything = discord.Permissions(int(EVERYTHING))
        everything.update(**{denied: False})
        server.guild["roles"][0]["permissions"] = str(everything.value)

        _, general = await examine(TOKEN, {GUILD: {int(GENERAL)}})

    assert not general.ok
    assert named in general.says


async def test_a_wrong_token_and_a_silent_network_are_told_apart(monkeypatch: pytest.MonkeyPatch):
    async with local_discord():
        wrong = await examine("wrong", {})
    monkeypatch.setattr(Route, "BASE", "http://127.0.0.1:9/api/v10")  # nobody listens there
    silent = await examine(TOKEN, {})

    assert wrong == [Finding("discord token", False, REFUSED)]
    assert [finding.ok for finding in silent] == [False]
    assert "can't be reached" in silent[0].says


async def test_without_a_server_the_invitation_is_pointed_to():
    async with local_discord() as server:
        server.in_guild = False

        findings = await examine(TOKEN, {})

    assert "roomtone discord invite" in findings[-1].says
