"""Questions asked on Discord: what may be asked about, by whom, and what may be told in front of everybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import discord
from cachetools import TTLCache

from adapters.discord.translate import author
from bot.answer import Answer
from bot.errors import QuestionError
from bot.grammar import parse
from bot.message import Channel, Platform, Window
from bot.privacy import Pseudonyms
from bot.question import Place, Question, Subject
from bot.store import Readings
from bot.trends import Trends

NOTHING_READ = (
    "I read no channel yet that you can see here. Somebody who may manage a channel can write `@Roomtone start` in it, "
    "or use `/roomtone start`."
)

NAMES_FROM = timedelta(days=90)
"""How far back names are looked for while somebody types one."""

_PERSONAL = (Subject.PRIVACY, Subject.OPT_OUT, Subject.OPT_IN)
_PLACELESS = (*_PERSONAL, Subject.HELP, Subject.STATUS)


class Answering(Protocol):
    """Answers questions; `bot.answers.Answers` is one."""

    async def answer(self, question: Question, *, visible: Sequence[Place] | None = None) -> Answer:
        """Answer `question`; `visible` are the channels its asker may know of. Raises QuestionError, StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and in which channel or thread of their server."""

    member: discord.Member
    channel: discord.abc.GuildChannel | discord.Thread

    @property
    def guild(self) -> discord.Guild:
        """Their server."""
        return self.member.guild

    @property
    def room(self) -> discord.abc.GuildChannel | None:
        """The channel, or a thread's channel; None if that is hidden from us."""
        return self.channel.parent if isinstance(self.channel, discord.Thread) else self.channel


@dataclass(frozen=True, slots=True)
class Understood:
    """A question, the channels it may be about, and whether everybody where it was asked may see the answer."""

    question: Question
    places: tuple[Place, ...]
    public: bool


class Asking:
    """Understands and answers questions; nobody gets numbers about a channel they can't see."""

    def __init__(
        self,
        answers: Answering,
        trends: Trends,
        readings: Readings,
        pseudonyms: Pseudonyms,
        *,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
    ) -> None:
        self._answers = answers
        self._trends = trends
        self._readings = readings
        self._pseudonyms = pseudonyms
        self._zone = zone
        self._clock = clock
        self._names: TTLCache[tuple[Channel, ...], tuple[str, ...]] = TTLCache(256, 300)

    async def understood(self, text: str, asker: Asker) -> Understood:
        """The question that `text` is. Raises QuestionError, whose suggestions may be shown to everybody."""
        seen = await self.places(asker)
        shared = [place for place in seen if self._is_for_everybody(place, asker)]
        try:
            question = self._question(text, asker, shared)
        except QuestionError as error:
            try:
                question = self._question(text, asker, seen)
            except QuestionError:
                raise error from None
            return Understood(question, tuple(seen), public=False)
        return Understood(question, tuple(shared), public=question.subject not in _PERSONAL)

    async def wholly(self, text: str, asker: Asker) -> Understood:
        """The question that `text` is, about everything that the asker sees. Raises QuestionError."""
        places = await self.places(asker)
        return Understood(self._question(text, asker, places), tuple(places), public=False)

    async def answer(self, understood: Understood) -> Answer:
        """The answer. Raises QuestionError, StorageError."""
        return await self._answers.answer(understood.question, visible=understood.places)

    async def places(self, asker: Asker) -> list[Place]:
        """The channels that somebody may ask about: those with numbers whose messages they may see."""
        found = []
        for summary in await self._readings.channels():
            channel = self._channel(summary.channel, asker)
            if channel is not None and channel.permissions_for(asker.member).view_channel:
                hidden = not channel.permissions_for(asker.guild.default_role).view_channel
                found.append(Place(summary.channel, channel.name, hidden))
        return found

    async def names(self, asker: Asker, typed: str) -> Sequence[str]:
        """Names that somebody may mean while typing; none that fewer people used than may be shown."""
        channels = tuple(place.channel for place in await self.places(asker))
        if not channels:
            return ()
        if channels not in self._names:
            now = self._clock()
            window = Window(now - NAMES_FROM, now)
            found = await self._trends.entities(channels, window, self._zone, now, limit=200)
            self._names[channels] = tuple(entity.tally.name for entity in found)
        begun = typed.casefold()
        matching = [name for name in self._names[channels] if begun in name.casefold()]
        return sorted(matching, key=lambda name: not name.casefold().startswith(begun))

    def _question(self, text: str, asker: Asker, places: Sequence[Place]) -> Question:
        here = next((place for place in places if asker.room and place.channel.id == str(asker.room.id)), None)
        question = parse(
            text,
            places=places,
            here=here,
            now=self._clock(),
            zone=self._zone,
            asker=author(self._pseudonyms, str(asker.guild.id), asker.member.id),
        )
        if not places and question.subject not in _PLACELESS:
            raise QuestionError(NOTHING_READ, ("help", "privacy"))
        return question

    def _is_for_everybody(self, place: Place, asker: Asker) -> bool:
        """May the numbers of `place` be told in front of everybody in the asker's channel?"""
        return not place.private or (asker.room is not None and place.channel.id == str(asker.room.id))

    def _channel(self, channel: Channel, asker: Asker) -> discord.abc.GuildChannel | None:
        if channel.platform is not Platform.DISCORD or channel.workspace != str(asker.guild.id):
            return None
        return asker.guild.get_channel(int(channel.id)) if channel.id.isdecimal() else None
