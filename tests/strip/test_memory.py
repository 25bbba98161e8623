"""What the keeper remembers: what is written is recalled; what is no memory is none, whatever stands in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
