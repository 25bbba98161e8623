"""Hidden: what a file holds that its readers do not show, where a record could outlive the rows it stood in.

Arrow files keep what lies under a null and what no list refers to, Parquet dictionaries values that no row has, an
archive a member that its directory forgot. And every file is bytes, which are searched for words as they stand.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from sanitizers.scan.unfold import DATES, LISTS, PLAIN, TEXTS, VIEWS

_IS = pa.types
_WORD = re.compile(rb"(?<![0-9A-Za-z])[0-9A-Za-z]{5,64}(?![0-9A-Za-z])")
_ALNUM = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONGEST = 64
_BLOCK = 1 << 24
_VIEW = np.dtype([("size", "<i4"), ("start", "V4"), ("buffer", "<i4"), ("offset", "<i4")])
_INLINE = 12  # bytes of a text that a view holds itself
_LOCAL_HEADER, _DESCRIPTOR, _SIZES_BEHIND = 30, 24, 0x08


# -- arrays -----------------------------------------------------------------------------------------------------------


def behind(column: pa.Array, *, shown: bool = True) -> Iterator[pa.Array]:
    """What an array of an Arrow file holds that no cell shows: under nulls, outside of lists, around texts.

    Parameters
    ----------
    shown
        Whether the array's cells are seen elsewhere; else they are told as well.

    Raises
    ------
    pyarrow.ArrowInvalid
        A text refers to what is not there.

    Examples
    --------
    >>> lists = pa.ListArray.from_arrays([0, 1], pa.array(["a", "b"]))
    >>> [part.to_pylist() for part in behind(lists)]
    [[b'a', b'b'], []]
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from behind(column.storage, shown=shown)
    elif _IS.is_dictionary(kind):
        yield from behind(column.indices)
        yield from behind(column.dictionary)
    elif _IS.is_run_end_encoded(kind):
        yield from behind(column.values, shown=shown)
    elif _IS.is_map(kind):
        yield from behind(column.keys, shown=shown)
        yield from behind(column.items, shown=shown)
    elif any(is_(kind) for is_ in LISTS):
        whole = len(column.flatten()) == len(column.values) and not _is_list_view(kind)
        yield from behind(column.values, shown=shown and whole)
    elif _IS.is_struct(kind):
        for place in range(kind.num_fields):
            yield from behind(column.field(place), shown=shown and not column.null_count)
    else:
        yield from _slots(column, shown=shown)


def _is_list_view(kind: pa.DataType) -> bool:
    return bool(_IS.is_list_view(kind) or _IS.is_large_list_view(kind))


def _slots(column: pa.Array, *, shown: bool) -> Iterator[pa.Array]:
    kind = column.type
    if any(is_(kind) for is_ in VIEWS):
        yield from _beside_views(column, shown=shown)
    elif any(is_(kind) for is_ in TEXTS):
        large = _IS.is_large_string(kind) or _IS.is_large_binary(kind)
        bare = _bare(column, pa.large_binary() if large else pa.binary())
        bare.validate(full=True)
        yield bare.filter(column.is_null()) if shown else bare
        yield from _around(bare, np.int64 if large else np.int32)
    elif any(is_(kind) for is_ in (*PLAIN, _IS.is_fixed_size_binary)) and (column.null_count or not shown):
        # A null may hold any bits: as a date they may be none, as a number they always are one.
        whole = {32: pa.int32(), 64: pa.int64()}[kind.bit_width] if any(is_(kind) for is_ in DATES) else kind
        bare = _bare(column, whole)
        yield bare.filter(column.is_null()) if shown else bare


