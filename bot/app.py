"""The composition root: settings → parts → run. The only importer of adapters and storage."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zoneinfo import ZoneInfo

import structlog
import tzlocal
from pydantic import SecretStr
from rich.console import Console, RenderableType
from rich.text import Text

from adapters.console.client import Terminal
from adapters.console.render import render
from adapters.console.translate import moved
from adapters.exports import open_export
from bot import doctor
from bot.analysis import Analysis, Analyzer
from bot.analysis.batching import Batching
from bot.analysis.budget import Budget, Cap, Limits, Spending
from bot.analysis.embedded import Embedded
from bot.analysis.paired import Paired
from bot.answer import Answer, answer_as_json
from bot.answers import Answers
from bot.chart import Charts
from bot.delivery import Author, Planned
from bot.errors import AlreadyRunning, ConfigurationError, RoomtoneError
from bot.evaluation import Behaviour, Comparison, Evaluation, Labelled, compare, evaluate, read_lines, run_behaviour
from bot.importing import Aside, Line, Report, bring_in
from bot.ingest import Ingest
from bot.message import Channel, Platform
from bot.privacy import KEY_BYTES, Key, Pseudonyms
from bot.question import Place, parse
from bot.settings import BUNDLED, PREFIX, Settings
from bot.store import ChannelSummary
from bot.subscribing import Subscribing
from bot.trends import Trends
from storage import Storage, open_storage

if TYPE_CHECKING:
    from adapters.slack.client import Slack
    from adapters.slack.connection import Access
    from bot.analysis.hosted import Hosted

_log = structlog.get_logger(__name__)

__all__ = ["App", "Report", "render"]

SAMPLE = Path(__file__).parents[1] / "adapters" / "console" / "sample"
SAMPLE_NAME = "lanternfish-sample"
SAMPLE_WELCOME = (
    "Roomtone, on a made-up workspace: nothing is imported yet. `roomtone import PATH` brings your own export in."
)

SHORTEST_RESTART, LONGEST_RESTART = 1.0, 300.0
"""Seconds before a platform's client that died is started again."""

STREAM_BATCH = 256
"""Lines of `roomtone analyze -` read together at most."""


@dataclass(frozen=True, slots=True)
class App:
    """Roomtone, put together on one database."""

    storage: Storage
    pseudonyms: Pseudonyms
    analyzer: Analyzer
    ingest: Ingest
    answers: Answers
    author: Author
    zone: ZoneInfo

    async def places(self) -> tuple[Place, ...]:
        """Every channel; for an operator, who may see them all."""
        return tuple(
            Place(summary.channel, summary.name, summary.private) for summary in await self.storage.readings.channels()
        )

    async def ask(self, text: str, *, here: Place | None = None, zone: ZoneInfo | None = None) -> Answer:
        """Answer a question as the operator at this machine asks it. Raises QuestionError."""
        places = await self.places()
        question = parse(
            text,
            places=places,
            here=here,
            now=datetime.now(UTC),
            zone=zone or self.zone,
            asker=self.pseudonyms.of(Platform.CONSOLE, "shell", getpass.getuser()),
        )
        return await self.answers.answer(question, visible=await self.places())


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    database: str | None = None,
    sample: bool = False,
    works: bool = False,
    alone: bool = False,
) -> AsyncIterator[App]:
    """The parts, wired, on the configured database, another, or the sample workspace's own.

    A process that `works` reads what waits, what another left half done included, unless that one still runs; one
    that works `alone` is then refused. Raises ConfigurationError, StorageError.
    """
    url = database or settings.database_url
    if sample:
        url = sample_database(url, datetime.now(UTC))
    key = load_key(settings, url)
    async with (
        _storage(url, key, works=works or sample, alone=alone) as storage,
        # The sample's own database keeps no account: one budget is one budget.
        reading(settings, None if sample else storage.spending) as analyzer,
    ):
        trends = Trends(storage.readings)
        author = Author(storage.subscriptions, trends, zone=own_zone(settings))
        subscribing = Subscribing(storage.subscriptions, author)
        app = App(
            storage=storage,
            pseudonyms=Pseudonyms(key),
            analyzer=analyzer,
            ingest=Ingest(storage.inbox, analyzer, storage.ledger),
            answers=Answers(trends, storage.ledger, storage.inbox, storage.names, subscribing),
            author=author,
            zone=own_zone(settings),
        )
        if sample:
            await _fill_with_sample(app)
        yield app


