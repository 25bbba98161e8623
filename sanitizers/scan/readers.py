"""Readers: any file as columns of cells, without running anything that it holds.

Pickles are not opened: a file that would have to be executed to be read is not read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from sanitizers.engine.forms import RawFile, Reading
from sanitizers.errors import Fault, SourceFailure
from sanitizers.scan.unfold import words_of

TABLES = {".parquet", ".csv", ".tsv", ".arrow", ".feather"}
TEXTS = {".json", ".jsonl", ".ndjson", ".txt", ".md", ".html", ".xml", ".yaml", ".yml", ".sql", ".py", ".log", ".toml"}
ARCHIVES = {".skops", ".zip", ".npz"}
POINTERS = {".dvc"}
HOUSEKEEPING = {".gitignore", ".gitkeep", ".gitattributes"}
_LINES = 20_000


@dataclass(frozen=True)
class Cells:
    """Some rows of a file.

    Parameters
    ----------
    table
        The rows. A text is one column ``text`` with a cell per line.
    tabular
        Whether the columns have the names that the file gives them.
    """

    table: pa.RecordBatch
    tabular: bool


def readable(path: Path) -> bool:
    """Whether a file of this name can be read."""
    return path.name in HOUSEKEEPING or path.suffix.lower() in TABLES | TEXTS | ARCHIVES | {".npy"}


def cells(path: Path, reading: Reading | None = None) -> Iterator[Cells]:
    """Read a file's cells.

    Raises
    ------
    SourceFailure
        It cannot be read to its end.
    """
    ending = path.suffix.lower()
    fault = None
    try:
        if ending in (".parquet", ".csv", ".tsv"):
            given = reading or Reading(delimiter="\t" if ending == ".tsv" else ",")
            file = RawFile(path, path.name, given)
            yield from _said(pa.parquet.read_schema(path) if ending == ".parquet" else file.csv_schema)
            yield from (Cells(batch, tabular=True) for batch in _rows(file, ending))
        elif ending in (".arrow", ".feather"):
            with pa.memory_map(str(path)) as source:
                reader = pa.ipc.open_file(source)
                yield from _said(reader.schema)
                yield from (Cells(reader.get_batch(i), tabular=True) for i in range(reader.num_record_batches))
        elif path.name in HOUSEKEEPING:
            yield from _lines(io.StringIO(_housekeeping(path)))
        elif ending in TEXTS:
            with path.open(encoding="utf-8", errors="replace") as stream:
                yield from _lines(stream)
        elif ending == ".npy":
            yield from _array(np.load(path, allow_pickle=False), path.name)
        else:
            yield from _archive(path)
    except (OSError, ValueError, pa.ArrowException, zipfile.BadZipFile, EOFError):
        fault = Fault("cannot be read to its end", "make it again", where=str(path))
    if fault:
        raise SourceFailure(fault)


def _rows(file: RawFile, ending: str) -> Iterator[pa.RecordBatch]:
    if ending == ".parquet":
        yield from file.batches(file.schema.names)
    else:
        yield from file.csv_batches(file.csv_schema.names)


def _said(schema: pa.Schema) -> Iterator[Cells]:
    """What a file says beside its cells."""
    yield Cells(pa.record_batch({"names and metadata": pa.array(words_of(schema), pa.string())}), tabular=False)


def _housekeeping(path: Path) -> str:
    """A text that the gate will ignore: whatever is no text is not searched as one."""
    text = path.read_text(encoding="utf-8")
    if "\0" in text:
        raise ValueError
    return text


def _lines(stream: io.TextIOBase) -> Iterator[Cells]:
    while lines := stream.readlines(_LINES * 50):
        yield Cells(pa.record_batch({"text": pa.array(lines, pa.string())}), tabular=False)


def _array(array: np.ndarray, name: str) -> Iterator[Cells]:
    flat = array.ravel()
    if flat.dtype.kind in "US":
        yield Cells(pa.record_batch({name: pa.array(flat.astype(str), pa.string())}), tabular=False)
    elif flat.dtype.kind in "iu":
        yield Cells(pa.record_batch({name: pa.array(flat)}), tabular=False)


def _archive(path: Path) -> Iterator[Cells]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith(".npy"):
                try:
                    array = np.load(io.BytesIO(content), allow_pickle=False)
                except ValueError:
                    continue
                yield from _array(array, name)
            elif Path(name).suffix.lower() in TEXTS or b"\0" not in content:
                yield from _lines(io.StringIO(content.decode("utf-8", errors="replace")))
