"""The composition root: settings → parts → run. The only importer of adapters and storage."""

from __future__ import annotations

import asyncio
import gc
import getpass
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import tzlocal
from pydantic import SecretStr
from rich.console import Console

from adapters.console.client import Terminal
from adapters.console.render import analysed, render
from adapters.exports import open_export
from bot import doctor, readers
from bot import sample as samples
from bot.analysis import Analyzer
from bot.analysis.budget import Spending
from bot.answer import Answer
from bot.answers import Answers
from bot.chart import Charts
from bot.errors import AlreadyRunning, ConfigurationError, NoDatabase, OtherKey, QuestionError, RoomtoneError
from bot.grammar import parse
from bot.importing import Report, bring_in
from bot.ingest import Ingest
from bot.keys import given_key, kept_key, key_path
from bot.message import Platform
from bot.privacy import Key, Pseudonyms
from bot.question import Place, Subject
from bot.rereading import Reread, read_again
from bot.settings import PREFIX, Settings
from bot.shapes import planned_as_json
from bot.subscribing import Subscribing
from bot.supervision import kept_up, together
from bot.trends import Trends
from bot.wording import counted
from bot.writer import Writer
from storage import Storage, check, open_storage

if TYPE_CHECKING:
    from adapters.slack.client import Slack
    from adapters.slack.connection import Access

__all__ = ["App", "Report", "Reread", "analysed", "render"]


@dataclass(frozen=True, slots=True)
class App:
    """Roomtone, put together on one database."""

    storage: Storage
    pseudonyms: Pseudonyms
    analyzer: Analyzer
    ingest: Ingest
    answers: Answers
    writer: Writer
    zone: ZoneInfo

    async def places(self) -> tuple[Place, ...]:
        """Every channel; for an operator, who may see them all."""
        return tuple(
            Place(summary.channel, summary.name, summary.private) for summary in await self.storage.readings.channels()
        )

    async def ask(self, text: str, *, here: Place | None = None, zone: ZoneInfo | None = None) -> Answer:
        """Answer a question as the operator at this machine asks it. Raises QuestionError, ConfigurationError."""
        places = await self.places()
        try:
            question = parse(
                text,
                places=places,
                here=here,
                now=datetime.now(UTC),
                zone=zone or self.zone,
                asker=self.pseudonyms.of(Platform.CONSOLE, "shell", operator()),
            )
        except QuestionError:
            if not places:
                raise ConfigurationError(NOTHING_YET) from None
            raise
        if not places and question.subject in ABOUT_CHANNELS:
            raise ConfigurationError(NOTHING_YET)
        return await self.answers.answer(question, visible=places)


NOTHING_YET = (
    "Nothing is read yet: `roomtone import PATH` brings a chat export in, `roomtone run` listens, and --sample shows a "
    "made-up workspace."
)
ABOUT_CHANNELS = frozenset(Subject) - {Subject.HELP, Subject.PRIVACY, Subject.STATUS, Subject.OPT_OUT, Subject.OPT_IN}


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    database: str | None = None,
    sample: bool = False,
    works: bool = False,
    alone: bool = False,
    existing: bool = False,
) -> AsyncIterator[App]:
    """The parts, wired, on the configured database, another, or the sample workspace's own.

    A process that `works` reads what waits, what another left half done included, unless that one still runs; one
    that works `alone` is then refused. What must be `existing` is never made. Raises
    ConfigurationError, StorageError.
    """
    url = database or settings.database_url
    if sample:
        url = samples.database(url, datetime.now(UTC))
    check(url, existing=existing and not sample)
    key = load_key(settings, url)
    async with (
        _storage(url, key, settings, works=works or sample, alone=alone) as storage,
        # The sample's own database keeps no account: one budget is one budget.
        nullcontext(_account(settings) if sample else lambda: nullcontext(storage.spending)) as account,
        readers.reading(settings, account) as analyzer,
        readers.metered(settings, account) as meter,
    ):
        trends = Trends(storage.readings)
        writer = Writer(storage.subscriptions, trends, storage.inbox, zone=own_zone(settings))
        subscribing = Subscribing(storage.subscriptions, writer, is_sample=sample)
        app = App(
            storage=storage,
            pseudonyms=Pseudonyms(key),
            analyzer=analyzer,
            ingest=Ingest(storage.inbox, analyzer, storage.ledger),
            answers=Answers(trends, storage.ledger, storage.inbox, storage.names, subscribing, meter),
            writer=writer,
            zone=own_zone(settings),
        )
        if sample:
            await samples.fill(
                open_export(samples.FOLDER, app.pseudonyms, workspace=samples.NAME), app.ingest, storage.ledger
            )
        yield app


