"""Names: the team's own table of what things are called, and the numbers that stand for names in other tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Table, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from bot.entities import canonical
from bot.errors import ConfigurationError
from bot.store import Alias
from storage.engine import Database, given
from storage.tables import aliases

_LONGEST = 200  # characters; nothing longer is a name


def storable(name: str) -> str:
    """`name` as the database can hold it: NUL and lone surrogates become U+FFFD, and it ends after 200 characters."""
    name = name[:_LONGEST]
    if name.isascii() and "\0" not in name:
        return name
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


class StoredNames:
    """The aliases in the database. See `bot.store.Names`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def aliases(self) -> Sequence[Alias]:
        """Every alias, by canonical form."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(aliases).order_by(aliases.c.key))).all()
        return tuple(Alias(written=row.written, meant=row.meant) for row in rows)

    async def alias(self, written: str, meant: str | None, /) -> None:
        """Let `written` mean `meant`; None hides it. Raises ConfigurationError for a circle, or no name."""
        if any(len(name) > _LONGEST for name in (written, meant or "")):
            raise ConfigurationError(f"A name has at most {_LONGEST} characters: write a shorter one.")
        key, meant_key = canonical(storable(written)), None if meant is None else canonical(storable(meant))
        if not key or meant_key == "":
            raise ConfigurationError("An alias needs a name with letters or digits on both sides")
        async with self._database.writing() as connection:
            table = {
                row.key: row.meant_key for row in await connection.execute(select(aliases.c.key, aliases.c.meant_key))
            }
            table.pop(key, None)  # what it means so far goes
            if meant_key is not None and _leads_to(table, meant_key) == key:
                raise ConfigurationError(
                    f"{written!r} can't mean {meant!r}, because {meant!r} means {written!r} already; "
                    "`roomtone names remove` takes an alias back."
                    if meant_key != key
                    else f"{written!r} and {meant!r} are one name already."
                )
            row = {
                "written": storable(written),
                "meant_key": meant_key,
                "meant": None if meant is None else storable(meant),
            }
            put = insert(aliases).values(key=key, **row)
            await connection.execute(put.on_conflict_do_update(index_elements=["key"], set_=row))

    async def unalias(self, written: str, /) -> bool:
        """Forget an alias; False if there was none."""
        gone = delete(aliases).where(aliases.c.key == canonical(storable(written)))
        async with self._database.writing() as connection:
            return (await connection.execute(gone)).rowcount > 0


async def meanings(connection: AsyncConnection) -> Mapping[str, str | None]:
    """Every canonical form that has an alias → the one it finally means, or None if that is hidden."""
    table = {row.key: row.meant_key for row in await connection.execute(select(aliases.c.key, aliases.c.meant_key))}
    return {key: _leads_to(table, key) for key in table}


def _leads_to(table: Mapping[str, str | None], key: str) -> str | None:
    end: str | None = key
    seen = set()
    while end is not None and end in table and end not in seen:  # no circle is let in, but one may be there
        seen.add(end)
        end = table[end]
    return end


async def numbered(
    connection: AsyncConnection,
    table: Table,
    column: str,
    names: Iterable[str],
    **others: dict[str, int],
) -> dict[str, int]:
    """The id in `table` of each of `names`, which are added where they are new, with what `others` say of them."""
    wanted = list(dict.fromkeys(names))
    found = await _found(connection, table, column, wanted)
    missing = [name for name in wanted if name not in found]
    if missing:
        rows = [{column: name, **{other: of[name] for other, of in others.items()}} for name in missing]
        await connection.execute(insert(table).on_conflict_do_nothing(index_elements=[column]), rows)
        found |= await _found(connection, table, column, missing)
    return found


async def _found(connection: AsyncConnection, table: Table, column: str, names: Sequence[str]) -> dict[str, int]:
    if not names:
        return {}
    rows, (name,) = given("names", Text)
    named: ColumnElement[str] = table.c[column]
    statement = select(named, table.c.id).select_from(rows.join(table, named == name))
    found = await connection.execute(statement, {"names": [[name] for name in names]})
    return {row[0]: row[1] for row in found}
