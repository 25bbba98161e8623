"""Files that are lawful and seldom: each goes through, or is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.engine.forms import ROWS, RawFile, Reading
from sanitizers.errors import COULD_NOT_CHECK, USAGE
from sanitizers.identifiers import Key, Kinds, published, tokenise
from tests.cli_world import KEY, KINDS, SEALED, World, department, world
from tests.test_bad_input import refused, unpublished

__all__ = ["department", "world"]


@pytest.mark.parametrize("empty", ["", '""'])
def test_a_column_that_stands_alone_keeps_its_rows(world: World, empty: str) -> None:
    photos = "photo_number: {kind: photo_number, on_seal: drop}"
    world.amend("sealing.yaml", photos, "photo_number: {kind: photo_number, on_seal: {redact: []}}")
    world.write("raw/photos.csv", 'photo_number\n"0000000001"\n0000000003\n' + (f"{empty}\n" if empty else ""))
    assert world.strip().code == 0
    rows = (world / "clean/photos.csv").read_text().splitlines()[1:]
    assert len(rows) == 2 + bool(empty)
    assert {rows[0], *rows[2:]} == {'""'}


@pytest.mark.parametrize(
    "cells",
    [
        pa.array(["a", None, "c", ""], pa.string_view()),
        pa.array([b"a", None, b"c", b""], pa.binary_view()),
        pa.array([["a"], None, [], ["b", None]], pa.list_(pa.string_view())),
        pa.array([{"a": "x"}, None, {"a": None}, {"a": ""}], pa.struct([("a", pa.string_view())])),
    ],
    ids=lambda cells: str(cells.type),
)
def test_views_are_published_as_what_they_show(world: World, cells: pa.Array) -> None:
    raw = pq.read_table(world / "raw/arrests.parquet")
    world.write("raw/arrests.parquet", raw.append_column("view", cells))
    for redacted in ("[]", "[view]"):
        world.amend("sealing.yaml", "on_seal: {redact: []}", f"on_seal: {{redact: {redacted}}}")
        assert world.strip().code == 0
        assert pq.read_table(world / "clean/arrests.parquet")["view"].to_pylist() == cells.to_pylist()[1:]


def test_a_struct_of_which_no_part_is_null_can_be_emptied(world: World) -> None:
    raw = pq.read_table(world / "raw/arrests.parquet")
    told = pa.array([{"a": n} for n in range(raw.num_rows)], pa.struct([pa.field("a", pa.int64(), nullable=False)]))
    raw = raw.append_column("told", told).append_column("by", pa.array([SEALED] * raw.num_rows))
    world.write("raw/arrests.parquet", raw)
    world.amend(
        "sealing.yaml",
        "      photo_number:  ",
        "      by: {kind: arrest_number, on_seal: {redact: [told]}}\n      photo_number:  ",
    )
    assert world.strip().code == 0
    clean = pq.read_table(world / "clean/arrests.parquet")
    assert clean["told"].null_count == clean.num_rows > 0


@pytest.mark.parametrize("name", ["sealproof_row", "file_row_number"])
def test_names_that_the_engine_needs_are_refused(world: World, name: str) -> None:
    raw = pq.read_table(world / "raw/arrests.parquet")
    world.write("raw/arrests.parquet", raw.append_column(name, raw["age"]))
    refused(world.strip(), USAGE, name, "needs for itself")
    unpublished(world)


def test_a_text_column_that_holds_no_text_is_refused(world: World) -> None:
    complaints = {"complaint_number": ["201700000001"], "cleared_by": [SEALED], "suspect_age": [31]}
    world.write("raw/complaints.parquet", pa.table({**complaints, "status": ["CLOSED"], "narrative": [7]}))
    world.amend("sealing.yaml", "raw/complaints.csv", "raw/complaints.parquet")
    refused(world.strip(), USAGE, "narrative", "holds no text")
    unpublished(world)


def test_a_folder_that_may_not_be_read_is_not_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world / "raw/photos").mkdir()
    (world / "raw/photos.csv").rename(world / "raw/photos/1.csv")
    world.amend("sealing.yaml", "raw/photos.csv", "raw/*/*.csv")
    assert world.strip().code == 0
    monkeypatch.setattr("sanitizers.engine.forms.os.access", lambda place, _: not str(place).endswith("raw/photos"))
    refused(world.strip(), COULD_NOT_CHECK, "raw/photos", "may not be read")


@pytest.mark.parametrize("wrong", ["{status: 1}", "{status: 1.50}", "{status: yes}"])
def test_a_value_of_another_type_is_found_before_anything_is_stripped(world: World, wrong: str) -> None:
    world.amend("sealing.yaml", "set: {status: OPEN}", f"set: {wrong}")
    refused(world.check(), USAGE, "status", "`set` gives a value that is no string")


def test_unknown_rules_are_found_before_anything_is_stripped(world: World) -> None:
    world.amend("sealing.yaml", "rules: us-ny", "rules: us-nj")
    refused(world.check(), USAGE, "no shipped rules of that name")


def test_a_parquet_file_is_read_a_piece_at_a_time(tmp_path: Path) -> None:
    table = pa.table({"n": np.random.default_rng(1).integers(0, 1 << 60, 24 * ROWS)})
    pq.write_table(table, tmp_path / "n.parquet", row_group_size=ROWS)
    before, most = pa.total_allocated_bytes(), 0
    for _ in RawFile(tmp_path / "n.parquet", "n.parquet", Reading()).batches(["n"]):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < table.nbytes / 3


def test_tokens_and_texts_of_a_long_file_stay_with_their_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sanitizers.strip.rows._WINDOW", 1000)
    count = 2 * ROWS + 7
    numbers = [f"{201700000000 + n}" for n in range(count)]
    raw = {name: [None] * count for name in ("cleared_by", "suspect_age", "status")}
    texts = [f"Said of {number} by nobody at all." for number in numbers]
    schema = pa.schema([(name, pa.string()) for name in ("complaint_number", *raw, "narrative")])
    world.write("raw/complaints.parquet", pa.table({"complaint_number": numbers, **raw, "narrative": texts}, schema))
    world.amend("sealing.yaml", "raw/complaints.csv", "raw/complaints.parquet")
    outcome = world.strip()
    assert outcome.code == 0, outcome.err
    table = pq.read_table(world / "clean/complaints.parquet")
    same = table["narrative"].to_pylist() == texts
    assert same
    tokens = table["complaint_number"].to_pylist()
    kind = Kinds.parse(KINDS)["complaint_number"]
    some = [0, 1, 999, 1000, ROWS - 1, ROWS, count - 1]
    expected = tokenise(pl.Series([numbers[n] for n in some]), name="complaint_number", kind=kind, key=Key(KEY))
    assert [tokens[n] for n in some] == published(expected.hi, expected.lo).to_pylist()
