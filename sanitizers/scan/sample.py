"""Sample: some rows of a source, from the start, the middle and the end of some of its files; never a whole pass.

A sample shows what a column is like. That something is nowhere in a source it cannot show.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet

from sanitizers.engine.contract import Part
from sanitizers.engine.forms import RawFile
from sanitizers.engine.lines import Block
from sanitizers.errors import Fault, SourceFailure

ROWS = 1000
BYTES = 1 << 18
_DEEPEST = 1 << 17  # rows of a row group that are decoded on the way to a place in it
_STEP = 250
_LAST = 2  # number of the last place


def sample(parts: Sequence[Part]) -> pa.Table:
    r"""Rows of a source: at most `ROWS` from each of three places of its first, middle and last part.

    Parts whose columns differ from the first one's are left out. Of CSV and JSON lines at most `BYTES` are read at each
    place; of Parquet at most 2**17 rows of a row group are decoded on the way to a place in it.

    Returns
    -------
    pa.Table
        The rows in the order of the source, with all columns; empty cells of CSV are null.

    Raises
    ------
    SourceFailure
        A part cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sanitizers.engine.forms import Reading
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("arrest,age\nM17654502,31\nK17000001,\n")
    >>> sample([RawFile(path, "a.csv", Reading())]).to_pydict()
    {'arrest': ['M17654502', 'K17000001'], 'age': ['31', None]}
    """
    chosen = [parts[place] for place in sorted({0, len(parts) // 2, len(parts) - 1})]
    tables = [pa.Table.from_batches(list(_rows_of(part)) or [_none_of(part)]) for part in chosen]
    alike = [table for table in tables if _lines(chosen[0]) or table.schema.equals(tables[0].schema)]
    return pa.concat_tables(alike, promote_options="default").combine_chunks()


def _lines(part: Part) -> bool:
    return isinstance(part, RawFile) and part.form == "lines"


def _none_of(part: Part) -> pa.RecordBatch:
    schema = pa.schema([]) if _lines(part) else part.schema
    return pa.RecordBatch.from_pylist([], schema)


def _rows_of(part: Part) -> Iterator[pa.RecordBatch]:
    if not isinstance(part, RawFile):
        yield from _first(part)
    elif part.form == "parquet":
        yield from _parquet(part)
    elif part.form == "lines":
        yield from _lines_of(part)
    elif "\n,".encode(part.written.encoding)[-2:] == b"\n,":
        yield from _csv(part)
    else:
        yield from _first(part)


def _first(part: Part) -> Iterator[pa.RecordBatch]:
    """The first rows of a part of which nothing else can be found without reading it."""
    yield from (batch.slice(0, ROWS) for batch in itertools.islice(part.batches(part.schema.names), 1))


# -- Parquet ----------------------------------------------------------------------------------------------------------


def _parquet(file: RawFile) -> Iterator[pa.RecordBatch]:
    schema, fault = file.schema, None
    try:
        with pa.parquet.ParquetFile(file.path, pre_buffer=False, buffer_size=1 << 20) as opened:
            for group, first in _places(opened.metadata):
                for batch in _group_rows(opened, group, first):
                    yield batch if batch.schema.equals(schema) else batch.cast(schema)
    except (pa.ArrowException, OSError):
        problem = "cannot be read as Parquet (truncated or damaged)"
        fault = Fault(problem, "deliver the file again", where=str(file.path))
    if fault:
        raise SourceFailure(fault)


def _places(metadata: pa.parquet.FileMetaData) -> list[tuple[int, int]]:
    """Row group and row in it of each place from which rows are taken."""
    sizes = (metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))
    starts = list(itertools.accumulate(sizes, initial=0))
    rows = starts[-1]
    firsts = [0, rows // 2, rows - ROWS] if rows > 3 * ROWS else range(0, rows, ROWS)
    found = []
    for first in firsts:
        group = max(n for n, start in enumerate(starts[:-1]) if start <= first)
        found.append((group, min(first - starts[group], _DEEPEST)))
    return found


def _group_rows(opened: pa.parquet.ParquetFile, group: int, first: int) -> Iterator[pa.RecordBatch]:
    """At most `ROWS` rows from a place in a row group on; fewer where they are large."""
    place, taken = 0, 0
    groups = list(range(group, opened.metadata.num_row_groups))
    for batch in opened.iter_batches(batch_size=_STEP, row_groups=groups, use_threads=False):
        own = batch.slice(max(first - place, 0)).slice(0, first + ROWS - max(place, first))
        place += batch.num_rows
        if own.num_rows:
            yield own
            taken += own.nbytes
        if place >= first + ROWS or taken > 16 * BYTES:
            return


# -- texts ------------------------------------------------------------------------------------------------------------


def _pieces(file: RawFile) -> list[bytes]:
    """Whole lines of a text file from its start, middle and end; all of it in one where it is small."""
    size = file.path.stat().st_size
    with file.path.open("rb") as stream:
        if size <= 3 * BYTES:
            return [_ended(stream.read())]
        pieces = []
        for first in (0, size // 2, size - BYTES):
            stream.seek(first)
            piece = stream.read(BYTES)
            piece = piece.partition(b"\n")[2] if first else piece
            piece = piece if first + BYTES >= size else piece.rpartition(b"\n")[0]
            pieces.append(_ended(piece))
    return pieces


def _ended(piece: bytes) -> bytes:
    return piece if piece.endswith(b"\n") or not piece else piece + b"\n"


def _lines_of(file: RawFile) -> Iterator[pa.RecordBatch]:
    pieces = [piece.removeprefix(codecs.BOM_UTF8) for piece in _pieces(file)]
    blocks = [Block(piece, where=str(file.path)) for piece in pieces if piece]
    names = list(dict.fromkeys(name for block in blocks for name in block.names))
    most = 3 * ROWS // len(pieces)
    for number, block in enumerate(blocks if names else ()):
        rows = pa.record_batch([block.column(name) for name in names], names=names)
        yield rows.slice(max(rows.num_rows - most, 0) if number == _LAST else 0, most)


def _csv(file: RawFile) -> Iterator[pa.RecordBatch]:
    schema, encoding, pieces = file.schema, file.written.encoding, _pieces(file)
    bad = False
    try:
        for number, piece in enumerate(pieces):
            text = piece.decode(encoding)
            rows = _within(text, file) if number else _cells(text, file)[1:]
            whole, most = [row for row in rows if len(row) == len(schema)], 3 * ROWS // len(pieces)
            cells = whole[-most:] if number == _LAST else whole[:most]
            columns = list(zip(*cells, strict=True)) or [()] * len(schema)
            yield pa.record_batch([pa.array([cell or None for cell in own], pa.string()) for own in columns], schema)
    except UnicodeDecodeError:
        bad = True
    if bad:
        remedy = "name its encoding: `read: {encoding: cp1252}`"
        raise SourceFailure(Fault(f"is not {file.reading.encoding}", remedy, where=str(file.path)))


def _within(text: str, file: RawFile) -> list[list[str]]:
    """Rows from the middle of a CSV file, where nobody knows whether a quote is open: what gives more rows is right."""
    width = len(file.schema)
    readings = [_cells(text, file), _cells('"' + text, file)[1:]]
    return max(readings, key=lambda rows: sum(len(row) == width for row in rows))


def _cells(text: str, file: RawFile) -> list[list[str]]:
    rows: list[list[str]] = []
    with suppress(csv.Error):  # a cell too large for a sample: what stands before it is taken
        rows.extend(csv.reader(io.StringIO(text, newline=""), delimiter=file.reading.delimiter))
    return rows
