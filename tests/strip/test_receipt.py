"""Receipts: what is written is read again; what is no receipt is refused, whatever stands in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sanitizers.errors import SourceFailure
from sanitizers.strip.receipt import Receipt, SourceCounts

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
