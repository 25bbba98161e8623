"""Digests: SHA-256 of files, and a content digest of rows that no engine, order or partitioning changes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import polars_hash as plh
import pyarrow as pa

from sanitizers.errors import Fault, SourceFailure

CHAIN, CHAIN_FORMAT = "chain.json", 1
CHAIN_MARKS = (b'"made_by"', b'"inputs"', b'"outputs"')  # what every chain holds
_CHAIN_KEYS = {"format", "made_by", "policy", "inputs", "outputs"}
_SHA256 = re.compile("[0-9a-f]{64}")
_MODULUS = 2**256


def of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises
    ------
    SourceFailure
        The file cannot be read.
    """
    problem = ""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    raise SourceFailure(Fault(problem, where=str(path)))


def of_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path relative to the folder, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): of_file(path) for path in files}


def files_at(paths: Sequence[Path]) -> dict[str, Path]:
    """Files and all files below folders, by their paths as they are given; chains are not among them.

    Raises
    ------
    SourceFailure
        One is not there, or is a folder without files.
    """
    found: dict[str, Path] = {}
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        own = [one for one in files if one.exists() and not is_chain(one)]
        if not own:
            raise SourceFailure(Fault("no such file, or nothing in it", "run the step first", where=str(path)))
        found |= {one.as_posix(): one for one in own}
    return found


def write_chain(path: Path, *, made_by: str, inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Write a chain: SHA-256 of every input and output of one step, beside the outputs.

    By chains the gate goes back from a model to the strip it was computed from.

    Parameters
    ----------
    path
        ``chain.json``, or a name ending so, beside the outputs.
    inputs
        Name → file. Files ending in .py or .sql are code, the rest data that the gate must know.
    """
    content = {
        "format": CHAIN_FORMAT,
        "made_by": made_by,
        "inputs": {name: of_file(file) for name, file in sorted(inputs.items())},
        "outputs": {name: of_file(file) for name, file in sorted(outputs.items())},
    }
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def made_files(path: Path) -> list[str]:
    """Names of the files that a chain says were made; none if it is no chain."""
    return list(json.loads(path.read_text(encoding="utf-8"))["outputs"]) if is_chain(path) else []


def is_chain(path: Path) -> bool:
    """Whether a file is a chain and nothing else: known keys, and digests where digests belong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.name.endswith(CHAIN) else {}
    except (OSError, ValueError):
        return False
    if not isinstance(content, dict) or not content or not content.keys() <= _CHAIN_KEYS:
        return False
    parts = [content.get("inputs", {}), content.get("outputs", {})]
    return all(isinstance(part, dict) and all(_SHA256.fullmatch(str(sha)) for sha in part.values()) for part in parts)


def of_content(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> str:
    """Content digest of rows.

    SHA-256 over the column names and logical types, and over the sum mod 2**256 of SHA-256 of every row's canonical
    text: cells in column order, each with its length, null unlike empty, floats by their bits.

    Parameters
    ----------
    schema
        Names and types of the columns.
    batches
        The rows, in any order and any partition.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> table = pa.table({"n": [1, 2, 2]})
    >>> of_content(table.schema, table.to_batches()) == of_content(table.schema, table[::-1].to_batches())
    True
    """
    total = 0
    for batch in batches:
        if batch.num_rows:
            total += _sum_of_rows(batch)
    names = "".join(f"{len(field.name)}:{field.name}={_logical(field.type)};" for field in schema)
    return hashlib.sha256(f"{names}{total % _MODULUS:064x}".encode()).hexdigest()


def _logical(kind: pa.DataType) -> str:
    """Name of a type without what only tells how it is stored."""
    if pa.types.is_dictionary(kind):
        return _logical(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_logical(kind.value_type)}>"
    return str(kind).replace("large_", "")


def _sum_of_rows(batch: pa.RecordBatch) -> int:
    columns = [_sized(_texts(column)).alias(f"c{i}") for i, column in enumerate(batch.columns)]
    row = plh.concat_str(pl.all()).chash.sha2_256()
    digests = pl.DataFrame(columns).select(row.alias("h"))["h"].rechunk().to_arrow().cast(pa.large_string())
    digits = np.frombuffer(digests.buffers()[2], np.uint8)[: len(digests) * 64].reshape(-1, 64)
    nibbles = (digits & 0x0F) + 9 * (digits >> 6)
    octets = (nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).astype(np.uint64).sum(axis=0, dtype=np.uint64)
    return sum(int(octet) << 8 * (31 - place) for place, octet in enumerate(octets))


def _sized(texts: pl.Series) -> pl.Series:
    """Texts with their length in front; ``N`` for null."""
    cell = pl.col("c")
    sized = (
        pl.when(cell.is_null())
        .then(pl.lit("N"))
        .otherwise(pl.concat_str(cell.str.len_bytes().cast(pl.String), pl.lit(":"), cell))
    )
    return pl.DataFrame({"c": texts}).select(sized.alias("c"))["c"]


def _texts(column: pa.Array) -> pl.Series:
    """Canonical text of each cell; null stays null."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    if pa.types.is_floating(kind):
        width = kind.bit_width
        bits = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False), f"f{width // 8}").view(f"u{width // 8}")
        column = pa.array(bits, mask=np.asarray(column.is_null()))
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pl.Series(pl.from_arrow(column.cast(pa.large_binary()))).bin.encode("hex")
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _list_texts(column)
    elif pa.types.is_struct(kind):
        parts = [_sized(_texts(part)).alias(f"p{i}") for i, part in enumerate(column.flatten())]
        joined = pl.DataFrame(parts).select(pl.concat_str(pl.all()).alias("c"))["c"]
        return pl.DataFrame({"c": joined, "ok": np.asarray(column.is_valid())}).select(
            pl.when("ok").then("c").alias("c")
        )["c"]
    elif pa.types.is_temporal(kind):
        column = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64(), safe=False)  # noqa: PLR2004
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    series = pl.Series(pl.from_arrow(column))
    return series if series.dtype == pl.String else series.cast(pl.String)


def _list_texts(column: pa.Array) -> pl.Series:
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items = _sized(_texts(column.flatten())).to_arrow().cast(pa.large_string())
    lists = pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(offsets), items)))
    joined = pl.DataFrame({"c": lists, "ok": np.asarray(column.is_valid())})
    counted = pl.concat_str(pl.col("c").list.len().cast(pl.String), pl.lit("["), pl.col("c").list.join(""))
    return joined.select(pl.when("ok").then(counted).alias("c"))["c"]
