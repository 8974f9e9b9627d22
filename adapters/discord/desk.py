"""Where people meet Roomtone on Discord: a mention, a reply, a command, a button."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Self, assert_never

import discord
import structlog
from cachetools import TTLCache

from adapters.discord.asking import Asker, Asking, Understood
from adapters.discord.history import History
from adapters.discord.intake import Intake
from adapters.discord.orders import Order, Start, Stop, order
from adapters.discord.outlet import PASSING, Outlet, Rights, Room, named
from adapters.discord.render import Reply, puzzled, render
from adapters.discord.rooms import Rooms, Spot
from adapters.discord.translate import room
from bot.answer import Answer
from bot.errors import FAILED, QuestionError, RoomtoneError
from bot.message import Platform
from bot.store import Cursors, Notes

AT_ONCE = 1.0
"""Seconds after which somebody who waits sees us type."""

ASKED_AGAIN = 1200
"""Seconds for which a message that was answered is known: edits and repeated events bring it again."""

INTRODUCED = "introduced "
"""The notes of channels that we introduced ourselves in."""

VEILED = "That is for you only."
"""What everybody sees of an answer that isn't for everybody."""

NOT_YOURS = "That button is for the person who asked. Ask me yourself: `/roomtone ask`."

_log = structlog.get_logger(__name__)


