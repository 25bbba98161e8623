"""What two complaints have in common, checked by eye."""

import numpy as np
import pandas as pd
import pytest

from models.errors import InputError, MissingColumnError
from models.features import FEATURES, READ, WITHHELD, check, compare, learn

TWO = pd.DataFrame(
    {
        "complaint_number": ["000000000001", "000000000002"],
        "crime_type": "BURGLARY",
        "occurred_at": pd.to_datetime(["2024-03-01 23:30", "2024-03-09 01:00"]),  # a Friday, a Saturday
        "x": [0.0, 3000.0],
        "y": [0.0, 4000.0],
        "premise": ["HOUSE", "HOUSE"],
        "entry": ["DOOR", "ROOF"],
        "weapon": [None, None],
        "method": ["PRY", None],
        "stolen": ["CASH", "CASH"],
        "suspect_age": pd.array([30, 34], dtype="Int64"),
        "suspect_height": pd.array([None, 180], dtype="Int64"),
        "narrative": ["rear door pried RECORD", "Rear door pried RECORD 4711"],
    }
)


def features_of(complaints: pd.DataFrame, *, min_count: int = 1) -> dict[str, float]:
    encoded = learn(complaints, min_count=min_count, mask_word="RECORD").encode(complaints)
    return dict(zip(FEATURES, compare(encoded, np.array([0]), np.array([1]))[0], strict=True))


def test_every_family_counts_what_it_says() -> None:
    found = features_of(TWO)
    assert found["metres_apart"] == 5000
    assert found["days_apart"] == np.float32(7.06)
    assert found["hours_apart"] == 1.5
    assert found["weekdays_apart"] == 1
    assert found["same_weekday"] == 0
    assert [found[f"same_{column}"] for column in ("premise", "entry", "stolen")] == [1, 0, 1]
    assert found["age_apart"] == 4
    assert found["text_similarity"] == 1


def test_unknown_is_not_a_number_and_two_unknown_categories_do_not_agree() -> None:
    found = features_of(TWO)
    assert np.isnan(found["height_apart"])
    assert found["same_weapon"] == found["same_method"] == 0
    assert np.isnan(features_of(TWO.assign(narrative=None))["text_similarity"])
    assert np.isnan(features_of(TWO.assign(x=None))["metres_apart"])


def test_agreeing_on_a_rare_value_weighs_more() -> None:
    crowd = pd.concat([TWO, *[TWO.iloc[[0]].assign(premise="HOUSE", stolen="PHONE")] * 8], ignore_index=True)
    found = features_of(crowd)
    assert 0 == found["rarity_premise"] < found["rarity_stolen"]
    assert found["rarity"] == pytest.approx(sum(found[f"rarity_{c}"] for c in ("premise", "stolen")))


def test_features_are_symmetric(complaints: pd.DataFrame) -> None:
    encoded = learn(complaints, min_count=5, mask_word="RECORD").encode(complaints)
    left, right = np.arange(100), np.arange(100, 200)
    np.testing.assert_array_equal(compare(encoded, left, right), compare(encoded, right, left))


def test_only_the_distance_of_two_places_counts(complaints: pd.DataFrame) -> None:
    moved = complaints.assign(x=complaints["x"] + 1000, y=complaints["y"] - 500)
    left, right = np.arange(100), np.arange(100, 200)
    here, there = (
        compare(learn(c, min_count=5, mask_word="RECORD").encode(c), left, right) for c in (complaints, moved)
    )
    np.testing.assert_array_equal(here, there)


def test_vocabulary_holds_neither_mask_nor_number_nor_rare_word(complaints: pd.DataFrame) -> None:
    told = complaints["narrative"].str.replace("RECORD", "record, RECORD; Record 123456", regex=False)
    odd = complaints.assign(narrative=told.where(told.index > 3, "unheardof"))
    assert told.str.contains("RECORD").any()
    words = set(learn(odd, min_count=5, mask_word="RECORD").words)
    assert len(words) == 64
    assert not words & {"record", "unheardof"}
    assert all(word.isalpha() for word in words)


def test_rare_values_share_one_weight_and_are_not_stored(complaints: pd.DataFrame) -> None:
    odd = complaints.assign(premise=complaints["premise"].where(complaints.index > 3, "LIGHTHOUSE"))
    encoder = learn(odd, min_count=5, mask_word="RECORD")
    assert "LIGHTHOUSE" not in encoder.rarity["premise"]
    assert encoder.encode(odd).weights[0, 0] == encoder.ceiling >= max(encoder.rarity["premise"].values())


def test_complaints_without_any_text_are_taken() -> None:
    silent = TWO.assign(narrative=pd.Series([None, None], dtype="str"))
    assert len(learn(silent, min_count=1, mask_word="RECORD").words) == 0
    assert np.isnan(features_of(silent)["text_similarity"])


@pytest.mark.parametrize("column", READ)
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(MissingColumnError, match=f"complaints: missing column {column}") as refusal:
        check(TWO.drop(columns=column))
    assert "000000000001" not in str(refusal.value)


def test_withheld_columns_are_not_asked_for() -> None:
    assert not set(WITHHELD) & set(READ)
    check(TWO)


@pytest.mark.parametrize(
    ("column", "value"),
    [("complaint_number", "000000000001"), ("occurred_at", "1 March"), ("occurred_at", pd.NaT)],
)
def test_an_unusable_column_is_named_without_its_values(column: str, value: object) -> None:
    with pytest.raises(InputError, match=f"complaints.{column}") as refusal:
        check(TWO.assign(**{column: value}))
    assert "March" not in str(refusal.value)


def test_text_in_a_number_column_is_refused_without_quoting_it() -> None:
    with pytest.raises(InputError, match=r"complaints\.suspect_height") as refusal:
        features_of(TWO.assign(suspect_height="six feet"))
    assert "six" not in str(refusal.value)
    assert refusal.value.__context__ is None
