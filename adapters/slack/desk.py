"""Where people meet Roomtone in Slack: a command, a mention, a button, a modal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any

from cachetools import TTLCache

from adapters.slack.asking import Asker, Asking, first
from adapters.slack.history import History
from adapters.slack.home import Home
from adapters.slack.people import People
from adapters.slack.render import ASK, SHARE, Asked, refused, said
from adapters.slack.translate import Us, asked
from adapters.slack.welcome import past_of, reading_the_past
from bot.errors import QuestionError, RoomtoneError
from bot.store import Cursors

Ack = Callable[..., Awaitable[Any]]


class Desk:
    """Takes what people ask. `start` does something besides, without being waited for."""

    def __init__(
        self,
        asking: Asking,
        home: Home,
        history: History,
        people: People,
        cursors: Cursors,
        us: Us,
        *,
        start: Callable[[Coroutine[Any, Any, None]], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._asking = asking
        self._home = home
        self._history = history
        self._people = people
        self._cursors = cursors
        self._us = us
        self._start = start
        self._clock = clock
        self._answered: TTLCache[tuple[str, str], bool] = TTLCache(4096, 3600)

    async def command(self, body: dict[str, Any], ack: Ack) -> None:
        """A slash command: acknowledged at once, with the answer or with word that it is being worked on."""
        text, url = str(body.get("text") or ""), str(body.get("response_url"))
        asker = Asker(str(body.get("user_id")), str(body.get("channel_id")), _text(body.get("team_id")))
        past = past_of(text)
        ready = asyncio.Event()

        async def answer() -> None:
            if past is not None:
                reply = await self._backfill(past, asker)
            else:
                reply = await self._asking.reply(text, asker, at=self._clock())
            ready.set()
            await acknowledged.wait()
            if not await self._asking.hand_over(url, reply, replace=working) and past is None:
                reply = await self._asking.reply(text, asker, at=self._clock(), table_block=False)
                await self._asking.hand_over(url, reply, replace=working)

        acknowledged = asyncio.Event()
        self._start(answer())
        waiting = asyncio.create_task(_wait(ready))
        said_first = await first(waiting)
        working = bool(said_first)
        await ack(said_first if working else "")
        acknowledged.set()
        waiting.cancel()

    async def action(self, body: dict[str, Any], ack: Ack) -> None:
        """A click on one of our buttons."""
        await ack()
        actions = body.get("actions")
        action = actions[0] if isinstance(actions, list) and actions else {}
        user, channel = body.get("user") or {}, body.get("channel") or {}
        asker = Asker(str(user.get("id")), str(channel.get("id") or ""), _text(user.get("team_id")))
        name, value, url = str(action.get("action_id")), str(action.get("value") or ""), _text(body.get("response_url"))
        if name == SHARE and url is not None:
            clicked = f"{asker.here} {action.get('action_ts')} {(body.get('container') or {}).get('message_ts')}"
            self._start(self._share(value, asker, url, key=f"share {clicked}"))
        elif name.startswith(ASK) and url is not None:
            self._start(self._asking.respond(url, value, asker, replace=False))
        else:
            self._start(self._home.clicked(name, value, asker, str(body.get("trigger_id"))))

    async def view(self, body: dict[str, Any], ack: Ack) -> None:
        """A modal that was submitted."""
        errors = await self._home.submitted(body)
        if errors:
            await ack(response_action="errors", errors=errors)
        else:
            await ack()
            self._start(self._home.publish(str((body.get("user") or {}).get("id"))))

    async def mentioned(self, event: Mapping[str, Any]) -> None:
        """A mention, or words written to us alone; answered once however often it is told."""
        user, channel, ts, text = (event.get(name) for name in ("user", "channel", "ts", "text"))
        if event.get("bot_id") or event.get("subtype") or event.get("edited"):
            return
        if not (isinstance(user, str) and isinstance(channel, str) and isinstance(ts, str) and isinstance(text, str)):
            return
        if user == self._us.user or (channel, ts) in self._answered:
            return  # a retry: answered already
        self._answered[channel, ts] = True
        thread = event.get("thread_ts")
        team = event.get("user_team") or event.get("team")
        asker = Asker(user, channel, team if isinstance(team, str) else None)
        await self._asking.mention(asked(text, self._us), asker, thread=thread if isinstance(thread, str) else None)

    async def _share(self, value: str, asker: Asker, url: str, *, key: str) -> None:
        question = Asked.unpacked(value)
        if question is None:
            return
        try:
            await self._asking.share(question, asker, key=key)
        except RoomtoneError as error:
            await self._asking.hand_over(url, refused(error), replace=False)

    async def _backfill(self, past: timedelta, asker: Asker) -> dict[str, Any]:
        """Promise to read the channel's past, or say how far that has come."""
        channel = self._us.channel(asker.here)
        if await self._cursors.position(channel) is None:
            return refused(QuestionError("I'm not in this channel yet: invite me with /invite @Roomtone, then repeat."))
        if (progress := await self._history.progress(channel)) is not None:
            return said(reading_the_past(progress))
        person = await self._people.person(asker.user, team=asker.team)
        if not await self._people.may_set(person, channel):
            return refused(
                QuestionError("Only the channel's creator or an admin of the workspace may have its past read.")
            )
        await self._history.ask_for(channel, past)
        return said(
            f"I'm reading the past {past.days} days of this channel, behind what is written now, and will say here "
            "when I'm done. /roomtone backfill tells how far I am."
        )


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
