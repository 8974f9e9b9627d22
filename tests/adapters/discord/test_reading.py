"""What is read on Discord and what isn't, on simcord: started and stopped, moved, opted out of, missed."""

from __future__ import annotations

from adapters.discord.translate import author
from bot.message import Gone, Message, Platform
from storage import Storage
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

        await on.env.advance_time(60)
        await on.manager.slash(on.general, "roomtone start")
        await on.ann.send(on.general, "here again")
        await on.parts.adapter.intake.settled()
        await on.parts.ingest.drain()
        (general,) = [c for c in await storage.readings.channels() if c.channel.id == str(on.general.id)]
        assert (general.messages, general.gone) == (1, None)
