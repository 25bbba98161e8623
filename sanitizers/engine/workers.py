"""What runs on the workers of a cluster: raw files in, tokens, mentions or rows out.

Nothing here raises: Spark would write the text of an exception, which may quote the data, into the logs of its workers.
What goes wrong is sent as a fault and raised where the run was started.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa

from sanitizers.engine.contract import Engine, Lookup, Part, Tally, found_mentions, found_tokens
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.types import plain
from sanitizers.errors import EngineFailure, Fault, SealproofError
from sanitizers.identifiers import Key, Kind

P = TypeVar("P")
R = TypeVar("R")
NOTE = "note"
PLACE = 40  # bits of a row's number within its file; what is above them is the number of the file
Found = Callable[[Part, Tally], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Failed:
    """What went wrong on a worker.

    Parameters
    ----------
    kind
        The class of the error that is to be raised.
    told
        What it is made of: faults, or what the system says.
    """

    kind: type[SealproofError | OSError]
    told: tuple[Any, ...]

    @classmethod
    def by(cls, error: Exception) -> Failed:
        """What an error comes to, without its text unless it is ours."""
        if isinstance(error, SealproofError):
            return cls(type(error), error.faults)
        if isinstance(error, OSError) and error.errno:
            return cls(OSError, (error.errno, os.strerror(error.errno)))
        remedy = "its message is withheld, because it may quote the data"
        return cls(EngineFailure, (Fault(f"a worker failed ({type(error).__name__})", remedy),))

    def failure(self) -> SealproofError | OSError:
        """The error to raise."""
        return self.kind(*self.told)


def sendable(kind: pa.DataType) -> pa.DataType:
    """The type in which a column goes through Spark, which knows no dictionaries and no numbers without a sign."""
    kind = plain(kind)
    if pa.types.is_uint64(kind):
        return pa.int64()
    if pa.types.is_large_string(kind):
        return pa.string()
    return pa.binary() if pa.types.is_large_binary(kind) else kind


def sent(batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
    """The same rows in types that Spark has; whole numbers of 64 bits without a sign keep their bits."""
    for place, field in enumerate(batch.schema):
        if (kind := sendable(field.type)) != field.type:
            batch = batch.set_column(place, field.name, as_bits(batch.column(place), kind))
    return batch


def as_bits(column: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """A column in another type: between numbers of 64 bits with and without a sign the bits stay, else the values."""
    if {column.type, kind} == {pa.int64(), pa.uint64()}:
        return column.view(kind) if isinstance(column, pa.Array) else _viewed(column, kind)
    return column if column.type == kind else column.cast(kind)


def _viewed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)


@dataclass(frozen=True, repr=False)
class Spread:
    """Work on the parts of one source, one task for each: what `found` says of a part, and a note of what was read.

    Parameters
    ----------
    start
        Number of the first row of each part, if it is known; else rows are counted within their part.
    schema
        Of what is found.
    folder
        The folder in which the run was started: paths are relative to it.
    """

    found: Found
    parts: Sequence[Part]
    start: Sequence[int] | None
    schema: pa.Schema
    folder: str

    def __repr__(self) -> str:
        return f"Spread({len(self.parts)} parts)"

    def __call__(self, tasks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Do the tasks: batches of numbers of parts."""
        for number in (number for task in tasks for number in task.column(0).to_pylist()):
            try:
                yield from self._batches(number)
            except Exception as error:  # noqa: BLE001 - see the head of this file
                yield self._noted(Failed.by(error))

    def _batches(self, number: int) -> Iterator[pa.RecordBatch]:
        os.chdir(self.folder)
        tally = Tally([0])
        first = self.start[number] if self.start else number << PLACE
        for batch in self.found(self.parts[number], tally):
            place = batch.schema.get_field_index("row")
            rows = batch.column(place).to_numpy()
            rows = np.where(rows < 0, rows - number, rows + first)  # below 0 are sentinels, -1 in the first part
            own = sent(batch.set_column(place, "row", pa.array(rows, pa.int64())))
            yield pa.record_batch([*own.columns, pa.nulls(len(own), pa.binary())], schema=self.sent_schema)
        yield self._noted((number, tally))

    @property
    def sent_schema(self) -> pa.Schema:
        """Of what goes through Spark."""
        columns = [pa.field(field.name, sendable(field.type)) for field in self.schema]
        return pa.schema([*columns, pa.field(NOTE, pa.binary())])

    def _noted(self, told: tuple[int, Tally] | Failed) -> pa.RecordBatch:
        cells = [pa.nulls(1, sendable(field.type)) for field in self.schema]
        return pa.record_batch([*cells, pa.array([pickle.dumps(told)], pa.binary())], schema=self.sent_schema)


def tokens_found(part: Part, tally: Tally, *, lookups: Sequence[Lookup], secret: str) -> Iterator[pa.RecordBatch]:
    """See `found_tokens`."""
    return found_tokens([part], lookups, Key(secret), tally)


def mentions_found(
    part: Part, tally: Tally, *, texts: dict[int, tuple[str, dict[str, Kind]]], secret: str
) -> Iterator[pa.RecordBatch]:
    """See `found_mentions`."""
    return found_mentions([part], texts, Key(secret), tally)


def rows_found(part: Part, tally: Tally, *, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a part, with their number."""
    first = 0
    for batch in part.batches(schema.names[:-1]):
        last = first + batch.num_rows
        yield pa.record_batch([*batch.columns, pa.array(np.arange(first, last))], names=[*batch.schema.names, "row"])
        first = last
    tally.start.append(first)


@dataclass(frozen=True, repr=False)
class Alone(Generic[P, R]):
    """Work on a piece, with an engine that this worker has for itself.

    Parameters
    ----------
    scratch
        The run's private folder, for what that engine spills.
    folder
        See `Spread`.
    """

    work: Callable[[Engine, P], R]
    scratch: Path
    folder: str

    def __repr__(self) -> str:
        return "Alone()"

    def __call__(self, piece: P) -> R | Failed:
        """Do it; what goes wrong is told."""
        try:
            os.chdir(self.folder)
            with tempfile.TemporaryDirectory(dir=self.scratch) as own, DuckDB(Path(own)) as engine:
                return self.work(engine, piece)
        except Exception as error:  # noqa: BLE001 - see the head of this file
            return Failed.by(error)

