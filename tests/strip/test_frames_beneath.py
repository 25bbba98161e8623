"""What a clean frame holds beneath its cells: dictionaries, levels, categories and the slots under null."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sanitizers.identifiers import Kinds
from sanitizers.register.snapshot import load
from sanitizers.strip import strip
from tests.department import KEY, Department

SEALED, CANARY, NUMBER = "B17000002", "CANARY", 0x5EA1ED5EA1ED
ARRESTS = ["M17654502", SEALED, "K17000001", "K17000003", "K17000005"]
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
publish: {arrest: plain}
sources:
  arrests:
    path: arrests.parquet
    primary_key: arrest
    columns: {arrest: {kind: arrest, on_seal: drop}}
  complaints:
    path: complaints.parquet
    primary_key: number
    columns: {cleared_by: {kind: arrest, on_seal: {redact: [told], set: {status: OPEN}}}}
    text: {narrative: {mentions: [arrest], on_seal: clear}}
"""


@pytest.fixture(scope="module")
def department(tmp_path_factory: pytest.TempPathFactory) -> Department:
    folder: Path = tmp_path_factory.mktemp("beneath")
    (folder / "sealing.yaml").write_text(POLICY)
    made = Department(folder, Kinds.parse("arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}"))
    made.seal(("arrest", SEALED))
    made.snapshot()
    return made


def arrests(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"arrest": ARRESTS, **columns})


def complaints(**columns: Any) -> pd.DataFrame:
    given = {
        "number": [1, 2, 3],
        "cleared_by": ["M17654502", SEALED, None],
        "told": ["a", "b", "c"],
        "status": ["CLOSED"] * 3,
        "narrative": ["Calm.", "Calm.", "Calm."],
    }
    return pd.DataFrame(given | columns)


def stripped(department: Department, **given: pd.DataFrame) -> dict[str, pd.DataFrame]:
    frames = {"arrests": arrests(), "complaints": complaints(), **given}
    clean, _ = strip(frames, policy=department.policy, snapshot=load(department.folder / "x.snap"), key=KEY)
    return clean


def kept_copies(frame: pd.DataFrame, wanted: bytes, folder: Path) -> tuple[int, int]:
    """How often bytes stand in a pickle of the frame and in an uncompressed Feather file."""
    frame.reset_index(drop=True).to_feather(folder / "one.feather", compression="uncompressed")
    return pickle.dumps(frame).count(wanted), (folder / "one.feather").read_bytes().count(wanted)


def encoded(cells: list[Any]) -> pd.Series[Any]:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(cells).dictionary_encode()))


# -- rows that go -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [1, 0, 2], [0, 1, 2], [0, 2, 1], [1]])
def test_a_counted_index_counts_what_stays_wherever_the_gap_was(department: Department, order: list[int]) -> None:
    given = arrests().iloc[order].reset_index(drop=True).rename_axis("at")
    clean = stripped(department, arrests=given)["arrests"]
    pd.testing.assert_index_equal(clean.index, pd.RangeIndex(len(order) - 1, name="at"), exact=True)


def test_an_index_that_does_not_count_keeps_its_labels(department: Department) -> None:
    clean = stripped(department, arrests=arrests().set_index(pd.Index([10, 11, 13, 17, 19])))["arrests"]
    assert clean.index.tolist() == [10, 13, 17, 19]


@pytest.mark.parametrize(
    "cells",
    [
        pa.array(ARRESTS).dictionary_encode(),
        pa.array(ARRESTS, pa.string_view()),
        pa.compute.run_end_encode(pa.array(ARRESTS)),
        pa.ListArray.from_arrays(pa.array(range(6), pa.int32()), pa.array(ARRESTS).dictionary_encode()),
        pa.StructArray.from_arrays([pa.array(ARRESTS).dictionary_encode()], ["number"]),
        pa.MapArray.from_arrays(pa.array(range(6), pa.int32()), ["k"] * 5, pa.array(ARRESTS).dictionary_encode()),
    ],
    ids=lambda cells: str(cells.type),
)
def test_arrow_columns_hold_nothing_of_rows_that_are_gone(department: Department, cells: pa.Array) -> None:
    given = arrests(also=pd.Series(pd.arrays.ArrowExtensionArray(cells)))
    clean = stripped(department, arrests=given)["arrests"]
    expected = [cell for cell, number in zip(cells.to_pylist(), ARRESTS, strict=True) if number != SEALED]
    assert pa.array(clean["also"]).to_pylist() == expected
    held = pickle.dumps(given).count(SEALED.encode()), pickle.dumps(clean).count(SEALED.encode())
    assert held[0] > 0
    assert held[1] == 0


@pytest.mark.parametrize(
    "index",
    [
        pd.CategoricalIndex(ARRESTS, name="place"),
        pd.Index(encoded(ARRESTS).array, name="place"),
        pd.MultiIndex.from_arrays([pd.Categorical(ARRESTS), range(5)], names=["place", "at"]),
        pd.MultiIndex.from_arrays([encoded(ARRESTS).array, range(5)], names=["place", "at"]),
    ],
    ids=lambda index: f"{type(index).__name__} of {index.dtype}",
)
def test_an_index_holds_nothing_of_rows_that_are_gone(department: Department, index: pd.Index[Any]) -> None:
    given = arrests().set_index(index)
    clean = stripped(department, arrests=given)["arrests"]
    assert clean.index.names == index.names
    assert clean.index.tolist() == index[[0, 2, 3, 4]].tolist()
    held = pickle.dumps(given.index).count(SEALED.encode()), pickle.dumps(clean.index).count(SEALED.encode())
    assert held[0] > 0
    assert held[1] == 0


