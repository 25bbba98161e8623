"""The linkage model: what it learns, what it must not see, and that equal input gives equal answers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from models.errors import InputError, MissingColumnError
from models.features import WITHHELD
from models.linkage import RANKED, Params, PatternModel, fit, rank


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=7)


def test_unseen_patterns_are_told_from_chance(complaints: pd.DataFrame, pairs: pd.DataFrame, params: Params) -> None:
    in_half = complaints.set_index("complaint_number")["pattern"].str.extract(r"(\d+)$")[0].astype(float) % 2 == 0
    left, right = pairs["a"].map(in_half), pairs["b"].map(in_half)
    model = fit(complaints, pairs[left & right], params=params)
    unseen = pairs[~left & ~right]
    scores = model.score(complaints, unseen)
    for crime_type in ("BURGLARY", "ROBBERY"):
        rows = unseen["crime_type"] == crime_type
        assert roc_auc_score(unseen["label"][rows], scores[rows]) > 0.85


@pytest.mark.parametrize("column", [*WITHHELD, "status", "cleared_by", "lineup", "reported_on"])
def test_withheld_columns_change_no_score(
    column: str, complaints: pd.DataFrame, pairs: pd.DataFrame, params: Params, model: PatternModel
) -> None:
    permuted = complaints.assign(**{column: complaints[column].sample(frac=1, random_state=3).to_numpy()})
    assert not permuted[column].equals(complaints[column])
    pd.testing.assert_series_equal(model.score(permuted, pairs), model.score(complaints, pairs), check_exact=True)
    if column in WITHHELD:
        refitted = fit(permuted.drop(columns=[c for c in WITHHELD if c != column]), pairs, params=params)
        pd.testing.assert_series_equal(refitted.score(permuted, pairs), model.score(complaints, pairs))


def test_order_of_rows_and_threads_change_nothing(
    complaints: pd.DataFrame, pairs: pd.DataFrame, params: Params, model: PatternModel
) -> None:
    other = fit(shuffled(complaints), shuffled(pairs), params=params, n_jobs=2)
    again = other.score(shuffled(complaints), shuffled(pairs), n_jobs=2).sort_index()
    pd.testing.assert_series_equal(again, model.score(complaints, pairs), check_exact=True)
    asked = complaints["complaint_number"][::9].tolist()
    pd.testing.assert_frame_equal(
        rank(other, shuffled(complaints), asked=asked[::-1], n_jobs=2),
        rank(model, complaints, asked=asked),
        check_exact=True,
    )


def test_types_with_few_pairs_are_skipped_and_named(
    complaints: pd.DataFrame, pairs: pd.DataFrame, model: PatternModel
) -> None:
    assert set(model.types) == {"BURGLARY", "ROBBERY"}
    assert model.skipped == {"GRAND LARCENY": "fewer than 20 positive or negative pairs"}
    unscored = model.score(complaints, pairs).isna()
    assert unscored.equals(pairs["crime_type"] == "ARSON")


def test_unknown_takes_a_value_that_known_pairs_take(model: PatternModel) -> None:
    for of_type in model.types.values():
        assert np.isfinite(of_type.typical).all()
        assert (of_type.typical[-3:-1] % 1 == 0).all()  # whole years and centimetres, no mean of two


def test_model_shows_nothing_it_learnt_in_its_repr(complaints: pd.DataFrame, model: PatternModel) -> None:
    words = {word for of_type in model.types.values() for word in of_type.encoder.words}
    assert words
    assert not any(word in repr(model) for word in words)


@pytest.mark.parametrize("column", ["a", "b", "crime_type", "label"])
def test_a_missing_pair_column_is_named(column: str, complaints: pd.DataFrame, pairs: pd.DataFrame) -> None:
    with pytest.raises(MissingColumnError, match=f"pairs: missing column {column}"):
        fit(complaints, pairs.drop(columns=column))


def test_unusable_pairs_are_refused_without_naming_a_complaint(complaints: pd.DataFrame, pairs: pd.DataFrame) -> None:
    swapped = pairs.rename(columns={"a": "b", "b": "a"})
    twice = pd.concat([pairs, pairs.head(1)])
    unknown = pairs.assign(b=pairs["b"].where(pairs.index > 0, "999999999999"))
    other_type = pairs.assign(crime_type=pairs["crime_type"].replace("ROBBERY", "BURGLARY"))
    for broken in (swapped, twice, unknown, other_type, pairs.assign(label=2)):
        with pytest.raises(InputError, match=r"^pairs\.") as refusal:
            fit(complaints, broken)
        assert not any(character.isdigit() for character in str(refusal.value).replace("0 and 1", ""))


def test_rank_lists_every_earlier_complaint_once_and_without_gaps(
    complaints: pd.DataFrame, model: PatternModel
) -> None:
    of_type = complaints[complaints["crime_type"] == "ROBBERY"].sort_values(["occurred_at", "complaint_number"])
    numbers = of_type["complaint_number"].tolist()
    asked = [numbers[0], numbers[1], numbers[-1]]
    ranked = rank(model, complaints, asked=asked, depth=10_000)
    assert tuple(ranked.columns) == RANKED
    for number in asked:
        rows = ranked[ranked["asked"] == number]
        earlier = numbers[: numbers.index(number)]
        assert rows["rank"].tolist() == list(range(1, len(earlier) + 1))
        assert rows["candidate"].nunique() == len(earlier)
        differing = len(set(rows["candidate"]) ^ set(earlier))
        assert differing == 0


def test_rank_is_by_score_then_complaint_number_and_agrees_with_score(
    complaints: pd.DataFrame, model: PatternModel
) -> None:
    asked = complaints["complaint_number"][::5]
    ranked = rank(model, complaints, asked=asked, depth=10_000)
    expected = ranked.sort_values(["asked", "score", "candidate"], ascending=[True, False, True], ignore_index=True)
    pd.testing.assert_frame_equal(ranked, expected)
    assert ranked.duplicated(["asked", "score"]).any()  # there are ties to break
    pairs = pd.DataFrame({"a": ranked["candidate"], "b": ranked["asked"], "crime_type": ranked["crime_type"]})
    np.testing.assert_array_equal(model.score(complaints, pairs), ranked["score"])
    top = rank(model, complaints, asked=asked, depth=3)
    pd.testing.assert_frame_equal(top, ranked[ranked["rank"] <= 3].reset_index(drop=True))


def test_rank_breaks_equal_times_by_complaint_number(complaints: pd.DataFrame, model: PatternModel) -> None:
    same_time = complaints.assign(occurred_at=complaints["occurred_at"].min())
    numbers = same_time.loc[same_time["crime_type"] == "BURGLARY", "complaint_number"].sort_values().tolist()
    ranked = rank(model, same_time, asked=numbers[:3], depth=100)
    assert ranked["asked"].tolist() == [numbers[1], numbers[2], numbers[2]]


def test_rank_in_small_blocks_gives_the_same(
    complaints: pd.DataFrame, model: PatternModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = complaints["complaint_number"][::4]
    whole = rank(model, complaints, asked=asked)
    monkeypatch.setattr("models.linkage.BLOCK", 500)
    pd.testing.assert_frame_equal(rank(model, complaints, asked=asked), whole)


def test_rank_answers_an_unknown_number_with_nothing(complaints: pd.DataFrame, model: PatternModel) -> None:
    arson = complaints.loc[complaints["crime_type"] == "ARSON", "complaint_number"]
    answer = rank(model, complaints, asked=["999999999999", *arson])
    assert tuple(answer.columns) == RANKED
    assert len(answer) == 0