class Desk:
    """Takes questions and orders, and sees to it that an answer reaches those who may read it, and nobody else."""

    def __init__(
        self,
        asking: Asking,
        outlet: Outlet,
        *,
        rooms: Rooms,
        intake: Intake,
        history: History,
        cursors: Cursors,
        notes: Notes,
        clock: Callable[[], datetime],
    ) -> None:
        self.asking = asking
        self.outlet = outlet
        self._rooms = rooms
        self._intake = intake
        self._history = history
        self._cursors = cursors
        self._notes = notes
        self._clock = clock
        self._answered: TTLCache[int, bool] = TTLCache(100_000, ASKED_AGAIN)

    async def mentioned(self, text: str, message: discord.Message, *, follow_up: bool) -> None:
        """Answer a message that asks `text` of us, once, where it stands; with `follow_up` only if it is a question."""
        if message.id in self._answered:
            return
        self._answered[message.id] = True
        member = await _member(message)
        if member is None or not isinstance(message.channel, Room):
            return
        asker = Asker(member, message.channel)
        view: discord.ui.View | None = None
        async with _typing(message.channel):
            try:
                with self._intake.giving_way():
                    say, veiled = await self._openly(text, asker, message.id)
            except QuestionError as error:
                if follow_up:
                    return
                say, veiled = _always(puzzled(error)), False
            except RoomtoneError as error:
                say, veiled = _always(Reply(str(error))), False
            except Exception as error:
                _log.error("a mention could not be answered", channel=message.channel.id, why=type(error).__name__)
                say, veiled = _always(Reply(FAILED)), False
            if veiled:
                view = discord.ui.View(timeout=None)
                view.add_item(OpenPrivately.asking(asker.member.id, text))
            reference = message.to_reference(fail_if_not_exists=False)
            await self.outlet.say(message.channel, say, key=f"answer {message.id}", reference=reference, view=view)

    async def _openly(self, text: str, asker: Asker, at: int) -> tuple[Callable[[Rights], Reply], bool]:
        """What everybody may see of the answer, and whether the rest is for the asker only."""
        if (wanted := order(text)) is not None:
            return _always(Reply(await self.ordered(wanted, asker, at=at))), False
        understood = await self.asking.understood(text, asker)
        self._allow(understood, asker)
        if understood.public:
            return _rendering(await self.asking.answer(understood)), False
        if not OpenPrivately.fits(text):
            raise QuestionError("That isn't for everybody here: ask with `/roomtone ask`, which only you see.")
        return _always(Reply(VEILED)), True

    async def privately(self, text: str, asker: Asker) -> Reply:
        """The whole answer, for the asker alone."""
        try:
            understood = await self.asking.wholly(text, asker)
            self._allow(understood, asker)
            return render(await self.asking.answer(understood), public=False)
        except QuestionError as error:
            return puzzled(error)
        except RoomtoneError as error:
            return Reply(str(error))

    async def commanded(self, interaction: discord.Interaction[Any], text: str, *, everybody: bool = False) -> None:
        """Answer a command or a button: to the asker alone, or to everybody if they want it so and may."""
        asker = asker_of(interaction)
        with told_if_unsent(interaction):
            if asker is None:
                await interaction.response.send_message("Ask me in a channel of a server.", ephemeral=True)
                return
            with self._intake.giving_way():
                is_public = everybody and await self._is_for_everybody(text, asker)
            # Within three seconds; how long the answer takes is another matter.
            await interaction.response.defer(ephemeral=not is_public, thinking=True)
            with self._intake.giving_way():
                reply = await (self._publicly(text, asker) if is_public else self.privately(text, asker))
            image = await self.outlet.image(reply)
            given = {"embed": reply.embed, "file": image}
            options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            await interaction.followup.send(
                reply.content, ephemeral=not is_public, allowed_mentions=discord.AllowedMentions.none(), **options
            )

    async def _is_for_everybody(self, text: str, asker: Asker) -> bool:
        try:
            return (await self.asking.understood(text, asker)).public
        except RoomtoneError:
            return False

    async def _publicly(self, text: str, asker: Asker) -> Reply:
        try:
            understood = await self.asking.understood(text, asker)
            if not understood.public:
                return Reply(VEILED)
            self._allow(understood, asker)
            return render(await self.asking.answer(understood), public=True)
        except QuestionError as error:
            return puzzled(error)
        except RoomtoneError as error:
            return Reply(str(error))

    async def ordered(self, wanted: Order, asker: Asker, *, at: int) -> str:
        """Do what was ordered, if the asker may order it; the sentence to say. `at` is the order's own snowflake."""
        target = asker.room
        if target is None:
            return "I can't see the channel that this thread belongs to: allow View Channel there."
        if not target.permissions_for(asker.member).manage_channels:
            return "Only somebody who may manage this channel (Manage Channel) can tell me what to do here."
        match wanted:
            case Start():
                return await self._start(target, wanted.backfill, since=at + 1)
            case Stop():
                return await self._stop(target)
            case _:
                assert_never(wanted)

    async def _start(self, target: discord.abc.GuildChannel, backfill: int, *, since: int) -> str:
        if missing := missing_to_read(target):
            return f"I can't read {target.mention}: allow {missing} there."
        workspace = str(target.guild.id)
        place = room(workspace, target.id)
        is_new = await self._rooms.start(workspace, target.id, since=since)
        self._rooms.learn(workspace, spot_of(target))
        if is_new:
            await self._cursors.advance({place: str(since)})
            self._intake.put_seen(workspace, target.id)
            self._intake.caught_up(place, str(since), gap=self._intake.gap)
        if backfill:
            await self._history.backfill(workspace, target.id, since=self._clock() - timedelta(days=backfill))
        self._history.want()
        past = f" The last {backfill} days are read too, which takes a while." if backfill else ""
        if not await self._notes.claim(Platform.DISCORD, workspace, f"{INTRODUCED}{target.id}", True):
            return (
                f"I read {target.mention} from now on.{past}" if is_new else f"I read {target.mention} already.{past}"
            )
        return introduction(target.mention) + past

    def _allow(self, understood: Understood, asker: Asker) -> None:
        """Raises QuestionError if the question is an order that the asker may not give, or about hidden channels."""
        wanted = understood.question.order
        if wanted is None or not wanted.verb.is_change:
            return
        target = asker.guild.get_channel(int(wanted.target.channel.id))
        if target is None or not target.permissions_for(asker.member).manage_channels:
            raise QuestionError(
                "Only somebody who may manage the channel (Manage Channel) can say what is posted there.", ("schedule",)
            )
        if target.id not in self._rooms.started(str(asker.guild.id)):
            raise QuestionError("I don't read that channel yet: `@Roomtone start` there first.", ("schedule",))
        if any(place.private and place != wanted.target for place in understood.question.sides[0].places):
            raise QuestionError("Not everybody here may see those channels: name public ones.", ("schedule",))

    async def _stop(self, target: discord.abc.GuildChannel) -> str:
        workspace = str(target.guild.id)
        if not await self._rooms.stop(workspace, target.id):
            return f"I don't read {target.mention}."
        self._intake.leave(room(workspace, target.id))
        await self._cursors.drop(room(workspace, target.id))
        return f"I no longer read {target.mention}. What was read stays counted; nothing new is read."


