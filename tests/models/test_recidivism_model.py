"""The label classifier: deterministic, persons kept apart, refusals that name a column."""

import numpy as np
import pandas as pd
import pytest

from models.errors import InputError, MissingColumnError
from models.recidivism import evaluate_label, fit_label

rng = np.random.default_rng(0)
PERSON = pd.Series([f"SF-{number}" for number in rng.integers(0, 700, 2000)])
TRAIT = PERSON.map(dict(zip(PERSON.unique(), rng.normal(size=PERSON.nunique()), strict=True)))
FEATURES = pd.DataFrame(
    {"priors": rng.poisson(np.exp(TRAIT)), "age": rng.integers(18, 70, 2000).astype(float), "juvenile": TRAIT > 1}
)
FEATURES.loc[::17, "age"] = np.nan
LABEL = pd.Series((TRAIT + rng.normal(0, 1, 2000) > 0).astype(int), name="rearrested")


def test_signal_is_found_with_an_interval_around_it() -> None:
    result = evaluate_label(FEATURES, LABEL, groups=PERSON)
    assert 0.65 < result.auc.low < result.auc.value < result.auc.high < 0.95
    assert 0 < result.true_positive_rate < 1
    assert len(result.curve) == 101


def test_persons_are_kept_apart() -> None:
    coin = PERSON.map({name: int(place) for name, place in zip(PERSON.unique(), rng.integers(0, 2, 700), strict=False)})
    fingerprint = pd.DataFrame({"person": PERSON.str.removeprefix("SF-").astype(int)})
    result = evaluate_label(fingerprint, coin, groups=PERSON)  # only somebody who has seen the person could tell
    assert result.auc.low < 0.5 < result.auc.high


def test_order_and_threads_change_nothing() -> None:
    order = np.random.default_rng(1).permutation(len(LABEL))
    one, other = fit_label(FEATURES, LABEL), fit_label(FEATURES.iloc[order], LABEL.iloc[order], n_jobs=2)
    pd.testing.assert_series_equal(one.score(FEATURES), other.score(FEATURES), check_exact=True)


def test_columns_are_read_by_name() -> None:
    model = fit_label(FEATURES, LABEL)
    pd.testing.assert_series_equal(model.score(FEATURES[["juvenile", "age", "priors"]]), model.score(FEATURES))


def test_refusals_name_the_column_and_no_value() -> None:
    model = fit_label(FEATURES, LABEL)
    with pytest.raises(MissingColumnError, match="features: missing column age"):
        model.score(FEATURES.drop(columns="age"))
    with pytest.raises(InputError, match=r"features\.person") as refusal:
        fit_label(FEATURES.assign(person=PERSON), LABEL)
    assert "SF-" not in str(refusal.value)
    with pytest.raises(InputError, match="rearrested"):
        fit_label(FEATURES, LABEL * 0)
