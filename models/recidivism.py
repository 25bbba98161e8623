"""A plain classifier for a binary label on tabular features, such as "re-arrested within two years".

A random forest whose trees each see a bounded sample, so that the time to fit hardly grows with the number of rows.
Persons are kept apart in the evaluation, since one person's cases resemble each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from models.errors import InputError, numbers, require_columns
from models.evaluation import Interval, auc_interval, draw, roc_points, true_positive_rate

DECIMALS = 6
TREES, MIN_LEAF, ROWS_PER_TREE = 60, 20, 5_000


@dataclass(frozen=True, eq=False)
class LabelModel:
    """A fitted forest and the columns it reads, in their order. It holds thresholds, and no row and no person."""

    columns: tuple[str, ...]
    forest: RandomForestClassifier

    def score(self, features: pd.DataFrame) -> pd.Series:
        """Return the probability of label 1, to six decimals, on the index of `features`.

        Raises
        ------
        InputError
            If a column is missing or holds something else than numbers.
        """
        table = _table(features, self.columns)
        return pd.Series(self.forest.predict_proba(table)[:, 1].round(DECIMALS), index=features.index, name="score")


@dataclass(frozen=True)
class LabelEvaluation:
    """Measures over all rows, each scored by a model that has not seen its person.

    Attributes
    ----------
    auc : Interval
        With 95 % interval by bootstrap over persons.
    true_positive_rate : float
        At 5 % false positives.
    curve : DataFrame
        false_positive_rate, true_positive_rate: 101 points.
    """

    auc: Interval
    true_positive_rate: float
    curve: pd.DataFrame


def fit_label(features: pd.DataFrame, label: pd.Series, *, seed: int = 0, n_jobs: int = 1) -> LabelModel:
    """Fit on all columns of `features`, which must not hold an identifier.

    Neither `n_jobs` nor the order of the rows changes the model.

    Parameters
    ----------
    features : DataFrame
        Numbers or booleans; null means unknown, and trees may tell it from known.
    label : Series
        0 or 1, row by row as `features`.

    Raises
    ------
    InputError
        If a column is not numeric, or the label is not made of both 0 and 1.
    """
    columns = tuple(str(column) for column in features.columns)
    table, target = _table(features, columns), _target(label)
    order = np.argsort(pd.util.hash_pandas_object(pd.DataFrame(table).assign(label=target), index=False).to_numpy())
    forest = RandomForestClassifier(
        TREES,
        min_samples_leaf=MIN_LEAF,
        max_samples=min(ROWS_PER_TREE, len(table)),
        random_state=seed,
        n_jobs=n_jobs,
    )
    forest.fit(table[order], target[order])
    return LabelModel(columns, forest.set_params(n_jobs=1))


def evaluate_label(
    features: pd.DataFrame, label: pd.Series, *, groups: pd.Series, folds: int = 3, seed: int = 0, n_jobs: int = 1
) -> LabelEvaluation:
    """Cross-validate with all rows of one person (`groups`, row by row) in one fold."""
    persons = groups.to_numpy(dtype=str)
    fold = np.floor(draw(persons, seed=seed) * folds)
    target, score = _target(label), np.empty(len(label))
    for number in range(folds):
        held_back = fold == number
        model = fit_label(features[~held_back], label[~held_back], seed=seed, n_jobs=n_jobs)
        score[held_back] = model.score(features[held_back])
    return LabelEvaluation(
        auc=auc_interval(target, score, groups=persons, seed=seed),
        true_positive_rate=true_positive_rate(target, score),
        curve=roc_points(target, score),
    )


def _table(features: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    require_columns(features, columns, name="features")
    return np.column_stack([numbers(features[column], name="features") for column in columns]).astype(np.float32)


def _target(label: pd.Series) -> np.ndarray:
    if set(label.unique()) != {0, 1}:
        raise InputError(f"{label.name or 'label'}: must hold 0 and 1, both, and nothing else")
    return label.to_numpy(dtype=np.int64)
