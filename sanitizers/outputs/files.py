"""Filter an output that stands in a file; the filtered file has the same form."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from sanitizers.engine.forms import FORMS, RawFile, Reading
from sanitizers.errors import Fault, PublishFailure, SourceFailure
from sanitizers.identifiers import Key
from sanitizers.outputs.filter import FilterCounts, filter_output
from sanitizers.policy import Output
from sanitizers.publish import replace_file
from sanitizers.register.snapshot import Snapshot

_PLAIN = Reading()


def filter_file(
    path: Path,
    out: Path,
    output: Output,
    *,
    snapshot: Snapshot,
    key: Key | None = None,
    touched: pa.Table | Path | None = None,
    reading: Reading = _PLAIN,
) -> FilterCounts:
    """Filter a Parquet or CSV file into another, published whole or not at all.

    Parameters
    ----------
    path, out
        The ranked list as the model wrote it, and where the filtered one goes; both of the same form.
    touched
        The touched tokens, or the Parquet file that holds them.
    reading
        How the file is written, if it is CSV.

    Returns
    -------
    FilterCounts
        For the keeper.

    Raises
    ------
    SealproofError
        See `OutputFilter`. Nothing was written; what stood at `out` before still stands.
    """
    for file in (path, out):
        if file.suffix.lower() not in FORMS or file.suffix.lower() != path.suffix.lower():
            raise SourceFailure(Fault("is neither .parquet nor .csv, or not of the other's form", where=str(file)))
    ranked = RawFile(path, path.name, reading)
    given = _table(ranked)
    known = _table(RawFile(touched, touched.name, Reading())) if isinstance(touched, Path) else touched
    filtered, counts = filter_output(given, output, snapshot=snapshot, key=key, touched=known)
    _check_replaceable(out, given=path, names=filtered.schema.names, reading=reading)
    _publish(filtered, out, ranked.written)
    return counts


def _check_replaceable(out: Path, *, given: Path, names: list[str], reading: Reading) -> None:
    """Raise unless the file to write is new, or an earlier answer with the same columns."""
    if not out.exists():
        return
    if out.samefile(given):
        raise PublishFailure(Fault("is what is to be filtered", "name another file with --out", where=str(out)))
    if RawFile(out, out.name, reading).schema.names != names:
        raise PublishFailure(Fault("is a file with other columns", "name another file with --out", where=str(out)))


def _table(file: RawFile) -> pa.Table:
    return pa.Table.from_batches(file.batches(file.schema.names), schema=file.schema)


def _publish(table: pa.Table, out: Path, reading: Reading) -> None:
    if FORMS[out.suffix.lower()] == "parquet":
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(table, sink)
        content = sink.getvalue().to_pybytes()
    else:
        content = _csv(table, reading.delimiter).encode(reading.encoding)
    replace_file(out, content, marks=())


def _csv(table: pa.Table, delimiter: str) -> str:
    """The table as CSV; Polars would give a name to a column that has none."""
    header = io.StringIO()
    csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(table.column_names)
    cells = pl.DataFrame(pl.from_arrow(table)).write_csv(separator=delimiter, include_header=False)
    return header.getvalue() + cells
