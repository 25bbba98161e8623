"""What could show which cells and rows are gone, without naming one: pages, quotes, small counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.errors import USAGE
from sanitizers.strip.receipt import Receipt
from tests.cli_world import CANARY, SEALED, World, department, world
from tests.test_bad_input import refused, unpublished

__all__ = ["department", "world"]

# -- files ------------------------------------------------------------------------------------------------------------


def test_pages_of_parquet_do_not_tell_where_rows_are_gone(world: World) -> None:
    """A page ends where clean rows end; pages after a gap would be shorter than the others."""
    count = 150_000
    numbers = np.array([f"K17{number:06d}" for number in range(count)])
    stays = pa.table({"arrest_number": numbers, "photo_number": pa.nulls(count, pa.string()), "age": np.arange(count)})
    gone = pa.table({"arrest_number": [SEALED], "photo_number": pa.nulls(1, pa.string()), "age": [31]})
    found = []
    for place in (0, 70_001):
        world.write("raw/arrests.parquet", pa.concat_tables([stays.slice(0, place), gone, stays.slice(place)]))
        assert world.strip().code == 0
        found.append((world / "clean/arrests.parquet").read_bytes())
    assert found[0] == found[1]


def test_an_emptied_cell_looks_like_one_that_was_empty(world: World) -> None:
    world.amend("raw/complaints.csv", "201700000002,,,OPEN,", '201700000002,"","",OPEN,')
    world.amend("raw/complaints.csv", f"Arrest {SEALED} was made.", "Nobody was seen.")
    assert world.strip().code == 0
    rows = (world / "clean/complaints.csv").read_text().splitlines()[1:3]
    emptied, empty = (row.split(",")[1:3] for row in rows)
    assert emptied == empty


def test_a_text_that_lost_its_last_sentence_looks_like_one_that_was_empty(world: World) -> None:
    world.amend("sealing.yaml", "on_seal: clear", "on_seal: sentence")
    world.amend("raw/complaints.csv", f"Arrest {SEALED} was made. A {CANARY} was taken.", f"Arrest {SEALED} was made.")
    world.amend("raw/complaints.csv", "Nobody was seen.", "")
    assert world.strip().code == 0
    rows = (world / "clean/complaints.csv").read_text().splitlines()[1:3]
    assert [row.split(",")[-1] for row in rows] == ["", ""]


def test_an_empty_value_of_set_looks_like_a_cell_that_was_empty(world: World) -> None:
    world.amend("sealing.yaml", "{status: OPEN}", "{status: ''}")
    world.amend("raw/complaints.csv", "201700000002,,,OPEN,", "201700000002,,,,")
    assert world.strip().code == 0
    rows = (world / "clean/complaints.csv").read_text().splitlines()[1:3]
    assert [row.split(",")[3] for row in rows] == ["", ""]


# -- what `set` gives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1.5", "300", "-129", "thirty", "true"])
def test_a_value_that_the_column_cannot_hold_whole_is_refused(world: World, value: str) -> None:
    complaints = {"complaint_number": ["201700000001"], "cleared_by": [SEALED], "age": pa.array([31], pa.int8())}
    world.write("raw/complaints.parquet", pa.table({**complaints, "status": ["CLOSED"], "narrative": ["Calm."]}))
    world.amend("sealing.yaml", "raw/complaints.csv", "raw/complaints.parquet")
    world.amend("sealing.yaml", "redact: [suspect_age], set: {status: OPEN}", f"set: {{age: {value}}}")
    refused(world.strip(), USAGE, "age", "`set` gives a value that is no int8")
    unpublished(world)


# -- names ------------------------------------------------------------------------------------------------------------


def test_columns_whose_names_differ_in_case_only_are_refused(world: World) -> None:
    raw = pq.read_table(world / "raw/arrests.parquet")
    world.write("raw/arrests.parquet", raw.append_column("Age", raw["age"]))
    refused(world.strip(), USAGE, "Age", "differs from another column in case only")
    unpublished(world)


def test_fields_whose_names_differ_in_case_only_go_through(world: World) -> None:
    raw = pq.read_table(world / "raw/arrests.parquet")
    world.write("raw/arrests.parquet", raw.append_column("pair", pa.array([{"a": 1, "A": 2}] * raw.num_rows)))
    for more in ("[]", "[pair]"):
        world.amend("sealing.yaml", "on_seal: {redact: []}", f"on_seal: {{redact: {more}}}")
        assert world.strip().code == 0
        assert pq.read_table(world / "clean/arrests.parquet")["pair"].to_pylist() == [{"a": 1, "A": 2}] * 3


# -- receipts ---------------------------------------------------------------------------------------------------------


def test_missing_cells_are_those_that_the_clean_file_shows(world: World) -> None:
    """Otherwise the nulls of the file, without the missing cells of the receipt, are the emptied ones."""
    assert world.strip().code == 0
    told = Receipt.read(world / "clean/receipt.json").sources["complaints"].missing
    shown = [row.split(",")[1] for row in (world / "clean/complaints.csv").read_text().splitlines()[1:]]
    assert told["cleared_by"] == shown.count("") == 2


def test_missing_cells_of_rows_that_go_are_not_counted(world: World) -> None:
    """Two strips that differ in a dropped row's empty cell tell the same."""
    found = []
    for photo in ("0000000001", None):
        raw = pq.read_table(world / "raw/arrests.parquet")
        cells = pa.array([photo, *raw["photo_number"].to_pylist()[1:]], pa.string())
        world.write("raw/arrests.parquet", raw.set_column(1, "photo_number", cells))
        assert world.strip("--keeper", world / "keeper").code == 0
        found.append(Receipt.read(world / "keeper/receipt.json").sources["arrests"].missing)
    assert found[0] == found[1] == {"arrest_number": 0, "photo_number": 1}
