"""How well scores separate two labels, with an honest interval: resampled are persons or patterns, never single rows.

Rows of one person, and pairs of one pattern, resemble each other; an interval from single rows would be far too narrow.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve


@dataclass(frozen=True)
class Interval:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def draw(groups: np.ndarray, *, seed: int) -> np.ndarray:
    """Give every group one place in [0, 1), evenly spaced, in an order that depends on seed and name only.

    Splits by ``draw(...) < share`` or ``floor(draw(...) * folds)`` keep groups whole, do not depend on the order of
    rows, and hardly move when a few groups disappear.
    """
    names, codes = np.unique(groups, return_inverse=True)
    digests = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names.tolist()]
    places = np.empty(len(names))
    places[sorted(range(len(names)), key=digests.__getitem__)] = np.arange(len(names)) / max(len(names), 1)
    return places[codes]


def auc_interval(
    label: np.ndarray, score: np.ndarray, *, groups: np.ndarray, seed: int = 0, rounds: int = 1000
) -> Interval:
    """Area under the ROC curve, with a percentile bootstrap over groups.

    Parameters
    ----------
    label : array of shape (n,)
        0 or 1, both present.
    score : array of shape (n,)
        Higher means more likely 1.
    groups : array of shape (n,) or (n, 2)
        The group, or the two groups, that a row belongs to. A row between two groups counts as often as the product of
        the draws of both (Owen's pigeonhole bootstrap), a row within one as often as that one was drawn.
    """
    label, codes = np.asarray(label), np.unique(groups, return_inverse=True)[1].reshape(len(groups), -1)
    order = np.unique(score, return_inverse=True)[1]
    sides = [(order[label == value], codes[label == value]) for value in (1, 0)]
    levels, total = order.max() + 1, codes.max() + 1
    rng = np.random.default_rng(seed)
    drawn = [_auc(sides, levels, np.bincount(rng.integers(0, total, total), minlength=total)) for _ in range(rounds)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(_auc(sides, levels, np.ones(total)), float(low), float(high))


def _auc(sides: list[tuple[np.ndarray, np.ndarray]], levels: int, weight: np.ndarray) -> float:
    """Weighted AUC by counting, per score level, the negatives below and half of those beside each positive."""
    positive, negative = (
        np.bincount(order, weights=_row_weight(weight, codes), minlength=levels) for order, codes in sides
    )
    pairs = positive.sum() * negative.sum()
    return float((positive * (np.cumsum(negative) - negative / 2)).sum() / pairs) if pairs else float("nan")


def _row_weight(weight: np.ndarray, codes: np.ndarray) -> np.ndarray:
    first, last = codes[:, 0], codes[:, -1]
    product: np.ndarray = weight[first] * weight[last]
    return np.where(first == last, weight[first], product)


def true_positive_rate(label: np.ndarray, score: np.ndarray, *, false_positive_rate: float = 0.05) -> float:
    """Highest share of positives found at a threshold that lets through at most this share of negatives."""
    false, true, _ = roc_curve(label, score)
    return float(true[false <= false_positive_rate].max())


def roc_points(label: np.ndarray, score: np.ndarray, *, points: int = 101) -> pd.DataFrame:
    """Points of the ROC curve on an even grid of false-positive rates: an aggregate of fixed size, for plots."""
    false, true, _ = roc_curve(label, score)
    grid = np.linspace(0, 1, points)
    reached = true[np.searchsorted(false, grid, side="right") - 1]
    return pd.DataFrame({"false_positive_rate": grid.round(4), "true_positive_rate": reached.round(4)})
