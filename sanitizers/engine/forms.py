"""The forms that raw files come in, read as Arrow batches in file order.

CSV and JSON lines are read as text, so that no cell changes. A Parquet column that a seal may change, and whose type an
engine would change on the way, is refused by name: better no run than a silent change.
"""

from __future__ import annotations

import codecs
import csv
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic import Field, field_validator

from sanitizers.documents import Strict
from sanitizers.engine import lines
from sanitizers.engine.places import Place, leaves_of, place_of
from sanitizers.engine.types import without_views
from sanitizers.errors import ConfigurationError, Fault, Faults, SourceFailure

T = TypeVar("T")
Form = Literal["parquet", "csv", "lines"]
FORMS: dict[str, Form] = {".parquet": "parquet", ".csv": "csv"}
SOURCE_FORMS: dict[str, Form] = {**FORMS, ".jsonl": "lines", ".ndjson": "lines"}
ROWS = 122_880  # of a row group in DuckDB, which holds what comes in other numbers in a third more memory
_LINE, _COUNTED = 1 << 16, 1_000_000
_FROM_DISK: Any = {"pre_buffer": False, "buffer_size": 1 << 20}  # as it is given, the whole file is held in memory


class Reading(Strict):
    """How a CSV file is written."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"

    @field_validator("delimiter")
    @classmethod
    def _parts_cells(cls, delimiter: str) -> str:
        if delimiter in '"\r\n\0' or not delimiter.isascii():
            unfit = "a quote, the end of a line or a character outside ASCII cannot part cells"
            raise ValueError(f"{unfit}; write the character that does, as `;`")
        return delimiter


@dataclass(frozen=True)
class RawFile:
    """One file of a source.

    Parameters
    ----------
    path
        Where it lies.
    name
        Its path below the common folder of the sources: where it stands in the published folder.
    reading
        How it is written, if it is CSV.
    known
        The keys of its source, if it is JSON lines; its own if None.
    """

    path: Path
    name: str
    reading: Reading
    known: lines.Keys | None = None

    @property
    def form(self) -> Form:
        """The file's form, by its ending."""
        return SOURCE_FORMS[self.path.suffix.lower()]

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the columns; all text for CSV and JSON lines.

        Raises
        ------
        SourceFailure
            Not readable, truncated, a column name that stands twice.
        """
        if self.form == "lines":
            return (self.known or lines.Keys((self.path,))).schema
        return self._each_once(self._parquet_schema()) if self.form == "parquet" else self.csv_schema

    @property
    def told(self) -> lines.Told:
        """What JSON lines have."""
        return self.known.files[self.path] if self.known else lines.Told.by(self.path)

    @property
    def csv_schema(self) -> pa.Schema:
        """The columns of a CSV file, whatever its ending."""
        return self._each_once(pa.schema([(name, pa.string()) for name in self._header()]), line=1)

    def _each_once(self, schema: pa.Schema, line: int | None = None) -> pa.Schema:
        if len(set(schema.names)) < len(schema.names):
            raise SourceFailure(Fault("has a column name twice", "rename one", where=str(self.path), line=line))
        return schema

    def _parquet_schema(self) -> pa.Schema:
        try:
            return _without_views(pa.parquet.read_schema(self.path))
        except (pa.ArrowException, OSError) as error:
            fault = self._parquet_fault(error)
        raise SourceFailure(fault)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The file's rows in order, `columns` only.

        Parameters
        ----------
        columns
            Names of columns; of Parquet files also of places in them, of which no more is read than what is named.

        Raises
        ------
        SourceFailure
            The file cannot be read to its end; for CSV and JSON lines with the line.
        """
        if self.form != "parquet":
            yield from self.csv_batches(columns) if self.form == "csv" else lines.batches(self.path, columns)
            return
        fault = None
        try:
            with pa.parquet.ParquetFile(self.path, **_FROM_DISK) as file:
                own = set(self.schema.names)
                named = [Place(name) if name in own else place_of(name, self.schema) for name in columns]
                places = [place for place in named if place]
                names, leaves = list(dict.fromkeys(place.column for place in places)), _leaves(file, places)
                for batch in file.iter_batches(batch_size=ROWS, columns=leaves, use_threads=False):
                    rows = batch.select(names)
                    wanted = _without_views(rows.schema)
                    yield rows if rows.schema.equals(wanted) else rows.cast(wanted)
        except (pa.ArrowException, OSError) as error:
            fault = self._parquet_fault(error)
        if fault:
            raise SourceFailure(fault)

    def _parquet_fault(self, error: Exception) -> Fault:
        if isinstance(error, FileNotFoundError):
            return Fault("is not there", "name an existing file", where=str(self.path))
        if self._empty:
            return self._empty
        problem = "cannot be read as Parquet (truncated or damaged)"
        return Fault(problem, "deliver the file again", where=str(self.path))

    @property
    def written(self) -> Reading:
        """How a CSV file is written in fact: UTF-8 starts with a byte order mark in one file and not in another."""
        encoding = _codec(self.reading.encoding, self.path)
        if encoding in ("utf-8", "utf-8-sig"):
            with self.path.open("rb") as stream:
                encoding = "utf-8-sig" if stream.read(3) == codecs.BOM_UTF8 else "utf-8"
        return self.reading.model_copy(update={"encoding": encoding})

    @property
    def _empty(self) -> Fault | None:
        """The fault of a file without a byte, which is told apart: Arrow's readers do not end well on it."""
        if self.path.is_file() and not self.path.stat().st_size:
            return Fault("the file is empty", "deliver the file again", where=str(self.path))
        return None

    def _header(self) -> list[str]:
        fault = self._empty
        if fault:
            raise SourceFailure(fault)
        try:
            with self.path.open(encoding=self.written.encoding, newline="") as stream:
                names = next(csv.reader(stream, delimiter=self.reading.delimiter), [])
            if names:
                return names
            fault = Fault("has no header in its first line", "deliver the file again", where=str(self.path), line=1)
        except OSError as error:
            fault = Fault(f"cannot be read ({error.strerror})", "name an existing file", where=str(self.path))
        except UnicodeDecodeError:
            fault = self._encoding_fault()
        raise SourceFailure(fault)

    def _header_alone(self) -> bool:
        """Whether the file is one line without an end, which Arrow does not take for a header; no quote is open."""
        with self.path.open("rb") as stream:
            start = stream.read(_LINE)
        return len(start) < _LINE and not re.search(rb"[\r\n]", start) and start.count(b'"') % 2 == 0

    def csv_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a CSV file, whatever its ending."""
        ragged: list[pa.csv.InvalidRow] = []

        def refuse(row: pa.csv.InvalidRow) -> str:
            ragged.append(row)
            return "error"

        schema = self.csv_schema
        if self._header_alone():
            return
        problem = False
        try:
            reader = pa.csv.open_csv(
                self.path,
                read_options=pa.csv.ReadOptions(encoding=self.reading.encoding, use_threads=True, block_size=1 << 24),
                parse_options=pa.csv.ParseOptions(
                    delimiter=self.reading.delimiter, newlines_in_values=True, invalid_row_handler=refuse
                ),
                convert_options=pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(schema.names, pa.string()),
                    include_columns=list(columns),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,  # an empty cell is an empty cell, with quotes or without
                ),
            )
            yield from reader
        except (pa.ArrowException, OSError, UnicodeError):
            problem = True
        if problem:
            raise SourceFailure(self._csv_fault(ragged))

    def _csv_fault(self, ragged: list[pa.csv.InvalidRow]) -> Fault:
        if ragged:
            fields = f"has {ragged[0].actual_columns} fields where the header has {ragged[0].expected_columns}"
            return Fault(fields, "quote the cell or mend the row", where=str(self.path), line=self._ragged_line())
        return self._encoding_fault()

    def _ragged_line(self) -> int | None:
        width = len(self.schema.names)
        with self.path.open(encoding=self.reading.encoding, errors="replace", newline="") as stream:
            reader = csv.reader(stream, delimiter=self.reading.delimiter)
            try:
                return next((reader.line_num for row in reader if row and len(row) != width), None)
            except csv.Error:
                return None

    def line_of(self, row: int) -> int | None:
        """Line on which a row of a text file starts; None where nobody knows, or to count would take long.

        Parameters
        ----------
        row
            Counted from 0, without the header.
        """
        if self.form == "parquet" or row > _COUNTED:
            return None
        if self.form == "lines":
            return lines.line_of(self.path, row)
        try:
            with self.path.open(encoding=self.written.encoding, newline="") as stream:
                return _start_of(csv.reader(stream, delimiter=self.reading.delimiter), row + 1)
        except (OSError, UnicodeError, csv.Error):
            return None

    def _encoding_fault(self) -> Fault:
        """Which line is not in the encoding that the policy names."""
        with self.path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    line.decode(self.reading.encoding)
                except UnicodeDecodeError:
                    remedy = "name its encoding: `read: {encoding: cp1252}`"
                    problem = f"is not {self.reading.encoding}"
                    return Fault(problem, remedy, where=str(self.path), line=number)
        return Fault("is not CSV to its end", "deliver the file again", where=str(self.path))


def _without_views(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(without_views(field.type)) for field in schema])


def _leaves(file: pa.parquet.ParquetFile, places: Sequence[Place]) -> list[str]:
    """What Parquet has to read for some places: paths of its own columns, which are the leaves of a schema in order."""
    leaves = [place for field in file.schema_arrow for place in leaves_of(field)]
    if len(leaves) != len(file.schema):
        return [place.column for place in places]
    wanted = [any(place.covers(leaf) for place in places) for leaf in leaves]
    return [file.schema.column(number).path for number in range(len(leaves)) if wanted[number]]


def _start_of(reader: Any, number: int) -> int | None:
    """Line on which the row of this number, the header's being 0, starts; blank lines are no rows."""
    start = 1
    for cells in reader:
        number -= bool(cells)
        if number < 0:
            return start
        start = reader.line_num + 1
    return None


