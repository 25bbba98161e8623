"""Raw batches → clean batches: rows that go are left out, columns that change are put in, all else passes as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute

from sanitizers.engine.contract import ROW, Engine, Part
from sanitizers.engine.forms import RawFile, ahead
from sanitizers.engine.lines import LINE
from sanitizers.errors import Fault, PublishFailure
from sanitizers.identifiers import published
from sanitizers.strip.plan import Plan, changes

_WINDOW = 1 << 20  # rows of which the tokens are in memory together


def clean_schema(plan: Plan, part: Part) -> pa.Schema:
    """Names and types of a part's columns as they are published.

    Of JSON lines the whole line goes through as it is written, beside the columns in which anything may change.
    """
    types = plan.types(part.schema)
    if isinstance(part, RawFile) and part.form == "lines":
        types = {LINE: pa.large_binary()} | {name: types[name] for name in plan.changing}
    return pa.schema(types)


def clean_rows(
    engine: Engine, plan: Plan, part: Part, *, start: int, stop: int, names: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The clean rows of one part, in source order.

    Parameters
    ----------
    start, stop
        The numbers of its rows.
    names
        The columns wanted; all of them if None.

    Raises
    ------
    PublishFailure
        The part no longer holds the rows that trace has read.
    """
    schema = clean_schema(plan, part)
    schema = schema if names is None else pa.schema([schema.field(name) for name in names])
    changed = changes(engine, plan, part, start=start, stop=stop)
    new = _Cells(engine.stream(changed)) if changed is not None else None
    tokens = _Tokens(engine, plan, stop)
    first = start
    read = [name for name in schema.names if name not in plan.tokens.values()] or schema.names[:1]
    for batch in ahead(part.batches(read)):
        last = first + batch.num_rows
        if last > stop:
            raise _other_rows(part)
        kept = np.flatnonzero(~plan.marks.gone[first:last])
        raw = batch if len(kept) == batch.num_rows else batch.filter(pa.array(~plan.marks.gone[first:last]))
        columns = dict(zip(read, raw.columns, strict=True)) | tokens.of_rows(kept + first)
        if new is not None:
            columns |= new.of_rows(kept + first, part)
        own = {field.name: _typed(columns[field.name], field.type) for field in schema}
        yield pa.record_batch(list(_redacted(own, plan, kept + first).values()), schema=schema)
        first = last
    if first != stop:
        raise _other_rows(part)


def _redacted(columns: dict[str, pa.Array], plan: Plan, rows: np.ndarray) -> dict[str, pa.Array]:
    """Union of the redactions of all references that hit; `set` after `redact`, texts of touched rows cleared."""
    source, marks = plan.reached.read.source, plan.marks
    acting = []
    for number, ref in enumerate(source.references):
        hit = marks.hit(number)[rows] if ref.redaction else None
        if ref.redaction and hit is not None and hit.any():
            acting.append((hit, ref.redaction))
    for number, (column, text) in enumerate(source.text.items()):
        if text.on_seal == "clear":
            columns[column] = _emptied(columns[column], marks.touched[rows] | marks.mentioned[number][rows])
    for hit, redaction in acting:
        for column in redaction.redact:
            columns[column] = _emptied(columns[column], hit)
    for hit, redaction in acting:
        for column, value in redaction.set.items():
            cells = columns[column]
            given = str(value) if pa.types.is_string(cells.type) and value is not None else value
            columns[column] = pa.compute.if_else(pa.array(hit), pa.scalar(given, cells.type), cells)
    return columns


def _emptied(column: pa.Array, which: np.ndarray) -> pa.Array:
    """The column with null in some cells."""
    return column.take(pa.array(np.arange(len(column)), mask=which)) if which.any() else column


class _Tokens:
    """Published tokens of a source's rows, some rows at a time."""

    def __init__(self, engine: Engine, plan: Plan, stop: int) -> None:
        self._engine, self._tokens, self._stop = engine, plan.reached.read.tokens, stop
        self._refs = plan.tokens
        self._first, self._last = 0, 0
        self._held: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def of_rows(self, rows: np.ndarray) -> dict[str, pa.Array]:
        """The columns that are published as tokens, of rows that follow those of the call before."""
        found = {}
        if self._refs and len(rows) and rows[-1] >= self._last:
            self._first, self._last = int(rows[0]), min(max(int(rows[0]) + _WINDOW, int(rows[-1]) + 1), self._stop)
            self._held = {number: self._read(number) for number in self._refs}
        for number, column in self._refs.items():
            if len(rows):
                there, hi, lo = (own[rows - self._first] for own in self._held[number])
                found[column] = _emptied(published(hi, lo), ~there)
            else:
                found[column] = pa.array([], pa.string())
        return found

    def _read(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own = self._tokens.filter(self._tokens.ref == number, self._tokens.row.between(self._first, self._last - 1))
        table = self._engine.fetch(own.select("row", "hi", "lo"))
        place = table["row"].to_numpy() - self._first
        there = np.zeros(self._last - self._first, bool)
        hi, lo = np.zeros(len(there), np.uint64), np.zeros(len(there), np.uint64)
        there[place], hi[place], lo[place] = True, table["hi"].to_numpy(), table["lo"].to_numpy()
        return there, hi, lo


class _Cells:
    """The columns that change, taken in step with the raw rows."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._next: pa.Table | None = None

    def of_rows(self, numbers: np.ndarray, part: Part) -> dict[str, pa.Array]:
        """The cells of the next rows, whose numbers must be these."""
        waiting = [] if self._next is None else [self._next]
        while sum(table.num_rows for table in waiting) < len(numbers):
            batch = next(self._batches, None)
            if batch is None:
                raise _other_rows(part)
            waiting.append(pa.Table.from_batches([batch]))
        if not waiting:
            return {}
        table = pa.concat_tables(waiting)
        self._next = table.slice(len(numbers))
        own = table.slice(0, len(numbers))
        if not np.array_equal(own[ROW].to_numpy(), numbers):
            raise _other_rows(part)
        return {name: own[name].combine_chunks() for name in own.column_names if name != ROW}


def _typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column without dictionaries, as the type that is published."""
    return column if column.type == kind else column.cast(kind)


def _other_rows(part: Part) -> PublishFailure:
    remedy = "strip again when nobody writes to it"
    return PublishFailure(Fault("changed while it was being stripped; nothing was published", remedy, where=part.name))