@asynccontextmanager
async def _storage(url: str, key: Key, *, works: bool, alone: bool) -> AsyncIterator[Storage]:
    async with AsyncExitStack() as stack:
        try:
            storage = await stack.enter_async_context(open_storage(url, key, sole=works or alone))
        except AlreadyRunning:
            if alone:
                raise
            storage = await stack.enter_async_context(open_storage(url, key))
        yield storage


@asynccontextmanager
async def reading(settings: Settings, spending: Spending | None = None) -> AsyncIterator[Analyzer]:
    """Who reads, for many callers at once: the model that Roomtone ships, or those that the settings name, in order.

    What hosted calls use is kept in `spending`; left out, in the configured database. Raises ConfigurationError.
    """
    async with AsyncExitStack() as stack:
        readers = {name: await _reader(name, settings, spending, stack) for name in who_reads(settings)}
        reader: Analyzer
        if list(readers) == ["local"] and isinstance(readers["local"], Embedded):
            reader = readers["local"]
        else:
            from bot.analysis.fallback import Fallback

            reader = await stack.enter_async_context(Fallback(readers, deadline=settings.batch_deadline))
        yield await stack.enter_async_context(Batching(reader))


def who_reads(settings: Settings) -> Sequence[str]:
    """The readers in their order, without hosted where it is off. Raises ConfigurationError if nobody is left."""
    order = [name for name in settings.analyzers.split(",") if name != "hosted" or settings.hosted]
    if not order:
        raise ConfigurationError(
            "ROOMTONE_ANALYZERS=hosted, and hosted inference is off. Set ROOMTONE_HOSTED=true, or "
            "ROOMTONE_ANALYZERS=local."
        )
    return order


async def _reader(written: str, settings: Settings, spending: Spending | None, stack: AsyncExitStack) -> Analyzer:
    """The reader called `written`: local, embedded, hosted, or one or two checkpoints as SENTIMENT+NAMES."""
    match written:
        case "hosted":
            hosted, _ = await _hosted(settings, spending, stack)
            sentiment, names = settings.hosted_sentiment_model != BUNDLED, settings.hosted_ner_model != BUNDLED
            return await _completed(hosted, stack, sentiment=sentiment, names=names)
        case "local" if settings.sentiment_model or settings.ner_model:
            checkpoint = await _checkpoint(settings.sentiment_model, settings.ner_model, settings, stack)
            return await _completed(
                checkpoint, stack, sentiment=bool(settings.sentiment_model), names=bool(settings.ner_model)
            )
        case "local" | "embedded":
            return await stack.enter_async_context(Embedded())
        case _:
            return await _checkpoint(*_two(written), settings, stack)


async def _completed(reader: Analyzer, stack: AsyncExitStack, *, sentiment: bool, names: bool) -> Analyzer:
    """`reader`, which does the tasks that are true; the bundled model does the other."""
    if sentiment and names:
        return reader
    bundled = await stack.enter_async_context(Embedded())
    return Paired(reader, bundled) if sentiment else Paired(bundled, reader)


def _two(written: str) -> tuple[str, str]:
    sentiment, _, names = (written, "", "") if Path(written).is_dir() else written.partition("+")
    return sentiment, names


async def _checkpoint(sentiment: str, names: str, settings: Settings, stack: AsyncExitStack) -> Analyzer:
    from bot.analysis.checkpoint import Checkpoint, Device, Precision, Source
    from bot.analysis.labels import explained

    checkpoint = Checkpoint(
        Source.of(sentiment, explained(settings.sentiment_labels)) if sentiment else None,
        Source.of(names, explained(settings.ner_labels)) if names else None,
        device=Device(settings.device),
        precision=Precision(settings.precision),
    )
    return await stack.enter_async_context(checkpoint)


