"""A sealed number in what no reader of a file shows: under nulls, behind lists, beside members, in plain bytes."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest

from sanitizers.scan.hidden import behind
from tests.test_gate_attacks import OPEN, PHOTO, SEALED, World, lay, world

__all__ = ["world"]


def feather(column: pa.Array, compression: str = "lz4") -> Callable[[Path], object]:
    return lambda path: pf.write_feather(pa.table({"m": column}), path, compression=compression)


def with_slot(stored: pa.Array) -> pa.Array:
    """An array whose second cell is null, and still lies in its buffer."""
    return pa.Array.from_buffers(stored.type, 2, [pa.py_buffer(b"\x01"), *stored.buffers()[1:]])


LONG = f"see {SEALED}, held at the precinct"
GONE = pa.array([False, True])
UNDER_NULLS = {
    "text": with_slot(pa.array(["x", SEALED])),
    "large text": with_slot(pa.array(["x", SEALED], pa.large_string())),
    "bytes": with_slot(pa.array([b"x", SEALED.encode()])),
    "fixed bytes": with_slot(pa.array([b"x" * 9, SEALED.encode()], pa.binary(9))),
    "text view": with_slot(pa.array(["x", SEALED], pa.string_view())),
    "long text view": with_slot(pa.array(["x", LONG], pa.string_view())),
    "whole number": with_slot(pa.array([1, int(PHOTO)])),
    "float": with_slot(pa.array([1.0, float(PHOTO)])),
    "decimal": with_slot(pa.array([1, int(PHOTO)]).cast(pa.decimal128(19, 0))),
    "moment": with_slot(pa.array([1, int(PHOTO)], pa.timestamp("us"))),
    "struct": pa.StructArray.from_arrays([pa.array(["x", SEALED])], ["a"], mask=GONE),
    "list": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["x", SEALED]), mask=GONE),
    "fixed-size list": pa.FixedSizeListArray.from_arrays(pa.array(["x", SEALED]), 1, mask=GONE),
    "list in a struct": pa.StructArray.from_arrays([pa.array([["x"], [SEALED]])], ["a"], mask=GONE),
}


@pytest.mark.parametrize("name", UNDER_NULLS)
def test_what_lies_under_a_null_is_searched(name: str, world: World) -> None:
    assert UNDER_NULLS[name].to_pylist()[1] is None
    assert world.chained(f"{name}.feather", feather(UNDER_NULLS[name])).verdict == "contaminated"


def test_what_lies_under_a_null_of_a_declared_column_is_searched(world: World) -> None:
    column = with_slot(pa.array([OPEN, SEALED]))
    target = world.chained("a.feather", lambda path: pf.write_feather(pa.table({"arrest": column}), path))
    assert target.verdict == "contaminated"


def unreferenced(*texts: str) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(list(texts)))


def outside(head: bytes, tail: bytes) -> pa.Array:
    """A cell ``x`` with other bytes around it in its buffer."""
    ends = np.array([len(head), len(head) + 1], np.int32)
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(head + b"x" + tail)])


BEHIND = {
    "values of no list": unreferenced("x", SEALED),
    "bytes behind the cells": outside(b"", SEALED.encode()),
    "list of lists": pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), unreferenced("x", SEALED)),
}


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize("codec", [None, "lz4"])
def test_what_no_cell_of_an_arrow_file_refers_to_is_searched(name: str, codec: str | None, world: World) -> None:
    def write(path: Path) -> None:
        batch = pa.record_batch({"m": BEHIND[name]})
        with pa.ipc.new_file(str(path), batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
            writer.write_batch(batch)

    assert world.chained("behind.arrow", write).verdict == "contaminated"


def views(*hidden: int) -> pa.Array:
    """Views of three long texts, those at some places null."""
    stored = pa.array([LONG, LONG.replace("see", "saw"), "x"], pa.string_view())
    valid = sum(1 << place for place in range(3) if place not in hidden)
    return pa.Array.from_buffers(stored.type, 3, [pa.py_buffer(bytes([valid])), *stored.buffers()[1:]])


def test_what_pyarrow_does_not_write_is_seen_in_an_array() -> None:
    """Other writers of Arrow files leave bytes before the first text, and texts that no view refers to."""
    assert [part.to_pylist() for part in behind(outside(b"before", b""))] == [[], [b"before"]]
    assert [part.to_pylist() for part in behind(outside(b"before", b"").slice(1))] == [[], [b"beforex"]]
    assert [len(part) for part in behind(views())] == [0, 0]
    left = [text.strip(b"\0").decode() for part in behind(views(0)) for text in part.to_pylist()]
    assert left[1:] == [LONG]


def test_ordinary_nulls_of_an_arrow_file_pass(world: World) -> None:
    columns = {
        "text": pa.array(["x", None, ""]),
        "view": pa.array(["x", None, "a text that is longer than twelve"], pa.string_view()),
        "number": pa.array([1, None, 2**62]),
        "moment": pa.array([1, None, 3], pa.timestamp("ns")),
        "list": pa.array([["x"], None, []]),
        "struct": pa.array([{"a": "x"}, None, {"a": None}]),
        "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int8())),
        "category": pa.array(["x", None, "y"]).dictionary_encode(),
    }
    for name, column in columns.items():
        assert world.chained(f"plain {name}.feather", feather(column)).verdict == "clean", name


def test_a_note_on_a_batch_is_searched(world: World) -> None:
    def write(path: Path) -> None:
        batch = pa.record_batch({"m": [1]})
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch, custom_metadata={"note": f"see B17-000 002, {OPEN}"})

    assert world.chained("note.arrow", write).verdict == "contaminated"


def _dictionary(values: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), pa.array(values))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_values_of_a_parquet_dictionary_that_no_row_has_are_searched(compression: str, world: World) -> None:
    inside = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), _dictionary(["x", SEALED]))
    struct = pa.StructArray.from_arrays([_dictionary(["x", SEALED])], ["a"])
    for name, column in {"plain": _dictionary(["x", SEALED]), "list": inside, "struct": struct}.items():

        def write(path: Path, column: pa.Array = column) -> None:
            pq.write_table(pa.table({"m": column}), path, store_schema=False, compression=compression)
            shown = SEALED in str(pq.read_table(path).to_pylist())
            assert not shown

        assert world.chained(f"{name}-{compression}.parquet", write).verdict == "contaminated", name
        buffer = io.BytesIO()
        pq.write_table(pa.table({"m": column}), buffer, store_schema=False, compression=compression)
        zipped = world.chained(f"{name}-{compression}.zip", _zip_of("t.parquet", buffer.getvalue()))
        assert zipped.verdict == "contaminated", name


def _zip_of(name: str, content: bytes) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)

    return write


def test_bytes_between_the_parts_of_a_parquet_file_are_searched(world: World) -> None:
    def write(path: Path) -> None:
        pq.write_table(pa.table({"m": [1]}), path)
        content = path.read_bytes()
        footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        path.write_bytes(content[:footer] + b"\0" + SEALED.encode() + b"\0" + content[footer:])

    assert world.chained("gap.parquet", write).verdict == "contaminated"


def test_a_word_that_two_readings_of_the_bytes_share_is_found(world: World) -> None:
    for filler in (1 << 24, (1 << 24) - 5, (1 << 24) - 9):
        content = b"\0" * filler + SEALED.encode() + b"\0"
        target = world.chained("long.bin", lambda path, content=content: path.write_bytes(content))
        assert target.verdict == "contaminated"


def test_plain_bytes_of_what_no_reader_opens_are_searched(world: World) -> None:
    def write(path: Path, cell: str) -> int:
        return path.write_bytes(pickle.dumps({"rows": [cell]}))

    assert world.chained("model.pkl", lambda path: write(path, SEALED)).verdict == "contaminated"
    assert world.chained("calm.pkl", lambda path: write(path, OPEN)).verdict == "clean"


def test_bytes_are_searched_for_whole_words_only(world: World) -> None:
    words = [f"x{SEALED}", f"{SEALED}0", f"1{PHOTO}", f"{PHOTO[:5]}-{PHOTO[5:]}", PHOTO.lstrip("2")]
    content = b"\0".join(word.encode() for word in words)
    assert world.chained("words.bin", lambda path: path.write_bytes(content)).verdict == "clean"


def test_a_column_that_holds_no_identifiers_excuses_its_plain_bytes(tmp_path: Path) -> None:
    world = lay(tmp_path / "world")
    policy = world.folder / "sealing.yaml"
    declared = "columns: {arrest: {kind: arrest, on_seal: drop}}, not_identifiers: {who: a serial number}"
    policy.write_text(policy.read_text().replace("columns: {arrest: {kind: arrest, on_seal: drop}}", declared))
    world.write("raw/arrests.parquet", arrest=[SEALED, OPEN], who=["x", PHOTO])
    world.seal(("arrest", SEALED), ("photo", PHOTO))
    world.snapshot()
    world.strip()
    path = world.clean / "arrests.parquet"
    held = path.read_bytes().count(PHOTO.encode())
    assert held > 0
    assert world.judged(path).exit_code == 0


# -- archives ---------------------------------------------------------------------------------------------------------


def _calm(path: Path, *, compression: int = zipfile.ZIP_STORED, deleted: str = "", before: bytes = b"") -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        if deleted:
            archive.writestr("gone.txt", deleted)
        archive.writestr("a.txt", "calm")
        archive.filelist = archive.filelist[-1:]
    path.write_bytes(before + path.read_bytes())


def test_bytes_before_the_first_member_are_searched(world: World) -> None:
    for before in (SEALED.encode(), b"see B17-000 002\n"):
        assert world.chained("x.zip", lambda path, before=before: _calm(path, before=before)).verdict == "contaminated"
    assert world.chained("x.zip", lambda path: _calm(path, before=b"#!/usr/bin/python\n")).verdict == "clean"


def test_a_member_that_only_the_directory_forgot_does_not_pass(world: World) -> None:
    assert world.chained("d.zip", lambda path: _calm(path, deleted=f"calm {SEALED}")).verdict == "contaminated"
    packed = world.chained(
        "e.zip", lambda path: _calm(path, deleted=f"calm {SEALED} " * 9, compression=zipfile.ZIP_DEFLATED)
    )
    assert (packed.verdict, "beside the members" in packed.reason) == ("not checked", True)


class _Unseekable(io.RawIOBase):
    """A file that only goes forward, as a pipe: sizes of members are written behind them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        return self._file.write(content)  # type: ignore[arg-type]

    def close(self) -> None:
        self._file.close()
        super().close()


def test_ordinary_archives_hold_nothing_beside_their_members(world: World) -> None:
    def forward(path: Path) -> None:
        with _Unseekable(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("a.txt", "b.txt"):
                archive.writestr(name, "calm")

    def extended(path: Path) -> None:
        _calm(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("b.txt", "calm")

    for name, write in {"forward": forward, "extended": extended}.items():
        assert world.chained(f"{name}.zip", write).verdict == "clean", name
    assert world.chained("arrays.npz", lambda path: np.savez_compressed(path, a=[1], b=[2])).verdict == "clean"
