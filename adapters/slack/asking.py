"""Questions asked in Slack, and how their answers come back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp
import structlog

from adapters.slack.calls import Calls, Refusal
from adapters.slack.digests import is_external
from adapters.slack.outlet import Outlet
from adapters.slack.people import People, Person
from adapters.slack.render import Asked, message, refused, said
from adapters.slack.translate import Us
from bot import orders
from bot.answer import Answer, Visibility
from bot.errors import FAILED, PlatformError, QuestionError, RoomtoneError
from bot.grammar import parse
from bot.message import Platform
from bot.privacy import Pseudonyms
from bot.question import Order, Place, Question

WORKING = "Reading the room …"
AT_ONCE = 0.1
"""Seconds within which an answer needs no 'working on it' before it."""

_log = structlog.get_logger(__name__)


class Answering(Protocol):
    """Answers questions; `bot.answers.Answers` is one."""

    async def answer(self, question: Question, *, visible: Sequence[Place] | None = None) -> Answer:
        """Answer `question`; `visible` are the channels its asker may know of. Raises QuestionError, StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and where: `here` is a channel's or direct conversation's id, `team` the asker's workspace if named."""

    user: str = field(repr=False)
    here: str
    team: str | None = None

    @property
    def is_direct(self) -> bool:
        """Do they talk to us alone?"""
        return self.here.startswith("D")