async def _hosted(settings: Settings, spending: Spending | None, stack: AsyncExitStack) -> tuple[Hosted, Budget]:
    # Here, since httpx takes its time to load and most never need it.
    from bot.analysis.hosted import ROUTER, Endpoint, Hosted
    from bot.analysis.labels import explained
    from bot.analysis.transport import Token

    if not settings.hosted:
        raise ConfigurationError("Hosted inference is off. ROOMTONE_HOSTED=true switches it on; read docs/models.md.")

    def endpoint(model: str, url: str, labels: str) -> Endpoint | None:
        if model == BUNDLED:
            return None
        meanings = explained(labels)
        return Endpoint(url, model, meanings) if url else Endpoint.at(model, base=settings.hosted_url, labels=meanings)

    sentiment = endpoint(
        settings.hosted_sentiment_model, settings.hosted_sentiment_url, settings.hosted_sentiment_labels
    )
    names = endpoint(settings.hosted_ner_model, settings.hosted_ner_url, settings.hosted_ner_labels)
    if sentiment is None and names is None:
        raise ConfigurationError(
            "ROOMTONE_HOSTED is on, and the bundled model does both tasks: name a hosted model for one of them, or "
            "switch hosted inference off."
        )
    written = _secret(settings.hosted_token)
    if written is None and any(one.url.startswith(ROUTER) for one in (sentiment, names) if one):
        raise ConfigurationError(
            "ROOMTONE_HOSTED is on, and ROOMTONE_HOSTED_TOKEN isn't set: put a token with the right to make inference "
            "calls there, or the address of your own server into ROOMTONE_HOSTED_URL."
        )
    token = None if written is None else Token(written)
    if spending is None:
        url = settings.database_url
        storage = await stack.enter_async_context(_storage(url, load_key(settings, url), works=False, alone=False))
        spending = storage.spending
    limits = Limits(
        day=Cap(settings.hosted_requests_per_day, settings.hosted_characters_per_day),
        month=Cap(settings.hosted_requests_per_month, settings.hosted_characters_per_month),
    )
    budget = Budget(spending, limits, fingerprint=token.fingerprint if token else "")
    hosted = Hosted(
        sentiment,
        names,
        budget,
        token=token,
        texts_per_request=settings.hosted_texts_per_request,
        region=settings.hosted_region.upper() or None,
        ca_file=settings.hosted_ca_file,
    )
    return await stack.enter_async_context(hosted), budget


@asynccontextmanager
async def _reading_with(settings: Settings, model: str | None) -> AsyncIterator[Analyzer]:
    """The named reader, as `roomtone evaluate` is told it; None is who reads anyway."""
    async with AsyncExitStack() as stack:
        if model is None:
            yield await stack.enter_async_context(reading(settings))
        else:
            yield await stack.enter_async_context(Batching(await _reader(model, settings, None, stack)))


def own_zone(settings: Settings) -> ZoneInfo:
    """The zone that times are read in where nobody's own is known."""
    return ZoneInfo(settings.time_zone or tzlocal.get_localzone_name() or "UTC")


def load_key(settings: Settings, url: str) -> Key:
    """The installation's secret, made on first use. Raises ConfigurationError if what is there isn't one."""
    if settings.key is not None:
        return _key(settings.key.get_secret_value(), "ROOMTONE_KEY")
    path = settings.key_file or key_path(url)
    try:
        return _key(path.read_text(encoding="ascii").strip(), str(path))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The key file {path} can't be read; check its owner and permissions.") from error
    secret = secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Created readable by its owner alone; O_EXCL, so that of two first starts one waits for the other's key.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load_key(settings, url)
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} can't be written ({error.strerror}); name another place in ROOMTONE_KEY_FILE, or one "
            "for the database and its key in ROOMTONE_DATABASE_URL."
        ) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")
    return Key(secret)


def _key(text: str, where: str) -> Key:
    try:
        return Key(bytes.fromhex(text))
    except ValueError:
        raise ConfigurationError(
            f"{where} doesn't hold a key: {2 * KEY_BYTES} hex digits are expected. Restore it from your copy."
        ) from None


def key_path(url: str) -> Path:
    """Where the key is kept unless a setting says otherwise: beside an SQLite file, else in the working directory."""
    file = url.partition(":///")[2] if url.startswith("sqlite") else url if "://" not in url else ""
    return Path(file).with_suffix(".key") if file else Path("roomtone.key")


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


def sample_database(url: str, today: datetime) -> str:
    """The sample workspace's own database, beside that of `url` and named by the week it is moved to."""
    year, week, _ = today.isocalendar()
    return f"sqlite:///{key_path(url).with_name(f'sample-{year}-W{week:02}.db')}"


