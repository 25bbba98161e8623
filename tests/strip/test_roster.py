"""Rosters: sorted prefixes by kind, a part for each file, compared with what is barred."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanitizers.errors import SourceFailure
from sanitizers.strip.roster import Roster, part_of, read_part, shared, write_part

PREFIXES = {"arrest": np.array([1, 5, 2**64 - 1], np.uint64), "photo": np.array([], np.uint64)}
sorted_prefixes = st.lists(st.integers(0, 40)).map(lambda some: np.array(sorted(some), np.uint64))


def plain(kinds: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
    return {kind: prefixes.tolist() for kind, prefixes in kinds.items()}


def test_a_part_that_was_written_is_read_again(tmp_path: Path) -> None:
    for kinds in ({}, PREFIXES):
        path = part_of(tmp_path / "not/yet/there", "a/b.csv")
        write_part(path, kinds)
        found = read_part(path)
        assert plain(found) == plain(kinds)
        assert all(prefixes.dtype == np.uint64 for prefixes in found.values())
        path.unlink()


def test_a_roster_has_a_part_for_each_file_below_its_folder(tmp_path: Path) -> None:
    for name in ("a.csv", "b/c.parquet"):
        write_part(part_of(tmp_path, name), PREFIXES)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.arrow")) == [
        "a.csv.arrow",
        "b/c.parquet.arrow",
    ]
    roster = Roster.read(tmp_path, ["a.csv", "b/c.parquet"])
    assert {name: plain(kinds) for name, kinds in roster.files.items()} == dict.fromkeys(
        ("a.csv", "b/c.parquet"), plain(PREFIXES)
    )
    with pytest.raises(SourceFailure):
        Roster.read(tmp_path, ["a.csv", "d.csv"])


def header(path: Path, told: object, metadata: bytes = b"sealproof") -> None:
    """Write a part with another header."""
    schema = pa.schema([("prefix", pa.uint64())]).with_metadata({metadata: json.dumps(told).encode()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch([pa.array([1], pa.uint64())], schema=schema))


@pytest.mark.parametrize(
    "told",
    [5, [], None, "text", {}, {"format": 2}, {"format": 2, "kinds": 5}, {"format": 2, "kinds": ["a", "b"]},
     {"format": 2, "kinds": [["a"]]}, {"format": 1, "kinds": ["a"]}],
)  # fmt: skip
def test_what_is_no_part_of_a_roster_is_refused_with_a_remedy(tmp_path: Path, told: object) -> None:
    path = tmp_path / "a.csv.arrow"
    header(path, told)
    with pytest.raises(SourceFailure) as caught:
        read_part(path)
    assert caught.value.__context__ is None
    assert str(path) in str(caught.value)
    assert "run `sealproof strip` again" in str(caught.value)


def test_a_file_of_something_else_or_none_is_no_part_of_a_roster(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.arrow"
    with pytest.raises(SourceFailure):
        read_part(path)
    path.write_text("kind,identifier\n")
    with pytest.raises(SourceFailure):
        read_part(path)
    header(path, {"format": 2, "kinds": ["a"]}, metadata=b"other")
    with pytest.raises(SourceFailure):
        read_part(path)


@given(sorted_prefixes, sorted_prefixes)
def test_what_two_share_is_counted_once_each(one: np.ndarray, other: np.ndarray) -> None:
    assert shared(one, other) == shared(other, one) == len(set(one.tolist()) & set(other.tolist()))


def test_what_is_barred_is_told_by_kind_and_file_and_nothing_else() -> None:
    barred = {"arrest": SimpleNamespace(hi=np.array([5, 7], np.uint64))}
    files = {
        "a.csv": {"arrest": np.array([1, 5, 7, 9], np.uint64), "photo": np.array([5], np.uint64)},
        "b.csv": {"arrest": np.array([7], np.uint64)},
        "c.csv": {"arrest": np.array([6], np.uint64)},
    }
    found = Roster(files).barred_by(SimpleNamespace(barred=barred))
    assert found == {"arrest": {"a.csv": 2, "b.csv": 1}}


def test_a_roster_shows_nothing_of_itself_and_is_not_pickled() -> None:
    roster = Roster({"a.csv": PREFIXES})
    assert repr(roster) == "Roster(1 files)"
    with pytest.raises(TypeError):
        pickle.dumps(roster)
