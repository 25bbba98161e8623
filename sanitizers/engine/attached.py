"""Databases attached to DuckDB, read only: each wanted table is held once, all of one database in one transaction.

What a scanner would change is refused by name. SQLite lets any cell hold anything, whatever its column declares, and
the scanner would cut, round or reinterpret some of it: SQLite itself is asked first which columns hold what they say.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from sanitizers.engine.interrupts import interruptible
from sanitizers.engine.tables import Database, Make, Wanted
from sanitizers.errors import ConfigurationError, EngineFailure, Fault, Faults, SourceFailure

T = TypeVar("T")
_TITLES: Mapping[Make, str] = {"sqlite": "SQLite", "duckdb": "DuckDB", "postgres": "PostgreSQL"}
_SCHEMAS: Mapping[Make, str] = {"sqlite": "main", "duckdb": "main", "postgres": "public"}
_KEPT = {
    "boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "float",
    "double", "decimal", "varchar", "blob", "date", "time", "timestamp", "timestamp_ns", "timestamp with time zone",
    "enum", "uuid",
}  # fmt: skip
_AT = "attached"
# What SQLite must say of every cell of a column that the scanner reads as this type.
_EXACT = 1 << 53  # whole numbers up to here are floats
_FITS = {
    "BIGINT": "typeof({0}) = 'integer'",
    "DOUBLE": f"typeof({{0}}) = 'real' OR typeof({{0}}) = 'integer' AND {{0}} BETWEEN {-_EXACT} AND {_EXACT}",
    "VARCHAR": "typeof({0}) = 'text'",
    "BLOB": "typeof({0}) = 'blob'",
    "DATE": "typeof({0}) = 'text' AND date({0}, '+0 days') = {0}",
    "TIMESTAMP": "typeof({0}) = 'text' AND datetime({0}, '+0 days') = substr({0}, 1, 19) AND (length({0}) = 19 OR "
    "length({0}) BETWEEN 21 AND 26 AND substr({0}, 20, 1) = '.' AND NOT substr({0}, 21) GLOB '*[^0-9]*')",
}
_TOLD = {
    "BIGINT": "whole numbers",
    "DOUBLE": "numbers that a float holds exactly",
    "VARCHAR": "texts",
    "BLOB": "bytes",
    "DATE": "dates as YYYY-MM-DD",
    "TIMESTAMP": "times as YYYY-MM-DD HH:MM:SS, with at most six digits of a second's parts",
}


def extension(called: str, *, missing: str, remedy: str) -> Path:
    """Path of an extension of DuckDB, from its wheel: nothing is downloaded.

    Raises
    ------
    EngineFailure
        It is not installed: says `missing`, and the `remedy`.
    """
    found = find_spec(f"duckdb_extension_{called}")
    folder = Path(found.origin).parent if found and found.origin else Path()
    path = folder / "extensions" / f"v{duckdb.__version__}" / f"{called}.duckdb_extension"
    if not path.is_file():
        raise EngineFailure(Fault(missing, remedy))
    return path


def hold(
    connection: duckdb.DuckDBPyConnection, database: Database, wanted: Sequence[Wanted], *,
    names: Sequence[str], empty: bool = False,
) -> None:  # fmt: skip
    """Hold tables of one database, as they are at one moment.

    Parameters
    ----------
    wanted, names
        The tables, and what they are called once they are held.
    empty
        Whether to hold their columns only.

    Raises
    ------
    ConfigurationError
        No such table, or a column of a type that cannot be kept; all together.
    SourceFailure
        The database cannot be read, is in use, goes away, or changes while it is read.
    EngineFailure
        The extension that reads it is not installed.
    """
    before = _stamp(database)
    with _attached(connection, database), _transaction(connection, database):
        faults = Faults()
        columns = {own: _columns(connection, own, faults) for own in wanted}
        faults.stop(ConfigurationError)
        for own, name in zip(wanted, names, strict=True):
            if database.make == "sqlite" and not empty:
                faults.extend(_misfits(connection, own, columns[own]))
            if not faults:
                _copy(connection, own, columns[own], name=name, empty=empty)
                faults.extend(() if empty else _no_texts(connection, own, columns[own], name=name))
        faults.stop(SourceFailure)
    if _stamp(database) != before:
        problem = "changed while it was being read; nothing was published"
        raise SourceFailure(Fault(problem, "strip again when nobody writes to it", where=database.place))


def _stamp(database: Database) -> tuple[int, ...]:
    """What tells whether a database's file is the one it was."""
    problem = ""
    try:
        if database.path is None:
            return ()
        stat = database.path.stat()
        if not database.path.is_file() or not stat.st_size:
            problem = "is no file, or an empty one"
        elif not os.access(database.path, os.R_OK):
            problem = "may not be read"
        else:
            return stat.st_ino, stat.st_size, stat.st_mtime_ns
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    raise SourceFailure(Fault(problem, "mend `databases` or bring the data", where=database.place))


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, database: Database) -> Iterator[None]:
    make, kind = database.make, ""
    if make != "duckdb":
        title = _TITLES[make]
        path = extension(
            f"{make}_scanner",
            missing=f"the extension that reads {title} is not installed",
            remedy=f"pip install 'sealproof[{make}]' (duckdb-extension-{make}-scanner=={duckdb.__version__})",
        )
        kind = f"TYPE {make}, "
        connection.execute(f"LOAD '{path}'")
    if make == "sqlite":  # more threads would each have a transaction of their own
        connection.execute("SET sqlite_disable_multithreaded_scans = true")
    where = "" if make == "postgres" else database.place
    unreadable = Fault(*_unreachable(make), where=where or f"databases.{database.name}")
    place = database.place.replace("'", "''")
    _tried(lambda: connection.execute(f"ATTACH '{place}' AS {_AT} ({kind}READ_ONLY)"), unreadable)
    try:
        yield
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"DETACH {_AT}")