# -- cells that change ------------------------------------------------------------------------------------------------


TEXTS = [
    "str",
    "string[pyarrow]",
    "string[python]",
    "category",
    "object",
    pd.ArrowDtype(pa.string()),
    pd.ArrowDtype(pa.large_string()),
    pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
]


@pytest.mark.parametrize("dtype", TEXTS, ids=str)
def test_no_text_stays_beneath_a_null(department: Department, dtype: Any, tmp_path: Path) -> None:
    def typed(*cells: str | None) -> pd.Series[Any]:
        if "dictionary" in str(dtype):
            return encoded(list(cells))
        return pd.Series(cells, dtype=dtype)

    given = complaints(
        cleared_by=typed("M17654502", SEALED, None),
        told=typed("a", CANARY, "c"),
        status=typed("CLOSED", CANARY, "HELD"),
        narrative=typed("Calm.", "Calm.", f"{CANARY} {SEALED}"),
    )
    clean = stripped(department, complaints=given)["complaints"]
    assert clean.dtypes.astype(str).equals(given.dtypes.astype(str))
    assert clean["told"].isna().tolist() == [False, True, False]
    assert clean["status"].tolist() == ["CLOSED", "OPEN", "HELD"]
    assert clean["narrative"].isna().tolist() == [False, True, True]  # the second row is touched
    for wanted in (SEALED.encode(), CANARY.encode()):
        given_copies, clean_copies = kept_copies(given, wanted, tmp_path), kept_copies(clean, wanted, tmp_path)
        assert min(given_copies) > 0
        assert clean_copies == (0, 0)


@pytest.mark.parametrize(
    ("dtype", "stays"),
    [
        ("int64", "Int64"),
        ("uint64", "UInt64"),
        ("Int64", "Int64"),
        ("Float64", "Float64"),
        ("float64", "float64"),
        ("int64[pyarrow]", "int64[pyarrow]"),
        ("double[pyarrow]", "double[pyarrow]"),
        (pd.ArrowDtype(pa.timestamp("us")), pd.ArrowDtype(pa.timestamp("us"))),
        ("datetime64[us]", "datetime64[us]"),
    ],
    ids=str,
)
def test_no_number_stays_beneath_a_null(department: Department, dtype: Any, stays: Any, tmp_path: Path) -> None:
    given = complaints(told=pd.Series([7, NUMBER, 9]).astype(dtype))
    wanted = (
        np.float64(NUMBER).tobytes() if "loat" in str(dtype) or "double" in str(dtype) else np.int64(NUMBER).tobytes()
    )
    clean = stripped(department, complaints=given)["complaints"]
    pd.testing.assert_series_equal(clean["told"], given["told"].astype(stays).where([True, False, True]))
    assert min(kept_copies(given, wanted, tmp_path)) > 0
    assert kept_copies(clean, wanted, tmp_path) == (0, 0)


@pytest.mark.parametrize("dtype", ["bool", "boolean"])
def test_no_truth_stays_beneath_a_null(department: Department, dtype: str) -> None:
    clean = [
        stripped(department, complaints=complaints(told=pd.Series([True, told, False], dtype=dtype)))["complaints"]
        for told in (True, False)
    ]
    assert clean[0]["told"].tolist() == [True, pd.NA, False]
    assert pickle.dumps(clean[0]) == pickle.dumps(clean[1])


def test_what_was_null_before_is_emptied_as_well(department: Department, tmp_path: Path) -> None:
    also = pd.Series([1, NUMBER, 2, NUMBER, 3], dtype="Int64")
    also[3] = pd.NA
    given = arrests(also=also)
    clean = stripped(department, arrests=given)["arrests"]
    assert clean["also"].tolist() == [1, 2, pd.NA, 3]
    assert min(kept_copies(given, np.int64(NUMBER).tobytes(), tmp_path)) > 0
    assert kept_copies(clean, np.int64(NUMBER).tobytes(), tmp_path) == (0, 0)


def test_a_float_that_is_no_number_is_not_taken_for_nothing(department: Department) -> None:
    also = pd.arrays.FloatingArray(np.array([1.0, 2.0, np.nan, 4.0, 5.0]), np.array([False, False, False, True, False]))
    clean = stripped(department, arrests=arrests(also=also))["arrests"]["also"].array
    assert clean.isna().tolist() == [False, False, True, False]
    assert np.isnan(clean.to_numpy(dtype="float64", na_value=0)).tolist() == [False, True, False, False]


def test_categories_keep_their_order_where_a_cell_takes_one_that_was_not_in_use(department: Department) -> None:
    kind = pd.CategoricalDtype(["OPEN", "CLOSED", "HELD"], ordered=True)
    given = complaints(status=pd.Series(["CLOSED", "CLOSED", "HELD"], dtype=kind))
    clean = stripped(department, complaints=given)["complaints"]
    assert clean["status"].dtype == kind


@pytest.mark.parametrize(
    "cells", [pa.array(["1", "2", "3"], pa.string_view()), pa.array(["1", "2", "3"])], ids=lambda cells: str(cells.type)
)
def test_a_primary_key_may_be_of_views(department: Department, cells: pa.Array) -> None:
    clean = stripped(department, complaints=complaints(number=pd.arrays.ArrowExtensionArray(cells)))["complaints"]
    assert pa.array(clean["number"]).to_pylist() == ["1", "2", "3"]
