"""Databases attached to DuckDB, read only: each wanted table is held once, all of one database in one transaction."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from sanitizers.engine import scanned
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
_HAS_FLOATS = re.compile(r"FLOAT|DOUBLE|real|double precision|STRUCT|.*\[\]")
_AT = "attached"


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
    names: Sequence[str], most: int | None = None,
) -> None:  # fmt: skip
    """Hold tables of one database, as they are at one moment.

    Parameters
    ----------
    wanted, names
        The tables, and what they are called once they are held.
    most
        How many rows of each to hold, any of them and unchecked; all, in order, if None.

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
        faults = Faults(_encoding(connection, database))
        columns = {own: _columns(connection, own, faults) for own in wanted}
        faults.stop(ConfigurationError)
        for own, name in zip(wanted, names, strict=True):
            faults.extend(_misfits(connection, own, columns[own]) if most is None else ())
            if not faults:
                _copy(connection, own, columns[own], name=name, most=most)
                faults.extend(_no_texts(connection, own, columns[own], name=name) if most is None else ())
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
    where = _where(database) if make == "postgres" else database.place
    unreadable = Fault(*_unreachable(make), where=where)
    place = database.place.replace("'", "''")
    _tried(lambda: connection.execute(f"ATTACH '{place}' AS {_AT} ({kind}READ_ONLY)"), unreadable)
    try:
        yield
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"DETACH {_AT}")


def _unreachable(make: Make) -> tuple[str, str]:
    if make == "postgres":
        return "cannot be reached, or lets nobody in with what the variable holds", "try it with psql; mend it"
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


def _encoding(connection: duckdb.DuckDBPyConnection, database: Database) -> Iterator[Fault]:
    """The fault of a PostgreSQL database that may give texts in anything but UTF-8."""
    if database.make == "postgres":
        asked = "SELECT current_setting('client_encoding') AS here, current_setting('server_encoding') AS there"
        unreadable = Fault("cannot be asked for its encoding", "try again", where=_where(database))
        [own] = _asked(connection, database, asked, unreadable)
        if own[0] != "UTF8" or own[1] == "SQL_ASCII":
            remedy = "write client_encoding=UTF8 into the variable; copy a database of SQL_ASCII into one of UTF8"
            yield Fault("may give texts that are no UTF-8", remedy, where=_where(database))


def _there(connection: duckdb.DuckDBPyConnection, wanted: Wanted, faults: Faults) -> bool:
    """Whether the table is there, and nothing else could be meant by its name."""
    make, (schema, name) = wanted.database.make, _split(wanted)
    say = partial(faults.say, where=_where(wanted.database), column=f"sources.{wanted.source}.table")
    unreadable = _unread(wanted)
    listed = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ?"
    tables = _rows(connection, listed, [_AT], unreadable)
    viewed = "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = ?"
    if make != "postgres" and (schema, name) in _rows(connection, viewed, [_AT], unreadable):
        say("is a view, which DuckDB would read in its own way", _remedy(make, "…"))
    elif (schema, name) not in tables:
        known = sorted(two if one == _SCHEMAS[make] else f"{one}.{two}" for one, two in tables)
        close = difflib.get_close_matches(wanted.table, known, n=1, cutoff=0.5)
        say("no such table", f"did you mean `{close[0]}`?" if close else f"none of its {len(known)} tables")
    elif [f"{one}.{two}".casefold() for one, two in tables].count(f"{schema}.{name}".casefold()) > 1:
        say("differs from another table in case only", "rename one")
    else:
        return True
    return False


def _columns(connection: duckdb.DuckDBPyConnection, wanted: Wanted, faults: Faults) -> dict[str, str]:
    """Names of a table's columns and their types: as PostgreSQL writes them, or as DuckDB reads them."""
    if not _there(connection, wanted, faults):
        return {}
    unreadable = _unread(wanted)
    relation = _tried(lambda: connection.sql(f"SELECT * FROM {_table(wanted)} LIMIT 0"), unreadable)  # noqa: S608
    types = dict(zip(relation.columns, relation.types, strict=True))
    columns = {column: str(kind) for column, kind in types.items()}
    lost = {column for column, kind in types.items() if not _kept(kind)}
    if wanted.database.make == "postgres":
        own = _asked(connection, wanted.database, scanned.postgres_types(*_split(wanted)), unreadable)
        columns = {column: told for column, told, _ in own}
        lost |= {column for column, told, enum in own if not (enum or scanned.postgres_keeps(told))}
    if columns.keys() != types.keys():
        faults.say("has columns that differ in case only", "rename one", where=wanted.place)
    for column in [column for column in columns if column in lost]:
        told = f"a column of type {columns[column]} cannot be kept as it is"
        faults.say(told, _remedy(wanted.database.make, column), where=wanted.place, column=column)
    return columns


def _asked(connection: duckdb.DuckDBPyConnection, database: Database, sql: str, fault: Fault) -> list[tuple[Any, ...]]:
    """What a database answers itself, in the transaction that is open."""
    return _rows(connection, f"SELECT * FROM {database.make}_query(?, ?)", [_AT, sql], fault)  # noqa: S608


def _split(wanted: Wanted) -> tuple[str, str]:
    schema, _, name = wanted.table.rpartition(".")
    return schema or _SCHEMAS[wanted.database.make], name


def _remedy(make: Make, column: str) -> str:
    """How to have a column in another type."""
    name = scanned.quoted(column)
    cast = f"SELECT …, CAST({name} AS TEXT) AS {name} FROM …"  # noqa: S608 - words
    if make == "postgres":
        return f"name a view that casts it: CREATE VIEW seen AS {cast}"
    return f"name a copy: CREATE TABLE copied AS {cast}"