def _unreachable(make: Make) -> tuple[str, str]:
    if make == "postgres":
        return (
            "cannot be reached, or lets nobody in with what the variable holds",
            "try it with psql, mend the variable",
        )
    return f"cannot be opened as {_TITLES[make]}: damaged, or in use by another program", "try again when it is free"


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection, database: Database) -> Iterator[None]:
    lost = Fault("went away while it was being read; nothing was published", "try again", where=_where(database))
    _tried(lambda: connection.execute("BEGIN TRANSACTION"), lost)
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    _tried(lambda: connection.execute("COMMIT"), lost)


def _where(database: Database) -> str:
    return f"databases.{database.name}"


def _columns(connection: duckdb.DuckDBPyConnection, wanted: Wanted, faults: Faults) -> dict[str, str]:
    """Names and types of a table's columns, as the scanner reads them."""
    schema, name = _split(wanted)
    unreadable = Fault("its tables cannot be listed", "try again", where=_where(wanted.database))
    found = _rows(
        connection,
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = ? ORDER BY schema_name, table_name, column_index",
        [_AT],
        unreadable,
    )
    own = {row[2]: row[3] for row in found if (row[0], row[1]) == (schema, name)}
    where, place = _where(wanted.database), f"sources.{wanted.source}.table"
    if wanted.database.make != "postgres" and _is_view(connection, schema, name, unreadable):
        faults.say("is a view, which DuckDB would read in its own way", _copied("…"), where=where, column=place)
        return {}
    if not own:
        known = {row[1] if row[0] == _SCHEMAS[wanted.database.make] else f"{row[0]}.{row[1]}" for row in found}
        close = difflib.get_close_matches(wanted.table, sorted(known), n=1, cutoff=0.5)
        remedy = f"did you mean `{close[0]}`?" if close else f"none of its {len(known)} tables"
        faults.say("no such table", remedy, where=where, column=place)
        return own
    relation = _tried(lambda: connection.sql(f"SELECT * FROM {_table(wanted)} LIMIT 0"), unreadable)  # noqa: S608
    for column, kind in zip(relation.columns, relation.types, strict=True):
        if not _kept(kind):
            remedy = _viewed(column) if wanted.database.make == "postgres" else _copied(column)
            faults.say(f"a column of type {kind} cannot be kept as it is", remedy, where=wanted.place, column=column)
    return own


def _split(wanted: Wanted) -> tuple[str, str]:
    schema, _, name = wanted.table.rpartition(".")
    return schema or _SCHEMAS[wanted.database.make], name


def _is_view(connection: duckdb.DuckDBPyConnection, schema: str, name: str, fault: Fault) -> bool:
    sql = "SELECT count(*) FROM duckdb_views() WHERE (database_name, schema_name, view_name) = (?, ?, ?)"
    return bool(_rows(connection, sql, [_AT, schema, name], fault)[0][0])


def _copied(column: str) -> str:
    name = _quoted(column)
    return f"name a copy: CREATE TABLE copied AS SELECT …, CAST({name} AS TEXT) AS {name} FROM …"  # noqa: S608 - words


def _viewed(column: str) -> str:
    return f"name a view that casts it: CAST({_quoted(column)} AS text)"


