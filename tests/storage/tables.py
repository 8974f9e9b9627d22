"""Whole tables in natural names, so that two databases can be compared however their rows are numbered."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from storage.rollups import ENTRY, SUMS, Span

Rows = list[tuple[Any, ...]]


def tables(database: Path) -> dict[str, Rows]:
    """Every table that says something, sorted; without the numbers that stand for names."""
    with closing(sqlite3.connect(database)) as connection:
        return {name: sorted(connection.execute(query).fetchall(), key=repr) for name, query in _QUERIES.items()} | {
            "rollups": _rollups(connection)
        }


def empty(database: Path) -> None:
    """Make every table as it was after the first start."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            if name not in {"installation", "alembic_version"} and not name.startswith("sqlite_"):
                connection.execute(f"DELETE FROM {name}")


def recomputed(found: dict[str, Rows]) -> tuple[Rows, Rows]:
    """The roll-ups and spellings that follow from the readings and mentions, computed the slow and plain way."""
    sums: Counter[tuple[Any, ...]] = Counter()
    spellings: Counter[tuple[Any, ...]] = Counter()
    named: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for channel, key, surface, entity, kind, times in found["mentions"]:
        named.setdefault((channel, key), []).append((surface, entity, kind, times))
    for row in found["readings"]:
        channel, key, deleted, home, author, sent, _, _, bot, model, language, label, negative, _, positive = row
        if deleted:
            continue
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=sent)
        if label is None:
            reason = "bot" if bot else f"language {language or 'und'}"
            for span in Span:
                _add(sums, (home, span.name, bucket_end(span, at), "unread", author, reason), "neutral", 1)
            continue
        score = positive - negative
        times_named: Counter[str] = Counter()
        for surface, entity, kind, times in named.get((channel, key), []):
            times_named[entity] += times
            spellings[home, surface, kind] += times
        for about, times, spans in (
            ("everything", 0, tuple(Span)),
            *((f"entity {entity}", times, (Span.DAY, Span.MONTH)) for entity, times in times_named.items()),
        ):
            for span in spans:
                name = (home, span.name, bucket_end(span, at), about, author, model)
                _add(sums, name, {-1: "negative", 0: "neutral", 1: "positive"}[label], 1)
                _add(sums, name, "mentions", times)
                _add(sums, name, "score", score)
                _add(sums, name, "squares", score * score)
    names = sorted({name[:-1] for name in sums}, key=repr)
    rollups = [(*name, *(sums[*name, column] for column in SUMS)) for name in names]
    return sorted(rollups, key=repr), sorted(((*name, times) for name, times in spellings.items()), key=repr)


def bucket_end(span: Span, at: datetime) -> datetime:
    """The end of the bucket that holds `at`. Not in the last days of the year 9999, which have none."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match span:
        case Span.QUARTER_HOUR:
            return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0) + timedelta(minutes=15)
        case Span.HOUR:
            return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        case Span.SIX_HOURS:
            return day + timedelta(hours=at.hour // 6 * 6 + 6)
        case Span.DAY:
            return day + timedelta(days=1)
        case Span.WEEK:
            return day + timedelta(days=7 - day.weekday())
        case Span.MONTH:
            return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _add(sums: Counter[tuple[Any, ...]], name: tuple[Any, ...], column: str, amount: int) -> None:
    sums[*name, column] += amount


def _rollups(connection: sqlite3.Connection) -> Rows:
    homes = dict(connection.execute(f"SELECT id, {_SPELLED.format('channels')} FROM channels"))
    people = dict(connection.execute("SELECT id, pseudonym FROM authors"))
    models = dict(connection.execute("SELECT id, name FROM models"))
    reasons = dict(connection.execute("SELECT id, name FROM reasons"))
    about = {id_: f"entity {key}" for id_, key in connection.execute("SELECT id, key FROM entities")}
    about |= {0: "everything", -1: "unread"}
    rows = []
    for home, span, end, subject, tallies in connection.execute(
        'SELECT home_id, span, "end", about, tallies FROM rollups'
    ):
        assert tallies, "an empty bucket is not stored"
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=15) * end
        for entry in np.frombuffer(tallies, ENTRY):
            model = reasons[int(entry["model"])] if subject == -1 else models[int(entry["model"])]
            names = (homes[home], Span(span).name, at, about[subject], people[int(entry["author"])], model)
            rows.append((*names, *(int(entry[column]) for column in SUMS)))
    return sorted(rows, key=repr)


_SPELLED = "{0}.platform || '/' || {0}.workspace || '/' || {0}.key"
_QUERIES = {
    "channels": f"""
        SELECT {_SPELLED.format("channels")}, channels.name, channels.private, {_SPELLED.format("parents")},
               channels.seen_at, channels.gone, channels.gone_at, channels.deleted_at,
               channels.moved_at
        FROM channels LEFT JOIN channels AS parents ON channels.parent_id = parents.id
        WHERE channels.seen_at IS NOT NULL OR channels.gone_at IS NOT NULL OR channels.moved_at IS NOT NULL""",
    "former": f"""
        SELECT {_SPELLED.format("former")}, {_SPELLED.format("channels")}
        FROM former JOIN channels ON former.channel_id = channels.id""",
    "authors": "SELECT pseudonym, opted_out, counted_from FROM authors WHERE opted_out OR counted_from IS NOT NULL",
    "readings": f"""
        SELECT {_SPELLED.format("channels")}, readings.key, readings.deleted, {_SPELLED.format("homes")}, pseudonym,
               sent_at, revised_at, {_SPELLED.format("roots")} || '/' || threads.key, from_bot, models.name, language,
               label, negative, neutral, positive
        FROM readings
        JOIN channels ON readings.channel_id = channels.id
        LEFT JOIN channels AS homes ON readings.home_id = homes.id
        LEFT JOIN authors ON readings.author_id = authors.id
        LEFT JOIN models ON readings.model_id = models.id
        LEFT JOIN threads ON readings.thread_id = threads.id
        LEFT JOIN channels AS roots ON threads.channel_id = roots.id""",
    "mentions": f"""
        SELECT {_SPELLED.format("channels")}, readings.key, surfaces.text, entities.key, mentions.kind, mentions.times
        FROM mentions
        JOIN readings ON mentions.reading_id = readings.id
        JOIN channels ON readings.channel_id = channels.id
        JOIN surfaces ON mentions.surface_id = surfaces.id
        JOIN entities ON surfaces.entity_id = entities.id""",
    "spellings": f"""
        SELECT {_SPELLED.format("channels")}, surfaces.text, spellings.kind, spellings.times
        FROM spellings
        JOIN channels ON spellings.home_id = channels.id
        JOIN surfaces ON spellings.surface_id = surfaces.id""",
    "reactions": f"""
        SELECT {_SPELLED.format("channels")}, reactions.key, pseudonym, emoji, at, added
        FROM reactions
        JOIN channels ON reactions.channel_id = channels.id
        JOIN authors ON reactions.author_id = authors.id""",
    "clearings": f"""
        SELECT {_SPELLED.format("channels")}, clearings.key, emoji, at
        FROM clearings JOIN channels ON clearings.channel_id = channels.id""",
    "aliases": "SELECT * FROM aliases",
    "cursors": "SELECT * FROM cursors",
    "notes": "SELECT * FROM notes",
    "subscriptions": "SELECT * FROM subscriptions",
    "posts": "SELECT * FROM posts",
    "inbox": "SELECT hex(identity), author, attempts, reason FROM inbox",
}
