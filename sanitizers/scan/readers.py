"""Readers: any file as columns of cells, without running anything that it holds.

Pickles are not opened: a file that would have to be executed to be read is not read.
"""

from __future__ import annotations

import csv
import io
import itertools
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from sanitizers.documents import other_delimiter
from sanitizers.engine.forms import ROWS, RawFile, Reading
from sanitizers.engine.lines import Keys
from sanitizers.errors import Fault, SourceFailure
from sanitizers.scan.arrays import read_array, unfold_array
from sanitizers.scan.hidden import behind, between, unused, words_in
from sanitizers.scan.unfold import words_of

TABLES = {".parquet", ".csv", ".tsv", ".arrow", ".feather"}
TEXTS = {".json", ".jsonl", ".ndjson", ".txt", ".md", ".html", ".xml", ".yaml", ".yml", ".sql", ".py", ".log", ".toml"}
LINES = {".jsonl", ".ndjson"}
ARCHIVES = {".skops", ".zip", ".npz"}
SHOWN_WHOLE = TEXTS | {".csv", ".tsv"}
POINTERS = {".dvc"}
HOUSEKEEPING = {".gitignore", ".gitkeep", ".gitattributes"}
UNREADABLE = (
    OSError, ValueError, pa.ArrowException, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, csv.Error,
    RuntimeError,  # a zip member that is encrypted, or compressed in a way that is not known
)  # fmt: skip
_LINES = 20_000
_SEAM = 64
_DEEPEST = 8


@dataclass(frozen=True)
class Cells:
    """Some rows of a file.

    Parameters
    ----------
    table
        The rows. A text is one column ``text`` with a cell per line.
    tabular
        Whether the columns have the names that the file gives them.
    unsearched
        Name of a piece of the file that cannot be searched, in place of its cells.
    words
        Whether these are the words of the file's plain bytes, where an identifier counts only as it is written.
    """

    table: pa.RecordBatch
    tabular: bool
    unsearched: str = ""
    words: bool = False


def cells(path: Path, reading: Reading | None = None, *, named: Sequence[str] = ()) -> Iterator[Cells]:
    """Read a file's cells.

    Parameters
    ----------
    reading
        How a file of a source is written; None for any other file.
    named
        Keys that the policy names, where it is a file of JSON lines: a line may lack them.

    Raises
    ------
    SourceFailure
        It cannot be read to its end.
    """
    fault = None
    try:
        if path.name not in HOUSEKEEPING and path.suffix.lower() not in SHOWN_WHOLE:
            with path.open("rb") as content:
                yield from _words(content)
        yield from _cells(path, path.suffix.lower(), reading, named)
    except UNREADABLE:
        fault = Fault("cannot be read to its end", "make it again", where=str(path))
    if fault:
        raise SourceFailure(fault)


def _cells(path: Path, ending: str, reading: Reading | None, named: Sequence[str]) -> Iterator[Cells]:
    """What a file's reader shows; nothing of a file that no reader opens."""
    if ending == ".parquet":
        file = RawFile(path, path.name, reading or Reading())
        yield from _said(pa.parquet.read_schema(path))
        yield from (Cells(batch, tabular=True) for batch in file.batches(file.schema.names))
        yield from _unused(str(path))
    elif ending in (".csv", ".tsv"):
        file = RawFile(path, path.name, reading or _guessed(path, "\t" if ending == ".tsv" else ","))
        yield from _said(file.csv_schema)
        yield from (Cells(batch, tabular=True) for batch in file.csv_batches(file.csv_schema.names))
    elif ending in LINES and reading:
        yield from _json_lines(path, named)
    elif ending in (".arrow", ".feather"):
        with pa.memory_map(str(path)) as source:
            yield from _arrow(source)
    elif path.name in HOUSEKEEPING:
        yield from _lines(io.StringIO(_housekeeping(path)))
    elif ending in TEXTS:
        with path.open(encoding="utf-8", errors="replace") as text:
            yield from _lines(text)
        if ending in LINES:
            with suppress(SourceFailure):  # any file may be called so; its text has been searched
                yield from _json_lines(path, ())
    elif ending == ".npy":
        with path.open("rb") as stream:
            yield from _array(stream, path.name)
    elif ending in ARCHIVES:
        yield from _archive(path)


def _json_lines(path: Path, named: Sequence[str]) -> Iterator[Cells]:
    file = RawFile(path, path.name, Reading(), Keys((path,), tuple(named)))
    yield from _said(file.schema)
    yield from (Cells(batch, tabular=True) for batch in file.batches(file.schema.names))


def _guessed(path: Path, usual: str) -> Reading:
    """How a CSV file of no source is written: another delimiter counts where the usual one parts nothing."""
    usually = Reading(delimiter=usual)
    other = other_delimiter(RawFile(path, path.name, usually).csv_schema.names)
    return Reading(delimiter=other) if other else usually


def _words(stream: IO[bytes]) -> Iterator[Cells]:
    for words in words_in(stream):
        yield replace(_column("plain bytes", pa.array(words, pa.binary()).cast(pa.string())), words=True)


def _unused(source: str | pa.NativeFile) -> Iterator[Cells]:
    for values in unused(source):
        if len(values):
            yield _column("dictionary", values)