async def _fill_with_sample(app: App) -> None:
    """Bring the sample workspace in, moved by whole weeks so that it ends last Sunday; what is there is left alone."""
    items = [item for item in open_export(SAMPLE, app.pseudonyms, workspace=SAMPLE_NAME)]
    lines = [item for item in items if isinstance(item, Line)]
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())
    by = timedelta(weeks=(monday - max(line.message.sent_at for line in lines).date()).days // 7)
    known = await app.storage.ledger.known([(line.message.id, line.message.revised_at + by) for line in lines])
    await app.ingest.drain()
    if all(known):
        return
    events = [item.event for item in items if isinstance(item, Aside)]
    events += [event for line in lines for event in (line.message, *line.others)]
    await app.ingest.accept(*(moved(event, by) for event in events))
    await app.ingest.drain()


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
    async with Charts() as charts, _together() as tasks:
        tasks.create_task(app.ingest.run())
        tasks.create_task(charts.warm())
        if (access := slack_access(settings)) is not None:
            tasks.create_task(_kept_up("slack", _slack(app, access, charts).run))
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
                author=app.author,
                pseudonyms=app.pseudonyms,
                zone=app.zone,
                draw=charts.png,
            )
            tasks.create_task(discord.run())


async def planned_posts(settings: Settings, *, database: str | None) -> Sequence[Mapping[str, Any]]:
    """What is posted next for every subscription, as `roomtone digest --dry-run --json` prints it."""
    async with opened(settings, database=database) as app:
        names = {place.channel: place.name for place in await app.places()}
        return [_planned_as_json(post, names) for post in await app.author.planned(datetime.now(UTC))]


def _planned_as_json(post: Planned, names: Mapping[Channel, str]) -> Mapping[str, Any]:
    channel, answer = post.due.channel, post.made.answer
    text, message = (None, None) if answer is None else _as_posted(channel.platform, answer)
    return {
        "platform": str(channel.platform),
        "workspace": channel.workspace,
        "channel": names.get(channel, channel.id),
        "id": channel.id,
        "sort": str(post.due.sort),
        "times": post.wanted.times.words(),
        "due": post.due.at.isoformat(),
        "is_due": post.is_due,
        "about": [names.get(each, each.id) for each in post.wanted.channels or (channel,)],
        "why": post.made.why,
        "text": text,
        "message": message,
        "answer": None if answer is None else answer_as_json(answer),
    }


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


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that end together; what one of them has to say to a person is raised by itself."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        said, _ = group.split(RoomtoneError)
        if said is None:
            raise
        first: BaseException = said
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


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


async def _kept_up(name: str, client: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a platform's client, again and again with a growing pause if it dies of what nobody foresaw."""
    pause = SHORTEST_RESTART
    while True:
        begun = time.monotonic()
        try:
            await client()
        except RoomtoneError:
            raise
        except Exception as error:
            # Its name only: a payload that a library can't parse may be in its text.
            _log.error("a platform's client died and is started again", platform=name, error=type(error).__name__)
        pause = SHORTEST_RESTART if time.monotonic() - begun > LONGEST_RESTART else min(LONGEST_RESTART, 2 * pause)
        await asyncio.sleep(pause)


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
        author=app.author,
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


def slack_manifest(url: str | None) -> str:
    """The manifest that makes the Slack app: for Socket Mode, or for HTTP at the public address `url`."""
    from adapters.slack.manifest import written

    return written(url)


def slack_scopes() -> str:
    """Every scope of the Slack app with its reason."""
    from adapters.slack.manifest import explained

    return explained()


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
        who=getpass.getuser(),
        may_talk=may_talk,
        zone=app.zone,
        console=console,
    )
    console.print(Text(SAMPLE_WELCOME if may_talk else "Roomtone, on what you have imported.", style="bold"))
    how = "Type to talk, /help to ask" if may_talk else "Ask with a slash, /help lists how"
    console.print(Text(f"You are in #{here.name}. {how}, Ctrl-D to leave.\n", style="dim"))
    await terminal.ask("digest")
    await terminal.run()


async def analyze(settings: Settings, text: str) -> Analysis:
    """One message's reading."""
    async with reading(settings) as analyzer:
        (analysis,) = await analyzer.analyze([text])
    return analysis


