"""Tables of databases as raw sources: how they are asked for, and what an engine that can attach databases hands out.

No database is read twice. An engine reads all tables that a run wants of one database in one transaction, holds them,
and hands them out as often as they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa

from sanitizers import digest
from sanitizers.engine.forms import Form, RawFile, Reading

Make = Literal["sqlite", "duckdb", "postgres"]


@dataclass(frozen=True, repr=False)
class Database:
    """A database that is attached, read only.

    Parameters
    ----------
    name
        As the policy calls it.
    make
        What it is.
    place
        The path of its file, or for PostgreSQL how to connect to it, which may hold a password and is never told.
    """

    name: str
    make: Make
    place: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Database({self.name}, {self.make})"

    @property
    def path(self) -> Path | None:
        """Its file, if it is one."""
        return None if self.make == "postgres" else Path(self.place)


@dataclass(frozen=True)
class Wanted:
    """A table that a run reads.

    Parameters
    ----------
    source
        Name of the source.
    database, table
        Where it is; the table's name may have its schema's before it and a dot.
    order
        Columns by which its rows are ordered, the other columns coming last, so that equal rows give equal bytes.
    """

    source: str
    database: Database
    table: str
    order: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the clean file."""
        return clean_name(self.source)

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.database.name}: {self.table}"


def clean_name(source: str) -> str:
    """Name of the clean file of a source that is a table, below the published folder."""
    return f"{source}.parquet"


@dataclass(frozen=True, repr=False)
class Table:
    """The rows of one table, held by an engine.

    Parameters
    ----------
    wanted
        As it was asked for.
    schema
        Names and types of the columns.
    rows
        Gives the rows of some columns, in order.
    """

    wanted: Wanted
    schema: pa.Schema
    rows: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]

    def __repr__(self) -> str:
        return f"Table({self.name})"

    @property
    def name(self) -> str:
        """Name of the clean file."""
        return self.wanted.name

    @property
    def form(self) -> Form:
        """The form in which it is published."""
        return "parquet"

    @property
    def reading(self) -> Reading:
        """How it is written: as Parquet is."""
        return Reading()

    @property
    def written(self) -> Reading:
        """See `reading`."""
        return self.reading

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows in order, `columns` only."""
        return self.rows(columns)

    @cached_property
    def content(self) -> str:
        """Content digest of the rows, by which they are known again."""
        return digest.of_content(self.schema, self.batches(self.schema.names))


Raw = RawFile | Table
