"""Splits that keep groups whole, intervals over groups, patterns rebuilt."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from models.evaluation import auc_interval, draw, roc_points, true_positive_rate
from models.linkage import Params, PatternModel
from models.patterns import evaluate, pattern_of, rebuilt, split_patterns

CHAIN = pd.DataFrame(
    [("1", "2", 1), ("2", "3", 1), ("4", "5", 1), ("1", "5", 0), ("3", "6", 0)], columns=["a", "b", "label"]
).assign(crime_type="BURGLARY")


def test_patterns_are_components_of_positive_pairs_only() -> None:
    assert pattern_of(CHAIN).to_dict() == {"1": "1", "2": "1", "3": "1", "4": "4", "5": "4", "6": "6"}


def test_split_keeps_patterns_and_complaints_apart(complaints: pd.DataFrame, pairs: pd.DataFrame) -> None:
    split = split_patterns(pairs, test_share=0.3)
    assert len(split.train) + len(split.test) + split.left_out == len(pairs)
    pattern = complaints.set_index("complaint_number")["pattern"]
    sides = [set(side["a"]) | set(side["b"]) for side in (split.train, split.test)]
    shared = len(sides[0] & sides[1])
    shared_patterns = len(set(pattern[list(sides[0])]) & set(pattern[list(sides[1])]))
    assert min(len(side) for side in sides) > 50
    assert shared == shared_patterns == 0
    assert split.test.equals(split_patterns(pairs.sample(frac=1, random_state=1)).test.sort_index())


def test_draw_keeps_groups_whole_and_even() -> None:
    groups = np.repeat([f"p{number}" for number in range(100)], 3)
    places = draw(groups, seed=0)
    assert (pd.Series(places).groupby(groups).nunique() == 1).all()
    np.testing.assert_allclose(np.unique(places), np.arange(100) / 100)
    assert (draw(groups, seed=1) != places).any()


def test_auc_agrees_with_scikit_learn_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    score = np.round(label + rng.normal(0, 1.5, 400), 1)  # with ties
    auc = auc_interval(label, score, groups=np.arange(400), rounds=200)
    assert auc.value == pytest.approx(roc_auc_score(label, score))
    assert auc.low < auc.value < auc.high
    assert auc == auc_interval(label, score, groups=np.arange(400), rounds=200)


def test_interval_widens_when_rows_belong_to_few_groups() -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(0, 1, 40)
    groups = np.repeat(np.arange(40), 25)
    label = (level[groups] > 0).astype(int)
    score = level[groups] + np.repeat(rng.normal(0, 1.5, 40), 25)
    by_row, by_group = (auc_interval(label, score, groups=each, rounds=300) for each in (np.arange(1000), groups))
    assert by_group.high - by_group.low > 3 * (by_row.high - by_row.low)


def test_a_pair_between_two_groups_counts_as_often_as_both_were_drawn() -> None:
    label, score = np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.5, 0.1])
    groups = np.array([["p", "p"], ["q", "q"], ["p", "q"], ["p", "q"]])
    auc = auc_interval(label, score, groups=groups, rounds=400)
    assert auc.value == 0.75
    assert (auc.low, auc.high) == (0.75, 0.75)  # only draws of both leave a negative, and they weigh both alike


def test_rates_and_curve() -> None:
    label = np.array([1] * 4 + [0] * 20)
    score = np.array([0.9, 0.8, 0.3, 0.1] + [0.5] + [0.2] * 19)
    assert true_positive_rate(label, score) == 0.75
    assert true_positive_rate(label, score, false_positive_rate=0.04) == 0.5
    curve = roc_points(label, score)
    assert len(curve) == 101
    assert curve["true_positive_rate"].iloc[[0, 5, 100]].tolist() == [0.5, 0.75, 1.0]


def test_evaluate_measures_each_type_and_names_the_rest(
    complaints: pd.DataFrame, pairs: pd.DataFrame, params: Params
) -> None:
    result = evaluate(complaints, pairs, params=params)
    measures = result.measures.set_index("crime_type")
    assert set(measures.index) == {"BURGLARY", "ROBBERY"}
    assert set(result.skipped) == {"GRAND LARCENY"}
    assert (measures["auc"] > 0.85).all()
    assert ((measures["auc_low"] < measures["auc"]) & (measures["auc"] < measures["auc_high"])).all()
    assert ((measures["rebuilt"] <= measures["rebuilt_in_part"]) & (measures["rebuilt_in_part"] > 0.5)).all()
    assert (result.curves.groupby("crime_type").size() == 101).all()


def test_patterns_are_rebuilt_whole_when_every_candidate_is_read(complaints: pd.DataFrame, model: PatternModel) -> None:
    patterns = complaints[complaints["crime_type"] == "ROBBERY"].set_index("complaint_number")["pattern"].dropna()
    shares = rebuilt(model, complaints, patterns, depth=10_000)
    assert len(shares) == patterns.nunique()
    assert (shares == 1).all()
    assert rebuilt(model, complaints, patterns, depth=1).between(0, 1).all()
