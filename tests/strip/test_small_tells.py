"""What could show which cells and rows are gone, without naming one: pages, quotes, small counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.errors import USAGE
from sanitizers.strip.receipt import HIDDEN, WITHHELD, Receipt, SourceCounts
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


def public(**counts: object) -> SourceCounts:
    """A source of which 100 rows came in, as the public receipt tells it."""
    given = {"rows_in": 100, "rows_kept": 100, "rows_dropped": 0, "columns": {}, "texts": {}, "missing": {}}
    told = Receipt("", "", "", "", "", "", "", {"s": SourceCounts(**{**given, **counts})})  # type: ignore[arg-type]
    return told.public().sources["s"]


def column(rows: int, **by_link: int) -> dict[str, object]:
    return {"kind": "arrest", "on_seal": "drop", "rows": rows, "by_link": by_link}


def test_large_counts_are_told() -> None:
    told = public(rows_kept=80, rows_dropped=20, columns={"a": column(20, via=10)}, missing={"a": 7})
    assert (told.rows_in, told.rows_kept, told.rows_dropped) == (100, 80, 20)
    assert told.columns["a"]["rows"] == 20


def test_a_small_count_is_not_told_by_the_rows_that_came_in() -> None:
    told = public(rows_kept=97, rows_dropped=3)
    assert (told.rows_in, told.rows_kept, told.rows_dropped) == (HIDDEN, 97, HIDDEN)


def test_a_small_count_is_not_told_by_the_malformed_rows() -> None:
    told = public(rows_kept=80, rows_dropped=20, malformed=17)
    assert (told.rows_in, told.rows_dropped, told.malformed) == (WITHHELD, WITHHELD, 17)


@pytest.mark.parametrize("by_link", [{"via": 18}, {"via": 2}, {"one": 10, "two": 3}])
def test_a_small_count_is_not_told_by_what_the_links_leave_of_a_total(by_link: dict[str, int]) -> None:
    told = public(rows_kept=80, rows_dropped=20, columns={"a": column(20, **by_link)})
    assert told.columns["a"]["rows"] == WITHHELD
    assert (told.rows_in, told.rows_dropped) == (WITHHELD, WITHHELD)


def test_a_small_count_is_not_told_by_rows_that_two_columns_drop() -> None:
    """11 rows are gone, 10 through one column: one through the other alone. Or 5 of 10 and 6 overlap: no small count."""
    one = public(rows_kept=89, rows_dropped=11, columns={"a": column(10), "b": column(6)})
    assert (one.rows_in, one.rows_dropped) == (WITHHELD, WITHHELD)
    many = public(rows_kept=80, rows_dropped=20, columns={"a": column(13), "b": column(12)})
    assert (many.rows_in, many.rows_dropped) == (100, 20)


def redacting(rows: int, **by_link: int) -> dict[str, object]:
    return column(rows, **by_link) | {"on_seal": "redact"}


@pytest.mark.parametrize(
    ("changed", "columns", "texts"),
    [
        (10, {"a": redacting(10, via=7)}, {}),
        (12, {"a": redacting(2)}, {"t": 10}),
        (12, {"a": redacting(10)}, {"t": 5}),
        (10, {"a": redacting(10), "b": redacting(3)}, {}),
    ],
)
def test_a_small_count_is_not_told_by_rows_that_change(changed: int, columns: dict, texts: dict) -> None:
    assert public(rows_changed=changed, columns=columns, texts=texts).rows_changed == WITHHELD


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