def _bare(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same buffers without a null."""
    return pa.Array.from_buffers(kind, len(column), [None, *column.buffers()[1:]], offset=column.offset)


def _around(bare: pa.Array, width: type[np.signedinteger]) -> Iterator[pa.Array]:
    """Bytes before the first and behind the last text."""
    _, offsets, content = bare.buffers()
    if content is None:
        return
    ends = np.frombuffer(offsets, width)[bare.offset : bare.offset + len(bare) + 1] if len(bare) else np.zeros(1, width)
    around = [content.slice(0, int(ends[0])), content.slice(int(ends[-1]))]
    yield pa.array([text for piece in around if (text := piece.to_pybytes().strip(b"\0"))], pa.binary())


def _beside_views(column: pa.Array, *, shown: bool) -> Iterator[pa.Array]:
    """What null views hold themselves, and the bytes that no view refers to."""
    _, views, *contents = column.buffers()
    slots = pa.Array.from_buffers(pa.binary(_VIEW.itemsize), len(column), [None, views], offset=column.offset)
    yield slots.filter(column.is_null()) if shown else slots
    valid = np.asarray(column.is_valid()) & shown
    told = np.frombuffer(views, _VIEW)[column.offset : column.offset + len(column)][valid]
    told = told[told["size"] > _INLINE]
    for number, content in enumerate(contents):
        own = told[told["buffer"] == number]
        covers = np.zeros(content.size + 1, np.int32)
        np.add.at(covers, own["offset"], 1)
        np.add.at(covers, own["offset"] + own["size"], -1)
        left = np.where(np.cumsum(covers[:-1]) > 0, 0, np.frombuffer(content, np.uint8)).astype(np.uint8)
        yield pa.array([left.tobytes()] if left.any() else [], pa.binary())


# -- Parquet ----------------------------------------------------------------------------------------------------------


def unused(source: str | pa.NativeFile) -> Iterator[pa.Array]:
    """Values in the dictionaries of a Parquet file's texts that no row has.

    Dictionaries of numbers are not shown by any reader; they are packed with their column.
    """
    with pa.parquet.ParquetFile(source) as file:
        about = file.metadata
    paths = {
        chunk.path_in_schema
        for group in range(about.num_row_groups)
        for chunk in map(about.row_group(group).column, range(about.num_columns))
        if chunk.physical_type == "BYTE_ARRAY" and any("DICTIONARY" in encoding for encoding in chunk.encodings)
    }
    if not paths:
        return
    with pa.parquet.ParquetFile(source, read_dictionary=sorted(paths)) as file:
        for group in range(about.num_row_groups):
            for path in sorted(paths):
                for column in file.read_row_group(group, columns=[path]).columns:
                    for chunk in column.chunks:
                        yield from map(_without_row, _dictionaries(chunk))


def _dictionaries(column: pa.Array) -> Iterator[pa.DictionaryArray]:
    kind = column.type
    if _IS.is_dictionary(kind):
        yield column
    elif _IS.is_map(kind):
        yield from _dictionaries(column.keys)
        yield from _dictionaries(column.items)
    elif any(is_(kind) for is_ in LISTS):
        yield from _dictionaries(column.flatten())
    elif _IS.is_struct(kind):
        for part in column.flatten():
            yield from _dictionaries(part)


def _without_row(column: pa.DictionaryArray) -> pa.Array:
    used = np.zeros(len(column.dictionary), bool)
    used[column.indices.drop_null().to_numpy()] = True
    return column.dictionary.filter(pa.array(~used))


# -- bytes ------------------------------------------------------------------------------------------------------------


def between(archive: zipfile.ZipFile) -> Iterator[bytes]:
    """What stands before, between and behind the members of an archive, up to its directory."""
    stream, at = archive.fp, 0
    assert stream is not None  # noqa: S101 - it is open
    for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        yield _piece(stream, at, entry.header_offset)
        header = _piece(stream, entry.header_offset, entry.header_offset + _LOCAL_HEADER)
        names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        at = max(at, entry.header_offset + len(header) + names + entry.compress_size)
        # Sizes written behind a member take 12 to 24 bytes; a word in them is found with the plain bytes.
        at += _DESCRIPTOR if entry.flag_bits & _SIZES_BEHIND else 0
    yield _piece(stream, at, archive.start_dir)


def _piece(stream: IO[bytes], start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(max(0, end - start))


def words_in(stream: IO[bytes]) -> Iterator[list[bytes]]:
    """The words of letters and digits that stand in a file's bytes, as long as identifiers may be.

    Examples
    --------
    >>> import io
    >>> list(words_in(io.BytesIO(b"PAR1 B17000002;x")))
    [[b'B17000002']]
    """
    last = b""
    while block := stream.read(_BLOCK):
        block = last + block
        yield sorted(set(_WORD.findall(block)))
        # A word that may go on is read again from its start; one that is too long already stays so.
        end = block[-_LONGEST - 2 :]
        last = (end.lstrip(_ALNUM) or end) if block[-1:].isalnum() else b""
