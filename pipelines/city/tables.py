"""How a city becomes files: tables, written block by block.

A record system is a few tables; a table says which events may write a row, how a block of them becomes rows, and which
file a row goes to. The files depend on neither the events nor their number: an empty one has a header or a schema.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pipelines.city.records import City, blocks
from pipelines.city.world import YEARS, Ids


@dataclass(frozen=True)
class Csv:
    """A flavour of CSV: never quoted, so no cell may hold a delimiter."""

    delimiter: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Table:
    """One table of a record system.

    Attributes
    ----------
    path : str
        Below the city's folder; with ``{year}`` one file per year.
    schema : pyarrow.Schema
        Columns of `rows`, in order.
    events : callable
        City to the ids of all events that might write a row, in row order.
    rows : callable
        City and a block of event ids to rows.
    year_of : str
        The date column that picks the file, where there is one per year.
    csv : Csv or None
        None for Parquet.
    """

    path: str
    schema: pa.Schema
    events: Callable[[City], Sequence[int] | Ids]
    rows: Callable[[City, Ids], pa.Table]
    year_of: str = ""
    csv: Csv | None = None


@dataclass(frozen=True)
class System:
    """A record system: a name and its tables."""

    name: str
    tables: tuple[Table, ...]


class _Sink(Protocol):
    def write(self, rows: pa.Table) -> None: ...
    def close(self) -> None: ...


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


class _ParquetSink:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pa.parquet.ParquetWriter(path, schema, compression="zstd")

    def write(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._writer.write_table(rows)

    def close(self) -> None:
        self._writer.close()


def write_table(table: Table, city: City, out: Path, *, tick: Callable[[int], None]) -> int:
    """Write one table below a folder and return its number of rows.

    `tick` is called with the number of events done after each block.
    """
    written = 0
    with ExitStack() as stack:
        sinks = {year: _sink(table, out, year) for year in (YEARS if table.year_of else [0])}
        for sink in sinks.values():
            stack.callback(sink.close)
        for events in blocks(table.events(city)):
            rows = table.rows(city, events).select(table.schema.names).cast(table.schema)
            for year, part in _by_year(rows, table.year_of):
                sinks[year].write(part)
            written += rows.num_rows
            tick(len(events))
    return written


def _sink(table: Table, out: Path, year: int) -> _Sink:
    path = out / table.path.format(year=year)
    path.parent.mkdir(parents=True, exist_ok=True)
    return _CsvSink(path, table.schema, table.csv) if table.csv else _ParquetSink(path, table.schema)


def _by_year(rows: pa.Table, column: str) -> Iterator[tuple[int, pa.Table]]:
    if not column:
        yield 0, rows
        return
    years = pc.year(rows[column])
    for year in pc.unique(years).to_pylist():
        yield year, rows.filter(pc.equal(years, year))