@asynccontextmanager
async def _storage(url: str, key: Key, settings: Settings, *, works: bool, alone: bool) -> AsyncIterator[Storage]:
    async with AsyncExitStack() as stack:
        try:
            storage = await stack.enter_async_context(open_storage(url, key, sole=works or alone))
        except AlreadyRunning:
            if alone:
                raise
            storage = await stack.enter_async_context(open_storage(url, key))
        except OtherKey as error:
            where = "ROOMTONE_KEY" if settings.key else settings.key_file or key_path(url)
            raise ConfigurationError(f"{error} (the key used now is that of {where})") from error
        yield storage


def reading(settings: Settings) -> AbstractAsyncContextManager[Analyzer]:
    """Who reads, with the configured database's account of hosted calls. Raises ConfigurationError."""
    return readers.reading(settings, _account(settings))


def reading_with(settings: Settings, model: str | None) -> AbstractAsyncContextManager[Analyzer]:
    """The named reader alone; None is who reads anyway. Raises ConfigurationError."""
    return readers.reading_with(model, settings, _account(settings))


def _account(settings: Settings) -> readers.Account:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Spending]:
        url = settings.database_url
        check(url)
        async with _storage(url, load_key(settings, url), settings, works=False, alone=False) as storage:
            yield storage.spending

    return opened


def load_key(settings: Settings, url: str) -> Key:
    """The installation's secret, made on first use. Raises ConfigurationError if what is there isn't one."""
    if settings.key is not None:
        return given_key(settings.key.get_secret_value())
    return kept_key(settings.key_file or key_path(url))


def operator() -> str:
    """The name of whoever runs this; their number where they have none, as a container's user often hasn't."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # before Python 3.13, and from it on
        return str(os.getuid())


def own_zone(settings: Settings) -> ZoneInfo:
    """The zone that times are read in where nobody's own is known."""
    return ZoneInfo(settings.time_zone or tzlocal.get_localzone_name() or "UTC")


async def import_paths(
    app: App,
    paths: Sequence[Path],
    *,
    workspace: str | None = None,
    channel: str | None = None,
    progress: Callable[[int, int, int], None] | None = None,
) -> Report:
    """Bring export files in. `progress` is told (bytes read, bytes in all, messages) as it goes."""
    exports = [open_export(path, app.pseudonyms, workspace=workspace, channel=channel) for path in paths]
    return await bring_in(exports, app.ingest, app.storage.ledger, progress=progress)


async def reread_paths(
    app: App,
    paths: Sequence[Path],
    *,
    workspace: str | None = None,
    channel: str | None = None,
    progress: Callable[[int, int, int], None] | None = None,
) -> Reread:
    """Read again what waits and what export files hold, with whoever reads now."""
    exports = [open_export(path, app.pseudonyms, workspace=workspace, channel=channel) for path in paths]
    storage = app.storage
    return await read_again(exports, app.analyzer, app.ingest, storage.inbox, storage.past, progress=progress)


async def run(settings: Settings, *, database: str | None, sample: bool, console: Console) -> None:
    """The platforms whose tokens are set, until stopped; without any, or with `sample`, the terminal."""
    if sample or (settings.discord_token is None and slack_access(settings) is None):
        await run_console(settings, database=database, sample=sample, console=console)
        return
    running = asyncio.current_task()
    assert running is not None
    with suppress(NotImplementedError):  # Windows has no such handlers
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with suppress(asyncio.CancelledError):
        async with opened(settings, database=database, alone=True) as app:
            await run_platforms(app, settings)