def _kept(kind: Any) -> bool:
    """Whether a type of DuckDB comes out of it, as Arrow and as Parquet, as it went in."""
    if kind.id == "list":
        return _kept(kind.children[0][1])
    if kind.id == "struct":
        names = {name.casefold() for name, _ in kind.children}
        return len(names) == len(kind.children) and all(_kept(part) for _, part in kind.children)
    return kind.id in _KEPT


def _misfits(connection: duckdb.DuckDBPyConnection, wanted: Wanted, columns: Mapping[str, str]) -> Iterator[Fault]:
    """Columns that hold what the scanner would change."""
    make, (schema, name) = wanted.database.make, _split(wanted)
    tests = scanned.misfits(make, columns)
    if not tests:
        return
    sql = scanned.selected([test for test, _ in tests.values()], schema, name, make)
    [counts] = _asked(connection, wanted.database, sql, _unread(wanted))
    for (column, (_, told)), count in zip(tests.items(), counts, strict=True):
        if int(count):
            problem = f"{count} cell(s) are no {told}"
            yield Fault(problem, f"mend them, or {_remedy(make, column)}", where=wanted.place, column=column)


def _unread(wanted: Wanted) -> Fault:
    """What is said where a table cannot be read to its end."""
    problem, remedy = "cannot be read: damaged, or in use by another program", "try again when it is free"
    if wanted.database.make == "postgres":
        problem = "cannot be read: the database went away, or does not let this role read it"
        remedy = "try again, or grant the role SELECT"
    return Fault(problem, remedy, where=wanted.place)


def _copy(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted, columns: Mapping[str, str], *, name: str, most: int | None
) -> None:
    """Hold a table, ordered by its key, and by all its columns where the key does not tell rows apart."""
    failed = _unread(wanted)
    key = [column for column in wanted.order if column in columns] or list(columns)
    cells = ", ".join(_cell(column, kind, wanted.database.make) for column, kind in columns.items())
    rows = f"SELECT {cells} FROM {_table(wanted)} {_ordered(key, columns) if most is None else f'LIMIT {most}'}"  # noqa: S608
    held = f"memory.main.{scanned.quoted(name)}"
    _tried(lambda: connection.execute(f"CREATE TABLE {held} AS {rows}"), failed)
    # The rows before and after one another: no window, so that it costs little.
    names = [scanned.quoted(column) for column in key]
    before = ", ".join(f"lag({own}) OVER () AS b{number}" for number, own in enumerate(names))
    same = " AND ".join(f"{own} IS NOT DISTINCT FROM b{number}" for number, own in enumerate(names))
    beside = f"SELECT {', '.join(names)}, {before}, row_number() OVER () AS n FROM {held}"  # noqa: S608
    [[tied]] = _rows(connection, f"SELECT count(*) FROM ({beside}) WHERE n > 1 AND {same}", [], failed)  # noqa: S608
    if tied:
        by = _ordered([*key, *(column for column in columns if column not in key)], columns)
        again = f"CREATE OR REPLACE TABLE {held} AS SELECT * FROM {held} {by}"  # noqa: S608
        _tried(lambda: connection.execute(again), failed)


def _ordered(names: Sequence[str], columns: Mapping[str, str]) -> str:
    """The order of rows; as a key, DuckDB would take -0.0 for 0.0 and give it back so, in lists and structs too."""
    keys = [f"{scanned.quoted(name)}{'::VARCHAR' if _HAS_FLOATS.match(columns[name]) else ''}" for name in names]
    return f"ORDER BY {', '.join(f'{key} NULLS FIRST' for key in keys)}"


def _cell(column: str, kind: str, make: Make) -> str:
    """A column as it is held; a text of SQLite that is no UTF-8 is null."""
    name = scanned.quoted(column)
    return f"TRY(decode(encode({name}))) AS {name}" if (kind, make) == ("VARCHAR", "sqlite") else name


def _no_texts(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted, columns: Mapping[str, str], *, name: str
) -> Iterator[Fault]:
    """Columns of SQLite with texts that are no UTF-8: fewer cells are held than there are."""
    texts = [column for column, kind in columns.items() if kind == "VARCHAR"]
    if wanted.database.make != "sqlite" or not texts:
        return
    failed, counts = _unread(wanted), [f"count({scanned.quoted(one)})" for one in texts]
    [held] = _rows(connection, f"SELECT {', '.join(counts)} FROM memory.main.{scanned.quoted(name)}", [], failed)  # noqa: S608
    [there] = _asked(connection, wanted.database, scanned.selected(counts, *_split(wanted), "sqlite"), failed)
    for column, own, all_of_them in zip(texts, held, there, strict=True):
        if int(all_of_them) != own:
            problem = f"{int(all_of_them) - own} text(s) are no UTF-8"
            yield Fault(problem, f"mend them, or {_remedy('sqlite', column)}", where=wanted.place, column=column)


def _table(wanted: Wanted) -> str:
    schema, name = _split(wanted)
    return f"{_AT}.{scanned.quoted(schema)}.{scanned.quoted(name)}"


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, bound: Sequence[object], fault: Fault
) -> list[tuple[Any, ...]]:
    return _tried(lambda: connection.execute(sql, bound).fetchall(), fault)


def _tried(work: Callable[[], T], fault: Fault) -> T:
    """Do something with a database; what DuckDB would say may quote a cell or a password, so nothing of it survives."""
    with suppress(duckdb.Error, UnicodeError), interruptible():
        return work()
    raise SourceFailure(fault)
