"""Spark: a cluster, for what one machine is too small for. Only what differs from other engines.

What grows with the raw files stays on the workers: they read, tokenise, join with what is barred, and write. What grows
with the barred set only - snapshot, links, hits - stands in a DuckDB beside the driver, and is sent along where it is
joined. An expression that names nothing else is worked out there.
"""

from __future__ import annotations

import itertools
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import SQLGlotCompiler
from ibis.backends.sql.compilers.pyspark import PySparkCompiler

from sanitizers.engine import cluster
from sanitizers.engine.contract import (
    MENTION_SCHEMA,
    ROW,
    Engine,
    Lookup,
    P,
    Part,
    R,
    Tally,
    token_schema,
    with_same,
)  # fmt: skip
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import ROWS, RawFile
from sanitizers.engine.types import passes_spark
from sanitizers.engine.workers import (
    NOTE,
    PLACE,
    Alone,
    Failed,
    Found,
    Spread,
    as_bits,
    mentions_found,
    rows_found,
    sent,
    tokens_found,
)  # fmt: skip
from sanitizers.errors import ConfigurationError, Faults, SealproofError, SourceFailure
from sanitizers.identifiers import Key, Kind

T = TypeVar("T")
CAST = "cast it where it is written, or run it on DuckDB"


class _Compiler(PySparkCompiler):  # type: ignore[misc]
    """Ibis's words for Spark, with a NaN left what it is."""

    visit_Field = SQLGlotCompiler.visit_Field  # noqa: N815 - Ibis's name; its own asks for an option of its backend


