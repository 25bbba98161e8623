"""Frames: what no seal reaches keeps dtype, index and attrs; what one reaches is gone from everywhere pandas keeps things."""

from __future__ import annotations

import datetime as dt
import math
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sanitizers.engine.duckdb import DuckDB
from sanitizers.errors import ConfigurationError, SourceFailure
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register.feed import read_feed
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import Snapshot, load
from sanitizers.strip import strip

KEY = Key("5ea1" * 16)
DAY = dt.date(2020, 1, 1)
KINDS = Kinds.parse(
    "arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}\nphoto: {scope: record, pattern: '[0-9]{10}', width: 10}"
)
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
publish: {arrest: plain, photo: plain}
sources:
  arrests:
    path: arrests.parquet
    primary_key: arrest
    columns:
      arrest: {kind: arrest, on_seal: drop}
      photo: {kind: photo, on_seal: {redact: []}, carries: any}
  complaints:
    path: complaints.parquet
    primary_key: number
    columns:
      cleared_by: {kind: arrest, on_seal: {redact: [age, seen, armed], set: {status: OPEN}}}
      "lineup[]": {kind: photo, on_seal: element}
    text:
      narrative: {mentions: [arrest], on_seal: clear}
"""


@pytest.fixture(scope="module")
def barred(tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, Snapshot]:
    folder: Path = tmp_path_factory.mktemp("frames")
    (folder / "sealing.yaml").write_text(POLICY)
    feed = "kind,identifier,action,statute,effective_on,recorded_on\n"
    (folder / "feed.csv").write_text(feed + "arrest,b17-000002,seal,CPL 160.50,2019-01-01,2019-01-02\n")
    register, rules = Register(folder / "register", kinds=KINDS, key=KEY), Rules.find("us-ny", folder)
    register.add(read_feed(folder / "feed.csv"), rules=rules, delivered_on=DAY)
    with DuckDB() as engine:
        register.snapshot(folder / "x.snap", rules=rules, purpose="predictive-model", as_of=DAY, engine=engine)
    return Policy.load(folder / "sealing.yaml"), load(folder / "x.snap")


def frames() -> dict[str, pd.DataFrame]:
    arrests = pd.DataFrame(
        {
            "arrest": pd.Categorical(["M17654502", "B17000002", "K17000001"]),
            "photo": pd.array([7, 3, None], dtype="Int64"),
            "untouched": pd.Series(["x", 1, (2,)], dtype=object),
            "when": pd.to_datetime(["2019-01-01", None, "2019-03-01"]).tz_localize("America/New_York"),
            "period": pd.period_range("2019-01", periods=3, freq="M"),
            "small": np.array([1, 2, 3], dtype="int8"),
            "zero": np.array([0.0, 1.0, -0.0], dtype="float32"),
        },
        index=pd.Index(["p", "q", "r"], name="place"),
    )
    arrests.attrs["source"] = "invented"
    complaints = pd.DataFrame(
        {
            "number": [1, 2, 3],
            "cleared_by": ["m17654502", "B17 000002", None],
            "age": np.array([30, 40, 50], dtype="int16"),
            "seen": [1.5, 2.5, np.nan],
            "armed": [True, False, True],
            "status": pd.Categorical(["CLOSED", "CLOSED", "HELD"]),
            "lineup": [["7", "3"], [], None],
            "narrative": ["Calm.", "Perp fled.", "See B17-000002. Then nothing."],
        }
    )
    return {"arrests": arrests, "complaints": complaints}


def test_rows_cells_elements_and_texts_go(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    clean, receipt = strip(frames(), policy=policy, snapshot=snapshot, key=KEY)
    complaints = clean["complaints"]
    assert clean["arrests"].index.tolist() == ["p", "r"]
    assert complaints["cleared_by"].isna().tolist() == [False, True, True]
    assert complaints["age"].isna().tolist() == [False, True, False]
    assert complaints["status"].tolist() == ["CLOSED", "OPEN", "HELD"]
    assert complaints["lineup"].tolist() == [["7"], [], None]
    assert complaints["narrative"].isna().tolist() == [True, True, True]  # the first row lost an element: it is touched
    assert (receipt.sources["arrests"].rows_dropped, receipt.sources["complaints"].rows_changed) == (1, 3)


def test_what_no_seal_reaches_keeps_dtype_index_attrs_and_value(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given = frames()
    clean, _ = strip(given, policy=policy, snapshot=snapshot, key=KEY)
    kept = given["arrests"].iloc[[0, 2]]
    for name in ("photo", "untouched", "when", "period", "small", "zero"):
        pd.testing.assert_series_equal(clean["arrests"][name], kept[name])
    assert np.signbit(clean["arrests"]["zero"]).tolist() == [False, True]
    assert clean["arrests"].attrs == {"source": "invented"}
    assert clean["arrests"].index.name == "place"


def test_redacted_columns_stay_of_their_kind(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    clean, _ = strip(frames(), policy=policy, snapshot=snapshot, key=KEY)
    dtypes = clean["complaints"].dtypes.astype(str)
    assert (dtypes["age"], dtypes["seen"], dtypes["armed"], dtypes["status"]) == ("Int16", "float64", "boolean", "category")


def test_nothing_of_a_dropped_row_is_left_in_a_pickle(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given = frames()
    clean, _ = strip(given, policy=policy, snapshot=snapshot, key=KEY)
    before, after = pickle.dumps(given), pickle.dumps(clean)
    assert before.count(b"B17000002") > 0
    assert after.count(b"B17000002") == 0


def test_the_frames_that_were_given_do_not_change(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given, same = frames(), frames()
    strip(given, policy=policy, snapshot=snapshot, key=KEY)
    for name, frame in given.items():
        pd.testing.assert_frame_equal(frame, same[name])


def test_a_missing_source_is_refused(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    with pytest.raises(ConfigurationError, match="no frame was given"):
        strip({"arrests": frames()["arrests"]}, policy=policy, snapshot=snapshot, key=KEY)


def test_an_identifier_that_does_not_fit_is_refused_without_its_value(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given = frames()
    given["arrests"]["arrest"] = ["M17654502", "CANARY", "K17000001"]
    with pytest.raises(SourceFailure) as raised:
        strip(given, policy=policy, snapshot=snapshot, key=KEY)
    told = str(raised.value)
    assert "do not fit the kind arrest" in told
    assert "CANARY" not in told


def test_an_empty_frame_stays_empty(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given = {name: frame.iloc[:0] for name, frame in frames().items()}
    clean, _ = strip(given, policy=policy, snapshot=snapshot, key=KEY)
    assert {name: len(frame) for name, frame in clean.items()} == {"arrests": 0, "complaints": 0}


def test_an_emptied_cell_is_written_as_the_column_writes_nothing(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given = frames()
    given["complaints"]["age"] = pd.Series([30, 40, np.nan], dtype=object)
    given["complaints"]["seen"] = pd.Series(["one", "two", np.nan], dtype=object)
    clean, _ = strip(given, policy=policy, snapshot=snapshot, key=KEY)
    for name in ("age", "seen"):
        emptied, empty = clean["complaints"][name].iloc[1:]
        assert emptied is empty


def test_a_counted_index_counts_the_rows_that_stay(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given = frames()
    given["arrests"] = given["arrests"].reset_index(drop=True)
    clean, _ = strip(given, policy=policy, snapshot=snapshot, key=KEY)
    pd.testing.assert_index_equal(clean["arrests"].index, pd.RangeIndex(2), exact=True)


def test_what_is_no_frame_or_lacks_a_column_is_refused_by_name(barred: tuple[Policy, Snapshot]) -> None:
    policy, snapshot = barred
    given = frames()
    with pytest.raises(ConfigurationError, match="arrests: is no data frame"):
        strip(given | {"arrests": None}, policy=policy, snapshot=snapshot, key=KEY)
    given["complaints"] = given["complaints"].rename(columns={"cleared_by": "clearedby"})
    with pytest.raises(ConfigurationError, match="(?s)cleared_by: no such column.*clearedby"):
        strip(given, policy=policy, snapshot=snapshot, key=KEY)


@pytest.mark.parametrize("nothing", [None, np.nan], ids=["null", "not a number"])
@pytest.mark.parametrize("dtype", ["object", "category", "string", "str"])
def test_what_set_gives_stands_where_nothing_stood(barred: tuple[Policy, Snapshot], dtype: str, nothing: object) -> None:
    """As in files: whether a cell held something before would tell what was sealed (law 1)."""
    policy, snapshot = barred
    given = frames()
    given["complaints"]["status"] = pd.Series(["CLOSED", nothing, nothing], dtype=object).astype(dtype)
    clean, receipt = strip(given, policy=policy, snapshot=snapshot, key=KEY)
    status = clean["complaints"]["status"]
    assert (status.tolist()[:2], status.isna().tolist()) == (["CLOSED", "OPEN"], [False, False, True])
    assert receipt.sources["complaints"].rows_changed == 3


@pytest.mark.parametrize(
    "risk",
    [
        pd.Series([np.nan, np.nan, 3.5], name="risk"),
        pd.Series([1, None, 3], dtype="Int64", name="risk"),
        pd.Series(pa.array([1.0, math.nan, None]), dtype=pd.ArrowDtype(pa.float64()), name="risk"),
    ],
    ids=["float", "Int64", "arrow"],
)
def test_numbers_that_set_gives_stand_where_nothing_or_no_number_stood(
    barred: tuple[Policy, Snapshot], tmp_path: Path, risk: pd.Series
) -> None:
    (tmp_path / "sealing.yaml").write_text(POLICY.replace("status: OPEN", "status: OPEN, risk: 2"))
    given = frames()
    given["complaints"]["risk"] = risk
    clean, _ = strip(given, policy=Policy.load(tmp_path / "sealing.yaml"), snapshot=barred[1], key=KEY)
    pd.testing.assert_series_equal(clean["complaints"]["risk"].drop(1), risk.drop(1))
    assert clean["complaints"]["risk"][1] == 2