class Asking:
    """Understands and answers questions, and brings the answers to whoever asked."""

    def __init__(
        self,
        calls: Calls,
        answers: Answering,
        people: People,
        outlet: Outlet,
        us: Us,
        pseudonyms: Pseudonyms,
        session: aiohttp.ClientSession,
        *,
        url: str,
    ) -> None:
        self._calls = calls
        self._answers = answers
        self._people = people
        self._outlet = outlet
        self._us = us
        self._pseudonyms = pseudonyms
        self._session = session
        self._url = url

    async def reply(self, text: str, asker: Asker, *, at: datetime, table_block: bool = True) -> dict[str, Any]:
        """The message that answers `text`, for the asker alone."""
        try:
            answer = await self.answer(text, asker, at=at)
        except RoomtoneError as error:
            return refused(error)
        except Exception as error:
            _log.error("a question could not be answered", error=type(error).__name__)
            return said(FAILED)
        # A direct conversation has nobody to share with, and what was done once isn't done again.
        wanted = orders.read(text.strip())
        is_once = wanted is not None and wanted.verb.is_change
        offered = None if asker.is_direct or is_once else Asked(text, at)
        return message(answer, offered, table_block=table_block, permalinks=self._url)

    async def answer(self, text: str, asker: Asker, *, at: datetime) -> Answer:
        """The answer to `text`, from what the asker may see. Raises RoomtoneError."""
        person = await self._people.person(asker.user, team=asker.team)
        return await self._answer(text, asker, person, await self._people.places(person, here=asker.here), at)

    async def share(self, asked: Asked, asker: Asker, *, key: str) -> None:
        """Post an answer for everybody in the channel. Raises RoomtoneError if they may not all see it."""
        person = await self._people.person(asker.user, team=asker.team)
        places = await self._people.places(person, here=asker.here)
        shown = await self._shown(asker, places)
        question = self._understood(asked.text, asker, person, places, asked.at)
        if any(place not in shown for side in question.sides for place in side.places):
            raise QuestionError(
                "Not everybody here may see that answer: share one about this channel, or about public channels where "
                "only people of your organisation are."
            )
        if question.order is not None and question.order.verb.is_change:
            raise QuestionError("That was done once; there is nothing to share.")
        answer = await self._answers.answer(question, visible=shown)
        if answer.visibility is Visibility.PERSONAL:
            raise QuestionError("That answer is yours alone.")
        await self._outlet.post(self._us.channel(asker.here), answer, key=key, shared_by=asker.user)

    async def respond(self, response_url: str, text: str, asker: Asker, *, replace: bool) -> None:
        """Bring the answer to a `response_url`; where its table isn't taken, drawn in characters."""
        at = datetime.now(UTC)
        reply = await self.reply(text, asker, at=at)
        if not await self.hand_over(response_url, reply, replace=replace):
            reply = await self.reply(text, asker, at=at, table_block=False)
            await self.hand_over(response_url, reply, replace=replace)

    async def hand_over(self, response_url: str, reply: Mapping[str, Any], *, replace: bool) -> bool:
        """Send a message to a `response_url`, once; False if Slack refused what is in it."""
        body = {**reply, "response_type": "ephemeral", "replace_original": replace}
        try:
            async with self._session.post(response_url, json=body) as answer:
                if answer.status == 200:
                    return True
                _log.warning("an answer was not taken", status=answer.status)
                return answer.status != 400
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("an answer did not arrive", error=type(error).__name__)
            return True

    async def mention(self, text: str, asker: Asker, *, thread: str | None) -> None:
        """Answer a mention where it stands, for the asker alone; in a direct conversation openly."""
        at = datetime.now(UTC)
        for table_block in (True, False):
            reply = await self.reply(text, asker, at=at, table_block=table_block)
            arguments = {**reply, "channel": asker.here, "thread_ts": thread, "parse": "none"}
            try:
                if asker.is_direct:
                    await self._calls.write(
                        "chat.postMessage", {**arguments, "unfurl_links": False, "unfurl_media": False}
                    )
                else:
                    await self._calls.write("chat.postEphemeral", {**arguments, "user": asker.user})
            except Refusal as refusal:
                if refusal.code == "invalid_blocks" and table_block:
                    continue
                _log.warning("a mention could not be answered", why=refusal.code)
            except PlatformError as error:
                # Sent or not, a second try could be a second answer.
                _log.warning("an answer may not have arrived", error=type(error).__name__)
            return

    async def _answer(self, text: str, asker: Asker, person: Person, places: Sequence[Place], at: datetime) -> Answer:
        question = self._understood(text, asker, person, places, at)
        if question.order is not None and question.order.verb.is_change:
            await self._allow(question.order, question.sides[0].places, asker, person, places)
        unnamed = any(not side.places for side in question.sides)
        if unnamed and not asker.is_direct and all(place.channel.id != asker.here for place in places):
            raise QuestionError(
                "I'm not in this channel yet, so I can't say anything about it: invite me with /invite @Roomtone, "
                "or name a channel that I'm in.",
                ("channels",),
            )
        return await self._answers.answer(question, visible=places)

    async def _allow(
        self, order: Order, about: Sequence[Place], asker: Asker, person: Person, places: Sequence[Place]
    ) -> None:
        """Raises QuestionError if somebody may not say what is posted in a channel, or not about others."""
        if not await self._people.may_set(person, order.target.channel):
            raise QuestionError(
                "Only the channel's creator or an admin, who is in it, can say what is posted there.", ("schedule",)
            )
        there = Asker(asker.user, order.target.channel.id, asker.team)
        if any(place != order.target for place in about) and set(about) - set(await self._shown(there, places)):
            raise QuestionError(
                "Not everybody here may see those channels' numbers: name public channels, in a channel where only "
                "people of your organisation are.",
                ("schedule",),
            )

    async def _shown(self, asker: Asker, places: Sequence[Place]) -> tuple[Place, ...]:
        """Those of `places` whose numbers everybody where `asker` is may see."""
        external = await is_external(self._calls, self._us.channel(asker.here))
        return tuple(place for place in places if place.channel.id == asker.here or not (place.private or external))

    def _understood(self, text: str, asker: Asker, person: Person, places: Sequence[Place], at: datetime) -> Question:
        here = next((place for place in places if place.channel.id == asker.here), None)
        pseudonym = self._pseudonyms.of(Platform.SLACK, self._us.workspace, person.id)
        return parse(text, places=places, here=here, now=at, zone=person.zone, asker=pseudonym)


async def first(task: asyncio.Task[None], within: float = AT_ONCE) -> dict[str, Any]:
    """What a command's acknowledgement says: nothing if its answer is as good as there."""
    done, _ = await asyncio.wait({task}, timeout=within)
    return {} if done else {"response_type": "ephemeral", **said(WORKING)}
