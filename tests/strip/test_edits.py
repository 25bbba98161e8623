"""Edits of columns with structs and lists in them, against lists and dicts in plain Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sanitizers.engine.places import Place
from sanitizers.strip.edits import Edit, emptied


def mask(*which: int) -> np.ndarray:
    return np.array(which, bool)


def test_emptied_cells_are_null_and_all_others_as_they_were() -> None:
    column = pa.array(["a", None, "c"])
    assert emptied(column, mask(1, 0, 0)).to_pylist() == [None, None, "c"]
    assert emptied(column, mask(0, 0, 0)) is column


def test_what_is_given_stands_in_emptied_cells_and_a_later_value_wins() -> None:
    edit = Edit()
    edit.empty(mask(1, 1, 0, 0))
    edit.empty(mask(0, 0, 1, 0))
    edit.given += [(mask(1, 0, 0, 0), 7), (mask(1, 0, 1, 0), 8)]
    assert edit.applied(pa.array([1, 2, 3, 4])).to_pylist() == [8, None, 8, 4]
    texts = edit.applied(pa.array(["a", "b", "c", "d"]))
    assert texts.to_pylist() == ["8", None, "8", "d"]
    edit.given.append((mask(0, 0, 1, 1), None))
    assert edit.applied(pa.array(["a", "b", "c", "d"])).to_pylist() == ["8", None, None, None]


def test_cells_that_are_put_in_are_edited_in_place_of_the_raw_ones() -> None:
    edit = Edit(cells=pa.array(["x", "y"]))
    edit.empty(mask(0, 1))
    assert edit.applied(pa.array([1, 2])).to_pylist() == ["x", None]


def test_a_place_is_reached_step_by_step_and_only_once() -> None:
    edit = Edit()
    own = edit.at(Place("c", ("[]", "a", "b")))
    assert edit.at(Place("c")) is edit
    assert edit.at(Place("c", ("[]", "a", "b"))) is own
    assert list(edit.beneath) == ["[]"]
    assert edit.beneath["[]"].beneath["a"].beneath["b"] is own


STRUCTS = pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}, {"a": 4, "b": "y"}])


def test_fields_change_and_a_struct_that_is_null_stays_null() -> None:
    edit = Edit()
    edit.at(Place("c", ("a",))).empty(mask(1, 0, 0, 0))
    edit.at(Place("c", ("b",))).given.append((mask(0, 1, 1, 0), "z"))
    changed = edit.applied(STRUCTS)
    assert changed.to_pylist() == [{"a": None, "b": "x"}, None, {"a": None, "b": "z"}, {"a": 4, "b": "y"}]
    assert changed.type == STRUCTS.type
    assert changed.field("b")[1].as_py() is None  # not even beneath
    edit.at(Place("c")).empty(mask(0, 0, 0, 1))
    assert edit.applied(STRUCTS).to_pylist()[2:] == [{"a": None, "b": "z"}, None]


def test_a_field_may_get_another_type() -> None:
    edit = Edit()
    edit.at(Place("c", ("a",))).cells = pa.array(["tok", None, None, "tok"])
    changed = edit.applied(STRUCTS)
    assert changed.type == pa.struct([("a", pa.string()), ("b", pa.string())])
    assert changed.to_pylist()[0] == {"a": "tok", "b": "x"}


@pytest.mark.parametrize("large", [False, True])
def test_elements_go_and_a_list_without_any_is_empty_and_not_null(large: bool) -> None:
    kind = pa.large_list(pa.int64()) if large else pa.list_(pa.int64())
    lists = pa.array([[1, 2], [], None, [3], [4, None, 6]], kind)
    edit = Edit()
    edit.at(Place("c", ("[]",))).remove(mask(1, 0, 1, 0, 0, 0))
    edit.at(Place("c", ("[]",))).remove(mask(0, 0, 0, 0, 0, 1))
    edit.at(Place("c", ("[]",))).empty(mask(0, 1, 0, 0, 0, 0))
    changed = edit.applied(lists)
    assert changed.to_pylist() == [[None], [], None, [], [4, None]]
    assert changed.type == kind
    changed.validate(full=True)
    part = pa.concat_arrays([lists, lists])[5:]
    assert edit.applied(part).to_pylist() == changed.to_pylist()
    only = Edit()
    only.at(Place("c", ("[]",))).given.append((mask(0, 0, 0, 1, 0, 0), 9))
    assert only.applied(lists).to_pylist() == [[1, 2], [], None, [3], [9, None, 6]]


def test_fields_of_structs_in_lists_change_in_their_element() -> None:
    lists = pa.array([[{"a": 1}, None], None, [{"a": 3}, {"a": 4}]])
    edit = Edit()
    edit.at(Place("c", ("[]", "a"))).empty(mask(0, 1, 1, 0))
    edit.at(Place("c", ("[]", "a"))).given.append((mask(1, 1, 0, 0), 7))
    assert edit.applied(lists).to_pylist() == [[{"a": 7}, None], None, [{"a": None}, {"a": 4}]]
    edit.at(Place("c", ("[]",))).remove(mask(0, 0, 0, 1))
    assert edit.applied(lists).to_pylist() == [[{"a": 7}, None], None, [{"a": None}]]