async def analyze_stream(
    settings: Settings, lines: BinaryIO, *, write: Callable[[Mapping[str, Any]], None], jsonl: bool
) -> int:
    """Read a message a line and write one object a line, in order; returns how many lines were no message.

    Whatever has arrived is read together, and a lone line at once: a pipe is quick, a person isn't kept waiting.
    """
    arrived: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4 * STREAM_BATCH)
    loop = asyncio.get_running_loop()

    def pump() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody wants more
            for line in lines:
                asyncio.run_coroutine_threadsafe(arrived.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(arrived.put(None), loop).result()

    bad = number = 0
    async with reading(settings) as analyzer:
        # No thread of the loop's own: its end would be waited for, and this one may wait for a line that never comes.
        threading.Thread(target=pump, name="lines", daemon=True).start()
        ended = False
        while not ended:
            batch = [await arrived.get()]
            while len(batch) < STREAM_BATCH and not arrived.empty():
                batch.append(arrived.get_nowait())
            ended = batch[-1] is None
            texts = [_text(line, jsonl) for line in batch if line is not None]
            analyses = iter(await analyzer.analyze([text for text in texts if text is not None]))
            for text in texts:
                number += 1
                if text is None:
                    bad += 1
                    write({"error": f'line {number} is not a JSON object with a "text"'})
                else:
                    write(analysis_as_json(text, next(analyses)))
    return bad


def _text(line: bytes, jsonl: bool) -> str | None:
    written = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
    if not jsonl:
        return written
    try:
        text = json.loads(written).get("text")
    except (ValueError, AttributeError, RecursionError):
        return None
    return text if isinstance(text, str) else None


def analysis_as_json(text: str, analysis: Analysis) -> dict[str, Any]:
    """An analysis as `roomtone analyze --json` prints it; a language that isn't read has no figures (null)."""
    read = analysis.sentiment
    return {
        "text": text,
        "sentiment": {
            "label": read and str(read.label),
            "score": read and round(read.score, 4),
            "negative": read and round(read.negative, 4),
            "neutral": read and round(read.neutral, 4),
            "positive": read and round(read.positive, 4),
        },
        "entities": [
            {
                "text": entity.text,
                "kind": str(entity.kind),
                "start": entity.start,
                "end": entity.end,
                "confidence": round(entity.confidence, 4),
            }
            for entity in analysis.entities
        ],
        "model": analysis.model,
        "language": analysis.language,
    }


async def evaluations(
    settings: Settings,
    files: Sequence[Path],
    *,
    model: str | None,
    against: str | None,
    behaviour: bool,
    lower_cased: bool,
    misses: int,
    progress: Callable[[int], None],
) -> Sequence[Evaluation | Behaviour | Comparison]:
    """How well `model` reads each labelled file, and the behavioural suite; or whether `against` reads better.

    A model is `embedded`, `hosted`, or a checkpoint; None is who reads anyway. Raises ImportFileError,
    ConfigurationError.
    """
    labelled = [read_lines(file) for file in files]
    for name in (model, against):
        _check_can_read(name, labelled)
    results: list[Evaluation | Behaviour | Comparison] = []
    if against is not None:
        async with _reading_with(settings, model) as first, _reading_with(settings, against) as second:
            for lines in labelled:
                results.append(
                    await compare(first, second, lines, lower_cased=lower_cased, misses=misses, progress=progress)
                )
        return results
    async with _reading_with(settings, model) as analyzer:
        for lines in labelled:
            results.append(await evaluate(analyzer, lines, lower_cased=lower_cased, misses=misses, progress=progress))
        if behaviour:
            results.append(await run_behaviour(analyzer, progress=progress))
    return results


def _check_can_read(model: str | None, labelled: Sequence[Labelled]) -> None:
    if model is None or model in {"local", "embedded", "hosted"} or _two(model)[1]:
        return
    if any(lines.entities for lines in labelled):
        raise ConfigurationError(
            f"{model} reads sentiment alone, and a file has names. Write a checkpoint for each, as SENTIMENT+NAMES."
        )


def render_result(result: Evaluation | Behaviour | Comparison, *, failures: int) -> RenderableType:
    """An evaluation for the terminal."""
    from bot.evaluation import report

    if isinstance(result, Comparison):
        return report.show_comparison(result)
    if isinstance(result, Behaviour):
        return report.show_behaviour(result, failures=failures)
    return report.show_evaluation(result)


def picture_of(result: Evaluation | Behaviour | Comparison) -> bytes:
    """An evaluation's confusion and reliability as PNG. Raises ConfigurationError for one that has none."""
    from bot.evaluation.picture import picture

    if not isinstance(result, Evaluation):
        raise ConfigurationError("Only the evaluation of one model on one labelled file has a picture.")
    return picture(result)


def render_analysis(text: str, analysis: Analysis) -> Text:
    """An analysis for the terminal: the text with its names marked, and what was read in it."""
    from adapters.console.render import analysed

    return analysed(text, analysis)


def channel_as_json(summary: ChannelSummary) -> dict[str, Any]:
    """A channel as `roomtone channels --json` prints it."""
    return {
        "platform": str(summary.channel.platform),
        "workspace": summary.channel.workspace,
        "channel": summary.name,
        "id": summary.channel.id,
        "messages": summary.messages,
        "people": summary.people,
        "first": summary.first and summary.first.isoformat(),
        "last": summary.last and summary.last.isoformat(),
    }


async def examine(settings: Settings, *, database: str | None) -> Sequence[doctor.Finding]:
    """Look at everything that can be wrong; never raises for what it finds."""
    url = database or settings.database_url
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    findings = [*doctor.installation(), *doctor.environment(os.environ, known)]
    findings += await _examine_readers(settings.model_copy(update={"database_url": url}))
    try:
        async with opened(settings, database=database) as app:
            channels = await app.storage.readings.channels()
            messages = sum(summary.messages for summary in channels)
            findings.append(
                doctor.Finding("database", True, f"{url}: {messages:,} messages read in {len(channels):,} channels.")
            )
            findings += doctor.inbox(await app.storage.inbox.count())
            findings += await _examine_discord(app, settings)
    except RoomtoneError as error:
        findings.append(doctor.Finding("database", False, str(error)))
    findings += await _examine_slack(settings)
    key = settings.key_file or key_path(url)
    if settings.key is None:
        findings += doctor.key_file(key)
    if key.parent.exists():
        findings.append(doctor.disk(key.parent))
    return findings


async def _examine_discord(app: App, settings: Settings) -> Sequence[doctor.Finding]:
    if settings.discord_token is None:
        return ()
    from adapters.discord.checks import examine, started

    return await examine(settings.discord_token.get_secret_value(), await started(app.storage.notes))


async def _examine_slack(settings: Settings) -> Sequence[doctor.Finding]:
    try:
        access = slack_access(settings)
    except ConfigurationError as error:
        return [doctor.Finding("slack", False, str(error))]
    if access is None:
        return []
    from adapters.slack.checks import examined

    return await examined(access)


async def _examine_readers(settings: Settings) -> Sequence[doctor.Finding]:
    try:
        order = who_reads(settings)
    except ConfigurationError as error:
        return [doctor.Finding("model", False, str(error))]
    # Each by itself, or the second would never be looked at while the first is well.
    findings = [await _examine_reader(name, settings.model_copy(update={"analyzers": name})) for name in order]
    if "hosted" in order:
        findings += await _examine_hosted(settings)
    return findings


async def _examine_reader(name: str, settings: Settings) -> doctor.Finding:
    subject = "model" if name == "local" else f"{name} model"
    begun = time.monotonic()
    try:
        analysis = await analyze(settings, "Thanks, the build works again!")
    except RoomtoneError as error:
        return doctor.Finding(subject, False, str(error))
    return doctor.Finding(subject, True, f"{analysis.model}, first answer after {time.monotonic() - begun:.2f} s.")


async def _examine_hosted(settings: Settings) -> Sequence[doctor.Finding]:
    try:
        async with AsyncExitStack() as stack:
            hosted, budget = await _hosted(settings, None, stack)
            try:
                facts, silent = await hosted.whoami(), ""
            except RoomtoneError as error:
                facts, silent = None, str(error)
            status = await budget.status(token_created=facts.created_at if facts else None)
            token = doctor.hosted_token(status, can_write=facts.can_write if facts else None, silent=silent)
            return [doctor.hosted_budget(status), *(token if settings.hosted_token else ())]
    except ConfigurationError:
        return []  # said by the reader itself
    except RoomtoneError as error:
        return [doctor.Finding("hosted budget", False, str(error))]
