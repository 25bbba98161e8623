"""Raw batches → clean batches: rows that go are left out, columns that change are put in, all else passes as it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from sanitizers.engine.contract import ROW, Engine, Part
from sanitizers.errors import Fault, PublishFailure
from sanitizers.strip.plan import Plan, changes


def clean_schema(plan: Plan, part: Part) -> pa.Schema:
    """Names and types of a part's columns as they are published."""
    return pa.schema(plan.types(part.schema))


def clean_rows(engine: Engine, plan: Plan, part: Part, *, start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """The clean rows of one part, in source order.

    Parameters
    ----------
    start, stop
        The numbers of its rows.

    Raises
    ------
    PublishFailure
        The part no longer holds the rows that trace has read.
    """
    schema = clean_schema(plan, part)
    changed = changes(engine, plan, part, start=start, stop=stop)
    new = _Cells(engine.stream(changed)) if changed is not None else None
    first = start
    for batch in part.batches(schema.names):
        kept = np.ones(batch.num_rows, bool)
        kept[plan.reached.gone_between(first, first + batch.num_rows) - first] = False
        columns = dict(zip(schema.names, batch.filter(pa.array(kept)).columns, strict=True))
        if new is not None:
            columns |= new.of_rows(np.flatnonzero(kept) + first, part)
        first += batch.num_rows
        cells = [_typed(columns[field.name], field.type) for field in schema]
        yield pa.record_batch(cells, schema=schema)
    if first != stop:
        raise _other_rows(part)


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
