"""DuckDB: embedded, out of core. Only what differs from other engines."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from sanitizers.engine import attached
from sanitizers.engine.contract import ROW, THREADS, Engine, Part
from sanitizers.engine.forms import ROWS, RawFile
from sanitizers.engine.interrupts import interruptible
from sanitizers.engine.tables import Table, Wanted
from sanitizers.engine.types import survives
from sanitizers.errors import EngineFailure, Fault, Faults, SealproofError, SourceFailure, gathered

MEMORY = "1GB"
T = TypeVar("T")


@ibis.udf.scalar.builtin(name="get_bit")  # type: ignore[untyped-decorator]
def _bit(bits: str, place: dt.int32) -> dt.int32:
    """One bit of a constant."""


@ibis.udf.scalar.builtin(name="getvariable")  # type: ignore[untyped-decorator]
def _variable(called: str) -> str:  # type: ignore[empty-body]
    """A constant by its name."""


class DuckDB(Engine):
    """One DuckDB connection, in memory, that spills encrypted into the run's private folder.

    Parameters
    ----------
    scratch
        Private folder for spill; a temporary one of mode 0700 is made and removed if None.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._own = tempfile.TemporaryDirectory(prefix="sealproof-") if scratch is None else None
        self._spill = Path(self._own.name if self._own else scratch or ".") / "spill"
        self._numbers = itertools.count()
        self._source_error: SealproofError | KeyboardInterrupt | None = None
        self._ask("start", self._start)

    def _start(self) -> None:
        self._ibis = ibis.duckdb.connect(
            threads=THREADS,
            memory_limit=MEMORY,
            temp_directory=str(self._spill),
            autoinstall_known_extensions=False,
            autoload_known_extensions=False,
        )
        self._raw.execute(f"LOAD '{encryption_extension()}'")
        self._raw.execute("SET temp_file_encryption = true")
        self._raw.execute("SET GLOBAL TimeZone = 'UTC'")
        self._raw.execute("SET enable_progress_bar = false")  # it would go to stdout, which is for the machine
        self._idle = self._raw.cursor()  # asks nothing: a busy connection gives no other one

    @property
    def _raw(self) -> duckdb.DuckDBPyConnection:
        return self._ibis.con  # type: ignore[no-any-return]

    def _name(self) -> str:
        return f"held_{next(self._numbers)}"

    def read(self, part: Part, *, start: int, columns: Sequence[str] | None = None) -> ir.Table:
        """See `Engine.read`."""
        if isinstance(part, RawFile) and part.form == "parquet":
            options = {"file_row_number": True, "hive_partitioning": False}
            table = self._ask("read", lambda: self._ibis.read_parquet(part.path, table_name=self._name(), **options))
            number = (table.file_row_number + start).cast("int64")
            return table.mutate(**{ROW: number}).drop("file_row_number")
        names = list(columns or part.schema.names)
        schema = pa.schema([*(part.schema.field(name) for name in names), (ROW, pa.int64())])
        return self._register(_numbered(part.batches(names), start), schema)

    def attach(self, wanted: Sequence[Wanted], *, most: int | None = None) -> dict[str, Table]:
        """See `Engine.attach`."""
        faults = Faults()
        tables: dict[str, Table] = {}
        for database in dict.fromkeys(own.database for own in wanted):
            tables_of = [own for own in wanted if own.database == database]
            names = [self._name() for _ in tables_of]
            with gathered(faults):
                hold = partial(attached.hold, self._raw, database, tables_of, names=names, most=most)
                self._ask("attach", hold)
                tables |= {own.source: self._held(own, name) for own, name in zip(tables_of, names, strict=True)}
        faults.stop(SourceFailure)
        return tables

    def _held(self, wanted: Wanted, name: str) -> Table:
        """A table that is held under a name; it is read over connections of its own, also while this one is busy."""
        held = self._ibis.table(name)
        schema = self._ask(
            "read", lambda: self._raw.execute(self._ibis.compile(held.limit(0))).to_arrow_reader().schema
        )
        idle = self._idle

        def rows(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
            sql = ibis.to_sql(held.select(*columns), dialect="duckdb")
            with idle.cursor() as own:
                own.execute("SET enable_progress_bar = false")
                reader = self._ask("read", lambda: own.execute(sql).to_arrow_reader(ROWS))
                while (batch := self._ask("read", lambda: next(reader, None))) is not None:
                    yield batch

        return Table(wanted, schema, rows)

    def without(self, table: ir.Table, gone: np.ndarray, *, column: str = ROW) -> ir.Table:
        """See `Engine.without`.

        A join would lose the order, and to sort what it leaves costs as much again; a filter keeps it. The rows that
        go are the bits of one constant.
        """
        if not len(gone):
            return table
        first, last = int(gone[0]), int(gone[-1])
        bits = np.zeros(last - first + 1, bool)
        bits[gone - first] = True
        name, packed = self._name(), np.packbits(bits).tobytes()
        self._ask("hold", lambda: self._raw.execute(f"SET VARIABLE {name} = ?::BLOB::BIT", [packed]))
        row = table[column]
        bit = _bit(_variable(name), (row - first).cast("int32"))
        return table.filter(row.between(first, last).ifelse(bit, 0) == 0)

    def _register(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> ir.Table:
        name = self._name()
        self._raw.register(name, pa.RecordBatchReader.from_batches(schema, self._guarded(batches)))
        return self._ibis.table(name)

    def _guarded(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Keep our own errors while DuckDB pulls batches; its own would wrap them in text."""
        try:
            yield from batches
        except (SealproofError, KeyboardInterrupt) as error:
            self._source_error = error
            raise

    def _ask(self, step: str, work: Callable[[], T]) -> T:
        """Do something with the engine; its own errors quote cells, so nothing of them survives, context included."""
        try:
            with interruptible():
                return work()
        except (duckdb.Error, pa.ArrowException, ibis.IbisError, SealproofError) as error:
            failure = self._source_error or (error if isinstance(error, SealproofError) else _failure(step, error))
            self._source_error = None
        failure.__context__ = failure.__cause__ = None
        raise failure

    def hold(self, what: ir.Expr | pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> ir.Table:
        """See `Engine.hold`."""
        name = self._name()

        def keep() -> ir.Table:
            if isinstance(what, pa.Table | ir.Expr):
                self._ibis.create_table(name, what)  # copied: what DuckDB pushes into Arrow fails on numbers over 2**63
            else:
                assert schema is not None  # noqa: S101 - for the type checker
                stream = self._register(what, schema)
                self._ibis.create_table(name, stream)
                self._raw.unregister(stream.get_name())
            return self._ibis.table(name)

        return self._ask("hold", keep)

    def fetch(self, expression: ir.Expr) -> pa.Table:
        """See `Engine.fetch`."""
        return self._ask("fetch", lambda: self._ibis.to_pyarrow(expression))

    def stream(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """See `Engine.stream`."""
        sql = self._ibis.compile(expression)
        reader = self._ask("stream", lambda: self._raw.execute(sql).to_arrow_reader(ROWS))
        while (batch := self._ask("stream", lambda: next(reader, None))) is not None:
            yield batch

    def confined(self, sources: Mapping[str, Sequence[RawFile]] | None = None) -> duckdb.DuckDBPyConnection:
        """Give the connection, for good unable to reach files or the network or to change its settings.

        Parameters
        ----------
        sources
            Files that it may still read: each name becomes a view, and these views alone can be named. The files of
            one source have the same columns. Parquet is read when it is asked for, CSV is held as text.
        """

        def confine() -> None:
            if sources is not None:
                self._attach(sources)
            self._raw.execute("SET enable_external_access = false")
            self._raw.execute("SET lock_configuration = true")

        self._ask("confine", confine)
        return self._raw

    def _attach(self, sources: Mapping[str, Sequence[RawFile]]) -> None:
        self._raw.execute("CREATE SCHEMA confined")
        for name, files in sources.items():
            self._ibis.create_view(name, self._whole(files), database="confined")
        self._raw.execute("SET schema = 'confined'")
        parquet = [str(file.path) for files in sources.values() for file in files if file.form == "parquet"]
        self._raw.execute("SET allowed_paths = ?", [parquet])

    def _whole(self, files: Sequence[RawFile]) -> ir.Table:
        """Read all files of one source as one table, without the columns that DuckDB would read as something else."""
        names = [field.name for field in files[0].schema if survives(field.type)]
        if all(file.form == "parquet" for file in files):
            paths = [str(file.path) for file in files]
            table = self._ibis.read_parquet(paths, table_name=self._name(), hive_partitioning=False)
            return table.select(*names)
        batches = itertools.chain.from_iterable(file.batches(names) for file in files)
        return self.hold(batches, pa.schema([files[0].schema.field(name) for name in names]))

    def close(self) -> None:
        """See `Engine.close`."""
        self._idle.close()
        self._raw.interrupt()  # after Ctrl-C a thread may still be in the query, and to close waits until it ends
        self._ibis.disconnect()
        if self._own:
            self._own.cleanup()


def encryption_extension() -> Path:
    """Path of the extension that encrypts spill, from its wheel: nothing is downloaded."""
    missing = "the extension that encrypts spilled data is not installed"
    remedy = f"pip install duckdb-extension-httpfs=={duckdb.__version__}"
    return attached.extension("httpfs", missing=missing, remedy=remedy)


def _failure(step: str, error: Exception) -> EngineFailure:
    remedy = "its message is withheld, because it may quote the data"
    return EngineFailure(Fault(f"{step}: the engine failed ({type(error).__name__})", remedy))


def _numbered(batches: Iterable[pa.RecordBatch], start: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        row: Any = pa.array(np.arange(start, start + batch.num_rows))
        yield batch.append_column(ROW, row)
        start += batch.num_rows
