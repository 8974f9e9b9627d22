"""The command line: verbs and their help; calls `app`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version as installed_version
from io import FileIO
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from bot.analysis import Kind
from bot.errors import ConfigurationError, QuestionError, RoomtoneError
from bot.settings import Settings

T = TypeVar("T")

cli = typer.Typer(
    name="roomtone",
    help="An honest, private reading of your team's own conversation.\n\n"
    "Start with `roomtone run`: without tokens it opens a terminal on a sample workspace. "
    '`roomtone import PATH` brings your own export in; `roomtone ask "mood #general last week"` asks about it.',
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # locals hold messages and tokens
    context_settings={"help_option_names": ["-h", "--help"]},
)
names = typer.Typer(
    help="What things are called: let several spellings mean one, or hide a name.", no_args_is_help=True
)
cli.add_typer(names, name="names")
discord = typer.Typer(help="Set Discord up.", no_args_is_help=True)
cli.add_typer(discord, name="discord")
slack = typer.Typer(help="Set Slack up.", no_args_is_help=True)
cli.add_typer(slack, name="slack")

Database = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="Use this database instead of ROOMTONE_DATABASE_URL."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
Sample = Annotated[bool, typer.Option("--sample", help="Use the sample workspace that Roomtone ships.")]
Zone = Annotated[
    str | None, typer.Option("--zone", metavar="ZONE", help="Read times in this zone, such as Europe/Berlin.")
]

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)  # a sentence is one line for whoever searches it


def main() -> None:
    """Run the command line; a RoomtoneError becomes one clear sentence and exit code 1."""
    try:
        cli()
    except RoomtoneError as error:
        fail(error)
    except BrokenPipeError:
        os._exit(0)  # `roomtone … | head` has seen enough


def fail(error: RoomtoneError) -> NoReturn:
    """Say what went wrong and what to do next, and leave with exit code 1."""
    suggestions = error.suggestions if isinstance(error, QuestionError) else ()
    if "--json" in sys.argv:
        print_json({"error": str(error), "suggestions": list(suggestions)})
    err.print(Text(f"roomtone: {error}", style="red"))
    for suggestion in suggestions:
        err.print(Text(f"  {suggestion}"))
    raise SystemExit(1) from None


def print_json(data: Any) -> None:
    """One line of JSON on standard output, flushed. Ends the program where nobody reads on (`… | head`)."""
    try:
        sys.stdout.write(as_json(data) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(0)  # nothing is waited for: a thread may still wait for input


def as_json(data: Any) -> str:
    """Readable JSON, escaped only where a lone surrogate couldn't be written as UTF-8."""
    text = json.dumps(data, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(data)
    return text


def perform(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """Read the settings and run `work` in an event loop of its own."""
    from bot import logs

    settings = Settings.read()
    logs.configure(level=settings.log_level, as_json=settings.log_json)
    try:
        return asyncio.run(work(settings))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _apart(one: str, given: object, others: Mapping[str, object]) -> None:
    """Refuse options that would be ignored beside `one`, if it is `given`."""
    for other, value in others.items():
        if given and value:
            raise typer.BadParameter(f"{one} and {other} don't go together: leave one of them out.")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"roomtone {installed_version('roomtone')}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@cli.command()
def run(database: Database = None, sample: Sample = False) -> None:
    """Start Roomtone; without tokens, as a terminal on your imports or on the sample workspace."""
    from bot import app

    perform(lambda settings: app.run(settings, database=database, sample=sample, console=out))


@discord.command()
def invite(
    voice: Annotated[bool, typer.Option("--voice", help="Also for the chat of voice channels.")] = False,
) -> None:
    """Print the link that invites the bot, with the least permissions."""
    from bot import app

    typer.echo(perform(lambda settings: app.discord_invitation(settings, voice=voice)))


@slack.command(name="manifest")
def slack_manifest(
    http: Annotated[
        str | None, typer.Option("--http", metavar="URL", help="For HTTP instead: the public address, https://…")
    ] = None,
    scopes: Annotated[bool, typer.Option("--scopes", help="List the scopes instead, each with its reason.")] = False,
) -> None:
    """Print the manifest that makes the Slack app: paste it at https://api.slack.com/apps?new_app=1."""
    from bot import app

    _apart("--scopes", scopes, {"--http": http})
    typer.echo(app.slack_setup(http, scopes=scopes))


@cli.command(name="import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="Slack exports (.zip or folder), DiscordChatExporter JSON, JSONL.")
    ],
    database: Database = None,
    workspace: Annotated[str | None, typer.Option(help="The workspace's id, where the export doesn't name it.")] = None,
    channel: Annotated[str | None, typer.Option(help="Take only this channel.")] = None,
    json_: AsJson = False,
) -> None:
    """Bring a chat export in. Stopped half-way, run it again: it goes on, and counts nothing twice."""
    from bot import app

    _check_there(paths)
    with _bytes_bar("Importing") as progress:

        async def work(settings: Settings) -> app.Report:
            async with app.opened(settings, database=database, works=True) as opened:
                return await app.import_paths(opened, paths, workspace=workspace, channel=channel, progress=progress)

        report = perform(work)
    if json_:
        print_json(report.as_json())
    else:
        out.print(report.in_words())
    if report.failed:
        raise SystemExit(1)


def _check_there(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise ConfigurationError(f"There is no file {path}.")


@contextmanager
def _bytes_bar(title: str) -> Iterator[Callable[[int, int, int], None]]:
    """A bar for whoever looks on; what it gives is told (bytes read, bytes in all, messages)."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), console=err, disable=not err.is_terminal, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(title, total=None, rate="")

        def progress(done: int, total: int, messages: int) -> None:
            bar.update(task, completed=done, total=total)
            elapsed = bar.tasks[0].elapsed or 1
            bar.update(task, rate=f"{messages:,} messages, {messages / elapsed:,.0f}/s")

        yield progress


@cli.command()
def reanalyze(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Exports, as for import, that hold the texts; none: only what waits.")
    ] = None,
    database: Database = None,
    workspace: Annotated[str | None, typer.Option(help="The workspace's id, where the export doesn't name it.")] = None,
    channel: Annotated[str | None, typer.Option(help="Take only this channel.")] = None,
    json_: AsJson = False,
) -> None:
    """Read again with the model that is set now, after you changed it; says what it can't.

    A text is erased once it is read. So what can be read again is what still waits or was set aside, and every
    recorded message whose text you give again as an export: its old reading leaves every number, the new one takes
    its place. An edit or a deletion that came later stands. Without PATHs it says how much another model read.
    Stopped half-way, run it again: it goes on.
    """
    from bot import app

    if not paths and (workspace or channel):
        raise typer.BadParameter("--workspace and --channel are about exports: name their PATHs.")
    _check_there(paths or ())
    with _bytes_bar("Reading again") as progress:

        async def work(settings: Settings) -> app.Reread:
            async with app.opened(settings, database=database, works=True, existing=True) as opened:
                return await app.reread_paths(
                    opened, paths or (), workspace=workspace, channel=channel, progress=progress
                )

        report = perform(work)
    if json_:
        print_json(report.as_json())
    else:
        out.print(Text(report.in_words()))
    if report.failed:
        raise SystemExit(1)


@cli.command()
def ask(
    question: Annotated[list[str], typer.Argument(help='Such as "mood #general last month".')],
    database: Database = None,
    sample: Sample = False,
    zone: Zone = None,
    chart: Annotated[Path | None, typer.Option(help="Write the answer's chart to this PNG file.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Draw the chart for a dark background.")] = False,
    json_: AsJson = False,
) -> None:
    """Ask a question, in the same words as in Slack and Discord; `roomtone ask help` lists them."""
    _answer(" ".join(question), database, sample, zone, chart, dark, json_)


@cli.command()
def digest(
    channel: Annotated[str | None, typer.Option(help="The channel; all of them if left out.")] = None,
    week: Annotated[str | None, typer.Option(help="Such as 2026-W10; the last whole week if left out.")] = None,
    database: Database = None,
    sample: Sample = False,
    zone: Zone = None,
    chart: Annotated[Path | None, typer.Option(help="Write the digest's chart to this PNG file.")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Draw the chart for a dark background.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is posted next, where and when; posts nothing.")
    ] = False,
    json_: AsJson = False,
) -> None:
    """The weekly digest of a channel: how it felt, what moved it, what was talked about."""
    unused = {"--week": week, "--sample": sample, "--zone": zone, "--chart": chart, "--dark": dark}
    _apart("--dry-run", dry_run, unused)
    if dry_run:
        _dry_run(channel, database, json_)
        return
    where = f"#{channel.removeprefix('#')}" if channel else "everywhere"
    _answer(f"digest {where} {week or 'last week'}", database, sample, zone, chart, dark, json_)


def _dry_run(channel: str | None, database: str | None, json_: bool) -> None:
    from bot import app

    wanted = channel and channel.removeprefix("#")
    found = [
        post
        for post in perform(lambda settings: app.planned_posts(settings, database=database))
        if wanted in (None, post["channel"], post["id"])
    ]
    for post in found:
        if json_:
            print_json(post)
            continue
        here = f"#{post['channel']} ({post['platform']}, {post['workspace']})"
        when = "due since" if post["is_due"] else "next on"
        out.print(Text(f"{post['sort']} in {here}, {post['times']}: {when} {post['due'][:16]} UTC", style="bold cyan"))
        out.print(Text(post["text"] or f"Nothing is posted: {(post['why'] or '').rstrip('.')}."))
        out.print()
    if not found and not json_:
        out.print("No channel wants a digest. In a channel: 'digest on monday 09:00 Europe/Berlin'.")


def _answer(
    text: str, database: str | None, sample: bool, zone: str | None, chart: Path | None, dark: bool, json_: bool
) -> None:
    from bot import app
    from bot.answer import Answer, answer_as_json

    if dark and chart is None:
        raise typer.BadParameter("--dark is about a picture: add --chart FILE.")

    async def work(settings: Settings) -> Answer:
        async with app.opened(settings, database=database, sample=sample, existing=True) as opened:
            return await opened.ask(text, zone=_zone(zone))

    answer = perform(work)
    if json_:
        print_json(answer_as_json(answer))
    else:
        out.print(app.render(answer, width=out.width))
    if chart is not None:
        if answer.chart is None:
            err.print(Text("This answer has no chart.", style="yellow"))
        else:
            from bot.chart import draw

            _write(chart, draw(answer.chart, dark=dark))


def _write(path: Path, picture: bytes) -> None:
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error.strerror}.") from None


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(f"{name!r} is not a time zone; names look like Europe/Berlin.") from None


@cli.command()
def analyze(
    text: Annotated[str | None, typer.Argument(help="A message; - reads messages from standard input.")] = None,
    json_: AsJson = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help='Read a JSON object with "text" a line, so that messages can hold newlines.')
    ] = False,
) -> None:
    """Read messages: their sentiment and the names in them. Nothing is kept.

    `roomtone analyze --json -` reads one message a line and writes one JSON object a line, in order.
    """
    from bot import app
    from bot.analysis import Analysis
    from bot.shapes import analysis_as_json
    from bot.stream import analyze_stream

    if text is None and not jsonl:
        raise typer.BadParameter("Give a message, or - to read messages from standard input.")
    if jsonl and text not in (None, "-"):
        raise typer.BadParameter("--jsonl reads standard input: leave the message out, or write - for it.")
    if text is not None and text != "-":

        async def one(settings: Settings) -> Analysis:
            async with app.reading(settings) as analyzer:
                return (await analyzer.analyze([text]))[0]

        analysis = perform(one)
        if json_:
            print_json(analysis_as_json(text, analysis))
        else:
            out.print(app.analysed(text, analysis))
        return

    async def work(settings: Settings) -> int:
        given = FileIO(sys.stdin.fileno(), closefd=False)
        async with app.reading(settings) as analyzer:
            return await analyze_stream(analyzer, given, write=print_json, jsonl=jsonl)

    if perform(work):
        raise SystemExit(1)


@cli.command()
def evaluate(
    files: Annotated[
        list[Path] | None, typer.Argument(help='Labelled JSONL: {"text", "label"} or {"tokens", "tags"} a line.')
    ] = None,
    behaviour: Annotated[
        bool, typer.Option("--behaviour", help="Run the suite of behavioural cases that Roomtone ships.")
    ] = False,
    lower_cased: Annotated[bool, typer.Option("--lower-cased", help="Take the capitals off first.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Measure this one: embedded, hosted, or a checkpoint (hub id or folder; SENTIMENT+NAMES for both).",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Compare with this one, line by line: is it better?")
    ] = None,
    kinds: Annotated[
        list[Kind] | None,
        typer.Option(
            "--kind",
            help="A kind of names that the files' annotators marked; say it once for each. "
            "[default: those that occur in a file]",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write confusion and reliability to this PNG file (one labelled file).")
    ] = None,
    show_errors: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show N misread lines. They are your messages: mind who looks on.")
    ] = 0,
    json_: AsJson = False,
) -> None:
    """Measure how well messages are read: on your own labelled lines, or on the behavioural suite.

    `roomtone evaluate FILE --model embedded --against cardiffnlp/twitter-roberta-base-sentiment-latest` compares two.
    """
    from bot import app
    from bot.evaluation import Evaluation, report
    from bot.evaluation.picture import picture as draw
    from bot.evaluation.runs import evaluations

    if not files and not behaviour:
        raise typer.BadParameter("Name a labelled JSONL file, or --behaviour.")
    if picture is not None and len(files or ()) != 1:
        raise typer.BadParameter("--picture draws one labelled file.")
    if picture is not None and picture.is_dir():
        raise typer.BadParameter(f"--picture can't be written: {picture} is a folder.")
    if picture is not None and not picture.absolute().parent.is_dir():
        raise typer.BadParameter(f"--picture can't be written: {picture.parent} isn't a folder.")
    if kinds and not files:
        raise typer.BadParameter("--kind is about labelled files: name one.")
    if against is not None and (behaviour or picture is not None or not files):
        raise typer.BadParameter("--against compares on labelled files, without --behaviour and --picture.")
    _apart("--behaviour", behaviour, {"--lower-cased": lower_cased})
    with Progress(TextColumn("Reading"), BarColumn(), TextColumn("{task.completed:,}"), console=err,
                  disable=not err.is_terminal, transient=True) as bar:  # fmt: skip
        task = bar.add_task("", total=None)
        for result in perform(
            lambda settings: evaluations(
                partial(app.reading_with, settings),
                files or (),
                model=model,
                against=against,
                behaviour=behaviour,
                lower_cased=lower_cased,
                kinds=frozenset(kinds) if kinds else None,
                misses=show_errors,
                progress=lambda lines: bar.advance(task, lines),
            )
        ):
            if json_:
                print_json(result.as_json())
            else:
                out.print(report.show(result, failures=show_errors))
            if picture is not None and isinstance(result, Evaluation):
                _write(picture, draw(result))


@cli.command()
def channels(database: Database = None, sample: Sample = False, json_: AsJson = False) -> None:
    """List the channels and how much of each was read."""
    from bot import app
    from bot.shapes import channel_as_json

    async def work(settings: Settings) -> list[dict[str, Any]]:
        async with app.opened(settings, database=database, sample=sample, existing=True) as opened:
            return [channel_as_json(summary) for summary in await opened.storage.readings.channels()]

    found = perform(work)
    if json_:
        for channel in found:
            print_json(channel)
        return
    if not found:
        out.print("No channels yet. `roomtone import PATH` brings a chat export in; `--sample` shows a made-up one.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("channel", "workspace", "platform", "messages", "people", "first", "last"):
        table.add_column(title, justify="right" if title in {"messages", "people"} else "left")
    for channel in found:
        table.add_row(
            Text(f"#{channel['channel']}"),
            Text(channel["workspace"]),
            channel["platform"],
            f"{channel['messages']:,}",
            f"{channel['people']:,}",
            (channel["first"] or "")[:10],
            (channel["last"] or "")[:10],
        )
    out.print(table)


@cli.command()
def doctor(
    database: Database = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Let messages that could not be read, and were set aside, be read again.")
    ] = False,
    json_: AsJson = False,
) -> None:
    """Check the installation, and say the mend for everything that is wrong."""
    from bot import app

    findings = perform(lambda settings: app.examine(settings, database=database, retry=retry))
    if json_:
        print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            mark, style = ("✓", "green") if finding.ok else ("✗", "red")
            out.print(Text(f"{mark} ", style=style), Text(f"{finding.subject}: {finding.says}"), sep="")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


@names.command("list")
def names_list(database: Database = None, json_: AsJson = False) -> None:
    """Show every alias and every hidden name."""
    from bot import app

    async def work(settings: Settings) -> list[dict[str, str | None]]:
        async with app.opened(settings, database=database, existing=True) as opened:
            return [{"written": a.written, "meant": a.meant} for a in await opened.storage.names.aliases()]

    found = perform(work)
    if json_:
        print_json(found)
        return
    for alias in found:
        out.print(Text(f"{alias['written']} → {alias['meant'] or '(hidden)'}"))
    if not found:
        out.print("No aliases yet. `roomtone names alias k8s Kubernetes` makes one.")


@names.command("alias")
def names_alias(written: str, meant: str, database: Database = None) -> None:
    """Let WRITTEN mean MEANT, in the past too."""
    _with_names(database, lambda kept: kept.alias(written, meant))
    out.print(Text(f"{written} now means {meant}."))


@names.command("hide")
def names_hide(written: str, database: Database = None) -> None:
    """Keep WRITTEN out of every list."""
    _with_names(database, lambda kept: kept.alias(written, None))
    out.print(Text(f"{written} is hidden."))


@names.command("remove")
def names_remove(written: str, database: Database = None) -> None:
    """Take an alias, or the hiding of a name, back."""
    if not _with_names(database, lambda kept: kept.unalias(written)):
        raise ConfigurationError(f"There is no alias for {written!r}; `roomtone names list` shows them.")
    out.print(Text(f"{written} stands for itself again."))


def _with_names(database: str | None, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    from bot import app

    async def inside(settings: Settings) -> T:
        async with app.opened(settings, database=database, existing=True) as opened:
            return await work(opened.storage.names)

    return perform(inside)
