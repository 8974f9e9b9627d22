"""What people meet on Discord, on simcord: questions, answers, buttons, commands, and who may see what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import discord
import simcord

from adapters.discord.desk import NOT_YOURS, VEILED
from adapters.discord.translate import author, room
from bot.message import ChannelSeen, Gone, Message, MessageId, Platform
from storage import Storage
from tests.adapters.discord.parts import PNG, Parts, now
from tests.adapters.discord.payloads import PSEUDONYMS
from tests.examples import an_author

MANAGER = discord.Permissions(manage_channels=True)
HIDDEN = discord.PermissionOverwrite(view_channel=False)


@dataclass
class Stage:
    """A server with a public channel and a secret one, both read and full of talk, and three people."""

    env: Any
    parts: Parts
    guild: Any
    general: Any
    secret: Any
    ann: Any
    ben: Any
    manager: Any

    async def talk(self, channel: Any, text: str = "great work", people: int = 6) -> None:
        """Yesterday `people` people wrote five messages each."""
        place = room(str(self.guild.id), channel.id)
        at = self.env.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
        said = [
            Message(MessageId(place, f"{person}{number}"), an_author(person), at, at, text)
            for person in range(1, people + 1)
            for number in range(5)
        ]
        await self.parts.ingest.accept(ChannelSeen(place, channel.name, at), *said)
        await self.parts.ingest.drain()


@asynccontextmanager
async def stage(storage: Storage) -> AsyncIterator[Stage]:
    clock = now
    parts = Parts(storage, clock=lambda: clock())
    client = parts.adapter.client()
    # simcord waits for what the bot begins; this is begun beforehand, as the app does.
    working = asyncio.create_task(parts.adapter.work())
    try:
        async with simcord.run(client, shard_count=1) as env:
            clock = env.now  # simcord's own time, in which its ids are made
            guild = env.create_guild("acme")
            boss = guild.create_role("boss", permissions=MANAGER)
            insider = guild.create_role("insider")
            general = guild.create_text_channel("general")
            assert client.user is not None
            seen = discord.PermissionOverwrite(view_channel=True)
            secret = guild.create_text_channel(
                "secret", overwrites={guild.default_role: HIDDEN, insider: seen, client.user: seen}
            )
            ann = guild.add_member(env.create_user("ann"))
            ben = guild.add_member(env.create_user("ben"), roles=[insider])
            manager = guild.add_member(env.create_user("mia"), roles=[boss, insider])
            await env.settle()
            made = Stage(env, parts, guild, general, secret, ann, ben, manager)
            await made.talk(general)
            await made.talk(secret, "it is broken")
            yield made
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


def us(stage: Stage) -> str:
    return f"<@{stage.env.bot.user.id}>"


def said(result: Any) -> Any:
    """The one message that answers an interaction."""
    answers: list[Any] = [result.response] if result.response else []
    answers += result.followups
    (message,) = answers
    return message


async def test_a_mention_is_answered_where_it_stands_with_a_chart(storage: Storage):
    async with stage(storage) as on:
        question = await on.ann.send(on.general, f"{us(on)} mood last 7 days")
        answer = on.general.last_message

        assert answer is not None
        assert answer.content.startswith("#general was")
        assert answer.reference is not None
        assert answer.reference.message_id == question.id
        (embed,) = answer.embeds
        assert embed.title is not None
        assert embed.title.startswith("Mood of #general, last 7 days")
        assert embed.footer.text is not None
        assert "30 messages by 6 people" in embed.footer.text
        (image,) = answer.attachments
        assert (image.filename, image.size) == ("mood.png", len(PNG))
        assert image.description


async def test_12_what_counts_as_a_question(storage: Storage):
    async with stage(storage) as on:
        role = await on.ann.send(on.general, "good morning")
        assert on.general.last_message.id == role.id  # nobody was asked

        asked = await on.ann.send(on.general, "mood")
        await on.ann.edit(asked, f"{us(on)} help")
        first = on.general.last_message
        assert first.author.id == on.env.bot.user.id

        await on.ann.edit(asked, f"{us(on)} help please")
        assert on.general.last_message.id == first.id  # answered once

        await on.ann.send(on.general, "mood last 7 days", reply_to=first)
        follow_up = on.general.last_message
        assert follow_up.content.startswith("#general was")

        thanks = await on.ann.send(on.general, "thank you!", reply_to=follow_up)
        assert on.general.last_message.id == thanks.id  # a reply that isn't a question is left alone

        webhook = on.guild.create_webhook(on.general)
        await webhook.send(f"{us(on)} mood")
        assert on.general.last_message.author.name == webhook.name


async def test_18_nobody_is_told_of_a_channel_they_cannot_see(storage: Storage):
    async with stage(storage) as on:
        await on.ann.send(on.general, f"{us(on)} mood <#{on.secret.id}> last 7 days")

        answer = on.general.last_message
        assert answer.content.startswith("I know no channel by that name that you can ask about.")
        assert answer.embeds == []


async def test_16_an_answer_that_is_not_for_everybody_opens_for_the_asker_only(storage: Storage):
    async with stage(storage) as on:
        await on.ben.send(on.general, f"{us(on)} mood <#{on.secret.id}> last 7 days")
        veil = on.general.last_message
        assert (veil.content, veil.embeds) == (VEILED, [])

        strange = await on.ann.click(veil, label="Show me")
        assert strange.response is not None
        assert (strange.response.content, strange.response.ephemeral) == (NOT_YOURS, True)

        await on.env.restart_bot(on.parts.adapter.client())
        for _ in range(2):
            opened = await on.ben.click(veil, label="Show me")
            assert said(opened).ephemeral
            assert said(opened).content.startswith("#secret was")


async def test_a_command_answers_the_asker_alone_unless_shared(storage: Storage):
    async with stage(storage) as on:
        secret = f"<#{on.secret.id}>"
        alone = said(await on.ann.slash(on.general, "roomtone mood", time="last 7 days"))
        shared = said(await on.ann.slash(on.general, "roomtone mood", time="last 7 days", share=True))
        veiled = said(await on.ben.slash(on.general, "roomtone mood", channel=secret, time="last 7 days", share=True))

        assert (alone.ephemeral, shared.ephemeral, veiled.ephemeral) == (True, False, True)
        assert alone.content == shared.content
        assert veiled.content.startswith("#secret was")


async def test_18_completion_offers_only_what_the_asker_may_see(storage: Storage):
    async with stage(storage) as on:
        anns = await on.ann.autocomplete(on.general, "roomtone mood", "channel", "")
        bens = await on.ben.autocomplete(on.general, "roomtone mood", "channel", "#se")
        times = await on.ann.autocomplete(on.general, "roomtone mood", "time", "last w")

        assert [choice["name"] for choice in anns] == ["#general"]
        assert [choice["name"] for choice in bens] == ["#secret"]
        assert "last week" in [choice["value"] for choice in times]


async def test_21_nothing_is_read_until_somebody_who_may_says_so_and_then_it_is_told_once(storage: Storage):
    async with stage(storage) as on:
        await on.ann.send(on.general, "unread")
        await on.ann.send(on.general, f"{us(on)} start")
        assert "Manage Channel" in on.general.last_message.content

        await on.manager.send(on.general, f"{us(on)} start")
        assert on.general.last_message.content.startswith("Hello! I'm Roomtone.")
        await on.ann.send(on.general, "heard")
        await on.parts.adapter.intake.settled()
        await on.manager.send(on.general, f"{us(on)} stop")
        await on.ann.send(on.general, "unread again")
        await on.manager.send(on.general, f"{us(on)} start")
        assert "Hello" not in on.general.last_message.content
        await on.parts.adapter.intake.settled()

        heard = [event.text for event in on.parts.kept if isinstance(event, Message) and not event.from_bot]
        assert {text for text in heard if "heard" in text or "unread" in text} == {"heard"}


async def test_19_opting_out_by_mention_is_opened_by_the_asker_and_takes_effect_at_once(storage: Storage):
    async with stage(storage) as on:
        await on.manager.slash(on.general, "roomtone start")
        await on.ann.send(on.general, "counted")
        await on.parts.adapter.intake.settled()
        await on.parts.ingest.drain()
        await on.ann.send(on.general, f"{us(on)} opt-out")
        opened = said(await on.ann.click(on.general.last_message, label="Show me"))
        await on.ann.send(on.general, "not counted")
        await on.parts.adapter.intake.settled()
        await on.parts.ingest.drain()

        assert opened.ephemeral
        assert opened.content.startswith("Done: everything of yours is out")
        asker = author(PSEUDONYMS, str(on.guild.id), on.ann.id)
        assert await on.parts.storage.ledger.opted_out(asker)
        (general,) = [c for c in await storage.readings.channels() if c.channel.id == str(on.general.id)]
        assert general.people == 6


async def test_19_a_server_that_removed_us_leaves_the_numbers(storage: Storage):
    async with stage(storage) as on:
        await on.manager.slash(on.general, "roomtone start")
        await on.parts.adapter.intake.settled()
        await on.parts.adapter.history.left(str(on.guild.id))
        await on.parts.ingest.drain()

        (general,) = [c for c in await storage.readings.channels() if c.channel.id == str(on.general.id)]
        assert (general.messages, general.gone) == (0, Gone.DELETED)
        assert await storage.notes.notes(Platform.DISCORD, str(on.guild.id), "") == {}


async def test_13_without_rights_there_are_words_only_or_silence(storage: Storage):
    async with stage(storage) as on:
        everyone, bot = on.guild.default_role, on.env.bot.user
        wordy = on.guild.create_text_channel(
            "wordy", overwrites={everyone: discord.PermissionOverwrite(embed_links=False, attach_files=False)}
        )
        mute = on.guild.create_text_channel("mute", overwrites={bot: discord.PermissionOverwrite(send_messages=False)})
        await on.env.settle()

        await on.ann.send(wordy, f"{us(on)} mood <#{on.general.id}> last 7 days")
        question = await on.ann.send(mute, f"{us(on)} mood <#{on.general.id}> last 7 days")

        assert wordy.last_message.content.startswith("#general was")
        assert (wordy.last_message.embeds, wordy.last_message.attachments) == ([], [])
        assert mute.last_message.id == question.id


async def test_14_no_answer_pings(storage: Storage):
    async with stage(storage) as on:
        await on.ann.send(on.general, f'{us(on)} entity "@everyone <@{on.ben.id}>" last 7 days')

        answer = on.general.last_message
        assert answer.author.id == on.env.bot.user.id
        assert (answer.mention_everyone, answer.mentions, answer.role_mentions) == (False, [], [])