class Spark(Engine):
    """A standalone Spark cluster.

    Parameters
    ----------
    master
        Its address, as ``spark://host:port``.
    scratch
        Private folder that every worker can reach; a temporary one of mode 0700 is made and removed if None.

    Raises
    ------
    EngineFailure
        Spark is not installed, or no master or worker answers.
    """

    def __init__(self, master: str, scratch: Path | None = None) -> None:
        self._own = tempfile.TemporaryDirectory(prefix="sealproof-") if scratch is None else None
        self._scratch = Path(self._own.name if self._own else scratch or ".")
        self._beside = DuckDB(self._scratch)
        try:
            self._cluster = cluster.connected(master, self._scratch)
        except BaseException:
            self._forget()
            raise
        self._numbers = itertools.count()
        self._compiler = _Compiler()

    @property
    def apart(self) -> bool:
        """See `Engine.apart`."""
        return True

    # -- from raw files -----------------------------------------------------------------------------------------------

    def read(self, part: Part, *, start: int, columns: Sequence[str] | None = None) -> ir.Table:
        """See `Engine.read`.

        Raises
        ------
        ConfigurationError
            A column of a type that Spark would change.
        """
        names = list(columns or part.schema.names)
        wanted = [part.schema.field(name) for name in names]
        faults = Faults()
        for field in wanted:
            if not passes_spark(field.type):
                problem = f"Spark would change a column of type {field.type}"
                faults.say(problem, CAST, where=part.name, column=field.name)
        faults.stop(ConfigurationError)
        schema = pa.schema([*wanted, ("row", pa.int64())])
        found = partial(rows_found, schema=schema)
        return self._spread(found, [part], schema, tally=Tally([start])).rename({ROW: "row"})

    def tokens(self, parts: Sequence[Part], lookups: Sequence[Lookup], key: Key, tally: Tally) -> ir.Table:
        """See `Engine.tokens`: the workers make them, and keep them."""
        found = partial(tokens_found, lookups=lookups, secret=key.reveal())
        return with_same(self._spread(found, parts, token_schema(lookups), tally=tally), lookups)

    def mentions(
        self, parts: Sequence[Part], texts: dict[int, tuple[str, dict[str, Kind]]], key: Key, tally: Tally
    ) -> ir.Table:
        """See `Engine.mentions`: the workers find them, and keep them."""
        found = partial(mentions_found, texts=texts, secret=key.reveal())
        return self._spread(found, parts, MENTION_SCHEMA, tally=tally)

    def _spread(self, found: Found, parts: Sequence[Part], schema: pa.Schema, *, tally: Tally) -> ir.Table:
        """Have the workers find something in parts, and note in `tally` what they have read."""
        start = _starts(parts, tally.start[-1])
        spread = Spread(found, parts, start, schema, str(Path.cwd()))
        name = f"spread_{next(self._numbers)}"

        def run() -> list[bytes]:
            rows = self._cluster.hold_mapped(name, spread, tasks=len(parts), schema=spread.sent_schema)
            return rows.where(f"{NOTE} IS NOT NULL").select(NOTE).toArrow()[NOTE].to_pylist()  # type: ignore[no-any-return]

        notes = [pickle.loads(note) for note in self._ask("read", run)]  # noqa: S301 - from our own workers
        for failed in (note for note in notes if isinstance(note, Failed)):
            raise failed.failure()
        _settle(sorted(notes, key=lambda note: note[0]), tally, start)
        own = ibis.table(ibis.Schema.from_pyarrow(pa.schema([*schema, (NOTE, pa.binary())])), name=name)
        rows = own.filter(own[NOTE].isnull()).drop(NOTE)
        if start:
            return rows
        offsets = ibis.array([first - (number << PLACE) for number, first in enumerate(tally.start[:-1])])
        return rows.mutate(row=(rows.row < 0).ifelse(rows.row, rows.row + offsets[(rows.row >> PLACE).cast("int32")]))

    # -- between ------------------------------------------------------------------------------------------------------

    def without(self, table: ir.Table, gone: np.ndarray, *, column: str = ROW) -> ir.Table:
        """See `Engine.without`."""
        if not len(gone):
            return table
        return table.anti_join(self._beside.hold(pa.table({column: gone})), column)

    def hold(self, what: ir.Expr | pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> ir.Table:
        """See `Engine.hold`: what is held is as large as the barred set, and stands beside the driver."""
        if isinstance(what, ir.Expr) and self._spread_in(what):
            what = self.fetch(what)
        return self._beside.hold(what, schema)

    def fetch(self, expression: ir.Expr) -> pa.Table:
        """See `Engine.fetch`."""
        if not self._spread_in(expression):
            return self._beside.fetch(expression)
        table = expression.as_table()
        found = self._ask("fetch", lambda: self._cluster.fetch(self._sql(table)))
        wanted = table.schema().to_pyarrow()
        columns = [as_bits(column, field.type) for column, field in zip(found.columns, wanted, strict=True)]
        return pa.table(columns, schema=wanted)

    def stream(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """See `Engine.stream`."""
        if self._spread_in(expression):
            yield from self.fetch(expression).to_batches(ROWS)
        else:
            yield from self._beside.stream(expression)

    def _spread_in(self, expression: ir.Expr) -> bool:
        """Whether anything that an expression names stands on the workers."""
        return bool(expression.op().find(ops.UnboundTable))

    def _sql(self, table: ir.Table) -> str:
        """An expression in Spark's words; what it names of the tables beside the driver is sent to the workers."""
        for op in table.op().find(ops.DatabaseTable):
            if op.name not in self._cluster:
                self._cluster.send(op.name, sent(self._beside.fetch(op.to_expr())))
        tree = self._compiler.to_sqlglot(table)
        for named in tree.find_all(sge.Table):
            named.set("db", None)
            named.set("catalog", None)
        return str(tree.sql(self._compiler.dialect))

    # -- queries ------------------------------------------------------------------------------------------------------

    def show(self, name: str, files: Sequence[RawFile]) -> list[str]:
        """Let queries read the files of one source; CSV and JSON lines as text.

        Returns
        -------
        list of str
            Columns that queries do not see, as Spark would change them.
        """
        schema = files[0].schema
        names = [field.name for field in schema if passes_spark(field.type)]
        if all(file.form == "parquet" for file in files):
            paths = [str(file.path.absolute()) for file in files]
            self._ask("read", lambda: self._cluster.show(name, paths, names))
        else:
            wanted = pa.schema([*(schema.field(column) for column in names), ("row", pa.int64())])
            held = self._spread(partial(rows_found, schema=wanted), files, wanted, tally=Tally())
            self._ask("read", lambda: self._cluster.hold_answer(name, self._sql(held.select(*names))))
        return [column for column in schema.names if column not in names]

    def answer(self, name: str, sql: str, failure: Callable[[str], SealproofError]) -> None:
        """Keep under a name what a query answers, written in Spark's words.

        Parameters
        ----------
        failure
            Our error for what Spark says. What it says may quote the data.
        """
        self._ask("query", lambda: self._cluster.hold_answer(name, sql), failure)

    def answered(self, name: str, schema: pa.Schema, failure: Callable[[str], SealproofError]) -> pa.Table:
        """Rows of what was answered, in any order."""
        return self._ask("query", lambda: self._cluster.fetch(f"SELECT * FROM `{name}`").cast(schema), failure)  # noqa: S608

    # -- each alone ---------------------------------------------------------------------------------------------------

    def each(self, pieces: Sequence[P], work: Callable[[Engine, P], R]) -> Iterator[R]:
        """See `Engine.each`: each worker has a DuckDB of its own."""
        spill = self._scratch / "workers"
        spill.mkdir(mode=0o700, exist_ok=True)
        alone: Alone[P, R] = Alone(work, spill, str(Path.cwd()))
        results = self._ask("each", lambda: self._cluster.shared(alone, pieces))
        failures = [done.failure() for done in results if isinstance(done, Failed)]
        if (other := next((one for one in failures if not isinstance(one, SealproofError)), None)) is not None:
            raise other
        faults = Faults()
        for failure in failures:
            faults.gather(failure)  # type: ignore[arg-type]
        faults.stop(SourceFailure)
        return (done for done in results if not isinstance(done, Failed))

    def _ask(self, step: str, work: Callable[[], T], told: Callable[[str], SealproofError] | None = None) -> T:
        """Do something with the cluster; its own errors quote cells, so nothing of them survives, context included."""
        try:
            return work()
        except (*cluster.errors(), pa.ArrowException, ibis.IbisError) as error:
            failure = told(str(error)) if told else cluster.failure(step, error)
        failure.__context__ = failure.__cause__ = None
        raise failure

    def close(self) -> None:
        """See `Engine.close`."""
        self._cluster.close()
        self._forget()

    def _forget(self) -> None:
        self._beside.close()
        if self._own:
            self._own.cleanup()


def _starts(parts: Sequence[Part], first: int) -> list[int] | None:
    """Number of the first row of each part, where their files tell how many rows they hold; else None."""
    counts = []
    for part in parts[:-1]:
        if not (isinstance(part, RawFile) and part.form == "parquet"):
            return None
        try:
            counts.append(pa.parquet.read_metadata(part.path).num_rows)
        except (pa.ArrowException, OSError):
            return None  # the worker that reads it tells what is wrong with it
    return list(itertools.accumulate(counts, initial=first))


def _settle(notes: Sequence[tuple[int, Tally]], tally: Tally, start: Sequence[int] | None) -> None:
    """Add up what workers have noted, with rows counted through the source."""
    for number, own in notes:
        first = tally.start[-1]
        for ref, places in own.missing.items():
            tally.missing.setdefault(ref, []).extend(rows + (first << 24) for rows in places)
        tally.rounded.update((number, ref) for _, ref in own.rounded)
        tally.malformed.extend((number, ref, rows + first) for _, ref, rows in own.malformed)
        tally.start.append(first + own.rows)

