"""A terminal chat: type as a member of a channel, ask with a slash."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, WordCompleter
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

from adapters.console.render import literal, render
from adapters.console.translate import author, said
from bot.analysis import Analysis, Analyzer
from bot.answer import Answer
from bot.answers import Answers
from bot.errors import QuestionError, RoomtoneError
from bot.grammar import parse
from bot.ingest import Ingest
from bot.privacy import Pseudonyms
from bot.question import SUBJECTS, Place, Question
from bot.wording import signed

WELCOME = "Roomtone, on what you have imported."
WELCOME_TO_SAMPLE = "Roomtone, on a made-up workspace. `roomtone import PATH` brings your own export in."

OWN_COMMANDS = {
    "join": "/join #channel     type and ask in another channel",
    "as": "/as NAME           type as somebody else",
    "quit": "/quit              leave (so does Ctrl-D)",
}


class Terminal:
    """One person at a terminal, in one channel at a time.

    Unless they `may_talk`, as on a made-up workspace but not among a team's real messages, they can only ask.
    Messages typed into a channel take the same path as any platform's;
    nothing typed is kept in a history file.
    """

    def __init__(
        self,
        *,
        ingest: Ingest,
        analyzer: Analyzer,
        answers: Answers,
        pseudonyms: Pseudonyms,
        places: Sequence[Place],
        here: Place,
        who: str,
        may_talk: bool,
        zone: ZoneInfo,
        console: Console,
    ) -> None:
        self._ingest = ingest
        self._analyzer = analyzer
        self._answers = answers
        self._pseudonyms = pseudonyms
        self._places = places
        self._here = here
        self._who = who
        self._may_talk = may_talk
        self._zone = zone
        self._console = console

    async def run(self) -> None:
        """Say where one is, show the digest, and read lines until the end of input or `/quit`."""
        self._console.print(Text(WELCOME_TO_SAMPLE if self._may_talk else WELCOME, style="bold"))
        how = "Type to talk, /help to ask" if self._may_talk else "Ask with a slash, /help lists how"
        self._console.print(Text(f"You are in #{self._here.name}. {how}, Ctrl-D to leave.\n", style="dim"))
        await self.ask("digest")
        async for line in self._lines():
            if not await self.take(line.strip()):
                return

    async def take(self, line: str) -> bool:
        """Do what one line asks for; False when it asks to leave."""
        if not line:
            return True
        if not line.startswith("/"):
            if self._may_talk:
                await self._say(line)
                if self._is_question(line):
                    self._tell(f"  To ask it, begin with a slash: /{line}")
            else:
                self._tell("What you type here would be counted as if it had been said there: ask with a slash.")
            return True
        word, _, rest = line[1:].partition(" ")
        match word.lower():
            case "quit" | "exit":
                return False
            case "join":
                self._join(rest.strip())
            case "as":
                self._who = rest.strip() or self._who
                self._tell(f"You type as {self._who}.")
            case "help" if not rest:
                await self.ask("help")
                self._console.print(Text("Here in the terminal:\n  " + "\n  ".join(OWN_COMMANDS.values()), style="dim"))
            case _:
                await self.ask(line)
        return True

    async def ask(self, text: str) -> Answer | None:
        """Answer a question on the screen; None if it wasn't one."""
        try:
            question = self._parsed(text)
            answer = await self._answers.answer(question, visible=self._places)
        except QuestionError as error:
            self._tell(str(error), style="yellow")
            for suggestion in error.suggestions:
                self._tell(f"  /{suggestion}", style="cyan")
            return None
        except RoomtoneError as error:
            self._tell(str(error), style="red")
            return None
        self._console.print(render(answer, width=self._console.width))
        if question.order is not None and question.order.verb.is_change and not self._may_talk:
            self._tell("Nothing is posted into a terminal: a Roomtone that runs with its platform's tokens posts it.")
        self._console.print()
        return answer

    def _parsed(self, text: str) -> Question:
        return parse(
            text,
            places=self._places,
            here=self._here,
            now=datetime.now(UTC),
            zone=self._zone,
            asker=author(self._who, self._here.channel, self._pseudonyms),
        )

    def _is_question(self, line: str) -> bool:
        try:
            self._parsed(line)
        except QuestionError:
            return False
        return True

    async def _say(self, line: str) -> None:
        by = author(self._who, self._here.channel, self._pseudonyms)
        await self._ingest.accept(said(line, by=by, channel=self._here.channel, at=datetime.now(UTC)))
        await self._ingest.drain()
        (analysis,) = await self._analyzer.analyze([line])
        self._tell(f"  heard as {_in_words(analysis)}")

    def _join(self, name: str) -> None:
        wanted = name.removeprefix("#").lower()
        for place in self._places:
            if place.name.lower() == wanted:
                self._here = place
                self._tell(f"You are in #{place.name}.")
                return
        there = ", ".join(f"#{place.name}" for place in self._places)
        self._tell(f"There is no #{wanted}. There are: {there}.", style="yellow")

    def _tell(self, text: str, *, style: str = "dim") -> None:
        self._console.print(Text(literal(text), style=style))

    async def _lines(self) -> AsyncIterator[str]:
        if not sys.stdin.isatty():
            # A pipe or /dev/null: no prompt, no editing, the same answers.
            while line := await asyncio.to_thread(sys.stdin.readline):
                self._tell(f"#{self._here.name} {self._who}> {line.rstrip()}")
                yield line
            return
        session: PromptSession[str] = PromptSession(history=InMemoryHistory(), complete_while_typing=True)
        with patch_stdout(raw=True) if self._console.is_terminal else nullcontext():
            while True:
                try:
                    yield await session.prompt_async(self._prompt(), completer=self._completer())
                except KeyboardInterrupt:
                    continue  # Ctrl-C drops the line that is being typed, as in a shell
                except EOFError:
                    return

    def _prompt(self) -> FormattedText:
        return FormattedText([("ansicyan bold", f"#{self._here.name} "), ("", f"{self._who}> ")])

    def _completer(self) -> Completer:
        commands = [f"/{subject}" for subject in SUBJECTS] + [f"/{command}" for command in OWN_COMMANDS]
        return WordCompleter(commands + [f"#{place.name}" for place in self._places], WORD=True, ignore_case=True)


def _in_words(analysis: Analysis) -> str:
    names = "".join(f" · {entity.text} ({entity.kind})" for entity in analysis.entities)
    if analysis.sentiment is None:
        return f"not read: the language seems to be '{analysis.language}'{names}"
    return f"{analysis.sentiment.label} {signed(100 * analysis.sentiment.score)}{names}"
