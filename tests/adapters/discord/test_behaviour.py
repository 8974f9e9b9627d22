"""What people meet on Discord, on simcord: questions, answers, buttons, commands, and who may see what."""

from __future__ import annotations

import discord
from structlog.testing import capture_logs

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


async def test_12_however_we_are_named_we_answer_once_and_neither_bots_nor_code(storage: Storage):
    async with stage(storage) as on:
        me, role = on.env.bot.user.id, on.guild.create_role("Roomtone")
        on.env.backend.add_member_role(on.guild.id, me, role.id)
        app = on.guild.add_member(on.env.create_user("app", bot=True))
        await on.env.settle()
        asked = [
            await on.ann.send(on.general, text)
            for text in (f"<@{me}> help", f"<@!{me}> help", f"help <@{me}>, please <@{me}>")
        ]
        await on.ann.send(on.general, f"`<@{me}> help`")
        await app.send(on.general, f"<@{me}> help")
        await on.ann.send(on.general, "ok", reply_to=on.general.history()[-3])

        answers = [message for message in on.general.history() if message.author.id == me]
        assert [answer.reference.message_id for answer in answers] == [message.id for message in asked]


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


async def test_16_whoever_lost_access_meanwhile_is_told_nothing(storage: Storage):
    async with stage(storage) as on:
        await on.ben.send(on.general, f"{us(on)} mood <#{on.secret.id}> last 7 days")
        veil = on.general.last_message
        on.env.backend.remove_member_role(on.guild.id, on.ben.id, on.guild.roles["insider"].id)
        await on.env.settle()

        opened = said(await on.ben.click(veil, label="Show me"))

        assert opened.ephemeral
        assert opened.content.startswith("I know no channel by that name that you can ask about.")
        assert opened.embeds == []


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
        names = await on.ann.autocomplete(on.general, "roomtone entity", "name", "")

        assert [choice["name"] for choice in anns] == ["#general"]
        assert [choice["name"] for choice in bens] == ["#secret"]
        assert "last week" in [choice["value"] for choice in times]
        assert names == []  # nobody named anything


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


async def test_13_what_is_missing_is_named_in_the_log(storage: Storage):
    async with stage(storage) as on:
        bot = on.env.bot.user
        denied = {
            "wordy": discord.PermissionOverwrite(embed_links=False, attach_files=False, read_message_history=False),
            "mute": discord.PermissionOverwrite(send_messages=False),
            "threads": discord.PermissionOverwrite(send_messages_in_threads=False),
        }
        rooms = {name: on.guild.create_text_channel(name, overwrites={bot: deny}) for name, deny in denied.items()}
        await on.env.settle()
        rooms["threads"] = await on.thread(rooms["threads"])
        with capture_logs() as logged:
            for room in rooms.values():
                await on.ann.send(room, f"{us(on)} help")

        answer = rooms["wordy"].last_message
        assert (answer.author.id, answer.reference, answer.embeds) == (bot.id, None, [])
        assert [rooms[name].last_message.author.id for name in ("mute", "threads")] == [on.ann.id, on.ann.id]
        assert {(line["channel"], line["allow"]) for line in logged if "allow" in line} == {
            (rooms["wordy"].id, "Embed Links, Attach Files, Read Message History"),
            (rooms["mute"].id, "Send Messages"),
            (rooms["threads"].id, "Send Messages in Threads"),
        }


async def test_13_a_locked_thread_is_left_in_silence(storage: Storage):
    async with stage(storage) as on:
        deny = {on.env.bot.user: discord.PermissionOverwrite(manage_threads=False)}
        thread = await on.thread(on.guild.create_text_channel("ideas", overwrites=deny))
        await on.ann.send(thread, f"{us(on)} help")
        before = thread.last_message
        on.env.backend.edit_channel(thread.id, {}, thread_metadata={"locked": True})
        await on.env.settle()
        asked = on.env.backend.create_message(thread.id, on.ann.id, f"{us(on)} help")
        await on.env.settle()

        assert before.author.id == on.env.bot.user.id
        assert thread.last_message.id == asked.id


async def test_13_a_question_deleted_before_its_answer_is_answered_without_a_reference(storage: Storage):
    async with stage(storage) as on:
        on.parts.meanwhile = lambda: on.env.backend.delete_message(on.general.id, on.general.last_message.id)
        await on.ann.send(on.general, f"{us(on)} mood last 7 days")

        answer = on.general.last_message
        assert answer.author.id == on.env.bot.user.id
        assert answer.content.startswith("#general was")


async def test_14_no_answer_pings(storage: Storage):
    async with stage(storage) as on:
        await on.ann.send(on.general, f'{us(on)} entity "@everyone <@{on.ben.id}>" last 7 days')

        await on.talk(odd := on.guild.create_text_channel("@everyone"))
        await on.ben.send(on.general, f"{us(on)} mood <#{odd.id}> last 7 days")

        *_, answer, _, named = on.general.history()
        assert named.content.startswith(r"#\@everyone was")
        assert (named.mention_everyone, named.mentions, named.role_mentions) == (False, [], [])
        assert answer.author.id == on.env.bot.user.id
        assert (answer.mention_everyone, answer.mentions, answer.role_mentions) == (False, [], [])
