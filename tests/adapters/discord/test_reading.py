"""What is read on Discord and what isn't, on simcord: started and stopped, moved, opted out of, missed."""

from __future__ import annotations

import asyncio

import discord
import pytest
import simcord
from simcord.backend.models.channel import Overwrite
from simcord.enums import OverwriteType

from adapters.discord.translate import author
from bot.message import ChannelGone, Deletion, Gone, Message, Platform
from storage import Storage
from tests.adapters.discord.parts import WAIT, Parts, until
from tests.adapters.discord.payloads import PSEUDONYMS
from tests.adapters.discord.stage import said, stage, us


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


@pytest.mark.parametrize(
    ("denied", "named"), [("read_message_history", "Read Message History"), ("connect", "Connect")]
)
async def test_13_a_channel_that_may_not_be_read_is_not_started(storage: Storage, denied: str, named: str):
    async with stage(storage) as on:
        voice = on.guild.create_voice_channel("voice")
        withheld = discord.Permissions(**{denied: True}).value
        on.env.backend.set_overwrite(voice.id, Overwrite(on.env.bot.user.id, OverwriteType.MEMBER, deny=withheld))
        await on.env.settle()
        told = said(await on.manager.slash(voice, "roomtone start"))

        assert told.content == f"I can't read <#{voice.id}>: allow {named} there."
        assert voice.id not in on.parts.adapter.rooms.started(str(on.guild.id))


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
        async with asyncio.timeout(WAIT):  # history may be leaving a note just now, which goes too
            while await storage.notes.notes(Platform.DISCORD, str(on.guild.id), ""):
                await asyncio.sleep(0.005)

        await on.env.advance_time(60)
        await on.manager.slash(on.general, "roomtone start")
        await on.ann.send(on.general, "here again")
        await on.parts.adapter.intake.settled()
        await on.parts.ingest.drain()
        (general,) = [c for c in await storage.readings.channels() if c.channel.id == str(on.general.id)]
        assert (general.messages, general.gone) == (1, None)


async def test_1_written_edited_edited_back_and_deleted(storage: Storage):
    async with stage(storage) as on:
        await on.manager.slash(on.general, "roomtone start")
        before = await on.counted(on.general)
        said = await on.ann.send(on.general, "it is broken")
        other = await on.ben.send(on.general, "great work")
        for text in ("great", "it is broken"):
            await on.ann.edit(said, text)
        after_edits = await on.counted(on.general)
        await on.ann.delete(said)
        await on.ben.delete(other)

        assert on.parts.texts()[-3:] == ["it is broken", "great work", "great"]
        assert [after_edits - before, await on.counted(on.general) - before] == [2, 0]


async def test_8_what_happened_during_an_outage_is_as_if_it_had_been_seen(storage: Storage):
    async with stage(storage) as on:
        for channel in (on.general, on.secret):
            await on.manager.slash(channel, "roomtone start")
        stays, goes = [await on.ann.send(on.general, text) for text in ("stays", "goes")]
        before = await on.counted(on.general)
        await on.env.advance_time(60)
        shard = on.env.bot.get_shard(0)
        await shard.disconnect()
        await on.ann.edit(stays, "it is broken")
        await on.ann.delete(goes)
        await on.ben.send(on.general, "said meanwhile")
        on.env.backend.delete_channel(on.secret.id)
        await on.env.advance_time(300)
        await shard.reconnect()
        await on.env.settle()
        await until(lambda: {"it is broken", "said meanwhile"} <= set(on.parts.texts()))
        await until(lambda: any(isinstance(event, Deletion) for event in on.parts.kept))
        await until(lambda: any(isinstance(event, ChannelGone) for event in on.parts.kept))

        assert await on.counted(on.general) == before
        assert await on.counted(on.secret) == 0


async def test_11_posts_and_the_chat_of_every_kind_of_channel_are_read(storage: Storage):
    async with stage(storage) as on:
        made = [
            on.guild.create_forum_channel("forum"),
            on.guild.create_voice_channel("voice"),
            on.guild.create_stage_channel("stage"),
            on.guild.create_news_channel("news"),
        ]
        await on.env.settle()
        for channel in made:
            place = await on.thread(channel) if channel.name == "forum" else channel
            await on.manager.slash(place, "roomtone start")
            await on.ann.send(place, f"in the {channel.name}")

        assert [text for text in await on.kept() if text.startswith("in the ")] == [
            f"in the {channel.name}" for channel in made
        ]
        assert [await on.counted(channel) for channel in made] == [1, 1, 1, 1]


async def test_19_whoever_is_out_stays_out_in_a_burst_in_threads_and_in_what_is_caught_up_with(storage: Storage):
    async with stage(storage) as on:
        await on.manager.slash(on.general, "roomtone start")
        thread = await on.thread(on.general)
        before = await on.counted(on.general)
        await on.ann.send(thread, "counted until ann is out")
        for number in range(20):
            await on.ann.send(on.general, f"burst {number}")
            if number == 9:
                await on.ann.slash(on.general, "roomtone opt-out")
        await on.ann.send(thread, "out in a thread")
        await on.ben.send(thread, "ben in a thread")
        shard = on.env.bot.get_shard(0)
        await shard.disconnect()
        await on.ann.send(on.general, "out while away")
        await on.ben.send(on.general, "ben while away")
        await shard.reconnect()
        await on.env.settle()
        await until(lambda: "ben while away" in on.parts.texts())

        assert await on.counted(on.general) - before == 2


async def test_20_without_the_intent_no_empty_text_is_taken_for_a_mood(storage: Storage):
    """Discord refuses to connect at all, so nothing arrives that could be taken for one."""
    allowed = discord.Intents.default()
    client = Parts(storage).adapter.client()

    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with simcord.run(client, shard_count=1, approved_intents=allowed):
            raise AssertionError("it connected")


async def test_21_threads_follow_their_channel_which_may_be_renamed_moved_and_stopped_in_mid_burst(storage: Storage):
    async with stage(storage) as on:
        await on.manager.slash(on.general, "roomtone start")
        begun = await on.thread(on.general)
        unread = await on.thread(on.secret)
        category = on.guild.create_category("archive")
        await on.env.settle()
        for number in range(30):
            for place in (on.general, begun, unread):
                await on.ben.send(place, f"{place.name} {number}")
            if number == 9:
                on.env.backend.edit_channel(on.general.id, {"name": "lounge", "parent_id": category.id})
                await on.env.settle()
            if number == 19:
                await on.parts.adapter.intake.settled()
                await on.manager.slash(on.general, "roomtone stop")
        said = await on.kept()
        (lounge,) = [c for c in await storage.readings.channels() if c.channel.id == str(on.general.id)]

        assert [text for text in said if text.startswith("a thread")] == [f"a thread {n}" for n in range(20)]
        assert len([text for text in said if text.startswith(("general", "lounge"))]) == 20
        assert lounge.name == "lounge"
