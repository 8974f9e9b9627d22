"""The schema's version: which database this code may open, and how an older one is brought up to date."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import ConfigurationError, NewerSchema, OtherKey
from bot.privacy import Key
from storage.engine import Database
from storage.tables import installation

SCHEMA = 6
"""The newest revision in `storage/migrations/versions`, as a number."""

COMPAT = 6
"""The oldest SCHEMA whose code may still open what this code writes."""


_NOT_OURS = "this is not a Roomtone database, but another program's: set ROOMTONE_DATABASE_URL to another file"


async def prepared(database: Database, key: Key) -> None:
    """Make `database` ready for this code: created, upgraded, and known to be of this installation.

    Raises NewerSchema if a newer Roomtone wrote it, OtherKey if it belongs to another key, and ConfigurationError if it
    is another program's.
    """
    async with database.reading() as connection:
        schema, facts = await _state(connection)
    if int(facts.get("compat", COMPAT)) > SCHEMA:
        raise NewerSchema(
            f"this database was written by a newer Roomtone (schema {schema}; this one reads up to {SCHEMA}): "
            "install that version again, or restore a backup from before"
        )
    if schema < SCHEMA:
        async with database.writing() as connection:
            schema, _ = await _state(connection)  # another process may have been faster
            if schema < SCHEMA:
                await connection.run_sync(_upgraded)
                await _note(connection, "compat", str(COMPAT))
    if "fingerprint" not in facts:
        async with database.writing() as connection:
            put = insert(installation).values(name="fingerprint", value=key.fingerprint)
            await connection.execute(put.on_conflict_do_nothing(index_elements=["name"]))
            _, facts = await _state(connection)
    if facts["fingerprint"] != key.fingerprint:
        raise OtherKey(
            "this database was made with another key: set ROOMTONE_KEY or ROOMTONE_KEY_FILE to that one, "
            "or ROOMTONE_DATABASE_URL to a new database"
        )


async def _state(connection: AsyncConnection) -> tuple[int, dict[str, str]]:
    """The schema's number, 0 for an empty database, and what `installation` says.

    Raises ConfigurationError for a database in which another program keeps something.
    """
    tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if not tables:
        return 0, {}
    # Alembic's table is made in the transaction that makes ours, and may be another program's.
    if not {"alembic_version", installation.name} <= set(tables):
        raise ConfigurationError(_NOT_OURS)
    revision = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() or "0"
    if not revision.isdecimal():
        raise ConfigurationError(_NOT_OURS)
    facts = {row.name: row.value for row in await connection.execute(select(installation))}
    return int(revision), facts


async def _note(connection: AsyncConnection, name: str, value: str) -> None:
    put = insert(installation).values(name=name, value=value)
    await connection.execute(put.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def _upgraded(connection: Connection) -> None:
    # Alembic takes 0.3 s to import, and a start that upgrades nothing shouldn't pay for it.
    from alembic import command

    from storage.migrations import configuration

    command.upgrade(configuration(connection), "head")