def _kept(kind: Any) -> bool:
    """Whether a type of DuckDB comes out of it, as Arrow and as Parquet, as it went in."""
    if kind.id == "list":
        return _kept(kind.children[0][1])
    if kind.id == "struct":
        names = {name.casefold() for name, _ in kind.children}
        return len(names) == len(kind.children) and all(_kept(part) for _, part in kind.children)
    return kind.id in _KEPT


def _misfits(connection: duckdb.DuckDBPyConnection, wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Fault]:
    """Columns of SQLite that hold what they do not declare, and what the scanner would change."""
    tests = []
    for name, kind in columns.items():
        cell = _quoted(name)
        tests.append(f"count(*) FILTER (WHERE {cell} IS NOT NULL AND ({_FITS[kind].format(cell)}) IS NOT TRUE)")
    asked = f"SELECT {', '.join(tests)} FROM {_quoted(_split(wanted)[1])}"  # noqa: S608
    failed = Fault(*_damaged(wanted), where=wanted.place)
    [counts] = _rows(connection, "SELECT * FROM sqlite_query(?, ?)", [_AT, asked], failed)
    for (name, kind), count in zip(columns.items(), counts, strict=True):
        if int(count):
            problem = f"{count} cell(s) are no {_TOLD[kind]}, which the column declares"
            yield Fault(problem, f"mend them, or {_copied(name)}", where=wanted.place, column=name)


def _damaged(wanted: Wanted) -> tuple[str, str]:
    """What is said where the rows cannot be read to their end."""
    if wanted.database.make == "postgres":
        problem = "cannot be read to its end: the database went away, or holds a value that cannot be kept"
        return problem, "try again; if it stays so, name a view that casts the column to text"
    return "cannot be read to its end: damaged, or in use by another program", "try again when it is free"


def _copy(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted, columns: Mapping[str, str], *, name: str, empty: bool
) -> None:
    order = [*(column for column in wanted.order if column in columns)]
    order += [column for column in columns if column not in order]
    by = ", ".join(f"{_quoted(column)} NULLS FIRST" for column in order)
    cells = ", ".join(_cell(column, kind, wanted.database.make) for column, kind in columns.items())
    rows = f"SELECT {cells} FROM {_table(wanted)} {'LIMIT 0' if empty else f'ORDER BY {by}'}"  # noqa: S608
    failed = Fault(*_damaged(wanted), where=wanted.place)
    _tried(lambda: connection.execute(f"CREATE TABLE memory.main.{_quoted(name)} AS {rows}"), failed)


def _cell(column: str, kind: str, make: Make) -> str:
    """A column as it is held: what DuckDB hands out as text is text, and a text of SQLite that is no UTF-8 is null."""
    name = _quoted(column)
    if kind in ("UUID", "JSON"):
        return f"{name}::VARCHAR AS {name}"
    return f"TRY(decode(encode({name}))) AS {name}" if kind == "VARCHAR" and make == "sqlite" else name


def _no_texts(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted, columns: Mapping[str, str], *, name: str
) -> Iterator[Fault]:
    """Columns of SQLite with texts that are no UTF-8: fewer cells are held than there are."""
    texts = [column for column, kind in columns.items() if kind == "VARCHAR"]
    if wanted.database.make != "sqlite" or not texts:
        return
    failed = Fault(*_damaged(wanted), where=wanted.place)
    counts = f"SELECT {', '.join(f'count({_quoted(column)})' for column in texts)} FROM "  # noqa: S608
    [held] = _rows(connection, f"{counts} memory.main.{_quoted(name)}", [], failed)
    asked = f"{counts} {_quoted(_split(wanted)[1])}"
    [there] = _rows(connection, "SELECT * FROM sqlite_query(?, ?)", [_AT, asked], failed)
    for column, own, all_of_them in zip(texts, held, there, strict=True):
        if int(all_of_them) != own:
            problem = f"{int(all_of_them) - own} text(s) are no UTF-8"
            yield Fault(problem, f"mend them, or {_copied(column)}", where=wanted.place, column=column)


def _table(wanted: Wanted) -> str:
    schema, name = _split(wanted)
    return f"{_AT}.{_quoted(schema)}.{_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, bound: Sequence[object], fault: Fault
) -> list[tuple[Any, ...]]:
    return _tried(lambda: connection.execute(sql, bound).fetchall(), fault)


def _tried(work: Callable[[], T], fault: Fault) -> T:
    """Do something with a database; what DuckDB would say may quote a cell or a password, so nothing of it survives."""
    with suppress(duckdb.Error, UnicodeError), interruptible():
        return work()
    raise SourceFailure(fault)