async def run_platforms(app: App, settings: Settings) -> None:
    """Listen and answer until cancelled. Raises ConfigurationError for what only an operator can mend."""
    gc.freeze()  # what is loaded by now stays: looking for garbage in it would only hold floods up
    async with Charts() as charts, together() as tasks:
        tasks.create_task(app.ingest.run())
        tasks.create_task(charts.warm())
        if (access := slack_access(settings)) is not None:
            tasks.create_task(kept_up("slack", _slack(app, access, charts).run))
        if settings.discord_token is not None:
            # Here, since every other verb does without the library and the time it takes to load.
            from adapters.discord.client import Discord

            discord = Discord(
                settings.discord_token.get_secret_value(),
                accept=app.ingest.accept,
                known=app.storage.ledger,
                answers=app.answers,
                trends=Trends(app.storage.readings),
                readings=app.storage.readings,
                cursors=app.storage.cursors,
                notes=app.storage.notes,
                held=app.storage.held,
                subscriptions=app.storage.subscriptions,
                writer=app.writer,
                pseudonyms=app.pseudonyms,
                zone=app.zone,
                draw=charts.png,
            )
            tasks.create_task(kept_up("discord", discord.run))


async def planned_posts(settings: Settings, *, database: str | None) -> Sequence[Mapping[str, Any]]:
    """What is posted next in every channel, as `roomtone digest --dry-run --json` prints it."""
    async with opened(settings, database=database, existing=True) as app:
        names = {place.channel: place.name for place in await app.places()}
        return [planned_as_json(post, names, _as_posted) for post in await app.writer.planned(datetime.now(UTC))]


def _as_posted(platform: Platform, answer: Answer) -> tuple[str, Mapping[str, Any] | None]:
    """What people would read there, and what the platform would be given."""
    match platform:
        case Platform.SLACK:
            from adapters.slack import digests as slack

            return slack.shown(answer)
        case Platform.DISCORD:
            from adapters.discord import digests as discord

            return discord.shown(answer)
        case _:
            return "\n".join([answer.title, *answer.lines, answer.footnote]), None  # nothing is posted there


async def discord_invitation(settings: Settings, *, voice: bool) -> str:
    """The address that invites the Discord bot. Raises ConfigurationError."""
    from adapters.discord.checks import application_id, invite

    if settings.discord_token is None:
        raise ConfigurationError("ROOMTONE_DISCORD_TOKEN isn't set: put the bot's token there first.")
    application = await application_id(settings.discord_token.get_secret_value())
    if application is None:
        raise ConfigurationError("Discord doesn't say who we are: check ROOMTONE_DISCORD_TOKEN and the network.")
    return invite(application, voice=voice)


async def run_console(settings: Settings, *, database: str | None, sample: bool, console: Console) -> None:
    """The terminal: on what was imported, or else on the sample workspace. Ends with its input."""
    if not sample:
        async with opened(settings, database=database, works=True) as app:
            if await app.places():
                await _terminal(app, console, may_talk=False)
                return
    async with opened(settings, database=database, sample=True) as app:
        await _terminal(app, console, may_talk=True)


def slack_access(settings: Settings) -> Access | None:
    """What opens Slack; None if no token is set. Raises ConfigurationError for half of it, or the wrong kind."""
    if settings.slack_bot_token is None:
        if settings.slack_app_token is not None or settings.slack_signing_secret is not None:
            raise ConfigurationError("Slack also needs ROOMTONE_SLACK_BOT_TOKEN: see docs/slack.md.")
        return None
    from adapters.slack.connection import Access

    return Access(
        settings.slack_bot_token.get_secret_value(),
        _secret(settings.slack_app_token),
        _secret(settings.slack_signing_secret),
        host=settings.slack_host,
        port=settings.slack_port,
        api=settings.slack_api,
    )


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _slack(app: App, access: Access, charts: Charts) -> Slack:
    from adapters.slack.client import Slack, Stores

    storage = app.storage
    return Slack(
        access,
        ingest=app.ingest,
        answers=app.answers,
        writer=app.writer,
        stores=Stores(
            storage.inbox,
            storage.ledger,
            storage.readings,
            storage.cursors,
            storage.notes,
            storage.held,
            storage.subscriptions,
        ),
        pseudonyms=app.pseudonyms,
        zone=app.zone,
        draw=charts.png,
    )