def _codec(name: str, path: Path) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        pass
    raise ConfigurationError(Fault("no such encoding", "write `utf-8` or `cp1252`", where=str(path), column="encoding"))


def files_of(
    pattern: str, reading: Reading, *, folder: Path, root: Path, named: Sequence[str] = ()
) -> tuple[RawFile, ...]:
    """The files that a source's path names, sorted.

    Parameters
    ----------
    pattern
        Path of the source, with ``*`` allowed, relative to `folder`.
    root
        The common folder of all sources.
    named
        Columns that the policy names.

    Raises
    ------
    SourceFailure
        No such file, or one whose form is not known.
    """
    paths = sorted(Path(os.path.normpath(path)) for path in glob.glob(str(Path(glob.escape(str(folder))) / pattern)))  # noqa: PTH207 - the pattern may be absolute
    for place in _closed_places(folder, pattern):
        raise SourceFailure(Fault("may not be read: files in it would be left out", "ask for access", where=place))
    if not paths:
        raise SourceFailure(Fault("no such file", "mend `path` or bring the data", where=str(folder / pattern)))
    faults = Faults()
    for path in paths:
        if path.suffix.lower() not in SOURCE_FORMS:
            faults.say("is none of .parquet, .csv, .jsonl and .ndjson", "convert it, or narrow `path`", where=str(path))
        elif re.search(r"[*?\[]", str(path)):
            faults.say("has a wildcard in its name, which an engine would follow", "rename it", where=str(path))
        elif not Path(os.path.normpath(path.absolute())).is_relative_to(root):
            faults.say("lies outside of the sources' common folder", "name it without links and `..`", where=str(path))
    faults.stop(SourceFailure)
    keys = lines.Keys(tuple(path for path in paths if SOURCE_FORMS[path.suffix.lower()] == "lines"), tuple(named))
    return tuple(
        RawFile(path, Path(os.path.normpath(path.absolute())).relative_to(root).as_posix(), reading, keys)
        for path in paths
    )


def _closed_places(folder: Path, pattern: str) -> list[str]:
    """Folders on the way of a pattern that may not be looked into; `glob` passes them over in silence."""
    parts = Path(pattern).parts[:-1]
    ways = [Path(glob.escape(str(folder)), *parts[:count]) for count in range(len(parts) + 1)]
    found = {place for way in ways for place in glob.glob(str(way)) if Path(place).is_dir()}  # noqa: PTH207 - as above
    return sorted(place for place in found if not os.access(place, os.R_OK | os.X_OK))


def fixed_folder(pattern: str) -> Path:
    """The folder of a path up to its first wildcard, absolute.

    Examples
    --------
    >>> fixed_folder("/data/raw/arrests/*.parquet").as_posix()
    '/data/raw/arrests'
    """
    parts = Path(os.path.normpath(Path(pattern).absolute())).parts
    fixed = next((i for i, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts) - 1)
    return Path(*parts[:fixed])


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, the next one made while one is used."""
    stream = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, stream, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, stream, None)
            yield item
