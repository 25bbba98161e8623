"""The forms in which record systems keep their tables: what opens a file or a database and takes rows.

Nothing is held but a few blocks of rows. A database is written by DuckDB, through its own scanners, from wheels.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

HELD = 1 << 13  # rows that a file of many takes at once


class Sink(Protocol):
    """What takes the rows of one file or database table."""

    def write(self, rows: pa.Table) -> None:
        """Take rows."""

    def close(self) -> None:
        """Finish."""


class Form(ABC):
    """How a table is kept."""

    @abstractmethod
    def open(self, path: Path, schema: pa.Schema, *, held: int = 0) -> Sink:
        """Open a new table at a path; `held` rows are gathered before they are written, where that matters."""


@dataclass(frozen=True)
class Csv(Form):
    """A flavour of CSV: never quoted, so no cell may hold a delimiter."""

    delimiter: str = ","
    encoding: str = "utf-8"

    def open(self, path: Path, schema: pa.Schema, *, held: int = 0) -> Sink:
        """See `Form.open`."""
        return _CsvSink(path, schema, self)


@dataclass(frozen=True)
class Lines(Form):
    """JSON lines: every object has every key; null where there is nothing."""

    def open(self, path: Path, schema: pa.Schema, *, held: int = 0) -> Sink:
        """See `Form.open`."""
        return _LinesSink(path)


@dataclass(frozen=True)
class Parquet(Form):
    """Parquet, zstd."""

    def open(self, path: Path, schema: pa.Schema, *, held: int = 0) -> Sink:
        """See `Form.open`."""
        return _ParquetSink(path, schema, held)


@dataclass(frozen=True)
class SqliteFile(Form):
    """A table of a SQLite file."""

    table: str

    def open(self, path: Path, schema: pa.Schema, *, held: int = 0) -> Sink:
        """See `Form.open`."""
        path.unlink(missing_ok=True)
        return _DatabaseSink(f"ATTACH {_quoted(str(path))} AS city (TYPE sqlite)", self.table, schema, scanner="sqlite")


@dataclass(frozen=True)
class DuckDBFile(Form):
    """A table of a DuckDB file."""

    table: str

    def open(self, path: Path, schema: pa.Schema, *, held: int = 0) -> Sink:
        """See `Form.open`."""
        path.unlink(missing_ok=True)
        return _DatabaseSink(f"ATTACH {_quoted(str(path))} AS city", self.table, schema)


@dataclass(frozen=True)
class Postgres(Form):
    """A table of a PostgreSQL database, whatever the path is.

    Attributes
    ----------
    dsn : str
        How to reach it, in libpq's words. It may hold a password, so it is not shown.
    table : str
        Is dropped first, if it is there.
    """

    dsn: str = field(repr=False)
    table: str

    def open(self, path: Path, schema: pa.Schema, *, held: int = 0) -> Sink:
        """See `Form.open`.

        Raises
        ------
        DatabaseFailure
            It cannot be reached.
        """
        return _DatabaseSink(
            f"ATTACH {_quoted(self.dsn)} AS city (TYPE postgres)", self.table, schema, scanner="postgres"
        )


class DatabaseFailure(Exception):
    """A database could not be written; the message of its driver is withheld, because it quotes the DSN."""


class _CsvSink:
    def __init__(self, path: Path, schema: pa.Schema, csv: Csv) -> None:
        self._csv = csv
        self._file = path.open("wb")
        self._put(schema.empty_table(), header=True)

    def write(self, rows: pa.Table) -> None:
        self._put(rows, header=False)

    def close(self) -> None:
        self._file.close()

    def _put(self, rows: pa.Table, *, header: bool) -> None:
        options = pa.csv.WriteOptions(
            include_header=header, delimiter=self._csv.delimiter, quoting_style="none", quoting_header="none"
        )
        text = io.BytesIO()
        pa.csv.write_csv(rows, text, options)
        if self._csv.encoding == "utf-8":
            self._file.write(text.getbuffer())
        else:
            self._file.write(text.getvalue().decode("utf-8").encode(self._csv.encoding))


class _LinesSink:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, rows: pa.Table) -> None:
        if rows.num_rows:
            pl.DataFrame(rows).write_ndjson(self._file)

    def close(self) -> None:
        self._file.close()


class _ParquetSink:
    def __init__(self, path: Path, schema: pa.Schema, held: int) -> None:
        self._writer = pa.parquet.ParquetWriter(path, schema, compression="zstd")
        self._most, self._held = held, schema.empty_table()

    def write(self, rows: pa.Table) -> None:
        self._held = pa.concat_tables([self._held, rows])
        if self._held.num_rows > self._most:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._held.num_rows:
            self._writer.write_table(self._held)
        self._held = self._held.slice(0, 0)


class _DatabaseSink:
    def __init__(self, attach: str, table: str, schema: pa.Schema, *, scanner: str = "") -> None:
        self._table = table
        self._connection = duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1})
        self._connection.execute("SET enable_progress_bar = false")
        reached = False
        try:
            if scanner:
                self._connection.execute(f"LOAD {_quoted(str(_extension(scanner)))}")
            self._connection.execute(attach)
            self._connection.execute(f'DROP TABLE IF EXISTS city."{table}"')
            self._take(f'CREATE TABLE city."{table}" AS FROM rows', schema.empty_table())
            self._connection.execute("BEGIN")
            reached = True
        except duckdb.Error:
            self._connection.close()
        if not reached:
            raise DatabaseFailure(f"the table {table} cannot be made: is the database there, and may it be written?")

    def write(self, rows: pa.Table) -> None:
        self._take(f'INSERT INTO city."{self._table}" FROM rows', rows)  # noqa: S608 - a name of ours

    def close(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.close()

    def _take(self, sql: str, rows: pa.Table) -> None:
        self._connection.register("rows", rows)
        self._connection.execute(sql)
        self._connection.unregister("rows")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _extension(scanner: str) -> Path:
    """Path of one of DuckDB's scanners, from its wheel: nothing is downloaded."""
    package = f"duckdb_extension_{scanner}_scanner"
    found = find_spec(package)
    if not (found and found.origin):
        raise DatabaseFailure(f"pip install duckdb-extension-{scanner}-scanner=={duckdb.__version__}")
    folder = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}"
    return folder / f"{scanner}_scanner.duckdb_extension"
