"""Receipts: what is written is read again; what is no receipt is refused, whatever stands in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sanitizers.errors import SourceFailure
from sanitizers.strip.receipt import HIDDEN, WITHHELD, Receipt, SourceCounts, total

COUNTS = SourceCounts(
    rows_in=100,
    rows_kept=80,
    rows_dropped=20,
    columns={"photo": {"kind": "photo", "on_seal": "drop", "rows": 20, "by_link": {"arrests.photo": 9}}},
    texts={"told": 7},
    missing={"photo": 3},
)
RECEIPT = Receipt("p" * 64, "model", "us-ny", "2020", "s" * 64, "f" * 16, "k" * 64, {"photos": COUNTS}, {"a.csv": "0" * 64})


def damaged(told: Any, wrong: Any) -> Iterator[tuple[str, Any]]:
    """What was told with one value after the other replaced by one of another type, each with its place."""

    def places(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        if path:
            yield path
        if isinstance(node, dict):
            for name, value in node.items():
                yield from places(value, (*path, name))

    for path in places(told):
        other = copy.deepcopy(told)
        node = other
        for step in path[:-1]:
            node = node[step]
        if not isinstance(wrong, type(node[path[-1]])):
            node[path[-1]] = wrong
            yield ".".join(path), other


def test_a_receipt_that_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(RECEIPT.to_json())
    assert Receipt.read(path) == RECEIPT
    path.write_text(RECEIPT.public().to_json())
    assert Receipt.read(path) == RECEIPT.public()


@pytest.mark.parametrize("wrong", [5.5, None, [], True], ids=["number", "null", "list", "bool"])
def test_a_receipt_with_something_else_in_any_place_is_refused(tmp_path: Path, wrong: object) -> None:
    path = tmp_path / "receipt.json"
    for place, told in damaged(json.loads(RECEIPT.to_json()), wrong):
        path.write_text(json.dumps(told))
        with pytest.raises(SourceFailure, match="is not a receipt of this release"):
            pytest.fail(f"read with {wrong!r} at {place}: {Receipt.read(path)!r}")


@pytest.mark.parametrize("place", ["", "sources.photos", "sources.photos.columns.photo"])
def test_a_receipt_says_nothing_more(tmp_path: Path, place: str) -> None:
    """Whatever stands in it besides would be taken for evidence by the gate, and not searched."""
    told = json.loads(RECEIPT.to_json())
    node = told
    for step in filter(None, place.split(".")):
        node = node[step]
    node["note"] = "x"
    (tmp_path / "receipt.json").write_text(json.dumps(told))
    with pytest.raises(SourceFailure):
        Receipt.read(tmp_path / "receipt.json")


@pytest.mark.parametrize("text", ["5", "[]", '"text"', "null", "{}", "{", "\xff", '{"format": 2}'])
def test_what_is_no_receipt_is_refused_with_a_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceFailure) as caught:
        Receipt.read(path)
    assert caught.value.__context__ is None
    told = str(caught.value)
    assert str(path) in told
    assert "run `sealproof strip` again" in told


def test_a_receipt_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceFailure):
        Receipt.read(tmp_path / "receipt.json")


# -- what the public receipt withholds ----------------------------------------------------------------------------------


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


def test_counts_from_one_to_four_are_not_told() -> None:
    counts = (0, 1, 4, 5)
    told = [public(texts={"t": count}, malformed=count, rows_in=100, rows_kept=100 - count, rows_dropped=count) for count in counts]
    assert [own.texts["t"] for own in told] == [0, HIDDEN, HIDDEN, 5]
    assert [own.malformed for own in told] == [0, HIDDEN, HIDDEN, 5]
    assert [own.rows_dropped for own in told] == [0, HIDDEN, HIDDEN, 5]
    assert [own.rows_in for own in told] == [100, HIDDEN, HIDDEN, 100]
    links = [public(columns={"a": redacting(count + 20, via=20)}).columns["a"]["rows"] for count in counts]
    assert links == [20, WITHHELD, WITHHELD, 25]
    assert public(columns={"a": redacting(24, via=20, other=4)}).columns["a"] == redacting(24) | {
        "rows": WITHHELD, "by_link": {"via": 20, "other": HIDDEN},
    }  # fmt: skip


@pytest.mark.parametrize(("count", "told"), [(0, 0), (4, HIDDEN), (5, WITHHELD), (9, WITHHELD), (10, 10), (20, 20)])
def test_a_total_of_which_a_cause_leaves_a_small_count_is_withheld(count: int, told: object) -> None:
    """Five of the rows had one cause, and so had others; what the one leaves of the total is the others' alone."""
    assert public(rows_changed=count, columns={"a": redacting(min(5, count))}).rows_changed == (5 if count == 5 else told)
    assert public(rows_dropped=count, malformed=min(5, count)).rows_dropped == (5 if count == 5 else told)


def test_counts_of_files_are_summed_to_those_of_their_source() -> None:
    one = SourceCounts(10, 8, 2, {"a": column(2, b=1)}, {"t": 1}, {"a": 3}, 1, 4)
    other = SourceCounts(20, 17, 3, {"a": column(3, c=2, b=1)}, {"t": 0}, {"a": 4}, 2, 5)
    assert total([one, other]) == SourceCounts(30, 25, 5, {"a": column(5, b=2, c=2)}, {"t": 1}, {"a": 7}, 3, 9)
    assert list(total([other]).columns["a"]["by_link"]) == ["b", "c"]
    assert total([one]) == one


@pytest.mark.parametrize(("count", "told"), [(4, HIDDEN), (5, WITHHELD), (6, WITHHELD), (30, WITHHELD)])
def test_a_total_with_a_small_cause_is_withheld_from_five_on(count: int, told: object) -> None:
    assert public(rows_changed=count, columns={"a": redacting(3)}).rows_changed == told