def _arrow(source: pa.NativeFile) -> Iterator[Cells]:
    reader = pa.ipc.open_file(source)
    yield from _said(reader.schema)
    for number in range(reader.num_record_batches):
        batch, metadata = reader.get_batch_with_custom_metadata(number)
        yield Cells(batch, tabular=True)
        yield _column("names and metadata", list(words_of(pa.schema([], metadata))))
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            yield from (_column(f"behind {name}", part) for part in behind(column) if len(part))


def _column(name: str, cells: Sequence[str] | np.ndarray | pa.Array) -> Cells:
    given = pa.array(cells, pa.string()) if isinstance(cells, Sequence) else pa.array(cells)
    return Cells(pa.record_batch({name: given}), tabular=False)


def _said(schema: pa.Schema) -> Iterator[Cells]:
    """What a file says beside its cells."""
    yield _column("names and metadata", list(words_of(schema)))


def _housekeeping(path: Path) -> str:
    """A text that the gate will ignore: whatever is no text is not searched as one."""
    text = path.read_text(encoding="utf-8")
    if "\0" in text:
        raise ValueError
    return text


def _lines(stream: io.TextIOBase) -> Iterator[Cells]:
    last = ""
    while lines := stream.readlines(_LINES * 50):
        yield _column("text", [*lines, *_seams([last, *lines])])
        last = next((line for line in reversed(lines) if line.strip()), last)


def _seams(lines: list[str]) -> list[str]:
    """Where lines meet: an identifier may be broken over their ends."""
    full = [line.strip() for line in lines]
    pairs = itertools.pairwise(line for line in full if line)
    return [f"{before[-_SEAM:]} {after[:_SEAM]}" for before, after in pairs]


def _array(stream: IO[bytes], name: str) -> Iterator[Cells]:
    yield from (_column(name, part) for part in unfold_array(read_array(stream)))


# -- archives ---------------------------------------------------------------------------------------------------------


def _archive(file: Path | IO[bytes], depth: int = 0) -> Iterator[Cells]:
    """The members of an archive, read in memory: nothing of it is written to disk in clear."""
    numbers: list[np.ndarray] = []  # gathered, like the texts of arrays: a model has thousands of small arrays
    texts: list[np.ndarray] = []
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        beside = [archive.comment, *(text for entry in entries for text in (entry.comment, entry.extra))]
        words = [*(entry.orig_filename for entry in entries), *(text.decode("utf-8", "replace") for text in beside)]
        yield _column("names in the archive", words)
        for entry in entries:
            try:
                content = archive.read(entry)
                if _ending(entry.filename) == ".npy":
                    for part in unfold_array(read_array(io.BytesIO(content))):
                        (numbers if part.dtype.kind == "u" else texts).append(part)
                else:
                    yield from _member(content, _ending(entry.filename), depth)
            except UNREADABLE:
                yield Cells(_column("", []).table, tabular=False, unsearched=entry.filename)
        for piece in between(archive):
            yield from _beside(piece, depth)
    if numbers:
        yield _column("numbers in the archive", np.unique(np.concatenate(numbers)))
    if texts:
        yield _column("texts in the archive", sorted({text for part in texts for text in part.tolist()}))


def _beside(piece: bytes, depth: int) -> Iterator[Cells]:
    """Bytes that belong to no member: what is no text, a member that was deleted, can be searched in part only."""
    if not piece.strip(b"\0"):
        return
    try:
        yield from _member(piece, "", depth)
    except UNREADABLE:
        yield from _lines(io.StringIO(piece.decode("utf-8", "replace")))
        yield Cells(_column("", []).table, tabular=False, unsearched="bytes beside the members")


def _member(content: bytes, ending: str, depth: int) -> Iterator[Cells]:
    if ending == ".parquet":
        with pa.parquet.ParquetFile(pa.BufferReader(content)) as file:
            yield from _said(file.schema_arrow)
            yield from (Cells(batch, tabular=False) for batch in file.iter_batches(batch_size=ROWS))
        yield from _unused(pa.BufferReader(content))
        yield from _words(io.BytesIO(content))
    elif ending in (".arrow", ".feather"):
        yield from (replace(piece, tabular=False) for piece in _arrow(pa.BufferReader(content)))
        yield from _words(io.BytesIO(content))
    elif ending in ARCHIVES:
        if depth == _DEEPEST:
            raise ValueError
        yield from _archive(io.BytesIO(content), depth + 1)
    else:
        known = ending in TEXTS | TABLES
        text = content.decode("utf-8", "replace" if known else "strict")
        if "\0" in text and not known:
            raise ValueError
        yield from _lines(io.StringIO(text))
        yield from _loose_cells(text) if ending in TABLES else ()


def _loose_cells(text: str) -> Iterator[Cells]:
    """Cells of a CSV file of which no policy says how it is written, each by itself: numbers may have lost zeros."""
    stream = io.StringIO(text, newline="")
    header = stream.readline()
    stream.seek(0)
    rows = csv.reader(stream, delimiter=max(",;\t|", key=header.count))
    while some := list(itertools.islice(rows, _LINES)):
        yield _column("cells", [cell for row in some for cell in row])


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
