"""The Expectation: it finds, it never passes unevaluated, and it writes no identifier anywhere."""

import json
import os
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sanitizers.errors import ConfigurationError
from sanitizers.identifiers import Key, Kinds, published, tokenise

gx = pytest.importorskip("great_expectations")
ours = pytest.importorskip("sanitizers.integrations.great_expectations")

CLEAN = ["K17000001", "Q18000003", None]
SEALED = ["m17-654 502", "B17000002", "M17654502", "K17000001", None]
ARREST = "arrest_number"


@pytest.fixture
def check(register, tmp_path):
    def run(frame: pd.DataFrame, columns: dict | None = None, **given: object) -> dict:
        given = {"snapshot": register["snapshot"], "key_file": register["key"], "docs": tmp_path / "docs", **given}
        return ours.validate(frame, columns or dict.fromkeys(frame.columns, ARREST), **given)

    return run


def test_a_barred_identifier_is_found_however_it_is_written(check):
    assert check(pd.DataFrame({"arrest": SEALED})) == {"success": False, "columns": {"arrest": 3}}


def test_a_clean_column_passes(check):
    assert check(pd.DataFrame({"arrest": CLEAN})) == {"success": True, "columns": {"arrest": 0}}
    categories = pd.DataFrame({"arrest": pd.Categorical(CLEAN)})
    assert check(categories)["success"]


def test_published_tokens_need_no_key(check):
    kinds = Kinds.parse("arrest_number: {scope: record, pattern: '[BKMQS][0-9]{8}'}")
    numbers = pl.Series(["M17654502", "K17000001"])
    own = tokenise(numbers, name=ARREST, kind=kinds[ARREST], key=Key("ab" * 32))
    frame = pd.DataFrame({"arrest": published(own.hi, own.lo).to_pylist()})
    assert check(frame, key_file=None) == {"success": False, "columns": {"arrest": 1}}
    assert check(frame[1:], key_file=None) == {"success": True, "columns": {"arrest": 0}}


@pytest.mark.parametrize(
    ("case", "given"),
    [
        ("a missing column", {"columns": {"arrests": ARREST}}),
        ("a kind that the snapshot does not know", {"columns": {"arrest": "arrest"}}),
        ("an empty snapshot", {"snapshot": "empty"}),
        ("an unreadable snapshot", {"snapshot": "key"}),
        ("an unreadable key", {"key_file": "snapshot"}),
        ("no key for plain identifiers", {"key_file": None}),
        ("numbers", {"frame": pd.DataFrame({"arrest": [1, 2]})}),
        ("truths", {"frame": pd.DataFrame({"arrest": [True, False]})}),
        ("mixed cells", {"frame": pd.DataFrame({"arrest": ["K17000001", 1.5]}, dtype=object)}),
        ("lists", {"frame": pd.DataFrame({"arrest": [["K17000001"]]})}),
        ("something else", {"frame": pd.DataFrame({"arrest": ["K17000001", "a note"]})}),
        ("no rows", {"frame": pd.DataFrame({"arrest": pd.Series([], dtype="str")})}),
    ],
)
def test_what_was_not_evaluated_never_passes(check, register, case, given):
    named = {name: register.get(value, value) if isinstance(value, str) else value for name, value in given.items()}
    result = check(named.pop("frame", pd.DataFrame({"arrest": CLEAN})), named.pop("columns", None), **named)
    assert result["success"] is False, case
    assert list(result["columns"].values()) == [None], case


def test_one_column_that_was_not_evaluated_spoils_the_run(check):
    frame = pd.DataFrame({"arrest": CLEAN})
    result = check(frame, {"arrest": ARREST, "other": ARREST})
    assert result == {"success": False, "columns": {"arrest": 0, "other": None}}


def test_a_run_without_columns_is_refused(check):
    with pytest.raises(ConfigurationError, match="no column"):
        ours.validate(pd.DataFrame(), {}, snapshot=Path("x"), docs=Path("y"))


def test_a_column_that_refers_to_nothing_holds_nothing_barred(check):
    assert check(pd.DataFrame({"arrest": [None, np.nan]})) == {"success": True, "columns": {"arrest": 0}}


def test_texts_that_mean_no_reference_are_passed_over(check):
    frame = pd.DataFrame({"arrest": ["K17000001", "N/A", ""]})
    assert not check(frame)["success"]
    assert check(frame, missing=["N/A", ""]) == {"success": True, "columns": {"arrest": 0}}


def written(folder: Path) -> str:
    """Everything that stands in the files below a folder, names included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return "\n".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in files)


def leaks(text: str) -> int:
    """How many spellings of sealed identifiers, their digits or tokens stand in a text."""
    return sum(mark in text for mark in ("M17654502", "17654502", "m17-654", "B17000002", "17000002", "tok_"))


def test_data_docs_hold_no_identifier_and_ask_the_network_for_nothing(check, tmp_path):
    check(pd.DataFrame({"arrest": SEALED, "other": ["a M17654502 note"] * 5}))
    text = written(tmp_path / "docs")
    found = leaks(text)
    assert found == 0
    pages = list((tmp_path / "docs").rglob("*.html"))
    assert len(pages) >= 3
    assert all("Content-Security-Policy" in page.read_text() for page in pages)
    assert "holds no" in text


def test_a_project_folder_at_complete_holds_no_identifier(register, tmp_path):
    context = gx.get_context(mode="file", project_root_dir=tmp_path)
    context.enable_analytics(enable=False)
    expectations = [
        ours.ExpectColumnToHoldNothingBarred(
            column=column, kind=ARREST, snapshot=str(register["snapshot"]), key_file=str(register["key"])
        )
        for column in ("arrest", "other", "nowhere")
    ]
    suite = context.suites.add(gx.ExpectationSuite(name="s", expectations=expectations))
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="v", data=batch, suite=suite))
    checkpoint = gx.Checkpoint(name="c", validation_definitions=[definition], result_format="COMPLETE")
    frame = pd.DataFrame({"arrest": SEALED, "other": ["a M17654502 note"] * 5}, index=SEALED)
    ran = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    context.build_data_docs()
    assert not ran.success
    text = written(tmp_path / "gx")
    assert "observed_value" in text
    found = leaks(text + json.dumps(ran.describe_dict()))
    assert found == 0


def test_a_row_condition_is_refused(register, tmp_path):
    from great_expectations.expectations.row_conditions import Column

    expectation = ours.ExpectColumnToHoldNothingBarred(
        column="arrest",
        kind=ARREST,
        snapshot=str(register["snapshot"]),
        key_file=str(register["key"]),
        row_condition=Column("other") == 1,
    )
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    frame = pd.DataFrame({"arrest": ["M17654502", "K17000001"], "other": [0, 1]})
    assert not batch.get_batch(batch_parameters={"dataframe": frame}).validate(expectation).success


def test_a_run_phones_nobody(check, monkeypatch):
    called = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: called.append(address))
    assert check(pd.DataFrame({"arrest": CLEAN}))["success"]
    assert called == []
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
