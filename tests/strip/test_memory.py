"""What the keeper remembers: what is written is recalled; what is no memory is none, whatever stands in it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from sanitizers import digest
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.engine.tables import Database, Table, Wanted
from sanitizers.strip.memory import MEMORY, File, Memory, Seen
from tests.strip.test_receipt import COUNTS, damaged

MEMORY_OF = Memory(
    policy="p" * 64,
    kinds="k" * 64,
    key_fingerprint="f" * 16,
    receipt="r" * 64,
    linked=3,
    files={"a.csv": File(Seen(10, 20, "0" * 64), Seen(11, 21, "1" * 64), Seen(12, 22, "2" * 64), COUNTS)},
)


def written(folder: Path) -> dict:
    MEMORY_OF.write(folder)
    return json.loads((folder / MEMORY).read_text())


def test_a_memory_that_was_written_is_recalled(tmp_path: Path) -> None:
    written(tmp_path)
    recalled = Memory.recall(tmp_path)
    assert recalled is not None
    assert recalled.files == MEMORY_OF.files
    assert (recalled.policy, recalled.kinds, recalled.key_fingerprint) == ("p" * 64, "k" * 64, "f" * 16)
    assert (recalled.receipt, recalled.linked, recalled.folder) == ("r" * 64, 3, tmp_path)


@pytest.mark.parametrize("wrong", [5.5, [], True, "text"], ids=["number", "list", "bool", "text"])
def test_a_memory_with_something_else_in_any_place_is_none(tmp_path: Path, wrong: object) -> None:
    for place, told in damaged(written(tmp_path), wrong):
        (tmp_path / MEMORY).write_text(json.dumps(told))
        if not (wrong == "text" and place.rsplit(".", 1)[-1] in COUNTED):
            assert Memory.recall(tmp_path) is None, place


# A public receipt withholds counts in words.
COUNTED = {"rows_in", "rows_kept", "rows_dropped", "rows_changed", "malformed", "rows", "told", "photo", "arrests.photo"}


@pytest.mark.parametrize("text", ["5", "[]", '"text"', "null", "{}", "{", "\xff", '{"format": 2, "files": {}}'])
def test_what_is_no_memory_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / MEMORY).write_bytes(text.encode("latin-1"))
    assert Memory.recall(tmp_path) is None


def test_where_nothing_is_remembered_there_is_no_memory(tmp_path: Path) -> None:
    assert Memory.recall(tmp_path) is None


def test_a_file_is_seen_by_size_time_and_bytes_and_a_table_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    stat, sha256 = path.stat(), digest.of_file(path)
    file = RawFile(path, "a.csv", Reading())
    assert Seen.at(path) == Seen(4, stat.st_mtime_ns, "")
    assert Seen.at(path, "x") == Seen.of(file, "x") == Seen(4, stat.st_mtime_ns, "x")
    assert Seen.of(file) == Seen(4, stat.st_mtime_ns, sha256)
    rows = pa.record_batch({"id": ["1"]})
    table = Table(Wanted("s", Database("d", "duckdb", "d.db"), "t", ("id",)), rows.schema, lambda _: iter([rows]))
    assert Seen.of(table) == Seen(0, 0, digest.of_content(rows.schema, [rows]))
    assert Seen.of(table, "x") == Seen(0, 0, "x")
    assert Seen.of(table).still_of(table)
    assert not Seen(0, 0, "x").still_of(table)


def test_a_file_holds_what_it_held_where_its_bytes_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    time, sha256 = path.stat().st_mtime_ns, digest.of_file(path)
    for seen, same, still in (
        (Seen(4, time, ""), True, True), (Seen(4, time + 1, sha256), False, True), (Seen(4, time + 1, ""), False, False),
        (Seen(5, time, sha256), False, False), (Seen(5, time + 1, sha256), False, False), (Seen(4, time + 1, "x"), False, False),
    ):  # fmt: skip
        assert (seen.same(path), seen.still(path), seen.still_of(RawFile(path, "a.csv", Reading()))) == (same, still, still)
        assert not seen.still(tmp_path / "none")
        assert not seen.same(tmp_path / "none")
        assert not seen.still(tmp_path)
