"""`/roomtone …`: the same questions with typed options, answered to the asker alone unless they share it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, autocomplete, command, describe

from adapters.discord.asking import Asker
from adapters.discord.desk import Desk, asker_of, told_if_unsent
from adapters.discord.orders import LONGEST_BACKFILL, Order, Start, Stop
from bot.days import WEEKDAYS
from bot.errors import RoomtoneError
from bot.question import KINDS, LONGEST, SUBJECTS, TIMES, Subject
from bot.when import EXAMPLES

MOST_CHOICES = 25
LONGEST_CHOICE = 100

Asked = discord.Interaction[Any]
Name = Range[str, 1, 120]

_CHANNEL = "A channel; left out: this one"
_TIME = "A time, such as 'last week' or '3 to 9 March'"
_SHARE = "Show the answer to everybody here, if everybody may see it"


def _line(subject: Subject) -> str:
    return SUBJECTS[subject].line[:LONGEST_CHOICE]


def _choices(words: Iterable[tuple[str, str]]) -> list[Choice[str]]:
    return [Choice(name=name[:LONGEST_CHOICE], value=value) for name, value in words if len(value) <= LONGEST_CHOICE][
        :MOST_CHOICES
    ]


def _desk(interaction: Asked) -> Desk:
    desk: Desk = interaction.client.desk
    return desk


async def _channels(interaction: Asked, typed: str) -> list[Choice[str]]:
    """The channels that the asker may ask about, by name."""
    asker = asker_of(interaction)
    if asker is None:
        return []
    begun = typed.casefold().lstrip("#")
    places = [place for place in await _desk(interaction).asking.places(asker) if begun in place.name.casefold()]
    return _choices((f"#{place.name}", f"<#{place.channel.id}>") for place in places)


async def _names(interaction: Asked, typed: str) -> list[Choice[str]]:
    """Names that enough people used for them to be told."""
    asker = asker_of(interaction)
    if asker is None:
        return []
    return _choices((name, name) for name in await _desk(interaction).asking.names(asker, typed))


async def _times(interaction: Asked, typed: str) -> list[Choice[str]]:
    """Stretches of time that are understood; what was typed comes first, in case it is one."""
    del interaction
    begun = typed.casefold()
    matching = [words for words in EXAMPLES if begun in words.casefold()]
    own = [typed] if typed.strip() and typed not in matching else []
    return _choices((words, words) for words in [*own, *matching])


_FIRST_WORDS = {kind: word for word, kind in reversed(list(KINDS.items()))}
_KINDS = _choices((_FIRST_WORDS[kind], _FIRST_WORDS[kind]) for kind in dict.fromkeys(KINDS.values()))
_TOPICS = _choices((topic, topic) for topic in [*(subject.value for subject in Subject), TIMES])


class Commands(app_commands.Group):
    """The application commands. Everything they ask goes through the one grammar."""

    def __init__(self) -> None:
        super().__init__(name="roomtone", description="How this room feels, and what it talks about", guild_only=True)

    async def _ask(self, interaction: Asked, *words: str | None, share: bool = False) -> None:
        await _desk(interaction).commanded(interaction, " ".join(filter(None, words)), everybody=share)

    @command(description=_line(Subject.MOOD))
    @describe(channel=_CHANNEL, time=_TIME, share=_SHARE)
    @autocomplete(channel=_channels, time=_times)
    async def mood(
        self, interaction: Asked, channel: str | None = None, time: str | None = None, share: bool = False
    ) -> None:
        """Ask for a mood."""
        await self._ask(interaction, "mood", channel, time, share=share)

    @command(description=_line(Subject.ENTITIES))
    @describe(kind="Only names of this kind", channel=_CHANNEL, time=_TIME, share=_SHARE)
    @autocomplete(channel=_channels, time=_times)
    @app_commands.choices(kind=_KINDS)
    async def entities(
        self,
        interaction: Asked,
        kind: str | None = None,
        channel: str | None = None,
        time: str | None = None,
        share: bool = False,
    ) -> None:
        """Ask for the names in a channel."""
        await self._ask(interaction, "entities", kind, channel, time, share=share)

    @command(description=_line(Subject.ENTITY))
    @describe(name="A person, product, place …", channel=_CHANNEL, time=_TIME, share=_SHARE)
    @autocomplete(name=_names, channel=_channels, time=_times)
    async def entity(
        self,
        interaction: Asked,
        name: Name,
        channel: str | None = None,
        time: str | None = None,
        share: bool = False,
    ) -> None:
        """Ask about one name."""
        quoted = '"' + name.replace('"', " ").strip() + '"'
        await self._ask(interaction, "entity", quoted, channel, time, share=share)

    @command(description=_line(Subject.COMPARE))
    @describe(channel=_CHANNEL, time=_TIME, with_channel="Another channel", with_time="Another time", share=_SHARE)
    @app_commands.rename(with_channel="with-channel", with_time="with-time")
    @autocomplete(channel=_channels, with_channel=_channels, time=_times, with_time=_times)
    async def compare(
        self,
        interaction: Asked,
        channel: str | None = None,
        time: str | None = None,
        with_channel: str | None = None,
        with_time: str | None = None,
        share: bool = False,
    ) -> None:
        """Compare two channels or two times."""
        joined = "with" if with_channel or with_time else None
        await self._ask(interaction, "compare", channel, time, joined, with_channel, with_time, share=share)

    @command(description=_line(Subject.TRENDS))
    @describe(kind="Only names of this kind", channel=_CHANNEL, time=_TIME, share=_SHARE)
    @autocomplete(channel=_channels, time=_times)
    @app_commands.choices(kind=_KINDS)
    async def trends(
        self,
        interaction: Asked,
        kind: str | None = None,
        channel: str | None = None,
        time: str | None = None,
        share: bool = False,
    ) -> None:
        """Ask for the moods of names over time."""
        await self._ask(interaction, "trends", kind, channel, time, share=share)

    @command(description=_line(Subject.PATTERN))
    @describe(channel=_CHANNEL, time=_TIME, share=_SHARE)
    @autocomplete(channel=_channels, time=_times)
    async def pattern(
        self, interaction: Asked, channel: str | None = None, time: str | None = None, share: bool = False
    ) -> None:
        """Ask for the pattern of a week."""
        await self._ask(interaction, "pattern", channel, time, share=share)

    @command(description=_line(Subject.DIGEST))
    @describe(channel=_CHANNEL, time="A week, such as 'last week' or 'week 7'", share=_SHARE)
    @autocomplete(channel=_channels, time=_times)
    async def digest(
        self, interaction: Asked, channel: str | None = None, time: str | None = None, share: bool = False
    ) -> None:
        """Ask for a digest."""
        await self._ask(interaction, "digest", channel, time, share=share)

    @command(description=_line(Subject.EXPLAIN))
    @describe(channel=_CHANNEL, time=_TIME)
    @autocomplete(channel=_channels, time=_times)
    async def explain(self, interaction: Asked, channel: str | None = None, time: str | None = None) -> None:
        """Ask how numbers are made."""
        await self._ask(interaction, "explain", channel, time)

    @command(description=_line(Subject.CHANNELS))
    async def channels(self, interaction: Asked) -> None:
        """Ask what is read."""
        await self._ask(interaction, "channels")

    @command(description=_line(Subject.STATUS))
    async def status(self, interaction: Asked) -> None:
        """Ask whether everything is read."""
        await self._ask(interaction, "status")

    @command(description=_line(Subject.PRIVACY))
    async def privacy(self, interaction: Asked) -> None:
        """Ask what is kept about oneself."""
        await self._ask(interaction, "privacy")

    @command(name="opt-out", description=_line(Subject.OPT_OUT))
    async def opt_out(self, interaction: Asked) -> None:
        """Leave."""
        await self._ask(interaction, "opt-out")

    @command(name="opt-in", description=_line(Subject.OPT_IN))
    async def opt_in(self, interaction: Asked) -> None:
        """Come back."""
        await self._ask(interaction, "opt-in")

    @command(description=_line(Subject.HELP))
    @describe(topic="What you want to know more about")
    @app_commands.choices(topic=_TOPICS)
    async def help(self, interaction: Asked, topic: str | None = None) -> None:
        """Ask what can be asked."""
        await self._ask(interaction, "help", topic)

    @command(description="Ask in your own words; only you see the answer")
    @describe(question="Such as 'how was #general last week?'", share=_SHARE)
    async def ask(self, interaction: Asked, question: Range[str, 1, LONGEST], share: bool = False) -> None:
        """Ask anything."""
        await self._ask(interaction, question, share=share)

    @command(description="Let me read this channel from now on; everybody in it is told")
    @describe(backfill="How many days of its past to read too")
    async def start(self, interaction: Asked, backfill: Range[int, 0, LONGEST_BACKFILL] = 0) -> None:
        """Switch reading on."""
        await self._order(interaction, Start(backfill))

    @command(description="Stop my reading this channel; what was read stays counted")
    async def stop(self, interaction: Asked) -> None:
        """Switch reading off."""
        await self._order(interaction, Stop())

    @command(name="digest-on", description="Post the digest of the week before in this channel, every week")
    @describe(weekday="Monday if left out", hour="9 if left out", zone="Such as Europe/Berlin")
    @app_commands.choices(weekday=[Choice(name=day, value=day) for day in WEEKDAYS])
    async def digest_on(
        self, interaction: Asked, weekday: str = "Monday", hour: Range[int, 0, 23] = 9, zone: str | None = None
    ) -> None:
        """Switch the weekly digest on."""
        await self._ask(interaction, f"digest on {weekday} {hour:02}:00", zone, share=True)

    @command(description="When this channel's digest comes by itself, and what became of the last ones")
    async def schedule(self, interaction: Asked) -> None:
        """Ask what is posted here."""
        await self._ask(interaction, "schedule")

    @command(name="digest-off", description="Post no digest in this channel")
    async def digest_off(self, interaction: Asked) -> None:
        """Switch the weekly digest off."""
        await self._ask(interaction, "digest off", share=True)

    async def _order(self, interaction: Asked, order: Order) -> None:
        asker: Asker | None = asker_of(interaction)
        with told_if_unsent(interaction):
            if asker is None:
                await interaction.response.send_message("Tell me in a channel of a server.", ephemeral=True)
                return
            # For everybody to see: it is their messages that are read.
            await interaction.response.defer(thinking=True)
            try:
                said = await _desk(interaction).ordered(order, asker, at=interaction.id)
            except RoomtoneError as error:
                said = str(error)
            await interaction.followup.send(said, allowed_mentions=discord.AllowedMentions.none())


def fingerprint(tree: app_commands.CommandTree[Any], guild: discord.Guild) -> str:
    """Changes when the commands do: Discord lets a server see a bounded number of registrations a day."""
    made = [one.to_dict(tree) for one in tree.get_commands(guild=guild)]
    return hashlib.sha256(json.dumps(made, sort_keys=True, default=str).encode()).hexdigest()[:16]
