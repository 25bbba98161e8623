"""Clean files, written from Arrow batches: the same for every engine, as no engine touches what no seal reaches."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from sanitizers.engine.forms import ROWS, Form, Reading, ahead
from sanitizers.engine.interrupts import interruptible
from sanitizers.engine.lines import rewritten
from sanitizers.errors import EngineFailure, Fault, SealproofError


def write(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *,
    form: Form, reading: Reading, random: Collection[str] = (),
) -> None:  # fmt: skip
    """Write rows as one file, in the form that the raw file has and in their order.

    Parquet is written without dictionaries, because a dictionary may keep what no row holds any more, and without
    statistics of texts, which cost more than the rest and help nobody to find a random identifier.

    Parameters
    ----------
    random
        Columns of texts like tokens, which Parquet holds as they are: to compress them saves a fifth of their size and
        costs more than to write everything else.

    Raises
    ------
    EngineFailure
        A cell cannot be written in the file's encoding.
    OSError
        The disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "parquet":
        told = [field.name for field in schema if pa.types.is_primitive(field.type)]
        packed = {path: "none" if path in random else "snappy" for path in _leaves(schema)}
        with pa.parquet.ParquetWriter(
            path, schema, use_dictionary=False, write_statistics=told, compression=packed
        ) as writer:
            for rows in ahead(_groups(batches)):
                writer.write_table(rows, row_group_size=ROWS)
        return
    if form == "lines":
        with path.open("wb") as stream:
            stream.writelines(map(rewritten, batches))
        return
    header = "" if all(schema.names) else _header(schema.names, reading)
    _write_csv(path, schema, batches, reading, header=not header)
    if header or reading.encoding != "utf-8":
        _transcode(path, reading.encoding, header)


def _leaves(schema: pa.Schema) -> list[str]:
    """Paths of a schema's columns and of what is nested in them, as Parquet names them."""
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(schema.empty_table(), sink)
    columns = pa.parquet.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [columns.column(place).path for place in range(len(columns))]


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows in groups of `ROWS`, each in one piece: where a group or a page ends must not tell what is gone."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= ROWS:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, ROWS).combine_chunks()
            waiting, count = table.slice(ROWS).to_batches(), count - ROWS
    if count:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _header(names: list[str], reading: Reading) -> str:
    """A header line that DuckDB would not write: it gives a name to a column that has none."""
    line = io.StringIO()
    csv.writer(line, delimiter=reading.delimiter, lineterminator="\n").writerow(names)
    return line.getvalue()


def _write_csv(
    path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], reading: Reading, *, header: bool
) -> None:
    """CSV through DuckDB, which writes null as nothing, and quotes where it must."""
    if not header:
        places = [f"c{place}" for place in range(len(schema))]
        schema = pa.schema([field.with_name(name) for field, name in zip(schema, places, strict=True)])
        batches = (batch.rename_columns(places) for batch in batches)
    stopped: list[BaseException] = []
    failure: BaseException | None = None
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.register("clean", pa.RecordBatchReader.from_batches(schema, _kept(batches, stopped)))
        target, mark = (text.replace("'", "''") for text in (str(path), reading.delimiter))
        try:
            with interruptible():
                connection.execute(f"COPY clean TO '{target}' (FORMAT csv, HEADER {header}, DELIMITER '{mark}')")  # noqa: S608
        except duckdb.Error as error:
            own = next((one for one in stopped if isinstance(one, SealproofError | OSError | KeyboardInterrupt)), None)
            failure = own or EngineFailure(Fault(f"CSV cannot be written ({type(error).__name__})", where=path.name))
    if failure:
        failure.__context__ = failure.__cause__ = None
        raise failure


def _kept(batches: Iterable[pa.RecordBatch], stopped: list[BaseException]) -> Iterator[pa.RecordBatch]:
    """The batches with one way of writing nothing; an error on the way is kept, as DuckDB would wrap it in text."""
    try:
        yield from map(_one_way_of_nothing, batches)
    except (Exception, KeyboardInterrupt) as error:
        stopped.append(error)
        raise


def _one_way_of_nothing(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Null for every empty text: an empty cell in quotes would tell that a seal or the policy emptied it.

    A column that stands alone is the other way round: a line of nothing is no row.
    """
    if batch.num_columns == 1:
        return pa.record_batch([pa.compute.fill_null(batch.column(0), "")], schema=batch.schema)
    columns = []
    for column in batch.columns:
        empty = pa.compute.equal(pa.compute.binary_length(column), 0)
        some = pa.compute.any(empty).as_py()
        columns.append(pa.compute.if_else(empty, pa.scalar(None, column.type), column) if some else column)
    return pa.record_batch(columns, schema=batch.schema)


def _transcode(path: Path, encoding: str, header: str) -> None:
    """Write a file again in another encoding, with a header line before it."""
    staged = path.with_suffix(".utf8")
    path.rename(staged)
    problem = False
    try:
        with staged.open(encoding="utf-8", newline="") as given, path.open("w", encoding=encoding, newline="") as out:
            out.write(header)
            while block := given.read(1 << 20):
                out.write(block)
    except UnicodeEncodeError:
        problem = True
    staged.unlink()
    if problem:
        raise EngineFailure(Fault(f"a cell cannot be written in {encoding}", where=path.name))
