"""The event record: why each row, cell and list element goes once the barred arrests are taken to have never happened.

It is made from what every system tells of its rows, not by comparing a city with its twin; that both agree is a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from pipelines.city import spelling
from pipelines.city.records import City, blocks
from pipelines.city.tables import Table, Tie
from pipelines.city.world import Ids, Mask

PATH = "event_record.parquet"
SCHEMA = pa.schema(
    [
        ("table", pa.string()),  # the pattern of its files
        ("key", pa.string()),  # as the cells are written, joined by "|"
        ("column", pa.string()),  # empty: the whole row goes
        ("element", pa.int16()),  # position in a list; -1: the cell changes
        ("arrest_number", pa.string()),  # barred; a row of the record for each that explains it
    ]
)


def write_record(tables: Sequence[Table], city: City, out: Path) -> int:
    """Write the event record of a city that has all of its arrests, and return its number of rows."""
    written = 0
    with pa.parquet.ParquetWriter(out / PATH, SCHEMA, compression="zstd") as writer:
        for table in tables:
            for events in blocks(table.events(city)):
                for found in _record(table, city, table.rows(city, events)):
                    writer.write_table(found)
                    written += found.num_rows
    return written


def _record(table: Table, city: City, rows: pa.Table) -> Iterator[pa.Table]:
    texts = [rows[name].cast(pa.string()).combine_chunks() for name in table.key]
    key = pc.binary_join_element_wise(*texts, "|")
    ties = sorted(filter(None, map(Tie.named, rows.column_names)), key=lambda tie: len(tie.columns))  # rows first
    gone = np.zeros(rows.num_rows, bool)
    for tie in ties:
        row, element, arrest = _falling(rows[tie.name].combine_chunks(), city.barred, every=tie.mode == "all")
        if not tie.columns:
            gone[row] = True
        for column in tie.columns or ("",):
            there = _filled(rows[column].combine_chunks())[row] & ~gone[row] if column else np.ones(len(row), bool)
            yield pa.table(
                {
                    "table": pa.repeat(table.pattern, there.sum()),
                    "key": key.take(pa.array(row[there])),
                    "column": pa.repeat(column, there.sum()),
                    "element": element[there] if tie.mode == "each" else np.full(there.sum(), -1),
                    "arrest_number": spelling.arrest_numbers(city.world, arrest[there]).compact(),
                }
            ).cast(SCHEMA)


def _falling(arrests: pa.Array, barred: Mask, *, every: bool) -> tuple[Ids, Ids, Ids]:
    """Return (row, position in its list, arrest) of barred arrests; with `every`, of rows that hold no other."""
    if pa.types.is_integer(arrests.type):
        row, element, arrest = np.arange(len(arrests)), np.zeros(len(arrests), np.int64), np.asarray(arrests)
    else:
        row = np.asarray(pc.list_parent_indices(arrests)).astype(np.int64)
        arrest = np.asarray(pc.list_flatten(arrests)).astype(np.int64)
        element = np.arange(len(row)) - np.searchsorted(row, row)
    there = arrest >= 0
    falls = there & barred[arrest]
    if every:
        stays = np.zeros(len(arrests), bool)
        stays[row[there & ~falls]] = True
        falls &= ~stays[row]
    return row[falls], element[falls], arrest[falls]


def _filled(cells: pa.Array) -> Mask:
    """Say which cells hold anything that could go."""
    filled = cells.is_valid()
    if pa.types.is_string(cells.type):
        filled = pc.and_kleene(filled, pc.not_equal(cells, ""))
    return np.asarray(filled.fill_null(False))
