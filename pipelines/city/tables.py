"""How a city becomes files: tables, written block by block.

A record system is a few tables; a table says which events may write a row, how a block of them becomes rows, and which
file a row goes to. The files depend on neither the events nor their number: an empty one has a header or a schema.

Beside its cells, a block of rows tells which arrests they hang on, in columns that are not written: `any_of`, `all_of`
and `each_of` name them. `record.py` makes the event record from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city.forms import HELD, Form, Parquet, Sink
from pipelines.city.layout import FIRST_YEAR, YEAR, Layout
from pipelines.city.records import City, blocks
from pipelines.city.world import Ids


@dataclass(frozen=True)
class Tie:
    """What hangs on which arrests, as the name of a column of arrests.

    Attributes
    ----------
    mode : str
        ``any`` of the arrests takes the cells with it, ``all`` of them do, or ``each`` its own element of a list.
    columns : tuple of str
        Of these cells; none for the whole row.
    """

    mode: str
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The column's name."""
        return f"with {self.mode}: {','.join(self.columns)}"

    @classmethod
    def named(cls, name: str) -> Tie | None:
        """Return the tie that a column's name tells, None for a column of cells."""
        mode, _, columns = name.removeprefix("with ").partition(": ")
        tie = cls(mode, tuple(columns.split(",")) if columns else ())
        return tie if tie.name == name else None


def any_of(*columns: str) -> str:
    """Name the column of the arrests any of which takes these cells with it; the row, if none is named."""
    return Tie("any", columns).name


def all_of(*columns: str) -> str:
    """Name the column of the arrests that only all together take these cells, or the row, with them."""
    return Tie("all", columns).name


def each_of(column: str) -> str:
    """Name the column of the arrests that each take an element of a list column with them."""
    return Tie("each", (column,)).name


def several(arrests: Ids) -> pa.Array:
    """Return arrests of shape (n, k), filled up with -1, as one column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(arrests.ravel()), arrests.shape[1])


@dataclass(frozen=True)
class Table:
    """One table of a record system.

    Attributes
    ----------
    path : str
        Below the city's folder; ``{part}`` stands where files differ in name.
    schema : pyarrow.Schema
        Columns of `rows` that are written, in order.
    events : callable
        City to the ids of all events that might write a row, in row order.
    rows : callable
        City and a block of event ids to rows.
    key : tuple of str
        The columns that tell rows apart.
    per_arrest : float
        About how many rows an arrest of the city brings about.
    day_of : str
        The date column that picks the file, written or not; none for a table in one file.
    longest : int
        Months that one file may hold.
    form : Form
        How it is kept.
    server : str
        Its name in PostgreSQL, where it is kept there if there is one.
    """

    path: str
    schema: pa.Schema
    events: Callable[[City], Sequence[int] | Ids]
    rows: Callable[[City, Ids], pa.Table]
    key: tuple[str, ...] = ()
    per_arrest: float = 0.0
    day_of: str = ""
    longest: int = 7 * YEAR
    form: Form = Parquet()
    server: str = ""

    @property
    def pattern(self) -> str:
        """The pattern that its files match, however they are parted."""
        return self.path.format(part="*", start="*")


@dataclass(frozen=True)
class System:
    """A record system: a name and its tables."""

    name: str
    tables: tuple[Table, ...]


def write_table(table: Table, city: City, out: Path, *, layout: Layout, tick: Callable[[int], None]) -> int:
    """Write one table below a folder and return its number of rows.

    `tick` is called with the number of events done after each block.
    """
    written = 0
    held = HELD if layout.months < YEAR else 0
    layout.clear(out, table.pattern)
    with ExitStack() as stack:
        sinks = []
        for path in layout.paths(table.path):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            sinks.append(table.form.open(out / path, table.schema, held=held))
            stack.callback(sinks[-1].close)
        for events in blocks(table.events(city)):
            rows = table.rows(city, events)
            for sink, part in _parts(rows, table, layout, sinks):
                sink.write(part.select(table.schema.names).cast(table.schema))
            written += rows.num_rows
            tick(len(events))
    return written


def _parts(rows: pa.Table, table: Table, layout: Layout, sinks: Sequence[Sink]) -> Iterator[tuple[Sink, pa.Table]]:
    """Part rows by the file that they go to, in their order."""
    if len(sinks) == 1:
        yield sinks[0], rows
        return
    days = rows[table.day_of]
    month = (np.asarray(pc.year(days)) - FIRST_YEAR) * YEAR + np.asarray(pc.month(days)) - 1
    file = layout.file_of(month)
    for number in np.unique(file):
        yield sinks[number], rows.filter(pa.array(file == number))