def introduction(channel: str) -> str:
    """What people are told where their messages begin to be read."""
    return (
        f"Hello! I'm Roomtone. From now on I read {channel} to tell how the room feels and what it talks about, "
        "never how a person does: each number rests on several people, and no message is kept once it is read. "
        "`/roomtone privacy` says what is kept about you, `/roomtone opt-out` leaves you out, now and backwards. "
        "Ask me: `@Roomtone mood last week`."
    )


def _always(reply: Reply) -> Callable[[Rights], Reply]:
    """A reply that is the same whatever we may do where it is said."""
    return lambda _: reply


def _rendering(answer: Answer) -> Callable[[Rights], Reply]:
    return lambda rights: render(answer, public=True, embeds=rights.embeds, files=rights.files)


def missing_to_read(room: Room) -> str:
    """What isn't allowed of that which reading a channel or thread takes: 'View Channel, Connect'."""
    try:
        allowed = room.permissions_for(room.guild.me)
    except discord.ClientException:  # a thread whose channel is hidden from us
        return "View Channel"
    needed = {"View Channel": allowed.view_channel, "Read Message History": allowed.read_message_history}
    if isinstance(room, discord.VoiceChannel | discord.StageChannel):
        needed["Connect"] = allowed.connect
    return ", ".join(name for name, is_allowed in needed.items() if not is_allowed)


def spot_of(channel: discord.abc.GuildChannel | discord.Thread) -> Spot:
    """What Discord says of a channel or thread."""
    if isinstance(channel, discord.Thread):
        return Spot(channel.id, channel.name, channel.is_private(), channel.parent_id)
    hidden = not channel.permissions_for(channel.guild.default_role).view_channel
    return Spot(channel.id, channel.name, hidden)


def asker_of(interaction: discord.Interaction[Any]) -> Asker | None:
    """Who used a command or a button, and where; None outside a server."""
    member, channel = interaction.user, interaction.channel
    if isinstance(member, discord.Member) and isinstance(channel, Room):
        return Asker(member, channel)
    return None


async def _member(message: discord.Message) -> discord.Member | None:
    """Who wrote a message, with their roles; None if they have left."""
    if isinstance(message.author, discord.Member) or message.guild is None:
        return message.author if isinstance(message.author, discord.Member) else None
    with suppress(discord.HTTPException):
        return await message.guild.fetch_member(message.author.id)
    return None


def attend(interaction: discord.Interaction[Any]) -> None:
    """Let this task, which answers an interaction, end before the client does."""
    task = asyncio.current_task()
    assert task is not None
    interaction.client.attend(task)


@contextmanager
def told_if_unsent(interaction: discord.Interaction[Any]) -> Iterator[None]:
    """An interaction that Discord doesn't let us answer ends in a line of the log."""
    try:
        yield
    except (discord.HTTPException, *PASSING) as error:
        _log.warning("a command could not be answered", channel=interaction.channel_id, why=named(error))


@asynccontextmanager
async def _typing(channel: discord.abc.Messageable) -> AsyncIterator[None]:
    """Show that we are at work, if it takes longer than a moment."""

    async def show() -> None:
        await asyncio.sleep(AT_ONCE)
        with suppress(discord.DiscordException, OSError):
            async with channel.typing():
                await asyncio.sleep(30)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()


class OpenPrivately(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=re.compile(r"rt:(?P<asker>[0-9]{1,20}):(?P<text>.+)", re.DOTALL),
):
    """Opens an answer for the person who asked, also after a restart: all it needs is in its id."""

    def __init__(self, asker: int, text: str) -> None:
        super().__init__(
            discord.ui.Button(label="Show me", style=discord.ButtonStyle.secondary, custom_id=f"rt:{asker}:{text}")
        )
        self._asker = asker
        self._text = text

    def __repr__(self) -> str:
        """Nothing of the question: discord.py logs a button that fails."""
        return f"<{type(self).__name__}>"

    @classmethod
    def asking(cls, asker: int, text: str) -> Self:
        """A button that answers `text` to `asker`."""
        return cls(asker, text)

    @staticmethod
    def fits(text: str) -> bool:
        """Is the question short enough to stand in a button's id (100 characters)?"""
        return 0 < len(text.encode("utf-16-le")) // 2 <= 70

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(int(match["asker"]), match["text"])

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Called first in the task of every press."""
        attend(interaction)
        return True

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Answer whoever asked, and only them."""
        if interaction.user.id != self._asker:
            with told_if_unsent(interaction):
                await interaction.response.send_message(NOT_YOURS, ephemeral=True)
            return
        await interaction.client.desk.commanded(interaction, self._text)
