"""What people meet on Discord, on simcord: questions, answers, buttons, commands, and who may see what."""

from __future__ import annotations

import discord

from adapters.discord.desk import NOT_YOURS, VEILED
from storage import Storage
from tests.adapters.discord.parts import PNG
from tests.adapters.discord.stage import said, stage, us


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