def slack_setup(url: str | None, *, scopes: bool) -> str:
    """The manifest that makes the Slack app: for Socket Mode, or HTTP at `url`; or its scopes with their reasons."""
    from adapters.slack.manifest import explained, written

    return explained() if scopes else written(url)


async def _terminal(app: App, console: Console, *, may_talk: bool) -> None:
    places = await app.places()
    busiest = max(await app.storage.readings.channels(), key=lambda summary: summary.messages)
    here = next(place for place in places if place.channel == busiest.channel)
    terminal = Terminal(
        ingest=app.ingest,
        analyzer=app.analyzer,
        answers=app.answers,
        pseudonyms=app.pseudonyms,
        places=places,
        here=here,
        who=operator(),
        may_talk=may_talk,
        zone=app.zone,
        console=console,
    )
    await terminal.run()


async def examine(settings: Settings, *, database: str | None, retry: bool = False) -> Sequence[doctor.Finding]:
    """Look at everything that can be wrong, `retry` what was set aside; never raises for what it finds."""
    url = database or settings.database_url
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    findings = [*doctor.installation(), *doctor.environment(Settings.given(), known)]
    here = settings.model_copy(update={"database_url": url})
    findings += await readers.examined(here, _account(here))
    started: Mapping[str, Collection[int]] = {}
    try:
        async with opened(settings, database=database, existing=True) as app:
            channels = await app.storage.readings.channels()
            messages = sum(summary.messages for summary in channels)
            findings.append(
                doctor.Finding(
                    "database",
                    True,
                    f"{url}: {counted(messages, 'message')} read in {counted(len(channels), 'channel')}.",
                )
            )
            if retry:
                await app.storage.inbox.try_again()
            findings += doctor.inbox(await app.storage.inbox.count())
            findings += await _examine_posts(app)
            started = await _started_on_discord(app)
            findings += await _left_out_on_discord(app, started)
    except NoDatabase as error:
        findings.append(doctor.Finding("database", True, str(error)))
    except RoomtoneError as error:
        findings.append(doctor.Finding("database", False, str(error)))
    findings += await _examine_discord(settings, started)
    findings += await _examine_slack(settings)
    key = settings.key_file or key_path(url)
    if settings.key is None:
        findings += doctor.key_file(key)
    if key.parent.exists():
        findings.append(doctor.disk(key.parent))
    return findings


async def _examine_posts(app: App) -> Sequence[doctor.Finding]:
    names = {place.channel: place.name for place in await app.places()}
    kept = app.storage.subscriptions
    wanted = await kept.subscriptions()
    latest = [await kept.posts(each.channel, each.sort, limit=1) for each in wanted]
    named = [(names.get(post.due.channel, post.due.channel.id), post) for posts in latest for post in posts]
    return [*doctor.posts(len(wanted), named)]


async def _started_on_discord(app: App) -> Mapping[str, Collection[int]]:
    from adapters.discord.checks import started

    return await started(app.storage.notes)


async def _left_out_on_discord(app: App, started: Mapping[str, Collection[int]]) -> Sequence[doctor.Finding]:
    from adapters.discord.checks import left_out

    return await left_out(app.storage.notes, app.storage.readings, started, now=datetime.now(UTC))


async def _examine_discord(settings: Settings, started: Mapping[str, Collection[int]]) -> Sequence[doctor.Finding]:
    if settings.discord_token is None:
        return ()
    from adapters.discord.checks import examine

    return await examine(settings.discord_token.get_secret_value(), started)


async def _examine_slack(settings: Settings) -> Sequence[doctor.Finding]:
    try:
        access = slack_access(settings)
    except ConfigurationError as error:
        return [doctor.Finding("slack", False, str(error))]
    if access is None:
        return []
    from adapters.slack.checks import examined

    return await examined(access)
